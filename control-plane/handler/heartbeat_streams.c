#include "handler/heartbeat.h"

#include <stdlib.h>
#include <string.h>

#include "handler/internal.h"
#include "handler/node_json.h"

#define HEARTBEAT_STREAMS_MAX  4096
#define HEARTBEAT_TRACKS_MAX   32

/* Streams that come or go with one report: it is to be answered in 2 s. What
 * is left comes with the next. */
#define HEARTBEAT_NEWS         "500"

/* The streams of a report as rows. */
#define HEARTBEAT_STREAMS                                                     \
    "jsonb_to_recordset($2::jsonb) AS e(n int, id text, epoch bigint,"        \
    " state text, viewers int, session text, stats jsonb)"

/* Those that the database does not know as they are. $1 node, $2 streams. */
static const db_query_t  q_heartbeat_news = {
    "heartbeat_news",
    "SELECT e.n FROM " HEARTBEAT_STREAMS
    " LEFT JOIN live_streams l ON l.stream_id = e.id AND l.node_id = $1"
    "  AND l.epoch = e.epoch"
    " WHERE (l.stream_id IS NULL) = (e.state <> 'ended')"
    " ORDER BY e.state = 'waiting', e.id LIMIT " HEARTBEAT_NEWS,
    2
};
DB_REGISTER(q_heartbeat_news);

/* And the others. One that has moved here and waits for its media is alive for
 * a while; the last sign of its broadcast is then that it was allowed here. */
static const db_query_t  q_heartbeat_live = {
    "heartbeat_live",
    "WITH l AS (UPDATE live_streams l SET last_seen_at = now(),"
    "  state = CASE WHEN e.state = 'waiting' THEN l.state ELSE e.state END,"
    "  viewers = e.viewers, session = e.session, stats = e.stats"
    "  FROM " HEARTBEAT_STREAMS
    "  WHERE l.stream_id = e.id AND l.node_id = $1 AND e.state <> 'ended'"
    "   AND (l.epoch = e.epoch OR (l.epoch IS NULL AND e.state = 'waiting'"
    "    AND (SELECT b.last_seen_at FROM broadcasts b"
    "     WHERE b.id = l.broadcast_id) > now() - interval '10s'))"
    "  RETURNING l.broadcast_id, l.viewers)"
    " UPDATE broadcasts b SET peak_viewers = l.viewers FROM l"
    " WHERE b.id = l.broadcast_id AND b.peak_viewers < l.viewers",
    2
};
DB_REGISTER(q_heartbeat_live);

/* What is on this node by the database, but not by two of its reports. */
static const db_query_t  q_heartbeat_absent = {
    "heartbeat_absent",
    "SELECT broadcast_id FROM live_streams WHERE node_id = $1"
    " AND last_seen_at < now() - interval '3s'",
    1
};
DB_REGISTER(q_heartbeat_absent);


static void
heartbeat_copy(request_t *r, json_t *to, json_t *from, const char *name,
    size_t max)
{
    const char  *text;

    text = node_text(r, from, name, max);

    if (text != NULL) {
        json_object_set_new(to, name, json_string(text));
    }
}


static json_t *
heartbeat_track(request_t *r, json_t *track)
{
    json_t  *to;

    to = json_object();

    heartbeat_copy(r, to, track, "name", 16);
    heartbeat_copy(r, to, track, "type", 16);
    heartbeat_copy(r, to, track, "codec", 64);

    if (json_object_get(track, "width") != NULL) {
        json_object_set_new(to, "width",
            json_integer(node_int(track, "width", 0, 65535, 0)));
        json_object_set_new(to, "height",
            json_integer(node_int(track, "height", 0, 65535, 0)));
    }

    if (json_is_number(json_object_get(track, "fps"))) {
        json_object_set_new(to, "fps",
            json_real(node_real(track, "fps", 0, 1000)));
    }

    json_object_set_new(to, "bitrate",
        json_integer(node_int(track, "bitrate", 0, INT32_MAX, 0)));

    return to;
}


/* What is kept of a stream's entry: bounded, whatever the encoder said. */
static json_t *
heartbeat_stats(request_t *r, json_t *entry)
{
    size_t   i;
    json_t  *to, *list, *tracks;

    to = json_object();
    list = json_array();

    heartbeat_copy(r, to, entry, "session", 64);
    heartbeat_copy(r, to, entry, "protocol", 16);
    heartbeat_copy(r, to, entry, "addr", 64);
    heartbeat_copy(r, to, entry, "encoder", 200);

    json_object_set_new(to, "since",
        json_integer(node_int(entry, "since", 0, UINT32_MAX, r->now)));
    json_object_set_new(to, "bitrate",
        json_integer(node_int(entry, "bitrate", 0, INT32_MAX, 0)));
    json_object_set_new(to, "fps",
        json_real(node_real(entry, "fps", 0, 1000)));
    json_object_set_new(to, "gop_ms",
        json_integer(node_int(entry, "gop_ms", 0, 600000, 0)));
    json_object_set_new(to, "skew_ms",
        json_integer(node_int(entry, "skew_ms", -600000, 600000, 0)));

    tracks = json_object_get(entry, "tracks");

    for (i = 0; i < json_array_size(tracks) && i < HEARTBEAT_TRACKS_MAX; i++) {
        json_array_append_new(list,
            heartbeat_track(r, json_array_get(tracks, i)));
    }

    json_object_set_new(to, "tracks", list);

    return to;
}


