/*
 * The reader. A stream is built frame by frame, fed in pieces, and what comes
 * out is written down as text, so that two runs are compared as two strings and
 * a failure prints both. Every piece is a heap block of its own which is freed
 * as soon as the reader has used it up, so that an address sanitizer sees each
 * read too many and each pointer kept too long.
 *
 * The linker puts the functions of the next section between the reader and the C
 * library (--wrap), so that its allocations are counted and can be made to fail.
 * The file is long because each rule of the RFC has a test here, and
 * all of them need the same builder of streams.
 */
#include "reader.h"

#include <limits.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "close_code.h"
#include "deflate.h"
#include "frame.h"
#include "mask.h"
#include "utf8.h"

/* ---------------------------------------------------------------- allocation */

enum { BLOCKS_MAX = 32, BLOCK_PACKED_MAX = 1 << 20, SMALL_BUFFER = 64 };

static struct {
    int left;                /* allocations until they fail */
    int blocks;              /* alive */
    int calls;               /* so far */
    size_t copied;           /* bytes that growing has moved so far */
    size_t buffer;           /* what was last asked for by realloc: the message's buffer */
    void *alive[BLOCKS_MAX]; /* to tell the reader's blocks from this file's */
} memory = {.left = INT_MAX};

void *__real_calloc(size_t count, size_t size);
void __real_free(void *block);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);

static bool may_allocate(void)
{
    memory.calls++;
    if (memory.left == 0)
        return false;
    memory.left--;
    return true;
}

static void remember(void *block)
{
    for (size_t i = 0; i < BLOCKS_MAX; i++) {
        if (memory.alive[i] != NULL)
            continue;
        memory.alive[i] = block;
        memory.blocks++;
        return;
    }
    fail_msg("the reader holds more than %d blocks", BLOCKS_MAX);
}

static void forget(void *block)
{
    for (size_t i = 0; block != NULL && i < BLOCKS_MAX; i++) {
        if (memory.alive[i] != block)
            continue;
        memory.alive[i] = NULL;
        memory.blocks--;
    }
}

void *__wrap_calloc(size_t count, size_t size)
{
    if (!may_allocate())
        return NULL;
    void *block = __real_calloc(count, size);
    remember(block);
    return block;
}

/* Always moves, so that nobody gets used to staying. */
void *__wrap_realloc(void *block, size_t size)
{
    if (!may_allocate())
        return NULL;
    size_t old = block == NULL ? 0 : malloc_usable_size(block);
    uint8_t *moved = malloc(size);
    assert_non_null(moved);
    if (old > 0)
        memcpy(moved, block, old < size ? old : size);
    forget(block);
    __real_free(block);
    remember(moved);
    memory.copied += old;
    memory.buffer = size;
    return moved;
}

void __wrap_free(void *block)
{
    forget(block);
    __real_free(block);
}

/* -------------------------------------------------------------------- streams */

enum { STREAM_MAX = 1 << 20, SHOWN_MAX = 60, FIN = 0x80, RSV1 = 0x40, RSV2 = 0x20, RSV3 = 0x10 };
enum { KEY_BYTES = 4 };

enum deflate { PLAIN, DEFLATED, CONTEXT };

/* Bytes on their way to a server (masked) or to a client. */
struct stream {
    bool masked;
    size_t limit;
    bool pieces;
    enum deflate deflate; /* what is agreed on: nothing, unless a test says so */
    size_t size;
    uint8_t bytes[STREAM_MAX];
};

static struct stream stream;
static vital_compressor *shared; /* warmed up, so that it allocates no more */
static vt_deflater packer;

static void begin_stream(bool masked, size_t limit)
{
    stream.deflate = PLAIN;
    stream.pieces = false;
    stream.masked = masked;
    stream.limit = limit;
    stream.size = 0;
}

static void add_bytes(const void *bytes, size_t size)
{
    assert_true(stream.size + size <= STREAM_MAX);
    memcpy(stream.bytes + stream.size, bytes, size);
    stream.size += size;
}

/* The header alone, with any length. `first` is FIN, reserved bits and opcode. */
static void add_header(int first, uint64_t size)
{
    uint8_t header[VT_FRAME_HEADER_MAX];
    vt_frame frame = {
        .fin = (first & FIN) != 0,
        .masked = stream.masked,
        .rsv = (uint8_t)(first >> 4 & 7),
        .opcode = (vt_opcode)(first & 15),
        .key = {0xA1, 0x5F, (uint8_t)stream.size, 0x33},
        .size = size,
    };
    add_bytes(header, vt_frame_encode(header, &frame));
}

/* Payload bytes for the last header that was added. */
static void add_payload(const void *payload, size_t size)
{
    uint8_t key[4] = {0};
    size_t start = stream.size;
    if (stream.masked)
        memcpy(key, stream.bytes + stream.size - 4, 4);
    add_bytes(payload, size);
    vt_mask(stream.bytes + start, size, key, 0);
}

static void add_frame(int first, const void *payload, size_t size)
{
    add_header(first, size);
    add_payload(payload, size);
}

static void add_string(int first, const char *text)
{
    add_frame(first, text, strlen(text));
}

/* From here on messages may be compressed. */
static void agree(enum deflate deflate)
{
    stream.deflate = deflate;
    vt_deflater_finish(&packer);
    packer = (vt_deflater){.shared = shared, .bits = 15, .keeps = deflate == CONTEXT};
}

/* The payload of a compressed message; until the next one. */
static vital_bytes pack(const void *message, size_t size)
{
    int left = memory.left;
    memory.left = INT_MAX;
    vital_bytes packed = vt_deflate(&packer, message, size, 0, true);
    memory.left = left;
    return packed;
}

/* Frees a packer's memory, which is not the reader's, before it is counted. */
static void end_packing(void)
{
    vt_deflater_finish(&packer);
}

static vt_inflater agreed_inflater(void)
{
    return (vt_inflater){.shared = shared, .bits = 15, .keeps = stream.deflate == CONTEXT};
}

static void init_reader(vt_reader *reader, const vt_reader_rules *rules, vt_inflater *inflater)
{
    vt_reader_init(reader, rules);
    *inflater = agreed_inflater();
    if (stream.deflate != PLAIN)
        vt_reader_inflate_with(reader, inflater);
}

/* ------------------------------------------------------------------ the record */

struct record {
    size_t size;
    bool ended;         /* by a close or a violation */
    size_t piece_count; /* of the message that has begun */
    size_t most_pieces; /* of any message */
    size_t joined_size;
    uint8_t joined[1 << 17];
    char text[1 << 16];
};

/* Pieces are put together again, so that the record is that of whole messages. */
static void join_pieces(struct record *record, const vt_item *item)
{
    assert_int_equal(item->first, record->piece_count == 0);
    assert_true(item->last || item->size > VT_WHOLE_BYTES || !item->first);
    assert_true(record->joined_size + item->size <= sizeof record->joined);
    memcpy(record->joined + record->joined_size, item->data, item->size);
    record->joined_size += item->size;
    record->piece_count++;
}

static void write_item(struct record *record, const vt_item *item)
{
    static const char *const names[] = {"none", "text",  "binary",   "ping",
                                        "pong", "close", "violation"};
    char *at = record->text + record->size;
    size_t room = sizeof(record->text) - record->size;
    assert_true(room > 600);

    int n = snprintf(at, room, "%s", names[item->type]);
    if (item->code != 0)
        n += snprintf(at + n, room - (size_t)n, " %u", item->code);
    if (item->size > SHOWN_MAX) { /* its size and a sum stand for the rest */
        uint32_t sum = 0;
        for (size_t i = 0; i < item->size; i++)
            sum = sum * 31 + item->data[i];
        n += snprintf(at + n, room - (size_t)n, " %zu/%08x", item->size, sum);
    }
    n += snprintf(at + n, room - (size_t)n, ":");
    for (size_t i = 0; i < item->size && i < SHOWN_MAX; i++) {
        bool plain = item->data[i] >= ' ' && item->data[i] < 0x7F;
        n += snprintf(at + n, room - (size_t)n, plain ? "%c" : "<%02x>", item->data[i]);
    }
    n += snprintf(at + n, room - (size_t)n, "%s\n", item->why == NULL ? "" : item->why);
    record->size += (size_t)n;
}

/* Pulls all items out of one piece. The piece is a copy that ends with it. */
static void feed_piece(vt_reader *reader, struct record *record, size_t from, size_t size)
{
    uint8_t *piece = malloc(size > 0 ? size : 1);
    memcpy(piece, stream.bytes + from, size);
    vt_input input = {piece, size};
    while (!record->ended) {
        vt_item item = vt_reader_next(reader, &input);
        if (item.type == VT_ITEM_NONE) {
            assert_int_equal(input.size, 0);
            break;
        }
        assert_ptr_equal(input.data + input.size, piece + size);
        if (item.type == VT_ITEM_TEXT || item.type == VT_ITEM_BINARY) {
            join_pieces(record, &item);
            assert_true(stream.pieces || item.last);
            if (!item.last)
                continue;
            item.data = record->joined;
            item.size = record->joined_size;
            if (record->piece_count > record->most_pieces)
                record->most_pieces = record->piece_count;
            record->joined_size = record->piece_count = 0;
        }
        write_item(record, &item);
        record->ended = item.type == VT_ITEM_CLOSE || item.type == VT_ITEM_VIOLATION;
    }
    free(piece);
}

