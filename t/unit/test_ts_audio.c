/* Audio frames out of PES packets, and LATM. */

#include "ts_mux.h"
#include "lv_bits.h"
#include "lv_latm.h"

static void
start(unsigned type, const char *descriptors, size_t len)
{
    mux_es_t  es = { type, AUDIO, descriptors, len };

    begin();
    mux_tables(&es, 1);
}


/* An ADTS frame: LC, 48 kHz, stereo, `len` bytes behind the header. */
static void
adts(size_t len, bool crc, unsigned blocks, unsigned rate)
{
    size_t   i, all;
    uint8_t  h[9] = { 0xff, crc ? 0xf0 : 0xf1 };

    all = len + (crc ? 9 : 7);
    h[2] = (uint8_t) (0x40 | rate << 2);
    h[3] = (uint8_t) (0x80 | all >> 11);
    h[4] = (uint8_t) (all >> 3);
    h[5] = (uint8_t) (all << 5 | 0x1f);
    h[6] = (uint8_t) (0xfc | (blocks - 1));
    es_bytes(h, crc ? 9 : 7);

    for (i = 0; i < len; i++) {
        h[0] = (uint8_t) (0x20 + i % 90);
        es_bytes(h, 1);
    }
}


static void
test_adts(void)
{
    size_t   half;
    uint8_t  tail[400];

    start(0x0f, NULL, 0);
    adts(100, false, 1, 3);
    adts(101, true, 1, 3);
    adts(102, false, 1, 3);
    es_pes(AUDIO, 90000, NONE);
    adts(103, false, 1, 3);
    es_pes(AUDIO, 95761, NONE);
    finish();

    is_int(count(false), 4, "several frames in a PES packet");
    is_int(frame(false, 1)->f.pts, 91920, "the second is 1024 samples later");
    is_int((long long) frame(false, 1)->len, 101, "its checksum is left out");
    ok(frame(false, 1)->f.estimated && !frame(false, 0)->f.estimated,
       "only the first has a stamp of its own");
    is_int(frame(false, 3)->f.pts, 95761, "the next packet's stamp is taken");
    is_int(frame(false, 0)->f.samples, 1024, "samples");
    is_int(rec.configs, 1, "one configuration");

    /* a frame over two packets; the stamp is that of the next */
    start(0x0f, NULL, 0);
    adts(300, false, 1, 3);
    half = 150;
    es_len -= half;
    memcpy(tail, es_out + es_len, half);
    es_pes(AUDIO, 90000, NONE);
    es_bytes(tail, half);
    adts(301, false, 1, 3);
    es_pes(AUDIO, 91930, NONE);
    finish();
    is_int((long long) frame(false, 0)->len, 300, "a frame over two packets");
    is_int(frame(false, 0)->f.pts, 90000, "… has the first one's time");
    ok(!frame(false, 0)->f.estimated, "… which is no guess");
    is_int(frame(false, 1)->f.pts, 91930, "… and the second that begins in it");

    start(0x0f, NULL, 0);
    ES("\xff\xff\xf1\x3cgarbage");
    adts(100, false, 1, 3);
    adts(101, false, 1, 3);
    es_pes(AUDIO, 90000, NONE);
    adts(102, false, 1, 3);
    es_pes(AUDIO, 93840, NONE);
    finish();
    is_int(count(false), 3, "what is no frame is passed over");
    stat_is(broken, 1, "… and counted once");

    start(0x0f, NULL, 0);
    adts(100, false, 1, 3);
    adts(101, false, 2, 3);
    adts(102, false, 1, 3);
    es_pes(AUDIO, 90000, NONE);
    finish();
    is_int(count(false), 2, "frames of several blocks are left out");

    start(0x0f, NULL, 0);
    adts(100, false, 1, 3);
    es_pes(AUDIO, 90000, NONE);
    adts(100, false, 1, 4);
    es_pes(AUDIO, 91920, NONE);
    finish();
    is_int(rec.configs, 2, "another sample rate is a configuration");
    is_int(rec.config[0].sample_rate, 44100, "… 44.1 kHz");
}


static void
test_long_run(void)
{
    unsigned  i;

    start(0x0f, NULL, 0);

    for (i = 0; i < 441; i++) {
        adts(10, false, 1, 4);
    }

    es_pes(AUDIO, 0, NONE);
    finish();
    is_int(frame(false, 440)->f.pts, 440 * 1024 * 90000ll / 44100,
           "times do not add up rounding");
}


static void
test_loss(void)
{
    unsigned  i;

    start(0x0f, NULL, 0);

    for (i = 0; i < 3; i++) {
        adts(300, false, 1, 3);
        adts(301, false, 1, 3);
        es_pes(AUDIO, 90000 + i * 3840, NONE);
    }

    /* the second packet of the second PES packet is lost */
    memmove(mux_out + 2 * 188 + 5 * 188, mux_out + 2 * 188 + 6 * 188,
            mux_len - 8 * 188);
    mux_len -= 188;
    finish();
    stat_is(losses, 1, "a lost packet");
    is_int(count(false), 4, "… costs what its PES packet still had");
    is_int(frame(false, 2)->f.pts, 97680, "… the next has the right time");
    ok(!frame(false, 2)->f.estimated, "… of its own");
}


