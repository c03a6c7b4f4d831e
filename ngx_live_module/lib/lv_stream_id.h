/* What a stream's id may look like: [A-Za-z0-9][A-Za-z0-9_-]{0,63}. */

#ifndef LV_STREAM_ID_H
#define LV_STREAM_ID_H

#include "lv_base.h"

#define LV_STREAM_ID_LEN  64

static inline bool
lv_stream_id_valid(lv_str_t id)
{
    size_t   i;
    uint8_t  c;

    if (id.len == 0 || id.len > LV_STREAM_ID_LEN) {
        return false;
    }

    for (i = 0; i < id.len; i++) {
        c = id.data[i];

        if ((c >= '0' && c <= '9')
            || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
        {
            continue;
        }

        if (i == 0 || (c != '_' && c != '-')) {
            return false;
        }
    }

    return true;
}

#endif
