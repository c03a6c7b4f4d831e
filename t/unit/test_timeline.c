#include "lv_timeline.h"
#include "tap.h"

#define V  0
#define A  1

/* A sender: 25 frames a second of video, 48 kHz audio of 1024 samples, both
 * stamped in ms. `true` times are in microseconds from its start. */
typedef struct {
    lv_timeline_t  tl;
    uint64_t       base[2];          /* added to a track's stamps, ms */
    uint64_t       mask;             /* of the counter */
    double         ppm;              /* the sound card against the clock */
    uint64_t       video, audio;     /* frames sent */
    uint64_t       now0;             /* arrival of time 0 */
    int            jitter;           /* of audio stamps, ms, alternating */
    uint64_t       pause_us;         /* arrival lags by this */

    lv_time_t      out[2];
    int64_t        prev[2];
    int            any[2];
    int64_t        min_step[2], max_step[2];
    uint64_t       backward, flags_seen[2], late;
    int64_t        lo, hi;           /* out minus true time, both tracks, 90k */
    int64_t        spread[2];        /* out minus true time, last */
} sender_t;


static void
sender_init(sender_t *s)
{
    memset(s, 0, sizeof(*s));
    lv_timeline_init(&s->tl, NULL);
    s->mask = 0xffffffff;
    s->now0 = 1700000000000ull;
}


static void
sender_measure_reset(sender_t *s)
{
    memset(s->min_step, 0, sizeof(s->min_step));
    memset(s->max_step, 0, sizeof(s->max_step));
    memset(s->flags_seen, 0, sizeof(s->flags_seen));
    s->any[0] = s->any[0] != 0;
    s->any[1] = s->any[1] != 0;
    s->backward = 0;
    s->late = 0;
}


static void
sender_note(sender_t *s, int t, uint64_t true_us)
{
    int64_t  step;

    s->flags_seen[t] |= s->out[t].flags;

    if (s->out[t].flags & LV_TIME_LATE) {
        s->late++;
        return;
    }

    s->spread[t] = s->out[t].dts_90k - (int64_t) (true_us * 9 / 100);

    if (s->any[t]) {
        step = s->out[t].dts_90k - s->prev[t];

        if (step <= 0) {
            s->backward++;
        }

        if (s->any[t] == 1 || step < s->min_step[t]) {
            s->min_step[t] = step;
        }

        if (s->any[t] == 1 || step > s->max_step[t]) {
            s->max_step[t] = step;
        }

        s->any[t] = 2;

    } else {
        s->any[t] = 1;
    }

    s->prev[t] = s->out[t].dts_90k;
}


static uint64_t
video_us(sender_t *s)
{
    return s->video * 40000;
}


/* When the sender's clock says that the next audio frame begins. */
static uint64_t
audio_us(sender_t *s)
{
    return (uint64_t) ((double) s->audio * 1024 * 1e6 / 48000
                       * (1 + s->ppm / 1e6));
}


static void
send_video(sender_t *s)
{
    uint64_t  us;

    us = video_us(s);
    lv_timeline_video(&s->tl, V, (us / 1000 + s->base[V]) & s->mask, 0,
                      s->now0 + (us + s->pause_us) / 1000, &s->out[V]);
    s->video++;
    sender_note(s, V, us);
}


static void
send_audio(sender_t *s)
{
    int64_t   j;
    uint64_t  us;

    us = audio_us(s);
    j = s->jitter ? ((int64_t) (s->audio * 7919 % (2 * (unsigned) s->jitter
                                                   + 1)) - s->jitter) : 0;
    lv_timeline_audio(&s->tl, A,
                      (us / 1000 + s->base[A] + (uint64_t) j) & s->mask, 1024,
                      48000, s->now0 + (us + s->pause_us) / 1000, &s->out[A]);
    s->audio++;
    sender_note(s, A, us);
}


/* Sends what is due until `us`, in order. */
static void
send_until(sender_t *s, uint64_t us)
{
    while (video_us(s) < us || audio_us(s) < us) {
        if (video_us(s) <= audio_us(s)) {
            send_video(s);
        } else {
            send_audio(s);
        }
    }
}


