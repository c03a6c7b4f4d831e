/* The store: directory, owners, janitor, doorbell, sessions. */

#include "store_fixture.h"


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
    st = fix_join(base, 8 * MIB);
    lv_store_stat(st, &stat);

    memset(id, 'x', sizeof(id));
    fix_refused(lv_stream_claim(st, "", 0, 0, 1, &s, &epoch, &err) == LV_ERROR,
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
    fix_refused(n == 16, &err, "then no more");
    fix_check(st, "with a full directory");

    bad = 0;
    for (i = 0; i < 16; i++) {
        sprintf(id, "s%d", i);
        s = lv_stream_find(st, id, strlen(id), &gen);
        bad += s == NULL || strcmp(s->id, id) != 0;
    }
    is_int(bad, 0, "all are found");

    first = lv_stream_find(st, "s3", 2, &gen);
    s = fix_claim(st, "s3", 0, 2000, &epoch);
    ok(s == first, "claimed again: the same one");
    lv_stream_set_state(st, s, epoch, LV_STREAM_ENDED, 5000);
    s = fix_claim(st, "s5", 0, 2000, &epoch);
    lv_stream_set_state(st, s, epoch, LV_STREAM_ENDED, 4000);
    s = fix_claim(st, "new", 0, 6000, &epoch);
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
    ok(fix_same_stat(st, &stat), "all removed");
    fix_check(st, "after all that");

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
    a = fix_join(base, 8 * MIB);
    b = fix_join(base, 8 * MIB);
    memset(&info, 0, sizeof(info));

    s = fix_claim(a, "one", MIB, 1000000, &e1);
    t = fix_track(a, s, e1, "v0");
    fix_part(a, s, t, e1, 1, 1, 1000, 0, 500, 5000, 0);
    lv_part_open(&w, a, s, t, e1, 100);
    lv_part_write(&w, "late", 4);

    memset(&pub, 0, sizeof(pub));
    strcpy(pub.addr, "192.0.2.1");
    lv_stream_set_publisher(a, s, &pub);
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
    ok(fix_track(a, s, e1, "a0") == NULL, "nor add a track");
    ok(!lv_stream_set_state(a, s, e1, LV_STREAM_ENDED, 1), "nor end it");
    lv_stream_release(a, s, e1, LV_STREAM_ENDED, 1);
    ok(lv_stream_owned(b, s, e2), "nor release it");
    fix_evict(a, s, 1001, 1);
    lv_track_oldest(a, t, &ref);
    is_int(ref.info.seq, 0, "nor evict its parts");
    lv_track_newest(a, t, &ref);
    is_int(fix_read(a, &ref, 1, 1), LV_OK, "the part is the new owner's");
    fix_check(a, "after take-over");

    /* same process, new session */
    lv_part_open(&w, b, s, t, e2, 100);
    s2 = fix_claim(b, "one", MIB, 1000000, &e3);
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
    s2 = fix_claimed(b, "one", 3000000, &e2);
    ok(!lv_stream_alive(s, gen), "an ended entry is replaced");
    is_int(s2->epoch, 5002, "it begins behind every msn that was used");
    is_int(lv_track_newest(a, t, &ref), LV_DECLINED, "the old track is empty");
    is_int(lv_part_commit(&v, "x", 1, &info), LV_DECLINED,
           "a part of the old one cannot be committed");
    fix_check(a, "after a new start");

    lv_stream_set_state(b, s2, e2, LV_STREAM_ENDED, 3000000);
    s = fix_claimed(b, "one", 9000000, &e2);
    is_int(s->epoch, 9000, "or at the second");

    lv_store_detach(a);
    lv_store_detach(b);
    munmap(base, 8 * MIB);
}


