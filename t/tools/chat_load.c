/*
 * Many members of chat rooms, in one process.
 *
 *   chat_load [-n members] [-r rooms] [-m messages] [-w window] [-b bytes]
 *             [-e reactions] [-z stopped] [-t seconds] [-R ramp] [-D drain]
 *             [-W warm] [-N] http://A.B.C.D:PORT/PATH/
 *
 * -n members join each of -r rooms, which are PATH/r0, PATH/r1 and so on. The
 * first of each writes -m messages a second of -b bytes, or (-w) as many as it
 * can with that many of its own under way. All members together send -e
 * reactions a second. -z members more of each room stop reading once they are
 * in it, until the end. They join over -R seconds (2); the numbers are of the
 * -t seconds after that, and of -D seconds (1) for what is still under way at
 * their end; how late messages come, of what is left of -t after -W seconds.
 *
 * -N speaks with a server that passes text messages on as they are: nchan, and
 * chat_floor. Else each member says a hello with a name of its own, and texts
 * are messages of live.chat.v1.
 *
 * A message says when it was written, and which of its writer's it is: so every
 * member knows what it misses, what came twice, and what came late. One line of
 * name=value is printed; "stopped" is how many of -z were closed, "updates" how
 * many frames with reactions came.
 *
 * Prints "ready" at the end of the ramp.
 */

#include "httpc.h"
#include "ws_client.h"

#define MARK       "#T"
#define MARK_LEN   (2 + 16 + 8)         /* time and number, in hexadecimal */
#define IN_SIZE    (256 * 1024)
#define TEXT_MAX   4000
#define STEP_NS    (5 * MS_NS)


typedef enum { C_CONNECT, C_SHAKE, C_HELLO, C_LIVE, C_CLOSED } state_e;

typedef struct {
    int        fd;
    state_e    state;
    unsigned   room;
    unsigned   number;                  /* in its room; 0 writes */
    bool       stops;                   /* reading */
    uint32_t   last;                    /* message that came */
    uint8_t   *part;                    /* of a frame that is not whole yet */
    size_t     part_len, part_size;
} member_t;

typedef struct {
    uint32_t   sent;
    uint32_t   back;                    /* of its own that came to the writer */
    double     due;
    member_t  *writer;
} room_t;


static struct {
    unsigned   members;
    unsigned   rooms;
    double     messages;
    unsigned   window;
    unsigned   bytes;
    double     reactions;
    unsigned   stopped;
    double     seconds;
    double     ramp;
    double     drain;
    double     warm;
    bool       plain;
} opt = { .members = 1, .rooms = 1, .bytes = 128, .seconds = 10, .ramp = 2,
          .drain = 1 };

static struct {
    uint64_t        delivered;
    uint64_t        missing;
    uint64_t        doubled;
    uint64_t        sent;
    uint64_t        reactions;
    uint64_t        updates;
    uint64_t        errors;
    uint64_t        bytes;
    uint64_t        frames;
    unsigned        live;
    unsigned        closed;
    unsigned        stopped;
    tool_samples_t  late;
} stat;

static httpc_url_t   url;
static member_t     *members;
static room_t       *rooms;
static unsigned      nmembers;
static int           ep;
static uint8_t       in[IN_SIZE];
static bool          measuring;
static int64_t       warm_ns;           /* since when lateness counts */
static bool          resumed;           /* who stopped reads again */


/* ---- what is sent ---- */

static void
member_close(member_t *m)
{
    if (m->state == C_CLOSED) {
        return;
    }

    if (m->state == C_LIVE) {
        stat.live--;

        if (m->stops) {
            stat.stopped++;

        } else {
            stat.closed++;
        }
    }

    close(m->fd);
    free(m->part);
    m->part = NULL;
    m->state = C_CLOSED;
}


/* What the socket does not take is lost, and the member with it. */
static void
member_write(member_t *m, const void *p, size_t n)
{
    ssize_t  sent;

    sent = send(m->fd, p, n, MSG_NOSIGNAL);

    if (sent != (ssize_t) n) {
        member_close(m);
    }
}


static void
member_frame(member_t *m, unsigned opcode, const void *p, size_t n)
{
    uint8_t  frame[WS_CLIENT_HEAD + TEXT_MAX];

    member_write(m, frame, ws_client_frame(frame, opcode, p, n));
}


static void
member_request(member_t *m)
{
    int   n;
    char  text[1024];

    n = snprintf(text, sizeof(text),
                 "GET %sr%u HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
                 url.path, m->room, url.host,
                 opt.plain ? ""
                           : "Sec-WebSocket-Protocol: live.chat.v1\r\n");

    m->state = C_SHAKE;
    member_write(m, text, (size_t) n);
}


