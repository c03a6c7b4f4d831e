/*
 * What the files of the RTMP session share; nobody else includes this.
 *
 *   lv_rtmp_session.c    life, input, control messages, acknowledgements
 *   lv_rtmp_message.c    where the bytes of a message go: media, gathering
 *   lv_rtmp_aggregate.c  messages within a message
 *   lv_rtmp_command.c    commands of the peer and their answers;
 *                        lv_rtmp_connect.c, lv_rtmp_publish.c: the longer ones
 *   lv_rtmp_data.c       data messages (metadata, cue points)
 *   lv_rtmp_output.c     the buffer of answers
 */

#ifndef LV_RTMP_SESSION_I_H
#define LV_RTMP_SESSION_I_H

#include "lv_rtmp_session.h"
#include "lv_rtmp_handshake.h"
#include "lv_rtmp_chunk.h"

enum {
    LV_RTMP_SET_CHUNK_SIZE = 1,
    LV_RTMP_ABORT = 2,
    LV_RTMP_ACK = 3,
    LV_RTMP_USER_CONTROL = 4,
    LV_RTMP_WINDOW_ACK_SIZE = 5,
    LV_RTMP_PEER_BANDWIDTH = 6,
    /* 8 and 9: LV_RTMP_AUDIO and LV_RTMP_VIDEO */
    LV_RTMP_AMF3_DATA = 15,
    LV_RTMP_AMF3_COMMAND = 17,
    LV_RTMP_AMF0_DATA = 18,
    LV_RTMP_AMF0_COMMAND = 20,
    LV_RTMP_AGGREGATE = 22
};

/* chunk streams of our messages */
#define LV_RTMP_CS_CONTROL  2
#define LV_RTMP_CS_COMMAND  3
#define LV_RTMP_CS_STATUS   5

/* the longest command that we write */
#define LV_RTMP_COMMAND_LEN  1024

#define LV_RTMP_CODE_LEN     64
#define LV_RTMP_TEXT_LEN     256

/* where the bytes of a message go (lv_rtmp_message_t.sink) */
enum {
    LV_RTMP_SINK_SKIP = 0,
    LV_RTMP_SINK_GATHER,
    LV_RTMP_SINK_MEDIA,
    LV_RTMP_SINK_AGGREGATE
};

/* An aggregate message: tags as in FLV, each message followed by 4 bytes. */
typedef struct {
    bool               busy;
    bool               first;       /* no message yet: its time is the base */
    bool               inside;      /* between begin and end of one */
    uint8_t            nheader;
    uint8_t            header[11];
    uint8_t            trailer;     /* bytes to skip behind a message */
    uint32_t           left;        /* of the whole */
    uint32_t           sub_left;    /* of the message in it */
    uint32_t           base_ms;
    uint32_t           serial;      /* of the aggregate */
    lv_rtmp_message_t  msg;
} lv_rtmp_aggregate_t;

struct lv_rtmp_session_s {
    lv_rtmp_conf_t        conf;
    lv_rtmp_handler_t     handler;
    void                 *ctx;
    const char           *err;

    enum {
        LV_RTMP_STATE_HANDSHAKE,
        LV_RTMP_STATE_CONNECT,
        LV_RTMP_STATE_READY,
        LV_RTMP_STATE_CLOSING,
        LV_RTMP_STATE_FAILED
    }                     state;

    /* whose refusal reject() is at the moment */
    enum {
        LV_RTMP_DECIDE_NONE,
        LV_RTMP_DECIDE_CONNECT,
        LV_RTMP_DECIDE_PUBLISH
    }                     deciding;

    enum {
        LV_RTMP_PUBLISH_NONE,
        LV_RTMP_PUBLISH_PENDING,
        LV_RTMP_PUBLISH_ACTIVE
    }                     publish;

    uint32_t              publish_msid;
    bool                  replaced;      /* one FCUnpublish is still due for
                                            the publish that was replaced */
    uint32_t              last_msid;     /* last one that was created */
    uint32_t              publishes;     /* that were asked for */
    uint32_t              caps_ex;

