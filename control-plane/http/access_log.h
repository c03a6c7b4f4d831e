/* A line for each request, and its figures. */

#ifndef ACCESS_LOG_H
#define ACCESS_LOG_H

#include "http/request.h"

/* When it is over; complete: the client took the whole answer. */
void access_log(request_t *r, bool complete);

#endif
