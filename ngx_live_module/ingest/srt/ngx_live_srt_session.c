/*
 * A publisher's packets, its timer and its end. One timer does for all: a
 * session says when it wants to be called again, at the latest in a second,
 * and silence is looked for then.
 *
 * Media comes in some hundred packets a second. To be woken for each costs more
 * than to use it, so while packets come the socket is not watched but looked at
 * every few milliseconds: a tenth of the latency at most.
 */

#include "ngx_live_srt.h"


#define NGX_LIVE_SRT_TOLD_US  1000000   /* figures for others, so often */
#define NGX_LIVE_SRT_QUIET_US 100000    /* then it is watched again */
#define NGX_LIVE_SRT_LOOK     10        /* ms, the longest between two looks */


static void ngx_live_srt_go(ngx_live_srt_ctx_t *ctx, int64_t now_us);
static ngx_int_t ngx_live_srt_wait(ngx_live_srt_ctx_t *ctx, int64_t now_us,
    int64_t next_us);
static void ngx_live_srt_ended(ngx_live_srt_ctx_t *ctx);
static void ngx_live_srt_tell(ngx_live_srt_ctx_t *ctx, int64_t now_us);
static int ngx_live_srt_payload(void *data, const uint8_t *p, size_t n);


const lv_srt_handler_t  ngx_live_srt_session_handler = {
    .send = ngx_live_srt_send,
    .payload = ngx_live_srt_payload
};


void
ngx_live_srt_run(ngx_live_srt_ctx_t *ctx)
{
    ngx_live_srt_go(ctx, ngx_live_srt_now_us());
}


void
ngx_live_srt_handler(ngx_event_t *rev)
{
    int64_t                now;
    ngx_uint_t             timedout;
    ngx_connection_t      *c;
    ngx_live_srt_ctx_t    *ctx;
    ngx_stream_session_t  *s;

    c = rev->data;
    s = c->data;
    ctx = ngx_stream_get_module_ctx(s, ngx_live_srt_module);

    if (c->close) {
        ngx_live_srt_finalize(ctx, NGX_LIVE_STOP_LOST, NGX_STREAM_OK,
                              "nginx shuts down");
        return;
    }

    timedout = rev->timedout;
    rev->timedout = 0;
    now = ngx_live_srt_now_us();

    if (rev->ready || ctx->polled) {
        ngx_live_srt_receive(ctx, now);
    }

    if (ctx->srt != NULL) {
        ngx_live_srt_go(ctx, now);
        return;
    }

    if (timedout) {
        ngx_live_srt_finalize(ctx, NGX_LIVE_STOP_LOST, NGX_STREAM_OK,
                              ctx->reason ? ctx->reason
                                          : "was not decided in time");
        return;
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_live_srt_finalize(ctx, NGX_LIVE_STOP_LOST,
                              NGX_STREAM_INTERNAL_SERVER_ERROR,
                              "internal error");
    }
}


void
ngx_live_srt_packet(ngx_live_srt_ctx_t *ctx, u_char *p, size_t n,
    int64_t now_us)
{
    if (ctx->srt != NULL) {
        lv_srt_session_input(ctx->srt, p, n, now_us);
        return;
    }

    /* once for each time that it asks */

    if (ctx->refused && n >= LV_SRT_HEADER + LV_SRT_HS_SIZE
        && p[0] == 0x80 && p[1] == LV_SRT_HANDSHAKE)
    {
        ngx_live_srt_send(ctx, ctx->answer, ctx->answer_len);
    }
}


static void
ngx_live_srt_go(ngx_live_srt_ctx_t *ctx, int64_t now_us)
{
    int64_t            next;
    ngx_connection_t  *c;

    c = ctx->connection;

    next = lv_srt_session_tick(ctx->srt, now_us);

    if (lv_srt_session_closed(ctx->srt)) {
        ngx_live_srt_ended(ctx);
        return;
    }

    if (now_us - lv_srt_session_heard_us(ctx->srt)
        > (int64_t) ctx->conf->timeout * 1000)
    {
        lv_srt_session_flush(ctx->srt);
        lv_srt_session_shutdown(ctx->srt, now_us);
        ngx_connection_error(c, NGX_ETIMEDOUT, "live: no packets came");
        ngx_live_srt_finalize(ctx, NGX_LIVE_STOP_LOST, NGX_STREAM_OK,
                              "no packets came");
        return;
    }

    if (now_us - ctx->told_us >= NGX_LIVE_SRT_TOLD_US) {
        ngx_live_srt_tell(ctx, now_us);
    }

    if (ngx_live_srt_wait(ctx, now_us, next) != NGX_OK) {
        ngx_live_srt_finalize(ctx, NGX_LIVE_STOP_LOST,
                              NGX_STREAM_INTERNAL_SERVER_ERROR,
                              "internal error");
    }
}


