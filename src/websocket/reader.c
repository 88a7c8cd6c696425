/*
 * The reader. Whatever can be judged is judged in the order of the bytes on the
 * wire, and always from the same bytes: so the stream gives the same items and
 * the same violation however it was cut into pieces. There are two ways through:
 *
 *                      +-- all of it here, and no fragment --> lent, in place
 *   header, judged ----+
 *                      +-- else --> struct vt_assembly, piece by piece --> lent
 *                                   (inflated on the way, if it is compressed; in
 *                                   pieces, if they are wanted: what one piece of
 *                                   the input gives is then handed on with it)
 *
 * Memory follows what has arrived and never what was announced: the message
 * buffer doubles as it fills, so its cost is linear and at most twice the
 * bytes that the peer has paid for, and it never exceeds the limit. An assembly
 * lives until the call after the one that lent out its last item.
 */
#include "reader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "close_code.h"
#include "frame.h"
#include "mask.h"
#include "utf8.h"

enum { CAPACITY_MIN = 64 };

enum { RSV_BITS = 0x70, RSV1_BIT = 0x40, OPCODE_BITS = 0x0F, MASK_BIT = 0x80 };

/* vt_frame.rsv: this message is compressed (RFC 7692 6). */
enum { COMPRESSED = 4 };

enum {
    /* The first guess at what so many compressed bytes will give. */
    INFLATES_TO = 4,
    /* Deflate data that give nothing are legal, and endless: compressed, a message
     * may have twice the bytes of its limit, and these. */
    PACKED_SPARE_BYTES = 1024,
};

struct vt_assembly {
    uint8_t header[VT_FRAME_HEADER_MAX]; /* the beginning of a header */
    size_t header_size;

    bool in_frame; /* `frame` is known, and `position` of its bytes have come */
    vt_frame frame;
    uint64_t position;
    uint8_t control[VT_CONTROL_PAYLOAD_MAX];

    bool in_message;  /* between the fragments of a message */
    vt_opcode opcode; /* of the message */
    uint8_t *message; /* owned */
    size_t message_size;
    size_t message_capacity;
    size_t given; /* of the message: handed on, in pieces */
    bool begun;   /* a piece has been handed on, */
    bool lent;    /* and is what `message` holds */
    bool compressed;
    size_t packed_size; /* of a compressed message: what has come of it */
    vt_utf8 utf8;
};

void vt_reader_init(vt_reader *reader, const vt_reader_rules *rules)
{
    *reader = (vt_reader){.rules = rules};
}

void vt_reader_inflate_with(vt_reader *reader, vt_inflater *inflater)
{
    reader->inflater = inflater;
}

void vt_reader_finish(vt_reader *reader)
{
    if (reader == NULL || reader->assembly == NULL)
        return;
    if (reader->assembly->compressed)
        vt_inflater_end(reader->inflater);
    free(reader->assembly->message);
    free(reader->assembly);
    reader->assembly = NULL;
}

/* --------------------------------------------------------------------- items */

static vt_item violation(uint16_t code, const char *why)
{
    return (vt_item){.type = VT_ITEM_VIOLATION, .code = code, .why = why};
}

static vt_item no_memory(void)
{
    return violation(VT_CLOSE_INTERNAL_ERROR, "out of memory (RFC 6455 7.4.1)");
}

static vt_item bad_text(void)
{
    return violation(VT_CLOSE_INVALID_PAYLOAD, "text that is not UTF-8 (RFC 6455 8.1)");
}

static vt_item cut_text(void)
{
    return violation(VT_CLOSE_INVALID_PAYLOAD,
                     "text that ends in the middle of a character (RFC 6455 8.1)");
}

static vt_item too_big(void)
{
    return violation(VT_CLOSE_TOO_BIG, "a message above the limit (RFC 6455 7.4.1, 10.4)");
}

static vt_item message_item(vt_opcode opcode, const uint8_t *data, size_t size)
{
    /* An empty message has no buffer; a pointer spares everybody the question. */
    static const uint8_t nothing[1];

    return (vt_item){
        .type = opcode == VT_OP_TEXT ? VT_ITEM_TEXT : VT_ITEM_BINARY,
        .first = true,
        .last = true,
        .data = size > 0 ? data : nothing,
        .size = size,
    };
}

