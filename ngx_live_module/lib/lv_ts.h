/*
 * An MPEG transport stream, pushed in, comes out as tracks, frames and timed
 * metadata of one program. For what then goes to the packager see
 * lv_ts_publish.h, which is all that an ingest module needs.
 *
 *   ts = lv_ts_create(&conf, &sink, ctx)
 *   lv_ts_data(ts, bytes, n, now_ms) …      any chunking
 *   lv_ts_flush(ts)                         nothing more comes
 *   lv_ts_destroy(ts)
 *
 * Sources: ISO/IEC 13818-1 (H.222.0) 2.4; ISO/IEC 14496-3 1.7 (LATM, LOAS);
 * ETSI TS 101 154 and TS 102 366 annex E (AC-3); ANSI/SCTE 35; the Opus mapping
 * of FFmpeg and GStreamer (registration "Opus"); MISB ST 1402 (KLV).
 *
 * Which program: the number in conf, else the first that has video, else (when
 * every program listed has been seen, or LV_TS_PROGRAM_WAIT_MS after the first
 * that has audio) one with audio. Program tables are compared by CRC, whatever
 * their version says. An elementary stream whose PID and codec stay is not
 * touched by a new table.
 *
 * Frames. H.264 and HEVC: a frame is an access unit, as NAL units with 4 byte
 * lengths; parameter sets go into the track's configuration, which is announced
 * in front of the key frame it comes with. Bytes go to the sink as they come:
 * nothing of a picture is kept but what stands in front of its first slice (at
 * most LV_TS_HOLD). Delimiters, filler and ends of sequence are dropped; SEI is
 * bounded as in lv_flv.h. Audio: one coded frame each, without ADTS, LOAS or
 * Opus control headers; MP3, AC-3 and E-AC-3 frames as they are.
 *
 * Key frames: IDR; for HEVC every random access picture; and where no IDR has
 * come for 10 s, or two recovery points came without one, a picture with a
 * recovery point SEI.
 *
 * Times are 1/90000 s, 64 bits, unwrapped: all tracks on one clock whose zero
 * means nothing. They are as the encoder sent them otherwise (lv_timeline.h
 * makes them clean). A frame without a time stamp of its own has the one before
 * it plus its duration.
 *
 * Loss (continuity counter, transport error, bytes that are no packet): the
 * frame that it hits is aborted. Video goes on at the next key frame unless the
 * picture was one that no other refers to.
 *
 * No error ends it: what makes no sense is dropped, counted, and told once a
 * run. Only a sink's LV_ERROR stops it.
 */

#ifndef LV_TS_H
#define LV_TS_H

#include "lv_base.h"
#include "lv_packager.h"
#include "lv_scte35.h"

#define LV_TS_PACKET            188
#define LV_TS_PROGRAMS          32      /* of a PAT; others are not seen */
#define LV_TS_STREAMS           16      /* elementary streams of a program */
#define LV_TS_HOLD              4096    /* in front of a picture's slices */
#define LV_TS_AUDIO_FRAME       8192    /* one coded frame */
#define LV_TS_META_MAX          16384   /* one ID3 tag or KLV unit */
#define LV_TS_SECTION_MAX       4096
#define LV_TS_PICTURE_MAX       (8 << 20)
#define LV_TS_PROGRAM_WAIT_MS   2000
#define LV_TS_JUMP              (3 * 90000)     /* a longer step is a jump */

typedef enum {
    LV_TS_UNKNOWN = 0,
    LV_TS_H264,
    LV_TS_HEVC,
    LV_TS_AAC,               /* ADTS */
    LV_TS_LATM,              /* AAC in LOAS */
    LV_TS_OPUS,
    LV_TS_MP3,               /* MPEG-1 and 2 audio, layers I … III */
    LV_TS_AC3,
    LV_TS_EAC3,
    LV_TS_SCTE35,
    LV_TS_ID3,
    LV_TS_KLV,
    LV_TS_REFUSED            /* known, and of no use: MPEG-2 video, … */
} lv_ts_codec_t;

/* A frame that begins. */
typedef struct {
    int64_t   pts, dts;          /* 90 kHz, unwrapped */
    bool      key;               /* audio: always */
    bool      estimated;         /* no time stamp of its own */
    bool      discontinuity;     /* the clock jumped in front of it */
    uint32_t  samples;           /* audio: at the track's sample rate */
} lv_ts_frame_t;

typedef struct {
    lv_ts_codec_t          kind;     /* LV_TS_SCTE35, LV_TS_ID3, LV_TS_KLV */
    uint16_t               pid;
    bool                   timed;    /* pts is valid; else: at once */
    int64_t                pts;      /* when it applies, 90 kHz, unwrapped */
    const uint8_t         *data;     /* the section, tag or KLV unit(s) */
    size_t                 len;
    const lv_scte35_t     *splice;   /* SCTE-35 only; NULL: encrypted */
} lv_ts_meta_t;