/* How far audio is from video on the output clock, beyond what it is in
 * truth: 90k. */
static int64_t
apart(sender_t *s)
{
    return s->spread[A] - s->spread[V];
}


static void
is_smooth(sender_t *s, const char *name)
{
    ok(s->backward == 0 && s->min_step[V] >= 3510 && s->max_step[V] <= 3690
       && s->min_step[A] >= 1918 && s->max_step[A] <= 1922,
       "%s: steps of 40 ms and of 1024 samples, no hole", name);
    if (!(s->min_step[A] >= 1918 && s->max_step[A] <= 1922
          && s->min_step[V] >= 3510))
    {
        diag("video %lld..%lld audio %lld..%lld backward %llu",
             (long long) s->min_step[V], (long long) s->max_step[V],
             (long long) s->min_step[A], (long long) s->max_step[A],
             (unsigned long long) s->backward);
    }
}


static void
is_within_ms(int64_t ticks, int ms, const char *name)
{
    if (!ok(llabs(ticks) <= ms * 90, "%s: %.2f ms (at most %d)", name,
            (double) ticks / 90, ms))
    {
        diag("%lld ticks", (long long) ticks);
    }
}


static void
test_rounding(void)
{
    sender_t  s;

    sender_init(&s);
    send_until(&s, 60 * 1000000ull);
    is_smooth(&s, "AAC times rounded to ms");
    is_within_ms(apart(&s), 2, "AAC times rounded to ms, A against V");
    is_int((long long) s.tl.resyncs, 0, "no re-sync");
    is_int(s.tl.skew_ms, 0, "skew figure is 0");

    sender_init(&s);
    s.jitter = 15;
    send_until(&s, 60 * 1000000ull);
    is_smooth(&s, "audio stamps that jitter by 15 ms");
    is_within_ms(apart(&s), 16, "audio stamps that jitter, A against V");
}


static void
test_wraps(void)
{
    unsigned  i;
    sender_t  s;

    static const struct {
        const char  *name;
        uint64_t     mask, base;
    } wraps[] = {
        { "24 bit counter without extended field wraps", 0xffffff,
          0xffffff - 30000 },
        { "31 bit counter wraps", 0x7fffffff, 0x7fffffff - 30000 },
        { "32 bit counter wraps", 0xffffffff, 0xffffffffu - 30000 },
        { "2^24 ms passed with 32 bits", 0xffffffff, 0xffffff - 30000 },
        { "2^31 ms passed with 32 bits", 0xffffffff, 0x7fffffff - 30000 },
        { "absolute wall clock start", 0xffffffff, 1700000000000ull }
    };

    for (i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++) {
        sender_init(&s);
        s.mask = wraps[i].mask;
        s.base[V] = s.base[A] = wraps[i].base;
        send_until(&s, 60 * 1000000ull);
        is_smooth(&s, wraps[i].name);
        is_within_ms(apart(&s), 2, wraps[i].name);
        is_int((long long) (s.tl.rebases + s.tl.resyncs), 0,
               "  and no re-base");
    }
}


/* 80 hours would be 2^28 ms; the wraps of 2^31 and 2^32 are met by starting
 * before them. Hours of media each. */
static void
test_long_run(void)
{
    unsigned  i;
    sender_t  s;

    static const struct {
        const char  *name;
        uint64_t     mask, base, hours;
        double       ppm;
    } runs[] = {
        { "15 hours over three wraps of 2^24", 0xffffff, 0xffffff - 3600000,
          15, 0 },
        { "6 hours over 2^31", 0xffffffff, 0x80000000u - 3 * 3600000u, 6, 0 },
        { "6 hours over 2^32", 0xffffffff, 0u - 3 * 3600000u, 6, 0 },
        { "6 hours with a sound card 100 ppm fast", 0xffffffff, 0, 6, -100 },
        { "6 hours with a sound card 100 ppm slow", 0xffffffff, 0, 6, 100 },
        { "6 hours over 2^24 at 300 ppm", 0xffffff, 0, 6, 300 }
    };

    for (i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
        sender_init(&s);
        s.mask = runs[i].mask;
        s.base[V] = s.base[A] = runs[i].base;
        s.ppm = runs[i].ppm;
        send_until(&s, runs[i].hours * 3600 * 1000000ull);
        is_smooth(&s, runs[i].name);
        is_within_ms(apart(&s), 5, runs[i].name);
        is_int((long long) (s.tl.rebases + s.tl.resyncs), 0,
               "  and no re-base, no re-sync");
        ok(llabs(s.tl.skew_ms) <= 5, "  skew figure %d ms", s.tl.skew_ms);
    }
}


