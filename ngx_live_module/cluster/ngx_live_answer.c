/* What is made of the answer to a heartbeat. */

#include "ngx_live_command.h"
#include "ngx_live_chat_sync.h"


static ngx_int_t ngx_live_answer_keys(lv_store_t *st, json_t *keys,
    const char **err);
static ngx_int_t ngx_live_answer_revocations(lv_store_t *st, json_t *rev,
    const char **err);
static ngx_int_t ngx_live_answer_revocation(json_t *item,
    lv_revocation_t *r, u_char *buf);
static void ngx_live_answer_events(lv_store_t *st, json_t *ack);


ngx_int_t
ngx_live_answer(lv_store_t *st, ngx_str_t *body, ngx_msec_t *interval,
    const char **err)
{
    json_t      *root;
    ngx_int_t    rc;
    json_int_t   ms;

    root = json_loadb((char *) body->data, body->len, JSON_REJECT_DUPLICATES,
                      NULL);

    if (!json_is_object(root)) {
        json_decref(root);
        *err = "its answer is not JSON";
        return NGX_ERROR;
    }

    rc = NGX_OK;

    /* each part counts on its own: what is good is used */

    if (ngx_live_answer_revocations(st, json_object_get(root, "revocations"),
                                    err)
            != NGX_OK
        || ngx_live_answer_keys(st, json_object_get(root, "keys"), err)
            != NGX_OK)
    {
        rc = NGX_ERROR;
    }

    ngx_live_chat_rooms(st, json_object_get(root, "rooms"));

    (void) ngx_live_commands(st, json_object_get(root, "commands"),
                             ngx_cycle->log);
    ngx_live_answer_events(st, json_object_get(root, "events"));

    ms = json_integer_value(json_object_get(root, "interval_ms"));

    if (ms > 0) {
        ms = ngx_max(ms, NGX_LIVE_BEAT_MIN_MS);
        *interval = (ngx_msec_t) ngx_min(ms, NGX_LIVE_BEAT_MAX_MS);
    }

    json_decref(root);

    return rc;
}


static ngx_int_t
ngx_live_answer_keys(lv_store_t *st, json_t *keys, const char **err)
{
    char         *text;
    lv_str_t      jwks;
    ngx_int_t     rc;
    const char   *version;
    lv_keyset_t  *set;

    if (!json_is_object(keys)) {
        return NGX_OK;                  /* unchanged */
    }

    version = json_string_value(json_object_get(keys, "version"));
    text = json_dumps(json_object_get(keys, "jwks"), JSON_COMPACT);

    *err = "its keys have no version";
    jwks.data = (u_char *) text;
    jwks.len = text ? ngx_strlen(text) : 0;

    set = text && version ? lv_keyset_load(jwks, err) : NULL;
    rc = NGX_ERROR;

    if (set != NULL
        && lv_keys_put(st, version, jwks, (uint32_t) lv_keyset_count(set),
                       false)
           == LV_OK)
    {
        rc = NGX_OK;
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "live: %uz signing keys, version \"%s\"",
                      lv_keyset_count(set), version);
        ngx_live_keystore_save(ngx_live_cluster_conf((ngx_cycle_t *)
                                                     ngx_cycle),
                               version, jwks, ngx_cycle->log);
    }

    lv_keyset_free(set);
    free(text);

    return rc;
}


static ngx_int_t
ngx_live_answer_revocations(lv_store_t *st, json_t *rev, const char **err)
{
    size_t            i, n, count;
    json_t           *items, *version;
    u_char          (*buf)[LV_CLUSTER_TEXT * 4];
    uint32_t          lost;
    ngx_uint_t        full;
    lv_revocation_t  *r;

    if (!json_is_object(rev)) {
        return NGX_OK;
    }

    version = json_object_get(rev, "version");
    items = json_object_get(rev, "items");
    full = json_is_true(json_object_get(rev, "full"));
    n = json_array_size(items);

    if (!json_is_integer(version)) {
        *err = "its revocations have no version";
        return NGX_ERROR;
    }

    if (n == 0 && !full
        && (uint64_t) json_integer_value(version) == lv_revoke_version(st))
    {
        return NGX_OK;
    }

    r = ngx_alloc((n + 1) * sizeof(lv_revocation_t), ngx_cycle->log);
    buf = ngx_alloc((n + 1) * sizeof(*buf), ngx_cycle->log);
    count = 0;

    if (r == NULL || buf == NULL) {
        ngx_free(r);
        ngx_free(buf);
        *err = "out of memory";
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (ngx_live_answer_revocation(json_array_get(items, i), &r[count],
                                       buf[count])
            == NGX_OK)
        {
            count++;

        }
    }

    if (count < n) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "live: %uz revocations of the control plane are not "
                      "understood", n - count);
    }

    lost = lv_revoke_update(st, r, count, full ? true : false,
                            (uint64_t) json_integer_value(version),
                            ngx_time());
    if (lost) {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                      "live: %uD revocations have no room, their tokens stay "
                      "good: a larger live_store has more", lost);
    }

    ngx_free(r);
    ngx_free(buf);

    return NGX_OK;
}


static ngx_int_t
ngx_live_answer_revocation(json_t *item, lv_revocation_t *r, u_char *buf)
{
    json_t      *value;
    ngx_uint_t   i;
    const char  *kind;

    static const char  *kinds[] = { "jti", "sub", "stream", "sub_stream" };

    kind = json_string_value(json_object_get(item, "kind"));
    value = json_object_get(item, "value");

    if (kind == NULL || json_string_length(value) == 0
        || json_string_length(value) > LV_CLUSTER_TEXT * 4)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < 4 && ngx_strcmp(kind, kinds[i]) != 0; i++) { /* void */ }

    if (i == 4) {
        return NGX_ERROR;
    }

    ngx_memcpy(buf, json_string_value(value), json_string_length(value));

    r->kind = LV_REVOKE_JTI + i;
    r->value.data = buf;
    r->value.len = json_string_length(value);
    r->before = json_integer_value(json_object_get(item, "before"));
    r->until = json_integer_value(json_object_get(item, "until"));

    if (r->until == 0) {
        r->until = INT64_MAX;
    }

    return NGX_OK;
}


/* One event's id, or null while there was none. */

static void
ngx_live_answer_events(lv_store_t *st, json_t *ack)
{
    uint64_t  id;

    id = json_is_string(ack)
         ? strtoull(json_string_value(ack), NULL, 10)
         : (uint64_t) json_integer_value(ack);

    if (id) {
        lv_event_ack(st, id);
    }
}
