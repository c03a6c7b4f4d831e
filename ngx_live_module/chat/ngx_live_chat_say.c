/* What members say and do: checked here, before anybody else sees it. */

#include "ngx_live_chat.h"
#include "ngx_live_limit.h"


static void ngx_live_chat_text(ngx_live_chat_member_t *m, lv_chat_msg_t *msg);
static void ngx_live_chat_small(ngx_live_chat_member_t *m,
    lv_chat_msg_t *msg);
static void ngx_live_chat_tell_who(ngx_live_chat_member_t *m,
    lv_chat_msg_t *msg);
static uint64_t ngx_live_chat_limited(ngx_live_chat_member_t *m);
static void ngx_live_chat_moderate(ngx_live_chat_member_t *m,
    lv_chat_msg_t *msg);


static void
ngx_live_chat_invalid(ngx_live_chat_member_t *m, lv_chat_result_e rc,
    const char *member)
{
    lv_json_t  *j;

    j = ngx_live_chat_json("error");
    lv_json_text(j, "code", lv_chat_result_code(rc));
    lv_json_text(j, "message", lv_chat_result_text(rc));

    if (member) {
        lv_json_text(j, "member", member);
    }

    ngx_live_chat_send(m, j);
}


void
ngx_live_chat_said(ngx_live_chat_member_t *m, u_char *p, size_t len)
{
    const char        *member;
    lv_json_t         *j;
    lv_chat_msg_t      msg;
    lv_chat_result_e   rc;

    rc = lv_chat_msg_read(p, len, &msg, &member);

    if (rc != LV_CHAT_VALID) {
        ngx_live_count(NGX_LIVE_C_CHAT_BAD, 1);

        if (!m->noted) {
            m->noted = 1;
            ngx_log_error(NGX_LOG_INFO, m->connection->log, 0,
                          "live chat: a member sent what is no message: %s; "
                          "more of it is not logged",
                          lv_chat_result_code(rc));
        }

        ngx_live_chat_invalid(m, rc, member);
        return;
    }

    if (msg.type == LV_CHAT_HELLO) {
        ngx_live_chat_hello(m, &msg);
        return;
    }

    if (!m->joined) {
        ngx_live_chat_error(m, &msg, "hello", "The first message is a hello.",
                            0);
        return;
    }

    if (msg.type == LV_CHAT_PING) {
        j = ngx_live_chat_json("pong");

        if (msg.has & LV_CHAT_HAS_REF) {
            lv_json_utf8(j, "ref", msg.ref);
        }

        ngx_live_chat_send(m, j);
        return;
    }

    if (msg.type == LV_CHAT_WHO) {
        ngx_live_chat_tell_who(m, &msg);
        return;
    }

    if (m->role == LV_ROLE_READER) {
        ngx_live_chat_error(m, &msg, "read_only", "You may read here, but not "
                            "write.", 0);
        return;
    }

    switch (msg.type) {

    case LV_CHAT_MESSAGE:
    case LV_CHAT_QUESTION:
        ngx_live_chat_text(m, &msg);
        break;

    case LV_CHAT_UPVOTE:
    case LV_CHAT_REACTION:
    case LV_CHAT_LIKE:
    case LV_CHAT_VOTE:
    case LV_CHAT_FLAG:
        ngx_live_chat_small(m, &msg);
        break;

    default:
        ngx_live_chat_moderate(m, &msg);
        break;
    }
}


/* ---- who is here --------------------------------------------------------- */

static void
ngx_live_chat_tell_who(ngx_live_chat_member_t *m, lv_chat_msg_t *msg)
{
    uint64_t     retry;
    lv_json_t   *j;
    lv_store_t  *st;

    st = ngx_live_store();
    retry = ngx_live_chat_limited(m);

    if (retry) {
        ngx_live_count(NGX_LIVE_C_CHAT_LIMITED, 1);
        ngx_live_chat_error(m, msg, "rate_limited", "You ask too often.",
                            retry);
        return;
    }

    if (st == NULL) {
        return;
    }

    j = ngx_live_chat_json("who");

    if (msg->has & LV_CHAT_HAS_REF) {
        lv_json_utf8(j, "ref", msg->ref);
    }

    lv_json_int(j, "members", lv_room_present(st, m->room->room));
    ngx_live_chat_who_json(j, m->room, st, NGX_LIVE_CHAT_NAMES_MAX);
    ngx_live_chat_send(m, j);
}


