/*
 * live_token: is there a token, and is it good for this stream, this use and
 * this peer. Access phase, in front of any content handler.
 *
 * Looked for in this order: path, query, "Authorization: Bearer", cookie. One
 * in the query is answered by a redirect to the path, so that the relative
 * URIs of playlists inherit it.
 */

#include "ngx_live_http.h"
#include "ngx_live_core.h"
#include "ngx_live_limit.h"


static ngx_int_t ngx_live_http_token_stream(ngx_http_request_t *r,
    ngx_live_http_conf_t *conf, ngx_str_t *stream);
static ngx_uint_t ngx_live_http_token_find(ngx_http_request_t *r,
    ngx_live_http_conf_t *conf, ngx_live_http_ctx_t *ctx);
static ngx_int_t ngx_live_http_token_result(ngx_http_request_t *r,
    ngx_live_http_conf_t *conf, ngx_live_http_ctx_t *ctx, ngx_str_t *stream,
    ngx_uint_t can, lv_token_result_e *result);
static ngx_int_t ngx_live_http_token_keep(ngx_http_request_t *r,
    ngx_live_http_ctx_t *ctx, const lv_token_t *token);
static ngx_int_t ngx_live_http_token_refuse(ngx_http_request_t *r,
    ngx_live_http_ctx_t *ctx, ngx_uint_t status, const char *reason,
    const char *detail);
static ngx_int_t ngx_live_http_token_challenge(ngx_http_request_t *r,
    ngx_uint_t status, const char *detail);
static ngx_int_t ngx_live_http_token_answer(ngx_http_request_t *r,
    ngx_uint_t status, const char *reason, const char *detail);
static ngx_uint_t ngx_live_http_token_redirects(ngx_http_request_t *r,
    ngx_live_http_ctx_t *ctx);
static ngx_int_t ngx_live_http_token_redirect(ngx_http_request_t *r,
    ngx_live_http_ctx_t *ctx);
static size_t ngx_live_http_token_place(ngx_http_request_t *r,
    ngx_str_t *path);


ngx_int_t
ngx_live_http_token_access(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_str_t              stream;
    ngx_uint_t             status;
    lv_token_result_e      result;
    ngx_live_http_ctx_t   *ctx;
    ngx_live_http_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_live_auth_module);

    if (conf->token == NULL && !conf->live) {
        return NGX_DECLINED;
    }

    if (ngx_live_http_cors_preflight(r, conf, &rc)) {
        ngx_http_finalize_request(r, rc);
        return NGX_DONE;
    }

    if (conf->token == NULL) {
        return NGX_DECLINED;
    }

    ctx = ngx_live_http_ctx_get(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_null(&ctx->stream);

    rc = ngx_live_http_token_stream(r, conf, &stream);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_DECLINED) {
        return ngx_live_http_token_answer(r, NGX_HTTP_NOT_FOUND, "no stream",
                                          "No stream is named here.");
    }

    if (rc == NGX_ABORT) {
        return ngx_live_http_token_refuse(r, ctx, NGX_HTTP_UNAUTHORIZED,
                   lv_token_result_name(LV_TOKEN_MALFORMED),
                   lv_token_result_text(LV_TOKEN_MALFORMED));
    }

    if (!ngx_live_http_token_find(r, conf, ctx)) {

        if (conf->late) {
            return NGX_DECLINED;
        }

        return ngx_live_http_token_refuse(r, ctx, NGX_HTTP_UNAUTHORIZED,
                                          "none", "A token is needed.");
    }

    rc = ngx_live_http_token_result(r, conf, ctx, &stream, conf->token->can,
                                    &result);

    if (rc == NGX_BUSY) {
        ngx_live_count(NGX_LIVE_C_TOKEN_LIMITED, 1);
        return ngx_live_http_token_refuse(r, ctx, NGX_HTTP_TOO_MANY_REQUESTS,
                   "limited",
                   "Too many bad tokens came from this address.");
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK) {
        /* 403: a good token, but not for this */
        status = result >= LV_TOKEN_REVOKED ? NGX_HTTP_FORBIDDEN
                                            : NGX_HTTP_UNAUTHORIZED;

        return ngx_live_http_token_refuse(r, ctx, status,
                                          lv_token_result_name(result),
                                          lv_token_result_text(result));
    }

    ctx->status = lv_token_result_name(LV_TOKEN_VALID);
    ctx->stream = stream;
    ngx_live_count(NGX_LIVE_C_TOKEN_ACCEPTED, 1);
    ngx_live_http_redact_header(r, conf, ctx->source);

    if (ngx_live_http_token_redirects(r, ctx)) {
        rc = ngx_live_http_token_redirect(r, ctx);
        ngx_http_finalize_request(r, rc);
        return NGX_DONE;
    }

    return NGX_OK;
}


