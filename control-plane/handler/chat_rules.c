#include "handler/chat_rules.h"

#include <string.h>

#include "lv_chat_text.h"
#include "lv_words.h"

#include "handler/node_json.h"

#define RULES_LENGTH  500           /* code points, unless settings say more */

/* $1 stream, $2 user, $3 text. How long ago the user's last message was, ms;
 * whether it said the same within a minute. */
static const db_query_t  q_chat_rules = {
    "chat_rules",
    "SELECT coalesce((SELECT c.settings FROM chat_rooms c"
    "  WHERE c.stream_id = $1), '{}'),"
    " (SELECT jsonb_agg(jsonb_build_array(w.word, w.kind, w.action))"
    "  FROM chat_words w WHERE w.list = ANY (ARRAY['*', 's:' || $1,"
    "   'u:' || (SELECT s.user_id FROM streams s WHERE s.id = $1)])),"
    " (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    "   - 1577836800000 - (max(m.id) >> 20) FROM chat_messages m"
    "  WHERE m.user_id = $2::bigint AND m.stream_id = $1"
    "   AND m.kind = 'message' AND m.id > chat_id(now() - interval '1 hour')),"
    " EXISTS (SELECT FROM chat_messages m WHERE m.user_id = $2::bigint"
    "  AND m.stream_id = $1 AND m.id > chat_id(now() - interval '1 minute')"
    "  AND m.message_text = $3)",
    3
};
DB_REGISTER(q_chat_rules);


static int
rules_refuse(request_t *r, const char *why)
{
    return problem(r, 403, "room-rules", why);
}


static lv_words_action_e
rules_action(const char *name)
{
    switch (name[0]) {

    case 'a':
        return LV_WORDS_ALLOW;

    case 'm':
        return LV_WORDS_MASK;

    case 'h':
        return LV_WORDS_HOLD;
    }

    return LV_WORDS_BLOCK;
}


static lv_words_t *
rules_words(request_t *r, json_t *list)
{
    size_t             n;
    json_t            *item;
    lv_words_entry_t  *entries;

    n = json_array_size(list);
    entries = request_alloc(r, (n + 1) * sizeof(*entries));

    for (size_t i = 0; i < n; i++) {
        item = json_array_get(list, i);
        entries[i].word.data = (const uint8_t *)
            json_string_value(json_array_get(item, 0));
        entries[i].word.len = json_string_length(json_array_get(item, 0));
        entries[i].pattern =
            json_string_value(json_array_get(item, 1))[0] == 'p';
        entries[i].action =
            rules_action(json_string_value(json_array_get(item, 2)));
    }

    return lv_words_create(entries, n);
}


/* Words of the room, of its owner and of all rooms. */
static int
rules_check_words(request_t *r, chat_said_t *said, const char *json)
{
    size_t             len;
    char              *text;
    json_t            *list;
    lv_str_t           s;
    lv_words_t        *words;
    lv_words_result_t  result;

    list = json_loads(json, 0, NULL);
    words = rules_words(r, list);
    json_decref(list);

    if (words == NULL) {
        return problem(r, 503, "busy", "There is no memory for that now.");
    }

    text = request_printf(r, "%s", said->text);
    s.data = (const uint8_t *) text;
    s.len = strlen(text);

    lv_words_check((const lv_words_t *const *) &words, 1, s, &result);

    if (result.action == LV_WORDS_MASK) {
        len = lv_words_mask((const lv_words_t *const *) &words, 1,
            (uint8_t *) text, s.len);
        text[len] = '\0';
        said->text = text;
    }

    said->held = said->held || result.action == LV_WORDS_HOLD;
    lv_words_destroy(words);

    return result.action == LV_WORDS_BLOCK
           ? rules_refuse(r, "There is a word in it that is not for this "
                          "room.") : 0;
}


/* Who may write at all, and what. */
static int
rules_check_settings(request_t *r, chat_said_t *said, json_t *settings,
    db_result_t *res)
{
    bool         follower, viewer;
    int64_t      wait;
    lv_str_t     s;
    const char  *mode;

    viewer = strcmp(said->role, "viewer") == 0;
    follower = strcmp(said->role, "follower") == 0;
    mode = json_string_value(json_object_get(settings, "mode"));
    mode = mode != NULL ? mode : "all";
    s.data = (const uint8_t *) said->text;
    s.len = strlen(said->text);

    if ((strcmp(mode, "followers") == 0 && viewer)
        || (strcmp(mode, "subscribers") == 0 && (viewer || follower)))
    {
        return rules_refuse(r, strcmp(mode, "followers") == 0
                            ? "Only followers may write here now."
                            : "Only subscribers may write here now.");
    }

    if (strcmp(mode, "emote") == 0 && !lv_chat_text_emotes_only(s)) {
        return rules_refuse(r, "Only emotes may be written here now.");
    }

    if (json_is_false(json_object_get(settings, "links"))
        && lv_chat_text_has_link(s))
    {
        return rules_refuse(r, "Links may not be written here.");
    }

    if (json_is_true(json_object_get(settings, "unique"))
        && db_bool(res, 0, 3))
    {
        return rules_refuse(r, "You have just said that.");
    }

    wait = node_int(settings, "slow_ms", 0, 3600000, 0) - db_int(res, 0, 2);

    if (!db_null(res, 0, 2) && wait > 0) {
        respond_header(r, "Retry-After", request_printf(r, "%lld",
            (long long) (wait + 999) / 1000));
        return problem(r, 429, "slow-mode", "This room is in slow mode.");
    }

    said->held = json_is_true(json_object_get(settings, "hold"));

    return 0;
}


/* Moderators are above all of this but the length. */
int
chat_rules(request_t *r, chat_said_t *said)
{
    int           rc;
    bool          above;
    char         *text;
    size_t        len, count;
    json_t       *settings;
    db_result_t  *res;

    text = request_printf(r, "%s", said->text);
    len = strlen(text);
    count = lv_chat_text_clean((uint8_t *) text, &len);
    text[len] = '\0';
    said->text = text;
    said->held = false;

    res = db_run(r->db, &q_chat_rules, said->stream, r->caller.user_text,
                 text);
    if (res == NULL) {
        return problem_db(r);
    }

    settings = json_loads(db_text(res, 0, 0), 0, NULL);
    above = strcmp(said->role, "owner") == 0
            || strcmp(said->role, "co-host") == 0
            || strcmp(said->role, "moderator") == 0;

    if (count == 0 || (int64_t) count > node_int(settings, "max_length", 1,
            2000, RULES_LENGTH))
    {
        rc = problem_field(r, "text", count == 0 ? "has nothing to be seen."
                           : "is longer than this room takes.");

    } else {
        rc = above ? 0 : rules_check_settings(r, said, settings, res);
    }

    json_decref(settings);

    if (rc == 0 && !above && !db_null(res, 0, 1)) {
        rc = rules_check_words(r, said, db_text(res, 0, 1));
    }

    return rc;
}
