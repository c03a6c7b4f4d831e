#include "lv_hls_request.h"
#include "lv_stream_id.h"


#define LV_HLS_RENDITION_MAX  7
#define LV_HLS_PART_MAX       65535


/* A number in its only spelling, up to `max`. */
static bool
lv_hls_number(lv_str_t s, uint32_t max, uint32_t *out)
{
    size_t    i;
    uint64_t  n;

    if (s.len == 0 || s.len > 10 || (s.len > 1 && s.data[0] == '0')) {
        return false;
    }

    n = 0;

    for (i = 0; i < s.len; i++) {

        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }

        n = n * 10 + (s.data[i] - '0');
    }

    if (n > max) {
        return false;
    }

    *out = (uint32_t) n;

    return true;
}


/* Cuts off what stands before `c`. LV_DECLINED: there is no `c`. */
static int
lv_hls_cut(lv_str_t *s, uint8_t c, lv_str_t *head)
{
    const uint8_t  *p;

    p = s->len ? memchr(s->data, c, s->len) : NULL;
    if (p == NULL) {
        return LV_DECLINED;
    }

    head->data = s->data;
    head->len = (size_t) (p - s->data);
    s->data = p + 1;
    s->len -= head->len + 1;

    return LV_OK;
}


static bool
lv_hls_ends(lv_str_t *s, const char *tail)
{
    size_t  n;

    n = strlen(tail);

    if (s->len < n || memcmp(s->data + s->len - n, tail, n) != 0) {
        return false;
    }

    s->len -= n;

    return true;
}


static bool
lv_hls_rendition_valid(lv_str_t s)
{
    size_t  i;

    if (s.len == 0 || s.len > LV_HLS_RENDITION_MAX) {
        return false;
    }

    for (i = 0; i < s.len; i++) {
        if (!(s.data[i] >= 'a' && s.data[i] <= 'z')
            && !(s.data[i] >= '0' && s.data[i] <= '9'))
        {
            return false;
        }
    }

    return true;
}


static int
lv_hls_file_parse(lv_str_t s, lv_hls_path_t *path)
{
    lv_str_t  head;

    if (lv_str_eq(s, "index.m3u8")) {
        path->kind = LV_HLS_MEDIA;
        return LV_OK;
    }

    if (lv_hls_ends(&s, ".mp4")) {
        path->kind = LV_HLS_INIT;

        if (s.len < 5 || memcmp(s.data, "init-", 5) != 0) {
            return LV_DECLINED;
        }

        s.data += 5;
        s.len -= 5;

        return lv_hls_number(s, UINT32_MAX, &path->msn) ? LV_OK : LV_DECLINED;
    }

    if (!lv_hls_ends(&s, ".m4s")) {
        return LV_DECLINED;
    }

    path->kind = LV_HLS_SEGMENT;

    if (lv_hls_cut(&s, '.', &head) == LV_OK) {
        path->kind = LV_HLS_PART;

        if (!lv_hls_number(s, LV_HLS_PART_MAX, &path->part)) {
            return LV_DECLINED;
        }

        s = head;
    }

    return lv_hls_number(s, UINT32_MAX, &path->msn) ? LV_OK : LV_DECLINED;
}


int
lv_hls_path_parse(const uint8_t *p, size_t len, lv_hls_path_t *path)
{
    lv_str_t  s, token;

    memset(path, 0, sizeof(lv_hls_path_t));
    s.data = p;
    s.len = len;

    if (s.len && s.data[0] == '~'
        && lv_hls_cut(&s, '/', &token) != LV_OK)
    {
        return LV_DECLINED;
    }

    if (lv_hls_cut(&s, '/', &path->stream) != LV_OK
        || !lv_stream_id_valid(path->stream))
    {
        return LV_DECLINED;
    }

    if (lv_str_eq(s, "index.m3u8")) {
        path->kind = LV_HLS_MULTIVARIANT;
        return LV_OK;
    }

    if (lv_hls_cut(&s, '/', &path->rendition) != LV_OK
        || !lv_hls_rendition_valid(path->rendition))
    {
        return LV_DECLINED;
    }

    return lv_hls_file_parse(s, path);
}


static int
lv_hls_directive(lv_str_t name, lv_str_t value, lv_hls_query_t *q,
    const char **err)
{
    if (lv_str_eq(name, "_HLS_msn")) {

        if (q->has_msn || !lv_hls_number(value, UINT32_MAX, &q->msn)) {
            *err = "_HLS_msn is not one number";
            return LV_ERROR;
        }

        q->has_msn = true;

    } else if (lv_str_eq(name, "_HLS_part")) {

        if (q->has_part
            || !lv_hls_number(value, LV_HLS_PART_MAX, &q->part))
        {
            *err = "_HLS_part is not one number";
            return LV_ERROR;
        }

        q->has_part = true;

    } else if (lv_str_eq(name, "_HLS_skip")) {

        if (!lv_str_eq(value, "YES") && !lv_str_eq(value, "v2")) {
            *err = "_HLS_skip is neither YES nor v2";
            return LV_ERROR;
        }

        q->skip = true;
    }

    return LV_OK;
}


int
lv_hls_query_parse(const uint8_t *p, size_t len, lv_hls_query_t *q,
    const char **err)
{
    lv_str_t  s, pair, name;

    memset(q, 0, sizeof(lv_hls_query_t));
    s.data = p;
    s.len = len;

    while (s.len) {

        if (lv_hls_cut(&s, '&', &pair) != LV_OK) {
            pair = s;
            s.len = 0;
        }

        if (lv_hls_cut(&pair, '=', &name) != LV_OK) {
            name = pair;
            pair.len = 0;
        }

        if (lv_hls_directive(name, pair, q, err) != LV_OK) {
            return LV_ERROR;
        }
    }

    if (q->has_part && !q->has_msn) {
        *err = "_HLS_part without _HLS_msn";
        return LV_ERROR;
    }

    return LV_OK;
}