static vt_item close_item(const uint8_t *data, size_t size)
{
    if (size == 0)
        return (vt_item){.type = VT_ITEM_CLOSE, .code = VT_CLOSE_NO_STATUS, .data = data};

    uint16_t code = (uint16_t)(data[0] << 8 | data[1]); /* one byte was refused by the header */
    if (!vt_close_code_valid(code))
        return violation(VT_CLOSE_PROTOCOL_ERROR,
                         "a close code that may not be sent (RFC 6455 7.4)");
    if (!vt_utf8_valid(data + 2, size - 2))
        return violation(VT_CLOSE_INVALID_PAYLOAD,
                         "a close reason that is not UTF-8 (RFC 6455 5.5.1)");
    return (vt_item){.type = VT_ITEM_CLOSE, .code = code, .data = data + 2, .size = size - 2};
}

static vt_item control_item(vt_opcode opcode, const uint8_t *data, size_t size)
{
    if (opcode == VT_OP_CLOSE)
        return close_item(data, size);
    return (vt_item){
        .type = opcode == VT_OP_PING ? VT_ITEM_PING : VT_ITEM_PONG,
        .data = data,
        .size = size,
    };
}

/* ------------------------------------------------------------------ assembly */

/* NULL without memory. */
static struct vt_assembly *need_assembly(vt_reader *reader)
{
    if (reader->assembly == NULL)
        reader->assembly = calloc(1, sizeof(*reader->assembly));
    return reader->assembly;
}

void vt_reader_release(vt_reader *reader)
{
    const struct vt_assembly *assembly = reader->assembly;

    if (assembly == NULL)
        return;
    if (!assembly->in_frame && !assembly->in_message && assembly->header_size == 0)
        vt_reader_finish(reader);
}

/* A buffer of at least so many bytes, and at most so many. */
static bool reserve(struct vt_assembly *assembly, size_t needed, size_t most)
{
    if (needed <= assembly->message_capacity)
        return true;
    size_t capacity = assembly->message_capacity;
    capacity = capacity > most / 2 ? most : capacity * 2;
    if (capacity < CAPACITY_MIN)
        capacity = CAPACITY_MIN < most ? CAPACITY_MIN : most;
    if (capacity < needed)
        capacity = needed;
    uint8_t *message = realloc(assembly->message, capacity);
    if (message == NULL)
        return false;
    assembly->message = message;
    assembly->message_capacity = capacity;
    return true;
}

/* -------------------------------------------------------------------- header */

static void take(vt_input *input, size_t size)
{
    input->data += size;
    input->size -= size;
}

/* NULL, or what is wrong with the reserved bits of a frame. */
static const char *judge_reserved(const vt_reader *reader, uint8_t first)
{
    vt_opcode opcode = (vt_opcode)(first & OPCODE_BITS);

    if ((first & RSV_BITS) == 0)
        return NULL;
    if ((first & RSV_BITS) != RSV1_BIT || reader->inflater == NULL)
        return "a reserved bit without an extension (RFC 6455 5.2)";
    if (vt_opcode_is_control(opcode))
        return "a control frame that is marked as compressed (RFC 7692 6.1)";
    if (opcode == VT_OP_CONTINUATION)
        return "a continuation that is marked as compressed (RFC 7692 6.1)";
    return NULL;
}

/* NULL, or what the first two bytes say against the frame, as far as they are
 * there: all that the first byte says before anything that the second does. */
