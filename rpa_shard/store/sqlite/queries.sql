-- name: add
-- Queue papers, given as pairs of id and worker, unless they are known.
INSERT INTO papers (id, worker, priority, status, next_attempt_at, added_at, changed_at)
SELECT value ->> 0, value ->> 1, :priority, :status, :now, :now, :now FROM json_each(:papers) WHERE true
ON CONFLICT (id) DO NOTHING;

-- name: highest_priority
-- The highest priority below a bound among the papers of one status; one seek in the index.
SELECT max(priority) FROM papers WHERE status = :status AND priority < :below;

-- name: claim
-- Lease up to :limit papers of one priority, longest waiting first; each gets a fresh lease id and is charged.
UPDATE papers
SET status = :active_status, attempts = attempts + 1, lease_id = lower(hex(randomblob(16))),
    lease_expires_at = :expires_at, changed_at = :now
WHERE id IN (
    SELECT id FROM papers
    WHERE status = :from_status AND priority = :priority AND next_attempt_at <= :now
      AND (failure IS NULL OR changed_at < :not_failed_since)
    ORDER BY next_attempt_at LIMIT :limit)
RETURNING id, lease_id, attempts, suspect, outdated_before;

-- name: claim_named
-- Lease those of the given papers that wait for the phase, in the same way.
UPDATE papers
SET status = :active_status, attempts = attempts + 1, lease_id = lower(hex(randomblob(16))),
    lease_expires_at = :expires_at, changed_at = :now
WHERE id IN (SELECT value FROM json_each(:ids)) AND status = :from_status
RETURNING id, lease_id, attempts, suspect, outdated_before;

-- name: renew
-- Extend the given leases; what is not returned was lost.
UPDATE papers SET lease_expires_at = :expires_at
FROM json_each(:leases) AS lease
WHERE papers.id = lease.value ->> 'id' AND papers.lease_id = lease.value ->> 'lease_id'
RETURNING papers.lease_id;

-- name: finish
-- End claims, each with its outcome, if their leases still stand; what is not returned was lost.
UPDATE papers
SET status = outcome.value ->> 'status',
    attempts = CASE outcome.value ->> 'attempts' WHEN 'keep' THEN attempts
               WHEN 'refund' THEN attempts - 1 ELSE 0 END,
    next_attempt_at = outcome.value ->> 'next_attempt_at',
    lease_id = NULL, lease_expires_at = NULL,
    suspect = outcome.value ->> 'suspect',
    failure = outcome.value ->> 'failure', failed_phase = outcome.value ->> 'failed_phase',
    detail = outcome.value ->> 'detail',
    results = CASE WHEN outcome.value ->> 'result' IS NULL THEN results
              ELSE json_set(results, '$.' || (outcome.value ->> 'phase'), json(outcome.value -> 'result')) END,
    outdated_before = CASE WHEN outcome.value ->> 'result' IS NULL THEN outdated_before END,
    changed_at = :now
FROM json_each(:outcomes) AS outcome
WHERE papers.id = outcome.value ->> 'id' AND papers.lease_id = outcome.value ->> 'lease_id'
RETURNING papers.id;

-- name: remember
-- Append one line to a paper's history.
INSERT INTO history (paper_id, at, event, phase, attempt, failure, detail)
VALUES (:id, :now, :event, :phase, :attempt, :failure, :detail);

-- name: clamp_waits
-- Cut waits that are longer than the longest allowed: the clock may have been wrong at the time. One seek per priority.
WITH RECURSIVE priorities (priority) AS (
    SELECT max(priority) FROM papers WHERE status = :from_status
    UNION ALL
    SELECT (SELECT max(priority) FROM papers WHERE status = :from_status AND priority < priorities.priority)
    FROM priorities WHERE priorities.priority IS NOT NULL)
UPDATE papers SET next_attempt_at = :latest
WHERE status = :from_status AND priority IN (SELECT priority FROM priorities) AND next_attempt_at > :latest;

-- name: mend_waits
-- Restart waits that were written while the clock was ahead of the present one. One seek per priority.
WITH RECURSIVE priorities (priority) AS (
    SELECT max(priority) FROM papers WHERE status = :from_status
    UNION ALL
    SELECT (SELECT max(priority) FROM papers WHERE status = :from_status AND priority < priorities.priority)
    FROM priorities WHERE priorities.priority IS NOT NULL)
UPDATE papers SET next_attempt_at = :now + max(0, next_attempt_at - changed_at), changed_at = :now
WHERE status = :from_status AND priority IN (SELECT priority FROM priorities) AND next_attempt_at > :now AND changed_at > :now;

