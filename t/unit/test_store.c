/* The store, one process at a time: what its header promises. */

#include "tap.h"
#include "store_fixture.h"

#define MIB  (1u << 20)

static unsigned  rung[LV_SLOTS];
static int       rings;


static void
ring(void *ctx, unsigned slot)
{
    rung[slot]++;
    rings++;
}


static lv_store_t *
join(void *base, size_t size)
{
    lv_store_t  *st;
    const char  *err;

    st = lv_store_attach(base, size, FIX_OWNER, ring, NULL, &err);

    if (st == NULL || lv_store_join(st, (uint32_t) getpid(), 1, 1000,
                                    &err) != LV_OK)
    {
        diag("join: %s", err);
        exit(2);
    }

    return st;
}


static void
check(lv_store_t *st, const char *when)
{
    char  err[200] = "";

    if (!ok(lv_store_check(st, err, sizeof(err)) == LV_OK,
            "consistent %s", when))
    {
        diag("%s", err);
    }
}


/* The call comes first, then its reason is printed. */
static void
refused(bool is, const char **err, const char *name)
{
    ok(is && *err, "%s: %s", name, is && *err ? *err : "(no reason)");
}


static lv_stream_t *
claim(lv_store_t *st, const char *id, uint64_t reserve, uint64_t now_ms,
    uint32_t *epoch)
{
    const char   *err;
    lv_stream_t  *s;

    return lv_stream_claim(st, id, strlen(id), reserve, now_ms, &s, epoch,
                           &err) == LV_OK ? s : NULL;
}


/* One that must succeed. */
static lv_stream_t *
claimed(lv_store_t *st, const char *id, uint64_t now_ms, uint32_t *epoch)
{
    lv_stream_t  *s;

    s = claim(st, id, MIB, now_ms, epoch);

    if (s == NULL) {
        diag("%s cannot be claimed", id);
        exit(2);
    }

    return s;
}


static lv_track_t *
track(lv_store_t *st, lv_stream_t *s, uint32_t epoch, const char *name)
{
    lv_track_desc_t  d;

    fix_desc(&d, name);

    return lv_track_add(st, s, epoch, &d);
}


static int
same_stat(lv_store_t *st, const lv_store_stat_t *a)
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


/* ---- opening ------------------------------------------------------------ */

static void
refusals(void)
{
    void             *base, *small;
    uint8_t          *p;
    const char       *err;
    lv_store_t       *st;
    lv_store_conf_t   conf;

    memset(&conf, 0, sizeof(conf));
    conf.owner = FIX_OWNER;

    small = fix_map(4 * MIB);
    refused(lv_store_format(small, 4 * MIB, &conf, &err) == LV_ERROR, &err,
            "a store of 4 MiB is refused");

    base = fix_map(8 * MIB);
    refused(lv_store_attach(base, 8 * MIB, FIX_OWNER, ring, NULL, &err)
            == NULL, &err, "zeroed memory is refused");
    refused(lv_store_attach(base, 100, FIX_OWNER, ring, NULL, &err)
            == NULL, &err, "a few bytes are refused");

    ok(lv_store_format(base, 8 * MIB, &conf, &err) == LV_OK, "format");
    refused(lv_store_attach(base, 7 * MIB, FIX_OWNER, ring, NULL, &err)
            == NULL, &err, "another size is refused");
    refused(lv_store_attach(base, 8 * MIB, "/run/other.pid", ring, NULL, &err)
            == NULL, &err, "another owner is refused");
    ok(lv_store_attach(base, 8 * MIB, "/run/test.pid2", ring, NULL, &err)
       == NULL, "a longer owner is refused");

    p = base;
    p[8] ^= 1;
    refused(lv_store_attach(base, 8 * MIB, FIX_OWNER, ring, NULL, &err)
            == NULL, &err, "another layout is refused");
    p[8] ^= 1;
    p[0] ^= 1;
    refused(lv_store_attach(base, 8 * MIB, FIX_OWNER, ring, NULL, &err)
            == NULL, &err, "another magic is refused");
    p[0] ^= 1;

    st = lv_store_attach(base, 8 * MIB, FIX_OWNER, ring, NULL, &err);
    ok(st != NULL, "the right one attaches");
    check(st, "when fresh");
    lv_store_detach(st);
    munmap(base, 8 * MIB);
    munmap(small, 4 * MIB);
}


static void
sizes(void)
{
    size_t            i;
    void             *base;
    uint64_t          need;
    const char       *err;
    lv_store_t       *st;
    lv_store_stat_t   stat;

    static const size_t  size[] = { 8 * MIB, 8 * MIB + 12345, 64 * MIB,
                                    100 * MIB + 1, 512ul * MIB };

    for (i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
        base = fix_format(size[i]);
        st = lv_store_attach(base, size[i], FIX_OWNER, ring, NULL, &err);
        lv_store_stat(st, &stat);
        need = (uint64_t) stat.extents * LV_EXTENT;
        ok(need > size[i] / 100 * 85 && need < size[i],
           "%zu MiB: %u extents (%.1f %%), %u parts, %u streams, %u tracks",
           size[i] / MIB, stat.extents, 100.0 * (double) need
           / (double) size[i], stat.parts, stat.streams, stat.tracks);
        lv_store_detach(st);
        munmap(base, size[i]);
    }
}


static void
slots(void)
{
    int              n;
    void            *base;
    const char      *err;
    lv_store_t      *st[LV_SLOTS + 1];
    lv_slot_info_t   info;

    base = fix_format(8 * MIB);

    memset(st, 0, sizeof(st));

    for (n = 0; n <= LV_SLOTS; n++) {
        st[n] = lv_store_attach(base, 8 * MIB, FIX_OWNER, ring, NULL, &err);

        if (lv_store_join(st[n], 1000 + (uint32_t) n, 3, 77, &err) != LV_OK) {
            break;
        }
    }

    is_int(n, LV_SLOTS, "every slot can be taken");
    refused(n == LV_SLOTS, &err, "no more");
    lv_store_slot_info(st[0], 5, &info);
    ok(info.used && info.pid == 1005 && info.generation == 3
       && info.since_ms == 77, "slot info");

    lv_store_leave(st[5]);
    lv_store_slot_info(st[0], 5, &info);
    ok(!info.used, "a slot is left");
    is_int(lv_store_join(st[LV_SLOTS], 1, 1, 1, &err), LV_OK, "and taken");
    is_int(lv_store_slot(st[LV_SLOTS]), 5, "by the next one");
    is_int(lv_store_secret(st[0])[0], 7, "secret");

    lv_counter_add(st[7], 3, 10);
    lv_counter_add(st[8], 3, 5);
    lv_counter_add(st[8], LV_COUNTERS, 5);
    is_int((long long) lv_counter_sum(st[0], 3), 15, "counters add up");
    lv_store_leave(st[8]);
    is_int((long long) lv_counter_sum(st[0], 3), 15, "also of who left");

    for (n = 0; n <= LV_SLOTS; n++) {
        lv_store_detach(st[n]);
    }

    munmap(base, 8 * MIB);
}