    lv_rtmp_handshake_t  *handshake;     /* until it is done */
    lv_rtmp_chunk_t       chunk;
    lv_rtmp_aggregate_t   aggregate;
    uint32_t              serial;        /* of the last message */
    uint32_t              media[2];      /* serials of the audio and video
                                            messages under way, or 0 */
    uint32_t              gathered;      /* bytes held by messages */

    uint32_t              peer_window;
    uint64_t              acked;

    uint8_t              *out;
    size_t                out_start;
    size_t                out_end;
    size_t                out_size;
    uint32_t              out_chunk_size;

    /* owned copies, none of them terminated */
    lv_str_t              app;
    lv_str_t              app_args;
    lv_str_t              tc_url;
    lv_str_t              tc_url_args;
    lv_str_t              name;
    uint8_t              *connect_mem;
    uint8_t              *name_mem;

    char                  code[LV_RTMP_CODE_LEN];
    char                  text[LV_RTMP_TEXT_LEN];

    lv_rtmp_stats_t       stats;
};

/* Ends the session with that reason, unless it has one; LV_ERROR. */
int lv_rtmp_session_fail(lv_rtmp_session_t *s, const char *err);

/* Does a message of that stream belong to the publish? */
bool lv_rtmp_session_is_published(const lv_rtmp_session_t *s, uint32_t msid);

/* Ends the active publish: open messages are aborted first. */
void lv_rtmp_session_unpublish(lv_rtmp_session_t *s, lv_rtmp_unpublish_e why);

/* lv_rtmp_session.c: a control message. */
int lv_rtmp_control(lv_rtmp_session_t *s, uint8_t type, const uint8_t *p,
    size_t n);

/*
 * lv_rtmp_message.c: the handler of the chunk stream (ctx is the session),
 * which an aggregate calls as well for the messages in it.
 */
int lv_rtmp_message_begin(void *ctx, lv_rtmp_message_t *m);
int lv_rtmp_message_data(void *ctx, lv_rtmp_message_t *m, const uint8_t *p,
    size_t n);
int lv_rtmp_message_end(void *ctx, lv_rtmp_message_t *m);
void lv_rtmp_message_abort(lv_rtmp_session_t *s, lv_rtmp_message_t *m);

/* lv_rtmp_aggregate.c */
int lv_rtmp_aggregate_begin(lv_rtmp_session_t *s, lv_rtmp_message_t *m);
int lv_rtmp_aggregate_data(lv_rtmp_session_t *s, lv_rtmp_message_t *m,
    const uint8_t *p, size_t n);

/* lv_rtmp_command.c: p and n are AMF0. LV_AGAIN: a publish is pending. */
int lv_rtmp_command(lv_rtmp_session_t *s, uint32_t msid,
    uint32_t timestamp_ms, const uint8_t *p, size_t n);

/* lv_rtmp_data.c */
int lv_rtmp_data(lv_rtmp_session_t *s, uint32_t msid, uint32_t timestamp_ms,
    const uint8_t *p, size_t n);

/* lv_rtmp_output.c: LV_OK, or LV_ERROR with the session's error set. */
int lv_rtmp_output_bytes(lv_rtmp_session_t *s, const uint8_t *p, size_t n);
int lv_rtmp_output_message(lv_rtmp_session_t *s, uint32_t csid, uint8_t type,
    uint32_t msid, const uint8_t *p, size_t n);
int lv_rtmp_output_u32(lv_rtmp_session_t *s, uint8_t type, uint32_t value);
int lv_rtmp_output_event(lv_rtmp_session_t *s, uint16_t event,
    uint32_t value);
int lv_rtmp_output_status(lv_rtmp_session_t *s, uint32_t msid,
    const char *level, const char *code, const char *description);
/* Less than half full: what may be left out is written only then. */
bool lv_rtmp_output_has_room(const lv_rtmp_session_t *s);

#endif
