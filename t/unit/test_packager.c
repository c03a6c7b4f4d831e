/* The packager on clean and on strange input, rule by rule. */

#include "pack_one.h"

#define FRAME_90K(rate)  (1024 * 90000 / (int64_t) (rate))


/* The parts of the first segment that a playlist can list, if all tracks have
 * as many and all obey the rules; 0: none, or not so. */
static unsigned
first_listed(lv_store_t *store, lv_stream_t *s)
{
    bool             last;
    unsigned         i, n, parts;
    lv_track_t      *t;
    uint64_t         target, len;
    lv_part_ref_t    ref;
    lv_track_desc_t  desc;

    for (i = 0, parts = 0; i < LV_STREAM_TRACKS; i++) {
        t = lv_stream_track_at(store, s, i);

        if (t == NULL || lv_track_desc(t, &desc) != LV_OK) {
            continue;
        }

        target = (uint64_t) s->timing.part_target_us * desc.timescale;

        for (n = 0, last = false; !last; n++) {
            if (lv_track_find(store, t, s->epoch, n, &ref) != LV_OK
                || (ref.info.flags & LV_PART_UNLISTED))
            {
                return 0;
            }

            last = (ref.info.flags & LV_PART_LAST) != 0;
            len = (uint64_t) ref.info.duration * 1000000;

            if (len > target || (!last && len * 100 < target * 85)) {
                return 0;
            }
        }

        if (parts && n != parts) {
            return 0;
        }

        parts = n;
    }

    return parts;
}


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

    sim_run(&e, m.st, 5);
    ok(first_listed(m.st, c->s) >= 6, "%s: the first segment lists its parts",
       name);
    sim_run(&e, m.st, seconds - 5);

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
    ok(!v || v->late_ms <= 1000 / conf->fps + 2, "  video parts come at "
       "once: %d ms", v ? v->late_ms : 0);
    ok(!a || a->late_ms <= 70, "  audio parts as well: %d ms",
       a ? a->late_ms : 0);
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
    sim_store_free(&m);
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


static void
key_frame_intervals(void)
{
    sim_enc_conf_t  conf;

    conf = usual;
    conf.gop = 12;
    begin(&conf, NULL);
    sim_run(&enc, st, 30);
    is_int(check.s->timing.target_s, 2, "GOP of 0.48 s: the target is 2 s");
    ok(video()->max_segment > 1.8 && video()->max_segment < 2.5,
       "  several of them make a segment");
    is_int(video()->forced, 0, "  all segments begin with key frames");
    end("GOP of 0.48 s");

    conf.gop = 90;
    begin(&conf, NULL);
    sim_run(&enc, st, 30);
    is_int(check.s->timing.target_s, 4, "GOP of 3.6 s: the target is 4 s");
    is_int(video()->forced, 0, "  all segments begin with key frames");
    end("GOP of 3.6 s");

    conf.gop = 58;
    begin(&conf, NULL);
    sim_run(&enc, st, 30);
    is_int(video()->forced, 0, "GOP of 2.32 s: one of them is a segment");
    end("GOP of 2.32 s");

    conf.gop = 300;
    begin(&conf, NULL);
    sim_run(&enc, st, 60);
    is_int(check.s->timing.target_s, 10, "GOP of 12 s: the target is 10 s");
    ok(video()->forced > 0, "  segments are cut without key frames");
    ok(enc.events[LV_PACK_LONG_GOP] == 1, "  one event in a minute");
    is_int(enc.events[LV_PACK_READY], 1, "  the playlists exist");
    end("GOP of 12 s");

    conf.gop = 50;
    begin(&conf, NULL);
    sim_run(&enc, st, 10);
    enc.conf.gop = 100000;
    sim_run(&enc, st, 20);
    is_int(check.s->timing.target_s, 2, "a GOP that gets longer: still 2 s");
    ok(video()->forced >= 7, "  segments are cut without key frames");
    is_int(video()->unlisted, 0, "  they list their parts");
    end("a GOP that gets longer");
}


