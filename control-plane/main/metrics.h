/*
 * Counters of requests for /metrics: by route and class of status, with a
 * histogram of each route's time. There are as many as routes, whatever is
 * asked for. Any thread.
 */

#ifndef METRICS_H
#define METRICS_H

#include <stdint.h>

#define METRICS_ROUTES  256     /* ROUTES_MAX and more */

typedef struct metrics_s metrics_t;

metrics_t *metrics_create(void);
void metrics_free(metrics_t *metrics);

/* route: its number (router_route), or -1 when there was none. */
void metrics_request(metrics_t *metrics, int route, int status, int64_t us);
void metrics_limited(metrics_t *metrics);       /* 429 */
void metrics_refused(metrics_t *metrics);       /* a connection */
void metrics_malformed(metrics_t *metrics);     /* no HTTP */
void metrics_retried(metrics_t *metrics);       /* a transaction, again */
void metrics_replayed(metrics_t *metrics);      /* by Idempotency-Key */

struct app_s;

/* All of it in Prometheus' text format; malloc'd. */
char *metrics_text(struct app_s *app);

#endif
