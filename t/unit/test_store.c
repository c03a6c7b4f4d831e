/* The store, one process at a time: opening, slots, memory. */

#include "store_fixture.h"


/* ---- opening ------------------------------------------------------------ */

static void
refusals(void)
{
    void             *base, *small;
    uint8_t          *p;
    const char       *err;
    lv_store_t       *st;
    lv_store_conf_t   conf;

    memset(&conf, 0, sizeof(conf));
    conf.owner = FIX_OWNER;

    small = fix_map(4 * MIB);
    fix_refused(lv_store_format(small, 4 * MIB, &conf, &err) == LV_ERROR, &err,
            "a store of 4 MiB is refused");

    base = fix_map(8 * MIB);
    fix_refused(lv_store_attach(base, 8 * MIB, FIX_OWNER, fix_ring, NULL, &err)
            == NULL, &err, "zeroed memory is refused");
    fix_refused(lv_store_attach(base, 100, FIX_OWNER, fix_ring, NULL, &err)
            == NULL, &err, "a few bytes are refused");

    ok(lv_store_format(base, 8 * MIB, &conf, &err) == LV_OK, "format");
    fix_refused(lv_store_attach(base, 7 * MIB, FIX_OWNER, fix_ring, NULL, &err)
            == NULL, &err, "another size is refused");
    fix_refused(lv_store_attach(base, 8 * MIB, "/run/other.pid", fix_ring, NULL,
                                &err)
            == NULL, &err, "another owner is refused");
    ok(lv_store_attach(base, 8 * MIB, "/run/test.pid2", fix_ring, NULL, &err)
       == NULL, "a longer owner is refused");

    p = base;
    p[8] ^= 1;
    fix_refused(lv_store_attach(base, 8 * MIB, FIX_OWNER, fix_ring, NULL, &err)
            == NULL, &err, "another layout is refused");
    p[8] ^= 1;
    p[0] ^= 1;
    fix_refused(lv_store_attach(base, 8 * MIB, FIX_OWNER, fix_ring, NULL, &err)
            == NULL, &err, "another magic is refused");
    p[0] ^= 1;

    st = lv_store_attach(base, 8 * MIB, FIX_OWNER, fix_ring, NULL, &err);
    ok(st != NULL, "the right one attaches");
    fix_check(st, "when fresh");
    lv_store_detach(st);
    munmap(base, 8 * MIB);
    munmap(small, 4 * MIB);
}


static void
sizes(void)
{
    size_t            i;
    void             *base;
    uint64_t          need;
    const char       *err;
    lv_store_t       *st;
    lv_store_stat_t   stat;

    static const size_t  size[] = { 8 * MIB, 8 * MIB + 12345, 64 * MIB,
                                    100 * MIB + 1, 512ul * MIB };

    for (i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
        base = fix_format(size[i]);
        st = lv_store_attach(base, size[i], FIX_OWNER, fix_ring, NULL, &err);
        lv_store_stat(st, &stat);
        need = (uint64_t) stat.extents * LV_EXTENT;
        /* what chat and cluster take at least weighs in a small one */
        ok(need > size[i] / 100 * (size[i] < 64 * MIB ? 75 : 85)
           && need < size[i],
           "%zu MiB: %u extents (%.1f %%), %u parts, %u streams, %u tracks",
           size[i] / MIB, stat.extents, 100.0 * (double) need
           / (double) size[i], stat.parts, stat.streams, stat.tracks);
        lv_store_detach(st);
        munmap(base, size[i]);
    }
}


