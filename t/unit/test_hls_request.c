/* What is asked for: paths and delivery directives. */

#include <stdlib.h>

#include "tap.h"
#include "lv_hls_request.h"


static int
path(const char *p, lv_hls_path_t *out)
{
    return lv_hls_path_parse((const uint8_t *) p, strlen(p), out);
}


static void
test_path(void)
{
    unsigned       i;
    lv_hls_path_t  p;

    static const char *bad[] = {
        "", "/", "a", "a/", "index.m3u8", "/index.m3u8", "a//index.m3u8",
        "a/v0", "a/v0/", "a/v0/x.m3u8", "a/v0/index.m3u8/", "-a/index.m3u8",
        "a.b/index.m3u8", "a/V0/index.m3u8", "a/v0123456/1.m4s",
        "a/v0/01.m4s", "a/v0/1.01.m4s", "a/v0/.m4s", "a/v0/1..m4s",
        "a/v0/1.2.3.m4s", "a/v0/-1.m4s", "a/v0/1.65536.m4s",
        "a/v0/4294967296.m4s", "a/v0/99999999999999999999.m4s",
        "a/v0/init-.mp4", "a/v0/init-01.mp4", "a/v0/init-1.m4s",
        "a/v0/1.mp4", "a/v0/ 1.m4s", "~t", "~t/", "~t/index.m3u8",
        "a/../index.m3u8", "a/v0/1.m4s ", "~a/~b/c/index.m3u8",
    };

    is_int(path("a_b-9/index.m3u8", &p), LV_OK, "multivariant");
    ok(p.kind == LV_HLS_MULTIVARIANT && lv_str_eq(p.stream, "a_b-9"), "parsed");
    is_int(path("a/v0/index.m3u8", &p), LV_OK, "media playlist");
    ok(p.kind == LV_HLS_MEDIA && lv_str_eq(p.rendition, "v0"), "parsed");
    is_int(path("a/muxed/init-1795180000.mp4", &p), LV_OK, "init");
    ok(p.kind == LV_HLS_INIT && p.msn == 1795180000, "parsed");
    is_int(path("a/v0/4294967295.m4s", &p), LV_OK, "segment");
    ok(p.kind == LV_HLS_SEGMENT && p.msn == UINT32_MAX, "parsed");
    is_int(path("a/v0/0.65535.m4s", &p), LV_OK, "part");
    ok(p.kind == LV_HLS_PART && p.msn == 0 && p.part == 65535, "parsed");
    is_int(path("~ey.J.x/a/v0/1.2.m4s", &p), LV_OK, "behind a token");
    ok(lv_str_eq(p.stream, "a"), "parsed");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_int(path(bad[i], &p), LV_DECLINED, bad[i]);
    }
}


static int
query(const char *q, lv_hls_query_t *out)
{
    const char  *err = NULL;
    int          rc;

    rc = lv_hls_query_parse((const uint8_t *) q, strlen(q), out, &err);

    if (rc != LV_OK && err == NULL) {
        diag("no reason");
        exit(1);
    }

    return rc;
}


static void
test_query(void)
{
    unsigned        i;
    lv_hls_query_t  q;

    static const char *bad[] = {
        "_HLS_part=1", "_HLS_msn=", "_HLS_msn", "_HLS_msn=x", "_HLS_msn=-1",
        "_HLS_msn=+1", "_HLS_msn=01", "_HLS_msn=1.0", "_HLS_msn=4294967296",
        "_HLS_msn=1&_HLS_msn=1", "_HLS_msn=1&_HLS_part=",
        "_HLS_msn=1&_HLS_part=65536", "_HLS_msn=1&_HLS_part=1&_HLS_part=2",
        "_HLS_skip=NO", "_HLS_skip=", "_HLS_skip=yes", "_HLS_msn=1%20",
    };

    is_int(query("_HLS_msn=7&_HLS_part=3&_HLS_skip=YES", &q), LV_OK, "all");
    ok(q.has_msn && q.msn == 7 && q.has_part && q.part == 3 && q.skip,
       "parsed");
    is_int(query("x=1&&_HLS_msn=0&=&y", &q), LV_OK, "between other things");
    ok(q.has_msn && q.msn == 0 && !q.has_part && !q.skip, "parsed");
    is_int(query("_HLS_skip=v2", &q), LV_OK, "skip v2");
    ok(q.skip && !q.has_msn, "parsed");
    is_int(query("_HLS_push=1&_HLS_msn=2", &q), LV_OK,
           "a directive that is not known");
    is_int(query("", &q), LV_OK, "none");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_int(query(bad[i], &q), LV_ERROR, bad[i]);
    }
}


int
main(void)
{
    test_path();
    test_query();

    return done_testing();
}
