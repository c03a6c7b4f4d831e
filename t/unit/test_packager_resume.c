/* A publisher is lost, a filler goes on, a publisher comes back: in the same
 * process and in others, in time and late, again and again. */

#include "pack_resume.h"


static void
away_and_back(lv_store_t **filler, lv_store_t **publisher, const char *name)
{
    uint32_t       msn, part;
    lv_part_ref_t  ref;

    begin(&usual, 20.17);
    lose();
    is_int(state(), LV_STREAM_INTERRUPTED, "lost: interrupted");
    lv_track_newest(sa, video()->track, &ref);
    msn = ref.info.flags & LV_PART_LAST ? ref.info.msn + 1 : ref.info.msn;
    part = ref.info.flags & LV_PART_LAST ? 0 : ref.info.part + 1u;

    is_int(adopt(*filler, 0.1, 10), LV_OK, "a filler goes on");
    is_int(lv_track_find(*filler, video()->track, msn, part, &ref), LV_OK,
           "  its first part is the one that was hinted at");
    ok(ref.info.flags & LV_PART_FILLER, "  and says that it is filler");
    is_int(ref.info.samples, 1, "  of one sample");
    ok(behind() >= 0 && behind() < 400, "  the time line keeps up: %d ms",
       behind());
    is_int(state(), LV_STREAM_INTERRUPTED, "  still interrupted");

    back(*publisher, &usual, 15);
    filler_away();
    is_int(state(), LV_STREAM_LIVE, "the publisher is back: live");
    is_int(enc.events[LV_PACK_RESUMED], 1, "  one event");
    is_int(video()->discs, 0, "  no discontinuity");
    is_int(video()->inits, 1, "  the same init section");
    is_int(video()->forced, 0, "  all segments begin with key frames");
    is_int(video()->single, video()->fillers, "  all fillers have one sample");
    ok(video()->worst <= 1 && audio()->worst < 2090,
       "  pictures and sound are where they should be: %d, %d",
       (int) video()->worst, (int) audio()->worst);
    ok(behind() >= 0 && behind() < 400, "  the time line is the clock's: "
       "%d ms", behind());
    ok(video()->early_ms <= 60, "  no filler came before its time: %d ms",
       video()->early_ms);
    ok(video()->late_ms <= 200, "  and none late: %d ms", video()->late_ms);
    finish(name);
}


/* The publisher's process is killed; what it had open is gone. */
static void
killed(double after)
{
    begin(&usual, 20.3);
    lv_store_detach(sa);
    now += (uint64_t) (after * 1000);
    lv_store_reap(sb, now);
    is_int(state(), LV_STREAM_INTERRUPTED, "killed: interrupted");

    sa = sim_attach(&mem, 4);
    mem.st = sb;
    check.t[0].late_ms = 0;
    is_int(adopt(sb, 0, 5), LV_OK, "  adopted");
    ok(behind() >= 0 && behind() < 400, "  it has caught up: %d ms", behind());
    back(sa, &usual, 5);
    filler_away();
    is_int(video()->discs, 0, "  no discontinuity");
    finish("killed");
}


/* An encoder whose clock is slow: the time line lags behind the wall clock, and
 * the filler goes on from there. */
static void
slow_clock(void)
{
    unsigned  i, n;

    begin(&usual, 5);

    for (i = 0; i < 200; i++) {
        sim_run(&enc, sa, 1);
        enc.start_ms += 8;
    }

    now = enc.now_ms;
    ok(behind() > 1500, "a slow encoder: %d ms behind", behind());
    lv_store_detach(sa);
    now += 300;
    lv_store_reap(sb, now);
    sa = sim_attach(&mem, 4);
    n = video()->parts;
    adopt(sb, 0, 0.05);
    ok(video()->parts - n <= 2, "  no burst: %u parts", video()->parts - n);
    sim_idle(fill, &check, sb, &now, 4);
    back(sa, &usual, 5);
    filler_away();
    ok(behind() > 1300, "  and back on the same time line: %d ms behind",
       behind());
    finish("a slow encoder");
}


static void
two_adopters(void)
{
    lv_packager_t  *other;

    begin(&usual, 10);
    lose();
    adopt(sb, 0.05, 0.1);
    other = lv_packager_adopt(sc, stream, now, fill_event, NULL);
    ok(other == NULL, "of two adopters one wins");
    sim_idle(fill, &check, sb, &now, 3);

    /* the winner is killed, the other one adopts then */
    lv_store_detach(sb);
    now += 1000;
    lv_store_reap(sc, now);
    fill = NULL;
    is_int(adopt(sc, 0, 3), LV_OK, "  it dies, the other one goes on");
    sb = sim_attach(&mem, 5);
    ok(behind() >= 0 && behind() < 400, "  caught up: %d ms", behind());
    back(sb, &usual, 5);
    filler_away();
    finish("two adopters");
}


