/* Packets, tables, programs: which bytes belong to which stream. */

#include "ts_mux.h"

static const mux_es_t  av[2] = { { 0x1b, VIDEO, NULL, 0 },
                                 { 0x0f, AUDIO, NULL, 0 } };

#define ADTS  "\xff\xf1\x4c\x80\x01\x7f\xfc\x21\x22\x23\x24"    /* 11 bytes */

static void
sound(int64_t pts)
{
    mux_pes(AUDIO, pts, NONE, ADTS, sizeof(ADTS) - 1);
}


/* n pictures, every fifth a key frame, and sound. */
static void
programme(unsigned from, unsigned n)
{
    unsigned  i;

    for (i = from; i < from + n; i++) {
        if (i % 5 == 0) {
            es_key(400);
        } else {
            es_delta(300);
        }

        es_pes(VIDEO, 90000 + i * 3600, NONE);
        sound(90000 + i * 3600);
    }
}


static void
test_plain(void)
{
    const rec_frame_t  *f;

    begin();
    mux_tables(av, 2);
    programme(0, 10);
    finish();

    is_int(count(true), 10, "every picture comes out");
    is_int(count(false), 10, "every audio frame, too");
    is_int(rec.misuse, 0, "the sink is called as its contract says");

    f = frame(true, 1);
    is_str(units(f), "1:300", "a delimiter is not part of a sample");
    is_int(f->f.pts, 93600, "presentation time");
    is_int(f->f.dts, 93600, "decode time is the same where it is not said");
    ok(!f->f.key && frame(true, 0)->f.key, "an IDR picture is a key frame");
    is_str(units(frame(true, 0)), "5:400", "parameter sets are not in it");
    is_str(rec.config[f->track].codecs, "avc1.42C00B", "but in the record");
    is_int(rec.config[f->track].width, 176, "… and its width is known");
    is_str(rec.config[frame(false, 0)->track].codecs, "mp4a.40.2", "AAC");
    is_int((long long) frame(false, 0)->len, 4, "ADTS headers are gone");
    stat_is(frames, 20, "frames are counted");
}


static void
test_chunking(void)
{
    size_t  i;

    static const size_t  pieces[] = { 1, 3, 187, 188, 189, 1316, 4096 };

    for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        begin();
        piece = pieces[i];
        mux_tables(av, 2);
        programme(0, 6);
        finish();
        ok(count(true) == 6 && count(false) == 6 && !rec.misuse,
           "pieces of %zu bytes", piece);
    }
}


static void
test_sync(void)
{
    size_t   i;
    uint8_t  junk[700];

    begin();
    memset(junk, 0x47, 300);
    memset(junk + 300, 'x', 400);
    (void) lv_ts_data(ts, junk, sizeof(junk), now_ms);
    mux_tables(av, 2);
    programme(0, 6);
    finish();
    is_int(count(true), 6, "junk in front, full of sync bytes");

    begin();
    mux_tables(av, 2);
    programme(0, 5);
    (void) feed();
    (void) lv_ts_data(ts, junk + 200, 333, now_ms);
    programme(5, 5);
    finish();
    is_int(count(true), 10, "junk between packets");
    stat_is(resyncs, 1, "… is one loss of sync");
    is_int(told(LV_TS_SYNC), 1, "… told once");

    begin();
    mux_tables(av, 2);
    programme(0, 10);
    mux_out[188 * 20] = 0x48;
    finish();
    stat_is(resyncs, 1, "one sync byte that is damaged");
    ok(count(true) + lv_ts_stat(ts)->awaiting + lv_ts_stat(ts)->aborted >= 9,
       "… costs one packet");

    for (i = 192; i <= 204; i += 12) {
        begin();
        mux_stride = (unsigned) i;
        piece = 500;
        mux_tables(av, 2);
        programme(0, 6);
        finish();
        ok(count(true) == 6 && count(false) == 6, "packets of %zu bytes", i);
    }

    begin();
    for (i = 0; i < 3000; i++) {
        (void) lv_ts_data(ts, junk + 300, 400, now_ms);
    }

    stat_is(packets, 0, "junk alone is no packet");
}


