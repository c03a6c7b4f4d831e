#include "lv_srt_streamid.h"


static int
hex(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


/* dst has room for what src has. */

static size_t
decode(uint8_t *dst, lv_str_t src)
{
    size_t  i, n;

    for (i = 0, n = 0; i < src.len; i++) {

        if (src.data[i] == '%' && i + 2 < src.len
            && hex(src.data[i + 1]) >= 0 && hex(src.data[i + 2]) >= 0)
        {
            dst[n++] = (uint8_t) (hex(src.data[i + 1]) * 16
                                  + hex(src.data[i + 2]));
            i += 2;
            continue;
        }

        dst[n++] = src.data[i];
    }

    return n;
}


/* Cuts off what is before the first c, or all of it; true: there was one. */

static bool
cut(lv_str_t *rest, uint8_t c, lv_str_t *before)
{
    const uint8_t  *p;

    *before = *rest;
    p = rest->len ? memchr(rest->data, c, rest->len) : NULL;

    if (p == NULL) {
        rest->data += rest->len;
        rest->len = 0;
        return false;
    }

    before->len = (size_t) (p - rest->data);
    rest->data = p + 1;
    rest->len -= before->len + 1;

    return true;
}


static bool
starts(lv_str_t s, const char *with)
{
    return s.len >= strlen(with) && memcmp(s.data, with, strlen(with)) == 0;
}


/* "app/stream?query", perhaps a whole URL. */

static void
set_path(lv_srt_streamid_t *out, lv_str_t path)
{
    lv_str_t  name, args;

    args = path;

    if (!cut(&args, '?', &name)) {
        args.len = 0;
    }

    if (starts(name, "srt://")) {
        name.data += 6;
        name.len -= 6;
        (void) cut(&name, '/', &path);
    }

    while (name.len > 0 && name.data[0] == '/') {
        name.data++;
        name.len--;
    }

    while (name.len > 0 && name.data[name.len - 1] == '/') {
        name.len--;
    }

    out->name_len = decode(out->name, name);
    memcpy(out->args, args.data, args.len);
    out->args_len = args.len;
}


static bool
is_credential(lv_str_t key)
{
    return lv_str_eq(key, "key") || lv_str_eq(key, "token")
           || lv_str_eq(key, "pass") || lv_str_eq(key, "secret")
           || lv_str_eq(key, "s");
}


static void
parse_keys(lv_srt_streamid_t *out, lv_str_t rest)
{
    bool      named;
    lv_str_t  field, key;

    named = false;

    while (rest.len > 0) {
        (void) cut(&rest, ',', &field);

        if (!cut(&field, '=', &key)) {
            continue;
        }

        if (lv_str_eq(key, "r")) {
            set_path(out, field);
            named = true;

        } else if (lv_str_eq(key, "h") && !named) {
            set_path(out, field);

        } else if (lv_str_eq(key, "m")) {
            out->watch = lv_str_eq(field, "request");

        } else if (is_credential(key)
                   && (out->credential_len == 0 || !lv_str_eq(key, "s")))
        {
            out->credential_len = decode(out->credential, field);
        }
    }
}


static void
parse_colons(lv_srt_streamid_t *out, lv_str_t rest)
{
    lv_str_t  field;

    (void) cut(&rest, ':', &field);
    set_path(out, field);
    (void) cut(&rest, ':', &field);         /* user */
    (void) cut(&rest, ':', &field);
    out->credential_len = decode(out->credential, field);

    if (rest.len > 0) {
        memcpy(out->args, rest.data, rest.len);
        out->args_len = rest.len;
    }
}


int
lv_srt_streamid_parse(const uint8_t *p, size_t n, lv_srt_streamid_t *out)
{
    size_t    i;
    uint8_t   plain[LV_SRT_STREAMID_MAX];
    lv_str_t  rest, part;

    out->watch = false;
    out->name_len = 0;
    out->args_len = 0;
    out->credential_len = 0;

    if (n > LV_SRT_STREAMID_MAX) {
        return LV_ERROR;
    }

    for (i = 0; i < n; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f) {
            return LV_ERROR;
        }
    }

    rest.data = p;
    rest.len = n;

    /* all of it coded, by an encoder or whoever typed it into one */

    if (starts(rest, "%23!") || starts(rest, "%23%21")) {
        rest.len = decode(plain, rest);
        rest.data = plain;
    }

    if (starts(rest, "#!::")) {
        rest.data += 4;
        rest.len -= 4;
        parse_keys(out, rest);
        return LV_OK;
    }

    if (starts(rest, "#!")) {
        return LV_ERROR;
    }

    (void) cut(&rest, '#', &part);
    rest = part;

    if (starts(rest, "publish:") || starts(rest, "read:")) {
        out->watch = starts(rest, "read:");
        (void) cut(&rest, ':', &part);
        parse_colons(out, rest);
        return LV_OK;
    }

    set_path(out, rest);

    return LV_OK;
}
