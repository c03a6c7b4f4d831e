/*
 * A client of an RTMP session for tests: builds its bytes, feeds them, keeps
 * a log of the handlers' calls and one of the server's answers.
 *
 * Values of commands are written as text: 'string', number, n (null),
 * t and f, {key=value,...} for an object, *{...} for an ECMA array, [..] for
 * a strict one; values are separated by colons.
 */

#ifndef RTMP_SESSION_PEER_H
#define RTMP_SESSION_PEER_H

#include "rtmp_peer.h"
#include "lv_rtmp_session_i.h"

static struct {
    lv_rtmp_session_t  *s;
    log_t               log;
    log_t               answers;
    size_t              pos;
    size_t              media[2];
    uint64_t            now_ms;

    /* what the handlers answer */
    int                 connect;
    int                 decision;
    int                 media_decision;
    const char         *reject_code;

    /* the server's messages */
    lv_rtmp_chunk_t     chunk;
    size_t              skip;
    buf_t               body;
} peer;

#define STR(s)  (int) (s).len, (const char *) (s).data


/* ---- bytes of the client ------------------------------------------------ */

static const char *
put_value(buf_t *b, const char *t)
{
    char         *end;
    double        d;
    uint64_t      u;
    uint32_t      n;
    size_t        count, len;
    const char   *key;

    switch (*t) {

    case '\'':
        end = strchr(++t, '\'');
        len = (size_t) (end - t);
        put8(b, 2);
        put_be(b, (uint32_t) len, 2);
        put(b, t, len);
        return end + 1;

    case 'n':
        put8(b, 5);
        return t + 1;

    case 't':
    case 'f':
        put8(b, 1);
        put8(b, *t == 't');
        return t + 1;

    case '[':
        put8(b, 10);
        count = b->len;
        put_be(b, 0, 4);
        for (t++, n = 0; *t != ']'; n++) {
            t = put_value(b, t);
            t += (*t == ',');
        }
        lv_put32(b->p + count, n);
        return t + 1;

    case '*':
        put8(b, 8);
        put_be(b, 7, 4);
        t++;
        break;

    case '{':
        put8(b, 3);
        break;

    default:
        d = strtod(t, &end);
        if (end == t) {
            abort();
        }
        memcpy(&u, &d, sizeof(u));
        put8(b, 0);
        put_be(b, (uint32_t) (u >> 32), 4);
        put_be(b, (uint32_t) u, 4);
        return end;
    }

    for (t++; *t != '}'; t += (*t == ',')) {
        key = t;
        t = strchr(t, '=');
        put_be(b, (uint32_t) (t - key), 2);
        put(b, key, (size_t) (t - key));
        t = put_value(b, t + 1);
    }

    put_be(b, 9, 3);
    return t + 1;
}


__attribute__((unused)) static void
put_values(buf_t *b, const char *t)
{
    while (*t) {
        t = put_value(b, t);
        t += (*t == ':');
    }
}


/* A leading "0" before a quote is the byte 0 of AMF3 messages. */
__attribute__((unused)) static void
peer_raw_command(buf_t *b, uint32_t msid, uint32_t csid, int type,
    const char *text)
{
    buf_t  body = { 0 };

    if (text[0] == '0' && text[1] == '\'') {
        put8(&body, 0);
        text++;
    }

    put_values(&body, text);
    message(b, csid, 0, type, msid, body.p, body.len, 128);
    clear(&body);
}


__attribute__((unused)) static void
peer_command(buf_t *b, uint32_t msid, const char *name, int tx,
    const char *args)
{
    char  text[8192];

    snprintf(text, sizeof(text), "'%s':%d:%s", name, tx, args);
    peer_raw_command(b, msid, 3, 20, text);
}


__attribute__((unused)) static void
peer_handshake(buf_t *b)
{
    put8(b, 3);
    put_zero(b, 2 * LV_RTMP_HANDSHAKE_LEN);
}