static void
member_hello(member_t *m)
{
    int   n;
    char  text[128];

    n = snprintf(text, sizeof(text),
                 "{\"type\":\"hello\",\"name\":\"load %u.%u\"}", m->room,
                 m->number);

    m->state = C_HELLO;
    member_frame(m, LV_WS_OP_TEXT, text, (size_t) n);
}


static void
room_write(room_t *r)
{
    int   n;
    char  text[TEXT_MAX];

    if (r->writer->state != C_LIVE) {
        return;
    }

    n = snprintf(text, sizeof(text), "%s" MARK "%016llx%08x",
                 opt.plain ? "" : "{\"type\":\"message\",\"text\":\"",
                 (unsigned long long) now_ns(), ++r->sent);

    /* long texts are of few characters, which rooms have a limit of */

    while (opt.bytes > 480 && n + 4 < (int) opt.bytes) {
        memcpy(text + n, "\xf0\x9f\x8e\x89", 4);
        n += 4;
    }

    while (n < (int) (opt.bytes + (opt.plain ? 0 : 26))) {
        text[n] = n % 6 ? 'x' : ' ';
        n++;
    }

    text[n - 1] = '.';

    if (!opt.plain) {
        memcpy(text + n, "\"}", 2);
        n += 2;
    }

    stat.sent++;
    member_frame(r->writer, LV_WS_OP_TEXT, text, (size_t) n);
}


/* ---- what comes ---- */

static uint64_t
hex(const uint8_t *p, size_t n)
{
    uint64_t  v;

    for (v = 0; n; n--, p++) {
        v = v << 4 | (uint64_t) (*p <= '9' ? *p - '0' : *p - 'a' + 10);
    }

    return v;
}


static void
member_message(member_t *m, int64_t written, uint32_t number)
{
    room_t  *r;

    r = &rooms[m->room];

    if (m->number == 0 && number > r->back) {
        r->back = number;
    }

    if (number <= m->last) {
        stat.doubled++;
        return;
    }

    stat.missing += number - m->last - 1;
    m->last = number;
    stat.delivered++;

    if (stat.delivered % 16 == 0 && written >= warm_ns) {
        tool_samples_add(&stat.late, now_ns() - written);
    }
}


/* A whole frame's data; one may have several messages. */
static void
member_text(member_t *m, const uint8_t *p, size_t n)
{
    const uint8_t  *at, *end;

    if (m->state == C_HELLO) {
        if (memmem(p, n, "\"type\":\"hello\"", 14) == NULL) {
            die("no hello: %.*s", (int) n, p);
        }

        m->state = C_LIVE;
        stat.live++;
        return;
    }

    end = p + n;
    stat.frames++;

    for (at = p;
         (at = memmem(at, (size_t) (end - at), MARK, 2)) != NULL
         && end - at >= MARK_LEN;
         at += MARK_LEN)
    {
        if (measuring) {
            member_message(m, (int64_t) hex(at + 2, 16),
                           (uint32_t) hex(at + 18, 8));
        }
    }

    if (memmem(p, n, "\"type\":\"reaction", 16)) {
        stat.updates++;

    } else if (memmem(p, n, "\"type\":\"error\"", 14)) {
        if (stat.errors++ == 0) {
            fprintf(stderr, "error: %.*s\n", (int) n, p);
        }
    }
}


/* The bytes that belong to whole frames. */
static size_t
member_frames(member_t *m, uint8_t *p, size_t n)
{
    size_t     at, size, len;
    uint8_t   *data;
    unsigned   opcode;

    for (at = 0; m->state != C_CLOSED; at += size) {
        size = ws_client_next(p + at, n - at, &opcode, &data, &len);

        if (size == 0) {
            break;
        }

        switch (opcode) {
        case LV_WS_OP_TEXT:
            member_text(m, data, len);
            break;
        case LV_WS_OP_PING:
            member_frame(m, LV_WS_OP_PONG, data, len < 126 ? len : 0);
            break;
        case LV_WS_OP_CLOSE:
            member_close(m);
        }
    }

    return at;
}


/* The response's head: the bytes that belong to it, 0 when it is not whole. */
static size_t
member_head(member_t *m, const uint8_t *p, size_t n)
{
    const uint8_t  *end;

    end = memmem(p, n, "\r\n\r\n", 4);

    if (end == NULL) {
        return 0;
    }

    if (memcmp(p, "HTTP/1.1 101", 12) != 0) {
        die("no WebSocket: %.*s", (int) (end - p), p);
    }

    if (opt.plain) {
        m->state = C_LIVE;
        stat.live++;

    } else {
        member_hello(m);
    }

    return (size_t) (end - p) + 4;
}


