/*
 * The OBU filter: bytes of a temporal unit in, bytes of a sample out. See
 * lv_av1.h for what a sample is.
 *
 *   HEAD -> (JUDGE ->) BYTES -> HEAD …
 *
 * What stands in front of the first frame header is held, since only that
 * tells whether it is a key frame: in JUDGE, the first byte of its payload is
 * awaited.
 */

#include "lv_flv_priv.h"
#include "lv_av1.h"

enum {
    LV_OBU_S_HEAD = 0,
    LV_OBU_S_JUDGE,
    LV_OBU_S_BYTES
};

enum {
    LV_OBU_TO_NOTHING = 0,   /* dropped */
    LV_OBU_TO_SAMPLE,
    LV_OBU_TO_SET            /* a sequence header: collected in v->set */
};

#define LV_OBU_HEADER_MAX  10


void
lv_flv_obu_start(lv_flv_t *f)
{
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    v->nal_state = LV_OBU_S_HEAD;
    v->nal_to = LV_OBU_TO_NOTHING;
    v->nal_left = 0;
    v->vcl = false;
    v->out = 0;
    v->pieces = 0;
    f->vm.head_len = 0;
}


/* The header is in m->head and goes to the sample. */
static int
lv_flv_obu_head_write(lv_flv_t *f)
{
    lv_flv_v(f)->nal_to = LV_OBU_TO_SAMPLE;

    return lv_flv_unit_write(f, f->vm.head, f->vm.head_len);
}


/* An OBU's header is complete; `left` bytes of the body are behind it. */
static int
lv_flv_obu_begin(lv_flv_t *f, const lv_av1_obu_t *obu, uint32_t left)
{
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    if (obu->len > left) {
        return lv_flv_video_broken(f, "an OBU is longer than its message");
    }

    v->nal_left = obu->has_size ? obu->len : left;
    v->nal_to = LV_OBU_TO_NOTHING;
    v->nal_state = LV_OBU_S_BYTES;

    switch (obu->type) {

    case LV_AV1_SEQUENCE:
        if (v->nal_left <= LV_AV1_SEQUENCE_MAX) {
            v->nal_to = LV_OBU_TO_SET;
            v->set_len = 0;
            return LV_OK;
        }

        f->stat.nal_dropped++;
        return LV_OK;

    case LV_AV1_FRAME:
    case LV_AV1_FRAME_HEADER:
        if (!v->vcl && v->nal_left) {
            v->nal_state = LV_OBU_S_JUDGE;
            return LV_OK;
        }

        return lv_flv_obu_head_write(f);

    case LV_AV1_TILE_GROUP:
    case LV_AV1_METADATA:
    case LV_AV1_FRAME_HEADER_AGAIN:
        return lv_flv_obu_head_write(f);

    case LV_AV1_DELIMITER:
    case LV_AV1_PADDING:
    case LV_AV1_TILE_LIST:
        return LV_OK;

    default:
        f->stat.nal_dropped++;
        return LV_OK;
    }
}


static int
lv_flv_obu_judge(lv_flv_t *f, uint8_t byte)
{
    int              rc;
    lv_flv_video_t  *v;

    v = lv_flv_v(f);
    v->vcl = true;
    v->nal_state = LV_OBU_S_BYTES;

    /* too much stood in front of it, and it has begun already */

    if (!f->vm.frame) {
        rc = lv_flv_video_picture(f, lv_av1_is_key(byte));

        if (rc != LV_OK) {
            return rc;
        }
    }

    return lv_flv_obu_head_write(f);
}


static int
lv_flv_obu_bytes(lv_flv_t *f, const uint8_t *p, size_t n)
{
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    switch (v->nal_to) {

    case LV_OBU_TO_SET:
        memcpy(v->set + v->set_len, p, n);
        v->set_len += (uint32_t) n;
        return LV_OK;

    case LV_OBU_TO_SAMPLE:
        return lv_flv_unit_write(f, p, n);

    default:
        return LV_OK;
    }
}


/* An OBU is complete, perhaps one without a payload. */
static void
lv_flv_obu_end(lv_flv_t *f)
{
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    if (v->nal_to == LV_OBU_TO_SET) {
        lv_flv_video_set(f);
    }

    v->nal_to = LV_OBU_TO_NOTHING;
    v->nal_state = LV_OBU_S_HEAD;
    f->vm.head_len = 0;
}


/* One more byte of a header; `left` bytes of the body are behind it. */
static int
lv_flv_obu_head(lv_flv_t *f, uint8_t byte, uint32_t left)
{
    int                rc;
    lv_av1_obu_t       obu;
    lv_flv_message_t  *m;

    m = &f->vm;
    m->head[m->head_len++] = byte;

    rc = lv_av1_obu_parse(&obu, m->head, m->head_len);

    if (rc == LV_AGAIN && m->head_len < LV_OBU_HEADER_MAX) {
        return LV_OK;
    }

    if (rc != LV_OK) {
        return lv_flv_video_broken(f, "an OBU cannot be read");
    }

    return lv_flv_obu_begin(f, &obu, left);
}


int
lv_flv_obu_data(lv_flv_t *f, const uint8_t *p, size_t n)
{
    int              rc;
    size_t           take;
    uint32_t         left;
    lv_flv_video_t  *v;

    v = lv_flv_v(f);
    left = f->vm.body;                       /* from p on */

    while (n) {
        take = 1;
        rc = LV_OK;

        switch (v->nal_state) {

        case LV_OBU_S_HEAD:
            rc = lv_flv_obu_head(f, *p, left - 1);
            break;

        case LV_OBU_S_JUDGE:
            rc = lv_flv_obu_judge(f, *p);
            take = 0;
            break;

        default:
            take = n < v->nal_left ? n : v->nal_left;
            rc = lv_flv_obu_bytes(f, p, take);
            v->nal_left -= (uint32_t) take;
        }

        if (rc != LV_OK || f->vm.state != LV_FLV_S_UNITS) {
            return rc;
        }

        if (v->nal_state == LV_OBU_S_BYTES && v->nal_left == 0) {
            lv_flv_obu_end(f);
        }

        p += take;
        n -= take;
        left -= (uint32_t) take;
    }

    return LV_OK;
}
