/* What the store's tests share: a store in anonymous shared memory, and parts
 * whose bytes follow from their name, so that any reader can tell whether
 * what it sees is the part that it asked for. */

#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tap.h"
#include "../../ngx_live_module/lib/lv_store.h"

#define FIX_OWNER  "/run/test.pid"
#define MIB        (1u << 20)


__attribute__((unused)) static void *
fix_map(size_t size)
{
    void  *p;

    p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}


__attribute__((unused)) static void *
fix_format(size_t size)
{
    void             *base;
    const char       *err;
    lv_store_conf_t   conf;

    memset(&conf, 0, sizeof(conf));
    conf.owner = FIX_OWNER;
    conf.secret[0] = 7;
    conf.now_ms = 1000;

    base = fix_map(size);

    if (base == NULL || lv_store_format(base, size, &conf, &err) != LV_OK) {
        return NULL;
    }

    return base;
}


/* The byte at offset `i` of part (msn, part) of track `track` of a stream. */
static inline uint64_t
fix_seed(uint32_t stream, uint32_t track, uint32_t msn, uint32_t part)
{
    uint64_t  h;

    h = ((uint64_t) msn << 32 | part << 8 | track) ^ (uint64_t) stream << 52;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ULL;
    h = (h ^ h >> 27) * 0x94d049bb133111ebULL;

    return h ^ h >> 31;
}


static inline uint8_t
fix_byte(uint64_t seed, uint32_t i)
{
    return (uint8_t) ((seed >> (i % 8 * 8)) + i / 8);
}


static inline void
fix_fill(uint8_t *p, uint64_t seed, uint32_t at, uint32_t n)
{
    uint32_t  i;

    for (i = 0; i < n; i++) {
        p[i] = fix_byte(seed, at + i);
    }
}


/* Writes and commits a part of head_len + len bytes. Its length is noted in
 * info.duration, for the reader to compare. */
__attribute__((unused)) static int
fix_part(lv_store_t *st, lv_stream_t *s, lv_track_t *t, uint32_t epoch,
    uint32_t stream, uint32_t track, uint32_t msn, uint32_t part,
    uint32_t head_len, uint32_t len, uint16_t flags)
{
    int               rc;
    uint8_t           buf[3000];
    uint8_t          *head;
    uint32_t          n, at;
    uint64_t          seed;
    lv_part_info_t    info;
    lv_part_writer_t  w;

    seed = fix_seed(stream, track, msn, part);

    rc = lv_part_open(&w, st, s, t, epoch, flags & LV_PART_INIT ? 0 : 600);
    if (rc != LV_OK) {
        return rc;
    }

    for (at = 0; at < len; at += n) {
        n = len - at < sizeof(buf) ? len - at : sizeof(buf);
        fix_fill(buf, seed, head_len + at, n);

        rc = lv_part_write(&w, buf, n);
        if (rc != LV_OK) {
            lv_part_abort(&w);
            return rc;
        }
    }

    head = malloc(head_len + 1);
    fix_fill(head, seed, 0, head_len);

    memset(&info, 0, sizeof(info));
    info.msn = msn;
    info.part = (uint16_t) part;
    info.flags = flags;
    info.duration = head_len + len;
    info.samples = stream << 8 | track;

    rc = lv_part_commit(&w, head, head_len, &info);
    free(head);

    if (rc != LV_OK) {
        lv_part_abort(&w);
    }

    return rc;
}


/* 0: the pinned part's bytes are what its name says. */
__attribute__((unused)) static int
fix_verify(lv_store_t *st, const lv_part_ref_t *ref, uint32_t stream,
    uint32_t track, unsigned *runs)
{
    size_t          n, i;
    uint32_t        at;
    uint64_t        seed;
    lv_run_t        it;
    const uint8_t  *p;

    if (ref->info.duration != ref->len
        || ref->info.samples != (stream << 8 | track))
    {
        return -1;
    }

    memset(&it, 0, sizeof(it));
    seed = fix_seed(stream, track, ref->info.msn, ref->info.part);
    at = 0;

    while (lv_part_run(st, ref, &it, &p, &n)) {
        for (i = 0; i < n; i++) {
            if (p[i] != fix_byte(seed, at + (uint32_t) i)) {
                return -2;
            }
        }

        at += (uint32_t) n;

        if (runs) {
            (*runs)++;
        }
    }

    return at == ref->len ? 0 : -3;
}


/* Pins, verifies, unpins: LV_OK, LV_DECLINED (gone), or LV_ERROR (wrong). */
__attribute__((unused)) static int
fix_read(lv_store_t *st, const lv_part_ref_t *ref, uint32_t stream,
    uint32_t track)
{
    int  rc;

    if (lv_part_pin(st, ref) != LV_OK) {
        return LV_DECLINED;
    }

    rc = fix_verify(st, ref, stream, track, NULL);
    lv_part_unpin(st, ref->id);

    return rc == 0 ? LV_OK : LV_ERROR;
}


__attribute__((unused)) static uint32_t
fix_gen(lv_stream_t *s)
{
    return atomic_load(&s->gen);
}


