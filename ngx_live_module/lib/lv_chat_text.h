/*
 * What a text or a name in a room may look like, so that it can harm neither
 * the lines around it nor the reader: one line of visible characters.
 *
 * Removed: control characters, every bidi control (which could turn the rest
 * of the page around), characters that show nothing, but for joiners and
 * variation selectors behind a visible character. Line ends and tabs become
 * spaces; spaces at both ends go. Of combining marks in a row the first
 * LV_CHAT_MARKS_MAX stay.
 *
 * All pure; texts get shorter, never longer, in place. Valid UTF-8 in and out.
 */

#ifndef LV_CHAT_TEXT_H
#define LV_CHAT_TEXT_H

#include "lv_base.h"

#define LV_CHAT_MARKS_MAX     4

/* Of a name, in code points. */
#define LV_CHAT_NAME_MAX      32

/* Room for any name's skeleton. */
#define LV_CHAT_SKELETON_MAX  256

/* Cleans p[0 … *len); the number of code points left, 0: nothing visible. */
size_t lv_chat_text_clean(uint8_t *p, size_t *len);

/* Code points of valid UTF-8. */
size_t lv_chat_text_length(lv_str_t text);

/*
 * Cleans a display name. LV_ERROR: nothing left, longer than LV_CHAT_NAME_MAX,
 * or not a name: letters, digits, marks and single spaces and . _ - ' only.
 */
int lv_chat_name_clean(uint8_t *p, size_t *len);

/*
 * What a name looks like: two names that a reader could mix up have the same
 * skeleton (case, accents, letters of other scripts, digits for letters, "rn"
 * for "m", separators). Into dst (LV_CHAT_SKELETON_MAX bytes), cut there; its
 * length. Not for showing.
 */
size_t lv_chat_name_skeleton(lv_str_t name, uint8_t *dst);

/* Something that a client would make a link of, or that asks to be typed. */
bool lv_chat_text_has_link(lv_str_t text);

/* Nothing but emoji, spaces and emote names as :name:. */
bool lv_chat_text_emotes_only(lv_str_t text);

#endif
