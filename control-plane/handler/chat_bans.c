/* Who may not write in a room. A timeout is a ban that ends. */

#include <stdlib.h>
#include <string.h>

#include "handler/chat_room.h"
#include "handler/node_json.h"
#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "http/page.h"
#include "http/router.h"
#include "http/text.h"

/* Addresses are for the platform's moderators to see ($4), nobody else. */
#define BAN_JSON                                                              \
    "json_build_object('id', b.id::text, 'kind', b.kind,"                     \
    " 'value', CASE WHEN b.kind = 'sub' OR $4::boolean THEN b.value END,"     \
    " 'user', (SELECT json_build_object('id', u.id::text,"                    \
    "  'username', u.username, 'display_name', u.display_name) FROM users u"  \
    "  WHERE u.id = coalesce(b.user_id, CASE WHEN b.kind = 'sub'"             \
    "   AND b.value ~ '^[0-9]{1,18}$' THEN b.value::bigint END)),"            \
    " 'until', " SQL_TIME("b.until") ", 'shadow', b.shadow,"                  \
    " 'reason', b.reason, 'created_at', " SQL_TIME("b.created_at") ","        \
    " 'created_by', b.created_by::text)"

static const db_query_t  q_chat_bans = {
    "chat_bans",
    "SELECT " BAN_JSON ", b.id FROM chat_bans b"
    " WHERE b.stream_id = $1 AND b.id > $2::bigint"
    "  AND (b.until IS NULL OR b.until > now())"
    " ORDER BY b.id LIMIT $3::integer",
    4
};
DB_REGISTER(q_chat_bans);

static const db_query_t  q_chat_ban_show = {
    "chat_ban_show",
    "SELECT " BAN_JSON " FROM chat_bans b"
    " WHERE b.stream_id = $1 AND b.kind = $2 AND b.value = $3",
    4
};
DB_REGISTER(q_chat_ban_show);

static const db_query_t  q_chat_ban_room = {
    "chat_ban_room",
    "SELECT count(*) >= " CHAT_BANS_MAX_TEXT " FROM ("
    " SELECT FROM chat_bans b WHERE b.stream_id = $1"
    " LIMIT " CHAT_BANS_MAX_TEXT ") x",
    1
};
DB_REGISTER(q_chat_ban_room);

static const db_query_t  q_chat_ban_rank = {
    "chat_ban_rank",
    "SELECT m.role FROM users u LEFT JOIN stream_members m"
    " ON m.stream_id = $1 AND m.user_id = u.id WHERE u.id = $2::bigint",
    2
};
DB_REGISTER(q_chat_ban_rank);

static const db_query_t  q_chat_ban_put = {
    "chat_ban_put",
    "INSERT INTO chat_bans (stream_id, kind, value, user_id, until, shadow,"
    " reason, created_by) VALUES ($1, $2, $3, $4::bigint,"
    " now() + $5::bigint * interval '1s', $6::boolean, $7, $8::bigint)"
    " ON CONFLICT (stream_id, kind, value) DO UPDATE"
    " SET until = excluded.until, shadow = excluded.shadow,"
    "  reason = excluded.reason, created_at = now(),"
    "  created_by = excluded.created_by",
    8
};
DB_REGISTER(q_chat_ban_put);

/* Networks are always written with their length. */
static const db_query_t  q_chat_ban_network = {
    "chat_ban_network",
    "SELECT network($1::inet)::text, masklen($1::inet) >="
    " CASE WHEN family($1::inet) = 4 THEN 16 ELSE 32 END",
    1
};
DB_REGISTER(q_chat_ban_network);

/* Where the user watched from lately: an IPv4 address, or the network of an
 * IPv6 one. $3 seconds or NULL, $4 shadow, $5 reason, $6 by. */
