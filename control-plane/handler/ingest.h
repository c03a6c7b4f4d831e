/* Where a stream's encoder is to send. */

#ifndef INGEST_H
#define INGEST_H

#include "http/request.h"

/*
 * {"node", "server", "url", "encoders": {…}}: the node that has the stream, or
 * else the one that has least to do and does not drain; without any that
 * answers, the configuration's rtmp_url (node null). settings: JSON text.
 *
 * 0, or the status answered: 503 when there is nowhere to send to.
 */
int ingest_choose(request_t *r, const char *stream, const char *settings,
    json_t **ingest);

#endif