static void
one_track(void)
{
    unsigned               i;
    char                   name[64];
    sim_enc_conf_t         conf;
    static const unsigned  rates[] = { 48000, 44100, 22050, 8000 };

    for (i = 0; i < 4; i++) {
        conf = usual;
        conf.fps = 0;
        conf.rate = rates[i];
        begin(&conf, NULL);
        sim_run(&enc, st, 60);
        snprintf(name, sizeof(name), "audio only, %u Hz", rates[i]);
        is_int(enc.events[LV_PACK_READY], 1, name);
        is_int(audio()->unlisted, 0, "  all parts are listed");
        is_int(audio()->silent, 0, "  nothing was filled");
        is_int(check.s->timing.lead, 0, "  it leads");
        end(name);
    }

    conf = usual;
    conf.rate = 0;
    conf.bframes = 2;
    begin(&conf, NULL);
    sim_run(&enc, st, 60);
    is_int(video()->fillers, 0, "video only");
    end("video only");
}


static void
configured_later(void)
{
    sim_enc_conf_t  conf;

    /* audio first, video 5 s later: configuration and all */
    conf = usual;
    conf.fps = 0;
    begin(&conf, NULL);
    sim_run(&enc, st, 5);
    is_int(enc.events[LV_PACK_READY], 1, "late video: live with sound alone");
    enc.conf.fps = 30;
    enc.conf.gop = 60;
    enc.vn = 150;
    sim_config_video(&enc);
    sim_run(&enc, st, 20);
    ok(video() && video()->parts > 40, "  video joined");
    is_int(video()->forced, 0, "  its segments begin with key frames");
    is_int(video()->fillers, 0, "  nothing was filled");
    is_int(audio()->silent, 0, "  nor of the audio");
    end("late video");

    /* audio comes 0.7 s, then 5 s late */
    conf = usual;
    conf.rate = 0;
    begin(&conf, NULL);
    sim_run(&enc, st, 0.7);
    enc.conf.rate = 44100;
    enc.an = 30;
    sim_config_audio(&enc);
    sim_run(&enc, st, 20);
    is_int(audio()->first_msn, video()->first_msn, "audio 0.7 s late: from "
           "the first segment");
    is_int(audio()->silent, 30, "  with silence before it");
    end("audio 0.7 s late");

    conf = usual;
    conf.rate = 0;
    begin(&conf, NULL);
    sim_run(&enc, st, 5.1);
    enc.conf.rate = 44100;
    enc.an = 220;
    sim_config_audio(&enc);
    sim_run(&enc, st, 60);
    ok(audio()->first_msn > video()->first_msn, "audio 5 s late: joins later");
    is_int(audio()->silent, 0, "  without silence");
    end("audio 5 s late");

    /* configured but never sent */
    conf = usual;
    begin(&conf, NULL);
    enc.hold_audio = true;
    sim_run(&enc, st, 10);
    is_int(enc.events[LV_PACK_READY], 1, "audio that never comes: live");
    ok(audio()->silent > 400, "  silence instead");
    is_int(enc.events[LV_PACK_FILLED], 1, "  one event");
    end("audio that never comes");

    conf = usual;
    begin(&conf, NULL);
    enc.hold_video = true;
    sim_run(&enc, st, 10);
    is_int(enc.events[LV_PACK_READY], 1, "video that never comes: live");
    ok(video() == NULL, "  there is no video track");
    enc.hold_video = false;
    sim_run(&enc, st, 10);
    ok(video() && video()->parts > 20, "  when it comes, it joins");
    end("video that never comes, and then comes");

    /* the usual start: sound is some frames ahead of the first key frame */
    conf = usual;
    begin(&conf, NULL);
    enc.v0 = 20;
    sim_run(&enc, st, 20);
    is_int(enc.declined, 20, "sound before the first key frame: frames before "
           "it are declined");
    is_int(enc.events[LV_PACK_READY], 1, "  live");
    ok(audio()->worst <= 1 && audio()->silent <= 1, "  sound is in its place "
       "(%d), nothing is made up", (int) audio()->worst);
    end("sound before the first key frame");

    conf.skew_ms = -400;
    begin(&conf, NULL);
    sim_run(&enc, st, 20);
    ok(audio()->worst <= 1 && audio()->silent <= 1, "sound comes 400 ms early:"
       " it is in its place (%d)", (int) audio()->worst);
    end("sound comes early");
}


