#include "lv_chat_msg.h"
#include "lv_chat_flat.h"
#include "lv_chat_text.h"


/* The order of the LV_CHAT_HAS_* bits. */
enum {
    M_TOKEN = 0,
    M_NAME,
    M_DEVICE,
    M_OFFSET,
    M_EPOCH,
    M_TEXT,
    M_REPLY_TO,
    M_REF,
    M_ID,
    M_REACTION,
    M_ON,
    M_POLL,
    M_CHOICE,
    M_USER,
    M_SECONDS,
    M_SHADOW,
    M_REASON,
    MEMBERS,
    M_TYPE = MEMBERS
};

static const char  *lv_chat_members[] = {
    "token", "name", "device", "offset", "epoch", "text", "reply_to", "ref",
    "id", "reaction", "on", "poll", "choice", "user", "seconds", "shadow",
    "reason", "type"
};

#define HAS(member)  (1u << M_ ## member)

/* Members that a type must have, and those that it may have besides. */
static const struct {
    const char  *name;
    uint32_t     must;
    uint32_t     may;
} lv_chat_types[LV_CHAT_TYPES] = {
    { "hello", 0, HAS(TOKEN) | HAS(NAME) | HAS(DEVICE) | HAS(OFFSET)
                      | HAS(EPOCH) },
    { "message", HAS(TEXT), HAS(REPLY_TO) | HAS(REF) },
    { "question", HAS(TEXT), HAS(REF) },
    { "upvote", HAS(ID), HAS(REF) },
    { "reaction", HAS(REACTION), HAS(REF) },
    { "like", HAS(ON), HAS(REF) },
    { "vote", HAS(POLL) | HAS(CHOICE), HAS(REF) },
    { "flag", HAS(ID), HAS(REASON) | HAS(REF) },
    { "delete", HAS(ID), HAS(REF) },
    { "clear", HAS(USER), HAS(REF) },
    { "timeout", HAS(USER) | HAS(SECONDS), HAS(REASON) | HAS(REF) },
    { "ban", HAS(USER), HAS(SECONDS) | HAS(SHADOW) | HAS(REASON)
                          | HAS(REF) },
    { "unban", HAS(USER), HAS(REF) },
    { "pin", HAS(ID), HAS(REF) },
    { "ping", 0, HAS(REF) },
    { "who", 0, HAS(REF) },
};

typedef struct {
    uint32_t         present;
    bool             unknown;
    lv_flat_value_t  values[MEMBERS + 1];
} lv_chat_object_t;


static int
lv_chat_member(lv_str_t name)
{
    int  i;

    for (i = 0; i <= MEMBERS; i++) {
        if (lv_str_eq(name, lv_chat_members[i])) {
            return i;
        }
    }

    return -1;
}


static lv_chat_result_e
lv_chat_object(uint8_t *p, size_t n, lv_chat_object_t *o)
{
    int              rc, member;
    lv_str_t         name;
    lv_flat_t        f;
    lv_flat_value_t  value;

    o->present = 0;
    o->unknown = false;

    lv_flat_init(&f, p, n);

    while ((rc = lv_flat_next(&f, &name, &value)) == LV_OK) {

        member = lv_chat_member(name);

        if (member == -1) {
            o->unknown = true;
            continue;
        }

        if (o->present & (1u << member)) {
            return LV_CHAT_DUPLICATE_MEMBER;
        }

        o->present |= 1u << member;
        o->values[member] = value;
    }

    if (rc == LV_AGAIN) {
        return LV_CHAT_TOO_DEEP;
    }

    return rc == LV_ERROR ? LV_CHAT_MALFORMED : LV_CHAT_VALID;
}


/* A 64-bit number as it must be written: no sign, no leading zeros. */
static lv_chat_result_e
lv_chat_id(const lv_flat_value_t *v, bool zero, uint64_t *id)
{
    size_t    i;
    uint64_t  digit;

    if (v->kind != LV_FLAT_STRING || v->len == 0 || v->len > 20
        || (v->len > 1 && v->data[0] == '0'))
    {
        return LV_CHAT_BAD_VALUE;
    }

    for (*id = 0, i = 0; i < v->len; i++) {
        digit = (uint64_t) v->data[i] - '0';

        if (digit > 9 || *id > (UINT64_MAX - digit) / 10) {
            return LV_CHAT_BAD_VALUE;
        }

        *id = *id * 10 + digit;
    }

    return *id || zero ? LV_CHAT_VALID : LV_CHAT_BAD_VALUE;
}


