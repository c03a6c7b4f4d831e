/*
 * Connections: one to the primary for each thread, and one to the replica,
 * made when a thread first needs it and closed when the thread ends. What the
 * threads share is here; what a connection offers to handlers is db.h.
 *
 * The transaction functions are for those who own one: the router, jobs,
 * migrations. All of them return 0, or -1 with db_error().
 */

#ifndef POOL_H
#define POOL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "db/db.h"

typedef struct pool_s pool_t;

/* Figures for /metrics. */
typedef struct {
    atomic_long  open;              /* connections */
    atomic_long  connects, failures;
    atomic_long  queries, errors;
    atomic_long  replica_fallbacks;
} pool_stats_t;

/* The URLs stay the caller's. replica may be NULL. statement_ms: timeout of a
 * statement at the server; the client gives up two seconds later. */
pool_t *pool_create(const char *url, const char *replica, int statement_ms);
void pool_free(pool_t *pool);
pool_stats_t *pool_stats(pool_t *pool);

/* This thread's connection; never NULL, it connects when it is used. */
db_t *pool_primary(pool_t *pool);
/* This thread's one to the replica; NULL without a replica, or while it cannot
 * be reached: use the primary. */
db_t *pool_replica(pool_t *pool);
/* Closes this thread's connections now. */
void pool_thread_end(pool_t *pool);

/* One of its own, not of the pool: migrations, tests. Free with db_close(). */
db_t *db_open(const char *url, int statement_ms);
void db_close(db_t *db);
/* 0 when connected (now). */
int db_connect(db_t *db);
/* Why it could not connect; libpq's text, which has no password. */
const char *db_message(db_t *db);

int db_begin(db_t *db);
int db_commit(db_t *db);
void db_rollback(db_t *db);
/* Whether a statement since db_begin() ended in DB_AGAIN. */
bool db_wants_retry(db_t *db);

/*
 * While on: a statement outside of a transaction that finds its old
 * connection broken is sent again over a new one. Only for reads.
 */
void db_retry_reads(db_t *db, bool on);

/* Statements that are not prepared: migrations. Several in one text. -1 on
 * error, with db_message(). */
int db_script(db_t *db, const char *sql);

/* Frees the results that are still held. The router calls it at the end of
 * each request, jobs at the end of each run. */
void db_release(db_t *db);

#endif
