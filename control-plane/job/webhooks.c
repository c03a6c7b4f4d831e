#include "job/webhooks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "db/pool.h"
#include "job/job.h"
#include "job/webhook_send.h"
#include "main/app.h"
#include "main/log.h"

#define STOP_WAIT_MS     2000
#define RETENTION_BATCH  "5000"

struct webhooks_s {
    struct app_s  *app;
    pthread_t      thread;
    atomic_bool    stop;
    CURLM         *multi;           /* its wakeup() from any thread */

    /* the thread's own */
    flight_t       flights[WEBHOOK_FLIGHTS_MAX];
    int            used;

    /* figures */
    atomic_llong   delivered, failed, refused, dead, disabled, ms;
    atomic_int     under_way;
};

static const db_query_t  q_webhooks_expire = {
    "webhooks_expire",
    "UPDATE webhook_deliveries SET status = 'failed', done_at = now(),"
    " last_error = coalesce(last_error, 'It waited for too long.')"
    " WHERE status = 'pending' AND id = ANY (ARRAY ("
    "  SELECT id FROM webhook_deliveries WHERE status = 'pending'"
    "   AND created_at < now() - make_interval(secs => $1::int)"
    "  ORDER BY created_at LIMIT " RETENTION_BATCH " FOR UPDATE SKIP LOCKED))",
    1
};
DB_REGISTER(q_webhooks_expire);

static const db_query_t  q_webhooks_forget = {
    "webhooks_forget",
    "DELETE FROM webhook_deliveries WHERE id = ANY (ARRAY ("
    " SELECT id FROM webhook_deliveries"
    "  WHERE created_at < now() - make_interval(days => $1::int)"
    "  ORDER BY created_at LIMIT " RETENTION_BATCH "))",
    1
};
DB_REGISTER(q_webhooks_forget);


static int64_t
now_ms(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


static flight_t *
flight_free_one(webhooks_t *w)
{
    int  i;

    for (i = 0; i < WEBHOOK_FLIGHTS_MAX; i++) {
        if (!w->flights[i].used) {
            return &w->flights[i];
        }
    }

    abort();
}


static void
flight_end(webhooks_t *w, flight_t *flight)
{
    send_free(flight);
    w->used--;
    w->under_way = w->used;
}


/* Writes down how it went. */
static void
flight_done(webhooks_t *w, flight_t *flight, const outcome_t *outcome)
{
    bool   dead, disabled;
    db_t  *db;

    db = pool_primary(w->app->pool);

    if (outcome->delivered) {
        w->delivered++;
    } else {
        w->failed++;
        w->refused += flight->refused;
    }

    w->ms += outcome->ms;

    if (queue_done(db, &flight->taken, outcome, &dead, &disabled) != 0) {
        log_line(LOG_WARN, "webhook %s, delivery %s: how it went could not be "
            "written down; it is sent again", flight->taken.webhook,
            flight->taken.delivery);
    }

    if (dead) {
        w->dead++;
        log_line(LOG_WARN, "webhook %s, delivery %s: given up after %s "
            "attempts", flight->taken.webhook, flight->taken.delivery,
            flight->taken.attempts);
    }

    if (disabled) {
        w->disabled++;
        log_line(LOG_WARN, "webhook %s is disabled: nothing but failures for "
            "days", flight->taken.webhook);
    }

    flight_end(w, flight);
}


/* Takes what is due; whether there may be more. */
static bool
webhooks_take(webhooks_t *w)
{
    int          i, n, room;
    taken_t      taken[WEBHOOK_FLIGHTS_MAX];
    flight_t    *flight;
    outcome_t    outcome;

    room = WEBHOOK_FLIGHTS_MAX - w->used;

    if (room == 0) {
        return false;
    }

    n = queue_take(pool_primary(w->app->pool), taken, room);

    for (i = 0; i < n; i++) {
        flight = flight_free_one(w);
        flight->used = true;
        flight->taken = taken[i];
        w->used++;

        memset(&outcome, 0, sizeof(outcome));
        outcome.error = send_prepare(w->app, flight);

        if (outcome.error != NULL) {
            flight_done(w, flight, &outcome);
            continue;
        }

        curl_multi_add_handle(w->multi, flight->easy);
    }

    w->under_way = w->used;

    return n == room;
}


/* Whether any came back. */
static bool
webhooks_reap(webhooks_t *w)
{
    int         left;
    bool        any;
    char        error[CURL_ERROR_SIZE];
    CURL       *easy;
    CURLMsg    *msg;
    CURLcode    code;
    flight_t   *flight;
    outcome_t   outcome;

    any = false;

    while ((msg = curl_multi_info_read(w->multi, &left)) != NULL) {
        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        /* msg is gone with its handle */
        easy = msg->easy_handle;
        code = msg->data.result;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &flight);
        curl_multi_remove_handle(w->multi, easy);

        memset(&outcome, 0, sizeof(outcome));
        send_outcome(flight, code, &outcome, error, sizeof(error));
        flight_done(w, flight, &outcome);
        any = true;
    }

    return any;
}


