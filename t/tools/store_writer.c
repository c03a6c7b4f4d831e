/*
 * Writes a stream into the store of a running nginx, part by part, as told on
 * its standard input: for tests that need to say when what happens.
 *
 *   store_writer STORE PIDFILE
 *
 * Commands, one a line; each is answered by one line, "ok …" or "error …":
 *
 *   claim ID TRACKS [muxed] [window=MS]
 *                             TRACKS: v0a0, v0, a0, v0v1a0, …; state STARTING
 *   live | interrupted | ended   the stream's state
 *   part [WORD …]             the next part, on every track; → ok MSN PART
 *        last                 it ends its segment
 *        unlisted, disc, break, forced, filler    flags (LV_PART_*)
 *        only=NAME            on this track only; the next "part" of the same
 *                             name goes to the tracks that lack it
 *        size=BYTES           of the video's payload (20000)
 *   segment [WORD …]          the rest of a segment of six parts
 *   codec                     new init sections from the next segment on
 *   next                      the next part begins a segment
 *   evict MSN                 what ended before this one
 *   run MS SEGMENTS           six parts a segment, one each MS, with a window
 *                             of 15 segments; → ok MSN PART at the end
 *
 * The media are shaped right (durations, sizes, flags) and every byte of a
 * sample says whose it is, but no decoder would like them. Video has 30
 * frames a second, ten a part; audio 48 kHz, whole frames of 1024 samples.
 */

#include "tool.h"
#include "lv_fmp4.h"
#include "lv_store.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#define FRAMES        10
#define FRAME_TS      3000
#define SEGMENT       6
#define WINDOW        15
#define PART_US       341334            /* 16 AAC frames, rounded up */

typedef struct {
    lv_track_t       *track;
    lv_track_desc_t   desc;
    unsigned          id;
    uint32_t          init_msn;
    uint64_t          tfdt;
    bool              done;             /* has the part that is being made */
} out_t;

static lv_store_t   *st;
static lv_stream_t  *stream;
static uint32_t      epoch;
static out_t         outs[LV_STREAM_TRACKS];
static unsigned      nouts;
static uint32_t      msn, part, disc_seq;
static uint64_t      media_us, start_ms;
static bool          forced_init;
static int           bell = -1;

static const uint8_t  avcc[] = {
    1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 10, 0x67, 0x64, 0, 0x1f, 0xac, 0xd9, 0x40,
    0x50, 0x05, 0xbb, 1, 0, 4, 0x68, 0xee, 0x3c, 0x80
};
static const uint8_t  asc[] = { 0x11, 0x90 };


static uint64_t
now_ms(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}


static void
ring(void *ctx, unsigned slot)
{
    int                 n;
    unsigned            i;
    const uint8_t      *secret;
    struct sockaddr_un  sun;

    memset(&sun, 0, sizeof(sun));
    sun.sun_family = AF_UNIX;
    secret = lv_store_secret(st);
    n = sprintf(sun.sun_path + 1, "ngx_live.");

    for (i = 0; i < 8; i++) {
        n += sprintf(sun.sun_path + 1 + n, "%02x", secret[i]);
    }

    n += sprintf(sun.sun_path + 1 + n, ".%u", slot);

    (void) sendto(bell, "", 1, MSG_DONTWAIT|MSG_NOSIGNAL,
                  (struct sockaddr *) &sun,
                  (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1
                               + (size_t) n));
}


static void
open_store(const char *path, const char *owner)
{
    int          fd;
    void        *base;
    const char  *err;
    struct stat  sb;

    fd = open(path, O_RDWR);

    if (fd == -1 || fstat(fd, &sb) == -1) {
        perror(path);
        exit(1);
    }

    base = mmap(NULL, (size_t) sb.st_size, PROT_READ|PROT_WRITE, MAP_SHARED,
                fd, 0);
    if (base == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }

    bell = socket(AF_UNIX, SOCK_DGRAM|SOCK_NONBLOCK, 0);
    st = lv_store_attach(base, (size_t) sb.st_size, owner, ring, NULL, &err);

    if (st == NULL
        || lv_store_join(st, (uint32_t) getpid(), (uint32_t) time(NULL),
                         now_ms(), &err)
           != LV_OK)
    {
        fprintf(stderr, "%s: %s\n", path, err);
        exit(1);
    }
}


