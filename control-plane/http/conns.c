/* Connections: see conns.h. */

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/conns.h"
#include "http/request_int.h"
#include "main/log.h"
#include "main/metrics.h"

#define CHAINS      1024
#define ANSWER_MAX  512
#define LOG_EACH_S  10

struct conn_s {
    conn_t   *next, *prev;          /* of its chain */
    int       fd;
    bool      first;                /* nothing was asked for yet */
    int64_t   deadline_ms;          /* 0: none, a request is under way */
    unsigned  chain;
    char      network[PROXY_NETWORK];
};

struct conns_s {
    const proxies_t  *proxies;
    metrics_t        *metrics;
    int               per_address, head_ms, idle_ms;
    pthread_mutex_t   lock;         /* guards what follows */
    time_t            logged_s;
    conn_t           *chains[CHAINS];
};


conns_t *
conns_create(const proxies_t *proxies, metrics_t *metrics, int per_address,
    int head_ms, int idle_ms)
{
    conns_t  *conns;

    conns = calloc(1, sizeof(*conns));
    if (conns == NULL) {
        abort();
    }

    conns->proxies = proxies;
    conns->metrics = metrics;
    conns->per_address = per_address;
    conns->head_ms = head_ms;
    conns->idle_ms = idle_ms;
    pthread_mutex_init(&conns->lock, NULL);

    return conns;
}


void
conns_free(conns_t *conns)
{
    pthread_mutex_destroy(&conns->lock);
    free(conns);
}


void
conns_text(const struct sockaddr *addr, char dst[PROXY_ADDR])
{
    snprintf(dst, PROXY_ADDR, "0.0.0.0");

    if (getnameinfo(addr, sizeof(struct sockaddr_storage), dst, PROXY_ADDR,
                    NULL, 0, NI_NUMERICHOST)
        != 0)
    {
        return;
    }

    dst[strcspn(dst, "%")] = '\0';

    if (strncmp(dst, "::ffff:", 7) == 0 && strchr(dst, '.') != NULL) {
        memmove(dst, dst + 7, strlen(dst + 7) + 1);
    }
}


static unsigned
chain_of(const char *network)
{
    uint32_t  hash;

    for (hash = 2166136261u; *network != '\0'; network++) {
        hash = (hash ^ (unsigned char) *network) * 16777619u;
    }

    return hash % CHAINS;
}


bool
conns_admit(conns_t *conns, const struct sockaddr *addr)
{
    int      count;
    bool     tell;
    char     text[PROXY_ADDR], network[PROXY_NETWORK];
    time_t   now;
    conn_t  *conn;

    conns_text(addr, text);

    if (conns->per_address == 0 || proxies_trust(conns->proxies, text)) {
        return true;
    }

    proxies_network(text, network);
    count = 0;
    tell = false;
    now = time(NULL);

    pthread_mutex_lock(&conns->lock);

    for (conn = conns->chains[chain_of(network)]; conn != NULL;
         conn = conn->next)
    {
        count += strcmp(conn->network, network) == 0;
    }

    if (count >= conns->per_address && now - conns->logged_s >= LOG_EACH_S) {
        conns->logged_s = now;
        tell = true;
    }

    pthread_mutex_unlock(&conns->lock);

    if (count < conns->per_address) {
        return true;
    }

    metrics_refused(conns->metrics);

    if (tell) {
        log_line(LOG_WARN, "refused a connection: %s has %d", network, count);
    }

    return false;
}


conn_t *
conns_open(conns_t *conns, int fd, const struct sockaddr *addr)
{
    char      text[PROXY_ADDR];
    conn_t   *conn;
    conn_t  **chain;

    conn = calloc(1, sizeof(*conn));
    if (conn == NULL) {
        abort();
    }

    conns_text(addr, text);
    proxies_network(text, conn->network);
    conn->fd = fd;
    conn->first = true;
    conn->deadline_ms = clock_us() / 1000 + conns->head_ms;
    conn->chain = chain_of(conn->network);
    chain = &conns->chains[conn->chain];

    pthread_mutex_lock(&conns->lock);
    conn->next = *chain;

    if (*chain != NULL) {
        (*chain)->prev = conn;
    }

    *chain = conn;
    pthread_mutex_unlock(&conns->lock);

    return conn;
}


static void
conn_deadline(conns_t *conns, conn_t *conn, int64_t deadline_ms)
{
    pthread_mutex_lock(&conns->lock);
    conn->first = false;
    conn->deadline_ms = deadline_ms;
    pthread_mutex_unlock(&conns->lock);
}


void
conns_busy(conns_t *conns, conn_t *conn)
{
    conn_deadline(conns, conn, 0);
}


void
conns_idle(conns_t *conns, conn_t *conn)
{
    conn_deadline(conns, conn, clock_us() / 1000 + conns->idle_ms);
}


void
conns_close(conns_t *conns, conn_t *conn)
{
    pthread_mutex_lock(&conns->lock);

    if (conn->prev != NULL) {
        conn->prev->next = conn->next;
    } else {
        conns->chains[conn->chain] = conn->next;
    }

    if (conn->next != NULL) {
        conn->next->prev = conn->prev;
    }

    pthread_mutex_unlock(&conns->lock);
    free(conn);
}


void
conns_tick(conns_t *conns, int64_t now_ms)
{
    conn_t  *conn;

    pthread_mutex_lock(&conns->lock);

    for (int i = 0; i < CHAINS; i++) {
        for (conn = conns->chains[i]; conn != NULL; conn = conn->next) {

            if (conn->deadline_ms == 0 || now_ms < conn->deadline_ms) {
                continue;
            }

            /* once; the library notices that it was shut down. A kept
             * connection is closed without a word, as everybody does. */
            conn->deadline_ms = 0;

            if (conn->first) {
                conns_answer(conn->fd, 408);
            }

            shutdown(conn->fd, SHUT_RDWR);
        }
    }

    pthread_mutex_unlock(&conns->lock);
}


void
conns_answer(int fd, int status)
{
    int   len;
    char  body[ANSWER_MAX / 2], text[ANSWER_MAX];

    len = snprintf(body, sizeof(body),
                   "{\"type\":\"/problems/%s\",\"title\":\"%s\","
                   "\"status\":%d}",
                   status == 413 ? "too-large" : "too-slow",
                   status == 413 ? "Too large" : "Too slow", status);
    len = snprintf(text, sizeof(text),
                   "HTTP/1.1 %d %s\r\n"
                   "Content-Type: application/problem+json\r\n"
                   "Connection: close\r\n"
                   "Content-Length: %d\r\n"
                   "\r\n"
                   "%s",
                   status,
                   status == 413 ? "Content Too Large" : "Request Timeout",
                   len, body);

    if (send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        log_line(LOG_DEBUG, "http: %s", strerror(errno));
    }

    shutdown(fd, SHUT_WR);
}
