/*
 * For tests of the packager: a store in plain memory, encoders that send what
 * real ones send, and a checker that looks at every part that is committed.
 *
 * Each synthetic frame begins with its own presentation time in the encoder's
 * clock, so that the checker can compare what players will show with what was
 * meant, whatever path the frame took.
 */

#ifndef PACK_SIM_H
#define PACK_SIM_H

#include <inttypes.h>
#include <math.h>
#include <sys/mman.h>
#include "lv_packager.h"
#include "lv_timeline.h"
#include "lv_fmp4.h"
#include "lv_fmp4_read.h"
#include "tap.h"

#define SIM_EPOCH_MS   1800000000000ull
#define SIM_MAGIC      0x53494d46u
#define SIM_ERRORS     12

/* ---- the checker ------------------------------------------------------- */

typedef struct {
    lv_track_t       *track;
    lv_track_desc_t   desc;
    bool              any;
    uint32_t          seq;           /* next to look at */
    lv_part_info_t    last;
    uint64_t          end;           /* tfdt where the last part ends */
    uint64_t          seg_time;
    bool              seg_listed;
    unsigned          parts, fillers, listed, unlisted, segments, forced;
    unsigned          discs, inits, silent, real, repeats, single;
    uint32_t          first_msn;
    uint32_t          min_part_us, max_part_us;
    double            max_segment;
    int64_t           worst;         /* |shown - meant|, 90 kHz */
    int               late_ms;       /* most that a part came after its end */
    int               early_ms;      /* … and before it, fillers only */
    uint32_t          last_init;
    uint64_t          chain;         /* of the last sample; 0: a repeated one */
} sim_track_t;

typedef struct {
    lv_store_t    *st;
    lv_stream_t   *s;
    sim_track_t    t[LV_STREAM_TRACKS];
    unsigned       errors;
    int64_t        map[16];          /* media time of a publisher's 0 */
    bool           mapped[16];
    int64_t        pdt;              /* wall clock of media time 0, us */
    bool           have_pdt;
    bool           quiet;
    bool           trace;            /* prints every part */
    /* names of the lead, to compare others with */
    uint64_t       grid[4096];
    uint32_t       grid_flags[4096];
} sim_check_t;

typedef struct {
    uint8_t    magic[4];
    uint8_t    kind, pub, key, pad;
    int64_t    pts;
    uint64_t   chain;                /* frames that the packager was offered */
} sim_mark_t;

__attribute__((format(printf, 2, 3), unused)) static void
sim_error(sim_check_t *c, const char *fmt, ...)
{
    va_list  ap;

    if (c->errors++ >= SIM_ERRORS || c->quiet) {
        return;
    }

    fprintf(stderr, "# rule: ");
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
}


static uint8_t  *sim_buf;
static size_t    sim_buf_size;

/* A part's bytes in one piece. */
static size_t
sim_part_bytes(lv_store_t *st, const lv_part_ref_t *ref)
{
    size_t          n, len;
    lv_run_t        it;
    const uint8_t  *p;

    if (sim_buf_size < ref->len) {
        sim_buf_size = ref->len * 2;
        sim_buf = realloc(sim_buf, sim_buf_size);
    }

    memset(&it, 0, sizeof(it));
    len = 0;

    while (lv_part_run(st, ref, &it, &p, &n)) {
        memcpy(sim_buf + len, p, n);
        len += n;
    }

    return len;
}


