#include "main/command.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "lv_nodekey.h"

#include "db/pool.h"
#include "http/nodeauth.h"
#include "main/app.h"
#include "main/log.h"

#define POST_COMMANDS      "64"     /* taken at a time */
#define POST_NODES_MAX     64
#define POST_TIMEOUT_MS    2000
#define POST_CONNECT_MS    1000
#define POST_URL_MAX       520
#define POST_IDS_MAX       2048

/*
 * Those that nobody has posted, for nodes that are there. A post that fails is
 * not repeated: the node's next heartbeat has the command anyway.
 */
static const db_query_t  q_command_take = {
    "command_take",
    "WITH t AS (UPDATE node_commands SET posted_at = now() WHERE id IN ("
    "  SELECT c.id FROM node_commands c JOIN nodes n ON n.id = c.node_id"
    "  WHERE c.posted_at IS NULL AND c.done_at IS NULL"
    "   AND c.expires_at > now() AND n.http_url IS NOT NULL"
    "   AND n.last_seen_at > now() - interval '6s'"
    "  ORDER BY c.id LIMIT " POST_COMMANDS " FOR UPDATE OF c SKIP LOCKED)"
    "  RETURNING id, node_id, type, stream_id, reason, data)"
    " SELECT t.node_id, n.http_url, t.id, t.type, t.stream_id, t.reason,"
    " t.data FROM t JOIN nodes n ON n.id = t.node_id ORDER BY t.node_id, t.id",
    0
};
DB_REGISTER(q_command_take);

static const db_query_t  q_command_posted = {
    "command_posted",
    "UPDATE node_commands SET done_at = now()"
    " WHERE id = ANY ($1::bigint[]) AND done_at IS NULL",
    1
};
DB_REGISTER(q_command_posted);

/* One node's commands. */
typedef struct {
    char                node[65];
    char                url[POST_URL_MAX];
    char                ids[POST_IDS_MAX];  /* a PostgreSQL array */
    json_t             *commands;
    char               *body;
    CURL               *easy;
    struct curl_slist  *headers;
} post_t;

struct command_poster_s {
    struct app_s     *app;
    pthread_t         thread;
    pthread_mutex_t   mutex;
    pthread_cond_t    cond;
    bool              stop;             /* guarded by mutex */
};


static size_t
post_ignore(char *data, size_t size, size_t n, void *ctx)
{
    return size * n;
}


/* The part of a URL that is signed: the path, the query. */
static const char *
post_target(const char *url)
{
    const char  *p;

    p = strstr(url, "://");
    p = p != NULL ? strchr(p + 3, '/') : NULL;

    return p != NULL ? p : "/";
}


/* http_url with or without a slash at its end. */
static void
post_url(post_t *post, const char *base)
{
    size_t  len;

    len = strcspn(base, "?# \r\n");

    while (len > 0 && base[len - 1] == '/') {
        len--;
    }

    snprintf(post->url, sizeof(post->url), "%.*s/control/", (int) len, base);
}


static int
post_headers(struct app_s *app, post_t *post)
{
    char  value[LV_NODE_HEADER_MAX], line[LV_NODE_HEADER_MAX + 32];

    post->headers = curl_slist_append(NULL, "Content-Type: application/json");

    if (nodeauth_sign(app->nodeauth, "POST", post_target(post->url), value)
        == 0)
    {
        snprintf(line, sizeof(line), "Authorization: %s", value);
        post->headers = curl_slist_append(post->headers, line);
    }

    /* a small body: no question whether it may come */
    post->headers = curl_slist_append(post->headers, "Expect:");

    return post->headers != NULL ? 0 : -1;
}


