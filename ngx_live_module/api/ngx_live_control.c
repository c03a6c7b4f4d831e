/*
 * live_control: POST {"commands":[…]} from the control plane, for what is not
 * to wait for the next heartbeat. Any worker takes it; the answer tells which
 * ids are carried out by now.
 */

#include "ngx_http_live_module.h"
#include "ngx_live_command.h"
#include "ngx_live_http.h"
#include "lv_json.h"


#define NGX_LIVE_CONTROL_BODY  65536


static ngx_int_t ngx_live_control_handler(ngx_http_request_t *r);
static void ngx_live_control_body(ngx_http_request_t *r);
static ngx_int_t ngx_live_control_read(ngx_http_request_t *r,
    ngx_str_t *body);
static ngx_int_t ngx_live_control_run(ngx_http_request_t *r,
    ngx_str_t *body);
static ngx_int_t ngx_live_control_answer(ngx_http_request_t *r,
    lv_store_t *st, json_t *commands);


char *
ngx_live_control_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_live_control_handler;
    ngx_live_core_need(cf);

    /* the key may be that of live{} */
    return ngx_live_http_node_zone(cf);
}


static ngx_int_t
ngx_live_control_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    const char               *detail;
    ngx_live_cluster_conf_t  *ccf;

    static ngx_str_t  allow = ngx_string("POST");

    if (r->method != NGX_HTTP_POST) {
        if (ngx_live_http_header(r, "Allow", &allow) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return NGX_HTTP_NOT_ALLOWED;
    }

    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);

    rc = ngx_live_http_node_check_key(r, ccf->node_key, &detail);

    if (rc != NGX_OK) {
        return ngx_live_http_problem(r, rc, "not allowed", detail);
    }

    if (r->headers_in.content_length_n > NGX_LIVE_CONTROL_BODY) {
        return ngx_live_http_problem(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                     "too large",
                                     "Commands may have 64 kB at a time.");
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r, ngx_live_control_body);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


static void
ngx_live_control_body(ngx_http_request_t *r)
{
    ngx_int_t  rc;
    ngx_str_t  body;

    rc = ngx_live_control_read(r, &body);

    if (rc == NGX_OK) {
        rc = ngx_live_control_run(r, &body);

    } else if (rc == NGX_DECLINED) {
        rc = ngx_live_http_problem(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                   "too large",
                                   "Commands may have 64 kB at a time.");
    }

    ngx_http_finalize_request(r, rc);
}


/* The body in one piece. It is small: where nginx has put it into a file all
 * the same (client_body_in_file_only), the read is of its page cache. */

static ngx_int_t
ngx_live_control_read(ngx_http_request_t *r, ngx_str_t *body)
{
    u_char       *p;
    size_t        size, len;
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    ngx_str_null(body);

    if (r->request_body == NULL) {
        return NGX_OK;
    }

    size = 0;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    if (size > NGX_LIVE_CONTROL_BODY) {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(r->pool, size + 1);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body->data = p;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;
        len = ngx_buf_size(b);

        if (len == 0) {
            continue;
        }

        if (b->in_file) {
            n = ngx_read_file(b->file, p, len, b->file_pos);

            if (n != (ssize_t) len) {
                return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }

        } else {
            ngx_memcpy(p, b->pos, len);
        }

        p += len;
    }

    body->len = size;

    return NGX_OK;
}


static ngx_int_t
ngx_live_control_run(ngx_http_request_t *r, ngx_str_t *body)
{
    json_t      *root, *commands;
    ngx_int_t    rc;
    lv_store_t  *st;

    st = ngx_live_store();

    if (st == NULL) {
        return ngx_live_http_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                     "no store",
                                     "This worker has no part in a store.");
    }

    root = json_loadb((char *) body->data, body->len, JSON_REJECT_DUPLICATES,
                      NULL);
    commands = json_object_get(root, "commands");

    if (!json_is_array(commands)
        || json_array_size(commands) > NGX_LIVE_COMMANDS_MAX)
    {
        json_decref(root);
        return ngx_live_http_problem(r, NGX_HTTP_BAD_REQUEST, "bad request",
                                     "The body is {\"commands\":[…]}, with "
                                     "256 of them at most.");
    }

    (void) ngx_live_commands(st, commands, r->connection->log);

    rc = ngx_live_control_answer(r, st, commands);
    json_decref(root);

    return rc;
}


/* {"done":[ids]}: of those in the request, all that have been carried out. */

static ngx_int_t
ngx_live_control_answer(ngx_http_request_t *r, lv_store_t *st,
    json_t *commands)
{
    char         (*done)[LV_CLUSTER_TEXT];
    size_t         i, k, n;
    u_char        *p;
    ngx_int_t      rc;
    ngx_str_t      text;
    lv_json_t      j;
    lv_text_t      t;
    const char    *id;

    static ngx_str_t  type = ngx_string("application/json");

    done = ngx_palloc(r->pool, LV_CLUSTER_DONE * LV_CLUSTER_TEXT);
    if (done == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    n = lv_command_done(st, done, LV_CLUSTER_DONE);

    lv_text_init(&t, NGX_LIVE_CONTROL_BODY);
    lv_json_init(&j, &t);
    lv_json_open(&j, NULL, '{');
    lv_json_open(&j, "done", '[');

    for (i = 0; i < json_array_size(commands); i++) {
        id = json_string_value(json_object_get(json_array_get(commands, i),
                                               "id"));

        for (k = 0; id && k < n; k++) {
            if (ngx_strcmp(done[k], id) == 0) {
                lv_json_text(&j, NULL, id);
                break;
            }
        }
    }

    lv_json_close(&j, ']');
    lv_json_close(&j, '}');

    p = t.failed ? NULL : ngx_pnalloc(r->pool, t.len);
    rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    if (p != NULL) {
        text.data = p;
        text.len = t.len;
        ngx_memcpy(p, t.data, t.len);
        rc = ngx_http_live_send(r, &text, &type);
    }

    lv_text_free(&t);

    return rc;
}
