#include "flv_send.h"

#define NALU   "\x17\1\0\0\0"        /* key frame, NAL units, CTS 0 */
#define INTER  "\x27\1\0\0\0"


static const char *
nals(unsigned n)
{
    return fake_nals(fake_frame(&pk, 0, n));
}


static void
test_lengths(void)
{
    int            size;
    char           name[64];
    fake_frame_t  *f;

    for (size = 1; size <= 4; size++) {
        flv_reset();
        piece = 3;
        is_int(send_avc(size), LV_OK, "sequence header");
        is_int(pk.config_data[0][4], 0xff, "is made one of 4 byte lengths");
        START(NALU);
        add_nal(size, 0x06, 20);
        add_nal(size, 0x65, 200);
        add_nal(size, 0x65, 100);
        snprintf(name, sizeof(name), "NAL lengths of %d byte", size);
        is_int(send_built(LV_FLV_VIDEO, 0), LV_OK, name);
        is_str(nals(0), "6 5 5", "  are rewritten");
        f = fake_frame(&pk, 0, 0);
        is_int((long long) f->len, 12 + 320, "  to 4 bytes");
    }

    flv_reset();
    send_avc(4);
    START(NALU "\0\0\0\0");
    add_nal(4, 0x65, 20);
    ADD("\0\0\0\0\0\0\0\0");
    add_nal(4, 0x65, 20);
    ADD("\0\0\0\0\0\0");
    is_int(send_built(LV_FLV_VIDEO, 0), LV_OK, "empty NAL units");
    is_str(nals(0), "5 5", "are skipped");
}


/* A slice of 100 bytes that begins a picture (first_mb_in_slice 0), or goes on
 * with one. */
static void
add_slice(int size, uint8_t head, bool first)
{
    size_t  at;

    at = msg.len + (size > 0 ? (size_t) size : 4);
    add_nal(size, head, 100);
    msg.data[at + 1] = first ? 0x88 : 0x48;
}


static void
send_slice(uint8_t head, bool first, uint32_t ts)
{
    if ((head & 0x1f) == 5) {
        START(NALU);
    } else {
        START(INTER);
    }

    add_slice(4, head, first);
    send_built(LV_FLV_VIDEO, ts);
}


