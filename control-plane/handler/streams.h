/* One stream as the answer of a request. */

#ifndef STREAMS_H
#define STREAMS_H

#include "http/request.h"

/*
 * Answers with the stream, its ETag, and one member more (value's reference is
 * taken over; NULL: none). 404 when the caller may not see it.
 */
int stream_respond(request_t *r, const char *id, int status,
    const char *member, json_t *value);

/*
 * Ends what is live of a stream, and lets nobody publish until it is started
 * again. why: of the broadcast, see main/command.h; what: in the audit log;
 * reason: a sentence that reaches the encoder. 0, or the status answered.
 */
int stream_end(request_t *r, const char *id, const char *why,
    const char *what, const char *reason);

#endif
