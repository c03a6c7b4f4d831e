/*
 * What this worker keeps of the streams that somebody asked it for: playlists
 * as rendered last, and groups of waiting requests. An entry goes when its
 * stream does, or when nobody has asked for a while.
 */

#include "ngx_live_hls.h"


#define NGX_LIVE_HLS_IDLE  10       /* seconds */


static ngx_live_hls_stream_t  *ngx_live_hls_streams[LV_STREAMS_MAX + 1];


ngx_live_hls_blob_t *
ngx_live_hls_blob_alloc(size_t size)
{
    ngx_live_hls_blob_t  *b;

    b = ngx_alloc(offsetof(ngx_live_hls_blob_t, data) + size, ngx_cycle->log);

    if (b) {
        b->refs = 1;
        b->len = 0;
    }

    return b;
}


void
ngx_live_hls_blob_release(ngx_live_hls_blob_t *b)
{
    if (b && --b->refs == 0) {
        ngx_free(b);
    }
}


void
ngx_live_hls_playlist_drop(ngx_live_hls_playlist_t *pl)
{
    ngx_uint_t  i;

    for (i = 0; i < 4; i++) {
        ngx_live_hls_blob_release(pl->blob[i / 2][i % 2]);
        pl->blob[i / 2][i % 2] = NULL;
    }
}


static void
ngx_live_hls_stream_free(ngx_live_hls_stream_t *hs)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LIVE_HLS_RENDITIONS; i++) {
        ngx_live_hls_playlist_drop(&hs->playlist[i]);
    }

    ngx_live_hls_blob_release(hs->init);
    ngx_live_hls_wake_all(hs);

    ngx_live_hls_streams[hs->index] = NULL;
    ngx_free(hs);
}


ngx_live_hls_stream_t *
ngx_live_hls_stream_at(uint32_t index)
{
    return index <= LV_STREAMS_MAX ? ngx_live_hls_streams[index] : NULL;
}


ngx_live_hls_stream_t *
ngx_live_hls_stream(ngx_live_hls_find_t *f)
{
    uint32_t                index;
    ngx_live_hls_stream_t  *hs;

    index = lv_stream_index(f->st, f->s);
    if (index > LV_STREAMS_MAX) {
        return NULL;
    }

    hs = ngx_live_hls_streams[index];

    if (hs && hs->gen != f->gen) {
        ngx_live_hls_stream_free(hs);
        hs = NULL;
    }

    if (hs == NULL) {
        hs = ngx_calloc(sizeof(ngx_live_hls_stream_t), ngx_cycle->log);
        if (hs == NULL) {
            return NULL;
        }

        hs->index = index;
        hs->gen = f->gen;
        hs->stream = f->s;
        ngx_queue_init(&hs->groups);
        ngx_live_hls_streams[index] = hs;
    }

    hs->used = ngx_time();

    return hs;
}


void
ngx_live_hls_stream_second(lv_store_t *st, uint64_t now_ms)
{
    uint32_t                i, n;
    ngx_live_hls_stream_t  *hs;

    n = lv_stream_count(st);

    for (i = 1; i <= n && i <= LV_STREAMS_MAX; i++) {
        hs = ngx_live_hls_streams[i];

        if (hs == NULL) {
            continue;
        }

        if (!lv_stream_alive(hs->stream, hs->gen)) {
            ngx_live_hls_stream_free(hs);
            continue;
        }

        if (!ngx_queue_empty(&hs->groups)) {
            hs->used = ngx_time();
            continue;
        }

        if (ngx_time() - hs->used > NGX_LIVE_HLS_IDLE) {

            if (hs->watched) {
                lv_stream_unwatch(st, hs->stream, hs->gen);
            }

            ngx_live_hls_stream_free(hs);
        }
    }
}
