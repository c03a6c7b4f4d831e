/* Boxes as they come; see lv_fmp4_publish.h. */

#include <stdlib.h>

#include "lv_fmp4_publish_priv.h"
#include "lv_fmp4_read.h"

#define TYPE(a, b, c, d)  LV_FOURCC(a, b, c, d)

#define MIN(a, b)  ((a) < (b) ? (a) : (b))


lv_fmp4_publish_t *
lv_fmp4_publish_create(lv_flv_event_pt event, void *ctx)
{
    lv_fmp4_publish_t  *t;

    t = malloc(sizeof(lv_fmp4_publish_t));
    if (t == NULL) {
        return NULL;
    }

    memset(t, 0, offsetof(lv_fmp4_publish_t, flv));
    lv_flv_init(&t->flv, NULL, event, ctx);

    t->sample = malloc(LV_FMP4_PUBLISH_SAMPLES * sizeof(lv_fmp4_taken_t));

    if (t->sample == NULL) {
        free(t);
        return NULL;
    }

    return t;
}


void
lv_fmp4_publish_destroy(lv_fmp4_publish_t *t)
{
    if (t == NULL) {
        return;
    }

    free(t->box);
    free(t->sample);
    free(t);
}


static int
fail(lv_fmp4_publish_t *t, const char *err)
{
    t->err = err;

    return LV_ERROR;
}


/* ---- moov and moof ----------------------------------------------------- */

/* A file that is not fragmented has no mvex in its moov. */
static bool
moov_fragmented(const uint8_t *p, size_t len)
{
    size_t    at;
    uint32_t  type, head;
    uint64_t  size;

    if (lv_fmp4_box(p, len, &type, &size, &head) != LV_OK) {
        return false;
    }

    for (at = head; at < len; at += (size_t) size) {
        if (lv_fmp4_box(p + at, len - at, &type, &size, &head) != LV_OK
            || size == 0 || size > len - at)
        {
            return false;
        }

        if (type == TYPE('m','v','e','x')) {
            return true;
        }
    }

    return false;
}


static int
moov_take(lv_fmp4_publish_t *t, lv_packager_t *p, uint64_t now_ms)
{
    int               rc;
    lv_fmp4_from_t          *tr;
    unsigned          n, videos, audios;
    const char       *err;
    lv_fmp4_track_t   m;

    if (!moov_fragmented(t->box, t->box_len)) {
        return fail(t, "this MP4 is not fragmented: with FFmpeg use -movflags "
                       "empty_moov+default_base_moof+frag_keyframe");
    }

    t->tracks = 0;
    t->samples = 0;
    t->next = 0;
    videos = 0;
    audios = 0;

    for (n = 0; t->tracks < LV_FMP4_TRACKS && n < 4 * LV_FMP4_TRACKS; n++) {
        rc = lv_fmp4_init_track(t->box, t->box_len, n, &m, &err);

        if (rc == LV_DECLINED) {
            break;
        }

        /* subtitles, time codes and the like */
        if (rc != LV_OK || m.timescale == 0) {
            continue;
        }

        tr = &t->track[t->tracks];
        tr->id = m.track_id;
        tr->timescale = m.timescale;
        tr->fourcc = m.fourcc == TYPE('a','v','c','3')
                     ? TYPE('a','v','c','1') : m.fourcc;
        tr->type = m.video ? LV_FLV_VIDEO : LV_FLV_AUDIO;
        tr->index = (uint8_t) (m.video ? videos++ : audios++);
        t->tracks++;

        if (lv_fmp4_message_config(t, p, tr, &m, now_ms) != LV_OK) {
            return LV_ERROR;
        }
    }

    return t->tracks ? LV_OK : fail(t, "the moov has no usable track");
}


static int
sample_compare(const void *one, const void *two)
{
    const lv_fmp4_taken_t  *a = one, *b = two;

    if (a->offset != b->offset) {
        return a->offset < b->offset ? -1 : 1;
    }

    return (int) a->order - (int) b->order;
}


static int
sample_compare_time(const void *one, const void *two)
{
    const lv_fmp4_taken_t  *a = one, *b = two;

    if (a->time_us != b->time_us) {
        return a->time_us < b->time_us ? -1 : 1;
    }

    return (int) a->order - (int) b->order;
}


static void
sample_fill(lv_fmp4_publish_t *t, const lv_fmp4_read_sample_t *r, unsigned n)
{
    lv_fmp4_taken_t  *s;
    uint32_t   scale;

    s = &t->sample[t->samples];
    scale = t->track[n].timescale;

    s->offset = r->offset;
    s->tfdt = r->tfdt;
    s->time_us = r->tfdt / scale * 1000000 + r->tfdt % scale * 1000000 / scale;
    s->size = r->size;
    s->cts = r->cts;
    s->order = (uint16_t) t->samples++;
    s->track = (uint8_t) n;
    s->key = !(r->flags & LV_FMP4_NON_SYNC);

    t->mixed |= n != t->sample[0].track;
}


