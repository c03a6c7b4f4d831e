/*
 * What this worker keeps of the streams that somebody asked it for: its
 * renditions and their live edges, playlists as rendered last, and groups of
 * waiting requests. An entry goes when its stream does, or when nobody has
 * asked for a while.
 *
 * Whoever uses it looks first whether the stream's version is still the one
 * that it was made at. That is a few words of the store; what is behind them
 * is looked up once for all who ask, between two changes.
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


/* The multivariant playlist changes seldom; media playlists with each part. */
static void
ngx_live_hls_top_version(lv_hls_version_t *v)
{
    ngx_uint_t  i;

    v->state = 0;

    for (i = 0; i < LV_STREAM_TRACKS; i++) {
        v->oldest[i] = 0;
        v->newest[i] = v->newest[i] != 0;
    }
}


void
ngx_live_hls_stream_look(lv_store_t *st, ngx_live_hls_stream_t *hs)
{
    ngx_uint_t        i;
    lv_hls_version_t  v;

    lv_hls_version(st, hs->stream, &v);

    if (ngx_memcmp(&v, &hs->version, sizeof(v)) == 0) {
        return;
    }

    hs->version = v;

    for (i = NGX_LIVE_HLS_TRACK; i < NGX_LIVE_HLS_RENDITIONS; i++) {
        ngx_live_hls_playlist_drop(&hs->playlist[i]);
        hs->rendition[i].fresh = 0;
    }

    ngx_live_hls_top_version(&v);

    if (ngx_memcmp(&v, &hs->top_version, sizeof(v)) != 0) {
        ngx_live_hls_playlist_drop(&hs->playlist[NGX_LIVE_HLS_TOP]);
        hs->top_version = v;
    }
}


/* Which of the stream's renditions has that name, by the store. */
static ngx_int_t
ngx_live_hls_rendition_find(ngx_live_hls_find_t *f, lv_str_t *name)
{
    ngx_uint_t  i, n;

    if (lv_hls_source(f->st, f->s, (const char *) name->data, name->len,
                      &f->src)
        != LV_OK)
    {
        return NGX_DECLINED;
    }

    if (f->src.audio) {
        f->rendition = NGX_LIVE_HLS_MUXED;
        return NGX_OK;
    }

    n = atomic_load_explicit(&f->s->track_count, memory_order_acquire);

    for (i = 0; i < n && i < LV_STREAM_TRACKS; i++) {
        if (lv_stream_track_at(f->st, f->s, i) == f->src.track) {
            f->rendition = NGX_LIVE_HLS_TRACK + i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_live_hls_rendition(ngx_live_hls_find_t *f, lv_str_t *name)
{
    ngx_uint_t                 i;
    ngx_live_hls_rendition_t  *rn;

    for (i = NGX_LIVE_HLS_TRACK; i < NGX_LIVE_HLS_RENDITIONS; i++) {
        rn = &f->hs->rendition[i];

        if (rn->name_len == name->len
            && ngx_memcmp(rn->name, name->data, name->len) == 0)
        {
            f->rendition = i;
            f->src = rn->src;
            return NGX_OK;
        }
    }

    if (ngx_live_hls_rendition_find(f, name) != NGX_OK) {
        return NGX_DECLINED;
    }

    rn = &f->hs->rendition[f->rendition];

    if (name->len <= sizeof(rn->name)) {
        rn->name_len = name->len;
        ngx_memcpy(rn->name, name->data, name->len);
    }

    rn->fresh = 0;
    rn->src = f->src;

    return NGX_OK;
}


lv_hls_edge_t *
ngx_live_hls_edge(lv_store_t *st, ngx_live_hls_stream_t *hs,
    ngx_uint_t rendition)
{
    ngx_live_hls_rendition_t  *rn;

    rn = &hs->rendition[rendition];

    if (!rn->fresh) {
        lv_hls_edge(st, hs->stream, &rn->src, &rn->edge);

        /* what was rendered before may be older than that */
        ngx_live_hls_playlist_drop(&hs->playlist[rendition]);

        /* with nothing there it was a busy moment, perhaps */
        rn->fresh = rn->edge.any;
    }

    return &rn->edge;
}


ngx_int_t
ngx_live_hls_stream(ngx_live_hls_find_t *f)
{
    uint32_t                index;
    ngx_live_hls_stream_t  *hs;

    index = lv_stream_index(f->st, f->s);
    if (index > LV_STREAMS_MAX) {
        return NGX_ERROR;
    }

    hs = ngx_live_hls_streams[index];

    if (hs && hs->gen != f->gen) {
        ngx_live_hls_stream_free(hs);
        hs = NULL;
    }

    if (hs == NULL) {
        hs = ngx_calloc(sizeof(ngx_live_hls_stream_t), ngx_cycle->log);
        if (hs == NULL) {
            return NGX_ERROR;
        }

        hs->index = index;
        hs->gen = f->gen;
        hs->stream = f->s;
        ngx_queue_init(&hs->groups);
        ngx_live_hls_streams[index] = hs;
    }

    hs->used = ngx_time();
    f->hs = hs;

    ngx_live_hls_stream_look(f->st, hs);

    return NGX_OK;
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
