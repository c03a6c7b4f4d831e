/*
 * One RTMP connection: what it reads goes to the session, what the session
 * answers is written, and silence, slowness and refusals have their time.
 *
 * Time-outs: until a publish is accepted the connection has
 * live_rtmp_handshake_timeout in all, however many bytes it sends; then no
 * more than live_rtmp_timeout between two messages; a connection that was
 * refused may linger, so that the encoder reads why and does not take the
 * close for a network error.
 */

#include "ngx_live_rtmp.h"


#define NGX_LIVE_RTMP_READ      65536
#define NGX_LIVE_RTMP_TURNS     16      /* reads before others have a turn */
#define NGX_LIVE_RTMP_LINGER    3000


static void ngx_live_rtmp_cleanup(void *data);
static void ngx_live_rtmp_read_handler(ngx_event_t *rev);
static void ngx_live_rtmp_timed_out(ngx_live_rtmp_ctx_t *ctx);
static void ngx_live_rtmp_write_handler(ngx_event_t *wev);
static ngx_int_t ngx_live_rtmp_read(ngx_live_rtmp_ctx_t *ctx);
static ngx_int_t ngx_live_rtmp_input(ngx_live_rtmp_ctx_t *ctx, u_char *p,
    size_t n);
static ngx_int_t ngx_live_rtmp_hold(ngx_live_rtmp_ctx_t *ctx, u_char *p,
    size_t n);
static void ngx_live_rtmp_watch(ngx_live_rtmp_ctx_t *ctx);
static ngx_int_t ngx_live_rtmp_flush(ngx_live_rtmp_ctx_t *ctx);
static void ngx_live_rtmp_linger(ngx_live_rtmp_ctx_t *ctx);
static void ngx_live_rtmp_finalize(ngx_live_rtmp_ctx_t *ctx,
    ngx_live_stop_e why, ngx_uint_t status, const char *reason);


/* A session takes all that is read, except while a decision is pending: one
 * buffer does for all connections of a worker. */
static u_char  ngx_live_rtmp_buffer[NGX_LIVE_RTMP_READ];


void
ngx_live_rtmp_init(ngx_stream_session_t *s)
{
    ngx_buf_t            *b;
    ngx_connection_t     *c;
    ngx_live_rtmp_ctx_t  *ctx;
    ngx_pool_cleanup_t   *cln;

    c = s->connection;
    c->log->action = "receiving RTMP";

    if (c->type != SOCK_STREAM) {
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "live: RTMP comes by TCP: take \"udp\" out of "
                      "\"listen\"");
        ngx_stream_finalize_session(s, NGX_STREAM_BAD_REQUEST);
        return;
    }

    ctx = ngx_pcalloc(c->pool, sizeof(ngx_live_rtmp_ctx_t));
    cln = ngx_pool_cleanup_add(c->pool, 0);

    if (ctx == NULL || cln == NULL) {
        ngx_stream_finalize_session(s, NGX_STREAM_INTERNAL_SERVER_ERROR);
        return;
    }

    cln->handler = ngx_live_rtmp_cleanup;
    cln->data = ctx;

    ctx->session = s;
    ctx->connection = c;
    ctx->conf = ngx_stream_get_module_srv_conf(s, ngx_live_rtmp_module);
    ctx->live = ngx_stream_get_module_srv_conf(s, ngx_stream_live_module);
    ctx->rtmp = lv_rtmp_session_create(NULL, &ngx_live_rtmp_handler, ctx);

    if (ctx->rtmp == NULL
        || ngx_stream_live_show(s, &ctx->stream, &ctx->reason) != NGX_OK)
    {
        ngx_stream_finalize_session(s, NGX_STREAM_INTERNAL_SERVER_ERROR);
        return;
    }

    ngx_stream_set_ctx(s, ctx, ngx_live_rtmp_module);

    (void) ngx_tcp_nodelay(c);

    c->read->handler = ngx_live_rtmp_read_handler;
    c->write->handler = ngx_live_rtmp_write_handler;

    ngx_add_timer(c->read, ctx->conf->handshake_timeout);

    b = c->buffer;

    if (b != NULL && b->pos < b->last) {

        if (ngx_live_rtmp_input(ctx, b->pos, b->last - b->pos) != NGX_OK) {
            return;
        }

        b->pos = b->last;
    }

    ngx_live_rtmp_read_handler(c->read);
}


