#include "lv_avc.h"

/*
 * The record, ISO/IEC 14496-15 5.3.3.1.2:
 *
 *   1 version = 1 | 1 profile | 1 compatibility | 1 level
 *   111111 length size - 1 | 111 number of SPS
 *     { 2 length | SPS } …
 *   1 number of PPS
 *     { 2 length | PPS } …
 *   profiles with a chroma format:
 *     111111 chroma format | 11111 luma bits - 8 | 11111 chroma bits - 8
 *     1 number of SPS extensions { 2 length | … }
 *
 * SPS extensions (auxiliary pictures) are left out of the normal form.
 */

#define LV_AVC_RECORD_MIN  7
#define LV_AVC_SPS_MAX     31

typedef struct {
    const uint8_t  *nal;
    size_t          len;
} lv_avc_set_t;


const uint8_t *
lv_avc_config_get(const lv_avc_config_t *c, unsigned type, unsigned n,
    size_t *len)
{
    size_t    at, size;
    unsigned  i, count;

    if (c->len < LV_AVC_RECORD_MIN) {
        return NULL;
    }

    at = 5;
    count = c->data[at++] & 0x1f;

    if (type == LV_NAL_PPS) {
        for (i = 0; i < count; i++) {
            at += 2 + (size_t) lv_be16(c->data + at);
        }

        count = c->data[at++];
    }

    for (i = 0; i < count; i++) {
        size = lv_be16(c->data + at);

        if (i == n) {
            *len = size;
            return c->data + at + 2;
        }

        at += 2 + size;
    }

    return NULL;
}


bool
lv_avc_config_complete(const lv_avc_config_t *c)
{
    size_t  len;

    return lv_avc_config_get(c, LV_NAL_SPS, 0, &len) != NULL
           && lv_avc_config_get(c, LV_NAL_PPS, 0, &len) != NULL;
}


/* Makes a record of c's sets with `nal` added, or in the place of the set
 * with its type and id (`instead`, NULL: none). */
static int
lv_avc_config_build(lv_avc_config_t *out, const lv_avc_config_t *c,
    const uint8_t *nal, size_t nal_len, const uint8_t *instead)
{
    size_t         len, room;
    uint8_t       *p, *count;
    unsigned       type, n, max;
    lv_avc_set_t   set;
    lv_avc_sps_t   sps;

    memset(out, 0, sizeof(lv_avc_config_t));
    p = out->data + 5;

    for (type = LV_NAL_SPS; type <= LV_NAL_PPS; type++) {
        max = type == LV_NAL_SPS ? LV_AVC_SPS_MAX : 255;
        count = p++;
        *count = 0;

        for (n = 0; /* void */ ; n++) {
            set.nal = lv_avc_config_get(c, type, n, &set.len);

            if (set.nal == NULL) {
                if (instead || (nal[0] & 0x1f) != type) {
                    break;
                }

                set.nal = nal;
                set.len = nal_len;

            } else if (set.nal == instead) {
                set.nal = nal;
                set.len = nal_len;
            }

            /* 5 bytes for what stands behind the sets */
            room = (size_t) (out->data + LV_AVC_CONFIG_MAX - p);

            if (*count == max || set.len + 2 + 5 > room) {
                return LV_ERROR;
            }

            p = lv_put16(p, (uint16_t) set.len);
            memcpy(p, set.nal, set.len);
            p += set.len;
            (*count)++;

            if (set.nal == nal && instead == NULL) {
                break;
            }
        }

        if (type == LV_NAL_SPS) {
            *count |= 0xe0;
        }
    }

    out->len = (uint16_t) (p - out->data);
    out->data[0] = 1;
    out->data[4] = 0xff;                     /* 4 byte lengths */

    nal = lv_avc_config_get(out, LV_NAL_SPS, 0, &len);

    if (nal == NULL) {
        return LV_OK;
    }

    if (lv_avc_sps_parse(&sps, nal, len) != LV_OK) {
        return LV_ERROR;
    }

    out->data[1] = sps.profile;
    out->data[2] = sps.constraints;
    out->data[3] = sps.level;

    if (sps.profile != 66 && sps.profile != 77 && sps.profile != 88) {
        *p++ = (uint8_t) (0xfc | sps.chroma_format);
        *p++ = (uint8_t) (0xf8 | (sps.luma_bits - 8));
        *p++ = (uint8_t) (0xf8 | (sps.chroma_bits - 8));
        *p++ = 0;
        out->len = (uint16_t) (p - out->data);
    }

    return LV_OK;
}


