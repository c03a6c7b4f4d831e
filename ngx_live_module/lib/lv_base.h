/*
 * What every file of lib/ shares: result codes and byte order helpers.
 *
 * lib/ is pure C11: bytes and a time in, structs and events out. No sockets,
 * no clock, no nginx.
 */

#ifndef LV_BASE_H
#define LV_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <string.h>

/* Same values as nginx's NGX_* codes, so that they pass through unchanged. */
#define LV_OK          0
#define LV_ERROR     (-1)
#define LV_AGAIN     (-2)
#define LV_DECLINED  (-5)

/* A counted string that is not owned and not terminated. */
typedef struct {
    const uint8_t  *data;
    size_t          len;
} lv_str_t;

/* Captions inside a video track, a set. */
#define LV_CAPTIONS_CC1   1      /* CEA-608, field 1 */
#define LV_CAPTIONS_CC3   2      /* CEA-608, field 2 */
#define LV_CAPTIONS_708   4      /* CEA-708 */

#define lv_str(lit)     { (const uint8_t *) (lit), sizeof(lit) - 1 }

static inline bool
lv_str_eq(lv_str_t s, const char *lit)
{
    return s.len == strlen(lit) && memcmp(s.data, lit, s.len) == 0;
}

static inline uint16_t
lv_be16(const uint8_t *p)
{
    return (uint16_t) ((p[0] << 8) | p[1]);
}

static inline uint32_t
lv_be24(const uint8_t *p)
{
    return ((uint32_t) p[0] << 16) | ((uint32_t) p[1] << 8) | p[2];
}

static inline uint32_t
lv_be32(const uint8_t *p)
{
    return ((uint32_t) p[0] << 24) | lv_be24(p + 1);
}

static inline uint64_t
lv_be64(const uint8_t *p)
{
    return ((uint64_t) lv_be32(p) << 32) | lv_be32(p + 4);
}

static inline uint8_t *
lv_put16(uint8_t *p, uint16_t v)
{
    *p++ = (uint8_t) (v >> 8);
    *p++ = (uint8_t) v;
    return p;
}

static inline uint8_t *
lv_put24(uint8_t *p, uint32_t v)
{
    *p++ = (uint8_t) (v >> 16);
    return lv_put16(p, (uint16_t) v);
}

static inline uint8_t *
lv_put32(uint8_t *p, uint32_t v)
{
    p = lv_put16(p, (uint16_t) (v >> 16));
    return lv_put16(p, (uint16_t) v);
}

static inline uint8_t *
lv_put64(uint8_t *p, uint64_t v)
{
    p = lv_put32(p, (uint32_t) (v >> 32));
    return lv_put32(p, (uint32_t) v);
}

#endif
