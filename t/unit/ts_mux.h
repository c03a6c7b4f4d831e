/*
 * A small transport stream writer, and a sink that writes down what the
 * demuxer gives: what the demuxer's tests are made of. A test appends packets,
 * calls feed(), and looks at rec.
 */

#ifndef TS_MUX_H
#define TS_MUX_H

#include "lv_ts.h"
#include "tap.h"

#define TS_NOW0     1700000000000ull
#define REC_FRAMES  512
#define REC_METAS   16

#define PMT   0x1000
#define VIDEO 0x100
#define AUDIO 0x101
#define DATA  0x102

/* ---- writing ----------------------------------------------------------- */

static uint8_t   mux_out[1 << 21];
static size_t    mux_len;
static uint8_t   mux_cc[8192];
static unsigned  mux_stride = 188;
static bool      mux_disc, mux_random;   /* of the next packet */

/* One packet with at most 184 bytes of payload; returns how many went in. */
__attribute__((unused)) static size_t
mux_packet(unsigned pid, bool start, const void *payload, size_t n)
{
    size_t    af, room, pad;
    uint8_t  *p;

    p = mux_out + mux_len;
    pad = mux_stride == 192 ? 4 : 0;
    memset(p, 0xaa, mux_stride);
    p += pad;

    af = mux_disc || mux_random ? 2 : 0;
    room = 184 - af;

    if (n < room) {
        af = 184 - n;
    } else {
        n = room;
    }

    p[0] = 0x47;
    lv_put16(p + 1, (uint16_t) (pid | (start ? 0x4000 : 0)));
    p[3] = (uint8_t) ((af ? 0x30 : 0x10) | (mux_cc[pid]++ & 15));
    memset(p + 4, 0xff, af);

    if (af) {
        p[4] = (uint8_t) (af - 1);
    }

    if (af > 1) {
        p[5] = (uint8_t) ((mux_disc ? 0x80 : 0) | (mux_random ? 0x40 : 0));
    }

    if (n) {
        memcpy(p + 4 + af, payload, n);
    }

    mux_len += mux_stride;
    mux_disc = mux_random = false;

    return n;
}


/* Bytes as packets. */
__attribute__((unused)) static void
mux_bytes(unsigned pid, const void *data, size_t n)
{
    bool            start;
    size_t          used;
    const uint8_t  *p;

    for (p = data, start = true; n; p += used, n -= used, start = false) {
        used = mux_packet(pid, start, p, n);
    }
}


/* A section without its CRC; the length is filled in. */
__attribute__((unused)) static size_t
mux_section_make(uint8_t *out, const uint8_t *p, size_t n)
{
    memcpy(out, p, n);
    out[1] = (uint8_t) ((out[1] & 0xf0) | ((n + 1) >> 8));
    out[2] = (uint8_t) (n + 1);
    lv_put32(out + n, lv_ts_crc32(out, n));

    return n + 4;
}


__attribute__((unused)) static void
mux_section(unsigned pid, const uint8_t *p, size_t n)
{
    size_t   len;
    uint8_t  b[4200];

    b[0] = 0;
    len = 1 + mux_section_make(b + 1, p, n);
    mux_bytes(pid, b, len);
}


typedef struct {
    unsigned  number, pid;
} mux_program_t;

__attribute__((unused)) static void
mux_pat(unsigned version, const mux_program_t *p, unsigned n)
{
    size_t    len;
    uint8_t   b[1024] = { 0, 0xb0, 0, 0, 1, 0, 0, 0 };
    unsigned  i;

    b[5] = (uint8_t) (0xc1 | version << 1);
    len = 8;

    for (i = 0; i < n; i++, len += 4) {
        lv_put16(b + len, (uint16_t) p[i].number);
        lv_put16(b + len + 2, (uint16_t) (0xe000 | p[i].pid));
    }

    mux_section(0, b, len);
}


typedef struct {
    unsigned     type, pid;
    const char  *descriptors;
    size_t       len;
} mux_es_t;

/* Without its CRC. */
__attribute__((unused)) static size_t
mux_pmt_make(uint8_t *b, unsigned number, unsigned version, const mux_es_t *es,
    unsigned n)
{
    size_t    len;
    unsigned  i;

    memcpy(b, "\2\260\0\0\0\0\0\0\341\0\360\0", 12);
    lv_put16(b + 3, (uint16_t) number);
    b[5] = (uint8_t) (0xc1 | version << 1);
    len = 12;

    for (i = 0; i < n; i++) {
        b[len] = (uint8_t) es[i].type;
        lv_put16(b + len + 1, (uint16_t) (0xe000 | es[i].pid));
        lv_put16(b + len + 3, (uint16_t) (0xf000 | es[i].len));

        if (es[i].len) {
            memcpy(b + len + 5, es[i].descriptors, es[i].len);
        }

        len += 5 + es[i].len;
    }

    return len;
}


