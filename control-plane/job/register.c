/* All periodic work of the daemon: see job.h. */

#include <stdio.h>

#include "db/db.h"
#include "http/idempotency.h"
#include "job/accounts.h"
#include "job/chat.h"
#include "job/job.h"
#include "job/watch.h"
#include "job/webhooks.h"
#include "main/app.h"

#define AUDIT_AHEAD_MONTHS  "12"

static const db_query_t  audit_ahead_sql = {
    "audit_ahead", "SELECT audit_log_partitions($1::int)", 1
};
DB_REGISTER(audit_ahead_sql);

static const db_query_t  audit_old_sql = {
    "audit_old", "SELECT audit_log_forget(make_interval(secs => $1::bigint))",
    1
};
DB_REGISTER(audit_old_sql);


/* Partitions a year ahead, and those that are kept long enough away. */
static int
audit_partitions(struct app_s *app, db_t *db)
{
    char  keep[24];

    snprintf(keep, sizeof(keep), "%lld",
             (long long) conf_int(app->conf, "audit_keep"));

    return db_run(db, &audit_ahead_sql, AUDIT_AHEAD_MONTHS) != NULL
                   && db_run(db, &audit_old_sql, keep) != NULL
               ? 0
               : -1;
}


void
jobs_register(struct app_s *app)
{
    job_every(app, "audit_partitions", 3600, audit_partitions);
    job_every(app, "idempotency_clean", 600, idempotency_clean);
    accounts_jobs(app);
    signing_jobs(app);
    watch_jobs(app);
    retention_jobs(app);
    secret_rotation_jobs(app);
    webhooks_jobs(app);
    chat_jobs(app);
}
