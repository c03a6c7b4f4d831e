#include "flv_send.h"

static const char *const  files[] = {
    "baseline.flv", "bframes.flv", "crop.flv", "high422.flv", "sar.flv",
    "intra.flv"
};

#define FILES  (sizeof(files) / sizeof(files[0]))


/* What comes out of a file is its NAL units and AAC frames, whatever the
 * pieces that they come in. */
static void
test_files(void)
{
    size_t        n;
    unsigned      i, k, v, a, bad;
    flv_tag_t     t;
    flv_file_t    f;
    fake_frame_t  *fr;

    static const size_t  pieces[] = { 1, 3, 1000, 1 << 20 };

    for (i = 0; i < FILES; i++) {
        for (k = 0; k < 4; k++) {
            flv_reset();
            piece = pieces[k];

            if (!ok(send_file(files[i]) == LV_OK, "%s in pieces of %u",
                    files[i], (unsigned) piece))
            {
                continue;
            }

            flv_open(&f, files[i]);
            v = a = bad = 0;

            while (flv_next(&f, &t) == LV_OK) {

                if (t.type == LV_FLV_VIDEO && t.body[1] == 1) {
                    fr = fake_frame(&pk, 0, v++);
                    n = t.len - 5;
                    bad += fr == NULL || fr->len != n
                           || memcmp(fr->data, t.body + 5, n) != 0
                           || fr->dts != 270000 + (int64_t) t.timestamp * 90
                           || fr->cts != (int32_t) lv_be24(t.body + 2) * 90
                           || fr->key != ((fr->data[4] & 0x1f) == 5
                                          || (t.body[0] >> 4 == 1
                                              && v == 1));
                }

                if (t.type == LV_FLV_AUDIO && t.body[1] == 1) {
                    fr = fake_frame(&pk, 1, a++);
                    n = t.len - 2;
                    bad += fr == NULL || fr->len != n
                           || memcmp(fr->data, t.body + 2, n) != 0;
                }
            }

            flv_close(&f);

            is_int(bad, 0, "  every frame is there, byte by byte");
            is_int(fake_count(&pk, 0), v, "  no more video frames");
            is_int(fake_count(&pk, 1), a, "  no more audio frames");
            is_int((long long) flv.stat.video_frames, v, "  and counted");
            is_int(pk.misuse, 0, "  the packager's contract is kept");
            is_int(pk.configs[0], 1, "  one video configuration");
            is_int(pk.configs[1], 1, "  one audio configuration");
        }
    }

    flv_reset();
    send_file("bframes.flv");
    is_str(pk.config[0].codecs, "avc1.64001F", "video codec");
    is_int(pk.config[0].fourcc, 0x61766331, "avc1");
    is_int(pk.config[0].width, 854, "width");
    is_int(pk.config[0].height, 480, "height");
    is_int(pk.config[0].rate_milli, 30000, "rate");
    is_str(pk.config[1].codecs, "mp4a.40.2", "audio codec");
    is_int(pk.config[1].fourcc, 0x6d703461, "mp4a");
    is_int(pk.config[1].sample_rate, 48000, "sample rate");
    is_int(pk.config[1].channels, 2, "channels");
    is_int(pk.config[1].frame_samples, 1024, "samples a frame");
    is_str(told, "1 avc1.64001F 854x480\n1 mp4a.40.2 48000 Hz 2 ch\n"
           "8 video: end of sequence\n", "events");

    flv_reset();
    send_file("sar.flv");
    is_int(pk.config[0].width, 1024, "width in square pixels");
}


