#include "handler/tokens.h"

#include <string.h>

#include "handler/stream_access.h"
#include "handler/stream_json.h"

/* What viewers begin to notice. */
#define STATS_GOP_MS     4000
#define STATS_SKEW_MS    200
#define STATS_SILENT_S   "5"

static const db_query_t  q_stream_stats = {
    "stream_stats",
    "SELECT json_build_object('status', s.status, 'live',"
    " CASE WHEN l.stream_id IS NOT NULL THEN json_build_object("
    "  'broadcast', l.broadcast_id::text, 'node', l.node_id,"
    "  'state', l.state, 'started_at', " SQL_TIME("l.started_at") ","
    "  'updated_at', " SQL_TIME("l.last_seen_at") ","
    "  'stale', l.last_seen_at < now() - interval '" STATS_SILENT_S "s',"
    "  'viewers', l.viewers, 'peak_viewers', b.peak_viewers,"
    "  'views', b.views, 'bitrate', l.stats -> 'bitrate',"
    "  'fps', l.stats -> 'fps', 'gop_ms', l.stats -> 'gop_ms',"
    "  'skew_ms', l.stats -> 'skew_ms',"
    "  'publisher', json_build_object('protocol', l.stats -> 'protocol',"
    "   'encoder', l.stats -> 'encoder', 'addr', l.stats -> 'addr'),"
    "  'tracks', l.stats -> 'tracks') END)"
    " FROM streams s LEFT JOIN live_streams l ON l.stream_id = s.id"
    " LEFT JOIN broadcasts b ON b.id = l.broadcast_id WHERE s.id = $1",
    1
};
DB_REGISTER(q_stream_stats);


static void
stats_problem(json_t *list, const char *type, const char *detail)
{
    json_array_append_new(list, json_pack("{s:s,s:s}", "type", type,
        "detail", detail));
}


static bool
stats_has(json_t *tracks, const char *type)
{
    size_t       i;
    const char  *have;

    for (i = 0; i < json_array_size(tracks); i++) {
        have = json_string_value(json_object_get(json_array_get(tracks, i),
            "type"));

        if (have != NULL && strcmp(have, type) == 0) {
            return true;
        }
    }

    return false;
}


static int64_t
stats_int(json_t *live, const char *name)
{
    return (int64_t) json_number_value(json_object_get(live, name));
}


/* Sentences for the broadcaster, the worst first. */
static json_t *
stats_health(request_t *r, json_t *live, const char *settings)
{
    bool         bad;
    json_t      *list, *doc;
    int64_t      max, skew;
    const char  *state;

    list = json_array();
    state = json_string_value(json_object_get(live, "state"));
    skew = stats_int(live, "skew_ms");

    bad = state != NULL && strcmp(state, "filling") == 0;

    if (bad) {
        stats_problem(list, "interrupted", "No media comes: viewers see a "
                      "still picture. The encoder may reconnect.");
    }

    if (json_is_true(json_object_get(live, "stale"))) {
        bad = true;
        stats_problem(list, "stale", "The node has not reported for a few "
                      "seconds.");
    }

    if (!stats_has(json_object_get(live, "tracks"), "audio")) {
        stats_problem(list, "no-audio", "There is no sound.");
    }

    if (!stats_has(json_object_get(live, "tracks"), "video")) {
        stats_problem(list, "no-video", "There is no picture.");
    }

    if (stats_int(live, "gop_ms") > STATS_GOP_MS) {
        stats_problem(list, "long-gop", "Key frames are far apart: set the "
                      "key frame interval to 2 s.");
    }

    if (skew > STATS_SKEW_MS || skew < -STATS_SKEW_MS) {
        stats_problem(list, "skew", "Sound and picture are apart.");
    }

    doc = json_loads(settings, 0, NULL);
    max = stats_int(doc, "max_bitrate");
    json_decref(doc);

    if (max > 0 && stats_int(live, "bitrate") > max) {
        stats_problem(list, "bitrate", request_printf(r,
            "The bit rate is above the stream's limit of %lld bit/s.",
            (long long) max));
    }

    return json_pack("{s:s,s:o}", "state", bad ? "bad"
        : json_array_size(list) > 0 ? "warning" : "good", "problems", list);
}


/* For who runs the stream: its team from moderators up, platform staff. */
int
stream_stats_get(request_t *r)
{
    int           rc;
    json_t       *answer, *live;
    stream_t      stream;
    db_result_t  *res;

    rc = stream_open(r, STREAM_SEE, &stream);

    if (rc != 0) {
        return rc;
    }

    if (stream.rank < RANK_MODERATOR && r->caller.role < ROLE_MODERATOR) {
        return problem(r, 403, "forbidden",
            "Your role in this stream does not allow that.");
    }

    res = db_run(r->db, &q_stream_stats, stream.id);

    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem_no_stream(r);
    }

    answer = json_loads(db_text(res, 0, 0), 0, NULL);
    live = json_object_get(answer, "live");

    if (json_is_object(live)) {
        json_object_set_new(live, "health",
            stats_health(r, live, stream.settings));

        /* where the broadcaster sits is nothing for moderators */

        if (stream.rank < RANK_CO_HOST && r->caller.role < ROLE_MODERATOR) {
            json_object_del(json_object_get(live, "publisher"), "addr");
        }

        json_object_del(live, "stale");
    }

    return respond(r, 200, answer);
}
