/* base64url and hexadecimal: see lv_b64.h. */

#include "lv_b64.h"


static int
lv_b64url_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }

    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }

    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }

    if (c == '-') {
        return 62;
    }

    if (c == '_') {
        return 63;
    }

    return -1;
}


int
lv_b64url_decode(lv_str_t src, uint8_t *dst, size_t cap, size_t *out)
{
    int       v;
    size_t    i, n;
    uint32_t  acc;
    unsigned  bits;

    n = 0;
    acc = 0;
    bits = 0;

    if (src.len % 4 == 1) {
        return LV_ERROR;
    }

    for (i = 0; i < src.len; i++) {
        v = lv_b64url_value(src.data[i]);
        if (v < 0) {
            return LV_ERROR;
        }

        acc = (acc << 6) | (uint32_t) v;
        bits += 6;

        if (bits >= 8) {
            if (n == cap) {
                return LV_ERROR;
            }

            bits -= 8;
            dst[n++] = (uint8_t) (acc >> bits);
            acc &= (1u << bits) - 1;
        }
    }

    if (acc != 0) {
        return LV_ERROR;
    }

    *out = n;

    return LV_OK;
}


static int
lv_hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}


int
lv_hex_decode(lv_str_t src, uint8_t *dst, size_t len)
{
    int     hi, lo;
    size_t  i;

    if (src.len != len * 2) {
        return LV_ERROR;
    }

    for (i = 0; i < len; i++) {
        hi = lv_hex_value(src.data[2 * i]);
        lo = lv_hex_value(src.data[2 * i + 1]);

        if (hi < 0 || lo < 0) {
            return LV_ERROR;
        }

        dst[i] = (uint8_t) (hi << 4 | lo);
    }

    return LV_OK;
}


void
lv_hex_encode(const uint8_t *src, size_t len, char *dst)
{
    static const char  digits[] = "0123456789abcdef";

    size_t  i;

    for (i = 0; i < len; i++) {
        *dst++ = digits[src[i] >> 4];
        *dst++ = digits[src[i] & 15];
    }
}
