#include <stdlib.h>
#include "lv_ws.h"


#define LV_WS_BUF_FIRST  256

#define LV_WS_FIN        0x80
#define LV_WS_RSV        0x70
#define LV_WS_OPCODE     0x0f
#define LV_WS_MASKED     0x80

#define lv_ws_control(opcode)  ((opcode) & 0x08)


void
lv_ws_init(lv_ws_t *ws, size_t max)
{
    memset(ws, 0, sizeof(lv_ws_t));
    ws->max = (uint32_t) max;
    ws->head_need = 2;
}


void
lv_ws_free(lv_ws_t *ws)
{
    free(ws->buf);
    ws->buf = NULL;
    ws->buf_size = 0;
    ws->message_len = 0;
    ws->closed = true;
}


static int
lv_ws_fail(lv_ws_t *ws, lv_ws_event_t *event, uint16_t code,
    const char *reason)
{
    lv_ws_free(ws);

    event->type = LV_WS_FAIL;
    event->code = code;
    event->reason = reason;
    event->data = NULL;
    event->len = 0;

    return LV_OK;
}


/* Room for n bytes behind what the buffer holds. */
static int
lv_ws_room(lv_ws_t *ws, size_t held, size_t n)
{
    size_t    size;
    uint8_t  *p;

    if (held + n <= ws->buf_size) {
        return LV_OK;
    }

    size = ws->buf_size ? ws->buf_size * 2u : LV_WS_BUF_FIRST;

    while (size < held + n) {
        size *= 2;
    }

    /* held + n is never above this */
    if (size > (size_t) ws->max + LV_WS_CONTROL_MAX) {
        size = (size_t) ws->max + LV_WS_CONTROL_MAX;
    }

    p = realloc(ws->buf, size);
    if (p == NULL) {
        return LV_ERROR;
    }

    ws->buf = p;
    ws->buf_size = (uint32_t) size;

    return LV_OK;
}


/* The rules for the first two bytes of a frame: NULL, or what is broken. */
static const char *
lv_ws_head_error(lv_ws_t *ws, uint8_t first, uint8_t second, uint16_t *code)
{
    uint8_t  opcode;

    *code = LV_WS_PROTOCOL_ERROR;
    opcode = first & LV_WS_OPCODE;

    if (first & LV_WS_RSV) {
        return "a reserved bit is set";
    }

    if ((opcode > LV_WS_OP_BINARY && opcode < LV_WS_OP_CLOSE)
        || opcode > LV_WS_OP_PONG)
    {
        return "an unknown kind of frame";
    }

    if (!(second & LV_WS_MASKED)) {
        return "a frame is not masked";
    }

    if (lv_ws_control(opcode)) {

        if (!(first & LV_WS_FIN)) {
            return "a control frame is fragmented";
        }

        if ((second & 0x7f) > LV_WS_CONTROL_MAX) {
            return "a control frame is too large";
        }

        return NULL;
    }

    if (opcode == LV_WS_OP_CONTINUE && !ws->in_message) {
        return "nothing to continue";
    }

    if (opcode != LV_WS_OP_CONTINUE && ws->in_message) {
        return "a message begins within another";
    }

    if (opcode == LV_WS_OP_BINARY) {
        *code = LV_WS_UNSUPPORTED;
        return "only text messages are spoken here";
    }

    if (ws->fragments >= LV_WS_FRAGMENTS_MAX) {
        *code = LV_WS_TOO_BIG;
        return "a message of too many fragments";
    }

    return NULL;
}


/* The length behind a complete header: NULL, or what is wrong with it. */
static const char *
lv_ws_length(lv_ws_t *ws, uint16_t *code)
{
    uint64_t  len;

    *code = LV_WS_PROTOCOL_ERROR;
    len = ws->head[1] & 0x7f;

    if (len == 126) {
        len = lv_be16(ws->head + 2);

        if (len < 126) {
            return "a length is not in its shortest form";
        }

    } else if (len == 127) {
        len = lv_be64(ws->head + 2);

        if (len < 65536) {
            return "a length is not in its shortest form";
        }

        if (len >> 63) {
            return "a length has its first bit set";
        }
    }

    if (!lv_ws_control(ws->opcode) && len > ws->max - ws->message_len) {
        *code = LV_WS_TOO_BIG;
        return "the message is too large";
    }

    ws->frame_len = (uint32_t) len;

    return NULL;
}