/* ---- parts -------------------------------------------------------------- */

static void
write_and_read(void)
{
    int              i, bad, wrong;
    void            *base;
    size_t           n;
    uint32_t         epoch, gen, lens[] = { 0, 1, 3495, 3496, 3497, 4096,
                                            10000, 100000, 300000 };
    unsigned         runs;
    lv_run_t         it;
    lv_store_t      *st;
    lv_track_t      *t;
    lv_stream_t     *s;
    lv_part_ref_t    ref;
    const uint8_t   *p;
    lv_track_desc_t  d;
    lv_store_stat_t  stat;

    base = fix_format(16 * MIB);
    st = join(base, 16 * MIB);
    lv_store_stat(st, &stat);

    s = claimed(st, "one", 1700000000000, &epoch);
    is_int(s->epoch, 1700000000, "the first msn is the second of creation");
    is_int(s->state, LV_STREAM_STARTING, "it is starting");
    ok(lv_stream_owned(st, s, epoch), "it is owned");
    ok(lv_stream_find(st, "one", 3, &gen) == s && lv_stream_alive(s, gen),
       "it is found");
    ok(lv_stream_find(st, "two", 3, &gen) == NULL, "another is not");
    ok(lv_stream_find(st, "on", 2, &gen) == NULL, "nor a beginning");
    ok(lv_stream_at(st, lv_stream_index(st, s), &gen) == s, "by index");

    t = track(st, s, epoch, "v0");
    ok(t && lv_stream_track(st, s, "v0", 2) == t, "track by name");
    ok(lv_stream_track_at(st, s, 0) == t, "track by place");
    ok(lv_stream_track(st, s, "a0", 2) == NULL, "no such track");
    ok(lv_track_desc(t, &d) == LV_OK && strcmp(d.codecs, "avc1.64001f") == 0,
       "description");
    d.peak_bps = 5;
    lv_track_set_desc(t, &d);
    d.peak_bps = 0;
    ok(lv_track_desc(t, &d) == LV_OK && d.peak_bps == 5, "described anew");

    is_int(lv_track_newest(st, t, &ref), LV_DECLINED, "no newest part yet");
    is_int(lv_track_oldest(st, t, &ref), LV_DECLINED, "no oldest part yet");
    is_int(lv_track_find(st, t, 0, 0, &ref), LV_AGAIN, "none to be found yet");
    is_int(lv_track_part(st, t, 0, &ref), LV_DECLINED, "none counted yet");

    bad = 0;
    for (i = 0; i < 9; i++) {
        bad += fix_part(st, s, t, epoch, 1, 1, 10 + i / 3, i % 3,
                        i < 6 ? 550 : 600 + 1500 * (i - 6), lens[i], 0)
               != LV_OK;
    }
    is_int(bad, 0, "nine parts committed");
    check(st, "with nine parts");

    bad = wrong = 0;
    for (i = 0; i < 9; i++) {
        runs = 0;
        if (lv_track_find(st, t, 10 + i / 3, i % 3, &ref) != LV_OK
            || lv_part_pin(st, &ref) != LV_OK)
        {
            bad++;
            continue;
        }
        wrong += fix_verify(st, &ref, 1, 1, &runs) != 0;
        lv_part_unpin(st, ref.id);
        bad += ref.info.seq != (uint32_t) i;
    }
    is_int(bad, 0, "nine parts found by name");
    is_int(wrong, 0, "and all bytes are right, with heads up to 3600 bytes");
    ok(runs <= 2, "the last, of 303 kB, is in %u run(s)", runs);

    lv_track_newest(st, t, &ref);
    is_int(ref.info.seq, 8, "newest");
    lv_track_oldest(st, t, &ref);
    is_int(ref.info.seq, 0, "oldest");
    is_int(lv_track_part(st, t, 4, &ref), LV_OK, "by count");
    is_int(ref.info.msn * 10 + ref.info.part, 111, "it is that one");
    is_int(lv_track_find(st, t, 12, 3, &ref), LV_AGAIN, "the next part");
    is_int(lv_track_find(st, t, 13, 0, &ref), LV_AGAIN, "the next segment");
    is_int(lv_track_find(st, t, 11, 3, &ref), LV_DECLINED, "no such part");
    is_int(lv_track_find(st, t, 9, 0, &ref), LV_DECLINED, "before the first");

    memset(&it, 0, sizeof(it));
    memset(&ref, 0xff, sizeof(ref));
    ok(!lv_part_run(st, &ref, &it, &p, &n), "garbage has no bytes");
    is_int(lv_part_pin(st, &ref), LV_DECLINED, "and cannot be pinned");
    is_int((long long) lv_part_limbo_since(st, 0xffffffff), 0, "nor asked for");

    lv_stream_remove(st, s, 1);
    ok(!lv_stream_alive(s, gen), "removed");
    ok(lv_stream_find(st, "one", 3, &gen) == NULL, "not found any more");
    is_int(lv_track_newest(st, t, &ref), LV_DECLINED, "its track is empty");
    ok(same_stat(st, &stat), "nothing is left of it");
    check(st, "after removal");

    lv_store_detach(st);
    munmap(base, 16 * MIB);
}


