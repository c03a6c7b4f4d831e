/* Playlists and the live edge, against a real store. */

#include "store_fixture.h"
#include "lv_hls_view.h"
#include "lv_m3u8.h"
#include "lv_text.h"

#define STORE_SIZE  (32u << 20)
#define NOW         1795180000123ULL        /* 2026-11-20T13:06:40.123Z */

static lv_store_t     *st;
static lv_stream_t    *s;
static uint32_t        epoch, gen, base;
static lv_track_t     *v0, *a0;
static lv_hls_view_t   view;
static uint64_t        v_ts, a_ts, clock_ms;
static uint32_t        disc;


static void
no_ring(void *ctx, unsigned slot)
{
}


static void
store_open(void)
{
    void             *mem;
    const char       *err;
    lv_store_conf_t   conf;

    memset(&conf, 0, sizeof(conf));
    conf.owner = "test";
    conf.now_ms = NOW;

    if (posix_memalign(&mem, 4096, STORE_SIZE) != 0) {
        exit(1);
    }

    memset(mem, 0, STORE_SIZE);

    if (lv_store_format(mem, STORE_SIZE, &conf, &err) != LV_OK) {
        diag("%s", err);
        exit(1);
    }

    st = lv_store_attach(mem, STORE_SIZE, "test", no_ring, NULL, &err);

    if (st == NULL || lv_store_join(st, 1, 1, NOW, &err) != LV_OK) {
        diag("%s", err);
        exit(1);
    }
}


/* A new stream with a video and (or) an audio track, LIVE. */
static void
stream_new(const char *id, bool video, bool audio, bool muxed)
{
    const char       *err;
    lv_track_desc_t   d;

    if (s) {
        lv_stream_remove(st, s, NOW);
    }

    if (lv_stream_claim(st, id, strlen(id), 4 << 20, NOW, &s, &epoch, &err)
        != LV_OK)
    {
        diag("%s", err);
        exit(1);
    }

    s = lv_stream_find(st, id, strlen(id), &gen);
    base = s->epoch;
    s->timing.part_target_us = 333334;
    s->timing.target_s = 2;
    s->timing.window_ms = 30000;
    s->timing.muxed = muxed;
    v0 = a0 = NULL;
    v_ts = a_ts = 0;
    disc = 0;
    clock_ms = NOW;

    if (video) {
        memset(&d, 0, sizeof(d));
        d.kind = LV_KIND_VIDEO;
        strcpy(d.name, "v0");
        strcpy(d.codecs, "avc1.64001f");
        d.timescale = 90000;
        d.width = 1280;
        d.height = 720;
        d.rate_milli = 29970;
        d.peak_bps = 2700000;
        d.avg_bps = 2500000;
        v0 = lv_track_add(st, s, epoch, &d);
    }

    if (audio) {
        memset(&d, 0, sizeof(d));
        d.kind = LV_KIND_AUDIO;
        strcpy(d.name, "a0");
        strcpy(d.codecs, "mp4a.40.2");
        d.timescale = 48000;
        d.channels = 2;
        d.peak_bps = 130000;
        d.avg_bps = 128000;
        a0 = lv_track_add(st, s, epoch, &d);
    }

    lv_stream_set_state(st, s, epoch, LV_STREAM_LIVE, NOW);
}


static void
put(lv_track_t *t, uint32_t msn, uint32_t part, unsigned flags,
    uint32_t init_msn)
{
    uint64_t          *ts;
    lv_part_info_t     info;
    lv_part_writer_t   w;

    ts = t == v0 ? &v_ts : &a_ts;
    memset(&info, 0, sizeof(info));
    info.msn = msn;
    info.part = (uint16_t) part;
    info.flags = (uint16_t) (flags | (part == 0 && !(flags & LV_PART_FORCED)
                                      ? LV_PART_INDEPENDENT : 0));
    info.init_msn = init_msn;
    info.disc_seq = disc;
    info.tfdt = *ts;
    info.duration = t == v0 ? 30000 : 16000;
    info.samples = 1;
    info.pdt_ms = clock_ms + (t == v0 ? *ts / 90 : *ts / 48);

    if (lv_part_open(&w, st, s, t, epoch, 8) != LV_OK
        || lv_part_write(&w, "media", 5) != LV_OK
        || lv_part_commit(&w, "head", 4, &info) != LV_OK)
    {
        diag("cannot write part %u.%u", msn, part);
        exit(1);
    }

    *ts += info.duration;
}


