/* The packager on clean and on strange input, rule by rule. */

#include "pack_sim.h"

#define FRAME_90K(rate)  (1024 * 90000 / (int64_t) (rate))


static void
scenario(const char *name, const sim_enc_conf_t *conf, double seconds,
    sim_check_t *c)
{
    sim_enc_t      e;
    sim_store_t    m;
    sim_track_t   *v, *a;
    char           err[256];
    int64_t        worst;

    memset(c, 0, sizeof(*c));
    sim_store(&m, 64);
    m.st = sim_attach(&m, 1);
    sim_encoder(&e, conf, SIM_EPOCH_MS + 123, c);

    if (!sim_publish(&e, m.st, NULL)) {
        ok(0, "%s: published", name);
        return;
    }

    sim_run(&e, m.st, seconds);

    v = sim_kind(c, LV_KIND_VIDEO);
    a = sim_kind(c, LV_KIND_AUDIO);

    diag("%s: PART-TARGET %u us, N %u, target %u s", name,
         c->s->timing.part_target_us, c->s->timing.part_frames,
         c->s->timing.target_s);

    if (v) {
        diag("  v0: %u parts in %u segments, %u unlisted, %u..%u us, "
             "segments to %.3f s, off by %d, %u forced", v->parts,
             v->segments, v->unlisted, v->min_part_us, v->max_part_us,
             v->max_segment, (int) v->worst, v->forced);
    }

    if (a) {
        diag("  a0: %u parts in %u segments, %u unlisted, %u..%u us, "
             "segments to %.3f s, off by %d, %u silent", a->parts,
             a->segments, a->unlisted, a->min_part_us, a->max_part_us,
             a->max_segment, (int) a->worst, a->silent);
    }

    is_int(c->errors, 0, name);
    is_int(e.declined, 0, "  no frame was declined");
    ok(e.events[LV_PACK_READY] == 1, "  it became ready, once");

    worst = a ? a->worst : 0;
    ok(!v || v->worst <= 1, "  video is shown when it should be");
    ok(worst < FRAME_90K(conf->rate ? conf->rate : 1),
       "  audio is less than a frame off");

    lv_packager_finish(e.p, e.now_ms);
    sim_check(c, m.st, c->s);
    is_int(c->errors, 0, "  the end obeys the rules, too");
    is_int(atomic_load(&c->s->state), LV_STREAM_ENDED, "  it has ended");
    ok(!v || (v->last.flags & LV_PART_LAST), "  the last part says so");
    ok(!v || !a || (v->last.msn == a->last.msn && v->last.part == a->last.part),
       "  both tracks end at the same name");

    lv_packager_destroy(e.p);
    is_int(lv_store_check(m.st, err, sizeof(err)), LV_OK,
           "  the store is whole");
    lv_store_detach(m.st);
    free(m.base);
}


static void
clean_input(void)
{
    static const double    fps[] = { 24, 25, 30000.0 / 1001, 30, 50, 60 };
    static const unsigned  rates[] = { 44100, 48000 };
    char                   name[128];
    unsigned               i, j, k;
    sim_check_t            c;
    sim_enc_conf_t         conf;

    for (i = 0; i < 6; i++) {
        for (j = 0; j < 2; j++) {
            for (k = 0; k < 2; k++) {
                memset(&conf, 0, sizeof(conf));
                conf.fps = fps[i];
                conf.gop = (unsigned) (fps[i] * 2 + 0.5);
                conf.rate = rates[j];
                conf.ms = k == 0;
                conf.bframes = 2 * k;
                snprintf(name, sizeof(name), "%.2f fps, %u Hz%s", fps[i],
                         rates[j], k ? ", exact, B-frames" : ", ms");
                scenario(name, &conf, 60, &c);
            }
        }
    }
}


int
main(void)
{
    clean_input();

    return done_testing();
}
