/*
 * Opaque tokens: a prefix that says what it is (also to those who search
 * leaked text for secrets), then 256 random bits as base64url. The database
 * has their SHA-256 only; with that many random bits nothing slower is needed.
 */

#ifndef TOKEN_H
#define TOKEN_H

#define TOKEN_API        "lvat_"    /* API token */
#define TOKEN_REFRESH    "lvrt_"    /* refresh token */

#define TOKEN_LEN        (5 + 43)
#define TOKEN_HASH_TEXT  65         /* 64 hexadecimal digits */

/* prefix: one of the above. */
void token_make(const char *prefix, char token[TOKEN_LEN + 1]);

/* SHA-256 of any text, as decode(…, 'hex') takes it. */
void token_hash(const char *text, char hash[TOKEN_HASH_TEXT]);

#endif
