/* What a round gives to the members of a room, as frames: the log's entries,
 * reactions, presence, settings; for everybody, and for moderators. */

#include "ngx_live_chat.h"


#define NGX_LIVE_CHAT_FRAMED  (4 * 1024 * 1024)


/* Memory of a round, used again. */
static lv_text_t  ngx_live_chat_frames, ngx_live_chat_mod_frames;
static lv_text_t  ngx_live_chat_one;


void
ngx_live_chat_round_reset(void)
{
    if (ngx_live_chat_one.max == 0) {
        lv_text_init(&ngx_live_chat_one, 64 * 1024);
        lv_text_init(&ngx_live_chat_frames, NGX_LIVE_CHAT_FRAMED);
        lv_text_init(&ngx_live_chat_mod_frames, NGX_LIVE_CHAT_FRAMED);
    }

    lv_text_reset(&ngx_live_chat_frames);
    lv_text_reset(&ngx_live_chat_mod_frames);
}


/* The entry's frame, for everybody or for moderators. */
void
ngx_live_chat_round_entry(ngx_live_chat_room_t *room, lv_store_t *st,
    lv_room_entry_t *e)
{
    uint8_t           buf[LV_ROOM_ENTRY_MAX];
    lv_json_t         j;
    ngx_uint_t        all, mods;
    lv_room_entry_t   old, *target;

    all = ngx_live_chat_sees(e, LV_ROLE_VIEWER, 0);
    mods = ngx_live_chat_sees(e, LV_ROLE_MODERATOR, 0);

    if (!all && !mods) {
        return;
    }

    target = NULL;

    if ((e->kind == LV_ROOM_REVIEW || e->kind == LV_ROOM_PIN) && e->target) {

        if (lv_room_entry(st, room->room, room->gen, e->target, buf, &old)
            == LV_OK)
        {
            target = &old;

        } else if (e->kind == LV_ROOM_REVIEW) {
            return;                      /* the control plane sends it anew */
        }
    }

    lv_text_reset(&ngx_live_chat_one);
    lv_json_init(&j, &ngx_live_chat_one);
    lv_json_open(&j, NULL, '{');
    ngx_live_chat_entry_json(&j, e, target);
    lv_json_close(&j, '}');

    if (all) {
        ngx_live_chat_frame(&ngx_live_chat_frames, &ngx_live_chat_one);
    }

    ngx_live_chat_frame(&ngx_live_chat_mod_frames, &ngx_live_chat_one);
}


/* Adds what this worker received, and what all have since the last update. */
void
ngx_live_chat_round_reactions(ngx_live_chat_room_t *room, lv_store_t *st)
{
    size_t               i, n;
    lv_str_t             name;
    lv_json_t            j;
    ngx_uint_t           any;
    lv_room_reaction_t   now[LV_ROOM_REACTIONS];

    any = 0;

    for (i = 0; i < NGX_LIVE_CHAT_EMOJIS; i++) {

        if (room->emoji[i].count == 0) {
            continue;
        }

        name.data = room->emoji[i].name;
        name.len = room->emoji[i].len;
        (void) lv_room_react(st, room->room, room->gen, name,
                             room->emoji[i].count);
        room->emoji[i].unsaved += room->emoji[i].count;
        room->emoji[i].count = 0;
        any = 1;
    }

    if (any) {
        lv_room_notify(st, room->room);
    }

    n = lv_room_reactions(st, room->room, room->gen, now);

    lv_text_reset(&ngx_live_chat_one);
    lv_json_init(&j, &ngx_live_chat_one);
    lv_json_open(&j, NULL, '{');
    lv_json_text(&j, "type", "reactions");
    lv_json_open(&j, "counts", '[');
    any = 0;

    for (i = 0; i < n; i++) {
        if (now[i].total == room->seen[i].total) {
            continue;
        }

        name.data = now[i].name;
        name.len = now[i].len;

        lv_json_open(&j, NULL, '{');
        lv_json_utf8(&j, "reaction", name);
        lv_json_int(&j, "count",
                    (int64_t) (now[i].total - room->seen[i].total));
        lv_json_int(&j, "total", (int64_t) now[i].total);
        lv_json_close(&j, '}');

        room->seen[i] = now[i];
        any = 1;
    }

    if (any) {
        lv_json_close(&j, ']');
        lv_json_close(&j, '}');
        ngx_live_chat_frame(&ngx_live_chat_frames, &ngx_live_chat_one);
        ngx_live_chat_frame(&ngx_live_chat_mod_frames, &ngx_live_chat_one);
    }
}


void
ngx_live_chat_round_presence(ngx_live_chat_room_t *room, lv_store_t *st)
{
    lv_json_t  j;

    if (!room->presence) {
        return;
    }

    room->presence = 0;
    room->who_told = lv_room_who_version(room->room);
    room->told = lv_room_present(st, room->room);
    room->told_at = ngx_current_msec;

    lv_text_reset(&ngx_live_chat_one);
    lv_json_init(&j, &ngx_live_chat_one);
    lv_json_open(&j, NULL, '{');
    lv_json_text(&j, "type", "presence");
    lv_json_int(&j, "members", room->told);
    ngx_live_chat_who_json(&j, room, st, NGX_LIVE_CHAT_NAMES);
    lv_json_close(&j, '}');
    ngx_live_chat_frame(&ngx_live_chat_frames, &ngx_live_chat_one);
    ngx_live_chat_frame(&ngx_live_chat_mod_frames, &ngx_live_chat_one);
}


void
ngx_live_chat_round_settings(ngx_live_chat_room_t *room)
{
    lv_json_t  j;

    ngx_live_chat_rules(room);

    if (room->rules_told == room->rules.visible) {
        return;
    }

    room->rules_told = room->rules.visible;

    lv_text_reset(&ngx_live_chat_one);
    lv_json_init(&j, &ngx_live_chat_one);
    lv_json_open(&j, NULL, '{');
    lv_json_text(&j, "type", "settings");
    ngx_live_chat_rules_json(&j, &room->rules);
    lv_json_close(&j, '}');
    ngx_live_chat_frame(&ngx_live_chat_frames, &ngx_live_chat_one);
    ngx_live_chat_frame(&ngx_live_chat_mod_frames, &ngx_live_chat_one);
}


/* Most rounds are the same for moderators as for everybody. */
ngx_int_t
ngx_live_chat_round_bufs(ngx_live_chat_room_t *room)
{
    if (ngx_live_chat_frames.failed || ngx_live_chat_mod_frames.failed) {
        return NGX_ERROR;
    }

    if (ngx_live_chat_mod_frames.len == 0) {
        return NGX_DECLINED;
    }

    room->mod_buf = ngx_live_chat_buf(ngx_live_chat_mod_frames.data,
                                      ngx_live_chat_mod_frames.len);

    if (ngx_live_chat_frames.len == ngx_live_chat_mod_frames.len) {
        room->buf = room->mod_buf;

        if (room->buf) {
            room->buf->refs++;
        }

    } else {
        room->buf = ngx_live_chat_buf(ngx_live_chat_frames.data,
                                      ngx_live_chat_frames.len);
    }

    return room->buf && room->mod_buf ? NGX_OK : NGX_ERROR;
}
