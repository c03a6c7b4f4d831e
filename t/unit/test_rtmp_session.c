#include "rtmp_session_peer.h"

static void
test_publish(void)
{
    buf_t  in = { 0 };

    peer_connect(&in, "live", "rtmp://h/live");
    peer_command(&in, 0, "releaseStream", 2, "n:'name'");
    peer_command(&in, 0, "FCPublish", 3, "n:'name'");
    peer_command(&in, 0, "createStream", 4, "n");
    peer_command(&in, 1, "publish", 5, "n:'name':'live'");

    expect(&in, NULL,
        "connect app=live tc=rtmp://h/live fv=FMLE/3.0 "
        "publish app=live name=name args= type=live msid=1 ",
        "what an encoder sends to publish");

    is_str(answers(),
        "window(2500000) bandwidth(2500000,2) chunk(4096) "
        "_result(1,{fmsVer:'FMS/3,5,7,7009',capabilities:31,mode:1,},"
        "{level:'status',code:'NetConnection.Connect.Success',"
        "description:'Connection succeeded.',objectEncoding:0,}) "
        "_result(2,null,undefined) "
        "onFCPublish(3,null,{level:'status',code:'NetStream.Publish.Start',"
        "description:'FCPublish',}) "
        "_result(3,null,undefined) "
        "_result(4,null,1) "
        "begin(1) "
        "onStatus#1(0,null,{level:'status',code:'NetStream.Publish.Start',"
        "description:'Publishing has started.',}) ",
        "is answered, with the same transaction ids");
}


static void
test_pending(void)
{
    buf_t   in = { 0 };
    size_t  used;

    peer_connect(&in, "live", "rtmp://h/live");
    peer_command(&in, 1, "publish", 5, "n:'name'");
    peer_media(&in, 4, 8, 0, 1, 10);

    peer.decision = LV_AGAIN;
    session_start(NULL);
    is_int(session_feed(&in, 100000, &used), LV_AGAIN,
           "a pending publish stops the input");
    ok(used < in.len, "before what follows");
    is_str(peer_log(), "connect app=live tc=rtmp://h/live fv=FMLE/3.0 "
           "publish app=live name=name args= type= msid=1 ",
           "and nothing of it is seen");
    ok(strstr(answers(), "onStatus") == NULL, "nor answered");
    is_int(session_feed_rest(&in, &used), LV_AGAIN, "still pending");

    is_int(lv_rtmp_session_accept(peer.s), LV_OK, "accepted");
    ok(strstr(answers(), "onStatus#1(0,null,{level:'status',"
              "code:'NetStream.Publish.Start'") != NULL, "it is told");
    is_int(session_feed_rest(&in, &used), LV_OK, "the rest goes on");
    ok(strstr(peer_log(), "audio@0+10 =10 . ") != NULL, "into the stream");
    is_int(lv_rtmp_session_accept(peer.s), LV_DECLINED,
           "nothing is pending any more");
    is_int(lv_rtmp_session_reject(peer.s, "a", "b"), LV_DECLINED,
           "for a refusal neither");
    session_stop();
    clear(&in);
}


