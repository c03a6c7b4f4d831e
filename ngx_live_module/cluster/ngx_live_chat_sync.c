/* Rooms' settings and commands: see ngx_live_chat_sync.h. */

#include "ngx_live_chat_sync.h"

#include <arpa/inet.h>


#define NGX_LIVE_SYNC_BANS  10000
#define NGX_LIVE_SYNC_LOG   65536


static void ngx_live_sync_item(lv_store_t *st, json_t *item);
static void ngx_live_sync_blob(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_blob_e kind, json_t *json);
static ngx_uint_t ngx_live_sync_same(lv_store_t *st, lv_room_t *room,
    uint32_t gen, lv_room_blob_e kind, const char *text, size_t len);
static void ngx_live_sync_bans(lv_store_t *st, lv_room_t *room, uint32_t gen,
    json_t *list);
static ngx_int_t ngx_live_sync_ban(json_t *item, lv_ban_t *ban,
    uint8_t *addr);
static void ngx_live_sync_bans_since(lv_store_t *st, lv_room_t *room,
    uint32_t gen);


/* Of this worker, while it leads. */
static uint64_t    ngx_live_sync_version;
static uint32_t    ngx_live_sync_known[LV_STREAMS_MAX + 1];    /* gens */
static uint32_t    ngx_live_sync_asked[LV_STREAMS_MAX + 1];
static ngx_uint_t  ngx_live_sync_hint;
static uint8_t     ngx_live_sync_log[NGX_LIVE_SYNC_LOG];


void
ngx_live_chat_seen(lv_json_t *j, lv_store_t *st)
{
    uint32_t         i, n, gen;
    lv_room_t       *room;
    ngx_uint_t       asked;
    lv_room_info_t   info;

    ngx_live_sync_hint = 0;
    asked = 0;
    n = ngx_min(lv_room_count(st), LV_STREAMS_MAX);

    lv_json_int(j, "rooms", (int64_t) ngx_live_sync_version);
    lv_json_open(j, "rooms_new", '[');

    for (i = 1; i <= n && asked < NGX_LIVE_SYNC_NEW; i++) {
        room = lv_room_at(st, i, &gen);

        if (room == NULL || gen == ngx_live_sync_known[i]
            || lv_room_info(st, room, gen, &info) != LV_OK
            || info.id[0] == '\0')
        {
            continue;
        }

        lv_json_text(j, NULL, info.id);
        ngx_live_sync_asked[i] = gen;
        asked++;
    }

    lv_json_close(j, ']');
}


void
ngx_live_chat_hint(void)
{
    ngx_live_sync_hint = 1;
}


