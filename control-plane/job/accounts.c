/* What is kept of logins: see accounts.h. */

#include <stddef.h>

#include "job/accounts.h"
#include "job/job.h"


/* Rows that one run removes of each kind: what is left waits an hour. */
#define BATCH  "20000"


static int accounts_retention(struct app_s *app, db_t *db);


static const db_query_t  accounts_failures_sql = {
    "accounts_failures",
    "DELETE FROM login_failures WHERE last_at < now() - interval '1 day'", 0
};
DB_REGISTER(accounts_failures_sql);

static const db_query_t  accounts_sessions_sql = {
    "accounts_sessions",
    "DELETE FROM sessions WHERE id IN ("
    " SELECT id FROM sessions WHERE expires_at < now() - interval '90 days'"
    "  ORDER BY expires_at LIMIT " BATCH ")",
    0
};
DB_REGISTER(accounts_sessions_sql);

static const db_query_t  accounts_session_tokens_sql = {
    "accounts_session_tokens",
    "DELETE FROM session_tokens WHERE hash IN ("
    " SELECT hash FROM session_tokens"
    "  WHERE used_at < now() - interval '30 days'"
    "  ORDER BY used_at LIMIT " BATCH ")",
    0
};
DB_REGISTER(accounts_session_tokens_sql);

static const db_query_t  accounts_api_tokens_sql = {
    "accounts_api_tokens",
    "DELETE FROM api_tokens WHERE id IN ("
    " SELECT id FROM api_tokens WHERE revoked_at < now() - interval '90 days'"
    "  ORDER BY revoked_at LIMIT " BATCH ")",
    0
};
DB_REGISTER(accounts_api_tokens_sql);

static const db_query_t  accounts_subscriptions_sql = {
    "accounts_subscriptions",
    "DELETE FROM subscriptions WHERE (user_id, subscriber_id) IN ("
    " SELECT user_id, subscriber_id FROM subscriptions"
    "  WHERE until < now() ORDER BY until LIMIT " BATCH ")",
    0
};
DB_REGISTER(accounts_subscriptions_sql);


void
accounts_jobs(struct app_s *app)
{
    job_every(app, "accounts_retention", 3600, accounts_retention);
}


static int
accounts_retention(struct app_s *app, db_t *db)
{
    return db_run(db, &accounts_failures_sql) == NULL
                   || db_run(db, &accounts_sessions_sql) == NULL
                   || db_run(db, &accounts_session_tokens_sql) == NULL
                   || db_run(db, &accounts_api_tokens_sql) == NULL
                   || db_run(db, &accounts_subscriptions_sql) == NULL
               ? -1 : 0;
}
