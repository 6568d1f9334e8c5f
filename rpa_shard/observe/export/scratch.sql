-- name: schema
-- The temporary database of one export: each mention of a work, the names by which references know it, and ids that have
-- been seen. A mention's `name` is the strongest that it has: arXiv id, else DOI, else title and year, else its own
-- text. `rank` is 0 for the most complete.
CREATE TABLE mentions (
    name    TEXT    NOT NULL,
    rank    INTEGER NOT NULL,
    citing  TEXT    NOT NULL,
    ordinal INTEGER NOT NULL,
    fields  TEXT    NOT NULL
) STRICT;
CREATE TABLE links (
    name     TEXT NOT NULL,
    stronger TEXT NOT NULL,
    PRIMARY KEY (name, stronger)
) STRICT, WITHOUT ROWID;
CREATE TABLE aliases (
    name     TEXT NOT NULL PRIMARY KEY,
    stronger TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE seen (
    id TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- name: see
-- An id, unless it has been seen.
INSERT OR IGNORE INTO seen (id) VALUES (?);

-- name: add_mention
-- One mention.
INSERT INTO mentions (name, rank, citing, ordinal, fields) VALUES (?, ?, ?, ?, ?);

-- name: add_link
-- A reference has both names.
INSERT OR IGNORE INTO links (name, stronger) VALUES (?, ?);

-- name: resolve_dois
-- A DOI stands for the only arXiv id that it occurs with.
INSERT INTO aliases (name, stronger)
SELECT name, min(stronger) FROM links WHERE name GLOB 'doi:*' GROUP BY name HAVING count(*) = 1;

-- name: resolve_titles
-- A title stands for the only work that it occurs with, once DOIs are resolved.
INSERT INTO aliases (name, stronger)
SELECT links.name, min(coalesce(aliases.stronger, links.stronger))
FROM links LEFT JOIN aliases ON aliases.name = links.stronger
WHERE links.name GLOB 'title:*' GROUP BY links.name
HAVING count(DISTINCT coalesce(aliases.stronger, links.stronger)) = 1;

-- name: mentions
-- All mentions by work, the most complete first; the order is the same in every export.
SELECT coalesce(aliases.stronger, mentions.name) AS work, citing, fields
FROM mentions LEFT JOIN aliases ON aliases.name = mentions.name
ORDER BY work, rank, citing, ordinal, fields;
