/*
 * Plays an FLV file to many RTMP servers' streams at its own pace: a load of
 * publishers that neither decodes nor encodes.
 *
 *   rtmp_push [-n publishers] [-t seconds] [-r ramp_ms] [-c chunk_size]
 *             [-e seconds_each -T total] [-w] [-L log]
 *             rtmp://A.B.C.D:PORT/APP/NAME%d FILE.flv
 *
 * "%d" in the name is the publisher's number. The file is looped; it has to
 * begin with a key frame and to be H.264 and/or AAC. With -e each publish lasts
 * that long, and is followed by the next number until -T were made. With -w
 * every video frame carries an SEI message with the wall clock at which it was
 * handed to the socket (flv_tags.h). With -L the monotonic clock (ns) at which
 * each tag was handed over is written to a file, one line a tag:
 *
 *   NS publisher a|v dts_ms
 *
 * Prints "ready" when every publisher is publishing (with -e: the first of
 * them), and at the end one line of name=value.
 */

#include "flv_tags.h"

#include <sys/uio.h>

#define RX_SIZE      8192
#define RX_CSIDS     64
#define MSG_MAX      4096               /* of what a server says to us */


typedef struct {
    uint32_t   len;
    uint8_t    type;
    uint32_t   got;
    uint8_t    msg[MSG_MAX];
} rx_chunk_t;

typedef enum {
    ST_CONNECTING, ST_HANDSHAKE, ST_CONNECT, ST_CREATE, ST_PUBLISH, ST_SEND,
    ST_DEAD
} state_e;

typedef struct {
    int          fd;
    unsigned     number;
    state_e      state;
    bool         want_write;

    uint8_t      rx[RX_SIZE];
    size_t       rx_len;
    uint32_t     rx_chunk;              /* the server's chunk size */
    rx_chunk_t  *csids[RX_CSIDS];

    uint8_t     *tx;                    /* pending: commands, half sent tags */
    size_t       tx_len;
    size_t       tx_size;

    double       stream_id;
    size_t       next;                  /* tag */
    uint32_t     loops;
    int64_t      start_ns;              /* when dts 0 is due */
    bool         sent_csid[8];
    uint32_t     last_dts[8];
} pub_t;


static struct {
    char        host[64];
    int         port;
    char        app[128];
    char        name[256];
    unsigned    n;
    unsigned    total;
    double      seconds;
    double      each;
    unsigned    ramp_ms;
    size_t      chunk;
    bool        stamps;
    FILE       *log;
} opt = { .n = 1, .ramp_ms = 1000, .chunk = 4096 };

static struct {
    unsigned    started;
    unsigned    publishing;             /* now */
    unsigned    refused;
    unsigned    lost;
    unsigned    done;
    uint64_t    tags;
    uint64_t    bytes;
    int64_t     late_ns;                /* longest that a tag waited for us */
    uint64_t    blocked;                /* the socket buffer was full */
} stat;

static flv_t      flv;
static int        ep;


/* ---- commands ---- */

static void
tx_add(pub_t *p, const void *data, size_t len)
{
    if (p->tx_len + len > p->tx_size) {
        p->tx_size = (p->tx_len + len) * 2;
        p->tx = realloc(p->tx, p->tx_size);
        if (p->tx == NULL) {
            die("out of memory");
        }
    }

    memcpy(p->tx + p->tx_len, data, len);
    p->tx_len += len;
}


static uint8_t *
amf_string(uint8_t *p, const char *s)
{
    size_t  n = strlen(s);

    *p++ = 2;
    *p++ = (uint8_t) (n >> 8);
    *p++ = (uint8_t) n;
    memcpy(p, s, n);

    return p + n;
}


static uint8_t *
amf_number(uint8_t *p, double v)
{
    int       i;
    uint64_t  bits;

    memcpy(&bits, &v, 8);
    *p++ = 0;

    for (i = 56; i >= 0; i -= 8) {
        *p++ = (uint8_t) (bits >> i);
    }

    return p;
}


