/* What the store's tests share: a store in anonymous shared memory, and parts
 * whose bytes follow from their name, so that any reader can tell whether
 * what it sees is the part that it asked for. */

#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../../ngx_live_module/lib/lv_store.h"

#define FIX_OWNER  "/run/test.pid"


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


__attribute__((unused)) static void
fix_desc(lv_track_desc_t *d, const char *name)
{
    memset(d, 0, sizeof(lv_track_desc_t));
    d->kind = name[0] == 'v' ? LV_KIND_VIDEO : LV_KIND_AUDIO;
    strcpy(d->name, name);
    strcpy(d->codecs, name[0] == 'v' ? "avc1.64001f" : "mp4a.40.2");
    d->timescale = name[0] == 'v' ? 90000 : 48000;
}

#endif
