#include "lv_flv_priv.h"
#include "lv_avc.h"
#include "lv_hevc.h"

/*
 * The NAL filter: bytes of a picture in, bytes of a sample out.
 *
 * Length prefixed:  LENGTH -> TYPE -> BYTES -> LENGTH …
 * Start codes:      SCAN, where a unit's end is known only when the next start
 *                   code (or the end) is there: its length is written as 0
 *                   and overwritten later.
 *
 * Which of both it is, is seen from the first five bytes (PEEK).
 */
enum {
    LV_NAL_S_PEEK = 0,
    LV_NAL_S_LENGTH,
    LV_NAL_S_TYPE,
    LV_NAL_S_BYTES,
    LV_NAL_S_SCAN
};

enum {
    LV_NAL_TO_NOTHING = 0,   /* dropped */
    LV_NAL_TO_SAMPLE,
    LV_NAL_TO_SET            /* a parameter set: collected in v->set */
};

#define LV_NAL_PEEK  5


enum {
    LV_NAL_SLICE_ANY = 1,    /* of a picture: see also lv_flv_nal_key() */
    LV_NAL_A_SET,
    LV_NAL_AN_SEI,
    LV_NAL_PASS,             /* written as it is */
    LV_NAL_NEEDLESS,
    LV_NAL_UNKNOWN
};


/* ISO/IEC 14496-10 Table 7-1 */
static unsigned
lv_flv_nal_what_avc(unsigned type)
{
    switch (type) {

    case LV_NAL_SLICE: case LV_NAL_PARTITION_A: case 3: case 4:
    case LV_NAL_IDR:
        return LV_NAL_SLICE_ANY;

    case LV_NAL_SEI:
        return LV_NAL_AN_SEI;

    case LV_NAL_SPS: case LV_NAL_PPS:
        return LV_NAL_A_SET;

    case LV_NAL_AUD: case LV_NAL_END_SEQUENCE: case LV_NAL_END_STREAM:
    case LV_NAL_FILLER:
        return LV_NAL_NEEDLESS;

    default:
        return type == 0 || type > 23 ? LV_NAL_UNKNOWN : LV_NAL_PASS;
    }
}


/* H.265 Table 7-1 */
static unsigned
lv_flv_nal_what_hevc(unsigned type)
{
    if (type <= 9 || lv_hevc_is_key(type)) {
        return LV_NAL_SLICE_ANY;
    }

    switch (type) {

    case LV_HEVC_VPS: case LV_HEVC_SPS: case LV_HEVC_PPS:
        return LV_NAL_A_SET;

    case LV_HEVC_SEI_PREFIX: case LV_HEVC_SEI_SUFFIX:
        return LV_NAL_AN_SEI;

    case LV_HEVC_AUD: case LV_HEVC_END_SEQUENCE: case LV_HEVC_END_STREAM:
    case LV_HEVC_FILLER:
        return LV_NAL_NEEDLESS;

    default:
        return LV_NAL_UNKNOWN;
    }
}


static unsigned
lv_flv_nal_type(const lv_flv_video_t *v, uint8_t head)
{
    return v->codec == LV_FLV_HEVC ? lv_hevc_type(head) : head & 0x1f;
}


static unsigned
lv_flv_nal_what(const lv_flv_video_t *v, uint8_t head)
{
    unsigned  type;

    type = lv_flv_nal_type(v, head);

    /* HEVC: the highest bit of the layer's id */
    if ((head & 0x80) || (v->codec == LV_FLV_HEVC && (head & 1))) {
        return LV_NAL_UNKNOWN;
    }

    return v->codec == LV_FLV_HEVC ? lv_flv_nal_what_hevc(type)
                                   : lv_flv_nal_what_avc(type);
}


static unsigned
lv_flv_nal_header(const lv_flv_video_t *v)
{
    return v->codec == LV_FLV_HEVC ? LV_HEVC_HEADER : 1;
}


static bool
lv_flv_nal_key(const lv_flv_video_t *v)
{
    return v->codec == LV_FLV_HEVC ? lv_hevc_is_key(v->nal_type)
                                   : v->nal_type == LV_NAL_IDR;
}


