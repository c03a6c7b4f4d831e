/* Polls, quizzes, and the audience's questions. Votes and upvotes come
 * through the room: see chat_push.c. */

#include <stdlib.h>
#include <string.h>

#include "handler/chat_room.h"
#include "handler/node_json.h"
#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "http/page.h"
#include "http/router.h"

#define CHOICES_MIN  2
#define CHOICES_MAX  10

#define POLL_JSON                                                             \
    "chat_poll_json(p) || jsonb_build_object("                                \
    "'created_at', " SQL_TIME("p.created_at") ","                             \
    " 'closes_at', " SQL_TIME("p.closes_at") ","                              \
    " 'closed_at', " SQL_TIME("p.closed_at") ")"

static const db_query_t  q_polls_list = {
    "chat_polls_list",
    "SELECT " POLL_JSON ", p.id FROM chat_polls p"
    " WHERE p.stream_id = $1 AND p.id < $2::bigint"
    " ORDER BY p.id DESC LIMIT $3::integer",
    3
};
DB_REGISTER(q_polls_list);

/* The second column is what the room is told. */
static const db_query_t  q_poll_show = {
    "chat_poll_show",
    "SELECT " POLL_JSON ", chat_poll_json(p), p.closed_at IS NULL"
    " FROM chat_polls p WHERE p.stream_id = $1 AND p.id = $2::bigint",
    2
};
DB_REGISTER(q_poll_show);

/* One at a time: nothing when one is open. */
static const db_query_t  q_poll_add = {
    "chat_poll_add",
    "INSERT INTO chat_polls (stream_id, question, choices, correct,"
    " closes_at, created_by) VALUES ($1, $2, $3::jsonb, $4::integer,"
    " now() + $5::bigint * interval '1s', $6::bigint)"
    " ON CONFLICT (stream_id) WHERE closed_at IS NULL DO NOTHING"
    " RETURNING id",
    6
};
DB_REGISTER(q_poll_add);

static const db_query_t  q_poll_close = {
    "chat_poll_close",
    "UPDATE chat_polls SET closed_at = now()"
    " WHERE stream_id = $1 AND id = $2::bigint AND closed_at IS NULL",
    2
};
DB_REGISTER(q_poll_close);

/* Who knew most: of the stream's quizzes that are closed. */
static const db_query_t  q_poll_scores = {
    "chat_poll_scores",
    "SELECT coalesce(jsonb_agg(jsonb_build_object('user', x.subject,"
    " 'name', x.name, 'right', x.points, 'answers', x.votes)), '[]') FROM ("
    " SELECT v.subject, max(v.name) AS name, count(*) AS votes,"
    "  count(*) FILTER (WHERE v.choice = p.correct) AS points"
    "  FROM (SELECT * FROM chat_polls p WHERE p.stream_id = $1"
    "   AND p.correct IS NOT NULL AND p.closed_at IS NOT NULL"
    "   ORDER BY p.id DESC LIMIT 100) p"
    "  JOIN chat_votes v ON v.poll_id = p.id"
    "  GROUP BY v.subject ORDER BY points DESC, votes, v.subject"
    "  LIMIT 100) x",
    1
};
DB_REGISTER(q_poll_scores);

static const db_query_t  q_questions = {
    "chat_questions_list",
    "SELECT json_build_object('id', q.id::text, 'user', m.subject,"
    " 'name', m.name, 'text', m.message_text,"
    " 'time', " SQL_TIME("m.\"timestamp\"") ", 'upvotes', q.upvotes),"
    " q.upvotes, q.id FROM chat_questions q"
    " JOIN chat_messages m ON m.stream_id = q.stream_id AND m.id = q.id"
    " WHERE q.stream_id = $1 AND q.answered_at IS NULL AND m.status = 'ok'"
    "  AND (q.upvotes, q.id) < ($2::integer, $3::bigint)"
    " ORDER BY q.upvotes DESC, q.id DESC LIMIT $4::integer",
    4
};
DB_REGISTER(q_questions);

