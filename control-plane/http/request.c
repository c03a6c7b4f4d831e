/* Requests and their answers: see request.h. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <microhttpd.h>

#include "http/request_int.h"

#define CHUNK_SIZE      4000
#define FIELD_NAME_MAX  100

struct chunk_s {
    chunk_t  *next;
    size_t    used, size;
    _Alignas(16) char data[];
};


int64_t
clock_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


request_t *
request_create(struct app_s *app)
{
    request_t  *r;

    r = calloc(1, sizeof(*r));
    if (r == NULL) {
        abort();
    }

    r->priv = calloc(1, sizeof(*r->priv));
    if (r->priv == NULL) {
        abort();
    }

    r->app = app;
    r->now = time(NULL);
    r->method = r->path = r->request_id = r->addr = r->user_agent = "";
    r->priv->target = "";
    r->priv->index = -1;
    r->priv->upload_max = REQUEST_BODY_MAX;
    r->priv->started_us = clock_us();

    return r;
}


void
request_free(request_t *r)
{
    chunk_t  *chunk;

    while ((chunk = r->priv->chunks) != NULL) {
        r->priv->chunks = chunk->next;
        free(chunk);
    }

    json_decref(r->body);
    free(r->priv->upload);
    free(r->priv->text);
    free(r->priv);
    free(r);
}


void
request_reset(request_t *r)
{
    request_priv_t  *p = r->priv;

    free(p->text);
    p->text = NULL;
    p->text_len = 0;
    p->status = 0;
    p->nheaders = p->fixed;
    p->versioned = false;
    p->keep = false;
}


void *
request_alloc(request_t *r, size_t size)
{
    void     *data;
    size_t    room;
    chunk_t  *chunk;

    size = (size + 15) & ~(size_t) 15;
    chunk = r->priv->chunks;

    if (chunk == NULL || chunk->size - chunk->used < size) {
        room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        chunk = malloc(sizeof(*chunk) + room);

        if (chunk == NULL) {
            abort();
        }

        chunk->next = r->priv->chunks;
        chunk->used = 0;
        chunk->size = room;
        r->priv->chunks = chunk;
    }

    data = chunk->data + chunk->used;
    chunk->used += size;

    return memset(data, 0, size);
}


char *
request_printf(request_t *r, const char *fmt, ...)
{
    int      len;
    char    *text;
    va_list  args;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);

    text = request_alloc(r, (size_t) len + 1);

    va_start(args, fmt);
    vsnprintf(text, (size_t) len + 1, fmt, args);
    va_end(args);

    return text;
}


const char *
request_param(request_t *r, const char *name)
{
    for (int i = 0; r->priv->params[i].name != NULL; i++) {
        if (strcmp(r->priv->params[i].name, name) == 0) {
            return r->priv->params[i].value;
        }
    }

    return NULL;
}


const char *
request_query(request_t *r, const char *name)
{
    for (int i = 0; i < r->priv->nquery; i++) {
        if (strcmp(r->priv->query[i].name, name) == 0) {
            return r->priv->query[i].value;
        }
    }

    return NULL;
}


const char *
request_header(request_t *r, const char *name)
{
    return r->priv->conn != NULL
               ? MHD_lookup_connection_value(r->priv->conn, MHD_HEADER_KIND,
                                             name)
               : NULL;
}


/* ---- answers */


int
respond_raw(request_t *r, int status, const char *type, char *text, size_t len)
{
    free(r->priv->text);
    r->priv->status = status;
    r->priv->type = type;
    r->priv->text = text;
    r->priv->text_len = len;

    return status;
}


int
respond(request_t *r, int status, json_t *json)
{
    char  *text;

    text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY)
                        : NULL;
    json_decref(json);

    if (text == NULL) {
        return problem(r, 500, "internal", NULL);
    }

    return respond_raw(r, status, "application/json", text, strlen(text));
}


int
respond_text(request_t *r, int status, const char *text)
{
    char  *copy;

    copy = strdup(text);
    if (copy == NULL) {
        abort();
    }

    return respond_raw(r, status, "application/json", copy, strlen(copy));
}


int
respond_empty(request_t *r)
{
    return respond_raw(r, 204, NULL, NULL, 0);
}


const char *
respond_find(request_t *r, const char *name)
{
    for (int i = 0; i < r->priv->nheaders; i++) {
        if (strcasecmp(r->priv->headers[i].name, name) == 0) {
            return r->priv->headers[i].value;
        }
    }

    return NULL;
}


