#include "ctl/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "lv_nodekey.h"

#define ADVICE_SIZE  1200

/* Of a disk: below these it is wrong, below twice of them odd. */
#define DISK_PERCENT  5
#define DISK_BYTES    (512LL * 1024 * 1024)


/* A file with secrets in it. false: it cannot be read, which was said. */
static bool
check_secret_file(check_t *c, const char *what, const char *path)
{
    char         advice[ADVICE_SIZE];
    FILE        *file;
    struct stat  st;

    file = fopen(path, "re");

    if (file == NULL || fstat(fileno(file), &st) != 0) {
        check_wrong(c, what, "make the file, or let this user read it",
            "%s: %s", path, strerror(errno));

        if (file != NULL) {
            fclose(file);
        }

        return false;
    }

    fclose(file);

    if ((st.st_mode & 027) != 0) {
        snprintf(advice, sizeof(advice), "chmod 640 %s (or 600)", path);
        check_wrong(c, what, advice, "%s can be %s by others (mode %03o)",
            path, (st.st_mode & 022) != 0 ? "changed" : "read",
            (unsigned) st.st_mode & 0777);
    }

    return true;
}


static void
check_secret_key(check_t *c)
{
    const char  *path, *err;

    path = conf_text(c->conf, "secret_key");

    if (path == NULL) {
        check_wrong(c, "secret_key", "echo \"k1 $(openssl rand -base64 32)\" "
            "> secret.key; chmod 600 secret.key", "not configured");
        return;
    }

    if (!check_secret_file(c, "secret_key", path)) {
        return;
    }

    c->crypt = crypt_load(path, &err);

    if (c->crypt == NULL) {
        check_wrong(c, "secret_key", "lines of an id and base64 of 32 bytes",
            "%s: %s", path, err);
    } else {
        check_ok(c, "secret_key", "%s; key %s seals", path,
            crypt_key_id(c->crypt));
    }
}


static void
check_node_key(check_t *c)
{
    char            data[LV_NODE_FILE_MAX + 1];
    FILE           *file;
    lv_str_t        text;
    const char     *path, *err;
    lv_nodekeys_t  *keys;

    path = conf_text(c->conf, "node_key");

    if (path == NULL) {
        check_odd(c, "node_key", "openssl rand -hex 32 > node.key, the same "
            "file on every node (live_node_key)",
            "not configured: only nodes on this host can report");
        return;
    }

    if (!check_secret_file(c, "node_key", path)
        || (file = fopen(path, "re")) == NULL)
    {
        return;
    }

    text.data = (uint8_t *) data;
    text.len = fread(data, 1, sizeof(data), file);
    fclose(file);

    keys = lv_nodekeys_load(text, &err);
    OPENSSL_cleanse(data, sizeof(data));

    if (keys == NULL) {
        check_wrong(c, "node_key", "a line of 64 hexadecimal digits: openssl "
            "rand -hex 32", "%s: %s", path, err);
    } else {
        check_ok(c, "node_key", "%s", path);
        lv_nodekeys_free(keys);
    }
}


void
check_disk(check_t *c, const char *path)
{
    long long       total, left;
    struct statvfs  fs;

    if (statvfs(path, &fs) != 0) {
        check_odd(c, "disk", NULL, "%s: %s", path, strerror(errno));
        return;
    }

    total = (long long) fs.f_blocks * (long long) fs.f_frsize;
    left = (long long) fs.f_bavail * (long long) fs.f_frsize;

    if (left < DISK_BYTES || left < total / 100 * DISK_PERCENT) {
        check_wrong(c, "disk", "make room", "%s: %lld MiB of %lld are left",
            path, left >> 20, total >> 20);

    } else if (left < 2 * DISK_BYTES || left < total / 50 * DISK_PERCENT) {
        check_odd(c, "disk", "make room soon",
            "%s: %lld MiB of %lld are left", path, left >> 20, total >> 20);

    } else {
        check_ok(c, "disk", "%s: %lld MiB of %lld are left", path, left >> 20,
            total >> 20);
    }
}


void
check_files(check_t *c, const char *path)
{
    const char  *log, *url;

    /* the database's password is in it */

    if (path != NULL) {
        (void) check_secret_file(c, "configuration", path);
    }

    check_secret_key(c);
    check_node_key(c);

    /* full, the daemon cannot say what is wrong */

    log = conf_text(c->conf, "log");
    check_disk(c, log != NULL && access(log, F_OK) == 0 ? log : ".");

    url = conf_text(c->conf, "public_url");

    if (strncmp(url, "https://", 8) != 0
        && strncmp(url, "http://127.0.0.1", 16) != 0)
    {
        check_odd(c, "public_url", "put nginx with a certificate in front",
            "%s is not https: passwords and tokens can be read on the way",
            url);
    }
}
