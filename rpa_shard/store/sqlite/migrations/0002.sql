-- From format 1 to format 2: a row gets its shard key, a failed one the phase in which it failed, history its phases.
-- In format 1 the only phase that ran was prep. `worker_of` is given by the program.

-- The indexes go first: those of the new table have the same names.
DROP INDEX papers_to_claim;
DROP INDEX papers_leased;
DROP INDEX papers_suspect;
DROP INDEX papers_failed;
DROP INDEX history_of_paper;

-- Rename the old tables.
ALTER TABLE papers RENAME TO papers_of_format_1;
ALTER TABLE history RENAME TO history_of_format_1;

-- The tables of format 2.
CREATE TABLE papers (
    id               TEXT    NOT NULL PRIMARY KEY,
    worker           INTEGER NOT NULL CHECK (worker >= 0),
    priority         INTEGER NOT NULL,
    status           TEXT    NOT NULL CHECK (status IN (
                         'pending', 'prepping', 'prepped', 'analyzing', 'analyzed', 'wrapping', 'done', 'failed')),
    attempts         INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_at  REAL    NOT NULL,
    lease_id         TEXT,
    lease_expires_at REAL,
    suspect          INTEGER NOT NULL DEFAULT 0 CHECK (suspect IN (0, 1)),
    failure          TEXT,
    failed_phase     TEXT,
    detail           TEXT,
    results          TEXT    NOT NULL DEFAULT '{}',
    added_at         REAL    NOT NULL,
    changed_at       REAL    NOT NULL,
    CHECK ((status IN ('prepping', 'analyzing', 'wrapping')) = (lease_id IS NOT NULL)),
    CHECK ((lease_id IS NULL) = (lease_expires_at IS NULL)),
    CHECK (status <> 'failed' OR failure IS NOT NULL),
    CHECK ((status = 'failed') = (failed_phase IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE TABLE history (
    number   INTEGER PRIMARY KEY,
    paper_id TEXT    NOT NULL,
    at       REAL    NOT NULL,
    event    TEXT    NOT NULL,
    phase    TEXT,
    attempt  INTEGER NOT NULL,
    failure  TEXT,
    detail   TEXT
) STRICT;

-- Every row, with its worker and its phase.
INSERT INTO papers (id, worker, priority, status, attempts, next_attempt_at, lease_id, lease_expires_at, suspect,
    failure, failed_phase, detail, results, added_at, changed_at)
SELECT id, worker_of(id), priority, status, attempts, next_attempt_at, lease_id, lease_expires_at, suspect,
    failure, CASE status WHEN 'failed' THEN 'prep' END, detail, results, added_at, changed_at
FROM papers_of_format_1;

-- Every line of history; a repair happened outside any phase.
INSERT INTO history (number, paper_id, at, event, phase, attempt, failure, detail)
SELECT number, paper_id, at, event, CASE WHEN event <> 'repaired' THEN 'prep' END, attempt, failure, detail
FROM history_of_format_1;

-- Drop what was copied.
DROP TABLE papers_of_format_1;
DROP TABLE history_of_format_1;

-- The indexes, when all rows are there.
CREATE INDEX papers_to_claim ON papers (status, priority DESC, next_attempt_at);
CREATE INDEX papers_leased ON papers (lease_expires_at) WHERE lease_id IS NOT NULL;
CREATE INDEX papers_suspect ON papers (status) WHERE suspect = 1;
CREATE INDEX papers_failed ON papers (failure) WHERE status = 'failed';
CREATE INDEX history_of_paper ON history (paper_id);

-- Record the format in the file.
PRAGMA user_version = 2;
