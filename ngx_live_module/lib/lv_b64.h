/*
 * base64url without padding (RFC 4648 section 5, as RFC 7515 uses it) and
 * hexadecimal, strict both: a value has exactly one spelling, so that what was
 * checked and what is remembered by its text can not differ.
 *
 * Pure functions; nothing is allocated.
 */

#ifndef LV_B64_H
#define LV_B64_H

#include "lv_base.h"

/* Bytes that len characters decode to, at most. */
#define lv_b64url_decoded_max(len)  ((len) / 4 * 3 + 2)

/*
 * Decodes src into dst (cap bytes) and stores the number of bytes in *out.
 * LV_ERROR: a character outside the alphabet (padding, white space), an
 * impossible length, bits after the last byte that are not zero, or no room.
 */
int lv_b64url_decode(lv_str_t src, uint8_t *dst, size_t cap, size_t *out);

/*
 * Decodes exactly 2 * len hexadecimal digits, either case. LV_ERROR: another
 * length or character.
 */
int lv_hex_decode(lv_str_t src, uint8_t *dst, size_t len);

/* Writes 2 * len lower-case digits, no terminator. */
void lv_hex_encode(const uint8_t *src, size_t len, char *dst);

#endif
