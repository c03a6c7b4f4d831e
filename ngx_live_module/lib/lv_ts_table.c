#include <stdio.h>

#include "lv_ts_int.h"

/*
 * A program map section, 2.4.4.8:
 *
 *   … 12 bytes, the last two 1111 and the length of the program's descriptors
 *   { stream_type | 111 PID | 1111 length | descriptors } …
 *   CRC
 *
 * A descriptor is tag | length | bytes.
 */

#define LV_TS_D_REGISTRATION  0x05
#define LV_TS_D_METADATA      0x26
#define LV_TS_D_AC3           0x6a
#define LV_TS_D_EAC3          0x7a
#define LV_TS_D_DTS           0x7b
#define LV_TS_D_EXTENSION     0x7f
#define LV_TS_DX_OPUS         0x80

/* Descriptors, as far as they say what a stream is. */
typedef struct {
    uint32_t  format;            /* registration, or metadata format: 0 none */
    bool      ac3, eac3, dts;
    uint8_t   channels;
} lv_ts_said_t;


bool
lv_ts_codec_is_video(lv_ts_codec_t c)
{
    return c == LV_TS_H264 || c == LV_TS_HEVC;
}


bool
lv_ts_codec_is_audio(lv_ts_codec_t c)
{
    return c >= LV_TS_AAC && c <= LV_TS_EAC3;
}


/* ---- reading ----------------------------------------------------------- */

static void
lv_ts_descriptors(lv_ts_said_t *d, const uint8_t *p, size_t n)
{
    size_t  len;

    memset(d, 0, sizeof(lv_ts_said_t));

    for ( /* void */ ; n >= 2 && n - 2 >= p[1]; n -= len, p += len) {
        len = 2u + p[1];

        switch (p[0]) {

        case LV_TS_D_REGISTRATION:
            if (p[1] >= 4) {
                d->format = lv_be32(p + 2);
            }

            break;

        case LV_TS_D_METADATA:
            /* application 0xffff: four bytes of its own; format 0xff: four
             * bytes say which */
            if (p[1] >= 11 && lv_be16(p + 2) == 0xffff && p[8] == 0xff) {
                d->format = lv_be32(p + 9);

            } else if (p[1] >= 7 && lv_be16(p + 2) != 0xffff && p[4] == 0xff) {
                d->format = lv_be32(p + 5);
            }

            break;

        case LV_TS_D_AC3:
            d->ac3 = true;
            break;

        case LV_TS_D_EAC3:
            d->eac3 = true;
            break;

        case LV_TS_D_DTS:
            d->dts = true;
            break;

        case LV_TS_D_EXTENSION:
            if (p[1] >= 2 && p[2] == LV_TS_DX_OPUS) {
                d->channels = p[3];
            }

            break;
        }
    }
}


/* Streams of private data, and of metadata: the registration says. */
static void
lv_ts_private(lv_ts_item_t *item, const lv_ts_said_t *d)
{
    unsigned  i;

    static const struct {
        uint32_t       format;
        lv_ts_codec_t  codec;
        const char    *name;
    } formats[] = {                          /* video first */
        { LV_FOURCC('A', 'V', '0', '1'), LV_TS_REFUSED, "AV1" },
        { LV_FOURCC('V', 'P', '0', '9'), LV_TS_REFUSED, "VP9" },
        { LV_FOURCC('H', 'E', 'V', 'C'), LV_TS_HEVC, NULL },
        { LV_FOURCC('O', 'p', 'u', 's'), LV_TS_OPUS, NULL },
        { LV_FOURCC('A', 'C', '-', '3'), LV_TS_AC3, NULL },
        { LV_FOURCC('E', 'A', 'C', '3'), LV_TS_EAC3, NULL },
        { LV_FOURCC('K', 'L', 'V', 'A'), LV_TS_KLV, NULL },
        { LV_FOURCC('I', 'D', '3', ' '), LV_TS_ID3, NULL },
        { LV_FOURCC('B', 'S', 'S', 'D'), LV_TS_REFUSED, "SMPTE 302M" },
        { LV_FOURCC('D', 'T', 'S', '1'), LV_TS_REFUSED, "DTS" },
        { LV_FOURCC('D', 'T', 'S', '2'), LV_TS_REFUSED, "DTS" },
        { LV_FOURCC('D', 'T', 'S', '3'), LV_TS_REFUSED, "DTS" }
    };

    for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (d->format == formats[i].format) {
            item->codec = formats[i].codec;
            item->name = formats[i].name;
            item->video = i < 2;
            return;
        }
    }

    if (d->ac3) {
        item->codec = LV_TS_AC3;

    } else if (d->eac3) {
        item->codec = LV_TS_EAC3;

    } else if (d->dts) {
        item->codec = LV_TS_REFUSED;
        item->name = "DTS";
    }
}


