/*
 * LL-HLS delivery: what the files of hls/ share.
 *
 *   _module.c    the directive, the handler, what is asked for
 *   _stream.c    what this worker keeps of a stream: rendered playlists, groups
 *   _playlist.c  rendering, gzip, sending a playlist
 *   _wait.c      requests that wait for media to come
 *   _send.c      init sections, segments and parts out of pinned memory
 *   _recent.c    parts that were asked for lately: found without a search
 *
 * A request runs ngx_live_hls_process() when it comes, and again each time
 * that it is woken; everything is looked up afresh, so that nothing of a
 * stream is held while a request waits.
 */

#ifndef NGX_LIVE_HLS_H
#define NGX_LIVE_HLS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_live_core.h"
#include "ngx_live_http.h"
#include "lv_hls_request.h"
#include "lv_hls_view.h"
#include "lv_m3u8.h"

#define NGX_LIVE_HLS_START_WAIT   5000  /* ms that a playlist request waits for
                                           a stream to have its first GOP */
#define NGX_LIVE_HLS_WAITS        64    /* waiting requests a connection */
#define NGX_LIVE_HLS_WAKE_BATCH   64    /* answered in one turn of the loop */

#define NGX_LIVE_HLS_GONE         410   /* nginx has no name for it */

/* Renditions have a number here: the multivariant playlist, the tracks in the
 * store's order, the muxed view. */
#define NGX_LIVE_HLS_TOP          0
#define NGX_LIVE_HLS_TRACK        1
#define NGX_LIVE_HLS_MUXED        (NGX_LIVE_HLS_TRACK + LV_STREAM_TRACKS)
#define NGX_LIVE_HLS_RENDITIONS   (NGX_LIVE_HLS_MUXED + 1)

/* Rendered bytes, shared by the cache and the requests that send them. */
typedef struct {
    ngx_uint_t  refs;
    size_t      len;
    size_t      etag_len;
    u_char      etag[24];
    u_char      data[1];
} ngx_live_hls_blob_t;

/* A playlist as text and compressed, in full and as a delta update. */
typedef struct {
    ngx_live_hls_blob_t  *blob[2][2];        /* [delta][gzip] */
} ngx_live_hls_playlist_t;

/* A rendition, found by its name once, and its edge at the stream's version. */
typedef struct {
    size_t                   name_len;       /* 0: nobody asked for it */
    u_char                   name[8];
    ngx_uint_t               fresh;          /* the edge was looked at */
    lv_hls_source_t          src;
    lv_hls_edge_t            edge;
} ngx_live_hls_rendition_t;

/* What a worker keeps of one stream; see _stream.c. */
typedef struct {
    uint32_t                 index;
    uint32_t                 gen;
    lv_stream_t             *stream;
    ngx_queue_t              groups;         /* of waiting requests */
    time_t                   used;
    unsigned                 watched:1;
    lv_hls_version_t         version;
    lv_hls_version_t         top_version;    /* of the multivariant playlist */
    ngx_live_hls_rendition_t rendition[NGX_LIVE_HLS_RENDITIONS];
    ngx_live_hls_playlist_t  playlist[NGX_LIVE_HLS_RENDITIONS];
    ngx_live_hls_blob_t     *init;           /* the muxed view's last one */
    uint32_t                 init_msn;
} ngx_live_hls_stream_t;

typedef struct ngx_live_hls_group_s  ngx_live_hls_group_t;

/* A request: ctx of ngx_http_live_hls_module. */
typedef struct {
    ngx_http_request_t    *request;
    ngx_str_t              name;             /* behind the location's prefix */
    lv_hls_path_t          path;
    lv_hls_query_t         query;
    ngx_msec_t             deadline;         /* set when it first waits */
    ngx_queue_t            queue;            /* in its group */
    ngx_live_hls_group_t  *group;
    unsigned               queued:1;
    unsigned               waited:1;         /* cleanup is in place */
    unsigned               timed_out:1;
    unsigned               begun:1;          /* a playlist, counted as one */
    unsigned               gzip:1;
} ngx_live_hls_ctx_t;

extern ngx_module_t  ngx_http_live_hls_module;

/* What a request found in the store. */
typedef struct {
    lv_store_t             *st;
    lv_stream_t            *s;
    uint32_t                gen;
    ngx_live_hls_stream_t  *hs;
    ngx_uint_t              rendition;
    lv_hls_source_t         src;
} ngx_live_hls_find_t;

