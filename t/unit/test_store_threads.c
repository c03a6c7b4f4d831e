/* The store in many threads at once, for the thread sanitizer: actors that do
 * everything, with delays injected between the steps of the protocol, and a
 * doorbell that must never be missed. */

#include <poll.h>
#include <sched.h>
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
#include "store_pins.h"

/* What a thread that dies leaves behind. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
    return "leak:dying_thread";
}

#define THREADS  6

static void          *base;
static _Atomic int    stop;
static actor_sum_t    sum;
static int            bells[LV_SLOTS][2];

static __thread uint32_t  delay_rng;    /* 0: no delays */


/* Widens the gaps between the steps. */
void
lv_store_kill_hook(const char *name)
{
    if (delay_rng == 0) {
        return;
    }

    delay_rng = delay_rng * 1664525 + 1013904223;

    if (strcmp(name, "actor-found") == 0 && delay_rng >> 27 == 0) {
        usleep(5000);
        return;
    }

    switch (delay_rng >> 22) {
    case 0:
        usleep(2000);
        break;
    case 1:
    case 2:
    case 3:
        usleep(50);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        sched_yield();
        break;
    }
}


static unsigned
seconds(void)
{
    const char  *s;

    s = getenv("LV_STRESS_SECONDS");

    return s ? (unsigned) atoi(s) : 6;
}


static void *
actor_thread(void *arg)
{
    delay_rng = (uint32_t) (uintptr_t) arg * 7919;
    actor_run(base, &sum, (uintptr_t) arg, &stop, NULL, NULL);

    return NULL;
}


/* Threads that die without leaving: the robust mutexes tell. */
static void *
dying_thread(void *arg)
{
    uint64_t     until;
    actor_t      a;
    const char  *err;

    memset(&a, 0, sizeof(a));
    a.sum = &sum;
    a.rng = (uintptr_t) arg * 0x9e3779b97f4a7c15ULL | 1;
    a.stop = &stop;
    delay_rng = (uint32_t) (uintptr_t) arg;
    a.st = lv_store_attach(base, ACTOR_SIZE, FIX_OWNER, NULL, NULL, &err);

    if (a.st == NULL || lv_store_join(a.st, 1, 1, actor_now_ms(), &err)
                        != LV_OK)
    {
        actor_wrong(&a, "join: %s", err);
        return NULL;
    }

    until = actor_now_ms() + 200;

    while (actor_now_ms() < until) {
        actor_step(&a);
    }

    /* what it has open and pinned is left to the janitors; only its private
     * memory goes */
    free(a.st->mark_extent);
    free(a.st->mark_part);
    free(a.st->mark_track);
    free(a.st);

    return NULL;
}


static void
actors(void)
{
    int          i;
    uintptr_t    n;
    uint64_t     until;
    pthread_t    t[THREADS], dying;
    const char  *err;

    base = fix_format(ACTOR_SIZE);

    for (i = 0; i < THREADS; i++) {
        pthread_create(&t[i], NULL, actor_thread, (void *) (uintptr_t) (i + 1));
    }

    until = actor_now_ms() + seconds() * 1000;

    for (n = 100; actor_now_ms() < until; n++) {
        pthread_create(&dying, NULL, dying_thread, (void *) n);
        pthread_join(dying, NULL);
    }

    atomic_store(&stop, 1);

    for (i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
    }

    diag("%llu parts, %llu reads, %llu gone before the pin, %llu displaced, "
         "%llu refused, %llu threads died",
         (unsigned long long) sum.parts, (unsigned long long) sum.reads,
         (unsigned long long) sum.gone, (unsigned long long) sum.displaced,
         (unsigned long long) sum.refused, (unsigned long long) n - 100);

    if (!ok(sum.wrong == 0, "no actor saw anything wrong")) {
        diag("%llu: %s", (unsigned long long) sum.wrong, sum.what);
    }

    ok(sum.parts > 100 && sum.reads > 100 && sum.displaced > 0,
       "they did something");

    err = actor_aftermath(base, true);

    if (!ok(err == NULL, "nothing is left behind")) {
        diag("%s", err);
    }

    munmap(base, ACTOR_SIZE);
}


static void *
pins_thread(void *arg)
{
    actor_pins_read(base, &sum, &stop);

    return NULL;
}


static void
pins(void)
{
    pthread_t     t;
    actor_pins_t  p;

    base = fix_format(ACTOR_SIZE);
    actor_pins_open(&p, base);
    pthread_create(&t, NULL, pins_thread, NULL);
    actor_pins_write(&p, &sum, 500, &stop);
    pthread_join(t, NULL);
    atomic_store(&stop, 0);
    actor_pins_close(&p, &sum);

    if (!ok(sum.wrong == 0, "pins hold against evictions")) {
        diag("%llu: %s", (unsigned long long) sum.wrong, sum.what);
    }

    munmap(base, ACTOR_SIZE);
}


