/*
 * The API over HTTP, with a token. Redirects are not followed: the token goes
 * to the host that was named, or nowhere.
 */

#ifndef API_H
#define API_H

#include "ctl/credentials.h"

/* A part of a path or a query's value, percent-encoded; malloc'd. */
char *api_escape(const char *text);

/*
 * path: below /api, as "/streams". body: a reference is taken; NULL: none.
 * CTL_OK and *answer (NULL when there is none; the caller's), or an exit code
 * after a message with what the server says.
 */
int api_call(const credentials_t *cred, const char *method, const char *path,
    json_t *body, json_t **answer);

/* All pages of a list; query: "" or "?live=true". *items: the caller's. */
int api_list(const credentials_t *cred, const char *path, const char *query,
    json_t **items);

#endif