static uint8_t *
amf_member(uint8_t *p, const char *name, const char *value)
{
    p = amf_string(p, name);
    memmove(p - strlen(name) - 3, p - strlen(name) - 2, strlen(name) + 2);

    return amf_string(p - 1, value);
}


/* A message on chunk stream 3, cut into the default 128 bytes if 'small'. */
static void
msg_send(pub_t *p, uint8_t type, uint32_t sid, const uint8_t *data, size_t len,
    size_t chunk)
{
    size_t   n;
    uint8_t  h[12] = { 3, 0, 0, 0, 0, (uint8_t) (len >> 8), (uint8_t) len,
                       type, (uint8_t) sid, 0, 0, 0 };
    uint8_t  next = 0xc3;

    tx_add(p, h, 12);

    for ( ;; ) {
        n = len < chunk ? len : chunk;
        tx_add(p, data, n);
        data += n;
        len -= n;

        if (len == 0) {
            break;
        }

        tx_add(p, &next, 1);
    }
}


static void
send_connect(pub_t *p)
{
    char      url[256];
    uint8_t   buf[1024], *b = buf;
    uint8_t   size[4] = { (uint8_t) (opt.chunk >> 24),
                          (uint8_t) (opt.chunk >> 16),
                          (uint8_t) (opt.chunk >> 8), (uint8_t) opt.chunk };

    snprintf(url, sizeof(url), "rtmp://%s:%d/%s", opt.host, opt.port, opt.app);

    b = amf_string(b, "connect");
    b = amf_number(b, 1);
    *b++ = 3;
    b = amf_member(b, "app", opt.app);
    b = amf_member(b, "type", "nonprivate");
    b = amf_member(b, "flashVer", "FMLE/3.0 (compatible; rtmp_push)");
    b = amf_member(b, "tcUrl", url);
    *b++ = 0; *b++ = 0; *b++ = 9;

    msg_send(p, 20, 0, buf, (size_t) (b - buf), 128);
    msg_send(p, 1, 0, size, 4, 128);

    p->state = ST_CONNECT;
}


static void
send_name_command(pub_t *p, const char *cmd, double id, uint32_t sid,
    const char *extra)
{
    char      name[300];
    uint8_t   buf[1024], *b = buf;
    char     *d;

    d = strstr(opt.name, "%d");

    if (d != NULL) {
        snprintf(name, sizeof(name), "%.*s%u%s", (int) (d - opt.name),
                 opt.name, p->number, d + 2);
    } else {
        snprintf(name, sizeof(name), "%s", opt.name);
    }

    b = amf_string(b, cmd);
    b = amf_number(b, id);
    *b++ = 5;
    b = amf_string(b, name);

    if (extra != NULL) {
        b = amf_string(b, extra);
    }

    msg_send(p, 20, sid, buf, (size_t) (b - buf), opt.chunk);
}


static void
send_create(pub_t *p)
{
    uint8_t  buf[64], *b = buf;

    send_name_command(p, "releaseStream", 2, 0, NULL);
    send_name_command(p, "FCPublish", 3, 0, NULL);

    b = amf_string(b, "createStream");
    b = amf_number(b, 4);
    *b++ = 5;
    msg_send(p, 20, 0, buf, (size_t) (b - buf), opt.chunk);

    p->state = ST_CREATE;
}


static void
send_end(pub_t *p)
{
    uint8_t  buf[64], *b = buf;

    send_name_command(p, "FCUnpublish", 6, 0, NULL);

    b = amf_string(b, "deleteStream");
    b = amf_number(b, 7);
    *b++ = 5;
    b = amf_number(b, p->stream_id);
    msg_send(p, 20, 0, buf, (size_t) (b - buf), opt.chunk);
}


/* ---- a publisher ---- */

static void
pub_want_write(pub_t *p, bool on)
{
    if (p->want_write != on) {
        p->want_write = on;
        tool_epoll(ep, EPOLL_CTL_MOD, p->fd, EPOLLIN | (on ? EPOLLOUT : 0), p);
    }
}