static void
ngx_live_rtmp_cleanup(void *data)
{
    ngx_live_rtmp_ctx_t  *ctx = data;

    if (ctx->deciding != NULL) {
        ngx_live_decide_cancel(ctx->deciding);
        ctx->deciding = NULL;
    }

    ngx_live_rtmp_unpublish(ctx, NGX_LIVE_STOP_LOST, "connection closed");

    if (ctx->rtmp != NULL) {
        lv_rtmp_session_destroy(ctx->rtmp);
        ctx->rtmp = NULL;
    }
}


static void
ngx_live_rtmp_read_handler(ngx_event_t *rev)
{
    ngx_msec_t             pause;
    ngx_connection_t      *c;
    ngx_live_rtmp_ctx_t   *ctx;
    ngx_stream_session_t  *s;

    c = rev->data;
    s = c->data;
    ctx = ngx_stream_get_module_ctx(s, ngx_live_rtmp_module);

    if (c->close) {
        ngx_live_rtmp_finalize(ctx, NGX_LIVE_STOP_LOST, NGX_STREAM_OK,
                               "nginx shuts down");
        return;
    }

    if (ctx->waiting) {
        ngx_live_rtmp_watch(ctx);
        return;
    }

    if (rev->timedout && ctx->paused) {
        rev->timedout = 0;
        ctx->paused = 0;
        ctx->progress = 1;
    }

    if (ctx->paused) {
        (void) ngx_handle_read_event(rev, 0);
        return;
    }

    if (rev->timedout) {
        rev->timedout = 0;
        ngx_live_rtmp_timed_out(ctx);
        return;
    }

    if (ngx_live_rtmp_read(ctx) != NGX_OK) {
        return;
    }

    if (ctx->waiting) {
        ngx_live_rtmp_watch(ctx);
        return;
    }

    pause = ctx->closing ? 0 : ngx_live_rtmp_pace_pause(ctx);

    if (pause != 0) {
        /* what is there stays in the socket until the timer runs */
        ctx->paused = 1;
        ngx_add_timer(rev, pause);
        (void) ngx_handle_read_event(rev, 0);
        return;
    }

    if (ctx->progress && !ctx->closing) {
        ctx->progress = 0;
        ngx_add_timer(rev, ctx->publisher != NULL
                           ? ctx->conf->timeout
                           : ctx->conf->handshake_timeout);
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_live_rtmp_finalize(ctx, NGX_LIVE_STOP_LOST,
                               NGX_STREAM_INTERNAL_SERVER_ERROR,
                               "internal error");
    }
}


static void
ngx_live_rtmp_timed_out(ngx_live_rtmp_ctx_t *ctx)
{
    ngx_connection_t  *c;

    c = ctx->connection;

    if (ctx->closing) {
        ngx_live_rtmp_finalize(ctx, NGX_LIVE_STOP_LOST, NGX_STREAM_OK,
                               ctx->reason);

    } else if (ctx->publisher != NULL) {
        ngx_connection_error(c, NGX_ETIMEDOUT, "live: no media came");
        ngx_live_rtmp_finalize(ctx, NGX_LIVE_STOP_LOST, NGX_STREAM_OK,
                               "no media came");

    } else {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "live: client did not publish in time");
        ngx_live_count(NGX_LIVE_C_INGEST_ERRORS, 1);
        ngx_live_rtmp_finalize(ctx, NGX_LIVE_STOP_LOST,
                               NGX_STREAM_BAD_REQUEST,
                               "did not publish in time");
    }
}


/* NGX_OK: go on waiting. Anything else: the connection is gone. */

