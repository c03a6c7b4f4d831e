/* The store: what is left when a process dies, at one step that matters and at
 * every single step of a publisher's and a reader's life. */

#include "store_steps.h"


/* ---- repair ------------------------------------------------------------- */

/* Somebody dies with the lock held. */
static void
die_locked(void)
{
    pid_t  p;

    p = fork();

    if (p == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        lv_store_t  *st;

        st = join();
        lv_store_lock(st);
        _exit(0);
    }

    waitpid(p, NULL, 0);
}


static lv_part_info_t  info_a;

static void
a_commits(void)
{
    lv_part_commit(&w, "y", 1, &info_a);
}


static void
commits_during_repair(void)
{
    size_t           i;
    lv_store_stat_t  stat;

    static const char *const  step[] = {
        "repair-begin", "repair-hash", "repair-streams", "repair-tracks",
        "repair-marked", "repair-parts", "repair-end"
    };

    for (i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
        begin();
        lv_part_open(&w, a, s, t, ea, 600);
        lv_part_write(&w, "0123456789", 10);
        memset(&info_a, 0, sizeof(info_a));
        info_a.msn = 11;
        die_locked();
        when(step[i], a_commits);
        lv_store_stat(b, &stat);        /* the first to take the lock */
        is_int((long long) stat.repairs, 1, step[i]);
        lv_store_reap(b, 1);
        is_int(lv_track_find(b, t, 11, 0, &ref), LV_OK,
               "committed during a repair: it stays");
        is_int(lv_track_find(b, t, 10, 0, &ref), LV_OK, "with what was there");
        end("committed during a repair");
    }
}


static void
die_here(void)
{
    kill(getpid(), SIGKILL);
}


/* An entry that is free still knows the extents that it had; they are
 * another's now. Somebody dies who has just taken it. */
static void
stale_chain(void)
{
    pid_t             p;
    uint32_t          e;
    lv_store_stat_t   stat;
    lv_part_writer_t  v;
    lv_part_info_t    info;

    begin();
    lv_stream_set_state(a, s, ea, LV_STREAM_LIVE, 1);
    memset(&info, 0, sizeof(info));
    lv_part_open(&v, a, s, t, ea, 600);
    lv_part_open(&w, a, s, t, ea, 600);
    e = a->parts[w.part].extent;
    info.msn = 11;
    lv_part_commit(&w, "x", 1, &info);
    info.msn = 12;
    lv_part_commit(&v, "x", 1, &info);
    put(a, ea, 13, 0);
    fix_evict(a, s, 13, 1);
    a->h->cursor = e;
    put(a, ea, 14, 0);
    lv_track_newest(a, t, &ref);
    ok(ref.extent == e && a->parts[a->h->part_free].extent == e
       && a->h->part_free > ref.id, "the entry that is taken next has a "
       "stale chain");

    p = fork();

    if (p == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        a = join();
        claim(a, "one", &ea);
        when("part-open", die_here);
        lv_part_open(&w, a, s, t, ea, 600);
        _exit(0);
    }

    waitpid(p, NULL, 0);
    lv_store_stat(b, &stat);
    is_int((long long) stat.repairs, 1, "somebody died there");
    lv_store_reap(b, 1);
    ok(reads(b, 14, 0), "the part whose extents they are has them still");
    end("stale chain");
}


