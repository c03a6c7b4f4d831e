#include "lv_chat_text.h"
#include "lv_utf8.h"
#include "tap.h"


static void
cleans(const char *from, const char *to, size_t chars)
{
    char    buf[1024];
    size_t  len, n;

    len = strlen(from);
    memcpy(buf, from, len);
    n = lv_chat_text_clean((uint8_t *) buf, &len);
    buf[len] = '\0';

    if (!ok(strcmp(buf, to) == 0 && n == chars, "clean: \"%s\"", to)) {
        diag("got \"%s\", %zu", buf, n);
    }
}


static void
named(const char *from, const char *to)
{
    int     rc;
    char    buf[256];
    size_t  len;

    len = strlen(from);
    memcpy(buf, from, len);
    rc = lv_chat_name_clean((uint8_t *) buf, &len);
    buf[len] = '\0';

    if (to == NULL) {
        ok(rc == LV_ERROR, "no name: \"%s\"", from);
        return;
    }

    ok(rc == LV_OK && strcmp(buf, to) == 0, "a name: \"%s\"", buf);
}


static lv_str_t
str(const char *s)
{
    lv_str_t  text = { (const uint8_t *) s, strlen(s) };

    return text;
}


static void
skeletons(const char *a, const char *b, bool same)
{
    size_t   n, m;
    uint8_t  x[LV_CHAT_SKELETON_MAX], y[LV_CHAT_SKELETON_MAX];

    n = lv_chat_name_skeleton(str(a), x);
    m = lv_chat_name_skeleton(str(b), y);

    if (!ok((n == m && memcmp(x, y, n) == 0) == same, "\"%s\" and \"%s\" %s", a,
            b, same ? "look alike" : "differ"))
    {
        diag("\"%.*s\" and \"%.*s\"", (int) n, x, (int) m, y);
    }
}


int
main(void)
{
    size_t             i;
    static const char  *links[] = {
        "http://x", "see https://example.org/a", "www.foo", "example.com",
        "EXAMPLE.COM.", "a@mail.example.ru", "(example.com)", "t.me/abc",
        "youtu.be/abc", "example\xe3\x80\x82""com", "example\xef\xbc\x8e""com",
        "\xd0\xb5xample.c\xd0\xbem", "10.1.2.3", "10.1.2.3:80", "xn--a.net",
        "my-site.de", "1.2.3.4/x", "ex\xc2\xad""ample.com", "ftp://a",
    };
    static const char  *no_links[] = {
        "hello", "hello. there", "yes.but", "3.5 apples", "1.2.3", "...",
        "e.g. this", "what?!.", "v1.2.3", "10:30", "a/b", ":D ://", "so...no",
        "com", ".com", "the .org", "1,000.50",
    };
    static const char  *emotes[] = {
        "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80 \xf0\x9f\x98\x80",
        "\xe2\x9d\xa4\xef\xb8\x8f", ":kappa:", ":a_1: \xf0\x9f\x87\xab"
        "\xf0\x9f\x87\xb7", "1\xef\xb8\x8f\xe2\x83\xa3",
        "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80",
    };
    static const char  *no_emotes[] = {
        "", " ", "a", "\xf0\x9f\x98\x80 a", ":kappa", "::", ":a b:", "1",
        "!!!", "\xe2\x80\x8d",
    };

    cleans("hello", "hello", 5);
    cleans("  a\t\r\n b \xc2\xa0 ", "a b", 3);
    cleans("a\x01\x7f\xc2\x9f""b", "ab", 2);
    cleans("\xe2\x80\xae""evil\xe2\x81\xa6\xe2\x80\x8f\xd8\x9c", "evil", 4);
    cleans("\xe2\x80\x8b\xe2\x81\xa0\xef\xbb\xbf\xe3\x85\xa4\xe2\xa0\x80", "",
           0);
    cleans("\xef\xb7\x90x\xef\xbf\xbf", "x", 1);
    cleans("a\xcc\x81\xcc\x82\xcc\x83\xcc\x84\xcc\x85\xcc\x86""b",
           "a\xcc\x81\xcc\x82\xcc\x83\xcc\x84""b", 6);
    cleans("\xcc\x81\xcc\x82x", "x", 1);
    cleans("a \xcc\x81", "a", 1);
    cleans("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80",
           "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80", 3);
    cleans("\xe2\x9d\xa4\xef\xb8\x8f\xe2\x80\x8d\xf0\x9f\x94\xa5",
           "\xe2\x9d\xa4\xef\xb8\x8f\xe2\x80\x8d\xf0\x9f\x94\xa5", 4);
    cleans("a\xe2\x80\x8d\xe2\x80\x8d\xe2\x80\x8d\xe2\x80\x8d",
           "a\xe2\x80\x8d\xe2\x80\x8d", 3);
    cleans("\xf0\x9f\x8f\xb4\xf3\xa0\x81\xa7\xf3\xa0\x81\xbf",
           "\xf0\x9f\x8f\xb4\xf3\xa0\x81\xa7\xf3\xa0\x81\xbf", 3);
    cleans("x\xf3\xa0\x81\xa7", "x", 1);
    cleans("\xff\xfe""a\xc3", "a", 1);
    cleans("\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7",
           "\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7", 3);

    named("Zo\xc3\xab", "Zo\xc3\xab");
    named(" O'Neil-Smith ", "O'Neil-Smith");
    named("\xe5\xb1\xb1\xe7\x94\xb0", "\xe5\xb1\xb1\xe7\x94\xb0");
    named("a\xe2\x80\xae""b", "ab");
    named("", NULL);
    named("...", NULL);
    named("<b>x</b>", NULL);
    named("\xf0\x9f\x98\x80x", NULL);
    named("\xee\x80\x80x", NULL);
    named("123456789012345678901234567890123", NULL);

    skeletons("admin", "\xd0\xb0""dmin", true);
    skeletons("Admin", "\xf0\x9d\x90\x80""dm\xc4\xb1n", true);
    skeletons("paypal", "PayPaI", true);
    skeletons("modern", "modem", true);
    skeletons("view", "vievv", true);
    skeletons("bob", "b0b", true);
    skeletons("bob", "b_o.b", true);
    skeletons("b\xcc\x81ob", "bob", true);
    skeletons("bob", "rob", false);
    skeletons("bob1", "bob2", false);

    for (i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        ok(lv_chat_text_has_link(str(links[i])), "a link: %s", links[i]);
    }

    for (i = 0; i < sizeof(no_links) / sizeof(no_links[0]); i++) {
        ok(!lv_chat_text_has_link(str(no_links[i])), "no link: %s",
           no_links[i]);
    }

    for (i = 0; i < sizeof(emotes) / sizeof(emotes[0]); i++) {
        ok(lv_chat_text_emotes_only(str(emotes[i])), "emotes: %s", emotes[i]);
    }

    for (i = 0; i < sizeof(no_emotes) / sizeof(no_emotes[0]); i++) {
        ok(!lv_chat_text_emotes_only(str(no_emotes[i])), "not only emotes: %s",
           no_emotes[i]);
    }

    is_int((long long) lv_chat_text_length(str("a\xc3\xa4\xe2\x82\xac")), 3,
           "length in code points");

    return done_testing();
}