/* stream_type, table 2-34; 0x81 and 0x87 ATSC A/53 part 3. */
static void
lv_ts_item(lv_ts_item_t *item, const lv_ts_said_t *d, uint32_t program_format)
{
    static const char *const  refused[256] = {
        [0x01] = "MPEG-1 video", [0x02] = "MPEG-2 video",
        [0x10] = "MPEG-4 part 2", [0x1c] = "raw MPEG-4 audio",
        [0x21] = "JPEG 2000", [0x32] = "JPEG XS", [0x33] = "VVC",
        [0x34] = "VVC", [0x35] = "EVC", [0x42] = "AVS",
        [0x80] = "PCM", [0x82] = "DTS", [0x83] = "TrueHD", [0x85] = "DTS-HD",
        [0x8a] = "DTS", [0xcf] = "encrypted AAC", [0xc1] = "encrypted AC-3",
        [0xc2] = "encrypted E-AC-3", [0xd1] = "Dirac", [0xd2] = "AVS2",
        [0xd4] = "AVS3", [0xdb] = "encrypted H.264", [0xea] = "VC-1"
    };

    item->codec = LV_TS_UNKNOWN;
    item->name = refused[item->type];
    item->channels = d->channels;

    if (item->name) {
        item->codec = LV_TS_REFUSED;
        item->video = item->type < 0x80 ? item->type != 0x1c
                                        : item->type > 0xcf;
        return;
    }

    switch (item->type) {

    case 0x03: case 0x04:
        item->codec = LV_TS_MP3;
        return;

    case 0x06: case 0x15:
        lv_ts_private(item, d);
        return;

    case 0x0f:
        item->codec = LV_TS_AAC;
        return;

    case 0x11:
        item->codec = LV_TS_LATM;
        return;

    case 0x1b:
        item->codec = LV_TS_H264;
        return;

    case 0x24:
        item->codec = LV_TS_HEVC;
        return;

    case 0x81:
        item->codec = LV_TS_AC3;
        return;

    case 0x84: case 0x87:
        item->codec = LV_TS_EAC3;
        return;

    case 0x86:
        /* on Blu-ray the number means DTS-HD */
        if (program_format != LV_FOURCC('H', 'D', 'M', 'V')) {
            item->codec = LV_TS_SCTE35;
        }

        return;
    }
}


int
lv_ts_table_read(const uint8_t *p, size_t len, lv_ts_item_t *item,
    uint16_t *pcr_pid)
{
    int            n;
    size_t         at, info;
    lv_ts_said_t   said, program;
    lv_ts_item_t  *it;

    len -= 4;                                /* the CRC */

    if (len < 12) {
        return LV_ERROR;
    }

    *pcr_pid = lv_be16(p + 8) & 0x1fff;
    info = lv_be16(p + 10) & 0x0fff;

    if (info > len - 12) {
        return LV_ERROR;
    }

    lv_ts_descriptors(&program, p + 12, info);
    n = 0;

    for (at = 12 + info; len - at >= 5; at += 5 + info) {
        info = lv_be16(p + at + 3) & 0x0fff;

        if (info > len - at - 5) {
            return LV_ERROR;
        }

        if (n == LV_TS_STREAMS) {
            break;
        }

        it = &item[n++];
        it->type = p[at];
        it->pid = lv_be16(p + at + 1) & 0x1fff;

        lv_ts_descriptors(&said, p + at + 5, info);
        lv_ts_item(it, &said, program.format);
    }

    return n;
}


