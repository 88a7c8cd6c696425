/*
 * Each piece ends with a flush to a byte boundary, which is an empty block,
 * 00 | 00 00 FF FF. Behind the last piece its four bytes are left out (RFC 7692
 * 7.2.1). So a shared compressor can be reset before each piece: blocks that were
 * made one by one are one stream when they are put together. The message in front
 * of the piece goes in as a dictionary, so that resetting costs no compression.
 */
#include "deflate.h"

#include <assert.h>

#include "compressor.h"

enum { TAIL_BYTES = 4 };

static const vital_bytes no_memory = {NULL, 0};

void vt_deflater_finish(vt_deflater *deflater)
{
    if (deflater == NULL)
        return;
    vt_zlib_end_deflater(deflater->own);
    deflater->own = NULL;
}

bool vt_deflater_wants(const vt_deflater *deflater, size_t message_bytes)
{
    return deflater->bits >= VT_ZLIB_BITS_LEAST && message_bytes >= deflater->least_bytes &&
           message_bytes > 0;
}

static z_stream *pick(vt_deflater *deflater, const uint8_t *piece, size_t before)
{
    if (deflater->keeps) {
        if (deflater->own == NULL)
            deflater->own = vt_zlib_deflater(deflater->bits);
        return deflater->own;
    }
    z_stream *shared = vt_compressor_deflater(deflater->shared, deflater->bits);
    if (shared != NULL && before > 0) {
        const size_t window = (size_t)1 << deflater->bits;
        size_t known = before < window ? before : window;
        deflateSetDictionary(shared, piece - known, (unsigned)known);
    }
    return shared;
}

vital_bytes vt_deflate(vt_deflater *deflater, const uint8_t *piece, size_t size, size_t before,
                       bool last)
{
    const size_t most = VT_DEFLATE_BOUND(size);
    assert(size > 0 && most <= UINT32_MAX);
    uint8_t *room = vt_compressor_room(deflater->shared, most);
    z_stream *zlib = room != NULL ? pick(deflater, piece, before) : NULL;
    if (zlib == NULL)
        return no_memory;
    zlib->next_in = (uint8_t *)piece; /* zlib's declaration knows no const */
    zlib->avail_in = (unsigned)size;
    zlib->next_out = room;
    zlib->avail_out = (unsigned)most;
    deflate(zlib, Z_SYNC_FLUSH);
    size_t given = most - zlib->avail_out;
    assert(zlib->avail_in == 0 && zlib->avail_out > 0 && given > TAIL_BYTES);
    return (vital_bytes){room, last ? given - TAIL_BYTES : given};
}

void vt_deflater_forget(vt_deflater *deflater)
{
    if (deflater->own != NULL)
        deflateReset(deflater->own);
}
