-- name: schema
-- What is known of papers besides their state: where in an archive a PDF lies, and what the metadata snapshot says. The
-- application id spells "RPAC". Rows may be written again: the last write counts.
PRAGMA application_id = 0x52504143;
PRAGMA user_version = 3;
CREATE TABLE archives (
    number INTEGER PRIMARY KEY,
    path   TEXT    NOT NULL UNIQUE
) STRICT;
CREATE TABLE members (
    id           TEXT    NOT NULL PRIMARY KEY,
    archive      INTEGER NOT NULL REFERENCES archives (number),
    offset_bytes INTEGER NOT NULL,
    size_bytes   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE metadata (
    number     INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    title      TEXT    NOT NULL,
    authors    TEXT    NOT NULL,
    abstract   TEXT    NOT NULL,
    categories TEXT    NOT NULL,
    doi        TEXT,
    version    INTEGER NOT NULL
) STRICT;
CREATE VIRTUAL TABLE titles USING fts5 (title, content = 'metadata', content_rowid = 'number', columnsize = 0);
CREATE VIRTUAL TABLE category_index USING fts5 (
    categories, content = 'metadata', content_rowid = 'number', columnsize = 0, detail = none,
    tokenize = "unicode61 tokenchars '.-'");
CREATE VIRTUAL TABLE category_names USING fts5vocab (category_index, row);

-- name: upgrade_to_2
-- Version 1 had no index of the titles, and no number that it could rely on.
ALTER TABLE metadata RENAME TO metadata_of_version_1;
CREATE TABLE metadata (
    number     INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    title      TEXT    NOT NULL,
    authors    TEXT    NOT NULL,
    abstract   TEXT    NOT NULL,
    categories TEXT    NOT NULL,
    doi        TEXT,
    version    INTEGER NOT NULL
) STRICT;
INSERT INTO metadata (id, title, authors, abstract, categories, doi, version)
SELECT id, title, authors, abstract, categories, doi, version FROM metadata_of_version_1;
DROP TABLE metadata_of_version_1;
CREATE VIRTUAL TABLE titles USING fts5 (title, content = 'metadata', content_rowid = 'number', columnsize = 0);
INSERT INTO titles (titles) VALUES ('rebuild');
PRAGMA user_version = 2;

-- name: upgrade_to_3
-- Version 2 had no index of the categories, in which each category is one word.
CREATE VIRTUAL TABLE category_index USING fts5 (
    categories, content = 'metadata', content_rowid = 'number', columnsize = 0, detail = none,
    tokenize = "unicode61 tokenchars '.-'");
CREATE VIRTUAL TABLE category_names USING fts5vocab (category_index, row);
INSERT INTO category_index (category_index) VALUES ('rebuild');
PRAGMA user_version = 3;

-- name: add_archive
-- Record an archive, unless it is known. Its path is given as bytes, which need not be text.
INSERT INTO archives (path) VALUES (CAST(:path AS TEXT)) ON CONFLICT (path) DO NOTHING;

-- name: archive_number
-- The number of an archive.
SELECT number FROM archives WHERE path = CAST(:path AS TEXT);

-- name: add_member
-- Where a paper's PDF lies in an archive.
INSERT OR REPLACE INTO members (id, archive, offset_bytes, size_bytes)
VALUES (:id, :archive, :offset_bytes, :size_bytes);

-- name: add_metadata
-- What the snapshot says of a paper, which keeps its number.
INSERT INTO metadata (id, title, authors, abstract, categories, doi, version) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET title = excluded.title, authors = excluded.authors, abstract = excluded.abstract,
    categories = excluded.categories, doi = excluded.doi, version = excluded.version;

-- name: last_number
-- The highest number so far.
SELECT coalesce(max(number), 0) FROM metadata;

-- name: changed
-- The numbers of the papers, given as id, title and categories, of which the indexes hold what is about to change.
SELECT number FROM json_each(:papers) CROSS JOIN metadata ON metadata.id = value ->> 0
WHERE title <> value ->> 1 OR categories <> value ->> 2;

-- name: forget_titles
-- Take titles out of the index. It needs their old text, so this comes before the change.
INSERT INTO titles (titles, rowid, title)
SELECT 'delete', number, title FROM json_each(:numbers) CROSS JOIN metadata ON number = value;

-- name: forget_categories
-- Take categories out of the index, likewise.
INSERT INTO category_index (category_index, rowid, categories)
SELECT 'delete', number, categories FROM json_each(:numbers) CROSS JOIN metadata ON number = value;

-- name: index_titles
-- Put titles back into the index.
INSERT INTO titles (rowid, title) SELECT number, title FROM json_each(:numbers) CROSS JOIN metadata ON number = value;

-- name: index_categories
-- Put categories back into the index.
INSERT INTO category_index (rowid, categories)
SELECT number, categories FROM json_each(:numbers) CROSS JOIN metadata ON number = value;

-- name: index_new_titles
-- Put the titles of new papers into the index; one statement for all, as a statement for each takes ten times as long.
INSERT INTO titles (rowid, title) SELECT number, title FROM metadata WHERE number > :last;

-- name: index_new_categories
-- Put the categories of new papers into the index.
INSERT INTO category_index (rowid, categories) SELECT number, categories FROM metadata WHERE number > :last;

-- name: find_titles
-- Papers whose titles have all of the words, in the order in which they were added.
SELECT number, metadata.id, metadata.title FROM titles CROSS JOIN metadata ON number = titles.rowid
WHERE titles MATCH :words AND titles.rowid > :after ORDER BY titles.rowid LIMIT :limit;

-- name: find_titles_in_categories
-- As above, of papers in any of some categories or of their archives.
SELECT number, metadata.id, metadata.title FROM titles CROSS JOIN metadata ON number = titles.rowid
WHERE titles MATCH :words AND titles.rowid > :after AND EXISTS (
      SELECT 1 FROM json_each(:categories)
      WHERE instr(' ' || metadata.categories || ' ', ' ' || value || ' ')
         OR instr(' ' || metadata.categories, ' ' || value || '.'))
ORDER BY titles.rowid LIMIT :limit;

-- name: find_categories
-- Papers in any of some categories, in the order in which they were added. The index knows no capital letters.
SELECT number, metadata.id, metadata.title FROM category_index CROSS JOIN metadata ON number = category_index.rowid
WHERE category_index MATCH :names AND category_index.rowid > :after AND EXISTS (
      SELECT 1 FROM json_each(:categories)
      WHERE instr(' ' || metadata.categories || ' ', ' ' || value || ' ')
         OR instr(' ' || metadata.categories, ' ' || value || '.'))
ORDER BY category_index.rowid LIMIT :limit;

-- name: names_of_categories
-- The words of the index that stand for a category, or for all categories of an archive.
SELECT term FROM category_names WHERE term = :name
UNION ALL SELECT term FROM category_names WHERE term > :name || '.' AND term < :name || '/';

-- name: matching
-- Which of the papers that are known meet the conditions that are given.
SELECT metadata.id,
  CASE WHEN :categories IS NULL THEN 1 ELSE EXISTS (
      SELECT 1 FROM json_each(:categories)
      WHERE instr(' ' || metadata.categories || ' ', ' ' || value || ' ')
         OR instr(' ' || metadata.categories, ' ' || value || '.')) END
  AND CASE WHEN :words IS NULL THEN 1 ELSE EXISTS (
      SELECT 1 FROM titles WHERE titles MATCH :words AND titles.rowid = metadata.number) END AS matches
FROM json_each(:ids) AS given CROSS JOIN metadata ON metadata.id = given.value;

-- name: title
-- The title of one paper.
SELECT title FROM metadata WHERE id = :id;

-- name: member
-- Archive, offset and size of a paper's PDF.
SELECT CAST(path AS BLOB) AS path, offset_bytes, size_bytes FROM members JOIN archives ON number = archive WHERE id = :id;

-- name: version
-- The latest version that the snapshot knows.
SELECT version FROM metadata WHERE id = :id;

-- name: metadata
-- What the snapshot says of one paper.
SELECT title, authors, abstract, categories, doi FROM metadata WHERE id = :id;

-- name: has_members
-- Whether any archive is known.
SELECT EXISTS (SELECT 1 FROM members);

-- name: page_of_members
-- The next papers, in order of id, that lie in a known archive.
SELECT id FROM members WHERE id > :after ORDER BY id LIMIT :limit;
