/*
 * What the files of the demuxer share; nobody else includes it.
 *
 *   lv_ts.c          bytes to packets, packets to PIDs, loss
 *   lv_ts_section.c  sections, the program association table, which program
 *   lv_ts_table.c    a program's table, what its streams are
 *   lv_ts_pes.c      PES headers, time stamps
 *   lv_ts_video.c    start codes, access units
 *   lv_ts_nal.c      … what H.264 and HEVC differ in
 *   lv_ts_audio.c    audio frames
 *   lv_ts_header.c   … their headers, one kind each
 *   lv_ts_meta.c     ID3, KLV, SCTE-35
 *   lv_ts_sink.c     calls of the sink
 */

#ifndef LV_TS_INT_H
#define LV_TS_INT_H

#include <stdlib.h>

#include "lv_aac.h"
#include "lv_ac3.h"
#include "lv_avc.h"
#include "lv_fmp4.h"
#include "lv_hevc.h"
#include "lv_latm.h"
#include "lv_ts.h"

#define LV_TS_SYNC_BYTE     0x47
#define LV_TS_PIDS          8192
#define LV_TS_PID_NULL      0x1fff
#define LV_TS_ENTRIES       64      /* PIDs in use: PAT, PMTs, streams, PCR */
#define LV_TS_CARRY         1024    /* enough to see three packets of 204 */

/* ---- PIDs -------------------------------------------------------------- */

typedef enum {
    LV_TS_PID_FREE = 0,
    LV_TS_PID_PAT,
    LV_TS_PID_PMT,
    LV_TS_PID_STREAM,
    LV_TS_PID_PCR            /* of no stream in use */
} lv_ts_pid_type_t;

/* A section that is coming in. */
typedef struct {
    uint8_t  *buf;           /* NULL: none yet */
    uint16_t  size;
    uint16_t  len;
    uint16_t  need;          /* 0: its length is not known yet */
} lv_ts_section_t;

typedef struct {
    lv_ts_pid_type_t  type;
    uint16_t          pid;
    int8_t            cc;            /* continuity counter, -1: none yet */
    bool              duplicate;     /* the last packet came twice */
    uint8_t           stream;        /* LV_TS_PID_STREAM: which */
    lv_ts_section_t   section;
} lv_ts_pid_t;

/* ---- streams ----------------------------------------------------------- */

/* What a program table says of a stream. */
typedef struct {
    uint16_t       pid;
    lv_ts_codec_t  codec;
    uint8_t        type;             /* stream_type */
    uint8_t        channels;         /* Opus: channel_config_code */
    bool           video;            /* refused video */
    const char    *name;             /* of what is refused */
} lv_ts_item_t;

typedef struct {
    bool      has;                   /* not used up yet */
    int64_t   pts, dts;
} lv_ts_stamp_t;

typedef struct {
    bool      open;                  /* between a start and its end */
    bool      body;                  /* the header is complete */
    bool      bounded;
    uint8_t   head[19];              /* as far as the decode time */
    uint8_t   head_len;
    uint16_t  skip;                  /* header bytes to come, of no interest */
    uint32_t  left;                  /* bounded: bytes to come */
} lv_ts_pes_t;

/* Where a NAL unit's bytes go. */
enum {
    LV_TS_TO_NOTHING = 0,
    LV_TS_TO_SAMPLE,
    LV_TS_TO_SET
};

/* What a NAL unit is, of either codec. */
typedef struct {
    uint8_t  to;             /* LV_TS_TO_* */
    bool     starts;         /* begins an access unit, behind a slice */
    bool     slice;
    bool     first;          /* slice: the first of its picture */
    bool     idr;
    bool     random;         /* HEVC: IDR, BLA or CRA */
    bool     leading;        /* HEVC: RASL, undecodable behind a CRA at which
                                decoding began */
    bool     splice;         /* HEVC: BLA */
    bool     refers;         /* slice: other pictures may refer to it */
    bool     sei;
} lv_ts_nal_t;

