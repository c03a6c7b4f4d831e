#include "lv_words_int.h"
#include "lv_utf8.h"


/* Letters that signs stand for. */
static uint32_t
lv_words_sign(uint32_t cp)
{
    switch (cp) {
    case '@':
        return 'a';
    case '$':
        return 's';
    case '!':
    case '|':
        return 'i';
    case 0x20ac:                    /* euro */
        return 'e';
    default:
        return 0;
    }
}


static uint32_t
lv_words_digit(uint32_t cp)
{
    switch (cp) {
    case '0':
        return 'o';
    case '1':
        return 'i';
    case '3':
        return 'e';
    case '4':
        return 'a';
    case '5':
        return 's';
    case '7':
        return 't';
    default:
        return cp;
    }
}


/* A symbol that means something by itself; punctuation does not. */
static bool
lv_words_symbol(uint32_t cp)
{
    return (cp >= 0x2190 && cp <= 0x2bff) || (cp >= 0x1f000 && cp <= 0x1faff);
}


static bool
lv_words_in_word(uint32_t cp)
{
    return cp != ' ' && cp < LV_WORDS_STAR && !lv_words_symbol(cp);
}


static void
lv_words_add(lv_words_text_t *t, uint32_t cp, size_t start, size_t end)
{
    lv_words_item_t  *item;

    if (cp == ' ' && t->n && t->items[t->n - 1].cp == ' ') {
        return;
    }

    if (t->n == LV_WORDS_ITEMS_MAX) {
        return;
    }

    item = &t->items[t->n++];
    item->cp = cp;
    item->start = (uint16_t) start;
    item->end = (uint16_t) end;
}


void
lv_words_fold(lv_words_text_t *t, lv_str_t text, bool wild)
{
    size_t           i, n, start, stop;
    uint32_t         cp, out[LV_FOLD_MAX];
    const uint8_t   *s, *end;
    lv_fold_class_e  cls;

    if (text.len > LV_WORDS_TEXT_MAX) {
        text.len = LV_WORDS_TEXT_MAX;
    }

    t->n = 0;
    s = text.data;
    end = s + text.len;

    lv_words_add(t, ' ', 0, 0);

    while (s < end) {
        start = (size_t) (s - text.data);
        cp = lv_utf8_get(&s, end);
        stop = (size_t) (s - text.data);

        if (wild && (cp == '*' || cp == '?')) {
            lv_words_add(t, cp == '*' ? LV_WORDS_STAR : LV_WORDS_QUEST, start,
                         stop);
            continue;
        }

        if (lv_words_sign(cp)) {
            lv_words_add(t, LV_WORDS_SOFT + lv_words_sign(cp), start, stop);
            continue;
        }

        n = lv_fold(cp, out, &cls);

        if (cls != LV_FOLD_SEPARATOR) {
            for (i = 0; i < n; i++) {
                lv_words_add(t, out[i], start, stop);
            }

            /* an accent belongs to the letter before it */
            if (n == 0 && t->items[t->n - 1].cp != ' ') {
                t->items[t->n - 1].end = (uint16_t) stop;
            }

            continue;
        }

        lv_words_add(t, ' ', start, stop);

        if (lv_words_symbol(cp)) {
            lv_words_add(t, cp, start, stop);
            lv_words_add(t, ' ', stop, stop);
        }
    }

    lv_words_add(t, ' ', text.len, text.len);
}


bool
lv_words_signs(lv_words_text_t *t, bool letters)
{
    bool      before, after, any;
    size_t    i, n;
    uint32_t  cp;

    any = false;

    for (n = t->n, t->n = 0, i = 0; i < n; i++) {
        cp = t->items[i].cp;

        if (cp > LV_WORDS_SOFT) {
            cp -= LV_WORDS_SOFT;

            before = t->n && lv_words_in_word(t->items[t->n - 1].cp);
            after = i + 1 < n
                    && (lv_words_in_word(t->items[i + 1].cp)
                        || t->items[i + 1].cp > LV_WORDS_SOFT);

            /* "bad!" is no "badi" */
            if (!letters || !(cp == 'i' ? before && after : before || after)) {
                cp = ' ';
            }

            any |= cp != ' ';
        }

        lv_words_add(t, cp, t->items[i].start, t->items[i].end);
    }

    return any;
}


