/* One publisher from begin() to end(), which holds all that it published to the
 * rules. */

#ifndef PACK_ONE_H
#define PACK_ONE_H

#include "pack_scene.h"

static lv_store_t  *st;

__attribute__((unused)) static void
begin(const sim_enc_conf_t *conf, const lv_packager_conf_t *pc)
{
    scene_store();
    st = sim_attach(&mem, 1);
    scene_publish(st, conf, pc, SIM_EPOCH_MS + 123);
}


__attribute__((unused)) static void
show(void)
{
    unsigned      n;
    sim_track_t  *t;

    diag("PART-TARGET %u us, N %u, target %u s, events: %u tracks, %u codec, "
         "%u long GOP, %u filled, %u dropped; %u declined",
         check.s->timing.part_target_us, check.s->timing.part_frames,
         check.s->timing.target_s, enc.events[LV_PACK_TRACK],
         enc.events[LV_PACK_CODEC_CHANGED], enc.events[LV_PACK_LONG_GOP],
         enc.events[LV_PACK_FILLED], enc.events[LV_PACK_DROPPED],
         enc.declined);

    for (n = 0; n < LV_STREAM_TRACKS; n++) {
        t = &check.t[n];

        if (t->track) {
            diag("  %s from %u.: %u parts (%u filler, %u unlisted) in %u "
                 "segments to %.3f s, %u..%u us, off by %d, %u forced, "
                 "%u breaks, %u silent", t->desc.name, t->first_msn,
                 t->parts, t->fillers, t->unlisted, t->segments,
                 t->max_segment, t->min_part_us, t->max_part_us,
                 (int) t->worst, t->forced, t->discs, t->silent);
        }
    }
}


__attribute__((unused)) static void
end(const char *name)
{
    lv_packager_finish(enc.p, enc.now_ms);
    sim_check(&check, st, lv_packager_stream(enc.p));
    show();

    is_int(check.errors, 0, name);
    lv_packager_destroy(enc.p);

    scene_whole(st);
    lv_store_detach(st);
    sim_store_free(&mem);
}


__attribute__((unused)) static const sim_enc_conf_t  usual = {
    .fps = 25, .gop = 50, .bframes = 0, .rate = 48000, .ms = true
};

#endif