/* Messages of one track between the chunks of another's. */
static void
interleaved(void)
{
    int             skews[] = { 0, -10, -20, -40, -500, 20, 300 };
    char            name[64];
    unsigned        i;
    sim_enc_conf_t  conf;

    for (i = 0; i < 7; i++) {
        conf = usual;
        conf.fps = 50;
        conf.gop = 100;
        conf.skew_ms = skews[i];
        begin(&conf, NULL);
        enc.interleave = true;
        sim_run(&enc, st, 30);
        snprintf(name, sizeof(name), "messages that interleave, %d ms",
                 skews[i]);
        is_int(audio()->silent, 0, name);
        is_int(enc.events[LV_PACK_NO_MEMORY], 0, "  nothing was lost");
        ok(audio()->real > 1370, "  all is there: %u", audio()->real);
        end(name);
    }
}


/* Audio that arrives systematically early or late. */
static void
skewed_arrival(void)
{
    int             skews[] = { -1500, -700, -200, 200, 700, 1200 };
    char            name[64];
    unsigned        i;
    sim_enc_conf_t  conf;

    for (i = 0; i < 6; i++) {
        conf = usual;
        conf.fps = 30;
        conf.gop = 60;
        conf.skew_ms = skews[i];
        begin(&conf, NULL);
        sim_run(&enc, st, 40);
        snprintf(name, sizeof(name), "audio arrives %d ms late", skews[i]);
        is_int(enc.events[LV_PACK_READY], 1, name);
        is_int(video()->fillers, 0, "  no video is filled");
        is_int(audio()->silent, 0, "  no audio is filled");
        is_int(video()->forced, 0, "  segments begin with key frames");
        end(name);
    }
}


static void
hole(const char *name, bool v, bool a, double seconds)
{
    double  forced;

    begin(&usual, NULL);
    sim_run(&enc, st, 7.13);
    forced = video()->forced;
    enc.hold_video = v;
    enc.hold_audio = a;
    sim_run(&enc, st, seconds);
    enc.hold_video = false;
    enc.hold_audio = false;
    sim_run(&enc, st, 12);
    ok(enc.rc == LV_OK, "%s", name);

    if (!v) {
        is_int(video()->fillers, 0, "  no video is filled");
        is_int(video()->forced, (long long) forced,
               "  segments begin with key frames");
    }

    if (!a) {
        is_int(audio()->silent, 0, "  no audio is filled");
    }

    /* at most up to the next key frame, and to what was late */
    ok(enc.declined <= 60 + seconds * 30, "  %u frames dropped",
       enc.declined);
    end(name);
}


static void
holes(void)
{
    hole("one video frame is missing", true, false, 0.04);
    hole("five video frames are missing", true, false, 0.2);
    hole("half a second of video is missing", true, false, 0.5);
    hole("a second of video is missing", true, false, 1);
    hole("five seconds of video are missing", true, false, 5);
    hole("one audio frame is missing", false, true, 0.022);
    hole("half a second of audio is missing", false, true, 0.5);
    hole("five seconds of audio are missing", false, true, 5);
    hole("both are silent for half a second", true, true, 0.5);
    hole("both are silent for three seconds", true, true, 3);
    hole("both are silent for nine seconds", true, true, 9);
    hole("both are silent for thirty seconds", true, true, 30);
}


/* Frames at odd times: a phone in the dark, a screen that does not change. */
static void
variable_frame_rate(void)
{
    double          fps[] = { 1, 2, 3, 4, 7.5, 10 };
    char            name[64];
    unsigned        i, n;
    sim_enc_conf_t  conf;

    for (i = 0; i < 6; i++) {
        conf = usual;
        conf.fps = fps[i];
        conf.gop = (unsigned) (fps[i] * 2);
        begin(&conf, NULL);
        sim_run(&enc, st, 40);
        snprintf(name, sizeof(name), "%.1f frames a second", fps[i]);
        is_int(video()->fillers, 0, name);
        is_int(audio()->silent, 0, "  no audio is filled");
        end(name);
    }

    conf = usual;
    begin(&conf, NULL);
    srand(1);

    for (n = 0; n < 1500; n++) {
        enc.hold_video = rand() % 4 == 0 && enc.vn % 50 > 1;
        sim_run(&enc, st, 0.04);
    }

    is_int(video()->fillers, 0, "every fourth frame is missing");
    is_int(video()->unlisted, 0, "  parts are listed");
    end("every fourth frame is missing");

    conf.rate = 0;
    begin(&conf, NULL);

    for (n = 0; n < 1500; n++) {
        enc.hold_video = n > 200 && n % 40 > 10 && enc.vn % 50 > 1;
        sim_run(&enc, st, 0.04);
    }

    is_int(enc.declined, 0, "video only, with holes of 1.2 s: all is shown");
    end("video only, with holes of 1.2 s");
}


