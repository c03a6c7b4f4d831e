/* A connection: see db.h and pool.h. */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#include "db/db_int.h"
#include "main/log.h"

/* The client waits so much longer than the server, which knows better why. */
#define DB_GRACE_MS      2000
#define DB_RETRY_MS      1000
#define DB_LOCK_MS       3000
#define DB_IDLE_TX_MS    10000


static int64_t db_now_ms(void);
static void db_fail(db_t *db, db_error_e error, const char *constraint);
static int db_setup(db_t *db);
static int db_prepare(db_t *db, const db_query_t *q);
static PGresult *db_wait(db_t *db);
static PGresult *db_send(db_t *db, const db_query_t *q,
    const char *const *params);
static db_result_t *db_once(db_t *db, const db_query_t *q,
    const char *const *params);
static int db_simple(db_t *db, const char *sql);


db_t *
db_open(const char *url, int statement_ms)
{
    db_t  *db;

    db = calloc(1, sizeof(*db));
    if (db == NULL) {
        abort();
    }

    db->url = url;
    db->statement_ms = statement_ms;

    return db;
}


void
db_close(db_t *db)
{
    if (db == NULL) {
        return;
    }

    db_release(db);
    db_drop(db);
    free(db);
}


/* Closes the connection; the next statement makes another. */
void
db_drop(db_t *db)
{
    if (db->conn == NULL) {
        return;
    }

    PQfinish(db->conn);
    db->conn = NULL;
    db->prepared_count = 0;
    memset(db->prepared, 0, sizeof(db->prepared));

    if (db->stats != NULL) {
        db->stats->open--;
    }
}


int
db_connect(db_t *db)
{
    int64_t      now_ms;
    const char  *names[] = {
        "fallback_application_name", "connect_timeout", "keepalives_idle",
        "keepalives_interval", "keepalives_count", "tcp_user_timeout",
        "client_encoding", "dbname", NULL
    };
    const char  *values[] = {
        "control-plane", "2", "5", "2", "3", "5000", "UTF8", db->url, NULL
    };

    if (db->conn != NULL) {
        return 0;
    }

    now_ms = db_now_ms();

    if (db->tried_ms != 0 && now_ms - db->tried_ms < DB_RETRY_MS) {
        db_fail(db, DB_DOWN, "");
        return -1;
    }

    db->tried_ms = now_ms;
    db->conn = PQconnectdbParams(names, values, 1);

    if (db->stats != NULL) {
        db->stats->connects++;
        db->stats->open++;
    }

    if (PQstatus(db->conn) == CONNECTION_OK && db_setup(db) == 0) {
        db->tried_ms = 0;
        return 0;
    }

    snprintf(db->message, sizeof(db->message), "%s",
             PQerrorMessage(db->conn));
    db->message[strcspn(db->message, "\n")] = '\0';

    log_line(LOG_ERROR, "database: connect: %s", db->message);

    if (db->stats != NULL) {
        db->stats->failures++;
    }

    db_drop(db);
    db_fail(db, DB_DOWN, "");

    return -1;
}


static int
db_setup(db_t *db)
{
    char  sql[500];

    PQsetnonblocking(db->conn, 1);
    PQsetErrorVerbosity(db->conn, PQERRORS_TERSE);

    snprintf(sql, sizeof(sql),
             "SET statement_timeout = %d; SET lock_timeout = %d;"
             " SET idle_in_transaction_session_timeout = %d;"
             " SET timezone = 'UTC'; SET datestyle = 'ISO';"
             " SET standard_conforming_strings = on;"
             " SET bytea_output = 'hex'; SET client_min_messages = 'warning';"
             /* one wrong letter in a word of five still looks alike */
             " SET pg_trgm.word_similarity_threshold = 0.45",
             db->statement_ms,
             db->statement_ms > 0 && db->statement_ms < DB_LOCK_MS
                 ? db->statement_ms
                 : DB_LOCK_MS,
             DB_IDLE_TX_MS);

    return db_simple(db, sql);
}


static int64_t
db_now_ms(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


static void
db_fail(db_t *db, db_error_e error, const char *constraint)
{
    db->error = error;
    snprintf(db->constraint, sizeof(db->constraint), "%s", constraint);

    if (db->in_tx && error == DB_AGAIN) {
        db->again = true;
    }

    if (db->stats != NULL) {
        db->stats->errors++;
    }
}


/* PostgreSQL, appendix A: what each class means to us. */
static db_error_e
db_classify(const char *state)
{
    static const struct {
        const char  *prefix;
        db_error_e   error;
    } classes[] = {
        { "40", DB_AGAIN },             /* serialization, deadlock */
        { "0A000", DB_AGAIN },          /* a plan of before a migration */
        { "26000", DB_AGAIN },
        { "23505", DB_DUPLICATE },
        { "23P01", DB_DUPLICATE },
        { "23503", DB_REFERENCE },
        { "23", DB_CHECK },
        { "22", DB_CHECK },
        { "57014", DB_TIMEOUT },
        { "55P03", DB_TIMEOUT },
        { "57P", DB_DOWN },
        { "25P03", DB_DOWN },
        { "25006", DB_DOWN },           /* read only: not the primary now */
        { "53", DB_DOWN },
        { "08", DB_DOWN },
    };

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (strncmp(state, classes[i].prefix, strlen(classes[i].prefix)) == 0)
        {
            return classes[i].error;
        }
    }

    return DB_FAILED;
}


