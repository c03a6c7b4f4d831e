/*
 * Key files. The first byte says which: 0 a key set, 1 stream keys, 2 node
 * keys, 3 the header of a signed request between nodes.
 */

#include <stdlib.h>

#include "lv_keyset.h"
#include "lv_nodekey.h"
#include "lv_streamkeys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
keyset(lv_str_t file)
{
    size_t        i;
    lv_str_t      sig, text = lv_str("text");
    const char   *err;
    lv_keyset_t  *set;

    set = lv_keyset_load(file, &err);

    if (set == NULL) {
        return;
    }

    sig.data = (const uint8_t *) "0123456789abcdef0123456789abcdef"
                                 "0123456789abcdef0123456789abcdef";

    for (i = 0; i < lv_keyset_count(set); i++) {
        sig.len = lv_key_alg(lv_keyset_get(set, i)) == LV_ALG_HS256 ? 32 : 64;

        if (lv_key_verify(lv_keyset_get(set, i), text, sig) == LV_OK) {
            abort();
        }
    }

    lv_keyset_free(set);
}


static void
streamkeys(lv_str_t file)
{
    size_t            line;
    uint8_t           hash[LV_STREAMKEY_HASH] = { 0 };
    const char       *err;
    lv_streamkeys_t  *keys;

    keys = lv_streamkeys_load(file, &err, &line);

    if (keys != NULL) {
        (void) lv_streamkeys_find(keys, hash);
        lv_streamkeys_free(keys);
    }
}


static void
node(lv_str_t header)
{
    lv_str_t        method = lv_str("GET"), target = lv_str("/status");
    lv_str_t        file = lv_str("0123456789abcdef0123456789abcdef");
    const char     *err;
    lv_nodekeys_t  *keys;

    keys = lv_nodekeys_load(file, &err);

    if (lv_node_verify(keys, NULL, method, target, header, 1800000000)
        == LV_NODE_OK)
    {
        /* only the one that is in the corpus */
        if (memcmp(header.data, "Live-Node 1800000000:", 21) != 0) {
            abort();
        }
    }

    lv_nodekeys_free(keys);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lv_str_t        str;
    const char     *err;

    if (size == 0) {
        return 0;
    }

    str.data = data + 1;
    str.len = size - 1;

    switch (data[0] % 4) {

    case 0:
        keyset(str);
        break;

    case 1:
        streamkeys(str);
        break;

    case 2:
        lv_nodekeys_free(lv_nodekeys_load(str, &err));
        break;

    default:
        node(str);
        break;
    }

    return 0;
}