static void
test_pieces(void)
{
    unsigned  i;

    for (i = 0; i < 2; i++) {
        flv_reset();
        piece = i ? 1 : 1 << 20;
        send_avc(4);
        send_slice(0x65, true, 0);
        send_slice(0x65, false, 0);
        send_slice(0x65, false, 0);
        send_slice(0x41, true, 40);
        START(INTER);
        add_slice(4, 0x41, false);
        add_slice(4, 0x41, false);
        send_built(LV_FLV_VIDEO, 40);
        is_int(fake_count(&pk, 0), 2, "pictures sent in pieces are two frames");
        is_str(nals(0), "5 5 5", "the key frame has its slices");
        is_str(nals(1), "1 1 1", "so has the other");
        ok(fake_frame(&pk, 0, 0)->key && !fake_frame(&pk, 0, 1)->key,
           "a key frame is one");
        is_int((long long) flv.stat.video_frames, 2, "counted as two");
        is_int(pk.misuse, 0, "no misuse");
    }

    flv_reset();
    send_avc(4);
    START(NALU);
    add_slice(0, 0x65, true);
    send_built(LV_FLV_VIDEO, 0);
    START(NALU);
    add_slice(0, 0x65, false);
    add_slice(0, 0x65, false);
    send_built(LV_FLV_VIDEO, 0);
    is_str(nals(0), "5 5 5", "with start codes, too");

    flv_reset();
    send_avc(4);
    send_slice(0x65, true, 0);
    send_slice(0x41, true, 0);
    send_slice(0x41, false, 40);
    is_int(fake_count(&pk, 0), 3, "a first slice, or another time, is another "
           "picture");
    START("\x27\1\0\0\x28");
    add_slice(4, 0x41, false);
    send_built(LV_FLV_VIDEO, 40);
    is_int(fake_count(&pk, 0), 4, "so is another composition time");
    START("\x27\1\0\0\x28");
    add_nal(4, 0x06, 20);
    add_slice(4, 0x41, false);
    send_built(LV_FLV_VIDEO, 40);
    is_int(fake_count(&pk, 0), 5, "and what has SEI in front");
    START("\x27\1\0\0\x28");
    add_nal(4, 0x09, 2);
    add_slice(4, 0x41, false);
    send_built(LV_FLV_VIDEO, 40);
    is_int(fake_count(&pk, 0), 6, "or a delimiter");

    pk.more_rc = LV_DECLINED;
    START("\x27\1\0\0\x28");
    add_slice(4, 0x41, false);
    send_built(LV_FLV_VIDEO, 40);
    is_int(fake_count(&pk, 0), 7, "what is published is not added to");
    pk.more_rc = LV_ERROR;
    is_int(send_built(LV_FLV_VIDEO, 40), LV_ERROR, "displaced meanwhile");

    flv_reset();
    send_avc(4);
    send_slice(0x65, true, 0);
    for (i = 0; i < 1000; i++) {
        send_slice(0x65, false, 0);
    }
    is_int(fake_count(&pk, 0), 1 + (1000 + LV_FLV_PIECES - 1) / LV_FLV_PIECES
           - 1, "pieces without end are cut");

    flv_reset();
    send_avc(4);
    send_slice(0x65, true, 0);
    START(NALU);
    add_slice(4, 0x65, false);
    ADD("\0\0\1\0");
    send_built(LV_FLV_VIDEO, 0);
    is_int(fake_count(&pk, 0), 0, "a damaged piece takes its picture along");
    send_slice(0x65, false, 0);
    is_int(fake_count(&pk, 0), 1, "which is not added to");

    flv_reset();
    send_avc(4);
    send_slice(0x65, true, 0);
    START(NALU);
    add_nal(4, 0x65, 1);
    add_slice(4, 0x65, false);
    send_built(LV_FLV_VIDEO, 0);
    is_str(nals(0), "5 5", "a slice of one byte is dropped");
}


static void
test_dropped(void)
{
    flv_reset();
    send_avc(4);
    START(NALU);
    add_nal(4, 0x09, 2);
    add_nal(4, 0x06, 30);
    add_nal(4, 0x65, 100);
    add_nal(4, 0x0c, 500);
    add_nal(4, 0x65, 100);
    add_nal(4, 0x0a, 1);
    add_nal(4, 0x0b, 1);
    send_built(LV_FLV_VIDEO, 0);
    is_str(nals(0), "6 5 5", "AUD, filler, ends are dropped, SEI is kept");
    is_int((long long) flv.stat.nal_dropped, 0, "that is usual");

    START(INTER);
    add_nal(4, 0x00, 9);
    add_nal(4, 0x18, 9);
    add_nal(4, 0x9e, 9);
    add_nal(4, 0x41, 100);
    send_built(LV_FLV_VIDEO, 40);
    is_str(nals(1), "1", "NAL types that mean nothing are dropped");
    is_int((long long) flv.stat.nal_dropped, 3, "and counted");

    START(INTER);
    add_nal(4, 0x42, 30);
    add_nal(4, 0x43, 30);
    add_nal(4, 0x44, 30);
    send_built(LV_FLV_VIDEO, 80);
    is_str(nals(2), "2 3 4", "data partitions are kept");
}


