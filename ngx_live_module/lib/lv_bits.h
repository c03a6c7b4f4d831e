/*
 * Reads bits, most significant first. Checked: reading beyond the end gives
 * zeros and sets `over`, which the caller looks at once, at the end (and in
 * loops whose count came from the data).
 */

#ifndef LV_BITS_H
#define LV_BITS_H

#include "lv_base.h"

typedef struct {
    const uint8_t  *p;
    size_t          len;         /* bytes */
    size_t          pos;         /* bits */
    bool            over;
} lv_bits_t;

void lv_bits_init(lv_bits_t *b, const uint8_t *p, size_t len);

/* n: 0 … 32 */
uint32_t lv_bits_get(lv_bits_t *b, unsigned n);
void lv_bits_skip(lv_bits_t *b, size_t n);
size_t lv_bits_left(const lv_bits_t *b);

/* Exp-Golomb codes, ISO/IEC 14496-10 9.1. A code of more than 32 leading
 * zeros sets `over`. */
uint32_t lv_bits_ue(lv_bits_t *b);
int32_t lv_bits_se(lv_bits_t *b);

/* Copies a NAL unit without its emulation prevention bytes (7.4.1.1), at most
 * `size` bytes; returns how many. */
size_t lv_bits_unescape(uint8_t *out, size_t size, const uint8_t *nal,
    size_t len);

#endif
