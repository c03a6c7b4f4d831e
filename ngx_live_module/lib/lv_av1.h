/*
 * AV1 configuration: the sequence header (AV1 Bitstream & Decoding Process
 * Specification 5.5), the AV1CodecConfigurationRecord (AV1 Codec ISO Media File
 * Format Binding 2.3) and what of a frame's header tells a key frame (5.9.2).
 *
 * A sample is a temporal unit without its temporal delimiter (the binding,
 * 2.4); OBUs are in the low overhead format (5.2), each with its size but for
 * the last one, which may be without.
 */

#ifndef LV_AV1_H
#define LV_AV1_H

#include "lv_base.h"
#include "lv_nal.h"

#define LV_AV1_CONFIG_MAX    256     /* a record that is kept */
#define LV_AV1_SEQUENCE_MAX  (LV_AV1_CONFIG_MAX - 4 - 3)   /* its payload */
#define LV_AV1_CODEC_LEN     32      /* a codec string, with its end */

/* 6.2.2 */
enum {
    LV_AV1_SEQUENCE = 1,
    LV_AV1_DELIMITER = 2,
    LV_AV1_FRAME_HEADER = 3,
    LV_AV1_TILE_GROUP = 4,
    LV_AV1_METADATA = 5,
    LV_AV1_FRAME = 6,
    LV_AV1_FRAME_HEADER_AGAIN = 7,
    LV_AV1_TILE_LIST = 8,
    LV_AV1_PADDING = 15
};

/* What a sequence header says. */
typedef struct {
    uint8_t   profile;           /* 0 Main, 1 High, 2 Professional */
    uint8_t   level;             /* seq_level_idx of operating point 0 */
    uint8_t   tier;
    uint8_t   bits;              /* 8, 10, 12 */
    bool      still;             /* frames have the reduced header */
    bool      mono;
    uint8_t   sub_x, sub_y;      /* chroma subsampling: 1, 1 is 4:2:0 */
    uint8_t   chroma_position;
    uint8_t   primaries, transfer, matrix;   /* ISO/IEC 23091-2; 2: not said */
    bool      full_range;
    uint32_t  width, height;
    uint32_t  rate_milli;        /* 0: not said */
} lv_av1_sequence_t;

/* The record in normal form: what the sequence header says, and that header as
 * the only OBU, with a size. Equal content gives equal bytes. */
typedef lv_nal_config_t  lv_av1_config_t;

typedef struct {
    uint8_t   type;
    bool      has_size;
    uint32_t  header_len;        /* with the extension and the size field */
    uint32_t  len;               /* of the payload; 0 without a size */
} lv_av1_obu_t;

/* An OBU's header and size. LV_AGAIN: more bytes are needed (10 always do);
 * LV_ERROR: no OBU. */
int lv_av1_obu_parse(lv_av1_obu_t *obu, const uint8_t *p, size_t len);

/* The payload of a sequence header OBU. LV_ERROR: damaged. */
int lv_av1_sequence_parse(lv_av1_sequence_t *s, const uint8_t *p, size_t len);

/* Makes the record from a sequence header's payload. LV_OK: changed;
 * LV_DECLINED: it is the same already; LV_ERROR: damaged, or too long. */
int lv_av1_config_set(lv_av1_config_t *c, const uint8_t *p, size_t len);

/* Reads a record as an encoder sent it. LV_DECLINED: there is no sequence
 * header in it (the stream will have one). LV_ERROR with *err: damaged. */
int lv_av1_config_read(lv_av1_config_t *c, const uint8_t *p, size_t len,
    const char **err);

/* What the record's sequence header says, and that OBU itself. */
int lv_av1_config_sequence(const lv_av1_config_t *c, lv_av1_sequence_t *s);

static inline const uint8_t *
lv_av1_config_obu(const lv_av1_config_t *c, size_t *len)
{
    *len = c->len - 4u;

    return c->data + 4;
}

/* Does the frame begin decoding anew? `byte` is the first one of the payload
 * of a frame or frame header OBU: a key frame that is shown. */
static inline bool
lv_av1_is_key(uint8_t byte)
{
    /* show_existing_frame 0, frame_type 0 (2 bits), show_frame 1 */
    return (byte & 0xf0) == 0x10;
}

/* The binding, 5: "av01.0.08M.08", with the colours where they are not those
 * of BT.709. `out` has LV_AV1_CODEC_LEN bytes. */
void lv_av1_codec_string(const lv_av1_sequence_t *s, char *out);

#endif
