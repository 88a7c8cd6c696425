/*
 * Where a server points a client to (RFC 9110 15.4, RFC 6455 4.1), and whether
 * the client goes there.
 */
#ifndef VT_WEBSOCKET_REDIRECT_H
#define VT_WEBSOCKET_REDIRECT_H

#include <stdbool.h>
#include <stddef.h>

#include "url.h"

/* A status whose Location is where to ask instead: 301, 302, 303, 307, 308. */
bool vt_redirect_status(int status);

/* *out is where `location` leads from there, with http and https read as ws and
 * wss. NULL; or why it is not followed, a static sentence that follows a colon,
 * with *out zeroed. Not followed is what gives up TLS, what leads out of
 * WebSockets or off a Unix socket, and what carries credentials. */
const char *vt_redirect_resolve(vt_url *out, const vt_url *from, const char *location);

/* Whether what is meant for one may be told to the other: the same scheme, host
 * and port (RFC 6454 4), or the same Unix socket. */
bool vt_redirect_same_origin(const vt_url *one, const vt_url *other);

/* The location without its credentials, cut short where it does not fit. */
void vt_redirect_show(char *out, size_t room, const char *location);

#endif
