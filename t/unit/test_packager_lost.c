/* A publisher is lost, and what comes then is not what it should be: names,
 * deaths anywhere, clocks that are set. */

#include "pack_resume.h"


static void
names_are_not_used_again(void)
{
    uint32_t      gen, epoch;
    lv_stream_t  *s;

    begin(&usual, 1.2);
    lose();
    is_int(state(), LV_STREAM_ENDED, "lost before the first playlist: ended");
    epoch = stream->epoch;
    sim_encoder(&enc, &usual, now, &check);
    memset(&check, 0, sizeof(check));
    enc.check = &check;
    sim_publish(&enc, sa, NULL);
    sim_run(&enc, sa, 5);
    now = enc.now_ms;
    s = lv_stream_find(sb, "test", 4, &gen);
    stream = s;
    ok(s && s->epoch > epoch, "  the next one has other names");

    lv_packager_finish(enc.p, now);
    lv_packager_destroy(enc.p);
    epoch = video()->last.msn;
    memset(&check, 0, sizeof(check));
    sim_encoder(&enc, &usual, now, &check);
    sim_publish(&enc, sa, NULL);
    sim_run(&enc, sa, 5);
    now = enc.now_ms;
    stream = lv_stream_find(sb, "test", 4, &gen);
    ok(stream->epoch > epoch, "after the end, too");

    /* a publisher that dies in its first segment, and one that takes over
     * there */
    memset(&check, 0, sizeof(check));
    lv_packager_finish(enc.p, now);
    lv_packager_destroy(enc.p);
    sim_encoder(&enc, &usual, now, NULL);
    sim_publish(&enc, sa, NULL);
    sim_run(&enc, sa, 1);
    now = enc.now_ms;
    s = lv_packager_stream(enc.p);
    epoch = s->epoch;
    fill = enc.p;
    memset(&check, 0, sizeof(check));
    sim_encoder(&enc, &usual, now, &check);
    sim_publish(&enc, sb, NULL);
    mem.st = sb;
    sim_run(&enc, sb, 5);
    now = enc.now_ms;
    filler_away();
    stream = lv_packager_stream(enc.p);
    ok(stream->epoch > epoch, "taken over in the first segment");
    is_int(enc.events[LV_PACK_READY], 1, "  the new one becomes ready");
    finish("names");
}


/* Nothing to fill with: the last key frame left the window long ago. */
static void
no_key_frame(void)
{
    sim_enc_conf_t  conf;

    conf = usual;
    conf.gop = 100000;
    begin(&conf, 200);
    lose();
    is_int(adopt(sb, 0.1, 1), LV_DECLINED, "no key frame in the window: not "
           "adopted");
    is_int(state(), LV_STREAM_ENDED, "  ended");
    enc.p = NULL;
    finish("no key frame");

    conf.gop = 1000;
    begin(&conf, 55);
    lose();
    is_int(adopt(sb, 0.1, 1), LV_OK, "a key frame every 40 s: adopted");
    enc.p = fill;
    fill = NULL;
    finish("a key frame every 40 s");
}


/* Sound that comes late leaves cells without audio behind. */
static void
followers_behind(void)
{
    sim_enc_conf_t  conf;

    conf = usual;
    conf.skew_ms = 1500;
    begin(&conf, 20.2);
    ok(video()->last.msn > audio()->last.msn
       || video()->last.part > audio()->last.part + 2,
       "the audio is some parts behind");
    lv_store_detach(sa);
    now += 1000;
    lv_store_reap(sb, now);
    sa = sim_attach(&mem, 4);
    mem.st = sb;
    is_int(adopt(sb, 0, 0.05), LV_OK, "  adopted");
    is_int(audio()->last.msn, video()->last.msn, "  and caught up");
    is_int(audio()->last.part, video()->last.part, "  at once");
    sim_idle(fill, &check, sb, &now, 2);
    back(sa, &conf, 10);
    filler_away();
    finish("followers behind");
}


