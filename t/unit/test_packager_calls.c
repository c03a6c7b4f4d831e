/* The packager: its calls one by one, the window, a store without room. */

#include "pack_one.h"


static void
refused(void)
{
    int                 rc;
    uint8_t             b[600];
    uint64_t            before;
    lv_codec_config_t   c;

    begin(&usual, NULL);

    memset(&c, 0, sizeof(c));
    memset(b, 0, sizeof(b));
    c.kind = LV_KIND_VIDEO;
    c.fourcc = LV_FOURCC('x', 'x', 'x', 'x');
    strcpy(c.codecs, "xxxx");
    c.width = 16;
    c.height = 16;
    c.config = b;
    c.config_len = 10;
    is_int(lv_packager_config(enc.p, &c, enc.now_ms), LV_DECLINED,
           "an unknown codec is declined");
    c.fourcc = LV_FOURCC('a', 'v', 'c', '1');
    c.config_len = 600;
    is_int(lv_packager_config(enc.p, &c, enc.now_ms), LV_DECLINED,
           "a configuration that is too long is declined");
    c.config_len = 0;
    is_int(lv_packager_config(enc.p, &c, enc.now_ms), LV_DECLINED,
           "an empty one, too");

    is_int(lv_packager_frame(enc.p, 7, 0, 0, true, enc.now_ms), LV_DECLINED,
           "a frame of a track that is not there");
    is_int(lv_packager_frame(enc.p, enc.v, 0, 0, false, enc.now_ms),
           LV_DECLINED, "a frame before the first key frame");
    is_int(lv_packager_data(enc.p, enc.v, b, 10), LV_DECLINED,
           "data without a frame");

    sim_run(&enc, st, 5);

    rc = lv_packager_frame(enc.p, enc.v, 5 * 90000, 0, false, enc.now_ms);
    is_int(rc, LV_OK, "a frame begins");
    lv_packager_data(enc.p, enc.v, b, 100);
    is_int(lv_packager_frame_len(enc.p, enc.v), 100, "its length so far");
    lv_packager_frame_abort(enc.p, enc.v);
    is_int(lv_packager_frame_len(enc.p, enc.v), 0, "it is aborted");
    is_int(lv_packager_frame_end(enc.p, enc.v), LV_DECLINED, "and not there");

    lv_packager_frame(enc.p, enc.v, 5 * 90000 + 10, 0, false, enc.now_ms);
    is_int(lv_packager_frame_end(enc.p, enc.v), LV_DECLINED,
           "an empty frame does not count");

    is_int(lv_packager_frame_more(enc.p, enc.v, enc.now_ms), LV_DECLINED,
           "nor can what was before it be added to");

    sim_run(&enc, st, 5);
    is_int(lv_packager_frame_more(enc.p, enc.a, enc.now_ms), LV_DECLINED,
           "sound is not added to");
    before = atomic_load(&lv_packager_stream(enc.p)->bytes_in);
    is_int(lv_packager_frame_more(enc.p, enc.v, enc.now_ms), LV_OK,
           "a picture is");
    is_int(lv_packager_frame_more(enc.p, enc.v, enc.now_ms), LV_DECLINED,
           "once at a time");
    lv_packager_data(enc.p, enc.v, b, 100);
    is_int(lv_packager_frame_end(enc.p, enc.v), LV_OK, "it ends again");
    is_int((long long) (atomic_load(
           &lv_packager_stream(enc.p)->bytes_in) - before), 100,
           "its bytes are counted once");
    lv_packager_frame_more(enc.p, enc.v, enc.now_ms);
    lv_packager_frame_abort(enc.p, enc.v);
    is_int(lv_packager_frame_more(enc.p, enc.v, enc.now_ms), LV_DECLINED,
           "aborted it is gone");

    sim_run(&enc, st, 5);
    end("frames that are no frames");
}


/* Lengths are known only when a NAL unit is complete: patched in place, over
 * extents' borders. */
static void
patches(void)
{
    size_t                  n, at;
    uint8_t                 b[256], len[4];
    const char             *err;
    unsigned                i, wrong;
    lv_part_ref_t           ref;
    lv_fmp4_moof_t          moof;
    lv_fmp4_read_sample_t   s;

    begin(&usual, NULL);
    enc.hold_video = true;
    wrong = 0;

    for (i = 0; i < 100; i++) {
        lv_packager_frame(enc.p, enc.v, i * 3600, 0, i % 50 == 0,
                          enc.now_ms + i * 40);

        for (n = 0; n < 40; n++) {
            at = lv_packager_frame_len(enc.p, enc.v);
            memset(b, (int) n, sizeof(b));
            memset(b, 0xff, 4);
            lv_packager_data(enc.p, enc.v, b, sizeof(b) - i % 7);
            lv_put32(len, (uint32_t) (sizeof(b) - i % 7 - 4));
            lv_packager_patch(enc.p, enc.v, (uint32_t) at, len, 4);

            /* every third in two pieces, the first of them ended */
            if (i % 3 == 0 && n == 17) {
                wrong += lv_packager_frame_end(enc.p, enc.v) != LV_OK;
                wrong += lv_packager_frame_more(enc.p, enc.v, enc.now_ms)
                         != LV_OK;
            }
        }

        lv_packager_frame_end(enc.p, enc.v);
    }

    lv_track_newest(st, lv_stream_track(st, lv_packager_stream(enc.p), "v0",
                                        2), &ref);
    sim_part_bytes(st, &ref);
    lv_fmp4_moof(&moof, sim_buf, ref.len, &err);

    while (lv_fmp4_next(&moof, &s) == LV_OK) {
        for (at = 0; at < s.size; at += 4 + n) {
            n = lv_be32(sim_buf + s.offset + at);

            if (n > 252 || n < 245) {
                wrong++;
                break;
            }
        }
    }

    is_int(wrong, 0, "patched lengths are where they belong");
    enc.now_ms += 4000;
    lv_packager_destroy(enc.p);
    lv_store_detach(st);
    sim_store_free(&mem);
}