static void
test_refused(void)
{
    buf_t     in = { 0 };
    size_t    used;
    unsigned  n;

    /* later */
    peer_connect(&in, "live", "rtmp://h/live");
    peer_command(&in, 1, "publish", 5, "n:'name'");
    peer_media(&in, 4, 8, 0, 1, 10);

    peer.decision = LV_AGAIN;
    session_start(NULL);
    session_feed(&in, 100000, &used);
    is_int(lv_rtmp_session_reject(peer.s, "NetStream.Publish.BadName",
                                  "wrong stream key"), LV_OK,
           "a pending publish is refused");
    ok(strstr(answers(), "onStatus#1(0,null,{level:'error',"
              "code:'NetStream.Publish.BadName',"
              "description:'wrong stream key',})") != NULL,
       "the encoder is told why");
    ok(lv_rtmp_session_is_closing(peer.s), "the session is closing");
    is_int(session_feed_rest(&in, &used), LV_OK, "takes what still comes");
    ok(strstr(peer_log(), "audio") == NULL, "and ignores it");
    session_stop();

    /* at once, from within the handler */
    peer.decision = LV_ERROR;
    peer.reject_code = "NetStream.Publish.Denied";
    expect(&in, NULL, "connect app=live tc=rtmp://h/live fv=FMLE/3.0 "
           "publish app=live name=name args= type= msid=1 closing ",
           "refused by the handler");
    ok(strstr(answers(), "code:'NetStream.Publish.Denied',"
              "description:'because'") != NULL, "with its code");

    peer_connect(&in, "live", "rtmp://h/live");
    peer_command(&in, 1, "publish", 5, "n:'name'");
    peer.decision = LV_ERROR;
    peer.reject_code = NULL;
    expect(&in, NULL, "connect app=live tc=rtmp://h/live fv=FMLE/3.0 "
           "publish app=live name=name args= type= msid=1 closing ",
           "refused without a code");
    ok(strstr(answers(), "code:'NetStream.Publish.BadName'") != NULL,
       "is BadName");

    peer_connect(&in, "live", "rtmp://h/live");
    peer_command(&in, 0, "createStream", 2, "n");
    peer.connect = LV_ERROR;
    expect(&in, NULL, "connect app=live tc=rtmp://h/live fv=FMLE/3.0 "
           "closing ", "connect is refused");
    is_str(answers(), "_error(1,null,{level:'error',"
           "code:'NetConnection.Connect.Rejected',"
           "description:'Connection refused.',}) ", "with an _error");

    peer_connect(&in, "live", "rtmp://h/live");

    for (n = 0; n < 65; n++) {
        peer_command(&in, 1, "publish", 2, "n:'name'");
        peer_command(&in, 1, "closeStream", 0, "n");
    }

    session_start(NULL);
    is_int(session_feed(&in, 100000, NULL), LV_ERROR,
           "nobody publishes anew for ever");
    is_str(lv_rtmp_session_error(peer.s), "too many publish",
           "and is told");
    session_stop();
    clear(&in);

    peer_connect(&in, "live", "rtmp://h/live");
    peer_command(&in, 1, "play", 2, "n:'name'");
    peer_command(&in, 0, "createStream", 3, "n");
    expect(&in, NULL, "connect app=live tc=rtmp://h/live fv=FMLE/3.0 "
           "closing ", "a player is refused");
    ok(strstr(answers(), "onStatus#1(0,null,{level:'error',"
              "code:'NetStream.Play.Failed',"
              "description:'Playing over RTMP is not offered.',})") != NULL,
       "with a clear text");
}


static void
test_keys_in_urls(void)
{
    buf_t  in = { 0 };

    peer_connect(&in, "live?key=1", "rtmp://h/live?key=1");
    peer_command(&in, 1, "publish", 5, "n:'name?key=2&x=%20':'live'");
    expect(&in, NULL,
        "connect app=live(key=1) tc=rtmp://h/live(key=1) fv=FMLE/3.0 "
        "publish app=live name=name args=key=1&key=2&x=%20 type=live msid=1 ",
        "queries of app and name; tcUrl's is the same as app's");

    peer_connect(&in, "live?b=2", "rtmp://h/live?a=1");
    peer_command(&in, 1, "publish", 5, "n:'name?c=3?d'");
    expect(&in, NULL,
        "connect app=live(b=2) tc=rtmp://h/live(a=1) fv=FMLE/3.0 "
        "publish app=live name=name args=a=1&b=2&c=3?d type= msid=1 ",
        "three different queries, in order");

    peer_connect(&in, "live/", "rtmp://h/live?a=1");
    peer_command(&in, 1, "publish", 5, "n:'?key=3'");
    expect(&in, NULL,
        "connect app=live tc=rtmp://h/live(a=1) fv=FMLE/3.0 "
        "publish app=live name= args=a=1&key=3 type= msid=1 ",
        "a name that is only a query; a slash behind app");

    peer_connect(&in, "live/name", "rtmp://h/live/name");
    peer_command(&in, 1, "publish", 5, "n");
    expect(&in, NULL,
        "connect app=live/name tc=rtmp://h/live/name fv=FMLE/3.0 "
        "publish app=live/name name= args= type= msid=1 ",
        "the name within app, and none in publish");
}


