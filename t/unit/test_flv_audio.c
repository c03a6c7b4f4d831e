#include "flv_send.h"

#define ASC     "\xaf\0\x12\x10"             /* LC 44100 stereo */
#define RAW     "\xaf\1"
#define FRAME   "\x21\x10\x04\x60\x8c\x1c\x33\x44\x55"

/* LC 44100, 16 bytes in all; with another channel configuration; and with a
 * checksum, 18 bytes in all. */
#define ADTS      "\xff\xf1\x50\x80\x02\x1f\xfc"
#define ADTS_MONO "\xff\xf1\x50\x40\x02\x1f\xfc"
#define ADTS_CRC  "\xff\xf0\x50\x80\x02\x5f\xfc\xaa\xbb"


static fake_frame_t *
frame(unsigned n)
{
    return fake_frame(&pk, 1, n);
}


static void
is_frame(unsigned n, const char *name)
{
    ok(frame(n) && frame(n)->len == 9
       && memcmp(frame(n)->data, FRAME, 9) == 0, "%s", name);
}


static void
test_aac(void)
{
    unsigned  k;

    static const size_t  pieces[] = { 1, 4, 1 << 20 };

    for (k = 0; k < 3; k++) {
        flv_reset();
        piece = pieces[k];

        START("\xaf\0");
        is_int(send_built(LV_FLV_AUDIO, 0), LV_OK,
               "an empty first header (AF 00)");
        is_int(pk.configs[1], 0, "is ignored");
        START(ASC);
        is_int(send_built(LV_FLV_AUDIO, 0), LV_OK, "then the real one");
        is_int(pk.configs[1], 1, "is the configuration");
        ok(pk.config[1].config_len == 2
           && memcmp(pk.config[1].config, "\x12\x10", 2) == 0, "as it came");
        START(RAW FRAME);
        send_built(LV_FLV_AUDIO, 0);
        is_frame(0, "a raw frame");
        START(RAW "\x01\x02\x03");
        send_built(LV_FLV_AUDIO, 23);
        is_int((long long) frame(1)->len, 3, "a frame of 3 bytes");
        START(RAW "\x01\x02\x03\x04\x05\x06\x07");
        send_built(LV_FLV_AUDIO, 46);
        is_int((long long) frame(2)->len, 7, "a frame of 7 bytes");
        START(RAW);
        send_built(LV_FLV_AUDIO, 69);
        is_int(fake_count(&pk, 1), 3, "a frame of nothing is none");
        START(ASC);
        send_built(LV_FLV_AUDIO, 69);
        is_int(pk.configs[1], 1, "the same header repeated is nothing");
        START("\xaf\0\x11\x90");
        send_built(LV_FLV_AUDIO, 69);
        is_int(pk.configs[1], 2, "another one is a change");
        is_int(pk.config[1].sample_rate, 48000, "of rate");
        START("\xaf\2");
        send_built(LV_FLV_AUDIO, 69);
        START("\xaf\7zzzz");
        is_int(send_built(LV_FLV_AUDIO, 69), LV_OK,
               "unknown packet types are ignored");
        is_int(fake_count(&pk, 1), 3, "they are no frames");
        is_int(pk.misuse, 0, "the packager's contract is kept");
    }

    flv_reset();
    START("\xaf\0\x2b\x92\x08\0");
    send_built(LV_FLV_AUDIO, 0);
    is_str(pk.config[1].codecs, "mp4a.40.5", "HE-AAC");
    is_int(pk.config[1].sample_rate, 44100, "its output rate");
    is_int(pk.config[1].frame_samples, 2048, "samples a frame");
    START(RAW FRAME);
    send_built(LV_FLV_AUDIO, 0);
    START(RAW FRAME);
    send_built(LV_FLV_AUDIO, 46);
    is_int(frame(1)->dts - frame(0)->dts, 4179, "46.4 ms a frame");
}


static void
test_no_header(void)
{
    flv_reset();
    START(RAW FRAME);
    is_int(send_built(LV_FLV_AUDIO, 0), LV_OK, "AAC without sequence header");
    send_built(LV_FLV_AUDIO, 23);
    is_int(pk.frames, 0, "is held back");
    is_int((long long) flv.stat.held, 2, "and counted");
    is_int(told_count(LV_FLV_HELD), 1, "and told once");
    START(ASC);
    send_built(LV_FLV_AUDIO, 46);
    START(RAW FRAME);
    send_built(LV_FLV_AUDIO, 46);
    is_frame(0, "it starts when one comes");
}