/* ---- LATM -------------------------------------------------------------- */

typedef struct {
    uint8_t   p[512];
    unsigned  bits;
} bits_t;

static bits_t  latm;

static void
put(unsigned n, uint32_t v)
{
    while (n--) {
        latm.p[latm.bits >> 3] &= (uint8_t) ~(0x80 >> (latm.bits & 7));

        if (v >> n & 1) {
            latm.p[latm.bits >> 3] |= (uint8_t) (0x80 >> (latm.bits & 7));
        }

        latm.bits++;
    }
}


/* StreamMuxConfig(): LC, 48 kHz, stereo. */
static void
put_config(bool version, unsigned frames, bool other)
{
    put(1, 0);                           /* useSameStreamMux */
    put(1, version);

    if (version) {
        put(1, 0);
        put(2, 0);
        put(8, 0xff);
    }

    put(1, 1);
    put(6, frames - 1);
    put(4, 0);
    put(3, 0);

    if (version) {
        put(2, 0);
        put(8, 16);
    }

    put(16, 0x1190);
    put(3, 0);
    put(8, 0xff);
    put(1, other);

    if (other) {
        if (version) {
            put(2, 0);
        } else {
            put(1, 0);
        }

        put(8, 5);
    }

    put(1, 0);
}


static void
put_frame(unsigned len)
{
    unsigned  i;

    for (i = len; i >= 255; i -= 255) {
        put(8, 255);
    }

    put(8, i);

    for (i = 0; i < len; i++) {
        put(8, 0x30 + i % 50);
    }
}


static void
loas(void)
{
    unsigned  n;
    uint8_t   h[3];

    n = (latm.bits + 7) / 8;
    lv_put24(h, 0x2b7 << 13 | n);
    es_bytes(h, 3);
    es_bytes(latm.p, n);
    latm.bits = 0;
}


static void
test_latm(void)
{
    unsigned  version;

    for (version = 0; version < 2; version++) {
        start(0x11, NULL, 0);
        put_config(version, 1, true);
        put_frame(300);
        loas();
        put(1, 1);
        put_frame(40);
        loas();
        es_pes(AUDIO, 90000, NONE);
        finish();
        is_int(count(false), 2, "LATM");
        is_str(rec.config[0].codecs, "mp4a.40.2", "… its configuration");
        is_int((long long) rec.config[0].config_len, 2, "… is of two bytes");
        is_int((long long) frame(false, 0)->len, 300, "… a frame's length");
        ok(frame(false, 0)->len == 300
           && memcmp(frame(false, 0)->data, "0123456789", 10) == 0,
           "… and its bytes, which begin in the middle of one");
        is_int(frame(false, 1)->f.pts, 91920, "… time goes on");
        stat_is(broken, 0, "… nothing broken");
    }

    start(0x11, NULL, 0);
    put_config(false, 3, false);
    put_frame(30);
    put_frame(31);
    put_frame(32);
    loas();
    es_pes(AUDIO, 90000, NONE);
    finish();
    is_int(count(false), 3, "three frames in one");
    is_int(frame(false, 2)->f.pts, 93840, "… times follow each other");

    start(0x11, NULL, 0);
    put(1, 1);
    put_frame(30);
    loas();
    es_pes(AUDIO, 90000, NONE);
    put_config(false, 1, false);
    put_frame(31);
    loas();
    es_pes(AUDIO, 91920, NONE);
    finish();
    is_int(count(false), 1, "before its configuration there is nothing");
    stat_is(held, 1, "… but it is counted");

    start(0x11, NULL, 0);
    put_config(false, 1, false);
    put(8, 200);                         /* bytes that are not there */
    put(8, 1);
    loas();
    put(1, 0);
    put(1, 0);
    put(1, 1);
    put(6, 63);                          /* 64 frames in one */
    put(4, 0);
    put(3, 0);
    put(16, 0x1190);
    loas();
    es_pes(AUDIO, 90000, NONE);
    finish();
    is_int(count(false), 0, "frames that are cut, or of a kind not known");
    stat_is(broken, 2, "… are counted");

    /* ADTS that calls itself LATM, and the other way round */
    start(0x11, NULL, 0);
    adts(100, false, 1, 3);
    es_pes(AUDIO, 90000, NONE);
    adts(101, false, 1, 3);
    es_pes(AUDIO, 91920, NONE);
    finish();
    is_int(count(false), 2, "ADTS that calls itself LATM");

    start(0x0f, NULL, 0);
    put_config(false, 1, false);
    put_frame(31);
    loas();
    es_pes(AUDIO, 90000, NONE);
    finish();
    is_int(count(false), 1, "LATM that calls itself ADTS");
}


