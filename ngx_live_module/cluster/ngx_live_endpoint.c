/* A URL of the control plane: see ngx_live_client.h. */

#include "ngx_live_endpoint.h"
#include "lv_address.h"

#if (NGX_SSL)
#include <openssl/x509v3.h>
#endif


#define NGX_LIVE_RESOLVE_MIN_MS  5000
#define NGX_LIVE_RESOLVE_MAX_MS  60000
#define NGX_LIVE_ADDR_DOWN_MS    500    /* after the first failure */
#define NGX_LIVE_ADDR_DOWN_MAX   16000
#define NGX_LIVE_CALL_REQUESTS   1000   /* over one connection: bounds what its
                                           pool grows by */


/* Keeps a connection; of the connection's own pool. */
typedef struct {
    ngx_queue_t           queue;
    ngx_connection_t     *connection;
    ngx_live_endpoint_t  *endpoint;
} ngx_live_idle_t;


static void ngx_live_endpoint_host(ngx_live_endpoint_t *ep, ngx_url_t *u);
static void ngx_live_endpoint_resolved(ngx_resolver_ctx_t *ctx);
static void ngx_live_idle_handler(ngx_event_t *ev);
static void ngx_live_idle_write(ngx_event_t *ev);


ngx_live_endpoint_t *
ngx_live_endpoint_add(ngx_conf_t *cf, ngx_str_t *url)
{
    const char               *err;
    ngx_uint_t                i;
    ngx_live_endpoint_t      *ep, **eps;
    ngx_live_cluster_conf_t  *ccf;

    ccf = (ngx_live_cluster_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                                   ngx_live_cluster_module);
    eps = ccf->endpoints.elts;

    for (i = 0; i < ccf->endpoints.nelts; i++) {
        if (eps[i]->url.len == url->len
            && ngx_strncmp(eps[i]->url.data, url->data, url->len) == 0)
        {
            return eps[i];
        }
    }

    ep = ngx_pcalloc(cf->cycle->pool, sizeof(ngx_live_endpoint_t));
    if (ep == NULL) {
        return NULL;
    }

    if (ngx_live_endpoint_parse(cf->cycle->pool, url, ep, &err) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\": %s", url, err);
        return NULL;
    }

#if (NGX_SSL)
    ep->ca = &ccf->ca;
    ep->ca_name = "live_control_ca";
#endif

    eps = ngx_array_push(&ccf->endpoints);
    if (eps == NULL) {
        return NULL;
    }

    *eps = ep;

    return ep;
}


ngx_live_endpoint_t *
ngx_live_endpoint_raw(ngx_conf_t *cf, ngx_str_t *where, in_port_t port,
    ngx_str_t *url)
{
    ngx_url_t                 u;
    ngx_live_endpoint_t      *ep, **eps;
    ngx_live_cluster_conf_t  *ccf;

    ccf = (ngx_live_cluster_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                                   ngx_live_cluster_module);
    ep = ngx_pcalloc(cf->cycle->pool, sizeof(ngx_live_endpoint_t));
    eps = ngx_array_push(&ccf->endpoints);

    if (ep == NULL || eps == NULL) {
        return NULL;
    }

    *eps = ep;
    ep->url = *url;
    ep->host_header = *where;

    ngx_memzero(&u, sizeof(ngx_url_t));
    u.url = *where;
    u.default_port = port;
    u.no_resolve = 1;

    if (ngx_parse_url(cf->cycle->pool, &u) != NGX_OK || u.host.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in \"%V\"",
                           u.err ? u.err : "no host", url);
        return NULL;
    }

    ngx_live_endpoint_host(ep, &u);
    ep->literal |= u.family == AF_UNIX;

    return ep;
}


static void
ngx_live_endpoint_host(ngx_live_endpoint_t *ep, ngx_url_t *u)
{
    ep->port = u->port;
    ep->host = u->host;
    ep->literal = ngx_inet_addr(u->host.data, u->host.len) != INADDR_NONE;

    if (u->host.data[0] == '[') {
        ep->literal = 1;
        ep->host.data++;
        ep->host.len -= 2;
    }
}


