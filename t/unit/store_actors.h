/*
 * Actors on a store, for the tests with threads and with processes that die:
 * each does at random what workers do (publish, take over, read, watch, clean
 * up after others) and verifies every byte that it reads. Needs the store's
 * own files compiled in with LV_STORE_KILL, and lv_store_kill_hook().
 */

#ifndef STORE_ACTORS_H
#define STORE_ACTORS_H

#include <time.h>
#include "store_fixture.h"

#define ACTOR_STREAMS  4
#define ACTOR_HOLD     6
#define ACTOR_SIZE     (8u << 20)

typedef struct {
    _Atomic uint64_t  parts;       /* committed */
    _Atomic uint64_t  reads;       /* verified */
    _Atomic uint64_t  gone;        /* found, but evicted before the pin */
    _Atomic uint64_t  displaced;
    _Atomic uint64_t  refused;     /* no memory */
    _Atomic uint64_t  wrong;       /* must stay 0 */
    char              what[200];   /* the first thing that was wrong */
} actor_sum_t;

typedef struct {
    lv_part_ref_t  ref;
    uint32_t       stream, track;
} actor_pin_t;

typedef struct {
    lv_store_t       *st;
    actor_sum_t      *sum;
    uint64_t          rng;
    actor_pin_t       held[ACTOR_HOLD];
    unsigned          nheld;
    _Atomic int      *stop;
} actor_t;


static inline uint32_t
actor_rand(actor_t *a, uint32_t n)
{
    a->rng ^= a->rng << 13;
    a->rng ^= a->rng >> 7;
    a->rng ^= a->rng << 17;

    return (uint32_t) (a->rng >> 20) % n;
}


static inline uint64_t
actor_now_ms(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}


__attribute__((format(printf, 2, 3)))
static void
actor_wrong(actor_t *a, const char *fmt, ...)
{
    va_list  ap;

    if (atomic_fetch_add(&a->sum->wrong, 1) == 0) {
        va_start(ap, fmt);
        vsnprintf(a->sum->what, sizeof(a->sum->what), fmt, ap);
        va_end(ap);
    }
}


/* ---- reading ------------------------------------------------------------ */

static void
actor_verify(actor_t *a, actor_pin_t *p, const char *when)
{
    int  rc;

    rc = fix_verify(a->st, &p->ref, p->stream, p->track, NULL);

    if (rc != 0) {
        actor_wrong(a, "%s: stream %u track %u msn %u part %u (id %u seq %u "
                    "len %u): %s", when, p->stream, p->track, p->ref.info.msn,
                    p->ref.info.part, p->ref.id, p->ref.info.seq, p->ref.len,
                    rc == -1 ? "another part" : rc == -2 ? "other bytes"
                                                         : "other length");
    }

    atomic_fetch_add(&a->sum->reads, 1);
}


static void
actor_unhold(actor_t *a)
{
    unsigned  i;

    if (a->nheld) {
        i = actor_rand(a, a->nheld);
        actor_verify(a, &a->held[i], "held");
        lv_part_unpin(a->st, a->held[i].ref.id);
        a->held[i] = a->held[--a->nheld];
    }
}


/* Consecutive parts have growing names: a displaced owner's late commit would
 * break that. */
static void
actor_order(actor_t *a, lv_stream_t *s, uint32_t gen, lv_track_t *t)
{
    lv_part_ref_t  r1, r2;

    if (lv_track_newest(a->st, t, &r2) != LV_OK || r2.info.seq == 0) {
        return;
    }

    if (lv_track_part(a->st, t, r2.info.seq
                      - 1 - actor_rand(a, 20) % r2.info.seq, &r1) == LV_OK
        && lv_track_part(a->st, t, r1.info.seq + 1, &r2) == LV_OK
        && lv_stream_alive(s, gen)
        && ((uint64_t) r1.info.msn << 32 | r1.info.part)
           >= ((uint64_t) r2.info.msn << 32 | r2.info.part))
    {
        actor_wrong(a, "order: seq %u is %u.%u, seq %u is %u.%u",
                    r1.info.seq, r1.info.msn, r1.info.part,
                    r2.info.seq, r2.info.msn, r2.info.part);
    }
}


