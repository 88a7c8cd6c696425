/*
 * What both halves of the opening handshake (RFC 6455 4) stand on: the key and
 * its answer, and what a caller may set. request.h and response.h are the halves.
 */
#ifndef VT_WEBSOCKET_HANDSHAKE_H
#define VT_WEBSOCKET_HANDSHAKE_H

#include <stdint.h>

enum {
    VT_KEY_TEXT_BYTES = 24,    /* base64 of 16 bytes */
    VT_ACCEPT_TEXT_BYTES = 28, /* base64 of a SHA-1 */
};

/* A fresh Sec-WebSocket-Key from 16 random bytes, and the answer to it. */
void vt_handshake_key(char out[VT_KEY_TEXT_BYTES + 1], const uint8_t nonce[16]);
void vt_handshake_accept(char out[VT_ACCEPT_TEXT_BYTES + 1], const char *key);

/* "Name: value" with a token for a name, no control characters, and none of
 * the headers that the handshake itself writes. NULL, or a static sentence. */
const char *vt_header_problem(const char *line);
/* A subprotocol name is a token (RFC 6455 4.1). NULL, or a static sentence. */
const char *vt_subprotocol_problem(const char *name);

#endif
