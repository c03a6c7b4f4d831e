/*
 * An FLV file as RTMP messages that are ready to be sent: each tag's body with
 * the chunk headers already in it. H.264 and AAC.
 */

#ifndef FLV_TAGS_H
#define FLV_TAGS_H

#include "tool.h"

/* What a stamped video frame begins with: an SEI message of these 16 bytes and
 * the wall clock, microseconds since the epoch, as hexadecimal digits. */
#define FLV_STAMP_UUID  "ngx-live-wall-us"
#define FLV_STAMP_LEN   16


typedef struct {
    uint8_t    type;                    /* 8 audio, 9 video, 18 metadata */
    uint8_t    csid;
    bool       config;                  /* a sequence header */
    uint32_t   dts;                     /* ms */
    uint32_t   len;                     /* of the message */
    uint8_t   *body;                    /* with type-3 chunk headers in it */
    size_t     size;
    uint8_t   *stamp;                   /* in body; NULL: none */
} tag_t;

typedef struct {
    tag_t     *tags;
    size_t     n;
    uint32_t   loop_ms;                 /* of the file */
} flv_t;


static uint32_t
flv_be24(const uint8_t *p)
{
    return ((uint32_t) p[0] << 16) | ((uint32_t) p[1] << 8) | p[2];
}


/* Puts an SEI message for the stamp in front of the frame's NAL units. */
static uint8_t *
tag_add_sei(const uint8_t *data, uint32_t *len)
{
    uint8_t        *p, *out;
    const uint32_t  nal = 1 + 1 + 1 + 16 + FLV_STAMP_LEN + 1;

    out = tool_alloc(*len + 4 + nal);
    memcpy(out, data, 5);

    p = out + 5;
    *p++ = 0; *p++ = 0; *p++ = 0; *p++ = (uint8_t) nal;
    *p++ = 6;                           /* SEI */
    *p++ = 5;                           /* user_data_unregistered */
    *p++ = 16 + FLV_STAMP_LEN;
    memcpy(p, FLV_STAMP_UUID, 16);
    p += 16;
    memset(p, '0', FLV_STAMP_LEN);
    p += FLV_STAMP_LEN;
    *p++ = 0x80;                        /* rbsp_trailing_bits */
    memcpy(p, data + 5, *len - 5);

    *len += 4 + nal;

    return out;
}


static void
tag_chunk(tag_t *t, const uint8_t *data, size_t chunk)
{
    size_t    n, left;
    uint8_t  *p;

    t->size = t->len + (t->len ? (t->len - 1) / chunk : 0);
    t->body = p = tool_alloc(t->size);

    for (left = t->len; left > 0; left -= n) {

        if (left != t->len) {
            *p++ = (uint8_t) (0xc0 | t->csid);
        }

        n = left < chunk ? left : chunk;
        memcpy(p, data, n);
        p += n;
        data += n;
    }
}


static void
tag_add(flv_t *f, uint8_t type, uint32_t dts, const uint8_t *data, uint32_t len,
    size_t chunk, bool stamps)
{
    tag_t    *t = &f->tags[f->n];
    uint8_t  *sei = NULL;

    memset(t, 0, sizeof(*t));

    if (type == 18 && (len < 13 || memcmp(data, "\2\0\12onMetaData", 13) != 0))
    {
        return;
    }

    t->type = type;
    t->csid = type == 8 ? 4 : type == 9 ? 6 : 5;
    t->dts = type == 18 ? 0 : dts;
    t->config = type == 18 || (len > 1 && type == 9 && data[1] == 0)
                || (len > 1 && type == 8 && (data[0] >> 4) == 10
                    && data[1] == 0);

    if (type == 9 && len > 1 && data[1] == 2) {
        return;                         /* end of sequence */
    }

    if (stamps && type == 9 && !t->config) {
        data = sei = tag_add_sei(data, &len);
    }

    t->len = len;

    if (type == 18) {
        static const uint8_t  set[] = "\2\0\15@setDataFrame";
        uint8_t              *both = tool_alloc(len + 16);

        memcpy(both, set, 16);
        memcpy(both + 16, data, len);
        t->len = len + 16;
        tag_chunk(t, both, chunk);
        free(both);

    } else {
        tag_chunk(t, data, chunk);
    }

    if (sei != NULL) {
        t->stamp = t->body + 5 + 4 + 3 + 16;
        free(sei);
    }

    f->n++;
}


/*
 * A loop lasts as long as the pictures do (sound, where there are none), and
 * sound that would run into the next one is left out: there is no seam in the
 * time stamps.
 */
static void
flv_loop(flv_t *f)
{
    size_t    i, n;
    tag_t    *t;
    uint32_t  first[32] = { 0 }, last[32] = { 0 }, count[32] = { 0 };
    unsigned  lead;

    for (i = 0; i < f->n; i++) {
        t = &f->tags[i];

        if (t->config) {
            continue;
        }

        if (count[t->type]++ == 0) {
            first[t->type] = t->dts;
        }

        last[t->type] = t->dts;
    }

    lead = count[9] ? 9 : 8;
    f->loop_ms = last[lead] - first[lead];
    f->loop_ms += count[lead] > 1
                  ? (f->loop_ms + (count[lead] - 1) / 2) / (count[lead] - 1)
                  : 40;

    for (i = 0, n = 0; i < f->n; i++) {
        t = &f->tags[i];

        if (t->config || t->dts - first[t->type] < f->loop_ms) {
            f->tags[n++] = *t;
        }
    }

    f->n = n;
}


/* Dies when the file cannot be used. With 'stamps' every video frame has room
 * for a stamp, at tag_t.stamp. */
static void
flv_load(flv_t *out, const char *path, size_t chunk, bool stamps)
{
    long       n;
    FILE      *f;
    size_t     i, frames = 0;
    uint8_t   *data;
    uint32_t   len, dts;

    f = fopen(path, "rb");
    if (f == NULL) {
        die("%s: %s", path, strerror(errno));
    }

    fseek(f, 0, SEEK_END);
    n = ftell(f);
    rewind(f);

    data = tool_alloc((size_t) n);

    if (n < 13 || fread(data, 1, (size_t) n, f) != (size_t) n
        || memcmp(data, "FLV", 3) != 0)
    {
        die("%s: not an FLV file", path);
    }

    fclose(f);

    for (i = 13; i + 11 <= (size_t) n; i += 11 + flv_be24(data + i + 1) + 4) {
        frames++;
    }

    out->tags = tool_alloc(frames * sizeof(tag_t));
    out->n = 0;

    for (i = 13; i + 11 <= (size_t) n; i += 11 + len + 4) {
        len = flv_be24(data + i + 1);
        dts = flv_be24(data + i + 4) | ((uint32_t) data[i + 7] << 24);

        if (i + 11 + len > (size_t) n) {
            break;
        }

        if (len == 0) {
            continue;
        }

        tag_add(out, data[i] & 0x1f, dts, data + i + 11, len, chunk, stamps);
    }

    free(data);
    flv_loop(out);

    for (i = 0; i < out->n && out->tags[i].config; i++) { /* void */ }

    if (i == out->n) {
        die("%s: no frames", path);
    }
}

#endif