static void
test_late_start(void)
{
    begin();
    programme(0, 7);
    mux_tables(av, 2);
    programme(7, 8);
    finish();

    is_int(count(true), 5, "before the tables nothing is known");
    ok(frame(true, 0)->f.key, "… then a key frame is awaited");
    is_int(frame(true, 0)->f.pts, 90000 + 10 * 3600, "… the next one");
    is_int(count(false), 8, "… sound is not");
}


static void
test_counters(void)
{
    size_t  from;

    begin();
    mux_tables(av, 2);
    programme(0, 5);
    (void) feed();
    es_delta(100);
    es_pes(VIDEO, 900000, NONE);
    memcpy(mux_out + mux_len, mux_out, 188);
    mux_len += 188;
    finish();
    stat_is(duplicates, 1, "a packet that comes twice");
    stat_is(losses, 0, "… is no loss");
    is_int(count(true), 6, "… and no second picture");

    mux_len = 188;
    (void) feed();
    stat_is(losses, 1, "three times is a loss of fifteen");

    begin();
    mux_tables(av, 2);
    programme(0, 5);
    (void) feed();
    mux_cc[VIDEO] = 9;
    mux_disc = true;
    es_key(100);
    es_pes(VIDEO, 900000, NONE);
    finish();
    stat_is(losses, 0, "a discontinuity that is announced is no loss");
    ok(frame(true, 5)->f.discontinuity, "… but the frame says so");

    begin();
    mux_tables(av, 2);
    programme(0, 1);
    (void) feed();
    from = mux_len;
    es_delta(600);
    es_pes(VIDEO, 900000, NONE);
    mux_out[from + 188 + 1] |= 0x80;
    finish();
    stat_is(errors, 1, "transport error indicator");
    stat_is(aborted, 1, "… its picture is aborted");

    begin();
    mux_tables(av, 2);
    mux_packet(0x1fff, false, "", 0);
    mux_packet(0x333, true, "abc", 3);
    programme(0, 2);
    finish();
    stat_is(nulls, 1, "null packets");
    stat_is(unknown, 1, "PIDs of nobody");
    is_int(count(true), 2, "… do no harm");
}


static void
test_adaptation(void)
{
    begin();
    mux_tables(av, 2);
    (void) feed();
    memset(mux_out, 0xff, 188);
    memcpy(mux_out, "\x47\x41\x00\x30\xb8", 5);      /* longer than a packet */
    mux_len = 188;
    (void) feed();
    stat_is(broken, 1, "an adaptation field beyond the packet");

    memcpy(mux_out, "\x47\x01\x00\x20\xb7\x00", 6);
    mux_len = 188;
    mux_cc[VIDEO] = 1;
    (void) feed();
    programme(0, 2);
    finish();
    stat_is(losses, 0, "packets without payload do not count");
    is_int(count(true), 2, "… and do no harm");
}


static void
test_scrambled(void)
{
    unsigned  i;

    begin();
    mux_tables(av, 2);
    (void) feed();

    for (i = 0; i < 5; i++) {
        es_key(100);
        es_pes(VIDEO, 90000, NONE);
        mux_out[mux_len - 188 + 3] |= 0x80;
    }

    finish();
    stat_is(scrambled, 5, "scrambled packets are counted");
    is_int(told(LV_TS_SCRAMBLED), 1, "… told once");
    is_int(count(true), 0, "… and not read");

    begin();
    mux_tables(av, 2);
    es_key(100);
    mux_bytes(VIDEO, mux_pes_buf,
              mux_pes_make(mux_pes_buf, 0xe0, 90000, NONE, false, 0, es_out,
                           es_len));
    mux_out[mux_len - 188 + 4 + (188 - 4 - (es_len + 14)) + 6] |= 0x10;
    finish();
    is_int(told(LV_TS_SCRAMBLED), 1, "PES packets say it, too");
}


/* ---- tables ------------------------------------------------------------ */

static const mux_es_t  radio[1] = { { 0x0f, AUDIO, NULL, 0 } };
static const mux_es_t  film[1] = { { 0x1b, VIDEO, NULL, 0 } };

