/* A publisher that is lost and comes back, fillers in three processes: what the
 * tests of that share. */

#ifndef PACK_RESUME_H
#define PACK_RESUME_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pack_scene.h"

/* What a process that is killed leaves behind. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
    return "leak:lv_pack_";
}


static lv_store_t      *sa, *sb, *sc;    /* three processes */
static lv_packager_t   *fill;
static uint64_t         now;
static unsigned         fill_events[LV_PACK_NO_MEMORY + 1];
static lv_stream_t     *stream;

static const sim_enc_conf_t  usual = {
    .fps = 25, .gop = 50, .bframes = 2, .rate = 44100, .ms = true
};


__attribute__((unused)) static void
fill_event(void *ctx, lv_pack_event_t ev, const char *text)
{
    fill_events[ev]++;
}


__attribute__((unused)) static void
begin(const sim_enc_conf_t *conf, double seconds)
{
    memset(fill_events, 0, sizeof(fill_events));
    scene_store();
    sa = sim_attach(&mem, 1);
    sb = sim_attach(&mem, 2);
    sc = sim_attach(&mem, 3);

    scene_publish(sa, conf, NULL, SIM_EPOCH_MS + 500);
    sim_run(&enc, sa, seconds);
    stream = lv_packager_stream(enc.p);
    now = enc.now_ms;
}


__attribute__((unused)) static void
lose(void)
{
    lv_packager_lost(enc.p, now);
    lv_packager_destroy(enc.p);
    sim_check(&check, mem.st, stream);
}


/* In `st`, after a while; the filler runs for that long. */
__attribute__((unused)) static int
adopt(lv_store_t *st, double after, double seconds)
{
    now += (uint64_t) (after * 1000);
    fill = lv_packager_adopt(st, stream, now, fill_event, NULL);

    if (fill == NULL) {
        return LV_DECLINED;
    }

    mem.st = st;

    return sim_idle(fill, &check, st, &now, seconds);
}


/* Another publisher with a clock of its own. */
__attribute__((unused)) static void
back(lv_store_t *st, const sim_enc_conf_t *conf, double seconds)
{
    static uint8_t  pub;
    sim_enc_conf_t  c;

    c = *conf;
    c.pub = (uint8_t) (++pub % 15 + 1);
    c.base = conf->base + 7777777ll * c.pub;
    check.mapped[c.pub] = false;

    scene_publish(st, &c, NULL, now);
    sim_run(&enc, st, seconds);
    now = enc.now_ms;
}


__attribute__((unused)) static void
filler_away(void)
{
    if (fill) {
        is_int(lv_packager_tick(fill, now), LV_ERROR,
               "  the filler learns that it is displaced");
        lv_packager_destroy(fill);
        fill = NULL;
    }
}


__attribute__((unused)) static void
show(void)
{
    unsigned      n;
    sim_track_t  *t;

    for (n = 0; n < LV_STREAM_TRACKS; n++) {
        t = &check.t[n];

        if (t->track) {
            diag("  %s: %u parts (%u filler, %u of one sample, %u unlisted) "
                 "in %u segments to %.3f s, %u..%u us, off by %d, %u forced, "
                 "%u breaks, fillers to %d ms early, parts to %d ms late",
                 t->desc.name, t->parts, t->fillers, t->single, t->unlisted,
                 t->segments, t->max_segment, t->min_part_us, t->max_part_us,
                 (int) t->worst, t->forced, t->discs, t->early_ms,
                 t->late_ms);
        }
    }
}


__attribute__((unused)) static void
finish(const char *name)
{
    if (enc.p) {
        lv_packager_finish(enc.p, now);
        sim_check(&check, mem.st, stream);
        lv_packager_destroy(enc.p);
        enc.p = NULL;
    }

    show();
    is_int(check.errors, 0, name);
    scene_whole(sa);
    lv_store_detach(sa);
    lv_store_detach(sb);
    lv_store_detach(sc);
    sim_store_free(&mem);
}


__attribute__((unused)) static unsigned
state(void)
{
    return atomic_load(&stream->state);
}


/* Wall clock since the start minus the end of the video time line, ms. */
__attribute__((unused)) static int
behind(void)
{
    return (int) (now - SIM_EPOCH_MS - 500) - (int) (video()->end / 90);
}

#endif