/* A process that publishes as fast as it can is killed somewhere. */
static void
killed_anywhere(void)
{
    pid_t           pid;
    unsigned        i, bad, adopted, seed;
    uint32_t        gen;
    sim_enc_t       e;
    sim_enc_conf_t  conf;
    lv_part_ref_t   ref;

    sim_store(&mem, 64);
    memset(&check, 0, sizeof(check));
    sb = sim_attach(&mem, 2);
    mem.st = sb;
    now = SIM_EPOCH_MS + 500;
    bad = 0;
    adopted = 0;
    seed = 3;

    for (i = 0; i < 40; i++) {
        fflush(stdout);
        pid = fork();

        if (pid == 0) {
            lv_store_detach(sb);
            sa = sim_attach(&mem, 100 + i);
            conf = usual;
            conf.avcc_variant = i % 4 == 3;
            conf.skew_ms = i % 2 ? 300 : 0;
            sim_encoder(&e, &conf, now, NULL);
            e.conf.pub = (uint8_t) (i % 16);
            e.conf.base = (int64_t) i * 1000000;

            if (sim_publish(&e, sa, NULL)) {
                sim_run(&e, sa, 25);
                raise(SIGKILL);
            }

            _exit(1);
        }

        seed = seed * 1103515245 + 12345;
        usleep(500 + (seed >> 16) % 20000);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);

        stream = lv_stream_find(sb, "test", 4, &gen);

        if (stream == NULL) {
            continue;
        }

        if (lv_stream_track_at(sb, stream, 0)
            && lv_track_newest(sb, lv_stream_track_at(sb, stream, 0), &ref)
               == LV_OK && ref.info.commit_ms > now)
        {
            now = ref.info.commit_ms;
        }

        now += 900;
        lv_store_reap(sb, now);
        stream = lv_stream_find(sb, "test", 4, &gen);

        if (stream && atomic_load(&stream->state) == LV_STREAM_INTERRUPTED) {
            memset(check.mapped, 0, sizeof(check.mapped));
            sim_check(&check, sb, stream);

            if (fill && lv_packager_tick(fill, now) != LV_OK) {
                lv_packager_destroy(fill);
                fill = NULL;
            }

            /* else that one was killed before it had taken the stream over */

            if (fill == NULL) {
                fill = lv_packager_adopt(sb, stream, now, fill_event, NULL);
            }

            if (fill == NULL) {
                diag("%u: not adopted", i);
                bad++;
                continue;
            }

            adopted++;
            sim_idle(fill, &check, sb, &now, 2);

            if (video()->last.msn != audio()->last.msn
                || video()->last.part != audio()->last.part)
            {
                diag("%u: v0 %u.%u, a0 %u.%u", i, video()->last.msn,
                     video()->last.part, audio()->last.msn,
                     audio()->last.part);
                bad++;
            }

            if (i % 3) {
                lv_packager_destroy(fill);
                fill = NULL;
            }
        }
    }

    show();
    ok(adopted > 20, "killed anywhere: %u times", adopted);
    is_int(bad, 0, "  adopted each time, whole");
    is_int(check.errors, 0, "  by the rules");

    if (fill) {
        lv_packager_destroy(fill);
        fill = NULL;
    }

    lv_store_detach(sb);
    sim_store_free(&mem);
}


static uint32_t
newest_msn(void)
{
    lv_part_ref_t  ref;

    return lv_track_newest(sa, lv_stream_track(sa, stream, "v0", 2), &ref)
           == LV_OK ? ref.info.msn : 0;
}


/* Lost, then adopted `step` ms of wall clock later although hardly any time
 * has passed; filled for ten seconds. */
static void
clock_set(int64_t step, bool live, const char *name)
{
    int       rc, i;
    uint32_t  before, went;

    begin(&usual, 12);

    if (live) {
        /* while the publisher is there */
        enc.start_ms += (uint64_t) step;
        enc.now_ms += (uint64_t) step;
        enc.check = NULL;
        sim_run(&enc, sa, 10);
        now = enc.now_ms;
    }

    lv_packager_lost(enc.p, now);
    lv_packager_destroy(enc.p);
    fill = lv_packager_adopt(sb, stream, now, fill_event, NULL);
    ok(fill != NULL, "%s", name);

    rc = LV_OK;

    for (i = 0; i < 20; i++) {
        now += 50;
        rc = lv_packager_tick(fill, now);
    }

    before = newest_msn();

    if (!live) {
        now += (uint64_t) step;
    }

    for (i = 0; i < 200 && rc == LV_OK; i++) {
        now += 50;
        rc = lv_packager_tick(fill, now);
    }

    went = newest_msn() - before;
    is_int(rc, LV_OK, "  the filler goes on");
    ok(went >= 4 && went <= 6, "  at its own pace: %u segments in 10 s", went);

    lv_packager_destroy(fill);
    fill = NULL;
    lv_store_detach(sa);
    lv_store_detach(sb);
    lv_store_detach(sc);
    sim_store_free(&mem);
}


int
main(void)
{
    clock_set(3600000, false, "the clock is set an hour on while filling");
    clock_set(-60000, false, "the clock is set a minute back while filling");
    clock_set(3600000, true, "the clock is set an hour on while publishing");
    clock_set(-60000, true, "the clock is set a minute back meanwhile");
    names_are_not_used_again();
    no_key_frame();
    followers_behind();
    killed_anywhere();

    return done_testing();
}
