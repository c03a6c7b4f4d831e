/*
 * What the files of the packager share; nobody else includes this.
 *
 * The grid. A cell is a name (msn, part) and the media time at which it ends.
 * One track leads: video, or audio as long as there is no video. It closes the
 * open cell when it commits its own part; the other tracks follow, each at
 * its own pace, through the ring of closed cells. So the lead is never behind,
 * which is also how a successor finds the state in the store:
 *
 *     cells     …  7/4 | 7/5 | 8/0 | 8/1 |  8/2 is open
 *     lead         ----------------------|..frames
 *     follower     ----------|..frames......          (its open part may hold
 *                                                      frames of 8/0, 8/1 and
 *                                                      beyond)
 *
 * Times. "Media time" is the stream's own, 90 kHz, 0 at its first frame; a
 * publisher's clock minus `origin`. A track's own times (start, pos, tfdt) are
 * in its timescale.
 *
 *   lv_packager.c         the calls
 *   lv_packager_frame.c   a frame's place: media time, start, joining
 *   lv_packager_part.c    samples to parts: open, commit, carry over, init
 *   lv_packager_time.c    target durations
 *   lv_packager_cut.c     where cells and segments end: the lead
 *   lv_packager_follow.c  the other tracks
 *   lv_packager_video.c   … that are video
 *   lv_packager_fill.c    silence, repeated key frames, tracks that are silent
 *   lv_packager_resume.c  state from the store, adopting, resuming, the end
 */

#ifndef LV_PACKAGER_INT_H
#define LV_PACKAGER_INT_H

#include "lv_packager.h"
#include "lv_fmp4.h"
#include "lv_aac_silence.h"
#include "lv_opus.h"

#define LV_PACK_SAMPLES     512      /* in a part; more is cut or dropped */
#define LV_PACK_SAMPLES_MAX 16384    /* of an audio frame */
#define LV_PACK_CELLS       64       /* that a follower can be behind */
#define LV_PACK_HZ          90000

#define LV_PACK_START_MS    1000     /* how long a track is waited for before
                                        the first playlist */
#define LV_PACK_KEY_MS      3000  /* … and a key frame, when there is sound */
#define LV_PACK_WAIT_MAX_MS 2000     /* the longest wait for a late track */
#define LV_PACK_FRAME_MS    1000  /* more, while one of its frames comes in */
#define LV_PACK_DEAD_MS     2000     /* filled for so long: not waited for */
#define LV_PACK_HOLE_MS     10000    /* a longer hole in all tracks is closed */
#define LV_PACK_TARGET_MAX  10       /* s */
#define LV_PACK_FIRST_MS    1000     /* the first segment lasts at least so
                                        long, and all do on the average: the
                                        msn never gets ahead of the clock */
#define LV_PACK_MIN_90K     1800     /* the shortest filler part */
#define LV_PACK_PERCENT     85       /* RFC 8216bis 4.4.4.9: of PART-TARGET, all
                                        but the last part of a segment */
#define LV_PACK_STEP_90K    1800000  /* 20 s, more than a publisher may be
                                        silent: the wall clock was set */
#define LV_PACK_QUIET_MS    10000    /* between two events of a kind */

typedef struct {
    int64_t   start, end;            /* media time */
    uint64_t  at_ms;                 /* when it was closed */
    uint32_t  msn;
    uint32_t  disc_seq;
    uint16_t  part;
    uint16_t  flags;                 /* LV_PART_* of the grid, not of a track */
} lv_pack_cell_t;

