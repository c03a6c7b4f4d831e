#include "handler/internal.h"

#include <string.h>

/*
 * A node's report may be late (a newer one was read before), so a stream that
 * the node itself ended is not believed to live again at once, but when the
 * node still says so after this time. It is longer than one heartbeat, and
 * shorter than two.
 */
#define FOLLOW_LATE  "interval '3s'"

/*
 * $1 stream, $2 the broadcast that the node knows or NULL, $3 node, $4 epoch.
 * The found one: that broadcast, unless it ended with another epoch of the
 * stream (then the node remembered an old decision); or the one that was
 * opened for this epoch.
 */
static const db_query_t  q_follow_facts = {
    "follow_facts",
    "SELECT (s.status = 'ended' AND s.armed_at IS NULL)"
    "  OR u.suspended_at IS NOT NULL,"
    " f.id, f.ended_at IS NULL, f.node_id = $3,"
    " f.ended_at < now() - " FOLLOW_LATE ", f.ended_why,"
    " o.id, o.node_id = $3, o.epoch IS NULL"
    " FROM streams s JOIN users u ON u.id = s.user_id"
    " LEFT JOIN broadcasts o ON o.stream_id = s.id AND o.ended_at IS NULL"
    " LEFT JOIN LATERAL (SELECT b.* FROM broadcasts b"
    "  WHERE b.stream_id = s.id AND ((b.id = $2::bigint"
    "    AND (b.ended_at IS NULL OR b.epoch IS NULL OR b.epoch = $4::bigint))"
    "   OR (b.node_id = $3 AND b.epoch = $4::bigint))"
    "  ORDER BY b.id = $2::bigint DESC, b.id DESC LIMIT 1) f ON true"
    " WHERE s.id = $1 FOR NO KEY UPDATE OF s",
    4
};
DB_REGISTER(q_follow_facts);

/* The order of locks: live_streams, broadcasts, streams. */
static const db_query_t  q_follow_lock = {
    "follow_lock",
    "SELECT 1 FROM live_streams WHERE stream_id = $1 FOR UPDATE",
    1
};
DB_REGISTER(q_follow_lock);

/* $1 node, $2 stream, $3 reason: unless one is under way. */
static const db_query_t  q_follow_kick = {
    "follow_kick",
    "INSERT INTO node_commands (node_id, type, stream_id, reason)"
    " SELECT $1, 'kick', $2, $3 WHERE NOT EXISTS (SELECT 1"
    "  FROM node_commands c WHERE c.node_id = $1 AND c.type = 'kick'"
    "  AND c.stream_id = $2 AND c.done_at IS NULL AND c.expires_at > now())",
    3
};
DB_REGISTER(q_follow_kick);


static follow_e
follow_decide_found(const follow_facts_t *f)
{
    if (f->found_open) {
        if (!f->found_here) {
            return FOLLOW_KICK;             /* continued on another node */
        }

        return f->media ? FOLLOW_LIVE : FOLLOW_NOTHING;
    }

    if (broadcast_why_is_order(f->found_why)) {
        return FOLLOW_KICK;
    }

    if (!f->media) {
        return FOLLOW_NOTHING;
    }

    if (f->open != NULL) {
        return f->open_here ? FOLLOW_NOTHING : FOLLOW_KICK;
    }

    if (broadcast_why_is_silence(f->found_why) || f->found_old) {
        return FOLLOW_LIVE;
    }

    return FOLLOW_NOTHING;                  /* a late report */
}


follow_e
follow_decide(const follow_facts_t *f)
{
    if (!f->exists) {
        /* a stream that was deleted; others are none of ours */
        return f->reported && !f->ended ? FOLLOW_KICK : FOLLOW_NOTHING;
    }

    if (f->ended) {
        return f->found != NULL && f->found_open && f->found_here
               ? FOLLOW_END : FOLLOW_NOTHING;
    }

    if (f->found != NULL) {
        return follow_decide_found(f);
    }

    if (f->barred) {
        return FOLLOW_KICK;
    }

    if (f->open != NULL && !f->open_here) {
        return FOLLOW_KICK;
    }

    if (!f->media) {
        return FOLLOW_NOTHING;
    }

    return f->open != NULL && f->open_fresh ? FOLLOW_LIVE : FOLLOW_OPEN;
}


static int
follow_facts(request_t *r, const broadcast_report_t *report,
    follow_facts_t *f)
{
    db_result_t  *res;

    memset(f, 0, sizeof(*f));

    f->reported = report->broadcast != NULL;
    f->ended = strcmp(report->state, "ended") == 0;
    f->media = strcmp(report->state, "live") == 0
               || strcmp(report->state, "filling") == 0;
    f->found_why = "";

    res = db_run(r->db, &q_follow_facts, report->stream, report->broadcast,
        report->node, report->epoch);

    if (res == NULL) {
        return -1;
    }

    if (db_rows(res) == 0) {
        return 0;
    }

    f->exists = true;
    f->barred = db_bool(res, 0, 0);

    if (!db_null(res, 0, 1)) {
        f->found = db_text(res, 0, 1);
        f->found_open = db_bool(res, 0, 2);
        f->found_here = db_bool(res, 0, 3);
        f->found_old = db_bool(res, 0, 4);
        f->found_why = db_text(res, 0, 5);
    }

    if (!db_null(res, 0, 6)) {
        f->open = db_text(res, 0, 6);
        f->open_here = db_bool(res, 0, 7);
        f->open_fresh = db_bool(res, 0, 8);
    }

    return 0;
}


/* What the encoder is told. */
static const char *
follow_sentence(const follow_facts_t *f)
{
    size_t  i;

    static const struct {
        const char  *why;
        const char  *sentence;
    } sentences[] = {
        { BROADCAST_WHY_STOPPED, "The broadcast was stopped." },
        { BROADCAST_WHY_KICKED, "The broadcast was ended by a moderator." },
        { BROADCAST_WHY_SUSPENDED, "The account is suspended." },
        { BROADCAST_WHY_REVOKED, "The stream key was revoked." },
        { BROADCAST_WHY_MOVED, "The broadcast continues on another node." },
    };

    if (!f->exists) {
        return "The stream was deleted.";
    }

    for (i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
        if (strcmp(f->found_why, sentences[i].why) == 0) {
            return sentences[i].sentence;
        }
    }

    if (f->barred) {
        return "This stream may not be live now.";
    }

    return "The broadcast continues on another node.";
}


static int
follow_open(request_t *r, const broadcast_report_t *report,
    const follow_facts_t *f)
{
    const char  *id;

    if (f->open != NULL
        && broadcast_end(r->db, f->open, BROADCAST_WHY_LOST) != 0)
    {
        return -1;
    }

    id = broadcast_open(r->db, report);

    return id != NULL ? broadcast_live(r->db, id, report) : -1;
}


int
follow_stream(request_t *r, const broadcast_report_t *report)
{
    follow_facts_t  f;

    if (db_run(r->db, &q_follow_lock, report->stream) == NULL
        || follow_facts(r, report, &f) != 0)
    {
        return -1;
    }

    switch (follow_decide(&f)) {

    case FOLLOW_NOTHING:
        return 0;

    case FOLLOW_KICK:
        return db_run(r->db, &q_follow_kick, report->node, report->stream,
                      follow_sentence(&f)) != NULL ? 0 : -1;

    case FOLLOW_LIVE:
        return broadcast_live(r->db, f.found != NULL ? f.found : f.open,
            report);

    case FOLLOW_END:
        return broadcast_end(r->db, f.found, NULL);

    case FOLLOW_OPEN:
        return follow_open(r, report, &f);
    }

    return 0;
}