/* ---- applying ---------------------------------------------------------- */

void
lv_ts_stream_free(lv_ts_t *ts, unsigned i)
{
    lv_ts_stream_t  *s;

    s = &ts->stream[i];

    if (s->video) {
        lv_ts_video_flush(ts, s);
    }

    if (s->pid) {
        lv_ts_pid_drop(ts, s->pid);
    }

    if (!ts->failed && (s->video || s->audio)) {
        ts->sink.gone(ts->ctx, i);
    }

    free(s->video);
    free(s->audio);
    free(s->meta);
    memset(s, 0, sizeof(lv_ts_stream_t));
}


void
lv_ts_program_info(const lv_ts_t *ts, lv_ts_program_info_t *info)
{
    unsigned  i;

    memset(info, 0, sizeof(lv_ts_program_info_t));

    if (ts->chosen < 0 || !ts->table) {
        return;
    }

    info->chosen = true;
    info->number = ts->program[ts->chosen].number;
    info->refused = ts->refused;
    info->refused_video = ts->refused_video;

    for (i = 0; i < LV_TS_STREAMS; i++) {
        info->videos += ts->stream[i].video != NULL;
        info->audios += ts->stream[i].audio && !ts->stream[i].audio->useless;
    }
}


static const char *
lv_ts_codec_name(const lv_ts_item_t *item)
{
    static const char *const  names[] = {
        [LV_TS_UNKNOWN] = "unknown", [LV_TS_H264] = "H.264",
        [LV_TS_HEVC] = "HEVC", [LV_TS_AAC] = "AAC", [LV_TS_LATM] = "AAC (LATM)",
        [LV_TS_OPUS] = "Opus", [LV_TS_MP3] = "MPEG audio",
        [LV_TS_AC3] = "AC-3", [LV_TS_EAC3] = "E-AC-3",
        [LV_TS_SCTE35] = "SCTE-35", [LV_TS_ID3] = "ID3", [LV_TS_KLV] = "KLV"
    };

    return item->codec == LV_TS_REFUSED ? item->name : names[item->codec];
}


static unsigned
lv_ts_streams(const lv_ts_t *ts, bool (*is)(lv_ts_codec_t c))
{
    unsigned  i, n;

    n = 0;

    for (i = 0; i < LV_TS_STREAMS; i++) {
        n += ts->stream[i].used && is(ts->stream[i].item.codec);
    }

    return n;
}


static bool
lv_ts_stream_alloc(lv_ts_stream_t *s)
{
    lv_ts_codec_t  c;

    c = s->item.codec;

    if (lv_ts_codec_is_video(c)) {
        s->video = calloc(1, sizeof(lv_ts_video_t));

        if (s->video == NULL) {
            return false;
        }

        s->video->hevc = c == LV_TS_HEVC;
        s->video->awaiting = true;
        return true;
    }

    if (lv_ts_codec_is_audio(c)) {
        s->audio = calloc(1, sizeof(lv_ts_audio_t));

        if (s->audio == NULL) {
            return false;
        }

        s->audio->channels = s->item.channels;
        s->audio->codec = c;
        return true;
    }

    if (c == LV_TS_SCTE35) {
        return true;
    }

    s->meta = calloc(1, sizeof(lv_ts_metabuf_t));

    return s->meta != NULL;
}


