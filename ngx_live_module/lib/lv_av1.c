#include <stdio.h>

#include "lv_av1.h"
#include "lv_bits.h"

#define LV_AV1_MARKER       0x81     /* marker 1, version 1 */
#define LV_AV1_RATE_MAX     1000000


int
lv_av1_obu_parse(lv_av1_obu_t *obu, const uint8_t *p, size_t len)
{
    size_t    at;
    uint64_t  size;
    unsigned  i;

    if (len == 0) {
        return LV_AGAIN;
    }

    if (p[0] & 0x80) {                       /* forbidden bit */
        return LV_ERROR;
    }

    obu->type = (p[0] >> 3) & 0x0f;
    obu->has_size = p[0] & 0x02;
    obu->len = 0;
    at = p[0] & 0x04 ? 2 : 1;                /* extension */

    if (obu->has_size) {

        for (i = 0, size = 0; /* void */ ; i++) {
            if (i == 8) {
                return LV_ERROR;
            }

            if (at >= len) {
                return LV_AGAIN;
            }

            size |= (uint64_t) (p[at] & 0x7f) << (7 * i);

            if (!(p[at++] & 0x80)) {
                break;
            }
        }

        if (size > UINT32_MAX) {
            return LV_ERROR;
        }

        obu->len = (uint32_t) size;
    }

    if (at > len) {
        return LV_AGAIN;
    }

    obu->header_len = (uint32_t) at;

    return LV_OK;
}


static void
lv_av1_timing(lv_av1_sequence_t *s, lv_bits_t *b)
{
    uint64_t  rate;
    uint32_t  units, scale, ticks;

    units = lv_bits_get(b, 32);
    scale = lv_bits_get(b, 32);

    if (lv_bits_get(b, 1) == 0) {            /* equal_picture_interval */
        return;
    }

    ticks = lv_bits_ue(b);

    if (units == 0 || ticks == UINT32_MAX) {
        return;
    }

    rate = (uint64_t) scale * 1000 / units / ((uint64_t) ticks + 1);

    if (rate >= 1000 && rate <= LV_AV1_RATE_MAX) {
        s->rate_milli = (uint32_t) rate;
    }
}


/* From timing_info_present_flag to the operating points. */
static void
lv_av1_points(lv_av1_sequence_t *s, lv_bits_t *b)
{
    bool      model, display;
    unsigned  i, n, delay, level, tier;

    model = false;
    delay = 0;

    if (lv_bits_get(b, 1)) {
        lv_av1_timing(s, b);
        model = lv_bits_get(b, 1);

        if (model) {
            delay = lv_bits_get(b, 5) + 1;
            lv_bits_skip(b, 32 + 5 + 5);
        }
    }

    display = lv_bits_get(b, 1);
    n = lv_bits_get(b, 5) + 1;

    for (i = 0; i < n && !b->over; i++) {
        lv_bits_skip(b, 12);
        level = lv_bits_get(b, 5);
        tier = level > 7 ? lv_bits_get(b, 1) : 0;

        if (i == 0) {
            s->level = (uint8_t) level;
            s->tier = (uint8_t) tier;
        }

        if (model && lv_bits_get(b, 1)) {
            lv_bits_skip(b, 2 * delay + 1);
        }

        if (display && lv_bits_get(b, 1)) {
            lv_bits_skip(b, 4);
        }
    }
}


static void
lv_av1_tools(lv_bits_t *b)
{
    bool      hints;
    unsigned  force;

    lv_bits_skip(b, 4);                      /* interintra … dual filter */
    hints = lv_bits_get(b, 1);

    if (hints) {
        lv_bits_skip(b, 2);
    }

    /* screen content tools, integer motion vectors */
    force = lv_bits_get(b, 1) ? 2 : lv_bits_get(b, 1);

    if (force && lv_bits_get(b, 1) == 0) {
        lv_bits_skip(b, 1);
    }

    if (hints) {
        lv_bits_skip(b, 3);
    }
}


/* color_config(), 5.5.2 */
static void
lv_av1_color(lv_av1_sequence_t *s, lv_bits_t *b)
{
    bool  high;

    high = lv_bits_get(b, 1);
    s->bits = high ? 10 : 8;

    if (s->profile == 2 && high && lv_bits_get(b, 1)) {
        s->bits = 12;
    }

    s->mono = s->profile != 1 && lv_bits_get(b, 1);
    s->primaries = s->transfer = s->matrix = 2;

    if (lv_bits_get(b, 1)) {
        s->primaries = (uint8_t) lv_bits_get(b, 8);
        s->transfer = (uint8_t) lv_bits_get(b, 8);
        s->matrix = (uint8_t) lv_bits_get(b, 8);
    }

    s->sub_x = s->sub_y = 1;

    if (s->mono) {
        s->full_range = lv_bits_get(b, 1);
        return;
    }

    if (s->primaries == 1 && s->transfer == 13 && s->matrix == 0) {
        s->full_range = true;                /* sRGB */
        s->sub_x = s->sub_y = 0;
        return;
    }

    s->full_range = lv_bits_get(b, 1);

    if (s->profile == 1) {
        s->sub_x = s->sub_y = 0;

    } else if (s->profile == 2) {

        if (s->bits == 12) {
            s->sub_x = (uint8_t) lv_bits_get(b, 1);
            s->sub_y = s->sub_x ? (uint8_t) lv_bits_get(b, 1) : 0;

        } else {
            s->sub_y = 0;
        }
    }

    if (s->sub_x && s->sub_y) {
        s->chroma_position = (uint8_t) lv_bits_get(b, 2);
    }
}


