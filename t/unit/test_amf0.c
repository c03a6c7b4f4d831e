#include "rtmp_peer.h"

#include <math.h>

static void
describe(log_t *log, const lv_amf0_value_t *v)
{
    lv_str_t          key;
    lv_amf0_value_t   m;
    lv_amf0_reader_t  r;

    switch (v->type) {

    case LV_AMF0_NUMBER:
        note(log, "%g", v->num);
        break;

    case LV_AMF0_BOOLEAN:
        note(log, "%s", v->num ? "true" : "false");
        break;

    case LV_AMF0_STRING:
        note(log, "'%.*s'", (int) v->str.len, (const char *) v->str.data);
        break;

    case LV_AMF0_NULL:
        note(log, "null");
        break;

    case LV_AMF0_UNDEFINED:
        note(log, "undefined");
        break;

    case LV_AMF0_DATE:
        note(log, "date %g", v->num);
        break;

    case LV_AMF0_AMF3:
        note(log, "amf3");
        break;

    default:
        note(log, v->type == LV_AMF0_OBJECT ? "{" :
                  v->type == LV_AMF0_ECMA_ARRAY ? "[{" : "[");

        if (lv_amf0_open(v, &r) != LV_OK) {
            note(log, "?");
        }

        while (lv_amf0_next(&r, &key, &m) == LV_OK) {
            if (key.len) {
                note(log, "%.*s:", (int) key.len, (const char *) key.data);
            }
            describe(log, &m);
            note(log, ",");
        }

        note(log, "%s", v->type == LV_AMF0_OBJECT ? "}" :
                        v->type == LV_AMF0_ECMA_ARRAY ? "}]" : "]");
    }
}


/* what a message of those bytes holds, or its error */
static const char *
parse(const char *hex)
{
    static log_t      log;
    buf_t             b = { 0 };
    int               rc;
    uint8_t          *exact;
    lv_amf0_value_t   v;
    lv_amf0_reader_t  r;

    log.len = 0;
    log.text[0] = '\0';
    put_hex(&b, hex);

    /* a block of just that size, so that ASan sees a read beyond it */
    exact = malloc(b.len ? b.len : 1);
    memcpy(exact, b.p ? b.p : exact, b.len);

    lv_amf0_read_init(&r, exact, b.len);

    while ((rc = lv_amf0_read(&r, &v)) == LV_OK) {
        describe(&log, &v);
        note(&log, ";");
    }

    if (rc == LV_ERROR) {
        note(&log, "error: %s", r.err);
    }

    free(exact);
    clear(&b);

    return log.text;
}


static void
test_types(void)
{
    is_str(parse(""), "", "an empty message holds nothing");
    is_str(parse("00 4059000000000000"), "100;", "number");
    is_str(parse("0101 0100"), "true;false;", "booleans");
    is_str(parse("02 0003 616263 02 0000"), "'abc';'';", "strings");
    is_str(parse("05 06 0d"), "null;undefined;undefined;",
           "null, undefined, unsupported");
    is_str(parse("07 0001"), "undefined;", "a reference is undefined");
    is_str(parse("0b 40f0000000000000 0000"), "date 65536;", "date");
    is_str(parse("0c 00000002 6869"), "'hi';", "long string");
    is_str(parse("0f 00000002 6869"), "'hi';", "XML is a string");
    is_str(parse("03 0001 61 0101 0001 62 02 0001 78 000009"),
           "{a:true,b:'x',};", "object");
    is_str(parse("10 0002 4142 0001 61 05 000009"), "{a:null,};",
           "typed object: its class name is skipped");
    is_str(parse("08 00000063 0001 61 0101 000009"), "[{a:true,}];",
           "ECMA array with a wrong count");
    is_str(parse("0a 00000002 0101 05"), "[true,null,];", "strict array");
    is_str(parse("0a 00000001 0a 00000001 03 0001 61 05 000009"),
           "[[{a:null,},],];", "containers in containers");
}


