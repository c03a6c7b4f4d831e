/* Figures about the daemon: see metrics.h. */

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "db/pool.h"
#include "http/router.h"
#include "job/webhooks.h"
#include "main/app.h"
#include "main/metrics.h"
#include "main/slow.h"

#define METRICS_CLASSES  6          /* 0 for none, 1xx to 5xx */

/* Few, since each route has them: what is quick, slow, and far too slow. */
static const int64_t  buckets_us[] = {
    2500, 10000, 50000, 250000, 1000000, 5000000
};

#define METRICS_BUCKETS  (sizeof(buckets_us) / sizeof(buckets_us[0]))

struct metrics_s {
    struct {
        atomic_ullong  requests[METRICS_CLASSES];
        atomic_ullong  buckets[METRICS_BUCKETS + 1];
        atomic_ullong  sum_us;
    } routes[METRICS_ROUTES + 1];       /* the last one: no route */
    atomic_ullong  limited, retried, replayed, refused, malformed;
};


metrics_t *
metrics_create(void)
{
    metrics_t  *metrics;

    metrics = calloc(1, sizeof(*metrics));
    if (metrics == NULL) {
        abort();
    }

    return metrics;
}


void
metrics_free(metrics_t *metrics)
{
    free(metrics);
}


void
metrics_request(metrics_t *metrics, int route, int status, int64_t us)
{
    size_t    i;
    unsigned  class;

    class = (unsigned) status / 100;
    class = class < METRICS_CLASSES ? class : 0;
    route = route >= 0 && route < METRICS_ROUTES ? route : METRICS_ROUTES;

    metrics->routes[route].requests[class]++;

    for (i = 0; i < METRICS_BUCKETS && us > buckets_us[i]; i++) {
        /* the first that it fits in */
    }

    metrics->routes[route].buckets[i]++;
    metrics->routes[route].sum_us += us;
}


void
metrics_limited(metrics_t *metrics)
{
    metrics->limited++;
}


void
metrics_refused(metrics_t *metrics)
{
    metrics->refused++;
}


void
metrics_malformed(metrics_t *metrics)
{
    metrics->malformed++;
}


void
metrics_retried(metrics_t *metrics)
{
    metrics->retried++;
}


void
metrics_replayed(metrics_t *metrics)
{
    metrics->replayed++;
}


static void
metrics_routes(metrics_t *metrics, FILE *out)
{
    const route_t       *route;
    unsigned long long   n;

    fputs("# HELP live_api_requests_total Requests that were answered.\n"
          "# TYPE live_api_requests_total counter\n", out);

    for (int i = 0; i <= METRICS_ROUTES; i++) {
        for (int class = 1; class < METRICS_CLASSES; class++) {
            n = metrics->routes[i].requests[class];
            route = i < METRICS_ROUTES ? router_route(i) : NULL;

            if (n != 0) {
                fprintf(out, "live_api_requests_total{method=\"%s\","
                        "route=\"%s\",status=\"%dxx\"} %llu\n",
                        route ? route->method : "",
                        route ? route->path : "", class, n);
            }
        }
    }
}


static void
metrics_histogram(metrics_t *metrics, int i, FILE *out)
{
    char                 labels[200];
    const route_t       *route;
    unsigned long long   n;

    n = 0;

    for (size_t b = 0; b <= METRICS_BUCKETS; b++) {
        n += metrics->routes[i].buckets[b];
    }

    if (n == 0) {
        return;
    }

    route = i < METRICS_ROUTES ? router_route(i) : NULL;
    snprintf(labels, sizeof(labels), "method=\"%s\",route=\"%s\"",
             route ? route->method : "", route ? route->path : "");
    n = 0;

    for (size_t b = 0; b < METRICS_BUCKETS; b++) {
        n += metrics->routes[i].buckets[b];
        fprintf(out, "live_api_request_seconds_bucket{%s,le=\"%g\"} %llu\n",
                labels, (double) buckets_us[b] / 1e6, n);
    }

    n += metrics->routes[i].buckets[METRICS_BUCKETS];

    fprintf(out, "live_api_request_seconds_bucket{%s,le=\"+Inf\"} %llu\n"
            "live_api_request_seconds_sum{%s} %.6f\n"
            "live_api_request_seconds_count{%s} %llu\n",
            labels, n, labels, (double) metrics->routes[i].sum_us / 1e6,
            labels, n);
}


static void
metrics_histograms(metrics_t *metrics, FILE *out)
{
    fputs("# HELP live_api_request_seconds Time from the whole request to its"
          " answer.\n# TYPE live_api_request_seconds histogram\n", out);

    for (int i = 0; i <= METRICS_ROUTES; i++) {
        metrics_histogram(metrics, i, out);
    }
}


static void
metrics_one(FILE *out, const char *name, const char *type, const char *help,
    long long value)
{
    fprintf(out, "# HELP live_api_%s %s\n# TYPE live_api_%s %s\n"
            "live_api_%s %lld\n", name, help, name, type, name, value);
}


char *
metrics_text(struct app_s *app)
{
    int            waiting, running;
    char          *text;
    FILE          *out;
    size_t         size;
    metrics_t     *m;
    pool_stats_t  *db;

    text = NULL;
    out = open_memstream(&text, &size);
    if (out == NULL) {
        abort();
    }

    m = app->metrics;
    db = pool_stats(app->pool);
    slow_figures(app->slow, &waiting, &running);

    metrics_routes(m, out);
    metrics_histograms(m, out);
    metrics_one(out, "rate_limited_total", "counter",
                "Requests over a rate limit.", m->limited);
    metrics_one(out, "connections_refused_total", "counter",
                "Connections over the limit of one address.", m->refused);
    metrics_one(out, "malformed_total", "counter",
                "Requests that were no HTTP.", m->malformed);
    metrics_one(out, "transactions_retried_total", "counter",
                "Transactions that the database asked to run again.",
                m->retried);
    metrics_one(out, "replayed_total", "counter",
                "Answers given again for an Idempotency-Key.", m->replayed);
    metrics_one(out, "db_connections", "gauge",
                "Open connections to PostgreSQL.", db->open);
    metrics_one(out, "db_connects_total", "counter",
                "Attempts to connect to PostgreSQL.", db->connects);
    metrics_one(out, "db_connect_failures_total", "counter",
                "Of these, those that failed.", db->failures);
    metrics_one(out, "db_queries_total", "counter", "Statements sent.",
                db->queries);
    metrics_one(out, "db_errors_total", "counter",
                "Statements that failed.", db->errors);
    metrics_one(out, "db_replica_fallbacks_total", "counter",
                "Reads that the primary answered for the replica.",
                db->replica_fallbacks);
    metrics_one(out, "slow_waiting", "gauge",
                "Requests that wait for the slow pool.", waiting);
    metrics_one(out, "slow_running", "gauge",
                "Requests that the slow pool runs.", running);
    webhooks_metrics(app->webhooks, out);
    fclose(out);

    return text;
}
