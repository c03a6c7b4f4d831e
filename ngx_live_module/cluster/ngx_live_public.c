/*
 * URLs of users': see ngx_live_public_call() in ngx_live_client.h. They come
 * and go while the worker runs, so a worker keeps some, and those that were
 * used last the longest.
 */

#include "ngx_live_endpoint.h"


#define NGX_LIVE_PUBLIC_MAX  64


typedef struct {
    ngx_queue_t           queue;        /* used last first */
    ngx_pool_t           *pool;
    ngx_live_endpoint_t   endpoint;
} ngx_live_public_t;


static ngx_live_public_t *ngx_live_public_find(const ngx_str_t *url);
static ngx_live_public_t *ngx_live_public_new(const ngx_str_t *url,
    const char **err);
static ngx_int_t ngx_live_public_room(void);


static ngx_queue_t  ngx_live_public_list;
static ngx_uint_t   ngx_live_public_count;


ngx_live_call_t *
ngx_live_public_call(const ngx_str_t *url, lv_str_t body, lv_str_t secret,
    ngx_msec_t timeout, ngx_live_reply_pt handler, void *data,
    const char **err)
{
    ngx_live_call_t    *call;
    ngx_live_public_t  *p;

    p = ngx_live_public_find(url);

    if (p == NULL) {
        p = ngx_live_public_new(url, err);
    }

    if (p == NULL) {
        return NULL;
    }

    *err = "out of memory";
    call = ngx_live_call(&p->endpoint, "", body, NULL, timeout, handler,
                         data);

    if (call != NULL && ngx_live_call_secret(call, secret) != NGX_OK) {
        ngx_live_call_cancel(call);
        return NULL;
    }

    return call;
}


static ngx_live_public_t *
ngx_live_public_find(const ngx_str_t *url)
{
    ngx_queue_t        *q;
    ngx_live_public_t  *p;

    if (ngx_live_public_list.next == NULL) {
        ngx_queue_init(&ngx_live_public_list);
    }

    for (q = ngx_queue_head(&ngx_live_public_list);
         q != ngx_queue_sentinel(&ngx_live_public_list);
         q = ngx_queue_next(q))
    {
        p = ngx_queue_data(q, ngx_live_public_t, queue);

        if (p->endpoint.url.len == url->len
            && ngx_memcmp(p->endpoint.url.data, url->data, url->len) == 0)
        {
            ngx_queue_remove(q);
            ngx_queue_insert_head(&ngx_live_public_list, q);
            return p;
        }
    }

    return NULL;
}


static ngx_live_public_t *
ngx_live_public_new(const ngx_str_t *url, const char **err)
{
    ngx_str_t                 text;
    ngx_pool_t               *pool;
    ngx_live_public_t        *p;
    ngx_live_cluster_conf_t  *ccf;

    *err = "too many services are asked at once";

    if (ngx_live_public_room() != NGX_OK) {
        return NULL;
    }

    *err = "out of memory";
    pool = ngx_create_pool(4096, ngx_cycle->log);

    if (pool == NULL) {
        return NULL;
    }

    p = ngx_pcalloc(pool, sizeof(ngx_live_public_t));
    text.len = url->len;
    text.data = ngx_pnalloc(pool, url->len + 1);

    if (p == NULL || text.data == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    (void) ngx_cpystrn(text.data, url->data, url->len + 1);

    p->pool = pool;
    p->endpoint.guarded = 1;

    if (ngx_live_endpoint_parse(pool, &text, &p->endpoint, err) != NGX_OK) {
        ngx_destroy_pool(pool);
        return NULL;
    }

#if (NGX_SSL)
    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);
    p->endpoint.tls = ccf->public_tls;
#endif

    ngx_queue_insert_head(&ngx_live_public_list, &p->queue);
    ngx_live_public_count++;

    return p;
}


/* Makes room for one more. */
static ngx_int_t
ngx_live_public_room(void)
{
    ngx_queue_t        *q;
    ngx_live_public_t  *p;

    if (ngx_live_public_count < NGX_LIVE_PUBLIC_MAX) {
        return NGX_OK;
    }

    for (q = ngx_queue_last(&ngx_live_public_list);
         q != ngx_queue_sentinel(&ngx_live_public_list);
         q = ngx_queue_prev(q))
    {
        p = ngx_queue_data(q, ngx_live_public_t, queue);

        if (p->endpoint.calls == 0) {
            ngx_queue_remove(q);
            ngx_live_public_count--;
            ngx_live_endpoint_close(&p->endpoint);
            ngx_destroy_pool(p->pool);
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}
