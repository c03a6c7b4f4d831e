/*
 * Hours of media, as fast as it goes: nothing drifts, nothing piles up, and
 * the borders of 2^24, 2^31 and 2^32 ms are like any other moment.
 */

#include "pack_sim.h"

static void
run(const char *name, const sim_enc_conf_t *conf, double hours)
{
    char           err[256];
    sim_enc_t      e;
    sim_check_t    c;
    sim_store_t    m;
    sim_track_t   *v, *a;
    unsigned       i, gop;

    memset(&c, 0, sizeof(c));
    sim_store(&m, 16);
    m.st = sim_attach(&m, 1);
    sim_encoder(&e, conf, SIM_EPOCH_MS, &c);
    e.conf.vsize = 16;
    e.conf.asize = 16;

    if (!sim_publish(&e, m.st, &(lv_packager_conf_t) {
            .part_us = 333333, .segment_ms = 2000, .window_ms = 16000,
            .resume_ms = 30000, .max_bitrate = 500000 }))
    {
        ok(0, "%s", name);
        return;
    }

    for (i = 0; i < hours * 60; i++) {
        sim_run(&e, m.st, 60);
    }

    v = sim_kind(&c, LV_KIND_VIDEO);
    a = sim_kind(&c, LV_KIND_AUDIO);

    diag("%s: PART-TARGET %u us, v0 %u parts, %u segments to %.3f s, %u..%u "
         "us, off by %d; a0 %u..%u us, off by %d, %u silent, %u ms late; %u "
         "declined, %u late, %u rebases, %u resyncs", name,
         c.s->timing.part_target_us, v->parts, v->segments, v->max_segment,
         v->min_part_us, v->max_part_us, (int) v->worst, a->min_part_us,
         a->max_part_us, (int) a->worst, a->silent, a->late_ms, e.declined,
         e.late, (unsigned) e.tl.rebases, (unsigned) e.tl.resyncs);

    is_int(c.errors, 0, name);
    is_int(e.declined + e.late, 0, "  nothing was dropped");
    is_int(a->silent, 0, "  and nothing made up");
    ok(v->worst <= 90, "  video is where it should be");
    ok(a->worst < 1024 * 90000 / conf->rate, "  and audio beside it");
    ok(a->late_ms < 100, "  audio parts do not come later and later");
    ok(v->forced == 0 && v->unlisted < 10, "  segments begin with key frames, "
       "parts are listed");

    /* a part more is a request more of every viewer */
    gop = (conf->gop + c.s->timing.part_frames - 1)
          / c.s->timing.part_frames;
    ok(v->parts <= gop * v->segments * 1.01, "  of N frames: %u to a segment, "
       "%.3f", gop, (double) v->parts / v->segments);

    lv_packager_destroy(e.p);
    err[0] = '\0';
    ok(lv_store_check(m.st, err, sizeof(err)) == LV_OK, "  the store is whole "
       "%s", err);
    lv_store_detach(m.st);
    sim_store_free(&m);
}


int
main(void)
{
    sim_enc_conf_t  conf;

    memset(&conf, 0, sizeof(conf));
    conf.fps = 25;
    conf.gop = 50;
    conf.rate = 44100;
    conf.ms = true;
    conf.rtmp = true;
    conf.first_ms = 0u - 5 * 3600000u;
    run("eleven hours over 2^32 ms, 25 fps, 44.1 kHz", &conf, 11);

    conf.first_ms = (1u << 24) - 600000;
    conf.fps = 30000.0 / 1001;
    conf.gop = 60;
    conf.rate = 48000;
    conf.bframes = 2;
    run("over 2^24 ms, 29.97 fps, 48 kHz", &conf, 0.5);

    conf.first_ms = (1u << 31) - 600000;
    conf.fps = 50;
    conf.gop = 100;
    run("over 2^31 ms, 50 fps, 48 kHz", &conf, 0.5);

    /* clocks that are off, and segments without a short part at the end that
     * could make it good */
    conf.first_ms = 0;
    conf.bframes = 0;
    conf.fps = 24.99;
    conf.gop = 48;
    run("24.99 fps, GOP of whole parts", &conf, 1);

    conf.fps = 25;
    conf.ppm = 100;
    run("sample clock 100 ppm slow", &conf, 1);
    conf.ppm = -100;
    run("sample clock 100 ppm fast", &conf, 1);

    /* parts that are as long as whole frames of sound leave these no room to
     * become longer */
    conf.fps = 30;
    conf.gop = 60;
    run("30 fps, sample clock 100 ppm fast", &conf, 1);
    conf.ppm = 300;
    run("30 fps, sample clock 300 ppm slow", &conf, 1);

    return done_testing();
}