static void
test_jumps(void)
{
    unsigned  i;
    sender_t  s;

    static const struct {
        const char  *name;
        int64_t      ms;
    } jumps[] = {
        { "jump of 5 s forward", 5000 },
        { "jump of 5 s back", -5000 },
        { "jump of hours forward", 7 * 3600 * 1000 },
        { "jump of hours back", -7 * 3600 * 1000 },
        { "clock starts again from 0", -100000000 }
    };

    for (i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        sender_init(&s);
        s.base[V] = s.base[A] = 100000000;
        send_until(&s, 10 * 1000000ull);
        sender_measure_reset(&s);
        s.base[V] += (uint64_t) jumps[i].ms;
        s.base[A] += (uint64_t) jumps[i].ms;
        send_until(&s, 40 * 1000000ull);
        ok(s.flags_seen[V] & LV_TIME_REBASED, "%s: told", jumps[i].name);
        is_smooth(&s, jumps[i].name);
        is_within_ms(apart(&s), 3, jumps[i].name);
        is_int((long long) s.late, 0, "  nothing is dropped");
    }

    /* again and again: what is lost at each must not add up */
    sender_init(&s);
    s.base[V] = s.base[A] = 1000000000;
    for (i = 1; i <= 300; i++) {
        send_until(&s, i * 1000000ull);
        s.base[V] += i & 1 ? 7000 : 0u - 11000u;
        s.base[A] = s.base[V];
    }
    is_smooth(&s, "300 jumps");
    is_within_ms(apart(&s), 3, "300 jumps, A against V");

    sender_init(&s);
    s.base[V] = s.base[A] = 1000000000;
    send_until(&s, 10 * 1000000ull);
    s.base[V] = s.base[A] = 0;
    s.audio += 3;
    send_until(&s, 100 * 1000000ull);
    is_within_ms(apart(&s), 3, "frames lost at a jump are found by the stamps");

    /* one track only */
    for (i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        sender_init(&s);
        s.base[V] = s.base[A] = 100000000;
        send_until(&s, 10 * 1000000ull);
        sender_measure_reset(&s);
        s.base[V] += (uint64_t) jumps[i].ms;
        send_until(&s, 40 * 1000000ull);
        is_smooth(&s, "video's clock alone jumps");
        is_within_ms(apart(&s), 3, jumps[i].name);
    }
}


static void
test_pauses(void)
{
    sender_t  s;

    sender_init(&s);
    send_until(&s, 10 * 1000000ull);
    sender_measure_reset(&s);
    s.video += 25 * 20;                      /* 20 s of nothing, stamps go on */
    s.audio += 20 * 48000 / 1024 + 1;
    send_until(&s, 40 * 1000000ull);
    is_within_ms(apart(&s), 15, "a pause whose time is counted stays in step");
    ok(s.max_step[V] > 19 * 90000 && s.max_step[A] > 19 * 90000,
       "and is a hole");
    ok(!(s.flags_seen[V] & LV_TIME_REBASED), "and no jump");

    sender_init(&s);
    send_until(&s, 10 * 1000000ull);
    sender_measure_reset(&s);
    s.pause_us = 20 * 1000000ull;            /* only the network stood still */
    send_until(&s, 40 * 1000000ull);
    is_smooth(&s, "a stall of the network leaves no trace");

    sender_init(&s);
    send_until(&s, 10 * 1000000ull);
    sender_measure_reset(&s);
    s.pause_us = 20 * 1000000ull;            /* an encoder started anew */
    s.base[V] = s.base[A] = 0u - 10000u;
    send_until(&s, 40 * 1000000ull);
    ok(s.flags_seen[V] & LV_TIME_REBASED, "a restart after 20 s is a jump");
    ok(s.max_step[V] > 19 * 90000 && s.max_step[V] < 21 * 90000,
       "as long as it took");
    is_within_ms(apart(&s), 25, "restart after 20 s, A against V");
}


