#include <stdlib.h>
#include <string.h>

#include "handler/stream_settings.h"

const field_t stream_settings_fields[] = {
    { .name = "part_ms", .type = FIELD_INT, .flags = FIELD_NULLABLE,
      .min = 50, .max = 2000 },
    { .name = "segment_ms", .type = FIELD_INT, .flags = FIELD_NULLABLE,
      .min = 1000, .max = 10000 },
    { .name = "window_ms", .type = FIELD_INT, .flags = FIELD_NULLABLE,
      .min = 8000, .max = 1920000 },
    { .name = "resume_ms", .type = FIELD_INT, .flags = FIELD_NULLABLE,
      .min = 0, .max = 3600000 },
    { .name = "muxed", .type = FIELD_BOOL, .flags = FIELD_NULLABLE },
    { .name = "max_bitrate", .type = FIELD_INT, .flags = FIELD_NULLABLE,
      .min = 65536, .max = 1073741824 },
    { 0 }
};

/* The directives' defaults, of those that are compared with each other: what
 * an absent one is taken for. */

static const struct {
    const char  *name;
    int64_t      value;
} defaults[] = {
    { "part_ms", 333 },
    { "segment_ms", 2000 },
    { "window_ms", 30000 },
};


static int64_t
setting(const json_t *settings, const char *name)
{
    json_t  *value;

    value = json_object_get(settings, name);

    if (json_is_integer(value)) {
        return json_integer_value(value);
    }

    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        if (strcmp(name, defaults[i].name) == 0) {
            return defaults[i].value;
        }
    }

    return 0;
}


int64_t
stream_setting(const char *settings, const char *name)
{
    json_t   *json;
    int64_t   value;

    json = json_loads(settings, 0, NULL);
    value = setting(json, name);
    json_decref(json);

    return value;
}


static int
settings_check(request_t *r, const json_t *settings)
{
    int64_t  part, segment, window;

    part = setting(settings, "part_ms");
    segment = setting(settings, "segment_ms");
    window = setting(settings, "window_ms");

    if (part * 2 > segment) {
        return problem_field(r, "settings.part_ms",
                             "is at most half of segment_ms (2000 without "
                             "one)");
    }

    if (window < segment * 8) {
        return problem_field(r, "settings.window_ms",
                             "is at least 8 times segment_ms (30000 without "
                             "one)");
    }

    if (window > part * 960) {
        return problem_field(r, "settings.window_ms",
                             "is at most 960 times part_ms (333 without one)");
    }

    return 0;
}


int
stream_settings_merge(request_t *r, const char *current, const json_t *changes,
    const char **text)
{
    int          rc;
    char        *dump;
    json_t      *settings, *value;
    const char  *name;

    settings = json_is_object(changes) ? json_loads(current, 0, NULL) : NULL;

    if (settings == NULL) {
        settings = json_object();
    }

    json_object_foreach((json_t *) changes, name, value)
    {
        if (json_is_null(value)) {
            json_object_del(settings, name);
        } else {
            json_object_set(settings, name, value);
        }
    }

    rc = settings_check(r, settings);

    if (rc == 0) {
        dump = json_dumps(settings, JSON_COMPACT | JSON_SORT_KEYS);
        *text = request_printf(r, "%s", dump);
        free(dump);
    }

    json_decref(settings);

    return rc;
}
