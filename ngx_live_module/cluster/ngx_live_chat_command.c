/* Commands for rooms: what the control plane did, or says there. */

#include "ngx_live_chat_sync.h"


static ngx_int_t ngx_live_chat_spoken(lv_store_t *st, lv_room_t *room,
    uint32_t gen, json_t *command);
static ngx_int_t ngx_live_chat_happen(lv_store_t *st, lv_room_t *room,
    uint32_t gen, json_t *command);
static ngx_int_t ngx_live_chat_act(lv_store_t *st, lv_room_t *room,
    uint32_t gen, json_t *command, const char *op);
static void ngx_live_chat_act_ban(lv_store_t *st, lv_room_t *room,
    uint32_t gen, json_t *command, lv_room_entry_t *e);
static lv_str_t ngx_live_chat_member_str(json_t *command, const char *name);
static uint64_t ngx_live_chat_member_id(json_t *command, const char *name);
static ngx_int_t ngx_live_chat_add(lv_store_t *st, lv_room_t *room,
    uint32_t gen, lv_room_entry_t *e);


ngx_live_chat_sync_say_pt  ngx_live_chat_sync_say;


static const struct {
    const char      *op;
    lv_room_kind_e   kind;
} ngx_live_chat_ops[] = {
    { "delete", LV_ROOM_DELETE },
    { "clear_user", LV_ROOM_CLEAR },
    { "review", LV_ROOM_REVIEW },
    { "timeout", LV_ROOM_TIMEOUT },
    { "ban", LV_ROOM_BAN },
    { "unban", LV_ROOM_UNBAN },
    { "pin", LV_ROOM_PIN },
    { "poll", LV_ROOM_POLL }
};


ngx_int_t
ngx_live_chat_command(lv_store_t *st, json_t *command)
{
    lv_str_t     id;
    uint32_t     gen;
    ngx_int_t    says;
    lv_room_t   *room;
    const char  *op;

    op = json_string_value(json_object_get(command, "op"));
    id = ngx_live_chat_member_str(command, "stream");

    if (op != NULL && ngx_strcmp(op, "erase") == 0) {
        (void) lv_rooms_erase(st, ngx_live_chat_member_str(command,
                                                           "target_user"));
        return NGX_OK;
    }

    if (op == NULL || id.len == 0) {
        return NGX_ERROR;
    }

    if (ngx_strcmp(op, "settings") == 0) {
        ngx_live_chat_hint();
        return NGX_OK;
    }

    says = ngx_strcmp(op, "message") == 0 || ngx_strcmp(op, "event") == 0;

    if (!says) {
        room = lv_room_find(st, (const char *) id.data, id.len, &gen);

        /* a room that nobody is in has nobody to tell */

        return room != NULL ? ngx_live_chat_act(st, room, gen, command, op)
                            : NGX_OK;
    }

    if (lv_room_open(st, (const char *) id.data, id.len, ngx_live_now_ms(),
                     &room, &gen)
        != LV_OK)
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "live: no room for \"%*s\"", id.len, id.data);
        return NGX_OK;
    }

    return op[0] == 'm' ? ngx_live_chat_spoken(st, room, gen, command)
                        : ngx_live_chat_happen(st, room, gen, command);
}


static ngx_int_t
ngx_live_chat_spoken(lv_store_t *st, lv_room_t *room, uint32_t gen,
    json_t *command)
{
    lv_room_entry_t  e;

    ngx_memzero(&e, sizeof(lv_room_entry_t));

    e.kind = LV_ROOM_MESSAGE;
    e.user = ngx_live_chat_member_str(command, "user");
    e.name = ngx_live_chat_member_str(command, "name");
    e.text = ngx_live_chat_member_str(command, "text");
    e.role = lv_role_of(ngx_live_chat_member_str(command, "role"));
    e.target = ngx_live_chat_member_id(command, "reply_to");
    e.status = json_is_true(json_object_get(command, "held")) ? LV_ROOM_HELD
                                                              : LV_ROOM_OK;

    if (json_is_true(json_object_get(command, "shadow"))) {
        e.status = LV_ROOM_SHADOW;
    }

    if (e.user.len == 0 || e.text.len == 0) {
        return NGX_ERROR;
    }

    e.author = lv_room_hash(st, e.user.data, e.user.len, 1);

    if (ngx_live_chat_sync_say
        && ngx_live_chat_sync_say(st, room, gen, &e))
    {
        return NGX_OK;
    }

    return ngx_live_chat_add(st, room, gen, &e);
}


/* {"event", "text", "data"} as members get it. */

static ngx_int_t
ngx_live_chat_happen(lv_store_t *st, lv_room_t *room, uint32_t gen,
    json_t *command)
{
    char             *text;
    json_t           *event;
    ngx_int_t         rc;
    lv_room_entry_t   e;

    event = json_pack("{s:O*,s:O*,s:O*}",
                      "event", json_object_get(command, "event"),
                      "text", json_object_get(command, "text"),
                      "data", json_object_get(command, "data"));
    text = event ? json_dumps(event, JSON_COMPACT) : NULL;
    json_decref(event);

    if (text == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&e, sizeof(lv_room_entry_t));
    e.kind = LV_ROOM_EVENT;
    e.text.data = (const uint8_t *) text;
    e.text.len = ngx_strlen(text);

    rc = ngx_live_chat_add(st, room, gen, &e);
    free(text);

    return rc;
}


