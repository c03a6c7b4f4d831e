#include "lv_ts_int.h"

#define LV_TS_TABLE_PAT     0x00
#define LV_TS_TABLE_PMT     0x02
#define LV_TS_TABLE_SPLICE  0xfc

#define LV_TS_PSI_MAX       1024     /* 2.4.4: section_length is at most 1021 */


/* The CRC of 2.4.4 (annex A), four bits at a time: 0 over a whole section. */
uint32_t
lv_ts_crc32(const uint8_t *p, size_t n)
{
    uint32_t  crc;

    static const uint32_t  table[16] = {
        0x00000000, 0x04c11db7, 0x09823b6e, 0x0d4326d9,
        0x130476dc, 0x17c56b6b, 0x1a864db2, 0x1e475005,
        0x2608edb8, 0x22c9f00f, 0x2f8ad6d6, 0x2b4bcb61,
        0x350c9b64, 0x31cd86d3, 0x3c8ea00a, 0x384fbdbd
    };

    crc = 0xffffffff;

    while (n--) {
        crc = (crc << 4) ^ table[(crc >> 28) ^ (*p >> 4)];
        crc = (crc << 4) ^ table[(crc >> 28) ^ (*p & 15)];
        p++;
    }

    return crc;
}


/* ---- which program ----------------------------------------------------- */

static void
lv_ts_streams_gone(lv_ts_t *ts)
{
    unsigned  i;

    for (i = 0; i < LV_TS_STREAMS; i++) {
        if (ts->stream[i].used) {
            lv_ts_stream_free(ts, i);
        }
    }
}


/* Watches the tables of the chosen program, or of all as long as none is. */
static void
lv_ts_programs_watch(lv_ts_t *ts)
{
    unsigned          i;
    lv_ts_pid_t      *e;
    lv_ts_program_t  *p;

    for (i = 0; i < LV_TS_ENTRIES; i++) {
        e = &ts->pid[i];

        if (e->type == LV_TS_PID_PMT
            && (ts->chosen < 0 || e->pid != ts->program[ts->chosen].pid))
        {
            lv_ts_pid_drop(ts, e);
        }
    }

    for (i = 0; i < ts->programs; i++) {
        p = &ts->program[i];

        /* one may be watched already, as several can share a PID */
        if (ts->chosen < 0 || (int) i == ts->chosen) {
            (void) lv_ts_pid_take(ts, p->pid, LV_TS_PID_PMT);
        }
    }
}


static void
lv_ts_program_choose(lv_ts_t *ts, unsigned i)
{
    ts->chosen = (int) i;
    ts->waiting = false;
    ts->table = false;
    lv_ts_programs_watch(ts);
}


/* The first with video, with sound, or any: false where it is too early to
 * say. */
static bool
lv_ts_program_find(const lv_ts_t *ts, bool now, unsigned *found)
{
    bool      all;
    unsigned  i, audio;

    all = true;
    audio = LV_TS_PROGRAMS;

    for (i = 0; i < ts->programs; i++) {

        if (ts->conf.program) {
            if (ts->program[i].number == ts->conf.program) {
                *found = i;
                return ts->program[i].seen;
            }

            continue;
        }

        if (ts->program[i].video) {
            *found = i;
            return true;
        }

        all = all && ts->program[i].seen;

        if (ts->program[i].audio && audio == LV_TS_PROGRAMS) {
            audio = i;
        }
    }

    *found = audio == LV_TS_PROGRAMS ? 0 : audio;

    return !ts->conf.program && ts->programs
           && (all || (now && audio < LV_TS_PROGRAMS));
}


void
lv_ts_program_tick(lv_ts_t *ts)
{
    unsigned  i;

    if (ts->waiting && ts->chosen < 0
        && ts->now_ms >= ts->waiting_ms + LV_TS_PROGRAM_WAIT_MS
        && lv_ts_program_find(ts, true, &i))
    {
        /* its table comes again, and is applied then */
        lv_ts_program_choose(ts, i);
    }
}


/* ---- the program association table ------------------------------------- */