static void
slots(void)
{
    int              n;
    void            *base;
    const char      *err;
    lv_store_t      *st[LV_SLOTS + 1];
    lv_slot_info_t   info;

    base = fix_format(8 * MIB);

    memset(st, 0, sizeof(st));

    for (n = 0; n <= LV_SLOTS; n++) {
        st[n] = lv_store_attach(base, 8 * MIB, FIX_OWNER, fix_ring, NULL, &err);

        if (lv_store_join(st[n], 1000 + (uint32_t) n, 3, 77, &err) != LV_OK) {
            break;
        }
    }

    is_int(n, LV_SLOTS, "every slot can be taken");
    fix_refused(n == LV_SLOTS, &err, "no more");
    lv_store_slot_info(st[0], 5, &info);
    ok(info.used && info.pid == 1005 && info.generation == 3
       && info.since_ms == 77, "slot info");

    lv_store_leave(st[5]);
    lv_store_slot_info(st[0], 5, &info);
    ok(!info.used, "a slot is left");
    is_int(lv_store_join(st[LV_SLOTS], 1, 1, 1, &err), LV_OK, "and taken");
    is_int(lv_store_slot(st[LV_SLOTS]), 5, "by the next one");
    is_int(lv_store_secret(st[0])[0], 7, "secret");

    lv_counter_add(st[7], 3, 10);
    lv_counter_add(st[8], 3, 5);
    lv_counter_add(st[8], LV_COUNTERS, 5);
    is_int((long long) lv_counter_sum(st[0], 3), 15, "counters add up");
    lv_store_leave(st[8]);
    is_int((long long) lv_counter_sum(st[0], 3), 15, "also of who left");

    for (n = 0; n <= LV_SLOTS; n++) {
        lv_store_detach(st[n]);
    }

    munmap(base, 8 * MIB);
}


/* Nothing that is in shared memory may make a reader fault. */
static void
garbage(void)
{
    int              i, n;
    void            *base;
    size_t           len;
    uint32_t         k, e, gen, id;
    uint64_t         r;
    lv_run_t         it;
    fix_source_t         x;
    lv_store_t      *st;
    lv_track_t      *t;
    lv_part_ref_t    ref;
    const uint8_t   *p;
    lv_track_desc_t  d;

    base = fix_format(8 * MIB);
    st = fix_join(base, 8 * MIB);
    fix_source_open(st, &x, "one", 0, 30000);
    for (i = 0; i < 10; i++) {
        fix_source_segment(st, &x, 1);
    }

    r = 88172645463325252ULL;
    e = 0;
    n = 0;

    for (i = 0; i < 3000; i++) {
        for (k = 0; k < 20; k++) {
            r ^= r << 13;
            r ^= r >> 7;
            r ^= r << 17;
            id = (uint32_t) (r % LV_RING);
            x.v->ring[id] = (uint32_t) (r >> 20);
            x.v->head = r & 4 ? (uint64_t) e << 32 | (r >> 50) : r;
            x.v->tail_seq = (uint32_t) (r >> 11);
            x.v->init[r % LV_INITS] = (uint32_t) (r >> 9);
            x.s->track[r % 2] = r & 8 ? (uint32_t) (r >> 33)
                                      : (uint32_t) (r >> 60);
            x.s->track_count = (uint32_t) (r >> 40);
            e = (uint32_t) r;
        }

        t = lv_stream_track(st, x.s, "v0", 2);
        t = t ? t : x.v;
        lv_track_desc(t, &d);
        n += lv_track_newest(st, t, &ref) == LV_OK;
        n += lv_track_oldest(st, t, &ref) == LV_OK;
        n += lv_track_find(st, t, x.s->epoch + 3, 1, &ref) == LV_OK;
        n += lv_track_init(st, t, 3, &ref) == LV_OK;
        n += lv_track_part(st, t, (uint32_t) r, &ref) == LV_OK;
        lv_stream_find(st, "one", 3, &gen);

        ref.extent = (uint32_t) r % 4000;
        ref.offset = (uint32_t) (r >> 20) % 5000;
        ref.len = (uint32_t) (r >> 30);
        memset(&it, 0, sizeof(it));
        while (lv_part_run(st, &ref, &it, &p, &len)) {
            n += p[0] + p[len - 1];
        }
    }

    ok(1, "garbage in the store is survived (%d)", n);
    lv_store_detach(st);
    munmap(base, 8 * MIB);
}


int
main(void)
{
    refusals();
    sizes();
    slots();
    garbage();

    return done_testing();
}
