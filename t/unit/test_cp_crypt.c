/* Sealed texts: what opens, and what does not. */

#include "main/crypt.h"
#include "tap.h"

#define ONE  "k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
#define TWO  "k2 AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
#define FAKE "k1 /wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"


static crypt_t *
load(const char *text)
{
    const char  *err;
    crypt_t     *crypt;

    crypt = crypt_parse(text, strlen(text), &err);

    if (crypt == NULL) {
        diag("%s", err);
    }

    return crypt;
}


static void
test_files(void)
{
    size_t       i;
    const char  *err;
    crypt_t     *crypt;

    static const struct {
        const char  *text;
        bool         good;
        const char  *name;
    } files[] = {
        { ONE, true, "one key" },
        { "\n# old\r\n" TWO "  \n" ONE, true, "comments, empty lines" },
        { "k1\tAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", true,
          "a tab, no line feed at the end" },
        { "", false, "empty" },
        { "#\n", false, "only a comment" },
        { ONE ONE, false, "an id twice" },
        { "k1 AAECAw==\n", false, "a short key" },
        { "k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= x\n", false,
          "something after the key" },
        { "k.1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", false,
          "a dot in the id" },
        { "abcdefghijklmnopq AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
          false, "a long id" },
    };

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        crypt = crypt_parse(files[i].text, strlen(files[i].text), &err);
        ok((crypt != NULL) == files[i].good, "a file: %s", files[i].name);
        ok((err == NULL) == files[i].good, "and its error");
        crypt_free(crypt);
    }
}


static void
test_round(void)
{
    int       bad, len, i;
    char      plain[CRYPT_PLAIN_MAX], back[CRYPT_PLAIN_MAX + 1], *text, *again;
    size_t    n;
    crypt_t  *crypt;

    crypt = load(ONE);
    memset(plain, 'x', sizeof(plain));
    bad = 0;

    for (len = 0; len < 200; len++) {
        text = crypt_seal(crypt, "t.c:1", plain, (size_t) len);
        bad += text == NULL
               || crypt_open(crypt, "t.c:1", text, back, sizeof(back), &n) != 0
               || n != (size_t) len || memcmp(plain, back, n) != 0;
        free(text);
    }

    is_int(bad, 0, "every length comes back");

    text = crypt_seal(crypt, "t.c:1", plain, sizeof(plain));
    ok(text != NULL && crypt_open(crypt, "t.c:1", text, back, sizeof(back), &n)
           == 0, "the longest, too");
    is_int(crypt_open(crypt, "t.c:1", text, back, sizeof(plain) - 1, &n), -1,
        "but not without room");
    free(text);
    ok(crypt_seal(crypt, "t.c:1", plain, sizeof(plain) + 1) == NULL,
        "longer ones are not sealed");

    text = crypt_seal(crypt, "t.c:1", "secret", 6);
    again = crypt_seal(crypt, "t.c:1", "secret", 6);
    ok(strcmp(text, again) != 0, "the same is sealed to another text");
    ok(strncmp(text, "v1.k1.", 6) == 0, "with its key's id");
    is_int(crypt_open(crypt, "t.c:2", text, back, sizeof(back), &n), -1,
        "it opens in no other place");

    bad = 0;

    for (i = 0; text[i] != '\0'; i++) {
        text[i] ^= 1;
        bad += crypt_open(crypt, "t.c:1", text, back, sizeof(back), &n) == 0;
        text[i] ^= 1;
    }

    is_int(bad, 0, "nor with any character changed");

    text[strlen(text) - 1] = '\0';
    is_int(crypt_open(crypt, "t.c:1", text, back, sizeof(back), &n), -1,
        "nor cut");
    is_int(crypt_open(crypt, "t.c:1", "", back, sizeof(back), &n), -1,
        "nothing");
    is_int(crypt_open(crypt, "t.c:1", "v1.k1.", back, sizeof(back), &n), -1,
        "no box");
    is_int(crypt_open(crypt, "t.c:1", "v1.k1", back, sizeof(back), &n), -1,
        "no dot");

    free(text);
    free(again);
    crypt_free(crypt);
}


static void
test_rotation(void)
{
    char      back[64], *old, *new;
    size_t    n;
    crypt_t  *one, *both, *two, *fake;

    one = load(ONE);
    both = load(TWO ONE);
    two = load(TWO);
    fake = load(FAKE);

    old = crypt_seal(one, "t.c:1", "secret", 6);
    new = crypt_seal(both, "t.c:1", "secret", 6);

    is_str(crypt_key_id(both), "k2", "the first key seals");
    ok(!crypt_is_current(both, old) && crypt_is_current(both, new),
        "what it has not sealed is known");
    is_int(crypt_open(both, "t.c:1", old, back, sizeof(back), &n), 0,
        "the second one opens");
    is_int(crypt_open(two, "t.c:1", old, back, sizeof(back), &n), -1,
        "a key that is gone does not");
    is_int(crypt_open(two, "t.c:1", new, back, sizeof(back), &n), 0,
        "the new key alone opens what was sealed anew");
    is_int(crypt_open(fake, "t.c:1", old, back, sizeof(back), &n), -1,
        "another key of the same name does not");

    free(old);
    free(new);
    crypt_free(one);
    crypt_free(both);
    crypt_free(two);
    crypt_free(fake);
}


int
main(void)
{
    test_files();
    test_round();
    test_rotation();

    return done_testing();
}
