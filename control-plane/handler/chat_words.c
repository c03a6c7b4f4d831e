/* Words that rooms do not let through: a stream's, a user's for all of his
 * streams, and the platform's for all rooms. */

#include <stdlib.h>
#include <string.h>

#include "lv_words.h"

#include "handler/chat_room.h"
#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "http/page.h"
#include "http/router.h"

/* Of one list. */
#define WORDS_MAX_TEXT   "10000"
#define WORDS_BYTES_MAX  "262144"

static const db_query_t  q_words_list = {
    "chat_words_list",
    "SELECT json_build_object('id', w.id::text, 'word', w.word,"
    " 'kind', w.kind, 'action', w.action,"
    " 'created_at', " SQL_TIME("w.created_at") "), w.id FROM chat_words w"
    " WHERE w.list = $1 AND w.id > $2::bigint ORDER BY w.id"
    " LIMIT $3::integer",
    3
};
DB_REGISTER(q_words_list);

/* $1 list, $2 words (JSON), $3 kind, $4 action, $5 by; afterwards: how many
 * there are, and their bytes. */
static const db_query_t  q_words_add = {
    "chat_words_add",
    "INSERT INTO chat_words (list, word, kind, action, created_by)"
    " SELECT DISTINCT ON (w) $1, w, $3, $4, $5::bigint"
    " FROM jsonb_array_elements_text($2::jsonb) w"
    " ON CONFLICT (list, word) DO UPDATE SET kind = excluded.kind,"
    "  action = excluded.action",
    5
};
DB_REGISTER(q_words_add);

static const db_query_t  q_words_room = {
    "chat_words_room",
    "SELECT count(*) <= " WORDS_MAX_TEXT
    " AND coalesce(sum(octet_length(word)), 0) <= " WORDS_BYTES_MAX
    " FROM chat_words WHERE list = $1",
    1
};
DB_REGISTER(q_words_room);

static const db_query_t  q_words_delete = {
    "chat_words_delete",
    "DELETE FROM chat_words WHERE list = $1"
    " AND ($2::bigint IS NULL OR id = $2::bigint)",
    2
};
DB_REGISTER(q_words_delete);

/* Every stream of the user has new words. */
static const db_query_t  q_words_touch_user = {
    "chat_words_touch_user",
    "SELECT chat_touch(s.id, true, false) FROM streams s"
    " WHERE s.user_id = $1::bigint ORDER BY s.id",
    1
};
DB_REGISTER(q_words_touch_user);

typedef struct {
    const char  *list;
    const char  *object;            /* of the audit log */
    const char  *id;
} words_t;


/* Which list the path is about; 0, or the status answered. */

static int
words_open(request_t *r, words_t *words)
{
    int       rc;
    stream_t  stream;

    if (strncmp(r->path, "/admin/", 7) == 0) {
        words->list = CHAT_WORDS_ALL;
        words->object = "chat";
        words->id = CHAT_WORDS_ALL;
        return 0;
    }

    if (strncmp(r->path, "/users/", 7) == 0) {
        words->list = request_printf(r, "u:%s", r->caller.user_text);
        words->object = "user";
        words->id = r->caller.user_text;
        return 0;
    }

    rc = stream_open(r, STREAM_MODERATE, &stream);

    if (rc == 0) {
        words->list = request_printf(r, "s:%s", stream.id);
        words->object = "chat";
        words->id = stream.id;
    }

    return rc;
}


static int
words_touch(request_t *r, const words_t *words)
{
    if (words->list[0] == 'u') {
        return db_run(r->db, &q_words_touch_user, words->id) != NULL ? 0 : -1;
    }

    return chat_touch(r, words->id, CHAT_TOUCH_WORDS);
}


static int
words_get(request_t *r)
{
    int           rc;
    page_t        page;
    words_t       words;
    db_result_t  *res;

    rc = page_read(r, &page, 1);
    if (rc != 0) {
        return rc;
    }

    rc = words_open(r, &words);
    if (rc != 0) {
        return rc;
    }

    if (page.keys && !chat_id_valid(page.key[0])) {
        return problem_field(r, "cursor", "is not one of this list.");
    }

    res = db_run(r->db, &q_words_list, words.list,
                 page.keys ? page.key[0] : "0", page.limit_text);

    return res != NULL ? respond_page(r, &page, res, 0, 1) : problem_db(r);
}


/* What a node could not use is refused here: 0, or the status answered. */

