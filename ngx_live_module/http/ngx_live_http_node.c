/* The guard of what is for our own nodes and daemons only. */

#include "ngx_live_http.h"
#include "ngx_live_limit.h"

/* Nonces of two minutes at some 70 signed requests a second. */
#define NGX_LIVE_NODE_NONCES  8192

/* One zone for all locations: a request is good for one of them only. */
static ngx_str_t  ngx_live_http_node_zone_name =
    ngx_string("ngx_live_node_nonces");

static ngx_shm_zone_t  *ngx_live_http_node_shm;


static ngx_int_t ngx_live_http_node_zone_init(ngx_shm_zone_t *zone,
    void *data);
static ngx_int_t ngx_live_http_node_signed(ngx_http_request_t *r,
    ngx_live_keyfile_t *kf, const char **detail);
static ngx_uint_t ngx_live_http_node_local(ngx_http_request_t *r);
static ngx_uint_t ngx_live_http_node_host(ngx_http_request_t *r);
static ngx_uint_t ngx_live_http_node_forwarded(ngx_table_elt_t *h);
static ngx_uint_t ngx_live_http_node_foreign(ngx_http_request_t *r,
    ngx_str_t *origin);


char *
ngx_live_http_node_zone(ngx_conf_t *cf)
{
    size_t           size;
    ngx_shm_zone_t  *zone;

    size = ngx_align(LV_NODE_NONCES_SIZE(NGX_LIVE_NODE_NONCES), ngx_pagesize)
           + 8 * ngx_pagesize;

    zone = ngx_shared_memory_add(cf, &ngx_live_http_node_zone_name, size,
                                 &ngx_http_live_auth_module);
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    zone->init = ngx_live_http_node_zone_init;
    ngx_live_http_node_shm = zone;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_live_http_node_zone_init(ngx_shm_zone_t *zone, void *data)
{
    void             *mem;
    size_t            size;
    ngx_slab_pool_t  *pool;

    if (data) {
        zone->data = data;
        return NGX_OK;
    }

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (zone->shm.exists) {
        zone->data = pool->data;
        return NGX_OK;
    }

    size = LV_NODE_NONCES_SIZE(NGX_LIVE_NODE_NONCES);

    mem = ngx_slab_alloc(pool, size);
    if (mem == NULL) {
        return NGX_ERROR;
    }

    pool->data = mem;
    zone->data = lv_node_nonces_init(mem, size);

    return zone->data ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_live_http_node_check(ngx_http_request_t *r, const char **detail)
{
    return ngx_live_http_node_check_key(r, NULL, detail);
}


ngx_int_t
ngx_live_http_node_check_key(ngx_http_request_t *r, ngx_live_keyfile_t *key,
    const char **detail)
{
    ngx_live_http_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_live_auth_module);

    if (conf->node_key) {
        key = conf->node_key;
    }

    if (key) {
        return ngx_live_http_node_signed(r, key, detail);
    }

    if (ngx_live_http_node_local(r)) {
        return NGX_OK;
    }

    *detail = "Only this machine may ask, since there is no live_node_key.";

    return NGX_HTTP_FORBIDDEN;
}


static ngx_int_t
ngx_live_http_node_signed(ngx_http_request_t *r, ngx_live_keyfile_t *kf,
    const char **detail)
{
    lv_str_t              method, target, header;
    ngx_shm_zone_t       *zone;
    ngx_slab_pool_t      *pool;
    lv_node_result_e      result;
    ngx_live_http_ctx_t  *ctx;

    method.data = r->method_name.data;
    method.len = r->method_name.len;

    ctx = ngx_live_http_ctx(r);

    if (ctx && ctx->target.data) {
        target.data = ctx->target.data;
        target.len = ctx->target.len;

    } else {
        target.data = r->unparsed_uri.data;
        target.len = r->unparsed_uri.len;
    }

    ngx_memzero(&header, sizeof(lv_str_t));
    header.data = (u_char *) "";

    if (r->headers_in.authorization) {
        header.data = r->headers_in.authorization->value.data;
        header.len = r->headers_in.authorization->value.len;
    }

    /* all workers and all generations share the memory of nonces */

    zone = ngx_live_http_node_shm;
    pool = (ngx_slab_pool_t *) zone->shm.addr;

    ngx_shmtx_lock(&pool->mutex);

    result = lv_node_verify(kf->nodes, zone->data, method, target, header,
                            ngx_time());

    ngx_shmtx_unlock(&pool->mutex);

    if (result == LV_NODE_OK) {
        return NGX_OK;
    }

    *detail = lv_node_result_text(result);

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "request of a node refused: %s", *detail);

    return NGX_HTTP_UNAUTHORIZED;
}


