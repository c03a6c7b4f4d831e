/*
 * AV1 configurations. First byte: what the rest is taken for. What is read must
 * be readable again, and be the same then.
 */

#include <stdlib.h>

#include "lv_av1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
must(bool cond)
{
    if (!cond) {
        abort();
    }
}


static void
check(const lv_av1_config_t *c)
{
    char                codec[LV_AV1_CODEC_LEN];
    const char         *err;
    lv_av1_config_t     again;
    lv_av1_sequence_t   s;

    must(lv_av1_config_sequence(c, &s) == LV_OK);
    must(s.width && s.height && s.bits >= 8);
    must(lv_av1_config_read(&again, c->data, c->len, &err) == LV_OK);
    must(lv_nal_config_equal(c, &again));

    lv_av1_codec_string(&s, codec);
    must(memchr(codec, 0, sizeof(codec)) != NULL);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char       *err;
    lv_av1_obu_t      obu;
    lv_av1_config_t   c;

    if (size == 0) {
        return 0;
    }

    memset(&c, 0, sizeof(c));

    switch (data[0] % 3) {

    case 0:
        if (lv_av1_config_read(&c, data + 1, size - 1, &err) == LV_OK) {
            check(&c);
        }

        break;

    case 1:
        if (lv_av1_config_set(&c, data + 1, size - 1) == LV_OK) {
            check(&c);
            must(lv_av1_config_set(&c, data + 1, size - 1) == LV_DECLINED);
        }

        break;

    default:
        if (lv_av1_obu_parse(&obu, data + 1, size - 1) == LV_OK) {
            must(obu.header_len >= 1 && obu.header_len <= 10);
            must(obu.header_len <= size - 1 && obu.type < 16);
        }
    }

    return 0;
}
