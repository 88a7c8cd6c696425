/*
 * From where a host is said to be to a stream that is connected to it: a name is
 * looked up, and its addresses are raced (RFC 8305). What that needs exists only
 * meanwhile. No limit of time: who dials, cancels.
 */
#ifndef VT_RUNTIME_DIAL_H
#define VT_RUNTIME_DIAL_H

#include "loop.h"

enum { VT_DIAL_ADDRESSES = 16 }; /* of one name; the rest is not tried */

typedef struct vt_dial vt_dial;

/* Borrowed until the end of the dial. */
typedef struct vt_dial_to {
    const char *socket; /* of a Unix socket; NULL: see below */
    const char *host;   /* a name or a numeric address */
    uint16_t port;
    const vt_address *from; /* an address of ours; NULL: as the system picks */
} vt_dial_to;

typedef struct vt_dial_events {
    /* The name was looked up, with whatever result; not for a numeric address. */
    void (*found)(void *owner);
    /* One of these two, never from inside vt_dial_start(); the dial has ended by
     * then. The stream is to be adopted, or closed, before the call returns. */
    void (*connected)(void *owner, vt_stream *stream, const vt_address *address);
    /* `error` is an errno, or 0; `what` says what failed, in words. */
    void (*failed)(void *owner, int error, const char *what);
} vt_dial_events;

/* NULL without memory. A path of a Unix socket must fit. Borrows events. */
vt_dial *vt_dial_start(vital_loop *loop, const vt_dial_to *to, const vt_dial_events *events,
                       void *owner);
void vt_dial_cancel(vt_dial *dial); /* accepts NULL */

#endif
