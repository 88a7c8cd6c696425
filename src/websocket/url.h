/*
 * Where to connect (RFC 6455 3, RFC 3986): ws://host[:port][/path][?query],
 * wss://..., and ws+unix:/socket[:/path] for a Unix socket.
 */
#ifndef VT_WEBSOCKET_URL_H
#define VT_WEBSOCKET_URL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct vt_url {
    bool secure; /* wss */
    char *host;  /* without brackets; NULL for a Unix socket; owned */
    uint16_t port;
    char *socket;      /* path of a Unix socket, "@name" if abstract, or NULL; owned */
    char *path;        /* with the query, never empty; owned */
    char *authority;   /* what the Host header says: "[::1]:9001", "localhost"; owned */
    char *credentials; /* "user:password", decoded, or NULL; owned, and wiped */
    char *text;        /* the URL, to be shown: without the credentials; owned */
} vt_url;

/* 0, or VITAL_EINVAL with a static sentence in *problem, which quotes nothing, or
 * VITAL_ENOMEM. A fragment, spaces and control characters are problems. After a
 * problem *out is zeroed. */
int vt_url_parse(vt_url *out, const char *text, const char **problem);
void vt_url_finish(vt_url *url); /* accepts NULL and zeroed */

/* Where to listen or connect: "127.0.0.1:9001", "[::1]:9001", "unix:/run/x",
 * "unix:@abstract". Fills host and port, or socket; port 0 is allowed. The host
 * must be a numeric address, or "localhost", which means 127.0.0.1. Results as
 * of vt_url_parse(). */
int vt_url_parse_address(vt_url *out, const char *text, const char **problem);

/* What may stand in a request line and in a Host header: NULL, or a static
 * sentence. A path is in origin form, query included (RFC 9112 3.2.1). */
const char *vt_path_problem(const char *path);
const char *vt_authority_problem(const char *authority);

#endif