/* Does a unit of that type stand in front of a picture (14496-10 7.4.1.2.3,
 * H.265 7.4.2.4.4)? */
static bool
lv_flv_nal_in_front(const lv_flv_video_t *v)
{
    if (v->codec == LV_FLV_HEVC) {
        return v->nal_type >= LV_HEVC_VPS && v->nal_type <= LV_HEVC_SEI_PREFIX
               && v->nal_type != LV_HEVC_FILLER;
    }

    return (v->nal_type >= LV_NAL_SEI && v->nal_type <= LV_NAL_AUD)
           || (v->nal_type >= 14 && v->nal_type <= 18);
}


void
lv_flv_nal_start(lv_flv_t *f)
{
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    /* What a message without a slice left in hold stays in front of the
     * picture: some send each NAL unit in a message of its own. */

    v->nal_state = LV_NAL_S_PEEK;
    v->nal_to = LV_NAL_TO_NOTHING;
    v->length_got = 0;
    v->nal_left = 0;
    v->nal_len = 0;
    v->zeros = 0;
    v->vcl = false;
    v->judging = false;
    v->out = 0;
    f->vm.head_len = 0;
}


static void
lv_flv_nal_patch(lv_flv_t *f, uint32_t at, const uint8_t *p, size_t n)
{
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    if (f->vm.frame) {
        lv_packager_patch(f->vm.packager, v->track, at, p, n);
        return;
    }

    memcpy(v->hold + at, p, n);
}


/* Does the slice that begins perhaps go on with the picture before? */
static bool
lv_flv_nal_may_go_on(lv_flv_t *f)
{
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    return !v->vcl && !f->vm.frame && !v->unit_begun && v->hold_len == 0
           && v->pieces != 0 && v->pieces < LV_FLV_PIECES
           && v->piece_ts == f->vm.timestamp && v->piece_cts == v->cts;
}


static int
lv_flv_nal_slice(lv_flv_t *f, bool idr)
{
    bool               key;
    lv_flv_video_t    *v;

    v = lv_flv_v(f);

    if (v->vcl) {
        return LV_OK;
    }

    v->vcl = true;
    v->unit_begun = false;

    if (!v->started || idr) {
        v->started = true;
        v->idr_ms = f->vm.now_ms;
    }

    key = idr || (v->recovery
                  && f->vm.now_ms >= v->idr_ms + LV_FLV_IDR_WAIT_MS);

    /* too much stood in front of it, and it has begun already */
    if (f->vm.frame) {
        return LV_OK;
    }

    return lv_flv_video_picture(f, key);
}


/* The header of a slice, or of a data partition, is held; `byte` comes next:
 * first_mb_in_slice is ue(v), where a 1 is the value 0 (9.1). Partitions B and
 * C never begin a picture. In HEVC first_slice_segment_in_pic_flag stands
 * there (H.265 7.3.6.1). */
static int
lv_flv_nal_judge(lv_flv_t *f, uint8_t byte)
{
    int              rc;
    lv_flv_video_t  *v;

    v = lv_flv_v(f);
    v->judging = false;

    if (!(byte & 0x80)
        || (v->codec == LV_FLV_H264 && (v->nal_type == 3 || v->nal_type == 4)))
    {
        rc = lv_flv_video_more(f);

        if (rc != LV_DECLINED || f->vm.state != LV_FLV_S_UNITS) {
            v->vcl = true;
            return rc;
        }
    }

    return lv_flv_nal_slice(f, lv_flv_nal_key(v));
}


static bool
lv_flv_nal_sei_fits(lv_flv_t *f, uint32_t len)
{
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    if (v->sei_count < LV_FLV_SEI_COUNT && len <= LV_FLV_SEI_BYTES
        && v->sei_bytes <= LV_FLV_SEI_BYTES - len)
    {
        v->sei_count++;
        v->sei_bytes += len;
        return true;
    }

    f->stat.sei_dropped++;
    lv_flv_tell_once(f, LV_FLV_ONCE_SEI, LV_FLV_SKIPPED,
                     "too much SEI in a picture, some is dropped");

    return false;
}


