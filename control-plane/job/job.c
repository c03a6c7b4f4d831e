/* Periodic work: see job.h. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/pool.h"
#include "job/job.h"
#include "main/app.h"
#include "main/log.h"

#define JOBS_MAX     64
#define JOB_WAIT_MS  200

typedef struct {
    const char  *name;
    int          seconds;
    job_pt       fn;
    bool         each;              /* on every daemon */
    int64_t      due_ms;            /* look at it then; monotonic */
} job_t;

struct jobs_s {
    pthread_t        thread;
    pthread_mutex_t  lock;          /* guards ending */
    pthread_cond_t   wake;
    bool             started, ending;
    int              count;
    job_t            jobs[JOBS_MAX];
};

/* Locks of jobs are pg_advisory_lock(JOB_CLASS, hash of the name). */
#define JOB_CLASS  "7811888"

static const db_query_t  lock_sql = {
    "job_lock",
    "SELECT pg_try_advisory_lock(" JOB_CLASS ", hashtext($1))", 1
};
DB_REGISTER(lock_sql);

static const db_query_t  unlock_sql = {
    "job_unlock",
    "SELECT pg_advisory_unlock(" JOB_CLASS ", hashtext($1))", 1
};
DB_REGISTER(unlock_sql);

/* Takes the turn, when it is due. */
static const db_query_t  claim_sql = {
    "job_claim",
    "INSERT INTO timers AS t (name, next_at, last_at)"
    " VALUES ($1, clock_timestamp() + make_interval(secs => $2::int),"
    "         clock_timestamp())"
    " ON CONFLICT (name) DO UPDATE"
    "   SET next_at = excluded.next_at, last_at = excluded.last_at"
    " WHERE t.next_at <= clock_timestamp()", 2
};
DB_REGISTER(claim_sql);

static const db_query_t  done_sql = {
    "job_done",
    "UPDATE timers SET last_ms = $2::int, failures = CASE WHEN $3::boolean"
    " THEN 0 ELSE failures + 1 END WHERE name = $1", 3
};
DB_REGISTER(done_sql);


static int64_t
now_ms(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


jobs_t *
jobs_create(void)
{
    jobs_t              *jobs;
    pthread_condattr_t   attr;

    jobs = calloc(1, sizeof(*jobs));
    if (jobs == NULL) {
        abort();
    }

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->wake, &attr);
    pthread_condattr_destroy(&attr);

    return jobs;
}


void
jobs_free(jobs_t *jobs)
{
    if (jobs == NULL) {
        return;
    }

    pthread_cond_destroy(&jobs->wake);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}


static void
job_add(struct app_s *app, const char *name, int seconds, job_pt fn, bool each)
{
    jobs_t  *jobs = app->jobs;

    if (jobs->count == JOBS_MAX || jobs->started || seconds < 1) {
        log_line(LOG_ERROR, "job %s cannot be registered", name);
        abort();
    }

    jobs->jobs[jobs->count++] = (job_t) { name, seconds, fn, each, 0 };
}


void
job_every(struct app_s *app, const char *name, int seconds, job_pt fn)
{
    job_add(app, name, seconds, fn, false);
}


void
job_each(struct app_s *app, const char *name, int seconds, job_pt fn)
{
    job_add(app, name, seconds, fn, true);
}


/* Whether it is this daemon's turn; holds the job's lock then. */
static bool
job_claim(job_t *job, db_t *db)
{
    bool          mine;
    char          seconds[16];
    db_result_t  *res;

    res = db_run(db, &lock_sql, job->name);
    if (res == NULL || !db_bool(res, 0, 0)) {
        return false;
    }

    snprintf(seconds, sizeof(seconds), "%d", job->seconds);
    res = db_run(db, &claim_sql, job->name, seconds);
    mine = res != NULL && db_affected(res) == 1;

    if (!mine) {
        (void) db_run(db, &unlock_sql, job->name);
    }

    return mine;
}


static void
job_run(struct app_s *app, job_t *job, db_t *db)
{
    int      rc;
    char     ms[24];
    int64_t  start_ms;

    if (!job->each && !job_claim(job, db)) {
        db_release(db);
        return;
    }

    start_ms = now_ms();
    rc = job->fn(app, db);

    /* one that returned from the middle of a transaction */
    db_rollback(db);
    db_release(db);

    if (rc != 0) {
        log_line(LOG_ERROR, "job %s failed", job->name);
    }

    if (!job->each) {
        snprintf(ms, sizeof(ms), "%lld", (long long) (now_ms() - start_ms));
        (void) db_run(db, &done_sql, job->name, ms, rc == 0 ? "t" : "f");
        (void) db_run(db, &unlock_sql, job->name);
        db_release(db);
    }
}


static void
jobs_wait(jobs_t *jobs)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_nsec += JOB_WAIT_MS * 1000000L;
    ts.tv_sec += ts.tv_nsec / 1000000000L;
    ts.tv_nsec %= 1000000000L;

    pthread_cond_timedwait(&jobs->wake, &jobs->lock, &ts);
}


static void *
jobs_thread(void *arg)
{
    db_t          *db;
    job_t         *job;
    jobs_t        *jobs;
    struct app_s  *app = arg;

    jobs = app->jobs;
    db = pool_primary(app->pool);

    pthread_mutex_lock(&jobs->lock);

    while (!jobs->ending) {

        for (int i = 0; i < jobs->count && !jobs->ending; i++) {
            job = &jobs->jobs[i];

            if (now_ms() < job->due_ms) {
                continue;
            }

            /* another daemon may end while its turn is under way: look twice
             * as often as it is due, but not all the time */
            job->due_ms = now_ms()
                          + (job->each || job->seconds == 1
                                 ? job->seconds * 1000LL
                                 : job->seconds * 500LL);

            pthread_mutex_unlock(&jobs->lock);
            job_run(app, job, db);
            pthread_mutex_lock(&jobs->lock);
        }

        if (!jobs->ending) {
            jobs_wait(jobs);
        }
    }

    pthread_mutex_unlock(&jobs->lock);
    pool_thread_end(app->pool);

    return NULL;
}


int
jobs_start(struct app_s *app)
{
    app->jobs->started = true;

    if (pthread_create(&app->jobs->thread, NULL, jobs_thread, app) != 0) {
        app->jobs->started = false;
        return -1;
    }

    return 0;
}


void
jobs_stop(struct app_s *app)
{
    jobs_t  *jobs = app->jobs;

    if (jobs == NULL || !jobs->started) {
        return;
    }

    pthread_mutex_lock(&jobs->lock);
    jobs->ending = true;
    pthread_cond_broadcast(&jobs->wake);
    pthread_mutex_unlock(&jobs->lock);

    pthread_join(jobs->thread, NULL);
    jobs->started = false;
}