ngx_int_t
ngx_live_endpoint_parse(ngx_pool_t *pool, ngx_str_t *url,
    ngx_live_endpoint_t *ep, const char **err)
{
    size_t      i, add;
    ngx_url_t   u;

    ngx_memzero(&u, sizeof(ngx_url_t));
    ngx_queue_init(&ep->idle);
    ngx_queue_init(&ep->waiting);
    ep->url = *url;

    if (ngx_strncasecmp(url->data, (u_char *) "https://", 8) == 0) {
        add = 8;
        u.default_port = 443;
        ep->ssl = 1;
#if !(NGX_SSL)
        *err = "this nginx has no SSL";
        return NGX_ERROR;
#endif

    } else if (ngx_strncasecmp(url->data, (u_char *) "http://", 7) == 0) {
        add = 7;
        u.default_port = 80;

    } else {
        *err = "it is not an http:// or https:// URL";
        return NGX_ERROR;
    }

    u.url.data = url->data + add;
    u.url.len = url->len - add;
    u.uri_part = 1;
    u.no_resolve = 1;

    if (ngx_parse_url(pool, &u) != NGX_OK || u.host.len == 0
        || u.family == AF_UNIX)
    {
        *err = u.err ? u.err : "no host";
        return NGX_ERROR;
    }

    /* it goes into a request line */

    for (i = 0; i < u.uri.len; i++) {
        if (u.uri.data[i] <= ' ' || u.uri.data[i] >= 0x7f
            || u.uri.data[i] == '#' || u.uri.data[i] == '?')
        {
            *err = "it may have a path, but no arguments and no characters "
                   "that need to be escaped";
            return NGX_ERROR;
        }
    }

    ep->host_header.data = u.url.data;
    ep->host_header.len = u.url.len - u.uri.len;
    ep->path = u.uri;
    ngx_live_endpoint_host(ep, &u);

    /* others are put together from it and a path */

    while (!ep->guarded && ep->path.len
           && ep->path.data[ep->path.len - 1] == '/')
    {
        ep->path.len--;
    }

    for (i = 0; ep->guarded && i < u.naddrs; i++) {
        ngx_live_endpoint_set(ep, u.addrs[i].sockaddr, u.addrs[i].socklen,
                              NULL, 0);
    }

    return NGX_OK;
}


ngx_str_t *
ngx_live_endpoint_url(ngx_live_endpoint_t *ep)
{
    return &ep->url;
}


ngx_int_t
ngx_live_endpoint_init(ngx_cycle_t *cycle, ngx_live_endpoint_t *ep,
    ngx_live_cluster_conf_t *ccf)
{
    ngx_uint_t  i;
    ngx_url_t   u;

    ngx_queue_init(&ep->idle);
    ngx_queue_init(&ep->waiting);

    ngx_memzero(&u, sizeof(ngx_url_t));
    u.url = ep->host_header;
    u.default_port = ep->port;

    if (ngx_parse_url(cycle->pool, &u) != NGX_OK) {

        if (ccf->resolver == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "%s in \"%V\"",
                          u.err ? u.err : "no address", &ep->url);
            return NGX_ERROR;
        }

        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "%s in \"%V\", it will be asked for later",
                      u.err ? u.err : "no address", &ep->url);
    }

    for (i = 0; i < u.naddrs; i++) {
        ngx_live_endpoint_set(ep, u.addrs[i].sockaddr, u.addrs[i].socklen,
                              NULL, 0);
    }

#if (NGX_SSL)
    if (ep->ssl) {
        return ngx_live_endpoint_tls(cycle, ep);
    }
#endif

    return NGX_OK;
}


/* ---- addresses ---------------------------------------------------------- */

