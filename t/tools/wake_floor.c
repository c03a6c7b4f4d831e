/*
 * The floor for viewers: the smallest server that answers hls_swarm. Every
 * period it writes the same bytes to every connection that waits; a part is
 * always the same bytes, too. So it makes the system calls that a server has
 * to make, one to read a request and one to write its answer, and does nothing
 * else.
 *
 *   wake_floor [-j processes] [-p period_ms] [-b body_bytes] [-L log] PORT
 *
 * A playlist has body_bytes; a part has as many as the last folder of its path
 * says: http://127.0.0.1:PORT/live/90000/index.m3u8.
 *
 * The log gets a line each time a process begins to write:
 *
 *   NS waiting
 *
 * Runs until INT or TERM.
 */

#include "tool.h"

#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define SEGMENT_PARTS  6
#define PART_MAX       (8 << 20)


typedef struct {
    int        fd;
    bool       waits;
    uint64_t   round;                   /* waits for the end of this one */
    char       req[1024];
    size_t     len;
    size_t     left;                    /* of a part, that the socket did not
                                           take */
} conn_t;


static int        ep;
static size_t     body_size = 1500;
static int64_t    period = 333 * MS_NS;
static conn_t    *conns[65536];
static unsigned   nconns;
static char       answer[65536];
static size_t     answer_len;
static char      *media;


/* The playlist whose newest part is that of 'round'. */
static void
render(uint64_t round)
{
    int       n, i;
    char      body[32768];
    uint64_t  msn = 1000 + round / SEGMENT_PARTS;

    n = snprintf(body, sizeof(body),
                 "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n"
                 "#EXT-X-PART-INF:PART-TARGET=%.3f\n"
                 "#EXT-X-MEDIA-SEQUENCE:%llu\n#EXTINF:2,\n%llu.m4s\n",
                 (double) period / SEC_NS, (unsigned long long) msn - 1,
                 (unsigned long long) msn - 1);

    for (i = 0; i <= (int) (round % SEGMENT_PARTS); i++) {
        n += snprintf(body + n, sizeof(body) - (size_t) n,
                      "#EXT-X-PART:DURATION=0.333,URI=\"%llu.%d.m4s\"\n",
                      (unsigned long long) msn, i);
    }

    if ((size_t) n + 2 < body_size) {
        body[n++] = '#';
        memset(body + n, 'x', body_size - (size_t) n - 1);
        n = (int) body_size - 1;
        body[n++] = '\n';
    }

    answer_len = (size_t) snprintf(answer, sizeof(answer),
                 "HTTP/1.1 200 OK\r\nServer: floor\r\n"
                 "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                 "Content-Type: application/vnd.apple.mpegurl\r\n"
                 "Content-Length: %d\r\nConnection: keep-alive\r\n"
                 "Cache-Control: max-age=12\r\n"
                 "Access-Control-Allow-Origin: *\r\n\r\n", n);
    memcpy(answer + answer_len, body, (size_t) n);
    answer_len += (size_t) n;
}


static void
conn_answer(conn_t *c)
{
    c->waits = false;
    (void) send(c->fd, answer, answer_len, 0);
}


/* What does not fit into the socket goes out when there is room. */
static void
conn_part(conn_t *c, size_t size)
{
    int            n;
    char           head[512];
    ssize_t        sent;
    struct iovec   iov[2];

    n = snprintf(head, sizeof(head),
                 "HTTP/1.1 200 OK\r\nServer: floor\r\n"
                 "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                 "Content-Type: video/mp4\r\n"
                 "Content-Length: %zu\r\nConnection: keep-alive\r\n"
                 "Cache-Control: max-age=86400, immutable\r\n"
                 "Access-Control-Allow-Origin: *\r\n\r\n", size);

    iov[0].iov_base = head;
    iov[0].iov_len = (size_t) n;
    iov[1].iov_base = media;
    iov[1].iov_len = size;

    sent = writev(c->fd, iov, 2);

    if (sent < n) {
        return;                          /* broken: the next read tells */
    }

    c->left = size - (size_t) (sent - n);

    if (c->left) {
        tool_epoll(ep, EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLOUT, c);
    }
}


