/*
 * What a connection speaks through: a stream; a stream with TLS on it; or TLS in
 * that TLS, to a server behind a proxy that is itself spoken to in secret. Who
 * uses it cannot tell, but for the time until it is ready.
 *
 * Means what loop.h says of streams. Nothing calls back from inside a function,
 * except for vt_transport_poll().
 */
#ifndef VT_RUNTIME_TRANSPORT_H
#define VT_RUNTIME_TRANSPORT_H

#include <vital/engine.h>

#include "loop.h"
#include "tls.h"

enum { VT_TRANSPORT_LAYERS = 2 };

typedef struct vt_transport_events {
    /* In plain the stream's own. `connected` is never called. */
    vt_stream_events bytes;
    /* The TLS that was put on last is up, and the peer is proven. */
    void (*secured)(void *owner);
    /* The end, in place of bytes.received: TLS knows more about it. Borrowed. */
    void (*failed)(void *owner, const vital_failure *failure);
} vt_transport_events;

/* Embedded in its owner, and stays in its place; zeroed is a good start. */
typedef struct vt_transport {
    vt_stream *stream;          /* NULL: none */
    struct vt_secrecy *secrecy; /* owned; NULL: in plain */
} vt_transport;

/* Takes over a stream that is connected. */
void vt_transport_start(vt_transport *transport, vt_stream *stream,
                        const vt_transport_events *events, void *owner);
/* Another one hears of it from now on. */
void vt_transport_adopt(vt_transport *transport, const vt_transport_events *events, void *owner);

/* Puts TLS on what is there, at most VT_TRANSPORT_LAYERS times: it begins to shake
 * hands. Not while a send is under way. That one hears of it from now on. 0 or
 * VITAL_ENOMEM, which changes nothing. */
int vt_transport_secure(vt_transport *transport, vt_tls_policy *policy,
                        const vt_transport_events *events, void *owner);

/* Whether what is sent would leave: all TLS that there is is up. */
bool vt_transport_ready(const vt_transport *transport);

void vt_transport_send(vt_transport *transport, vital_bytes bytes); /* once ready */
void vt_transport_poll(vt_transport *transport);

/* Stops and goes on reading from the stream. What TLS has of it already still
 * comes. */
void vt_transport_pause(vt_transport *transport, bool pause);

/* Also ends TLS as it should be ended, if it is a polite end. The farewell is not
 * sent if it is not ready. No effect without a stream. */
void vt_transport_end(vt_transport *transport, vt_stream_end how, vital_bytes farewell);

/* The TLS that is nearest to its owner; NULL: in plain. */
const vt_tls *vt_transport_tls(const vt_transport *transport);

#endif
