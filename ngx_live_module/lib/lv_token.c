/* Verification of tokens: see lv_token.h. The claims: lv_token_claims.c. */

#include <jansson.h>

#include "lv_b64.h"
#include "lv_token.h"
#include "lv_token_claims.h"


static const struct {
    const char  *name;
    const char  *text;
} lv_token_results[LV_TOKEN_RESULTS] = {
    [LV_TOKEN_VALID] = { "valid", "The token is valid." },
    [LV_TOKEN_MALFORMED] = { "malformed", "The token is malformed." },
    [LV_TOKEN_TOO_LARGE] = { "too large", "The token is too large." },
    [LV_TOKEN_UNKNOWN_KEY] = { "unknown key",
        "The token was signed with a key that is not known here." },
    [LV_TOKEN_WRONG_ALGORITHM] = { "wrong algorithm",
        "The token's algorithm is not the one of its key." },
    [LV_TOKEN_BAD_SIGNATURE] = { "bad signature",
        "The token's signature is not valid." },
    [LV_TOKEN_EXPIRED] = { "expired", "The token has expired." },
    [LV_TOKEN_NOT_YET_VALID] = { "not yet valid",
        "The token is not valid yet." },
    [LV_TOKEN_REVOKED] = { "revoked", "The token has been revoked." },
    [LV_TOKEN_WRONG_STREAM] = { "wrong stream",
        "The token is for another stream." },
    [LV_TOKEN_NOT_ALLOWED] = { "not allowed",
        "The token does not allow this." },
    [LV_TOKEN_WRONG_ADDRESS] = { "wrong address",
        "The token is for another address." },
    [LV_TOKEN_TOO_MANY] = { "too many sessions",
        "The token is in use by as many players as it allows." },
};


/* The three parts of a compact JWS, and what was signed (the first two). */
typedef struct {
    lv_str_t  header;
    lv_str_t  claims;
    lv_str_t  signature;
    lv_str_t  input;
} lv_token_parts_t;

typedef struct {
    lv_alg_e  alg;
    size_t    kid_len;
    uint8_t   kid[LV_KID_MAX];
} lv_token_header_t;


static int lv_token_split(lv_str_t text, lv_token_parts_t *parts);
static json_t *lv_token_object(lv_str_t part);
static lv_token_result_e lv_token_header(lv_str_t part,
    lv_token_header_t *header);
static lv_token_result_e lv_token_signature(const lv_keyset_t *keys,
    const lv_token_header_t *header, const lv_token_parts_t *parts);
static bool lv_token_addr_matches(const lv_token_t *token,
    const uint8_t *addr, size_t len);


lv_token_result_e
lv_token_verify(const lv_keyset_t *keys, lv_str_t text, lv_token_t *token)
{
    int                 rc;
    json_t             *claims;
    lv_token_t          tmp;
    lv_token_parts_t    parts;
    lv_token_header_t   header;
    lv_token_result_e   result;

    if (text.len > LV_TOKEN_SIZE_MAX) {
        return LV_TOKEN_TOO_LARGE;
    }

    if (lv_token_split(text, &parts) != LV_OK) {
        return LV_TOKEN_MALFORMED;
    }

    result = lv_token_header(parts.header, &header);
    if (result != LV_TOKEN_VALID) {
        return result;
    }

    result = lv_token_signature(keys, &header, &parts);
    if (result != LV_TOKEN_VALID) {
        return result;
    }

    /* from here on the text is the signer's own */

    claims = lv_token_object(parts.claims);
    if (claims == NULL) {
        return LV_TOKEN_MALFORMED;
    }

    rc = lv_token_claims_parse(claims, &tmp);

    json_decref(claims);

    if (rc != LV_OK) {
        return LV_TOKEN_MALFORMED;
    }

    *token = tmp;

    return LV_TOKEN_VALID;
}


static int
lv_token_split(lv_str_t text, lv_token_parts_t *parts)
{
    const uint8_t  *dot, *last, *end;

    if (text.len == 0) {
        return LV_ERROR;
    }

    end = text.data + text.len;

    dot = memchr(text.data, '.', text.len);
    if (dot == NULL) {
        return LV_ERROR;
    }

    last = memchr(dot + 1, '.', (size_t) (end - dot - 1));
    if (last == NULL) {
        return LV_ERROR;
    }

    parts->header.data = text.data;
    parts->header.len = (size_t) (dot - text.data);
    parts->claims.data = dot + 1;
    parts->claims.len = (size_t) (last - dot - 1);
    parts->signature.data = last + 1;
    parts->signature.len = (size_t) (end - last - 1);
    parts->input.data = text.data;
    parts->input.len = (size_t) (last - text.data);

    return LV_OK;
}


/* The JSON object in a part, or NULL. The size is bounded by the token's. */
static json_t *
lv_token_object(lv_str_t part)
{
    json_t   *object;
    size_t    len;
    uint8_t   buf[lv_b64url_decoded_max(LV_TOKEN_SIZE_MAX)];

    if (lv_b64url_decode(part, buf, sizeof(buf), &len) != LV_OK) {
        return NULL;
    }

    object = json_loadb((const char *) buf, len, JSON_REJECT_DUPLICATES, NULL);

    if (object != NULL && !json_is_object(object)) {
        json_decref(object);
        return NULL;
    }

    return object;
}


