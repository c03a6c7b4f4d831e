/* A connection to Redis: see ngx_live_redis.h. */

#include "ngx_live_redis.h"


#define NGX_LIVE_REDIS_READ      16384
#define NGX_LIVE_REDIS_ELEMENTS  4096   /* of an array, in a reply */
#define NGX_LIVE_REDIS_SAID      5      /* tries whose other reason is logged */


static void ngx_live_redis_timer(ngx_event_t *ev);
static void ngx_live_redis_connect(ngx_live_redis_t *r);
static ngx_int_t ngx_live_redis_connection(ngx_live_redis_t *r);
static redisReader *ngx_live_redis_reader(void);
static void *ngx_live_redis_array(const redisReadTask *task, int elements);
static void ngx_live_redis_writable(ngx_event_t *wev);
static void ngx_live_redis_readable(ngx_event_t *rev);
#if (NGX_SSL)
static void ngx_live_redis_handshaked(ngx_connection_t *c);
#endif
static void ngx_live_redis_greet(ngx_live_redis_t *r);
static void ngx_live_redis_greeted(ngx_live_redis_t *r, redisReply *reply,
    ngx_uint_t data);
static void ngx_live_redis_ready(ngx_live_redis_t *r);
static ngx_int_t ngx_live_redis_queue(ngx_live_redis_t *r, int argc,
    const char **argv, const size_t *len, ngx_live_redis_reply_pt handler,
    ngx_uint_t data);
static void ngx_live_redis_write(ngx_live_redis_t *r);
static void ngx_live_redis_read(ngx_live_redis_t *r);
static ngx_int_t ngx_live_redis_replies(ngx_live_redis_t *r);
static void ngx_live_redis_good(ngx_live_redis_t *r, redisReply *reply);
static void ngx_live_redis_close(ngx_live_redis_t *r);


static u_char                     ngx_live_redis_buffer[NGX_LIVE_REDIS_READ];
static redisReplyObjectFunctions  ngx_live_redis_functions;
static void  *(*ngx_live_redis_make_array)(const redisReadTask *, int);


void
ngx_live_redis_start(ngx_live_redis_t *r)
{
    if (r->started) {
        return;
    }

    r->started = 1;
    r->dumb.fd = (ngx_socket_t) -1;
    r->dumb.data = r;
    r->timer.handler = ngx_live_redis_timer;
    r->timer.data = &r->dumb;
    r->timer.log = ngx_cycle->log;
    r->timer.cancelable = 1;

    if (r->out.max == 0) {
        lv_text_init(&r->out, NGX_LIVE_REDIS_OUT);
    }

    ngx_add_timer(&r->timer, 1);
}


void
ngx_live_redis_stop(ngx_live_redis_t *r)
{
    if (!r->started) {
        return;
    }

    ngx_live_redis_close(r);

    if (r->timer.timer_set) {
        ngx_del_timer(&r->timer);
    }

    r->started = 0;
}


static void
ngx_live_redis_timer(ngx_event_t *ev)
{
    ngx_connection_t  *c = ev->data;
    ngx_live_redis_t  *r = c->data;

    if (r->connection) {
        ngx_live_redis_failed(r, "no answer in time");
        return;
    }

    ngx_live_redis_connect(r);
}


/* ---- connecting --------------------------------------------------------- */

static void
ngx_live_redis_connect(ngx_live_redis_t *r)
{
    ngx_int_t             rc;
    ngx_uint_t            tried;
    ngx_live_endpoint_t  *ep;

    ep = r->conf->endpoint;
    tried = 0;

    ngx_live_endpoint_resolve(ep);
    r->addr = ngx_live_endpoint_next(ep, &tried);

    if (r->addr == NULL) {
        ngx_live_redis_failed(r, "its name has no address");
        return;
    }

    ngx_memzero(&r->peer, sizeof(ngx_peer_connection_t));
    r->peer.sockaddr = &r->addr->sockaddr.sockaddr;
    r->peer.socklen = r->addr->socklen;
    r->peer.name = &r->addr->name;
    r->peer.get = ngx_event_get_peer;
    r->peer.log = ngx_cycle->log;
    r->peer.log_error = NGX_ERROR_ERR;

    rc = ngx_event_connect_peer(&r->peer);

    if ((rc != NGX_OK && rc != NGX_AGAIN)
        || ngx_live_redis_connection(r) != NGX_OK)
    {
        if (r->peer.connection) {
            ngx_close_connection(r->peer.connection);
        }

        ngx_live_redis_failed(r, "cannot be connected to");
        return;
    }

    ngx_add_timer(&r->timer, NGX_LIVE_REDIS_CONNECT);

    if (rc == NGX_OK) {
        ngx_live_redis_writable(r->connection->write);
    }
}


