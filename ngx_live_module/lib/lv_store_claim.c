#include "lv_store_int.h"


bool
lv_store_claim(lv_store_t *st, uint64_t key, uint32_t now_s, uint32_t ttl_s)
{
    uint64_t           word, mine;
    uint32_t           age;
    _Atomic uint64_t  *place;

    place = &st->h->claim[key % LV_CLAIMS];
    mine = (key & ~0xffffULL) | (now_s & 0xffff);
    word = atomic_load(place);

    do {
        age = (now_s - (uint32_t) word) & 0xffff;

        /* 0: never used; a second or two from the future: another process */

        if (word != 0 && (word ^ key) >> 16 == 0
            && (age < ttl_s || age > 0xffff - ttl_s))
        {
            return false;
        }

    } while (!atomic_compare_exchange_weak(place, &word, mine));

    return true;
}
