/*
 * control-plane: accounts, streams, keys and tokens over HTTP, in PostgreSQL.
 *
 * The main thread makes everything, then waits for signals: TERM and INT
 * drain and end, HUP reads the node key again and opens the log again.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>
#include <jansson.h>
#include <sodium.h>

#include "db/migrate.h"
#include "db/pool.h"
#include "http/nodeauth.h"
#include "http/proxy.h"
#include "http/rate.h"
#include "http/router.h"
#include "http/server.h"
#include "job/job.h"
#include "job/webhooks.h"
#include "main/app.h"
#include "main/command.h"
#include "main/log.h"
#include "main/metrics.h"
#include "main/options.h"
#include "main/password.h"
#include "main/slow.h"

#define SENTENCE_MAX  600
#define TICK_MS       500
#define WAIT_MS       20

extern const db_query_t *const  __start_db_queries[];
extern const db_query_t *const  __stop_db_queries[];


static int
fail(const char *fmt, const char *text)
{
    fprintf(stderr, "control-plane: ");
    fprintf(stderr, fmt, text);
    fprintf(stderr, "\n");

    return 1;
}


static void
queries_print(void)
{
    json_t                   *list;
    const db_query_t *const  *q;

    list = json_array();

    for (q = __start_db_queries; q < __stop_db_queries; q++) {
        json_array_append_new(list, json_pack("{s:s, s:s, s:i}", "name",
                                              (*q)->name, "sql", (*q)->sql,
                                              "params", (*q)->params));
    }

    json_dumpf(list, stdout, JSON_INDENT(1));
    printf("\n");
    json_decref(list);
}


/* ---- the parts */


/* What both the daemon and the commands need; 0, or a message was printed. */
static int
app_load(app_t *app)
{
    const char  *err, *path;
    conf_t      *conf = app->conf;

    if (conf_text(conf, "database") == NULL) {
        return fail("\"%s\" is not configured", "database");
    }

    path = conf_text(conf, "secret_key");
    if (path == NULL) {
        return fail("\"%s\" is not configured: a file with a line made by"
                    " echo \"k1 $(openssl rand -base64 32)\"", "secret_key");
    }

    app->crypt = crypt_load(path, &err);
    if (app->crypt == NULL) {
        return fail("secret_key: %s", err);
    }

    app->signing = signing_create(app->crypt);
    app->metrics = metrics_create();
    app->jobs = jobs_create();
    app->pool = pool_create(conf_text(conf, "database"),
                            conf_text(conf, "database_replica"),
                            (int) conf_int(conf, "statement_timeout_ms"));

    app->nodeauth = nodeauth_create(conf_text(conf, "node_key"), &err);
    if (app->nodeauth == NULL) {
        return fail("node_key: %s", err);
    }

    app->proxies = proxies_parse(conf_text(conf, "trusted_proxies"));
    if (app->proxies == NULL) {
        return fail("trusted_proxies: not a list of addresses and blocks: %s",
                    conf_text(conf, "trusted_proxies"));
    }

    app->limits = limits_create(conf);
    if (app->limits == NULL) {
        return fail("redis: not an address like %s",
                    "redis://127.0.0.1:6379/0");
    }

    if (password_init((unsigned long long) conf_int(conf, "argon2_ops"),
                      (size_t) conf_int(conf, "argon2_mem")) != 0)
    {
        return fail("%s: libsodium does not take these values",
                    "argon2_ops, argon2_mem");
    }

    return 0;
}


static void
app_free(app_t *app)
{
    slow_free(app->slow);
    limits_free(app->limits);
    proxies_free(app->proxies);
    nodeauth_free(app->nodeauth);
    pool_free(app->pool);
    jobs_free(app->jobs);
    metrics_free(app->metrics);
    signing_free(app->signing);
    crypt_free(app->crypt);
    conf_free(app->conf);
    migrate_unload();
    curl_global_cleanup();
}


/* ---- commands */


static int
command_migrate(app_t *app)
{
    int    rc;
    char   err[SENTENCE_MAX];
    db_t  *db;

    if (conf_text(app->conf, "database") == NULL) {
        return fail("\"%s\" is not configured", "database");
    }

    db = db_open(conf_text(app->conf, "database"), 0);
    rc = migrate_run(db, err, sizeof(err));
    db_close(db);

    return rc == 0 ? 0 : fail("%s", err);
}


static int
command_rotate(app_t *app)
{
    char  kid[SIGNING_KID_LEN + 1];

    if (signing_make(app->crypt, pool_primary(app->pool), kid) != 0) {
        return fail("%s", "the key could not be made");
    }

    printf("%s signs in %d seconds\n", kid, SIGNING_LEAD_S);

    return 0;
}


