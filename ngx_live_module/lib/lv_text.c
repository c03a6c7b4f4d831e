#include <stdlib.h>
#include "lv_text.h"


#define LV_TEXT_FIRST  4096


void
lv_text_init(lv_text_t *t, size_t max)
{
    memset(t, 0, sizeof(lv_text_t));
    t->max = max;
}


void
lv_text_free(lv_text_t *t)
{
    free(t->data);
    t->data = NULL;
    t->len = 0;
    t->size = 0;
}


void
lv_text_reset(lv_text_t *t)
{
    t->len = 0;
    t->failed = false;
}


static bool
lv_text_room(lv_text_t *t, size_t n)
{
    size_t    size;
    uint8_t  *p;

    if (t->failed) {
        return false;
    }

    if (n <= t->size - t->len) {
        return true;
    }

    if (n > t->max - t->len) {
        t->failed = true;
        return false;
    }

    size = t->size ? t->size * 2 : LV_TEXT_FIRST;

    while (size < t->len + n) {
        size *= 2;
    }

    if (size > t->max) {
        size = t->max;
    }

    p = realloc(t->data, size);
    if (p == NULL) {
        t->failed = true;
        return false;
    }

    t->data = p;
    t->size = size;

    return true;
}


void
lv_text_add(lv_text_t *t, const void *p, size_t n)
{
    if (n && lv_text_room(t, n)) {
        memcpy(t->data + t->len, p, n);
        t->len += n;
    }
}


void
lv_text_str(lv_text_t *t, const char *s)
{
    lv_text_add(t, s, strlen(s));
}


void
lv_text_uint(lv_text_t *t, uint64_t n)
{
    char  buf[20], *p;

    p = buf + sizeof(buf);

    do {
        *--p = (char) ('0' + n % 10);
        n /= 10;
    } while (n);

    lv_text_add(t, p, (size_t) (buf + sizeof(buf) - p));
}


/* Exactly `width` digits. */
static char *
lv_text_digits(char *p, uint64_t n, unsigned width)
{
    unsigned  i;

    for (i = width; i > 0; i--) {
        p[i - 1] = (char) ('0' + n % 10);
        n /= 10;
    }

    return p + width;
}


void
lv_text_seconds(lv_text_t *t, uint64_t us)
{
    char      buf[7];
    unsigned  n;

    lv_text_uint(t, us / 1000000);

    buf[0] = '.';
    lv_text_digits(buf + 1, us % 1000000, 6);

    for (n = 7; n > 2 && buf[n - 1] == '0'; n--) { /* void */ }

    lv_text_add(t, buf, n);
}


/* Civil date from days since 1970-01-01: the year is counted from March, so
 * that the leap day is a year's last. */
static void
lv_text_civil(uint64_t days, uint64_t *year, unsigned *month, unsigned *day)
{
    uint64_t  era, doe, yoe, doy, mp;

    days += 719468;                     /* since 0000-03-01 */
    era = days / 146097;
    doe = days % 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;

    *day = (unsigned) (doy - (153 * mp + 2) / 5 + 1);
    *month = (unsigned) (mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
}


void
lv_text_date(lv_text_t *t, uint64_t ms)
{
    char      buf[24], *p;
    uint64_t  year, sec;
    unsigned  month, day;

    sec = ms / 1000;
    lv_text_civil(sec / 86400, &year, &month, &day);
    sec %= 86400;

    p = lv_text_digits(buf, year, 4);
    *p++ = '-';
    p = lv_text_digits(p, month, 2);
    *p++ = '-';
    p = lv_text_digits(p, day, 2);
    *p++ = 'T';
    p = lv_text_digits(p, sec / 3600, 2);
    *p++ = ':';
    p = lv_text_digits(p, sec / 60 % 60, 2);
    *p++ = ':';
    p = lv_text_digits(p, sec % 60, 2);
    *p++ = '.';
    p = lv_text_digits(p, ms % 1000, 3);
    *p++ = 'Z';

    lv_text_add(t, buf, (size_t) (p - buf));
}


void
lv_text_quoted(lv_text_t *t, const char *s)
{
    lv_text_lit(t, "\"");

    for ( /* void */ ; *s; s++) {
        if (*s >= ' ' && *s <= '~' && *s != '"') {
            lv_text_add(t, s, 1);
        }
    }

    lv_text_lit(t, "\"");
}