static ngx_int_t
ngx_live_redis_connection(ngx_live_redis_t *r)
{
    ngx_connection_t  *c;

    c = r->peer.connection;
    c->pool = ngx_create_pool(512, ngx_cycle->log);
    r->reader = ngx_live_redis_reader();

    if (c->pool == NULL || r->reader == NULL) {

        if (c->pool) {
            ngx_destroy_pool(c->pool);
        }

        return NGX_ERROR;
    }

    if (r->peer.sockaddr->sa_family != AF_UNIX) {
        (void) ngx_tcp_nodelay(c);
    }

    c->data = r;
    c->log = ngx_cycle->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->addr_text = r->addr->name;
    c->read->handler = ngx_live_redis_readable;
    c->write->handler = ngx_live_redis_writable;

    r->connection = c;
    r->connected = 0;

    return NGX_OK;
}


/* hiredis' own, but for the memory that a peer may ask for with a number. */

static redisReader *
ngx_live_redis_reader(void)
{
    redisReader  *reader;

    reader = redisReaderCreate();

    if (reader) {
        ngx_live_redis_functions = *reader->fn;
        ngx_live_redis_make_array = reader->fn->createArray;
        ngx_live_redis_functions.createArray = ngx_live_redis_array;
        reader->fn = &ngx_live_redis_functions;
    }

    return reader;
}


static void *
ngx_live_redis_array(const redisReadTask *task, int elements)
{
    return elements <= NGX_LIVE_REDIS_ELEMENTS
           ? ngx_live_redis_make_array(task, elements) : NULL;
}


static void
ngx_live_redis_writable(ngx_event_t *wev)
{
    int                err;
    socklen_t          len;
    ngx_connection_t  *c = wev->data;
    ngx_live_redis_t  *r = c->data;

    if (r->connected) {
        ngx_live_redis_write(r);
        return;
    }

    err = 0;
    len = sizeof(int);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_live_redis_failed(r, err == NGX_ECONNREFUSED
                                 ? "the connection is refused"
                                 : "cannot be connected to");
        return;
    }

#if (NGX_SSL)
    if (r->conf->endpoint->ssl) {

        if (c->ssl == NULL
            && ngx_live_endpoint_handshake(r->conf->endpoint, c,
                                           ngx_live_redis_handshaked)
               != NGX_OK)
        {
            ngx_live_redis_failed(r, "TLS cannot be begun");
        }

        return;
    }
#endif

    ngx_live_redis_greet(r);
}


#if (NGX_SSL)

static void
ngx_live_redis_handshaked(ngx_connection_t *c)
{
    const char        *err;
    ngx_live_redis_t  *r = c->data;

    if (!c->ssl->handshaked) {
        ngx_live_redis_failed(r, "the TLS handshake failed");
        return;
    }

    if (ngx_live_endpoint_verify(r->conf->endpoint, c, &err) != NGX_OK) {
        ngx_live_redis_failed(r, err);
        return;
    }

    c->read->handler = ngx_live_redis_readable;
    c->write->handler = ngx_live_redis_writable;

    ngx_live_redis_greet(r);
}

#endif


static void
ngx_live_redis_greet(ngx_live_redis_t *r)
{
    int              argc;
    char             db[NGX_INT32_LEN + 1];
    size_t           len[3];
    const char      *argv[3];
    lv_redis_url_t  *url;

    r->connected = 1;
    url = &r->conf->url;

    if (url->password[0] != '\0') {
        argc = 0;
        argv[argc++] = "AUTH";

        if (url->user[0] != '\0') {
            argv[argc++] = url->user;
        }

        argv[argc++] = url->password;
        len[0] = 4;
        len[1] = ngx_strlen(argv[1]);
        len[2] = argc == 3 ? ngx_strlen(argv[2]) : 0;
        r->greetings++;

        if (ngx_live_redis_queue(r, argc, argv, len, ngx_live_redis_greeted,
                                 0)
            != NGX_OK)
        {
            return;
        }
    }

    if (url->db != 0) {
        (void) ngx_sprintf((u_char *) db, "%uD%Z", url->db);
        argv[0] = "SELECT";
        argv[1] = db;
        len[0] = 6;
        len[1] = ngx_strlen(db);
        r->greetings++;

        if (ngx_live_redis_queue(r, 2, argv, len, ngx_live_redis_greeted, 0)
            != NGX_OK)
        {
            return;
        }
    }

    if (r->greetings == 0) {
        ngx_live_redis_ready(r);
    }

    ngx_live_redis_write(r);
}


