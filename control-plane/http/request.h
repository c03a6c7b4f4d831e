/*
 * One API request, from the checked input to the answer. Handlers see nothing
 * of the HTTP library.
 *
 * A request runs on one thread from beginning to end: an HTTP thread, or one
 * of the slow pool (ROUTE_SLOW). It owns that thread's database connection.
 * Every method but GET runs inside one transaction, which the router begins
 * before the handler and commits when the status is below 400; the answer is
 * sent after the commit. Handlers therefore never write BEGIN or COMMIT.
 * A handler may be run again when the database asks for it (serialization
 * failure, deadlock): it changes nothing but the database and its answer.
 */

#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

#include "db/db.h"

typedef enum { ROLE_NONE = 0, ROLE_USER, ROLE_MODERATOR, ROLE_ADMIN } role_e;

/* Who asks. user is 0 for anyone not logged in. */
typedef struct {
    int64_t      user;              /* users.id */
    char         user_text[24];     /* the same as a query parameter */
    role_e       role;
    int64_t      session;           /* sessions.id, or 0 */
    int64_t      api_token;         /* api_tokens.id, or 0 */
    const char  *scopes;            /* of an API token, space separated; NULL:
                                       everything */
} caller_t;

typedef struct request_s request_t;

struct request_s {
    const char  *method;            /* "GET" for HEAD too */
    const char  *path;              /* without /api, without the query */
    caller_t     caller;
    json_t      *body;              /* checked by route_t.body; or NULL */
    db_t        *db;                /* the primary; the replica for
                                       ROUTE_REPLICA routes, if there is one */
    const char  *request_id;        /* nginx's, or made here */
    const char  *addr;              /* the client's, through trusted proxies */
    const char  *user_agent;        /* "" when there is none; printable */
    int64_t      now;               /* Unix seconds */
    struct app_s *app;              /* main/app.h */
    struct request_priv_s *priv;
};

/* Path parameters by name ("id" of /streams/{id}); "me" in /users/{id} has
 * been replaced. Query parameters by name: NULL when absent; both checked. */
const char *request_param(request_t *r, const char *name);
const char *request_query(request_t *r, const char *name);
const char *request_header(request_t *r, const char *name);

/* Memory that lives until the answer was sent. Never NULL (a request is
 * bounded; out of memory ends the process). */
void *request_alloc(request_t *r, size_t size);
char *request_printf(request_t *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- the answer. Each returns the status, so that a handler ends in
 *      "return respond(r, 200, json);" */

/* Takes over the reference. */
int respond(request_t *r, int status, json_t *json);
/* text is JSON that the database made; copied. */
int respond_text(request_t *r, int status, const char *text);
int respond_empty(request_t *r);                        /* 204 */

/*
 * RFC 9457. type is the last part of the problem's URI (/problems/<type>) and
 * what programs look at: "not-found", "conflict", "validation", …; detail is
 * a sentence for people, without secrets, may be NULL.
 */
int problem(request_t *r, int status, const char *type, const char *detail);
/* With the field's name in "errors": [{"field", "detail"}]; status 422. */
int problem_field(request_t *r, const char *field, const char *detail);
/* For a failed db call, from db_error(): 503 with Retry-After, 409, 422. */
int problem_db(request_t *r);

/* Copied. Also ETag and Location. */
void respond_header(request_t *r, const char *name, const char *value);

/*
 * Optimistic locking: sets ETag from an object's version (integer column
 * "version"), and returns false after answering 412 when If-Match was given
 * and is another one. For GET a matching If-None-Match becomes 304 by itself.
 */
bool request_version(request_t *r, const char *version);

/* Commit in spite of a status of 400 and above (a failed login is counted). */
void request_keep(request_t *r);

/* A line in the audit log, in the request's transaction; json may be NULL, is
 * taken over and must not hold secrets. what: "stream.delete"; object:
 * "stream", id: its id. 0, or -1 as db calls do. */
int audit(request_t *r, const char *what, const char *object, const char *id,
    json_t *details);

#endif
