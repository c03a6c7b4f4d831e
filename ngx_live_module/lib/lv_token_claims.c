/* From the JSON of the claims to a lv_token_t: see lv_token.h. */

#include <arpa/inet.h>

#include "lv_token_claims.h"

/* Larger numbers are not exact in JSON (RFC 8259 section 6). */
#define LV_TOKEN_TIME_MAX      (INT64_C(1) << 53)

#define LV_TOKEN_SESSIONS_MAX  1000000
#define LV_TOKEN_IP_MAX        64           /* "address/bits", text */


static int lv_token_time(json_t *claims, const char *name, int64_t *out);
static int lv_token_text(json_t *claims, const char *name, char *dst,
    size_t max);
static int lv_token_streams(json_t *value, lv_token_t *token);
static int lv_token_stream(json_t *value, lv_token_t *token);
static int lv_token_can(json_t *value, lv_token_t *token);
static int lv_token_can_words(json_t *value, lv_token_t *token);
static int lv_token_ip(json_t *value, lv_token_t *token);
static int lv_token_bits(const char *text, unsigned max, uint8_t *bits);


int
lv_token_claims_parse(json_t *claims, lv_token_t *token)
{
    json_t     *value;
    json_int_t  n;

    memset(token, 0, sizeof(lv_token_t));

    if (lv_token_time(claims, "exp", &token->exp_s) != LV_OK
        || lv_token_streams(json_object_get(claims, "stream"), token) != LV_OK
        || lv_token_can(json_object_get(claims, "can"), token) != LV_OK
        || lv_token_text(claims, "sub", token->sub,
                         LV_TOKEN_TEXT_MAX) == LV_ERROR
        || lv_token_text(claims, "jti", token->jti,
                         LV_TOKEN_TEXT_MAX) == LV_ERROR
        || lv_token_time(claims, "nbf", &token->nbf_s) == LV_ERROR)
    {
        return LV_ERROR;
    }

    /* optional, and of no use to whoever makes tokens: not worth refusing */
    if (lv_token_time(claims, "iat", &token->iat_s) != LV_OK) {
        token->iat_s = 0;
    }

    (void) lv_token_text(claims, "name", token->name, LV_TOKEN_NAME_MAX);
    (void) lv_token_text(claims, "role", token->role, LV_TOKEN_ROLE_MAX);

    value = json_object_get(claims, "ip");

    if (value != NULL && lv_token_ip(value, token) != LV_OK) {
        return LV_ERROR;
    }

    value = json_object_get(claims, "sessions");

    if (value != NULL) {
        n = json_integer_value(value);

        if (!json_is_integer(value) || n < 1 || n > LV_TOKEN_SESSIONS_MAX
            || token->jti[0] == '\0')
        {
            return LV_ERROR;
        }

        token->sessions = (uint32_t) n;
    }

    return LV_OK;
}


/* RFC 7519's NumericDate: may have a fraction. LV_DECLINED: not there. */
static int
lv_token_time(json_t *claims, const char *name, int64_t *out)
{
    double   real;
    json_t  *value;

    value = json_object_get(claims, name);

    if (value == NULL) {
        return LV_DECLINED;
    }

    if (!json_is_number(value)) {
        return LV_ERROR;
    }

    real = json_number_value(value);

    if (!(real >= 0 && real <= (double) LV_TOKEN_TIME_MAX)) {
        return LV_ERROR;
    }

    *out = (int64_t) real;

    return LV_OK;
}


static int
lv_token_text(json_t *claims, const char *name, char *dst, size_t max)
{
    size_t       i, len;
    json_t      *value;
    const char  *p;

    value = json_object_get(claims, name);

    if (value == NULL) {
        return LV_DECLINED;
    }

    p = json_string_value(value);
    len = json_string_length(value);

    if (p == NULL || len == 0 || len > max) {
        return LV_ERROR;
    }

    for (i = 0; i < len; i++) {
        if ((uint8_t) p[i] < 0x20 || p[i] == 0x7f) {
            return LV_ERROR;
        }
    }

    memcpy(dst, p, len);
    dst[len] = '\0';

    return LV_OK;
}


