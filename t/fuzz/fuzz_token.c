/*
 * Tokens from outside. The first byte says what the rest is:
 *   0  a token as it comes
 *   1  claims, which are signed here, since no mutation finds a signature
 *   2  a header, signed likewise
 *   3  a text with URIs, for what takes tokens out of it
 */

#include <stdlib.h>

#include "../unit/jwt.h"
#include "lv_redact.h"
#include "lv_token.h"
#include "lv_token_cache.h"

#define CLAIMS  "{\"exp\":1800000100,\"stream\":\"demo\",\"can\":\"watch\"}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static jwt_key_t          key = { "HS256", NULL,
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" };
static lv_keyset_t       *keys;
static lv_token_cache_t  *cache;


static void
init(void)
{
    char        *jwk, json[512];
    lv_str_t     file;
    const char  *err;

    jwk = jwt_jwk(&key, "k", "");
    file.data = (uint8_t *) json;
    file.len = (size_t) snprintf(json, sizeof(json), "{\"keys\":[%s]}", jwk);
    free(jwk);

    keys = lv_keyset_load(file, &err);
    cache = lv_token_cache_create(64);

    if (keys == NULL || cache == NULL) {
        abort();
    }
}


static void
check(lv_str_t text)
{
    uint8_t             addr[4] = { 10, 0, 0, 1 };
    lv_token_t          copy;
    lv_token_use_t      use;
    const lv_token_t   *token;
    lv_token_result_e   a, b;

    memset(&use, 0, sizeof(use));
    use.now_s = 1800000000;
    use.stream.data = (const uint8_t *) "demo";
    use.stream.len = 4;
    use.can = LV_TOKEN_WATCH;
    use.addr = addr;
    use.addr_len = 4;

    a = lv_token_verify(keys, text, &copy);
    (void) lv_token_cache_verify(cache, keys, text, false, &b, &token);

    /* from memory or not, the same */
    if (a != b
        || (a == LV_TOKEN_VALID
            && lv_token_check(&copy, &use) != lv_token_check(token, &use)))
    {
        abort();
    }
}


static void
redact(const uint8_t *data, size_t size)
{
    bool       found;
    size_t     len;
    uint8_t   *dst;
    lv_str_t   src = { data, size }, value;

    dst = malloc(size ? size : 1);

    len = lv_redact_text(src, dst, &found);

    if (len > size) {
        abort();
    }

    (void) lv_redact_path(src, dst, &len, &value);

    /* what was taken out once is not there a second time */

    if (lv_redact_arg(src, "token", dst, &len, &value) == LV_OK) {
        uint8_t  *again = malloc(len ? len : 1);

        src.data = dst;
        src.len = len;

        if (lv_redact_arg(src, "token", again, &len, &value) == LV_OK) {
            abort();
        }

        free(again);
    }

    free(dst);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char      *text, *token;
    lv_str_t   str;

    if (keys == NULL) {
        init();
    }

    if (size == 0 || size > 4096) {
        return 0;
    }

    str.data = data + 1;
    str.len = size - 1;

    if (data[0] % 4 == 0) {
        check(str);
        return 0;
    }

    if (data[0] % 4 == 3) {
        redact(data + 1, size - 1);
        return 0;
    }

    text = jwt_alloc(size);
    memcpy(text, data + 1, size - 1);

    token = data[0] % 4 == 1
            ? jwt_sign(&key, "{\"alg\":\"HS256\",\"kid\":\"k\"}", text)
            : jwt_sign(&key, text, CLAIMS);

    str.data = (const uint8_t *) token;
    str.len = strlen(token);
    check(str);

    free(token);
    free(text);

    return 0;
}
