/* Any bytes as an init section, and as a moof: both end, and what they say
 * stays inside of them. */

#include <stdlib.h>
#include "lv_fmp4_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool good)
{
    if (!good) {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t                 out[8192];
    size_t                  half;
    unsigned                n;
    uint32_t                sum;
    const char             *err;
    lv_fmp4_moof_t          m;
    lv_fmp4_track_t         t;
    lv_fmp4_read_sample_t   s;

    for (n = 0; n < 16; n++) {
        if (lv_fmp4_init_track(data, size, n, &t, &err) != LV_OK) {
            break;
        }

        check(t.config >= data && t.config_len <= size
              && t.config + t.config_len <= data + size);

        for (sum = 0; t.config_len > 0; t.config_len--) {
            sum += t.config[t.config_len - 1];
        }

        out[0] = (uint8_t) sum;
    }

    half = size / 2;
    (void) lv_fmp4_init_merge(out, sizeof(out), (lv_str_t[]) {
        { data, half }, { data + half, size - half } }, 2);

    if (lv_fmp4_moof(&m, data, size, &err) == LV_OK) {
        for (n = 0; lv_fmp4_next(&m, &s) == LV_OK; n++) {
            check(n < LV_FMP4_SAMPLES_MAX);
        }

        check(lv_fmp4_next(&m, &s) != LV_OK);
    }

    return 0;
}