static void
member_keep(member_t *m, const uint8_t *p, size_t n)
{
    if (n > m->part_size) {
        free(m->part);
        m->part_size = n * 2;
        m->part = tool_alloc(m->part_size);
    }

    if (n) {
        memcpy(m->part, p, n);
    }

    m->part_len = n;
}


static void
member_read(member_t *m)
{
    size_t   at, n;
    ssize_t  got;

    n = m->part_len;

    if (n) {
        memcpy(in, m->part, n);
    }

    got = recv(m->fd, in + n, sizeof(in) - n, 0);

    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            member_close(m);
        }

        return;
    }

    stat.bytes += (uint64_t) got;
    n += (size_t) got;
    at = 0;

    if (m->state == C_SHAKE) {
        at = member_head(m, in, n);
    }

    if (m->state != C_SHAKE) {
        at += member_frames(m, in + at, n - at);
    }

    if (m->state == C_CLOSED) {
        return;
    }

    if (n - at == sizeof(in)) {
        die("a frame is too large");
    }

    member_keep(m, in + at, n - at);

    if (m->stops && m->state == C_LIVE && !resumed) {
        tool_epoll(ep, EPOLL_CTL_MOD, m->fd, EPOLLET, m);
    }
}


static void
member_event(member_t *m, uint32_t events)
{
    if (m->state == C_CLOSED) {
        return;
    }

    if (m->state == C_CONNECT) {

        if (events & (EPOLLERR | EPOLLHUP)) {
            die("no connection to %s:%d", url.host, url.port);
        }

        tool_epoll(ep, EPOLL_CTL_MOD, m->fd, EPOLLIN, m);
        member_request(m);
        return;
    }

    member_read(m);
}


/* ---- the run ---- */

