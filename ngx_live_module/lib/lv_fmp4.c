/* Init sections and part heads; see lv_fmp4.h. */

#include "lv_fmp4.h"
#include "lv_mp3.h"

/* sample flags, 14496-12 8.8.3.1 */
#define SAMPLE_KEY      0x02000000u  /* depends on no other */
#define SAMPLE_DELTA    0x01010000u  /* depends on others, not a sync sample */

/* 8.8.7.1, 8.8.8.1 */
#define TFHD_DURATION   0x000008u
#define TFHD_SIZE       0x000010u
#define TFHD_FLAGS      0x000020u
#define TFHD_BASE_MOOF  0x020000u
#define TRUN_OFFSET     0x000001u
#define TRUN_FIRST      0x000004u
#define TRUN_DURATION   0x000100u
#define TRUN_SIZE       0x000200u
#define TRUN_FLAGS      0x000400u
#define TRUN_CTS        0x000800u

#define BOX_DEPTH       12


/* A bounded buffer. Writing beyond its end sets `over` and is otherwise
 * ignored; who asked looks once, at the end. */
typedef struct {
    uint8_t  *base, *p, *end;
    bool      over;
    size_t    open[BOX_DEPTH];       /* where open boxes begin */
    unsigned  depth;
} box_t;

static void
put(box_t *b, const void *data, size_t n)
{
    if ((size_t) (b->end - b->p) < n) {
        b->over = true;
        return;
    }

    memcpy(b->p, data, n);
    b->p += n;
}


static void
put_zero(box_t *b, size_t n)
{
    if ((size_t) (b->end - b->p) < n) {
        b->over = true;
        return;
    }

    memset(b->p, 0, n);
    b->p += n;
}


static void
put8(box_t *b, uint8_t v)
{
    put(b, &v, 1);
}


static void
put16(box_t *b, uint16_t v)
{
    uint8_t  s[2];

    lv_put16(s, v);
    put(b, s, 2);
}


static void
put32(box_t *b, uint32_t v)
{
    uint8_t  s[4];

    lv_put32(s, v);
    put(b, s, 4);
}


static void
put64(box_t *b, uint64_t v)
{
    uint8_t  s[8];

    lv_put64(s, v);
    put(b, s, 8);
}


static void
box_init(box_t *b, uint8_t *buf, size_t size)
{
    b->base = buf;
    b->p = buf;
    b->end = buf + size;
    b->over = false;
    b->depth = 0;
}


static void
box_open(box_t *b, const char *type)
{
    if (b->depth == BOX_DEPTH) {
        b->over = true;
        return;
    }

    b->open[b->depth++] = (size_t) (b->p - b->base);
    put32(b, 0);
    put(b, type, 4);
}


static void
box_open_full(box_t *b, const char *type, uint8_t version, uint32_t flags)
{
    box_open(b, type);
    put32(b, (uint32_t) version << 24 | flags);
}


static void
box_close(box_t *b)
{
    size_t  at;

    if (b->depth == 0) {
        return;
    }

    at = b->open[--b->depth];

    if (!b->over) {
        lv_put32(b->base + at, (uint32_t) (b->p - b->base - at));
    }
}


static int
box_done(box_t *b)
{
    return b->over ? LV_ERROR : (int) (b->p - b->base);
}


/* ---- init section ------------------------------------------------------ */

static const struct {
    uint32_t  fourcc;
    char      config[5];             /* "esds" is a descriptor, see below */
} entries[] = {
    { LV_FOURCC('a','v','c','1'), "avcC" },
    { LV_FOURCC('a','v','c','3'), "avcC" },
    { LV_FOURCC('h','v','c','1'), "hvcC" },
    { LV_FOURCC('h','e','v','1'), "hvcC" },
    { LV_FOURCC('a','v','0','1'), "av1C" },
    { LV_FOURCC('v','p','0','9'), "vpcC" },
    { LV_FOURCC('m','p','4','a'), "esds" },
    { LV_FOURCC('O','p','u','s'), "dOps" },
    { LV_FOURCC('a','c','-','3'), "dac3" },
    { LV_FOURCC('e','c','-','3'), "dec3" },
    { LV_FOURCC('f','L','a','C'), "dfLa" },
    { 0, "" }
};


