/*
 * The opening handshake (RFC 6455 4), both roles, strict: HTTP/1.1 with CRLF,
 * no folding, no bare LF, no duplicate of what must be single. Pure functions
 * from bytes to an answer; gathering the bytes is head.h's part.
 */
#ifndef VT_WEBSOCKET_HANDSHAKE_H
#define VT_WEBSOCKET_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vital/vital.h>

#include "head.h"

enum {
    VT_KEY_TEXT_BYTES = 24,    /* base64 of 16 bytes */
    VT_ACCEPT_TEXT_BYTES = 28, /* base64 of a SHA-1 */
    VT_SUBPROTOCOLS_MAX = 64,  /* in one request */
};

/* ---- the server's side of the request */

struct vital_request {
    const char *method;
    const char *path;
    vt_headers headers;
};

/* What to refuse a request with. status 0: it is a good upgrade request. */
typedef struct vt_refusal {
    int status;      /* 400, 405, 426, 431, 505 ... */
    const char *why; /* a static sentence, sent as the body too */
} vt_refusal;

/* Checks every rule of RFC 6455 4.2.1. Changes the head's bytes (NULs), and
 * borrows them. A request-target in absolute form is accepted if its authority
 * is what Host says, and gives its path: RFC 9112 3.2.2 wants every server to. */
vt_refusal vt_request_parse(vital_request *out, vt_head *head);

/* The first of `offered by the client` in our order of preference, or NULL. */
const char *vt_request_subprotocol(const vital_request *request, const char *const *ours);

/* ---- writing; each returns a malloc'd text, or NULL without memory. What goes
 * in must have passed vt_path_problem() and its like: they are asserted, so that
 * no line break of a caller's ever becomes a header. */

typedef struct vt_request_parts {
    const char *host; /* the Host header */
    const char *path;
    const char *key; /* vt_handshake_key() */
    const char *const *headers;
    const char *const *subprotocols;
} vt_request_parts;

char *vt_request_write(const vt_request_parts *parts);
/* `request` was found good; `subprotocol` is NULL or what was chosen. */
char *vt_response_write(const vital_request *request, const char *subprotocol);
/* `status` 426 names our version; a body says why, in plain text. `why` NULL:
 * the status in words. A status that refuses nothing is written as 500. */
char *vt_refusal_write(int status, const char *why);

/* ---- the client's side of the answer */

typedef struct vt_response {
    int status;              /* 101 if all is well; else the server's refusal */
    char reason[64];         /* the server's reason phrase, printable, cut short */
    int retry_after_s;       /* Retry-After in seconds; -1 if none */
    const char *subprotocol; /* points into `offered`; NULL if none */
    const char *violation;   /* a 101 that breaks RFC 6455 4.1, or bytes that are
                                no HTTP: a static sentence; else NULL */
} vt_response;

vt_response vt_response_parse(vt_head *head, const char *key, const char *const *offered);

/* A fresh Sec-WebSocket-Key from 16 random bytes, and the answer to it. */
void vt_handshake_key(char out[VT_KEY_TEXT_BYTES + 1], const uint8_t nonce[16]);
void vt_handshake_accept(char out[VT_ACCEPT_TEXT_BYTES + 1], const char *key);

/* ---- what a caller may set */

/* "Name: value" with a token for a name, no control characters, and none of
 * the headers that the handshake itself writes. NULL, or a static sentence. */
const char *vt_header_problem(const char *line);
/* A subprotocol name is a token (RFC 6455 4.1). NULL, or a static sentence. */
const char *vt_subprotocol_problem(const char *name);

#endif
