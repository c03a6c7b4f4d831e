/*
 * One connection: what it sends is read, what it is to get is queued, and it
 * is closed with a reason. How long it may take for what: _wait.c.
 */

#include "ngx_live_chat.h"


static void ngx_live_chat_read(ngx_event_t *rev);
static void ngx_live_chat_write(ngx_event_t *wev);
static void ngx_live_chat_input(ngx_live_chat_member_t *m, u_char *p,
    size_t n);
static void ngx_live_chat_event(ngx_live_chat_member_t *m,
    lv_ws_event_t *event);
static void ngx_live_chat_cleanup(void *data);
static void ngx_live_chat_reap(ngx_event_t *ev);
static void ngx_live_chat_end(ngx_live_chat_member_t *m);


#define NGX_LIVE_CHAT_READS  4           /* of a buffer, in one turn */


static ngx_queue_t  ngx_live_chat_dead;
static ngx_event_t  ngx_live_chat_reap_event;
static u_char       ngx_live_chat_bytes[16384];


void
ngx_live_chat_member_init(ngx_cycle_t *cycle)
{
    ngx_queue_init(&ngx_live_chat_dead);
    ngx_live_chat_reap_event.handler = ngx_live_chat_reap;
    ngx_live_chat_reap_event.log = cycle->log;
}


/* ---- buffers ------------------------------------------------------------ */

ngx_live_chat_buf_t *
ngx_live_chat_buf(const void *p, size_t len)
{
    ngx_live_chat_buf_t  *buf;

    buf = ngx_alloc(offsetof(ngx_live_chat_buf_t, data) + len,
                    ngx_cycle->log);

    if (buf) {
        buf->refs = 1;
        buf->len = len;
        ngx_memcpy(buf->data, p, len);
    }

    return buf;
}


void
ngx_live_chat_buf_release(ngx_live_chat_buf_t *buf)
{
    if (buf && --buf->refs == 0) {
        ngx_free(buf);
    }
}


static void
ngx_live_chat_out_shift(ngx_live_chat_member_t *m)
{
    ngx_live_chat_out_t  *out;

    out = m->out;
    m->out = out->next;

    if (m->out == NULL) {
        m->out_last = &m->out;
    }

    m->queued -= out->buf->len - out->pos;
    ngx_live_count(NGX_LIVE_G_CHAT_QUEUED,
                   -(int64_t) (out->buf->len - out->pos));
    ngx_live_chat_buf_release(out->buf);
    ngx_free(out);
}


/* ---- writing ------------------------------------------------------------ */

/* Bytes that were taken, 0 when there is no room, or NGX_ERROR. */
static ssize_t
ngx_live_chat_write_some(ngx_live_chat_member_t *m, u_char *p, size_t len)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = m->connection;

    if (c->write->active && !c->write->ready) {
        return 0;
    }

    c->write->ready = 1;
    n = c->send(c, p, len);

    ngx_live_count(NGX_LIVE_C_CHAT_WRITES, 1);

    if (n == NGX_AGAIN) {
        n = 0;
    }

    if (n > 0) {
        ngx_live_count(NGX_LIVE_C_CHAT_SENT_BYTES, n);
    }

    if (n < (ssize_t) len && n != NGX_ERROR
        && ngx_handle_write_event(c->write, 0) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return n;
}


static void
ngx_live_chat_enqueue(ngx_live_chat_member_t *m, ngx_live_chat_buf_t *buf,
    size_t pos)
{
    ngx_live_chat_out_t  *out;

    out = ngx_alloc(sizeof(ngx_live_chat_out_t), ngx_cycle->log);

    if (out == NULL) {
        ngx_live_chat_gone(m, 1);
        return;
    }

    out->next = NULL;
    out->buf = buf;
    out->pos = pos;
    buf->refs++;

    *m->out_last = out;
    m->out_last = &out->next;
    m->queued += buf->len - pos;
    ngx_live_count(NGX_LIVE_G_CHAT_QUEUED, (int64_t) (buf->len - pos));
}


