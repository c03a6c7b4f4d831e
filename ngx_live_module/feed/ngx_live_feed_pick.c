/* Which part of a feed comes next, and the init sections that it needs. */

#include "ngx_live_feed.h"


static ngx_uint_t
ngx_live_feed_wanted(ngx_live_feed_t *f, lv_track_t *t)
{
    size_t   len;
    u_char  *p, *end, *comma;

    if (f->wanted.len == 0) {
        return 1;
    }

    len = ngx_strnlen((u_char *) t->name, sizeof(t->name));
    p = f->wanted.data;
    end = p + f->wanted.len;

    for ( ;; ) {
        comma = ngx_strlchr(p, end, ',');
        comma = comma ? comma : end;

        if ((size_t) (comma - p) == len && ngx_memcmp(p, t->name, len) == 0) {
            return 1;
        }

        if (comma == end) {
            return 0;
        }

        p = comma + 1;
    }
}


/* Tracks that came since the last look. */
static void
ngx_live_feed_tracks(ngx_live_feed_t *f)
{
    ngx_uint_t              i, k, n;
    lv_track_t             *t;
    ngx_live_feed_track_t  *ft;

    n = atomic_load_explicit(&f->s->track_count, memory_order_acquire);

    for (i = 0; i < n && i < LV_STREAM_TRACKS; i++) {
        t = lv_stream_track_at(f->st, f->s, i);

        if (t == NULL || !ngx_live_feed_wanted(f, t)) {
            continue;
        }

        for (k = 0; k < f->tracks && f->track[k].index != i; k++) {
            /* void */
        }

        if (k == f->tracks) {
            ft = &f->track[f->tracks++];
            ngx_memzero(ft, sizeof(ngx_live_feed_track_t));
            ft->track = t;
            ft->index = i;
        }
    }
}


/* The newest segment that begins with a key frame and of which all tracks
 * have something: where a reader begins. */
static ngx_int_t
ngx_live_feed_newest(ngx_live_feed_t *f, uint32_t *msn)
{
    uint32_t       least;
    ngx_uint_t     i;
    lv_track_t    *lead;
    lv_part_ref_t  ref;

    least = NGX_MAX_UINT32_VALUE;

    for (i = 0; i < f->tracks; i++) {
        if (lv_track_newest(f->st, f->track[i].track, &ref) == LV_OK
            && ref.info.msn < least)
        {
            least = ref.info.msn;
        }
    }

    if (least == NGX_MAX_UINT32_VALUE) {
        return NGX_AGAIN;
    }

    /* the picture, where there is one: sound can begin anywhere */

    for (i = 0, lead = f->track[0].track; i < f->tracks; i++) {
        if (f->track[i].track->name[0] == 'v') {
            lead = f->track[i].track;
            break;
        }
    }

    /* one without a key frame is no place to begin: a few before it may be */

    for (i = 0, *msn = least; i < 8; i++, least--) {
        if (lv_track_find(f->st, lead, least, 0, &ref) != LV_OK) {
            break;
        }

        if ((ref.info.flags & LV_PART_INDEPENDENT)
            || ref.info.flags & LV_PART_FILLER)
        {
            *msn = least;
            break;
        }
    }

    return NGX_OK;
}


/* Gives a track its place: part 0 of segment f->msn, or, if it joined later,
 * its oldest part. */
static ngx_int_t
ngx_live_feed_place(ngx_live_feed_t *f, ngx_live_feed_track_t *ft)
{
    lv_part_ref_t  ref, oldest;

    if (lv_track_find(f->st, ft->track, f->msn, 0, &ref) != LV_OK) {

        if (lv_track_oldest(f->st, ft->track, &oldest) != LV_OK
            || oldest.info.msn < f->msn)
        {
            return NGX_AGAIN;
        }

        ref = oldest;
    }

    /* what was asked for is gone; a track that joined later has no part 0 */
    if (ref.info.msn != f->msn && ref.info.seq != 0) {
        ft->flags |= LV_FEED_GAP;
    }

    ft->seq = ref.info.seq;
    ft->placed = 1;

    return NGX_OK;
}


/* The reader was too slow, or a part is gone for another reason. */
static void
ngx_live_feed_skip(ngx_live_feed_t *f)
{
    ngx_uint_t  i;

    f->msn = 0;

    for (i = 0; i < f->tracks; i++) {
        f->track[i].placed = 0;
        f->track[i].flags |= LV_FEED_GAP;
    }

    ngx_live_count(NGX_LIVE_C_FEED_SKIPPED, 1);
}


static ngx_uint_t
ngx_live_feed_before(const lv_part_info_t *a, const lv_part_info_t *b)
{
    return a->msn != b->msn ? a->msn < b->msn : a->part < b->part;
}


/* 1: it was evicted, and is not just still to come. */
static ngx_uint_t
ngx_live_feed_gone(ngx_live_feed_t *f, ngx_live_feed_track_t *ft)
{
    lv_part_ref_t  oldest;

    return lv_track_oldest(f->st, ft->track, &oldest) == LV_OK
           && oldest.info.seq > ft->seq;
}


/* The earliest of the tracks' next parts. NGX_DECLINED: one of them is gone. */
static ngx_int_t
ngx_live_feed_earliest(ngx_live_feed_t *f, ngx_live_feed_next_t *next,
    ngx_uint_t *absent)
{
    ngx_uint_t              i;
    lv_part_ref_t           ref;
    ngx_live_feed_track_t  *ft;

    *absent = 0;
    next->track = NULL;

    for (i = 0; i < f->tracks; i++) {
        ft = &f->track[i];

        if (!ft->placed && ngx_live_feed_place(f, ft) != NGX_OK) {
            (*absent)++;
            continue;
        }

        if (lv_track_part(f->st, ft->track, ft->seq, &ref) != LV_OK) {

            if (ngx_live_feed_gone(f, ft)) {
                return NGX_DECLINED;
            }

            (*absent)++;
            continue;
        }

        if (next->track == NULL
            || ngx_live_feed_before(&ref.info, &next->ref.info))
        {
            next->track = ft;
            next->ref = ref;
        }
    }

    return next->track ? NGX_OK : NGX_AGAIN;
}


