/*
 * What the commands that are clients have in common: how their server is reached,
 * and what they tell of it.
 */
#ifndef VITAL_CLI_CLIENT_H
#define VITAL_CLI_CLIENT_H

#include <jansson.h>

#include <vital/vital.h>

#include "options.h"

enum {
    CLIENT_OPTIONS = 16, /* rows that client_options() fills, at most */
    CLIENT_SECRET_BYTES = 4096,
    CLIENT_FOLLOW = 5, /* vital's own default */
};

/* Strings belong to the cli_options, but for the secrets, which are here. */
typedef struct client_settings {
    vital_tls tls;
    vital_tls proxy_tls;
    const char *proxy; /* NULL: as the environment says */
    int follow;        /* CLIENT_FOLLOW, unless set */
    const char *user;  /* as given, as the next */
    const char *bearer;
    char secret[CLIENT_SECRET_BYTES]; /* a token, or a user's name and, after a NUL, */
    char *password;                   /* the password; NULL: none */
    const char *backend_name;         /* as given; NULL: auto */
    vital_backend backend;
} client_settings;

void client_options(cli_option table[CLIENT_OPTIONS], client_settings *to);

/* What the table cannot check. Reads the secrets. As options_read(). */
int client_check(client_settings *settings, const options_page *page);

/* Sets what the settings and the environment say, for the URL of the options. */
void client_apply(vital_connect_options *options, const client_settings *settings);

/* Adds to the event that tells of an open connection: how long each phase took,
 * what compresses it, and the version of TLS. Accepts NULL. */
void client_tell(json_t *event, const vital_conn *conn);

#endif