static int
actor_pick(actor_t *a, lv_track_t *t, lv_part_ref_t *ref)
{
    int       rc;
    uint32_t  seq, msn, part;

    switch (actor_rand(a, 5)) {
    case 0:
        return lv_track_newest(a->st, t, ref);
    case 1:
        return lv_track_oldest(a->st, t, ref);
    case 2:
        rc = lv_track_newest(a->st, t, ref);
        if (rc != LV_OK) {
            return rc;
        }

        seq = ref->info.seq - actor_rand(a, 30) % (ref->info.seq + 1);
        rc = lv_track_part(a->st, t, seq, ref);

        if (rc == LV_OK && ref->info.seq != seq) {
            actor_wrong(a, "asked for seq %u, got %u", seq, ref->info.seq);
        }

        return rc;
    case 3:
        rc = lv_track_newest(a->st, t, ref);
        if (rc != LV_OK) {
            return rc;
        }

        msn = ref->info.msn - actor_rand(a, 4);
        part = actor_rand(a, 4);
        rc = lv_track_find(a->st, t, msn, part, ref);

        if (rc == LV_OK && (ref->info.msn != msn || ref->info.part != part)) {
            actor_wrong(a, "asked for %u.%u, got %u.%u", msn, part,
                        ref->info.msn, ref->info.part);
        }

        return rc;
    default:
        rc = lv_track_newest(a->st, t, ref);

        return rc != LV_OK ? rc
               : lv_track_init(a->st, t, ref->info.init_msn, ref);
    }
}


static void
actor_read(actor_t *a)
{
    char          id[16], name[3];
    uint32_t      n, k, gen;
    actor_pin_t   p;
    lv_track_t   *t;
    lv_stream_t  *s;

    n = actor_rand(a, ACTOR_STREAMS);
    k = actor_rand(a, 2);
    snprintf(id, sizeof(id), "s%u", n);
    strcpy(name, k ? "a0" : "v0");

    s = lv_stream_find(a->st, id, strlen(id), &gen);
    if (s == NULL) {
        return;
    }

    t = lv_stream_track(a->st, s, name, 2);
    if (t == NULL) {
        return;
    }

    actor_order(a, s, gen, t);

    if (actor_pick(a, t, &p.ref) != LV_OK) {
        return;
    }

    lv_store_kill_hook("actor-found");

    if (lv_part_pin(a->st, &p.ref) != LV_OK) {
        atomic_fetch_add(&a->sum->gone, 1);
        return;
    }

    if (!lv_stream_alive(s, gen)) {
        lv_part_unpin(a->st, p.ref.id);
        return;
    }

    p.stream = n;
    p.track = k;
    actor_verify(a, &p, "read");

    if (a->nheld == ACTOR_HOLD) {
        actor_unhold(a);
    }

    a->held[a->nheld++] = p;

    if (actor_rand(a, 3)) {
        actor_unhold(a);
    }
}


/* ---- writing ------------------------------------------------------------ */

typedef struct {
    lv_stream_t  *s;
    lv_track_t   *t[2];
    uint32_t      n, epoch, msn, init_msn;
    bool          often;         /* a new init section each segment */
    bool          greedy;        /* fills the store */
} actor_source_t;


