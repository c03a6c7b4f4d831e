/* The checked reader; see lv_fmp4_read.h. */

#include "lv_fmp4_read.h"

#define TYPE(a, b, c, d)  LV_FOURCC(a, b, c, d)

/* 14496-12 8.8.7.1, 8.8.8.1 */
#define TFHD_BASE       0x000001u
#define TFHD_ENTRY      0x000002u
#define TFHD_DURATION   0x000008u
#define TFHD_SIZE       0x000010u
#define TFHD_FLAGS      0x000020u
#define TRUN_OFFSET     0x000001u
#define TRUN_FIRST      0x000004u
#define TRUN_DURATION   0x000100u
#define TRUN_SIZE       0x000200u
#define TRUN_FLAGS      0x000400u
#define TRUN_CTS        0x000800u


int
lv_fmp4_box(const uint8_t *p, size_t len, uint32_t *type, uint64_t *size,
    uint32_t *head)
{
    if (len < 8) {
        return LV_AGAIN;
    }

    *type = lv_be32(p + 4);
    *size = lv_be32(p);
    *head = 8;

    if (*size == 1) {
        if (len < 16) {
            return LV_AGAIN;
        }

        *size = lv_be64(p + 8);
        *head = 16;
    }

    if (*size != 0 && *size < *head) {
        return LV_ERROR;
    }

    return LV_OK;
}


/* The next whole box in [*p, end): *body and *body_end are inside of it, *p
 * moves behind it. LV_DECLINED: no more. */
static int
box_next(const uint8_t **p, const uint8_t *end, uint32_t *type,
    const uint8_t **body, const uint8_t **body_end)
{
    uint32_t  head;
    uint64_t  size;

    if (*p == end) {
        return LV_DECLINED;
    }

    if (lv_fmp4_box(*p, (size_t) (end - *p), type, &size, &head) != LV_OK
        || size == 0 || size > (size_t) (end - *p))
    {
        return LV_ERROR;
    }

    *body = *p + head;
    *body_end = *p + size;
    *p = *body_end;

    return LV_OK;
}


/* The n-th box of that type. */
static const uint8_t *
box_find(const uint8_t *p, const uint8_t *end, uint32_t want, unsigned n,
    const uint8_t **body_end)
{
    uint32_t        type;
    const uint8_t  *body;

    while (box_next(&p, end, &type, &body, body_end) == LV_OK) {
        if (type == want && n-- == 0) {
            return body;
        }
    }

    return NULL;
}


/* Down a path of boxes, the first of each type. */
static const uint8_t *
box_path(const uint8_t *p, const uint8_t *end, const uint32_t *path,
    unsigned n, const uint8_t **body_end)
{
    unsigned  i;

    for (i = 0; i < n && p; i++) {
        p = box_find(p, end, path[i], 0, body_end);
        end = *body_end;
    }

    return p;
}


/* ---- init section ------------------------------------------------------ */

/* A descriptor of 14496-1: tag and length. */
static const uint8_t *
descriptor(const uint8_t *p, const uint8_t *end, uint8_t tag, size_t *len)
{
    unsigned  i;

    if (p == end || *p++ != tag) {
        return NULL;
    }

    for (i = 0, *len = 0; i < 4; i++) {
        if (p == end) {
            return NULL;
        }

        *len = *len << 7 | (*p & 0x7f);

        if (!(*p++ & 0x80)) {
            break;
        }
    }

    return *len <= (size_t) (end - p) ? p : NULL;
}


static int
read_esds(lv_fmp4_track_t *t, const uint8_t *p, const uint8_t *end)
{
    size_t   len;
    uint8_t  flags;

    if (end - p < 4) {
        return LV_ERROR;
    }

    p = descriptor(p + 4, end, 0x03, &len);
    if (p == NULL || len < 3) {
        return LV_ERROR;
    }

    flags = p[2];
    p += 3;

    if (flags & 0xe0) {
        return LV_ERROR;             /* never seen in files */
    }

    p = descriptor(p, end, 0x04, &len);
    if (p == NULL || len < 13) {
        return LV_ERROR;
    }

    p = descriptor(p + 13, end, 0x05, &len);
    if (p == NULL) {
        return LV_ERROR;
    }

    t->config = p;
    t->config_len = len;

    return LV_OK;
}


static int
read_entry(lv_fmp4_track_t *t, const uint8_t *p, const uint8_t *end)
{
    size_t          fixed;
    uint32_t        type;
    const uint8_t  *body, *body_end;

    fixed = t->video ? 78 : 28;

    if (end - p < (ptrdiff_t) fixed) {
        return LV_ERROR;
    }

    if (t->video) {
        t->width = lv_be16(p + 24);
        t->height = lv_be16(p + 26);

    } else {
        t->channels = lv_be16(p + 16);
        t->sample_rate = lv_be32(p + 24) >> 16;
    }

    p += fixed;

    while (box_next(&p, end, &type, &body, &body_end) == LV_OK) {
        switch (type) {
        case TYPE('a','v','c','C'):
        case TYPE('h','v','c','C'):
        case TYPE('a','v','1','C'):
        case TYPE('v','p','c','C'):
        case TYPE('d','O','p','s'):
        case TYPE('d','a','c','3'):
        case TYPE('d','e','c','3'):
        case TYPE('d','f','L','a'):
            t->config = body;
            t->config_len = (size_t) (body_end - body);
            return LV_OK;

        case TYPE('e','s','d','s'):
            return read_esds(t, body, body_end);
        }
    }

    return LV_ERROR;
}


