/* Results: see db.h. */

#include <stdlib.h>
#include <string.h>

#include "db/db_int.h"


db_error_e
db_error(db_t *db)
{
    return db->error;
}


const char *
db_constraint(db_t *db)
{
    return db->constraint;
}


const char *
db_message(db_t *db)
{
    return db->message;
}


int
db_rows(const db_result_t *res)
{
    return PQntuples(res->res);
}


int64_t
db_affected(const db_result_t *res)
{
    return strtoll(PQcmdTuples(res->res), NULL, 10);
}


const char *
db_text(const db_result_t *res, int row, int col)
{
    return PQgetvalue(res->res, row, col);
}


bool
db_null(const db_result_t *res, int row, int col)
{
    return PQgetisnull(res->res, row, col);
}


int64_t
db_int(const db_result_t *res, int row, int col)
{
    return strtoll(PQgetvalue(res->res, row, col), NULL, 10);
}


bool
db_bool(const db_result_t *res, int row, int col)
{
    return PQgetvalue(res->res, row, col)[0] == 't';
}


void
db_free(db_result_t *res)
{
    if (res == NULL) {
        return;
    }

    if (res->prev != NULL) {
        res->prev->next = res->next;
    } else {
        res->db->results = res->next;
    }

    if (res->next != NULL) {
        res->next->prev = res->prev;
    }

    PQclear(res->res);
    free(res);
}


void
db_release(db_t *db)
{
    while (db->results != NULL) {
        db_free(db->results);
    }
}
