#include <stdlib.h>
#include <string.h>
#include <openssl/rand.h>

#include "handler/keys.h"
#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "handler/stream_settings.h"
#include "handler/streams.h"
#include "http/caller.h"
#include "http/router.h"
#include "main/command.h"
#include "main/event.h"
#include "main/revoke.h"

#define STREAMS_MAX       1000      /* of a user */
#define STREAMS_MAX_TEXT  "1000"

#define ID_CHARS          12

/* How far ahead a stream is announced. */
#define AHEAD_MAX         "interval '5 years'"

/* The parameters $4 and $6 of both writes: what is searched for by equality
 * is kept in lower case, tags once each and sorted. */
#define SQL_TAGS(p)                                                           \
    "(SELECT array_agg(DISTINCT lower(t)) FROM"                               \
    " jsonb_array_elements_text(" p "::jsonb) t)"

/* An id in the path /streams/live is the list's. */
#define ID_RESERVED  "live"

/* The tag is for caches: it has all that the answer may differ in. What
 * If-Match compares is its beginning, see stream_version(). */
static const db_query_t q_stream_show = {
    "stream_show",
    "SELECT concat_ws('.', s.version, u.version, m.role, l.viewers,"
    " s.view_count), json_build_object(" SQL_STREAM_FIELDS ","
    " 'description', s.description,"
    " 'updated_at', " SQL_TIME("s.updated_at") ","
    " 'role', m.role,"
    " 'settings', CASE WHEN m.role IN ('owner', 'co-host') OR $3::boolean"
    "  THEN s.settings END)"
    " FROM streams s JOIN users u ON u.id = s.user_id"
    " LEFT JOIN live_streams l ON l.stream_id = s.id"
    " LEFT JOIN stream_members m"
    "  ON m.stream_id = s.id AND m.user_id = $2::bigint"
    " WHERE s.id = $1 AND ($3::boolean"
    "  OR m.role IN ('owner', 'co-host', 'moderator', 'vip')"
    "  OR " SQL_STREAM_ADMITTED("$2::bigint") ")",
    3
};
DB_REGISTER(q_stream_show);

static const db_query_t q_stream_room = {
    "stream_room",
    "SELECT count(*) >= " STREAMS_MAX_TEXT " FROM ("
    " SELECT FROM streams WHERE user_id = $1::bigint"
    " LIMIT " STREAMS_MAX_TEXT ") s",
    1
};
DB_REGISTER(q_stream_room);

static const db_query_t q_stream_insert = {
    "stream_insert",
    "INSERT INTO streams (id, user_id, title, description, category, tags,"
    " language, visibility, scheduled_at, settings, status, armed_at)"
    " SELECT $1, $2::bigint, $3, coalesce($4, ''), lower(nullif($5, '')),"
    "  coalesce(" SQL_TAGS("$6") ", '{}'), nullif($7, ''),"
    "  coalesce($8, 'public'), $9::timestamptz, $10::jsonb,"
    "  CASE WHEN $9::timestamptz > now() THEN 'scheduled' ELSE 'ready' END,"
    "  CASE WHEN $9::timestamptz > now() THEN NULL ELSE now() END"
    " RETURNING $9::timestamptz NOT BETWEEN now() AND now() + " AHEAD_MAX,
    10
};
DB_REGISTER(q_stream_insert);

/* Text columns: NULL leaves what there is, '' takes it out. $8: whether
 * scheduled_at is among the changes. */
static const db_query_t q_stream_update = {
    "stream_update",
    "UPDATE streams SET title = coalesce($2, title),"
    " description = coalesce($3, description),"
    " category = lower(nullif(coalesce($4, category), '')),"
    " tags = CASE WHEN $5::text IS NULL THEN tags"
    "  ELSE coalesce(" SQL_TAGS("$5") ", '{}') END,"
    " language = nullif(coalesce($6, language), ''),"
    " visibility = coalesce($7, visibility),"
    " scheduled_at = CASE WHEN $8::boolean THEN $9::timestamptz"
    "  ELSE scheduled_at END,"
    " status = CASE WHEN NOT $8::boolean OR status = 'live' THEN status"
    "  WHEN $9::timestamptz IS NOT NULL THEN 'scheduled'"
    "  WHEN status = 'scheduled' THEN 'ready' ELSE status END,"
    " armed_at = CASE WHEN $8::boolean AND status <> 'live'"
    "  AND $9::timestamptz IS NOT NULL THEN NULL ELSE armed_at END,"
    " settings = $10::jsonb, updated_at = now(), version = version + 1"
    " WHERE id = $1"
    " RETURNING $9::timestamptz NOT BETWEEN now() AND now() + " AHEAD_MAX,
    10
};
DB_REGISTER(q_stream_update);

static const db_query_t q_stream_delete = {
    "stream_delete",
    "DELETE FROM streams WHERE id = $1 RETURNING title",
    1
};
DB_REGISTER(q_stream_delete);


