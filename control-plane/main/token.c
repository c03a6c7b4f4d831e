/* Opaque tokens: see token.h. */

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "main/token.h"


void
token_make(const char *prefix, char token[TOKEN_LEN + 1])
{
    size_t         n;
    unsigned char  secret[32];

    randombytes_buf(secret, sizeof(secret));

    n = (size_t) snprintf(token, TOKEN_LEN + 1, "%s", prefix);
    sodium_bin2base64(token + n, TOKEN_LEN + 1 - n, secret, sizeof(secret),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(secret, sizeof(secret));
}


void
token_hash(const char *text, char hash[TOKEN_HASH_TEXT])
{
    unsigned char  sum[crypto_hash_sha256_BYTES];

    crypto_hash_sha256(sum, (const unsigned char *) text, strlen(text));
    sodium_bin2hex(hash, TOKEN_HASH_TEXT, sum, sizeof(sum));
}