static lv_chat_result_e
lv_chat_uint(const lv_flat_value_t *v, uint32_t min, uint32_t max,
    uint32_t *n)
{
    if (v->kind != LV_FLAT_INTEGER || v->integer < min || v->integer > max) {
        return LV_CHAT_BAD_VALUE;
    }

    *n = v->integer;

    return LV_CHAT_VALID;
}


static lv_chat_result_e
lv_chat_bool(const lv_flat_value_t *v, bool *on)
{
    if (v->kind != LV_FLAT_TRUE && v->kind != LV_FLAT_FALSE) {
        return LV_CHAT_BAD_VALUE;
    }

    *on = v->kind == LV_FLAT_TRUE;

    return LV_CHAT_VALID;
}


/* 1 to max bytes without control characters; `ascii`: and visible ASCII. */
static lv_chat_result_e
lv_chat_string(const lv_flat_value_t *v, size_t max, bool ascii, lv_str_t *s)
{
    size_t   i;
    uint8_t  c;

    if (v->kind != LV_FLAT_STRING || v->len == 0) {
        return LV_CHAT_BAD_VALUE;
    }

    if (v->len > max) {
        return LV_CHAT_TOO_LONG;
    }

    for (i = 0; i < v->len; i++) {
        c = v->data[i];

        if (c < 0x20 || c == 0x7f || (c == 0xc2 && v->data[i + 1] < 0xa0)
            || (ascii && (c == ' ' || c >= 0x80)))
        {
            return LV_CHAT_BAD_VALUE;
        }
    }

    s->data = v->data;
    s->len = v->len;

    return LV_CHAT_VALID;
}


/* A line for people; `chars` may be NULL. */
static lv_chat_result_e
lv_chat_line(lv_flat_value_t *v, size_t max, lv_str_t *s, uint32_t *chars)
{
    size_t  n;

    if (v->kind != LV_FLAT_STRING) {
        return LV_CHAT_BAD_VALUE;
    }

    if (v->len > max) {
        return LV_CHAT_TOO_LONG;
    }

    n = lv_chat_text_clean(v->data, &v->len);

    if (n == 0) {
        return LV_CHAT_BAD_VALUE;
    }

    if (chars) {
        *chars = (uint32_t) n;
    }

    s->data = v->data;
    s->len = v->len;

    return LV_CHAT_VALID;
}


static lv_chat_result_e
lv_chat_name(lv_flat_value_t *v, lv_str_t *s)
{
    if (v->kind != LV_FLAT_STRING) {
        return LV_CHAT_BAD_VALUE;
    }

    if (v->len > LV_CHAT_NAME_BYTES) {
        return LV_CHAT_TOO_LONG;
    }

    if (lv_chat_name_clean(v->data, &v->len) != LV_OK) {
        return LV_CHAT_BAD_VALUE;
    }

    s->data = v->data;
    s->len = v->len;

    return LV_CHAT_VALID;
}


/* One emoji (or a few), or a name as of an emote. */
static lv_chat_result_e
lv_chat_reaction(const lv_flat_value_t *v, lv_str_t *s)
{
    size_t            i;
    uint8_t           c;
    lv_chat_result_e  rc;

    rc = lv_chat_string(v, LV_CHAT_REACTION_MAX, false, s);

    if (rc != LV_CHAT_VALID || lv_chat_text_emotes_only(*s)) {
        return rc;
    }

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_')) {
            return LV_CHAT_BAD_VALUE;
        }
    }

    return LV_CHAT_VALID;
}


