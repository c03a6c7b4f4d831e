/*
 * What the load generators share: the clock, errors, sockets and the numbers
 * that they print. Header only: each generator is one program of one file.
 */

#ifndef TOOL_H
#define TOOL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TOOL_UNUSED  __attribute__((unused))

#define MS_NS        1000000LL
#define SEC_NS       1000000000LL


static volatile sig_atomic_t  tool_stop;


static TOOL_UNUSED void
tool_on_signal(int sig)
{
    tool_stop = 1;
}


/* INT and TERM end the main loop; a peer that is gone is an error code. */
static TOOL_UNUSED void
tool_signals(void)
{
    struct sigaction  sa;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = tool_on_signal;
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
}


static TOOL_UNUSED __attribute__((noreturn, format(printf, 1, 2))) void
die(const char *fmt, ...)
{
    va_list  ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(2);
}


static TOOL_UNUSED void *
tool_alloc(size_t n)
{
    void  *p = calloc(1, n ? n : 1);

    if (p == NULL) {
        die("out of memory");
    }

    return p;
}


/* CLOCK_MONOTONIC is the same in every process: logs can be joined. */
static inline int64_t
now_ns(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * SEC_NS + ts.tv_nsec;
}


static inline int64_t
wall_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}


/* ---- options ---- */

typedef enum {
    TOOL_FLAG,                          /* bool, no argument */
    TOOL_UNSIGNED,                      /* unsigned */
    TOOL_SIZE,                          /* size_t */
    TOOL_NUMBER,                        /* uint64_t */
    TOOL_REAL,                          /* double */
    TOOL_TEXT,                          /* const char * */
    TOOL_FILE                           /* FILE *, opened for writing */
} tool_type_e;

/* A table of them ends with letter 0. */
typedef struct {
    char         letter;
    tool_type_e  type;
    void        *to;
} tool_option_t;


static TOOL_UNUSED double
tool_value(int letter, const char *text)
{
    char    *end;
    double   v;

    v = strtod(text, &end);

    if (end == text || *end != '\0' || !(v >= 0 && v < 1e15)) {
        die("-%c: not a number: %s", letter, text);
    }

    return v;
}


static TOOL_UNUSED void
tool_option(const tool_option_t *o, const char *text)
{
    switch (o->type) {

    case TOOL_FLAG:
        *(bool *) o->to = true;
        break;

    case TOOL_UNSIGNED:
        *(unsigned *) o->to = (unsigned) tool_value(o->letter, text);
        break;

    case TOOL_SIZE:
        *(size_t *) o->to = (size_t) tool_value(o->letter, text);
        break;

    case TOOL_NUMBER:
        *(uint64_t *) o->to = (uint64_t) tool_value(o->letter, text);
        break;

    case TOOL_REAL:
        *(double *) o->to = tool_value(o->letter, text);
        break;

    case TOOL_TEXT:
        *(const char **) o->to = text;
        break;

    case TOOL_FILE:
        *(FILE **) o->to = fopen(text, "w");

        if (*(FILE **) o->to == NULL) {
            die("%s: %s", text, strerror(errno));
        }
    }
}


/* Sets what the options say; returns the number of arguments behind them,
 * which are at argv[optind]. */
static TOOL_UNUSED int
tool_options(int argc, char **argv, const tool_option_t *table)
{
    int                   c;
    char                  letters[64];
    size_t                n;
    const tool_option_t  *o;

    n = 0;

    for (o = table; o->letter && n + 3 < sizeof(letters); o++) {
        letters[n++] = o->letter;

        if (o->type != TOOL_FLAG) {
            letters[n++] = ':';
        }
    }

    letters[n] = '\0';

    while ((c = getopt(argc, argv, letters)) != -1) {

        for (o = table; o->letter && o->letter != c; o++) {
            /* void */
        }

        if (o->letter == 0) {
            exit(2);
        }

        tool_option(o, optarg);
    }

    return argc - optind;
}


/* As many descriptors as may be had; what is missing shows at connect(). */
static TOOL_UNUSED void
tool_raise_files(void)
{
    struct rlimit  rl;

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
        rl.rlim_cur = rl.rlim_max;
        setrlimit(RLIMIT_NOFILE, &rl);
    }
}


/*
 * A non-blocking connection to a numeric IPv4 address, under way. 'spread'
 * picks one of 127.0.0.1..127.0.0.8 as the source, so that the ports do not
 * run out with tens of thousands of connections to one listener.
 */
static TOOL_UNUSED int
tool_connect(const char *host, int port, unsigned spread)
{
    int                 fd, on = 1;
    struct sockaddr_in  sin;

    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1) {
        die("socket: %s", strerror(errno));
    }

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;

    if (spread != 0) {
        sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK + spread % 8);
        (void) bind(fd, (struct sockaddr *) &sin, sizeof(sin));
    }

    sin.sin_port = htons((uint16_t) port);

    if (inet_pton(AF_INET, host, &sin.sin_addr) != 1) {
        die("not an IPv4 address: %s", host);
    }

    if (connect(fd, (struct sockaddr *) &sin, sizeof(sin)) == -1
        && errno != EINPROGRESS)
    {
        die("connect %s:%d: %s", host, port, strerror(errno));
    }

    return fd;
}


static TOOL_UNUSED void
tool_epoll(int ep, int op, int fd, uint32_t events, void *ptr)
{
    struct epoll_event  ee;

    ee.events = events;
    ee.data.ptr = ptr;

    if (epoll_ctl(ep, op, fd, &ee) == -1) {
        die("epoll_ctl: %s", strerror(errno));
    }
}


/* A growing list of durations, for percentiles. */
typedef struct {
    int64_t  *v;
    size_t    n;
    size_t    size;
} tool_samples_t;


static TOOL_UNUSED void
tool_samples_add(tool_samples_t *s, int64_t v)
{
    if (s->n == s->size) {
        s->size = s->size ? s->size * 2 : 1024;
        s->v = realloc(s->v, s->size * sizeof(int64_t));
        if (s->v == NULL) {
            die("out of memory");
        }
    }

    s->v[s->n++] = v;
}


static TOOL_UNUSED int
tool_samples_cmp(const void *one, const void *two)
{
    int64_t  a = *(const int64_t *) one, b = *(const int64_t *) two;

    return (a > b) - (a < b);
}


/* The value below which 'part' (0..1) of the samples are; sorts them. */
static TOOL_UNUSED int64_t
tool_samples_at(tool_samples_t *s, double part)
{
    size_t  i;

    if (s->n == 0) {
        return 0;
    }

    qsort(s->v, s->n, sizeof(int64_t), tool_samples_cmp);

    i = (size_t) (part * (double) (s->n - 1) + 0.5);

    return s->v[i];
}

#endif