/* Like fix_part(), with detours. */
static int
actor_part(actor_t *a, actor_source_t *x, uint32_t k, uint32_t part,
    uint16_t flags)
{
    int               rc;
    uint8_t           buf[2000];
    uint8_t          *head;
    uint32_t          len, head_len, n, at, back;
    uint64_t          seed;
    lv_part_info_t    info;
    lv_part_writer_t  w;

    seed = fix_seed(x->n, k, x->msn, part);
    len = actor_rand(a, k ? 6000 : 30000);
    head_len = actor_rand(a, 8) ? actor_rand(a, 600) : actor_rand(a, 6000);
    back = actor_rand(a, 4) ? 0 : len / 2;

    if (flags & LV_PART_INIT) {
        head_len = 0;
        len %= 1500;
    }

    rc = lv_part_open(&w, a->st, x->s, x->t[k], x->epoch,
                      flags & LV_PART_INIT ? 0 : 500);

    for (at = 0; rc == LV_OK && at < len; at += n) {

        if (back && at > back) {
            lv_part_rewind(&w, back);
            at = back;
            back = 0;
        }

        n = len - at < sizeof(buf) ? len - at : (uint32_t) sizeof(buf);
        fix_fill(buf, seed, head_len + at, n);
        rc = lv_part_write(&w, buf, n);
    }

    if (rc != LV_OK || actor_rand(a, 50) == 0) {
        lv_part_abort(&w);
        return rc == LV_OK ? LV_AGAIN : rc;
    }

    memset(&info, 0, sizeof(info));
    info.msn = x->msn;
    info.part = (uint16_t) part;
    info.flags = flags;
    info.init_msn = x->init_msn;
    info.duration = head_len + len;
    info.samples = x->n << 8 | k;

    head = malloc(head_len + 1);
    fix_fill(head, seed, 0, head_len);
    rc = lv_part_commit(&w, head, head_len, &info);
    free(head);
    lv_part_abort(&w);

    if (rc == LV_OK) {
        atomic_fetch_add(&a->sum->parts, 1);
        lv_stream_notify(a->st, x->s);
    }

    return rc;
}


static int
actor_segment(actor_t *a, actor_source_t *x)
{
    int       rc;
    uint32_t  k, part, parts;

    parts = 1 + actor_rand(a, 4);

    for (k = 0; k < 2; k++) {
        if (x->init_msn == 0 || x->often) {
            rc = actor_part(a, x, k, 0, LV_PART_INIT);

            if (rc != LV_OK) {
                return rc;
            }
        }
    }

    if (x->init_msn == 0 || x->often) {
        x->init_msn = x->msn;
    }

    for (part = 0; part < parts; part++) {
        for (k = 0; k < 2; k++) {
            rc = actor_part(a, x, k, part, 0);

            if (rc == LV_DECLINED) {
                return rc;
            }

            if (rc == LV_AGAIN) {
                atomic_fetch_add(&a->sum->refused, 1);
            }
        }
    }

    x->msn++;

    return LV_OK;
}


static bool
actor_source_open(actor_t *a, actor_source_t *x)
{
    char              id[16];
    unsigned          k;
    const char       *err;
    lv_part_ref_t     ref;
    lv_publisher_t    pub;
    lv_track_desc_t   d;

    memset(x, 0, sizeof(actor_source_t));
    x->n = actor_rand(a, ACTOR_STREAMS);
    x->often = actor_rand(a, 4) == 0;
    x->greedy = actor_rand(a, 12) == 0;
    snprintf(id, sizeof(id), "s%u", x->n);

    if (lv_stream_claim(a->st, id, strlen(id), 500000, actor_now_ms(), &x->s,
                        &x->epoch, &err) != LV_OK)
    {
        return false;
    }

    x->msn = x->s->epoch;
    memset(&pub, 0, sizeof(pub));
    strcpy(pub.protocol, "test");
    lv_stream_set_publisher(a->st, x->s, &pub);

    for (k = 0; k < 2; k++) {
        x->t[k] = lv_stream_track(a->st, x->s, k ? "a0" : "v0", 2);

        if (x->t[k] == NULL) {
            fix_desc(&d, k ? "a0" : "v0");
            x->t[k] = lv_track_add(a->st, x->s, x->epoch, &d);
        }

        if (x->t[k] == NULL) {
            return false;
        }

        if (lv_track_newest(a->st, x->t[k], &ref) == LV_OK
            && ref.info.msn >= x->msn)
        {
            x->msn = ref.info.msn + 1;
        }
    }

    if (atomic_load(&x->s->state) == LV_STREAM_STARTING) {
        __atomic_store_n(&x->s->timing.window_ms, 300, __ATOMIC_RELAXED);
        __atomic_store_n(&x->s->timing.resume_ms, 100, __ATOMIC_RELAXED);
    }

    return lv_stream_set_state(a->st, x->s, x->epoch, LV_STREAM_LIVE,
                               actor_now_ms());
}


