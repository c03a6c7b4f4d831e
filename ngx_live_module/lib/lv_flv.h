/*
 * RTMP audio and video messages (FLV tag bodies) as frames for the packager.
 *
 * Streaming: a message is announced with its length, then its bytes come in
 * pieces of any size and go straight on; what is kept is a header, a codec
 * configuration, or what stands in front of a picture's first slice (4 KiB).
 * Audio and video messages may interleave, each has its own state.
 *
 *   lv_flv_begin(f, p, LV_FLV_VIDEO, timestamp, length, now)
 *   lv_flv_data(f, LV_FLV_VIDEO, bytes, n) …
 *   lv_flv_end(f, LV_FLV_VIDEO)           or lv_flv_abort()
 *
 * Every call returns LV_OK or LV_ERROR. LV_ERROR ends the publishing: f->err
 * says why in words for the log and for the encoder's user, f->displaced
 * whether it is because the packager was displaced; the only calls allowed
 * then are lv_flv_abort_all() and forgetting it. Frames that cannot be used
 * are dropped, counted and told by an event; they are no error.
 *
 * Sources: Adobe Flash Video File Format 10.1 E.4; Enhanced RTMP v2 (the
 * extended headers, FourCCs, ModEx, multitrack); ISO/IEC 14496-10 and 23008-2
 * 7.4, 14496-15 5.3.3 and 8.3.3; the AV1 binding to MP4 (lv_av1.h).
 *
 * Video is H.264 (codec id 7, avc1), HEVC (hvc1; hev1, too, since parameter
 * sets are always moved to the sample entry; the codec id 12 of before enhanced
 * RTMP) and AV1 (av01). Others end the publishing: VP8, VP9 and VVC have no
 * place in HLS.
 *
 * What is done with a picture's NAL units (H.264, HEVC):
 *   slices          written, with 4 byte lengths whatever came
 *   SEI             written up to 8 of them or 16 KiB a picture, then dropped
 *   parameter sets  not written; a different one makes a new configuration
 *                   with the next key frame (a different PPS in front of
 *                   another picture is written there, too)
 *   delimiters, end of sequence or stream, filler: dropped
 *   unspecified, reserved and other layers': dropped and counted
 *
 * … and with a temporal unit's OBUs (AV1): temporal delimiters, padding and
 * tile lists are dropped; a sequence header is not written where it came but in
 * front of every key frame, and makes a new configuration when it differs.
 *
 * Some encoders send a picture's slices in several messages. What has the time
 * stamp and composition time of the picture before it, and begins with a slice
 * that is not the picture's first, without anything in front that begins an
 * access unit, goes into the same sample: up to LV_FLV_PIECES messages.
 *
 * Audio: AAC LC, with or without SBR and PS, as raw frames or ADTS; Opus, FLAC,
 * AC-3, E-AC-3 and MP3, one frame a message (MP3: or several). Anything else is
 * refused (the track, not the publishing). The other AAC profiles could be put
 * into MP4, but browsers' media sources do not take them, and players then drop
 * the whole variant, video included.
 *
 * What is a key frame: the units decide, not the flag in the message: an IDR
 * picture (HEVC: BLA and CRA, too; AV1: a key frame that is shown); and, where
 * none came for 10 s (intra refresh, open GOPs), a picture with a recovery
 * point SEI. Only where more than 4 KiB stand in front of the first slice is
 * the flag believed.
 *
 * Several tracks (multitrack messages): ids 0 … LV_FLV_VIDEOS - 1 of video and
 * 0 … LV_FLV_AUDIOS - 1 of audio are v0, v1, … and a0, … of the stream; others
 * are left out and counted. A message without ids is about track 0.
 */

#ifndef LV_FLV_H
#define LV_FLV_H

#include "lv_base.h"
#include "lv_aac.h"
#include "lv_ac3.h"
#include "lv_nal.h"
#include "lv_opus.h"
#include "lv_packager.h"
#include "lv_timeline.h"

/* RTMP message types. */
#define LV_FLV_AUDIO        8
#define LV_FLV_VIDEO        9

#define LV_FLV_HOLD         4096    /* in front of the first slice; also the
                                       largest sequence header */
