/*
 * Between the files of lv_flv.h; nobody else includes this.
 *
 *   lv_flv.c         messages, events, metadata
 *   lv_flv_video.c   video messages' headers, and pictures
 *   lv_flv_config.c  video configurations
 *   lv_flv_nal.c     the NAL filter: H.264 and HEVC
 *   lv_flv_obu.c     the OBU filter: AV1
 *   lv_flv_audio.c   audio messages
 *   lv_flv_sound.c   audio configurations and frames
 */

#ifndef LV_FLV_PRIV_H
#define LV_FLV_PRIV_H

#include "lv_flv.h"

#define LV_FLV_FOURCC(a, b, c, d)                                             \
    ((uint32_t) (a) << 24 | (uint32_t) (b) << 16 | (uint32_t) (c) << 8 | (d))

#define LV_FLV_AVC1   LV_FLV_FOURCC('a', 'v', 'c', '1')
#define LV_FLV_HVC1   LV_FLV_FOURCC('h', 'v', 'c', '1')
#define LV_FLV_HEV1   LV_FLV_FOURCC('h', 'e', 'v', '1')
#define LV_FLV_AV01   LV_FLV_FOURCC('a', 'v', '0', '1')

#define LV_FLV_MP4A   LV_FLV_FOURCC('m', 'p', '4', 'a')
#define LV_FLV_OPUS   LV_FLV_FOURCC('O', 'p', 'u', 's')
#define LV_FLV_FLAC   LV_FLV_FOURCC('f', 'L', 'a', 'C')
#define LV_FLV_AC_3   LV_FLV_FOURCC('a', 'c', '-', '3')
#define LV_FLV_EC_3   LV_FLV_FOURCC('e', 'c', '-', '3')
#define LV_FLV_MP3    LV_FLV_FOURCC('.', 'm', 'p', '3')

/* Tracks of the time line. */
#define LV_FLV_LINE_VIDEO(v)  (v)
#define LV_FLV_LINE_AUDIO(a)  (LV_FLV_VIDEOS + (a))

/* lv_flv_message_t.state */
enum {
    LV_FLV_S_HEAD = 0,       /* header of the message */
    LV_FLV_S_TRACK,          /* header of a track's body */
    LV_FLV_S_CONFIG,         /* a configuration is collected */
    LV_FLV_S_UNITS,          /* video: through the NAL or OBU filter */
    LV_FLV_S_PEEK,           /* audio: what frame is it? */
    LV_FLV_S_FRAME,          /* audio: a frame's bytes */
    LV_FLV_S_SKIP            /* the rest of the body is of no use */
};

/* Packet types of the extended headers; the legacy ones 0 … 2 are the same. */
enum {
    LV_FLV_P_CONFIG = 0,
    LV_FLV_P_FRAMES = 1,
    LV_FLV_P_END = 2,
    LV_FLV_P_FRAMES_X = 3,   /* video: without composition time */
    LV_FLV_P_META = 4,       /* video: metadata, audio: channel order */
    LV_FLV_P_AUDIO_MULTI = 5,
    LV_FLV_P_VIDEO_MULTI = 6,
    LV_FLV_P_MODEX = 7
};

/* Types of multitrack messages, plus 1. */
enum {
    LV_FLV_M_ONE = 1,
    LV_FLV_M_MANY = 2,
    LV_FLV_M_MANY_CODECS = 3
};

/* Events that are given once in a publishing: bits of lv_flv_t.told. */
enum {
    LV_FLV_ONCE_HELD_VIDEO = 0x01,
    LV_FLV_ONCE_HELD_AUDIO = 0x02,
    LV_FLV_ONCE_SEI = 0x04,
    LV_FLV_ONCE_TRACKS = 0x08,
    LV_FLV_ONCE_ANNEXB = 0x10,
    LV_FLV_ONCE_BLOCKS = 0x20,
    LV_FLV_ONCE_FRAMES = 0x40
};

