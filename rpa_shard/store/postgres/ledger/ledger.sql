-- name: now
-- The time, in Unix seconds.
SELECT extract(epoch FROM clock_timestamp())::double precision AS now;

-- name: transaction_number
-- The number of the transaction that is open, by which its outcome can be asked for afterwards.
SELECT pg_current_xact_id()::text AS number;

-- name: outcome_of_transaction
-- What became of a transaction: 'committed', 'aborted' or 'in progress'.
SELECT pg_xact_status(%(number)s::text::xid8) AS outcome;

-- name: add
-- Queue papers unless they are known, always in the same order, so that two who add the same do not wait in a circle.
INSERT INTO papers (id, worker, priority, status, next_attempt_at, added_at, changed_at)
SELECT given.id, given.worker, %(priority)s, %(status)s, %(now)s, %(now)s, %(now)s
FROM unnest(%(ids)s::text[], %(workers)s::integer[]) AS given (id, worker) ORDER BY given.id COLLATE "C"
ON CONFLICT (id) DO NOTHING;

-- name: count_arxiv_papers
-- Papers with arXiv ids in some statuses; the ids of all others are URLs.
SELECT count(*) AS papers FROM papers WHERE status = ANY(%(statuses)s) AND id NOT LIKE '%%://%%';

-- name: count_of
-- Those of some papers that are in some statuses and have arXiv ids.
SELECT count(*) AS papers FROM papers
WHERE id = ANY(%(ids)s) AND status = ANY(%(statuses)s) AND id NOT LIKE '%%://%%';

-- name: page_of_ids
-- The next ids, in order, of papers in some statuses; of all, or of those that are to be made again or are not.
SELECT id FROM papers
WHERE id > %(after)s AND status = ANY(%(statuses)s)
  AND (%(outdated)s::boolean IS NULL OR (outdated_before IS NOT NULL) = %(outdated)s)
ORDER BY id LIMIT %(limit)s;

-- name: page_of_outdated_ids
-- The same, of those that are to be made again; few are.
SELECT id FROM papers
WHERE id > %(after)s AND status = ANY(%(statuses)s) AND outdated_before IS NOT NULL ORDER BY id LIMIT %(limit)s;

-- name: sample_results
-- The results of a phase for some of the papers in a status, of a range of workers.
SELECT result FROM papers JOIN results ON paper_id = id AND phase = %(phase)s
WHERE status = %(status)s AND worker BETWEEN %(first_worker)s AND %(last_worker)s LIMIT %(limit)s;

-- name: leases
-- How many leases there are, how many have run out, and when the oldest claim was.
SELECT count(*) AS held, min(changed_at) AS oldest_claimed_at,
       count(*) FILTER (
           WHERE CASE WHEN renewed THEN coalesce(holders.expires_at, lease_expires_at) ELSE lease_expires_at END
                 < coalesce(%(now)s, extract(epoch FROM statement_timestamp()))) AS expired
FROM papers LEFT JOIN holders ON holders.id = papers.holder AND papers.renewed WHERE papers.lease_id IS NOT NULL;

-- name: count_suspects
-- Papers that will run alone, because their process died while parsing them.
SELECT count(*) AS papers FROM papers WHERE suspect AND status <> 'failed';

-- name: queue_due
-- The first papers of a status whose time has come, as they are claimed; of those that share the last place, all.
SELECT priority, next_attempt_at, worker, count(*) AS papers FROM (
    SELECT priority, next_attempt_at, worker FROM papers
    WHERE status = %(status)s AND next_attempt_at <= %(now)s
      AND (failure IS NULL OR changed_at < %(not_failed_since)s)
    ORDER BY priority DESC, next_attempt_at FETCH FIRST %(limit)s ROWS WITH TIES) AS first
GROUP BY priority, next_attempt_at, worker;

-- name: queue_later
-- The first papers of a status whose time is still to come, by time.
SELECT 0 AS priority, next_attempt_at, worker, count(*) AS papers FROM (
    SELECT next_attempt_at, worker FROM papers
    WHERE status = %(status)s AND next_attempt_at > %(now)s
      AND (failure IS NULL OR changed_at < %(not_failed_since)s)
    ORDER BY next_attempt_at FETCH FIRST %(limit)s ROWS WITH TIES) AS first
