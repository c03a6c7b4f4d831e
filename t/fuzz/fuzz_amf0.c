/*
 * AMF0 messages. Besides the sanitizers: every view lies within the input,
 * and what a container holds can be walked again.
 */

#include "lv_amf0.h"

#include <stdlib.h>

static const uint8_t  *start, *end;


static void
check(const lv_amf0_value_t *v, unsigned depth)
{
    double            d;
    lv_str_t          key;
    lv_amf0_value_t   m;
    lv_amf0_reader_t  r;

    if (v->str.len
        && (v->str.data < start || v->str.data + v->str.len > end))
    {
        abort();
    }

    (void) lv_amf0_number(v, &d);

    if (depth > LV_AMF0_MAX_DEPTH) {
        abort();
    }

    if (lv_amf0_open(v, &r) != LV_OK) {
        return;
    }

    while (lv_amf0_next(&r, &key, &m) == LV_OK) {
        check(&m, depth + 1);
    }

    /* it was passed over as a whole before: it must be whole */
    if (r.p != r.end) {
        abort();
    }

    (void) lv_amf0_find_number(v, "width", &d);
    (void) lv_amf0_find_string(v, "videocodecid", &key);
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int               rc;
    lv_amf0_value_t   v;
    lv_amf0_reader_t  r;

    start = data;
    end = data + size;
    lv_amf0_read_init(&r, data, size);

    while ((rc = lv_amf0_read(&r, &v)) == LV_OK) {
        check(&v, 0);
    }

    if (rc == LV_ERROR && r.err == NULL) {
        abort();
    }

    return 0;
}
