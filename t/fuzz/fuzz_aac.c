/* AAC: the first byte says whether the rest is a configuration or ADTS. */

#include <stdlib.h>

#include "lv_aac.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
config(const uint8_t *p, size_t len)
{
    char         codec[12];
    lv_aac_t     a;
    const char  *err;

    err = NULL;

    if (lv_aac_config_parse(&a, p, len, &err) != LV_OK) {
        if (err == NULL) {
            abort();
        }

        return;
    }

    lv_aac_codec_string(&a, codec);

    if (a.channels == 0 || a.sample_rate < a.core_rate || a.frame_samples == 0
        || a.frame_samples > 2048)
    {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lv_adts_t  h;

    if (size == 0) {
        return 0;
    }

    if (data[0] & 1) {
        config(data + 1, size - 1);
        return 0;
    }

    if (lv_adts_parse(&h, data + 1, size - 1) == LV_OK) {

        if (h.header_len > h.frame_len || h.blocks < 1 || h.blocks > 4) {
            abort();
        }

        config(h.config, sizeof(h.config));
    }

    return 0;
}