/* What is known of it comes from the old ones. */
void
ngx_live_endpoint_set(ngx_live_endpoint_t *ep, struct sockaddr *sa,
    socklen_t len, ngx_live_addr_t *old, ngx_uint_t nold)
{
    ngx_uint_t        i;
    ngx_live_addr_t  *addr;

    if (ep->naddrs == NGX_LIVE_CALL_ADDRS || len > sizeof(ngx_sockaddr_t)) {
        return;
    }

    if (ep->guarded && !lv_address_is_public(sa, len)
        && !ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle)->review_private)
    {
        ep->refused++;
        return;
    }

    addr = &ep->addrs[ep->naddrs++];
    ngx_memzero(addr, sizeof(ngx_live_addr_t));

    ngx_memcpy(&addr->sockaddr, sa, len);
    addr->socklen = len;
    ngx_inet_set_port(&addr->sockaddr.sockaddr, ep->port);
    addr->name.data = addr->text;
    addr->name.len = ngx_sock_ntop(&addr->sockaddr.sockaddr, len, addr->text,
                                   NGX_SOCKADDR_STRLEN, 1);

    for (i = 0; i < nold; i++) {
        if (ngx_cmp_sockaddr(&old[i].sockaddr.sockaddr, old[i].socklen,
                             &addr->sockaddr.sockaddr, len, 1)
            == NGX_OK)
        {
            addr->fails = old[i].fails;
            addr->down_until = old[i].down_until;
        }
    }
}


void
ngx_live_endpoint_resolve(ngx_live_endpoint_t *ep)
{
    ngx_resolver_ctx_t       *ctx;
    ngx_live_cluster_conf_t  *ccf;

    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);

    if (ccf->resolver == NULL || ep->literal || ep->resolving || ngx_exiting
        || (ep->resolved
            && (ngx_msec_int_t) (ngx_current_msec - ep->resolve_at) < 0))
    {
        return;
    }

    ep->resolved = 1;
    ep->resolve_at = ngx_current_msec + NGX_LIVE_RESOLVE_MIN_MS;

    ctx = ngx_resolve_start(ccf->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        return;
    }

    ctx->name = ep->host;
    ctx->handler = ngx_live_endpoint_resolved;
    ctx->data = ep;
    ctx->timeout = 5000;
    ctx->cancelable = 1;

    ep->resolving = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        ep->resolving = NULL;
    }
}


static void
ngx_live_endpoint_resolved(ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t            i, nold;
    ngx_msec_t            ms;
    ngx_live_addr_t       old[NGX_LIVE_CALL_ADDRS];
    ngx_live_endpoint_t  *ep = ctx->data;

    ep->resolving = NULL;

    if (ctx->state || ctx->naddrs == 0) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "live: \"%V\" could not be resolved (%i: %s), its "
                      "addresses stay in use", &ep->host, ctx->state,
                      ngx_resolver_strerror(ctx->state));
        ngx_resolve_name_done(ctx);
        ngx_live_call_resolved(ep);
        return;
    }

    nold = ep->naddrs;
    ngx_memcpy(old, ep->addrs, nold * sizeof(ngx_live_addr_t));
    ep->naddrs = 0;

    for (i = 0; i < ctx->naddrs; i++) {
        ngx_live_endpoint_set(ep, ctx->addrs[i].sockaddr,
                              ctx->addrs[i].socklen, old, nold);
    }

    ms = NGX_LIVE_RESOLVE_MIN_MS;

    if (ctx->valid > ngx_time()) {
        ms = ngx_max(ms, (ngx_msec_t) (ctx->valid - ngx_time()) * 1000);
    }

    ep->resolve_at = ngx_current_msec + ngx_min(ms, NGX_LIVE_RESOLVE_MAX_MS);

    ngx_resolve_name_done(ctx);
    ngx_live_call_resolved(ep);
}


