/*
 * Masking (RFC 6455 5.3), which is its own inverse.
 */
#ifndef VT_WEBSOCKET_MASK_H
#define VT_WEBSOCKET_MASK_H

#include <stddef.h>
#include <stdint.h>

/* `offset` is the place of data[0] in the frame's payload, so a frame may be
 * unmasked in pieces. */
void vt_mask(uint8_t *data, size_t size, const uint8_t key[4], uint64_t offset);

/* The same from one place to another, which may not overlap. */
void vt_mask_copy(uint8_t *out, const uint8_t *data, size_t size, const uint8_t key[4],
                  uint64_t offset);

#endif
