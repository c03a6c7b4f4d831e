#include "handler/internal.h"

#include <string.h>

#include "handler/node_json.h"
#include "main/event.h"
#include "main/log.h"

/* More are left for the next report: they are sent again. */
#define EVENTS_MAX  1000

/*
 * $1 stream, $2 node, $3 the event's broadcast or NULL, $4 its time: the
 * broadcast that it is about. The node may know it by an older number (a
 * decision that it remembered), then it is the open one on that node which was
 * open at that time.
 */
static const db_query_t  q_event_broadcast = {
    "event_broadcast",
    "SELECT b.id, b.ended_at IS NULL AND b.node_id = $2,"
    " b.started_at IS NULL"
    " FROM broadcasts b WHERE b.stream_id = $1 AND (b.id = $3::bigint"
    "  OR (b.ended_at IS NULL AND b.node_id = $2"
    "   AND b.opened_at <= to_timestamp($4::bigint) + interval '1s'))"
    " ORDER BY b.ended_at IS NULL AND b.id = $3::bigint DESC NULLS LAST,"
    " b.ended_at IS NULL DESC LIMIT 1",
    4
};
DB_REGISTER(q_event_broadcast);

static const db_query_t  q_event_started = {
    "event_started",
    "UPDATE broadcasts SET stop_reason = NULL"
    " WHERE id = $1::bigint AND stop_reason IS NOT NULL",
    1
};
DB_REGISTER(q_event_started);

static const db_query_t  q_event_stopped = {
    "event_stopped",
    "UPDATE broadcasts SET bytes = bytes + $2::bigint,"
    " frames = frames + $3::bigint, stop_reason = coalesce($4, stop_reason),"
    " protocol = coalesce(protocol, $5)"
    " WHERE id = $1::bigint",
    5
};
DB_REGISTER(q_event_stopped);

typedef struct {
    const char  *type;
    const char  *stream;
    const char  *reason;        /* or NULL */
    const char  *id;            /* of the broadcast that it is about */
    bool         open;          /* and that is open on this node */
    bool         waiting;       /* without any media yet */
} node_event_t;


static int
node_event_stopped(request_t *r, json_t *json, const node_event_t *event)
{
    const char   *bytes, *frames;
    db_result_t  *res;

    bytes = node_number(r, node_int(json, "bytes", 0, INT64_MAX / 1024, 0));
    frames = node_number(r, node_int(json, "frames", 0, INT64_MAX / 1024, 0));

    res = db_run(r->db, &q_event_stopped, event->id, bytes, frames,
        event->reason, node_text(r, json, "protocol", 16));

    if (res == NULL) {
        return -1;
    }

    /* nothing to wait for: no seam to hide, no reader */

    return event->open && event->waiting
           ? broadcast_end(r->db, event->id, BROADCAST_WHY_NO_MEDIA) : 0;
}


static int
node_event_apply(request_t *r, json_t *json, const node_event_t *event)
{
    if (strcmp(event->type, "publish.start") == 0) {
        return db_run(r->db, &q_event_started, event->id) != NULL ? 0 : -1;
    }

    if (strcmp(event->type, "publish.stop") == 0) {
        return node_event_stopped(r, json, event);
    }

    if (strcmp(event->type, "stream.ended") == 0 && event->open) {
        return broadcast_end(r->db, event->id, event->reason);
    }

    return 0;
}


static int
node_event_refused(request_t *r, json_t *json, const node_event_t *event)
{
    return event_emit(r->db, event->type, event->stream,
        request_printf(r, "%s %s", event->stream,
            event->reason != NULL ? event->reason : ""),
        json_pack("{s:s,s:s?,s:s?}", "why", "node", "reason", event->reason,
            "protocol", node_text(r, json, "protocol", 16)));
}


static void
node_event_log(const char *node, int64_t id, const node_event_t *event)
{
    log_json(LOG_INFO, json_pack("{s:s,s:s,s:I,s:s,s:s*,s:s*,s:s*}",
        "message", "node event", "node", node, "event", (json_int_t) id,
        "type", event->type, "stream", event->stream,
        "broadcast", event->id, "reason", event->reason));
}


static int
node_event(request_t *r, const char *node, int64_t id, json_t *json)
{
    const char    *time;
    db_result_t   *res;
    node_event_t   event;

    memset(&event, 0, sizeof(event));

    event.type = node_text(r, json, "type", 32);
    event.stream = node_stream_id(r, json, "stream");
    event.reason = node_text(r, json, "reason", 200);

    if (event.type == NULL) {
        return 0;
    }

    if (event.stream != NULL && strcmp(event.type, "publish.refused") != 0) {
        time = node_number(r, node_int(json, "time", 0, UINT32_MAX, r->now));
        res = db_run(r->db, &q_event_broadcast, event.stream, node,
            node_id(r, json, "broadcast"), time);

        if (res == NULL) {
            return -1;
        }

        if (db_rows(res) == 1) {
            event.id = db_text(res, 0, 0);
            event.open = db_bool(res, 0, 1);
            event.waiting = db_bool(res, 0, 2);
        }
    }

    node_event_log(node, id, &event);

    /* what the node decided by itself: our own refusals it does not report */

    if (event.stream != NULL && strcmp(event.type, "publish.refused") == 0) {
        return node_event_refused(r, json, &event);
    }

    return event.id != NULL ? node_event_apply(r, json, &event) : 0;
}


int
node_events(request_t *r, const char *node, json_t *events, int64_t *last)
{
    size_t    i, done;
    int64_t   id;
    json_t   *json;

    done = 0;

    for (i = 0; i < json_array_size(events); i++) {
        json = json_array_get(events, i);
        id = node_int(json, "id", 0, INT64_MAX, 0);

        if (id <= *last) {
            continue;
        }

        if (done++ == EVENTS_MAX) {
            break;
        }

        if (node_event(r, node, id, json) != 0) {
            return -1;
        }

        *last = id;
    }

    return 0;
}
