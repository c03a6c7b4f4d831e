/*
 * Writes JSON into a lv_text_t: names and values one after the other, commas
 * put by the writer. Names are trusted; strings may hold any bytes. What did
 * not fit is seen in the text's `failed`.
 *
 *   lv_json_open(&j, NULL, '{');
 *   lv_json_int(&j, "n", 1);
 *   lv_json_close(&j, '}');                                 {"n":1}
 */

#ifndef LV_JSON_H
#define LV_JSON_H

#include "lv_text.h"

typedef struct {
    lv_text_t  *text;
    bool        comma;      /* something stands before in this object or list */
} lv_json_t;

void lv_json_init(lv_json_t *j, lv_text_t *t);

/* `name` NULL: an element of a list, or the document itself. */
void lv_json_open(lv_json_t *j, const char *name, char bracket);
void lv_json_close(lv_json_t *j, char bracket);
/* Bytes outside printable ASCII become \u00xx, whatever encoding they were
 * meant in: any bytes make valid JSON. */
void lv_json_str(lv_json_t *j, const char *name, const char *s,
    size_t len);
/* The same for bytes that are valid UTF-8, which stay as they are. */
void lv_json_utf8(lv_json_t *j, const char *name, lv_str_t s);
/* A value that is JSON already. */
void lv_json_raw(lv_json_t *j, const char *name, const void *p, size_t n);
void lv_json_text(lv_json_t *j, const char *name, const char *s);
void lv_json_int(lv_json_t *j, const char *name, int64_t n);
/* Thousandths, as a decimal fraction: 29970 is 29.97. */
void lv_json_milli(lv_json_t *j, const char *name, uint64_t n);
void lv_json_bool(lv_json_t *j, const char *name, bool on);
void lv_json_null(lv_json_t *j, const char *name);

#endif