static void
lv_ts_programs_apply(lv_ts_t *ts)
{
    unsigned         i, k;
    lv_ts_program_t  had;

    memset(&had, 0, sizeof(had));

    if (ts->chosen >= 0) {
        had = ts->program[ts->chosen];
    }

    for (i = 0; i < ts->listed; i++) {
        for (k = 0; k < ts->programs; k++) {
            if (ts->program[k].number == ts->list[i].number
                && ts->program[k].pid == ts->list[i].pid)
            {
                ts->list[i] = ts->program[k];
            }
        }
    }

    ts->programs = ts->listed;
    memcpy(ts->program, ts->list, sizeof(ts->program));

    if (ts->chosen >= 0) {
        ts->chosen = -1;

        for (i = 0; i < ts->programs; i++) {
            if (ts->program[i].number == had.number) {
                ts->chosen = (int) i;
            }
        }

        if (ts->chosen < 0) {
            lv_ts_streams_gone(ts);
            ts->table = false;
        }
    }

    lv_ts_programs_watch(ts);
}


/* A table of several sections is taken when they came in order. */
static void
lv_ts_pat(lv_ts_t *ts, const uint8_t *p, size_t len)
{
    size_t            at;
    unsigned          section, last;
    uint32_t          crc;
    lv_ts_program_t  *prog;

    section = p[6];
    last = p[7];
    crc = lv_be32(p + len - 4);

    if (section == 0 && last == 0 && ts->pat && crc == ts->pat_crc) {
        return;
    }

    if (section == 0) {
        ts->listed = 0;
        memset(ts->list, 0, sizeof(ts->list));

    } else if (section != ts->pat_next) {
        ts->pat_next = 0xffff;
        return;
    }

    ts->pat_next = (uint16_t) (section + 1);

    for (at = 8; at + 4 <= len - 4; at += 4) {

        if (lv_be16(p + at) == 0 || ts->listed == LV_TS_PROGRAMS) {
            continue;                        /* the network's, or too many */
        }

        prog = &ts->list[ts->listed++];
        prog->number = lv_be16(p + at);
        prog->pid = lv_be16(p + at + 2) & 0x1fff;
    }

    if (section == last) {
        ts->pat = true;
        ts->pat_crc = crc;
        lv_ts_programs_apply(ts);
    }
}


/* ---- a program's table ------------------------------------------------- */

static void
lv_ts_pmt(lv_ts_t *ts, unsigned pid, const uint8_t *p, size_t len)
{
    int               n;
    unsigned          i, k;
    uint16_t          number, pcr_pid;
    uint32_t          crc;
    lv_ts_item_t      item[LV_TS_STREAMS];
    lv_ts_program_t  *prog;

    number = lv_be16(p + 3);
    crc = lv_be32(p + len - 4);

    for (i = 0; i < ts->programs; i++) {
        if (ts->program[i].number == number && ts->program[i].pid == pid) {
            break;
        }
    }

    if (i == ts->programs || (ts->chosen >= 0 && (int) i != ts->chosen)) {
        return;
    }

    if (ts->chosen >= 0 && ts->table && crc == ts->table_crc) {
        return;
    }

    n = lv_ts_table_read(p, len, item, &pcr_pid);

    if (n < 0) {
        lv_ts_broken(ts, "a program table", pid);
        return;
    }

    prog = &ts->program[i];
    prog->seen = true;

    for (k = 0; k < (unsigned) n; k++) {
        prog->video = prog->video || lv_ts_codec_is_video(item[k].codec);
        prog->audio = prog->audio || lv_ts_codec_is_audio(item[k].codec);
    }

    if (ts->chosen < 0) {

        if (!ts->waiting && prog->audio) {
            ts->waiting = true;
            ts->waiting_ms = ts->now_ms;
        }

        if (!lv_ts_program_find(ts, false, &k)) {
            return;
        }

        lv_ts_program_choose(ts, k);

        if (k != i) {
            return;                          /* its table comes again */
        }
    }

    ts->table = true;
    ts->table_crc = crc;
    ts->stat.tables++;
    lv_ts_table_apply(ts, item, (unsigned) n, pcr_pid);
}


/* ---- sections ---------------------------------------------------------- */

