#include "lv_amf0.h"
#include "lv_amf3.h"

#include <math.h>
#include <stdlib.h>

/* markers of the wire that have no type of their own in lv_amf0_type_e */
#define AMF0_REFERENCE    0x07
#define AMF0_OBJECT_END   0x09
#define AMF0_LONG_STRING  0x0c
#define AMF0_UNSUPPORTED  0x0d
#define AMF0_XML          0x0f
#define AMF0_TYPED        0x10

static int amf0_value(lv_amf0_reader_t *r, unsigned depth,
    lv_amf0_value_t *v);


double
lv_amf0_double(const uint8_t *p)
{
    double    d;
    uint64_t  u;

    u = lv_be64(p);
    memcpy(&d, &u, sizeof(d));

    return d;
}


static int
amf0_fail(lv_amf0_reader_t *r, const char *err)
{
    r->err = err;
    return LV_ERROR;
}


static size_t
amf0_left(const lv_amf0_reader_t *r)
{
    return (size_t) (r->end - r->p);
}


/* width: of the length in front, 2 or 4 bytes */
static int
amf0_bytes(lv_amf0_reader_t *r, size_t width, lv_str_t *s)
{
    size_t  len;

    if (amf0_left(r) < width) {
        return amf0_fail(r, "AMF0 string is cut off");
    }

    len = (width == 2) ? lv_be16(r->p) : lv_be32(r->p);
    r->p += width;

    if (len > amf0_left(r)) {
        return amf0_fail(r, "AMF0 string is longer than its message");
    }

    s->data = r->p;
    s->len = len;
    r->p += len;

    return LV_OK;
}


/*
 * Is the reader at the end of an object? Too few bytes for a key and a value
 * count as the end too: encoders leave the end marker out.
 */
static bool
amf0_at_object_end(const lv_amf0_reader_t *r)
{
    return amf0_left(r) < 3
           || (r->p[0] == 0 && r->p[1] == 0 && r->p[2] == AMF0_OBJECT_END);
}


static int
amf0_object(lv_amf0_reader_t *r, unsigned depth, lv_amf0_value_t *v)
{
    lv_str_t         key;
    lv_amf0_value_t  member;

    v->str.data = r->p;

    while (!amf0_at_object_end(r)) {
        if (amf0_bytes(r, 2, &key) != LV_OK
            || amf0_value(r, depth, &member) != LV_OK)
        {
            return LV_ERROR;
        }
    }

    v->str.len = (size_t) (r->p - v->str.data);
    r->p += amf0_left(r) < 3 ? amf0_left(r) : 3;

    return LV_OK;
}


static int
amf0_strict_array(lv_amf0_reader_t *r, unsigned depth, lv_amf0_value_t *v)
{
    uint32_t         n;
    lv_amf0_value_t  member;

    if (amf0_left(r) < 4) {
        return amf0_fail(r, "AMF0 array is cut off");
    }

    n = lv_be32(r->p);
    r->p += 4;
    v->str.data = r->p;

    while (n-- && r->p < r->end) {
        if (amf0_value(r, depth, &member) != LV_OK) {
            return LV_ERROR;
        }
    }

    v->str.len = (size_t) (r->p - v->str.data);

    return LV_OK;
}


static int
amf0_container(lv_amf0_reader_t *r, unsigned depth, uint8_t marker,
    lv_amf0_value_t *v)
{
    lv_str_t  name;

    if (depth == LV_AMF0_MAX_DEPTH) {
        return amf0_fail(r, "AMF0 values are nested too deeply");
    }

    switch (marker) {

    case LV_AMF0_STRICT_ARRAY:
        v->type = LV_AMF0_STRICT_ARRAY;
        return amf0_strict_array(r, depth, v);

    case LV_AMF0_ECMA_ARRAY:
        /* the count is often wrong: the members themselves are what counts */
        if (amf0_left(r) < 4) {
            return amf0_fail(r, "AMF0 array is cut off");
        }
        r->p += 4;
        v->type = LV_AMF0_ECMA_ARRAY;
        return amf0_object(r, depth, v);

    case AMF0_TYPED:
        if (amf0_bytes(r, 2, &name) != LV_OK) {
            return LV_ERROR;
        }
        break;
    }

    v->type = LV_AMF0_OBJECT;
    return amf0_object(r, depth, v);
}


