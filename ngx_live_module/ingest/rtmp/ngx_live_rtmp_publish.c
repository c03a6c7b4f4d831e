/* The RTMP session's handlers: who publishes what, and its media. */

#include "ngx_live_rtmp.h"


/* Lines that the encoder's mistakes may add to the log, in so long. */
#define NGX_LIVE_RTMP_TOLD     20
#define NGX_LIVE_RTMP_TOLD_MS  10000


static int ngx_live_rtmp_on_connect(void *data, const lv_rtmp_connect_t *c);
static int ngx_live_rtmp_on_publish(void *data, const lv_rtmp_publish_t *p);
static void ngx_live_rtmp_on_unpublish(void *data, uint32_t msid,
    lv_rtmp_unpublish_e why);
static int ngx_live_rtmp_on_begin(void *data, uint32_t msid, int type,
    uint32_t timestamp_ms, uint32_t len);
static int ngx_live_rtmp_on_data(void *data, int type, const uint8_t *p,
    size_t n);
static int ngx_live_rtmp_on_end(void *data, int type);
static void ngx_live_rtmp_on_abort(void *data, int type);
static int ngx_live_rtmp_on_metadata(void *data, uint32_t msid,
    const lv_amf0_value_t *obj);
static void ngx_live_rtmp_flv_event(void *data, lv_flv_event_t ev,
    const char *text);


const lv_rtmp_handler_t  ngx_live_rtmp_handler = {
    .on_connect = ngx_live_rtmp_on_connect,
    .on_publish = ngx_live_rtmp_on_publish,
    .on_unpublish = ngx_live_rtmp_on_unpublish,
    .on_message_begin = ngx_live_rtmp_on_begin,
    .on_message_data = ngx_live_rtmp_on_data,
    .on_message_end = ngx_live_rtmp_on_end,
    .on_message_abort = ngx_live_rtmp_on_abort,
    .on_metadata = ngx_live_rtmp_on_metadata
};


static int
ngx_live_rtmp_on_connect(void *data, const lv_rtmp_connect_t *rc)
{
    u_char               *p;
    size_t                len;
    ngx_live_rtmp_ctx_t  *ctx = data;

    len = ngx_min(rc->flash_ver.len, 64);

    if (len == 0) {
        return LV_OK;
    }

    p = ngx_pnalloc(ctx->connection->pool, len);
    if (p == NULL) {
        return LV_ERROR;
    }

    ngx_memcpy(p, rc->flash_ver.data, len);
    ctx->encoder.data = p;
    ctx->encoder.len = len;

    return LV_OK;
}


static const char *
ngx_live_rtmp_protocol(ngx_live_rtmp_ctx_t *ctx)
{
#if (NGX_STREAM_SSL)
    if (ctx->connection->ssl != NULL) {
        return "rtmps";
    }
#endif

    return "rtmp";
}


/* NGX_OK: decision->stream may be published; NGX_DECLINED: not, because of
 * decision->reason; NGX_AGAIN: ngx_live_rtmp_decided() will be called. */

static ngx_int_t
ngx_live_rtmp_decide(ngx_live_rtmp_ctx_t *ctx, const lv_rtmp_publish_t *p,
    ngx_live_publish_decision_t *decision)
{
    ngx_connection_t            *c;
    const lv_str_t              *name;
    ngx_live_publish_request_t   req;

    c = ctx->connection;

    /* some encoders put all of the path into the application */
    name = p->name.len ? &p->name : &p->app;

    ngx_memzero(&req, sizeof(ngx_live_publish_request_t));

    req.name.data = (u_char *) name->data;
    req.name.len = name->len;
    req.args.data = (u_char *) p->args.data;
    req.args.len = p->args.len;
    req.sockaddr = c->sockaddr;
    req.socklen = c->socklen;

    return ngx_live_decide(&ctx->live->publish, &req,
                           ngx_live_rtmp_protocol(ctx), &c->addr_text,
                           &ctx->encoder, decision, ngx_live_rtmp_decided,
                           ctx, &ctx->deciding);
}


/* NULL: the publish has begun; else why not. */