/*
 * NGX_OK with the stream's id; NGX_DECLINED: none, or not a valid one;
 * NGX_ABORT: where the stream should be is what looks like half a token.
 */
static ngx_int_t
ngx_live_http_token_stream(ngx_http_request_t *r, ngx_live_http_conf_t *conf,
    ngx_str_t *stream)
{
    u_char                    *p, *end, *slash;
    lv_str_t                   id;
    ngx_http_core_loc_conf_t  *clcf;

    if (conf->token->stream) {
        if (ngx_http_complex_value(r, conf->token->stream, stream) != NGX_OK) {
            return NGX_ERROR;
        }

    } else {
        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

        p = r->uri.data;
        end = p + r->uri.len;

        if (clcf->name.len <= r->uri.len) {
            p += clcf->name.len;
        }

        if (p < end && *p == '/') {
            p++;
        }

        slash = ngx_strlchr(p, end, '/');
        stream->data = p;
        stream->len = (slash ? slash : end) - p;

        if (stream->len && *p == '~') {
            return NGX_ABORT;
        }
    }

    id.data = stream->data;
    id.len = stream->len;

    return lv_stream_id_valid(id) ? NGX_OK : NGX_DECLINED;
}


static ngx_uint_t
ngx_live_http_token_find(ngx_http_request_t *r, ngx_live_http_conf_t *conf,
    ngx_live_http_ctx_t *ctx)
{
    ngx_str_t         value;
    ngx_table_elt_t  *h;

    if (ctx->source != NGX_LIVE_TOKEN_NONE) {
        return 1;
    }

    h = r->headers_in.authorization;

    if (h && h->value.len > sizeof("Bearer ") - 1
        && ngx_strncasecmp(h->value.data, (u_char *) "Bearer ",
                           sizeof("Bearer ") - 1)
           == 0)
    {
        value.data = h->value.data + sizeof("Bearer ") - 1;
        value.len = h->value.len - (sizeof("Bearer ") - 1);

        while (value.len && *value.data == ' ') {
            value.data++;
            value.len--;
        }

        ctx->source = NGX_LIVE_TOKEN_HEADER;
        ctx->token = value;
        return 1;
    }

    if (conf->cookie.len == 0
        || ngx_live_http_cookie(r, &conf->cookie, &value) != NGX_OK)
    {
        return 0;
    }

    ctx->source = NGX_LIVE_TOKEN_COOKIE;
    ctx->token = value;

    return 1;
}


/* As ngx_live_http_token_verify(), NGX_ERROR: out of memory. */
static ngx_int_t
ngx_live_http_token_result(ngx_http_request_t *r, ngx_live_http_conf_t *conf,
    ngx_live_http_ctx_t *ctx, ngx_str_t *stream, ngx_uint_t can,
    lv_token_result_e *result)
{
    lv_str_t            text;
    ngx_uint_t          blocked;
    lv_token_use_t      use;
    struct sockaddr    *sa;
    const lv_token_t   *token;

    sa = r->connection->sockaddr;
    text.data = ctx->token.data;
    text.len = ctx->token.len;

    blocked = ngx_live_limit_blocked(&ngx_live_limit_tokens, sa);

    if (ngx_live_keyfile_verify(conf->token_keys, text, blocked, result,
                                &token)
        != LV_OK)
    {
        return NGX_BUSY;
    }

    /* the other refusals come before the expensive part */

    if (*result == LV_TOKEN_BAD_SIGNATURE) {
        ngx_live_limit_failed(&ngx_live_limit_tokens, sa);
    }

    if (*result != LV_TOKEN_VALID) {
        return NGX_DECLINED;
    }

    ngx_memzero(&use, sizeof(lv_token_use_t));

    use.now_s = ngx_time();
    use.stream.data = stream->data;
    use.stream.len = stream->len;
    use.can = (uint8_t) can;
    use.addr = ngx_live_sockaddr_ip(sa, &use.addr_len);
    use.revoked = ngx_live_http_token_revoked;
    use.revoked_ctx = &use;

    *result = lv_token_check(token, &use);

    if (*result == LV_TOKEN_VALID
        && !ngx_live_http_token_session(r, token, use.stream))
    {
        *result = LV_TOKEN_TOO_MANY;
    }

    if (*result != LV_TOKEN_VALID) {
        return NGX_DECLINED;
    }

    return ngx_live_http_token_keep(r, ctx, token);
}


