#include "handler/chat_room.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "handler/node_json.h"
#include "http/text.h"

/* Of one heartbeat's answer, which has other things to say, too. */
#define ROOMS_BYTES_MAX  (512 * 1024)
#define ROOMS_MAX_TEXT   "500"
#define ROOMS_NEW_MAX    200
#define ONCE_BYTES       12

static const db_query_t  q_chat_touch = {
    "chat_touch",
    "SELECT chat_touch($1, $2::boolean, $3::boolean)",
    3
};
DB_REGISTER(q_chat_touch);

static const db_query_t  q_chat_command = {
    "chat_command",
    "INSERT INTO node_commands (node_id, type, stream_id, data, expires_at)"
    " SELECT n.id, 'chat', $1, $2::jsonb, now() + interval '1 minute'"
    " FROM nodes n WHERE n.last_seen_at > now() - interval '30s'",
    2
};
DB_REGISTER(q_chat_command);

static const db_query_t  q_chat_command_one = {
    "chat_command_one",
    "INSERT INTO node_commands (node_id, type, stream_id, data, expires_at)"
    " SELECT n.id, 'chat', $1, $2::jsonb, now() + interval '30s'"
    " FROM nodes n LEFT JOIN live_streams l"
    "  ON l.stream_id = $1 AND l.node_id = n.id"
    " WHERE n.last_seen_at > now() - interval '10s'"
    " ORDER BY l.stream_id IS NULL, n.draining, n.id LIMIT 1",
    2
};
DB_REGISTER(q_chat_command_one);

/* As with revocations: versions become visible in their order, so none at or
 * below the counter is missing; one above it is of another database. A node
 * that has none asks for its rooms by name. */
static const db_query_t  q_chat_rooms = {
    "chat_rooms",
    "SELECT c.value, v.version, v.stream_id"
    " FROM counters c LEFT JOIN chat_rooms v"
    "  ON v.version > $1::bigint AND $1::bigint > 0"
    " WHERE c.name = 'chat_rooms'"
    " ORDER BY v.version LIMIT " ROOMS_MAX_TEXT,
    1
};
DB_REGISTER(q_chat_rooms);

/* $1 the room, $2 the version that the node has. A room that nobody ever
 * changed anything of has no row, but an owner; its words and bans are none.
 * The review's secret is sealed: chat_room_item(). */
static const db_query_t  q_chat_room = {
    "chat_room",
    "SELECT CASE WHEN c.gone THEN"
    "  jsonb_build_object('stream', x.room, 'gone', true)"
    " ELSE jsonb_build_object('stream', x.room,"
    "  'settings', coalesce(c.settings, '{}') || jsonb_strip_nulls("
    "   jsonb_build_object('staff', nullif(chat_staff(x.room), '[]'),"
    "    'review', (SELECT jsonb_build_object('url', v.url, 'on_timeout',"
    "     v.on_timeout, 'sealed', v.sealed) FROM chat_reviews v"
    "     WHERE v.stream_id = x.room))),"
    "  'pinned', c.pinned_json,"
    "  'poll', (SELECT chat_poll_json(p) FROM chat_polls p"
    "   WHERE p.stream_id = x.room AND p.closed_at IS NULL))"
    " || CASE WHEN c.words_version <= $2::bigint THEN '{}'"
    "  ELSE jsonb_build_object('words', jsonb_build_object("
    "   'version', coalesce(c.words_version, 0), 'list', coalesce((SELECT"
    "    jsonb_agg(jsonb_build_object('word', w.word, 'kind', w.kind,"
    "     'action', w.action)) FROM chat_words w WHERE w.list = ANY ("
    "     CASE WHEN x.room = '*' THEN ARRAY['*'] ELSE"
    "     ARRAY['s:' || x.room, 'u:' || (SELECT s.user_id"
    "      FROM streams s WHERE s.id = x.room)] END)), '[]'))) END"
    " || CASE WHEN c.bans_version <= $2::bigint THEN '{}'"
    "  ELSE jsonb_build_object('bans', coalesce((SELECT"
    "   jsonb_agg(jsonb_build_object('kind', b.kind, 'value', b.value,"
    "    'shadow', b.shadow, 'until',"
    "    coalesce(ceil(extract(epoch FROM b.until))::bigint, 0)))"
    "   FROM (SELECT * FROM chat_bans b WHERE b.stream_id = x.room"
    "    AND (b.until IS NULL OR b.until > now()) ORDER BY b.id DESC"
    "    LIMIT " CHAT_BANS_MAX_TEXT ") b), '[]')) END END"
    " FROM (SELECT $1::text AS room) x"
    " LEFT JOIN chat_rooms c ON c.stream_id = x.room",
    2
};
DB_REGISTER(q_chat_room);


