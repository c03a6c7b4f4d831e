/* The boxes of the feed, written and read. */

#include "lv_feed.h"

#define BOX_HEAD      24         /* size, "uuid", the id */
#define VERSION       1
#define TARGET_MAX_S  10
#define TIMESCALE_MAX 10000000

typedef struct {
    const uint8_t  *p, *end;
    bool            bad;
} in_t;


/* ---- writing ----------------------------------------------------------- */

static uint8_t *
put_bytes(uint8_t *p, const void *data, size_t n)
{
    if (n) {
        memcpy(p, data, n);
    }

    return p + n;
}


static uint8_t *
put_box(uint8_t *p, size_t size, const char *id)
{
    p = lv_put32(p, (uint32_t) size);
    p = put_bytes(p, "uuid", 4);

    return put_bytes(p, id, 16);
}


static uint8_t *
put_track(uint8_t *p, const lv_feed_track_t *t)
{
    const lv_track_desc_t  *d;

    d = &t->desc;

    *p++ = (uint8_t) t->index;
    *p++ = d->kind;
    *p++ = d->captions;
    *p++ = d->transfer;
    p = put_bytes(p, d->name, sizeof(d->name));
    p = put_bytes(p, d->codecs, sizeof(d->codecs));
    p = put_bytes(p, d->language, sizeof(d->language));
    p = lv_put32(p, d->timescale);
    p = lv_put32(p, d->width);
    p = lv_put32(p, d->height);
    p = lv_put32(p, d->rate_milli);
    p = lv_put32(p, d->sample_rate);
    p = lv_put32(p, d->channels);
    p = lv_put32(p, d->frame_ts);
    p = lv_put32(p, d->peak_bps);
    p = lv_put32(p, d->avg_bps);
    p = lv_put32(p, d->gop_ms);
    p = lv_put32(p, d->fps_milli);
    p = lv_put32(p, d->last_bps);
    p = lv_put32(p, t->init_msn);
    p = lv_put16(p, (uint16_t) d->config_len);
    p = lv_put16(p, (uint16_t) t->init.len);
    p = put_bytes(p, d->config, d->config_len);

    return put_bytes(p, t->init.data, t->init.len);
}


int
lv_feed_header_write(uint8_t *buf, size_t size, const lv_feed_header_t *h)
{
    size_t    len;
    uint8_t  *p;
    unsigned  i;

    len = LV_FEED_HEAD_LEN;

    for (i = 0; i < h->tracks; i++) {
        if (h->track[i].desc.config_len > sizeof(h->track[i].desc.config)
            || h->track[i].init.len > LV_FMP4_INIT_MAX)
        {
            return LV_ERROR;
        }

        len += LV_FEED_TRACK_LEN + h->track[i].desc.config_len
               + h->track[i].init.len;
    }

    if (h->tracks > LV_STREAM_TRACKS || len > size) {
        return LV_ERROR;
    }

    p = put_box(buf, len, LV_FEED_HEADER_ID);
    *p++ = VERSION;
    *p++ = h->timing.muxed;
    *p++ = h->timing.lead;
    *p++ = (uint8_t) h->tracks;
    p = lv_put32(p, h->epoch);
    p = lv_put32(p, h->timing.part_target_us);
    p = lv_put32(p, h->timing.part_frames);
    p = lv_put32(p, h->timing.target_s);
    p = lv_put32(p, h->timing.window_ms);
    p = lv_put32(p, h->timing.resume_ms);

    for (i = 0; i < h->tracks; i++) {
        p = put_track(p, &h->track[i]);
    }

    return (int) (p - buf);
}