ngx_live_addr_t *
ngx_live_endpoint_next(ngx_live_endpoint_t *ep, ngx_uint_t *tried)
{
    ngx_uint_t        i, n;
    ngx_live_addr_t  *addr, *best;

    best = NULL;

    for (i = 0; i < ep->naddrs; i++) {
        n = (ep->turn + i) % ep->naddrs;

        if (*tried & ((ngx_uint_t) 1 << n)) {
            continue;
        }

        addr = &ep->addrs[n];

        if (addr->fails == 0
            || (ngx_msec_int_t) (ngx_current_msec - addr->down_until) >= 0)
        {
            best = addr;
            break;
        }

        /* all that are left have failed: the one whose time comes first */

        if (best == NULL
            || (ngx_msec_int_t) (addr->down_until - best->down_until) < 0)
        {
            best = addr;
        }
    }

    if (best != NULL) {
        *tried |= (ngx_uint_t) 1 << (best - ep->addrs);
        ep->turn = (best - ep->addrs + 1) % ep->naddrs;
    }

    return best;
}


void
ngx_live_addr_result(ngx_live_addr_t *addr, ngx_uint_t good)
{
    ngx_msec_t  ms;

    if (good) {
        addr->fails = 0;
        return;
    }

    ms = NGX_LIVE_ADDR_DOWN_MS << ngx_min(addr->fails, 5);
    addr->fails++;
    ms = ngx_min(ms, NGX_LIVE_ADDR_DOWN_MAX);

    /* workers are not to come back all at once */
    addr->down_until = ngx_current_msec + ms / 2
                       + (ngx_msec_t) ngx_random() % (ms / 2);
}


/* ---- kept-alive connections --------------------------------------------- */

ngx_connection_t *
ngx_live_endpoint_get(ngx_live_endpoint_t *ep)
{
    ngx_queue_t       *q;
    ngx_connection_t  *c;
    ngx_live_idle_t   *idle;

    if (ngx_queue_empty(&ep->idle)) {
        return NULL;
    }

    q = ngx_queue_head(&ep->idle);
    idle = ngx_queue_data(q, ngx_live_idle_t, queue);
    c = idle->connection;

    ngx_queue_remove(q);
    ep->nidle--;

    c->idle = 0;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    return c;
}


void
ngx_live_endpoint_put(ngx_live_endpoint_t *ep, ngx_connection_t *c)
{
    ngx_live_idle_t  *idle;

    idle = ngx_palloc(c->pool, sizeof(ngx_live_idle_t));

    if (idle == NULL || ngx_exiting || ngx_terminate
        || ep->nidle == NGX_LIVE_CALL_IDLE
        || ++c->requests == NGX_LIVE_CALL_REQUESTS
        || c->read->eof || c->read->error
        || ngx_handle_read_event(c->read, 0) != NGX_OK)
    {
        ngx_live_connection_close(c);
        return;
    }

    idle->connection = c;
    idle->endpoint = ep;

    ngx_queue_insert_head(&ep->idle, &idle->queue);
    ep->nidle++;

    c->data = idle;
    c->idle = 1;
    c->log = ngx_cycle->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->pool->log = c->log;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    c->read->handler = ngx_live_idle_handler;
    c->write->handler = ngx_live_idle_write;
    c->read->cancelable = 1;

    ngx_add_timer(c->read, NGX_LIVE_CALL_KEEP);

    if (c->read->ready) {
        ngx_live_idle_handler(c->read);
    }
}


void
ngx_live_endpoint_close(ngx_live_endpoint_t *ep)
{
    ngx_connection_t  *c;

    while ((c = ngx_live_endpoint_get(ep)) != NULL) {
        ngx_live_connection_close(c);
    }

    if (ep->resolving) {
        ngx_resolve_name_done(ep->resolving);
        ep->resolving = NULL;
    }
}


/* It is closed by the peer, by time, or by an exiting worker. What a peer
 * sends unasked closes it, too. */

