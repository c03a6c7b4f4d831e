/*
 * The floor for chat: the smallest server that chat_load -N can talk to. What
 * a member sends goes to every member of its room, each with one send() of a
 * frame that was made once. So it makes the system calls that a server of one
 * write per delivery has to make, and does nothing else.
 *
 *   chat_floor PORT
 *
 * One process: the rooms of several would need a way between them. What a
 * socket does not take is dropped. Runs until INT or TERM.
 */

#include "tool.h"
#include "lv_ws.h"

#define ROOMS      4096
#define IN_SIZE    65536
#define HEAD_MAX   2048


typedef struct member_s  member_t;

struct member_s {
    int         fd;
    int         room;                   /* -1 before the handshake */
    unsigned    at;                     /* in the room's list */
    size_t      len;
    char       *head;
    lv_ws_t     ws;
};

typedef struct {
    member_t  **members;
    unsigned    n, size;
} room_t;


static int       ep;
static room_t    rooms[ROOMS];
static uint8_t   in[IN_SIZE];


static void
member_close(member_t *m)
{
    room_t  *r;

    if (m->room >= 0) {
        r = &rooms[m->room];
        r->members[m->at] = r->members[--r->n];
        r->members[m->at]->at = m->at;
    }

    close(m->fd);
    lv_ws_free(&m->ws);
    free(m->head);
    free(m);
}


static void
member_join(member_t *m, int number)
{
    room_t  *r;

    r = &rooms[number];

    if (r->n == r->size) {
        r->size = r->size ? r->size * 2 : 16;
        r->members = realloc(r->members, r->size * sizeof(member_t *));

        if (r->members == NULL) {
            die("out of memory");
        }
    }

    m->room = number;
    m->at = r->n;
    r->members[r->n++] = m;
}


static void
room_send(room_t *r, const uint8_t *p, size_t n)
{
    size_t    head;
    unsigned  i;
    uint8_t   frame[LV_WS_HEAD_MAX + IN_SIZE];

    head = lv_ws_head(frame, LV_WS_OP_TEXT, n);
    memcpy(frame + head, p, n);

    for (i = 0; i < r->n; i++) {
        (void) send(r->members[i]->fd, frame, head + n, MSG_NOSIGNAL);
    }
}


/* False: the member has gone. */
static bool
member_input(member_t *m, uint8_t *p, size_t n)
{
    size_t         used;
    lv_ws_event_t  ev;

    while (lv_ws_input(&m->ws, p, n, &used, &ev) == LV_OK) {
        p += used;
        n -= used;

        if (ev.type == LV_WS_TEXT) {
            room_send(&rooms[m->room], ev.data, ev.len);

        } else if (ev.type == LV_WS_CLOSE || ev.type == LV_WS_FAIL) {
            member_close(m);
            return false;
        }
    }

    return true;
}


/* The request's last number is the room; what may come behind it is read by
 * nobody, as the client waits for the answer. */
static bool
member_shake(member_t *m, const uint8_t *p, size_t n)
{
    int        len;
    char       accept[LV_WS_ACCEPT_LEN], text[256], *at;
    lv_str_t   key;
    unsigned   number;

    if (m->len + n >= HEAD_MAX) {
        return false;
    }

    memcpy(m->head + m->len, p, n);
    m->len += n;
    m->head[m->len] = '\0';

    if (strstr(m->head, "\r\n\r\n") == NULL) {
        return true;
    }

    at = strstr(m->head, " HTTP/1.1");

    while (at && at > m->head && at[-1] >= '0' && at[-1] <= '9') {
        at--;
    }

    number = at ? (unsigned) atoi(at) : ROOMS;
    at = strstr(m->head, "Sec-WebSocket-Key: ");

    if (number >= ROOMS || at == NULL) {
        return false;
    }

    key.data = (uint8_t *) at + 19;
    key.len = strcspn(at + 19, "\r");
    lv_ws_accept(key, accept);

    len = snprintf(text, sizeof(text),
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n\r\n",
                   LV_WS_ACCEPT_LEN, accept);

    free(m->head);
    m->head = NULL;
    lv_ws_init(&m->ws, IN_SIZE / 2);
    member_join(m, (int) number);

    return send(m->fd, text, (size_t) len, MSG_NOSIGNAL) == len;
}


static void
member_read(member_t *m)
{
    ssize_t  n;

    n = recv(m->fd, in, sizeof(in), 0);

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            member_close(m);
        }

        return;
    }

    if (m->room >= 0) {
        (void) member_input(m, in, (size_t) n);

    } else if (!member_shake(m, in, (size_t) n)) {
        member_close(m);
    }
}


static void
accept_all(int listener)
{
    int        fd, on = 1;
    member_t  *m;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC))
           != -1)
    {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

        m = tool_alloc(sizeof(member_t));
        m->fd = fd;
        m->room = -1;
        m->head = tool_alloc(HEAD_MAX);
        tool_epoll(ep, EPOLL_CTL_ADD, fd, EPOLLIN, m);
    }
}


static int
listen_on(int port)
{
    int                 fd, on = 1;
    struct sockaddr_in  sin;

    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sin.sin_port = htons((uint16_t) port);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));

    if (fd == -1 || bind(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || listen(fd, 4096) == -1)
    {
        die("listen on %d: %s", port, strerror(errno));
    }

    return fd;
}


int
main(int argc, char **argv)
{
    int                         i, n, listener;
    struct epoll_event          ev[512];
    static const tool_option_t  table[] = { { 0, TOOL_FLAG, NULL } };

    if (tool_options(argc, argv, table) != 1) {
        die("usage: chat_floor PORT");
    }

    tool_signals();
    tool_raise_files();

    ep = epoll_create1(EPOLL_CLOEXEC);
    listener = listen_on(atoi(argv[optind]));
    tool_epoll(ep, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);

    printf("ready\n");
    fflush(stdout);

    while (!tool_stop) {
        n = epoll_wait(ep, ev, 512, -1);

        for (i = 0; i < n; i++) {
            if (ev[i].data.ptr == NULL) {
                accept_all(listener);

            } else {
                member_read(ev[i].data.ptr);
            }
        }
    }

    return 0;
}