static lv_token_result_e
lv_token_header_fields(json_t *object, lv_token_header_t *header)
{
    /* each would bring a key, or a meaning, from outside the key file */
    static const char *const  refused[] = { "crit", "jku", "jwk", "x5u",
                                            "x5c", "enc", "zip" };
    size_t       i;
    json_t      *kid;
    const char  *alg;

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (json_object_get(object, refused[i]) != NULL) {
            return LV_TOKEN_MALFORMED;
        }
    }

    alg = json_string_value(json_object_get(object, "alg"));
    if (alg == NULL) {
        return LV_TOKEN_MALFORMED;
    }

    if (strcmp(alg, "EdDSA") == 0) {
        header->alg = LV_ALG_EDDSA;

    } else if (strcmp(alg, "ES256") == 0) {
        header->alg = LV_ALG_ES256;

    } else if (strcmp(alg, "HS256") == 0) {
        header->alg = LV_ALG_HS256;

    } else {
        return LV_TOKEN_WRONG_ALGORITHM;
    }

    header->kid_len = 0;

    kid = json_object_get(object, "kid");
    if (kid == NULL) {
        return LV_TOKEN_VALID;
    }

    if (!json_is_string(kid) || json_string_length(kid) == 0) {
        return LV_TOKEN_MALFORMED;
    }

    if (json_string_length(kid) > LV_KID_MAX) {
        return LV_TOKEN_UNKNOWN_KEY;
    }

    header->kid_len = json_string_length(kid);
    memcpy(header->kid, json_string_value(kid), header->kid_len);

    return LV_TOKEN_VALID;
}


static lv_token_result_e
lv_token_header(lv_str_t part, lv_token_header_t *header)
{
    json_t             *object;
    lv_token_result_e   result;

    object = lv_token_object(part);
    if (object == NULL) {
        return LV_TOKEN_MALFORMED;
    }

    result = lv_token_header_fields(object, header);

    json_decref(object);

    return result;
}


static lv_token_result_e
lv_token_signature(const lv_keyset_t *keys, const lv_token_header_t *header,
    const lv_token_parts_t *parts)
{
    size_t           i, len, tries;
    uint8_t          buf[96];       /* signatures have 32 or 64 bytes */
    lv_str_t         kid, sig;
    const lv_key_t  *key;

    if (lv_b64url_decode(parts->signature, buf, sizeof(buf), &len) != LV_OK) {
        return LV_TOKEN_MALFORMED;
    }

    sig.data = buf;
    sig.len = len;

    if (header->kid_len) {
        kid.data = header->kid;
        kid.len = header->kid_len;

        key = lv_keyset_find(keys, kid);

        if (key == NULL) {
            return LV_TOKEN_UNKNOWN_KEY;
        }

        if (lv_key_alg(key) != header->alg) {
            return LV_TOKEN_WRONG_ALGORITHM;
        }

        return lv_key_verify(key, parts->input, sig) == LV_OK
               ? LV_TOKEN_VALID : LV_TOKEN_BAD_SIGNATURE;
    }

    tries = 0;

    for (i = 0; i < lv_keyset_count(keys); i++) {
        key = lv_keyset_get(keys, i);

        if (lv_key_alg(key) != header->alg) {
            continue;
        }

        if (tries++ == LV_TOKEN_TRIES_MAX) {
            break;
        }

        if (lv_key_verify(key, parts->input, sig) == LV_OK) {
            return LV_TOKEN_VALID;
        }
    }

    return tries ? LV_TOKEN_BAD_SIGNATURE : LV_TOKEN_WRONG_ALGORITHM;
}


lv_token_result_e
lv_token_check(const lv_token_t *token, const lv_token_use_t *use)
{
    if (use->now_s - LV_TOKEN_LEEWAY_S >= token->exp_s) {
        return LV_TOKEN_EXPIRED;
    }

    if (use->now_s + LV_TOKEN_LEEWAY_S < token->nbf_s) {
        return LV_TOKEN_NOT_YET_VALID;
    }

    if (use->revoked != NULL && use->revoked(use->revoked_ctx, token)) {
        return LV_TOKEN_REVOKED;
    }

    if (!lv_token_names_stream(token, use->stream)) {
        return LV_TOKEN_WRONG_STREAM;
    }

    if ((token->can & use->can) != use->can) {
        return LV_TOKEN_NOT_ALLOWED;
    }

    if (!lv_token_addr_matches(token, use->addr, use->addr_len)) {
        return LV_TOKEN_WRONG_ADDRESS;
    }

    return LV_TOKEN_VALID;
}


bool
lv_token_names_stream(const lv_token_t *token, lv_str_t stream)
{
    size_t  i;

    if (token->any_stream) {
        return true;
    }

    for (i = 0; i < token->nstreams; i++) {
        if (lv_str_eq(stream, token->streams[i])) {
            return true;
        }
    }

    return false;
}


static bool
lv_token_addr_matches(const lv_token_t *token, const uint8_t *addr,
    size_t len)
{
    size_t   bytes;
    uint8_t  mask;

    if (token->ip_len == 0) {
        return true;
    }

    lv_token_addr_unmap(&addr, &len);

    if (len != token->ip_len) {
        return false;
    }

    bytes = token->ip_bits / 8;

    if (memcmp(addr, token->ip, bytes) != 0) {
        return false;
    }

    if (token->ip_bits % 8 == 0) {
        return true;
    }

    mask = (uint8_t) (0xff00 >> (token->ip_bits % 8));

    return ((addr[bytes] ^ token->ip[bytes]) & mask) == 0;
}


const char *
lv_token_result_name(lv_token_result_e result)
{
    return lv_token_results[result].name;
}


const char *
lv_token_result_text(lv_token_result_e result)
{
    return lv_token_results[result].text;
}