-- name: held
-- Every leased paper, whether its lease still runs or not.
SELECT id, status, lease_id, lease_expires_at, attempts, suspect, outdated_before FROM papers WHERE lease_id IS NOT NULL;

-- name: expired
-- Leased papers whose lease has run out.
SELECT id, status, lease_id, lease_expires_at, attempts, suspect, outdated_before FROM papers
WHERE lease_id IS NOT NULL AND lease_expires_at < :now;

-- name: count_by_status
-- Papers in each status.
SELECT status, count(*) AS papers FROM papers GROUP BY status;

-- name: count_by_failure
-- Papers that failed for good, by reason.
SELECT failure, count(*) AS papers FROM papers INDEXED BY papers_with_failure
WHERE failure IS NOT NULL AND status = 'failed' GROUP BY failure;

-- name: back_offs
-- Papers that wait for another attempt, by reason. One seek per status and priority.
WITH RECURSIVE priorities (status, priority) AS (
    SELECT value, (SELECT max(priority) FROM papers WHERE status = value) FROM json_each(:statuses)
    UNION ALL
    SELECT status, (SELECT max(papers.priority) FROM papers
                    WHERE papers.status = priorities.status AND papers.priority < priorities.priority)
    FROM priorities WHERE priorities.priority IS NOT NULL)
SELECT failure, count(*) AS papers, min(next_attempt_at) AS first_at, max(next_attempt_at) AS last_at
FROM priorities CROSS JOIN papers INDEXED BY papers_to_claim
    ON papers.status = priorities.status AND papers.priority = priorities.priority AND next_attempt_at > :now
WHERE failure IS NOT NULL GROUP BY failure;

-- name: count_arxiv_papers
-- Papers with arXiv ids in some statuses; the ids of all others are URLs.
SELECT count(*) FROM papers WHERE status IN (SELECT value FROM json_each(:statuses)) AND id NOT LIKE '%://%';

-- name: attach_catalogue
-- Attach the catalogue to a shard's connection.
ATTACH :path AS catalogue;

-- name: detach_catalogue
-- Detach it.
DETACH catalogue;

-- name: count_arxiv_papers_not_archived
-- As above, without those whose PDF lies in a known archive.
SELECT count(*) FROM papers
WHERE status IN (SELECT value FROM json_each(:statuses)) AND id NOT LIKE '%://%'
  AND NOT EXISTS (SELECT 1 FROM catalogue.members WHERE catalogue.members.id = papers.id);

-- name: ids_with
-- The ids of the papers in some statuses.
SELECT id FROM papers WHERE status IN (SELECT value FROM json_each(:statuses));

-- name: ids_outdated
-- The ids of those papers in some statuses that are to be made again.
SELECT id FROM papers INDEXED BY papers_outdated
WHERE outdated_before IS NOT NULL AND status IN (SELECT value FROM json_each(:statuses));

-- name: ids_not_outdated
-- The ids of all others in these statuses, from an index that does not tell: the few that are outdated are set apart.
SELECT id FROM papers WHERE status IN (SELECT value FROM json_each(:statuses))
AND id NOT IN (SELECT outdated.id FROM papers AS outdated INDEXED BY papers_outdated WHERE outdated.outdated_before IS NOT NULL);

-- name: sample_results
-- The results of a phase for some of the papers in a status.
SELECT results -> ('$.' || :phase) AS result FROM papers WHERE status = :status LIMIT :limit;

-- name: leases
-- How many leases there are, how many have run out, and when the first of them runs out.
SELECT count(*) AS held, coalesce(sum(lease_expires_at < :now), 0) AS expired, min(changed_at) AS oldest_claimed_at
FROM papers WHERE lease_id IS NOT NULL;

-- name: count_suspects
-- Papers in some statuses that will run alone, because their process died while parsing them.
SELECT count(*) FROM papers WHERE suspect = 1 AND status IN (SELECT value FROM json_each(:statuses));

-- name: incoherent
-- Rows of some statuses without a lease, which the checks of the table make impossible to write for active ones.
SELECT count(*) FROM papers WHERE status IN (SELECT value FROM json_each(:statuses)) AND lease_id IS NULL;

-- name: next_attempt
-- When the first waiting paper of a status and priority may be tried, of those that have not failed since a moment.
SELECT next_attempt_at FROM papers
WHERE status = :status AND priority = :priority AND (failure IS NULL OR changed_at < :not_failed_since)
ORDER BY next_attempt_at LIMIT 1;