static void
test_programs(void)
{
    unsigned       i;
    lv_ts_conf_t   conf;
    mux_program_t  list[60];

    static const mux_program_t  two[2] = { { 5, PMT + 5 }, { 6, PMT + 6 } };

    begin();
    mux_pat(0, two, 2);
    mux_pmt(PMT + 5, 5, 0, radio, 1);
    mux_pmt(PMT + 6, 6, 0, film, 1);
    programme(0, 3);
    finish();
    is_int(count(true), 3, "the first program with video");
    is_int(count(false), 0, "… and nothing of the others");
    ok(strstr(rec.told, "program 6: H.264") != NULL, "… is told");

    memset(&conf, 0, sizeof(conf));
    conf.program = 5;
    begin_with(&conf);
    mux_pat(0, two, 2);
    mux_pmt(PMT + 6, 6, 0, film, 1);
    mux_pmt(PMT + 5, 5, 0, radio, 1);
    programme(0, 3);
    finish();
    ok(count(true) == 0 && count(false) == 3, "a program by its number");

    begin();
    mux_pat(0, two, 2);
    mux_pmt(PMT + 5, 5, 0, radio, 1);
    mux_pmt(PMT + 6, 6, 0, radio, 1);
    mux_pmt(PMT + 5, 5, 0, radio, 1);
    programme(0, 3);
    finish();
    is_int(count(false), 3, "radio, when every program is");

    begin();
    mux_pat(0, two, 2);
    mux_pmt(PMT + 5, 5, 0, radio, 1);
    mux_packet(0x1fff, false, "", 0);
    (void) feed();
    now_ms += LV_TS_PROGRAM_WAIT_MS;
    mux_pmt(PMT + 5, 5, 0, radio, 1);
    programme(0, 3);
    finish();
    is_int(count(false), 3, "radio, when a table does not come");

    begin();
    for (i = 0; i < 60; i++) {
        list[i].number = i + 1;
        list[i].pid = PMT + i;
    }

    mux_pat(0, list, 60);
    mux_pmt(PMT + 20, 21, 0, film, 1);
    programme(0, 3);
    finish();
    is_int(count(true), 3, "a list of programs that is two packets long");

    begin();
    list[1].pid = PMT;
    mux_pat(0, list, 2);
    mux_pmt(PMT, 1, 0, radio, 1);
    mux_pmt(PMT, 2, 0, film, 1);
    mux_pmt(PMT, 1, 1, radio, 1);
    programme(0, 3);
    finish();
    ok(count(true) == 3 && rec.gone == 0, "two programs' tables on one PID");
}


static void
test_program_leaves(void)
{
    static const mux_program_t  one[1] = { { 5, PMT } };
    static const mux_program_t  other[1] = { { 7, PMT + 7 } };
    static const mux_program_t  moved[2] = { { 3, PMT }, { 7, PMT + 8 } };

    begin();
    mux_pat(0, one, 1);
    mux_pmt(PMT, 5, 0, av, 2);
    programme(0, 2);
    mux_pat(1, other, 1);
    mux_pmt(PMT + 7, 7, 0, film, 1);
    programme(5, 2);
    finish();
    is_int(rec.gone, 2, "a program that is no longer there: its streams go");
    is_int(count(true), 4, "… and another's come");
    is_int(count(false), 2, "… which has no sound");
    is_int(rec.misuse, 0, "… no frame is left open");

    mux_pat(1, moved, 2);
    mux_pmt(PMT + 8, 7, 0, film, 1);
    programme(10, 2);
    finish();
    is_int(rec.gone, 2, "a table that moved to another PID disturbs nobody");
    is_int(count(true), 6, "… the program goes on");
}


