-- name: new_holder
-- A shard process that may hold leases.
INSERT INTO holders (node, shard, expires_at)
VALUES (%(node)s, %(shard)s, coalesce(%(now)s::float8, extract(epoch FROM statement_timestamp())::float8) + %(seconds)s::float8)
RETURNING id, extract(epoch FROM statement_timestamp())::float8 AS now;

-- name: claim
-- Lease up to a limit of papers of some workers: highest priority first, then longest waiting, to within a second; each
-- gets a fresh lease id and is charged. One seek for each priority and second; what another transaction has locked is
-- passed over, and so are the papers of a priority from the first on whose time is still to come. It begins where the
-- claim before has ended, if that is not too long ago and nobody has changed anything from outside (see cursors.py).
WITH RECURSIVE moment (now) AS (
    SELECT coalesce(%(now)s::float8, extract(epoch FROM statement_timestamp())::float8)
), begins AS MATERIALIZED (
    SELECT now, version, whole,
           CASE WHEN whole THEN -9223372036854775808 ELSE %(from_minus_priority)s::bigint END AS minus_priority,
           CASE WHEN whole THEN '-infinity' ELSE %(from_second)s::float8 END AS second,
           CASE WHEN whole THEN 0 ELSE %(from_worker)s::int END AS worker
    FROM (SELECT now, coalesce(version, 0) AS version, version IS DISTINCT FROM %(from_version)s::bigint OR now < %(looked_at)s::float8
                 OR now >= %(looked_at)s::float8 + %(valid_seconds)s::float8 AS whole
          FROM moment LEFT JOIN recounts ON true) AS last
), places (minus_priority, second) AS (
    (SELECT first.* FROM begins CROSS JOIN LATERAL (
        SELECT -priority, floor(next_attempt_at) FROM papers
        WHERE status = {from_status} AND (-priority, floor(next_attempt_at), worker)
              >= (begins.minus_priority, begins.second, begins.worker)
        ORDER BY -priority, floor(next_attempt_at), worker LIMIT 1) AS first)
    UNION ALL
    SELECT later.* FROM places CROSS JOIN moment CROSS JOIN LATERAL (
        SELECT -priority, floor(next_attempt_at) FROM papers
        WHERE status = {from_status} AND (-priority, floor(next_attempt_at))
              > (places.minus_priority, CASE WHEN places.second > moment.now THEN 'infinity' ELSE places.second END)
        ORDER BY -priority, floor(next_attempt_at) LIMIT 1) AS later
), chosen AS MATERIALIZED (
    SELECT first.id FROM begins CROSS JOIN places CROSS JOIN LATERAL (
        SELECT id FROM papers
        WHERE status = {from_status} AND -priority = places.minus_priority AND floor(next_attempt_at) = places.second
          AND worker >= CASE WHEN (places.minus_priority, places.second) = (begins.minus_priority, begins.second)
                             THEN greatest(begins.worker, %(first_worker)s::int) ELSE %(first_worker)s::int END
          AND worker <= %(last_worker)s::int
          AND next_attempt_at <= coalesce(%(now)s::float8, extract(epoch FROM statement_timestamp())::float8)
          AND (failure IS NULL OR changed_at < %(not_failed_since)s::float8)
        ORDER BY worker, next_attempt_at LIMIT %(limit)s::int FOR NO KEY UPDATE SKIP LOCKED) AS first
    LIMIT %(limit)s::int
)
UPDATE papers
SET status = {active_status}, attempts = attempts + 1, lease_id = gen_random_uuid(),
    lease_expires_at = begins.now + %(seconds)s::float8, holder = %(holder)s::bigint, renewed = false, changed_at = begins.now
FROM chosen, begins WHERE papers.id = chosen.id
RETURNING papers.id, lease_id::text AS lease_id, attempts, suspect, outdated_before, -priority AS minus_priority,
          floor(next_attempt_at) AS second, papers.worker, begins.now, begins.version, begins.whole AS from_start;