static void
test_sei(void)
{
    unsigned  i;

    flv_reset();
    send_avc(4);
    START(NALU);
    for (i = 0; i < 100; i++) {
        add_nal(4, 0x06, 20);
    }
    add_nal(4, 0x65, 100);
    send_built(LV_FLV_VIDEO, 0);
    is_str(nals(0), "6 6 6 6 6 6 6 6 5", "a flood of SEI: 8 are kept");
    is_int((long long) flv.stat.sei_dropped, 92, "the others are counted");
    is_int(told_count(LV_FLV_SKIPPED), 1, "and told");

    START(INTER);
    add_nal(4, 0x06, 20000);
    add_nal(4, 0x06, 3000);
    add_nal(4, 0x41, 100);
    send_built(LV_FLV_VIDEO, 40);
    is_str(nals(1), "6 1", "a SEI of 20 kB is dropped, the next one kept");
    is_int(told_count(LV_FLV_SKIPPED), 1, "told once");

    START(INTER);
    add_nal(4, 0x06, 9000);
    add_nal(4, 0x06, 9000);
    add_nal(4, 0x41, 100);
    send_built(LV_FLV_VIDEO, 80);
    is_str(nals(2), "6 1", "16 KiB a picture");

    START(INTER);
    add_nal(0, 0x06, 20000);
    add_nal(0, 0x41, 100);
    send_built(LV_FLV_VIDEO, 120);
    is_str(nals(3), "12 1", "with start codes a giant SEI is made filler");
    ok(fake_frame(&pk, 0, 3)->len < 16384 + 200, "and cut");

    START(INTER);
    add_nal(4, 0x06, 50);
    add_nal(4, 0x41, 100);
    send_built(LV_FLV_VIDEO, 160);
    is_str(nals(4), "6 1", "the next picture's are kept again");
    is_int(pk.misuse, 0, "the packager's contract is kept");
}


static void
test_annexb(void)
{
    unsigned       k;
    fake_frame_t  *f;

    static const size_t  pieces[] = { 1, 2, 5, 1 << 20 };

    for (k = 0; k < 4; k++) {
        flv_reset();
        piece = pieces[k];

        send_avc(4);
        START(NALU);
        add_nal(0, 0x09, 2);
        add_nal(0, 0x06, 30);
        add_nal(0, 0x65, 300);
        add_nal(-3, 0x65, 70);
        ADD("\0\0\0");
        is_int(send_built(LV_FLV_VIDEO, 0), LV_OK, "Annex B inside RTMP");
        is_str(nals(0), "6 5 5", "  is converted");
        f = fake_frame(&pk, 0, 0);
        is_int((long long) f->len, 12 + 400, "  trailing zeros are cut");
        is_int(told_count(LV_FLV_ANNEXB), 1, "  and told");

        START(INTER "\0\0\0\1\x41\x9a\0\0\3\0\0\3\1\0\x80");
        send_built(LV_FLV_VIDEO, 40);
        f = fake_frame(&pk, 0, 1);
        ok(f && f->len == 15
           && memcmp(f->data, "\0\0\0\x0b\x41\x9a\0\0\3\0\0\3\1\0\x80", 15)
              == 0, "  zeros inside a unit stay");

        START(INTER "\0\0\1\x41\x9a\x22\x33\0\0\0\0\0\1\x01\x55\x66");
        send_built(LV_FLV_VIDEO, 80);
        is_str(nals(2), "1 1", "  short and long start codes");
        is_int(pk.misuse, 0, "  the packager's contract is kept");
    }

    /* everything in band, nothing else */
    flv_reset();
    START(NALU);
    ADD_START(SPS_A);
    ADD_START(PPS_A);
    add_nal(0, 0x65, 90);
    is_int(send_built(LV_FLV_VIDEO, 0), LV_OK,
           "Annex B without a sequence header");
    is_str(nals(0), "5", "its parameter sets make the configuration");
    is_str(pk.config[0].codecs, "avc1.42C00B", "codec");

    flv_reset();
    START("\x17\0\0\0\0");
    ADD_START(SPS_A);
    ADD_START(PPS_A);
    is_int(send_built(LV_FLV_VIDEO, 0), LV_OK,
           "a sequence header of start codes");
    is_int(pk.configs[0], 1, "is a configuration");

    flv_reset();
    send_avc(4);
    START(NALU);
    ADD("\0\0\1");
    add_nal(4, 0x65, 70);
    msg.len = 5;
    add_nal(-3, 0x65, 70);
    send_built(LV_FLV_VIDEO, 0);
    is_str(nals(0), "5", "a short start code in the first place");

    /* what looks like a start code and is a length */
    flv_reset();
    send_avc(4);
    START(NALU);
    add_nal(4, 0x65, 0x165);
    add_nal(4, 0x65, 10);
    send_built(LV_FLV_VIDEO, 0);
    is_str(nals(0), "5 5", "a unit of 357 bytes is no start code");
    START(INTER);
    add_nal(4, 0x0a, 1);
    add_nal(4, 0x41, 100);
    send_built(LV_FLV_VIDEO, 40);
    is_str(nals(1), "1", "a unit of 1 byte neither");
    is_int(told_count(LV_FLV_ANNEXB), 0, "nothing was converted");
}