static void
test_table_changes(void)
{
    begin();
    mux_tables(film, 1);
    programme(0, 3);
    (void) feed();
    is_int(count(false), 0, "a program without sound");

    mux_pmt(PMT, 1, 0, av, 2);
    programme(3, 2);
    finish();
    is_int(count(false), 2, "sound joins without a new version");
    is_int(count(true), 5, "… video is not disturbed");
    is_int(rec.gone, 0, "… nothing went");

    mux_pmt(PMT, 1, 3, av, 2);
    programme(6, 4);
    finish();
    is_int(count(true), 9, "a new version of the same disturbs nobody");
    stat_is(tables, 3, "… it was looked at");

    mux_pmt(PMT, 1, 3, av, 2);
    programme(11, 1);
    finish();
    stat_is(tables, 3, "the same bytes are not");

    mux_pmt(PMT, 1, 3, film, 1);
    programme(12, 1);
    finish();
    is_int(rec.gone, 1, "sound leaves");
    is_int(count(false), 7, "… with what it had");
}


static void
test_pid_and_codec_change(void)
{
    static const mux_es_t  latm[2] = { { 0x1b, VIDEO, NULL, 0 },
                                       { 0x11, AUDIO, NULL, 0 } };
    static const mux_es_t  swapped[2] = { { 0x0f, VIDEO, NULL, 0 },
                                          { 0x1b, AUDIO, NULL, 0 } };

    begin();
    mux_tables(av, 2);
    programme(0, 2);
    mux_pmt(PMT, 1, 0, latm, 2);
    programme(5, 1);
    finish();
    is_int(rec.gone, 1, "the same PID with another codec is another stream");
    is_int(count(true), 3, "… the others stay");

    begin();
    mux_tables(av, 2);
    programme(0, 2);
    mux_pmt(PMT, 1, 0, swapped, 2);
    es_key(100);
    es_pes(AUDIO, 900000, NONE);
    mux_pes(VIDEO, 900000, NONE, ADTS, sizeof(ADTS) - 1);
    finish();
    is_int(rec.gone, 2, "PIDs that change places");
    ok(count(true) == 3 && count(false) == 3, "… are read as what they are");
    is_int(rec.misuse, 0, "… in order");
}


static void
test_damaged_tables(void)
{
    size_t   n;
    uint8_t  b[1100];

    begin();
    mux_tables(av, 2);
    mux_out[188 + 188 - 10] ^= 1;
    programme(0, 2);
    (void) feed();
    stat_is(crc_errors, 1, "a damaged table");
    is_int(count(true), 0, "… is not believed");
    is_int(told(LV_TS_BROKEN), 1, "… and told");

    begin();
    mux_tables(av, 2);
    n = mux_pmt_make(b, 1, 1, av, 2);
    b[n - 1] = 0xff;                     /* descriptors beyond the section */
    mux_section(PMT, b, n);
    programme(0, 2);
    finish();
    stat_is(broken, 1, "a table whose lengths do not add up");
    is_int(count(true), 2, "… changes nothing");

    n = mux_pmt_make(b, 1, 1, film, 1);
    b[5] &= 0xfe;                        /* not yet valid */
    mux_section(PMT, b, n);
    programme(5, 1);
    finish();
    is_int(rec.gone, 0, "a table for later changes nothing");

    b[0] = 0;
    memcpy(b + 1, "\2\xbf\xff", 3);      /* 4098 bytes of program table */
    mux_packet(PMT, true, b, 184);
    finish();
    stat_is(broken, 2, "a table that is too long");

    b[0] = 200;
    mux_packet(PMT, true, b, 184);
    finish();
    stat_is(broken, 3, "a pointer beyond the packet");
}


