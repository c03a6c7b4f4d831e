/* Bounds for guessing passwords: see lockout.h. */

#include <stdio.h>
#include <string.h>

#include "handler/lockout.h"
#include "http/proxy.h"
#include "main/token.h"


#define TEXT(x)     TEXT_OF(x)
#define TEXT_OF(x)  #x


static int lockout_count(request_t *r, const char *kind, const char *value,
    const char *free_failures);


/*
 * No row comes back while the wait of an earlier failure runs: then nothing is
 * counted either, and the wait does not grow. Of concurrent attempts each sees
 * what the one before it wrote.
 */
static const db_query_t  lockout_count_sql = {
    "lockout_count",
    "INSERT INTO login_failures AS f (kind, value, failures)"
    " VALUES ($1, $2, 1)"
    " ON CONFLICT (kind, value) DO UPDATE SET"
    "  failures = CASE"
    "   WHEN f.last_at < now() - interval '" TEXT(LOCKOUT_FORGET_S) " s'"
    "   THEN 1 ELSE f.failures + 1 END,"
    "  first_at = CASE"
    "   WHEN f.last_at < now() - interval '" TEXT(LOCKOUT_FORGET_S) " s'"
    "   THEN now() ELSE f.first_at END,"
    "  last_at = now(),"
    "  locked_until = CASE"
    "   WHEN f.last_at >= now() - interval '" TEXT(LOCKOUT_FORGET_S) " s'"
    "    AND f.failures + 1 >= $3::integer"
    "   THEN now() + make_interval(secs => least("
    TEXT(LOCKOUT_WAIT_MAX_S) ", " TEXT(LOCKOUT_WAIT_S)
    "    * power(2, least(f.failures + 1 - $3::integer, 10)))) END"
    " WHERE f.locked_until IS NULL OR f.locked_until <= now()"
    " RETURNING failures",
    3
};
DB_REGISTER(lockout_count_sql);

static const db_query_t  lockout_wait_sql = {
    "lockout_wait",
    "SELECT greatest(1, ceil(extract(epoch FROM locked_until - now())))::int"
    "  FROM login_failures WHERE kind = $1 AND value = $2",
    2
};
DB_REGISTER(lockout_wait_sql);

/* The account's own counter goes; the address has proven something about this
 * account only, and gets back what this attempt had cost. */
static const db_query_t  lockout_forgive_sql = {
    "lockout_forgive",
    "WITH account AS ("
    " DELETE FROM login_failures WHERE kind = $1 AND value = $2)"
    "UPDATE login_failures"
    "   SET failures = greatest(failures - 1, 0), locked_until = NULL"
    " WHERE kind = 'addr' AND value = $3",
    3
};
DB_REGISTER(lockout_forgive_sql);


int
lockout_attempt(request_t *r, lockout_t *lock, const char *login, bool known)
{
    int   status;
    char  hash[TOKEN_HASH_TEXT];

    /* what strangers typed is kept as a hash only */
    token_hash(login, hash);
    proxies_network(r->addr, lock->addr);

    lock->kind = known ? "user_addr" : "user";
    lock->value = request_printf(r, "%s%s%s", hash, known ? " " : "",
                                 known ? lock->addr : "");

    /* the address first: who is locked out there does not lock accounts */
    status = lockout_count(r, "addr", lock->addr, TEXT(LOCKOUT_ADDR_FREE));
    if (status != 0) {
        return status;
    }

    return lockout_count(r, lock->kind, lock->value,
                         TEXT(LOCKOUT_USER_FREE));
}


static int
lockout_count(request_t *r, const char *kind, const char *value,
    const char *free_failures)
{
    db_result_t  *res;
    const char   *wait;

    res = db_run(r->db, &lockout_count_sql, kind, value, free_failures);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 1) {
        db_free(res);
        return 0;
    }

    res = db_run(r->db, &lockout_wait_sql, kind, value);
    if (res == NULL) {
        return problem_db(r);
    }

    wait = db_rows(res) == 1 && !db_null(res, 0, 0) ? db_text(res, 0, 0) : "1";
    respond_header(r, "Retry-After", wait);

    return problem(r, 429, "too-many-attempts",
                   "Too many failed attempts. Try again later.");
}


int
lockout_forgive(request_t *r, const lockout_t *lock)
{
    return db_run(r->db, &lockout_forgive_sql, lock->kind, lock->value,
                  lock->addr) == NULL ? -1 : 0;
}
