-- name: settings_of_session
-- Time limits, in milliseconds, and how soon the server notices that the machine of its client is gone (Linux alone would
-- take two hours).
SELECT set_config('statement_timeout', %(statement)s, false),
       set_config('idle_in_transaction_session_timeout', %(idle_transaction)s, false),
       set_config('tcp_keepalives_idle', '15', false), set_config('tcp_keepalives_interval', '5', false),
       set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '30000', false);

-- name: has_migrations
-- Whether the database has a schema of ours.
SELECT to_regclass('migrations') IS NOT NULL AS there;

-- name: create_migrations
-- The steps of the schema that were applied.
CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());

-- name: last_migration
-- The last of them.
SELECT coalesce(max(number), 0) AS number FROM migrations;

-- name: remember_migration
-- One more step.
INSERT INTO migrations (number) VALUES (%(number)s);

-- name: lock_migrations
-- One process migrates at a time.
SELECT pg_advisory_lock(1919967344, 1);

-- name: unlock_migrations
-- The next one may.
SELECT pg_advisory_unlock(1919967344, 1);

-- name: stored_layout
-- The layout as a node sees it: one that has never had shards counts as one of a single shard.
SELECT workers, moving_to, coalesce((SELECT shards FROM node_layouts WHERE node = %(node)s), 1) AS shards FROM layout;

-- name: read_mark
-- What the database says of a move.
SELECT move, leaves, other, complete FROM moves;

-- name: remove_mark
-- The database may be used again.
DELETE FROM moves;

-- name: write_mark
-- It says something of a move.
INSERT INTO moves (move, leaves, other, complete) VALUES (%(move)s, %(leaves)s, %(other)s, %(complete)s);

-- name: set_workers_of_empty
-- The number of workers of papers that are to be moved here.
UPDATE layout SET workers = %(workers)s, moving_to = NULL;

-- name: create_layout
-- The number of workers, unless it is known.
INSERT INTO layout (workers) VALUES (%(workers)s) ON CONFLICT DO NOTHING;

-- name: create_node_layout
-- The shards of a node, unless they are known.
INSERT INTO node_layouts (node, shards) VALUES (%(node)s, %(shards)s) ON CONFLICT DO NOTHING;

-- name: set_shards
-- Another number of shards of a node.
INSERT INTO node_layouts (node, shards) VALUES (%(node)s, %(shards)s)
ON CONFLICT (node) DO UPDATE SET shards = excluded.shards;

-- name: begin_move
-- From now on papers get other workers.
UPDATE layout SET moving_to = %(workers)s;

-- name: end_move
-- All papers have their new workers.
UPDATE layout SET workers = moving_to, moving_to = NULL WHERE moving_to IS NOT NULL;

-- name: page_of_workers
-- The next papers in order of id, with their workers.
SELECT id, worker FROM papers WHERE id > %(after)s ORDER BY id LIMIT %(limit)s;

-- name: set_workers
-- Give papers other workers.
UPDATE papers SET worker = moved.worker
FROM unnest(%(ids)s::text[], %(workers)s::integer[]) AS moved (id, worker) WHERE papers.id = moved.id;

-- name: other_nodes
-- Nodes, except for one, with shards that are at work.
SELECT DISTINCT node FROM holders
WHERE node <> %(node)s AND expires_at > extract(epoch FROM statement_timestamp()) ORDER BY node;

-- name: lock_layout
-- Held while the layout of a node changes, or with '' while that of all nodes does.
SELECT pg_advisory_lock(1919967345, hashtext(%(node)s));

-- name: try_lock_layout
-- The same, if nobody else holds it.
SELECT pg_try_advisory_lock(1919967345, hashtext(%(node)s)) AS locked;

-- name: share_layout
-- Held by everybody who relies on the layout.
SELECT pg_advisory_lock_shared(1919967345, hashtext(%(node)s));

-- name: try_share_layout
-- The same, if it is not changing.
SELECT pg_try_advisory_lock_shared(1919967345, hashtext(%(node)s)) AS locked;

-- name: last_of_history
-- The number of the last line of all histories; one seek.
SELECT max(number) AS last FROM history;

-- name: ended_since
-- How claims of each phase have ended in a shard of a node, among the newest lines of all histories.
SELECT phase, event, count(*) AS claims FROM history
WHERE number > %(mark)s AND number <= %(last)s AND node = %(node)s AND shard = %(shard)s AND phase IS NOT NULL
GROUP BY phase, event;

-- name: recount
-- Count all papers again, if it is time.
SELECT recount(%(max_age)s::float8, %(not_before)s::float8,
               coalesce(%(now)s::float8, extract(epoch FROM statement_timestamp())::float8));

-- name: counted
-- What the last recount found for some workers.
SELECT what, name, sum(papers)::bigint AS papers, min(first_at) AS first_at, max(last_at) AS last_at FROM counted
WHERE worker BETWEEN %(first_worker)s AND %(last_worker)s GROUP BY what, name;

-- name: forget_counts
-- The last recount is out of date.
UPDATE recounts SET begun_at = 0, version = version + 1;

-- name: counted_by_worker
-- What the last recount found, all statuses together.
SELECT worker, sum(papers)::bigint AS papers FROM counted WHERE what = 'status' GROUP BY worker;
