/* One HTTP request under way: what ngx_live_client.c and ngx_live_call_head.c
 * share. */

#ifndef NGX_LIVE_CALL_H
#define NGX_LIVE_CALL_H

#include "ngx_live_endpoint.h"
#include "lv_http_response.h"
#include "lv_text.h"

struct ngx_live_call_s {
    ngx_pool_t             *pool;
    ngx_live_endpoint_t    *endpoint;
    ngx_live_keyfile_t     *key;
    ngx_str_t               secret;     /* of ngx_live_public_call() */
    ngx_queue_t             wait;       /* for the endpoint's addresses */
    ngx_str_t               target;
    ngx_str_t               body;
    ngx_live_reply_pt       handler;
    void                   *data;

    ngx_event_t             start;      /* posted; then the time limit */
    ngx_connection_t        dumb;       /* for the event's log */

    ngx_connection_t       *connection;
    ngx_live_addr_t        *addr;       /* of a new connection */
    ngx_peer_connection_t   peer;
    ngx_uint_t              tried;      /* addresses, bits */
    u_char                 *head;       /* of the request */
    size_t                  head_len;
    size_t                  sent;       /* of head and body */
    lv_text_t               answer;
    lv_http_response_t      response;
    const char             *error;      /* why it is to end without answer */

    unsigned                reused:1;   /* a kept-alive connection */
    unsigned                retried:1;  /* … was closed: a new one is taken */
    unsigned                connected:1;
    unsigned                received:1; /* a byte of the answer */
    unsigned                waits:1;
};

/* Bytes that an answer may have. */
static ngx_inline size_t
ngx_live_call_limit(ngx_live_call_t *call)
{
    return call->endpoint->guarded ? NGX_LIVE_CALL_PUBLIC
                                   : NGX_LIVE_CALL_BODY;
}

/* Makes the request's head, for a new connection. */
ngx_int_t ngx_live_call_head(ngx_live_call_t *call);

#endif
