/*
 * The response of the opening handshake (RFC 6455 4.2.2, 4.1), written by a
 * server and read by a client.
 */
#ifndef VT_WEBSOCKET_RESPONSE_H
#define VT_WEBSOCKET_RESPONSE_H

#include "head.h"
#include "request.h"

/* ---- writing; malloc'd, NULL without memory */

/* `request` was found good; `subprotocol` is NULL or what was chosen. */
char *vt_response_write(const vital_request *request, const char *subprotocol);
/* `status` 426 names our version; a body says why, in plain text. `why` NULL:
 * the status in words. A status that refuses nothing is written as 500. */
char *vt_refusal_write(int status, const char *why);

/* ---- reading */

typedef struct vt_response {
    int status;              /* 101 if all is well; else the server's refusal */
    char reason[64];         /* the server's reason phrase, printable, cut short */
    int retry_after_s;       /* Retry-After in seconds; -1 if none */
    const char *subprotocol; /* points into `offered`; NULL if none */
    const char *violation;   /* a 101 that breaks RFC 6455 4.1, or bytes that are
                                no HTTP: a static sentence; else NULL */
} vt_response;

vt_response vt_response_parse(vt_head *head, const char *key, const char *const *offered);

#endif
