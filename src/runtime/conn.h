/*
 * The connection: where a transport meets an engine. It moves bytes, time and
 * events between the two and decides nothing. client.c and server.c own
 * connections; they differ in where streams come from.
 */
#ifndef VT_RUNTIME_CONN_H
#define VT_RUNTIME_CONN_H

#include <vital/engine.h>

#include "loop.h"
#include "transport.h"

/* What a connection needs of its owner. */
typedef struct vt_conn_owner {
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

/* Embedded in its owner's struct. */
struct vital_conn {
    vital_loop *loop;
    const vt_conn_owner *owner;
    const vital_events *events; /* borrowed from the owner */
    void *user;
    vital_engine *engine;   /* owned */
    vt_transport transport; /* without a stream while away */
    const char *url;        /* client: where to, to be shown; borrowed from the owner */
    vt_timer timer;         /* for the engine's deadline */
    vt_task settle;
    bool sending;     /* bytes of the engine's are in flight, or can no more be */
    bool paused;      /* nothing is read: vital_pause() */
    int send_error;   /* why they cannot; the end itself comes from the reading side */
    bool relayed;     /* client: through a proxy that we asked */
    bool pulling;     /* events are being dispatched, further up the stack */
    int64_t began_us; /* this phase of the opening */
    vital_opening opening;
    vt_address peer; /* size 0: none */
    char *peer_text; /* owned; made when asked for */
};

/* What the connections of a loop share to compress with, made when it is first
 * asked for; it ends with the loop. NULL without memory. */
vital_compressor *vt_conn_compressor(vital_loop *loop);

/* Likewise, what they share to see that it is us. */
vital_breaker *vt_conn_breaker(vital_loop *loop);

/* 0 or VITAL_ENOMEM. Borrows policy, events and owner. */
int vt_conn_init(vital_conn *conn, vital_loop *loop, const vital_policy *policy,
                 const vital_events *events, const vt_conn_owner *owner);
void vt_conn_finish(vital_conn *conn); /* accepts zeroed; ends the stream abruptly */

/* Its transport, which has been started, is the engine's from now on. */
void vt_conn_adopt(vital_conn *conn, const vt_address *peer);

/* A phase of the opening ends, and the next begins: how long it took. */
int64_t vt_conn_phase_us(vital_conn *conn);

/* As vital_engine_hint(). */
void vt_conn_hint(vital_conn *conn, vital_hint hint);

/* Something was done to the engine: pull, flush and re-arm before the turn ends. */
void vt_conn_touch(vital_conn *conn);

#endif