static const char *
config_box(uint32_t fourcc)
{
    unsigned  i;

    for (i = 0; entries[i].fourcc; i++) {
        if (entries[i].fourcc == fourcc) {
            return entries[i].config;
        }
    }

    return NULL;
}


bool
lv_fmp4_known(uint32_t fourcc)
{
    return config_box(fourcc) != NULL;
}


/* Descriptors of 14496-1 7.2.6; the length in four bytes, as everybody does. */
static void
put_descriptor(box_t *b, uint8_t tag, size_t len)
{
    put8(b, tag);
    put8(b, (uint8_t) (0x80 | (len >> 21 & 0x7f)));
    put8(b, (uint8_t) (0x80 | (len >> 14 & 0x7f)));
    put8(b, (uint8_t) (0x80 | (len >> 7 & 0x7f)));
    put8(b, (uint8_t) (len & 0x7f));
}


static void
put_esds(box_t *b, const lv_fmp4_track_t *t)
{
    size_t   info;
    uint8_t  type;

    info = 5 + t->config_len;
    type = 0x40;                     /* MPEG-4 audio */

    if (lv_mp3_is_config(t->config, t->config_len)) {
        info = 0;
        type = t->config[1] & 0x08 ? 0x6b : 0x69;
    }

    box_open_full(b, "esds", 0, 0);

    put_descriptor(b, 0x03, 3 + 5 + 13 + info + 5 + 1);
    put16(b, 0);                     /* ES_ID: 0 in files */
    put8(b, 0);

    put_descriptor(b, 0x04, 13 + info);
    put8(b, type);
    put8(b, 0x15);                   /* audio stream */
    put_zero(b, 3 + 4 + 4);          /* buffer size, bit rates: unknown */

    if (info) {
        put_descriptor(b, 0x05, t->config_len);
        put(b, t->config, t->config_len);
    }

    put_descriptor(b, 0x06, 1);
    put8(b, 0x02);

    box_close(b);
}


static void
put_video_entry(box_t *b, const lv_fmp4_track_t *t)
{
    put_zero(b, 16);
    put16(b, (uint16_t) t->width);
    put16(b, (uint16_t) t->height);
    put32(b, 0x00480000);            /* 72 dpi, as the standard wants */
    put32(b, 0x00480000);
    put32(b, 0);
    put16(b, 1);                     /* frames a sample */
    put_zero(b, 32);                 /* compressor name */
    put16(b, 0x0018);
    put16(b, 0xffff);
}


static void
put_audio_entry(box_t *b, const lv_fmp4_track_t *t)
{
    put_zero(b, 8);
    put16(b, (uint16_t) t->channels);
    put16(b, 16);
    put32(b, 0);
    /* 16.16 bits: a rate that does not fit is left to the configuration */
    put32(b, t->sample_rate < 65536 ? t->sample_rate << 16 : 0);
}


static void
put_stsd(box_t *b, const lv_fmp4_track_t *t)
{
    char         type[4];
    const char  *config;

    lv_put32((uint8_t *) type, t->fourcc);
    config = config_box(t->fourcc);

    if (config == NULL || t->config_len > LV_FMP4_CONFIG_MAX) {
        b->over = true;
        return;
    }

    box_open_full(b, "stsd", 0, 0);
    put32(b, 1);
    box_open(b, type);
    put_zero(b, 6);
    put16(b, 1);                     /* data reference */

    if (t->video) {
        put_video_entry(b, t);
    } else {
        put_audio_entry(b, t);
    }

    if (memcmp(config, "esds", 4) == 0) {
        put_esds(b, t);

    } else {
        box_open(b, config);
        put(b, t->config, t->config_len);
        box_close(b);
    }

    box_close(b);
    box_close(b);
}