static const db_query_t  q_chat_ban_addresses = {
    "chat_ban_addresses",
    "INSERT INTO chat_bans (stream_id, kind, value, user_id, until, shadow,"
    " reason, created_by) SELECT $1, 'addr', a.value, $2::bigint,"
    " now() + $3::bigint * interval '1s', $4::boolean, $5, $6::bigint"
    " FROM (SELECT DISTINCT network(set_masklen(p.addr,"
    "   CASE WHEN family(p.addr) = 4 THEN 32 ELSE 64 END))::text AS value"
    "  FROM playback_sessions p WHERE p.stream_id = $1"
    "   AND p.subject = $2 AND p.addr IS NOT NULL"
    "   AND p.expires_at > now() LIMIT 20) a"
    " ON CONFLICT (stream_id, kind, value) DO UPDATE"
    " SET until = excluded.until, shadow = excluded.shadow,"
    "  user_id = excluded.user_id, reason = excluded.reason,"
    "  created_at = now(), created_by = excluded.created_by",
    6
};
DB_REGISTER(q_chat_ban_addresses);

static const db_query_t  q_chat_ban_delete = {
    "chat_ban_delete",
    "DELETE FROM chat_bans WHERE stream_id = $1 AND id = $2::bigint"
    " RETURNING kind, value",
    2
};
DB_REGISTER(q_chat_ban_delete);

/* All of a user's: the account, and what was banned along. */
static const db_query_t  q_chat_ban_lift = {
    "chat_ban_lift",
    "DELETE FROM chat_bans WHERE stream_id = $1"
    " AND ((kind = 'sub' AND value = $2) OR user_id = $2::text::bigint)",
    2
};
DB_REGISTER(q_chat_ban_lift);


static const char *
bans_addresses_shown(request_t *r)
{
    return r->caller.role >= ROLE_MODERATOR ? "t" : "f";
}


static int
bans_get(request_t *r)
{
    int           rc;
    page_t        page;
    stream_t      stream;
    db_result_t  *res;

    rc = page_read(r, &page, 1);
    if (rc != 0) {
        return rc;
    }

    rc = stream_open(r, STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    if (page.keys && !chat_id_valid(page.key[0])) {
        return problem_field(r, "cursor", "is not one of this list.");
    }

    res = db_run(r->db, &q_chat_bans, stream.id,
                 page.keys ? page.key[0] : "0", page.limit_text,
                 bans_addresses_shown(r));

    return res != NULL ? respond_page(r, &page, res, 0, 1) : problem_db(r);
}


/* 0, or the status answered. */

static int
ban_room(request_t *r, const stream_t *stream)
{
    db_result_t  *res;

    res = db_run(r->db, &q_chat_ban_room, stream->id);
    if (res == NULL) {
        return problem_db(r);
    }

    return !db_bool(res, 0, 0) ? 0
           : problem(r, 409, "limit", "A stream has " CHAT_BANS_MAX_TEXT
                     " of them at most.");
}


static int
ban_rank(request_t *r, const stream_t *stream, const char *user)
{
    int           rank;
    db_result_t  *res;

    res = db_run(r->db, &q_chat_ban_rank, stream->id, user);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 404, "not-found", "There is no such user.");
    }

    rank = db_null(res, 0, 0) ? RANK_NONE : stream_rank(db_text(res, 0, 0));

    if (rank >= stream->rank || rank == RANK_OWNER) {
        return problem(r, 403, "forbidden",
                       "That takes a higher role than yours in this stream.");
    }

    return 0;
}


/* seconds: NULL for good. 0, or -1 as db calls do. */

static int
ban_tell(request_t *r, const char *stream, const char *user,
    const char *seconds, bool shadow)
{
    int64_t  until;

    until = seconds != NULL
            ? r->now + body_int(r->body, "seconds", 0) : 0;

    if (until != 0 && !shadow) {
        return chat_command(r, stream, "timeout",
                            json_pack("{s:s,s:I}", "target_user", user,
                                      "until", (json_int_t) until));
    }

    return chat_command(r, stream, "ban",
                        json_pack("{s:s,s:I,s:b}", "target_user", user,
                                  "until", (json_int_t) until, "shadow",
                                  shadow));
}


static const char *
ban_seconds(request_t *r)
{
    return body_has(r->body, "seconds")
           ? node_number(r, body_int(r->body, "seconds", 0)) : NULL;
}


static int
ban_respond(request_t *r, const char *stream, const char *kind,
    const char *value)
{
    db_result_t  *res;

    res = db_run(r->db, &q_chat_ban_show, stream, kind, value,
                 bans_addresses_shown(r));

    return res != NULL ? respond_text(r, 201, db_text(res, 0, 0))
                       : problem_db(r);
}