static const char *judge_start(const vt_reader *reader, const uint8_t *head, size_t size)
{
    bool in_message = reader->assembly != NULL && reader->assembly->in_message;
    vt_opcode opcode = (vt_opcode)(head[0] & OPCODE_BITS);
    vt_frame ignored;
    const char *why = NULL;

    if (vt_frame_decode(&ignored, head, 1, &why) < 0)
        return why;
    why = judge_reserved(reader, head[0]);
    if (why != NULL)
        return why;
    if (opcode == VT_OP_CONTINUATION && !in_message)
        return "a continuation of no message (RFC 6455 5.4)";
    if (opcode != VT_OP_CONTINUATION && !vt_opcode_is_control(opcode) && in_message)
        return "a new message inside a fragmented one (RFC 6455 5.4)";
    if (size < 2)
        return NULL;
    bool masked = (head[1] & MASK_BIT) != 0;
    if (masked && !reader->rules->expect_masked)
        return "a masked frame from a server (RFC 6455 5.1)";
    if (!masked && reader->rules->expect_masked)
        return "an unmasked frame from a client (RFC 6455 5.1)";
    return NULL;
}

/* What the announced length says against the frame, before any of its payload. */
static vt_item judge_length(const vt_reader *reader, const vt_frame *frame)
{
    const struct vt_assembly *assembly = reader->assembly;

    if (frame->opcode == VT_OP_CLOSE && frame->size == 1)
        return violation(VT_CLOSE_PROTOCOL_ERROR, "a close frame of one byte (RFC 6455 5.5.1)");
    if (vt_opcode_is_control(frame->opcode))
        return (vt_item){0};
    size_t limit = reader->rules->message_bytes;
    bool begun = assembly != NULL && assembly->in_message;
    size_t have = begun ? assembly->given + assembly->message_size : 0;
    if (begun ? assembly->compressed : (frame->rsv & COMPRESSED) != 0) {
        limit = limit < SIZE_MAX / 4 ? limit * 2 + PACKED_SPARE_BYTES : SIZE_MAX;
        have = begun ? assembly->packed_size : 0;
    }
    return frame->size > limit - have ? too_big() : (vt_item){0};
}

/* The stream was cut inside a header. A key says nothing for or against the frame:
 * with any in its place, the length is judged as soon as it is there. */
static vt_item judge_cut_header(const vt_reader *reader, const uint8_t *head, size_t size)
{
    uint8_t completed[VT_FRAME_HEADER_MAX + sizeof((vt_frame){0}.key)] = {0};
    vt_frame frame;
    const char *why;

    memcpy(completed, head, size);
    if ((completed[1] & MASK_BIT) == 0 ||
        vt_frame_decode(&frame, completed, size + sizeof(frame.key), &why) <= 0)
        return (vt_item){0};
    return judge_length(reader, &frame);
}

/* The stream was cut inside a header: all that is left of it is kept. */
static vt_item keep_header(vt_reader *reader, vt_input *input)
{
    struct vt_assembly *assembly = need_assembly(reader);

    if (assembly == NULL)
        return no_memory();
    assert(input->size < VT_FRAME_HEADER_MAX - assembly->header_size);
    memcpy(assembly->header + assembly->header_size, input->data, input->size);
    assembly->header_size += input->size;
    take(input, input->size);
    return (vt_item){0};
}

/* Takes a header. NONE with *complete false means that input ran out. */
static vt_item take_header(vt_reader *reader, vt_input *input, vt_frame *frame, bool *complete)
{
    uint8_t joined[VT_FRAME_HEADER_MAX];
    const uint8_t *head = input->data;
    size_t size = input->size;
    size_t kept = reader->assembly == NULL ? 0 : reader->assembly->header_size;

    if (kept > 0) {
        size_t more = size < sizeof(joined) - kept ? size : sizeof(joined) - kept;
        memcpy(joined, reader->assembly->header, kept);
        memcpy(joined + kept, input->data, more);
        head = joined;
        size = kept + more;
    }

    const char *why = judge_start(reader, head, size);
    int length = why != NULL ? -1 : vt_frame_decode(frame, head, size, &why);
    *complete = length > 0;
    if (length < 0)
        return violation(VT_CLOSE_PROTOCOL_ERROR, why);
    if (length == 0) {
        vt_item item = judge_cut_header(reader, head, size);
        return item.type != VT_ITEM_NONE ? item : keep_header(reader, input);
    }
    take(input, (size_t)length - kept);
    if (kept > 0)
        reader->assembly->header_size = 0;
    return judge_length(reader, frame);
}

