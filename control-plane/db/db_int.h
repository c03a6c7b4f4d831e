/* What the files of db/ share about a connection. */

#ifndef DB_INT_H
#define DB_INT_H

#include <libpq-fe.h>

#include "db/db.h"
#include "db/pool.h"

/* Twice as many as there may be statements in the whole daemon. */
#define DB_PREPARED_MAX  1024

struct db_result_s {
    PGresult     *res;
    db_t         *db;
    db_result_t  *next, *prev;
};

struct db_s {
    PGconn           *conn;             /* NULL: not connected */
    const char       *url;
    int               statement_ms;
    int64_t           tried_ms;         /* the last failed connect */
    pool_stats_t     *stats;            /* NULL outside of a pool */
    db_error_e        error;
    char              constraint[64];
    char              message[300];
    bool              in_tx;
    bool              again;            /* DB_AGAIN in this transaction */
    bool              retry_reads;
    db_result_t      *results;          /* still held */
    const db_query_t *prepared[DB_PREPARED_MAX];
    size_t            prepared_count;
};

void db_drop(db_t *db);
void db_drop_tx(db_t *db);

#endif
