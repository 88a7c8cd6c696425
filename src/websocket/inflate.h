/*
 * Deflate blocks become messages again (RFC 7692 7.2.2), in steps: bytes in,
 * bytes out, never more than there is room for. So who gives room up to a limit
 * and no more has bounded what a message of any size can cost.
 *
 * The same bytes give the same outcome however they are cut, but for a peer that
 * refers back by more than the window that it has agreed to: that may be seen or
 * not.
 */
#ifndef VT_WEBSOCKET_INFLATE_H
#define VT_WEBSOCKET_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vital/engine.h>

/* Zeroed is one that is not used. */
typedef struct vt_inflater {
    vital_compressor *shared; /* borrowed */
    int bits;                 /* of the peer's window: 8 to 15 */
    bool keeps;               /* the peer takes its context over */
    bool empty;               /* no byte of the message has come */
    bool final;               /* the last block was marked as the last of its stream */
    void *own;                /* zlib's; owned */
    void *now;                /* of the message: `own`, or a shared one */
} vt_inflater;

void vt_inflater_finish(vt_inflater *inflater); /* accepts NULL and zeroed */

/* A message begins. `at_once`: it will be read to its end before anything else
 * is done with the shared compressor. False without memory. */
bool vt_inflater_begin(vt_inflater *inflater, bool at_once);
/* It is over, or given up. Nothing is kept that has not been agreed. */
void vt_inflater_end(vt_inflater *inflater);

typedef struct vt_inflate_step {
    const uint8_t *in; /* what comes next of the message; both move on */
    size_t in_size;
    bool last; /* and nothing follows it */
    uint8_t *out;
    size_t room;
} vt_inflate_step;

typedef enum vt_inflated {
    VT_INFLATED_IN,   /* all input is taken, and has given what it could */
    VT_INFLATED_FULL, /* the room is full; there may be more to come */
    VT_INFLATED_DONE, /* last: the message is complete */
    VT_INFLATED_BAD,  /* no deflate data; what was given before it is good */
    VT_INFLATED_CUT,  /* last: the message ends in the middle of a block */
    VT_INFLATED_NO_MEMORY,
} vt_inflated;

vt_inflated vt_inflate(vt_inflater *inflater, vt_inflate_step *step);

#endif
