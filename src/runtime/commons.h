/*
 * What the connections of a loop share: what they compress with, what they see by that
 * it is us, what they remember of paths, and the memory that those need which are not at
 * rest. Made when it is first asked for; it ends with the loop.
 */
#ifndef VT_RUNTIME_COMMONS_H
#define VT_RUNTIME_COMMONS_H

#include <vital/engine.h>

#include "loop.h"
#include "slab.h"

/* What a connection needs while anything is under way. Lent zeroed, but for the engine. */
typedef struct vt_awake {
    vital_engine *engine; /* blank when it is lent */
    vital_conn *conn;
    vt_list recent;     /* in the commons' list of that name, or in none; or it is a spare one */
    int64_t touched_us; /* when it got there */
    vt_task settle;
    const char *url;  /* client: where to, to be shown; borrowed from the owner */
    bool sending;     /* bytes of the engine's are in flight, or can no more be */
    bool paused;      /* nothing is read: vital_pause() */
    bool relayed;     /* client: through a proxy that we asked */
    bool pulling;     /* events are being dispatched, further up the stack */
    int send_error;   /* why bytes cannot be sent; the end itself comes from the reading side */
    int64_t began_us; /* this phase of the opening */
    vital_opening opening;
} vt_awake;

typedef struct vt_commons {
    vital_loop *loop;
    vt_list recent;               /* who may come to rest, the first to have been touched first */
    vt_slab awake;                /* of vt_awake, each with its engine */
    vt_awake *reserve;            /* for who finds no memory, and says so; NULL: lent */
    vital_compressor *compressor; /* owned, as the next; NULL until wanted */
    vital_breaker *breaker;
    vital_lulls *lulls;
    vt_resident resident;
    vt_grave grave;
} vt_commons;

/* NULL without memory; as the next two. */
vt_commons *vt_commons_of(vital_loop *loop);
vital_compressor *vt_commons_compressor(vital_loop *loop);
vital_breaker *vt_commons_breaker(vital_loop *loop);
vital_lulls *vt_commons_lulls(vital_loop *loop);

vt_awake *vt_commons_lend(vt_commons *commons); /* NULL without memory */
/* The last one, that is always there if it has been given back: one at a time. */
vt_awake *vt_commons_lend_reserve(vt_commons *commons);
/* Its engine is blank again. */
void vt_commons_take_back(vt_commons *commons, vt_awake *awake);

#endif
