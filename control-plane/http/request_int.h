/*
 * What the files of http/ share about a request. Handlers do not include it.
 *
 * A request's life: request_create() when its line has come; server.c gathers
 * the body; run.c decides and answers; request_free() when the answer was sent
 * or the connection is gone.
 */

#ifndef REQUEST_INT_H
#define REQUEST_INT_H

#include "http/request.h"
#include "http/router.h"

#define REQUEST_QUERY_MAX    16         /* parameters */
#define REQUEST_HEADERS_MAX  16         /* of the answer */
#define REQUEST_BODY_MAX     65536
#define REQUEST_NODE_MAX     8388608    /* a node's heartbeat: 4096 streams */
#define REQUEST_TARGET_MAX   4096
#define REQUEST_JSON_DEPTH   32

struct MHD_Connection;

typedef struct {
    const char  *name;
    const char  *value;
} pair_t;

typedef struct chunk_s  chunk_t;

typedef struct request_priv_s {
    struct MHD_Connection *conn;        /* NULL outside of the server */
    chunk_t        *chunks;             /* request_alloc() */
    const char     *target;             /* as sent: path and query */
    const route_t  *route;              /* NULL: none */
    int             index;              /* of the route, for metrics; -1 */
    route_param_t   params[ROUTE_PARAMS + 1];
    pair_t          query[REQUEST_QUERY_MAX];
    int             nquery;

    char           *upload;             /* the body as sent */
    size_t          upload_len, upload_size, upload_max;
    bool            too_large;
    int64_t         started_us;

    bool            versioned;          /* If-Match was looked at */
    bool            keep;

    /* the answer; status 0: none yet */
    int             status;
    char           *text;
    size_t          text_len;
    const char     *type;
    pair_t          headers[REQUEST_HEADERS_MAX];
    int             nheaders;
    int             fixed;              /* those from before the handler */

    /* server.c's */
    bool            begun, suspended, sent;
    struct request_s *next, *prev;      /* of those that are being read */
    int64_t         deadline_ms;
} request_priv_t;

request_t *request_create(struct app_s *app);
void request_free(request_t *r);

/* Takes the answer back, for another run of the handler. */
void request_reset(request_t *r);

/* Another reply's text, taken over (malloc'd). */
int respond_raw(request_t *r, int status, const char *type, char *text,
    size_t len);
const char *respond_find(request_t *r, const char *name);

/* Splits target into r->path and the query. 0, or the status answered. */
int request_target(request_t *r, const char *target);

/* Finds the route; 404 and 405 are answered. */
int request_route(request_t *r);

/* Query, path parameters and body by the route's tables. 0, or the status. */
int validate_params(request_t *r);
int validate_body(request_t *r);

/* All of it, on this thread, until there is an answer. */
void request_run(request_t *r);
/* What comes before the body: the route, the node's signature. */
void request_head(request_t *r);
/* Limits by address, for what is to wait for the slow pool. */
int request_limit_early(request_t *r);

/* 503 with Retry-After. */
int problem_busy(request_t *r, const char *type, const char *detail);

/* Whether the client has this ETag already. */
bool request_not_modified(request_t *r);

int64_t clock_us(void);

#endif
