/*
 * The access log: the route's pattern, not the path (a path may hold what is
 * nobody's business), no query, no header but what stands here.
 */

#include "http/access_log.h"
#include "http/request_int.h"
#include "main/app.h"
#include "main/log.h"
#include "main/metrics.h"


void
access_log(request_t *r, bool complete)
{
    int64_t          us;
    request_priv_t  *p = r->priv;

    us = clock_us() - p->started_us;

    if (p->sent) {
        metrics_request(r->app->metrics, p->index, p->status, us);
    }

    log_json(p->status >= 500 ? LOG_WARN : LOG_INFO,
             json_pack("{s:s, s:s, s:s, s:i, s:f, s:s*, s:s, s:s, s:b}",
                       "event", "request", "method", r->method, "route",
                       p->route != NULL ? p->route->path : "", "status",
                       p->sent ? p->status : 499, "ms", (double) us / 1000,
                       "user", r->caller.user ? r->caller.user_text : NULL,
                       "addr", r->addr, "request_id", r->request_id,
                       "complete", complete));
}
