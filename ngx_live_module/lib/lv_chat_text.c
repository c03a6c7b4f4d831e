#include "lv_chat_text.h"
#include "lv_fold.h"
#include "lv_utf8.h"


/* What may follow one visible character without being seen itself. */
#define LV_CHAT_HIDDEN_MAX  2

/* The black flag, and how many tags make another flag of it. */
#define LV_CHAT_FLAG_BASE   0x1f3f4
#define LV_CHAT_TAGS_MAX    8

#define LV_CHAT_ZWNJ        0x200c
#define LV_CHAT_ZWJ         0x200d

typedef enum {
    LV_CHAT_C_VISIBLE = 0,
    LV_CHAT_C_SPACE,
    LV_CHAT_C_MARK,
    LV_CHAT_C_HIDDEN,           /* joiners, variation selectors */
    LV_CHAT_C_TAG,
    LV_CHAT_C_DROP
} lv_chat_kind_e;


static bool
lv_chat_space(uint32_t cp)
{
    return cp == ' ' || (cp >= '\t' && cp <= '\r') || cp == 0x85 || cp == 0xa0
           || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028
           || cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000;
}


static bool
lv_chat_selector(uint32_t cp)
{
    return (cp >= 0xfe00 && cp <= 0xfe0f) || (cp >= 0x180b && cp <= 0x180d)
           || (cp >= 0xe0100 && cp <= 0xe01ef);
}


static bool
lv_chat_noncharacter(uint32_t cp)
{
    return (cp & 0xfffe) == 0xfffe || (cp >= 0xfdd0 && cp <= 0xfdef);
}


static lv_chat_kind_e
lv_chat_kind(uint32_t cp)
{
    if (lv_chat_space(cp)) {
        return LV_CHAT_C_SPACE;
    }

    if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || lv_chat_noncharacter(cp)) {
        return LV_CHAT_C_DROP;
    }

    if (cp < 0x80) {
        return LV_CHAT_C_VISIBLE;
    }

    switch (lv_fold_class(cp)) {
    case LV_FOLD_MARK:
    case LV_FOLD_VOWEL:
        return LV_CHAT_C_MARK;

    case LV_FOLD_INVISIBLE:
        if (cp == LV_CHAT_ZWJ || cp == LV_CHAT_ZWNJ || lv_chat_selector(cp)) {
            return LV_CHAT_C_HIDDEN;
        }

        return cp >= 0xe0020 && cp <= 0xe007f ? LV_CHAT_C_TAG
                                              : LV_CHAT_C_DROP;
    default:
        return LV_CHAT_C_VISIBLE;
    }
}


size_t
lv_chat_text_clean(uint8_t *p, size_t *len)
{
    bool            space;
    size_t          chars, marks, hidden, tags;
    uint8_t        *out;
    uint32_t        cp, base;
    const uint8_t  *s, *from, *end;

    s = p;
    end = p + *len;
    out = p;
    chars = 0;
    base = 0;               /* the visible character that marks stand on */
    space = false;
    marks = hidden = tags = 0;

    while (s < end) {
        from = s;
        cp = lv_utf8_get(&s, end);

        /* not UTF-8: its replacement would be longer than it was */
        if (cp == 0xfffd && s - from == 1) {
            continue;
        }

        switch (lv_chat_kind(cp)) {

        case LV_CHAT_C_DROP:
            continue;

        case LV_CHAT_C_SPACE:
            space = chars > 0;
            base = 0;
            continue;

        case LV_CHAT_C_MARK:
            if (base == 0 || marks++ >= LV_CHAT_MARKS_MAX) {
                continue;
            }
            break;

        case LV_CHAT_C_HIDDEN:
            if (base == 0 || hidden++ >= LV_CHAT_HIDDEN_MAX) {
                continue;
            }
            break;

        case LV_CHAT_C_TAG:
            if (base != LV_CHAT_FLAG_BASE || tags++ >= LV_CHAT_TAGS_MAX) {
                continue;
            }
            break;

        case LV_CHAT_C_VISIBLE:
            base = cp;
            marks = hidden = tags = 0;

            if (space) {
                *out++ = ' ';
                chars++;
                space = false;
            }
        }

        out = lv_utf8_put(out, cp);
        chars++;
    }

    *len = (size_t) (out - p);

    return chars;
}


size_t
lv_chat_text_length(lv_str_t text)
{
    size_t  i, n;

    for (n = 0, i = 0; i < text.len; i++) {
        n += (text.data[i] & 0xc0) != 0x80;
    }

    return n;
}


static bool
lv_chat_private_use(uint32_t cp)
{
    return (cp >= 0xe000 && cp <= 0xf8ff) || cp >= 0xf0000;
}


