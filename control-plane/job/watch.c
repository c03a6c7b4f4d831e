#include "job/watch.h"

#include <stddef.h>

#include "db/pool.h"
#include "job/job.h"
#include "main/broadcast.h"

#define WATCH_STRING(x)   WATCH_STRING_(x)
#define WATCH_STRING_(x)  #x
#define WATCH_AGO(s)      "now() - interval '" WATCH_STRING(s) "s'"
#define WATCH_BATCH       "500"

static const db_query_t  q_watch_turn = {
    "watch_turn",
    "UPDATE lifecycle_watch SET last_at = now(), quiet_until ="
    " CASE WHEN last_at < " WATCH_AGO(WATCH_GAP_S)
    "  THEN now() + interval '" WATCH_STRING(WATCH_QUIET_S) "s'"
    "  ELSE quiet_until END RETURNING quiet_until > now()",
    0
};
DB_REGISTER(q_watch_turn);

/* A row that a heartbeat or a request holds is not silent. */
static const db_query_t  q_watch_silent = {
    "watch_silent",
    "SELECT l.broadcast_id, coalesce(n.last_seen_at < "
    WATCH_AGO(WATCH_SILENT_S) ", true)"
    " FROM live_streams l LEFT JOIN nodes n ON n.id = l.node_id"
    " WHERE l.last_seen_at < " WATCH_AGO(WATCH_SILENT_S)
    " ORDER BY l.last_seen_at LIMIT " WATCH_BATCH
    " FOR UPDATE OF l SKIP LOCKED",
    0
};
DB_REGISTER(q_watch_silent);

static const db_query_t  q_watch_waiting = {
    "watch_waiting",
    "SELECT id FROM broadcasts WHERE ended_at IS NULL AND started_at IS NULL"
    " AND opened_at < " WATCH_AGO(WATCH_MEDIA_S)
    " AND last_seen_at < " WATCH_AGO(WATCH_MEDIA_S)
    " ORDER BY opened_at LIMIT " WATCH_BATCH " FOR UPDATE SKIP LOCKED",
    0
};
DB_REGISTER(q_watch_waiting);


static int
watch_silent(db_t *db)
{
    int           i;
    db_result_t  *res;

    res = db_run(db, &q_watch_silent);

    if (res == NULL) {
        return -1;
    }

    for (i = 0; i < db_rows(res); i++) {
        if (broadcast_end(db, db_text(res, i, 0), db_bool(res, i, 1)
                ? BROADCAST_WHY_NODE_LOST : BROADCAST_WHY_LOST) != 0)
        {
            return -1;
        }
    }

    return 0;
}


static int
watch_waiting(db_t *db)
{
    int           i;
    db_result_t  *res;

    res = db_run(db, &q_watch_waiting);

    if (res == NULL) {
        return -1;
    }

    for (i = 0; i < db_rows(res); i++) {
        if (broadcast_end(db, db_text(res, i, 0), BROADCAST_WHY_NO_MEDIA) != 0)
        {
            return -1;
        }
    }

    return 0;
}


static int
watch_job(struct app_s *app, db_t *db)
{
    bool          quiet;
    db_result_t  *res;

    res = db_run(db, &q_watch_turn);

    if (res == NULL || db_rows(res) != 1) {
        return -1;
    }

    quiet = db_bool(res, 0, 0);
    db_free(res);

    if (quiet) {
        return 0;
    }

    if (db_begin(db) != 0) {
        return -1;
    }

    if (watch_silent(db) != 0 || watch_waiting(db) != 0) {
        db_rollback(db);
        return -1;
    }

    return db_commit(db);
}


void
watch_jobs(struct app_s *app)
{
    job_every(app, "lifecycle_watch", 2, watch_job);
}