__attribute__((unused)) static void
mux_pmt(unsigned pid, unsigned number, unsigned version, const mux_es_t *es,
    unsigned n)
{
    uint8_t  b[1024];

    mux_section(pid, b, mux_pmt_make(b, number, version, es, n));
}


static uint8_t *
mux_stamp(uint8_t *p, unsigned prefix, int64_t t)
{
    *p++ = (uint8_t) (prefix << 4 | ((t >> 29) & 0x0e) | 1);
    p = lv_put16(p, (uint16_t) (((t >> 14) & 0xfffe) | 1));
    p = lv_put16(p, (uint16_t) (((t << 1) & 0xfffe) | 1));

    return p;
}


#define NONE  (-1)

/* The whole packet in memory; `stuffing` bytes stand behind the stamps. */
__attribute__((unused)) static size_t
mux_pes_make(uint8_t *out, unsigned id, int64_t pts, int64_t dts,
    bool bounded, unsigned stuffing, const void *data, size_t n)
{
    size_t    len;
    uint8_t  *p;

    p = lv_put32(out, 0x100 | id) + 2;
    *p++ = 0x80;
    *p++ = pts == NONE ? 0 : dts == NONE ? 0x80 : 0xc0;
    *p++ = (uint8_t) ((pts == NONE ? 0 : dts == NONE ? 5 : 10) + stuffing);

    if (pts != NONE) {
        p = mux_stamp(p, dts == NONE ? 2 : 3, pts);
    }

    if (pts != NONE && dts != NONE) {
        p = mux_stamp(p, 1, dts);
    }

    memset(p, 0xff, stuffing);
    p += stuffing;

    if (n) {
        memcpy(p, data, n);
    }

    len = (size_t) (p - out) + n;
    lv_put16(out + 4, bounded ? (uint16_t) (len - 6) : 0);

    return len;
}


static uint8_t  mux_pes_buf[1 << 20];

__attribute__((unused)) static void
mux_pes(unsigned pid, int64_t pts, int64_t dts, const void *data, size_t n)
{
    unsigned  id;

    id = pid == VIDEO ? 0xe0 : pid == AUDIO ? 0xc0 : 0xbd;
    mux_bytes(pid, mux_pes_buf,
              mux_pes_make(mux_pes_buf, id, pts, dts, pid != VIDEO, 0, data,
                           n));
}


/* The tables of one program: H.264 and whatever else. */
__attribute__((unused)) static void
mux_tables(const mux_es_t *es, unsigned n)
{
    mux_program_t  program = { 1, PMT };

    mux_pat(0, &program, 1);
    mux_pmt(PMT, 1, 0, es, n);
}


/* ---- elementary streams ------------------------------------------------ */

static uint8_t  es_out[1 << 20];
static size_t   es_len;

__attribute__((unused)) static void
es_bytes(const void *p, size_t n)
{
    memcpy(es_out + es_len, p, n);
    es_len += n;
}

#define ES(lit)  es_bytes(lit, sizeof(lit) - 1)

/* Parameter sets by x264: 176x144, another PPS for it, 854x480; x265: 64x64 */
#define SPS  "\x67\x42\xc0\x0b\xd9\x02\xc4\xec\x04\x40\x00\x00\x03\x00\x40"   \
             "\x00\x00\x0c\x83\xc5\x0a\x92"
#define PPS  "\x68\xcb\x80\x59\x2c\x80"
#define PPS2 "\x68\xcb\x83\xcb\x20"
#define SPSB "\x67\x64\x00\x1f\xac\xd9\x40\xd8\x3d\xe6\xf0\x11\x00\x00\x03"   \
             "\x00\x01\x00\x00\x03\x00\x3c\x0f\x18\x31\x96"
#define PPSB "\x68\xeb\xe0\x59\x2c\x8b"
#define AUD  "\x09\xf0"
#define SEI_RECOVERY "\x06\x06\x01\xc4\x80"

#define NAL(lit)   (ES("\0\0\0\1"), ES(lit))
#define NAL3(lit)  (ES("\0\0\1"), ES(lit))

