-- The nodes of a run: who runs under a name, until when it counts as a member (Unix seconds; null once it has left), the
-- status that it published last, and what people have asked of it.
CREATE TABLE nodes (
    node        text             PRIMARY KEY,
    incarnation text             NOT NULL,
    address     text             NOT NULL,
    joined_at   double precision NOT NULL,
    heard_at    double precision NOT NULL,
    expires_at  double precision,
    report      bytea            NOT NULL DEFAULT '',
    drain       boolean          NOT NULL DEFAULT false,
    shards      integer
) WITH (fillfactor = 50);

-- Who governs: one row. A new epoch begins only once the lease of the last one has run out, or was given up (null).
-- `wait_seconds` is how long after `began_at` the one before may still have believed that it governed.
CREATE TABLE governor (
    only_one      boolean          PRIMARY KEY DEFAULT true CHECK (only_one),
    epoch         bigint           NOT NULL,
    node          text             NOT NULL,
    address       text             NOT NULL,
    secret        text             NOT NULL,
    lease_seconds double precision NOT NULL,
    began_at      double precision NOT NULL,
    wait_seconds  double precision NOT NULL DEFAULT 0,
    expires_at    double precision
) WITH (fillfactor = 50);

-- What a governor must know of the time before it.
CREATE TABLE governor_memory (
    name    text             PRIMARY KEY,
    epoch   bigint           NOT NULL,
    content bytea            NOT NULL,
    at      double precision NOT NULL
) WITH (fillfactor = 50);

-- Hosts that people want reopened.
CREATE TABLE reopen_requests (
    host text PRIMARY KEY
);
