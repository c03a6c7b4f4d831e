/* Reads an FLV file and hands out its tags as RTMP messages would be. */

#ifndef FLV_FILE_H
#define FLV_FILE_H

#include <stdio.h>
#include <stdlib.h>

#include "lv_base.h"

typedef struct {
    uint8_t  *data;
    size_t    len;
    size_t    pos;
} flv_file_t;

typedef struct {
    unsigned        type;
    uint32_t        timestamp;
    const uint8_t  *body;
    uint32_t        len;
} flv_tag_t;

__attribute__((unused)) static int
flv_open(flv_file_t *f, const char *name)
{
    char         path[256];
    FILE        *fp;
    unsigned     i;

    static const char *const  dirs[] = { "t/data", "../data", "../../t/data" };

    memset(f, 0, sizeof(*f));

    for (i = 0, fp = NULL; i < 3 && fp == NULL; i++) {
        snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
        fp = fopen(path, "rb");
    }

    if (fp == NULL && getenv("LV_TEST_DATA")) {
        snprintf(path, sizeof(path), "%s/%s", getenv("LV_TEST_DATA"), name);
        fp = fopen(path, "rb");
    }

    if (fp == NULL) {
        return LV_ERROR;
    }

    f->data = malloc(1 << 20);
    f->len = fread(f->data, 1, 1 << 20, fp);
    f->pos = 9 + 4;
    fclose(fp);

    return LV_OK;
}


__attribute__((unused)) static int
flv_next(flv_file_t *f, flv_tag_t *t)
{
    const uint8_t  *p;

    memset(t, 0, sizeof(*t));

    if (f->len < f->pos + 11) {
        return LV_ERROR;
    }

    p = f->data + f->pos;
    t->type = p[0];
    t->len = lv_be24(p + 1);
    t->timestamp = lv_be24(p + 4) | (uint32_t) p[7] << 24;
    t->body = p + 11;

    if (f->len - f->pos - 11 < t->len) {
        return LV_ERROR;
    }

    f->pos += 11 + (size_t) t->len + 4;

    return LV_OK;
}


/* The first tag of a type, with a payload of that packet type (byte 1). */
__attribute__((unused)) static int
flv_find(flv_file_t *f, flv_tag_t *t, unsigned type, unsigned packet)
{
    int  rc;

    do {
        rc = flv_next(f, t);
    } while (rc == LV_OK && (t->type != type || t->len < 6
                             || t->body[1] != packet));

    return rc;
}


__attribute__((unused)) static void
flv_close(flv_file_t *f)
{
    free(f->data);
}

#endif
