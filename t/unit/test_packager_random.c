/*
 * Encoders, networks and processes that do whatever they do, by chance: holes,
 * late and early tracks, aborted frames, other configurations, losses, deaths
 * and take-overs. Whatever happens, what is published obeys the rules.
 *
 *   test_packager_random [SEED]     one seed, and what happens
 */

#include "pack_sim.h"

#define SEEDS    60
#define STEPS    80

/* What a process that is killed leaves behind. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
    return "leak:lv_pack_";
}


static uint32_t        seed;
static bool            loud;
static sim_store_t     mem;
static lv_store_t     *st[3];
static unsigned        at;               /* whose turn it is */
static sim_check_t     check;
static sim_enc_t       enc;
static lv_packager_t  *fill;
static uint64_t        now;
static uint32_t        pids;
static unsigned        fails;

static unsigned
chance(unsigned n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}


static double
between(double a, double b)
{
    return a + (b - a) * chance(10001) / 10000;
}


static void
say(const char *what, double x)
{
    if (loud) {
        diag("%.3f %s %.3f", (double) (now - SIM_EPOCH_MS) / 1000, what, x);
    }
}


static void
some_encoder(sim_enc_conf_t *c)
{
    static const double    fps[] = { 5, 10, 15, 23.976, 24, 25, 29.97, 30, 50,
                                     60 };
    static const unsigned  rates[] = { 44100, 48000, 48000, 32000, 22050 };

    memset(c, 0, sizeof(*c));
    c->fps = fps[chance(10)];
    c->gop = (unsigned) (c->fps * between(0.4, 5)) + 1;
    c->bframes = chance(4);
    c->rate = rates[chance(5)];
    c->ms = chance(2);
    c->skew_ms = chance(3) ? 0 : (int) between(-900, 900);
    c->ppm = chance(3) ? 0 : between(-200, 200);
    c->rtmp = chance(2);
    c->first_ms = chance(2) ? 0 : seed;
    c->base = (int64_t) seed * 1000;
    c->pub = (uint8_t) chance(16);
    c->vsize = 20 + chance(3000);

    if (chance(8) == 0) {
        c->rate = 0;
    } else if (chance(8) == 0) {
        c->fps = 0;
    }

    c->avcc_variant = chance(6) == 0;
    c->asc_variant = chance(6) == 0;
}


static bool
publish(void)
{
    sim_enc_conf_t       c;
    lv_packager_conf_t   pc;

    some_encoder(&c);
    at = chance(3);
    mem.st = st[at];
    sim_encoder(&enc, &c, now, &check);
    memset(check.mapped, 0, sizeof(check.mapped));
    check.trace = loud;

    pc = sim_conf;
    pc.part_us = 150000 + chance(400000);
    pc.segment_ms = 1000 + chance(4000);

    if (!sim_publish(&enc, st[at], &pc)) {
        return false;
    }

    say("publisher, fps", c.fps);
    say("  audio rate", c.rate);
    say("  gop", c.gop);
    say("  skew", c.skew_ms);

    return true;
}


/* While anything comes, parts come. */
static void
run(double seconds)
{
    bool      silent;
    unsigned  i, before, after;

    for (i = 0, before = 0; i < LV_STREAM_TRACKS; i++) {
        before += check.t[i].parts;
    }

    sim_run(&enc, st[at], seconds);
    now = enc.now_ms;

    for (i = 0, after = 0; i < LV_STREAM_TRACKS; i++) {
        after += check.t[i].parts;
    }

    silent = (enc.hold_video || enc.conf.fps <= 0 || enc.v < 0)
             && (enc.hold_audio || enc.conf.rate == 0 || enc.a < 0);

    if (seconds > 2.6 && before == after && !silent && check.s
        && atomic_load(&check.s->state) == LV_STREAM_LIVE)
    {
        fails++;
        diag("seed: no part came for %.3f s, at %.3f", seconds,
             (double) (now - SIM_EPOCH_MS) / 1000);
    }
}


