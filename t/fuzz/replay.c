/*
 * Runs a fuzz target over its corpus without libFuzzer, as a unit test: every
 * file of t/fuzz/corpus/X for a binary that is called replay_fuzz_X. Run from
 * the project's folder.
 *
 * Each input lies at the very end of an allocation of its own, so that a
 * sanitizer sees a read behind it.
 */

#include <dirent.h>

#include "tap.h"
#include "lv_base.h"

#define REPLAY_FILES     4096
#define REPLAY_SIZE_MAX  (8 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static int
replay_file(const char *path)
{
    FILE     *f;
    long      size;
    uint8_t  *data;

    f = fopen(path, "rb");
    if (f == NULL) {
        return -1;
    }

    if (fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0
        || size > REPLAY_SIZE_MAX)
    {
        fclose(f);
        return -1;
    }

    rewind(f);

    data = malloc(size ? (size_t) size : 1);

    if (data == NULL || fread(data, 1, (size_t) size, f) != (size_t) size) {
        free(data);
        fclose(f);
        return -1;
    }

    fclose(f);

    (void) LLVMFuzzerTestOneInput(data, (size_t) size);

    free(data);

    return 0;
}


static int
replay_seen(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}


int
main(int argc, char **argv)
{
    int              i, n;
    char             dir[256], path[768];
    const char      *name;
    struct dirent  **list;

    name = strstr(argv[0], "replay_fuzz_");

    if (name == NULL) {
        fprintf(stderr, "%s: is not called replay_fuzz_*\n", argv[0]);
        return 2;
    }

    name += sizeof("replay_fuzz_") - 1;

    snprintf(dir, sizeof(dir), "t/fuzz/corpus/%s", name);

    n = scandir(dir, &list, replay_seen, alphasort);

    ok(n > 0 && n <= REPLAY_FILES, "%s has a corpus", dir);

    for (i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
        ok(replay_file(path) == 0, "%s %s", name, list[i]->d_name);
        free(list[i]);
    }

    if (n >= 0) {
        free(list);
    }

    return done_testing();
}