static void
test_sets_in_band(void)
{
    fake_frame_t  *f;

    flv_reset();
    send_avc(4);
    START(NALU);
    ADD_SET(SPS_A);
    ADD_SET(PPS_A);
    add_nal(4, 0x65, 100);
    send_built(LV_FLV_VIDEO, 0);
    is_str(nals(0), "5", "in-band SPS and PPS that are known are dropped");
    is_int(pk.configs[0], 1, "and change nothing");

    START(INTER);
    ADD_SET(SPS_B);
    ADD_SET(PPS_B);
    add_nal(4, 0x41, 100);
    send_built(LV_FLV_VIDEO, 40);
    is_int(pk.configs[0], 1, "other ones wait for a key frame");

    START(NALU);
    add_nal(4, 0x65, 100);
    send_built(LV_FLV_VIDEO, 80);
    is_int(pk.configs[0], 2, "and are a new configuration then");
    is_int(pk.config[0].width, 854, "of another size");
    is_str(nals(2), "5", "the frame has none of them");
    is_int(fake_frame(&pk, 0, 2)->configs, 2, "it belongs to the new one");

    START(NALU);
    ADD_SET(SPS_A);
    ADD_SET(PPS_A);
    add_nal(4, 0x65, 100);
    send_built(LV_FLV_VIDEO, 120);
    is_int(pk.configs[0], 3, "resolution change in band, with a key frame");
    is_int(pk.config[0].width, 176, "the old size again");

    START(INTER);
    ADD_SET(PPS_A2);
    add_nal(4, 0x41, 100);
    send_built(LV_FLV_VIDEO, 160);
    is_str(nals(4), "8 1", "a new PPS between key frames stays in place");
    f = fake_frame(&pk, 0, 4);
    ok(memcmp(f->data, "\0\0\0\5" PPS_A2, 9) == 0, "it is that one");
    START(INTER);
    ADD_SET(PPS_A);
    add_nal(4, 0x41, 100);
    send_built(LV_FLV_VIDEO, 200);
    is_str(nals(5), "8 1", "the old one again, too");
    START(INTER);
    ADD_SET(PPS_A);
    add_nal(4, 0x41, 100);
    send_built(LV_FLV_VIDEO, 240);
    is_str(nals(6), "1", "repeated it is dropped");
    is_int(pk.configs[0], 3, "the configuration is as it was");

    START(INTER);
    add_nal(4, 0x67, 2000);
    add_nal(4, 0x67, 3);
    add_nal(4, 0x41, 100);
    send_built(LV_FLV_VIDEO, 280);
    is_str(nals(7), "1", "damaged sets are dropped");
    is_int((long long) flv.stat.nal_dropped, 2, "and counted");

    START(INTER);
    ADD_START(PPS_A2);
    add_nal(0, 0x06, 6000);
    add_nal(0, 0x41, 100);
    send_built(LV_FLV_VIDEO, 320);
    is_str(nals(8), "8 6 1", "a new PPS, start codes, and 6 kB of SEI");

    /* each NAL unit in a message of its own */
    flv_reset();
    START(NALU); ADD_SET(SPS_A); send_built(LV_FLV_VIDEO, 0);
    START(NALU); ADD_SET(PPS_A); send_built(LV_FLV_VIDEO, 0);
    START(NALU); add_nal(4, 0x06, 30); send_built(LV_FLV_VIDEO, 0);
    START(NALU); add_nal(4, 0x65, 30); send_built(LV_FLV_VIDEO, 0);
    is_str(nals(0), "6 5", "a message for each NAL unit: one frame");
    is_int(fake_count(&pk, 0), 1, "only one");
}


