/* One request to the control plane: see ngx_live_client.h. */

#include "ngx_live_call.h"


#define NGX_LIVE_CALL_READ     16384
#define NGX_LIVE_CALL_TURN_MS  700      /* for connecting, while there are
                                           other addresses to try */


static void ngx_live_call_event(ngx_event_t *ev);
static void ngx_live_call_begin(ngx_live_call_t *call);
static void ngx_live_call_connect(ngx_live_call_t *call);
static ngx_int_t ngx_live_call_connection(ngx_live_call_t *call);
static void ngx_live_call_write_handler(ngx_event_t *wev);
static void ngx_live_call_read_handler(ngx_event_t *rev);
static void ngx_live_call_send(ngx_live_call_t *call);
static void ngx_live_call_read(ngx_live_call_t *call);
static void ngx_live_call_body(void *data, const uint8_t *p, size_t n);
static void ngx_live_call_failed(ngx_live_call_t *call, const char *err);
static void ngx_live_call_done(ngx_live_call_t *call, ngx_uint_t keep);
static void ngx_live_call_finish(ngx_live_call_t *call);
static void ngx_live_call_drop(ngx_live_call_t *call);
#if (NGX_SSL)
static void ngx_live_call_handshake(ngx_live_call_t *call);
static void ngx_live_call_handshaked(ngx_connection_t *c);
#endif


static u_char  ngx_live_call_buffer[NGX_LIVE_CALL_READ];