typedef struct {
    lv_track_t        *track;        /* NULL: not in the store yet */
    lv_track_desc_t    desc;         /* in force */
    lv_track_desc_t    next;         /* in force behind the next BREAK … */
    bool               pending;      /* … if this is set; that BREAK is … */
    uint32_t           pending_cell; /* … in this cell or a later one */
    uint32_t           fourcc;
    uint32_t           track_id;
    bool               video;
    uint8_t            index;        /* in its name */
    bool               configured;   /* by this publisher */
    bool               held;         /* audio: frames wait for the start */
    bool               joined;       /* has its place in the grid */
    bool               joining;      /* will have, from the next segment on */
    bool               holding;      /* video beside the lead: its open part
                                        waits for a segment to begin */
    bool               need_key;     /* frames up to the next key are dropped */
    bool               dead;         /* silent for long: filled at once */
    bool               anchored;     /* audio: pos is that of real frames */
    bool               slewing;      /* audio: pos moves to its place */
    bool               told;         /* LV_PACK_FILLED was sent */
    bool               renew;        /* desc is not in the store yet */

    uint32_t           cell;         /* number of the cell it commits next */
    uint32_t           parts;        /* committed by anyone, ever: 0, or more */
    uint32_t           init_msn;     /* of what it committed last */
    uint32_t           disc_seq;     /* likewise */
    uint32_t           sequence;     /* for mfhd */
    uint32_t           last_samples; /* of the part before: the head's room */

    /* the open part */
    lv_part_writer_t   w;
    lv_fmp4_sample_t  *sample;       /* LV_PACK_SAMPLES */
    unsigned           n;            /* whole samples */
    unsigned           filled;       /* of them made here */
    int64_t            start;        /* of its first sample, timescale */
    int64_t            pos;          /* where its last sample ends */
    uint32_t           frame_ts;     /* nominal duration of a frame */
    uint64_t           step;         /* audio: frame_samples × timescale … */
    uint64_t           rest;         /* … and what is left of it, modulo rate */
    uint64_t           frame_step;   /* of the frame that comes in */
    uint8_t            silence[LV_AAC_SILENCE_MAX];
    int                silence_len;  /* <= 0: none is known */

    /* the frame that comes in */
    bool               in_frame;
    bool               frame_key;
    int64_t            frame_dts;    /* timescale */
    int32_t            frame_cts;
    uint32_t           frame_at;     /* payload offset */
    bool               may_grow;     /* video: the last sample is a frame that
                                        came in, and nothing is behind it */

    int64_t            heard;        /* media time where its last real frame
                                        ended; INT64_MIN: none came yet */
    int64_t            lag;          /* how late it came lately, 90 kHz */
    unsigned           strikes;      /* frames far too late, in a row */
    int64_t            filled_90k;   /* in a row */

    /* figures of the segment so far, and of all segments */
    uint64_t           seg_bytes, seg_time, seg_frames;
    uint64_t           sum_bytes, sum_time;
} lv_pack_track_t;

/* In lv_stream_t.scratch: what a successor cannot see in the parts. */
#define LV_PACK_MAGIC  0x4c56504b
typedef struct {
    uint32_t  magic;
    uint32_t  segment_ms;
    uint32_t  part_us;
    uint32_t  part_90k;              /* nominal length of a part */
    uint32_t  frame_90k;             /* of a frame of the lead */
    uint32_t  gop_90k;
    int64_t   pdt_ms;                /* wall clock of media time 0 */
    int64_t   pace_90k;              /* wall clock minus media time, as parts
                                        came lately */
    uint64_t  lost_ms;               /* 0: there is a publisher */
    uint64_t  reserve;               /* bytes promised */
} lv_pack_scratch_t;

struct lv_packager_s {
    lv_store_t          *st;
    lv_stream_t         *stream;
    uint32_t             epoch;
    lv_pack_event_pt     event;
    void                *ctx;
    lv_pack_scratch_t    keep;
    uint32_t             window_ms, resume_ms;
    bool                 muxed;

    bool                 displaced;
    bool                 released;   /* the stream is not ours any more */
    bool                 filler;     /* nobody publishes: adopted */
    bool                 filling;    /* by the wall clock, until a publisher's
                                        first frame */
    bool                 started;    /* media time 0 is known */
    bool                 timed;      /* part and segment durations are fixed */
    bool                 live;       /* playlists exist */
    bool                 notify;     /* something was committed */
    bool                 unfit;      /* audio cannot make listed parts */
    bool                 shrink;     /* audio does not fit: a short part */
    bool                 busy;       /* guards against recursion */

    uint64_t             now_ms;
    uint64_t             audio_ms;   /* when audio came first, while video is
                                        waited for */
    uint64_t             late_ms;    /* since when the lead is late; 0: not */
    uint64_t             told_ms[LV_PACK_NO_MEMORY + 1];

