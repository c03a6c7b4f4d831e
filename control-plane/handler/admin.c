/* /admin/…: what is taken from whom. See admin.h. */

#include "handler/admin.h"
#include "http/page.h"
#include "http/router.h"


static const field_t  users_query[] = {
    PAGE_FIELDS,
    { .name = "q", .type = FIELD_TEXT, .min = 2, .max = 100 },
    { .name = "role", .type = FIELD_ONE_OF, .of = "user|moderator|admin" },
    { .name = "suspended", .type = FIELD_BOOL },
    { 0 }
};

static const field_t  user_fields[] = {
    { .name = "role", .type = FIELD_ONE_OF, .of = "user|moderator|admin" },
    { .name = "email_verified", .type = FIELD_BOOL },
    { 0 }
};

static const field_t  suspend_fields[] = {
    { .name = "reason", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
      .min = 1, .max = 500 },
    { 0 }
};

static const field_t  reports_query[] = {
    PAGE_FIELDS,
    { .name = "status", .type = FIELD_ONE_OF,
      .of = "open|resolved|dismissed" },
    { .name = "user", .type = FIELD_ID },
    { .name = "stream", .type = FIELD_STREAM },
    { 0 }
};

static const field_t  report_change_fields[] = {
    { .name = "status", .type = FIELD_ONE_OF, .flags = FIELD_REQUIRED,
      .of = "open|resolved|dismissed" },
    { .name = "resolution", .type = FIELD_LINES, .max = 1000 },
    { 0 }
};

static const field_t  audit_query[] = {
    PAGE_FIELDS,
    { .name = "actor", .type = FIELD_ID },
    { .name = "action", .type = FIELD_TEXT, .min = 1, .max = 64 },
    { .name = "object", .type = FIELD_TEXT, .min = 1, .max = 32 },
    { .name = "object_id", .type = FIELD_TEXT, .min = 1, .max = 200 },
    { .name = "from", .type = FIELD_TIME },
    { .name = "to", .type = FIELD_TIME },
    { 0 }
};


const route_t  routes_admin[] = {
    { .method = "GET", .path = "/admin/users", .handler = admin_users_list,
      .access = ACCESS_MODERATOR, .scope = "admin:read",
      .query = users_query, .rate = "search" },

    { .method = "GET", .path = "/admin/users/{id}",
      .handler = admin_users_get, .access = ACCESS_MODERATOR,
      .scope = "admin:read" },

    { .method = "PATCH", .path = "/admin/users/{id}",
      .handler = admin_users_change, .access = ACCESS_ADMIN,
      .scope = "admin:write", .body = user_fields },

    { .method = "DELETE", .path = "/admin/users/{id}",
      .handler = admin_users_erase, .access = ACCESS_ADMIN,
      .scope = "admin:write" },

    { .method = "POST", .path = "/admin/users/{id}/suspend",
      .handler = admin_users_suspend, .access = ACCESS_MODERATOR,
      .scope = "admin:write", .body = suspend_fields },

    { .method = "POST", .path = "/admin/users/{id}/unsuspend",
      .handler = admin_users_unsuspend, .access = ACCESS_MODERATOR,
      .scope = "admin:write" },

    { .method = "GET", .path = "/admin/reports",
      .handler = admin_reports_list, .access = ACCESS_MODERATOR,
      .scope = "admin:read", .query = reports_query },

    { .method = "PATCH", .path = "/admin/reports/{id}",
      .handler = admin_reports_change, .access = ACCESS_MODERATOR,
      .scope = "admin:write", .body = report_change_fields },

    { .method = "GET", .path = "/admin/audit", .handler = admin_audit_list,
      .access = ACCESS_MODERATOR, .scope = "admin:read",
      .query = audit_query },

    { 0 }
};
