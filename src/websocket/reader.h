/*
 * Bytes in, messages and control frames out (RFC 6455 5.4 to 5.6, 7, 8.1).
 *
 * What arrives whole in the lent bytes is handed on where it lies, unmasked in
 * place; only what is cut off by the end of the bytes is copied, and what was
 * compressed is inflated, up to the limit. A reader between messages owns nothing
 * but a pointer.
 */
#ifndef VT_WEBSOCKET_READER_H
#define VT_WEBSOCKET_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inflate.h"

/* Borrowed by the reader for its life. */
typedef struct vt_reader_rules {
    bool expect_masked;   /* we are the server (RFC 6455 5.1) */
    size_t message_bytes; /* the largest message, inflated */
    bool pieces;          /* large messages are handed on as they come */
} vt_reader_rules;

/* What is no larger is handed on whole in any case, as a beat must be. */
enum { VT_WHOLE_BYTES = 125 };

typedef enum vt_item_type {
    VT_ITEM_NONE,   /* all input is used up */
    VT_ITEM_TEXT,   /* a message, valid UTF-8 (so far) */
    VT_ITEM_BINARY, /* a message */
    VT_ITEM_PING,
    VT_ITEM_PONG,
    VT_ITEM_CLOSE,     /* code is 1005 without a payload; data is the reason */
    VT_ITEM_VIOLATION, /* fail the connection with `code`; `why` says what was wrong */
} vt_item_type;

typedef struct vt_item {
    vt_item_type type;
    uint16_t code;       /* CLOSE and VIOLATION */
    const char *why;     /* VIOLATION: a static sentence with its RFC section */
    bool first, last;    /* TEXT and BINARY: of its message; both, if it is whole */
    const uint8_t *data; /* until the next call */
    size_t size;
} vt_item;

/* The unread rest of the lent bytes. */
typedef struct vt_input {
    uint8_t *data;
    size_t size;
} vt_input;

struct vt_assembly; /* what a reader keeps in the middle of something */

typedef struct vt_reader {
    const vt_reader_rules *rules;
    struct vt_assembly *assembly; /* owned; NULL between messages */
    vt_inflater *inflater;        /* borrowed; NULL: compression is not agreed on */
} vt_reader;

void vt_reader_init(vt_reader *reader, const vt_reader_rules *rules);
void vt_reader_finish(vt_reader *reader); /* accepts NULL and zeroed */

/* Compression has been agreed on: messages may come deflated (RFC 7692). Borrows. */
void vt_reader_inflate_with(vt_reader *reader, vt_inflater *inflater);

/* Takes from the front of *input what the next item needs. After VIOLATION and
 * CLOSE the rest of the stream means nothing: do not call again. */
vt_item vt_reader_next(vt_reader *reader, vt_input *input);

/* The last item is no longer needed, and no next one is asked for: between
 * messages the reader then owns nothing. */
void vt_reader_release(vt_reader *reader);

#endif