#define LV_FLV_SEI_COUNT    8       /* a picture */
#define LV_FLV_SEI_BYTES    16384
#define LV_FLV_IDR_WAIT_MS  10000   /* then a recovery point will do */
#define LV_FLV_BROKEN_MAX   250     /* unreadable messages in a row */
#define LV_FLV_PIECES       256     /* messages that may make one picture */
#define LV_FLV_VIDEOS       LV_PACKAGER_VIDEOS      /* tracks that are used */
#define LV_FLV_AUDIOS       LV_PACKAGER_AUDIOS
#define LV_FLV_INFO         64      /* an audio sequence header that is kept */

typedef enum {
    LV_FLV_CONFIG = 1,       /* a track's configuration is new or changed;
                                text: "avc1.64001f 1280x720", "mp4a.40.2 …" */
    LV_FLV_REFUSED,          /* audio cannot be carried, video goes on; once a
                                codec or configuration */
    LV_FLV_HELD,             /* frames come but no configuration; once */
    LV_FLV_BROKEN,           /* messages are unreadable; once a run of them */
    LV_FLV_SKIPPED,          /* something is left out on purpose; once a kind:
                                SEI flood, further tracks */
    LV_FLV_ANNEXB,           /* start codes inside RTMP, converted; once */
    LV_FLV_JUMP,             /* the encoder's clock jumped; once a jump */
    LV_FLV_END               /* end of sequence from the encoder */
} lv_flv_event_t;

/* `text` lives only for the call and is printable ASCII. */
typedef void (*lv_flv_event_pt)(void *ctx, lv_flv_event_t ev,
    const char *text);

typedef struct {
    uint32_t  audio_margin_ms;      /* 0: the default of lv_timeline.h */
    uint32_t  jump_ms;              /* 0: the default */
} lv_flv_conf_t;

/* What onMetaData said; for status pages, never trusted over packets. 0 or
 * empty: not said. */
typedef struct {
    uint32_t  width, height;
    uint32_t  rate_milli;
    uint32_t  video_kbps, audio_kbps;
    uint32_t  sample_rate;
    char      video_codec[8];       /* "7", "avc1", … as it came */
    char      audio_codec[8];
    char      encoder[64];          /* printable ASCII */
} lv_flv_meta_t;

typedef struct {
    uint64_t  video_frames;         /* begun at the packager */
    uint64_t  audio_frames;
    uint64_t  key_frames;
    uint64_t  declined;             /* by the packager */
    uint64_t  held;                 /* no configuration yet */
    uint64_t  broken;               /* unreadable messages */
    uint64_t  refused;              /* messages of refused codecs or tracks */
    uint64_t  late;                 /* too far back in time */
    uint64_t  sei_dropped;
    uint64_t  nal_dropped;          /* of no known use */
    uint64_t  configs;              /* new or changed configurations */
} lv_flv_stat_t;

/* The fields below are lv_flv*.c's own. */

/* One message on its way; the same for audio and video. */
typedef struct {
    uint8_t         state;
    bool            open;           /* between begin and end */
    bool            frame;          /* begun at the packager */
    uint8_t         head_len;
    uint8_t         head[32];       /* bytes of a header being collected */
    uint8_t         packet;         /* packet type */
    uint8_t         multi;          /* several tracks: 1 + their type */
    uint8_t         frame_type;     /* video */
    bool            legacy;         /* the header of before enhanced RTMP */
    uint32_t        fourcc;
    uint32_t        nano;           /* ModEx: to be added to the time stamp */
    uint32_t        timestamp;
    uint32_t        left;           /* bytes of the message to come */
    uint32_t        body;           /* bytes of this track's body to come */
    uint64_t        now_ms;
    lv_packager_t  *packager;
} lv_flv_message_t;

typedef enum {
    LV_FLV_NO_VIDEO = 0,
    LV_FLV_H264,
    LV_FLV_HEVC,
    LV_FLV_AV1
} lv_flv_codec_t;