/*
 * A peer on this machine may be a proxy that speaks for somebody else; then
 * something in the request says so. And a web page in a browser on this
 * machine is not the one who sits there: its requests name another origin, or,
 * when its own name was made to mean this machine (DNS rebinding), a host that
 * is not this one's.
 */
static ngx_uint_t
ngx_live_http_node_local(ngx_http_request_t *r)
{
    u_char           *ip;
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static const u_char  loopback[16] = { 0, 0, 0, 0, 0, 0, 0, 0,
                                          0, 0, 0, 0, 0, 0, 0, 1 };

    if (r->connection->proxy_protocol) {
        return 0;
    }

    ip = ngx_live_sockaddr_ip(r->connection->sockaddr, &len);

    if (len == 4 ? ip[0] != 127
                 : len == 16 && ngx_memcmp(ip, loopback, 16) != 0)
    {
        return 0;
    }

    if (!ngx_live_http_node_host(r)) {
        return 0;
    }

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return 1;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (ngx_live_http_node_forwarded(&h[i])) {
            return 0;
        }

        if (h[i].key.len == sizeof("Origin") - 1
            && ngx_strncasecmp(h[i].key.data, (u_char *) "Origin",
                               sizeof("Origin") - 1)
               == 0
            && ngx_live_http_node_foreign(r, &h[i].value))
        {
            return 0;
        }
    }
}


/* Names that nobody else can give to this machine: none, an address, localhost,
 * its host name, the server's name. nginx has them in lower case, no port. */
static ngx_uint_t
ngx_live_http_node_host(ngx_http_request_t *r)
{
    ngx_str_t                  host, names[3];
    ngx_uint_t                 i;
    ngx_http_core_srv_conf_t  *cscf;

    static ngx_str_t  local = ngx_string(".localhost");

    host = r->headers_in.server;
    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    ngx_str_set(&names[0], "localhost");
    names[1] = ngx_cycle->hostname;
    names[2] = cscf->server_name;

    if (host.len == 0 || host.data[0] == '['
        || ngx_inet_addr(host.data, host.len) != INADDR_NONE)
    {
        return 1;
    }

    if (host.len > local.len
        && ngx_strncmp(host.data + host.len - local.len, local.data, local.len)
           == 0)
    {
        return 1;
    }

    for (i = 0; i < sizeof(names) / sizeof(ngx_str_t); i++) {
        if (host.len == names[i].len
            && ngx_strncasecmp(host.data, names[i].data, host.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_live_http_node_forwarded(ngx_table_elt_t *h)
{
    ngx_uint_t  i;

    static ngx_str_t  names[] = {
        ngx_string("Forwarded"),
        ngx_string("Via"),
        ngx_string("X-Real-IP"),
        ngx_string("X-Client-IP"),
        ngx_string("Client-IP"),
        ngx_string("True-Client-IP"),
        ngx_string("CDN-Loop"),
        ngx_string("CF-Connecting-IP"),
        ngx_string("X-Cluster-Client-IP"),
        ngx_string("X-Envoy-External-Address"),
        ngx_string("Fastly-Client-IP")
    };

    /* X-Forwarded-For, -Host, -Proto, -Server, -By ... */

    if (h->key.len >= sizeof("X-Forwarded") - 1
        && ngx_strncasecmp(h->key.data, (u_char *) "X-Forwarded",
                           sizeof("X-Forwarded") - 1)
           == 0)
    {
        return 1;
    }

    for (i = 0; i < sizeof(names) / sizeof(ngx_str_t); i++) {
        if (h->key.len == names[i].len
            && ngx_strncasecmp(h->key.data, names[i].data, names[i].len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* Whether an Origin is another one than the Host that was asked. */
static ngx_uint_t
ngx_live_http_node_foreign(ngx_http_request_t *r, ngx_str_t *origin)
{
    u_char     *p;
    ngx_str_t   host;

    p = ngx_strnstr(origin->data, "://", origin->len);

    if (p == NULL || r->headers_in.host == NULL) {
        return 1;
    }

    p += sizeof("://") - 1;
    host = r->headers_in.host->value;

    return host.len != (size_t) (origin->data + origin->len - p)
           || ngx_strncasecmp(p, host.data, host.len) != 0;
}