typedef enum {
    LV_TS_PROGRAM = 1,       /* chosen, or changed: text says what is in it */
    LV_TS_REFUSED_STREAM,    /* cannot be carried; once a stream */
    LV_TS_SCRAMBLED,         /* a chosen stream is encrypted; once a run */
    LV_TS_LOSS,              /* packets are missing; once a LV_TS_TOLD_MS */
    LV_TS_BROKEN,            /* something makes no sense; likewise */
    LV_TS_SYNC,              /* no packets in the bytes; likewise */
    LV_TS_JUMPED             /* the clock jumped; once a jump */
} lv_ts_event_t;

#define LV_TS_TOLD_MS  10000

/*
 * Where everything goes. `track` is an index 0 … LV_TS_STREAMS - 1 that stays
 * with an elementary stream as long as it is in the program. Every frame that
 * begun with LV_OK is ended or aborted, and only one is open a track.
 *
 * track, frame, data and end return LV_OK; LV_DECLINED: not wanted (a track: as
 * long as its configuration is the same; a frame: no data for it then; data:
 * the frame is over, the sink has aborted it); LV_ERROR stops everything:
 * lv_ts_data() returns it, and only lv_ts_destroy() may follow.
 */
typedef struct {
    /* A configuration, first or changed; it lives for the call. */
    int   (*track)(void *ctx, unsigned track, lv_ts_codec_t codec,
                   const lv_codec_config_t *c);
    /* Left the program. No frame is open. */
    void  (*gone)(void *ctx, unsigned track);
    int   (*frame)(void *ctx, unsigned track, const lv_ts_frame_t *f);
    int   (*data)(void *ctx, unsigned track, const void *p, size_t n);
    /* Overwrites bytes that were given: lengths that are known only later. */
    void  (*patch)(void *ctx, unsigned track, uint32_t at, const void *p,
                   size_t n);
    int   (*end)(void *ctx, unsigned track);
    void  (*abort)(void *ctx, unsigned track);
    /* Captions seen in the video so far, LV_CAPTIONS_*; on change. */
    void  (*captions)(void *ctx, unsigned track, unsigned captions);
    void  (*meta)(void *ctx, const lv_ts_meta_t *m);
    /* `text` lives for the call and is printable ASCII. */
    void  (*event)(void *ctx, lv_ts_event_t ev, const char *text);
} lv_ts_sink_t;

typedef struct {
    uint16_t  program;           /* program number, 0: see above */
    uint8_t   videos, audios;    /* how many of each are taken; 0: 1 */
} lv_ts_conf_t;

typedef struct {
    uint64_t  packets;           /* null packets included */
    uint64_t  nulls;
    uint64_t  unknown;           /* on PIDs that nobody announced */
    uint64_t  resyncs;           /* times that the packets were lost */
    uint64_t  errors;            /* transport error indicator */
    uint64_t  losses;            /* gaps in a continuity counter */
    uint64_t  duplicates;
    uint64_t  scrambled;
    uint64_t  crc_errors;        /* of sections */
    uint64_t  tables;            /* program tables that changed something */
    uint64_t  frames;
    uint64_t  aborted;           /* frames hit by loss, or beyond a limit */
    uint64_t  awaiting;          /* pictures left out up to a key frame */
    uint64_t  held;              /* frames without a configuration yet */
    uint64_t  broken;            /* PES headers, audio frames, NAL units … */
    uint64_t  metas;
    uint64_t  jumps;
} lv_ts_stat_t;

/* The program that is taken. */
typedef struct {
    bool         chosen;
    uint16_t     number;
    unsigned     videos, audios;     /* that are used */
    const char  *refused_video;      /* a video stream in it that cannot be
                                        carried; NULL: none */
    const char  *refused;            /* likewise, of any kind */
} lv_ts_program_info_t;

typedef struct lv_ts_s  lv_ts_t;

/* conf NULL: zeros. About 20 KiB, and 17 KiB at most for each elementary
 * stream in use. NULL: no memory. */
lv_ts_t *lv_ts_create(const lv_ts_conf_t *conf, const lv_ts_sink_t *sink,
    void *ctx);
void lv_ts_destroy(lv_ts_t *ts);

int lv_ts_data(lv_ts_t *ts, const uint8_t *p, size_t n, uint64_t now_ms);
/* Ends what is whole; frames that are not are aborted. */
int lv_ts_flush(lv_ts_t *ts);
/* Aborts what is open. */
void lv_ts_abort(lv_ts_t *ts);

const lv_ts_stat_t *lv_ts_stat(const lv_ts_t *ts);
void lv_ts_program_info(const lv_ts_t *ts, lv_ts_program_info_t *info);
/* The CRC of sections: 0 over a whole one. */
uint32_t lv_ts_crc32(const uint8_t *p, size_t n);

#endif