static ngx_int_t
ngx_live_rtmp_read(ngx_live_rtmp_ctx_t *ctx)
{
    ssize_t            n;
    ngx_uint_t         turns;
    ngx_connection_t  *c;

    c = ctx->connection;

    for (turns = 0; c->read->ready; turns++) {

        if (turns == NGX_LIVE_RTMP_TURNS) {
            ngx_post_event(c->read, &ngx_posted_next_events);
            break;
        }

        n = c->recv(c, ngx_live_rtmp_buffer, NGX_LIVE_RTMP_READ);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == NGX_ERROR || n == 0) {
            ngx_live_rtmp_finalize(ctx, NGX_LIVE_STOP_LOST, NGX_STREAM_OK,
                                   ctx->closing ? ctx->reason
                                   : n == 0 ? "connection closed by the encoder"
                                            : "connection lost");
            return NGX_DONE;
        }

        ctx->session->received += n;

        if (ngx_live_rtmp_input(ctx, ngx_live_rtmp_buffer, n) != NGX_OK) {
            return NGX_DONE;
        }

        if (ctx->waiting
            || (!ctx->closing && ngx_live_rtmp_pace_pause(ctx) != 0))
        {
            break;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_live_rtmp_input(ngx_live_rtmp_ctx_t *ctx, u_char *p, size_t n)
{
    size_t              used;
    ngx_int_t           rc;
    ngx_uint_t          level;
    ngx_live_stop_e     why;
    ngx_connection_t   *c;

    c = ctx->connection;

    if (ctx->lingering) {
        /* what still comes is nobody's, nor is it logged again */
        return NGX_OK;
    }

    used = 0;
    rc = n ? lv_rtmp_session_input(ctx->rtmp, p, n, ngx_current_msec, &used)
           : LV_OK;

    if (ctx->publisher != NULL) {
        ngx_live_count(NGX_LIVE_C_INGEST_BYTES, (int64_t) n);
    }

    if (rc == LV_ERROR) {
        why = NGX_LIVE_STOP_ERROR;

        if (ctx->reason == NULL) {
            ctx->reason = lv_rtmp_session_error(ctx->rtmp);
        }

        if (ctx->displaced) {
            why = NGX_LIVE_STOP_DISPLACED;

        } else {
            ngx_live_count(NGX_LIVE_C_INGEST_ERRORS, 1);
            /* anybody can connect and send nonsense */
            level = ctx->publisher ? NGX_LOG_ERR : NGX_LOG_INFO;

            ngx_log_error(level, c->log, 0,
                          "live: RTMP connection ends: %s", ctx->reason);
        }

        if (ctx->publisher != NULL) {
            (void) lv_rtmp_session_close_notice(ctx->rtmp, "error",
                                                "NetStream.Publish.BadName",
                                                ctx->reason);
        }

        ngx_live_rtmp_unpublish(ctx, why, ctx->reason);
        ctx->closing = 1;
    }

    if (ctx->waiting && ngx_live_rtmp_hold(ctx, p + used, n - used) != NGX_OK)
    {
        ngx_live_rtmp_finalize(ctx, NGX_LIVE_STOP_LOST,
                               NGX_STREAM_INTERNAL_SERVER_ERROR,
                               "internal error");
        return NGX_DONE;
    }

    if (ngx_live_rtmp_flush(ctx) != NGX_OK) {
        return NGX_DONE;
    }

    if (ctx->closing || lv_rtmp_session_is_closing(ctx->rtmp)) {
        ngx_live_rtmp_linger(ctx);
    }

    return NGX_OK;
}


/* While the control plane is asked: what has been read beyond the publish. It
 * has no time limit of its own, since the asking has. */

static ngx_int_t
ngx_live_rtmp_hold(ngx_live_rtmp_ctx_t *ctx, u_char *p, size_t n)
{
    ngx_connection_t  *c;

    c = ctx->connection;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    if (n == 0) {
        return NGX_OK;
    }

    ctx->held = ngx_create_temp_buf(c->pool, n);
    if (ctx->held == NULL) {
        return NGX_ERROR;
    }

    ctx->held->last = ngx_cpymem(ctx->held->pos, p, n);

    return NGX_OK;
}


/* … nothing more is read, but one looks whether the peer has gone. */

static void
ngx_live_rtmp_watch(ngx_live_rtmp_ctx_t *ctx)
{
    int                n;
    u_char             buf[1];
    ngx_connection_t  *c;

    c = ctx->connection;

    n = c->read->pending_eof ? 0 : recv(c->fd, buf, 1, MSG_PEEK);

    if (n == 0 || (n == -1 && ngx_socket_errno != NGX_EAGAIN)) {
        ngx_live_rtmp_finalize(ctx, NGX_LIVE_STOP_LOST, NGX_STREAM_OK,
                               "connection closed by the encoder");
        return;
    }

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_live_rtmp_finalize(ctx, NGX_LIVE_STOP_LOST,
                               NGX_STREAM_INTERNAL_SERVER_ERROR,
                               "internal error");
    }
}


void
ngx_live_rtmp_go_on(ngx_live_rtmp_ctx_t *ctx)
{
    ngx_buf_t         *b;
    ngx_connection_t  *c;

    c = ctx->connection;
    b = ctx->held;
    ctx->held = NULL;

    /* with nothing to feed: what the decision has written, and lingering */

    if (ngx_live_rtmp_input(ctx, b ? b->pos : NULL, b ? b->last - b->pos : 0)
        != NGX_OK)
    {
        return;
    }

    if (b != NULL) {
        (void) ngx_pfree(c->pool, b->start);
    }

    if (!ctx->waiting) {
        /* bytes may be there of which no event will tell */
        c->read->ready = 1;
        ngx_post_event(c->read, &ngx_posted_events);
    }
}


static void
ngx_live_rtmp_linger(ngx_live_rtmp_ctx_t *ctx)
{
    if (ctx->lingering) {
        return;
    }

    ctx->lingering = 1;
    ctx->closing = 1;
    ngx_add_timer(ctx->connection->read, NGX_LIVE_RTMP_LINGER);
}


static ngx_int_t
ngx_live_rtmp_flush(ngx_live_rtmp_ctx_t *ctx)
{
    size_t             n;
    ssize_t            sent;
    const uint8_t     *p;
    ngx_connection_t  *c;

    c = ctx->connection;

    for ( ;; ) {
        lv_rtmp_session_output(ctx->rtmp, &p, &n);

        if (n == 0 || !c->write->ready) {
            break;
        }

        sent = c->send(c, (u_char *) p, n);

        if (sent == NGX_AGAIN) {
            break;
        }

        if (sent == NGX_ERROR) {
            ngx_live_rtmp_finalize(ctx, NGX_LIVE_STOP_LOST, NGX_STREAM_OK,
                                   "connection lost");
            return NGX_ERROR;
        }

        lv_rtmp_session_sent(ctx->rtmp, sent);
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        ngx_live_rtmp_finalize(ctx, NGX_LIVE_STOP_LOST,
                               NGX_STREAM_INTERNAL_SERVER_ERROR,
                               "internal error");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_live_rtmp_write_handler(ngx_event_t *wev)
{
    ngx_connection_t      *c;
    ngx_live_rtmp_ctx_t   *ctx;
    ngx_stream_session_t  *s;

    c = wev->data;
    s = c->data;
    ctx = ngx_stream_get_module_ctx(s, ngx_live_rtmp_module);

    (void) ngx_live_rtmp_flush(ctx);
}


void
ngx_live_rtmp_closed(void *data, ngx_live_stop_e why)
{
    const char           *text;
    lv_stream_t          *s;
    ngx_live_rtmp_ctx_t  *ctx = data;

    if (why == NGX_LIVE_STOP_DISPLACED) {
        text = "another encoder has taken the stream over";
        (void) lv_rtmp_session_close_notice(ctx->rtmp, "error",
                                            "NetStream.Publish.BadName", text);

    } else if (why == NGX_LIVE_STOP_KICKED) {
        s = lv_packager_stream(ngx_live_publisher_packager(ctx->publisher));
        text = ngx_stream_live_text(ctx->connection, lv_stream_kicked(s));
        (void) lv_rtmp_session_close_notice(ctx->rtmp, "error",
                                            "NetStream.Publish.BadName", text);

    } else {
        text = ngx_terminate ? "this server stops"
               : "this server is being replaced, please reconnect";

        if (lv_rtmp_session_can_reconnect(ctx->rtmp)) {
            (void) lv_rtmp_session_close_notice(ctx->rtmp, "status",
                                  "NetConnection.Connect.ReconnectRequest",
                                  text);
        }
    }

    ctx->reason = text;
    ctx->paused = 0;
    ngx_live_rtmp_unpublish(ctx, why, text);

    if (ngx_live_rtmp_flush(ctx) == NGX_OK) {
        ngx_live_rtmp_linger(ctx);
    }
}


static void
ngx_live_rtmp_finalize(ngx_live_rtmp_ctx_t *ctx, ngx_live_stop_e why,
    ngx_uint_t status, const char *reason)
{
    ctx->reason = reason;

    if (ctx->refused) {
        status = NGX_STREAM_FORBIDDEN;
    }

    ngx_live_rtmp_unpublish(ctx, why, reason ? reason : "");

    ngx_stream_finalize_session(ctx->session, status);
}