static void
writer_calls(void)
{
    void              *base;
    uint8_t            buf[9000], *big;
    uint32_t           i, epoch;
    lv_store_t        *st;
    lv_track_t        *t;
    lv_stream_t       *s;
    lv_part_ref_t      ref;
    lv_part_info_t     info;
    lv_store_stat_t    stat, now;
    lv_part_writer_t   w;
    const uint8_t     *p;
    size_t             n;
    lv_run_t           it;

    base = fix_format(16 * MIB);
    st = join(base, 16 * MIB);
    s = claim(st, "one", MIB, 5000, &epoch);
    t = track(st, s, epoch, "v0");
    lv_store_stat(st, &stat);

    is_int(lv_part_open(&w, st, s, t, epoch, LV_EXTENT / 2 + 1), LV_DECLINED,
           "too much room in front");
    is_int(lv_part_open(&w, st, s, t, epoch + 1, 0), LV_DECLINED,
           "who does not own it cannot open a part");

    is_int(lv_part_open(&w, st, s, t, epoch, 100), LV_OK, "open");
    memset(buf, 'a', sizeof(buf));
    lv_part_write(&w, buf, 9000);
    memset(buf, 'b', sizeof(buf));
    lv_part_patch(&w, 3990, buf, 20);      /* over an extent's end: 3996 */
    lv_part_patch(&w, 8990, buf, 20);      /* beyond the end: nothing */
    lv_part_rewind(&w, 5000);
    lv_part_rewind(&w, 6000);
    is_int(w.len, 5000, "rewound");
    memset(buf, 'c', sizeof(buf));
    lv_part_write(&w, buf, 2000);
    memset(&info, 0, sizeof(info));
    is_int(lv_part_commit(&w, "HEAD", 4, &info), LV_OK, "commit");
    is_int(w.part, LV_NONE, "the writer is closed");
    is_int(lv_part_write(&w, buf, 1), LV_DECLINED, "and cannot write");
    is_int(lv_part_commit(&w, "HEAD", 4, &info), LV_DECLINED, "nor commit");
    lv_part_abort(&w);

    lv_track_newest(st, t, &ref);
    lv_part_pin(st, &ref);
    big = calloc(1, ref.len + 1);
    memset(&it, 0, sizeof(it));
    for (i = 0; lv_part_run(st, &ref, &it, &p, &n); i += (uint32_t) n) {
        memcpy(big + i, p, n);
    }
    lv_part_unpin(st, ref.id);

    is_int(i, 7004, "length");
    ok(memcmp(big, "HEADaaaa", 8) == 0, "head, then payload");
    ok(big[4 + 3989] == 'a' && big[4 + 3990] == 'b' && big[4 + 4009] == 'b'
       && big[4 + 4010] == 'a', "patched over an extent's end");
    ok(big[4 + 4999] == 'a' && big[4 + 5000] == 'c' && big[7003] == 'c',
       "rewound and written again");
    free(big);

    lv_store_stat(st, &now);
    is_int(stat.extents_free - now.extents_free, 2,
           "7004 bytes take two extents; the rest was given back");

    lv_part_open(&w, st, s, t, epoch, 0);
    lv_part_write(&w, buf, 9000);
    lv_part_rewind(&w, 0);
    is_int(lv_part_write(&w, buf, 8192), LV_OK, "rewound to nothing");
    lv_part_rewind(&w, 4096);
    is_int(w.tail_used, 4096, "rewound to an extent's end");
    lv_part_abort(&w);
    is_int(lv_part_commit(&w, NULL, 0, &info), LV_DECLINED,
           "aborted, not committed");
    lv_store_stat(st, &stat);
    is_int(stat.extents_free, now.extents_free, "an aborted part leaves none");
    check(st, "after all that");

    lv_store_detach(st);
    munmap(base, 16 * MIB);
}


static void
init_sections(void)
{
    int               i, bad;
    void             *base;
    uint32_t          epoch;
    lv_store_t       *st;
    lv_track_t       *t;
    lv_stream_t      *s;
    lv_part_ref_t     ref;
    lv_part_info_t    info;
    lv_part_writer_t  w;

    base = fix_format(16 * MIB);
    st = join(base, 16 * MIB);
    s = claim(st, "one", MIB, 5000, &epoch);
    t = track(st, s, epoch, "v0");

    is_int(lv_track_init(st, t, 100, &ref), LV_DECLINED, "no init yet");
    is_int(fix_part(st, s, t, epoch, 1, 1, 100, 0, 0, 700, LV_PART_INIT),
           LV_OK, "init section");
    is_int(lv_track_newest(st, t, &ref), LV_DECLINED, "is no part");
    is_int(lv_track_init(st, t, 100, &ref), LV_OK, "found by its msn");
    is_int(fix_read(st, &ref, 1, 1), LV_OK, "its bytes");
    is_int(ref.info.init_msn, 100, "its name");
    is_int(lv_track_init(st, t, 101, &ref), LV_DECLINED, "no other");

    for (i = 0; i < 3; i++) {
        lv_part_open(&w, st, s, t, epoch, 100);
        memset(&info, 0, sizeof(info));
        info.msn = 100 + (uint32_t) i;
        info.init_msn = 100 + (uint32_t) i;
        lv_part_commit(&w, "x", 1, &info);
        fix_part(st, s, t, epoch, 1, 1, 101 + i, 0, 0, 700, LV_PART_INIT);
    }

    is_int(lv_track_init(st, t, 100, &ref), LV_OK, "the first is still there");
    lv_stream_evict(st, s, 102, 9000);
    is_int(lv_track_init(st, t, 100, &ref), LV_DECLINED,
           "evicted when nothing needs it");
    is_int(lv_track_init(st, t, 101, &ref), LV_DECLINED, "and the next");
    is_int(lv_track_init(st, t, 102, &ref), LV_OK,
           "what the oldest part needs stays");
    is_int(lv_track_init(st, t, 103, &ref), LV_OK, "so does the newest");

    bad = 0;
    for (i = 0; i < 20; i++) {
        bad += fix_part(st, s, t, epoch, 1, 1, 104 + i, 0, 0, 700,
                        LV_PART_INIT) != LV_OK;
        bad += lv_track_init(st, t, 104 + i, &ref) != LV_OK;
    }
    is_int(bad, 0, "twenty more");
    is_int(lv_track_init(st, t, 123 - LV_INITS + 1, &ref), LV_OK,
           "the newest eight are listed");
    is_int(lv_track_init(st, t, 123 - LV_INITS, &ref), LV_DECLINED,
           "no more than these");
    check(st, "with init sections");

    lv_store_detach(st);
    munmap(base, 16 * MIB);
}


static void
eviction_and_limbo(void)
{
    int               i;
    void             *base;
    uint32_t          epoch;
    lv_store_t       *st, *st2;
    lv_track_t       *t;
    lv_stream_t      *s;
    lv_part_ref_t     ref, held;
    lv_store_stat_t   stat;

    base = fix_format(16 * MIB);
    st = join(base, 16 * MIB);
    st2 = join(base, 16 * MIB);
    s = claim(st, "one", MIB, 5000, &epoch);
    t = track(st, s, epoch, "v0");

    for (i = 0; i < 12; i++) {
        fix_part(st, s, t, epoch, 1, 1, 10 + i / 3, i % 3, 500, 10000, 0);
    }

    lv_track_find(st2, t, 10, 1, &held);
    is_int(lv_part_pin(st2, &held), LV_OK, "pin");
    is_int(lv_part_pin(st2, &held), LV_OK, "pin twice");
    is_int((long long) lv_part_limbo_since(st2, held.id), 0, "not in limbo");

    lv_stream_evict(st, s, 12, 7777);
    lv_track_oldest(st, t, &ref);
    is_int(ref.info.msn * 10 + ref.info.part, 120, "two segments evicted");
    is_int(lv_track_find(st, t, 11, 2, &ref), LV_DECLINED, "gone by name");
    is_int(lv_track_part(st, t, 5, &ref), LV_DECLINED, "gone by count");
    is_int(lv_part_pin(st, &held), LV_DECLINED, "the evicted is not pinned");
    lv_store_stat(st, &stat);
    is_int(stat.extents_limbo, 3, "the pinned part is in limbo");
    is_int((long long) lv_part_limbo_since(st2, held.id), 7777, "since then");
    check(st, "with limbo");

    for (i = 12; i < 300; i++) {
        fix_part(st, s, t, epoch, 1, 1, 10 + i / 3, i % 3, 500, 10000, 0);
        lv_stream_evict(st, s, 10 + i / 3 - 2, 8000);
    }

    ok(fix_verify(st2, &held, 1, 1, NULL) == 0, "its bytes stay as they were");
    lv_part_unpin(st2, held.id);
    lv_store_reap(st, 9000);
    lv_store_stat(st, &stat);
    is_int(stat.extents_limbo, 3, "one pin is left");
    lv_part_unpin(st2, held.id);
    lv_part_unpin(st2, held.id);
    lv_store_reap(st, 9000);
    lv_store_stat(st, &stat);
    is_int(stat.extents_limbo, 0, "unpinned, then free");

    lv_stream_evict(st, s, 0xffffffff, 9000);
    is_int(lv_track_newest(st, t, &ref), LV_OK, "the newest part stays");
    lv_track_oldest(st, t, &ref);
    is_int(ref.info.part, 0, "with its whole segment");

    lv_part_pin(st2, &ref);
    lv_stream_remove(st, s, 9000);
    lv_store_stat(st, &stat);
    is_int(stat.extents_limbo, 3, "removed while it was read");
    ok(fix_verify(st2, &ref, 1, 1, NULL) == 0, "its bytes stay");
    lv_store_leave(st2);
    lv_store_reap(st, 9000);
    lv_store_stat(st, &stat);
    is_int(stat.extents_limbo, 0, "who leaves takes its pins along");
    is_int(stat.extents_free, stat.extents, "all is free");
    check(st, "at the end");

    lv_store_detach(st);
    lv_store_detach(st2);
    munmap(base, 16 * MIB);
}


