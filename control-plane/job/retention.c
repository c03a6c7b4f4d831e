#include "job/watch.h"

#include <stddef.h>

#include "job/job.h"

/* Rows that one run removes of each kind: what is left waits. */
#define RETENTION_BATCH  "20000"

static const db_query_t  q_retention_sessions = {
    "retention_sessions",
    "DELETE FROM playback_sessions WHERE jti IN ("
    " SELECT jti FROM playback_sessions"
    "  WHERE expires_at < now() - interval '1 day'"
    "  ORDER BY expires_at LIMIT " RETENTION_BATCH ")",
    0
};
DB_REGISTER(q_retention_sessions);

/* Tokens that they were about have expired. */
static const db_query_t  q_retention_revocations = {
    "retention_revocations",
    "DELETE FROM revocations WHERE until < now() - interval '1 hour'",
    0
};
DB_REGISTER(q_retention_revocations);

static const db_query_t  q_retention_commands = {
    "retention_commands",
    "DELETE FROM node_commands WHERE id IN ("
    " SELECT id FROM node_commands"
    "  WHERE created_at < now() - interval '7 days'"
    "  ORDER BY created_at LIMIT " RETENTION_BATCH ")",
    0
};
DB_REGISTER(q_retention_commands);

static const db_query_t  q_retention_nodes = {
    "retention_nodes",
    "DELETE FROM nodes WHERE last_seen_at < now() - interval '30 days'",
    0
};
DB_REGISTER(q_retention_nodes);


static int
retention_job(struct app_s *app, db_t *db)
{
    return db_run(db, &q_retention_sessions) != NULL
           && db_run(db, &q_retention_revocations) != NULL
           && db_run(db, &q_retention_commands) != NULL
           && db_run(db, &q_retention_nodes) != NULL ? 0 : -1;
}


void
retention_jobs(struct app_s *app)
{
    job_every(app, "nodes_retention", 600, retention_job);
}
