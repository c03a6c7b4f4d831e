/*
 * What the demuxer makes of an MPEG transport stream.
 *
 *   ts_dump [-n BYTES] [-p PROGRAM] [-v FILE] [-a FILE] FILE
 *
 *   -n BYTES    give it so many bytes a call (1316)
 *   -p PROGRAM  this program number
 *   -v FILE     write video with start codes, parameter sets in front
 *   -a FILE     write audio frames, one behind the other
 *
 * On stdout, a line each (times in 1/90000 s):
 *
 *   track TRACK CODECS WIDTHxHEIGHT | RATE Hz CHANNELS ch
 *   frame TRACK pts DTS dts DTS size BYTES [key] [estimated] [discontinuity]
 *   meta KIND PID pts PTS size BYTES [command …]
 *   event NUMBER TEXT
 *   stat NAME VALUE
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lv_avc.h"
#include "lv_hevc.h"
#include "lv_ts.h"

#define SAMPLE_MAX  (LV_TS_PICTURE_MAX + 65536)

typedef struct {
    lv_ts_codec_t  codec;
    bool           video;
    lv_ts_frame_t  frame;
    size_t         len;
    uint8_t       *sample;
} track_t;

static track_t    tracks[LV_TS_STREAMS];
static FILE      *video, *audio;
static const char  *names[] = {
    [LV_TS_SCTE35] = "SCTE-35", [LV_TS_ID3] = "ID3", [LV_TS_KLV] = "KLV"
};


static void
write_nal(const uint8_t *p, size_t n)
{
    static const uint8_t  code[4] = { 0, 0, 0, 1 };

    fwrite(code, 1, sizeof(code), video);
    fwrite(p, 1, n, video);
}


static void
write_sets(lv_ts_codec_t codec, const lv_codec_config_t *c)
{
    size_t           len;
    unsigned         n, type, last;
    const uint8_t   *nal;
    lv_nal_config_t  config;

    config.len = (uint16_t) c->config_len;
    memcpy(config.data, c->config, c->config_len);

    type = codec == LV_TS_HEVC ? LV_HEVC_VPS : LV_NAL_SPS;
    last = codec == LV_TS_HEVC ? LV_HEVC_PPS : LV_NAL_PPS;

    for ( /* void */ ; type <= last; type++) {
        for (n = 0; /* void */ ; n++) {
            nal = codec == LV_TS_HEVC
                  ? lv_hevc_config_get(&config, type, n, &len)
                  : lv_avc_config_get(&config, type, n, &len);

            if (nal == NULL) {
                break;
            }

            write_nal(nal, len);
        }
    }
}


static int
on_track(void *ctx, unsigned track, lv_ts_codec_t codec,
    const lv_codec_config_t *c)
{
    track_t  *t = &tracks[track];

    t->codec = codec;
    t->video = c->kind == LV_KIND_VIDEO;

    if (t->sample == NULL) {
        t->sample = malloc(SAMPLE_MAX);
    }

    if (t->video) {
        printf("track %u %s %ux%u\n", track, c->codecs, c->width, c->height);

        if (video) {
            write_sets(codec, c);
        }

        return LV_OK;
    }

    printf("track %u %s %u Hz %u ch\n", track, c->codecs, c->sample_rate,
           c->channels);

    return LV_OK;
}


static void
on_gone(void *ctx, unsigned track)
{
    printf("gone %u\n", track);
}


static int
on_frame(void *ctx, unsigned track, const lv_ts_frame_t *f)
{
    tracks[track].frame = *f;
    tracks[track].len = 0;

    return LV_OK;
}


static int
on_data(void *ctx, unsigned track, const void *p, size_t n)
{
    track_t  *t = &tracks[track];

    memcpy(t->sample + t->len, p, n);
    t->len += n;

    return LV_OK;
}


static void
on_patch(void *ctx, unsigned track, uint32_t at, const void *p, size_t n)
{
    memcpy(tracks[track].sample + at, p, n);
}