static void
window(void)
{
    lv_part_ref_t    oldest, newest;
    sim_enc_conf_t   conf;
    lv_store_stat_t  stat;

    conf = usual;
    begin(&conf, NULL);
    sim_run(&enc, st, 120);
    lv_track_oldest(st, video()->track, &oldest);
    lv_track_newest(st, video()->track, &newest);
    diag("%u.%u to %u.%u", oldest.info.msn, oldest.info.part,
         newest.info.msn, newest.info.part);
    ok(newest.info.tfdt - oldest.info.tfdt >= 30 * 90000
       && newest.info.tfdt - oldest.info.tfdt < 35 * 90000,
       "the store holds the window and little more");
    lv_track_oldest(st, audio()->track, &newest);
    is_int(newest.info.msn, oldest.info.msn, "of both tracks");
    lv_store_stat(st, &stat);
    diag("%u extents of %u", stat.extents - stat.extents_free, stat.extents);

    ok(video()->desc.timescale == 90000
       && lv_track_desc(video()->track, &video()->desc) == LV_OK
       && video()->desc.fps_milli == 25000 && video()->desc.gop_ms == 2000
       && video()->desc.frame_ts == 3600, "figures: %u fps/1000, GOP %u ms",
       video()->desc.fps_milli, video()->desc.gop_ms);
    ok(video()->desc.avg_bps > 200000 && video()->desc.avg_bps < 230000
       && video()->desc.peak_bps >= video()->desc.avg_bps,
       "figures: %u bit/s, peak %u", video()->desc.avg_bps,
       video()->desc.peak_bps);
    is_int(atomic_load(&check.s->frames_in), (long long) (enc.vn + enc.an),
           "figures: frames");
    end("the window");
}


/* Captions are told of with the next figures, and not forgotten when the codec
 * configuration changes. */
static void
captions(void)
{
    lv_stream_t      *s;
    lv_track_desc_t   d;

    begin(&usual, NULL);
    sim_run(&enc, st, 5);
    s = lv_packager_stream(enc.p);

    lv_track_desc(lv_stream_track_at(st, s, 0), &d);
    is_int(d.captions, 0, "no captions");

    lv_packager_captions(enc.p, enc.v, LV_CAPTIONS_CC1);
    lv_packager_captions(enc.p, 7, LV_CAPTIONS_CC3);
    sim_run(&enc, st, 5);
    lv_track_desc(lv_stream_track_at(st, s, 0), &d);
    is_int(d.captions, LV_CAPTIONS_CC1, "captions begin within a segment");

    lv_packager_captions(enc.p, enc.v, LV_CAPTIONS_708);
    enc.conf.avcc_variant = 1;
    sim_config_video(&enc);
    sim_run(&enc, st, 5);
    lv_track_desc(lv_stream_track_at(st, s, 0), &d);
    is_int(d.captions, LV_CAPTIONS_CC1 | LV_CAPTIONS_708,
           "and outlive a codec change");

    end("captions");
}


/* A store that is too small: what does not fit is dropped, nothing breaks. */
static void
no_memory(void)
{
    sim_enc_conf_t      conf;
    lv_packager_conf_t  pc;

    memset(&check, 0, sizeof(check));
    sim_store(&mem, 8);
    st = sim_attach(&mem, 1);
    mem.st = st;

    conf = usual;
    conf.vsize = 20000;
    sim_encoder(&enc, &conf, SIM_EPOCH_MS + 123, &check);
    pc = sim_conf;
    pc.max_bitrate = 1000000;

    if (sim_publish(&enc, st, &pc)) {
        sim_run(&enc, st, 60);
        show();
        is_int(check.errors, 0, "four times the promised bit rate");
        ok(video()->parts > 100, "  it goes on");
    }

    lv_packager_destroy(enc.p);
    scene_whole(st);

    sim_encoder(&enc, &conf, enc.now_ms + 40000, NULL);
    pc.max_bitrate = 100000000;
    enc.p = NULL;
    ok(!sim_publish(&enc, st, &pc), "a bit rate that does not fit is refused");

    lv_store_detach(st);
    sim_store_free(&mem);
}


int
main(void)
{
    refused();
    patches();
    window();
    captions();
    no_memory();

    return done_testing();
}
