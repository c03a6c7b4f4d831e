#include "handler/chat_room.h"

#include <stdlib.h>
#include <string.h>

#include "handler/node_json.h"
#include "main/log.h"

#define PUSH_ITEMS_MAX   1000
#define PUSH_TEXT_MAX    4096
#define PUSH_SUBJECT     64

/* Members of an item that only some kinds have: kept in "data". */
static const char *const  push_data[] = {
    "on", "poll", "choice", "reason", "reaction", "count", "target_user",
    "seconds", "shadow", "approve", "role"
};

/*
 * A batch, each row once however often it comes; of streams that are there.
 * What somebody said who has been erased meanwhile comes without him.
 * What is no plain message is given back by kind: what it means is carried
 * out once, too.
 */
static const db_query_t  q_chat_push = {
    "chat_push",
    "WITH i AS (INSERT INTO chat_messages (stream_id, id, kind, user_id,"
    "  subject, name, message_text, \"timestamp\", media_ms, reply_to, target,"
    "  status, data, node_id)"
    " SELECT e.stream, e.id, e.kind, u.id,"
    "  CASE WHEN e.uid IS NULL OR u.id IS NOT NULL THEN e.subject END,"
    "  CASE WHEN e.uid IS NULL OR u.id IS NOT NULL THEN left(e.name, 64) END,"
    "  CASE WHEN e.uid IS NULL OR u.id IS NOT NULL THEN e.text END,"
    "  to_timestamp(e.time_ms / 1000.0), e.media_ms, e.reply_to,"
    "  e.target, CASE WHEN e.uid IS NULL OR u.id IS NOT NULL THEN e.status"
    "   ELSE 'deleted' END, e.data, $2"
    " FROM jsonb_to_recordset($1::jsonb) AS e(stream text, id bigint,"
    "  kind text, uid bigint, subject text, name text, text text,"
    "  time_ms bigint, media_ms bigint, reply_to bigint, target bigint,"
    "  status text, data jsonb)"
    " JOIN streams s ON s.id = e.stream LEFT JOIN users u ON u.id = e.uid"
    " ON CONFLICT DO NOTHING"
    " RETURNING stream_id, id, kind, user_id, subject, name, message_text,"
    "  \"timestamp\" AS at, target, data, status)"
    " SELECT kind, jsonb_agg(to_jsonb(i) ORDER BY id) FROM i"
    " WHERE kind <> 'message' AND status <> 'shadow' GROUP BY kind",
    2
};
DB_REGISTER(q_chat_push);

/* What q_chat_push gave back, as rows. */
#define PUSH_ROWS                                                             \
    "jsonb_to_recordset($1::jsonb) AS e(stream_id text, id bigint,"           \
    " kind text, user_id bigint, subject text, name text, message_text text," \
    " at timestamptz, target bigint, data jsonb)"

static const db_query_t  q_push_question = {
    "chat_push_question",
    "INSERT INTO chat_questions (stream_id, id)"
    " SELECT e.stream_id, e.id FROM " PUSH_ROWS " ON CONFLICT DO NOTHING",
    1
};
DB_REGISTER(q_push_question);

static const db_query_t  q_push_upvote = {
    "chat_push_upvote",
    "WITH u AS (INSERT INTO chat_upvotes (stream_id, message_id, subject)"
    "  SELECT e.stream_id, e.target, e.subject FROM " PUSH_ROWS
    "  JOIN chat_questions q ON q.stream_id = e.stream_id"
    "   AND q.id = e.target"
    "  WHERE e.subject IS NOT NULL ON CONFLICT DO NOTHING"
    "  RETURNING stream_id, message_id)"
    " UPDATE chat_questions q SET upvotes = q.upvotes + n.n"
    " FROM (SELECT stream_id, message_id, count(*) AS n FROM u GROUP BY 1, 2)"
    "  n WHERE q.stream_id = n.stream_id AND q.id = n.message_id",
    1
};
DB_REGISTER(q_push_upvote);