static int
command_check(app_t *app)
{
    const char  *why;

    conf_print(app->conf);

    why = migrate_wrong(pool_primary(app->pool));
    if (why != NULL) {
        return fail("%s", why);
    }

    if (conf_text(app->conf, "database_replica") != NULL
        && pool_replica(app->pool) == NULL)
    {
        return fail("%s", "the replica does not answer");
    }

    printf("ok\n");

    return 0;
}


/* ---- the daemon */


static void
app_hangup(app_t *app)
{
    const char  *err;

    if (log_reopen() != 0) {
        log_line(LOG_ERROR, "log: %s", strerror(errno));
    }

    if (nodeauth_reload(app->nodeauth, &err) != 0) {
        log_line(LOG_ERROR, "node_key: %s: the old one stays", err);
        return;
    }

    log_line(LOG_INFO, "node_key and log were read again");
}


/* Until TERM or INT. */
static void
app_wait(app_t *app, server_t *server, const sigset_t *set)
{
    int              sig;
    struct timespec  tick = { 0, TICK_MS * 1000000L };

    for ( ;; ) {
        sig = sigtimedwait(set, NULL, &tick);

        if (sig == SIGTERM || sig == SIGINT) {
            return;
        }

        if (sig == SIGHUP) {
            app_hangup(app);
        }

        server_tick(server);
    }
}


static void
app_drain(app_t *app, server_t *server)
{
    int64_t          end_s;
    struct timespec  wait = { 0, WAIT_MS * 1000000L };

    app->draining = true;
    log_line(LOG_INFO, "draining %d requests", server_active(server));
    server_quiesce(server);

    end_s = time(NULL) + conf_int(app->conf, "drain_timeout");

    while (server_active(server) > 0 && time(NULL) < end_s) {
        nanosleep(&wait, NULL);
        server_tick(server);
    }
}


/* A database that is not there yet is waited for by /readyz; a schema that
 * does not fit is not. */
static int
app_schema(app_t *app)
{
    const char  *why;

    if (db_connect(pool_primary(app->pool)) != 0) {
        log_line(LOG_WARN, "the database does not answer yet");
        return 0;
    }

    why = migrate_wrong(pool_primary(app->pool));
    if (why != NULL) {
        return fail("%s", why);
    }

    if (signing_refresh(app->signing, pool_primary(app->pool)) != 0) {
        log_line(LOG_WARN, "the signing keys could not be read yet");
    }

    return 0;
}


static int
app_run(app_t *app)
{
    char               err[SENTENCE_MAX] = "cannot make a thread";
    sigset_t           set;
    server_t          *server;
    command_poster_t  *poster;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);

    if (log_open(conf_text(app->conf, "log"),
                 conf_text(app->conf, "log_level")) != 0)
    {
        return fail("log: %s", strerror(errno));
    }

    if (app_schema(app) != 0) {
        return 1;
    }

    app->slow = slow_create((int) conf_int(app->conf, "slow_threads"),
                            (int) conf_int(app->conf, "slow_queue"),
                            app->pool);
    jobs_register(app);

    if (jobs_start(app) != 0) {
        return fail("%s", "cannot make a thread");
    }

    poster = command_start(app);
    app->webhooks = webhooks_start(app);

    server = poster != NULL && app->webhooks != NULL
                 ? server_start(app, err, sizeof(err))
                 : NULL;

    if (server == NULL) {
        jobs_stop(app);
        command_stop(poster);
        webhooks_stop(app->webhooks);
        return fail("%s", err);
    }

    log_line(LOG_INFO, "listening on %s", conf_text(app->conf, "listen"));

    app_wait(app, server, &set);
    app_drain(app, server);

    slow_free(app->slow);
    app->slow = NULL;
    server_stop(server);
    jobs_stop(app);
    command_stop(poster);
    webhooks_stop(app->webhooks);
    log_line(LOG_INFO, "ended");

    return 0;
}


int
main(int argc, char **argv)
{
    int         rc;
    char        err[SENTENCE_MAX];
    app_t       app;
    options_t   options;

    memset(&app, 0, sizeof(app));
    router_init();

    if (!options_parse(&options, argc, argv)) {
        return 2;
    }

    if (options.routes || options.queries) {
        options.routes ? router_print() : queries_print();
        return 0;
    }

    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        return fail("%s", "libsodium or libcurl does not start");
    }

    app.conf = conf_load(options.conf, err, sizeof(err));
    if (app.conf == NULL) {
        return fail("%s", err);
    }

    if (migrate_load(conf_text(app.conf, "sql_dir"), err, sizeof(err)) != 0) {
        rc = fail("%s", err);
    } else if (options.migrate) {
        rc = command_migrate(&app);
    } else if (app_load(&app) != 0) {
        rc = 1;
    } else if (options.rotate_key) {
        rc = command_rotate(&app);
    } else if (options.check) {
        rc = command_check(&app);
    } else {
        rc = app_run(&app);
    }

    app_free(&app);

    return rc;
}
