/*
 * PostgreSQL, one connection a thread. Statements are constant, prepared at
 * their first use on a connection, and have text parameters (NULL is SQL
 * NULL) and text results.
 *
 * Connections reconnect by themselves (at most once a second, in the call that
 * needs one). statement_timeout is set on every connection.
 */

#ifndef DB_H
#define DB_H

#include <stdbool.h>
#include <stdint.h>

typedef struct db_s         db_t;
typedef struct db_result_s  db_result_t;

typedef struct {
    const char  *name;          /* unique, for prepare and the logs */
    const char  *sql;
    int          params;
} db_query_t;

/*
 * After a query's definition, without a semicolon in the macro: lists it in
 * "control-plane --queries", which tests use to look at every plan.
 */
#define DB_REGISTER(q)                                                        \
    static const db_query_t *const q##_entry                                  \
        __attribute__((section("db_queries"), used)) = &q

typedef enum {
    DB_OK = 0,
    DB_DOWN,                    /* no connection, too many, shutting down */
    DB_TIMEOUT,                 /* statement_timeout, lock_timeout */
    DB_AGAIN,                   /* serialization failure, deadlock */
    DB_DUPLICATE,               /* unique constraint, see db_constraint() */
    DB_REFERENCE,               /* foreign key */
    DB_CHECK,                   /* check constraint, not null, bad value */
    DB_FAILED                   /* anything else; logged with its text */
} db_error_e;

/*
 * NULL on error: db_error(). Else owned by the connection's current request
 * (freed when it ends); db_free() gives it back earlier.
 */
db_result_t *db_query(db_t *db, const db_query_t *q,
    const char *const *params);
/* "db_run(db, &Q, a, b)": the parameters as arguments, their number checked
 * against q->params. */
#define db_run(db, q, ...)                                                    \
    db_query_n(db, q, sizeof((const char *[]) { NULL, ##__VA_ARGS__ })        \
                          / sizeof(char *) - 1,                               \
               (const char *[]) { NULL, ##__VA_ARGS__ } + 1)
db_result_t *db_query_n(db_t *db, const db_query_t *q, int n,
    const char *const *params);

db_error_e db_error(db_t *db);
const char *db_constraint(db_t *db);    /* name of the violated one, or "" */

int db_rows(const db_result_t *res);
int64_t db_affected(const db_result_t *res);
const char *db_text(const db_result_t *res, int row, int col); /* "" for NULL */
bool db_null(const db_result_t *res, int row, int col);
int64_t db_int(const db_result_t *res, int row, int col);
bool db_bool(const db_result_t *res, int row, int col);
void db_free(db_result_t *res);

#endif
