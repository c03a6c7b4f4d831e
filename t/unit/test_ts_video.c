/* Access units of H.264 and HEVC out of PES packets, their times, and what is
 * left out after loss. */

#include "ts_mux.h"
#include "lv_avc.h"

static const mux_es_t  film[1] = { { 0x1b, VIDEO, NULL, 0 } };
static const mux_es_t  hevc[1] = { { 0x24, VIDEO, NULL, 0 } };

static void
start(void)
{
    begin();
    mux_tables(film, 1);
}


/* A stream that has begun: one key frame at 90000. */
static void
running(void)
{
    start();
    es_key(200);
    es_pes(VIDEO, 90000, NONE);
}


static void
pes_raw(int64_t pts, int64_t dts, bool bounded, unsigned stuffing)
{
    mux_bytes(VIDEO, mux_pes_buf,
              mux_pes_make(mux_pes_buf, 0xe0, pts, dts, bounded, stuffing,
                           es_out, es_len));
    es_len = 0;
}


static void
test_pes(void)
{
    size_t  n;

    running();
    es_delta(300);
    pes_raw(93600, NONE, true, 0);
    es_delta(301);
    pes_raw(97200, 95000, false, 200);
    es_delta(302);
    ES("\xff\xff\xff");
    n = mux_pes_make(mux_pes_buf, 0xe0, 100800, NONE, true, 0, es_out,
                     es_len);
    lv_put16(mux_pes_buf + 4, (uint16_t) (n - 6 - 3));
    mux_bytes(VIDEO, mux_pes_buf, n);
    es_len = 0;
    finish();

    is_int(count(true), 4, "bounded and unbounded PES packets");
    is_str(units(frame(true, 2)), "1:301", "stuffing behind the stamps");
    is_int(frame(true, 2)->f.pts, 97200, "… a presentation time");
    is_int(frame(true, 2)->f.dts, 95000, "… and a decode time");
    is_str(units(frame(true, 3)), "1:302", "bytes beyond the length said");
    stat_is(broken, 0, "nothing of it is broken");

    running();
    es_delta(300);
    n = mux_pes_make(mux_pes_buf, 0xe0, 93600, NONE, false, 0, es_out, es_len);
    mux_pes_buf[2] = 2;                      /* no start code */
    mux_bytes(VIDEO, mux_pes_buf, n);
    es_len = 0;
    es_delta(301);
    es_pes(VIDEO, 97200, NONE);
    finish();
    stat_is(broken, 1, "a PES packet without its start code");
    is_str(units(frame(true, 1)), "1:301", "… is left out");

    running();
    es_len = 0;
    es_delta(300);
    n = mux_pes_make(mux_pes_buf, 0xbe, 93600, NONE, true, 0, es_out, es_len);
    mux_bytes(VIDEO, mux_pes_buf, n);
    finish();
    is_int(count(true), 1, "padding is not read");
    stat_is(broken, 0, "… and nothing broken");

    running();
    n = mux_pes_make(mux_pes_buf, 0xe0, 93600, NONE, false, 0, NULL, 0);
    lv_put16(mux_pes_buf + 4, 4);            /* less than its own header */
    mux_bytes(VIDEO, mux_pes_buf, n);
    finish();
    stat_is(broken, 1, "a length below the header's");
}


/* The header over several packets, one byte of payload each. */
static void
test_pes_header_in_pieces(void)
{
    size_t  i, n;

    running();
    es_delta(20);
    n = mux_pes_make(mux_pes_buf, 0xe0, 93600, 92000, false, 3, es_out,
                     es_len);

    for (i = 0; i < n; i++) {
        mux_packet(VIDEO, i == 0, mux_pes_buf + i, 1);
    }

    finish();
    is_str(units(frame(true, 1)), "1:20", "a byte of payload a packet");
    is_int(frame(true, 1)->f.dts, 92000, "… times are whole");
}