-- name: queue_due
-- The first papers of a status whose time has come, as they are claimed, by priority and time; in the index alone.
SELECT priority, next_attempt_at, count(*) AS papers FROM (
    SELECT priority, next_attempt_at FROM papers INDEXED BY papers_to_claim
    WHERE status = :status AND next_attempt_at <= :now
      AND id NOT IN (SELECT id FROM papers INDEXED BY papers_with_failure
                     WHERE failure IS NOT NULL AND status = :status AND changed_at >= :not_failed_since)
    ORDER BY priority DESC, next_attempt_at LIMIT :limit)
GROUP BY priority, next_attempt_at;

-- name: queue_later
-- The first papers of a status whose time is still to come, by time.
SELECT 0 AS priority, next_attempt_at, count(*) AS papers FROM (
    SELECT next_attempt_at FROM papers INDEXED BY papers_to_claim
    WHERE status = :status AND next_attempt_at > :now
      AND id NOT IN (SELECT id FROM papers INDEXED BY papers_with_failure
                     WHERE failure IS NOT NULL AND status = :status AND changed_at >= :not_failed_since)
    ORDER BY next_attempt_at LIMIT :limit)
GROUP BY next_attempt_at;

-- name: paper
-- One paper's row.
SELECT * FROM papers WHERE id = :id;

-- name: history
-- What happened to one paper, oldest first.
SELECT at, event, phase, attempt, failure, detail FROM history WHERE paper_id = :id ORDER BY number;

-- name: histories
-- What happened to some papers, oldest first.
SELECT paper_id, at, event, phase, attempt, failure, detail
FROM json_each(:ids) CROSS JOIN history ON paper_id = value ORDER BY number;

-- name: totals
-- How many papers there are, how many of them are held, and how many lines of history.
SELECT (SELECT count(*) FROM papers INDEXED BY papers_to_claim) AS papers,
       (SELECT count(*) FROM papers INDEXED BY papers_leased WHERE lease_id IS NOT NULL) AS held,
       (SELECT count(*) FROM history) AS lines;

-- name: last_of_history
-- The number of the last line of all histories; one seek.
SELECT max(number) FROM history;

-- name: ended_since
-- How claims of each phase have ended, among the newest lines of all histories.
SELECT phase, event, count(*) AS claims FROM history
WHERE number > :mark AND phase IS NOT NULL GROUP BY phase, event;

-- name: times_of_events
-- When the first and the last event among some lines of history was.
SELECT min(at) AS first, max(at) AS last FROM history WHERE number > :after AND number <= :last;

-- name: count_events
-- Events among some lines of history, by the part of a stretch of time in which they were, and by what they were.
SELECT min(CAST((at - :begins) / :part_seconds AS INTEGER), :parts - 1) AS part, event, phase, attempt, failure,
       count(*) AS events
FROM history WHERE number > :after AND number <= :last AND at >= :begins AND at <= :ends
GROUP BY 1, event, phase, attempt, failure;

-- name: page_of_results
-- The results of the next papers in order of id, of those that have any and have changed since a moment.
SELECT id, results FROM papers
WHERE id > :after AND changed_at >= :since AND results <> '{}' ORDER BY id LIMIT :limit;

-- name: list_by_id
-- Papers whose ids lie between two texts, in order of id.
SELECT * FROM papers WHERE id >= :first AND id < :past AND id <> :after ORDER BY id LIMIT :limit;

-- name: list_by_reason
-- Papers that failed for good for a reason, in order of id.
SELECT * FROM papers INDEXED BY papers_with_failure
WHERE failure = :reason AND status = 'failed' AND id >= :first AND id < :past AND id <> :after ORDER BY id LIMIT :limit;

-- name: list_same_priority
-- Papers of a status and priority after one of them; ids outside the range are passed over within the index.
SELECT papers.* FROM (
    SELECT id FROM papers INDEXED BY papers_to_claim
    WHERE status = :status AND priority = :priority AND (next_attempt_at, id) > (:next_attempt_at, :after)
      AND id >= :first AND id < :past ORDER BY next_attempt_at, id LIMIT :limit) AS found
CROSS JOIN papers ON papers.id = found.id;

-- name: list_lower_priorities
-- Papers of a status with a lower priority.
SELECT papers.* FROM (
    SELECT id FROM papers INDEXED BY papers_to_claim
    WHERE status = :status AND priority < :priority
      AND id >= :first AND id < :past ORDER BY priority DESC, next_attempt_at, id LIMIT :limit) AS found
CROSS JOIN papers ON papers.id = found.id;

-- name: size_of_range
-- How many ids lie between two texts, at most :most.
SELECT count(*) FROM (SELECT 1 FROM papers WHERE id >= :first AND id < :past LIMIT :most);