/* ------------------------------------------------------------------- payload */

/* Whether the frame can be handed on where it lies. */
static bool lies_whole(const vt_frame *frame, const vt_input *input)
{
    bool alone = frame->fin && frame->opcode != VT_OP_CONTINUATION;
    return alone && frame->rsv == 0 && frame->size <= input->size;
}

static vt_item lend_in_place(const vt_frame *frame, vt_input *input)
{
    uint8_t *data = input->data;
    size_t size = (size_t)frame->size;

    take(input, size);
    if (frame->masked)
        vt_mask(data, size, frame->key, 0);
    if (vt_opcode_is_control(frame->opcode))
        return control_item(frame->opcode, data, size);
    if (frame->opcode == VT_OP_TEXT) {
        vt_utf8 utf8 = {0};
        if (!vt_utf8_feed(&utf8, data, size))
            return bad_text();
        if (!vt_utf8_complete(&utf8))
            return cut_text();
    }
    return message_item(frame->opcode, data, size);
}

/* From here on the frame comes piece by piece, `whole` or not. */
static vt_item begin_assembly(vt_reader *reader, const vt_frame *frame, bool whole)
{
    struct vt_assembly *assembly = need_assembly(reader);

    if (assembly == NULL)
        return no_memory();
    assembly->in_frame = true;
    assembly->frame = *frame;
    assembly->position = 0;
    if (frame->opcode == VT_OP_TEXT || frame->opcode == VT_OP_BINARY)
        assembly->opcode = frame->opcode;
    if ((frame->rsv & COMPRESSED) != 0) {
        if (!vt_inflater_begin(reader->inflater, whole && frame->fin))
            return no_memory();
        assembly->compressed = true;
    }
    return (vt_item){0};
}

/* What there is of the message, and is lent now. */
static vt_item piece_item(struct vt_assembly *assembly, bool last)
{
    vt_item item = message_item(assembly->opcode, assembly->message, assembly->message_size);
    item.first = !assembly->begun;
    item.last = last;
    assembly->given += assembly->message_size;
    assembly->begun = assembly->lent = true;
    return item;
}

static vt_item end_frame(struct vt_assembly *assembly)
{
    const vt_frame *frame = &assembly->frame;

    assembly->in_frame = false;
    if (vt_opcode_is_control(frame->opcode))
        return control_item(frame->opcode, assembly->control, (size_t)frame->size);
    assembly->in_message = !frame->fin;
    if (!frame->fin)
        return (vt_item){0};
    if (assembly->opcode == VT_OP_TEXT && !vt_utf8_complete(&assembly->utf8))
        return cut_text();
    return piece_item(assembly, true);
}

/* So many bytes more stand behind the message. */
static vt_item grow_message(struct vt_assembly *assembly, const uint8_t *bytes, size_t size)
{
    assembly->message_size += size;
    if (assembly->opcode == VT_OP_TEXT && !vt_utf8_feed(&assembly->utf8, bytes, size))
        return bad_text();
    return (vt_item){0};
}

/* Payload as it is. The limit has been checked by the header. */
static vt_item copy_payload(vt_reader *reader, const uint8_t *data, size_t size)
{
    struct vt_assembly *assembly = reader->assembly;
    const vt_frame *frame = &assembly->frame;
    bool control = vt_opcode_is_control(frame->opcode);
    size_t have = assembly->message_size;
    size_t most = frame->fin ? have + (size_t)(frame->size - assembly->position)
                             : reader->rules->message_bytes;
    if (reader->rules->pieces)
        most = have + size;

    if (!control && !reserve(assembly, have + size, most))
        return no_memory();
    uint8_t *to = control ? assembly->control + assembly->position : assembly->message + have;
    if (frame->masked)
        vt_mask_copy(to, data, size, frame->key, assembly->position);
    else
        memcpy(to, data, size);
    return control ? (vt_item){0} : grow_message(assembly, to, size);
}

