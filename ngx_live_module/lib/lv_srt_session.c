#include "lv_srt_session.h"

#include <stdlib.h>

#define ACK_US          10000
#define ACK_LIGHT       64              /* packets */
#define ACKS            32              /* a power of two */
#define KEEPALIVE_US    1000000
#define RTT_US          100000          /* until it is known */
#define KM_US           1000000         /* between two costly key changes */
#define RANGES          128
#define RATE_US         1000000


typedef struct {
    uint32_t  number, seq;
    int64_t   sent_us;                  /* 0: answered */
} ack_t;

struct lv_srt_session_s {
    const lv_srt_handler_t  *handler;
    void                    *data;
    lv_srt_recv_t           *recv;
    lv_srt_crypto_t         *crypto;
    uint32_t                 socket, peer;
    uint32_t                 latency_ms;
    int64_t                  start_us;      /* our time stamps count from it */
    int64_t                  heard_us, sent_us;
    int64_t                  rtt_us, rtt_var_us;
    bool                     rtt_known, closed;
    bool                     was_full;      /* said the last ACK */

    uint32_t                 ack_seq;       /* told last */
    uint32_t                 acked_seq;     /* … and the peer has heard it */
    int64_t                  ack_us;        /* when */
    uint32_t                 ack_number;
    uint32_t                 since_ack;     /* packets */
    ack_t                    acks[ACKS];

    int64_t                  km_us;
    int64_t                  rate_from_us;
    uint64_t                 rate_packets, rate_bytes;  /* since then */
    uint32_t                 pps, bytes_s;  /* of the interval before */

    lv_srt_stats_t           stats;
    size_t                   answer_len;
    uint8_t                  answer[LV_SRT_REPLY_MAX];
};


lv_srt_session_t *
lv_srt_session_create(const lv_srt_hello_t *hello, const lv_srt_terms_t *terms,
    size_t max_bytes, const uint8_t *answer, size_t answer_len,
    const lv_srt_handler_t *handler, void *data, int64_t now_us)
{
    lv_srt_session_t    *s;
    lv_srt_recv_conf_t   conf;

    conf.isn = hello->isn;
    conf.window = terms->window;
    conf.max_bytes = max_bytes;
    conf.latency_us = (int64_t) terms->latency_ms * 1000;
    conf.base_us = now_us - hello->ts;

    s = calloc(1, sizeof(lv_srt_session_t));

    if (s == NULL || (s->recv = lv_srt_recv_create(&conf)) == NULL) {
        free(s);
        lv_srt_crypto_destroy(terms->crypto);
        return NULL;
    }

    s->handler = handler;
    s->data = data;
    s->crypto = terms->crypto;
    s->socket = terms->socket;
    s->peer = hello->socket;
    s->latency_ms = terms->latency_ms;
    s->start_us = now_us;
    s->heard_us = now_us;
    s->sent_us = now_us;
    s->rtt_us = RTT_US;
    s->rtt_var_us = RTT_US / 2;
    s->ack_seq = hello->isn;
    s->acked_seq = hello->isn;
    s->rate_from_us = now_us;
    s->answer_len = answer_len;
    memcpy(s->answer, answer, answer_len);

    return s;
}


void
lv_srt_session_destroy(lv_srt_session_t *s)
{
    if (s == NULL) {
        return;
    }

    lv_srt_recv_destroy(s->recv);
    lv_srt_crypto_destroy(s->crypto);
    free(s);
}


static uint8_t *
begin(lv_srt_session_t *s, uint8_t *p, unsigned type, unsigned subtype,
    uint32_t info, int64_t now_us)
{
    return lv_srt_control(p, type, subtype, info,
                          (uint32_t) (now_us - s->start_us), s->peer);
}


static void
send_packet(lv_srt_session_t *s, const uint8_t *p, const uint8_t *end,
    int64_t now_us)
{
    s->sent_us = now_us;
    s->handler->send(s->data, p, (size_t) (end - p));
}