static void
test_sequence_headers(void)
{
    flv_reset();
    send_avc(4);
    send_avc(4);
    send_avc(2);
    is_int(pk.configs[0], 1, "the same sequence header repeated is nothing");
    is_int(told_count(LV_FLV_CONFIG), 1, "told once");

    START("\x17\0\0\0\0");
    ADD_RECORD(4, SPS_B, PPS_B);
    send_built(LV_FLV_VIDEO, 40);
    is_int(pk.configs[0], 2, "with another SPS it is a change");
    is_str(pk.config[0].codecs, "avc1.64001F", "of codec");

    START("\x17\0\0\0\0");
    is_int(send_built(LV_FLV_VIDEO, 80), LV_OK, "an empty one is ignored");
    ADD("\1\x42");
    is_int(send_built(LV_FLV_VIDEO, 80), LV_OK,
           "a damaged one behind a good one is no error");
    is_int(told_count(LV_FLV_BROKEN), 1, "but told");
    START(NALU);
    add_nal(4, 0x65, 100);
    send_built(LV_FLV_VIDEO, 120);
    is_str(nals(0), "5", "the stream goes on");

    flv_reset();
    START("\x17\0\0\0\0\1\x42");
    is_int(send_built(LV_FLV_VIDEO, 0), LV_ERROR,
           "a damaged one in the first place is");
    is_str(flv.err, "H.264 sequence header is truncated", "and says why");

    flv_reset();
    START("\x17\0\0\0\0");
    ADD_RECORD(4, SPS_A, PPS_A);
    msg.len = 6000;
    send_built(LV_FLV_VIDEO, 0);
    is_int(told_count(LV_FLV_BROKEN), 1, "one of 6000 bytes is not read");

    flv_reset();
    START(NALU);
    add_nal(4, 0x65, 100);
    send_built(LV_FLV_VIDEO, 0);
    send_built(LV_FLV_VIDEO, 40);
    is_int(told_count(LV_FLV_HELD), 1, "no sequence header: told once");
    is_int((long long) flv.stat.held, 2, "frames are held back");
    is_int(pk.frames, 0, "the packager gets none");
}


static void
test_broken(void)
{
    int       rc;
    unsigned  i;

    flv_reset();
    send_avc(4);
    START(NALU);
    add_nal(4, 0x65, 100);
    ADD("\0\0\x10\0");
    add_nal(4, 0x65, 100);
    is_int(send_built(LV_FLV_VIDEO, 0), LV_OK,
           "a NAL length beyond the message");
    ok(pk.frame[0].aborted, "aborts the frame");
    is_int((long long) flv.stat.broken, 1, "is counted");
    is_str(strchr(told, '\n') + 1,
           "4 a NAL unit is longer than its message\n", "and told");
    send_built(LV_FLV_VIDEO, 40);
    is_int(told_count(LV_FLV_BROKEN), 1, "once a run");

    START(NALU);
    add_nal(4, 0x65, 100);
    send_built(LV_FLV_VIDEO, 80);
    is_str(nals(0), "5", "the next good frame is taken");

    START(NALU "\xff\xff\xff\xff");
    for (i = 0, rc = LV_OK; i < 1000 && rc == LV_OK; i++) {
        rc = send_built(LV_FLV_VIDEO, 120 + i * 40);
    }
    is_int(i, LV_FLV_BROKEN_MAX, "nothing but unreadable frames");
    is_int(rc, LV_ERROR, "end it");
    is_str(flv.err, "video is unreadable", "with a reason");
    is_int(pk.misuse, 0, "the packager's contract is kept");
}


