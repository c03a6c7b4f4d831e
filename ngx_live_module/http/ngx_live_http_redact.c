/*
 * Tokens and keys out of the request, before anything can write them down.
 *
 * Post-read phase, in servers that have a live location: path components that
 * are tokens (lib/lv_redact.h) leave the URI, so that locations match without
 * them; the request line and the Referer get a "-" for each secret. Arguments
 * stay until the location is known, since "token" may be another
 * application's: the rewrite phase takes them out in live locations.
 *
 * A request that nginx refuses while it reads the header (400, 408, 414)
 * sees no phase but the log phase; there our handler is the first one.
 */

#include "ngx_live_http.h"
#include "lv_redact.h"

/* Request lines that are longer go through the pool. */
#define NGX_LIVE_REDACT_LINE  8192


static ngx_int_t ngx_live_http_redact_text(ngx_http_request_t *r,
    ngx_str_t *text);
static ngx_int_t ngx_live_http_redact_uri(ngx_http_request_t *r,
    ngx_live_http_ctx_t *ctx);
static ngx_int_t ngx_live_http_redact_leftover(ngx_http_request_t *r,
    ngx_live_http_ctx_t *ctx);
static ngx_int_t ngx_live_http_redact_unparsed(ngx_http_request_t *r,
    ngx_live_http_ctx_t *ctx);
static ngx_int_t ngx_live_http_redact_query(ngx_http_request_t *r,
    ngx_live_http_ctx_t *ctx);
static ngx_table_elt_t *ngx_live_http_cookie_header(ngx_http_request_t *r,
    ngx_uint_t i);
static ngx_int_t ngx_live_http_redact_cookie(ngx_http_request_t *r,
    ngx_table_elt_t *h, ngx_str_t *name, ngx_str_t *value);