static void
ring_wrap(void)
{
    int             i, bad, wrong;
    void           *base;
    uint32_t        epoch, k, old;
    lv_store_t     *st;
    lv_track_t     *t, *one;
    lv_stream_t    *s;
    lv_part_ref_t   ref;

    base = fix_format(64 * MIB);
    st = join(base, 64 * MIB);
    s = claim(st, "one", MIB, 5000, &epoch);
    t = track(st, s, epoch, "a0");

    bad = 0;
    for (i = 0; i < 2500; i++) {
        bad += fix_part(st, s, t, epoch, 1, 2, 10 + i / 6, i % 6, 100, 50, 0)
               != LV_OK;
    }
    is_int(bad, 0, "2500 parts without evicting any");
    lv_track_oldest(st, t, &ref);
    ok(ref.info.seq >= 2500 - LV_RING && ref.info.part == 0,
       "whole segments made room: oldest %u", ref.info.seq);
    old = ref.info.seq;

    bad = wrong = 0;
    for (k = 0; k < 2500; k++) {
        i = lv_track_find(st, t, 10 + k / 6, k % 6, &ref);
        bad += i != (k < old ? LV_DECLINED : LV_OK);
        if (i == LV_OK) {
            wrong += ref.info.seq != k || fix_read(st, &ref, 1, 2) != LV_OK;
        }
    }
    is_int(bad, 0, "the rest is found by name");
    is_int(wrong, 0, "and is right");
    check(st, "after a wrap");

    for (k = 0; k < LV_RING; k++) {
        atomic_store(&t->ring[k], k % 3 ? 0xfffffff0 + k : k);
    }
    bad = wrong = 0;
    for (k = old; k < 2500; k++) {
        bad += lv_track_part(st, t, k, &ref) != LV_OK;
        wrong += ref.info.seq != k || fix_read(st, &ref, 1, 2) != LV_OK;
    }
    is_int(bad + wrong, 0, "a ring full of garbage changes nothing");

    one = track(st, s, epoch, "v0");
    bad = 0;
    for (i = 0; i < LV_RING + 50; i++) {
        bad += fix_part(st, s, one, epoch, 1, 1, 10, i, 100, 50, 0) != LV_OK;
    }
    is_int(bad, 0, "a segment of more parts than the ring has");
    lv_track_oldest(st, one, &ref);
    is_int(ref.info.part, 50, "loses its oldest parts");
    check(st, "with a giant segment");

    lv_store_detach(st);
    munmap(base, 64 * MIB);
}


/* ---- streams ------------------------------------------------------------ */

static void
directory(void)
{
    int               i, n, bad;
    void             *base;
    char              id[70];
    uint32_t          epoch, gen;
    const char       *err;
    lv_store_t       *st;
    lv_stream_t      *s, *first;
    lv_store_stat_t   stat;

    base = fix_format(8 * MIB);
    st = join(base, 8 * MIB);
    lv_store_stat(st, &stat);

    memset(id, 'x', sizeof(id));
    refused(lv_stream_claim(st, "", 0, 0, 1, &s, &epoch, &err) == LV_ERROR,
            &err, "an empty id");
    is_int(lv_stream_claim(st, "a/b", 3, 0, 1, &s, &epoch, &err), LV_ERROR,
           "a slash");
    is_int(lv_stream_claim(st, "-a", 2, 0, 1, &s, &epoch, &err), LV_ERROR,
           "a dash in front");
    is_int(lv_stream_claim(st, id, 65, 0, 1, &s, &epoch, &err), LV_ERROR,
           "65 characters");
    is_int(lv_stream_claim(st, id, 64, 0, 1, &s, &epoch, &err), LV_OK,
           "64 characters");
    ok(lv_stream_find(st, id, 64, &gen) == s, "are found");
    ok(lv_stream_find(st, id, 65, &gen) == NULL, "65 are not");
    lv_stream_remove(st, s, 1);

    for (n = 0; n < 100; n++) {
        sprintf(id, "s%d", n);
        if (lv_stream_claim(st, id, strlen(id), 0, 1000, &s, &epoch, &err)
            != LV_OK)
        {
            break;
        }
    }
    is_int(n, 16, "the directory takes 16 in 8 MiB");
    refused(n == 16, &err, "then no more");
    check(st, "with a full directory");

    bad = 0;
    for (i = 0; i < 16; i++) {
        sprintf(id, "s%d", i);
        s = lv_stream_find(st, id, strlen(id), &gen);
        bad += s == NULL || strcmp(s->id, id) != 0;
    }
    is_int(bad, 0, "all are found");

    first = lv_stream_find(st, "s3", 2, &gen);
    s = claim(st, "s3", 0, 2000, &epoch);
    ok(s == first, "claimed again: the same one");
    lv_stream_set_state(st, s, epoch, LV_STREAM_ENDED, 5000);
    s = claim(st, "s5", 0, 2000, &epoch);
    lv_stream_set_state(st, s, epoch, LV_STREAM_ENDED, 4000);
    s = claim(st, "new", 0, 6000, &epoch);
    ok(s != NULL, "an ended stream makes room");
    ok(lv_stream_find(st, "s5", 2, &gen) == NULL
       && lv_stream_find(st, "s3", 2, &gen) != NULL, "the one that "
       "ended first");

    for (i = 1; i <= (int) lv_stream_count(st); i++) {
        s = lv_stream_at(st, (uint32_t) i, &gen);
        if (s) {
            lv_stream_remove(st, s, 1);
        }
    }
    ok(same_stat(st, &stat), "all removed");
    check(st, "after all that");

    lv_store_detach(st);
    munmap(base, 8 * MIB);
}