static ngx_int_t
ngx_live_srt_wait(ngx_live_srt_ctx_t *ctx, int64_t now_us, int64_t next_us)
{
    ngx_msec_t    ms, look;
    ngx_event_t  *rev;

    rev = ctx->connection->read;
    ms = (ngx_msec_t) ((next_us - now_us + 999) / 1000);

    ctx->polled = (now_us - lv_srt_session_heard_us(ctx->srt)
                   < NGX_LIVE_SRT_QUIET_US);

    if (ctx->polled) {
        look = ctx->conf->latency / 10;
        ms = ngx_min(look, NGX_LIVE_SRT_LOOK);
    }

    /* nginx keeps a timer that is to move a little: here each ms counts */

    if (rev->timer_set) {
        ngx_del_timer(rev);
    }

    ngx_add_timer(rev, ms);

    if (!ctx->polled) {
        return ngx_handle_read_event(rev, 0);
    }

    return rev->active ? ngx_del_event(rev, NGX_READ_EVENT, 0) : NGX_OK;
}


/* The encoder has said goodbye, or its media cannot be used. */

static void
ngx_live_srt_ended(ngx_live_srt_ctx_t *ctx)
{
    const char       *text;
    ngx_live_stop_e   why;

    if (!ctx->failed) {
        lv_srt_session_flush(ctx->srt);
    }

    if (!ctx->failed) {
        ngx_live_srt_finalize(ctx, NGX_LIVE_STOP_FINISHED, NGX_STREAM_OK,
                              "the encoder stopped");
        return;
    }

    text = lv_ts_publish_error(ctx->ts);
    why = NGX_LIVE_STOP_ERROR;

    if (lv_ts_publish_displaced(ctx->ts)) {
        text = "another encoder has taken the stream over";
        why = NGX_LIVE_STOP_DISPLACED;

    } else {
        text = ngx_stream_live_text(ctx->connection,
                                    text ? text : "unusable media");
        ngx_live_count(NGX_LIVE_C_INGEST_ERRORS, 1);
        ngx_log_error(NGX_LOG_ERR, ctx->connection->log, 0,
                      "live: SRT connection ends: %s", text);
    }

    lv_srt_session_shutdown(ctx->srt, ngx_live_srt_now_us());
    ngx_live_srt_finalize(ctx, why, NGX_STREAM_OK, text);
}


static int
ngx_live_srt_payload(void *data, const uint8_t *p, size_t n)
{
    lv_packager_t       *packager;
    ngx_live_srt_ctx_t  *ctx = data;

    if (ctx->publisher == NULL || ctx->failed) {
        return LV_ERROR;
    }

    packager = ngx_live_publisher_packager(ctx->publisher);

    ngx_live_count(NGX_LIVE_C_INGEST_BYTES, (int64_t) n);

    if (lv_ts_publish_data(ctx->ts, packager, p, n, ngx_live_now_ms())
        != LV_OK)
    {
        ctx->failed = 1;
        return LV_ERROR;
    }

    return LV_OK;
}


/* The link's figures, for /status of any worker, and the counters. */

