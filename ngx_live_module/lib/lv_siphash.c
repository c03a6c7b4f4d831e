#include "lv_siphash.h"


#define ROTL(x, b)  ((x) << (b) | (x) >> (64 - (b)))


static uint64_t
le64(const uint8_t *p, size_t n)
{
    size_t    i;
    uint64_t  v;

    for (v = 0, i = 0; i < n; i++) {
        v |= (uint64_t) p[i] << (8 * i);
    }

    return v;
}


static void
rounds(uint64_t v[4], unsigned n)
{
    while (n-- > 0) {
        v[0] += v[1];
        v[1] = ROTL(v[1], 13) ^ v[0];
        v[0] = ROTL(v[0], 32);
        v[2] += v[3];
        v[3] = ROTL(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = ROTL(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = ROTL(v[1], 17) ^ v[2];
        v[2] = ROTL(v[2], 32);
    }
}


uint64_t
lv_siphash(const uint8_t key[16], const void *data, size_t n)
{
    size_t          i;
    uint64_t        v[4], m;
    const uint8_t  *p = data;

    v[0] = le64(key, 8) ^ 0x736f6d6570736575ULL;
    v[1] = le64(key + 8, 8) ^ 0x646f72616e646f6dULL;
    v[2] = le64(key, 8) ^ 0x6c7967656e657261ULL;
    v[3] = le64(key + 8, 8) ^ 0x7465646279746573ULL;

    for (i = 0; i + 8 <= n; i += 8) {
        m = le64(p + i, 8);
        v[3] ^= m;
        rounds(v, 2);
        v[0] ^= m;
    }

    m = (uint64_t) n << 56 | le64(p + i, n - i);
    v[3] ^= m;
    rounds(v, 2);
    v[0] ^= m;
    v[2] ^= 0xff;
    rounds(v, 4);

    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
