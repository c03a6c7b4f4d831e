/* libmicrohttpd's side of a request: see server.h. */

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>
#include <sodium.h>

#include "db/pool.h"
#include "http/access_log.h"
#include "http/conns.h"
#include "http/nodeauth.h"
#include "http/proxy.h"
#include "http/request_int.h"
#include "http/server.h"
#include "main/app.h"
#include "main/log.h"
#include "main/metrics.h"
#include "main/slow.h"

#define BACKLOG        512
#define HEADERS_MAX    32768

/* A body that is too large is read on to its end, so that the answer is not
 * lost in a reset, but not for ever. */
#define DISCARD_MAX    4194304
/* After an answer of ours in the middle of it. */
#define SINK_MAX       67108864

struct server_s {
    struct app_s        *app;
    struct MHD_Daemon   *daemon;
    conns_t             *conns;
    int                  body_timeout_ms;
    pthread_mutex_t      lock;      /* guards reading */
    request_t           *reading;   /* a list */
    atomic_int           active;
};


static void *server_request(void *cls, const char *uri,
    struct MHD_Connection *conn);
static enum MHD_Result server_access(void *cls, struct MHD_Connection *conn,
    const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_size, void **con_cls);
static void server_completed(void *cls, struct MHD_Connection *conn,
    void **con_cls, enum MHD_RequestTerminationCode why);
static enum MHD_Result server_admit(void *cls, const struct sockaddr *addr,
    socklen_t len);
static void server_connection(void *cls, struct MHD_Connection *conn,
    void **context, enum MHD_ConnectionNotificationCode what);


/* ---- start and stop */


static size_t
server_unescape(void *cls, struct MHD_Connection *conn, char *text)
{
    /* done by request_target() and the router, strictly */
    return strlen(text);
}


static void
server_log(void *cls, const char *fmt, va_list args)
{
    int        status;
    char       text[300];
    server_t  *server = cls;

    vsnprintf(text, sizeof(text), fmt, args);
    text[strcspn(text, "\n")] = '\0';

    /* what is no HTTP the library answers by itself; from whom it does not
     * say */
    if (sscanf(text, "Error processing request (HTTP %*[a-z] code is %d",
               &status) == 1)
    {
        metrics_malformed(server->app->metrics);
        log_json(LOG_INFO, json_pack("{s:s, s:i}", "event", "malformed",
                                     "status", status));
        return;
    }

    log_line(LOG_DEBUG, "http: %s", text);
}


static int
server_listen(const char *listen_on, char *err, int size)
{
    int               fd, rc, one;
    char              host[256], *port;
    struct addrinfo   hints, *found;

    snprintf(host, sizeof(host), "%s", listen_on);
    port = strrchr(host, ':');

    if (port == NULL) {
        snprintf(err, size, "listen: not an address with a port: %s",
                 listen_on);
        return -1;
    }

    *port++ = '\0';

    if (host[0] == '[' && port - host > 2 && port[-2] == ']') {
        port[-2] = '\0';
        memmove(host, host + 1, strlen(host));
    }

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;

    rc = getaddrinfo(host[0] && strcmp(host, "*") != 0 ? host : NULL, port,
                     &hints, &found);
    if (rc != 0) {
        snprintf(err, size, "listen %s: %s", listen_on, gai_strerror(rc));
        return -1;
    }

    one = 1;
    fd = socket(found->ai_family,
                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0
        || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0
        || bind(fd, found->ai_addr, found->ai_addrlen) != 0
        || listen(fd, BACKLOG) != 0)
    {
        snprintf(err, size, "listen %s: %s", listen_on, strerror(errno));
        freeaddrinfo(found);

        if (fd >= 0) {
            close(fd);
        }

        return -1;
    }

    freeaddrinfo(found);

    return fd;
}


