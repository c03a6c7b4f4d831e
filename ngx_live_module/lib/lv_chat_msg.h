/*
 * What a member of a room may send: one JSON object (RFC 8259) in one text
 * message, read strictly into a checked struct.
 *
 *   type       members                                     (? may be absent)
 *   hello      token? name? device? offset? epoch?         the first message:
 *              who I am, and from where on; without token and name a reader
 *   message    text, reply_to?
 *   question   text                                        Q&A
 *   upvote     id                                          of a question
 *   reaction   reaction                                    an emoji or a name
 *   like       on                                          lasting, per viewer
 *   vote       poll, choice
 *   flag       id, reason?                                 to the moderators
 *   delete     id                                          a message
 *   clear      user                                        all of a user's
 *   timeout    user, seconds, reason?
 *   ban        user, seconds?, shadow?, reason?            seconds absent: for
 *                                                          good
 *   unban      user
 *   pin        id | null                                   null: unpin
 *   ping                                                   answered by a pong
 *   who                                                    who is here
 *
 * Ids, offset and epoch are 64-bit numbers as decimal strings ("0" is none of
 * an id, but an offset). choice, seconds: whole numbers. Each but the hello may
 * have a `ref`, the client's own mark, echoed to it with the answer. text,
 * reason and name come out clean by the rules of lv_chat_text.h; all other
 * strings have no control characters.
 *
 * Refused: bytes behind the object, a type or member that is not in the table,
 * a member twice, nesting of any depth (no member takes a list or an object),
 * what is out of its bounds. Nothing is allocated; strings are unescaped in
 * place, so the input is changed and the struct points into it.
 */

#ifndef LV_CHAT_MSG_H
#define LV_CHAT_MSG_H

#include "lv_base.h"

/* The largest message that can be valid; the WebSocket's limit. */
#define LV_CHAT_MSG_MAX        8192

/* Bytes, after unescaping. */
#define LV_CHAT_TOKEN_MAX      2048
#define LV_CHAT_NAME_BYTES     128
#define LV_CHAT_DEVICE_MAX     64
#define LV_CHAT_TEXT_BYTES     4096
#define LV_CHAT_REASON_BYTES   500
#define LV_CHAT_REF_MAX        32
#define LV_CHAT_USER_MAX       64          /* as a token's sub */
#define LV_CHAT_REACTION_MAX   32

#define LV_CHAT_CHOICES_MAX    10
#define LV_CHAT_SECONDS_MAX    (366 * 86400)

typedef enum {
    LV_CHAT_HELLO = 0,
    LV_CHAT_MESSAGE,
    LV_CHAT_QUESTION,
    LV_CHAT_UPVOTE,
    LV_CHAT_REACTION,
    LV_CHAT_LIKE,
    LV_CHAT_VOTE,
    LV_CHAT_FLAG,
    LV_CHAT_DELETE,
    LV_CHAT_CLEAR,
    LV_CHAT_TIMEOUT,
    LV_CHAT_BAN,
    LV_CHAT_UNBAN,
    LV_CHAT_PIN,
    LV_CHAT_PING,
    LV_CHAT_WHO,
    LV_CHAT_TYPES
} lv_chat_type_e;

/* Members that were there and not null: bits of lv_chat_msg_t.has. */
#define LV_CHAT_HAS_TOKEN      0x0001
#define LV_CHAT_HAS_NAME       0x0002
#define LV_CHAT_HAS_DEVICE     0x0004
#define LV_CHAT_HAS_OFFSET     0x0008
#define LV_CHAT_HAS_EPOCH      0x0010
#define LV_CHAT_HAS_TEXT       0x0020
#define LV_CHAT_HAS_REPLY_TO   0x0040
#define LV_CHAT_HAS_REF        0x0080
#define LV_CHAT_HAS_ID         0x0100
#define LV_CHAT_HAS_REACTION   0x0200
#define LV_CHAT_HAS_ON         0x0400
#define LV_CHAT_HAS_POLL       0x0800
#define LV_CHAT_HAS_CHOICE     0x1000
#define LV_CHAT_HAS_USER       0x2000
#define LV_CHAT_HAS_SECONDS    0x4000
#define LV_CHAT_HAS_SHADOW     0x8000
#define LV_CHAT_HAS_REASON     0x10000

typedef struct {
    lv_chat_type_e  type;
    uint32_t        has;
    lv_str_t        token, name, device, text, ref, reaction, user, reason;
    uint64_t        offset, epoch, reply_to, id, poll;
    uint32_t        text_chars;     /* code points of text */
    uint32_t        choice;         /* below LV_CHAT_CHOICES_MAX */
    uint32_t        seconds;        /* 1 … LV_CHAT_SECONDS_MAX */
    bool            on, shadow;
} lv_chat_msg_t;

typedef enum {
    LV_CHAT_VALID = 0,
    LV_CHAT_MALFORMED,          /* not JSON, or not one object */
    LV_CHAT_TOO_DEEP,           /* a list or an object as a value */
    LV_CHAT_UNKNOWN_TYPE,       /* or no type */
    LV_CHAT_UNKNOWN_MEMBER,     /* not of this type */
    LV_CHAT_DUPLICATE_MEMBER,
    LV_CHAT_MISSING_MEMBER,
    LV_CHAT_BAD_VALUE,          /* wrong JSON type, or out of its bounds */
    LV_CHAT_TOO_LONG,
    LV_CHAT_RESULTS
} lv_chat_result_e;

/*
 * p[0 … n) must be valid UTF-8 (lv_ws.h checked it). With LV_CHAT_BAD_VALUE,
 * TOO_LONG, MISSING_MEMBER *member (may be NULL) is the member's name, static;
 * else NULL.
 */
lv_chat_result_e lv_chat_msg_read(uint8_t *p, size_t n, lv_chat_msg_t *msg,
    const char **member);

/* The `code` of an error event ("unknown_type"), and its sentence. Static. */
const char *lv_chat_result_code(lv_chat_result_e result);
const char *lv_chat_result_text(lv_chat_result_e result);

/* The name of a type ("message"). Static. */
const char *lv_chat_type_name(lv_chat_type_e type);

#endif
