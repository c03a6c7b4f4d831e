/* The store: who gets room, and who loses it. */

#include "store_fixture.h"


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
    st = fix_join(base, 8 * MIB);
    lv_store_stat(st, &stat);
    all = (uint64_t) stat.extents * LV_EXTENT;

    ok(fix_claim(st, "a", all * 60 / 100, 1000, &e) != NULL,
       "60 %% are promised");
    fix_refused(lv_stream_claim(st, "b", 1, all * 40 / 100, 1000, &s, &e, &err)
            == LV_DECLINED, &err, "40 % more are refused");
    ok(fix_claim(st, "b", all * 34 / 100, 1000, &e) != NULL, "34 %% are not");
    ok(fix_claim(st, "a", all * 50 / 100, 1000, &e) != NULL,
       "claimed again, for less");
    s = fix_claim(st, "c", all * 10 / 100, 1000, &e);
    ok(s != NULL, "that makes room for another");
    ok(fix_claim(st, "c", all * 12 / 100, 1000, &e) == NULL,
       "which cannot have more");
    lv_store_stat(st, &stat);
    ok(stat.extents_reserved <= stat.extents * 95 / 100
       && stat.extents_reserved > stat.extents * 93 / 100, "94 %% in all");
    lv_stream_remove(st, s, 1);
    ok(fix_claim(st, "d", all * 10 / 100, 1000, &e) != NULL, "until one goes");
    fix_refused(lv_stream_claim(st, "e", 1, all * 2, 1000, &s, &e, &err)
            == LV_DECLINED, &err, "more than all");
    fix_check(st, "with reservations");

    lv_store_detach(st);
    munmap(base, 8 * MIB);
}



static void
pressure(void)
{
    int               i, k, bad;
    void             *base;
    char              id[16];
    uint32_t          lo, hi;
    fix_source_t      x[4], late;
    lv_store_t       *st;
    lv_part_ref_t     ref;
    lv_store_stat_t   stat;

    base = fix_format(8 * MIB);
    st = fix_join(base, 8 * MIB);

    /* one stream alone has everything, and nobody evicts for it */
    fix_source_open(st, &x[0], "s0", MIB / 2, 30000);
    bad = 0;
    for (k = 0; k < 300; k++) {
        bad += fix_source_segment(st, &x[0], 0);
    }
    is_int(bad, 0, "a stream that never evicts is never refused");
    lv_store_stat(st, &stat);
    ok(x[0].s->extents > stat.extents * 85 / 100,
       "it has %u of %u extents", x[0].s->extents, stat.extents);
    ok(stat.evictions > 200 && x[0].s->evicted == stat.evictions,
       "%llu evictions are counted", (unsigned long long) stat.evictions);
    fix_check(st, "with one stream over everything");

    /* three more come; all get the same */
    for (i = 1; i < 4; i++) {
        sprintf(id, "s%d", i);
        fix_source_open(st, &x[i], id, MIB / 2, i == 3 ? 5000 : 30000);
    }
    for (k = 0; k < 300; k++) {
        for (i = 0; i < 4; i++) {
            bad += fix_source_segment(st, &x[i], (uint32_t) i);
        }
    }
    is_int(bad, 0, "nor with four streams");
    lo = hi = x[0].s->extents;
    for (i = 1; i < 4; i++) {
        lo = x[i].s->extents < lo ? x[i].s->extents : lo;
        hi = x[i].s->extents > hi ? x[i].s->extents : hi;
    }
    ok(hi - lo < 60, "shares are equal: %u to %u extents", lo, hi);
    fix_check(st, "with four streams");

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
    fix_source_open(st, &late, "late", 2 * MIB, 30000);
    for (k = 0; k < 22; k++) {
        bad += fix_source_segment(st, &late, 9);
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
    fix_check(st, "with a newcomer");

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
    fix_source_t           x;
    lv_store_t        *st;
    lv_stream_t       *s;
    lv_track_t        *t;
    lv_part_ref_t      ref;
    lv_part_info_t     info;
    lv_store_stat_t    stat, fresh;
    lv_part_writer_t   w, *many;

    base = fix_format(8 * MIB);
    st = fix_join(base, 8 * MIB);
    lv_store_stat(st, &fresh);
    big = calloc(1, 8 * MIB);

    s = fix_claim(st, "one", 0, 1000, &e);
    t = fix_track(st, s, e, "v0");
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
    fix_check(st, "after a full store");

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
    fix_source_open(st, &x, "ended", 0, 500000);
    fix_source_segment(st, &x, 0);
    lv_stream_release(st, x.s, x.epoch, LV_STREAM_ENDED, 1000);
    s = fix_claim(st, "two", 5 * MIB, 1000, &e);
    t = fix_track(st, s, e, "v0");
    lv_part_open(&w, st, s, t, e, 100);
    for (n = 0; lv_part_write(&w, big, 100000) == LV_OK; n++) { }
    ok(n > 50 && lv_stream_find(st, "ended", 5, &id) == NULL,
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
    fix_source_open(st, &x, "small", MIB, 100);
    for (i = 0; i < 400; i++) {
        rc += fix_source_segment(st, &x, 0);
    }
    is_int(rc, 0, "small parts are never refused");
    lv_store_stat(st, &stat);
    ok(stat.evictions > 0 && stat.extents_free > stat.extents / 3,
       "part entries are what was short");
    fix_check(st, "with many small parts");
    lv_stream_remove(st, x.s, 1);

    ok(fix_same_stat(st, &fresh), "nothing is left");
    free(big);
    lv_store_detach(st);
    munmap(base, 8 * MIB);
}


static void
pinned_pressure(void)
{
    int               i, k, bad, pinned;
    void             *base;
    fix_source_t          x;
    lv_store_t       *st, *rd;
    lv_part_ref_t     held[3];
    lv_store_stat_t   stat;

    base = fix_format(8 * MIB);
    st = fix_join(base, 8 * MIB);
    rd = fix_join(base, 8 * MIB);
    fix_source_open(st, &x, "one", MIB, 30000);

    bad = 0;
    pinned = 0;
    for (k = 0; k < 200; k++) {
        bad += fix_source_segment(st, &x, 1);
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
        bad += fix_source_segment(st, &x, 1);
    }
    lv_store_stat(st, &stat);
    is_int(stat.extents_limbo, 0, "the allocator takes back limbo by itself");
    fix_check(st, "after limbo");

    lv_store_detach(st);
    lv_store_detach(rd);
    munmap(base, 8 * MIB);
}


int
main(void)
{
    admission();
    pressure();
    full_store();
    pinned_pressure();

    return done_testing();
}
