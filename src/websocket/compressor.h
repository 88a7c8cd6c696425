/*
 * The memory of zlib that connections can share, since it holds nothing from one
 * call to the next: a compressor for each size of window that is in use, one
 * decompressor, and room for what they give. Created by vital_compressor_create().
 *
 * zlib's own memory is hidden behind a void pointer: only this layer needs zlib.
 */
#ifndef VT_WEBSOCKET_COMPRESSOR_H
#define VT_WEBSOCKET_COMPRESSOR_H

#include <stddef.h>
#include <stdint.h>

#include <vital/engine.h>

#include <zlib.h>

/* zlib's raw deflate takes no window of 8 bits, and calls 9 what older versions
 * were asked to do with 8. */
enum { VT_ZLIB_BITS_LEAST = 9 };

/* What zlib may make of so many bytes, with a flush at the end: its own bound
 * for any window, and the flush. */
#define VT_DEFLATE_BOUND(size) ((size) + ((size) >> 3) + ((size) >> 6) + 64)

/* Heap objects; NULL without memory. Raw deflate (RFC 1951), 9 to 15 bits. */
z_stream *vt_zlib_deflater(int bits);
z_stream *vt_zlib_inflater(int bits);
void vt_zlib_end_deflater(z_stream *deflater); /* each accepts NULL */
void vt_zlib_end_inflater(z_stream *inflater);

/* Shared ones, reset, until the next call. NULL without memory. */
z_stream *vt_compressor_deflater(vital_compressor *compressor, int bits);
z_stream *vt_compressor_inflater(vital_compressor *compressor, int bits);
uint8_t *vt_compressor_room(vital_compressor *compressor, size_t size);

#endif