void
ngx_live_chat_put(ngx_live_chat_member_t *m, ngx_live_chat_buf_t *buf)
{
    ssize_t  n;

    if (m->gone || m->closed || buf == NULL) {
        return;
    }

    n = 0;

    if (m->out == NULL) {
        n = ngx_live_chat_write_some(m, buf->data, buf->len);

        if (n == NGX_ERROR) {
            ngx_live_chat_gone(m, 1);
            return;
        }

        if (n == (ssize_t) buf->len) {
            return;
        }

    } else if (m->queued + buf->len > m->conf->queue) {
        ngx_live_count(NGX_LIVE_C_CHAT_SLOW, 1);
        ngx_live_chat_close(m, LV_WS_TRY_LATER,
                            "You read too slowly: reconnect to go on.");
        return;
    }

    ngx_live_chat_enqueue(m, buf, (size_t) n);
}


static void
ngx_live_chat_write(ngx_event_t *wev)
{
    ssize_t                  n;
    ngx_connection_t        *c;
    ngx_live_chat_out_t     *out;
    ngx_live_chat_member_t  *m;

    c = wev->data;
    m = ngx_http_get_module_ctx((ngx_http_request_t *) c->data,
                                ngx_http_live_chat_module);

    while (m->out && !m->gone) {
        out = m->out;
        n = ngx_live_chat_write_some(m, out->buf->data + out->pos,
                                     out->buf->len - out->pos);
        if (n == NGX_ERROR) {
            ngx_live_chat_gone(m, 1);
            return;
        }

        out->pos += (size_t) n;
        m->queued -= (size_t) n;
        ngx_live_count(NGX_LIVE_G_CHAT_QUEUED, -(int64_t) n);

        if (out->pos < out->buf->len) {
            return;
        }

        ngx_live_chat_out_shift(m);
    }

    if (m->closed && m->out == NULL) {
        ngx_live_chat_gone(m, 0);
    }
}


void
ngx_live_chat_control(ngx_live_chat_member_t *m, ngx_uint_t opcode,
    const u_char *p, size_t len)
{
    size_t                n;
    uint8_t               frame[LV_WS_HEAD_MAX + LV_WS_CONTROL_MAX];
    ngx_live_chat_buf_t  *buf;

    n = lv_ws_head(frame, (unsigned) opcode, len);
    ngx_memcpy(frame + n, p, len);

    buf = ngx_live_chat_buf(frame, n + len);
    ngx_live_chat_put(m, buf);
    ngx_live_chat_buf_release(buf);
}


/* ---- the end ------------------------------------------------------------ */

void
ngx_live_chat_close(ngx_live_chat_member_t *m, ngx_uint_t code,
    const char *reason)
{
    uint8_t                frame[LV_WS_CLOSE_MAX];
    ngx_live_chat_buf_t   *buf;
    ngx_live_chat_out_t   *first;

    if (m->gone || m->closed) {
        return;
    }

    ngx_live_chat_room_leave(m);

    /* what has not begun to be sent is not; frames stay whole */

    first = m->out;

    while (m->out && (m->out != first || m->out->pos == 0)) {
        ngx_live_chat_out_shift(m);
    }

    while (m->out && m->out->next) {
        first = m->out->next;
        m->out->next = first->next;
        m->queued -= first->buf->len;
        ngx_live_count(NGX_LIVE_G_CHAT_QUEUED, -(int64_t) first->buf->len);
        ngx_live_chat_buf_release(first->buf);
        ngx_free(first);
    }

    if (m->out) {
        m->out_last = &m->out->next;
    }

    buf = ngx_live_chat_buf(frame, lv_ws_close(frame, (uint16_t) code,
                                               reason));
    if (buf == NULL) {
        ngx_live_chat_gone(m, 1);
        return;
    }

    if (m->out) {
        ngx_live_chat_enqueue(m, buf, 0);

    } else {
        ngx_live_chat_put(m, buf);
    }

    ngx_live_chat_buf_release(buf);

    if (m->gone) {
        return;
    }

    m->closed = 1;

    if (m->out == NULL) {
        ngx_live_chat_gone(m, 0);
        return;
    }

    ngx_live_chat_wait(m, NGX_LIVE_CHAT_W_CLOSE);
}


/* Nothing is done with it any more; its request ends outside of all loops. */
void
ngx_live_chat_gone(ngx_live_chat_member_t *m, ngx_uint_t broken)
{
    m->broken |= broken;

    if (m->gone) {
        return;
    }

    ngx_live_chat_room_leave(m);

    m->gone = 1;

    if (m->waits) {
        ngx_queue_remove(&m->wait);
    }

    m->waits = 1;
    ngx_queue_insert_tail(&ngx_live_chat_dead, &m->wait);

    if (!ngx_live_chat_reap_event.posted) {
        ngx_post_event(&ngx_live_chat_reap_event, &ngx_posted_events);
    }
}


