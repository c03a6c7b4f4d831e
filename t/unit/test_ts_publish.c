/* A transport stream as a publisher's frames: what the packager is given, and
 * why publishing ends. */

#include "fake_packager.h"
#include "lv_ts_publish.h"
#include "ts_mux.h"

static lv_packager_t         pk;
static lv_ts_publish_t      *pub;
static char                  said[8192];
static lv_ts_meta_t          last_meta;

static const mux_es_t  av[2] = { { 0x1b, VIDEO, NULL, 0 },
                                 { 0x0f, AUDIO, NULL, 0 } };

#define ADTS  "\xff\xf1\x4c\x80\x01\x7f\xfc\x21\x22\x23\x24"


static void
on_event(void *ctx, lv_ts_publish_event_t ev, const char *text)
{
    size_t  used;

    used = strlen(said);
    snprintf(said + used, sizeof(said) - used, "%d %s\n", (int) ev, text);
}


static void
on_meta(void *ctx, const lv_ts_meta_t *m)
{
    last_meta = *m;
}


static void
publish(void)
{
    lv_ts_publish_conf_t  conf = { .event = on_event, .meta = on_meta };

    begin();
    fake_reset(&pk);
    said[0] = '\0';
    memset(&last_meta, 0, sizeof(last_meta));
    lv_ts_publish_destroy(pub);
    pub = lv_ts_publish_create(&conf);
}


static int
push(void)
{
    int     rc;
    size_t  at, n;

    for (at = 0, rc = LV_OK; at < mux_len && rc == LV_OK; at += n) {
        n = mux_len - at < 1316 ? mux_len - at : 1316;
        rc = lv_ts_publish_data(pub, &pk, mux_out + at, n, now_ms);
    }

    mux_len = 0;

    return rc;
}


static void
programme(unsigned from, unsigned n, int64_t base)
{
    unsigned  i;

    for (i = from; i < from + n; i++) {
        if (i % 5 == 0) {
            es_key(400);
        } else {
            es_delta(300);
        }

        es_pes(VIDEO, base + i * 3600 + 3600, base + i * 3600);
        mux_pes(AUDIO, base + i * 1920, NONE, ADTS, sizeof(ADTS) - 1);
        (void) push();
        now_ms += 40;
    }
}


static void
test_frames(void)
{
    publish();
    mux_tables(av, 2);
    programme(0, 10, 90000);
    (void) lv_ts_publish_flush(pub, &pk, now_ms);

    is_int(fake_count(&pk, 0), 10, "pictures reach the packager");
    is_int(fake_count(&pk, 1), 10, "… and sound");
    is_int(pk.misuse, 0, "… as its contract says");
    is_str(fake_nals(fake_frame(&pk, 0, 0)), "5", "… in length-prefixed units");
    is_int(fake_frame(&pk, 0, 1)->dts - fake_frame(&pk, 0, 0)->dts, 3600,
           "… with decode times");
    is_int(fake_frame(&pk, 0, 1)->cts, 3600, "… and composition offsets");
    is_int(fake_frame(&pk, 1, 0)->dts, fake_frame(&pk, 0, 0)->dts,
           "both on one clock");
    ok(strstr(said, "1 avc1.42C00B 176x144") != NULL
       && strstr(said, "1 mp4a.40.2 48000 Hz 2 ch") != NULL,
       "configurations are told");
    is_int((long long) lv_ts_publish_stat(pub)->key_frames, 2, "key frames");
}


static void
test_clock_jump(void)
{
    publish();
    mux_tables(av, 2);
    programme(0, 5, 90000);
    programme(5, 5, 90000000);
    (void) lv_ts_publish_flush(pub, &pk, now_ms);
    is_int(fake_count(&pk, 0), 10, "the encoder's clock jumps");
    is_int(fake_frame(&pk, 0, 5)->dts - fake_frame(&pk, 0, 4)->dts, 3600,
           "… the packager's does not");
    ok(strstr(said, "4 the clock jumped") != NULL, "… it is told");

    publish();
    mux_tables(av, 2);
    programme(0, 5, ((int64_t) 1 << 33) - 5 * 1920);
    (void) lv_ts_publish_flush(pub, &pk, now_ms);
    is_int(fake_frame(&pk, 0, 4)->dts - fake_frame(&pk, 0, 0)->dts, 4 * 3600,
           "33 bits wrap in the middle");
}


