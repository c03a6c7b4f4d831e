/*
 * A response in two ways of cutting it (the first byte says how): both must
 * end alike, with the same body, and within the limits.
 */

#include <stdlib.h>
#include "lv_http_response.h"

#define BODY_MAX  5000

typedef struct {
    uint64_t  hash;
    size_t    len;
} sink_t;


static void
take(void *ctx, const uint8_t *p, size_t n)
{
    size_t   i;
    sink_t  *s = ctx;

    for (i = 0; i < n; i++) {
        s->hash = (s->hash ^ p[i]) * 1099511628211ULL;
    }

    s->len += n;
}


static int
run(const uint8_t *p, size_t n, size_t step, sink_t *s, size_t *taken)
{
    int                        rc;
    size_t                     at, len, used;
    static lv_http_response_t  r;

    lv_http_response_init(&r, false, BODY_MAX);
    memset(s, 0, sizeof(sink_t));
    rc = LV_AGAIN;

    for (at = 0; at < n && rc == LV_AGAIN; at += used) {
        len = n - at < step ? n - at : step;
        rc = lv_http_response_input(&r, p + at, len, &used, take, s);

        if (used > len || (rc == LV_AGAIN && used != len)) {
            abort();
        }
    }

    if (rc == LV_AGAIN) {
        rc = lv_http_response_eof(&r);
    }

    if (s->len > BODY_MAX || rc == LV_AGAIN || (rc == LV_ERROR && !r.err)
        || (rc == LV_OK && (!r.head_done || r.status < 200)))
    {
        abort();
    }

    *taken = at;

    return rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int     rc;
    sink_t  a, b;
    size_t  taken[2];

    if (size == 0) {
        return 0;
    }

    rc = run(data + 1, size - 1, size, &a, &taken[0]);

    if (run(data + 1, size - 1, 1 + data[0] % 32, &b, &taken[1]) != rc) {
        abort();
    }

    if (rc == LV_OK
        && (a.hash != b.hash || a.len != b.len || taken[0] != taken[1]))
    {
        abort();
    }

    return 0;
}