static void
test_keys(void)
{
    unsigned  i, n;

    static const char  recovery[] = "\0\0\0\4\x06\x06\x01\xc4";

    flv_reset();
    send_avc(4);
    START(NALU);
    add_nal(4, 0x41, 50);
    send_built(LV_FLV_VIDEO, 0);
    is_int(fake_frame(&pk, 0, 0)->key, 0, "key by flag, but no IDR: no key");
    START(INTER);
    add_nal(4, 0x65, 50);
    send_built(LV_FLV_VIDEO, 40);
    is_int(fake_frame(&pk, 0, 1)->key, 1, "an IDR is a key without the flag");

    START(INTER);
    add(recovery, 8);
    add_nal(4, 0x41, 50);
    send_built(LV_FLV_VIDEO, 80);
    is_int(fake_frame(&pk, 0, 2)->key, 0,
           "a recovery point is no key where IDRs come");
    send_built(LV_FLV_VIDEO, 10000);
    is_int(fake_frame(&pk, 0, 3)->key, 0, "after 9.96 s neither");
    send_built(LV_FLV_VIDEO, 10040);
    is_int(fake_frame(&pk, 0, 4)->key, 1, "without IDR for 10 s it is");
    START(INTER);
    add_nal(4, 0x41, 50);
    send_built(LV_FLV_VIDEO, 10080);
    is_int(fake_frame(&pk, 0, 5)->key, 0, "pictures between are not");
    START(NALU);
    add_nal(4, 0x65, 50);
    send_built(LV_FLV_VIDEO, 10120);
    START(INTER);
    add(recovery, 8);
    add_nal(4, 0x41, 50);
    send_built(LV_FLV_VIDEO, 10160);
    is_int(fake_frame(&pk, 0, 7)->key, 0, "an IDR ends it");
    is_int((long long) flv.stat.key_frames, 3, "key frames are counted");

    /* intra refresh by x264: one IDR, then recovery points */
    flv_reset();
    send_file("intra.flv");
    for (i = 0, n = 0; i < fake_count(&pk, 0); i++) {
        n += fake_frame(&pk, 0, i)->key;
    }
    is_int(n, 1, "intra refresh: one IDR");
    flv.video[0].idr_ms -= 20000;
    fake_frames_free(&pk);
    {
        flv_tag_t   t;
        flv_file_t  f;

        flv_open(&f, "intra.flv");
        while (flv_next(&f, &t) == LV_OK) {
            /* all but the IDR */
            if (t.type == 9 && t.body[1] == 1 && t.timestamp > 30) {
                send_msg(9, t.timestamp + 3000, t.body, t.len);
            }
        }
        flv_close(&f);
    }
    for (i = 0, n = 0; i < fake_count(&pk, 0); i++) {
        n += fake_frame(&pk, 0, i)->key;
    }
    is_int(n, 2, "without IDR its recovery points are keys");

    /* more than can be held */
    flv_reset();
    send_avc(4);
    START(NALU);
    add_nal(4, 0x06, 3000);
    add_nal(4, 0x06, 3000);
    add_nal(4, 0x41, 50);
    send_built(LV_FLV_VIDEO, 0);
    is_str(nals(0), "6 6 1", "6 kB of SEI in front");
    is_int(fake_frame(&pk, 0, 0)->key, 1, "the flag is believed");
    msg.data[0] = 0x27;
    send_built(LV_FLV_VIDEO, 40);
    is_int(fake_frame(&pk, 0, 1)->key, 0, "either way");
}