server_t *
server_start(struct app_s *app, char *err, int size)
{
    int        fd;
    conf_t    *conf;
    unsigned   flags;
    server_t  *server;

    conf = app->conf;
    fd = server_listen(conf_text(conf, "listen"), err, size);
    if (fd < 0) {
        return NULL;
    }

    server = calloc(1, sizeof(*server));
    if (server == NULL) {
        abort();
    }

    server->app = app;
    server->body_timeout_ms = (int) conf_int(conf, "body_timeout") * 1000;
    pthread_mutex_init(&server->lock, NULL);

    server->conns = conns_create(
        app->proxies, app->metrics,
        (int) conf_int(conf, "connections_per_address"),
        server->body_timeout_ms,
        server->body_timeout_ms + (int) conf_int(conf, "idle_timeout") * 1000);

    flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME
            | MHD_USE_ERROR_LOG | MHD_USE_ITC;

    server->daemon = MHD_start_daemon(
        flags, 0, server_admit, server, server_access, server,
        MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned) conf_int(conf, "threads"),
        MHD_OPTION_CONNECTION_LIMIT, (unsigned) conf_int(conf, "connections"),
        MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned) conf_int(conf, "idle_timeout"),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) HEADERS_MAX,
        MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_UNESCAPE_CALLBACK, server_unescape, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, server_request, server,
        MHD_OPTION_NOTIFY_COMPLETED, server_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, server_connection, server,
        MHD_OPTION_EXTERNAL_LOGGER, server_log, server,
        MHD_OPTION_END);

    if (server->daemon == NULL) {
        snprintf(err, size, "cannot start the HTTP threads");
        close(fd);
        pthread_mutex_destroy(&server->lock);
        conns_free(server->conns);
        free(server);
        return NULL;
    }

    return server;
}


void
server_quiesce(server_t *server)
{
    int  fd;

    fd = MHD_quiesce_daemon(server->daemon);

    if (fd >= 0) {
        close(fd);
    }
}


int
server_active(server_t *server)
{
    return server->active;
}


void
server_stop(server_t *server)
{
    MHD_stop_daemon(server->daemon);
    pthread_mutex_destroy(&server->lock);
    conns_free(server->conns);
    free(server);
}


/* ---- who takes too long */


static void
reading_add(server_t *server, request_t *r)
{
    r->priv->deadline_ms = clock_us() / 1000 + server->body_timeout_ms;

    pthread_mutex_lock(&server->lock);
    r->priv->next = server->reading;

    if (server->reading != NULL) {
        server->reading->priv->prev = r;
    }

    server->reading = r;
    pthread_mutex_unlock(&server->lock);
}


static void
reading_remove(server_t *server, request_t *r)
{
    request_priv_t  *p = r->priv;

    pthread_mutex_lock(&server->lock);

    if (p->deadline_ms != 0) {
        p->deadline_ms = 0;

        if (p->prev != NULL) {
            p->prev->priv->next = p->next;
        } else {
            server->reading = p->next;
        }

        if (p->next != NULL) {
            p->next->priv->prev = p->prev;
        }
    }

    pthread_mutex_unlock(&server->lock);
}


static int
server_fd(struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo  *info;

    info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info != NULL ? info->connect_fd : -1;
}


/*
 * The library cannot answer before the request is complete, so this goes
 * around it: nothing else was written on the connection for this request. The
 * descriptor stays valid as long as the lock is held, since the library closes
 * it after server_completed().
 */
static void
server_cut(request_t *r)
{
    int  fd;

    fd = server_fd(r->priv->conn);

    if (!r->priv->sent) {
        conns_answer(fd, 408);
    }

    shutdown(fd, SHUT_RDWR);
}


void
server_tick(server_t *server)
{
    int64_t          now_ms;
    request_priv_t  *p;

    now_ms = clock_us() / 1000;

    pthread_mutex_lock(&server->lock);

    for (request_t *r = server->reading; r != NULL; r = p->next) {
        p = r->priv;

        if (now_ms >= p->deadline_ms) {
            /* once; the library notices that it was shut down */
            p->deadline_ms = INT64_MAX;
            server_cut(r);
        }
    }

    pthread_mutex_unlock(&server->lock);

    conns_tick(server->conns, now_ms);
}