static int
ban_user(request_t *r, const stream_t *stream, const char *user)
{
    int          rc;
    bool         shadow, addresses;
    const char  *seconds, *reason;

    reason = body_text(r->body, "reason");
    shadow = body_bool(r->body, "shadow", false);
    addresses = body_bool(r->body, "addresses", false);
    seconds = ban_seconds(r);

    rc = ban_rank(r, stream, user);
    if (rc != 0) {
        return rc;
    }

    if (db_run(r->db, &q_chat_ban_put, stream->id, "sub", user, user, seconds,
               shadow ? "t" : "f", reason, r->caller.user_text) == NULL
        || (addresses
            && db_run(r->db, &q_chat_ban_addresses, stream->id, user, seconds,
                      shadow ? "t" : "f", reason, r->caller.user_text)
                   == NULL)
        || ban_tell(r, stream->id, user, seconds, shadow) != 0
        || audit(r, seconds != NULL ? "chat.timeout" : "chat.ban", "chat",
                 stream->id,
                 json_pack("{s:s,s:s*,s:b,s:b,s:s*}", "user", user, "seconds",
                           seconds, "shadow", shadow, "addresses", addresses,
                           "reason", reason)) != 0
        || chat_touch(r, stream->id, CHAT_TOUCH_BANS) != 0)
    {
        return problem_db(r);
    }

    return ban_respond(r, stream->id, "sub", user);
}


/* "1.2.3.4", "10.0.0.0/16": as the database writes it; *rc: 0, or the status
 * answered. */

static const char *
ban_network(request_t *r, const char *value, int *rc)
{
    char         *addr;
    size_t        len;
    const char   *bits;
    db_result_t  *res;

    len = strcspn(value, "/");
    addr = request_printf(r, "%.*s", (int) len, value);
    bits = value[len] == '/' ? value + len + 1 : "32";

    *rc = problem_field(r, "value", "is no address, nor a network of /16 "
                        "(IPv6: /32) or smaller.");

    if (!node_is_addr(addr) || !id_valid(bits) || strlen(bits) > 3
        || atoi(bits) > (strchr(addr, ':') != NULL ? 128 : 32))
    {
        return NULL;
    }

    res = db_run(r->db, &q_chat_ban_network, value);

    if (res == NULL) {
        *rc = problem_db(r);
        return NULL;
    }

    if (!db_bool(res, 0, 1)) {
        return NULL;
    }

    *rc = 0;

    return db_text(res, 0, 0);
}


/* An address, a network, or a device as clients name themselves. */

static int
ban_value(request_t *r, const stream_t *stream, const char *kind,
    const char *value)
{
    int          rc;
    bool         shadow;
    const char  *seconds, *reason;

    reason = body_text(r->body, "reason");
    shadow = body_bool(r->body, "shadow", false);
    seconds = ban_seconds(r);

    if (strcmp(kind, "addr") == 0) {
        value = ban_network(r, value, &rc);

        if (value == NULL) {
            return rc;
        }
    }

    if (db_run(r->db, &q_chat_ban_put, stream->id, kind, value, NULL, seconds,
               shadow ? "t" : "f", reason, r->caller.user_text) == NULL
        || audit(r, "chat.ban", "chat", stream->id,
                 json_pack("{s:s,s:s,s:s*,s:b,s:s*}", "kind", kind, "value",
                           value, "seconds", seconds, "shadow", shadow,
                           "reason", reason)) != 0
        || chat_touch(r, stream->id, CHAT_TOUCH_BANS) != 0)
    {
        return problem_db(r);
    }

    return ban_respond(r, stream->id, kind, value);
}


static int
bans_post(request_t *r)
{
    int          rc;
    stream_t     stream;
    const char  *user, *kind, *value;

    user = body_text(r->body, "user");
    kind = body_text(r->body, "kind");
    value = body_text(r->body, "value");

    if ((user != NULL) == (value != NULL) || (kind == NULL) != (value == NULL))
    {
        return problem_field(r, "user", "or else kind and value say who it "
                             "is.");
    }

    rc = stream_open(r, STREAM_MODERATE, &stream);

    if (rc == 0) {
        rc = ban_room(r, &stream);
    }

    if (rc != 0) {
        return rc;
    }

    return user != NULL ? ban_user(r, &stream, user)
                        : ban_value(r, &stream, kind, value);
}


