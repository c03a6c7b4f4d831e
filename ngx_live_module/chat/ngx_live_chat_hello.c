/*
 * The first message: who a member is, and from where on it wants to be told.
 *
 * Without a token a member reads, where live_token is off; with a name it may
 * write there, too. Where tokens are checked, one is needed, early or in this
 * message; to write it must say "chat" and a name.
 */

#include "ngx_live_chat.h"


static ngx_int_t ngx_live_chat_who(ngx_live_chat_member_t *m,
    lv_chat_msg_t *msg);
static void ngx_live_chat_answer(ngx_live_chat_member_t *m,
    lv_chat_msg_t *msg);
static ngx_uint_t ngx_live_chat_history(ngx_live_chat_member_t *m,
    lv_store_t *st, lv_json_t *j, uint64_t from, ngx_uint_t resume);


static uint8_t  ngx_live_chat_past[NGX_LIVE_CHAT_RESUME];


void
ngx_live_chat_hello(ngx_live_chat_member_t *m, lv_chat_msg_t *msg)
{
    if (m->joined) {
        ngx_live_chat_error(m, msg, "again", "Only the first message is a "
                            "hello.", 0);
        return;
    }

    if (ngx_live_chat_who(m, msg) == NGX_OK
        && !ngx_live_chat_held(m, msg))
    {
        ngx_live_chat_welcome(m, msg);
    }
}


void
ngx_live_chat_welcome(ngx_live_chat_member_t *m, lv_chat_msg_t *msg)
{
    const char  *err;

    if (ngx_live_chat_room_join(m, &err) != NGX_OK) {
        ngx_live_chat_close(m, LV_WS_TRY_LATER, err);
        return;
    }

    if (ngx_live_chat_banned(m) == LV_BAN_FULL) {
        ngx_live_chat_error(m, msg, "banned", "You are banned from this room.",
                            0);
        ngx_live_chat_close(m, LV_WS_POLICY, "banned");
        return;
    }

    if (ngx_live_chat_enter(m) != NGX_OK) {
        return;
    }

    ngx_live_chat_wait(m, NGX_LIVE_CHAT_W_IDLE);
    ngx_live_chat_answer(m, msg);
}


ngx_int_t
ngx_live_chat_copy(ngx_live_chat_member_t *m, ngx_str_t *to, const void *p,
    size_t len)
{
    to->data = ngx_pnalloc(m->request->pool, len);

    if (to->data == NULL) {
        ngx_live_chat_close(m, LV_WS_INTERNAL, "out of memory");
        return NGX_ERROR;
    }

    to->len = len;
    ngx_memcpy(to->data, p, len);

    return NGX_OK;
}


/* Has it a good token, now or from before? Closes it if not. */
static ngx_int_t
ngx_live_chat_token(ngx_live_chat_member_t *m, lv_chat_msg_t *msg)
{
    ngx_int_t             rc;
    ngx_str_t             token;
    lv_token_result_e     result;
    ngx_live_http_ctx_t  *ctx;

    ctx = ngx_live_http_ctx(m->request);

    if (ctx && ctx->stream.len != 0) {
        return NGX_OK;
    }

    if (!(msg->has & LV_CHAT_HAS_TOKEN)) {
        ngx_live_chat_error(m, msg, "token_needed", "A token is needed.", 0);
        ngx_live_chat_close(m, LV_WS_POLICY, "a token is needed");
        return NGX_ERROR;
    }

    token.data = (u_char *) msg->token.data;
    token.len = msg->token.len;

    rc = ngx_live_http_token_verify(m->request, &token, &m->stream,
                                    LV_TOKEN_WATCH, &result);
    if (rc == NGX_OK) {
        return NGX_OK;
    }

    if (rc == NGX_BUSY) {
        ngx_live_chat_error(m, msg, "limited", "Too many bad tokens came from "
                            "this address.", 0);
        ngx_live_chat_close(m, LV_WS_TRY_LATER, "too many bad tokens");
        return NGX_ERROR;
    }

    ngx_live_chat_error(m, msg, lv_token_result_name(result),
                        lv_token_result_text(result), 0);
    ngx_live_chat_close(m, LV_WS_POLICY, lv_token_result_name(result));

    return NGX_ERROR;
}


