/*
 * Pagination by cursor: ?limit=1..100 (20) and ?cursor=…. A cursor is opaque:
 * base64url of the sort keys of the last row. An answer is
 *   {"items": […], "next": "cursor" | null}
 */

#ifndef PAGE_H
#define PAGE_H

#include "http/request.h"

#define PAGE_KEYS  3

typedef struct {
    int          limit;             /* rows wanted; ask for limit + 1 */
    char         limit_text[12];    /* limit + 1, as a query parameter */
    int          keys;              /* 0: the first page */
    const char  *key[PAGE_KEYS];
    int          wanted;            /* keys of every page */
} page_t;

/* For a route's query table. */
#define PAGE_FIELDS                                                           \
    { .name = "limit", .type = FIELD_INT, .min = 1, .max = 100 },             \
    { .name = "cursor", .type = FIELD_CURSOR, .max = 400 }

/* 0, or the status of the problem that was answered (a bad cursor, or one
 * with another number of keys). */
int page_read(request_t *r, page_t *page, int keys);

/*
 * The rows of res as a page: column `json` of each row is the item's JSON
 * text; the columns from `key` on (as many as page_read() was told) are its
 * sort keys.
 */
int respond_page(request_t *r, page_t *page, db_result_t *res, int json,
    int key);

#endif