static void
describe(out_t *o, char kind, char number, unsigned id)
{
    lv_track_desc_t  *d;

    d = &o->desc;
    o->id = id;
    d->name[0] = kind;
    d->name[1] = number;
    d->avg_bps = kind == 'v' ? 480000 : 128000;
    d->peak_bps = d->avg_bps + d->avg_bps / 20;

    if (kind == 'v') {
        d->kind = LV_KIND_VIDEO;
        strcpy(d->codecs, "avc1.64001f");
        d->timescale = 90000;
        d->width = 1280;
        d->height = 720;
        d->rate_milli = 30000;
        d->frame_ts = FRAME_TS;
        d->config_len = sizeof(avcc);
        memcpy(d->config, avcc, sizeof(avcc));
        return;
    }

    d->kind = LV_KIND_AUDIO;
    strcpy(d->codecs, "mp4a.40.2");
    d->timescale = 48000;
    d->sample_rate = 48000;
    d->channels = 2;
    d->frame_ts = 1024;
    d->config_len = sizeof(asc);
    memcpy(d->config, asc, sizeof(asc));
}


static const char *
claim(char *args)
{
    char        *id, *tracks, *word;
    const char  *err;

    id = strtok(args, " ");
    tracks = strtok(NULL, " ");

    if (id == NULL || tracks == NULL) {
        return "claim ID TRACKS";
    }

    err = "bad id";

    if (lv_stream_claim(st, id, strlen(id), 8 << 20, now_ms(), &stream,
                        &epoch, &err)
        != LV_OK)
    {
        return err;
    }

    memset(outs, 0, sizeof(outs));
    nouts = 0;
    msn = stream->epoch;
    part = 0;
    disc_seq = 0;
    media_us = 0;
    start_ms = now_ms();
    forced_init = true;

    stream->timing.part_target_us = PART_US;
    stream->timing.target_s = 2;
    stream->timing.part_frames = FRAMES;
    stream->timing.window_ms = 30000;
    stream->timing.resume_ms = 30000;
    stream->timing.muxed = 0;

    while ((word = strtok(NULL, " ")) != NULL) {
        if (strcmp(word, "muxed") == 0) {
            stream->timing.muxed = 1;

        } else if (strncmp(word, "window=", 7) == 0) {
            stream->timing.window_ms = (uint32_t) strtoul(word + 7, NULL, 10);
        }
    }

    for ( /* void */ ; tracks[0] && tracks[1]; tracks += 2) {
        describe(&outs[nouts], tracks[0], tracks[1], nouts + 1);
        outs[nouts].track = lv_track_add(st, stream, epoch,
                                         &outs[nouts].desc);
        if (outs[nouts].track == NULL) {
            return "no room for a track";
        }

        nouts++;
    }

    return NULL;
}


static const char *
write_init(out_t *o)
{
    int               n;
    uint8_t           buf[LV_FMP4_INIT_MAX];
    lv_part_info_t    info;
    lv_fmp4_track_t   t;
    lv_part_writer_t  w;

    memset(&t, 0, sizeof(t));
    t.track_id = o->id;
    t.timescale = o->desc.timescale;
    t.video = o->desc.kind == LV_KIND_VIDEO;
    t.fourcc = t.video ? LV_FOURCC('a', 'v', 'c', '1')
                       : LV_FOURCC('m', 'p', '4', 'a');
    t.width = o->desc.width;
    t.height = o->desc.height;
    t.sample_rate = o->desc.sample_rate;
    t.channels = o->desc.channels;
    t.config = o->desc.config;
    t.config_len = o->desc.config_len;

    n = lv_fmp4_init(buf, sizeof(buf), &t, 1);

    memset(&info, 0, sizeof(info));
    info.msn = msn;
    info.flags = LV_PART_INIT;
    o->init_msn = msn;

    if (n < 0
        || lv_part_open(&w, st, stream, o->track, epoch, 0) != LV_OK
        || lv_part_write(&w, buf, (size_t) n) != LV_OK
        || lv_part_commit(&w, NULL, 0, &info) != LV_OK)
    {
        return "cannot write the init section";
    }

    return NULL;
}


