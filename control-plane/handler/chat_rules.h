/* What may be said in a room, for messages over the API: the same rules that
 * nodes hold members to. */

#ifndef CHAT_RULES_H
#define CHAT_RULES_H

#include "http/request.h"

typedef struct {
    const char  *stream;
    const char  *role;          /* in the room: "viewer" … "owner" */
    const char  *text;          /* becomes what is said: cleaned, masked */
    bool         held;          /* it waits for a moderator */
} chat_said_t;

/* 0: it may be said; or the status that was answered. */
int chat_rules(request_t *r, chat_said_t *said);

#endif
