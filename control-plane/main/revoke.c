#include "main/revoke.h"

#include <stdio.h>

#include "main/signing.h"

/* A token lives no longer. */
#define REVOKE_KEEP_S  90000

#define REVOKE_STRING(x)  REVOKE_STRING_(x)
#define REVOKE_STRING_(x) #x

/*
 * $1 kind, $2 value, $3 Unix time until which it must be remembered, or NULL.
 * The counters' rows are locked from here to the end of the transaction. Every
 * revocation has a later time than all before it: tokens that were given out
 * after one of them carry its time, and must not outlive the next one.
 * clock_timestamp(): the transaction may have begun a while ago.
 */
static const db_query_t  q_revoke = {
    "revoke",
    "WITH c AS (UPDATE counters SET value = value + 1"
    "  WHERE name = 'revocations' RETURNING value),"
    " t AS (UPDATE counters SET value = greatest(value + 1,"
    "   extract(epoch FROM clock_timestamp())::bigint"
    "   + " REVOKE_STRING(REVOKE_AHEAD_S) ")"
    "  WHERE name = 'revocation_time' AND $1 <> 'jti' RETURNING value)"
    " INSERT INTO revocations (version, kind, value, before, until)"
    " SELECT c.value, $1, $2, (SELECT to_timestamp(t.value) FROM t),"
    " coalesce(to_timestamp($3::bigint) + interval '1 minute',"
    " now() + interval '" REVOKE_STRING(REVOKE_KEEP_S) "s')"
    " FROM c ON CONFLICT (kind, value) DO UPDATE"
    " SET version = excluded.version, before = excluded.before,"
    " until = greatest(revocations.until, excluded.until)",
    3
};
DB_REGISTER(q_revoke);

/* A dead token plays nowhere, and does not count against its user's limit. */
static const db_query_t  q_revoke_sessions = {
    "revoke_sessions",
    "UPDATE playback_sessions SET revoked_at = now()"
    " WHERE revoked_at IS NULL AND expires_at > now()"
    " AND (($1 = 'jti' AND jti = $2)"
    " OR ($1 = 'sub' AND subject = $2)"
    " OR ($1 = 'sub_stream' AND subject = $2 AND stream_id = $3))",
    3
};
DB_REGISTER(q_revoke_sessions);


static int
revoke(request_t *r, const char *kind, const char *value, const char *until)
{
    return db_run(r->db, &q_revoke, kind, value, until) != NULL ? 0 : -1;
}


int
revoke_user(request_t *r, const char *user)
{
    if (db_run(r->db, &q_revoke_sessions, "sub", user, NULL) == NULL) {
        return -1;
    }

    return revoke(r, "sub", user, NULL);
}


int
revoke_stream(request_t *r, const char *stream)
{
    /* sessions of a crowd are not touched one by one: they end by the
       revocation, and stop counting when nobody sees them any more */

    return revoke(r, "stream", stream, NULL);
}


int
revoke_stream_user(request_t *r, const char *stream, const char *user)
{
    if (db_run(r->db, &q_revoke_sessions, "sub_stream", user, stream) == NULL) {
        return -1;
    }

    return revoke(r, "sub_stream", request_printf(r, "%s\n%s", user, stream),
        NULL);
}


int
revoke_jti(request_t *r, const char *jti, int64_t until)
{
    if (db_run(r->db, &q_revoke_sessions, "jti", jti, NULL) == NULL) {
        return -1;
    }

    return revoke(r, "jti", jti,
        until > 0 ? request_printf(r, "%lld", (long long) until) : NULL);
}
