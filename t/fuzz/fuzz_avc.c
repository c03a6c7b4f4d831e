/*
 * H.264 configurations. First byte: what the rest is taken for. What is read
 * must be readable again, and be the same then.
 */

#include <stdlib.h>

#include "lv_avc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(const lv_avc_config_t *c)
{
    int              rc;
    uint8_t          length_size;
    const char      *err;
    lv_avc_config_t  again;

    if (c->len == 0) {
        return;
    }

    rc = lv_avc_config_read(&again, c->data, c->len, &length_size, &err);

    if (rc != (lv_avc_config_complete(c) ? LV_OK : LV_DECLINED)
        || length_size != 4 || !lv_nal_config_equal(c, &again))
    {
        abort();
    }
}


/* Units with a length of one byte each. */
static void
sets(const uint8_t *data, size_t size)
{
    size_t           n;
    lv_avc_config_t  c;

    c.len = 0;

    while (size > 1) {
        n = data[0] < size - 1 ? data[0] : size - 1;

        if (lv_avc_config_set(&c, data + 1, n) == LV_OK
            && lv_avc_config_set(&c, data + 1, n) != LV_DECLINED)
        {
            abort();
        }

        data += 1 + n;
        size -= 1 + n;
    }

    check(&c);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char             codec[12];
    uint8_t          length_size;
    const char      *err;
    lv_avc_sps_t     sps;
    lv_avc_config_t  c;

    if (size == 0) {
        return 0;
    }

    switch (data[0] & 3) {

    case 0:
        (void) lv_avc_config_is_hevc(data + 1, size - 1);

        if (lv_avc_config_read(&c, data + 1, size - 1, &length_size, &err)
            != LV_ERROR)
        {
            check(&c);
        }

        break;

    case 1:
        if (lv_avc_sps_parse(&sps, data + 1, size - 1) == LV_OK) {
            lv_avc_codec_string(&sps, codec);

            if (sps.width == 0 || sps.height == 0 || sps.display_width == 0
                || sps.width > sps.coded_width)
            {
                abort();
            }
        }

        break;

    case 2:
        sets(data + 1, size - 1);
        break;

    default:
        if (lv_sei_captions(data + 1, size - 1) != 0
            && !lv_sei_has(data + 1, size - 1, LV_SEI_USER_DATA_T35))
        {
            abort();
        }

        (void) lv_sei_has(data + 1, size - 1, LV_SEI_RECOVERY_POINT);
    }

    return 0;
}