static void
filler_gives_back(void)
{
    begin(&usual, 10);
    lose();
    adopt(sb, 0.05, 3);
    lv_packager_destroy(fill);
    fill = NULL;
    is_int(state(), LV_STREAM_INTERRUPTED, "a filler that leaves: interrupted");
    is_int(adopt(sa, 0.2, 27), LV_DECLINED, "  the next one ends it when "
           "the time is over");
    ok(now - SIM_EPOCH_MS - 10500 >= 29900 && now - SIM_EPOCH_MS - 10500
       <= 30200, "  which is 30 s after the loss: %d ms",
       (int) (now - SIM_EPOCH_MS - 10500));
    is_int(state(), LV_STREAM_ENDED, "  ended");
    is_int(lv_packager_tick(fill, now), LV_DECLINED, "  nothing left to do");
    lv_packager_destroy(fill);
    fill = NULL;
    enc.p = NULL;
    finish("nobody came back");
}


static void
again_and_again(void)
{
    unsigned        i, seed;
    double          live, gone;
    sim_enc_conf_t  conf;

    conf = usual;
    begin(&conf, 5);
    seed = 7;

    for (i = 0; i < 60; i++) {
        seed = seed * 1103515245 + 12345;
        live = 0.3 + (double) (seed >> 16 & 1023) / 200;
        gone = (double) (seed >> 8 & 255) / 50;

        if (i % 3 == 0) {
            lv_store_detach(sa);
            now += 700;
            lv_store_reap(sb, now);
            sa = sim_attach(&mem, 10 + i);

        } else if (i % 3 == 1) {
            lose();

        } /* else it is taken over alive */

        if (i % 3 != 2 && adopt(sb, 0.05, gone) != LV_OK) {
            ok(0, "adopted");
        }

        back(sa, &conf, live);

        if (fill) {
            if (lv_packager_tick(fill, now) != LV_ERROR) {
                ok(0, "displaced");
            }

            lv_packager_destroy(fill);
            fill = NULL;
        }
    }

    is_int(state(), LV_STREAM_LIVE, "sixty times: live");
    is_int(video()->discs, 0, "  no discontinuity");
    ok(behind() >= -200 && behind() < 700, "  on time: %d ms", behind());
    finish("sixty times");
}


static void
one_track(void)
{
    sim_enc_conf_t  conf;

    conf = usual;
    conf.fps = 0;
    begin(&conf, 12.3);
    lose();
    is_int(adopt(sb, 0.1, 6), LV_OK, "audio only: a filler goes on");
    ok(audio()->fillers > 15, "  with silence");
    back(sa, &conf, 10);
    filler_away();
    is_int(state(), LV_STREAM_LIVE, "  the publisher is back");
    is_int(audio()->discs, 0, "  no discontinuity");
    finish("audio only");

    conf = usual;
    conf.rate = 0;
    begin(&conf, 12.3);
    lose();
    is_int(adopt(sb, 0.1, 6), LV_OK, "video only: a filler goes on");
    back(sa, &conf, 10);
    filler_away();
    is_int(video()->discs, 0, "  no discontinuity");
    finish("video only");
}


static void
comes_back_with_one_track(void)
{
    sim_enc_conf_t  conf;

    begin(&usual, 10);
    lose();
    adopt(sb, 0.1, 3);
    conf = usual;
    conf.rate = 0;
    back(sa, &conf, 20);
    filler_away();
    is_int(state(), LV_STREAM_LIVE, "back with video only: live");
    ok(audio()->last.msn == video()->last.msn && audio()->fillers > 60,
       "  the audio is silence");
    ok(audio()->late_ms < 200, "  which is not waited for: %d ms",
       audio()->late_ms);
    finish("back with video only");

    begin(&usual, 10);
    lose();
    adopt(sb, 0.1, 3);
    conf = usual;
    conf.fps = 0;
    back(sa, &conf, 20);
    filler_away();
    is_int(state(), LV_STREAM_LIVE, "back with audio only: live");
    ok(audio()->real > 1000 && audio()->last.msn == video()->last.msn
       && video()->fillers > 60, "  the video is the last key frame");
    lose();
    is_int(adopt(sc, 0, 2), LV_OK, "  lost and adopted once more");
    back(sa, &usual, 10);
    filler_away();
    ok(video()->forced == 0 && video()->real > 450, "  and back with both");
    finish("back with audio only");

    conf = usual;
    conf.fps = 0;
    begin(&conf, 10);
    lose();
    adopt(sb, 0.1, 3);
    back(sa, &usual, 20);
    filler_away();
    ok(video() && video()->real > 400, "audio only comes back with video: "
       "that joins");
    is_int(video()->forced, 0, "  its segments begin with key frames");
    finish("back with video in addition");
}