static void
test_ends(void)
{
    unsigned  i;

    static const mux_es_t  mpeg2[2] = { { 0x02, VIDEO, NULL, 0 },
                                        { 0x0f, AUDIO, NULL, 0 } };
    static const mux_es_t  pcm[1] = { { 0x80, AUDIO, NULL, 0 } };

    publish();
    mux_tables(mpeg2, 2);
    mux_packet(0x1fff, false, "", 0);
    is_int(push(), LV_ERROR, "video that cannot be carried ends it");
    is_str(lv_ts_publish_error(pub), "video codec not supported: MPEG-2 video,"
           " use H.264", "… with the reason");
    is_int(push(), LV_OK, "… nothing more is read");

    publish();
    mux_tables(pcm, 1);
    mux_packet(0x1fff, false, "", 0);
    is_int(push(), LV_ERROR, "nothing but what is of no use");

    publish();
    memset(mux_out, 'x', 2000);
    for (i = 0; i < LV_TS_PUBLISH_JUNK / 1880 + 2; i++) {
        mux_len = 1880;
        if (push() != LV_OK) {
            break;
        }
    }

    is_str(lv_ts_publish_error(pub), "this is no MPEG transport stream",
           "bytes without a packet");

    publish();
    mux_tables(av, 2);
    for (i = 0; i < 150 && lv_ts_publish_error(pub) == NULL; i++) {
        es_key(100);
        es_pes(VIDEO, 90000, NONE);
        mux_out[mux_len - 188 + 3] |= 0x80;
        (void) push();
    }

    is_str(lv_ts_publish_error(pub), "the transport stream is scrambled",
           "nothing but scrambled packets");

    publish();
    mux_tables(av, 2);
    pk.frame_rc = LV_ERROR;
    programme(0, 1, 90000);
    ok(lv_ts_publish_displaced(pub), "another encoder has the stream");
    ok(lv_ts_publish_error(pub) != NULL, "… is an error, too");
    lv_ts_publish_abort(pub);
    is_int(pk.misuse, 0, "… after which nothing is called");
}


static void
test_goes_on(void)
{
    publish();
    mux_tables(av, 2);
    programme(0, 3, 90000);
    es_delta(900);
    es_pes(VIDEO, 110000, NONE);
    (void) push();
    is_int(pk.open[0] >= 0, 1, "a picture is on its way");
    lv_ts_publish_abort(pub);
    is_int(pk.open[0], -1, "… and is taken back when the sender is lost");

    publish();
    mux_tables(av, 2);
    pk.data_rc = LV_DECLINED;
    programme(0, 3, 90000);
    pk.data_rc = 0;
    programme(5, 3, 90000);
    (void) lv_ts_publish_flush(pub, &pk, now_ms);
    is_int(pk.misuse, 0, "the packager without memory");
    is_int(fake_count(&pk, 0), 3, "… and with it again");
}


static void
test_meta(void)
{
    static const mux_es_t  id3[2] = { { 0x1b, VIDEO, NULL, 0 },
                                      { 0x15, DATA, "\5\4ID3 ", 6 } };

    publish();
    mux_tables(id3, 2);
    es_key(100);
    es_pes(VIDEO, 90000, NONE);
    es_delta(100);
    es_pes(VIDEO, 93600, NONE);
    mux_bytes(DATA, mux_pes_buf,
              mux_pes_make(mux_pes_buf, 0xbd, 97200, NONE, true, 0, "ID3\4",
                           4));
    (void) push();
    (void) lv_ts_publish_flush(pub, &pk, now_ms);
    is_int(last_meta.kind, LV_TS_ID3, "metadata are passed on");
    is_int(last_meta.pts - fake_frame(&pk, 0, 1)->dts, 3600,
           "… on the packager's clock");
}


int
main(void)
{
    test_frames();
    test_clock_jump();
    test_ends();
    test_goes_on();
    test_meta();

    begin();
    fake_reset(&pk);
    lv_ts_destroy(ts);
    lv_ts_publish_destroy(pub);

    return done_testing();
}
