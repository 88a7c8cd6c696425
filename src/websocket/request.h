/*
 * The request of the opening handshake (RFC 6455 4.1, 4.2.1), read and written.
 * Strict: HTTP/1.1 with CRLF, no folding, no bare LF, no duplicate of what must
 * be single. Pure functions; gathering the bytes is head.h's part.
 */
#ifndef VT_WEBSOCKET_REQUEST_H
#define VT_WEBSOCKET_REQUEST_H

#include <vital/vital.h>

#include "head.h"

enum { VT_SUBPROTOCOLS_MAX = 64 }; /* in one request */

struct vital_request {
    const char *method; /* "" as long as it is not known */
    const char *path;
    const char *query;
    bool upgrade; /* to a WebSocket; else a plain request */
    vt_headers headers;
};

/* What to refuse a request with. status 0: it is a good request. */
typedef struct vt_refusal {
    int status;      /* 400, 405, 426, 431, 505 ... */
    const char *why; /* a static sentence, sent as the body too */
} vt_refusal;

/* Checks every rule of RFC 6455 4.2.1. Changes the head's bytes (NULs), and
 * borrows them. A request-target in absolute form is accepted if its authority
 * is what Host says, and gives its path: RFC 9112 3.2.2 wants every server to.
 * `plain`: a GET or HEAD that does not ask for a WebSocket is good too. */
vt_refusal vt_request_parse(vital_request *out, vt_head *head, bool plain);

/* The first of `offered by the client` in our order of preference, or NULL. */
const char *vt_request_subprotocol(const vital_request *request, const char *const *ours);

typedef struct vt_request_parts {
    const char *host; /* the Host header */
    const char *path;
    const char *key; /* vt_handshake_key() */
    const char *const *headers;
    const char *const *subprotocols;
    const vital_compression *compression; /* what to offer of it; NULL: nothing */
} vt_request_parts;

/* malloc'd; NULL without memory. What goes in must have passed vt_path_problem()
 * and its like: that is asserted, so that no line break of a caller's ever
 * becomes a header. */
char *vt_request_write(const vt_request_parts *parts);

#endif