/* ---- doorbell ----------------------------------------------------------- */

static _Atomic int  heard[2], missed;


static void
bell(void *ctx, unsigned slot)
{
    if (bells[slot][1]) {
        (void) !write(bells[slot][1], "x", 1);
    }
}


/* Waits for each part in turn; every one is rung for, or was there when
 * looked for after watching. */
static void *
listener(void *arg)
{
    bool             look;
    char             buf[64];
    uint32_t         gen, next, index;
    uint64_t         dirty[LV_STREAM_WORDS];
    lv_store_t      *st;
    lv_track_t      *t;
    const char      *err;
    lv_stream_t     *s;
    lv_part_ref_t    ref;
    struct pollfd    pfd;

    delay_rng = (uint32_t) (uintptr_t) arg * 31 + 1;
    st = lv_store_attach(base, ACTOR_SIZE, FIX_OWNER, bell, NULL, &err);
    lv_store_join(st, 1, 1, 1, &err);
    s = lv_stream_find(st, "bell", 4, &gen);
    t = s ? lv_stream_track(st, s, "v0", 2) : NULL;

    if (t == NULL) {
        return NULL;
    }

    index = lv_stream_index(st, s);
    lv_stream_watch(st, s, gen);
    next = 0;
    look = true;

    while (lv_stream_alive(s, gen)) {

        /* only when told to */

        while (look && lv_track_part(st, t, next, &ref) == LV_OK) {
            heard[(uintptr_t) arg]++;
            next++;
        }

        pfd.fd = bells[lv_store_slot(st)][0];
        pfd.events = POLLIN;

        if (poll(&pfd, 1, 3000) == 0) {
            missed += lv_stream_alive(s, gen)
                      && lv_track_part(st, t, next, &ref) == LV_OK;
            continue;
        }

        (void) !read(pfd.fd, buf, sizeof(buf));
        lv_bell_take(st, dirty);
        look = lv_bit_get(dirty, index);
    }

    lv_store_detach(st);

    return NULL;
}


static void
doorbell(void)
{
    int               i, parts;
    uint32_t          epoch, gen;
    uint64_t          until;
    pthread_t         t[2];
    lv_store_t       *st;
    lv_track_t       *track;
    const char       *err;
    lv_stream_t      *s;
    lv_track_desc_t   d;

    base = fix_format(ACTOR_SIZE);

    for (i = 0; i < 4; i++) {
        if (pipe(bells[i]) != 0) {
            exit(2);
        }
    }

    st = lv_store_attach(base, ACTOR_SIZE, FIX_OWNER, bell, NULL, &err);
    lv_store_join(st, 1, 1, 1, &err);
    lv_stream_claim(st, "bell", 4, 0, 1000, &s, &epoch, &err);
    fix_desc(&d, "v0");
    track = lv_track_add(st, s, epoch, &d);
    lv_stream_at(st, lv_stream_index(st, s), &gen);

    for (i = 0; i < 2; i++) {
        pthread_create(&t[i], NULL, listener, (void *) (uintptr_t) i);
    }

    until = actor_now_ms() + 1500;

    /* in the ring's size, so that no listener loses one */
    for (parts = 0; parts < LV_RING - 10 && actor_now_ms() < until; parts++) {
        if (fix_part(st, s, track, epoch, 1, 1, 10, parts, 10, 10, 0)
            != LV_OK)
        {
            break;      /* more than there are part entries */
        }

        lv_stream_notify(st, s);

        /* the slowest is waited for now and then, so that bells are silent */
        if (parts % 4 == 0) {
            usleep(100);
        }
    }

    until = actor_now_ms() + 10000;

    while ((heard[0] < parts || heard[1] < parts) && actor_now_ms() < until) {
        usleep(1000);
    }

    ok(parts > 50, "%d parts were rung for", parts);
    is_int(heard[0], parts, "one listener heard all");
    is_int(heard[1], parts, "so did the other");
    is_int(missed, 0, "no bell was missed");

    lv_stream_remove(st, s, 1);

    for (i = 0; i < 2; i++) {
        pthread_join(t[i], NULL);
    }

    lv_store_detach(st);
    munmap(base, ACTOR_SIZE);
}


int
main(void)
{
    alarm(seconds() * 3 + 60);

    pins();
    doorbell();
    actors();

    return done_testing();
}