static void
measure_rate(lv_srt_session_t *s, int64_t now_us)
{
    int64_t  us;

    us = now_us - s->rate_from_us;

    if (us < RATE_US) {
        return;
    }

    s->pps = (uint32_t) (s->rate_packets * 1000000 / (uint64_t) us);
    s->bytes_s = (uint32_t) (s->rate_bytes * 1000000 / (uint64_t) us);
    s->rate_packets = 0;
    s->rate_bytes = 0;
    s->rate_from_us = now_us;
}


static void
send_ack(lv_srt_session_t *s, uint32_t seq, int64_t now_us)
{
    ack_t    *ack;
    uint8_t   buf[LV_SRT_HEADER + 28], *p;

    ack = &s->acks[++s->ack_number % ACKS];
    ack->number = s->ack_number;
    ack->seq = seq;
    ack->sent_us = now_us;

    measure_rate(s, now_us);

    p = begin(s, buf, LV_SRT_ACK, 0, s->ack_number, now_us);
    p = lv_put32(p, seq);
    p = lv_put32(p, (uint32_t) s->rtt_us);
    p = lv_put32(p, (uint32_t) s->rtt_var_us);
    p = lv_put32(p, lv_srt_recv_room(s->recv));
    p = lv_put32(p, s->pps);
    p = lv_put32(p, 0);                 /* the link's capacity: not measured */
    p = lv_put32(p, s->bytes_s);

    send_packet(s, buf, p, now_us);

    if (seq == s->ack_seq) {
        /* a window that opens: again until the peer has heard it */
        s->acked_seq = lv_srt_seq_add(seq, LV_SRT_SEQ_MASK);
    }

    s->was_full = lv_srt_recv_room(s->recv) == 0;
    s->ack_seq = seq;
    s->ack_us = now_us;
    s->since_ack = 0;
}


static void
send_light_ack(lv_srt_session_t *s, int64_t now_us)
{
    uint8_t  buf[LV_SRT_HEADER + 4], *p;

    p = begin(s, buf, LV_SRT_ACK, 0, 0, now_us);
    p = lv_put32(p, lv_srt_recv_ack(s->recv));
    send_packet(s, buf, p, now_us);
    s->since_ack = 0;
}


/* When the next full ACK is due: 10 ms after the last one if there is news,
 * about a round trip after it if the peer does not seem to have heard. */

static int64_t
ack_due(const lv_srt_session_t *s)
{
    uint32_t  seq;

    seq = lv_srt_recv_ack(s->recv);

    if (seq != s->ack_seq) {
        return s->ack_us + ACK_US;
    }

    /* a peer that was told of no room sends nothing until it hears of some */

    if (s->was_full && lv_srt_recv_room(s->recv) > 0) {
        return s->ack_us + ACK_US;
    }

    if (seq != s->acked_seq) {
        return s->ack_us + s->rtt_us + 4 * s->rtt_var_us;
    }

    return LV_SRT_NEVER;
}


static int64_t
ask_again_us(const lv_srt_session_t *s)
{
    int64_t  us;

    us = s->rtt_us + 2 * s->rtt_var_us + 2000;

    return us > ACK_US ? us : ACK_US;
}


static void
send_nak(lv_srt_session_t *s, int64_t now_us)
{
    size_t           i, n;
    uint8_t          buf[LV_SRT_HEADER + RANGES * 8], *p;
    lv_srt_range_t   range[RANGES];

    n = lv_srt_recv_losses(s->recv, now_us, ask_again_us(s), range, RANGES);

    if (n == 0) {
        return;
    }

    p = begin(s, buf, LV_SRT_NAK, 0, 0, now_us);

    for (i = 0; i < n; i++) {
        p = lv_srt_loss_put(p, range[i].from, range[i].to);
    }

    s->stats.naks++;
    send_packet(s, buf, p, now_us);
}


