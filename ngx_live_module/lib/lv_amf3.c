#include "lv_amf3.h"

#define LV_AMF3_MAX_TRAITS  16

enum {
    AMF3_UNDEFINED, AMF3_NULL, AMF3_FALSE, AMF3_TRUE, AMF3_INTEGER,
    AMF3_DOUBLE, AMF3_STRING, AMF3_XMLDOC, AMF3_DATE, AMF3_ARRAY, AMF3_OBJECT,
    AMF3_XML, AMF3_BYTEARRAY, AMF3_VECTOR_INT, AMF3_VECTOR_UINT,
    AMF3_VECTOR_DOUBLE, AMF3_VECTOR_OBJECT, AMF3_DICTIONARY
};

typedef struct {
    uint32_t  sealed;
    bool      dynamic;
} amf3_traits_t;

/* Strings and objects can be passed over without knowing what they refer to;
 * only traits change how many values follow. */
typedef struct {
    const uint8_t  *p;
    const uint8_t  *end;
    unsigned       *values;
    const char     *err;
    unsigned        ntraits;
    amf3_traits_t   traits[LV_AMF3_MAX_TRAITS];
} amf3_t;

static int amf3_value(amf3_t *a, unsigned depth, lv_amf0_value_t *v);


static int
amf3_fail(amf3_t *a, const char *err)
{
    a->err = err;
    return LV_ERROR;
}


static int
amf3_u29(amf3_t *a, uint32_t *u)
{
    unsigned  i;
    uint8_t   b;

    *u = 0;

    for (i = 0; i < 4; i++) {
        if (a->p == a->end) {
            return amf3_fail(a, "AMF3 number is cut off");
        }

        b = *a->p++;

        if (i == 3) {
            *u = (*u << 8) | b;
            break;
        }

        *u = (*u << 7) | (b & 0x7f);

        if (!(b & 0x80)) {
            break;
        }
    }

    return LV_OK;
}


static int
amf3_skip(amf3_t *a, uint32_t n, uint32_t size)
{
    if (n > (size_t) (a->end - a->p) / size) {
        return amf3_fail(a, "AMF3 value is longer than its message");
    }

    a->p += (size_t) n * size;
    return LV_OK;
}


/* A length and that many bytes, or a reference; *empty tells the end of a
 * list of members. */
static int
amf3_bytes(amf3_t *a, lv_str_t *s, bool *empty)
{
    uint32_t  u;

    if (amf3_u29(a, &u) != LV_OK) {
        return LV_ERROR;
    }

    *empty = (u == 1);
    s->data = a->p;
    s->len = 0;

    if (!(u & 1)) {
        return LV_OK;
    }

    s->len = u >> 1;
    return amf3_skip(a, u >> 1, 1);
}


static int
amf3_values(amf3_t *a, unsigned depth, uint32_t n)
{
    lv_amf0_value_t  v;

    /* each costs a byte at least, and *values ends it sooner */
    while (n--) {
        if (amf3_value(a, depth, &v) != LV_OK) {
            return LV_ERROR;
        }
    }

    return LV_OK;
}


/* name and value by turns until the empty name */
static int
amf3_members(amf3_t *a, unsigned depth)
{
    bool      empty;
    lv_str_t  name;

    for ( ;; ) {
        if (amf3_bytes(a, &name, &empty) != LV_OK) {
            return LV_ERROR;
        }

        if (empty) {
            return LV_OK;
        }

        if (amf3_values(a, depth, 1) != LV_OK) {
            return LV_ERROR;
        }
    }
}


static int
amf3_object(amf3_t *a, unsigned depth, uint32_t u)
{
    bool           empty;
    uint32_t       i;
    lv_str_t       name;
    amf3_traits_t  t;

    if ((u & 3) == 1) {
        if (u >> 2 >= a->ntraits) {
            return amf3_fail(a, "AMF3 reference to unknown traits");
        }

        t = a->traits[u >> 2];

    } else if (u & 4) {
        return amf3_fail(a, "AMF3 externalizable object");

    } else {
        t.sealed = u >> 4;
        t.dynamic = (u & 8) != 0;

        if (a->ntraits == LV_AMF3_MAX_TRAITS || t.sealed > *a->values) {
            return amf3_fail(a, "AMF3 object is too large");
        }

        a->traits[a->ntraits++] = t;

        /* the class name, then the sealed members' */
        for (i = 0; i <= t.sealed; i++) {
            if (amf3_bytes(a, &name, &empty) != LV_OK) {
                return LV_ERROR;
            }
        }
    }

    if (amf3_values(a, depth, t.sealed) != LV_OK) {
        return LV_ERROR;
    }

    return t.dynamic ? amf3_members(a, depth) : LV_OK;
}


