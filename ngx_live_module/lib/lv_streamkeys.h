/*
 * Stream keys in a file: who may publish without a control plane.
 *
 *  # stream id SHA-256 of the key, hexadecimal
 *  demo        2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b
 *
 * One line a key; a stream may have several (to replace one without a gap), a
 * key belongs to one stream. Empty lines and lines that begin with # are
 * skipped. Behind the SHA-256 may stand passphrase=TEXT, 10 to 79 characters
 * without blanks: what SRT is encrypted with for this key, in place of the
 * server's. The keys themselves stand nowhere:
 *   printf %s "$key" | sha256sum
 *
 * Immutable once loaded; may be read by several threads.
 */

#ifndef LV_STREAMKEYS_H
#define LV_STREAMKEYS_H

#include "lv_base.h"
#include "lv_stream_id.h"

#define LV_STREAMKEYS_FILE_MAX  (16 * 1024 * 1024)
#define LV_STREAMKEYS_MAX       100000
#define LV_STREAMKEY_MAX        2048        /* bytes of a key, or of a token */
#define LV_STREAMKEY_HASH       32

typedef struct lv_streamkeys_s  lv_streamkeys_t;

/*
 * From the file's bytes. NULL on error: a static text in *err, the number of
 * the line in *line (0: the file as a whole).
 */
lv_streamkeys_t *lv_streamkeys_load(lv_str_t file, const char **err,
    size_t *line);
void lv_streamkeys_free(lv_streamkeys_t *keys);

size_t lv_streamkeys_count(const lv_streamkeys_t *keys);

/* SHA-256 of a key. LV_ERROR when it is empty or too long. */
int lv_streamkey_hash(lv_str_t key, uint8_t hash[LV_STREAMKEY_HASH]);

/*
 * The stream that a key with this hash publishes: terminated, belongs to the
 * keys; NULL for an unknown one. O(1); the time it takes tells at most
 * something about the hash, of which nothing about the key follows.
 */
const char *lv_streamkeys_find(const lv_streamkeys_t *keys,
    const uint8_t hash[LV_STREAMKEY_HASH]);
/* Its passphrase, likewise; NULL: none. */
const char *lv_streamkeys_passphrase(const lv_streamkeys_t *keys,
    const uint8_t hash[LV_STREAMKEY_HASH]);

#endif