__attribute__((unused)) static void
peer_connect(buf_t *b, const char *app, const char *tc_url)
{
    char  text[8192];

    peer_handshake(b);
    snprintf(text, sizeof(text), "'connect':1:{app='%s',"
             "flashVer='FMLE/3.0',tcUrl='%s'}", app, tc_url);
    peer_raw_command(b, 0, 3, 20, text);
}


__attribute__((unused)) static void
peer_published(buf_t *b)
{
    peer_connect(b, "live", "rtmp://h/live");
    peer_command(b, 0, "createStream", 2, "n");
    peer_command(b, 1, "publish", 3, "n:'name'");
}


__attribute__((unused)) static void
peer_media(buf_t *b, uint32_t csid, int type, uint32_t time, uint32_t msid,
    size_t n)
{
    uint8_t  body[4096];

    memset(body, 0xaf, sizeof(body));
    message(b, csid, time, type, msid, body, n, 128);
}


/* ---- what the session calls --------------------------------------------- */

static const char *
peer_type(int type)
{
    return type == LV_RTMP_AUDIO ? "audio" : "video";
}


static int
peer_on_connect(void *ctx, const lv_rtmp_connect_t *c)
{
    note(&peer.log, "connect app=%.*s", STR(c->app));
    if (c->app_args.len) {
        note(&peer.log, "(%.*s)", STR(c->app_args));
    }
    note(&peer.log, " tc=%.*s", STR(c->tc_url));
    if (c->tc_url_args.len) {
        note(&peer.log, "(%.*s)", STR(c->tc_url_args));
    }
    note(&peer.log, " fv=%.*s ", STR(c->flash_ver));
    if (c->caps_ex) {
        note(&peer.log, "caps=%u ", c->caps_ex);
    }
    return peer.connect;
}


static int
peer_on_publish(void *ctx, const lv_rtmp_publish_t *p)
{
    note(&peer.log, "publish app=%.*s name=%.*s args=%.*s type=%.*s msid=%u ",
         STR(p->app), STR(p->name), STR(p->args), STR(p->type), p->msid);

    if (peer.decision == LV_ERROR && peer.reject_code) {
        lv_rtmp_session_reject(peer.s, peer.reject_code, "because");
    }

    return peer.decision;
}


static void
peer_on_unpublish(void *ctx, uint32_t msid, lv_rtmp_unpublish_e why)
{
    static const char *const  names[] = {
        "fcunpublish", "deletestream", "closestream", "replaced"
    };

    note(&peer.log, "unpublish(%u,%s) ", msid, names[why]);
}


static int
peer_on_begin(void *ctx, uint32_t msid, int type, uint32_t timestamp_ms,
    uint32_t len)
{
    note(&peer.log, "%s@%u+%u ", peer_type(type), timestamp_ms, len);
    peer.media[type - LV_RTMP_AUDIO] = 0;
    return peer.media_decision;
}


static int
peer_on_data(void *ctx, int type, const uint8_t *p, size_t n)
{
    peer.media[type - LV_RTMP_AUDIO] += n;
    return LV_OK;
}


static int
peer_on_end(void *ctx, int type)
{
    note(&peer.log, "=%zu . ", peer.media[type - LV_RTMP_AUDIO]);
    return LV_OK;
}


static void
peer_on_abort(void *ctx, int type)
{
    note(&peer.log, "abort(%d) ", type);
}


static void
peer_describe(log_t *log, const lv_amf0_value_t *v)
{
    lv_str_t          key;
    lv_amf0_value_t   m;
    lv_amf0_reader_t  r;

    switch (v->type) {

    case LV_AMF0_NUMBER:
        note(log, "%g", v->num);
        return;

    case LV_AMF0_BOOLEAN:
        note(log, "%s", v->num ? "true" : "false");
        return;

    case LV_AMF0_STRING:
        note(log, "'%.*s'", STR(v->str));
        return;

    case LV_AMF0_NULL:
        note(log, "null");
        return;

    case LV_AMF0_UNDEFINED:
        note(log, "undefined");
        return;

    default:
        break;
    }

    note(log, v->type == LV_AMF0_OBJECT ? "{" : "[");

    if (lv_amf0_open(v, &r) == LV_OK) {
        while (lv_amf0_next(&r, &key, &m) == LV_OK) {
            if (key.len) {
                note(log, "%.*s:", STR(key));
            }
            peer_describe(log, &m);
            note(log, ",");
        }
    }

    note(log, v->type == LV_AMF0_OBJECT ? "}" : "]");
}