static void
test_bases(void)
{
    sender_t  s;

    sender_init(&s);
    s.base[V] = 1000;
    s.base[A] = 3600 * 1000;
    send_until(&s, 20 * 1000000ull);
    is_smooth(&s, "A and V on different bases");
    is_within_ms(apart(&s), 25, "A and V on different bases");

    sender_init(&s);
    s.video = 25 * 8;                        /* audio begins before it */
    send_until(&s, 20 * 1000000ull);
    is_within_ms(apart(&s), 2, "late video on the same base");
    is_int((long long) s.tl.rebases, 0, "is no jump");

    sender_init(&s);
    s.audio = 8 * 48000 / 1024;
    s.base[A] = 0u - 8000u;                  /* counts from its own start */
    send_until(&s, 20 * 1000000ull);
    is_within_ms(apart(&s), 45, "late audio that counts from its own start");

    sender_init(&s);
    s.base[V] = 2000;                        /* cannot be told from intent */
    send_until(&s, 20 * 1000000ull);
    ok(abs(s.tl.skew_ms + 2000) < 30, "skew is told: %d ms", s.tl.skew_ms);
}


static void
test_order(void)
{
    int64_t        last, pts;
    unsigned       i, bad;
    lv_time_t      t;
    lv_timeline_t  tl;

    static const uint32_t  equal[] = { 0, 40, 40, 80, 80, 120 };
    static const uint32_t  shown[] = {
        0, 160, 80, 40, 120, 320, 240, 200, 280
    };
    static const uint32_t  stray[] = { 0, 40, 80, 120, 160, 20, 240, 280, 320 };

    lv_timeline_init(&tl, NULL);
    last = -1;
    bad = 0;
    for (i = 0; i < 6; i++) {
        lv_timeline_video(&tl, V, equal[i], 0, 1000 + equal[i], &t);
        bad += t.dts_90k <= last || (t.flags & LV_TIME_LATE);
        last = t.dts_90k;
        bad += t.dts_90k + t.cts_90k != 270000 + (int64_t) equal[i] * 90;
    }
    is_int(bad, 0, "equal decode times are moved, shown when they should be");
    is_int((long long) tl.fixes, 2, "and counted");

    /* presentation times in the place of decode times */
    lv_timeline_init(&tl, NULL);
    last = -1;
    bad = 0;
    for (i = 0; i < 9; i++) {
        lv_timeline_video(&tl, V, shown[i], 0, 1000 + i * 40, &t);
        bad += t.dts_90k <= last || (t.flags & LV_TIME_LATE);
        last = t.dts_90k;
        pts = t.dts_90k + t.cts_90k;
        bad += pts != 270000 + (int64_t) shown[i] * 90;
    }
    is_int(bad, 0, "backward decode times (presentation order) likewise");

    /* audio and video of a stray stamp */
    lv_timeline_init(&tl, NULL);
    for (i = 0; i < 50; i++) {
        lv_timeline_video(&tl, V, 10000 + i * 40, 0, 1000 + i * 40, &t);
    }
    last = t.dts_90k;
    lv_timeline_video(&tl, V, 10000, 0, 1000 + 50 * 40, &t);
    is_int(t.dts_90k - last, 3600, "one stray stamp 2 s back: a usual step");
    is_int(t.cts_90k, 0, "shown then");
    lv_timeline_video(&tl, V, 10000 + 51 * 40, 0, 1000 + 51 * 40, &t);
    is_int(t.dts_90k - last, 7200, "and the next is where it belongs");

    lv_timeline_init(&tl, NULL);
    lv_timeline_video(&tl, V, 0, 0, 1000, &t);
    for (i = 0; i < 9; i++) {
        lv_timeline_video(&tl, V, 10000 + stray[i], 0, 1000 + i * 40, &t);
    }
    is_int((long long) tl.rebases, 1, "a stray stamp within reach is no jump");

    /* 2 s back for good */
    lv_timeline_init(&tl, NULL);
    bad = 0;
    last = -1;
    for (i = 0; i < 200; i++) {
        lv_timeline_video(&tl, V, 10000 + i * 40 - (i >= 100 ? 2000 : 0), 0,
                          1000 + i * 40, &t);
        bad += i && t.dts_90k - last != 3600;
        last = t.dts_90k;
    }
    is_int(bad, 0, "2 s back for good: the output goes on evenly");
    is_int((long long) tl.rebases, 1, "one re-base");

    /* A before V */
    lv_timeline_init(&tl, NULL);
    lv_timeline_video(&tl, V, 5000, 0, 1000, &t);
    last = t.dts_90k;
    lv_timeline_audio(&tl, A, 4000, 1024, 48000, 1000, &t);
    is_int(t.dts_90k - last, -90000, "audio may begin a second before video");
    ok(t.dts_90k >= 0, "no time is negative");
}


