/*
 * Tracks of a stream, and the descriptions that are kept twice: the copy that
 * counts, and the one that is being written.
 */

#include "lv_store_int.h"

#define LV_COPY_TRIES  100

_Static_assert(sizeof(lv_track_desc_t) % 4 == 0, "copied by words");
_Static_assert(sizeof(lv_publisher_t) % 4 == 0, "copied by words");
_Static_assert(sizeof(lv_part_info_t) % 4 == 0, "copied by words");
_Static_assert(offsetof(lv_track_t, name) % 4 == 0, "copied by words");


/* The copy that counts stays as it is until the next but one is written. */
static int
copy_read(void *out, const void *pair, size_t n, _Atomic uint32_t *seq)
{
    unsigned  i;
    uint32_t  s;

    for (i = 0; i < LV_COPY_TRIES; i++) {
        s = lv_get(seq);
        lv_shared_read(out, (const uint8_t *) pair + n * (s % 2), n);

        if (lv_get(seq) == s) {
            return LV_OK;
        }
    }

    return LV_AGAIN;
}


static void
copy_write(void *pair, const void *from, size_t n, _Atomic uint32_t *seq)
{
    uint32_t  s;

    s = lv_get(seq) + 1;
    lv_shared_write((uint8_t *) pair + n * (s % 2), from, n);
    LV_KILL_POINT("desc-written");
    atomic_store(seq, s);
}


int
lv_track_desc(lv_track_t *t, lv_track_desc_t *out)
{
    int  rc;

    rc = copy_read(out, t->desc, sizeof(lv_track_desc_t), &t->desc_seq);

    /* whatever it is, it is text and within its bounds */

    out->name[sizeof(out->name) - 1] = '\0';
    out->codecs[sizeof(out->codecs) - 1] = '\0';
    out->language[sizeof(out->language) - 1] = '\0';

    if (out->config_len > sizeof(out->config)) {
        out->config_len = sizeof(out->config);
    }

    return rc;
}


bool
lv_track_set_desc(lv_store_t *st, lv_stream_t *s, lv_track_t *t,
    uint32_t epoch, const lv_track_desc_t *desc)
{
    bool  owned;

    /* who takes the stream over does so under the lock, too */

    if (lv_store_lock(st) != LV_OK) {
        return false;
    }

    owned = lv_stream_owned(st, s, epoch);

    if (owned) {
        copy_write(t->desc, desc, sizeof(lv_track_desc_t), &t->desc_seq);
    }

    lv_store_unlock(st);

    return owned;
}


bool
lv_track_list(lv_store_t *st, lv_stream_t *s, lv_track_t *t, uint32_t epoch,
    uint32_t msn)
{
    bool           owned;
    uint16_t       n;
    lv_part_ref_t  ref;

    /* nothing is evicted meanwhile */

    if (lv_store_lock(st) != LV_OK) {
        return false;
    }

    owned = lv_stream_owned(st, s, epoch);

    for (n = 0; owned && lv_track_find(st, t, msn, n, &ref) == LV_OK; n++) {
        ref.info.flags &= (uint16_t) ~LV_PART_UNLISTED;
        lv_shared_write(&st->parts[ref.id].info, &ref.info,
                        sizeof(lv_part_info_t));
    }

    lv_store_unlock(st);

    return owned;
}


void
lv_stream_publisher(lv_stream_t *s, lv_publisher_t *out)
{
    (void) copy_read(out, s->publisher, sizeof(lv_publisher_t),
                     &s->publisher_seq);

    out->addr[sizeof(out->addr) - 1] = '\0';
    out->protocol[sizeof(out->protocol) - 1] = '\0';
    out->encoder[sizeof(out->encoder) - 1] = '\0';
}


void
lv_stream_set_publisher(lv_store_t *st, lv_stream_t *s,
    const lv_publisher_t *p)
{
    if (lv_store_lock(st) == LV_OK) {
        copy_write(s->publisher, p, sizeof(lv_publisher_t), &s->publisher_seq);
        lv_store_unlock(st);
    }
}


