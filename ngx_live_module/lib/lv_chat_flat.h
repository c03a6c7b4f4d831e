/*
 * One JSON object (RFC 8259) whose values are strings, numbers, true, false or
 * null, read member by member without memory of its own: strings are unescaped
 * in place. Private to the reader of members' messages.
 */

#ifndef LV_CHAT_FLAT_H
#define LV_CHAT_FLAT_H

#include "lv_base.h"

typedef enum {
    LV_FLAT_STRING = 0,
    LV_FLAT_INTEGER,        /* 0 … 2^32 - 1, without sign, point, exponent */
    LV_FLAT_NUMBER,         /* every other */
    LV_FLAT_TRUE,
    LV_FLAT_FALSE,
    LV_FLAT_NULL
} lv_flat_kind_e;

typedef struct {
    lv_flat_kind_e   kind;
    uint8_t         *data;      /* STRING: unescaped, in the input */
    size_t           len;
    uint32_t         integer;
} lv_flat_value_t;

typedef struct {
    uint8_t  *p, *end;
    bool      begun;
} lv_flat_t;

/* p[0 … n) is valid UTF-8 and is changed. */
void lv_flat_init(lv_flat_t *f, uint8_t *p, size_t n);

/*
 * The next member. LV_OK: there it is; LV_DECLINED: the object has ended, and
 * nothing comes behind it; LV_ERROR: not JSON; LV_AGAIN: a list or an object
 * as a value.
 */
int lv_flat_next(lv_flat_t *f, lv_str_t *name, lv_flat_value_t *value);

#endif
