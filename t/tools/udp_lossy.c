/*
 * A bad network: forwards UDP between senders and one server, and loses,
 * delays, doubles and swaps packets on the way. The same seed makes the same
 * choices for the same packets.
 *
 *   udp_lossy PORT SERVERPORT [name=value …]
 *
 *   seed=N        (1)
 *   loss=P        percent of the packets, each way
 *   burst=N       losses come N in a row (the share stays the same)
 *   rtt=MS        delay, half of it each way
 *   jitter=MS     up to so much more delay; the order stays
 *   reorder=P     percent of the packets that wait 5 ms and are overtaken
 *   dup=P         percent of the packets that come twice
 *   clean=N       the first N packets each way are not lost: the handshake
 *
 * Says "forwarding" when it does; ends with its standard input, and then says
 * what it did. Everything is on 127.0.0.1.
 */

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#define PEERS     64
#define QUEUE     16384
#define SIZE      2048

typedef struct {
    int64_t    at;
    uint64_t   order;
    int        peer, up;
    size_t     len;
    uint8_t    data[SIZE];
} packet_t;

typedef struct {
    int                 fd;
    struct sockaddr_in  addr;
} peer_t;

typedef struct {
    uint64_t  random;
    int64_t   last;                     /* latest delivery: keeps the order */
    unsigned  burst;                    /* losses still to come */
    unsigned  seen;
} way_t;

static peer_t     peers[PEERS];
static int        npeers, front;
static packet_t  *heap[QUEUE];
static int        queued;
static way_t      way[2];
static double     loss, reorder, twice;
static int64_t    rtt, jitter;
static unsigned   burst = 1, clean;
static uint64_t   order, forwarded, lost;


static int64_t
now_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


/* xorshift64*: 0 … 100 */

static double
percent(way_t *w)
{
    w->random ^= w->random >> 12;
    w->random ^= w->random << 25;
    w->random ^= w->random >> 27;

    return (double) ((w->random * 0x2545f4914f6cdd1dULL) >> 11)
           * 100.0 / 9007199254740992.0;
}


static int
before(const packet_t *a, const packet_t *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}


static void
push(const uint8_t *data, size_t len, int peer, int up, int64_t at)
{
    int        i;
    packet_t  *p;

    if (queued == QUEUE || (p = malloc(sizeof(packet_t))) == NULL) {
        lost++;
        return;
    }

    p->at = at;
    p->order = order++;
    p->peer = peer;
    p->up = up;
    p->len = len;
    memcpy(p->data, data, len);

    for (i = queued++; i > 0 && before(p, heap[(i - 1) / 2]); i = (i - 1) / 2) {
        heap[i] = heap[(i - 1) / 2];
    }

    heap[i] = p;
}


static packet_t *
pop(void)
{
    int        i, child;
    packet_t  *top, *p;

    top = heap[0];
    p = heap[--queued];

    for (i = 0; (child = 2 * i + 1) < queued; i = child) {

        if (child + 1 < queued && before(heap[child + 1], heap[child])) {
            child++;
        }

        if (!before(heap[child], p)) {
            break;
        }

        heap[i] = heap[child];
    }

    heap[i] = p;

    return top;
}


static int
is_lost(way_t *w)
{
    double  r;

    r = percent(w);

    if (w->seen++ < clean) {
        return 0;
    }

    if (w->burst > 0) {
        w->burst--;
        return 1;
    }

    if (r < loss / burst) {
        w->burst = burst - 1;
        return 1;
    }

    return 0;
}


static void
take(const uint8_t *data, size_t len, int peer, int up)
{
    double    swap, again, late;
    int64_t   at;
    way_t    *w;

    w = &way[up];
    swap = percent(w);
    again = percent(w);
    late = percent(w);

    if (is_lost(w)) {
        lost++;
        return;
    }

    at = now_us() + rtt / 2 + (int64_t) ((double) jitter * late / 100.0);

    if (at < w->last) {
        at = w->last;
    }

    if (swap < reorder) {
        push(data, len, peer, up, at + 5000);
    } else {
        w->last = at;
        push(data, len, peer, up, at);
    }

    if (again < twice) {
        push(data, len, peer, up, at + 1000);
    }
}


static int
find_peer(const struct sockaddr_in *addr, const struct sockaddr_in *server)
{
    int  i, size = 4 << 20;

    for (i = 0; i < npeers; i++) {
        if (memcmp(&peers[i].addr, addr, sizeof(*addr)) == 0) {
            return i;
        }
    }

    if (npeers == PEERS) {
        return -1;
    }

    peers[i].addr = *addr;
    peers[i].fd = socket(AF_INET, SOCK_DGRAM, 0);
    (void) setsockopt(peers[i].fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));

    if (connect(peers[i].fd, (struct sockaddr *) server, sizeof(*server))
        == -1)
    {
        perror("connect");
        return -1;
    }

    return npeers++;
}


