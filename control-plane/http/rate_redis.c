/* Buckets in Redis: see rate_redis.h. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hiredis/hiredis.h>

#include "http/rate_redis.h"
#include "http/text.h"
#include "main/log.h"

#define TIMEOUT_US  100000
#define PAUSE_S     1

/* rate.c's algorithm, by Redis' clock. Returns { ok, full_us from now }. */
static const char  script[] =
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000000 + t[2]\n"
    "local step, whole = tonumber(ARGV[1]), tonumber(ARGV[2])\n"
    "local full = tonumber(redis.call('GET', KEYS[1]) or now)\n"
    "if full < now then full = now end\n"
    "if full + step - now > whole then return { 0, full - now } end\n"
    "if ARGV[3] == '1' then\n"
    "  full = full + step\n"
    "  redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX',\n"
    "             math.ceil((full - now) / 1000) + 1000)\n"
    "end\n"
    "return { 1, full - now }\n";

struct rate_redis_s {
    char           *user, *password, *host, *path;
    int             port, db;
    pthread_key_t   key;                /* redisContext of each thread */
    atomic_long     failed_s;           /* not before PAUSE_S later again */
    atomic_bool     down;               /* was logged */
};


static void
context_free(void *data)
{
    if (data != NULL) {
        redisFree(data);
    }
}


/* A part of the URL with its %XX decoded; NULL when there is none, *bad is
 * set when it is no UTF-8. */
static char *
url_part(const char *text, bool *bad)
{
    char  *part;

    if (*text == '\0') {
        return NULL;
    }

    part = strdup(text);
    if (part == NULL) {
        abort();
    }

    *bad = *bad || percent_decode(part, false) != 0;

    return part;
}


static int
url_parse(rate_redis_t *redis, const char *url)
{
    bool         bad;
    char        *at, *colon, *slash, *text;
    const char  *rest;

    if (strncmp(url, "unix://", 7) == 0) {
        bad = url[7] != '/';
        redis->path = url_part(url + 7, &bad);
        return bad ? -1 : 0;
    }

    if (strncmp(url, "redis://", 8) != 0) {
        return -1;
    }

    text = strdup(url + 8);
    rest = text;
    at = strrchr(text, '@');

    if (at != NULL) {
        *at = '\0';
        rest = at + 1;
        colon = strchr(text, ':');

        if (colon == NULL) {
            free(text);
            return -1;
        }

        *colon = '\0';
        bad = false;
        redis->user = url_part(text, &bad);
        redis->password = url_part(colon + 1, &bad);

        if (bad) {
            free(text);
            return -1;
        }
    }

    redis->host = strdup(rest);
    free(text);

    slash = strchr(redis->host, '/');
    if (slash != NULL) {
        *slash = '\0';
        redis->db = atoi(slash + 1);
    }

    redis->port = 6379;
    colon = strrchr(redis->host, ':');

    if (colon != NULL) {
        *colon = '\0';
        redis->port = atoi(colon + 1);
    }

    return redis->host[0] != '\0' && redis->port > 0 && redis->port < 65536
               ? 0
               : -1;
}


rate_redis_t *
rate_redis_create(const char *url)
{
    rate_redis_t  *redis;

    redis = calloc(1, sizeof(*redis));

    if (redis == NULL || pthread_key_create(&redis->key, context_free) != 0) {
        abort();
    }

    if (url_parse(redis, url) != 0) {
        rate_redis_free(redis);
        return NULL;
    }

    return redis;
}


void
rate_redis_free(rate_redis_t *redis)
{
    if (redis == NULL) {
        return;
    }

    context_free(pthread_getspecific(redis->key));
    pthread_key_delete(redis->key);
    free(redis->user);
    free(redis->password);
    free(redis->host);
    free(redis->path);
    free(redis);
}


bool
rate_redis_up(rate_redis_t *redis)
{
    return !redis->down;
}


static bool
command_ok(redisReply *reply)
{
    bool  ok;

    ok = reply != NULL && reply->type != REDIS_REPLY_ERROR;
    freeReplyObject(reply);

    return ok;
}


static redisContext *
context_get(rate_redis_t *redis)
{
    bool             ok;
    redisContext    *c;
    struct timeval   timeout = { 0, TIMEOUT_US };

    c = pthread_getspecific(redis->key);
    if (c != NULL) {
        return c;
    }

    c = redis->path != NULL
            ? redisConnectUnixWithTimeout(redis->path, timeout)
            : redisConnectWithTimeout(redis->host, redis->port, timeout);

    if (c == NULL || c->err) {
        context_free(c);
        return NULL;
    }

    ok = redisSetTimeout(c, timeout) == REDIS_OK;

    if (ok && redis->password != NULL) {
        ok = command_ok(redis->user != NULL
                            ? redisCommand(c, "AUTH %s %s", redis->user,
                                           redis->password)
                            : redisCommand(c, "AUTH %s", redis->password));
    }

    if (ok && redis->db != 0) {
        ok = command_ok(redisCommand(c, "SELECT %d", redis->db));
    }

    if (!ok) {
        redisFree(c);
        return NULL;
    }

    pthread_setspecific(redis->key, c);

    return c;
}


static int
rate_redis_failed(rate_redis_t *redis)
{
    redisContext  *c;

    c = pthread_getspecific(redis->key);
    pthread_setspecific(redis->key, NULL);
    context_free(c);

    redis->failed_s = time(NULL);

    if (!atomic_exchange(&redis->down, true)) {
        log_line(LOG_ERROR, "redis does not answer: rate limits count in"
                            " memory");
    }

    return -1;
}


int
rate_redis_take(rate_redis_t *redis, const char *key, int64_t step_us,
    int64_t whole_us, bool take, bool *ok, int64_t *full_us)
{
    redisReply    *reply;
    redisContext  *c;

    if (redis->failed_s != 0 && time(NULL) - redis->failed_s < PAUSE_S) {
        return -1;
    }

    c = context_get(redis);
    if (c == NULL) {
        return rate_redis_failed(redis);
    }

    reply = redisCommand(c, "EVAL %s 1 %s %lld %lld %d", script, key,
                         (long long) step_us, (long long) whole_us, take);

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_INTEGER
        || reply->element[1]->type != REDIS_REPLY_INTEGER)
    {
        freeReplyObject(reply);
        return rate_redis_failed(redis);
    }

    *ok = reply->element[0]->integer == 1;
    *full_us = reply->element[1]->integer;
    freeReplyObject(reply);

    redis->failed_s = 0;

    if (atomic_exchange(&redis->down, false)) {
        log_line(LOG_INFO, "redis answers again");
    }

    return 0;
}