static int
on_end(void *ctx, unsigned track)
{
    size_t          at, n;
    track_t        *t = &tracks[track];
    lv_ts_frame_t  *f = &t->frame;

    printf("frame %u pts %lld dts %lld size %zu%s%s%s\n", track,
           (long long) f->pts, (long long) f->dts, t->len,
           f->key ? " key" : "", f->estimated ? " estimated" : "",
           f->discontinuity ? " discontinuity" : "");

    if (!t->video) {
        if (audio) {
            fwrite(t->sample, 1, t->len, audio);
        }

        return LV_OK;
    }

    for (at = 0; video && at + 4 < t->len; at += 4 + n) {
        n = lv_be32(t->sample + at);
        write_nal(t->sample + at + 4, n);
    }

    return LV_OK;
}


static void
on_abort(void *ctx, unsigned track)
{
    printf("abort %u\n", track);
}


static void
on_captions(void *ctx, unsigned track, unsigned captions)
{
    printf("captions %u %u\n", track, captions);
}


static void
on_meta(void *ctx, const lv_ts_meta_t *m)
{
    printf("meta %s %u pts %lld size %zu", names[m->kind], m->pid,
           m->timed ? (long long) m->pts : -1ll, m->len);

    if (m->splice) {
        printf(" command %u event %u%s", m->splice->command,
               m->splice->event_id, m->splice->out_of_network ? " out" : "");
    }

    printf("\n");
}


static void
on_event(void *ctx, lv_ts_event_t ev, const char *text)
{
    printf("event %d %s\n", (int) ev, text);
}


static const lv_ts_sink_t  sink = {
    on_track, on_gone, on_frame, on_data, on_patch, on_end, on_abort,
    on_captions, on_meta, on_event
};


static void
print_stat(const lv_ts_stat_t *s)
{
    unsigned  i;

    const struct {
        const char  *name;
        uint64_t     value;
    } all[] = {
        { "packets", s->packets }, { "nulls", s->nulls },
        { "unknown", s->unknown }, { "resyncs", s->resyncs },
        { "errors", s->errors }, { "losses", s->losses },
        { "duplicates", s->duplicates }, { "scrambled", s->scrambled },
        { "crc_errors", s->crc_errors }, { "tables", s->tables },
        { "frames", s->frames }, { "aborted", s->aborted },
        { "awaiting", s->awaiting }, { "held", s->held },
        { "broken", s->broken }, { "metas", s->metas }, { "jumps", s->jumps }
    };

    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        printf("stat %s %llu\n", all[i].name,
               (unsigned long long) all[i].value);
    }
}


static FILE *
open_file(const char *name, const char *mode)
{
    FILE  *f;

    f = fopen(name, mode);

    if (f == NULL) {
        fprintf(stderr, "ts_dump: cannot open %s\n", name);
        exit(2);
    }

    return f;
}


int
main(int argc, char **argv)
{
    int           opt, rc;
    FILE         *in;
    size_t        n, chunk;
    uint64_t      now;
    unsigned      i;
    lv_ts_t      *ts;
    lv_ts_conf_t  conf;
    uint8_t       buf[65536];

    memset(&conf, 0, sizeof(conf));
    chunk = 1316;

    while ((opt = getopt(argc, argv, "n:p:v:a:")) != -1) {
        switch (opt) {
        case 'n': chunk = (size_t) atoi(optarg); break;
        case 'p': conf.program = (uint16_t) atoi(optarg); break;
        case 'v': video = open_file(optarg, "wb"); break;
        case 'a': audio = open_file(optarg, "wb"); break;
        default: optind = argc;
        }
    }

    if (optind != argc - 1 || chunk == 0 || chunk > sizeof(buf)) {
        fprintf(stderr, "usage: ts_dump [-n BYTES] [-p PROGRAM] [-v FILE]"
                " [-a FILE] FILE\n");
        return 2;
    }

    in = open_file(argv[optind], "rb");
    ts = lv_ts_create(&conf, &sink, NULL);
    rc = LV_OK;
    now = 1700000000000ull;

    while (rc == LV_OK && (n = fread(buf, 1, chunk, in)) > 0) {
        rc = lv_ts_data(ts, buf, n, now++);
    }

    (void) lv_ts_flush(ts);
    print_stat(lv_ts_stat(ts));
    lv_ts_destroy(ts);
    fclose(in);

    for (i = 0; i < LV_TS_STREAMS; i++) {
        free(tracks[i].sample);
    }

    if (video) {
        fclose(video);
    }

    if (audio) {
        fclose(audio);
    }

    return rc == LV_OK ? 0 : 1;
}