GROUP BY next_attempt_at, worker;

-- name: paper
-- One paper's row.
SELECT * FROM paper_rows WHERE id = %(id)s;

-- name: history
-- What happened to one paper, oldest first.
SELECT at, event, phase, attempt, failure, detail FROM history WHERE paper_id = %(id)s ORDER BY number;

-- name: ends_of_history
-- The numbers of the first and the last line of all histories.
SELECT min(number) AS first, max(number) AS last FROM history;

-- name: times_of_events
-- When the first and the last event among some lines of history was.
SELECT min(at) AS first, max(at) AS last FROM history WHERE number > %(after)s AND number <= %(last)s;

-- name: count_events
-- Events among some lines of history, by the part of a stretch of time in which they were, and by what they were.
SELECT least(trunc((at - %(begins)s) / %(part_seconds)s)::integer, %(parts)s - 1) AS part, event, phase, attempt, failure,
       count(*) AS events
FROM history
WHERE number > %(after)s AND number <= %(last)s AND at >= %(begins)s AND at <= %(ends)s
GROUP BY 1, event, phase, attempt, failure;

-- name: page_of_results
-- The next results of a phase in order of id; null for papers that have not changed since a moment.
SELECT paper_id, CASE WHEN changed_at >= %(since)s THEN result END AS result
FROM results JOIN papers ON id = paper_id
WHERE phase = %(phase)s AND paper_id > %(after)s AND id > %(after)s ORDER BY paper_id LIMIT %(limit)s;

-- name: page
-- The next papers in order of id.
SELECT * FROM paper_rows WHERE id > %(after)s ORDER BY id LIMIT %(limit)s;

-- name: page_of_shard
-- The next papers of a range of workers in order of id.
SELECT * FROM paper_rows
WHERE id > %(after)s AND worker BETWEEN %(first_worker)s AND %(last_worker)s ORDER BY id LIMIT %(limit)s;

-- name: page_to_verify
-- The same, with what `verify` looks at.
SELECT id, status, failed_phase, changed_at, nullif(results, '{}')::text AS results FROM paper_rows
WHERE id > %(after)s AND worker BETWEEN %(first_worker)s AND %(last_worker)s ORDER BY id LIMIT %(limit)s;

-- name: list_by_id
-- Papers whose ids lie between two texts, in order of id.
SELECT * FROM paper_rows
WHERE id >= %(first)s AND id < %(past)s AND id > %(after)s ORDER BY id LIMIT %(limit)s;

-- name: list_by_reason
-- Papers that failed for good for a reason, in order of id.
SELECT * FROM paper_rows
WHERE failure = %(reason)s AND failure IS NOT NULL AND status = 'failed'
  AND id >= %(first)s AND id < %(past)s AND id > %(after)s ORDER BY id LIMIT %(limit)s;

-- name: list_same_priority
-- Papers of a status and priority after one of them; ids outside the range are passed over within the index.
SELECT paper_rows.* FROM (
    SELECT id FROM papers
    WHERE status = %(status)s AND priority = %(priority)s AND (next_attempt_at, id) > (%(next_attempt_at)s, %(after)s)
      AND id >= %(first)s AND id < %(past)s ORDER BY next_attempt_at, id LIMIT %(limit)s) AS found
JOIN paper_rows ON paper_rows.id = found.id ORDER BY next_attempt_at, paper_rows.id;

-- name: list_lower_priorities
-- Papers of a status with a lower priority.
SELECT paper_rows.* FROM (
    SELECT id FROM papers
    WHERE status = %(status)s AND priority < %(priority)s AND id >= %(first)s AND id < %(past)s
    ORDER BY priority DESC, next_attempt_at, id LIMIT %(limit)s) AS found
JOIN paper_rows ON paper_rows.id = found.id ORDER BY priority DESC, next_attempt_at, paper_rows.id;

