/* Key files: what loads, and what is refused with which words. */

#include "tap.h"
#include "jwt.h"
#include "lv_b64.h"
#include "lv_keyset.h"


static lv_str_t
str(const char *s)
{
    lv_str_t  v = { (const uint8_t *) s, strlen(s) };

    return v;
}


static void
refused(const char *json, const char *want, const char *name)
{
    const char   *err = "(nothing)";
    lv_keyset_t  *set;

    set = lv_keyset_load(str(json), &err);
    ok(set == NULL, "refused: %s", name);
    is_str(err, want, name);
    lv_keyset_free(set);
}


static void
test_b64(void)
{
    size_t   i, n;
    uint8_t  buf[64];

    static const struct {
        const char  *text;
        const char  *want;          /* NULL: refused */
    } cases[] = {
        { "", "" }, { "Zg", "f" }, { "Zm8", "fo" }, { "Zm9v", "foo" },
        { "Zm9vYg", "foob" }, { "-_-_", "\xfb\xff\xbf" },
        { "Z", NULL }, { "Zg==", NULL }, { "Zh", NULL }, { "Zm9", NULL },
        { "Zm+v", NULL }, { "Zm/v", NULL }, { "Zm9v\n", NULL },
        { " Zm9v", NULL }, { "Zm9vYgA A", NULL },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int  rc = lv_b64url_decode(str(cases[i].text), buf, 64, &n);

        ok(cases[i].want ? (rc == LV_OK && n == strlen(cases[i].want)
                            && memcmp(buf, cases[i].want, n) == 0)
                         : rc == LV_ERROR, "base64url, case %zu", i);
    }

    is_int(lv_b64url_decode(str("Zm9v"), buf, 2, &n), LV_ERROR, "no room");
    is_int(lv_hex_decode(str("00fFa5"), buf, 3), LV_OK, "hex");
    ok(memcmp(buf, "\0\xff\xa5", 3) == 0, "hex, bytes");
    is_int(lv_hex_decode(str("00fFa"), buf, 3), LV_ERROR, "hex too short");
    is_int(lv_hex_decode(str("00fFg5"), buf, 3), LV_ERROR, "not hex");
    lv_hex_encode((const uint8_t *) "\0\xff\xa5", 3, (char *) buf);
    ok(memcmp(buf, "00ffa5", 6) == 0, "hex encoded");
}


static void
test_good(void)
{
    char         *a, *b, *c, json[4096];
    jwt_key_t     ed, es, hs;
    const char   *err = "";
    lv_keyset_t  *set;

    ed = jwt_key("EdDSA");
    es = jwt_key("ES256");
    hs = jwt_key("HS256");
    a = jwt_jwk(&ed, "a", "\"use\":\"sig\",\"alg\":\"EdDSA\",");
    b = jwt_jwk(&es, "b", "\"key_ops\":[\"verify\"],");
    c = jwt_jwk(&hs, "c", "\"x-more\":[1,2],");

    snprintf(json, sizeof(json), "{\"keys\":[%s,%s,%s,"
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"},"
        "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"},"
        "{\"kty\":\"EC\",\"crv\":\"P-384\"},"
        "{\"kty\":\"oct\",\"use\":\"enc\",\"k\":\"AA\"},"
        "{\"kty\":\"oct\",\"key_ops\":[\"sign\"],\"k\":\"AA\"}]}", a, b, c);

    set = lv_keyset_load(str(json), &err);

    if (ok(set != NULL, "three kinds of keys") == 0) {
        diag("%s", err);
        return;
    }

    is_int(lv_keyset_count(set), 3, "three keys");
    is_int(lv_keyset_skipped(set), 5, "five left out");
    is_int(lv_key_alg(lv_keyset_find(set, str("a"))), LV_ALG_EDDSA, "EdDSA");
    is_int(lv_key_alg(lv_keyset_find(set, str("b"))), LV_ALG_ES256, "ES256");
    is_int(lv_key_alg(lv_keyset_find(set, str("c"))), LV_ALG_HS256, "HS256");
    ok(lv_keyset_find(set, str("d")) == NULL, "no such kid");
    ok(lv_keyset_find(set, str("")) == NULL, "no empty kid");

    lv_keyset_free(set);

    snprintf(json, sizeof(json), "{\"keys\":[%s,%s]}", a, a);
    refused(json, "two keys have the same kid", "the same kid twice");

    free(a); free(b); free(c);

    a = jwt_jwk(&ed, "a", "\"alg\":\"ES256\",");
    snprintf(json, sizeof(json), "{\"keys\":[%s]}", a);
    refused(json, "a key's alg does not fit its kty", "another alg");
    free(a);

    a = jwt_jwk(&ed, "a", "\"d\":\"AAAA\",");
    snprintf(json, sizeof(json), "{\"keys\":[%s]}", a);
    refused(json, "a private key stands in the file", "a private key");
    free(a);

    a = jwt_jwk(&es, "a", "\"d\":\"AAAA\",");
    snprintf(json, sizeof(json), "{\"keys\":[%s]}", a);
    refused(json, "a private key stands in the file", "a private EC key");
    free(a);

    a = jwt_jwk(&hs, "", "");
    snprintf(json, sizeof(json), "{\"keys\":[%s]}", a);
    refused(json, "a kid is not a string of 1 to 64 bytes", "an empty kid");
    free(a);

    EVP_PKEY_free(ed.pkey);
    EVP_PKEY_free(es.pkey);
}