int
lv_chat_name_clean(uint8_t *p, size_t *len)
{
    bool             word;
    size_t           chars;
    uint32_t         cp;
    const uint8_t   *s, *end;
    lv_fold_class_e  cls;

    chars = lv_chat_text_clean(p, len);

    if (chars == 0 || chars > LV_CHAT_NAME_MAX) {
        return LV_ERROR;
    }

    word = false;
    s = p;
    end = p + *len;

    while (s < end) {
        cp = lv_utf8_get(&s, end);
        cls = lv_fold_class(cp);

        if (cls == LV_FOLD_SEPARATOR
            && (cp >= 0x80 || strchr(" ._-'", (int) cp) == NULL))
        {
            return LV_ERROR;
        }

        if (lv_chat_private_use(cp) && cls == LV_FOLD_LETTER) {
            return LV_ERROR;
        }

        word |= lv_fold_is_word(cls);
    }

    return word ? LV_OK : LV_ERROR;
}


/* A pair of letters that looks like one: the one, or 0. */
static uint32_t
lv_chat_pair(uint32_t a, uint32_t b)
{
    if (a == 'r' && b == 'n') {
        return 'm';
    }

    return a == 'v' && b == 'v' ? 'w' : 0;
}


static uint32_t
lv_chat_look(uint32_t cp)
{
    switch (cp) {
    case '0':
        return 'o';
    case '1':
    case 'i':
        return 'l';
    default:
        return cp;
    }
}


size_t
lv_chat_name_skeleton(lv_str_t name, uint8_t *dst)
{
    size_t           i, n;
    uint8_t         *p;
    uint32_t         cp, last, one, out[LV_FOLD_MAX];
    const uint8_t   *s, *end;
    lv_fold_class_e  cls;

    p = dst;
    last = 0;
    s = name.data;
    end = s + name.len;

    while (s < end) {
        n = lv_fold(lv_utf8_get(&s, end), out, &cls);

        if (!lv_fold_is_word(cls)) {
            continue;
        }

        for (i = 0; i < n; i++) {

            if (p - dst > LV_CHAT_SKELETON_MAX - LV_UTF8_MAX) {
                return (size_t) (p - dst);
            }

            cp = lv_chat_look(out[i]);
            one = lv_chat_pair(last, cp);

            if (one) {
                p[-1] = (uint8_t) one;
                last = one;
                continue;
            }

            p = lv_utf8_put(p, cp);
            last = cp;
        }
    }

    return (size_t) (p - dst);
}


static bool
lv_chat_emoji(uint32_t cp)
{
    return (cp >= 0x1f000 && cp <= 0x1faff) || (cp >= 0x2600 && cp <= 0x27bf)
           || (cp >= 0x2190 && cp <= 0x23ff) || (cp >= 0x25a0 && cp <= 0x25ff)
           || (cp >= 0x2934 && cp <= 0x2935) || (cp >= 0x2b00 && cp <= 0x2bff)
           || cp == 0xa9 || cp == 0xae || cp == 0x203c || cp == 0x2049
           || cp == 0x2122 || cp == 0x2139 || cp == 0x24c2 || cp == 0x3030
           || cp == 0x303d || cp == 0x3297 || cp == 0x3299;
}


/* ":name:" at s: its end, or NULL. */
static const uint8_t *
lv_chat_emote(const uint8_t *s, const uint8_t *end)
{
    const uint8_t  *p;

    for (p = s + 1; p < end && *p != ':'; p++) {
        if (*p >= 0x80
            || (*p != '_' && lv_fold_class(*p) == LV_FOLD_SEPARATOR))
        {
            return NULL;
        }
    }

    return p < end && p > s + 1 && p - s <= 1 + LV_CHAT_NAME_MAX ? p + 1
                                                                 : NULL;
}


/* A digit, # or * with the key around it: the end, or NULL. */
static const uint8_t *
lv_chat_keycap(const uint8_t *s, const uint8_t *end)
{
    if (!((*s >= '0' && *s <= '9') || *s == '#' || *s == '*')) {
        return NULL;
    }

    s++;

    if (end - s >= 3 && memcmp(s, "\xef\xb8\x8f", 3) == 0) {
        s += 3;
    }

    return end - s >= 3 && memcmp(s, "\xe2\x83\xa3", 3) == 0 ? s + 3 : NULL;
}


bool
lv_chat_text_emotes_only(lv_str_t text)
{
    bool            any;
    uint32_t        cp;
    const uint8_t  *s, *p, *end;

    any = false;
    s = text.data;
    end = s + text.len;

    while (s < end) {

        p = *s == ':' ? lv_chat_emote(s, end) : lv_chat_keycap(s, end);

        if (p) {
            s = p;
            any = true;
            continue;
        }

        cp = lv_utf8_get(&s, end);

        if (lv_chat_emoji(cp)) {
            any = true;
            continue;
        }

        if (!lv_chat_space(cp)
            && (cp < 0x80 || lv_fold_class(cp) != LV_FOLD_INVISIBLE))
        {
            return false;
        }
    }

    return any;
}
