/*
 * A request from its head to its answer: who asks, how often, with what; then
 * the handler in a transaction, again when the database wants it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/pool.h"
#include "http/caller.h"
#include "http/idempotency.h"
#include "http/proxy.h"
#include "http/rate.h"
#include "http/request_int.h"
#include "main/app.h"
#include "main/metrics.h"

#define TRIES          4
#define RETRY_BASE_MS  5


static bool
method_reads(request_t *r)
{
    return strcmp(r->method, "GET") == 0;
}


static const char *
route_rate(request_t *r)
{
    const route_t  *route = r->priv->route;

    return route->rate != NULL ? route->rate
           : method_reads(r)   ? "read"
                               : "write";
}


/*
 * Whose limit it is: the account's, else the address', of which IPv6 has a
 * whole /64 for everybody who wants one.
 */
static const char *
limit_who(request_t *r, bool account)
{
    char  network[PROXY_NETWORK];

    if (account && r->caller.user != 0) {
        return r->caller.user_text;
    }

    proxies_network(r->addr, network);

    return request_printf(r, "%s", network);
}


/* Takes one of a bucket; 0, or 429 answered. */
static int
limit_take(request_t *r, const char *name, const char *who, bool tell)
{
    char    text[16];
    rate_t  rate;

    rate = rate_take(r->app->limits, name, who, true);

    if (rate.limit == 0) {
        return 0;
    }

    if (tell || !rate.ok) {
        snprintf(text, sizeof(text), "%d", rate.limit);
        respond_header(r, "RateLimit-Limit", text);
        snprintf(text, sizeof(text), "%d", rate.remaining);
        respond_header(r, "RateLimit-Remaining", text);
        snprintf(text, sizeof(text), "%d", rate.reset_s);
        respond_header(r, "RateLimit-Reset", text);
    }

    if (rate.ok) {
        return 0;
    }

    snprintf(text, sizeof(text), "%d", rate.retry_s);
    respond_header(r, "Retry-After", text);
    metrics_limited(r->app->metrics);

    return problem(r, 429, "rate-limit", "Too many requests: wait a little.");
}


static bool
route_is_limited(const route_t *route)
{
    return route->access != ACCESS_NODE && !(route->flags & ROUTE_ROOT);
}


int
request_limit_early(request_t *r)
{
    return r->priv->route->access == ACCESS_ANYONE
               ? limit_take(r, route_rate(r), limit_who(r, false), true)
               : 0;
}


/* Who asks, and how often. 0, or the status answered. */
static int
run_admit(request_t *r)
{
    int             status, limited;
    const char     *addr;
    const route_t  *route = r->priv->route;

    if (!route_is_limited(route)) {
        return 0;
    }

    addr = limit_who(r, false);

    /* guessing tokens costs the database a look-up each */

    if (!rate_take(r->app->limits, "invalid", addr, false).ok) {
        return limit_take(r, "invalid", addr, false);
    }

    status = caller_authorize(r, route);
    db_release(r->db);

    if (status != 0) {
        if (status == 401 && request_header(r, "Authorization") != NULL) {
            (void) rate_take(r->app->limits, "invalid", addr, true);
        }

        /* who is refused all the time was looked up all the time */
        limited = r->caller.user == 0
                      ? 0
                      : limit_take(r, route_rate(r), limit_who(r, true), true);

        return limited != 0 ? limited : status;
    }

    /* done before it went to the slow pool */
    if ((route->flags & ROUTE_SLOW) && route->access == ACCESS_ANYONE) {
        return 0;
    }

    return limit_take(r, route_rate(r), limit_who(r, true), true);
}


/* "me" in /users/{id}. */
static int
run_me(request_t *r)
{
    for (route_param_t *p = r->priv->params; p->name != NULL; p++) {

        if (strcmp(p->kind, "users") != 0 || strcmp(p->value, "me") != 0) {
            continue;
        }

        if (r->caller.user == 0) {
            respond_header(r, "WWW-Authenticate", "Bearer");
            return problem(r, 401, "login-required", "Log in first.");
        }

        p->value = r->caller.user_text;
    }

    return 0;
}