static void
lv_ts_stream_add(lv_ts_t *ts, const lv_ts_item_t *item)
{
    unsigned         i;
    lv_ts_pid_t     *e;
    lv_ts_stream_t  *s;

    if (item->codec == LV_TS_UNKNOWN) {
        return;
    }

    if (item->codec == LV_TS_REFUSED) {
        lv_ts_tell(ts, LV_TS_REFUSED_STREAM, "%s on PID %u is not supported",
                   item->name, item->pid);
        ts->refused = item->name;
        ts->refused_video = item->video ? item->name : ts->refused_video;
        return;
    }

    if ((lv_ts_codec_is_video(item->codec)
         && lv_ts_streams(ts, lv_ts_codec_is_video) >= ts->conf.videos)
        || (lv_ts_codec_is_audio(item->codec)
            && lv_ts_streams(ts, lv_ts_codec_is_audio) >= ts->conf.audios))
    {
        lv_ts_tell(ts, LV_TS_REFUSED_STREAM, "%s on PID %u is left out: one of"
                   " its kind is used", lv_ts_codec_name(item), item->pid);
        return;
    }

    for (i = 0; i < LV_TS_STREAMS && ts->stream[i].used; i++) {
        /* void */
    }

    if (i == LV_TS_STREAMS) {
        return;
    }

    e = lv_ts_pid_take(ts, item->pid, LV_TS_PID_STREAM);

    if (e == NULL) {
        lv_ts_broken(ts, "a program table", item->pid);
        return;
    }

    s = &ts->stream[i];
    s->used = true;
    s->item = *item;
    s->pid = e;
    e->stream = (uint8_t) i;

    if (!lv_ts_stream_alloc(s)) {
        lv_ts_pid_drop(ts, e);
        memset(s, 0, sizeof(lv_ts_stream_t));
    }
}


static void
lv_ts_table_tell(lv_ts_t *ts, const lv_ts_item_t *item, unsigned n)
{
    int       len;
    char      text[200];
    size_t    used;
    unsigned  i;

    used = 0;
    text[0] = '\0';

    for (i = 0; i < n && used < sizeof(text) - 1; i++) {
        len = snprintf(text + used, sizeof(text) - used, "%s%s",
                       i ? ", " : "", lv_ts_codec_name(&item[i]));
        used += len > 0 ? (size_t) len : 0;
    }

    lv_ts_tell(ts, LV_TS_PROGRAM, "program %u: %s",
               ts->program[ts->chosen].number, n ? text : "nothing");
}


/* What stays keeps its state: a table that only says the same in other words
 * disturbs nobody. */
void
lv_ts_table_apply(lv_ts_t *ts, const lv_ts_item_t *item, unsigned n,
    uint16_t pcr_pid)
{
    bool             known[LV_TS_STREAMS];
    unsigned         i, k;
    lv_ts_pid_t     *e;
    lv_ts_stream_t  *s;

    memset(known, 0, sizeof(known));

    if (ts->pcr_pid < LV_TS_PID_NULL && ts->map[ts->pcr_pid]) {
        e = &ts->pid[ts->map[ts->pcr_pid] - 1];

        if (e->type == LV_TS_PID_PCR) {
            lv_ts_pid_drop(ts, e);
        }
    }

    for (i = 0; i < LV_TS_STREAMS; i++) {
        s = &ts->stream[i];
        s->keep = false;

        for (k = 0; k < n && s->used; k++) {
            if (!known[k] && s->item.pid == item[k].pid
                && s->item.codec == item[k].codec
                && s->item.channels == item[k].channels)
            {
                s->keep = known[k] = true;
                break;
            }
        }

        if (s->used && !s->keep) {
            lv_ts_stream_free(ts, i);
        }
    }

    lv_ts_table_tell(ts, item, n);
    ts->refused = ts->refused_video = NULL;

    for (k = 0; k < n && !ts->failed; k++) {
        if (!known[k]) {
            lv_ts_stream_add(ts, &item[k]);
        }
    }

    if (pcr_pid != ts->pcr_pid) {
        ts->pcr_pid = pcr_pid;
        ts->pcr_set = false;
    }

    (void) lv_ts_pid_take(ts, pcr_pid, LV_TS_PID_PCR);
}
