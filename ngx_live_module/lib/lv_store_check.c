/*
 * Compares everything in the store with everything else. For tests, when no
 * dead slot waits for the janitor.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "lv_store_int.h"

typedef struct {
    lv_store_t  *st;
    char        *err;
    size_t       errlen;
    uint32_t     extents_used;
    uint32_t     extents_limbo;
    uint32_t    *stream_extents;
    uint32_t    *stream_parts;
} check_t;


__attribute__((format(printf, 2, 3)))
static int
wrong(check_t *c, const char *fmt, ...)
{
    va_list  ap;

    va_start(ap, fmt);
    vsnprintf(c->err, c->errlen, fmt, ap);
    va_end(ap);

    return LV_ERROR;
}


static int
check_directory(check_t *c)
{
    uint32_t      i, n, used, reserved, b;
    lv_store_t   *st;
    lv_stream_t  *s;

    st = c->st;
    used = 0;
    reserved = 0;

    for (i = 1; i <= st->geo.streams; i++) {
        s = &st->streams[i];

        if (lv_get(&s->state) != LV_STREAM_FREE) {
            used++;
            reserved += s->reserved;
        }
    }

    if (used != st->h->streams_used || reserved != st->h->reserved) {
        return wrong(c, "%u streams, %u reserved, counted as %u, %u", used,
                     reserved, st->h->streams_used, st->h->reserved);
    }

    n = 0;

    for (i = st->h->stream_free; i; i = st->streams[i].next_free) {
        if (i > st->geo.streams || ++n > st->geo.streams
            || lv_get(&st->streams[i].state) != LV_STREAM_FREE)
        {
            return wrong(c, "free stream list: %u at %u", i, n);
        }
    }

    if (n + used != st->geo.streams) {
        return wrong(c, "%u streams free, %u used", n, used);
    }

    n = 0;

    for (b = 0; b < st->geo.hash; b++) {
        for (i = lv_get(&st->hash[b]); i;
             i = lv_get(&st->streams[i].next_hash))
        {
            if (i > st->geo.streams || ++n > used
                || lv_get(&st->streams[i].state) == LV_STREAM_FREE)
            {
                return wrong(c, "directory: stream %u at %u", i, n);
            }
        }
    }

    return n == used ? LV_OK : wrong(c, "directory lists %u of %u", n, used);
}


static int
check_list(check_t *c, uint32_t index)
{
    uint32_t       id, prev, seq, i;
    lv_store_t    *st;
    lv_track_t    *t;
    lv_part_ref_t  ref;

    st = c->st;
    t = &st->tracks[index];
    id = lv_pair_low(atomic_load(&t->head));

    for (seq = 0; id != LV_NONE; id = prev) {

        if (!lv_part_load(st, id, index, true, &ref, &prev)) {
            return wrong(c, "track %u: part %u behind seq %u is not", index,
                         id, seq);
        }

        if (seq && ref.info.seq != seq - 1) {
            return wrong(c, "track %u: seq %u behind %u", index,
                         ref.info.seq, seq);
        }

        seq = ref.info.seq;

        if (lv_bit_get(st->mark_part, id)) {
            return wrong(c, "track %u: part %u is listed twice", index, id);
        }

        lv_bit_set(st->mark_part, id);

        if (seq <= lv_get(&t->tail_seq)) {
            if (seq != lv_get(&t->tail_seq)) {
                return wrong(c, "track %u: ends at %u, not at %u", index, seq,
                             lv_get(&t->tail_seq));
            }

            break;
        }
    }

    for (i = 0; i < LV_INITS; i++) {
        id = lv_get(&t->init[i]);

        if (id == LV_NONE) {
            continue;
        }

        if (!lv_part_load(st, id, index, false, &ref, NULL)
            || !(ref.info.flags & LV_PART_INIT)
            || lv_bit_get(st->mark_part, id))
        {
            return wrong(c, "track %u: init %u is part %u", index, i, id);
        }

        lv_bit_set(st->mark_part, id);
    }

    return LV_OK;
}


static int
check_tracks(check_t *c)
{
    unsigned      k;
    uint32_t      i, n, used;
    lv_store_t   *st;
    lv_stream_t  *s;
    lv_track_t   *t;

    st = c->st;
    used = 0;

    for (i = 1; i <= st->geo.streams; i++) {
        s = &st->streams[i];

        if (lv_get(&s->state) == LV_STREAM_FREE) {
            continue;
        }

        for (k = 0; k < lv_get(&s->track_count); k++) {
            t = lv_stream_track_at(st, s, k);

            if (t == NULL) {
                return wrong(c, "stream %u: track %u is not its", i, k);
            }

            used++;

            if (check_list(c, lv_track_index(st, t)) != LV_OK) {
                return LV_ERROR;
            }
        }
    }

    n = 0;

    for (i = st->h->track_free; i; i = st->tracks[i].next_free) {
        if (i > st->geo.tracks || ++n > st->geo.tracks
            || lv_get(&st->tracks[i].stream) != LV_NONE)
        {
            return wrong(c, "free track list: %u at %u", i, n);
        }
    }

    if (used != st->h->tracks_used || used + n != st->geo.tracks) {
        return wrong(c, "%u tracks used, %u free, counted as %u", used, n,
                     st->h->tracks_used);
    }

    return LV_OK;
}


/* Committed by a living writer after the lists were walked? */
static bool
part_listed(lv_store_t *st, uint32_t id)
{
    uint32_t       at, track, prev;
    lv_part_ref_t  ref;

    track = lv_get(&st->parts[id].track);

    if (lv_bit_get(st->mark_part, id)) {
        return true;
    }

    if (track == LV_NONE || track > st->geo.tracks) {
        return false;
    }

    at = lv_pair_low(atomic_load(&st->tracks[track].head));

    while (lv_part_load(st, at, track, true, &ref, &prev)) {
        if (at == id) {
            return true;
        }

        if (ref.info.seq <= lv_get(&st->tracks[track].tail_seq)) {
            break;
        }

        at = prev;
    }

    return false;
}