ngx_int_t
ngx_live_feed_pick(ngx_live_feed_t *f, ngx_live_feed_next_t *next)
{
    ngx_int_t   rc;
    ngx_uint_t  tries, absent, state;

    for (tries = 0; tries < 3; tries++) {

        if (!lv_stream_alive(f->s, f->gen)) {
            return NGX_DONE;
        }

        /* before the parts: with ENDED seen, none is still to come */
        state = atomic_load_explicit(&f->s->state, memory_order_acquire);

        if (state == LV_STREAM_STARTING) {
            return NGX_AGAIN;
        }

        ngx_live_feed_tracks(f);

        if (f->tracks == 0) {
            return NGX_DONE;             /* none of those that are wanted */
        }

        if (f->msn == 0 && ngx_live_feed_newest(f, &f->msn) != NGX_OK) {
            break;
        }

        rc = ngx_live_feed_earliest(f, next, &absent);

        if (rc == NGX_DECLINED) {
            ngx_live_feed_skip(f);
            continue;
        }

        /* all tracks in the first init section, if they come at all */

        if (rc == NGX_OK && f->head == NULL && absent
            && state != LV_STREAM_ENDED
            && ngx_current_msec - f->since < NGX_LIVE_FEED_TOGETHER_MS)
        {
            return NGX_AGAIN;
        }

        if (rc == NGX_OK) {
            next->init = next->ref.info.init_msn != next->track->init_msn;
            return NGX_OK;
        }

        break;
    }

    return state == LV_STREAM_ENDED ? NGX_DONE : NGX_AGAIN;
}


/* Copies a track's init section. Its length, or NGX_ERROR. */
static ssize_t
ngx_live_feed_init(ngx_live_feed_t *f, lv_track_t *t, uint32_t msn, u_char *buf)
{
    size_t          size;
    u_char         *last;
    lv_run_t        it;
    lv_part_ref_t   ref;
    const uint8_t  *p;

    if (lv_track_init(f->st, t, msn, &ref) != LV_OK
        || ref.len > LV_FMP4_INIT_MAX
        || lv_part_pin(f->st, &ref) != LV_OK)
    {
        return NGX_ERROR;
    }

    last = buf;
    ngx_memzero(&it, sizeof(lv_run_t));

    while (lv_part_run(f->st, &ref, &it, &p, &size)) {
        last = ngx_cpymem(last, p, size);
    }

    lv_part_unpin(f->st, ref.id);

    return last - buf;
}


/* The tracks that have a next part now, each with the init section that this
 * one needs, in `h`. */
static ngx_int_t
ngx_live_feed_describe(ngx_live_feed_t *f, lv_feed_header_t *h,
    lv_str_t *init, u_char *buf)
{
    ssize_t                 n;
    ngx_uint_t              i;
    lv_part_ref_t           ref;
    lv_feed_track_t        *t;
    ngx_live_feed_track_t  *ft;

    ngx_memzero(h, sizeof(lv_feed_header_t));
    h->epoch = f->s->epoch;
    h->timing = f->s->timing;

    for (i = 0; i < f->tracks; i++) {
        ft = &f->track[i];

        if (!ft->placed
            || lv_track_part(f->st, ft->track, ft->seq, &ref) != LV_OK)
        {
            /* what the reader knows of it is what it needs */

            if (ft->init_msn == 0) {
                continue;
            }

            ref.info.init_msn = ft->init_msn;
        }

        n = ngx_live_feed_init(f, ft->track, ref.info.init_msn, buf);

        t = &h->track[h->tracks];

        if (n == NGX_ERROR || lv_track_desc(ft->track, &t->desc) != LV_OK) {
            return NGX_ERROR;
        }

        t->index = ft->index;
        t->init_msn = ref.info.init_msn;
        t->init.data = buf;
        t->init.len = n;
        init[h->tracks++] = t->init;
        ft->init_msn = ref.info.init_msn;
        buf += n;
    }

    return h->tracks ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_live_feed_head(ngx_live_feed_t *f)
{
    int                      n, box;
    size_t                   size, len;
    lv_str_t                 init[LV_STREAM_TRACKS];
    ngx_uint_t               i;

    static lv_feed_header_t  h;
    static u_char            inits[LV_STREAM_TRACKS * LV_FMP4_INIT_MAX];

    if (ngx_live_feed_describe(f, &h, init, inits) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0, len = 0; i < h.tracks; i++) {
        len += init[i].len + LV_FEED_TRACK_LEN + h.track[i].desc.config_len;
    }

    size = 2 * len + LV_FEED_HEAD_LEN;

    if (f->head) {
        ngx_free(f->head);
    }

    f->head = ngx_alloc(size, f->request->connection->log);
    if (f->head == NULL) {
        return NGX_ERROR;
    }

    n = lv_fmp4_init_merge(f->head, size, init, h.tracks);
    box = n == LV_ERROR ? LV_ERROR
                        : lv_feed_header_write(f->head + n, size - n, &h);

    if (box == LV_ERROR) {
        return NGX_ERROR;
    }

    f->head_len = n + box;

    return NGX_OK;
}
