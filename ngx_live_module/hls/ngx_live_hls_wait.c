/*
 * Requests that wait: blocking playlist reloads and hinted parts.
 *
 * Requests of one stream that wait for the same (rendition, msn, part) as long
 * are a group, one to three of which live at a time; to join is to append to a
 * queue. A ring of the stream's bell looks at each group once; a group whose
 * media has come goes as a whole to the queue of groups to be woken, whose
 * requests are answered in batches, so that other connections get their turn.
 * All of a group have the same time-out, so the queue's order is that of the
 * deadlines, and one timer, for the first of them, will do. A request that was
 * woken and waits again keeps its deadline, and goes in front of those that
 * came meanwhile. Those that time out are moved to a group of their own, which
 * is woken in the same way.
 *
 * The timers are not cancelable: a worker that shuts down answers those who
 * wait before it exits.
 */

#include "ngx_live_hls.h"


struct ngx_live_hls_group_s {
    ngx_queue_t             queue;       /* of the stream's groups, or of those
                                            to be woken */
    ngx_queue_t             waiters;
    ngx_live_hls_stream_t  *stream;      /* NULL: to be woken */
    ngx_uint_t              rendition;
    uint32_t                msn;
    uint32_t                part;
    ngx_msec_t              timeout;
    ngx_event_t             timer;
};

/* Waiting requests of a connection that carries several. */
typedef struct {
    ngx_rbtree_node_t  node;             /* key: the connection */
    ngx_uint_t         count;
} ngx_live_hls_conn_t;


static ngx_live_hls_group_t *ngx_live_hls_group_alloc(void);
static void ngx_live_hls_wake_handler(ngx_event_t *ev);


static ngx_queue_t        ngx_live_hls_ready;     /* groups to be woken */
static ngx_event_t        ngx_live_hls_wake_event;
static ngx_rbtree_t       ngx_live_hls_conns;
static ngx_rbtree_node_t  ngx_live_hls_conns_sentinel;


static void
ngx_live_hls_wait_init(void)
{
    if (ngx_live_hls_wake_event.handler == NULL) {
        ngx_queue_init(&ngx_live_hls_ready);
        ngx_rbtree_init(&ngx_live_hls_conns, &ngx_live_hls_conns_sentinel,
                        ngx_rbtree_insert_value);
        ngx_live_hls_wake_event.handler = ngx_live_hls_wake_handler;
        ngx_live_hls_wake_event.log = ngx_cycle->log;
    }
}


/* The connection that a client opened, below a stream of HTTP/2 or HTTP/3. */
static ngx_connection_t *
ngx_live_hls_transport(ngx_http_request_t *r)
{
#if (NGX_HTTP_V2)
    if (r->stream) {
        return r->stream->connection->connection;
    }
#endif

#if (NGX_HTTP_V3)
    if (r->connection->quic) {
        return r->connection->quic->parent;
    }
#endif

    return NULL;
}


static ngx_live_hls_conn_t *
ngx_live_hls_conn(ngx_connection_t *c)
{
    ngx_rbtree_key_t      key;
    ngx_rbtree_node_t    *node;

    key = (ngx_rbtree_key_t) c;
    node = ngx_live_hls_conns.root;

    while (node != &ngx_live_hls_conns_sentinel) {
        if (key == node->key) {
            return (ngx_live_hls_conn_t *) node;
        }

        node = key < node->key ? node->left : node->right;
    }

    return NULL;
}


static ngx_int_t
ngx_live_hls_conn_enter(ngx_http_request_t *r)
{
    ngx_connection_t     *c;
    ngx_live_hls_conn_t  *conn;

    c = ngx_live_hls_transport(r);
    if (c == NULL) {
        return NGX_OK;                   /* one request at a time */
    }

    conn = ngx_live_hls_conn(c);

    if (conn == NULL) {
        conn = ngx_calloc(sizeof(ngx_live_hls_conn_t), r->connection->log);
        if (conn == NULL) {
            return NGX_ERROR;
        }

        conn->node.key = (ngx_rbtree_key_t) c;
        ngx_rbtree_insert(&ngx_live_hls_conns, &conn->node);
    }

    if (conn->count == NGX_LIVE_HLS_WAITS) {
        return NGX_DECLINED;
    }

    conn->count++;

    return NGX_OK;
}


