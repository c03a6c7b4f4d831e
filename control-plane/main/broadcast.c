#include "main/broadcast.h"

#include <string.h>

#include "main/event.h"

/* $1 broadcast, $2 why or NULL. The row of live_streams is locked first, as
 * everywhere. */
static const db_query_t  q_broadcast_end = {
    "broadcast_end",
    "WITH gone AS (DELETE FROM live_streams"
    "  WHERE broadcast_id = $1::bigint"
    "  RETURNING broadcast_id, stats, last_seen_at, viewers),"
    " done AS (UPDATE broadcasts b SET ended_at = now(),"
    "  ended_why = coalesce($2, b.stop_reason, 'encoder stopped'),"
    "  media = coalesce((SELECT g.stats -> 'tracks' FROM gone g), b.media),"
    "  last_seen_at = coalesce((SELECT g.last_seen_at FROM gone g),"
    "                          b.last_seen_at)"
    "  WHERE b.id = $1::bigint AND b.ended_at IS NULL"
    "  RETURNING b.stream_id, b.started_at)"
    " UPDATE streams s SET status = CASE WHEN s.scheduled_at > now()"
    "   THEN 'scheduled' ELSE 'ended' END, end_time = now(),"
    "  version = s.version + 1 FROM done"
    " WHERE s.id = done.stream_id AND s.status = 'live' RETURNING s.id",
    2
};
DB_REGISTER(q_broadcast_end);

/*
 * $1 broadcast, $2 node, $3 epoch, $4 session, $5 state, $6 since, $7 viewers,
 * $8 the node's entry
 */
static const db_query_t  q_broadcast_live = {
    "broadcast_live",
    "WITH b AS (UPDATE broadcasts SET node_id = $2, epoch = $3::bigint,"
    "  started_at = coalesce(started_at,"
    "   least(to_timestamp($6::bigint), now()), now()),"
    "  ended_at = NULL, ended_why = NULL, last_seen_at = now(),"
    "  peak_viewers = greatest(peak_viewers, $7::int)"
    "  WHERE id = $1::bigint RETURNING id, stream_id, started_at),"
    " l AS (INSERT INTO live_streams (stream_id, broadcast_id, node_id,"
    "   session, epoch, state, viewers, started_at, stats)"
    "  SELECT stream_id, id, $2, $4, $3::bigint, $5, $7::int, started_at,"
    "   $8::jsonb FROM b"
    "  ON CONFLICT (stream_id) DO UPDATE"
    "  SET broadcast_id = excluded.broadcast_id,"
    "   node_id = excluded.node_id, session = excluded.session,"
    "   epoch = excluded.epoch, state = excluded.state,"
    "   viewers = excluded.viewers, started_at = excluded.started_at,"
    "   last_seen_at = now(), stats = excluded.stats)"
    " UPDATE streams s SET status = 'live', start_time = b.started_at,"
    "  end_time = NULL, armed_at = coalesce(s.armed_at, now()),"
    "  version = s.version + 1"
    " FROM b JOIN streams o ON o.id = b.stream_id"
    " WHERE s.id = b.stream_id AND (s.status <> 'live'"
    "  OR s.start_time IS DISTINCT FROM b.started_at)"
    " RETURNING s.id, o.status <> 'live'",
    8
};
DB_REGISTER(q_broadcast_live);

/* $1 stream, $2 node, $3 epoch, $4 the node's entry. */
static const db_query_t  q_broadcast_open = {
    "broadcast_open",
    "INSERT INTO broadcasts (stream_id, user_id, title, node_id, epoch,"
    " protocol, encoder)"
    " SELECT s.id, s.user_id, s.title, $2, $3::bigint,"
    " left($4::jsonb ->> 'protocol', 16), left($4::jsonb ->> 'encoder', 200)"
    " FROM streams s WHERE s.id = $1"
    " ON CONFLICT (stream_id) WHERE ended_at IS NULL"
    " DO UPDATE SET last_seen_at = now() RETURNING id",
    4
};
DB_REGISTER(q_broadcast_open);

/* What webhooks are told of one. */
static const db_query_t  q_broadcast_event = {
    "broadcast_event",
    "SELECT json_build_object('broadcast', json_build_object("
    " 'id', b.id::text, 'started_at', rfc3339(b.started_at),"
    " 'ended_at', rfc3339(b.ended_at), 'ended_why', b.ended_why,"
    " 'peak_viewers', b.peak_viewers))"
    " FROM broadcasts b WHERE b.id = $1::bigint",
    1
};
DB_REGISTER(q_broadcast_event);


static bool
broadcast_why_in(const char *why, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (strcmp(why, *list) == 0) {
            return true;
        }
    }

    return false;
}


bool
broadcast_why_is_order(const char *why)
{
    static const char *const  list[] = {
        BROADCAST_WHY_STOPPED, BROADCAST_WHY_KICKED, BROADCAST_WHY_DELETED,
        BROADCAST_WHY_SUSPENDED, BROADCAST_WHY_REVOKED, BROADCAST_WHY_MOVED,
        NULL
    };

    return broadcast_why_in(why, list);
}


bool
broadcast_why_is_silence(const char *why)
{
    static const char *const  list[] = {
        BROADCAST_WHY_NODE_LOST, BROADCAST_WHY_LOST, BROADCAST_WHY_NO_MEDIA,
        NULL
    };

    return broadcast_why_in(why, list);
}


static int
broadcast_event(db_t *db, const char *type, const char *stream,
    const char *broadcast)
{
    db_result_t  *res;

    res = db_run(db, &q_broadcast_event, broadcast);

    if (res == NULL) {
        return -1;
    }

    return event_emit(db, type, stream, NULL,
        json_loads(db_text(res, 0, 0), 0, NULL));
}


int
broadcast_end(db_t *db, const char *broadcast, const char *why)
{
    db_result_t  *res;

    res = db_run(db, &q_broadcast_end, broadcast, why);

    if (res == NULL) {
        return -1;
    }

    /* one that never was live ends silently */

    return db_rows(res) == 0 ? 0
           : broadcast_event(db, "stream.ended", db_text(res, 0, 0),
                 broadcast);
}


int
broadcast_live(db_t *db, const char *broadcast,
    const broadcast_report_t *report)
{
    db_result_t  *res;

    res = db_run(db, &q_broadcast_live, broadcast, report->node,
        report->epoch, report->session, report->state, report->since,
        report->viewers, report->stats);

    if (res == NULL) {
        return -1;
    }

    return db_rows(res) == 0 || !db_bool(res, 0, 1) ? 0
           : broadcast_event(db, "stream.live", db_text(res, 0, 0),
                 broadcast);
}


const char *
broadcast_open(db_t *db, const broadcast_report_t *report)
{
    db_result_t  *res;

    res = db_run(db, &q_broadcast_open, report->stream, report->node,
        report->epoch, report->stats);

    return res != NULL && db_rows(res) == 1 ? db_text(res, 0, 0) : NULL;
}
