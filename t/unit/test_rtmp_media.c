#include "rtmp_session_peer.h"

static const char  START[] =
    "connect app=live tc=rtmp://h/live fv=FMLE/3.0 "
    "publish app=live name=name args= type= msid=1 ";


static void
expect_after(buf_t *in, const lv_rtmp_conf_t *conf, const char *want,
    const char *name)
{
    char  text[4096];

    snprintf(text, sizeof(text), "%s%s", START, want);
    expect(in, conf, text, name);
}


static void
test_routing(void)
{
    buf_t  in = { 0 };

    peer_published(&in);
    fmt0(&in, 6, 40, 200, 9, 1);
    fill(&in, 128, 0);
    fmt0(&in, 4, 41, 150, 8, 1);
    fill(&in, 128, 0);
    fmt3(&in, 6);
    fill(&in, 72, 0);
    fmt3(&in, 4);
    fill(&in, 22, 0);
    expect_after(&in, NULL, "video@40+200 audio@41+150 =200 . =150 . ",
                 "audio and video by turns on two chunk streams");

    /* a control message in the middle of a chunked video message */
    peer_published(&in);
    fmt0(&in, 6, 40, 300, 9, 1);
    fill(&in, 128, 0);
    fmt0(&in, 2, 0, 4, 1, 0);
    put_be(&in, 1000, 4);
    fmt3(&in, 6);
    fill(&in, 172, 0);
    expect_after(&in, NULL, "video@40+300 =300 . ",
                 "the chunk size grows in the middle of a message");

    peer_published(&in);
    fmt0(&in, 6, 40, 200, 9, 1);
    fill(&in, 128, 0);
    fmt0(&in, 7, 80, 200, 9, 1);
    expect_after(&in, NULL,
                 "video@40+200 error: a video message begins within another",
                 "two video messages at once");

    peer_published(&in);
    fmt0(&in, 4, 40, 0, 8, 1);
    peer_media(&in, 4, 8, 50, 1, 3);
    expect_after(&in, NULL, "audio@50+3 =3 . ", "an empty message is skipped");

    peer_connect(&in, "live", "rtmp://h/live");
    peer_media(&in, 4, 8, 50, 1, 3);
    expect(&in, NULL, "connect app=live tc=rtmp://h/live fv=FMLE/3.0 ",
           "media before publish is skipped");

    peer_published(&in);
    peer_command(&in, 0, "createStream", 8, "n");
    peer_media(&in, 4, 8, 50, 2, 3);
    peer_media(&in, 4, 8, 60, 0, 3);
    peer_media(&in, 4, 8, 70, 9, 3);
    expect_after(&in, NULL, "audio@60+3 =3 . audio@70+3 =3 . ",
                 "only the published stream, and ids that nobody got");

    peer_published(&in);
    peer_media(&in, 6, 9, 50, 1, 300);
    peer_media(&in, 4, 8, 50, 1, 3);
    peer.media_decision = LV_DECLINED;
    expect_after(&in, NULL, "video@50+300 audio@50+3 ",
                 "declined messages are skipped");

    peer_published(&in);
    peer_media(&in, 4, 8, 50, 1, 3);
    peer.media_decision = LV_ERROR;
    expect_after(&in, NULL, "audio@50+3 error: stopped by the application",
                 "an error of the handler ends it");

    peer_published(&in);
    fmt0(&in, 6, 1, 3, 99, 1);
    fill(&in, 3, 0);
    fmt0(&in, 6, 1, 200, 16, 1);
    fill(&in, 128, 0);
    fmt3(&in, 6);
    fill(&in, 72, 0);
    peer_media(&in, 4, 8, 50, 1, 3);
    expect_after(&in, NULL, "audio@50+3 =3 . ",
                 "unknown message types are skipped");
}