/* Audio and video bytes take turns, one byte each. */
static void
test_interleaved(void)
{
    int        rc;
    size_t     i;
    uint8_t    v[300], a[90];

    flv_reset();
    send_avc(4);
    START("\xaf\0\x12\x10");
    send_built(LV_FLV_AUDIO, 0);

    START("\x17\1\0\0\0");
    add_nal(4, 0x65, 250);
    memcpy(v, msg.data, msg.len);
    memset(a, 0x21, sizeof(a));
    a[0] = 0xaf;
    a[1] = 1;

    rc = lv_flv_begin(&flv, &pk, LV_FLV_VIDEO, 0, 259, FLV_NOW0);
    rc |= lv_flv_begin(&flv, &pk, LV_FLV_AUDIO, 0, 90, FLV_NOW0);

    for (i = 0; i < 259; i++) {
        rc |= lv_flv_data(&flv, LV_FLV_VIDEO, v + i, 1);
        if (i < 90) {
            rc |= lv_flv_data(&flv, LV_FLV_AUDIO, a + i, 1);
        }
        if (i == 90) {
            rc |= lv_flv_end(&flv, LV_FLV_AUDIO);
        }
    }

    rc |= lv_flv_end(&flv, LV_FLV_VIDEO);

    is_int(rc, LV_OK, "audio and video messages interleave");
    is_int(pk.misuse, 0, "the packager's contract is kept");
    is_int((long long) fake_frame(&pk, 0, 0)->len, 254, "video is whole");
    ok(memcmp(fake_frame(&pk, 0, 0)->data, v + 5, 254) == 0, "and right");
    is_int((long long) fake_frame(&pk, 1, 0)->len, 88, "audio is whole");
    ok(memcmp(fake_frame(&pk, 1, 0)->data, a + 2, 88) == 0, "and right");
}


static void
test_unfinished(void)
{
    unsigned  i;
    uint8_t   body[64];

    flv_reset();
    send_avc(4);
    START("\x17\1\0\0\0");
    add_nal(4, 0x65, 50);
    memcpy(body, msg.data, 59);

    lv_flv_begin(&flv, &pk, LV_FLV_VIDEO, 0, 59, FLV_NOW0);
    lv_flv_data(&flv, LV_FLV_VIDEO, body, 40);
    is_int(lv_flv_end(&flv, LV_FLV_VIDEO), LV_OK, "a message ends early");
    is_int(pk.frames, 1, "a frame had begun");
    ok(pk.frame[0].aborted, "it is aborted");

    lv_flv_begin(&flv, &pk, LV_FLV_VIDEO, 40, 59, FLV_NOW0);
    lv_flv_data(&flv, LV_FLV_VIDEO, body, 40);
    lv_flv_begin(&flv, &pk, LV_FLV_VIDEO, 80, 59, FLV_NOW0);
    ok(pk.frame[1].aborted, "a message begins inside another: aborted");
    lv_flv_data(&flv, LV_FLV_VIDEO, body, 59);
    lv_flv_data(&flv, LV_FLV_VIDEO, body, 59);
    is_int(lv_flv_end(&flv, LV_FLV_VIDEO), LV_OK, "more bytes than announced");
    is_str(fake_nals(fake_frame(&pk, 0, 0)), "5", "are ignored");

    lv_flv_begin(&flv, &pk, LV_FLV_VIDEO, 120, 59, FLV_NOW0);
    lv_flv_data(&flv, LV_FLV_VIDEO, body, 40);
    lv_flv_abort_all(&flv);
    ok(pk.frame[3].aborted, "abort");
    is_int(lv_flv_end(&flv, LV_FLV_VIDEO), LV_OK, "end after abort");
    is_int(lv_flv_data(&flv, LV_FLV_VIDEO, body, 9), LV_OK, "data likewise");
    is_int(fake_count(&pk, 0), 1, "does nothing");
    is_int(pk.misuse, 0, "the packager's contract is kept");

    /* every prefix of a message is a message, too */
    for (i = 0; i < 59; i++) {
        if (send_msg(LV_FLV_VIDEO, 200 + i, body, i) != LV_OK
            || send_msg(LV_FLV_AUDIO, 200 + i, "\xaf\1\x21\x10\4", i % 6)
               != LV_OK)
        {
            break;
        }
    }

    is_int(i, 59, "short messages are no error");
    is_int(pk.misuse, 0, "the packager's contract is kept");
}


