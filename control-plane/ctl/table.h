/*
 * Rows for people: columns as wide as what is in them, control characters
 * shown as "?", nothing wraps.
 */

#ifndef TABLE_H
#define TABLE_H

#include <jansson.h>

/*
 * heads: ends with NULL. rows: an array of arrays of texts; taken over. One
 * line of heads, even when there are no rows.
 */
void table_print(const char *const *heads, json_t *rows);

/* A JSON value of an answer as a text (a new reference): "-" when absent or
 * null, "yes" and "no", numbers without a fraction. */
json_t *table_text(json_t *object, const char *name);

/* The answer itself, for programs. */
void table_json(json_t *json);

#endif