typedef struct {
    bool             hevc;
    /* start codes */
    uint32_t         zeros;          /* held back */
    bool             unit;           /* inside a NAL unit */
    bool             begun;          /* … whose head is complete */
    uint8_t          head[4];
    uint8_t          head_len;
    lv_ts_nal_t      nal;
    uint32_t         nal_at, nal_len;
    /* the access unit */
    bool             au;             /* begun: something of it has come */
    bool             vcl;            /* a slice of it has come */
    bool             frame;          /* open at the sink */
    bool             skip;           /* not wanted, up to the next */
    bool             refers;         /* this picture is, or may be, needed */
    bool             recovery;       /* a recovery point SEI is in it */
    bool             sets;           /* parameter sets are in it */
    bool             random;         /* random access indicator */
    uint8_t          fields;         /* of an interlaced picture */
    uint32_t         au_pes;         /* the PES packet that it began in */
    lv_ts_stamp_t    au_stamp;
    uint32_t         out;            /* bytes of the sample */
    uint32_t         sei_count, sei_bytes;
    /* the stream */
    uint32_t         pes;            /* PES packets */
    lv_ts_stamp_t    stamp;          /* of the last, not used up yet */
    bool             interlaced;
    bool             awaiting;       /* a key frame */
    bool             leading;        /* RASL pictures are dropped */
    bool             started;        /* idr_ms is valid */
    uint8_t          recoveries;     /* since the last IDR */
    uint64_t         idr_ms;
    bool             last;           /* last_dts is valid */
    int64_t          last_dts, delta, last_cts;
    uint32_t         rate_milli;
    uint8_t          captions, captions_had;
    bool             sets_changed;   /* since the last picture */
    bool             configured;
    bool             refused;        /* `config` was declined */
    uint32_t         hold_len, set_len;
    uint8_t          hold[LV_TS_HOLD];
    uint8_t          set[LV_NAL_SET_MAX];
    lv_nal_config_t  config;         /* what the sink has */
    lv_nal_config_t  next;           /* what comes with the next key frame */
} lv_ts_video_t;

/* What stands in front of an audio frame, of any kind. */
typedef struct {
    uint32_t           head;         /* bytes in front of the coded frame */
    uint32_t           len;          /* all of it */
    uint32_t           samples;      /* at c.sample_rate; 0: left out */
    lv_codec_config_t  c;            /* c.config is `config`; LATM: not set */
    uint8_t            config[LV_AAC_CONFIG_MAX];
} lv_ts_audio_head_t;

typedef struct {
    bool               synced;
    bool               told;         /* of a run of nonsense */
    bool               lost;         /* nothing before the next PES packet */
    bool               useless;      /* it cannot be carried */
    uint8_t            channels;     /* Opus */
    lv_ts_codec_t      codec;        /* some say ADTS and send LATM, or the
                                        other way round */
    lv_ts_stamp_t      stamp;        /* of the last PES packet … */
    int32_t            start;        /* … that began here in buf; -1: before */
    bool               last;         /* next_pts is valid */
    bool               exact;        /* … and a stamp */
    int64_t            next_pts;
    uint32_t           rem;          /* … and its fraction: 1 / sample rate */
    bool               configured;
    bool               refused;      /* the configuration was declined */
    lv_codec_config_t  c;            /* the last, c.config is `config` */
    uint8_t            config[LV_AAC_CONFIG_MAX];
    lv_ac3_t           ac3;          /* what it was made from */
    lv_latm_t          latm;
    uint32_t           len;
    uint8_t            buf[LV_TS_AUDIO_FRAME + 64];
} lv_ts_audio_t;

typedef struct {
    bool           cells;            /* metadata access unit wrapper */
    bool           over;             /* too long: dropped */
    lv_ts_stamp_t  stamp;
    uint32_t       len;
    uint8_t        buf[LV_TS_META_MAX];
} lv_ts_metabuf_t;

typedef struct {
    bool              used;
    bool              keep;          /* it is in the new table, too */
    lv_ts_item_t      item;
    lv_ts_pid_t      *pid;
    bool              scrambled;     /* a run of it has been told */
    bool              disc;          /* the clock jumped; for the next frame */
    bool              clock;         /* last_dts is valid */
    int64_t           last_dts;
    lv_ts_pes_t       pes;
    lv_ts_video_t    *video;         /* one of these, or a section */
    lv_ts_audio_t    *audio;
    lv_ts_metabuf_t  *meta;
} lv_ts_stream_t;

