/*
 * Commands to nodes. They are rows of node_commands, written in the request's
 * transaction; a background thread of every daemon posts them to the node's
 * /control/ as soon as they are committed, and the answer of each heartbeat
 * has those that the node did not report as done. A node may therefore get a
 * command twice: all of them can be repeated.
 *
 * Each returns 0 (also when there is nobody to command), or -1 as db calls do.
 */

#ifndef COMMAND_H
#define COMMAND_H

#include "http/request.h"

/*
 * Drops the publisher of a stream; reason is a sentence that reaches the
 * encoder. The running broadcast (if any) ends at once in the database with
 * ended_why = why ("stopped", "kicked", "deleted", "suspended", "revoked"),
 * and the stream is not live any more. An encoder that reconnects is asked
 * again: what is to keep it out (status, revoked key, suspension) is the
 * caller's to write.
 */
int command_kick(request_t *r, const char *stream, const char *why,
    const char *reason);
/* The same for every live stream of a user. */
int command_kick_user(request_t *r, const char *user, const char *why,
    const char *reason);
/* The same for what was published with this key (stream_keys.id). */
int command_kick_key(request_t *r, const char *key, const char *why,
    const char *reason);
/* The same for a stream while this user publishes it with a publish token;
 * keys: or with a key that they made. */
int command_kick_publisher(request_t *r, const char *stream, const char *user,
    bool keys, const char *why, const char *reason);

/* type: "drain" or "undrain". */
int command_node(request_t *r, const char *node, const char *type);

/*
 * A row of node_commands as nodes get it: columns id, type, stream_id, reason,
 * data from col on. A new reference.
 */
json_t *command_json(const db_result_t *res, int row, int col);

struct app_s;

/*
 * The thread that posts commands. It looks for new ones every
 * COMMAND_POLL_MS, by an index that has only those. NULL when it cannot be
 * made; stop waits for the posts that are under way (2 s at most).
 */
#define COMMAND_POLL_MS  250

typedef struct command_poster_s command_poster_t;

command_poster_t *command_start(struct app_s *app);
void command_stop(command_poster_t *poster);

#endif