/* `n` segments of six parts from msn on, on every track. */
static void
segments(uint32_t msn, unsigned n)
{
    unsigned  i, k;

    for (i = 0; i < n; i++) {
        for (k = 0; k < 6; k++) {
            if (v0) {
                put(v0, msn + i, k, k == 5 ? LV_PART_LAST : 0, base);
            }

            if (a0) {
                put(a0, msn + i, k, k == 5 ? LV_PART_LAST : 0, base);
            }
        }
    }
}


/* A playlist as a string; static memory. */
static const char *
media(const char *name, bool skip)
{
    int              rc;
    lv_text_t        t;
    lv_hls_source_t  src;

    static char  out[LV_M3U8_MAX];

    lv_text_init(&t, LV_M3U8_MAX);

    if (lv_hls_source(st, s, name, strlen(name), &src) != LV_OK) {
        return "no such rendition";
    }

    rc = lv_m3u8_render_media(&t, st, s, &src, &view, skip);

    if (rc != LV_OK) {
        lv_text_free(&t);
        return rc == LV_AGAIN ? "again" : "error";
    }

    memcpy(out, t.data, t.len);
    out[t.len] = '\0';
    lv_text_free(&t);

    return out;
}


static const char *
multivariant(void)
{
    int        rc;
    lv_text_t  t;

    static char  out[LV_M3U8_MAX];

    lv_text_init(&t, LV_M3U8_MAX);
    rc = lv_m3u8_render_multivariant(&t, st, s);
    snprintf(out, sizeof(out), "%.*s", (int) t.len, (char *) t.data);
    lv_text_free(&t);

    return rc == LV_OK ? out : "again";
}


static unsigned
count(const char *text, const char *what)
{
    unsigned  n;

    for (n = 0; (text = strstr(text, what)) != NULL; n++) {
        text += strlen(what);
    }

    return n;
}


static int
has(const char *text, const char *what, const char *name)
{
    if (!ok(strstr(text, what) != NULL, "%s", name)) {
        diag("no \"%s\" in:\n%s", what, text);
        return 0;
    }

    return 1;
}


static int
hasnt(const char *text, const char *what, const char *name)
{
    if (!ok(strstr(text, what) == NULL, "%s", name)) {
        diag("\"%s\" in:\n%s", what, text);
        return 0;
    }

    return 1;
}


/* "{msn}.{part}" and the like, with msn counted from the stream's first. */
static const char *
fmt(const char *f, uint32_t msn, uint32_t part)
{
    static char      buf[8][256];
    static unsigned  i;

    i = (i + 1) % 8;
    snprintf(buf[i], sizeof(buf[i]), f, base + msn, part);

    return buf[i];
}


static void
test_text(void)
{
    lv_text_t  t;

    lv_text_init(&t, 64);
    lv_text_seconds(&t, 2000000);
    lv_text_lit(&t, " ");
    lv_text_seconds(&t, 333333);
    lv_text_lit(&t, " ");
    lv_text_seconds(&t, 1000);
    lv_text_lit(&t, "\0");
    is_str((char *) t.data, "2.0 0.333333 0.001", "seconds");

    lv_text_reset(&t);
    lv_text_date(&t, 951782400999ULL);
    lv_text_lit(&t, "\0");
    is_str((char *) t.data, "2000-02-29T00:00:00.999Z", "a leap day");

    lv_text_reset(&t);
    lv_text_date(&t, 1798761599000ULL);
    lv_text_lit(&t, "\0");
    is_str((char *) t.data, "2026-12-31T23:59:59.000Z", "a year's end");

    lv_text_reset(&t);
    lv_text_quoted(&t, "a\"b\nc");
    lv_text_lit(&t, "\0");
    is_str((char *) t.data, "\"abc\"", "what may not be quoted is left out");

    lv_text_reset(&t);
    lv_text_add(&t, "0123456789012345678901234567890123456789"
                    "0123456789012345678901234567890123456789", 80);
    ok(t.failed && t.len == 0, "a text that is too long fails as a whole");
    lv_text_add(&t, "x", 1);
    ok(t.failed && t.len == 0, "and stays failed");
    lv_text_free(&t);
}