/* Of several within a batch the last one counts. */
static const db_query_t  q_push_like = {
    "chat_push_like",
    "WITH l AS (SELECT DISTINCT ON (e.stream_id, e.subject) e.stream_id,"
    "  e.subject, (e.data ->> 'on')::boolean AS likes FROM " PUSH_ROWS
    "  WHERE e.subject IS NOT NULL"
    "  ORDER BY e.stream_id, e.subject, e.id DESC),"
    " d AS (DELETE FROM chat_likes c USING l WHERE NOT l.likes"
    "  AND c.stream_id = l.stream_id AND c.subject = l.subject)"
    " INSERT INTO chat_likes (stream_id, subject)"
    " SELECT l.stream_id, l.subject FROM l WHERE l.likes"
    " ON CONFLICT DO NOTHING",
    1
};
DB_REGISTER(q_push_like);

static const db_query_t  q_push_reaction = {
    "chat_push_reaction",
    "INSERT INTO chat_reactions AS c (stream_id, hour, reaction, count)"
    " SELECT e.stream_id, date_trunc('hour', e.at), e.data ->> 'reaction',"
    "  sum((e.data ->> 'count')::bigint) FROM " PUSH_ROWS
    " WHERE e.data ->> 'reaction' IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    " ON CONFLICT (stream_id, hour, reaction) DO UPDATE"
    " SET count = c.count + excluded.count",
    1
};
DB_REGISTER(q_push_reaction);

/* The first vote counts, if the poll was open then. A batch of votes is one
 * update of the tally, for who is in the room and who comes. */
static const db_query_t  q_push_vote = {
    "chat_push_vote",
    "WITH v AS (INSERT INTO chat_votes"
    "  (poll_id, subject, name, choice, created_at)"
    " SELECT p.id, e.subject, e.name, (e.data ->> 'choice')::integer, e.at"
    " FROM " PUSH_ROWS
    " JOIN chat_polls p ON p.id = (e.data ->> 'poll')::bigint"
    "  AND p.stream_id = e.stream_id"
    " WHERE e.subject IS NOT NULL"
    "  AND e.at <= coalesce(p.closed_at, 'infinity')"
    "  AND (e.data ->> 'choice')::integer < jsonb_array_length(p.choices)"
    " ORDER BY e.id ON CONFLICT DO NOTHING RETURNING poll_id)"
    " SELECT DISTINCT p.stream_id, p.id FROM chat_polls p JOIN v"
    "  ON v.poll_id = p.id WHERE p.closed_at IS NULL ORDER BY 1",
    1
};
DB_REGISTER(q_push_vote);

static const db_query_t  q_push_tally = {
    "chat_push_tally",
    "SELECT chat_poll_json(p) FROM chat_polls p WHERE p.id = $1::bigint",
    1
};
DB_REGISTER(q_push_tally);

static const db_query_t  q_push_flag = {
    "chat_push_flag",
    "INSERT INTO chat_flags (stream_id, message_id, subject, reason)"
    " SELECT e.stream_id, e.target, e.subject, e.data ->> 'reason'"
    " FROM " PUSH_ROWS
    " WHERE e.subject IS NOT NULL AND e.target IS NOT NULL"
    " ON CONFLICT DO NOTHING",
    1
};
DB_REGISTER(q_push_flag);

static const db_query_t  q_push_delete = {
    "chat_push_delete",
    "UPDATE chat_messages m SET status = 'deleted', decided_at = e.at,"
    " decided_by = e.user_id FROM " PUSH_ROWS
    " WHERE m.stream_id = e.stream_id AND m.id = e.target"
    "  AND m.kind IN ('message', 'question', 'event')",
    1
};
DB_REGISTER(q_push_delete);

static const db_query_t  q_push_clear = {
    "chat_push_clear",
    "UPDATE chat_messages m SET status = 'deleted', decided_at = e.at,"
    " decided_by = e.user_id FROM " PUSH_ROWS
    " WHERE m.stream_id = e.stream_id AND m.id < e.id"
    "  AND m.user_id = (CASE WHEN e.data ->> 'target_user' ~ '^[0-9]{1,18}$'"
    "   THEN e.data ->> 'target_user' END)::bigint"
    "  AND m.kind IN ('message', 'question') AND m.status <> 'deleted'",
    1
};
DB_REGISTER(q_push_clear);