/* ---- the others -------------------------------------------------------- */

static void
zeros(size_t n)
{
    while (n--) {
        ES("\x55");
    }
}


static void
test_others(void)
{
    /* 48 kHz, 64 kb/s: 192 bytes */
    start(0x03, NULL, 0);
    ES("\xff\xfb\x54\xc4");
    zeros(188);
    ES("\xff\xfb\x54\xc4");
    zeros(188);
    es_pes(AUDIO, 90000, NONE);
    finish();
    is_int(count(false), 2, "MP3");
    is_int(frame(false, 1)->f.pts, 90000 + 1152 * 90000 / 48000, "… times");
    is_int((long long) frame(false, 1)->len, 192, "… with its header");

    start(0x04, NULL, 0);
    ES("\xff\xfd\x84\xc4");
    zeros(380);
    es_pes(AUDIO, 90000, NONE);
    ES("\xff\xfd\x84\xc4");
    zeros(380);
    es_pes(AUDIO, 92160, NONE);
    finish();
    is_int(told(LV_TS_REFUSED_STREAM), 1, "layer II is refused, once");

    /* AC-3, 48 kHz, 96 kb/s: 384 bytes, stereo */
    start(0x81, NULL, 0);
    ES("\x0b\x77\x12\x34\x0c\x40\x40\x00");
    zeros(376);
    ES("\x0b\x77\x12\x34\x0c\x40\x40\x00");
    zeros(376);
    es_pes(AUDIO, 90000, NONE);
    finish();
    is_int(count(false), 2, "AC-3");
    is_str(rec.config[0].codecs, "ac-3", "… its name");
    is_int((long long) frame(false, 0)->len, 384, "… a frame's length");

    /* by a descriptor: E-AC-3 of 64 bytes, then one that adds channels */
    start(0x06, "\x7a\1\0", 3);
    ES("\x0b\x77\x00\x1f\x34\x80");
    zeros(58);
    ES("\x0b\x77\x40\x1f\x34\x80");
    zeros(58);
    ES("\x0b\x77\x00\x1f\x34\x80");
    zeros(58);
    es_pes(AUDIO, 90000, NONE);
    finish();
    is_int(count(false), 2, "E-AC-3, and what only adds channels is left out");
    is_str(rec.config[0].codecs, "ec-3", "… its name");
    is_int(frame(false, 1)->f.pts, 92880, "… times");
}


#define OPUS_DESCRIPTORS  "\5\4Opus\x7f\2\x80\2"

static void
test_opus(void)
{
    start(0x06, OPUS_DESCRIPTORS, sizeof(OPUS_DESCRIPTORS) - 1);
    /* start trim, extension of 2 bytes; CELT 20 ms */
    ES("\x7f\xf4\x0a\x01\x38\x02\xaa\xbb\xfc");
    zeros(9);
    ES("\x7f\xe0\xff\x05\xfc");
    zeros(259);
    es_pes(AUDIO, 90000, NONE);
    ES("\x7f\xe0\x03\xf9\x55\x55");                  /* two of 20 ms */
    es_pes(AUDIO, 93600, NONE);
    finish();

    is_int(count(false), 3, "Opus");
    is_str(rec.config[0].codecs, "opus", "… its name");
    is_int(rec.config[0].channels, 2, "… its channels");
    is_int((long long) frame(false, 0)->len, 10, "… trims and extensions are"
           " no part of it");
    is_int((long long) frame(false, 1)->len, 260, "… more than 255 bytes");
    is_int(frame(false, 1)->f.pts, 91800, "… 20 ms later");
    is_int(frame(false, 2)->f.samples, 1920, "… a packet of two frames");

    start(0x06, OPUS_DESCRIPTORS, sizeof(OPUS_DESCRIPTORS) - 1);
    ES("\x7f\xe0\x0a\xfc");
    zeros(4);                                        /* 5 of 10 bytes */
    es_pes(AUDIO, 90000, NONE);
    ES("\x7f\xe0\x02\xfc\x55");
    es_pes(AUDIO, 91800, NONE);
    ES("no Opus");
    es_pes(AUDIO, 93600, NONE);
    ES("\x7f\xe0\x02\xfc\x55");
    es_pes(AUDIO, 95400, NONE);
    finish();
    is_int(count(false), 2, "Opus packets that are cut, or none");
    is_int(frame(false, 1)->f.pts, 95400, "… harm only themselves");
}


int
main(void)
{
    test_adts();
    test_long_run();
    test_loss();
    test_latm();
    test_others();
    test_opus();

    is_int(rec.misuse, 0, "the sink is called as its contract says");

    begin();
    lv_ts_destroy(ts);

    return done_testing();
}
