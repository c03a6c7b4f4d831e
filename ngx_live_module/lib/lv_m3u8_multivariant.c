/* The multivariant playlist: RFC 8216bis 4.4.6. */

#include "lv_m3u8.h"


static uint64_t
lv_m3u8_peak(const lv_track_desc_t *d)
{
    return d->peak_bps > d->avg_bps ? d->peak_bps : d->avg_bps;
}


/* RFC 8216bis 4.4.6.2, VIDEO-RANGE; SDR is what its absence means. */
static void
lv_m3u8_range(lv_text_t *out, const lv_track_desc_t *v)
{
    if (v && v->transfer == 16) {
        lv_text_lit(out, ",VIDEO-RANGE=PQ");

    } else if (v && v->transfer == 18) {
        lv_text_lit(out, ",VIDEO-RANGE=HLG");
    }
}


/* BANDWIDTH to FRAME-RATE of a variant of `v` (or NULL) and `a` (or NULL).
 * The largest audio of a group counts (4.4.6.2: the sum of the largest). */
static void
lv_m3u8_stream_inf(lv_text_t *out, const lv_track_desc_t *v,
    const lv_track_desc_t *a, const char *group)
{
    uint64_t  peak, avg;

    peak = (v ? lv_m3u8_peak(v) : 0) + (a ? lv_m3u8_peak(a) : 0);
    avg = (v ? v->avg_bps : 0) + (a ? a->avg_bps : 0);

    /* BANDWIDTH is required and 0 is of no use to a player */
    lv_text_lit(out, "#EXT-X-STREAM-INF:BANDWIDTH=");
    lv_text_uint(out, peak ? peak : 1);

    if (avg) {
        lv_text_lit(out, ",AVERAGE-BANDWIDTH=");
        lv_text_uint(out, avg);
    }

    lv_text_lit(out, ",CODECS=\"");

    if (v) {
        lv_text_str(out, v->codecs);
    }

    if (a && (v == NULL || strcmp(v->codecs, a->codecs) != 0)) {
        lv_text_str(out, v ? "," : "");
        lv_text_str(out, a->codecs);
    }

    lv_text_lit(out, "\"");

    if (v && v->width && v->height) {
        lv_text_lit(out, ",RESOLUTION=");
        lv_text_uint(out, v->width);
        lv_text_lit(out, "x");
        lv_text_uint(out, v->height);
    }

    if (v && v->rate_milli) {
        lv_text_lit(out, ",FRAME-RATE=");
        lv_text_seconds(out, (uint64_t) v->rate_milli * 1000);
    }

    lv_m3u8_range(out, v);

    if (group) {
        lv_text_lit(out, ",AUDIO=\"");
        lv_text_str(out, group);
        lv_text_lit(out, "\"");
    }

    /* without them nothing is said: they may begin at any time */
    if (v && v->captions) {
        lv_text_lit(out, ",CLOSED-CAPTIONS=\"cc\"");
    }

    lv_text_lit(out, "\n");
}


/* Sound that browsers' media sources do not take in MP4: AC-3, E-AC-3, MP3. A
 * player that meets a codec it cannot play drops the variant, its video
 * included. */
static bool
lv_m3u8_for_some(const lv_track_desc_t *d)
{
    return strncmp(d->codecs, "ac-3", 4) == 0
           || strncmp(d->codecs, "ec-3", 4) == 0
           || (strncmp(d->codecs, "mp4a", 4) == 0
               && strncmp(d->codecs, "mp4a.40", 7) != 0);
}