/* Reads the stream `step` bytes at a time or, with step 0, in the pieces that the
 * seed makes, empty ones among them. */
static void read_stream(struct record *record, size_t step, uint64_t seed)
{
    vt_reader_rules rules = {
        .expect_masked = stream.masked, .message_bytes = stream.limit, .pieces = stream.pieces};
    vt_reader reader;
    vt_inflater inflater;

    end_packing();
    record->size = 0;
    record->text[0] = '\0';
    record->ended = false;
    record->joined_size = record->piece_count = record->most_pieces = 0;
    init_reader(&reader, &rules, &inflater);
    for (size_t at = 0, size = 0; at < stream.size && !record->ended; at += size) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        size = step != 0 ? step : (seed >> 60) == 0 ? 0 : (size_t)(seed >> 33) % 20 + 1;
        if (step == 0 && (seed >> 58 & 3) == 0)
            size *= 11;
        if (size > stream.size - at)
            size = stream.size - at;
        feed_piece(&reader, record, at, size);
    }
    vt_reader_finish(&reader);
    assert_null(reader.assembly);
    if (stream.deflate != CONTEXT)
        assert_null(inflater.own);
    vt_inflater_finish(&inflater);
    assert_int_equal(memory.blocks, 0);
}

static struct record whole, pieces;

/* All segmentations that matter, against the stream in one piece. */
static void check_segmentations(uint64_t seeds)
{
    read_stream(&whole, STREAM_MAX, 0);
    for (size_t step = 1; step < 20; step++) {
        read_stream(&pieces, step, 0);
        assert_string_equal(pieces.text, whole.text);
    }
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        read_stream(&pieces, 0, seed);
        assert_string_equal(pieces.text, whole.text);
    }
}

/* The first item that comes out when the stream ends after `size` bytes. */
static vt_item first_item(size_t size)
{
    vt_reader_rules rules = {.expect_masked = stream.masked, .message_bytes = stream.limit};
    vt_item item = {0};

    for (int one_by_one = 0; one_by_one < 2; one_by_one++) {
        vt_item previous = item;
        vt_reader reader;
        vt_inflater inflater;
        init_reader(&reader, &rules, &inflater);
        item = (vt_item){0};
        uint8_t *copy = malloc(size > 0 ? size : 1);
        memcpy(copy, stream.bytes, size);
        size_t step = one_by_one ? 1 : size;
        for (size_t at = 0; at < size && item.type == VT_ITEM_NONE; at += step) {
            vt_input input = {copy + at, step};
            item = vt_reader_next(&reader, &input);
        }
        if (one_by_one) {
            assert_int_equal(item.type, previous.type);
            assert_int_equal(item.code, previous.code);
            assert_ptr_equal(item.why, previous.why);
        }
        item.data = NULL; /* gone with the reader */
        vt_reader_finish(&reader);
        vt_inflater_finish(&inflater);
        free(copy);
    }
    return item;
}

/* Byte number `at` of the stream, counted from 1, and none before it, is the
 * violation; `section` is in its sentence. */
static void check_violation_at(size_t at, uint16_t code, const char *section)
{
    for (size_t some = 0; some < at; some++) {
        vt_item early = first_item(some);
        if (early.type == VT_ITEM_VIOLATION)
            fail_msg("byte %zu of %zu is refused: %s", some, at, early.why);
    }
    assert_true(at <= stream.size);
    vt_item item = first_item(at);
    assert_int_equal(item.type, VT_ITEM_VIOLATION);
    assert_int_equal(item.code, code);
    assert_non_null(item.why);
    if (strstr(item.why, section) == NULL)
        fail_msg("\"%s\" does not name \"%s\"", item.why, section);
    vt_item later = first_item(stream.size);
    assert_ptr_equal(later.why, item.why);
}

static void check_items(const char *expected)
{
    check_segmentations(20);
    assert_string_equal(whole.text, expected);
}

/* --------------------------------------------------------------- what is legal */

static void messages_and_control_frames_come_out_as_they_went_in_rfc_5_6(void **unused)
{
    (void)unused;
    for (int masked = 0; masked < 2; masked++) {
        begin_stream(masked, 1000);
        add_string(FIN | VT_OP_TEXT, "Hello");
        add_frame(FIN | VT_OP_BINARY, "\x00\xFF", 2);
        add_string(FIN | VT_OP_PING, "p");
        add_string(FIN | VT_OP_PONG, "");
        add_string(FIN | VT_OP_TEXT, "");
        add_string(FIN | VT_OP_BINARY, "");
        add_frame(FIN | VT_OP_CLOSE,
                  "\x03\xE8"
                  "bye",
                  5);
        check_items("text:Hello\nbinary:<00><ff>\nping:p\npong:\ntext:\nbinary:\nclose 1000:bye\n");
    }
}

static void frames_of_every_length_form_are_read_rfc_5_2(void **unused)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 70000};
    static uint8_t payload[70000];
    (void)unused;
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char expected[40];
        begin_stream(true, 70000);
        add_frame(FIN | VT_OP_BINARY, payload, sizes[i]);
        add_string(FIN | VT_OP_PING, "after");
        read_stream(&whole, STREAM_MAX, 0);
        for (size_t step = 1; step < 5000; step = step * 3 + 1) {
            read_stream(&pieces, step, 0);
            assert_string_equal(pieces.text, whole.text);
        }
        if (sizes[i] > SHOWN_MAX) {
            snprintf(expected, sizeof(expected), "binary %zu/", sizes[i]);
            assert_memory_equal(whole.text, expected, strlen(expected));
        }
        assert_non_null(strstr(whole.text, "\nping:after\n"));
    }
}

static void fragments_are_put_together_rfc_5_4(void **unused)
{
    (void)unused;
    for (int masked = 0; masked < 2; masked++) {
        begin_stream(masked, 1000);
        add_string(VT_OP_TEXT, "one ");
        add_string(VT_OP_CONTINUATION, "two ");
        add_string(FIN | VT_OP_CONTINUATION, "three");
        add_string(VT_OP_BINARY, "four ");
        add_string(FIN | VT_OP_CONTINUATION, "five");
        add_string(FIN | VT_OP_TEXT, "six");
        check_items("text:one two three\nbinary:four five\ntext:six\n");
    }
}

static void fragments_of_no_bytes_are_legal_rfc_5_4(void **unused)
{
    (void)unused;
    begin_stream(true, 10);
    add_string(VT_OP_TEXT, "");
    add_string(VT_OP_CONTINUATION, "");
    add_string(VT_OP_CONTINUATION, "x");
    add_string(VT_OP_CONTINUATION, "");
    add_string(FIN | VT_OP_CONTINUATION, "");
    add_string(VT_OP_BINARY, "");
    add_string(FIN | VT_OP_CONTINUATION, "");
    add_string(VT_OP_TEXT, "");
    add_string(FIN | VT_OP_CONTINUATION, "y");
    check_items("text:x\nbinary:\ntext:y\n");
}

static void control_frames_come_out_between_fragments_rfc_5_4(void **unused)
{
    (void)unused;
    begin_stream(true, 1000);
    add_string(VT_OP_TEXT, "one ");
    add_string(FIN | VT_OP_PING, "ping");
    add_string(VT_OP_CONTINUATION, "two ");
    add_string(FIN | VT_OP_PONG, "pong");
    add_string(FIN | VT_OP_PING, "");
    add_string(FIN | VT_OP_CONTINUATION, "three");
    add_string(VT_OP_TEXT, "never finished");
    add_frame(FIN | VT_OP_CLOSE, "\x03\xE9", 2);
    check_items("ping:ping\npong:pong\nping:\ntext:one two three\nclose 1001:\n");
}

static void a_ping_inside_a_message_does_not_wait_for_its_end_rfc_5_5_2(void **unused)
{
    (void)unused;
    begin_stream(true, 1000);
    add_string(VT_OP_TEXT, "one ");
    add_string(FIN | VT_OP_PING, "now");
    assert_int_equal(first_item(stream.size - 1).type, VT_ITEM_NONE);
    assert_int_equal(first_item(stream.size).type, VT_ITEM_PING);
    assert_int_equal(first_item(stream.size).size, 3);
}

static void every_control_payload_up_to_125_bytes_is_read_rfc_5_5(void **unused)
{
    uint8_t payload[VT_CONTROL_PAYLOAD_MAX];
    (void)unused;
    memset(payload, 'x', sizeof(payload));
    begin_stream(true, 0); /* the limit is for messages */
    for (size_t size = 0; size <= sizeof(payload); size++)
        add_frame(FIN | VT_OP_PING, payload, size);
    read_stream(&whole, STREAM_MAX, 0);
    read_stream(&pieces, 1, 0);
    assert_string_equal(pieces.text, whole.text);
    assert_non_null(strstr(whole.text, "ping 125/"));
}

static void a_close_without_payload_has_no_code_rfc_7_1_5(void **unused)
{
    (void)unused;
    begin_stream(false, 10);
    add_string(FIN | VT_OP_CLOSE, "");
    check_items("close 1005:\n");
}

