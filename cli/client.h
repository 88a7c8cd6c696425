/*
 * What the commands that are clients have in common: how their server is reached,
 * and what they tell of it.
 */
#ifndef VITAL_CLI_CLIENT_H
#define VITAL_CLI_CLIENT_H

#include <jansson.h>

#include <vital/vital.h>

#include "options.h"

/* The strings belong to the cli_options. */
typedef struct client_settings {
    vital_tls tls;
} client_settings;

enum { CLIENT_OPTIONS = 8 }; /* rows that client_options() fills, at most */
void client_options(cli_option table[CLIENT_OPTIONS], client_settings *to);

/* Sets what the settings say. */
void client_apply(vital_connect_options *options, const client_settings *settings);

/* Adds to the event that tells of an open connection: how long each phase took,
 * what compresses it, and the version of TLS. Accepts NULL. */
void client_tell(json_t *event, const vital_conn *conn);

#endif
