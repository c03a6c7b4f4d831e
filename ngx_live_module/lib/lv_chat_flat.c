#include "lv_chat_flat.h"
#include "lv_utf8.h"


void
lv_flat_init(lv_flat_t *f, uint8_t *p, size_t n)
{
    f->p = p;
    f->end = p + n;
    f->begun = false;
}


/* The next character that is no white space, not taken; 0: none. */
static uint8_t
lv_flat_peek(lv_flat_t *f)
{
    while (f->p < f->end
           && (*f->p == ' ' || *f->p == '\t' || *f->p == '\n'
               || *f->p == '\r'))
    {
        f->p++;
    }

    return f->p < f->end ? *f->p : 0;
}


static bool
lv_flat_take(lv_flat_t *f, uint8_t c)
{
    if (lv_flat_peek(f) != c) {
        return false;
    }

    f->p++;

    return true;
}


/* The four digits of \uXXXX. */
static int
lv_flat_hex4(lv_flat_t *f, uint32_t *value)
{
    int      i;
    uint8_t  c;

    if (f->end - f->p < 4) {
        return LV_ERROR;
    }

    for (*value = 0, i = 0; i < 4; i++) {
        c = *f->p++;
        *value <<= 4;

        if (c >= '0' && c <= '9') {
            *value |= (uint32_t) (c - '0');
            continue;
        }

        c |= 0x20;

        if (c < 'a' || c > 'f') {
            return LV_ERROR;
        }

        *value |= (uint32_t) (c - 'a' + 10);
    }

    return LV_OK;
}


/* Behind "\u": a code point, of two surrogates if need be. */
static int
lv_flat_unicode(lv_flat_t *f, uint32_t *cp)
{
    uint32_t  low;

    if (lv_flat_hex4(f, cp) != LV_OK) {
        return LV_ERROR;
    }

    if (*cp < 0xd800 || *cp >= 0xe000) {
        return LV_OK;
    }

    if (*cp >= 0xdc00 || f->end - f->p < 6 || f->p[0] != '\\'
        || f->p[1] != 'u')
    {
        return LV_ERROR;
    }

    f->p += 2;

    if (lv_flat_hex4(f, &low) != LV_OK || low < 0xdc00 || low >= 0xe000) {
        return LV_ERROR;
    }

    *cp = 0x10000 + ((*cp - 0xd800) << 10) + (low - 0xdc00);

    return LV_OK;
}


/* Behind a backslash; what it stands for goes to *out. */
static int
lv_flat_escape(lv_flat_t *f, uint8_t **out)
{
    uint8_t            c;
    uint32_t           cp;
    const char        *at;
    static const char  names[] = "\"\\/bfnrt";
    static const char  values[] = "\"\\/\b\f\n\r\t";

    if (f->p == f->end) {
        return LV_ERROR;
    }

    c = *f->p++;

    if (c == 'u') {
        if (lv_flat_unicode(f, &cp) != LV_OK) {
            return LV_ERROR;
        }

        *out = lv_utf8_put(*out, cp);

        return LV_OK;
    }

    at = c ? strchr(names, c) : NULL;

    if (at == NULL) {
        return LV_ERROR;
    }

    *(*out)++ = (uint8_t) values[at - names];

    return LV_OK;
}


/* Behind the first quote. */
static int
lv_flat_string(lv_flat_t *f, uint8_t **data, size_t *len)
{
    uint8_t   c;
    uint8_t  *out;

    *data = out = f->p;

    while (f->p < f->end) {
        c = *f->p++;

        if (c == '"') {
            *len = (size_t) (out - *data);
            return LV_OK;
        }

        if (c < 0x20) {
            return LV_ERROR;
        }

        if (c != '\\') {
            *out++ = c;
            continue;
        }

        if (lv_flat_escape(f, &out) != LV_OK) {
            return LV_ERROR;
        }
    }

    return LV_ERROR;
}


/* How many digits come next; they are taken. */
static size_t
lv_flat_digits(lv_flat_t *f)
{
    uint8_t  *start;

    start = f->p;

    while (f->p < f->end && *f->p >= '0' && *f->p <= '9') {
        f->p++;
    }

    return (size_t) (f->p - start);
}


static int
lv_flat_number(lv_flat_t *f, lv_flat_value_t *value)
{
    size_t    n;
    uint8_t  *start;
    uint64_t  sum;

    value->kind = LV_FLAT_INTEGER;

    if (*f->p == '-') {
        value->kind = LV_FLAT_NUMBER;
        f->p++;
    }

    start = f->p;
    n = lv_flat_digits(f);

    if (n == 0 || (n > 1 && *start == '0')) {
        return LV_ERROR;
    }

    for (sum = 0; start < f->p && sum <= UINT32_MAX; start++) {
        sum = sum * 10 + (uint64_t) (*start - '0');
    }

    if (f->p < f->end && *f->p == '.') {
        value->kind = LV_FLAT_NUMBER;
        f->p++;

        if (lv_flat_digits(f) == 0) {
            return LV_ERROR;
        }
    }

    if (f->p < f->end && (*f->p | 0x20) == 'e') {
        value->kind = LV_FLAT_NUMBER;
        f->p++;

        if (f->p < f->end && (*f->p == '+' || *f->p == '-')) {
            f->p++;
        }

        if (lv_flat_digits(f) == 0) {
            return LV_ERROR;
        }
    }

    if (sum > UINT32_MAX) {
        value->kind = LV_FLAT_NUMBER;
    }

    value->integer = (uint32_t) sum;

    return LV_OK;
}


static int
lv_flat_word(lv_flat_t *f, const char *word)
{
    size_t  len;

    len = strlen(word);

    if ((size_t) (f->end - f->p) < len || memcmp(f->p, word, len) != 0) {
        return LV_ERROR;
    }

    f->p += len;

    return LV_OK;
}


static int
lv_flat_value(lv_flat_t *f, lv_flat_value_t *value)
{
    uint8_t  c;

    memset(value, 0, sizeof(lv_flat_value_t));
    c = lv_flat_peek(f);

    switch (c) {
    case '{':
    case '[':
        return LV_AGAIN;

    case '"':
        f->p++;
        value->kind = LV_FLAT_STRING;
        return lv_flat_string(f, &value->data, &value->len);

    case 't':
        value->kind = LV_FLAT_TRUE;
        return lv_flat_word(f, "true");

    case 'f':
        value->kind = LV_FLAT_FALSE;
        return lv_flat_word(f, "false");

    case 'n':
        value->kind = LV_FLAT_NULL;
        return lv_flat_word(f, "null");

    default:
        return c == '-' || (c >= '0' && c <= '9') ? lv_flat_number(f, value)
                                                  : LV_ERROR;
    }
}


int
lv_flat_next(lv_flat_t *f, lv_str_t *name, lv_flat_value_t *value)
{
    bool      first;
    uint8_t  *data;

    first = !f->begun;

    if (first) {
        if (!lv_flat_take(f, '{')) {
            return LV_ERROR;
        }

        f->begun = true;
    }

    if (lv_flat_take(f, '}')) {
        return lv_flat_peek(f) == 0 && f->p == f->end ? LV_DECLINED : LV_ERROR;
    }

    if (!first && !lv_flat_take(f, ',')) {
        return LV_ERROR;
    }

    if (!lv_flat_take(f, '"')
        || lv_flat_string(f, &data, &name->len) != LV_OK
        || !lv_flat_take(f, ':'))
    {
        return LV_ERROR;
    }

    name->data = data;

    return lv_flat_value(f, value);
}
