#include "lv_chat_msg.h"
#include "tap.h"


static uint8_t        *copy;
static const char     *member;
static lv_chat_msg_t   msg;


/* In memory of its own size, so that reading behind it is seen. */
static lv_chat_result_e
read_text(const char *json)
{
    size_t  n;

    n = strlen(json);
    free(copy);
    copy = malloc(n ? n : 1);
    memcpy(copy, json, n);

    return lv_chat_msg_read(copy, n, &msg, &member);
}


static void
refused(const char *json, lv_chat_result_e expected, const char *name)
{
    lv_chat_result_e  rc;

    rc = read_text(json);

    if (!ok(rc == expected
            && (name ? member && strcmp(member, name) == 0 : member == NULL),
            "%s: %s", lv_chat_result_code(expected), json))
    {
        diag("got %s, %s", lv_chat_result_code(rc),
             member ? member : "no member");
    }
}


static bool
is(lv_str_t s, const char *text)
{
    return lv_str_eq(s, text);
}


static void
good(void)
{
    is_int(read_text("{\"type\":\"message\",\"text\":\"Hi \\u00e4\\ud83d\\ude00"
                     "\\n\\\"\\/\"}"), LV_CHAT_VALID, "a message");
    ok(msg.type == LV_CHAT_MESSAGE && msg.has == LV_CHAT_HAS_TEXT
       && is(msg.text, "Hi \xc3\xa4\xf0\x9f\x98\x80 \"/")
       && msg.text_chars == 8, "its text is unescaped and clean");

    is_int(read_text(" { \"reply_to\" : \"18446744073709551615\" ,\n"
                     "\"ref\":\"a1\", \"text\":\"x\",\"type\":\"message\" } "),
           LV_CHAT_VALID, "any order, white space");
    ok(msg.reply_to == UINT64_MAX && is(msg.ref, "a1"), "an id of 64 bits");

    is_int(read_text("{\"type\":\"hello\"}"), LV_CHAT_VALID, "a bare hello");
    is_int(msg.has, 0, "says nothing");

    is_int(read_text("{\"type\":\"hello\",\"token\":\"a.b.c\",\"offset\":\"0\","
                     "\"epoch\":\"17\",\"name\":\" Zo\\u00eb  K \","
                     "\"device\":\"d-1\"}"), LV_CHAT_VALID, "a full hello");
    ok(is(msg.token, "a.b.c") && msg.offset == 0 && msg.epoch == 17
       && (msg.has & LV_CHAT_HAS_OFFSET) && is(msg.name, "Zo\xc3\xab K")
       && is(msg.device, "d-1"), "and what it says");

    is_int(read_text("{\"type\":\"hello\",\"token\":null,\"name\":null}"),
           LV_CHAT_VALID, "null is absent");
    is_int(msg.has, 0, "and has no bit");

    is_int(read_text("{\"type\":\"vote\",\"poll\":\"5\",\"choice\":9}"),
           LV_CHAT_VALID, "a vote");
    ok(msg.poll == 5 && msg.choice == 9, "for the last choice");

    is_int(read_text("{\"type\":\"ban\",\"user\":\"anon:x y\",\"shadow\":true,"
                     "\"reason\":\"spam\\u202e\"}"), LV_CHAT_VALID, "a ban");
    ok(msg.shadow && is(msg.user, "anon:x y") && is(msg.reason, "spam")
       && !(msg.has & LV_CHAT_HAS_SECONDS), "for good, with a clean reason");

    is_int(read_text("{\"type\":\"reaction\",\"reaction\":\"\\u2764\\ufe0f\"}"),
           LV_CHAT_VALID, "a reaction");
    is_int(read_text("{\"type\":\"reaction\",\"reaction\":\"kappa_1\"}"),
           LV_CHAT_VALID, "a reaction's name");
    is_int(read_text("{\"type\":\"pin\",\"id\":null}"), LV_CHAT_VALID, "unpin");
    ok(msg.has == 0 && msg.id == 0, "has no id");
    is_int(read_text("{\"type\":\"like\",\"on\":false}"), LV_CHAT_VALID,
           "no like");
    is_int(read_text("{\"type\":\"timeout\",\"user\":\"7\",\"seconds\":600}"),
           LV_CHAT_VALID, "a timeout");
    is_int(msg.seconds, 600, "of its seconds");
}


