-- A service that is asked about each message of a room before it is shown.
CREATE TABLE chat_reviews (
    stream_id  text PRIMARY KEY REFERENCES streams ON DELETE CASCADE,
    url        text NOT NULL CHECK (length(url) <= 512),
    -- what becomes of a message when no answer comes in time
    on_timeout text NOT NULL CHECK (on_timeout IN ('allow', 'deny', 'hold')),
    -- what requests are signed with
    sealed     text NOT NULL CHECK (length(sealed) <= 1000),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by bigint REFERENCES users ON DELETE SET NULL
);

CREATE INDEX chat_reviews_by ON chat_reviews (created_by)
    WHERE created_by IS NOT NULL;
-- By the key that sealed the secret: what is still to be sealed anew.
CREATE INDEX chat_reviews_sealed_by ON chat_reviews
    (split_part(sealed, '.', 2));