int
chat_touch(request_t *r, const char *stream, unsigned what)
{
    if (db_run(r->db, &q_chat_touch, stream,
               what & CHAT_TOUCH_WORDS ? "t" : "f",
               what & CHAT_TOUCH_BANS ? "t" : "f") == NULL)
    {
        return -1;
    }

    return chat_command(r, stream, "settings", NULL);
}


static db_result_t *
chat_send(request_t *r, const db_query_t *q, const char *stream,
    const char *op, json_t *data)
{
    char         *text;
    db_result_t  *res;

    if (data == NULL) {
        data = json_object();
    }

    json_object_set_new(data, "op", json_string(op));
    text = json_dumps(data, JSON_COMPACT);
    json_decref(data);

    if (text == NULL) {
        abort();
    }

    res = db_run(r->db, q, stream, text);
    free(text);

    return res;
}


/* Nodes that also hear of it from each other do it once. */
int
chat_command(request_t *r, const char *stream, const char *op, json_t *data)
{
    char           once[2 * ONCE_BYTES + 1];
    unsigned char  bytes[ONCE_BYTES];

    randombytes_buf(bytes, sizeof(bytes));
    sodium_bin2hex(once, sizeof(once), bytes, sizeof(bytes));

    if (data == NULL) {
        data = json_object();
    }

    json_object_set_new(data, "once", json_string(once));

    return chat_send(r, &q_chat_command, stream, op, data) != NULL ? 0 : -1;
}


int
chat_command_one(request_t *r, const char *stream, const char *op,
    json_t *data, bool *sent)
{
    db_result_t  *res;

    res = chat_send(r, &q_chat_command_one, stream, op, data);

    if (res == NULL) {
        return -1;
    }

    *sent = db_affected(res) > 0;

    return 0;
}


bool
chat_id_valid(const char *text)
{
    return text != NULL && id_valid(text);
}


int
problem_no_message(request_t *r)
{
    return problem(r, 404, "not-found", "There is no such message.");
}


/* Appends a room as it is, without what the node has; the bytes of it, or -1
 * as db calls do. */
static int64_t
chat_room_item(request_t *r, json_t *items, const char *stream, int64_t known)
{
    json_t       *item;
    db_result_t  *res;

    res = db_run(r->db, &q_chat_room, stream, node_number(r, known));

    if (res == NULL) {
        return -1;
    }

    item = json_loads(db_text(res, 0, 0), 0, NULL);
    chat_review_open(r, stream, json_object_get(item, "settings"));
    json_array_append_new(items, item);

    return (int64_t) strlen(db_text(res, 0, 0));
}


/* Rooms that have changed since: *version is how far they go. */
static int64_t
chat_rooms_changed(request_t *r, json_t *items, db_result_t *res,
    int64_t seen, int64_t *version)
{
    int      i, rows;
    int64_t  bytes, n;

    bytes = 0;
    rows = db_rows(res);

    for (i = 0; i < rows && !db_null(res, i, 1); i++) {

        if (bytes > ROOMS_BYTES_MAX) {
            *version = db_int(res, i - 1, 1);
            return bytes;
        }

        n = chat_room_item(r, items, db_text(res, i, 2), seen);

        if (n < 0) {
            return -1;
        }

        bytes += n;
    }

    if (rows == atoi(ROOMS_MAX_TEXT)) {
        *version = db_int(res, rows - 1, 1);
    }

    return bytes;
}


int
chat_rooms_answer(request_t *r, json_t *answer, json_t *seen)
{
    size_t        i;
    json_t       *items, *asked;
    int64_t       value, version, known, bytes, n;
    const char   *stream;
    db_result_t  *res;

    known = node_int(seen, "rooms", 0, INT64_MAX, 0);
    asked = json_object_get(seen, "rooms_new");

    res = db_run(r->db, &q_chat_rooms, node_number(r, known));

    if (res == NULL) {
        return -1;
    }

    value = db_int(res, 0, 0);

    if (known == value && json_array_size(asked) == 0) {
        return 0;
    }

    items = json_array();
    version = value;

    bytes = known == 0 || known > value
            ? chat_room_item(r, items, CHAT_WORDS_ALL, 0)
            : chat_rooms_changed(r, items, res, known, &version);

    for (i = 0; bytes >= 0 && bytes <= ROOMS_BYTES_MAX && i < ROOMS_NEW_MAX
                && i < json_array_size(asked); i++)
    {
        stream = json_string_value(json_array_get(asked, i));

        if (stream == NULL || strlen(stream) > 64
            || text_has_controls(stream, false))
        {
            continue;
        }

        n = chat_room_item(r, items, stream, 0);
        bytes = n < 0 ? -1 : bytes + n;
    }

    if (bytes < 0) {
        json_decref(items);
        return -1;
    }

    json_object_set_new(answer, "rooms", json_pack("{s:I,s:o}",
        "version", (json_int_t) version, "items", items));

    return 0;
}
