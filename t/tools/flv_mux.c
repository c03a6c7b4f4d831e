/*
 * Muxes fragmented MP4 files into an FLV file as enhanced RTMP has it: what an
 * encoder sends that speaks it. The codecs are those of the files.
 *
 *   flv_mux [-l] [-n] [-x] [-m TYPE] [-d MS] OUT.flv IN.mp4 …
 *
 *   -l       HEVC with the codec id 12 of before enhanced RTMP
 *   -n       time stamps with nanoseconds (ModEx)
 *   -m TYPE  several tracks: 0 one a message, 1 all in one, 2 … with their
 *            codecs. Without it each track's messages are of track 0.
 *   -x       names 'hev1' what is 'hvc1'
 *   -d MS    the last file's tracks begin so much later, their configurations
 *            with them
 *
 * The tracks are numbered in the order of the files, video and audio apart.
 * With -m 1 or -m 2 frames that have one time share a message.
 */

#include "tool.h"

#include "lv_fmp4_read.h"

#define TRACKS  8

#define AVC1  LV_FOURCC('a', 'v', 'c', '1')
#define HVC1  LV_FOURCC('h', 'v', 'c', '1')
#define HEV1  LV_FOURCC('h', 'e', 'v', '1')
#define MP4A  LV_FOURCC('m', 'p', '4', 'a')
#define OPUS  LV_FOURCC('O', 'p', 'u', 's')
#define FLAC  LV_FOURCC('f', 'L', 'a', 'C')
#define AC_3  LV_FOURCC('a', 'c', '-', '3')
#define EC_3  LV_FOURCC('e', 'c', '-', '3')
#define MOOV  LV_FOURCC('m', 'o', 'o', 'v')
#define MOOF  LV_FOURCC('m', 'o', 'o', 'f')


typedef struct {
    lv_fmp4_track_t   d;
    unsigned          number;
} track_t;

typedef struct {
    const track_t    *track;
    const uint8_t    *data;
    uint32_t          size;
    int64_t           dts_us;
    int32_t           cts_ms;
    bool              key;
    bool              done;
} sample_t;

static struct {
    bool      legacy, nano, hev1;
    unsigned  delay_ms;                 /* of the last file … */
    unsigned  delayed;                  /* … whose first track is this */
    unsigned  multi;                    /* 1 + type, 0: none */
} opt;

static track_t    tracks[TRACKS];
static unsigned   ntracks;
static sample_t  *samples;
static size_t     nsamples;
static FILE      *out;


/* ---- in ---- */

static uint8_t *
file_read(const char *name, size_t *len)
{
    long      n;
    FILE     *f;
    uint8_t  *p;

    f = fopen(name, "rb");

    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (n = ftell(f)) < 0) {
        die("cannot read %s", name);
    }

    rewind(f);
    p = tool_alloc((size_t) n);
    *len = fread(p, 1, (size_t) n, f);
    fclose(f);

    return p;
}


static void
sample_add(const track_t *t, const uint8_t *data,
    const lv_fmp4_read_sample_t *s)
{
    sample_t  *e;

    if ((nsamples & (nsamples - 1)) == 0) {
        samples = realloc(samples, (nsamples ? nsamples * 2 : 1)
                                   * sizeof(sample_t));
        if (samples == NULL) {
            die("out of memory");
        }
    }

    e = &samples[nsamples++];
    memset(e, 0, sizeof(*e));
    e->track = t;
    e->data = data;
    e->size = s->size;
    e->dts_us = (int64_t) (s->tfdt * 1000000 / t->d.timescale);
    e->cts_ms = (int32_t) ((int64_t) s->cts * 1000 / (int32_t) t->d.timescale);
    e->key = !t->d.video || !(s->flags & LV_FMP4_NON_SYNC);
}


static void
fragment_load(const uint8_t *p, size_t len, unsigned first)
{
    unsigned               i;
    const char            *err;
    lv_fmp4_moof_t         moof;
    lv_fmp4_read_sample_t  s;

    if (lv_fmp4_moof(&moof, p, len, &err) != LV_OK) {
        die("moof: %s", err);
    }

    while (lv_fmp4_next(&moof, &s) == LV_OK) {
        for (i = first; i < ntracks; i++) {
            if (tracks[i].d.track_id == s.track_id
                && s.offset + s.size <= len)
            {
                sample_add(&tracks[i], p + s.offset, &s);
            }
        }
    }
}


static void
tracks_load(const uint8_t *init, size_t len)
{
    unsigned          i, n;
    const char       *err;
    lv_fmp4_track_t   d;

    for (n = 0; lv_fmp4_init_track(init, len, n, &d, &err) == LV_OK; n++) {
        if (ntracks == TRACKS) {
            die("too many tracks");
        }

        for (i = 0; i < ntracks; i++) {
            tracks[ntracks].number += tracks[i].d.video == d.video;
        }

        tracks[ntracks++].d = d;
    }
}


