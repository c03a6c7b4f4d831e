#include "lv_words.h"
#include "tap.h"


#define LIST_MAX  64

static lv_words_entry_t   list[LIST_MAX];
static size_t             nlist;
static lv_words_t        *words;


static void
forget(void)
{
    lv_words_destroy(words);
    words = NULL;
    nlist = 0;
}


static void
word(const char *text, bool pattern, lv_words_action_e action)
{
    list[nlist].word.data = (const uint8_t *) text;
    list[nlist].word.len = strlen(text);
    list[nlist].pattern = pattern;
    list[nlist++].action = action;
}


static void
compile(void)
{
    words = lv_words_create(list, nlist);
}


/* In memory of its own size, so that reading behind it is seen. */
static lv_words_result_t
check(const char *text)
{
    uint8_t            *copy;
    lv_str_t            s;
    lv_words_result_t   r;
    const lv_words_t   *sets[1] = { words };

    s.len = strlen(text);
    copy = malloc(s.len ? s.len : 1);
    memcpy(copy, text, s.len);
    s.data = copy;

    lv_words_check(sets, 1, s, &r);
    free(copy);

    return r;
}


static void
hits(const char *text, lv_words_action_e action, const char *match)
{
    lv_words_result_t  r;

    r = check(text);

    if (!ok(r.action == action
            && r.end - r.start == (match ? strlen(match) : 0)
            && (!match || strncmp(text + r.start, match, strlen(match)) == 0),
            "\"%s\": %s", text, match ? match : "nothing"))
    {
        diag("action %d, \"%.*s\"", r.action, (int) (r.end - r.start),
             text + r.start);
    }
}


static void
masks(const char *text, const char *expected)
{
    char               buf[256];
    size_t             n;
    const lv_words_t  *sets[2] = { NULL, words };

    strcpy(buf, text);
    n = lv_words_mask(sets, 2, (uint8_t *) buf, strlen(buf));
    buf[n] = '\0';

    if (!ok(strcmp(buf, expected) == 0, "masked: \"%s\"", expected)) {
        diag("got \"%s\"", buf);
    }
}


static void
exact(void)
{
    word("bad", false, LV_WORDS_BLOCK);
    word("Two Words", false, LV_WORDS_HOLD);
    word("\xd1\x85\xd1\x83\xd0\xb9", false, LV_WORDS_BLOCK);
    word("\xf0\x9f\x96\x95", false, LV_WORDS_BLOCK);
    word("1488", false, LV_WORDS_BLOCK);
    word("a$$", false, LV_WORDS_BLOCK);
    compile();

    hits("", LV_WORDS_ALLOW, NULL);
    hits("hello there", LV_WORDS_ALLOW, NULL);
    hits("bad", LV_WORDS_BLOCK, "bad");
    hits("a BAD, one", LV_WORDS_BLOCK, "BAD");
    hits("badly embad ba d", LV_WORDS_ALLOW, NULL);
    hits("two,  words", LV_WORDS_HOLD, "two,  words");
    hits("two words bad", LV_WORDS_BLOCK, "bad");
    hits("b\xc3\xa1""d", LV_WORDS_BLOCK, "b\xc3\xa1""d");
    hits("ba\xcc\x81\xcc\x82""d", LV_WORDS_BLOCK, "ba\xcc\x81\xcc\x82""d");
    hits("b\xe2\x80\x8b""ad", LV_WORDS_BLOCK, "b\xe2\x80\x8b""ad");
    hits("\xef\xbd\x82\xef\xbd\x81\xef\xbd\x84", LV_WORDS_BLOCK,
         "\xef\xbd\x82\xef\xbd\x81\xef\xbd\x84");
    hits("b\xd0\xb0""d", LV_WORDS_BLOCK, "b\xd0\xb0""d");
    hits("so b a d", LV_WORDS_BLOCK, "b a d");
    hits("b.a.d!", LV_WORDS_BLOCK, "b.a.d");
    hits("b!a!d", LV_WORDS_BLOCK, "b!a!d");
    hits("baaaaad", LV_WORDS_BLOCK, "baaaaad");
    hits("bbbaaadddd x", LV_WORDS_BLOCK, "bbbaaadddd");
    hits("baad", LV_WORDS_ALLOW, NULL);
    hits("b4d b@d", LV_WORDS_BLOCK, "b4d");
    hits("b@d", LV_WORDS_BLOCK, "b@d");
    hits("b 4 d", LV_WORDS_BLOCK, "b 4 d");
    hits("bad!", LV_WORDS_BLOCK, "bad");
    hits("@bad", LV_WORDS_BLOCK, "bad");
    hits("a455", LV_WORDS_ALLOW, NULL);
    hits("in 1488.", LV_WORDS_BLOCK, "1488");
    hits("455", LV_WORDS_ALLOW, NULL);
    hits("ass", LV_WORDS_BLOCK, "ass");
    hits("a$$ a55", LV_WORDS_BLOCK, "a$$");
    hits("asssss", LV_WORDS_BLOCK, "asssss");
    hits("hi\xf0\x9f\x96\x95""you", LV_WORDS_BLOCK, "\xf0\x9f\x96\x95");
    hits("\xd0\xa5\xd0\xa3\xd0\x99", LV_WORDS_BLOCK,
         "\xd0\xa5\xd0\xa3\xd0\x99");
    hits("\xff\xfe""bad\x80", LV_WORDS_BLOCK, "bad");
    forget();
}


