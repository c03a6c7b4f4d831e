#include "handler/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/rand.h>
#include <sodium.h>

#include "db/pool.h"
#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "main/app.h"
#include "main/revoke.h"

#define TOKEN_B64        sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define TOKEN_JTI_BYTES  16
#define TOKEN_TEXT       32         /* a jti or an anonymous name, as text */

/*
 * Addresses at a time that may use one token: two, because a telephone that
 * leaves the house has its old one for a while.
 */
#define TOKEN_ADDRESSES  2

/*
 * A session plays when a node had it in a heartbeat of the last 30 s (which
 * takes turns, so 45), or when its token was given out just now.
 */
#define TOKEN_PLAYS                                                           \
    "(p.last_seen_at > now() - interval '45s' OR (p.last_seen_at IS NULL"     \
    " AND p.created_at > now() - interval '15s'))"

/* Until the end of the transaction: one token of a user is made at a time. */
static const db_query_t  q_token_lock = {
    "token_lock",
    "SELECT pg_advisory_xact_lock(7811889, hashtext($1))",
    1
};
DB_REGISTER(q_token_lock);

/*
 * $1 stream, $2 the caller or 0, $3 whether staff, $4 a session that does not
 * count, $5 how many may play, $6 jti, $7 subject, $8 address, $9 seconds to
 * live. One statement: why not, or the session. The time is the database's, as
 * in revocations; a token that is made while a revocation of what it is about
 * lies ahead gets that time (main/revoke.h).
 */
static const db_query_t  q_token_session = {
    "token_session",
    "WITH f AS (SELECT date_trunc('second', now()) AS at,"
    " CASE WHEN m.role <> 'banned' OR $3::boolean THEN NULL"
    "  WHEN NOT " SQL_STREAM_ADMITTED("$2::text::bigint") " THEN 'none'"
    "  WHEN m.role = 'banned' THEN 'banned'"
    "  WHEN $2::text <> '0' AND EXISTS (SELECT FROM blocks x"
    "   WHERE x.user_id = s.user_id AND x.blocked_id = $2::text::bigint)"
    "   THEN 'blocked' END AS refusal,"
    " CASE WHEN $2::text <> '0' THEN (SELECT count(*)"
    "  FROM playback_sessions p WHERE p.subject = $2::text"
    "  AND p.expires_at > now() AND p.revoked_at IS NULL"
    "  AND p.jti IS DISTINCT FROM $4 AND " TOKEN_PLAYS ") >= $5::int"
    "  ELSE false END AS full_up"
    " FROM streams s JOIN users u ON u.id = s.user_id"
    " LEFT JOIN stream_members m ON m.stream_id = s.id"
    "  AND m.user_id = $2::text::bigint"
    " WHERE s.id = $1),"
    " i AS (INSERT INTO playback_sessions (jti, stream_id, user_id, subject,"
    "  addr, expires_at) SELECT $6, $1, nullif($2::text::bigint, 0), $7,"
    "  $8::inet, f.at + $9::int * interval '1s' FROM f"
    "  WHERE f.refusal IS NULL AND NOT f.full_up)"
    " SELECT coalesce(f.refusal, CASE WHEN f.full_up THEN 'limit' END),"
    " extract(epoch FROM f.at)::bigint,"
    " extract(epoch FROM greatest(f.at,"
    "  (SELECT max(v.before) FROM revocations v WHERE (v.kind, v.value) IN"
    "   (('stream', $1::text), ('sub', $2::text),"
    "    ('sub_stream', $2::text || chr(10) || $1::text)))))::bigint,"
    " (SELECT coalesce(c.display_name, c.username) FROM users c"
    "  WHERE c.id = $2::text::bigint),"
    " (SELECT CASE WHEN m.role IN ('owner', 'co-host', 'moderator')"
    "   THEN m.role WHEN $3::boolean THEN 'moderator'"
    "   WHEN m.role = 'vip' THEN m.role"
    "   WHEN EXISTS (SELECT FROM subscriptions w"
    "    WHERE w.user_id = s.user_id"
    "     AND w.subscriber_id = $2::text::bigint"
    "     AND (w.until IS NULL OR w.until > now())) THEN 'subscriber'"
    "   WHEN EXISTS (SELECT FROM follows w WHERE w.user_id = s.user_id"
    "    AND w.follower_id = $2::text::bigint) THEN 'follower'"
    "   ELSE 'viewer' END FROM streams s LEFT JOIN stream_members m"
    "   ON m.stream_id = s.id AND m.user_id = $2::text::bigint"
    "  WHERE s.id = $1)"
    " FROM f",
    9
};
DB_REGISTER(q_token_session);