static void
test_adts(void)
{
    unsigned  k;

    static const size_t  pieces[] = { 1, 5, 1 << 20 };

    for (k = 0; k < 3; k++) {
        flv_reset();
        piece = pieces[k];

        START(RAW ADTS FRAME);
        is_int(send_built(LV_FLV_AUDIO, 0), LV_OK,
               "ADTS without sequence header");
        is_int(pk.configs[1], 1, "  is a configuration");
        is_int(pk.config[1].sample_rate, 44100, "  of its rate");
        is_frame(0, "  its 7 bytes are stripped");
        START(RAW ADTS_CRC FRAME);
        send_built(LV_FLV_AUDIO, 23);
        is_frame(1, "  9 bytes with a checksum");
        is_int(pk.configs[1], 1, "  the configuration stays");
        START(RAW ADTS FRAME ADTS FRAME ADTS_CRC FRAME);
        send_built(LV_FLV_AUDIO, 46);
        is_int(fake_count(&pk, 1), 5, "  three frames in a message");
        is_frame(2, "  first");
        is_frame(3, "  second");
        is_frame(4, "  third");
        ok(llabs(frame(4)->dts - frame(2)->dts - 4179) <= 1,
           "  one behind the other");
        START(RAW ADTS FRAME "\xff\xf1\x50");
        send_built(LV_FLV_AUDIO, 116);
        is_int(fake_count(&pk, 1), 6, "  rubbish behind a frame is left out");
        START(RAW ADTS FRAME "zzzzzzzzzzzzzzzz");
        send_built(LV_FLV_AUDIO, 139);
        is_int(fake_count(&pk, 1), 7, "  however long");
        START(RAW "\xff\xf1\x50\x80\0\xff\xfc" ADTS FRAME);
        send_built(LV_FLV_AUDIO, 162);
        is_int(fake_count(&pk, 1), 8, "  a header without frame is passed");
        is_frame(7, "  the one behind it is taken");
        START(RAW "\xff\xf1\x50\x80\x02\x1f\xfd" FRAME ADTS FRAME);
        send_built(LV_FLV_AUDIO, 185);
        is_int(fake_count(&pk, 1), 9, "  a frame of two blocks is left out");
        is_int(told_count(LV_FLV_SKIPPED), 1, "  and told");
        START(RAW ADTS_MONO FRAME);
        send_built(LV_FLV_AUDIO, 208);
        is_int(pk.configs[1], 2, "  other channels are a change");
        is_int(pk.config[1].channels, 1, "  mono");
        is_int(pk.misuse, 0, "  the packager's contract is kept");
    }

    flv_reset();
    START("\xaf\0\x2b\x92\x08\0");
    send_built(LV_FLV_AUDIO, 0);
    START(RAW "\xff\xf1\x5c\x80\x02\x1f\xfc" FRAME);
    send_built(LV_FLV_AUDIO, 0);
    is_frame(0, "ADTS behind a sequence header is stripped");
    is_int(pk.configs[1], 1, "and the sequence header stays");
    START(RAW "\xff\xf1\x5c\x80\x02\x3f\xfc" FRAME);
    send_built(LV_FLV_AUDIO, 46);
    is_int((long long) frame(1)->len, 16,
           "what is longer than its message is no ADTS");
}


