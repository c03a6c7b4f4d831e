/* A splice information section; its length is made to fit. */

#include <stdlib.h>

#include "lv_scte35.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t      *p;
    unsigned      i;
    lv_scte35_t   s;

    if (size < 3 || size > LV_SCTE35_MAX) {
        return 0;
    }

    p = malloc(size);

    if (p == NULL) {
        abort();
    }

    memcpy(p, data, size);
    (void) lv_scte35_parse(&s, p, size);

    p[0] = 0xfc;
    p[1] = (uint8_t) ((p[1] & 0xf0) | ((size - 3) >> 8));
    p[2] = (uint8_t) (size - 3);

    if (lv_scte35_parse(&s, p, size) == LV_OK) {

        if (s.segments > LV_SCTE35_SEGMENTS || s.pts >> 33 || s.duration >> 33)
        {
            abort();
        }

        for (i = 0; i < s.segments; i++) {
            if (s.segment[i].upid_len > LV_SCTE35_UPID
                || s.segment[i].duration >> 40)
            {
                abort();
            }
        }
    }

    free(p);

    return 0;
}
