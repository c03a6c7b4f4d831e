/*
 * HTTP/1.1 requests to the control plane, from a worker's event loop.
 *
 * A call has one time limit for everything: connecting, TLS, sending, waiting,
 * reading. Its answer is bounded (NGX_LIVE_CALL_BODY). Connections are kept
 * alive, per worker and endpoint. A name may have several addresses: they
 * take turns, and one that does not answer is left out for a while.
 *
 * Tried again within the time limit: on a new connection when a kept-alive one
 * turned out to be closed before a byte of the answer came; at the next
 * address when connecting failed. Nothing else, so that a request is carried
 * out twice only if the peer closed without a word.
 *
 * With https the certificate must be good for the name in the URL, by
 * live_control_ca or the system's store.
 */

#ifndef NGX_LIVE_CLIENT_H
#define NGX_LIVE_CLIENT_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include "ngx_live_keyfile.h"

#define NGX_LIVE_CALL_BODY   (4 * 1024 * 1024)
#define NGX_LIVE_CALL_IDLE   8          /* kept-alive connections */
#define NGX_LIVE_CALL_KEEP   30000      /* ms */
#define NGX_LIVE_CALL_ADDRS  16
#define NGX_LIVE_CALL_PUBLIC 16384

typedef struct ngx_live_endpoint_s  ngx_live_endpoint_t;
typedef struct ngx_live_call_s      ngx_live_call_t;

typedef struct {
    ngx_uint_t    status;               /* 0: there was no answer */
    ngx_str_t     body;
    const char   *error;                /* without an answer: why */
} ngx_live_reply_t;

/* The reply lives until the handler returns; then the call is gone. Never
 * called from within ngx_live_call(). */
typedef void (*ngx_live_reply_pt)(void *data, ngx_live_reply_t *reply);

/*
 * While the configuration is read: an http:// or https:// URL; the same URL
 * gives the same endpoint. NULL: wrong, said so.
 */
ngx_live_endpoint_t *ngx_live_endpoint_add(ngx_conf_t *cf, ngx_str_t *url);
/* The URL as configured, for logs. */
ngx_str_t *ngx_live_endpoint_url(ngx_live_endpoint_t *ep);

/*
 * POST of a JSON body to the endpoint's path with `path` behind it. key (or
 * NULL) signs it. Both are copied. NULL: out of memory.
 */
ngx_live_call_t *ngx_live_call(ngx_live_endpoint_t *ep, const char *path,
    lv_str_t body, ngx_live_keyfile_t *key, ngx_msec_t timeout,
    ngx_live_reply_pt handler, void *data);
/*
 * The same to a URL of a user's (lib/lv_address.h: to public addresses alone,
 * unless live_review_private is on), signed as webhooks are:
 *
 *   Live-Signature: t=<Unix time>,v1=<hex HMAC-SHA256 of t, ".", body>
 *
 * with `secret`, which is copied. Certificates by the system's store. Answers
 * are at most NGX_LIVE_CALL_PUBLIC bytes. NULL, *err: it can not be called.
 */
ngx_live_call_t *ngx_live_public_call(const ngx_str_t *url, lv_str_t body,
    lv_str_t secret, ngx_msec_t timeout, ngx_live_reply_pt handler,
    void *data, const char **err);

/* The handler will not be called. */
void ngx_live_call_cancel(ngx_live_call_t *call);

#endif
