/*
 * Readers that ask for segments and do not read them, so as to pin all of the
 * store that they can.
 *
 *   hls_stall [-n connections] [-m streams] [-c connections_for_them]
 *             [-t seconds] http://A.B.C.D:PORT/PATH/index.m3u8 HTTP2_PORT
 *
 * `connections` are HTTP/1.1 with a receive buffer as small as it can be, one
 * request each, and nothing is ever read. `streams` are HTTP/2 (prior
 * knowledge, on another port of the same server) with windows that are opened
 * by one byte ten times a second. Both ask for segments of the media playlist,
 * which is read once a second by an ordinary connection: each for one after
 * another of those that are listed. Who is cut off comes back and asks again.
 *
 * Prints "ready" when all have asked once, and at the end one line of
 * name=value.
 */

#include "httpc.h"

#include <poll.h>

#define SEGMENTS    64
#define TRICKLE_NS  (100 * MS_NS)
#define LIST_NS     (1000 * MS_NS)
#define TX_MAX      65536

/* RFC 9113 6: frame types */
#define H2_HEADERS        1
#define H2_SETTINGS       4
#define H2_WINDOW_UPDATE  8

typedef struct {
    int        fd;
    bool       h2;
    unsigned   streams;
    unsigned   tx_len;              /* HTTP/2: what could not be sent */
    uint8_t    tx[TX_MAX];
} reader_t;


static struct {
    unsigned     n, m, c;
    double       seconds;
    httpc_url_t  url;
    int          h2_port;
} opt = { .n = 250, .m = 250, .c = 4, .seconds = 10 };

static struct {
    uint64_t  asked, cut, h2_asked, h2_cut, lists, bad_lists;
} stat;

static char      segments[SEGMENTS][256];
static unsigned  nsegments, next_segment;
static int       ep;


static void
options(int argc, char **argv)
{
    int  n;

    static const tool_option_t  table[] = {
        { 'n', TOOL_UNSIGNED, &opt.n },
        { 'm', TOOL_UNSIGNED, &opt.m },
        { 'c', TOOL_UNSIGNED, &opt.c },
        { 't', TOOL_REAL, &opt.seconds },
        { 0, TOOL_FLAG, NULL }
    };

    n = tool_options(argc, argv, table);

    if (n != 2 || opt.c < 1 || opt.m / opt.c > 128) {
        die("hls_stall [-n connections] [-m streams] [-c connections_for_them] "
            "[-t seconds] http://A.B.C.D:PORT/PATH/index.m3u8 HTTP2_PORT");
    }

    opt.url = httpc_url(argv[optind]);
    opt.h2_port = atoi(argv[optind + 1]);
}


/* ---- the playlist ------------------------------------------------------- */

static void
list_parse(char *text)
{
    char        *line, *save, *slash;
    httpc_url_t  url;

    url = opt.url;
    slash = strrchr(url.path, '/');
    slash[1] = '\0';
    nsegments = 0;

    for (line = strtok_r(text, "\r\n", &save); line != NULL;
         line = strtok_r(NULL, "\r\n", &save))
    {
        if (line[0] == '#' || strstr(line, ".m4s") == NULL
            || nsegments == SEGMENTS)
        {
            continue;
        }

        snprintf(segments[nsegments++], sizeof(segments[0]), "%.120s%.120s",
                 url.path, line);
    }
}


/* Blocking, for a server that answers everybody else. */
static void
list_read(void)
{
    int            fd;
    char           req[600], *body;
    size_t         len;
    ssize_t        n;
    struct pollfd  pfd;

    static char  text[1 << 18];

    fd = tool_connect(opt.url.host, opt.url.port, 0);
    pfd.fd = fd;
    pfd.events = POLLOUT;
    poll(&pfd, 1, 5000);

    n = snprintf(req, sizeof(req), "GET %s HTTP/1.0\r\nHost: stall\r\n\r\n",
                 opt.url.path);
    (void) send(fd, req, (size_t) n, MSG_NOSIGNAL);

    len = 0;
    pfd.events = POLLIN;

    while (len < sizeof(text) - 1 && poll(&pfd, 1, 5000) == 1) {
        n = recv(fd, text + len, sizeof(text) - 1 - len, 0);

        if (n <= 0) {
            break;
        }

        len += (size_t) n;
    }

    close(fd);
    text[len] = '\0';
    body = strstr(text, "\r\n\r\n");
    stat.lists++;

    if (body == NULL || strncmp(text + 9, "200", 3) != 0) {
        stat.bad_lists++;
        return;
    }

    list_parse(body);
}


static const char *
segment(void)
{
    return segments[next_segment++ % nsegments];
}


/* ---- HTTP/2 ------------------------------------------------------------- */

static void
h2_frame(reader_t *r, uint8_t type, uint8_t flags, uint32_t id,
    const void *payload, unsigned len)
{
    uint8_t  *p;

    if (r->tx_len + 9 + len > TX_MAX) {
        return;
    }

    p = r->tx + r->tx_len;
    p[0] = (uint8_t) (len >> 16);
    p[1] = (uint8_t) (len >> 8);
    p[2] = (uint8_t) len;
    p[3] = type;
    p[4] = flags;
    p[5] = (uint8_t) (id >> 24);
    p[6] = (uint8_t) (id >> 16);
    p[7] = (uint8_t) (id >> 8);
    p[8] = (uint8_t) id;
    memcpy(p + 9, payload, len);
    r->tx_len += 9 + len;
}


