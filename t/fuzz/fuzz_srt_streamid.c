/* Stream ids: what comes out is no longer than what went in. */

#include <stdlib.h>
#include "lv_srt_streamid.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lv_srt_streamid_t  id;

    if (lv_srt_streamid_parse(data, size, &id) != LV_OK) {
        return 0;
    }

    if (size > LV_SRT_STREAMID_MAX || id.name_len > size || id.args_len > size
        || id.credential_len > size)
    {
        abort();
    }

    return 0;
}
