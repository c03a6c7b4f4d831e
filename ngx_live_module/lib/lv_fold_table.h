/*
 * The tables behind lv_fold.h, sorted, from U+0080 on; private. What is in
 * none of them is a letter and folds to itself. Made by scripts/unicode-tables.
 */

#ifndef LV_FOLD_TABLE_H
#define LV_FOLD_TABLE_H

#include "lv_fold.h"

typedef enum {
    LV_FOLD_SAME = 0,       /* all of the range to one */
    LV_FOLD_NEXT,           /* one after the other */
    LV_FOLD_PAIR            /* every second to the next but one: Aa Bb */
} lv_fold_way_e;

typedef struct {
    uint32_t       first, last, to;
    lv_fold_way_e  way;
} lv_fold_range_t;

typedef struct {
    uint32_t       cp;
    char           to[LV_FOLD_MAX + 1];
} lv_fold_long_t;

typedef struct {
    uint32_t         first, last;
    lv_fold_class_e  cls;
} lv_fold_kind_t;

extern const lv_fold_range_t  lv_fold_ranges[];
extern const size_t           lv_fold_nranges;
extern const lv_fold_long_t   lv_fold_longs[];
extern const size_t           lv_fold_nlongs;
extern const lv_fold_kind_t   lv_fold_kinds[];
extern const size_t           lv_fold_nkinds;

#endif
