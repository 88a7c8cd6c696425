/*
 * The response of the opening handshake (RFC 6455 4.2.2, 4.1), written by a
 * server and read by a client.
 */
#ifndef VT_WEBSOCKET_RESPONSE_H
#define VT_WEBSOCKET_RESPONSE_H

#include "extension.h"
#include "head.h"
#include "request.h"

/* ---- writing; malloc'd, NULL without memory */

/* Whether an application may answer the request so: NULL, or a static sentence. */
const char *vt_response_problem(const vital_response *response, const vital_request *request);

/* The 101. `request` was found good; `subprotocol` is NULL or what was chosen;
 * `headers`, which may be NULL, have no problem. */
char *vt_switch_write(const vital_request *request, const char *subprotocol,
                      const vt_deflate_terms *deflate, const char *const *headers);
/* Any other response, after which the stream ends. It has no problem. `head`:
 * the answer to a HEAD, which is without the body (RFC 9110 9.3.2). 426 names our
 * version; 405 the method GET, unless a header names others. *size is its size. */
char *vt_answer_write(const vital_response *response, bool head, size_t *size);

/* ---- reading */

typedef struct vt_response {
    int status;              /* 101 if all is well; else the server's refusal */
    char reason[64];         /* the server's reason phrase, printable, cut short */
    int retry_after_s;       /* Retry-After in seconds; -1 if none */
    const char *location;    /* where a redirect points, in the head's bytes; or NULL */
    const char *subprotocol; /* points into what was offered; NULL if none */
    vt_deflate_terms deflate;
    const char *violation; /* a 101 that breaks RFC 6455 4.1, or bytes that are
                              no HTTP: a static sentence; else NULL */
} vt_response;

/* `subprotocols` and `compression` are what was offered. */
vt_response vt_response_parse(vt_head *head, const char *key, const char *const *subprotocols,
                              const vital_compression *compression);

#endif
