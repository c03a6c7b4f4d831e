/*
 * SipHash-2-4 (Aumasson, Bernstein 2012): a keyed 64-bit hash. For tables whose
 * keys come from peers: without the key nobody can make two that collide.
 */

#ifndef LV_SIPHASH_H
#define LV_SIPHASH_H

#include "lv_base.h"

uint64_t lv_siphash(const uint8_t key[16], const void *p, size_t n);

#endif