static void
test_cts(void)
{
    unsigned       i;
    lv_time_t      t;
    lv_timeline_t  tl;

    static const struct {
        const char  *name;
        int32_t      in, out;
    } cts[] = {
        { "composition offset", 80, 7200 },
        { "negative composition offset", -80, -7200 },
        { "composition offset of 10 s", 10000, 900000 },
        { "composition offset of minus 10 s", -10000, -900000 },
        { "huge composition offset is none", 8388607, 0 },
        { "huge negative composition offset is none", -8388608, 0 },
        { "composition offset beyond 32 bits of 90k", 2147483647, 0 }
    };

    for (i = 0; i < sizeof(cts) / sizeof(cts[0]); i++) {
        lv_timeline_init(&tl, NULL);
        lv_timeline_video(&tl, V, 5000, cts[i].in, 1000, &t);
        is_int(t.cts_90k, cts[i].out, cts[i].name);
    }
}


static void
test_audio_margin(void)
{
    int64_t        last;
    unsigned       i, bad, late;
    lv_time_t      t;
    lv_timeline_t  tl;

    /* 21.33 ms a frame; 500 ms missing at frame 100 */
    lv_timeline_init(&tl, NULL);
    last = 0;
    for (i = 0; i < 200; i++) {
        lv_timeline_audio(&tl, A, i * 64 / 3 + (i >= 100 ? 500 : 0), 1024,
                          48000, 1000 + i * 64 / 3 + (i >= 100 ? 500 : 0), &t);
        if (i == 100) {
            ok(t.flags & LV_TIME_RESYNCED, "half a second is missing: told");
            ok(llabs(t.dts_90k - last - 1920 - 45000) < 100,
               "the hole is where it was");
        }
        last = t.dts_90k;
    }
    is_int((long long) tl.resyncs, 1, "once");

    /* one stamp off by 300 ms, either way, is nothing */
    lv_timeline_init(&tl, NULL);
    bad = 0;
    for (i = 0; i < 200; i++) {
        lv_timeline_audio(&tl, A, 1000 + i * 64 / 3 + (i == 50 ? 300 : 0)
                          - (i == 120 ? 300 : 0), 1024, 48000,
                          1000 + i * 64 / 3, &t);
        bad += i && llabs(t.dts_90k - last - 1920) > 2;
        last = t.dts_90k;
    }
    is_int(bad, 0, "a single stamp off by 300 ms makes no hole");
    is_int((long long) tl.resyncs, 0, "nor a re-sync");

    /* stamps 500 ms back for good: frames are dropped until it fits */
    lv_timeline_init(&tl, NULL);
    bad = 0;
    late = 0;
    for (i = 0; i < 300; i++) {
        lv_timeline_audio(&tl, A, 1000 + i * 64 / 3 - (i >= 100 ? 500 : 0),
                          1024, 48000, 1000 + i * 64 / 3, &t);
        if (t.flags & LV_TIME_LATE) {
            late++;
            continue;
        }
        bad += i && llabs(t.dts_90k - last - 1920) > 2;
        last = t.dts_90k;
    }
    is_int(bad, 0, "stamps that stay half a second back: no hole");
    ok(late >= 18 && late <= 25, "but %u frames less", late);
    ok(llabs(last - 360000 - (299 * 1920 - 45000)) < 30 * 90,
       "and in step again: %lld ms off",
       (long long) (last - 360000 - (299 * 1920 - 45000)) / 90);

    /* a new rate goes on where the old one ended */
    lv_timeline_init(&tl, NULL);
    for (i = 0; i < 10; i++) {
        lv_timeline_audio(&tl, A, i * 64 / 3, 1024, 48000, 1000, &t);
    }
    last = t.dts_90k;
    lv_timeline_audio(&tl, A, 213, 1024, 44100, 1000, &t);
    is_int(t.dts_90k - last, 1920, "a change of rate leaves no hole");

    lv_timeline_audio(&tl, A, 300, 0, 44100, 1000, &t);
    lv_timeline_audio(&tl, A, 300, 1024, 0, 1000, &t);
    ok(t.flags & LV_TIME_FIXED, "no samples, no rate: still in order");
}