static int
check_part(check_t *c, uint32_t id)
{
    uint32_t     e, n, state;
    uint16_t     owner;
    lv_part_t   *p;
    lv_store_t  *st;

    st = c->st;
    p = &st->parts[id];
    state = lv_word_state(lv_get(&p->word));
    owner = lv_get(&p->owner);

    if (state == LV_PART_FREE) {
        return lv_bit_get(st->mark_part, id)
               ? wrong(c, "part %u is listed and free", id) : LV_OK;
    }

    if (state == LV_PART_COMMITTED && !part_listed(st, id)) {
        return wrong(c, "part %u is committed and nowhere listed", id);
    }

    if (state == LV_PART_OPEN
        && (owner >= LV_SLOTS || !lv_get(&st->slots[owner].used)))
    {
        return wrong(c, "part %u is open by nobody (slot %u)", id, owner);
    }

    n = 0;

    for (e = lv_get(&p->extent); e != LV_NONE; e = st->next[e]) {
        if (!lv_extent_valid(st, e) || lv_bit_get(st->mark_extent, e)
            || lv_bit_get(st->free, e))
        {
            return wrong(c, "part %u: extent %u is free or another's", id, e);
        }

        lv_bit_set(st->mark_extent, e);
        n++;
    }

    if (n != p->extents) {
        return wrong(c, "part %u has %u extents, counted as %u", id, n,
                     p->extents);
    }

    c->extents_used += n;

    if (state == LV_PART_LIMBO) {
        c->extents_limbo += n;

    } else if (p->stream && p->stream <= st->geo.streams
               && p->stream_gen == lv_get(&st->streams[p->stream].gen))
    {
        c->stream_extents[p->stream] += n;
        c->stream_parts[p->stream]++;
    }

    return LV_OK;
}