/* field-notes: other servers cut names at 256 bytes, and tokens with them */
static void
test_long_names(void)
{
    buf_t        in = { 0 };
    char         name[2049], args[4096];
    const char  *text;

    memset(name, 'k', sizeof(name));
    memcpy(name, "n?", 2);
    name[2048] = '\0';

    snprintf(args, sizeof(args), "n:'%s'", name);
    peer_connect(&in, "live", "rtmp://h/live");
    peer_command(&in, 1, "publish", 5, args);
    session_start(NULL);
    is_int(session_feed(&in, 1000, NULL), LV_OK, "a name of 2048 bytes");
    ok(strstr(peer_log(), name + 2) != NULL, "arrives whole");
    session_stop();
    clear(&in);

    snprintf(args, sizeof(args), "n:'%sk'", name);
    peer_connect(&in, "live", "rtmp://h/live");
    peer_command(&in, 1, "publish", 5, args);
    expect(&in, NULL, "connect app=live tc=rtmp://h/live fv=FMLE/3.0 "
           "error: the stream name is too long", "a longer one is refused");
    text = answers();
    ok(strstr(text, "The stream name is too long.") != NULL,
       "which the encoder is told");
    ok(strstr(text, "kkk") == NULL, "without the name");

    snprintf(args, sizeof(args), "%sk", name);
    peer_connect(&in, args, "rtmp://h/live");
    expect(&in, NULL, "closing ", "an app that is too long is refused");
    ok(strstr(answers(), "The URL is too long.") != NULL, "with a text");
}


static void
test_unpublish(void)
{
    buf_t        in = { 0 };
    const char  *start =
        "connect app=live tc=rtmp://h/live fv=FMLE/3.0 "
        "publish app=live name=name args= type= msid=1 ";
    char         want[512];
    const char  *text;

    peer_published(&in);
    peer_command(&in, 0, "FCUnpublish", 6, "n:'name'");
    peer_command(&in, 0, "deleteStream", 7, "n:1");
    peer_command(&in, 1, "closeStream", 0, "n");
    snprintf(want, sizeof(want), "%sunpublish(1,fcunpublish) ", start);
    expect(&in, NULL, want, "one end for FCUnpublish, deleteStream, "
           "closeStream together");
    text = answers();
    ok(strstr(text, "onFCUnpublish(6,null,") != NULL
       && strstr(text, "_result(6,null,undefined)") != NULL
       && strstr(text, "onStatus#1(0,null,{level:'status',"
                 "code:'NetStream.Unpublish.Success'") != NULL,
       "FCUnpublish is answered");

    peer_published(&in);
    peer_command(&in, 0, "deleteStream", 7, "n:1");
    snprintf(want, sizeof(want), "%sunpublish(1,deletestream) ", start);
    expect(&in, NULL, want, "deleteStream alone");

    peer_published(&in);
    peer_command(&in, 0, "deleteStream", 7, "n:9");
    peer_command(&in, 0, "FCUnpublish", 6, "n:'other'");
    expect(&in, NULL, start, "those of another stream do not end it");

    peer_published(&in);
    peer_command(&in, 1, "closeStream", 0, "n");
    snprintf(want, sizeof(want), "%sunpublish(1,closestream) ", start);
    expect(&in, NULL, want, "closeStream");

    /* a message is under way */
    peer_published(&in);
    fmt0(&in, 6, 40, 200, 9, 1);
    fill(&in, 128, 0);
    peer_command(&in, 0, "deleteStream", 7, "n:1");
    fmt3(&in, 6);
    fill(&in, 72, 0);
    peer_media(&in, 4, 8, 40, 1, 5);
    snprintf(want, sizeof(want), "%svideo@40+200 abort(9) "
             "unpublish(1,deletestream) ", start);
    expect(&in, NULL, want, "the end comes in the middle of a message");

    /* nothing at all: a killed encoder */
    peer_published(&in);
    expect(&in, NULL, start, "a lost connection is not reported from here");

    peer_published(&in);
    peer_command(&in, 0, "deleteStream", 7, "n:1");
    peer_command(&in, 0, "createStream", 8, "n");
    peer_command(&in, 1, "publish", 9, "n:'again'");
    snprintf(want, sizeof(want), "%sunpublish(1,deletestream) "
             "publish app=live name=again args= type= msid=1 ", start);
    expect(&in, NULL, want, "publishing again on the same connection");
}


