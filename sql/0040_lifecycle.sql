-- What following the nodes needs beside the rows themselves.

-- Who publishes: 64 hexadecimal digits, equal for two publishers that may
-- take over from each other at once.
ALTER TABLE broadcasts ADD COLUMN owner text CHECK (length(owner) = 64);
-- Why the last publisher left; becomes ended_why when nobody came back.
ALTER TABLE broadcasts ADD COLUMN stop_reason text
    CHECK (length(stop_reason) <= 200);

-- Which broadcast a node's stream belongs to, whatever the node calls it.
CREATE INDEX broadcasts_node_epoch ON broadcasts (stream_id, node_id, epoch);
-- Allowed, but still without media: the watch ends them.
CREATE INDEX broadcasts_waiting ON broadcasts (opened_at)
    WHERE ended_at IS NULL AND started_at IS NULL;
CREATE INDEX live_streams_seen ON live_streams (last_seen_at);

-- A thing that is revoked again keeps one row.
CREATE UNIQUE INDEX revocations_thing ON revocations (kind, value);

-- The last revocation's time (Unix seconds): each is later than the one before,
-- so that none spares a token that was signed after that one.
INSERT INTO counters (name) VALUES ('revocation_time');

-- When a daemon posted the command to the node's /control/ last.
ALTER TABLE node_commands ADD COLUMN posted_at timestamptz;
CREATE INDEX node_commands_unposted ON node_commands (id)
    WHERE posted_at IS NULL AND done_at IS NULL;

-- When somebody looked after dead nodes last. After a gap (no daemon, no
-- database) silence says nothing until the nodes could report again.
CREATE TABLE lifecycle_watch (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    last_at     timestamptz NOT NULL DEFAULT now(),
    quiet_until timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 10);

INSERT INTO lifecycle_watch DEFAULT VALUES;
