#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "ctl/api.h"
#include "ctl/terminal.h"
#include "main/password.h"

#define NAME_MAX_CTL  256


/* An API token for what live-ctl does, made with the session's. */
static int
token_make_api(credentials_t *cred)
{
    int          rc;
    char         host[65];
    json_t      *answer;
    const char  *token;

    if (gethostname(host, sizeof(host)) != 0) {
        snprintf(host, sizeof(host), "somewhere");
    }

    host[sizeof(host) - 1] = '\0';

    rc = api_call(cred, "POST", "/auth/tokens",
        json_pack("{s:o,s:[s,s,s,s,s,s]}", "name",
            json_sprintf("live-ctl on %s", host), "scopes", "streams:read",
            "streams:write", "keys:read", "keys:write", "admin:read",
            "admin:write"), &answer);

    if (rc != CTL_OK) {
        return rc;
    }

    token = json_string_value(json_object_get(answer, "token"));

    if (token == NULL || strlen(token) >= sizeof(cred->token)) {
        rc = ctl_fail(CTL_FAILED, "the server gave no token");
    } else {
        snprintf(cred->token, sizeof(cred->token), "%s", token);
    }

    json_decref(answer);

    return rc;
}


static int
login_session(credentials_t *cred, const char *name)
{
    int          rc;
    char         password[PASSWORD_MAX + 2];
    json_t      *answer, *body;
    const char  *token;

    if (terminal_line("Password: ", true, password, sizeof(password)) != 0) {
        return CTL_FAILED;
    }

    body = json_pack("{s:s,s:s}", "login", name, "password", password);
    OPENSSL_cleanse(password, sizeof(password));

    if (body == NULL) {
        return ctl_fail(CTL_FAILED, "that is not UTF-8");
    }

    rc = api_call(cred, "POST", "/auth/login", body, &answer);

    if (rc != CTL_OK) {
        return rc;
    }

    token = json_string_value(json_object_get(answer, "access_token"));
    snprintf(cred->token, sizeof(cred->token), "%s",
        token != NULL && strlen(token) < sizeof(cred->token) ? token : "");
    json_decref(answer);

    return cred->token[0] != '\0' ? CTL_OK
           : ctl_fail(CTL_FAILED, "the server gave no access token");
}


int
ctl_login(ctl_t *ctl)
{
    int            rc;
    char           name[NAME_MAX_CTL];
    json_t        *answer;
    credentials_t  cred, session;

    rc = credentials_url(ctl, &cred);

    if (rc != CTL_OK) {
        return rc;
    }

    if (ctl->argc > 0) {
        snprintf(name, sizeof(name), "%s", ctl->argv[0]);

    } else if (terminal_line("Username or e-mail address: ", false, name,
                   sizeof(name)) != 0)
    {
        return CTL_FAILED;
    }

    rc = login_session(&cred, name);

    if (rc != CTL_OK) {
        return rc;
    }

    session = cred;
    rc = token_make_api(&cred);

    /* the session was for making the token */

    if (api_call(&session, "POST", "/auth/logout", json_object(), &answer)
        == CTL_OK)
    {
        json_decref(answer);
    }

    OPENSSL_cleanse(session.token, sizeof(session.token));

    return rc == CTL_OK ? credentials_save(&cred) : rc;
}


int
ctl_token(ctl_t *ctl)
{
    int            rc;
    json_t        *answer;
    credentials_t  cred;

    rc = credentials_url(ctl, &cred);

    if (rc != CTL_OK) {
        return rc;
    }

    if (terminal_line("API token: ", true, cred.token, sizeof(cred.token))
        != 0)
    {
        return CTL_FAILED;
    }

    /* whether it is one: nobody needs to log in for this, but a wrong token
     * is refused */

    rc = api_call(&cred, "GET", "/streams?limit=1", NULL, &answer);

    if (rc != CTL_OK) {
        return rc;
    }

    json_decref(answer);

    return credentials_save(&cred);
}


int
ctl_logout(ctl_t *ctl)
{
    int  rc;

    rc = credentials_remove();

    if (rc == CTL_OK) {
        printf("the token is forgotten here; DELETE /auth/tokens/{id} ends "
            "it\n");
    }

    return rc;
}
