/* The store, step by step: what happens when somebody else acts exactly between
 * two steps of a protocol. */

#include "store_steps.h"


/* ---- late commits ------------------------------------------------------- */

static void
b_claims(void)
{
    claim(b, "one", &eb);
}


static void
taken_over_before_the_head(void)
{
    begin();
    when("commit-filled", b_claims);
    is_int(put(a, ea, 10, 1), LV_DECLINED,
           "taken over just before the head: the commit fails");
    lv_track_newest(b, t, &ref);
    is_int(ref.info.part, 0, "nothing of it is seen");
    is_int(put(b, eb, 11, 0), LV_OK, "the new owner goes on");
    end("taken over before the head");
}


/* Opens that very entry. */
static void
opens(lv_store_t *st, uint32_t id)
{
    int               n;
    lv_part_writer_t  other[20];

    for (n = 0; n < 20; n++) {
        lv_part_open(&w, st, s, t, eb, 600);

        if (w.part == id) {
            break;
        }

        other[n] = w;
    }

    if (n == 20) {
        diag("part %u is not free", id);
        exit(2);
    }

    while (n > 0) {
        lv_part_abort(&other[--n]);
    }
}


static int  rc_a;

static void
a_links(void)
{
    lv_part_info_t  info;

    memset(&info, 0, sizeof(info));
    info.msn = 77;
    rc_a = commit_media(&w, &info);
}


static void
half_taken_over(void)
{
    begin();
    lv_part_open(&w, a, s, t, ea, 600);
    when("take-owner", a_links);
    b_claims();
    is_int(rc_a, LV_DECLINED, "no commit from the owner word on, even if the "
           "heads never follow");
    lv_part_abort(&w);
    is_int(put(b, eb, 11, 0), LV_OK, "the new owner goes on");
    end("half taken over");
}


/* The part that a has just linked goes through all of its life, and begins
 * another in b's hands. */
static void
b_lives_on(void)
{
    uint32_t  id;

    id = lv_pair_low(t->head);
    b_claims();
    put(b, eb, 11, 0);
    put(b, eb, 12, 0);
    fix_evict(b, s, 12, 1);

    opens(b, id);
}


static void
late_word(void)
{
    uint32_t         id;
    lv_part_info_t   info;

    begin();
    when("commit-head", b_lives_on);
    is_int(put(a, ea, 10, 1), LV_OK, "committed, then displaced");
    id = w.part;
    ok(id != LV_NONE && lv_word_state(a->parts[id].word) == LV_PART_OPEN,
       "its late word does not touch the entry's next life");
    memset(&info, 0, sizeof(info));
    info.msn = 13;
    is_int(lv_part_commit(&w, "x", 1, &info), LV_OK, "which goes on");
    ok(reads(a, 12, 0), "and the rest is right");
    end("late word");
}


static void
b_goes_round(void)
{
    uint32_t  msn;

    b_claims();

    for (msn = 11; msn < 11 + LV_RING; msn++) {
        put(b, eb, msn, 0);
        fix_evict(b, s, msn - 20, 1);
    }
}


static void
late_ring(void)
{
    uint32_t  msn, wrong;

    begin();
    when("commit-word", b_goes_round);
    is_int(put(a, ea, 10, 1), LV_OK, "committed, then displaced for long");

    for (msn = LV_RING - 9, wrong = 0; msn < 11 + LV_RING; msn++) {
        wrong += !reads(a, msn, 0);
    }

    is_int(wrong, 0, "its late ring entry misleads nobody");
    end("late ring");
}


/* ---- pins --------------------------------------------------------------- */

static void
a_evicts(void)
{
    put(a, ea, 11, 0);
    fix_evict(a, s, 11, 5);
}


static void
evicted_around_a_pin(void)
{
    lv_store_stat_t  stat;

    begin();
    lv_track_newest(b, t, &ref);
    when("pin-added", a_evicts);
    is_int(lv_part_pin(b, &ref), LV_DECLINED,
           "evicted between pin and look: no pin");
    lv_store_stat(b, &stat);
    is_int(stat.extents_limbo, 1, "it waits in limbo");
    lv_store_reap(b, 1);
    lv_store_stat(b, &stat);
    is_int(stat.extents_limbo, 0, "then it is free");
    end("evicted around a pin");

    begin();
    lv_track_newest(b, t, &ref);
    when("pin-held", a_evicts);
    is_int(lv_part_pin(b, &ref), LV_OK, "evicted after the look: pinned");
    put(a, ea, 12, 0);
    put(a, ea, 13, 0);
    ok(fix_verify(b, &ref, 1, 1, NULL) == 0, "and its bytes stay");
    lv_part_unpin(b, ref.id);
    end("evicted under a pin");
}


/* ---- reading ------------------------------------------------------------ */

/* The entry `id` becomes, in b's hands, a part that looks like (seq, msn) of
 * this track and is not in its list. */
