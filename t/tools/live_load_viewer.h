/* Viewers of live_load: HTTP/1.1, a connection for each rendition. */

#ifndef LIVE_LOAD_VIEWER_H
#define LIVE_LOAD_VIEWER_H

#include "live_load.h"
#include "hls_track.h"

#define ANSWER_HEAD  4096
#define ANSWER_BODY  (1024 * 1024)      /* of a playlist */


typedef struct {
    char          head[ANSWER_HEAD];
    size_t        head_len;
    int           status;
    bool          in_body;
    bool          chunked;
    bool          keep;                 /* the body, that is */
    bool          last;                 /* chunk */
    int64_t       left;                 /* of the body, or the chunk */
    char          line[16];             /* of a chunk's size */
    size_t        line_len;
    char         *body;                 /* terminated */
    size_t        body_len, body_size;
} answer_t;

typedef struct {
    track_t       list;
    char          path[2200];
} rendition_t;

typedef enum { V_MASTER, V_PLAYLIST, V_INIT, V_RELOAD, V_PART, V_IDLE } step_e;

typedef struct {
    load_client_t  client;              /* first */
    rendition_t   *rendition;
    unsigned       number;
    step_e         step;
    bool           started;
    uint64_t       next;                /* the part to have next */
    int64_t        asked_ns;
    int64_t        due_ns;              /* when it has nothing left to play */
    answer_t       answer;
} viewer_t;


static stream_target_t  playlist;
static rendition_t      renditions[2];
static unsigned         nrenditions;
static viewer_t        *viewers;
static unsigned         nviewers;       /* connections */
static unsigned         viewers_begun;
static unsigned         viewers_live;



/* ---- answers ---- */

static void
answer_head(answer_t *a)
{
    const char  *v;

    a->status = atoi(a->head + 9);
    v = strcasestr(a->head, "\nTransfer-Encoding: chunked");
    a->chunked = v != NULL;
    v = strcasestr(a->head, "\nContent-Length:");
    a->left = v && !a->chunked ? atoll(v + 16) : 0;
    a->in_body = true;
    a->last = false;
    a->line_len = 0;
}


static void
answer_keep(answer_t *a, const uint8_t *p, size_t n)
{
    if (a->body_len + n >= ANSWER_BODY) {
        die("a playlist of more than %d bytes", ANSWER_BODY);
    }

    if (a->body_len + n >= a->body_size) {
        a->body_size = 2 * (a->body_len + n) + 1;
        a->body = realloc(a->body, a->body_size);

        if (a->body == NULL) {
            die("out of memory");
        }
    }

    memcpy(a->body + a->body_len, p, n);
    a->body_len += n;
    a->body[a->body_len] = '\0';
}


/* The line of a chunk's size is over: true at the end of all. */
static bool
answer_chunk(answer_t *a)
{
    a->line[a->line_len] = '\0';
    a->line_len = 0;

    if (a->last) {
        return a->line[0] == '\r' || a->line[0] == '\0';
    }

    if (a->line[0] == '\r' || a->line[0] == '\0') {
        return false;                   /* behind a chunk */
    }

    a->left = (int64_t) strtoull(a->line, NULL, 16);
    a->last = a->left == 0;

    return false;
}


/* Takes what belongs to the answer: true when it is whole. */
static bool
answer_input(answer_t *a, const uint8_t *p, size_t n)
{
    char    *end;
    size_t   take;

    while (n > 0 || a->in_body) {

        if (!a->in_body) {
            take = ANSWER_HEAD - 1 - a->head_len;
            take = n < take ? n : take;
            memcpy(a->head + a->head_len, p, take);
            a->head[a->head_len + take] = '\0';
            end = strstr(a->head, "\r\n\r\n");

            if (end == NULL) {
                if (a->head_len + take == ANSWER_HEAD - 1) {
                    die("a header of more than %d bytes", ANSWER_HEAD);
                }

                a->head_len += take;
                return false;
            }

            take = (size_t) (end + 4 - a->head) - a->head_len;
            p += take;
            n -= take;
            end[2] = '\0';
            answer_head(a);
            continue;
        }

        if (a->left > 0) {
            if (n == 0) {
                return false;
            }

            take = (int64_t) n < a->left ? n : (size_t) a->left;

            if (a->keep) {
                answer_keep(a, p, take);
            }

            a->left -= (int64_t) take;
            p += take;
            n -= take;
            continue;
        }

        if (!a->chunked) {
            return true;
        }

        if (n == 0) {
            return false;
        }

        if (*p == '\n') {
            if (answer_chunk(a)) {
                return true;
            }

        } else if (a->line_len < sizeof(a->line) - 1) {
            a->line[a->line_len++] = (char) *p;
        }

        p++;
        n--;
    }

    return false;
}


/* ---- requests ---- */

