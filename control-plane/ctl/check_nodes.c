#include "ctl/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "lv_nodekey.h"

#include "http/rate_redis.h"
#include "job/watch.h"

#define PROBE_TIMEOUT_MS  2000

/* Half of what a signature allows: soon it will not. */
#define SKEW_ODD_S        (LV_NODE_SKEW_S / 2)

static const db_query_t  q_check_nodes = {
    "check_nodes",
    "SELECT n.id, extract(epoch FROM now() - n.last_seen_at)::bigint,"
    " n.draining, n.http_url, (SELECT count(*) FROM live_streams l"
    "  WHERE l.node_id = n.id),"
    " (SELECT c.value FROM counters c WHERE c.name = 'revocations')"
    "  - n.revocations_seen,"
    " n.store_size > 0 AND n.store_used > n.store_size / 10 * 9"
    " FROM nodes n WHERE n.last_seen_at > now() - interval '7 days'"
    " ORDER BY n.id LIMIT 1000",
    0
};
DB_REGISTER(q_check_nodes);


static size_t
probe_ignore(char *data, size_t size, size_t n, void *ctx)
{
    return size * n;
}


static size_t
probe_head(char *data, size_t size, size_t n, void *ctx)
{
    char        text[64];
    size_t      len;
    long long  *date = ctx;

    len = size * n;

    if (len > 5 && len < sizeof(text) && strncasecmp(data, "Date:", 5) == 0) {
        memcpy(text, data + 5, len - 5);
        text[len - 5] = '\0';
        *date = (long long) curl_getdate(text, NULL);
    }

    return len;
}


long long
check_date(const char *url, long *status, const char **error)
{
    CURL       *easy;
    CURLcode    code;
    long long   date;

    *status = 0;
    *error = NULL;
    date = 0;
    easy = curl_easy_init();

    if (easy == NULL) {
        *error = "out of memory";
        return -1;
    }

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) PROBE_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, probe_ignore);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, probe_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &date);

    code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
    curl_easy_cleanup(easy);

    if (code != CURLE_OK) {
        *error = curl_easy_strerror(code);
        return -1;
    }

    return date > 0 ? date : 0;
}


/* The node's clock, by the Date of its answer. */
static void
check_node_clock(check_t *c, const char *node, const char *url)
{
    long         status;
    long long    date, off;
    const char  *error;

    date = check_date(url, &status, &error);

    if (date < 0) {
        check_odd(c, "node", "kicks reach it with its next heartbeat; open "
            "the way to its http_url to be quicker",
            "%s: %s does not answer: %s", node, url, error);
        return;
    }

    off = date > 0 ? llabs(date - (long long) time(NULL)) : 0;

    if (off > LV_NODE_SKEW_S) {
        check_wrong(c, "node clock", "run NTP on both hosts: signatures are "
            "refused", "%s is %lld s away from this host", node, off);

    } else if (off > SKEW_ODD_S) {
        check_odd(c, "node clock", "run NTP on both hosts",
            "%s is %lld s away from this host", node, off);
    }
}


static void
check_node(check_t *c, db_result_t *res, int i)
{
    const char  *node;

    node = db_text(res, i, 0);

    if (db_int(res, i, 1) > WATCH_SILENT_S) {
        check_wrong(c, "node", "is nginx there, and does live_control of its "
            "configuration lead here? It is forgotten after 30 days",
            "%s was silent for %s s", node, db_text(res, i, 1));
        return;
    }

    check_ok(c, "node", "%s reports; %s streams%s", node, db_text(res, i, 4),
        db_bool(res, i, 2) ? "; draining" : "");

    if (db_int(res, i, 5) > 0) {
        check_odd(c, "node", "wait two heartbeats and check again",
            "%s has %s revocations still to learn", node, db_text(res, i, 5));
    }

    if (db_bool(res, i, 6)) {
        check_odd(c, "node", "give live_store more memory, or streams a "
            "shorter window", "the store of %s is more than 90 %% full",
            node);
    }

    if (!db_null(res, i, 3)) {
        check_node_clock(c, node, db_text(res, i, 3));
    }
}


void
check_nodes(check_t *c)
{
    int           i;
    db_result_t  *res;

    res = db_run(c->db, &q_check_nodes);

    if (res == NULL) {
        return;
    }

    if (db_rows(res) == 0) {
        check_odd(c, "node", "configure nginx on a node; see README.md",
            "none has ever reported");
    }

    for (i = 0; i < db_rows(res); i++) {
        check_node(c, res, i);
    }
}


static void
check_redis(check_t *c)
{
    bool           ok;
    int64_t        full_us;
    const char    *url;
    rate_redis_t  *redis;

    url = conf_text(c->conf, "redis");

    if (url == NULL) {
        return;
    }

    redis = rate_redis_create(url);

    if (redis == NULL) {
        check_wrong(c, "redis", "redis://[user:password@]host[:port][/db]",
            "its URL makes no sense");
        return;
    }

    if (rate_redis_take(redis, "live-ctl", 1, 1, false, &ok, &full_us) != 0) {
        check_wrong(c, "redis", "start Redis, or correct \"redis\"; rate "
            "limits are each daemon's own meanwhile", "it does not answer");
    } else {
        check_ok(c, "redis", "it answers");
    }

    rate_redis_free(redis);
}


/* The daemon of this configuration, on this host. */
void
check_services(check_t *c)
{
    char         url[300];
    long         status;
    const char  *error;

    check_redis(c);

    snprintf(url, sizeof(url), "http://%.200s/readyz",
        conf_text(c->conf, "listen"));

    if (check_date(url, &status, &error) < 0) {
        check_wrong(c, "control plane", "start it: control-plane -c FILE",
            "%s does not answer: %s", conf_text(c->conf, "listen"), error);

    } else if (status != 200) {
        check_wrong(c, "control plane", "see above, and its log",
            "it is not ready (%ld)", status);

    } else {
        check_ok(c, "control plane", "ready on %s",
            conf_text(c->conf, "listen"));
    }
}
