/*
 * A word list and a text: the lines of the input, the last is the text; the
 * first character of an entry says its kind and action. Whatever they are, the
 * result lies within the text, masking leaves nothing to mask, and a list of
 * one exact word finds that word.
 */

#include <stdlib.h>
#include "lv_utf8.h"
#include "lv_words.h"

#define ENTRIES_MAX  64


static size_t
split(const uint8_t *data, size_t size, lv_words_entry_t *list,
    lv_str_t *text)
{
    size_t          n;
    const uint8_t  *end, *nl;

    n = 0;
    end = data + size;

    while (n < ENTRIES_MAX && data < end
           && (nl = memchr(data, '\n', (size_t) (end - data))) != NULL)
    {
        if (nl > data) {
            list[n].word.data = data + 1;
            list[n].word.len = (size_t) (nl - data) - 1;
            list[n].pattern = (data[0] & 4) != 0;
            list[n++].action = (lv_words_action_e) (data[0] & 3);
        }

        data = nl + 1;
    }

    text->data = data;
    text->len = (size_t) (end - data);

    return n;
}


static void
finds_itself(const lv_words_entry_t *entry)
{
    lv_words_t         *words;
    lv_words_entry_t    one;
    lv_words_result_t   r;
    const lv_words_t   *sets[1];

    one = *entry;
    one.pattern = false;
    one.action = LV_WORDS_BLOCK;

    if (lv_words_entry_error(&one)) {
        return;
    }

    words = lv_words_create(&one, 1);
    sets[0] = words;
    lv_words_check(sets, 1, one.word, &r);

    if (r.action != LV_WORDS_BLOCK) {
        abort();
    }

    lv_words_destroy(words);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t              n, len;
    uint8_t            *copy;
    lv_str_t            text;
    lv_words_t         *words;
    lv_words_result_t   r;
    const lv_words_t   *sets[1];

    static lv_words_entry_t  list[ENTRIES_MAX];

    n = split(data, size, list, &text);
    words = lv_words_create(list, n);
    sets[0] = words;

    lv_words_check(sets, 1, text, &r);

    if (r.action == LV_WORDS_ALLOW) {
        if (r.start || r.end) {
            abort();
        }

    } else if (r.entry >= n || list[r.entry].action != r.action
               || r.start >= r.end || r.end > text.len)
    {
        abort();
    }

    copy = malloc(text.len ? text.len : 1);
    memcpy(copy, text.data, text.len);
    len = lv_words_mask(sets, 1, copy, text.len);

    if (len > text.len
        || (lv_utf8_valid(text.data, text.len) && !lv_utf8_valid(copy, len)))
    {
        abort();
    }

    free(copy);
    lv_words_destroy(words);

    if (n) {
        finds_itself(&list[0]);
    }

    return 0;
}
