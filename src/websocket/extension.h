/*
 * Sec-WebSocket-Extensions (RFC 6455 9.1), and the one extension that is spoken
 * here: permessage-deflate (RFC 7692 7.1). Offers and answers, both roles; what
 * was agreed is done by deflate.h and inflate.h.
 *
 *   client:  vt_extensions_offer()  -->  the request   -->  vt_extensions_choose()  :server
 *   client:  vt_extensions_check()  <--  the response  <--  vt_extensions_answer()  :server
 */
#ifndef VT_WEBSOCKET_EXTENSION_H
#define VT_WEBSOCKET_EXTENSION_H

#include <stdbool.h>
#include <stdint.h>

#include <vital/vital.h>

#include "head.h"

enum {
    VT_EXTENSIONS_TEXT_BYTES = 160,
    VT_WINDOW_BITS_LEAST = 8, /* RFC 7692 7.1.2 */
    VT_WINDOW_BITS_MOST = 15,
};

/* What both sides have agreed on. All zero: no compression. */
typedef struct vt_deflate_terms {
    bool agreed;
    bool server_keeps; /* the server may refer to its earlier messages */
    bool client_keeps;
    bool server_bits_asked; /* the offer named them, so the answer must */
    uint8_t server_bits;    /* the window that the server compresses with, 8 to 15 */
    uint8_t client_bits;
} vt_deflate_terms;

/* Each takes options that vital_policy_init() has completed. */

/* The value of the request's header; "" if nothing is offered. */
void vt_extensions_offer(char out[VT_EXTENSIONS_TEXT_BYTES], const vital_compression *ours);

/* Takes the first offer that can be met; all others, and what nobody knows, are
 * declined by not being answered. NULL, or what makes the header no list of
 * extensions at all: a static sentence, to refuse the request with. */
const char *vt_extensions_choose(vt_deflate_terms *out, const vt_headers *request,
                                 const vital_compression *ours);

/* The value of the response's header; "" if nothing was agreed. */
void vt_extensions_answer(char out[VT_EXTENSIONS_TEXT_BYTES], const vt_deflate_terms *terms);

/* NULL, or why the connection must fail: the answer is none to our offer. A
 * static sentence. The client's window may come out as 8, with which zlib cannot
 * compress: deflate.h then leaves messages as they are, which is always legal. */
const char *vt_extensions_check(vt_deflate_terms *out, const vt_headers *response,
                                const vital_compression *ours);

#endif
