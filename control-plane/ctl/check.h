/* What the files of "live-ctl check" share. */

#ifndef CHECK_H
#define CHECK_H

#include "ctl/ctl.h"
#include "db/db.h"
#include "main/conf.h"
#include "main/crypt.h"

typedef struct {
    conf_t   *conf;
    crypt_t  *crypt;        /* NULL: it could not be read */
    db_t     *db;           /* NULL: it does not answer, or has no schema */
    bool      json;
    json_t   *found;        /* for --json */
    int       wrong, odd;
} check_t;

/* A line each. what: two or three words; advice: what to do. */
void check_ok(check_t *c, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void check_odd(check_t *c, const char *what, const char *advice,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void check_wrong(check_t *c, const char *what, const char *advice,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The disk that a path is on. */
void check_disk(check_t *c, const char *path);

void check_files(check_t *c, const char *path);
void check_database(check_t *c);
void check_secrets(check_t *c);
void check_nodes(check_t *c);
void check_services(check_t *c);

/*
 * The answer's "Date" in Unix seconds, of a HEAD request to a URL; 0 when it
 * has none. -1 when nobody answers; *error is a static sentence then.
 */
long long check_date(const char *url, long *status, const char **error);

#endif
