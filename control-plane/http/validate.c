/* Input by table: see validate.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lv_stream_id.h"

#include "http/request_int.h"
#include "http/text.h"

#define LIST_MAX   100
#define URL_MAX    2048


static int validate_object(request_t *r, const field_t *fields, json_t *object,
    const char *prefix);
static int validate_field(request_t *r, const field_t *f, json_t *object,
    json_t *value, const char *name);
static int validate_list(request_t *r, const field_t *f, json_t *list,
    const char *name);
static const char *validate_string(request_t *r, const field_t *f, char *text);
static const char *validate_sized(request_t *r, const field_t *f, char *text);
static const char *validate_integer(request_t *r, const field_t *f,
    int64_t value);


static const field_t *
field_find(const field_t *fields, const char *name)
{
    for ( /* void */ ; fields != NULL && fields->name != NULL; fields++) {
        if (strcmp(fields->name, name) == 0) {
            return fields;
        }
    }

    return NULL;
}


/* ---- strings, of the body and of the query */


static char *
text_trim(char *text)
{
    size_t  len;

    text += strspn(text, " \t\n");
    len = strlen(text);

    while (len > 0 && strchr(" \t\n", text[len - 1]) != NULL) {
        text[--len] = '\0';
    }

    return text;
}


static bool
one_of(const char *of, const char *text)
{
    size_t       len, want;
    const char  *p;

    len = strlen(text);

    for (p = of; ; p += want + 1) {
        want = strcspn(p, "|");

        if (want == len && memcmp(p, text, len) == 0) {
            return true;
        }

        if (p[want] == '\0') {
            return false;
        }
    }
}


/* NULL, or what is wrong with it. The text is valid UTF-8. */
static const char *
validate_string(request_t *r, const field_t *f, char *text)
{
    lv_str_t  id;
    size_t    max;

    switch (f->type) {

    case FIELD_TEXT:
    case FIELD_LINES:
    case FIELD_SECRET:
        return validate_sized(r, f, text);

    case FIELD_TIME:
        return time_valid(text) ? NULL : "A time looks like"
                                         " 2026-11-20T18:30:00Z.";

    case FIELD_ID:
        return id_valid(text) ? NULL : "This is not an id.";

    case FIELD_STREAM:
        id = (lv_str_t) { (uint8_t *) text, strlen(text) };
        return lv_stream_id_valid(id)
                   ? NULL
                   : "A stream's id is 1 to 64 of A-Z, a-z, 0-9, _ and -, and"
                     " begins with a letter or a digit.";

    case FIELD_ONE_OF:
        return one_of(f->of, text)
                   ? NULL
                   : request_printf(r, "It is one of: %s.", f->of);

    case FIELD_URL:
        max = f->max > 0 ? (size_t) f->max : URL_MAX;
        return strlen(text) <= max && url_valid(text)
                   ? NULL
                   : "This is not an address with http:// or https://.";

    case FIELD_EMAIL:
        return email_valid(text) ? NULL : "This is not an e-mail address.";

    case FIELD_USERNAME:
        return username_valid(text)
                   ? NULL
                   : "A user name is 2 to 32 of A-Z, a-z, 0-9, _, . and -,"
                     " and begins with a letter or a digit.";

    case FIELD_CURSOR:
        return base64url_valid(text) && *text != '\0'
                       && strlen(text) <= (size_t) f->max
                   ? NULL
                   : "This is not a cursor that was given out.";

    default:
        return "This is not a text.";
    }
}


static const char *
validate_sized(request_t *r, const field_t *f, char *text)
{
    int64_t  count;

    count = f->type == FIELD_SECRET
                ? (int64_t) strlen(text)
                : utf8_count(text, strlen(text));

    if (count < f->min) {
        return f->min == 1 && count == 0
                   ? "It may not be empty."
                   : request_printf(r, "It has at least %lld characters.",
                                    (long long) f->min);
    }

    if (count > f->max) {
        return request_printf(r, "It has at most %lld characters.",
                              (long long) f->max);
    }

    if (f->type != FIELD_SECRET
        && text_has_controls(text, f->type == FIELD_LINES))
    {
        return "It has control characters.";
    }

    return NULL;
}


static const char *
validate_integer(request_t *r, const field_t *f, int64_t value)
{
    if (value >= f->min && value <= f->max) {
        return NULL;
    }

    return request_printf(r, "It is a number from %lld to %lld.",
                          (long long) f->min, (long long) f->max);
}


/* ---- the body */


static const char *
type_name(const field_t *f)
{
    switch (f->type) {
    case FIELD_INT:
        return "It is a number without a fraction.";
    case FIELD_BOOL:
        return "It is true or false.";
    case FIELD_LIST:
        return "It is a list of texts.";
    case FIELD_OBJECT:
        return "It is an object.";
    case FIELD_ID:
        return "It is an id: digits in quotes.";
    default:
        return "It is a text.";
    }
}