static void
other_settings(void)
{
    unsigned            i;
    char                name[64];
    sim_enc_conf_t      conf;
    lv_packager_conf_t  pc;

    static const struct { unsigned part, segment, gop; }  set[] = {
        { 200000, 2000, 50 }, { 100000, 1000, 25 }, { 500000, 2000, 50 },
        { 1000000, 6000, 50 }, { 333333, 1000, 50 }, { 333333, 4000, 25 },
        { 333333, 2000, 24 }, { 333333, 2000, 49 }, { 333333, 2000, 8 },
        { 333333, 2000, 1 }
    };

    for (i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
        pc = sim_conf;
        pc.part_us = set[i].part;
        pc.segment_ms = set[i].segment;
        conf = usual;
        conf.gop = set[i].gop;
        begin(&conf, &pc);
        sim_run(&enc, st, 60);
        snprintf(name, sizeof(name), "parts of %u us, segments of %u ms, GOP "
                 "of %u", set[i].part, set[i].segment, set[i].gop);
        is_int(video()->forced, 0, name);
        is_int(enc.declined, 0, "  nothing was dropped");
        end(name);
    }
}


static void
configuration_changes(void)
{
    sim_enc_conf_t  conf;

    conf = usual;
    begin(&conf, NULL);
    sim_run(&enc, st, 7);
    sim_config_video(&enc);
    sim_config_audio(&enc);
    sim_run(&enc, st, 3);
    is_int(enc.events[LV_PACK_CODEC_CHANGED], 0, "the same configuration "
           "again: nothing happens");

    enc.conf.avcc_variant = 1;
    sim_config_video(&enc);
    enc.vn = 0;
    enc.start_ms = enc.now_ms;
    enc.conf.base += 900000;
    enc.an = 0;
    sim_run(&enc, st, 6);
    is_int(enc.events[LV_PACK_CODEC_CHANGED], 1, "another SPS: a change");
    is_int(video()->discs, 1, "  one discontinuity");
    is_int(audio()->discs, 1, "  on both tracks");
    is_int(video()->inits, 2, "  a new init section");

    sim_run(&enc, st, 1);
    enc.conf.asc_variant = 1;
    sim_config_audio(&enc);
    sim_run(&enc, st, 6);
    is_int(enc.events[LV_PACK_CODEC_CHANGED], 2, "mono instead of stereo: a "
           "change, at the next key frame");
    is_int(video()->discs, 2, "  another discontinuity");
    ok(enc.declined > 10 && enc.declined < 110, "  %u audio frames dropped",
       enc.declined);
    is_int(audio()->inits, 3, "  a new init section");
    end("configuration changes");

    /* from 48000 to 44100 Hz: the timescale stays */
    begin(&conf, NULL);
    sim_run(&enc, st, 7);
    enc.conf.rate = 44100;
    enc.an = 301;
    sim_config_audio(&enc);
    sim_run(&enc, st, 10);
    lv_track_desc(audio()->track, &audio()->desc);
    is_int(audio()->desc.timescale, 48000, "the sample rate changes: the "
           "timescale stays");
    is_int(audio()->desc.sample_rate, 44100, "  the description changes");
    end("the sample rate changes");

    conf.fps = 0;
    begin(&conf, NULL);
    sim_run(&enc, st, 7);
    enc.conf.asc_variant = 1;
    sim_config_audio(&enc);
    sim_run(&enc, st, 7);
    is_int(audio()->discs, 1, "audio only: the change is at once");
    is_int(enc.declined, 0, "  nothing was dropped");
    end("audio only, configuration change");
}


int
main(void)
{
    clean_input();
    key_frame_intervals();
    one_track();
    configured_later();
    interleaved();
    skewed_arrival();
    holes();
    variable_frame_rate();
    other_settings();
    configuration_changes();

    return done_testing();
}
