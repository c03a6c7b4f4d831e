/* Stream ids as encoders write them. */

#include "tap.h"
#include "lv_srt_streamid.h"


static void
reads(const char *text, const char *name, const char *args, const char *cred)
{
    lv_srt_streamid_t  id;

    if (lv_srt_streamid_parse((const uint8_t *) text, strlen(text), &id)
        != LV_OK)
    {
        ok(0, "%s", text);
        return;
    }

    if (!ok(id.name_len == strlen(name)
       && memcmp(id.name, name, id.name_len) == 0
       && id.args_len == strlen(args)
       && memcmp(id.args, args, id.args_len) == 0
       && id.credential_len == strlen(cred)
       && memcmp(id.credential, cred, id.credential_len) == 0,
       "%s", text[0] ? text : "(empty)"))
    {
        diag("[%.*s] [%.*s] [%.*s]", (int) id.name_len, id.name,
             (int) id.args_len, id.args, (int) id.credential_len,
             id.credential);
    }
}


static int
watches(const char *text)
{
    lv_srt_streamid_t  id;

    return lv_srt_streamid_parse((const uint8_t *) text, strlen(text), &id)
           == LV_OK && id.watch;
}


int
main(void)
{
    uint8_t            big[LV_SRT_STREAMID_MAX + 1];
    lv_srt_streamid_t  id;

    reads("", "", "", "");
    reads("demo", "demo", "", "");
    reads("live/demo", "live/demo", "", "");
    reads("/live/demo/", "live/demo", "", "");
    reads("live/demo?key=abc&x=1", "live/demo", "key=abc&x=1", "");
    reads("example.com/live/demo", "example.com/live/demo", "", "");
    reads("srt://example.com:9000/live/demo?token=a.b.c", "live/demo",
          "token=a.b.c", "");
    reads("demo#feedbackplay", "demo", "", "");
    reads("live%2Fdemo", "live/demo", "", "");
    reads("100%", "100%", "", "");

    reads("#!::r=live/demo,m=publish", "live/demo", "", "");
    reads("#!::m=publish,r=demo,key=a%2Cb", "demo", "", "a,b");
    reads("#!::r=demo,s=session,token=tok", "demo", "", "tok");
    reads("#!::r=demo,token=tok,s=session", "demo", "", "tok");
    reads("#!::r=demo,u=user,s=session,t=stream", "demo", "", "session");
    reads("#!::h=live/demo?secret=xyz,m=publish", "live/demo", "secret=xyz",
          "");
    reads("#!::h=example.com,r=demo", "demo", "", "");
    reads("#!::r=demo,h=example.com", "demo", "", "");
    reads("#!::r=demo?key=abc,m=publish,,=,x", "demo", "key=abc", "");
    reads("#!::", "", "", "");
    reads("%23!::r=demo,m=publish", "demo", "", "");
    reads("%23%21%3A%3Ar%3Ddemo%2Ckey%3Dabc", "demo", "", "abc");

    reads("publish:demo", "demo", "", "");
    reads("publish:live/demo:user:pass", "live/demo", "", "pass");
    reads("publish:demo:user:pass:a=b&c=d", "demo", "a=b&c=d", "pass");
    reads("publish:demo:::key=abc", "demo", "key=abc", "");

    ok(watches("#!::r=demo,m=request") && watches("read:demo")
       && !watches("#!::r=demo,m=publish") && !watches("#!::r=demo")
       && !watches("#!::r=demo,m=bidirectional") && !watches("read"),
       "who wants to watch");

    ok(lv_srt_streamid_parse((const uint8_t *) "#!:{r: demo}", 12, &id)
       == LV_ERROR, "the nested form is not known");
    ok(lv_srt_streamid_parse((const uint8_t *) "a\nb", 3, &id) == LV_ERROR,
       "control characters");
    ok(lv_srt_streamid_parse((const uint8_t *) "a%0ab", 5, &id) == LV_OK
       && id.name_len == 3, "… coded ones are for whoever checks the name");

    memset(big, 'a', sizeof(big));
    ok(lv_srt_streamid_parse(big, sizeof(big) - 1, &id) == LV_OK
       && id.name_len == 512, "512 bytes");
    ok(lv_srt_streamid_parse(big, sizeof(big), &id) == LV_ERROR, "513");

    return done_testing();
}
