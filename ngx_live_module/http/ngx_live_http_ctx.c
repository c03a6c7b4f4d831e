/* The context of a request, which outlives internal redirects. */

#include "ngx_live_http.h"


static void ngx_live_http_ctx_cleanup(void *data);


/*
 * nginx clears the contexts of all modules with an internal redirect (an
 * error_page); the list of the pool's cleanups survives.
 */
ngx_live_http_ctx_t *
ngx_live_http_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t   *cln;
    ngx_live_http_ctx_t  *ctx;

    r = r->main;

    ctx = ngx_http_get_module_ctx(r, ngx_http_live_auth_module);

    if (ctx != NULL || !(r->internal || r->filter_finalize)) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == ngx_live_http_ctx_cleanup) {
            ngx_http_set_ctx(r, cln->data, ngx_http_live_auth_module);
            return cln->data;
        }
    }

    return NULL;
}


ngx_live_http_ctx_t *
ngx_live_http_ctx_get(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t   *cln;
    ngx_live_http_ctx_t  *ctx;

    ctx = ngx_live_http_ctx(r);

    if (ctx != NULL) {
        return ctx;
    }

    cln = ngx_pool_cleanup_add(r->main->pool, sizeof(ngx_live_http_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_live_http_ctx_t));

    cln->handler = ngx_live_http_ctx_cleanup;
    ngx_http_set_ctx(r->main, ctx, ngx_http_live_auth_module);

    return ctx;
}


/* Only a mark: the memory is the pool's. */
static void
ngx_live_http_ctx_cleanup(void *data)
{
}
