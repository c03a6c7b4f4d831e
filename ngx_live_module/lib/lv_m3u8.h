/*
 * Playlists: a view of the store written down by the rules of RFC 8216bis
 * (draft-pantos-hls-rfc8216bis-22), low-latency profile.
 *
 * Pure functions of what they are given: the same view gives the same bytes,
 * for every viewer and in every worker. All URIs are relative:
 *
 *     {stream}/index.m3u8                 v0/index.m3u8, a0/index.m3u8, …
 *     {stream}/{rendition}/index.m3u8     init-{msn}.mp4, {msn}.m4s,
 *                                         {msn}.{part}.m4s, ../a0/index.m3u8
 *
 * Where the draft leaves a choice:
 *   - EXT-X-VERSION is 6 in a full playlist and 9 in a delta update (8).
 *   - Parts are listed for segments that end less than three target durations
 *     before the playlist's end (6.2.2).
 *   - A delta update leaves out segments that end at least CAN-SKIP-UNTIL (six
 *     target durations) before the playlist's end; with none of that age it is
 *     the full playlist (6.2.5.1).
 *   - Every segment has its date, so that a delta update's first one has.
 *   - A segment at the start of the playlist keeps its EXT-X-DISCONTINUITY;
 *     EXT-X-DISCONTINUITY-SEQUENCE goes up when it leaves (6.2.2).
 *   - EXT-X-INDEPENDENT-SEGMENTS stands only where it is true.
 */

#ifndef LV_M3U8_H
#define LV_M3U8_H

#include "lv_base.h"
#include "lv_text.h"
#include "lv_hls_view.h"

#define LV_M3U8_MAX          (256 * 1024)

/* Another rendition of the stream, for EXT-X-RENDITION-REPORT. */
typedef struct {
    char      name[8];
    uint32_t  last_msn;
    uint32_t  last_part;         /* or LV_HLS_NO_PART */
} lv_m3u8_report_t;

/* The media playlist of a view that has at least one segment. */
void lv_m3u8_media(lv_text_t *out, const lv_hls_view_t *view,
    const lv_m3u8_report_t *reports, unsigned nreports, bool skip);

/* What the multivariant playlist says of a stream. */
typedef struct {
    bool             muxed;      /* offer only the muxed view of track[0]
                                    (video) and track[1] (audio) */
    unsigned         tracks;
    lv_track_desc_t  track[LV_STREAM_TRACKS];
} lv_m3u8_stream_t;

void lv_m3u8_multivariant(lv_text_t *out, const lv_m3u8_stream_t *m);

/* Both, read from the store. LV_AGAIN: there is nothing to list yet;
 * LV_ERROR: no memory. */
int lv_m3u8_render_media(lv_text_t *out, lv_store_t *st, lv_stream_t *s,
    const lv_hls_source_t *src, lv_hls_view_t *scratch, bool skip);
int lv_m3u8_render_multivariant(lv_text_t *out, lv_store_t *st,
    lv_stream_t *s);

#endif
