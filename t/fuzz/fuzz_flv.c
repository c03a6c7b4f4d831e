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

#include "lv_av1.h"
#include "lv_avc.h"
#include "lv_flv.h"
#include "lv_fmp4.h"
#include "lv_hevc.h"

#define SAMPLE_MAX  (1 << 20)
#define TRACKS      (2 * LV_PACKAGER_VIDEOS)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    bool      configured;
    bool      open;
    bool      whole;                 /* the video sample may be added to */
    bool      av1, hevc;
    int64_t   last;
    size_t    len;                   /* of the video sample */
    uint8_t   sample[SAMPLE_MAX];
} track_t;

struct lv_packager_s {
    bool      decline, full;
    track_t   track[TRACKS];         /* v0, a0, v1, a1, … */
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


static track_t *
track_of(lv_packager_t *p, int track)
{
    must(track >= 0 && track < TRACKS);

    return &p->track[track];
}


static track_t *
video_of(lv_packager_t *p, int track)
{
    must(track % 2 == 0);

    return track_of(p, track);
}


int
lv_packager_config(lv_packager_t *p, const lv_codec_config_t *c,
    uint64_t now_ms)
{
    bool      audio;
    track_t  *t;

    audio = c->kind == LV_KIND_AUDIO;
    t = track_of(p, (int) audio + 2 * c->index);
    must(!t->open && lv_fmp4_known(c->fourcc));
    must(c->config_len > 0 && memchr(c->codecs, 0, sizeof(c->codecs)));
    must(audio ? c->sample_rate && c->channels && c->frame_samples
               : c->width && c->height);
    t->configured = true;
    t->av1 = c->fourcc == LV_FOURCC('a', 'v', '0', '1');
    t->hevc = c->fourcc == LV_FOURCC('h', 'v', 'c', '1');

    return (int) audio + 2 * c->index;
}


int
lv_packager_frame(lv_packager_t *p, int track, int64_t dts_90k,
    int32_t cts_90k, bool key, uint64_t now_ms)
{
    track_t  *t;

    t = track_of(p, track);
    must(t->configured && !t->open);
    must(dts_90k > t->last);
    t->last = dts_90k;

    if (p->decline) {
        return LV_DECLINED;
    }

    t->open = true;
    t->len = 0;
    t->whole = false;

    return LV_OK;
}


int
lv_packager_data(lv_packager_t *p, int track, const void *data, size_t n)
{
    track_t  *t;

    t = track_of(p, track);
    must(t->open && n > 0);

    if (p->full) {
        return LV_DECLINED;
    }

    must(n <= SAMPLE_MAX - t->len);
    memcpy(t->sample + t->len, data, n);
    t->len += n;

    return LV_OK;
}


void
lv_packager_samples(lv_packager_t *p, int track, uint32_t samples)
{
    must(track % 2 == 1 && track_of(p, track)->open);
    must(samples > 0 && samples <= 16384);
}


void
lv_packager_patch(lv_packager_t *p, int track, uint32_t at, const void *data,
    size_t n)
{
    track_t  *t;

    t = video_of(p, track);
    must(t->open && at <= t->len && n <= t->len - at);
    memcpy(t->sample + at, data, n);
}


uint32_t
lv_packager_frame_len(lv_packager_t *p, int track)
{
    must(video_of(p, track)->open);

    return (uint32_t) track_of(p, track)->len;
}


int
lv_packager_frame_more(lv_packager_t *p, int track, uint64_t now_ms)
{
    track_t  *t;

    t = video_of(p, track);
    must(t->configured && !t->open);

    if (p->decline || !t->whole) {
        return LV_DECLINED;
    }

    t->whole = false;
    t->open = true;

    return LV_OK;
}


/* A sample is whole NAL units, none of them a parameter set that has its place
 * in the sample entry alone. */
static void
check_nals(const track_t *t)
{
    size_t   at, n;
    uint8_t  head;

    must(t->len > 4);

    for (at = 0; at < t->len; at += 4 + n) {
        must(t->len - at > 4);
        n = lv_be32(t->sample + at);
        must(n > 0 && n <= t->len - at - 4);
        head = t->sample[at + 4];
        must(t->hevc ? lv_hevc_type(head) != LV_HEVC_VPS
                       && lv_hevc_type(head) != LV_HEVC_SPS
                     : (head & 0x1f) != LV_NAL_SPS);
    }
}


/* … or whole OBUs. */
static void
check_obus(const track_t *t)
{
    size_t        at;
    lv_av1_obu_t  obu;

    must(t->len > 0);

    for (at = 0; at < t->len; at += obu.header_len + obu.len) {
        must(lv_av1_obu_parse(&obu, t->sample + at, t->len - at) == LV_OK);
        must(obu.type != LV_AV1_DELIMITER && obu.type != LV_AV1_PADDING);

        if (!obu.has_size) {
            return;
        }

        must(obu.header_len + obu.len <= t->len - at);
    }
}


int
lv_packager_frame_end(lv_packager_t *p, int track)
{
    track_t  *t;

    t = track_of(p, track);
    must(t->open);
    t->open = false;

    if (track % 2) {
        return LV_OK;
    }

    t->whole = true;

    if (t->av1) {
        check_obus(t);
    } else {
        check_nals(t);
    }

    return LV_OK;
}


void
lv_packager_frame_abort(lv_packager_t *p, int track)
{
    must(track_of(p, track)->open);
    track_of(p, track)->open = false;
}


void
lv_packager_captions(lv_packager_t *p, int track, unsigned captions)
{
    must(video_of(p, track)->open && captions > 0 && captions < 8);
}


static void
must_closed(unsigned audio)
{
    unsigned  i;

    for (i = audio; i < TRACKS; i += 2) {
        must(!pk.track[i].open);
    }
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

    pk.decline = pk.full = false;

    for (len = 0; len < TRACKS; len++) {
        memset(&pk.track[len], 0, offsetof(track_t, sample));
        pk.track[len].last = -1;
    }

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

        must_closed(data[0] & 1);
        data += 8 + len;
        size -= 8 + len;
    }

    lv_flv_abort_all(&flv);
    must_closed(0);
    must_closed(1);

    return 0;
}
