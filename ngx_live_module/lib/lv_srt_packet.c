#include "lv_srt_packet.h"


int
lv_srt_packet_parse(const uint8_t *p, size_t n, lv_srt_packet_t *out)
{
    uint32_t  w;

    if (n < LV_SRT_HEADER || n > LV_SRT_PACKET_MAX) {
        return LV_ERROR;
    }

    memset(out, 0, sizeof(lv_srt_packet_t));

    w = lv_be32(p);
    out->control = w >> 31;
    out->ts = lv_be32(p + 8);
    out->dst = lv_be32(p + 12);
    out->body = p + LV_SRT_HEADER;
    out->len = n - LV_SRT_HEADER;

    if (out->control) {
        out->type = (w >> 16) & 0x7fff;
        out->subtype = (uint16_t) w;
        out->info = lv_be32(p + 4);
        return LV_OK;
    }

    out->seq = w;
    w = lv_be32(p + 4);
    out->kk = (w >> 27) & 3;
    out->rexmit = (w >> 26) & 1;

    return LV_OK;
}


uint8_t *
lv_srt_control(uint8_t *p, unsigned type, unsigned subtype, uint32_t info,
    uint32_t ts, uint32_t dst)
{
    p = lv_put32(p, 0x80000000u | (type << 16) | subtype);
    p = lv_put32(p, info);
    p = lv_put32(p, ts);

    return lv_put32(p, dst);
}


uint8_t *
lv_srt_loss_put(uint8_t *p, uint32_t from, uint32_t to)
{
    if (from == to) {
        return lv_put32(p, from);
    }

    p = lv_put32(p, from | 0x80000000u);

    return lv_put32(p, to);
}