static void
bad(void)
{
    size_t       i;
    static const char  *malformed[] = {
        "", " ", "{", "}", "[]", "null", "\"x\"", "1", "{}x", "{} {}",
        "{\"type\"}", "{\"type\":}", "{\"type\":\"ping\",}", "{,}",
        "{\"type\":\"ping\"]", "{type:\"ping\"}", "{'type':'ping'}",
        "{\"type\":\"ping\"", "{\"type\":\"ping", "{\"type\":\"pi\\",
        "{\"type\":\"pi\\x41\"}", "{\"type\":\"\\u12\"}",
        "{\"type\":\"\\u12g4\"}", "{\"type\":\"\\ud800\"}",
        "{\"type\":\"\\udc00\"}", "{\"type\":\"\\ud800\\u0041\"}",
        "{\"type\":\"a\tb\"}", "{\"type\":tru}", "{\"type\":nul",
        "{\"a\":01}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":-}", "{\"a\":1e}",
        "{\"a\":+1}", "{\"a\":NaN}", "{\"a\" 1}", "{\"a\":1 \"b\":2}",
        "{\"a\":1}/**/", "{\"type\":\"ping\"}\x01",
    };

    for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        refused(malformed[i], LV_CHAT_MALFORMED, NULL);
    }

    refused("{\"type\":\"message\",\"text\":[\"x\"]}", LV_CHAT_TOO_DEEP, NULL);
    refused("{\"a\":{\"b\":{\"c\":{\"d\":1}}}}", LV_CHAT_TOO_DEEP, NULL);
    refused("{}", LV_CHAT_UNKNOWN_TYPE, NULL);
    refused("{\"type\":\"shout\"}", LV_CHAT_UNKNOWN_TYPE, NULL);
    refused("{\"type\":\"Message\",\"text\":\"x\"}", LV_CHAT_UNKNOWN_TYPE,
            NULL);
    refused("{\"type\":7}", LV_CHAT_UNKNOWN_TYPE, NULL);
    refused("{\"type\":\"message\",\"text\":\"x\",\"role\":\"owner\"}",
            LV_CHAT_UNKNOWN_MEMBER, NULL);
    refused("{\"type\":\"message\",\"text\":\"x\",\"name\":\"me\"}",
            LV_CHAT_UNKNOWN_MEMBER, NULL);
    refused("{\"type\":\"message\",\"text\":\"x\",\"text\":\"y\"}",
            LV_CHAT_DUPLICATE_MEMBER, NULL);
    refused("{\"type\":\"message\"}", LV_CHAT_MISSING_MEMBER, "text");
    refused("{\"type\":\"pin\"}", LV_CHAT_MISSING_MEMBER, "id");
    refused("{\"type\":\"vote\",\"poll\":\"1\"}", LV_CHAT_MISSING_MEMBER,
            "choice");
    refused("{\"type\":\"message\",\"text\":null}", LV_CHAT_BAD_VALUE, "text");
    refused("{\"type\":\"message\",\"text\":5}", LV_CHAT_BAD_VALUE, "text");
    refused("{\"type\":\"message\",\"text\":\"\"}", LV_CHAT_BAD_VALUE, "text");
    refused("{\"type\":\"message\",\"text\":\" \\u200b\\u202e \"}",
            LV_CHAT_BAD_VALUE, "text");
    refused("{\"type\":\"delete\",\"id\":12}", LV_CHAT_BAD_VALUE, "id");
    refused("{\"type\":\"delete\",\"id\":\"0\"}", LV_CHAT_BAD_VALUE, "id");
    refused("{\"type\":\"delete\",\"id\":\"012\"}", LV_CHAT_BAD_VALUE, "id");
    refused("{\"type\":\"delete\",\"id\":\"-1\"}", LV_CHAT_BAD_VALUE, "id");
    refused("{\"type\":\"delete\",\"id\":\"18446744073709551616\"}",
            LV_CHAT_BAD_VALUE, "id");
    refused("{\"type\":\"vote\",\"poll\":\"1\",\"choice\":10}",
            LV_CHAT_BAD_VALUE, "choice");
    refused("{\"type\":\"vote\",\"poll\":\"1\",\"choice\":-1}",
            LV_CHAT_BAD_VALUE, "choice");
    refused("{\"type\":\"vote\",\"poll\":\"1\",\"choice\":1.0}",
            LV_CHAT_BAD_VALUE, "choice");
    refused("{\"type\":\"vote\",\"poll\":\"1\",\"choice\":4294967297}",
            LV_CHAT_BAD_VALUE, "choice");
    refused("{\"type\":\"timeout\",\"user\":\"7\",\"seconds\":0}",
            LV_CHAT_BAD_VALUE, "seconds");
    refused("{\"type\":\"unban\",\"user\":\"a\\u0000b\"}", LV_CHAT_BAD_VALUE,
            "user");
    refused("{\"type\":\"unban\",\"user\":\"a\\u0085\"}", LV_CHAT_BAD_VALUE,
            "user");
    refused("{\"type\":\"like\",\"on\":1}", LV_CHAT_BAD_VALUE, "on");
    refused("{\"type\":\"reaction\",\"reaction\":\"hi there\"}",
            LV_CHAT_BAD_VALUE, "reaction");
    refused("{\"type\":\"ping\",\"ref\":"
            "\"123456789012345678901234567890123\"}", LV_CHAT_TOO_LONG, "ref");
    refused("{\"type\":\"hello\",\"name\":\"<b>\"}", LV_CHAT_BAD_VALUE,
            "name");
}


static void
large(void)
{
    char  json[LV_CHAT_MSG_MAX], text[LV_CHAT_TEXT_BYTES + 2];

    memset(text, 'x', sizeof(text));
    text[LV_CHAT_TEXT_BYTES + 1] = '\0';
    snprintf(json, sizeof(json), "{\"type\":\"message\",\"text\":\"%s\"}",
             text);
    is_int(read_text(json), LV_CHAT_TOO_LONG, "a text above its limit");

    text[LV_CHAT_TEXT_BYTES] = '\0';
    snprintf(json, sizeof(json), "{\"type\":\"message\",\"text\":\"%s\"}",
             text);
    is_int(read_text(json), LV_CHAT_VALID, "and at it");

    memset(json, '[', sizeof(json) - 1);
    memcpy(json, "{\"a\":", 5);
    json[sizeof(json) - 1] = '\0';
    is_int(read_text(json), LV_CHAT_TOO_DEEP, "8,000 levels");
}


int
main(void)
{
    good();
    bad();
    large();
    free(copy);

    return done_testing();
}