/* An error: counted, and answered as ngx_live_http_problem() does. */
ngx_int_t ngx_live_hls_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *reason, const char *detail);
ngx_int_t ngx_live_hls_etag(ngx_http_request_t *r, u_char *p, size_t len);
/* Status, headers and body; the last buffer is marked. */
ngx_int_t ngx_live_hls_output(ngx_http_request_t *r, ngx_chain_t *out);
/* NGX_DONE: waits; anything else finalizes the request. */
ngx_int_t ngx_live_hls_process(ngx_http_request_t *r, ngx_live_hls_ctx_t *ctx);

/* _stream.c */
/* Sets f->hs, as the stream is now. NGX_ERROR: out of memory. */
ngx_int_t ngx_live_hls_stream(ngx_live_hls_find_t *f);
ngx_live_hls_stream_t *ngx_live_hls_stream_at(uint32_t index);
/* Forgets what is not as it was. */
void ngx_live_hls_stream_look(lv_store_t *st, ngx_live_hls_stream_t *hs);
/* Sets f->rendition and f->src; NGX_DECLINED: there is none of that name. */
ngx_int_t ngx_live_hls_rendition(ngx_live_hls_find_t *f, lv_str_t *name);
/* The live edge of a rendition that was found, as of the last look. */
lv_hls_edge_t *ngx_live_hls_edge(lv_store_t *st, ngx_live_hls_stream_t *hs,
    ngx_uint_t rendition);
void ngx_live_hls_stream_second(lv_store_t *st, uint64_t now_ms);
/* One reference, len 0, or NULL. */
ngx_live_hls_blob_t *ngx_live_hls_blob_alloc(size_t size);
void ngx_live_hls_blob_release(ngx_live_hls_blob_t *b);
void ngx_live_hls_playlist_drop(ngx_live_hls_playlist_t *pl);

/* _playlist.c */
void ngx_live_hls_playlist_begin(ngx_http_request_t *r,
    ngx_live_hls_ctx_t *ctx, ngx_live_hls_find_t *f);
ngx_int_t ngx_live_hls_playlist_send(ngx_http_request_t *r,
    ngx_live_hls_ctx_t *ctx, ngx_live_hls_find_t *f);
/* Adds the blob to the chain, keeping it until the request is over. */
ngx_chain_t *ngx_live_hls_blob_chain(ngx_http_request_t *r,
    ngx_live_hls_blob_t *b);

/* _wait.c; part LV_HLS_NO_PART: for the whole segment. `timeout` in ms counts
 * from when the request first waited. NGX_DONE, or an error's status. */
ngx_int_t ngx_live_hls_wait(ngx_http_request_t *r, ngx_live_hls_ctx_t *ctx,
    ngx_live_hls_find_t *f, uint32_t msn, uint32_t part, ngx_msec_t timeout);
void ngx_live_hls_wake_all(ngx_live_hls_stream_t *hs);
void ngx_live_hls_dirty(lv_store_t *st, uint32_t stream);

/* _send.c */
ngx_int_t ngx_live_hls_media_send(ngx_http_request_t *r,
    ngx_live_hls_ctx_t *ctx, ngx_live_hls_find_t *f);
/* Pins parts of a stream until the request is over. NGX_DECLINED: some of
 * them are gone. */
ngx_int_t ngx_live_hls_pin(ngx_http_request_t *r, lv_store_t *st,
    lv_stream_t *s, const lv_part_ref_t *ref, ngx_uint_t n);
/* The type is static; the ETag is copied. */
ngx_int_t ngx_live_hls_media_headers(ngx_http_request_t *r, const char *type,
    ngx_str_t *etag, off_t size);
void ngx_live_hls_send_second(lv_store_t *st, uint64_t now_ms);

/* _recent.c */
/* Answers, if the name behind the location's prefix is one of them;
 * NGX_DECLINED: it is not. */
ngx_int_t ngx_live_hls_recent_send(ngx_http_request_t *r, ngx_str_t *name);
/* Remembers what the request is answered with: these parts, whose bytes are
 * those of the chain. */
void ngx_live_hls_recent_add(ngx_live_hls_ctx_t *ctx, ngx_live_hls_find_t *f,
    const lv_part_ref_t *ref, ngx_uint_t n, ngx_chain_t *out,
    const char *type, ngx_str_t *etag);

#endif
