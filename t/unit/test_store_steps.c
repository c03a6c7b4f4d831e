/*
 * The store, step by step: what happens when somebody else acts exactly
 * between two steps of a protocol, and what is left when a process dies at
 * every single step of a publisher's and a reader's life.
 */

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "tap.h"

#define LV_STORE_KILL

#include "../../ngx_live_module/lib/lv_store.c"
#include "../../ngx_live_module/lib/lv_store_slot.c"
#include "../../ngx_live_module/lib/lv_store_alloc.c"
#include "../../ngx_live_module/lib/lv_store_bell.c"
#include "../../ngx_live_module/lib/lv_store_check.c"
#include "../../ngx_live_module/lib/lv_store_commit.c"
#include "../../ngx_live_module/lib/lv_store_evict.c"
#include "../../ngx_live_module/lib/lv_store_owner.c"
#include "../../ngx_live_module/lib/lv_store_part.c"
#include "../../ngx_live_module/lib/lv_store_read.c"
#include "../../ngx_live_module/lib/lv_store_repair.c"
#include "../../ngx_live_module/lib/lv_store_session.c"
#include "../../ngx_live_module/lib/lv_store_stream.c"
#include "../../ngx_live_module/lib/lv_store_track.c"
#include "store_fixture.h"

#define SIZE  (16u << 20)

/* Two processes' views, in one thread; `act` is what b does when a comes to
 * the step `at`, once. */
static void               *base;
static lv_store_t         *a, *b;
static lv_stream_t        *s;
static lv_track_t         *t;
static uint32_t            ea, eb;
static const char         *at;
static void              (*act)(void);
static int                 steps, die_at;
static int                 rung;
static lv_part_writer_t    w;
static lv_part_ref_t       ref;


void
lv_store_kill_hook(const char *name)
{
    void  (*f)(void);

    if (die_at && ++steps == die_at) {
        kill(getpid(), SIGKILL);
    }

    if (at && strcmp(at, name) == 0) {
        f = act;
        at = NULL;
        f();
    }
}


static void
when(const char *name, void (*f)(void))
{
    at = name;
    act = f;
}


static void
ring(void *ctx, unsigned slot)
{
    rung++;
}


static lv_store_t *
join(void)
{
    lv_store_t  *st;
    const char  *err;

    st = lv_store_attach(base, SIZE, FIX_OWNER, ring, NULL, &err);

    if (st == NULL || lv_store_join(st, (uint32_t) getpid(), 1, 1000, &err)
                      != LV_OK)
    {
        diag("join: %s", err);
        exit(2);
    }

    return st;
}


static lv_stream_t *
claim(lv_store_t *st, const char *id, uint32_t *epoch)
{
    const char   *err;
    lv_stream_t  *x;

    if (lv_stream_claim(st, id, strlen(id), 100000, 10000, &x, epoch, &err)
        != LV_OK)
    {
        diag("claim: %s", err);
        exit(2);
    }

    return x;
}


/* Small parts, all of one extent: their commits need no lock. */
static int
put(lv_store_t *st, uint32_t epoch, uint32_t msn, uint32_t part)
{
    return fix_part(st, s, t, epoch, 1, 1, msn, part, 100, 3000, 0);
}


static void
begin(void)
{
    lv_track_desc_t  d;

    base = fix_format(SIZE);
    a = join();
    b = join();
    s = claim(a, "one", &ea);
    fix_desc(&d, "v0");
    t = lv_track_add(a, s, ea, &d);
    put(a, ea, 10, 0);
}


static void
end(const char *name)
{
    char             err[200] = "";
    lv_store_stat_t  stat;

    if (!ok(lv_store_check(b, err, sizeof(err)) == LV_OK, "consistent: %s",
            name))
    {
        diag("%s", err);
    }

    lv_stream_remove(b, s, 1);
    lv_store_detach(a);
    lv_store_reap(b, 1);
    lv_store_stat(b, &stat);
    ok(stat.extents_free == stat.extents && stat.parts_free == stat.parts
       && stat.streams_used == 0, "nothing is left: %s", name);
    lv_store_detach(b);
    munmap(base, SIZE);
}


static bool
reads(lv_store_t *st, uint32_t msn, uint32_t part)
{
    return lv_track_find(st, t, msn, part, &ref) == LV_OK
           && fix_read(st, &ref, 1, 1) == LV_OK;
}


/* ---- late commits ------------------------------------------------------- */

static void
b_claims(void)
{
    claim(b, "one", &eb);
}


static void
taken_over_before_the_head(void)
{
    begin();
    when("commit-filled", b_claims);
    is_int(put(a, ea, 10, 1), LV_DECLINED,
           "taken over just before the head: the commit fails");
    lv_track_newest(b, t, &ref);
    is_int(ref.info.part, 0, "nothing of it is seen");
    is_int(put(b, eb, 11, 0), LV_OK, "the new owner goes on");
    end("taken over before the head");
}


