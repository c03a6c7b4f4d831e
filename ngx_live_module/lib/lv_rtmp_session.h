/*
 * The server side of one RTMP connection that publishes (Adobe's RTMP
 * specification 1.0 and what encoders make of it): bytes in, events and
 * answer bytes out. No socket, no clock, no nginx.
 *
 * The caller feeds what it reads to lv_rtmp_session_input() and writes what
 * lv_rtmp_session_output() shows. Handlers are called from within input(),
 * accept() and nothing else; views that they get live until they return. A
 * handler must not destroy the session; it returns LV_ERROR instead, and the
 * caller destroys it when input() has come back.
 *
 * Media is never gathered here: on_message_begin tells the length, then
 * on_message_data gives pieces that point into the caller's buffer, then
 * on_message_end. One audio and one video message may be under way at a
 * time, on different chunk streams. Aggregate messages arrive as the
 * messages they contain. Only commands and data messages are gathered, as
 * their bytes arrive, under the limits of lv_rtmp_conf_t.
 *
 * One publish at a time for a connection. A second one with the same name
 * (Wirecast), or on the same message stream, takes the place of the first:
 * on_unpublish(LV_RTMP_REPLACED), then on_publish. Any other is refused.
 *
 * on_unpublish is called exactly once for each accepted publish that ends
 * while the session lives (FCUnpublish, deleteStream, closeStream, replaced).
 * When input() fails, the connection is lost or the session is destroyed, it
 * is not called: the caller ends the publish then.
 *
 * Stream keys are in publish names and args. They are given to handlers and
 * never appear in lv_rtmp_session_error() or in answers.
 */

#ifndef LV_RTMP_SESSION_H
#define LV_RTMP_SESSION_H

#include "lv_base.h"
#include "lv_amf0.h"

/* message types of media, as on the wire */
#define LV_RTMP_AUDIO  8
#define LV_RTMP_VIDEO  9

typedef struct lv_rtmp_session_s  lv_rtmp_session_t;

typedef struct {
    uint32_t  out_chunk_size;     /* of our answers; 4096 */
    uint32_t  ack_window;         /* bytes; ours to the peer, and until the
                                     peer names its own; 2,500,000 */
    uint32_t  max_media_len;      /* bytes of one audio or video message;
                                     16,777,215. Longer: error */
    uint32_t  max_gather_len;     /* bytes of one command or data message;
                                     65,536. Longer commands: error; longer
                                     data: skipped */
    uint32_t  max_gather_total;   /* bytes of all that are being gathered;
                                     131,072 */
    uint32_t  max_chunk_streams;  /* 64 */
    uint32_t  max_name_len;       /* bytes of app, name, tcUrl each; 2048.
                                     Longer: refused, never cut */
    uint32_t  max_output;         /* bytes of answers that the peer has not
                                     read; 32,768. More: error */
    uint32_t  max_small_chunks;   /* chunks under 128 bytes per second,
                                     200,000: bounds the cost of chunk size
                                     1, at which 200 kB/s of media still
                                     pass. 0: no limit */
} lv_rtmp_conf_t;

/* The query parts ("?a=b&c=d") are split off and given without the '?'. */
typedef struct {
    lv_str_t  app;
    lv_str_t  app_args;
    lv_str_t  tc_url;
    lv_str_t  tc_url_args;
    lv_str_t  flash_ver;
    uint32_t  caps_ex;            /* E-RTMP capsEx; bit 0: can reconnect */
} lv_rtmp_connect_t;

typedef struct {
    lv_str_t  app;
    lv_str_t  tc_url;
    lv_str_t  name;               /* may be empty */
    lv_str_t  args;               /* "a=b&c=d": those of tcUrl, app (when
                                     they differ), name, in that order */
    lv_str_t  type;               /* "live", "record", ... or empty */
    uint32_t  msid;               /* message stream id */
} lv_rtmp_publish_t;

typedef struct {
    uint32_t  msid;
    uint32_t  timestamp_ms;
    lv_str_t  name;               /* "onTextData", "onCuePoint", ... */
    lv_str_t  values;             /* the AMF0 values behind the name */
} lv_rtmp_data_t;

typedef enum {
    LV_RTMP_FCUNPUBLISH,
    LV_RTMP_DELETE_STREAM,
    LV_RTMP_CLOSE_STREAM,
    LV_RTMP_REPLACED
} lv_rtmp_unpublish_e;

/*
 * Every handler may be NULL, except on_publish. Where a result is an int:
 * LV_OK, or LV_ERROR, which ends the session (input() returns LV_ERROR with
 * "stopped by the application").
 */
