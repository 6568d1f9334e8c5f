-- name: schema
-- What the corpus says of its papers, derived from their records: it may be removed at any time. The application id
-- spells "RPAG". Ids are without version; `row_id` is the id of the paper's row, and `record_sha256` that of the record
-- which was read.
PRAGMA application_id = 0x52504147;
PRAGMA user_version = 1;
CREATE TABLE papers (
    number        INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    row_id        TEXT NOT NULL,
    record_sha256 TEXT NOT NULL,
    title         TEXT NOT NULL,
    abstract      TEXT NOT NULL,
    categories    TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE texts USING fts5 (
    title, abstract, content = 'papers', content_rowid = 'number', tokenize = 'unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE words USING fts5vocab (texts, row);
CREATE TABLE citations (
    citing INTEGER NOT NULL,
    cited  TEXT    NOT NULL,
    PRIMARY KEY (citing, cited)
) STRICT, WITHOUT ROWID;
CREATE INDEX citations_of ON citations (cited);
CREATE TABLE common_words (
    word TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TABLE tags (
    place INTEGER PRIMARY KEY,
    tag   TEXT NOT NULL
) STRICT;
CREATE TABLE facts (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- name: fact
-- A number that is known of the index.
SELECT value FROM facts WHERE name = :name;

-- name: note_fact
-- Notes a number.
INSERT INTO facts (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: known
-- What is indexed of the papers with the given ids; one seek for each.
SELECT papers.number, papers.id, papers.row_id, papers.record_sha256 FROM json_each(:ids) CROSS JOIN papers ON papers.id = value;

-- name: add_paper
-- A new paper.
INSERT INTO papers (id, row_id, record_sha256, title, abstract, categories)
VALUES (:id, :row_id, :record_sha256, :title, :abstract, :categories) RETURNING number;

-- name: change_paper
-- A paper whose record has changed.
UPDATE papers SET row_id = :row_id, record_sha256 = :record_sha256, title = :title, abstract = :abstract,
    categories = :categories
WHERE number = :number;

-- name: forget_text
-- Takes a paper out of the full-text index, which must be told the text that it has.
INSERT INTO texts (texts, rowid, title, abstract)
SELECT 'delete', number, title, abstract FROM papers WHERE number = :number;

-- name: add_text
-- Puts a paper into the full-text index.
INSERT INTO texts (rowid, title, abstract) SELECT number, title, abstract FROM papers WHERE number = :number;

-- name: forget_citations
-- Forgets what a paper cites.
DELETE FROM citations WHERE citing = :number;

-- name: add_citations
-- Notes what a paper cites.
INSERT OR IGNORE INTO citations (citing, cited) SELECT :number, value FROM json_each(:cited);

-- name: forget_paper
-- Forgets a paper.
DELETE FROM papers WHERE number = :number;

-- name: page_of_papers
-- Papers after a number.
SELECT number, row_id FROM papers WHERE number > :after ORDER BY number LIMIT :limit;

-- name: last_number
-- The highest number of a paper; null if there is none.
SELECT max(number) FROM papers;

-- name: texts
-- Titles, abstracts and categories of the papers with the given numbers; one seek for each.
SELECT papers.title, papers.abstract, papers.categories FROM json_each(:numbers) CROSS JOIN papers ON papers.number = value;

-- name: forget_common_words
-- Forgets which words are common.
DELETE FROM common_words;

-- name: add_common_words
-- Notes common words.
INSERT OR IGNORE INTO common_words (word) SELECT value FROM json_each(:words);

-- name: forget_tags
-- Forgets the list of tags.
DELETE FROM tags;

-- name: add_tags
-- Notes tags, in their order.
INSERT INTO tags (tag) SELECT value FROM json_each(:tags) ORDER BY key;

-- name: tags
-- The list of tags, in its order.
SELECT tag FROM tags ORDER BY place;

-- name: number_of
-- The number of a paper.
SELECT number FROM papers WHERE id = :id;

-- name: cited_by
-- How many papers cite a paper; out of the index alone.
SELECT count(*) FROM citations WHERE cited = :id AND citing <> :number;

-- name: cites
-- Papers of the corpus that a paper cites, in order of id; one seek for each.
SELECT papers.id, papers.title FROM citations CROSS JOIN papers ON papers.id = citations.cited
WHERE citations.citing = :number AND papers.number <> :number ORDER BY citations.cited LIMIT :limit;

-- name: rare_words
-- Those of the given words that are indexed and not common, and in how many papers each is; two seeks for each.
SELECT words.term, words.doc FROM json_each(:words) CROSS JOIN words ON words.term = value
WHERE NOT EXISTS (SELECT 1 FROM common_words WHERE word = value);

-- name: neighbours
-- The papers that have most of the given words, nearest first; words of a title count more.
SELECT papers.number, papers.id, papers.title
FROM (SELECT rowid AS number FROM texts
      WHERE texts MATCH :words AND rank MATCH 'bm25(3.0, 1.0)' ORDER BY rank LIMIT :limit) AS nearest
CROSS JOIN papers ON papers.number = nearest.number;