static void
test_first_playlist(void)
{
    const char  *p;

    stream_new("first", true, true, false);
    is_str(media("v0", false), "again", "nothing to list yet");
    is_str(multivariant(), "again", "nor a multivariant playlist");

    segments(base, 1);
    put(v0, base + 1, 0, 0, base);
    put(v0, base + 1, 1, 0, base);
    put(a0, base + 1, 0, 0, base);
    p = media("v0", false);

    ok(strncmp(p, "#EXTM3U\n#EXT-X-VERSION:6\n", 24) == 0, "how it begins");
    has(p, "#EXT-X-TARGETDURATION:2\n", "target duration");
    has(p, "CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.000002,HOLD-BACK=6.0,"
           "CAN-SKIP-UNTIL=12.0\n", "server control");
    has(p, "#EXT-X-PART-INF:PART-TARGET=0.333334\n", "part target");
    has(p, fmt("#EXT-X-MEDIA-SEQUENCE:%u\n", 0, 0), "media sequence");
    has(p, "#EXT-X-DISCONTINUITY-SEQUENCE:0\n", "discontinuity sequence");
    has(p, fmt("#EXT-X-MAP:URI=\"init-%u.mp4\"\n", 0, 0), "map");
    is_int(count(p, "#EXT-X-MAP"), 1, "one map");
    has(p, "#EXT-X-PROGRAM-DATE-TIME:2026-11-20T13:06:40.123Z\n", "date");
    is_int(count(p, "#EXT-X-PROGRAM-DATE-TIME"), 2, "a date for each segment");
    has(p, fmt("#EXT-X-PART:DURATION=0.333333,URI=\"%u.%u.m4s\","
               "INDEPENDENT=YES\n", 0, 0), "an independent part");
    has(p, fmt("#EXT-X-PART:DURATION=0.333333,URI=\"%u.%u.m4s\"\n", 0, 1),
        "a dependent part");
    has(p, fmt("#EXTINF:2.0,\n%u.m4s\n", 0, 0), "a segment");
    is_int(count(p, "#EXTINF"), 1, "the open segment is not listed");
    is_int(count(p, "#EXT-X-PART:"), 8, "but its parts are");
    has(p, fmt("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"%u.%u.m4s\"\n", 1, 2),
        "hint");
    has(p, fmt("#EXT-X-RENDITION-REPORT:URI=\"../a0/index.m3u8\",LAST-MSN=%u,"
               "LAST-PART=%u\n", 1, 0), "report of the other rendition");
    hasnt(p, "ENDLIST", "no end");
    hasnt(p, "GAP", "no gap");
    has(p, "#EXT-X-INDEPENDENT-SEGMENTS\n", "independent segments");

    p = media("a0", false);
    is_int(count(p, "#EXT-X-PART:"), count(p, "INDEPENDENT=YES"),
           "every audio part is independent");
    has(p, fmt("../v0/index.m3u8\",LAST-MSN=%u,LAST-PART=%u\n", 1, 1),
        "audio reports video");
}


static void
test_last_part_closes(void)
{
    const char  *p;

    stream_new("closes", true, false, false);
    segments(base, 2);
    p = media("v0", false);
    is_int(count(p, "#EXTINF"), 2, "a segment with a last part is complete");
    has(p, fmt("PRELOAD-HINT:TYPE=PART,URI=\"%u.%u.m4s\"", 2, 0),
        "the next segment's first part is hinted");

    /* a cut that could not be foreseen */
    put(v0, base + 2, 0, 0, base);
    put(v0, base + 2, 1, 0, base);
    put(v0, base + 3, 0, 0, base);
    p = media("v0", false);
    has(p, fmt("#EXTINF:0.666667,\n%u.m4s\n", 2, 0),
        "a later segment completes the one before");
    hasnt(p, "RENDITION-REPORT", "no other rendition, no report");
}


