/*
 * SHA-1 and base64 for the opening handshake (RFC 6455 1.3), from libcrypto.
 */
#ifndef VT_BASE_DIGEST_H
#define VT_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { VT_SHA1_BYTES = 20 };

void vt_sha1(uint8_t out[VT_SHA1_BYTES], const void *data, size_t size);

/* The size of the text for so many bytes, its final NUL included. */
#define VT_BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4 + 1)

/* Writes VT_BASE64_SIZE(size) characters, padded, with a final NUL. */
void vt_base64(char *out, const void *data, size_t size);

#endif
