#include "main/event.h"

#include <stdlib.h>
#include <string.h>

#define TEXT(x)     TEXT_OF(x)
#define TEXT_OF(x)  #x

const event_type_t  event_types[] = {
    { "stream.created", false },
    { "stream.updated", false },
    { "stream.deleted", false },
    { "stream.live", false },
    { "stream.ended", false },
    { "publish.refused", false },
    { "key.created", false },
    { "key.revoked", false },
    { "member.set", false },
    { "member.removed", false },
    { "user.created", true },
    { "user.suspended", true },
    { "user.unsuspended", true },
    { "report.created", true },
    { NULL, false }
};

/*
 * $1 type, $2 stream or NULL, $3 once or NULL, $4 data (JSON).
 *
 * w: who wants to know; f: of these, whether there is no room. A webhook that
 * is full is marked once a minute, so that a flood does not queue for its row.
 */
#define EVENT_WANTED                                                          \
    " FROM webhooks w JOIN users u ON u.id = w.user_id"                       \
    " WHERE $1::text = ANY (w.events) AND w.disabled_at IS NULL"              \
    "  AND u.suspended_at IS NULL"

static const db_query_t  q_event_emit = {
    "event_emit",
    "WITH s AS MATERIALIZED (SELECT s.user_id, jsonb_build_object('id', s.id,"
    "  'title', s.title, 'status', s.status, 'visibility', s.visibility,"
    "  'user', jsonb_build_object('id', u.id::text, 'username', u.username))"
    "  AS json"
    "  FROM streams s JOIN users u ON u.id = s.user_id WHERE s.id = $2),"
    " e AS MATERIALIZED (SELECT"
    "  'evt_' || replace(gen_random_uuid()::text, '-', '') AS id),"
    " w AS (SELECT w.id" EVENT_WANTED
    "  AND w.user_id = (SELECT s.user_id FROM s) AND NOT w.platform"
    "  AND (w.stream_id IS NULL OR w.stream_id = $2)"
    "  UNION ALL SELECT w.id" EVENT_WANTED
    "  AND w.platform AND u.role = 'admin'"
    "  AND ($2::text IS NULL OR EXISTS (SELECT FROM s))),"
    " f AS MATERIALIZED (SELECT w.id, (SELECT count(*) >= "
    TEXT(EVENT_WAITING_MAX) "  FROM (SELECT FROM webhook_deliveries d"
    "   WHERE d.webhook_id = w.id AND d.status = 'pending'"
    "   LIMIT " TEXT(EVENT_WAITING_MAX) ") x) AS full_up FROM w"
    "  WHERE $3::text IS NULL OR NOT EXISTS (SELECT FROM webhook_deliveries d"
    "   WHERE d.webhook_id = w.id AND d.once = left($1 || ' ' || $3, 300)"
    "    AND d.created_at > now() - interval '" TEXT(EVENT_ONCE_S) "s')),"
    " m AS (UPDATE webhooks w SET missed_at = now() FROM f"
    "  WHERE f.full_up AND w.id = f.id AND (w.missed_at IS NULL"
    "   OR w.missed_at < now() - interval '1 minute'))"
    " INSERT INTO webhook_deliveries (webhook_id, event_id, event, once,"
    "  payload)"
    " SELECT f.id, e.id, $1, left($1 || ' ' || $3, 300),"
    "  jsonb_build_object('id', e.id, 'type', $1::text,"
    "  'time', rfc3339(now()), 'data', $4::jsonb || coalesce("
    "   (SELECT jsonb_build_object('stream', s.json) FROM s), '{}'))"
    " FROM f CROSS JOIN e WHERE NOT f.full_up",
    4
};
DB_REGISTER(q_event_emit);


const event_type_t *
event_type_find(const char *type)
{
    const event_type_t  *t;

    for (t = event_types; t->type != NULL; t++) {
        if (strcmp(t->type, type) == 0) {
            return t;
        }
    }

    return NULL;
}


int
event_emit(db_t *db, const char *type, const char *stream, const char *once,
    json_t *data)
{
    char         *text;
    db_result_t  *res;

    if (data == NULL) {
        data = json_object();
    }

    text = json_dumps(data, JSON_COMPACT);
    json_decref(data);

    if (text == NULL) {
        abort();
    }

    res = db_run(db, &q_event_emit, type, stream, once, text);
    free(text);

    return res != NULL ? 0 : -1;
}
