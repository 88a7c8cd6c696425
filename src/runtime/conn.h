/*
 * The connection: where a transport meets an engine. It moves bytes, time and
 * events between the two and decides nothing. client.c and server.c own
 * connections; they differ in where streams come from.
 */
#ifndef VT_RUNTIME_CONN_H
#define VT_RUNTIME_CONN_H

#include <vital/engine.h>

#include "commons.h"
#include "loop.h"
#include "rest.h"
#include "transport.h"

/* What a connection needs of its owner; all that one owner has can share it. Loop,
 * policy, events and commons are borrowed. */
typedef struct vt_conn_owner {
    vital_loop *loop;
    vt_commons *commons; /* the loop's */
    const vital_policy *policy;
    const vital_events *events;
    /* Client: start the transport and vt_conn_adopt(), or report
     * vital_engine_unreachable(). NULL for a server. */
    void (*connect)(vital_conn *conn);
    /* Client: as connect, but to where the location leads; or report
     * vital_engine_unfollowed(). NULL for a server. */
    void (*redirect)(vital_conn *conn, const char *location);
    /* Client: the attempt is over, whatever was under way. NULL for a server. */
    void (*abandon)(vital_conn *conn);
    /* The connection has ended for good, and its last callback has returned. The
     * owner calls vt_conn_finish(), and buries it (vt_loop_bury). */
    void (*gone)(vital_conn *conn);
} vt_conn_owner;

/* Embedded in its owner's struct. A server's comes to rest when nothing has been done to
 * it for a moment, and then it is `rest` that keeps what its engine knew. */
struct vital_conn {
    const vt_conn_owner *owner; /* borrowed */
    void *user;
    vt_awake *awake; /* lent by the commons; NULL: at rest, or gone. A client's never rests */
    union {
        vt_rest rest;   /* while it is at rest */
        vt_grave grave; /* once it is gone; for its owner */
    };
    vt_transport transport; /* without a stream while away */
    vt_timer timer;         /* for the engine's deadline; finished once it is gone */
    bool told;              /* its server has said goodbye to it; the owner's */
    bool starved;           /* there was no memory to leave its rest for what must be done */
    int32_t tls_us;         /* of the opening, while at rest */
    int32_t upgrade_us;
    vt_peer peer;    /* AF_UNSPEC: none */
    char *peer_text; /* owned; made when asked for */
};

/* 0 or VITAL_ENOMEM. Borrows the owner. */
int vt_conn_init(vital_conn *conn, const vt_conn_owner *owner);
void vt_conn_finish(vital_conn *conn); /* accepts zeroed; ends the stream abruptly */

/* Its transport, which has been started, is the engine's from now on. */
void vt_conn_adopt(vital_conn *conn, const vt_address *peer);

/* A server's, after that: it speaks TLS. 0 or VITAL_ENOMEM. */
int vt_conn_secure(vital_conn *conn, vt_tls_policy *policy);

/* A phase of the opening ends, and the next begins: how long it took. */
int64_t vt_conn_phase_us(vital_conn *conn);

/* As vital_engine_hint(). */
void vt_conn_hint(vital_conn *conn, vital_hint hint);

/* Something was done to the engine: pull, flush and re-arm before the turn ends. */
void vt_conn_touch(vital_conn *conn);

#endif