static void
test_refused(void)
{
    char      name[40];
    unsigned  i;
    uint8_t   b[20];

    static const struct {
        unsigned     id;
        const char  *name;
    } codecs[] = {
        { 0, "linear PCM" }, { 1, "ADPCM" },
        { 3, "linear PCM" }, { 4, "Nellymoser 16 kHz" },
        { 5, "Nellymoser 8 kHz" }, { 6, "Nellymoser" },
        { 7, "G.711 A-law" }, { 8, "G.711 mu-law" }, { 11, "Speex" },
        { 12, "an unknown codec" }
    };

    for (i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
        flv_reset();
        memset(b, 0x55, sizeof(b));
        b[0] = (uint8_t) (codecs[i].id << 4 | 0x0f);
        is_int(send_msg(LV_FLV_AUDIO, 0, b, 20), LV_OK, "audio codec");
        send_msg(LV_FLV_AUDIO, 20, b, 20);
        ok(strstr(told, codecs[i].name) && told_count(LV_FLV_REFUSED) == 1,
           "%s is refused, once", codecs[i].name);
        send_avc(4);
        START("\x17\1\0\0\0");
        add_nal(4, 0x65, 50);
        send_built(LV_FLV_VIDEO, 0);
        snprintf(name, sizeof(name), "video goes on without %s",
                 codecs[i].name);
        is_int(fake_count(&pk, 0), 1, name);
    }

    START(ASC);
    send_built(LV_FLV_AUDIO, 40);
    START(RAW FRAME);
    send_built(LV_FLV_AUDIO, 40);
    is_int(fake_count(&pk, 1), 1, "AAC may follow");

    flv_reset();
    START("\xaf\0\x0a\x10");
    send_built(LV_FLV_AUDIO, 0);
    send_built(LV_FLV_AUDIO, 0);
    is_str(told, "2 AAC profile not supported: mp4a.40.1, use AAC-LC\n",
           "AAC Main is refused, once");
    START(RAW FRAME);
    send_built(LV_FLV_AUDIO, 0);
    is_int((long long) flv.stat.refused, 1, "its frames are counted");

    flv_reset();
    START("\xaf\0\x02\x10");
    is_int(send_built(LV_FLV_AUDIO, 0), LV_OK, "a damaged configuration");
    is_int(told_count(LV_FLV_REFUSED), 1, "is told");
    START("\xaf\0");
    for (i = 0; i < 100; i++) {
        ADD("\x12");
    }
    send_built(LV_FLV_AUDIO, 0);
    is_int(told_count(LV_FLV_BROKEN), 1, "one of 100 bytes, too");
    START(ASC);
    send_built(LV_FLV_AUDIO, 0);
    is_int(pk.configs[1], 1, "a good one is taken then");

    flv_reset();
    pk.config_rc = LV_DECLINED;
    START(ASC);
    is_int(send_built(LV_FLV_AUDIO, 0), LV_OK, "the packager declines it");
    is_int(told_count(LV_FLV_REFUSED), 1, "that is told");
}


static void
test_enhanced(void)
{
    flv_reset();
    piece = 1;
    START("\x90mp4a\x12\x10");
    is_int(send_built(LV_FLV_AUDIO, 0), LV_OK, "enhanced RTMP: mp4a");
    is_int(pk.configs[1], 1, "sequence start");
    START("\x91mp4a" FRAME);
    send_built(LV_FLV_AUDIO, 0);
    is_frame(0, "coded frames");
    START("\x94mp4a\0\2");
    is_int(send_built(LV_FLV_AUDIO, 0), LV_OK, "channel order is passed over");
    START("\x97\x02\1\2\3\1mp4a" FRAME);
    send_built(LV_FLV_AUDIO, 23);
    is_frame(1, "behind ModEx");
    START("\x95\x11mp4a");
    ADD("\x09\0\0\2zz");
    ADD("\0\0\0\x09" FRAME);
    send_built(LV_FLV_AUDIO, 46);
    is_frame(2, "multitrack: the first track");
    is_int(fake_count(&pk, 1), 3, "no other");
    START("\x92mp4a");
    send_built(LV_FLV_AUDIO, 69);
    is_int(told_count(LV_FLV_END), 1, "sequence end is told");

    START("\x90" "dtscz");
    is_int(send_built(LV_FLV_AUDIO, 69), LV_OK, "DTS");
    ok(strstr(told, "audio codec not supported: dtsc, use AAC") != NULL,
       "is refused with its name");
    START("\x95\x31mp4a");
    is_int(send_built(LV_FLV_AUDIO, 69), LV_OK, "no such multitrack type");
    START("\x95\x11mp4a\0\0\xff\0zz");
    is_int(send_built(LV_FLV_AUDIO, 69), LV_OK, "a track beyond its message");
    is_int((long long) flv.stat.broken, 2, "both counted");
    is_int(pk.misuse, 0, "the packager's contract is kept");
}


int
main(void)
{
    test_aac();
    test_no_header();
    test_adts();
    test_refused();
    test_enhanced();
    flv_reset();

    return done_testing();
}
