/*
 * Where tokens and keys stand in a URI, and how they get out of it.
 *
 * A token in a path is a component that begins with ~ and is at least
 * LV_REDACT_COMPONENT_MIN bytes long: /live/~TOKEN/demo/index.m3u8. No signed
 * token is shorter, and hardly a user's directory (/~name/) that long. In a
 * query they are the arguments "token" and "key", in any case of letters.
 *
 * Pure functions; dst needs room for as many bytes as the source has.
 */

#ifndef LV_REDACT_H
#define LV_REDACT_H

#include "lv_base.h"

#define LV_REDACT_COMPONENT_MIN  41     /* with the ~ */

/*
 * Is a text that holds URIs as they were sent worth a closer look? Most are
 * not, and this is done for every request. False: none of the functions below
 * finds anything, in it, in a part of it, or in that decoded.
 */
bool lv_redact_suspect(lv_str_t src);

/*
 * A copy of a text that holds URIs as they were sent (a request line, a
 * Referer) with secrets replaced by "-": in path components (also %7E), in
 * arguments, and whatever looks like a JSON Web Token elsewhere. Returns the
 * length of the copy; *found tells whether anything was replaced. When nothing
 * was, dst may hold nothing or a part.
 */
size_t lv_redact_text(lv_str_t src, uint8_t *dst, bool *found);

/*
 * A decoded path without its token components: /live/demo/index.m3u8.
 * LV_OK: *token is the first of them without the ~ (it points into src).
 * LV_DECLINED: there is none, and dst was not written.
 */
int lv_redact_path(lv_str_t src, uint8_t *dst, size_t *len, lv_str_t *token);

/*
 * A query without all arguments of that name. LV_OK: *value is that of the
 * first (into src, not decoded). LV_DECLINED: there is none, and dst was not
 * written.
 */
int lv_redact_arg(lv_str_t src, const char *name, uint8_t *dst, size_t *len,
    lv_str_t *value);

#endif
