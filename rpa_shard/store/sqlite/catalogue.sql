-- name: schema
-- What is known of papers besides their state: where in an archive a PDF lies, and what the metadata snapshot says. The
-- application id spells "RPAC". Rows may be written again: the last write counts.
PRAGMA application_id = 0x52504143;
PRAGMA user_version = 1;
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
    id         TEXT    NOT NULL PRIMARY KEY,
    title      TEXT    NOT NULL,
    authors    TEXT    NOT NULL,
    abstract   TEXT    NOT NULL,
    categories TEXT    NOT NULL,
    doi        TEXT,
    version    INTEGER NOT NULL
) STRICT;

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
-- What the snapshot says of a paper.
INSERT OR REPLACE INTO metadata (id, title, authors, abstract, categories, doi, version) VALUES (?, ?, ?, ?, ?, ?, ?);

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
