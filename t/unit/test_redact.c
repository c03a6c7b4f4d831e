/* Tokens out of URIs. */

#include "tap.h"
#include "lv_redact.h"

#define T40  "0123456789012345678901234567890123456789"
#define JWT  "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE4MDAwMDAxMDB9.c2lnbmF0dXJl"


static lv_str_t
str(const char *s)
{
    lv_str_t  v = { (const uint8_t *) s, strlen(s) };

    return v;
}


static void
test_text(void)
{
    size_t  i;

    static const struct {
        const char  *src;
        const char  *want;
    } cases[] = {
        { "", "" },
        { "GET / HTTP/1.1", "GET / HTTP/1.1" },
        { "GET /live/~" T40 "/demo/index.m3u8 HTTP/1.1",
          "GET /live/~-/demo/index.m3u8 HTTP/1.1" },
        { "GET /live/%7e" T40 "/demo HTTP/1.1", "GET /live/~-/demo HTTP/1.1" },
        { "GET /live%2F~" T40 "%2fdemo", "GET /live%2F~-%2fdemo" },
        { "GET /~" T40, "GET /~-" },
        { "GET /~" T40 " HTTP/1.1", "GET /~- HTTP/1.1" },
        { "GET /~" T40 "?a=b HTTP/1.1", "GET /~-?a=b HTTP/1.1" },
        { "GET /~" T40 "/~" T40 "/", "GET /~-/~-/" },
        { "GET /~user/index.html HTTP/1.1",
          "GET /~user/index.html HTTP/1.1" },
        { "GET /a~" T40 "/ HTTP/1.1", "GET /a~" T40 "/ HTTP/1.1" },
        { "GET /x?token=abc HTTP/1.1", "GET /x?token=- HTTP/1.1" },
        { "GET /x?TOKEN=abc&b=c HTTP/1.1", "GET /x?TOKEN=-&b=c HTTP/1.1" },
        { "GET /x?a=b&key=abc&token=d HTTP/1.1",
          "GET /x?a=b&key=-&token=- HTTP/1.1" },
        { "GET /x?token=&b=c HTTP/1.1", "GET /x?token=&b=c HTTP/1.1" },
        { "GET /x?token= HTTP/1.1", "GET /x?token= HTTP/1.1" },
        { "GET /x?mytoken=abc HTTP/1.1", "GET /x?mytoken=abc HTTP/1.1" },
        { "GET /x?token=", "GET /x?token=" },
        { "GET /x?tok", "GET /x?tok" },
        { "http://a/p?token=abc#f", "http://a/p?token=-#f" },
        { "GET /x?jwt=" JWT "&a=b", "GET /x?jwt=-&a=b" },
        { "GET /x/" JWT ".m3u8 HTTP/1.1", "GET /x/- HTTP/1.1" },
        { "GET /%257E" JWT "/x", "GET /%257E-/x" },
        { "eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJIUzI1NiJ9" },
        { "/%2", "/%2" }, { "/%7", "/%7" }, { "/~", "/~" }, { "%2f", "%2f" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char    *dst;
        bool     found;
        size_t   n;

        /* of the exact size, so that ASan sees one byte too many */
        dst = malloc(strlen(cases[i].src) + 1);
        n = lv_redact_text(str(cases[i].src), (uint8_t *) dst, &found);
        dst[n] = '\0';
        is_str(found ? dst : cases[i].src, cases[i].want, cases[i].src);
        is_int(found, strcmp(cases[i].src, cases[i].want) != 0, "found");
        free(dst);
    }
}


static void
test_path(void)
{
    size_t  i;

    static const struct {
        const char  *src;
        const char  *want;          /* NULL: nothing to take out */
        const char  *token;
    } cases[] = {
        { "/", NULL, NULL },
        { "/live/demo/index.m3u8", NULL, NULL },
        { "/live/~short/demo/index.m3u8", NULL, NULL },
        { "/live/~" T40 "/demo/index.m3u8", "/live/demo/index.m3u8", T40 },
        { "/live/~" T40, "/live/", T40 },
        { "/live/~" T40 "/", "/live/", T40 },
        { "/~" T40 "/live/", "/live/", T40 },
        { "/~" T40, "/", T40 },
        { "/~" T40 "/~" T40 "x/a", "/a", T40 },
        { "/a/~" T40 "/b/~" T40 "x/c", "/a/b/c", T40 },
        { "~" T40 "/a", NULL, NULL },
        { "/a~" T40 "/a", NULL, NULL },
        { "", NULL, NULL },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int       rc;
        char      dst[256];
        size_t    n;
        lv_str_t  token;

        rc = lv_redact_path(str(cases[i].src), (uint8_t *) dst, &n, &token);

        if (cases[i].want == NULL) {
            is_int(rc, LV_DECLINED, cases[i].src);
            continue;
        }

        is_int(rc, LV_OK, cases[i].src);
        dst[n] = '\0';
        is_str(dst, cases[i].want, cases[i].want);
        ok(lv_str_eq(token, cases[i].token), "its token");
    }
}


static void
test_arg(void)
{
    size_t  i;

    static const struct {
        const char  *src;
        const char  *want;
        const char  *value;
    } cases[] = {
        { "", NULL, NULL },
        { "a=b", NULL, NULL },
        { "mytoken=b", NULL, NULL },
        { "token", NULL, NULL },
        { "token=", "", "" },
        { "token=x", "", "x" },
        { "token=x&a=b", "a=b", "x" },
        { "a=b&token=x", "a=b", "x" },
        { "a=b&token=x&c=d", "a=b&c=d", "x" },
        { "a=b&Token=x&c=d&TOKEN=y&e", "a=b&c=d&e", "x" },
        { "token=x&token=y", "", "x" },
        { "&token=x&", "", "x" },
        { "a&&token=x&&b", "a&&&b", "x" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int       rc;
        char      dst[256];
        size_t    n;
        lv_str_t  value;

        rc = lv_redact_arg(str(cases[i].src), "token", (uint8_t *) dst, &n,
                           &value);

        if (cases[i].want == NULL) {
            is_int(rc, LV_DECLINED, cases[i].src);
            continue;
        }

        is_int(rc, LV_OK, cases[i].src);
        dst[n] = '\0';
        is_str(dst, cases[i].want, cases[i].want);
        ok(lv_str_eq(value, cases[i].value), "its value");
    }
}


int
main(void)
{
    test_text();
    test_path();
    test_arg();

    return done_testing();
}