/* A slice of `len` bytes; `first` of its picture. */
__attribute__((unused)) static void
es_slice(unsigned head, bool first, size_t len)
{
    size_t   i;
    uint8_t  b;

    ES("\0\0\1");

    for (i = 0; i < len; i++) {
        b = i == 0 ? (uint8_t) head : i == 1 ? (first ? 0x88 : 0x48)
                                             : (uint8_t) (0x80 | i);
        es_bytes(&b, 1);
    }
}


__attribute__((unused)) static void
es_key(size_t len)
{
    NAL(AUD);
    NAL(SPS);
    NAL(PPS);
    es_slice(0x65, true, len);
}


__attribute__((unused)) static void
es_delta(size_t len)
{
    NAL(AUD);
    es_slice(0x41, true, len);
}


/* What was built goes into one PES packet. */
__attribute__((unused)) static void
es_pes(unsigned pid, int64_t pts, int64_t dts)
{
    mux_pes(pid, pts, dts, es_out, es_len);
    es_len = 0;
}


/* ---- reading ----------------------------------------------------------- */

typedef struct {
    unsigned       track;
    lv_ts_frame_t  f;
    bool           ended, aborted;
    uint8_t       *data;
    size_t         len;
    unsigned       configs;
    bool           video;
} rec_frame_t;

typedef struct {
    lv_ts_meta_t  m;
    lv_scte35_t   splice;
    uint8_t       data[LV_TS_META_MAX];
} rec_meta_t;

typedef struct {
    rec_frame_t        frame[REC_FRAMES];
    unsigned           frames;
    int                open[LV_TS_STREAMS];
    unsigned           configs, gone, misuse, captions;
    lv_codec_config_t  config[LV_TS_STREAMS];
    lv_ts_codec_t      codec[LV_TS_STREAMS];
    uint8_t            config_data[LV_TS_STREAMS][1024];
    rec_meta_t         meta[REC_METAS];
    unsigned           metas;
    char               told[8192];           /* events, "number text\n" */
    int                track_rc, frame_rc, data_rc;
} rec_t;

static rec_t     rec;
static lv_ts_t  *ts;
static uint64_t  now_ms;
static size_t    piece;                      /* bytes a call */


static int
rec_track(void *ctx, unsigned track, lv_ts_codec_t codec,
    const lv_codec_config_t *c)
{
    rec.misuse += track >= LV_TS_STREAMS || rec.open[track] != -1
                  || c->config_len > 1024;
    rec.config[track] = *c;
    rec.codec[track] = codec;
    memcpy(rec.config_data[track], c->config, c->config_len);
    rec.config[track].config = rec.config_data[track];
    rec.configs++;

    return rec.track_rc;
}


static void
rec_gone(void *ctx, unsigned track)
{
    rec.misuse += rec.open[track] != -1;
    rec.gone++;
}


static int
rec_frame(void *ctx, unsigned track, const lv_ts_frame_t *f)
{
    rec_frame_t  *r;

    rec.misuse += rec.open[track] != -1 || rec.config[track].config_len == 0;

    if (rec.frame_rc || rec.frames == REC_FRAMES) {
        return rec.frame_rc ? rec.frame_rc : LV_DECLINED;
    }

    rec.open[track] = (int) rec.frames;
    r = &rec.frame[rec.frames++];
    memset(r, 0, sizeof(rec_frame_t));
    r->track = track;
    r->f = *f;
    r->configs = rec.configs;
    r->video = rec.config[track].kind == LV_KIND_VIDEO;

    return LV_OK;
}


static int
rec_data(void *ctx, unsigned track, const void *p, size_t n)
{
    rec_frame_t  *r;

    if (rec.open[track] == -1 || n == 0) {
        rec.misuse++;
        return LV_DECLINED;
    }

    r = &rec.frame[rec.open[track]];

    if (rec.data_rc) {
        r->aborted = true;
        rec.open[track] = -1;
        return rec.data_rc;
    }

    r->data = realloc(r->data, r->len + n);
    memcpy(r->data + r->len, p, n);
    r->len += n;

    return LV_OK;
}


static void
rec_patch(void *ctx, unsigned track, uint32_t at, const void *p, size_t n)
{
    rec_frame_t  *r;

    if (rec.open[track] == -1) {
        rec.misuse++;
        return;
    }

    r = &rec.frame[rec.open[track]];

    if (at > r->len || n > r->len - at) {
        rec.misuse++;
        return;
    }

    memcpy(r->data + at, p, n);
}


static int
rec_end(void *ctx, unsigned track)
{
    if (rec.open[track] == -1) {
        rec.misuse++;
        return LV_OK;
    }

    rec.frame[rec.open[track]].ended = true;
    rec.open[track] = -1;

    return LV_OK;
}