static int
words_check(request_t *r, json_t *list, bool pattern)
{
    size_t            i;
    json_t           *word;
    const char       *err;
    lv_words_entry_t  entry;

    entry.pattern = pattern;
    entry.action = LV_WORDS_BLOCK;

    json_array_foreach(list, i, word)
    {
        entry.word.data = (const uint8_t *) json_string_value(word);
        entry.word.len = json_string_length(word);
        err = lv_words_entry_error(&entry);

        if (err != NULL) {
            return problem_field(r, "words", request_printf(r, "\"%s\": %s",
                json_string_value(word), err));
        }
    }

    return 0;
}


static int
words_post(request_t *r)
{
    int           rc;
    char         *dump;
    json_t       *list;
    words_t       words;
    const char   *kind, *action, *text;
    db_result_t  *res;

    list = json_object_get(r->body, "words");
    kind = body_text(r->body, "kind");
    action = body_text(r->body, "action");
    kind = kind != NULL ? kind : "exact";
    action = action != NULL ? action : "block";

    rc = words_open(r, &words);

    if (rc == 0) {
        rc = words_check(r, list, kind[0] == 'p');
    }

    if (rc != 0) {
        return rc;
    }

    dump = json_dumps(list, JSON_COMPACT);

    if (dump == NULL) {
        abort();
    }

    text = request_printf(r, "%s", dump);
    free(dump);

    if (db_run(r->db, &q_words_add, words.list, text, kind, action,
               r->caller.user_text) == NULL)
    {
        return problem_db(r);
    }

    res = db_run(r->db, &q_words_room, words.list);

    if (res == NULL) {
        return problem_db(r);
    }

    if (!db_bool(res, 0, 0)) {
        return problem(r, 409, "limit", "A list has " WORDS_MAX_TEXT
                       " words of 256 KiB at most.");
    }

    if (audit(r, "chat.words.add", words.object, words.id,
              json_pack("{s:i,s:s,s:s}", "words", (int) json_array_size(list),
                        "kind", kind, "action", action)) != 0
        || words_touch(r, &words) != 0)
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


/* word: its id, or NULL: all of them. */

static int
words_remove(request_t *r, const char *word)
{
    int           rc;
    words_t       words;
    db_result_t  *res;

    rc = words_open(r, &words);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_words_delete, words.list, word);

    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 0) {
        return word == NULL ? respond_empty(r)
               : problem(r, 404, "not-found", "There is no such word.");
    }

    if (audit(r, "chat.words.remove", words.object, words.id,
              json_pack("{s:I}", "words", (json_int_t) db_affected(res))) != 0
        || words_touch(r, &words) != 0)
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


static int
word_delete(request_t *r)
{
    if (!chat_id_valid(request_param(r, "word"))) {
        return problem(r, 404, "not-found", "There is no such word.");
    }

    return words_remove(r, request_param(r, "word"));
}


static int
words_delete(request_t *r)
{
    return words_remove(r, NULL);
}


static const field_t  words_fields[] = {
    { .name = "words", .type = FIELD_LIST, .flags = FIELD_REQUIRED,
      .min = 1, .max = 1000, .each = 64 },
    { .name = "kind", .type = FIELD_ONE_OF, .of = "exact|pattern" },
    { .name = "action", .type = FIELD_ONE_OF, .of = "allow|block|hold|mask" },
    { 0 }
};

static const field_t  words_query[] = {
    PAGE_FIELDS,
    { 0 }
};

const route_t  routes_chat_words[] = {
    { "GET", "/streams/{id}/moderation/words", words_get, ACCESS_USER, 0,
      "chat:moderate", NULL, words_query, NULL },
    { "POST", "/streams/{id}/moderation/words", words_post, ACCESS_USER, 0,
      "chat:moderate", words_fields, NULL, NULL },
    { "DELETE", "/streams/{id}/moderation/words", words_delete, ACCESS_USER,
      0, "chat:moderate", NULL, NULL, NULL },
    { "DELETE", "/streams/{id}/moderation/words/{word}", word_delete,
      ACCESS_USER, 0, "chat:moderate", NULL, NULL, NULL },
    { "GET", "/users/me/words", words_get, ACCESS_USER, 0,
      "chat:moderate", NULL, words_query, NULL },
    { "POST", "/users/me/words", words_post, ACCESS_USER, 0,
      "chat:moderate", words_fields, NULL, NULL },
    { "DELETE", "/users/me/words/{word}", word_delete, ACCESS_USER, 0,
      "chat:moderate", NULL, NULL, NULL },
    { "GET", "/admin/words", words_get, ACCESS_MODERATOR, 0,
      "admin:read", NULL, words_query, NULL },
    { "POST", "/admin/words", words_post, ACCESS_ADMIN, 0,
      "admin:write", words_fields, NULL, NULL },
    { "DELETE", "/admin/words/{word}", word_delete, ACCESS_ADMIN, 0,
      "admin:write", NULL, NULL, NULL },
    { 0 }
};
