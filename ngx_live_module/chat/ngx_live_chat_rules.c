/*
 * What may be said in a room: its settings and words, read from the store when
 * their version changes, and who is banned.
 *
 *   settings  {"slow_ms":0,"mode":"all|followers|subscribers|emote",
 *             "unique":false,"links":true,"max_length":500,"hold":false}
 *   words     [{"word":"…","kind":"exact|pattern","action":"allow|mask|hold|
 *             block"}]
 *
 * Other members of the settings are not for here. Moderators are above all of
 * this but the length.
 */

#include "ngx_live_chat.h"
#include "ngx_live_limit.h"

#include <jansson.h>


#define NGX_LIVE_CHAT_LENGTH  500        /* code points */


/* Words for all rooms. */
static ngx_live_chat_rules_t  ngx_live_chat_global;


static json_t *
ngx_live_chat_blob(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_blob_e kind, uint32_t *version)
{
    size_t     size, len;
    json_t    *json;
    u_char    *p;

    json = NULL;

    if (lv_room_blob_get(st, room, gen, kind, version, NULL, 0, &len) != LV_OK
        || len == 0)
    {
        return NULL;
    }

    size = len;
    p = ngx_alloc(size, ngx_cycle->log);

    if (p && lv_room_blob_get(st, room, gen, kind, version, p, size, &len)
             == LV_OK
        && len <= size)
    {
        json = json_loadb((char *) p, len, JSON_REJECT_DUPLICATES, NULL);

        if (json == NULL) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "live chat: a room's settings are not JSON");
        }
    }

    ngx_free(p);

    return json;
}


static uint32_t
ngx_live_chat_number(json_t *json, const char *name, uint32_t def,
    uint32_t max)
{
    json_t      *value;
    json_int_t   n;

    value = json_object_get(json, name);
    n = json_is_integer(value) ? json_integer_value(value) : (json_int_t) def;

    return n < 0 ? 0 : n > (json_int_t) max ? max : (uint32_t) n;
}


static void
ngx_live_chat_settings(ngx_live_chat_rules_t *rules, json_t *json)
{
    json_t      *links;
    const char  *mode;

    mode = json_string_value(json_object_get(json, "mode"));
    mode = mode ? mode : "all";
    links = json_object_get(json, "links");

    rules->slow_ms = ngx_live_chat_number(json, "slow_ms", 0, 3600 * 1000);
    rules->max_length = ngx_live_chat_number(json, "max_length",
                                             NGX_LIVE_CHAT_LENGTH, 2000);
    rules->unique = json_is_true(json_object_get(json, "unique"));
    rules->hold = json_is_true(json_object_get(json, "hold"));
    rules->links = !json_is_false(links);
    rules->emotes = ngx_strcmp(mode, "emote") == 0;
    rules->least = LV_ROLE_VIEWER;

    if (ngx_strcmp(mode, "followers") == 0) {
        rules->least = LV_ROLE_FOLLOWER;

    } else if (ngx_strcmp(mode, "subscribers") == 0) {
        rules->least = LV_ROLE_SUBSCRIBER;
    }
}


static lv_words_action_e
ngx_live_chat_action(const char *name)
{
    if (name && ngx_strcmp(name, "allow") == 0) {
        return LV_WORDS_ALLOW;
    }

    if (name && ngx_strcmp(name, "mask") == 0) {
        return LV_WORDS_MASK;
    }

    if (name && ngx_strcmp(name, "hold") == 0) {
        return LV_WORDS_HOLD;
    }

    return LV_WORDS_BLOCK;
}


