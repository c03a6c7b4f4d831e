/*
 * HEVC configurations. First byte: what the rest is taken for. What is read
 * must be readable again, and be the same then.
 */

#include <stdlib.h>

#include "lv_hevc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
must(bool cond)
{
    if (!cond) {
        abort();
    }
}


static void
check(const lv_hevc_config_t *c)
{
    int               rc;
    uint8_t           length_size;
    const char       *err;
    lv_hevc_config_t  again;

    if (c->len == 0) {
        return;
    }

    rc = lv_hevc_config_read(&again, c->data, c->len, &length_size, &err);

    must(rc == (lv_hevc_config_complete(c) ? LV_OK : LV_DECLINED));
    must(length_size == 4 && lv_nal_config_equal(c, &again));
}


/* Units with a length of one byte each. */
static void
sets(const uint8_t *data, size_t size)
{
    size_t            n;
    lv_hevc_config_t  c;

    c.len = 0;

    while (size > 1) {
        n = data[0] < size - 1 ? data[0] : size - 1;

        if (lv_hevc_config_set(&c, data + 1, n) == LV_OK) {
            must(lv_hevc_config_set(&c, data + 1, n) == LV_DECLINED);
        }

        data += 1 + n;
        size -= 1 + n;
    }

    check(&c);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char              codec[LV_HEVC_CODEC_LEN];
    uint8_t           length_size;
    const char       *err;
    lv_hevc_sps_t     sps;
    lv_hevc_config_t  c;

    if (size == 0) {
        return 0;
    }

    switch (data[0] % 3) {

    case 0:
        if (lv_hevc_config_read(&c, data + 1, size - 1, &length_size, &err)
            != LV_ERROR)
        {
            check(&c);
        }

        break;

    case 1:
        if (lv_hevc_sps_parse(&sps, data + 1, size - 1) == LV_OK) {
            lv_hevc_codec_string(&sps, codec);
            must(memchr(codec, 0, sizeof(codec)) != NULL);
            must(sps.width && sps.height && sps.display_width);
            must(sps.width <= sps.coded_width);
            must(lv_hevc_set_id(data + 1, size - 1) == sps.id);
        }

        break;

    default:
        sets(data + 1, size - 1);
    }

    return 0;
}
