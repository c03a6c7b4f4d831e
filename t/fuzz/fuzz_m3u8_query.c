/* What a player asks for: up to the first "?" the path, behind it the query. */

#include <stdlib.h>
#include "lv_hls_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
inside(const uint8_t *data, size_t size, lv_str_t s)
{
    if (s.len && (s.data < data || s.data + s.len > data + size)) {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t           n;
    const char      *err;
    const uint8_t   *mark;
    lv_hls_path_t    path;
    lv_hls_query_t   query;

    mark = size ? memchr(data, '?', size) : NULL;
    n = mark ? (size_t) (mark - data) : size;
    err = NULL;

    if (lv_hls_path_parse(data, n, &path) == LV_OK) {
        inside(data, n, path.stream);
        inside(data, n, path.rendition);

        if (path.stream.len == 0 || path.stream.len > 64
            || path.rendition.len > 7 || path.part > 65535
            || (path.kind == LV_HLS_MULTIVARIANT) != (path.rendition.len == 0))
        {
            abort();
        }
    }

    if (mark) {
        if (lv_hls_query_parse(mark + 1, size - n - 1, &query, &err) != LV_OK) {
            if (err == NULL) {
                abort();
            }

        } else if (query.part > 65535 || (query.has_part && !query.has_msn)) {
            abort();
        }
    }

    return 0;
}
