#include "lv_hevc.h"

/*
 * The record, ISO/IEC 14496-15 8.3.3.1.2:
 *
 *   1 version = 1
 *   1 profile space, tier, profile | 4 compatibility | 6 constraints | 1 level
 *   1111 min_spatial_segmentation (12) | 111111 parallelism (2)
 *   111111 chroma format (2) | 11111 luma bits - 8 | 11111 chroma bits - 8
 *   2 average frame rate | constant rate (2) layers (3) nested (1)
 *     length size - 1 (2)
 *   1 number of arrays
 *     { complete (1) 0 type (6) | 2 number { 2 length | NAL unit } … } …
 */

#define LV_HEVC_RECORD_MIN  23
#define LV_HEVC_SETS_MAX    64       /* of a type */

typedef struct {
    const uint8_t  *nal;
    size_t          len;
} lv_hevc_set_t;


const uint8_t *
lv_hevc_config_get(const lv_hevc_config_t *c, unsigned type, unsigned n,
    size_t *len)
{
    size_t    at, size;
    unsigned  arrays, count, i;
    bool      wanted;

    if (c->len < LV_HEVC_RECORD_MIN) {
        return NULL;
    }

    at = LV_HEVC_RECORD_MIN;

    for (arrays = c->data[22]; arrays; arrays--) {
        wanted = (c->data[at] & 0x3f) == type;
        count = lv_be16(c->data + at + 1);
        at += 3;

        for (i = 0; i < count; i++) {
            size = lv_be16(c->data + at);
            at += 2;

            if (wanted && i == n) {
                *len = size;
                return c->data + at;
            }

            at += size;
        }
    }

    return NULL;
}


bool
lv_hevc_config_complete(const lv_hevc_config_t *c)
{
    size_t  len;

    return lv_hevc_config_get(c, LV_HEVC_VPS, 0, &len) != NULL
           && lv_hevc_config_get(c, LV_HEVC_SPS, 0, &len) != NULL
           && lv_hevc_config_get(c, LV_HEVC_PPS, 0, &len) != NULL;
}


/* What stands in front of the arrays: the first SPS says. */
static int
lv_hevc_config_head(lv_hevc_config_t *c)
{
    size_t          len;
    uint8_t        *p;
    lv_hevc_sps_t   sps;
    const uint8_t  *nal;

    p = c->data;
    p[0] = 1;
    p[13] = 0xf0;                            /* segmentation: not said */
    p[14] = 0;
    p[15] = 0xfc;                            /* parallelism: not said */
    p[21] = 0x03;                            /* 4 byte lengths */

    nal = lv_hevc_config_get(c, LV_HEVC_SPS, 0, &len);

    if (nal == NULL) {
        return LV_OK;
    }

    if (lv_hevc_sps_parse(&sps, nal, len) != LV_OK) {
        return LV_ERROR;
    }

    p[1] = (uint8_t) (sps.profile_space << 6 | sps.tier << 5 | sps.profile);
    lv_put32(p + 2, sps.compatibility);
    memcpy(p + 6, sps.constraints, 6);
    p[12] = sps.level;
    p[16] = (uint8_t) (0xfc | sps.chroma_format);
    p[17] = (uint8_t) (0xf8 | (sps.luma_bits - 8));
    p[18] = (uint8_t) (0xf8 | (sps.chroma_bits - 8));
    p[21] = (uint8_t) (sps.layers << 3 | (sps.nested ? 4 : 0) | 0x03);

    return LV_OK;
}


/* Makes a record of c's sets with `nal` added, or in the place of the set
 * `instead` (NULL: none). */
static int
lv_hevc_config_build(lv_hevc_config_t *out, const lv_hevc_config_t *c,
    const uint8_t *nal, size_t nal_len, const uint8_t *instead)
{
    bool            added;
    uint8_t        *p, *count;
    unsigned        type, n;
    lv_hevc_set_t   set;

    memset(out, 0, sizeof(lv_hevc_config_t));
    p = out->data + LV_HEVC_RECORD_MIN;

    for (type = LV_HEVC_VPS; type <= LV_HEVC_PPS; type++) {

        if ((size_t) (out->data + LV_NAL_CONFIG_MAX - p) < 3) {
            return LV_ERROR;
        }

        *p++ = (uint8_t) (0x80 | type);
        count = p;
        p += 2;
        added = instead != NULL || lv_hevc_type(nal[0]) != type;

        for (n = 0; /* void */ ; n++) {
            set.nal = lv_hevc_config_get(c, type, n, &set.len);

            if (set.nal == NULL && added) {
                break;
            }

            if (set.nal == NULL || set.nal == instead) {
                added = true;
                set.nal = nal;
                set.len = nal_len;
            }

            if (n == LV_HEVC_SETS_MAX
                || set.len + 2
                   > (size_t) (out->data + LV_NAL_CONFIG_MAX - p))
            {
                return LV_ERROR;
            }

            p = lv_put16(p, (uint16_t) set.len);
            memcpy(p, set.nal, set.len);
            p += set.len;
        }

        lv_put16(count, (uint16_t) n);
    }

    out->data[22] = 3;
    out->len = (uint16_t) (p - out->data);

    return lv_hevc_config_head(out);
}


