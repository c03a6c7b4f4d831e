/* Sends a feed: a part at a time, the next one when that one is out. */

#include "ngx_live_feed.h"


static void ngx_live_feed_cleanup(void *data);
static void ngx_live_feed_write(ngx_http_request_t *r);
static void ngx_live_feed_tick(ngx_event_t *ev);
static ngx_int_t ngx_live_feed_pump(ngx_live_feed_t *f);


static ngx_queue_t  ngx_live_feeds;
static ngx_msec_t   ngx_live_feed_exiting_since;


/* Nothing is to be sent from the part any more. */
static void
ngx_live_feed_unpin(ngx_live_feed_t *f)
{
    if (f->holds) {
        f->holds = 0;
        lv_part_unpin(f->st, f->pinned);
        ngx_live_count(NGX_LIVE_G_PINNED, -1);
    }
}


ngx_int_t
ngx_live_feed_begin(ngx_live_feed_t *f)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;
    ngx_pool_cleanup_t  *cln;

    r = f->request;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_live_feeds.next == NULL) {
        ngx_queue_init(&ngx_live_feeds);
    }

    cln->handler = ngx_live_feed_cleanup;
    cln->data = f;

    ngx_queue_insert_tail(&ngx_live_feeds, &f->queue);
    ngx_http_set_ctx(r, f, ngx_http_live_feed_module);

    f->since = ngx_current_msec;
    f->timer.handler = ngx_live_feed_tick;
    f->timer.data = f;
    f->timer.log = r->connection->log;
    ngx_add_timer(&f->timer, NGX_LIVE_FEED_TICK_MS);

    /* interest first, then the look: what comes from now on rings */
    lv_stream_watch(f->st, f->s, f->gen);
    ngx_live_count(NGX_LIVE_G_FEEDS, 1);

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_live_feed_write;

    rc = ngx_live_feed_pump(f);

    if (rc != NGX_AGAIN) {
        return rc;
    }

    r->main->count++;

    return NGX_DONE;
}


static void
ngx_live_feed_cleanup(void *data)
{
    ngx_live_feed_t  *f = data;

    ngx_queue_remove(&f->queue);

    if (f->timer.timer_set) {
        ngx_del_timer(&f->timer);
    }

    ngx_live_count(NGX_LIVE_C_FEED_SENT_BYTES, f->request->connection->sent);

    if (ngx_live_store() != NULL) {
        ngx_live_feed_unpin(f);
        lv_stream_unwatch(f->st, f->s, f->gen);
        ngx_live_count(NGX_LIVE_G_FEEDS, -1);
    }

    if (f->head) {
        ngx_free(f->head);
    }
}


static ngx_int_t
ngx_live_feed_answer(ngx_live_feed_t *f)
{
    ngx_http_request_t  *r;

    static ngx_str_t  no_store = ngx_string("no-store");

    r = f->request;
    f->begun = 1;

    r->headers_out.status = NGX_HTTP_OK;
    ngx_str_set(&r->headers_out.content_type, "video/mp4");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_http_clear_content_length(r);

    if (ngx_live_http_header(r, "Cache-Control", &no_store) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_send_header(r);
}


static ngx_int_t
ngx_live_feed_add(ngx_live_feed_t *f, u_char *p, size_t size)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl, **ll;

    for (ll = &f->out; *ll; ll = &(*ll)->next) { /* void */ }

    cl = ngx_chain_get_free_buf(f->request->pool, &f->free);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    b = cl->buf;
    ngx_memzero(b, sizeof(ngx_buf_t));

    b->start = p;
    b->pos = p;
    b->last = p + size;
    b->end = b->last;
    b->memory = size ? 1 : 0;
    b->tag = (ngx_buf_tag_t) &ngx_http_live_feed_module;

    *ll = cl;

    return NGX_OK;
}