/* ---- connections */


static enum MHD_Result
server_admit(void *cls, const struct sockaddr *addr, socklen_t len)
{
    server_t  *server = cls;

    return conns_admit(server->conns, addr) ? MHD_YES : MHD_NO;
}


static void
server_connection(void *cls, struct MHD_Connection *conn, void **context,
    enum MHD_ConnectionNotificationCode what)
{
    server_t                        *server = cls;
    const union MHD_ConnectionInfo  *info;

    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        conns_close(server->conns, *context);
        return;
    }

    info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    *context = conns_open(server->conns, server_fd(conn), info->client_addr);
}


static conn_t *
server_conn(struct MHD_Connection *conn)
{
    return MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
        ->socket_context;
}


/* ---- a request */


/* Its first line has come. */
static void *
server_request(void *cls, const char *uri, struct MHD_Connection *conn)
{
    server_t   *server = cls;
    request_t  *r;

    r = request_create(server->app);
    r->priv->conn = conn;
    r->priv->target = request_printf(r, "%.*s", REQUEST_TARGET_MAX + 1, uri);

    reading_add(server, r);
    conns_busy(server->conns, server_conn(conn));
    server->active++;

    return r;
}


static void
server_peer(struct MHD_Connection *conn, char dst[PROXY_ADDR])
{
    const union MHD_ConnectionInfo  *info;

    info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    conns_text(info->client_addr, dst);
}