static void
viewer_fail(viewer_t *v, const char *what, const char *text)
{
    load_error(what, text, strlen(text));
    now_stat.closed++;
    viewers_live--;
    load_later(&v->client);
}


static void
viewer_get(viewer_t *v, const char *path, step_e step)
{
    int          n;
    char         text[STREAM_OUT];
    const char  *token;

    token = load_token(v->number);
    n = snprintf(text, sizeof(text),
                 "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: live_load\r\n"
                 "%s%s%s\r\n", path, playlist.authority,
                 token ? "Authorization: Bearer " : "", token ? token : "",
                 token ? "\r\n" : "");

    v->step = step;
    v->asked_ns = now_ns();
    v->answer.head_len = 0;
    v->answer.body_len = 0;
    v->answer.in_body = false;
    v->answer.keep = step != V_INIT && step != V_PART;

    if (n >= (int) sizeof(text)
        || stream_send(&v->client.stream, text, (size_t) n) != 0)
    {
        viewer_fail(v, "not sent", path);
    }
}


/* What a URI in the playlist at `base` is on that server. */
static void
resolve(char *path, size_t size, const char *base, const char *uri, size_t len)
{
    size_t           dir;
    char             text[TRACK_URI + 300];
    stream_target_t  other;

    if (len > 8 && memmem(uri, len < 9 ? len : 9, "://", 3)) {
        snprintf(text, sizeof(text), "%.*s", (int) len, uri);
        stream_target(&other, text);

        if (strcmp(other.authority, playlist.authority) != 0) {
            die("a playlist points to another host: %s", text);
        }

        snprintf(path, size, "%s", other.path);
        return;
    }

    dir = strcspn(base, "?");

    while (dir > 0 && base[dir - 1] != '/') {
        dir--;
    }

    snprintf(path, size, "%.*s%.*s", uri[0] == '/' ? 0 : (int) dir, base,
             (int) len, uri);
}


static void
viewer_get_uri(viewer_t *v, const char *uri, step_e step)
{
    char  path[2600];

    resolve(path, sizeof(path), v->rendition->path, uri, strlen(uri));
    viewer_get(v, path, step);
}


static void
viewer_reload(viewer_t *v)
{
    char       path[2600];
    track_t   *t = &v->rendition->list;
    uint64_t   msn;
    unsigned   part;

    msn = v->next < t->n ? t->parts[v->next % TRACK_RING].msn : t->next_msn;
    part = v->next < t->n ? t->parts[v->next % TRACK_RING].part
                          : t->next_part;

    snprintf(path, sizeof(path), "%s%c_HLS_msn=%llu&_HLS_part=%u%s",
             v->rendition->path, strchr(v->rendition->path, '?') ? '&' : '?',
             (unsigned long long) msn, part,
             t->skip ? "&_HLS_skip=YES" : "");

    viewer_get(v, path, V_RELOAD);
}


static void
viewer_next(viewer_t *v)
{
    track_t  *t = &v->rendition->list;

    if (v->next < t->n) {

        if (t->n - v->next > TRACK_RING / 2) {
            v->next = t->n - 1;
        }

        viewer_get_uri(v, t->parts[v->next % TRACK_RING].uri, V_PART);

    } else if (t->ended) {
        v->step = V_IDLE;
        v->client.again_ns = INT64_MAX;

    } else if (opt.plain || t->part_target == 0) {
        v->step = V_IDLE;
        v->client.again_ns = now_ns() + (int64_t) (t->target / 2 * SEC_NS);

    } else {
        viewer_reload(v);
    }
}


/* ---- what comes ---- */

/* The first variant of a multivariant playlist, and its audio. */
static void
master_read(const char *text)
{
    size_t       n;
    char         group[80] = "";
    const char  *at, *line, *uri;

    snprintf(renditions[0].path, sizeof(renditions[0].path), "%s",
             playlist.path);
    nrenditions = 1;
    line = strstr(text, "#EXT-X-STREAM-INF:");

    if (line == NULL) {
        return;
    }

    uri = strchr(line, '\n');

    if (uri == NULL) {
        die("a variant without a URI");
    }

    at = strstr(line, "AUDIO=\"");

    if (at && at < uri) {
        snprintf(group, sizeof(group), "GROUP-ID=\"%.*s\"",
                 (int) strcspn(at + 7, "\""), at + 7);
    }

    uri++;
    n = strcspn(uri, "\r\n");
    resolve(renditions[0].path, sizeof(renditions[0].path), playlist.path,
            uri, n);

    for (at = text; group[0] && (at = strstr(at, "#EXT-X-MEDIA:")); at++) {
        n = strcspn(at, "\r\n");
        uri = memmem(at, n, "URI=\"", 5);

        if (uri && memmem(at, n, group, strlen(group))) {
            resolve(renditions[1].path, sizeof(renditions[1].path),
                    playlist.path, uri + 5, strcspn(uri + 5, "\""));
            nrenditions = 2;
            return;
        }
    }
}