static void
test_33_bits(void)
{
    int64_t             last;
    uint64_t            i, raw;
    unsigned            bad;
    lv_time_t           t;
    lv_timeline_t       tl;
    lv_timeline_conf_t  conf = { 90000, 33, 0, 0 };

    lv_timeline_init(&tl, &conf);
    bad = 0;
    last = 0;
    for (i = 0; i < 100; i++) {
        raw = ((1ull << 33) - 50 * 3600 + i * 3600) & ((1ull << 33) - 1);
        lv_timeline_video(&tl, V, raw, 7200, 1000 + i * 40, &t);
        bad += (i && t.dts_90k - last != 3600) || t.cts_90k != 7200;
        last = t.dts_90k;
    }
    is_int(bad, 0, "33 bits at 90 kHz wrap");
    is_int((long long) tl.rebases, 0, "no re-base");
}


/* Whatever comes: strictly increasing, and finite work. */
static void
test_garbage(void)
{
    int64_t        last[2];
    uint64_t       seed, now;
    unsigned       i, k, bad;
    uint32_t       raw;
    lv_time_t      t;
    lv_timeline_t  tl;

    lv_timeline_init(&tl, NULL);
    seed = 88172645463325252ull;
    last[0] = last[1] = INT64_MIN;
    bad = 0;
    now = 5000;
    raw = 0;

    for (i = 0; i < 300000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        k = seed & 1;

        switch ((seed >> 8) & 15) {
        case 0: raw = (uint32_t) (seed >> 32); break;
        case 1: raw -= (seed >> 32) & 0xfff; break;
        case 2: raw &= 0xffffff; break;
        case 3: raw += 1u << 24; break;
        default: raw += (seed >> 32) & 0x3f; break;
        }

        now += (seed >> 40) & 0x1f;
        if (((seed >> 50) & 0xff) == 0) {
            now -= now < 4000 ? 0 : 4000;
        }

        if (k == V) {
            lv_timeline_video(&tl, V, raw, (int32_t) (seed >> 20), now, &t);
        } else {
            lv_timeline_audio(&tl, A, raw, 1024, seed & 0x10 ? 48000 : 44100,
                              now, &t);
        }

        if (t.flags & LV_TIME_LATE) {
            continue;
        }

        bad += t.dts_90k <= last[k] || t.dts_90k < 0;
        last[k] = t.dts_90k;
    }

    is_int(bad, 0, "random stamps: decode times always increase");
}


int
main(void)
{
    test_rounding();
    test_wraps();
    test_long_run();
    test_jumps();
    test_pauses();
    test_bases();
    test_order();
    test_cts();
    test_audio_margin();
    test_33_bits();
    test_garbage();

    return done_testing();
}
