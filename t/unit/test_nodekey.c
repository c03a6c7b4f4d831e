/* Signatures between nodes, and the memory of nonces. */

#include "tap.h"
#include "lv_nodekey.h"

#define NOW   1800000000
#define KEY1  "0123456789abcdef0123456789abcdef"
#define KEY2  "ffffffffffffffffffffffffffffffff"


static lv_str_t
str(const char *s)
{
    lv_str_t  v = { (const uint8_t *) s, strlen(s) };

    return v;
}


static void
refused(const char *file, const char *want)
{
    const char     *err = "(nothing)";
    lv_nodekeys_t  *keys;

    keys = lv_nodekeys_load(str(file), &err);
    ok(keys == NULL, "refused");
    is_str(err, want, want);
    lv_nodekeys_free(keys);
}


static lv_nodekeys_t *
load(const char *file)
{
    const char  *err;

    return lv_nodekeys_load(str(file), &err);
}


static void
test_files(void)
{
    char            big[LV_NODE_FILE_MAX + 2];
    lv_nodekeys_t  *keys;

    keys = load("# a comment\n\n" KEY1 "\r\n" KEY2);
    ok(keys != NULL, "two keys, a comment, an empty line, CRLF");
    lv_nodekeys_free(keys);

    refused("", "no key");
    refused("# nothing\n", "no key");
    refused("short\n", "a key is not 32 to 256 characters long");
    refused(KEY1 "\n" KEY1 "\n" KEY1 "\n" KEY1 "\n" KEY1, "more than 4 keys");

    memset(big, 'x', sizeof(big));
    big[LV_NODE_FILE_MAX + 1] = '\0';
    refused(big, "the file is too large");
    big[257] = '\0';
    refused(big, "a key is not 32 to 256 characters long");
}


static lv_node_result_e
check(const lv_nodekeys_t *keys, const char *method, const char *target,
    const char *header, int64_t now)
{
    return lv_node_verify(keys, NULL, str(method), str(target), str(header),
                          now);
}


static void
test_signature(void)
{
    char             header[LV_NODE_HEADER_MAX], bad[LV_NODE_HEADER_MAX];
    size_t           i, n;
    uint8_t          nonce[LV_NODE_NONCE];
    lv_nodekeys_t   *keys, *both, *other;

    keys = load(KEY1);
    both = load(KEY2 "\n" KEY1);
    other = load(KEY2);

    for (i = 0; i < sizeof(nonce); i++) {
        nonce[i] = (uint8_t) i;
    }

    is_int(lv_node_sign(keys, str("GET"), str("/status?x=1"), NOW, nonce,
                        header), LV_OK, "signed");

    /* the mac is what "openssl dgst -sha256 -hmac KEY1" says */
    is_str(header, "Live-Node 1800000000:000102030405060708090a0b0c0d0e0f:"
           "f5616d0877fd70270fa5d2996959970fc15ed1c6ebb58b878f7066a72f03cafd",
           "as documented");

    is_int(check(keys, "GET", "/status?x=1", header, NOW), LV_NODE_OK, "good");
    is_int(check(both, "GET", "/status?x=1", header, NOW), LV_NODE_OK,
           "good with the second key");
    is_int(check(other, "GET", "/status?x=1", header, NOW), LV_NODE_WRONG_MAC,
           "another key");
    is_int(check(keys, "POST", "/status?x=1", header, NOW), LV_NODE_WRONG_MAC,
           "another method");
    is_int(check(keys, "GET", "/status?x=2", header, NOW), LV_NODE_WRONG_MAC,
           "another query");
    is_int(check(keys, "GET", "/status", header, NOW), LV_NODE_WRONG_MAC,
           "another path");
    is_int(check(keys, "GET", "/status?x=1", header, NOW + 60), LV_NODE_OK,
           "60 s late");
    is_int(check(keys, "GET", "/status?x=1", header, NOW + 61),
           LV_NODE_WRONG_TIME, "61 s late");
    is_int(check(keys, "GET", "/status?x=1", header, NOW - 60), LV_NODE_OK,
           "60 s early");
    is_int(check(keys, "GET", "/status?x=1", header, NOW - 61),
           LV_NODE_WRONG_TIME, "61 s early");

    strcpy(bad, header);
    bad[12] ^= 1;
    is_int(check(keys, "GET", "/status?x=1", bad,
                 strtoll(bad + 10, NULL, 10)), LV_NODE_WRONG_MAC,
           "another time");

    for (i = 0, n = 0; header[i]; i++) {
        strcpy(bad, header);
        bad[i] ^= 1;
        n += check(keys, "GET", "/status?x=1", bad, NOW) == LV_NODE_OK;
        bad[i] = '\0';
        n += check(keys, "GET", "/status?x=1", bad, NOW) == LV_NODE_OK;
    }

    is_int((long long) n, 0, "any bit or the end missing");
    is_int(check(keys, "GET", "/status?x=1", "", NOW), LV_NODE_MALFORMED,
           "no header");
    is_int(check(keys, "GET", "/status?x=1", "Bearer abc", NOW),
           LV_NODE_MALFORMED, "another scheme");

    lv_nodekeys_free(keys);
    lv_nodekeys_free(both);
    lv_nodekeys_free(other);
}


static int
add(lv_node_nonces_t *nonces, unsigned n, int64_t time_s)
{
    uint8_t  nonce[LV_NODE_NONCE];

    memset(nonce, 0, sizeof(nonce));
    lv_put32(nonce, n * 2654435761u);
    lv_put32(nonce + 4, n);

    return lv_node_nonces_add(nonces, nonce, time_s);
}


static void
test_nonces(void)
{
    char              header[LV_NODE_HEADER_MAX], *mem;
    size_t            size;
    uint8_t           nonce[LV_NODE_NONCE] = { 7 };
    unsigned          i, good, twice;
    lv_nodekeys_t    *keys;
    lv_node_nonces_t *nonces;

    size = LV_NODE_NONCES_SIZE(1024);
    mem = malloc(size);

    ok(lv_node_nonces_init(mem, 100) == NULL, "too small");
    nonces = lv_node_nonces_init(mem, size);
    ok(nonces != NULL, "room for 1,024");

    keys = load(KEY1);
    lv_node_sign(keys, str("GET"), str("/"), NOW, nonce, header);
    is_int(lv_node_verify(keys, nonces, str("GET"), str("/"), str(header),
                          NOW), LV_NODE_OK, "the first time");
    is_int(lv_node_verify(keys, nonces, str("GET"), str("/"), str(header),
                          NOW), LV_NODE_REPLAYED, "the second time");
    lv_nodekeys_free(keys);

    /* the memory is far too small for this: some old requests fail, but
     * nothing passes twice */

    good = twice = 0;

    for (i = 1; i < 100000; i++) {
        good += add(nonces, i, NOW + i / 1000) == LV_OK;
        twice += add(nonces, i, NOW + i / 1000) == LV_OK;

        if (i > 777) {
            twice += add(nonces, i - 777, NOW + (i - 777) / 1000) == LV_OK;
        }
    }

    is_int(twice, 0, "nothing passes twice");
    ok(good > 50000, "what is new passes: %u", good);

    free(mem);
}


int
main(void)
{
    test_files();
    test_signature();
    test_nonces();

    return done_testing();
}