static void
ngx_live_redis_greeted(ngx_live_redis_t *r, redisReply *reply,
    ngx_uint_t data)
{
    if (ngx_live_redis_check(r, reply) == NGX_OK && --r->greetings == 0) {
        ngx_live_redis_ready(r);
    }
}


static void
ngx_live_redis_ready(ngx_live_redis_t *r)
{
    if (r->timer.timer_set) {
        ngx_del_timer(&r->timer);
    }

    r->ready = 1;
    r->up(r);
}


/* ---- commands ----------------------------------------------------------- */

ngx_int_t
ngx_live_redis_send(ngx_live_redis_t *r, int argc, const char **argv,
    const size_t *len, ngx_live_redis_reply_pt handler, ngx_uint_t data)
{
    if (!r->ready || r->waiting == NGX_LIVE_REDIS_WAIT
        || ngx_live_redis_queue(r, argc, argv, len, handler, data) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!r->timer.timer_set) {
        ngx_add_timer(&r->timer, r->timeout);
    }

    ngx_live_redis_write(r);

    return r->ready ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_live_redis_queue(ngx_live_redis_t *r, int argc, const char **argv,
    const size_t *len, ngx_live_redis_reply_pt handler, ngx_uint_t data)
{
    int          n;
    char        *text;
    ngx_uint_t   i;

    n = redisFormatCommandArgv(&text, argc, argv, len);

    if (n >= 0) {
        lv_text_add(&r->out, text, (size_t) n);
        redisFreeCommand(text);
    }

    if (n < 0 || r->out.failed) {
        ngx_live_redis_failed(r, "too much waits to be sent");
        return NGX_ERROR;
    }

    i = (r->first + r->waiting++) % NGX_LIVE_REDIS_WAIT;
    r->wait[i].handler = handler;
    r->wait[i].data = data;

    return NGX_OK;
}


static void
ngx_live_redis_write(ngx_live_redis_t *r)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = r->connection;

    while (c != NULL && r->sent < r->out.len) {
        n = c->send(c, r->out.data + r->sent, r->out.len - r->sent);

        if (n == NGX_ERROR) {
            ngx_live_redis_failed(r, "the connection was lost");
            return;
        }

        if (n == NGX_AGAIN) {
            break;
        }

        r->sent += (size_t) n;
    }

    if (c == NULL) {
        return;
    }

    if (r->sent == r->out.len) {
        lv_text_reset(&r->out);
        r->sent = 0;
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK
        || ngx_handle_read_event(c->read, 0) != NGX_OK)
    {
        ngx_live_redis_failed(r, "an internal error");
        return;
    }

    /* what has come already is seen by an event of its own, not from within
     * who sends */

    if (c->read->ready && !c->read->posted) {
        ngx_post_event(c->read, &ngx_posted_events);
    }
}


static void
ngx_live_redis_readable(ngx_event_t *rev)
{
    ngx_connection_t  *c = rev->data;
    ngx_live_redis_t  *r = c->data;

    if (r->connected) {
        ngx_live_redis_read(r);
    }
}


static void
ngx_live_redis_read(ngx_live_redis_t *r)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = r->connection;

    for ( ;; ) {
        n = c->recv(c, ngx_live_redis_buffer, NGX_LIVE_REDIS_READ);

        if (n == NGX_AGAIN) {
            if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
                ngx_live_redis_failed(r, "an internal error");
            }

            return;
        }

        if (n == NGX_ERROR || n == 0) {
            ngx_live_redis_failed(r, "the connection was closed");
            return;
        }

        if (redisReaderFeed(r->reader, (char *) ngx_live_redis_buffer,
                            (size_t) n)
                != REDIS_OK
            || r->reader->len - r->reader->pos > NGX_LIVE_REDIS_IN)
        {
            ngx_live_redis_failed(r, "its answer is too long");
            return;
        }

        if (ngx_live_redis_replies(r) != NGX_OK) {
            return;
        }
    }
}


