/*
 * The rooms and the control plane; for the worker that leads, but for
 * commands, which any worker carries out.
 *
 *   _push.c   what was said in the rooms goes to POST /internal/chat, in
 *             batches, again and again until it was taken; the control plane
 *             keeps each entry once
 *   _sync.c   rooms' settings, words, bans and pins, from the heartbeat's
 *             answer
 *   _command.c  what is to be said or done in a room
 *
 * A room that opens has no settings yet: the leader asks for those that it
 * has not asked for, with a heartbeat of its own, at once. What else the
 * answer tells of is news; news of rooms that are not here are ignored.
 */

#ifndef NGX_LIVE_CHAT_SYNC_H
#define NGX_LIVE_CHAT_SYNC_H

#include "ngx_live_cluster.h"
#include "lv_json.h"
#include "lv_room.h"

#include <jansson.h>

#define NGX_LIVE_SYNC_NEW  200      /* rooms asked for at a time */

/* Called by the leader's timer. */
void ngx_live_chat_push(lv_store_t *st);
/* Leads no more: what is under way is somebody else's. */
void ngx_live_chat_push_stop(void);

/* Members "rooms" and "rooms_new" of the heartbeat's "seen". */
void ngx_live_chat_seen(lv_json_t *j, lv_store_t *st);
/* There is news: only the worker that leads can do something about it, others
 * leave it to its next heartbeat. */
void ngx_live_chat_hint(void);
/* Whether a heartbeat would ask for something. */
ngx_uint_t ngx_live_chat_asks(lv_store_t *st);
/* "rooms" of the answer. */
void ngx_live_chat_rooms(lv_store_t *st, json_t *rooms);

/*
 * Set by the chat: is asked about a message over the API that is about to be
 * added to the room. True: it has been taken, and will be added, or not.
 */
typedef ngx_uint_t (*ngx_live_chat_sync_say_pt)(lv_store_t *st,
    lv_room_t *room, uint32_t gen, lv_room_entry_t *e);

extern ngx_live_chat_sync_say_pt  ngx_live_chat_sync_say;

/* A command of type "chat". NGX_ERROR: it makes no sense. */
ngx_int_t ngx_live_chat_command(lv_store_t *st, json_t *command);

#endif
