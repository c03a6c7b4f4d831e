#include "ngx_live_evictions.h"


void
ngx_live_evictions_look(lv_store_t *st, ngx_log_t *log)
{
    char          id[LV_STREAM_ID_MAX + 1];
    uint32_t      i, count, gen, now, told;
    lv_stream_t  *s;

    count = lv_stream_count(st);

    for (i = 1; i <= count; i++) {

        s = lv_stream_at(st, i, &gen);

        if (s == NULL) {
            continue;
        }

        now = atomic_load(&s->evicted);
        told = atomic_load(&s->evicted_told);

        if (now == told
            || !atomic_compare_exchange_strong(&s->evicted_told, &told, now))
        {
            continue;
        }

        ngx_memcpy(id, s->id, LV_STREAM_ID_MAX);
        id[LV_STREAM_ID_MAX] = '\0';

        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "live: the store is full, stream \"%s\" lost %uD of its "
                      "oldest segments before their time", id, now - told);
    }
}