/* An open part that has all but some of the memory. */
static void
actor_fill(actor_t *a, actor_source_t *x, lv_part_writer_t *w)
{
    static const uint8_t  some[100000];

    if (lv_part_open(w, a->st, x->s, x->t[0], x->epoch, 0) != LV_OK) {
        w->part = LV_NONE;
        return;
    }

    while (lv_part_write(w, some, sizeof(some)) == LV_OK) { /* void */ }

    lv_part_rewind(w, w->len / 2);
}


/* A publisher's life. */
static void
actor_write(actor_t *a)
{
    int               rc;
    bool              evict;
    uint32_t          i, segments;
    lv_track_desc_t   d;
    actor_source_t    x;
    lv_part_writer_t  rest;

    if (!actor_source_open(a, &x)) {
        return;
    }

    evict = !x.greedy && actor_rand(a, 3) != 0;
    segments = 1 + actor_rand(a, x.greedy ? 3 : 14);
    rest.part = LV_NONE;

    if (x.greedy) {
        actor_fill(a, &x, &rest);
    }

    for (i = 0; i < segments && !atomic_load(a->stop); i++) {
        rc = actor_segment(a, &x);

        if (rc == LV_DECLINED) {
            atomic_fetch_add(&a->sum->displaced, 1);
            break;
        }

        if (lv_track_desc(x.t[0], &d) == LV_OK
            && lv_stream_owned(a->st, x.s, x.epoch))
        {
            d.last_bps++;
            lv_track_set_desc(a->st, x.s, x.t[0], x.epoch, &d);
        }

        if (evict && x.msn > 4) {
            lv_stream_evict(a->st, x.s, x.epoch, x.msn - 4,
                            actor_now_ms());
        }

        actor_read(a);
    }

    if (rest.part != LV_NONE) {
        lv_part_abort(&rest);
    }

    switch (actor_rand(a, 6)) {
    case 0:
        lv_stream_release(a->st, x.s, x.epoch, LV_STREAM_ENDED,
                          actor_now_ms());
        break;
    case 1:
    case 2:
        lv_stream_release(a->st, x.s, x.epoch, LV_STREAM_INTERRUPTED,
                          actor_now_ms());
        break;
    case 3:
        if (actor_rand(a, 3) == 0) {
            lv_stream_remove(a->st, x.s, actor_now_ms());
        }

        break;
    default:
        break;      /* holds it until somebody takes it */
    }
}


/* Takes on what nobody has. */
static void
actor_adopt(actor_t *a)
{
    uint32_t      i, gen, epoch;
    uint64_t      seen;
    lv_stream_t  *s;

    i = 1 + actor_rand(a, lv_stream_count(a->st));
    s = lv_stream_at(a->st, i, &gen);

    if (s == NULL || atomic_load(&s->state) != LV_STREAM_INTERRUPTED) {
        return;
    }

    seen = atomic_load(&s->owner);

    if ((uint32_t) seen == LV_SLOTS
        && lv_stream_adopt(a->st, s, seen, &epoch) == LV_OK
        && actor_rand(a, 2))
    {
        lv_stream_release(a->st, s, epoch, LV_STREAM_INTERRUPTED,
                          actor_now_ms());
    }
}


static void
actor_misc(actor_t *a)
{
    uint32_t          n, gen;
    uint64_t          dirty[LV_STREAM_WORDS];
    const char       *err;
    lv_stream_t      *s;
    lv_publisher_t    pub;

    n = 1 + actor_rand(a, lv_stream_count(a->st));
    s = lv_stream_at(a->st, n, &gen);

    if (s) {
        lv_session_seen(a->st, n, gen, a->rng, (uint32_t) time(NULL));
        lv_stream_publisher(s, &pub);

        if (pub.protocol[0] && strcmp(pub.protocol, "test") != 0) {
            actor_wrong(a, "publisher \"%s\"", pub.protocol);
        }

        if (actor_rand(a, 2)) {
            lv_stream_watch(a->st, s, gen);
        } else {
            lv_stream_unwatch(a->st, s, gen);
        }
    }

    lv_bell_take(a->st, dirty);
    lv_counter_add(a->st, 1, 1);

    if (actor_rand(a, 10) == 0) {
        while (a->nheld) {
            actor_unhold(a);
        }

        lv_store_leave(a->st);

        if (lv_store_join(a->st, (uint32_t) getpid(), 1, actor_now_ms(), &err)
            != LV_OK)
        {
            actor_wrong(a, "join: %s", err);
        }
    }
}