static void
b_forges(uint32_t id, uint32_t seq, uint32_t msn)
{
    lv_part_info_t  info;

    put(a, ea, 11, 0);
    put(a, ea, 12, 0);
    fix_evict(a, s, 12, 1);
    b_claims();
    opens(b, id);

    memset(&info, 0, sizeof(info));
    info.seq = seq;
    info.msn = msn;
    info.duration = 77;
    lv_shared_write(&b->parts[w.part].info, &info, sizeof(info));
}


static void
forge_head(void)
{
    b_forges(lv_pair_low(t->head), 7, 10);
}


static void
head_moves_on(void)
{
    begin();
    when("read-head", forge_head);
    is_int(lv_track_newest(a, t, &ref), LV_OK,
           "the head's entry has another life before it is looked at");
    ok(ref.info.msn == 12 && ref.info.duration != 77,
       "what is not in the list is not seen");
    lv_part_abort(&w);
    end("the head moves on");
}


static uint32_t  before;

static void
forge_before(void)
{
    b_forges(before, 0, 10);
}


/* What comes behind it stays, itself it goes and looks like it again. */
static void
forge_next(void)
{
    lv_part_info_t  info;

    fix_evict(a, s, 11, 1);
    eb = ea;
    opens(a, before);
    memset(&info, 0, sizeof(info));
    info.msn = 10;
    lv_shared_write(&a->parts[before].info, &info, sizeof(info));
}


static void
wait_a_step(void)
{
    when("read-walk", forge_next);
}


static void
list_moves_on(void)
{
    begin();
    before = lv_pair_low(t->head);
    put(a, ea, 10, 1);
    put(a, ea, 10, 2);
    memset((void *) t->ring, 0, sizeof(t->ring));
    when("read-walk", forge_before);
    is_int(lv_track_part(a, t, 0, &ref), LV_DECLINED,
           "evicted on the way down to it: gone");
    ok(w.part == before, "though its entry looks like it again");
    lv_part_abort(&w);
    end("the list moves on");

    begin();
    before = lv_pair_low(t->head);
    put(a, ea, 11, 0);
    put(a, ea, 12, 0);
    memset((void *) t->ring, 0, sizeof(t->ring));
    when("read-walk", wait_a_step);
    is_int(lv_track_part(b, t, 0, &ref), LV_DECLINED,
           "evicted one step before it: gone");
    ok(w.part == before, "though its entry looks like it again");
    lv_part_abort(&w);
    end("the end of the list moves on");
}


static lv_track_desc_t  seen;

static void
b_looks(void)
{
    lv_track_desc(t, &seen);
}


static void
half_a_description(void)
{
    lv_track_desc_t  d;

    begin();
    fix_desc(&d, "v0");
    d.peak_bps = 12345;
    when("desc-written", b_looks);
    lv_track_set_desc(a, s, t, ea, &d);
    is_int(seen.peak_bps, 0, "a description that is not finished is not seen");
    lv_track_desc(t, &seen);
    is_int(seen.peak_bps, 12345, "then it is");
    end("half a description");
}


/* ---- doorbell ----------------------------------------------------------- */

static uint64_t  dirty[LV_STREAM_WORDS];

static void
a_notifies(void)
{
    lv_stream_notify(a, s);
}


static void
b_takes(void)
{
    lv_bell_take(b, dirty);
}


static void
doorbell(void)
{
    uint32_t  i;
    int       before_take;

    begin();
    i = lv_stream_index(a, s);
    lv_stream_watch(b, s, fix_gen(s));
    lv_stream_notify(a, s);
    lv_bell_take(b, dirty);

    /* told while b is between stopping the bell and looking */
    rung = 0;
    when("bell-clear", a_notifies);
    lv_bell_take(b, dirty);
    ok(lv_bit_get(dirty, i), "told while looking: it is seen");
    before_take = rung;
    lv_bell_take(b, dirty);
    ok(before_take == 1, "and rung for, which is once too often");

    /* b looks while a is between telling and ringing */
    rung = 0;
    when("bell-dirty", b_takes);
    lv_stream_notify(a, s);
    ok(lv_bit_get(dirty, i), "looked while told: it is seen");
    lv_bell_take(b, dirty);
    rung = 0;
    lv_stream_notify(a, s);
    is_int(rung, 1, "the next one rings again");
    lv_bell_take(b, dirty);

    rung = 0;
    when("bell-flag", b_takes);
    lv_stream_notify(a, s);
    ok(lv_bit_get(dirty, i), "looked before the byte is sent: it is seen");
    lv_stream_notify(a, s);
    is_int(rung, 2, "and the next one rings again");
    end("doorbell");
}


int
main(void)
{
    alarm(300);

    taken_over_before_the_head();
    half_taken_over();
    late_word();
    late_ring();
    evicted_around_a_pin();
    head_moves_on();
    list_moves_on();
    half_a_description();
    doorbell();

    return done_testing();
}