static void
read_all(const struct sockaddr_in *server)
{
    int                 i;
    ssize_t             n;
    uint8_t             buf[SIZE];
    socklen_t           len;
    struct sockaddr_in  addr;

    for ( ;; ) {
        memset(&addr, 0, sizeof(addr));
        len = sizeof(addr);
        n = recvfrom(front, buf, sizeof(buf), MSG_DONTWAIT,
                     (struct sockaddr *) &addr, &len);

        if (n < 0) {
            break;
        }

        i = find_peer(&addr, server);

        if (i >= 0) {
            take(buf, (size_t) n, i, 1);
        }
    }

    for (i = 0; i < npeers; i++) {
        while ((n = recv(peers[i].fd, buf, sizeof(buf), MSG_DONTWAIT)) >= 0) {
            take(buf, (size_t) n, i, 0);
        }
    }
}


static void
write_due(void)
{
    packet_t  *p;
    ssize_t    n;

    while (queued > 0 && heap[0]->at <= now_us()) {
        p = pop();

        if (p->up) {
            n = send(peers[p->peer].fd, p->data, p->len, 0);
        } else {
            n = sendto(front, p->data, p->len, 0,
                       (struct sockaddr *) &peers[p->peer].addr,
                       sizeof(peers[p->peer].addr));
        }

        /* nobody there: as on a network */
        forwarded += n >= 0;
        free(p);
    }
}


static void
option(const char *arg)
{
    const char  *v = strchr(arg, '=');

    if (v == NULL) {
        return;
    }

    v++;

    if (strncmp(arg, "seed=", 5) == 0) {
        way[0].random = strtoull(v, NULL, 10) * 0x9e3779b97f4a7c15ULL + 1;
        way[1].random = way[0].random ^ 0xbf58476d1ce4e5b9ULL;
    } else if (strncmp(arg, "loss=", 5) == 0) {
        loss = atof(v);
    } else if (strncmp(arg, "burst=", 6) == 0) {
        burst = (unsigned) atoi(v);
    } else if (strncmp(arg, "rtt=", 4) == 0) {
        rtt = atoi(v) * 1000;
    } else if (strncmp(arg, "jitter=", 7) == 0) {
        jitter = atoi(v) * 1000;
    } else if (strncmp(arg, "reorder=", 8) == 0) {
        reorder = atof(v);
    } else if (strncmp(arg, "dup=", 4) == 0) {
        twice = atof(v);
    } else if (strncmp(arg, "clean=", 6) == 0) {
        clean = (unsigned) atoi(v);
    }
}


static void
loop(const struct sockaddr_in *server)
{
    int            i, wait;
    int64_t        left;
    struct pollfd  pfd[PEERS + 2];

    for ( ;; ) {
        pfd[0].fd = 0;
        pfd[1].fd = front;

        for (i = 0; i < npeers; i++) {
            pfd[i + 2].fd = peers[i].fd;
        }

        for (i = 0; i < npeers + 2; i++) {
            pfd[i].events = POLLIN;
            pfd[i].revents = 0;
        }

        wait = -1;

        if (queued > 0) {
            left = heap[0]->at - now_us();
            wait = left > 0 ? (int) (left / 1000) : 0;
        }

        if (poll(pfd, (nfds_t) npeers + 2, wait) == -1 && errno != EINTR) {
            return;
        }

        if (pfd[0].revents) {
            return;
        }

        read_all(server);
        write_due();
    }
}


int
main(int argc, char **argv)
{
    int                 i, size = 4 << 20;
    struct sockaddr_in  addr, server;

    if (argc < 3) {
        fprintf(stderr, "usage: udp_lossy PORT SERVERPORT [name=value …]\n");
        return 2;
    }

    option("seed=1");

    for (i = 3; i < argc; i++) {
        option(argv[i]);
    }

    memset(&addr, 0, sizeof(addr));
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server = addr;
    addr.sin_port = htons((uint16_t) atoi(argv[1]));
    server.sin_port = htons((uint16_t) atoi(argv[2]));

    front = socket(AF_INET, SOCK_DGRAM, 0);
    (void) setsockopt(front, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));

    if (front == -1
        || bind(front, (struct sockaddr *) &addr, sizeof(addr)) == -1)
    {
        perror("bind");
        return 2;
    }

    printf("forwarding\n");
    fflush(stdout);

    loop(&server);

    printf("forwarded=%llu\nlost=%llu\n", (unsigned long long) forwarded,
           (unsigned long long) lost);

    return 0;
}
