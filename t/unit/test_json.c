#include <limits.h>
#include <jansson.h>

#include "lv_json.h"
#include "tap.h"


static lv_text_t  text;


static const char *
written(void)
{
    lv_text_add(&text, "", 1);
    return (const char *) text.data;
}


static void
test_document(void)
{
    lv_json_t  j;

    lv_text_reset(&text);
    lv_json_init(&j, &text);

    lv_json_open(&j, NULL, '{');
    lv_json_int(&j, "a", 1);
    lv_json_open(&j, "list", '[');
    lv_json_int(&j, NULL, -2);
    lv_json_bool(&j, NULL, true);
    lv_json_open(&j, NULL, '{');
    lv_json_close(&j, '}');
    lv_json_close(&j, ']');
    lv_json_null(&j, "z");
    lv_json_milli(&j, "fps", 29970);
    lv_json_text(&j, "s", "x");
    lv_json_close(&j, '}');

    is_str(written(), "{\"a\":1,\"list\":[-2,true,{}],\"z\":null,"
           "\"fps\":29.97,\"s\":\"x\"}", "commas, nesting, every kind");
}


static void
test_numbers(void)
{
    lv_json_t  j;

    lv_text_reset(&text);
    lv_json_init(&j, &text);

    lv_json_open(&j, NULL, '[');
    lv_json_int(&j, NULL, INT64_MIN);
    lv_json_int(&j, NULL, INT64_MAX);
    lv_json_milli(&j, NULL, 0);
    lv_json_close(&j, ']');

    is_str(written(), "[-9223372036854775808,9223372036854775807,0.0]",
           "the ends of the range");
}


/* Whatever a peer put into a string, a parser reads one string. */

static void
test_any_bytes(void)
{
    int           c, bad;
    char          s[256];
    json_t       *doc, *value;
    lv_json_t     j;
    json_error_t  err;

    for (c = 0; c < 256; c++) {
        s[c] = (char) c;
    }

    lv_text_reset(&text);
    lv_json_init(&j, &text);
    lv_json_open(&j, NULL, '{');
    lv_json_str(&j, "s", s, sizeof(s));
    lv_json_close(&j, '}');

    doc = json_loadb((const char *) text.data, text.len, JSON_ALLOW_NUL, &err);

    if (!ok(doc != NULL, "any bytes make valid JSON")) {
        diag("%s", err.text);
        return;
    }

    value = json_object_get(doc, "s");

    /* bytes from 0x80 on come back as two bytes of UTF-8 each */
    is_int((long long) json_string_length(value), 128 + 128 * 2,
           "with nothing lost");

    for (c = 0, bad = 0; c < 128; c++) {
        bad += json_string_value(value)[c] != c;
    }

    is_int(bad, 0, "ASCII comes back as it was");

    json_decref(doc);
}


static void
test_limit(void)
{
    int        i;
    lv_text_t  small;
    lv_json_t  j;

    lv_text_init(&small, 64);
    lv_json_init(&j, &small);
    lv_json_open(&j, NULL, '[');

    for (i = 0; i < 100; i++) {
        lv_json_int(&j, NULL, i);
    }

    ok(small.failed && small.len <= 64, "a limit holds and is told");

    lv_text_free(&small);
}


int
main(void)
{
    lv_text_init(&text, 65536);

    test_document();
    test_numbers();
    test_any_bytes();
    test_limit();

    lv_text_free(&text);

    return done_testing();
}