static void
comes_back_changed(void)
{
    sim_enc_conf_t  conf;

    conf = usual;
    conf.avcc_variant = 1;
    begin(&usual, 10);
    lose();
    adopt(sb, 0.1, 3);
    back(sa, &conf, 8);
    filler_away();
    is_int(video()->discs, 1, "another video configuration: a discontinuity");
    is_int(audio()->discs, 1, "  on both tracks");
    is_int(video()->inits, 2, "  a new init section");
    is_int(enc.events[LV_PACK_CODEC_CHANGED], 1, "  one event");
    ok(video()->worst <= 1 && audio()->worst < 2090, "  in their places");
    lose();
    adopt(sb, 0.1, 3);
    back(sa, &conf, 8);
    filler_away();
    is_int(video()->discs, 1, "  and then the same again: none");
    finish("another video configuration");

    conf = usual;
    conf.rate = 48000;
    begin(&usual, 10);
    lose();
    adopt(sb, 0.1, 3);
    back(sa, &conf, 8);
    filler_away();
    is_int(audio()->discs, 1, "another sample rate: a discontinuity");
    ok(audio()->worst < 2090, "  sound is in its place: %d",
       (int) audio()->worst);
    finish("another sample rate");

    conf = usual;
    conf.fps = 50;
    conf.gop = 100;
    begin(&usual, 10);
    lose();
    adopt(sb, 0.1, 3);
    back(sa, &conf, 8);
    filler_away();
    is_int(video()->discs, 0, "another frame rate: no discontinuity");
    finish("another frame rate");
}


static void
slow_return(void)
{
    sim_enc_conf_t  conf;

    begin(&usual, 10);
    lose();
    adopt(sb, 0.1, 3);

    /* connected, configured, but the first key frame takes 4 s */
    conf = usual;
    sim_encoder(&enc, &conf, now, &check);
    enc.v0 = 100;
    enc.conf.pub = 3;
    mem.st = sa;
    sim_publish(&enc, sa, NULL);
    enc.hold_audio = true;
    sim_run(&enc, sa, 3.9);
    filler_away();
    now = enc.now_ms;
    ok(behind() < 400, "no key frame for 4 s: filled meanwhile, %d ms behind",
       behind());
    is_int(state(), LV_STREAM_INTERRUPTED, "  still interrupted");
    sim_run(&enc, sa, 6);
    now = enc.now_ms;
    is_int(state(), LV_STREAM_LIVE, "  then live");
    is_int(video()->discs, 0, "  no discontinuity");

    /* taken over alive, by somebody who then says nothing and goes */
    sim_encoder(&enc, &conf, now, &check);
    sim_publish(&enc, sb, NULL);
    mem.st = sb;
    sim_idle(enc.p, &check, sb, &now, 2);
    lose();
    is_int(state(), LV_STREAM_INTERRUPTED, "taken over and left: interrupted");
    is_int(adopt(sa, 0.1, 2), LV_OK, "  adopted");
    ok(behind() < 400, "  %d ms behind", behind());
    back(sc, &usual, 5);
    filler_away();
    finish("slow return");
}


static void
taken_over_alive(void)
{
    sim_enc_t  old;
    uint8_t    b[100];

    begin(&usual, 10.1);
    old = enc;
    lv_packager_frame(old.p, old.v, 10 * 90000 + 9000, 0, false, now);
    lv_packager_data(old.p, old.v, b, sizeof(b));
    back(sb, &usual, 0.5);
    is_int(lv_packager_tick(old.p, now), LV_ERROR, "the old session learns "
           "that it is displaced");
    is_int(lv_packager_frame(old.p, old.v, 12 * 90000, 0, false, now),
           LV_ERROR, "  no frame is taken any more");
    lv_packager_lost(old.p, now);
    lv_packager_destroy(old.p);
    is_int(state(), LV_STREAM_LIVE, "  its end means nothing");
    sim_run(&enc, sb, 8);
    now = enc.now_ms;
    is_int(video()->discs, 0, "  no discontinuity");
    finish("taken over alive");
}


int
main(void)
{
    away_and_back(&sa, &sa, "away and back, one process");
    away_and_back(&sb, &sc, "away and back, three processes");
    killed(0.3);
    killed(1.2);
    killed(5);
    slow_clock();
    two_adopters();
    filler_gives_back();
    again_and_again();
    one_track();
    comes_back_with_one_track();
    comes_back_changed();
    slow_return();
    taken_over_alive();

    return done_testing();
}
