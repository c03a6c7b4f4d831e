#include "lv_bits.h"
#include "lv_scte35.h"

#define LV_SCTE35_TABLE         0xfc
#define LV_SCTE35_CUEI          0x43554549
#define LV_SCTE35_SEGMENTATION  0x02
#define LV_SCTE35_CRC           4


static uint64_t
lv_scte35_get33(lv_bits_t *b)
{
    uint64_t  high;

    high = lv_bits_get(b, 1);

    return (high << 32) | lv_bits_get(b, 32);
}


/* splice_time(), 9.8.1 */
static bool
lv_scte35_time(lv_bits_t *b, uint64_t *pts)
{
    if (!lv_bits_get(b, 1)) {
        lv_bits_skip(b, 7);
        return false;
    }

    lv_bits_skip(b, 6);
    *pts = lv_scte35_get33(b);

    return true;
}


/* splice_insert(), 9.7.3. Where components have times of their own, none is
 * the program's: they are passed over. */
static void
lv_scte35_insert(lv_scte35_t *s, lv_bits_t *b)
{
    bool      program, duration;
    unsigned  n;
    uint64_t  pts;

    s->event_id = lv_bits_get(b, 32);
    s->cancel = lv_bits_get(b, 1);
    lv_bits_skip(b, 7);

    if (s->cancel) {
        return;
    }

    s->out_of_network = lv_bits_get(b, 1);
    program = lv_bits_get(b, 1);
    duration = lv_bits_get(b, 1);
    s->immediate = lv_bits_get(b, 1);
    lv_bits_skip(b, 4);

    if (program && !s->immediate) {
        s->has_pts = lv_scte35_time(b, &s->pts);
    }

    if (!program) {
        for (n = lv_bits_get(b, 8); n && !b->over; n--) {
            lv_bits_skip(b, 8);

            if (!s->immediate) {
                (void) lv_scte35_time(b, &pts);
            }
        }
    }

    if (duration) {
        s->has_duration = true;
        s->auto_return = lv_bits_get(b, 1);
        lv_bits_skip(b, 6);
        s->duration = lv_scte35_get33(b);
    }

    s->program_id = (uint16_t) lv_bits_get(b, 16);
    s->avail = (uint8_t) lv_bits_get(b, 8);
    s->avails = (uint8_t) lv_bits_get(b, 8);
}


/* segmentation_descriptor() behind its identifier, 10.3.3.1 */
static int
lv_scte35_segment(lv_scte35_segment_t *g, const uint8_t *p, size_t len)
{
    bool       program, duration;
    unsigned   i, n;
    lv_bits_t  b;

    memset(g, 0, sizeof(lv_scte35_segment_t));
    lv_bits_init(&b, p, len);

    g->event_id = lv_bits_get(&b, 32);
    g->cancel = lv_bits_get(&b, 1);
    lv_bits_skip(&b, 7);

    if (g->cancel) {
        return b.over ? LV_ERROR : LV_OK;
    }

    program = lv_bits_get(&b, 1);
    duration = lv_bits_get(&b, 1);
    lv_bits_skip(&b, 6);                     /* delivery restrictions */

    if (!program) {
        n = lv_bits_get(&b, 8);
        lv_bits_skip(&b, (size_t) n * 48);
    }

    if (duration) {
        g->has_duration = true;
        g->duration = (uint64_t) lv_bits_get(&b, 8) << 32;
        g->duration |= lv_bits_get(&b, 32);
    }

    g->upid_type = (uint8_t) lv_bits_get(&b, 8);
    n = lv_bits_get(&b, 8);

    for (i = 0; i < n && !b.over; i++) {
        if (i < LV_SCTE35_UPID) {
            g->upid[g->upid_len++] = (uint8_t) lv_bits_get(&b, 8);
        } else {
            lv_bits_skip(&b, 8);
        }
    }

    g->type = (uint8_t) lv_bits_get(&b, 8);
    g->number = (uint8_t) lv_bits_get(&b, 8);
    g->expected = (uint8_t) lv_bits_get(&b, 8);

    return b.over ? LV_ERROR : LV_OK;
}


/* splice_descriptor()s: tag | length | identifier | … */
static int
lv_scte35_descriptors(lv_scte35_t *s, const uint8_t *p, size_t len)
{
    size_t  n;

    for ( /* void */ ; len; len -= n, p += n) {

        if (len < 2 || p[1] > len - 2) {
            return LV_ERROR;
        }

        n = 2u + p[1];

        if (p[0] != LV_SCTE35_SEGMENTATION || p[1] < 4
            || lv_be32(p + 2) != LV_SCTE35_CUEI
            || s->segments == LV_SCTE35_SEGMENTS)
        {
            continue;
        }

        if (lv_scte35_segment(&s->segment[s->segments], p + 6, n - 6)
            != LV_OK)
        {
            return LV_ERROR;
        }

        s->segments++;
    }

    return LV_OK;
}


int
lv_scte35_parse(lv_scte35_t *s, const uint8_t *p, size_t len)
{
    size_t     at;
    uint32_t   command_len, loop;
    lv_bits_t  b;

    memset(s, 0, sizeof(lv_scte35_t));

    if (len < 3 || len > LV_SCTE35_MAX || p[0] != LV_SCTE35_TABLE
        || 3u + (lv_be16(p + 1) & 0x0fff) != len || len < 20)
    {
        return LV_ERROR;
    }

    lv_bits_init(&b, p, len - LV_SCTE35_CRC);
    lv_bits_skip(&b, 24 + 8);                /* … protocol_version */

    if (lv_bits_get(&b, 1)) {
        return LV_DECLINED;                  /* encrypted_packet */
    }

    lv_bits_skip(&b, 6);
    s->adjustment = lv_scte35_get33(&b);
    lv_bits_skip(&b, 8);                     /* cw_index */
    s->tier = (uint16_t) lv_bits_get(&b, 12);
    command_len = lv_bits_get(&b, 12);
    s->command = (uint8_t) lv_bits_get(&b, 8);
    at = b.pos / 8;

    switch (s->command) {

    case LV_SPLICE_INSERT:
        lv_scte35_insert(s, &b);
        break;

    case LV_SPLICE_TIME_SIGNAL:
        s->has_pts = lv_scte35_time(&b, &s->pts);
        break;

    default:
        if (command_len == 0xfff) {
            return LV_OK;        /* where its descriptors are nobody knows */
        }

        lv_bits_skip(&b, (size_t) command_len * 8);
    }

    if (b.over) {
        return LV_ERROR;
    }

    /* 0xfff: old equipment that does not say */
    at = command_len == 0xfff ? b.pos / 8 : at + command_len;

    if (at + 2 > b.len) {
        return LV_ERROR;
    }

    loop = lv_be16(p + at);

    if (loop > b.len - at - 2) {
        return LV_ERROR;
    }

    if (s->has_pts) {
        s->pts = (s->pts + s->adjustment) & 0x1ffffffffull;
    }

    return lv_scte35_descriptors(s, p + at + 2, loop);
}
