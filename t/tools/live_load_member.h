/* Members of live_load: live.chat.v1 in one room. */

#ifndef LIVE_LOAD_MEMBER_H
#define LIVE_LOAD_MEMBER_H

#include "live_load.h"
#include "ws_client.h"

#define MEMBER_MARK      "#L"
#define MEMBER_MARK_LEN  (2 + 8 + 16 + 8)   /* run, time, number; in hex */
#define MEMBER_TEXT      512
#define MEMBER_SEEN      1024               /* numbers that are remembered */


typedef enum { M_SHAKE, M_HELLO, M_LIVE } member_state_e;

typedef struct {
    load_client_t   client;             /* first */
    unsigned        number;
    member_state_e  state;
    uint64_t        seen[MEMBER_SEEN / 64];
    uint8_t        *part;               /* of a frame that is not whole yet */
    size_t          part_len, part_size;
} member_t;


static stream_target_t  room;
static member_t        *members;
static unsigned         members_begun;
static unsigned         members_live;
static uint32_t         members_run;    /* whose messages are ours */
static uint32_t         members_said;


static void
member_fail(member_t *m, const char *what, const void *text, size_t len)
{
    load_error(what, text, len);
    now_stat.closed++;
    members_live -= m->state == M_LIVE;
    m->state = M_SHAKE;
    m->part_len = 0;
    load_later(&m->client);
}


static void
member_frame(member_t *m, unsigned opcode, const void *p, size_t n)
{
    uint8_t  frame[WS_CLIENT_HEAD + STREAM_OUT];

    if (n > STREAM_OUT - WS_CLIENT_HEAD
        || stream_send(&m->client.stream, frame,
                       ws_client_frame(frame, opcode, p, n)) != 0)
    {
        member_fail(m, "not sent", p, n);
    }
}


static void
member_request(member_t *m)
{
    int   n;
    char  text[STREAM_OUT];

    n = snprintf(text, sizeof(text),
                 "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                 "Sec-WebSocket-Protocol: live.chat.v1\r\n\r\n",
                 room.path, room.authority);

    if (stream_send(&m->client.stream, text, (size_t) n) != 0) {
        member_fail(m, "not sent", room.path, strlen(room.path));
    }
}


static void
member_hello(member_t *m)
{
    int          n;
    char         text[STREAM_OUT / 2];
    const char  *token;

    token = load_token(m->number);

    if (token) {
        n = snprintf(text, sizeof(text),
                     "{\"type\":\"hello\",\"token\":\"%s\"}", token);

    } else {
        n = snprintf(text, sizeof(text),
                     "{\"type\":\"hello\",\"name\":\"load %u\"}", m->number);
    }

    if (n >= (int) sizeof(text)) {
        die("a token is too long");
    }

    m->state = M_HELLO;
    member_frame(m, LV_WS_OP_TEXT, text, (size_t) n);
}


static void
member_say(member_t *m)
{
    int   n;
    char  text[MEMBER_TEXT];

    n = snprintf(text, sizeof(text),
                 "{\"type\":\"message\",\"ref\":\"m\",\"text\":\"load "
                 MEMBER_MARK "%08x%016llx%08x\"}", members_run,
                 (unsigned long long) now_ns(), ++members_said);

    now_stat.sent++;
    member_frame(m, LV_WS_OP_TEXT, text, (size_t) n);
}


/* ---- what comes ---- */

static uint64_t
member_hex(const uint8_t *p, size_t n)
{
    uint64_t  v;

    for (v = 0; n; n--, p++) {
        v = v << 4 | (uint64_t) (*p <= '9' ? *p - '0' : *p - 'a' + 10);
    }

    return v;
}


static void
member_message(member_t *m, const uint8_t *mark)
{
    uint32_t  number;
    uint64_t  bit, *seen, *ahead;

    if (member_hex(mark, 8) != members_run) {
        return;                         /* another run's */
    }

    number = (uint32_t) member_hex(mark + 24, 8);
    seen = &m->seen[number % MEMBER_SEEN / 64];
    ahead = &m->seen[(number + MEMBER_SEEN / 2) % MEMBER_SEEN / 64];
    bit = (uint64_t) 1 << number % 64;
    *ahead = 0;

    now_stat.doubled += (*seen & bit) != 0;
    *seen |= bit;
    now_stat.delivered++;
    load_hist_add(&now_stat.late,
                  now_ns() - (int64_t) member_hex(mark + 8, 16));
}


static bool
member_type(const uint8_t *p, size_t n, const char *type)
{
    char  text[48];

    return memmem(p, n, text, (size_t) snprintf(text, sizeof(text),
                                                "\"type\":\"%s\"", type));
}