/* Samples of this part: video ten frames, audio up to the same time. */
static unsigned
samples_of(out_t *o, lv_fmp4_sample_t *s, size_t size)
{
    bool      video;
    unsigned  i, n;
    uint64_t  end;

    video = o->desc.kind == LV_KIND_VIDEO;
    n = FRAMES;

    if (!video) {
        end = (media_us + FRAMES * 1000000ULL / 30) * 48 / 1000;
        n = (unsigned) ((end - o->tfdt) / 1024);
    }

    for (i = 0; i < n; i++) {
        s[i].size = (uint32_t) (video ? size / FRAMES : 340);
        s[i].duration = o->desc.frame_ts;
        s[i].cts = 0;
        s[i].key = !video || (part == 0 && i == 0);
    }

    return n;
}


static const char *
write_part(out_t *o, uint16_t flags, size_t size)
{
    int               n;
    size_t            left, chunk;
    uint8_t           head[2048], fill[4096];
    unsigned          i, count;
    const char       *err;
    lv_part_info_t    info;
    lv_part_writer_t  w;
    lv_fmp4_sample_t  s[64];

    if (forced_init && part == 0) {
        err = write_init(o);
        if (err) {
            return err;
        }
    }

    count = samples_of(o, s, size);
    memset(&info, 0, sizeof(info));
    left = 0;

    for (i = 0; i < count; i++) {
        left += s[i].size;
        info.duration += s[i].duration;
    }

    n = lv_fmp4_head(head, sizeof(head), msn * 100 + part, o->id, o->tfdt, s,
                     count);

    if (n < 0 || lv_part_open(&w, st, stream, o->track, epoch, 512) != LV_OK) {
        return "no memory";
    }

    memset(fill, (int) (msn * 31 + part * 7 + o->id), sizeof(fill));

    for ( /* void */ ; left; left -= chunk) {
        chunk = left < sizeof(fill) ? left : sizeof(fill);

        if (lv_part_write(&w, fill, chunk) != LV_OK) {
            lv_part_abort(&w);
            return "no memory";
        }
    }

    info.msn = msn;
    info.part = (uint16_t) part;
    info.flags = flags;
    info.init_msn = o->init_msn;
    info.disc_seq = disc_seq;
    info.tfdt = o->tfdt;
    info.samples = count;
    info.pdt_ms = start_ms + o->tfdt * 1000 / o->desc.timescale;
    info.commit_ms = now_ms();

    if (s[0].key) {
        info.flags |= LV_PART_INDEPENDENT;
    }

    if (lv_part_commit(&w, head, (size_t) n, &info) != LV_OK) {
        return "displaced";
    }

    o->tfdt += info.duration;
    o->done = true;

    return NULL;
}


static uint16_t
flag_of(const char *word)
{
    unsigned  i;

    static const struct { const char *name; uint16_t flag; } flags[] = {
        { "last", LV_PART_LAST },
        { "unlisted", LV_PART_UNLISTED },
        { "disc", LV_PART_DISCONTINUITY },
        { "break", LV_PART_BREAK|LV_PART_LAST },
        { "forced", LV_PART_FORCED },
        { "filler", LV_PART_FILLER },
    };

    for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (strcmp(word, flags[i].name) == 0) {
            return flags[i].flag;
        }
    }

    return 0;
}


