/* Trusted proxies: see proxy.h. */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/proxy.h"

#define BLOCKS_MAX  64

typedef struct {
    unsigned char  addr[16];        /* IPv4 as ::ffff:a.b.c.d */
    int            bits;            /* of 128 */
} block_t;

struct proxies_s {
    int      count;
    block_t  blocks[BLOCKS_MAX];
};


static bool
addr_parse(const char *text, unsigned char addr[16], bool *v4)
{
    memset(addr, 0, 10);
    memset(addr + 10, 0xff, 2);

    *v4 = inet_pton(AF_INET, text, addr + 12) == 1;

    return *v4 || inet_pton(AF_INET6, text, addr) == 1;
}


proxies_t *
proxies_parse(const char *text)
{
    bool        v4, bad;
    char       *copy, *p, *save, *slash, *end;
    block_t    *b;
    proxies_t  *proxies;

    proxies = calloc(1, sizeof(*proxies));
    copy = strdup(text);

    if (proxies == NULL || copy == NULL) {
        abort();
    }

    bad = false;

    for (p = strtok_r(copy, " ,\t", &save); p != NULL && !bad;
         p = strtok_r(NULL, " ,\t", &save))
    {
        if (strcmp(p, "none") == 0) {
            continue;
        }

        slash = strchr(p, '/');
        if (slash != NULL) {
            *slash++ = '\0';
        }

        b = &proxies->blocks[proxies->count];
        bad = proxies->count == BLOCKS_MAX || !addr_parse(p, b->addr, &v4);

        if (!bad) {
            b->bits = slash != NULL
                          ? (int) strtol(slash, &end, 10) + (v4 ? 96 : 0)
                          : 128;
            bad = b->bits < (v4 ? 96 : 0) || b->bits > 128
                  || (slash != NULL && (end == slash || *end != '\0'));
            proxies->count++;
        }
    }

    free(copy);

    if (bad) {
        free(proxies);
        return NULL;
    }

    return proxies;
}


void
proxies_free(proxies_t *proxies)
{
    free(proxies);
}


bool
proxies_trust(const proxies_t *proxies, const char *text)
{
    int             bytes, rest;
    bool            v4;
    const block_t  *b;
    unsigned char   addr[16];

    if (!addr_parse(text, addr, &v4)) {
        return false;
    }

    for (int i = 0; i < proxies->count; i++) {
        b = &proxies->blocks[i];
        bytes = b->bits / 8;
        rest = b->bits % 8;

        if (memcmp(addr, b->addr, bytes) == 0
            && (rest == 0
                || (addr[bytes] ^ b->addr[bytes]) >> (8 - rest) == 0))
        {
            return true;
        }
    }

    return false;
}


void
proxies_client(const proxies_t *proxies, const char *peer,
    const char *forwarded, char dst[PROXY_ADDR])
{
    bool           v4;
    char           text[PROXY_ADDR];
    size_t         end, start, len;
    unsigned char  addr[16];

    snprintf(dst, PROXY_ADDR, "%s", peer);

    end = forwarded != NULL ? strlen(forwarded) : 0;

    while (end > 0 && proxies_trust(proxies, dst)) {

        for (start = end; start > 0 && forwarded[start - 1] != ','; start--) {
            /* to the comma in front */
        }

        len = end - start;
        end = start > 0 ? start - 1 : 0;

        while (len > 0 && strchr(" \t", forwarded[start]) != NULL) {
            start++;
            len--;
        }

        while (len > 0 && strchr(" \t", forwarded[start + len - 1]) != NULL) {
            len--;
        }

        if (len == 0 || len >= sizeof(text)) {
            return;
        }

        memcpy(text, forwarded + start, len);
        text[len] = '\0';

        if (!addr_parse(text, addr, &v4)) {
            return;
        }

        snprintf(dst, PROXY_ADDR, "%s", text);
    }
}

void
proxies_network(const char *addr, char network[PROXY_NETWORK])
{
    struct in_addr   v4;
    struct in6_addr  v6;
    char             text[INET6_ADDRSTRLEN];

    if (inet_pton(AF_INET, addr, &v4) == 1) {
        snprintf(network, PROXY_NETWORK, "%s/32", addr);
        return;
    }

    if (inet_pton(AF_INET6, addr, &v6) != 1) {
        snprintf(network, PROXY_NETWORK, "%s", addr);
        return;
    }

    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
        inet_ntop(AF_INET, &v6.s6_addr[12], text, sizeof(text));
        snprintf(network, PROXY_NETWORK, "%s/32", text);
        return;
    }

    memset(&v6.s6_addr[8], 0, 8);
    inet_ntop(AF_INET6, &v6, text, sizeof(text));
    snprintf(network, PROXY_NETWORK, "%s/64", text);
}