static void
patterns(void)
{
    word("pre*", true, LV_WORDS_BLOCK);
    word("*suf", true, LV_WORDS_BLOCK);
    word("*mid*", true, LV_WORDS_BLOCK);
    word("c?lour", true, LV_WORDS_BLOCK);
    word("st*gle", true, LV_WORDS_BLOCK);
    word("one *two", true, LV_WORDS_BLOCK);
    word("?zz?", true, LV_WORDS_BLOCK);
    compile();

    hits("prefix", LV_WORDS_BLOCK, "pre");
    hits("xprefix", LV_WORDS_ALLOW, NULL);
    hits("xxsuf", LV_WORDS_BLOCK, "suf");
    hits("sufx", LV_WORDS_ALLOW, NULL);
    hits("amidst", LV_WORDS_BLOCK, "mid");
    hits("colour", LV_WORDS_BLOCK, "colour");
    hits("c\xe6\xbc\xa2lour", LV_WORDS_BLOCK, "c\xe6\xbc\xa2lour");
    hits("clour", LV_WORDS_ALLOW, NULL);
    hits("c lour", LV_WORDS_ALLOW, NULL);
    hits("a struggle.", LV_WORDS_BLOCK, "struggle");
    hits("stgle", LV_WORDS_BLOCK, "stgle");
    hits("struggles", LV_WORDS_ALLOW, NULL);
    hits("st gle", LV_WORDS_ALLOW, NULL);
    hits("stglegle", LV_WORDS_BLOCK, "stglegle");
    hits("one fortytwo", LV_WORDS_BLOCK, "one fortytwo");
    hits("one forty two", LV_WORDS_ALLOW, NULL);
    hits("azzb", LV_WORDS_BLOCK, "azzb");
    hits("zzb zz azz", LV_WORDS_ALLOW, NULL);
    hits("stxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxgle", LV_WORDS_ALLOW,
         NULL);
    forget();
}


static void
allowed(void)
{
    word("*horp*", true, LV_WORDS_BLOCK);
    word("scunthorpe", false, LV_WORDS_ALLOW);
    word("mild", false, LV_WORDS_MASK);
    compile();

    hits("Scunthorpe", LV_WORDS_ALLOW, NULL);
    hits("Scunthorpes", LV_WORDS_BLOCK, "horp");
    hits("scunthorpe thorp", LV_WORDS_BLOCK, "horp");
    hits("mild horp", LV_WORDS_BLOCK, "horp");
    hits("mild", LV_WORDS_MASK, "mild");

    masks("so MILD, m\xc3\xadld\xcc\x81 and m i l d mildly",
          "so ****, ***** and ******* mildly");
    masks("nothing", "nothing");
    masks("", "");
    forget();
}


static void
entry(const char *text, bool pattern, bool good)
{
    lv_words_entry_t  e;

    e.word.data = (const uint8_t *) text;
    e.word.len = strlen(text);
    e.pattern = pattern;
    e.action = LV_WORDS_BLOCK;

    ok((lv_words_entry_error(&e) == NULL) == good, "%s %s: \"%s\"",
       good ? "good" : "bad", pattern ? "pattern" : "word", text);
}