static int
amf0_fixed(lv_amf0_reader_t *r, size_t size, lv_amf0_value_t *v)
{
    if (amf0_left(r) < size) {
        return amf0_fail(r, "AMF0 value is cut off");
    }

    if (size == 1) {
        v->num = (r->p[0] != 0);

    } else if (size >= 8) {
        v->num = lv_amf0_double(r->p);
    }

    r->p += size;
    return LV_OK;
}


static int
amf0_value(lv_amf0_reader_t *r, unsigned depth, lv_amf0_value_t *v)
{
    uint8_t  marker;

    memset(v, 0, sizeof(*v));

    if (r->p == r->end) {
        return amf0_fail(r, "AMF0 value is missing");
    }

    if (r->values == 0) {
        return amf0_fail(r, "too many AMF0 values");
    }

    r->values--;
    marker = *r->p++;

    switch (marker) {

    case LV_AMF0_NUMBER:
        v->type = LV_AMF0_NUMBER;
        return amf0_fixed(r, 8, v);

    case LV_AMF0_BOOLEAN:
        v->type = LV_AMF0_BOOLEAN;
        return amf0_fixed(r, 1, v);

    case LV_AMF0_DATE:
        v->type = LV_AMF0_DATE;
        return amf0_fixed(r, 10, v);

    case LV_AMF0_STRING:
        v->type = LV_AMF0_STRING;
        return amf0_bytes(r, 2, &v->str);

    case AMF0_LONG_STRING:
    case AMF0_XML:
        v->type = LV_AMF0_STRING;
        return amf0_bytes(r, 4, &v->str);

    case LV_AMF0_NULL:
        v->type = LV_AMF0_NULL;
        return LV_OK;

    case LV_AMF0_UNDEFINED:
    case AMF0_UNSUPPORTED:
        v->type = LV_AMF0_UNDEFINED;
        return LV_OK;

    case AMF0_REFERENCE:
        v->type = LV_AMF0_UNDEFINED;
        return amf0_fixed(r, 2, v);

    case LV_AMF0_OBJECT:
    case LV_AMF0_ECMA_ARRAY:
    case LV_AMF0_STRICT_ARRAY:
    case AMF0_TYPED:
        return amf0_container(r, depth + 1, marker, v);

    case LV_AMF0_AMF3:
        return lv_amf3_read(&r->p, r->end, &r->values, v, &r->err);
    }

    return amf0_fail(r, "unknown AMF0 type");
}


void
lv_amf0_read_init(lv_amf0_reader_t *r, const uint8_t *p, size_t n)
{
    memset(r, 0, sizeof(*r));

    r->p = p;
    r->end = n ? p + n : p;
    r->values = LV_AMF0_MAX_VALUES;
    r->kind = LV_AMF0_STRICT_ARRAY;
}


int
lv_amf0_read(lv_amf0_reader_t *r, lv_amf0_value_t *v)
{
    if (r->p == r->end) {
        return LV_DECLINED;
    }

    return amf0_value(r, 0, v);
}


bool
lv_amf0_is_container(const lv_amf0_value_t *v)
{
    return v->type == LV_AMF0_OBJECT || v->type == LV_AMF0_ECMA_ARRAY
           || v->type == LV_AMF0_STRICT_ARRAY;
}


int
lv_amf0_open(const lv_amf0_value_t *v, lv_amf0_reader_t *r)
{
    if (!lv_amf0_is_container(v)) {
        return LV_DECLINED;
    }

    lv_amf0_read_init(r, v->str.data, v->str.len);
    r->kind = (uint8_t) v->type;

    return LV_OK;
}


int
lv_amf0_next(lv_amf0_reader_t *r, lv_str_t *key, lv_amf0_value_t *v)
{
    key->data = r->p;
    key->len = 0;

    if (r->kind == LV_AMF0_STRICT_ARRAY) {
        return lv_amf0_read(r, v);
    }

    if (amf0_left(r) < 3) {
        return LV_DECLINED;
    }

    if (amf0_bytes(r, 2, key) != LV_OK) {
        return LV_ERROR;
    }

    return amf0_value(r, 0, v);
}


int
lv_amf0_find(const lv_amf0_value_t *obj, const char *key, lv_amf0_value_t *v)
{
    int               rc;
    lv_str_t          k;
    lv_amf0_value_t   member;
    lv_amf0_reader_t  r;

    rc = lv_amf0_open(obj, &r);

    if (rc != LV_OK) {
        return rc;
    }

    rc = LV_DECLINED;

    while (lv_amf0_next(&r, &k, &member) == LV_OK) {
        if (k.len != 0 && lv_str_eq(k, key)) {
            *v = member;
            rc = LV_OK;
        }
    }

    return rc;
}