static void
member_text(member_t *m, const uint8_t *p, size_t n)
{
    const uint8_t  *at;

    if (m->state == M_HELLO) {

        if (!member_type(p, n, "hello")) {
            load_error("no hello", p, n);
            return;
        }

        m->state = M_LIVE;
        members_live++;
        return;
    }

    if (member_type(p, n, "message")) {
        at = memmem(p, n, MEMBER_MARK, 2);

        if (at && (size_t) (p + n - at) >= MEMBER_MARK_LEN) {
            member_message(m, at + 2);
        }

    } else if (member_type(p, n, "ok")) {
        now_stat.accepted++;
        now_stat.expected += members_live;

    } else if (member_type(p, n, "error")) {

        if (now_stat.refused + all_stat.refused == 0) {
            fprintf(stderr, "refused: %.*s\n", (int) (n < 200 ? n : 200), p);
        }

        now_stat.refused++;
    }
}


/* The bytes that belong to whole frames. */
static size_t
member_frames(member_t *m, uint8_t *p, size_t n)
{
    char       text[160];
    size_t     at, size, len;
    uint8_t   *data;
    unsigned   opcode;

    for (at = 0; m->client.stream.fd != -1; at += size) {
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
            snprintf(text, sizeof(text), "%u %.*s",
                     len < 2 ? 0u : (unsigned) data[0] << 8 | data[1],
                     len < 2 ? 0 : (int) len - 2, (const char *) data + 2);
            member_fail(m, "closed", text, strlen(text));
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
        member_fail(m, "no WebSocket", p, (size_t) (end - p));
        return 0;
    }

    member_hello(m);

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
member_input(member_t *m, size_t n)
{
    size_t  at = 0;

    if (m->state == M_SHAKE) {
        at = member_head(m, load_in, n);
    }

    if (m->state != M_SHAKE) {
        at += member_frames(m, load_in + at, n - at);
    }

    if (m->client.stream.fd == -1) {
        return;
    }

    if (n - at == sizeof(load_in)) {
        die("a frame is too large");
    }

    member_keep(m, load_in + at, n - at);
}


static void
member_event(load_client_t *c)
{
    int        n, rc;
    bool       was = c->stream.open;
    member_t  *m = (member_t *) c;

    rc = stream_event(&c->stream);

    if (rc == -1) {
        member_fail(m, "no connection", room.authority,
                    strlen(room.authority));
        return;
    }

    if (rc == 0) {
        return;
    }

    if (!was) {
        member_request(m);
    }

    while (c->stream.fd != -1) {

        if (m->part_len) {
            memcpy(load_in, m->part, m->part_len);
        }

        n = stream_recv(&c->stream, load_in + m->part_len,
                        sizeof(load_in) - m->part_len);

        if (n == 0) {
            return;
        }

        if (n == -1) {
            member_fail(m, "closed", "without a word", 14);
            return;
        }

        member_input(m, m->part_len + (size_t) n);
    }
}


static void
member_open(member_t *m)
{
    if (stream_open(&m->client.stream, load_ep, &room, m, m->number) != 0) {
        member_fail(m, "connect", strerror(errno), strlen(strerror(errno)));
    }
}


/* Messages and reactions come from all in turn. */
static member_t *
member_next(void)
{
    unsigned         i;
    static unsigned  at;

    for (i = 0; i < opt.members; i++) {
        at = (at + 1) % opt.members;

        if (members[at].state == M_LIVE) {
            return &members[at];
        }
    }

    return NULL;
}


/* `part` of them are due to be there; `step`: seconds to write for. */
static void
members_tick(double part, int64_t now, double step)
{
    unsigned       i;
    member_t      *m;
    static char    react[] = "{\"type\":\"reaction\",\"reaction\":\"heart\"}";
    static double  messages, reactions;

    if (members == NULL) {
        return;
    }

    while (members_begun < (unsigned) (part * opt.members + 0.5)) {
        member_open(&members[members_begun++]);
    }

    for (i = 0; i < members_begun; i++) {
        m = &members[i];

        if (m->client.stream.fd == -1 && now >= m->client.again_ns) {
            member_open(m);
        }
    }

    for (messages += opt.messages * step; messages >= 1; messages--) {
        if ((m = member_next()) != NULL) {
            member_say(m);
        }
    }

    for (reactions += opt.reactions * step; reactions >= 1; reactions--) {
        if ((m = member_next()) != NULL) {
            member_frame(m, LV_WS_OP_TEXT, react, sizeof(react) - 1);
            now_stat.reactions++;
        }
    }
}


static void
members_init(void)
{
    unsigned  i;

    stream_target(&room, opt.chat);
    members = tool_alloc(opt.members * sizeof(member_t));
    members_run = (uint32_t) (now_ns() / MS_NS) ^ (uint32_t) getpid() << 16;

    for (i = 0; i < opt.members; i++) {
        members[i].client.stream.fd = -1;
        members[i].client.event = member_event;
        members[i].number = i;
    }
}

#endif