-- name: list_in_range
-- Papers of a status after a place, where few ids are in the range: reads the range and sorts what it finds.
SELECT * FROM papers
WHERE id >= :first AND id < :past AND +status = :status
  AND (priority < :priority OR (priority = :priority AND (next_attempt_at, id) > (:next_attempt_at, :after)))
ORDER BY priority DESC, next_attempt_at, id LIMIT :limit;

-- name: page
-- The next papers in order of id: reads a complete shard without holding it in memory.
SELECT * FROM papers WHERE id > :after ORDER BY id LIMIT :limit;

-- name: restore_paper
-- Put a row that was read out of a damaged file into the new one.
INSERT INTO papers (id, worker, priority, status, attempts, next_attempt_at, lease_id, lease_expires_at, suspect,
    failure, failed_phase, detail, results, added_at, changed_at, outdated_before)
VALUES (:id, :worker, :priority, :status, :attempts, :next_attempt_at, :lease_id, :lease_expires_at, :suspect,
    :failure, :failed_phase, :detail, :results, :added_at, :changed_at, :outdated_before)
ON CONFLICT (id) DO NOTHING;

-- name: restore_history
-- Put a line of history that was read out of a damaged file into the new one, under its number.
INSERT INTO history (number, paper_id, at, event, phase, attempt, failure, detail)
VALUES (:number, :paper_id, :at, :event, :phase, :attempt, :failure, :detail);

-- name: page_to_verify
-- The next papers in order of id, with what `verify` looks at: results only of papers for which there are any.
SELECT id, status, failed_phase, changed_at, nullif(results, '{}') FROM papers WHERE id > :after ORDER BY id LIMIT :limit;

-- name: retry
-- Send failed papers back to where their phase begins, with no attempts; those that killed a process stay suspects.
UPDATE papers
SET status = :from_statuses ->> failed_phase, failed_phase = NULL, attempts = 0, next_attempt_at = :now, failure = NULL,
    detail = NULL, changed_at = :now
WHERE id IN (SELECT value FROM json_each(:ids)) AND status = :failed_status
RETURNING id, status;

-- name: ids_with_failure
-- Ids of papers of a status whose last attempt failed for a reason, in order of id; out of the index alone.
SELECT id FROM papers INDEXED BY papers_with_failure
WHERE failure = :reason AND status = :status AND id > :after ORDER BY id LIMIT :limit;

-- name: count_with_failures
-- Papers of some statuses whose last attempt failed for one of some reasons.
SELECT count(*) FROM papers INDEXED BY papers_with_failure
WHERE failure IN (SELECT value FROM json_each(:reasons)) AND status IN (SELECT value FROM json_each(:statuses));

-- name: sets_of_flags
-- The flags that papers have, all of a paper together, as JSON; one seek for each set.
WITH RECURSIVE sets (flags) AS (
    SELECT min(CASE WHEN json_valid(results) THEN results ->> '$.prep.flags' END) FROM papers
    WHERE CASE WHEN json_valid(results) THEN results ->> '$.prep.flags' END <> '[]'
    UNION ALL
    SELECT (SELECT min(CASE WHEN json_valid(results) THEN results ->> '$.prep.flags' END) FROM papers
            WHERE CASE WHEN json_valid(results) THEN results ->> '$.prep.flags' END <> '[]'
              AND CASE WHEN json_valid(results) THEN results ->> '$.prep.flags' END > sets.flags)
    FROM sets WHERE sets.flags IS NOT NULL)
SELECT flags FROM sets WHERE flags IS NOT NULL;

-- name: ids_flagged
-- Ids of papers with exactly these flags, in order of id; out of the index alone.
SELECT id FROM papers INDEXED BY papers_flagged
WHERE CASE WHEN json_valid(results) THEN results ->> '$.prep.flags' END = :flags
  AND CASE WHEN json_valid(results) THEN results ->> '$.prep.flags' END <> '[]' AND id > :after ORDER BY id LIMIT :limit;

-- name: count_flagged
-- Papers with exactly these flags.
SELECT count(*) FROM papers INDEXED BY papers_flagged
WHERE CASE WHEN json_valid(results) THEN results ->> '$.prep.flags' END = :flags
  AND CASE WHEN json_valid(results) THEN results ->> '$.prep.flags' END <> '[]';

-- name: ids_of_priority
-- Ids of papers of a status and priority after a place, in order of the next attempt; out of the index alone.
SELECT id, next_attempt_at FROM papers INDEXED BY papers_to_claim
WHERE status = :status AND priority = :priority AND (next_attempt_at, id) > (:next_attempt_at, :after)
ORDER BY next_attempt_at, id LIMIT :limit;

