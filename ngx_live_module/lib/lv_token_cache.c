/* Remembered tokens: see lv_token_cache.h. */

#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "lv_token_cache.h"

#define LV_TOKEN_HASH  32


typedef struct {
    uint64_t    used;               /* when, in calls; 0: empty */
    uint8_t     hash[LV_TOKEN_HASH];
    lv_token_t  token;
} lv_token_entry_t;


struct lv_token_cache_s {
    EVP_MD            *md;          /* fetched once: the look-up by name costs
                                       as much as the hash itself */
    EVP_MD_CTX        *ctx;
    uint64_t           clock;
    size_t             used;
    size_t             sets;        /* a power of two */
    lv_token_entry_t  *entries;     /* sets * LV_TOKEN_WAYS */
};


static int lv_token_cache_hash(lv_token_cache_t *cache, lv_str_t text,
    uint8_t *hash);
static lv_token_entry_t *lv_token_cache_set(lv_token_cache_t *cache,
    const uint8_t *hash);


lv_token_cache_t *
lv_token_cache_create(size_t entries)
{
    lv_token_cache_t  *cache;

    cache = calloc(1, sizeof(lv_token_cache_t));
    if (cache == NULL) {
        return NULL;
    }

    cache->sets = 1;

    while (cache->sets * LV_TOKEN_WAYS < entries) {
        cache->sets *= 2;
    }

    cache->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    cache->ctx = EVP_MD_CTX_new();
    cache->entries = calloc(cache->sets * LV_TOKEN_WAYS,
                            sizeof(lv_token_entry_t));

    if (cache->md == NULL || cache->ctx == NULL || cache->entries == NULL) {
        lv_token_cache_destroy(cache);
        return NULL;
    }

    return cache;
}


void
lv_token_cache_destroy(lv_token_cache_t *cache)
{
    if (cache == NULL) {
        return;
    }

    EVP_MD_CTX_free(cache->ctx);
    EVP_MD_free(cache->md);
    free(cache->entries);
    free(cache);
}


void
lv_token_cache_clear(lv_token_cache_t *cache)
{
    size_t  i;

    if (cache->used == 0) {
        return;
    }

    for (i = 0; i < cache->sets * LV_TOKEN_WAYS; i++) {
        cache->entries[i].used = 0;
    }

    cache->used = 0;
}


int
lv_token_cache_verify(lv_token_cache_t *cache, const lv_keyset_t *keys,
    lv_str_t text, bool cached_only, lv_token_result_e *result,
    const lv_token_t **token)
{
    size_t             i;
    uint8_t            hash[LV_TOKEN_HASH];
    lv_token_t         fresh;
    lv_token_entry_t  *set, *victim;

    if (text.len > LV_TOKEN_SIZE_MAX) {
        *result = LV_TOKEN_TOO_LARGE;
        return LV_OK;
    }

    if (lv_token_cache_hash(cache, text, hash) != LV_OK) {
        *result = LV_TOKEN_MALFORMED;
        return LV_OK;
    }

    set = lv_token_cache_set(cache, hash);
    victim = set;
    cache->clock++;

    for (i = 0; i < LV_TOKEN_WAYS; i++) {
        if (set[i].used && memcmp(set[i].hash, hash, LV_TOKEN_HASH) == 0) {
            set[i].used = cache->clock;
            *token = &set[i].token;
            *result = LV_TOKEN_VALID;
            return LV_OK;
        }

        if (set[i].used < victim->used) {
            victim = &set[i];
        }
    }

    if (cached_only) {
        return LV_AGAIN;
    }

    *result = lv_token_verify(keys, text, &fresh);

    if (*result != LV_TOKEN_VALID) {
        return LV_OK;
    }

    if (victim->used == 0) {
        cache->used++;
    }

    victim->used = cache->clock;
    victim->token = fresh;
    memcpy(victim->hash, hash, LV_TOKEN_HASH);

    *token = &victim->token;

    return LV_OK;
}


static int
lv_token_cache_hash(lv_token_cache_t *cache, lv_str_t text, uint8_t *hash)
{
    if (EVP_DigestInit_ex(cache->ctx, cache->md, NULL) != 1
        || EVP_DigestUpdate(cache->ctx, text.data, text.len) != 1
        || EVP_DigestFinal_ex(cache->ctx, hash, NULL) != 1)
    {
        ERR_clear_error();
        return LV_ERROR;
    }

    return LV_OK;
}


/* Nobody but a signer can choose what is kept, so a plain part of the hash is
 * a fair place. */
static lv_token_entry_t *
lv_token_cache_set(lv_token_cache_t *cache, const uint8_t *hash)
{
    return &cache->entries[(lv_be64(hash) & (cache->sets - 1))
                           * LV_TOKEN_WAYS];
}


size_t
lv_token_cache_used(const lv_token_cache_t *cache)
{
    return cache->used;
}
