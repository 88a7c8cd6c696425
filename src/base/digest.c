/*
 * Thin on purpose: libcrypto does the work, and this is the only place that
 * knows how it is asked.
 */
#include "digest.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include <openssl/evp.h>

void vt_sha1(uint8_t out[VT_SHA1_BYTES], const void *data, size_t size)
{
    unsigned int length = 0;
    /* It can fail only for want of memory. Zeros answer nobody's key, so the
     * handshake fails and not the program. */
    if (EVP_Digest(data, size, out, &length, EVP_sha1(), NULL) != 1 || length != VT_SHA1_BYTES)
        memset(out, 0, VT_SHA1_BYTES);
}

void vt_base64(char *out, const void *data, size_t size)
{
    assert(size <= INT_MAX / 2);
    EVP_EncodeBlock((unsigned char *)out, data, (int)size);
}