ngx_live_call_t *
ngx_live_call(ngx_live_endpoint_t *ep, const char *path, lv_str_t body,
    ngx_live_keyfile_t *key, ngx_msec_t timeout, ngx_live_reply_pt handler,
    void *data)
{
    u_char           *p;
    ngx_pool_t       *pool;
    ngx_live_call_t  *call;

    pool = ngx_create_pool(4096 + sizeof(ngx_live_call_t), ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    call = ngx_pcalloc(pool, sizeof(ngx_live_call_t));
    if (call == NULL) {
        goto failed;
    }

    call->pool = pool;
    call->endpoint = ep;
    call->key = key;
    call->handler = handler;
    call->data = data;

    call->target.len = ep->path.len + ngx_strlen(path);
    call->target.data = ngx_pnalloc(pool, call->target.len + 1);
    call->body.data = ngx_pnalloc(pool, body.len + 1);

    if (call->target.data == NULL || call->body.data == NULL) {
        goto failed;
    }

    p = call->target.data;

    if (ep->path.len) {
        p = ngx_cpymem(p, ep->path.data, ep->path.len);
    }

    (void) ngx_cpystrn(p, (u_char *) path, ngx_strlen(path) + 1);

    /* "http://host" alone */
    if (call->target.len == 0) {
        ngx_str_set(&call->target, "/");
    }

    ngx_memcpy(call->body.data, body.data, body.len);
    call->body.len = body.len;

    call->dumb.fd = (ngx_socket_t) -1;
    call->start.handler = ngx_live_call_event;
    call->start.data = &call->dumb;
    call->start.log = ngx_cycle->log;
    call->dumb.data = call;

    lv_text_init(&call->answer, ngx_live_call_limit(call));
    ep->calls++;

    ngx_add_timer(&call->start, timeout);
    ngx_post_event(&call->start, &ngx_posted_events);

    return call;

failed:

    ngx_destroy_pool(pool);

    return NULL;
}


ngx_int_t
ngx_live_call_secret(ngx_live_call_t *call, lv_str_t secret)
{
    call->secret.data = ngx_pnalloc(call->pool, secret.len);

    if (call->secret.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(call->secret.data, secret.data, secret.len);
    call->secret.len = secret.len;

    return NGX_OK;
}


void
ngx_live_call_resolved(ngx_live_endpoint_t *ep)
{
    ngx_queue_t      *q;
    ngx_live_call_t  *call;

    while (!ngx_queue_empty(&ep->waiting)) {
        q = ngx_queue_head(&ep->waiting);
        call = ngx_queue_data(q, ngx_live_call_t, wait);

        ngx_queue_remove(q);
        call->waits = 0;
        ngx_post_event(&call->start, &ngx_posted_events);
    }
}


void
ngx_live_call_cancel(ngx_live_call_t *call)
{
    ngx_live_call_drop(call);
    call->endpoint->calls--;

    if (call->waits) {
        ngx_queue_remove(&call->wait);
    }

    if (call->secret.len) {
        OPENSSL_cleanse(call->secret.data, call->secret.len);
    }

    if (call->start.timer_set) {
        ngx_del_timer(&call->start);
    }

    if (call->start.posted) {
        ngx_delete_posted_event(&call->start);
    }

    lv_text_free(&call->answer);
    ngx_destroy_pool(call->pool);
}


/* Posted to begin, or to end; by its timer when the time is over. */

static void
ngx_live_call_event(ngx_event_t *ev)
{
    ngx_connection_t  *c = ev->data;
    ngx_live_call_t   *call = c->data;

    if (ev->timedout) {
        call->error = "no answer in time";

        if (call->addr) {
            ngx_live_addr_result(call->addr, 0);
        }
    }

    if (call->error) {
        ngx_live_call_finish(call);
        return;
    }

    ngx_live_call_begin(call);
}


static void
ngx_live_call_begin(ngx_live_call_t *call)
{
    ngx_connection_t  *c;

    ngx_live_endpoint_resolve(call->endpoint);

    c = ngx_live_endpoint_get(call->endpoint);

    if (c == NULL) {
        ngx_live_call_connect(call);
        return;
    }

    c->data = call;
    c->read->cancelable = 0;
    c->read->handler = ngx_live_call_read_handler;
    c->write->handler = ngx_live_call_write_handler;

    call->connection = c;
    call->reused = 1;
    call->connected = 1;

    ngx_live_call_send(call);
}


/* To the next address, until one can be connected to. */

static void
ngx_live_call_connect(ngx_live_call_t *call)
{
    ngx_int_t             rc;
    ngx_live_endpoint_t  *ep;

    ep = call->endpoint;

    for ( ;; ) {
        call->addr = ngx_live_endpoint_next(ep, &call->tried);

        if (call->addr == NULL && ep->naddrs == 0 && ep->resolving) {
            ngx_queue_insert_tail(&ep->waiting, &call->wait);
            call->waits = 1;
            return;
        }

        if (call->addr == NULL) {
            if (call->error == NULL) {
                call->error = ep->naddrs ? "cannot be connected to"
                              : ep->refused ? "its address is not public"
                                            : "its name has no address";
            }

            /* not from within ngx_live_call_event()'s caller */
            ngx_post_event(&call->start, &ngx_posted_events);
            return;
        }

        call->error = NULL;

        ngx_memzero(&call->peer, sizeof(ngx_peer_connection_t));
        call->peer.sockaddr = &call->addr->sockaddr.sockaddr;
        call->peer.socklen = call->addr->socklen;
        call->peer.name = &call->addr->name;
        call->peer.get = ngx_event_get_peer;
        call->peer.log = ngx_cycle->log;
        call->peer.log_error = NGX_ERROR_ERR;

        rc = ngx_event_connect_peer(&call->peer);

        if ((rc == NGX_OK || rc == NGX_AGAIN)
            && ngx_live_call_connection(call) == NGX_OK)
        {
            break;
        }

        if (call->peer.connection) {
            ngx_close_connection(call->peer.connection);
        }

        ngx_live_addr_result(call->addr, 0);
    }

    if (rc == NGX_AGAIN) {
        ngx_add_timer(call->connection->write, NGX_LIVE_CALL_TURN_MS);
        return;
    }

    ngx_live_call_write_handler(call->connection->write);
}


static ngx_int_t
ngx_live_call_connection(ngx_live_call_t *call)
{
    ngx_connection_t  *c;

    c = call->peer.connection;

    c->pool = ngx_create_pool(512, ngx_cycle->log);
    if (c->pool == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_tcp_nodelay(c);

    c->data = call;
    c->log = ngx_cycle->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->addr_text = call->addr->name;
    c->read->handler = ngx_live_call_read_handler;
    c->write->handler = ngx_live_call_write_handler;

    call->connection = c;
    call->connected = 0;
    call->reused = 0;

    return NGX_OK;
}


static void
ngx_live_call_write_handler(ngx_event_t *wev)
{
    int                err;
    socklen_t          len;
    ngx_connection_t  *c = wev->data;
    ngx_live_call_t   *call = c->data;

    if (call->connected) {
        ngx_live_call_send(call);
        return;
    }

    if (wev->timedout) {
        wev->timedout = 0;

        /* the only address has all the time that there is */
        if (call->endpoint->naddrs > 1) {
            ngx_live_call_failed(call, "connecting takes too long");
        }

        return;
    }

    err = 0;
    len = sizeof(int);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_live_call_failed(call, err == NGX_ECONNREFUSED
                                   ? "the connection is refused"
                                   : "cannot be connected to");
        return;
    }

#if (NGX_SSL)
    if (call->endpoint->ssl) {

        if (c->ssl == NULL) {
            ngx_live_call_handshake(call);
        }

        return;
    }
#endif

    call->connected = 1;
    ngx_live_call_send(call);
}


#if (NGX_SSL)

static void
ngx_live_call_handshake(ngx_live_call_t *call)
{
    ngx_connection_t  *c;

    c = call->connection;

    if (call->endpoint->naddrs == 1 && c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    if (ngx_live_endpoint_handshake(call->endpoint, c,
                                    ngx_live_call_handshaked)
        != NGX_OK)
    {
        ngx_live_call_failed(call, "TLS cannot be begun");
    }
}


static void
ngx_live_call_handshaked(ngx_connection_t *c)
{
    const char       *err;
    ngx_live_call_t  *call = c->data;

    if (!c->ssl->handshaked) {
        ngx_live_call_failed(call, "the TLS handshake failed");
        return;
    }

    if (ngx_live_endpoint_verify(call->endpoint, c, &err) != NGX_OK) {
        ngx_live_call_failed(call, err);
        return;
    }

    c->read->handler = ngx_live_call_read_handler;
    c->write->handler = ngx_live_call_write_handler;

    call->connected = 1;
    ngx_live_call_send(call);
}

#endif


static void
ngx_live_call_send(ngx_live_call_t *call)
{
    u_char            *p;
    size_t             len;
    ssize_t            n;
    ngx_connection_t  *c;

    c = call->connection;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    if (call->head == NULL && ngx_live_call_head(call) != NGX_OK) {
        ngx_live_call_failed(call, "an internal error");
        return;
    }

    while (call->sent < call->head_len + call->body.len) {

        if (call->sent < call->head_len) {
            p = call->head + call->sent;
            len = call->head_len - call->sent;

        } else {
            p = call->body.data + (call->sent - call->head_len);
            len = call->body.len - (call->sent - call->head_len);
        }

        n = c->send(c, p, len);

        if (n == NGX_ERROR) {
            ngx_live_call_failed(call, "the connection was lost");
            return;
        }

        if (n == NGX_AGAIN) {
            break;
        }

        call->sent += n;
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK
        || ngx_handle_read_event(c->read, 0) != NGX_OK)
    {
        ngx_live_call_failed(call, "an internal error");
        return;
    }

    if (c->read->ready) {
        ngx_live_call_read(call);
    }
}


static void
ngx_live_call_read_handler(ngx_event_t *rev)
{
    ngx_connection_t  *c = rev->data;
    ngx_live_call_t   *call = c->data;

    if (!call->connected) {
        /* its own error is seen when it becomes writable */
        return;
    }

    if (call->head != NULL) {
        ngx_live_call_read(call);
    }
}


static void
ngx_live_call_read(ngx_live_call_t *call)
{
    ssize_t            n;
    size_t             used;
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = call->connection;

    for ( ;; ) {
        n = c->recv(c, ngx_live_call_buffer, NGX_LIVE_CALL_READ);

        if (n == NGX_AGAIN) {
            if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
                ngx_live_call_failed(call, "an internal error");
            }

            return;
        }

        if (n == NGX_ERROR || n == 0) {

            if (n == 0 && call->received
                && lv_http_response_eof(&call->response) == LV_OK)
            {
                ngx_live_call_done(call, 0);
                return;
            }

            ngx_live_call_failed(call, "the connection was closed without "
                                       "an answer");
            return;
        }

        call->received = 1;

        rc = lv_http_response_input(&call->response, ngx_live_call_buffer, n,
                                    &used, ngx_live_call_body, call);

        if (rc == LV_ERROR || call->answer.failed) {
            ngx_live_call_failed(call, call->answer.failed
                                       ? "out of memory"
                                       : call->response.err);
            return;
        }

        if (rc == LV_OK) {
            ngx_live_call_done(call, used == (size_t) n
                               && call->response.keep_alive
                               && call->sent == call->head_len
                                                + call->body.len);
            return;
        }
    }
}


static void
ngx_live_call_body(void *data, const uint8_t *p, size_t n)
{
    ngx_live_call_t  *call = data;

    lv_text_add(&call->answer, p, n);
}


/* Another try, or the end without an answer. */

static void
ngx_live_call_failed(ngx_live_call_t *call, const char *err)
{
    ngx_uint_t  again;

    again = !call->connected
            || (call->reused && !call->received && !call->retried);

    if (call->addr) {
        ngx_live_addr_result(call->addr, 0);
    }

    call->retried |= call->reused;
    call->error = err;
    call->head = NULL;

    ngx_live_call_drop(call);

    if (again) {
        if (call->addr == NULL) {
            call->error = NULL;
        }

        ngx_live_call_connect(call);
        return;
    }

    ngx_post_event(&call->start, &ngx_posted_events);
}


static void
ngx_live_call_done(ngx_live_call_t *call, ngx_uint_t keep)
{
    ngx_connection_t  *c;

    if (call->addr) {
        ngx_live_addr_result(call->addr, 1);
    }

    c = call->connection;
    call->connection = NULL;

    if (keep) {
        ngx_live_endpoint_put(call->endpoint, c);

    } else {
        ngx_live_connection_close(c);
    }

    ngx_live_call_finish(call);
}


static void
ngx_live_call_finish(ngx_live_call_t *call)
{
    ngx_live_reply_t  reply;

    ngx_memzero(&reply, sizeof(ngx_live_reply_t));

    if (call->error) {
        reply.error = call->error;

    } else {
        reply.status = call->response.status;
        reply.body.data = call->answer.data;
        reply.body.len = call->answer.len;
    }

    ngx_live_call_drop(call);

    call->handler(call->data, &reply);

    ngx_live_call_cancel(call);
}


static void
ngx_live_call_drop(ngx_live_call_t *call)
{
    if (call->connection) {
        ngx_live_connection_close(call->connection);
        call->connection = NULL;
    }
}
