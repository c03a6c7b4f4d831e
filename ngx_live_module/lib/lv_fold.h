/*
 * Folding: what is left of a character when a reader must not be fooled by
 * how it is written. Case folding, compatibility forms (NFKD: full width,
 * mathematical, circled, ligatures), no accents, and letters of other scripts
 * that look like Latin ones as those.
 *
 * The tables are made by scripts/unicode-tables from the Unicode database of
 * Perl, and from its own list of look-alikes. Not for showing: words of
 * different languages can fold to the same.
 */

#ifndef LV_FOLD_H
#define LV_FOLD_H

#include "lv_base.h"

/* The most code points that one folds to. */
#define LV_FOLD_MAX  4

typedef enum {
    LV_FOLD_LETTER = 0,         /* of any script; what is not assigned, too */
    LV_FOLD_DIGIT,              /* 0 to 9 */
    LV_FOLD_SEPARATOR,          /* spaces, punctuation, symbols, controls */
    LV_FOLD_MARK,               /* an accent that any letter can carry: folds
                                   to nothing */
    LV_FOLD_VOWEL,              /* a combining mark that is part of a word:
                                   folds to itself */
    LV_FOLD_INVISIBLE           /* shows nothing: folds to nothing */
} lv_fold_class_e;

/*
 * Folds one code point to out[0 … n); n is 0 for marks and invisible ones.
 * The class is of what it folds to. Separators stay as they are.
 */
size_t lv_fold(uint32_t cp, uint32_t out[LV_FOLD_MAX], lv_fold_class_e *cls);

/* The class of the code point itself. */
lv_fold_class_e lv_fold_class(uint32_t cp);

/* May be part of a word. */
static inline bool
lv_fold_is_word(lv_fold_class_e cls)
{
    return cls == LV_FOLD_LETTER || cls == LV_FOLD_DIGIT
           || cls == LV_FOLD_VOWEL;
}

/*
 * Folds a text into dst (cap bytes, UTF-8, cut at a code point): runs of
 * separators become one space, none at the ends. A text of separators alone
 * (emoji) stays as it is, without its spaces. For comparing texts. The number
 * of bytes.
 */
size_t lv_fold_text(lv_str_t text, uint8_t *dst, size_t cap);

#endif
