/* Tokens: what is accepted, and every way in which one is refused. */

#include <time.h>

#include "tap.h"
#include "jwt.h"
#include "lv_token.h"
#include "lv_token_cache.h"

#define NOW  1800000000
#define GOOD "\"exp\":1800000100,\"stream\":\"demo\",\"can\":[\"watch\"]"

static jwt_key_t     ed, es, hs, hs2, stranger;
static lv_keyset_t  *keys;


static lv_str_t
str(const char *s)
{
    lv_str_t  v = { (const uint8_t *) s, strlen(s) };

    return v;
}


static void
is_result(lv_token_result_e got, lv_token_result_e want, const char *name)
{
    if (!ok(got == want, "%s", name)) {
        diag("got \"%s\", expected \"%s\"", lv_token_result_name(got),
             lv_token_result_name(want));
    }
}


static lv_token_result_e
verify(const char *text)
{
    lv_token_t  token;

    return lv_token_verify(keys, str(text), &token);
}


static lv_token_result_e
verify_signed(const jwt_key_t *key, const char *header, const char *claims,
    lv_token_t *token)
{
    char               *text;
    lv_token_t          tmp;
    lv_token_result_e   r;

    text = jwt_sign(key, header, claims);
    r = lv_token_verify(keys, str(text), token ? token : &tmp);
    free(text);

    return r;
}


static lv_token_result_e
claims(const char *text)
{
    return verify_signed(&hs, "{\"alg\":\"HS256\",\"kid\":\"h\"}", text, NULL);
}


static lv_token_use_t
use(void)
{
    lv_token_use_t  u;

    memset(&u, 0, sizeof(u));
    u.now_s = NOW;
    u.stream = str("demo");
    u.can = LV_TOKEN_WATCH;

    return u;
}


static void
make_keys(void)
{
    char        *a, *b, *c, *d, json[4096];
    const char  *err = "";

    ed = jwt_key("EdDSA");
    es = jwt_key("ES256");
    hs = jwt_key("HS256");
    hs2 = jwt_key("HS256");
    stranger = jwt_key("EdDSA");

    a = jwt_jwk(&ed, "e", "");
    b = jwt_jwk(&es, "p", "");
    c = jwt_jwk(&hs, "h", "");
    d = jwt_jwk(&hs2, NULL, "");
    snprintf(json, sizeof(json), "{\"keys\":[%s,%s,%s,%s]}", a, b, c, d);
    free(a); free(b); free(c); free(d);

    keys = lv_keyset_load(str(json), &err);

    if (!ok(keys != NULL, "the keys load")) {
        diag("%s", err);
        exit(1);
    }
}


