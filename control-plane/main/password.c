/* Passwords: see password.h. */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "main/log.h"
#include "main/password.h"

_Static_assert(PASSWORD_TEXT == crypto_pwhash_argon2id_STRBYTES,
               "the size of libsodium's text form");


/* Not worth making up for, and less than libsodium takes for one pass. */
#define PASSWORD_MADE_UP_MIN  (64 * 1024)

static unsigned long long  password_ops;
static size_t              password_mem;

/* Stands in for the hash of a user that does not exist. */
static char                password_dummy[PASSWORD_TEXT];


int
password_init(unsigned long long ops, size_t mem)
{
    unsigned char  any[32];
    char           text[sizeof(any) * 2 + 1];

    if (sodium_init() < 0) {
        return -1;
    }

    password_ops = ops ? ops : crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE;
    password_mem = mem ? mem : crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE;

    if (password_ops < crypto_pwhash_argon2id_OPSLIMIT_MIN
        || password_ops > crypto_pwhash_argon2id_OPSLIMIT_MAX
        || password_mem < crypto_pwhash_argon2id_MEMLIMIT_MIN
        || password_mem > crypto_pwhash_argon2id_MEMLIMIT_MAX)
    {
        return -1;
    }

    randombytes_buf(any, sizeof(any));
    sodium_bin2hex(text, sizeof(text), any, sizeof(any));

    return password_hash(text, password_dummy);
}


int
password_hash(const char *password, char text[PASSWORD_TEXT])
{
    return crypto_pwhash_argon2id_str(text, password, strlen(password),
                                      password_ops, password_mem);
}


/*
 * Costs what verifying a hash of today's costs takes longer than one of these:
 * the time of argon2id is that of its passes times its memory.
 */
static void
password_make_up(const char *text, const char *password)
{
    unsigned            kib, passes;
    unsigned char       hash[16], salt[crypto_pwhash_argon2id_SALTBYTES] = "";
    unsigned long long  done, whole;

    if (sscanf(text, "$argon2id$v=%*u$m=%u,t=%u,", &kib, &passes) != 2) {
        return;
    }

    done = (unsigned long long) kib * 1024 * passes;
    whole = password_mem * password_ops;

    if (done >= whole || whole - done < PASSWORD_MADE_UP_MIN) {
        return;
    }

    /* in as many passes as today's has, so that no more memory is taken */
    if (crypto_pwhash_argon2id(hash, sizeof(hash), password, strlen(password),
                               salt, password_ops,
                               (whole - done) / password_ops,
                               crypto_pwhash_ALG_ARGON2ID13)
        != 0)
    {
        log_line(LOG_WARN, "short of memory for passwords");
    }
}


bool
password_verify(const char *text, const char *password)
{
    bool  known, right;

    known = text != NULL && text[0] != '\0';

    right = crypto_pwhash_argon2id_str_verify(known ? text : password_dummy,
                                              password, strlen(password)) == 0
            && known;

    if (known && !right) {
        password_make_up(text, password);
    }

    return right;
}


bool
password_outdated(const char *text)
{
    return crypto_pwhash_argon2id_str_needs_rehash(text, password_ops,
                                                   password_mem) != 0;
}


const char *
password_weakness(const char *password, const char *username,
    const char *email)
{
    size_t  i;

    for (i = 1; password[i] == password[0] && password[i] != '\0'; i++) {
        /* void */
    }

    if (password[i] == '\0') {
        return "A password of one repeated character is guessed at once.";
    }

    if (strcasecmp(password, username) == 0
        || strcasecmp(password, email) == 0)
    {
        return "The password must differ from the username and the e-mail "
               "address.";
    }

    return NULL;
}
