-- name: limit_time
-- End every later statement of this connection that takes longer.
SELECT set_config('statement_timeout', %(milliseconds)s, false);

-- name: join
-- Take a node's name, unless another incarnation than the given one has it and its lease lasts.
INSERT INTO nodes AS known (node, incarnation, address, joined_at, heard_at, expires_at)
SELECT %(node)s, %(incarnation)s, %(address)s, clock.now, clock.now, clock.now + %(lease)s
FROM (SELECT extract(epoch FROM clock_timestamp())::float8 AS now) AS clock
ON CONFLICT (node) DO UPDATE
SET incarnation = excluded.incarnation, address = excluded.address, joined_at = excluded.joined_at,
    heard_at = excluded.heard_at, expires_at = excluded.expires_at, report = '', drain = false, shards = NULL
WHERE known.expires_at IS NULL OR known.expires_at <= extract(epoch FROM clock_timestamp())
   OR known.incarnation = %(replaces)s
RETURNING incarnation;

-- name: holder_of_name
-- Who has a node's name, and for how many seconds still.
SELECT address, coalesce(expires_at - extract(epoch FROM clock_timestamp())::float8, 0) FROM nodes WHERE node = %(node)s;

-- name: forget
-- Forget nodes that were last heard of a long time ago.
DELETE FROM nodes WHERE greatest(heard_at, expires_at) < extract(epoch FROM clock_timestamp()) - %(seconds)s;

-- name: renew
-- Extend a node's lease, publish its status, and take back what was asked of it, except what it has already been told.
UPDATE nodes
SET heard_at = extract(epoch FROM clock_timestamp()), report = %(report)s,
    expires_at = extract(epoch FROM clock_timestamp()) + %(lease)s,
    drain = drain AND NOT %(told_to_drain)s, shards = nullif(shards, %(told_shards)s)
WHERE node = %(node)s AND incarnation = %(incarnation)s AND expires_at IS NOT NULL
RETURNING drain, shards;

-- name: leave
-- End a node's lease; what it has published stays.
UPDATE nodes
SET heard_at = extract(epoch FROM clock_timestamp()), expires_at = NULL
WHERE node = %(node)s AND incarnation = %(incarnation)s
RETURNING node;

-- name: nodes
-- Every node, in seconds from now by this server's clock.
SELECT node, incarnation, address, clock.now - joined_at, clock.now - heard_at, expires_at - clock.now, report
FROM nodes, (SELECT extract(epoch FROM clock_timestamp())::float8 AS now) AS clock
ORDER BY node COLLATE "C";

-- name: ask
-- Leave a request for a node that is a member.
UPDATE nodes
SET drain = drain OR %(drain)s, shards = coalesce(%(shards)s, shards)
WHERE node = %(node)s AND expires_at > extract(epoch FROM clock_timestamp())
RETURNING node;

-- name: seek_epoch
-- Begin a new epoch, unless the lease of the last one lasts. Where it was given up, the time counts for which its own
-- predecessor had to be waited for.
INSERT INTO governor AS last (epoch, node, address, secret, lease_seconds, began_at, expires_at)
SELECT 1, %(node)s, %(address)s, %(secret)s, %(lease)s, clock.now, clock.now + %(lease)s
FROM (SELECT extract(epoch FROM clock_timestamp())::float8 AS now) AS clock
ON CONFLICT (only_one) DO UPDATE
SET epoch = last.epoch + 1, node = excluded.node, address = excluded.address, secret = excluded.secret,
    lease_seconds = excluded.lease_seconds, began_at = excluded.began_at, expires_at = excluded.expires_at,
    wait_seconds = CASE WHEN last.expires_at IS NULL
                        THEN greatest(0, last.began_at + last.wait_seconds - excluded.began_at)
                        ELSE last.lease_seconds END
WHERE last.expires_at IS NULL OR last.expires_at <= extract(epoch FROM clock_timestamp())
RETURNING epoch, wait_seconds;

-- name: renew_epoch
-- Extend the lease of an epoch that no other has followed.
UPDATE governor
SET expires_at = extract(epoch FROM clock_timestamp()) + %(lease)s, lease_seconds = %(lease)s
WHERE epoch = %(epoch)s AND expires_at IS NOT NULL
RETURNING epoch;

-- name: end_epoch
-- Give up the lease of an epoch.
UPDATE governor SET expires_at = NULL WHERE epoch = %(epoch)s RETURNING epoch;

-- name: governing
-- Who governs, if its lease lasts.
SELECT epoch, node, address, secret, expires_at - extract(epoch FROM clock_timestamp())::float8
FROM governor WHERE expires_at > extract(epoch FROM clock_timestamp());

-- name: remember
-- Save what the next governor must know, if the epoch is the last one; no other can begin meanwhile.
INSERT INTO governor_memory (name, epoch, content, at)
SELECT %(name)s, epoch, %(content)s, extract(epoch FROM clock_timestamp())
FROM (SELECT epoch FROM governor WHERE epoch = %(epoch)s FOR SHARE) AS current
ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, content = excluded.content, at = excluded.at
RETURNING epoch;

-- name: remembered
-- What was saved last under a name, and how many seconds ago.
SELECT content, extract(epoch FROM clock_timestamp())::float8 - at FROM governor_memory WHERE name = %(name)s;

-- name: ask_to_reopen
-- Leave a request to reopen hosts.
INSERT INTO reopen_requests (host) SELECT DISTINCT unnest(%(hosts)s::text[]) ON CONFLICT (host) DO NOTHING
RETURNING host;

-- name: take_reopen_requests
-- Take the hosts that are to be reopened, in the last epoch only.
DELETE FROM reopen_requests WHERE EXISTS (SELECT FROM governor WHERE epoch = %(epoch)s) RETURNING host;