static void
ownership(void)
{
    void              *base;
    uint32_t           e1, e2, e3, gen;
    uint64_t           seen;
    const char        *err;
    lv_store_t        *a, *b;
    lv_track_t        *t;
    lv_stream_t       *s, *s2;
    lv_part_ref_t      ref;
    lv_part_info_t     info;
    lv_publisher_t     pub;
    lv_store_stat_t    stat;
    lv_part_writer_t   w, v;

    base = fix_format(8 * MIB);
    a = join(base, 8 * MIB);
    b = join(base, 8 * MIB);
    memset(&info, 0, sizeof(info));

    s = claim(a, "one", MIB, 1000000, &e1);
    t = track(a, s, e1, "v0");
    fix_part(a, s, t, e1, 1, 1, 1000, 0, 500, 5000, 0);
    lv_part_open(&w, a, s, t, e1, 100);
    lv_part_write(&w, "late", 4);

    memset(&pub, 0, sizeof(pub));
    strcpy(pub.addr, "192.0.2.1");
    lv_stream_set_publisher(s, &pub);
    memset(&pub, 0, sizeof(pub));
    lv_stream_publisher(s, &pub);
    is_str(pub.addr, "192.0.2.1", "publisher");

    ok(lv_stream_claim(b, "one", 3, MIB, 1000000, &s2, &e2, &err) == LV_OK
       && s2 == s && e2 != e1, "taken over by another process");
    ok(!lv_stream_owned(a, s, e1) && lv_stream_owned(b, s, e2),
       "it has another owner");
    ok(!lv_stream_owned(a, s, e2), "the epoch alone is not the owner");
    is_int(fix_part(b, s, t, e2, 1, 1, 1000, 1, 500, 5000, 0), LV_OK,
           "the new owner commits");
    info.msn = 1000;
    info.part = 1;
    is_int(lv_part_commit(&w, "x", 1, &info), LV_DECLINED,
           "the old one's late commit fails");
    is_int(w.part, LV_NONE, "and its part is gone");
    is_int(lv_part_open(&w, a, s, t, e1, 0), LV_DECLINED, "nor can it open");
    ok(track(a, s, e1, "a0") == NULL, "nor add a track");
    ok(!lv_stream_set_state(a, s, e1, LV_STREAM_ENDED, 1), "nor end it");
    lv_stream_release(a, s, e1, LV_STREAM_ENDED, 1);
    ok(lv_stream_owned(b, s, e2), "nor release it");
    lv_stream_evict(a, s, 1001, 1);
    lv_track_oldest(a, t, &ref);
    is_int(ref.info.seq, 0, "nor evict its parts");
    lv_track_newest(a, t, &ref);
    is_int(fix_read(a, &ref, 1, 1), LV_OK, "the part is the new owner's");
    check(a, "after take-over");

    /* same process, new session */
    lv_part_open(&w, b, s, t, e2, 100);
    s2 = claim(b, "one", MIB, 1000000, &e3);
    ok(s2 == s && !lv_stream_owned(b, s, e2), "taken over in one process");
    is_int(lv_part_commit(&w, "x", 1, &info), LV_DECLINED, "late again");

    lv_stream_set_state(b, s, e3, LV_STREAM_LIVE, 2000000);
    lv_part_open(&w, b, s, t, e3, 100);
    lv_stream_release(b, s, e3, LV_STREAM_INTERRUPTED, 2000000);
    is_int(s->state, LV_STREAM_INTERRUPTED, "released");
    is_int(lv_part_commit(&w, "x", 1, &info), LV_DECLINED,
           "who released it does not commit");
    seen = s->owner;
    is_int((uint32_t) seen, LV_SLOTS, "nobody's");
    is_int(lv_stream_adopt(a, s, seen, &e1), LV_OK, "adopted");
    is_int(lv_stream_adopt(b, s, seen, &e2), LV_DECLINED, "once");
    is_int(fix_part(a, s, t, e1, 1, 1, 1000, 2, 500, 5000, 0), LV_OK,
           "the adopter goes on");

    /* ended, then started again: new names */
    fix_part(a, s, t, e1, 1, 1, 5000, 0, 500, 5000, 0);
    lv_part_open(&v, a, s, t, e1, 100);
    lv_stream_release(a, s, e1, LV_STREAM_ENDED, 3000000);
    lv_store_stat(a, &stat);
    is_int(stat.extents_reserved, 0, "an ended stream reserves nothing");
    lv_stream_find(a, "one", 3, &gen);
    s2 = claimed(b, "one", 3000000, &e2);
    ok(!lv_stream_alive(s, gen), "an ended entry is replaced");
    is_int(s2->epoch, 5002, "it begins behind every msn that was used");
    is_int(lv_track_newest(a, t, &ref), LV_DECLINED, "the old track is empty");
    is_int(lv_part_commit(&v, "x", 1, &info), LV_DECLINED,
           "a part of the old one cannot be committed");
    check(a, "after a new start");

    lv_stream_set_state(b, s2, e2, LV_STREAM_ENDED, 3000000);
    s = claimed(b, "one", 9000000, &e2);
    is_int(s->epoch, 9000, "or at the second");

    lv_store_detach(a);
    lv_store_detach(b);
    munmap(base, 8 * MIB);
}


static void
janitor(void)
{
    void              *base;
    uint32_t           e1, e2, e3, gen;
    lv_store_t        *a, *b;
    lv_track_t        *t;
    lv_stream_t       *s;
    lv_store_stat_t    stat, fresh;
    lv_part_writer_t   w;

    base = fix_format(8 * MIB);
    a = join(base, 8 * MIB);
    lv_store_stat(a, &fresh);
    b = join(base, 8 * MIB);

    s = claim(a, "live", MIB, 1000000, &e1);
    t = track(a, s, e1, "v0");
    s->timing.window_ms = 30000;
    s->timing.resume_ms = 20000;
    fix_part(a, s, t, e1, 1, 1, 1000, 0, 500, 5000, 0);
    lv_stream_set_state(a, s, e1, LV_STREAM_LIVE, 1000000);
    lv_part_open(&w, a, s, t, e1, 0);
    ok(claim(a, "starting", MIB, 1000000, &e2) != NULL, "two streams");

    memset(rung, 0, sizeof(rung));
    lv_store_leave(a);
    is_int(s->state, LV_STREAM_INTERRUPTED, "who leaves interrupts its "
           "streams");
    ok(lv_stream_find(b, "starting", 8, &gen) == NULL,
       "one that never had a playlist goes");
    ok(rung[lv_store_slot(b)] > 0, "the others are rung");
    s->state_ms = 1000000;
    check(b, "after leaving");

    is_int(lv_store_reap(b, 1010000), 0, "no dead slot");
    is_int(s->state, LV_STREAM_INTERRUPTED, "within its resume time");
    lv_store_reap(b, 1000000 + 20000 + 60000);
    is_int(s->state, LV_STREAM_ENDED, "nobody adopted it: ended");
    lv_store_reap(b, 1080000 + 30000);
    is_int(s->state, LV_STREAM_ENDED, "still listed in its window");
    lv_store_reap(b, 1080000 + 30001);
    ok(lv_stream_find(b, "live", 4, &gen) == NULL, "then removed");

    s = claim(b, "kept", MIB, 1000000, &e3);
    lv_stream_set_state(b, s, e3, LV_STREAM_INTERRUPTED, 1000000);
    lv_store_reap(b, 9000000);
    is_int(s->state, LV_STREAM_INTERRUPTED, "one that is being filled stays");
    lv_stream_release(b, s, e3, LV_STREAM_INTERRUPTED, 9000000);
    is_int((long long) s->state_ms, 1000000,
           "given up by who filled it: interrupted since it was");
    lv_stream_remove(b, s, 1);

    ok(same_stat(b, &fresh), "nothing is left");
    lv_store_stat(b, &stat);
    is_int(stat.slots_used, 1, "one slot is used");

    lv_store_detach(a);
    lv_store_detach(b);
    munmap(base, 8 * MIB);
}