/* A timeout is a ban that ends. What a moderator may not do to somebody is not
 * kept, and undone in the room by the list that follows. */
static const db_query_t  q_push_ban = {
    "chat_push_ban",
    "WITH b AS (SELECT DISTINCT ON (e.stream_id, e.data ->> 'target_user')"
    "  e.*, e.data ->> 'target_user' AS target_user FROM " PUSH_ROWS
    "  WHERE length(e.data ->> 'target_user') BETWEEN 1 AND 64"
    "  ORDER BY e.stream_id, e.data ->> 'target_user', e.id DESC),"
    " i AS (INSERT INTO chat_bans (stream_id, kind, value, until, shadow,"
    "  reason, created_at, created_by)"
    "  SELECT b.stream_id, 'sub', b.target_user,"
    "   b.at + (b.data ->> 'seconds')::bigint * interval '1s',"
    "   coalesce((b.data ->> 'shadow')::boolean, false),"
    "   b.data ->> 'reason', b.at, b.user_id FROM b"
    "  WHERE chat_rank(b.stream_id, b.target_user) < 2"
    "   OR chat_rank(b.stream_id, b.target_user)"
    "    < chat_rank(b.stream_id, b.subject)"
    "  ON CONFLICT (stream_id, kind, value) DO UPDATE"
    "  SET until = excluded.until, shadow = excluded.shadow,"
    "   reason = excluded.reason, created_at = excluded.created_at,"
    "   created_by = excluded.created_by RETURNING stream_id)"
    " SELECT chat_touch(s.stream_id, false, true)"
    " FROM (SELECT DISTINCT stream_id FROM b ORDER BY 1) s",
    1
};
DB_REGISTER(q_push_ban);

static const db_query_t  q_push_unban = {
    "chat_push_unban",
    "WITH d AS (DELETE FROM chat_bans b USING " PUSH_ROWS
    "  WHERE b.stream_id = e.stream_id AND b.kind = 'sub'"
    "   AND b.value = e.data ->> 'target_user' AND b.created_at <= e.at"
    "  RETURNING b.stream_id)"
    " SELECT chat_touch(s.stream_id, false, true)"
    " FROM (SELECT DISTINCT stream_id FROM d ORDER BY 1) s",
    1
};
DB_REGISTER(q_push_unban);

static const db_query_t  q_push_pin = {
    "chat_push_pin",
    "WITH p AS (SELECT DISTINCT ON (e.stream_id) e.stream_id, e.target"
    "  FROM " PUSH_ROWS " ORDER BY e.stream_id, e.id DESC),"
    " t AS MATERIALIZED (SELECT p.stream_id, p.target,"
    "  chat_touch(p.stream_id, false, false) FROM p)"
    " SELECT chat_pin(t.stream_id, t.target) FROM t",
    1
};
DB_REGISTER(q_push_pin);

static const db_query_t  q_push_review = {
    "chat_push_review",
    "UPDATE chat_messages m SET status = CASE"
    "  WHEN (e.data ->> 'approve')::boolean THEN 'ok' ELSE 'rejected' END,"
    " decided_at = e.at, decided_by = e.user_id FROM " PUSH_ROWS
    " WHERE m.stream_id = e.stream_id AND m.id = e.target"
    "  AND m.status = 'held'",
    1
};
DB_REGISTER(q_push_review);

static const db_query_t  q_push_audit = {
    "chat_push_audit",
    "INSERT INTO audit_log (actor_id, action, object, object_id, details)"
    " SELECT e.user_id, 'chat.' || e.kind, 'chat', e.stream_id,"
    "  jsonb_strip_nulls(jsonb_build_object('target', e.target::text,"
    "   'user', e.data -> 'target_user', 'seconds', e.data -> 'seconds',"
    "   'shadow', e.data -> 'shadow', 'reason', e.data -> 'reason',"
    "   'approve', e.data -> 'approve'))"
    " FROM " PUSH_ROWS,
    1
};
DB_REGISTER(q_push_audit);

