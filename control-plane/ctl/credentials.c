#include "ctl/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/text.h"

#define PATH_SIZE  1024


/* make: folders that are missing are made. */
static int
cred_path(char path[PATH_SIZE], bool make)
{
    int          n;
    const char  *home, *config;

    config = getenv("XDG_CONFIG_HOME");
    home = getenv("HOME");

    if (config != NULL && config[0] == '/') {
        n = snprintf(path, PATH_SIZE, "%s", config);

    } else if (home != NULL && home[0] == '/') {
        n = snprintf(path, PATH_SIZE, "%s/.config", home);

    } else {
        return ctl_fail(-1, "HOME is not set");
    }

    if (n > PATH_SIZE - 64) {
        return ctl_fail(-1, "the path of the configuration is too long");
    }

    if (make) {
        (void) mkdir(path, 0700);
    }

    strcat(path, "/live-ctl");

    if (make && mkdir(path, 0700) != 0 && errno != EEXIST) {
        return ctl_fail(-1, "%s: %s", path, strerror(errno));
    }

    strcat(path, "/credentials.json");

    return 0;
}


/* NULL when there is none; *rc: a message was printed. */
static json_t *
cred_read(int *rc)
{
    int           fd;
    char          path[PATH_SIZE];
    json_t       *json;
    struct stat   st;

    *rc = CTL_OK;

    if (cred_path(path, false) != 0) {
        return NULL;
    }

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0) {
        return NULL;
    }

    if (fstat(fd, &st) != 0 || (st.st_mode & 077) != 0
        || st.st_uid != geteuid())
    {
        close(fd);
        *rc = ctl_fail(CTL_DENIED, "%s can be read by others: chmod 600 it, "
            "and think about a new token", path);
        return NULL;
    }

    json = json_loadfd(fd, 0, NULL);
    close(fd);

    if (!json_is_object(json)) {
        json_decref(json);
        *rc = ctl_fail(CTL_FAILED, "%s is damaged: log in again", path);
        return NULL;
    }

    return json;
}


static bool
url_is_local(const char *url)
{
    size_t       i;
    const char  *host;

    static const char *const  local[] = {
        "127.0.0.1", "localhost", "[::1]"
    };

    host = strstr(url, "://") + 3;

    for (i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        if (strncmp(host, local[i], strlen(local[i])) == 0
            && strchr(":/", host[strlen(local[i])]) != NULL)
        {
            return true;        /* or its end: strchr() finds that too */
        }
    }

    return false;
}


static int
cred_url(ctl_t *ctl, credentials_t *cred, const char *url)
{
    size_t  len;

    if (!url_valid(url) || strlen(url) >= sizeof(cred->url) - 16) {
        return ctl_fail(CTL_USAGE, "not a URL like https://example.org: %s",
            url);
    }

    if (strncmp(url, "http://", 7) == 0 && !ctl->http && !url_is_local(url)) {
        return ctl_fail(CTL_USAGE, "%s is not https: everybody on the way "
            "could read the token (--http allows it)", url);
    }

    len = strcspn(url, "?#");

    while (len > 0 && url[len - 1] == '/') {
        len--;
    }

    memcpy(cred->url, url, len);
    cred->url[len] = '\0';

    return CTL_OK;
}


int
credentials_url(ctl_t *ctl, credentials_t *cred)
{
    int          rc;
    json_t      *json;
    const char  *url;

    memset(cred, 0, sizeof(*cred));
    json = NULL;
    url = ctl->url != NULL ? ctl->url : getenv("LIVE_CTL_URL");

    if (url == NULL) {
        json = cred_read(&rc);

        if (rc != CTL_OK) {
            return rc;
        }

        url = json_string_value(json_object_get(json, "url"));
    }

    rc = url != NULL ? cred_url(ctl, cred, url)
         : ctl_fail(CTL_USAGE, "where? --url https://example.org");
    json_decref(json);

    return rc;
}


int
credentials_load(ctl_t *ctl, credentials_t *cred)
{
    int              rc;
    json_t          *json;
    const char      *token, *url;
    credentials_t    stored;

    rc = credentials_url(ctl, cred);

    if (rc != CTL_OK) {
        return rc;
    }

    token = getenv("LIVE_CTL_TOKEN");
    json = NULL;

    if (token == NULL) {
        json = cred_read(&rc);

        if (rc != CTL_OK) {
            return rc;
        }

        url = json_string_value(json_object_get(json, "url"));
        token = json_string_value(json_object_get(json, "token"));

        if (url == NULL || token == NULL) {
            json_decref(json);
            return ctl_fail(CTL_DENIED, "there is no token: live-ctl login "
                "--url %s", cred->url);
        }

        memset(&stored, 0, sizeof(stored));
        rc = cred_url(ctl, &stored, url);

        if (rc == CTL_OK && strcmp(stored.url, cred->url) != 0) {
            rc = ctl_fail(CTL_DENIED, "the stored token is for %s, not %s",
                stored.url, cred->url);
        }
    }

    if (rc == CTL_OK && (strlen(token) >= sizeof(cred->token)
        || strpbrk(token, "\r\n") != NULL))
    {
        rc = ctl_fail(CTL_DENIED, "the token is none");
    }

    if (rc == CTL_OK) {
        snprintf(cred->token, sizeof(cred->token), "%s", token);
    }

    json_decref(json);

    return rc;
}


int
credentials_save(const credentials_t *cred)
{
    int      fd, rc;
    char     path[PATH_SIZE], temp[PATH_SIZE + 8];
    json_t  *json;

    if (cred_path(path, true) != 0) {
        return CTL_FAILED;
    }

    snprintf(temp, sizeof(temp), "%s.XXXXXX", path);
    fd = mkstemp(temp);                     /* mode 0600 */

    if (fd < 0) {
        return ctl_fail(CTL_FAILED, "%s: %s", temp, strerror(errno));
    }

    json = json_pack("{s:s,s:s}", "url", cred->url, "token", cred->token);
    rc = json_dumpfd(json, fd, JSON_INDENT(1));
    json_decref(json);

    if (rc != 0 || fsync(fd) != 0 || close(fd) != 0
        || rename(temp, path) != 0)
    {
        (void) unlink(temp);
        return ctl_fail(CTL_FAILED, "%s: %s", path, strerror(errno));
    }

    printf("stored in %s\n", path);

    return CTL_OK;
}


int
credentials_remove(void)
{
    char  path[PATH_SIZE];

    if (cred_path(path, false) != 0) {
        return CTL_FAILED;
    }

    if (unlink(path) != 0 && errno != ENOENT) {
        return ctl_fail(CTL_FAILED, "%s: %s", path, strerror(errno));
    }

    return CTL_OK;
}
