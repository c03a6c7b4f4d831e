#include "lv_rtmp_session_i.h"

#include <stdlib.h>

static const lv_rtmp_chunk_handler_t  session_chunk_handler = {
    lv_rtmp_message_begin,
    lv_rtmp_message_data,
    lv_rtmp_message_end
};


int
lv_rtmp_session_fail(lv_rtmp_session_t *s, const char *err)
{
    if (s->err[0] == '\0') {
        s->err = err;
    }

    s->state = LV_RTMP_STATE_FAILED;

    return LV_ERROR;
}


int
lv_rtmp_control(lv_rtmp_session_t *s, uint8_t type, const uint8_t *p,
    size_t n)
{
    lv_rtmp_message_t  *aborted;

    if (type == LV_RTMP_USER_CONTROL) {

        /* ping: answered as long as the peer reads; the rest is for players
         * or is sent by mistake (pings and windows that only servers send) */

        if (n >= 6 && lv_be16(p) == 6 && lv_rtmp_output_has_room(s)) {
            return lv_rtmp_output_event(s, 7, lv_be32(p + 2));
        }

        return LV_OK;
    }

    if (n < 4) {
        return lv_rtmp_session_fail(s, "control message is too short");
    }

    switch (type) {

    case LV_RTMP_SET_CHUNK_SIZE:
        if (lv_rtmp_chunk_set_size(&s->chunk, lv_be32(p)) != LV_OK) {
            return lv_rtmp_session_fail(s, s->chunk.err);
        }
        s->stats.in_chunk_size = s->chunk.chunk_size;
        break;

    case LV_RTMP_ABORT:
        aborted = lv_rtmp_chunk_abort(&s->chunk, lv_be32(p));
        if (aborted != NULL) {
            lv_rtmp_message_abort(s, aborted);
        }
        break;

    case LV_RTMP_WINDOW_ACK_SIZE:
        s->peer_window = lv_be32(p);
        break;
    }

    return LV_OK;
}


static int
session_handshake(lv_rtmp_session_t *s, const uint8_t *p, size_t n,
    size_t *used)
{
    int      rc;
    size_t   out_len;
    uint8_t  out[LV_RTMP_HANDSHAKE_OUT];

    rc = lv_rtmp_handshake_input(s->handshake, p, n, used, out, &out_len);

    if (rc == LV_ERROR) {
        return lv_rtmp_session_fail(s, s->handshake->err);
    }

    if (out_len && lv_rtmp_output_bytes(s, out, out_len) != LV_OK) {
        return LV_ERROR;
    }

    if (rc == LV_OK) {
        s->stats.digest = s->handshake->digest;
        s->state = LV_RTMP_STATE_CONNECT;
        free(s->handshake);
        s->handshake = NULL;
    }

    return LV_OK;
}


/*
 * An acknowledgement for each half of the window (some encoders stop sending
 * at the whole one), of all bytes so far modulo 2^32. It is put off while
 * the peer does not read.
 */
static int
session_ack(lv_rtmp_session_t *s)
{
    uint32_t  window;

    window = s->peer_window ? s->peer_window : s->conf.ack_window;

    if (s->state != LV_RTMP_STATE_READY
        || s->stats.bytes_in - s->acked <= window / 2
        || !lv_rtmp_output_has_room(s))
    {
        return LV_OK;
    }

    s->acked = s->stats.bytes_in;

    return lv_rtmp_output_u32(s, LV_RTMP_ACK, (uint32_t) s->acked);
}


int
lv_rtmp_session_input(lv_rtmp_session_t *s, const uint8_t *p, size_t n,
    uint64_t now_ms, size_t *consumed)
{
    int     rc;
    size_t  used;

    *consumed = 0;

    if (s->state == LV_RTMP_STATE_FAILED) {
        return LV_ERROR;
    }

    while (*consumed < n) {

        if (s->publish == LV_RTMP_PUBLISH_PENDING) {
            return LV_AGAIN;
        }

        used = n - *consumed;

        switch (s->state) {

        case LV_RTMP_STATE_CLOSING:
            rc = LV_OK;
            break;

        case LV_RTMP_STATE_HANDSHAKE:
            rc = session_handshake(s, p + *consumed, n - *consumed, &used);
            break;

        default:
            rc = lv_rtmp_chunk_input(&s->chunk, p + *consumed, n - *consumed,
                                     now_ms, &used);
        }

        *consumed += used;
        s->stats.bytes_in += used;

        if (rc == LV_ERROR) {
            return lv_rtmp_session_fail(s, s->chunk.err);
        }
    }

    if (session_ack(s) != LV_OK) {
        return LV_ERROR;
    }

    return s->publish == LV_RTMP_PUBLISH_PENDING ? LV_AGAIN : LV_OK;
}


void
lv_rtmp_conf_defaults(lv_rtmp_conf_t *conf)
{
    conf->out_chunk_size = 4096;
    conf->ack_window = 2500000;
    conf->max_media_len = 0xffffff;
    conf->max_gather_len = 65536;
    conf->max_gather_total = 131072;
    conf->max_chunk_streams = 64;
    conf->max_name_len = 2048;
    conf->max_output = 32768;
    conf->max_small_chunks = 200000;
}


lv_rtmp_session_t *
lv_rtmp_session_create(const lv_rtmp_conf_t *conf, const lv_rtmp_handler_t *h,
    void *ctx)
{
    lv_rtmp_session_t  *s;

    s = calloc(1, sizeof(*s));

    if (s == NULL) {
        return NULL;
    }

    s->handshake = malloc(sizeof(*s->handshake));

    if (s->handshake == NULL) {
        free(s);
        return NULL;
    }

    lv_rtmp_handshake_init(s->handshake);

    if (conf) {
        s->conf = *conf;

    } else {
        lv_rtmp_conf_defaults(&s->conf);
    }

    s->handler = *h;
    s->ctx = ctx;
    s->err = "";
    s->out_chunk_size = LV_RTMP_CHUNK_SIZE;
    s->stats.in_chunk_size = LV_RTMP_CHUNK_SIZE;

    lv_rtmp_chunk_init(&s->chunk, &session_chunk_handler, s,
                       s->conf.max_chunk_streams, s->conf.max_small_chunks);

    return s;
}


void
lv_rtmp_session_destroy(lv_rtmp_session_t *s)
{
    uint32_t  i;

    if (s == NULL) {
        return;
    }

    for (i = 0; i < s->chunk.nstreams; i++) {
        free(s->chunk.streams[i].msg.buf);
    }

    lv_rtmp_chunk_free(&s->chunk);

    free(s->aggregate.msg.buf);
    free(s->handshake);
    free(s->connect_mem);
    free(s->name_mem);
    free(s->out);
    free(s);
}


const char *
lv_rtmp_session_error(const lv_rtmp_session_t *s)
{
    return s->err;
}


bool
lv_rtmp_session_is_closing(const lv_rtmp_session_t *s)
{
    return s->state == LV_RTMP_STATE_CLOSING;
}


bool
lv_rtmp_session_can_reconnect(const lv_rtmp_session_t *s)
{
    return (s->caps_ex & 1) != 0;
}


const lv_rtmp_stats_t *
lv_rtmp_session_stats(const lv_rtmp_session_t *s)
{
    return &s->stats;
}