/* ---- programs ---------------------------------------------------------- */

typedef struct {
    uint16_t  number, pid;
    bool      seen;
    bool      video, audio;          /* it has such, that can be carried */
} lv_ts_program_t;

struct lv_ts_s {
    lv_ts_conf_t      conf;
    lv_ts_sink_t      sink;
    void             *ctx;
    uint64_t          now_ms;
    bool              failed;        /* a sink said LV_ERROR */
    lv_ts_stat_t      stat;
    uint64_t          told_ms[LV_TS_JUMPED + 1];
    bool              told[LV_TS_JUMPED + 1];

    /* packets */
    uint32_t          stride;        /* 188, 192, 204; 0: not found yet */
    bool              was_synced;
    uint32_t          carry_len;
    uint8_t           carry[LV_TS_CARRY];

    /* programs */
    bool              pat;           /* one has come */
    uint32_t          pat_crc;
    uint16_t          pat_next;      /* section that is awaited */
    unsigned          programs, listed;
    lv_ts_program_t   program[LV_TS_PROGRAMS];
    lv_ts_program_t   list[LV_TS_PROGRAMS];  /* of a PAT coming in */
    bool              waiting;       /* since … for a program with video */
    uint64_t          waiting_ms;
    int               chosen;        /* index, -1: none */
    bool              table;         /* table_crc is valid */
    uint32_t          table_crc;
    uint16_t          pcr_pid;
    const char       *refused_video, *refused;   /* of the table */

    /* clocks */
    bool              clock_set;
    int64_t           clock;         /* last time stamp, unwrapped */
    bool              pcr_set;
    int64_t           pcr;

    lv_ts_stream_t    stream[LV_TS_STREAMS];
    lv_ts_pid_t       pid[LV_TS_ENTRIES];
    uint8_t           map[LV_TS_PIDS];       /* 1 + index of pid, 0: none */
};

/* lv_ts.c */
lv_ts_pid_t *lv_ts_pid_take(lv_ts_t *ts, uint16_t pid, lv_ts_pid_type_t type);
void lv_ts_pid_drop(lv_ts_t *ts, lv_ts_pid_t *e);

/* lv_ts_section.c */
void lv_ts_section_data(lv_ts_t *ts, lv_ts_pid_t *e, const uint8_t *p,
    size_t n, bool start);
void lv_ts_section_lost(lv_ts_pid_t *e);
/* The clock goes on: a program without video will do, after a while. */
void lv_ts_program_tick(lv_ts_t *ts);

/* lv_ts_table.c */
/* Bounds are checked; items beyond LV_TS_STREAMS are left out. Returns how
 * many, or LV_ERROR. */
int lv_ts_table_read(const uint8_t *p, size_t len, lv_ts_item_t *item,
    uint16_t *pcr_pid);
void lv_ts_table_apply(lv_ts_t *ts, const lv_ts_item_t *item, unsigned n,
    uint16_t pcr_pid);
void lv_ts_stream_free(lv_ts_t *ts, unsigned i);
bool lv_ts_codec_is_video(lv_ts_codec_t c);
bool lv_ts_codec_is_audio(lv_ts_codec_t c);

/* lv_ts_pes.c */
void lv_ts_pes_data(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p,
    size_t n, bool start, bool random);
/* The packets of a stream have a gap; start: behind it a PES begins. */
void lv_ts_pes_lost(lv_ts_t *ts, lv_ts_stream_t *s, bool start);
void lv_ts_pes_flush(lv_ts_t *ts, lv_ts_stream_t *s);
/* A stamp of 33 bits in the terms of the clock, which stays as it is. */
int64_t lv_ts_unwrap(const lv_ts_t *ts, uint64_t stamp);
void lv_ts_pcr(lv_ts_t *ts, uint64_t base, bool discontinuity);