static void
conn_write(conn_t *c)
{
    ssize_t  sent;

    sent = send(c->fd, media, c->left, 0);
    c->left -= sent > 0 ? (size_t) sent : 0;

    if (c->left == 0) {
        tool_epoll(ep, EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
    }
}


static void
conn_close(conn_t *c)
{
    unsigned  i;

    for (i = 0; conns[i] != c; i++) { /* void */ }

    conns[i] = conns[--nconns];
    close(c->fd);
    free(c);
}


static void
conn_read(conn_t *c, uint64_t current)
{
    ssize_t             n;
    unsigned long long  msn = 0;
    unsigned            part = 0;
    char               *q, *name;
    size_t              size;

    n = recv(c->fd, c->req + c->len, sizeof(c->req) - 1 - c->len, 0);

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            conn_close(c);
        }
        return;
    }

    c->len += (size_t) n;
    c->req[c->len] = '\0';

    if (strstr(c->req, "\r\n\r\n") == NULL) {
        return;
    }

    c->len = 0;
    name = strstr(c->req, ".m4s ");

    if (name != NULL) {
        while (name > c->req && *name != '/') {
            name--;
        }

        for (q = name; q > c->req && q[-1] != '/'; q--) { /* void */ }

        size = strtoul(q, NULL, 10);
        conn_part(c, size < PART_MAX ? size : PART_MAX);
        return;
    }

    q = strstr(c->req, "_HLS_msn=");

    if (q != NULL) {
        sscanf(q, "_HLS_msn=%llu&_HLS_part=%u", &msn, &part);
    }

    c->round = msn < 1000 ? 0 : (msn - 1000) * SEGMENT_PARTS + part;

    if (c->round <= current) {
        conn_answer(c);
        return;
    }

    c->waits = true;
}


static void
serve(int ls, FILE *log)
{
    int                  i, n, fd, wait, on = 1;
    conn_t              *c;
    int64_t              origin = now_ns() / period * period, now, due;
    uint64_t             round = 0;
    unsigned             k, waiting;
    struct epoll_event   events[512];

    ep = epoll_create1(EPOLL_CLOEXEC);
    tool_epoll(ep, EPOLL_CTL_ADD, ls, EPOLLIN, NULL);
    render(round);

    while (!tool_stop) {
        now = now_ns();
        due = origin + (int64_t) (round + 1) * period;

        if (now >= due) {
            round++;
            waiting = 0;
            now = now_ns();
            render(round);

            for (k = 0; k < nconns; k++) {
                if (conns[k]->waits) {
                    conn_answer(conns[k]);
                    waiting++;
                }
            }

            if (log != NULL) {
                fprintf(log, "%lld %u\n", (long long) now, waiting);
            }

            continue;
        }

        wait = (int) ((due - now) / MS_NS);
        n = epoll_wait(ep, events, 512, wait);

        for (i = 0; i < n; i++) {
            c = events[i].data.ptr;

            if (c != NULL && (events[i].events & EPOLLOUT)) {
                conn_write(c);
                continue;
            }

            if (c != NULL) {
                conn_read(c, round);
                continue;
            }

            fd = accept4(ls, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd == -1 || nconns == 65536) {
                continue;
            }

            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            c = tool_alloc(sizeof(conn_t));
            c->fd = fd;
            conns[nconns++] = c;
            tool_epoll(ep, EPOLL_CTL_ADD, fd, EPOLLIN, c);
        }
    }
}


int
main(int argc, char **argv)
{
    int                  n, ls, on = 1;
    FILE                *log = NULL;
    unsigned             i, processes = 1, period_ms = 333;
    const char          *name = NULL;
    struct sockaddr_in   sin;

    const tool_option_t  table[] = {
        { 'j', TOOL_UNSIGNED, &processes },
        { 'p', TOOL_UNSIGNED, &period_ms },
        { 'b', TOOL_SIZE, &body_size },
        { 'L', TOOL_TEXT, &name },
        { 0, TOOL_FLAG, NULL }
    };

    n = tool_options(argc, argv, table);

    if (n != 1 || period_ms == 0 || body_size > 32000) {
        die("wake_floor [-j processes] [-p period_ms] [-b body_bytes] "
            "[-L log] PORT");
    }

    period = period_ms * MS_NS;

    if (name != NULL) {
        log = fopen(name, "a");

        if (log == NULL) {
            die("%s: %s", name, strerror(errno));
        }

        setvbuf(log, NULL, _IOLBF, 0);
    }

    media = tool_alloc(PART_MAX);
    memset(media, 'x', PART_MAX);

    tool_signals();
    tool_raise_files();

    ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons((uint16_t) atoi(argv[optind]));
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    if (bind(ls, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || listen(ls, 4096) == -1)
    {
        die("listen %s: %s", argv[optind], strerror(errno));
    }

    for (i = 1; i < processes; i++) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            break;
        }
    }

    serve(ls, log);

    return 0;
}
