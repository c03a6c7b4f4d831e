/* Counters stay when a process dies, gauges go with it. */

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lv_store.h"
#include "tap.h"

#define SIZE     (8 * 1024 * 1024)
#define COUNTER  3
#define GAUGE    4


static void
no_bell(void *ctx, unsigned slot)
{
}


static lv_store_t *
joined(void *base)
{
    const char  *err = "";
    lv_store_t  *st;

    st = lv_store_attach(base, SIZE, "counters", no_bell, NULL, &err);

    if (st == NULL || lv_store_join(st, (uint32_t) getpid(), 1, 1000, &err)
                      != LV_OK)
    {
        diag("%s", err);
        exit(2);
    }

    lv_gauge_reset(st, GAUGE);

    return st;
}


/* A worker that is killed while it holds 5 of something. */

static unsigned
killed_worker(void *base)
{
    int          status;
    int          fd[2];
    pid_t        pid;
    unsigned     slot;
    lv_store_t  *st;

    if (pipe(fd) != 0 || (pid = fork()) == -1) {
        exit(2);
    }

    if (pid == 0) {
        st = joined(base);
        slot = lv_store_slot(st);
        lv_counter_add(st, COUNTER, 7);
        lv_counter_add(st, GAUGE, 5);
        if (write(fd[1], &slot, sizeof(slot)) != sizeof(slot)) {
            _exit(3);
        }
        kill(getpid(), SIGKILL);
    }

    slot = LV_SLOTS;

    if (read(fd[0], &slot, sizeof(slot)) != sizeof(slot)) {
        diag("the worker said nothing");
    }

    waitpid(pid, &status, 0);
    close(fd[0]);
    close(fd[1]);

    return slot;
}


int
main(void)
{
    void             *base;
    unsigned          slot;
    lv_store_t       *st, *next;
    const char       *err;
    lv_store_conf_t   conf = { .owner = "counters", .secret = { 1 },
                                .now_ms = 1000 };

    base = mmap(NULL, SIZE, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS,
                -1, 0);

    if (base == MAP_FAILED
        || lv_store_format(base, SIZE, &conf, &err) != LV_OK)
    {
        return 2;
    }

    st = joined(base);

    lv_counter_add(st, COUNTER, 10);
    lv_counter_add(st, GAUGE, 2);
    lv_counter_add(st, GAUGE, (uint64_t) -1);

    is_int((long long) lv_counter_sum(st, COUNTER), 10, "a counter");
    is_int((long long) lv_gauge_sum(st, GAUGE), 1, "a gauge");

    slot = killed_worker(base);

    is_int(lv_store_reap(st, 2000), 1, "a dead worker is found");
    is_int((long long) lv_counter_sum(st, COUNTER), 17,
           "what it counted stays");
    is_int((long long) lv_gauge_sum(st, GAUGE), 1, "what it held is gone");

    next = joined(base);

    is_int(lv_store_slot(next), slot, "another one gets its slot");
    is_int((long long) lv_counter_sum(st, COUNTER), 17, "it counts on");
    is_int((long long) lv_gauge_sum(st, GAUGE), 1, "but holds nothing");

    lv_store_detach(next);
    lv_store_detach(st);
    munmap(base, SIZE);

    return done_testing();
}
