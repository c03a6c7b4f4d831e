#include "lv_ws.h"
#include "tap.h"


#define MAX_MESSAGE  70000

/* What a stream of frames came to, as text: "T:hello P:x F1002". */
static char     trace[4096];
static uint8_t  wire[4 * MAX_MESSAGE];
static size_t   wire_len;


static void
start(void)
{
    wire_len = 0;
}


static void
raw(const void *p, size_t n)
{
    memcpy(wire + wire_len, p, n);
    wire_len += n;
}


/* A frame as a client sends it. first: FIN, RSV and opcode. */
static void
frame(unsigned first, const void *data, size_t n)
{
    size_t          i, head;
    const uint8_t  *p = data;
    const uint8_t   mask[4] = { 0x37, 0xfa, 0x21, 0x3d };

    head = lv_ws_head(wire + wire_len, first & 0x0f, n);
    wire[wire_len] = (uint8_t) first;
    wire[wire_len + 1] |= 0x80;
    wire_len += head;

    raw(mask, 4);

    for (i = 0; i < n; i++) {
        wire[wire_len++] = p[i] ^ mask[i & 3];
    }
}


static void
text(unsigned first, const char *s)
{
    frame(first, s, strlen(s));
}


static void
note(lv_ws_event_t *ev)
{
    size_t  at;

    at = strlen(trace);

    switch (ev->type) {
    case LV_WS_TEXT:
    case LV_WS_PING:
    case LV_WS_PONG:
        snprintf(trace + at, sizeof(trace) - at, "%s%c:%.*s", at ? " " : "",
                 ev->type == LV_WS_TEXT ? 'T' : ev->type == LV_WS_PING ? 'P'
                                                                       : 'O',
                 ev->len < 200 ? (int) ev->len : 0, (char *) ev->data);

        if (ev->len >= 200) {
            at = strlen(trace);
            snprintf(trace + at, sizeof(trace) - at, "%zu", ev->len);
        }

        break;
    case LV_WS_CLOSE:
        snprintf(trace + at, sizeof(trace) - at, "%sC%u:%.*s", at ? " " : "",
                 ev->code, (int) ev->len, (char *) ev->data);
        break;
    case LV_WS_FAIL:
        snprintf(trace + at, sizeof(trace) - at, "%sF%u", at ? " " : "",
                 ev->code);
    }
}


/* Feeds what is on the wire in pieces, each in memory of its own. */
static const char *
feed(size_t step, size_t max)
{
    int            rc;
    size_t         at, n, used, done;
    uint8_t       *piece;
    lv_ws_t        ws;
    lv_ws_event_t  ev;

    lv_ws_init(&ws, max);
    trace[0] = '\0';

    for (at = 0; at < wire_len; at += n) {
        n = wire_len - at < step ? wire_len - at : step;
        piece = malloc(n);
        memcpy(piece, wire + at, n);

        for (done = 0;; done += used) {
            rc = lv_ws_input(&ws, piece + done, n - done, &used, &ev);

            if (rc != LV_OK) {
                break;
            }

            note(&ev);
        }

        if (rc != LV_AGAIN || used != n - done) {
            strcat(trace, " (not all taken)");
        }

        free(piece);
    }

    if (ws.buf && !ws.in_message && !ws.in_frame) {
        strcat(trace, " (holds a buffer)");
    }

    lv_ws_free(&ws);

    return trace;
}


/* The same whatever the pieces. */
static void
want(const char *expected, const char *name)
{
    size_t  i;
    size_t  steps[] = { 1, 2, 3, 5, 7, 11, 64, 4096, sizeof(wire) };

    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (wire_len > 10000 && steps[i] < 64) {
            continue;
        }

        if (strcmp(feed(steps[i], MAX_MESSAGE), expected) != 0) {
            ok(0, "%s", name);
            diag("in pieces of %zu: got \"%s\", expected \"%s\"", steps[i],
                 trace, expected);
            return;
        }
    }

    ok(1, "%s", name);
}