static void
sim_check_sample(sim_check_t *c, sim_track_t *t, const lv_part_ref_t *ref,
    const lv_fmp4_read_sample_t *s)
{
    int64_t     pts, meant, off;
    sim_mark_t  m;

    memset(&m, 0, sizeof(m));

    if (s->size >= sizeof(m)) {
        memcpy(&m, sim_buf + s->offset, sizeof(m));
    }

    if (lv_be32(m.magic) != SIM_MAGIC) {
        t->silent++;
        return;
    }

    if (m.kind != t->desc.kind) {
        sim_error(c, "%s has another track's bytes", t->desc.name);
    }

    if (((s->flags & LV_FMP4_NON_SYNC) == 0) != (m.key != 0)) {
        sim_error(c, "%s %u.%u: a sample's sync flag is wrong", t->desc.name,
                  ref->info.msn, ref->info.part);
    }

    if (ref->info.flags & LV_PART_FILLER) {
        t->repeats++;
        t->chain = 0;
        return;
    }

    /* what it was predicted from must be there, all of it */
    if (m.kind == LV_KIND_VIDEO && !m.key && m.chain != t->chain + 1) {
        sim_error(c, "%s %u.%u: a frame without the one before it",
                  t->desc.name, ref->info.msn, ref->info.part);
    }

    t->chain = m.chain;
    t->real++;
    pts = (int64_t) (s->tfdt * 90000 / t->desc.timescale) + (int64_t) s->cts
          * 90000 / (int64_t) t->desc.timescale;

    if (!c->mapped[m.pub] && (m.kind == LV_KIND_VIDEO || c->t[1].track == NULL))
    {
        c->mapped[m.pub] = true;
        c->map[m.pub] = pts - m.pts;
    }

    if (!c->mapped[m.pub]) {
        return;
    }

    meant = m.pts + c->map[m.pub];
    off = pts > meant ? pts - meant : meant - pts;

    if (off > t->worst) {
        t->worst = off;
    }
}


/* The part's own moof against what the store says of it. */
static void
sim_check_bytes(sim_check_t *c, sim_track_t *t, const lv_part_ref_t *ref)
{
    size_t                  len;
    uint32_t                n;
    uint64_t                dur, offset;
    const char             *err;
    lv_fmp4_moof_t          m;
    lv_fmp4_read_sample_t   s;
    const lv_part_info_t   *info;
    bool                    key;

    info = &ref->info;
    len = sim_part_bytes(c->st, ref);

    if (len != ref->len || lv_fmp4_moof(&m, sim_buf, len, &err) != LV_OK) {
        sim_error(c, "%s %u.%u: no moof", t->desc.name, info->msn, info->part);
        return;
    }

    n = 0;
    dur = 0;
    offset = m.moof_len + 8;
    key = false;

    while (lv_fmp4_next(&m, &s) == LV_OK) {
        if (n == 0) {
            if (s.tfdt != info->tfdt) {
                sim_error(c, "%s %u.%u: tfdt differs", t->desc.name,
                          info->msn, info->part);
            }

            if (((s.flags & LV_FMP4_NON_SYNC) == 0)
                != ((info->flags & LV_PART_INDEPENDENT) != 0))
            {
                sim_error(c, "%s %u.%u: INDEPENDENT is wrong", t->desc.name,
                          info->msn, info->part);
            }
        }

        if (s.offset != offset || s.size == 0 || s.duration == 0
            || s.offset + s.size > len)
        {
            sim_error(c, "%s %u.%u: sample %u: offset %" PRIu64 " size %u "
                      "duration %u", t->desc.name, info->msn, info->part, n,
                      s.offset, s.size, s.duration);
            return;
        }

        if (!key && !(s.flags & LV_FMP4_NON_SYNC)) {
            key = true;

            if (info->key_off != s.offset || info->key_len != s.size) {
                sim_error(c, "%s %u.%u: key_off is wrong", t->desc.name,
                          info->msn, info->part);
            }
        }

        offset += s.size;
        dur += s.duration;
        n++;
        sim_check_sample(c, t, ref, &s);
    }

    if (n == 1 && (info->flags & LV_PART_FILLER)) {
        t->single++;
    }

    if (m.err || n != info->samples || dur != info->duration || offset != len
        || lv_be32(sim_buf + m.moof_len) != len - m.moof_len
        || (!key && info->key_len))
    {
        sim_error(c, "%s %u.%u: the moof and the description differ",
                  t->desc.name, info->msn, info->part);
    }
}


static void
sim_check_segment(sim_check_t *c, sim_track_t *t)
{
    double  s;

    if (t->seg_time == 0) {
        return;
    }

    s = (double) t->seg_time / t->desc.timescale;
    t->segments++;

    if (s > t->max_segment) {
        t->max_segment = s;
    }

    if (c->s->timing.target_s && floor(s + 0.5) > c->s->timing.target_s) {
        sim_error(c, "%s %u: a segment of %.3f s, the target is %u s",
                  t->desc.name, t->last.msn, s, c->s->timing.target_s);
    }

    t->seg_time = 0;
}