static void
h2_flush(reader_t *r)
{
    ssize_t  n;

    n = r->tx_len ? send(r->fd, r->tx, r->tx_len, MSG_NOSIGNAL | MSG_DONTWAIT)
                  : 0;

    if (n > 0) {
        r->tx_len -= (unsigned) n;
        memmove(r->tx, r->tx + n, r->tx_len);
    }
}


static void
h2_ask(reader_t *r, unsigned number)
{
    uint8_t     block[300];
    size_t      len;
    const char *path;

    /* RFC 7541: indexed :method GET, :scheme http; literal :path (4) and
     * :authority (1), not indexed, not Huffman coded */
    path = segment();
    len = strlen(path);
    block[0] = 0x82;
    block[1] = 0x86;
    block[2] = 0x04;
    block[3] = (uint8_t) (len < 127 ? len : 126);
    memcpy(block + 4, path, block[3]);
    len = 4 + block[3];
    memcpy(block + len, "\x01\x05stall", 7);

    h2_frame(r, H2_HEADERS, 0x05, 2 * number + 1, block, (unsigned) len + 7);
    stat.h2_asked++;
}


static void
h2_begin(reader_t *r)
{
    unsigned  i;

    static const uint8_t  settings[6] = { 0, 4, 0, 0, 0, 0 };

    memcpy(r->tx, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    r->tx_len = 24;
    h2_frame(r, H2_SETTINGS, 0, 0, settings, sizeof(settings));

    for (i = 0; i < r->streams; i++) {
        h2_ask(r, i);
    }
}


static void
h2_trickle(reader_t *r)
{
    unsigned  i;

    static const uint8_t  one[4] = { 0, 0, 0, 1 }, more[4] = { 0, 0, 1, 0 };

    h2_frame(r, H2_WINDOW_UPDATE, 0, 0, more, 4);

    for (i = 0; i < r->streams; i++) {
        h2_frame(r, H2_WINDOW_UPDATE, 0, 2 * i + 1, one, 4);
    }

    h2_flush(r);
}


/* ---- readers ------------------------------------------------------------ */

static void
reader_open(reader_t *r)
{
    int   n, size;
    char  req[600];

    r->fd = tool_connect(opt.url.host, r->h2 ? opt.h2_port : opt.url.port, 0);

    if (!r->h2) {
        size = 2304;
        setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    }

    r->tx_len = 0;

    if (r->h2) {
        h2_begin(r);

    } else {
        n = snprintf(req, sizeof(req), "GET %s HTTP/1.1\r\nHost: stall\r\n\r\n",
                     segment());
        memcpy(r->tx, req, (size_t) n);
        r->tx_len = (unsigned) n;
        stat.asked++;
    }

    /* of a connection that is never read only its end is of interest */
    tool_epoll(ep, EPOLL_CTL_ADD, r->fd,
               EPOLLOUT | EPOLLET | (r->h2 ? EPOLLIN : EPOLLRDHUP), r);
}


static void
reader_event(reader_t *r, uint32_t events)
{
    bool      gone;
    char      buf[16384];
    ssize_t   n;

    gone = (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0;

    while (!gone && r->h2) {
        n = recv(r->fd, buf, sizeof(buf), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }

        gone = n <= 0;
    }

    if (!gone) {
        h2_flush(r);
        return;
    }

    if (r->h2) {
        stat.h2_cut += r->streams;
    } else {
        stat.cut++;
    }

    close(r->fd);
    reader_open(r);
}


int
main(int argc, char **argv)
{
    int                 i, n;
    bool                told;
    int64_t             now, end, list, trickle;
    unsigned            k, total;
    reader_t           *readers;
    struct epoll_event  events[256];

    options(argc, argv);
    tool_signals();
    tool_raise_files();

    ep = epoll_create1(EPOLL_CLOEXEC);
    total = opt.n + (opt.m ? opt.c : 0);
    readers = tool_alloc(total * sizeof(reader_t));

    list_read();

    if (nsegments == 0) {
        die("no segment is listed");
    }

    for (k = 0; k < total; k++) {
        readers[k].h2 = k >= opt.n;
        readers[k].streams = opt.m / opt.c
                             + (k - opt.n < opt.m % opt.c ? 1 : 0);
        reader_open(&readers[k]);
    }

    now = now_ns();
    end = now + (int64_t) (opt.seconds * SEC_NS);
    list = now + LIST_NS;
    trickle = now;
    told = false;

    while (!tool_stop && (now = now_ns()) < end) {
        n = epoll_wait(ep, events, 256, 20);

        for (i = 0; i < n; i++) {
            reader_event(events[i].data.ptr, events[i].events);
        }

        if (now >= list) {
            list += LIST_NS;
            list_read();
        }

        if (now >= trickle) {
            trickle += TRICKLE_NS;

            for (k = opt.n; k < total; k++) {
                h2_trickle(&readers[k]);
            }
        }

        if (!told && n == 0) {
            told = true;
            puts("ready");
            fflush(stdout);
        }
    }

    printf("connections=%u streams=%u asked=%llu cut=%llu h2_asked=%llu "
           "h2_cut=%llu lists=%llu bad_lists=%llu\n", opt.n, opt.m,
           (unsigned long long) stat.asked, (unsigned long long) stat.cut,
           (unsigned long long) stat.h2_asked,
           (unsigned long long) stat.h2_cut, (unsigned long long) stat.lists,
           (unsigned long long) stat.bad_lists);

    return 0;
}
