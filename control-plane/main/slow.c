/* The slow pool: see slow.h. */

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "db/pool.h"
#include "main/slow.h"

typedef struct {
    slow_pt  fn;
    void    *data;
} slow_item_t;

struct slow_s {
    pthread_mutex_t   lock;
    pthread_cond_t    wake;
    slow_item_t      *items;            /* a ring */
    int               size, first, count;
    int               running;
    bool              ending;
    pthread_t        *threads;
    int               nthreads;
    struct pool_s    *pool;
};


static void *
slow_thread(void *arg)
{
    slow_t       *slow = arg;
    slow_item_t   item;

    pthread_mutex_lock(&slow->lock);

    for ( ;; ) {
        while (slow->count == 0 && !slow->ending) {
            pthread_cond_wait(&slow->wake, &slow->lock);
        }

        if (slow->count == 0) {
            break;
        }

        item = slow->items[slow->first];
        slow->first = (slow->first + 1) % slow->size;
        slow->count--;
        slow->running++;
        pthread_mutex_unlock(&slow->lock);

        item.fn(item.data);

        pthread_mutex_lock(&slow->lock);
        slow->running--;
    }

    pthread_mutex_unlock(&slow->lock);
    pool_thread_end(slow->pool);

    return NULL;
}


slow_t *
slow_create(int threads, int queue, struct pool_s *pool)
{
    slow_t  *slow;

    slow = calloc(1, sizeof(*slow));
    if (slow == NULL) {
        abort();
    }

    pthread_mutex_init(&slow->lock, NULL);
    pthread_cond_init(&slow->wake, NULL);
    slow->pool = pool;
    slow->size = queue;
    slow->items = calloc(queue, sizeof(*slow->items));
    slow->threads = calloc(threads, sizeof(*slow->threads));

    if (slow->items == NULL || slow->threads == NULL) {
        abort();
    }

    while (slow->nthreads < threads) {
        if (pthread_create(&slow->threads[slow->nthreads], NULL, slow_thread,
                           slow) != 0)
        {
            abort();
        }

        slow->nthreads++;
    }

    return slow;
}


int
slow_push(slow_t *slow, slow_pt fn, void *data)
{
    int  rc;

    rc = -1;
    pthread_mutex_lock(&slow->lock);

    if (slow->count < slow->size && !slow->ending) {
        slow->items[(slow->first + slow->count) % slow->size]
            = (slow_item_t) { fn, data };
        slow->count++;
        pthread_cond_signal(&slow->wake);
        rc = 0;
    }

    pthread_mutex_unlock(&slow->lock);

    return rc;
}


void
slow_figures(slow_t *slow, int *waiting, int *running)
{
    pthread_mutex_lock(&slow->lock);
    *waiting = slow->count;
    *running = slow->running;
    pthread_mutex_unlock(&slow->lock);
}


void
slow_free(slow_t *slow)
{
    if (slow == NULL) {
        return;
    }

    pthread_mutex_lock(&slow->lock);
    slow->ending = true;
    pthread_cond_broadcast(&slow->wake);
    pthread_mutex_unlock(&slow->lock);

    for (int i = 0; i < slow->nthreads; i++) {
        pthread_join(slow->threads[i], NULL);
    }

    pthread_cond_destroy(&slow->wake);
    pthread_mutex_destroy(&slow->lock);
    free(slow->items);
    free(slow->threads);
    free(slow);
}
