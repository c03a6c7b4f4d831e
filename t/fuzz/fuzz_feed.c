/*
 * A box of a feed. What is taken can be written, and is then the same; nothing
 * in it points beyond the box.
 */

#include <stdlib.h>
#include "lv_feed.h"


static void
check(int good)
{
    if (!good) {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                      len;
    unsigned                 i;
    lv_feed_part_t           part;
    static lv_feed_header_t  h;
    static uint8_t           out[LV_FEED_HEADER_MAX];

    if (lv_feed_header_read(data, size, &h) == LV_OK) {

        for (i = 0; i < h.tracks; i++) {
            check(h.track[i].init.len == 0
                  || (h.track[i].init.data >= data
                      && h.track[i].init.data + h.track[i].init.len
                         <= data + size));
        }

        len = lv_feed_header_write(out, sizeof(out), &h);
        check(len == (int) size && memcmp(out, data, size) == 0);
    }

    if (lv_feed_part_read(data, size, &part) == LV_OK) {
        lv_feed_part_write(out, &part);
        out[24 + 3] = data[24 + 3];
        check(memcmp(out, data, LV_FEED_PART_LEN) == 0);
    }

    return 0;
}