static void
test_refused(void)
{
    unsigned  i;
    uint8_t   b[9] = { 0x10, 1, 0, 0, 0, 0, 0, 0, 0 };

    static const struct {
        unsigned     id;
        const char  *err;
    } ids[] = {
        { 2, "video codec not supported: Sorenson H.263, use H.264" },
        { 3, "video codec not supported: screen video, use H.264" },
        { 4, "video codec not supported: VP6, use H.264" },
        { 5, "video codec not supported: VP6 with alpha, use H.264" },
        { 6, "video codec not supported: screen video 2, use H.264" },
        { 13, "video codec not supported: AV1 as codec id 13, use enhanced"
              " RTMP (av01)" },
        { 15, "video codec not supported, use H.264" }
    };

    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        flv_reset();
        b[0] = (uint8_t) (0x10 | ids[i].id);
        is_int(send_msg(LV_FLV_VIDEO, 0, b, 9), LV_ERROR, "codec is refused");
        is_str(flv.err, ids[i].err, "with its name");
    }

    /* hvcC under codec id 7 */
    flv_reset();
    START("\x17\0\0\0\0\1\1\x60\0\0\0\x90\0\0\0\0\0\x5d\xf0\0\xfc\xfd\xf8\xf8"
          "\0\0\x0f\3\xa0\0\1\0\2\x40\1");
    is_int(send_built(LV_FLV_VIDEO, 0), LV_ERROR, "HEVC under codec id 7");
    is_str(flv.err, "HEVC is sent as H.264 (codec id 7): use H.264, or"
           " enhanced RTMP for HEVC", "is refused with a clear reason");
    ok(!flv.displaced, "that is not being displaced");

    flv_reset();
    is_int(send_msg(LV_FLV_VIDEO, 0, "\x57\0", 2), LV_OK,
           "a command frame is ignored");
    is_int(send_msg(LV_FLV_VIDEO, 0, "\x52\0", 2), LV_OK, "of any codec");
}


static void
test_enhanced(void)
{
    unsigned  i;

    static const struct {
        const char  *data, *err;
    } other[] = {
        { "\x90vp09\1\1", "video codec not supported: HLS has no place for"
                           " VP9, use H.264, HEVC or AV1" },
        { "\x91vp08\1\1", "video codec not supported: HLS has no place for"
                           " VP8, use H.264, HEVC or AV1" },
        { "\x91vvc1\1\1", "video codec not supported: no player takes VVC,"
                           " use H.264, HEVC or AV1" },
        { "\x90\1\2zz\1\1", "video codec not supported: unknown FourCC,"
                            " use H.264, HEVC or AV1" }
    };

    flv_reset();
    piece = 2;
    START("\x90" "avc1");
    ADD_RECORD(4, SPS_A, PPS_A);
    is_int(send_built(LV_FLV_VIDEO, 0), LV_OK, "enhanced RTMP: avc1");
    is_int(pk.configs[0], 1, "sequence start");
    START("\x91" "avc1" "\xff\xff\xb0");
    add_nal(4, 0x65, 80);
    send_built(LV_FLV_VIDEO, 0);
    is_str(nals(0), "5", "coded frames");
    is_int(fake_frame(&pk, 0, 0)->cts, -7200, "with composition time");
    START("\xa3" "avc1");
    add_nal(4, 0x41, 80);
    send_built(LV_FLV_VIDEO, 40);
    is_str(nals(1), "1", "coded frames X");
    is_int(fake_frame(&pk, 0, 1)->cts, 0, "without");

    /* ModEx: 3 bytes of nanoseconds, then one of 256 bytes */
    START("\xa7\x02\x12\x34\x56\x03" "avc1");
    add_nal(4, 0x41, 80);
    send_built(LV_FLV_VIDEO, 80);
    is_str(nals(2), "1", "ModEx prefixes are walked over");
    START("\xa7\xff\xff\xff\x12\x34\x56\x03" "avc1");
    add_nal(4, 0x41, 80);
    is_int(send_built(LV_FLV_VIDEO, 80), LV_OK, "a giant ModEx");
    is_int((long long) flv.stat.broken, 1, "is unreadable");

    START("\x94" "avc1" "\x02\0\x09");
    is_int(send_built(LV_FLV_VIDEO, 80), LV_OK, "metadata is passed over");
    START("\xd1\x01");
    is_int(send_built(LV_FLV_VIDEO, 80), LV_OK, "a command, too");
    START("\x92" "avc1");
    is_int(send_built(LV_FLV_VIDEO, 80), LV_OK, "sequence end");
    is_int(told_count(LV_FLV_END), 1, "is told");

    for (i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        flv_reset();
        is_int(send_msg(LV_FLV_VIDEO, 0, other[i].data, 7), LV_ERROR,
               "another FourCC is refused");
        is_str(flv.err, other[i].err, "with its name");
    }
}