/* ---- pressure ----------------------------------------------------------- */

static void
admission(void)
{
    void             *base;
    uint32_t          e;
    uint64_t          all;
    const char       *err;
    lv_store_t       *st;
    lv_stream_t      *s;
    lv_store_stat_t   stat;

    base = fix_format(8 * MIB);
    st = join(base, 8 * MIB);
    lv_store_stat(st, &stat);
    all = (uint64_t) stat.extents * LV_EXTENT;

    ok(claim(st, "a", all * 60 / 100, 1000, &e) != NULL, "60 %% are promised");
    refused(lv_stream_claim(st, "b", 1, all * 40 / 100, 1000, &s, &e, &err)
            == LV_DECLINED, &err, "40 % more are refused");
    ok(claim(st, "b", all * 34 / 100, 1000, &e) != NULL, "34 %% are not");
    ok(claim(st, "a", all * 50 / 100, 1000, &e) != NULL,
       "claimed again, for less");
    s = claim(st, "c", all * 10 / 100, 1000, &e);
    ok(s != NULL, "that makes room for another");
    ok(claim(st, "c", all * 12 / 100, 1000, &e) == NULL,
       "which cannot have more");
    lv_store_stat(st, &stat);
    ok(stat.extents_reserved <= stat.extents * 95 / 100
       && stat.extents_reserved > stat.extents * 93 / 100, "94 %% in all");
    lv_stream_remove(st, s, 1);
    ok(claim(st, "d", all * 10 / 100, 1000, &e) != NULL, "until one goes");
    refused(lv_stream_claim(st, "e", 1, all * 2, 1000, &s, &e, &err)
            == LV_DECLINED, &err, "more than all");
    check(st, "with reservations");

    lv_store_detach(st);
    munmap(base, 8 * MIB);
}


typedef struct {
    lv_stream_t  *s;
    lv_track_t   *v, *a;
    uint32_t      epoch, msn;
    uint32_t      len;
} source_t;


/* A segment of three parts on two tracks; the number of refusals. */
static int
source_segment(lv_store_t *st, source_t *x, uint32_t n)
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


static void
source_open(lv_store_t *st, source_t *x, const char *id, uint64_t reserve,
    uint32_t len)
{
    x->s = claim(st, id, reserve, 1000000, &x->epoch);
    x->v = track(st, x->s, x->epoch, "v0");
    x->a = track(st, x->s, x->epoch, "a0");
    x->msn = x->s->epoch;
    x->len = len;
}


static void
pressure(void)
{
    int               i, k, bad;
    void             *base;
    char              id[16];
    uint32_t          lo, hi;
    source_t          x[4], late;
    lv_store_t       *st;
    lv_part_ref_t     ref;
    lv_store_stat_t   stat;

    base = fix_format(8 * MIB);
    st = join(base, 8 * MIB);

    /* one stream alone has everything, and nobody evicts for it */
    source_open(st, &x[0], "s0", MIB / 2, 30000);
    bad = 0;
    for (k = 0; k < 300; k++) {
        bad += source_segment(st, &x[0], 0);
    }
    is_int(bad, 0, "a stream that never evicts is never refused");
    lv_store_stat(st, &stat);
    ok(x[0].s->extents > stat.extents * 85 / 100,
       "it has %u of %u extents", x[0].s->extents, stat.extents);
    ok(stat.evictions > 200 && x[0].s->evicted == stat.evictions,
       "%llu evictions are counted", (unsigned long long) stat.evictions);
    check(st, "with one stream over everything");

    /* three more come; all get the same */
    for (i = 1; i < 4; i++) {
        sprintf(id, "s%d", i);
        source_open(st, &x[i], id, MIB / 2, i == 3 ? 5000 : 30000);
    }
    for (k = 0; k < 300; k++) {
        for (i = 0; i < 4; i++) {
            bad += source_segment(st, &x[i], (uint32_t) i);
        }
    }
    is_int(bad, 0, "nor with four streams");
    lo = hi = x[0].s->extents;
    for (i = 1; i < 4; i++) {
        lo = x[i].s->extents < lo ? x[i].s->extents : lo;
        hi = x[i].s->extents > hi ? x[i].s->extents : hi;
    }
    ok(hi - lo < 60, "shares are equal: %u to %u extents", lo, hi);
    check(st, "with four streams");

    bad = 0;
    for (i = 0; i < 4; i++) {
        lv_track_t  *t[2] = { x[i].v, x[i].a };

        for (k = 0; k < 2; k++) {
            bad += lv_track_oldest(st, t[k], &ref) != LV_OK
                   || ref.info.part != 0
                   || fix_read(st, &ref, (uint32_t) i, 1 + (uint32_t) k)
                      != LV_OK;
        }
        lv_track_oldest(st, x[i].v, &ref);
        lo = ref.info.msn;
        lv_track_oldest(st, x[i].a, &ref);
        bad += ref.info.msn != lo;
    }
    is_int(bad, 0, "each has whole segments, the same on both tracks");

    /* a newcomer takes from those that are furthest over, not from who is
     * within the reservation */
    source_open(st, &late, "late", 2 * MIB, 30000);
    for (k = 0; k < 25; k++) {
        bad += source_segment(st, &late, 9);
    }
    is_int(bad, 0, "a newcomer gets what it was promised");
    ok(late.s->extents >= 512, "%u extents", late.s->extents);
    is_int(late.s->evicted, 0, "and loses none of it");
    bad = 0;
    for (i = 0; i < 4; i++) {
        bad += x[i].s->extents < 100;
    }
    is_int(bad, 0, "no other falls below its reservation by more than a "
           "segment");
    check(st, "with a newcomer");

    lv_store_detach(st);
    munmap(base, 8 * MIB);
}