static const char *
ngx_live_rtmp_start(ngx_live_rtmp_ctx_t *ctx,
    ngx_live_publish_decision_t *decision)
{
    const char          *reason;
    ngx_live_publish_t   req;

    ngx_memzero(&req, sizeof(ngx_live_publish_t));

    req.protocol = ngx_live_rtmp_protocol(ctx);
    req.encoder = ctx->encoder;
    req.close = ngx_live_rtmp_closed;
    req.data = ctx;

    ctx->flv = ngx_alloc(sizeof(lv_flv_t), ctx->connection->log);

    if (ctx->flv == NULL) {
        return "the server is out of memory";
    }

    lv_flv_init(ctx->flv, NULL, ngx_live_rtmp_flv_event, ctx);

    ctx->publisher = ngx_stream_live_start(ctx->session, decision, &req,
                                           &ctx->stream, &reason);
    if (ctx->publisher == NULL) {
        ngx_free(ctx->flv);
        ctx->flv = NULL;
        return reason;
    }

    ctx->progress = 1;
    ngx_live_rtmp_pace_start(ctx);

    return NULL;
}


/* NULL: the publish has begun; else why not, already logged. */

static const char *
ngx_live_rtmp_begin(ngx_live_rtmp_ctx_t *ctx, ngx_int_t rc,
    ngx_live_publish_decision_t *decision)
{
    if (rc == NGX_OK) {
        return ngx_live_rtmp_start(ctx, decision);
    }

    ngx_stream_live_refused(ctx->session, ngx_live_rtmp_protocol(ctx),
                            decision->reason);

    return decision->reason;
}


static void
ngx_live_rtmp_refuse(ngx_live_rtmp_ctx_t *ctx, const char *reason)
{
    ctx->refused = 1;
    ctx->reason = ngx_stream_live_text(ctx->connection, reason);

    (void) lv_rtmp_session_reject(ctx->rtmp, "NetStream.Publish.BadName",
                                  reason);
}


static int
ngx_live_rtmp_on_publish(void *data, const lv_rtmp_publish_t *p)
{
    ngx_int_t                     rc;
    const char                   *reason;
    ngx_live_rtmp_ctx_t          *ctx = data;
    ngx_live_publish_decision_t   decision;

    ngx_live_rtmp_unpublish(ctx, NGX_LIVE_STOP_LOST, "published anew");

    rc = ngx_live_rtmp_decide(ctx, p, &decision);

    if (rc == NGX_AGAIN) {
        ctx->waiting = 1;
        return LV_AGAIN;
    }

    reason = ngx_live_rtmp_begin(ctx, rc, &decision);

    if (reason == NULL) {
        return LV_OK;
    }

    ngx_live_rtmp_refuse(ctx, reason);

    return LV_ERROR;
}


void
ngx_live_rtmp_decided(void *data, ngx_int_t rc,
    ngx_live_publish_decision_t *decision)
{
    const char           *reason;
    ngx_live_rtmp_ctx_t  *ctx = data;

    ctx->deciding = NULL;
    ctx->waiting = 0;

    reason = ngx_live_rtmp_begin(ctx, rc, decision);

    if (reason != NULL) {
        ngx_live_rtmp_refuse(ctx, reason);

    } else if (lv_rtmp_session_accept(ctx->rtmp) != LV_OK) {
        ctx->reason = lv_rtmp_session_error(ctx->rtmp);
        ctx->closing = 1;
        ngx_live_rtmp_unpublish(ctx, NGX_LIVE_STOP_ERROR, ctx->reason);
    }

    ngx_live_rtmp_go_on(ctx);
}


void
ngx_live_rtmp_unpublish(ngx_live_rtmp_ctx_t *ctx, ngx_live_stop_e why,
    const char *text)
{
    if (ctx->publisher == NULL) {
        return;
    }

    lv_flv_abort_all(ctx->flv);

    ngx_live_publisher_stop(ctx->publisher, why, text);
    ctx->publisher = NULL;

    ngx_free(ctx->flv);
    ctx->flv = NULL;
}


static void
ngx_live_rtmp_on_unpublish(void *data, uint32_t msid, lv_rtmp_unpublish_e why)
{
    ngx_live_rtmp_ctx_t  *ctx = data;

    if (why == LV_RTMP_REPLACED) {
        ngx_live_rtmp_unpublish(ctx, NGX_LIVE_STOP_LOST, "published anew");
        return;
    }

    ngx_live_rtmp_unpublish(ctx, NGX_LIVE_STOP_FINISHED,
                            "the encoder stopped");
    ctx->progress = 1;
}


static int
ngx_live_rtmp_failed(ngx_live_rtmp_ctx_t *ctx)
{
    ctx->displaced = ctx->flv->displaced;

    if (ctx->displaced) {
        ctx->reason = "another encoder has taken the stream over";

    } else {
        ctx->reason = ctx->flv->err ? ctx->flv->err : "unusable media";
    }

    return LV_ERROR;
}