static lv_chat_result_e
lv_chat_take(lv_chat_msg_t *msg, int member, lv_flat_value_t *v)
{
    switch (member) {
    case M_TOKEN:
        return lv_chat_string(v, LV_CHAT_TOKEN_MAX, true, &msg->token);
    case M_NAME:
        return lv_chat_name(v, &msg->name);
    case M_DEVICE:
        return lv_chat_string(v, LV_CHAT_DEVICE_MAX, true, &msg->device);
    case M_OFFSET:
        return lv_chat_id(v, true, &msg->offset);
    case M_EPOCH:
        return lv_chat_id(v, true, &msg->epoch);
    case M_TEXT:
        return lv_chat_line(v, LV_CHAT_TEXT_BYTES, &msg->text,
                            &msg->text_chars);
    case M_REPLY_TO:
        return lv_chat_id(v, false, &msg->reply_to);
    case M_REF:
        return lv_chat_string(v, LV_CHAT_REF_MAX, true, &msg->ref);
    case M_ID:
        return lv_chat_id(v, false, &msg->id);
    case M_REACTION:
        return lv_chat_reaction(v, &msg->reaction);
    case M_ON:
        return lv_chat_bool(v, &msg->on);
    case M_POLL:
        return lv_chat_id(v, false, &msg->poll);
    case M_CHOICE:
        return lv_chat_uint(v, 0, LV_CHAT_CHOICES_MAX - 1, &msg->choice);
    case M_USER:
        return lv_chat_string(v, LV_CHAT_USER_MAX, false, &msg->user);
    case M_SECONDS:
        return lv_chat_uint(v, 1, LV_CHAT_SECONDS_MAX, &msg->seconds);
    case M_SHADOW:
        return lv_chat_bool(v, &msg->shadow);
    default:
        return lv_chat_line(v, LV_CHAT_REASON_BYTES, &msg->reason, NULL);
    }
}


static int
lv_chat_type(const lv_chat_object_t *o)
{
    int       i;
    lv_str_t  name;

    if (!(o->present & HAS(TYPE))
        || o->values[M_TYPE].kind != LV_FLAT_STRING)
    {
        return -1;
    }

    name.data = o->values[M_TYPE].data;
    name.len = o->values[M_TYPE].len;

    for (i = 0; i < LV_CHAT_TYPES; i++) {
        if (lv_str_eq(name, lv_chat_types[i].name)) {
            return i;
        }
    }

    return -1;
}


lv_chat_result_e
lv_chat_msg_read(uint8_t *p, size_t n, lv_chat_msg_t *msg,
    const char **member)
{
    int               i, type;
    uint32_t          bit, must;
    const char       *none;
    lv_chat_object_t  o;
    lv_chat_result_e  rc;

    if (member == NULL) {
        member = &none;
    }

    *member = NULL;
    memset(msg, 0, sizeof(lv_chat_msg_t));

    rc = lv_chat_object(p, n, &o);
    if (rc != LV_CHAT_VALID) {
        return rc;
    }

    type = lv_chat_type(&o);

    if (type == -1) {
        return LV_CHAT_UNKNOWN_TYPE;
    }

    must = lv_chat_types[type].must;

    if (o.unknown
        || (o.present & ~(must | lv_chat_types[type].may | HAS(TYPE))))
    {
        return LV_CHAT_UNKNOWN_MEMBER;
    }

    msg->type = (lv_chat_type_e) type;

    for (i = 0; i < MEMBERS; i++) {
        bit = 1u << i;

        if (o.present & bit) {

            if (o.values[i].kind == LV_FLAT_NULL
                && (!(must & bit) || type == LV_CHAT_PIN))
            {
                continue;
            }

            rc = lv_chat_take(msg, i, &o.values[i]);
            msg->has |= bit;

        } else {
            rc = must & bit ? LV_CHAT_MISSING_MEMBER : LV_CHAT_VALID;
        }

        if (rc != LV_CHAT_VALID) {
            *member = lv_chat_members[i];
            return rc;
        }
    }

    return LV_CHAT_VALID;
}


const char *
lv_chat_type_name(lv_chat_type_e type)
{
    return lv_chat_types[type].name;
}


const char *
lv_chat_result_code(lv_chat_result_e result)
{
    static const char  *codes[] = {
        "valid", "malformed", "too_deep", "unknown_type", "unknown_member",
        "duplicate_member", "missing_member", "bad_value", "too_long"
    };

    return codes[result];
}


const char *
lv_chat_result_text(lv_chat_result_e result)
{
    static const char  *texts[] = {
        "The message is valid.",
        "The message is not one JSON object.",
        "The message has a list or an object where a value should be.",
        "The message has no type that is known.",
        "The message has a member that its type does not have.",
        "The message has a member twice.",
        "The message lacks a member that its type needs.",
        "A member of the message has a value that it can not have.",
        "A member of the message is too long."
    };

    return texts[result];
}