static void
pub_start(pub_t *p, unsigned number)
{
    memset(p, 0, offsetof(pub_t, rx));
    p->rx_len = 0;
    p->rx_chunk = 128;
    p->tx_len = 0;
    p->next = 0;
    p->loops = 0;
    p->number = number;
    p->state = ST_CONNECTING;
    memset(p->sent_csid, 0, sizeof(p->sent_csid));
    memset(p->last_dts, 0, sizeof(p->last_dts));
    p->fd = tool_connect(opt.host, opt.port, 0);
    p->want_write = true;
    tool_epoll(ep, EPOLL_CTL_ADD, p->fd, EPOLLIN | EPOLLOUT, p);
    stat.started++;
}


static void
pub_close(pub_t *p, const char *why)
{
    int  i;

    if (p->state == ST_DEAD) {
        return;
    }

    if (why != NULL) {

        if (p->state == ST_SEND) {
            stat.lost++;
        } else {
            stat.refused++;
        }

        if (stat.lost + stat.refused <= 5) {
            fprintf(stderr, "publisher %u: %s\n", p->number, why);
        }
    }

    if (p->state == ST_SEND) {
        stat.publishing--;
    }

    for (i = 0; i < RX_CSIDS; i++) {
        free(p->csids[i]);
        p->csids[i] = NULL;
    }

    close(p->fd);
    p->state = ST_DEAD;
}


static void
pub_flush(pub_t *p)
{
    ssize_t  n;

    if (p->tx_len == 0) {
        pub_want_write(p, false);
        return;
    }

    n = send(p->fd, p->tx, p->tx_len, 0);

    if (n == -1) {
        if (errno == EAGAIN) {
            pub_want_write(p, true);
        } else {
            pub_close(p, strerror(errno));
        }
        return;
    }

    memmove(p->tx, p->tx + n, p->tx_len - (size_t) n);
    p->tx_len -= (size_t) n;
    pub_want_write(p, p->tx_len != 0);
}


static void
pub_handshake(pub_t *p)
{
    uint8_t  c1[1537];

    if (p->rx_len < 1 + 1536 + 1536) {
        return;
    }

    memcpy(c1, p->rx + 1, 1536);        /* C2 is S1 */
    tx_add(p, c1, 1536);
    p->rx_len -= 3073;
    memmove(p->rx, p->rx + 3073, p->rx_len);

    send_connect(p);
}


static void
pub_message(pub_t *p, rx_chunk_t *c)
{
    uint64_t       bits;
    size_t         i, n;
    const uint8_t *m = c->msg;

    if (c->type == 1 && c->len >= 4) {
        p->rx_chunk = flv_be24(m) << 8 | m[3];
        return;
    }

    if (c->type != 20 || c->len < 3 || m[0] != 2) {
        return;
    }

    n = (size_t) (m[1] << 8 | m[2]);

    if (n == 7 && memcmp(m + 3, "_result", 7) == 0) {

        if (p->state == ST_CONNECT) {
            send_create(p);

        } else if (p->state == ST_CREATE && c->len >= 29 && m[20] == 0) {
            /* "_result", the id 4, null, the number of the stream */

            for (bits = 0, i = 0; i < 8; i++) {
                bits = bits << 8 | m[21 + i];
            }

            if (m[11] == 0x40 && m[12] == 0x10) {
                memcpy(&p->stream_id, &bits, 8);
                send_name_command(p, "publish", 5, (uint32_t) p->stream_id,
                                  "live");
                p->state = ST_PUBLISH;
            }
        }

        return;
    }

    if (n == 6 && memcmp(m + 3, "_error", 6) == 0) {

        if (p->state == ST_CONNECT || p->state == ST_CREATE) {
            pub_close(p, "_error");
        }

        return;
    }

    if (n == 8 && memcmp(m + 3, "onStatus", 8) == 0) {

        if (memmem(m, c->len, "NetStream.Publish.Start", 23) != NULL) {
            p->state = ST_SEND;
            p->start_ns = now_ns();
            stat.publishing++;

        } else if (memmem(m, c->len, "BadName", 7) != NULL
                   || memmem(m, c->len, "Denied", 6) != NULL
                   || memmem(m, c->len, "error", 5) != NULL)
        {
            pub_close(p, "refused by onStatus");
        }
    }
}