static void
lv_ts_section(lv_ts_t *ts, lv_ts_pid_t *e, const uint8_t *p, size_t len)
{
    bool  splice;

    splice = e->type == LV_TS_PID_STREAM;

    if (splice ? p[0] != LV_TS_TABLE_SPLICE
               : p[0] != (e->type == LV_TS_PID_PAT ? LV_TS_TABLE_PAT
                                                   : LV_TS_TABLE_PMT))
    {
        return;                              /* another table's */
    }

    if (len < 12 || lv_ts_crc32(p, len) != 0) {
        ts->stat.crc_errors++;
        lv_ts_tell_now_and_then(ts, LV_TS_BROKEN, "a damaged table on PID %u",
                                e->pid);
        return;
    }

    if (splice) {
        lv_ts_meta_splice(ts, &ts->stream[e->stream], p, len);
        return;
    }

    /* section_syntax_indicator; current_next_indicator */
    if (!(p[1] & 0x80) || !(p[5] & 1)) {
        return;
    }

    if (e->type == LV_TS_PID_PAT) {
        lv_ts_pat(ts, p, len);

    } else {
        lv_ts_pmt(ts, e->pid, p, len);
    }
}


void
lv_ts_section_lost(lv_ts_pid_t *e)
{
    e->section.len = 0;
    e->section.need = 0;
}


static bool
lv_ts_section_room(lv_ts_pid_t *e)
{
    lv_ts_section_t  *s;

    s = &e->section;

    if (s->buf == NULL) {
        s->size = e->type == LV_TS_PID_STREAM ? LV_TS_SECTION_MAX
                                              : LV_TS_PSI_MAX;
        s->buf = malloc(s->size);
    }

    return s->buf != NULL;
}


/*
 * Takes bytes of one section; returns how many. Where it is complete it has
 * been handled, and s->len is 0 again: the entry may be gone then.
 */
static size_t
lv_ts_section_take(lv_ts_t *ts, lv_ts_pid_t *e, const uint8_t *p, size_t n)
{
    size_t            take;
    uint8_t          *buf;
    uint16_t          len;
    lv_ts_section_t  *s;

    s = &e->section;
    take = 0;

    while (s->need == 0 && take < n) {
        s->buf[s->len++] = p[take++];

        if (s->len == 3) {
            s->need = (uint16_t) (3 + (lv_be16(s->buf + 1) & 0x0fff));

            if (s->need > s->size) {
                lv_ts_broken(ts, "a section", e->pid);
                lv_ts_section_lost(e);
                return n;
            }
        }
    }

    if (s->need == 0) {
        return take;
    }

    if (n - take > (size_t) (s->need - s->len)) {
        n = take + (size_t) (s->need - s->len);
    }

    memcpy(s->buf + s->len, p + take, n - take);
    s->len += (uint16_t) (n - take);

    if (s->len < s->need) {
        return n;
    }

    /* a table may drop the PID that it came on */
    buf = s->buf;
    len = s->len;
    s->buf = NULL;
    lv_ts_section_lost(e);
    lv_ts_section(ts, e, buf, len);
    free(buf);

    return n;
}


void
lv_ts_section_data(lv_ts_t *ts, lv_ts_pid_t *e, const uint8_t *p, size_t n,
    bool start)
{
    size_t    used, pointer;
    uint16_t  pid;
    unsigned  type;

    if (!lv_ts_section_room(e)) {
        return;
    }

    if (!start) {
        if (e->section.len) {
            (void) lv_ts_section_take(ts, e, p, n);
        }

        return;
    }

    pointer = *p++;
    n--;

    if (pointer > n) {
        lv_ts_broken(ts, "a section", e->pid);
        lv_ts_section_lost(e);
        return;
    }

    pid = e->pid;
    type = e->type;

    if (e->section.len) {
        (void) lv_ts_section_take(ts, e, p, pointer);

        if (e->type != type || e->pid != pid) {
            return;
        }

        lv_ts_section_lost(e);
    }

    p += pointer;
    n -= pointer;

    while (n && *p != 0xff && !ts->failed) {

        if (!lv_ts_section_room(e)) {
            return;
        }

        used = lv_ts_section_take(ts, e, p, n);
        p += used;
        n -= used;

        if (e->type != type || e->pid != pid) {
            return;
        }
    }
}
