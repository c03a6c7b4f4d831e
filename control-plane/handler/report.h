/* Reports, for the platform's moderators: of users and of streams. */

#ifndef REPORT_H
#define REPORT_H

#include "http/request.h"
#include "http/validate.h"

/* How many of one reporter may be open. */
#define REPORTS_MAX      100

#define REPORT_REASONS                                                        \
    "spam|harassment|hate|violence|sexual|copyright|impersonation|illegal"    \
    "|other"

/* {"reason", "text"}: the body of both routes. */
extern const field_t  report_fields[];

/*
 * The caller reports a user, or with `stream` that user's stream (else NULL),
 * by the request's body: answers 201 with the report, 409 while an earlier one
 * of the same thing by the same person is open, 422 for oneself.
 */
int report_create(request_t *r, const char *user, const char *stream);

#endif