/* Opens that very entry. */
static void
opens(lv_store_t *st, uint32_t id)
{
    int               n;
    lv_part_writer_t  other[20];

    for (n = 0; n < 20; n++) {
        lv_part_open(&w, st, s, t, eb, 600);

        if (w.part == id) {
            break;
        }

        other[n] = w;
    }

    if (n == 20) {
        diag("part %u is not free", id);
        exit(2);
    }

    while (n > 0) {
        lv_part_abort(&other[--n]);
    }
}


static int  rc_a;

static void
a_links(void)
{
    lv_part_info_t  info;

    memset(&info, 0, sizeof(info));
    info.msn = 77;
    rc_a = commit_media(&w, &info);
}


static void
half_taken_over(void)
{
    begin();
    lv_part_open(&w, a, s, t, ea, 600);
    when("take-owner", a_links);
    b_claims();
    is_int(rc_a, LV_DECLINED, "no commit from the owner word on, even if the "
           "heads never follow");
    lv_part_abort(&w);
    is_int(put(b, eb, 11, 0), LV_OK, "the new owner goes on");
    end("half taken over");
}


/* The part that a has just linked goes through all of its life, and begins
 * another in b's hands. */
static void
b_lives_on(void)
{
    uint32_t  id;

    id = lv_pair_low(t->head);
    b_claims();
    put(b, eb, 11, 0);
    put(b, eb, 12, 0);
    lv_stream_evict(b, s, 12, 1);

    opens(b, id);
}


static void
late_word(void)
{
    uint32_t         id;
    lv_part_info_t   info;

    begin();
    when("commit-head", b_lives_on);
    is_int(put(a, ea, 10, 1), LV_OK, "committed, then displaced");
    id = w.part;
    ok(id != LV_NONE && lv_word_state(a->parts[id].word) == LV_PART_OPEN,
       "its late word does not touch the entry's next life");
    memset(&info, 0, sizeof(info));
    info.msn = 13;
    is_int(lv_part_commit(&w, "x", 1, &info), LV_OK, "which goes on");
    ok(reads(a, 12, 0), "and the rest is right");
    end("late word");
}


static void
b_goes_round(void)
{
    uint32_t  msn;

    b_claims();

    for (msn = 11; msn < 11 + LV_RING; msn++) {
        put(b, eb, msn, 0);
        lv_stream_evict(b, s, msn - 20, 1);
    }
}


static void
late_ring(void)
{
    uint32_t  msn, wrong;

    begin();
    when("commit-word", b_goes_round);
    is_int(put(a, ea, 10, 1), LV_OK, "committed, then displaced for long");

    for (msn = LV_RING - 9, wrong = 0; msn < 11 + LV_RING; msn++) {
        wrong += !reads(a, msn, 0);
    }

    is_int(wrong, 0, "its late ring entry misleads nobody");
    end("late ring");
}


/* ---- pins --------------------------------------------------------------- */

static void
a_evicts(void)
{
    put(a, ea, 11, 0);
    lv_stream_evict(a, s, 11, 5);
}


static void
evicted_around_a_pin(void)
{
    lv_store_stat_t  stat;

    begin();
    lv_track_newest(b, t, &ref);
    when("pin-added", a_evicts);
    is_int(lv_part_pin(b, &ref), LV_DECLINED,
           "evicted between pin and look: no pin");
    lv_store_stat(b, &stat);
    is_int(stat.extents_limbo, 1, "it waits in limbo");
    lv_store_reap(b, 1);
    lv_store_stat(b, &stat);
    is_int(stat.extents_limbo, 0, "then it is free");
    end("evicted around a pin");

    begin();
    lv_track_newest(b, t, &ref);
    when("pin-held", a_evicts);
    is_int(lv_part_pin(b, &ref), LV_OK, "evicted after the look: pinned");
    put(a, ea, 12, 0);
    put(a, ea, 13, 0);
    ok(fix_verify(b, &ref, 1, 1, NULL) == 0, "and its bytes stay");
    lv_part_unpin(b, ref.id);
    end("evicted under a pin");
}


/* ---- reading ------------------------------------------------------------ */

/* The entry `id` becomes, in b's hands, a part that looks like (seq, msn) of
 * this track and is not in its list. */
static void
b_forges(uint32_t id, uint32_t seq, uint32_t msn)
{
    lv_part_info_t  info;

    put(a, ea, 11, 0);
    put(a, ea, 12, 0);
    lv_stream_evict(a, s, 12, 1);
    b_claims();
    opens(b, id);

    memset(&info, 0, sizeof(info));
    info.seq = seq;
    info.msn = msn;
    info.duration = 77;
    lv_shared_write(&b->parts[w.part].info, &info, sizeof(info));
}


static void
forge_head(void)
{
    b_forges(lv_pair_low(t->head), 7, 10);
}


static void
head_moves_on(void)
{
    begin();
    when("read-head", forge_head);
    is_int(lv_track_newest(a, t, &ref), LV_OK,
           "the head's entry has another life before it is looked at");
    ok(ref.info.msn == 12 && ref.info.duration != 77,
       "what is not in the list is not seen");
    lv_part_abort(&w);
    end("the head moves on");
}


