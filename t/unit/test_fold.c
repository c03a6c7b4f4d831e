#include "lv_fold.h"
#include "lv_fold_table.h"
#include "lv_utf8.h"
#include "tap.h"


static void
folds(const char *from, const char *to)
{
    size_t   n;
    char     got[256];
    lv_str_t  text = { (const uint8_t *) from, strlen(from) };

    n = lv_fold_text(text, (uint8_t *) got, sizeof(got) - 1);
    got[n] = '\0';

    if (!ok(strcmp(got, to) == 0, "\"%s\" is \"%s\"", from, to)) {
        diag("got \"%s\"", got);
    }
}


/* Sorted, apart, and settled: what something folds to folds to itself. */
static void
tables(void)
{
    bool             sorted, settled, valid;
    size_t           i, n, m, k;
    uint32_t         cp, out[LV_FOLD_MAX], again[LV_FOLD_MAX];
    lv_fold_class_e  cls, cls2;

    sorted = true;

    for (i = 1; i < lv_fold_nranges; i++) {
        sorted &= lv_fold_ranges[i].first > lv_fold_ranges[i - 1].last;
    }

    for (i = 1; i < lv_fold_nkinds; i++) {
        sorted &= lv_fold_kinds[i].first > lv_fold_kinds[i - 1].last;
    }

    for (i = 1; i < lv_fold_nlongs; i++) {
        sorted &= lv_fold_longs[i].cp > lv_fold_longs[i - 1].cp;
    }

    ok(sorted, "the tables are sorted");

    settled = true;
    valid = true;

    for (cp = 0; cp < 0x110000; cp++) {
        n = lv_fold(cp, out, &cls);
        valid &= n <= LV_FOLD_MAX;

        for (k = 0; k < n; k++) {
            valid &= out[k] < 0x110000
                     && !(out[k] >= 0xd800 && out[k] < 0xe000
                          && out[k] != cp);

            m = lv_fold(out[k], again, &cls2);

            if (m != 1 || again[0] != out[k]) {
                if (settled) {
                    diag("U+%04x, then U+%04x", cp, out[k]);
                }

                settled = false;
            }
        }
    }

    ok(valid, "every code point folds to code points");
    ok(settled, "folding twice changes nothing");
}


int
main(void)
{
    tables();

    folds("Hello,  WORLD!", "hello world");
    folds("  ", "");
    folds("na\xc3\xafve Stra\xc3\x9f""e", "naive strasse");
    folds("nai\xcc\x88ve", "naive");
    folds("\xef\xbd\x86\xef\xbd\x95\xef\xbd\x8c\xef\xbd\x8c", "full");
    folds("\xf0\x9d\x95\x93\xf0\x9d\x96\x86\xf0\x9d\x93\xad", "bad");
    folds("\xe2\x93\x91\xe2\x93\x90\xe2\x93\x93", "bad");
    folds("\xf0\x9f\x85\xb1\xf0\x9f\x85\xb0\xf0\x9f\x85\xb3", "bad");
    folds("\xd1\x81\xd0\xbe\xd1\x80", "cop");
    folds("\xd0\xa1\xd0\x9e\xd0\xa0", "cop");
    folds("\xce\xbc\xce\xb1\xce\xbb\xce\xac\xce\xba\xce\xb1\xcf\x82",
          "ma\xce\xbb""aka\xcf\x83");
    folds("\xce\x9c\xce\x91\xce\x9b\xce\x86\xce\x9a\xce\x91\xce\xa3",
          "ma\xce\xbb""aka\xcf\x83");
    folds("f\xc2\xb5""ck", "fuck");
    folds("b\xe2\x80\x8b""a\xc2\xad""d", "bad");
    folds("z\xcd\xa9\xcc\xb4\xcc\x9f""algo", "zalgo");
    folds("\xef\xac\x81ne \xc3\x86on", "fine aeon");
    folds("\xd9\xa1\xd9\xa2 \xe2\x91\xa2", "12 3");
    folds("\xd0\x8f", "\xd1\x9f");
    folds("\xe0\xa4\x95\xe0\xa4\xbf\xe0\xa4\xa4\xe0\xa5\x81",
          "\xe0\xa4\x95\xe0\xa4\xbf\xe0\xa4\xa4\xe0\xa5\x81");
    folds("\xe3\x81\x8c\xed\x95\x9c\xe6\xbc\xa2",
          "\xe3\x81\x8c\xed\x95\x9c\xe6\xbc\xa2");
    folds(" \xf0\x9f\x98\x80 \xf0\x9f\x98\x80",
          "\xf0\x9f\x98\x80\xf0\x9f\x98\x80");
    folds("\xff", "\xef\xbf\xbd");

    return done_testing();
}