static const char *
server_request_id(request_t *r, bool trusted)
{
    unsigned     a, b;
    const char  *id;

    id = trusted ? request_header(r, "X-Request-Id") : NULL;

    if (id != NULL && *id != '\0' && strlen(id) <= 64
        && id[strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz"
                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-")] == '\0')
    {
        return request_printf(r, "%s", id);
    }

    a = randombytes_random();
    b = randombytes_random();

    return request_printf(r, "%08x%08x", a, b);
}


/* User-Agent without what is not printable ASCII, of a bounded length. */
static const char *
server_agent(request_t *r)
{
    char  *text;

    text = (char *) request_header(r, "User-Agent");
    text = request_printf(r, "%.300s", text != NULL ? text : "");

    for (char *p = text; *p != '\0'; p++) {
        if ((unsigned char) *p < 0x20 || (unsigned char) *p >= 0x7f) {
            *p = '?';
        }
    }

    return text;
}


/* The headers are complete: all that can be said without the body. */
static void
server_head(request_t *r, const char *method)
{
    bool             trusted;
    char             peer[PROXY_ADDR], addr[PROXY_ADDR];
    const char      *length;
    request_priv_t  *p = r->priv;

    server_peer(p->conn, peer);
    trusted = proxies_trust(r->app->proxies, peer);
    proxies_client(r->app->proxies, peer, request_header(r, "X-Forwarded-For"),
                   addr);

    r->method = request_printf(r, "%.16s", method);
    r->addr = request_printf(r, "%s", addr);
    r->request_id = server_request_id(r, trusted);
    r->user_agent = server_agent(r);

    if (request_target(r, p->target) != 0 || request_route(r) != 0) {
        return;
    }

    if (strcmp(r->method, "HEAD") == 0) {
        r->method = "GET";
    }

    if (p->route->access == ACCESS_NODE) {
        p->upload_max = REQUEST_NODE_MAX;

        if (nodeauth_check(r->app->nodeauth, r, p->target, peer) != 0) {
            return;
        }
    }

    length = request_header(r, "Content-Length");
    p->too_large = length != NULL
                   && strtoull(length, NULL, 10) > p->upload_max;
}


/* More comes than anybody will read: the answer goes out now, and what is
 * under way is let run into nothing for a while, so that it arrives. */
static void
server_too_large(request_t *r)
{
    conns_answer(server_fd(r->priv->conn), 413);
    r->priv->status = 413;
    r->priv->sent = true;
}


/* false: cut the connection. */
static bool
server_gather(request_t *r, const char *data, size_t len)
{
    char            *grown;
    size_t           size;
    request_priv_t  *p = r->priv;

    p->upload_len += len;

    if (p->upload_len > p->upload_max) {
        p->too_large = true;
    }

    /* what nobody will look at is not kept */
    if (p->too_large || p->status != 0) {

        if (p->upload_len > p->upload_max + DISCARD_MAX && !p->sent) {
            server_too_large(r);
        }

        return p->upload_len <= p->upload_max + SINK_MAX;
    }

    if (p->upload_len > p->upload_size) {
        size = p->upload_size == 0 ? 2048 : 2 * p->upload_size;
        size = size < p->upload_len ? p->upload_len : size;
        grown = realloc(p->upload, size);

        if (grown == NULL) {
            abort();
        }

        p->upload = grown;
        p->upload_size = size;
    }

    memcpy(p->upload + p->upload_len - len, data, len);

    return true;
}


static void
server_run_slow(void *data)
{
    request_t  *r = data;

    request_run(r);
    MHD_resume_connection(r->priv->conn);
}


/* The request is complete. false: its answer comes later. */
static bool
server_run(request_t *r)
{
    request_priv_t  *p = r->priv;

    if (p->status != 0 || p->route == NULL || !(p->route->flags & ROUTE_SLOW))
    {
        request_run(r);
        return true;
    }

    if (request_limit_early(r) != 0) {
        return true;
    }

    MHD_suspend_connection(p->conn);
    p->suspended = true;

    if (slow_push(r->app->slow, server_run_slow, r) == 0) {
        return false;
    }

    MHD_resume_connection(p->conn);
    (void) problem_busy(r, "busy", "Too many log in at once.");

    return false;
}


static enum MHD_Result
server_answer(request_t *r)
{
    enum MHD_Result       rc;
    request_priv_t       *p = r->priv;
    struct MHD_Response  *response;

    response = MHD_create_response_from_buffer(p->text_len, p->text,
                                               MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        return MHD_NO;
    }

    p->text = NULL;

    if (p->type != NULL) {
        MHD_add_response_header(response, "Content-Type", p->type);
    }

    if (respond_find(r, "Cache-Control") == NULL) {
        MHD_add_response_header(response, "Cache-Control", "no-store");
    }

    MHD_add_response_header(response, "X-Request-Id", r->request_id);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");

    for (int i = 0; i < p->nheaders; i++) {
        MHD_add_response_header(response, p->headers[i].name,
                                p->headers[i].value);
    }

    if (r->app->draining) {
        MHD_add_response_header(response, "Connection", "close");
    }

    rc = MHD_queue_response(p->conn, (unsigned) p->status, response);
    MHD_destroy_response(response);
    p->sent = true;

    return rc;
}


static enum MHD_Result
server_access(void *cls, struct MHD_Connection *conn, const char *url,
    const char *method, const char *version, const char *upload,
    size_t *upload_size, void **con_cls)
{
    server_t        *server = cls;
    request_t       *r = *con_cls;
    request_priv_t  *p = r->priv;

    if (!p->begun) {
        p->begun = true;
        server_head(r, method);
        return MHD_YES;
    }

    if (*upload_size > 0) {

        if (!server_gather(r, upload, *upload_size)) {
            return MHD_NO;
        }

        *upload_size = 0;
        return MHD_YES;
    }

    /* back from the slow pool */
    if (p->suspended) {
        return server_answer(r);
    }

    reading_remove(server, r);

    return server_run(r) ? server_answer(r) : MHD_YES;
}


static void
server_completed(void *cls, struct MHD_Connection *conn, void **con_cls,
    enum MHD_RequestTerminationCode why)
{
    server_t   *server = cls;
    request_t  *r = *con_cls;

    if (r == NULL) {
        return;
    }

    reading_remove(server, r);
    conns_idle(server->conns, server_conn(conn));

    if (r->priv->begun) {
        access_log(r, why == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    }

    request_free(r);
    *con_cls = NULL;
    server->active--;
}