int
lv_av1_sequence_parse(lv_av1_sequence_t *s, const uint8_t *p, size_t len)
{
    unsigned   w, h;
    lv_bits_t  b;

    memset(s, 0, sizeof(lv_av1_sequence_t));
    lv_bits_init(&b, p, len);

    s->profile = (uint8_t) lv_bits_get(&b, 3);
    lv_bits_skip(&b, 1);
    s->still = lv_bits_get(&b, 1);

    if (s->profile > 2) {
        return LV_ERROR;
    }

    if (s->still) {
        s->level = (uint8_t) lv_bits_get(&b, 5);
    } else {
        lv_av1_points(s, &b);
    }

    w = lv_bits_get(&b, 4) + 1;
    h = lv_bits_get(&b, 4) + 1;
    s->width = lv_bits_get(&b, w) + 1;
    s->height = lv_bits_get(&b, h) + 1;

    if (!s->still && lv_bits_get(&b, 1)) {   /* frame ids */
        lv_bits_skip(&b, 4 + 3);
    }

    lv_bits_skip(&b, 3);                     /* 128 × 128 … intra edge */

    if (!s->still) {
        lv_av1_tools(&b);
    }

    lv_bits_skip(&b, 3);                     /* superres, cdef, restoration */
    lv_av1_color(s, &b);

    return b.over ? LV_ERROR : LV_OK;
}


int
lv_av1_config_set(lv_av1_config_t *c, const uint8_t *p, size_t len)
{
    uint8_t            *d;
    lv_av1_config_t     made;
    lv_av1_sequence_t   s;

    if (len > LV_AV1_SEQUENCE_MAX || lv_av1_sequence_parse(&s, p, len) != LV_OK)
    {
        return LV_ERROR;
    }

    memset(&made, 0, sizeof(made));
    d = made.data;

    *d++ = LV_AV1_MARKER;
    *d++ = (uint8_t) (s.profile << 5 | s.level);
    *d++ = (uint8_t) (s.tier << 7 | (s.bits > 8) << 6 | (s.bits == 12) << 5
                      | s.mono << 4 | s.sub_x << 3 | s.sub_y << 2
                      | s.chroma_position);
    *d++ = 0;

    *d++ = LV_AV1_SEQUENCE << 3 | 0x02;      /* with a size */

    if (len >= 0x80) {
        *d++ = (uint8_t) (0x80 | (len & 0x7f));
    }

    *d++ = (uint8_t) (len >= 0x80 ? len >> 7 : len);
    memcpy(d, p, len);
    made.len = (uint16_t) (d + len - made.data);

    if (lv_nal_config_equal(c, &made)) {
        return LV_DECLINED;
    }

    *c = made;

    return LV_OK;
}


int
lv_av1_config_read(lv_av1_config_t *c, const uint8_t *p, size_t len,
    const char **err)
{
    lv_av1_obu_t  obu;

    c->len = 0;

    if (len < 4) {
        *err = "AV1 sequence header is truncated";
        return LV_ERROR;
    }

    if (p[0] != LV_AV1_MARKER) {
        *err = "AV1 sequence header is of an unknown version";
        return LV_ERROR;
    }

    p += 4;
    len -= 4;

    while (len) {

        if (lv_av1_obu_parse(&obu, p, len) != LV_OK) {
            *err = "AV1 sequence header is damaged";
            return LV_ERROR;
        }

        p += obu.header_len;
        len -= obu.header_len;

        if (!obu.has_size) {
            obu.len = (uint32_t) len;
        }

        if (obu.len > len) {
            *err = "AV1 sequence header is truncated";
            return LV_ERROR;
        }

        if (obu.type == LV_AV1_SEQUENCE
            && lv_av1_config_set(c, p, obu.len) == LV_ERROR)
        {
            *err = "AV1 sequence header is damaged";
            return LV_ERROR;
        }

        p += obu.len;
        len -= obu.len;
    }

    return c->len ? LV_OK : LV_DECLINED;
}


int
lv_av1_config_sequence(const lv_av1_config_t *c, lv_av1_sequence_t *s)
{
    lv_av1_obu_t  obu;

    if (c->len < 4
        || lv_av1_obu_parse(&obu, c->data + 4, c->len - 4u) != LV_OK)
    {
        return LV_ERROR;
    }

    return lv_av1_sequence_parse(s, c->data + 4 + obu.header_len, obu.len);
}


void
lv_av1_codec_string(const lv_av1_sequence_t *s, char *out)
{
    int   n;
    char  text[80];

    n = snprintf(text, sizeof(text), "av01.%u.%02u%c.%02u", s->profile,
                 s->level, s->tier ? 'H' : 'M', s->bits);

    if (s->mono || !s->sub_x || !s->sub_y || s->chroma_position
        || s->full_range || s->primaries > 2 || s->transfer > 2
        || s->matrix > 2)
    {
        /* what is not said counts as BT.709 */
        n += snprintf(text + n, sizeof(text) - (size_t) n,
                      ".%u.%u%u%u.%02u.%02u.%02u.%u", s->mono, s->sub_x,
                      s->sub_y, s->sub_x && s->sub_y ? s->chroma_position : 0,
                      s->primaries == 2 ? 1 : s->primaries % 100,
                      s->transfer == 2 ? 1 : s->transfer % 100,
                      s->matrix == 2 ? 1 : s->matrix % 100, s->full_range);
    }

    if (n >= LV_AV1_CODEC_LEN) {
        n = LV_AV1_CODEC_LEN - 1;
    }

    memcpy(out, text, (size_t) n);
    out[n] = '\0';
}