/* NGX_DONE: the connection has gone. */

static ngx_int_t
ngx_live_redis_replies(ngx_live_redis_t *r)
{
    void                     *reply;
    ngx_uint_t                data;
    ngx_connection_t         *c;
    ngx_live_redis_reply_pt   handler;

    c = r->connection;

    for ( ;; ) {

        if (redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
            ngx_live_redis_failed(r, "its answer makes no sense");
            return NGX_DONE;
        }

        if (reply == NULL) {
            return NGX_OK;
        }

        if (r->waiting == 0) {
            freeReplyObject(reply);
            ngx_live_redis_failed(r, "it answers unasked");
            return NGX_DONE;
        }

        handler = r->wait[r->first].handler;
        data = r->wait[r->first].data;
        r->first = (r->first + 1) % NGX_LIVE_REDIS_WAIT;
        r->waiting--;

        if (r->ready) {
            ngx_live_redis_good(r, reply);
        }

        handler(r, reply, data);
        freeReplyObject(reply);

        if (r->connection != c) {
            return NGX_DONE;
        }
    }
}


static void
ngx_live_redis_good(ngx_live_redis_t *r, redisReply *reply)
{
    if (r->timer.timer_set) {
        ngx_del_timer(&r->timer);
    }

    if (r->waiting) {
        ngx_add_timer(&r->timer, r->timeout);
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        return;
    }

    ngx_live_addr_result(r->addr, 1);

    if (r->fails) {
        r->fails = 0;
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "live: redis \"%V\" (%s) answers again",
                      ngx_live_endpoint_url(r->conf->endpoint), r->name);
    }
}


/* Its first word: what is behind it may quote a password. */

ngx_int_t
ngx_live_redis_check(ngx_live_redis_t *r, redisReply *reply)
{
    char    code[32];
    size_t  i;

    if (reply->type != REDIS_REPLY_ERROR) {
        return NGX_OK;
    }

    for (i = 0; i < sizeof(code) - 1 && i < (size_t) reply->len
         && reply->str[i] >= 'A' && reply->str[i] <= 'Z'; i++)
    {
        code[i] = reply->str[i];
    }

    code[i] = '\0';
    ngx_live_redis_failed(r, i ? code : "an error");

    return NGX_ERROR;
}


/* ---- the end, and the next try ------------------------------------------ */

void
ngx_live_redis_failed(ngx_live_redis_t *r, const char *why)
{
    ngx_msec_t  ms;

    if (r->addr) {
        ngx_live_addr_result(r->addr, 0);
    }

    if (r->fails == 0
        || (r->fails < NGX_LIVE_REDIS_SAID && ngx_strcmp(why, r->why) != 0))
    {
        (void) ngx_cpystrn((u_char *) r->why, (u_char *) why,
                           sizeof(r->why));
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "live: redis \"%V\" (%s): %s; the chat goes on within "
                      "this node",
                      ngx_live_endpoint_url(r->conf->endpoint), r->name, why);
    }

    ngx_live_redis_close(r);

    ms = ngx_min((ngx_msec_t) NGX_LIVE_REDIS_RETRY << ngx_min(r->fails, 6),
                 NGX_LIVE_REDIS_RETRIES);
    r->fails++;

    /* nodes are not to come back all at once */

    ngx_add_timer(&r->timer, ms / 2 + (ngx_msec_t) ngx_random() % ms);
}


static void
ngx_live_redis_close(ngx_live_redis_t *r)
{
    ngx_uint_t  was;

    was = r->ready;

    if (r->timer.timer_set) {
        ngx_del_timer(&r->timer);
    }

    if (r->connection) {
        ngx_live_connection_close(r->connection);
        r->connection = NULL;
    }

    if (r->reader) {
        redisReaderFree(r->reader);
        r->reader = NULL;
    }

    lv_text_reset(&r->out);
    r->sent = 0;
    r->waiting = 0;
    r->greetings = 0;
    r->connected = 0;
    r->ready = 0;

    if (was && r->down) {
        r->down(r);
    }
}
