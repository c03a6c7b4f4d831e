#include "ngx_live_view.h"


static void ngx_live_view_link(lv_link_t *link, ngx_live_view_t *view);
static void ngx_live_view_tracks(lv_store_t *st, lv_stream_t *s,
    ngx_live_view_t *view);
static void ngx_live_view_window(lv_store_t *st, lv_track_t *t,
    ngx_live_view_track_t *vt);


static const char  *ngx_live_view_states[] = {
    "free", "starting", "live", "interrupted", "ended"
};


const char *
ngx_live_view_state(uint32_t state)
{
    if (state >= sizeof(ngx_live_view_states) / sizeof(char *)) {
        return "unknown";
    }

    return ngx_live_view_states[state];
}


ngx_int_t
ngx_live_view_stream(lv_store_t *st, uint32_t index, ngx_live_view_t *view)
{
    uint32_t      gen;
    lv_stream_t  *s;

    s = lv_stream_at(st, index, &gen);

    if (s == NULL) {
        return NGX_DECLINED;
    }

    view->state = atomic_load(&s->state);

    if (view->state == LV_STREAM_FREE) {
        return NGX_DECLINED;
    }

    view->id_len = ngx_min(s->id_len, LV_STREAM_ID_MAX);
    ngx_memcpy(view->id, s->id, view->id_len);
    view->id[view->id_len] = '\0';

    view->epoch = s->epoch;
    view->state_ms = atomic_load(&s->state_ms);
    view->input_ms = atomic_load(&s->input_ms);
    view->bytes_in = atomic_load(&s->bytes_in);
    view->frames_in = atomic_load(&s->frames_in);
    view->frames_dropped = atomic_load(&s->frames_dropped);
    view->skew_ms = atomic_load(&s->skew_ms);
    view->evicted = atomic_load(&s->evicted);
    view->used = (uint64_t) atomic_load(&s->extents) * LV_EXTENT;
    view->reserved = (uint64_t) s->reserved * LV_EXTENT;

    /* before LIVE the owner may still be writing it */

    if (view->state == LV_STREAM_STARTING) {
        ngx_memzero(&view->timing, sizeof(lv_timing_t));

    } else {
        view->timing = s->timing;
    }

    lv_stream_publisher(s, &view->publisher);

    ngx_live_view_link(&s->link, view);
    ngx_live_view_tracks(st, s, view);

    if (!lv_stream_alive(s, gen)) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_live_view_link(lv_link_t *link, ngx_live_view_t *view)
{
    view->rtt_us = atomic_load(&link->rtt_us);
    view->latency_ms = atomic_load(&link->latency_ms);
    view->buffered = atomic_load(&link->buffered);
    view->rate_bps = atomic_load(&link->rate_bps);
    view->key_bits = atomic_load(&link->key_bits);
    view->packets = atomic_load(&link->packets);
    view->retransmitted = atomic_load(&link->retransmitted);
    view->lost = atomic_load(&link->lost);
    view->dropped = atomic_load(&link->dropped);
    view->undecrypted = atomic_load(&link->undecrypted);
}


static void
ngx_live_view_tracks(lv_store_t *st, lv_stream_t *s, ngx_live_view_t *view)
{
    unsigned                i, n;
    lv_track_t             *t;
    ngx_live_view_track_t  *vt;

    n = ngx_min(atomic_load(&s->track_count), LV_STREAM_TRACKS);

    view->tracks = 0;

    for (i = 0; i < n; i++) {

        t = lv_stream_track_at(st, s, i);

        if (t == NULL) {
            continue;
        }

        vt = &view->track[view->tracks];
        ngx_memzero(vt, sizeof(ngx_live_view_track_t));

        if (lv_track_desc(t, &vt->desc) != LV_OK) {
            continue;
        }

        ngx_live_view_window(st, t, vt);

        view->tracks++;
    }
}


static void
ngx_live_view_window(lv_store_t *st, lv_track_t *t, ngx_live_view_track_t *vt)
{
    lv_part_ref_t  first, last;

    if (lv_track_newest(st, t, &last) != LV_OK
        || lv_track_oldest(st, t, &first) != LV_OK)
    {
        return;
    }

    vt->first_msn = first.info.msn;
    vt->last_msn = last.info.msn;
    vt->last_part = last.info.part;
    vt->parts = last.info.seq - first.info.seq + 1;
    vt->commit_ms = last.info.commit_ms;
    vt->filler = (last.info.flags & LV_PART_FILLER) ? 1 : 0;

    if (last.info.pdt_ms > first.info.pdt_ms) {
        vt->window_ms = (uint32_t) (last.info.pdt_ms - first.info.pdt_ms);
    }

    if (vt->desc.timescale != 0) {
        vt->window_ms += (uint32_t) ((uint64_t) last.info.duration * 1000
                                     / vt->desc.timescale);
    }
}