/* A publisher and its successor may be in one process: the epoch tells. */
static void
displaced_in_one_process(void)
{
    void             *base;
    uint32_t          i, old, new;
    lv_store_t       *st;
    lv_track_t       *t;
    lv_stream_t      *s;
    lv_part_ref_t     ref;
    lv_track_desc_t   d;

    base = fix_format(8 * MIB);
    st = fix_join(base, 8 * MIB);
    s = fix_claimed(st, "one", 1000000, &old);
    t = fix_track(st, s, old, "v0");

    for (i = 0; i < 6; i++) {
        fix_part(st, s, t, old, 1, 1, 1000 + i, 0, 500, 5000, 0);
    }

    fix_claimed(st, "one", 2000000, &new);

    lv_stream_evict(st, s, old, 1004, 1);
    lv_track_oldest(st, t, &ref);
    is_int(ref.info.msn, 1000, "a displaced publisher evicts nothing");
    lv_stream_evict(st, s, new, 1002, 1);
    lv_track_oldest(st, t, &ref);
    is_int(ref.info.msn, 1002, "its successor does");

    lv_track_desc(t, &d);
    d.peak_bps = 77;
    ok(!lv_track_set_desc(st, s, t, old, &d), "nor does it describe a track");
    lv_track_desc(t, &d);
    ok(d.peak_bps != 77, "the description is as it was");
    d.peak_bps = 78;
    ok(lv_track_set_desc(st, s, t, new, &d), "its successor does");
    lv_track_desc(t, &d);
    is_int(d.peak_bps, 78, "and that is seen");

    lv_store_detach(st);
    munmap(base, 8 * MIB);
}


