/*
 * Who may publish: live_publish_auth off | token | URL.
 *
 *   off     The last path component of the name is the stream's id, and anyone
 *           who reaches the port may publish.
 *   token   A credential is needed: a stream key from live_stream_keys FILE,
 *           or a token (JSON Web Token) that was signed with a key from
 *           live_token_keys FILE and has "publish" in "can".
 *   URL     The control plane at http://… or https://… is asked: see cluster/.
 *
 * With a token or a URL a publisher says one of
 *   name = the stream's id, and the credential as "key" or "token" in the
 *          query of the name, of the application, or of tcUrl;
 *   name = the credential (the "stream key" box of encoders). The stream is
 *          that of the key, or the one that the token names.
 * SRT gives the credential on its own.
 *
 * Names can therefore be secrets: nobody logs a publish name before it has
 * been accepted, only the stream's id afterwards.
 */

#ifndef NGX_LIVE_PUBLISH_H
#define NGX_LIVE_PUBLISH_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_live_core.h"
#include "ngx_live_keyfile.h"
#include "lv_cluster.h"
#include "lv_srt_crypto.h"

#define NGX_LIVE_PUBLISH_OFF    0
#define NGX_LIVE_PUBLISH_TOKEN  1
#define NGX_LIVE_PUBLISH_HTTP   2

#define NGX_LIVE_PUBLISH_OWNER  32

/* Part of another module's configuration; set to UNSET by _conf_init(). */
typedef struct {
    ngx_uint_t           auth;          /* live_publish_auth */
    ngx_str_t            url;           /* … the URL */
    void                *endpoint;      /* of that URL; cluster/'s */
    ngx_live_keyfile_t  *stream_keys;   /* live_stream_keys */
    ngx_live_keyfile_t  *token_keys;    /* live_token_keys */
} ngx_live_publish_conf_t;

typedef struct {
    ngx_str_t            name;          /* without its query */
    ngx_str_t            args;          /* "a=b&c=d" of tcUrl, application and
                                           name, in that order; the last one
                                           counts */
    ngx_str_t            credential;    /* given on its own, or empty */
    struct sockaddr     *sockaddr;      /* the peer */
    socklen_t            socklen;
} ngx_live_publish_request_t;

typedef struct {
    u_char               stream[LV_STREAM_ID_LEN + 1];  /* terminated */

    /*
     * Equal for two publishers that may take each other's place at once: the
     * SHA-256 of the credential, or of the address with `off`.
     */
    u_char               owner[NGX_LIVE_PUBLISH_OWNER];

    int64_t              expires_s;     /* a token's end of life, or 0 */
    const char          *reason;        /* why not; a sentence, no secret */
    char                 text[LV_CLUSTER_REASON];   /* where it may be */

    char                 passphrase[LV_SRT_PASSPHRASE_MAX + 1];  /* SRT: for
                                           this publish, or "": the server's */

    /* of the control plane: its name of the broadcast, or ""; settings of
     * this publish, unset where it has none */
    char                   broadcast[LV_CLUSTER_BROADCAST];
    ngx_live_media_conf_t  media;
} ngx_live_publish_decision_t;

/* live_publish_auth, live_stream_keys, live_token_keys for a module's command
 * table, as NGX_LIVE_MEDIA_COMMANDS in core/. */
#define NGX_LIVE_PUBLISH_COMMANDS(type, conf, base)                           \
    { ngx_string("live_publish_auth"), (type)|NGX_CONF_TAKE1,                 \
      ngx_live_publish_auth_set, conf, (base), NULL },                        \
    { ngx_string("live_stream_keys"), (type)|NGX_CONF_TAKE1,                  \
      ngx_live_keyfile_set_slot, conf,                                        \
      (base) + offsetof(ngx_live_publish_conf_t, stream_keys),                \
      &ngx_live_keyfile_streams },                                            \
    { ngx_string("live_token_keys"), (type)|NGX_CONF_TAKE1,                   \
      ngx_live_keyfile_set_slot, conf,                                        \
      (base) + offsetof(ngx_live_publish_conf_t, token_keys),                 \
      &ngx_live_keyfile_tokens }

char *ngx_live_publish_auth_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

void ngx_live_publish_conf_init(ngx_live_publish_conf_t *conf);
void ngx_live_publish_conf_merge(ngx_live_publish_conf_t *conf,
    ngx_live_publish_conf_t *prev);
/* NGX_CONF_OK or what is missing; for places that do take publishers. */
char *ngx_live_publish_conf_check(ngx_live_publish_conf_t *conf);

/*
 * NGX_OK: may publish decision->stream. NGX_DECLINED: may not, because of
 * decision->reason. Does not block; counts failures by address. Not for
 * NGX_LIVE_PUBLISH_HTTP, which takes its time.
 */
ngx_int_t ngx_live_publish_decide(ngx_live_publish_conf_t *conf,
    ngx_live_publish_request_t *req, ngx_live_publish_decision_t *decision);

/*
 * Its first half: no failures too many, a credential (*text, perhaps in buf of
 * LV_STREAMKEY_MAX bytes) and the stream's name if there is one besides (*id).
 * decision->owner is the credential's hash then.
 */
ngx_int_t ngx_live_publish_credential(ngx_live_publish_request_t *req,
    u_char *buf, lv_str_t *text, ngx_str_t *id,
    ngx_live_publish_decision_t *decision);
ngx_int_t ngx_live_publish_set_stream(ngx_str_t *id,
    ngx_live_publish_decision_t *decision);

#endif