static void
put_stbl(box_t *b, const lv_fmp4_track_t *t)
{
    static const char  *empty[] = { "stts", "stsc", "stsz", "stco" };
    unsigned            i;

    box_open(b, "stbl");
    put_stsd(b, t);

    for (i = 0; i < 4; i++) {
        box_open_full(b, empty[i], 0, 0);
        put_zero(b, i == 2 ? 8 : 4);
        box_close(b);
    }

    box_close(b);
}


static void
put_minf(box_t *b, const lv_fmp4_track_t *t)
{
    box_open(b, "minf");

    if (t->video) {
        box_open_full(b, "vmhd", 0, 1);
        put_zero(b, 8);
    } else {
        box_open_full(b, "smhd", 0, 0);
        put_zero(b, 4);
    }

    box_close(b);

    box_open(b, "dinf");
    box_open_full(b, "dref", 0, 0);
    put32(b, 1);
    box_open_full(b, "url ", 0, 1);  /* in this very file */
    box_close(b);
    box_close(b);
    box_close(b);

    put_stbl(b, t);
    box_close(b);
}


static void
put_mdia(box_t *b, const lv_fmp4_track_t *t)
{
    unsigned     i;
    uint16_t     packed;
    const char  *lang;

    lang = t->language;
    if (lang == NULL || strlen(lang) != 3) {
        lang = "und";
    }

    for (i = 0, packed = 0; i < 3; i++) {
        packed = (uint16_t) (packed << 5 | ((lang[i] - 0x60) & 0x1f));
    }

    box_open(b, "mdia");

    box_open_full(b, "mdhd", 0, 0);
    put_zero(b, 8);
    put32(b, t->timescale);
    put32(b, 0);
    put16(b, packed);
    put16(b, 0);
    box_close(b);

    box_open_full(b, "hdlr", 0, 0);
    put32(b, 0);
    put(b, t->video ? "vide" : "soun", 4);
    put_zero(b, 12);
    put(b, t->video ? "video" : "sound", 6);
    box_close(b);

    put_minf(b, t);
    box_close(b);
}


static void
put_matrix(box_t *b)
{
    put32(b, 0x00010000);
    put_zero(b, 12);
    put32(b, 0x00010000);
    put_zero(b, 12);
    put32(b, 0x40000000);
}


static void
put_trak(box_t *b, const lv_fmp4_track_t *t)
{
    box_open(b, "trak");

    box_open_full(b, "tkhd", 0, 3);  /* enabled, in the movie */
    put_zero(b, 8);
    put32(b, t->track_id);
    put_zero(b, 4 + 4 + 8);
    put16(b, 0);
    put16(b, t->video ? 0 : 1);      /* alternatives of each other */
    put16(b, t->video ? 0 : 0x0100);
    put16(b, 0);
    put_matrix(b);
    put32(b, t->video ? t->width << 16 : 0);
    put32(b, t->video ? t->height << 16 : 0);
    box_close(b);

    put_mdia(b, t);
    box_close(b);
}


static void
put_trex(box_t *b, uint32_t track_id)
{
    box_open_full(b, "trex", 0, 0);
    put32(b, track_id);
    put32(b, 1);                     /* sample description */
    put_zero(b, 12);
    box_close(b);
}


static void
put_ftyp(box_t *b, unsigned tracks)
{
    box_open(b, "ftyp");
    put(b, "iso6", 4);
    put32(b, 0);
    put(b, "iso6mp41", 8);

    if (tracks == 1) {
        put(b, "cmfc", 4);           /* a CMAF file has one track */
    }

    box_close(b);
}


static void
put_mvhd(box_t *b, uint32_t next_track)
{
    box_open_full(b, "mvhd", 0, 0);
    put_zero(b, 8);
    put32(b, 1000);
    put32(b, 0);
    put32(b, 0x00010000);
    put16(b, 0x0100);
    put_zero(b, 10);
    put_matrix(b);
    put_zero(b, 24);
    put32(b, next_track);
    box_close(b);
}


