#include "main/command.h"

#include "main/broadcast.h"

/* Open broadcasts, and whether there is somebody to tell. */
#define COMMAND_OPEN                                                          \
    "SELECT b.id, b.stream_id, n.id FROM broadcasts b"                        \
    " LEFT JOIN nodes n ON n.id = b.node_id WHERE b.ended_at IS NULL"

static const db_query_t  q_command_of_stream = {
    "command_of_stream",
    COMMAND_OPEN " AND b.stream_id = $1",
    1
};
DB_REGISTER(q_command_of_stream);

static const db_query_t  q_command_of_user = {
    "command_of_user",
    COMMAND_OPEN " AND b.user_id = $1::bigint ORDER BY b.stream_id",
    1
};
DB_REGISTER(q_command_of_user);

static const db_query_t  q_command_of_key = {
    "command_of_key",
    COMMAND_OPEN " AND b.key_id = $1::bigint ORDER BY b.stream_id",
    1
};
DB_REGISTER(q_command_of_key);

/* $1 stream, $2 user, $3 whether with a key too; owner: as publish.c makes it
 * of a publish token. */
static const db_query_t  q_command_of_publisher = {
    "command_of_publisher",
    COMMAND_OPEN " AND b.stream_id = $1"
    " AND (b.owner = encode(sha256(convert_to('publish token' || chr(10)"
    "   || $2::text || chr(10) || $1, 'UTF8')), 'hex')"
    "  OR ($3::boolean AND EXISTS (SELECT FROM stream_keys k"
    "   WHERE k.id = b.key_id AND k.created_by = $2::text::bigint)))",
    3
};
DB_REGISTER(q_command_of_publisher);

static const db_query_t  q_command_kick = {
    "command_kick",
    "INSERT INTO node_commands (node_id, type, stream_id, reason)"
    " VALUES ($1, 'kick', $2, left($3, 200))",
    3
};
DB_REGISTER(q_command_kick);

/* What a node is to be; the opposite order, if still open, is void. */
static const db_query_t  q_command_node = {
    "command_node",
    "WITH n AS (UPDATE nodes SET drain_wanted = ($2 = 'drain')"
    "  WHERE id = $1 RETURNING id),"
    " o AS (UPDATE node_commands c SET done_at = now() FROM n"
    "  WHERE c.node_id = n.id AND c.type IN ('drain', 'undrain')"
    "  AND c.done_at IS NULL)"
    " INSERT INTO node_commands (node_id, type, expires_at)"
    " SELECT id, $2, now() + interval '1 day' FROM n",
    2
};
DB_REGISTER(q_command_node);


/* res: the open broadcasts (COMMAND_OPEN), or NULL when they were not
 * found. */
static int
command_kick_all(request_t *r, db_result_t *res, const char *why,
    const char *reason)
{
    int  i;

    if (res == NULL) {
        return -1;
    }

    for (i = 0; i < db_rows(res); i++) {
        if (broadcast_end(r->db, db_text(res, i, 0), why) != 0) {
            return -1;
        }

        if (!db_null(res, i, 2)
            && db_run(r->db, &q_command_kick, db_text(res, i, 2),
                   db_text(res, i, 1), reason) == NULL)
        {
            return -1;
        }
    }

    return 0;
}


int
command_kick(request_t *r, const char *stream, const char *why,
    const char *reason)
{
    return command_kick_all(r, db_run(r->db, &q_command_of_stream, stream),
                            why, reason);
}


int
command_kick_user(request_t *r, const char *user, const char *why,
    const char *reason)
{
    return command_kick_all(r, db_run(r->db, &q_command_of_user, user), why,
                            reason);
}


int
command_kick_key(request_t *r, const char *key, const char *why,
    const char *reason)
{
    return command_kick_all(r, db_run(r->db, &q_command_of_key, key), why,
                            reason);
}


int
command_kick_publisher(request_t *r, const char *stream, const char *user,
    bool keys, const char *why, const char *reason)
{
    return command_kick_all(r,
                            db_run(r->db, &q_command_of_publisher, stream,
                                   user, keys ? "t" : "f"),
                            why, reason);
}


int
command_node(request_t *r, const char *node, const char *type)
{
    return db_run(r->db, &q_command_node, node, type) != NULL ? 0 : -1;
}


json_t *
command_json(const db_result_t *res, int row, int col)
{
    json_t  *command, *data;

    data = db_null(res, row, col + 4)
           ? NULL : json_loads(db_text(res, row, col + 4), 0, NULL);
    command = data != NULL ? data : json_object();

    json_object_set_new(command, "id", json_string(db_text(res, row, col)));
    json_object_set_new(command, "type",
        json_string(db_text(res, row, col + 1)));

    if (!db_null(res, row, col + 2)) {
        json_object_set_new(command, "stream",
            json_string(db_text(res, row, col + 2)));
    }

    if (!db_null(res, row, col + 3)) {
        json_object_set_new(command, "reason",
            json_string(db_text(res, row, col + 3)));
    }

    return command;
}