static void
test_refused(void)
{
    char    *big, *p;
    size_t   i;

    static const char  x32[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    char  json[512];

    refused("", "not JSON, or a member appears twice", "an empty file");
    refused("{\"keys\":[", "not JSON, or a member appears twice", "half");
    refused("{\"keys\":[],\"keys\":[]}",
            "not JSON, or a member appears twice", "keys twice");
    refused("[]", "no \"keys\" array", "an array");
    refused("{\"keys\":{}}", "no \"keys\" array", "keys an object");
    refused("{\"keys\":[]}", "no key that can verify tokens", "no key");
    refused("{\"keys\":[{\"kty\":\"RSA\"}]}", "no key that can verify tokens",
            "only RSA");
    refused("{\"keys\":[7]}", "a key is not an object", "a number");
    refused("{\"keys\":[{}]}", "a key has no kty", "no kty");
    refused("{\"keys\":[{\"kty\":\"oct\"}]}",
            "a secret key's k is not base64url of at most 512 bytes", "no k");
    refused("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
            "a secret key is shorter than 32 bytes", "a short secret");
    refused("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0IQ==\"}]}",
            "a secret key's k is not base64url of at most 512 bytes",
            "padding");
    refused("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}]}",
            "an Ed25519 key's x is not 32 bytes of base64url", "a short x");

    snprintf(json, sizeof(json), "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\""
             ",\"x\":\"%s\",\"y\":\"%s\"}]}", x32, x32);
    refused(json, "a P-256 key is not a point of the curve", "not a point");

    snprintf(json, sizeof(json), "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\""
             ",\"x\":\"%s\"}]}", x32);
    refused(json, "a P-256 key's x or y is not 32 bytes of base64url", "no y");

    big = jwt_alloc(LV_KEYSET_SIZE_MAX + 2);
    memset(big, ' ', LV_KEYSET_SIZE_MAX + 1);
    refused(big, "the file is too large", "a large file");
    free(big);

    big = p = jwt_alloc(65 * 128);
    p += sprintf(p, "{\"keys\":[");

    for (i = 0; i < 65; i++) {
        p += snprintf(p, 128, "%s{\"kty\":\"oct\",\"k\":\"%s\"}",
                      i ? "," : "", x32);
    }

    strcpy(p, "]}");
    refused(big, "too many keys", "65 keys");
    free(big);
}


int
main(void)
{
    test_b64();
    test_good();
    test_refused();

    return done_testing();
}
