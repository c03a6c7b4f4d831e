/* Reactions of this worker's members, until a round tells of them and the log
 * has how many there were. */

#include "ngx_live_chat.h"


/* Counted here; a round adds them to those of the other workers. */
void
ngx_live_chat_room_react(ngx_live_chat_room_t *room, lv_str_t name)
{
    ngx_uint_t              i;
    ngx_live_chat_emoji_t  *emoji, *empty;

    empty = NULL;

    for (i = 0; i < NGX_LIVE_CHAT_EMOJIS; i++) {
        emoji = &room->emoji[i];

        if (emoji->count + emoji->unsaved == 0) {
            empty = empty ? empty : emoji;

        } else if (emoji->len == name.len
                   && ngx_memcmp(emoji->name, name.data, name.len) == 0)
        {
            break;
        }
    }

    if (i == NGX_LIVE_CHAT_EMOJIS) {
        if (empty == NULL) {
            return;
        }

        emoji = empty;
        emoji->len = name.len;
        ngx_memcpy(emoji->name, name.data, name.len);
    }

    emoji->count++;
    ngx_live_count(NGX_LIVE_C_CHAT_REACTIONS, 1);
    ngx_live_chat_react_later(room);
}


/* How many there were, for whoever saves the log. */
void
ngx_live_chat_save_reactions(ngx_live_chat_room_t *room, lv_store_t *st)
{
    ngx_uint_t              i;
    lv_room_entry_t         e;
    ngx_live_chat_emoji_t  *emoji;

    room->reactions_saved = ngx_current_msec;

    for (i = 0; i < NGX_LIVE_CHAT_EMOJIS; i++) {
        emoji = &room->emoji[i];

        if (emoji->unsaved && lv_rooms_saved(st)) {
            ngx_memzero(&e, sizeof(lv_room_entry_t));
            e.kind = LV_ROOM_REACTION;
            e.count = emoji->unsaved;
            e.text.data = emoji->name;
            e.text.len = emoji->len;

            if (lv_room_append(st, room->room, room->gen, ngx_live_now_ms(),
                               &e)
                == LV_AGAIN)
            {
                return;                  /* later */
            }
        }

        emoji->unsaved = 0;
    }
}


ngx_uint_t
ngx_live_chat_reacted(ngx_live_chat_room_t *room, lv_store_t *st)
{
    size_t               i, n;
    lv_room_reaction_t   now[LV_ROOM_REACTIONS];

    for (i = 0; i < NGX_LIVE_CHAT_EMOJIS; i++) {
        if (room->emoji[i].count) {
            return 1;
        }
    }

    n = lv_room_reactions(st, room->room, room->gen, now);

    for (i = 0; i < n; i++) {
        if (now[i].total != room->seen[i].total) {
            return 1;
        }
    }

    return 0;
}
