/* The body as it comes, and its publisher. */

#include "ngx_live_ingest.h"


#define NGX_LIVE_INGEST_ROUNDS  16      /* buffers, then others have a turn */

/* Lines that the encoder's mistakes may add to the log, in so long. */
#define NGX_LIVE_INGEST_TOLD     20
#define NGX_LIVE_INGEST_TOLD_MS  10000

/* Media that comes faster than it plays is read no faster than that. It may be
 * some seconds ahead, and who fell behind may catch up. All in ms. */
#define NGX_LIVE_INGEST_AHEAD    10000
#define NGX_LIVE_INGEST_RESUME   9000
#define NGX_LIVE_INGEST_BEHIND   (-30000)
#define NGX_LIVE_INGEST_PAUSE    2000


static const char *ngx_live_ingest_start(ngx_live_ingest_t *in,
    ngx_live_publish_decision_t *decision);
static void ngx_live_ingest_closed(void *data, ngx_live_stop_e why);
static void ngx_live_ingest_read(ngx_http_request_t *r);
static void ngx_live_ingest_again(ngx_event_t *ev);
static void ngx_live_ingest_told(void *data, lv_flv_event_t ev,
    const char *text);


void
ngx_live_ingest_decided(void *data, ngx_int_t rc,
    ngx_live_publish_decision_t *decision)
{
    ngx_str_t           none;
    const char         *reason;
    ngx_uint_t          later;
    ngx_connection_t   *c;
    ngx_live_ingest_t  *in = data;

    c = in->request->connection;
    later = in->deciding != NULL;
    in->deciding = NULL;

    if (rc != NGX_OK) {
        reason = decision->reason;

        ngx_live_count(NGX_LIVE_C_PUBLISH_REFUSED_AUTH, 1);
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "live: publish refused, cmaf from %V: %s",
                      &c->addr_text, reason);

        /* the control plane knows what it has refused itself */

        if (in->conf->publish.auth != NGX_LIVE_PUBLISH_HTTP) {
            ngx_str_null(&none);
            ngx_live_publisher_refused(&none, "cmaf", &c->addr_text, reason);
        }

        ngx_live_ingest_finish(in, NGX_LIVE_STOP_ERROR, NGX_HTTP_FORBIDDEN,
                               reason);

    } else {
        reason = ngx_live_ingest_start(in, decision);

        if (reason != NULL) {
            ngx_live_ingest_finish(in, NGX_LIVE_STOP_ERROR, NGX_HTTP_CONFLICT,
                                   reason);
        } else {
            ngx_live_ingest_read(in->request);
        }
    }

    if (later) {
        ngx_http_run_posted_requests(c);
    }
}


/* NULL: it publishes; else why not, logged. */

static const char *
ngx_live_ingest_start(ngx_live_ingest_t *in,
    ngx_live_publish_decision_t *decision)
{
    char                   *wrong;
    const char             *reason;
    ngx_connection_t       *c;
    ngx_http_request_t     *r;
    ngx_live_publish_t      req;
    ngx_live_media_conf_t   media, own;

    r = in->request;
    c = r->connection;

    own = in->conf->media;
    ngx_live_media_conf_get((ngx_cycle_t *) ngx_cycle, &own);

    media = decision->media;
    ngx_live_media_conf_merge(&media, &own);

    wrong = ngx_live_media_conf_check(&media);

    if (wrong != NGX_CONF_OK) {
        ngx_log_error(NGX_LOG_WARN, c->log, 0,
                      "live: the settings for the publish of \"%s\" are left "
                      "out: %s", decision->stream, wrong);
        media = own;
    }

    ngx_memzero(&req, sizeof(ngx_live_publish_t));

    in->stream.len = ngx_strlen(decision->stream);
    in->stream.data = ngx_pnalloc(r->pool, in->stream.len);
    in->mp4 = lv_fmp4_publish_create(ngx_live_ingest_told, in);

    if (in->stream.data == NULL || in->mp4 == NULL) {
        return "the server is out of memory";
    }

    ngx_memcpy(in->stream.data, decision->stream, in->stream.len);

    req.id = in->stream;
    req.protocol = "cmaf";
    req.addr = &c->addr_text;
    req.encoder = in->encoder;
    req.broadcast = decision->broadcast;
    req.media = &media;
    req.log = c->log;
    req.close = ngx_live_ingest_closed;
    req.data = in;
    ngx_memcpy(req.owner_key, decision->owner, sizeof(req.owner_key));

    in->publisher = ngx_live_publisher_start(&req, &reason);

    if (in->publisher == NULL) {
        return reason;
    }

    in->media_ms = -1;
    in->paced_ms = ngx_current_msec;
    in->again.handler = ngx_live_ingest_again;
    in->again.data = in;
    in->again.log = c->log;

    r->read_event_handler = ngx_live_ingest_read;

    return NULL;
}