static void
test_units(void)
{
    const rec_frame_t  *f;

    start();
    ES("\0\0\0\0\0\0\1\x09\xf0\0\0\0");  /* zeros in front, behind */
    NAL(SPS);
    NAL(PPS);
    NAL("\x06\x05\x01\x22\x80");
    es_slice(0x65, true, 40);
    es_slice(0x65, false, 41);
    es_slice(0x65, false, 42);
    ES("\0\0\0");
    NAL("\x0c\xff\xff\x80");                         /* filler */
    NAL("\x0a");                                     /* end of sequence */
    es_pes(VIDEO, 90000, NONE);
    es_slice(0x41, true, 50);                        /* no delimiter */
    es_slice(0x41, false, 51);
    es_pes(VIDEO, 93600, NONE);
    /* emulation prevention */
    ES("\0\0\1\x41\x88\0\0\3\0\0\3\1\0\xff");
    es_pes(VIDEO, 97200, NONE);
    finish();

    f = frame(true, 0);
    is_str(units(f), "6:5 5:40 5:41 5:42", "a picture of several slices");
    ok(f->f.key, "… is a key frame");
    is_str(units(frame(true, 1)), "1:50 1:51", "a picture without delimiter");
    f = frame(true, 2);
    is_str(units(f), "1:11", "zeros inside a unit are its own");
    ok(f->len == 15 && memcmp(f->data + 4, "\x41\x88\0\0\3\0\0\3\1\0\xff", 11)
       == 0, "… byte for byte");
    is_int(count(true), 3, "three pictures");
    stat_is(broken, 0, "nothing broken");
}


static void
test_start_codes_anywhere(void)
{
    size_t    i, n, first;
    unsigned  bad;

    for (first = 1, bad = 0; first < 60; first++) {
        running();
        NAL(AUD);
        es_slice(0x41, true, 9);
        ES("\0\0\1\x41\x48\x77");
        n = mux_pes_make(mux_pes_buf, 0xe0, 93600, NONE, false, 0, es_out,
                         es_len);
        i = mux_packet(VIDEO, true, mux_pes_buf, first < n ? first : n);

        while (i < n) {
            i += mux_packet(VIDEO, false, mux_pes_buf + i,
                            n - i < 3 ? n - i : 3);
        }

        finish();
        bad += strcmp(units(frame(true, 1)), "1:9 1:3") != 0;
    }

    is_int(bad, 0, "start codes cut anywhere between packets");
}


static void
test_pictures_and_pes(void)
{
    running();
    es_delta(100);
    es_delta(101);
    es_delta(102);
    es_pes(VIDEO, 93600, NONE);                      /* three in one */
    es_delta(103);
    es_pes(VIDEO, 104400, NONE);
    finish();

    is_int(count(true), 5, "several pictures in a PES packet");
    is_int(frame(true, 2)->f.dts, 97200, "… the second is one frame later");
    ok(frame(true, 2)->f.estimated && !frame(true, 1)->f.estimated,
       "… and that is a guess");
    is_int(frame(true, 4)->f.dts, 104400, "… the next stamp counts again");

    running();
    NAL(AUD);
    es_slice(0x41, true, 100);
    es_pes(VIDEO, 93600, NONE);
    es_slice(0x41, false, 101);
    mux_pes(VIDEO, NONE, NONE, es_out, es_len);
    es_len = 0;
    es_delta(102);
    es_pes(VIDEO, 97200, NONE);
    finish();
    is_str(units(frame(true, 1)), "1:100 1:101", "a picture in two packets");
    is_int(frame(true, 2)->f.dts, 97200, "… and the next has its own time");

    /* the packet begins with the rest of a picture: its stamp is the next
     * one's, 2.4.3.7 */
    running();
    NAL(AUD);
    es_slice(0x41, true, 100);
    es_pes(VIDEO, 93600, NONE);
    es_slice(0x41, false, 101);
    es_delta(102);
    es_pes(VIDEO, 97200, NONE);
    finish();
    is_str(units(frame(true, 1)), "1:100 1:101", "packets that cut pictures");
    is_int(frame(true, 2)->f.dts, 97200, "… a stamp is for what begins");
}


static void
test_interlaced(void)
{
    /* the SPS of x264 --tff */
    static const char  sps[] = "\x67\x4d\x40\x15\xf4\x16\x57\xe5\xc0\x44\x00"
                               "\x00\x03\x00\x04\x00\x00\x03\x00\xc8\x7c\x50"
                               "\xaa\x80";
    lv_avc_sps_t       s;

    if (lv_avc_sps_parse(&s, (const uint8_t *) sps, sizeof(sps) - 1) != LV_OK
        || !s.interlaced)
    {
        diag("the SPS is not an interlaced one: %d", s.interlaced);
    }

    start();
    NAL(AUD);
    ES("\0\0\1");
    es_bytes(sps, sizeof(sps) - 1);
    NAL("\x68\xde\x0f\xc8");
    es_slice(0x65, true, 40);
    NAL(AUD);
    es_slice(0x41, true, 41);                        /* the second field */
    es_pes(VIDEO, 90000, NONE);
    es_delta(42);
    es_pes(VIDEO, 93600, NONE);
    es_delta(43);
    es_pes(VIDEO, 95400, NONE);
    finish();
    is_str(units(frame(true, 0)), "5:40 1:41", "two fields in one packet");
    is_int(count(true), 3, "… in packets of their own they are frames");
}


