/*
 * The frame header (RFC 6455 5.2): bytes to fields and back. Nothing here
 * knows of connections; what is legal *between* frames is reader.h's part.
 */
#ifndef VT_WEBSOCKET_FRAME_H
#define VT_WEBSOCKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum vt_opcode {
    VT_OP_CONTINUATION = 0x0,
    VT_OP_TEXT = 0x1,
    VT_OP_BINARY = 0x2,
    VT_OP_CLOSE = 0x8,
    VT_OP_PING = 0x9,
    VT_OP_PONG = 0xA,
} vt_opcode;

enum {
    VT_FRAME_HEADER_MAX = 14,
    VT_CONTROL_PAYLOAD_MAX = 125, /* RFC 6455 5.5 */
};

typedef struct vt_frame {
    bool fin;
    bool masked;
    uint8_t rsv; /* 4: RSV1, 2: RSV2, 1: RSV3 */
    vt_opcode opcode;
    uint8_t key[4]; /* if masked */
    uint64_t size;  /* of the payload */
} vt_frame;

static inline bool vt_opcode_is_control(vt_opcode opcode)
{
    return (opcode & 0x8) != 0;
}

/* Reads a header from the first `size` bytes. Returns its length, 0 if more
 * bytes are needed, or -1 with *why set to a static sentence as soon as the
 * bytes seen so far cannot begin a legal frame: an unknown opcode, a fragmented
 * or oversized control frame, a length not in its shortest form or above
 * 2^63 - 1. The reserved bits are given, not judged: extensions use them. */
int vt_frame_decode(vt_frame *out, const uint8_t *data, size_t size, const char **why);

/* Writes the header in its shortest form and returns its length. */
size_t vt_frame_encode(uint8_t out[VT_FRAME_HEADER_MAX], const vt_frame *frame);

#endif