/* The request is over, whoever ended it. */
static void
ngx_live_chat_cleanup(void *data)
{
    ngx_live_chat_member_t  *m = data;

    ngx_live_chat_room_leave(m);
    ngx_live_chat_unhold(m);
    ngx_live_chat_review_gone(m);

    if (m->waits) {
        ngx_queue_remove(&m->wait);
        m->waits = 0;
    }

    ngx_live_chat_undrain(m);

    while (m->out) {
        ngx_live_chat_out_shift(m);
    }

    lv_ws_free(&m->ws);
    m->gone = 1;
    ngx_live_count(NGX_LIVE_G_CHAT_MEMBERS, -1);
    ngx_live_count(NGX_LIVE_C_CHAT_LEFT, 1);
}


/* Thousands may end at once, each with a system call or two: others have their
 * turn in between. */
static void
ngx_live_chat_reap(ngx_event_t *ev)
{
    ngx_uint_t    n;
    ngx_queue_t  *q;

    for (n = 0; n < NGX_LIVE_CHAT_TURN; n++) {

        if (ngx_queue_empty(&ngx_live_chat_dead)) {
            return;
        }

        q = ngx_queue_head(&ngx_live_chat_dead);
        ngx_live_chat_end(ngx_queue_data(q, ngx_live_chat_member_t, wait));
    }

    if (!ngx_queue_empty(&ngx_live_chat_dead)) {
        ngx_post_event(ev, &ngx_posted_next_events);
    }
}


void
ngx_live_chat_reap_all(void)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&ngx_live_chat_dead)) {
        q = ngx_queue_head(&ngx_live_chat_dead);
        ngx_live_chat_end(ngx_queue_data(q, ngx_live_chat_member_t, wait));
    }
}


static void
ngx_live_chat_end(ngx_live_chat_member_t *m)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    ngx_queue_remove(&m->wait);
    m->waits = 0;

    r = m->request;
    c = m->connection;

    ngx_http_set_log_request(c->log, r);
    c->idle = 0;

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (m->broken) {
        c->error = 1;
        ngx_http_finalize_request(r, NGX_ERROR);

    } else {
        /* waits until the peer has read the close frame, and closed */
        r->lingering_close = 1;
        ngx_http_finalize_request(r, NGX_DONE);
    }

    ngx_http_run_posted_requests(c);
}


/* ---- reading ------------------------------------------------------------ */

ngx_int_t
ngx_live_chat_member_begin(ngx_live_chat_member_t *m)
{
    ngx_buf_t           *b;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;
    ngx_pool_cleanup_t  *cln;

    r = m->request;
    c = m->connection;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    lv_ws_init(&m->ws, LV_CHAT_MSG_MAX);
    m->out_last = &m->out;

    cln->handler = ngx_live_chat_cleanup;
    cln->data = m;
    ngx_live_count(NGX_LIVE_G_CHAT_MEMBERS, 1);
    ngx_live_count(NGX_LIVE_C_CHAT_JOINED, 1);

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    (void) ngx_tcp_nodelay(c);

    c->read->handler = ngx_live_chat_read;
    c->write->handler = ngx_live_chat_write;
    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;
    c->idle = 1;

    ngx_live_chat_wait(m, NGX_LIVE_CHAT_W_HELLO);

    r->main->count++;

    /* what came with the header */

    b = r->header_in;

    if (b->pos < b->last) {
        ngx_live_chat_input(m, b->pos, b->last - b->pos);
        b->pos = b->last;
    }

    if (!c->read->posted) {
        ngx_post_event(c->read, &ngx_posted_events);
    }

    return NGX_DONE;
}


