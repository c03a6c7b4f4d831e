#include "lv_mp3.h"


int
lv_mp3_parse(lv_mp3_t *m, const uint8_t *p, size_t len)
{
    unsigned  version, rate, sample;

    static const uint16_t  kbps[2][15] = {
        { 0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320 },
        { 0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160 }
    };
    static const uint32_t  rates[3] = { 44100, 48000, 32000 };

    memset(m, 0, sizeof(lv_mp3_t));

    if (len < LV_MP3_HEADER || p[0] != 0xff || (p[1] & 0xe0) != 0xe0) {
        return LV_ERROR;
    }

    version = (p[1] >> 3) & 3;               /* 0: 2.5, 2: MPEG-2, 3: MPEG-1 */
    rate = p[2] >> 4;
    sample = (p[2] >> 2) & 3;

    if (version == 1 || ((p[1] >> 1) & 3) != 1 || rate == 0 || rate == 15
        || sample == 3)
    {
        return LV_ERROR;
    }

    m->mpeg2 = version != 3;
    m->kbps = kbps[m->mpeg2][rate];
    m->sample_rate = rates[sample] >> (version == 3 ? 0 : version == 2 ? 1 : 2);
    m->samples = m->mpeg2 ? 576 : 1152;
    m->channels = (p[3] >> 6) == 3 ? 1 : 2;
    m->frame_len = m->samples / 8 * m->kbps * 1000 / m->sample_rate
                   + ((p[2] >> 1) & 1);

    /* not: protection, bit rate, padding, private bit, joint stereo's mode,
     * copyright, emphasis */

    m->config[0] = 0xff;
    m->config[1] = p[1] | 1;
    m->config[2] = p[2] & 0x0c;
    m->config[3] = m->channels == 1 ? 0xc0 : 0;

    return LV_OK;
}


void
lv_mp3_codec_string(const lv_mp3_t *m, char *out)
{
    memcpy(out, m->mpeg2 ? "mp4a.69" : "mp4a.6B", 8);
}