static vt_item inflate_failure(vt_inflated result)
{
    if (result == VT_INFLATED_NO_MEMORY)
        return no_memory();
    return violation(VT_CLOSE_INVALID_PAYLOAD,
                     result == VT_INFLATED_CUT
                         ? "a compressed message that is cut short (RFC 7692 7.2.1)"
                         : "a compressed message that is not deflate data (RFC 7692 7.2.2)");
}

/* Payload of a compressed message, unmasked in place. What it gives is judged in
 * its order: bad text before the fault behind it, and the byte above the limit as
 * soon as there is one. */
static vt_item inflate_payload(vt_reader *reader, uint8_t *data, size_t size)
{
    struct vt_assembly *assembly = reader->assembly;
    const vt_frame *frame = &assembly->frame;
    const size_t limit = reader->rules->message_bytes - assembly->given;
    const size_t guess = size < limit / INFLATES_TO ? size * INFLATES_TO : limit;
    vt_inflate_step step = {.in = data, .in_size = size};
    vt_inflated result;

    if (frame->masked)
        vt_mask(data, size, frame->key, assembly->position);
    assembly->packed_size += size;
    step.last = frame->fin && assembly->position + size == frame->size;
    do {
        uint8_t beyond;
        size_t have = assembly->message_size;
        if (have == limit) {
            step.out = &beyond;
            step.room = 1;
        } else {
            size_t needed = have < guess ? guess : have + 1;
            if (have == assembly->message_capacity && !reserve(assembly, needed, limit))
                return no_memory();
            step.out = assembly->message + have;
            step.room = (assembly->message_capacity < limit ? assembly->message_capacity : limit) -
                        have;
        }
        const uint8_t *from = step.out;
        result = vt_inflate(reader->inflater, &step);
        size_t given = (size_t)(step.out - from);
        if (have == limit && given > 0)
            return too_big();
        vt_item item = grow_message(assembly, from, given);
        if (item.type != VT_ITEM_NONE)
            return item;
    } while (result == VT_INFLATED_FULL);
    return result == VT_INFLATED_IN || result == VT_INFLATED_DONE ? (vt_item){0}
                                                                  : inflate_failure(result);
}

/* Takes what there is of the frame's payload. */
static vt_item take_payload(vt_reader *reader, vt_input *input)
{
    struct vt_assembly *assembly = reader->assembly;
    const vt_frame *frame = &assembly->frame;
    uint64_t coming = frame->size - assembly->position;
    size_t size = coming < input->size ? (size_t)coming : input->size;
    bool inflate = assembly->compressed && !vt_opcode_is_control(frame->opcode);
    vt_item item = {0};

    /* The end of a compressed message is told even if nothing comes with it. */
    if (inflate && (size > 0 || (frame->fin && coming == 0)))
        item = inflate_payload(reader, input->data, size);
    else if (size > 0)
        item = copy_payload(reader, input->data, size);
    take(input, size);
    assembly->position += size;
    if (item.type == VT_ITEM_NONE && assembly->position == frame->size)
        item = end_frame(assembly);
    if (item.type == VT_ITEM_NONE && reader->rules->pieces &&
        assembly->message_size > VT_WHOLE_BYTES)
        item = piece_item(assembly, false);
    return item;
}

vt_item vt_reader_next(vt_reader *reader, vt_input *input)
{
    vt_reader_release(reader);
    if (reader->assembly != NULL && reader->assembly->lent) {
        reader->assembly->lent = false;
        reader->assembly->message_size = 0;
    }
    for (;;) {
        vt_item item = {0};
        if (reader->assembly == NULL || !reader->assembly->in_frame) {
            vt_frame frame;
            bool complete = false;
            if (input->size == 0)
                return item;
            item = take_header(reader, input, &frame, &complete);
            if (item.type != VT_ITEM_NONE || !complete)
                return item;
            if (lies_whole(&frame, input))
                return lend_in_place(&frame, input);
            item = begin_assembly(reader, &frame, frame.size <= input->size);
            if (item.type != VT_ITEM_NONE)
                return item;
        }
        item = take_payload(reader, input);
        if (item.type != VT_ITEM_NONE || reader->assembly->in_frame)
            return item;
    }
}