static int
timeouts_post(request_t *r)
{
    int       rc;
    stream_t  stream;

    rc = stream_open(r, STREAM_MODERATE, &stream);

    if (rc == 0) {
        rc = ban_room(r, &stream);
    }

    return rc != 0 ? rc
                   : ban_user(r, &stream, body_text(r->body, "user"));
}


static int
ban_delete(request_t *r)
{
    int           rc;
    stream_t      stream;
    const char   *ban;
    db_result_t  *res;

    rc = stream_open(r, STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    ban = request_param(r, "ban");

    res = chat_id_valid(ban)
          ? db_run(r->db, &q_chat_ban_delete, stream.id, ban) : NULL;

    if (res == NULL && chat_id_valid(ban)) {
        return problem_db(r);
    }

    if (res == NULL || db_rows(res) == 0) {
        return problem(r, 404, "not-found", "There is no such ban.");
    }

    if ((strcmp(db_text(res, 0, 0), "sub") == 0
         && chat_command(r, stream.id, "unban",
                         json_pack("{s:s}", "target_user",
                                   db_text(res, 0, 1))) != 0)
        || audit(r, "chat.unban", "chat", stream.id,
                 json_pack("{s:s,s:s}", "kind", db_text(res, 0, 0), "value",
                           db_text(res, 0, 1))) != 0
        || chat_touch(r, stream.id, CHAT_TOUCH_BANS) != 0)
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


/* Whatever keeps the user from writing. */

static int
user_unban(request_t *r)
{
    int           rc;
    stream_t      stream;
    const char   *user;
    db_result_t  *res;

    rc = stream_open(r, STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    user = request_param(r, "user");

    res = db_run(r->db, &q_chat_ban_lift, stream.id, user);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 0) {
        return problem(r, 404, "not-found", "That user is not banned here.");
    }

    if (chat_command(r, stream.id, "unban",
                     json_pack("{s:s}", "target_user", user)) != 0
        || audit(r, "chat.unban", "chat", stream.id,
                 json_pack("{s:s}", "user", user)) != 0
        || chat_touch(r, stream.id, CHAT_TOUCH_BANS) != 0)
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


#define BAN_SECONDS_MAX  (366 * 86400)

static const field_t  ban_fields[] = {
    { .name = "user", .type = FIELD_ID },
    { .name = "kind", .type = FIELD_ONE_OF, .of = "addr|device" },
    { .name = "value", .type = FIELD_TEXT, .min = 1, .max = 64 },
    { .name = "seconds", .type = FIELD_INT, .min = 1,
      .max = BAN_SECONDS_MAX },
    { .name = "shadow", .type = FIELD_BOOL },
    { .name = "addresses", .type = FIELD_BOOL },
    { .name = "reason", .type = FIELD_TEXT, .min = 1, .max = 500 },
    { 0 }
};

static const field_t  timeout_fields[] = {
    { .name = "user", .type = FIELD_ID, .flags = FIELD_REQUIRED },
    { .name = "seconds", .type = FIELD_INT, .flags = FIELD_REQUIRED, .min = 1,
      .max = BAN_SECONDS_MAX },
    { .name = "reason", .type = FIELD_TEXT, .min = 1, .max = 500 },
    { 0 }
};

static const field_t  bans_query[] = {
    PAGE_FIELDS,
    { 0 }
};

const route_t  routes_chat_bans[] = {
    { "GET", "/streams/{id}/moderation/bans", bans_get, ACCESS_USER, 0,
      "chat:moderate", NULL, bans_query, NULL },
    { "POST", "/streams/{id}/moderation/bans", bans_post, ACCESS_USER, 0,
      "chat:moderate", ban_fields, NULL, NULL },
    { "DELETE", "/streams/{id}/moderation/bans/{ban}", ban_delete,
      ACCESS_USER, 0, "chat:moderate", NULL, NULL, NULL },
    { "POST", "/streams/{id}/moderation/timeouts", timeouts_post, ACCESS_USER,
      0, "chat:moderate", timeout_fields, NULL, NULL },
    { "DELETE", "/streams/{id}/moderation/users/{user}/ban", user_unban,
      ACCESS_USER, 0, "chat:moderate", NULL, NULL, NULL },
    { 0 }
};
