/* /auth/…: what is taken from whom. See auth.h and session.h. */

#include "handler/auth.h"
#include "handler/session.h"
#include "http/page.h"
#include "http/router.h"
#include "main/password.h"
#include "main/token.h"


static const field_t  register_fields[] = {
    { .name = "username", .type = FIELD_USERNAME, .flags = FIELD_REQUIRED },
    { .name = "email", .type = FIELD_EMAIL, .flags = FIELD_REQUIRED },
    { .name = "password", .type = FIELD_SECRET, .flags = FIELD_REQUIRED,
      .min = PASSWORD_MIN, .max = PASSWORD_MAX },
    { .name = "display_name", .type = FIELD_TEXT, .min = 1, .max = 64 },
    { 0 }
};

static const field_t  login_fields[] = {
    { .name = "login", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
      .min = 1, .max = 254 },
    { .name = "password", .type = FIELD_SECRET, .flags = FIELD_REQUIRED,
      .min = 1, .max = PASSWORD_MAX },
    { 0 }
};

static const field_t  refresh_fields[] = {
    { .name = "refresh_token", .type = FIELD_SECRET, .flags = FIELD_REQUIRED,
      .min = 1, .max = TOKEN_LEN },
    { 0 }
};

static const field_t  logout_fields[] = {
    { .name = "all", .type = FIELD_BOOL },
    { 0 }
};

static const field_t  password_fields[] = {
    { .name = "current_password", .type = FIELD_SECRET,
      .flags = FIELD_REQUIRED, .min = 1, .max = PASSWORD_MAX },
    { .name = "new_password", .type = FIELD_SECRET, .flags = FIELD_REQUIRED,
      .min = PASSWORD_MIN, .max = PASSWORD_MAX },
    { .name = "revoke_api_tokens", .type = FIELD_BOOL },
    { 0 }
};

static const field_t  token_fields[] = {
    { .name = "name", .type = FIELD_TEXT, .flags = FIELD_REQUIRED,
      .min = 1, .max = 100 },
    { .name = "scopes", .type = FIELD_LIST, .flags = FIELD_REQUIRED,
      .min = 1, .max = 32, .each = 40 },
    { .name = "expires_at", .type = FIELD_TIME },
    { 0 }
};

static const field_t  page_fields[] = { PAGE_FIELDS, { 0 } };


const route_t  routes_auth[] = {
    { .method = "POST", .path = "/auth/register", .handler = auth_register,
      .flags = ROUTE_SLOW | ROUTE_NO_CALLER, .body = register_fields,
      .rate = "register" },

    { .method = "POST", .path = "/auth/login", .handler = auth_login,
      .flags = ROUTE_SLOW | ROUTE_NO_TX | ROUTE_NO_CALLER,
      .body = login_fields, .rate = "login" },

    { .method = "POST", .path = "/auth/refresh", .handler = auth_refresh,
      .flags = ROUTE_NO_CALLER, .body = refresh_fields },

    { .method = "POST", .path = "/auth/logout", .handler = auth_logout,
      .access = ACCESS_USER, .flags = ROUTE_LOGIN_ONLY,
      .body = logout_fields },

    { .method = "POST", .path = "/auth/password", .handler = auth_password,
      .access = ACCESS_USER,
      .flags = ROUTE_SLOW | ROUTE_NO_TX | ROUTE_LOGIN_ONLY,
      .body = password_fields, .rate = "login" },

    { .method = "GET", .path = "/auth/tokens", .handler = auth_tokens_list,
      .access = ACCESS_USER, .flags = ROUTE_LOGIN_ONLY,
      .query = page_fields },

    { .method = "POST", .path = "/auth/tokens",
      .handler = auth_tokens_create, .access = ACCESS_USER,
      .flags = ROUTE_LOGIN_ONLY | ROUTE_IDEMPOTENT, .body = token_fields },

    { .method = "DELETE", .path = "/auth/tokens/{id}",
      .handler = auth_tokens_delete, .access = ACCESS_USER,
      .flags = ROUTE_LOGIN_ONLY },

    { 0 }
};