ngx_int_t
ngx_live_http_redact_post_read(ngx_http_request_t *r)
{
    lv_str_t                   line;
    ngx_live_http_ctx_t       *ctx;
    ngx_live_http_srv_conf_t  *sscf;

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_live_auth_module);

    if (!sscf->live) {
        return NGX_DECLINED;
    }

    ctx = ngx_live_http_ctx_get(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->redacted = 1;

    line.data = r->request_line.data;
    line.len = r->request_line.len;

    if (!r->quoted_uri && !r->complex_uri && !lv_redact_suspect(line)) {
        ctx->clean = 1;
        ctx->args = r->args;

    } else if (ngx_live_http_redact_text(r, &r->request_line) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->headers_in.referer
        && ngx_live_http_redact_text(r, &r->headers_in.referer->value)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!ctx->clean && ngx_live_http_redact_uri(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


/* Replaces the text with a masked copy, when there is something to mask. */
static ngx_int_t
ngx_live_http_redact_text(ngx_http_request_t *r, ngx_str_t *text)
{
    bool      found;
    u_char   *dst;
    size_t    len;
    lv_str_t  src;

    static u_char  buf[NGX_LIVE_REDACT_LINE];

    dst = buf;

    if (text->len > sizeof(buf)) {
        dst = ngx_pnalloc(r->pool, text->len);
        if (dst == NULL) {
            return NGX_ERROR;
        }
    }

    src.data = text->data;
    src.len = text->len;
    len = lv_redact_text(src, dst, &found);

    if (!found) {
        return NGX_OK;
    }

    if (dst == buf) {
        dst = ngx_pnalloc(r->pool, len + 1);
        if (dst == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(dst, buf, len);
        dst[len] = '\0';        /* headers' values are terminated */
    }

    text->data = dst;
    text->len = len;

    return NGX_OK;
}


static ngx_int_t
ngx_live_http_redact_uri(ngx_http_request_t *r, ngx_live_http_ctx_t *ctx)
{
    u_char    *dst;
    size_t     len;
    lv_str_t   src, token;

    if (!r->quoted_uri && !r->complex_uri
        && ngx_strlchr(r->uri.data, r->uri.data + r->uri.len, '~') == NULL)
    {
        return NGX_OK;
    }

    dst = ngx_pnalloc(r->pool, r->uri.len + 1);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    src.data = r->uri.data;
    src.len = r->uri.len;

    if (lv_redact_path(src, dst, &len, &token) != LV_OK) {
        return ngx_live_http_redact_leftover(r, ctx);
    }

    ctx->source = NGX_LIVE_TOKEN_PATH;
    ctx->token.data = (u_char *) token.data;
    ctx->token.len = token.len;

    dst[len] = '\0';
    r->uri.data = dst;
    r->uri.len = len;

    ngx_http_set_exten(r);

    return ngx_live_http_redact_unparsed(r, ctx);
}


/* A token may have stood before a "..", or behind a "#": gone from the URI,
 * but not from what was sent. */
static ngx_int_t
ngx_live_http_redact_leftover(ngx_http_request_t *r, ngx_live_http_ctx_t *ctx)
{
    bool      found;
    u_char   *p, *end, *dst;
    lv_str_t  src;

    p = r->unparsed_uri.data;
    end = p + r->unparsed_uri.len;

    if (ngx_strlchr(p, end, '#') != NULL) {
        return ngx_live_http_redact_unparsed(r, ctx);
    }

    /* the arguments have their turn when the location is known */

    p = ngx_strlchr(p, end, '?');
    src.data = r->unparsed_uri.data;
    src.len = (p ? p : end) - r->unparsed_uri.data;

    dst = ngx_pnalloc(r->pool, src.len);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    (void) lv_redact_text(src, dst, &found);

    return found ? ngx_live_http_redact_unparsed(r, ctx) : NGX_OK;
}


/* unparsed_uri anew, from the clean path and the arguments. */
static ngx_int_t
ngx_live_http_redact_unparsed(ngx_http_request_t *r, ngx_live_http_ctx_t *ctx)
{
    u_char  *p;
    size_t   len, escape;

    escape = 2 * ngx_escape_uri(NULL, r->uri.data, r->uri.len,
                                NGX_ESCAPE_URI);
    len = r->uri.len + escape + (r->args.len ? 1 + r->args.len : 0);

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (ctx->target.data == NULL) {
        ctx->target = r->unparsed_uri;
    }

    r->unparsed_uri.data = p;
    r->unparsed_uri.len = len;

    if (escape) {
        p = (u_char *) ngx_escape_uri(p, r->uri.data, r->uri.len,
                                      NGX_ESCAPE_URI);
    } else {
        p = ngx_cpymem(p, r->uri.data, r->uri.len);
    }

    if (r->args.len) {
        *p++ = '?';
        ngx_memcpy(p, r->args.data, r->args.len);
    }

    return NGX_OK;
}


/* Also remembers the location, whose CORS headers go on error pages too. */
ngx_int_t
ngx_live_http_redact_rewrite(ngx_http_request_t *r)
{
    ngx_live_http_ctx_t   *ctx;
    ngx_live_http_conf_t  *conf;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    conf = ngx_http_get_module_loc_conf(r, ngx_http_live_auth_module);

    if (conf->token == NULL && !conf->live) {
        return NGX_DECLINED;
    }

    ctx = ngx_live_http_ctx_get(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->cors == NULL) {
        ctx->cors = conf;
    }

    if (ngx_live_http_redact_query(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_live_http_redact_query(ngx_http_request_t *r, ngx_live_http_ctx_t *ctx)
{
    ngx_int_t  rc;
    ngx_str_t  args, token, key;

    if (r->args.len == 0
        || (ctx->clean && r->args.data == ctx->args.data
            && r->args.len == ctx->args.len))
    {
        return NGX_OK;
    }

    args = r->args;
    rc = ngx_live_http_redact_args(r, &args, &token, &key);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
    }

    if (ctx->target.data == NULL) {
        ctx->target = r->unparsed_uri;
    }

    if (token.len && ctx->source == NGX_LIVE_TOKEN_NONE) {
        ctx->source = NGX_LIVE_TOKEN_QUERY;
        ctx->token = token;
    }

    if (key.len) {
        ctx->key = key;
    }

    r->args = args;

    return ngx_live_http_redact_strip(r, &r->unparsed_uri);
}


/* The same for a URI with its arguments, whose path stays as it is. */
ngx_int_t
ngx_live_http_redact_strip(ngx_http_request_t *r, ngx_str_t *uri)
{
    u_char     *p, *end;
    ngx_int_t   rc;
    ngx_str_t   args, token, key;

    end = uri->data + uri->len;
    p = ngx_strlchr(uri->data, end, '?');

    if (p == NULL) {
        return NGX_OK;
    }

    args.data = p + 1;
    args.len = end - args.data;

    rc = ngx_live_http_redact_args(r, &args, &token, &key);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
    }

    uri->len = p - uri->data;

    p = ngx_pnalloc(r->pool, uri->len + 1 + args.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    end = ngx_cpymem(p, uri->data, uri->len);

    if (args.len) {
        *end++ = '?';
        end = ngx_cpymem(end, args.data, args.len);
    }

    uri->data = p;
    uri->len = end - p;

    return NGX_OK;
}


ngx_int_t
ngx_live_http_redact_args(ngx_http_request_t *r, ngx_str_t *args,
    ngx_str_t *token, ngx_str_t *key)
{
    size_t       len;
    u_char      *dst, *s, *d;
    lv_str_t     src, value;
    ngx_str_t   *out;
    ngx_uint_t   i, found;

    static const char *const  names[] = { "token", "key" };

    ngx_str_null(token);
    ngx_str_null(key);

    found = 0;

    for (i = 0; i < 2; i++) {
        src.data = args->data;
        src.len = args->len;

        dst = ngx_pnalloc(r->pool, src.len + 1);
        if (dst == NULL) {
            return NGX_ERROR;
        }

        if (lv_redact_arg(src, names[i], dst, &len, &value) != LV_OK) {
            ngx_pfree(r->pool, dst);
            continue;
        }

        found = 1;
        args->data = dst;
        args->len = len;

        if (value.len == 0) {
            continue;
        }

        out = i == 0 ? token : key;

        d = ngx_pnalloc(r->pool, value.len);
        if (d == NULL) {
            return NGX_ERROR;
        }

        out->data = d;
        s = (u_char *) value.data;
        ngx_unescape_uri(&d, &s, value.len, 0);
        out->len = d - out->data;
    }

    return found ? NGX_OK : NGX_DECLINED;
}


/*
 * For requests that did not come as far as the phases above. What server they
 * were for may not be known, so this looks at the texts only. In servers
 * without a live location it can meet requests of others (that were redirected
 * internally); there it changes nothing but what is logged.
 */
ngx_int_t
ngx_live_http_redact_log(ngx_http_request_t *r)
{
    u_char                     *p;
    ngx_live_http_ctx_t        *ctx;
    ngx_live_http_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_live_auth_module);

    if (!mcf->live || (r->phase_handler != 0 && !r->internal)) {
        return NGX_OK;
    }

    ctx = ngx_live_http_ctx(r);

    if (ctx != NULL && ctx->redacted) {
        return NGX_OK;
    }

    if (r->request_line.data == NULL && r->request_start) {

        for (p = r->request_start; p < r->header_in->last; p++) {
            if (*p == CR || *p == LF) {
                break;
            }
        }

        r->request_line.data = r->request_start;
        r->request_line.len = p - r->request_start;
    }

    if (ngx_live_http_redact_text(r, &r->request_line) != NGX_OK) {
        ngx_str_null(&r->request_line);
    }

    if (ngx_live_http_redact_text(r, &r->unparsed_uri) != NGX_OK) {
        ngx_str_null(&r->unparsed_uri);
    }

    if (r->headers_in.referer
        && ngx_live_http_redact_text(r, &r->headers_in.referer->value)
           != NGX_OK)
    {
        r->headers_in.referer->value.len = 0;
    }

    if (r->phase_handler == 0) {
        /* refused without anyone having looked at them */
        ngx_str_null(&r->uri);
        ngx_str_null(&r->args);
    }

    return NGX_OK;
}


/*
 * nginx has a function for this; it prints the header at the debug level, and
 * changed its arguments between versions.
 */
ngx_int_t
ngx_live_http_cookie(ngx_http_request_t *r, ngx_str_t *name, ngx_str_t *value)
{
    ngx_int_t        rc;
    ngx_uint_t       i;
    ngx_table_elt_t  *h;

    rc = NGX_DECLINED;

    for (i = 0; rc == NGX_DECLINED; i++) {
        h = ngx_live_http_cookie_header(r, i);

        if (h == NULL) {
            break;
        }

        rc = ngx_live_http_redact_cookie(r, h, name, value);
    }

    return rc;
}


/* The i-th Cookie header. */
static ngx_table_elt_t *
ngx_live_http_cookie_header(ngx_http_request_t *r, ngx_uint_t i)
{
#if (nginx_version >= 1023000)

    ngx_table_elt_t  *h;

    for (h = r->headers_in.cookie; h && i; h = h->next, i--) { /* void */ }

    return h;

#else

    ngx_table_elt_t  **h;

    h = r->headers_in.cookies.elts;

    return i < r->headers_in.cookies.nelts ? h[i] : NULL;

#endif
}


void
ngx_live_http_redact_header(ngx_http_request_t *r, ngx_live_http_conf_t *conf,
    ngx_live_token_source_e source)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    if (source == NGX_LIVE_TOKEN_HEADER) {
        r->headers_in.authorization->value.len = 0;
        return;
    }

    if (source != NGX_LIVE_TOKEN_COOKIE) {
        return;
    }

    for (i = 0; (h = ngx_live_http_cookie_header(r, i)) != NULL; i++) {
        (void) ngx_live_http_redact_cookie(r, h, &conf->cookie, NULL);
    }
}


/*
 * With a value: finds the first cookie of that name. Without: takes all of
 * that name out of the header.
 */
static ngx_int_t
ngx_live_http_redact_cookie(ngx_http_request_t *r, ngx_table_elt_t *h,
    ngx_str_t *name, ngx_str_t *value)
{
    u_char      *p, *end, *next, *dst, *buf;
    ngx_uint_t   match;

    buf = NULL;

    if (value == NULL) {
        buf = ngx_pnalloc(r->pool, h->value.len + 1);
        if (buf == NULL) {
            h->value.len = 0;
            return NGX_ERROR;
        }
    }

    dst = buf;
    p = h->value.data;
    end = p + h->value.len;

    while (p < end) {

        while (p < end && (*p == ' ' || *p == ';')) {
            p++;
        }

        next = ngx_strlchr(p, end, ';');
        next = next ? next : end;

        match = (size_t) (next - p) > name->len && p[name->len] == '='
                && ngx_strncmp(p, name->data, name->len) == 0;

        if (match && value) {
            value->data = p + name->len + 1;
            value->len = next - value->data;
            return NGX_OK;
        }

        if (!match && buf && p < next) {

            if (dst > buf) {
                *dst++ = ';';
                *dst++ = ' ';
            }

            dst = ngx_cpymem(dst, p, next - p);
        }

        p = next;
    }

    if (buf) {
        *dst = '\0';
        h->value.data = buf;
        h->value.len = dst - buf;
    }

    return NGX_DECLINED;
}
