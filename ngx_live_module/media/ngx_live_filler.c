/*
 * Streams without a publisher: an interrupted stream is nobody's until a
 * worker adopts it and fills it. Every worker hears of the interruption, one
 * wins. An exiting worker adopts nothing and gives back what it fills.
 */

#include "ngx_live_media.h"
#include "ngx_live_ticker.h"


typedef struct {
    ngx_queue_t       queue;
    ngx_live_tick_t   tick;
    lv_packager_t    *packager;
    char              id[LV_STREAM_ID_MAX + 1];
} ngx_live_filler_t;


static void ngx_live_filler_dirty(lv_store_t *st, uint32_t stream);
static void ngx_live_filler_second(lv_store_t *st, uint64_t now_ms);
static void ngx_live_filler_adopt(lv_store_t *st, lv_stream_t *s);
static void ngx_live_filler_tick(void *data);
static void ngx_live_filler_ended(ngx_live_filler_t *f, lv_stream_t *s,
    const char *reason);
static void ngx_live_filler_event(void *ctx, lv_pack_event_t ev,
    const char *text);
static void ngx_live_filler_exit(lv_store_t *st);
static void ngx_live_filler_free(ngx_live_filler_t *f);


static ngx_queue_t   ngx_live_fillers;
static ngx_cycle_t  *ngx_live_filler_cycle;


ngx_int_t
ngx_live_filler_init(ngx_cycle_t *cycle)
{
    ngx_queue_init(&ngx_live_fillers);
    ngx_live_filler_cycle = cycle;

    if (ngx_live_on_dirty(ngx_live_filler_dirty) != NGX_OK
        || ngx_live_on_exit(ngx_live_filler_exit) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_live_on_second(ngx_live_filler_second);
}


static void
ngx_live_filler_exit(lv_store_t *st)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&ngx_live_fillers)) {
        q = ngx_queue_head(&ngx_live_fillers);
        ngx_live_filler_free(ngx_queue_data(q, ngx_live_filler_t, queue));
    }
}


static void
ngx_live_filler_dirty(lv_store_t *st, uint32_t stream)
{
    uint32_t      gen;
    lv_stream_t  *s;

    s = lv_stream_at(st, stream, &gen);

    if (s != NULL && atomic_load(&s->state) == LV_STREAM_INTERRUPTED) {
        ngx_live_filler_adopt(st, s);
    }
}


/* What a bell did not tell: a worker died, or there was nobody to hear. */

static void
ngx_live_filler_second(lv_store_t *st, uint64_t now_ms)
{
    uint32_t      i, n, gen;
    lv_stream_t  *s;

    if (ngx_exiting) {
        ngx_live_filler_exit(st);
        return;
    }

    n = lv_stream_count(st);

    for (i = 1; i <= n; i++) {
        s = lv_stream_at(st, i, &gen);

        if (s != NULL && atomic_load(&s->state) == LV_STREAM_INTERRUPTED) {
            ngx_live_filler_adopt(st, s);
        }
    }
}


static void
ngx_live_filler_adopt(lv_store_t *st, lv_stream_t *s)
{
    lv_packager_t      *packager;
    ngx_live_filler_t  *f;

    if (ngx_exiting || (uint32_t) atomic_load(&s->owner) != LV_SLOTS) {
        return;
    }

    f = ngx_calloc(sizeof(ngx_live_filler_t), ngx_live_filler_cycle->log);
    if (f == NULL) {
        return;
    }

    ngx_memcpy(f->id, s->id, sizeof(f->id) - 1);

    packager = lv_packager_adopt(st, s, ngx_live_now_ms(),
                                 ngx_live_filler_event, f);
    if (packager == NULL) {
        ngx_free(f);
        return;
    }

    f->packager = packager;
    f->tick.handler = ngx_live_filler_tick;
    f->tick.data = f;

    ngx_queue_insert_tail(&ngx_live_fillers, &f->queue);
    ngx_live_tick_add(&f->tick);

    ngx_live_count(NGX_LIVE_C_FILLED, 1);

    ngx_live_publisher_died(s, ngx_live_filler_cycle->log);

    ngx_log_error(NGX_LOG_NOTICE, ngx_live_filler_cycle->log, 0,
                  "live: stream \"%s\" has no publisher and is filled", f->id);
}


static void
ngx_live_filler_tick(void *data)
{
    ngx_int_t           rc;
    const char         *kicked;
    lv_stream_t        *s;
    ngx_live_filler_t  *f = data;

    s = lv_packager_stream(f->packager);
    rc = lv_packager_tick(f->packager, ngx_live_now_ms());
    kicked = lv_stream_kicked(s);

    if (rc == LV_OK && kicked == NULL && !ngx_exiting) {
        return;
    }

    if (rc == LV_OK && kicked != NULL) {
        lv_packager_finish(f->packager, ngx_live_now_ms());
        ngx_live_filler_ended(f, s, kicked);

    } else if (rc == LV_DECLINED) {
        ngx_live_filler_ended(f, s, "its publisher did not come back");
    }

    ngx_live_filler_free(f);
}


static void
ngx_live_filler_ended(ngx_live_filler_t *f, lv_stream_t *s,
    const char *reason)
{
    ngx_live_count(NGX_LIVE_C_STREAM_ENDED, 1);
    ngx_live_media_tell(LV_EVENT_STREAM_ENDED, s, reason);

    ngx_log_error(NGX_LOG_NOTICE, ngx_live_filler_cycle->log, 0,
                  "live: stream \"%s\" ended, %s", f->id, reason);
}


static void
ngx_live_filler_event(void *ctx, lv_pack_event_t ev, const char *text)
{
    ngx_live_filler_t  *f = ctx;

    ngx_live_media_event(ngx_live_filler_cycle->log, f->id, ev, text);
}


static void
ngx_live_filler_free(ngx_live_filler_t *f)
{
    ngx_live_tick_del(&f->tick);
    ngx_queue_remove(&f->queue);
    lv_packager_destroy(f->packager);
    ngx_free(f);
}
