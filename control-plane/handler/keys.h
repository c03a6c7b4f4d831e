/* Stream keys: 160 random bits as 32 characters of base32; the database has
 * their SHA-256 only. */

#ifndef KEYS_H
#define KEYS_H

#include "http/request.h"

/*
 * Makes a key and its row. expires: RFC 3339 or NULL. *json: a new reference
 * to {"id", "label", "key", …}, the only time that the key is shown. 0, or -1
 * as db calls do.
 */
int key_create(request_t *r, const char *stream, const char *label,
    const char *expires, json_t **json);

#endif
