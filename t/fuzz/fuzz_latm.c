/* LATM elements, one behind the other: 1 length | bytes. */

#include <stdlib.h>

#include "lv_latm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int          i, frames;
    size_t       n, sum;
    uint8_t     *p, *out;
    uint16_t     len[LV_LATM_FRAMES];
    lv_latm_t    latm;
    const char  *err;

    memset(&latm, 0, sizeof(latm));

    while (size > 1) {
        n = data[0] < size ? data[0] : size - 1;
        data++;
        size--;

        /* of exactly that size, so that one byte too many is seen */
        p = malloc(n + !n);
        out = malloc(n + !n);

        if (p == NULL || out == NULL) {
            abort();
        }

        memcpy(p, data, n);
        err = NULL;
        frames = lv_latm_read(&latm, p, n, out, len, &err);

        if (frames == LV_ERROR && err == NULL) {
            abort();
        }

        for (i = 0, sum = 0; i < frames; i++) {
            sum += len[i];
        }

        if (sum > n || latm.config_len > sizeof(latm.config)) {
            abort();
        }

        (void) lv_loas_len(p, n);
        free(p);
        free(out);
        data += n;
        size -= n;
    }

    return 0;
}