static void
test_sections(void)
{
    size_t    n, m;
    uint8_t   b[1500], d[256];
    mux_es_t  es[2];

    /* a table of 400 bytes, and what is in it */
    memset(d, 0, sizeof(d));
    d[0] = 0x52;
    d[1] = 180;
    es[0] = (mux_es_t) { 0x1b, VIDEO, (char *) d, 182 };
    es[1] = (mux_es_t) { 0x0f, AUDIO, (char *) d, 182 };

    begin();
    mux_tables(es, 2);
    programme(0, 2);
    finish();
    is_int(count(false), 2, "a table over three packets");

    /* the end of one and the whole of another in a packet */
    begin();
    mux_pat(0, &(mux_program_t) { 1, PMT }, 1);
    m = mux_pmt_make(d, 9, 0, film, 1);
    b[0] = 0;
    n = 1 + mux_section_make(b + 1, d, m);
    mux_packet(PMT, true, b, 11);
    memmove(b + 1, b + 11, n - 11);
    b[0] = (uint8_t) (n - 11);
    n = n - 10;
    m = mux_pmt_make(d, 1, 0, av, 2);
    n += mux_section_make(b + n, d, m);
    memset(b + n, 0xff, 184 - n);
    mux_packet(PMT, true, b, 184);
    programme(0, 2);
    finish();
    is_int(count(false), 2, "two sections that share a packet");
    stat_is(crc_errors, 0, "… both whole");

    /* its second packet is lost */
    es[0].descriptors = es[1].descriptors = (char *) d;
    memset(d, 0, sizeof(d));
    d[0] = 0x52;
    d[1] = 180;
    begin();
    mux_pat(0, &(mux_program_t) { 1, PMT }, 1);
    n = mux_len;
    mux_pmt(PMT, 1, 0, es, 2);
    memmove(mux_out + n + 188, mux_out + n + 376, mux_len - n - 376);
    mux_len -= 188;
    mux_pmt(PMT, 1, 0, es, 2);
    programme(0, 2);
    finish();
    stat_is(crc_errors, 0, "a section with a hole is dropped");
    is_int(count(false), 2, "… the next one is taken");
}


static void
test_refused(void)
{
    unsigned              i;
    lv_ts_program_info_t  info;

    static const mux_es_t  mpeg2[2] = { { 0x02, VIDEO, NULL, 0 },
                                        { 0x0f, AUDIO, NULL, 0 } };
    static const mux_es_t  more[3] = { { 0x1b, VIDEO, NULL, 0 },
                                       { 0x1b, VIDEO + 16, NULL, 0 },
                                       { 0x06, DATA, "\x56\5eng\x10\x88", 7 } };
    mux_es_t               many[40];

    begin();
    mux_tables(mpeg2, 2);
    programme(0, 2);
    finish();
    ok(strstr(rec.told, "2 MPEG-2 video on PID 256 is not supported") != NULL,
       "MPEG-2 video is refused by name");
    is_int(count(false), 2, "… its sound could go on");

    lv_ts_program_info(ts, &info);
    is_str(info.refused_video, "MPEG-2 video", "… who asks is told");
    is_int(info.audios, 1, "… what is left");

    begin();
    mux_tables(more, 3);
    programme(0, 2);
    finish();
    is_int(count(true), 2, "of two videos one is used");
    is_int(told(LV_TS_REFUSED_STREAM), 1, "… teletext is nobody's business");

    for (i = 0; i < 40; i++) {
        many[i] = (mux_es_t) { 0x15, 0x400 + i, "\5\4KLVA", 6 };
    }

    begin();
    mux_tables(many, 40);
    finish();
    ok(lv_ts_stat(ts)->tables == 1, "more streams than are taken");
}


static void
test_sink_says_no(void)
{
    begin();
    mux_tables(av, 2);
    rec.frame_rc = LV_ERROR;
    programme(0, 2);
    is_int(feed(), LV_ERROR, "an error of the sink ends it");
    is_int(rec.frames, 0, "… at once");
    programme(5, 2);
    is_int(feed(), LV_ERROR, "… for good");

    begin();
    mux_tables(av, 2);
    rec.track_rc = LV_DECLINED;
    programme(0, 10);
    finish();
    is_int(rec.configs, 2, "a configuration that is declined comes once");
    is_int(rec.frames, 0, "… and nothing of it");

    begin();
    mux_tables(av, 2);
    rec.data_rc = LV_DECLINED;
    programme(0, 4);
    finish();
    is_int(count(true), 0, "a frame that is declined half-way");
    is_int(rec.misuse, 0, "… is not touched again");
}


int
main(void)
{
    test_plain();
    test_chunking();
    test_sync();
    test_late_start();
    test_counters();
    test_adaptation();
    test_scrambled();
    test_programs();
    test_program_leaves();
    test_table_changes();
    test_pid_and_codec_change();
    test_damaged_tables();
    test_sections();
    test_refused();
    test_sink_says_no();

    begin();
    lv_ts_destroy(ts);

    return done_testing();
}