static void
disturb(void)
{
    double  len;

    switch (chance(9)) {

    case 0:
    case 1:
        enc.hold_video = chance(2);
        enc.hold_audio = !enc.hold_video || chance(3) == 0;
        len = chance(2) ? between(0.01, 0.5) : between(0.3, 6);
        say(enc.hold_video ? enc.hold_audio ? "hole in both" : "hole in video"
                           : "hole in audio", len);
        run(len);
        enc.hold_video = false;
        enc.hold_audio = false;
        break;

    case 2:
        if (enc.conf.fps > 0 && enc.v >= 0) {
            say("an aborted frame", 0);
            lv_packager_frame(enc.p, enc.v, enc.conf.base
                              + (int64_t) ((double) enc.vn * 90000
                                           / enc.conf.fps),
                              0, chance(2), now);
            lv_packager_data(enc.p, enc.v, enc.data, 100 + chance(10000));

            if (chance(2)) {
                lv_packager_frame_abort(enc.p, enc.v);
            } else {
                lv_packager_tick(enc.p, now);
            }
        }

        break;

    case 3:
        enc.conf.skew_ms = (int) between(-600, 600);
        say("skew", enc.conf.skew_ms);
        break;

    case 4:
        if (enc.conf.fps > 0 && chance(3) == 0) {
            enc.conf.avcc_variant ^= 1;
            say("another SPS", enc.conf.avcc_variant);
            sim_config_video(&enc);
        }

        break;

    case 5:
        if (enc.conf.rate && chance(3) == 0) {
            enc.conf.asc_variant ^= 1;
            say("other channels", enc.conf.asc_variant);
            sim_config_audio(&enc);
        }

        break;

    case 6:
        if (enc.conf.fps > 0 && chance(2)) {
            enc.conf.gop = (unsigned) (enc.conf.fps * between(0.1, 12)) + 1;
            enc.v0 = enc.vn;
            say("gop", enc.conf.gop);
        }

        break;

    case 7:
        /* a stall of the network: everything comes late, at once */
        len = between(0.1, 4);
        say("stall", len);
        now += (uint64_t) (len * 1000);
        enc.now_ms = now;
        lv_packager_tick(enc.p, now);
        enc.start_ms += (uint64_t) (len * 1000) / 2;
        break;
    }
}


/* The publisher goes, in one of three ways; a filler or nobody goes on. */
static void
leave(void)
{
    double        len;
    uint32_t      gen;
    lv_stream_t  *s;

    switch (chance(3)) {

    case 0:
        say("taken over", 0);
        fill = enc.p;
        return;

    case 1:
        say("lost", 0);
        lv_packager_lost(enc.p, now);
        lv_packager_destroy(enc.p);
        break;

    default:
        say("killed", 0);
        lv_store_detach(st[at]);
        now += 200 + chance(2000);
        st[at] = sim_attach(&mem, ++pids);
        lv_store_reap(st[at], now);
    }

    mem.st = st[at];
    s = lv_stream_find(st[at], "test", 4, &gen);

    if (s == NULL || atomic_load(&s->state) != LV_STREAM_INTERRUPTED) {
        memset(&check, 0, sizeof(check));
        return;
    }

    sim_check(&check, st[at], s);

    if (chance(4) == 0) {
        now += chance(3000);
    }

    fill = lv_packager_adopt(st[at], s, now, NULL, NULL);

    if (fill == NULL) {
        say("not adopted", 0);

        if (atomic_load(&s->state) != LV_STREAM_ENDED) {
            fails++;
            diag("seed: not adopted, not ended");
        }

        memset(&check, 0, sizeof(check));
        return;
    }

    len = between(0, 8);
    say("filler", len);

    if (sim_idle(fill, &check, st[at], &now, len) != LV_OK) {
        fails++;
        diag("seed: the filler ended");
    }
}


static void
one_seed(uint32_t n)
{
    char      err[256];
    bool      same;
    unsigned  i;

    seed = n * 2654435761u;
    memset(&check, 0, sizeof(check));
    sim_store(&mem, 64);
    pids = 10;
    now = SIM_EPOCH_MS + chance(1000);
    fill = NULL;

    for (i = 0; i < 3; i++) {
        st[i] = sim_attach(&mem, i + 1);
    }

    if (!publish()) {
        fails++;
    }

    for (i = 0; i < STEPS; i++) {
        run(between(0.1, 4));

        if (chance(5)) {
            disturb();
            continue;
        }

        leave();
        same = fill == enc.p;

        if (!publish()) {
            fails++;
            break;
        }

        if (fill) {
            if (!same && lv_packager_tick(fill, now) != LV_ERROR) {
                fails++;
                diag("seed %u: not displaced", n);
            }

            lv_packager_destroy(fill);
            fill = NULL;
        }

        /* a stream that was ended is another one now */
        if (check.s && check.s->epoch != check.t[0].first_msn
            && check.t[0].track
            && lv_stream_track_at(st[at], check.s, 0) != check.t[0].track)
        {
            memset(&check, 0, sizeof(check));
        }
    }

    lv_packager_finish(enc.p, now);
    lv_packager_destroy(enc.p);

    if (check.errors) {
        fails++;
        diag("seed %u: %u rules broken", n, check.errors);
    }

    if (lv_store_check(st[0], err, sizeof(err)) != LV_OK) {
        fails++;
        diag("seed %u: %s", n, err);
    }

    for (i = 0; i < 3; i++) {
        lv_store_detach(st[i]);
    }

    sim_store_free(&mem);
}


int
main(int argc, char **argv)
{
    uint32_t  n;

    if (argc > 1) {
        loud = true;
        one_seed((uint32_t) atoi(argv[1]));
        return 0;
    }

    for (n = 1; n <= SEEDS; n++) {
        one_seed(n);
    }

    is_int(fails, 0, "by chance: the rules hold");

    return done_testing();
}
