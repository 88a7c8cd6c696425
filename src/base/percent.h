/*
 * Percent-encoding (RFC 3986 2.1), taken off.
 */
#ifndef VT_BASE_PERCENT_H
#define VT_BASE_PERCENT_H

#include <stdbool.h>
#include <stddef.h>

/* Decodes into `out`, with a NUL at its end. False if it does not fit, if a '%'
 * is not followed by two hexadecimal digits, or if a NUL comes out. `form`: a
 * plus is a space, as browsers write a query. */
bool vt_percent_decode(char *out, size_t room, const char *text, size_t size, bool form);

#endif