static ngx_int_t
ngx_live_chat_who(ngx_live_chat_member_t *m, lv_chat_msg_t *msg)
{
    lv_str_t              role;
    ngx_live_http_ctx_t  *ctx;

    m->role = LV_ROLE_READER;

    if ((msg->has & LV_CHAT_HAS_DEVICE)
        && ngx_live_chat_copy(m, &m->device, msg->device.data,
                              msg->device.len)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ngx_live_http_token_needed(m->request)) {

        if (!(msg->has & LV_CHAT_HAS_NAME) || msg->name.len == 0) {
            return NGX_OK;
        }

        return ngx_live_chat_guest(m, msg->name);
    }

    if (ngx_live_chat_token(m, msg) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx = ngx_live_http_ctx(m->request);

    if (ctx == NULL || !(ctx->can & LV_TOKEN_CHAT) || ctx->name.len == 0
        || ctx->sub.len == 0)
    {
        return NGX_OK;
    }

    if (ngx_live_chat_named(m, ctx->name.data, ctx->name.len) != NGX_OK) {
        return NGX_ERROR;
    }

    role.data = ctx->role.data;
    role.len = ctx->role.len;
    m->role = lv_role_of(role);

    if (m->role == LV_ROLE_READER) {
        m->role = LV_ROLE_VIEWER;
    }

    m->user = ctx->sub;
    m->author = lv_room_hash(ngx_live_store(), m->user.data, m->user.len, 1);

    return NGX_OK;
}


/* ---- the answer --------------------------------------------------------- */

static void
ngx_live_chat_you_json(ngx_live_chat_member_t *m, lv_json_t *j)
{
    lv_str_t  text;

    lv_json_open(j, "you", '{');

    if (m->user.len) {
        text.data = m->user.data;
        text.len = m->user.len;
        lv_json_utf8(j, "user", text);
        text.data = m->name.data;
        text.len = m->name.len;
        lv_json_utf8(j, "name", text);
    }

    lv_json_text(j, "role", lv_role_name(m->role));
    lv_json_bool(j, "write", m->role != LV_ROLE_READER);
    lv_json_close(j, '}');
}


static void
ngx_live_chat_pinned_json(ngx_live_chat_room_t *room, lv_store_t *st,
    lv_json_t *j)
{
    size_t    len;
    uint8_t   buf[2 * LV_ROOM_TEXT_MAX];
    uint32_t  version;

    if (lv_room_blob_version(room->room, LV_ROOM_BLOB_PINNED) != 0
        && lv_room_blob_get(st, room->room, room->gen, LV_ROOM_BLOB_PINNED,
                            &version, buf, sizeof(buf), &len)
           == LV_OK
        && len > 0 && len <= sizeof(buf))
    {
        lv_json_raw(j, "pinned", buf, len);
    }
}


static void
ngx_live_chat_answer(ngx_live_chat_member_t *m, lv_chat_msg_t *msg)
{
    lv_str_t               id;
    uint64_t               from;
    uint32_t               n;
    lv_json_t             *j;
    ngx_uint_t             resume, asked;
    lv_store_t            *st;
    ngx_live_chat_room_t  *room;

    st = ngx_live_store();
    room = m->room;

    asked = (msg->has & LV_CHAT_HAS_OFFSET) && (msg->has & LV_CHAT_HAS_EPOCH);
    resume = asked && msg->epoch == room->epoch && msg->offset < room->next;
    from = resume ? msg->offset + 1 : 0;

    j = ngx_live_chat_json("hello");
    id.data = (uint8_t *) room->id;
    id.len = ngx_strlen(room->id);
    lv_json_utf8(j, "room", id);
    ngx_live_chat_id(j, "epoch", room->epoch);
    ngx_live_chat_id(j, "offset", room->next - 1);
    lv_json_int(j, "members", n = lv_room_present(st, room->room));

    if (n != room->told) {
        room->told = NGX_LIVE_CHAT_UNTOLD;
    }

    ngx_live_chat_you_json(m, j);
    ngx_live_chat_rules_json(j, &room->rules);
    ngx_live_chat_pinned_json(room, st, j);
    ngx_live_chat_who_json(j, room, st, NGX_LIVE_CHAT_NAMES);

    if (room->rules.poll) {
        lv_json_raw(j, "poll", room->rules.poll,
                    ngx_strlen(room->rules.poll));
    }

    if (resume) {
        resume = ngx_live_chat_history(m, st, j, from, 1);
    }

    for (n = resume ? 0 : (uint32_t) m->conf->history; n > 0; n /= 2) {
        if (lv_room_last(st, room->room, room->gen, n, &from) != LV_OK
            || ngx_live_chat_history(m, st, j, from, 0))
        {
            break;
        }
    }

    /* of who asked: is it all that has been missed? */

    if (asked) {
        lv_json_bool(j, "resumed", resume);
    }

    ngx_live_chat_send(m, j);
}


/* Entries from there on that the worker's rounds have given out. False: they
 * are not there any more, or too many (nothing is written then). */
static ngx_uint_t
ngx_live_chat_history(ngx_live_chat_member_t *m, lv_store_t *st, lv_json_t *j,
    uint64_t from, ngx_uint_t resume)
{
    size_t                 len, at;
    uint8_t                buf[LV_ROOM_ENTRY_MAX];
    uint64_t               next;
    lv_room_entry_t        e, old, *target;
    ngx_live_chat_room_t  *room;

    room = m->room;
    next = from;

    if (from > room->next
        || lv_room_read(st, room->room, room->gen, &next, ngx_live_chat_past,
                        sizeof(ngx_live_chat_past), &len)
           != LV_OK
        || next < room->next)
    {
        return 0;
    }

    lv_json_open(j, "messages", '[');
    at = 0;

    while (lv_room_entry_next(ngx_live_chat_past, len, &at, &e)) {

        if (e.offset >= room->next
            || !ngx_live_chat_sees(&e, m->role, m->author)
            || (e.flags & LV_ROOM_DELETED)
            || (!resume && e.kind != LV_ROOM_MESSAGE
                && e.kind != LV_ROOM_QUESTION && e.kind != LV_ROOM_EVENT
                && e.kind != LV_ROOM_POLL))
        {
            continue;
        }

        target = NULL;

        if ((e.kind == LV_ROOM_REVIEW || e.kind == LV_ROOM_PIN)
            && lv_room_entry(st, room->room, room->gen, e.target, buf, &old)
               == LV_OK)
        {
            target = &old;
        }

        lv_json_open(j, NULL, '{');
        ngx_live_chat_entry_json(j, &e, target);
        lv_json_close(j, '}');
    }

    lv_json_close(j, ']');

    return 1;
}
