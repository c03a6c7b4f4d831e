/*
 * Verified tokens, remembered by the SHA-256 of their whole text, so that a
 * viewer's signature is checked once and not with every request.
 *
 * Only tokens whose signature and claims hold are kept, and only what does not
 * depend on the moment: the caller does lv_token_check() each time. Of fixed
 * size; a full cache forgets what was used longest ago among the LV_TOKEN_WAYS
 * entries that a hash can be in. All operations are O(1).
 *
 * One cache belongs to one set of keys: lv_token_cache_clear() when that is
 * replaced. Not for several threads at once.
 */

#ifndef LV_TOKEN_CACHE_H
#define LV_TOKEN_CACHE_H

#include "lv_token.h"

#define LV_TOKEN_WAYS  8

typedef struct lv_token_cache_s  lv_token_cache_t;

/* Room for `entries` tokens, rounded up to a power of two (at least 8). About
 * 800 bytes each, of which untouched ones cost nothing. NULL: no memory. */
lv_token_cache_t *lv_token_cache_create(size_t entries);
void lv_token_cache_destroy(lv_token_cache_t *cache);
void lv_token_cache_clear(lv_token_cache_t *cache);

/*
 * What lv_token_verify() says, from memory where possible. *token points into
 * the cache and is good until the next call. With cached_only a token that is
 * not remembered gives LV_AGAIN and costs nothing but the hash; otherwise the
 * return value is LV_OK and *result is set.
 */
int lv_token_cache_verify(lv_token_cache_t *cache, const lv_keyset_t *keys,
    lv_str_t text, bool cached_only, lv_token_result_e *result,
    const lv_token_t **token);

/* How many tokens are remembered; for tests and metrics. */
size_t lv_token_cache_used(const lv_token_cache_t *cache);

#endif
