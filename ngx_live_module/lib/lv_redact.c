/* Tokens out of URIs: see lv_redact.h. */

#include <strings.h>

#include "lv_redact.h"

/* The shortest signed token has more: a header, claims and a signature. */
#define LV_REDACT_JWT_MIN  40


static const char *const  lv_redact_names[] = { "token=", "key=" };


/* Length of "/" or an encoded one at p, or 0. */
static size_t
lv_redact_slash(const uint8_t *p, const uint8_t *end)
{
    if (*p == '/') {
        return 1;
    }

    if (end - p >= 3 && p[0] == '%' && p[1] == '2' && (p[2] | 0x20) == 'f') {
        return 3;
    }

    return 0;
}


static size_t
lv_redact_tilde(const uint8_t *p, const uint8_t *end)
{
    if (p < end && *p == '~') {
        return 1;
    }

    if (end - p >= 3 && p[0] == '%' && p[1] == '7' && (p[2] | 0x20) == 'e') {
        return 3;
    }

    return 0;
}


/* The end of a token component whose "~" ends before p, or NULL. */
static const uint8_t *
lv_redact_component(const uint8_t *p, const uint8_t *end)
{
    const uint8_t  *start = p;

    while (p < end && *p != '?' && *p != '#' && *p != ' '
           && !lv_redact_slash(p, end))
    {
        p++;
    }

    return p - start >= LV_REDACT_COMPONENT_MIN - 1 ? p : NULL;
}


/* The start of the value when a secret argument's name is at p, or NULL. */
static const uint8_t *
lv_redact_argument(const uint8_t *p, const uint8_t *end)
{
    size_t  i, len;

    for (i = 0; i < sizeof(lv_redact_names) / sizeof(char *); i++) {
        len = strlen(lv_redact_names[i]);

        if ((size_t) (end - p) > len
            && strncasecmp((const char *) p, lv_redact_names[i], len) == 0)
        {
            return p + len;
        }
    }

    return NULL;
}


static bool
lv_redact_is_jwt_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
           || c == '-' || c == '_' || c == '.' || c == '%';
}


/* The end of what looks like a token at p ("eyJ" is '{"'), or NULL. */
static const uint8_t *
lv_redact_jwt(const uint8_t *p, const uint8_t *end)
{
    size_t          dots;
    const uint8_t  *start = p;

    if (*p != 'e' || end - p < LV_REDACT_JWT_MIN || memcmp(p, "eyJ", 3) != 0) {
        return NULL;
    }

    for (dots = 0; p < end && lv_redact_is_jwt_char(*p); p++) {
        if (*p == '.' || (end - p >= 3 && p[0] == '%' && p[1] == '2'
                          && (p[2] | 0x20) == 'e'))
        {
            dots++;
        }
    }

    return dots >= 2 && p - start >= LV_REDACT_JWT_MIN ? p : NULL;
}


/* Does a secret argument's name end at p, where its "=" is? */
static bool
lv_redact_named(const uint8_t *start, const uint8_t *p)
{
    if (p == start) {
        return false;
    }

    switch (p[-1] | 0x20) {

    case 'n':
        return p - start >= 5
               && strncasecmp((const char *) p - 5, "token", 5) == 0;

    case 'y':
        return p - start >= 3
               && strncasecmp((const char *) p - 3, "key", 3) == 0;

    default:
        return false;
    }
}


bool
lv_redact_suspect(lv_str_t src)
{
    const uint8_t  *p, *start, *end;

    if (src.len == 0) {
        return false;
    }

    start = src.data;
    end = start + src.len;

    if (memchr(start, '~', (size_t) (end - start))
        || memchr(start, '%', (size_t) (end - start)))
    {
        return true;
    }

    p = start;

    while ((p = memchr(p, '=', (size_t) (end - p))) != NULL) {
        if (lv_redact_named(start, p)) {
            return true;
        }

        p++;
    }

    p = start;

    while ((p = memchr(p, 'J', (size_t) (end - p))) != NULL) {
        if (p - start >= 2 && p[-1] == 'y' && p[-2] == 'e') {
            return true;
        }

        p++;
    }

    return false;
}


