/*
 * The packager: frames in, CMAF parts and segments in the store.
 *
 * One per publisher (or per filler of an interrupted stream), in the worker
 * that has the connection. RTMP, SRT and CMAF POST all end in the same calls:
 *
 *   lv_packager_config()        a track's codec configuration, also anew
 *   lv_packager_frame()         a frame begins: track, time, key
 *   lv_packager_data() …        its bytes, as they come; they go straight to
 *                               the store
 *   lv_packager_frame_end()     or _frame_abort(): as if it never came
 *   lv_packager_tick()          the clock, about every 50 ms
 *
 * Times are clean when they come here (lv_timeline.h): on each track strictly
 * increasing decode times on one clock that all tracks share, in units of
 * 1/90000 s. What that clock counts from does not matter: the first frame is
 * mapped to the stream's own time line (its start, or the wall clock elapsed
 * since the last part when the publisher came back).
 *
 * Tracks are stored apart, one CMAF track each, in the same (msn, part) grid:
 * every listed part index exists on every track, so that the muxed view is
 * (video part, then audio part) of one name. Boundaries are led by video, by
 * audio where there is none. A part is published once the first frame behind
 * its boundary has begun (its last duration is then known).
 *
 * Rules for durations: RFC 8216bis 4.4.3.7/8, 4.4.4.9; see lv_timing_t for
 * what is fixed before the first playlist.
 */

#ifndef LV_PACKAGER_H
#define LV_PACKAGER_H

#include "lv_base.h"
#include "lv_store.h"

#define LV_PACKAGER_VIDEOS  4
#define LV_PACKAGER_AUDIOS  2

typedef struct lv_packager_s  lv_packager_t;

typedef struct {
    uint32_t  part_us;           /* live_part, 333333 */
    uint32_t  segment_ms;        /* live_segment, 2000 */
    uint32_t  window_ms;         /* live_window, 30000 */
    uint32_t  resume_ms;         /* live_resume, 30000 */
    uint64_t  max_bitrate;       /* live_max_bitrate, bit/s: admission */
    bool      muxed;             /* live_muxed */
} lv_packager_conf_t;

/* What the caller logs, counts or shows; each once per occurrence, never with
 * a secret. */
typedef enum {
    LV_PACK_READY = 1,           /* the first playlist exists now */
    LV_PACK_TRACK,               /* a track was added (text: name, codec) */
    LV_PACK_CODEC_CHANGED,       /* new init section and a discontinuity */
    LV_PACK_RESUMED,             /* a returning publisher continued it */
    LV_PACK_LONG_GOP,            /* a segment was cut without a key frame */
    LV_PACK_FILLED,              /* a silent track is being filled */
    LV_PACK_DROPPED,             /* frames dropped: text says why */
    LV_PACK_DISPLACED,           /* somebody took the stream over: stop */
    LV_PACK_NO_MEMORY            /* the store has no room: frames dropped */
} lv_pack_event_t;

typedef void (*lv_pack_event_pt)(void *ctx, lv_pack_event_t ev,
    const char *text);

/* Codec configuration of a track. */
typedef struct {
    uint8_t         kind;        /* LV_KIND_VIDEO, LV_KIND_AUDIO */
    uint8_t         index;       /* 0: v0 or a0, 1: v1 or a1, … */
    char            codecs[32];  /* RFC 6381 */
    uint32_t        fourcc;      /* sample entry: 'avc1', 'mp4a', … */
    uint32_t        width, height;
    uint32_t        rate_milli;  /* from the bitstream, 0: unknown */
    uint8_t         transfer;    /* video: transfer characteristics (ISO/IEC
                                    23091-2), 0 or 2: unknown */
    uint32_t        sample_rate, channels;
    uint32_t        frame_samples;   /* audio: samples a frame, e.g. 1024 */
    const uint8_t  *config;      /* what lv_fmp4_track_t wants */
    size_t          config_len;
} lv_codec_config_t;

/* Claims the stream (take-over or new) and makes a packager for it.
 * NULL: refused, *err says why in words for the encoder's user. */
lv_packager_t *lv_packager_create(lv_store_t *st, const char *id, size_t len,
    const lv_packager_conf_t *conf, const lv_publisher_t *pub,
    uint64_t now_ms, lv_pack_event_pt event, void *ctx, const char **err);

/* Adopts an interrupted stream and fills it: any worker, after seeing a
 * stream in state INTERRUPTED whose owner is nobody. NULL: another worker was
 * faster, or there is nothing to fill with (then it is ended). A filler needs
 * only lv_packager_tick(); after live_resume it ends the stream by itself. */
lv_packager_t *lv_packager_adopt(lv_store_t *st, lv_stream_t *s,
    uint64_t now_ms, lv_pack_event_pt event, void *ctx);

/* Returns a track handle >= 0 for a new track or the existing one of that kind
 * and index (LV_PACKAGER_VIDEOS and _AUDIOS are the most there can be),
 * LV_DECLINED when the configuration cannot be packaged, LV_ERROR when the
 * packager is displaced. Same content again: nothing happens. */
int lv_packager_config(lv_packager_t *p, const lv_codec_config_t *c,
    uint64_t now_ms);

/* LV_OK; LV_DECLINED: this frame is dropped, do not send its data (no key
 * frame yet, no memory, track not configured); LV_ERROR: displaced. */
int lv_packager_frame(lv_packager_t *p, int track, int64_t dts_90k,
    int32_t cts_90k, bool key, uint64_t now_ms);
int lv_packager_data(lv_packager_t *p, int track, const void *data, size_t n);
/* Audio: the current frame has so many samples, where that is not what the
 * configuration said (Opus, FLAC). */
void lv_packager_samples(lv_packager_t *p, int track, uint32_t samples);
/* Bytes of the current frame so far, and overwriting some of them: for
 * length fields that are known only later. */
uint32_t lv_packager_frame_len(lv_packager_t *p, int track);
void lv_packager_patch(lv_packager_t *p, int track, uint32_t at,
    const void *data, size_t n);
int lv_packager_frame_end(lv_packager_t *p, int track);
/* Begins the video frame that ended last once more, for data that belong to
 * it, too; to abort it takes all of it back. LV_OK; LV_DECLINED: something has
 * come behind it, or it is published already; LV_ERROR: displaced. */
int lv_packager_frame_more(lv_packager_t *p, int track, uint64_t now_ms);
void lv_packager_frame_abort(lv_packager_t *p, int track);

/* The video track has these captions in it, LV_CAPTIONS_*: announced with the
 * figures of the segment. */
void lv_packager_captions(lv_packager_t *p, int track, unsigned captions);

/* LV_OK; LV_ERROR: displaced, destroy it; LV_DECLINED: a filler that has
 * ended its stream (or has nothing left to do), destroy it. */
int lv_packager_tick(lv_packager_t *p, uint64_t now_ms);

/* The publisher is gone without a word: what is whole is published, the
 * stream is INTERRUPTED and nobody's (the caller's worker, or any other,
 * adopts it). */
void lv_packager_lost(lv_packager_t *p, uint64_t now_ms);
/* The publisher said goodbye: ENDLIST. */
void lv_packager_finish(lv_packager_t *p, uint64_t now_ms);
/* Frees the private memory; neither lost nor finished: as lost. */
void lv_packager_destroy(lv_packager_t *p);

lv_stream_t *lv_packager_stream(lv_packager_t *p);

#endif
