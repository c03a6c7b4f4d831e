/*
 * A member's message. What is accepted lies within its bounds, and every line
 * for people is clean: cleaning it again changes nothing.
 */

#include <stdlib.h>
#include "lv_chat_msg.h"
#include "lv_chat_text.h"
#include "lv_fold.h"
#include "lv_utf8.h"


static void
clean_line(lv_str_t s, size_t max)
{
    size_t    len;
    uint8_t  *copy;

    if (s.len == 0 || s.len > max || !lv_utf8_valid(s.data, s.len)) {
        abort();
    }

    len = s.len;
    copy = malloc(s.len);
    memcpy(copy, s.data, s.len);

    (void) lv_chat_text_clean(copy, &len);

    if (len != s.len || memcmp(copy, s.data, len) != 0) {
        abort();
    }

    free(copy);
}


/* Whatever bytes: nothing is read or written outside, lengths hold. */
static void
any_text(const uint8_t *data, size_t size)
{
    size_t    n, len;
    uint8_t   skeleton[LV_CHAT_SKELETON_MAX], *copy, *folded;
    lv_str_t  text = { data, size };

    copy = malloc(size ? size : 1);
    folded = malloc(size ? size : 1);
    memcpy(copy, data, size);
    len = size;

    n = lv_chat_text_clean(copy, &len);

    if (len > size || n > len || !lv_utf8_valid(copy, len)
        || lv_chat_name_skeleton(text, skeleton) > sizeof(skeleton)
        || lv_fold_text(text, folded, size) > size)
    {
        abort();
    }

    text.data = copy;
    text.len = len;

    if (n != lv_chat_text_length(text)) {
        abort();
    }

    (void) lv_chat_text_has_link(text);
    (void) lv_chat_text_emotes_only(text);

    free(copy);
    free(folded);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t           *copy;
    const char        *member;
    lv_chat_msg_t      msg;
    lv_chat_result_e   rc;

    any_text(data, size);

    if (size > LV_CHAT_MSG_MAX || !lv_utf8_valid(data, size)) {
        return 0;
    }

    copy = malloc(size ? size : 1);
    memcpy(copy, data, size);

    rc = lv_chat_msg_read(copy, size, &msg, &member);

    if ((unsigned) rc >= LV_CHAT_RESULTS
        || lv_chat_result_code(rc) == NULL || lv_chat_result_text(rc) == NULL)
    {
        abort();
    }

    if (rc == LV_CHAT_VALID) {

        if (member || (unsigned) msg.type >= LV_CHAT_TYPES
            || msg.choice >= LV_CHAT_CHOICES_MAX
            || msg.seconds > LV_CHAT_SECONDS_MAX
            || msg.user.len > LV_CHAT_USER_MAX
            || msg.ref.len > LV_CHAT_REF_MAX
            || msg.token.len > LV_CHAT_TOKEN_MAX)
        {
            abort();
        }

        if (msg.has & LV_CHAT_HAS_TEXT) {
            clean_line(msg.text, LV_CHAT_TEXT_BYTES);
        }

        if (msg.has & LV_CHAT_HAS_REASON) {
            clean_line(msg.reason, LV_CHAT_REASON_BYTES);
        }

        if (msg.has & LV_CHAT_HAS_NAME) {
            clean_line(msg.name, LV_CHAT_NAME_BYTES);
        }
    }

    free(copy);

    return 0;
}