void
lv_feed_part_write(uint8_t *buf, const lv_feed_part_t *part)
{
    uint8_t               *p;
    const lv_part_info_t  *i;

    i = &part->info;

    p = put_box(buf, LV_FEED_PART_LEN, LV_FEED_PART_ID);
    *p++ = VERSION;
    *p++ = (uint8_t) part->index;
    *p++ = (uint8_t) part->flags;
    *p++ = 0;
    p = lv_put32(p, part->len);
    p = lv_put32(p, i->seq);
    p = lv_put32(p, i->msn);
    p = lv_put16(p, i->part);
    p = lv_put16(p, i->flags);
    p = lv_put32(p, i->init_msn);
    p = lv_put32(p, i->disc_seq);
    p = lv_put64(p, i->tfdt);
    p = lv_put32(p, i->duration);
    p = lv_put32(p, i->samples);
    p = lv_put64(p, i->pdt_ms);
    p = lv_put64(p, i->commit_ms);
    p = lv_put32(p, i->key_off);
    (void) lv_put32(p, i->key_len);
}


/* ---- reading ----------------------------------------------------------- */

static const uint8_t *
get(in_t *in, size_t n)
{
    const uint8_t  *p;

    if ((size_t) (in->end - in->p) < n) {
        in->bad = true;
        return NULL;
    }

    p = in->p;
    in->p += n;

    return p;
}


static uint8_t
get8(in_t *in)
{
    const uint8_t  *p;

    p = get(in, 1);

    return p ? *p : 0;
}


static uint16_t
get16(in_t *in)
{
    const uint8_t  *p;

    p = get(in, 2);

    return p ? lv_be16(p) : 0;
}


static uint32_t
get32(in_t *in)
{
    const uint8_t  *p;

    p = get(in, 4);

    return p ? lv_be32(p) : 0;
}


static uint64_t
get64(in_t *in)
{
    const uint8_t  *p;

    p = get(in, 8);

    return p ? lv_be64(p) : 0;
}


/* Zero padded text, which ends up in playlists: nothing that would end a
 * quoted string or a line. */
static void
get_text(in_t *in, char *to, size_t size)
{
    size_t          i;
    bool            ended;
    const uint8_t  *p;

    memset(to, 0, size);
    p = get(in, size);

    for (i = 0, ended = false; p && i < size; i++) {
        ended |= p[i] == 0;

        if (ended ? p[i] != 0
                  : i == size - 1 || p[i] <= ' ' || p[i] > '~' || p[i] == '"'
                    || p[i] == '\\')
        {
            in->bad = true;
            return;
        }

        to[i] = (char) p[i];
    }
}


/* "v0", "a12": it becomes part of a path. */
static bool
name_good(const lv_track_desc_t *d)
{
    size_t  i;

    if (d->name[0] != (d->kind == LV_KIND_VIDEO ? 'v' : 'a')
        || d->name[1] == '\0')
    {
        return false;
    }

    for (i = 1; d->name[i]; i++) {
        if (d->name[i] < '0' || d->name[i] > '9') {
            return false;
        }
    }

    return true;
}


/* 16 bytes of id at the place of a box's. */
static int
box_begin(in_t *in, const uint8_t *box, size_t len, const char *id)
{
    if (len < BOX_HEAD || memcmp(box + 4, "uuid", 4) != 0
        || memcmp(box + 8, id, 16) != 0)
    {
        return LV_DECLINED;
    }

    if (lv_be32(box) != len) {
        return LV_ERROR;
    }

    in->p = box + BOX_HEAD;
    in->end = box + len;
    in->bad = get8(in) != VERSION;

    return in->bad ? LV_ERROR : LV_OK;
}