static void
ngx_live_ingest_stop(ngx_live_ingest_t *in, ngx_live_stop_e why,
    const char *text)
{
    if (in->publisher != NULL) {
        lv_fmp4_publish_abort(in->mp4);
        ngx_live_publisher_stop(in->publisher, why, text);
        in->publisher = NULL;
    }

    lv_fmp4_publish_destroy(in->mp4);
    in->mp4 = NULL;

    if (in->again.timer_set) {
        ngx_del_timer(&in->again);
    }

    if (in->again.posted) {
        ngx_delete_posted_event(&in->again);
    }
}


void
ngx_live_ingest_cleanup(void *data)
{
    ngx_live_ingest_t  *in = data;

    if (in->deciding != NULL) {
        ngx_live_decide_cancel(in->deciding);
        in->deciding = NULL;
    }

    ngx_live_ingest_stop(in, NGX_LIVE_STOP_LOST, "connection closed");
}


/* As it can stand in a problem document, and lives as long as the request. */

static const char *
ngx_live_ingest_text(ngx_http_request_t *r, const char *text)
{
    u_char  *p, *copy;

    copy = ngx_pnalloc(r->pool, ngx_strlen(text) + 1);
    if (copy == NULL) {
        return "refused";
    }

    for (p = copy; *text; text++) {
        *p++ = *text == '"' || *text == '\\' || (u_char) *text < ' '
               ? '\'' : *text;
    }

    *p = '\0';

    return (char *) copy;
}


void
ngx_live_ingest_finish(ngx_live_ingest_t *in, ngx_live_stop_e why,
    ngx_uint_t status, const char *text)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = in->request;
    text = ngx_live_ingest_text(r, text);
    r->read_event_handler = ngx_http_block_reading;

    ngx_live_ingest_stop(in, why, text);

    if (status == NGX_HTTP_OK) {
        r->headers_out.status = NGX_HTTP_OK;
        r->headers_out.content_length_n = 0;
        r->header_only = 1;
        rc = ngx_http_send_header(r);

    } else {
        rc = ngx_live_http_problem(r, status,
                                   status == NGX_HTTP_BAD_REQUEST
                                   ? "bad media" : "publish refused", text);
    }

    ngx_http_finalize_request(r, rc);
}


/* Called when the stream is somebody else's, was kicked, or this worker has
 * drained, or stops at once. */

