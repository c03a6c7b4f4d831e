/*
 * Processes on one store that are killed: at every named point of every
 * protocol, then at random, with some stopped for a while and continued late.
 * After each death the others must go on, the janitor clean up, nothing leak,
 * nothing hang, and no reader ever see bytes that are not its part.
 *
 * LV_STRESS_SECONDS: how long the random rounds take (6).
 */

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "tap.h"

#define LV_STORE_KILL

#include "../../ngx_live_module/lib/lv_store.c"
#include "../../ngx_live_module/lib/lv_store_slot.c"
#include "../../ngx_live_module/lib/lv_store_alloc.c"
#include "../../ngx_live_module/lib/lv_store_bell.c"
#include "../../ngx_live_module/lib/lv_store_check.c"
#include "../../ngx_live_module/lib/lv_store_commit.c"
#include "../../ngx_live_module/lib/lv_store_evict.c"
#include "../../ngx_live_module/lib/lv_store_owner.c"
#include "../../ngx_live_module/lib/lv_store_part.c"
#include "../../ngx_live_module/lib/lv_store_read.c"
#include "../../ngx_live_module/lib/lv_store_repair.c"
#include "../../ngx_live_module/lib/lv_store_session.c"
#include "../../ngx_live_module/lib/lv_store_stream.c"
#include "../../ngx_live_module/lib/lv_store_track.c"
#include "store_pins.h"

#define ACTORS     5
#define NAMES      128
#define HANG_MS    20000    /* no progress for so long is a hang */

/* What has to have happened before, for the point to be reached at all. */
static const struct {
    const char  *point;
    const char  *before;
} points[] = {
    /* memory */
    { "take-run", NULL }, { "give-one", NULL }, { "part-take", NULL },
    { "part-open", NULL }, { "part-free", NULL }, { "part-given", NULL },
    { "open-taken", NULL }, { "open-linked", NULL }, { "grow-taken", NULL },
    { "grow-linked", NULL }, { "trim-cut", NULL }, { "front-taken", NULL },
    { "front-linked", NULL }, { "unlock", NULL },
    /* commit */
    { "commit-filled", NULL }, { "commit-head", NULL },
    { "commit-word", NULL }, { "commit-ring", NULL }, { "init-old", NULL },
    { "init-word", NULL }, { "init-place", NULL }, { "init-count", NULL },
    /* eviction */
    { "evict-tail", NULL }, { "evict-word", NULL }, { "evict-limbo", NULL },
    { "evict-init", NULL }, { "limbo-free", NULL }, { "room", NULL },
    { "room-evicted", NULL },
    /* directory, ownership */
    { "create-taken", NULL }, { "create-filled", NULL },
    { "create-state", NULL }, { "stream-link", NULL }, { "take-begin", NULL },
    { "take-owner", NULL }, { "take-head", NULL }, { "state", NULL },
    { "leave-owner", NULL }, { "remove-state", NULL },
    { "remove-gen", NULL }, { "remove-unlinked", NULL },
    { "remove-tracks", NULL }, { "reset-head", NULL }, { "reset-free", NULL },
    { "track-taken", NULL }, { "track-filled", NULL },
    { "track-listed", NULL }, { "track-counted", NULL },
    { "desc-written", NULL },
    /* reading, pins, doorbell, sessions */
    { "read-head", NULL }, { "read-part", NULL }, { "read-walk", NULL },
    { "pin-added", NULL }, { "pin-held", NULL }, { "unpin", NULL },
    { "watch", NULL }, { "bell-dirty", NULL }, { "bell-flag", NULL },
    { "bell-clear", NULL }, { "session-key", NULL },
    /* slots, janitor */
    { "join-life", NULL }, { "join-used", NULL }, { "reap-begin", NULL },
    { "reap-end", NULL }, { "reap-life", "pin-held" },
    { "reap-pin", "pin-held" }, { "reap-parts", "commit-filled" },
    { "reap-stream", "commit-head" }, { "reap-streams", "commit-word" },
    { "reap-free", "pin-added" }, { "orphan", "commit-head" },
    { "orphan", "commit-filled" },
    /* repair */
    { "lock-dead", "grow-taken" }, { "repair-begin", "grow-linked" },
    { "repair-hash", "stream-link" }, { "repair-streams", "create-state" },
    { "repair-tracks", "track-listed" }, { "repair-marked", "part-open" },
    { "repair-swept", "evict-tail" }, { "repair-swept", "reset-head" },
    { "repair-parts", "part-free" }, { "repair-end", "give-one" }
};

