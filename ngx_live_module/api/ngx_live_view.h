/*
 * What status and metrics show, read from the store by any worker. Copies:
 * nothing here points into the store, and a stream that is removed while it is
 * read is left out.
 */

#ifndef NGX_LIVE_VIEW_H
#define NGX_LIVE_VIEW_H

#include "ngx_live_core.h"

/* A viewer's session counts for this long after its last request. */
#define NGX_LIVE_VIEW_IDLE  30

typedef struct {
    lv_track_desc_t  desc;
    uint32_t         first_msn;       /* of the oldest part that is listed */
    uint32_t         last_msn;        /* of the newest */
    uint32_t         last_part;
    uint32_t         parts;           /* listed */
    uint32_t         window_ms;       /* wall clock between the two */
    uint64_t         commit_ms;       /* of the newest, Unix ms; 0: no part */
    unsigned         filler:1;        /* the newest is a filler's */
} ngx_live_view_track_t;

typedef struct {
    char                   id[LV_STREAM_ID_MAX + 1];
    uint32_t               id_len;
    uint32_t               epoch;
    uint32_t               state;     /* LV_STREAM_* */
    uint64_t               state_ms;
    uint64_t               input_ms;
    uint64_t               bytes_in;
    uint64_t               frames_in;
    uint64_t               frames_dropped;
    int32_t                skew_ms;
    uint32_t               evicted;   /* segments */
    uint64_t               used;      /* bytes of the store */
    uint64_t               reserved;  /* bytes promised */
    lv_timing_t            timing;
    lv_publisher_t         publisher;
    uint32_t               rtt_us, latency_ms, buffered, rate_bps, key_bits;
    uint64_t               packets, retransmitted, lost, dropped, undecrypted;
    ngx_uint_t             tracks;
    ngx_live_view_track_t  track[LV_STREAM_TRACKS];
} ngx_live_view_t;

/* Reads the stream of a directory index; NGX_DECLINED: none there. */
ngx_int_t ngx_live_view_stream(lv_store_t *st, uint32_t index,
    ngx_live_view_t *view);

/* "live" and so on; states outside the enumeration are "unknown". */
const char *ngx_live_view_state(uint32_t state);

#endif
