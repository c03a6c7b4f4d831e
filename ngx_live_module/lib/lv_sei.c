#include "lv_nal.h"


/* Bytes of a NAL unit without the emulation prevention bytes. */
typedef struct {
    const uint8_t  *p, *last;
    unsigned        zeros;
} lv_sei_cursor_t;


static int
lv_sei_cursor_next(lv_sei_cursor_t *c)
{
    if (c->zeros >= 2 && c->p < c->last && *c->p == 3) {
        c->zeros = 0;
        c->p++;
    }

    if (c->p == c->last) {
        return -1;
    }

    c->zeros = *c->p == 0 ? c->zeros + 1 : 0;

    return *c->p++;
}


/* A payload type or size: bytes of 255, and one that is less (7.3.2.3.1). */
static int64_t
lv_sei_number(lv_sei_cursor_t *c)
{
    int      ch;
    int64_t  v;

    v = 0;

    do {
        ch = lv_sei_cursor_next(c);

        if (ch < 0) {
            return -1;
        }

        v += ch;

    } while (ch == 255);

    return v;
}


/* The next message's payload type and size; false: there is none. */
static bool
lv_sei_next(lv_sei_cursor_t *c, int64_t *type, int64_t *size)
{
    /* the last byte is the stop bit */
    if (c->last - c->p <= 1) {
        return false;
    }

    *type = lv_sei_number(c);
    *size = lv_sei_number(c);

    return *type >= 0 && *size >= 0;
}


static bool
lv_sei_skip(lv_sei_cursor_t *c, int64_t size)
{
    while (size-- > 0) {
        if (lv_sei_cursor_next(c) < 0) {
            return false;
        }
    }

    return true;
}


bool
lv_sei_has(const uint8_t *p, size_t len, unsigned payload_type)
{
    int64_t          type, size;
    lv_sei_cursor_t  c;

    c.p = p;
    c.last = p + len;
    c.zeros = 0;

    while (lv_sei_next(&c, &type, &size)) {

        if (type == (int64_t) payload_type) {
            return true;
        }

        if (!lv_sei_skip(&c, size)) {
            return false;
        }
    }

    return false;
}


/* cc_data() of ATSC A/53 part 4, 6.2.3; `size` bytes that `c` has left. */
static unsigned
lv_sei_cc_data(lv_sei_cursor_t *c, int64_t size)
{
    int       head, b1, b2, count;
    unsigned  found;

    static const uint8_t  types[4] = {
        LV_CAPTIONS_CC1, LV_CAPTIONS_CC3, LV_CAPTIONS_708, LV_CAPTIONS_708
    };

    found = 0;
    head = lv_sei_cursor_next(c);
    (void) lv_sei_cursor_next(c);                        /* em_data */

    if (head < 0 || !(head & 0x40)) {                    /* process_cc_data */
        return 0;
    }

    count = head & 0x1f;

    if (2 + count * 3 > size) {
        return 0;
    }

    while (count--) {
        head = lv_sei_cursor_next(c);
        b1 = lv_sei_cursor_next(c);
        b2 = lv_sei_cursor_next(c);

        if (b1 < 0 || b2 < 0) {
            break;
        }

        /* cc_valid, and more than null characters but for their parity */
        if ((head & 4) && ((b1 | b2) & 0x7f)) {
            found |= types[head & 3];
        }
    }

    return found;
}


unsigned
lv_sei_captions(const uint8_t *p, size_t len)
{
    unsigned         i, found;
    int64_t          type, size;
    lv_sei_cursor_t  c, payload;

    /* itu_t_t35_country_code, provider code, user identifier, cc_data() */
    static const uint8_t  head[8] = { 0xb5, 0, 0x31, 'G', 'A', '9', '4', 3 };

    c.p = p;
    c.last = p + len;
    c.zeros = 0;
    found = 0;

    while (lv_sei_next(&c, &type, &size)) {
        payload = c;

        if (type == LV_SEI_USER_DATA_T35 && size > (int64_t) sizeof(head)) {

            for (i = 0; i < sizeof(head); i++) {
                if (lv_sei_cursor_next(&payload) != head[i]) {
                    break;
                }
            }

            if (i == sizeof(head)) {
                found |= lv_sei_cc_data(&payload, size - (int64_t) i);
            }
        }

        if (!lv_sei_skip(&c, size)) {
            break;
        }
    }

    return found;
}
