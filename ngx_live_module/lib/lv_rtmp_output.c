#include "lv_rtmp_session_i.h"

#include <stdlib.h>


/* An emptied buffer of more than this is given back. */
#define OUTPUT_KEEP  1024


static int
output_reserve(lv_rtmp_session_t *s, size_t n)
{
    size_t    used, size;
    uint8_t  *p;

    used = s->out_end - s->out_start;

    if (n > s->conf.max_output || used > s->conf.max_output - n) {
        return lv_rtmp_session_fail(s, "the peer does not read its answers");
    }

    if (s->out_size - s->out_end >= n) {
        return LV_OK;
    }

    if (s->out_start) {
        memmove(s->out, s->out + s->out_start, used);
        s->out_start = 0;
        s->out_end = used;
    }

    size = s->out_size ? s->out_size : 512;

    while (size < used + n) {
        size *= 2;
    }

    if (size == s->out_size) {
        return LV_OK;
    }

    p = realloc(s->out, size);

    if (p == NULL) {
        return lv_rtmp_session_fail(s, "out of memory");
    }

    s->out = p;
    s->out_size = size;

    return LV_OK;
}


bool
lv_rtmp_output_has_room(const lv_rtmp_session_t *s)
{
    return s->out_end - s->out_start < s->conf.max_output / 2;
}


int
lv_rtmp_output_bytes(lv_rtmp_session_t *s, const uint8_t *p, size_t n)
{
    if (output_reserve(s, n) != LV_OK) {
        return LV_ERROR;
    }

    memcpy(s->out + s->out_end, p, n);
    s->out_end += n;

    return LV_OK;
}


/* Time stamps of our messages are 0: nothing here happens on a timeline. */
int
lv_rtmp_output_message(lv_rtmp_session_t *s, uint32_t csid, uint8_t type,
    uint32_t msid, const uint8_t *p, size_t n)
{
    size_t    chunks, take;
    uint8_t  *out;

    chunks = n ? (n - 1) / s->out_chunk_size : 0;

    if (output_reserve(s, 12 + chunks + n) != LV_OK) {
        return LV_ERROR;
    }

    out = s->out + s->out_end;

    *out++ = (uint8_t) csid;
    out = lv_put24(out, 0);
    out = lv_put24(out, (uint32_t) n);
    *out++ = type;
    *out++ = (uint8_t) msid;
    *out++ = (uint8_t) (msid >> 8);
    *out++ = (uint8_t) (msid >> 16);
    *out++ = (uint8_t) (msid >> 24);

    for ( ;; ) {
        take = n < s->out_chunk_size ? n : s->out_chunk_size;
        memcpy(out, p, take);
        out += take;
        p += take;
        n -= take;

        if (n == 0) {
            break;
        }

        *out++ = (uint8_t) (0xc0 | csid);
    }

    s->out_end = (size_t) (out - s->out);

    return LV_OK;
}


int
lv_rtmp_output_u32(lv_rtmp_session_t *s, uint8_t type, uint32_t value)
{
    uint8_t  body[5];

    lv_put32(body, value);
    body[4] = 2;   /* Set Peer Bandwidth: dynamic */

    return lv_rtmp_output_message(s, LV_RTMP_CS_CONTROL, type, 0, body,
                                  type == LV_RTMP_PEER_BANDWIDTH ? 5 : 4);
}


int
lv_rtmp_output_event(lv_rtmp_session_t *s, uint16_t event, uint32_t value)
{
    uint8_t  body[6];

    lv_put16(body, event);
    lv_put32(body + 2, value);

    return lv_rtmp_output_message(s, LV_RTMP_CS_CONTROL, LV_RTMP_USER_CONTROL,
                                  0, body, sizeof(body));
}


int
lv_rtmp_output_status(lv_rtmp_session_t *s, uint32_t msid, const char *level,
    const char *code, const char *description)
{
    uint8_t           body[LV_RTMP_COMMAND_LEN];
    lv_amf0_writer_t  w;

    lv_amf0_write_init(&w, body, sizeof(body));

    lv_amf0_put_string(&w, "onStatus");
    lv_amf0_put_number(&w, 0);
    lv_amf0_put_null(&w);
    lv_amf0_put_object(&w);
    lv_amf0_put_key(&w, "level");
    lv_amf0_put_string(&w, level);
    lv_amf0_put_key(&w, "code");
    lv_amf0_put_string(&w, code);
    lv_amf0_put_key(&w, "description");
    lv_amf0_put_string(&w, description);
    lv_amf0_put_end(&w);

    if (w.overflow) {
        return LV_ERROR;
    }

    return lv_rtmp_output_message(s, msid ? LV_RTMP_CS_STATUS
                                          : LV_RTMP_CS_COMMAND,
                                  LV_RTMP_AMF0_COMMAND, msid, body,
                                  (size_t) (w.p - body));
}


void
lv_rtmp_session_output(lv_rtmp_session_t *s, const uint8_t **p, size_t *n)
{
    *p = s->out ? s->out + s->out_start : NULL;
    *n = s->out_end - s->out_start;
}


void
lv_rtmp_session_sent(lv_rtmp_session_t *s, size_t n)
{
    if (n > s->out_end - s->out_start) {
        n = s->out_end - s->out_start;
    }

    s->stats.bytes_out += n;
    s->out_start += n;

    if (s->out_start < s->out_end) {
        return;
    }

    s->out_start = 0;
    s->out_end = 0;

    if (s->out_size > OUTPUT_KEEP) {
        free(s->out);
        s->out = NULL;
        s->out_size = 0;
    }
}