int
stream_respond(request_t *r, const char *id, int status, const char *member,
    json_t *value)
{
    json_t       *json;
    db_result_t  *res;

    res = db_run(r->db, &q_stream_show, id, caller_id(r),
                 r->caller.role >= ROLE_MODERATOR ? "t" : "f");

    if (res == NULL || db_rows(res) == 0) {
        json_decref(value);
        return res == NULL ? problem_db(r) : problem_no_stream(r);
    }

    respond_header(r, "ETag", request_printf(r, "\"%s\"", db_text(res, 0, 0)));

    if (value == NULL) {
        return respond_text(r, status, db_text(res, 0, 1));
    }

    json = json_loads(db_text(res, 0, 1), 0, NULL);
    json_object_set_new(json, member, value);

    return respond(r, status, json);
}


/*
 * Whether If-Match allows a change: it does when its tag begins with the
 * stream's version. That viewers came and went meanwhile is no conflict.
 */

static bool
stream_version(request_t *r, const char *version)
{
    char        *tag;
    const char  *match;

    match = request_header(r, "If-Match");
    tag = request_printf(r, "\"%s.", version);

    if (match != NULL && (match = strstr(match, tag)) != NULL) {
        version = request_printf(r, "%.*s", (int) strcspn(match + 1, "\""),
                                 match + 1);
    }

    return request_version(r, version);
}


static int
stream_get(request_t *r)
{
    return stream_respond(r, request_param(r, "id"), 200, NULL, NULL);
}


/* 60 random bits: ids are not guessed by counting. */

static const char *
stream_id_new(request_t *r)
{
    char     text[ID_CHARS + 1];
    uint8_t  bytes[ID_CHARS];

    static const char  base32[] = "abcdefghijklmnopqrstuvwxyz234567";

    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        abort();
    }

    for (int i = 0; i < ID_CHARS; i++) {
        text[i] = base32[bytes[i] & 31];
    }

    text[ID_CHARS] = '\0';

    return request_printf(r, "%s", text);
}


/* A list of the body as a parameter; NULL when it is absent. */

static const char *
body_json(request_t *r, const char *name)
{
    char        *dump;
    json_t      *list;
    const char  *text;

    list = json_object_get(r->body, name);

    if (list == NULL) {
        return NULL;
    }

    if (json_is_null(list)) {
        return "[]";
    }

    dump = json_dumps(list, JSON_COMPACT);
    text = request_printf(r, "%s", dump);
    free(dump);

    return text;
}


/* A text of the body: NULL when absent, "" for null. */

static const char *
body_change(request_t *r, const char *name)
{
    return json_is_null(json_object_get(r->body, name))
               ? "" : body_text(r->body, name);
}


static int
problem_scheduled(request_t *r)
{
    return problem_field(r, "scheduled_at",
                         "is in the past, or more than five years ahead");
}


static int
stream_insert(request_t *r, const char *id, const char *settings)
{
    db_result_t  *res;

    res = db_run(r->db, &q_stream_insert, id, r->caller.user_text,
                 body_text(r->body, "title"),
                 body_text(r->body, "description"),
                 body_text(r->body, "category"), body_json(r, "tags"),
                 body_text(r->body, "language"),
                 body_text(r->body, "visibility"),
                 body_text(r->body, "scheduled_at"), settings);

    if (res == NULL && db_error(r->db) == DB_DUPLICATE) {
        return problem(r, 409, "conflict", "There is a stream of this id.");
    }

    if (res == NULL) {
        return problem_db(r);
    }

    return db_bool(res, 0, 0) ? problem_scheduled(r) : 0;
}


static int
streams_post(request_t *r)
{
    int           rc;
    json_t       *key;
    const char   *id, *settings;
    db_result_t  *res;

    rc = stream_settings_merge(r, "{}", json_object_get(r->body, "settings"),
                               &settings);
    if (rc != 0) {
        return rc;
    }

    id = body_text(r->body, "id");

    if (id == NULL) {
        id = stream_id_new(r);
    } else if (strcmp(id, ID_RESERVED) == 0) {
        return problem_field(r, "id", "is reserved");
    }

    res = caller_lock(r) != 0
              ? NULL : db_run(r->db, &q_stream_room, r->caller.user_text);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_bool(res, 0, 0)) {
        return problem(r, 409, "limit",
                       "An account has " STREAMS_MAX_TEXT
                       " streams at most.");
    }

    rc = stream_insert(r, id, settings);
    if (rc != 0) {
        return rc;
    }

    if (key_create(r, id, "", NULL, &key) != 0) {
        return problem_db(r);
    }

    if (audit(r, "stream.create", "stream", id, NULL) != 0
        || event_emit(r->db, "stream.created", id, NULL, NULL) != 0)
    {
        json_decref(key);
        return problem_db(r);
    }

    respond_header(r, "Location", request_printf(r, "/api/streams/%s", id));

    return stream_respond(r, id, 201, "key", key);
}


