/*
 * One delivery as an HTTP request:
 *
 *   POST <url>
 *   Content-Type: application/json
 *   Live-Event: stream.live
 *   Live-Delivery: 4711                    the same for every attempt
 *   Live-Signature: t=1700000000,v1=<hex of HMAC-SHA256(secret, "t.body")>
 *
 *   {"id", "type", "time", "data"}
 *
 * Of the answer SEND_BODY_MAX bytes are read, then the connection is cut; its
 * status counts all the same.
 */

#ifndef WEBHOOK_SEND_H
#define WEBHOOK_SEND_H

#include <curl/curl.h>

#include "job/webhook_queue.h"

#define SEND_BODY_MAX     65536
#define SEND_HEAD_MAX     65536
#define SEND_EXCERPT_MAX  500       /* bytes of an answer that are kept */

struct app_s;

typedef struct {
    taken_t             taken;
    bool                used;
    bool                allow_private;
    bool                refused;        /* an address, by us */
    CURL               *easy;           /* its CURLOPT_PRIVATE is the flight */
    struct curl_slist  *headers;
    size_t              head, body;     /* bytes of the answer */
    size_t              kept;
    char                excerpt[SEND_EXCERPT_MAX + 1];
} flight_t;

/*
 * Makes flight->easy of flight->taken. NULL, or a sentence why it cannot be
 * sent.
 */
const char *send_prepare(struct app_s *app, flight_t *flight);

/* How it went. error: of at least CURL_ERROR_SIZE bytes, for the outcome. */
void send_outcome(flight_t *flight, CURLcode code, outcome_t *outcome,
    char *error, size_t size);

/* Frees everything, what was taken too. */
void send_free(flight_t *flight);

#endif