static int
ngx_live_rtmp_on_begin(void *data, uint32_t msid, int type,
    uint32_t timestamp_ms, uint32_t len)
{
    ngx_live_rtmp_ctx_t  *ctx = data;

    if (ctx->publisher == NULL) {
        return LV_DECLINED;
    }

    ctx->progress = 1;

    if (!ngx_live_rtmp_pace_ok(ctx)) {
        ngx_live_count(NGX_LIVE_C_INGEST_DROPPED, 1);
        return LV_DECLINED;
    }

    if (lv_flv_begin(ctx->flv, ngx_live_publisher_packager(ctx->publisher),
                     type, timestamp_ms, len, ngx_live_now_ms())
        != LV_OK)
    {
        return ngx_live_rtmp_failed(ctx);
    }

    return LV_OK;
}


static int
ngx_live_rtmp_on_data(void *data, int type, const uint8_t *p, size_t n)
{
    ngx_live_rtmp_ctx_t  *ctx = data;

    if (ctx->publisher == NULL) {
        return LV_OK;
    }

    if (lv_flv_data(ctx->flv, type, p, n) != LV_OK) {
        return ngx_live_rtmp_failed(ctx);
    }

    return LV_OK;
}


static int
ngx_live_rtmp_on_end(void *data, int type)
{
    lv_stream_t          *s;
    ngx_live_rtmp_ctx_t  *ctx = data;

    if (ctx->publisher == NULL) {
        return LV_OK;
    }

    ngx_live_count(NGX_LIVE_C_INGEST_FRAMES, 1);

    if (lv_flv_end(ctx->flv, type) != LV_OK) {
        return ngx_live_rtmp_failed(ctx);
    }

    ngx_live_rtmp_pace(ctx);

    s = lv_packager_stream(ngx_live_publisher_packager(ctx->publisher));

    if (s != NULL) {
        atomic_store_explicit(&s->skew_ms, ctx->flv->timeline.skew_ms,
                              memory_order_relaxed);
    }

    return LV_OK;
}


static void
ngx_live_rtmp_on_abort(void *data, int type)
{
    ngx_live_rtmp_ctx_t  *ctx = data;

    if (ctx->publisher != NULL) {
        lv_flv_abort(ctx->flv, type);
    }
}


static int
ngx_live_rtmp_on_metadata(void *data, uint32_t msid,
    const lv_amf0_value_t *obj)
{
    double                num;
    lv_str_t              key;
    lv_amf0_value_t       v;
    lv_amf0_reader_t      r;
    ngx_live_rtmp_ctx_t  *ctx = data;

    if (ctx->publisher == NULL || lv_amf0_open(obj, &r) != LV_OK) {
        return LV_OK;
    }

    while (lv_amf0_next(&r, &key, &v) == LV_OK) {

        if (v.type == LV_AMF0_STRING) {
            lv_flv_meta_string(ctx->flv, (const char *) key.data, key.len,
                               (const char *) v.str.data, v.str.len);

        } else if (lv_amf0_number(&v, &num) == LV_OK) {
            lv_flv_meta_number(ctx->flv, (const char *) key.data, key.len,
                               num);
        }
    }

    return LV_OK;
}


static void
ngx_live_rtmp_flv_event(void *data, lv_flv_event_t ev, const char *text)
{
    ngx_uint_t            level;
    const char           *what;
    ngx_live_rtmp_ctx_t  *ctx = data;

    /* each message can be one, and a message may have ten bytes */

    if (ctx->told == 0
        || ngx_current_msec - ctx->told_ms >= NGX_LIVE_RTMP_TOLD_MS)
    {
        ctx->told_ms = ngx_current_msec;
        ctx->told = 0;
    }

    if (ctx->told == NGX_LIVE_RTMP_TOLD) {
        return;
    }

    ctx->told++;

    level = NGX_LOG_WARN;

    switch (ev) {

    case LV_FLV_CONFIG:
        level = NGX_LOG_INFO;
        what = "codec configuration";
        break;

    case LV_FLV_REFUSED:
        what = "audio cannot be carried";
        break;

    case LV_FLV_HELD:
        what = "frames without a codec configuration";
        break;

    case LV_FLV_BROKEN:
        what = "an unreadable message";
        break;

    case LV_FLV_SKIPPED:
        what = "left out";
        break;

    case LV_FLV_ANNEXB:
        what = "start codes inside RTMP are converted";
        break;

    case LV_FLV_JUMP:
        what = "the encoder's clock jumped";
        break;

    default: /* LV_FLV_END */
        level = NGX_LOG_INFO;
        what = "end of sequence";
        break;
    }

    ngx_log_error(level, ctx->connection->log, 0,
                  "live: stream \"%V\": %s: %s", &ctx->stream, what, text);
}