static int
moof_take(lv_fmp4_publish_t *t)
{
    int                     rc;
    unsigned                n;
    const char             *err;
    lv_fmp4_moof_t          m;
    lv_fmp4_read_sample_t   r;

    if (t->tracks == 0) {
        return fail(t, "a moof box came before the moov");
    }

    if (t->next != t->samples) {
        return fail(t, "a moof box has samples that are not in its mdat");
    }

    if (lv_fmp4_moof(&m, t->box, t->box_len, &err) != LV_OK) {
        return fail(t, err);
    }

    t->samples = 0;
    t->next = 0;
    t->mixed = false;

    while ((rc = lv_fmp4_next(&m, &r)) == LV_OK) {

        for (n = 0; n < t->tracks && t->track[n].id != r.track_id; n++) {
            /* void */
        }

        if (n == t->tracks || r.size == 0) {
            continue;
        }

        if (t->samples == LV_FMP4_PUBLISH_SAMPLES) {
            return fail(t, "a moof box has too many samples");
        }

        sample_fill(t, &r, n);
    }

    if (rc == LV_ERROR) {
        return fail(t, "a moof box is damaged, or has offsets from the start "
                       "of the file: with FFmpeg add default_base_moof to "
                       "-movflags");
    }

    qsort(t->sample, t->samples, sizeof(lv_fmp4_taken_t),
          t->mixed ? sample_compare_time : sample_compare);

    return LV_OK;
}


/* ---- bytes ------------------------------------------------------------- */

/* Bytes of an mdat. */
static int
media_data(lv_fmp4_publish_t *t, lv_packager_t *p, const uint8_t *data,
    size_t n, uint64_t now_ms)
{
    size_t           take;
    unsigned         type;
    const lv_fmp4_taken_t  *s;

    while (n) {
        if (t->next == t->samples) {
            t->at += n;
            return LV_OK;
        }

        s = &t->sample[t->next];

        if (t->sample_left == 0) {
            if (s->offset < t->at) {
                return fail(t, "samples lie outside of the mdat, or overlap");
            }

            take = (size_t) MIN(n, s->offset - t->at);
            t->at += take;
            data += take;
            n -= take;

            if (n == 0) {
                return LV_OK;
            }

            if (lv_fmp4_message_begin(t, p, s, now_ms) != LV_OK) {
                return LV_ERROR;
            }

            t->sample_left = s->size;
        }

        type = t->track[s->track].type;
        take = (size_t) MIN(n, t->sample_left);

        if (lv_flv_data(&t->flv, type, data, take) != LV_OK) {
            return lv_fmp4_message_failed(t);
        }

        t->at += take;
        data += take;
        n -= take;
        t->sample_left -= (uint32_t) take;

        if (t->sample_left == 0) {
            t->next++;

            if (lv_flv_end(&t->flv, type) != LV_OK) {
                return lv_fmp4_message_failed(t);
            }
        }
    }

    return LV_OK;
}


/* A whole mdat: seconds of video, then seconds of audio. The packager would
 * not wait so long for the audio, so they go to it by their times. */
static int
media_mixed(lv_fmp4_publish_t *t, lv_packager_t *p, uint64_t now_ms)
{
    uint64_t         at;
    unsigned         type;
    const lv_fmp4_taken_t  *s;

    for ( /* void */ ; t->next < t->samples; t->next++) {
        s = &t->sample[t->next];
        at = s->offset - t->media_at;
        type = t->track[s->track].type;

        if (s->offset < t->media_at || at > t->box_len
            || s->size > t->box_len - at)
        {
            return fail(t, "samples lie outside of the mdat");
        }

        if (lv_fmp4_message_begin(t, p, s, now_ms) != LV_OK) {
            return LV_ERROR;
        }

        if (lv_flv_data(&t->flv, type, t->box + at, s->size) != LV_OK
            || lv_flv_end(&t->flv, type) != LV_OK)
        {
            return lv_fmp4_message_failed(t);
        }
    }

    return LV_OK;
}


static int
box_keep(lv_fmp4_publish_t *t, const uint8_t *data, size_t n)
{
    size_t    size;
    uint8_t  *box;

    /* grows as bytes come, not by what is announced */

    if (n > t->box_size - t->box_len) {
        size = 2 * t->box_size + t->box_len + n + 4096;
        box = realloc(t->box, size);

        if (box == NULL) {
            return fail(t, "the server is out of memory");
        }

        t->box = box;
        t->box_size = size;
    }

    memcpy(t->box + t->box_len, data, n);
    t->box_len += n;

    return LV_OK;
}