static void
test_configuration(void)
{
    const rec_frame_t  *f;

    running();
    NAL(SPS);
    NAL(PPS);
    es_slice(0x65, true, 60);
    es_pes(VIDEO, 180000, NONE);
    (void) feed();
    is_int(rec.configs, 1, "the same sets again are no configuration");

    NAL(PPS2);
    es_slice(0x41, true, 61);
    es_pes(VIDEO, 183600, NONE);
    es_delta(62);
    es_pes(VIDEO, 187200, NONE);
    NAL(SPSB);
    NAL(PPSB);
    es_slice(0x65, true, 63);
    es_pes(VIDEO, 190800, NONE);
    finish();

    f = frame(true, 2);
    is_str(units(f), "8:5 1:61", "a PPS between key frames stays in place");
    is_int(f->configs, 1, "… without a configuration");
    is_str(units(frame(true, 3)), "1:62", "… once");
    f = frame(true, 4);
    is_int(f->configs, 2, "another SPS is one, with its key frame");
    is_int(rec.config[f->track].width, 854, "… of another size");

    start();
    es_slice(0x65, true, 60);
    es_pes(VIDEO, 90000, NONE);
    (void) feed();
    is_int(rec.frames, 0, "a key frame without parameter sets is of no use");
    es_key(61);
    es_pes(VIDEO, 93600, NONE);
    finish();
    is_str(units(frame(true, 0)), "5:61", "… the next has them");
    stat_is(held, 1, "… that is counted");
}


/* ---- times ------------------------------------------------------------- */

static void
test_times(void)
{
    int64_t   t;
    unsigned  i;

    t = (int64_t) 1 << 33;

    start();
    for (i = 0; i < 10; i++) {
        if (i % 5) {
            es_delta(50);
        } else {
            es_key(50);
        }

        es_pes(VIDEO, (t - 5 * 3600 + i * 3600 + 1800) % t,
               (t - 5 * 3600 + i * 3600) % t);
    }

    finish();
    is_int(frame(true, 9)->f.dts - frame(true, 0)->f.dts, 9 * 3600,
           "33 bits wrap");
    is_int(frame(true, 4)->f.pts - frame(true, 4)->f.dts, 1800,
           "… between the two stamps of a picture, too");
    stat_is(jumps, 0, "… which is no jump");

    running();
    es_delta(50);
    es_pes(VIDEO, 90000 + 3600 * 9000, NONE);
    es_delta(50);
    es_pes(VIDEO, 93600 + 3600 * 9000, NONE);
    finish();
    stat_is(jumps, 1, "6 minutes ahead is a jump");
    ok(frame(true, 1)->f.discontinuity && !frame(true, 2)->f.discontinuity,
       "… told with the first frame behind it");
    is_int(told(LV_TS_JUMPED), 1, "… and once in words");

    running();
    es_delta(50);
    es_pes(VIDEO, 90, NONE);
    finish();
    stat_is(jumps, 0, "a second back is not");
    is_int(frame(true, 1)->f.dts, 90, "… and stays as it is");

    start();
    es_key(50);
    mux_pes(VIDEO, NONE, NONE, es_out, es_len);
    es_len = 0;
    finish();
    is_int(rec.frames, 0, "nothing begins without a time stamp");
}


static void
test_two_clocks(void)
{
    unsigned  i;

    static const mux_es_t  av[2] = { { 0x1b, VIDEO, NULL, 0 },
                                     { 0x0f, AUDIO, NULL, 0 } };

    begin();
    mux_tables(av, 2);

    for (i = 0; i < 10; i++) {
        es_key(50);
        es_pes(VIDEO, 90000 + i * 3600, NONE);
        mux_pes(AUDIO, 90000000 + i * 3600, NONE,
                "\xff\xf1\x4c\x80\x01\x7f\xfc\x21\x22\x23\x24", 11);
    }

    finish();
    stat_is(jumps, 1, "tracks on different bases jump once");
    is_int(frame(true, 9)->f.dts, 90000 + 9 * 3600, "… and keep theirs");
    is_int(frame(false, 9)->f.dts, 90000000 + 9 * 3600, "… both");
}


/* ---- key frames, loss -------------------------------------------------- */