static void a_close_reason_may_have_123_bytes_of_utf_8_rfc_5_5_1(void **unused)
{
    uint8_t payload[VT_CONTROL_PAYLOAD_MAX] = {0x0F, 0xA0};
    (void)unused;
    for (size_t i = 2; i + 3 <= sizeof(payload); i += 3)
        memcpy(payload + i, "\xE2\x82\xAC", 3);
    begin_stream(true, 10);
    add_frame(FIN | VT_OP_CLOSE, payload, sizeof(payload));
    check_segmentations(5);
    assert_memory_equal(whole.text, "close 4000 123/", 15);
}

static void the_text_may_be_cut_inside_a_character_by_fragments_rfc_8_1(void **unused)
{
    static const char text[] = "\xCE\xBA \xE2\x82\xAC \xF0\x9F\x98\x80";
    (void)unused;
    for (size_t first = 0; first <= sizeof(text) - 1; first++) {
        for (size_t second = first; second <= sizeof(text) - 1; second++) {
            begin_stream(true, 100);
            add_frame(VT_OP_TEXT, text, first);
            add_string(FIN | VT_OP_PING, "");
            add_frame(VT_OP_CONTINUATION, text + first, second - first);
            add_frame(FIN | VT_OP_CONTINUATION, text + second, sizeof(text) - 1 - second);
            add_string(FIN | VT_OP_TEXT, "next");
            check_items("ping:\ntext:<ce><ba> <e2><82><ac> <f0><9f><98><80>\ntext:next\n");
        }
    }
}

static void binary_data_is_not_text_rfc_5_6(void **unused)
{
    (void)unused;
    begin_stream(false, 100);
    add_string(FIN | VT_OP_BINARY, "\xFF\xC0");
    add_string(VT_OP_BINARY, "\xFF");
    add_string(FIN | VT_OP_CONTINUATION, "\x80\xE2");
    add_string(FIN | VT_OP_PING, "\xFF");
    check_items("binary:<ff><c0>\nbinary:<ff><80><e2>\nping:<ff>\n");
}

/* ------------------------------------------------------------ violations: header */

static void a_reserved_bit_is_a_violation_rfc_5_2(void **unused)
{
    static const int bits[] = {RSV1, RSV2, RSV3, RSV1 | RSV2 | RSV3};
    static const int opcodes[] = {VT_OP_TEXT, VT_OP_BINARY, VT_OP_PING, VT_OP_PONG, VT_OP_CLOSE};
    (void)unused;
    for (size_t b = 0; b < 4; b++) {
        for (size_t o = 0; o < 5; o++) {
            begin_stream(true, 100);
            add_string(FIN | bits[b] | opcodes[o], "");
            check_violation_at(1, 1002, "reserved bit without an extension (RFC 6455 5.2)");
        }
        begin_stream(true, 100);
        add_string(VT_OP_TEXT, "x");
        size_t before = stream.size;
        add_string(FIN | bits[b] | VT_OP_CONTINUATION, "");
        check_violation_at(before + 1, 1002, "reserved bit without an extension (RFC 6455 5.2)");
    }
}

static void an_unknown_opcode_is_a_violation_rfc_5_2(void **unused)
{
    static const uint8_t opcodes[] = {3, 4, 5, 6, 7, 11, 12, 13, 14, 15};
    (void)unused;
    for (size_t i = 0; i < sizeof(opcodes); i++) {
        uint8_t header[] = {(uint8_t)(FIN | opcodes[i]), 0xFF, 0xFF, 0xFF, 0xFF};
        begin_stream(true, 100);
        add_bytes(header, sizeof(header));
        check_violation_at(1, 1002, "unknown opcode (RFC 6455 5.2)");
    }
}

static void b14_an_unmasked_frame_from_a_client_is_a_violation_rfc_5_1(void **unused)
{
    static const int opcodes[] = {VT_OP_TEXT, VT_OP_BINARY, VT_OP_PING, VT_OP_PONG, VT_OP_CLOSE};
    (void)unused;
    for (size_t o = 0; o < 5; o++) {
        begin_stream(false, 100);
        add_string(FIN | opcodes[o], "xx");
        stream.masked = true;
        check_violation_at(2, 1002, "unmasked frame from a client (RFC 6455 5.1)");
    }
}

static void b14_a_masked_frame_from_a_server_is_a_violation_rfc_5_1(void **unused)
{
    static const int opcodes[] = {VT_OP_TEXT, VT_OP_BINARY, VT_OP_PING, VT_OP_PONG, VT_OP_CLOSE};
    (void)unused;
    for (size_t o = 0; o < 5; o++) {
        begin_stream(true, 100);
        add_string(FIN | opcodes[o], "xx");
        stream.masked = false;
        check_violation_at(2, 1002, "masked frame from a server (RFC 6455 5.1)");
    }
}

static void b12_a_fragmented_ping_is_a_violation_rfc_5_5(void **unused)
{
    static const uint8_t header[] = {VT_OP_PING, 0x80, 0, 0, 0, 0};
    (void)unused;
    begin_stream(true, 100);
    add_bytes(header, sizeof(header));
    check_violation_at(1, 1002, "fragmented control frame (RFC 6455 5.5)");
}

static void b12_a_ping_of_126_bytes_is_a_violation_rfc_5_5(void **unused)
{
    (void)unused;
    begin_stream(true, 1000);
    add_header(FIN | VT_OP_PING, 126);
    check_violation_at(2, 1002, "control frame of more than 125 bytes (RFC 6455 5.5)");
}

static void a_length_not_in_its_shortest_form_is_a_violation_rfc_5_2(void **unused)
{
    static const uint8_t header[] = {FIN | VT_OP_BINARY, 126, 0, 125};
    (void)unused;
    begin_stream(false, 1000);
    add_bytes(header, sizeof(header));
    check_violation_at(4, 1002, "shortest form (RFC 6455 5.2)");
}

static void a_length_above_63_bits_is_a_violation_rfc_5_2(void **unused)
{
    static const uint8_t header[] = {FIN | VT_OP_BINARY, 127, 0x80, 0, 0, 0, 0, 0, 0, 0};
    (void)unused;
    begin_stream(false, SIZE_MAX);
    add_bytes(header, sizeof(header));
    check_violation_at(3, 1002, "2^63 - 1 (RFC 6455 5.2)");
}

static void the_first_byte_is_judged_before_the_second_rfc_5_2(void **unused)
{
    /* A reserved bit, and behind it a frame that is unmasked, oversized and not
     * in its shortest form: only the first can be seen by all segmentations. */
    static const uint8_t header[] = {FIN | RSV2 | VT_OP_BINARY, 127, 0xFF, 0, 0, 0, 0, 0, 0, 0};
    (void)unused;
    begin_stream(true, 10);
    add_bytes(header, sizeof(header));
    check_violation_at(1, 1002, "reserved bit");
    begin_stream(true, 10);
    add_bytes((uint8_t[]){FIN | VT_OP_PING, 127, 0xFF}, 3);
    check_violation_at(2, 1002, "unmasked");
}

/* --------------------------------------------------------- violations: sequence */

static void a_continuation_of_nothing_is_a_violation_rfc_5_4(void **unused)
{
    (void)unused;
    for (int fin = 0; fin <= FIN; fin += FIN) {
        begin_stream(true, 100);
        add_string(fin | VT_OP_CONTINUATION, "x");
        check_violation_at(1, 1002, "continuation of no message (RFC 6455 5.4)");

        begin_stream(true, 100);
        add_string(FIN | VT_OP_TEXT, "whole");
        add_string(FIN | VT_OP_PING, "");
        add_string(VT_OP_BINARY, "in ");
        add_string(FIN | VT_OP_CONTINUATION, "two");
        add_string(fin | VT_OP_CONTINUATION, "x");
        check_items("text:whole\nping:\nbinary:in two\n"
                    "violation 1002:a continuation of no message (RFC 6455 5.4)\n");
    }
}

static void a_new_message_inside_a_fragmented_one_is_a_violation_rfc_5_4(void **unused)
{
    (void)unused;
    for (int opcode = VT_OP_TEXT; opcode <= VT_OP_BINARY; opcode++) {
        for (int fin = 0; fin <= FIN; fin += FIN) {
            begin_stream(true, 100);
            add_string(VT_OP_TEXT, "x");
            size_t before = stream.size;
            add_string(fin | opcode, "y");
            check_violation_at(before + 1, 1002, "inside a fragmented one (RFC 6455 5.4)");

            begin_stream(true, 100);
            add_string(VT_OP_BINARY, "");
            before = stream.size;
            add_string(fin | opcode, "");
            check_violation_at(before + 1, 1002, "inside a fragmented one (RFC 6455 5.4)");
        }
    }
}

/* ------------------------------------------------------------ violations: limits */

static void a_message_of_the_limit_is_read_and_one_more_byte_is_not_rfc_7_4_1(void **unused)
{
    static const char eleven[] = "0123456789A";
    (void)unused;
    begin_stream(true, 10);
    add_frame(FIN | VT_OP_TEXT, eleven, 10);
    add_frame(VT_OP_TEXT, eleven, 9);
    add_frame(VT_OP_CONTINUATION, eleven + 9, 1);
    add_frame(FIN | VT_OP_CONTINUATION, eleven, 0);
    add_frame(FIN | VT_OP_BINARY, eleven, 10);
    check_items("text:0123456789\ntext:0123456789\nbinary:0123456789\n");

    begin_stream(true, 10);
    add_frame(FIN | VT_OP_TEXT, eleven, 11);
    check_violation_at(2, 1009, "above the limit (RFC 6455 7.4.1");
    begin_stream(false, 10);
    add_frame(VT_OP_BINARY, eleven, 11);
    check_violation_at(2, 1009, "above the limit (RFC 6455 7.4.1");
    begin_stream(false, 0);
    add_string(FIN | VT_OP_TEXT, "");
    add_string(FIN | VT_OP_TEXT, "x");
    check_items("text:\nviolation 1009:a message above the limit (RFC 6455 7.4.1, 10.4)\n");
}