static void
ngx_live_idle_handler(ngx_event_t *ev)
{
    int                n;
    u_char             buf[1];
    ngx_connection_t  *c;
    ngx_live_idle_t   *idle;

    c = ev->data;
    idle = c->data;

    if (!c->close && !ev->timedout) {
        n = recv(c->fd, buf, 1, MSG_PEEK);

        if (n == -1 && ngx_socket_errno == NGX_EAGAIN) {
            ev->ready = 0;

            if (ngx_handle_read_event(ev, 0) == NGX_OK) {
                return;
            }
        }
    }

    ngx_queue_remove(&idle->queue);
    idle->endpoint->nidle--;

    ngx_live_connection_close(c);
}


static void
ngx_live_idle_write(ngx_event_t *ev)
{
    /* nothing is sent */
}


void
ngx_live_connection_close(ngx_connection_t *c)
{
    ngx_pool_t  *pool;

    pool = c->pool;

#if (NGX_SSL)
    if (c->ssl) {
        /* a close_notify if it goes, and no waiting for the peer's */
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = !c->ssl->handshaked;
        (void) ngx_ssl_shutdown(c);
    }
#endif

    ngx_close_connection(c);
    ngx_destroy_pool(pool);
}


/* ---- TLS ---------------------------------------------------------------- */

#if (NGX_SSL)

ngx_int_t
ngx_live_endpoint_tls(ngx_cycle_t *cycle, ngx_live_endpoint_t *ep)
{
    ngx_str_t           *ca;
    ngx_pool_cleanup_t  *cln;

    ca = ep->ca;
    ep->tls = ngx_pcalloc(cycle->pool, sizeof(ngx_ssl_t));
    cln = ngx_pool_cleanup_add(cycle->pool, 0);

    if (ep->tls == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    ep->tls->log = cycle->log;

    if (ngx_ssl_create(ep->tls, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ep->tls;

    SSL_CTX_set_verify(ep->tls->ctx, SSL_VERIFY_NONE, NULL);

    if (ca->len == 0) {
        if (SSL_CTX_set_default_verify_paths(ep->tls->ctx) != 1) {
            ngx_ssl_error(NGX_LOG_EMERG, cycle->log, 0,
                          "SSL_CTX_set_default_verify_paths() failed");
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    if (SSL_CTX_load_verify_locations(ep->tls->ctx, (char *) ca->data, NULL)
        != 1)
    {
        ngx_ssl_error(NGX_LOG_EMERG, cycle->log, 0,
                      "%s: \"%s\" cannot be loaded", ep->ca_name, ca->data);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_live_endpoint_handshake(ngx_live_endpoint_t *ep, ngx_connection_t *c,
    void (*done)(ngx_connection_t *c))
{
    char  host[256];

    if (ngx_ssl_create_connection(ep->tls, c, NGX_SSL_BUFFER|NGX_SSL_CLIENT)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ep->literal && ep->host.len < sizeof(host)) {
        (void) ngx_cpystrn((u_char *) host, ep->host.data, ep->host.len + 1);

        if (SSL_set_tlsext_host_name(c->ssl->connection, host) == 0) {
            return NGX_ERROR;
        }
    }

    c->ssl->handler = done;

    if (ngx_ssl_handshake(c) != NGX_AGAIN) {
        done(c);
    }

    return NGX_OK;
}


ngx_int_t
ngx_live_endpoint_verify(ngx_live_endpoint_t *ep, ngx_connection_t *c,
    const char **err)
{
    int    ok;
    X509  *cert;
    long   rc;
    char   host[256];

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        *err = X509_verify_cert_error_string(rc);
        return NGX_ERROR;
    }

    cert = SSL_get_peer_certificate(c->ssl->connection);

    if (cert == NULL || ep->host.len >= sizeof(host)) {
        X509_free(cert);
        *err = "no certificate";
        return NGX_ERROR;
    }

    (void) ngx_cpystrn((u_char *) host, ep->host.data, ep->host.len + 1);

    ok = ep->literal ? X509_check_ip_asc(cert, host, 0)
                     : X509_check_host(cert, host, ep->host.len, 0, NULL);

    X509_free(cert);

    if (ok != 1) {
        *err = "the certificate is for another host";
        return NGX_ERROR;
    }

    return NGX_OK;
}

#endif