-- name: selected_page
-- The next papers in order of id that meet those conditions that are given.
SELECT * FROM paper_rows
WHERE id > %(after)s
  AND (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s))
  AND (%(reasons)s::text[] IS NULL OR failure = ANY(%(reasons)s))
  AND (%(failed_phases)s::text[] IS NULL OR failed_phase = ANY(%(failed_phases)s))
  AND (%(since)s::double precision IS NULL OR changed_at >= %(since)s)
ORDER BY id LIMIT %(limit)s;

-- name: page_of_flagged_ids
-- The next ids of papers with one of some flags; few papers have any.
SELECT paper_id AS id FROM results
WHERE phase = 'prep' AND result ->> 'flags' <> '[]' AND result -> 'flags' ?| %(flags)s AND paper_id > %(after)s
ORDER BY paper_id LIMIT %(limit)s;

-- name: count_selected
-- How many papers that is.
SELECT count(*) AS papers FROM papers
WHERE (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s))
  AND (%(reasons)s::text[] IS NULL OR failure = ANY(%(reasons)s))
  AND (%(failed_phases)s::text[] IS NULL OR failed_phase = ANY(%(failed_phases)s))
  AND (%(since)s::double precision IS NULL OR changed_at >= %(since)s)
  AND (%(flags)s::text[] IS NULL OR id IN (
      SELECT paper_id FROM results
      WHERE phase = 'prep' AND result ->> 'flags' <> '[]' AND result -> 'flags' ?| %(flags)s));

-- name: selected_rows
-- Those of some papers that meet the conditions.
SELECT * FROM paper_rows
WHERE id = ANY(%(ids)s)
  AND (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s))
  AND (%(reasons)s::text[] IS NULL OR failure = ANY(%(reasons)s))
  AND (%(failed_phases)s::text[] IS NULL OR failed_phase = ANY(%(failed_phases)s))
  AND (%(since)s::double precision IS NULL OR changed_at >= %(since)s)
  AND (%(flags)s::text[] IS NULL OR EXISTS (
      SELECT FROM results WHERE paper_id = id AND phase = 'prep' AND result -> 'flags' ?| %(flags)s));

-- name: ids_of_versions
-- Ids of papers, given without a version, and of their versions; one seek for each.
SELECT papers.id FROM unnest(%(ids)s::text[]) AS given (id)
JOIN papers ON papers.id >= given.id COLLATE "C" AND papers.id < (given.id || 'w') COLLATE "C"
WHERE papers.id = given.id OR substr(papers.id, length(given.id) + 1) ~ '^v[0-9]+$';

-- name: retry
-- Send failed papers back to where their phase begins, with no attempts; those that killed a process stay suspects.
WITH chosen AS (
    SELECT papers.id, back.phase, back.status
    FROM papers JOIN unnest(%(phases)s::text[], %(from_statuses)s::text[]) AS back (phase, status)
        ON back.phase = papers.failed_phase
    WHERE papers.id = ANY(%(ids)s) AND papers.status = 'failed' ORDER BY papers.id FOR UPDATE OF papers),
sent_back AS (
    UPDATE papers
    SET status = chosen.status, failed_phase = NULL, attempts = 0, next_attempt_at = %(now)s, failure = NULL,
        detail = NULL, changed_at = %(now)s
    FROM chosen WHERE papers.id = chosen.id
    RETURNING papers.id, chosen.phase)
INSERT INTO history (paper_id, at, event, phase, attempt, node)
SELECT id, %(now)s, 'retried', phase, 0, %(node)s FROM sent_back
RETURNING paper_id;

-- name: requeue
-- Send a paper back to an earlier status without some of its results, if its row has not changed since it was read.
WITH sent_back AS (
    UPDATE papers
    SET status = %(from_status)s, attempts = 0, next_attempt_at = %(now)s, failure = NULL, failed_phase = NULL,
        detail = NULL, changed_at = %(now)s
    WHERE id = %(id)s AND status = %(status)s AND changed_at = %(changed_at)s AND lease_id IS NULL
    RETURNING id),
forgotten AS (
    DELETE FROM results USING sent_back WHERE paper_id = sent_back.id AND results.phase = ANY(%(forgotten)s))
