/*
 * What the chat's handlers share: telling nodes about rooms.
 *
 * Two ways, by what it is about. What a room is like (settings, words, bans,
 * the pinned message, the open poll) is a row of chat_rooms with a version:
 * chat_touch() gives it the next one, and every node gets the room with the
 * answer of its next heartbeat, however long it was away. What happens in a
 * room is a command (main/command.h); so is the hint to ask now.
 *
 * Functions that return int: 0, or -1 as db calls do.
 */

#ifndef CHAT_ROOM_H
#define CHAT_ROOM_H

#include "http/request.h"

#define CHAT_WORDS_ALL  "*"         /* the room whose words are for all */

/* Of a stream, delivered to nodes. */
#define CHAT_BANS_MAX       5000
#define CHAT_BANS_MAX_TEXT  "5000"

#define CHAT_TOUCH_WORDS  0x01      /* the list of words has changed */
#define CHAT_TOUCH_BANS   0x02

/* The room has news, late in the transaction: its counter stays locked. */
int chat_touch(request_t *r, const char *stream, unsigned what);

/* To every node that is there: what can be repeated. data is taken over, has
 * the members of the command but id, type and stream. */
int chat_command(request_t *r, const char *stream, const char *op,
    json_t *data);

/*
 * To the one node where the stream is, or was, or else to any that is there:
 * what is to be said once. *sent: whether there is such a node.
 */
int chat_command_one(request_t *r, const char *stream, const char *op,
    json_t *data, bool *sent);

/* A message's id from the path or a body: "123" as 64-bit; NULL when not. */
bool chat_id_valid(const char *text);

/* 404 for a message. */
int problem_no_message(request_t *r);

/*
 * Adds "rooms" to the heartbeat's answer: what has changed since the version
 * that the node has seen, and the rooms that it asks for by name, because they
 * are new there (seen.rooms_new). {"version", "items"}; an item has words and
 * bans when they are news to the node. Nothing when there is no news.
 */
int chat_rooms_answer(request_t *r, json_t *answer, json_t *seen);

/* handler/chat_review.c: puts the secret of settings.review into the place of
 * its sealed form, for nodes; one that does not open takes the review away. */
void chat_review_open(request_t *r, const char *stream, json_t *settings);

/* handler/chat_push.c: POST /internal/chat */
int chat_push_post(request_t *r);

#endif