static void
webhooks_abandon(webhooks_t *w)
{
    int    i;
    db_t  *db;

    db = pool_primary(w->app->pool);

    for (i = 0; i < WEBHOOK_FLIGHTS_MAX; i++) {
        if (w->flights[i].used) {
            curl_multi_remove_handle(w->multi, w->flights[i].easy);
            queue_release(db, &w->flights[i].taken);
            flight_end(w, &w->flights[i]);
        }
    }

    db_release(db);
}


static void *
webhooks_thread(void *data)
{
    int          running;
    int64_t      due, stop_ms;
    webhooks_t  *w = data;

    due = 0;
    stop_ms = 0;

    for ( ;; ) {
        if (w->stop) {
            stop_ms = stop_ms != 0 ? stop_ms : now_ms() + STOP_WAIT_MS;

            if (w->used == 0 || now_ms() >= stop_ms) {
                break;
            }

        } else if (now_ms() >= due) {
            due = webhooks_take(w) ? 0 : now_ms() + WEBHOOK_POLL_MS;
        }

        curl_multi_perform(w->multi, &running);

        /* what came back makes way for the next of its webhook */

        if (webhooks_reap(w)) {
            due = 0;
            continue;
        }

        (void) curl_multi_poll(w->multi, NULL, 0, WEBHOOK_POLL_MS, NULL);
    }

    webhooks_abandon(w);
    pool_thread_end(w->app->pool);

    return NULL;
}


webhooks_t *
webhooks_start(struct app_s *app)
{
    webhooks_t  *w;

    w = calloc(1, sizeof(*w));

    if (w == NULL) {
        return NULL;
    }

    w->app = app;
    w->multi = curl_multi_init();

    if (w->multi == NULL
        || pthread_create(&w->thread, NULL, webhooks_thread, w) != 0)
    {
        curl_multi_cleanup(w->multi);
        free(w);
        return NULL;
    }

    return w;
}


void
webhooks_stop(webhooks_t *w)
{
    if (w == NULL) {
        return;
    }

    w->stop = true;
    curl_multi_wakeup(w->multi);
    pthread_join(w->thread, NULL);
    curl_multi_cleanup(w->multi);
    free(w);
}


static void
webhooks_metric(FILE *out, const char *name, const char *type,
    const char *help, long long value)
{
    fprintf(out, "# HELP live_webhook_%s %s\n# TYPE live_webhook_%s %s\n"
            "live_webhook_%s %lld\n", name, help, name, type, name, value);
}


void
webhooks_metrics(webhooks_t *w, FILE *out)
{
    if (w == NULL) {
        return;
    }

    fprintf(out, "# HELP live_webhook_attempts_total Requests to webhooks.\n"
            "# TYPE live_webhook_attempts_total counter\n"
            "live_webhook_attempts_total{result=\"delivered\"} %lld\n"
            "live_webhook_attempts_total{result=\"failed\"} %lld\n",
            (long long) w->delivered, (long long) w->failed);

    webhooks_metric(out, "refused_total", "counter",
        "Of the failed ones, those whose address is not public.",
        w->refused);
    webhooks_metric(out, "dead_total", "counter",
        "Deliveries that were given up.", w->dead);
    webhooks_metric(out, "disabled_total", "counter",
        "Webhooks that were disabled after days of failures.", w->disabled);
    webhooks_metric(out, "milliseconds_total", "counter",
        "Time that requests to webhooks took.", w->ms);
    webhooks_metric(out, "under_way", "gauge",
        "Requests to webhooks that wait for an answer.", w->under_way);
}


static int
webhooks_retention(struct app_s *app, db_t *db)
{
    char  life[16], keep[16];

    /* an hour more than the sender gives them */
    snprintf(life, sizeof(life), "%d", WEBHOOK_LIFE_S + 3600);
    snprintf(keep, sizeof(keep), "%d", WEBHOOK_KEEP_DAYS);

    return db_run(db, &q_webhooks_expire, life) != NULL
           && db_run(db, &q_webhooks_forget, keep) != NULL ? 0 : -1;
}


void
webhooks_jobs(struct app_s *app)
{
    job_every(app, "webhooks_retention", 600, webhooks_retention);
}
