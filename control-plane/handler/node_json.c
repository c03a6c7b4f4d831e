#include "handler/node_json.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lv_stream_id.h"


const char *
node_text(request_t *r, json_t *object, const char *name, size_t max)
{
    char        *dst;
    size_t       i, len;
    json_t      *value;
    const char  *src;

    value = json_object_get(object, name);
    src = json_string_value(value);
    len = json_string_length(value);

    if (src == NULL || len == 0) {
        return NULL;
    }

    if (len > max) {
        len = max;

        while (len > 0 && ((unsigned char) src[len] & 0xc0) == 0x80) {
            len--;
        }
    }

    dst = request_alloc(r, len + 1);

    for (i = 0; i < len; i++) {
        dst[i] = (unsigned char) src[i] < 0x20 || src[i] == 0x7f ? '?' : src[i];
    }

    dst[len] = '\0';

    return dst;
}


const char *
node_stream_id(request_t *r, json_t *object, const char *name)
{
    lv_str_t     id;
    const char  *text;

    text = node_text(r, object, name, LV_STREAM_ID_LEN + 1);

    if (text == NULL) {
        return NULL;
    }

    id.data = (const uint8_t *) text;
    id.len = strlen(text);

    return lv_stream_id_valid(id) ? text : NULL;
}


const char *
node_id(request_t *r, json_t *object, const char *name)
{
    int64_t  n;

    n = node_int(object, name, 0, INT64_MAX, 0);

    return n > 0 ? node_number(r, n) : NULL;
}


int64_t
node_int(json_t *object, const char *name, int64_t min, int64_t max,
    int64_t dflt)
{
    char       *end;
    double      real;
    int64_t     n;
    json_t     *value;
    const char *text;

    value = json_object_get(object, name);

    if (json_is_integer(value)) {
        n = json_integer_value(value);

    } else if (json_is_real(value)) {
        real = json_real_value(value);
        n = real >= (double) max ? max
            : real <= (double) min ? min : (int64_t) real;

    } else if (json_is_string(value)) {
        text = json_string_value(value);
        n = strtoll(text, &end, 10);

        if (end == text || *end != '\0') {
            return dflt;
        }

    } else {
        return dflt;
    }

    return n < min ? min : n > max ? max : n;
}


double
node_real(json_t *object, const char *name, double min, double max)
{
    double  n;

    n = json_number_value(json_object_get(object, name));

    return n > min ? fmin(n, max) : min;
}


bool
node_is_addr(const char *text)
{
    unsigned char  bin[16];

    return inet_pton(AF_INET, text, bin) == 1
           || inet_pton(AF_INET6, text, bin) == 1;
}


const char *
node_number(request_t *r, int64_t n)
{
    return request_printf(r, "%lld", (long long) n);
}