static void
get_track(in_t *in, lv_feed_track_t *t)
{
    size_t            init;
    const uint8_t    *p;
    lv_track_desc_t  *d;

    memset(t, 0, sizeof(lv_feed_track_t));
    d = &t->desc;

    t->index = get8(in);
    d->kind = get8(in);
    d->captions = get8(in);
    d->transfer = get8(in);
    get_text(in, d->name, sizeof(d->name));
    get_text(in, d->codecs, sizeof(d->codecs));
    get_text(in, d->language, sizeof(d->language));
    d->timescale = get32(in);
    d->width = get32(in);
    d->height = get32(in);
    d->rate_milli = get32(in);
    d->sample_rate = get32(in);
    d->channels = get32(in);
    d->frame_ts = get32(in);
    d->peak_bps = get32(in);
    d->avg_bps = get32(in);
    d->gop_ms = get32(in);
    d->fps_milli = get32(in);
    d->last_bps = get32(in);
    t->init_msn = get32(in);
    d->config_len = get16(in);
    init = get16(in);

    if ((d->kind != LV_KIND_VIDEO && d->kind != LV_KIND_AUDIO)
        || t->index >= LV_STREAM_TRACKS || !name_good(d)
        || d->timescale == 0 || d->timescale > TIMESCALE_MAX
        || d->config_len > sizeof(d->config) || init > LV_FMP4_INIT_MAX)
    {
        in->bad = true;
        return;
    }

    p = get(in, d->config_len);

    if (p) {
        memcpy(d->config, p, d->config_len);
    }

    t->init.data = get(in, init);
    t->init.len = t->init.data ? init : 0;
}


int
lv_feed_header_read(const uint8_t *box, size_t len, lv_feed_header_t *h)
{
    int       rc;
    in_t      in;
    unsigned  i, seen;

    rc = box_begin(&in, box, len, LV_FEED_HEADER_ID);
    if (rc != LV_OK) {
        return rc;
    }

    memset(&h->timing, 0, sizeof(lv_timing_t));

    h->timing.muxed = get8(&in);
    h->timing.lead = get8(&in);
    h->tracks = get8(&in);
    h->epoch = get32(&in);
    h->timing.part_target_us = get32(&in);
    h->timing.part_frames = get32(&in);
    h->timing.target_s = get32(&in);
    h->timing.window_ms = get32(&in);
    h->timing.resume_ms = get32(&in);

    if (h->tracks == 0 || h->tracks > LV_STREAM_TRACKS
        || h->timing.muxed > 1 || h->timing.lead >= LV_STREAM_TRACKS
        || h->timing.target_s == 0 || h->timing.target_s > TARGET_MAX_S + 1
        || h->timing.part_target_us == 0
        || h->timing.part_target_us > h->timing.target_s * 1000000)
    {
        return LV_ERROR;
    }

    for (i = 0, seen = 0; i < h->tracks; i++) {
        get_track(&in, &h->track[i]);

        if (in.bad || (seen & 1u << h->track[i].index)) {
            return LV_ERROR;
        }

        seen |= 1u << h->track[i].index;
    }

    return in.p == in.end ? LV_OK : LV_ERROR;
}


int
lv_feed_part_read(const uint8_t *box, size_t len, lv_feed_part_t *part)
{
    int              rc;
    in_t             in;
    lv_part_info_t  *i;

    rc = box_begin(&in, box, len, LV_FEED_PART_ID);
    if (rc != LV_OK) {
        return rc;
    }

    if (len != LV_FEED_PART_LEN) {
        return LV_ERROR;
    }

    i = &part->info;

    part->index = get8(&in);
    part->flags = get8(&in);
    (void) get8(&in);
    part->len = get32(&in);
    i->seq = get32(&in);
    i->msn = get32(&in);
    i->part = get16(&in);
    i->flags = get16(&in);
    i->init_msn = get32(&in);
    i->disc_seq = get32(&in);
    i->tfdt = get64(&in);
    i->duration = get32(&in);
    i->samples = get32(&in);
    i->pdt_ms = get64(&in);
    i->commit_ms = get64(&in);
    i->key_off = get32(&in);
    i->key_len = get32(&in);

    if (in.bad || part->index >= LV_STREAM_TRACKS || part->len == 0
        || i->samples == 0 || (i->flags & LV_PART_INIT)
        || i->key_off > part->len || i->key_len > part->len - i->key_off)
    {
        return LV_ERROR;
    }

    return LV_OK;
}
