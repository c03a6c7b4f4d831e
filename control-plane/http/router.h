/*
 * Routes: what is served, to whom, with which input. The table is the only
 * place; "control-plane --routes" prints it and the OpenAPI file is tested
 * against it.
 */

#ifndef ROUTER_H
#define ROUTER_H

#include "http/request.h"
#include "http/validate.h"

typedef int (*handler_pt)(request_t *r);

typedef enum {
    ACCESS_ANYONE = 0,          /* r->caller is filled in when logged in */
    ACCESS_USER,                /* 401 without a login; 403 when suspended */
    ACCESS_MODERATOR,           /* of the platform, or admin */
    ACCESS_ADMIN,
    ACCESS_NODE                 /* signed with the node key (lv_nodekey.h) */
} access_e;

#define ROUTE_SLOW        0x01  /* argon2id: runs on the slow pool */
#define ROUTE_REPLICA     0x02  /* may be answered by the read replica */
#define ROUTE_IDEMPOTENT  0x04  /* takes Idempotency-Key: the answer is kept
                                   with the write and given again */
#define ROUTE_NO_TX       0x08  /* makes its own transactions, if any */
#define ROUTE_LOGIN_ONLY  0x10  /* not with an API token */
#define ROUTE_ROOT        0x40  /* not below /api; also all of ACCESS_NODE */
#define ROUTE_NO_CALLER   0x20  /* who asks is not looked at, see caller.h */

typedef struct {
    const char     *method;
    const char     *path;       /* "/streams/{id}/keys"; without /api */
    handler_pt      handler;
    access_e        access;
    unsigned        flags;
    const char     *scope;      /* what an API token needs: "streams:write" */
    const field_t  *body;       /* ends with { 0 }; NULL: no body is taken */
    const field_t  *query;      /* ends with { 0 }; NULL: no parameters */
    const char     *rate;       /* name of the limit in conf ("write", "read",
                                   "login", "search"); NULL: "read" for GET,
                                   "write" for everything else */
} route_t;

/* Each handler file has one table, which ends with { 0 }; main lists them. */
extern const route_t  routes_auth[], routes_users[], routes_streams[],
                      routes_discovery[], routes_members[], routes_keys[],
                      routes_tokens[], routes_webhooks[], routes_admin[],
                      routes_internal[], routes_system[],
                      routes_admin_streams[], routes_admin_nodes[],
                      routes_lifecycle[], routes_broadcasts[],
                      routes_account[], routes_chat[],
                      routes_chat_moderation[], routes_chat_bans[],
                      routes_chat_words[], routes_chat_notes[],
                      routes_chat_review[], routes_subscriptions[],
                      routes_chat_polls[], routes_passphrase[];

#define ROUTES_MAX    255
#define ROUTE_PARAMS  4

typedef struct {
    const char  *name;
    const char  *value;         /* decoded */
    const char  *kind;          /* "streams", "users": the segment before */
} route_param_t;

/* Before anything else, and before there are threads. */
void router_init(void);

/* The n-th of all routes; NULL after the last one. */
const route_t *router_route(int n);

/*
 * The route of a method and a path as sent ("/api/…"); of several the one with
 * the first literal segment. NULL when there is none: allow is then the
 * methods of that path, comma separated, or "" when no route has it.
 */
const route_t *router_match(const char *method, const char *path, int *index,
    char *allow, size_t size);

/* For --routes: all of it as JSON. */
void router_print(void);

#endif
