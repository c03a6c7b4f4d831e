/* What ngx_live_endpoint.c, ngx_live_client.c and ngx_live_redis.c share. */

#ifndef NGX_LIVE_ENDPOINT_H
#define NGX_LIVE_ENDPOINT_H

#include "ngx_live_cluster.h"

typedef struct {
    ngx_sockaddr_t  sockaddr;
    socklen_t       socklen;
    ngx_str_t       name;               /* in text */
    u_char          text[NGX_SOCKADDR_STRLEN];
    ngx_uint_t      fails;              /* in a row */
    ngx_msec_t      down_until;
} ngx_live_addr_t;

struct ngx_live_endpoint_s {
    ngx_str_t        url;
    ngx_str_t        host;              /* without brackets */
    ngx_str_t        host_header;       /* host[:port] */
    ngx_str_t        path;              /* never ends in "/" */
    in_port_t        port;
    ngx_uint_t       ssl;
    ngx_uint_t       literal;           /* the host is an address */
    ngx_uint_t       guarded;           /* a URL of a user's: public addresses
                                           alone, unless live_review_private */

    /* of this worker, from here on */
    ngx_live_addr_t  addrs[NGX_LIVE_CALL_ADDRS];
    ngx_uint_t       naddrs;
    ngx_uint_t       refused;           /* addresses that are not public */
    ngx_uint_t       turn;
    ngx_uint_t       calls;             /* under way */
    ngx_queue_t      waiting;           /* … for the first addresses */
    ngx_queue_t      idle;              /* ngx_live_idle_t, newest first */
    ngx_uint_t       nidle;
    ngx_resolver_ctx_t  *resolving;
    ngx_msec_t       resolve_at;        /* not before that */
    unsigned         resolved:1;
#if (NGX_SSL)
    ngx_ssl_t       *tls;
    ngx_str_t       *ca;                /* a file; empty: the system's */
    const char      *ca_name;           /* the directive that says so */
#endif
};

/*
 * While the configuration is read: of any protocol. `where` is host, host:port
 * or unix:PATH; `url` is for logs. NULL: wrong, said so.
 */
ngx_live_endpoint_t *ngx_live_endpoint_raw(ngx_conf_t *cf, ngx_str_t *where,
    in_port_t port, ngx_str_t *url);

/* An http:// or https:// URL, whose text stays; `guarded` is set before. Its
 * names are not looked up. NGX_ERROR, *err: what is wrong with it. */
ngx_int_t ngx_live_endpoint_parse(ngx_pool_t *pool, ngx_str_t *url,
    ngx_live_endpoint_t *ep, const char **err);
/* Appends an address, if it may be one. */
void ngx_live_endpoint_set(ngx_live_endpoint_t *ep, struct sockaddr *sa,
    socklen_t len, ngx_live_addr_t *old, ngx_uint_t nold);
/* Closes what is kept, and asks for no addresses; nothing is under way. */
void ngx_live_endpoint_close(ngx_live_endpoint_t *ep);
/* ngx_live_client.c: it is known now where it leads, or that it does not. */
void ngx_live_call_resolved(ngx_live_endpoint_t *ep);
/* Right after ngx_live_call(): signs with it, and not with the node's key. */
ngx_int_t ngx_live_call_secret(ngx_live_call_t *call, lv_str_t secret);

/* When all of the configuration has been read. */
ngx_int_t ngx_live_endpoint_init(ngx_cycle_t *cycle, ngx_live_endpoint_t *ep,
    ngx_live_cluster_conf_t *ccf);

/* Asks the resolver, if there is one and it is time to. */
void ngx_live_endpoint_resolve(ngx_live_endpoint_t *ep);
/* The next address in turn that is not in `tried` (bits); NULL: none. */
ngx_live_addr_t *ngx_live_endpoint_next(ngx_live_endpoint_t *ep,
    ngx_uint_t *tried);
void ngx_live_addr_result(ngx_live_addr_t *addr, ngx_uint_t good);

/* Takes a kept-alive connection, or NULL; *addr: where it leads. */
ngx_connection_t *ngx_live_endpoint_get(ngx_live_endpoint_t *ep);
/* Keeps a connection for later, or closes it. */
void ngx_live_endpoint_put(ngx_live_endpoint_t *ep, ngx_connection_t *c);
void ngx_live_connection_close(ngx_connection_t *c);

#if (NGX_SSL)
/* Makes `tls`, by `ca`. */
ngx_int_t ngx_live_endpoint_tls(ngx_cycle_t *cycle, ngx_live_endpoint_t *ep);
/* Begins TLS as a client; `done` is called when it has ended, which may be at
 * once. NGX_ERROR: it cannot be begun. */
ngx_int_t ngx_live_endpoint_handshake(ngx_live_endpoint_t *ep,
    ngx_connection_t *c, void (*done)(ngx_connection_t *c));
/* Is the certificate that the peer showed good for the host? */
ngx_int_t ngx_live_endpoint_verify(ngx_live_endpoint_t *ep,
    ngx_connection_t *c, const char **err);
#endif

#endif
