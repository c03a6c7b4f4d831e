/*
 * One publisher, one store, one checker: the setup that the packager's tests
 * share.
 */

#ifndef PACK_SCENE_H
#define PACK_SCENE_H

#include "pack_sim.h"

static sim_store_t  mem;
static sim_check_t  check;
static sim_enc_t    enc;                 /* the publisher */


/* An empty store; the caller attaches to it. */
__attribute__((unused)) static void
scene_store(void)
{
    memset(&check, 0, sizeof(check));
    sim_store(&mem, 64);
}


/* The publisher, from that time on; pc NULL: the usual settings. */
__attribute__((unused)) static void
scene_publish(lv_store_t *st, const sim_enc_conf_t *conf,
    const lv_packager_conf_t *pc, uint64_t now_ms)
{
    mem.st = st;
    sim_encoder(&enc, conf, now_ms, &check);

    if (!sim_publish(&enc, st, pc)) {
        printf("Bail out! not published\n");
        exit(1);
    }
}


__attribute__((unused)) static void
scene_whole(lv_store_t *st)
{
    char  err[256] = "";

    ok(lv_store_check(st, err, sizeof(err)) == LV_OK, "  the store is whole "
       "%s", err);
}


__attribute__((unused)) static sim_track_t *
video(void)
{
    return sim_kind(&check, LV_KIND_VIDEO);
}


__attribute__((unused)) static sim_track_t *
audio(void)
{
    return sim_kind(&check, LV_KIND_AUDIO);
}

#endif