/* Takes whole chunks out of the receive buffer. */
static void
pub_chunks(pub_t *p)
{
    size_t       head, n, at = 0;
    uint8_t      fmt, csid;
    rx_chunk_t  *c;
    static const size_t  sizes[] = { 11, 7, 3, 0 };

    while (p->state != ST_DEAD && at < p->rx_len) {
        fmt = p->rx[at] >> 6;
        csid = p->rx[at] & 0x3f;

        if (csid < 2) {
            pub_close(p, "a chunk stream id of two bytes");
            return;
        }

        head = 1 + sizes[fmt];

        if (at + head > p->rx_len) {
            break;
        }

        c = p->csids[csid];

        if (c == NULL) {
            c = p->csids[csid] = tool_alloc(sizeof(rx_chunk_t));
        }

        if (fmt < 2 && c->got == 0) {
            c->len = flv_be24(p->rx + at + 4);
            c->type = p->rx[at + 7];
        }

        if (c->len > MSG_MAX) {
            pub_close(p, "a long message");
            return;
        }

        n = c->len - c->got;
        n = n < p->rx_chunk ? n : p->rx_chunk;

        if (at + head + n > p->rx_len) {
            break;
        }

        memcpy(c->msg + c->got, p->rx + at + head, n);
        c->got += (uint32_t) n;
        at += head + n;

        if (c->got == c->len) {
            c->got = 0;
            pub_message(p, c);
        }
    }

    if (p->state != ST_DEAD) {
        p->rx_len -= at;
        memmove(p->rx, p->rx + at, p->rx_len);
    }
}


static void
pub_read(pub_t *p)
{
    ssize_t  n;

    n = recv(p->fd, p->rx + p->rx_len, RX_SIZE - p->rx_len, 0);

    if (n == 0) {
        pub_close(p, "closed by the server");
        return;
    }

    if (n == -1) {
        if (errno != EAGAIN) {
            pub_close(p, strerror(errno));
        }
        return;
    }

    p->rx_len += (size_t) n;

    if (p->state == ST_HANDSHAKE) {
        pub_handshake(p);
    }

    if (p->state > ST_HANDSHAKE) {
        pub_chunks(p);
    }

    if (p->state != ST_DEAD && p->tx_len != 0) {
        pub_flush(p);
    }
}


static void
pub_connected(pub_t *p)
{
    int        err = 0;
    uint8_t    c[1537] = { 3 };
    socklen_t  len = sizeof(err);

    getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len);

    if (err != 0) {
        pub_close(p, strerror(err));
        return;
    }

    memset(c + 9, 0x5a, 1528);
    tx_add(p, c, 1537);
    p->state = ST_HANDSHAKE;
    pub_flush(p);
}


/* When the next tag is due, ns. */
static int64_t
pub_due(pub_t *p)
{
    int64_t  ms;

    ms = (int64_t) p->loops * flv.loop_ms + flv.tags[p->next].dts;

    return p->start_ns + ms * MS_NS;
}