static lv_words_t *
ngx_live_chat_words(json_t *list)
{
    size_t             i, n;
    json_t            *item, *word;
    lv_words_t        *words;
    const char        *kind;
    lv_words_entry_t  *entries;

    n = ngx_min(json_array_size(list), LV_WORDS_MAX);

    if (n == 0) {
        return NULL;
    }

    entries = ngx_calloc(n * sizeof(lv_words_entry_t), ngx_cycle->log);
    if (entries == NULL) {
        return NULL;
    }

    for (i = 0; i < n; i++) {
        item = json_array_get(list, i);
        word = json_object_get(item, "word");
        kind = json_string_value(json_object_get(item, "kind"));

        if (json_is_string(word)) {
            entries[i].word.data = (uint8_t *) json_string_value(word);
            entries[i].word.len = json_string_length(word);
        }

        entries[i].pattern = kind && ngx_strcmp(kind, "pattern") == 0;
        entries[i].action = ngx_live_chat_action(json_string_value(
                                json_object_get(item, "action")));
    }

    words = lv_words_create(entries, n);
    ngx_free(entries);

    return words;
}


static void
ngx_live_chat_rules_words(lv_store_t *st, lv_room_t *room, uint32_t gen,
    ngx_live_chat_rules_t *rules)
{
    json_t    *json;
    uint32_t   version;

    version = lv_room_blob_version(room, LV_ROOM_BLOB_WORDS);

    if (version == rules->words_version) {
        return;
    }

    json = ngx_live_chat_blob(st, room, gen, LV_ROOM_BLOB_WORDS, &version);

    lv_words_destroy(rules->words);
    rules->words = ngx_live_chat_words(json);
    rules->words_version = version;
    json_decref(json);
}


/* Reads what has changed. */
void
ngx_live_chat_rules(ngx_live_chat_room_t *room)
{
    json_t                 *json;
    uint32_t                version, gen;
    lv_room_t              *all;
    lv_store_t             *st;
    ngx_live_chat_rules_t  *rules;

    st = ngx_live_store();
    rules = &room->rules;

    if (st == NULL) {
        return;
    }

    version = lv_room_blob_version(room->room, LV_ROOM_BLOB_SETTINGS);

    if (version != rules->settings_version || rules->max_length == 0) {
        json = ngx_live_chat_blob(st, room->room, room->gen,
                                  LV_ROOM_BLOB_SETTINGS, &version);
        ngx_live_chat_settings(rules, json);
        rules->settings_version = version;
        json_decref(json);
    }

    ngx_live_chat_rules_words(st, room->room, room->gen, rules);

    all = lv_room_global(st, &gen);
    ngx_live_chat_rules_words(st, all, gen, &ngx_live_chat_global);
}


void
ngx_live_chat_rules_free(ngx_live_chat_rules_t *rules)
{
    lv_words_destroy(rules->words);
    rules->words = NULL;
}


void
ngx_live_chat_rules_json(lv_json_t *j, ngx_live_chat_rules_t *rules)
{
    lv_json_open(j, "settings", '{');
    lv_json_int(j, "slow_ms", rules->slow_ms);
    lv_json_text(j, "mode", rules->emotes ? "emote"
                            : rules->least == LV_ROLE_FOLLOWER ? "followers"
                            : rules->least == LV_ROLE_SUBSCRIBER
                              ? "subscribers" : "all");
    lv_json_bool(j, "unique", rules->unique);
    lv_json_bool(j, "links", rules->links);
    lv_json_bool(j, "hold", rules->hold);
    lv_json_int(j, "max_length", rules->max_length);
    lv_json_close(j, '}');
}


/* ---- bans --------------------------------------------------------------- */

/* Asked once for each change of the room's bans. */
ngx_uint_t
ngx_live_chat_banned(ngx_live_chat_member_t *m)
{
    size_t                 len;
    u_char                *ip;
    lv_str_t               user, device, addr;
    uint64_t               now, until;
    uint32_t               version;
    lv_store_t            *st;
    ngx_live_chat_room_t  *room;

    st = ngx_live_store();
    room = m->room;

    if (st == NULL || room == NULL) {
        return LV_BAN_NONE;
    }

    now = ngx_live_now_ms();
    version = lv_room_bans_version(room->room);

    if (m->bans != version || !m->bans_known) {
        user.data = m->user.data;
        user.len = m->user.len;
        device.data = m->device.data;
        device.len = m->device.len;
        ip = ngx_live_sockaddr_ip(m->connection->sockaddr, &len);
        addr.data = ip;
        addr.len = ip ? len : 0;

        m->banned = (uint8_t) lv_room_banned(st, room->room, room->gen, user,
                                             device, addr, now, &until);
        m->banned_until = until;
        m->bans = version;
        m->bans_known = 1;
    }

    if (m->banned != LV_BAN_NONE && m->banned_until != 0
        && m->banned_until <= now)
    {
        m->bans_known = 0;               /* a lighter one may go on */
        m->banned = LV_BAN_NONE;
    }

    return m->banned;
}


