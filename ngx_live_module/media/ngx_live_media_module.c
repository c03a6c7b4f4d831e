#include "ngx_live_media.h"
#include "ngx_live_publisher.h"


static ngx_int_t ngx_live_media_init(ngx_cycle_t *cycle);


static ngx_core_module_t  ngx_live_media_module_ctx = {
    ngx_string("live_media"),
    NULL,
    NULL
};


ngx_module_t  ngx_live_media_module = {
    NGX_MODULE_V1,
    &ngx_live_media_module_ctx,            /* module context */
    NULL,                                  /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_live_media_init,                   /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_live_media_init(ngx_cycle_t *cycle)
{
    if (ngx_live_publisher_init() != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_live_filler_init(cycle);
}


void
ngx_live_media_event(ngx_log_t *log, const char *id, lv_pack_event_t ev,
    const char *text)
{
    ngx_uint_t   level;
    const char  *what;

    level = NGX_LOG_INFO;

    switch (ev) {

    case LV_PACK_READY:
        what = "is live";
        level = NGX_LOG_NOTICE;
        break;

    case LV_PACK_TRACK:
        what = "has a track";
        break;

    case LV_PACK_CODEC_CHANGED:
        what = "changed its codec configuration";
        level = NGX_LOG_NOTICE;
        break;

    case LV_PACK_RESUMED:
        what = "was resumed";
        level = NGX_LOG_NOTICE;
        ngx_live_count(NGX_LIVE_C_PUBLISH_RESUMED, 1);
        break;

    case LV_PACK_LONG_GOP:
        what = "has key frames too far apart";
        level = NGX_LOG_WARN;
        break;

    case LV_PACK_FILLED:
        what = "is filled";
        level = NGX_LOG_WARN;
        ngx_live_count(NGX_LIVE_C_FILLED, 1);
        break;

    case LV_PACK_DROPPED:
        what = "drops frames";
        level = NGX_LOG_WARN;
        break;

    case LV_PACK_NO_MEMORY:
        what = "drops frames, the store is full";
        level = NGX_LOG_ERR;
        break;

    default: /* LV_PACK_DISPLACED: the publisher's stop says so */
        return;
    }

    ngx_log_error(level, log, 0, "live: stream \"%s\" %s: %s", id, what, text);
}


void
ngx_live_media_tell(lv_event_e type, lv_stream_t *s, const char *reason)
{
    lv_store_t      *st;
    lv_event_t       ev;
    lv_publisher_t   pub;

    st = ngx_live_store();

    if (st == NULL || !lv_cluster_active(st)) {
        return;
    }

    lv_stream_publisher(s, &pub);

    ngx_memzero(&ev, sizeof(lv_event_t));
    ev.type = type;
    ev.time_ms = ngx_live_now_ms();
    ev.bytes = atomic_load(&s->bytes_in);
    ev.frames = atomic_load(&s->frames_in);

    ngx_memcpy(ev.stream, s->id, LV_STREAM_ID_MAX);
    ngx_memcpy(ev.broadcast, pub.broadcast, sizeof(pub.broadcast) - 1);
    ngx_memcpy(ev.protocol, pub.protocol, sizeof(pub.protocol) - 1);
    ngx_memcpy(ev.addr, pub.addr, sizeof(pub.addr) - 1);
    lv_cluster_text(ev.reason, sizeof(ev.reason), reason, ngx_strlen(reason));

    lv_event_add(st, &ev);
}


void
ngx_live_publisher_refused(ngx_str_t *stream, const char *protocol,
    ngx_str_t *addr, const char *reason)
{
    lv_event_t   ev;
    lv_store_t  *st;

    st = ngx_live_store();

    if (st == NULL || !lv_cluster_active(st)) {
        return;
    }

    ngx_memzero(&ev, sizeof(lv_event_t));
    ev.type = LV_EVENT_PUBLISH_REFUSED;
    ev.time_ms = ngx_live_now_ms();
    lv_cluster_text(ev.stream, sizeof(ev.stream), stream->data, stream->len);
    lv_cluster_text(ev.protocol, sizeof(ev.protocol), protocol,
                    ngx_strlen(protocol));
    lv_cluster_text(ev.addr, sizeof(ev.addr), addr->data, addr->len);
    lv_cluster_text(ev.reason, sizeof(ev.reason), reason, ngx_strlen(reason));

    lv_event_add(st, &ev);
}