static void
test_recovery_points(void)
{
    unsigned  i;

    start();
    for (i = 0; i < 3; i++) {
        NAL(AUD);
        NAL(SPS);
        NAL(PPS);
        NAL(SEI_RECOVERY);
        es_slice(0x41, true, 50);
        es_pes(VIDEO, 90000 + i * 7200, NONE);
        es_delta(51);
        es_pes(VIDEO, 93600 + i * 7200, NONE);
    }

    finish();
    is_int(count(true), 4, "where no IDR comes the second recovery point does");
    ok(frame(true, 0)->f.key && frame(true, 2)->f.key, "… and all behind it");

    running();
    for (i = 1; i < 3; i++) {
        es_delta(51);
        es_pes(VIDEO, 90000 + i * 7200, NONE);
        NAL(SEI_RECOVERY);
        es_slice(0x41, true, 50);
        es_pes(VIDEO, 93600 + i * 7200, NONE);
    }

    (void) feed();
    ok(!frame(true, 2)->f.key, "the first behind an IDR is none");
}


/* Drops the last packet that was written. */
static void
drop_packet(void)
{
    mux_len -= 188;
}


static void
test_loss(void)
{
    unsigned  i;

    running();
    es_delta(400);
    es_pes(VIDEO, 93600, NONE);
    drop_packet();                                   /* its end */
    es_delta(100);
    es_pes(VIDEO, 97200, NONE);
    es_key(101);
    es_pes(VIDEO, 100800, NONE);
    finish();
    stat_is(aborted, 1, "a picture with a hole is dropped");
    stat_is(awaiting, 1, "… and those up to the next key frame");
    is_str(units(frame(true, 1)), "5:101", "… which goes on");

    running();
    NAL(AUD);
    es_slice(0x01, true, 400);                       /* nobody refers to it */
    es_pes(VIDEO, 93600, NONE);
    drop_packet();
    es_delta(100);
    es_pes(VIDEO, 97200, NONE);
    finish();
    stat_is(aborted, 1, "a picture that no other needs");
    stat_is(awaiting, 0, "… costs only itself");
    is_str(units(frame(true, 1)), "1:100", "… the next goes on");

    running();
    es_delta(700);
    es_pes(VIDEO, 93600, NONE);
    memmove(mux_out + mux_len - 3 * 188, mux_out + mux_len - 2 * 188, 2 * 188);
    drop_packet();                                   /* its middle */
    NAL(AUD);
    NAL(SPS);
    NAL(PPS);
    es_slice(0x65, true, 80);
    es_slice(0x65, false, 81);
    es_pes(VIDEO, 97200, NONE);
    finish();
    is_int(count(true), 2, "a hole in the middle");
    is_str(units(frame(true, 1)), "5:80 5:81", "… the key frame behind is"
           " whole");

    running();
    for (i = 0; i < 3; i++) {
        es_delta(100);
        es_pes(VIDEO, 93600 + i * 3600, NONE);
    }
    memmove(mux_out + mux_len - 2 * 188, mux_out + mux_len - 188, 188);
    drop_packet();                                   /* all of one */
    finish();
    is_int(rec.misuse, 0, "a picture that is lost as a whole");
    stat_is(awaiting, 1, "… is seen by its counter");
}


/* ---- limits ------------------------------------------------------------ */

static void
sei(size_t len)
{
    size_t  i;

    ES("\0\0\1\x06\x05");

    for (i = 2; i < len; i++) {
        ES("\x55");
    }
}


static void
test_limits(void)
{
    unsigned  i;

    start();
    NAL(AUD);
    NAL(SPS);
    NAL(PPS);
    sei(6000);
    es_slice(0x65, true, 70);
    es_pes(VIDEO, 90000, NONE);
    finish();
    is_str(units(frame(true, 0)), "6:6000 5:70", "more SEI than is held");
    ok(frame(true, 0)->f.key, "… is a key frame by its parameter sets");

    running();
    NAL(AUD);
    for (i = 0; i < 12; i++) {
        sei(10);
    }

    es_slice(0x41, true, 71);
    es_pes(VIDEO, 93600, NONE);
    finish();
    is_str(units(frame(true, 1)), "6:10 6:10 6:10 6:10 6:10 6:10 6:10 6:10"
           " 1:71", "a flood of SEI is cut");

    running();
    NAL(AUD);
    sei(20000);
    es_slice(0x41, true, 72);
    es_pes(VIDEO, 93600, NONE);
    finish();
    ok(strncmp(units(frame(true, 1)), "12:16", 5) == 0
       && strstr(units(frame(true, 1)), " 1:72"),
       "one that is too long is filler");

    running();
    NAL(AUD);
    ES("\0\0\1\x67");
    for (i = 0; i < 1200; i++) {
        ES("\x77");
    }

    es_slice(0x41, true, 73);
    es_pes(VIDEO, 93600, NONE);
    finish();
    stat_is(broken, 1, "a parameter set that is too long");
    is_str(units(frame(true, 1)), "1:73", "… is not one");

    running();
    mux_packet(VIDEO, true, mux_pes_buf,
               mux_pes_make(mux_pes_buf, 0xe0, 93600, NONE, false, 0,
                            "\0\0\1\x41\x88", 5));
    memset(es_out, 0x77, 184);

    for (i = 0; i < LV_TS_PICTURE_MAX / 184 + 10; i++) {
        mux_packet(VIDEO, false, es_out, 184);

        if (mux_len > sizeof(mux_out) - 1000) {
            (void) feed();
        }
    }

    es_len = 0;
    es_key(74);
    es_pes(VIDEO, 97200, NONE);
    finish();
    stat_is(aborted, 1, "a picture without end is dropped at a limit");
    is_str(units(frame(true, 1)), "5:74", "… the next key frame goes on");
}