/* ---- what all have in common -------------------------------------------- */

/* May it write now? Tells it if not; false also when it has been closed. */
static ngx_uint_t
ngx_live_chat_may(ngx_live_chat_member_t *m, lv_chat_msg_t *msg)
{
    uint64_t           now, left;
    lv_token_result_e  result;

    if (!ngx_live_http_token_still(m->request, &result)) {
        ngx_live_chat_error(m, msg, lv_token_result_name(result),
                            lv_token_result_text(result), 0);
        ngx_live_chat_close(m, LV_WS_POLICY, lv_token_result_name(result));
        return 0;
    }

    switch (ngx_live_chat_banned(m)) {

    case LV_BAN_FULL:
        ngx_live_chat_error(m, msg, "banned", "You are banned from this room.",
                            0);
        ngx_live_chat_close(m, LV_WS_POLICY, "banned");
        return 0;

    case LV_BAN_TIMEOUT:
        now = ngx_live_now_ms();
        left = m->banned_until > now ? m->banned_until - now : 1;
        ngx_live_chat_error(m, msg, "timed_out",
                            "You may not write for a while.", left);
        return 0;
    }

    return 1;
}


/* A bucket: 0, or the ms until there is room in it for one more. */
static uint64_t
ngx_live_chat_limited(ngx_live_chat_member_t *m)
{
    ngx_msec_t  passed, less;

    if (m->conf->rate == 0 || m->role >= LV_ROLE_MODERATOR) {
        return 0;
    }

    passed = ngx_min(ngx_current_msec - m->said, 3600 * 1000);
    m->said = ngx_current_msec;
    less = passed * m->conf->rate / 1000;
    m->said_level = m->said_level > less ? m->said_level - (uint32_t) less
                                         : 0;

    if (m->said_level + 1000 > m->conf->burst * 1000) {
        return (m->said_level + 1000 - m->conf->burst * 1000) * 1000
               / m->conf->rate + 1;
    }

    m->said_level += 1000;

    return 0;
}


static const lv_room_rate_t *
ngx_live_chat_rate_of(ngx_live_chat_member_t *m, const lv_room_rate_t *rate,
    const lv_room_rate_t *def)
{
    static const lv_room_rate_t  off;

    if (rate->rate != NGX_LIVE_CHAT_UNSET) {
        return rate;
    }

    return m->conf->rate ? def : &off;
}


/* May one more be said, by it, from its address, in its room? Tells it if
 * not. */
static ngx_uint_t
ngx_live_chat_fast(ngx_live_chat_member_t *m, lv_chat_msg_t *msg)
{
    size_t       len;
    u_char      *ip;
    lv_str_t     addr;
    uint64_t     retry;
    lv_store_t  *st;
    const char  *text;

    static const lv_room_rate_t  of_addr = NGX_LIVE_CHAT_ADDR_RATE;
    static const lv_room_rate_t  of_room = NGX_LIVE_CHAT_ROOM_RATE;

    text = "You write too fast.";
    retry = ngx_live_chat_limited(m);
    st = ngx_live_store();

    if (retry == 0 && st && m->role < LV_ROLE_MODERATOR) {
        ip = ngx_live_sockaddr_ip(m->connection->sockaddr, &len);
        addr.data = ip;
        addr.len = ip ? len : 0;

        text = "Too much comes from your address.";
        retry = lv_room_addr_rate(st, addr,
                                  ngx_live_chat_rate_of(m,
                                      &m->conf->addr_rate, &of_addr),
                                  ngx_live_now_ms());
    }

    if (retry == 0 && st && m->role < LV_ROLE_MODERATOR) {
        text = "Too much is written here.";
        retry = lv_room_rate(st, m->room->room, m->room->gen,
                             ngx_live_chat_rate_of(m, &m->conf->room_rate,
                                                   &of_room),
                             ngx_live_now_ms());
    }

    if (retry == 0) {
        return 0;
    }

    ngx_live_count(NGX_LIVE_C_CHAT_LIMITED, 1);

    if (!m->hasty) {
        m->hasty = 1;
        ngx_log_error(NGX_LOG_INFO, m->connection->log, 0,
                      "live chat: a member is limited: %s More of it is not "
                      "logged", text);
    }

    ngx_live_chat_error(m, msg, "rate_limited", text, retry);

    return 1;
}