static int
peer_on_metadata(void *ctx, uint32_t msid, const lv_amf0_value_t *obj)
{
    note(&peer.log, "metadata");
    peer_describe(&peer.log, obj);
    note(&peer.log, " ");
    return LV_OK;
}


static int
peer_on_data_message(void *ctx, const lv_rtmp_data_t *d)
{
    note(&peer.log, "data@%u %.*s(%zu) ", d->timestamp_ms, STR(d->name),
         d->values.len);
    return LV_OK;
}


/* ---- the server's answers ----------------------------------------------- */

static int
answer_begin(void *ctx, lv_rtmp_message_t *m)
{
    clear(&peer.body);
    return LV_OK;
}


static int
answer_data(void *ctx, lv_rtmp_message_t *m, const uint8_t *p, size_t n)
{
    put(&peer.body, p, n);
    return LV_OK;
}


static int
answer_end(void *ctx, lv_rtmp_message_t *m)
{
    int               args;
    log_t            *log = &peer.answers;
    const uint8_t    *p = peer.body.p;
    lv_amf0_value_t   v;
    lv_amf0_reader_t  r;

    switch (m->type) {

    case 1:
        note(log, "chunk(%u) ", lv_be32(p));
        lv_rtmp_chunk_set_size(&peer.chunk, lv_be32(p));
        break;

    case 3:
        note(log, "ack(%u) ", lv_be32(p));
        break;

    case 4:
        note(log, "%s(%u) ", lv_be16(p) == 0 ? "begin" :
                             lv_be16(p) == 7 ? "pong" : "event",
             lv_be32(p + 2));
        break;

    case 5:
        note(log, "window(%u) ", lv_be32(p));
        break;

    case 6:
        note(log, "bandwidth(%u,%u) ", lv_be32(p), p[4]);
        break;

    case 20:
        lv_amf0_read_init(&r, p, peer.body.len);
        lv_amf0_read(&r, &v);
        note(log, "%.*s", STR(v.str));
        if (m->msid) {
            note(log, "#%u", m->msid);
        }
        for (args = 0; lv_amf0_read(&r, &v) == LV_OK; args++) {
            note(log, args ? "," : "(");
            peer_describe(log, &v);
        }
        note(log, ") ");
        break;

    default:
        note(log, "type %u? ", m->type);
    }

    return LV_OK;
}


static const lv_rtmp_chunk_handler_t  answer_handler = {
    answer_begin, answer_data, answer_end
};


__attribute__((unused)) static size_t
peer_output_len(void)
{
    size_t          n;
    const uint8_t  *p;

    lv_rtmp_session_output(peer.s, &p, &n);
    return n;
}


/* Takes the session's output into the log of answers, in two pieces. */
static void
peer_drain(void)
{
    size_t          n, used, take;
    const uint8_t  *p;

    for ( ;; ) {
        lv_rtmp_session_output(peer.s, &p, &n);

        if (n == 0) {
            return;
        }

        take = n > 20 ? n / 2 : n;

        if (peer.skip) {
            take = take < peer.skip ? take : peer.skip;
            peer.skip -= take;

        } else {
            lv_rtmp_chunk_input(&peer.chunk, p, take, 0, &used);
        }

        lv_rtmp_session_sent(peer.s, take);
    }
}


/* What the server has answered since the last call, as text. */
static const char *
answers(void)
{
    static char  text[sizeof(peer.answers.text)];

    if (peer.s) {
        peer_drain();
    }

    memcpy(text, peer.answers.text, sizeof(text));
    peer.answers.len = 0;
    peer.answers.text[0] = '\0';

    return text;
}


/* ---- a session ---------------------------------------------------------- */

