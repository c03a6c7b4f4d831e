/* Stream keys in a file. */

#include "tap.h"
#include "lv_streamkeys.h"

/* printf %s secret | sha256sum, and of other */
#define H1  "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
#define H2  "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"


static lv_str_t
str(const char *s)
{
    lv_str_t  v = { (const uint8_t *) s, strlen(s) };

    return v;
}


static void
refused(const char *file, const char *want, size_t want_line)
{
    size_t            line = 99;
    const char       *err = "(nothing)";
    lv_streamkeys_t  *keys;

    keys = lv_streamkeys_load(str(file), &err, &line);
    ok(keys == NULL, "refused");
    is_str(err, want, want);
    is_int((long long) line, (long long) want_line, "the line");
    lv_streamkeys_free(keys);
}


static const char *
find(lv_streamkeys_t *keys, const char *key)
{
    uint8_t      hash[LV_STREAMKEY_HASH];
    const char  *id;

    if (lv_streamkey_hash(str(key), hash) != LV_OK) {
        return "(error)";
    }

    id = lv_streamkeys_find(keys, hash);

    return id ? id : "(unknown)";
}


static void
test_passphrase(void)
{
    size_t            line;
    uint8_t           hash[LV_STREAMKEY_HASH];
    const char       *err = "";
    lv_streamkeys_t  *keys;

    keys = lv_streamkeys_load(str("a " H1 " passphrase=correct-horse # x\n"
                                  "b " H2 "\n"), &err, &line);
    ok(keys != NULL, "a key with a passphrase");

    lv_streamkey_hash(str("secret"), hash);
    is_str(lv_streamkeys_passphrase(keys, hash), "correct-horse",
           "its passphrase");
    lv_streamkey_hash(str("other"), hash);
    ok(lv_streamkeys_passphrase(keys, hash) == NULL, "another's: none");
    lv_streamkeys_free(keys);

    refused("a " H1 " passphrase=too-short", "a passphrase has 10 to 79 "
            "characters", 1);
    refused("a " H1 " passphrase=correct-horse more", "more than a stream id "
            "and a SHA-256", 1);
}


static void
test_good(void)
{
    size_t            line;
    const char       *err = "";
    lv_streamkeys_t  *keys;

    keys = lv_streamkeys_load(str("# keys\r\n\n demo\t" H1 "\r\n"
                                  "demo " H2 "  # spare\n#"), &err, &line);

    if (!ok(keys != NULL, "two keys")) {
        diag("%s, line %zu", err, line);
        return;
    }

    is_int(lv_streamkeys_count(keys), 2, "two");
    is_str(find(keys, "secret"), "demo", "the first");
    is_str(find(keys, "other"), "demo", "the second");
    is_str(find(keys, "Secret"), "(unknown)", "another");
    is_str(find(keys, "secret "), "(unknown)", "another with a space");
    is_str(find(keys, ""), "(error)", "an empty key");
    is_str(find(keys, H1), "(unknown)", "the hash is not the key");
    lv_streamkeys_free(keys);

    keys = lv_streamkeys_load(str(""), &err, &line);
    ok(keys != NULL && lv_streamkeys_count(keys) == 0, "an empty file");
    is_str(find(keys, "secret"), "(unknown)", "nobody may");
    lv_streamkeys_free(keys);
}


static void
test_refused(void)
{
    refused("demo\n", "no SHA-256 of 64 hexadecimal digits behind the "
            "stream id", 1);
    refused("\n\ndemo abc\n", "no SHA-256 of 64 hexadecimal digits behind the "
            "stream id", 3);
    refused("demo " H1 "0", "no SHA-256 of 64 hexadecimal digits behind the "
            "stream id", 1);
    refused("-demo " H1, "the stream id is not valid", 1);
    refused("de/mo " H1, "the stream id is not valid", 1);
    refused("demo " H1 " more", "more than a stream id and a SHA-256", 1);
    refused("a " H1 "\nb " H1, "the same key a second time", 2);
    refused("demo secret", "no SHA-256 of 64 hexadecimal digits behind the "
            "stream id", 1);
}


static void
test_many(void)
{
    char             *file, *p, key[32];
    size_t            i, j, line, bad;
    uint8_t           hash[LV_STREAMKEY_HASH];
    const char       *err, *id;
    lv_streamkeys_t  *keys;

    file = p = malloc(100001 * 80);

    for (i = 0; i <= 100000; i++) {
        snprintf(key, sizeof(key), "key %zu", i);
        (void) lv_streamkey_hash(str(key), hash);
        p += sprintf(p, "s%zu ", i);

        for (j = 0; j < sizeof(hash); j++) {
            p += sprintf(p, "%02x", hash[j]);
        }

        *p++ = '\n';

        if (i == 99999) {
            *p = '\0';
        }

        if (i == 100000) {
            break;
        }

        if (i == 99999) {
            keys = lv_streamkeys_load(str(file), &err, &line);
            ok(keys != NULL, "100,000 keys");

            for (j = 0, bad = 0; j < 100000; j += 7) {
                snprintf(key, sizeof(key), "key %zu", j);
                (void) lv_streamkey_hash(str(key), hash);
                id = lv_streamkeys_find(keys, hash);
                bad += id == NULL || (size_t) atoi(id + 1) != j;
            }

            is_int((long long) bad, 0, "each is found");
            lv_streamkeys_free(keys);
        }
    }

    *p = '\0';
    refused(file, "more than 100000 keys", 100001);
    free(file);
}


int
main(void)
{
    test_good();
    test_passphrase();
    test_refused();
    test_many();

    return done_testing();
}