/* The stream's media time, in ms since it began: the end of its newest part. */
static uint64_t
ngx_live_chat_media_ms(ngx_live_chat_member_t *m, lv_store_t *st)
{
    uint32_t          gen;
    lv_track_t       *t;
    lv_stream_t      *s;
    lv_part_ref_t     ref;
    lv_track_desc_t   desc;

    s = lv_stream_find(st, (char *) m->stream.data, m->stream.len, &gen);
    t = s ? lv_stream_track_at(st, s, 0) : NULL;

    if (t == NULL || lv_track_newest(st, t, &ref) != LV_OK
        || lv_track_desc(t, &desc) != LV_OK || desc.timescale == 0
        || !lv_stream_alive(s, gen))
    {
        return 0;
    }

    return (uint64_t) ((double) (ref.info.tfdt + ref.info.duration) * 1000
                       / desc.timescale);
}


void
ngx_live_chat_author(ngx_live_chat_member_t *m, lv_room_entry_t *e)
{
    e->author = m->author;
    e->role = m->role;
    e->user.data = m->user.data;
    e->user.len = m->user.len;
    e->name.data = m->name.data;
    e->name.len = m->name.len;

    if (e->media_ms == 0 && ngx_live_store()) {
        e->media_ms = ngx_live_chat_media_ms(m, ngx_live_store());
    }
}


/* Everybody is refused then: a line says it for all of ten seconds. */
static void
ngx_live_chat_append_failed(ngx_live_chat_member_t *m, int rc)
{
    static time_t  logged;

    if (ngx_time() - logged >= 10) {
        logged = ngx_time();
        ngx_log_error(NGX_LOG_WARN, m->connection->log, 0,
                      "live chat: room \"%V\": %s", &m->stream,
                      rc == LV_AGAIN ? "live_chat_buffer is full"
                                     : "the room has gone");
    }
}


static ngx_int_t
ngx_live_chat_append(ngx_live_chat_member_t *m, lv_chat_msg_t *msg,
    lv_room_entry_t *e)
{
    int          rc;
    lv_json_t   *j;
    lv_store_t  *st;

    st = ngx_live_store();

    if (st == NULL) {
        return NGX_ERROR;
    }

    ngx_live_chat_author(m, e);

    rc = lv_room_append(st, m->room->room, m->room->gen, ngx_live_now_ms(), e);

    if (rc != LV_OK) {
        ngx_live_chat_append_failed(m, rc);
        ngx_live_chat_error(m, msg, "unavailable",
                            "The room can take no messages now.", 5000);
        return NGX_ERROR;
    }

    ngx_live_count(NGX_LIVE_C_CHAT_ACCEPTED, 1);
    m->pressed = ngx_live_chat_pressed(m->room);

    /* whose messages nobody sees is not to know */

    if (e->status == LV_ROOM_SHADOW && e->kind == LV_ROOM_MESSAGE) {
        e->status = LV_ROOM_OK;
        j = ngx_live_chat_json(NULL);
        ngx_live_chat_entry_json(j, e, NULL);
        ngx_live_chat_send(m, j);
        e->status = LV_ROOM_SHADOW;
    }

    if (msg->has & LV_CHAT_HAS_REF) {
        j = ngx_live_chat_json("ok");
        lv_json_utf8(j, "ref", msg->ref);
        ngx_live_chat_id(j, "id", e->id);

        if (e->status == LV_ROOM_HELD) {
            lv_json_bool(j, "held", true);
        }

        ngx_live_chat_send(m, j);
    }

    return NGX_OK;
}


/* ---- messages ----------------------------------------------------------- */

static void
ngx_live_chat_text(ngx_live_chat_member_t *m, lv_chat_msg_t *msg)
{
    uint64_t          retry;
    const char       *code, *text;
    lv_room_entry_t   e;

    if (!ngx_live_chat_may(m, msg)) {
        return;
    }

    if (ngx_live_chat_fast(m, msg)) {
        return;
    }

    ngx_memzero(&e, sizeof(lv_room_entry_t));
    e.kind = msg->type == LV_CHAT_MESSAGE ? LV_ROOM_MESSAGE
                                          : LV_ROOM_QUESTION;
    e.text = msg->text;
    e.target = msg->reply_to;

    code = ngx_live_chat_rules_check(m, &e.text, msg->text_chars, &e.status,
                                     &text, &retry);

    if (code) {
        ngx_live_chat_error(m, msg, code, text, retry);
        return;
    }

    if (m->banned == LV_BAN_SHADOW) {
        e.status = LV_ROOM_SHADOW;
    }

    if (!ngx_live_chat_review(m, msg, &e)) {
        (void) ngx_live_chat_append(m, msg, &e);
    }
}