/* ---- HEVC -------------------------------------------------------------- */

#define HVPS "\x40\x01\x0c\x01\xff\xff\x04\x08\x00\x00\x03\x00\x9e\x08\x00"   \
             "\x00\x03\x00\x00\x1e\x95\x94\x09"
#define HSPS "\x42\x01\x01\x04\x08\x00\x00\x03\x00\x9e\x08\x00\x00\x03\x00"   \
             "\x00\x1e\x90\x04\x10\x20\xb2\xca\xca\x94\x98\x5e\x02\xdc\x08"   \
             "\x08\x00\x10\x00\x00\x03\x00\x10\x00\x00\x03\x01\x90\x80"
#define HPPS "\x44\x01\xc0\x73\x18\x30\x08\x90"

static void
hevc_slice(unsigned type, bool first, size_t len)
{
    size_t   i;
    uint8_t  b[3];

    ES("\0\0\1");
    b[0] = (uint8_t) (type << 1);
    b[1] = 1;
    b[2] = first ? 0x88 : 0x48;
    es_bytes(b, 3);

    for (i = 3; i < len; i++) {
        ES("\x99");
    }
}


static void
hevc_key(unsigned type)
{
    NAL("\x46\x01\x50");
    NAL(HVPS);
    NAL(HSPS);
    NAL(HPPS);
    hevc_slice(type, true, 60);
}


static void
test_hevc(void)
{
    const rec_frame_t  *f;

    begin();
    mux_tables(hevc, 1);
    hevc_key(21);                                    /* CRA */
    hevc_slice(21, false, 61);
    es_pes(VIDEO, 97200, 90000);
    hevc_slice(8, true, 50);                         /* RASL_N: undecodable */
    es_pes(VIDEO, 93600, 91000);
    hevc_slice(1, true, 51);
    NAL("\x50\x01\x84\x01\x99\x80");                 /* suffix SEI */
    es_pes(VIDEO, 100800, 93600);
    hevc_key(21);
    es_pes(VIDEO, 108000, 97200);
    hevc_slice(8, true, 52);
    es_pes(VIDEO, 104400, 98000);
    finish();

    f = frame(true, 0);
    is_str(rec.config[f->track].codecs, "hvc1.4.10.L30.9E.08",
           "HEVC: the codec string");
    is_int(rec.config[f->track].width, 64, "… and the width");
    is_str(units(f), "21:60 21:61", "HEVC: slices of a picture");
    ok(f->f.key, "a CRA picture is a key frame");
    is_str(units(frame(true, 1)), "1:51 40:6", "what leads the first of them"
           " cannot be decoded");
    is_str(units(frame(true, 3)), "8:52", "… what leads a later one can");
    is_int(count(true), 4, "HEVC: four pictures");

    begin();
    mux_tables(hevc, 1);
    hevc_key(19);
    es_pes(VIDEO, 90000, NONE);
    ES("\0\0\1\x02\x09\x88\x99\x99");                /* layer 1 */
    hevc_slice(1, true, 50);
    es_pes(VIDEO, 93600, NONE);
    finish();
    is_str(units(frame(true, 1)), "1:50", "other layers are left out");
}


int
main(void)
{
    test_pes();
    test_pes_header_in_pieces();
    test_units();
    test_start_codes_anywhere();
    test_pictures_and_pes();
    test_interlaced();
    test_configuration();
    test_times();
    test_two_clocks();
    test_recovery_points();
    test_loss();
    test_limits();
    test_hevc();

    begin();
    lv_ts_destroy(ts);

    return done_testing();
}