static ngx_int_t
ngx_live_http_token_keep(ngx_http_request_t *r, ngx_live_http_ctx_t *ctx,
    const lv_token_t *token)
{
    u_char  *p;
    size_t   sub, jti, name, role;

    sub = ngx_strlen(token->sub);
    jti = ngx_strlen(token->jti);
    name = ngx_strlen(token->name);
    role = ngx_strlen(token->role);

    ctx->exp_s = token->exp_s;
    ctx->iat_s = token->iat_s;
    ctx->sessions = token->sessions;
    ctx->can = token->can;

    if (sub + jti + name + role == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, sub + jti + name + role);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->sub.data = p;
    ctx->sub.len = sub;
    ctx->jti.data = ngx_cpymem(p, token->sub, sub);
    ctx->jti.len = jti;
    ctx->name.data = ngx_cpymem(ctx->jti.data, token->jti, jti);
    ctx->name.len = name;
    ctx->role.data = ngx_cpymem(ctx->name.data, token->name, name);
    ctx->role.len = role;
    ngx_memcpy(ctx->role.data, token->role, role);

    return NGX_OK;
}


ngx_int_t
ngx_live_http_token_verify(ngx_http_request_t *r, ngx_str_t *token,
    ngx_str_t *stream, ngx_uint_t can, lv_token_result_e *result)
{
    ngx_int_t              rc;
    ngx_live_http_ctx_t   *ctx;
    ngx_live_http_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_live_auth_module);
    ctx = ngx_live_http_ctx_get(r);

    if (ctx == NULL || conf->token_keys == NULL) {
        *result = LV_TOKEN_UNKNOWN_KEY;
        return NGX_DECLINED;
    }

    ctx->token = *token;

    rc = ngx_live_http_token_result(r, conf, ctx, stream, can, result);

    ngx_str_null(&ctx->token);
    ngx_live_count(rc == NGX_OK ? NGX_LIVE_C_TOKEN_ACCEPTED
                   : rc == NGX_BUSY ? NGX_LIVE_C_TOKEN_LIMITED
                                    : NGX_LIVE_C_TOKEN_REFUSED, 1);

    if (rc == NGX_OK) {
        ctx->stream = *stream;
    }

    return rc == NGX_OK || rc == NGX_BUSY ? rc : NGX_DECLINED;
}


ngx_uint_t
ngx_live_http_token_needed(ngx_http_request_t *r)
{
    ngx_live_http_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_live_auth_module);

    return conf->token != NULL;
}


ngx_uint_t
ngx_live_http_token_is_for(ngx_http_request_t *r, lv_str_t stream)
{
    ngx_live_http_ctx_t   *ctx;
    ngx_live_http_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_live_auth_module);
    ctx = ngx_live_http_ctx(r);

    /* no stream: let in by something else ("satisfy any") */

    if (conf->token == NULL || ctx == NULL || ctx->stream.len == 0) {
        return 1;
    }

    return ctx->stream.len == stream.len
           && ngx_strncmp(ctx->stream.data, stream.data, stream.len) == 0;
}


static ngx_int_t
ngx_live_http_token_refuse(ngx_http_request_t *r, ngx_live_http_ctx_t *ctx,
    ngx_uint_t status, const char *reason, const char *detail)
{
    ngx_live_count(NGX_LIVE_C_TOKEN_REFUSED, 1);

    ctx->status = reason;

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "token refused: %s", reason);

    if (ngx_live_http_token_challenge(r, status,
                                      ctx->source ? detail : NULL)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_live_http_token_answer(r, status, reason, detail);
}


