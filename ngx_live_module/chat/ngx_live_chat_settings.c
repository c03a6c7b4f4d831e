/*
 * What a room is like: read from the store when its version changes.
 *
 *   settings  {"slow_ms":0,"mode":"all|followers|subscribers|emote",
 *             "unique":false,"links":true,"max_length":500,"hold":false,
 *             "poll":{…},"staff":[{"user","role","name"}],
 *             "review":{"url","secret","on_timeout"}}
 *   words     [{"word":"…","kind":"exact|pattern","action":"allow|mask|hold|
 *             block"}]
 *
 * Members are told of the first six, and of the open poll; staff and review
 * are for the worker alone. Other members of the settings are not for here.
 */

#include "ngx_live_chat.h"


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
ngx_live_chat_settings_poll(ngx_live_chat_rules_t *rules, json_t *poll)
{
    free(rules->poll);
    rules->poll = json_is_object(poll) ? json_dumps(poll, JSON_COMPACT)
                                       : NULL;
}


/* The hash of what a name looks like. */
uint64_t
ngx_live_chat_looks(lv_store_t *st, lv_str_t name)
{
    size_t   n;
    uint8_t  skeleton[LV_CHAT_SKELETON_MAX];

    n = lv_chat_name_skeleton(name, skeleton);

    return lv_room_hash(st, skeleton, n, 5);
}


/* Who is the owner and who moderates, whether they are here or not. */
static void
ngx_live_chat_settings_staff(ngx_live_chat_rules_t *rules, json_t *list)
{
    size_t                  i, n;
    json_t                 *item, *value;
    lv_str_t                text;
    lv_store_t             *st;
    ngx_live_chat_staff_t  *staff;

    ngx_free(rules->staff);
    rules->staff = NULL;
    rules->nstaff = 0;

    st = ngx_live_store();
    n = ngx_min(json_array_size(list), NGX_LIVE_CHAT_STAFF);

    if (n == 0 || st == NULL) {
        return;
    }

    rules->staff = ngx_calloc(n * sizeof(ngx_live_chat_staff_t),
                              ngx_cycle->log);
    if (rules->staff == NULL) {
        return;
    }

    for (i = 0; i < n; i++) {
        item = json_array_get(list, i);
        staff = &rules->staff[rules->nstaff++];

        value = json_object_get(item, "user");
        text.data = (uint8_t *) json_string_value(value);
        text.len = json_string_length(value);
        staff->author = lv_room_hash(st, text.data, text.len, 1);

        value = json_object_get(item, "name");
        text.data = (uint8_t *) json_string_value(value);
        text.len = json_string_length(value);
        staff->looks = ngx_live_chat_looks(st, text);

        value = json_object_get(item, "role");
        text.data = (uint8_t *) json_string_value(value);
        text.len = json_string_length(value);
        staff->role = lv_role_of(text);
    }
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

    rules->visible = (uint64_t) rules->slow_ms << 32
                     | (uint64_t) rules->max_length << 16 | rules->least << 8
                     | rules->emotes << 3 | rules->unique << 2
                     | rules->links << 1 | rules->hold;

    ngx_live_chat_settings_poll(rules, json_object_get(json, "poll"));
    ngx_live_chat_settings_staff(rules, json_object_get(json, "staff"));
    ngx_live_chat_review_conf(rules, json_object_get(json, "review"));
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


void
ngx_live_chat_rules_of(lv_store_t *st, lv_room_t *room, uint32_t gen,
    ngx_live_chat_rules_t *rules)
{
    json_t    *json;
    uint32_t   version;

    version = lv_room_blob_version(room, LV_ROOM_BLOB_SETTINGS);

    if (version == rules->settings_version && rules->max_length != 0) {
        return;
    }

    json = ngx_live_chat_blob(st, room, gen, LV_ROOM_BLOB_SETTINGS, &version);
    ngx_live_chat_settings(rules, json);
    rules->settings_version = version;
    json_decref(json);
}


/* Reads what has changed. */
void
ngx_live_chat_rules(ngx_live_chat_room_t *room)
{
    uint32_t                gen;
    lv_room_t              *all;
    lv_store_t             *st;
    ngx_live_chat_rules_t  *rules;

    st = ngx_live_store();
    rules = &room->rules;

    if (st == NULL) {
        return;
    }

    ngx_live_chat_rules_of(st, room->room, room->gen, rules);
    ngx_live_chat_rules_words(st, room->room, room->gen, rules);

    all = lv_room_global(st, &gen);
    ngx_live_chat_rules_words(st, all, gen, &ngx_live_chat_global);
}


void
ngx_live_chat_rules_free(ngx_live_chat_rules_t *rules)
{
    lv_words_destroy(rules->words);
    free(rules->poll);
    ngx_free(rules->staff);
    ngx_live_chat_review_conf(rules, NULL);
    ngx_memzero(rules, sizeof(ngx_live_chat_rules_t));
}


const lv_words_t *
ngx_live_chat_words_of_all(void)
{
    return ngx_live_chat_global.words;
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


