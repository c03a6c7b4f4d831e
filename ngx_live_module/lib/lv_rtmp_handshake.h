/*
 * The server's side of the RTMP handshake (Adobe's RTMP specification 1.0,
 * §5.2), and the digest variant that Flash-like clients verify: HMAC-SHA256
 * digests at one of two places in C1 and S1 ("schemes").
 *
 * A client whose C1 carries a valid digest gets a digest answer in the same
 * scheme; any other gets the plain one, where S2 is C1 unchanged. What the
 * client sends as C2 is not looked at: many send zeros.
 *
 * Bytes in, bytes out; any number at a time. The struct is plain memory of
 * the caller's, needed only until the handshake is done.
 */

#ifndef LV_RTMP_HANDSHAKE_H
#define LV_RTMP_HANDSHAKE_H

#include "lv_base.h"

#define LV_RTMP_HANDSHAKE_LEN  1536                            /* C1, S1, .. */
#define LV_RTMP_HANDSHAKE_OUT  (1 + 2 * LV_RTMP_HANDSHAKE_LEN) /* S0 S1 S2 */

typedef struct {
    enum {
        LV_RTMP_HANDSHAKE_C0,
        LV_RTMP_HANDSHAKE_C1,
        LV_RTMP_HANDSHAKE_C2,
        LV_RTMP_HANDSHAKE_DONE
    }            state;
    uint32_t     got;         /* bytes of C1 or C2 */
    bool         digest;      /* known from C2 on */
    const char  *err;         /* static text after LV_ERROR */
    uint8_t      c1[LV_RTMP_HANDSHAKE_LEN];
} lv_rtmp_handshake_t;

void lv_rtmp_handshake_init(lv_rtmp_handshake_t *hs);

/*
 * Takes up to n bytes. LV_OK when the handshake is done (the rest belongs to
 * the chunk stream), LV_AGAIN when more is needed, LV_ERROR. When *out_len
 * is not 0 after the call, that many bytes in out are to be sent.
 */
int lv_rtmp_handshake_input(lv_rtmp_handshake_t *hs, const uint8_t *p,
    size_t n, size_t *consumed, uint8_t out[LV_RTMP_HANDSHAKE_OUT],
    size_t *out_len);

#endif
