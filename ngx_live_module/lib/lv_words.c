#include "lv_words_int.h"
#include "lv_utf8.h"


/* Ranges that an ALLOW has taken out; further ones are not remembered. */
#define LV_WORDS_ALLOWED_MAX  32

/* A match, in bytes of the text as it was. */
typedef struct {
    size_t                  start, end;
    size_t                  set;
    const lv_words_rule_t  *rule;
} lv_words_match_t;

typedef struct {
    /* what is done with a match */
    void       (*found)(void *ctx, const lv_words_match_t *m);
    void        *ctx;
    bool         allows;            /* look for those rules alone */
} lv_words_scan_t;

typedef struct {
    size_t               n;
    lv_words_match_t     ranges[LV_WORDS_ALLOWED_MAX];
    lv_words_result_t   *result;
    uint8_t             *marks;     /* a bit for each byte to be masked */
} lv_words_ctx_t;


/*
 * Matches what stands before (step -1) or behind a key, from *pos on, which
 * becomes the index behind it. The shortest text is taken for every star, which
 * is enough: nothing is fixed behind the last part.
 */
static bool
lv_words_glob(const lv_words_text_t *t, ptrdiff_t *pos, ptrdiff_t step,
    const uint32_t *glob, size_t n)
{
    size_t     i, star, left;
    uint32_t   cp;
    ptrdiff_t  at, back, end;

    at = *pos;
    end = (ptrdiff_t) t->n;
    star = 0;                       /* behind the last one */
    back = at;
    left = LV_WORDS_STAR_MAX;

    for (i = 0; i < n; /* void */ ) {

        if (glob[i] == LV_WORDS_STAR) {
            star = ++i;
            back = at;
            continue;
        }

        if (at < 0 || at >= end) {
            return false;
        }

        cp = t->items[at].cp;

        if (glob[i] == LV_WORDS_QUEST ? cp != ' ' : cp == glob[i]) {
            i++;
            at += step;
            continue;
        }

        if (star == 0 || left-- == 0 || t->items[back].cp == ' ') {
            return false;
        }

        back += step;
        at = back;
        i = star;
    }

    *pos = at;

    return true;
}


/* The rule's key ends with item `last`. */
static bool
lv_words_rule_fits(const lv_words_t *w, const lv_words_rule_t *rule,
    const lv_words_text_t *t, size_t last, lv_words_match_t *m)
{
    ptrdiff_t        first, end;
    const uint32_t  *globs;

    first = (ptrdiff_t) last - rule->chars + 1;
    end = (ptrdiff_t) last + 1;
    globs = w->pool + rule->globs;

    if (rule->before) {
        first--;

        if (!lv_words_glob(t, &first, -1, globs, rule->before)) {
            return false;
        }

        first++;
    }

    if (rule->after
        && !lv_words_glob(t, &end, 1, globs + rule->before, rule->after))
    {
        return false;
    }

    /* the boundaries are not part of the word */
    while (first < end && t->items[first].cp == ' ') {
        first++;
    }

    while (end > first && t->items[end - 1].cp == ' ') {
        end--;
    }

    if (first == end) {
        return false;
    }

    m->start = t->items[first].start;
    m->end = t->items[end - 1].end;
    m->rule = rule;

    return true;
}


static void
lv_words_report(const lv_words_t *w, uint32_t node, const lv_words_text_t *t,
    size_t last, size_t set, const lv_words_scan_t *scan)
{
    uint32_t                i;
    lv_words_match_t        m;
    const lv_words_rule_t  *rule;

    if (w->nodes[node].rules == 0) {
        node = w->nodes[node].dict;
    }

    for ( /* void */ ; node; node = w->nodes[node].dict) {
        for (i = w->nodes[node].rules; i; i = rule->next) {
            rule = &w->rules[i - 1];

            if ((rule->action == LV_WORDS_ALLOW) == scan->allows
                && lv_words_rule_fits(w, rule, t, last, &m))
            {
                m.set = set;
                scan->found(scan->ctx, &m);
            }
        }
    }
}


static void
lv_words_run(const lv_words_t *w, const lv_words_text_t *t, size_t set,
    const lv_words_scan_t *scan)
{
    size_t                  i;
    uint8_t                 bytes[LV_UTF8_MAX], *p, *end;
    uint32_t                node;
    const uint8_t          *at;
    const lv_words_node_t  *n;

    node = 0;

    for (i = 0; i < t->n; i++) {
        end = lv_utf8_put(bytes, t->items[i].cp);

        for (p = bytes; p < end; p++) {

            for ( ;; ) {
                if (node == 0) {
                    node = w->root[*p];
                    break;
                }

                n = &w->nodes[node];
                at = n->count ? memchr(w->labels + n->first, *p, n->count)
                              : NULL;

                if (at) {
                    node = (uint32_t) (at - w->labels);
                    break;
                }

                node = n->fail;
            }
        }

        if (w->nodes[node].rules || w->nodes[node].dict) {
            lv_words_report(w, node, t, i, set, scan);
        }
    }
}