static void
test_abort_message(void)
{
    buf_t  in = { 0 };

    peer_published(&in);
    fmt0(&in, 6, 40, 200, 9, 1);
    fill(&in, 128, 0);
    fmt0(&in, 2, 0, 4, 2, 0);
    put_be(&in, 6, 4);
    fmt0(&in, 2, 0, 4, 2, 0);
    put_be(&in, 60, 4);
    peer_media(&in, 6, 9, 80, 1, 3);
    expect_after(&in, NULL, "video@40+200 abort(9) video@80+3 =3 . ",
                 "an abort message ends a message");

    peer_published(&in);
    fmt0(&in, 3, 40, 200, 20, 1);
    fill(&in, 128, 0);
    fmt0(&in, 2, 0, 4, 2, 0);
    put_be(&in, 3, 4);
    peer_command(&in, 0, "deleteStream", 7, "n:1");
    expect_after(&in, NULL, "unpublish(1,deletestream) ",
                 "a command that is being gathered, too");
}


static void
tag(buf_t *b, int type, uint32_t time, size_t n)
{
    put8(b, (unsigned) type);
    put_be(b, (uint32_t) n, 3);
    put_be(b, time & 0xffffff, 3);
    put8(b, time >> 24);
    put_be(b, 0, 3);
    fill(b, n, 0);
    put_be(b, (uint32_t) n + 11, 4);
}


static void
test_aggregate(void)
{
    buf_t  in = { 0 }, body = { 0 }, data = { 0 };

    tag(&body, 8, 5000, 10);
    tag(&body, 9, 5020, 300);
    tag(&body, 8, 5040, 0);
    tag(&body, 8, 5060, 7);
    peer_published(&in);
    message(&in, 6, 100, 22, 1, body.p, body.len, 128);
    peer_media(&in, 4, 8, 200, 1, 3);
    expect_after(&in, NULL, "audio@100+10 =10 . video@120+300 =300 . "
                 "audio@160+7 =7 . audio@200+3 =3 . ",
                 "an aggregate message is taken apart");

    /* the time of the first is the base, wherever it is */
    clear(&body);
    tag(&body, 9, 0xfffffff0, 2);
    tag(&body, 9, 0x10, 2);
    peer_published(&in);
    message(&in, 6, 100, 22, 1, body.p, body.len, 128);
    expect_after(&in, NULL, "video@100+2 =2 . video@132+2 =2 . ",
                 "its time stamps wrap");

    clear(&body);
    put_values(&data, "'onMetaData':{width=640}");
    put8(&body, 18);
    put_be(&body, (uint32_t) data.len, 3);
    put_be(&body, 0, 4);
    put_be(&body, 0, 3);
    put(&body, data.p, data.len);
    put_be(&body, (uint32_t) data.len + 11, 4);
    tag(&body, 20, 5, 4);
    tag(&body, 22, 5, 4);
    tag(&body, 8, 5, 4);
    peer_published(&in);
    message(&in, 6, 100, 22, 1, body.p, body.len, 128);
    expect_after(&in, NULL, "metadata{width:640,} audio@105+4 =4 . ",
                 "metadata in it is heard, commands are not");
    clear(&data);

    clear(&body);
    put_hex(&body, "09 000100 000000 00 000000 aabb");
    peer_published(&in);
    message(&in, 6, 100, 22, 1, body.p, body.len, 128);
    expect_after(&in, NULL, "error: a message is longer than the aggregate "
                 "that holds it", "a length that does not fit");

    clear(&body);
    tag(&body, 8, 0, 4);
    body.len -= 4;
    put_hex(&body, "00000000 0900");
    peer_published(&in);
    message(&in, 6, 100, 22, 1, body.p, body.len, 128);
    peer_media(&in, 4, 8, 200, 1, 3);
    expect_after(&in, NULL, "audio@100+4 =4 . audio@200+3 =3 . ",
                 "rubbish behind the last one");

    clear(&body);
    tag(&body, 9, 0, 300);
    peer_published(&in);
    fmt0(&in, 6, 100, (uint32_t) body.len, 22, 1);
    put(&in, body.p, 128);
    fmt0(&in, 2, 0, 4, 2, 0);
    put_be(&in, 6, 4);
    message(&in, 6, 200, 22, 1, body.p, body.len, 128);
    expect_after(&in, NULL,
                 "video@100+300 abort(9) video@200+300 =300 . ",
                 "an aggregate is aborted");

    peer_published(&in);
    fmt0(&in, 6, 100, (uint32_t) body.len, 22, 1);
    put(&in, body.p, 128);
    fmt0(&in, 7, 100, (uint32_t) body.len, 22, 1);
    expect_after(&in, NULL,
                 "video@100+300 error: an aggregate begins within another",
                 "two aggregates at once");
    clear(&body);
}


