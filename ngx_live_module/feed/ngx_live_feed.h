/*
 * The feed of a stream over HTTP (lib/lv_feed.h): what the files of feed/
 * share.
 *
 *   _module.c  the directive, the handler: who asks for what
 *   _pick.c    which part comes next, and what is said before it
 *   _send.c    one part at a time, out of pinned memory, as fast as it is read
 *
 * A feed is one request that goes on as long as the stream does. It holds at
 * most one part: the next one is looked for when that one is out. A reader
 * that falls behind so far that its next part has been evicted goes on at the
 * newest segment; one that holds a part for longer than a window is cut off.
 */

#ifndef NGX_LIVE_FEED_H
#define NGX_LIVE_FEED_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_live_core.h"
#include "ngx_live_http.h"
#include "lv_feed.h"

#define NGX_LIVE_FEED_START_MS  10000   /* a first part is waited for */
#define NGX_LIVE_FEED_TOGETHER_MS  2000  /* … and one of each track */
#define NGX_LIVE_FEED_TICK_MS   5000    /* is the reader still allowed to? */
#define NGX_LIVE_FEED_BATCH     16      /* parts in one turn of the loop */

/* One of the stream's tracks, as far as it was sent. */
typedef struct {
    lv_track_t             *track;
    unsigned                index;      /* in the stream */
    uint32_t                seq;        /* of its next part, once placed */
    uint32_t                init_msn;   /* that the reader has; 0: none */
    uint32_t                flags;      /* LV_FEED_* of its next part */
    unsigned                placed:1;
} ngx_live_feed_track_t;

typedef struct {
    ngx_queue_t             queue;      /* of the worker's feeds */
    ngx_http_request_t     *request;
    lv_store_t             *st;
    lv_stream_t            *s;
    uint32_t                gen;
    uint32_t                index;

    ngx_str_t               wanted;     /* "v0,a0"; empty: all */
    uint32_t                msn;        /* where tracks that are not placed
                                           begin; 0: at the newest segment */
    unsigned                tracks;
    ngx_live_feed_track_t   track[LV_STREAM_TRACKS];

    uint32_t                pinned;     /* the part that is being sent */
    ngx_chain_t            *out, *busy, *free;
    u_char                 *head;       /* init sections and header box */
    size_t                  head_len;
    u_char                  box[LV_FEED_PART_LEN];

    ngx_event_t             timer;
    ngx_msec_t              since;
    unsigned                follow:1;   /* takes new init sections in passing */
    unsigned                due:1;      /* `head` is to be sent */
    unsigned                begun:1;    /* the answer's header is out */
    unsigned                over:1;     /* nothing comes behind what is out */
    unsigned                holds:1;    /* `pinned` is */
} ngx_live_feed_t;

/* What comes next: a part, and before it the head if there is one. */
typedef struct {
    ngx_live_feed_track_t  *track;
    lv_part_ref_t           ref;
    ngx_uint_t              init;       /* behind new init sections */
} ngx_live_feed_next_t;

extern ngx_module_t  ngx_http_live_feed_module;

/* _pick.c; NGX_OK; NGX_AGAIN: not yet; NGX_DONE: nothing will come. */
ngx_int_t ngx_live_feed_pick(ngx_live_feed_t *f, ngx_live_feed_next_t *next);
/* Fills f->head for what the tracks' next parts need. */
ngx_int_t ngx_live_feed_head(ngx_live_feed_t *f);

/* _send.c */
ngx_int_t ngx_live_feed_begin(ngx_live_feed_t *f);
void ngx_live_feed_dirty(lv_store_t *st, uint32_t stream);
void ngx_live_feed_second(lv_store_t *st, uint64_t now_ms);
void ngx_live_feed_exit(lv_store_t *st);

#endif