static void
test_tolerance(void)
{
    is_str(parse("03 0001 61 0101"), "{a:true,};",
           "an object without its end marker");
    is_str(parse("08 00000001 0001 61 0101 0000"), "[{a:true,}];",
           "an ECMA array with half an end marker");
    is_str(parse("03 000009 05"), "{};null;", "an empty object, then more");
    is_str(parse("03 0000 05 0001 61 05 000009"), "{null,a:null,};",
           "a member with an empty name");
    is_str(parse("0a 00000005 0101"), "[true,];",
           "a strict array with fewer elements than it says");
}


static void
test_refused(void)
{
    is_str(parse("00 4059"), "error: AMF0 value is cut off",
           "a number that is cut off");
    is_str(parse("02 00ff 61"), "error: AMF0 string is longer than its "
           "message", "a string longer than its message");
    is_str(parse("0c ffffffff 61"), "error: AMF0 string is longer than its "
           "message", "a long string of 4 GB");
    is_str(parse("02 00"), "error: AMF0 string is cut off",
           "a length that is cut off");
    is_str(parse("0a 0000"), "error: AMF0 array is cut off",
           "an array count that is cut off");
    is_str(parse("03 0003 616263"), "error: AMF0 value is missing",
           "a key without a value");
    is_str(parse("04"), "error: unknown AMF0 type", "movie clip");
    is_str(parse("ff"), "error: unknown AMF0 type", "no type at all");
}


static void
test_limits(void)
{
    int                i, rc;
    buf_t              b = { 0 };
    lv_amf0_value_t    v;
    lv_amf0_reader_t   r;

    for (i = 0; i < LV_AMF0_MAX_DEPTH; i++) {
        put_hex(&b, "0a00000001");
    }
    lv_amf0_read_init(&r, b.p, b.len);
    is_int(lv_amf0_read(&r, &v), LV_ERROR, "too deep is refused");
    is_str(r.err, "AMF0 values are nested too deeply", "and says so");

    lv_amf0_read_init(&r, b.p + 5, b.len - 5);
    is_int(lv_amf0_read(&r, &v), LV_OK, "one level less is fine");
    clear(&b);

    put_hex(&b, "0affffffff");
    for (i = 0; i < LV_AMF0_MAX_VALUES + 1; i++) {
        put8(&b, 5);
    }
    lv_amf0_read_init(&r, b.p, b.len);
    rc = lv_amf0_read(&r, &v);
    is_int(rc, LV_ERROR, "too many values are refused");
    is_str(r.err, "too many AMF0 values", "and it says so");
    clear(&b);

    /* each level would be a million values if lengths were believed */
    for (i = 0; i < 100000; i++) {
        put8(&b, 0x11);
        put8(&b, 0x09);
    }
    lv_amf0_read_init(&r, b.p, b.len);
    is_int(lv_amf0_read(&r, &v), LV_ERROR, "AMF3 in AMF3 ends too");
    clear(&b);
}


static void
test_amf3(void)
{
    is_str(parse("11 00 11 01"), "undefined;null;", "AMF3: nothing");
    is_str(parse("11 02 11 03"), "false;true;", "AMF3: booleans");
    is_str(parse("11 04 7f 11 04 bfffffff 11 04 ffffffff"),
           "127;2.68435e+08;-1;", "AMF3: integers");
    is_str(parse("11 05 4059000000000000"), "100;", "AMF3: double");
    is_str(parse("11 06 07 616263 05"), "'abc';null;", "AMF3: string");
    is_str(parse("11 06 02 05"), "'';null;", "AMF3: string reference");
    is_str(parse("11 08 01 4059000000000000 05"), "amf3;null;",
           "AMF3: date");
    is_str(parse("11 0a 0b 01 03 61 04 01 01 05"), "amf3;null;",
           "AMF3: dynamic object");
    is_str(parse("11 09 05 03 61 01 01 04 01 04 02 05"), "amf3;null;",
           "AMF3: array with both parts");
    is_str(parse("11 09 05 01"
                 "0a 13 03 41 03 62 04 05"      /* class A, sealed b */
                 "0a 01 04 06"                  /* the same traits again */
                 "05"), "amf3;null;", "AMF3: traits by reference");
    is_str(parse("11 0c 07 010203 05"), "amf3;null;", "AMF3: byte array");
    is_str(parse("11 0d 05 00 00000001 00000002 05"), "amf3;null;",
           "AMF3: vector of int");
    is_str(parse("11 10 03 00 01 04 01 05"), "amf3;null;",
           "AMF3: vector of objects");
    is_str(parse("11 11 03 00 04 01 04 02 05"), "amf3;null;",
           "AMF3: dictionary");
    is_str(parse("11 0a 07 01"), "error: AMF3 externalizable object",
           "AMF3: externalizable objects are refused");
    is_str(parse("11 0a 05"), "error: AMF3 reference to unknown traits",
           "AMF3: unknown traits");
    is_str(parse("11 0c ffffffff"),
           "error: AMF3 value is longer than its message",
           "AMF3: a byte array of 256 MB");
    is_str(parse("11 0f ffffffff00"),
           "error: AMF3 value is longer than its message",
           "AMF3: a vector of 2 GB");
    is_str(parse("11"), "error: AMF3 value is missing", "AMF3: missing");
    is_str(parse("11 12"), "error: unknown AMF3 type", "AMF3: unknown");
}