static void
ngx_live_ingest_closed(void *data, ngx_live_stop_e why)
{
    lv_stream_t        *s;
    const char         *text;
    ngx_uint_t          status;
    ngx_connection_t   *c;
    ngx_live_ingest_t  *in = data;

    c = in->request->connection;

    if (ngx_terminate) {
        ngx_live_ingest_stop(in, why, "this server stops");
        ngx_http_finalize_request(in->request, NGX_ERROR);
        ngx_http_run_posted_requests(c);
        return;
    }

    if (why == NGX_LIVE_STOP_DISPLACED) {
        text = "another encoder has taken the stream over";
        status = NGX_HTTP_CONFLICT;

    } else if (why == NGX_LIVE_STOP_KICKED) {
        s = lv_packager_stream(ngx_live_publisher_packager(in->publisher));
        text = lv_stream_kicked(s);
        status = NGX_HTTP_FORBIDDEN;

    } else {
        text = "this server is being replaced, please reconnect";
        status = NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    ngx_live_ingest_finish(in, why, status, text);
    ngx_http_run_posted_requests(c);
}


/* ---- the body ---------------------------------------------------------- */

/* How long reading has to pause; 0: not at all. */

static ngx_msec_t
ngx_live_ingest_pace(ngx_live_ingest_t *in)
{
    int64_t  media, passed;

    media = lv_fmp4_publish_media_ms(in->mp4);

    if (in->media_ms >= 0 && media > in->media_ms) {
        in->ahead_ms += media - in->media_ms;
    }

    in->media_ms = ngx_max(media, in->media_ms);

    passed = (ngx_msec_int_t) (ngx_current_msec - in->paced_ms);

    if (passed > 0) {
        in->ahead_ms -= passed + passed / 1000;
        in->paced_ms = ngx_current_msec;
    }

    in->ahead_ms = ngx_max(in->ahead_ms, NGX_LIVE_INGEST_BEHIND);

    if (in->ahead_ms <= NGX_LIVE_INGEST_AHEAD) {
        return 0;
    }

    return (ngx_msec_t) ngx_min(in->ahead_ms - NGX_LIVE_INGEST_RESUME,
                                NGX_LIVE_INGEST_PAUSE);
}


/* Bytes to the packager. NGX_OK, or NGX_DECLINED: unusable, answered. */

static ngx_int_t
ngx_live_ingest_take(ngx_live_ingest_t *in, ngx_chain_t *cl)
{
    size_t               n;
    uint64_t             samples;
    ngx_buf_t           *b;
    lv_stream_t         *s;
    const char          *text;
    ngx_chain_t         *ln;
    lv_packager_t       *packager;
    ngx_http_request_t  *r;

    r = in->request;
    packager = ngx_live_publisher_packager(in->publisher);

    while (cl) {
        b = cl->buf;
        n = b->last - b->pos;

        ngx_live_count(NGX_LIVE_C_INGEST_BYTES, (int64_t) n);

        if (lv_fmp4_publish_data(in->mp4, packager, b->pos, n,
                                 ngx_live_now_ms())
            != LV_OK)
        {
            text = lv_fmp4_publish_error(in->mp4);

            if (lv_fmp4_publish_displaced(in->mp4)) {
                ngx_live_ingest_finish(in, NGX_LIVE_STOP_DISPLACED,
                                       NGX_HTTP_CONFLICT, text);
                return NGX_DECLINED;
            }

            ngx_live_count(NGX_LIVE_C_INGEST_ERRORS, 1);
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "live: stream \"%V\": publishing ends: %s",
                          &in->stream, text);
            ngx_live_ingest_finish(in, NGX_LIVE_STOP_ERROR,
                                   NGX_HTTP_BAD_REQUEST, text);
            return NGX_DECLINED;
        }

        b->pos = b->last;
        ln = cl;
        cl = cl->next;
        ngx_free_chain(r->pool, ln);
    }

    samples = lv_fmp4_publish_samples(in->mp4);
    ngx_live_count(NGX_LIVE_C_INGEST_FRAMES, (int64_t) (samples - in->samples));
    in->samples = samples;

    s = lv_packager_stream(packager);

    if (s != NULL) {
        atomic_store_explicit(&s->skew_ms, lv_fmp4_publish_skew_ms(in->mp4),
                              memory_order_relaxed);
    }

    return NGX_OK;
}


/* The body is complete. */

static void
ngx_live_ingest_end(ngx_live_ingest_t *in)
{
    if (lv_fmp4_publish_end(in->mp4) != LV_OK) {
        ngx_live_count(NGX_LIVE_C_INGEST_ERRORS, 1);
        ngx_live_ingest_finish(in, NGX_LIVE_STOP_ERROR, NGX_HTTP_BAD_REQUEST,
                               lv_fmp4_publish_error(in->mp4));
        return;
    }

    ngx_live_ingest_finish(in, NGX_LIVE_STOP_FINISHED, NGX_HTTP_OK,
                           "the encoder stopped");
}