    lv_pack_track_t     *track[LV_STREAM_TRACKS];
    unsigned             tracks;
    lv_pack_track_t     *lead;

    int64_t              origin;     /* publisher's time of media time 0 */

    /* the grid */
    lv_pack_cell_t       cell[LV_PACK_CELLS];
    uint32_t             cells;      /* closed so far: the number of the open
                                        one */
    uint32_t             first_cells;    /* of them in the first segment */
    int64_t              end;        /* where the last closed cell ends */
    int64_t              seg_start;
    uint32_t             msn;        /* the open cell's name … */
    uint16_t             part;
    uint16_t             seg_flags;  /* … and what its segment is: UNLISTED,
                                        DISCONTINUITY, FORCED */
    uint16_t             last_flags; /* of the last closed cell */
    uint32_t             disc_seq;

    /* durations, media time */
    int64_t              part_90k;   /* nominal */
    int64_t              target_90k; /* PART-TARGET, rounded down */
    int64_t              audio_90k;  /* as many audio frames as it holds */
    int64_t              least_90k;  /* as few as it may hold */
    int64_t              limit_90k;  /* no segment is longer */
    int64_t              frame_90k;  /* a video frame */
    int64_t              jitter_90k;
    int64_t              last_key;   /* INT64_MIN: none yet */
    int64_t              gop_90k;    /* the last one */
    int64_t              gop_max;    /* in the first segment */
    uint32_t             key_msn;    /* segment of the last key frame */
};


static inline int64_t
lv_pack_to_90k(const lv_pack_track_t *t, int64_t ts)
{
    int64_t  rate;

    rate = t->desc.timescale;

    if (rate == LV_PACK_HZ) {
        return ts;
    }

    return (ts * LV_PACK_HZ + (ts < 0 ? -rate : rate) / 2) / rate;
}

static inline int64_t
lv_pack_from_90k(const lv_pack_track_t *t, int64_t m)
{
    int64_t  rate;

    rate = t->desc.timescale;

    if (rate == LV_PACK_HZ) {
        return m;
    }

    return (m * rate + (m < 0 ? -LV_PACK_HZ : LV_PACK_HZ) / 2) / LV_PACK_HZ;
}

static inline int64_t
lv_pack_us_to_90k(int64_t us)
{
    return us * 9 / 100;
}

static inline bool
lv_pack_gone(const lv_packager_t *p)
{
    return p->displaced || p->released;
}


/* lv_packager.c */
void lv_pack_event(lv_packager_t *p, lv_pack_event_t ev, const char *text);
/* The same, but at most once in LV_PACK_QUIET_MS. */
void lv_pack_event_rare(lv_packager_t *p, lv_pack_event_t ev,
    const char *text);
void lv_pack_displaced(lv_packager_t *p);
void lv_pack_flush(lv_packager_t *p);
lv_packager_t *lv_pack_new(lv_store_t *st, uint64_t now_ms,
    lv_pack_event_pt event, void *ctx);
lv_pack_track_t *lv_pack_track_new(lv_packager_t *p, bool video,
    unsigned index);
void lv_pack_track_desc(lv_pack_track_t *t, const lv_track_desc_t *desc);

/* lv_packager_frame.c. LV_OK: t->frame_* say where it goes. */
int lv_pack_frame_video(lv_packager_t *p, lv_pack_track_t *t, int64_t dts,
    int32_t cts, bool key);
int lv_pack_frame_audio(lv_packager_t *p, lv_pack_track_t *t, int64_t dts);
int lv_pack_start_held(lv_packager_t *p);
/* Gives a track its place in the grid when it was configured early. */
void lv_pack_join_early(lv_packager_t *p, lv_pack_track_t *t);

/* lv_packager_part.c. Results: LV_OK; LV_AGAIN: no memory; LV_ERROR:
 * displaced. */
int lv_pack_part_open(lv_packager_t *p, lv_pack_track_t *t);
void lv_pack_part_discard(lv_packager_t *p, lv_pack_track_t *t);
int lv_pack_part_forget(lv_packager_t *p, lv_pack_track_t *t, unsigned k,
    uint32_t bytes);