static void
full_store(void)
{
    int                n, rc, i;
    void              *base;
    char              *big;
    uint32_t           e, id;
    source_t           x;
    lv_store_t        *st;
    lv_stream_t       *s;
    lv_track_t        *t;
    lv_part_ref_t      ref;
    lv_part_info_t     info;
    lv_store_stat_t    stat, fresh;
    lv_part_writer_t   w, *many;

    base = fix_format(8 * MIB);
    st = join(base, 8 * MIB);
    lv_store_stat(st, &fresh);
    big = calloc(1, 8 * MIB);

    s = claim(st, "one", 0, 1000, &e);
    t = track(st, s, e, "v0");
    lv_part_open(&w, st, s, t, e, 100);

    for (n = 0; (rc = lv_part_write(&w, big, 100000)) == LV_OK; n++) { }
    is_int(rc, LV_AGAIN, "one open part cannot have more than there is");
    ok(n > 60, "%d writes of 100 kB", n);
    is_int(w.len, n * 100000, "a refused write wrote nothing");
    ok(lv_part_write(&w, big, 100) == LV_OK, "a smaller one may still go");
    lv_part_rewind(&w, 4000 - 100);
    memset(&info, 0, sizeof(info));
    is_int(lv_part_commit(&w, big, 100, &info), LV_OK, "commit");
    lv_store_stat(st, &stat);
    is_int(stat.extents_free, stat.extents - 1, "all the rest is given back");
    check(st, "after a full store");

    /* a head that does not fit, in a full store: the part stays open */
    lv_part_open(&w, st, s, t, e, 100);
    while (lv_part_write(&w, big, 4096) == LV_OK) { }
    while (lv_part_write(&w, big, 1) == LV_OK) { }
    is_int(lv_part_commit(&w, big, 5000, &info), LV_AGAIN,
           "no room for a long head");
    ok(w.part != LV_NONE, "the part is still open");
    is_int(lv_part_commit(&w, big, 100, &info), LV_OK,
           "with a short one it can be committed");
    lv_track_newest(st, t, &ref);
    is_int(ref.len, w.len + 100, "whole");
    lv_stream_remove(st, s, 1);

    /* ended streams go when nobody else has any to spare */
    source_open(st, &x, "ended", 0, 500000);
    source_segment(st, &x, 0);
    lv_stream_release(st, x.s, x.epoch, LV_STREAM_ENDED, 1000);
    s = claim(st, "two", 6 * MIB, 1000, &e);
    t = track(st, s, e, "v0");
    lv_part_open(&w, st, s, t, e, 100);
    for (n = 0; lv_part_write(&w, big, 100000) == LV_OK; n++) { }
    ok(n > 60 && lv_stream_find(st, "ended", 5, &id) == NULL,
       "an ended stream makes way for the living: %d writes", n);
    lv_part_abort(&w);

    /* all part entries open at once */
    many = calloc(fresh.parts + 1, sizeof(w));
    for (n = 0; n <= (int) fresh.parts; n++) {
        rc = lv_part_open(&many[n], st, s, t, e, 0);
        if (rc != LV_OK) {
            break;
        }
    }
    is_int(rc, LV_AGAIN, "part entries run out");
    is_int(n, fresh.parts, "when all are open");
    for (i = 0; i < n; i++) {
        lv_part_abort(&many[i]);
    }
    free(many);

    /* small parts: entries run out before extents, and segments make room */
    rc = 0;
    lv_stream_remove(st, s, 1);
    source_open(st, &x, "small", MIB, 100);
    for (i = 0; i < 400; i++) {
        rc += source_segment(st, &x, 0);
    }
    is_int(rc, 0, "small parts are never refused");
    lv_store_stat(st, &stat);
    ok(stat.evictions > 0 && stat.extents_free > stat.extents / 3,
       "part entries are what was short");
    check(st, "with many small parts");
    lv_stream_remove(st, x.s, 1);

    ok(same_stat(st, &fresh), "nothing is left");
    free(big);
    lv_store_detach(st);
    munmap(base, 8 * MIB);
}


static void
pinned_pressure(void)
{
    int               i, k, bad, pinned;
    void             *base;
    source_t          x;
    lv_store_t       *st, *rd;
    lv_part_ref_t     held[3];
    lv_store_stat_t   stat;

    base = fix_format(8 * MIB);
    st = join(base, 8 * MIB);
    rd = join(base, 8 * MIB);
    source_open(st, &x, "one", MIB, 30000);

    bad = 0;
    pinned = 0;
    for (k = 0; k < 200; k++) {
        bad += source_segment(st, &x, 1);
        if (k % 60 == 0 && pinned < 3) {
            lv_track_newest(rd, x.v, &held[pinned]);
            bad += lv_part_pin(rd, &held[pinned++]) != LV_OK;
        }
    }
    is_int(bad, 0, "pins do not stop the writer");
    bad = 0;
    for (i = 0; i < 3; i++) {
        bad += fix_verify(rd, &held[i], 1, 1, NULL) != 0;
    }
    is_int(bad, 0, "what is pinned stays whole");
    lv_store_stat(st, &stat);
    ok(stat.extents_limbo > 0, "%u extents in limbo", stat.extents_limbo);
    for (i = 0; i < 3; i++) {
        lv_part_unpin(rd, held[i].id);
    }
    for (k = 0; k < 200; k++) {
        bad += source_segment(st, &x, 1);
    }
    lv_store_stat(st, &stat);
    is_int(stat.extents_limbo, 0, "the allocator takes back limbo by itself");
    check(st, "after limbo");

    lv_store_detach(st);
    lv_store_detach(rd);
    munmap(base, 8 * MIB);
}


/* ---- doorbell, sessions ------------------------------------------------- */

static void
doorbell(void)
{
    void         *base;
    uint32_t      e, i, i2;
    uint64_t      dirty[LV_STREAM_WORDS];
    lv_store_t   *a, *b, *c;
    lv_stream_t  *s, *s2;

    base = fix_format(8 * MIB);
    a = join(base, 8 * MIB);
    b = join(base, 8 * MIB);
    c = join(base, 8 * MIB);
    s = claim(a, "one", 0, 1000, &e);
    s2 = claim(a, "two", 0, 1000, &e);
    i = lv_stream_index(a, s);
    i2 = lv_stream_index(a, s2);

    memset(rung, 0, sizeof(rung));
    rings = 0;
    lv_stream_notify(a, s);
    is_int(rings, 0, "nobody is interested: nobody is rung");

    lv_stream_watch(b, s);
    lv_stream_notify(a, s);
    ok(rung[lv_store_slot(b)] == 1 && rings == 1, "who is, is rung");
    lv_stream_notify(a, s);
    lv_stream_watch(b, s2);
    lv_stream_notify(a, s2);
    is_int(rings, 1, "once, until it has looked");
    is_int(lv_bell_take(b, dirty), 1, "one word has bits");
    ok(dirty[i / 64] == ((uint64_t) 1 << i % 64 | (uint64_t) 1 << i2 % 64),
       "of both streams");
    is_int(lv_bell_take(b, dirty), 0, "taken");

    /* a commit between the receiver's clear and its look is seen; one behind
     * its look rings again: whatever the interleaving */
    lv_stream_notify(a, s);
    is_int(rings, 2, "then it is rung again");
    lv_bell_failed(a, lv_store_slot(b));
    lv_stream_notify(a, s);
    is_int(rings, 3, "a bell that failed is tried again");
    lv_bell_take(b, dirty);

    lv_stream_unwatch(b, s);
    lv_stream_notify(a, s);
    is_int(rings, 3, "no more when it has lost interest");

    lv_stream_watch(c, s2);
    rings = 0;
    memset(rung, 0, sizeof(rung));
    lv_stream_set_state(a, s2, e, LV_STREAM_LIVE, 5);
    ok(rings == 2 && rung[lv_store_slot(a)] == 0,
       "a change of state rings who watches");
    lv_bell_take(b, dirty);
    lv_bell_take(c, dirty);
    rings = 0;
    lv_stream_release(a, s2, e, LV_STREAM_INTERRUPTED, 5);
    is_int(rings, 3, "a release rings everybody");
    lv_bell_take(b, dirty);
    lv_bell_take(c, dirty);
    rings = 0;
    lv_stream_remove(a, s2, 5);
    is_int(rings, 2, "a removal rings who watches");

    lv_store_detach(a);
    lv_store_detach(b);
    lv_store_detach(c);
    munmap(base, 8 * MIB);
}