static const db_query_t  q_question_answered = {
    "chat_question_answered",
    "UPDATE chat_questions SET answered_at = now()"
    " WHERE stream_id = $1 AND id = $2::bigint AND answered_at IS NULL",
    2
};
DB_REGISTER(q_question_answered);


static int
problem_no_poll(request_t *r)
{
    return problem(r, 404, "not-found", "There is no such poll.");
}


static int
polls_get(request_t *r)
{
    int           rc;
    page_t        page;
    stream_t      stream;
    db_result_t  *res;

    rc = page_read(r, &page, 1);
    if (rc != 0) {
        return rc;
    }

    rc = stream_open(r, STREAM_SEE, &stream);
    if (rc != 0) {
        return rc;
    }

    if (page.keys && !chat_id_valid(page.key[0])) {
        return problem_field(r, "cursor", "is not one of this list.");
    }

    res = db_run(r->db, &q_polls_list, stream.id,
                 page.keys ? page.key[0] : "9223372036854775807",
                 page.limit_text);

    return res != NULL ? respond_page(r, &page, res, 0, 1) : problem_db(r);
}


static int
poll_get(request_t *r)
{
    int           rc;
    stream_t      stream;
    db_result_t  *res;

    rc = stream_open(r, STREAM_SEE, &stream);
    if (rc != 0) {
        return rc;
    }

    if (!chat_id_valid(request_param(r, "poll"))) {
        return problem_no_poll(r);
    }

    res = db_run(r->db, &q_poll_show, stream.id, request_param(r, "poll"));
    if (res == NULL) {
        return problem_db(r);
    }

    return db_rows(res) > 0 ? respond_text(r, 200, db_text(res, 0, 0))
                            : problem_no_poll(r);
}


/* The room hears of it, and the answer has it. */

static int
poll_respond(request_t *r, const char *stream, const char *id, int status)
{
    db_result_t  *res;

    res = db_run(r->db, &q_poll_show, stream, id);

    if (res == NULL
        || chat_command(r, stream, "poll",
                        json_pack("{s:o}", "poll",
                                  json_loads(db_text(res, 0, 1), 0, NULL)))
               != 0
        || audit(r, db_bool(res, 0, 2) ? "chat.poll" : "chat.poll.close",
                 "chat", stream, json_pack("{s:s}", "poll", id)) != 0
        || chat_touch(r, stream, 0) != 0)
    {
        return problem_db(r);
    }

    return respond_text(r, status, db_text(res, 0, 0));
}


static int
polls_post(request_t *r)
{
    int           rc;
    char         *dump;
    json_t       *choices;
    stream_t      stream;
    const char   *text, *correct, *seconds;
    db_result_t  *res;

    rc = stream_open(r, STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    choices = json_object_get(r->body, "choices");

    if (json_array_size(choices) < CHOICES_MIN) {
        return problem_field(r, "choices", "are at least two.");
    }

    if (body_int(r->body, "correct", 0) >= (int64_t) json_array_size(choices))
    {
        return problem_field(r, "correct", "is the number of a choice, from "
                             "0.");
    }

    dump = json_dumps(choices, JSON_COMPACT);

    if (dump == NULL) {
        abort();
    }

    text = request_printf(r, "%s", dump);
    free(dump);

    correct = body_has(r->body, "correct")
              ? node_number(r, body_int(r->body, "correct", 0)) : NULL;
    seconds = body_has(r->body, "seconds")
              ? node_number(r, body_int(r->body, "seconds", 0)) : NULL;

    res = db_run(r->db, &q_poll_add, stream.id,
                 body_text(r->body, "question"), text, correct, seconds,
                 r->caller.user_text);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 409, "conflict", "Another poll is open: close it "
                       "first.");
    }

    return poll_respond(r, stream.id, db_text(res, 0, 0), 201);
}