ngx_uint_t
ngx_live_chat_asks(lv_store_t *st)
{
    uint32_t    i, n, gen;
    lv_room_t  *room;

    if (ngx_live_sync_hint) {
        return 1;
    }

    n = ngx_min(lv_room_count(st), LV_STREAMS_MAX);

    for (i = 1; i <= n; i++) {
        room = lv_room_at(st, i, &gen);

        if (room != NULL && gen != ngx_live_sync_known[i]
            && gen != ngx_live_sync_asked[i])
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_live_chat_rooms(lv_store_t *st, json_t *rooms)
{
    size_t   i;
    json_t  *items, *version;

    items = json_object_get(rooms, "items");
    version = json_object_get(rooms, "version");

    if (!json_is_integer(version)) {
        return;
    }

    for (i = 0; i < json_array_size(items); i++) {
        ngx_live_sync_item(st, json_array_get(items, i));
    }

    ngx_live_sync_version = (uint64_t) json_integer_value(version);
}


static void
ngx_live_sync_item(lv_store_t *st, json_t *item)
{
    json_t      *stream, *settings, *poll, *words;
    uint32_t     gen, index;
    lv_room_t   *room;
    const char  *id;

    stream = json_object_get(item, "stream");
    id = json_string_value(stream);

    if (id == NULL) {
        return;
    }

    words = json_object_get(json_object_get(item, "words"), "list");

    if (ngx_strcmp(id, "*") == 0) {
        room = lv_room_global(st, &gen);

        if (room != NULL && json_is_array(words)) {
            ngx_live_sync_blob(st, room, gen, LV_ROOM_BLOB_WORDS, words);
        }

        return;
    }

    room = lv_room_find(st, id, json_string_length(stream), &gen);

    if (room == NULL) {
        return;
    }

    index = lv_room_index(st, room);

    if (index <= LV_STREAMS_MAX) {
        ngx_live_sync_known[index] = gen;
    }

    if (json_is_true(json_object_get(item, "gone"))) {
        ngx_live_sync_blob(st, room, gen, LV_ROOM_BLOB_SETTINGS, NULL);
        ngx_live_sync_blob(st, room, gen, LV_ROOM_BLOB_WORDS, NULL);
        ngx_live_sync_blob(st, room, gen, LV_ROOM_BLOB_PINNED, NULL);
        (void) lv_room_bans_put(st, room, gen, NULL, 0, ngx_live_now_ms());
        lv_room_settle(st, room, gen);
        return;
    }

    settings = json_object_get(item, "settings");
    poll = json_object_get(item, "poll");

    if (json_is_object(settings) && json_is_object(poll)) {
        json_object_set(settings, "poll", poll);
    }

    if (json_is_object(settings)) {
        ngx_live_sync_blob(st, room, gen, LV_ROOM_BLOB_SETTINGS, settings);
    }

    ngx_live_sync_blob(st, room, gen, LV_ROOM_BLOB_PINNED,
                       json_object_get(item, "pinned"));

    if (json_is_array(words)) {
        ngx_live_sync_blob(st, room, gen, LV_ROOM_BLOB_WORDS, words);
    }

    if (json_is_array(json_object_get(item, "bans"))) {
        ngx_live_sync_bans(st, room, gen, json_object_get(item, "bans"));
    }

    lv_room_settle(st, room, gen);
}


/* Nothing is changed (and nobody woken) when it is as it was. */

static void
ngx_live_sync_blob(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_blob_e kind, json_t *json)
{
    char    *text;
    size_t   len;

    text = NULL;
    len = 0;

    if (json_is_object(json) || json_array_size(json) > 0) {
        text = json_dumps(json, JSON_COMPACT|JSON_SORT_KEYS);

        if (text == NULL) {
            return;
        }

        len = ngx_strlen(text);
    }

    if (!ngx_live_sync_same(st, room, gen, kind, text, len)
        && lv_room_blob_put(st, room, gen, kind, text, len) != LV_OK)
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "live: a room's settings of %uz bytes have no room",
                      len);
    }

    free(text);
}


static ngx_uint_t
ngx_live_sync_same(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_blob_e kind, const char *text, size_t len)
{
    size_t       size;
    u_char      *p;
    uint32_t     version;
    ngx_uint_t   same;

    if (lv_room_blob_get(st, room, gen, kind, &version, NULL, 0, &size)
            != LV_OK
        || size != len)
    {
        return 0;
    }

    if (len == 0) {
        return 1;
    }

    p = ngx_alloc(len, ngx_cycle->log);

    if (p == NULL) {
        return 0;
    }

    same = lv_room_blob_get(st, room, gen, kind, &version, p, len, &size)
               == LV_OK
           && size == len && ngx_memcmp(p, text, len) == 0;

    ngx_free(p);

    return same;
}


static void
ngx_live_sync_bans(lv_store_t *st, lv_room_t *room, uint32_t gen,
    json_t *list)
{
    size_t     i, n, count;
    uint8_t  (*addrs)[16];
    lv_ban_t  *bans;

    n = ngx_min(json_array_size(list), NGX_LIVE_SYNC_BANS);
    bans = ngx_calloc((n + 1) * sizeof(lv_ban_t), ngx_cycle->log);
    addrs = ngx_calloc((n + 1) * sizeof(*addrs), ngx_cycle->log);
    count = 0;

    if (bans != NULL && addrs != NULL) {

        for (i = 0; i < n; i++) {

            if (ngx_live_sync_ban(json_array_get(list, i), &bans[count],
                                  addrs[count])
                == NGX_OK)
            {
                count++;
            }
        }

        if (lv_room_bans_put(st, room, gen, bans, count, ngx_live_now_ms())
            != LV_OK)
        {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "live: %uz bans of a room have no room", count);
        }

        ngx_live_sync_bans_since(st, room, gen);
    }

    ngx_free(bans);
    ngx_free(addrs);
}