/*
 * Reads a frame's header, from as many pieces as it comes in. LV_OK: the frame
 * has begun; LV_AGAIN: bytes are missing; LV_DECLINED: *event is a failure.
 */
static int
lv_ws_header(lv_ws_t *ws, const uint8_t *p, size_t n, size_t *at,
    lv_ws_event_t *event)
{
    uint16_t     code;
    const char  *err;

    while (ws->head_len < ws->head_need) {

        if (*at == n) {
            return LV_AGAIN;
        }

        ws->head[ws->head_len++] = p[(*at)++];

        if (ws->head_len != 2) {
            continue;
        }

        err = lv_ws_head_error(ws, ws->head[0], ws->head[1], &code);
        if (err) {
            (void) lv_ws_fail(ws, event, code, err);
            return LV_DECLINED;
        }

        switch (ws->head[1] & 0x7f) {
        case 126:
            ws->head_need = 2 + 2 + 4;
            break;
        case 127:
            ws->head_need = 2 + 8 + 4;
            break;
        default:
            ws->head_need = 2 + 4;
        }
    }

    ws->opcode = ws->head[0] & LV_WS_OPCODE;
    ws->fin = (ws->head[0] & LV_WS_FIN) != 0;

    err = lv_ws_length(ws, &code);
    if (err) {
        (void) lv_ws_fail(ws, event, code, err);
        return LV_DECLINED;
    }

    memcpy(ws->mask, ws->head + ws->head_need - 4, 4);

    ws->head_len = 0;
    ws->head_need = 2;
    ws->frame_at = 0;
    ws->in_frame = true;

    if (!lv_ws_control(ws->opcode)) {
        ws->fragments++;
    }

    return LV_OK;
}


/* n bytes of the frame, of which `phase` came before. */
static void
lv_ws_unmask(const uint8_t mask[4], uint8_t *p, size_t n, size_t phase)
{
    size_t    i;
    uint64_t  key, word;
    uint8_t   turned[8];

    for (i = 0; i < 8; i++) {
        turned[i] = mask[(phase + i) & 3];
    }

    memcpy(&key, turned, 8);

    for (i = 0; i + 8 <= n; i += 8) {
        memcpy(&word, p + i, 8);
        word ^= key;
        memcpy(p + i, &word, 8);
    }

    for ( /* void */ ; i < n; i++) {
        p[i] ^= turned[i & 7];
    }
}


/* Section 7.4: what a peer may put into a close frame. */
static bool
lv_ws_close_code(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014)
           || (code >= 3000 && code <= 4999);
}


static int
lv_ws_closing(lv_ws_t *ws, uint8_t *p, size_t n, lv_ws_event_t *event)
{
    if (n == 1) {
        return lv_ws_fail(ws, event, LV_WS_PROTOCOL_ERROR,
                          "half a close code");
    }

    event->code = LV_WS_NO_STATUS;

    if (n) {
        event->code = lv_be16(p);

        if (!lv_ws_close_code(event->code)) {
            return lv_ws_fail(ws, event, LV_WS_PROTOCOL_ERROR,
                              "an impossible close code");
        }

        if (!lv_utf8_valid(p + 2, n - 2)) {
            return lv_ws_fail(ws, event, LV_WS_INVALID_DATA,
                              "a close reason is not UTF-8");
        }

        p += 2;
        n -= 2;
    }

    event->type = LV_WS_CLOSE;
    event->data = p;
    event->len = n;
    ws->closed = true;

    return LV_OK;
}


/* A control frame's whole data. */
static int
lv_ws_control_frame(lv_ws_t *ws, uint8_t *p, size_t n, lv_ws_event_t *event)
{
    ws->in_frame = false;

    if (ws->opcode == LV_WS_OP_CLOSE) {
        return lv_ws_closing(ws, p, n, event);
    }

    event->type = ws->opcode == LV_WS_OP_PING ? LV_WS_PING : LV_WS_PONG;
    event->data = p;
    event->len = n;

    return LV_OK;
}


/* The end of a data frame: p[0 … n) is all that the message has so far. */
static int
lv_ws_data_frame(lv_ws_t *ws, uint8_t *p, size_t n, lv_ws_event_t *event)
{
    ws->in_frame = false;
    ws->in_message = !ws->fin;

    if (!ws->fin) {
        return LV_AGAIN;
    }

    if (!lv_utf8_whole(&ws->utf8)) {
        return lv_ws_fail(ws, event, LV_WS_INVALID_DATA,
                          "a message is not UTF-8");
    }

    ws->fragments = 0;
    ws->used_buf = ws->buf != NULL;

    event->type = LV_WS_TEXT;
    event->data = p;
    event->len = n;

    return LV_OK;
}


