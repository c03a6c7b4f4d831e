/* The claims of a token whose signature holds; for lv_token.c. */

#ifndef LV_TOKEN_CLAIMS_H
#define LV_TOKEN_CLAIMS_H

#include <jansson.h>

#include "lv_token.h"

/* LV_OK, or LV_ERROR for claims that lv_token.h does not allow. */
int lv_token_claims_parse(json_t *claims, lv_token_t *token);

/* An IPv4 address in an IPv6 one (::ffff:a.b.c.d) is that IPv4 address. */
void lv_token_addr_unmap(const uint8_t **addr, size_t *len);

#endif