static void
entries(void)
{
    size_t  i;
    char    big[LV_WORDS_WORD_MAX + 2];

    memset(big, 'x', sizeof(big));
    big[LV_WORDS_WORD_MAX + 1] = '\0';

    entry("x", false, true);
    entry("", false, false);
    entry("...", false, false);
    entry(" \xcc\x81", false, false);
    entry("a\xff", false, false);
    entry(big, false, false);
    entry(big + 1, false, true);
    entry("a*", true, false);
    entry("*", true, false);
    entry("**", true, false);
    entry("* * ?", true, false);
    entry("a*b", true, false);
    entry("ab*c*d*e", true, true);
    entry("ab*c*d*e*", true, false);
    entry("??ab", true, true);

    /* what can not be used is left out, the rest works */
    word("...", false, LV_WORDS_BLOCK);
    word("fine", false, LV_WORDS_BLOCK);
    compile();
    hits("... fine", LV_WORDS_BLOCK, "fine");
    is_int((long long) check("fine").entry, 1, "entries keep their numbers");
    forget();

    compile();
    ok(words != NULL, "an empty set is a set");
    hits("bad", LV_WORDS_ALLOW, NULL);
    forget();

    ok(lv_words_create(NULL, LV_WORDS_MAX + 1) == NULL, "too many words");

    /* the same word twice, and words within words */
    for (i = 0; i < 2; i++) {
        word("he", false, LV_WORDS_MASK);
    }

    word("*she*", true, LV_WORDS_HOLD);
    word("*hers*", true, LV_WORDS_BLOCK);
    compile();
    hits("ushers", LV_WORDS_BLOCK, "hers");
    hits("ushe", LV_WORDS_HOLD, "she");
    hits("he", LV_WORDS_MASK, "he");
    is_int((long long) check("he he").start, 0, "the first of equals");
    forget();
}


/* Against a plain search: every word of the list, in random texts. */
static void
many(void)
{
    bool                right;
    char               *text, (*names)[9];
    size_t              i, k, n, len;
    unsigned            seed;
    lv_words_entry_t   *all;
    lv_words_result_t   r;

    n = 10000;
    seed = 7;
    right = true;
    all = calloc(n, sizeof(*all));
    names = calloc(n, sizeof(*names));
    text = malloc(64);

    for (i = 0; i < n; i++) {
        len = 4 + i % 5;

        for (k = 0; k < len; k++) {
            seed = seed * 1103515245 + 12345;
            names[i][k] = (char) ('b' + 2 * (seed >> 16) % 10);
        }

        all[i].word.data = (uint8_t *) names[i];
        all[i].word.len = len;
        all[i].action = LV_WORDS_BLOCK;
    }

    words = lv_words_create(all, n);

    for (i = 0; i < n; i++) {
        snprintf(text, 64, "aa %s aa", names[i]);
        r = check(text);
        right &= r.action == LV_WORDS_BLOCK && r.start == 3
                 && r.end == 3 + all[i].word.len
                 && strcmp(names[r.entry], names[i]) == 0;

        snprintf(text, 64, "aa a%sa aa", names[i]);
        right &= check(text).action == LV_WORDS_ALLOW;
    }

    ok(right, "each of 10,000 words is found, and not within another");
    ok(lv_words_size(words) < 2500000, "they take %zu kB",
       lv_words_size(words) / 1024);

    free(text);
    free(names);
    free(all);
    forget();
}


static void
longest(void)
{
    char               *text;
    size_t              i;
    lv_words_result_t   r;

    word("bad", false, LV_WORDS_BLOCK);
    word("*aaaa*b", true, LV_WORDS_BLOCK);
    compile();

    text = malloc(2 * LV_WORDS_TEXT_MAX);
    memset(text, 'a', 2 * LV_WORDS_TEXT_MAX);
    memcpy(text + LV_WORDS_TEXT_MAX - 4, " bad", 4);
    memcpy(text + LV_WORDS_TEXT_MAX, " bad", 5);
    r = check(text);
    is_int((long long) r.start, LV_WORDS_TEXT_MAX - 3,
           "the last word of the longest text");

    for (i = 0; i < LV_WORDS_TEXT_MAX; i += 2) {
        memcpy(text + i, "\xc3\x86", 2);
    }

    ok(check(text).action == LV_WORDS_ALLOW, "a text that folds to more");

    free(text);
    forget();
}


int
main(void)
{
    exact();
    patterns();
    allowed();
    entries();
    many();
    longest();

    return done_testing();
}
