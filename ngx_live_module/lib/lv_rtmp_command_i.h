/*
 * What the files of RTMP commands share: a command being answered, helpers to
 * read its arguments and to write commands of ours. Nobody else includes it.
 */

#ifndef LV_RTMP_COMMAND_I_H
#define LV_RTMP_COMMAND_I_H

#include "lv_rtmp_session_i.h"

typedef struct {
    lv_rtmp_session_t  *s;
    uint32_t            msid;
    double              tx;      /* transaction id, which answers repeat */
    lv_amf0_reader_t    args;    /* what follows it */
} lv_rtmp_command_t;

/*
 * Commands: LV_OK, LV_ERROR with the session's error set, or LV_AGAIN when
 * what follows in the input must wait (pending) or be ignored (closing).
 */
int lv_rtmp_command_connect(lv_rtmp_command_t *cmd);
int lv_rtmp_command_publish(lv_rtmp_command_t *cmd);
int lv_rtmp_command_fcunpublish(lv_rtmp_command_t *cmd);
int lv_rtmp_command_delete_stream(lv_rtmp_command_t *cmd);
int lv_rtmp_command_close_stream(lv_rtmp_command_t *cmd);

/*
 * The next argument of that type, or LV_DECLINED. What stands before it is
 * skipped: a null or an object comes first by the rules, and some leave it
 * out.
 */
int lv_rtmp_command_arg(lv_rtmp_command_t *cmd, lv_amf0_type_e type,
    lv_amf0_value_t *v);

/* 0 for what is no 32-bit number */
uint32_t lv_rtmp_command_u32(double d);

/* A command of ours, step by step; body has LV_RTMP_COMMAND_LEN bytes. */
void lv_rtmp_command_write_begin(lv_amf0_writer_t *w, uint8_t *body,
    const char *name, double tx);
void lv_rtmp_command_write_pair(lv_amf0_writer_t *w, const char *key,
    const char *value);
int lv_rtmp_command_write_end(lv_rtmp_session_t *s, lv_amf0_writer_t *w);

/* One that carries an information object. */
int lv_rtmp_command_info(lv_rtmp_session_t *s, const char *name, double tx,
    const char *level, const char *code, const char *description);

/* _result without a value; nothing when the peer wants none (tx 0). */
int lv_rtmp_command_result(lv_rtmp_session_t *s, double tx);

/* Splits "name?args" at the first question mark. */
void lv_rtmp_command_split(lv_str_t *name, lv_str_t *args);

/* Copies to *p and moves it on. */
lv_str_t lv_rtmp_command_copy(uint8_t **p, lv_str_t from);

/* Sets the code and the text of a refusal, cut to what fits. */
void lv_rtmp_command_reason(lv_rtmp_session_t *s, const char *code,
    const char *text);

#endif
