/* The end of a handshake: who publishes what, with which passphrase. */

#include "ngx_live_srt.h"
#include "ngx_live_limit.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>


#define NGX_LIVE_SRT_DECIDE   5000  /* ms; asking has its own, shorter time */
#define NGX_LIVE_SRT_LINGER   1000  /* a refusal is said again for so long */
#define NGX_LIVE_SRT_SLACK    (128 * 1024)
#define NGX_LIVE_SRT_EVENTS   16    /* lines of log about the media … */
#define NGX_LIVE_SRT_EVENTS_S 10    /* … in so many seconds */


static void ngx_live_srt_cleanup(void *data);
static const char *ngx_live_srt_decide(ngx_live_srt_ctx_t *ctx,
    lv_srt_reject_e *code);
static ngx_int_t ngx_live_srt_mapped(ngx_live_srt_ctx_t *ctx,
    ngx_live_publish_request_t *req, ngx_live_publish_decision_t *decision);
static void ngx_live_srt_decided(void *data, ngx_int_t rc,
    ngx_live_publish_decision_t *decision);
static const char *ngx_live_srt_conclude(ngx_live_srt_ctx_t *ctx,
    ngx_int_t rc, ngx_live_publish_decision_t *decision,
    lv_srt_reject_e *code);
static const char *ngx_live_srt_agree(ngx_live_srt_ctx_t *ctx,
    ngx_live_publish_decision_t *decision, lv_srt_terms_t *terms,
    lv_srt_reject_e *code);
static const char *ngx_live_srt_publish(ngx_live_srt_ctx_t *ctx,
    ngx_live_publish_decision_t *decision, lv_srt_terms_t *terms,
    lv_srt_reject_e *code);
static void ngx_live_srt_refuse(ngx_live_srt_ctx_t *ctx, lv_srt_reject_e code);
static void ngx_live_srt_settled(ngx_live_srt_ctx_t *ctx);
static void ngx_live_srt_ts_event(void *data, lv_ts_publish_event_t ev,
    const char *text);


/* Handshakes that are not decided, and refusals that linger. */
static ngx_queue_t  ngx_live_srt_queue;


ngx_uint_t
ngx_live_srt_pending(struct sockaddr *sa, ngx_uint_t *from)
{
    ngx_uint_t           n;
    ngx_queue_t         *q;
    ngx_connection_t    *c;
    ngx_live_srt_ctx_t  *ctx;

    n = 0;
    *from = 0;

    if (ngx_live_srt_queue.next == NULL) {
        return 0;
    }

    for (q = ngx_queue_head(&ngx_live_srt_queue);
         q != ngx_queue_sentinel(&ngx_live_srt_queue);
         q = ngx_queue_next(q))
    {
        ctx = ngx_queue_data(q, ngx_live_srt_ctx_t, queue);
        c = ctx->connection;
        n++;

        if (ngx_cmp_sockaddr(c->sockaddr, c->socklen, sa, c->socklen, 0)
            == NGX_OK)
        {
            (*from)++;
        }
    }

    return n;
}