static void
pub_send_tag(pub_t *p, int64_t now)
{
    tag_t         *t = &flv.tags[p->next];
    size_t         hlen;
    uint8_t        h[16];
    int64_t        us;
    uint32_t       dts, delta;
    struct iovec   iov[2];
    ssize_t        n;
    char           digits[FLV_STAMP_LEN + 1];

    dts = p->loops * flv.loop_ms + t->dts;

    /*
     * Type 1 headers with the difference: the absolute time of a long run
     * would need the extended field.
     */

    delta = p->sent_csid[t->csid] ? dts - p->last_dts[t->csid] : dts;

    h[0] = (uint8_t) ((p->sent_csid[t->csid] ? 0x40 : 0) | t->csid);
    h[1] = (uint8_t) (delta >> 16);
    h[2] = (uint8_t) (delta >> 8);
    h[3] = (uint8_t) delta;
    h[4] = (uint8_t) (t->len >> 16);
    h[5] = (uint8_t) (t->len >> 8);
    h[6] = (uint8_t) t->len;
    h[7] = t->type;
    hlen = 8;

    if (!p->sent_csid[t->csid]) {
        h[8] = (uint8_t) p->stream_id;
        h[9] = h[10] = h[11] = 0;
        hlen = 12;
        p->sent_csid[t->csid] = true;
    }

    p->last_dts[t->csid] = dts;

    if (t->stamp != NULL) {
        us = wall_us();
        snprintf(digits, sizeof(digits), "%016llx", (unsigned long long) us);
        memcpy(t->stamp, digits, FLV_STAMP_LEN);
    }

    if (opt.log != NULL) {
        fprintf(opt.log, "%lld %u %c %u\n", (long long) now_ns(), p->number,
                t->type == 9 ? 'v' : t->type == 8 ? 'a' : 'm', dts);
    }

    stat.tags++;
    stat.bytes += hlen + t->size;

    if (now - pub_due(p) > stat.late_ns) {
        stat.late_ns = now - pub_due(p);
    }

    if (p->tx_len != 0) {
        tx_add(p, h, hlen);
        tx_add(p, t->body, t->size);
        return;
    }

    iov[0].iov_base = h;
    iov[0].iov_len = hlen;
    iov[1].iov_base = t->body;
    iov[1].iov_len = t->size;

    n = writev(p->fd, iov, 2);

    if (n == -1 && errno != EAGAIN) {
        pub_close(p, strerror(errno));
        return;
    }

    if (n < 0) {
        n = 0;
    }

    if ((size_t) n < hlen + t->size) {
        stat.blocked++;

        if ((size_t) n < hlen) {
            tx_add(p, h + n, hlen - (size_t) n);
            n = (ssize_t) hlen;
        }

        tx_add(p, t->body + ((size_t) n - hlen),
               t->size - ((size_t) n - hlen));
        pub_want_write(p, true);
    }
}


/* Sends what is due; returns when the next is, or 0 when it is over. */
static int64_t
pub_run(pub_t *p, int64_t now)
{
    int64_t  due;

    while (p->state == ST_SEND) {

        if (opt.each > 0
            && now - p->start_ns >= (int64_t) (opt.each * SEC_NS))
        {
            send_end(p);
            pub_flush(p);
            stat.done++;
            pub_close(p, NULL);
            return 0;
        }

        due = pub_due(p);

        if (due > now) {
            return due;
        }

        pub_send_tag(p, now);

        do {
            if (++p->next == flv.n) {
                p->next = 0;
                p->loops++;
            }
        } while (p->loops > 0 && flv.tags[p->next].config);
    }

    return 0;
}


/* ---- */

static void
parse_url(const char *url)
{
    char  app_name[400];
    char *slash;

    if (sscanf(url, "rtmp://%63[^:/]:%d/%399s", opt.host, &opt.port, app_name)
        != 3)
    {
        die("not rtmp://HOST:PORT/APP/NAME: %s", url);
    }

    slash = strchr(app_name, '/');
    if (slash == NULL) {
        die("no name in %s", url);
    }

    *slash = '\0';
    snprintf(opt.app, sizeof(opt.app), "%.127s", app_name);
    snprintf(opt.name, sizeof(opt.name), "%.255s", slash + 1);
}


static void
options(int argc, char **argv)
{
    int  n;

    static const tool_option_t  table[] = {
        { 'n', TOOL_UNSIGNED, &opt.n },
        { 't', TOOL_REAL, &opt.seconds },
        { 'r', TOOL_UNSIGNED, &opt.ramp_ms },
        { 'c', TOOL_SIZE, &opt.chunk },
        { 'e', TOOL_REAL, &opt.each },
        { 'T', TOOL_UNSIGNED, &opt.total },
        { 'w', TOOL_FLAG, &opt.stamps },
        { 'L', TOOL_FILE, &opt.log },
        { 0, TOOL_FLAG, NULL }
    };

    n = tool_options(argc, argv, table);

    if (n != 2 || opt.n < 1 || opt.chunk < 128
        || opt.chunk > 65536 || (opt.each > 0) != (opt.total > 0))
    {
        die("rtmp_push [-n publishers] [-t seconds] [-r ramp_ms] "
            "[-c chunk_size] [-e seconds_each -T total] [-w] [-L log] "
            "rtmp://A.B.C.D:PORT/APP/NAME%%d FILE.flv");
    }

    if (opt.total == 0) {
        opt.total = opt.n;
    }

    parse_url(argv[optind]);
    flv_load(&flv, argv[optind + 1], opt.chunk, opt.stamps);
}


