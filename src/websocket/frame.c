/*
 * The frame header. The bytes are judged in the order in which they arrive, so
 * that the verdict does not depend on how the stream was cut: the opcode comes
 * before the length, and an absurd length is never looked at behind an opcode
 * that nobody knows.
 *
 *    0               1               2 ...
 *   +-+-+-+-+-------+-+-------------+-------------------+-----------+
 *   |F|R|R|R| opcode|M| length (7)  | 0, 2 or 8 bytes   | 0 or 4    |
 *   |I|S|S|S|  (4)  |A| 126: 16 bits| of length,        | bytes of  |
 *   |N|1|2|3|       |S| 127: 64 bits| big-endian        | key       |
 *   +-+-+-+-+-------+-+-------------+-------------------+-----------+
 */
#include "frame.h"

#include <assert.h>
#include <string.h>

enum { FIN_BIT = 0x80, OPCODE_BITS = 0x0F, MASK_BIT = 0x80, LENGTH_BITS = 0x7F };
enum { LENGTH_16 = 126, LENGTH_64 = 127 };

static bool opcode_known(uint8_t opcode)
{
    return opcode <= VT_OP_BINARY || (opcode >= VT_OP_CLOSE && opcode <= VT_OP_PONG);
}

static uint64_t big_endian(const uint8_t *data, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | data[i];
    return value;
}

/* NULL, or what is wrong with the first two bytes, as far as they are there. */
static const char *judge_start(const uint8_t *data, size_t size)
{
    uint8_t opcode = data[0] & OPCODE_BITS;

    if (!opcode_known(opcode))
        return "an unknown opcode (RFC 6455 5.2)";
    if (!vt_opcode_is_control((vt_opcode)opcode))
        return NULL;
    if ((data[0] & FIN_BIT) == 0)
        return "a fragmented control frame (RFC 6455 5.5)";
    if (size >= 2 && (data[1] & LENGTH_BITS) > VT_CONTROL_PAYLOAD_MAX)
        return "a control frame of more than 125 bytes (RFC 6455 5.5)";
    return NULL;
}

/* NULL, or what is wrong with `size` bytes of a long length of `full` bytes. */
static const char *judge_length(const uint8_t *data, size_t size, size_t full)
{
    if (full == 8 && size >= 1 && (data[0] & 0x80) != 0)
        return "a length above 2^63 - 1 (RFC 6455 5.2)";
    if (size >= full && big_endian(data, full) < (full == 2 ? LENGTH_16 : 0x10000))
        return "a length that is not in its shortest form (RFC 6455 5.2)";
    return NULL;
}

int vt_frame_decode(vt_frame *out, const uint8_t *data, size_t size, const char **why)
{
    if (size == 0)
        return 0;
    *why = judge_start(data, size);
    if (*why != NULL)
        return -1;
    if (size < 2)
        return 0;

    uint64_t length = data[1] & LENGTH_BITS;
    size_t more = length == LENGTH_64 ? 8 : length == LENGTH_16 ? 2 : 0;
    size_t at = 2 + more;
    if (more > 0) {
        *why = judge_length(data + 2, size - 2, more);
        if (*why != NULL)
            return -1;
        if (size < at)
            return 0;
        length = big_endian(data + 2, more);
    }

    bool masked = (data[1] & MASK_BIT) != 0;
    if (masked && size < at + sizeof(out->key))
        return 0;
    *out = (vt_frame){
        .fin = (data[0] & FIN_BIT) != 0,
        .masked = masked,
        .rsv = data[0] >> 4 & 0x7,
        .opcode = (vt_opcode)(data[0] & OPCODE_BITS),
        .size = length,
    };
    if (masked) {
        memcpy(out->key, data + at, sizeof(out->key));
        at += sizeof(out->key);
    }
    return (int)at;
}

size_t vt_frame_encode(uint8_t out[VT_FRAME_HEADER_MAX], const vt_frame *frame)
{
    size_t more = frame->size > UINT16_MAX ? 8 : frame->size >= LENGTH_16 ? 2 : 0;
    uint8_t length = more == 8 ? LENGTH_64 : more == 2 ? LENGTH_16 : (uint8_t)frame->size;
    size_t at = 2;

    assert(opcode_known((uint8_t)frame->opcode) && frame->rsv <= 7 && frame->size <= INT64_MAX);
    out[0] = (uint8_t)((frame->fin ? FIN_BIT : 0) | frame->rsv << 4 | (int)frame->opcode);
    out[1] = (uint8_t)((frame->masked ? MASK_BIT : 0) | length);
    for (size_t i = 0; i < more; i++)
        out[at++] = (uint8_t)(frame->size >> 8 * (more - 1 - i));
    if (frame->masked) {
        memcpy(out + at, frame->key, sizeof(frame->key));
        at += sizeof(frame->key);
    }
    return at;
}
