#include <stdlib.h>
#include "lv_words_int.h"
#include "lv_utf8.h"


/* A folded entry has no more items than this. */
#define LV_WORDS_ENTRY_ITEMS  (2 * LV_WORDS_WORD_MAX + 2)

/* An entry, cut into its key and what must stand around it. */
typedef struct {
    const char  *err;
    size_t       n;
    size_t       key, key_end;      /* the longest literal part */
    uint32_t     cps[LV_WORDS_ENTRY_ITEMS];
} lv_words_form_t;

/* The trie while it grows: children as lists. */
typedef struct {
    uint32_t  child, sibling;
    uint32_t  rules;
    uint32_t  number;               /* breadth first */
    uint8_t   label;
} lv_words_trie_t;

typedef struct {
    lv_words_t       *words;
    lv_words_trie_t  *trie;
    uint32_t          ntrie;
    size_t            npool;
} lv_words_build_t;


static bool
lv_words_wild(uint32_t cp)
{
    return cp == LV_WORDS_STAR || cp == LV_WORDS_QUEST;
}


/* The longest part without wildcards, and how many characters it has. */
static size_t
lv_words_find_key(lv_words_form_t *f)
{
    size_t  i, k, chars, best;

    best = 0;
    f->key = f->key_end = 0;

    for (i = 0; i < f->n; i = k + 1) {
        chars = 0;

        for (k = i; k < f->n && !lv_words_wild(f->cps[k]); k++) {
            chars += f->cps[k] != ' ';
        }

        if (chars > best) {
            best = chars;
            f->key = i;
            f->key_end = k;
        }
    }

    return best;
}


/* Spaces lie around an entry; a star at an end takes the boundary away. */
static void
lv_words_trim(lv_words_form_t *f, const lv_words_text_t *t)
{
    size_t                  start, end;
    const lv_words_item_t  *items;

    items = t->items;
    start = 0;
    end = t->n;

    while (start + 1 < end && items[start].cp == ' '
           && items[start + 1].cp == LV_WORDS_STAR)
    {
        start += 2;
    }

    while (start < end && items[start].cp == LV_WORDS_STAR) {
        start++;
    }

    while (end > start + 1 && items[end - 1].cp == ' '
           && items[end - 2].cp == LV_WORDS_STAR)
    {
        end -= 2;
    }

    while (end > start && items[end - 1].cp == LV_WORDS_STAR) {
        end--;
    }

    for ( /* void */ ; start < end; start++) {
        f->cps[f->n++] = items[start].cp;
    }
}


static void
lv_words_form(lv_words_form_t *f, const lv_words_entry_t *entry,
    lv_words_text_t *t)
{
    size_t  i, stars, wild;

    f->err = NULL;
    f->n = 0;

    if (entry->word.len > LV_WORDS_WORD_MAX) {
        f->err = "the word is too long";
        return;
    }

    if (!lv_utf8_valid(entry->word.data, entry->word.len)) {
        f->err = "the word is not UTF-8";
        return;
    }

    lv_words_fold(t, entry->word, entry->pattern);

    /* signs are letters only in a view where digits are, too */
    if (lv_words_signs(t, true)) {
        lv_words_leet(t);
    }

    stars = wild = 0;

    for (i = 0; i < t->n; i++) {
        stars += t->items[i].cp == LV_WORDS_STAR;
        wild += lv_words_wild(t->items[i].cp);
    }

    lv_words_trim(f, t);
    i = lv_words_find_key(f);

    if (i == 0) {
        f->err = "the word has no letters, digits or symbols";

    } else if (wild && i < 2) {
        f->err = "a pattern needs two characters in a row besides wildcards";

    } else if (stars > LV_WORDS_STARS) {
        f->err = "the pattern has too many stars";
    }
}


const char *
lv_words_entry_error(const lv_words_entry_t *entry)
{
    lv_words_form_t  f;
    lv_words_text_t  t;

    lv_words_form(&f, entry, &t);

    return f.err;
}


/* The child of a node for a byte; made when there is none. */
static uint32_t
lv_words_child(lv_words_build_t *b, uint32_t node, uint8_t label)
{
    uint32_t          i;
    lv_words_trie_t  *t;

    t = b->trie;

    for (i = t[node].child; i; i = t[i].sibling) {
        if (t[i].label == label) {
            return i;
        }
    }

    i = b->ntrie++;
    memset(&t[i], 0, sizeof(lv_words_trie_t));
    t[i].label = label;
    t[i].sibling = t[node].child;
    t[node].child = i;

    return i;
}


static void
lv_words_insert(lv_words_build_t *b, const lv_words_form_t *f, size_t entry,
    lv_words_action_e action)
{
    size_t            i;
    uint8_t           bytes[LV_UTF8_MAX], *p, *end;
    uint32_t          node;
    lv_words_rule_t  *rule;

    node = 0;

    for (i = f->key; i < f->key_end; i++) {
        end = lv_utf8_put(bytes, f->cps[i]);

        for (p = bytes; p < end; p++) {
            node = lv_words_child(b, node, *p);
        }
    }

    rule = &b->words->rules[b->words->nrules++];
    rule->entry = (uint32_t) entry;
    rule->action = action;
    rule->chars = (uint16_t) (f->key_end - f->key);
    rule->before = (uint16_t) f->key;
    rule->after = (uint16_t) (f->n - f->key_end);
    rule->globs = (uint32_t) b->npool;
    rule->next = b->trie[node].rules;
    b->trie[node].rules = b->words->nrules;

    b->words->allows |= action == LV_WORDS_ALLOW;

    for (i = f->key; i > 0; i--) {
        b->words->pool[b->npool++] = f->cps[i - 1];
    }

    for (i = f->key_end; i < f->n; i++) {
        b->words->pool[b->npool++] = f->cps[i];
    }
}