static void
data(buf_t *in, int type, const char *text)
{
    peer_raw_command(in, 1, 5, type, text);
}


static void
test_metadata(void)
{
    size_t  i;
    buf_t   in = { 0 };

    static const struct {
        int          type;
        const char  *text;
        const char  *want;
        const char  *name;
    } cases[] = {
        { 18, "'@setDataFrame':'onMetaData':*{width=640}",
          "metadata[width:640,] ", "the usual metadata" },
        { 18, "'@setDataFrame':'onMetaData':{width=640}",
          "metadata{width:640,} ", "an object for the array" },
        { 18, "'onMetaData':*{width=640}",
          "metadata[width:640,] ", "without @setDataFrame" },
        { 18, "'@setDataFrame':*{width=640}",
          "metadata[width:640,] ", "without onMetaData" },
        { 18, "{width=640}", "metadata{width:640,} ", "without any name" },
        { 18, "0:'@setDataFrame':'onMetaData':{width=640}",
          "metadata{width:640,} ", "with a number in front (Uniview)" },
        { 18, "'@setDataFrame':n:'onMetaData':{width=640}",
          "metadata{width:640,} ", "with a null in between" },
        { 18, "'onMetaData':{videocodecid='av01',tracks=[1,2]}",
          "metadata{videocodecid:'av01',tracks:[1,2,],} ",
          "a codec as a string, a strict array" },
        { 15, "0'@setDataFrame':'onMetaData':{width=640}",
          "metadata{width:640,} ", "type 15 with its leading 0" },
        { 15, "'onMetaData':{width=640}",
          "metadata{width:640,} ", "type 15 without it" },
        { 17, "0'@setDataFrame':'onMetaData':{width=640}",
          "metadata{width:640,} ", "as an AMF3 command" },
        { 20, "'@setDataFrame':'onMetaData':{width=640}",
          "metadata{width:640,} ", "as an AMF0 command" },
        { 18, "'onTextData':{text='hi'}", "data@0 onTextData(15) ",
          "text data" },
        { 18, "'@setDataFrame':'onCuePoint':{a=1}",
          "data@0 onCuePoint(16) ", "a cue point in @setDataFrame" },
        { 18, "'@clearDataFrame':'onMetaData'", "", "@clearDataFrame" },
        { 18, "'onMetaData':n", "", "metadata without an object" },
        { 18, "5", "", "nothing that has a name" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        peer_published(&in);
        data(&in, cases[i].type, cases[i].text);
        expect_after(&in, NULL, cases[i].want, cases[i].name);
    }

    peer_published(&in);
    fmt0(&in, 5, 0, 7, 18, 1);
    put_hex(&in, "02 00ff 6f6e4d65");
    peer_media(&in, 4, 8, 200, 1, 3);
    expect_after(&in, NULL, "audio@200+3 =3 . ",
                 "broken metadata does not end the stream");

    peer_connect(&in, "live", "rtmp://h/live");
    data(&in, 18, "'onMetaData':{width=640}");
    expect(&in, NULL, "connect app=live tc=rtmp://h/live fv=FMLE/3.0 ",
           "metadata outside a publish is skipped");
}


static void
test_lengths(void)
{
    int              i;
    buf_t            in = { 0 };
    size_t           n;
    lv_rtmp_conf_t   conf;

    /* declared, and never sent */
    peer_published(&in);
    fmt0(&in, 6, 40, 0xffffff, 9, 1);
    fill(&in, 128, 0);
    expect_after(&in, NULL, "video@40+16777215 ",
                 "a video message of 16 MB that does not come");

    peer_published(&in);
    fmt0(&in, 3, 40, 0xffffff, 20, 1);
    expect_after(&in, NULL, "error: command is too long",
                 "a command of 16 MB");

    /* data: skipped, whatever it is */
    lv_rtmp_conf_defaults(&conf);
    conf.max_gather_len = 100;
    peer_published(&in);
    fmt0(&in, 5, 40, 101, 18, 1);
    fill(&in, 101, 0);
    peer_media(&in, 4, 8, 50, 1, 3);
    expect_after(&in, &conf, "audio@50+3 =3 . ",
                 "a data message that is too long is skipped");

    conf.max_gather_len = 65536;
    conf.max_media_len = 1000;
    peer_published(&in);
    peer_media(&in, 6, 9, 50, 1, 1000);
    fmt0(&in, 6, 90, 1001, 9, 1);
    expect_after(&in, &conf, "video@50+1000 =1000 . "
                 "error: media message is too long",
                 "the longest media message, and one byte more");

    /* many of 64 KB at once, each on a chunk stream of its own */
    peer_published(&in);
    for (i = 0; i < 30; i++) {
        fmt0(&in, 10 + (uint32_t) i, 0, 65536, 20, 0);
        fill(&in, 128, 0);
    }
    session_start(NULL);
    is_int(session_feed(&in, 1000, NULL), LV_OK, "30 commands of 64 KB");
    ok(peer.s->gathered <= 30 * 256, "take what has arrived, not more");
    n = peer.s->gathered;
    clear(&in);
    for (i = 0; i < 30 * 600; i++) {
        fmt3(&in, 10 + (uint32_t) (i % 30));
        fill(&in, 128, 0);
    }
    is_int(session_feed(&in, 1000, NULL), LV_ERROR, "and are ended");
    is_str(lv_rtmp_session_error(peer.s), "too many incomplete messages",
           "with the reason");
    ok(peer.s->gathered >= n && peer.s->gathered <= 131072,
       "before they take more than the limit");
    session_stop();
    clear(&in);
}


static void
test_counters(void)
{
    buf_t                   in = { 0 };
    const lv_rtmp_stats_t  *st;

    peer_published(&in);
    peer_media(&in, 4, 8, 50, 1, 3);
    peer_media(&in, 4, 8, 60, 1, 3);
    peer_media(&in, 6, 9, 60, 1, 3);
    fmt0(&in, 6, 1, 3, 99, 1);
    fill(&in, 3, 0);
    fmt0(&in, 2, 0, 4, 1, 0);
    put_be(&in, 0x7fffffff, 4);
    session_start(NULL);
    session_feed(&in, 1000, NULL);
    st = lv_rtmp_session_stats(peer.s);

    is_int((long long) st->audio_messages, 2, "audio messages are counted");
    is_int((long long) st->video_messages, 1, "video messages");
    is_int((long long) st->skipped_messages, 1, "skipped ones");
    is_int((long long) st->bytes_in, (long long) in.len, "all bytes in");
    is_int(st->in_chunk_size, 0xffffff, "chunk size 2^31 - 1 is clamped");
    answers();
    ok(st->bytes_out > LV_RTMP_HANDSHAKE_OUT, "bytes out");
    session_stop();
    clear(&in);
}


static void
test_bad_input(void)
{
    int       i, j, errors;
    buf_t     in = { 0 };
    uint8_t   noise[4000];
    size_t    used;

    errors = 0;
    srand(1);

    for (i = 0; i < 300; i++) {
        peer_published(&in);
        for (j = 0; j < (int) sizeof(noise); j++) {
            noise[j] = (uint8_t) rand();
        }
        put(&in, noise, sizeof(noise));
        session_start(NULL);
        if (session_feed(&in, 0, NULL) == LV_ERROR) {
            errors += (lv_rtmp_session_error(peer.s)[0] != '\0');
            is_int(lv_rtmp_session_input(peer.s, in.p, 1, 0, &used), LV_ERROR,
                   "after an error nothing more is taken");
        }
        session_stop();
        clear(&in);
    }

    ok(errors > 100, "random bytes end with a reason (%d of 300)", errors);

    put_hex(&in, "474554");
    expect(&in, NULL, "error: not RTMP: an HTTP client", "an HTTP client");
}


int
main(void)
{
    test_routing();
    test_abort_message();
    test_aggregate();
    test_metadata();
    test_lengths();
    test_counters();
    test_bad_input();

    return done_testing();
}
