/*
 * What is shared is made when it is first needed, and then kept: a compressor
 * costs 260 KiB and takes longer to set up than a small message to compress.
 */
#include "compressor.h"

#include <stdlib.h>

enum {
    BITS_MOST = 15,
    /* zlib's usual compromise. Level 9 of memory gains nothing on small messages. */
    MEMORY_LEVEL = 8,
};

struct vital_compressor {
    z_stream *deflaters[BITS_MOST + 1]; /* owned, by their window's bits */
    z_stream *inflater;                 /* owned */
    uint8_t *room;                      /* owned */
    size_t room_bytes;
};

/* ----------------------------------------------------------------------- zlib */

static void *allocate(void *unused, unsigned count, unsigned size)
{
    (void)unused;
    return calloc(count, size);
}

static void release(void *unused, void *block)
{
    (void)unused;
    free(block);
}

static z_stream *new_stream(void)
{
    z_stream *stream = calloc(1, sizeof *stream);
    if (stream != NULL) {
        stream->zalloc = allocate;
        stream->zfree = release;
    }
    return stream;
}

z_stream *vt_zlib_deflater(int bits)
{
    z_stream *stream = new_stream();
    if (stream == NULL || deflateInit2(stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -bits,
                                       MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK)
        return stream;
    free(stream);
    return NULL;
}

z_stream *vt_zlib_inflater(int bits)
{
    z_stream *stream = new_stream();
    if (stream == NULL || inflateInit2(stream, -bits) == Z_OK)
        return stream;
    free(stream);
    return NULL;
}

void vt_zlib_end_deflater(z_stream *deflater)
{
    if (deflater != NULL)
        deflateEnd(deflater);
    free(deflater);
}

void vt_zlib_end_inflater(z_stream *inflater)
{
    if (inflater != NULL)
        inflateEnd(inflater);
    free(inflater);
}

/* --------------------------------------------------------------------- shared */

int vital_compressor_create(vital_compressor **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? 0 : VITAL_ENOMEM;
}

void vital_compressor_destroy(vital_compressor *compressor)
{
    if (compressor == NULL)
        return;
    for (int bits = 0; bits <= BITS_MOST; bits++)
        vt_zlib_end_deflater(compressor->deflaters[bits]);
    vt_zlib_end_inflater(compressor->inflater);
    free(compressor->room);
    free(compressor);
}

z_stream *vt_compressor_deflater(vital_compressor *compressor, int bits)
{
    z_stream **deflater = &compressor->deflaters[bits];
    if (*deflater == NULL)
        *deflater = vt_zlib_deflater(bits);
    else
        deflateReset(*deflater);
    return *deflater;
}

z_stream *vt_compressor_inflater(vital_compressor *compressor, int bits)
{
    z_stream **inflater = &compressor->inflater;
    if (*inflater == NULL)
        *inflater = vt_zlib_inflater(bits);
    else
        inflateReset2(*inflater, -bits);
    return *inflater;
}

uint8_t *vt_compressor_room(vital_compressor *compressor, size_t size)
{
    if (compressor->room_bytes < size) {
        uint8_t *room = realloc(compressor->room, size);
        if (room == NULL)
            return NULL;
        compressor->room = room;
        compressor->room_bytes = size;
    }
    return compressor->room;
}