static void
test_second_publish(void)
{
    buf_t        in = { 0 };
    char         want[1024];
    const char  *start =
        "connect app=live tc=rtmp://h/live fv=FMLE/3.0 "
        "publish app=live name=name args= type= msid=1 ";

    peer_published(&in);
    peer_command(&in, 0, "createStream", 8, "n");
    peer_command(&in, 2, "publish", 9, "n:'name'");
    peer_command(&in, 0, "FCUnpublish", 10, "n:'name'");
    peer_command(&in, 0, "deleteStream", 11, "n:1");
    peer_media(&in, 4, 8, 40, 2, 5);
    peer_media(&in, 4, 8, 50, 1, 5);
    peer_command(&in, 0, "deleteStream", 12, "n:2");
    snprintf(want, sizeof(want), "%sunpublish(1,replaced) "
             "publish app=live name=name args= type= msid=2 audio@40+5 =5 . "
             "unpublish(2,deletestream) ", start);
    expect(&in, NULL, want, "the same name again, then the end of the first "
           "(Wirecast)");

    peer_published(&in);
    peer_command(&in, 1, "publish", 9, "n:''");
    snprintf(want, sizeof(want), "%sunpublish(1,closestream) ", start);
    expect(&in, NULL, want, "an empty name is the end (Wirecast)");

    peer_published(&in);
    peer_command(&in, 1, "publish", 9, "n:f");
    snprintf(want, sizeof(want), "%sunpublish(1,closestream) ", start);
    expect(&in, NULL, want, "publish(false) is the end (ActionScript)");

    peer_published(&in);
    peer_command(&in, 1, "publish", 9, "n:'other'");
    snprintf(want, sizeof(want), "%sunpublish(1,replaced) "
             "publish app=live name=other args= type= msid=1 ", start);
    expect(&in, NULL, want, "another name on the same message stream");

    peer_published(&in);
    peer_command(&in, 0, "createStream", 8, "n");
    peer_command(&in, 2, "publish", 9, "n:'other'");
    peer_media(&in, 4, 8, 40, 1, 5);
    snprintf(want, sizeof(want), "%saudio@40+5 =5 . ", start);
    expect(&in, NULL, want, "another name on another one is refused");
    ok(strstr(answers(), "onStatus#2(0,null,{level:'error',"
              "code:'NetStream.Publish.BadName',"
              "description:'This connection publishes another stream.',})")
       != NULL, "and the first goes on");
}


static void
test_odd_commands(void)
{
    buf_t        in = { 0 };
    const char  *text;
    const char  *start = "connect app=live tc=rtmp://h/live fv=FMLE/3.0 ";

    /* enhanced RTMP: a strict array and nested objects */
    peer_handshake(&in);
    peer_raw_command(&in, 0, 3, 20,
        "'connect':1:{app='live',fourCcList=['av01','hvc1'],"
        "videoFourCcInfoMap={*=7},capsEx=3,tcUrl='rtmp://h/live',"
        "objectEncoding=3}");
    expect(&in, NULL, "connect app=live tc=rtmp://h/live fv= caps=3 ",
           "connect with fourCcList and nested objects");
    text = answers();
    ok(strstr(text, "objectEncoding:3,") != NULL,
       "objectEncoding is echoed");
    ok(strstr(text, "capsEx:15,") != NULL, "capsEx: what we can do");
    ok(strstr(text, "videoFourCcInfoMap:{avc1:4,hvc1:4,av01:4,}") != NULL,
       "and the codecs that are taken");

    /* AMF3 commands: type 17 with a leading 0, or without */
    peer_handshake(&in);
    peer_raw_command(&in, 0, 3, 17, "0'connect':1:{app='live'}");
    peer_raw_command(&in, 1, 3, 17, "0'publish':2:n:'name'");
    peer_raw_command(&in, 0, 3, 17, "'createStream':3:n");
    expect(&in, NULL, "connect app=live tc= fv= "
           "publish app=live name=name args= type= msid=1 ",
           "AMF3 command messages");
    ok(strstr(answers(), "_result(3,null,1)") != NULL,
       "with and without the leading byte");

    peer_connect(&in, "live", "rtmp://h/live");
    peer_command(&in, 0, "_checkbw", 2, "n");
    peer_command(&in, 0, "getStreamLength", 3, "n:'name'");
    peer_command(&in, 0, "fancyCall", 4, "n");
    peer_command(&in, 0, "fancyEvent", 0, "n");
    peer_command(&in, 0, "_result", 9, "n:n");
    expect(&in, NULL, start, "commands that are only answered");
    text = answers();
    ok(strstr(text, "_result(2,null,undefined) _result(3,null,0) "
              "_error(4,null,{level:'error',"
              "code:'NetConnection.Call.Failed',"
              "description:'Unknown command.',}) ") != NULL,
       "each in its way");
    ok(strstr(text, "fancy") == NULL, "nothing is echoed");

    /* publish without the null in front, deleteStream too */
    peer_connect(&in, "live", "rtmp://h/live");
    peer_raw_command(&in, 1, 3, 20, "'publish':2:'name':'live'");
    peer_raw_command(&in, 1, 3, 20, "'deleteStream':3:1");
    expect(&in, NULL, "connect app=live tc=rtmp://h/live fv=FMLE/3.0 "
           "publish app=live name=name args= type=live msid=1 "
           "unpublish(1,deletestream) ", "arguments without the null");

    peer_handshake(&in);
    peer_command(&in, 0, "createStream", 1, "n");
    expect(&in, NULL, "error: command before connect",
           "a command before connect");

    peer_connect(&in, "live", "rtmp://h/live");
    peer_raw_command(&in, 0, 3, 20, "'connect':1:{app='live'}");
    expect(&in, NULL, "connect app=live tc=rtmp://h/live fv=FMLE/3.0 "
           "error: second connect", "two connects");

    peer_handshake(&in);
    peer_raw_command(&in, 0, 3, 20, "'connect':1:n");
    expect(&in, NULL, "error: connect without its object",
           "connect without an object");

    peer_connect(&in, "live", "rtmp://h/live");
    peer_raw_command(&in, 0, 3, 20, "1:2:3");
    expect(&in, NULL, "connect app=live tc=rtmp://h/live fv=FMLE/3.0 "
           "error: command without a name", "a command without a name");
}


