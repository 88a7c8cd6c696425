/*
 * The outbox is a queue of messages, six places for one waiting frame each, and
 * the wire: one buffer of bytes that are framed and have not left. All choosing
 * happens at a single moment, when the wire is empty and the stream asks for
 * more: whatever came late (a beat, a pong) is then still in time to go first,
 * and never waits for more than the one fragment that is already on the wire.
 * The address of the wire's bytes is lent to the stream, so nothing is added to
 * a wire that is not empty.
 *
 * Each message remembers the place on the wire at which it ends. When bytes have
 * left, the messages that end among them are freed and counted; all others are
 * whole and can be framed again, from their first byte, on another socket. The
 * places begin anew with each filling, which is enough: when the wire is empty,
 * every message that was wholly framed is gone.
 *
 * The queue itself is kept by outbox_queue.c.
 *
 * A message is compressed fragment by fragment, on its way to the wire. Its first
 * fragment decides: if that does not become smaller, the message goes as it is.
 */
#include "outbox_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "close_code.h"
#include "compressor.h"
#include "frame.h"
#include "mask.h"

/* vt_frame.rsv: this message is compressed (RFC 7692 6). */
enum { COMPRESSED = 4 };

/* A beat and its mask need 16 bytes, so this is for several small messages. */
enum { WIRE_MIN_BYTES = 256 };

/* What a fragment can come to when it is compressed, and does not want to be. */
enum { FRAGMENT_BOUND = VT_DEFLATE_BOUND(VT_FRAGMENT_BYTES) };

/* In a vital_kind. */
enum { UNCOMPRESSED = VITAL_TEXT_UNCOMPRESSED & VITAL_BINARY_UNCOMPRESSED };

struct waiting {
    size_t size;
    uint8_t payload[];
};

/* The places for waiting frames, in the order in which they are framed. */
enum place { RAW, PONG, ANSWER, BEAT_PING, USER_PING, BEAT, CLOSE, PLACES };

static const struct {
    vt_opcode opcode;
    bool beat;
} frames_of[PLACES] = {
    [PONG] = {VT_OP_PONG, false},     [ANSWER] = {VT_OP_TEXT, false},
    [BEAT_PING] = {VT_OP_PING, true}, [USER_PING] = {VT_OP_PING, false},
    [BEAT] = {VT_OP_TEXT, true},      [CLOSE] = {VT_OP_CLOSE, false},
};

struct vt_wire {
    uint8_t *bytes; /* owned */
    size_t capacity;
    size_t size;
    size_t sent;        /* of size */
    size_t raw_taken;   /* of the waiting raw bytes: they have been on the wire */
    size_t beat_end;    /* where the beat among the bytes ends; 0: none is there */
    size_t answers;     /* how often the waiting answer is owed */
    size_t answers_now; /* of those, what this filling has room for */
    bool close_now;
    bool close_framed;
    struct waiting *places[PLACES]; /* owned */
};

void vt_outbox_init(vt_outbox *outbox)
{
    memset(outbox, 0, sizeof *outbox);
}

void vt_outbox_finish(vt_outbox *outbox)
{
    if (outbox != NULL)
        vt_outbox_clear(outbox);
}

void vt_outbox_deflate_with(vt_outbox *outbox, vt_deflater *deflater)
{
    outbox->deflater = deflater;
}

/* -------------------------------------------------------------- what is to go */

static struct vt_wire *wire_of(vt_outbox *outbox)
{
    if (outbox->wire == NULL)
        outbox->wire = calloc(1, sizeof *outbox->wire);
    return outbox->wire;
}