static void
file_load(const char *name)
{
    size_t    len, at;
    uint8_t  *p;
    uint32_t  type, head;
    uint64_t  size;
    unsigned  first;

    p = file_read(name, &len);
    first = ntracks;

    for (at = 0; at < len; at += size) {
        if (lv_fmp4_box(p + at, len - at, &type, &size, &head) != LV_OK) {
            die("%s: no MP4", name);
        }

        if (size == 0 || size > len - at) {
            size = len - at;
        }

        if (type == MOOV) {
            tracks_load(p, at + size);

        } else if (type == MOOF) {
            fragment_load(p + at, len - at, first);
        }
    }

    if (ntracks == first) {
        die("%s: no tracks", name);
    }
}


/* ---- out ---- */

static uint8_t   msg[4 << 20];
static size_t    msg_len;


static void
put(const void *data, size_t n)
{
    if (n > sizeof(msg) - msg_len) {
        die("a message is too long");
    }

    memcpy(msg + msg_len, data, n);
    msg_len += n;
}


static void
put_int(uint32_t v, unsigned n)
{
    uint8_t  b[4];

    lv_put32(b, v);
    put(b + 4 - n, n);
}


static uint32_t
track_fourcc(const track_t *t)
{
    return opt.hev1 && t->d.fourcc == HVC1 ? HEV1 : t->d.fourcc;
}


static void
tag_write(bool video, int64_t us)
{
    uint8_t   h[11];
    uint32_t  ms;

    ms = (uint32_t) (us / 1000);
    h[0] = video ? 9 : 8;
    lv_put24(h + 1, (uint32_t) msg_len);
    lv_put24(h + 4, ms & 0xffffff);
    h[7] = (uint8_t) (ms >> 24);
    memset(h + 8, 0, 3);

    lv_put32(msg + msg_len, (uint32_t) msg_len + 11);
    fwrite(h, 11, 1, out);
    fwrite(msg, msg_len + 4, 1, out);
    msg_len = 0;
}


/* The head of a message: what kind of packet, of which codec. */
static void
put_head(const sample_t *s, unsigned packet)
{
    unsigned  multi, type;
    uint32_t  fourcc;

    fourcc = track_fourcc(s->track);
    multi = s->track->d.video ? 6 : 5;
    type = opt.nano ? 7 : opt.multi ? multi : packet;

    put_int(s->track->d.video ? 0x80 | (s->key ? 1u : 2u) << 4 | type
                              : 0x90 | type, 1);

    if (opt.nano) {
        put_int(3 - 1, 1);              /* bytes of the offset */
        put_int((uint32_t) (s->dts_us % 1000) * 1000, 3);
        put_int(opt.multi ? multi : packet, 1);
    }

    if (opt.multi) {
        put_int((opt.multi - 1) << 4 | packet, 1);
    }

    if (opt.multi != 3) {
        put_int(fourcc, 4);
    }
}


static bool
has_cts(const track_t *t)
{
    return t->d.fourcc == AVC1 || t->d.fourcc == HVC1;
}


/* A track's share of a message. */
static void
put_body(const sample_t *s, unsigned packet, const uint8_t *data, size_t n)
{
    size_t  cts;

    cts = packet == 1 && has_cts(s->track) ? 3 : 0;

    if (opt.multi == 3) {
        put_int(track_fourcc(s->track), 4);
    }

    if (opt.multi) {
        put_int(s->track->number, 1);
    }

    if (opt.multi > 1) {
        put_int((uint32_t) (n + cts), 3);
    }

    if (cts) {
        put_int((uint32_t) s->cts_ms, 3);
    }

    put(data, n);
}


/* Composition times cost three bytes: without one there is a packet type. */
static unsigned
packet_of(const sample_t *s)
{
    return has_cts(s->track) && s->cts_ms == 0 ? 3 : 1;
}


static bool
is_legacy(const track_t *t)
{
    return t->d.fourcc == MP4A || (opt.legacy
                                         && t->d.fourcc == HVC1);
}


static void
legacy_write(const sample_t *s, unsigned packet, const uint8_t *data, size_t n)
{
    if (s->track->d.video) {
        put_int((s->key ? 0x10u : 0x20u) | 12, 1);
        put_int(packet, 1);
        put_int((uint32_t) s->cts_ms, 3);

    } else {
        put_int(0xaf, 1);
        put_int(packet, 1);
    }

    put(data, n);
    tag_write(s->track->d.video, s->dts_us);
}


static uint16_t
swap16(const uint8_t *p)
{
    return (uint16_t) (p[0] | p[1] << 8);
}