typedef struct {
    int               track;        /* packager's handle, -1: none yet */
    lv_flv_codec_t    codec;
    uint8_t           frame_type;
    int32_t           cts;

    /* the NAL filter, lv_flv_nal.c */
    uint8_t           nal_state;
    uint8_t           nal_to;       /* where its bytes go */
    uint8_t           nal_type;
    bool              nal_sei;
    uint8_t           length_size;  /* of the source */
    uint8_t           length_got;
    bool              annexb;       /* seen on this stream */
    bool              vcl;          /* a slice has been seen */
    bool              recovery;     /* a recovery point SEI has been seen */
    uint8_t           captions;     /* LV_CAPTIONS_* seen … */
    uint8_t           captions_had; /* … and what the packager knows of */
    bool              sets_changed; /* since the last picture */
    bool              started;      /* idr_ms is valid */
    bool              unit_begun;   /* a unit that is in front of a picture
                                       has been seen since the last slice */
    bool              judging;      /* of the first slice the byte is awaited
                                       that tells whether it begins one */
    uint32_t          nal_left;     /* length prefixed: bytes to come */
    uint32_t          nal_len;      /* bytes written */
    uint32_t          nal_at;       /* where its length stands in the sample */
    uint32_t          zeros;        /* start codes: zero bytes held back */
    uint32_t          out;          /* bytes of the sample so far */
    uint32_t          sei_count, sei_bytes;
    uint64_t          idr_ms;       /* last IDR, or the first picture */
    uint32_t          pieces;       /* messages of the last picture; 0: it may
                                       not be added to */
    uint32_t          piece_ts;     /* its time stamp, and composition time */
    int32_t           piece_cts;
    uint32_t          broken_run;

    uint32_t          hold_len;
    uint32_t          set_len;

    /* lv_flv_init() leaves these as they are, but for the configurations'
     * lengths */
    uint8_t           hold[LV_FLV_HOLD];
    uint8_t           set[LV_NAL_SET_MAX];      /* one that is coming in */
    lv_nal_config_t   config;       /* what the packager has */
    lv_nal_config_t   next;         /* what comes with the next key frame */
} lv_flv_video_t;

typedef struct {
    int               track;
    uint32_t          fourcc;       /* of the configuration; 0: none */
    bool              pending;      /* a configuration waits for the first
                                       frame, which tells how long they are */
    bool              adts;         /* the configuration came with frames */
    uint8_t           skip;         /* ADTS: bytes of a checksum to come */
    uint32_t          frame_left;   /* bytes of this frame to come */
    uint32_t          frame_no;     /* in this message … */
    uint32_t          ahead;        /* … and samples in those before it */
    uint32_t          refused;      /* codec or FourCC last told of */
    uint32_t          config_len;   /* the last that came, usable or not */
    uint8_t           config[LV_FLV_INFO];
    uint32_t          channels;
    uint32_t          rate;         /* samples a second … */
    uint32_t          samples;      /* … and a frame, of the configuration */
    lv_ac3_t          ac3;
    uint32_t          collect_len;
    uint8_t           collect[LV_FLV_INFO];
} lv_flv_audio_t;

typedef struct {
    lv_flv_event_pt   event;
    void             *ctx;
    const char       *err;
    bool              displaced;
    uint32_t          told;         /* bit set of events given once */
    lv_timeline_t     timeline;     /* read skew_ms and the counts from here */
    lv_flv_meta_t     meta;
    lv_flv_stat_t     stat;
    lv_flv_message_t  vm, am;       /* the messages of video, of audio, … */
    unsigned          v, a;         /* … and the tracks that they are about */
    lv_flv_video_t    video[LV_FLV_VIDEOS];
    lv_flv_audio_t    audio[LV_FLV_AUDIOS];
} lv_flv_t;

/* conf NULL: defaults. No memory is allocated, there is nothing to free. */
void lv_flv_init(lv_flv_t *f, const lv_flv_conf_t *conf,
    lv_flv_event_pt event, void *ctx);

/* A message begins: RTMP's absolute time stamp as it came (32 bits), and the
 * length of its payload. One that is still open is aborted. */
int lv_flv_begin(lv_flv_t *f, lv_packager_t *p, unsigned type,
    uint32_t timestamp_ms, uint32_t len, uint64_t now_ms);
/* Bytes beyond the announced length are ignored. A frame is finished with the
 * last byte of its message. Where the packager has no memory for bytes
 * (LV_DECLINED) the frame is aborted. */
int lv_flv_data(lv_flv_t *f, unsigned type, const uint8_t *data, size_t n);
/* Ends it; one that is shorter than announced is aborted. */
int lv_flv_end(lv_flv_t *f, unsigned type);
void lv_flv_abort(lv_flv_t *f, unsigned type);
/* Both types; before the packager is lost, finished or destroyed. */
void lv_flv_abort_all(lv_flv_t *f);

/* A property of onMetaData (of the object or ECMA array in it); the caller
 * walks the AMF and calls one of these for each. Names that mean nothing here,
 * and values out of any reason, are ignored. */
void lv_flv_meta_number(lv_flv_t *f, const char *name, size_t len, double v);
void lv_flv_meta_string(lv_flv_t *f, const char *name, size_t len,
    const char *s, size_t n);

#endif