/*
 * $1 subject, $2 how many may play: tokens that lay unused for a minute, but
 * for the newest ones. Who plays is seen long before that; who collects tokens
 * to have them all play at once does not get far.
 */
static const db_query_t  q_token_unused = {
    "token_unused",
    "SELECT p.jti, extract(epoch FROM p.expires_at)::bigint"
    " FROM playback_sessions p WHERE p.subject = $1 AND p.expires_at > now()"
    " AND p.revoked_at IS NULL AND p.last_seen_at IS NULL"
    " AND p.created_at < now() - interval '60s'"
    " ORDER BY p.created_at DESC OFFSET $2::int LIMIT 20",
    2
};
DB_REGISTER(q_token_unused);

enum {
    COL_REFUSAL,
    COL_NOW,
    COL_IAT,
    COL_NAME,
    COL_ROLE
};

typedef struct {
    const char  *stream;
    const char  *subject;
    const char  *name;              /* or NULL */
    const char  *role;              /* in the room */
    char         jti[TOKEN_TEXT];
    int64_t      now_s;
    int64_t      iat_s;
    int64_t      exp_s;
} viewer_token_t;


static void
token_random(char *dst, size_t size, size_t bytes)
{
    unsigned char  raw[TOKEN_JTI_BYTES];

    if (RAND_bytes(raw, (int) bytes) != 1) {
        abort();
    }

    sodium_bin2base64(dst, size, raw, bytes, TOKEN_B64);
}


static int
token_refuse(request_t *r, const char *why)
{
    if (strcmp(why, "banned") == 0) {
        return problem(r, 403, "banned", "You are banned from this stream.");
    }

    if (strcmp(why, "blocked") == 0) {
        return problem(r, 403, "blocked", "The owner of this stream has "
                       "blocked you.");
    }

    if (strcmp(why, "limit") == 0) {
        return problem(r, 403, "session-limit", request_printf(r,
            "You already watch %lld streams at once: close one of them first.",
            (long long) conf_int(r->app->conf, "token_sessions")));
    }

    return problem_no_stream(r);
}


static int
token_session(request_t *r, viewer_token_t *t)
{
    int64_t       ttl;
    db_result_t  *res;

    ttl = conf_int(r->app->conf, "token_ttl");

    res = db_run(r->db, &q_token_session, t->stream, caller_id(r),
        r->caller.role >= ROLE_MODERATOR ? "t" : "f",
        body_text(r->body, "replaces"),
        request_printf(r, "%lld",
            (long long) conf_int(r->app->conf, "token_sessions")),
        t->jti, t->subject, r->addr,
        request_printf(r, "%lld", (long long) ttl));

    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem_no_stream(r);
    }

    if (!db_null(res, 0, COL_REFUSAL)) {
        return token_refuse(r, db_text(res, 0, COL_REFUSAL));
    }

    t->now_s = db_int(res, 0, COL_NOW);
    t->iat_s = db_int(res, 0, COL_IAT);
    t->exp_s = t->now_s + ttl;
    t->name = db_null(res, 0, COL_NAME) ? NULL : db_text(res, 0, COL_NAME);
    t->role = t->name != NULL ? db_text(res, 0, COL_ROLE) : NULL;

    return 0;
}