static void
actor_step(actor_t *a)
{
    uint32_t  n;

    n = actor_rand(a, 100);

    if (n < 60) {
        actor_read(a);

    } else if (n < 80) {
        actor_write(a);

    } else if (n < 85) {
        actor_adopt(a);

    } else if (n < 95) {
        actor_misc(a);

    } else {
        lv_store_reap(a->st, actor_now_ms());
    }
}


/* ---- a life -------------------------------------------------------------- */

/* Attaches, joins, acts until told to stop, leaves. */
__attribute__((unused)) static void
actor_run(void *base, actor_sum_t *sum, uint64_t seed, _Atomic int *stop,
    _Atomic uint64_t *progress, lv_store_ring_pt ring)
{
    actor_t      a;
    const char  *err;

    memset(&a, 0, sizeof(a));
    a.sum = sum;
    a.rng = seed * 0x9e3779b97f4a7c15ULL | 1;
    a.stop = stop;
    a.st = lv_store_attach(base, ACTOR_SIZE, FIX_OWNER, ring, NULL, &err);

    if (a.st == NULL
        || lv_store_join(a.st, (uint32_t) getpid(), 1, actor_now_ms(), &err)
           != LV_OK)
    {
        actor_wrong(&a, "attach or join: %s", err);
        return;
    }

    while (!atomic_load(stop)) {
        actor_step(&a);

        if (progress) {
            atomic_fetch_add(progress, 1);
        }
    }

    while (a.nheld) {
        actor_unhold(&a);
    }

    lv_store_detach(a.st);
}


/* Afterwards, alone: everything is consistent, and when all streams are
 * removed everything is free. NULL, or what is wrong. */
__attribute__((unused)) static const char *
actor_aftermath(void *base, bool empty)
{
    static char       err[300];
    int               i;
    uint32_t          gen;
    const char       *e;
    lv_store_t       *st;
    lv_stream_t      *s;
    lv_store_stat_t   stat;

    st = lv_store_attach(base, ACTOR_SIZE, FIX_OWNER, NULL, NULL, &e);

    if (st == NULL || lv_store_join(st, 1, 1, actor_now_ms(), &e) != LV_OK) {
        return e;
    }

    lv_store_reap(st, actor_now_ms());

    if (lv_store_check(st, err, sizeof(err)) != LV_OK) {
        lv_store_detach(st);
        return err;
    }

    e = NULL;

    if (empty) {
        for (i = 1; i <= (int) lv_stream_count(st); i++) {
            s = lv_stream_at(st, (uint32_t) i, &gen);

            if (s) {
                lv_stream_remove(st, s, actor_now_ms());
            }
        }

        lv_store_reap(st, actor_now_ms());
        lv_store_stat(st, &stat);

        if (stat.extents_free != stat.extents
            || stat.parts_free != stat.parts || stat.tracks_used
            || stat.streams_used || stat.extents_limbo
            || stat.extents_reserved || stat.slots_used != 1)
        {
            snprintf(err, sizeof(err), "left over: %u extents, %u parts, %u "
                     "tracks, %u streams, %u limbo, %u reserved, %u slots",
                     stat.extents - stat.extents_free,
                     stat.parts - stat.parts_free, stat.tracks_used,
                     stat.streams_used, stat.extents_limbo,
                     stat.extents_reserved, stat.slots_used - 1);
            e = err;
        }
    }

    lv_store_detach(st);

    return e;
}

#endif