static void b5_fragments_count_together_rfc_10_4(void **unused)
{
    (void)unused;
    begin_stream(true, 10);
    add_string(VT_OP_BINARY, "01234");
    add_string(VT_OP_CONTINUATION, "56789");
    size_t before = stream.size;
    add_string(VT_OP_CONTINUATION, "A");
    check_violation_at(before + 2, 1009, "above the limit");
}

static void b2_what_is_here_and_what_is_announced_do_not_wrap_around(void **unused)
{
    (void)unused;
    begin_stream(true, SIZE_MAX);
    add_string(VT_OP_BINARY, "01234");
    add_header(FIN | VT_OP_CONTINUATION, INT64_MAX);
    assert_int_equal(first_item(stream.size).type, VT_ITEM_NONE);
    stream.limit = INT64_MAX;
    check_violation_at(stream.size - KEY_BYTES, 1009, "above the limit");
}

static void b1_a_huge_length_is_refused_before_any_payload_rfc_10_4(void **unused)
{
    static const uint64_t sizes[] = {(UINT64_C(1) << 32) - 1, UINT64_C(1) << 32,
                                     (UINT64_C(1) << 32) + 5, INT64_MAX};
    (void)unused;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        begin_stream(true, 1 << 20);
        add_header(FIN | VT_OP_BINARY, sizes[i]);
        check_violation_at(stream.size - KEY_BYTES, 1009, "above the limit");
        begin_stream(false, 1 << 20);
        add_header(FIN | VT_OP_BINARY, sizes[i]);
        check_violation_at(stream.size, 1009, "above the limit");
    }
}

static void half_a_length_is_not_judged_rfc_5_2(void **unused)
{
    (void)unused;
    for (int masked = 0; masked < 2; masked++) {
        char payload[300] = {0};
        begin_stream(masked == 1, sizeof payload);
        add_frame(FIN | VT_OP_BINARY, payload, sizeof payload);
        for (size_t size = 0; size < stream.size; size++)
            assert_int_equal(first_item(size).type, VT_ITEM_NONE);
    }
}

/* ------------------------------------------------------------- violations: text */

static void b16_bad_text_fails_at_its_first_bad_byte_rfc_8_1(void **unused)
{
    static const struct {
        const char *text;
        size_t good;
    } cases[] = {
        {"\xFFzzzz", 0},
        {"good\xC0zzz", 4},
        {"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xED\xA0\x80"
         "edited",
         12},
        {"\xF4\x90\x80\x80zz", 1},
        {"\xE2\x28zz", 1},
        {"0123456789012345678901234567890123456789\x80zz", 40},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *text = cases[i].text;
        for (int masked = 0; masked < 2; masked++) {
            size_t header = masked ? 6 : 2;
            begin_stream(masked, 100);
            add_string(FIN | VT_OP_TEXT, text);
            check_violation_at(header + cases[i].good + 1, 1007, "not UTF-8 (RFC 6455 8.1)");

            /* In a second fragment, with a ping before it. */
            begin_stream(masked, 100);
            add_string(VT_OP_TEXT, "fine ");
            add_string(FIN | VT_OP_PING, "");
            add_string(VT_OP_CONTINUATION, text);
            check_segmentations(5);
            assert_string_equal(whole.text,
                                "ping:\nviolation 1007:text that is not UTF-8 (RFC 6455 8.1)\n");
        }
    }
}

static void text_that_ends_inside_a_character_is_a_violation_rfc_8_1(void **unused)
{
    (void)unused;
    begin_stream(true, 100);
    add_string(FIN | VT_OP_TEXT, "ab\xE2\x82");
    check_violation_at(stream.size, 1007, "middle of a character (RFC 6455 8.1)");
    begin_stream(true, 100);
    add_string(VT_OP_TEXT, "ab\xE2");
    add_string(FIN | VT_OP_CONTINUATION, "\x82");
    check_violation_at(stream.size, 1007, "middle of a character (RFC 6455 8.1)");
    begin_stream(true, 100);
    add_string(VT_OP_TEXT, "ab\xE2\x82");
    add_string(FIN | VT_OP_CONTINUATION, "");
    check_violation_at(stream.size, 1007, "middle of a character (RFC 6455 8.1)");
}

/* ------------------------------------------------------------ violations: close */

static void b17_a_close_of_one_byte_is_a_violation_rfc_5_5_1(void **unused)
{
    (void)unused;
    begin_stream(true, 100);
    add_string(FIN | VT_OP_CLOSE, "\x03");
    check_violation_at(2, 1002, "close frame of one byte (RFC 6455 5.5.1)");
}

static void b17_only_codes_that_may_be_sent_are_taken_in_a_close_rfc_7_4(void **unused)
{
    (void)unused;
    for (unsigned code = 0; code <= 65535; code++) {
        char expected[100];
        uint8_t payload[] = {(uint8_t)(code >> 8), (uint8_t)code, 'x'};
        begin_stream(true, 100);
        add_frame(FIN | VT_OP_CLOSE, payload, sizeof(payload));
        if (vt_close_code_valid((uint16_t)code))
            snprintf(expected, sizeof(expected), "close %u:x\n", code);
        else
            snprintf(expected, sizeof(expected), "violation 1002:%s\n",
                     "a close code that may not be sent (RFC 6455 7.4)");
        read_stream(&whole, STREAM_MAX, 0);
        assert_string_equal(whole.text, expected);
        if (code < 6000) {
            read_stream(&pieces, 1, 0);
            assert_string_equal(pieces.text, expected);
        }
    }
}

static void b17_a_close_reason_that_is_not_utf_8_is_a_violation_rfc_5_5_1(void **unused)
{
    (void)unused;
    begin_stream(true, 100);
    add_string(FIN | VT_OP_CLOSE, "\x03\xE8"
                                  "bad \xFF");
    check_items("violation 1007:a close reason that is not UTF-8 (RFC 6455 5.5.1)\n");
    begin_stream(true, 100);
    add_string(FIN | VT_OP_CLOSE, "\x03\xE8"
                                  "cut \xE2\x82");
    check_items("violation 1007:a close reason that is not UTF-8 (RFC 6455 5.5.1)\n");
    /* A bad code counts before a bad reason: it comes first. */
    begin_stream(true, 100);
    add_string(FIN | VT_OP_CLOSE, "\x03\xED"
                                  "bad \xFF");
    check_items("violation 1002:a close code that may not be sent (RFC 6455 7.4)\n");
}

/* ---------------------------------------------------------------------- memory */

static void what_arrives_whole_is_lent_where_it_lies(void **unused)
{
    vt_reader_rules rules = {.expect_masked = true, .message_bytes = 100};
    vt_reader reader;
    (void)unused;
    begin_stream(true, 100);
    add_string(FIN | VT_OP_TEXT, "text");
    add_string(FIN | VT_OP_PING, "ping");
    add_string(FIN | VT_OP_BINARY, "");
    memory.calls = 0;
    vt_reader_init(&reader, &rules);
    vt_input input = {stream.bytes, stream.size};
    vt_item item = vt_reader_next(&reader, &input);
    assert_ptr_equal(item.data, stream.bytes + 6);
    item = vt_reader_next(&reader, &input);
    assert_ptr_equal(item.data, stream.bytes + 10 + 6);
    item = vt_reader_next(&reader, &input);
    assert_int_equal(item.type, VT_ITEM_BINARY);
    assert_non_null(item.data);
    assert_int_equal(vt_reader_next(&reader, &input).type, VT_ITEM_NONE);
    assert_null(reader.assembly);
    assert_int_equal(memory.calls, 0);
    vt_reader_finish(&reader);
}

static void a_reader_between_messages_owns_nothing(void **unused)
{
    static const int firsts[] = {FIN | VT_OP_TEXT, FIN | VT_OP_PING};
    vt_reader_rules rules = {.expect_masked = true, .message_bytes = 100};
    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        vt_reader reader;
        begin_stream(true, 100);
        add_string(firsts[i], "cut in two");
        vt_reader_init(&reader, &rules);
        for (size_t cut = 1; cut < stream.size; cut++) {
            uint8_t copy[100];
            memcpy(copy, stream.bytes, stream.size);
            vt_input input = {copy, cut};
            assert_int_equal(vt_reader_next(&reader, &input).type, VT_ITEM_NONE);
            assert_non_null(reader.assembly);
            input = (vt_input){copy + cut, stream.size - cut};
            vt_item item = vt_reader_next(&reader, &input);
            assert_int_equal(item.size, 10);
            assert_memory_equal(item.data, "cut in two", 10);
            assert_int_equal(vt_reader_next(&reader, &input).type, VT_ITEM_NONE);
            assert_null(reader.assembly);
            assert_int_equal(memory.blocks, 0);
        }
        vt_reader_finish(&reader);
    }
}

