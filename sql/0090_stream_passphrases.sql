-- What a stream's SRT encoders encrypt with; a node asks for it with each
-- publish.
CREATE TABLE stream_passphrases (
    stream_id  text PRIMARY KEY REFERENCES streams ON DELETE CASCADE,
    sealed     text NOT NULL CHECK (length(sealed) <= 1000),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- By the key that sealed it: what is still to be sealed anew.
CREATE INDEX stream_passphrases_sealed_by ON stream_passphrases
    (split_part(sealed, '.', 2));