/* RFC 8216bis 4.4.4.9 and our own rules of naming. */
static void
sim_check_order(sim_check_t *c, sim_track_t *t, const lv_part_ref_t *ref)
{
    bool                    last, listed;
    uint32_t                us;
    lv_part_ref_t           init;
    const lv_part_info_t   *i, *l;

    i = &ref->info;
    l = &t->last;
    listed = !(l->flags & LV_PART_UNLISTED);

    if (t->any) {
        last = i->msn != l->msn;

        if (last ? i->msn != l->msn + 1 || i->part != 0
                 : i->part != l->part + 1)
        {
            sim_error(c, "%s: %u.%u follows %u.%u", t->desc.name, i->msn,
                      i->part, l->msn, l->part);
        }

        if (last != ((l->flags & LV_PART_LAST) != 0)) {
            sim_error(c, "%s %u.%u: LAST is wrong", t->desc.name, l->msn,
                      l->part);
        }

        if (i->tfdt != t->end) {
            sim_error(c, "%s %u.%u: begins at %" PRIu64 ", the one before "
                      "ended at %" PRIu64, t->desc.name, i->msn, i->part,
                      i->tfdt, t->end);
        }

        us = (uint32_t) ((uint64_t) l->duration * 1000000
                         / t->desc.timescale);

        if (listed && us > c->s->timing.part_target_us) {
            sim_error(c, "%s %u.%u: %u us, PART-TARGET is %u us",
                      t->desc.name, l->msn, l->part, us,
                      c->s->timing.part_target_us);
        }

        if (listed && !last
            && (uint64_t) us * 100 + 100 < (uint64_t) 85
               * c->s->timing.part_target_us)
        {
            sim_error(c, "%s %u.%u: %u us, under 85 %% of %u us",
                      t->desc.name, l->msn, l->part, us,
                      c->s->timing.part_target_us);
        }

        if (listed && !last) {
            t->min_part_us = t->min_part_us && t->min_part_us < us
                             ? t->min_part_us : us;
        }

        if (listed) {
            t->max_part_us = t->max_part_us > us ? t->max_part_us : us;
        }

        if (last) {
            sim_check_segment(c, t);
        }

        if (i->disc_seq != l->disc_seq
            + ((i->flags & LV_PART_DISCONTINUITY) && last ? 1 : 0))
        {
            sim_error(c, "%s %u.%u: discontinuity sequence", t->desc.name,
                      i->msn, i->part);
        }

        if (((i->flags & LV_PART_DISCONTINUITY) && last)
            != ((l->flags & LV_PART_BREAK) != 0))
        {
            sim_error(c, "%s %u.%u: BREAK and DISCONTINUITY", t->desc.name,
                      i->msn, i->part);
        }
    }

    if (i->init_msn != t->last_init) {
        t->inits++;
        t->last_init = i->init_msn;

        if (i->init_msn != i->msn || i->part != 0) {
            sim_error(c, "%s %u.%u: init %u", t->desc.name, i->msn, i->part,
                      i->init_msn);
        }
    }

    if (lv_track_init(c->st, t->track, i->init_msn, &init) != LV_OK) {
        sim_error(c, "%s %u.%u: no init %u", t->desc.name, i->msn, i->part,
                  i->init_msn);
    }
}