INSERT INTO history (paper_id, at, event, phase, attempt, detail, node)
SELECT id, %(now)s, 'requeued', %(phase)s, 0, %(detail)s, %(node)s FROM sent_back
RETURNING paper_id;

-- name: lock_targets
-- Those of some papers that nobody holds; until the transaction ends, nobody can claim them.
SELECT id, status, changed_at FROM papers
WHERE id = ANY(%(ids)s) AND lease_id IS NULL ORDER BY id FOR UPDATE;

-- name: known_ids
-- Those of some ids that have rows.
SELECT id FROM papers WHERE id = ANY(%(ids)s);

-- name: redo
-- Send papers back to the first phase, without results; what was made of them is outdated (`changes.outdated_from`).
WITH sent_back AS (
    UPDATE papers
    SET status = %(from_status)s, attempts = 0, next_attempt_at = %(now)s, failure = NULL, failed_phase = NULL,
        detail = NULL, outdated_before = greatest(trunc(%(now)s::double precision) + 1, trunc(changed_at) + 2),
        changed_at = %(now)s
    WHERE id = ANY(%(ids)s)
    RETURNING id),
forgotten AS (
    DELETE FROM results USING sent_back WHERE paper_id = sent_back.id)
INSERT INTO history (paper_id, at, event, phase, attempt, node)
SELECT id, %(now)s, 'redo', %(phase)s, 0, %(node)s FROM sent_back;

-- name: remove
-- Take papers out, with their results and histories.
WITH removed AS (
    DELETE FROM papers WHERE id = ANY(%(ids)s) RETURNING id),
forgotten AS (
    DELETE FROM results USING removed WHERE paper_id = removed.id)
DELETE FROM history USING removed WHERE paper_id = removed.id;

-- name: totals
-- Everything that a move must keep, what is held, and which nodes are at work.
SELECT (SELECT count(*) FROM papers) AS papers, (SELECT count(*) FROM papers WHERE lease_id IS NOT NULL) AS held,
       (SELECT count(*) FROM history) AS lines,
       (SELECT array_agg(node ORDER BY node) FROM nodes
        WHERE expires_at > extract(epoch FROM statement_timestamp())) AS nodes;

-- name: histories
-- What happened to some papers, oldest first.
SELECT paper_id, at, event, phase, attempt, failure, detail FROM history WHERE paper_id = ANY(%(ids)s) ORDER BY number;

-- name: take_in
-- Papers that another store gives, with their results and histories, unless they are known.
WITH new AS (
    INSERT INTO papers (id, worker, priority, status, attempts, next_attempt_at, suspect, failure, failed_phase, detail,
                        added_at, changed_at, outdated_before)
    SELECT * FROM unnest(
        %(id)s::text[], %(worker)s::integer[], %(priority)s::bigint[], %(status)s::text[], %(attempts)s::integer[],
        %(next_attempt_at)s::float8[], %(suspect)s::boolean[], %(failure)s::text[], %(failed_phase)s::text[],
        %(detail)s::text[], %(added_at)s::float8[], %(changed_at)s::float8[], %(outdated_before)s::float8[])
    ON CONFLICT (id) DO NOTHING RETURNING id),
made AS (
    INSERT INTO results (paper_id, phase, result)
    SELECT paper_id, phase, result::jsonb
    FROM unnest(%(result_of)s::text[], %(result_phase)s::text[], %(result)s::text[]) AS given (paper_id, phase, result)
    WHERE paper_id IN (SELECT id FROM new))
INSERT INTO history (paper_id, at, event, phase, attempt, failure, detail, node)
SELECT paper_id, at, event, phase, attempt, failure, detail, %(node)s
FROM unnest(
    %(line_of)s::text[], %(line_at)s::float8[], %(line_event)s::text[], %(line_phase)s::text[],
    %(line_attempt)s::integer[], %(line_failure)s::text[], %(line_detail)s::text[])
    WITH ORDINALITY AS given (paper_id, at, event, phase, attempt, failure, detail, place)
WHERE paper_id IN (SELECT id FROM new) ORDER BY place;
