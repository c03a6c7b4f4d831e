#include "job/chat.h"

#include <stdio.h>

#include "db/pool.h"
#include "job/job.h"
#include "main/app.h"

#define CHAT_AHEAD_DAYS  "7"
#define CHAT_BATCH       "20000"

static const db_query_t  q_chat_ahead = {
    "chat_ahead", "SELECT chat_partitions($1::int)", 1
};
DB_REGISTER(q_chat_ahead);

/* Whole days that no stream keeps; $1: seconds. */
static const db_query_t  q_chat_old = {
    "chat_old",
    "SELECT chat_forget(greatest(make_interval(secs => $1::bigint),"
    " (SELECT max(c.keep_days) FROM chat_rooms c"
    "  WHERE c.keep_days IS NOT NULL) * interval '1 day'))",
    1
};
DB_REGISTER(q_chat_old);

static const db_query_t  q_chat_retain = {
    "chat_retain",
    "SELECT chat_retain(make_interval(secs => $1::bigint), " CHAT_BATCH ")",
    1
};
DB_REGISTER(q_chat_retain);

/* A month later no node needs to be told any more. */
static const db_query_t  q_chat_gone_rooms = {
    "chat_gone_rooms",
    "DELETE FROM chat_rooms c WHERE c.gone"
    " AND c.gone_before < chat_id(now() - interval '30 days')"
    " AND NOT EXISTS (SELECT FROM chat_messages m"
    "  WHERE m.stream_id = c.stream_id AND m.id < c.gone_before)",
    0
};
DB_REGISTER(q_chat_gone_rooms);

static const db_query_t  q_chat_bans_over = {
    "chat_bans_over",
    "DELETE FROM chat_bans WHERE until < now() - interval '1 day'",
    0
};
DB_REGISTER(q_chat_bans_over);

/* Polls whose time is over; nodes close theirs by themselves, and are told. */
static const db_query_t  q_chat_polls_over = {
    "chat_polls_over",
    "WITH p AS (UPDATE chat_polls p SET closed_at = p.closes_at"
    "  WHERE p.closed_at IS NULL AND p.closes_at <= now()"
    "  RETURNING p.stream_id, p.id)"
    " SELECT p.stream_id, p.id, chat_touch(p.stream_id, false, false)"
    " FROM (SELECT * FROM p ORDER BY stream_id) p",
    0
};
DB_REGISTER(q_chat_polls_over);

static const db_query_t  q_chat_poll_told = {
    "chat_poll_told",
    "INSERT INTO node_commands (node_id, type, stream_id, data, expires_at)"
    " SELECT n.id, 'chat', $1, jsonb_build_object('op', 'poll',"
    "  'poll', chat_poll_json(p)), now() + interval '1 minute'"
    " FROM chat_polls p CROSS JOIN nodes n"
    " WHERE p.id = $2::bigint"
    "  AND n.last_seen_at > now() - interval '30s'",
    2
};
DB_REGISTER(q_chat_poll_told);


static int
chat_retention(struct app_s *app, db_t *db)
{
    char  keep[24];

    snprintf(keep, sizeof(keep), "%lld",
             (long long) conf_int(app->conf, "chat_keep"));

    return db_run(db, &q_chat_ahead, CHAT_AHEAD_DAYS) != NULL
                   && db_run(db, &q_chat_old, keep) != NULL
                   && db_run(db, &q_chat_retain, keep) != NULL
                   && db_run(db, &q_chat_gone_rooms) != NULL
                   && db_run(db, &q_chat_bans_over) != NULL
               ? 0 : -1;
}


static int
chat_polls(struct app_s *app, db_t *db)
{
    db_result_t  *res;

    if (db_begin(db) != 0) {
        return -1;
    }

    res = db_run(db, &q_chat_polls_over);

    for (int i = 0; res != NULL && i < db_rows(res); i++) {
        if (db_run(db, &q_chat_poll_told, db_text(res, i, 0),
                   db_text(res, i, 1)) == NULL)
        {
            res = NULL;
        }
    }

    if (res == NULL) {
        db_rollback(db);
        return -1;
    }

    return db_commit(db);
}


void
chat_jobs(struct app_s *app)
{
    job_every(app, "chat_retention", 600, chat_retention);
    job_every(app, "chat_polls", 1, chat_polls);
}