void lv_flv_tell(lv_flv_t *f, lv_flv_event_t ev, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void lv_flv_tell_once(lv_flv_t *f, uint32_t bit, lv_flv_event_t ev,
    const char *text);
int lv_flv_fail(lv_flv_t *f, const char *err);
int lv_flv_displaced(lv_flv_t *f);

/* Copies a FourCC as printable text; `out` has 5 bytes. */
const char *lv_flv_fourcc_text(uint32_t fourcc, char *out);

/* ---- messages: HEAD, then for each track TRACK and a body state -------- */

static inline bool
lv_flv_in_head(const lv_flv_message_t *m)
{
    return m->state == LV_FLV_S_HEAD || m->state == LV_FLV_S_TRACK;
}

static inline void
lv_flv_head_byte(lv_flv_message_t *m, uint8_t byte)
{
    m->head[m->head_len++] = byte;
    m->left--;

    if (m->body) {
        m->body--;
    }
}

/* Nothing in the rest of the message is of use. */
static inline void
lv_flv_skip(lv_flv_message_t *m)
{
    m->state = LV_FLV_S_SKIP;
    m->multi = 0;
    m->body = m->left;
}

/* Behind a track's body: the next one's header, if there is one. */
static inline void
lv_flv_next_track(lv_flv_message_t *m)
{
    if (m->multi > LV_FLV_M_ONE && m->left) {
        m->state = LV_FLV_S_TRACK;
        m->head_len = 0;
        m->body = 0;
        return;
    }

    lv_flv_skip(m);
}

/* The extended header (Enhanced RTMP v2; ExVideoTagHeader and ExAudioTagHeader
 * are alike): m->head is what is at hand. Sets packet, multi and fourcc.
 * LV_AGAIN: more is needed; LV_DECLINED: makes no sense. */
int lv_flv_ex_head(lv_flv_message_t *m, unsigned multi_packet);
/* The length of what stands in front of a track in a multitrack message (0 in
 * others), and reading it when it is complete: track id, m->fourcc, m->body.
 * LV_DECLINED: it is longer than the message. */
size_t lv_flv_ex_track_len(const lv_flv_message_t *m);
int lv_flv_ex_track(lv_flv_message_t *m, unsigned *id);


/* ---- video ------------------------------------------------------------- */

static inline lv_flv_video_t *
lv_flv_v(lv_flv_t *f)
{
    return &f->video[f->v];
}

int lv_flv_video_data(lv_flv_t *f, const uint8_t *p, size_t n);
/* Something in the message cannot be read: the frame is taken back. */
int lv_flv_video_broken(lv_flv_t *f, const char *why);
/* The first slice is here (or too much in front of it): begins the frame.
 * LV_DECLINED: it is not wanted. */
int lv_flv_video_picture(lv_flv_t *f, bool key);
/* What is held and follows belongs to the picture before. LV_DECLINED: that
 * cannot be added to. */
int lv_flv_video_more(lv_flv_t *f);

/* v->hold has a sequence header. */
int lv_flv_video_sequence(lv_flv_t *f);
/* Gives v->next to the packager. */
int lv_flv_video_configure(lv_flv_t *f);
/* Tells that there is none. */
void lv_flv_video_held(lv_flv_t *f);
/* Is v->next good for that? */
bool lv_flv_video_complete(const lv_flv_video_t *v);
/* A parameter set, or a sequence header OBU's payload, is in v->set. */
void lv_flv_video_set(lv_flv_t *f);
/* The n-th unit that v->next wants written in front of a picture that is not a
 * key frame (its picture parameter sets), or that is one; NULL: no more. */
const uint8_t *lv_flv_video_unit(const lv_flv_video_t *v, bool key, unsigned n,
    size_t *len);

void lv_flv_nal_start(lv_flv_t *f);
int lv_flv_nal_data(lv_flv_t *f, const uint8_t *p, size_t n);
void lv_flv_nal_end(lv_flv_t *f);

void lv_flv_obu_start(lv_flv_t *f);
int lv_flv_obu_data(lv_flv_t *f, const uint8_t *p, size_t n);

/* Forgets what is held in front of a picture. */
void lv_flv_unit_forget(lv_flv_video_t *v);
/* Bytes of the sample: to the packager, or held until the frame has begun. */
int lv_flv_unit_write(lv_flv_t *f, const uint8_t *p, size_t n);


/* ---- audio ------------------------------------------------------------- */

static inline lv_flv_audio_t *
lv_flv_a(lv_flv_t *f)
{
    return &f->audio[f->a];
}

int lv_flv_audio_data(lv_flv_t *f, const uint8_t *p, size_t n);

/* Tells once of each codec; what is refused is counted. The rest of the message
 * is passed over. */
int lv_flv_sound_refuse(lv_flv_t *f, uint32_t codec, const char *name);
/* a->collect has a sequence header of the message's codec. */
int lv_flv_sound_sequence(lv_flv_t *f);
/* How many of a frame's first bytes tell what it is. */
unsigned lv_flv_sound_peek(uint32_t fourcc);
/* They are in m->head (m->head_len, fewer where the body is shorter), `whole`
 * is what there is of the body from the frame's first byte on: configures the
 * track if need be, begins the frame and writes what was peeked. */
int lv_flv_sound_begin(lv_flv_t *f, uint32_t whole);
int lv_flv_sound_write(lv_flv_t *f, const uint8_t *p, size_t n);
int lv_flv_sound_end(lv_flv_t *f);

#endif
