/*
 * Rate limits: the names and numbers are conf's rate_<name>, "count/seconds".
 * A bucket of `count` for each account (or address, for those who are not
 * logged in) refills evenly in `seconds`.
 *
 * The buckets are in Redis when the configuration names one, the same for all
 * daemons; while it does not answer, and without it, they are in this
 * process's memory: a table of fixed size, in which the emptiest buckets make
 * room for new ones.
 */

#ifndef RATE_H
#define RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "main/conf.h"

typedef struct limits_s limits_t;

typedef struct {
    bool  ok;
    int   limit;            /* 0: not limited */
    int   remaining;
    int   reset_s;          /* until the bucket is full again */
    int   retry_s;          /* until there is one more, when not ok */
} rate_t;

/* conf stays the caller's. NULL when the Redis URL makes no sense. */
limits_t *limits_create(const conf_t *conf);
void limits_free(limits_t *limits);

/* Takes one of the bucket of `who`; or, with take false, only looks. */
rate_t rate_take(limits_t *limits, const char *name, const char *who,
    bool take);

/* Whether Redis is configured, and answers. */
bool limits_redis(limits_t *limits, bool *up);

#endif
