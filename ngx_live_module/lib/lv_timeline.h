/*
 * Time stamps as encoders send them, made clean.
 *
 * In: a raw decode time per frame (a counter of `bits` bits at `timescale`),
 * composition offset, and the arrival time. Out: strictly increasing decode
 * times per track on one clock that all tracks share, 1/90000 s, 64 bits.
 *
 * Handles wraps (24, 31, 32, 33 bits), jumps (seconds to hours, forward and
 * back), tracks on different bases, equal and backward decode times, negative
 * and huge composition offsets, and audio times rounded to milliseconds (audio
 * time is derived from the count of samples and re-synced on a margin).
 */

#ifndef LV_TIMELINE_H
#define LV_TIMELINE_H

#include "lv_base.h"

#define LV_TIMELINE_TRACKS  8

#define LV_TIMELINE_MARGIN_MS   100
#define LV_TIMELINE_JUMP_MS     3000
#define LV_TIMELINE_REORDER_MS  400     /* back by less: decode order is kept,
                                           and the picture's own time */
#define LV_TIMELINE_CTS_MS      10000   /* a larger offset is nonsense: 0 */
#define LV_TIMELINE_STRIKES     4       /* frames in a row that agree against
                                           what was expected are believed */

#define LV_TIME_REBASED   0x01   /* the source clock jumped; output goes on */
#define LV_TIME_RESYNCED  0x02   /* audio was off by more than the margin */
#define LV_TIME_FIXED     0x04   /* equal or backward: moved */
#define LV_TIME_LATE      0x08   /* too far back: drop the frame */

typedef struct {
    uint32_t  timescale;         /* of the source: 1000 RTMP, 90000 TS */
    uint32_t  bits;              /* 32 RTMP, 33 TS */
    uint32_t  audio_margin_ms;   /* re-sync beyond this, default 100 */
    uint32_t  jump_ms;           /* more than this apart is a jump, 3000 */
} lv_timeline_conf_t;

typedef struct {
    int64_t   dts_90k;
    int32_t   cts_90k;
    uint32_t  flags;             /* LV_TIME_* */
} lv_time_t;

typedef struct {
    bool      started;
    bool      dropping;          /* audio: late frames, until it fits again */
    int32_t   strikes;           /* frames in a row that disagree; audio: sign
                                    says in which direction */
    int64_t   raw;               /* last raw time, unwrapped */
    int64_t   offset;            /* source units to add */
    int64_t   last;              /* last output, 90k */
    int64_t   delta;             /* last step, 90k: for bridging jumps */
    uint32_t  rate;              /* audio: of the count */
    uint64_t  samples;           /* audio: counted since `anchor` */
    int64_t   anchor;            /* audio: output time of sample 0, 90k */
    int64_t   error;             /* audio: stamps minus count, smoothed,
                                    90k / 256 */
    uint64_t  arrival_ms;
} lv_timeline_track_t;

typedef struct {
    lv_timeline_conf_t   conf;
    lv_timeline_track_t  track[LV_TIMELINE_TRACKS];
    int32_t              skew_ms;    /* audio minus video at arrival: > 0 when
                                        audio stamps run ahead */
    int64_t              skew_acc;   /* the same, smoothed, ms / 256 */
    uint64_t             rebases, resyncs, fixes, lates;
} lv_timeline_t;

/* Zeros in conf mean the defaults (timescale 1000, 32 bits). */
void lv_timeline_init(lv_timeline_t *tl, const lv_timeline_conf_t *conf);

/* Video, or anything without a fixed frame length. The stamp is kept; equal
 * and backward ones are moved on by the least step (1 ms), with the
 * composition offset adjusted so that the picture is still shown when it
 * should be. */
void lv_timeline_video(lv_timeline_t *tl, unsigned track, uint64_t raw_dts,
    int32_t raw_cts, uint64_t now_ms, lv_time_t *out);

/* Audio: `samples` in this frame at `rate`. Times follow the count; where the
 * encoder's clock and its sample clock drift apart, the count is slewed by at
 * most 2 ticks (22 us) a frame, so that there is no hole. Beyond the margin:
 * a hole where stamps went ahead, frames dropped (LV_TIME_LATE) where they
 * stayed behind. */
void lv_timeline_audio(lv_timeline_t *tl, unsigned track, uint64_t raw_dts,
    uint32_t samples, uint32_t rate, uint64_t now_ms, lv_time_t *out);

#endif