static void
member_begin(unsigned i)
{
    int        size = 16384;
    member_t  *m;

    m = &members[i];
    m->room = i % opt.rooms;
    m->number = i / opt.rooms;
    m->stops = m->number >= opt.members;
    m->fd = tool_connect(url.host, url.port, i + 1);

    if (m->stops) {
        setsockopt(m->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    }

    if (m->number == 0) {
        rooms[m->room].writer = m;
    }

    tool_epoll(ep, EPOLL_CTL_ADD, m->fd, EPOLLOUT, m);
}


static void
wait_events(int64_t until)
{
    int                 i, n;
    int64_t             left;
    struct epoll_event  ev[512];

    do {
        left = (until - now_ns() + MS_NS - 1) / MS_NS;
        n = epoll_wait(ep, ev, 512, left > 0 ? (int) left : 0);

        for (i = 0; i < n; i++) {
            member_event(ev[i].data.ptr, ev[i].events);
        }

    } while (!tool_stop && n > 0 && now_ns() < until);
}


/* True: all are in their rooms. */
static bool
ramp(void)
{
    int64_t   now, start, limit;
    unsigned  due, begun;

    begun = 0;
    start = now_ns();
    limit = start + (int64_t) (opt.ramp * SEC_NS) + 60 * SEC_NS;

    while (!tool_stop && (begun < nmembers || stat.live < nmembers)) {
        now = now_ns();

        if (now > limit || stat.closed + stat.stopped > nmembers / 10) {
            return false;
        }

        due = opt.ramp > 0 ? (unsigned) ((double) (now - start) / SEC_NS
                                         / opt.ramp * nmembers) + 1
                           : nmembers;

        while (begun < due && begun < nmembers) {
            member_begin(begun++);
        }

        wait_events(now + STEP_NS);
    }

    return !tool_stop;
}


static void
write_due(double step, double *reactions)
{
    unsigned          i;
    room_t           *r;
    static unsigned   who;
    static char       react[] = "{\"type\":\"reaction\","
                                "\"reaction\":\"heart\"}";

    for (i = 0; i < opt.rooms; i++) {
        r = &rooms[i];

        if (opt.window) {
            while (r->sent - r->back < opt.window
                   && r->writer->state == C_LIVE)
            {
                room_write(r);
            }

            continue;
        }

        for (r->due += opt.messages * step; r->due >= 1; r->due--) {
            room_write(r);
        }
    }

    for (*reactions += opt.reactions * step; *reactions >= 1;
         *reactions -= 1)
    {
        who = (who + 1) % nmembers;

        if (members[who].state == C_LIVE && !members[who].stops) {
            member_frame(&members[who], LV_WS_OP_TEXT, react,
                         sizeof(react) - 1);
            stat.reactions++;
        }
    }
}


static double
run(void)
{
    double    reactions;
    int64_t   start, end, last, now;
    unsigned  i;

    /* rooms do not write all at once */
    for (i = 0; i < opt.rooms; i++) {
        rooms[i].due = (double) i / opt.rooms;
    }

    reactions = 0;
    measuring = true;
    start = last = now_ns();
    end = start + (int64_t) (opt.seconds * SEC_NS);
    warm_ns = start + (int64_t) (opt.warm * SEC_NS);

    while (!tool_stop && (now = now_ns()) < end) {
        write_due((double) (now - last) / SEC_NS, &reactions);
        last = now;
        wait_events(now + (opt.window ? MS_NS : STEP_NS));
    }

    for (now = now_ns() + (int64_t) (opt.drain * SEC_NS);
         !tool_stop && now_ns() < now;
         /* void */ )
    {
        wait_events(now_ns() + STEP_NS);
    }

    return (double) (now_ns() - start) / SEC_NS;
}


/* Their ends stand behind what they have not read. */
static void
read_to_the_end(void)
{
    int64_t    until;
    unsigned   i;
    member_t  *m;

    measuring = false;
    resumed = true;

    for (i = 0; i < nmembers; i++) {
        m = &members[i];

        if (m->stops && m->state == C_LIVE) {
            tool_epoll(ep, EPOLL_CTL_MOD, m->fd, EPOLLIN, m);
        }
    }

    until = now_ns() + 15 * SEC_NS;

    while (!tool_stop && now_ns() < until && stat.stopped < opt.stopped) {
        wait_events(now_ns() + STEP_NS);
    }
}


/* What the last messages were that somebody should have had. */
static void
count_missing(void)
{
    unsigned   i;
    member_t  *m;

    for (i = 0; i < nmembers; i++) {
        m = &members[i];

        if (m->state == C_LIVE && !m->stops) {
            stat.missing += rooms[m->room].sent - m->last;
        }
    }
}


static double
own_cpu(void)
{
    struct rusage  ru;

    getrusage(RUSAGE_SELF, &ru);

    return (double) (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec)
           + (double) (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}


int
main(int argc, char **argv)
{
    double                      seconds;
    static const tool_option_t  table[] = {
        { 'n', TOOL_UNSIGNED, &opt.members },
        { 'r', TOOL_UNSIGNED, &opt.rooms },
        { 'm', TOOL_REAL, &opt.messages },
        { 'w', TOOL_UNSIGNED, &opt.window },
        { 'b', TOOL_UNSIGNED, &opt.bytes },
        { 'e', TOOL_REAL, &opt.reactions },
        { 'z', TOOL_UNSIGNED, &opt.stopped },
        { 't', TOOL_REAL, &opt.seconds },
        { 'R', TOOL_REAL, &opt.ramp },
        { 'D', TOOL_REAL, &opt.drain },
        { 'W', TOOL_REAL, &opt.warm },
        { 'N', TOOL_FLAG, &opt.plain },
        { 0, TOOL_FLAG, NULL }
    };

    if (tool_options(argc, argv, table) != 1 || opt.rooms == 0
        || opt.members == 0 || opt.bytes < MARK_LEN + 1
        || opt.bytes > TEXT_MAX - 64)
    {
        die("usage: chat_load [options] http://A.B.C.D:PORT/PATH/");
    }

    tool_signals();
    tool_raise_files();

    url = httpc_url(argv[optind]);
    nmembers = (opt.members + opt.stopped) * opt.rooms;
    members = tool_alloc(nmembers * sizeof(member_t));
    rooms = tool_alloc(opt.rooms * sizeof(room_t));

    ep = epoll_create1(EPOLL_CLOEXEC);
    if (ep == -1) {
        die("epoll_create1: %s", strerror(errno));
    }

    if (!ramp()) {
        die("%u of %u members are in, %u were closed", stat.live, nmembers,
            stat.closed);
    }

    printf("ready\n");
    fflush(stdout);

    seconds = run();
    count_missing();

    if (opt.stopped) {
        read_to_the_end();
    }

    printf("members=%u seconds=%.2f sent=%llu delivered=%llu missing=%llu "
           "doubled=%llu late_ms_p50=%.2f late_ms_p99=%.2f closed=%u "
           "stopped=%u reactions=%llu updates=%llu errors=%llu frames=%llu "
           "bytes=%llu own_cpu=%.2f\n",
           nmembers, seconds, (unsigned long long) stat.sent,
           (unsigned long long) stat.delivered,
           (unsigned long long) stat.missing,
           (unsigned long long) stat.doubled,
           (double) tool_samples_at(&stat.late, 0.5) / MS_NS,
           (double) tool_samples_at(&stat.late, 0.99) / MS_NS, stat.closed,
           stat.stopped, (unsigned long long) stat.reactions,
           (unsigned long long) stat.updates,
           (unsigned long long) stat.errors,
           (unsigned long long) stat.frames,
           (unsigned long long) stat.bytes, own_cpu());

    return 0;
}
