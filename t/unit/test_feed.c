/* The feed's boxes: what is written is read, and nothing else is. */

#include "tap.h"
#include "lv_feed.h"

static uint8_t  box[LV_FEED_HEADER_MAX];


static void
header_make(lv_feed_header_t *h)
{
    static const uint8_t  init[] = "an init section";

    memset(h, 0, sizeof(*h));

    h->epoch = 1800000000;
    h->timing.part_target_us = 341334;
    h->timing.part_frames = 10;
    h->timing.target_s = 2;
    h->timing.window_ms = 30000;
    h->timing.resume_ms = 25000;
    h->timing.muxed = 1;
    h->timing.lead = 2;
    h->tracks = 2;

    h->track[0].index = 2;
    h->track[0].init_msn = 1800000007;
    h->track[0].init.data = init;
    h->track[0].init.len = sizeof(init);
    h->track[0].desc.kind = LV_KIND_VIDEO;
    strcpy(h->track[0].desc.name, "v0");
    strcpy(h->track[0].desc.codecs, "avc1.64001f");
    strcpy(h->track[0].desc.language, "und");
    h->track[0].desc.timescale = 90000;
    h->track[0].desc.width = 1280;
    h->track[0].desc.height = 720;
    h->track[0].desc.last_bps = 2670000;
    h->track[0].desc.config_len = 3;
    memcpy(h->track[0].desc.config, "abc", 3);

    h->track[1] = h->track[0];
    h->track[1].index = 0;
    h->track[1].init.len = 0;
    h->track[1].desc.kind = LV_KIND_AUDIO;
    strcpy(h->track[1].desc.name, "a12");
    h->track[1].desc.config_len = 0;
}


static void
header(void)
{
    int               len, n;
    unsigned          refused;
    lv_feed_header_t  h, r;

    header_make(&h);
    len = lv_feed_header_write(box, sizeof(box), &h);
    ok(len > LV_FEED_HEAD_LEN + 2 * LV_FEED_TRACK_LEN, "a header is written");
    is_int(lv_be32(box), len, "  as long as it says");
    is_int(lv_feed_header_read(box, (size_t) len, &r), LV_OK,
           "  and can be read");
    is_int(r.epoch, h.epoch, "  the epoch");
    ok(memcmp(&r.timing, &h.timing, sizeof(lv_timing_t)) == 0,
       "  the durations");
    is_int(r.tracks, 2, "  the tracks");
    is_int(r.track[0].index, 2, "  their index");
    is_int(r.track[0].init_msn, h.track[0].init_msn, "  their init's name");
    ok(memcmp(&r.track[0].desc, &h.track[0].desc, sizeof(lv_track_desc_t)) == 0
       && strcmp(r.track[1].desc.name, "a12") == 0, "  what they are");
    ok(r.track[0].init.len == h.track[0].init.len
       && memcmp(r.track[0].init.data, h.track[0].init.data,
                 h.track[0].init.len) == 0, "  the init section");

    for (n = 0, refused = 0; n < len; n++) {
        refused += lv_feed_header_read(box, (size_t) n, &r) != LV_OK;
    }

    is_int(refused, len, "cut short anywhere: refused");
    is_int(lv_feed_header_write(box, (size_t) len - 1, &h), LV_ERROR,
           "no room: refused");
}


/* Refuses one change of what header_make() made? */
static void
header_bad(const char *name, const lv_feed_header_t *h)
{
    int               len;
    lv_feed_header_t  r;

    len = lv_feed_header_write(box, sizeof(box), h);
    is_int(len < 0 ? LV_ERROR : lv_feed_header_read(box, (size_t) len, &r),
           LV_ERROR, name);
}


static void
headers_refused(void)
{
    lv_feed_header_t  h;

    header_make(&h);
    h.tracks = 0;
    header_bad("no track", &h);

    header_make(&h);
    h.track[1].index = 2;
    header_bad("two tracks of one index", &h);

    header_make(&h);
    h.track[1].index = LV_STREAM_TRACKS;
    header_bad("an index that is too large", &h);

    header_make(&h);
    strcpy(h.track[0].desc.name, "v/..");
    header_bad("a name that is a path", &h);

    header_make(&h);
    strcpy(h.track[0].desc.name, "a0");
    header_bad("a name of another kind", &h);

    header_make(&h);
    strcpy(h.track[0].desc.codecs, "a\"b");
    header_bad("a quote in the codecs", &h);

    header_make(&h);
    memset(h.track[0].desc.codecs, 'x', sizeof(h.track[0].desc.codecs));
    header_bad("codecs without an end", &h);

    header_make(&h);
    h.track[0].desc.timescale = 0;
    header_bad("no timescale", &h);

    header_make(&h);
    h.track[0].desc.config_len = 513;
    header_bad("too much configuration", &h);

    header_make(&h);
    h.track[0].init.len = LV_FMP4_INIT_MAX + 1;
    header_bad("too long an init section", &h);

    header_make(&h);
    h.timing.target_s = 0;
    header_bad("no target duration", &h);

    header_make(&h);
    h.timing.part_target_us = 3000000;
    header_bad("parts longer than segments", &h);
}


static void
part(void)
{
    lv_feed_part_t  p, r;

    memset(&p, 0, sizeof(p));
    p.index = 3;
    p.flags = LV_FEED_GAP;
    p.len = 70000;
    p.info.seq = 77;
    p.info.msn = 1800000011;
    p.info.part = 5;
    p.info.flags = LV_PART_LAST | LV_PART_FILLER;
    p.info.init_msn = 1800000007;
    p.info.disc_seq = 9;
    p.info.tfdt = 1ull << 40;
    p.info.duration = 30000;
    p.info.samples = 10;
    p.info.pdt_ms = 1800000022333ull;
    p.info.commit_ms = 1800000022700ull;
    p.info.key_off = 300;
    p.info.key_len = 60000;

    memset(&r, 0, sizeof(r));
    lv_feed_part_write(box, &p);
    is_int(lv_feed_part_read(box, LV_FEED_PART_LEN, &r), LV_OK,
           "a part is read");
    ok(memcmp(&p, &r, sizeof(p)) == 0, "  as it was written");
    is_int(lv_feed_part_read(box, LV_FEED_PART_LEN - 1, &r), LV_ERROR,
           "  cut short: refused");

    memcpy(box + 4, "free", 4);
    is_int(lv_feed_part_read(box, LV_FEED_PART_LEN, &r), LV_DECLINED,
           "another box is another box");

    p.info.key_len = 70000;
    lv_feed_part_write(box, &p);
    is_int(lv_feed_part_read(box, LV_FEED_PART_LEN, &r), LV_ERROR,
           "a key frame beyond the part");

    p.info.key_len = 0;
    p.info.flags = LV_PART_INIT;
    lv_feed_part_write(box, &p);
    is_int(lv_feed_part_read(box, LV_FEED_PART_LEN, &r), LV_ERROR,
           "an init section that comes as a part");
}


int
main(void)
{
    header();
    headers_refused();
    part();

    return done_testing();
}
