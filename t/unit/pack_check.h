/*
 * What the packager's tests share: a store, and a checker that reads all that
 * is published in it, as a reader would, and holds it to the rules.
 */

#ifndef PACK_CHECK_H
#define PACK_CHECK_H

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
    mask = LV_PART_LAST | LV_PART_DISCONTINUITY | LV_PART_BREAK;

    if (i->msn != c->s->epoch) {
        mask |= LV_PART_UNLISTED;    /* else until the stream is live */
    }

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
    t->unlisted += (mask & i->flags & LV_PART_UNLISTED) != 0;
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

#endif
