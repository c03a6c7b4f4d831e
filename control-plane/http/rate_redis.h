/*
 * Buckets of rate.h in Redis: one connection a thread, 100 ms for an answer.
 * After a failure Redis is left alone for a second.
 */

#ifndef RATE_REDIS_H
#define RATE_REDIS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct rate_redis_s rate_redis_t;

/* redis://[[user]:password@]host[:port][/db] or unix:///path. NULL: it is
 * none of that. */
rate_redis_t *rate_redis_create(const char *url);
void rate_redis_free(rate_redis_t *redis);
bool rate_redis_up(rate_redis_t *redis);

/* full_us: from now. -1: Redis did not answer, ask the memory. */
int rate_redis_take(rate_redis_t *redis, const char *key, int64_t step_us,
    int64_t whole_us, bool take, bool *ok, int64_t *full_us);

#endif
