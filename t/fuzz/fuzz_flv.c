/*
 * RTMP audio and video messages. The input is a list of
 *
 *   1 flags | 4 time stamp | 3 length | payload
 *
 * flags: 0x01 audio, 0x02 the packager declines frames, 0x04 … has no memory
 * for bytes, 0x08 the message ends early, 0x10 … 0x30 pieces of 1, 7, 100
 * bytes or the whole.
 *
 * The packager here checks its contract: calls in order, samples of whole NAL
 * units, times that increase.
 */

#include <stdlib.h>

#include "lv_flv.h"

#define SAMPLE_MAX  (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct lv_packager_s {
    bool      configured[2];
    bool      open[2];
    bool      whole;                 /* the video sample may be added to */
    int64_t   last[2];
    size_t    len;                   /* of the video sample */
    uint8_t   sample[SAMPLE_MAX];
    bool      decline, full;
};

static lv_packager_t  pk;
static lv_flv_t       flv;


static void
must(bool cond)
{
    if (!cond) {
        abort();
    }
}


int
lv_packager_config(lv_packager_t *p, const lv_codec_config_t *c,
    uint64_t now_ms)
{
    unsigned  k;

    k = c->kind == LV_KIND_AUDIO;
    must(!p->open[k]);
    must(c->config_len > 0 && memchr(c->codecs, 0, sizeof(c->codecs)));
    must(k ? c->sample_rate && c->channels && c->frame_samples
           : c->width && c->height);
    p->configured[k] = true;

    return (int) k;
}


int
lv_packager_frame(lv_packager_t *p, int track, int64_t dts_90k,
    int32_t cts_90k, bool key, uint64_t now_ms)
{
    must(track == 0 || track == 1);
    must(p->configured[track] && !p->open[track]);
    must(dts_90k > p->last[track]);
    p->last[track] = dts_90k;

    if (p->decline) {
        return LV_DECLINED;
    }

    p->open[track] = true;

    if (track == 0) {
        p->len = 0;
        p->whole = false;
    }

    return LV_OK;
}


int
lv_packager_data(lv_packager_t *p, int track, const void *data, size_t n)
{
    must(p->open[track] && n > 0);

    if (p->full) {
        return LV_DECLINED;
    }

    if (track == 0) {
        must(n <= SAMPLE_MAX - p->len);
        memcpy(p->sample + p->len, data, n);
        p->len += n;
    }

    return LV_OK;
}


void
lv_packager_patch(lv_packager_t *p, int track, uint32_t at, const void *data,
    size_t n)
{
    must(track == 0 && p->open[0] && at <= p->len && n <= p->len - at);
    memcpy(p->sample + at, data, n);
}


uint32_t
lv_packager_frame_len(lv_packager_t *p, int track)
{
    must(track == 0 && p->open[0]);

    return (uint32_t) p->len;
}


int
lv_packager_frame_more(lv_packager_t *p, int track, uint64_t now_ms)
{
    must(track == 0 && p->configured[0] && !p->open[0]);

    if (p->decline || !p->whole) {
        return LV_DECLINED;
    }

    p->whole = false;
    p->open[0] = true;

    return LV_OK;
}


int
lv_packager_frame_end(lv_packager_t *p, int track)
{
    size_t  at, n;

    must(p->open[track]);
    p->open[track] = false;

    if (track == 1) {
        return LV_OK;
    }

    p->whole = true;

    must(p->len > 4);

    for (at = 0; at < p->len; at += 4 + n) {
        must(p->len - at > 4);
        n = lv_be32(p->sample + at);
        must(n > 0 && n <= p->len - at - 4);
        must((p->sample[at + 4] & 0x1f) != LV_NAL_SPS);
    }

    return LV_OK;
}


void
lv_packager_frame_abort(lv_packager_t *p, int track)
{
    must(p->open[track]);
    p->open[track] = false;
}


void
lv_packager_captions(lv_packager_t *p, int track, unsigned captions)
{
    must(track == 0 && p->open[0] && captions > 0 && captions < 8);
}


static void
event(void *ctx, lv_flv_event_t ev, const char *text)
{
    must(text[0] != '\0');
}


static int
message(const uint8_t *h, const uint8_t *p, uint32_t len, uint64_t now)
{
    int       rc;
    size_t    n, piece;
    unsigned  type;

    static const size_t  pieces[] = { 1, 7, 100, SAMPLE_MAX };

    type = h[0] & 1 ? LV_FLV_AUDIO : LV_FLV_VIDEO;
    piece = pieces[(h[0] >> 4) & 3];
    pk.decline = h[0] & 2;
    pk.full = h[0] & 4;

    rc = lv_flv_begin(&flv, &pk, type, lv_be32(h + 1),
                      len + (h[0] & 8 ? 1 : 0), now);

    while (len && rc == LV_OK) {
        n = len < piece ? len : piece;
        rc = lv_flv_data(&flv, type, p, n);
        p += n;
        len -= (uint32_t) n;
    }

    return rc == LV_OK ? lv_flv_end(&flv, type) : rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t  len;
    uint64_t  now;

    memset(&pk, 0, offsetof(lv_packager_t, sample));
    pk.decline = pk.full = false;
    pk.last[0] = pk.last[1] = -1;
    lv_flv_init(&flv, NULL, event, NULL);
    now = 1700000000000ull;

    while (size >= 8) {
        len = lv_be24(data + 5);

        if (len > size - 8) {
            len = (uint32_t) (size - 8);
        }

        now += data[4] & 0x3f;

        if (message(data, data + 8, len, now) != LV_OK) {
            must(flv.err != NULL);
            break;
        }

        must(!pk.open[data[0] & 1 ? 1 : 0]);
        data += 8 + len;
        size -= 8 + len;
    }

    lv_flv_abort_all(&flv);
    must(!pk.open[0] && !pk.open[1]);

    return 0;
}