int
lv_fmp4_init(uint8_t *buf, size_t size, const lv_fmp4_track_t *track,
    unsigned n)
{
    box_t     b;
    unsigned  i;
    uint32_t  next;

    if (n == 0 || n > LV_FMP4_TRACKS) {
        return LV_ERROR;
    }

    for (i = 0, next = 1; i < n; i++) {
        if (track[i].track_id >= next) {
            next = track[i].track_id + 1;
        }
    }

    box_init(&b, buf, size);
    put_ftyp(&b, n);

    box_open(&b, "moov");
    put_mvhd(&b, next);

    for (i = 0; i < n; i++) {
        put_trak(&b, &track[i]);
    }

    box_open(&b, "mvex");

    for (i = 0; i < n; i++) {
        put_trex(&b, track[i].track_id);
    }

    box_close(&b);
    box_close(&b);

    return box_done(&b);
}


/* ---- merging ----------------------------------------------------------- */

/* The first box of that type among the boxes in [p, end), whole; NULL: none,
 * or the boxes are damaged. */
static const uint8_t *
box_find(const uint8_t *p, const uint8_t *end, const char *type, uint32_t *len)
{
    uint32_t  n;

    while (end - p >= 8) {
        n = lv_be32(p);

        if (n < 8 || n > (size_t) (end - p)) {
            return NULL;
        }

        if (memcmp(p + 4, type, 4) == 0) {
            *len = n;
            return p;
        }

        p += n;
    }

    return NULL;
}


static int
init_parts(const uint8_t *init, size_t len, const uint8_t **trak,
    uint32_t *trak_len, const uint8_t **trex, uint32_t *trex_len)
{
    uint32_t        n;
    const uint8_t  *moov, *mvex;

    moov = box_find(init, init + len, "moov", &n);
    if (moov == NULL) {
        return LV_ERROR;
    }

    *trak = box_find(moov + 8, moov + n, "trak", trak_len);
    mvex = box_find(moov + 8, moov + n, "mvex", &n);

    if (*trak == NULL || mvex == NULL) {
        return LV_ERROR;
    }

    *trex = box_find(mvex + 8, mvex + n, "trex", trex_len);

    return *trex && *trex_len >= 16 ? LV_OK : LV_ERROR;
}


int
lv_fmp4_init_merge(uint8_t *buf, size_t size, const lv_str_t *init, unsigned n)
{
    box_t           o;
    uint32_t        trak_len[LV_FMP4_TRACKS], trex_len[LV_FMP4_TRACKS];
    uint32_t        id[LV_FMP4_TRACKS], most;
    unsigned        i, k;
    const uint8_t  *trak[LV_FMP4_TRACKS], *trex[LV_FMP4_TRACKS];

    if (n == 0 || n > LV_FMP4_TRACKS) {
        return LV_ERROR;
    }

    for (i = 0, most = 0; i < n; i++) {

        if (init_parts(init[i].data, init[i].len, &trak[i], &trak_len[i],
                       &trex[i], &trex_len[i])
            != LV_OK)
        {
            return LV_ERROR;
        }

        id[i] = lv_be32(trex[i] + 12);
        most = id[i] > most ? id[i] : most;

        for (k = 0; k < i; k++) {
            if (id[k] == id[i]) {
                return LV_ERROR;
            }
        }
    }

    box_init(&o, buf, size);
    put_ftyp(&o, n);

    box_open(&o, "moov");
    put_mvhd(&o, most + 1);

    for (i = 0; i < n; i++) {
        put(&o, trak[i], trak_len[i]);
    }

    box_open(&o, "mvex");

    for (i = 0; i < n; i++) {
        put(&o, trex[i], trex_len[i]);
    }

    box_close(&o);
    box_close(&o);

    return box_done(&o);
}