int
lv_avc_config_set(lv_avc_config_t *c, const uint8_t *nal, size_t len)
{
    int              id;
    size_t           old_len;
    unsigned         n;
    lv_avc_sps_t     sps;
    const uint8_t   *old;
    lv_avc_config_t  made;

    /* trailing zero bytes belong to no NAL unit (7.4.1) */
    while (len && nal[len - 1] == 0) {
        len--;
    }

    id = lv_avc_set_id(nal, len);

    if (id < 0 || len > LV_AVC_SET_MAX) {
        return LV_ERROR;
    }

    if ((nal[0] & 0x1f) == LV_NAL_SPS
        && lv_avc_sps_parse(&sps, nal, len) != LV_OK)
    {
        return LV_ERROR;
    }

    for (n = 0; /* void */ ; n++) {
        old = lv_avc_config_get(c, nal[0] & 0x1f, n, &old_len);

        if (old == NULL) {
            break;
        }

        if (lv_avc_set_id(old, old_len) != id) {
            continue;
        }

        /* nal_ref_idc may differ, the content counts */
        if (old_len == len && memcmp(old + 1, nal + 1, len - 1) == 0) {
            return LV_DECLINED;
        }

        break;
    }

    if (lv_avc_config_build(&made, c, nal, len, old) != LV_OK) {
        return LV_ERROR;
    }

    *c = made;

    return LV_OK;
}


static int
lv_avc_config_read_annexb(lv_avc_config_t *c, const uint8_t *p, size_t len,
    const char **err)
{
    size_t  i, start;
    bool    in;

    in = false;
    start = 0;

    for (i = 0; i + 3 <= len; i++) {

        if (p[i] || p[i + 1] || p[i + 2] != 1) {
            continue;
        }

        if (in && lv_avc_config_set(c, p + start, i - start) == LV_ERROR
            && lv_avc_set_id(p + start, i - start) >= 0)
        {
            *err = "H.264 parameter set is damaged";
            return LV_ERROR;
        }

        in = true;
        start = i + 3;
        i += 2;
    }

    if (in && lv_avc_config_set(c, p + start, len - start) == LV_ERROR
        && lv_avc_set_id(p + start, len - start) >= 0)
    {
        *err = "H.264 parameter set is damaged";
        return LV_ERROR;
    }

    return LV_OK;
}


static int
lv_avc_config_read_sets(lv_avc_config_t *c, const uint8_t **pp,
    const uint8_t *last, unsigned count, unsigned type, const char **err)
{
    size_t          n;
    const uint8_t  *p;

    p = *pp;

    while (count--) {
        if (last - p < 2 || last - p - 2 < lv_be16(p)) {
            *err = "H.264 sequence header is truncated";
            return LV_ERROR;
        }

        n = lv_be16(p);
        p += 2;

        /* some write empty sets, some the wrong type: those do not count */
        if (n && (p[0] & 0x1f) == type
            && lv_avc_config_set(c, p, n) == LV_ERROR)
        {
            *err = "H.264 parameter set in the sequence header is damaged";
            return LV_ERROR;
        }

        p += n;
    }

    *pp = p;

    return LV_OK;
}


/* An hvcC (14496-15 8.3.3.1.2): its arrays of NAL units begin at 22 and hold
 * types 32 … 34, 39 and 40. */
bool
lv_avc_config_is_hevc(const uint8_t *p, size_t len)
{
    unsigned  type;

    if (len >= 4 && lv_be24(p) == 0 && p[3] == 1) {
        p += 4;
        len -= 4;
        return len >= 2 && (p[0] == 0x40 || p[0] == 0x42 || p[0] == 0x44)
               && p[1] == 1;
    }

    if (len < 24 || lv_avc_profile_is_avc(p[1])) {
        return false;
    }

    type = p[23] & 0x3f;

    return p[22] >= 1 && p[22] <= 8 && (type == 39 || type == 40
                                        || (type >= 32 && type <= 34));
}


int
lv_avc_config_read(lv_avc_config_t *c, const uint8_t *p, size_t len,
    uint8_t *length_size, const char **err)
{
    size_t          n;
    unsigned        count;
    const uint8_t  *last;

    c->len = 0;
    last = p + len;
    *length_size = 4;

    if (len >= 4 && p[0] == 0 && p[1] == 0
        && (p[2] == 1 || (p[2] == 0 && p[3] == 1)))
    {
        if (lv_avc_config_read_annexb(c, p, len, err) != LV_OK) {
            return LV_ERROR;
        }

        return lv_avc_config_complete(c) ? LV_OK : LV_DECLINED;
    }

    if (len < LV_AVC_RECORD_MIN) {
        *err = "H.264 sequence header is truncated";
        return LV_ERROR;
    }

    if (p[0] != 1) {
        *err = "H.264 sequence header is of an unknown version";
        return LV_ERROR;
    }

    *length_size = (uint8_t) ((p[4] & 3) + 1);
    count = p[5] & 0x1f;
    p += 6;

    if (lv_avc_config_read_sets(c, &p, last, count, LV_NAL_SPS, err)
        != LV_OK)
    {
        return LV_ERROR;
    }

    n = (size_t) (last - p);
    count = n ? *p++ : 0;

    if (lv_avc_config_read_sets(c, &p, last, count, LV_NAL_PPS, err)
        != LV_OK)
    {
        return LV_ERROR;
    }

    return lv_avc_config_complete(c) ? LV_OK : LV_DECLINED;
}