/* lv_ts_video.c */
void lv_ts_video_pes(lv_ts_t *ts, lv_ts_stream_t *s, const lv_ts_stamp_t *st,
    bool random);
void lv_ts_video_data(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p,
    size_t n);
void lv_ts_video_lost(lv_ts_t *ts, lv_ts_stream_t *s, bool start);
void lv_ts_video_flush(lv_ts_t *ts, lv_ts_stream_t *s);
void lv_ts_video_abort(lv_ts_t *ts, lv_ts_stream_t *s);

/* lv_ts_nal.c */
/* How many bytes of a unit lv_ts_nal_class() wants; the first is there. */
unsigned lv_ts_nal_head(const lv_ts_video_t *v, uint8_t first);
void lv_ts_nal_class(const lv_ts_video_t *v, lv_ts_nal_t *nal,
    const uint8_t *head, unsigned len);
/* A parameter set; false: unusable. */
bool lv_ts_nal_set(lv_ts_video_t *v);
void lv_ts_nal_sei(lv_ts_video_t *v, const uint8_t *nal, size_t len);
/* v->next goes to the sink; false: it is not usable (yet). */
bool lv_ts_nal_configure(lv_ts_t *ts, lv_ts_stream_t *s);
/* The n-th picture parameter set of v->next; NULL: no more. */
const uint8_t *lv_ts_nal_pps(const lv_ts_video_t *v, unsigned n, size_t *len);

/* lv_ts_audio.c */
void lv_ts_audio_pes(lv_ts_t *ts, lv_ts_stream_t *s, const lv_ts_stamp_t *st);
void lv_ts_audio_data(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p,
    size_t n);
void lv_ts_audio_lost(lv_ts_t *ts, lv_ts_stream_t *s);

/* lv_ts_header.c */
/* LV_OK: h is set; LV_AGAIN: more bytes are needed; LV_DECLINED: none begins
 * here; LV_ERROR: one that cannot be carried, *err says what it is. */
int lv_ts_audio_head(lv_ts_audio_t *a, lv_ts_codec_t codec,
    lv_ts_audio_head_t *h, const uint8_t *p, size_t n, const char **err);
/* From an AudioSpecificConfig; false: *err says why not. */
bool lv_ts_audio_describe_aac(lv_ts_audio_head_t *h, const uint8_t *p,
    size_t n, const char **err);

/* lv_ts_meta.c */
void lv_ts_meta_pes(lv_ts_t *ts, lv_ts_stream_t *s, const lv_ts_stamp_t *st,
    uint8_t stream_id);
void lv_ts_meta_data(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p,
    size_t n);
void lv_ts_meta_end(lv_ts_t *ts, lv_ts_stream_t *s);
void lv_ts_meta_splice(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p,
    size_t n);

/* lv_ts_sink.c */
void lv_ts_tell(lv_ts_t *ts, lv_ts_event_t ev, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* At most once a LV_TS_TOLD_MS. */
void lv_ts_tell_now_and_then(lv_ts_t *ts, lv_ts_event_t ev, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));
void lv_ts_broken(lv_ts_t *ts, const char *what, unsigned pid);
/* As the sink's; LV_ERROR has been remembered in ts->failed. */
int lv_ts_sink_track(lv_ts_t *ts, lv_ts_stream_t *s,
    const lv_codec_config_t *c);
int lv_ts_sink_frame(lv_ts_t *ts, lv_ts_stream_t *s, lv_ts_frame_t *f);
int lv_ts_sink_data(lv_ts_t *ts, lv_ts_stream_t *s, const void *p, size_t n);
void lv_ts_sink_patch(lv_ts_t *ts, lv_ts_stream_t *s, uint32_t at,
    const void *p, size_t n);
void lv_ts_sink_end(lv_ts_t *ts, lv_ts_stream_t *s);
void lv_ts_sink_abort(lv_ts_t *ts, lv_ts_stream_t *s);

static inline unsigned
lv_ts_index(const lv_ts_t *ts, const lv_ts_stream_t *s)
{
    return (unsigned) (s - ts->stream);
}

#endif