void
ngx_live_srt_begin(ngx_stream_session_t *s, lv_srt_hello_t *hello)
{
    u_char              *p;
    const char          *reason;
    lv_srt_reject_e      code;
    ngx_connection_t    *c;
    ngx_pool_cleanup_t  *cln;
    ngx_live_srt_ctx_t  *ctx;

    c = s->connection;
    c->log->action = "receiving SRT";

    ctx = ngx_pcalloc(c->pool, sizeof(ngx_live_srt_ctx_t));
    cln = ngx_pool_cleanup_add(c->pool, 0);
    p = ngx_pnalloc(c->pool, sizeof("libsrt 255.255.255"));

    if (ctx == NULL || cln == NULL || p == NULL
        || ngx_stream_live_show(s, &ctx->stream, &ctx->reason) != NGX_OK)
    {
        ngx_stream_finalize_session(s, NGX_STREAM_INTERNAL_SERVER_ERROR);
        return;
    }

    if (ngx_live_srt_queue.next == NULL) {
        ngx_queue_init(&ngx_live_srt_queue);
    }

    ctx->encoder.data = p;
    ctx->encoder.len = ngx_sprintf(p, "libsrt %ud.%ud.%ud",
                                   hello->version >> 16 & 0xff,
                                   hello->version >> 8 & 0xff,
                                   hello->version & 0xff)
                       - p;

    cln->handler = ngx_live_srt_cleanup;
    cln->data = ctx;

    ctx->session = s;
    ctx->connection = c;
    ctx->came_us = ngx_live_srt_now_us();
    ctx->conf = ngx_stream_get_module_srv_conf(s, ngx_live_srt_module);
    ctx->live = ngx_stream_get_module_srv_conf(s, ngx_stream_live_module);
    ctx->hello = ngx_alloc(sizeof(lv_srt_hello_t), c->log);

    ngx_stream_set_ctx(s, ctx, ngx_live_srt_module);

    if (ctx->hello == NULL || ngx_live_srt_socket(c) != NGX_OK) {
        ngx_live_srt_finalize(ctx, NGX_LIVE_STOP_LOST,
                              NGX_STREAM_INTERNAL_SERVER_ERROR,
                              "internal error");
        return;
    }

    *ctx->hello = *hello;

    ngx_queue_insert_tail(&ngx_live_srt_queue, &ctx->queue);
    ctx->pending = 1;

    c->read->handler = ngx_live_srt_handler;
    ngx_add_timer(c->read, NGX_LIVE_SRT_DECIDE);

    reason = ngx_live_srt_decide(ctx, &code);

    if (reason != NULL) {
        ctx->reason = ngx_stream_live_text(c, reason);
        ngx_live_srt_refuse(ctx, code);
    }
}


static void
ngx_live_srt_cleanup(void *data)
{
    ngx_live_srt_ctx_t  *ctx = data;

    if (ctx->deciding != NULL) {
        ngx_live_decide_cancel(ctx->deciding);
        ctx->deciding = NULL;
    }

    ngx_live_srt_settled(ctx);
    ngx_live_srt_unpublish(ctx, NGX_LIVE_STOP_LOST, "connection closed");
}


/* Nothing is pending any more. */

static void
ngx_live_srt_settled(ngx_live_srt_ctx_t *ctx)
{
    if (ctx->pending) {
        ngx_queue_remove(&ctx->queue);
        ctx->pending = 0;
    }

    if (ctx->hello != NULL) {
        ngx_free(ctx->hello);
        ctx->hello = NULL;
    }
}


/* NULL: it publishes, or will be decided later; else why not, logged. */

static const char *
ngx_live_srt_decide(ngx_live_srt_ctx_t *ctx, lv_srt_reject_e *code)
{
    u_char                       *p;
    ngx_int_t                     rc;
    const char                   *reason;
    ngx_connection_t             *c;
    lv_srt_streamid_t             id;
    ngx_live_publish_request_t    req;
    ngx_live_publish_decision_t   decision;

    c = ctx->connection;

    *code = ctx->hello->reject;
    reason = NULL;

    if (*code != LV_SRT_REJ_NONE) {
        reason = lv_srt_reject_text(*code);

    } else if (lv_srt_streamid_parse(ctx->hello->sid, ctx->hello->sid_len, &id)
               != LV_OK)
    {
        *code = LV_SRT_REJX_BAD_REQUEST;
        reason = "the stream id cannot be read";

    } else if (id.watch) {
        *code = LV_SRT_REJX_BAD_MODE;
        reason = "SRT is for publishing here, not for watching";
    }

    if (reason != NULL) {
        ngx_stream_live_refused(ctx->session, "srt", reason);
        return reason;
    }

    ngx_memzero(&req, sizeof(ngx_live_publish_request_t));

    /* the application in front of the name is not looked at */

    for (p = id.name + id.name_len; p > id.name && p[-1] != '/'; p--) {
        /* void */
    }

    req.name.data = p;
    req.name.len = id.name + id.name_len - p;
    req.args.data = id.args;
    req.args.len = id.args_len;
    req.credential.data = id.credential;
    req.credential.len = id.credential_len;
    req.sockaddr = c->sockaddr;
    req.socklen = c->socklen;

    if (ctx->hello->sid_len == 0 && ctx->conf->stream.len != 0) {
        rc = ngx_live_srt_mapped(ctx, &req, &decision);

    } else {
        rc = ngx_live_decide(&ctx->live->publish, &req, "srt", &c->addr_text,
                             &ctx->encoder, &decision, ngx_live_srt_decided,
                             ctx, &ctx->deciding);
    }

    if (rc == NGX_AGAIN) {
        return NULL;
    }

    reason = ngx_live_srt_conclude(ctx, rc, &decision, code);
    OPENSSL_cleanse(&id, sizeof(lv_srt_streamid_t));

    return reason;
}