static int
poll_close(request_t *r)
{
    int           rc;
    stream_t      stream;
    const char   *poll;
    db_result_t  *res;

    rc = stream_open(r, STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    poll = request_param(r, "poll");

    if (!chat_id_valid(poll)) {
        return problem_no_poll(r);
    }

    res = db_run(r->db, &q_poll_close, stream.id, poll);
    if (res == NULL) {
        return problem_db(r);
    }

    return db_affected(res) > 0 ? poll_respond(r, stream.id, poll, 200)
           : problem(r, 404, "not-found", "No such poll is open.");
}


static int
scores_get(request_t *r)
{
    int           rc;
    stream_t      stream;
    db_result_t  *res;

    rc = stream_open(r, STREAM_SEE, &stream);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_poll_scores, stream.id);
    if (res == NULL) {
        return problem_db(r);
    }

    return respond_text(r, 200, request_printf(r, "{\"items\":%s,"
                                               "\"next\":null}",
                                               db_text(res, 0, 0)));
}


static int
questions_get(request_t *r)
{
    int           rc;
    page_t        page;
    stream_t      stream;
    db_result_t  *res;

    rc = page_read(r, &page, 2);
    if (rc != 0) {
        return rc;
    }

    rc = stream_open(r, STREAM_SEE, &stream);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_questions, stream.id,
                 page.keys ? page.key[0] : "2147483647",
                 page.keys ? page.key[1] : "0", page.limit_text);

    return res != NULL ? respond_page(r, &page, res, 0, 1) : problem_db(r);
}


static int
question_answered(request_t *r)
{
    int           rc;
    stream_t      stream;
    const char   *message;
    db_result_t  *res;

    rc = stream_open(r, STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    message = request_param(r, "message");

    if (!chat_id_valid(message)) {
        return problem_no_message(r);
    }

    res = db_run(r->db, &q_question_answered, stream.id, message);

    if (res == NULL
        || (db_affected(res) > 0
            && audit(r, "chat.answered", "chat", stream.id,
                     json_pack("{s:s}", "target", message)) != 0))
    {
        return problem_db(r);
    }

    return db_affected(res) > 0 ? respond_empty(r) : problem_no_message(r);
}


static const field_t  poll_fields[] = {
    { .name = "question", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
      .min = 1, .max = 200 },
    { .name = "choices", .type = FIELD_LIST, .flags = FIELD_REQUIRED,
      .max = CHOICES_MAX, .each = 100 },
    /* makes it a quiz */
    { .name = "correct", .type = FIELD_INT, .min = 0,
      .max = CHOICES_MAX - 1 },
    { .name = "seconds", .type = FIELD_INT, .min = 5, .max = 86400 },
    { 0 }
};

static const field_t  polls_query[] = {
    PAGE_FIELDS,
    { 0 }
};

const route_t  routes_chat_polls[] = {
    { "GET", "/streams/{id}/polls", polls_get, ACCESS_ANYONE, 0,
      "streams:read", NULL, polls_query, NULL },
    { "POST", "/streams/{id}/polls", polls_post, ACCESS_USER, 0,
      "chat:moderate", poll_fields, NULL, NULL },
    { "GET", "/streams/{id}/polls/scores", scores_get, ACCESS_ANYONE, 0,
      "streams:read", NULL, NULL, NULL },
    { "GET", "/streams/{id}/polls/{poll}", poll_get, ACCESS_ANYONE, 0,
      "streams:read", NULL, NULL, NULL },
    { "POST", "/streams/{id}/polls/{poll}/close", poll_close, ACCESS_USER, 0,
      "chat:moderate", NULL, NULL, NULL },
    { "GET", "/streams/{id}/questions", questions_get, ACCESS_ANYONE, 0,
      "streams:read", NULL, polls_query, NULL },
    { "POST", "/streams/{id}/questions/{message}/answered",
      question_answered, ACCESS_USER, 0, "chat:moderate", NULL, NULL, NULL },
    { 0 }
};
