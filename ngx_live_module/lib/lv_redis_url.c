/* Redis URLs: see lv_redis_url.h. */

#include "lv_redis_url.h"

#define LV_REDIS_DB_MAX  65535


static bool
begins(lv_str_t s, const char *with)
{
    return s.len >= strlen(with) && memcmp(s.data, with, strlen(with)) == 0;
}


static void
skip(lv_str_t *s, size_t n)
{
    s->data += n;
    s->len -= n;
}


static int
hex(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
           : -1;
}


static int
decode(lv_str_t s, char *out)
{
    int     high, low;
    size_t  i, n;

    for (i = 0, n = 0; i < s.len; n++) {

        if (n == LV_REDIS_TEXT - 1) {
            return LV_ERROR;
        }

        if (s.data[i] != '%') {
            out[n] = (char) s.data[i++];
            continue;
        }

        high = s.len - i >= 3 ? hex(s.data[i + 1]) : -1;
        low = s.len - i >= 3 ? hex(s.data[i + 2]) : -1;

        if (high < 0 || low < 0 || (high == 0 && low == 0)) {
            return LV_ERROR;
        }

        out[n] = (char) (high << 4 | low);
        i += 3;
    }

    out[n] = '\0';

    return LV_OK;
}


static int
number(lv_str_t s, uint32_t max, uint32_t *n)
{
    size_t  i;

    if (s.len == 0 || s.len > 5) {
        return LV_ERROR;
    }

    for (i = 0, *n = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return LV_ERROR;
        }

        *n = *n * 10 + (uint32_t) (s.data[i] - '0');
    }

    return *n <= max ? LV_OK : LV_ERROR;
}


/* "user", "[user]:password" */
static int
credentials(lv_str_t s, lv_redis_url_t *url)
{
    lv_str_t        part;
    const uint8_t  *colon;

    colon = memchr(s.data, ':', s.len);

    if (colon == NULL) {
        return s.len > 0 ? decode(s, url->user) : LV_ERROR;
    }

    part.data = s.data;
    part.len = (size_t) (colon - s.data);

    if (decode(part, url->user) != LV_OK) {
        return LV_ERROR;
    }

    skip(&s, part.len + 1);

    return s.len > 0 ? decode(s, url->password) : LV_ERROR;
}


/* "host[:port]" */
static int
authority(lv_str_t s, lv_redis_url_t *url)
{
    size_t    i, colon;
    uint32_t  port;
    lv_str_t  text;

    colon = s.len;

    for (i = s.len; i > 0 && s.data[i - 1] != ']'; i--) {
        if (s.data[i - 1] == ':') {
            colon = i - 1;
        }

        if (s.data[i - 1] <= ' ' || s.data[i - 1] >= 0x7f) {
            return LV_ERROR;
        }
    }

    url->host.data = s.data;
    url->host.len = colon;
    port = LV_REDIS_PORT;

    if (colon < s.len) {
        text.data = s.data + colon + 1;
        text.len = s.len - colon - 1;

        if (number(text, 65535, &port) != LV_OK) {
            return LV_ERROR;
        }
    }

    url->port = (uint16_t) port;

    return colon > 0 && port > 0 ? LV_OK : LV_ERROR;
}


int
lv_redis_url_parse(lv_str_t text, lv_redis_url_t *url, const char **err)
{
    size_t    i, at;
    lv_str_t  part;

    memset(url, 0, sizeof(lv_redis_url_t));

    if (begins(text, "unix:///")) {
        skip(&text, sizeof("unix://") - 1);
        url->local = true;
        url->host = text;
        return LV_OK;
    }

    *err = "it begins with redis://, rediss:// or unix:///";

    if (begins(text, "redis://")) {
        skip(&text, sizeof("redis://") - 1);

    } else if (begins(text, "rediss://")) {
        skip(&text, sizeof("rediss://") - 1);
        url->tls = true;

    } else {
        return LV_ERROR;
    }

    for (i = 0, at = text.len; i < text.len; i++) {
        if (text.data[i] == '@') {
            at = i;
        }
    }

    if (at < text.len) {
        part.data = text.data;
        part.len = at;
        *err = "what is before @ is not user:password, with other characters "
               "as %XX";

        if (credentials(part, url) != LV_OK) {
            return LV_ERROR;
        }

        skip(&text, at + 1);
    }

    for (i = 0; i < text.len && text.data[i] != '/'; i++) { /* void */ }

    part.data = text.data;
    part.len = i;
    *err = "it has no host, or a wrong port";

    if (authority(part, url) != LV_OK) {
        return LV_ERROR;
    }

    *err = "what is behind / is not the number of a database";
    skip(&text, i < text.len ? i + 1 : i);

    return text.len == 0 || number(text, LV_REDIS_DB_MAX, &url->db) == LV_OK
           ? LV_OK : LV_ERROR;
}