static void
ngx_live_hls_conn_leave(ngx_http_request_t *r)
{
    ngx_connection_t     *c;
    ngx_live_hls_conn_t  *conn;

    c = ngx_live_hls_transport(r);
    conn = c ? ngx_live_hls_conn(c) : NULL;

    if (conn && --conn->count == 0) {
        ngx_rbtree_delete(&ngx_live_hls_conns, &conn->node);
        ngx_free(conn);
    }
}


static void
ngx_live_hls_group_free(ngx_live_hls_group_t *g)
{
    if (g->timer.timer_set) {
        ngx_del_timer(&g->timer);
    }

    ngx_queue_remove(&g->queue);
    ngx_free(g);
}


/* Takes a request out of whatever it waits in. */
static void
ngx_live_hls_leave(ngx_live_hls_ctx_t *ctx)
{
    if (!ctx->queued) {
        return;
    }

    ngx_queue_remove(&ctx->queue);
    ctx->queued = 0;

    ngx_live_hls_conn_leave(ctx->request);
    ngx_live_count(NGX_LIVE_G_WAITING, -1);

    if (ctx->group && ngx_queue_empty(&ctx->group->waiters)) {
        ngx_live_hls_group_free(ctx->group);
    }

    ctx->group = NULL;
}


static void
ngx_live_hls_wait_cleanup(void *data)
{
    ngx_live_hls_leave(data);
}


static void
ngx_live_hls_post(void)
{
    if (!ngx_live_hls_wake_event.posted) {
        ngx_post_event(&ngx_live_hls_wake_event, &ngx_posted_events);
    }
}


/* From the stream's groups to those to be woken. */
static void
ngx_live_hls_group_wake(ngx_live_hls_group_t *g)
{
    if (g->timer.timer_set) {
        ngx_del_timer(&g->timer);
    }

    g->stream = NULL;
    ngx_queue_remove(&g->queue);
    ngx_queue_insert_tail(&ngx_live_hls_ready, &g->queue);

    ngx_live_hls_post();
}


static void
ngx_live_hls_timer_handler(ngx_event_t *ev)
{
    ngx_queue_t           *q;
    ngx_live_hls_ctx_t    *ctx;
    ngx_live_hls_group_t  *g, *late;

    g = ev->data;
    late = NULL;

    while (!ngx_queue_empty(&g->waiters)) {
        q = ngx_queue_head(&g->waiters);
        ctx = ngx_queue_data(q, ngx_live_hls_ctx_t, queue);

        if ((ngx_msec_int_t) (ctx->deadline - ngx_current_msec) > 0) {
            ngx_add_timer(&g->timer, ctx->deadline - ngx_current_msec);
            break;
        }

        if (late == NULL) {
            late = ngx_live_hls_group_alloc();

            if (late == NULL) {
                ngx_add_timer(&g->timer, 1000);
                return;
            }

            ngx_queue_insert_tail(&ngx_live_hls_ready, &late->queue);
            ngx_live_hls_post();
        }

        ctx->timed_out = 1;
        ctx->group = late;
        ngx_queue_remove(&ctx->queue);
        ngx_queue_insert_tail(&late->waiters, &ctx->queue);
    }

    if (ngx_queue_empty(&g->waiters)) {
        ngx_live_hls_group_free(g);
    }
}


static ngx_live_hls_group_t *
ngx_live_hls_group_alloc(void)
{
    ngx_live_hls_group_t  *g;

    g = ngx_calloc(sizeof(ngx_live_hls_group_t), ngx_cycle->log);

    if (g) {
        g->timer.handler = ngx_live_hls_timer_handler;
        g->timer.data = g;
        g->timer.log = ngx_cycle->log;
        ngx_queue_init(&g->waiters);
    }

    return g;
}


static ngx_live_hls_group_t *
ngx_live_hls_group(ngx_live_hls_stream_t *hs, ngx_uint_t rendition,
    uint32_t msn, uint32_t part, ngx_msec_t timeout)
{
    ngx_queue_t           *q;
    ngx_live_hls_group_t  *g;

    for (q = ngx_queue_head(&hs->groups);
         q != ngx_queue_sentinel(&hs->groups);
         q = ngx_queue_next(q))
    {
        g = ngx_queue_data(q, ngx_live_hls_group_t, queue);

        if (g->rendition == rendition && g->msn == msn && g->part == part
            && g->timeout == timeout)
        {
            return g;
        }
    }

    g = ngx_live_hls_group_alloc();
    if (g == NULL) {
        return NULL;
    }

    g->stream = hs;
    g->rendition = rendition;
    g->msn = msn;
    g->part = part;
    g->timeout = timeout;
    ngx_queue_insert_tail(&hs->groups, &g->queue);

    return g;
}