/* A unit begins with this byte; `len` is 0 where it is not known yet. */
static int
lv_flv_nal_begin(lv_flv_t *f, uint8_t head, uint32_t len)
{
    int              rc;
    uint8_t          length[4];
    unsigned         what;
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    what = lv_flv_nal_what(v, head);
    v->nal_type = (uint8_t) lv_flv_nal_type(v, head);
    v->nal_to = LV_NAL_TO_NOTHING;
    v->nal_sei = what == LV_NAL_AN_SEI;
    v->nal_len = 0;

    if (what == LV_NAL_UNKNOWN) {
        f->stat.nal_dropped++;
        return LV_OK;
    }

    if (lv_flv_nal_in_front(v)) {
        v->unit_begun = true;
    }

    switch (what) {

    case LV_NAL_A_SET:
        v->nal_to = LV_NAL_TO_SET;
        v->set_len = 0;
        return LV_OK;

    case LV_NAL_NEEDLESS:
        return LV_OK;

    case LV_NAL_AN_SEI:
        if (!lv_flv_nal_sei_fits(f, len)) {
            return LV_OK;
        }

        break;

    case LV_NAL_SLICE_ANY:
        if (lv_flv_nal_may_go_on(f)) {
            v->judging = true;
            break;
        }

        rc = lv_flv_nal_slice(f, lv_flv_nal_key(v));

        if (rc != LV_OK) {
            return rc;
        }

        break;
    }

    /* the place is taken before writing: that may begin the frame and move
     * what is held */
    v->nal_to = LV_NAL_TO_SAMPLE;
    v->nal_at = f->vm.frame ? v->out : v->hold_len;

    lv_put32(length, len);

    return lv_flv_unit_write(f, length, 4);
}


/* With start codes, that an SEI unit is too long is known only when it is:
 * what is there of it is made filler data, which nobody reads. */
static size_t
lv_flv_nal_sei_cut(lv_flv_t *f, size_t n)
{
    lv_flv_video_t  *v;

    static const uint8_t  filler[1] = { LV_NAL_FILLER };
    static const uint8_t  filler_hevc[1] = { LV_HEVC_FILLER << 1 };

    v = lv_flv_v(f);

    if (n <= LV_FLV_SEI_BYTES - v->sei_bytes) {
        v->sei_bytes += (uint32_t) n;
        return n;
    }

    if (v->sei_bytes < LV_FLV_SEI_BYTES) {
        v->sei_bytes = LV_FLV_SEI_BYTES;
        v->sei_count--;
        (void) lv_flv_nal_sei_fits(f, 1);
    }

    lv_flv_nal_patch(f, v->nal_at + 4,
                     v->codec == LV_FLV_HEVC ? filler_hevc : filler, 1);

    return 0;
}


static int
lv_flv_nal_bytes(lv_flv_t *f, const uint8_t *p, size_t n)
{
    int              rc;
    size_t           room;
    unsigned         head;
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    switch (v->nal_to) {

    case LV_NAL_TO_SET:
        room = LV_NAL_SET_MAX - v->set_len;

        if (n > room) {
            v->nal_to = LV_NAL_TO_NOTHING;
            f->stat.nal_dropped++;
            return LV_OK;
        }

        memcpy(v->set + v->set_len, p, n);
        v->set_len += (uint32_t) n;
        return LV_OK;

    case LV_NAL_TO_SAMPLE:
        head = lv_flv_nal_header(v);

        if (v->judging && v->nal_len + n > head) {
            rc = lv_flv_nal_judge(f, p[head - v->nal_len]);

            if (rc != LV_OK) {
                return rc;
            }
        }

        if (v->nal_sei && v->nal_state == LV_NAL_S_SCAN) {
            n = lv_flv_nal_sei_cut(f, n);
        }

        v->nal_len += (uint32_t) n;
        return n ? lv_flv_unit_write(f, p, n) : LV_OK;

    default:
        return LV_OK;
    }
}


static void
lv_flv_nal_sei(lv_flv_video_t *v, const uint8_t *nal, size_t len)
{
    unsigned  head;

    head = lv_flv_nal_header(v);

    if (len <= head) {
        return;
    }

    if (lv_sei_has(nal + head, len - head, LV_SEI_RECOVERY_POINT)) {
        v->recovery = true;
    }

    v->captions |= (uint8_t) lv_sei_captions(nal + head, len - head);
}