bool
lv_stream_publisher_stopped(lv_store_t *st, lv_stream_t *s, uint32_t pid,
    uint64_t since_ms)
{
    bool            is;
    lv_publisher_t  p;

    if (pid == 0 || lv_store_lock(st) != LV_OK) {
        return false;
    }

    lv_stream_publisher(s, &p);
    is = p.pid == pid && p.since_ms == since_ms;

    if (is) {
        p.pid = 0;
        copy_write(s->publisher, &p, sizeof(lv_publisher_t),
                   &s->publisher_seq);
    }

    lv_store_unlock(st);

    return is;
}


lv_track_t *
lv_stream_track_at(lv_store_t *st, lv_stream_t *s, unsigned n)
{
    uint32_t  i;

    if (n >= LV_STREAM_TRACKS || n >= lv_get(&s->track_count)) {
        return NULL;
    }

    i = lv_get(&s->track[n]);

    if (i == LV_NONE || i > st->geo.tracks
        || lv_get(&st->tracks[i].stream) != lv_stream_index(st, s))
    {
        return NULL;
    }

    return &st->tracks[i];
}


lv_track_t *
lv_stream_track(lv_store_t *st, lv_stream_t *s, const char *name, size_t len)
{
    char         own[8] = "";
    unsigned     n;
    lv_track_t  *t;

    if (len == 0 || len >= sizeof(own)) {
        return NULL;
    }

    for (n = 0; n < LV_STREAM_TRACKS; n++) {
        t = lv_stream_track_at(st, s, n);

        if (t == NULL) {
            continue;
        }

        lv_shared_read(own, t->name, sizeof(own));

        if (memcmp(own, name, len) == 0 && own[len] == '\0') {
            return t;
        }
    }

    return NULL;
}


static lv_track_t *
track_create(lv_store_t *st, lv_stream_t *s, uint32_t epoch,
    const lv_track_desc_t *desc)
{
    char          name[8];
    uint32_t      i;
    lv_track_t   *t;

    i = st->h->track_free;

    if (i == LV_NONE || i > st->geo.tracks) {
        return NULL;
    }

    t = &st->tracks[i];
    st->h->track_free = t->next_free;
    st->h->tracks_used++;

    LV_KILL_POINT("track-taken");

    memcpy(name, desc->name, sizeof(name));
    name[sizeof(name) - 1] = '\0';

    lv_set(&t->tail_seq, 0);
    lv_shared_zero(t->init, sizeof(t->init));
    lv_set(&t->init_count, 0);
    lv_shared_write(t->name, name, sizeof(name));
    copy_write(t->desc, desc, sizeof(lv_track_desc_t), &t->desc_seq);
    atomic_store(&t->head, lv_pair(epoch, LV_NONE));
    lv_set(&t->stream, lv_stream_index(st, s));

    LV_KILL_POINT("track-filled");

    return t;
}


lv_track_t *
lv_track_add(lv_store_t *st, lv_stream_t *s, uint32_t epoch,
    const lv_track_desc_t *desc)
{
    uint32_t     n;
    lv_track_t  *t;

    if (lv_store_lock(st) != LV_OK) {
        return NULL;
    }

    t = NULL;
    n = lv_get(&s->track_count);

    if (lv_stream_owned(st, s, epoch) && n < LV_STREAM_TRACKS) {
        t = track_create(st, s, epoch, desc);

        if (t == NULL
            && lv_stream_drop_ended(st, lv_get(&st->h->clock_ms)))
        {
            t = track_create(st, s, epoch, desc);
        }
    }

    if (t) {
        lv_set(&s->track[n], lv_track_index(st, t));
        LV_KILL_POINT("track-listed");
        lv_set(&s->track_count, n + 1);
        LV_KILL_POINT("track-counted");
    }

    lv_store_unlock(st);

    return t;
}