/* No stream id on a port that is one stream's: the passphrase is the key. */

static ngx_int_t
ngx_live_srt_mapped(ngx_live_srt_ctx_t *ctx, ngx_live_publish_request_t *req,
    ngx_live_publish_decision_t *decision)
{
    ngx_str_t                *pass;
    ngx_live_publish_conf_t   open;

    open = ctx->live->publish;
    open.auth = NGX_LIVE_PUBLISH_OFF;
    req->name = ctx->conf->stream;
    pass = &ctx->conf->passphrase;

    if (ngx_live_publish_decide(&open, req, decision) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (pass->len != 0
        && EVP_Digest(pass->data, pass->len, decision->owner, NULL,
                      EVP_sha256(), NULL)
           != 1)
    {
        decision->reason = "An internal error.";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_live_srt_decided(void *data, ngx_int_t rc,
    ngx_live_publish_decision_t *decision)
{
    const char          *reason;
    lv_srt_reject_e      code;
    ngx_live_srt_ctx_t  *ctx = data;

    ctx->deciding = NULL;

    reason = ngx_live_srt_conclude(ctx, rc, decision, &code);

    if (reason != NULL) {
        ctx->reason = ngx_stream_live_text(ctx->connection, reason);
        ngx_live_srt_refuse(ctx, code);
    }
}


/* NULL: it publishes; else why not, logged. */

static const char *
ngx_live_srt_conclude(ngx_live_srt_ctx_t *ctx, ngx_int_t rc,
    ngx_live_publish_decision_t *decision, lv_srt_reject_e *code)
{
    const char      *reason;
    lv_srt_terms_t   terms;

    if (rc != NGX_OK) {
        *code = LV_SRT_REJX_UNAUTHORIZED;
        reason = decision->reason;

    } else {
        reason = ngx_live_srt_agree(ctx, decision, &terms, code);
    }

    if (reason != NULL) {
        ngx_stream_live_refused(ctx->session, "srt", reason);
        return reason;
    }

    return ngx_live_srt_publish(ctx, decision, &terms, code);
}


/* The handshake's terms; NULL, or why there are none. Deriving a key takes a
 * millisecond: addresses that have failed often are not tried any more. */

static const char *
ngx_live_srt_agree(ngx_live_srt_ctx_t *ctx,
    ngx_live_publish_decision_t *decision, lv_srt_terms_t *terms,
    lv_srt_reject_e *code)
{
    size_t             n;
    ngx_str_t          pass;
    ngx_connection_t  *c;

    c = ctx->connection;
    pass = ctx->conf->passphrase;

    if (decision->passphrase[0] != '\0') {
        pass.data = (u_char *) decision->passphrase;
        pass.len = ngx_strlen(pass.data);
    }

    terms->socket = ((uint32_t) ngx_random() & 0x3fffffff) | 1;
    terms->latency_ms = (uint32_t) ctx->conf->latency;
    terms->window = LV_SRT_WINDOW_MAX;
    terms->crypto = NULL;

    if (pass.len != 0) {

        if (ngx_live_limit_blocked(&ngx_live_limit_publish, c->sockaddr)) {
            *code = LV_SRT_REJX_OVERLOAD;
            return "too many wrong keys came from this address";
        }

        terms->crypto = lv_srt_crypto_create(pass.data, pass.len);

        if (terms->crypto == NULL) {
            *code = LV_SRT_REJ_RESOURCE;
            return "the passphrase set for this stream cannot be used";
        }
    }

    *code = lv_srt_accept(ctx->hello, terms, ctx->answer, &n);
    ctx->answer_len = n;

    if (*code == LV_SRT_REJ_NONE) {
        return NULL;
    }

    if (*code == LV_SRT_REJ_BADSECRET) {
        ngx_live_limit_failed(&ngx_live_limit_publish, c->sockaddr);
    }

    lv_srt_crypto_destroy(terms->crypto);

    return lv_srt_reject_text(*code);
}


static const char *
ngx_live_srt_publish(ngx_live_srt_ctx_t *ctx,
    ngx_live_publish_decision_t *decision, lv_srt_terms_t *terms,
    lv_srt_reject_e *code)
{
    size_t                  bytes;
    int64_t                 now_us;
    const char             *reason;
    ngx_live_publish_t      req;
    lv_ts_publish_conf_t    conf;
    ngx_live_media_conf_t   media;

    *code = LV_SRT_REJX_CONFLICT;

    ngx_memzero(&req, sizeof(ngx_live_publish_t));

    req.protocol = "srt";
    req.encoder = ctx->encoder;
    req.close = ngx_live_srt_closed;
    req.data = ctx;

    ctx->publisher = ngx_stream_live_start(ctx->session, decision, &req,
                                           &ctx->stream, &reason);
    if (ctx->publisher == NULL) {
        lv_srt_crypto_destroy(terms->crypto);
        return reason;
    }

    /* half as much again as the latency has at the highest rate */

    media = decision->media;
    ngx_live_media_conf_merge(&media, &ctx->live->media);
    ngx_live_media_conf_get((ngx_cycle_t *) ngx_cycle, &media);

    if (ngx_live_media_conf_check(&media) != NGX_CONF_OK) {
        media = ctx->live->media;
        ngx_live_media_conf_get((ngx_cycle_t *) ngx_cycle, &media);
    }

    bytes = media.max_bitrate / 8 * terms->latency_ms / 1000 * 3 / 2
            + NGX_LIVE_SRT_SLACK;

    /* The decision may have taken its time: the caller's clock went on. What is
     * sent now is not to be held by that much longer. */

    now_us = ngx_live_srt_now_us();
    ctx->hello->ts += (uint32_t) (now_us - ctx->came_us);

    ngx_memzero(&conf, sizeof(lv_ts_publish_conf_t));
    conf.event = ngx_live_srt_ts_event;
    conf.ctx = ctx;

    ctx->ts = lv_ts_publish_create(&conf);
    ctx->srt = lv_srt_session_create(ctx->hello, terms, bytes, ctx->answer,
                                     ctx->answer_len,
                                     &ngx_live_srt_session_handler, ctx,
                                     now_us);

    if (ctx->ts == NULL || ctx->srt == NULL) {
        *code = LV_SRT_REJ_RESOURCE;
        reason = "the server is out of memory";
        ngx_live_srt_unpublish(ctx, NGX_LIVE_STOP_ERROR, reason);
        return reason;
    }

    ngx_live_srt_send(ctx, ctx->answer, ctx->answer_len);
    ngx_live_srt_settled(ctx);
    ngx_live_srt_run(ctx);

    return NULL;
}


/* The encoder asks again until it has heard the answer. */

static void
ngx_live_srt_refuse(ngx_live_srt_ctx_t *ctx, lv_srt_reject_e code)
{
    ctx->refused = 1;
    ctx->answer_len = lv_srt_reject(ctx->hello, code, ctx->answer);

    ngx_live_srt_send(ctx, ctx->answer, ctx->answer_len);

    ngx_del_timer(ctx->connection->read);
    ngx_add_timer(ctx->connection->read, NGX_LIVE_SRT_LINGER);
}


static void
ngx_live_srt_ts_event(void *data, lv_ts_publish_event_t ev, const char *text)
{
    ngx_uint_t           level;
    const char          *what;
    ngx_live_srt_ctx_t  *ctx = data;

    /* some of them a sender could make of every packet */

    if (ngx_time() - ctx->events_s >= NGX_LIVE_SRT_EVENTS_S) {
        ctx->events_s = ngx_time();
        ctx->events = 0;
    }

    if (ctx->events++ >= NGX_LIVE_SRT_EVENTS) {
        return;
    }

    level = NGX_LOG_WARN;

    switch (ev) {

    case LV_TSP_CONFIG:
        level = NGX_LOG_INFO;
        what = "codec configuration";
        break;

    case LV_TSP_REFUSED:
        what = "cannot be carried";
        break;

    case LV_TSP_BROKEN:
        what = "damaged";
        break;

    case LV_TSP_JUMP:
        what = "the encoder's clock jumped";
        break;

    default: /* LV_TSP_PROGRAM */
        level = NGX_LOG_INFO;
        what = "program";
        break;
    }

    ngx_log_error(level, ctx->connection->log, 0,
                  "live: stream \"%V\": %s: %s", &ctx->stream, what, text);
}
