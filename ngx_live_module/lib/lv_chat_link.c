#include "lv_chat_text.h"
#include "lv_fold.h"
#include "lv_utf8.h"


/* A host name longer than this (RFC 1035, 2.3.4) is none. */
#define LV_CHAT_HOST_MAX  255

/* What has been seen of one word without spaces. */
typedef struct {
    char    label[8];       /* the last label's first letters, folded */
    size_t  len;            /* of the last label */
    size_t  labels;         /* complete ones before it */
    size_t  numbers;        /* of those, in a row: an address */
    bool    letters;        /* the last label has something but digits */
} lv_chat_host_t;


/*
 * Ends of names that are links for sure, and no words with which a sentence
 * begins whose writer left out the space ("Yes.but").
 */
static bool
lv_chat_tld(const char *label, size_t len)
{
    size_t              i;
    static const char  *tlds[] = {
        "com", "net", "org", "io", "tv", "gg", "ru", "de", "uk", "fr", "nl",
        "pl", "cz", "eu", "us", "cn", "jp", "kr", "br", "ca", "au", "info",
        "biz", "xyz", "top", "site", "online", "club", "shop", "store", "app",
        "dev", "live", "link", "click", "stream", "video", "chat", "gift",
        "vip", "win", "bet", "casino", "porn", "xxx", "sex", "cam", "icu",
        "cc", "ly", "gl", "ws", "tk", "ml", "ga", "cf", "gq", "su", "ua", "by",
        "kz", "onion", "cloud", "space", "website", "ai", "sh", "rs", "se",
        "fi", "dk", "ch", "pt", "tr", "ir", "vn", "th", "id", "ph", "mx",
    };

    for (i = 0; i < sizeof(tlds) / sizeof(tlds[0]); i++) {
        if (strlen(tlds[i]) == len && memcmp(tlds[i], label, len) == 0) {
            return true;
        }
    }

    return false;
}


static bool
lv_chat_dot(uint32_t cp)
{
    return cp == '.' || cp == 0x2024 || cp == 0x3002 || cp == 0xff0e
           || cp == 0xff61;
}


static void
lv_chat_label(lv_chat_host_t *h, const uint32_t *out, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (h->len < sizeof(h->label)) {
            h->label[h->len] = out[i] < 0x80 ? (char) out[i] : '?';
        }

        h->len++;
        h->letters |= !(out[i] >= '0' && out[i] <= '9');
    }
}


/* The word ends here, before `cp`: was it a host? */
static bool
lv_chat_host(const lv_chat_host_t *h, uint32_t cp)
{
    if (h->labels == 0 || h->len == 0) {
        return false;
    }

    if (!h->letters) {
        return h->numbers == 3 && h->labels == 3 && h->len <= 3;
    }

    /* a path behind it shows what it is, whatever its end */
    if (cp == '/' && h->len >= 2) {
        return true;
    }

    return h->len <= sizeof(h->label) && lv_chat_tld(h->label, h->len);
}


bool
lv_chat_text_has_link(lv_str_t text)
{
    size_t           n;
    uint32_t         cp, out[LV_FOLD_MAX];
    const uint8_t   *s, *end;
    lv_chat_host_t   h;
    lv_fold_class_e  cls;

    memset(&h, 0, sizeof(h));
    s = text.data;
    end = s + text.len;

    while (s < end) {
        cp = lv_utf8_get(&s, end);
        n = lv_fold(cp, out, &cls);

        if (n == 0) {
            continue;
        }

        if (lv_fold_is_word(cls) || (cp == '-' && h.len)) {
            lv_chat_label(&h, out, n);
            continue;
        }

        if (lv_chat_dot(cp) && h.len) {

            if (h.labels == 0 && h.len == 3 && memcmp(h.label, "www", 3) == 0) {
                return true;
            }

            /* "example.com." ends a sentence */
            if (lv_chat_host(&h, cp)) {
                return true;
            }

            h.numbers += !h.letters && h.len <= 3;
            h.labels += h.labels < LV_CHAT_HOST_MAX;
            h.len = 0;
            h.letters = false;
            continue;
        }

        if (lv_chat_host(&h, cp)
            || (h.len && cp == ':' && end - s >= 2 && s[0] == '/'
                && s[1] == '/'))
        {
            return true;
        }

        memset(&h, 0, sizeof(h));
    }

    return lv_chat_host(&h, 0);
}
