/* Checks of text from outside. Pure. */

#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Valid UTF-8 (RFC 3629) without NUL: the number of characters, or -1. */
int64_t utf8_count(const char *text, size_t len);

/* Has C0, C1 or DEL; lines: \n and \t are fine. The text is valid UTF-8. */
bool text_has_controls(const char *text, bool lines);

/* Percent-decodes in place (and "+" as a space when plus). -1: a bad escape,
 * NUL, or not UTF-8. */
int percent_decode(char *text, bool plus);

/* RFC 3339 with a zone, years 1970 to 9999, without a leap second. */
bool time_valid(const char *text);

bool id_valid(const char *text);            /* 1 to 2^63 - 1, no zeros ahead */
bool username_valid(const char *text);
bool email_valid(const char *text);
bool url_valid(const char *text);           /* http(s)://host, no user name */
bool base64url_valid(const char *text);
bool node_id_valid(const char *text);

#endif
