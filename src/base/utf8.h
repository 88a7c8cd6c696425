/*
 * Streaming UTF-8 validation (RFC 3629, Unicode 15 table 3-7).
 *
 * The text may come in any pieces. The state is one byte, and the first byte
 * that cannot be part of valid text is an error at once, even in the middle of
 * a character: RFC 6455 8.1 lets the connection fail before the frame is
 * complete.
 */
#ifndef VT_BASE_UTF8_H
#define VT_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero is "between characters": a fresh state, and the only good last one. */
typedef struct vt_utf8 {
    uint8_t state;
} vt_utf8;

/* False at the first bad byte; the state is then of no further use. */
bool vt_utf8_feed(vt_utf8 *utf8, const uint8_t *data, size_t size);

/* Whether the text may end here. */
static inline bool vt_utf8_complete(const vt_utf8 *utf8)
{
    return utf8->state == 0;
}

/* A whole text at once. */
bool vt_utf8_valid(const void *data, size_t size);

#endif