static void
test_accepted(void)
{
    lv_token_t  t;

    is_result(verify_signed(&ed, "{\"alg\":\"EdDSA\",\"kid\":\"e\"}",
                            "{" GOOD "}", &t),
              LV_TOKEN_VALID, "EdDSA with a kid");
    is_int(t.exp_s, 1800000100, "exp");
    is_int(t.can, LV_TOKEN_WATCH, "can as an array");
    is_str(t.streams[0], "demo", "stream as a string");
    is_str(t.sub, "", "no sub");
    is_int(t.nbf_s, 0, "no nbf");

    is_result(verify_signed(&es, "{\"alg\":\"ES256\",\"kid\":\"p\"}",
                            "{" GOOD "}", NULL),
              LV_TOKEN_VALID, "ES256 with a kid");
    is_result(verify_signed(&hs, "{\"alg\":\"HS256\",\"kid\":\"h\"}",
                            "{" GOOD "}", NULL),
              LV_TOKEN_VALID, "HS256 with a kid");
    is_result(verify_signed(&hs2, "{\"alg\":\"HS256\"}", "{" GOOD "}", NULL),
              LV_TOKEN_VALID, "without a kid the second HS256 key is found");
    is_result(verify_signed(&es, "{\"alg\":\"ES256\"}", "{" GOOD "}", NULL),
              LV_TOKEN_VALID, "without a kid, ES256");
    is_result(verify_signed(&hs, "{\"typ\":\"JWT\",\"alg\":\"HS256\","
                            "\"cty\":\"x\",\"kid\":\"h\"}", "{" GOOD "}",
                            NULL),
              LV_TOKEN_VALID, "unknown header members are ignored");

    is_result(verify_signed(&hs, "{\"alg\":\"HS256\",\"kid\":\"h\"}",
        "{\"exp\":1800000100.9,\"nbf\":1700000000,\"iat\":\"x\",\"sub\":"
        "\"user 7\",\"jti\":\"j-1\",\"stream\":[\"demo\",\"other_1\"],"
        "\"can\":\"watch  chat dance publish\",\"ip\":\"10.1.0.0/16\","
        "\"sessions\":3,\"more\":{\"a\":[1]}}", &t),
        LV_TOKEN_VALID, "every claim");
    is_int(t.exp_s, 1800000100, "exp with a fraction");
    is_int(t.nbf_s, 1700000000, "nbf");
    is_int(t.iat_s, 0, "an iat that is no number counts as none");
    is_str(t.sub, "user 7", "sub");
    is_str(t.jti, "j-1", "jti");
    is_int(t.sessions, 3, "sessions");
    is_int(t.can, LV_TOKEN_WATCH|LV_TOKEN_CHAT|LV_TOKEN_PUBLISH,
           "can as a string; unknown words are ignored");
    is_int(t.nstreams, 2, "two streams");
    is_int(lv_token_names_stream(&t, str("other_1")), 1, "the second stream");
    is_int(lv_token_names_stream(&t, str("other_")), 0, "not a prefix");
    is_int(lv_token_names_stream(&t, str("other_12")), 0, "not a longer one");
    is_int(lv_token_names_stream(&t, str("")), 0, "not an empty one");

    is_result(verify_signed(&hs, "{\"alg\":\"HS256\",\"kid\":\"h\"}",
                            "{\"iat\":1700000001.5," GOOD "}", &t),
              LV_TOKEN_VALID, "with an iat");
    is_int(t.iat_s, 1700000001, "iat");
}


static void
test_malformed(void)
{
    char    *text, *more, *dot, big[LV_TOKEN_SIZE_MAX + 2];
    size_t   i;

    static const char *const  garbage[] = {
        "", ".", "..", "...", "garbage", "a.b", "a.b.c", "e30.e30.e30",
        "e30.e30.", "=.=.=", "eyJhbGciOiJIUzI1NiJ9..", "eyJhbGciOiJIUzI1NiJ9",
        "bnVsbA.e30.AAAA", "W10.e30.AAAA"
    };

    for (i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        if (verify(garbage[i]) == LV_TOKEN_VALID) {
            break;
        }
    }

    ok(i == sizeof(garbage) / sizeof(garbage[0]), "garbage is refused");

    is_result(verify("a.b.c"), LV_TOKEN_MALFORMED, "not base64url");

    memset(big, 'a', sizeof(big));
    big[100] = big[200] = '.';
    big[LV_TOKEN_SIZE_MAX + 1] = '\0';
    is_result(verify(big), LV_TOKEN_TOO_LARGE, "one byte too large");
    big[LV_TOKEN_SIZE_MAX] = '\0';
    is_result(verify(big), LV_TOKEN_MALFORMED, "the largest size is looked at");

    text = jwt_sign(&hs, "{\"alg\":\"HS256\",\"kid\":\"h\"}", "{" GOOD "}");
    is_result(verify(text), LV_TOKEN_VALID, "the token itself is good");

    i = strlen(text);
    text[i - 1] ^= 1;
    ok(verify(text) != LV_TOKEN_VALID,
       "the last character of the signature changed");
    text[i - 1] ^= 1;

    more = jwt_alloc(i + 8);
    strcpy(more, text);
    free(text);
    text = more;
    strcat(text, ".x");
    ok(verify(text) != LV_TOKEN_VALID, "four parts");
    text[i] = '\0';
    strcat(text, "=");
    ok(verify(text) != LV_TOKEN_VALID, "padding");
    text[i] = '\0';
    strcat(text, "A");
    ok(verify(text) != LV_TOKEN_VALID, "a longer signature");

    dot = strchr(strchr(text, '.') + 1, '.');
    dot[1] = '\0';
    is_result(verify(text), LV_TOKEN_BAD_SIGNATURE, "an empty signature");
    dot[0] = '\0';
    is_result(verify(text), LV_TOKEN_MALFORMED, "no signature");

    free(text);
}