static void
rec_abort(void *ctx, unsigned track)
{
    if (rec.open[track] == -1) {
        rec.misuse++;
        return;
    }

    rec.frame[rec.open[track]].aborted = true;
    rec.open[track] = -1;
}


static void
rec_captions(void *ctx, unsigned track, unsigned captions)
{
    rec.captions = captions;
}


static void
rec_meta(void *ctx, const lv_ts_meta_t *m)
{
    rec_meta_t  *r;

    if (rec.metas == REC_METAS || m->len > LV_TS_META_MAX) {
        rec.misuse++;
        return;
    }

    r = &rec.meta[rec.metas++];
    r->m = *m;
    memcpy(r->data, m->data, m->len);

    if (m->splice) {
        r->splice = *m->splice;
    }
}


static void
rec_event(void *ctx, lv_ts_event_t ev, const char *text)
{
    size_t  used;

    used = strlen(rec.told);
    snprintf(rec.told + used, sizeof(rec.told) - used, "%d %s\n", (int) ev,
             text);
}


static const lv_ts_sink_t  rec_sink = {
    rec_track, rec_gone, rec_frame, rec_data, rec_patch, rec_end, rec_abort,
    rec_captions, rec_meta, rec_event
};


/* A new stream, a new demuxer. */
__attribute__((unused)) static void
begin_with(const lv_ts_conf_t *conf)
{
    unsigned  i;

    for (i = 0; i < rec.frames; i++) {
        free(rec.frame[i].data);
    }

    memset(&rec, 0, sizeof(rec));
    memset(rec.open, 0xff, sizeof(rec.open));
    memset(mux_cc, 0, sizeof(mux_cc));
    mux_len = es_len = 0;
    mux_stride = 188;
    piece = sizeof(mux_out);
    now_ms = TS_NOW0;

    lv_ts_destroy(ts);
    ts = lv_ts_create(conf, &rec_sink, NULL);
}


__attribute__((unused)) static void
begin(void)
{
    begin_with(NULL);
}


/* What was written goes to the demuxer. */
__attribute__((unused)) static int
feed(void)
{
    int     rc;
    size_t  at, n;

    for (at = 0, rc = LV_OK; at < mux_len && rc == LV_OK; at += n) {
        n = mux_len - at < piece ? mux_len - at : piece;
        rc = lv_ts_data(ts, mux_out + at, n, now_ms);
    }

    mux_len = 0;

    return rc;
}


/* … and that is all. */
__attribute__((unused)) static void
finish(void)
{
    (void) feed();
    (void) lv_ts_flush(ts);
}


__attribute__((unused)) static unsigned
told(lv_ts_event_t ev)
{
    char         want[8];
    unsigned     n;
    const char  *p;

    snprintf(want, sizeof(want), "%d ", (int) ev);

    for (n = 0, p = rec.told; p && *p; p = strchr(p, '\n'), p += p != NULL) {
        n += strncmp(p, want, strlen(want)) == 0;
    }

    return n;
}


/* The n-th whole frame of a kind; one that is not there has no bytes. */
__attribute__((unused)) static const rec_frame_t *
frame(bool video, unsigned n)
{
    unsigned  i;

    static const rec_frame_t  none = { .f = { .pts = -1, .dts = -1 } };

    for (i = 0; i < rec.frames; i++) {
        if (rec.frame[i].ended && rec.frame[i].video == video && n-- == 0) {
            return &rec.frame[i];
        }
    }

    return &none;
}


__attribute__((unused)) static unsigned
count(bool video)
{
    unsigned  n;

    for (n = 0; frame(video, n)->ended; n++) {
        /* void */
    }

    return n;
}


/* A sample's units as "TYPE:LENGTH …"; "?" where lengths do not add up. */
__attribute__((unused)) static const char *
units(const rec_frame_t *f)
{
    size_t       at, n, used;
    static char  text[512];

    text[0] = '\0';

    for (at = 0, used = 0; at < f->len && used < 480; at += n) {
        if (f->len - at < 5) {
            return "?";
        }

        n = lv_be32(f->data + at);
        at += 4;

        if (n == 0 || n > f->len - at) {
            return "?";
        }

        used += (size_t) snprintf(text + used, sizeof(text) - used,
                                  "%s%u:%zu", used ? " " : "",
                                  rec.codec[f->track] == LV_TS_HEVC
                                  ? (f->data[at] >> 1) & 0x3fu
                                  : f->data[at] & 0x1fu, n);
    }

    return text;
}


#define stat_is(what, n, name)  is_int((long long) lv_ts_stat(ts)->what, n,   \
                                       name)

#endif
