/*
 * UTF-8 (RFC 3629): checking bytes as they come, reading and writing code
 * points. No overlong forms, no surrogates, nothing above U+10FFFF.
 */

#ifndef LV_UTF8_H
#define LV_UTF8_H

#include "lv_base.h"

/* The most bytes of one code point. */
#define LV_UTF8_MAX  4

/* Where a check stands between two pieces of text; zeroed: at a start. */
typedef struct {
    uint8_t  left;          /* bytes that the code point still needs */
    uint8_t  low, high;     /* the next byte's range, when left is not 0 */
} lv_utf8_t;

/* LV_ERROR as soon as no continuation could make the text valid. */
int lv_utf8_check(lv_utf8_t *u, const uint8_t *p, size_t n);

/* Not in the middle of a code point. */
static inline bool
lv_utf8_whole(const lv_utf8_t *u)
{
    return u->left == 0;
}

bool lv_utf8_valid(const uint8_t *p, size_t n);

/*
 * Takes one code point off the front of [*p, end), which must not be empty.
 * Bytes that are not UTF-8 give U+FFFD, one byte each.
 */
uint32_t lv_utf8_get(const uint8_t **p, const uint8_t *end);

/* Writes up to LV_UTF8_MAX bytes; the end of what was written. */
uint8_t *lv_utf8_put(uint8_t *p, uint32_t cp);

#endif