static uint32_t  before;

static void
forge_before(void)
{
    b_forges(before, 0, 10);
}


/* What comes behind it stays, itself it goes and looks like it again. */
static void
forge_next(void)
{
    lv_part_info_t  info;

    lv_stream_evict(a, s, 11, 1);
    eb = ea;
    opens(a, before);
    memset(&info, 0, sizeof(info));
    info.msn = 10;
    lv_shared_write(&a->parts[before].info, &info, sizeof(info));
}


static void
wait_a_step(void)
{
    when("read-walk", forge_next);
}


static void
list_moves_on(void)
{
    begin();
    before = lv_pair_low(t->head);
    put(a, ea, 10, 1);
    put(a, ea, 10, 2);
    memset((void *) t->ring, 0, sizeof(t->ring));
    when("read-walk", forge_before);
    is_int(lv_track_part(a, t, 0, &ref), LV_DECLINED,
           "evicted on the way down to it: gone");
    ok(w.part == before, "though its entry looks like it again");
    lv_part_abort(&w);
    end("the list moves on");

    begin();
    before = lv_pair_low(t->head);
    put(a, ea, 11, 0);
    put(a, ea, 12, 0);
    memset((void *) t->ring, 0, sizeof(t->ring));
    when("read-walk", wait_a_step);
    is_int(lv_track_part(b, t, 0, &ref), LV_DECLINED,
           "evicted one step before it: gone");
    ok(w.part == before, "though its entry looks like it again");
    lv_part_abort(&w);
    end("the end of the list moves on");
}


static lv_track_desc_t  seen;

static void
b_looks(void)
{
    lv_track_desc(t, &seen);
}


static void
half_a_description(void)
{
    lv_track_desc_t  d;

    begin();
    fix_desc(&d, "v0");
    d.peak_bps = 12345;
    when("desc-written", b_looks);
    lv_track_set_desc(t, &d);
    is_int(seen.peak_bps, 0, "a description that is not finished is not seen");
    lv_track_desc(t, &seen);
    is_int(seen.peak_bps, 12345, "then it is");
    end("half a description");
}


/* ---- doorbell ----------------------------------------------------------- */

static uint64_t  dirty[LV_STREAM_WORDS];

static void
a_notifies(void)
{
    lv_stream_notify(a, s);
}


static void
b_takes(void)
{
    lv_bell_take(b, dirty);
}


static void
doorbell(void)
{
    uint32_t  i;
    int       before_take;

    begin();
    i = lv_stream_index(a, s);
    lv_stream_watch(b, s);
    lv_stream_notify(a, s);
    lv_bell_take(b, dirty);

    /* told while b is between stopping the bell and looking */
    rung = 0;
    when("bell-clear", a_notifies);
    lv_bell_take(b, dirty);
    ok(lv_bit_get(dirty, i), "told while looking: it is seen");
    before_take = rung;
    lv_bell_take(b, dirty);
    ok(before_take == 1, "and rung for, which is once too often");

    /* b looks while a is between telling and ringing */
    rung = 0;
    when("bell-dirty", b_takes);
    lv_stream_notify(a, s);
    ok(lv_bit_get(dirty, i), "looked while told: it is seen");
    lv_bell_take(b, dirty);
    rung = 0;
    lv_stream_notify(a, s);
    is_int(rung, 1, "the next one rings again");
    lv_bell_take(b, dirty);

    rung = 0;
    when("bell-flag", b_takes);
    lv_stream_notify(a, s);
    ok(lv_bit_get(dirty, i), "looked before the byte is sent: it is seen");
    lv_stream_notify(a, s);
    is_int(rung, 2, "and the next one rings again");
    end("doorbell");
}


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
    lv_stream_evict(a, s, 13, 1);
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
    lv_stream_evict(a, s, 11, 1);
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
    lv_stream_set_publisher(x, &pub);
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
    lv_stream_watch(st, x);
    lv_stream_notify(st, x);
    lv_bell_take(st, d);
    lv_session_seen(st, 1, 1, 99, 10);

    lv_track_find(st, v, 10, 0, &r);
    lv_part_pin(st, &r);
    lv_stream_evict(st, x, 11, 10000);
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
        lv_stream_evict(a, s, 10 + (uint32_t) n - 3, 1);

        if (fix_part(a, taken, tr, e, 3, 1, 20 + (uint32_t) n, 0, 500, 9000,
                     0) != LV_OK)
        {
            diag("after step %d: no take-over", n);
            wrong++;
        }

        lv_stream_evict(a, taken, 20 + (uint32_t) n, 1);
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

    taken_over_before_the_head();
    half_taken_over();
    late_word();
    late_ring();
    evicted_around_a_pin();
    head_moves_on();
    list_moves_on();
    half_a_description();
    doorbell();
    commits_during_repair();
    stale_chain();
    open_parts_survive_repair();
    a_death_at_every_step(false);
    a_death_at_every_step(true);

    return done_testing();
}