static void
test_control(void)
{
    int                i;
    buf_t              in = { 0 };
    char               want[256];
    const char        *start =
        "connect app=live tc=rtmp://h/live fv=FMLE/3.0 ";

    peer_connect(&in, "live", "rtmp://h/live");
    fmt0(&in, 2, 0, 6, 4, 0);
    put_hex(&in, "0006 0000abcd");               /* ping */
    fmt0(&in, 2, 0, 10, 4, 0);
    put_hex(&in, "0003 00000001 00000bb8");      /* buffer length */
    fmt0(&in, 2, 0, 2, 4, 0);
    put_hex(&in, "001f");                        /* who knows */
    fmt0(&in, 2, 0, 5, 6, 0);
    put_hex(&in, "002625a0 02");                 /* peer bandwidth */
    fmt0(&in, 2, 0, 4, 3, 0);
    put_hex(&in, "00000100");                    /* acknowledgement */
    fmt0(&in, 2, 0, 4, 5, 0);
    put_hex(&in, "002625a0");                    /* window */
    expect(&in, NULL, start, "server-only messages are ignored politely "
           "(restream.io)");
    ok(strstr(answers(), "pong(43981)") != NULL, "a ping is answered");

    peer_connect(&in, "live", "rtmp://h/live");
    fmt0(&in, 2, 0, 4, 1, 0);
    put_hex(&in, "00000000");
    snprintf(want, sizeof(want), "%serror: chunk size 0", start);
    expect(&in, NULL, want, "chunk size 0");

    peer_connect(&in, "live", "rtmp://h/live");
    fmt0(&in, 2, 0, 3, 1, 0);
    put_hex(&in, "000000");
    snprintf(want, sizeof(want), "%serror: control message is too short",
             start);
    expect(&in, NULL, want, "a control message that is too short");

    peer_connect(&in, "live", "rtmp://h/live");
    fmt0(&in, 2, 0, 0xffffff, 4, 0);
    snprintf(want, sizeof(want), "%serror: control message is too long",
             start);
    expect(&in, NULL, want, "one of 16 MB");

    peer_connect(&in, "live", "rtmp://h/live");
    for (i = 0; i < 3000; i++) {
        fmt0(&in, 2, 0, 6, 4, 0);
        put_hex(&in, "0006 00000000");
    }
    session_start(NULL);
    is_int(session_feed(&in, 5000, NULL), LV_OK,
           "a flood of pings that does not read");
    ok(peer_output_len() < 20000, "is answered within bounds");
    session_stop();
    clear(&in);

    peer_connect(&in, "live", "rtmp://h/live");
    for (i = 0; i < 3000; i++) {
        peer_command(&in, 0, "releaseStream", 2, "n:'name'");
    }
    session_start(NULL);
    is_int(session_feed(&in, 5000, NULL), LV_ERROR,
           "a flood of commands that does not read");
    is_str(lv_rtmp_session_error(peer.s), "the peer does not read its "
           "answers", "is ended");
    session_stop();
    clear(&in);
}


