/*
 * CORS for players on other pages: live_cors * | ORIGIN ... | off.
 *
 * A header filter, so that every answer in a live location has it: media,
 * 304s, redirects, and the errors that other modules make (access rules,
 * limit_req), error pages included.
 *
 * With `*` any page may read, without credentials. A page that uses the cookie
 * needs its own origin named, so where a cookie may be the key (live_token on,
 * a plain path) the origin is echoed, and "Vary: Origin" keeps caches right. A
 * path with a token in it never needs that: its answers are the same for all.
 */

#include "ngx_live_http.h"


static ngx_int_t ngx_live_http_cors_filter(ngx_http_request_t *r);
static ngx_int_t ngx_live_http_cors_headers(ngx_http_request_t *r,
    ngx_live_http_conf_t *conf, ngx_live_http_ctx_t *ctx, ngx_str_t *origin);
static ngx_str_t *ngx_live_http_cors_origin(ngx_http_request_t *r);
static void ngx_live_http_cors_drop(ngx_http_request_t *r);
static ngx_uint_t ngx_live_http_cors_preflighted(ngx_table_elt_t *h);


static ngx_str_t  ngx_live_http_cors_expose = ngx_string(
    "Age, Content-Length, Content-Range, Date, ETag, Location, Retry-After, "
    "Server-Timing");
static ngx_str_t  ngx_live_http_cors_methods = ngx_string(
    "GET, HEAD, POST, OPTIONS");
static ngx_str_t  ngx_live_http_cors_request = ngx_string(
    "Authorization, Cache-Control, Content-Type, If-Modified-Since, "
    "If-None-Match, Pragma, Range");
static ngx_str_t  ngx_live_http_cors_age = ngx_string("86400");
static ngx_str_t  ngx_live_http_cors_star = ngx_string("*");
static ngx_str_t  ngx_live_http_cors_true = ngx_string("true");
static ngx_str_t  ngx_live_http_cors_vary = ngx_string("Origin");


static ngx_http_output_header_filter_pt  ngx_live_http_cors_next;


ngx_int_t
ngx_live_http_cors_filter_init(ngx_conf_t *cf)
{
    ngx_live_http_cors_next = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_live_http_cors_filter;

    return NGX_OK;
}


static ngx_int_t
ngx_live_http_cors_filter(ngx_http_request_t *r)
{
    ngx_live_http_ctx_t   *ctx;
    ngx_live_http_conf_t  *conf;

    if (r != r->main) {
        return ngx_live_http_cors_next(r);
    }

    ctx = ngx_live_http_ctx(r);

    /* of the location that the client asked for, not of the error page's */

    conf = ctx && ctx->cors
           ? ctx->cors
           : ngx_http_get_module_loc_conf(r, ngx_http_live_auth_module);

    if (!(conf->live || conf->token || (ctx && ctx->cors))
        || (conf->cors.list == NULL && conf->cors.any != 1))
    {
        return ngx_live_http_cors_next(r);
    }

    if (ngx_live_http_cors_headers(r, conf, ctx, ngx_live_http_cors_origin(r))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_live_http_cors_next(r);
}


static ngx_int_t
ngx_live_http_cors_headers(ngx_http_request_t *r, ngx_live_http_conf_t *conf,
    ngx_live_http_ctx_t *ctx, ngx_str_t *origin)
{
    ngx_str_t   *allow;
    ngx_uint_t   cookie, vary;

    cookie = conf->token && conf->cookie.len
             && (ctx == NULL || ctx->source != NGX_LIVE_TOKEN_PATH);
    vary = cookie || !conf->cors.any;

    if (conf->cors.any) {
        allow = cookie && origin ? origin : &ngx_live_http_cors_star;

    } else {
        allow = origin && ngx_live_http_origins_has(&conf->cors, origin)
                ? origin : NULL;
    }

    ngx_live_http_cors_drop(r);

    if (vary
        && ngx_live_http_header(r, "Vary", &ngx_live_http_cors_vary) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (allow == NULL) {
        return NGX_OK;
    }

    if (ngx_live_http_header(r, "Access-Control-Allow-Origin", allow) != NGX_OK
        || ngx_live_http_header(r, "Access-Control-Expose-Headers",
                                &ngx_live_http_cors_expose)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (cookie && allow == origin
        && ngx_live_http_header(r, "Access-Control-Allow-Credentials",
                                &ngx_live_http_cors_true)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * What is there already: from a node behind this one (two are as bad as none),
 * or from here, when another filter made an error of the answer (416).
 */
static void
ngx_live_http_cors_drop(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_out.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].value.data == ngx_live_http_cors_vary.data
            || (h[i].key.len > sizeof("Access-Control-") - 1
                && ngx_strncasecmp(h[i].key.data, (u_char *) "Access-Control-",
                                   sizeof("Access-Control-") - 1)
                   == 0
                && !ngx_live_http_cors_preflighted(&h[i])))
        {
            h[i].hash = 0;
        }
    }
}


/* One of the headers of ngx_live_http_cors_preflight(). */
static ngx_uint_t
ngx_live_http_cors_preflighted(ngx_table_elt_t *h)
{
    return h->value.data == ngx_live_http_cors_methods.data
           || h->value.data == ngx_live_http_cors_request.data
           || h->value.data == ngx_live_http_cors_age.data;
}


static ngx_table_elt_t *
ngx_live_http_cors_find(ngx_http_request_t *r, const char *name, size_t len)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return NULL;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len == len
            && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
        {
            return &h[i];
        }
    }
}


static ngx_str_t *
ngx_live_http_cors_origin(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;

    h = ngx_live_http_cors_find(r, "Origin", sizeof("Origin") - 1);

    return h && h->value.len ? &h->value : NULL;
}


/*
 * A preflight request carries no token, so it is answered before one is asked
 * for; in the access phase, where ours comes first.
 */
ngx_uint_t
ngx_live_http_cors_preflight(ngx_http_request_t *r, ngx_live_http_conf_t *conf,
    ngx_int_t *rc)
{
    static const char  method[] = "Access-Control-Request-Method";

    if (r->method != NGX_HTTP_OPTIONS
        || (conf->cors.list == NULL && conf->cors.any != 1)
        || ngx_live_http_cors_origin(r) == NULL
        || ngx_live_http_cors_find(r, method, sizeof(method) - 1) == NULL)
    {
        return 0;
    }

    *rc = ngx_http_discard_request_body(r);

    if (*rc != NGX_OK) {
        return 1;
    }

    if (ngx_live_http_header(r, "Access-Control-Allow-Methods",
                             &ngx_live_http_cors_methods)
            != NGX_OK
        || ngx_live_http_header(r, "Access-Control-Allow-Headers",
                                &ngx_live_http_cors_request)
            != NGX_OK
        || ngx_live_http_header(r, "Access-Control-Max-Age",
                                &ngx_live_http_cors_age)
            != NGX_OK)
    {
        *rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
        return 1;
    }

    r->headers_out.status = NGX_HTTP_NO_CONTENT;
    r->header_only = 1;
    *rc = ngx_http_send_header(r);

    return 1;
}