/* ---- the handler */


/* One run in a transaction. Sets *again when another one is wanted. */
static int
run_once(request_t *r, bool *again)
{
    int   status;
    bool  keyed, replayed;
    db_t *db = r->db;

    *again = false;

    if (db_begin(db) != 0) {
        return problem_db(r);
    }

    keyed = idempotency_wanted(r);
    replayed = false;
    status = keyed ? idempotency_begin(r, &replayed) : 0;

    if (replayed) {
        metrics_replayed(r->app->metrics);
    }

    if (status == 0) {
        status = r->priv->route->handler(r);

        if (keyed && status < 400 && !db_wants_retry(db)
            && idempotency_end(r) != 0)
        {
            status = problem_db(r);
        }
    }

    if (db_wants_retry(db) || replayed
        || (status >= 400 && !r->priv->keep))
    {
        *again = db_wants_retry(db);
        db_rollback(db);
        return status;
    }

    if (db_commit(db) != 0) {
        *again = db_error(db) == DB_AGAIN;
        return problem_db(r);
    }

    return status;
}


static void
run_pause(int tries)
{
    struct timespec  ts;

    /* not all of them at the same time again */
    ts.tv_sec = 0;
    ts.tv_nsec = (long) ((RETRY_BASE_MS << tries)
                         + clock_us() % (RETRY_BASE_MS << tries)) * 1000000;
    nanosleep(&ts, NULL);
}


static void
run_write(request_t *r)
{
    bool  again;

    for (int tries = 1; ; tries++) {

        (void) run_once(r, &again);

        if (!again || tries == TRIES) {
            return;
        }

        metrics_retried(r->app->metrics);
        request_reset(r);
        db_release(r->db);
        run_pause(tries);

        /* the handler may have taken its body apart */
        json_decref(r->body);
        r->body = NULL;

        if (validate_body(r) != 0) {
            return;
        }
    }
}


static void
run_read(request_t *r)
{
    db_t            *primary;
    request_priv_t  *p = r->priv;

    primary = r->db;
    r->db = NULL;

    if (p->route->flags & ROUTE_REPLICA) {
        r->db = pool_replica(r->app->pool);
    }

    if (r->db != NULL) {
        db_retry_reads(r->db, true);
        (void) p->route->handler(r);

        if (p->status < 500) {
            return;
        }

        /* it went away, or took what we read (a conflict with recovery) */
        pool_stats(r->app->pool)->replica_fallbacks++;
        request_reset(r);
        db_release(r->db);
    }

    r->db = primary;
    (void) p->route->handler(r);
}


/* What a handler did wrong is better a 500 than a broken answer. */
static void
run_finish(request_t *r)
{
    request_priv_t  *p = r->priv;

    if (p->status == 0) {
        (void) problem(r, 500, "internal", NULL);
    }

    if (p->status == 200 && request_not_modified(r)) {
        (void) respond_raw(r, 304, NULL, NULL, 0);
    }
}


static void
run_route(request_t *r)
{
    request_priv_t  *p = r->priv;

    r->db = pool_primary(r->app->pool);
    db_retry_reads(r->db, true);

    if (run_admit(r) != 0 || run_me(r) != 0 || validate_params(r) != 0
        || validate_body(r) != 0)
    {
        return;
    }

    p->fixed = p->nheaders;

    if (method_reads(r)) {
        run_read(r);
        return;
    }

    db_retry_reads(r->db, false);

    if (p->route->flags & ROUTE_NO_TX) {
        (void) p->route->handler(r);
    } else {
        run_write(r);
    }
}


void
request_run(request_t *r)
{
    if (r->priv->status == 0) {
        run_route(r);

        if (r->db != NULL) {
            db_release(r->db);
        }

        db_release(pool_primary(r->app->pool));
    }

    run_finish(r);
}
