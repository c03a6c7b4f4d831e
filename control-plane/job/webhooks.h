/*
 * Sends what main/event.h has written: HTTP POST to users' URLs, from one
 * thread of each daemon, never from a thread that answers requests.
 *
 * Of a webhook one request is under way at a time, among all daemons: its row
 * is leased (webhooks.leased_until), and taken with FOR UPDATE SKIP LOCKED.
 * Deliveries go out in the order of their ids. One that failed is waited for,
 * until WEBHOOK_ORDERED attempts; then those behind it may overtake. A daemon
 * that dies leaves a lease that runs out: what was under way is sent again.
 * So each delivery arrives at least once, and Live-Delivery tells repetitions.
 *
 * A delivery has arrived when the answer's status is 2xx. Else it is tried
 * again after 5 s, doubled up to an hour, give or take a quarter, until
 * WEBHOOK_LIFE_S after it was written. A webhook that knows nothing but
 * failures for WEBHOOK_FAILING_S is disabled, and says why.
 *
 * Where a URL leads is looked at when the socket is made (address.h).
 * Redirects are not followed, no proxy is asked.
 */

#ifndef JOB_WEBHOOKS_H
#define JOB_WEBHOOKS_H

#include <stdio.h>

#define WEBHOOK_TIMEOUT_MS   10000      /* of a request, all of it */
#define WEBHOOK_LEASE_S      30         /* and of the work around it */
#define WEBHOOK_FLIGHTS_MAX  64         /* requests under way */
#define WEBHOOK_POLL_MS      250
#define WEBHOOK_ORDERED      5
#define WEBHOOK_LIFE_S       86400
#define WEBHOOK_FAILING_S    259200     /* three days */
#define WEBHOOK_PAUSE_MAX_S  60         /* of a webhook, after failures */
#define WEBHOOK_KEEP_DAYS    30         /* the log of deliveries */

struct app_s;

typedef struct webhooks_s webhooks_t;

/* NULL when there is no thread for it. */
webhooks_t *webhooks_start(struct app_s *app);

/* Waits 2 s for what is under way; the rest is sent again by who comes. */
void webhooks_stop(webhooks_t *webhooks);

/* In Prometheus' text format. webhooks may be NULL. */
void webhooks_metrics(webhooks_t *webhooks, FILE *out);

/* Registers the job "webhooks_retention". */
void webhooks_jobs(struct app_s *app);

#endif
