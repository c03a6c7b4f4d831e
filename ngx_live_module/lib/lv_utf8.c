#include "lv_utf8.h"


/* Whether `c` may begin a code point; sets what must follow. */
static bool
lv_utf8_lead(lv_utf8_t *u, uint8_t c)
{
    u->low = 0x80;
    u->high = 0xbf;

    if (c < 0xc2 || c > 0xf4) {
        return false;
    }

    if (c < 0xe0) {
        u->left = 1;
        return true;
    }

    if (c < 0xf0) {
        u->left = 2;
        u->low = c == 0xe0 ? 0xa0 : 0x80;       /* no overlong forms */
        u->high = c == 0xed ? 0x9f : 0xbf;      /* no surrogates */
        return true;
    }

    u->left = 3;
    u->low = c == 0xf0 ? 0x90 : 0x80;
    u->high = c == 0xf4 ? 0x8f : 0xbf;          /* up to U+10FFFF */

    return true;
}


int
lv_utf8_check(lv_utf8_t *u, const uint8_t *p, size_t n)
{
    uint64_t        word;
    const uint8_t  *end;

    end = p + n;

    while (p < end) {

        if (u->left) {
            if (*p < u->low || *p > u->high) {
                return LV_ERROR;
            }

            u->left--;
            u->low = 0x80;
            u->high = 0xbf;
            p++;
            continue;
        }

        while (end - p >= 8) {
            memcpy(&word, p, 8);

            if (word & 0x8080808080808080ULL) {
                break;
            }

            p += 8;
        }

        if (p < end && *p >= 0x80 && !lv_utf8_lead(u, *p)) {
            return LV_ERROR;
        }

        if (p < end) {
            p++;
        }
    }

    return LV_OK;
}


bool
lv_utf8_valid(const uint8_t *p, size_t n)
{
    lv_utf8_t  u = { 0, 0, 0 };

    return lv_utf8_check(&u, p, n) == LV_OK && lv_utf8_whole(&u);
}


uint32_t
lv_utf8_get(const uint8_t **p, const uint8_t *end)
{
    uint32_t        cp;
    lv_utf8_t       u;
    const uint8_t  *s;

    s = *p;
    *p = s + 1;

    if (*s < 0x80) {
        return *s;
    }

    if (!lv_utf8_lead(&u, *s) || end - s <= u.left
        || lv_utf8_check(&u, s + 1, u.left) != LV_OK)
    {
        return 0xfffd;
    }

    if (*s < 0xe0) {
        *p = s + 2;
        return ((*s & 0x1fu) << 6) | (s[1] & 0x3fu);
    }

    if (*s < 0xf0) {
        *p = s + 3;
        return ((*s & 0x0fu) << 12) | ((s[1] & 0x3fu) << 6) | (s[2] & 0x3fu);
    }

    *p = s + 4;
    cp = ((*s & 0x07u) << 18) | ((s[1] & 0x3fu) << 12);

    return cp | ((s[2] & 0x3fu) << 6) | (s[3] & 0x3fu);
}


uint8_t *
lv_utf8_put(uint8_t *p, uint32_t cp)
{
    if (cp < 0x80) {
        *p++ = (uint8_t) cp;
        return p;
    }

    if (cp < 0x800) {
        *p++ = (uint8_t) (0xc0 | (cp >> 6));
        *p++ = (uint8_t) (0x80 | (cp & 0x3f));
        return p;
    }

    if (cp < 0x10000) {
        *p++ = (uint8_t) (0xe0 | (cp >> 12));

    } else {
        *p++ = (uint8_t) (0xf0 | (cp >> 18));
        *p++ = (uint8_t) (0x80 | ((cp >> 12) & 0x3f));
    }

    *p++ = (uint8_t) (0x80 | ((cp >> 6) & 0x3f));
    *p++ = (uint8_t) (0x80 | (cp & 0x3f));

    return p;
}
