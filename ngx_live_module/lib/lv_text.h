/*
 * Text in a buffer that grows up to a limit: what playlists are written into.
 *
 * Nothing here returns an error: a text that did not fit (or for which there
 * was no memory) has `failed` set, and the caller looks once, at the end.
 */

#ifndef LV_TEXT_H
#define LV_TEXT_H

#include "lv_base.h"

typedef struct {
    uint8_t  *data;
    size_t    len;
    size_t    size;      /* allocated */
    size_t    max;       /* never longer than this */
    bool      failed;
} lv_text_t;

void lv_text_init(lv_text_t *t, size_t max);
void lv_text_free(lv_text_t *t);
/* Forgets the text, keeps the memory. */
void lv_text_reset(lv_text_t *t);

void lv_text_add(lv_text_t *t, const void *p, size_t n);
void lv_text_str(lv_text_t *t, const char *s);
#define lv_text_lit(t, lit)  lv_text_add(t, lit, sizeof(lit) - 1)

void lv_text_uint(lv_text_t *t, uint64_t n);
/* Microseconds as decimal seconds: 2000000 → "2.0", 333333 → "0.333333". */
void lv_text_seconds(lv_text_t *t, uint64_t us);
/* Unix ms as "2026-11-20T12:44:00.123Z" (RFC 3339). */
void lv_text_date(lv_text_t *t, uint64_t ms);
/* A quoted string (RFC 8216 4.2) with what may not stand in one left out. */
void lv_text_quoted(lv_text_t *t, const char *s);

#endif
