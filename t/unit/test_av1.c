/* lv_av1: sequence headers as libaom makes them, records, OBUs. */

#include "lv_av1.h"
#include "tap.h"

/* 64x64, Main, level 2.0 */
static const uint8_t  av1c[] = {
    0x81, 0x00, 0x0c, 0x00, 0x0a, 0x0a, 0x00, 0x00, 0x00, 0x02, 0xaf, 0xff,
    0x9b, 0x5f, 0x20, 0x08
};


static void
test_sequence(void)
{
    char               codec[LV_AV1_CODEC_LEN];
    size_t             n;
    unsigned           read;
    lv_av1_sequence_t  s;

    is_int(lv_av1_sequence_parse(&s, av1c + 6, 10), LV_OK,
           "a sequence header");
    is_int(s.profile, 0, "Main");
    is_int(s.level, 0, "level 2.0");
    is_int(s.width, 64, "width");
    is_int(s.height, 64, "height");
    is_int(s.bits, 8, "8 bits");
    ok(s.sub_x && s.sub_y && !s.mono, "4:2:0");
    is_int(s.transfer, 2, "nothing of colours");
    lv_av1_codec_string(&s, codec);
    is_str(codec, "av01.0.00M.08", "codec string");

    s.level = 13;
    s.tier = 1;
    s.bits = 10;
    s.primaries = 9;
    s.transfer = 16;
    s.matrix = 9;
    lv_av1_codec_string(&s, codec);
    is_str(codec, "av01.0.13H.10.0.110.09.16.09.0",
           "with colours that are not BT.709's");
    s.primaries = s.transfer = s.matrix = 2;
    s.mono = true;
    lv_av1_codec_string(&s, codec);
    is_str(codec, "av01.0.13H.10.1.110.01.01.01.0",
           "what is not said counts as BT.709");

    for (n = 0, read = 0; n < 9; n++) {
        read += lv_av1_sequence_parse(&s, av1c + 6, n) == LV_OK;
    }

    is_int(read, 0, "cut off: refused");
    is_int(lv_av1_sequence_parse(&s, (const uint8_t *) "\xe0zzzzzzzzzz", 11),
           LV_ERROR, "profile 7 is refused");
}


static void
test_config(void)
{
    size_t             len;
    uint8_t            odd[32];
    const char        *err;
    lv_av1_config_t    c, other;
    lv_av1_sequence_t  s;

    memset(&c, 0, sizeof(c));
    is_int(lv_av1_config_read(&c, av1c, sizeof(av1c), &err), LV_OK,
           "a record");
    is_int((long long) c.len, sizeof(av1c), "is as long");
    ok(memcmp(c.data, av1c, sizeof(av1c)) == 0, "and the same");
    is_int(lv_av1_config_sequence(&c, &s), LV_OK, "its sequence header");
    is_int(s.width, 64, "says the width");
    ok(lv_av1_config_obu(&c, &len) == c.data + 4 && len == 12, "its OBU");

    is_int(lv_av1_config_set(&c, av1c + 6, 10), LV_DECLINED,
           "the same sequence header: nothing new");

    memset(&other, 0, sizeof(other));
    is_int(lv_av1_config_set(&other, av1c + 6, 10), LV_OK,
           "a record from a sequence header");
    ok(lv_nal_config_equal(&c, &other), "is the same record");

    is_int(lv_av1_config_read(&other, av1c, 4, &err), LV_DECLINED,
           "no OBUs: the stream will have them");

    /* a size of two bytes, and metadata in front of it */
    memcpy(odd, av1c, 4);
    memcpy(odd + 4, "\x2a\2zz\x0a\x8a\0", 7);
    memcpy(odd + 11, av1c + 6, 10);
    is_int(lv_av1_config_read(&other, odd, 21, &err), LV_OK,
           "another way to write it");
    ok(lv_nal_config_equal(&c, &other), "comes to the same");

    is_int(lv_av1_config_read(&other, av1c, sizeof(av1c) - 1, &err), LV_ERROR,
           "truncated");
    is_str(err, "AV1 sequence header is truncated", "is refused");
    is_int(lv_av1_config_read(&other, (const uint8_t *) "\1\2\3\4", 4, &err),
           LV_ERROR, "another version is refused");
}


static void
test_obus(void)
{
    lv_av1_obu_t  o;

    is_int(lv_av1_obu_parse(&o, (const uint8_t *) "\x12\0", 2), LV_OK,
           "a temporal delimiter");
    is_int(o.type, LV_AV1_DELIMITER, "is one");
    ok(o.has_size && o.len == 0 && o.header_len == 2, "without contents");
    is_int(lv_av1_obu_parse(&o, (const uint8_t *) "\x36\x08\x80\1", 4), LV_OK,
           "a frame with an extension");
    ok(o.type == LV_AV1_FRAME && o.len == 128 && o.header_len == 4,
       "and a size of two bytes");
    is_int(lv_av1_obu_parse(&o, (const uint8_t *) "\x30", 1), LV_OK,
           "one without a size");
    ok(!o.has_size && o.header_len == 1, "has a header of a byte");
    is_int(lv_av1_obu_parse(&o, (const uint8_t *) "\x32\x80", 2), LV_AGAIN,
           "more of a size is awaited");
    is_int(lv_av1_obu_parse(&o, (const uint8_t *) "\x92\0", 2), LV_ERROR,
           "the forbidden bit");
    is_int(lv_av1_obu_parse(&o, (const uint8_t *)
                            "\x32\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10),
           LV_ERROR, "a size of nine bytes");
    ok(lv_av1_is_key(0x10) && !lv_av1_is_key(0x30) && !lv_av1_is_key(0x90)
       && !lv_av1_is_key(0), "key frames that are shown");
}


int
main(void)
{
    test_sequence();
    test_config();
    test_obus();

    return done_testing();
}
