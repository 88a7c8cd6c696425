/*
 * Messages and control frames in, bytes out (RFC 6455 5.4, 5.5).
 *
 *   vt_outbox_message()  -->  queue of messages --+
 *                                                 |  frame by frame, at most
 *   vt_outbox_ping()     -->  a beat, a user's ---+->  a fragment at a time  -->  wire
 *   vt_outbox_pong()     -->  one, the latest ----+
 *   vt_outbox_beat()     -->  one text beat ------+
 *   vt_outbox_answer()   -->  one text answer ----+
 *   vt_outbox_close()    -->  the close frame ----+
 *
 * Control frames go first, between the fragments of a large message, so that a
 * beat waits for at most VT_FRAGMENT_BYTES. A message is framed only when the
 * stream takes it, and kept until its last byte has left: what the peer cannot
 * have seen whole is still here when the socket is lost.
 *
 * With nothing to send, the outbox owns no memory (but for the note that a close
 * frame has left, which lasts until the rewind).
 */
#ifndef VT_WEBSOCKET_OUTBOX_H
#define VT_WEBSOCKET_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vital/engine.h>

#include "deflate.h"

enum { VT_FRAGMENT_BYTES = 16 * 1024 };

struct vt_outgoing; /* a queued message */
struct vt_wire;     /* framed bytes and waiting control frames */

typedef struct vt_outbox {
    struct vt_outgoing *first; /* owned list: first is the oldest not yet written */
    struct vt_outgoing *last;
    struct vt_outgoing *framing; /* the next to be framed, or in the middle of it */
    struct vt_wire *wire;        /* owned; NULL when idle */
    struct vt_outgoing *open;    /* the last piece, if queued, of what is unfinished */
    bool unfinished;             /* a message has been begun in pieces */
    bool within;                 /* on the wire, a message has begun and not ended */
    bool compressing;            /* that one */
    vt_deflater *deflater;       /* borrowed; NULL: compression is not agreed on */
    size_t queued_bytes;         /* payload accepted and not wholly written */
    size_t queued_count;         /* messages, and pieces, likewise */
    uint64_t accepted;           /* messages, since the beginning of time */
    uint64_t written;            /* messages wholly written, likewise */
} vt_outbox;

void vt_outbox_init(vt_outbox *outbox);
void vt_outbox_finish(vt_outbox *outbox); /* accepts NULL and zeroed */

/* From here on messages are compressed where that makes them smaller, as they are
 * framed: the queue keeps them as they are, for a socket that may agree on
 * something else. Borrows; NULL ends it. */
void vt_outbox_deflate_with(vt_outbox *outbox, vt_deflater *deflater);

/* Copies. 0 or VITAL_ENOMEM, with nothing half done. The limit is the caller's. */
int vt_outbox_message(vt_outbox *outbox, vital_kind kind, vital_bytes message);

/* The same of a message in pieces: `place` is VITAL_FIRST, VITAL_LAST, both, or 0
 * between. The first if none is unfinished, the others if one is. */
int vt_outbox_piece(vt_outbox *outbox, vital_kind kind, vital_bytes piece, unsigned place);
/* Whether the wire waits for the next piece, and whatever is no control frame with it. */
bool vt_outbox_awaits_piece(const vt_outbox *outbox);
/* The socket is gone: a message of which pieces are gone too can go nowhere any
 * more. It counts as written, and is no longer unfinished. */
void vt_outbox_tear(vt_outbox *outbox);

/* At most 125 bytes. A pong replaces one that has not been framed (RFC 6455
 * 5.5.3 wants only the latest), and so does the heartbeat's ping (`beat`). A
 * user's ping waits beside it; VITAL_EFULL while one does. 0 or VITAL_ENOMEM. */
int vt_outbox_ping(vt_outbox *outbox, vital_bytes payload, bool beat);
int vt_outbox_pong(vt_outbox *outbox, vital_bytes payload);

/* A text message ahead of the queue: the in-band beat and its answer. It waits
 * for the end of a message that is already half framed, since messages do not
 * nest. Copies. One beat waits at most; answers are counted, and every beat of
 * the peer gets its own. 0 or VITAL_ENOMEM. */
int vt_outbox_beat(vt_outbox *outbox, vital_bytes text);
int vt_outbox_answer(vt_outbox *outbox, vital_bytes text);

/* The last frame that will be framed; what is asked for later is taken and
 * forgotten, but messages are kept. After the queue, or, `now`, at the next frame
 * boundary, be it in the middle of a message. Code 1005 is a frame without code
 * and reason; a reason has at most 123 bytes. Called again before it is framed,
 * the newer code counts, and `now` stays. 0 or VITAL_ENOMEM. */
int vt_outbox_close(vt_outbox *outbox, uint16_t code, vital_bytes reason, bool now);
bool vt_outbox_close_framed(const vt_outbox *outbox);
bool vt_outbox_close_written(const vt_outbox *outbox);

/* Handshake bytes: before any frame, in the order given, and in pieces like a
 * message, so that one sees them leave. 0 or VITAL_ENOMEM. */
int vt_outbox_raw(vt_outbox *outbox, vital_bytes bytes);

typedef struct vt_outbox_frames {
    bool open;                 /* frames may leave; before, only raw bytes */
    bool hold_messages;        /* frame no new message, only control frames and beats */
    const vital_entropy *mask; /* for a mask each frame (client); NULL: unmasked */
} vt_outbox_frames;

/* The framed bytes that have not left, framing more if the wire is empty. They
 * stay in place until written. NULL data with size SIZE_MAX: no memory. */
vital_bytes vt_outbox_pending(vt_outbox *outbox, const vt_outbox_frames *frames);

/* What happened to beats and pings among the written bytes. */
typedef struct vt_outbox_left {
    bool beat;         /* the heartbeat's ping or text beat has wholly left */
    uint64_t confirms; /* messages wholly written before it: what its answer proves */
} vt_outbox_left;
vt_outbox_left vt_outbox_written(vt_outbox *outbox, size_t size);

/* Whether framed bytes have been given out and not all have left, or raw ones wait. */
bool vt_outbox_in_flight(const vt_outbox *outbox);

/* Whether framed bytes wait, or anything that pending() would frame. */
bool vt_outbox_empty(const vt_outbox *outbox);

/* The socket is gone: forget the wire and every control frame, and begin the
 * messages that have not wholly left again from their first byte. */
void vt_outbox_rewind(vt_outbox *outbox);
/* Forget the messages too. */
void vt_outbox_clear(vt_outbox *outbox);

#endif
