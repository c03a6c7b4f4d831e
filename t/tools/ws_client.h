/* A WebSocket client's frames: written with a mask of zero, which servers have
 * to undo all the same, and read as servers send them. */

#ifndef WS_CLIENT_H
#define WS_CLIENT_H

#include "lv_ws.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WS_CLIENT_HEAD  (LV_WS_HEAD_MAX + 4)


/* A whole frame into dst, WS_CLIENT_HEAD + n bytes at most; its size. */
static inline size_t
ws_client_frame(uint8_t *dst, unsigned opcode, const void *p, size_t n)
{
    size_t  head;

    head = lv_ws_head(dst, opcode, n);
    dst[1] |= 0x80;
    memset(dst + head, 0, 4);
    memcpy(dst + head + 4, p, n);

    return head + 4 + n;
}


/* The size of the frame at p, 0 when it is not whole. */
static inline size_t
ws_client_next(uint8_t *p, size_t n, unsigned *opcode, uint8_t **data,
    size_t *len)
{
    size_t  head;

    if (n < 2) {
        return 0;
    }

    *len = p[1] & 0x7f;
    head = *len < 126 ? 2 : *len == 126 ? 4 : 10;

    if (n < head) {
        return 0;
    }

    *len = head == 4 ? lv_be16(p + 2) : head == 10 ? lv_be64(p + 2) : *len;

    if (n - head < *len) {
        return 0;
    }

    *opcode = p[0] & 0x0f;
    *data = p + head;

    return head + *len;
}

#endif