/* One row, or NULL for an entry without an id. */
static json_t *
heartbeat_row(request_t *r, json_t *entry, size_t n)
{
    size_t       tracks;
    json_t      *stats;
    int64_t      viewers;
    const char  *id, *state, *session;

    id = node_stream_id(r, entry, "id");
    state = node_text(r, entry, "state", 16);

    if (id == NULL || state == NULL) {
        return NULL;
    }

    stats = heartbeat_stats(r, entry);
    tracks = json_array_size(json_object_get(stats, "tracks"));
    session = json_string_value(json_object_get(stats, "session"));
    viewers = node_int(entry, "viewers", 0, INT32_MAX, 0);

    if (strcmp(state, "ended") != 0) {
        state = tracks == 0 ? "waiting"
                : strcmp(state, "live") == 0 ? "live" : "filling";
    }

    return json_pack("{s:i,s:s,s:I,s:s,s:I,s:s*,s:o}", "n", (int) n, "id", id,
        "epoch", (json_int_t) node_int(entry, "epoch", 0, INT64_MAX, 0),
        "state", state, "viewers", (json_int_t) viewers,
        "session", session, "stats", stats);
}


void
heartbeat_rows(request_t *r, heartbeat_t *hb)
{
    char        *text;
    size_t       i;
    json_t      *rows, *row;
    const char  *state;

    rows = json_array();

    for (i = 0; i < json_array_size(hb->streams); i++) {
        if (i == HEARTBEAT_STREAMS_MAX) {
            break;
        }

        row = heartbeat_row(r, json_array_get(hb->streams, i), i);

        if (row == NULL) {
            continue;
        }

        state = json_string_value(json_object_get(row, "state"));
        hb->publishers += strcmp(state, "live") == 0;
        hb->viewers += node_int(row, "viewers", 0, INT32_MAX, 0);
        json_array_append_new(rows, row);
    }

    text = json_dumps(rows, JSON_COMPACT);
    hb->rows = request_printf(r, "%s", text != NULL ? text : "[]");
    hb->nrows = json_array_size(rows);

    free(text);
    json_decref(rows);
}


/* One that is not as the database has it. */
static int
heartbeat_follow(request_t *r, heartbeat_t *hb, int64_t n)
{
    char                *text;
    json_t              *entry, *row, *stats;
    broadcast_report_t   report;

    entry = json_array_get(hb->streams, (size_t) n);
    row = heartbeat_row(r, entry, (size_t) n);

    if (row == NULL) {
        return 0;
    }

    stats = json_object_get(row, "stats");
    text = json_dumps(stats, JSON_COMPACT);

    report.node = hb->node;
    report.stream = node_stream_id(r, entry, "id");
    report.broadcast = node_id(r, entry, "broadcast");
    report.epoch = node_number(r, node_int(row, "epoch", 0, INT64_MAX, 0));
    report.session = node_text(r, stats, "session", 64);
    report.state = node_text(r, row, "state", 16);
    report.since = node_number(r, node_int(stats, "since", 0, UINT32_MAX, 0));
    report.viewers = node_number(r, node_int(row, "viewers", 0, INT32_MAX, 0));
    report.stats = request_printf(r, "%s", text != NULL ? text : "{}");

    free(text);
    json_decref(row);

    return follow_stream(r, &report);
}


static int
heartbeat_absent(request_t *r, heartbeat_t *hb)
{
    int           i;
    db_result_t  *res;

    res = db_run(r->db, &q_heartbeat_absent, hb->node);

    if (res == NULL) {
        return -1;
    }

    for (i = 0; i < db_rows(res); i++) {
        if (broadcast_end(r->db, db_text(res, i, 0), BROADCAST_WHY_LOST) != 0)
        {
            return -1;
        }
    }

    return 0;
}


/*
 * The rows of live_streams are locked before those of streams, as by everybody
 * who ends a broadcast.
 */
int
heartbeat_streams(request_t *r, heartbeat_t *hb)
{
    int           i;
    db_result_t  *res;

    if (hb->nrows > 0) {
        if (db_run(r->db, &q_heartbeat_live, hb->node, hb->rows) == NULL) {
            return -1;
        }

        res = db_run(r->db, &q_heartbeat_news, hb->node, hb->rows);

        if (res == NULL) {
            return -1;
        }

        for (i = 0; i < db_rows(res); i++) {
            if (heartbeat_follow(r, hb, db_int(res, i, 0)) != 0) {
                return -1;
            }
        }
    }

    return heartbeat_absent(r, hb);
}