static int
read_trak(lv_fmp4_track_t *t, const uint8_t *p, const uint8_t *end)
{
    static const uint32_t   to_mdhd[] = { TYPE('m','d','i','a'),
                                          TYPE('m','d','h','d') };
    static const uint32_t   to_hdlr[] = { TYPE('m','d','i','a'),
                                          TYPE('h','d','l','r') };
    static const uint32_t   to_stsd[] = { TYPE('m','d','i','a'),
                                          TYPE('m','i','n','f'),
                                          TYPE('s','t','b','l'),
                                          TYPE('s','t','s','d') };
    size_t                  at;
    const uint8_t          *b, *e, *entry, *entry_end;

    b = box_find(p, end, TYPE('t','k','h','d'), 0, &e);
    if (b == NULL || e - b < 24) {
        return LV_ERROR;
    }

    t->track_id = lv_be32(b + (b[0] == 1 ? 20 : 12));

    b = box_path(p, end, to_mdhd, 2, &e);
    if (b == NULL || e - b < 24) {
        return LV_ERROR;
    }

    at = b[0] == 1 ? 20 : 12;
    t->timescale = lv_be32(b + at);

    b = box_path(p, end, to_hdlr, 2, &e);
    if (b == NULL || e - b < 12) {
        return LV_ERROR;
    }

    t->video = lv_be32(b + 8) == TYPE('v','i','d','e');

    b = box_path(p, end, to_stsd, 4, &e);
    if (b == NULL || e - b < 8) {
        return LV_ERROR;
    }

    b += 8;

    if (box_next(&b, e, &t->fourcc, &entry, &entry_end) != LV_OK) {
        return LV_ERROR;
    }

    return read_entry(t, entry, entry_end);
}


int
lv_fmp4_init_track(const uint8_t *init, size_t len, unsigned n,
    lv_fmp4_track_t *t, const char **err)
{
    const uint8_t  *moov, *trak, *end, *trak_end;

    memset(t, 0, sizeof(lv_fmp4_track_t));

    moov = box_find(init, init + len, TYPE('m','o','o','v'), 0, &end);
    if (moov == NULL) {
        *err = "no moov box";
        return LV_ERROR;
    }

    trak = box_find(moov, end, TYPE('t','r','a','k'), n, &trak_end);
    if (trak == NULL) {
        return LV_DECLINED;
    }

    if (read_trak(t, trak, trak_end) != LV_OK) {
        *err = "a trak box that is damaged or of an unknown kind";
        return LV_ERROR;
    }

    return LV_OK;
}


/* ---- samples of a moof ------------------------------------------------- */

int
lv_fmp4_moof(lv_fmp4_moof_t *m, const uint8_t *p, size_t len,
    const char **err)
{
    uint32_t        type, head;
    uint64_t        size;
    const uint8_t  *b, *e;

    memset(m, 0, sizeof(lv_fmp4_moof_t));

    if (lv_fmp4_box(p, len, &type, &size, &head) != LV_OK
        || type != TYPE('m','o','o','f') || size == 0 || size > len)
    {
        *err = "no whole moof box";
        return LV_ERROR;
    }

    m->moof = p;
    m->moof_len = (size_t) size;
    m->next_traf = p + head;

    b = box_find(p + head, p + size, TYPE('m','f','h','d'), 0, &e);
    if (b == NULL || e - b < 8) {
        *err = "no mfhd box";
        return LV_ERROR;
    }

    m->sequence = lv_be32(b + 4);

    return LV_OK;
}


static int
read_tfhd(lv_fmp4_moof_t *m, const uint8_t *p, const uint8_t *end)
{
    uint32_t  flags, need;

    if (end - p < 8) {
        return LV_ERROR;
    }

    flags = lv_be32(p) & 0xffffff;
    m->track_id = lv_be32(p + 4);
    p += 8;

    need = (flags & TFHD_BASE ? 8 : 0) + (flags & TFHD_ENTRY ? 4 : 0)
           + (flags & TFHD_DURATION ? 4 : 0) + (flags & TFHD_SIZE ? 4 : 0)
           + (flags & TFHD_FLAGS ? 4 : 0);

    /* offsets from the start of a file mean nothing in a stream */
    if ((size_t) (end - p) < need || (flags & TFHD_BASE)) {
        return LV_ERROR;
    }

    p += flags & TFHD_ENTRY ? 4 : 0;

    m->duration = m->trex_duration;
    m->size = m->trex_size;
    m->flags = m->trex_flags;

    if (flags & TFHD_DURATION) {
        m->duration = lv_be32(p);
        p += 4;
    }

    if (flags & TFHD_SIZE) {
        m->size = lv_be32(p);
        p += 4;
    }

    if (flags & TFHD_FLAGS) {
        m->flags = lv_be32(p);
    }

    m->has_tfhd = true;

    return LV_OK;
}


