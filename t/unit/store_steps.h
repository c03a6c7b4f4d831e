/*
 * Two processes' views of a store in one thread, and a hook at every step of
 * the store's protocols: b acts, or somebody dies, when a comes to one. It
 * includes the store's sources, for that hook.
 */

#ifndef STORE_STEPS_H
#define STORE_STEPS_H

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
__attribute__((unused)) static void               *base;
__attribute__((unused)) static lv_store_t         *a, *b;
__attribute__((unused)) static lv_stream_t        *s;
__attribute__((unused)) static lv_track_t         *t;
__attribute__((unused)) static uint32_t            ea, eb;
__attribute__((unused)) static const char         *at;
__attribute__((unused)) static void              (*act)(void);
__attribute__((unused)) static int                 steps, die_at;
__attribute__((unused)) static int                 rung;
__attribute__((unused)) static lv_part_writer_t    w;
__attribute__((unused)) static lv_part_ref_t       ref;


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


__attribute__((unused)) static void
when(const char *name, void (*f)(void))
{
    at = name;
    act = f;
}


__attribute__((unused)) static void
ring(void *ctx, unsigned slot)
{
    rung++;
}


__attribute__((unused)) static lv_store_t *
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


__attribute__((unused)) static lv_stream_t *
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
__attribute__((unused)) static int
put(lv_store_t *st, uint32_t epoch, uint32_t msn, uint32_t part)
{
    return fix_part(st, s, t, epoch, 1, 1, msn, part, 100, 3000, 0);
}


__attribute__((unused)) static void
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


__attribute__((unused)) static void
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


__attribute__((unused)) static bool
reads(lv_store_t *st, uint32_t msn, uint32_t part)
{
    return lv_track_find(st, t, msn, part, &ref) == LV_OK
           && fix_read(st, &ref, 1, 1) == LV_OK;
}

#endif