/* By deadline; of two that have the same one, the first to come. */
static void
ngx_live_hls_group_join(ngx_live_hls_group_t *g, ngx_live_hls_ctx_t *ctx)
{
    ngx_queue_t         *q;
    ngx_msec_int_t       left;
    ngx_live_hls_ctx_t  *before;

    for (q = ngx_queue_last(&g->waiters);
         q != ngx_queue_sentinel(&g->waiters);
         q = ngx_queue_prev(q))
    {
        before = ngx_queue_data(q, ngx_live_hls_ctx_t, queue);

        if ((ngx_msec_int_t) (ctx->deadline - before->deadline) >= 0) {
            break;
        }
    }

    ngx_queue_insert_after(q, &ctx->queue);
    ctx->group = g;
    ctx->queued = 1;

    if (q == ngx_queue_sentinel(&g->waiters)) {
        left = (ngx_msec_int_t) (ctx->deadline - ngx_current_msec);
        ngx_add_timer(&g->timer, (ngx_msec_t) ngx_max(left, 1));
    }
}


/* Has come what the group waits for, or can it no longer come? */
static ngx_uint_t
ngx_live_hls_group_done(lv_store_t *st, ngx_live_hls_group_t *g)
{
    lv_stream_t  *s;

    s = g->stream->stream;

    if (!lv_stream_alive(s, g->stream->gen)) {
        return 1;
    }

    if (atomic_load_explicit(&s->state, memory_order_acquire)
        == LV_STREAM_STARTING)
    {
        return 0;
    }

    if (g->rendition == NGX_LIVE_HLS_TOP) {
        return 1;
    }

    return lv_hls_reached(ngx_live_hls_edge(st, g->stream, g->rendition),
                          g->msn, g->part)
           != LV_AGAIN;
}


static void
ngx_live_hls_look(lv_store_t *st, ngx_live_hls_stream_t *hs)
{
    ngx_queue_t           *q, *next;
    ngx_live_hls_group_t  *g;

    ngx_live_hls_stream_look(st, hs);

    for (q = ngx_queue_head(&hs->groups);
         q != ngx_queue_sentinel(&hs->groups);
         q = next)
    {
        next = ngx_queue_next(q);
        g = ngx_queue_data(q, ngx_live_hls_group_t, queue);

        if (ngx_live_hls_group_done(st, g)) {
            ngx_live_hls_group_wake(g);
        }
    }
}


void
ngx_live_hls_dirty(lv_store_t *st, uint32_t stream)
{
    ngx_live_hls_stream_t  *hs;

    hs = ngx_live_hls_stream_at(stream);

    if (hs) {
        ngx_live_hls_look(st, hs);
    }
}


void
ngx_live_hls_wake_all(ngx_live_hls_stream_t *hs)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&hs->groups)) {
        q = ngx_queue_head(&hs->groups);
        ngx_live_hls_group_wake(ngx_queue_data(q, ngx_live_hls_group_t,
                                               queue));
    }
}


static ngx_inline void
ngx_live_hls_prefetch(void *data, size_t size)
{
    size_t  i;

    for (i = 0; i < size; i += 64) {
        __builtin_prefetch((u_char *) data + i);
    }
}


/*
 * What a request touches has left the processor's caches while it waited, and
 * with a thousand of them each look at memory would be waited for. So it is
 * asked for while those in front are being answered, one pointer further with
 * each: the fourth behind `q` is found through the third, and so on.
 */
static void
ngx_live_hls_ahead(ngx_live_hls_group_t *g, ngx_queue_t *q)
{
    ngx_uint_t           i;
    ngx_pool_t          *pool;
    ngx_connection_t    *c;
    ngx_live_hls_ctx_t  *ctx;
    ngx_http_request_t  *r;

    for (i = 1; i <= 4; i++) {
        q = ngx_queue_next(q);

        if (q == ngx_queue_sentinel(&g->waiters)) {
            return;
        }

        if (i == 4) {
            ngx_live_hls_prefetch(ngx_queue_data(q, ngx_live_hls_ctx_t,
                                                 queue),
                                  sizeof(ngx_live_hls_ctx_t));
            return;
        }

        ctx = ngx_queue_data(q, ngx_live_hls_ctx_t, queue);
        r = ctx->request;

        if (i == 3) {
            ngx_live_hls_prefetch(r, sizeof(ngx_http_request_t));
            continue;
        }

        c = r->connection;
        pool = r->pool;

        if (i == 2) {
            ngx_live_hls_prefetch(c, sizeof(ngx_connection_t));
            ngx_live_hls_prefetch(pool, sizeof(ngx_pool_t));
            ngx_live_hls_prefetch(r->headers_out.headers.part.elts,
                                  4 * sizeof(ngx_table_elt_t));
            __builtin_prefetch(r->ctx);
            continue;
        }

        ngx_live_hls_prefetch(c->log, sizeof(ngx_log_t));
        ngx_live_hls_prefetch(c->read, sizeof(ngx_event_t));
        ngx_live_hls_prefetch(c->write, sizeof(ngx_event_t));
        __builtin_prefetch(r->http_connection);
        ngx_live_hls_prefetch(pool->current->d.last, 1024);
    }
}