static void
sim_check_part(sim_check_t *c, unsigned n, sim_track_t *t,
    const lv_part_ref_t *ref)
{
    int64_t                 pdt, media;
    int                     late;
    unsigned                place, mask;
    const lv_part_info_t   *i;

    i = &ref->info;

    if (c->trace) {
        fprintf(stderr, "#   %s %u.%u %.3f + %.3f %s%s%s%s%s\n", t->desc.name,
                i->msn, i->part, (double) i->tfdt / t->desc.timescale,
                (double) i->duration / t->desc.timescale,
                i->flags & LV_PART_LAST ? " last" : "",
                i->flags & LV_PART_UNLISTED ? " unlisted" : "",
                i->flags & LV_PART_FILLER ? " filler" : "",
                i->flags & LV_PART_FORCED ? " forced" : "",
                i->flags & LV_PART_BREAK ? " break" : "");
    }

    sim_check_order(c, t, ref);
    sim_check_bytes(c, t, ref);

    media = (int64_t) ((double) i->tfdt * 1e6 / t->desc.timescale);
    pdt = (int64_t) i->pdt_ms * 1000 - media;

    if (!c->have_pdt) {
        c->have_pdt = true;
        c->pdt = pdt;
    }

    if (llabs(pdt - c->pdt) > 2000) {
        sim_error(c, "%s %u.%u: the date is off by %d us", t->desc.name,
                  i->msn, i->part, (int) (pdt - c->pdt));
    }

    late = (int) (i->commit_ms - i->pdt_ms)
           - (int) ((uint64_t) i->duration * 1000 / t->desc.timescale);

    if (late > t->late_ms) {
        t->late_ms = late;
    }

    if ((i->flags & LV_PART_FILLER) && -late > t->early_ms) {
        t->early_ms = -late;
    }

    /* the same grid on all tracks */

    place = (i->msn * 64 + i->part) % 4096;
    mask = LV_PART_LAST | LV_PART_UNLISTED | LV_PART_DISCONTINUITY
           | LV_PART_BREAK;

    if (n == 0) {
        c->grid[place] = (uint64_t) i->msn << 32 | i->part;
        c->grid_flags[place] = i->flags & mask;

    } else if (c->grid[place] == ((uint64_t) i->msn << 32 | i->part)
               && c->grid_flags[place] != (i->flags & mask))
    {
        sim_error(c, "%s %u.%u: flags %x, the lead has %x", t->desc.name,
                  i->msn, i->part, i->flags & mask, c->grid_flags[place]);
    }

    if (!t->any) {
        t->any = true;
        t->first_msn = i->msn;
    }

    t->parts++;
    t->fillers += (i->flags & LV_PART_FILLER) != 0;
    t->discs += i->part == 0 && (i->flags & LV_PART_DISCONTINUITY);
    t->forced += i->part == 0 && (i->flags & LV_PART_FORCED);
    t->unlisted += (i->flags & LV_PART_UNLISTED) != 0;
    t->listed += (i->flags & LV_PART_UNLISTED) == 0;
    t->end = i->tfdt + i->duration;
    t->seg_time += i->duration;
    t->last = *i;
}


/* Looks at what is new. */
static void
sim_check(sim_check_t *c, lv_store_t *st, lv_stream_t *s)
{
    unsigned       n;
    uint32_t       count;
    sim_track_t   *t;
    lv_part_ref_t  ref;

    c->st = st;
    c->s = s;
    count = atomic_load(&s->track_count);

    for (n = 0; n < count; n++) {
        t = &c->t[n];

        if (t->track == NULL) {
            t->track = lv_stream_track_at(st, s, n);
            lv_track_desc(t->track, &t->desc);
        }

        if (!t->any && lv_track_oldest(st, t->track, &ref) == LV_OK) {
            t->seq = ref.info.seq;
        }

        while (lv_track_part(st, t->track, t->seq, &ref) == LV_OK) {
            sim_check_part(c, n, t, &ref);
            t->seq++;
        }
    }
}


__attribute__((unused)) static sim_track_t *
sim_kind(sim_check_t *c, unsigned kind)
{
    unsigned  n;

    for (n = 0; n < LV_STREAM_TRACKS; n++) {
        if (c->t[n].track && c->t[n].desc.kind == kind) {
            return &c->t[n];
        }
    }

    return NULL;
}


/* ---- the store --------------------------------------------------------- */

typedef struct {
    void        *base;
    size_t       size;
    lv_store_t  *st;
} sim_store_t;

