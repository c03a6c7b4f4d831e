/* Viewer tokens: viewer_tokens.c makes them, tokens.c takes them back. */

#ifndef TOKENS_H
#define TOKENS_H

#include "http/router.h"

int viewer_token_post(request_t *r);
int stream_stats_get(request_t *r);         /* stats.c */

#endif
