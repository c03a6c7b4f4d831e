/* Periodic work for the chat's tables. */

#ifndef JOB_CHAT_H
#define JOB_CHAT_H

struct app_s;

void chat_jobs(struct app_s *app);

#endif
