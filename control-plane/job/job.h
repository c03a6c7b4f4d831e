/*
 * Periodic work, on one thread of each daemon with a connection of its own.
 * Of several daemons one runs a job when it is due (table timers), and never
 * two at once (an advisory lock).
 *
 * A job is not in a transaction: it makes its own (db/pool.h: db_begin …).
 * It must not take long: the others wait. What talks to the outside has
 * threads of its own.
 */

#ifndef JOB_H
#define JOB_H

#include "db/db.h"

struct app_s;

typedef struct jobs_s jobs_t;

/* 0; -1: it failed (logged, counted), and is run again when it is due. */
typedef int (*job_pt)(struct app_s *app, db_t *db);

/*
 * Registers: before jobs_start(). name is constant and unique. every 1 s and
 * more; a job is due at once when it has never run.
 */
void job_every(struct app_s *app, const char *name, int seconds, job_pt fn);

/*
 * The same on every daemon, each by itself: for what refreshes a daemon's own
 * memory. Not in timers, no lock.
 */
void job_each(struct app_s *app, const char *name, int seconds, job_pt fn);

jobs_t *jobs_create(void);
int jobs_start(struct app_s *app);
/* Waits for the job that runs. */
void jobs_stop(struct app_s *app);
void jobs_free(jobs_t *jobs);

/* Every owner of jobs has one function that registers them; main calls it. */
void jobs_register(struct app_s *app);

#endif
