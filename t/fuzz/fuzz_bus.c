/*
 * What comes out of Redis. The first byte says what the rest is:
 *   0  a batch as it comes
 *   1  the items of a batch, which is signed here, since no mutation finds a
 *      signature; what can be read is written again and has to be the same
 *   2  a URL
 */

#include <stdlib.h>

#include "lv_bus.h"
#include "lv_redis_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static lv_nodekeys_t   *keys;
static lv_bus_batch_t   batch, copy;


static void
init(void)
{
    const char  *err;
    lv_str_t     file = lv_str("0123456789abcdef0123456789abcdef\n");

    keys = lv_nodekeys_load(file, &err);

    if (keys == NULL) {
        abort();
    }
}


/* Reading it, item by item, into a batch of its own. */
static void
items(lv_str_t text, size_t at, size_t end, lv_bus_batch_t *out)
{
    size_t         before;
    lv_bus_item_t  item;

    for ( ;; ) {
        before = at;

        if (lv_bus_next(text, &at, end, &item) != LV_OK) {
            return;
        }

        if (at <= before || at > end) {
            abort();
        }

        if (lv_bus_add(out, &item) == LV_ERROR) {
            abort();
        }
    }
}


static void
fresh(lv_bus_batch_t *b)
{
    lv_bus_head_t  head = { 0, 1, 2, 1, 3, lv_str("n") };

    lv_bus_begin(b, &head);
}


static void
signed_items(const uint8_t *data, size_t size)
{
    size_t         at, end;
    lv_str_t       text;
    lv_bus_head_t  head;

    fresh(&batch);

    if (size > LV_BUS_BATCH_MAX - LV_BUS_MAC - batch.len) {
        return;
    }

    memcpy(batch.data + batch.len, data, size);
    batch.len += size;
    (void) lv_bus_seal(&batch, keys);

    text.data = batch.data;
    text.len = batch.len;

    if (lv_bus_open(keys, 0, text, &head, &at, &end) != LV_OK) {
        abort();
    }

    fresh(&copy);
    items(text, at, end, &copy);

    /* what was read once is read the same way again */

    text.data = copy.data;
    text.len = copy.len;
    fresh(&batch);
    items(text, copy.head, copy.len, &batch);

    if (batch.len != copy.len
        || memcmp(batch.data, copy.data, copy.len) != 0)
    {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t           at, end;
    lv_str_t         text;
    const char      *err;
    lv_bus_head_t    head;
    lv_redis_url_t   url;

    if (keys == NULL) {
        init();
    }

    if (size == 0) {
        return 0;
    }

    text.data = data + 1;
    text.len = size - 1;

    switch (data[0] % 3) {

    case 0:
        if (lv_bus_open(keys, 0, text, &head, &at, &end) == LV_OK) {
            fresh(&copy);
            items(text, at, end, &copy);
        }

        break;

    case 1:
        signed_items(text.data, text.len);
        break;

    default:
        if (lv_redis_url_parse(text, &url, &err) == LV_OK
            && (strlen(url.password) >= LV_REDIS_TEXT
                || url.host.len > text.len))
        {
            abort();
        }

        break;
    }

    return 0;
}
