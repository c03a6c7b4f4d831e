/*
 * The word filter's own: a text as a row of folded characters, and the
 * automaton. See lv_words.h.
 */

#ifndef LV_WORDS_INT_H
#define LV_WORDS_INT_H

#include "lv_words.h"
#include "lv_fold.h"

/* Values that are no code points. */
#define LV_WORDS_STAR   0x110001
#define LV_WORDS_QUEST  0x110002
#define LV_WORDS_SOFT   0x110100    /* + the letter that a sign may stand for */

/* A code point folds to LV_FOLD_MAX at most, and has two bytes then. */
#define LV_WORDS_ITEMS_MAX  (2 * LV_WORDS_TEXT_MAX + 2)

/* One folded character, or a space for a run of separators. */
typedef struct {
    uint32_t  cp;
    uint16_t  start, end;       /* bytes of the text that it was made of */
} lv_words_item_t;

/* A text: it begins and ends with a space. */
typedef struct {
    size_t           n;
    lv_words_item_t  items[LV_WORDS_ITEMS_MAX];
} lv_words_text_t;

/* Ways to look at a text; those that it has something for. */
#define LV_WORDS_JOIN   0x1         /* letters that stand alone are one word */
#define LV_WORDS_LEET   0x2         /* digits and signs as letters */
#define LV_WORDS_RUNS   0x4         /* three and more of one letter … */
#define LV_WORDS_ONE    0x8         /* … as one, else as two */

/* Folds; `wild`: * and ? become wildcards. Signs are left soft. */
void lv_words_fold(lv_words_text_t *t, lv_str_t text, bool wild);

/* Signs become letters (where they touch a word) or separators; whether any
 * became a letter. */
bool lv_words_signs(lv_words_text_t *t, bool letters);

/* Digits become letters, in words that have a letter. */
void lv_words_leet(lv_words_text_t *t);

/* The flags that would change anything, without LV_WORDS_ONE. */
unsigned lv_words_ways(const lv_words_text_t *t);

/* `from` seen in that way. */
void lv_words_view(lv_words_text_t *t, const lv_words_text_t *from,
    unsigned way);

/*
 * Nodes are numbered breadth first, so the children of one stand in a row, and
 * labels[i] is the last byte of node i's key. Node 0 is the root, and no fail,
 * dict or first leads to it but as "none".
 */
typedef struct {
    uint32_t  first;            /* child */
    uint32_t  fail;             /* the longest other suffix that is a node */
    uint32_t  dict;             /* the longest suffix that has rules */
    uint32_t  rules;            /* 1 + the first of its rules, 0: none */
    uint32_t  count;            /* of children */
} lv_words_node_t;

typedef struct {
    uint32_t           entry;
    uint32_t           next;    /* 1 + the next rule of the same key */
    uint32_t           globs;   /* in the pool: before (reversed), then after */
    uint16_t           chars;   /* of the key */
    uint16_t           before, after;
    lv_words_action_e  action;
} lv_words_rule_t;

struct lv_words_s {
    size_t            size;
    bool              allows;       /* has a rule with LV_WORDS_ALLOW */
    uint32_t          nnodes, nrules;
    uint32_t          root[256];    /* the root's children by byte */
    lv_words_node_t  *nodes;
    uint8_t          *labels;
    lv_words_rule_t  *rules;
    uint32_t         *pool;         /* code points and wildcards */
};

#endif
