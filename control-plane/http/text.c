/* Checks of text from outside: see text.h. */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/text.h"

#define DIGITS  "0123456789"
#define ALNUM   DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


int64_t
utf8_count(const char *text, size_t len)
{
    int                   more;
    int64_t               count;
    uint32_t              c, min;
    const unsigned char  *p, *end;

    p = (const unsigned char *) text;
    end = p + len;
    count = 0;

    while (p < end) {
        c = *p++;
        count++;

        if (c == 0) {
            return -1;
        }

        if (c < 0x80) {
            continue;
        }

        if (c >= 0xc2 && c <= 0xdf) {
            more = 1, min = 0x80, c &= 0x1f;
        } else if ((c & 0xf0) == 0xe0) {
            more = 2, min = 0x800, c &= 0x0f;
        } else if (c >= 0xf0 && c <= 0xf4) {
            more = 3, min = 0x10000, c &= 0x07;
        } else {
            return -1;
        }

        while (more-- > 0) {
            if (p == end || (*p & 0xc0) != 0x80) {
                return -1;
            }

            c = c << 6 | (*p++ & 0x3f);
        }

        if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
            return -1;
        }
    }

    return count;
}


bool
text_has_controls(const char *text, bool lines)
{
    const unsigned char  *p;

    for (p = (const unsigned char *) text; *p != '\0'; p++) {

        if (lines && (*p == '\n' || *p == '\t')) {
            continue;
        }

        /* C1 is U+0080 to U+009F: c2 80 to c2 9f */
        if (*p < 0x20 || *p == 0x7f
            || (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f))
        {
            return true;
        }
    }

    return false;
}


static int
hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}


int
percent_decode(char *text, bool plus)
{
    int    high, low;
    char  *src, *dst;

    for (src = dst = text; *src != '\0'; src++, dst++) {

        if (*src == '+' && plus) {
            *dst = ' ';
            continue;
        }

        if (*src != '%') {
            *dst = *src;
            continue;
        }

        high = hex_digit(src[1]);
        low = high < 0 ? -1 : hex_digit(src[2]);

        if (low < 0 || (high == 0 && low == 0)) {
            return -1;
        }

        *dst = (char) (high << 4 | low);
        src += 2;
    }

    *dst = '\0';

    return utf8_count(text, dst - text) < 0 ? -1 : 0;
}


/* So many digits at p as a number; -1 when they are not. */
static int
digits(const char *p, int n)
{
    int  value;

    for (value = 0; n > 0; n--, p++) {
        if (*p < '0' || *p > '9') {
            return -1;
        }

        value = value * 10 + *p - '0';
    }

    return value;
}


bool
time_valid(const char *text)
{
    static const int  days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
                                 31 };
    int               year, month, day, last;
    size_t            len;
    const char       *p;

    len = strlen(text);

    if (len < 20 || len > 40 || text[4] != '-' || text[7] != '-'
        || strchr("Tt ", text[10]) == NULL || text[13] != ':'
        || text[16] != ':')
    {
        return false;
    }

    year = digits(text, 4);
    month = digits(text + 5, 2);
    day = digits(text + 8, 2);

    if (year < 1970 || month < 1 || month > 12) {
        return false;
    }

    last = days[month - 1];

    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) {
        last = 29;
    }

    if (day < 1 || day > last || (unsigned) digits(text + 11, 2) > 23
        || (unsigned) digits(text + 14, 2) > 59
        || (unsigned) digits(text + 17, 2) > 59)
    {
        return false;
    }

    p = text + 19;

    if (*p == '.') {
        len = strspn(p + 1, DIGITS);

        if (len == 0 || len > 9) {
            return false;
        }

        p += 1 + len;
    }

    if (*p == 'Z' || *p == 'z') {
        return p[1] == '\0';
    }

    /* PostgreSQL takes zones up to 15:59:59 */

    return (*p == '+' || *p == '-') && (unsigned) digits(p + 1, 2) <= 15
           && p[3] == ':' && (unsigned) digits(p + 4, 2) <= 59
           && p[6] == '\0';
}


bool
id_valid(const char *text)
{
    size_t  len;

    len = strlen(text);

    return len > 0 && len <= 19 && text[0] != '0'
           && strspn(text, DIGITS) == len
           && (len < 19 || strcmp(text, "9223372036854775807") <= 0);
}


bool
username_valid(const char *text)
{
    size_t  len;

    len = strlen(text);

    return len >= 2 && len <= 32 && isalnum((unsigned char) text[0])
           && strspn(text, ALNUM "_.-") == len;
}


bool
node_id_valid(const char *text)
{
    size_t  len;

    len = strlen(text);

    return len >= 1 && len <= 64 && strspn(text, ALNUM) >= 1
           && strspn(text, ALNUM "_.-") == len;
}


/* Something that mail could go to, not all that RFC 5321 allows. */
bool
email_valid(const char *text)
{
    size_t       len, local, label;
    const char  *at, *p;

    len = strlen(text);
    at = strrchr(text, '@');

    if (len < 3 || len > 254 || at == NULL || strchr(text, '@') != at) {
        return false;
    }

    local = at - text;

    if (local < 1 || local > 64 || text[0] == '.' || at[-1] == '.'
        || strstr(text, "..") != NULL)
    {
        return false;
    }

    for (p = text; p < at; p++) {
        if ((unsigned char) *p < 0x80
            && strchr(ALNUM "!#$%&'*+/=?^_`{|}~.-", *p) == NULL)
        {
            return false;
        }
    }

    for (p = at + 1; ; p += label + 1) {
        label = 0;

        while (isalnum((unsigned char) p[label]) || p[label] == '-'
               || (unsigned char) p[label] >= 0x80)
        {
            label++;
        }

        if (label < 1 || label > 63 || p[0] == '-' || p[label - 1] == '-') {
            return false;
        }

        if (p[label] == '\0') {
            return true;
        }

        if (p[label] != '.') {
            return false;
        }
    }
}


bool
url_valid(const char *text)
{
    char         end;
    size_t       host;
    const char  *p;

    if (strncasecmp(text, "http://", 7) == 0) {
        p = text + 7;
    } else if (strncasecmp(text, "https://", 8) == 0) {
        p = text + 8;
    } else {
        return false;
    }

    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char) *c <= 0x20 || (unsigned char) *c >= 0x7f
            || strchr("\"<>\\^`{|}", *c) != NULL)
        {
            return false;
        }
    }

    if (*p == '[') {
        host = 1 + strspn(p + 1, "0123456789abcdefABCDEF:.");

        if (host < 3 || p[host] != ']') {
            return false;
        }

        host++;
    } else {
        host = strspn(p, ALNUM ".-_");
    }

    if (host == 0 || host > 255 || *p == '.' || *p == '-') {
        return false;
    }

    p += host;

    if (*p == ':') {
        host = strspn(p + 1, DIGITS);

        if (host < 1 || host > 5 || atoi(p + 1) < 1 || atoi(p + 1) > 65535) {
            return false;
        }

        p += 1 + host;
    }

    end = *p;

    return end == '\0' || end == '/' || end == '?' || end == '#';
}


bool
base64url_valid(const char *text)
{
    return text[strspn(text, ALNUM "_-")] == '\0';
}