void
ngx_live_chat_say(ngx_live_chat_member_t *m, lv_chat_msg_t *msg,
    lv_room_entry_t *e)
{
    if (!m->joined || m->gone || m->closed || !ngx_live_chat_may(m, msg)) {
        return;
    }

    if (m->banned == LV_BAN_SHADOW) {
        e->status = LV_ROOM_SHADOW;
    }

    (void) ngx_live_chat_append(m, msg, e);
}


/* ---- reactions and the like --------------------------------------------- */

static void
ngx_live_chat_small(ngx_live_chat_member_t *m, lv_chat_msg_t *msg)
{
    lv_room_entry_t   e;

    if (!ngx_live_chat_may(m, msg)) {
        return;
    }

    if (msg->type == LV_CHAT_REACTION) {
        if (m->banned != LV_BAN_SHADOW) {
            ngx_live_chat_room_react(m->room, msg->reaction);
        }

        return;
    }

    if (ngx_live_chat_fast(m, msg)) {
        return;
    }

    ngx_memzero(&e, sizeof(lv_room_entry_t));

    switch (msg->type) {

    case LV_CHAT_UPVOTE:
        e.kind = LV_ROOM_UPVOTE;
        e.target = msg->id;
        break;

    case LV_CHAT_LIKE:
        e.kind = LV_ROOM_LIKE;
        e.count = msg->on;
        break;

    case LV_CHAT_VOTE:
        e.kind = LV_ROOM_VOTE;
        e.target = msg->poll;
        e.count = msg->choice;
        break;

    default: /* LV_CHAT_FLAG */
        e.kind = LV_ROOM_FLAG;
        e.target = msg->id;
        e.text = msg->reason;
        break;
    }

    if (m->banned == LV_BAN_SHADOW) {
        e.status = LV_ROOM_SHADOW;
    }

    (void) ngx_live_chat_append(m, msg, &e);
}


/* ---- moderation --------------------------------------------------------- */

/* Nobody acts against who is as high: by what is in the log of them. */
static ngx_uint_t
ngx_live_chat_above(ngx_live_chat_member_t *m, lv_room_entry_t *old)
{
    return m->role > old->role || m->role == LV_ROLE_OWNER
           || (old->user.len == m->user.len
               && ngx_memcmp(old->user.data, m->user.data, m->user.len) == 0);
}


static ngx_uint_t
ngx_live_chat_own(ngx_live_chat_member_t *m, lv_room_entry_t *old)
{
    return old->author == m->author && old->user.len == m->user.len
           && ngx_memcmp(old->user.data, m->user.data, m->user.len) == 0;
}


static void
ngx_live_chat_delete(ngx_live_chat_member_t *m, lv_chat_msg_t *msg)
{
    int               rc;
    uint8_t           buf[LV_ROOM_ENTRY_MAX];
    lv_store_t       *st;
    lv_room_entry_t   old, e;

    st = ngx_live_store();
    rc = st ? lv_room_entry(st, m->room->room, m->room->gen, msg->id, buf,
                            &old)
            : LV_ERROR;

    if (rc != LV_OK && m->role < LV_ROLE_MODERATOR) {
        ngx_live_chat_error(m, msg, "not_found", "There is no such message.",
                            0);
        return;
    }

    if (rc == LV_OK && !ngx_live_chat_own(m, &old)
        && (m->role < LV_ROLE_MODERATOR || !ngx_live_chat_above(m, &old)))
    {
        ngx_live_chat_error(m, msg, "not_allowed", "That is not yours to "
                            "delete.", 0);
        return;
    }

    ngx_memzero(&e, sizeof(lv_room_entry_t));
    e.kind = LV_ROOM_DELETE;
    e.target = msg->id;

    (void) ngx_live_chat_append(m, msg, &e);
}


