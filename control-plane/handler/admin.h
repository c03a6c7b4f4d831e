/*
 * For the platform's staff: users, reports and the audit log. Streams and
 * nodes are in files of their own (admin_streams.c, admin_nodes.c).
 *
 * Moderators see everything but e-mail addresses, handle reports, and suspend
 * users with the role "user". Admins do that to anybody but themselves, and
 * give roles. Nobody changes their own role or suspends themselves, so there
 * always is an admin.
 */

#ifndef ADMIN_H
#define ADMIN_H

#include "http/request.h"
#include "http/validate.h"

int admin_users_list(request_t *r);
int admin_users_get(request_t *r);
int admin_users_change(request_t *r);
int admin_users_suspend(request_t *r);
int admin_users_erase(request_t *r);
int admin_users_unsuspend(request_t *r);

int admin_reports_list(request_t *r);
int admin_reports_change(request_t *r);

int admin_audit_list(request_t *r);

#endif