#define POINTS  (sizeof(points) / sizeof(points[0]))

/* Without the lock: a process may stop here and go on when everything has
 * changed. */
static const char *const  late[] = {
    "commit-filled", "commit-head", "commit-word", "pin-added", "pin-held",
    "actor-found", "bell-clear", "session-key", "reap-life", "reap-parts"
};

/* Shared with the actors. */
typedef struct {
    actor_sum_t       sum;
    _Atomic int       stop;
    _Atomic int       stage;         /* of target[]; -1: none */
    _Atomic int       skip;          /* so many times it is passed first */
    char              target[2][32];
    _Atomic int       signal;        /* what happens there */
    _Atomic pid_t     stopped;
    _Atomic uint64_t  progress[ACTORS];
    _Atomic int       names;
    char              name[NAMES][32];
} control_t;

static control_t  *ctl;
static void       *base;
static pid_t       pid[ACTORS];
static uint64_t    seeds;
static int         deaths;


/* Every name that is met is noted, so that none is missing above. */
static void
note(const char *name)
{
    static const char  *seen[NAMES];
    static int          n;
    int                 i, k;

    for (i = 0; i < n; i++) {
        if (seen[i] == name) {
            return;
        }
    }

    if (n < NAMES) {
        seen[n++] = name;
    }

    k = atomic_load(&ctl->names);

    for (i = 0; i < k && i < NAMES; i++) {
        if (strcmp(ctl->name[i], name) == 0) {
            return;
        }
    }

    k = atomic_fetch_add(&ctl->names, 1);

    if (k < NAMES) {
        snprintf(ctl->name[k], sizeof(ctl->name[k]), "%s", name);
    }
}


void
lv_store_kill_hook(const char *name)
{
    int  stage;

    note(name);

    if (strcmp(name, "actor-found") == 0 && rand() % 100 == 0) {
        usleep(1000);
    }

    stage = atomic_load(&ctl->stage);

    if (stage < 0 || strcmp(ctl->target[stage], name) != 0
        || atomic_fetch_sub(&ctl->skip, 1) > 0)
    {
        return;
    }

    /* one only dies of it */

    if (atomic_compare_exchange_strong(&ctl->stage, &stage, stage - 1)) {
        atomic_store(&ctl->stopped, getpid());
        kill(getpid(), atomic_load(&ctl->signal));
    }
}


static void
actor_start(int i)
{
    seeds++;
    pid[i] = fork();

    if (pid[i] == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        actor_run(base, &ctl->sum, seeds, &ctl->stop, &ctl->progress[i], NULL);
        _exit(0);
    }
}


/* Replaces those that were killed; false: one died of something else. */
static bool
actors_tend(bool again)
{
    int    i, status;
    pid_t  p;

    while ((p = waitpid(-1, &status, WNOHANG)) > 0) {

        for (i = 0; i < ACTORS; i++) {
            if (pid[i] == p) {
                pid[i] = 0;

                if (again) {
                    actor_start(i);
                }
            }
        }

        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
            deaths++;

        } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            diag("process %d ended with status 0x%x", (int) p, status);
            return false;
        }
    }

    return true;
}


static void
actors_kill(void)
{
    int  i;

    for (i = 0; i < ACTORS; i++) {
        if (pid[i] > 0) {
            kill(pid[i], SIGKILL);
            waitpid(pid[i], NULL, 0);
            pid[i] = 0;
        }
    }
}


/* Each of the living has got on by ten steps. */
static bool
actors_progress(void)
{
    int       i, n;
    uint64_t  from[ACTORS], until;

    for (i = 0; i < ACTORS; i++) {
        from[i] = atomic_load(&ctl->progress[i]);
    }

    until = actor_now_ms() + HANG_MS;

    while (actor_now_ms() < until) {

        if (!actors_tend(true)) {
            return false;
        }

        for (i = 0, n = 0; i < ACTORS; i++) {
            n += atomic_load(&ctl->progress[i]) >= from[i] + 10;
        }

        if (n == ACTORS) {
            return true;
        }

        usleep(1000);
    }

    diag("no progress");

    return false;
}