/* How many words of one character in a row there are, after another one of
 * `word` characters; without any it was only more of a separator. */
static size_t
lv_words_alone(size_t alone, size_t word)
{
    if (word == 0) {
        return alone;
    }

    return word == 1 ? alone + 1 : 0;
}


unsigned
lv_words_ways(const lv_words_text_t *t)
{
    bool      digit, letter;
    size_t    i, run, alone, word;
    unsigned  ways;
    uint32_t  cp;

    ways = 0;
    run = alone = word = 0;
    digit = letter = false;

    for (i = 1; i < t->n; i++) {
        cp = t->items[i].cp;

        if (cp == ' ' || cp > LV_WORDS_SOFT) {
            alone = lv_words_alone(alone, word);

            if (alone >= 3) {
                ways |= LV_WORDS_JOIN;
            }

            if (cp != ' ' || (digit && letter)) {
                ways |= LV_WORDS_LEET;
            }

            word = 0;
            digit = letter = false;
            continue;
        }

        word++;
        digit |= lv_words_digit(cp) != cp;
        letter |= !(cp >= '0' && cp <= '9');

        run = cp == t->items[i - 1].cp ? run + 1 : 0;

        if (run >= 2) {
            ways |= LV_WORDS_RUNS;
        }
    }

    /* digits of "b 4 d" and letters of "b a a a d" */
    if (ways & LV_WORDS_JOIN) {
        ways |= LV_WORDS_LEET | LV_WORDS_RUNS;
    }

    return ways;
}


/* Characters that stand by themselves: " a b c " has three at its start. */
static size_t
lv_words_singles(const lv_words_text_t *t, size_t i, size_t n)
{
    size_t  count;

    count = 0;

    while (i + 2 < n && t->items[i].cp == ' '
           && lv_words_in_word(t->items[i + 1].cp)
           && t->items[i + 2].cp == ' ')
    {
        i += 2;
        count++;
    }

    return count;
}


/* Takes the spaces out from between three and more characters that stand by
 * themselves. */
static void
lv_words_join(lv_words_text_t *t)
{
    size_t  i, k, n, count;

    n = t->n;
    t->n = 0;

    for (i = 0; i < n; /* void */ ) {
        count = lv_words_singles(t, i, n);
        t->items[t->n++] = t->items[i];

        if (count < 3) {
            i++;
            continue;
        }

        for (k = 0; k < count; k++) {
            t->items[t->n++] = t->items[i + 2 * k + 1];
        }

        i += 2 * count;
    }
}


void
lv_words_leet(lv_words_text_t *t)
{
    bool      letter;
    size_t    i, k;
    uint32_t  cp;

    for (i = 0; i < t->n; i = k + 1) {
        letter = false;

        for (k = i; k < t->n && t->items[k].cp != ' '; k++) {
            cp = t->items[k].cp;
            letter |= !(cp >= '0' && cp <= '9');
        }

        for ( /* void */ ; letter && i < k; i++) {
            t->items[i].cp = lv_words_digit(t->items[i].cp);
        }
    }
}


/* Three and more of a character become `keep`. */
static void
lv_words_runs(lv_words_text_t *t, size_t keep)
{
    size_t  i, k, n, run;

    n = t->n;
    t->n = 0;

    for (i = 0; i < n; i += run) {

        run = 1;

        while (i + run < n && t->items[i + run].cp == t->items[i].cp) {
            run++;
        }

        for (k = 0; k < run && (run < 3 || k < keep); k++) {
            t->items[t->n++] = t->items[i + k];
        }

        t->items[t->n - 1].end = t->items[i + run - 1].end;
    }
}


void
lv_words_view(lv_words_text_t *t, const lv_words_text_t *from, unsigned way)
{
    t->n = from->n;
    memcpy(t->items, from->items, from->n * sizeof(lv_words_item_t));

    lv_words_signs(t, (way & LV_WORDS_LEET) != 0);

    if (way & LV_WORDS_JOIN) {
        lv_words_join(t);
    }

    if (way & LV_WORDS_LEET) {
        lv_words_leet(t);
    }

    if (way & LV_WORDS_RUNS) {
        lv_words_runs(t, way & LV_WORDS_ONE ? 1 : 2);
    }
}
