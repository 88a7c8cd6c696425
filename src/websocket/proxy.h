/*
 * A way through a proxy by CONNECT (RFC 9110 9.3.6), whatever goes through it: ws
 * too (RFC 6455 4.1). Bytes in, one outcome.
 */
#ifndef VT_WEBSOCKET_PROXY_H
#define VT_WEBSOCKET_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "head.h"

typedef struct vt_proxy {
    bool secure; /* https: spoken to in TLS */
    char *host;  /* without brackets; owned */
    uint16_t port;
    char *credentials; /* "Basic ..." (RFC 7617), or NULL; owned */
} vt_proxy;

/* "http://[user[:password]@]host[:port]", https://, or "host:port", which is
 * http. 0, or VITAL_EINVAL with a static sentence in *problem, or VITAL_ENOMEM.
 * After a problem *out is zeroed. */
int vt_proxy_parse(vt_proxy *out, const char *url, const char **problem);
void vt_proxy_finish(vt_proxy *proxy); /* accepts NULL and zeroed */

/* What to ask for a way to host and port; malloc'd, NULL without memory. */
char *vt_proxy_request(const vt_proxy *proxy, const char *host, uint16_t port);

typedef enum vt_proxy_outcome {
    VT_PROXY_MORE,    /* not yet */
    VT_PROXY_OPEN,    /* what is sent from now on is for the server */
    VT_PROXY_REFUSED, /* see status and reason */
    VT_PROXY_FAILED,  /* see violation */
} vt_proxy_outcome;

/* Zeroed is a good start. */
typedef struct vt_proxy_answer {
    vt_head head;
    int status;
    char reason[64];       /* printable */
    const char *violation; /* a static sentence */
} vt_proxy_answer;

/* The server says nothing before it is asked, so nothing may follow the answer. */
vt_proxy_outcome vt_proxy_feed(vt_proxy_answer *answer, const void *bytes, size_t size,
                               size_t limit_bytes);
void vt_proxy_answer_finish(vt_proxy_answer *answer); /* accepts zeroed */

#endif