/* RFC 6750 section 3: without an error when there was no token at all. */
static ngx_int_t
ngx_live_http_token_challenge(ngx_http_request_t *r, ngx_uint_t status,
    const char *detail)
{
    u_char           *p;
    size_t            len;
    ngx_table_elt_t  *h;

    static const char  fmt[] = "Bearer realm=\"live\", error=\"%s\", "
                               "error_description=\"%s\"";

    if (status == NGX_HTTP_TOO_MANY_REQUESTS) {
        return NGX_OK;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    h->hash = 1;
    ngx_str_set(&h->key, "WWW-Authenticate");
    ngx_str_set(&h->value, "Bearer realm=\"live\"");

    r->headers_out.www_authenticate = h;

    if (detail == NULL) {
        return NGX_OK;
    }

    len = sizeof(fmt) + sizeof("insufficient_scope") + ngx_strlen(detail);

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        h->hash = 0;
        return NGX_ERROR;
    }

    h->value.data = p;
    h->value.len = ngx_snprintf(p, len, fmt,
                                status == NGX_HTTP_FORBIDDEN
                                ? "insufficient_scope" : "invalid_token",
                                detail)
                   - p;

    return NGX_OK;
}


/*
 * With "satisfy any" another module may still let the request in, so the
 * status has to go through nginx; then nginx writes the page, too.
 */
static ngx_int_t
ngx_live_http_token_answer(ngx_http_request_t *r, ngx_uint_t status,
    const char *reason, const char *detail)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->satisfy == NGX_HTTP_SATISFY_ANY) {
        return status;
    }

    ngx_http_finalize_request(r, ngx_live_http_problem(r, status, reason,
                                                       detail));
    return NGX_DONE;
}


/*
 * Not for a WebSocket (browsers do not follow there), other methods (they
 * would become GET), nor in place of an error page.
 */
static ngx_uint_t
ngx_live_http_token_redirects(ngx_http_request_t *r, ngx_live_http_ctx_t *ctx)
{
    return ctx->source == NGX_LIVE_TOKEN_QUERY
           && (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
           && !r->error_page && r->headers_in.upgrade == NULL;
}


static ngx_int_t
ngx_live_http_token_redirect(ngx_http_request_t *r, ngx_live_http_ctx_t *ctx)
{
    u_char      *p, *end;
    size_t       at;
    ngx_int_t    rc;
    ngx_str_t    path, location;
    ngx_uint_t   level;

    static ngx_str_t  no_store = ngx_string("private, no-store");

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    end = r->unparsed_uri.data + r->unparsed_uri.len;
    p = ngx_strlchr(r->unparsed_uri.data, end, '?');

    path.data = r->unparsed_uri.data;
    path.len = (p ? p : end) - path.data;

    at = ngx_live_http_token_place(r, &path);

    p = ngx_pnalloc(r->pool, r->unparsed_uri.len + ctx->token.len + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    location.data = p;
    p = ngx_cpymem(p, path.data, at);
    *p++ = '~';
    p = ngx_cpymem(p, ctx->token.data, ctx->token.len);
    *p++ = '/';
    p = ngx_cpymem(p, path.data + at, r->unparsed_uri.len - at);
    location.len = p - location.data;

    /* a relative one: nginx would name a scheme and a port that need not be
     * those that the client used */

    if (ngx_live_http_header(r, "Location", &location) != NGX_OK
        || ngx_live_http_header(r, "Cache-Control", &no_store) != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->headers_out.status = NGX_HTTP_MOVED_TEMPORARILY;
    r->headers_out.content_length_n = 0;
    r->header_only = 1;

    /* at the debug level nginx prints the headers that it sends */

    level = r->connection->log->log_level;
    r->connection->log->log_level = ngx_min(level, NGX_LOG_DEBUG - 1);

    rc = ngx_http_send_header(r);

    r->connection->log->log_level = level;

    return rc == NGX_ERROR || rc > NGX_OK ? rc : NGX_OK;
}


/*
 * Where "~token/" goes in: behind the location's prefix. Where that is not
 * what the client sent (a rewrite, an escaped character), in front of
 * everything; on arrival it is taken out of any place.
 */
static size_t
ngx_live_http_token_place(ngx_http_request_t *r, ngx_str_t *path)
{
    size_t                     at;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    at = clcf->name.len;

    if (clcf->exact_match || at == 0 || at >= path->len
        || ngx_strncmp(path->data, clcf->name.data, at) != 0)
    {
        return 1;
    }

    if (path->data[at] == '/') {
        at++;
    }

    while (path->data[at - 1] != '/') {
        at--;
    }

    return at;
}
