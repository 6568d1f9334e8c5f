-- name: schema
-- Ids, in a temporary database.
CREATE TABLE seen (id TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;

-- name: note
-- Note ids; those that are new come back.
INSERT INTO seen (id) SELECT value FROM json_each(:ids) WHERE true ON CONFLICT (id) DO NOTHING RETURNING id;