/* Puts `head` and `tail` together into a place, instead of what waits there. */
static int put(vt_outbox *outbox, enum place place, vital_bytes head, vital_bytes tail)
{
    if (vt_outbox_close_framed(outbox))
        return 0;
    if (head.size > SIZE_MAX - sizeof(struct waiting) ||
        tail.size > SIZE_MAX - sizeof(struct waiting) - head.size)
        return VITAL_ENOMEM;
    struct waiting *waiting = malloc(sizeof *waiting + head.size + tail.size);
    if (waiting == NULL)
        return VITAL_ENOMEM;
    struct vt_wire *wire = wire_of(outbox);
    if (wire == NULL) {
        free(waiting);
        return VITAL_ENOMEM;
    }
    waiting->size = head.size + tail.size;
    if (head.size > 0)
        memcpy(waiting->payload, head.data, head.size);
    if (tail.size > 0)
        memcpy(waiting->payload + head.size, tail.data, tail.size);
    free(wire->places[place]);
    wire->places[place] = waiting;
    return 0;
}

static const vital_bytes nothing = {NULL, 0};
static const vital_bytes no_memory = {NULL, SIZE_MAX};

int vt_outbox_ping(vt_outbox *outbox, vital_bytes payload, bool beat)
{
    assert(payload.size <= VT_CONTROL_PAYLOAD_MAX);
    if (!beat && outbox->wire != NULL && outbox->wire->places[USER_PING] != NULL)
        return VITAL_EFULL;
    return put(outbox, beat ? BEAT_PING : USER_PING, payload, nothing);
}

int vt_outbox_pong(vt_outbox *outbox, vital_bytes payload)
{
    assert(payload.size <= VT_CONTROL_PAYLOAD_MAX);
    return put(outbox, PONG, payload, nothing);
}

int vt_outbox_beat(vt_outbox *outbox, vital_bytes text)
{
    return put(outbox, BEAT, text, nothing);
}

int vt_outbox_answer(vt_outbox *outbox, vital_bytes text)
{
    if (vt_outbox_close_framed(outbox))
        return 0;
    int error = put(outbox, ANSWER, text, nothing);
    if (error == 0)
        outbox->wire->answers++;
    return error;
}

