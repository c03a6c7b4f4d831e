#include "lv_ts_int.h"

/*
 * Timed metadata, 2.12: in PES packets of a private stream, or in metadata
 * access units with a header of five bytes each (2.12.4.2):
 *
 *   service id | sequence number | fragment(2) … | 2 length | bytes
 */

#define LV_TS_META_STREAM_ID  0xfc
#define LV_TS_META_CELL       5


static void
lv_ts_meta_give(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p, size_t n)
{
    lv_ts_meta_t      m;
    lv_ts_metabuf_t  *b;

    b = s->meta;

    if (n == 0 || ts->failed) {
        return;
    }

    memset(&m, 0, sizeof(m));
    m.kind = s->item.codec;
    m.pid = s->item.pid;
    m.timed = b->stamp.has;
    m.pts = b->stamp.pts;
    m.data = p;
    m.len = n;

    ts->stat.metas++;
    ts->sink.meta(ts->ctx, &m);
}


void
lv_ts_meta_pes(lv_ts_t *ts, lv_ts_stream_t *s, const lv_ts_stamp_t *st,
    uint8_t stream_id)
{
    lv_ts_metabuf_t  *b;

    b = s->meta;
    b->stamp = *st;
    b->len = 0;
    b->over = false;
    b->cells = stream_id == LV_TS_META_STREAM_ID;
}


void
lv_ts_meta_data(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p, size_t n)
{
    lv_ts_metabuf_t  *b;

    b = s->meta;

    if (b->over) {
        return;
    }

    if (n > LV_TS_META_MAX - b->len) {
        b->over = true;
        lv_ts_broken(ts, "metadata of such a size", s->item.pid);
        return;
    }

    memcpy(b->buf + b->len, p, n);
    b->len += (uint32_t) n;
}


/* The cells' bytes, one behind the other; false: they do not add up. */
static bool
lv_ts_meta_unwrap(lv_ts_metabuf_t *b)
{
    uint32_t  at, out, n;

    out = 0;

    for (at = 0; at < b->len; at += LV_TS_META_CELL + n) {

        if (b->len - at < LV_TS_META_CELL) {
            return false;
        }

        n = lv_be16(b->buf + at + 3);

        if (n > b->len - at - LV_TS_META_CELL) {
            return false;
        }

        memmove(b->buf + out, b->buf + at + LV_TS_META_CELL, n);
        out += n;
    }

    b->len = out;

    return true;
}


void
lv_ts_meta_end(lv_ts_t *ts, lv_ts_stream_t *s)
{
    lv_ts_metabuf_t  *b;

    b = s->meta;

    if (b->over) {
        return;
    }

    if (b->cells && !lv_ts_meta_unwrap(b)) {
        lv_ts_broken(ts, "metadata", s->item.pid);
        return;
    }

    lv_ts_meta_give(ts, s, b->buf, b->len);
}


void
lv_ts_meta_splice(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p, size_t n)
{
    int           rc;
    lv_scte35_t   splice;
    lv_ts_meta_t  m;

    rc = lv_scte35_parse(&splice, p, n);

    if (rc == LV_ERROR) {
        lv_ts_broken(ts, "a splice section", s->item.pid);
        return;
    }

    memset(&m, 0, sizeof(m));
    m.kind = LV_TS_SCTE35;
    m.pid = s->item.pid;
    m.data = p;
    m.len = n;

    if (rc == LV_OK) {
        m.splice = &splice;
        m.timed = splice.has_pts;
        m.pts = splice.has_pts ? lv_ts_unwrap(ts, splice.pts) : 0;
    }

    ts->stat.metas++;

    if (!ts->failed) {
        ts->sink.meta(ts->ctx, &m);
    }
}