/* Numbers the nodes breadth first: the order of the queue. */
static void
lv_words_number(lv_words_build_t *b, uint32_t *queue)
{
    uint32_t          i, k, n;
    lv_words_node_t  *node;

    queue[0] = 0;
    n = 1;

    for (i = 0; i < b->ntrie; i++) {
        node = &b->words->nodes[i];
        node->first = n;
        node->count = 0;
        node->rules = b->trie[queue[i]].rules;
        b->words->labels[i] = b->trie[queue[i]].label;

        for (k = b->trie[queue[i]].child; k; k = b->trie[k].sibling) {
            queue[n++] = k;
            node->count++;
        }
    }

    b->words->nnodes = n;
}


static uint32_t
lv_words_step(const lv_words_t *w, uint32_t node, uint8_t c)
{
    const uint8_t          *at;
    const lv_words_node_t  *n;

    n = &w->nodes[node];
    at = n->count ? memchr(w->labels + n->first, c, n->count) : NULL;

    return at ? (uint32_t) (at - w->labels) : 0;
}


/* A parent's links are complete before its children's are made. */
static void
lv_words_link(lv_words_t *w)
{
    uint32_t          i, k, fail;
    lv_words_node_t  *child;

    for (i = 0; i < w->nnodes; i++) {
        for (k = 0; k < w->nodes[i].count; k++) {
            child = &w->nodes[w->nodes[i].first + k];
            child->fail = 0;

            for (fail = i; fail; /* void */ ) {
                fail = w->nodes[fail].fail;
                child->fail = lv_words_step(
                    w, fail, w->labels[w->nodes[i].first + k]);

                if (child->fail) {
                    break;
                }
            }

            fail = child->fail;
            child->dict = w->nodes[fail].rules ? fail : w->nodes[fail].dict;
        }
    }

    for (i = 0; i < w->nodes[0].count; i++) {
        k = w->nodes[0].first + i;
        w->root[w->labels[k]] = k;
    }
}


/* How much of everything there will be, at most. */
static void
lv_words_measure(const lv_words_entry_t *entries, size_t n, size_t *bytes,
    size_t *pool)
{
    size_t           i, k;
    uint8_t          buf[LV_UTF8_MAX];
    lv_words_form_t  f;
    lv_words_text_t  t;

    *bytes = 1;
    *pool = 1;

    for (i = 0; i < n; i++) {
        lv_words_form(&f, &entries[i], &t);

        if (f.err) {
            continue;
        }

        for (k = f.key; k < f.key_end; k++) {
            *bytes += (size_t) (lv_utf8_put(buf, f.cps[k]) - buf);
        }

        *pool += f.n - (f.key_end - f.key);
    }
}


static void
lv_words_fill(lv_words_build_t *b, const lv_words_entry_t *entries, size_t n,
    uint32_t *queue)
{
    size_t           i;
    lv_words_form_t  f;
    lv_words_text_t  t;

    memset(&b->trie[0], 0, sizeof(lv_words_trie_t));
    b->ntrie = 1;
    b->npool = 0;

    for (i = 0; i < n; i++) {
        lv_words_form(&f, &entries[i], &t);

        if (f.err == NULL) {
            lv_words_insert(b, &f, i, entries[i].action);
        }
    }

    lv_words_number(b, queue);
    lv_words_link(b->words);
}


lv_words_t *
lv_words_create(const lv_words_entry_t *entries, size_t n)
{
    size_t             bytes, pool;
    uint32_t          *queue;
    lv_words_t        *w;
    lv_words_build_t   b;

    if (n > LV_WORDS_MAX) {
        return NULL;
    }

    w = calloc(1, sizeof(lv_words_t));
    if (w == NULL) {
        return NULL;
    }

    lv_words_measure(entries, n, &bytes, &pool);

    b.words = w;
    b.trie = malloc(bytes * sizeof(lv_words_trie_t));
    queue = malloc(bytes * sizeof(uint32_t));

    w->nodes = calloc(bytes, sizeof(lv_words_node_t));
    w->labels = malloc(bytes);
    w->rules = malloc((n + 1) * sizeof(lv_words_rule_t));
    w->pool = malloc(pool * sizeof(uint32_t));

    if (!b.trie || !queue || !w->nodes || !w->labels || !w->rules
        || !w->pool)
    {
        free(b.trie);
        free(queue);
        lv_words_destroy(w);
        return NULL;
    }

    w->size = sizeof(lv_words_t) + bytes * (sizeof(lv_words_node_t) + 1)
              + (n + 1) * sizeof(lv_words_rule_t) + pool * sizeof(uint32_t);

    lv_words_fill(&b, entries, n, queue);

    free(b.trie);
    free(queue);

    return w;
}


void
lv_words_destroy(lv_words_t *w)
{
    if (w == NULL) {
        return;
    }

    free(w->nodes);
    free(w->labels);
    free(w->rules);
    free(w->pool);
    free(w);
}


size_t
lv_words_size(const lv_words_t *w)
{
    return w->size;
}