static void
viewer_playlist(viewer_t *v)
{
    char      nothing[1] = "";
    track_t  *t = &v->rendition->list;

    if (!v->started || v->next >= t->n) {
        track_parse(t, v->answer.body_len ? v->answer.body : nothing);
    }

    now_stat.playlists++;

    if (!v->started) {
        v->started = true;
        v->next = t->n > 3 ? t->n - 3 : 0;
        v->due_ns = 0;

        if (t->map[0]) {
            viewer_get_uri(v, t->map, V_INIT);
            return;
        }
    }

    viewer_next(v);
}


/* It plays from its first part on, and waits for those that come too late. */
static void
viewer_part(viewer_t *v)
{
    int64_t        now = now_ns();
    track_part_t  *p = &v->rendition->list.parts[v->next++ % TRACK_RING];

    now_stat.parts++;
    load_hist_add(&now_stat.fetch, now - v->asked_ns);

    if (v->due_ns && now > v->due_ns) {
        now_stat.stalls++;
    }

    if (now > v->due_ns) {
        v->due_ns = now;
    }

    v->due_ns += (int64_t) (p->duration * SEC_NS);
    viewer_next(v);
}


static void
viewer_answer(viewer_t *v)
{
    if (v->answer.status != 200) {

        if (v->answer.status == 503 && v->step == V_RELOAD) {
            viewer_reload(v);           /* nothing new came in time */
            return;
        }

        viewer_fail(v, "not 200", v->answer.head);
        return;
    }

    switch (v->step) {

    case V_MASTER:
        if (v->answer.body_len) {
            master_read(v->answer.body);
        }

        load_later(&v->client);
        viewers_live--;
        break;

    case V_PLAYLIST:
    case V_RELOAD:
        viewer_playlist(v);
        break;

    case V_INIT:
        viewer_next(v);
        break;

    default: /* V_PART */
        viewer_part(v);
        break;
    }
}


static void
viewer_event(load_client_t *c)
{
    int        n, rc;
    bool       was = c->stream.open;
    viewer_t  *v = (viewer_t *) c;

    rc = stream_event(&c->stream);

    if (rc == -1) {
        viewer_fail(v, "no connection", playlist.authority);
        return;
    }

    if (rc == 0) {
        return;
    }

    if (!was) {
        viewer_get(v, v->rendition ? v->rendition->path : playlist.path,
                   v->rendition ? V_PLAYLIST : V_MASTER);
    }

    while (c->stream.fd != -1
           && (n = stream_recv(&c->stream, load_in, sizeof(load_in))) != 0)
    {
        if (n == -1) {
            viewer_fail(v, "closed", playlist.authority);
            return;
        }

        now_stat.bytes += (uint64_t) n;

        if (v->step == V_IDLE || !answer_input(&v->answer, load_in,
                                               (size_t) n))
        {
            continue;
        }

        viewer_answer(v);
    }
}


static void
viewer_open(viewer_t *v)
{
    v->started = false;
    viewers_live++;

    if (stream_open(&v->client.stream, load_ep, &playlist, v, v->number)
        != 0)
    {
        viewer_fail(v, "connect", strerror(errno));
    }
}


/* Those whose time has come: `part` of them are due to be there. */
static void
viewers_tick(double part, int64_t now)
{
    unsigned   i;
    viewer_t  *v;

    if (nviewers == 0) {
        return;
    }

    /* the first one finds out what there is to play */

    if (nrenditions == 0) {
        v = &viewers[0];

        if (v->client.stream.fd == -1 && now >= v->client.again_ns) {
            viewer_open(v);
        }

        return;
    }

    nviewers = opt.viewers * nrenditions;

    while (viewers_begun < (unsigned) (part * nviewers + 0.5)) {
        v = &viewers[viewers_begun];
        v->number = viewers_begun / nrenditions;
        v->rendition = &renditions[viewers_begun % nrenditions];
        viewers_begun++;
        viewer_open(v);
    }

    for (i = 0; i < viewers_begun; i++) {
        v = &viewers[i];

        if (now < v->client.again_ns) {
            continue;
        }

        if (v->client.stream.fd == -1) {
            viewer_open(v);

        } else if (v->step == V_IDLE && v->started) {
            v->client.again_ns = INT64_MAX;
            viewer_get(v, v->rendition->path, V_PLAYLIST);
        }
    }
}


static void
viewers_init(void)
{
    unsigned  i;

    stream_target(&playlist, opt.playlist);
    nviewers = opt.viewers * 2;
    viewers = tool_alloc(nviewers * sizeof(viewer_t));

    for (i = 0; i < nviewers; i++) {
        viewers[i].client.stream.fd = -1;
        viewers[i].client.event = viewer_event;
    }

    for (i = 0; i < 2; i++) {
        renditions[i].list.plain = opt.plain;
    }
}

#endif