size_t
lv_redact_text(lv_str_t src, uint8_t *dst, bool *found)
{
    bool            fresh;          /* an argument's name can begin here */
    size_t          n;
    uint8_t        *d;
    const uint8_t  *p, *end, *stop, *value;

    p = src.data;
    end = p + src.len;
    d = dst;
    fresh = false;
    *found = false;

    if (!lv_redact_suspect(src)) {
        return 0;
    }

    while (p < end) {

        stop = lv_redact_jwt(p, end);

        if (stop == NULL && fresh) {
            value = lv_redact_argument(p, end);

            if (value != NULL) {
                memcpy(d, p, (size_t) (value - p));
                d += value - p;
                p = value;

                while (value < end && *value != '&' && *value != ' '
                       && *value != '#')
                {
                    value++;
                }

                stop = value > p ? value : NULL;
            }
        }

        if (stop != NULL) {
            *d++ = '-';
            p = stop;
            fresh = false;
            *found = true;
            continue;
        }

        if (p == end) {
            break;
        }

        fresh = (*p == '?' || *p == '&');
        n = lv_redact_slash(p, end);

        if (n == 0) {
            *d++ = *p++;
            continue;
        }

        memcpy(d, p, n);
        d += n;
        p += n;

        n = lv_redact_tilde(p, end);
        stop = n ? lv_redact_component(p + n, end) : NULL;

        if (stop != NULL) {
            *d++ = '~';
            *d++ = '-';
            p = stop;
            *found = true;
        }
    }

    return (size_t) (d - dst);
}


int
lv_redact_path(lv_str_t src, uint8_t *dst, size_t *len, lv_str_t *token)
{
    size_t          n;
    uint8_t        *d;
    const uint8_t  *p, *end, *slash;

    p = src.data;
    end = p + src.len;
    d = NULL;

    while (p < end) {
        slash = memchr(p, '/', (size_t) (end - p));
        n = (size_t) ((slash ? slash : end) - p);

        if (*p == '~' && n >= LV_REDACT_COMPONENT_MIN && p > src.data) {

            if (d == NULL) {
                token->data = p + 1;
                token->len = n - 1;
                memcpy(dst, src.data, (size_t) (p - src.data));
                d = dst + (p - src.data);
            }

            p += n + (slash ? 1 : 0);
            continue;
        }

        n += slash ? 1 : 0;

        if (d != NULL) {
            memcpy(d, p, n);
            d += n;
        }

        p += n;
    }

    if (d == NULL) {
        return LV_DECLINED;
    }

    *len = (size_t) (d - dst);

    return LV_OK;
}


int
lv_redact_arg(lv_str_t src, const char *name, uint8_t *dst, size_t *len,
    lv_str_t *value)
{
    bool            found;
    size_t          n, name_len;
    uint8_t        *d;
    const uint8_t  *p, *end, *amp;

    p = src.data;
    end = p + src.len;
    d = dst;
    found = false;
    name_len = strlen(name);

    /* first only look, so that the usual query costs no copy */

    while (p < end) {
        amp = memchr(p, '&', (size_t) (end - p));
        n = (size_t) ((amp ? amp : end) - p);

        if (n > name_len && p[name_len] == '='
            && strncasecmp((const char *) p, name, name_len) == 0)
        {
            if (!found) {
                found = true;
                value->data = p + name_len + 1;
                value->len = n - name_len - 1;

                /* what stands before it, without the last "&" */
                n = (size_t) (p - src.data);
                n -= n ? 1 : 0;
                memcpy(d, src.data, n);
                d += n;
            }

        } else if (found) {
            if (d > dst) {
                *d++ = '&';
            }

            memcpy(d, p, n);
            d += n;
        }

        p = amp ? amp + 1 : end;
    }

    if (!found) {
        return LV_DECLINED;
    }

    *len = (size_t) (d - dst);

    return LV_OK;
}
