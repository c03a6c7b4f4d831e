/* The store: parts written, read, listed and evicted. */

#include "store_fixture.h"


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
    st = fix_join(base, 16 * MIB);
    lv_store_stat(st, &stat);

    s = fix_claimed(st, "one", 1700000000000, &epoch);
    is_int(s->epoch, 1700000000, "the first msn is the second of creation");
    is_int(s->state, LV_STREAM_STARTING, "it is starting");
    ok(lv_stream_owned(st, s, epoch), "it is owned");
    ok(lv_stream_find(st, "one", 3, &gen) == s && lv_stream_alive(s, gen),
       "it is found");
    ok(lv_stream_find(st, "two", 3, &gen) == NULL, "another is not");
    ok(lv_stream_find(st, "on", 2, &gen) == NULL, "nor a beginning");
    ok(lv_stream_at(st, lv_stream_index(st, s), &gen) == s, "by index");

    t = fix_track(st, s, epoch, "v0");
    ok(t && lv_stream_track(st, s, "v0", 2) == t, "track by name");
    ok(lv_stream_track_at(st, s, 0) == t, "track by place");
    ok(lv_stream_track(st, s, "a0", 2) == NULL, "no such track");
    ok(lv_track_desc(t, &d) == LV_OK && strcmp(d.codecs, "avc1.64001f") == 0,
       "description");
    d.peak_bps = 5;
    ok(lv_track_set_desc(st, s, t, epoch, &d), "described by the owner");
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
    fix_check(st, "with nine parts");

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
    ok(fix_same_stat(st, &stat), "nothing is left of it");
    fix_check(st, "after removal");

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
    st = fix_join(base, 16 * MIB);
    s = fix_claim(st, "one", MIB, 5000, &epoch);
    t = fix_track(st, s, epoch, "v0");
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
    fix_check(st, "after all that");

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
    st = fix_join(base, 16 * MIB);
    s = fix_claim(st, "one", MIB, 5000, &epoch);
    t = fix_track(st, s, epoch, "v0");

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
    fix_evict(st, s, 102, 9000);
    is_int(lv_track_init(st, t, 100, &ref), LV_DECLINED,
           "evicted when nothing needs it");
    is_int(lv_track_init(st, t, 101, &ref), LV_DECLINED, "and the next");
    is_int(lv_track_init(st, t, 102, &ref), LV_OK,
           "what the oldest part needs stays");
    is_int(lv_track_init(st, t, 103, &ref), LV_OK, "so does the newest");

    bad = 0;
    for (i = 0; i < 2 * LV_INITS; i++) {
        bad += fix_part(st, s, t, epoch, 1, 1, 104 + i, 0, 0, 700,
                        LV_PART_INIT) != LV_OK;
        bad += lv_track_init(st, t, 104 + i, &ref) != LV_OK;
    }
    is_int(bad, 0, "many more that no part follows");
    is_int(lv_track_init(st, t, 102, &ref), LV_OK,
           "push out none that a part needs");
    fix_check(st, "with init sections");

    lv_store_detach(st);
    munmap(base, 16 * MIB);
}


/* Commits a part that needs the init section `init_msn`. */
static void
part_needing(lv_store_t *st, lv_stream_t *s, lv_track_t *t, uint32_t epoch,
    uint32_t msn, uint32_t init_msn)
{
    lv_part_info_t    info;
    lv_part_writer_t  w;

    lv_part_open(&w, st, s, t, epoch, 100);
    memset(&info, 0, sizeof(info));
    info.msn = msn;
    info.init_msn = init_msn;
    lv_part_commit(&w, "x", 1, &info);
}


