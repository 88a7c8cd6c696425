/*
 * Messages become deflate blocks (RFC 7692 7.2.1), piece by piece: what a piece
 * gives is the payload of one frame.
 *
 * Without context takeover nothing is held between two calls: what a window
 * would remember of the message is lent from the message itself, so one
 * compressor serves all connections of a loop, and a large message needs no
 * compressor of its own for as long as a slow peer takes to read it.
 */
#ifndef VT_WEBSOCKET_DEFLATE_H
#define VT_WEBSOCKET_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vital/engine.h>

/* Zeroed is one that compresses nothing. */
typedef struct vt_deflater {
    vital_compressor *shared; /* borrowed */
    int bits;                 /* of the window: 9 to 15; below: nothing is compressed */
    bool keeps;               /* context takeover */
    size_t least_bytes;       /* of a message that is compressed */
    void *own;                /* keeps: zlib's, from the first message on; owned */
} vt_deflater;

void vt_deflater_finish(vt_deflater *deflater); /* accepts NULL and zeroed */

/* Whether it is worth trying on a message of that size. */
bool vt_deflater_wants(const vt_deflater *deflater, size_t message_bytes);

/* A piece of a message, not empty, behind `before` bytes of it that lie in memory
 * in front of the piece. What is returned lies in the shared room until that is
 * used again. It may be larger than the piece, up to VT_DEFLATE_BOUND. NULL data:
 * no memory. */
vital_bytes vt_deflate(vt_deflater *deflater, const uint8_t *piece, size_t size, size_t before,
                       bool last);

/* What the last call gave is not sent: the peer will not know of it. */
void vt_deflater_forget(vt_deflater *deflater);

#endif
