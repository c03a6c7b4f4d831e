/*
 * An SRT connection after its handshake, the receiving side: packets and a
 * clock in; payload, in order and at its time, and packets to send out.
 *
 *   lv_srt_session_input()   each packet that comes
 *   lv_srt_session_tick()    at the time that the last call has returned
 *
 * Sends acknowledgements (every 10 ms while there is something to tell, a
 * light one every 64 packets), asks for what is missing, keeps the connection
 * alive once a second, follows the sender's keys. What does not belong to the
 * connection, or makes no sense, is counted and ignored: whoever can send from
 * the peer's address cannot end it with one packet that is wrong.
 *
 * Times are µs of any clock that runs evenly. One thread. A handler must not
 * destroy the session.
 */

#ifndef LV_SRT_SESSION_H
#define LV_SRT_SESSION_H

#include "lv_srt_handshake.h"
#include "lv_srt_recv.h"

typedef struct {
    /* A packet for the peer; whether it could be sent is not of interest. */
    void  (*send)(void *data, const uint8_t *p, size_t n);
    /* LV_ERROR: nothing more is wanted; the session is closed. */
    int   (*payload)(void *data, const uint8_t *p, size_t n);
} lv_srt_handler_t;

typedef struct {
    uint64_t             packets, bytes;    /* of data, as they came */
    uint64_t             retransmitted;     /* of them, those sent again */
    uint64_t             undecrypted;       /* no key, or in the clear */
    uint64_t             strange;           /* for others, or senseless */
    uint64_t             naks;              /* sent */
    uint32_t             rtt_us, rtt_var_us;
    uint32_t             latency_ms;
    uint32_t             buffered;          /* packets */
    uint32_t             rate_bps;          /* about the last second's */
    unsigned             key_len;           /* bytes, 0: in the clear */
    lv_srt_recv_stats_t  recv;
} lv_srt_stats_t;

typedef struct lv_srt_session_s  lv_srt_session_t;

/*
 * After lv_srt_accept() with these terms; `answer` is what that has written,
 * sent again when the conclusion comes again. max_bytes: what may wait in the
 * buffer. now_us: the moment that hello->ts is of. Owns terms->crypto, also
 * when it fails (NULL: out of memory).
 */
lv_srt_session_t *lv_srt_session_create(const lv_srt_hello_t *hello,
    const lv_srt_terms_t *terms, size_t max_bytes, const uint8_t *answer,
    size_t answer_len, const lv_srt_handler_t *handler, void *data,
    int64_t now_us);
void lv_srt_session_destroy(lv_srt_session_t *s);

void lv_srt_session_input(lv_srt_session_t *s, const uint8_t *p, size_t n,
    int64_t now_us);
/* Returns when to call it again. */
int64_t lv_srt_session_tick(lv_srt_session_t *s, int64_t now_us);

/* The peer has said goodbye, or the handler does not want more. */
bool lv_srt_session_closed(const lv_srt_session_t *s);
/* When something that belongs to the connection came last. */
int64_t lv_srt_session_heard_us(const lv_srt_session_t *s);

/* Gives out what is buffered, gaps or not: before the end. */
void lv_srt_session_flush(lv_srt_session_t *s);
/* Says goodbye to the peer. */
void lv_srt_session_shutdown(lv_srt_session_t *s, int64_t now_us);

void lv_srt_session_stats(const lv_srt_session_t *s, lv_srt_stats_t *out);

#endif
