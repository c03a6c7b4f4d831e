/*
 * The feed: a stream between our own parts (transcoders, relays, recorders),
 * as a progressive fragmented MP4 that any reader of MP4 plays:
 *
 *   ftyp moov               the init sections of all tracks, merged
 *   uuid (header)           epoch, durations, and what each track is
 *   uuid (part) moof mdat   a part of one track, as it is in the store
 *   uuid (part) moof mdat   …
 *
 * Both boxes of ours are ISO/IEC 14496-12 "uuid" boxes; their layout, all
 * numbers in network byte order:
 *
 *   header  8 size and "uuid", 16 LV_FEED_HEADER_ID, 1 version (1), 1 muxed,
 *           1 lead, 1 tracks, 4 epoch, 4 part_target_us, 4 part_frames,
 *           4 target_s, 4 window_ms, 4 resume_ms, then for each track:
 *           1 index, 1 kind, 1 captions, 1 transfer, 8 name, 32 codecs,
 *           12 language (zero padded), 4 each: timescale, width, height,
 *           rate_milli, sample_rate, channels, frame_ts, peak_bps, avg_bps,
 *           gop_ms, fps_milli, last_bps, init_msn, 2 length of config,
 *           2 length of init, config, init (that track's ftyp and moov)
 *   part    8 size and "uuid", 16 LV_FEED_PART_ID, 1 version (1), 1 index of
 *           the track, 1 flags of the feed, 1 zero, 4 each: length of moof and
 *           mdat, seq, msn, 2 part, 2 flags, 4 each: init_msn, disc_seq,
 *           8 tfdt, 4 duration, 4 samples, 8 pdt_ms, 8 commit_ms, 4 key_off,
 *           4 key_len; the words of lv_part_info_t
 *
 * Everything that is read is checked: sizes, counts, names, text.
 */

#ifndef LV_FEED_H
#define LV_FEED_H

#include "lv_base.h"
#include "lv_fmp4.h"
#include "lv_store.h"

#define LV_FEED_HEADER_ID  "\x6e\x67\x78\x5f\x6c\x69\x76\x65"                 \
                           "\x2d\x68\x65\x61\x64\x65\x72\x31"
#define LV_FEED_PART_ID    "\x6e\x67\x78\x5f\x6c\x69\x76\x65"                 \
                           "\x2d\x70\x61\x72\x74\x2d\x2d\x31"

#define LV_FEED_PART_LEN   92
#define LV_FEED_HEAD_LEN   52
#define LV_FEED_TRACK_LEN  112

/* The longest header box. */
#define LV_FEED_HEADER_MAX                                                    \
    (LV_FEED_HEAD_LEN + LV_STREAM_TRACKS                                      \
     * (LV_FEED_TRACK_LEN + 512 + LV_FMP4_INIT_MAX))

#define LV_FEED_GAP        1     /* parts before it were left out: the reader
                                    was too slow */

typedef struct {
    unsigned         index;      /* names the track in part boxes */
    uint32_t         init_msn;
    lv_str_t         init;       /* its init section; points into the box */
    lv_track_desc_t  desc;
} lv_feed_track_t;

typedef struct {
    uint32_t         epoch;
    lv_timing_t      timing;     /* lead: an index of a track */
    unsigned         tracks;
    lv_feed_track_t  track[LV_STREAM_TRACKS];
} lv_feed_header_t;

typedef struct {
    unsigned         index;      /* of its track */
    unsigned         flags;      /* LV_FEED_* */
    uint32_t         len;        /* of moof and mdat, which follow */
    lv_part_info_t   info;
} lv_feed_part_t;

/* The length, or LV_ERROR: it does not fit. */
int lv_feed_header_write(uint8_t *buf, size_t size,
    const lv_feed_header_t *h);
/* LV_FEED_PART_LEN bytes. */
void lv_feed_part_write(uint8_t *buf, const lv_feed_part_t *p);

/* From a whole box. LV_DECLINED: it is another box; LV_ERROR: it is not what
 * it says that it is. */
int lv_feed_header_read(const uint8_t *box, size_t len, lv_feed_header_t *h);
int lv_feed_part_read(const uint8_t *box, size_t len, lv_feed_part_t *p);

#endif
