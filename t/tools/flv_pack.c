/*
 * Packages FLV files as if they were pushed in real time, by a clock of its
 * own, and writes what players would download.
 *
 *   flv_pack [-r] DIR STEP …
 *
 *   FILE.flv      a publisher that sends it, until it is lost; the last one
 *                 says goodbye
 *   away:SECONDS  nobody publishes: another process's filler takes over
 *   kill:SECONDS  the same, but the publisher dies without a word
 *   audio:FILE    only the audio of it; video:FILE likewise
 *
 *   -r            audio is sent 300 ms later than the time stamps say
 *
 * Into DIR, for each init section: v0-MSN.mp4, a0-MSN.mp4 and muxed-MSN.mp4,
 * the init section and all that followed. On stdout, what the rules of
 * t/unit/pack_sim.h say; the exit status is 1 if one is broken.
 */

#include "pack_sim.h"
#include "lv_flv.h"

#define STEP_MS  50

/* What a publisher that is killed leaves behind. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
    return "leak:lv_pack_";
}


typedef struct {
    sim_store_t     m;
    lv_store_t     *st[2];           /* two processes */
    unsigned        owner;
    sim_check_t     check;
    lv_packager_t  *p;
    lv_flv_t        flv;
    uint64_t        now_ms;
    const char     *dir;
    unsigned        delay_ms;        /* of audio */
    uint32_t        seq[LV_STREAM_TRACKS];
    unsigned        declined;
} run_t;

static const lv_packager_conf_t  conf = {
    .part_us = 333333, .segment_ms = 2000, .window_ms = 30000,
    .resume_ms = 30000, .max_bitrate = 10000000, .muxed = true
};


static void
die(const char *what, const char *which)
{
    fprintf(stderr, "flv_pack: %s %s\n", what, which);
    exit(2);
}


static void
event(void *ctx, lv_pack_event_t ev, const char *text)
{
    run_t  *r = ctx;

    printf("# %9.3f event %d: %s\n", (double) (r->now_ms - SIM_EPOCH_MS)
           / 1000, (int) ev, text);
}


static void
append(run_t *r, const char *name, uint32_t msn, const void *p, size_t n,
    bool fresh)
{
    char   path[512];
    FILE  *f;

    snprintf(path, sizeof(path), "%s/%s-%u.mp4", r->dir, name, msn);
    f = fopen(path, fresh ? "wb" : "ab");

    if (f == NULL || fwrite(p, 1, n, f) != n) {
        die("cannot write", path);
    }

    fclose(f);
}


/* The part, behind its init section if that is a new one; and, since video
 * comes first in a muxed part, video to the muxed file when audio of its name
 * is there. */
static void
export_part(run_t *r, lv_track_t *t, const char *name,
    const lv_part_ref_t *ref, bool first)
{
    size_t         n;
    lv_part_ref_t  init;

    if (first) {
        if (lv_track_init(r->m.st, t, ref->info.init_msn, &init) != LV_OK) {
            die("no init section of", name);
        }

        n = sim_part_bytes(r->m.st, &init);
        append(r, name, ref->info.init_msn, sim_buf, n, true);
    }

    n = sim_part_bytes(r->m.st, ref);
    append(r, name, ref->info.init_msn, sim_buf, n, false);
}


static void
export_muxed_init(run_t *r, lv_track_t *v, uint32_t vmsn, lv_track_t *a,
    uint32_t amsn)
{
    int            len;
    size_t         vlen;
    uint8_t        vinit[LV_FMP4_INIT_MAX], out[2 * LV_FMP4_INIT_MAX];
    lv_part_ref_t  ref;

    if (lv_track_init(r->m.st, v, vmsn, &ref) != LV_OK) {
        die("no init section of", "v0");
    }

    vlen = sim_part_bytes(r->m.st, &ref);
    memcpy(vinit, sim_buf, vlen);

    if (lv_track_init(r->m.st, a, amsn, &ref) != LV_OK) {
        die("no init section of", "a0");
    }

    len = lv_fmp4_init_merge(out, sizeof(out), (lv_str_t[]) {
        { vinit, vlen }, { sim_buf, sim_part_bytes(r->m.st, &ref) } }, 2);
    if (len < 0) {
        die("cannot merge", "init sections");
    }

    append(r, "muxed", vmsn > amsn ? vmsn : amsn, out, (size_t) len, true);
}


