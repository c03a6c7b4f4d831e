/* Pagination by cursor: see page.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "http/page.h"
#include "http/request_int.h"
#include "http/text.h"

#define PAGE_DEFAULT     20
#define PAGE_CURSOR_MAX  400
#define B64              sodium_base64_VARIANT_URLSAFE_NO_PADDING


static int
page_bad(request_t *r)
{
    return problem_field(r, "cursor", "This is not a cursor that was given"
                                      " out.");
}


int
page_read(request_t *r, page_t *page, int keys)
{
    int          rc;
    size_t       len;
    json_t      *list, *key;
    const char  *text;
    unsigned char  plain[PAGE_CURSOR_MAX];

    memset(page, 0, sizeof(*page));
    page->wanted = keys;

    text = request_query(r, "limit");
    page->limit = text != NULL ? atoi(text) : PAGE_DEFAULT;
    snprintf(page->limit_text, sizeof(page->limit_text), "%d",
             page->limit + 1);

    text = request_query(r, "cursor");
    if (text == NULL) {
        return 0;
    }

    if (sodium_base642bin(plain, sizeof(plain), text, strlen(text), NULL, &len,
                          NULL, B64) != 0)
    {
        return page_bad(r);
    }

    list = json_loadb((char *) plain, len, 0, NULL);
    rc = 0;

    if (!json_is_array(list) || json_array_size(list) != (size_t) keys) {
        rc = page_bad(r);
    }

    for (int i = 0; rc == 0 && i < keys; i++) {
        key = json_array_get(list, i);

        if (!json_is_string(key)
            || text_has_controls(json_string_value(key), false))
        {
            rc = page_bad(r);
            break;
        }

        page->key[i] = request_printf(r, "%s", json_string_value(key));
    }

    page->keys = keys;
    json_decref(list);

    return rc;
}


/* The cursor behind a row, quoted; or "null". */
static char *
page_cursor(request_t *r, db_result_t *res, int row, int key, int keys)
{
    char    *text, *cursor;
    size_t   size;
    json_t  *list;

    list = json_array();

    for (int i = 0; i < keys; i++) {
        json_array_append_new(list, json_string(db_text(res, row, key + i)));
    }

    text = json_dumps(list, JSON_COMPACT);
    json_decref(list);

    if (text == NULL) {
        abort();
    }

    size = sodium_base64_encoded_len(strlen(text), B64);
    cursor = request_alloc(r, size + 2);
    cursor[0] = '"';
    sodium_bin2base64(cursor + 1, size, (unsigned char *) text, strlen(text),
                      B64);
    strcat(cursor, "\"");
    free(text);

    return cursor;
}


int
respond_page(request_t *r, page_t *page, db_result_t *res, int json, int key)
{
    int          rows;
    char        *text;
    FILE        *out;
    size_t       size;
    const char  *next;

    rows = db_rows(res);
    next = "null";

    if (rows > page->limit) {
        rows = page->limit;
        next = page_cursor(r, res, rows - 1, key, page->wanted);
    }

    out = open_memstream(&text, &size);
    if (out == NULL) {
        abort();
    }

    fputs("{\"items\":[", out);

    for (int i = 0; i < rows; i++) {
        fprintf(out, "%s%s", i == 0 ? "" : ",", db_text(res, i, json));
    }

    fprintf(out, "],\"next\":%s}", next);
    fclose(out);

    return respond_raw(r, 200, "application/json", text, size);
}