/* "\r\n" to "\n", in place; the rest of it is refused as a control. */
static void
text_unix(char *text)
{
    char  *src, *dst;

    for (src = dst = text; *src != '\0'; src++) {
        if (src[0] != '\r' || src[1] != '\n') {
            *dst++ = *src;
        }
    }

    *dst = '\0';
}


static int
validate_field(request_t *r, const field_t *f, json_t *object, json_t *value,
    const char *name)
{
    char        *text;
    json_t      *clean;
    const char  *wrong;

    if (json_is_null(value)) {
        return f->flags & FIELD_NULLABLE
                   ? 0
                   : problem_field(r, name, type_name(f));
    }

    switch (f->type) {

    case FIELD_INT:
        wrong = !json_is_integer(value)
                    ? type_name(f)
                    : validate_integer(r, f, json_integer_value(value));
        return wrong == NULL ? 0 : problem_field(r, name, wrong);

    case FIELD_BOOL:
        return json_is_boolean(value) ? 0
                                      : problem_field(r, name, type_name(f));

    case FIELD_LIST:
        return validate_list(r, f, value, name);

    case FIELD_OBJECT:
        return json_is_object(value)
                   ? validate_object(r, f->fields, value, name)
                   : problem_field(r, name, type_name(f));

    default:
        break;
    }

    if (!json_is_string(value)) {
        return problem_field(r, name, type_name(f));
    }

    text = request_printf(r, "%s", json_string_value(value));

    if (f->type == FIELD_LINES) {
        text_unix(text);
    }

    if (f->type != FIELD_SECRET) {
        text = text_trim(text);
    }

    wrong = validate_string(r, f, text);
    if (wrong != NULL) {
        return problem_field(r, name, wrong);
    }

    clean = json_string(text);

    if (clean == NULL || json_object_set_new(object, f->name, clean) != 0) {
        abort();
    }

    return 0;
}


static int
validate_list(request_t *r, const field_t *f, json_t *list, const char *name)
{
    char        *text;
    size_t       i, max;
    field_t      each;
    const char  *wrong;

    if (!json_is_array(list)) {
        return problem_field(r, name, type_name(f));
    }

    max = f->max > 0 ? (size_t) f->max : LIST_MAX;

    if (json_array_size(list) > max || json_array_size(list) < (size_t) f->min)
    {
        return problem_field(r, name,
                             request_printf(r, "It has %lld to %zu entries.",
                                            (long long) f->min, max));
    }

    each = (field_t) { .name = name, .type = FIELD_TEXT, .min = 1,
                       .max = f->each };

    for (i = 0; i < json_array_size(list); i++) {

        if (!json_is_string(json_array_get(list, i))) {
            return problem_field(r, name, type_name(f));
        }

        text = text_trim(request_printf(
            r, "%s", json_string_value(json_array_get(list, i))));

        wrong = f->of != NULL && !one_of(f->of, text)
                    ? request_printf(r, "Each is one of: %s.", f->of)
                    : validate_string(r, &each, text);

        if (wrong != NULL) {
            return problem_field(r, name, wrong);
        }

        if (json_array_set_new(list, i, json_string(text)) != 0) {
            abort();
        }
    }

    return 0;
}


static int
validate_object(request_t *r, const field_t *fields, json_t *object,
    const char *prefix)
{
    int             status;
    void           *iter, *next;
    const char     *name;
    const field_t  *f;

    for (iter = json_object_iter(object); iter != NULL; iter = next) {
        /* a value may be replaced below, which keeps the iterator */
        next = json_object_iter_next(object, iter);
        name = json_object_iter_key(iter);
        f = field_find(fields, name);

        if (prefix != NULL) {
            name = request_printf(r, "%s.%.64s", prefix, name);
        }

        if (f == NULL) {
            return problem_field(r, name, "There is no such field here.");
        }

        status = validate_field(r, f, object, json_object_iter_value(iter),
                                name);
        if (status != 0) {
            return status;
        }
    }

    for (f = fields; f != NULL && f->name != NULL; f++) {
        if ((f->flags & FIELD_REQUIRED)
            && json_object_get(object, f->name) == NULL)
        {
            return problem_field(r, prefix == NULL
                                        ? f->name
                                        : request_printf(r, "%s.%s", prefix,
                                                         f->name),
                                 "It is missing.");
        }
    }

    return 0;
}


/* How deep it nests, before the parser recurses into it. */
static bool
json_too_deep(const char *text, size_t len)
{
    int          depth;
    bool         quoted;
    const char  *p, *end;

    depth = 0;
    quoted = false;
    end = text + len;

    for (p = text; p < end; p++) {

        if (quoted) {
            if (*p == '\\') {
                p++;
            } else if (*p == '"') {
                quoted = false;
            }

            continue;
        }

        if (*p == '"') {
            quoted = true;
        } else if (*p == '[' || *p == '{') {
            if (++depth > REQUEST_JSON_DEPTH) {
                return true;
            }
        } else if (*p == ']' || *p == '}') {
            depth--;
        }
    }

    return false;
}