/* Opens connections as the ramp allows; when the next is due, or 0. */
static int64_t
ramp(pub_t *pubs, int64_t begin, int64_t now)
{
    int64_t   due;
    unsigned  i;

    for (i = 0; i < opt.n && stat.started < opt.total; i++) {

        if (pubs[i].fd != -1 && pubs[i].state != ST_DEAD) {
            continue;
        }

        if (pubs[i].fd != -1 && opt.each <= 0) {
            continue;                   /* lost, and stays so */
        }

        due = begin + (int64_t) stat.started * opt.ramp_ms * MS_NS / opt.n;

        if (stat.started < opt.n && due > now) {
            return due;
        }

        pub_start(&pubs[i], stat.started);
    }

    return 0;
}


int
main(int argc, char **argv)
{
    int                  i, n, wait;
    bool                 ready = false;
    pub_t               *pubs, *p;
    int64_t              begin, now, next, due, end;
    struct epoll_event   events[256];
    unsigned             k, alive;

    options(argc, argv);
    tool_signals();
    tool_raise_files();

    ep = epoll_create1(EPOLL_CLOEXEC);
    pubs = tool_alloc(opt.n * sizeof(pub_t));

    for (k = 0; k < opt.n; k++) {
        pubs[k].fd = -1;
        pubs[k].state = ST_DEAD;
    }

    begin = now_ns();
    end = opt.seconds > 0 ? begin + (int64_t) (opt.seconds * SEC_NS)
                          : INT64_MAX;

    while (!tool_stop) {
        now = now_ns();

        if (now >= end) {
            break;
        }

        next = ramp(pubs, begin, now);
        alive = 0;

        for (k = 0; k < opt.n; k++) {
            p = &pubs[k];
            due = pub_run(p, now);

            if (due != 0 && (next == 0 || due < next)) {
                next = due;
            }

            alive += p->state != ST_DEAD;
        }

        if (alive == 0 && stat.started >= opt.total) {
            break;
        }

        if (!ready && (stat.publishing == opt.n
                       || (opt.each > 0 && stat.publishing > 0)))
        {
            ready = true;
            puts("ready");
            fflush(stdout);
        }

        now = now_ns();
        wait = next == 0 ? 100 : next <= now ? 0
               : (int) ((next - now + MS_NS - 1) / MS_NS);

        n = epoll_wait(ep, events, 256, wait < 100 ? wait : 100);

        for (i = 0; i < n; i++) {
            p = events[i].data.ptr;

            if (p->state == ST_CONNECTING) {
                pub_connected(p);

            } else if (p->state != ST_DEAD
                       && (events[i].events & EPOLLOUT))
            {
                pub_flush(p);
            }

            if (p->state > ST_CONNECTING && p->state != ST_DEAD
                && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            {
                pub_read(p);
            }
        }
    }

    printf("started=%u publishing=%u done=%u refused=%u lost=%u tags=%llu "
           "bytes=%llu late_ms=%lld blocked=%llu seconds=%.3f\n",
           stat.started, stat.publishing, stat.done, stat.refused, stat.lost,
           (unsigned long long) stat.tags, (unsigned long long) stat.bytes,
           (long long) (stat.late_ns / MS_NS),
           (unsigned long long) stat.blocked,
           (double) (now_ns() - begin) / SEC_NS);

    for (k = 0; k < opt.n; k++) {
        if (pubs[k].state == ST_SEND) {
            send_end(&pubs[k]);
            pub_flush(&pubs[k]);
        }
    }

    if (opt.log != NULL) {
        fclose(opt.log);
    }

    return stat.refused + stat.lost != 0;
}