static void
sim_store(sim_store_t *m, size_t mb)
{
    const char       *err;
    lv_store_conf_t   conf;

    m->size = mb << 20;
    m->base = mmap(NULL, m->size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (m->base == MAP_FAILED) {
        printf("Bail out! no memory\n");
        exit(1);
    }

    memset(&conf, 0, sizeof(conf));
    conf.owner = "/run/test.pid";
    conf.now_ms = SIM_EPOCH_MS;

    if (lv_store_format(m->base, m->size, &conf, &err) != LV_OK) {
        printf("Bail out! %s\n", err);
        exit(1);
    }

    m->st = NULL;
}


__attribute__((unused)) static void
sim_store_free(sim_store_t *m)
{
    munmap(m->base, m->size);
}


/* Another process's view of the same memory. */
static lv_store_t *
sim_attach(sim_store_t *m, uint32_t pid)
{
    const char  *err;
    lv_store_t  *st;

    st = lv_store_attach(m->base, m->size, "/run/test.pid", NULL, NULL, &err);

    if (st == NULL || lv_store_join(st, pid, 1, SIM_EPOCH_MS, &err) != LV_OK) {
        printf("Bail out! %s\n", err);
        exit(1);
    }

    return st;
}


/* ---- the encoder ------------------------------------------------------- */

static const uint8_t  sim_avcc[] = {
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x04, 0x67, 0x64, 0x00, 0x1f,
    0x01, 0x00, 0x04, 0x68, 0xee, 0x3c, 0x80
};

typedef struct {
    double    fps;                   /* 0: no video */
    unsigned  gop;                   /* frames */
    unsigned  bframes;               /* cts in frames */
    unsigned  rate;                  /* 0: no audio */
    bool      ms;                    /* stamps rounded to ms, as RTMP does */
    int64_t   base;                  /* of the encoder's clock, 90 kHz */
    int       skew_ms;               /* audio comes that much later */
    uint8_t   pub;
    unsigned  vsize, asize;
    uint8_t   avcc_variant, asc_variant;
    unsigned  channels;
    bool      rtmp;                  /* stamps of 32 bits through lv_timeline */
    uint32_t  first_ms;              /* the first of them */
    double    ppm;                   /* audio sample clock against stamps */
} sim_enc_conf_t;

typedef struct {
    sim_enc_conf_t  conf;
    lv_packager_t  *p;
    int             v, a;
    uint64_t        start_ms;        /* wall clock of its frame 0 */
    uint64_t        vn, an;          /* frames sent */
    uint64_t        v0;              /* the first key frame's */
    uint64_t        now_ms;
    unsigned        events[LV_PACK_NO_MEMORY + 1];
    char            text[128];
    int             rc;              /* of the last call */
    unsigned        declined;
    sim_check_t    *check;
    bool            hold_video, hold_audio;
    uint8_t         data[131072];
    lv_timeline_t   tl;
    uint64_t        chain;
    bool            interleave;      /* audio messages take their time */
    bool            waiting;         /* … and one is on its way */
    sim_mark_t      mark;
    unsigned        late;            /* frames that lv_timeline refused */
    uint32_t        next_tick;
} sim_enc_t;

static const lv_packager_conf_t  sim_conf = {
    .part_us = 333333, .segment_ms = 2000, .window_ms = 30000,
    .resume_ms = 30000, .max_bitrate = 10000000, .muxed = true
};

static void
sim_event(void *ctx, lv_pack_event_t ev, const char *text)
{
    sim_enc_t  *e = ctx;

    e->events[ev]++;
    snprintf(e->text, sizeof(e->text), "%s", text ? text : "");
}


static int64_t
sim_round(const sim_enc_t *e, double seconds)
{
    if (e->conf.ms) {
        return (int64_t) floor(seconds * 1000 + 0.5) * 90;
    }

    return (int64_t) floor(seconds * 90000 + 0.5);
}


static int
sim_config_video(sim_enc_t *e)
{
    uint8_t            avcc[sizeof(sim_avcc)];
    lv_codec_config_t  c;

    memcpy(avcc, sim_avcc, sizeof(avcc));
    avcc[sizeof(avcc) - 1] = (uint8_t) (0x80 | e->conf.avcc_variant);

    memset(&c, 0, sizeof(c));
    c.kind = LV_KIND_VIDEO;
    strcpy(c.codecs, "avc1.64001f");
    c.fourcc = LV_FOURCC('a', 'v', 'c', '1');
    c.width = 1280;
    c.height = 720;
    c.config = avcc;
    c.config_len = sizeof(avcc);

    e->v = lv_packager_config(e->p, &c, e->now_ms);
    return e->v;
}


static int
sim_config_audio(sim_enc_t *e)
{
    static const unsigned  table[] = { 96000, 88200, 64000, 48000, 44100,
                                       32000, 24000, 22050, 16000, 12000,
                                       11025, 8000 };
    uint8_t                asc[2];
    unsigned               i, channels;
    lv_codec_config_t      c;

    for (i = 0; i < 11 && table[i] != e->conf.rate; i++) { /* void */ }

    channels = e->conf.channels ? e->conf.channels : 2;
    channels = e->conf.asc_variant ? 1 : channels;
    asc[0] = (uint8_t) (2 << 3 | i >> 1);
    asc[1] = (uint8_t) ((i & 1) << 7 | channels << 3);

    memset(&c, 0, sizeof(c));
    c.kind = LV_KIND_AUDIO;
    strcpy(c.codecs, "mp4a.40.2");
    c.fourcc = LV_FOURCC('m', 'p', '4', 'a');
    c.sample_rate = e->conf.rate;
    c.channels = channels;
    c.frame_samples = 1024;
    c.config = asc;
    c.config_len = 2;

    e->a = lv_packager_config(e->p, &c, e->now_ms);
    return e->a;
}


static void
sim_audio_end(sim_enc_t *e)
{
    if (e->waiting) {
        e->waiting = false;
        lv_packager_data(e->p, e->a, &e->mark, sizeof(e->mark) / 2);
        lv_packager_data(e->p, e->a, (uint8_t *) &e->mark
                         + sizeof(e->mark) / 2, sizeof(e->mark) / 2);
        lv_packager_frame_end(e->p, e->a);
    }
}


static void
sim_mark_frame(sim_enc_t *e, int track, uint8_t kind, int64_t dts,
    int32_t cts, bool key, unsigned size, int64_t pts)
{
    sim_mark_t  m;

    if (kind == LV_KIND_AUDIO) {
        sim_audio_end(e);
    }

    e->rc = lv_packager_frame(e->p, track, dts, cts, key, e->now_ms);
    e->chain += kind == LV_KIND_VIDEO;

    if (e->rc != LV_OK) {
        e->declined++;
        return;
    }

    memset(&m, 0, sizeof(m));
    lv_put32(m.magic, SIM_MAGIC);
    m.kind = kind;
    m.pub = e->conf.pub;
    m.key = key;
    m.pts = pts;
    m.chain = e->chain;
    memcpy(e->data, &m, sizeof(m));

    if (e->interleave && kind == LV_KIND_AUDIO) {
        e->waiting = true;
        e->mark = m;
        return;
    }

    if (size < sizeof(m)) {
        size = sizeof(m);
    }

    lv_packager_data(e->p, track, e->data, size / 2);

    if (e->interleave && e->vn % 3) {
        sim_audio_end(e);
        memcpy(e->data, &m, sizeof(m));
    }

    lv_packager_data(e->p, track, e->data + size / 2, size - size / 2);
    e->rc = lv_packager_frame_end(e->p, track);
}


static void
sim_frame(sim_enc_t *e, int track, uint8_t kind, int64_t dts, int32_t cts,
    bool key, unsigned size)
{
    sim_mark_frame(e, track, kind, dts, cts, key, size, dts + cts);
}


static void
sim_video(sim_enc_t *e)
{
    bool     key;
    int32_t  cts;
    double   at;
    unsigned n;

    key = e->vn >= e->v0 && (e->vn - e->v0) % e->conf.gop == 0;
    at = (double) e->vn / e->conf.fps;
    cts = 0;

    if (e->conf.bframes) {
        /* I P B B …: the P is shown behind the Bs */
        n = (unsigned) ((e->vn - e->v0) % e->conf.gop) % (e->conf.bframes + 1);
        cts = (int32_t) ((n == 1 ? e->conf.bframes + 1 : key ? 1 : 0)
                         * 90000 / e->conf.fps);
        cts -= cts % (e->conf.ms ? 90 : 1);
    }

    e->vn++;

    if (e->hold_video) {
        return;
    }

    if (e->conf.rtmp) {
        lv_time_t  t;

        lv_timeline_video(&e->tl, 0, (uint32_t) (e->conf.first_ms
                          + (uint64_t) floor(at * 1000 + 0.5)), cts / 90,
                          e->now_ms, &t);
        sim_mark_frame(e, e->v, LV_KIND_VIDEO, t.dts_90k, t.cts_90k, key,
                       key ? e->conf.vsize * 4 : e->conf.vsize,
                       (int64_t) (at * 90000) + cts);
        return;
    }

    sim_frame(e, e->v, LV_KIND_VIDEO, e->conf.base + sim_round(e, at), cts,
              key, key ? e->conf.vsize * 4 : e->conf.vsize);
}


static void
sim_audio(sim_enc_t *e)
{
    double  at;

    at = (double) e->an * 1024 / e->conf.rate * (1 + e->conf.ppm / 1e6);
    e->an++;

    if (e->conf.rtmp) {
        lv_time_t  t;

        lv_timeline_audio(&e->tl, 1, (uint32_t) (e->conf.first_ms
                          + (uint64_t) floor(at * 1000 + 0.5)), 1024,
                          e->conf.rate, e->now_ms, &t);

        if (t.flags & LV_TIME_LATE) {
            e->late++;
            return;
        }

        sim_mark_frame(e, e->a, LV_KIND_AUDIO, t.dts_90k, 0, true,
                       e->conf.asize, (int64_t) (at * 90000));
        return;
    }

    /* what lv_timeline does with rounded stamps: from the count */
    if (!e->hold_audio) {
        sim_frame(e, e->a, LV_KIND_AUDIO,
                  e->conf.base + (int64_t) floor(at * 90000 + 0.5), 0, true,
                  e->conf.asize);
    }
}


__attribute__((unused)) static void
sim_encoder(sim_enc_t *e, const sim_enc_conf_t *conf, uint64_t now_ms,
    sim_check_t *check)
{
    memset(e, 0, sizeof(sim_enc_t));
    e->conf = *conf;
    e->start_ms = now_ms;
    e->now_ms = now_ms;
    e->check = check;

    if (e->conf.vsize == 0) {
        e->conf.vsize = 1000;
    }

    if (e->conf.asize == 0) {
        e->conf.asize = 200;
    }

    if (conf->rtmp) {
        lv_timeline_init(&e->tl, &(lv_timeline_conf_t) { .timescale = 1000 });
    }

    e->v = -1;
    e->a = -1;
}


__attribute__((unused)) static bool
sim_publish(sim_enc_t *e, lv_store_t *st, const lv_packager_conf_t *conf)
{
    const char  *err;

    err = "";
    e->p = lv_packager_create(st, "test", 4, conf ? conf : &sim_conf, NULL,
                              e->now_ms, sim_event, e, &err);

    if (e->p == NULL) {
        diag("refused: %s", err);
        return false;
    }

    if (e->conf.fps > 0) {
        sim_config_video(e);
    }

    if (e->conf.rate) {
        sim_config_audio(e);
    }

    return true;
}


/* Goes on for that long, frames in the order in which they are due; the
 * checker and the tick about every 50 ms. */
__attribute__((unused)) static void
sim_run(sim_enc_t *e, lv_store_t *st, double seconds)
{
    double    v, a;
    uint64_t  until, last, due;

    until = e->now_ms + (uint64_t) (seconds * 1000 + 0.5);
    last = e->now_ms;

    for ( ;; ) {
        v = e->conf.fps > 0 ? (double) e->vn * 1000 / e->conf.fps : 1e18;
        a = e->conf.rate ? (double) e->an * 1024000 / e->conf.rate
                           * (1 + e->conf.ppm / 1e6) + e->conf.skew_ms : 1e18;

        if ((v < a ? v : a) + (double) e->start_ms >= (double) until) {
            break;
        }

        due = e->start_ms + (uint64_t) (v < a ? (v < 0 ? 0 : v)
                                              : (a < 0 ? 0 : a));

        if (due > e->now_ms) {
            e->now_ms = due;
        }

        if (v <= a) {
            sim_video(e);
        } else {
            sim_audio(e);
        }

        if (e->now_ms - last >= 50) {
            last = e->now_ms;
            lv_packager_tick(e->p, e->now_ms);

            if (e->check && lv_packager_stream(e->p)) {
                sim_check(e->check, st, lv_packager_stream(e->p));
            }
        }
    }

    e->now_ms = until;
    lv_packager_tick(e->p, e->now_ms);

    if (e->check) {
        sim_check(e->check, st, lv_packager_stream(e->p));
    }
}


/* Only the clock goes on. */
__attribute__((unused)) static int
sim_idle(lv_packager_t *p, sim_check_t *c, lv_store_t *st, uint64_t *now_ms,
    double seconds)
{
    int       rc;
    uint64_t  until;

    until = *now_ms + (uint64_t) (seconds * 1000 + 0.5);
    rc = LV_OK;

    while (*now_ms < until && rc == LV_OK) {
        *now_ms += 50;
        rc = lv_packager_tick(p, *now_ms);

        if (c) {
            sim_check(c, st, lv_packager_stream(p));
        }
    }

    return rc;
}

#endif