/* res: of an error; NULL when the connection itself failed. */
static void
db_refuse(db_t *db, const char *name, PGresult *res)
{
    db_error_e   error;
    const char  *state, *text, *constraint;

    state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;

    if (state == NULL || PQstatus(db->conn) != CONNECTION_OK) {
        text = res ? PQresultErrorMessage(res) : PQerrorMessage(db->conn);
        snprintf(db->message, sizeof(db->message), "%s", text);
        db->message[strcspn(db->message, "\n")] = '\0';
        log_line(LOG_ERROR, "database: %s: %s", name,
                 *db->message ? db->message : "the connection was lost");
        PQclear(res);
        db_drop(db);
        db_fail(db, DB_DOWN, "");
        return;
    }

    error = db_classify(state);
    constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
    text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    snprintf(db->message, sizeof(db->message), "%s", text ? text : state);

    /* texts of class 22 quote what the client sent */

    if (error != DB_DUPLICATE && error != DB_REFERENCE && error != DB_CHECK) {
        log_line(error == DB_AGAIN ? LOG_INFO : LOG_ERROR,
                 "database: %s: %s (%s)", name, db->message, state);
    } else if (state[1] == '2') {
        log_line(LOG_WARN, "database: %s: bad value (%s)", name, state);
    } else if (error == DB_CHECK) {
        log_line(LOG_WARN, "database: %s: constraint %s", name,
                 constraint ? constraint : "of a column");
    }

    db_fail(db, error, constraint ? constraint : "");

    /* these leave a session behind that must not be used any more */
    if (strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0
        || strcmp(state, "25006") == 0)
    {
        db_drop(db);
    }

    PQclear(res);
}


/* Sends what is buffered, waits for the last result, drops those before. */
static PGresult *
db_wait(db_t *db)
{
    int            left, flush;
    int64_t        end_ms;
    PGresult      *res, *last;
    struct pollfd  fd;

    last = NULL;
    end_ms = db_now_ms() + db->statement_ms + DB_GRACE_MS;

    for ( ;; ) {
        flush = PQflush(db->conn);
        if (flush < 0) {
            break;
        }

        if (flush == 0 && !PQisBusy(db->conn)) {
            res = PQgetResult(db->conn);

            if (res == NULL) {
                return last;
            }

            /* of several statements the first error is the result */
            if (last != NULL && PQresultStatus(last) == PGRES_FATAL_ERROR) {
                PQclear(res);
            } else {
                PQclear(last);
                last = res;
            }

            continue;
        }

        left = db->statement_ms > 0 ? (int) (end_ms - db_now_ms()) : -1;
        if (db->statement_ms > 0 && left <= 0) {
            log_line(LOG_ERROR, "database: no answer in time");
            break;
        }

        fd.fd = PQsocket(db->conn);
        fd.events = POLLIN | (flush > 0 ? POLLOUT : 0);
        fd.revents = 0;

        if (poll(&fd, 1, left) > 0 && (fd.revents & ~POLLOUT)
            && PQconsumeInput(db->conn) == 0)
        {
            break;
        }
    }

    /* a FATAL of the server that came before the connection broke */
    if (last != NULL && PQresultStatus(last) == PGRES_FATAL_ERROR) {
        return last;
    }

    PQclear(last);

    return NULL;
}


static int
db_simple(db_t *db, const char *sql)
{
    PGresult        *res;
    ExecStatusType   status;

    res = PQsendQuery(db->conn, sql) ? db_wait(db) : NULL;
    status = PQresultStatus(res);

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        db_refuse(db, "statement", res);
        return -1;
    }

    /* the commit of a transaction that had failed */
    if (strcmp(PQcmdStatus(res), "ROLLBACK") == 0
        && strcmp(sql, "COMMIT") == 0)
    {
        PQclear(res);
        db_fail(db, DB_FAILED, "");
        return -1;
    }

    PQclear(res);

    return 0;
}