void
respond_header(request_t *r, const char *name, const char *value)
{
    int              i;
    request_priv_t  *p = r->priv;

    for (i = 0; i < p->nheaders; i++) {
        if (strcasecmp(p->headers[i].name, name) == 0) {
            break;
        }
    }

    if (i == REQUEST_HEADERS_MAX) {
        return;
    }

    p->headers[i].name = request_printf(r, "%s", name);
    p->headers[i].value = request_printf(r, "%s", value);
    p->nheaders = i == p->nheaders ? i + 1 : p->nheaders;
}


static const char *
problem_title(int status)
{
    static const struct {
        int          status;
        const char  *title;
    } titles[] = {
        { 400, "Bad request" }, { 401, "Login required" },
        { 403, "Not allowed" }, { 404, "Not found" },
        { 405, "Method not allowed" }, { 408, "Too slow" },
        { 409, "Conflict" }, { 410, "Gone" }, { 412, "Changed meanwhile" },
        { 413, "Too large" }, { 414, "Address too long" },
        { 415, "Not JSON" }, { 422, "Not valid" },
        { 428, "Precondition required" }, { 429, "Too many requests" },
        { 500, "Internal error" }, { 502, "Bad gateway" },
        { 503, "Not available now" },
    };

    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }

    return "Error";
}


static int
problem_json(request_t *r, int status, const char *type, const char *detail,
    json_t *errors)
{
    char    *text;
    json_t  *doc;

    doc = json_pack("{s:o, s:s, s:i, s:s*, s:o*, s:s}",
                    "type", json_sprintf("/problems/%s", type),
                    "title", problem_title(status), "status", status,
                    "detail", detail, "errors", errors,
                    "request_id", r->request_id);

    text = doc != NULL ? json_dumps(doc, JSON_COMPACT) : NULL;
    json_decref(doc);

    if (text == NULL) {
        abort();
    }

    return respond_raw(r, status, "application/problem+json", text,
                       strlen(text));
}


int
problem(request_t *r, int status, const char *type, const char *detail)
{
    return problem_json(r, status, type, detail, NULL);
}


int
problem_field(request_t *r, const char *field, const char *detail)
{
    json_t  *errors;

    /* a name of nobody's table comes from outside, and may be anything */
    if (strlen(field) > FIELD_NAME_MAX) {
        field = "";
    }

    errors = json_pack("[{s:s, s:s}]", "field", field, "detail", detail);

    return problem_json(r, 422, "validation", detail, errors);
}


int
problem_busy(request_t *r, const char *type, const char *detail)
{
    respond_header(r, "Retry-After", "1");

    return problem(r, 503, type, detail);
}


int
problem_db(request_t *r)
{
    switch (db_error(r->db)) {

    case DB_OK:
    case DB_FAILED:
        return problem(r, 500, "internal", NULL);

    case DB_DOWN:
    case DB_TIMEOUT:
        return problem_busy(r, "unavailable",
                            "The database does not answer now.");

    case DB_AGAIN:
        return problem_busy(r, "busy", "Too many changes at once.");

    case DB_DUPLICATE:
    case DB_REFERENCE:
        return problem(r, 409, "conflict",
                       "That exists already, or what it needs does not.");

    case DB_CHECK:
        break;
    }

    return problem(r, 422, "validation",
                   "A value is not one that it can have.");
}


void
request_keep(request_t *r)
{
    r->priv->keep = true;
}


/* Whether an entity tag is in the list of a condition (RFC 9110 13.1). */
static bool
etag_in(const char *list, const char *etag)
{
    size_t       len;
    const char  *p;

    len = strlen(etag);
    p = list;

    for ( ;; ) {
        p += strspn(p, " \t,");

        if (*p == '*') {
            return true;
        }

        if (strncmp(p, "W/", 2) == 0) {
            p += 2;
        }

        if (*p != '"') {
            return false;
        }

        if (strncmp(p, etag, len) == 0) {
            return true;
        }

        p = strchr(p + 1, '"');
        if (p == NULL) {
            return false;
        }

        p++;
    }
}


bool
request_version(request_t *r, const char *version)
{
    char         etag[100];
    const char  *match;

    snprintf(etag, sizeof(etag), "\"%s\"", version);
    respond_header(r, "ETag", etag);

    /* a handler says it once more after its change */
    if (r->priv->versioned) {
        return true;
    }

    r->priv->versioned = true;
    match = request_header(r, "If-Match");

    if (match != NULL && !etag_in(match, etag)) {
        problem(r, 412, "changed",
                "It was changed since you read it: read it again.");
        return false;
    }

    return true;
}


bool
request_not_modified(request_t *r)
{
    const char  *etag, *match;

    etag = respond_find(r, "ETag");
    match = request_header(r, "If-None-Match");

    return etag != NULL && match != NULL && strcmp(r->method, "GET") == 0
           && etag_in(match, etag);
}