/* The part's bytes, from memory that is pinned from here on. */
static ngx_int_t
ngx_live_feed_part(ngx_live_feed_t *f, ngx_live_feed_next_t *next)
{
    size_t          size;
    lv_run_t        it;
    ngx_chain_t    *cl;
    const uint8_t  *p;
    lv_feed_part_t  part;

    if (lv_part_pin(f->st, &next->ref) != LV_OK) {
        return NGX_DECLINED;
    }

    f->holds = 1;
    f->pinned = next->ref.id;
    ngx_live_count(NGX_LIVE_G_PINNED, 1);

    if (!lv_stream_alive(f->s, f->gen)) {
        return NGX_DECLINED;
    }

    part.index = next->track->index;
    part.flags = next->track->flags;
    part.len = next->ref.len;
    part.info = next->ref.info;
    lv_feed_part_write(f->box, &part);

    if (f->due && ngx_live_feed_add(f, f->head, f->head_len) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_live_feed_add(f, f->box, sizeof(f->box)) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&it, sizeof(lv_run_t));

    while (lv_part_run(f->st, &next->ref, &it, &p, &size)) {
        if (ngx_live_feed_add(f, (u_char *) p, size) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    for (cl = f->out; cl->next; cl = cl->next) { /* void */ }

    cl->buf->flush = 1;

    f->due = 0;
    next->track->seq++;
    next->track->flags = 0;
    ngx_live_count(NGX_LIVE_C_FEED_PARTS, 1);

    return NGX_OK;
}


/* The end of the answer, or of what there is to say without one. */
static ngx_int_t
ngx_live_feed_end(ngx_live_feed_t *f)
{
    ngx_int_t  rc;

    f->over = 1;

    if (!f->begun) {
        return ngx_live_http_problem(f->request, NGX_HTTP_NOT_FOUND,
                                     "no media",
                                     "The stream has nothing of that.");
    }

    rc = ngx_http_send_special(f->request, NGX_HTTP_LAST);

    /* to finalize the request is to send the rest */
    return rc == NGX_AGAIN ? NGX_OK : rc;
}


/* Puts the next part into f->out. NGX_OK, NGX_AGAIN: there is none yet,
 * NGX_DONE: nor will there be, or an error. */
static ngx_int_t
ngx_live_feed_next(ngx_live_feed_t *f)
{
    ngx_int_t             rc;
    ngx_live_feed_next_t  next;

    rc = ngx_live_feed_pick(f, &next);

    if (rc != NGX_OK) {
        return rc;
    }

    if (next.init || f->due) {

        /* a plain reader could not make anything of a second moov */

        if (f->head && !f->follow && !f->due) {
            return NGX_DONE;
        }

        f->due = 1;

        if (ngx_live_feed_head(f) != NGX_OK) {
            return NGX_AGAIN;            /* evicted meanwhile: looked at anew */
        }
    }

    if (!f->begun) {
        rc = ngx_live_feed_answer(f);

        if (rc == NGX_ERROR || rc > NGX_OK || f->request->header_only) {
            f->over = 1;
            return rc == NGX_AGAIN ? NGX_OK : rc;
        }
    }

    rc = ngx_live_feed_part(f, &next);

    if (rc == NGX_DECLINED) {
        ngx_live_feed_unpin(f);
        return NGX_AGAIN;
    }

    return rc;
}


/* NGX_OK: all of it is out; NGX_AGAIN: the rest waits for the socket. */
static ngx_int_t
ngx_live_feed_flush(ngx_live_feed_t *f)
{
    ngx_int_t  rc;

    rc = ngx_http_output_filter(f->request, f->out);

    ngx_chain_update_chains(f->request->pool, &f->free, &f->busy, &f->out,
                            (ngx_buf_tag_t) &ngx_http_live_feed_module);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    /* with TLS, bytes may wait behind the chain */

    if (f->busy || f->request->connection->buffered) {
        return NGX_AGAIN;
    }

    ngx_live_feed_unpin(f);

    return NGX_OK;
}


static ngx_int_t
ngx_live_feed_blocked(ngx_live_feed_t *f)
{
    ngx_event_t               *wev;
    ngx_http_core_loc_conf_t  *clcf;

    wev = f->request->connection->write;
    clcf = ngx_http_get_module_loc_conf(f->request, ngx_http_core_module);

    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    return ngx_handle_write_event(wev, clcf->send_lowat) == NGX_OK
           ? NGX_AGAIN : NGX_ERROR;
}


/* As much as is there and goes out. NGX_AGAIN: the request goes on; all else
 * finalizes it. */
static ngx_int_t
ngx_live_feed_pump(ngx_live_feed_t *f)
{
    ngx_int_t     rc;
    ngx_uint_t    n;
    ngx_event_t  *wev;

    wev = f->request->connection->write;

    for (n = 0; n < NGX_LIVE_FEED_BATCH; n++) {

        if (f->out == NULL && f->busy == NULL
            && !f->request->connection->buffered)
        {
            rc = ngx_live_feed_next(f);

            if (rc == NGX_DONE) {
                return ngx_live_feed_end(f);
            }

            if (rc != NGX_OK || f->over) {
                return rc;
            }
        }

        rc = ngx_live_feed_flush(f);

        if (rc == NGX_AGAIN) {
            return ngx_live_feed_blocked(f);
        }

        if (rc != NGX_OK) {
            return rc;
        }

        if (wev->timer_set && !wev->delayed) {
            ngx_del_timer(wev);
        }
    }

    /* others get their turn */
    ngx_post_event(wev, &ngx_posted_next_events);

    return NGX_AGAIN;
}


/* The socket takes more, or something has come. */
static void
ngx_live_feed_write(ngx_http_request_t *r)
{
    ngx_int_t         rc;
    ngx_connection_t *c;
    ngx_live_feed_t  *f;

    c = r->connection;
    f = ngx_http_get_module_ctx(r, ngx_http_live_feed_module);

    if (c->write->timedout) {
        c->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    rc = ngx_live_feed_pump(f);

    if (rc != NGX_AGAIN) {
        ngx_http_finalize_request(r, rc);
    }
}


/* Looks for its next part in an event of its own, unless it is still busy with
 * the last one. */
static void
ngx_live_feed_wake(ngx_live_feed_t *f)
{
    if (f->busy == NULL && !f->over) {
        ngx_post_event(f->request->connection->write, &ngx_posted_events);
    }
}


void
ngx_live_feed_dirty(lv_store_t *st, uint32_t stream)
{
    ngx_queue_t      *q;
    ngx_live_feed_t  *f;

    if (ngx_live_feeds.next == NULL) {
        return;
    }

    for (q = ngx_queue_head(&ngx_live_feeds);
         q != ngx_queue_sentinel(&ngx_live_feeds);
         q = ngx_queue_next(q))
    {
        f = ngx_queue_data(q, ngx_live_feed_t, queue);

        if (f->index == stream) {
            ngx_live_feed_wake(f);
        }
    }
}


/* A worker that is to exit keeps plain readers for as long as it keeps
 * publishers; those that follow come back elsewhere, with the next msn. */
static ngx_uint_t
ngx_live_feed_leaves(ngx_live_feed_t *f)
{
    ngx_live_core_conf_t  *lcf;

    if (!ngx_exiting) {
        return 0;
    }

    if (ngx_live_feed_exiting_since == 0) {
        ngx_live_feed_exiting_since = ngx_current_msec;
    }

    lcf = ngx_live_core_conf((ngx_cycle_t *) ngx_cycle);

    return f->follow || lcf == NULL
           || ngx_current_msec - ngx_live_feed_exiting_since
              >= lcf->drain_timeout;
}


static void
ngx_live_feed_tick(ngx_event_t *ev)
{
    ngx_int_t            rc;
    lv_token_result_e    result;
    ngx_live_feed_t     *f;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    f = ev->data;
    r = f->request;
    c = r->connection;
    rc = NGX_AGAIN;

    if (f->over) {
        return;                  /* finalized, or another handler's by now */
    }

    if (ngx_live_http_token_needed(r)
        && !ngx_live_http_token_still(r, &result))
    {
        rc = NGX_ERROR;

    } else if (f->busy == NULL && ngx_live_feed_leaves(f)) {
        rc = ngx_live_feed_end(f);

    } else if (!f->begun
               && ngx_current_msec - f->since >= NGX_LIVE_FEED_START_MS)
    {
        rc = ngx_live_feed_end(f);
    }

    if (rc != NGX_AGAIN) {
        ngx_http_finalize_request(r, rc);
        ngx_http_run_posted_requests(c);
        return;
    }

    ngx_add_timer(ev, NGX_LIVE_FEED_TICK_MS);
    ngx_live_feed_wake(f);
}


/* Readers that hold what has left the window and is needed. */
void
ngx_live_feed_second(lv_store_t *st, uint64_t now_ms)
{
    uint64_t          since;
    ngx_queue_t      *q;
    ngx_live_feed_t  *f;

    if (ngx_live_feeds.next == NULL) {
        return;
    }

    for (q = ngx_queue_head(&ngx_live_feeds);
         q != ngx_queue_sentinel(&ngx_live_feeds);
         q = ngx_queue_next(q))
    {
        f = ngx_queue_data(q, ngx_live_feed_t, queue);
        since = f->holds ? lv_part_limbo_since(st, f->pinned) : 0;

        if (since
            && ngx_live_http_limbo_over(st, since, f->s->timing.window_ms,
                                        now_ms))
        {
            ngx_live_count(NGX_LIVE_C_FEED_RESET_SLOW, 1);
            ngx_live_http_reset(f->request, since, now_ms);
        }
    }
}


/* Told to stop at once: nginx closes no connection then. */
void
ngx_live_feed_exit(lv_store_t *st)
{
    ngx_queue_t       *q;
    ngx_live_feed_t   *f;
    ngx_connection_t  *c;

    while (ngx_live_feeds.next && !ngx_queue_empty(&ngx_live_feeds)) {
        q = ngx_queue_head(&ngx_live_feeds);
        f = ngx_queue_data(q, ngx_live_feed_t, queue);

        ngx_queue_remove(q);
        ngx_queue_init(q);               /* its cleanup removes it once more */
        c = f->request->connection;
        ngx_http_finalize_request(f->request, NGX_ERROR);
        ngx_http_run_posted_requests(c);
    }
}