static void
export_new(run_t *r)
{
    size_t           n;
    unsigned         i;
    uint32_t         msn;
    lv_track_t      *t, *v;
    lv_stream_t     *s;
    lv_part_ref_t    ref, vref;
    static uint32_t  last[LV_STREAM_TRACKS], muxed;

    s = r->check.s;
    v = lv_stream_track(r->m.st, s, "v0", 2);

    for (i = 0; i < atomic_load(&s->track_count); i++) {
        t = lv_stream_track_at(r->m.st, s, i);

        while (lv_track_part(r->m.st, t, r->seq[i], &ref) == LV_OK) {
            r->seq[i]++;
            export_part(r, t, t->name, &ref,
                        ref.info.init_msn != last[i]);
            last[i] = ref.info.init_msn;

            if (strcmp(t->name, "a0") != 0 || v == NULL
                || lv_track_find(r->m.st, v, ref.info.msn, ref.info.part,
                                 &vref) != LV_OK)
            {
                continue;
            }

            msn = ref.info.init_msn > vref.info.init_msn
                  ? ref.info.init_msn : vref.info.init_msn;

            if (msn != muxed) {
                muxed = msn;
                export_muxed_init(r, v, vref.info.init_msn, t,
                                  ref.info.init_msn);
            }

            n = sim_part_bytes(r->m.st, &vref);
            append(r, "muxed", muxed, sim_buf, n, false);
            n = sim_part_bytes(r->m.st, &ref);
            append(r, "muxed", muxed, sim_buf, n, false);
        }
    }
}


static void
look(run_t *r)
{
    lv_stream_t  *s;

    s = lv_packager_stream(r->p);
    r->m.st = r->st[r->owner];

    sim_check(&r->check, r->m.st, s);
    export_new(r);
}


static void
clock_to(run_t *r, uint64_t until)
{
    while (r->now_ms < until) {
        r->now_ms += STEP_MS;

        if (r->now_ms > until) {
            r->now_ms = until;
        }

        lv_packager_tick(r->p, r->now_ms);
        look(r);
    }
}


/* ---- steps ------------------------------------------------------------- */

typedef struct {
    uint64_t        due_ms;
    unsigned        type;
    uint32_t        ts;
    const uint8_t  *body;
    uint32_t        len;
} tag_t;

static int
tag_compare(const void *a, const void *b)
{
    const tag_t  *x = a, *y = b;

    if (x->due_ms != y->due_ms) {
        return x->due_ms < y->due_ms ? -1 : 1;
    }

    return x->body < y->body ? -1 : 1;
}


/* *bytes is what the tags' bodies are in; the caller frees both. */
static tag_t *
load(run_t *r, const char *path, unsigned only, unsigned *count,
    uint8_t **bytes)
{
    long      len;
    FILE     *f;
    tag_t    *tag;
    size_t    at;
    uint8_t  *p;

    f = fopen(path, "rb");
    if (f == NULL) {
        die("cannot read", path);
    }

    fseek(f, 0, SEEK_END);
    len = ftell(f);
    rewind(f);
    p = malloc((size_t) len);

    if (fread(p, 1, (size_t) len, f) != (size_t) len) {
        die("cannot read", path);
    }

    fclose(f);

    tag = malloc(sizeof(tag_t) * ((size_t) len / 15 + 1));
    *bytes = p;
    *count = 0;

    for (at = 13; at + 11 <= (size_t) len; at += 15 + lv_be24(p + at + 1)) {
        tag[*count].type = p[at];
        tag[*count].ts = lv_be24(p + at + 4) | (uint32_t) p[at + 7] << 24;
        tag[*count].len = lv_be24(p + at + 1);
        tag[*count].body = p + at + 11;
        tag[*count].due_ms = tag[*count].ts
                             + (p[at] == LV_FLV_AUDIO ? r->delay_ms : 0);

        if ((p[at] == LV_FLV_AUDIO || p[at] == LV_FLV_VIDEO)
            && (only == 0 || only == p[at]))
        {
            (*count)++;
        }
    }

    qsort(tag, *count, sizeof(tag_t), tag_compare);

    return tag;
}