static int
read_tfdt(lv_fmp4_moof_t *m, const uint8_t *p, const uint8_t *end)
{
    if (end - p < 8 || (p[0] == 1 && end - p < 12)) {
        return LV_ERROR;
    }

    m->tfdt = p[0] == 1 ? lv_be64(p + 4) : lv_be32(p + 4);
    m->has_tfdt = true;

    /* so that sums over the samples cannot wrap */
    return m->tfdt < (uint64_t) 1 << 62 ? LV_OK : LV_ERROR;
}


static int
read_trun(lv_fmp4_moof_t *m, const uint8_t *p, const uint8_t *end)
{
    int32_t   offset;
    uint32_t  columns, n, row;

    if (end - p < 8 || !m->has_tfhd || !m->has_tfdt) {
        return LV_ERROR;
    }

    columns = lv_be32(p) & 0xffffff;
    n = lv_be32(p + 4);
    p += 8;

    row = (columns & TRUN_DURATION ? 4 : 0) + (columns & TRUN_SIZE ? 4 : 0)
          + (columns & TRUN_FLAGS ? 4 : 0) + (columns & TRUN_CTS ? 4 : 0);

    if (columns & TRUN_OFFSET) {
        if (end - p < 4) {
            return LV_ERROR;
        }

        offset = (int32_t) lv_be32(p);
        p += 4;

        if (offset < 0) {
            return LV_ERROR;
        }

        m->offset = (uint32_t) offset;
    }

    m->first = false;

    if (columns & TRUN_FIRST) {
        if (end - p < 4) {
            return LV_ERROR;
        }

        m->first = true;
        m->first_flags = lv_be32(p);
        p += 4;
    }

    if (n > LV_FMP4_SAMPLES_MAX - m->total
        || (uint64_t) n * row > (uint64_t) (end - p))
    {
        return LV_ERROR;
    }

    m->total += n;
    m->columns = columns;
    m->row = p;
    m->rows = n;

    return LV_OK;
}


/* On to the next trun, in this traf or a later one. */
static int
next_trun(lv_fmp4_moof_t *m)
{
    int             rc;
    uint32_t        type;
    const uint8_t  *b, *e;

    while (m->rows == 0) {

        if (m->traf == m->traf_end) {
            rc = box_next(&m->next_traf, m->moof + m->moof_len, &type, &b, &e);
            if (rc != LV_OK) {
                return rc;
            }

            if (type == TYPE('t','r','a','f')) {
                m->traf = b;
                m->traf_end = e;
                m->has_tfhd = false;
                m->has_tfdt = false;
            }

            continue;
        }

        rc = box_next(&m->traf, m->traf_end, &type, &b, &e);
        if (rc != LV_OK) {
            return LV_ERROR;
        }

        switch (type) {
        case TYPE('t','f','h','d'):
            rc = read_tfhd(m, b, e);
            break;

        case TYPE('t','f','d','t'):
            rc = read_tfdt(m, b, e);
            break;

        case TYPE('t','r','u','n'):
            rc = read_trun(m, b, e);
            break;
        }

        if (rc != LV_OK) {
            return LV_ERROR;
        }
    }

    return LV_OK;
}


int
lv_fmp4_next(lv_fmp4_moof_t *m, lv_fmp4_read_sample_t *s)
{
    int  rc;

    rc = next_trun(m);
    if (rc != LV_OK) {
        m->err = rc == LV_ERROR ? "a damaged traf box" : NULL;
        m->rows = 0;
        m->traf = m->traf_end;
        m->next_traf = m->moof + m->moof_len;
        return rc;
    }

    s->track_id = m->track_id;
    s->tfdt = m->tfdt;
    s->offset = m->offset;
    s->duration = m->duration;
    s->size = m->size;
    s->flags = m->flags;
    s->cts = 0;

    if (m->columns & TRUN_DURATION) {
        s->duration = lv_be32(m->row);
        m->row += 4;
    }

    if (m->columns & TRUN_SIZE) {
        s->size = lv_be32(m->row);
        m->row += 4;
    }

    if (m->columns & TRUN_FLAGS) {
        s->flags = lv_be32(m->row);
        m->row += 4;
    }

    if (m->columns & TRUN_CTS) {
        s->cts = (int32_t) lv_be32(m->row);
        m->row += 4;
    }

    if (m->first) {
        s->flags = m->first_flags;
        m->first = false;
    }

    m->tfdt += s->duration;
    m->offset += s->size;
    m->rows--;

    return LV_OK;
}