/* The entry becomes what members get who come later. */
static ngx_int_t
ngx_live_chat_pin(ngx_live_chat_member_t *m, lv_chat_msg_t *msg)
{
    int               rc;
    uint8_t           buf[LV_ROOM_ENTRY_MAX];
    lv_json_t        *j;
    lv_store_t       *st;
    lv_room_entry_t   old;

    st = ngx_live_store();

    if (st == NULL) {
        return NGX_ERROR;
    }

    if (msg->id == 0) {
        rc = lv_room_blob_put(st, m->room->room, m->room->gen,
                              LV_ROOM_BLOB_PINNED, NULL, 0);
        return rc == LV_OK ? NGX_OK : NGX_ERROR;
    }

    if (lv_room_entry(st, m->room->room, m->room->gen, msg->id, buf, &old)
        != LV_OK || old.kind != LV_ROOM_MESSAGE || old.status != LV_ROOM_OK
        || (old.flags & LV_ROOM_DELETED))
    {
        ngx_live_chat_error(m, msg, "not_found", "There is no such message.",
                            0);
        return NGX_ERROR;
    }

    j = ngx_live_chat_json(NULL);
    ngx_live_chat_entry_json(j, &old, NULL);
    lv_json_close(j, '}');

    rc = j->text->failed ? LV_ERROR
         : lv_room_blob_put(st, m->room->room, m->room->gen,
                            LV_ROOM_BLOB_PINNED, j->text->data, j->text->len);

    return rc == LV_OK ? NGX_OK : NGX_ERROR;
}


/* Against somebody: takes effect here and now, on every worker. */
static ngx_int_t
ngx_live_chat_ban(ngx_live_chat_member_t *m, lv_chat_msg_t *msg,
    lv_room_entry_t *e)
{
    int          rc;
    uint64_t     now;
    lv_ban_t     ban;
    lv_store_t  *st;

    st = ngx_live_store();

    if (st == NULL) {
        return NGX_ERROR;
    }

    now = ngx_live_now_ms();
    ngx_memzero(&ban, sizeof(lv_ban_t));
    ban.kind = LV_BAN_USER;
    ban.value = msg->user;
    ban.until_ms = e->count ? now + (uint64_t) e->count * 1000 : 0;
    ban.action = msg->type == LV_CHAT_UNBAN ? LV_BAN_NONE
                 : msg->type == LV_CHAT_TIMEOUT ? LV_BAN_TIMEOUT
                 : msg->shadow ? LV_BAN_SHADOW : LV_BAN_FULL;

    rc = lv_room_ban(st, m->room->room, m->room->gen, &ban, now);

    if (rc != LV_OK) {
        ngx_live_chat_error(m, msg, "unavailable",
                            "The room can take no more bans.", 0);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_live_chat_moderate(ngx_live_chat_member_t *m, lv_chat_msg_t *msg)
{
    lv_room_entry_t   e;

    static const lv_room_kind_e  kinds[LV_CHAT_TYPES] = {
        [LV_CHAT_CLEAR] = LV_ROOM_CLEAR,
        [LV_CHAT_TIMEOUT] = LV_ROOM_TIMEOUT,
        [LV_CHAT_BAN] = LV_ROOM_BAN,
        [LV_CHAT_UNBAN] = LV_ROOM_UNBAN,
        [LV_CHAT_PIN] = LV_ROOM_PIN
    };

    if (!ngx_live_chat_may(m, msg)) {
        return;
    }

    if (msg->type == LV_CHAT_DELETE) {
        ngx_live_chat_delete(m, msg);
        return;
    }

    if (m->role < LV_ROLE_MODERATOR || ngx_live_store() == NULL) {
        ngx_live_chat_error(m, msg, "not_allowed",
                            "Only moderators may do that.", 0);
        return;
    }

    if (msg->type != LV_CHAT_PIN && msg->type != LV_CHAT_UNBAN
        && ngx_live_chat_role(m->room, ngx_live_store(), msg->user)
           >= m->role)
    {
        ngx_live_chat_error(m, msg, "not_allowed",
                            "You are not above them.", 0);
        return;
    }

    ngx_memzero(&e, sizeof(lv_room_entry_t));
    e.kind = kinds[msg->type];
    e.subject = msg->user;
    e.count = msg->seconds;
    e.target = msg->id;

    e.text = msg->reason;

    if (msg->type == LV_CHAT_PIN && ngx_live_chat_pin(m, msg) != NGX_OK) {
        return;
    }

    if (msg->type != LV_CHAT_PIN && msg->type != LV_CHAT_CLEAR
        && ngx_live_chat_ban(m, msg, &e) != NGX_OK)
    {
        return;
    }

    if (msg->type == LV_CHAT_BAN && msg->shadow) {
        e.status = LV_ROOM_SHADOW;
    }

    (void) ngx_live_chat_append(m, msg, &e);
}
