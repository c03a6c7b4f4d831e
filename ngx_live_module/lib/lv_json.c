#include "lv_json.h"


/* The comma before, if any, and the name. */
static void
lv_json_name(lv_json_t *j, const char *name)
{
    if (j->comma) {
        lv_text_lit(j->text, ",");
    }

    j->comma = true;

    if (name != NULL) {
        lv_text_lit(j->text, "\"");
        lv_text_str(j->text, name);
        lv_text_lit(j->text, "\":");
    }
}


void
lv_json_init(lv_json_t *j, lv_text_t *t)
{
    j->text = t;
    j->comma = false;
}


void
lv_json_open(lv_json_t *j, const char *name, char bracket)
{
    lv_json_name(j, name);
    lv_text_add(j->text, &bracket, 1);
    j->comma = false;
}


void
lv_json_close(lv_json_t *j, char bracket)
{
    lv_text_add(j->text, &bracket, 1);
    j->comma = true;
}


/* Bytes above 0x7e as they are (utf8), or as code points of their own. */
static void
lv_json_string(lv_json_t *j, const char *name, const uint8_t *s, size_t len,
    bool utf8)
{
    size_t       i, plain;
    char         code[6] = { '\\', 'u', '0', '0', 0, 0 };
    uint8_t      c;
    static char  hex[] = "0123456789abcdef";

    lv_json_name(j, name);
    lv_text_lit(j->text, "\"");

    for (i = 0, plain = 0; i < len; i++) {
        c = s[i];

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f
            && (c < 0x80 || utf8))
        {
            continue;
        }

        lv_text_add(j->text, s + plain, i - plain);
        plain = i + 1;

        if (c < 0x20 || c >= 0x7f) {
            code[4] = hex[c >> 4];
            code[5] = hex[c & 15];
            lv_text_add(j->text, code, sizeof(code));
            continue;
        }

        lv_text_lit(j->text, "\\");
        lv_text_add(j->text, &c, 1);
    }

    lv_text_add(j->text, s + plain, len - plain);
    lv_text_lit(j->text, "\"");
}


void
lv_json_str(lv_json_t *j, const char *name, const char *s,
    size_t len)
{
    lv_json_string(j, name, (const uint8_t *) s, len, false);
}


void
lv_json_utf8(lv_json_t *j, const char *name, lv_str_t s)
{
    lv_json_string(j, name, s.data, s.len, true);
}


void
lv_json_raw(lv_json_t *j, const char *name, const void *p, size_t n)
{
    lv_json_name(j, name);
    lv_text_add(j->text, p, n);
}


void
lv_json_text(lv_json_t *j, const char *name, const char *s)
{
    lv_json_str(j, name, s, strlen(s));
}


void
lv_json_int(lv_json_t *j, const char *name, int64_t n)
{
    lv_json_name(j, name);

    if (n < 0) {
        lv_text_lit(j->text, "-");
        lv_text_uint(j->text, 0 - (uint64_t) n);
        return;
    }

    lv_text_uint(j->text, (uint64_t) n);
}


void
lv_json_milli(lv_json_t *j, const char *name, uint64_t n)
{
    lv_json_name(j, name);
    lv_text_seconds(j->text, n * 1000);
}


void
lv_json_bool(lv_json_t *j, const char *name, bool on)
{
    lv_json_name(j, name);
    lv_text_str(j->text, on ? "true" : "false");
}


void
lv_json_null(lv_json_t *j, const char *name)
{
    lv_json_name(j, name);
    lv_text_lit(j->text, "null");
}