/* Somebody dies who was removing a stream whose owner lives. */
static void
half_removed(void)
{
    char               err[200] = "";
    pid_t              p;
    unsigned           i;
    lv_store_stat_t    stat;

    static const char *const  where[] = { "remove-state", "remove-gen" };

    for (i = 0; i < 2; i++) {
        begin();
        lv_stream_watch(b, s, fix_gen(s));
        rung = 0;
        p = fork();

        if (p == 0) {
            (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
            a = join();
            when(where[i], die_here);
            lv_stream_remove(a, s, 1);
            _exit(0);
        }

        waitpid(p, NULL, 0);
        ok(!lv_stream_set_state(a, s, ea, LV_STREAM_LIVE, 5),
           "removed up to %s: its owner is nobody's", where[i]);
        ok(rung > 0, "who watched it is told");
        is_int(put(a, ea, 11, 0), LV_DECLINED, "nothing is added");
        lv_store_reap(b, 1);
        ok(lv_store_check(b, err, sizeof(err)) == LV_OK, "%s",
           err[0] ? err : "consistent");
        lv_store_stat(b, &stat);
        is_int(stat.streams_used, 0, "no stream is left");
        end(where[i]);
    }
}


/* Writes until it is told to stop, at every step of somebody's repair. */
static void
open_parts_survive_repair(void)
{
    int              i, bad;
    uint8_t          buf[5000];
    uint64_t         seed;
    lv_part_ref_t    held;
    lv_part_info_t   info;

    begin();
    lv_track_newest(b, t, &held);
    lv_part_pin(b, &held);
    put(a, ea, 10, 1);
    put(a, ea, 11, 1);
    fix_evict(a, s, 11, 1);
    a->h->cursor = 1;

    seed = fix_seed(1, 1, 50, 0);
    lv_part_open(&w, a, s, t, ea, 600);
    bad = 0;

    for (i = 0; i < 20; i++) {
        fix_fill(buf, seed, 50 + (uint32_t) i * 5000, sizeof(buf));
        die_locked();
        bad += lv_part_write(&w, buf, sizeof(buf)) != LV_OK;
        a->h->cursor = held.extent;
        bad += put(a, ea, 12 + (uint32_t) i, 0) != LV_OK;
        lv_store_reap(b, 1);
    }

    ok(fix_verify(b, &held, 1, 1, NULL) == 0, "what is pinned survives them");
    lv_part_unpin(b, held.id);
    is_int(bad, 0, "written between twenty deaths with the lock held");
    memset(&info, 0, sizeof(info));
    info.msn = 50;
    info.duration = 100050;
    info.samples = 1 << 8 | 1;
    fix_fill(buf, seed, 0, 50);
    is_int(lv_part_commit(&w, buf, 50, &info), LV_OK, "committed");
    ok(reads(b, 50, 0), "every byte is right");
    end("open parts survive repair");
}


/* ---- a death at every step ---------------------------------------------- */

/* What somebody does who dies in it: publishing with everything that belongs
 * to it, reading, watching, cleaning up, taking over, ending. */
static void
script(void)
{
    int                i;
    uint32_t           e, e2, gen;
    uint64_t           d[LV_STREAM_WORDS];
    lv_store_t        *st;
    lv_track_t        *v, *tr;
    lv_stream_t       *x, *o;
    lv_part_ref_t      r;
    lv_publisher_t     pub;
    lv_track_desc_t    desc;
    lv_part_writer_t   open;

    st = join();
    lv_store_reap(st, 10000);

    x = claim(st, "dying", &e);
    memset(&pub, 0, sizeof(pub));
    lv_stream_set_publisher(st, x, &pub);
    fix_desc(&desc, "v0");
    v = lv_track_add(st, x, e, &desc);
    x->timing.window_ms = 1;

    for (i = 0; i < 2; i++) {
        fix_part(st, x, v, e, 2, 1, 10 + (uint32_t) i, 0, 0, 700,
                 LV_PART_INIT);
        fix_part(st, x, v, e, 2, 1, 10 + (uint32_t) i, 0, 500, 20000, 0);
        fix_part(st, x, v, e, 2, 1, 10 + (uint32_t) i, 1, 5000, 3000, 0);
    }

    lv_stream_set_state(st, x, e, LV_STREAM_LIVE, 10000);
    lv_stream_watch(st, x, fix_gen(x));
    lv_stream_notify(st, x);
    lv_bell_take(st, d);
    lv_session_seen(st, 1, 1, 99, 10);

    lv_track_find(st, v, 10, 0, &r);
    lv_part_pin(st, &r);
    fix_evict(st, x, 11, 10000);
    lv_part_unpin(st, r.id);
    lv_store_reap(st, 10000);
    lv_part_open(&open, st, x, v, e, 100);

    /* another's stream, too */
    o = lv_stream_find(st, "taken", 5, &gen);
    tr = o ? lv_stream_track(st, o, "v0", 2) : NULL;

    if (tr) {
        claim(st, "taken", &e2);
        fix_part(st, o, tr, e2, 3, 1, 20, (uint32_t) getpid() % 60000, 500,
                 9000, 0);
        lv_stream_release(st, o, e2, LV_STREAM_INTERRUPTED, 10000);
    }

    lv_stream_release(st, x, e, LV_STREAM_ENDED, 10000);
    x = claim(st, "dying", &e);
    lv_stream_set_state(st, x, e, LV_STREAM_ENDED, 10000);
    lv_store_reap(st, 10500);
    x = claim(st, "dying", &e);
    lv_stream_remove(st, x, 10000);
    lv_store_detach(st);
}


/* Every part that is listed, of every stream, is whole. */
static int
all_read(lv_store_t *st)
{
    int             bad;
    uint32_t        i, gen, seq, n;
    lv_track_t     *tr;
    lv_stream_t    *x;
    lv_part_ref_t   r, head;

    static const struct {
        const char  *id;
        uint32_t     number;
    } known[] = { { "one", 1 }, { "dying", 2 }, { "taken", 3 } };

    bad = 0;

    for (i = 0; i < 3; i++) {
        x = lv_stream_find(st, known[i].id, strlen(known[i].id), &gen);

        for (n = 0; x && n < LV_STREAM_TRACKS; n++) {
            tr = lv_stream_track_at(st, x, n);

            if (tr == NULL || lv_track_newest(st, tr, &head) != LV_OK) {
                continue;
            }

            for (seq = tr->tail_seq; seq <= head.info.seq; seq++) {
                bad += lv_track_part(st, tr, seq, &r) != LV_OK
                       || fix_read(st, &r, known[i].number, 1) != LV_OK;
            }
        }
    }

    return bad;
}


static bool
die(int step, bool locked)
{
    int    status;
    pid_t  p;

    if (locked) {
        die_locked();
    }

    p = fork();

    if (p == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        steps = 0;
        die_at = step;
        script();
        _exit(0);
    }

    waitpid(p, &status, 0);

    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}


static void
a_death_at_every_step(bool locked)
{
    int               n, wrong;
    char              err[200] = "";
    uint32_t          e, gen;
    lv_track_t       *tr;
    lv_stream_t      *x, *taken;
    lv_store_stat_t   fresh, stat;
    lv_track_desc_t   d;

    begin();
    taken = claim(a, "taken", &e);
    fix_desc(&d, "v0");
    tr = lv_track_add(a, taken, e, &d);
    fix_part(a, taken, tr, e, 3, 1, 10, 0, 500, 9000, 0);
    lv_stream_set_state(a, taken, e, LV_STREAM_LIVE, 10000);
    lv_store_stat(b, &fresh);
    wrong = 0;

    for (n = 1; wrong == 0 && die(n, locked); n++) {
        lv_store_reap(b, 10000);

        if (lv_store_check(b, err, sizeof(err)) != LV_OK || all_read(b) != 0) {
            diag("after step %d: %s", n, err[0] ? err : "a part is not whole");
            wrong++;
        }

        /* the survivors go on where it was */

        claim(a, "taken", &e);
        put(a, ea, 10 + (uint32_t) n, 0);
        fix_evict(a, s, 10 + (uint32_t) n - 3, 1);

        if (fix_part(a, taken, tr, e, 3, 1, 20 + (uint32_t) n, 0, 500, 9000,
                     0) != LV_OK)
        {
            diag("after step %d: no take-over", n);
            wrong++;
        }

        fix_evict(a, taken, 20 + (uint32_t) n, 1);
        x = lv_stream_find(b, "dying", 5, &gen);

        if (x) {
            lv_stream_remove(b, x, 1);
        }

        lv_store_reap(b, 10000);
        lv_store_stat(b, &stat);

        if (stat.streams_used != fresh.streams_used
            || stat.tracks_used != fresh.tracks_used
            || stat.slots_used != fresh.slots_used || stat.extents_limbo
            || stat.extents_reserved != fresh.extents_reserved
            || stat.parts - stat.parts_free > 10
            || all_read(b) != 0)
        {
            diag("after step %d: %u streams, %u tracks, %u slots, %u limbo, "
                 "%u parts used", n, stat.streams_used, stat.tracks_used,
                 stat.slots_used, stat.extents_limbo,
                 stat.parts - stat.parts_free);
            wrong++;
        }
    }

    ok(wrong == 0 && n > 200, "a death at each of %d steps%s leaves nothing "
       "wrong", n - 1, locked ? ", after one with the lock held," : "");
    lv_stream_remove(b, taken, 1);
    end("a death at every step");
}


int
main(void)
{
    alarm(300);

    commits_during_repair();
    stale_chain();
    half_removed();
    open_parts_survive_repair();
    a_death_at_every_step(false);
    a_death_at_every_step(true);

    return done_testing();
}