static void
lv_flv_nal_finish(lv_flv_t *f)
{
    uint8_t          length[4];
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    if (v->nal_to == LV_NAL_TO_SET) {
        lv_flv_video_set(f);
    }

    if (v->judging) {
        /* a slice of one byte is none */
        v->judging = false;
        v->hold_len = v->nal_at;
        v->nal_to = LV_NAL_TO_NOTHING;
        f->stat.nal_dropped++;
    }

    if (v->nal_to == LV_NAL_TO_SAMPLE) {

        if (v->nal_state == LV_NAL_S_SCAN) {
            lv_put32(length, v->nal_len);
            lv_flv_nal_patch(f, v->nal_at, length, 4);
        }

        if (v->nal_sei && !f->vm.frame) {
            lv_flv_nal_sei(v, v->hold + v->nal_at + 4, v->nal_len);
        }
    }

    v->nal_to = LV_NAL_TO_NOTHING;
}


/* ---- length prefixed --------------------------------------------------- */

static int
lv_flv_nal_prefixed(lv_flv_t *f, const uint8_t *p, size_t n, uint32_t left)
{
    int              rc;
    size_t           take;
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    /* `left`: bytes of the body from p on */

    while (n) {
        take = 1;
        rc = LV_OK;

        switch (v->nal_state) {

        case LV_NAL_S_LENGTH:
            v->nal_left = (v->nal_left << 8) | *p;

            if (++v->length_got < v->length_size) {
                break;
            }

            v->length_got = 0;

            if (v->nal_left > left - 1) {
                return lv_flv_video_broken(f, "a NAL unit is longer than its"
                                              " message");
            }

            if (v->nal_left) {
                v->nal_state = LV_NAL_S_TYPE;
            }

            break;

        case LV_NAL_S_TYPE:
            rc = lv_flv_nal_begin(f, *p, v->nal_left);

            if (rc != LV_OK) {
                return rc;
            }

            v->nal_state = LV_NAL_S_BYTES;
            take = 0;
            break;

        default:
            take = n < v->nal_left ? n : v->nal_left;
            rc = lv_flv_nal_bytes(f, p, take);
            v->nal_left -= (uint32_t) take;

            if (rc == LV_OK && v->nal_left == 0) {
                lv_flv_nal_finish(f);
                v->nal_state = LV_NAL_S_LENGTH;
            }
        }

        if (rc != LV_OK) {
            return rc;
        }

        p += take;
        n -= take;
        left -= (uint32_t) take;
    }

    return LV_OK;
}


/* ---- start codes ------------------------------------------------------- */

/* Zero bytes that turned out to be the unit's own. */
static int
lv_flv_nal_zeros(lv_flv_t *f)
{
    int              rc;
    uint32_t         n;
    lv_flv_video_t  *v;

    static const uint8_t  zeros[64];

    v = lv_flv_v(f);

    while (v->zeros) {
        n = v->zeros < sizeof(zeros) ? v->zeros : (uint32_t) sizeof(zeros);
        v->zeros -= n;
        rc = lv_flv_nal_bytes(f, zeros, n);

        if (rc != LV_OK) {
            return rc;
        }
    }

    return LV_OK;
}


static int
lv_flv_nal_scan(lv_flv_t *f, const uint8_t *p, size_t n)
{
    int              rc;
    size_t           take;
    const uint8_t   *zero;
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    while (n) {

        if (*p == 0) {
            v->zeros++;
            p++;
            n--;
            continue;
        }

        if (v->zeros >= 2 && *p == 1) {
            lv_flv_nal_finish(f);
            v->zeros = 0;
            v->length_got = 1;               /* the next byte is a header */
            p++;
            n--;
            continue;
        }

        if (v->length_got) {
            v->length_got = 0;
            v->zeros = 0;                    /* a header of 0 is no unit */
            rc = lv_flv_nal_begin(f, *p, 0);

        } else {
            rc = lv_flv_nal_zeros(f);
        }

        if (rc != LV_OK) {
            return rc;
        }

        zero = memchr(p, 0, n);
        take = zero ? (size_t) (zero - p) : n;
        rc = lv_flv_nal_bytes(f, p, take);

        if (rc != LV_OK) {
            return rc;
        }

        p += take;
        n -= take;
    }

    return LV_OK;
}


