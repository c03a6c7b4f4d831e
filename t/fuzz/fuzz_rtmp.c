/*
 * A connection of a publisher. The first byte chooses where it begins and how
 * publish is decided, the second how the bytes are cut for a second session:
 * both sessions must see the same. The contract of the handlers is checked.
 */

#include "lv_rtmp_session.h"

#include <stdlib.h>

enum {
    FROM_START = 1,     /* the handshake is in the input */
    NO_CONNECT = 2,     /* nor connect and publish in front of it */
    DECIDE_LATER = 4,
    REFUSE = 8,
    DECLINE = 16
};

typedef struct {
    lv_rtmp_session_t  *s;
    uint8_t             options;
    bool                publishing;
    uint64_t            hash;
    uint32_t            left[2];
    bool                open[2];
} peer_t;

static const uint8_t  prefix[] =
    /* connect */
    "\x03\0\0\0\0\0\x20\x14\0\0\0\0"
    "\x02\0\x07" "connect" "\0\x3f\xf0\0\0\0\0\0\0"
    "\x03\0\x03" "app" "\x02\0\x01" "a" "\0\0\x09"
    /* publish */
    "\x03\0\0\0\0\0\x18\x14\x01\0\0\0"
    "\x02\0\x07" "publish" "\0\x40\0\0\0\0\0\0\0" "\x05\x02\0\x01" "n";


static void
mix(peer_t *x, uint64_t v)
{
    x->hash = (x->hash ^ v) * 1099511628211ULL;
}


static void
mix_str(peer_t *x, lv_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        mix(x, s.data[i]);
    }

    mix(x, s.len + 1000);
}


static void
require(bool cond)
{
    if (!cond) {
        abort();
    }
}


static int
on_connect(void *ctx, const lv_rtmp_connect_t *c)
{
    mix_str(ctx, c->app);
    mix_str(ctx, c->app_args);
    mix_str(ctx, c->tc_url);
    mix_str(ctx, c->tc_url_args);
    mix_str(ctx, c->flash_ver);
    return LV_OK;
}


static int
on_publish(void *ctx, const lv_rtmp_publish_t *p)
{
    peer_t  *x = ctx;

    require(!x->publishing);
    mix_str(x, p->name);
    mix_str(x, p->args);
    mix_str(x, p->type);
    mix(x, p->msid);

    if (x->options & DECIDE_LATER) {
        return LV_AGAIN;
    }

    if (x->options & REFUSE) {
        lv_rtmp_session_reject(x->s, "NetStream.Publish.Denied", "no");
        return LV_ERROR;
    }

    x->publishing = true;
    return LV_OK;
}


static void
on_unpublish(void *ctx, uint32_t msid, lv_rtmp_unpublish_e why)
{
    peer_t  *x = ctx;

    require(x->publishing && !x->open[0] && !x->open[1]);
    x->publishing = false;
    mix(x, why);
}


static int
on_begin(void *ctx, uint32_t msid, int type, uint32_t timestamp_ms,
    uint32_t len)
{
    peer_t  *x = ctx;

    require(x->publishing && (type == 8 || type == 9) && len);
    require(!x->open[type - 8]);
    mix(x, msid);
    mix(x, type);
    mix(x, timestamp_ms);
    mix(x, len);

    if ((x->options & DECLINE) && (len & 1)) {
        return LV_DECLINED;
    }

    x->open[type - 8] = true;
    x->left[type - 8] = len;
    return LV_OK;
}


static int
on_data(void *ctx, int type, const uint8_t *p, size_t n)
{
    peer_t  *x = ctx;

    require(x->open[type - 8] && n && n <= x->left[type - 8]);
    x->left[type - 8] -= (uint32_t) n;

    while (n--) {
        mix(x, *p++);
    }

    return LV_OK;
}


static int
on_end(void *ctx, int type)
{
    peer_t  *x = ctx;

    require(x->open[type - 8] && x->left[type - 8] == 0);
    x->open[type - 8] = false;
    mix(x, type + 100);
    return LV_OK;
}


static void
on_abort(void *ctx, int type)
{
    peer_t  *x = ctx;

    require(x->open[type - 8]);
    x->open[type - 8] = false;
    mix(x, type + 200);
}


static int
on_metadata(void *ctx, uint32_t msid, const lv_amf0_value_t *obj)
{
    peer_t  *x = ctx;

    require(x->publishing && lv_amf0_is_container(obj));
    mix_str(x, obj->str);
    return LV_OK;
}


static int
on_data_message(void *ctx, const lv_rtmp_data_t *d)
{
    peer_t  *x = ctx;

    require(x->publishing);
    mix_str(x, d->name);
    mix_str(x, d->values);
    return LV_OK;
}


static int
feed(peer_t *x, const uint8_t *p, size_t n, unsigned cut)
{
    int             rc;
    size_t          piece, used, out;
    uint8_t        *exact;
    const uint8_t  *o;

    while (n) {
        piece = cut ? 1 + (n * 13 + cut) % cut : n;
        piece = piece < n ? piece : n;

        exact = malloc(piece);
        memcpy(exact, p, piece);
        rc = lv_rtmp_session_input(x->s, exact, piece, 1000, &used);
        free(exact);

        require(used <= piece);
        require(rc != LV_OK || used == piece);

        lv_rtmp_session_output(x->s, &o, &out);
        lv_rtmp_session_sent(x->s, out > 3 ? out / 2 : out);

        p += used;
        n -= used;

        if (rc == LV_ERROR) {
            require(lv_rtmp_session_error(x->s)[0] != '\0');
            mix_str(x, (lv_str_t) {
                (const uint8_t *) lv_rtmp_session_error(x->s),
                strlen(lv_rtmp_session_error(x->s)) });
            return rc;
        }

        if (rc == LV_AGAIN) {
            require(x->options & DECIDE_LATER);

            if (x->options & REFUSE) {
                lv_rtmp_session_reject(x->s, "NetStream.Publish.Denied", "");

            } else {
                x->publishing = true;
                require(lv_rtmp_session_accept(x->s) == LV_OK);
            }
        }
    }

    return LV_OK;
}


static uint64_t
run(const uint8_t *data, size_t size, uint8_t options, unsigned cut)
{
    int             rc;
    peer_t          x;
    uint8_t        *hello;
    lv_rtmp_conf_t  conf;

    static const lv_rtmp_handler_t  handler = {
        on_connect, on_publish, on_unpublish, on_begin, on_data, on_end,
        on_abort, on_metadata, on_data_message
    };

    lv_rtmp_conf_defaults(&conf);
    conf.max_small_chunks = 0;
    conf.max_output = 64 << 20;   /* how much is unread depends on the cut */

    memset(&x, 0, sizeof(x));
    x.options = options;
    x.s = lv_rtmp_session_create(&conf, &handler, &x);
    rc = LV_OK;

    if (!(options & FROM_START)) {
        hello = calloc(1, 1 + 2 * 1536);
        hello[0] = 3;
        rc = feed(&x, hello, 1 + 2 * 1536, 0);
        free(hello);

        if (!(options & NO_CONNECT)) {
            rc = feed(&x, prefix, sizeof(prefix) - 1, 0);
        }

        require(rc == LV_OK);
    }

    (void) feed(&x, data, size, cut);

    lv_rtmp_session_destroy(x.s);

    return x.hash;
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned  cut;

    if (size < 2) {
        return 0;
    }

    cut = 1 + data[1] % 40;

    require(run(data + 2, size - 2, data[0], 0)
            == run(data + 2, size - 2, data[0], cut));

    return 0;
}
