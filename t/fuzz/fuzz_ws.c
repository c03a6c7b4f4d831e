/*
 * A client's bytes in two ways of cutting them (the first byte says how): the
 * same events with the same data, and nothing beyond the limits.
 */

#include <stdlib.h>
#include "lv_ws.h"

#define MESSAGE_MAX  600
#define EVENTS_MAX   64

typedef struct {
    unsigned  n;
    uint64_t  seen[EVENTS_MAX];
} log_t;


static void
judge(const lv_ws_event_t *ev, log_t *log)
{
    size_t    i;
    uint64_t  hash;

    switch (ev->type) {
    case LV_WS_TEXT:
        if (ev->len > MESSAGE_MAX || !lv_utf8_valid(ev->data, ev->len)) {
            abort();
        }
        break;
    case LV_WS_FAIL:
        if (ev->reason == NULL || ev->code < 1000 || ev->len) {
            abort();
        }
        break;
    default:
        if (ev->len > LV_WS_CONTROL_MAX) {
            abort();
        }
    }

    hash = 14695981039346656037ULL ^ (ev->type * 65536u + ev->code);

    for (i = 0; i < ev->len; i++) {
        hash = (hash ^ ev->data[i]) * 1099511628211ULL;
    }

    if (log->n < EVENTS_MAX) {
        log->seen[log->n] = hash;
    }

    log->n++;
}


static void
run(const uint8_t *data, size_t size, size_t step, log_t *log)
{
    int            rc;
    size_t         at, n, done, used;
    uint8_t       *piece;
    lv_ws_t        ws;
    lv_ws_event_t  ev;

    lv_ws_init(&ws, MESSAGE_MAX);
    log->n = 0;

    for (at = 0; at < size; at += n) {
        n = size - at < step ? size - at : step;
        piece = malloc(n);
        memcpy(piece, data + at, n);

        for (done = 0;; done += used) {
            rc = lv_ws_input(&ws, piece + done, n - done, &used, &ev);

            if (used > n - done || rc == LV_ERROR
                || (rc == LV_AGAIN && used != n - done)
                || ws.buf_size > MESSAGE_MAX + LV_WS_CONTROL_MAX)
            {
                abort();
            }

            if (rc == LV_AGAIN) {
                break;
            }

            judge(&ev, log);
        }

        free(piece);
    }

    lv_ws_free(&ws);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    log_t  a, b;

    if (size == 0) {
        return 0;
    }

    run(data + 1, size - 1, size, &a);
    run(data + 1, size - 1, 1 + data[0] % 32, &b);

    if (a.n != b.n
        || memcmp(a.seen, b.seen,
                  (a.n < EVENTS_MAX ? a.n : EVENTS_MAX) * sizeof(a.seen[0])))
    {
        abort();
    }

    return 0;
}
