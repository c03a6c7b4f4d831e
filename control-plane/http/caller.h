/*
 * Who asks, and whether that person may use a route.
 *
 *   Authorization: Bearer <access token>   JWT of 15 minutes, see
 *                                          handler/session.h
 *   Authorization: Bearer lvat_…           API token, handler/auth_tokens.c
 *
 * A signature alone opens nothing: session or API token, the user's role and
 * whether the user is suspended are looked up by primary key at each request,
 * and nothing is remembered. So a logout, a changed role and a suspension hold
 * from the next request on, on every daemon.
 */

#ifndef CALLER_H
#define CALLER_H

#include "http/request.h"
#include "http/router.h"

/*
 * For the router, once a request and before the body is looked at: fills in
 * r->caller, and checks route->access (all but ACCESS_NODE, for which nothing
 * is done: that is the router's), ROUTE_LOGIN_ONLY and an API token's scopes.
 * With ROUTE_NO_CALLER the Authorization header is not looked at: logging in
 * works with a stale token in it.
 *
 * An API token opens routes that name a scope which it has, and those that
 * are anyone's and name none.
 *
 * r->db is the primary (a session of a moment ago may not have reached the
 * replica), outside of a transaction. 0, or the status of the problem that was
 * answered: 401 for nobody where somebody is needed, and for what is wrong,
 * expired or revoked, even on a route that is anyone's; 403 for someone who is
 * suspended or may not; 503 without a database.
 */
int caller_authorize(request_t *r, const route_t *route);

/*
 * Locks the caller's row until the end of the transaction: what is counted
 * after it is still so many when one more is made. A statement of its own,
 * since one that waits for a lock goes on with what it saw before. 0, or -1 as
 * db calls do.
 */
int caller_lock(request_t *r);

/* Whether the caller is the platform's: moderator or admin. */
bool caller_is_staff(const caller_t *caller);

/* "user", "moderator", "admin", as the database has them; ROLE_NONE: "none".
 * role_parse() of anything else: ROLE_NONE. */
const char *role_name(role_e role);
role_e role_parse(const char *name);

#endif
