/*
 * The tail that senders leave out, 00 00 FF FF, is fed from a constant of our
 * own: nothing is ever written behind the payload.
 *
 * A block may say that it is the last of its stream (BFINAL). RFC 7692 allows it,
 * and what follows is then a new stream with an empty window. Senders should put
 * an empty block behind it (7.2.3.4), but some do not: a message that ends with a
 * last block is as complete as one that ends with the tail. So is one of no bytes
 * at all, which is what zlib itself gives for a second flush in a row.
 */
#include "inflate.h"

#include <assert.h>

#include "compressor.h"

/* No more than zlib's counters can hold. */
static const size_t STEP_BYTES = 1 << 30;

static const uint8_t TAIL[4] = {0x00, 0x00, 0xFF, 0xFF};

/* In z_stream.data_type, after inflate(): zlib.h. */
enum { BITS_LEFT = 7, BETWEEN_BLOCKS = 128 };

void vt_inflater_finish(vt_inflater *inflater)
{
    if (inflater == NULL)
        return;
    vt_zlib_end_inflater(inflater->own);
    inflater->own = NULL;
    inflater->now = NULL;
}

bool vt_inflater_begin(vt_inflater *inflater, bool at_once)
{
    /* Old versions of zlib take 9 when they have agreed to 8. */
    int bits = inflater->bits < VT_ZLIB_BITS_LEAST ? VT_ZLIB_BITS_LEAST : inflater->bits;
    inflater->empty = true;
    if (at_once && !inflater->keeps) {
        inflater->now = vt_compressor_inflater(inflater->shared, bits);
        inflater->final = false;
    } else {
        if (inflater->own == NULL) {
            inflater->own = vt_zlib_inflater(bits);
            inflater->final = false;
        }
        inflater->now = inflater->own;
    }
    if (inflater->now == NULL)
        return false;
    ((z_stream *)inflater->now)->avail_out = 1; /* no room was full yet */
    return true;
}

void vt_inflater_end(vt_inflater *inflater)
{
    inflater->now = NULL;
    if (!inflater->keeps)
        vt_inflater_finish(inflater);
}

/* As much as is possible of the input. */
static vt_inflated feed(vt_inflater *inflater, vt_inflate_step *step)
{
    z_stream *zlib = inflater->now;
    /* When the room was full there may be more to come, without further input. */
    while (step->in_size > 0 || (zlib->avail_out == 0 && !inflater->final)) {
        size_t size = step->in_size < STEP_BYTES ? step->in_size : STEP_BYTES;
        size_t room = step->room < STEP_BYTES ? step->room : STEP_BYTES;
        if (room == 0)
            return VT_INFLATED_FULL;
        if (inflater->final)
            inflateReset(zlib);
        inflater->final = false;
        zlib->next_in = (uint8_t *)step->in; /* zlib's declaration knows no const */
        zlib->avail_in = (unsigned)size;
        zlib->next_out = step->out;
        zlib->avail_out = (unsigned)room;
        int result = inflate(zlib, Z_SYNC_FLUSH);
        step->in += size - zlib->avail_in;
        step->in_size -= size - zlib->avail_in;
        step->out += room - zlib->avail_out;
        step->room -= room - zlib->avail_out;
        if (result == Z_MEM_ERROR)
            return VT_INFLATED_NO_MEMORY;
        if (result == Z_STREAM_END)
            inflater->final = true;
        else if (result != Z_OK && result != Z_BUF_ERROR)
            return VT_INFLATED_BAD;
    }
    return VT_INFLATED_IN;
}

/* The tail of a whole message is the length of an empty block and nothing else:
 * if it gives bytes, or leaves a block open, it was taken for something else. */
static vt_inflated feed_tail(vt_inflater *inflater)
{
    const z_stream *zlib = inflater->now;
    uint8_t nothing;
    vt_inflate_step step = {.in = TAIL, .in_size = sizeof TAIL, .out = &nothing, .room = 1};
    vt_inflated result = feed(inflater, &step);
    bool between = inflater->final ||
                   (zlib->data_type & (BETWEEN_BLOCKS | BITS_LEFT)) == BETWEEN_BLOCKS;
    if (result == VT_INFLATED_FULL || (result == VT_INFLATED_IN && (step.room == 0 || !between)))
        return VT_INFLATED_CUT;
    return result == VT_INFLATED_IN ? VT_INFLATED_DONE : result;
}

vt_inflated vt_inflate(vt_inflater *inflater, vt_inflate_step *step)
{
    assert(inflater->now != NULL);
    if (step->in_size > 0)
        inflater->empty = false;
    vt_inflated result = feed(inflater, step);
    if (result != VT_INFLATED_IN || !step->last)
        return result;
    return inflater->empty || inflater->final ? VT_INFLATED_DONE : feed_tail(inflater);
}
