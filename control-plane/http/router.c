/* The table of all routes: see router.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/request_int.h"
#include "http/text.h"

static const route_t *const  tables[] = {
    routes_auth, routes_users, routes_streams, routes_discovery,
    routes_members, routes_keys, routes_tokens, routes_webhooks, routes_admin,
    routes_admin_streams, routes_admin_nodes, routes_internal, routes_system,
    routes_lifecycle, routes_broadcasts, routes_account, routes_chat,
    routes_chat_moderation, routes_chat_bans, routes_chat_words,
    routes_chat_notes, routes_chat_polls, routes_chat_review,
    routes_subscriptions, routes_passphrase,
};

#define TABLES  (sizeof(tables) / sizeof(tables[0]))


/* The tables as one; made once, before there are threads. */
static const route_t  *routes[ROUTES_MAX + 1];


void
router_init(void)
{
    int  n;

    n = 0;

    for (size_t i = 0; i < TABLES; i++) {
        for (const route_t *route = tables[i]; route->method != NULL; route++)
        {
            if (n == ROUTES_MAX) {
                abort();
            }

            routes[n++] = route;
        }
    }
}


const route_t *
router_route(int n)
{
    return n >= 0 && n <= ROUTES_MAX ? routes[n] : NULL;
}


static bool
route_is_root(const route_t *route)
{
    return (route->flags & ROUTE_ROOT) || route->access == ACCESS_NODE;
}


/*
 * Whether path is of the pattern. score: more for each segment that is
 * literal, the first ones weigh most ("/streams/live" before "/streams/{id}").
 */
static bool
route_fits(const char *pattern, const char *path, unsigned *score)
{
    size_t  want, have;

    *score = 0;

    for ( ;; ) {
        want = strcspn(pattern, "/");
        have = strcspn(path, "/");
        *score <<= 1;

        if (*pattern == '{') {
            if (have == 0) {
                return false;
            }

        } else {
            if (want != have || memcmp(pattern, path, want) != 0) {
                return false;
            }

            *score |= 1;
        }

        pattern += want;
        path += have;

        if (*pattern == '\0' || *path == '\0') {
            return *pattern == *path;
        }

        pattern++;
        path++;
    }
}


static void
allow_add(char *allow, size_t size, const char *method)
{
    size_t  len;

    if (strstr(allow, method) != NULL) {
        return;
    }

    len = strlen(allow);
    snprintf(allow + len, size - len, "%s%s", len ? ", " : "", method);
}


const route_t *
router_match(const char *method, const char *path, int *index, char *allow,
    size_t size)
{
    int             n;
    bool            root;
    unsigned        score, best;
    const route_t  *route, *found;

    root = strncmp(path, "/api/", 5) != 0;
    path += root ? 1 : 5;
    allow[0] = '\0';
    found = NULL;
    best = 0;
    *index = -1;

    for (n = 0; (route = router_route(n)) != NULL; n++) {

        if (route_is_root(route) != root
            || !route_fits(route->path + 1, path, &score))
        {
            continue;
        }

        if (strcmp(route->method, method) == 0
            || (strcmp(method, "HEAD") == 0
                && strcmp(route->method, "GET") == 0))
        {
            if (found == NULL || score > best) {
                found = route;
                best = score;
                *index = n;
            }
        }

        allow_add(allow, size, route->method);

        if (strcmp(route->method, "GET") == 0) {
            allow_add(allow, size, "HEAD");
        }
    }

    return found;
}


int
request_route(request_t *r)
{
    int              n;
    char             allow[100], *path, *end;
    size_t           len;
    const char      *pattern, *kind;
    request_priv_t  *p = r->priv;

    p->route = router_match(r->method, r->path, &p->index, allow,
                            sizeof(allow));

    if (p->route == NULL) {

        if (allow[0] == '\0') {
            return problem(r, 404, "not-found", "There is no such address.");
        }

        respond_header(r, "Allow", allow);
        return problem(r, 405, "method", "This address takes other methods.");
    }

    if (!route_is_root(p->route)) {
        r->path += 4;
    }

    path = request_printf(r, "%s", r->path + 1);
    pattern = p->route->path + 1;
    kind = "";
    n = 0;

    for ( ;; ) {
        len = strcspn(pattern, "/");
        end = path + strcspn(path, "/");

        if (*pattern == '{' && n < ROUTE_PARAMS) {
            p->params[n].name = request_printf(r, "%.*s", (int) len - 2,
                                               pattern + 1);
            p->params[n].value = path;
            p->params[n].kind = kind;
            n++;
        } else {
            kind = request_printf(r, "%.*s", (int) len, pattern);
        }

        if (pattern[len] == '\0') {
            break;
        }

        *end = '\0';
        path = end + 1;
        pattern += len + 1;
    }

    for (n = 0; p->params[n].name != NULL; n++) {
        if (percent_decode((char *) p->params[n].value, false) != 0) {
            return problem(r, 400, "bad-address",
                           "The address is not UTF-8.");
        }
    }

    return 0;
}


/* ---- as JSON */


static json_t *
fields_json(const field_t *fields)
{
    json_t  *list, *field;

    list = json_array();

    for ( /* void */ ; fields != NULL && fields->name != NULL; fields++) {
        static const char *const  types[] = {
            "end", "text", "lines", "secret", "int", "bool", "time", "id",
            "stream", "one_of", "list", "object", "url", "email", "username",
            "cursor"
        };

        field = json_pack("{s:s, s:s, s:b, s:b, s:I, s:I, s:s*, s:i, s:o*}",
                          "name", fields->name, "type", types[fields->type],
                          "required", (fields->flags & FIELD_REQUIRED) != 0,
                          "nullable", (fields->flags & FIELD_NULLABLE) != 0,
                          "min", (json_int_t) fields->min,
                          "max", (json_int_t) fields->max, "of", fields->of,
                          "each", fields->each, "fields",
                          fields->fields ? fields_json(fields->fields) : NULL);
        json_array_append_new(list, field);
    }

    return list;
}


void
router_print(void)
{
    static const char *const  access[] = { "anyone", "user", "moderator",
                                           "admin", "node" };
    json_t                   *list;
    const route_t            *route;

    list = json_array();

    for (int i = 0; (route = router_route(i)) != NULL; i++) {
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:s, s:s*, s:o*, s:o, s:s*, s:b, s:b, s:b,"
                      " s:b, s:b}",
                      "method", route->method, "path", route->path, "access",
                      access[route->access], "scope", route->scope, "body",
                      route->body ? fields_json(route->body) : NULL, "query",
                      fields_json(route->query), "rate", route->rate, "slow",
                      (route->flags & ROUTE_SLOW) != 0, "idempotent",
                      (route->flags & ROUTE_IDEMPOTENT) != 0, "login_only",
                      (route->flags & ROUTE_LOGIN_ONLY) != 0, "root",
                      route_is_root(route), "no_caller",
                      (route->flags & ROUTE_NO_CALLER) != 0));
    }

    json_dumpf(list, stdout, JSON_INDENT(1));
    printf("\n");
    json_decref(list);
}
