#include "job/webhook_send.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include "lv_address.h"

#include "job/webhooks.h"
#include "main/app.h"

#define SIGNATURE_BYTES  32


/*
 * Asked by libcurl for every address that it is about to connect to, after it
 * was resolved: whatever the name says next time, this is the one that counts.
 */
static curl_socket_t
send_socket(void *data, curlsocktype purpose, struct curl_sockaddr *addr)
{
    flight_t  *flight = data;

    if (purpose != CURLSOCKTYPE_IPCXN
        || (!flight->allow_private
            && !lv_address_is_public(&addr->addr, addr->addrlen)))
    {
        flight->refused = true;
        return CURL_SOCKET_BAD;
    }

    return socket(addr->family, addr->socktype | SOCK_CLOEXEC,
        addr->protocol);
}


static size_t
send_head(char *data, size_t size, size_t n, void *ctx)
{
    flight_t  *flight = ctx;

    flight->head += size * n;

    return flight->head <= SEND_HEAD_MAX ? size * n : 0;
}


/* Printable ASCII: the log of deliveries is no place for anything else. */
static size_t
send_body(char *data, size_t size, size_t n, void *ctx)
{
    size_t          i;
    unsigned char   c;
    flight_t       *flight = ctx;

    n *= size;
    flight->body += n;

    for (i = 0; i < n && flight->kept < SEND_EXCERPT_MAX; i++) {
        c = (unsigned char) data[i];
        flight->excerpt[flight->kept++] =
            c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f) ? data[i] : '?';
    }

    return flight->body <= SEND_BODY_MAX ? n : 0;
}


static int
send_sign(struct app_s *app, flight_t *flight, char *dst, size_t size)
{
    int             n;
    bool            ok;
    char            what[64], hex[SIGNATURE_BYTES * 2 + 1], *text;
    size_t          len, size_text;
    time_t          now;
    unsigned char   secret[256], mac[EVP_MAX_MD_SIZE];

    snprintf(what, sizeof(what), "webhooks.sealed:%s", flight->taken.webhook);

    if (crypt_open(app->crypt, what, flight->taken.sealed, secret,
            sizeof(secret), &len) != 0)
    {
        return -1;
    }

    now = time(NULL);
    size_text = strlen(flight->taken.payload) + 32;
    text = malloc(size_text);

    if (text == NULL) {
        abort();
    }

    n = snprintf(text, size_text, "%lld.%s", (long long) now,
        flight->taken.payload);
    ok = HMAC(EVP_sha256(), secret, (int) len, (unsigned char *) text,
        (size_t) n, mac, NULL) != NULL;
    OPENSSL_cleanse(secret, sizeof(secret));
    free(text);

    if (!ok) {
        return -1;
    }

    sodium_bin2hex(hex, sizeof(hex), mac, SIGNATURE_BYTES);
    snprintf(dst, size, "Live-Signature: t=%lld,v1=%s", (long long) now, hex);

    return 0;
}


static void
send_header(flight_t *flight, const char *line)
{
    struct curl_slist  *list;

    list = curl_slist_append(flight->headers, line);

    if (list == NULL) {
        abort();
    }

    flight->headers = list;
}


static void
send_options(flight_t *flight)
{
    CURL  *easy = flight->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, flight);
    curl_easy_setopt(easy, CURLOPT_URL, flight->taken.url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
        (long) CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) WEBHOOK_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "live-webhooks/1.0");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, flight->headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, flight->taken.payload);

    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, send_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, flight);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, send_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, flight);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, send_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, flight);

    /* a connection that another webhook opened was looked at for that one */
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
}


const char *
send_prepare(struct app_s *app, flight_t *flight)
{
    char  line[160];

    flight->allow_private = conf_bool(app->conf, "webhook_allow_private");

    if (send_sign(app, flight, line, sizeof(line)) != 0) {
        return "The webhook's secret does not open with any key of"
               " secret_key.";
    }

    send_header(flight, line);
    send_header(flight, "Content-Type: application/json");
    /* a small body: no question whether it may come */
    send_header(flight, "Expect:");

    snprintf(line, sizeof(line), "Live-Event: %s", flight->taken.event);
    send_header(flight, line);
    snprintf(line, sizeof(line), "Live-Delivery: %s", flight->taken.delivery);
    send_header(flight, line);

    flight->easy = curl_easy_init();

    if (flight->easy == NULL) {
        abort();
    }

    send_options(flight);

    return NULL;
}


void
send_outcome(flight_t *flight, CURLcode code, outcome_t *outcome, char *error,
    size_t size)
{
    long        status;
    curl_off_t  us;

    status = 0;
    us = 0;
    curl_easy_getinfo(flight->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(flight->easy, CURLINFO_TOTAL_TIME_T, &us);

    flight->excerpt[flight->kept] = '\0';

    outcome->status = (int) status;
    outcome->ms = (int) (us / 1000);
    outcome->response = flight->kept > 0 ? flight->excerpt : NULL;
    outcome->error = error;

    /* cut off by ourselves: the status had come */
    outcome->delivered = status >= 200 && status <= 299
        && (code == CURLE_OK || code == CURLE_WRITE_ERROR);

    if (outcome->delivered) {
        outcome->error = NULL;

    } else if (flight->refused && status == 0) {
        snprintf(error, size, "The address is not one of the public"
            " Internet.");

    } else if (status >= 300 && status <= 399) {
        snprintf(error, size, "It answered %ld; redirects are not followed.",
            status);

    } else if (status != 0 && (code == CURLE_OK || code == CURLE_WRITE_ERROR))
    {
        snprintf(error, size, "It answered %ld.", status);

    } else {
        snprintf(error, size, "%s.", curl_easy_strerror(code));
    }
}


void
send_free(flight_t *flight)
{
    curl_easy_cleanup(flight->easy);
    curl_slist_free_all(flight->headers);
    taken_free(&flight->taken);
    memset(flight, 0, sizeof(*flight));
}
