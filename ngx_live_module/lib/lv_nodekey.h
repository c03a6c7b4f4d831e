/*
 * Requests between our own nodes and daemons: signed with a shared key, so
 * that nothing else can use the endpoints that are not for viewers.
 *
 *   Authorization: Live-Node <time>:<nonce>:<mac>
 *
 *   time   Unix seconds, decimal
 *   nonce  16 random bytes, hexadecimal; never used twice
 *   mac    HMAC-SHA256, lower-case hexadecimal, of the lines (each ends in
 *          one line feed, the last one too)
 *
 *            live-node-1
 *            <method>                 as in the request: GET
 *            <target>                 path and query as sent: /status?x=1
 *            <time>
 *            <nonce>
 *
 * The receiver's clock may differ by LV_NODE_SKEW_S, and each nonce is taken
 * once. The body is not covered: between nodes that do not trust their
 * network, TLS is.
 *
 * The key file has one key a line, 32 to 256 characters, used as they stand;
 * empty lines and lines that begin with # are skipped. The first key signs,
 * all of them verify, so that a key can be replaced without a gap:
 *   openssl rand -hex 32 > node.key
 */

#ifndef LV_NODEKEY_H
#define LV_NODEKEY_H

#include "lv_base.h"

#define LV_NODE_SCHEME      "Live-Node "
#define LV_NODE_SKEW_S      60
#define LV_NODE_NONCE       16              /* bytes */
#define LV_NODE_KEYS_MAX    4
#define LV_NODE_KEY_MIN     32
#define LV_NODE_KEY_MAX     256
#define LV_NODE_FILE_MAX    4096

/* Scheme, 20 digits of time, nonce, mac, two colons and the terminator. */
#define LV_NODE_HEADER_MAX  160

typedef struct lv_nodekeys_s    lv_nodekeys_t;
typedef struct lv_node_nonces_s lv_node_nonces_t;

typedef enum {
    LV_NODE_OK = 0,
    LV_NODE_MALFORMED,
    LV_NODE_WRONG_TIME,
    LV_NODE_WRONG_MAC,
    LV_NODE_REPLAYED
} lv_node_result_e;

/* From a key file's bytes; NULL on error, a static text in *err. */
lv_nodekeys_t *lv_nodekeys_load(lv_str_t file, const char **err);
void lv_nodekeys_free(lv_nodekeys_t *keys);

/*
 * The value of the Authorization header, terminated, into dst. nonce: 16
 * bytes from a cryptographic generator. LV_ERROR when the hash fails.
 */
int lv_node_sign(const lv_nodekeys_t *keys, lv_str_t method, lv_str_t target,
    int64_t now_s, const uint8_t nonce[LV_NODE_NONCE],
    char dst[LV_NODE_HEADER_MAX]);

/*
 * Checks a request with the value of its Authorization header. nonces may be
 * NULL, then a request can be repeated while its time is good.
 */
lv_node_result_e lv_node_verify(const lv_nodekeys_t *keys,
    lv_node_nonces_t *nonces, lv_str_t method, lv_str_t target,
    lv_str_t header, int64_t now_s);

/*
 * For what is no request: HMAC-SHA256 with the first key over a label (which
 * says what the bytes are, so that no signature is good for something else), a
 * line feed, and the bytes. LV_ERROR when the hash fails, or of sealed() when
 * no key has made that mac.
 */
#define LV_NODE_SEAL  32

int lv_node_seal(const lv_nodekeys_t *keys, const char *label, lv_str_t text,
    uint8_t mac[LV_NODE_SEAL]);
int lv_node_sealed(const lv_nodekeys_t *keys, const char *label, lv_str_t text,
    const uint8_t mac[LV_NODE_SEAL]);

/* Static. */
const char *lv_node_result_text(lv_node_result_e result);

/*
 * The nonces that were seen: of fixed size, without pointers, so that it can
 * lie in memory that several processes share (the caller locks). When a set is
 * full its oldest nonce goes, and from then on nothing as old as that is
 * taken: a flood of good requests can make old ones fail, never a replayed one
 * pass. init() returns NULL when size bytes are too few; O(1) each.
 */
#define LV_NODE_NONCES_SIZE(count)  (64 + (size_t) (count) * 32)

lv_node_nonces_t *lv_node_nonces_init(void *mem, size_t size);

/* LV_DECLINED: seen before, or too old to know. */
int lv_node_nonces_add(lv_node_nonces_t *nonces,
    const uint8_t nonce[LV_NODE_NONCE], int64_t time_s);

#endif