/* Some bytes of the frame, p[0 … n), n not above what it still needs. */
static int
lv_ws_payload(lv_ws_t *ws, uint8_t *p, size_t n, lv_ws_event_t *event)
{
    bool      control, whole;
    size_t    held;
    uint8_t  *data;

    control = lv_ws_control(ws->opcode);
    whole = ws->frame_at == 0 && n == ws->frame_len;

    lv_ws_unmask(ws->mask, p, n, ws->frame_at);

    if (!control && lv_utf8_check(&ws->utf8, p, n) != LV_OK) {
        return lv_ws_fail(ws, event, LV_WS_INVALID_DATA,
                          "a message is not UTF-8");
    }

    if (whole && control) {
        return lv_ws_control_frame(ws, p, n, event);
    }

    if (whole && ws->fin && ws->message_len == 0) {
        return lv_ws_data_frame(ws, p, n, event);
    }

    held = ws->message_len + (control ? ws->frame_at : 0);

    if (n) {
        if (lv_ws_room(ws, held, n) != LV_OK) {
            return LV_ERROR;
        }

        memcpy(ws->buf + held, p, n);
        ws->frame_at += (uint32_t) n;
    }

    if (!control) {
        ws->message_len += (uint32_t) n;
    }

    if (ws->frame_at < ws->frame_len) {
        return LV_AGAIN;
    }

    /* an empty message has no buffer; p points somewhere, and is not read */
    data = ws->buf ? ws->buf : p;

    if (control) {
        ws->used_buf = true;
        return lv_ws_control_frame(ws, data + ws->message_len, ws->frame_len,
                                   event);
    }

    return lv_ws_data_frame(ws, data, ws->message_len, event);
}


/* The last event's data is not needed any more. */
static void
lv_ws_release(lv_ws_t *ws)
{
    ws->used_buf = false;

    if (!ws->in_message) {
        free(ws->buf);
        ws->buf = NULL;
        ws->buf_size = 0;
        ws->message_len = 0;
    }
}


int
lv_ws_input(lv_ws_t *ws, uint8_t *p, size_t n, size_t *used,
    lv_ws_event_t *event)
{
    int     rc;
    size_t  at, part;

    memset(event, 0, sizeof(lv_ws_event_t));

    if (ws->used_buf) {
        lv_ws_release(ws);
    }

    at = 0;

    while (!ws->closed) {

        if (!ws->in_frame) {
            rc = lv_ws_header(ws, p, n, &at, event);

            if (rc == LV_AGAIN) {
                break;
            }

            if (rc == LV_DECLINED) {
                *used = at;
                return LV_OK;
            }
        }

        part = ws->frame_len - ws->frame_at;

        if (part > n - at) {
            part = n - at;

            if (part == 0) {
                break;
            }
        }

        rc = lv_ws_payload(ws, p + at, part, event);
        at += part;

        if (rc != LV_AGAIN) {
            *used = at;
            return rc;
        }
    }

    *used = n;

    return LV_AGAIN;
}


size_t
lv_ws_head(uint8_t *dst, unsigned opcode, uint64_t len)
{
    dst[0] = (uint8_t) (LV_WS_FIN | opcode);

    if (len < 126) {
        dst[1] = (uint8_t) len;
        return 2;
    }

    if (len < 65536) {
        dst[1] = 126;
        (void) lv_put16(dst + 2, (uint16_t) len);
        return 4;
    }

    dst[1] = 127;
    (void) lv_put64(dst + 2, len);

    return 10;
}


size_t
lv_ws_close(uint8_t *dst, uint16_t code, const char *reason)
{
    size_t  len;

    if (code == LV_WS_NO_STATUS) {
        return lv_ws_head(dst, LV_WS_OP_CLOSE, 0);
    }

    len = reason ? strlen(reason) : 0;

    if (len > LV_WS_CONTROL_MAX - 2) {
        len = LV_WS_CONTROL_MAX - 2;

        while (len && ((uint8_t) reason[len] & 0xc0) == 0x80) {
            len--;
        }
    }

    (void) lv_ws_head(dst, LV_WS_OP_CLOSE, len + 2);
    (void) lv_put16(dst + 2, code);

    if (len) {
        memcpy(dst + 4, reason, len);
    }

    return 4 + len;
}