static void
sessions(void)
{
    int           i, fresh;
    void         *base;
    uint32_t      e, gen, gen2, i1, i2, *count;
    lv_store_t   *st;
    lv_stream_t  *s, *s2;

    base = fix_format(8 * MIB);
    st = join(base, 8 * MIB);
    s = claim(st, "one", 0, 1000, &e);
    s2 = claim(st, "two", 0, 1000, &e);
    i1 = lv_stream_index(st, s);
    i2 = lv_stream_index(st, s2);
    gen = s->gen;
    gen2 = s2->gen;
    count = calloc(lv_stream_count(st) + 1, sizeof(uint32_t));

    ok(lv_session_seen(st, i1, gen, 77, 100), "a new session");
    ok(!lv_session_seen(st, i1, gen, 77, 101), "the same again");
    ok(lv_session_seen(st, i2, gen2, 77, 101), "the same viewer elsewhere");
    ok(lv_session_seen(st, i1, gen, 78, 90), "another");
    ok(!lv_session_seen(st, 0, 0, 78, 90), "no such stream");

    lv_session_count(st, 110, 30, count);
    ok(count[i1] == 2 && count[i2] == 1, "counted");
    lv_session_count(st, 125, 30, count);
    ok(count[i1] == 1 && count[i2] == 1, "one is idle");
    ok(!lv_session_seen(st, i1, gen, 78, 200), "it comes back");
    lv_session_count(st, 200, 30, count);
    ok(count[i1] == 1 && count[i2] == 0, "the other is idle");
    lv_session_count(st, 199, 30, count);
    is_int(count[i1], 1, "seen a second ahead of the clock: counted");

    for (i = 0, fresh = 0; i < 1500; i++) {
        fresh += lv_session_seen(st, i1, gen, 0x9e3779b97f4a7c15ULL
                                 * (uint64_t) (i + 1), 300);
    }
    is_int(fresh, 1500, "1500 in 2048 places");
    lv_session_count(st, 300, 30, count);
    is_int(count[i1], 1500, "are counted");
    for (i = 0, fresh = 0; i < 50000; i++) {
        fresh += lv_session_seen(st, i1, gen, 0x9e3779b97f4a7c15ULL
                                 * (uint64_t) (i + 5000), 400);
    }
    is_int(fresh, 50000, "more than there are places");
    lv_session_count(st, 400, 30, count);
    ok(count[i1] > 1900 && count[i1] <= 2048, "the table is full: %u",
       count[i1]);

    lv_stream_remove(st, s, 1);
    lv_session_count(st, 400, 30, count);
    is_int(count[i1], 0, "a removed stream has no viewers");

    free(count);
    lv_store_detach(st);
    munmap(base, 8 * MIB);
}


/* Nothing that is in shared memory may make a reader fault. */
static void
garbage(void)
{
    int              i, n;
    void            *base;
    size_t           len;
    uint32_t         k, e, gen, id;
    uint64_t         r;
    lv_run_t         it;
    source_t         x;
    lv_store_t      *st;
    lv_track_t      *t;
    lv_part_ref_t    ref;
    const uint8_t   *p;
    lv_track_desc_t  d;

    base = fix_format(8 * MIB);
    st = join(base, 8 * MIB);
    source_open(st, &x, "one", 0, 30000);
    for (i = 0; i < 10; i++) {
        source_segment(st, &x, 1);
    }

    r = 88172645463325252ULL;
    e = 0;
    n = 0;

    for (i = 0; i < 3000; i++) {
        for (k = 0; k < 20; k++) {
            r ^= r << 13;
            r ^= r >> 7;
            r ^= r << 17;
            id = (uint32_t) (r % LV_RING);
            x.v->ring[id] = (uint32_t) (r >> 20);
            x.v->head = r & 4 ? (uint64_t) e << 32 | (r >> 50) : r;
            x.v->tail_seq = (uint32_t) (r >> 11);
            x.v->init[r % LV_INITS] = (uint32_t) (r >> 9);
            x.s->track[r % 2] = r & 8 ? (uint32_t) (r >> 33)
                                      : (uint32_t) (r >> 60);
            x.s->track_count = (uint32_t) (r >> 40);
            e = (uint32_t) r;
        }

        t = lv_stream_track(st, x.s, "v0", 2);
        t = t ? t : x.v;
        lv_track_desc(t, &d);
        n += lv_track_newest(st, t, &ref) == LV_OK;
        n += lv_track_oldest(st, t, &ref) == LV_OK;
        n += lv_track_find(st, t, x.s->epoch + 3, 1, &ref) == LV_OK;
        n += lv_track_init(st, t, 3, &ref) == LV_OK;
        n += lv_track_part(st, t, (uint32_t) r, &ref) == LV_OK;
        lv_stream_find(st, "one", 3, &gen);

        ref.extent = (uint32_t) r % 4000;
        ref.offset = (uint32_t) (r >> 20) % 5000;
        ref.len = (uint32_t) (r >> 30);
        memset(&it, 0, sizeof(it));
        while (lv_part_run(st, &ref, &it, &p, &len)) {
            n += p[0] + p[len - 1];
        }
    }

    ok(1, "garbage in the store is survived (%d)", n);
    lv_store_detach(st);
    munmap(base, 8 * MIB);
}


int
main(void)
{
    refusals();
    sizes();
    slots();
    write_and_read();
    writer_calls();
    init_sections();
    eviction_and_limbo();
    ring_wrap();
    directory();
    ownership();
    janitor();
    admission();
    pressure();
    full_store();
    pinned_pressure();
    doorbell();
    sessions();
    garbage();

    return done_testing();
}
