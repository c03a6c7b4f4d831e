-- An e-mail address belongs to an account once it is verified; until then any
-- number of accounts may claim it, so that registering tells nobody who has
-- an account.
DROP INDEX users_email_key;
CREATE UNIQUE INDEX users_email_key ON users (lower(email))
    WHERE email_verified_at IS NOT NULL;

-- Whether an address is one of the account's own (handler/lockout.h).
CREATE INDEX sessions_user_addr ON sessions (user_id, addr);

-- What the job "accounts_retention" looks for.
CREATE INDEX session_tokens_used_at ON session_tokens (used_at)
    WHERE used_at IS NOT NULL;
CREATE INDEX api_tokens_revoked_at ON api_tokens (revoked_at)
    WHERE revoked_at IS NOT NULL;