-- name: count_with_statuses
-- Papers of some statuses; out of the index alone.
SELECT count(*) FROM papers INDEXED BY papers_to_claim WHERE status IN (SELECT value FROM json_each(:statuses));

-- name: ids_of_versions
-- Ids of papers, given without a version, and of their versions; one seek for each.
SELECT papers.id FROM json_each(:ids) CROSS JOIN papers ON papers.id >= value AND papers.id < value || 'w'
WHERE papers.id = value
   OR (substr(papers.id, length(value) + 1) GLOB 'v[0-9]*' AND substr(papers.id, length(value) + 2) NOT GLOB '*[^0-9]*');

-- name: selected_rows
-- The rows of papers, in the order of their ids, that meet those conditions that are given.
SELECT papers.* FROM json_each(:ids) CROSS JOIN papers ON papers.id = value
WHERE (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
  AND (:reasons IS NULL OR failure IN (SELECT value FROM json_each(:reasons)))
  AND (:failed_phases IS NULL OR failed_phase IN (SELECT value FROM json_each(:failed_phases)))
  AND (:since IS NULL OR changed_at >= :since)
  AND (:flags IS NULL OR EXISTS (
      SELECT 1 FROM json_each(CASE WHEN json_valid(results) THEN results ELSE '{}' END, '$.prep.flags') AS flag
      WHERE flag.value IN (SELECT value FROM json_each(:flags))));

-- name: requeue
-- Send a paper back to an earlier status with the remaining results, if its row has not changed since it was read.
UPDATE papers
SET status = :from_status, attempts = 0, next_attempt_at = :now, failure = NULL, failed_phase = NULL, detail = NULL,
    results = :results, changed_at = :now
WHERE id = :id AND status = :status AND changed_at = :changed_at AND lease_id IS NULL
RETURNING id;

-- name: targets
-- What is to be known of the rows of papers, given as ids, before they are changed; unknown ids have no row here.
SELECT papers.id, status, lease_id IS NOT NULL AS held, changed_at
FROM json_each(:ids) CROSS JOIN papers ON papers.id = value;

-- name: redo
-- Send papers back to the first phase, without results; what was made of them is outdated (`changes.outdated_from`).
UPDATE papers
SET status = :from_status, attempts = 0, next_attempt_at = :now, failure = NULL, failed_phase = NULL, detail = NULL,
    results = '{}', outdated_before = max(CAST(:now AS INTEGER) + 1, CAST(changed_at AS INTEGER) + 2), changed_at = :now
WHERE id IN (SELECT value FROM json_each(:ids)) AND lease_id IS NULL;

-- name: remember_all
-- Append the same line to the histories of papers.
INSERT INTO history (paper_id, at, event, phase, attempt, failure, detail)
SELECT value, :now, :event, :phase, 0, NULL, NULL FROM json_each(:ids);

-- name: cache_pages
-- Keep up to 64 MB of a file in memory: a page of a removal is read once.
PRAGMA cache_size = -64000;

-- name: checkpoint_seldom
-- Copy the log into the file every 256 MB: pages of indexes change many times until then.
PRAGMA wal_autocheckpoint = 64000;

-- name: page_of_ids
-- The next ids in order, for a move between shards.
SELECT id FROM papers WHERE id > :after ORDER BY id LIMIT :limit;

-- name: set_workers
-- Give papers, given as pairs of id and worker, another shard key: the number of workers changes.
UPDATE papers SET worker = pair.value ->> 1 FROM json_each(:papers) AS pair WHERE papers.id = pair.value ->> 0;

-- name: copy_papers
-- Copy papers into the shard file attached as `destination`, over what an interrupted move left there.
INSERT OR REPLACE INTO destination.papers
SELECT papers.* FROM json_each(:ids) CROSS JOIN main.papers ON papers.id = value;

-- name: forget_copied_histories
-- Drop the histories that an interrupted move left at the destination.
DELETE FROM destination.history WHERE paper_id IN (SELECT value FROM json_each(:ids));

-- name: copy_histories
-- Copy papers' histories into the attached shard file, each in its order.
INSERT INTO destination.history (paper_id, at, event, phase, attempt, failure, detail)
SELECT paper_id, at, event, phase, attempt, failure, detail
FROM json_each(:ids) CROSS JOIN main.history ON paper_id = value ORDER BY number;

-- name: delete_papers
-- Remove papers: they are in another shard file now, or taken out of the queue.
DELETE FROM papers WHERE id IN (SELECT value FROM json_each(:ids));

-- name: delete_histories
-- Remove the histories of such papers.
DELETE FROM history WHERE paper_id IN (SELECT value FROM json_each(:ids));