static void
test_window(void)
{
    const char  *p;

    stream_new("window", true, false, false);
    segments(base, 15);
    p = media("v0", false);
    is_int(count(p, "#EXTINF"), 15, "all segments");
    is_int(count(p, "#EXT-X-PART:"), 3 * 6,
           "parts of what ends within three target durations of the end");
    hasnt(p, fmt("\"%u.%u.m4s\"", 11, 5), "not older ones");
    has(p, fmt("\"%u.%u.m4s\"", 12, 0), "the oldest listed part");

    fix_evict(st, s, base + 4, NOW);
    p = media("v0", false);
    is_int(count(p, "#EXTINF"), 11, "evicted segments are gone");
    has(p, fmt("#EXT-X-MEDIA-SEQUENCE:%u\n", 4, 0), "the sequence goes on");
    has(p, fmt("#EXT-X-MAP:URI=\"init-%u.mp4\"", 0, 0), "the map stays");
}


static void
test_delta(void)
{
    const char  *p;

    stream_new("delta", true, false, false);
    segments(base, 6);
    p = media("v0", true);
    hasnt(p, "EXT-X-SKIP", "nothing old enough: a full playlist");
    has(p, "#EXT-X-VERSION:6\n", "with a full playlist's version");

    segments(base + 6, 4);
    has(media("v0", true), "#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n",
        "what ends just CAN-SKIP-UNTIL before the end is skipped");
    put(v0, base + 10, 0, 0, base);
    p = media("v0", true);
    /* the playlist is 20.33 s long; 8.33 s of it may be skipped */
    has(p, "#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n", "skipped segments");
    has(p, "#EXT-X-VERSION:9\n", "version 9");
    has(p, fmt("#EXT-X-MEDIA-SEQUENCE:%u\n", 0, 0),
        "the sequence number is the full playlist's");
    is_int(count(p, "#EXTINF"), 6, "what is left");
    hasnt(p, fmt("\n%u.m4s", 3, 0), "not a skipped one");
    has(p, fmt("\n%u.m4s", 4, 0), "the first that is not skipped");
    hasnt(p, "#EXT-X-MAP", "a map that was skipped is not repeated");
    has(p, "#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n#EXT-X-PROGRAM-DATE-TIME",
        "a date behind the skip");
}


static void
test_discontinuity(void)
{
    const char  *p;

    stream_new("disc", true, false, false);
    segments(base, 2);
    disc = 1;
    put(v0, base + 2, 0, LV_PART_DISCONTINUITY, base + 2);
    p = media("v0", false);
    has(p, fmt("#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-%u.mp4\"\n"
               "#EXT-X-PROGRAM-DATE-TIME:", 2, 0),
        "discontinuity, map and date before the first part");
    has(p, "#EXT-X-DISCONTINUITY-SEQUENCE:0\n", "counted when it has left");

    put(v0, base + 2, 1, LV_PART_LAST, base + 2);
    fix_evict(st, s, base + 2, NOW);
    p = media("v0", false);
    has(p, "#EXT-X-DISCONTINUITY-SEQUENCE:0\n", "not while it is the first");
    has(p, "#EXT-X-DISCONTINUITY\n", "and still there");

    put(v0, base + 3, 0, LV_PART_LAST, base + 2);
    fix_evict(st, s, base + 3, NOW);
    p = media("v0", false);
    has(p, "#EXT-X-DISCONTINUITY-SEQUENCE:1\n", "when it has left");
    hasnt(p, "#EXT-X-DISCONTINUITY\n", "it is not listed");

    put(v0, base + 4, 0, LV_PART_LAST|LV_PART_BREAK, base + 2);
    p = media("v0", false);
    hasnt(p, "PRELOAD-HINT", "no hint across a discontinuity");
}


