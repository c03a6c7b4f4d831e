#include "lv_fold.h"
#include "lv_fold_table.h"
#include "lv_utf8.h"


static lv_fold_class_e
lv_fold_ascii(uint32_t cp)
{
    if (cp >= '0' && cp <= '9') {
        return LV_FOLD_DIGIT;
    }

    cp |= 0x20;

    return cp >= 'a' && cp <= 'z' ? LV_FOLD_LETTER : LV_FOLD_SEPARATOR;
}


lv_fold_class_e
lv_fold_class(uint32_t cp)
{
    size_t  low, high, mid;

    if (cp < 0x80) {
        return lv_fold_ascii(cp);
    }

    low = 0;
    high = lv_fold_nkinds;

    while (low < high) {
        mid = (low + high) / 2;

        if (cp > lv_fold_kinds[mid].last) {
            low = mid + 1;

        } else if (cp < lv_fold_kinds[mid].first) {
            high = mid;

        } else {
            return lv_fold_kinds[mid].cls;
        }
    }

    return LV_FOLD_LETTER;
}


/* What a single code point becomes; itself when no range has it. */
static uint32_t
lv_fold_one(uint32_t cp)
{
    size_t                  low, high, mid;
    const lv_fold_range_t  *r;

    low = 0;
    high = lv_fold_nranges;

    while (low < high) {
        mid = (low + high) / 2;
        r = &lv_fold_ranges[mid];

        if (cp > r->last) {
            low = mid + 1;
            continue;
        }

        if (cp < r->first) {
            high = mid;
            continue;
        }

        switch (r->way) {
        case LV_FOLD_NEXT:
            return r->to + (cp - r->first);
        case LV_FOLD_PAIR:
            return r->to + ((cp - r->first) & ~1u);
        default:
            return r->to;
        }
    }

    return cp;
}


static const lv_fold_long_t *
lv_fold_several(uint32_t cp)
{
    size_t  low, high, mid;

    low = 0;
    high = lv_fold_nlongs;

    while (low < high) {
        mid = (low + high) / 2;

        if (cp == lv_fold_longs[mid].cp) {
            return &lv_fold_longs[mid];
        }

        if (cp > lv_fold_longs[mid].cp) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    return NULL;
}


size_t
lv_fold(uint32_t cp, uint32_t out[LV_FOLD_MAX], lv_fold_class_e *cls)
{
    size_t                 n;
    const lv_fold_long_t  *several;

    if (cp < 0x80) {
        *cls = lv_fold_ascii(cp);
        out[0] = *cls == LV_FOLD_LETTER ? cp | 0x20 : cp;
        return 1;
    }

    *cls = lv_fold_class(cp);

    if (*cls == LV_FOLD_MARK || *cls == LV_FOLD_INVISIBLE) {
        return 0;
    }

    out[0] = lv_fold_one(cp);

    if (out[0] != cp) {
        *cls = out[0] < 0x80 ? lv_fold_ascii(out[0]) : LV_FOLD_LETTER;
        return 1;
    }

    several = lv_fold_several(cp);

    if (several == NULL) {
        return 1;
    }

    for (n = 0; several->to[n]; n++) {
        out[n] = (uint8_t) several->to[n];
    }

    *cls = LV_FOLD_LETTER;

    return n;
}


/* With `separators` they are kept, but for spaces and controls. */
static size_t
lv_fold_into(lv_str_t text, uint8_t *dst, size_t cap, bool separators)
{
    size_t           i, n;
    uint8_t         *p, *last;
    uint32_t         cp, out[LV_FOLD_MAX];
    const uint8_t   *s, *end;
    lv_fold_class_e  cls;

    p = dst;
    last = dst + cap;
    s = text.data;
    end = s + text.len;

    while (s < end) {
        cp = lv_utf8_get(&s, end);
        n = lv_fold(cp, out, &cls);

        if (cls == LV_FOLD_SEPARATOR && !separators) {
            if (p == dst || p[-1] == ' ') {
                continue;
            }

            out[0] = ' ';

        } else if (cls == LV_FOLD_SEPARATOR && cp <= ' ') {
            continue;
        }

        for (i = 0; i < n; i++) {
            if (last - p < LV_UTF8_MAX) {
                return (size_t) (p - dst);
            }

            p = lv_utf8_put(p, out[i]);
        }
    }

    if (p > dst && p[-1] == ' ') {
        p--;
    }

    return (size_t) (p - dst);
}


size_t
lv_fold_text(lv_str_t text, uint8_t *dst, size_t cap)
{
    size_t  n;

    n = lv_fold_into(text, dst, cap, false);

    return n ? n : lv_fold_into(text, dst, cap, true);
}
