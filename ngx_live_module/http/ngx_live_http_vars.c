/*
 * Variables.
 *
 *   $live_uri           the request's URI with its arguments, without token
 *                       and key: for cache keys and upstreams
 *   $live_token_status  "valid", "none", "expired", ...; empty where no token
 *                       is asked for
 *   $live_token_sub     sub and jti of a valid token
 *   $live_token_jti
 *   $live_token         the token itself, to hand it on to a node behind this
 *                       one; it does not belong in a log
 */

#include "ngx_live_http.h"


static ngx_int_t ngx_live_http_variable_uri(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_live_http_variable_status(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_live_http_variable_ctx(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_variable_t  ngx_live_http_vars[] = {

    { ngx_string("live_uri"), NULL, ngx_live_http_variable_uri, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("live_token_status"), NULL, ngx_live_http_variable_status, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("live_token_sub"), NULL, ngx_live_http_variable_ctx,
      offsetof(ngx_live_http_ctx_t, sub), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("live_token_jti"), NULL, ngx_live_http_variable_ctx,
      offsetof(ngx_live_http_ctx_t, jti), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("live_token"), NULL, ngx_live_http_variable_ctx,
      offsetof(ngx_live_http_ctx_t, token), NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_live_http_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_live_http_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static void
ngx_live_http_variable_set(ngx_http_variable_value_t *v, ngx_str_t *text)
{
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = text->len;
    v->data = text->data;
}


/* Where the location is not live the arguments are still as they came. */
static ngx_int_t
ngx_live_http_variable_uri(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t  uri;

    uri = r->main->unparsed_uri;

    if (ngx_live_http_redact_strip(r, &uri) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_live_http_variable_set(v, &uri);

    return NGX_OK;
}


static ngx_int_t
ngx_live_http_variable_status(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t             text;
    ngx_live_http_ctx_t  *ctx;

    ctx = ngx_live_http_ctx(r);

    if (ctx == NULL || ctx->status == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    text.data = (u_char *) ctx->status;
    text.len = ngx_strlen(ctx->status);
    ngx_live_http_variable_set(v, &text);

    return NGX_OK;
}


static ngx_int_t
ngx_live_http_variable_ctx(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t            *text;
    ngx_live_http_ctx_t  *ctx;

    ctx = ngx_live_http_ctx(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    text = (ngx_str_t *) ((char *) ctx + data);

    if (text->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_live_http_variable_set(v, text);

    return NGX_OK;
}
