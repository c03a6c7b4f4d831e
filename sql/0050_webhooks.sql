-- What sending webhooks needs beside the rows themselves.

-- Of an admin: events of all users, and those that are about no stream.
ALTER TABLE webhooks ADD COLUMN platform boolean NOT NULL DEFAULT false;
ALTER TABLE webhooks ADD CONSTRAINT webhooks_platform
    CHECK (NOT platform OR stream_id IS NULL);
-- Why the platform disabled it; NULL when its user did.
ALTER TABLE webhooks ADD COLUMN disabled_why text
    CHECK (length(disabled_why) <= 200);
-- A daemon has a request of this webhook under way until then.
ALTER TABLE webhooks ADD COLUMN leased_until timestamptz;
-- Not before, after failures; since when nothing but failures.
ALTER TABLE webhooks ADD COLUMN retry_at timestamptz;
ALTER TABLE webhooks ADD COLUMN failing_since timestamptz;
-- Whose turn it is: the one that was tried longest ago.
ALTER TABLE webhooks ADD COLUMN tried_at timestamptz;
-- The last event that was not even written: too many were waiting.
ALTER TABLE webhooks ADD COLUMN missed_at timestamptz;

CREATE INDEX webhooks_platform ON webhooks (id) WHERE platform;
-- By the key that sealed the secret: what is still to be sealed anew.
CREATE INDEX webhooks_sealed_by ON webhooks (split_part(sealed, '.', 2));

-- At most one delivery with the same text in a while (main/event.h).
ALTER TABLE webhook_deliveries ADD COLUMN once text
    CHECK (length(once) <= 300);
-- The beginning of the last answer.
ALTER TABLE webhook_deliveries ADD COLUMN response text
    CHECK (length(response) <= 1000);
-- When the last attempt began.
ALTER TABLE webhook_deliveries ADD COLUMN tried_at timestamptz;
-- The lease is the webhook's: one request at a time keeps the order.
ALTER TABLE webhook_deliveries DROP COLUMN leased_until;

DROP INDEX webhook_deliveries_due;
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (webhook_id, id)
    WHERE status = 'pending';
CREATE INDEX webhook_deliveries_old ON webhook_deliveries (created_at)
    WHERE status = 'pending';
CREATE INDEX webhook_deliveries_once ON webhook_deliveries
    (webhook_id, once, created_at) WHERE once IS NOT NULL;