/* More changes of the configuration than the list of init sections holds. */
static void
init_sections_run_out(void)
{
    int             lost, unlisted;
    void           *base;
    uint32_t        i, k, epoch, init;
    lv_store_t     *st;
    lv_track_t     *t;
    lv_stream_t    *s;
    lv_part_ref_t   ref, tail;

    base = fix_format(16 * MIB);
    st = fix_join(base, 16 * MIB);
    s = fix_claim(st, "one", MIB, 5000, &epoch);
    t = fix_track(st, s, epoch, "v0");
    lost = unlisted = 0;

    for (i = 0; i < 3 * LV_INITS; i++) {

        /* two segments of each */
        init = 100 + 2 * i;
        fix_part(st, s, t, epoch, 1, 1, init, 0, 0, 700, LV_PART_INIT);
        part_needing(st, s, t, epoch, init, init);
        part_needing(st, s, t, epoch, init + 1, init);

        lv_track_oldest(st, t, &tail);

        for (k = tail.info.msn; k <= init + 1; k++) {
            if (lv_track_find(st, t, k, 0, &ref) != LV_OK) {
                unlisted++;
            } else {
                lost += lv_track_init(st, t, ref.info.init_msn, &ref) != LV_OK;
            }
        }
    }

    is_int(lost, 0, "no part is listed whose init section is gone");
    is_int(unlisted, 0, "nor is there a hole");
    is_int(init + 2 - tail.info.msn, 2 * LV_INITS,
           "as many configurations as there are places stay");
    fix_check(st, "with all init sections in use");

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
    st = fix_join(base, 16 * MIB);
    st2 = fix_join(base, 16 * MIB);
    s = fix_claim(st, "one", MIB, 5000, &epoch);
    t = fix_track(st, s, epoch, "v0");

    for (i = 0; i < 12; i++) {
        fix_part(st, s, t, epoch, 1, 1, 10 + i / 3, i % 3, 500, 10000, 0);
    }

    lv_track_find(st2, t, 10, 1, &held);
    is_int(lv_part_pin(st2, &held), LV_OK, "pin");
    is_int(lv_part_pin(st2, &held), LV_OK, "pin twice");
    is_int((long long) lv_part_limbo_since(st2, held.id), 0, "not in limbo");

    fix_evict(st, s, 12, 7777);
    lv_track_oldest(st, t, &ref);
    is_int(ref.info.msn * 10 + ref.info.part, 120, "two segments evicted");
    is_int(lv_track_find(st, t, 11, 2, &ref), LV_DECLINED, "gone by name");
    is_int(lv_track_part(st, t, 5, &ref), LV_DECLINED, "gone by count");
    is_int(lv_part_pin(st, &held), LV_DECLINED, "the evicted is not pinned");
    lv_store_stat(st, &stat);
    is_int(stat.extents_limbo, 3, "the pinned part is in limbo");
    is_int((long long) lv_part_limbo_since(st2, held.id), 7777, "since then");
    fix_check(st, "with limbo");

    for (i = 12; i < 300; i++) {
        fix_part(st, s, t, epoch, 1, 1, 10 + i / 3, i % 3, 500, 10000, 0);
        fix_evict(st, s, 10 + i / 3 - 2, 8000);
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

    fix_evict(st, s, 0xffffffff, 9000);
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
    fix_check(st, "at the end");

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
    st = fix_join(base, 64 * MIB);
    s = fix_claim(st, "one", MIB, 5000, &epoch);
    t = fix_track(st, s, epoch, "a0");

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
    fix_check(st, "after a wrap");

    for (k = 0; k < LV_RING; k++) {
        atomic_store(&t->ring[k], k % 3 ? 0xfffffff0 + k : k);
    }
    bad = wrong = 0;
    for (k = old; k < 2500; k++) {
        bad += lv_track_part(st, t, k, &ref) != LV_OK;
        wrong += ref.info.seq != k || fix_read(st, &ref, 1, 2) != LV_OK;
    }
    is_int(bad + wrong, 0, "a ring full of garbage changes nothing");

    one = fix_track(st, s, epoch, "v0");
    bad = 0;
    for (i = 0; i < LV_RING + 50; i++) {
        bad += fix_part(st, s, one, epoch, 1, 1, 10, i, 100, 50, 0) != LV_OK;
    }
    is_int(bad, 0, "a segment of more parts than the ring has");
    lv_track_oldest(st, one, &ref);
    is_int(ref.info.part, 50, "loses its oldest parts");
    fix_check(st, "with a giant segment");

    lv_store_detach(st);
    munmap(base, 64 * MIB);
}


int
main(void)
{
    write_and_read();
    writer_calls();
    init_sections();
    init_sections_run_out();
    eviction_and_limbo();
    ring_wrap();

    return done_testing();
}