static void an_empty_message_has_data_to_point_to_in_every_segmentation(void **unused)
{
    vt_reader_rules rules = {.expect_masked = true, .message_bytes = 100};
    (void)unused;
    begin_stream(true, 100);
    add_string(VT_OP_BINARY, "");
    add_string(FIN | VT_OP_CONTINUATION, "");
    for (size_t cut = 0; cut <= stream.size; cut++) {
        vt_reader reader;
        uint8_t copy[20];
        memcpy(copy, stream.bytes, stream.size);
        vt_reader_init(&reader, &rules);
        vt_input input = {copy, cut};
        vt_item item = vt_reader_next(&reader, &input);
        if (item.type == VT_ITEM_NONE) {
            input = (vt_input){copy + cut, stream.size - cut};
            item = vt_reader_next(&reader, &input);
        }
        assert_int_equal(item.type, VT_ITEM_BINARY);
        assert_int_equal(item.size, 0);
        assert_non_null(item.data);
        vt_reader_finish(&reader);
    }
}

static void an_item_outlives_its_input_until_the_next_call(void **unused)
{
    vt_reader_rules rules = {.expect_masked = true, .message_bytes = 100};
    vt_reader reader;
    uint8_t copy[100];
    (void)unused;
    begin_stream(true, 100);
    add_string(VT_OP_TEXT, "in ");
    add_string(FIN | VT_OP_CONTINUATION, "two");
    size_t after = stream.size;
    add_string(FIN | VT_OP_TEXT, "next");
    vt_reader_init(&reader, &rules);
    memcpy(copy, stream.bytes, stream.size);
    vt_input input = {copy, stream.size};
    vt_item item = vt_reader_next(&reader, &input);
    memset(copy, 0, after);
    assert_memory_equal(item.data, "in two", 6);
    item = vt_reader_next(&reader, &input);
    assert_memory_equal(item.data, "next", 4);
    assert_null(reader.assembly);
    vt_reader_finish(&reader);
}

/* Feeds the stream bit by bit and looks at the buffer after every bit. */
static void check_buffer(size_t step, size_t payload_total)
{
    vt_reader_rules rules = {.expect_masked = stream.masked, .message_bytes = stream.limit};
    vt_reader reader;
    size_t fed = 0, finished = 0;

    memory.calls = 0;
    memory.copied = 0;
    memory.buffer = 0;
    vt_reader_init(&reader, &rules);
    while (fed < stream.size) {
        size_t size = step < stream.size - fed ? step : stream.size - fed;
        vt_input input = {stream.bytes + fed, size};
        vt_item item = vt_reader_next(&reader, &input);
        fed += size;
        /* Of a stream of equal pieces, so much payload has come, give or take a
         * header. */
        size_t most = 2 * (payload_total * fed / stream.size + VT_FRAME_HEADER_MAX);
        if (most < SMALL_BUFFER)
            most = SMALL_BUFFER;
        if (most > stream.limit)
            most = stream.limit;
        if (reader.assembly != NULL && memory.buffer > most)
            fail_msg("a buffer of %zu bytes after %zu of the stream's, at most %zu", memory.buffer,
                     fed, most);
        if (item.type != VT_ITEM_NONE) {
            assert_int_equal(item.size, payload_total);
            finished++;
        }
    }
    assert_int_equal(finished, payload_total > 0);
    vt_reader_finish(&reader);
    assert_int_equal(memory.blocks, 0);
    /* Doubling moves less than everything once, and the allocator's rounding. */
    assert_true(memory.copied <= 2 * payload_total + 1024);
    assert_true(memory.calls <= 24);
}

static void b6_fragments_of_one_byte_by_the_hundred_thousand_cost_twice_their_size(void **unused)
{
    enum { COUNT = 131000 };
    static const size_t limits[] = {COUNT, COUNT + 1, 1 << 20, SIZE_MAX};
    (void)unused;
    for (size_t i = 0; i < 4; i++) {
        begin_stream(true, limits[i]);
        for (int n = 0; n < COUNT; n++)
            add_string((n == 0 ? VT_OP_TEXT : VT_OP_CONTINUATION) | (n == COUNT - 1 ? FIN : 0),
                       "x");
        check_buffer(7, COUNT);
    }
}

static void b7_what_came_is_moved_once_however_many_pieces_it_came_in(void **unused)
{
    (void)unused;
    for (size_t count = 1000; count <= 64000; count *= 4) {
        begin_stream(true, SIZE_MAX);
        for (size_t n = 0; n < count; n++)
            add_string((n == 0 ? VT_OP_TEXT : VT_OP_CONTINUATION) | (n == count - 1 ? FIN : 0),
                       "x");
        check_buffer(1, count); /* counts the bytes that were copied */
    }
}

static void a_message_in_one_frame_never_gets_more_than_its_size(void **unused)
{
    static uint8_t payload[5000];
    vt_reader_rules rules = {.expect_masked = false, .message_bytes = SIZE_MAX};
    (void)unused;
    for (size_t step = 1; step < 5000; step += 613) {
        vt_reader reader;
        begin_stream(false, SIZE_MAX);
        memory.buffer = 0;
        add_frame(FIN | VT_OP_BINARY, payload, sizeof(payload));
        vt_reader_init(&reader, &rules);
        for (size_t at = 0, size; at < stream.size; at += size) {
            size = step < stream.size - at ? step : stream.size - at;
            vt_input input = {stream.bytes + at, size};
            vt_reader_next(&reader, &input);
            if (reader.assembly != NULL)
                assert_in_range(memory.buffer, 0, sizeof(payload));
        }
        vt_reader_finish(&reader);
        check_buffer(step, sizeof(payload));
    }
}

static void an_announced_length_reserves_nothing_rfc_10_4(void **unused)
{
    static const uint64_t sizes[] = {1 << 20, UINT64_C(1) << 40, INT64_MAX};
    (void)unused;
    for (size_t i = 0; i < 3; i++) {
        for (int fin = 0; fin <= FIN; fin += FIN) {
            begin_stream(true, SIZE_MAX);
            add_header(fin | VT_OP_BINARY, sizes[i]);
            add_payload("some bytes of so many", 21);
            check_buffer(5, 0);
        }
    }
}

static void b8_fragments_of_no_bytes_cost_nothing(void **unused)
{
    (void)unused;
    begin_stream(true, 100);
    add_string(VT_OP_TEXT, "");
    for (int n = 0; n < 100000; n++)
        add_string(VT_OP_CONTINUATION, "");
    read_stream(&whole, STREAM_MAX, 0);
    memory.calls = 0;
    read_stream(&pieces, 1000, 0);
    assert_string_equal(pieces.text, "");
    assert_int_equal(memory.calls, 1); /* the assembly */
}

static void without_memory_the_connection_fails_with_1011_rfc_7_4_1(void **unused)
{
    static uint8_t payload[1000];
    int failing = 0, failed = 0;
    (void)unused;
    begin_stream(true, 2000);
    add_frame(VT_OP_BINARY, payload, 300);
    add_string(FIN | VT_OP_PING, "cut");
    add_frame(FIN | VT_OP_CONTINUATION, payload, 1000);
    for (size_t step = 1; step <= stream.size; step *= 4) {
        for (failing = 0; failing < 20; failing++) {
            memory.left = failing;
            read_stream(&pieces, step, 0);
            memory.left = INT_MAX;
            if (strstr(pieces.text, "violation") == NULL)
                break;
            assert_non_null(strstr(pieces.text, "violation 1011:out of memory (RFC 6455 7.4.1)\n"));
            failed++;
        }
        assert_true(failing < 20);
        assert_non_null(strstr(pieces.text, "binary 1300/"));
    }
    assert_true(failed > 10);
    /* What needs no memory is read without. */
    begin_stream(true, 100);
    add_string(FIN | VT_OP_TEXT, "whole");
    memory.left = 0;
    read_stream(&whole, STREAM_MAX, 0);
    memory.left = INT_MAX;
    assert_string_equal(whole.text, "text:whole\n");
}

static void finishing_accepts_null_and_zeroed_and_twice(void **unused)
{
    vt_reader_rules rules = {.expect_masked = true, .message_bytes = 100};
    vt_reader reader = {0};
    (void)unused;
    vt_reader_finish(NULL);
    vt_reader_finish(&reader);
    vt_reader_init(&reader, &rules);
    begin_stream(true, 100);
    add_string(VT_OP_TEXT, "never finished");
    vt_input input = {stream.bytes, stream.size};
    vt_reader_next(&reader, &input);
    vt_reader_finish(&reader);
    vt_reader_finish(&reader);
    assert_int_equal(memory.blocks, 0);
}

static void no_bytes_are_no_item(void **unused)
{
    vt_reader_rules rules = {.expect_masked = true, .message_bytes = 100};
    vt_reader reader;
    vt_input input = {NULL, 0};
    (void)unused;
    vt_reader_init(&reader, &rules);
    assert_int_equal(vt_reader_next(&reader, &input).type, VT_ITEM_NONE);
    assert_null(reader.assembly);
    vt_reader_finish(&reader);
}

/* ------------------------------------------------------------------ compression */

static void add_packed(int first, const char *text)
{
    vital_bytes packed = pack(text, strlen(text));
    add_frame(first | RSV1, packed.data, packed.size);
}