/* What an item means beside its row; moderation: goes into the audit log. */
static const struct {
    const char        *kind;
    const db_query_t  *query;
    bool               moderation;
} push_kinds[] = {
    { "message", NULL, false },
    { "event", NULL, false },
    { "question", &q_push_question, false },
    { "upvote", &q_push_upvote, false },
    { "like", &q_push_like, false },
    { "reaction", &q_push_reaction, false },
    { "vote", &q_push_vote, false },
    { "flag", &q_push_flag, false },
    { "delete", &q_push_delete, true },
    { "clear", &q_push_clear, true },
    { "timeout", &q_push_ban, true },
    { "ban", &q_push_ban, true },
    { "unban", &q_push_unban, true },
    { "pin", &q_push_pin, true },
    { "review", &q_push_review, true },
};

#define PUSH_KINDS  (sizeof(push_kinds) / sizeof(push_kinds[0]))


static bool
push_kind_known(const char *kind)
{
    for (size_t i = 0; kind != NULL && i < PUSH_KINDS; i++) {
        if (strcmp(kind, push_kinds[i].kind) == 0) {
            return true;
        }
    }

    return false;
}


static void
push_set(json_t *row, const char *name, const char *text)
{
    if (text != NULL) {
        json_object_set_new(row, name, json_string(text));
    }
}


/* Members beyond those of every kind; each of its type, or absent. */
static json_t *
push_more(request_t *r, json_t *item)
{
    json_t      *data, *value;
    const char  *name;

    data = json_object();

    for (size_t i = 0; i < sizeof(push_data) / sizeof(push_data[0]); i++) {
        name = push_data[i];
        value = json_object_get(item, name);

        if (strcmp(name, "seconds") == 0 || strcmp(name, "count") == 0
            || strcmp(name, "choice") == 0)
        {
            if (value != NULL && !json_is_null(value)) {
                json_object_set_new(data, name,
                    json_integer(node_int(item, name, 0, 1 << 30, 0)));
            }

        } else if (strcmp(name, "poll") == 0) {
            push_set(data, name, node_id(r, item, name));

        } else if (json_is_boolean(value)) {
            json_object_set(data, name, value);

        } else {
            push_set(data, name, node_text(r, item, name,
                strcmp(name, "reason") == 0 ? 500 : PUSH_SUBJECT));
        }
    }

    return data;
}


/* An event's text is what members got: {"event", "text", "data"}. */
static void
push_event(request_t *r, json_t *row, json_t *item)
{
    json_t  *event, *data;

    event = json_loads(json_string_value(json_object_get(item, "text")) != NULL
                       ? json_string_value(json_object_get(item, "text"))
                       : "", 0, NULL);
    data = json_object_get(row, "data");

    json_object_del(row, "text");
    push_set(row, "text", node_text(r, event, "text", PUSH_TEXT_MAX));
    push_set(data, "event", node_text(r, event, "event", 16));

    if (json_is_object(json_object_get(event, "data"))) {
        json_object_set(data, "data", json_object_get(event, "data"));
    }

    json_decref(event);
}


/* An item as a row; NULL: it makes no sense. */
static json_t *
push_row(request_t *r, json_t *item)
{
    json_t      *row;
    const char  *kind, *stream, *id, *user, *status;

    kind = node_text(r, item, "kind", 16);
    stream = node_stream_id(r, item, "stream");
    id = node_id(r, item, "id");

    if (!push_kind_known(kind) || stream == NULL || id == NULL) {
        return NULL;
    }

    user = node_text(r, item, "user", PUSH_SUBJECT);
    status = node_text(r, item, "status", 8);

    if (status == NULL || (strcmp(status, "held") != 0
                           && strcmp(status, "shadow") != 0))
    {
        status = "ok";
    }

    row = json_pack("{s:s,s:s,s:s,s:s,s:I,s:o}", "stream", stream, "id", id,
        "kind", kind, "status", status, "time_ms",
        (json_int_t) node_int(item, "time_ms", 0, 253370764800000, 0),
        "data", push_more(r, item));

    push_set(row, "subject", user);

    if (user != NULL && strlen(user) <= 18
        && strspn(user, "0123456789") == strlen(user))
    {
        push_set(row, "uid", user);
    }

    push_set(row, "name", node_text(r, item, "name", 128));
    push_set(row, "text", node_text(r, item, "text", PUSH_TEXT_MAX));
    push_set(row, "reply_to", node_id(r, item, "reply_to"));
    push_set(row, "target", node_id(r, item, "target"));

    if (strcmp(kind, "event") == 0) {
        push_event(r, row, item);
    }

    if (json_is_integer(json_object_get(item, "media_ms"))) {
        json_object_set_new(row, "media_ms",
            json_integer(node_int(item, "media_ms", 0, INT64_MAX, 0)));
    }

    return row;
}