/*
 * A list is older than what moderators did here that the control plane has not
 * acknowledged: without that somebody who was let in again a second ago would
 * be out again, and the other way round.
 */

static void
ngx_live_sync_bans_since(lv_store_t *st, lv_room_t *room, uint32_t gen)
{
    size_t            at, len;
    lv_ban_t          ban;
    uint64_t          from;
    lv_room_info_t    info;
    lv_room_entry_t   e;

    if (lv_room_info(st, room, gen, &info) != LV_OK) {
        return;
    }

    from = ngx_max(info.saved, info.first);

    while (lv_room_read(st, room, gen, &from, ngx_live_sync_log,
                        NGX_LIVE_SYNC_LOG, &len)
               == LV_OK
           && len > 0)
    {
        at = 0;

        while (lv_room_entry_next(ngx_live_sync_log, len, &at, &e)) {

            if ((e.flags & LV_ROOM_REMOTE)
                || (e.kind != LV_ROOM_TIMEOUT && e.kind != LV_ROOM_BAN
                    && e.kind != LV_ROOM_UNBAN))
            {
                continue;
            }

            ngx_memzero(&ban, sizeof(lv_ban_t));
            ban.kind = LV_BAN_USER;
            ban.value = e.subject;
            ban.until_ms = e.count ? e.time_ms + (uint64_t) e.count * 1000 : 0;
            ban.action = e.kind == LV_ROOM_UNBAN ? LV_BAN_NONE
                         : e.kind == LV_ROOM_TIMEOUT ? LV_BAN_TIMEOUT
                         : e.status == LV_ROOM_SHADOW ? LV_BAN_SHADOW
                                                      : LV_BAN_FULL;

            (void) lv_room_ban(st, room, gen, &ban, ngx_live_now_ms());
        }
    }
}


static ngx_int_t
ngx_live_sync_ban(json_t *item, lv_ban_t *ban, uint8_t *addr)
{
    char         host[INET6_ADDRSTRLEN];
    size_t       len;
    json_int_t   until;
    const char  *kind, *value;

    kind = json_string_value(json_object_get(item, "kind"));
    value = json_string_value(json_object_get(item, "value"));
    until = json_integer_value(json_object_get(item, "until"));

    if (kind == NULL || value == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(ban, sizeof(lv_ban_t));
    ban->until_ms = until > 0 ? (uint64_t) until * 1000 : 0;
    ban->action = json_is_true(json_object_get(item, "shadow"))
                  ? LV_BAN_SHADOW : until > 0 ? LV_BAN_TIMEOUT : LV_BAN_FULL;

    if (ngx_strcmp(kind, "addr") != 0) {
        ban->kind = ngx_strcmp(kind, "sub") == 0 ? LV_BAN_USER
                                                 : LV_BAN_DEVICE;
        ban->value.data = (const uint8_t *) value;
        ban->value.len = ngx_strlen(value);
        return ban->value.len ? NGX_OK : NGX_ERROR;
    }

    len = strcspn(value, "/");

    if (len >= sizeof(host) || value[len] != '/') {
        return NGX_ERROR;
    }

    ngx_memcpy(host, value, len);
    host[len] = '\0';

    ban->kind = LV_BAN_ADDR;
    ban->bits = (uint8_t) ngx_min(strtoul(value + len + 1, NULL, 10), 128);
    ban->value.data = addr;

    if (inet_pton(AF_INET, host, addr) == 1) {
        ban->value.len = 4;

    } else if (inet_pton(AF_INET6, host, addr) == 1) {
        ban->value.len = 16;

    } else {
        return NGX_ERROR;
    }

    return ban->bits <= ban->value.len * 8 ? NGX_OK : NGX_ERROR;
}