static void
session_start(const lv_rtmp_conf_t *conf)
{
    static const lv_rtmp_handler_t  handler = {
        peer_on_connect, peer_on_publish, peer_on_unpublish, peer_on_begin,
        peer_on_data, peer_on_end, peer_on_abort, peer_on_metadata,
        peer_on_data_message
    };

    peer.log.len = 0;
    peer.log.text[0] = '\0';
    peer.answers.len = 0;
    peer.answers.text[0] = '\0';
    peer.skip = LV_RTMP_HANDSHAKE_OUT;
    peer.pos = 0;
    lv_rtmp_chunk_init(&peer.chunk, &answer_handler, NULL, 64, 0);
    peer.s = lv_rtmp_session_create(conf, &handler, NULL);
}


static void
session_stop(void)
{
    if (peer.s) {
        peer_drain();
        lv_rtmp_session_destroy(peer.s);
        peer.s = NULL;
        lv_rtmp_chunk_free(&peer.chunk);
        clear(&peer.body);
    }
}


__attribute__((unused)) static const char *
peer_log(void)
{
    return peer.log.text;
}


/* Goes on where a pause has left it. */
__attribute__((unused)) static int
session_feed_rest(const buf_t *in, size_t *pos)
{
    int       rc;
    size_t    used, n;
    uint8_t  *exact;

    rc = LV_OK;

    while (peer.pos < in->len && rc == LV_OK) {
        n = in->len - peer.pos;

        exact = malloc(n);
        memcpy(exact, in->p + peer.pos, n);
        rc = lv_rtmp_session_input(peer.s, exact, n, peer.now_ms, &used);
        free(exact);
        peer.pos += used;
    }

    if (pos) {
        *pos = peer.pos;
    }

    return rc;
}


/* piece 0: uneven pieces */
static int
session_feed(const buf_t *in, size_t piece, size_t *pos)
{
    int       rc;
    size_t    used, n;
    uint8_t  *exact;

    rc = LV_OK;

    for (peer.pos = 0; peer.pos < in->len && rc == LV_OK; peer.pos += used) {
        n = piece ? piece : 1 + (peer.pos * 7) % 61;
        n = n < in->len - peer.pos ? n : in->len - peer.pos;

        /* a block of its own, so that ASan sees a read beyond it */
        exact = malloc(n);
        memcpy(exact, in->p + peer.pos, n);
        rc = lv_rtmp_session_input(peer.s, exact, n, peer.now_ms, &used);
        free(exact);
    }

    if (pos) {
        *pos = peer.pos;
    }

    return rc;
}


/* Feeds it whole, byte by byte and unevenly: the same log each time. */
__attribute__((unused)) static void
expect(buf_t *in, const lv_rtmp_conf_t *conf, const char *want,
    const char *name)
{
    int  i, rc;

    static const size_t       pieces[] = { 10000000, 1, 0 };
    static const char *const  how[] = { "", ": byte by byte",
                                        ": in uneven pieces" };

    for (i = 0; i < 3; i++) {
        session_stop();
        session_start(conf);
        rc = session_feed(in, pieces[i], NULL);

        if (rc == LV_ERROR) {
            note(&peer.log, "error: %s", lv_rtmp_session_error(peer.s));
        }

        if (lv_rtmp_session_is_closing(peer.s)) {
            note(&peer.log, "closing ");
        }

        if (!ok(strcmp(peer.log.text, want) == 0, "%s%s", name, how[i])) {
            diag("got  \"%s\"", peer.log.text);
            diag("want \"%s\"", want);
        }

        session_stop();
    }

    clear(in);
    peer.connect = LV_OK;
    peer.decision = LV_OK;
    peer.media_decision = LV_OK;
    peer.reject_code = NULL;
}


/* As if that many bytes had come in and been acknowledged. */
__attribute__((unused)) static void
peer_jump_bytes(uint64_t n)
{
    peer.s->stats.bytes_in = n;
    peer.s->acked = n;
}


__attribute__((unused)) static uint32_t
peer_last_ack(const char *text)
{
    uint32_t     n;
    const char  *p;

    for (n = 0; (p = strstr(text, "ack(")) != NULL; text = p + 4) {
        n = (uint32_t) strtoul(p + 4, NULL, 10);
    }

    return n;
}

#endif
