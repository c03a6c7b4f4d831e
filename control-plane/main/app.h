/*
 * What all threads of the daemon share. Made by main before there are
 * threads, freed after they are gone; the pointers do not change in between.
 */

#ifndef APP_H
#define APP_H

#include <stdatomic.h>

#include "main/conf.h"
#include "main/crypt.h"
#include "main/signing.h"

typedef struct app_s {
    conf_t              *conf;
    crypt_t             *crypt;         /* NULL without secret_key */
    signing_t           *signing;       /* NULL without secret_key */
    struct pool_s       *pool;          /* db/pool.h */
    struct nodeauth_s   *nodeauth;      /* http/nodeauth.h */
    struct limits_s     *limits;        /* http/rate.h */
    struct proxies_s    *proxies;       /* http/proxy.h */
    struct slow_s       *slow;          /* main/slow.h */
    struct metrics_s    *metrics;       /* main/metrics.h */
    struct jobs_s       *jobs;          /* job/job.h */
    struct webhooks_s   *webhooks;      /* job/webhooks.h; NULL until it runs */
    atomic_bool          draining;      /* SIGTERM came */
} app_t;

#endif