static int
check_parts(check_t *c)
{
    uint32_t      id, n, used, limbo;
    lv_store_t   *st;
    lv_stream_t  *s;

    st = c->st;
    used = 0;

    for (id = 1; id <= st->geo.parts; id++) {
        if (check_part(c, id) != LV_OK) {
            return LV_ERROR;
        }

        used += lv_word_state(lv_get(&st->parts[id].word)) != LV_PART_FREE;
    }

    n = 0;

    for (id = st->h->part_free; id; id = st->parts[id].next_free) {
        if (id > st->geo.parts || ++n > st->geo.parts
            || lv_word_state(lv_get(&st->parts[id].word)) != LV_PART_FREE)
        {
            return wrong(c, "free part list: %u at %u", id, n);
        }
    }

    if (n != st->h->parts_free || n + used != st->geo.parts) {
        return wrong(c, "%u parts free, %u used, counted as %u", n, used,
                     st->h->parts_free);
    }

    limbo = 0;

    for (id = st->h->part_limbo; id; id = st->parts[id].next_free) {
        if (id > st->geo.parts
            || lv_word_state(lv_get(&st->parts[id].word)) != LV_PART_LIMBO)
        {
            return wrong(c, "limbo list: %u", id);
        }

        limbo += st->parts[id].extents;
    }

    if (limbo != c->extents_limbo || limbo != st->h->extents_limbo) {
        return wrong(c, "limbo: %u extents listed, %u found, counted as %u",
                     limbo, c->extents_limbo, st->h->extents_limbo);
    }

    for (id = 1; id <= st->geo.streams; id++) {
        s = &st->streams[id];

        if (lv_get(&s->state) != LV_STREAM_FREE
            && (lv_get(&s->extents) != c->stream_extents[id]
                || lv_get(&s->parts) != c->stream_parts[id]))
        {
            return wrong(c, "stream %u: %u extents, %u parts, counted as %u, "
                         "%u", id, c->stream_extents[id], c->stream_parts[id],
                         lv_get(&s->extents), lv_get(&s->parts));
        }
    }

    return LV_OK;
}


static int
check_extents(check_t *c)
{
    uint32_t     e, n;
    lv_store_t  *st;

    st = c->st;
    n = 0;

    for (e = 1; e <= st->geo.extents; e++) {
        n += lv_bit_get(st->free, e);
    }

    if (n != st->h->extents_free || n + c->extents_used != st->geo.extents) {
        return wrong(c, "%u extents free, %u used of %u, counted as %u free",
                     n, c->extents_used, st->geo.extents, st->h->extents_free);
    }

    return LV_OK;
}


int
lv_store_check(lv_store_t *st, char *err, size_t errlen)
{
    int      rc;
    check_t  c;

    memset(&c, 0, sizeof(c));
    c.st = st;
    c.err = err;
    c.errlen = errlen;
    c.stream_extents = calloc(st->geo.streams + 1, sizeof(uint32_t));
    c.stream_parts = calloc(st->geo.streams + 1, sizeof(uint32_t));

    rc = LV_ERROR;

    if (!c.stream_extents || !c.stream_parts || lv_store_lock(st) != LV_OK) {
        wrong(&c, "no memory, or the lock is not usable");

    } else {
        memset(st->mark_extent, 0,
               (st->geo.extents / 64 + 1) * sizeof(uint64_t));
        memset(st->mark_part, 0, (st->geo.parts / 64 + 1) * sizeof(uint64_t));

        if (check_directory(&c) == LV_OK && check_tracks(&c) == LV_OK
            && check_parts(&c) == LV_OK)
        {
            rc = check_extents(&c);
        }

        lv_store_unlock(st);
    }

    free(c.stream_extents);
    free(c.stream_parts);

    return rc;
}