static void
test_unlisted_and_forced(void)
{
    const char  *p;

    stream_new("odd", true, true, false);
    segments(base, 1);
    put(v0, base + 1, 0, LV_PART_UNLISTED, base);
    p = media("v0", false);
    is_int(count(p, "#EXT-X-PART:"), 6, "an unlisted segment lists no parts");
    hasnt(p, "PRELOAD-HINT", "and no hint");
    is_int(count(p, "PROGRAM-DATE-TIME"), 1, "nor its date before it is there");
    p = media("a0", false);
    has(p, fmt("../v0/index.m3u8\",LAST-MSN=%u\n", 0, 0),
        "reported without a part");

    put(v0, base + 1, 1, LV_PART_UNLISTED|LV_PART_LAST, base);
    p = media("v0", false);
    is_int(count(p, "#EXTINF"), 2, "complete, it is listed as a segment");
    is_int(count(p, "#EXT-X-PART:"), 6, "without parts");
    has(p, fmt("PRELOAD-HINT:TYPE=PART,URI=\"%u.%u.m4s\"", 2, 0),
        "then hints go on");

    put(v0, base + 2, 0, LV_PART_FORCED, base);
    p = media("v0", false);
    hasnt(p, "INDEPENDENT-SEGMENTS", "a forced cut is not independent");
    has(p, fmt("URI=\"%u.%u.m4s\"\n", 2, 0), "nor is its part");
}


static void
test_end(void)
{
    const char     *p;
    lv_hls_edge_t   e;
    lv_hls_source_t src;

    stream_new("end", true, true, false);
    segments(base, 1);
    put(v0, base + 1, 0, 0, base);
    lv_stream_set_state(st, s, epoch, LV_STREAM_INTERRUPTED, NOW);
    p = media("v0", false);
    hasnt(p, "ENDLIST", "an interrupted stream goes on");
    has(p, "PRELOAD-HINT", "and hints");

    lv_stream_set_state(st, s, epoch, LV_STREAM_ENDED, NOW);
    p = media("v0", false);
    has(p, fmt("#EXTINF:0.333333,\n%u.m4s\n#EXT-X-ENDLIST\n", 1, 0),
        "the end completes the last segment");
    hasnt(p, "PRELOAD-HINT", "no hint");
    hasnt(p, "RENDITION-REPORT", "no report");

    lv_hls_source(st, s, "v0", 2, &src);
    lv_hls_edge(st, s, &src, &e);
    is_int(lv_hls_reached(&e, base + 100, 3), LV_OK,
           "whoever waits gets the end");
}


static void
test_muxed(void)
{
    const char  *p;

    stream_new("muxed", true, true, true);
    is_str(media("muxed", false), "again", "no muxed part yet");
    put(v0, base, 0, 0, base);
    is_str(media("muxed", false), "again", "nor with video alone");
    put(a0, base, 0, 0, base);
    p = media("muxed", false);
    is_int(count(p, "#EXT-X-PART:"), 1, "a part when both have it");
    hasnt(p, "RENDITION-REPORT", "the muxed view is offered alone");

    put(v0, base, 1, LV_PART_LAST, base);
    p = media("muxed", false);
    is_int(count(p, "#EXT-X-PART:"), 1, "video is ahead");
    is_int(count(p, "#EXTINF"), 0, "not complete while audio is missing");
    put(a0, base, 1, LV_PART_LAST, base);
    p = media("muxed", false);
    has(p, "#EXTINF:0.666667,\n", "complete with both, video's duration");

    put(v0, base + 1, 0, LV_PART_DISCONTINUITY, base + 1);
    put(v0, base + 1, 1, LV_PART_LAST, base + 1);
    put(v0, base + 2, 0, LV_PART_LAST, base + 1);
    put(a0, base + 1, 0, 0, base);
    p = media("muxed", false);
    has(p, fmt("#EXT-X-MAP:URI=\"init-%u.mp4\"", 1, 0),
        "the newer init section names the pair");
    is_int(count(p, "#EXTINF"), 1, "video two segments ahead");
    put(a0, base + 1, 1, 0, base);
    p = media("muxed", false);
    is_int(count(p, "#EXTINF"), 2, "audio needs no last flag of its own");

    p = multivariant();
    has(p, "#EXT-X-STREAM-INF:BANDWIDTH=2830000,AVERAGE-BANDWIDTH=2628000,"
           "CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,"
           "FRAME-RATE=29.97\nmuxed/index.m3u8\n", "the muxed variant");
    is_int(count(p, "STREAM-INF"), 1, "alone");
    hasnt(p, "EXT-X-MEDIA", "no group");
}