/* ---- which of both ----------------------------------------------------- */

static bool
lv_flv_nal_head_ok(const lv_flv_video_t *v, uint8_t head)
{
    return lv_flv_nal_what(v, head) != LV_NAL_UNKNOWN;
}


/*
 * 00 00 00 01 is a start code, or the length of a unit of one byte: those are
 * only an end of sequence or of stream. 00 00 01 xx is a start code, or a
 * length of 256 … 511: the length wins where both make sense, as encoders that
 * use start codes begin a picture with the long one (7.4.1.2.3, zero_byte).
 */
static bool
lv_flv_nal_is_annexb(const lv_flv_video_t *v, const uint8_t *d, size_t n,
    uint32_t body)
{
    bool     prefixed;
    uint8_t  type;

    if (n < 4 || d[0] != 0 || d[1] != 0) {
        return false;
    }

    if (d[2] == 0 && d[3] == 1) {
        /* HEVC's have two bytes at least */
        type = n > 4 && v->codec == LV_FLV_H264 ? d[4] & 0x1f : 0;
        prefixed = v->length_size == 4 && !v->annexb
                   && (type == LV_NAL_END_SEQUENCE
                       || type == LV_NAL_END_STREAM);
        return !prefixed;
    }

    if (d[2] == 0 && d[3] == 0) {
        return v->annexb;                    /* more leading zeros */
    }

    if (d[2] != 1 || !lv_flv_nal_head_ok(v, d[3])) {
        return false;
    }

    if (v->annexb || v->length_size < 4) {
        return true;
    }

    prefixed = n > 4 && (0x100u | d[3]) <= body - 4
               && lv_flv_nal_head_ok(v, d[4]);

    return !prefixed;
}


static int
lv_flv_nal_decide(lv_flv_t *f, uint32_t body)
{
    size_t           n;
    uint8_t          peek[LV_NAL_PEEK];
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    n = f->vm.head_len;
    memcpy(peek, f->vm.head, n);

    if (lv_flv_nal_is_annexb(v, peek, n, body)) {
        v->annexb = true;
        lv_flv_tell_once(f, LV_FLV_ONCE_ANNEXB, LV_FLV_ANNEXB,
                         "start codes inside RTMP, converted");

        v->nal_state = LV_NAL_S_SCAN;
        v->length_got = 0;
        return lv_flv_nal_scan(f, peek, n);
    }

    v->nal_state = LV_NAL_S_LENGTH;

    return lv_flv_nal_prefixed(f, peek, n, body);
}


int
lv_flv_nal_data(lv_flv_t *f, const uint8_t *p, size_t n)
{
    int              rc;
    uint32_t         left;
    lv_flv_video_t  *v;

    v = lv_flv_v(f);
    left = f->vm.body;                        /* from p on */

    while (n && v->nal_state == LV_NAL_S_PEEK) {
        f->vm.head[f->vm.head_len++] = *p++;
        n--;
        left--;

        if (f->vm.head_len < LV_NAL_PEEK && left) {
            continue;
        }

        rc = lv_flv_nal_decide(f, left + f->vm.head_len);

        if (rc != LV_OK || f->vm.state != LV_FLV_S_UNITS) {
            return rc;
        }
    }

    if (n == 0) {
        return LV_OK;
    }

    return v->nal_state == LV_NAL_S_SCAN ? lv_flv_nal_scan(f, p, n)
                                         : lv_flv_nal_prefixed(f, p, n, left);
}


void
lv_flv_nal_end(lv_flv_t *f)
{
    /* A length that is cut off is padding; a unit with a length cannot be cut
     * off, it was compared with the message's. */

    if (lv_flv_v(f)->nal_state == LV_NAL_S_SCAN) {
        lv_flv_nal_finish(f);
    }
}