/* ---- a text ------------------------------------------------------------- */

static const char *
ngx_live_chat_words_check(ngx_live_chat_rules_t *rules, lv_str_t *said,
    uint8_t *status, const char **text)
{
    const lv_words_t   *sets[2];
    lv_words_result_t   found;

    sets[0] = ngx_live_chat_global.words;
    sets[1] = rules->words;

    if (sets[0] == NULL && sets[1] == NULL) {
        return NULL;
    }

    lv_words_check(sets, 2, *said, &found);

    switch (found.action) {

    case LV_WORDS_BLOCK:
        *text = "This room does not take that word.";
        return "blocked";

    case LV_WORDS_HOLD:
        *status = LV_ROOM_HELD;
        break;

    case LV_WORDS_MASK:
        said->len = lv_words_mask(sets, 2, (uint8_t *) said->data, said->len);
        break;

    default:
        break;
    }

    return NULL;
}


static const char *
ngx_live_chat_style_check(ngx_live_chat_member_t *m, lv_str_t *said,
    uint8_t *status, const char **text)
{
    ngx_live_chat_rules_t  *rules;

    rules = &m->room->rules;

    if (m->role < rules->least) {
        *text = rules->least == LV_ROLE_FOLLOWER
                ? "Only followers may write here now."
                : "Only subscribers may write here now.";
        return "members_only";
    }

    if (rules->emotes && !lv_chat_text_emotes_only(*said)) {
        *text = "Only emotes may be sent here now.";
        return "emotes_only";
    }

    if (!rules->links && lv_chat_text_has_link(*said)) {
        *text = "This room takes no links.";
        return "links";
    }

    if (rules->hold) {
        *status = LV_ROOM_HELD;
    }

    return ngx_live_chat_words_check(rules, said, status, text);
}


/* Slow mode, and what was said before. */
static const char *
ngx_live_chat_again_check(ngx_live_chat_member_t *m, lv_str_t *said,
    const char **text, uint64_t *retry_ms)
{
    bool                    same;
    size_t                  n;
    uint8_t                 folded[LV_CHAT_TEXT_BYTES];
    uint64_t                hash;
    lv_store_t             *st;
    ngx_live_chat_rules_t  *rules;

    rules = &m->room->rules;

    if (rules->slow_ms == 0 && !rules->unique) {
        return NULL;
    }

    st = ngx_live_store();
    hash = 0;

    if (rules->unique) {
        n = lv_fold_text(*said, folded, sizeof(folded));
        hash = lv_room_hash(st, folded, n, 3);
    }

    *retry_ms = lv_room_writes(st, m->room->room, m->author, hash,
                               m->role >= LV_ROLE_VIP ? 0 : rules->slow_ms,
                               ngx_live_now_ms(), &same);
    if (*retry_ms) {
        *text = "This room is in slow mode.";
        return "slow_mode";
    }

    if (same) {
        *text = "You have just said that.";
        return "not_unique";
    }

    return NULL;
}


const char *
ngx_live_chat_rules_check(ngx_live_chat_member_t *m, lv_str_t *said,
    size_t chars, uint8_t *status, const char **text, uint64_t *retry_ms)
{
    const char  *code;

    ngx_live_chat_rules(m->room);

    if (chars > m->room->rules.max_length) {
        *text = "The message is too long.";
        return "too_long";
    }

    if (m->role >= LV_ROLE_MODERATOR) {
        return NULL;
    }

    code = ngx_live_chat_style_check(m, said, status, text);

    return code ? code : ngx_live_chat_again_check(m, said, text, retry_ms);
}
