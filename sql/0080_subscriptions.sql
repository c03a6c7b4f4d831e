-- Subscriptions: to a user, as follows are. Given by that user or by admins;
-- whoever has one is a subscriber in the rooms of that user's streams.
CREATE TABLE subscriptions (
    user_id       bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    subscriber_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    -- NULL: until it is taken away
    until         timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    created_by    bigint REFERENCES users ON DELETE SET NULL,
    PRIMARY KEY (user_id, subscriber_id),
    CHECK (user_id <> subscriber_id)
);

CREATE INDEX subscriptions_subscriber ON subscriptions
    (subscriber_id, user_id);
CREATE INDEX subscriptions_until ON subscriptions (until)
    WHERE until IS NOT NULL;
CREATE INDEX subscriptions_by ON subscriptions (created_by)
    WHERE created_by IS NOT NULL;
