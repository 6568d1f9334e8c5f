-- From format 2 to format 3: a row may say that what was made of its paper is outdated, and papers are found by the reason
-- of their last failure and by their flags.
ALTER TABLE papers ADD COLUMN outdated_before REAL;
DROP INDEX papers_failed;
CREATE INDEX papers_with_failure ON papers (failure, status) WHERE failure IS NOT NULL;
CREATE INDEX papers_flagged ON papers (CASE WHEN json_valid(results) THEN results ->> '$.prep.flags' END)
WHERE CASE WHEN json_valid(results) THEN results ->> '$.prep.flags' END <> '[]';
CREATE INDEX papers_outdated ON papers (status) WHERE outdated_before IS NOT NULL;

-- Record the format in the file.
PRAGMA user_version = 3;