static void
on_ackack(lv_srt_session_t *s, const lv_srt_packet_t *pkt, int64_t now_us)
{
    ack_t    *ack;
    int64_t   rtt, diff;

    ack = &s->acks[pkt->info % ACKS];

    if (ack->number != pkt->info || ack->sent_us == 0) {
        return;
    }

    rtt = now_us - ack->sent_us;
    ack->sent_us = 0;

    if (lv_srt_seq_diff(ack->seq, s->acked_seq) > 0) {
        s->acked_seq = ack->seq;
    }

    if (rtt < 0 || rtt > 10000000) {
        return;
    }

    if (!s->rtt_known) {
        s->rtt_known = true;
        s->rtt_us = rtt;
        s->rtt_var_us = rtt / 2;

    } else {
        diff = rtt > s->rtt_us ? rtt - s->rtt_us : s->rtt_us - rtt;
        s->rtt_var_us = (3 * s->rtt_var_us + diff) / 4;
        s->rtt_us = (7 * s->rtt_us + rtt) / 8;
    }

    lv_srt_recv_clock(s->recv, pkt->ts, s->rtt_us, now_us);
}


static void
on_key(lv_srt_session_t *s, const lv_srt_packet_t *pkt, int64_t now_us)
{
    uint8_t  buf[LV_SRT_HEADER + LV_SRT_KM_MAX], *p;

    if (s->crypto == NULL || pkt->len > LV_SRT_KM_MAX) {
        s->stats.strange++;
        return;
    }

    if (lv_srt_crypto_km_costs(s->crypto, pkt->body, pkt->len)) {

        if (now_us - s->km_us < KM_US) {
            return;
        }

        s->km_us = now_us;
    }

    if (lv_srt_crypto_km(s->crypto, pkt->body, pkt->len) != LV_OK) {
        s->stats.strange++;
        return;
    }

    p = begin(s, buf, LV_SRT_USER, LV_SRT_KMRSP, 0, now_us);
    memcpy(p, pkt->body, pkt->len);
    send_packet(s, buf, p + pkt->len, now_us);
}


static void
on_control(lv_srt_session_t *s, const lv_srt_packet_t *pkt, int64_t now_us)
{
    switch (pkt->type) {

    case LV_SRT_ACKACK:
        on_ackack(s, pkt, now_us);
        return;

    case LV_SRT_SHUTDOWN:
        s->closed = true;
        return;

    case LV_SRT_DROPREQ:
        if (pkt->len >= 8) {
            lv_srt_recv_skip(s->recv, lv_be32(pkt->body) & LV_SRT_SEQ_MASK,
                             lv_be32(pkt->body + 4) & LV_SRT_SEQ_MASK);
        }

        return;

    case LV_SRT_USER:
        if (pkt->subtype == LV_SRT_KMREQ) {
            on_key(s, pkt, now_us);
        }

        return;

    default:
        /* a keep-alive has been heard; the rest is for senders */
        return;
    }
}


static void
on_data(lv_srt_session_t *s, const lv_srt_packet_t *pkt, int64_t now_us)
{
    bool            ok;
    uint8_t        *p;
    lv_srt_recv_e   why;

    s->stats.packets++;
    s->stats.bytes += pkt->len;
    s->stats.retransmitted += pkt->rexmit;
    s->rate_packets++;
    s->rate_bytes += pkt->len + LV_SRT_HEADER;
    s->since_ack++;

    ok = (s->crypto != NULL) == (pkt->kk != LV_SRT_PLAIN) && pkt->kk != 3;

    if (!ok) {
        /* anybody could have written it: as if it had not come */
        s->stats.undecrypted++;
        return;
    }

    p = lv_srt_recv_place(s->recv, pkt->seq, pkt->ts, pkt->len, pkt->rexmit,
                          now_us, &why);

    if (p != NULL) {

        if (s->crypto == NULL) {
            memcpy(p, pkt->body, pkt->len);

        } else if (lv_srt_crypto_open(s->crypto, pkt->kk, pkt->seq, pkt->body,
                                      pkt->len, p)
                   != LV_OK)
        {
            ok = false;
            s->stats.undecrypted++;
        }

        lv_srt_recv_commit(s->recv, ok);
    }

    if (lv_srt_recv_losses_due(s->recv) <= now_us) {
        send_nak(s, now_us);
    }

    if (s->since_ack >= ACK_LIGHT) {
        send_light_ack(s, now_us);
    }
}