/* Whoever tells of it: a publish has one stop, and never another's. */
static void
stops(void)
{
    void            *base;
    uint32_t         e;
    lv_store_t      *a, *b;
    lv_stream_t     *s;
    lv_publisher_t   pub;

    base = fix_format(8 * MIB);
    a = fix_join(base, 8 * MIB);
    b = fix_join(base, 8 * MIB);
    s = fix_claim(a, "one", MIB, 1000000, &e);

    ok(!lv_stream_publisher_stopped(a, s, 0, 0), "nobody has published");
    memset(&pub, 0, sizeof(pub));
    strcpy(pub.addr, "192.0.2.1");
    pub.pid = 77;
    pub.since_ms = 1000000;
    lv_stream_set_publisher(a, s, &pub);
    ok(!lv_stream_publisher_stopped(b, s, 77, 999999)
       && !lv_stream_publisher_stopped(b, s, 78, 1000000),
       "another publish does not stop this one");
    ok(lv_stream_publisher_stopped(b, s, 77, 1000000), "it stops");
    ok(!lv_stream_publisher_stopped(a, s, 77, 1000000), "once");
    lv_stream_publisher(s, &pub);
    ok(pub.pid == 0 && strcmp(pub.addr, "192.0.2.1") == 0,
       "who it was is still known");

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
    a = fix_join(base, 8 * MIB);
    lv_store_stat(a, &fresh);
    b = fix_join(base, 8 * MIB);

    s = fix_claim(a, "live", MIB, 1000000, &e1);
    t = fix_track(a, s, e1, "v0");
    s->timing.window_ms = 30000;
    s->timing.resume_ms = 20000;
    fix_part(a, s, t, e1, 1, 1, 1000, 0, 500, 5000, 0);
    lv_stream_set_state(a, s, e1, LV_STREAM_LIVE, 1000000);
    lv_part_open(&w, a, s, t, e1, 0);
    ok(fix_claim(a, "starting", MIB, 1000000, &e2) != NULL, "two streams");

    memset(fix_rung, 0, sizeof(fix_rung));
    lv_store_leave(a);
    is_int(s->state, LV_STREAM_INTERRUPTED, "who leaves interrupts its "
           "streams");
    ok(lv_stream_find(b, "starting", 8, &gen) == NULL,
       "one that never had a playlist goes");
    ok(fix_rung[lv_store_slot(b)] > 0, "the others are rung");
    s->state_ms = 1000000;
    fix_check(b, "after leaving");

    is_int(lv_store_reap(b, 1010000), 0, "no dead slot");
    is_int(s->state, LV_STREAM_INTERRUPTED, "within its resume time");
    lv_store_reap(b, 1000000 + 20000 + 60000);
    is_int(s->state, LV_STREAM_ENDED, "nobody adopted it: ended");
    lv_store_reap(b, 1080000 + 30000);
    is_int(s->state, LV_STREAM_ENDED, "still listed in its window");
    lv_store_reap(b, 1080000 + 30001);
    ok(lv_stream_find(b, "live", 4, &gen) == NULL, "then removed");

    s = fix_claim(b, "kept", MIB, 1000000, &e3);
    lv_stream_set_state(b, s, e3, LV_STREAM_INTERRUPTED, 1000000);
    lv_store_reap(b, 9000000);
    is_int(s->state, LV_STREAM_INTERRUPTED, "one that is being filled stays");
    lv_stream_release(b, s, e3, LV_STREAM_INTERRUPTED, 9000000);
    is_int((long long) s->state_ms, 1000000,
           "given up by who filled it: interrupted since it was");
    lv_stream_remove(b, s, 1);

    ok(fix_same_stat(b, &fresh), "nothing is left");
    lv_store_stat(b, &stat);
    is_int(stat.slots_used, 1, "one slot is used");

    lv_store_detach(a);
    lv_store_detach(b);
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
    a = fix_join(base, 8 * MIB);
    b = fix_join(base, 8 * MIB);
    c = fix_join(base, 8 * MIB);
    s = fix_claim(a, "one", 0, 1000, &e);
    s2 = fix_claim(a, "two", 0, 1000, &e);
    i = lv_stream_index(a, s);
    i2 = lv_stream_index(a, s2);

    memset(fix_rung, 0, sizeof(fix_rung));
    fix_rings = 0;
    lv_stream_notify(a, s);
    is_int(fix_rings, 0, "nobody is interested: nobody is rung");

    lv_stream_watch(b, s, fix_gen(s));
    lv_stream_notify(a, s);
    ok(fix_rung[lv_store_slot(b)] == 1 && fix_rings == 1, "who is, is rung");
    lv_stream_notify(a, s);
    lv_stream_watch(b, s2, fix_gen(s2));
    lv_stream_notify(a, s2);
    is_int(fix_rings, 1, "once, until it has looked");
    is_int(lv_bell_take(b, dirty), 1, "one word has bits");
    ok(dirty[i / 64] == ((uint64_t) 1 << i % 64 | (uint64_t) 1 << i2 % 64),
       "of both streams");
    is_int(lv_bell_take(b, dirty), 0, "taken");

    /* a commit between the receiver's clear and its look is seen; one behind
     * its look rings again: whatever the interleaving */
    lv_stream_notify(a, s);
    is_int(fix_rings, 2, "then it is rung again");
    lv_bell_failed(a, lv_store_slot(b));
    lv_stream_notify(a, s);
    is_int(fix_rings, 3, "a bell that failed is tried again");
    lv_bell_take(b, dirty);

    lv_stream_unwatch(b, s, fix_gen(s));
    lv_stream_notify(a, s);
    is_int(fix_rings, 3, "no more when it has lost interest");

    lv_stream_watch(c, s2, fix_gen(s2));
    fix_rings = 0;
    memset(fix_rung, 0, sizeof(fix_rung));
    lv_stream_set_state(a, s2, e, LV_STREAM_LIVE, 5);
    ok(fix_rings == 2 && fix_rung[lv_store_slot(a)] == 0,
       "a change of state rings who watches");
    lv_bell_take(b, dirty);
    lv_bell_take(c, dirty);
    fix_rings = 0;
    lv_stream_release(a, s2, e, LV_STREAM_INTERRUPTED, 5);
    is_int(fix_rings, 3, "a release rings everybody");
    lv_bell_take(b, dirty);
    lv_bell_take(c, dirty);
    fix_rings = 0;
    lv_stream_remove(a, s2, 5);
    is_int(fix_rings, 2, "a removal rings who watches");

    lv_store_detach(a);
    lv_store_detach(b);
    lv_store_detach(c);
    munmap(base, 8 * MIB);
}


