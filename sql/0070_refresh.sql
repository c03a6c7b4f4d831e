-- Who used a refresh token (a hash of network and program), as long as the
-- same client may come with it once more: it may have lost the answer.
ALTER TABLE session_tokens ADD COLUMN used_by bytea
    CHECK (octet_length(used_by) = 32);