static void
test_displaced(void)
{
    flv_reset();
    pk.config_rc = LV_ERROR;
    is_int(send_avc(4), LV_ERROR, "displaced at the configuration");
    ok(flv.displaced, "and told so");
    is_int(send_avc(4), LV_ERROR, "for good");

    flv_reset();
    send_avc(4);
    pk.frame_rc = LV_ERROR;
    START("\x17\1\0\0\0");
    add_nal(4, 0x65, 50);
    is_int(send_built(LV_FLV_VIDEO, 0), LV_ERROR, "displaced at a frame");
    ok(flv.displaced && flv.err, "and told so");

    flv_reset();
    send_avc(4);
    pk.data_rc = LV_ERROR;
    START("\x17\1\0\0\0");
    add_nal(4, 0x65, 50);
    is_int(send_built(LV_FLV_VIDEO, 0), LV_ERROR, "displaced in a frame");
    pk.misuse = 0;
    lv_flv_abort_all(&flv);
    ok(!pk.frame[0].aborted, "the packager is not touched any more");

    flv_reset();
    START("\xaf\0\x12\x10");
    send_built(LV_FLV_AUDIO, 0);
    pk.frame_rc = LV_ERROR;
    START("\xaf\1\x21\x10\4\x60\x8c\x1c");
    is_int(send_built(LV_FLV_AUDIO, 0), LV_ERROR, "displaced at audio");

    flv_reset();
    send_avc(4);
    pk.frame_rc = LV_DECLINED;
    START("\x17\1\0\0\0");
    add_nal(4, 0x65, 50);
    is_int(send_built(LV_FLV_VIDEO, 0), LV_OK, "a frame is declined");
    is_int((long long) flv.stat.declined, 1, "and counted");
    pk.frame_rc = 0;
    pk.data_rc = LV_DECLINED;
    is_int(send_built(LV_FLV_VIDEO, 40), LV_OK, "no memory for its bytes");
    ok(pk.frame[0].aborted, "it is aborted");
    pk.data_rc = 0;
    is_int(send_built(LV_FLV_VIDEO, 80), LV_OK, "the next");
    is_int(fake_count(&pk, 0), 1, "is taken");
    is_int(pk.misuse, 0, "the packager's contract is kept");

    flv_reset();
    pk.config_rc = LV_DECLINED;
    is_int(send_avc(4), LV_ERROR, "a configuration that cannot be packaged");
    is_str(flv.err, "video configuration cannot be packaged", "is told");
    ok(!flv.displaced, "that is not being displaced");
}


static void
test_times(void)
{
    unsigned       i;
    uint32_t       ts;
    fake_frame_t  *f;

    /* composition offsets */
    flv_reset();
    send_avc(4);

    static const struct {
        const char  *name, *head;
        int32_t      cts;
    } cts[] = {
        { "positive CTS", "\x17\1\0\0\x50", 7200 },
        { "negative CTS is sign-extended", "\x27\1\xff\xff\xb0", -7200 },
        { "huge CTS is 0", "\x27\1\x7f\xff\xff", 0 },
        { "huge negative CTS is 0", "\x27\1\x80\0\0", 0 }
    };

    for (i = 0; i < 4; i++) {
        msg.len = 0;
        add(cts[i].head, 5);
        add_nal(4, i ? 0x41 : 0x65, 30);
        send_built(LV_FLV_VIDEO, i * 40);
        f = fake_frame(&pk, 0, i);
        is_int(f->cts, cts[i].cts, cts[i].name);
    }

    /* a writer of 24 bits */
    flv_reset();
    send_avc(4);
    START("\xaf\0\x12\x10");
    send_built(LV_FLV_AUDIO, 0xfffff0);

    for (i = 0; i < 20; i++) {
        ts = (0xfffff0 + i * 40) & 0xffffff;
        START("\x17\1\0\0\0");
        add_nal(4, 0x65, 30);
        send_at(LV_FLV_VIDEO, ts, FLV_NOW0 + i * 40, msg.data, msg.len);
        START("\xaf\1\x21\x10\4\x60\x8c\x1c");
        send_at(LV_FLV_AUDIO, ts, FLV_NOW0 + i * 40, msg.data, msg.len);
    }

    is_int(fake_frame(&pk, 0, 19)->dts - fake_frame(&pk, 0, 0)->dts,
           19 * 3600, "24 bit wrap without extended field");
    is_int(told_count(LV_FLV_JUMP), 0, "is no jump");
    is_int(fake_frame(&pk, 1, 2)->dts - fake_frame(&pk, 1, 0)->dts, 4179,
           "audio times follow the count of samples");

    /* a jump of hours */
    START("\x17\1\0\0\0");
    add_nal(4, 0x65, 30);
    send_at(LV_FLV_VIDEO, 70000000, FLV_NOW0 + 800, msg.data, msg.len);
    is_int(fake_frame(&pk, 0, 20)->dts - fake_frame(&pk, 0, 19)->dts, 3600,
           "a jump is bridged");
    is_int(told_count(LV_FLV_JUMP), 1, "and told");
}


