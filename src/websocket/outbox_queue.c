/*
 * The queue of messages that are to go. A message that is given in pieces stays
 * in its place: its next piece goes behind its last one, before whatever was
 * given meanwhile, since messages do not nest. Pieces that have left are freed,
 * which is what pieces are for; so such a message cannot begin again on another
 * socket, and is torn.
 */
#include "outbox_state.h"

#include <stdlib.h>
#include <string.h>

static struct vt_outgoing *make(vital_kind kind, vital_bytes bytes)
{
    if (bytes.size > SIZE_MAX - sizeof(struct vt_outgoing))
        return NULL;
    struct vt_outgoing *piece = malloc(sizeof *piece + bytes.size);
    if (piece == NULL)
        return NULL;
    *piece = (struct vt_outgoing){.size = bytes.size, .kind = kind};
    if (bytes.size > 0)
        memcpy(piece->payload, bytes.data, bytes.size);
    return piece;
}

/* Behind `before`, which is queued; NULL: at the front. */
static void insert(vt_outbox *outbox, struct vt_outgoing *before, struct vt_outgoing *piece)
{
    struct vt_outgoing **link = before != NULL ? &before->next : &outbox->first;
    piece->next = *link;
    *link = piece;
    if (piece->next == NULL)
        outbox->last = piece;
    if (outbox->framing == piece->next) /* all before that is framed */
        outbox->framing = piece;
    outbox->queued_bytes += piece->size;
    outbox->queued_count++;
}

int vt_outbox_message(vt_outbox *outbox, vital_kind kind, vital_bytes message)
{
    struct vt_outgoing *whole = make(kind, message);
    if (whole == NULL)
        return VITAL_ENOMEM;
    whole->first = whole->last = true;
    insert(outbox, outbox->last, whole);
    outbox->accepted++;
    return 0;
}

int vt_outbox_piece(vt_outbox *outbox, vital_kind kind, vital_bytes bytes, unsigned place)
{
    const bool first = (place & VITAL_FIRST) != 0;
    const bool last = (place & VITAL_LAST) != 0;
    struct vt_outgoing *piece = make(kind, bytes);
    if (piece == NULL)
        return VITAL_ENOMEM;
    piece->first = first;
    piece->last = last;
    /* If all its pieces so far have left, nothing that stands in the queue has
     * begun: it had to wait. */
    insert(outbox, first ? outbox->last : outbox->open, piece);
    outbox->unfinished = !last;
    outbox->open = last ? NULL : piece;
    outbox->accepted += first;
    return 0;
}

bool vt_outbox_awaits_piece(const vt_outbox *outbox)
{
    return outbox->within && vt_outbox_next(outbox) == NULL;
}

static struct vt_outgoing *take_first(vt_outbox *outbox)
{
    struct vt_outgoing *piece = outbox->first;
    outbox->first = piece->next;
    if (outbox->first == NULL)
        outbox->last = NULL;
    if (outbox->open == piece)
        outbox->open = NULL;
    outbox->queued_bytes -= piece->size;
    outbox->queued_count--;
    return piece;
}

void vt_outbox_drop(vt_outbox *outbox, size_t end)
{
    while (outbox->first != outbox->framing && outbox->first->end <= end) {
        struct vt_outgoing *piece = take_first(outbox);
        outbox->written += piece->last;
        free(piece);
    }
}

void vt_outbox_tear(vt_outbox *outbox)
{
    bool ended = false;
    bool torn = outbox->first != NULL && !outbox->first->first;
    bool lost = outbox->unfinished && outbox->open == NULL; /* all that it had has left */
    if (!torn && !lost)
        return;
    while (torn && !ended && outbox->first != NULL && !outbox->first->first) {
        struct vt_outgoing *piece = take_first(outbox);
        ended = piece->last;
        free(piece);
    }
    outbox->framing = outbox->first;
    outbox->written++; /* some of it has left: it is not proven, and not kept */
    if (!ended) {
        outbox->unfinished = false;
        outbox->open = NULL;
    }
}

void vt_outbox_requeue(vt_outbox *outbox)
{
    /* Beyond the one that is being framed nothing has begun. */
    const struct vt_outgoing *last = outbox->framing;
    for (struct vt_outgoing *piece = outbox->first; piece != NULL; piece = piece->next) {
        piece->framed = 0;
        if (piece == last)
            break;
    }
    outbox->framing = outbox->first;
    outbox->within = false;
}

void vt_outbox_forget_queue(vt_outbox *outbox)
{
    while (outbox->first != NULL)
        free(take_first(outbox));
    outbox->framing = NULL;
    outbox->within = false;
    outbox->unfinished = false;
}