static void
test_find(void)
{
    buf_t             b = { 0 };
    double            d;
    lv_str_t          s;
    lv_amf0_value_t   v;
    lv_amf0_writer_t  w;
    lv_amf0_reader_t  r;
    uint8_t           mem[512];

    lv_amf0_write_init(&w, mem, sizeof(mem));
    lv_amf0_put_object(&w);
    lv_amf0_put_key(&w, "width");
    lv_amf0_put_number(&w, 1280);
    lv_amf0_put_key(&w, "framerate");
    lv_amf0_put_string(&w, "29.97");
    lv_amf0_put_key(&w, "videocodecid");
    lv_amf0_put_string(&w, "av01");
    lv_amf0_put_key(&w, "stereo");
    lv_amf0_put_boolean(&w, true);
    lv_amf0_put_key(&w, "nothing");
    lv_amf0_put_null(&w);
    lv_amf0_put_key(&w, "bad");
    lv_amf0_put_number(&w, INFINITY);
    lv_amf0_put_key(&w, "width");
    lv_amf0_put_number(&w, 1920);
    lv_amf0_put_end(&w);
    ok(!w.overflow, "the writer's object fits");

    put(&b, mem, (size_t) (w.p - mem));
    lv_amf0_read_init(&r, b.p, b.len);
    is_int(lv_amf0_read(&r, &v), LV_OK, "and can be read");

    is_int(lv_amf0_find_number(&v, "width", &d), LV_OK, "a number is found");
    is_int((int) d, 1920, "the last of two counts");
    is_int(lv_amf0_find_number(&v, "framerate", &d), LV_OK,
           "a number in a string is found");
    ok(fabs(d - 29.97) < 1e-9, "with its value");
    is_int(lv_amf0_find_number(&v, "stereo", &d), LV_OK, "a boolean too");
    is_int(lv_amf0_find_number(&v, "videocodecid", &d), LV_DECLINED,
           "a FourCC is no number");
    is_int(lv_amf0_find_string(&v, "videocodecid", &s), LV_OK,
           "but a string");
    ok(lv_str_eq(s, "av01"), "with its text");
    is_int(lv_amf0_find_string(&v, "width", &s), LV_DECLINED,
           "a number is no string");
    is_int(lv_amf0_find_number(&v, "nothing", &d), LV_DECLINED,
           "null is no number");
    is_int(lv_amf0_find_number(&v, "bad", &d), LV_DECLINED,
           "infinity is no number");
    is_int(lv_amf0_find_number(&v, "height", &d), LV_DECLINED,
           "what is missing is not found");

    v.type = LV_AMF0_NUMBER;
    is_int(lv_amf0_open(&v, &r), LV_DECLINED, "a number has no members");
    clear(&b);

    lv_amf0_write_init(&w, mem, 5);
    lv_amf0_put_string(&w, "too long");
    lv_amf0_put_null(&w);
    ok(w.overflow && w.p <= mem + 5, "a writer that is full stays so");
}


int
main(void)
{
    test_types();
    test_tolerance();
    test_refused();
    test_limits();
    test_amf3();
    test_find();

    return done_testing();
}