static void
test_acknowledgements(void)
{
    int       i;
    buf_t     in = { 0 };
    uint8_t   body[60000] = { 0 };
    uint64_t  before;

    peer_published(&in);
    fmt0(&in, 2, 0, 4, 5, 0);
    put_be(&in, 100000, 4);
    session_start(NULL);
    session_feed(&in, 1000, NULL);
    answers();
    clear(&in);

    /* more than half of the window */
    message(&in, 6, 0, 9, 1, body, sizeof(body), 128);
    session_feed(&in, 1000, NULL);
    ok(strstr(answers(), "ack(") != NULL,
       "acknowledges within the peer's window");
    clear(&in);

    before = lv_rtmp_session_stats(peer.s)->bytes_in;
    message(&in, 6, 0, 9, 1, body, 1000, 128);
    session_feed(&in, 1000, NULL);
    is_str(answers(), "", "not for every message");
    clear(&in);
    ok(lv_rtmp_session_stats(peer.s)->bytes_in > before, "bytes are counted");

    /* beyond 2^31 and 2^32, where signed and 32-bit counters fail */
    for (i = 0; i < 2; i++) {
        peer_jump_bytes(i ? 0xfffffff0ULL : 0x7ffffff0ULL);
        message(&in, 6, 0, 9, 1, body, sizeof(body), 128);
        session_feed(&in, 100000, NULL);
        ok(peer_last_ack(answers())
           == (uint32_t) lv_rtmp_session_stats(peer.s)->bytes_in,
           "acknowledges the low 32 bits beyond 2^%d", i ? 32 : 31);
        clear(&in);
        message(&in, 6, 0, 9, 1, body, 100, 128);
        session_feed(&in, 100000, NULL);
        is_str(answers(), "", "and goes on by windows");
        clear(&in);
    }
    session_stop();

    /* the default window, for peers that never name theirs */
    peer_published(&in);
    session_start(NULL);
    session_feed(&in, 1000, NULL);
    clear(&in);
    for (i = 0; i < 25; i++) {
        message(&in, 6, 0, 9, 1, body, sizeof(body), 128);
    }
    session_feed(&in, 4096, NULL);
    ok(strstr(answers(), "ack(") != NULL, "without a window of the peer's");
    session_stop();
    clear(&in);
}


static void
test_close_notice(void)
{
    buf_t  in = { 0 };

    peer_published(&in);
    session_start(NULL);
    session_feed(&in, 1000, NULL);
    answers();

    is_int(lv_rtmp_session_close_notice(peer.s, "status",
               "NetStream.Unpublish.Success", "The server ends."), LV_OK,
           "a notice is written");
    is_str(answers(), "onStatus#1(0,null,{level:'status',"
           "code:'NetStream.Unpublish.Success',"
           "description:'The server ends.',}) ", "to the stream");
    is_int(lv_rtmp_session_close_notice(peer.s, "status",
               "NetConnection.Connect.ReconnectRequest", "Reload."), LV_OK,
           "and another");
    is_str(answers(), "onStatus(0,null,{level:'status',"
           "code:'NetConnection.Connect.ReconnectRequest',"
           "description:'Reload.',}) ", "to the connection");
    ok(!lv_rtmp_session_can_reconnect(peer.s), "which this one cannot do");
    session_stop();
    clear(&in);
}


static void
test_secrets(void)
{
    buf_t  in = { 0 };

    peer_connect(&in, "live?key=s3cret", "rtmp://h/live?key=s3cret");
    peer_command(&in, 0, "releaseStream", 2, "n:'name?key=s3cret'");
    peer_command(&in, 0, "FCPublish", 3, "n:'name?key=s3cret'");
    peer_command(&in, 1, "publish", 5, "n:'name?key=s3cret'");
    peer_command(&in, 0, "FCUnpublish", 3, "n:'name?key=s3cret'");
    peer_command(&in, 0, "s3cret", 4, "n");
    session_start(NULL);
    session_feed(&in, 1000, NULL);
    ok(strstr(answers(), "s3cret") == NULL, "no key in any answer");
    session_stop();
    clear(&in);
}


int
main(void)
{
    test_publish();
    test_pending();
    test_refused();
    test_keys_in_urls();
    test_long_names();
    test_unpublish();
    test_second_publish();
    test_odd_commands();
    test_control();
    test_acknowledgements();
    test_close_notice();
    test_secrets();

    return done_testing();
}