int vt_outbox_close(vt_outbox *outbox, uint16_t code, vital_bytes reason, bool now)
{
    const uint8_t number[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    const bool bare = code == VT_CLOSE_NO_STATUS;

    assert(reason.size <= VT_CONTROL_PAYLOAD_MAX - sizeof number);
    int error = put(outbox, CLOSE, bare ? nothing : (vital_bytes){number, sizeof number},
                    bare ? nothing : reason);
    if (error == 0)
        outbox->wire->close_now |= now;
    return error;
}

bool vt_outbox_close_framed(const vt_outbox *outbox)
{
    return outbox->wire != NULL && outbox->wire->close_framed;
}

bool vt_outbox_close_written(const vt_outbox *outbox)
{
    return vt_outbox_close_framed(outbox) && outbox->wire->sent == outbox->wire->size;
}

int vt_outbox_raw(vt_outbox *outbox, vital_bytes bytes)
{
    const struct waiting *before = outbox->wire != NULL ? outbox->wire->places[RAW] : NULL;

    if (before == NULL)
        return put(outbox, RAW, bytes, nothing);
    return put(outbox, RAW, (vital_bytes){before->payload, before->size}, bytes);
}

/* -------------------------------------------------------------------- framing */

/* A peer may ask much faster than it reads: its answers are a number, and a
 * filling takes a fragment's worth of them. */
static size_t answers_a_filling(const struct vt_wire *wire)
{
    if (wire->places[ANSWER] == NULL)
        return 0;
    size_t most = 1 + VT_FRAGMENT_BYTES / (VT_FRAME_HEADER_MAX + wire->places[ANSWER]->size);
    return wire->answers < most ? wire->answers : most;
}

/* How many of the waiting raw bytes one filling takes. */
static size_t raw_a_filling(const struct vt_wire *wire)
{
    size_t left = wire->places[RAW] != NULL ? wire->places[RAW]->size - wire->raw_taken : 0;
    return left < VT_FRAGMENT_BYTES ? left : VT_FRAGMENT_BYTES;
}

/* What the next fragment can come to. Only the first one of a compressed message
 * is known to have become smaller. */
static size_t fragment_bound(const vt_outbox *outbox, const struct vt_outgoing *message)
{
    size_t left = message->size - message->framed;
    if (left > VT_FRAGMENT_BYTES)
        left = VT_FRAGMENT_BYTES;
    return outbox->compressing && !vt_outgoing_begins(message) ? VT_DEFLATE_BOUND(left) : left;
}

/* The most that one filling of the wire can come to; 0 if nothing may leave. */
static size_t bytes_to_frame(const vt_outbox *outbox, const vt_outbox_frames *frames)
{
    const struct vt_wire *wire = outbox->wire;
    size_t bytes = wire != NULL ? raw_a_filling(wire) : 0;
    size_t data = 0;

    for (int place = PONG; wire != NULL && frames->open && place < PLACES; place++) {
        if (wire->places[place] == NULL)
            continue;
        size_t times = place == ANSWER ? answers_a_filling(wire) : 1;
        bytes += times * (VT_FRAME_HEADER_MAX + wire->places[place]->size);
    }
    if (!frames->open || (wire != NULL && (wire->close_framed || wire->close_now)))
        return bytes;

    bool within = outbox->within;
    const struct vt_outgoing *message = outbox->framing;
    while (message != NULL && data < VT_FRAGMENT_BYTES &&
           !(vt_outgoing_begins(message) && (within || frames->hold_messages))) {
        data += VT_FRAME_HEADER_MAX + fragment_bound(outbox, message);
        within = !message->last;
        message = message->next;
    }
    if (data > VT_FRAME_HEADER_MAX + FRAGMENT_BOUND)
        data = VT_FRAME_HEADER_MAX + FRAGMENT_BOUND;
    return bytes + data;
}

/* Makes an empty wire of at least so many bytes. */
static int make_room(vt_outbox *outbox, size_t bytes)
{
    struct vt_wire *wire = wire_of(outbox);

    if (wire == NULL)
        return VITAL_ENOMEM;
    wire->size = 0;
    wire->sent = 0;
    if (wire->capacity >= bytes)
        return 0;
    if (bytes < WIRE_MIN_BYTES)
        bytes = WIRE_MIN_BYTES;
    free(wire->bytes);
    wire->bytes = malloc(bytes);
    wire->capacity = wire->bytes != NULL ? bytes : 0;
    return wire->bytes != NULL ? 0 : VITAL_ENOMEM;
}

static void append_frame(struct vt_wire *wire, vt_frame frame, const uint8_t *payload,
                         const vital_entropy *mask)
{
    const size_t size = (size_t)frame.size;

    assert(wire->capacity - wire->size >= VT_FRAME_HEADER_MAX + size);
    if (mask != NULL) {
        frame.masked = true;
        mask->fill(mask->source, frame.key, sizeof frame.key);
    }
    wire->size += vt_frame_encode(wire->bytes + wire->size, &frame);
    if (mask != NULL)
        vt_mask_copy(wire->bytes + wire->size, payload, size, frame.key, 0);
    else
        memcpy(wire->bytes + wire->size, payload, size);
    wire->size += size;
}

/* One waiting frame, if it may go now; an answer as often as there is room. */
static void frame_place(vt_outbox *outbox, enum place place, const vital_entropy *mask)
{
    struct vt_wire *wire = outbox->wire;
    struct waiting *waiting = wire->places[place];
    const vt_opcode opcode = frames_of[place].opcode;

    if (waiting == NULL || (!vt_opcode_is_control(opcode) && outbox->within))
        return;
    const vt_frame frame = {.fin = true, .opcode = opcode, .size = waiting->size};
    if (place != ANSWER)
        append_frame(wire, frame, waiting->payload, mask);
    for (; place == ANSWER && wire->answers_now > 0; wire->answers_now--, wire->answers--)
        append_frame(wire, frame, waiting->payload, mask);
    if (place == ANSWER && wire->answers > 0)
        return; /* the rest with the next filling */
    if (frames_of[place].beat)
        wire->beat_end = wire->size;
    free(waiting);
    wire->places[place] = NULL;
}

/* Everything that goes before messages, as far as it may go now. */
static void frame_places(vt_outbox *outbox, const vital_entropy *mask)
{
    for (enum place place = PONG; place < CLOSE; place++)
        frame_place(outbox, place, mask);
}

static void frame_close(vt_outbox *outbox, const vital_entropy *mask)
{
    struct vt_wire *wire = outbox->wire;

    if (wire->places[CLOSE] == NULL)
        return;
    frame_place(outbox, CLOSE, mask);
    wire->close_framed = true;
    for (int place = RAW; place < PLACES; place++) {
        free(wire->places[place]);
        wire->places[place] = NULL;
    }
    wire->answers = 0;
}

static bool may_compress(const vt_outbox *outbox, const struct vt_outgoing *message)
{
    return outbox->deflater != NULL && (message->kind & UNCOMPRESSED) == 0 && message->size > 0 &&
           vt_deflater_wants(outbox->deflater, message->last ? message->size : SIZE_MAX);
}

/* The payload for the next `size` bytes of what is framed: those bytes, or what
 * they have become. NULL data: no memory. */
static vital_bytes next_payload(vt_outbox *outbox, size_t size)
{
    static const uint8_t empty_block[] = {0x00}; /* RFC 7692 7.2.3.6 */
    struct vt_outgoing *message = outbox->framing;
    const vital_bytes plain = {message->payload + message->framed, size};
    const bool first = vt_outgoing_begins(message);
    const bool last = message->last && message->framed + size == message->size;

    if (first)
        outbox->compressing = may_compress(outbox, message);
    if (!outbox->compressing)
        return plain;
    if (size == 0)
        return last ? (vital_bytes){empty_block, sizeof empty_block} : plain;
    vital_bytes packed = vt_deflate(outbox->deflater, plain.data, size, message->framed, last);
    if (packed.data == NULL || !first || packed.size < size)
        return packed;
    vt_deflater_forget(outbox->deflater);
    outbox->compressing = false;
    return plain;
}

/* The next `size` bytes of what is framed. False without memory. */
static bool frame_fragment(vt_outbox *outbox, size_t size, const vital_entropy *mask)
{
    struct vt_wire *wire = outbox->wire;
    struct vt_outgoing *message = outbox->framing;
    const vital_bytes payload = next_payload(outbox, size);
    const bool first = vt_outgoing_begins(message);
    const vt_opcode opcode = (message->kind & VITAL_TEXT) != 0 ? VT_OP_TEXT : VT_OP_BINARY;
    const bool ends = message->framed + size == message->size;
    const vt_frame frame = {
        .fin = message->last && ends,
        .rsv = first && outbox->compressing ? COMPRESSED : 0,
        .opcode = first ? opcode : VT_OP_CONTINUATION,
        .size = payload.size,
    };

    if (payload.data == NULL)
        return false;
    append_frame(wire, frame, payload.data, mask);
    message->framed += size;
    outbox->within = !frame.fin;
    if (ends) {
        message->end = wire->size;
        outbox->framing = message->next;
    }
    return true;
}

/* Several small frames, or one fragment of a large message. False without memory. */
static bool frame_messages(vt_outbox *outbox, const vt_outbox_frames *frames)
{
    const struct vt_wire *wire = outbox->wire;
    const size_t begin = wire->size;

    while (vt_outbox_next(outbox) != NULL && !(frames->hold_messages && !outbox->within)) {
        size_t size = outbox->framing->size - outbox->framing->framed;
        if (size > VT_FRAGMENT_BYTES)
            size = VT_FRAGMENT_BYTES;
        const size_t filled = wire->size - begin;
        if (filled > 0 && filled + VT_FRAME_HEADER_MAX + size > VT_FRAGMENT_BYTES)
            break;
        if (!frame_fragment(outbox, size, frames->mask))
            return false;
        frame_places(outbox, frames->mask); /* a text beat that waited for the end */
    }
    return true;
}

/* False if some are left for the next filling. */
static bool fill_raw(struct vt_wire *wire)
{
    struct waiting *raw = wire->places[RAW];
    if (raw == NULL)
        return true;
    wire->size = raw_a_filling(wire);
    memcpy(wire->bytes, raw->payload + wire->raw_taken, wire->size);
    wire->raw_taken += wire->size;
    if (wire->raw_taken < raw->size)
        return false;
    free(raw);
    wire->places[RAW] = NULL;
    wire->raw_taken = 0;
    return true;
}

/* False without memory. */
static bool fill_wire(vt_outbox *outbox, const vt_outbox_frames *frames)
{
    struct vt_wire *wire = outbox->wire;

    if (!fill_raw(wire) || !frames->open)
        return true;
    frame_places(outbox, frames->mask);
    if (!wire->close_now && !frame_messages(outbox, frames))
        return false;
    if (wire->close_now || vt_outbox_next(outbox) == NULL)
        frame_close(outbox, frames->mask);
    return true;
}

vital_bytes vt_outbox_pending(vt_outbox *outbox, const vt_outbox_frames *frames)
{
    if (outbox->wire == NULL || outbox->wire->sent == outbox->wire->size) {
        const size_t bytes = bytes_to_frame(outbox, frames);
        if (bytes == 0)
            return nothing;
        if (make_room(outbox, bytes) != 0)
            return no_memory;
        outbox->wire->answers_now = answers_a_filling(outbox->wire);
        if (!fill_wire(outbox, frames))
            return no_memory;
    }
    const struct vt_wire *wire = outbox->wire;
    if (wire->sent == wire->size)
        return nothing;
    return (vital_bytes){wire->bytes + wire->sent, wire->size - wire->sent};
}

/* -------------------------------------------------------------------- leaving */

static void free_wire_bytes(struct vt_wire *wire)
{
    free(wire->bytes);
    wire->bytes = NULL;
    wire->capacity = 0;
    wire->size = 0;
    wire->sent = 0;
}

static void free_wire(vt_outbox *outbox)
{
    struct vt_wire *wire = outbox->wire;

    if (wire == NULL)
        return;
    for (int place = RAW; place < PLACES; place++)
        free(wire->places[place]);
    free(wire->bytes);
    free(wire);
    outbox->wire = NULL;
}

vt_outbox_left vt_outbox_written(vt_outbox *outbox, size_t size)
{
    struct vt_wire *wire = outbox->wire;
    vt_outbox_left left = {false, 0};

    if (size == 0)
        return left;
    assert(wire != NULL && size <= wire->size - wire->sent);
    wire->sent += size;
    if (wire->beat_end != 0 && wire->beat_end <= wire->sent) {
        vt_outbox_drop(outbox, wire->beat_end);
        left = (vt_outbox_left){true, outbox->written};
        wire->beat_end = 0;
    }
    vt_outbox_drop(outbox, wire->sent);

    if (vt_outbox_close_written(outbox))
        free_wire_bytes(wire);
    else if (vt_outbox_empty(outbox))
        free_wire(outbox);
    return left;
}

bool vt_outbox_in_flight(const vt_outbox *outbox)
{
    const struct vt_wire *wire = outbox->wire;
    return wire != NULL && (wire->sent < wire->size || wire->places[RAW] != NULL);
}

bool vt_outbox_empty(const vt_outbox *outbox)
{
    const struct vt_wire *wire = outbox->wire;

    if (wire != NULL) {
        if (vt_outbox_in_flight(outbox))
            return false;
        if (wire->close_framed)
            return true;
        for (int place = RAW; place < PLACES; place++)
            if (wire->places[place] != NULL)
                return false;
    }
    return vt_outbox_next(outbox) == NULL;
}

void vt_outbox_rewind(vt_outbox *outbox)
{
    free_wire(outbox);
    vt_outbox_requeue(outbox);
}

/* The counts stay: what is forgotten was accepted, and was not written. */
void vt_outbox_clear(vt_outbox *outbox)
{
    free_wire(outbox);
    vt_outbox_forget_queue(outbox);
}
