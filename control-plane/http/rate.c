/*
 * Rate limits: see rate.h.
 *
 * The generic cell rate algorithm: a bucket is one number, the time at which
 * it will be full again (full_us). Each request moves it by seconds / count;
 * it may not be further away than `seconds`.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "http/rate.h"
#include "http/rate_redis.h"
#include "main/log.h"

#define SETS     8192
#define WAYS     8
#define LOCKS    64

typedef struct {
    uint64_t  key;
    int64_t   full_us;
} bucket_t;

struct limits_s {
    const conf_t     *conf;
    rate_redis_t     *redis;        /* NULL: not configured */
    unsigned char     seed[crypto_shorthash_KEYBYTES];
    pthread_mutex_t   locks[LOCKS];
    bucket_t          sets[SETS][WAYS];
};


limits_t *
limits_create(const conf_t *conf)
{
    limits_t    *limits;
    const char  *url;

    limits = calloc(1, sizeof(*limits));
    if (limits == NULL) {
        abort();
    }

    limits->conf = conf;
    randombytes_buf(limits->seed, sizeof(limits->seed));

    for (int i = 0; i < LOCKS; i++) {
        pthread_mutex_init(&limits->locks[i], NULL);
    }

    url = conf_text(conf, "redis");

    if (url != NULL && (limits->redis = rate_redis_create(url)) == NULL) {
        limits_free(limits);
        return NULL;
    }

    return limits;
}


void
limits_free(limits_t *limits)
{
    if (limits == NULL) {
        return;
    }

    rate_redis_free(limits->redis);

    for (int i = 0; i < LOCKS; i++) {
        pthread_mutex_destroy(&limits->locks[i]);
    }

    free(limits);
}


bool
limits_redis(limits_t *limits, bool *up)
{
    *up = limits->redis != NULL && rate_redis_up(limits->redis);

    return limits->redis != NULL;
}


/* The bucket's next full_us; moved says whether there was room for one. */
static int64_t
rate_memory(limits_t *limits, uint64_t key, int64_t now_us, int64_t step_us,
    int64_t whole_us, bool take, bool *ok)
{
    int64_t           full_us;
    bucket_t         *set, *b;
    pthread_mutex_t  *lock;

    set = limits->sets[key % SETS];
    lock = &limits->locks[key % SETS % LOCKS];
    b = &set[0];

    pthread_mutex_lock(lock);

    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == key) {
            b = &set[i];
            break;
        }

        /* who has waited longest makes room */
        if (set[i].full_us < b->full_us) {
            b = &set[i];
        }
    }

    full_us = b->key == key && b->full_us > now_us ? b->full_us : now_us;
    *ok = full_us + step_us - now_us <= whole_us;

    if (*ok && take) {
        full_us += step_us;
        b->key = key;
        b->full_us = full_us;
    }

    pthread_mutex_unlock(lock);

    return full_us;
}


rate_t
rate_take(limits_t *limits, const char *name, const char *who, bool take)
{
    int              count, seconds;
    bool             ok;
    char             text[200];
    rate_t           rate;
    int64_t          now_us, full_us, step_us, whole_us;
    uint64_t         key;
    struct timespec  ts;

    memset(&rate, 0, sizeof(rate));
    rate.ok = true;

    if (conf_rate(limits->conf, name, &count, &seconds) != 0 || count == 0) {
        return rate;
    }

    whole_us = (int64_t) seconds * 1000000;
    step_us = whole_us / count;
    snprintf(text, sizeof(text), "rate:%s:%s", name, who);

    if (limits->redis == NULL
        || rate_redis_take(limits->redis, text, step_us, whole_us, take, &ok,
                           &full_us) != 0)
    {
        clock_gettime(CLOCK_MONOTONIC, &ts);
        now_us = (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;

        crypto_shorthash((unsigned char *) &key, (unsigned char *) text,
                         strlen(text), limits->seed);

        full_us = rate_memory(limits, key | 1, now_us, step_us, whole_us, take,
                              &ok)
                  - now_us;
    }

    rate.ok = ok;
    rate.limit = count;
    rate.remaining = ok ? (int) ((whole_us - full_us) / step_us) : 0;
    rate.reset_s = (int) ((full_us + 999999) / 1000000);
    rate.retry_s = (int) ((full_us + step_us - whole_us + 999999) / 1000000);
    rate.retry_s = rate.retry_s < 1 ? 1 : rate.retry_s;

    return rate;
}