static void
test_multitrack(void)
{
    unsigned  k;

    static const size_t  pieces[] = { 1, 1 << 20 };

    for (k = 0; k < 2; k++) {
        flv_reset();
        piece = pieces[k];

        /* one track, its id 0 */
        START("\x96\x00" "avc1\0");
        ADD_RECORD(4, SPS_A, PPS_A);
        is_int(send_built(LV_FLV_VIDEO, 0), LV_OK, "multitrack, one track");
        is_int(pk.configs[0], 1, "sequence start");
        START("\x96\x01" "avc1\0\0\0\0");
        add_nal(4, 0x65, 80);
        send_built(LV_FLV_VIDEO, 0);
        is_str(nals(0), "5", "frames");
        START("\x96\x01" "avc1\x09\0\0\0");
        add_nal(4, 0x65, 80);
        send_built(LV_FLV_VIDEO, 0);
        is_int(pk.frames, 1, "another track is left out");
        is_int(told_count(LV_FLV_SKIPPED), 1, "told");

        /* many tracks: one that is none of ours, 0, and one more */
        START("\x96\x11" "avc1");
        ADD("\x09\0\0\x10" "\0\0\0" "\0\0\0\x09zzzzzzzzz");
        ADD("\0\0\0\x18" "\0\0\x50");
        add_nal(4, 0x65, 17);
        ADD("\x09\0\0\0");
        is_int(send_built(LV_FLV_VIDEO, 40), LV_OK, "multitrack, many");
        is_str(nals(1), "5", "the first track's frame is found");
        is_int(fake_frame(&pk, 0, 1)->cts, 7200, "with its time");

        /* many tracks, many codecs */
        START("\x96\x23");
        ADD("hvc1\x09\0\0\x05zzzzz");
        ADD("avc1\0\0\0\x15");
        add_nal(4, 0x65, 17);
        is_int(send_built(LV_FLV_VIDEO, 80), LV_OK,
               "multitrack, many codecs");
        is_str(nals(2), "5", "the first track's frame is found");
        is_int(pk.frames, 3, "no more");

        START("\x96\x11" "avc1" "\0\0\x01\0" "\0\0\0");
        is_int(send_built(LV_FLV_VIDEO, 120), LV_OK,
               "a track longer than its message");
        is_int((long long) flv.stat.broken, 1, "is unreadable");
        is_int(pk.misuse, 0, "the packager's contract is kept");
    }
}


int
main(void)
{
    test_lengths();
    test_pieces();
    test_dropped();
    test_sei();
    test_annexb();
    test_sets_in_band();
    test_sequence_headers();
    test_broken();
    test_keys();
    test_refused();
    test_enhanced();
    test_multitrack();
    flv_reset();

    return done_testing();
}