/* In fragments of so many bytes, with a ping before each but the first. */
static void add_packed_fragments(int opcode, const void *message, size_t size, size_t step)
{
    vital_bytes packed = pack(message, size);
    for (size_t at = 0; at < packed.size; at += step) {
        size_t now = step < packed.size - at ? step : packed.size - at;
        if (at > 0)
            add_string(FIN | VT_OP_PING, "");
        add_frame((at + now == packed.size ? FIN : 0) |
                      (at == 0 ? RSV1 | opcode : VT_OP_CONTINUATION),
                  (const uint8_t *)packed.data + at, now);
    }
}

static void compressed_messages_are_inflated_rfc_7692_6_2(void **unused)
{
    (void)unused;
    for (int masked = 0; masked < 2; masked++) {
        for (enum deflate deflate = DEFLATED; deflate <= CONTEXT; deflate++) {
            begin_stream(masked, 1000);
            agree(deflate);
            add_packed(FIN | VT_OP_TEXT, "Hello Hello Hello");
            add_packed(FIN | VT_OP_TEXT, "Hello Hello Hello");
            add_string(FIN | VT_OP_PING, "plain");
            add_packed(FIN | VT_OP_BINARY, "\xFF\xFE");
            add_packed_fragments(VT_OP_TEXT, "ab\xE2\x82\xAC", 5, 2);
            add_frame(FIN | RSV1 | VT_OP_TEXT, "\x00", 1); /* 7.2.3.6 */
            add_frame(FIN | RSV1 | VT_OP_BINARY, "", 0);
            check_segmentations(20);
            assert_non_null(strstr(whole.text, "text:Hello Hello Hello\ntext:Hello Hello Hello\n"
                                               "ping:plain\nbinary:<ff><fe>\nping:\n"));
            assert_non_null(strstr(whole.text, "ping:\ntext:ab<e2><82><ac>\ntext:\nbinary:\n"));
        }
    }
}

static void c3_a_plain_message_is_read_while_compression_is_agreed_on_rfc_7692_6(void **unused)
{
    (void)unused;
    begin_stream(true, 100);
    agree(CONTEXT);
    add_string(FIN | VT_OP_TEXT, "plain");
    add_packed(FIN | VT_OP_TEXT, "packed");
    add_string(VT_OP_TEXT, "plain ");
    add_string(FIN | VT_OP_CONTINUATION, "again");
    add_packed(FIN | VT_OP_TEXT, "packed");
    check_items("text:plain\ntext:packed\ntext:plain again\ntext:packed\n");
}

static void b20_only_a_messages_first_frame_is_marked_as_compressed_rfc_7692_6_1(void **unused)
{
    static const int controls[] = {VT_OP_PING, VT_OP_PONG, VT_OP_CLOSE};
    (void)unused;
    for (size_t i = 0; i < 3; i++) {
        begin_stream(true, 100);
        agree(DEFLATED);
        add_string(FIN | RSV1 | controls[i], "");
        check_violation_at(1, 1002, "a control frame that is marked as compressed (RFC 7692 6.1)");
    }
    for (int first = 0; first <= RSV1; first += RSV1) {
        begin_stream(true, 100);
        agree(DEFLATED);
        add_frame(first | VT_OP_TEXT, "\x00", 1);
        size_t before = stream.size;
        add_string(FIN | RSV1 | VT_OP_CONTINUATION, "");
        check_violation_at(before + 1, 1002, "a continuation that is marked as compressed");
    }
    /* The other two bits mean nothing, alone or with it. */
    for (int bits = RSV3; bits <= (RSV1 | RSV2 | RSV3); bits += RSV3) {
        begin_stream(true, 100);
        agree(DEFLATED);
        add_string(FIN | bits | VT_OP_TEXT, "");
        if (bits != RSV1)
            check_violation_at(1, 1002, "reserved bit without an extension (RFC 6455 5.2)");
    }
}

static void c7_what_is_no_deflate_data_fails_with_1007_rfc_7692_7_2_2(void **unused)
{
    (void)unused;
    begin_stream(true, 100);
    agree(DEFLATED);
    add_frame(FIN | RSV1 | VT_OP_BINARY, "\x00\x07zzzz", 6);
    check_violation_at(6 + 5, 1007, "not deflate data (RFC 7692 7.2.2)");
    /* Garbage behind good data. */
    begin_stream(true, 100);
    agree(DEFLATED);
    add_frame(FIN | RSV1 | VT_OP_BINARY, "\xf2\x48\xcd\xc9\xc9\x07\x00garbage", 14);
    check_items("violation 1007:a compressed message that is not deflate data (RFC 7692 7.2.2)\n");
    /* Cut inside a block: seen at the message's end. */
    begin_stream(true, 100);
    agree(DEFLATED);
    add_frame(RSV1 | VT_OP_BINARY, "\xf2\x48", 2);
    add_frame(FIN | VT_OP_CONTINUATION, "\xcd", 1);
    check_violation_at(stream.size, 1007, "cut short (RFC 7692 7.2.1)");
}

static void the_first_bad_character_fails_before_the_message_is_complete_rfc_8_1(void **unused)
{
    static const char bad[] = "0123456789\xFF and more of it, and more";
    (void)unused;
    begin_stream(true, 100);
    agree(DEFLATED);
    vital_bytes packed = pack(bad, sizeof bad - 1);
    add_header(FIN | RSV1 | VT_OP_TEXT, packed.size + 50);
    add_payload(packed.data, packed.size);
    size_t at = 1;
    while (at < stream.size && first_item(at).type == VT_ITEM_NONE)
        at++;
    assert_true(at < stream.size); /* with half of the message still to come */
    check_violation_at(at, 1007, "not UTF-8 (RFC 6455 8.1)");
    /* What is bad in the text counts before what is bad behind it. */
    begin_stream(true, 100);
    agree(DEFLATED);
    add_frame(FIN | RSV1 | VT_OP_TEXT, "\x00\x02\x00\xfd\xff\xff\xff\x07zzz", 11);
    check_items("violation 1007:text that is not UTF-8 (RFC 6455 8.1)\n");
    begin_stream(true, 100);
    agree(DEFLATED);
    add_packed(FIN | VT_OP_TEXT, "ab\xE2\x82");
    check_items("violation 1007:text that ends in the middle of a character (RFC 6455 8.1)\n");
}

static void c1_the_limit_is_for_what_a_message_inflates_to_rfc_10_4(void **unused)
{
    static char text[5000];
    (void)unused;
    memset(text, 'x', sizeof text);
    for (size_t size = 4998; size <= 5000; size++) {
        for (size_t fragment = 3; fragment <= 1000; fragment += 997) {
            begin_stream(true, 4999);
            agree(DEFLATED);
            add_packed_fragments(VT_OP_TEXT, text, size, fragment);
            check_segmentations(5);
            if (size <= 4999)
                assert_non_null(strstr(whole.text, "text 4"));
            else
                assert_non_null(strstr(whole.text, "violation 1009:a message above the limit"));
        }
    }
}

static void c1_a_bomb_costs_no_more_than_the_limit(void **unused)
{
    enum { LIMIT = 100000, BOMB = 1 << 20 };
    static char zeros[BOMB];
    vt_reader_rules rules = {.expect_masked = true, .message_bytes = LIMIT};
    (void)unused;
    for (size_t step = 1; step <= STREAM_MAX; step *= 16) {
        begin_stream(true, LIMIT);
        agree(DEFLATED);
        add_packed_fragments(VT_OP_BINARY, zeros, BOMB, BOMB);
        end_packing();
        vt_reader reader;
        vt_inflater inflater;
        vt_item item = {0};
        init_reader(&reader, &rules, &inflater);
        memory.buffer = 0;
        size_t at = 0;
        while (item.type == VT_ITEM_NONE && at < stream.size) {
            size_t size = step < stream.size - at ? step : stream.size - at;
            vt_input input = {stream.bytes + at, size};
            item = vt_reader_next(&reader, &input);
            assert_in_range(memory.buffer, 0, LIMIT);
            at += size - input.size;
        }
        assert_int_equal(item.code, 1009);
        vt_reader_finish(&reader);
        vt_inflater_finish(&inflater);
        assert_int_equal(memory.blocks, 0);
    }
}

static void deflate_data_that_give_nothing_are_bounded_too(void **unused)
{
    static const uint64_t huge[] = {3025, UINT64_C(1) << 32, INT64_MAX};
    (void)unused;
    for (size_t i = 0; i < 3; i++) {
        begin_stream(true, 1000);
        agree(DEFLATED);
        add_header(FIN | RSV1 | VT_OP_BINARY, huge[i]);
        check_violation_at(stream.size - KEY_BYTES, 1009, "above the limit");
    }
    begin_stream(true, 1000);
    agree(DEFLATED);
    add_frame(RSV1 | VT_OP_BINARY, "\x00\x00\x00\xff\xff", 5);
    for (int i = 0; i < 700; i++)
        add_frame(VT_OP_CONTINUATION, "\x00\x00\x00\xff\xff", 5);
    check_segmentations(3);
    assert_string_equal(whole.text,
                        "violation 1009:a message above the limit (RFC 6455 7.4.1, 10.4)\n");
}