static const char *
make_part(char *args)
{
    bool         all;
    char        *word, *only;
    size_t       size;
    unsigned     i;
    uint16_t     flags;
    const char  *err;

    flags = 0;
    only = NULL;
    size = 20000;

    for (word = strtok(args, " "); word; word = strtok(NULL, " ")) {
        if (strncmp(word, "only=", 5) == 0) {
            only = word + 5;

        } else if (strncmp(word, "size=", 5) == 0) {
            size = strtoul(word + 5, NULL, 10);

        } else if (flag_of(word)) {
            flags |= flag_of(word);

        } else {
            return "no such word";
        }
    }

    if (flags & LV_PART_DISCONTINUITY) {
        disc_seq++;
    }

    all = true;

    for (i = 0; i < nouts; i++) {
        if (!outs[i].done
            && (only == NULL || strcmp(only, outs[i].desc.name) == 0))
        {
            err = write_part(&outs[i], flags, size);
            if (err) {
                return err;
            }
        }

        all = all && outs[i].done;
    }

    printf("ok %u %u\n", msn, part);

    if (all) {
        for (i = 0; i < nouts; i++) {
            outs[i].done = false;
        }

        forced_init = forced_init && part != 0;
        media_us += FRAMES * 1000000ULL / 30;
        part++;

        if (flags & LV_PART_LAST) {
            msn++;
            part = 0;
        }
    }

    lv_stream_notify(st, stream);

    return NULL;
}


static const char *
make_segment(const char *args)
{
    char         line[256];
    const char  *err;

    do {
        snprintf(line, sizeof(line), "%s%s", args,
                 part == SEGMENT - 1 ? " last" : "");
        err = make_part(line);
    } while (err == NULL && part != 0);

    return err;
}


static const char *
run(const char *args)
{
    char         line[64];
    unsigned     ms, segments, i;
    uint32_t     first;
    uint64_t     next;
    const char  *err;

    if (sscanf(args, "%u %u", &ms, &segments) != 2) {
        return "run MS SEGMENTS";
    }

    first = msn;
    next = now_ms();
    err = NULL;

    for (i = 0; i < segments * SEGMENT && err == NULL && !tool_stop; i++) {
        next += ms;

        while (now_ms() < next) {
            usleep(500);
        }

        strcpy(line, part == SEGMENT - 1 ? "last size=80000" : "size=80000");
        err = make_part(line);

        if (part == 0 && msn > first + WINDOW) {
            lv_stream_evict(st, stream, epoch, msn - WINDOW, now_ms());
        }
    }

    return err;
}


/* NULL: the answer is printed; "": plain ok. */
static const char *
command(char *line)
{
    char      *args;
    uint32_t   state;

    args = strchr(line, ' ');
    if (args) {
        *args++ = '\0';
    } else {
        args = line + strlen(line);
    }

    if (strcmp(line, "claim") == 0) {
        const char  *err = claim(args);
        return err ? err : "";
    }

    if (stream == NULL) {
        return "claim first";
    }

    if (strcmp(line, "part") == 0) {
        return make_part(args);
    }

    if (strcmp(line, "segment") == 0) {
        return make_segment(args);
    }

    if (strcmp(line, "run") == 0) {
        return run(args);
    }

    if (strcmp(line, "codec") == 0) {
        forced_init = true;
        return "";
    }

    if (strcmp(line, "next") == 0) {
        msn++;
        part = 0;
        return "";
    }

    if (strcmp(line, "evict") == 0) {
        lv_stream_evict(st, stream, epoch, (uint32_t) strtoul(args, NULL, 10),
                        now_ms());
        lv_stream_notify(st, stream);
        return "";
    }

    state = strcmp(line, "live") == 0 ? LV_STREAM_LIVE
            : strcmp(line, "interrupted") == 0 ? LV_STREAM_INTERRUPTED
            : strcmp(line, "ended") == 0 ? LV_STREAM_ENDED : LV_STREAM_FREE;

    if (state == LV_STREAM_FREE) {
        return "no such command";
    }

    return lv_stream_set_state(st, stream, epoch, state, now_ms())
           ? "" : "displaced";
}


int
main(int argc, char **argv)
{
    char         line[1024];
    const char  *err;

    if (argc != 3) {
        fprintf(stderr, "store_writer STORE PIDFILE\n");
        return 2;
    }

    tool_signals();
    setvbuf(stdout, NULL, _IOLBF, 0);
    open_store(argv[1], argv[2]);

    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\r\n")] = '\0';
        err = command(line);

        if (err && err[0]) {
            printf("error %s\n", err);
        } else if (err) {
            printf("ok\n");
        }
    }

    lv_store_leave(st);

    return 0;
}