/* What begins with a number that is either a reference or a count. */
static int
amf3_complex(amf3_t *a, unsigned depth, uint8_t marker)
{
    bool      empty;
    uint32_t  u;
    lv_str_t  name;

    if (amf3_u29(a, &u) != LV_OK) {
        return LV_ERROR;
    }

    if (!(u & 1)) {
        return LV_OK;
    }

    switch (marker) {

    case AMF3_DATE:
        return amf3_skip(a, 1, 8);

    case AMF3_OBJECT:
        return amf3_object(a, depth, u);

    case AMF3_ARRAY:
        if (amf3_members(a, depth) != LV_OK) {
            return LV_ERROR;
        }
        return amf3_values(a, depth, u >> 1);

    case AMF3_XMLDOC:
    case AMF3_XML:
    case AMF3_BYTEARRAY:
        return amf3_skip(a, u >> 1, 1);
    }

    /* vectors and dictionaries have a flag behind the count */

    if (amf3_skip(a, 1, 1) != LV_OK) {
        return LV_ERROR;
    }

    switch (marker) {

    case AMF3_VECTOR_INT:
    case AMF3_VECTOR_UINT:
        return amf3_skip(a, u >> 1, 4);

    case AMF3_VECTOR_DOUBLE:
        return amf3_skip(a, u >> 1, 8);

    case AMF3_VECTOR_OBJECT:
        if (amf3_bytes(a, &name, &empty) != LV_OK) {
            return LV_ERROR;
        }
        return amf3_values(a, depth, u >> 1);

    default: /* AMF3_DICTIONARY */
        return amf3_values(a, depth, (u >> 1) * 2);
    }
}


static int
amf3_value(amf3_t *a, unsigned depth, lv_amf0_value_t *v)
{
    bool      empty;
    uint8_t   marker;
    uint32_t  u;

    if (depth == LV_AMF0_MAX_DEPTH) {
        return amf3_fail(a, "AMF3 values are nested too deeply");
    }

    if (*a->values == 0) {
        return amf3_fail(a, "too many AMF3 values");
    }

    if (a->p == a->end) {
        return amf3_fail(a, "AMF3 value is missing");
    }

    (*a->values)--;
    marker = *a->p++;

    switch (marker) {

    case AMF3_UNDEFINED:
        v->type = LV_AMF0_UNDEFINED;
        return LV_OK;

    case AMF3_NULL:
        v->type = LV_AMF0_NULL;
        return LV_OK;

    case AMF3_FALSE:
    case AMF3_TRUE:
        v->type = LV_AMF0_BOOLEAN;
        v->num = (marker == AMF3_TRUE);
        return LV_OK;

    case AMF3_INTEGER:
        if (amf3_u29(a, &u) != LV_OK) {
            return LV_ERROR;
        }
        v->type = LV_AMF0_NUMBER;
        v->num = (u & 0x10000000) ? (double) u - 0x20000000 : (double) u;
        return LV_OK;

    case AMF3_DOUBLE:
        v->type = LV_AMF0_NUMBER;
        if (amf3_skip(a, 1, 8) != LV_OK) {
            return LV_ERROR;
        }
        v->num = lv_amf0_double(a->p - 8);
        return LV_OK;

    case AMF3_STRING:
        v->type = LV_AMF0_STRING;
        return amf3_bytes(a, &v->str, &empty);
    }

    if (marker > AMF3_DICTIONARY) {
        return amf3_fail(a, "unknown AMF3 type");
    }

    return amf3_complex(a, depth + 1, marker);
}


int
lv_amf3_read(const uint8_t **p, const uint8_t *end, unsigned *values,
    lv_amf0_value_t *v, const char **err)
{
    int     rc;
    amf3_t  a;

    memset(v, 0, sizeof(*v));
    v->type = LV_AMF0_AMF3;

    a.p = *p;
    a.end = end;
    a.values = values;
    a.err = NULL;
    a.ntraits = 0;

    rc = amf3_value(&a, 0, v);

    *p = a.p;
    *err = a.err;

    return rc;
}
