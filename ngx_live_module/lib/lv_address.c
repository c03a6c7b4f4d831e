#include "lv_address.h"

#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

typedef struct {
    uint8_t   bytes[16];
    unsigned  bits;
} block_t;

static const block_t  blocks4[] = {
    { { 0 }, 8 },                       /* this network */
    { { 10 }, 8 },                      /* private */
    { { 100, 64 }, 10 },                /* carriers' NAT */
    { { 127 }, 8 },                     /* loopback */
    { { 169, 254 }, 16 },               /* link-local */
    { { 172, 16 }, 12 },                /* private */
    { { 192, 0, 0 }, 24 },              /* protocol assignments */
    { { 192, 0, 2 }, 24 },              /* documentation */
    { { 192, 88, 99 }, 24 },            /* 6to4 relays */
    { { 192, 168 }, 16 },               /* private */
    { { 198, 18 }, 15 },                /* benchmarks */
    { { 198, 51, 100 }, 24 },           /* documentation */
    { { 203, 0, 113 }, 24 },            /* documentation */
    { { 224 }, 4 },                     /* multicast */
    { { 240 }, 4 },                     /* reserved, broadcast */
};

/* Of IPv6 only 2000::/3 is anybody's; of that not: */
static const block_t  blocks6[] = {
    { { 0x20, 0x01, 0x00 }, 23 },       /* protocol assignments, Teredo */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
    { { 0x20, 0x02 }, 16 },             /* 6to4: an IPv4 address inside */
    { { 0x3f, 0xff, 0x00 }, 20 },       /* documentation */
};

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))


static bool
block_has(const block_t *block, const uint8_t *addr)
{
    unsigned  n, rest;

    n = block->bits / 8;
    rest = block->bits % 8;

    if (memcmp(block->bytes, addr, n) != 0) {
        return false;
    }

    return rest == 0
           || ((block->bytes[n] ^ addr[n]) & (0xff << (8 - rest) & 0xff)) == 0;
}


static bool
is_public4(const uint8_t *addr)
{
    size_t  i;

    for (i = 0; i < COUNT(blocks4); i++) {
        if (block_has(&blocks4[i], addr)) {
            return false;
        }
    }

    return true;
}


static bool
is_public6(const uint8_t *addr)
{
    size_t  i;

    static const uint8_t  nat64[12] = { 0x00, 0x64, 0xff, 0x9b };

    /* who is behind the translator decides */

    if (memcmp(addr, nat64, sizeof(nat64)) == 0) {
        return is_public4(addr + 12);
    }

    if ((addr[0] & 0xe0) != 0x20) {
        return false;
    }

    for (i = 0; i < COUNT(blocks6); i++) {
        if (block_has(&blocks6[i], addr)) {
            return false;
        }
    }

    return true;
}


bool
lv_address_is_public(const struct sockaddr *addr, socklen_t len)
{
    struct sockaddr_in   in;
    struct sockaddr_in6  in6;

    if (addr->sa_family == AF_INET && len >= (socklen_t) sizeof(in)) {
        memcpy(&in, addr, sizeof(in));
        return is_public4((const uint8_t *) &in.sin_addr);
    }

    if (addr->sa_family == AF_INET6 && len >= (socklen_t) sizeof(in6)) {
        memcpy(&in6, addr, sizeof(in6));
        return is_public6(in6.sin6_addr.s6_addr);
    }

    return false;
}