/* Several parts of a process watch the same stream. */
static void
watchers(void)
{
    void         *base;
    uint32_t      e, gen, next;
    uint64_t      dirty[LV_STREAM_WORDS];
    lv_store_t   *a, *b;
    lv_stream_t  *s, *s2;

    base = fix_format(8 * MIB);
    a = fix_join(base, 8 * MIB);
    b = fix_join(base, 8 * MIB);
    s = fix_claim(a, "one", 0, 1000, &e);
    gen = fix_gen(s);

    lv_stream_watch(b, s, gen);
    lv_stream_watch(b, s, gen);
    lv_stream_unwatch(b, s, gen);
    fix_rings = 0;
    lv_stream_notify(a, s);
    is_int(fix_rings, 1, "one of two watchers goes, the other is rung");
    lv_bell_take(b, dirty);
    lv_stream_unwatch(b, s, gen);
    lv_stream_unwatch(b, s, gen);
    lv_stream_notify(a, s);
    is_int(fix_rings, 1, "nobody once both have gone");

    /* the entry becomes another stream's before the first has let go */
    lv_stream_watch(b, s, gen);
    lv_stream_watch(b, s, gen);
    lv_stream_remove(a, s, 5);
    lv_bell_take(b, dirty);
    s2 = fix_claim(a, "two", 0, 1000, &e);
    ok(s2 == s, "the place is used again");
    next = fix_gen(s2);
    lv_stream_watch(b, s, gen);
    fix_rings = 0;
    lv_stream_notify(a, s2);
    is_int(fix_rings, 0, "who would watch the old one does not watch the new");
    lv_stream_watch(b, s2, next);
    lv_stream_unwatch(b, s, gen);
    lv_stream_notify(a, s2);
    is_int(fix_rings, 1, "who lets the old one go keeps the new");
    lv_bell_take(b, dirty);
    lv_stream_unwatch(b, s2, next);
    lv_stream_notify(a, s2);
    is_int(fix_rings, 1, "and one call is enough to let that go");

    lv_store_detach(a);
    lv_store_detach(b);
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
    st = fix_join(base, 8 * MIB);
    s = fix_claim(st, "one", 0, 1000, &e);
    s2 = fix_claim(st, "two", 0, 1000, &e);
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


/* A name, once used, never means other bytes, also when the wall clock is set
 * back: streams' names go on from where any have been. */
static void
names(void)
{
    void             *base, *next;
    uint32_t          e;
    lv_store_t       *st;
    lv_track_t       *t;
    const char       *err;
    lv_stream_t      *s;
    lv_store_conf_t   conf;

    base = fix_format(8 * MIB);
    st = fix_join(base, 8 * MIB);

    s = fix_claim(st, "one", 0, 9000000, &e);
    is_int(s->epoch, 9000, "names begin at the second");
    t = fix_track(st, s, e, "v0");
    ok(fix_part(st, s, t, e, 1, 0, 9300, 0, 100, 100, 0) == LV_OK,
       "a stream goes on while the clock is set back");
    lv_stream_remove(st, s, 5000000);
    s = fix_claim(st, "one", 0, 5000000, &e);
    is_int(s->epoch, 9301, "its next life begins behind it");
    lv_stream_remove(st, s, 5000000);

    lv_store_reap(st, 9900000);
    lv_store_reap(st, 5000000);
    s = fix_claim(st, "two", 0, 5000000, &e);
    is_int(s->epoch, 9900, "no stream begins before any second that was");
    lv_stream_remove(st, s, 5000000);
    s = fix_claim(st, "two", 0, 9950000, &e);
    is_int(s->epoch, 9950, "when the clock has caught up, it counts");

    memset(&conf, 0, sizeof(conf));
    conf.owner = FIX_OWNER;
    conf.now_ms = 5000000;
    conf.born_min = lv_store_born_min(base, 4096);
    next = fix_map(8 * MIB);
    ok(next && lv_store_format(next, 8 * MIB, &conf, &err) == LV_OK,
       "a new store in the place of the old one");
    lv_store_detach(st);
    st = fix_join(next, 8 * MIB);
    s = fix_claim(st, "one", 0, 5000000, &e);
    is_int(s->epoch, 9950, "goes on where that was");

    memset(base, 0, 4096);
    is_int(lv_store_born_min(base, 4096), 0, "what is no store tells nothing");
    is_int(lv_store_born_min(next, 100), 0, "nor does the beginning of one");

    lv_store_detach(st);
    munmap(base, 8 * MIB);
    munmap(next, 8 * MIB);
}


int
main(void)
{
    directory();
    names();
    ownership();
    displaced_in_one_process();
    stops();
    janitor();
    doorbell();
    watchers();
    sessions();

    return done_testing();
}
