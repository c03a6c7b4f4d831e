/* Silent AAC frames; see lv_aac_silence.h. */

#include "lv_aac.h"
#include "lv_bits.h"
#include "lv_aac_silence.h"

/* id_syn_ele, 14496-3 table 4.85 */
enum { ID_SCE = 0, ID_CPE = 1, ID_LFE = 3, ID_END = 7 };

typedef struct {
    uint8_t  *p;
    unsigned  pos;               /* bits */
} out_t;


static void
put_bits(out_t *o, unsigned n, uint32_t v)
{
    while (n-- > 0) {
        o->p[o->pos / 8] |= (uint8_t) ((v >> n & 1) << (7 - o->pos % 8));
        o->pos++;
    }
}


static void
put_ics_info(out_t *o)
{
    put_bits(o, 1, 0);           /* reserved */
    put_bits(o, 2, 0);           /* ONLY_LONG_SEQUENCE */
    put_bits(o, 1, 1);           /* KBD window */
    put_bits(o, 6, 0);           /* max_sfb */
    put_bits(o, 1, 0);           /* no predictor data */
}


/* individual_channel_stream() behind its ics_info: with max_sfb 0 there are no
 * sections, no scale factors and no spectral data. */
static void
put_channel(out_t *o, bool with_info)
{
    put_bits(o, 8, 0);           /* global_gain */

    if (with_info) {
        put_ics_info(o);
    }

    put_bits(o, 3, 0);           /* no pulse data, no TNS, no gain control */
}


static void
put_element(out_t *o, unsigned id, unsigned tag)
{
    put_bits(o, 3, id);
    put_bits(o, 4, tag);

    if (id == ID_CPE) {
        put_bits(o, 1, 1);       /* common_window */
        put_ics_info(o);
        put_bits(o, 2, 0);       /* ms_mask_present */
        put_channel(o, false);
        put_channel(o, false);

    } else {
        put_channel(o, true);
    }
}


/* The elements that a program_config_element() lists (14496-3 4.4.1.1), behind
 * a plain GASpecificConfig() header. */
static bool
put_program(out_t *o, const uint8_t *config, size_t len)
{
    unsigned   i, n, lfe, id;
    lv_bits_t  b;

    lv_bits_init(&b, config, len);

    if (lv_bits_get(&b, 5) != LV_AOT_LC) {
        return false;
    }

    if (lv_bits_get(&b, 4) == 15) {
        lv_bits_skip(&b, 24);
    }

    /* channel configuration, frame length, no core coder, no extension */
    if (lv_bits_get(&b, 4) != 0 || (lv_bits_get(&b, 3) & 3)) {
        return false;
    }

    lv_bits_skip(&b, 4 + 2 + 4);
    n = lv_bits_get(&b, 4);              /* front, side, back */
    n += lv_bits_get(&b, 4);
    n += lv_bits_get(&b, 4);
    lfe = lv_bits_get(&b, 2);
    lv_bits_skip(&b, 3);

    if (lv_bits_get(&b, 4) != 0 || n > 6 || n + lfe == 0) {
        return false;
    }

    lv_bits_skip(&b, lv_bits_get(&b, 1) * 4);    /* mixdowns */
    lv_bits_skip(&b, lv_bits_get(&b, 1) * 4);
    lv_bits_skip(&b, lv_bits_get(&b, 1) * 3);

    for (i = 0; i < n; i++) {
        id = lv_bits_get(&b, 1) ? ID_CPE : ID_SCE;
        put_element(o, id, lv_bits_get(&b, 4));
    }

    for (i = 0; i < lfe; i++) {
        put_element(o, ID_LFE, lv_bits_get(&b, 4));
    }

    return !b.over;
}


int
lv_aac_silence(uint8_t out[LV_AAC_SILENCE_MAX], const uint8_t *config,
    size_t config_len)
{
    /* the elements of each channel configuration, 14496-3 table 1.19 */
    static const char  *layout[] = {
        NULL, "s", "p", "sp", "sps", "spp", "sppl", "spppl",
        NULL, NULL, NULL, "sppsl", "spppl", NULL, "spplp"
    };
    unsigned     i, tag[4], id;
    out_t        o;
    lv_aac_t     aac;
    const char  *err, *l;

    if (lv_aac_config_parse(&aac, config, config_len, &err) != LV_OK
        || (aac.object_type != LV_AOT_LC && aac.object_type != LV_AOT_MAIN)
        || aac.channel_config >= sizeof(layout) / sizeof(layout[0]))
    {
        return LV_DECLINED;
    }

    memset(out, 0, LV_AAC_SILENCE_MAX);
    memset(tag, 0, sizeof(tag));
    o.p = out;
    o.pos = 0;

    l = layout[aac.channel_config];

    if (l == NULL && !put_program(&o, config, config_len)) {
        return LV_DECLINED;
    }

    for (i = 0; l && l[i]; i++) {
        id = l[i] == 's' ? ID_SCE : l[i] == 'p' ? ID_CPE : ID_LFE;
        put_element(&o, id, tag[id]++);
    }

    put_bits(&o, 3, ID_END);

    return (int) ((o.pos + 7) / 8);
}
