/*
 * WebSocket (RFC 6455), the server's side, without I/O: the check of a
 * handshake, a parser of the client's frames, a writer of the server's.
 *
 * Only text messages are spoken here; a binary one is refused with 1003. No
 * extensions are negotiated, so every reserved bit is an error.
 *
 * An idle connection holds sizeof(lv_ws_t) and no buffer: bytes are kept (in
 * memory from malloc) only between the pieces of one message or of one control
 * frame, never more than the largest message and LV_WS_CONTROL_MAX. One
 * thread, one connection.
 */

#ifndef LV_WS_H
#define LV_WS_H

#include "lv_base.h"
#include "lv_utf8.h"

/* ---- the handshake (section 4.2) ---- */

#define LV_WS_ACCEPT_LEN  28

typedef enum {
    LV_WS_UPGRADE = 0,      /* answer 101 */
    LV_WS_NO_UPGRADE,       /* 426, Upgrade: websocket: a plain request */
    LV_WS_BAD_VERSION,      /* 426, Sec-WebSocket-Version: 13 */
    LV_WS_BAD_REQUEST       /* 400 */
} lv_ws_verdict_e;

/* Plain data; the strings belong to whoever gave the headers. */
typedef struct {
    const char  *protocol;          /* of ours, or NULL */
    const char  *err;               /* static, unless LV_WS_UPGRADE */
    char         accept[LV_WS_ACCEPT_LEN];  /* Sec-WebSocket-Accept, not
                                               terminated; LV_WS_UPGRADE */
    bool         protocol_agreed;   /* the client offered ours: name it in the
                                       answer. Else answer without one */
    /* private */
    lv_str_t     key;
    unsigned     nkeys, nversions;
    bool         upgrade, connection, offered, bad_offer, version_ok;
} lv_ws_handshake_t;

/* protocol: the subprotocol's name, static; compared with regard to case. */
void lv_ws_handshake_init(lv_ws_handshake_t *hs, const char *protocol);

/* Every header line of the request, in any order; others are ignored. */
void lv_ws_handshake_header(lv_ws_handshake_t *hs, lv_str_t name,
    lv_str_t value);

/* After the last. http: major * 1000 + minor, as nginx counts (1001). */
lv_ws_verdict_e lv_ws_handshake_check(lv_ws_handshake_t *hs, bool get,
    unsigned http);

/* Sec-WebSocket-Accept for a key; for clients, too. */
void lv_ws_accept(lv_str_t key, char accept[LV_WS_ACCEPT_LEN]);

/* ---- frames from the client (section 5) ---- */

#define LV_WS_CONTROL_MAX     125
#define LV_WS_FRAGMENTS_MAX   1024      /* frames of one message */

/* Close codes (section 7.4) that are sent or made here. */
#define LV_WS_NORMAL          1000
#define LV_WS_GOING_AWAY      1001
#define LV_WS_PROTOCOL_ERROR  1002
#define LV_WS_UNSUPPORTED     1003
#define LV_WS_NO_STATUS       1005      /* never on the wire */
#define LV_WS_INVALID_DATA    1007
#define LV_WS_POLICY          1008
#define LV_WS_TOO_BIG         1009
#define LV_WS_INTERNAL        1011
#define LV_WS_RESTART         1012
#define LV_WS_TRY_LATER       1013

/* Kinds of frame, as on the wire. */
#define LV_WS_OP_CONTINUE     0
#define LV_WS_OP_TEXT         1
#define LV_WS_OP_BINARY       2
#define LV_WS_OP_CLOSE        8
#define LV_WS_OP_PING         9
#define LV_WS_OP_PONG         10

typedef enum {
    LV_WS_TEXT = 1,         /* a message, valid UTF-8, may be empty */
    LV_WS_PING,             /* answer with a pong of the same data */
    LV_WS_PONG,
    LV_WS_CLOSE,            /* answer with `code` (no body for 1005), close */
    LV_WS_FAIL              /* the client broke a rule: send `code` with the
                               reason, close */
} lv_ws_event_e;

typedef struct {
    lv_ws_event_e   type;
    uint16_t        code;       /* CLOSE, FAIL */
    const char     *reason;     /* FAIL: a static sentence, at most 123 bytes */
    uint8_t        *data;       /* TEXT, PING, PONG, CLOSE (its reason): in the
                                   input or in the parser, the caller's to
                                   change, good until the next call */
    size_t          len;
} lv_ws_event_t;

typedef struct {
    /* private */
    uint8_t    *buf;            /* pieces: the message's, then the control
                                   frame's */
    uint32_t    buf_size;
    uint32_t    max;
    uint32_t    message_len;    /* in buf */
    uint32_t    frame_len, frame_at;
    uint16_t    fragments;
    uint8_t     head[14];
    uint8_t     head_len, head_need;
    uint8_t     mask[4];
    lv_utf8_t   utf8;
    uint8_t     opcode;
    bool        fin;
    bool        in_frame;
    bool        in_message;     /* a fragmented message has begun */
    bool        closed;         /* after CLOSE and FAIL */
    bool        used_buf;       /* the last event's data lies in buf */
} lv_ws_t;

/* max: of a message's bytes, all fragments together. */
void lv_ws_init(lv_ws_t *ws, size_t max);
void lv_ws_free(lv_ws_t *ws);

/*
 * Reads up to one event. LV_OK: *event is one, and *used of the n bytes belong
 * to it and to what came before; call again with the rest, also when that is
 * nothing: the event's buffer is given back then. LV_AGAIN: all n bytes are
 * taken, no event. LV_ERROR: no memory.
 *
 * The input is unmasked in place. A message or control frame that lies whole
 * in it is not copied. After CLOSE or FAIL every byte is taken and ignored.
 */
int lv_ws_input(lv_ws_t *ws, uint8_t *p, size_t n, size_t *used,
    lv_ws_event_t *event);

/* ---- frames to the client ---- */

#define LV_WS_HEAD_MAX   10
#define LV_WS_CLOSE_MAX  (2 + LV_WS_CONTROL_MAX)

/*
 * The header of a whole, unmasked frame of len bytes: 2 bytes up to 125, 4 up
 * to 65535, 10 above. The number of bytes written.
 */
size_t lv_ws_head(uint8_t *dst, unsigned opcode, uint64_t len);

/*
 * A whole close frame into dst (LV_WS_CLOSE_MAX bytes); its size. The reason
 * (NULL: none) is cut at 123 bytes, at a code point. LV_WS_NO_STATUS gives an
 * empty body.
 */
size_t lv_ws_close(uint8_t *dst, uint16_t code, const char *reason);

#endif