static void
ngx_live_srt_tell(ngx_live_srt_ctx_t *ctx, int64_t now_us)
{
    lv_stream_t     *s;
    lv_srt_stats_t   now, *was;

    s = lv_packager_stream(ngx_live_publisher_packager(ctx->publisher));
    was = &ctx->told;
    lv_srt_session_stats(ctx->srt, &now);

    ngx_live_count(NGX_LIVE_C_SRT_PACKETS,
                   (int64_t) (now.packets - was->packets));
    ngx_live_count(NGX_LIVE_C_SRT_RETRANSMITTED,
                   (int64_t) (now.retransmitted - was->retransmitted));
    ngx_live_count(NGX_LIVE_C_SRT_LOST,
                   (int64_t) (now.recv.lost - was->recv.lost));
    ngx_live_count(NGX_LIVE_C_SRT_DROPPED,
                   (int64_t) (now.recv.dropped - was->recv.dropped));

    ctx->told = now;
    ctx->told_us = now_us;

    if (s == NULL) {
        return;
    }

    atomic_store_explicit(&s->skew_ms, lv_ts_publish_skew_ms(ctx->ts),
                          memory_order_relaxed);

    atomic_store(&s->link.rtt_us, now.rtt_us);
    atomic_store(&s->link.latency_ms, now.latency_ms);
    atomic_store(&s->link.buffered, now.buffered);
    atomic_store(&s->link.rate_bps, now.rate_bps);
    atomic_store(&s->link.key_bits, now.key_len * 8);
    atomic_store(&s->link.packets, now.packets);
    atomic_store(&s->link.retransmitted, now.retransmitted);
    atomic_store(&s->link.lost, now.recv.lost);
    atomic_store(&s->link.dropped, now.recv.dropped);
    atomic_store(&s->link.undecrypted, now.undecrypted);
}


/* Called when the stream is somebody else's, was kicked, or this worker has
 * drained. The connection is closed at the next turn, unless there is none: the
 * process ends. */

void
ngx_live_srt_closed(void *data, ngx_live_stop_e why)
{
    const char          *text;
    lv_stream_t         *s;
    ngx_event_t         *rev;
    ngx_live_srt_ctx_t  *ctx = data;

    rev = ctx->connection->read;

    if (why == NGX_LIVE_STOP_DISPLACED) {
        text = "another encoder has taken the stream over";

    } else if (why == NGX_LIVE_STOP_KICKED) {
        s = lv_packager_stream(ngx_live_publisher_packager(ctx->publisher));
        text = ngx_stream_live_text(ctx->connection, lv_stream_kicked(s));

    } else {
        text = ngx_terminate ? "this server stops"
               : "this server is being replaced, please reconnect";
    }

    ctx->reason = text;
    lv_srt_session_shutdown(ctx->srt, ngx_live_srt_now_us());
    ngx_live_srt_unpublish(ctx, why, text);

    if (ngx_terminate) {
        ngx_live_srt_finalize(ctx, why, NGX_STREAM_OK, text);
        return;
    }

    if (rev->timer_set) {
        ngx_del_timer(rev);
    }

    ngx_add_timer(rev, 1);
}


void
ngx_live_srt_unpublish(ngx_live_srt_ctx_t *ctx, ngx_live_stop_e why,
    const char *text)
{
    lv_packager_t  *packager;

    if (ctx->publisher != NULL) {

        if (ctx->srt != NULL && ctx->ts != NULL
            && why != NGX_LIVE_STOP_DISPLACED)
        {
            ngx_live_srt_tell(ctx, 0);
        }

        packager = ngx_live_publisher_packager(ctx->publisher);

        if (ctx->ts != NULL) {

            if (why == NGX_LIVE_STOP_FINISHED && !ctx->failed) {
                (void) lv_ts_publish_flush(ctx->ts, packager,
                                           ngx_live_now_ms());
            }

            lv_ts_publish_abort(ctx->ts);
        }

        ngx_live_publisher_stop(ctx->publisher, why, text);
        ctx->publisher = NULL;
    }

    if (ctx->ts != NULL) {
        lv_ts_publish_destroy(ctx->ts);
        ctx->ts = NULL;
    }

    lv_srt_session_destroy(ctx->srt);
    ctx->srt = NULL;
}


void
ngx_live_srt_finalize(ngx_live_srt_ctx_t *ctx, ngx_live_stop_e why,
    ngx_uint_t status, const char *reason)
{
    ctx->reason = reason;

    if (ctx->refused) {
        status = NGX_STREAM_FORBIDDEN;
    }

    ngx_live_srt_unpublish(ctx, why, reason ? reason : "");

    ngx_stream_finalize_session(ctx->session, status);
}