void
lv_srt_session_input(lv_srt_session_t *s, const uint8_t *p, size_t n,
    int64_t now_us)
{
    lv_srt_packet_t  pkt;

    if (s->closed || lv_srt_packet_parse(p, n, &pkt) != LV_OK) {
        s->stats.strange++;
        return;
    }

    if (pkt.control && pkt.type == LV_SRT_HANDSHAKE && pkt.dst == 0) {

        /* the answer to the conclusion was lost */

        if (pkt.len >= LV_SRT_HS_SIZE && lv_be32(pkt.body + 24) == s->peer
            && lv_be32(pkt.body + 20) == 0xffffffffu)
        {
            send_packet(s, s->answer, s->answer + s->answer_len, now_us);
        }

        return;
    }

    if (pkt.dst != s->socket) {
        s->stats.strange++;
        return;
    }

    s->heard_us = now_us;

    if (pkt.control) {
        on_control(s, &pkt, now_us);

    } else {
        on_data(s, &pkt, now_us);
    }
}


static void
deliver(lv_srt_session_t *s, int64_t now_us)
{
    size_t          n;
    const uint8_t  *p;

    while ((p = lv_srt_recv_next(s->recv, now_us, &n)) != NULL) {

        if (s->handler->payload(s->data, p, n) != LV_OK) {
            s->closed = true;
            return;
        }
    }
}


static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}


int64_t
lv_srt_session_tick(lv_srt_session_t *s, int64_t now_us)
{
    int64_t   next;
    uint8_t   buf[LV_SRT_HEADER + 4], *p;

    if (s->closed) {
        return LV_SRT_NEVER;
    }

    deliver(s, now_us);

    if (lv_srt_recv_losses_due(s->recv) <= now_us) {
        send_nak(s, now_us);
    }

    if (ack_due(s) <= now_us) {
        send_ack(s, lv_srt_recv_ack(s->recv), now_us);
    }

    if (s->sent_us + KEEPALIVE_US <= now_us) {
        p = begin(s, buf, LV_SRT_KEEPALIVE, 0, 0, now_us);
        send_packet(s, buf, lv_put32(p, 0), now_us);
    }

    next = earlier(s->sent_us + KEEPALIVE_US, ack_due(s));
    next = earlier(next, lv_srt_recv_losses_due(s->recv));
    next = earlier(next, lv_srt_recv_due(s->recv));

    return next > now_us ? next : now_us + 1;
}


bool
lv_srt_session_closed(const lv_srt_session_t *s)
{
    return s->closed;
}


int64_t
lv_srt_session_heard_us(const lv_srt_session_t *s)
{
    return s->heard_us;
}


void
lv_srt_session_flush(lv_srt_session_t *s)
{
    deliver(s, LV_SRT_NEVER);
}


void
lv_srt_session_shutdown(lv_srt_session_t *s, int64_t now_us)
{
    uint8_t  buf[LV_SRT_HEADER + 4], *p;

    p = begin(s, buf, LV_SRT_SHUTDOWN, 0, 0, now_us);
    send_packet(s, buf, lv_put32(p, 0), now_us);
    s->closed = true;
}


void
lv_srt_session_stats(const lv_srt_session_t *s, lv_srt_stats_t *out)
{
    *out = s->stats;
    out->rtt_us = s->rtt_known ? (uint32_t) s->rtt_us : 0;
    out->rtt_var_us = s->rtt_known ? (uint32_t) s->rtt_var_us : 0;
    out->latency_ms = s->latency_ms;
    out->buffered = lv_srt_recv_count(s->recv);
    out->rate_bps = s->bytes_s * 8;
    out->key_len = s->crypto ? lv_srt_crypto_key_len(s->crypto) : 0;
    out->recv = *lv_srt_recv_stats(s->recv);
}