int
lv_hevc_config_set(lv_hevc_config_t *c, const uint8_t *nal, size_t len)
{
    int               id;
    size_t            old_len;
    unsigned          n;
    const uint8_t    *old;
    lv_hevc_config_t  made;

    /* trailing zero bytes belong to no NAL unit */
    while (len && nal[len - 1] == 0) {
        len--;
    }

    id = lv_hevc_set_id(nal, len);

    if (id < 0 || len > LV_NAL_SET_MAX) {
        return LV_ERROR;
    }

    for (n = 0; /* void */ ; n++) {
        old = lv_hevc_config_get(c, lv_hevc_type(nal[0]), n, &old_len);

        if (old == NULL) {
            break;
        }

        if (lv_hevc_set_id(old, old_len) != id) {
            continue;
        }

        if (old_len == len && memcmp(old, nal, len) == 0) {
            return LV_DECLINED;
        }

        break;
    }

    if (lv_hevc_config_build(&made, c, nal, len, old) != LV_OK) {
        return LV_ERROR;
    }

    *c = made;

    return LV_OK;
}


/* One unit of what an encoder sent: sets that can be read are taken, other
 * units (SEI, mostly) are left out. */
static int
lv_hevc_config_take(lv_hevc_config_t *c, const uint8_t *nal, size_t len,
    const char **err)
{
    unsigned  type;

    type = len > LV_HEVC_HEADER ? lv_hevc_type(nal[0]) : 0;

    if (type < LV_HEVC_VPS || type > LV_HEVC_PPS || (nal[0] & 1)
        || (nal[1] & 0xf8))
    {
        return LV_OK;
    }

    if (lv_hevc_config_set(c, nal, len) == LV_ERROR) {
        *err = "HEVC parameter set in the sequence header is damaged";
        return LV_ERROR;
    }

    return LV_OK;
}


static int
lv_hevc_config_read_annexb(lv_hevc_config_t *c, const uint8_t *p, size_t len,
    const char **err)
{
    size_t  i, start;

    start = 0;

    for (i = 0; i + 3 <= len; i++) {

        if (p[i] || p[i + 1] || p[i + 2] != 1) {
            continue;
        }

        if (start && lv_hevc_config_take(c, p + start, i - start, err)
                     != LV_OK)
        {
            return LV_ERROR;
        }

        start = i + 3;
        i += 2;
    }

    return start ? lv_hevc_config_take(c, p + start, len - start, err) : LV_OK;
}


static int
lv_hevc_config_read_arrays(lv_hevc_config_t *c, const uint8_t *p,
    const uint8_t *last, const char **err)
{
    size_t    n;
    unsigned  arrays, count;

    for (arrays = *p++; arrays; arrays--) {

        if (last - p < 3) {
            goto truncated;
        }

        count = lv_be16(p + 1);
        p += 3;

        while (count--) {
            if (last - p < 2 || last - p - 2 < lv_be16(p)) {
                goto truncated;
            }

            n = lv_be16(p);
            p += 2;

            if (lv_hevc_config_take(c, p, n, err) != LV_OK) {
                return LV_ERROR;
            }

            p += n;
        }
    }

    return LV_OK;

truncated:

    *err = "HEVC sequence header is truncated";

    return LV_ERROR;
}


int
lv_hevc_config_read(lv_hevc_config_t *c, const uint8_t *p, size_t len,
    uint8_t *length_size, const char **err)
{
    int  rc;

    c->len = 0;
    *length_size = 4;

    if (len >= 4 && p[0] == 0 && p[1] == 0
        && (p[2] == 1 || (p[2] == 0 && p[3] == 1)))
    {
        rc = lv_hevc_config_read_annexb(c, p, len, err);

    } else {

        if (len < LV_HEVC_RECORD_MIN) {
            *err = "HEVC sequence header is truncated";
            return LV_ERROR;
        }

        /* some write 0, as the first drafts had it */
        if (p[0] > 1) {
            *err = "HEVC sequence header is of an unknown version";
            return LV_ERROR;
        }

        *length_size = (uint8_t) ((p[21] & 3) + 1);
        rc = lv_hevc_config_read_arrays(c, p + 22, p + len, err);
    }

    if (rc != LV_OK) {
        return rc;
    }

    return lv_hevc_config_complete(c) ? LV_OK : LV_DECLINED;
}
