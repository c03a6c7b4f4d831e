#include "ngx_live_evictions.h"


typedef struct {
    uint32_t  gen;
    uint32_t  evicted;
} ngx_live_evictions_t;


/* What was known a second ago, by directory index. */
static ngx_live_evictions_t  ngx_live_evictions[LV_STREAMS_MAX];


void
ngx_live_evictions_look(lv_store_t *st, ngx_log_t *log)
{
    char                   id[LV_STREAM_ID_MAX + 1];
    uint32_t               i, count, gen, now, before;
    lv_stream_t           *s;
    ngx_live_evictions_t  *e;

    count = ngx_min(lv_stream_count(st), LV_STREAMS_MAX - 1);

    for (i = 1; i <= count; i++) {

        s = lv_stream_at(st, i, &gen);

        if (s == NULL) {
            continue;
        }

        e = &ngx_live_evictions[i];
        now = atomic_load(&s->evicted);
        before = (e->gen == gen) ? e->evicted : 0;

        e->gen = gen;
        e->evicted = now;

        if (now == before
            || (uint32_t) atomic_load(&s->owner) != lv_store_slot(st))
        {
            continue;
        }

        ngx_memcpy(id, s->id, LV_STREAM_ID_MAX);
        id[LV_STREAM_ID_MAX] = '\0';

        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "live: the store is full, stream \"%s\" lost %uD of its "
                      "oldest segments before their time", id, now - before);
    }
}
