/*
 * A word filter: lists of words and patterns, compiled once into an immutable
 * Aho-Corasick automaton; a text is folded (lv_fold.h: case, compatibility
 * forms, accents, letters of other scripts that look alike, digits for letters)
 * and goes through it once, whatever the number of words.
 *
 * exact    the word or phrase by itself, between word boundaries. A space
 *          matches any run of separators. "b a d", "b.a.d", "baaad" and "b4d"
 *          are seen as "bad". An emoji is a word.
 * pattern  the same with wildcards: * for any number of characters of a word,
 *          ? for one. "bad*": words that begin so; "*bad*": it stands anywhere.
 *          At most LV_WORDS_STARS stars, which together stand for
 *          LV_WORDS_STAR_MAX characters at most (but for the first and the
 *          last); and two characters in a row that are no wildcards.
 *
 * A word with LV_WORDS_ALLOW takes back every match that lies within it: allow
 * "Scunthorpe" beside a pattern that would catch it.
 *
 * A compiled set is read by any number of threads. Memory: about 25 bytes per
 * character of the list, and 32 per entry.
 */

#ifndef LV_WORDS_H
#define LV_WORDS_H

#include "lv_base.h"

#define LV_WORDS_MAX        20000       /* entries of a set */
#define LV_WORDS_WORD_MAX   128         /* bytes of one */
#define LV_WORDS_TEXT_MAX   4096        /* bytes of a text; behind it nothing
                                           is looked at */
#define LV_WORDS_SETS_MAX   4
#define LV_WORDS_STARS      3
#define LV_WORDS_STAR_MAX   32

/* In the order of weight: of several matches the heaviest counts. */
typedef enum {
    LV_WORDS_ALLOW = 0,
    LV_WORDS_MASK,              /* stars in the place of the word */
    LV_WORDS_HOLD,              /* a moderator decides */
    LV_WORDS_BLOCK
} lv_words_action_e;

typedef struct {
    lv_str_t           word;    /* valid UTF-8 */
    bool               pattern;
    lv_words_action_e  action;
} lv_words_entry_t;

typedef struct lv_words_s  lv_words_t;

typedef struct {
    lv_words_action_e  action;  /* LV_WORDS_ALLOW: nothing found */
    size_t             set;     /* which set, and which of its entries */
    size_t             entry;
    size_t             start;   /* of the match in the text as it was, bytes */
    size_t             end;
} lv_words_result_t;

/* Why an entry can not be in a set: a static sentence. NULL: it can. */
const char *lv_words_entry_error(const lv_words_entry_t *entry);

/*
 * Compiles entries; the texts are not needed afterwards. Entries that
 * lv_words_entry_error() refuses are left out. n above LV_WORDS_MAX or no
 * memory: NULL. An empty set is a set.
 */
lv_words_t *lv_words_create(const lv_words_entry_t *entries, size_t n);
void lv_words_destroy(lv_words_t *words);

/* Bytes allocated. */
size_t lv_words_size(const lv_words_t *words);

/*
 * Runs the text through the sets (up to LV_WORDS_SETS_MAX, NULL ones are
 * skipped: global, the user's, the stream's). An ALLOW of one set counts for
 * all. The heaviest action decides, of equal ones the first in the text.
 */
void lv_words_check(const lv_words_t *const *sets, size_t nsets, lv_str_t text,
    lv_words_result_t *result);

/*
 * Puts '*' for every character of every match with LV_WORDS_MASK, in place;
 * the new length, which is never larger.
 */
size_t lv_words_mask(const lv_words_t *const *sets, size_t nsets, uint8_t *text,
    size_t len);

#endif