static void
ngx_live_chat_read(ngx_event_t *rev)
{
    ssize_t                  n;
    ngx_uint_t               i;
    ngx_connection_t        *c;
    ngx_live_chat_member_t  *m;

    c = rev->data;
    m = ngx_http_get_module_ctx((ngx_http_request_t *) c->data,
                                ngx_http_live_chat_module);

    if (m->gone) {
        return;
    }

    if (c->close) {
        if (c->error) {
            ngx_live_chat_gone(m, 1);    /* worker_shutdown_timeout */
            return;
        }

        c->close = 0;
        c->idle = 0;
        ngx_live_chat_drain(m);
        return;
    }

    for (i = 0; i < NGX_LIVE_CHAT_READS && !m->gone && !m->hold; i++) {
        n = c->recv(c, ngx_live_chat_bytes, sizeof(ngx_live_chat_bytes));

        if (n == NGX_AGAIN) {
            if (ngx_handle_read_event(rev, 0) != NGX_OK) {
                ngx_live_chat_gone(m, 1);
            }

            return;
        }

        if (n == NGX_ERROR || n == 0) {
            ngx_live_chat_gone(m, 1);
            return;
        }

        ngx_live_chat_input(m, ngx_live_chat_bytes, (size_t) n);

        if (m->pressed) {
            m->pressed = 0;
            break;
        }
    }

    if (!m->gone && !m->hold && !rev->posted) {
        ngx_post_event(rev, &ngx_posted_next_events);
    }
}


static void
ngx_live_chat_input(ngx_live_chat_member_t *m, u_char *p, size_t n)
{
    int            rc;
    size_t         used;
    lv_ws_event_t  event;

    if (!m->closed && m->joined) {
        ngx_live_chat_wait(m, NGX_LIVE_CHAT_W_IDLE);
    }

    while (!m->gone && !m->closed) {
        rc = lv_ws_input(&m->ws, p, n, &used, &event);

        if (rc == LV_AGAIN) {
            return;
        }

        if (rc != LV_OK) {
            ngx_live_chat_close(m, LV_WS_INTERNAL, "out of memory");
            return;
        }

        p += used;
        n -= used;

        ngx_live_chat_event(m, &event);

        if (m->hold) {
            ngx_live_chat_hold_bytes(m, p, n);
            return;
        }
    }
}


void
ngx_live_chat_resume(ngx_live_chat_member_t *m, u_char *p, size_t n)
{
    ngx_event_t  *rev;

    ngx_live_chat_input(m, p, n);
    rev = m->connection->read;

    if (!m->gone && !m->hold && !rev->posted) {
        ngx_post_event(rev, &ngx_posted_events);
    }
}


/* At most so many frames a second, of whatever kind. */
static ngx_uint_t
ngx_live_chat_flood(ngx_live_chat_member_t *m)
{
    ngx_msec_t  passed, less;

    passed = ngx_current_msec - m->framed;
    m->framed = ngx_current_msec;

    passed = ngx_min(passed, 10000);
    less = passed * NGX_LIVE_CHAT_FRAMES;
    m->framed_level = m->framed_level > less
                      ? m->framed_level - (uint32_t) less : 0;
    m->framed_level += 1000;

    return m->framed_level > 4 * 1000 * NGX_LIVE_CHAT_FRAMES;
}


static void
ngx_live_chat_event(ngx_live_chat_member_t *m, lv_ws_event_t *event)
{
    if (event->type == LV_WS_CLOSE || event->type == LV_WS_FAIL) {

        if (event->type == LV_WS_FAIL) {
            ngx_live_count(NGX_LIVE_C_CHAT_BAD, 1);
            ngx_log_error(NGX_LOG_INFO, m->connection->log, 0,
                          "live chat: a member broke a rule: %s",
                          event->reason);
        }

        ngx_live_chat_close(m, event->code,
                            event->type == LV_WS_FAIL ? event->reason : NULL);
        return;
    }

    if (m->conf->rate != 0 && ngx_live_chat_flood(m)) {
        ngx_live_count(NGX_LIVE_C_CHAT_LIMITED, 1);
        ngx_log_error(NGX_LOG_INFO, m->connection->log, 0,
                      "live chat: a member was closed for flooding");
        ngx_live_chat_close(m, LV_WS_POLICY, "too many messages");
        return;
    }

    switch (event->type) {

    case LV_WS_PING:
        ngx_live_chat_control(m, LV_WS_OP_PONG, event->data, event->len);
        break;

    case LV_WS_TEXT:
        ngx_live_count(NGX_LIVE_C_CHAT_RECEIVED, 1);
        ngx_live_chat_said(m, event->data, event->len);
        break;

    default: /* LV_WS_PONG */
        break;
    }
}