static int
post_prepare(struct app_s *app, post_t *post)
{
    json_t  *doc;

    doc = json_pack("{s:O}", "commands", post->commands);
    post->body = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);

    post->easy = curl_easy_init();

    if (post->body == NULL || post->easy == NULL
        || post_headers(app, post) != 0)
    {
        return -1;
    }

    curl_easy_setopt(post->easy, CURLOPT_URL, post->url);
    curl_easy_setopt(post->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(post->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(post->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(post->easy, CURLOPT_POSTFIELDS, post->body);
    curl_easy_setopt(post->easy, CURLOPT_HTTPHEADER, post->headers);
    curl_easy_setopt(post->easy, CURLOPT_TIMEOUT_MS, (long) POST_TIMEOUT_MS);
    curl_easy_setopt(post->easy, CURLOPT_CONNECTTIMEOUT_MS,
        (long) POST_CONNECT_MS);
    curl_easy_setopt(post->easy, CURLOPT_WRITEFUNCTION, post_ignore);
    curl_easy_setopt(post->easy, CURLOPT_PRIVATE, post);

    return 0;
}


static void
post_free(post_t *post)
{
    json_decref(post->commands);
    free(post->body);
    curl_slist_free_all(post->headers);
    curl_easy_cleanup(post->easy);
}


/* Rows, ordered by node, into posts; the number of posts. */
static size_t
post_gather(db_result_t *res, post_t *posts)
{
    int      row;
    char     id[24];
    size_t   n;
    post_t  *post;

    n = 0;
    post = NULL;

    for (row = 0; row < db_rows(res); row++) {
        if (post == NULL || strcmp(post->node, db_text(res, row, 0)) != 0) {
            if (n == POST_NODES_MAX) {
                break;
            }

            post = &posts[n++];
            snprintf(post->node, sizeof(post->node), "%s",
                db_text(res, row, 0));
            post_url(post, db_text(res, row, 1));
            post->commands = json_array();
        }

        json_array_append_new(post->commands, command_json(res, row, 2));

        snprintf(id, sizeof(id), "%s%s", *post->ids != '\0' ? "," : "{",
            db_text(res, row, 2));
        strncat(post->ids, id, sizeof(post->ids) - strlen(post->ids) - 1);
    }

    return n;
}


static void
post_done(db_t *db, CURLMsg *msg)
{
    long     status;
    post_t  *post;

    status = 0;
    curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **) &post);
    curl_easy_getinfo(msg->easy_handle, CURLINFO_RESPONSE_CODE, &status);

    if (msg->data.result != CURLE_OK) {
        log_line(LOG_WARN, "commands to node %s: %s; its heartbeat takes them",
            post->node, curl_easy_strerror(msg->data.result));
        return;
    }

    if (status < 200 || status > 299) {
        log_line(LOG_WARN, "commands to node %s: it answered %ld; its "
            "heartbeat takes them", post->node, status);
        return;
    }

    strncat(post->ids, "}", sizeof(post->ids) - strlen(post->ids) - 1);

    if (db_run(db, &q_command_posted, post->ids) == NULL) {
        log_line(LOG_WARN, "commands to node %s were taken, which could not "
            "be written down; it gets them again", post->node);
    }
}


/* All nodes at once: one that does not answer keeps nobody waiting. */
static void
post_run(db_t *db, CURLM *multi, post_t *posts, size_t n)
{
    int       running, left;
    size_t    i;
    CURLMsg  *msg;

    for (i = 0; i < n; i++) {
        curl_multi_add_handle(multi, posts[i].easy);
    }

    do {
        if (curl_multi_perform(multi, &running) != CURLM_OK) {
            break;
        }

        if (running > 0) {
            (void) curl_multi_poll(multi, NULL, 0, 100, NULL);
        }

    } while (running > 0);

    while ((msg = curl_multi_info_read(multi, &left)) != NULL) {
        if (msg->msg == CURLMSG_DONE) {
            post_done(db, msg);
        }
    }

    for (i = 0; i < n; i++) {
        curl_multi_remove_handle(multi, posts[i].easy);
    }
}


static void
command_turn(struct app_s *app, CURLM *multi)
{
    db_t         *db;
    size_t        i, n, ready;
    post_t       *posts;
    db_result_t  *res;

    db = pool_primary(app->pool);
    res = db_run(db, &q_command_take);

    if (res != NULL && db_rows(res) > 0) {
        posts = calloc(POST_NODES_MAX, sizeof(post_t));

        if (posts != NULL) {
            n = post_gather(res, posts);

            for (ready = 0; ready < n; ready++) {
                if (post_prepare(app, &posts[ready]) != 0) {
                    break;
                }
            }

            post_run(db, multi, posts, ready);

            for (i = 0; i < n; i++) {
                post_free(&posts[i]);
            }
        }

        free(posts);
    }

    db_release(db);
}


static void *
command_thread(void *data)
{
    bool               stop;
    CURLM             *multi;
    command_poster_t  *poster = data;
    struct timespec    until;

    multi = curl_multi_init();

    for ( ;; ) {
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += COMMAND_POLL_MS * 1000000L;

        if (until.tv_nsec >= 1000000000L) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000L;
        }

        pthread_mutex_lock(&poster->mutex);

        while (!poster->stop
               && pthread_cond_timedwait(&poster->cond, &poster->mutex, &until)
                      == 0)
        {
            /* woken without a reason */
        }

        stop = poster->stop;
        pthread_mutex_unlock(&poster->mutex);

        if (stop) {
            break;
        }

        command_turn(poster->app, multi);
    }

    curl_multi_cleanup(multi);
    pool_thread_end(poster->app->pool);

    return NULL;
}


command_poster_t *
command_start(struct app_s *app)
{
    pthread_condattr_t   attr;
    command_poster_t    *poster;

    poster = calloc(1, sizeof(*poster));

    if (poster == NULL) {
        return NULL;
    }

    poster->app = app;

    pthread_mutex_init(&poster->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&poster->cond, &attr);
    pthread_condattr_destroy(&attr);

    if (pthread_create(&poster->thread, NULL, command_thread, poster) != 0) {
        pthread_cond_destroy(&poster->cond);
        pthread_mutex_destroy(&poster->mutex);
        free(poster);
        return NULL;
    }

    return poster;
}


void
command_stop(command_poster_t *poster)
{
    if (poster == NULL) {
        return;
    }

    pthread_mutex_lock(&poster->mutex);
    poster->stop = true;
    pthread_cond_signal(&poster->cond);
    pthread_mutex_unlock(&poster->mutex);

    pthread_join(poster->thread, NULL);
    pthread_cond_destroy(&poster->cond);
    pthread_mutex_destroy(&poster->mutex);
    free(poster);
}