void lv_pack_frame_abort(lv_pack_track_t *t);
void lv_pack_frame_drop(lv_pack_track_t *t);
int lv_pack_sample_add(lv_packager_t *p, lv_pack_track_t *t,
    const void *data, uint32_t size, uint32_t duration, int32_t cts, bool key);
void lv_pack_pos_set(lv_pack_track_t *t, int64_t pos);
uint32_t lv_pack_audio_step(lv_pack_track_t *t, uint64_t step);
int lv_pack_part_commit(lv_packager_t *p, lv_pack_track_t *t,
    const lv_pack_cell_t *c, unsigned k);
int lv_pack_init_write(lv_packager_t *p, lv_pack_track_t *t, uint32_t msn);

/* lv_packager_time.c */
int64_t lv_pack_frame_guess(const lv_pack_track_t *t);
void lv_pack_durations_start(lv_packager_t *p);
void lv_pack_durations_fix(lv_packager_t *p);
void lv_pack_durations_load(lv_packager_t *p);
void lv_pack_durations_join(lv_packager_t *p);

/* lv_packager_cut.c */
/* Ends the open cell at `end` with the first k samples of the lead. */
int lv_pack_close(lv_packager_t *p, int64_t end, unsigned k, uint16_t flags);
/* Ends it without a part of the lead (which joins only behind it). */
void lv_pack_push(lv_packager_t *p, int64_t end, uint16_t flags);
bool lv_pack_pending(const lv_packager_t *p);
/* Makes the place for a frame of the leading video track at media time m;
 * *dts is where it goes. LV_DECLINED: dropped. */
int lv_pack_cut_video(lv_packager_t *p, lv_pack_track_t *t, int64_t m,
    bool key, int64_t *dts);
int lv_pack_cut_audio(lv_packager_t *p, lv_pack_track_t *t, bool now);
uint16_t lv_pack_segment_end(lv_packager_t *p, int64_t end);
bool lv_pack_segment_may_end(const lv_packager_t *p, int64_t end);

/* lv_packager_follow.c */
int lv_pack_follow(lv_packager_t *p, lv_pack_track_t *t);
int lv_pack_follow_all(lv_packager_t *p);

/* lv_packager_video.c: a frame's place, at media time m; committing. */
int lv_pack_video_frame(lv_packager_t *p, lv_pack_track_t *t, int64_t m,
    int32_t cts, bool key);
int lv_pack_video_follow(lv_packager_t *p, lv_pack_track_t *t);

/* lv_packager_fill.c */
/* The last key frame, until `end`. */
int lv_pack_fill_video(lv_packager_t *p, lv_pack_track_t *t, int64_t end);
/* LV_DECLINED: there is nothing to fill with. */
int lv_pack_fill_audio(lv_packager_t *p, lv_pack_track_t *t, int64_t pos);
int lv_pack_fill_follower(lv_packager_t *p, lv_pack_track_t *t,
    const lv_pack_cell_t *c);
int64_t lv_pack_fill_end(lv_packager_t *p, uint16_t *flags);
int lv_pack_fill_lead(lv_packager_t *p, int64_t end, uint16_t flags);
void lv_pack_clock_check(lv_packager_t *p);
int lv_pack_fill_due(lv_packager_t *p);
int64_t lv_pack_wait(const lv_packager_t *p, const lv_pack_track_t *t);
bool lv_pack_waited(lv_packager_t *p, lv_pack_track_t *t, int64_t end,
    int64_t front, uint64_t since_ms);
int lv_pack_check_lead(lv_packager_t *p);
int lv_pack_key_find(lv_packager_t *p, lv_pack_track_t *t,
    lv_part_ref_t *ref);
int64_t lv_pack_front(const lv_packager_t *p, const lv_pack_track_t *but);

/* lv_packager_resume.c */
int lv_pack_load(lv_packager_t *p);
void lv_pack_keep(lv_packager_t *p);
/* The publisher is back: its clock's `dts` is now. */
int lv_pack_resume(lv_packager_t *p, int64_t dts);
/* Gives the stream up; what is whole is published. */
void lv_pack_release(lv_packager_t *p, uint32_t state);

#endif