int
lv_amf0_number(const lv_amf0_value_t *v, double *num)
{
    char    text[64], *end;
    double  d;

    switch (v->type) {

    case LV_AMF0_NUMBER:
    case LV_AMF0_BOOLEAN:
    case LV_AMF0_DATE:
        d = v->num;
        break;

    case LV_AMF0_STRING:
        if (v->str.len == 0 || v->str.len >= sizeof(text)) {
            return LV_DECLINED;
        }

        memcpy(text, v->str.data, v->str.len);
        text[v->str.len] = '\0';
        d = strtod(text, &end);

        if (end != text + v->str.len) {
            return LV_DECLINED;
        }
        break;

    default:
        return LV_DECLINED;
    }

    if (!isfinite(d)) {
        return LV_DECLINED;
    }

    *num = d;
    return LV_OK;
}


int
lv_amf0_find_number(const lv_amf0_value_t *obj, const char *key, double *num)
{
    lv_amf0_value_t  v;

    if (lv_amf0_find(obj, key, &v) != LV_OK) {
        return LV_DECLINED;
    }

    return lv_amf0_number(&v, num);
}


int
lv_amf0_find_string(const lv_amf0_value_t *obj, const char *key,
    lv_str_t *str)
{
    lv_amf0_value_t  v;

    if (lv_amf0_find(obj, key, &v) != LV_OK || v.type != LV_AMF0_STRING) {
        return LV_DECLINED;
    }

    *str = v.str;
    return LV_OK;
}


void
lv_amf0_write_init(lv_amf0_writer_t *w, uint8_t *p, size_t n)
{
    w->start = p;
    w->p = p;
    w->end = p + n;
    w->overflow = false;
}


static bool
amf0_room(lv_amf0_writer_t *w, size_t n)
{
    if (w->overflow || (size_t) (w->end - w->p) < n) {
        w->overflow = true;
        return false;
    }

    return true;
}


static void
amf0_put_marker(lv_amf0_writer_t *w, uint8_t marker)
{
    if (amf0_room(w, 1)) {
        *w->p++ = marker;
    }
}


void
lv_amf0_put_number(lv_amf0_writer_t *w, double num)
{
    uint64_t  u;

    if (amf0_room(w, 9)) {
        memcpy(&u, &num, sizeof(u));
        *w->p++ = LV_AMF0_NUMBER;
        w->p = lv_put64(w->p, u);
    }
}


void
lv_amf0_put_boolean(lv_amf0_writer_t *w, bool value)
{
    if (amf0_room(w, 2)) {
        *w->p++ = LV_AMF0_BOOLEAN;
        *w->p++ = value;
    }
}


void
lv_amf0_put_key(lv_amf0_writer_t *w, const char *key)
{
    size_t  len;

    len = strlen(key);

    if (len > UINT16_MAX) {
        w->overflow = true;
    }

    if (amf0_room(w, 2 + len)) {
        w->p = lv_put16(w->p, (uint16_t) len);
        memcpy(w->p, key, len);
        w->p += len;
    }
}


void
lv_amf0_put_string(lv_amf0_writer_t *w, const char *s)
{
    amf0_put_marker(w, LV_AMF0_STRING);
    lv_amf0_put_key(w, s);
}


void
lv_amf0_put_null(lv_amf0_writer_t *w)
{
    amf0_put_marker(w, LV_AMF0_NULL);
}


void
lv_amf0_put_undefined(lv_amf0_writer_t *w)
{
    amf0_put_marker(w, LV_AMF0_UNDEFINED);
}


void
lv_amf0_put_object(lv_amf0_writer_t *w)
{
    amf0_put_marker(w, LV_AMF0_OBJECT);
}


void
lv_amf0_put_end(lv_amf0_writer_t *w)
{
    if (amf0_room(w, 3)) {
        w->p = lv_put24(w->p, AMF0_OBJECT_END);
    }
}


void
lv_amf0_put_array(lv_amf0_writer_t *w, uint32_t n)
{
    amf0_put_marker(w, LV_AMF0_STRICT_ARRAY);

    if (amf0_room(w, 4)) {
        w->p = lv_put32(w->p, n);
    }
}
