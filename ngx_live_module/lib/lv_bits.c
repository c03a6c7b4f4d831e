#include "lv_bits.h"


void
lv_bits_init(lv_bits_t *b, const uint8_t *p, size_t len)
{
    b->p = p;
    b->len = len;
    b->pos = 0;
    b->over = false;
}


size_t
lv_bits_left(const lv_bits_t *b)
{
    return b->len * 8 - b->pos;
}


uint32_t
lv_bits_get(lv_bits_t *b, unsigned n)
{
    uint32_t  v;
    unsigned  have, take, left;

    if (n > lv_bits_left(b)) {
        b->over = true;
        b->pos = b->len * 8;
        return 0;
    }

    v = 0;
    left = n;

    while (left) {
        have = 8 - (b->pos & 7);
        take = left < have ? left : have;

        v = (v << take)
            | ((uint32_t) (b->p[b->pos >> 3] >> (have - take))
               & ((1u << take) - 1));

        b->pos += take;
        left -= take;
    }

    return v;
}


void
lv_bits_skip(lv_bits_t *b, size_t n)
{
    if (n > lv_bits_left(b)) {
        b->over = true;
        n = lv_bits_left(b);
    }

    b->pos += n;
}


uint32_t
lv_bits_ue(lv_bits_t *b)
{
    uint64_t  v;
    unsigned  zeros;

    for (zeros = 0; lv_bits_get(b, 1) == 0; zeros++) {
        if (b->over || zeros == 32) {
            b->over = true;
            return 0;
        }
    }

    v = ((uint64_t) 1 << zeros) - 1 + lv_bits_get(b, zeros);

    if (v > UINT32_MAX) {
        b->over = true;
        return 0;
    }

    return (uint32_t) v;
}


int32_t
lv_bits_se(lv_bits_t *b)
{
    uint32_t  v;

    v = lv_bits_ue(b);

    if (v == UINT32_MAX) {
        b->over = true;
        return 0;
    }

    return v & 1 ? (int32_t) (v / 2 + 1) : - (int32_t) (v / 2);
}


size_t
lv_bits_unescape(uint8_t *out, size_t size, const uint8_t *nal, size_t len)
{
    size_t    i, n;
    unsigned  zeros;

    n = 0;
    zeros = 0;

    for (i = 0; i < len && n < size; i++) {

        if (zeros >= 2 && nal[i] == 3) {
            zeros = 0;
            continue;
        }

        zeros = nal[i] == 0 ? zeros + 1 : 0;
        out[n++] = nal[i];
    }

    return n;
}