/* What is in the database already: LV_ROOM_REMOTE. */

static ngx_int_t
ngx_live_chat_act(lv_store_t *st, lv_room_t *room, uint32_t gen,
    json_t *command, const char *op)
{
    char             *text;
    json_t           *json;
    ngx_int_t         rc;
    ngx_uint_t        i, n;
    lv_room_entry_t   e;

    n = sizeof(ngx_live_chat_ops) / sizeof(ngx_live_chat_ops[0]);

    for (i = 0; i < n && ngx_strcmp(op, ngx_live_chat_ops[i].op) != 0; i++) {
        /* void */
    }

    if (i == n) {
        return NGX_ERROR;
    }

    ngx_memzero(&e, sizeof(lv_room_entry_t));

    e.kind = ngx_live_chat_ops[i].kind;
    e.flags = LV_ROOM_REMOTE;
    e.role = LV_ROLE_MODERATOR;
    e.target = ngx_live_chat_member_id(command, "target");
    e.subject = ngx_live_chat_member_str(command, "target_user");
    text = NULL;

    switch (e.kind) {

    case LV_ROOM_REVIEW:
        e.count = json_is_true(json_object_get(command, "approve")) ? 1 : 0;
        break;

    case LV_ROOM_TIMEOUT:
    case LV_ROOM_BAN:
    case LV_ROOM_UNBAN:

        if (e.subject.len == 0) {
            return NGX_ERROR;
        }

        ngx_live_chat_act_ban(st, room, gen, command, &e);
        break;

    case LV_ROOM_PIN:
        json = json_object_get(command, "message");
        text = json ? json_dumps(json, JSON_COMPACT|JSON_SORT_KEYS) : NULL;

        (void) lv_room_blob_put(st, room, gen, LV_ROOM_BLOB_PINNED, text,
                                text ? ngx_strlen(text) : 0);
        break;

    case LV_ROOM_POLL:
        text = json_dumps(json_object_get(command, "poll"), JSON_COMPACT);

        if (text == NULL) {
            return NGX_ERROR;
        }

        e.text.data = (const uint8_t *) text;
        e.text.len = ngx_strlen(text);
        break;

    default:
        break;
    }

    rc = ngx_live_chat_add(st, room, gen, &e);
    free(text);

    return rc;
}


static void
ngx_live_chat_act_ban(lv_store_t *st, lv_room_t *room, uint32_t gen,
    json_t *command, lv_room_entry_t *e)
{
    uint64_t     now;
    lv_ban_t     ban;
    json_int_t   until;

    now = ngx_live_now_ms();
    until = json_integer_value(json_object_get(command, "until"));

    ngx_memzero(&ban, sizeof(lv_ban_t));
    ban.kind = LV_BAN_USER;
    ban.value = e->subject;
    ban.until_ms = until > 0 ? (uint64_t) until * 1000 : 0;

    if (e->kind == LV_ROOM_UNBAN) {
        ban.action = LV_BAN_NONE;

    } else if (e->kind == LV_ROOM_TIMEOUT) {
        ban.action = LV_BAN_TIMEOUT;

    } else if (json_is_true(json_object_get(command, "shadow"))) {
        ban.action = LV_BAN_SHADOW;
        e->status = LV_ROOM_SHADOW;

    } else {
        ban.action = LV_BAN_FULL;
    }

    if (ban.until_ms > now) {
        e->count = (uint32_t) ngx_min((ban.until_ms - now + 999) / 1000,
                                      UINT32_MAX);
    }

    (void) lv_room_ban(st, room, gen, &ban, now);
}


static ngx_int_t
ngx_live_chat_add(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_entry_t *e)
{
    int  rc;

    if (e->user.len) {
        e->author = lv_room_hash(st, e->user.data, e->user.len, 1);
    }

    rc = lv_room_append(st, room, gen, ngx_live_now_ms(), e);

    if (rc != LV_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "live: a command for a room was not carried out: %s",
                      rc == LV_AGAIN ? "live_chat_buffer is full"
                      : rc == LV_ERROR ? "it is too long"
                                       : "the room has gone");
    }

    /* it would be no better the next time */

    return NGX_OK;
}


static lv_str_t
ngx_live_chat_member_str(json_t *command, const char *name)
{
    json_t    *value;
    lv_str_t   s;

    value = json_object_get(command, name);
    s.data = (const uint8_t *) json_string_value(value);
    s.len = json_string_length(value);

    return s;
}


static uint64_t
ngx_live_chat_member_id(json_t *command, const char *name)
{
    const char  *text;

    text = json_string_value(json_object_get(command, name));

    return text != NULL ? strtoull(text, NULL, 10) : 0;
}
