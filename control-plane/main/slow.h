/*
 * The slow pool: threads for requests that would hold up an HTTP thread
 * (argon2id). The queue is bounded.
 */

#ifndef SLOW_H
#define SLOW_H

typedef struct slow_s slow_t;

typedef void (*slow_pt)(void *data);

slow_t *slow_create(int threads, int queue, struct pool_s *pool);

/* fn(data) on one of the threads. -1 when the queue is full. */
int slow_push(slow_t *slow, slow_pt fn, void *data);

/* Requests that wait, and that run. */
void slow_figures(slow_t *slow, int *waiting, int *running);

/* Runs what waits, then ends the threads. */
void slow_free(slow_t *slow);

#endif
