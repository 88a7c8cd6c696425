/*
 * From a stream that is connected to one through which the server can be asked
 * for an upgrade: through a proxy, into TLS, both, or neither.
 */
#ifndef VT_RUNTIME_PASSAGE_H
#define VT_RUNTIME_PASSAGE_H

#include "proxy.h"
#include "transport.h"

/* What lies on the way; zero is a straight one. Borrowed until the end of it. */
typedef struct vt_passage_way {
    const vt_proxy *proxy;    /* whom the stream leads to; NULL: the server itself */
    vt_tls_policy *proxy_tls; /* NULL: it is spoken to in plain */
    const char *host;         /* of the server, for the proxy */
    uint16_t port;
    size_t head_bytes;  /* limit of the proxy's answer */
    vt_tls_policy *tls; /* of the server; NULL: in plain */
} vt_passage_way;

typedef enum vt_passage_step {
    VT_PASSAGE_PROXIED, /* the proxy lets us through */
    VT_PASSAGE_SECURED, /* TLS with the server is up */
    VT_PASSAGE_THROUGH, /* the transport is somebody else's: vt_transport_adopt() it */
} vt_passage_step;

typedef struct vt_passage_events {
    void (*passed)(void *owner, vt_passage_step step);
    /* The transport has been ended. The failure is borrowed. */
    void (*failed)(void *owner, const vital_failure *failure);
} vt_passage_events;

/* Zeroed is a good start. */
typedef struct vt_passage {
    vt_transport *transport; /* NULL: not under way */
    const vt_passage_way *way;
    const vt_passage_events *events;
    void *owner;
    bool asking;            /* the proxy; else, TLS is shaking hands */
    char *request;          /* owned, until it has left; NULL: it has */
    vt_proxy_answer answer; /* owned, while asking */
} vt_passage;

/* The transport has been started by nobody else. May call back from inside. */
void vt_passage_start(vt_passage *passage, vt_transport *transport, vt_stream *stream,
                      const vt_passage_way *way);
/* Ends the transport, if the passage is under way. */
void vt_passage_abandon(vt_passage *passage);

#endif
