/*
 * A packager that writes down what it is given, in the place of the real one:
 * a test that includes this defines the lv_packager_*() functions itself, so
 * that the linker does not take them from the library.
 */

#ifndef FAKE_PACKAGER_H
#define FAKE_PACKAGER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lv_packager.h"

#define FAKE_FRAMES   4096
#define FAKE_TRACKS   8        /* v0, a0, v1, a1, … */

typedef struct {
    int       track;
    int64_t   dts;
    int32_t   cts;
    bool      key;
    bool      aborted;
    bool      ended;
    uint8_t  *data;
    size_t    len;
    uint32_t  samples;      /* 0: as configured */
    unsigned  configs;      /* how many configurations had come before */
} fake_frame_t;

struct lv_packager_s {
    fake_frame_t       frame[FAKE_FRAMES];
    unsigned           frames;
    bool               ring;         /* forget old frames when full */
    int                open[FAKE_TRACKS];   /* index of the open frame, -1 */
    lv_codec_config_t  config[FAKE_TRACKS]; /* the last ones */
    uint8_t            config_data[FAKE_TRACKS][2048];
    unsigned           configs[FAKE_TRACKS];
    unsigned           captions;     /* of the video track */
    unsigned           misuse;       /* calls against the contract */
    /* what to answer */
    int                config_rc, frame_rc, data_rc, more_rc;
};

static void
fake_reset(lv_packager_t *p)
{
    unsigned  i;

    for (i = 0; i < p->frames; i++) {
        free(p->frame[i].data);
    }

    memset(p, 0, sizeof(*p));
    memset(p->open, 0xff, sizeof(p->open));
}


static void
fake_frames_free(lv_packager_t *p)
{
    unsigned  i;

    for (i = 0; i < p->frames; i++) {
        free(p->frame[i].data);
        memset(&p->frame[i], 0, sizeof(p->frame[i]));
    }

    p->frames = 0;
    memset(p->open, 0xff, sizeof(p->open));
}


int
lv_packager_config(lv_packager_t *p, const lv_codec_config_t *c,
    uint64_t now_ms)
{
    int  k;

    if (p->config_rc) {
        return p->config_rc;
    }

    k = (c->kind == LV_KIND_AUDIO) + 2 * c->index;

    if (c->config_len > sizeof(p->config_data[k]) || p->open[k] != -1) {
        p->misuse++;
        return LV_DECLINED;
    }

    p->config[k] = *c;
    memcpy(p->config_data[k], c->config, c->config_len);
    p->config[k].config = p->config_data[k];
    p->configs[k]++;

    return k;
}


int
lv_packager_frame(lv_packager_t *p, int track, int64_t dts_90k,
    int32_t cts_90k, bool key, uint64_t now_ms)
{
    fake_frame_t  *f;

    if (p->frame_rc) {
        return p->frame_rc;
    }

    if (track < 0 || track >= FAKE_TRACKS || p->configs[track] == 0
        || p->open[track] != -1)
    {
        p->misuse++;
        return LV_DECLINED;
    }

    if (p->frames == FAKE_FRAMES) {
        if (!p->ring || p->open[0] != -1 || p->open[1] != -1) {
            p->misuse++;
            return LV_DECLINED;
        }

        fake_frames_free(p);
    }

    p->open[track] = (int) p->frames;
    f = &p->frame[p->frames++];
    memset(f, 0, sizeof(*f));
    f->track = track;
    f->dts = dts_90k;
    f->cts = cts_90k;
    f->key = key;
    f->configs = p->configs[track];

    return LV_OK;
}


static fake_frame_t *
fake_open(lv_packager_t *p, int track)
{
    if (track < 0 || track >= FAKE_TRACKS || p->open[track] == -1) {
        p->misuse++;
        return NULL;
    }

    return &p->frame[p->open[track]];
}


int
lv_packager_data(lv_packager_t *p, int track, const void *data, size_t n)
{
    fake_frame_t  *f;

    if (p->data_rc) {
        return p->data_rc;
    }

    f = fake_open(p, track);

    if (f == NULL) {
        return LV_DECLINED;
    }

    f->data = realloc(f->data, f->len + n + 1);
    memcpy(f->data + f->len, data, n);
    f->len += n;

    return LV_OK;
}


uint32_t
lv_packager_frame_len(lv_packager_t *p, int track)
{
    fake_frame_t  *f;

    f = fake_open(p, track);

    return f ? (uint32_t) f->len : 0;
}


void
lv_packager_samples(lv_packager_t *p, int track, uint32_t samples)
{
    fake_frame_t  *f;

    f = fake_open(p, track);

    if (f) {
        f->samples = samples;
    }
}


void
lv_packager_patch(lv_packager_t *p, int track, uint32_t at, const void *data,
    size_t n)
{
    fake_frame_t  *f;

    f = fake_open(p, track);

    if (f == NULL || at > f->len || n > f->len - at) {
        p->misuse++;
        return;
    }

    memcpy(f->data + at, data, n);
}


int
lv_packager_frame_more(lv_packager_t *p, int track, uint64_t now_ms)
{
    unsigned  i;

    for (i = p->frames; i > 0 && p->frame[i - 1].track != track; i--) {
        /* void */
    }

    if (p->more_rc) {
        return p->more_rc;
    }

    if (i == 0 || !p->frame[i - 1].ended || p->open[track] != -1) {
        return LV_DECLINED;
    }

    p->frame[i - 1].ended = false;
    p->open[track] = (int) i - 1;

    return LV_OK;
}


int
lv_packager_frame_end(lv_packager_t *p, int track)
{
    fake_frame_t  *f;

    f = fake_open(p, track);

    if (f) {
        f->ended = true;
        p->open[track] = -1;
    }

    return LV_OK;
}


void
lv_packager_frame_abort(lv_packager_t *p, int track)
{
    fake_frame_t  *f;

    f = fake_open(p, track);

    if (f) {
        f->aborted = true;
        p->open[track] = -1;
    }
}


void
lv_packager_captions(lv_packager_t *p, int track, unsigned captions)
{
    if (track != 0 || p->configs[0] == 0) {
        p->misuse++;
    }

    p->captions = captions;
}


/* The n-th whole frame of a track; NULL: no more. */
__attribute__((unused)) static fake_frame_t *
fake_frame(lv_packager_t *p, int track, unsigned n)
{
    unsigned  i;

    for (i = 0; i < p->frames; i++) {
        if (p->frame[i].track == track && p->frame[i].ended && n-- == 0) {
            return &p->frame[i];
        }
    }

    return NULL;
}


__attribute__((unused)) static unsigned
fake_count(lv_packager_t *p, int track)
{
    unsigned  i, n;

    n = 0;

    for (i = 0; i < p->frames; i++) {
        n += p->frame[i].track == track && p->frame[i].ended;
    }

    return n;
}


/* The NAL types of a sample, "6 5 5"; "?" where its lengths do not add up. */
__attribute__((unused)) static const char *
fake_nals(const fake_frame_t *f)
{
    size_t       at, n, used;
    static char  text[512];

    used = 0;
    text[0] = '\0';

    if (f == NULL) {
        return "no frame";
    }

    for (at = 0; at < f->len; at += n) {
        if (f->len - at < 5) {
            return "?";
        }

        n = lv_be32(f->data + at);
        at += 4;

        if (n == 0 || n > f->len - at) {
            return "?";
        }

        used += (size_t) snprintf(text + used, sizeof(text) - used, "%s%u",
                                  used ? " " : "", f->data[at] & 0x1fu);
        if (used > sizeof(text) - 8) {
            break;
        }
    }

    return text;
}

#endif