static void what_is_inflated_outlives_its_input_and_then_nothing_is_kept(void **unused)
{
    vt_reader_rules rules = {.expect_masked = true, .message_bytes = 100};
    (void)unused;
    begin_stream(true, 100);
    agree(DEFLATED);
    add_packed(FIN | VT_OP_TEXT, "cut in two");
    end_packing();
    for (size_t cut = 1; cut <= stream.size; cut++) {
        uint8_t copy[100];
        vt_reader reader;
        vt_inflater inflater;
        memcpy(copy, stream.bytes, stream.size);
        init_reader(&reader, &rules, &inflater);
        vt_input input = {copy, cut};
        vt_item item = vt_reader_next(&reader, &input);
        if (cut < stream.size) {
            assert_int_equal(item.type, VT_ITEM_NONE);
            input = (vt_input){copy + cut, stream.size - cut};
            item = vt_reader_next(&reader, &input);
        }
        memset(copy, 0, sizeof copy);
        assert_int_equal(item.size, 10);
        assert_memory_equal(item.data, "cut in two", 10);
        vt_reader_release(&reader);
        assert_null(reader.assembly);
        assert_null(inflater.own);
        assert_int_equal(memory.blocks, 0);
    }
}

static void d7_inflating_without_memory_fails_with_1011_rfc_7_4_1(void **unused)
{
    static uint8_t payload[3000];
    int failed = 0;
    (void)unused;
    begin_stream(true, 10000);
    agree(DEFLATED);
    add_packed_fragments(VT_OP_BINARY, payload, sizeof payload, 7);
    end_packing();
    for (size_t step = 1; step <= stream.size; step *= 4) {
        int failing = 0;
        for (; failing < 30; failing++) {
            memory.left = failing;
            read_stream(&pieces, step, 0);
            memory.left = INT_MAX;
            if (strstr(pieces.text, "violation") == NULL)
                break;
            assert_non_null(strstr(pieces.text, "violation 1011:out of memory (RFC 6455 7.4.1)\n"));
            failed++;
        }
        assert_true(failing < 30);
        assert_non_null(strstr(pieces.text, "binary 3000/"));
    }
    assert_true(failed > 10);
}

/* ----------------------------------------------------------------------- pieces */

/* As it is read in pieces, against the stream read whole. */
static size_t check_pieces(void)
{
    size_t most = 0;
    stream.pieces = false;
    read_stream(&whole, STREAM_MAX, 0);
    stream.pieces = true;
    for (size_t step = 1; step < 400; step = step * 2 + 1) {
        read_stream(&pieces, step, 0);
        assert_string_equal(pieces.text, whole.text);
        most = pieces.most_pieces > most ? pieces.most_pieces : most;
    }
    read_stream(&pieces, STREAM_MAX, 0);
    assert_string_equal(pieces.text, whole.text);
    return most;
}

static void pieces_are_the_message_cut_as_it_came(void **unused)
{
    static char text[5000];
    (void)unused;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i * i % 25);
    for (enum deflate deflate = PLAIN; deflate <= CONTEXT; deflate++) {
        begin_stream(true, 5000);
        agree(deflate);
        add_frame(FIN | VT_OP_TEXT, text, sizeof text);
        add_frame(VT_OP_BINARY, text, 1000);
        add_string(FIN | VT_OP_PING, "between");
        add_frame(VT_OP_CONTINUATION, text, 0);
        add_frame(VT_OP_CONTINUATION, text, 4000);
        add_frame(FIN | VT_OP_CONTINUATION, text, 0);
        if (deflate != PLAIN)
            add_packed_fragments(VT_OP_TEXT, text, sizeof text, 300);
        add_string(FIN | VT_OP_TEXT, "");
        assert_true(check_pieces() > 10);
    }
}

static void what_is_as_small_as_a_beat_comes_whole_in_any_pieces(void **unused)
{
    char text[VT_WHOLE_BYTES + 1];
    (void)unused;
    memset(text, 'x', sizeof text);
    begin_stream(true, 1000);
    add_frame(FIN | VT_OP_TEXT, text, VT_WHOLE_BYTES);
    add_frame(VT_OP_TEXT, text, 1);
    add_frame(VT_OP_CONTINUATION, text, 100);
    add_frame(FIN | VT_OP_CONTINUATION, text, VT_WHOLE_BYTES - 101);
    assert_int_equal(check_pieces(), 1);
    begin_stream(true, 1000);
    add_frame(VT_OP_TEXT, text, VT_WHOLE_BYTES + 1);
    add_frame(FIN | VT_OP_CONTINUATION, text, 0);
    assert_int_equal(check_pieces(), 2); /* the end of it comes by itself */
}

static void the_limit_is_for_all_pieces_together_rfc_10_4(void **unused)
{
    static char text[3000];
    (void)unused;
    memset(text, 'x', sizeof text);
    for (enum deflate deflate = PLAIN; deflate <= DEFLATED; deflate++) {
        for (size_t limit = 2999; limit <= 3000; limit++) {
            begin_stream(true, limit);
            agree(deflate);
            if (deflate == PLAIN) {
                for (int i = 0; i < 10; i++)
                    add_frame(i == 0 ? VT_OP_TEXT : VT_OP_CONTINUATION, text, 300);
                add_frame(FIN | VT_OP_CONTINUATION, text, 0);
            } else {
                add_packed_fragments(VT_OP_TEXT, text, 3000, 4);
            }
            check_pieces();
            assert_int_equal(strstr(whole.text, "1009") != NULL, limit == 2999);
        }
    }
}

static void bad_text_fails_in_the_piece_in_which_it_is_rfc_8_1(void **unused)
{
    static char text[1000];
    (void)unused;
    memset(text, 'x', sizeof text);
    memcpy(text + 500, "\xE2\x82\xAC", 3); /* cut anywhere: the text goes on with the next piece */
    begin_stream(true, 1000);
    add_frame(FIN | VT_OP_TEXT, text, sizeof text);
    assert_true(check_pieces() > 1);
    text[999] = (char)0xFF;
    begin_stream(true, 1000);
    add_frame(FIN | VT_OP_TEXT, text, sizeof text);
    check_pieces();
    assert_string_equal(pieces.text, "violation 1007:text that is not UTF-8 (RFC 6455 8.1)\n");
}

static void a_piece_costs_no_more_than_what_has_come_with_it(void **unused)
{
    vt_reader_rules rules = {.expect_masked = true, .message_bytes = STREAM_MAX, .pieces = true};
    static uint8_t payload[STREAM_MAX - 100];
    vt_reader reader;
    (void)unused;
    begin_stream(true, STREAM_MAX);
    add_frame(FIN | VT_OP_BINARY, payload, sizeof payload);
    vt_reader_init(&reader, &rules);
    memory.buffer = 0;
    size_t got = 0;
    for (size_t at = 0; at < stream.size; at += 1000) {
        vt_input input = {stream.bytes + at, stream.size - at < 1000 ? stream.size - at : 1000};
        vt_item item = vt_reader_next(&reader, &input);
        got += item.size;
        assert_in_range(memory.buffer, 0, 2000);
        assert_int_equal(vt_reader_next(&reader, &input).type, VT_ITEM_NONE);
    }
    assert_int_equal(got, sizeof payload);
    vt_reader_finish(&reader);
}

/* -------------------------------------------------------------- any stream at all */

static uint64_t seed;

/* 0 .. below - 1 */
static size_t any(size_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (size_t)(seed >> 33) % below;
}

/* Text of that size at most, mostly good. */
static size_t any_text(uint8_t *out, size_t room)
{
    static const char *const pieces_of_text[] = {
        "a", "hello ", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "0123456789012345678901234",
    };
    size_t size = 0;
    for (;;) {
        const char *piece = pieces_of_text[any(6)];
        size_t length = strlen(piece);
        if (size + length > room)
            break;
        memcpy(out + size, piece, length);
        size += length;
    }
    if (size > 0 && any(12) == 0)
        out[any(size)] = (uint8_t)any(256);
    return size;
}

/* A message in up to four fragments, cut without regard for characters, and
 * with control frames between them. */
static void add_any_message(void)
{
    uint8_t text[400] = {0};
    size_t size = any_text(text, any(4) == 0 ? any(sizeof(text)) : any(40));
    int opcode = any(3) == 0 ? VT_OP_BINARY : VT_OP_TEXT;
    size_t fragments = any(3) == 0 ? 1 + any(4) : 1;
    size_t at = 0;
    const uint8_t *payload = text;

    if (stream.deflate != PLAIN && size > 0 && any(3) > 0) {
        vital_bytes packed = pack(text, size);
        payload = packed.data;
        size = packed.size;
        opcode |= RSV1;
    }
    for (size_t i = 1; i <= fragments; i++) {
        size_t end = i == fragments ? size : at + any(size - at + 1);
        int rsv = any(150) == 0 ? 0x10 << any(3) : 0;
        add_frame((i == fragments ? FIN : 0) | rsv | opcode, payload + at, end - at);
        at = end;
        opcode = any(100) == 0 ? VT_OP_TEXT : VT_OP_CONTINUATION;
        while (any(3) == 0) /* of the text's bytes, which are as good as any */
            add_frame(FIN | (any(2) ? VT_OP_PING : VT_OP_PONG), text, any(10) ? any(10) : any(126));
    }
}