static void
test_metadata(void)
{
    flv_reset();
    lv_flv_meta_number(&flv, "width", 5, 1280);
    lv_flv_meta_number(&flv, "height", 6, 720);
    lv_flv_meta_number(&flv, "framerate", 9, 29.97);
    lv_flv_meta_number(&flv, "videodatarate", 13, 2500.4);
    lv_flv_meta_number(&flv, "videocodecid", 12, 7);
    lv_flv_meta_string(&flv, "audiocodecid", 12, "mp4a", 4);
    lv_flv_meta_string(&flv, "encoder", 7, "Lavf\x01 59\xff", 9);
    is_int(flv.meta.width, 1280, "width");
    is_int(flv.meta.rate_milli, 29970, "frame rate");
    is_int(flv.meta.video_kbps, 2500, "bit rate");
    is_str(flv.meta.video_codec, "7", "codec as a number");
    is_str(flv.meta.audio_codec, "mp4a", "codec as a string");
    is_str(flv.meta.encoder, "Lavf? 59?", "encoder, printable");

    lv_flv_meta_number(&flv, "videocodecid", 12, 1635135537.0);
    is_str(flv.meta.video_codec, "av01", "codec as a FourCC number");
    lv_flv_meta_number(&flv, "videocodecid", 12, 1e300);
    lv_flv_meta_number(&flv, "videocodecid", 12, -1);
    lv_flv_meta_number(&flv, "width", 5, -5);
    lv_flv_meta_number(&flv, "width", 5, 1e300);
    lv_flv_meta_number(&flv, "width", 5, 0.0 / 0.0);
    lv_flv_meta_number(&flv, "widt", 4, 5);
    lv_flv_meta_number(&flv, "nothing", 7, 5);
    lv_flv_meta_string(&flv, "width", 5, "x", 1);
    is_int(flv.meta.width, 1280, "values out of reason are ignored");
    is_str(flv.meta.video_codec, "av01", "codecs, too");

    /* it says AV1 and 1280x720; the packets count */
    is_int(send_avc(4), LV_OK, "metadata is not trusted over packets");
    is_int(pk.config[0].width, 176, "the SPS has the size");
}


static void
test_captions(void)
{
    unsigned  i;

    static const char  cc[] = "\x06\x04\x0e\xb5\0\x31GA94\x03\x41\xff"
                              "\xfc\x94\x20\xff\x80";

    for (i = 0; i < 2; i++) {
        flv_reset();
        send_avc(4);
        START("\x17\1\0\0\0");
        add_nal(4, 0x65, 100);
        send_built(LV_FLV_VIDEO, 0);
        is_int(pk.captions, 0, "no captions yet");

        START("\x27\1\0\0\0");

        if (i) {
            ADD_START("");
        } else {
            ADD("\0\0\0\x12");
        }

        ADD(cc);
        add_nal(i ? 0 : 4, 0x41, 100);
        send_built(LV_FLV_VIDEO, 40);
        is_int(pk.captions, LV_CAPTIONS_CC1,
               "captions that come late are found");
        is_str(fake_nals(fake_frame(&pk, 0, 1)), "6 1",
               "and stay where they are");
        is_int(pk.misuse, 0, "the packager's contract is kept");
    }
}


int
main(void)
{
    test_files();
    test_interleaved();
    test_unfinished();
    test_displaced();
    test_times();
    test_metadata();
    test_captions();
    flv_reset();

    return done_testing();
}