static void
test_header(void)
{
    char      *text, *h, *c, *s;
    size_t     i;
    uint8_t    pub[32];
    jwt_key_t  confused;

    static const struct {
        const char         *header;
        lv_token_result_e   want;
        const char         *name;
    } cases[] = {
        { "{\"kid\":\"h\"}", LV_TOKEN_MALFORMED, "no alg" },
        { "{\"alg\":7,\"kid\":\"h\"}", LV_TOKEN_MALFORMED, "alg a number" },
        { "{\"alg\":\"none\",\"kid\":\"h\"}", LV_TOKEN_WRONG_ALGORITHM,
          "none with a kid" },
        { "{\"alg\":\"none\"}", LV_TOKEN_WRONG_ALGORITHM, "none" },
        { "{\"alg\":\"None\"}", LV_TOKEN_WRONG_ALGORITHM, "None" },
        { "{\"alg\":\"hs256\",\"kid\":\"h\"}", LV_TOKEN_WRONG_ALGORITHM,
          "alg in another case" },
        { "{\"alg\":\"HS384\",\"kid\":\"h\"}", LV_TOKEN_WRONG_ALGORITHM,
          "HS384" },
        { "{\"alg\":\"RS256\"}", LV_TOKEN_WRONG_ALGORITHM, "RS256" },
        { "{\"alg\":\"HS256\",\"kid\":\"p\"}", LV_TOKEN_WRONG_ALGORITHM,
          "HS256 with the kid of a P-256 key" },
        { "{\"alg\":\"ES256\",\"kid\":\"h\"}", LV_TOKEN_WRONG_ALGORITHM,
          "ES256 with the kid of a secret key" },
        { "{\"alg\":\"HS256\",\"kid\":\"x\"}", LV_TOKEN_UNKNOWN_KEY,
          "an unknown kid" },
        { "{\"alg\":\"HS256\",\"kid\":\"hh\"}", LV_TOKEN_UNKNOWN_KEY,
          "a longer kid" },
        { "{\"alg\":\"HS256\",\"kid\":\"\"}", LV_TOKEN_MALFORMED,
          "an empty kid" },
        { "{\"alg\":\"HS256\",\"kid\":7}", LV_TOKEN_MALFORMED,
          "a kid that is a number" },
        { "{\"alg\":\"HS256\",\"kid\":\"0123456789012345678901234567890123456"
          "7890123456789012345678901234\"}", LV_TOKEN_UNKNOWN_KEY,
          "a kid of 65 bytes" },
        { "{\"alg\":\"HS256\",\"kid\":\"h\",\"crit\":[\"exp\"]}",
          LV_TOKEN_MALFORMED, "crit" },
        { "{\"alg\":\"HS256\",\"kid\":\"h\",\"jku\":\"http://a/\"}",
          LV_TOKEN_MALFORMED, "jku" },
        { "{\"alg\":\"HS256\",\"kid\":\"h\",\"jwk\":{}}",
          LV_TOKEN_MALFORMED, "jwk" },
        { "{\"alg\":\"HS256\",\"kid\":\"h\",\"x5c\":[]}",
          LV_TOKEN_MALFORMED, "x5c" },
        { "{\"alg\":\"HS256\",\"kid\":\"h\",\"x5u\":\"http://a/\"}",
          LV_TOKEN_MALFORMED, "x5u" },
        { "{\"alg\":\"HS256\",\"kid\":\"h\",\"zip\":\"DEF\"}",
          LV_TOKEN_MALFORMED, "zip" },
        { "{\"alg\":\"HS256\",\"alg\":\"HS256\",\"kid\":\"h\"}",
          LV_TOKEN_MALFORMED, "alg twice" },
        { "{\"alg\":\"HS256\",\"kid\":\"h\"} x", LV_TOKEN_MALFORMED,
          "something behind the header" },
        { "[\"alg\",\"HS256\"]", LV_TOKEN_MALFORMED, "an array" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_result(verify_signed(&hs, cases[i].header, "{" GOOD "}", NULL),
                  cases[i].want, cases[i].name);
    }

    is_result(verify_signed(&stranger, "{\"alg\":\"EdDSA\",\"kid\":\"e\"}",
                            "{" GOOD "}", NULL),
              LV_TOKEN_BAD_SIGNATURE, "signed by a stranger, EdDSA");
    is_result(verify_signed(&stranger, "{\"alg\":\"EdDSA\"}", "{" GOOD "}",
                            NULL),
              LV_TOKEN_BAD_SIGNATURE, "signed by a stranger, no kid");

    confused = jwt_key("ES256");
    is_result(verify_signed(&confused, "{\"alg\":\"ES256\",\"kid\":\"p\"}",
                            "{" GOOD "}", NULL),
              LV_TOKEN_BAD_SIGNATURE, "signed by a stranger, ES256");
    EVP_PKEY_free(confused.pkey);

    confused = jwt_key("HS256");
    is_result(verify_signed(&confused, "{\"alg\":\"HS256\",\"kid\":\"h\"}",
                            "{" GOOD "}", NULL),
              LV_TOKEN_BAD_SIGNATURE, "signed by a stranger, HS256");

    /* the public key as the secret of HS256: the classic confusion */
    i = sizeof(pub);
    EVP_PKEY_get_raw_public_key(ed.pkey, pub, &i);
    memset(&confused, 0, sizeof(confused));
    confused.alg = "HS256";
    memcpy(confused.secret, pub, 32);
    is_result(verify_signed(&confused, "{\"alg\":\"HS256\",\"kid\":\"e\"}",
                            "{" GOOD "}", NULL),
              LV_TOKEN_WRONG_ALGORITHM, "HS256 with a public key as secret");

    /* ES256 with R = S = 0, and in DER */
    h = jwt_b64("{\"alg\":\"ES256\",\"kid\":\"p\"}", 25);
    c = jwt_b64("{" GOOD "}", strlen("{" GOOD "}"));
    s = jwt_alloc(64);
    text = jwt_alloc(1024);
    {
        char  *sig = jwt_b64(s, 64);
        snprintf(text, 1024, "%s.%s.%s", h, c, sig);
        free(sig);
    }
    is_result(verify(text), LV_TOKEN_BAD_SIGNATURE, "ES256 with zeros");
    {
        memset(s, 0xff, 64);
        char  *sig = jwt_b64(s, 64);
        snprintf(text, 1024, "%s.%s.%s", h, c, sig);
        free(sig);
    }
    is_result(verify(text), LV_TOKEN_BAD_SIGNATURE, "ES256 with R, S > n");
    free(h); free(c); free(s); free(text);
}


static void
test_claims(void)
{
    size_t  i;

    static const struct {
        const char  *claims;
        bool         good;
        const char  *name;
    } cases[] = {
#define C(more)  "{\"exp\":1800000100,\"stream\":\"demo\",\"can\":\"watch\"," \
                 more "}"
        { "{\"stream\":\"demo\",\"can\":\"watch\"}", 0, "no exp" },
        { "{\"exp\":\"1800000100\",\"stream\":\"demo\",\"can\":\"watch\"}", 0,
          "exp a string" },
        { "{\"exp\":-1,\"stream\":\"demo\",\"can\":\"watch\"}", 0,
          "exp negative" },
        { "{\"exp\":1e300,\"stream\":\"demo\",\"can\":\"watch\"}", 0,
          "exp beyond all numbers" },
        { "{\"exp\":99999999999999999999,\"stream\":\"demo\",\"can\":\"watch\""
          "}", 0, "exp of 20 digits" },
        { "{\"exp\":1800000100,\"can\":\"watch\"}", 0, "no stream" },
        { "{\"exp\":1800000100,\"stream\":7,\"can\":\"watch\"}", 0,
          "stream a number" },
        { "{\"exp\":1800000100,\"stream\":\"\",\"can\":\"watch\"}", 0,
          "stream empty" },
        { "{\"exp\":1800000100,\"stream\":\"a/b\",\"can\":\"watch\"}", 0,
          "stream with a slash" },
        { "{\"exp\":1800000100,\"stream\":\"a*\",\"can\":\"watch\"}", 0,
          "a pattern" },
        { "{\"exp\":1800000100,\"stream\":[],\"can\":\"watch\"}", 0,
          "no stream in the array" },
        { "{\"exp\":1800000100,\"stream\":[\"a\",7],\"can\":\"watch\"}", 0,
          "a number among the streams" },
        { "{\"exp\":1800000100,\"stream\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\""
          ",\"7\",\"8\",\"9\"],\"can\":\"watch\"}", 0, "nine streams" },
        { "{\"exp\":1800000100,\"stream\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\""
          ",\"7\",\"*\"],\"can\":\"watch\"}", 1, "eight streams" },
        { "{\"exp\":1800000100,\"stream\":\"*\",\"can\":\"watch\"}", 1,
          "any stream" },
        { "{\"exp\":1800000100,\"stream\":\"demo\"}", 0, "no can" },
        { "{\"exp\":1800000100,\"stream\":\"demo\",\"can\":1}", 0,
          "can a number" },
        { "{\"exp\":1800000100,\"stream\":\"demo\",\"can\":[1]}", 0,
          "a number in can" },
        { "{\"exp\":1800000100,\"stream\":\"demo\",\"can\":[]}", 1,
          "nothing in can is well-formed" },
        { "{\"exp\":1800000100,\"exp\":1900000000,\"stream\":\"demo\","
          "\"can\":\"watch\"}", 0, "exp twice" },
        { C("\"nbf\":\"x\""), 0, "nbf a string" },
        { C("\"sub\":7"), 0, "sub a number" },
        { C("\"sub\":\"\""), 0, "sub empty" },
        { C("\"sub\":\"a\\r\\nX: y\""), 0, "sub with a line break" },
        { C("\"sub\":\"a\\u0000\""), 0, "sub with a NUL" },
        { C("\"sub\":\"\\u00e9\""), 1, "sub in UTF-8" },
        { C("\"jti\":\"0123456789012345678901234567890123456789012345678901234"
            "567890123\""), 1, "jti of 64 bytes" },
        { C("\"jti\":\"0123456789012345678901234567890123456789012345678901234"
            "5678901234\""), 0, "jti of 65 bytes" },
        { C("\"ip\":7"), 0, "ip a number" },
        { C("\"ip\":\"\""), 0, "ip empty" },
        { C("\"ip\":\"300.0.0.1\""), 0, "ip out of range" },
        { C("\"ip\":\"10.0.0.1/33\""), 0, "33 bits of IPv4" },
        { C("\"ip\":\"10.0.0.1/\""), 0, "no bits behind the slash" },
        { C("\"ip\":\"10.0.0.1/-1\""), 0, "negative bits" },
        { C("\"ip\":\"::1/129\""), 0, "129 bits of IPv6" },
        { C("\"ip\":\"::1/0128\""), 0, "four digits of bits" },
        { C("\"ip\":\"2001:db8::/32\""), 1, "a block of IPv6" },
        { C("\"sessions\":0,\"jti\":\"j\""), 0, "no session" },
        { C("\"sessions\":-1,\"jti\":\"j\""), 0, "sessions negative" },
        { C("\"sessions\":1.5,\"jti\":\"j\""), 0, "sessions a fraction" },
        { C("\"sessions\":1"), 0, "sessions without a jti" },
        { C("\"sessions\":1000001,\"jti\":\"j\""), 0, "too many sessions" },
        { C("\"sessions\":1,\"jti\":\"j\""), 1, "one session" },
        { "[]", 0, "claims an array" },
        { "{", 0, "half an object" },
        { "", 0, "empty claims" },
#undef C
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_result(claims(cases[i].claims),
                  cases[i].good ? LV_TOKEN_VALID : LV_TOKEN_MALFORMED,
                  cases[i].name);
    }
}


static bool
revoked(void *ctx, const lv_token_t *token)
{
    return strcmp(token->jti, ctx) == 0;
}


static void
test_check(void)
{
    lv_token_t      t;
    lv_token_use_t  u;

    (void) verify_signed(&hs, "{\"alg\":\"HS256\",\"kid\":\"h\"}",
        "{\"exp\":1800000100,\"nbf\":1799999900,\"stream\":\"demo\","
        "\"jti\":\"j\",\"can\":[\"watch\",\"chat\"]}", &t);

    u = use();
    is_result(lv_token_check(&t, &u), LV_TOKEN_VALID, "now");

    u.now_s = 1800000100 + LV_TOKEN_LEEWAY_S - 1;
    is_result(lv_token_check(&t, &u), LV_TOKEN_VALID, "the last second");
    u.now_s++;
    is_result(lv_token_check(&t, &u), LV_TOKEN_EXPIRED, "expired");
    u.now_s = 1799999900 - LV_TOKEN_LEEWAY_S;
    is_result(lv_token_check(&t, &u), LV_TOKEN_VALID, "the first second");
    u.now_s--;
    is_result(lv_token_check(&t, &u), LV_TOKEN_NOT_YET_VALID, "not yet");

    u = use();
    u.stream = str("demo2");
    is_result(lv_token_check(&t, &u), LV_TOKEN_WRONG_STREAM, "another stream");
    t.any_stream = true;
    is_result(lv_token_check(&t, &u), LV_TOKEN_VALID, "any stream");

    u = use();
    u.can = LV_TOKEN_CHAT;
    is_result(lv_token_check(&t, &u), LV_TOKEN_VALID, "may chat");
    u.can = LV_TOKEN_PUBLISH;
    is_result(lv_token_check(&t, &u), LV_TOKEN_NOT_ALLOWED, "may not publish");
    u.can = LV_TOKEN_WATCH|LV_TOKEN_PUBLISH;
    is_result(lv_token_check(&t, &u), LV_TOKEN_NOT_ALLOWED,
              "both would be needed");

    u = use();
    u.revoked = revoked;
    u.revoked_ctx = "k";
    is_result(lv_token_check(&t, &u), LV_TOKEN_VALID, "another is revoked");
    u.revoked_ctx = "j";
    is_result(lv_token_check(&t, &u), LV_TOKEN_REVOKED, "revoked");
}


static lv_token_result_e
check_ip(const char *ip, const char *addr)
{
    char            text[256];
    size_t          i;
    unsigned        b[16];
    uint8_t         raw[16];
    lv_token_t      t;
    lv_token_use_t  u;

    snprintf(text, sizeof(text), "{" GOOD ",\"ip\":\"%s\"}", ip);

    if (verify_signed(&hs, "{\"alg\":\"HS256\",\"kid\":\"h\"}", text, &t)
        != LV_TOKEN_VALID)
    {
        return LV_TOKEN_MALFORMED;
    }

    u = use();

    if (sscanf(addr, "%u.%u.%u.%u", &b[0], &b[1], &b[2], &b[3]) == 4) {
        u.addr_len = 4;

    } else if (*addr) {
        for (i = 0; i < 16; i++) {
            sscanf(addr + 2 * i, "%2x", &b[i]);
        }

        u.addr_len = 16;
    }

    for (i = 0; i < u.addr_len; i++) {
        raw[i] = (uint8_t) b[i];
    }

    u.addr = raw;

    return lv_token_check(&t, &u);
}


static void
test_address(void)
{
    size_t  i;

    static const struct {
        const char  *ip;
        const char  *addr;
        bool         good;
    } cases[] = {
        { "10.1.2.3", "10.1.2.3", 1 },
        { "10.1.2.3", "10.1.2.4", 0 },
        { "10.1.2.0/24", "10.1.2.200", 1 },
        { "10.1.2.0/24", "10.1.3.1", 0 },
        { "10.1.2.77/20", "10.1.15.255", 1 },
        { "10.1.2.77/20", "10.1.16.0", 0 },
        { "0.0.0.0/0", "8.8.8.8", 1 },
        { "0.0.0.0/0", "20010db8000000000000000000000001", 0 },
        { "10.1.2.3", "00000000000000000000ffff0a010203", 1 },
        { "::ffff:10.1.2.3", "10.1.2.3", 1 },
        { "::ffff:10.1.2.0/120", "10.1.2.9", 1 },
        { "::ffff:10.1.2.0/120", "10.1.3.9", 0 },
        { "2001:db8::/32", "20010db8ffff00000000000000000001", 1 },
        { "2001:db8::/32", "20010db9ffff00000000000000000001", 0 },
        { "2001:db8::1", "20010db8000000000000000000000001", 1 },
        { "2001:db8::/33", "20010db8800000000000000000000001", 0 },
        { "10.1.2.3", "", 0 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!ok(check_ip(cases[i].ip, cases[i].addr)
                == (cases[i].good ? LV_TOKEN_VALID : LV_TOKEN_WRONG_ADDRESS),
                "ip %s, peer %s", cases[i].ip, cases[i].addr))
        {
            diag("%s", lv_token_result_name(check_ip(cases[i].ip,
                                                     cases[i].addr)));
        }
    }
}


static void
test_cache(void)
{
    char               *text, *more, was, name[64];
    size_t              i;
    struct timespec     a, b;
    const lv_token_t   *t = NULL;
    lv_token_cache_t   *cache;
    lv_token_result_e   r = LV_TOKEN_RESULTS;

    cache = lv_token_cache_create(16);
    text = jwt_sign(&ed, "{\"alg\":\"EdDSA\",\"kid\":\"e\"}", "{" GOOD "}");

    is_int(lv_token_cache_verify(cache, keys, str(text), true, &r, &t),
           LV_AGAIN, "not remembered at first");
    is_int(lv_token_cache_verify(cache, keys, str(text), false, &r, &t),
           LV_OK, "verified");
    is_result(r, LV_TOKEN_VALID, "valid");
    is_int(lv_token_cache_verify(cache, keys, str(text), true, &r, &t),
           LV_OK, "remembered");
    is_int(t->exp_s, 1800000100, "with its claims");
    is_int(lv_token_cache_used(cache), 1, "one entry");

    clock_gettime(CLOCK_MONOTONIC, &a);

    for (i = 0; i < 10000; i++) {
        lv_token_cache_verify(cache, keys, str(text), false, &r, &t);
    }

    clock_gettime(CLOCK_MONOTONIC, &b);
    diag("a remembered token: %.2f us",
         ((double) (b.tv_sec - a.tv_sec) * 1e9
          + (double) (b.tv_nsec - a.tv_nsec)) / 1e7);

    i = strlen(text) - 5;
    was = text[i];
    text[i] = was == 'A' ? 'B' : 'A';
    lv_token_cache_verify(cache, keys, str(text), false, &r, &t);
    is_result(r, LV_TOKEN_BAD_SIGNATURE,
              "the whole token counts, signature included");
    is_int(lv_token_cache_used(cache), 1, "a bad one is not remembered");
    text[i] = was;

    for (i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "{" GOOD ",\"jti\":\"%zu\"}", i);
        more = jwt_sign(&hs, "{\"alg\":\"HS256\",\"kid\":\"h\"}", name);
        lv_token_cache_verify(cache, keys, str(more), false, &r, &t);

        if (r != LV_TOKEN_VALID || atoi(t->jti) != (int) i) {
            break;
        }

        free(more);
    }

    is_int((long long) i, 500, "500 more");
    is_int(lv_token_cache_used(cache), 16, "it does not grow");
    is_int(lv_token_cache_verify(cache, keys, str(text), true, &r, &t),
           LV_AGAIN, "the oldest was forgotten");

    lv_token_cache_clear(cache);
    is_int(lv_token_cache_used(cache), 0, "cleared");

    lv_token_cache_destroy(cache);
    free(text);
}


static void
test_texts(void)
{
    int  i, n;

    for (i = 0, n = 0; i < LV_TOKEN_RESULTS; i++) {
        n += lv_token_result_name((lv_token_result_e) i) != NULL
             && lv_token_result_text((lv_token_result_e) i) != NULL;
    }

    is_int(n, LV_TOKEN_RESULTS, "every result has a name and a text");
}


int
main(void)
{
    make_keys();
    test_accepted();
    test_malformed();
    test_header();
    test_claims();
    test_check();
    test_address();
    test_cache();
    test_texts();

    lv_keyset_free(keys);
    EVP_PKEY_free(ed.pkey);
    EVP_PKEY_free(es.pkey);
    EVP_PKEY_free(stranger.pkey);

    return done_testing();
}
