/*
 * AMF3 (Adobe "Action Message Format -- AMF 3", 2013), as far as a server
 * that speaks AMF0 needs it: passing over one value behind AMF0's
 * avmplus-object-marker (0x11). Used by lv_amf0.c.
 *
 * Scalars and strings that are given in place come out as their AMF0 kind;
 * references, containers and the rest as LV_AMF0_AMF3 without contents.
 * Externalizable objects have a private format and are refused.
 */

#ifndef LV_AMF3_H
#define LV_AMF3_H

#include "lv_amf0.h"

/*
 * Moves *p behind the value. *values is the number that may still be read
 * and is counted down. LV_OK, or LV_ERROR with *err.
 */
int lv_amf3_read(const uint8_t **p, const uint8_t *end, unsigned *values,
    lv_amf0_value_t *v, const char **err);

#endif
