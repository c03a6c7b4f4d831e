#include "ngx_live_bell.h"

#include <sys/un.h>


static void ngx_live_bell_read(ngx_event_t *ev);
static void ngx_live_bell_look(ngx_event_t *ev);
static socklen_t ngx_live_bell_addr(struct sockaddr_un *sun, unsigned slot);


static const uint8_t     *ngx_live_bell_secret;
static ngx_connection_t  *ngx_live_bell_conn;
static ngx_socket_t       ngx_live_bell_out = (ngx_socket_t) -1;
static void             (*ngx_live_bell_handler)(void);
static ngx_event_t        ngx_live_bell_own;


/* "\0ngx_live." 16 hex digits "." slot */

static socklen_t
ngx_live_bell_addr(struct sockaddr_un *sun, unsigned slot)
{
    u_char  *p;

    ngx_memzero(sun, sizeof(struct sockaddr_un));
    sun->sun_family = AF_UNIX;

    p = (u_char *) sun->sun_path + 1;
    p = ngx_cpymem(p, "ngx_live.", sizeof("ngx_live.") - 1);
    p = ngx_hex_dump(p, (u_char *) ngx_live_bell_secret, 8);
    p = ngx_sprintf(p, ".%ud", slot);

    return (socklen_t) (p - (u_char *) sun);
}


ngx_int_t
ngx_live_bell_open(ngx_cycle_t *cycle, const uint8_t *secret, unsigned slot,
    void (*handler)(void))
{
    socklen_t           len;
    ngx_event_t        *rev;
    ngx_socket_t        s;
    ngx_connection_t   *c;
    struct sockaddr_un  sun;

    ngx_live_bell_secret = secret;
    ngx_live_bell_handler = handler;
    ngx_live_bell_own.handler = ngx_live_bell_look;
    ngx_live_bell_own.log = cycle->log;

    if (ngx_live_bell_out == (ngx_socket_t) -1) {
        ngx_live_bell_out = socket(AF_UNIX,
                                   SOCK_DGRAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);
    }

    s = socket(AF_UNIX, SOCK_DGRAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);

    if (s == (ngx_socket_t) -1 || ngx_live_bell_out == (ngx_socket_t) -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_socket_errno,
                      "live: socket() of the doorbell failed");

        if (s != (ngx_socket_t) -1) {
            ngx_close_socket(s);
        }

        return NGX_ERROR;
    }

    len = ngx_live_bell_addr(&sun, slot);

    if (bind(s, (struct sockaddr *) &sun, len) == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_socket_errno,
                      "live: bind() of the doorbell failed");
        ngx_close_socket(s);
        return NGX_ERROR;
    }

    c = ngx_get_connection(s, cycle->log);

    if (c == NULL) {
        ngx_close_socket(s);
        return NGX_ERROR;
    }

    c->log = cycle->log;

    rev = c->read;
    rev->log = cycle->log;
    rev->handler = ngx_live_bell_read;

    /* not counted as a connection that an exiting worker waits for */
    rev->channel = 1;

    if (ngx_add_event(rev, NGX_READ_EVENT,
                      (ngx_event_flags & NGX_USE_CLEAR_EVENT)
                      ? NGX_CLEAR_EVENT : 0)
        == NGX_ERROR)
    {
        ngx_close_connection(c);
        return NGX_ERROR;
    }

    ngx_live_bell_conn = c;

    return NGX_OK;
}


void
ngx_live_bell_close(void)
{
    if (ngx_live_bell_conn != NULL) {
        ngx_close_connection(ngx_live_bell_conn);
        ngx_live_bell_conn = NULL;
    }
}


static void
ngx_live_bell_read(ngx_event_t *ev)
{
    ssize_t            n;
    u_char             buf[64];
    ngx_connection_t  *c = ev->data;

    /* the flag admits one datagram at a time, strangers may send more */

    do {
        n = recv(c->fd, buf, sizeof(buf), 0);
    } while (n >= 0);

    ev->ready = 0;

    ngx_live_bell_handler();
}


static void
ngx_live_bell_look(ngx_event_t *ev)
{
    ngx_live_bell_handler();
}


void
ngx_live_bell_ring(void *ctx, unsigned slot)
{
    socklen_t           len;
    lv_store_t         *st;
    struct sockaddr_un  sun;

    if (ngx_live_bell_out == (ngx_socket_t) -1) {
        return;
    }

    /* to oneself without a system call */

    st = ngx_live_store();

    if (st != NULL && lv_store_slot(st) == slot) {
        ngx_post_event(&ngx_live_bell_own, &ngx_posted_events);
        return;
    }

    len = ngx_live_bell_addr(&sun, slot);

    if (sendto(ngx_live_bell_out, "", 1, MSG_DONTWAIT|MSG_NOSIGNAL,
               (struct sockaddr *) &sun, len)
        != -1)
    {
        return;
    }

    /* A full queue means that it has been rung; nobody there, that the slot is
     * dead or its bell is not open yet: the next one tries again. */

    if (ngx_socket_errno != NGX_EAGAIN && st != NULL) {
        lv_bell_failed(st, slot);
    }
}