/* 0, or -1 as db calls do. */
static int
token_end_unused(request_t *r)
{
    int           i;
    db_result_t  *res;

    res = db_run(r->db, &q_token_unused, r->caller.user_text,
        request_printf(r, "%lld",
            (long long) conf_int(r->app->conf, "token_sessions")));

    if (res == NULL) {
        return -1;
    }

    for (i = 0; i < db_rows(res); i++) {
        if (revoke_jti(r, db_text(res, i, 0), db_int(res, i, 1)) != 0) {
            return -1;
        }
    }

    return 0;
}


/*
 * A crowd that is not logged in costs one round trip each. A user's sessions
 * are counted, one request after the other.
 */
static int
token_session_of_user(request_t *r, viewer_token_t *t)
{
    int  rc;

    if (db_begin(r->db) != 0) {
        return problem_db(r);
    }

    rc = db_run(r->db, &q_token_lock, r->caller.user_text) != NULL
         ? token_session(r, t) : problem_db(r);

    if (rc == 0 && token_end_unused(r) != 0) {
        rc = problem_db(r);
    }

    if (rc != 0) {
        db_rollback(r->db);
        return rc;
    }

    return db_commit(r->db) == 0 ? 0 : problem_db(r);
}


/* NULL: there is no key yet. */
static char *
token_sign(request_t *r, viewer_token_t *t)
{
    char    *token;
    json_t  *claims, *can;

    if (r->app->signing == NULL) {
        return NULL;
    }

    /* who has no name cannot talk */

    can = t->name != NULL ? json_pack("[s,s]", "watch", "chat")
                          : json_pack("[s]", "watch");

    claims = json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:s,s:o,s:i,s:s*,s:s*}",
        "iss", conf_text(r->app->conf, "public_url"), "sub", t->subject,
        "jti", t->jti, "iat", (json_int_t) t->iat_s,
        "nbf", (json_int_t) t->now_s, "exp", (json_int_t) t->exp_s,
        "stream", t->stream, "can", can, "sessions", TOKEN_ADDRESSES,
        "name", t->name, "role", t->role);

    if (claims == NULL || signing_sign(r->app, claims, &token) != 0) {
        token = NULL;
    }

    json_decref(claims);

    return token;
}


/* public_url without the slash at its end, and the same for WebSocket. */
static json_t *
token_urls(request_t *r, const viewer_token_t *t, const char *token)
{
    int          len;
    const char  *base, *rest;

    base = conf_text(r->app->conf, "public_url");
    len = (int) strlen(base);

    while (len > 0 && base[len - 1] == '/') {
        len--;
    }

    rest = strncmp(base, "http", 4) == 0 ? base + 4 : base;

    return json_pack("{s:s,s:s}",
        "hls", request_printf(r, "%.*s/live/~%s/%s/index.m3u8", len, base,
            token, t->stream),
        "chat", request_printf(r, "ws%.*s/chat/~%s/%s",
            len - (int) (rest - base), rest, token, t->stream));
}


static const char *
token_time(request_t *r, int64_t time_s)
{
    char       text[32];
    time_t     t;
    struct tm  tm;

    t = (time_t) time_s;
    gmtime_r(&t, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);

    return request_printf(r, "%s", text);
}


int
viewer_token_post(request_t *r)
{
    int              rc;
    char             anonymous[TOKEN_TEXT], *token;
    json_t          *answer;
    viewer_token_t   t;

    t.stream = request_param(r, "id");
    t.subject = r->caller.user_text;
    token_random(t.jti, sizeof(t.jti), TOKEN_JTI_BYTES);

    if (r->caller.user == 0) {
        token_random(anonymous, sizeof(anonymous), 9);
        t.subject = request_printf(r, "anon:%s", anonymous);
    }

    rc = r->caller.user == 0 ? token_session(r, &t)
                             : token_session_of_user(r, &t);

    if (rc != 0) {
        return rc;
    }

    token = token_sign(r, &t);

    if (token == NULL) {
        respond_header(r, "Retry-After", "2");
        return problem(r, 503, "no-key", "There is no signing key yet.");
    }

    answer = json_pack("{s:s,s:s,s:s,s:o}", "token", token, "jti", t.jti,
        "expires_at", token_time(r, t.exp_s), "urls",
        token_urls(r, &t, token));
    free(token);

    return respond(r, 201, answer);
}
