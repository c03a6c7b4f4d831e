/* The threads' connections: see pool.h. */

#include <pthread.h>
#include <stdlib.h>

#include "db/db_int.h"


struct pool_s {
    const char     *url;
    const char     *replica;
    int             statement_ms;
    pthread_key_t   key;                /* pool_thread_t of each thread */
    pool_stats_t    stats;
};

typedef struct {
    db_t  *primary;
    db_t  *replica;
} pool_thread_t;


static void
pool_thread_free(void *data)
{
    pool_thread_t  *thread = data;

    if (thread == NULL) {
        return;
    }

    db_close(thread->primary);
    db_close(thread->replica);
    free(thread);
}


pool_t *
pool_create(const char *url, const char *replica, int statement_ms)
{
    pool_t  *pool;

    pool = calloc(1, sizeof(*pool));

    if (pool == NULL || pthread_key_create(&pool->key, pool_thread_free) != 0)
    {
        abort();
    }

    pool->url = url;
    pool->replica = replica;
    pool->statement_ms = statement_ms;

    return pool;
}


/* After the threads are gone; the main thread's connections go here. */
void
pool_free(pool_t *pool)
{
    if (pool == NULL) {
        return;
    }

    pool_thread_end(pool);
    pthread_key_delete(pool->key);
    free(pool);
}


pool_stats_t *
pool_stats(pool_t *pool)
{
    return &pool->stats;
}


void
pool_thread_end(pool_t *pool)
{
    pool_thread_free(pthread_getspecific(pool->key));
    pthread_setspecific(pool->key, NULL);
}


static pool_thread_t *
pool_thread(pool_t *pool)
{
    pool_thread_t  *thread;

    thread = pthread_getspecific(pool->key);

    if (thread != NULL) {
        return thread;
    }

    thread = calloc(1, sizeof(*thread));

    if (thread == NULL || pthread_setspecific(pool->key, thread) != 0) {
        abort();
    }

    thread->primary = db_open(pool->url, pool->statement_ms);
    thread->primary->stats = &pool->stats;

    if (pool->replica != NULL) {
        thread->replica = db_open(pool->replica, pool->statement_ms);
        thread->replica->stats = &pool->stats;
    }

    return thread;
}


db_t *
pool_primary(pool_t *pool)
{
    return pool_thread(pool)->primary;
}


db_t *
pool_replica(pool_t *pool)
{
    pool_thread_t  *thread;

    thread = pool_thread(pool);

    if (thread->replica == NULL) {
        return NULL;
    }

    if (db_connect(thread->replica) == 0) {
        return thread->replica;
    }

    pool->stats.replica_fallbacks++;

    return NULL;
}