/* A sequence header: enhanced RTMP's is not always MP4's. */
static size_t
sequence(const track_t *t, uint8_t *buf, size_t size)
{
    const uint8_t  *c;

    c = t->d.config;

    if (t->d.config_len + 16 > size) {
        die("a configuration is too long");
    }

    switch (t->d.fourcc) {

    case OPUS:
        memcpy(buf, "OpusHead\1", 9);
        buf[9] = c[1];
        lv_put16(buf + 10, swap16(c + 2));
        lv_put16(buf + 12, swap16(c + 6));
        lv_put16(buf + 14, swap16(c + 4));
        lv_put16(buf + 16, swap16(c + 8));
        memcpy(buf + 18, c + 10, t->d.config_len - 10);
        return t->d.config_len + 8;

    case FLAC:
        memcpy(buf, "fLaC", 4);
        memcpy(buf + 4, c + 4, t->d.config_len - 4);
        return t->d.config_len;

    case AC_3:
    case EC_3:
        return 0;

    default:
        memcpy(buf, c, t->d.config_len);
        return t->d.config_len;
    }
}


static void
sequences_write(bool delayed)
{
    size_t    n;
    uint8_t   buf[4096];
    unsigned  i;
    sample_t  s;

    memset(&s, 0, sizeof(s));
    s.key = true;

    for (i = 0; i < ntracks; i++) {
        if ((opt.delay_ms && i >= opt.delayed) != delayed) {
            continue;
        }

        s.track = &tracks[i];
        s.dts_us = delayed ? (int64_t) opt.delay_ms * 1000 : 0;
        n = sequence(&tracks[i], buf, sizeof(buf));

        if (n == 0) {
            continue;
        }

        if (is_legacy(&tracks[i])) {
            legacy_write(&s, 0, buf, n);
            continue;
        }

        put_head(&s, 0);
        put_body(&s, 0, buf, n);
        tag_write(tracks[i].d.video, s.dts_us);
    }
}


static int
earlier(const void *one, const void *two)
{
    const sample_t  *a = one, *b = two;

    if (a->dts_us != b->dts_us) {
        return a->dts_us < b->dts_us ? -1 : 1;
    }

    return (a->track > b->track) - (a->track < b->track);
}


static void
frame_write(size_t i)
{
    size_t     k;
    unsigned   packet;
    sample_t  *s, *e;

    s = &samples[i];

    if (s->done) {
        return;
    }

    if (is_legacy(s->track)) {
        legacy_write(s, 1, s->data, s->size);
        return;
    }

    packet = opt.multi > 1 ? 1 : packet_of(s);
    put_head(s, packet);

    for (k = i; k < nsamples && samples[k].dts_us == s->dts_us; k++) {
        e = &samples[k];

        if (k == i || (opt.multi > 1 && e->track->d.video == s->track->d.video
                       && e->key == s->key
                       && (opt.multi == 3
                           || e->track->d.fourcc == s->track->d.fourcc)))
        {
            put_body(e, packet, e->data, e->size);
            e->done = true;
        }
    }

    tag_write(s->track->d.video, s->dts_us);
}


int
main(int argc, char **argv)
{
    int          n;
    size_t       k;
    const char  *multi = NULL;

    const tool_option_t  table[] = {
        { 'l', TOOL_FLAG, &opt.legacy },
        { 'n', TOOL_FLAG, &opt.nano },
        { 'x', TOOL_FLAG, &opt.hev1 },
        { 'm', TOOL_TEXT, &multi },
        { 'd', TOOL_UNSIGNED, &opt.delay_ms },
        { 0, TOOL_FLAG, NULL }
    };

    n = tool_options(argc, argv, table);

    if (n < 2 || (multi && (strlen(multi) != 1 || *multi < '0'
                            || *multi > '2')))
    {
        die("flv_mux [-l] [-n] [-x] [-m 0|1|2] [-d MS] OUT.flv IN.mp4 …");
    }

    opt.multi = multi ? (unsigned) (*multi - '0') + 1 : 0;
    out = fopen(argv[optind], "wb");

    if (out == NULL) {
        die("cannot write %s", argv[optind]);
    }

    for (k = (size_t) optind + 1; k < (size_t) argc; k++) {
        opt.delayed = ntracks;
        file_load(argv[k]);
    }

    for (k = 0; k < nsamples; k++) {
        if (samples[k].track >= &tracks[opt.delayed]) {
            samples[k].dts_us += (int64_t) opt.delay_ms * 1000;
        }
    }

    qsort(samples, nsamples, sizeof(sample_t), earlier);

    fwrite("FLV\1\5\0\0\0\11\0\0\0\0", 13, 1, out);
    sequences_write(false);

    for (k = 0; k < nsamples; k++) {

        if (opt.delay_ms && samples[k].dts_us >= (int64_t) opt.delay_ms * 1000
            && samples[k].track >= &tracks[opt.delayed])
        {
            sequences_write(true);
            opt.delay_ms = 0;
        }

        frame_write(k);
    }

    fclose(out);

    return 0;
}