static void
publish(run_t *r, const char *path, unsigned only)
{
    tag_t          *tag;
    unsigned        i, n;
    uint8_t        *bytes;
    uint64_t        start;
    const char     *err;
    lv_packager_t  *filler;

    tag = load(r, path, only, &n, &bytes);
    r->owner = 0;
    filler = r->p;

    r->p = lv_packager_create(r->st[0], "test", 4, &conf, NULL, r->now_ms,
                              event, r, &err);
    if (r->p == NULL) {
        die("refused:", err);
    }

    if (filler) {
        lv_packager_destroy(filler);
    }

    lv_flv_init(&r->flv, NULL, NULL, NULL);
    start = r->now_ms;

    for (i = 0; i < n; i++) {
        clock_to(r, start + tag[i].due_ms);

        if (lv_flv_begin(&r->flv, r->p, tag[i].type, tag[i].ts, tag[i].len,
                         r->now_ms) != LV_OK
            || lv_flv_data(&r->flv, tag[i].type, tag[i].body, tag[i].len)
               != LV_OK
            || lv_flv_end(&r->flv, tag[i].type) != LV_OK)
        {
            die("the packager gave up:", r->flv.err);
        }
    }

    look(r);
    r->declined += (unsigned) r->flv.stat.declined;
    lv_flv_abort_all(&r->flv);
    free(tag);
    free(bytes);
}


static void
away(run_t *r, double seconds, bool killed)
{
    uint32_t      gen;
    lv_stream_t  *s;

    s = lv_packager_stream(r->p);

    if (killed) {
        lv_store_detach(r->st[0]);
        r->now_ms += 1000;
        lv_store_reap(r->st[1], r->now_ms);
        r->st[0] = sim_attach(&r->m, 3);

    } else {
        lv_packager_lost(r->p, r->now_ms);
        lv_packager_destroy(r->p);
    }

    r->owner = 1;
    s = lv_stream_find(r->st[1], "test", 4, &gen);

    if (s == NULL) {
        die("the stream", "is gone");
    }

    r->p = lv_packager_adopt(r->st[1], s, r->now_ms, event, r);

    if (r->p == NULL) {
        die("not", "adopted");
    }

    clock_to(r, r->now_ms + (uint64_t) (seconds * 1000));
}


static void
step(run_t *r, const char *s, bool last)
{
    unsigned  only;

    if (strncmp(s, "away:", 5) == 0 || strncmp(s, "kill:", 5) == 0) {
        away(r, atof(s + 5), s[0] == 'k');
        return;
    }

    only = strncmp(s, "audio:", 6) == 0 ? LV_FLV_AUDIO
           : strncmp(s, "video:", 6) == 0 ? LV_FLV_VIDEO : 0;

    publish(r, only ? s + 6 : s, only);

    if (last) {
        lv_packager_finish(r->p, r->now_ms);
        look(r);
    }
}


int
main(int argc, char **argv)
{
    int           i;
    unsigned      n;
    sim_track_t  *t;
    static run_t  r;

    if (argc > 1 && strcmp(argv[1], "-r") == 0) {
        r.delay_ms = 300;
        argc--;
        argv++;
    }

    if (argc < 3) {
        die("usage:", "flv_pack [-r] DIR STEP …");
    }

    setvbuf(stdout, NULL, _IOLBF, 0);
    r.dir = argv[1];
    r.now_ms = SIM_EPOCH_MS;
    sim_store(&r.m, 128);
    r.st[0] = sim_attach(&r.m, 1);
    r.st[1] = sim_attach(&r.m, 2);

    for (i = 2; i < argc; i++) {
        step(&r, argv[i], i == argc - 1);
    }

    for (n = 0; n < LV_STREAM_TRACKS; n++) {
        t = &r.check.t[n];

        if (t->track) {
            printf("%s parts=%u fillers=%u unlisted=%u segments=%u "
                   "discontinuities=%u forced=%u end=%.3f\n", t->desc.name,
                   t->parts, t->fillers, t->unlisted, t->segments, t->discs,
                   t->forced, (double) t->end / t->desc.timescale);
        }
    }

    printf("part_target=%u target=%u declined=%u broken=%u\n",
           r.check.s->timing.part_target_us, r.check.s->timing.target_s,
           r.declined, r.check.errors);

    return r.check.errors ? 1 : 0;
}
