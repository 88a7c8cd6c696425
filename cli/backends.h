/*
 * --backend: what a loop waits with.
 */
#ifndef VITAL_CLI_BACKENDS_H
#define VITAL_CLI_BACKENDS_H

#include <vital/vital.h>

#include "options.h"
#include "output.h"

/* Reads "auto" (as NULL), "epoll" or "uring". As options_read(). */
int backend_read(const options_page *page, const char *text, vital_backend *out);

/* 0, or the error, of which it has told. */
int backend_create_loop(vital_loop **out, vital_backend backend, cli_output *output);

#endif