/* By address: open addressing, never more than half full. */
static bool
db_is_prepared(db_t *db, const db_query_t *q, size_t *slot)
{
    size_t  i;

    i = ((uintptr_t) q >> 4) * 2654435761u % DB_PREPARED_MAX;

    while (db->prepared[i] != NULL && db->prepared[i] != q) {
        i = (i + 1) % DB_PREPARED_MAX;
    }

    *slot = i;

    return db->prepared[i] == q;
}


static int
db_prepare(db_t *db, const db_query_t *q)
{
    size_t     slot;
    PGresult  *res;

    if (db_is_prepared(db, q, &slot)) {
        return 0;
    }

    if (db->prepared_count >= DB_PREPARED_MAX / 2) {
        log_line(LOG_ERROR, "database: too many statements to prepare");
        abort();
    }

    res = PQsendPrepare(db->conn, q->name, q->sql, q->params, NULL)
              ? db_wait(db)
              : NULL;

    if (PQresultStatus(res) != PGRES_COMMAND_OK) {
        db_refuse(db, q->name, res);
        return -1;
    }

    PQclear(res);
    db->prepared[slot] = q;
    db->prepared_count++;

    return 0;
}


static PGresult *
db_send(db_t *db, const db_query_t *q, const char *const *params)
{
    PGresult        *res;
    ExecStatusType   status;

    if (db_prepare(db, q) != 0) {
        return NULL;
    }

    if (db->stats != NULL) {
        db->stats->queries++;
    }

    res = PQsendQueryPrepared(db->conn, q->name, q->params, params, NULL, NULL,
                              0)
              ? db_wait(db)
              : NULL;

    status = PQresultStatus(res);

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        db_refuse(db, q->name, res);
        return NULL;
    }

    return res;
}


static db_result_t *
db_once(db_t *db, const db_query_t *q, const char *const *params)
{
    PGresult     *res;
    db_result_t  *result;

    if (db->in_tx && db->conn == NULL) {
        db_fail(db, DB_DOWN, "");
        return NULL;
    }

    if (db_connect(db) != 0) {
        return NULL;
    }

    res = db_send(db, q, params);
    if (res == NULL) {
        return NULL;
    }

    result = malloc(sizeof(*result));
    if (result == NULL) {
        abort();
    }

    result->res = res;
    result->db = db;
    result->prev = NULL;
    result->next = db->results;

    if (db->results != NULL) {
        db->results->prev = result;
    }

    db->results = result;

    return result;
}


db_result_t *
db_query(db_t *db, const db_query_t *q, const char *const *params)
{
    bool          old;
    db_result_t  *result;

    old = db->conn != NULL;
    db->error = DB_OK;
    db->constraint[0] = '\0';

    result = db_once(db, q, params);

    if (result == NULL && db->error == DB_DOWN && old && db->retry_reads
        && !db->in_tx && db->conn == NULL)
    {
        db->error = DB_OK;
        result = db_once(db, q, params);
    }

    return result;
}


db_result_t *
db_query_n(db_t *db, const db_query_t *q, int n, const char *const *params)
{
    if (n != q->params) {
        log_line(LOG_ERROR, "database: %s has %d parameters, not %d", q->name,
                 q->params, n);
        abort();
    }

    return db_query(db, q, params);
}


int
db_script(db_t *db, const char *sql)
{
    db->error = DB_OK;
    db->constraint[0] = '\0';

    return db_connect(db) == 0 ? db_simple(db, sql) : -1;
}


int
db_begin(db_t *db)
{
    bool  old;

    old = db->conn != NULL;
    db->again = false;

    if (db_script(db, "BEGIN") != 0
        && (!old || db->conn != NULL || db_script(db, "BEGIN") != 0))
    {
        return -1;
    }

    db->in_tx = true;

    return 0;
}


int
db_commit(db_t *db)
{
    int  rc;

    if (db->conn == NULL) {
        db->in_tx = false;
        db_fail(db, DB_DOWN, "");
        return -1;
    }

    rc = db_script(db, "COMMIT");
    db->in_tx = false;

    if (rc != 0 && db->conn != NULL) {
        db_drop_tx(db);
    }

    return rc;
}


void
db_rollback(db_t *db)
{
    db_error_e  error;

    error = db->error;
    db->in_tx = false;

    if (db->conn != NULL) {
        db_drop_tx(db);
    }

    db->error = error;
}


/* Out of any transaction; a connection that cannot is closed. */
void
db_drop_tx(db_t *db)
{
    if (PQtransactionStatus(db->conn) == PQTRANS_IDLE) {
        return;
    }

    if (db_simple(db, "ROLLBACK") != 0) {
        db_drop(db);
    }
}


bool
db_wants_retry(db_t *db)
{
    return db->again;
}


void
db_retry_reads(db_t *db, bool on)
{
    db->retry_reads = on;
}
