/* What runs the service asks: is it there, can it work, how is it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/migrate.h"
#include "db/pool.h"
#include "http/rate.h"
#include "http/request_int.h"
#include "main/app.h"
#include "main/metrics.h"

#define OPENAPI_MAX  4194304


/* The process answers; nothing else is looked at. */
static int
healthz_get(request_t *r)
{
    return respond_text(r, 200, "{\"status\":\"ok\"}");
}


/* It can do its work: the database answers and has our schema. */
static int
readyz_get(request_t *r)
{
    bool         redis, up;
    char        *jwks;
    const char  *why;

    why = migrate_wrong(r->db);

    if (why == NULL) {
        jwks = signing_jwks(r->app->signing, NULL);
        why = jwks == NULL ? "There is no signing key yet." : NULL;
        free(jwks);
    }

    if (why == NULL && r->app->draining) {
        why = "It is shutting down.";
    }

    if (why != NULL) {
        return problem_busy(r, "unavailable", why);
    }

    redis = limits_redis(r->app->limits, &up);

    return respond(r, 200,
                   json_pack("{s:s, s:s, s:s}", "status", "ok", "database",
                             "ok", "redis",
                             !redis ? "off" : up ? "ok" : "down"));
}


static int
metrics_get(request_t *r)
{
    char  *text;

    text = metrics_text(r->app);

    return respond_raw(r, 200, "text/plain; version=0.0.4", text,
                       strlen(text));
}


static int
openapi_get(request_t *r)
{
    char    *text;
    FILE    *file;
    size_t   len;

    file = fopen(conf_text(r->app->conf, "openapi"), "re");
    if (file == NULL) {
        return problem(r, 404, "not-found", "openapi.json is not installed.");
    }

    text = malloc(OPENAPI_MAX);
    if (text == NULL) {
        abort();
    }

    len = fread(text, 1, OPENAPI_MAX, file);
    fclose(file);
    respond_header(r, "Cache-Control", "public, max-age=300");

    return respond_raw(r, 200, "application/json", text, len);
}


const route_t  routes_system[] = {
    { "GET", "/healthz", healthz_get, .flags = ROUTE_ROOT },
    { "GET", "/readyz", readyz_get, .flags = ROUTE_ROOT },
    { "GET", "/metrics", metrics_get, .flags = ROUTE_ROOT },
    { "GET", "/openapi.json", openapi_get, .flags = ROUTE_NO_CALLER },
    { 0 }
};
