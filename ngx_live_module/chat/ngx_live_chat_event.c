/* What is sent: JSON in text frames. */

#include "ngx_live_chat.h"


#define NGX_LIVE_CHAT_JSON_MAX  (256 * 1024)


static lv_text_t  ngx_live_chat_text;
static lv_json_t  ngx_live_chat_writer;


ngx_uint_t
ngx_live_chat_sees(lv_room_entry_t *e, lv_role_e role, uint64_t author)
{
    switch (e->kind) {

    case LV_ROOM_UPVOTE:
    case LV_ROOM_REACTION:
    case LV_ROOM_LIKE:
    case LV_ROOM_VOTE:
        return 0;

    case LV_ROOM_FLAG:
    case LV_ROOM_UNBAN:
        return role >= LV_ROLE_MODERATOR;

    case LV_ROOM_REVIEW:
        return e->count == 1;

    default:
        return e->status == LV_ROOM_OK || role >= LV_ROLE_MODERATOR
               || (author != 0 && e->author == author);
    }
}


lv_json_t *
ngx_live_chat_json(const char *type)
{
    if (ngx_live_chat_text.max == 0) {
        lv_text_init(&ngx_live_chat_text, NGX_LIVE_CHAT_JSON_MAX);
    }

    lv_text_reset(&ngx_live_chat_text);
    lv_json_init(&ngx_live_chat_writer, &ngx_live_chat_text);
    lv_json_open(&ngx_live_chat_writer, NULL, '{');

    if (type) {
        lv_json_text(&ngx_live_chat_writer, "type", type);
    }

    return &ngx_live_chat_writer;
}


void
ngx_live_chat_frame(lv_text_t *frames, lv_text_t *json)
{
    uint8_t  head[LV_WS_HEAD_MAX];

    if (json->failed) {
        frames->failed = true;
        return;
    }

    lv_text_add(frames, head, lv_ws_head(head, LV_WS_OP_TEXT, json->len));
    lv_text_add(frames, json->data, json->len);
}


ngx_live_chat_buf_t *
ngx_live_chat_json_buf(lv_json_t *j)
{
    size_t                n;
    uint8_t               head[LV_WS_HEAD_MAX];
    lv_text_t            *t;
    ngx_live_chat_buf_t  *buf;

    lv_json_close(j, '}');
    t = j->text;

    if (t->failed) {
        return NULL;
    }

    n = lv_ws_head(head, LV_WS_OP_TEXT, t->len);

    buf = ngx_alloc(offsetof(ngx_live_chat_buf_t, data) + n + t->len,
                    ngx_cycle->log);
    if (buf) {
        buf->refs = 1;
        buf->len = n + t->len;
        ngx_memcpy(buf->data, head, n);
        ngx_memcpy(buf->data + n, t->data, t->len);
    }

    return buf;
}


void
ngx_live_chat_send(ngx_live_chat_member_t *m, lv_json_t *j)
{
    ngx_live_chat_buf_t  *buf;

    buf = ngx_live_chat_json_buf(j);

    if (buf) {
        ngx_live_chat_put(m, buf);
        ngx_live_chat_buf_release(buf);
    }
}


/* 64-bit numbers are strings: JavaScript has no such integers. */
void
ngx_live_chat_id(lv_json_t *j, const char *name, uint64_t id)
{
    u_char  text[NGX_INT64_LEN + 1];
    size_t  len;

    len = ngx_sprintf(text, "%uL", id) - text;
    lv_json_str(j, name, (char *) text, len);
}


static void
ngx_live_chat_author_json(lv_json_t *j, lv_room_entry_t *e)
{
    if (e->user.len) {
        lv_json_utf8(j, "user", e->user);
    }

    if (e->name.len) {
        lv_json_utf8(j, "name", e->name);
    }

    if (e->role != LV_ROLE_READER) {
        lv_json_text(j, "role", lv_role_name(e->role));
    }
}