static void add_any_frame(void)
{
    static const uint16_t codes[] = {1000, 1001, 1005, 999, 3000, 4999, 5000};
    uint8_t payload[60];

    switch (any(60)) {
    case 0: { /* any close */
        uint16_t code = codes[any(7)];
        payload[0] = (uint8_t)(code >> 8);
        payload[1] = (uint8_t)code;
        size_t size = any_text(payload + 2, any(50));
        add_frame(FIN | VT_OP_CLOSE, payload, any(4) == 0 ? any(3) : size + 2);
        return;
    }
    case 1: /* any bytes */
        for (size_t i = 0; i < sizeof(payload); i++)
            payload[i] = (uint8_t)any(256);
        add_bytes(payload, 1 + any(sizeof(payload)));
        return;
    case 2: /* masked or not, the wrong way round */
        stream.masked = !stream.masked;
        add_string(FIN | VT_OP_TEXT, "x");
        stream.masked = !stream.masked;
        return;
    case 3: /* too large */
        add_header(FIN | VT_OP_BINARY, stream.limit + 1 + any(1000000));
        return;
    case 4:
        add_string(FIN | VT_OP_CONTINUATION, "of nothing");
        return;
    default:
        add_any_message();
    }
}

static void b18_the_same_bytes_give_the_same_items_in_every_segmentation_rfc_5_4(void **unused)
{
    size_t violations = 0, closes = 0, texts = 0;
    (void)unused;
    for (uint64_t round = 1; round <= 900; round++) {
        seed = round;
        begin_stream(round % 2 == 0, any(5) == 0 ? 300 : 1000);
        agree((enum deflate)(round % 3));
        for (size_t frames = 1 + any(25); frames > 0; frames--)
            add_any_frame();
        if (any(3) == 0)
            stream.size -= any(stream.size); /* the stream ends anywhere */
        check_segmentations(12);
        check_pieces();
        violations += strstr(whole.text, "violation") != NULL;
        closes += strstr(whole.text, "close") != NULL;
        texts += strstr(whole.text, "text:") != NULL;
    }
    /* The streams are such that the comparison means something. */
    assert_true(violations > 150 && violations < 750);
    assert_true(closes > 30 && texts > 600);
}

/* As above, with a good stream in which a few bits have been turned. */
static void b21_turned_bits_give_the_same_items_in_every_segmentation(void **unused)
{
    (void)unused;
    for (uint64_t round = 1; round <= 600; round++) {
        seed = round + 1000000;
        begin_stream(round % 2 == 0, 1000);
        agree((enum deflate)(round % 3));
        for (size_t frames = 1 + any(6); frames > 0; frames--)
            add_any_message();
        for (size_t turns = 1 + any(3); turns > 0; turns--)
            stream.bytes[any(stream.size)] ^= (uint8_t)(1 << any(8));
        check_segmentations(8);
    }
}

/* All that zlib keeps in what is shared is there before anything is counted. */
static int warm_up(void **unused)
{
    static const uint8_t hello[] = {0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00};
    uint8_t out[10];
    (void)unused;
    if (vital_compressor_create(&shared) != 0)
        return -1;
    agree(DEFLATED);
    static uint8_t large[BLOCK_PACKED_MAX];
    pack(large, sizeof large);
    vt_inflater inflater = agreed_inflater();
    if (!vt_inflater_begin(&inflater, true))
        return -1;
    vt_inflate_step step = {
        .in = hello, .in_size = sizeof hello, .last = true, .out = out, .room = sizeof out};
    int problem = vt_inflate(&inflater, &step) == VT_INFLATED_DONE ? 0 : -1;
    memset(memory.alive, 0, sizeof memory.alive);
    memory.blocks = 0;
    return problem;
}

static int cool_down(void **unused)
{
    (void)unused;
    vt_deflater_finish(&packer);
    vital_compressor_destroy(shared);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_and_control_frames_come_out_as_they_went_in_rfc_5_6),
        cmocka_unit_test(frames_of_every_length_form_are_read_rfc_5_2),
        cmocka_unit_test(fragments_are_put_together_rfc_5_4),
        cmocka_unit_test(fragments_of_no_bytes_are_legal_rfc_5_4),
        cmocka_unit_test(control_frames_come_out_between_fragments_rfc_5_4),
        cmocka_unit_test(a_ping_inside_a_message_does_not_wait_for_its_end_rfc_5_5_2),
        cmocka_unit_test(every_control_payload_up_to_125_bytes_is_read_rfc_5_5),
        cmocka_unit_test(a_close_without_payload_has_no_code_rfc_7_1_5),
        cmocka_unit_test(a_close_reason_may_have_123_bytes_of_utf_8_rfc_5_5_1),
        cmocka_unit_test(the_text_may_be_cut_inside_a_character_by_fragments_rfc_8_1),
        cmocka_unit_test(binary_data_is_not_text_rfc_5_6),
        cmocka_unit_test(a_reserved_bit_is_a_violation_rfc_5_2),
        cmocka_unit_test(an_unknown_opcode_is_a_violation_rfc_5_2),
        cmocka_unit_test(b14_an_unmasked_frame_from_a_client_is_a_violation_rfc_5_1),
        cmocka_unit_test(b14_a_masked_frame_from_a_server_is_a_violation_rfc_5_1),
        cmocka_unit_test(b12_a_fragmented_ping_is_a_violation_rfc_5_5),
        cmocka_unit_test(b12_a_ping_of_126_bytes_is_a_violation_rfc_5_5),
        cmocka_unit_test(a_length_not_in_its_shortest_form_is_a_violation_rfc_5_2),
        cmocka_unit_test(a_length_above_63_bits_is_a_violation_rfc_5_2),
        cmocka_unit_test(the_first_byte_is_judged_before_the_second_rfc_5_2),
        cmocka_unit_test(a_continuation_of_nothing_is_a_violation_rfc_5_4),
        cmocka_unit_test(a_new_message_inside_a_fragmented_one_is_a_violation_rfc_5_4),
        cmocka_unit_test(a_message_of_the_limit_is_read_and_one_more_byte_is_not_rfc_7_4_1),
        cmocka_unit_test(b5_fragments_count_together_rfc_10_4),
        cmocka_unit_test(b2_what_is_here_and_what_is_announced_do_not_wrap_around),
        cmocka_unit_test(b1_a_huge_length_is_refused_before_any_payload_rfc_10_4),
        cmocka_unit_test(half_a_length_is_not_judged_rfc_5_2),
        cmocka_unit_test(b16_bad_text_fails_at_its_first_bad_byte_rfc_8_1),
        cmocka_unit_test(text_that_ends_inside_a_character_is_a_violation_rfc_8_1),
        cmocka_unit_test(b17_a_close_of_one_byte_is_a_violation_rfc_5_5_1),
        cmocka_unit_test(b17_only_codes_that_may_be_sent_are_taken_in_a_close_rfc_7_4),
        cmocka_unit_test(b17_a_close_reason_that_is_not_utf_8_is_a_violation_rfc_5_5_1),
        cmocka_unit_test(what_arrives_whole_is_lent_where_it_lies),
        cmocka_unit_test(a_reader_between_messages_owns_nothing),
        cmocka_unit_test(an_empty_message_has_data_to_point_to_in_every_segmentation),
        cmocka_unit_test(an_item_outlives_its_input_until_the_next_call),
        cmocka_unit_test(b6_fragments_of_one_byte_by_the_hundred_thousand_cost_twice_their_size),
        cmocka_unit_test(b7_what_came_is_moved_once_however_many_pieces_it_came_in),
        cmocka_unit_test(a_message_in_one_frame_never_gets_more_than_its_size),
        cmocka_unit_test(an_announced_length_reserves_nothing_rfc_10_4),
        cmocka_unit_test(b8_fragments_of_no_bytes_cost_nothing),
        cmocka_unit_test(without_memory_the_connection_fails_with_1011_rfc_7_4_1),
        cmocka_unit_test(finishing_accepts_null_and_zeroed_and_twice),
        cmocka_unit_test(no_bytes_are_no_item),
        cmocka_unit_test(compressed_messages_are_inflated_rfc_7692_6_2),
        cmocka_unit_test(c3_a_plain_message_is_read_while_compression_is_agreed_on_rfc_7692_6),
        cmocka_unit_test(b20_only_a_messages_first_frame_is_marked_as_compressed_rfc_7692_6_1),
        cmocka_unit_test(c7_what_is_no_deflate_data_fails_with_1007_rfc_7692_7_2_2),
        cmocka_unit_test(the_first_bad_character_fails_before_the_message_is_complete_rfc_8_1),
        cmocka_unit_test(c1_the_limit_is_for_what_a_message_inflates_to_rfc_10_4),
        cmocka_unit_test(c1_a_bomb_costs_no_more_than_the_limit),
        cmocka_unit_test(deflate_data_that_give_nothing_are_bounded_too),
        cmocka_unit_test(what_is_inflated_outlives_its_input_and_then_nothing_is_kept),
        cmocka_unit_test(d7_inflating_without_memory_fails_with_1011_rfc_7_4_1),
        cmocka_unit_test(pieces_are_the_message_cut_as_it_came),
        cmocka_unit_test(what_is_as_small_as_a_beat_comes_whole_in_any_pieces),
        cmocka_unit_test(the_limit_is_for_all_pieces_together_rfc_10_4),
        cmocka_unit_test(bad_text_fails_in_the_piece_in_which_it_is_rfc_8_1),
        cmocka_unit_test(a_piece_costs_no_more_than_what_has_come_with_it),
        cmocka_unit_test(b18_the_same_bytes_give_the_same_items_in_every_segmentation_rfc_5_4),
        cmocka_unit_test(b21_turned_bits_give_the_same_items_in_every_segmentation),
    };
    return cmocka_run_group_tests(tests, warm_up, cool_down);
}