static void
ngx_live_hls_wake(ngx_live_hls_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_live_hls_leave(ctx);
    ngx_http_set_log_request(c->log, r);

    rc = ngx_live_hls_process(r, ctx);

    /* waits again: the reference that it holds goes on */
    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }

    ngx_http_run_posted_requests(c);
}


static void
ngx_live_hls_wake_handler(ngx_event_t *ev)
{
    ngx_uint_t             n;
    ngx_queue_t           *q;
    ngx_live_hls_group_t  *g;

    for (n = 0; n < NGX_LIVE_HLS_WAKE_BATCH; n++) {

        if (ngx_queue_empty(&ngx_live_hls_ready)) {
            return;
        }

        q = ngx_queue_head(&ngx_live_hls_ready);
        g = ngx_queue_data(q, ngx_live_hls_group_t, queue);
        q = ngx_queue_head(&g->waiters);
        ngx_live_hls_ahead(g, q);
        ngx_live_hls_wake(ngx_queue_data(q, ngx_live_hls_ctx_t, queue));
    }

    if (!ngx_queue_empty(&ngx_live_hls_ready)) {
        ngx_post_event(ev, &ngx_posted_next_events);
    }
}


/* First time: the request keeps a reference to itself, and its pool takes it
 * out of the queue when it goes. */
static ngx_int_t
ngx_live_hls_wait_begin(ngx_http_request_t *r, ngx_live_hls_ctx_t *ctx,
    ngx_msec_t timeout)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_live_hls_wait_cleanup;
    cln->data = ctx;

    ctx->waited = 1;
    ctx->deadline = ngx_current_msec + timeout;

    r->main->count++;
    r->write_event_handler = ngx_http_request_empty_handler;

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_test_reading;
    }

    ngx_live_count(NGX_LIVE_C_HLS_BLOCKED, 1);

    return NGX_OK;
}


ngx_int_t
ngx_live_hls_wait(ngx_http_request_t *r, ngx_live_hls_ctx_t *ctx,
    ngx_live_hls_find_t *f, uint32_t msn, uint32_t part, ngx_msec_t timeout)
{
    ngx_int_t               rc;
    ngx_live_hls_group_t   *g;
    ngx_live_hls_stream_t  *hs;

    hs = f->hs;

    if (r != r->main) {
        return ngx_live_hls_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                  "cannot wait",
                                  "A subrequest cannot wait for media.");
    }

    if (ctx->timed_out) {
        ngx_live_count(NGX_LIVE_C_HLS_TIMEOUTS, 1);
        return ngx_live_hls_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                  "timed out",
                                  "What was waited for did not come.");
    }

    ngx_live_hls_wait_init();

    rc = ngx_live_hls_conn_enter(r);

    if (rc == NGX_DECLINED) {
        return ngx_live_hls_error(r, NGX_HTTP_TOO_MANY_REQUESTS,
                                  "too many waiting requests",
                                  "This connection has too many requests "
                                  "that wait for media.");
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    g = ngx_live_hls_group(hs, f->rendition, msn, part, timeout);

    if (g == NULL
        || (!ctx->waited
            && ngx_live_hls_wait_begin(r, ctx, timeout) != NGX_OK))
    {
        ngx_live_hls_conn_leave(r);

        if (g && ngx_queue_empty(&g->waiters)) {
            ngx_live_hls_group_free(g);
        }

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_live_hls_group_join(g, ctx);
    ngx_live_count(NGX_LIVE_G_WAITING, 1);

    /* Interest first, then a second look: what comes from now on rings, what
     * came meanwhile is seen here. */

    if (!hs->watched) {
        lv_stream_watch(f->st, f->s, f->gen);
        hs->watched = 1;
        ngx_live_hls_look(f->st, hs);
    }

    return NGX_DONE;
}