static bool
content_is_json(request_t *r)
{
    size_t       len;
    const char  *type;

    type = request_header(r, "Content-Type");

    if (type == NULL || request_header(r, "Content-Encoding") != NULL) {
        return false;
    }

    len = strcspn(type, "; \t");

    return len == 16 && strncasecmp(type, "application/json", 16) == 0;
}


int
validate_body(request_t *r)
{
    size_t           flags;
    json_error_t     error;
    request_priv_t  *p = r->priv;
    const field_t   *fields = p->route->body;

    if (p->too_large) {
        return problem(r, 413, "too-large", "The body is too large.");
    }

    if (p->upload_len == 0) {
        r->body = fields != NULL ? json_object() : NULL;
        return fields != NULL ? validate_object(r, fields, r->body, NULL) : 0;
    }

    if (!content_is_json(r)) {
        return problem(r, 415, "content-type",
                       "The body must be application/json.");
    }

    if (json_too_deep(p->upload, p->upload_len)) {
        return problem(r, 400, "json", "The JSON nests too deep.");
    }

    /* what a node passes on of an encoder may hold anything */
    flags = p->route->access == ACCESS_NODE ? JSON_ALLOW_NUL : 0;
    r->body = json_loadb(p->upload, p->upload_len,
                         flags | JSON_REJECT_DUPLICATES, &error);

    if (r->body == NULL) {
        /* not error.text: it quotes the body */
        return problem(r, 400, "json",
                       request_printf(r, "The body is not JSON that is taken:"
                                      " line %d, column %d.", error.line,
                                      error.column));
    }

    if (!json_is_object(r->body)) {
        return problem(r, 400, "json", "The body must be a JSON object.");
    }

    /* nodes are ours: their table may leave out what the handler reads */
    if (fields == NULL && p->route->access == ACCESS_NODE) {
        return 0;
    }

    return validate_object(r, fields, r->body, NULL);
}


/* ---- query and path */


int
validate_params(request_t *r)
{
    size_t           len;
    char            *end;
    const char      *wrong, *kind, *value;
    int64_t          number;
    const field_t   *f;
    request_priv_t  *p = r->priv;

    for (int i = 0; p->params[i].name != NULL; i++) {
        kind = p->params[i].kind;
        value = p->params[i].value;
        len = strlen(value);

        if (strcmp(kind, "streams") == 0
                ? !lv_stream_id_valid((lv_str_t) { (uint8_t *) value, len })
            : strcmp(kind, "nodes") == 0 ? !node_id_valid(value)
                                         : !id_valid(value))
        {
            return problem(r, 404, "not-found", "There is no such thing.");
        }
    }

    for (int i = 0; i < p->nquery; i++) {
        f = field_find(p->route->query, p->query[i].name);

        if (f == NULL) {
            return problem_field(r, p->query[i].name,
                                 "There is no such parameter here.");
        }

        for (int j = 0; j < i; j++) {
            if (strcmp(p->query[i].name, p->query[j].name) == 0) {
                return problem_field(r, f->name, "It is given twice.");
            }
        }

        p->query[i].value = text_trim((char *) p->query[i].value);
        value = p->query[i].value;

        if (f->type == FIELD_INT) {
            number = strtoll(value, &end, 10);
            wrong = *value == '\0' || *end != '\0' || strlen(value) > 18
                        ? type_name(f)
                        : validate_integer(r, f, number);
        } else if (f->type == FIELD_BOOL) {
            wrong = one_of("true|false", value) ? NULL : type_name(f);
        } else {
            wrong = validate_string(r, f, (char *) value);
        }

        if (wrong != NULL) {
            return problem_field(r, f->name, wrong);
        }
    }

    for (f = p->route->query; f != NULL && f->name != NULL; f++) {
        if ((f->flags & FIELD_REQUIRED) && request_query(r, f->name) == NULL) {
            return problem_field(r, f->name, "It is missing.");
        }
    }

    return 0;
}


/* ---- for handlers */


const char *
body_text(json_t *body, const char *name)
{
    return json_string_value(json_object_get(body, name));
}


int64_t
body_int(json_t *body, const char *name, int64_t dflt)
{
    json_t  *value;

    value = json_object_get(body, name);

    return json_is_integer(value) ? json_integer_value(value) : dflt;
}


bool
body_bool(json_t *body, const char *name, bool dflt)
{
    json_t  *value;

    value = json_object_get(body, name);

    return json_is_boolean(value) ? json_is_true(value) : dflt;
}


bool
body_has(json_t *body, const char *name)
{
    return json_object_get(body, name) != NULL;
}
