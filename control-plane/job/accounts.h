/* What is kept of logins, and for how long. */

#ifndef ACCOUNTS_H
#define ACCOUNTS_H

struct app_s;

/*
 * Registers the job "accounts_retention", once an hour: removes failures of a
 * day ago, sessions that ended 90 days ago (until then their addresses are
 * known ones, handler/lockout.h), refresh tokens used 30 days ago (coming
 * again later they are unknown and refused, but end no session), and API
 * tokens revoked 90 days ago.
 */
void accounts_jobs(struct app_s *app);

#endif