/* A message or a question: `e` as it stands in the log. */
static void
ngx_live_chat_message_json(lv_json_t *j, lv_room_entry_t *e)
{
    ngx_live_chat_id(j, "id", e->id);
    lv_json_int(j, "time", (int64_t) e->time_ms);

    if (e->media_ms) {
        lv_json_int(j, "media_time", (int64_t) e->media_ms);
    }

    ngx_live_chat_author_json(j, e);
    lv_json_utf8(j, "text", e->text);

    if (e->target) {
        ngx_live_chat_id(j, "reply_to", e->target);
    }
}


/* What was done to somebody, or to something. */
static void
ngx_live_chat_action_json(lv_json_t *j, lv_room_entry_t *e)
{
    lv_json_int(j, "time", (int64_t) e->time_ms);

    if (e->target || e->kind == LV_ROOM_DELETE) {
        ngx_live_chat_id(j, "id", e->target);
    }

    if (e->subject.len) {
        lv_json_utf8(j, "user", e->subject);
    }

    if (e->user.len) {
        lv_json_utf8(j, "by", e->user);
    }

    if (e->count) {
        lv_json_int(j, "seconds", e->count);
    }

    if (e->text.len) {
        lv_json_utf8(j, "reason", e->text);
    }
}


/* `target`: of a review or a pin the message, or NULL. */
void
ngx_live_chat_entry_json(lv_json_t *j, lv_room_entry_t *e,
    lv_room_entry_t *target)
{
    const char  *type;

    type = lv_room_kind_name(e->kind);

    if (e->kind == LV_ROOM_REVIEW && target) {
        type = lv_room_kind_name(target->kind);
    }

    lv_json_text(j, "type", type);
    ngx_live_chat_id(j, "offset", e->offset);

    switch (e->kind) {

    case LV_ROOM_MESSAGE:
    case LV_ROOM_QUESTION:
        ngx_live_chat_message_json(j, e);

        if (e->status != LV_ROOM_OK) {
            lv_json_text(j, "status", e->status == LV_ROOM_HELD ? "held"
                                                                : "shadow");
        }

        break;

    case LV_ROOM_REVIEW:
        if (target) {
            ngx_live_chat_message_json(j, target);
        }

        break;

    case LV_ROOM_PIN:
        if (e->target == 0) {
            lv_json_null(j, "id");

        } else {
            ngx_live_chat_id(j, "id", e->target);
        }

        if (target) {
            lv_json_open(j, "message", '{');
            ngx_live_chat_message_json(j, target);
            lv_json_close(j, '}');
        }

        break;

    case LV_ROOM_POLL:
    case LV_ROOM_EVENT:
    case LV_ROOM_SETTINGS:
        ngx_live_chat_id(j, "id", e->id);
        lv_json_int(j, "time", (int64_t) e->time_ms);

        if (e->media_ms) {
            lv_json_int(j, "media_time", (int64_t) e->media_ms);
        }

        if (e->text.len) {
            lv_json_raw(j, lv_room_kind_name(e->kind), e->text.data,
                        e->text.len);
        }

        break;

    case LV_ROOM_FLAG:
        ngx_live_chat_id(j, "id", e->target);

        if (e->text.len) {
            lv_json_utf8(j, "reason", e->text);
        }

        break;

    default:
        ngx_live_chat_action_json(j, e);
        break;
    }
}


void
ngx_live_chat_error(ngx_live_chat_member_t *m, const lv_chat_msg_t *msg,
    const char *code, const char *text, uint64_t retry_ms)
{
    char        name[32];
    size_t      n;
    lv_json_t  *j;

    ngx_live_count(NGX_LIVE_C_CHAT_REFUSED, 1);

    j = ngx_live_chat_json("error");

    /* names of other parts have spaces */

    for (n = 0; code[n] != '\0' && n < sizeof(name); n++) {
        name[n] = code[n] == ' ' ? '_' : code[n];
    }

    lv_json_str(j, "code", name, n);
    lv_json_text(j, "message", text);

    if (msg && (msg->has & LV_CHAT_HAS_REF)) {
        lv_json_utf8(j, "ref", msg->ref);
    }

    if (retry_ms) {
        lv_json_int(j, "retry_ms", (int64_t) retry_ms);
    }

    ngx_live_chat_send(m, j);
}