/* ---- part head --------------------------------------------------------- */

/* What differs between the samples, and so has a column in the trun. */
static uint32_t
trun_columns(const lv_fmp4_sample_t *s, unsigned n)
{
    unsigned  i;
    uint32_t  flags;

    flags = TRUN_OFFSET;

    if (s[0].cts) {
        flags |= TRUN_CTS;
    }

    for (i = 1; i < n; i++) {
        if (s[i].duration != s[0].duration) {
            flags |= TRUN_DURATION;
        }

        if (s[i].size != s[0].size) {
            flags |= TRUN_SIZE;
        }

        if (s[i].cts) {
            flags |= TRUN_CTS;
        }

        if (s[i].key != s[n - 1].key) {
            flags |= TRUN_FLAGS;
        }
    }

    /* only the first one is another: it has a field of its own */
    if (!(flags & TRUN_FLAGS) && s[0].key != s[n - 1].key) {
        flags |= TRUN_FIRST;
    }

    return flags;
}


static uint32_t
sample_flags(bool key)
{
    return key ? SAMPLE_KEY : SAMPLE_DELTA;
}


static void
put_trun(box_t *b, uint32_t flags, const lv_fmp4_sample_t *s, unsigned n,
    size_t *data_offset)
{
    unsigned  i;

    /* version 1: composition offsets are signed */
    box_open_full(b, "trun", flags & TRUN_CTS ? 1 : 0, flags);
    put32(b, n);

    *data_offset = (size_t) (b->p - b->base);
    put32(b, 0);

    if (flags & TRUN_FIRST) {
        put32(b, sample_flags(s[0].key));
    }

    for (i = 0; i < n; i++) {
        if (flags & TRUN_DURATION) {
            put32(b, s[i].duration);
        }

        if (flags & TRUN_SIZE) {
            put32(b, s[i].size);
        }

        if (flags & TRUN_FLAGS) {
            put32(b, sample_flags(s[i].key));
        }

        if (flags & TRUN_CTS) {
            put32(b, (uint32_t) s[i].cts);
        }
    }

    box_close(b);
}


int
lv_fmp4_head(uint8_t *buf, size_t size, uint32_t sequence, uint32_t track_id,
    uint64_t tfdt, const lv_fmp4_sample_t *s, unsigned n)
{
    box_t     b;
    size_t    data_offset;
    unsigned  i;
    uint32_t  columns, tfhd;
    uint64_t  bytes;

    if (n == 0) {
        return LV_ERROR;
    }

    for (i = 0, bytes = 8; i < n; i++) {
        bytes += s[i].size;
    }

    if (bytes > UINT32_MAX) {
        return LV_ERROR;
    }

    columns = trun_columns(s, n);
    tfhd = TFHD_BASE_MOOF | TFHD_FLAGS
           | (columns & TRUN_DURATION ? 0 : TFHD_DURATION)
           | (columns & TRUN_SIZE ? 0 : TFHD_SIZE);

    box_init(&b, buf, size);

    box_open(&b, "moof");
    box_open_full(&b, "mfhd", 0, 0);
    put32(&b, sequence);
    box_close(&b);

    box_open(&b, "traf");
    box_open_full(&b, "tfhd", 0, tfhd);
    put32(&b, track_id);

    if (tfhd & TFHD_DURATION) {
        put32(&b, s[0].duration);
    }

    if (tfhd & TFHD_SIZE) {
        put32(&b, s[0].size);
    }

    put32(&b, sample_flags(s[n - 1].key));
    box_close(&b);

    box_open_full(&b, "tfdt", 1, 0);
    put64(&b, tfdt);
    box_close(&b);

    put_trun(&b, columns, s, n, &data_offset);
    box_close(&b);
    box_close(&b);

    put32(&b, (uint32_t) bytes);
    put(&b, "mdat", 4);

    if (!b.over) {
        lv_put32(buf + data_offset, (uint32_t) (b.p - b.base));
    }

    return box_done(&b);
}
