#include "ctl/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <openssl/crypto.h>

#define API_ANSWER_MAX  (16 * 1024 * 1024)
#define API_TIMEOUT_S   30
#define API_PAGES_MAX   200
#define API_URL_MAX     4096

typedef struct {
    char    *text;
    size_t   len;
} answer_t;


static size_t
api_write(char *data, size_t size, size_t n, void *ctx)
{
    char      *text;
    answer_t  *answer = ctx;

    n *= size;

    if (answer->len + n > API_ANSWER_MAX) {
        return 0;
    }

    text = realloc(answer->text, answer->len + n + 1);

    if (text == NULL) {
        return 0;
    }

    memcpy(text + answer->len, data, n);
    answer->text = text;
    answer->len += n;
    text[answer->len] = '\0';

    return n;
}


char *
api_escape(const char *text)
{
    char    *out, *p;
    size_t   len;

    len = strlen(text);
    out = malloc(3 * len + 1);

    if (out == NULL) {
        abort();
    }

    for (p = out; *text != '\0'; text++) {
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                   "0123456789-._~", *text) != NULL)
        {
            *p++ = *text;
        } else {
            p += sprintf(p, "%%%02X", (unsigned char) *text);
        }
    }

    *p = '\0';

    return out;
}


/* What the server says is wrong, as an exit code after a message. */
static int
api_problem(long status, json_t *json)
{
    json_t      *first;
    const char  *detail, *field;

    detail = json_string_value(json_object_get(json, "detail"));
    first = json_array_get(json_object_get(json, "errors"), 0);
    field = json_string_value(json_object_get(first, "field"));

    if (field != NULL) {
        detail = json_string_value(json_object_get(first, "detail"));
        return ctl_fail(CTL_FAILED, "%s: %s", field,
            detail != NULL ? detail : "refused");
    }

    if (status == 401 || status == 403) {
        return ctl_fail(CTL_DENIED, "%s", detail != NULL ? detail
            : "the server does not allow it");
    }

    return ctl_fail(status >= 500 ? CTL_UNREACHABLE : CTL_FAILED,
        "%s (%ld)", detail != NULL ? detail : "the server refused", status);
}


static struct curl_slist *
api_headers(const credentials_t *cred, bool body)
{
    char                line[CREDENTIALS_TOKEN + 32];
    struct curl_slist  *list;

    list = curl_slist_append(NULL, "Accept: application/json");

    if (body) {
        list = curl_slist_append(list, "Content-Type: application/json");
    }

    if (cred->token[0] != '\0') {
        snprintf(line, sizeof(line), "Authorization: Bearer %s", cred->token);
        list = curl_slist_append(list, line);
        OPENSSL_cleanse(line, sizeof(line));
    }

    if (list == NULL) {
        abort();
    }

    return list;
}


static CURLcode
api_perform(const char *url, const char *method, const char *text,
    struct curl_slist *headers, answer_t *answer, long *status)
{
    CURL      *easy;
    CURLcode   code;

    easy = curl_easy_init();

    if (easy == NULL) {
        return CURLE_OUT_OF_MEMORY;
    }

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "live-ctl/1.0");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long) API_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, api_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);

    if (text != NULL) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, text);
    }

    code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
    curl_easy_cleanup(easy);

    return code;
}


int
api_call(const credentials_t *cred, const char *method, const char *path,
    json_t *body, json_t **result)
{
    int                 rc;
    char                url[API_URL_MAX], *text;
    long                status;
    json_t             *json;
    answer_t            answer;
    CURLcode            code;
    struct curl_slist  *headers;

    *result = NULL;
    status = 0;
    memset(&answer, 0, sizeof(answer));
    text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);

    if (snprintf(url, sizeof(url), "%s/api%s", cred->url, path)
        >= (int) sizeof(url))
    {
        free(text);
        return ctl_fail(CTL_USAGE, "that is too long");
    }

    headers = api_headers(cred, text != NULL);
    code = api_perform(url, method, text, headers, &answer, &status);
    curl_slist_free_all(headers);

    if (text != NULL) {
        OPENSSL_cleanse(text, strlen(text));
        free(text);
    }

    if (code != CURLE_OK) {
        free(answer.text);
        return ctl_fail(CTL_UNREACHABLE, "%s: %s", cred->url,
            curl_easy_strerror(code));
    }

    json = answer.len > 0 ? json_loadb(answer.text, answer.len, 0, NULL)
                          : NULL;
    free(answer.text);

    if (status >= 200 && status <= 299 && (json != NULL || answer.len == 0)) {
        *result = json;
        return CTL_OK;
    }

    rc = status >= 200 && status <= 399
         ? ctl_fail(CTL_UNREACHABLE, "%s: that is no control plane (%ld)",
               cred->url, status)
         : api_problem(status, json);
    json_decref(json);

    return rc;
}


int
api_list(const credentials_t *cred, const char *path, const char *query,
    json_t **items)
{
    int          rc, pages;
    char         full[API_URL_MAX], *cursor;
    json_t      *answer;
    const char  *next;

    *items = json_array();
    cursor = NULL;

    for (pages = 0; pages < API_PAGES_MAX; pages++) {
        snprintf(full, sizeof(full), "%s%s%slimit=100%s%s", path, query,
            *query != '\0' ? "&" : "?", cursor != NULL ? "&cursor=" : "",
            cursor != NULL ? cursor : "");
        free(cursor);
        cursor = NULL;

        rc = api_call(cred, "GET", full, NULL, &answer);

        if (rc != CTL_OK) {
            json_decref(*items);
            *items = NULL;
            return rc;
        }

        json_array_extend(*items, json_object_get(answer, "items"));
        next = json_string_value(json_object_get(answer, "next"));
        cursor = next != NULL ? api_escape(next) : NULL;
        json_decref(answer);

        if (cursor == NULL) {
            return CTL_OK;
        }
    }

    free(cursor);
    fprintf(stderr, "live-ctl: there are more than these %zu\n",
        json_array_size(*items));

    return CTL_OK;
}