/* The head of a box is complete. */
static int
box_begin(lv_fmp4_publish_t *t, uint64_t size)
{
    bool  first;

    first = !t->begun;
    t->begun = true;

    if (first && t->type != TYPE('f','t','y','p')
        && t->type != TYPE('s','t','y','p')
        && t->type != TYPE('m','o','o','v'))
    {
        return fail(t, "this is no MP4");
    }

    if (size == 0) {
        return fail(t, "a box without a length");
    }

    t->left = size - t->head_len;

    switch (t->type) {

    case TYPE('m','o','o','f'):
    case TYPE('m','o','o','v'):
        if (size > LV_FMP4_PUBLISH_BOX) {
            return fail(t, "a moov or moof box is too large");
        }

        t->at = 0;
        t->box_len = 0;
        t->state = LV_FMP4_S_KEEP;
        return box_keep(t, t->head, t->head_len);

    case TYPE('m','d','a','t'):
        if (t->tracks == 0) {
            return fail(t, "media came before the moov: use a fragmented MP4, "
                           "with FFmpeg -movflags "
                           "empty_moov+default_base_moof+frag_keyframe");
        }

        t->at += t->head_len;
        t->state = LV_FMP4_S_MEDIA;

        if (t->mixed && t->next != t->samples) {
            if (size > LV_FMP4_PUBLISH_MIXED) {
                return fail(t, "a fragment of several tracks is too large: "
                               "with FFmpeg use -frag_duration 500000");
            }

            t->media_at = t->at;
            t->box_len = 0;
            t->state = LV_FMP4_S_MIXED;
        }

        return LV_OK;

    default:
        if (size > LV_FMP4_PUBLISH_SKIP) {
            return fail(t, "a box is too large, or this is no MP4");
        }

        t->at += t->head_len;
        t->state = LV_FMP4_S_SKIP;
        return LV_OK;
    }
}


static int
box_end(lv_fmp4_publish_t *t, lv_packager_t *p, uint64_t now_ms)
{
    lv_fmp4_state_e  state;

    state = t->state;
    t->state = LV_FMP4_S_BOX;
    t->head_len = 0;

    if (state == LV_FMP4_S_MEDIA && t->sample_left) {
        return fail(t, "a sample is longer than its mdat");
    }

    if (state == LV_FMP4_S_MIXED) {
        t->at += t->box_len;
        return media_mixed(t, p, now_ms);
    }

    if (state != LV_FMP4_S_KEEP) {
        return LV_OK;
    }

    if (t->type == TYPE('m','o','o','v')) {
        return moov_take(t, p, now_ms);
    }

    t->at = t->box_len;

    return moof_take(t);
}


/* Collects the head of a box. *used: of the bytes. */
static int
box_head(lv_fmp4_publish_t *t, const uint8_t *data, size_t n, size_t *used)
{
    int       rc;
    uint32_t  head;
    uint64_t  size;

    for (*used = 0; *used < n; /* void */) {
        t->head[t->head_len++] = data[(*used)++];
        rc = lv_fmp4_box(t->head, t->head_len, &t->type, &size, &head);

        if (rc == LV_ERROR) {
            return fail(t, t->begun ? "a damaged box" : "this is no MP4");
        }

        if (rc == LV_OK) {
            return box_begin(t, size);
        }
    }

    return LV_OK;
}


int
lv_fmp4_publish_data(lv_fmp4_publish_t *t, lv_packager_t *p,
    const uint8_t *data, size_t n, uint64_t now_ms)
{
    int     rc;
    size_t  take;

    if (t->err) {
        return LV_ERROR;
    }

    while (n) {
        rc = LV_OK;

        if (t->state == LV_FMP4_S_BOX) {
            rc = box_head(t, data, n, &take);

        } else {
            take = (size_t) MIN(n, t->left);
            t->left -= take;

            if (t->state == LV_FMP4_S_KEEP || t->state == LV_FMP4_S_MIXED) {
                rc = box_keep(t, data, take);

            } else if (t->state == LV_FMP4_S_MEDIA) {
                rc = media_data(t, p, data, take, now_ms);

            } else {
                t->at += take;
            }
        }

        if (rc == LV_OK && t->state != LV_FMP4_S_BOX && t->left == 0) {
            rc = box_end(t, p, now_ms);
        }

        if (rc != LV_OK) {
            return rc;
        }

        data += take;
        n -= take;
    }

    return LV_OK;
}


int
lv_fmp4_publish_end(lv_fmp4_publish_t *t)
{
    if (t->err) {
        return LV_ERROR;
    }

    if (t->state != LV_FMP4_S_BOX || t->head_len || t->next != t->samples) {
        return fail(t, "the body ended inside of a box");
    }

    return t->count ? LV_OK : fail(t, "the body had no media");
}


void
lv_fmp4_publish_abort(lv_fmp4_publish_t *t)
{
    lv_flv_abort_all(&t->flv);
}


const char *
lv_fmp4_publish_error(const lv_fmp4_publish_t *t)
{
    return t->err;
}


bool
lv_fmp4_publish_displaced(const lv_fmp4_publish_t *t)
{
    return t->flv.displaced;
}


int32_t
lv_fmp4_publish_skew_ms(const lv_fmp4_publish_t *t)
{
    return t->flv.timeline.skew_ms;
}


int64_t
lv_fmp4_publish_media_ms(const lv_fmp4_publish_t *t)
{
    int64_t                     last;
    unsigned                    i;
    const lv_timeline_track_t  *track;

    last = 0;

    for (i = 0; i < LV_TIMELINE_TRACKS; i++) {
        track = &t->flv.timeline.track[i];

        if (track->started && track->last > last) {
            last = track->last;
        }
    }

    return last / 90;
}


uint64_t
lv_fmp4_publish_samples(const lv_fmp4_publish_t *t)
{
    return t->count;
}