/* Tokens that were given to anyone do not outlive a narrower visibility. */

static bool
stream_narrows(const char *from, const char *to)
{
    return to != NULL && strcmp(from, to) != 0
           && (strcmp(to, "private") == 0 || strcmp(to, "followers") == 0);
}


static int
stream_patch(request_t *r)
{
    int           rc;
    bool          narrows;
    stream_t      stream;
    const char   *settings, *visibility;
    db_result_t  *res;

    rc = stream_open(r, STREAM_EDIT, &stream);
    if (rc != 0) {
        return rc;
    }

    if (!stream_version(r, stream.version)) {
        return 412;
    }

    settings = stream.settings;

    if (body_has(r->body, "settings")) {
        rc = stream_settings_merge(r, settings,
                                   json_object_get(r->body, "settings"),
                                   &settings);
        if (rc != 0) {
            return rc;
        }
    }

    visibility = body_text(r->body, "visibility");
    narrows = stream_narrows(stream.visibility, visibility);

    res = db_run(r->db, &q_stream_update, stream.id,
                 body_text(r->body, "title"), body_change(r, "description"),
                 body_change(r, "category"), body_json(r, "tags"),
                 body_change(r, "language"), visibility,
                 body_has(r->body, "scheduled_at") ? "t" : "f",
                 body_text(r->body, "scheduled_at"), settings);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_bool(res, 0, 0)) {
        return problem_scheduled(r);
    }

    if (audit(r, "stream.update", "stream", stream.id,
              visibility == NULL ? NULL
                                 : json_pack("{s:s}", "visibility",
                                             visibility))
        != 0
        || event_emit(r->db, "stream.updated", stream.id, NULL, NULL) != 0
        || (narrows && revoke_stream(r, stream.id) != 0))
    {
        return problem_db(r);
    }

    return stream_respond(r, stream.id, 200, NULL, NULL);
}


static int
stream_delete(request_t *r)
{
    int           rc;
    stream_t      stream;
    db_result_t  *res;

    rc = stream_lock_live(r);
    if (rc != 0) {
        return rc;
    }

    rc = stream_open(r, STREAM_OWN, &stream);
    if (rc != 0) {
        return rc;
    }

    if (!stream_version(r, stream.version)) {
        return 412;
    }

    /* the counter of revocations is locked before that of rooms, as it is
     * wherever both are */

    if (command_kick(r, stream.id, "deleted", "The stream was deleted.")
            != 0
        || event_emit(r->db, "stream.deleted", stream.id, NULL, NULL) != 0
        || revoke_stream(r, stream.id) != 0)
    {
        return problem_db(r);
    }

    res = db_run(r->db, &q_stream_delete, stream.id);

    if (res == NULL
        || audit(r, "stream.delete", "stream", stream.id,
                 json_pack("{s:s, s:s}", "title", db_text(res, 0, 0),
                           "owner", stream.owner))
               != 0)
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


#define STREAM_FIELDS(null)                                                   \
    { .name = "description", .type = FIELD_LINES, .flags = null,              \
      .max = 5000 },                                                          \
    { .name = "category", .type = FIELD_TEXT, .flags = null, .max = 64 },     \
    { .name = "tags", .type = FIELD_LIST, .flags = null, .max = 10,           \
      .each = 32 },                                                           \
    { .name = "language", .type = FIELD_TEXT, .flags = null, .max = 35 },     \
    { .name = "visibility", .type = FIELD_ONE_OF,                             \
      .of = "public|unlisted|followers|private" },                            \
    { .name = "scheduled_at", .type = FIELD_TIME, .flags = null },            \
    { .name = "settings", .type = FIELD_OBJECT, .flags = null,                \
      .fields = stream_settings_fields }

static const field_t create_fields[] = {
    { .name = "id", .type = FIELD_STREAM },
    { .name = "title", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
      .min = 1, .max = 140 },
    STREAM_FIELDS(0),
    { 0 }
};

static const field_t patch_fields[] = {
    { .name = "title", .type = FIELD_TEXT, .min = 1, .max = 140 },
    STREAM_FIELDS(FIELD_NULLABLE),
    { 0 }
};

const route_t routes_streams[] = {
    { "POST", "/streams", streams_post, ACCESS_USER, ROUTE_IDEMPOTENT,
      "streams:write", create_fields, NULL, NULL },
    { "GET", "/streams/{id}", stream_get, ACCESS_ANYONE, 0,
      "streams:read", NULL, NULL, NULL },
    { "PATCH", "/streams/{id}", stream_patch, ACCESS_USER, 0,
      "streams:write", patch_fields, NULL, NULL },
    { "DELETE", "/streams/{id}", stream_delete, ACCESS_USER, 0,
      "streams:write", NULL, NULL, NULL },
    { 0 }
};
