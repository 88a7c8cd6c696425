/*
 * The inside of an outbox's queue, shared by outbox_queue.c, which keeps it, and
 * outbox.c, which frames it, and by nobody else.
 */
#ifndef VT_WEBSOCKET_OUTBOX_STATE_H
#define VT_WEBSOCKET_OUTBOX_STATE_H

#include "outbox.h"

/* A message, or a piece of one. */
struct vt_outgoing {
    struct vt_outgoing *next;
    size_t size;
    size_t framed; /* of the payload */
    size_t end;    /* on the wire, once it is wholly framed */
    vital_kind kind;
    bool first; /* of its message; */
    bool last;  /* a whole one is both */
    uint8_t payload[];
};

/* With it a message begins on the wire. */
static inline bool vt_outgoing_begins(const struct vt_outgoing *piece)
{
    return piece->first && piece->framed == 0;
}

/* What is to be framed next; NULL: nothing is there, or it would begin a message
 * inside of one that waits for its next piece. */
static inline struct vt_outgoing *vt_outbox_next(const vt_outbox *outbox)
{
    struct vt_outgoing *next = outbox->framing;
    return next != NULL && outbox->within && vt_outgoing_begins(next) ? NULL : next;
}

/* Frees the pieces that end no later than that place on the wire, and counts the
 * messages that have ended with them. */
void vt_outbox_drop(vt_outbox *outbox, size_t end);
/* All begin again from their first byte, on another wire. */
void vt_outbox_requeue(vt_outbox *outbox);
void vt_outbox_forget_queue(vt_outbox *outbox);

#endif
