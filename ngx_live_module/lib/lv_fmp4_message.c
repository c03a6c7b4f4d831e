/* Samples of MP4 as the messages of enhanced RTMP v2 that lv_flv.h reads. */

#include "lv_fmp4_publish_priv.h"

#define TYPE(a, b, c, d)  LV_FOURCC(a, b, c, d)

#define INFO_MAX  64


/* The head of an extended message; returns its length. */
static uint32_t
message_head(const lv_fmp4_from_t *tr, unsigned packet,
    const lv_fmp4_taken_t *s, uint32_t nano, uint8_t *h)
{
    bool      video;
    uint32_t  n, cts;
    unsigned  first;

    video = tr->type == LV_FLV_VIDEO;
    n = 1;
    first = tr->index == 0 ? packet : video ? 6 : 5;   /* multitrack */

    h[0] = video ? (uint8_t) (0x80 | (s == NULL || s->key ? 1 : 2) << 4)
                 : 0x90;

    if (nano) {
        h[0] |= 7;                           /* ModEx, of 3 bytes, … */
        h[n++] = 2;
        h[n++] = (uint8_t) (nano >> 16);
        h[n++] = (uint8_t) (nano >> 8);
        h[n++] = (uint8_t) nano;
        h[n++] = (uint8_t) first;            /* … type 0: nanoseconds */

    } else {
        h[0] |= (uint8_t) first;
    }

    if (tr->index != 0) {
        h[n++] = (uint8_t) packet;           /* type 0: one track */
    }

    lv_put32(h + n, tr->fourcc);
    n += 4;

    if (tr->index != 0) {
        h[n++] = tr->index;
    }

    if (video && packet == 1 && tr->fourcc != TYPE('a','v','0','1')) {
        cts = (uint32_t) ((int64_t) s->cts * 1000 / (int64_t) tr->timescale);
        h[n++] = (uint8_t) (cts >> 16);
        h[n++] = (uint8_t) (cts >> 8);
        h[n++] = (uint8_t) cts;
    }

    return n;
}


int
lv_fmp4_message_failed(lv_fmp4_publish_t *t)
{
    t->err = t->flv.err ? t->flv.err : "unusable media";

    return LV_ERROR;
}


int
lv_fmp4_message_begin(lv_fmp4_publish_t *t, lv_packager_t *p,
    const lv_fmp4_taken_t *s, uint64_t now_ms)
{
    uint8_t         head[LV_FMP4_HEAD];
    uint32_t        n, nano;
    uint64_t        sec, rest;
    const lv_fmp4_from_t  *tr;

    tr = &t->track[s->track];
    sec = s->tfdt / tr->timescale;
    rest = s->tfdt % tr->timescale * 1000;
    nano = (uint32_t) (rest % tr->timescale * 1000000 / tr->timescale);

    n = message_head(tr, 1, s, nano, head);
    t->count++;

    if (lv_flv_begin(&t->flv, p, tr->type,
                     (uint32_t) (sec * 1000 + rest / tr->timescale),
                     n + s->size, now_ms)
        != LV_OK
        || lv_flv_data(&t->flv, tr->type, head, n) != LV_OK)
    {
        return lv_fmp4_message_failed(t);
    }

    return LV_OK;
}


/* What enhanced RTMP has as the configuration, where MP4 has it otherwise. */
static size_t
message_info(const lv_fmp4_track_t *m, uint8_t *buf)
{
    const uint8_t  *c;

    c = m->config;

    if (m->fourcc == TYPE('f','L','a','C')
        && m->config_len > 4 && m->config_len <= INFO_MAX)
    {
        memcpy(buf, c, m->config_len);
        memcpy(buf, "fLaC", 4);              /* for version and flags */
        return m->config_len;
    }

    if (m->fourcc == TYPE('O','p','u','s')
        && m->config_len >= 11 && m->config_len <= INFO_MAX - 8)
    {
        memcpy(buf, "OpusHead", 8);
        memcpy(buf + 8, c, m->config_len);
        buf[8] = 1;                          /* version; and little endian */
        buf[10] = c[3];
        buf[11] = c[2];
        buf[12] = c[7];
        buf[13] = c[6];
        buf[14] = c[5];
        buf[15] = c[4];
        buf[16] = c[9];
        buf[17] = c[8];
        return m->config_len + 8;
    }

    return 0;
}


int
lv_fmp4_message_config(lv_fmp4_publish_t *t, lv_packager_t *p,
    const lv_fmp4_from_t *tr, const lv_fmp4_track_t *m, uint64_t now_ms)
{
    size_t          len;
    uint8_t         head[LV_FMP4_HEAD], info[INFO_MAX];
    uint32_t        n;
    const uint8_t  *config;

    config = m->config;
    len = message_info(m, info);

    if (len != 0) {
        config = info;

    } else {
        len = m->config_len;
    }

    n = message_head(tr, 0, NULL, 0, head);

    if (lv_flv_begin(&t->flv, p, tr->type, 0, n + (uint32_t) len, now_ms)
        != LV_OK
        || lv_flv_data(&t->flv, tr->type, head, n) != LV_OK
        || lv_flv_data(&t->flv, tr->type, config, len) != LV_OK
        || lv_flv_end(&t->flv, tr->type) != LV_OK)
    {
        return lv_fmp4_message_failed(t);
    }

    return LV_OK;
}