/* Tells all to leave, and waits. */
static bool
actors_stop(void)
{
    int       i, n;
    uint64_t  until;

    atomic_store(&ctl->stop, 1);
    until = actor_now_ms() + HANG_MS;

    do {
        if (!actors_tend(false)) {
            return false;
        }

        for (i = 0, n = 0; i < ACTORS; i++) {
            n += pid[i] > 0;
        }

        if (n == 0) {
            atomic_store(&ctl->stop, 0);
            return true;
        }

        usleep(1000);

    } while (actor_now_ms() < until);

    diag("%d actors do not stop", n);

    return false;
}


static void
aftermath(bool good, bool empty, const char *what)
{
    const char  *err;

    if (!good || !actors_stop()) {
        actors_kill();
        atomic_store(&ctl->stop, 0);
        ok(0, "%s", what);
        return;
    }

    err = actor_aftermath(base, empty);

    if (err) {
        diag("%s", err);
    }

    if (ctl->sum.wrong) {
        diag("%llu times wrong: %s", (unsigned long long) ctl->sum.wrong,
             ctl->sum.what);
    }

    ok(err == NULL && ctl->sum.wrong == 0, "%s", what);
    atomic_store(&ctl->sum.wrong, 0);
}


static void
named_points(void)
{
    int       i, n;
    char      what[100];
    bool      good;
    uint64_t  until, again;

    for (n = 0; n < (int) POINTS; n++) {

        snprintf(ctl->target[0], sizeof(ctl->target[0]), "%s",
                 points[n].point);
        snprintf(what, sizeof(what), "killed at %s%s%s", points[n].point,
                 points[n].before ? " after " : "",
                 points[n].before ? points[n].before : "");

        if (points[n].before) {
            snprintf(ctl->target[1], sizeof(ctl->target[1]), "%s",
                     points[n].before);
        }

        for (i = 0; i < ACTORS; i++) {
            actor_start(i);
        }

        /* some state first */
        good = actors_progress();
        atomic_store(&ctl->skip, points[n].before ? 0 : n % 3);
        atomic_store(&ctl->stage, points[n].before ? 1 : 0);

        until = actor_now_ms() + HANG_MS;
        again = actor_now_ms() + 300;

        while (good && atomic_load(&ctl->stage) >= 0) {
            good = actors_tend(true);

            if (points[n].before && actor_now_ms() > again) {
                /* chance had it that there was nothing left to do */
                i = 0;
                atomic_compare_exchange_strong(&ctl->stage, &i, 1);
                again = actor_now_ms() + 300;
            }

            if (actor_now_ms() > until) {
                diag("%s was not reached", ctl->target[ctl->stage]);
                good = false;
            }

            usleep(500);
        }

        atomic_store(&ctl->stage, -1);

        /* every other time it is looked at right away, before what was wrong
         * may be evicted; else when the others have gone on */
        good = good && (n % 2 || actors_progress());
        aftermath(good, n % 4 == 3, what);
    }
}


/* One stops, the others go on, then it wakes up. */
static void
late_points(void)
{
    int       i;
    bool      good;
    char      what[100];
    size_t    n;
    pid_t     p;
    uint64_t  until, from;

    atomic_store(&ctl->signal, SIGSTOP);

    for (n = 0; n < sizeof(late) / sizeof(late[0]); n++) {
        snprintf(ctl->target[0], sizeof(ctl->target[0]), "%s", late[n]);
        snprintf(what, sizeof(what), "stopped at %s, then continued", late[n]);

        for (i = 0; i < ACTORS; i++) {
            actor_start(i);
        }

        good = actors_progress();
        atomic_store(&ctl->stopped, 0);
        atomic_store(&ctl->skip, (int) n);
        atomic_store(&ctl->stage, 0);
        until = actor_now_ms() + HANG_MS;

        while ((p = atomic_load(&ctl->stopped)) == 0
               && actor_now_ms() < until)
        {
            /* a dead slot for the janitor, now and then */
            usleep(2000);
            i = rand() % ACTORS;
            kill(pid[i], strncmp(late[n], "reap", 4) == 0 ? SIGKILL : SIGCONT);
            good = good && actors_tend(true);
        }

        atomic_store(&ctl->stage, -1);
        good = good && p != 0;

        if (good) {
            from = atomic_load(&ctl->sum.parts);

            while (atomic_load(&ctl->sum.parts) < from + 2000
                   && actor_now_ms() < until)
            {
                usleep(1000);
            }

            good = atomic_load(&ctl->sum.parts) >= from + 2000;

            if (!good) {
                diag("the others did not go on");
            }
        }

        for (i = 0; i < ACTORS; i++) {
            kill(pid[i], SIGCONT);
        }

        good = actors_progress() && good;
        aftermath(good, n % 2, what);
    }

    atomic_store(&ctl->signal, SIGKILL);
}