static void
lv_m3u8_audio_media(lv_text_t *out, const lv_track_desc_t *d, bool first)
{
    lv_text_lit(out, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=");
    lv_text_quoted(out, d->language[0] ? d->language : d->name);

    if (d->language[0]) {
        lv_text_lit(out, ",LANGUAGE=");
        lv_text_quoted(out, d->language);
    }

    lv_text_str(out, first ? ",DEFAULT=YES,AUTOSELECT=YES"
                           : ",DEFAULT=NO,AUTOSELECT=YES");

    if (d->channels) {
        lv_text_lit(out, ",CHANNELS=\"");
        lv_text_uint(out, d->channels);
        lv_text_lit(out, "\"");
    }

    lv_text_lit(out, ",URI=\"");
    lv_text_str(out, d->name);
    lv_text_lit(out, "/index.m3u8\"\n");
}


/* What is in the video itself: every video track is the same picture. */
static void
lv_m3u8_captions(lv_text_t *out, const lv_m3u8_stream_t *m)
{
    unsigned  i, captions;

    static const struct {
        unsigned     bit;
        const char  *id;
    } ids[] = {
        { LV_CAPTIONS_CC1, "CC1" },
        { LV_CAPTIONS_CC3, "CC3" },
        { LV_CAPTIONS_708, "SERVICE1" }
    };

    captions = 0;

    for (i = 0; i < m->tracks; i++) {
        captions |= m->track[i].captions;
    }

    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {

        if (captions & ids[i].bit) {
            lv_text_lit(out, "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,"
                             "GROUP-ID=\"cc\",NAME=\"");
            lv_text_str(out, ids[i].id);
            lv_text_lit(out, "\",AUTOSELECT=YES,INSTREAM-ID=\"");
            lv_text_str(out, ids[i].id);
            lv_text_lit(out, "\"\n");
        }
    }
}


static void
lv_m3u8_uri(lv_text_t *out, const char *name)
{
    lv_text_str(out, name);
    lv_text_lit(out, "/index.m3u8\n");
}


void
lv_m3u8_multivariant(lv_text_t *out, const lv_m3u8_stream_t *m)
{
    bool                    captions, silent;
    unsigned                i, videos;
    const lv_track_desc_t  *d, *audio;

    captions = false;
    silent = false;

    for (i = 0; i < m->tracks; i++) {
        captions |= m->track[i].captions & LV_CAPTIONS_708;
    }

    /* "SERVICE1" wants version 7 (RFC 8216bis 8) */
    lv_text_str(out, captions ? "#EXTM3U\n#EXT-X-VERSION:7\n"
                              : "#EXTM3U\n#EXT-X-VERSION:6\n");
    lv_m3u8_captions(out, m);

    if (m->muxed) {
        lv_m3u8_stream_inf(out, &m->track[0], &m->track[1], NULL);
        lv_m3u8_uri(out, LV_HLS_MUXED);
        return;
    }

    videos = 0;
    audio = NULL;

    for (i = 0; i < m->tracks; i++) {
        d = &m->track[i];

        if (d->kind == LV_KIND_VIDEO) {
            videos++;
            continue;
        }

        /* the picture alone for those that cannot play the sound */
        silent |= lv_m3u8_for_some(d);

        if (audio == NULL || lv_m3u8_peak(d) > lv_m3u8_peak(audio)) {
            audio = d;
        }
    }

    if (videos && audio) {
        bool  first = true;

        for (i = 0; i < m->tracks; i++) {
            if (m->track[i].kind == LV_KIND_AUDIO) {
                lv_m3u8_audio_media(out, &m->track[i], first);
                first = false;
            }
        }
    }

    for (i = 0; i < m->tracks; i++) {
        d = &m->track[i];

        if (d->kind == LV_KIND_VIDEO) {
            lv_m3u8_stream_inf(out, d, audio, audio ? "audio" : NULL);
            lv_m3u8_uri(out, d->name);

            if (silent) {
                lv_m3u8_stream_inf(out, d, NULL, NULL);
                lv_m3u8_uri(out, d->name);
            }

        } else if (videos == 0) {
            lv_m3u8_stream_inf(out, NULL, d, NULL);
            lv_m3u8_uri(out, d->name);
        }
    }
}


int
lv_m3u8_render_multivariant(lv_text_t *out, lv_store_t *st, lv_stream_t *s)
{
    unsigned          i, n;
    lv_track_t       *t;
    lv_part_ref_t     ref;
    lv_hls_source_t   src;
    lv_track_desc_t  *d;
    lv_m3u8_stream_t  m;

    memset(&m, 0, sizeof(m));

    if (lv_hls_is_muxed(st, s)
        && lv_hls_source(st, s, LV_HLS_MUXED, sizeof(LV_HLS_MUXED) - 1, &src)
           == LV_OK
        && lv_track_desc(src.track, &m.track[0]) == LV_OK
        && lv_track_desc(src.audio, &m.track[1]) == LV_OK
        && !lv_m3u8_for_some(&m.track[1]))
    {
        m.muxed = true;
        m.tracks = 2;

    } else {
        n = atomic_load_explicit(&s->track_count, memory_order_acquire);

        for (i = 0; i < n && i < LV_STREAM_TRACKS; i++) {
            t = lv_stream_track_at(st, s, i);
            d = &m.track[m.tracks];

            if (t && lv_track_newest(st, t, &ref) == LV_OK
                && lv_track_desc(t, d) == LV_OK)
            {
                m.tracks++;
            }
        }
    }

    if (m.tracks == 0) {
        return LV_AGAIN;
    }

    lv_m3u8_multivariant(out, &m);

    return out->failed ? LV_ERROR : LV_OK;
}