/* How a poll stands: to the rooms. */
static int
push_tallies(request_t *r, db_result_t *polls)
{
    int           i;
    db_result_t  *res;

    for (i = 0; i < db_rows(polls); i++) {
        res = db_run(r->db, &q_push_tally, db_text(polls, i, 1));

        if (res == NULL
            || chat_command(r, db_text(polls, i, 0), "poll",
                            json_pack("{s:o}", "poll",
                                      json_loads(db_text(res, 0, 0), 0, NULL)))
                   != 0
            || chat_touch(r, db_text(polls, i, 0), 0) != 0)
        {
            return -1;
        }
    }

    return 0;
}


/* In the order of push_kinds: questions before their upvotes, bans before
 * unbans. */
static int
push_effects(request_t *r, db_result_t *res)
{
    int           i;
    const char   *rows;
    db_result_t  *done;

    for (size_t k = 0; k < PUSH_KINDS; k++) {

        for (i = 0; i < db_rows(res); i++) {
            if (strcmp(db_text(res, i, 0), push_kinds[k].kind) == 0) {
                break;
            }
        }

        if (i == db_rows(res)) {
            continue;
        }

        rows = db_text(res, i, 1);

        done = push_kinds[k].query != NULL
               ? db_run(r->db, push_kinds[k].query, rows) : res;

        if (done == NULL
            || (push_kinds[k].query == &q_push_vote
                && push_tallies(r, done) != 0)
            || (push_kinds[k].moderation
                && db_run(r->db, &q_push_audit, rows) == NULL))
        {
            return -1;
        }
    }

    return 0;
}


/* The rows as text that lives as long as the request; *odd counts what was
 * left out. */
static const char *
push_rows(request_t *r, json_t *items, size_t n, size_t *odd)
{
    char        *dump;
    json_t      *rows, *row;
    const char  *text;

    rows = json_array();

    for (size_t i = 0; i < n; i++) {
        row = push_row(r, json_array_get(items, i));

        if (row == NULL) {
            (*odd)++;
            continue;
        }

        json_array_append_new(rows, row);
    }

    dump = json_dumps(rows, JSON_COMPACT);
    json_decref(rows);

    if (dump == NULL) {
        abort();
    }

    text = request_printf(r, "%s", dump);
    free(dump);

    return text;
}


int
chat_push_post(request_t *r)
{
    size_t        n, odd;
    json_t       *items;
    const char   *node, *last, *rows;
    db_result_t  *res;

    node = node_text(r, r->body, "node", 64);
    items = json_object_get(r->body, "items");
    n = json_array_size(items);
    odd = 0;

    if (n > PUSH_ITEMS_MAX) {
        return problem_field(r, "items", "are 1000 at most.");
    }

    last = n > 0 ? node_text(r, json_array_get(items, n - 1), "id", 32) : NULL;
    rows = push_rows(r, items, n, &odd);

    if (odd > 0) {
        log_line(LOG_WARN, "chat: %zu of %zu items of node %s make no sense",
            odd, n, node != NULL ? node : "-");
    }

    res = db_run(r->db, &q_chat_push, rows, node);

    if (res == NULL || push_effects(r, res) != 0) {
        return problem_db(r);
    }

    return respond(r, 200, json_pack("{s:s?}", "acknowledged", last));
}
