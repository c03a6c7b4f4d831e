/* Pins against evictions, as fast as can be: one writes, evicts and has hardly
 * any extents, others pin and read. */

#ifndef STORE_PINS_H
#define STORE_PINS_H

#include "store_actors.h"

typedef struct {
    lv_store_t        *st;
    lv_stream_t       *s;
    lv_track_t        *t;
    uint32_t           epoch, msn;
    lv_part_writer_t   all;      /* has hardly left any extent free */
} actor_pins_t;


static void
actor_pins_open(actor_pins_t *p, void *base)
{
    static uint8_t    fill[LV_EXTENT];
    const char       *err;
    lv_store_stat_t   stat;
    lv_track_desc_t   d;

    memset(p, 0, sizeof(actor_pins_t));

    p->st = lv_store_attach(base, ACTOR_SIZE, FIX_OWNER, NULL, NULL, &err);
    lv_store_join(p->st, 1, 1, 1, &err);
    lv_stream_claim(p->st, "pin", 3, 0, 1000, &p->s, &p->epoch, &err);
    fix_desc(&d, "v0");
    p->t = lv_track_add(p->st, p->s, p->epoch, &d);
    lv_part_open(&p->all, p->st, p->s, p->t, p->epoch, 0);

    do {
        lv_part_write(&p->all, fill, sizeof(fill));
        lv_store_stat(p->st, &stat);
    } while (stat.extents_free > 6);

    fix_part(p->st, p->s, p->t, p->epoch, 0, 0, 1, 0, 64, 64, 0);
}


/* What is evicted is written anew at once. Until both have really run side by
 * side for a while, on a busy machine, but not for more than three times as
 * long as asked for. */
static void
actor_pins_write(actor_pins_t *p, actor_sum_t *sum, unsigned ms,
    _Atomic int *stop)
{
    uint64_t  until;

    until = actor_now_ms() + ms;

    for (p->msn = 2; /* void */; p->msn++) {

        if (p->msn % 64 == 0 && actor_now_ms() > until
            && (atomic_load(&sum->gone) > 20000
                || actor_now_ms() > until + 2 * ms))
        {
            atomic_store(stop, 1);
            return;
        }

        fix_part(p->st, p->s, p->t, p->epoch, 0, 0, p->msn, 0, 64, 64, 0);
        lv_stream_evict(p->st, p->s, p->epoch, p->msn, 1);
    }
}


/* While a part is pinned, it is what it was, or in limbo. */
static bool
actor_pins_hold(actor_t *a, const lv_part_ref_t *ref)
{
    unsigned  i;
    uint32_t  word;

    for (i = 0; i < 40; i++) {
        word = lv_get(&a->st->parts[ref->id].word);

        if (lv_word_gen(word) != ref->gen
            && (lv_word_gen(word) != ((ref->gen + 1) & 0x3fffffff)
                || lv_word_state(word) != LV_PART_LIMBO))
        {
            actor_wrong(a, "pinned part %u of generation %u is %u in %u",
                        ref->id, ref->gen, lv_word_state(word),
                        lv_word_gen(word));
            return false;
        }
    }

    return true;
}


/* Pins the part that is evicted next, again and again. No lock here, and no
 * system call: nothing but the pin orders reader and writer. */
static void
actor_pins_read(void *base, actor_sum_t *sum, _Atomic int *stop)
{
    uint32_t       gen, n;
    actor_t        a;
    lv_track_t    *t;
    const char    *err;
    actor_pin_t    p;
    lv_stream_t   *s;

    memset(&a, 0, sizeof(a));
    memset(&p, 0, sizeof(p));
    a.sum = sum;
    a.st = lv_store_attach(base, ACTOR_SIZE, FIX_OWNER, NULL, NULL, &err);
    lv_store_join(a.st, 1, 1, 1, &err);
    s = lv_stream_find(a.st, "pin", 3, &gen);
    t = lv_stream_track(a.st, s, "v0", 2);

    for (n = 1; !atomic_load(stop); n++) {
        if (lv_part_pin(a.st, &p.ref) != LV_OK) {
            atomic_fetch_add(&sum->gone, 1);
            lv_track_oldest(a.st, t, &p.ref);
            continue;
        }

        if (actor_pins_hold(&a, &p.ref) && n % 16 == 0) {
            actor_verify(&a, &p, "pinned");
        }

        lv_part_unpin(a.st, p.ref.id);
    }

    lv_store_detach(a.st);
}


static void
actor_pins_close(actor_pins_t *p, actor_sum_t *sum)
{
    diag("%u parts, %llu read, %llu gone before the pin", p->msn,
         (unsigned long long) sum->reads, (unsigned long long) sum->gone);

    lv_part_abort(&p->all);
    lv_stream_remove(p->st, p->s, 1);
    lv_store_detach(p->st);
}

#endif