static void
test_multivariant(void)
{
    const char  *p;

    stream_new("two", true, true, false);
    segments(base, 1);
    p = multivariant();
    has(p, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"a0\","
           "DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"a0/index.m3u8\"\n",
        "audio group");
    has(p, "BANDWIDTH=2830000,AVERAGE-BANDWIDTH=2628000,CODECS=\"avc1.64001f,"
           "mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.97,AUDIO=\"audio\"\n"
           "v0/index.m3u8\n", "video variant with the group's rate");
    is_str(media("muxed", false), "no such rendition", "no muxed view");

    stream_new("video", true, false, true);
    segments(base, 1);
    p = multivariant();
    has(p, "BANDWIDTH=2700000,AVERAGE-BANDWIDTH=2500000,CODECS=\"avc1.64001f\","
           "RESOLUTION=1280x720,FRAME-RATE=29.97\nv0/index.m3u8\n",
        "video only");

    stream_new("audio", false, true, true);
    segments(base, 1);
    p = multivariant();
    has(p, "#EXT-X-STREAM-INF:BANDWIDTH=130000,AVERAGE-BANDWIDTH=128000,"
           "CODECS=\"mp4a.40.2\"\na0/index.m3u8\n", "audio only");
    hasnt(p, "RESOLUTION", "no picture");
    hasnt(p, "AUDIO=", "no group");
}


/* CEA-608 and -708 in the video are announced as soon as they are seen. */
static void
test_captions(void)
{
    const char       *p;
    lv_track_desc_t   d;

    stream_new("captions", true, true, true);
    segments(base, 1);
    hasnt(multivariant(), "CAPTIONS", "no captions, nothing said of them");

    lv_track_desc(v0, &d);
    d.captions = LV_CAPTIONS_CC1;
    lv_track_set_desc(st, s, v0, epoch, &d);
    segments(base + 1, 1);
    p = multivariant();
    has(p, "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,"
           "GROUP-ID=\"cc\",NAME=\"CC1\",AUTOSELECT=YES,"
           "INSTREAM-ID=\"CC1\"\n", "captions are announced");
    has(p, "FRAME-RATE=29.97,CLOSED-CAPTIONS=\"cc\"\nmuxed/index.m3u8\n",
        "the variant has them");
    is_int(count(p, "#EXT-X-MEDIA:"), 1, "and no others");

    d.captions = LV_CAPTIONS_CC1 | LV_CAPTIONS_CC3 | LV_CAPTIONS_708;
    lv_track_set_desc(st, s, v0, epoch, &d);
    segments(base + 2, 1);
    p = multivariant();
    has(p, "INSTREAM-ID=\"CC3\"", "field 2");
    has(p, "#EXT-X-VERSION:7\n", "services are of version 7");
    has(p, "INSTREAM-ID=\"SERVICE1\"", "CEA-708");
}