static void
names_complete(void)
{
    int     i, missing;
    size_t  n;

    missing = 0;

    for (i = 0; i < ctl->names && i < NAMES; i++) {
        for (n = 0; n < POINTS; n++) {
            if (strcmp(points[n].point, ctl->name[i]) == 0) {
                break;
            }
        }

        if (n == POINTS && strcmp(ctl->name[i], "actor-found") != 0) {
            diag("%s is a point that nobody is killed at", ctl->name[i]);
            missing++;
        }
    }

    is_int(missing, 0, "every point was tried");
}


/* Some are killed, some sleep and wake up in a world that has gone on. */
static void
random_deaths(void)
{
    int       i, stopped, before;
    bool      good;
    char      what[100];
    actor_t   a;
    uint64_t  end, until;

    memset(&a, 0, sizeof(a));
    a.rng = 0x2545f4914f6cdd1dULL;
    end = actor_now_ms() + 1000 * (uint64_t) (getenv("LV_STRESS_SECONDS")
                                   ? atoi(getenv("LV_STRESS_SECONDS")) : 6);

    while (actor_now_ms() < end) {
        before = deaths;
        stopped = -1;
        good = true;

        for (i = 0; i < ACTORS; i++) {
            actor_start(i);
        }

        until = actor_now_ms() + 1500;

        while (good && actor_now_ms() < until) {
            usleep(500 + actor_rand(&a, 12000));
            i = (int) actor_rand(&a, ACTORS);

            if (stopped >= 0 && pid[stopped] > 0) {
                kill(pid[stopped], SIGCONT);
            }

            stopped = -1;

            if (actor_rand(&a, 3) == 0) {
                stopped = i;
                kill(pid[i], SIGSTOP);
            } else {
                kill(pid[i], SIGKILL);
            }

            good = actors_tend(true);
        }

        if (stopped >= 0 && pid[stopped] > 0) {
            kill(pid[stopped], SIGCONT);
        }

        good = good && actors_progress();
        snprintf(what, sizeof(what), "%d killed at random", deaths - before);
        aftermath(good, actor_rand(&a, 2), what);
    }
}


static void
pins(void)
{
    int           status;
    pid_t         reader;
    actor_pins_t  p;

    actor_pins_open(&p, base);
    reader = fork();

    if (reader == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        actor_pins_read(base, &ctl->sum, &ctl->stop);
        _exit(0);
    }

    actor_pins_write(&p, &ctl->sum, 2000, &ctl->stop);
    waitpid(reader, &status, 0);
    atomic_store(&ctl->stop, 0);
    actor_pins_close(&p, &ctl->sum);
    aftermath(true, true, "pins hold against evictions");
}


int
main(void)
{
    uint64_t  begin;

    begin = actor_now_ms();
    ctl = fix_map(sizeof(control_t));
    base = fix_format(ACTOR_SIZE);
    atomic_store(&ctl->stage, -1);
    atomic_store(&ctl->signal, SIGKILL);

    pins();
    named_points();
    late_points();
    names_complete();
    random_deaths();
    ok(actor_aftermath(base, true) == NULL, "nothing is left in the end");

    diag("%d deaths, %llu parts, %llu reads, %llu gone before the pin, %llu "
         "displaced, %llu refused, %.1f s", deaths,
         (unsigned long long) ctl->sum.parts,
         (unsigned long long) ctl->sum.reads,
         (unsigned long long) ctl->sum.gone,
         (unsigned long long) ctl->sum.displaced,
         (unsigned long long) ctl->sum.refused,
         (double) (actor_now_ms() - begin) / 1000);

    return done_testing();
}