static void
messages(void)
{
    static char  big[MAX_MESSAGE + 2];

    start();
    text(0x81, "Hello");
    text(0x81, "");
    text(0x89, "are you there");
    text(0x8a, "");
    text(0x81, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    want("T:Hello T: P:are you there O: T:\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
         "messages, ping and pong");

    start();
    text(0x01, "Hel");
    text(0x89, "1");
    text(0x00, "");
    text(0x8a, "2");
    text(0x80, "lo");
    text(0x81, "next");
    want("P:1 O:2 T:Hello T:next", "control frames between fragments");

    start();
    text(0x01, "");
    text(0x89, "1");
    text(0x00, "");
    text(0x80, "");
    text(0x01, "");
    text(0x80, "late");
    want("P:1 T: T:late", "empty fragments");

    start();
    text(0x01, "\xe2");
    text(0x00, "\x82");
    text(0x80, "\xac");
    want("T:\xe2\x82\xac", "a code point over three fragments");

    memset(big, 'x', sizeof(big));
    start();
    frame(0x81, big, 125);
    frame(0x81, big, 126);
    frame(0x81, big, 127);
    frame(0x81, big, 65535);
    frame(0x81, big, 65536);
    feed(sizeof(wire), MAX_MESSAGE);
    ok(strstr(trace, " T:65535 T:65536") != NULL,
       "the three forms of a length");

    start();
    frame(0x01, big, 65536);
    frame(0x00, big, MAX_MESSAGE - 65536);
    frame(0x80, "", 0);
    want("T:70000", "as large as allowed");

    start();
    frame(0x01, big, 65536);
    frame(0x80, big, MAX_MESSAGE - 65536 + 1);
    want("F1009", "one byte more in a fragment");

    start();
    frame(0x81, big, MAX_MESSAGE + 1);
    want("F1009", "one byte more in one frame");

    start();
    raw("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\2\3\4", 14);
    want("F1009", "a length of 2^63 - 1");
}


static void
broken(void)
{
    unsigned  i;

    static const struct {
        const char  *name;
        const char  *bytes;
        size_t       len;
        const char  *trace;
    } cases[] = {
        { "a frame without a mask", "\x81\x05Hello", 7, "F1002" },
        { "RSV1", "\xc1\x80\0\0\0\0", 6, "F1002" },
        { "RSV2", "\xa1\x80\0\0\0\0", 6, "F1002" },
        { "RSV3 in a ping", "\x99\x80\0\0\0\0", 6, "F1002" },
        { "opcode 3", "\x83\x80\0\0\0\0", 6, "F1002" },
        { "opcode 7", "\x87\x80\0\0\0\0", 6, "F1002" },
        { "opcode 11", "\x8b\x80\0\0\0\0", 6, "F1002" },
        { "opcode 15", "\x8f\x80\0\0\0\0", 6, "F1002" },
        { "binary", "\x82\x80\0\0\0\0", 6, "F1003" },
        { "a fragmented ping", "\x09\x80\0\0\0\0", 6, "F1002" },
        { "a ping of 126 bytes", "\x89\xfe\0\x7e\0\0\0\0", 8, "F1002" },
        { "a continuation of nothing", "\x80\x80\0\0\0\0", 6, "F1002" },
        { "text within a message", "\x01\x80\0\0\0\0\x81\x80\0\0\0\0", 12,
          "F1002" },
        { "125 in 16 bits", "\x81\xfe\0\x7d\0\0\0\0", 8, "F1002" },
        { "65535 in 64 bits", "\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14,
          "F1002" },
        { "the first bit of 64", "\x81\xff\x80\0\0\0\0\1\0\0\0\0\0\0", 14,
          "F1002" },
        { "bytes that are never UTF-8", "\x81\x81\0\0\0\0\xff", 7, "F1007" },
        { "an overlong slash", "\x81\x82\0\0\0\0\xc0\xaf", 8, "F1007" },
        { "a surrogate", "\x81\x83\0\0\0\0\xed\xa0\x80", 9, "F1007" },
        { "U+110000", "\x81\x84\0\0\0\0\xf4\x90\x80\x80", 10, "F1007" },
        { "half a code point", "\x81\x82\0\0\0\0\xe2\x82", 8, "F1007" },
        { "half a code point at the end of fragments",
          "\x01\x81\0\0\0\0\xe2\x80\x81\0\0\0\0\x82", 14, "F1007" },
        { "bad UTF-8 long before the end of its frame",
          "\x01\xfe\x10\0\0\0\0\0\xfe", 9, "F1007" },
        { "close", "\x88\x80\0\0\0\0", 6, "C1005:" },
        { "close with a code", "\x88\x82\0\0\0\0\x03\xe8", 8, "C1000:" },
        { "close with a reason", "\x88\x85\0\0\0\0\x0f\xa0""bye", 11,
          "C4000:bye" },
        { "close and more", "\x88\x80\0\0\0\0\x81\x81\0\0\0\0x", 13,
          "C1005:" },
        { "half a close code", "\x88\x81\0\0\0\0\x03", 7, "F1002" },
        { "a close reason that is not UTF-8", "\x88\x83\0\0\0\0\x03\xe8\xff",
          9, "F1007" },
        { "a failure, then more", "\x83\x80\0\0\0\0\x81\x81\0\0\0\0x", 13,
          "F1002" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start();
        raw(cases[i].bytes, cases[i].len);
        want(cases[i].trace, cases[i].name);
    }
}


static void
close_codes(void)
{
    bool      right;
    unsigned  code;
    char      good[16];
    uint8_t   body[2];

    right = true;

    for (code = 0; code < 65536; code++) {
        start();
        (void) lv_put16(body, (uint16_t) code);
        frame(0x88, body, 2);
        feed(64, 100);

        snprintf(good, sizeof(good), "C%u:", code);

        if ((code >= 1000 && code <= 1014 && (code < 1004 || code > 1006))
            || (code >= 3000 && code <= 4999))
        {
            right &= strcmp(trace, good) == 0;

        } else {
            right &= strcmp(trace, "F1002") == 0;
        }
    }

    ok(right, "every close code: those of the registry, 3000 and 4000");
}


static void
many_fragments(void)
{
    unsigned  i;

    start();
    text(0x01, "a");

    for (i = 1; i < LV_WS_FRAGMENTS_MAX - 1; i++) {
        text(0x00, "");
    }

    text(0x80, "b");
    want("T:ab", "as many fragments as allowed");

    wire[wire_len - 7] = 0;
    text(0x80, "c");
    want("F1009", "one fragment more");
}


/* An idle connection keeps nothing; a piece of a message little. */
static void
memory(void)
{
    size_t         used;
    uint8_t        part[6 + 8] = { 0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,
                                   0, 0 };
    lv_ws_t        ws;
    lv_ws_event_t  ev;

    ok(sizeof(lv_ws_t) <= 96, "a parser is small: %zu bytes", sizeof(lv_ws_t));

    lv_ws_init(&ws, MAX_MESSAGE);

    is_int(lv_ws_input(&ws, part, sizeof(part), &used, &ev), LV_AGAIN,
           "a header alone");
    ok(ws.buf == NULL, "which announces 65536 bytes and is given none");

    (void) lv_ws_input(&ws, (uint8_t *) memset(part, 'x', 10), 10, &used,
                       &ev);
    ok(ws.buf_size <= 256, "10 bytes cost 256");

    lv_ws_free(&ws);
}


static void
writer(void)
{
    char     reason[200];
    size_t   n;
    uint8_t  out[LV_WS_CLOSE_MAX];

    n = lv_ws_close(out, 1012, "back soon");
    ok(n == 13 && memcmp(out, "\x88\x0b\x03\xf4""back soon", 13) == 0,
       "a close frame");

    n = lv_ws_close(out, LV_WS_NO_STATUS, "ignored");
    ok(n == 2 && memcmp(out, "\x88\0", 2) == 0, "one without a body");

    n = lv_ws_close(out, 1000, NULL);
    ok(n == 4 && memcmp(out, "\x88\x02\x03\xe8", 4) == 0, "one with a code");

    memset(reason, 'r', sizeof(reason));
    memcpy(reason + 121, "\xe2\x82\xac", 3);
    reason[199] = '\0';
    n = lv_ws_close(out, 1000, reason);
    ok(n == 4 + 121 && out[1] == 123, "a long reason is cut at a code point");
}


/* Headers as "Name: value\n"; protocol "chat.v1". */
static lv_ws_verdict_e
shake(lv_ws_handshake_t *hs, const char *head, bool get, unsigned http)
{
    lv_str_t     name, value;
    const char  *colon, *end;

    lv_ws_handshake_init(hs, "chat.v1");

    for ( /* void */ ; *head; head = end + 1) {
        colon = strchr(head, ':');
        end = strchr(colon, '\n');

        name.data = (const uint8_t *) head;
        name.len = (size_t) (colon - head);
        value.data = (const uint8_t *) colon + 2;
        value.len = (size_t) (end - colon) - 2;

        lv_ws_handshake_header(hs, name, value);
    }

    return lv_ws_handshake_check(hs, get, http);
}


#define UP    "Host: example.org\nUpgrade: websocket\n"
#define CON   "Connection: Upgrade\n"
#define KEY   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"
#define VER   "Sec-WebSocket-Version: 13\n"
#define GOOD  UP CON KEY VER
#define PROT  "Sec-WebSocket-Protocol: "

static void
handshake(void)
{
    unsigned           i;
    lv_ws_verdict_e    v;
    lv_ws_handshake_t  hs;

    static const struct {
        const char       *name;
        const char       *head;
        lv_ws_verdict_e   verdict;
        bool              agreed;
    } cases[] = {
        { "without a protocol", GOOD, LV_WS_UPGRADE, false },
        { "any case", "upgrade: WebSocket\nCONNECTION: keep-alive, UPGRADE\n"
          "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\n"
          "SEC-WEBSOCKET-VERSION: 13\n", LV_WS_UPGRADE, false },
        { "our protocol", GOOD PROT "chat.v1\n", LV_WS_UPGRADE, true },
        { "ours among others", GOOD PROT "mqtt ,chat.v1\t, x\n",
          LV_WS_UPGRADE, true },
        { "ours in a second line", GOOD PROT "mqtt\n" PROT "chat.v1\n",
          LV_WS_UPGRADE, true },
        { "another", GOOD PROT "chat.v2, CHAT.V1\n", LV_WS_UPGRADE, false },
        { "an empty element", GOOD PROT "chat.v1,,x\n", LV_WS_BAD_REQUEST,
          false },
        { "no token", GOOD PROT "a b\n", LV_WS_BAD_REQUEST, false },
        { "ours twice", GOOD PROT "chat.v1, chat.v1\n", LV_WS_BAD_REQUEST,
          false },
        { "a plain request", CON KEY VER, LV_WS_NO_UPGRADE, false },
        { "an upgrade to something else", "Upgrade: h2c\n" CON KEY VER,
          LV_WS_NO_UPGRADE, false },
        { "no Connection", UP KEY VER, LV_WS_BAD_REQUEST, false },
        { "no key", UP CON VER, LV_WS_BAD_REQUEST, false },
        { "two keys", GOOD KEY, LV_WS_BAD_REQUEST, false },
        { "a short key", UP CON VER "Sec-WebSocket-Key: dGhlIHNhbX==\n",
          LV_WS_BAD_REQUEST, false },
        { "a key that is no base64", UP CON VER
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25*ZQ==\n", LV_WS_BAD_REQUEST,
          false },
        { "no version", UP CON KEY, LV_WS_BAD_VERSION, false },
        { "version 8", UP CON KEY "Sec-WebSocket-Version: 8\n",
          LV_WS_BAD_VERSION, false },
        { "two versions", GOOD VER, LV_WS_BAD_VERSION, false },
        { "extensions are left alone", GOOD
          "Sec-WebSocket-Extensions: permessage-deflate\n", LV_WS_UPGRADE,
          false },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        v = shake(&hs, cases[i].head, true, 1001);

        ok(v == cases[i].verdict && hs.protocol_agreed == cases[i].agreed
           && (v == LV_WS_UPGRADE) == (hs.err == NULL),
           "handshake: %s", cases[i].name);
    }

    (void) shake(&hs, GOOD, true, 1001);
    ok(memcmp(hs.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28) == 0,
       "the RFC's example of an accept key");

    is_int(shake(&hs, GOOD, false, 1001), LV_WS_BAD_REQUEST, "not a GET");
    is_int(shake(&hs, GOOD, true, 1000), LV_WS_BAD_REQUEST, "HTTP/1.0");
}


static void
utf8(void)
{
    bool            right;
    uint32_t        cp;
    uint8_t         buf[4], *end;
    const uint8_t  *p;

    right = true;

    for (cp = 0; cp < 0x110000; cp++) {
        if (cp >= 0xd800 && cp < 0xe000) {
            continue;
        }

        end = lv_utf8_put(buf, cp);
        p = buf;
        right &= lv_utf8_valid(buf, (size_t) (end - buf))
                 && lv_utf8_get(&p, end) == cp && p == end
                 && (cp < 0x80 || !lv_utf8_valid(buf, 1));
    }

    ok(right, "every code point there and back");

    p = (const uint8_t *) "\xe2\x82";
    ok(lv_utf8_get(&p, p + 2) == 0xfffd, "half a code point is U+FFFD");
}


int
main(void)
{
    utf8();
    handshake();
    messages();
    broken();
    close_codes();
    many_fragments();
    memory();
    writer();

    return done_testing();
}