/* Every set, over every way to look at the text. */
static void
lv_words_scan(const lv_words_t *const *sets, size_t nsets,
    const lv_words_text_t *raw, const lv_words_scan_t *scan)
{
    size_t           i;
    unsigned         way, ways;
    lv_words_text_t  t;

    ways = lv_words_ways(raw);

    if (ways & LV_WORDS_RUNS) {
        ways |= LV_WORDS_ONE;
    }

    for (way = 0; way <= ways; way++) {

        if ((way & ~ways)
            || ((way & LV_WORDS_ONE) && !(way & LV_WORDS_RUNS)))
        {
            continue;
        }

        lv_words_view(&t, raw, way);

        for (i = 0; i < nsets; i++) {
            if (sets[i] && (!scan->allows || sets[i]->allows)) {
                lv_words_run(sets[i], &t, i, scan);
            }
        }
    }
}


static void
lv_words_allow(void *data, const lv_words_match_t *m)
{
    lv_words_ctx_t  *ctx = data;

    if (ctx->n < LV_WORDS_ALLOWED_MAX) {
        ctx->ranges[ctx->n++] = *m;
    }
}


static bool
lv_words_allowed(const lv_words_ctx_t *ctx, const lv_words_match_t *m)
{
    size_t  i;

    for (i = 0; i < ctx->n; i++) {
        if (m->start >= ctx->ranges[i].start && m->end <= ctx->ranges[i].end) {
            return true;
        }
    }

    return false;
}


static void
lv_words_judge(void *data, const lv_words_match_t *m)
{
    lv_words_ctx_t     *ctx = data;
    lv_words_result_t  *r = ctx->result;

    if (m->rule->action < r->action
        || (m->rule->action == r->action && m->start >= r->start)
        || lv_words_allowed(ctx, m))
    {
        return;
    }

    r->action = m->rule->action;
    r->set = m->set;
    r->entry = m->rule->entry;
    r->start = m->start;
    r->end = m->end;
}


static void
lv_words_mark(void *data, const lv_words_match_t *m)
{
    size_t           i;
    lv_words_ctx_t  *ctx = data;

    if (m->rule->action != LV_WORDS_MASK || lv_words_allowed(ctx, m)) {
        return;
    }

    for (i = m->start; i < m->end; i++) {
        ctx->marks[i / 8] |= (uint8_t) (1 << (i % 8));
    }
}


/* First what is allowed, then the rest. */
static void
lv_words_both(const lv_words_t *const *sets, size_t nsets, lv_str_t text,
    lv_words_ctx_t *ctx, void (*found)(void *, const lv_words_match_t *))
{
    bool             allows;
    size_t           i;
    lv_words_text_t  raw;
    lv_words_scan_t  scan;

    if (nsets > LV_WORDS_SETS_MAX) {
        nsets = LV_WORDS_SETS_MAX;
    }

    lv_words_fold(&raw, text, false);

    scan.ctx = ctx;
    ctx->n = 0;

    for (allows = false, i = 0; i < nsets; i++) {
        allows |= sets[i] && sets[i]->allows;
    }

    if (allows) {
        scan.allows = true;
        scan.found = lv_words_allow;
        lv_words_scan(sets, nsets, &raw, &scan);
    }

    scan.allows = false;
    scan.found = found;
    lv_words_scan(sets, nsets, &raw, &scan);
}


void
lv_words_check(const lv_words_t *const *sets, size_t nsets, lv_str_t text,
    lv_words_result_t *result)
{
    lv_words_ctx_t  ctx;

    memset(result, 0, sizeof(lv_words_result_t));
    ctx.result = result;
    ctx.marks = NULL;

    lv_words_both(sets, nsets, text, &ctx, lv_words_judge);
}


size_t
lv_words_mask(const lv_words_t *const *sets, size_t nsets, uint8_t *text,
    size_t len)
{
    size_t           i;
    uint8_t          marks[LV_WORDS_TEXT_MAX / 8], *out;
    lv_str_t         whole = { text, len };
    const uint8_t   *s, *from, *end;
    lv_words_ctx_t   ctx;

    memset(marks, 0, sizeof(marks));
    ctx.result = NULL;
    ctx.marks = marks;

    lv_words_both(sets, nsets, whole, &ctx, lv_words_mark);

    out = text;
    s = text;
    end = text + len;

    while (s < end) {
        from = s;
        i = (size_t) (s - text);
        (void) lv_utf8_get(&s, end);

        if (i < LV_WORDS_TEXT_MAX && (marks[i / 8] & (1 << (i % 8)))) {
            *out++ = '*';
            continue;
        }

        memmove(out, from, (size_t) (s - from));
        out += s - from;
    }

    return (size_t) (out - text);
}
