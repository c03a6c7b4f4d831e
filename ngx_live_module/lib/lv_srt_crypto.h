/*
 * SRT's encryption, the receiving side: AES-CTR with keys that the sender
 * wraps in key material messages, two at a time (even and odd), so that one is
 * replaced while the other is in use.
 *
 *   key encrypting key = PBKDF2-HMAC-SHA1(passphrase, last 8 bytes of the
 *                        salt, 2048 rounds, length of the key)
 *   stream keys        = RFC 3394 unwrapped with it
 *   counter            = (first 14 bytes of the salt XOR sequence number in
 *                        bytes 10 … 13), then a block count of 16 bits
 *
 * Source: draft-sharabayko-srt-01, sections 3.2.2 and 6.
 */

#ifndef LV_SRT_CRYPTO_H
#define LV_SRT_CRYPTO_H

#include "lv_base.h"

#define LV_SRT_PASSPHRASE_MIN  10
#define LV_SRT_PASSPHRASE_MAX  79
#define LV_SRT_KM_MAX          104     /* header, salt of 16, two keys of 32 */

typedef struct lv_srt_crypto_s  lv_srt_crypto_t;

/* NULL: out of memory, or a passphrase of another length than the above. */
lv_srt_crypto_t *lv_srt_crypto_create(const void *pass, size_t len);
void lv_srt_crypto_destroy(lv_srt_crypto_t *c);

/*
 * Takes a key material message. LV_OK: its keys are in use from now on.
 * LV_DECLINED: wrapped with another passphrase. LV_ERROR: it makes no sense,
 * or asks for a cipher that is not AES-CTR. With LV_OK it is to be sent back
 * as it is. The derivation takes about a millisecond; it is left out where
 * the salt or the whole message is the last one's.
 */
int lv_srt_crypto_km(lv_srt_crypto_t *c, const uint8_t *km, size_t n);
/* Would _km() have to derive a key for this message? */
bool lv_srt_crypto_km_costs(const lv_srt_crypto_t *c, const uint8_t *km,
    size_t n);
/* Length of the keys in bytes; 0 before the first. */
unsigned lv_srt_crypto_key_len(const lv_srt_crypto_t *c);

/* Decrypts a packet's payload. LV_DECLINED: there is no key of that kind. */
int lv_srt_crypto_open(lv_srt_crypto_t *c, unsigned kk, uint32_t seq,
    const uint8_t *in, size_t n, uint8_t *out);

#endif
