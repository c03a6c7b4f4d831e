/*
 * A stream's rendition as HLS sees it: the store's parts, grouped into
 * segments, at one moment.
 *
 * A rendition is a track ("v0"), or the muxed view of the first video and the
 * first audio track ("muxed"): its part (msn, k) exists when both tracks have
 * theirs, and is the video part's bytes, then the audio part's; durations and
 * flags are the video's.
 *
 * Words of RFC 8216bis: a segment is complete when its last part is known to
 * be the last (LV_PART_LAST), when a later segment exists, or when the stream
 * has ended; only the newest segment can be incomplete. Parts that are
 * LV_PART_UNLISTED take part in their segment, but are not listed.
 */

#ifndef LV_HLS_VIEW_H
#define LV_HLS_VIEW_H

#include "lv_base.h"
#include "lv_store.h"

#define LV_HLS_MUXED       "muxed"
#define LV_HLS_NO_PART     0xffffffff

/* What a rendition is read from. `audio` is not NULL in the muxed view. */
typedef struct {
    lv_track_t  *track;
    lv_track_t  *audio;
} lv_hls_source_t;

/* LV_DECLINED: the stream has no such rendition. */
int lv_hls_source(lv_store_t *st, lv_stream_t *s, const char *name,
    size_t len, lv_hls_source_t *src);
/* LV_KIND_*: constant for a track's life. */
uint8_t lv_hls_track_kind(lv_track_t *t);
/* Is the muxed view what the multivariant playlist offers? Only where there is
 * one track of each. */
bool lv_hls_is_muxed(lv_store_t *st, lv_stream_t *s);

/* Where a rendition's live edge is; enough to answer "is it there yet". */
typedef struct {
    bool      any;           /* there is a part at all */
    bool      ended;
    uint32_t  complete;      /* msn of the last complete segment; one less
                                than the first msn when there is none */
    uint32_t  parts;         /* listed parts of the open segment complete + 1 */
    bool      unlisted;      /* the open segment lists no further parts */
    bool      broken;        /* what follows is behind a discontinuity: no
                                hint */
    uint32_t  last_msn;      /* the newest listed part, for rendition reports */
    uint32_t  last_part;     /* LV_HLS_NO_PART: its segment lists none */
    uint32_t  last_parts;    /* parts in segment `complete`, if it is the
                                newest one; else 0 */
    uint32_t  part_target_us;
} lv_hls_edge_t;

void lv_hls_edge(lv_store_t *st, lv_stream_t *s, const lv_hls_source_t *src,
    lv_hls_edge_t *edge);

/* Does a playlist hold what _HLS_msn and _HLS_part (or LV_HLS_NO_PART) ask
 * for? RFC 8216bis 6.2.5.2, with a part behind a segment's last one meaning
 * part 0 of the next. LV_OK: yes; LV_AGAIN: wait; LV_DECLINED: too far in the
 * future (400). */
int lv_hls_reached(const lv_hls_edge_t *edge, uint32_t msn, uint32_t part);
/* Is (msn, part) what the playlist hints at? */
bool lv_hls_hinted(const lv_hls_edge_t *edge, uint32_t msn, uint32_t part);

typedef struct {
    uint32_t  msn;
    uint32_t  first;         /* place of its first part in parts[] */
    uint32_t  count;         /* parts */
    uint32_t  listed;        /* of them, from the first one on */
    uint32_t  init_msn;
    uint32_t  disc_seq;
    uint64_t  pdt_ms;
    uint64_t  duration;      /* timescale */
    bool      complete;
    bool      discontinuity; /* before it */
    bool      independent;   /* begins with a key frame */
} lv_hls_segment_t;

typedef struct {
    uint32_t  duration;      /* timescale */
    bool      independent;
} lv_hls_part_t;

typedef struct {
    bool              ended;
    bool              broken;      /* what follows is behind a discontinuity */
    uint32_t          timescale;
    uint32_t          target_s;
    uint32_t          part_target_us;
    uint32_t          segments;
    uint32_t          parts;
    lv_hls_segment_t  segment[LV_RING];
    lv_hls_part_t     part[LV_RING];
} lv_hls_view_t;

/* Fills the view (some 80 kB: not on a stack that matters). A view may be
 * empty (segments == 0). */
void lv_hls_view(lv_store_t *st, lv_stream_t *s, const lv_hls_source_t *src,
    lv_hls_view_t *view);

/* Everything that a playlist of a stream, and where its live edge is, depend
 * on: two equal versions mean the same text. Compared with memcmp(). The
 * newest part is told by its head word, which no other part can have before
 * the oldest one has changed. */
typedef struct {
    uint32_t  state;
    uint32_t  tracks;
    uint64_t  newest[LV_STREAM_TRACKS];      /* 0: no part yet */
    uint32_t  oldest[LV_STREAM_TRACKS];
    uint32_t  desc[LV_STREAM_TRACKS];
} lv_hls_version_t;

void lv_hls_version(lv_store_t *st, lv_stream_t *s, lv_hls_version_t *v);

#endif