static void
test_edge(void)
{
    lv_hls_edge_t    e;
    lv_hls_source_t  src;

    stream_new("edge", true, false, false);
    lv_hls_source(st, s, "v0", 2, &src);
    lv_hls_edge(st, s, &src, &e);
    is_int(lv_hls_reached(&e, 1, 0), LV_AGAIN, "nothing yet: wait");

    segments(base, 3);
    lv_hls_edge(st, s, &src, &e);       /* complete: 2, nothing open */
    is_int(lv_hls_reached(&e, base + 2, LV_HLS_NO_PART), LV_OK, "complete");
    is_int(lv_hls_reached(&e, base + 2, 5), LV_OK, "its last part");
    is_int(lv_hls_reached(&e, base + 2, 6), LV_AGAIN,
           "a part behind the last one is the next segment's first");
    is_int(lv_hls_reached(&e, base + 1, 60), LV_OK, "long past");
    is_int(lv_hls_reached(&e, base + 3, 0), LV_AGAIN, "the next part");
    is_int(lv_hls_reached(&e, base + 4, LV_HLS_NO_PART), LV_AGAIN,
           "last complete + 2: wait");
    is_int(lv_hls_reached(&e, base + 5, LV_HLS_NO_PART), LV_AGAIN,
           "last complete + 3: wait");
    is_int(lv_hls_reached(&e, base + 6, LV_HLS_NO_PART), LV_DECLINED,
           "last complete + 4: refused");
    is_int(lv_hls_reached(&e, base + 3, 8), LV_AGAIN, "parts in advance");
    is_int(lv_hls_reached(&e, base + 3, 9), LV_DECLINED,
           "three seconds of parts in advance: refused");
    is_int(lv_hls_reached(&e, 0, 0), LV_OK, "msn 0");
    is_int(lv_hls_reached(&e, UINT32_MAX, 0), LV_DECLINED, "msn 2^32-1");
    ok(lv_hls_hinted(&e, base + 3, 0), "the next segment's first is hinted");
    ok(!lv_hls_hinted(&e, base + 3, 1), "not its second");

    put(v0, base + 3, 0, 0, base);
    put(v0, base + 3, 1, 0, base);
    lv_hls_edge(st, s, &src, &e);       /* complete: 2, open: 3.0, 3.1 */
    is_int(lv_hls_reached(&e, base + 2, 6), LV_OK,
           "part 0 of the next segment is there");
    is_int(lv_hls_reached(&e, base + 3, 1), LV_OK, "a listed part");
    is_int(lv_hls_reached(&e, base + 3, 2), LV_AGAIN, "the hinted part");
    is_int(lv_hls_reached(&e, base + 3, LV_HLS_NO_PART), LV_AGAIN,
           "the whole open segment");
    ok(lv_hls_hinted(&e, base + 3, 2), "hinted");
    ok(!lv_hls_hinted(&e, base + 3, 1), "what is there is not");
    ok(!lv_hls_hinted(&e, base + 4, 0), "nor the next segment");

    put(v0, base + 4, 0, 0, base);
    lv_hls_edge(st, s, &src, &e);
    is_int(lv_hls_reached(&e, base + 3, 2), LV_OK,
           "a part that never came: the next segment's first answers");
}


static void
test_version(void)
{
    lv_hls_version_t  a, b;

    stream_new("version", true, true, false);
    segments(base, 2);
    lv_hls_version(st, s, &a);
    lv_hls_version(st, s, &b);
    ok(memcmp(&a, &b, sizeof(a)) == 0, "nothing happened: the same version");
    put(a0, base + 2, 0, 0, base);
    lv_hls_version(st, s, &b);
    ok(memcmp(&a, &b, sizeof(a)) != 0, "a part of any track");
    a = b;
    fix_evict(st, s, base + 1, NOW);
    lv_hls_version(st, s, &b);
    ok(memcmp(&a, &b, sizeof(a)) != 0, "an eviction");
    a = b;
    lv_stream_set_state(st, s, epoch, LV_STREAM_ENDED, NOW);
    lv_hls_version(st, s, &b);
    ok(memcmp(&a, &b, sizeof(a)) != 0, "the end");
}


int
main(void)
{
    store_open();
    test_text();
    test_first_playlist();
    test_last_part_closes();
    test_window();
    test_delta();
    test_discontinuity();
    test_unlisted_and_forced();
    test_end();
    test_muxed();
    test_multivariant();
    test_captions();
    test_edge();
    test_version();

    return done_testing();
}