/* Reading failed: the connection is gone, silent for too long, or the body is
 * no body. */

static void
ngx_live_ingest_broken(ngx_live_ingest_t *in, ngx_int_t rc)
{
    ngx_http_request_t  *r;

    r = in->request;

    if (r->connection->error || rc == NGX_HTTP_CLIENT_CLOSED_REQUEST) {
        ngx_live_ingest_stop(in, NGX_LIVE_STOP_LOST, "the connection is lost");

    } else if (rc == NGX_HTTP_REQUEST_TIME_OUT) {
        ngx_live_ingest_stop(in, NGX_LIVE_STOP_LOST,
                             "nothing came for too long");
    } else {
        ngx_live_ingest_stop(in, NGX_LIVE_STOP_ERROR,
                             "the request's body is damaged");
    }

    r->read_event_handler = ngx_http_block_reading;
    ngx_http_finalize_request(r, rc);
}


static void
ngx_live_ingest_read(ngx_http_request_t *r)
{
    ngx_int_t           rc;
    ngx_msec_t          pause;
    ngx_uint_t          n;
    ngx_chain_t        *cl;
    ngx_connection_t   *c;
    ngx_live_ingest_t  *in;

    c = r->connection;
    in = ngx_http_get_module_ctx(r, ngx_http_live_ingest_module);

    if (in->again.timer_set || in->again.posted) {

        if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
            ngx_live_ingest_broken(in, NGX_HTTP_INTERNAL_SERVER_ERROR);
        }

        return;
    }

    for (n = 0; n < NGX_LIVE_INGEST_ROUNDS; n++) {

        rc = r->reading_body ? ngx_http_read_unbuffered_request_body(r)
                             : NGX_OK;

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            ngx_live_ingest_broken(in, rc);
            return;
        }

        cl = r->request_body ? r->request_body->bufs : NULL;

        if (cl == NULL && rc == NGX_AGAIN) {
            return;
        }

        if (cl != NULL) {
            r->request_body->bufs = NULL;

            if (ngx_live_ingest_take(in, cl) != NGX_OK) {
                return;
            }
        }

        if (!r->reading_body) {
            ngx_live_ingest_end(in);
            return;
        }

        pause = ngx_live_ingest_pace(in);

        if (pause) {
            if (c->read->timer_set) {
                ngx_del_timer(c->read);
            }

            ngx_add_timer(&in->again, pause);
            return;
        }
    }

    ngx_post_event(&in->again, &ngx_posted_next_events);
}


static void
ngx_live_ingest_again(ngx_event_t *ev)
{
    ngx_connection_t   *c;
    ngx_live_ingest_t  *in;

    in = ev->data;
    c = in->request->connection;

    ev->timedout = 0;

    ngx_live_ingest_read(in->request);
    ngx_http_run_posted_requests(c);
}


static void
ngx_live_ingest_told(void *data, lv_flv_event_t ev, const char *text)
{
    ngx_uint_t          level;
    ngx_live_ingest_t  *in = data;

    if (in->told == 0
        || ngx_current_msec - in->told_ms >= NGX_LIVE_INGEST_TOLD_MS)
    {
        in->told_ms = ngx_current_msec;
        in->told = 0;
    }

    if (in->told == NGX_LIVE_INGEST_TOLD) {
        return;
    }

    in->told++;

    level = ev == LV_FLV_CONFIG || ev == LV_FLV_END ? NGX_LOG_INFO
                                                    : NGX_LOG_WARN;

    ngx_log_error(level, in->request->connection->log, 0,
                  "live: stream \"%V\": %s: %s", &in->stream,
                  ev == LV_FLV_CONFIG ? "codec configuration"
                  : ev == LV_FLV_REFUSED ? "audio cannot be carried"
                  : ev == LV_FLV_JUMP ? "the encoder's clock jumped"
                  : "media", text);
}