-- name: claim_named
-- Lease those of the given papers that wait for the phase, in the same way.
WITH moment (now) AS (
    SELECT coalesce(%(now)s::float8, extract(epoch FROM statement_timestamp())::float8)
), chosen AS MATERIALIZED (
    SELECT id FROM papers
    WHERE id = ANY(%(ids)s::text[]) AND status = {from_status}
      AND worker BETWEEN %(first_worker)s::int AND %(last_worker)s::int
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE papers
SET status = {active_status}, attempts = attempts + 1, lease_id = gen_random_uuid(),
    lease_expires_at = moment.now + %(seconds)s::float8, holder = %(holder)s::bigint, renewed = false, changed_at = moment.now
FROM chosen, moment WHERE papers.id = chosen.id
RETURNING papers.id, lease_id::text AS lease_id, attempts, suspect, outdated_before, -priority AS minus_priority;

-- name: next_attempt
-- When the first waiting paper of some workers may be tried, of those that have not failed since a moment.
WITH RECURSIVE priorities (priority) AS (
    (SELECT priority FROM papers WHERE status = {from_status} ORDER BY priority DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT papers.priority FROM papers
            WHERE papers.status = {from_status} AND papers.priority < priorities.priority
            ORDER BY papers.priority DESC LIMIT 1)
    FROM priorities WHERE priorities.priority IS NOT NULL
)
SELECT min(first.next_attempt_at) AS next_attempt_at FROM priorities CROSS JOIN LATERAL (
    SELECT next_attempt_at FROM papers
    WHERE status = {from_status} AND papers.priority = priorities.priority
      AND worker BETWEEN %(first_worker)s::int AND %(last_worker)s::int
      AND (failure IS NULL OR changed_at < %(not_failed_since)s::float8)
    ORDER BY next_attempt_at LIMIT 1) AS first
WHERE priorities.priority IS NOT NULL;

-- name: renew_holder
-- Extend all leases of a shard process that were renewed; the row may have been removed by mistake, and comes back.
INSERT INTO holders (id, node, shard, expires_at)
VALUES (%(holder)s, %(node)s, %(shard)s,
        coalesce(%(now)s::float8, extract(epoch FROM statement_timestamp())::float8) + %(seconds)s::float8)
ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at;

-- name: detach
-- Papers of a shard process that are not renewed any more: their leases last as long as they did until now.
UPDATE papers SET renewed = false, lease_expires_at = holders.expires_at
FROM holders
WHERE holders.id = %(holder)s AND papers.holder = holders.id AND lease_id IS NOT NULL AND renewed
  AND lease_id <> ALL(%(leases)s::uuid[]);

-- name: attach
-- Papers whose leases are renewed from now on with the row of their holder.
UPDATE papers SET renewed = true, holder = %(holder)s
FROM unnest(%(ids)s::text[], %(leases)s::uuid[]) AS claim (id, lease_id)
WHERE papers.id = claim.id AND papers.lease_id = claim.lease_id AND (NOT renewed OR holder <> %(holder)s)
  AND worker BETWEEN %(first_worker)s::int AND %(last_worker)s::int;

-- name: standing
-- Those of the given leases that still stand.
SELECT papers.lease_id::text AS lease_id
FROM unnest(%(ids)s::text[], %(leases)s::uuid[]) AS claim (id, lease_id)
JOIN papers ON papers.id = claim.id AND papers.lease_id = claim.lease_id
WHERE worker BETWEEN %(first_worker)s::int AND %(last_worker)s::int;

-- name: finish
-- End claims, each with its outcome, if their leases still stand; what is not returned was lost. Their lines of history
-- and the results are written with them.
WITH outcome AS MATERIALIZED (
    SELECT given.*, coalesce(%(now)s::float8, extract(epoch FROM statement_timestamp())::float8) AS now
    FROM unnest(%(ids)s::text[], %(leases)s::uuid[], %(attempts)s::int[], %(events)s::text[], %(phases)s::text[],
                %(statuses)s::text[], %(charges)s::text[], %(delays)s::float8[], %(suspects)s::boolean[],
                %(failures)s::text[], %(details)s::text[], %(results)s::text[])
         AS given (id, lease_id, attempt, event, phase, status, charge, delay, suspect, failure, detail, result)
), ended AS (
    UPDATE papers
    SET status = outcome.status,
        attempts = CASE outcome.charge WHEN 'keep' THEN attempts WHEN 'refund' THEN attempts - 1 ELSE 0 END,
        next_attempt_at = outcome.now + outcome.delay,
        lease_id = NULL, lease_expires_at = NULL, holder = NULL, renewed = false,
        suspect = outcome.suspect, failure = outcome.failure,
        failed_phase = CASE outcome.status WHEN 'failed' THEN outcome.phase END,
        detail = outcome.detail,
        outdated_before = CASE WHEN outcome.result IS NULL THEN outdated_before END,
        changed_at = outcome.now
    FROM outcome
    WHERE papers.id = outcome.id AND papers.lease_id = outcome.lease_id
      AND worker BETWEEN %(first_worker)s::int AND %(last_worker)s::int
    RETURNING outcome.*
), remembered AS (
    INSERT INTO history (paper_id, at, event, phase, attempt, failure, detail, node, shard, lease_id)
    SELECT id, now, event, phase, attempt, failure, detail, %(node)s, %(shard)s,
           CASE WHEN %(by_holder)s::boolean THEN lease_id END FROM ended
), kept AS (
    INSERT INTO results (paper_id, phase, result) SELECT id, phase, result::jsonb FROM ended WHERE result IS NOT NULL
    ON CONFLICT (paper_id, phase) DO UPDATE SET result = excluded.result
)
SELECT id FROM ended;

-- name: written
-- Those of the given claims that their own holder has ended.
SELECT paper_id AS id FROM history
JOIN unnest(%(ids)s::text[], %(leases)s::uuid[]) AS claim (id, lease_id)
  ON history.paper_id = claim.id AND history.lease_id = claim.lease_id;

-- name: expired
-- Papers of some workers whose lease has run out, except for some leases.
SELECT papers.id, status, papers.lease_id::text AS lease_id, attempts, suspect, outdated_before
FROM papers LEFT JOIN holders ON holders.id = papers.holder AND papers.renewed
WHERE papers.lease_id IS NOT NULL AND worker BETWEEN %(first_worker)s::int AND %(last_worker)s::int
  AND CASE WHEN renewed THEN coalesce(holders.expires_at, lease_expires_at) ELSE lease_expires_at END
      < coalesce(%(now)s::float8, extract(epoch FROM statement_timestamp())::float8)
  AND papers.lease_id <> ALL(%(held)s::uuid[])
ORDER BY papers.id FOR NO KEY UPDATE OF papers SKIP LOCKED;

-- name: forgotten
-- Papers that a shard process has leased, except for some leases.
SELECT id, status, lease_id::text AS lease_id, attempts, suspect, outdated_before FROM papers
WHERE holder = %(holder)s AND lease_id IS NOT NULL AND lease_id <> ALL(%(held)s::uuid[])
ORDER BY id FOR NO KEY UPDATE SKIP LOCKED;

-- name: held
-- Papers that the processes of a shard of a node have leased, whether their leases still run or not.
SELECT papers.id, status, papers.lease_id::text AS lease_id, attempts, suspect, outdated_before
FROM holders JOIN papers ON papers.holder = holders.id
WHERE holders.node = %(node)s AND holders.shard = %(shard)s AND papers.lease_id IS NOT NULL
ORDER BY papers.id FOR NO KEY UPDATE OF papers;

-- name: remove_holders
-- Shard processes that have not been heard of for a month. Younger ones stay: one that was stopped may go on for a moment,
-- and what it claims then must be found when it is reclaimed.
DELETE FROM holders
WHERE expires_at < coalesce(%(now)s::float8, extract(epoch FROM statement_timestamp())::float8) - 30 * 86400
  AND NOT EXISTS (SELECT FROM papers WHERE papers.holder = holders.id AND papers.lease_id IS NOT NULL);

-- name: mend_waits
-- Restart waits that were written while the clock was ahead of the present one, and cut those that are too long.
WITH RECURSIVE priorities (priority) AS (
    (SELECT priority FROM papers WHERE status = {from_status} ORDER BY priority DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT papers.priority FROM papers
            WHERE papers.status = {from_status} AND papers.priority < priorities.priority
            ORDER BY papers.priority DESC LIMIT 1)
    FROM priorities WHERE priorities.priority IS NOT NULL
), moment (now) AS (
    SELECT coalesce(%(now)s::float8, extract(epoch FROM statement_timestamp())::float8)
), waiting AS MATERIALIZED (
    SELECT found.* FROM moment, priorities CROSS JOIN LATERAL (
        SELECT id, now, next_attempt_at, changed_at FROM papers
        WHERE status = {from_status} AND papers.priority = priorities.priority AND next_attempt_at > moment.now
          AND worker BETWEEN %(first_worker)s::int AND %(last_worker)s::int
          AND (changed_at > moment.now OR next_attempt_at > moment.now + %(longest)s::float8)
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED) AS found
    WHERE priorities.priority IS NOT NULL
)
UPDATE papers
SET next_attempt_at = waiting.now + least(%(longest)s::float8, CASE WHEN waiting.changed_at > waiting.now
        THEN greatest(0, waiting.next_attempt_at - waiting.changed_at) ELSE waiting.next_attempt_at - waiting.now END),
    changed_at = least(waiting.now, waiting.changed_at)
FROM waiting WHERE papers.id = waiting.id;

-- name: settings_of_shard
-- All that a shard asks is found by an index; a plan that was made while tables were empty must not say otherwise.
SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
SET jit = off;