/* As whoever owns the stream. */
__attribute__((unused)) static void
fix_evict(lv_store_t *st, lv_stream_t *s, uint32_t keep_msn, uint64_t now_ms)
{
    lv_stream_evict(st, s, (uint32_t) (atomic_load(&s->owner) >> 32),
                    keep_msn, now_ms);
}


__attribute__((unused)) static void
fix_desc(lv_track_desc_t *d, const char *name)
{
    memset(d, 0, sizeof(lv_track_desc_t));
    d->kind = name[0] == 'v' ? LV_KIND_VIDEO : LV_KIND_AUDIO;
    strcpy(d->name, name);
    strcpy(d->codecs, name[0] == 'v' ? "avc1.64001f" : "mp4a.40.2");
    d->timescale = name[0] == 'v' ? 90000 : 48000;
}


/* ---- one process at a time --------------------------------------------- */

__attribute__((unused)) static unsigned  fix_rung[LV_SLOTS];
__attribute__((unused)) static int       fix_rings;


__attribute__((unused)) static void
fix_ring(void *ctx, unsigned slot)
{
    fix_rung[slot]++;
    fix_rings++;
}


__attribute__((unused)) static lv_store_t *
fix_join(void *base, size_t size)
{
    lv_store_t  *st;
    const char  *err;

    st = lv_store_attach(base, size, FIX_OWNER, fix_ring, NULL, &err);

    if (st == NULL || lv_store_join(st, (uint32_t) getpid(), 1, 1000,
                                    &err) != LV_OK)
    {
        diag("join: %s", err);
        exit(2);
    }

    return st;
}


__attribute__((unused)) static void
fix_check(lv_store_t *st, const char *when)
{
    char  err[200] = "";

    if (!ok(lv_store_check(st, err, sizeof(err)) == LV_OK,
            "consistent %s", when))
    {
        diag("%s", err);
    }
}


/* The call comes first, then its reason is printed. */
__attribute__((unused)) static void
fix_refused(bool is, const char **err, const char *name)
{
    ok(is && *err, "%s: %s", name, is && *err ? *err : "(no reason)");
}


__attribute__((unused)) static lv_stream_t *
fix_claim(lv_store_t *st, const char *id, uint64_t reserve, uint64_t now_ms,
    uint32_t *epoch)
{
    const char   *err;
    lv_stream_t  *s;

    return lv_stream_claim(st, id, strlen(id), reserve, now_ms, &s, epoch,
                           &err) == LV_OK ? s : NULL;
}


/* One that must succeed. */
__attribute__((unused)) static lv_stream_t *
fix_claimed(lv_store_t *st, const char *id, uint64_t now_ms, uint32_t *epoch)
{
    lv_stream_t  *s;

    s = fix_claim(st, id, MIB, now_ms, epoch);

    if (s == NULL) {
        diag("%s cannot be claimed", id);
        exit(2);
    }

    return s;
}


__attribute__((unused)) static lv_track_t *
fix_track(lv_store_t *st, lv_stream_t *s, uint32_t epoch, const char *name)
{
    lv_track_desc_t  d;

    fix_desc(&d, name);

    return lv_track_add(st, s, epoch, &d);
}


__attribute__((unused)) static int
fix_same_stat(lv_store_t *st, const lv_store_stat_t *a)
{
    lv_store_stat_t  b;

    lv_store_stat(st, &b);

    if (a->extents_free == b.extents_free && a->parts_free == b.parts_free
        && a->tracks_used == b.tracks_used && b.extents_limbo == 0
        && a->streams_used == b.streams_used
        && a->extents_reserved == b.extents_reserved)
    {
        return 1;
    }

    diag("free extents %u then %u, parts %u, %u, tracks %u, %u, streams %u, "
         "%u, reserved %u, %u, limbo %u", a->extents_free, b.extents_free,
         a->parts_free, b.parts_free, a->tracks_used, b.tracks_used,
         a->streams_used, b.streams_used, a->extents_reserved,
         b.extents_reserved, b.extents_limbo);

    return 0;
}


/* A stream with two tracks. */
typedef struct {
    lv_stream_t  *s;
    lv_track_t   *v, *a;
    uint32_t      epoch, msn;
    uint32_t      len;
} fix_source_t;


/* A segment of three parts on two tracks; the number of refusals. */
__attribute__((unused)) static int
fix_source_segment(lv_store_t *st, fix_source_t *x, uint32_t n)
{
    int       bad;
    uint32_t  i;

    bad = 0;

    for (i = 0; i < 3; i++) {
        bad += fix_part(st, x->s, x->v, x->epoch, n, 1, x->msn, i, 500, x->len,
                        0) != LV_OK;
        bad += fix_part(st, x->s, x->a, x->epoch, n, 2, x->msn, i, 300, 2000,
                        0) != LV_OK;
    }

    x->msn++;

    return bad;
}


__attribute__((unused)) static void
fix_source_open(lv_store_t *st, fix_source_t *x, const char *id,
    uint64_t reserve, uint32_t len)
{
    x->s = fix_claim(st, id, reserve, 1000000, &x->epoch);
    x->v = fix_track(st, x->s, x->epoch, "v0");
    x->a = fix_track(st, x->s, x->epoch, "a0");
    x->msn = x->s->epoch;
    x->len = len;
}

#endif