static int
lv_token_streams(json_t *value, lv_token_t *token)
{
    size_t  i, n;

    if (json_is_string(value)) {
        return lv_token_stream(value, token);
    }

    n = json_array_size(value);     /* 0 for what is not an array */

    if (n == 0 || n > LV_TOKEN_STREAMS_MAX) {
        return LV_ERROR;
    }

    for (i = 0; i < n; i++) {
        if (lv_token_stream(json_array_get(value, i), token) != LV_OK) {
            return LV_ERROR;
        }
    }

    return LV_OK;
}


static int
lv_token_stream(json_t *value, lv_token_t *token)
{
    lv_str_t  id;

    if (!json_is_string(value)) {
        return LV_ERROR;
    }

    id.data = (const uint8_t *) json_string_value(value);
    id.len = json_string_length(value);

    if (lv_str_eq(id, "*")) {
        token->any_stream = true;
        return LV_OK;
    }

    if (!lv_stream_id_valid(id)) {
        return LV_ERROR;
    }

    memcpy(token->streams[token->nstreams++], id.data, id.len);

    return LV_OK;
}


static int
lv_token_can(json_t *value, lv_token_t *token)
{
    size_t  i;

    if (json_is_string(value)) {
        return lv_token_can_words(value, token);
    }

    if (!json_is_array(value)) {
        return LV_ERROR;
    }

    for (i = 0; i < json_array_size(value); i++) {
        if (lv_token_can_words(json_array_get(value, i), token) != LV_OK) {
            return LV_ERROR;
        }
    }

    return LV_OK;
}


static int
lv_token_can_words(json_t *value, lv_token_t *token)
{
    size_t       len;
    lv_str_t     word;
    const char  *p;

    p = json_string_value(value);
    if (p == NULL) {
        return LV_ERROR;
    }

    while (*p != '\0') {
        len = strcspn(p, " ");
        word.data = (const uint8_t *) p;
        word.len = len;

        if (lv_str_eq(word, "watch")) {
            token->can |= LV_TOKEN_WATCH;

        } else if (lv_str_eq(word, "chat")) {
            token->can |= LV_TOKEN_CHAT;

        } else if (lv_str_eq(word, "publish")) {
            token->can |= LV_TOKEN_PUBLISH;
        }

        p += len;
        p += strspn(p, " ");
    }

    return LV_OK;
}


static int
lv_token_ip(json_t *value, lv_token_t *token)
{
    char            buf[LV_TOKEN_IP_MAX], *slash;
    size_t          len;
    uint8_t         bits;
    const char     *text;
    const uint8_t  *addr;

    text = json_string_value(value);
    len = json_string_length(value);

    if (text == NULL || len >= sizeof(buf)) {
        return LV_ERROR;
    }

    memcpy(buf, text, len + 1);

    slash = strchr(buf, '/');
    if (slash != NULL) {
        *slash++ = '\0';
    }

    if (inet_pton(AF_INET, buf, token->ip) == 1) {
        token->ip_len = 4;
        token->ip_bits = 32;

    } else if (inet_pton(AF_INET6, buf, token->ip) == 1) {
        token->ip_len = 16;
        token->ip_bits = 128;

    } else {
        return LV_ERROR;
    }

    if (slash != NULL) {
        if (lv_token_bits(slash, token->ip_bits, &bits) != LV_OK) {
            return LV_ERROR;
        }

        token->ip_bits = bits;
    }

    addr = token->ip;
    len = token->ip_len;

    /* a block wider than all of IPv4 stays one of IPv6 */
    if (len == 4 || token->ip_bits < 96) {
        return LV_OK;
    }

    lv_token_addr_unmap(&addr, &len);

    if (len == 4) {
        memmove(token->ip, addr, 4);
        token->ip_len = 4;
        token->ip_bits -= 96;
    }

    return LV_OK;
}


static int
lv_token_bits(const char *text, unsigned max, uint8_t *bits)
{
    unsigned  n;

    if (*text == '\0' || strlen(text) > 3) {
        return LV_ERROR;
    }

    for (n = 0; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return LV_ERROR;
        }

        n = n * 10 + (unsigned) (*text - '0');
    }

    if (n > max) {
        return LV_ERROR;
    }

    *bits = (uint8_t) n;

    return LV_OK;
}


void
lv_token_addr_unmap(const uint8_t **addr, size_t *len)
{
    static const uint8_t  mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                         0xff, 0xff };

    if (*len == 16 && memcmp(*addr, mapped, sizeof(mapped)) == 0) {
        *addr += 12;
        *len = 4;
    }
}
