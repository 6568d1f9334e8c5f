-- One shard's papers and what happened to them. The application id spells "RPAS"; the version is the format's.
PRAGMA application_id = 0x52504153;
PRAGMA user_version = 3;

-- A paper's lease is in its own row, and the checks tie it to the status: no held paper without a lease, no lease
-- without a held paper, no failed paper without its reason and phase. Times are Unix seconds. The worker is the shard
-- key: which shard's file a row belongs to. What was made of a paper before `outdated_before` is made again.
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
    outdated_before  REAL,
    CHECK ((status IN ('prepping', 'analyzing', 'wrapping')) = (lease_id IS NOT NULL)),
    CHECK ((lease_id IS NULL) = (lease_expires_at IS NULL)),
    CHECK (status <> 'failed' OR failure IS NOT NULL),
    CHECK ((status = 'failed') = (failed_phase IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- Claims seek to one status and priority and read forward in time; counts by status read this index alone.
CREATE INDEX papers_to_claim ON papers (status, priority DESC, next_attempt_at);
-- Leases are few; this index holds only them.
CREATE INDEX papers_leased ON papers (lease_expires_at) WHERE lease_id IS NOT NULL;
-- Suspects are few as well.
CREATE INDEX papers_suspect ON papers (status) WHERE suspect = 1;
-- Papers whose last attempt failed, by reason: for good, or another one follows.
CREATE INDEX papers_with_failure ON papers (failure, status) WHERE failure IS NOT NULL;
-- Papers with flags, by all of their flags together, as JSON: there are few such combinations.
-- A row whose results are damaged can still be written.
CREATE INDEX papers_flagged ON papers (CASE WHEN json_valid(results) THEN results ->> '$.prep.flags' END)
WHERE CASE WHEN json_valid(results) THEN results ->> '$.prep.flags' END <> '[]';
-- Papers that are to be made again.
CREATE INDEX papers_outdated ON papers (status) WHERE outdated_before IS NOT NULL;

-- Append-only: every end of a claim, every error, every return to the queue.
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

CREATE INDEX history_of_paper ON history (paper_id);
