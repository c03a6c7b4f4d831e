/*
 * Input by table: unknown names, wrong types, sizes and broken text are
 * answered with 400/422 before the handler runs. Text is valid UTF-8 without
 * NUL and C0/C1 controls (but \n and \t with TEXT_LINES), normal form C not
 * asked for.
 */

#ifndef VALIDATE_H
#define VALIDATE_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

typedef enum {
    FIELD_END = 0,
    FIELD_TEXT,                 /* min..max characters, trimmed at both ends */
    FIELD_LINES,                /* the same, with \n and \t */
    FIELD_SECRET,               /* min..max bytes, as it stands, never echoed */
    FIELD_INT,                  /* min..max */
    FIELD_BOOL,
    FIELD_TIME,                 /* RFC 3339 */
    FIELD_ID,                   /* a number of the database, as text */
    FIELD_STREAM,               /* a stream id */
    FIELD_ONE_OF,               /* of: "a|b|c" */
    FIELD_LIST,                 /* of up to max texts of up to `each` chars */
    FIELD_OBJECT,               /* fields: its own table */
    FIELD_URL,                  /* http(s), max bytes, no user name in it */
    FIELD_EMAIL,
    FIELD_USERNAME,             /* [A-Za-z0-9][A-Za-z0-9_.-]{1,31} */
    FIELD_CURSOR                /* of a page, see page.h */
} field_e;

#define FIELD_REQUIRED  0x01
#define FIELD_NULLABLE  0x02    /* JSON null is allowed (and means: remove) */

typedef struct field_s {
    const char            *name;
    field_e                type;
    unsigned               flags;
    int64_t                min, max;
    const char            *of;      /* FIELD_ONE_OF */
    int                    each;    /* FIELD_LIST */
    const struct field_s  *fields;  /* FIELD_OBJECT */
} field_t;

/* The body's field as what it was checked to be; NULL (or dflt) when absent. */
const char *body_text(json_t *body, const char *name);
int64_t body_int(json_t *body, const char *name, int64_t dflt);
bool body_bool(json_t *body, const char *name, bool dflt);
bool body_has(json_t *body, const char *name);

#endif