typedef struct {
    /* LV_ERROR: refused; see lv_rtmp_session_reject() */
    int   (*on_connect)(void *ctx, const lv_rtmp_connect_t *c);

    /*
     * LV_OK: accepted. LV_AGAIN: input() stops until accept() or reject() is
     * called. LV_ERROR: refused, with what reject() was given, or
     * NetStream.Publish.BadName.
     */
    int   (*on_publish)(void *ctx, const lv_rtmp_publish_t *p);
    void  (*on_unpublish)(void *ctx, uint32_t msid, lv_rtmp_unpublish_e why);

    /*
     * type: LV_RTMP_AUDIO or LV_RTMP_VIDEO. timestamp_ms: RTMP time modulo
     * 2^32. len: bytes to come, at least 1. LV_DECLINED: the message is
     * skipped, without data, end or abort.
     */
    int   (*on_message_begin)(void *ctx, uint32_t msid, int type,
              uint32_t timestamp_ms, uint32_t len);
    int   (*on_message_data)(void *ctx, int type, const uint8_t *p, size_t n);
    int   (*on_message_end)(void *ctx, int type);
    /* the message will not be completed (abort message, unpublish) */
    void  (*on_message_abort)(void *ctx, int type);

    /* onMetaData in any spelling; obj is an object or an array */
    int   (*on_metadata)(void *ctx, uint32_t msid, const lv_amf0_value_t *obj);
    /* any other data message of the published stream */
    int   (*on_data)(void *ctx, const lv_rtmp_data_t *d);
} lv_rtmp_handler_t;

typedef struct {
    uint64_t  bytes_in;
    uint64_t  bytes_out;          /* what sent() was told */
    uint64_t  audio_messages;     /* complete ones that were not skipped */
    uint64_t  video_messages;
    uint64_t  skipped_messages;   /* outside a publish, declined, unknown
                                     type, or longer than allowed */
    uint32_t  in_chunk_size;
    bool      digest;             /* the digest handshake was used */
} lv_rtmp_stats_t;


void lv_rtmp_conf_defaults(lv_rtmp_conf_t *conf);

/* conf NULL: the defaults; both are copied. NULL when out of memory. */
lv_rtmp_session_t *lv_rtmp_session_create(const lv_rtmp_conf_t *conf,
    const lv_rtmp_handler_t *h, void *ctx);
void lv_rtmp_session_destroy(lv_rtmp_session_t *s);

/*
 * Feeds n bytes; *consumed tells how many were taken, also on error.
 *
 * LV_OK: all were taken. LV_AGAIN: a publish waits for its decision; stop
 * reading, keep the rest, and feed it after accept() or reject(). LV_ERROR:
 * the connection is over, lv_rtmp_session_error() says why; what output()
 * shows should still be sent.
 *
 * now_ms is a monotonic clock; only differences count.
 */
int lv_rtmp_session_input(lv_rtmp_session_t *s, const uint8_t *p, size_t n,
    uint64_t now_ms, size_t *consumed);

/*
 * Bytes to send (*n 0: none); valid until the next call of any function
 * of the session. sent() drops the first n of them.
 */
void lv_rtmp_session_output(lv_rtmp_session_t *s, const uint8_t **p,
    size_t *n);
void lv_rtmp_session_sent(lv_rtmp_session_t *s, size_t n);

/*
 * The decision of a publish that on_publish answered with LV_AGAIN.
 * LV_DECLINED when none is pending, LV_ERROR when the answer does not fit.
 */
int lv_rtmp_session_accept(lv_rtmp_session_t *s);

/*
 * Refuses: called from within on_connect or on_publish before they return
 * LV_ERROR, or later for a pending publish. code is such as
 * "NetStream.Publish.BadName" ("NetConnection.Connect.Rejected" for
 * on_connect), description a text for the person at the encoder; neither may
 * hold a secret; both are copied. Afterwards the session is closing.
 */
int lv_rtmp_session_reject(lv_rtmp_session_t *s, const char *code,
    const char *description);

/*
 * True after a refusal: send what output() shows, linger for the peer to
 * close first (a bare close makes encoders retry for ever), then close.
 * input() goes on taking bytes and ignores them.
 */
bool lv_rtmp_session_is_closing(const lv_rtmp_session_t *s);

/*
 * Writes an onStatus: level "status", "warning" or "error"; a code that
 * begins with "NetConnection." goes to the connection, others to the stream
 * that is being published. It changes nothing else. With
 * "NetConnection.Connect.ReconnectRequest" (E-RTMP v2) only to a peer for
 * which can_reconnect() is true.
 */
int lv_rtmp_session_close_notice(lv_rtmp_session_t *s, const char *level,
    const char *code, const char *description);
bool lv_rtmp_session_can_reconnect(const lv_rtmp_session_t *s);

/* Static text; "" before an error. */
const char *lv_rtmp_session_error(const lv_rtmp_session_t *s);

const lv_rtmp_stats_t *lv_rtmp_session_stats(const lv_rtmp_session_t *s);

#endif
