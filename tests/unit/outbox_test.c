/*
 * The outbox, heard by a small receiver that was written from RFC 6455 alone: it
 * takes the written bytes one by one, fails on what is not a legal stream of
 * frames, and writes down what came. The file is long because the receiver is in
 * it: it must share nothing with the code that it judges.
 */
#include "outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

/* The linker puts this between the outbox and the C library (--wrap). */
static bool memory_is_gone;
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    return memory_is_gone ? NULL : __real_calloc(count, size);
}

/* --------------------------------------------------------------- the receiver */

enum { LOG_MAX = 4096, FRAME_OVERHEAD_MAX = 14, CONTROL_MAX = 125 };

/* One frame that came whole. */
struct seen {
    uint8_t opcode;
    bool fin;
    uint64_t begin; /* of its header in the stream */
    size_t size;
};

struct receiver {
    bool masked; /* what the role of the sender demands */
    uint64_t position;
    /* the frame in progress */
    uint8_t header[FRAME_OVERHEAD_MAX];
    size_t header_size;
    size_t header_want;
    uint64_t frame_begin;
    uint64_t payload_size, payload_got;
    uint8_t *payload; /* of the frame */
    /* the message in progress */
    uint8_t message_opcode; /* 0: none */
    uint8_t *message;
    size_t message_size;
    bool compressed;
    /* compression is agreed on, as RFC 7692 has it; NULL: it is not */
    z_stream *zlib;
    bool context_takeover;
    size_t compressed_count; /* messages that were */
    /* what came */
    struct seen log[LOG_MAX];
    size_t count;
    bool closed;
    uint8_t last_key[4];
    /* called for a whole message and for a whole control frame */
    void (*take)(void *arg, uint8_t opcode, const uint8_t *data, size_t size);
    void *arg;
};

static void forget_progress(struct receiver *receiver)
{
    free(receiver->payload);
    free(receiver->message);
    receiver->payload = NULL;
    receiver->message = NULL;
    receiver->message_size = 0;
    receiver->message_opcode = 0;
    receiver->header_size = 0;
    receiver->header_want = 2;
    receiver->payload_got = 0;
    if (receiver->zlib != NULL)
        inflateReset(receiver->zlib);
}

static struct receiver *receiver_create(bool masked)
{
    struct receiver *receiver = calloc(1, sizeof *receiver);

    assert_non_null(receiver);
    receiver->masked = masked;
    forget_progress(receiver);
    return receiver;
}

static void receiver_destroy(struct receiver *receiver)
{
    forget_progress(receiver);
    if (receiver->zlib != NULL)
        inflateEnd(receiver->zlib);
    free(receiver->zlib);
    free(receiver);
}

/* RFC 7692 7.2.2 */
static void inflate_message(struct receiver *receiver)
{
    enum { ROOM = 1 << 20 };
    z_stream *zlib = receiver->zlib;
    uint8_t *plain = malloc(ROOM);

    assert_non_null(plain);
    receiver->message = realloc(receiver->message, receiver->message_size + 4);
    assert_non_null(receiver->message);
    memcpy(receiver->message + receiver->message_size, "\x00\x00\xff\xff", 4);
    if (!receiver->context_takeover)
        inflateReset(zlib);
    zlib->next_in = receiver->message;
    zlib->avail_in = (uInt)receiver->message_size + 4;
    zlib->next_out = plain;
    zlib->avail_out = ROOM;
    assert_int_equal(inflate(zlib, Z_SYNC_FLUSH), Z_OK);
    assert_int_equal(zlib->avail_in, 0);
    free(receiver->message);
    receiver->message = plain;
    receiver->message_size = ROOM - zlib->avail_out;
    receiver->compressed_count++;
}

static void agree_on_compression(struct receiver *receiver, int bits, bool context_takeover)
{
    receiver->zlib = calloc(1, sizeof *receiver->zlib);
    assert_non_null(receiver->zlib);
    assert_int_equal(inflateInit2(receiver->zlib, -bits), Z_OK);
    receiver->context_takeover = context_takeover;
}

static void end_frame(struct receiver *receiver)
{
    const uint8_t opcode = receiver->header[0] & 0x0F;
    const bool fin = (receiver->header[0] & 0x80) != 0;
    const size_t size = (size_t)receiver->payload_size;

    if (receiver->masked) {
        memcpy(receiver->last_key, receiver->header + receiver->header_want - 4, 4);
        for (size_t i = 0; i < size; i++)
            receiver->payload[i] ^= receiver->last_key[i % 4];
    }
    assert_true(receiver->count < LOG_MAX);
    receiver->log[receiver->count++] = (struct seen){opcode, fin, receiver->frame_begin, size};
    receiver->header_size = 0;
    receiver->header_want = 2;
    receiver->payload_got = 0;

    if (opcode >= 8) {
        receiver->closed = opcode == 8;
        if (receiver->take != NULL)
            receiver->take(receiver->arg, opcode, receiver->payload, size);
    } else {
        receiver->message_opcode = opcode != 0 ? opcode : receiver->message_opcode;
        receiver->message = realloc(receiver->message, receiver->message_size + size + 1);
        assert_non_null(receiver->message);
        memcpy(receiver->message + receiver->message_size, receiver->payload, size);
        receiver->message_size += size;
        if (fin) {
            if (receiver->compressed)
                inflate_message(receiver);
            if (receiver->take != NULL)
                receiver->take(receiver->arg, receiver->message_opcode, receiver->message,
                               receiver->message_size);
            receiver->message_opcode = 0;
            receiver->message_size = 0;
        }
    }
    free(receiver->payload);
    receiver->payload = NULL;
}

/* RFC 6455 5.2, 5.4, 5.5 */
static void judge_header(struct receiver *receiver)
{
    const uint8_t *header = receiver->header;
    const uint8_t opcode = header[0] & 0x0F;
    const bool fin = (header[0] & 0x80) != 0;
    const uint8_t length = header[1] & 0x7F;
    uint64_t size = length;

    /* RFC 7692 6.1: RSV1 is for the first frame of a message. */
    const bool begins = opcode == 1 || opcode == 2;
    assert_int_equal(header[0] & (receiver->zlib != NULL && begins ? 0x30 : 0x70), 0);
    if (begins)
        receiver->compressed = (header[0] & 0x40) != 0;
    assert_int_equal((header[1] & 0x80) != 0, receiver->masked);
    assert_true(opcode <= 2 || (opcode >= 8 && opcode <= 10));
    if (length >= 126) {
        size = 0;
        for (int i = 0; i < (length == 126 ? 2 : 8); i++)
            size = size << 8 | header[2 + i];
        assert_true(size >= (length == 126 ? 126 : 65536)); /* the shortest form */
    }
    if (opcode >= 8) {
        assert_true(fin);
        assert_true(size <= CONTROL_MAX);
    } else {
        assert_true((opcode == 0) == (receiver->message_opcode != 0));
        receiver->message_opcode = opcode != 0 ? opcode : receiver->message_opcode;
    }
    receiver->payload_size = size;
    receiver->payload = malloc((size_t)size + 1);
    assert_non_null(receiver->payload);
}

static void hear_byte(struct receiver *receiver, uint8_t byte)
{
    assert_false(receiver->closed); /* RFC 6455 5.5.1: nothing after a close frame */
    if (receiver->header_size < receiver->header_want) {
        if (receiver->header_size == 0)
            receiver->frame_begin = receiver->position;
        receiver->header[receiver->header_size++] = byte;
        if (receiver->header_size == 2) {
            const uint8_t length = byte & 0x7F;
            receiver->header_want = length == 126 ? 4 : length == 127 ? 10 : 2;
            receiver->header_want += receiver->masked ? 4 : 0;
        }
        if (receiver->header_size == receiver->header_want)
            judge_header(receiver);
    } else {
        receiver->payload[receiver->payload_got++] = byte;
    }
    receiver->position++;
    if (receiver->header_size == receiver->header_want &&
        receiver->payload_got == receiver->payload_size)
        end_frame(receiver);
}

static void hear(struct receiver *receiver, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hear_byte(receiver, ((const uint8_t *)data)[i]);
}

/* ------------------------------------------------------------------- helpers */

static uint64_t draw(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void fill(void *source, void *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)out)[i] = (uint8_t)draw(source);
}

static uint64_t mask_state = 99;
static const vital_entropy mask = {fill, &mask_state};

static const vt_outbox_frames as_server = {.open = true};
static const vt_outbox_frames as_client = {.open = true, .mask = &mask};
static const vt_outbox_frames holding = {.open = true, .hold_messages = true};
static const vt_outbox_frames not_open = {.open = false};

/* Writes at most `limit` bytes of what is pending; true if a beat left. */
static vt_outbox_left write_some(vt_outbox *outbox, const vt_outbox_frames *frames,
                                 struct receiver *receiver, size_t limit)
{
    const vital_bytes bytes = vt_outbox_pending(outbox, frames);
    const size_t size = bytes.size < limit ? bytes.size : limit;

    hear(receiver, bytes.data, size);
    return vt_outbox_written(outbox, size);
}

static void write_all(vt_outbox *outbox, const vt_outbox_frames *frames, struct receiver *receiver)
{
    for (;;) {
        const vital_bytes bytes = vt_outbox_pending(outbox, frames);
        if (bytes.size == 0)
            return;
        hear(receiver, bytes.data, bytes.size);
        vt_outbox_written(outbox, bytes.size);
    }
}

/* "T12 B3 c4!": opcode and size of each frame that came, ! for FIN. */
static const char *story(const struct receiver *receiver)
{
    static char text[2048];
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < receiver->count; i++) {
        const struct seen *seen = &receiver->log[i];
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s%zu%s", i > 0 ? " " : "",
                                 seen->opcode == 0    ? "cont"
                                 : seen->opcode == 1  ? "text"
                                 : seen->opcode == 2  ? "bin"
                                 : seen->opcode == 8  ? "close"
                                 : seen->opcode == 9  ? "ping"
                                 : seen->opcode == 10 ? "pong"
                                                      : "?",
                                 seen->size, seen->fin ? "" : "+");
        assert_true(used < sizeof text);
    }
    return text;
}

static void add_message(vt_outbox *outbox, size_t size)
{
    uint8_t *bytes = calloc(1, size + 1);

    assert_non_null(bytes);
    assert_int_equal(vt_outbox_message(outbox, VITAL_BINARY, (vital_bytes){bytes, size}), 0);
    free(bytes);
}

static void assert_idle(const vt_outbox *outbox)
{
    assert_true(vt_outbox_empty(outbox));
    assert_null(outbox->wire);
    assert_null(outbox->first);
    assert_null(outbox->last);
    assert_null(outbox->framing);
    assert_int_equal(outbox->queued_bytes, 0);
}

static const vital_bytes none = {NULL, 0};

static vital_compressor *shared;

static int create_shared(void **state)
{
    (void)state;
    return vital_compressor_create(&shared);
}

static int destroy_shared(void **state)
{
    (void)state;
    vital_compressor_destroy(shared);
    return 0;
}

/* ------------------------------------------------------------------- messages */

static void a_small_message_is_one_frame_byte_for_byte_rfc_6455_5_7(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_outbox_init(&outbox);
    assert_idle(&outbox);

    assert_int_equal(vt_outbox_message(&outbox, VITAL_TEXT, vital_text("Hello")), 0);
    assert_false(vt_outbox_empty(&outbox));
    assert_int_equal(outbox.queued_bytes, 5);
    const vital_bytes bytes = vt_outbox_pending(&outbox, &as_server);
    static const uint8_t expected[] = {0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F};
    assert_int_equal(bytes.size, sizeof expected);
    assert_memory_equal(bytes.data, expected, sizeof expected);
    vt_outbox_written(&outbox, bytes.size);
    assert_int_equal(outbox.accepted, 1);
    assert_int_equal(outbox.written, 1);
    assert_idle(&outbox);
    vt_outbox_finish(&outbox);
}

static void an_empty_message_is_a_frame_too(void **state)
{
    (void)state;
    vt_outbox outbox;
    struct receiver *receiver = receiver_create(true);
    vt_outbox_init(&outbox);

    assert_int_equal(vt_outbox_message(&outbox, VITAL_TEXT, none), 0);
    assert_int_equal(vt_outbox_message(&outbox, VITAL_BINARY, vital_text("")), 0);
    assert_false(vt_outbox_empty(&outbox));
    write_all(&outbox, &as_client, receiver);
    assert_string_equal(story(receiver), "text0 bin0");
    assert_int_equal(outbox.written, 2);
    assert_idle(&outbox);
    receiver_destroy(receiver);
}

static void a_large_message_is_cut_into_fragments_rfc_6455_5_4(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        const char *story;
    } cases[] = {
        {16383, "bin16383"},
        {16384, "bin16384"},
        {16385, "bin16384+ cont1"},
        {32768, "bin16384+ cont16384"},
        {40000, "bin16384+ cont16384+ cont7232"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vt_outbox outbox;
        struct receiver *receiver = receiver_create(false);
        vt_outbox_init(&outbox);
        add_message(&outbox, cases[i].size);
        write_all(&outbox, &as_server, receiver);
        assert_string_equal(story(receiver), cases[i].story);
        assert_int_equal(outbox.written, 1);
        assert_idle(&outbox);
        receiver_destroy(receiver);
    }
}

static void small_messages_share_a_wire_up_to_a_fragment(void **state)
{
    (void)state;
    vt_outbox outbox;
    struct receiver *receiver = receiver_create(false);
    vt_outbox_init(&outbox);

    for (int i = 0; i < 1000; i++)
        add_message(&outbox, 100);
    const vital_bytes bytes = vt_outbox_pending(&outbox, &as_server);
    assert_in_range(bytes.size, VT_FRAGMENT_BYTES - 200, VT_FRAGMENT_BYTES);
    write_all(&outbox, &as_server, receiver);
    assert_int_equal(receiver->count, 1000);
    assert_idle(&outbox);
    receiver_destroy(receiver);
}

static void pending_bytes_stay_where_they_are_until_written(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_outbox_init(&outbox);

    add_message(&outbox, 1000);
    const vital_bytes before = vt_outbox_pending(&outbox, &as_server);
    uint8_t *copy = malloc(before.size);
    assert_non_null(copy);
    memcpy(copy, before.data, before.size);
    for (int i = 0; i < 100; i++)
        add_message(&outbox, 5000);
    assert_int_equal(vt_outbox_ping(&outbox, vital_text("now"), true), 0);
    assert_int_equal(vt_outbox_close(&outbox, 1000, none, true), 0);
    vt_outbox_written(&outbox, 10);
    const vital_bytes after = vt_outbox_pending(&outbox, &as_server);
    assert_ptr_equal(after.data, (const uint8_t *)before.data + 10);
    assert_int_equal(after.size, before.size - 10);
    assert_memory_equal(after.data, copy + 10, after.size);
    free(copy);
    vt_outbox_finish(&outbox);
}

static void b15_every_frame_of_a_client_has_a_fresh_mask_rfc_6455_5_3(void **state)
{
    (void)state;
    vt_outbox outbox;
    struct receiver *receiver = receiver_create(true);
    uint8_t keys[3][4];
    vt_outbox_init(&outbox);

    for (int i = 0; i < 3; i++) {
        add_message(&outbox, 10);
        write_all(&outbox, &as_client, receiver);
        memcpy(keys[i], receiver->last_key, sizeof keys[i]);
    }
    assert_memory_not_equal(keys[0], keys[1], 4);
    assert_memory_not_equal(keys[1], keys[2], 4);
    assert_memory_not_equal(keys[0], keys[2], 4);
    receiver_destroy(receiver);
}

/* Numbers, so that a key that was used before is seen. */
static void fill_with_numbers(void *source, void *out, size_t size)
{
    uint32_t *number = source;
    assert_int_equal(size, sizeof *number);
    (*number)++;
    memcpy(out, number, size);
}

static void b15_no_key_is_used_twice_in_a_million_frames(void **state)
{
    (void)state;
    enum { FRAMES = 1000000, AT_ONCE = 1000, FRAME_BYTES = 2 + 4 };
    uint32_t drawn = 0;
    uint32_t last = 0;
    const vital_entropy numbers = {fill_with_numbers, &drawn};
    const vt_outbox_frames frames = {.open = true, .mask = &numbers};
    vt_outbox outbox;
    vt_outbox_init(&outbox);
    while (last < FRAMES) {
        for (int i = 0; i < AT_ONCE; i++)
            add_message(&outbox, 0);
        vital_bytes bytes;
        while ((bytes = vt_outbox_pending(&outbox, &frames)).size > 0) {
            assert_int_equal(bytes.size % FRAME_BYTES, 0);
            for (size_t at = 0; at < bytes.size; at += FRAME_BYTES) {
                uint32_t key;
                memcpy(&key, (const uint8_t *)bytes.data + at + 2, sizeof key);
                assert_int_equal(key, ++last);
            }
            vt_outbox_written(&outbox, bytes.size);
        }
    }
    assert_int_equal(drawn, FRAMES);
    vt_outbox_finish(&outbox);
}

static void a_message_counts_as_written_with_its_last_byte(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_outbox_init(&outbox);

    add_message(&outbox, 10);
    add_message(&outbox, 20);
    assert_int_equal(vt_outbox_pending(&outbox, &as_server).size, 12 + 22);
    vt_outbox_written(&outbox, 11);
    assert_int_equal(outbox.written, 0);
    assert_int_equal(outbox.queued_bytes, 30);
    vt_outbox_written(&outbox, 1);
    assert_int_equal(outbox.written, 1);
    assert_int_equal(outbox.queued_bytes, 20);
    vt_outbox_written(&outbox, 22);
    assert_int_equal(outbox.written, 2);
    assert_idle(&outbox);
}

/* ------------------------------------------------------------- control frames */

static void a_ping_goes_between_the_fragments_of_a_large_message_rfc_6455_5_4(void **state)
{
    (void)state;
    vt_outbox outbox;
    struct receiver *receiver = receiver_create(false);
    vt_outbox_init(&outbox);

    add_message(&outbox, 3 * VT_FRAGMENT_BYTES);
    write_some(&outbox, &as_server, receiver, 1000);
    assert_int_equal(vt_outbox_ping(&outbox, vital_text("nonce"), true), 0);
    write_all(&outbox, &as_server, receiver);
    assert_string_equal(story(receiver), "bin16384+ ping5 cont16384+ cont16384");
    receiver_destroy(receiver);
}

static void a_text_beat_and_an_answer_wait_for_the_end_of_a_begun_message(void **state)
{
    (void)state;
    vt_outbox outbox;
    struct receiver *receiver = receiver_create(false);
    vt_outbox_init(&outbox);

    add_message(&outbox, 2 * VT_FRAGMENT_BYTES + 5);
    add_message(&outbox, 7);
    write_some(&outbox, &as_server, receiver, 1000);
    assert_int_equal(vt_outbox_beat(&outbox, vital_text("heartbeat")), 0);
    assert_int_equal(vt_outbox_answer(&outbox, vital_text("reply")), 0);
    assert_int_equal(vt_outbox_pong(&outbox, vital_text("p")), 0);
    write_all(&outbox, &as_server, receiver);
    assert_string_equal(story(receiver), "bin16384+ pong1 cont16384+ cont5 text5 text9 bin7");
    assert_int_equal(outbox.written, 2);
    assert_idle(&outbox);
    receiver_destroy(receiver);
}

static void control_frames_and_beats_overtake_the_queue(void **state)
{
    (void)state;
    vt_outbox outbox;
    struct receiver *receiver = receiver_create(false);
    vt_outbox_init(&outbox);

    add_message(&outbox, 50);
    assert_int_equal(vt_outbox_beat(&outbox, vital_text("heartbeat")), 0);
    assert_int_equal(vt_outbox_ping(&outbox, vital_text("user"), false), 0);
    assert_int_equal(vt_outbox_ping(&outbox, vital_text("beat!"), true), 0);
    assert_int_equal(vt_outbox_answer(&outbox, vital_text("answer")), 0);
    assert_int_equal(vt_outbox_pong(&outbox, vital_text("p")), 0);
    write_all(&outbox, &as_server, receiver);
    assert_string_equal(story(receiver), "pong1 text6 ping5 ping4 text9 bin50");
    receiver_destroy(receiver);
}

static void b9_only_the_latest_pong_is_sent_rfc_6455_5_5_3(void **state)
{
    (void)state;
    vt_outbox outbox;
    struct receiver *receiver = receiver_create(false);
    vt_outbox_init(&outbox);

    assert_int_equal(vt_outbox_pong(&outbox, vital_text("1")), 0);
    assert_int_equal(vt_outbox_pong(&outbox, vital_text("22")), 0);
    assert_int_equal(vt_outbox_ping(&outbox, vital_text("333"), false), 0);
    write_all(&outbox, &as_server, receiver);
    assert_string_equal(story(receiver), "pong2 ping3");
    assert_idle(&outbox);
    receiver_destroy(receiver);
}

static void a_second_ping_of_the_user_is_refused_rather_than_forgotten(void **state)
{
    (void)state;
    vt_outbox outbox;
    struct receiver *receiver = receiver_create(false);
    vt_outbox_init(&outbox);

    assert_int_equal(vt_outbox_ping(&outbox, vital_text("1"), false), 0);
    assert_int_equal(vt_outbox_ping(&outbox, vital_text("22"), false), VITAL_EFULL);
    write_all(&outbox, &as_server, receiver);
    assert_int_equal(vt_outbox_ping(&outbox, vital_text("333"), false), 0);
    write_all(&outbox, &as_server, receiver);
    assert_string_equal(story(receiver), "ping1 ping3");
    assert_idle(&outbox);
    receiver_destroy(receiver);
}

static void every_beat_of_the_peer_gets_its_answer_a_fragment_at_a_time(void **state)
{
    (void)state;
    enum { BEATS = 5000 };
    vt_outbox outbox;
    vt_outbox_init(&outbox);

    for (int i = 0; i < BEATS; i++)
        assert_int_equal(vt_outbox_answer(&outbox, vital_text("heartbeat")), 0);
    size_t bytes = 0;
    for (vital_bytes wire; (wire = vt_outbox_pending(&outbox, &as_server)).size > 0;) {
        assert_in_range(wire.size, 1, VT_FRAGMENT_BYTES + 64);
        bytes += wire.size;
        vt_outbox_written(&outbox, wire.size);
    }
    assert_int_equal(bytes, BEATS * (2 + strlen("heartbeat")));
    assert_idle(&outbox);
}

static void the_largest_control_frames_are_taken_rfc_6455_5_5(void **state)
{
    (void)state;
    vt_outbox outbox;
    struct receiver *receiver = receiver_create(true);
    static const uint8_t bytes[CONTROL_MAX];
    vt_outbox_init(&outbox);

    assert_int_equal(vt_outbox_ping(&outbox, (vital_bytes){bytes, CONTROL_MAX}, true), 0);
    assert_int_equal(vt_outbox_pong(&outbox, (vital_bytes){bytes, CONTROL_MAX}), 0);
    assert_int_equal(vt_outbox_close(&outbox, 1000, (vital_bytes){bytes, CONTROL_MAX - 2}, false),
                     0);
    write_all(&outbox, &as_client, receiver);
    assert_string_equal(story(receiver), "pong125 ping125 close125");
    vt_outbox_finish(&outbox);
    receiver_destroy(receiver);
}

static void a_beat_that_left_says_which_messages_its_answer_proves(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_outbox_init(&outbox);

    /* Two messages leave, a third is behind the beat in the same wire. */
    add_message(&outbox, 10);
    add_message(&outbox, 10);
    vt_outbox_left left = vt_outbox_written(&outbox, vt_outbox_pending(&outbox, &as_server).size);
    assert_false(left.beat);
    add_message(&outbox, 10);
    assert_int_equal(vt_outbox_ping(&outbox, vital_text("nonce"), true), 0);
    const size_t size = vt_outbox_pending(&outbox, &as_server).size;
    assert_int_equal(size, 7 + 12);
    left = vt_outbox_written(&outbox, 6);
    assert_false(left.beat);
    left = vt_outbox_written(&outbox, size - 6);
    assert_true(left.beat);
    assert_int_equal(left.confirms, 2);
    assert_int_equal(outbox.written, 3);

    /* A beat behind the end of a message, in the same wire. */
    add_message(&outbox, VT_FRAGMENT_BYTES + 10);
    vt_outbox_written(&outbox, vt_outbox_pending(&outbox, &as_server).size);
    assert_int_equal(vt_outbox_beat(&outbox, vital_text("heartbeat")), 0);
    add_message(&outbox, 10);
    left = vt_outbox_written(&outbox, vt_outbox_pending(&outbox, &as_server).size);
    assert_true(left.beat);
    assert_int_equal(left.confirms, 4);
    assert_int_equal(outbox.written, 5);
    assert_idle(&outbox);
}

static void a_ping_of_the_user_is_no_beat(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_outbox_init(&outbox);

    assert_int_equal(vt_outbox_ping(&outbox, vital_text("user"), false), 0);
    assert_int_equal(vt_outbox_answer(&outbox, vital_text("answer")), 0);
    const size_t size = vt_outbox_pending(&outbox, &as_server).size;
    assert_int_equal(size, 8 + 6);
    assert_false(vt_outbox_written(&outbox, size).beat);
    assert_idle(&outbox);
}

static void messages_on_hold_let_beats_pass_and_a_begun_one_end(void **state)
{
    (void)state;
    vt_outbox outbox;
    struct receiver *receiver = receiver_create(false);
    vt_outbox_init(&outbox);

    add_message(&outbox, 2 * VT_FRAGMENT_BYTES);
    add_message(&outbox, 10);
    write_some(&outbox, &as_server, receiver, 1);
    assert_int_equal(vt_outbox_ping(&outbox, vital_text("1"), true), 0);
    write_all(&outbox, &holding, receiver);
    assert_string_equal(story(receiver), "bin16384+ ping1 cont16384");
    assert_false(vt_outbox_empty(&outbox));
    assert_int_equal(outbox.written, 1);
    assert_int_equal(vt_outbox_beat(&outbox, vital_text("22")), 0);
    write_all(&outbox, &holding, receiver);
    write_all(&outbox, &as_server, receiver);
    assert_string_equal(story(receiver), "bin16384+ ping1 cont16384 text2 bin10");
    assert_idle(&outbox);
    receiver_destroy(receiver);
}

static void a_beat_costs_little_memory_and_none_when_it_has_left(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_outbox_init(&outbox);

    for (int i = 0; i < 3; i++) {
        assert_int_equal(vt_outbox_ping(&outbox, vital_text("12345678"), true), 0);
        const vital_bytes bytes = vt_outbox_pending(&outbox, &as_client);
        assert_int_equal(bytes.size, 2 + 4 + 8);
        assert_true(vt_outbox_written(&outbox, bytes.size).beat);
        assert_idle(&outbox);
    }
}

/* --------------------------------------------------------- opening and closing */

static void before_the_connection_is_open_only_raw_bytes_leave(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_outbox_init(&outbox);

    add_message(&outbox, 1);
    assert_int_equal(vt_outbox_ping(&outbox, none, true), 0);
    assert_int_equal(vt_outbox_pending(&outbox, &not_open).size, 0);
    assert_int_equal(vt_outbox_raw(&outbox, vital_text("GET / HTTP/1.1\r\n")), 0);
    assert_int_equal(vt_outbox_raw(&outbox, vital_text("\r\n")), 0);
    vital_bytes bytes = vt_outbox_pending(&outbox, &not_open);
    assert_int_equal(bytes.size, 18);
    assert_memory_equal(bytes.data, "GET / HTTP/1.1\r\n\r\n", 18);
    assert_false(vt_outbox_written(&outbox, 18).beat);
    assert_int_equal(vt_outbox_pending(&outbox, &not_open).size, 0);
    assert_false(vt_outbox_empty(&outbox));
    bytes = vt_outbox_pending(&outbox, &as_server);
    assert_int_equal(bytes.size, 2 + 3);
    vt_outbox_written(&outbox, bytes.size);
    assert_idle(&outbox);
}

static void many_raw_bytes_leave_in_pieces_before_any_frame(void **state)
{
    (void)state;
    enum { SIZE = 2 * VT_FRAGMENT_BYTES + 5 };
    static char page[SIZE];
    vt_outbox outbox;
    vt_outbox_init(&outbox);
    for (size_t i = 0; i < SIZE; i++)
        page[i] = (char)(i % 251);
    assert_int_equal(vt_outbox_raw(&outbox, (vital_bytes){page, SIZE - 1}), 0);
    assert_int_equal(vt_outbox_message(&outbox, VITAL_TEXT, vital_text("hi")), 0);
    const vt_outbox_frames frames = {.open = true};
    size_t left = 0;
    while (left < SIZE) {
        const vital_bytes pending = vt_outbox_pending(&outbox, &frames);
        assert_true(vt_outbox_in_flight(&outbox));
        size_t raw = SIZE - left < pending.size ? SIZE - left : pending.size;
        assert_true(pending.size > 0 && raw <= VT_FRAGMENT_BYTES);
        assert_memory_equal(pending.data, page + left, raw);
        if (left == 0) /* what is added late goes behind */
            assert_int_equal(vt_outbox_raw(&outbox, (vital_bytes){page + SIZE - 1, 1}), 0);
        if (raw < pending.size)
            assert_memory_equal((const char *)pending.data + raw, "\x81\x02hi", 4);
        vt_outbox_written(&outbox, pending.size);
        left += raw;
    }
    assert_true(vt_outbox_empty(&outbox));
    assert_false(vt_outbox_in_flight(&outbox));
    vt_outbox_finish(&outbox);
}

static void raw_bytes_go_ahead_of_frames_and_may_share_their_wire(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_outbox_init(&outbox);

    assert_int_equal(vt_outbox_message(&outbox, VITAL_TEXT, vital_text("hi")), 0);
    assert_int_equal(vt_outbox_raw(&outbox, vital_text("101\r\n\r\n")), 0);
    const vital_bytes bytes = vt_outbox_pending(&outbox, &as_server);
    assert_int_equal(bytes.size, 7 + 4);
    assert_memory_equal(bytes.data, "101\r\n\r\n\x81\x02hi", 11);
    vt_outbox_written(&outbox, 10);
    assert_int_equal(outbox.written, 0);
    vt_outbox_written(&outbox, 1);
    assert_int_equal(outbox.written, 1);
    assert_idle(&outbox);
}

static void a_close_frame_waits_for_the_queue_and_is_the_last_frame(void **state)
{
    (void)state;
    vt_outbox outbox;
    struct receiver *receiver = receiver_create(false);
    vt_outbox_init(&outbox);

    add_message(&outbox, VT_FRAGMENT_BYTES + 1);
    add_message(&outbox, 5);
    assert_int_equal(vt_outbox_close(&outbox, 1000, vital_text("bye"), false), 0);
    write_some(&outbox, &as_server, receiver, SIZE_MAX);
    assert_false(vt_outbox_close_framed(&outbox));
    assert_int_equal(vt_outbox_ping(&outbox, vital_text("x"), true), 0);
    const vital_bytes bytes = vt_outbox_pending(&outbox, &as_server);
    assert_true(vt_outbox_close_framed(&outbox));
    assert_false(vt_outbox_close_written(&outbox));
    hear(receiver, bytes.data, bytes.size);
    vt_outbox_written(&outbox, bytes.size - 1);
    assert_false(vt_outbox_close_written(&outbox));
    vt_outbox_written(&outbox, 1);
    assert_true(vt_outbox_close_written(&outbox));
    assert_true(vt_outbox_empty(&outbox));
    assert_string_equal(story(receiver), "bin16384+ ping1 cont1 bin5 close5");

    /* Taken and forgotten; messages are kept. */
    assert_int_equal(vt_outbox_pong(&outbox, none), 0);
    assert_int_equal(vt_outbox_beat(&outbox, vital_text("heartbeat")), 0);
    assert_int_equal(vt_outbox_close(&outbox, 1002, none, true), 0);
    add_message(&outbox, 5);
    assert_true(vt_outbox_empty(&outbox));
    assert_int_equal(vt_outbox_pending(&outbox, &as_server).size, 0);
    assert_int_equal(outbox.accepted - outbox.written, 1);
    vt_outbox_finish(&outbox);
    assert_null(outbox.wire);
    assert_null(outbox.first);
    receiver_destroy(receiver);
}

static void a_close_now_does_not_wait_for_the_end_of_a_message(void **state)
{
    (void)state;
    vt_outbox outbox;
    struct receiver *receiver = receiver_create(true);
    vt_outbox_init(&outbox);

    add_message(&outbox, 5 * VT_FRAGMENT_BYTES);
    add_message(&outbox, 5);
    write_some(&outbox, &as_client, receiver, 100);
    assert_int_equal(vt_outbox_close(&outbox, 1000, vital_text("bye"), false), 0);
    assert_int_equal(vt_outbox_close(&outbox, 1002, none, true), 0);
    assert_int_equal(vt_outbox_close(&outbox, 1001, vital_text("again"), false), 0);
    write_all(&outbox, &as_client, receiver);
    assert_string_equal(story(receiver), "bin16384+ close7");
    assert_true(vt_outbox_close_written(&outbox));
    assert_true(vt_outbox_empty(&outbox));
    assert_int_equal(outbox.accepted, 2);
    assert_int_equal(outbox.written, 0);
    assert_int_equal(outbox.queued_bytes, 5 * VT_FRAGMENT_BYTES + 5);

    /* On the next socket both come whole. */
    forget_progress(receiver);
    receiver->closed = false;
    receiver->count = 0;
    vt_outbox_rewind(&outbox);
    assert_false(vt_outbox_close_framed(&outbox));
    write_all(&outbox, &as_client, receiver);
    assert_string_equal(story(receiver),
                        "bin16384+ cont16384+ cont16384+ cont16384+ cont16384 bin5");
    assert_int_equal(outbox.written, 2);
    assert_idle(&outbox);
    receiver_destroy(receiver);
}

static void a_close_frame_carries_its_code_in_network_order_or_nothing(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_outbox_init(&outbox);

    assert_int_equal(vt_outbox_close(&outbox, 1001, vital_text("x"), false), 0);
    vital_bytes bytes = vt_outbox_pending(&outbox, &as_server);
    assert_int_equal(bytes.size, 5);
    assert_memory_equal(bytes.data, "\x88\x03\x03\xE9x", 5);
    vt_outbox_rewind(&outbox);

    assert_int_equal(vt_outbox_close(&outbox, 1005, none, false), 0);
    bytes = vt_outbox_pending(&outbox, &as_server);
    assert_int_equal(bytes.size, 2);
    assert_memory_equal(bytes.data, "\x88\x00", 2);
    vt_outbox_finish(&outbox);
}

static void a_rewind_forgets_the_wire_and_begins_messages_again(void **state)
{
    (void)state;
    vt_outbox outbox;
    struct receiver *receiver = receiver_create(false);
    vt_outbox_init(&outbox);

    add_message(&outbox, 10);
    add_message(&outbox, 20);
    add_message(&outbox, 30);
    assert_int_equal(vt_outbox_ping(&outbox, vital_text("x"), true), 0);
    (void)vt_outbox_pending(&outbox, &as_server);
    vt_outbox_written(&outbox, 3 + 12 + 21); /* the last byte of the second is missing */
    assert_int_equal(outbox.written, 1);
    vt_outbox_rewind(&outbox);
    assert_null(outbox.wire);
    assert_int_equal(outbox.queued_bytes, 50);
    write_all(&outbox, &as_server, receiver);
    assert_string_equal(story(receiver), "bin20 bin30");
    assert_int_equal(outbox.written, 3);
    assert_idle(&outbox);
    receiver_destroy(receiver);
}

static void clearing_and_finishing_free_everything(void **state)
{
    (void)state;
    vt_outbox outbox, zeroed;
    vt_outbox_init(&outbox);

    for (int round = 0; round < 2; round++) {
        add_message(&outbox, 100);
        add_message(&outbox, 100000);
        assert_int_equal(vt_outbox_raw(&outbox, vital_text("raw")), 0);
        assert_int_equal(vt_outbox_ping(&outbox, none, true), 0);
        vt_outbox_written(&outbox, vt_outbox_pending(&outbox, &as_server).size - 1);
        assert_int_equal(vt_outbox_beat(&outbox, vital_text("heartbeat")), 0);
        assert_int_equal(vt_outbox_close(&outbox, 1000, none, false), 0);
        vt_outbox_clear(&outbox);
        assert_idle(&outbox);
        vt_outbox_clear(&outbox);
    }
    vt_outbox_finish(&outbox);
    vt_outbox_finish(NULL);
    memset(&zeroed, 0, sizeof zeroed);
    vt_outbox_finish(&zeroed);
}

static void a_message_too_large_for_any_memory_is_refused_and_nothing_changes(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_outbox_init(&outbox);

    assert_int_equal(vt_outbox_message(&outbox, VITAL_BINARY, (vital_bytes){"", SIZE_MAX}),
                     VITAL_ENOMEM);
    assert_int_equal(vt_outbox_beat(&outbox, (vital_bytes){"", SIZE_MAX}), VITAL_ENOMEM);
    assert_int_equal(outbox.accepted, 0);
    assert_idle(&outbox);
}

/* ---------------------------------------------------------------- compression */

static void add_text(vt_outbox *outbox, vital_kind kind, size_t size)
{
    char *text = malloc(size);
    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = "the text of a test "[i % 19];
    assert_int_equal(vt_outbox_message(outbox, kind, (vital_bytes){text, size}), 0);
    free(text); /* c4: the outbox has a copy of its own */
}

static void a_message_is_compressed_if_that_makes_it_smaller_rfc_7692_6_1(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_deflater deflater = {.shared = shared, .bits = 15};
    struct receiver *receiver = receiver_create(true);
    agree_on_compression(receiver, 15, false);
    vt_outbox_init(&outbox);
    vt_outbox_deflate_with(&outbox, &deflater);
    add_text(&outbox, VITAL_TEXT, 1000);
    assert_int_equal(outbox.queued_bytes, 1000);
    write_all(&outbox, &as_client, receiver);
    assert_int_equal(receiver->compressed_count, 1);
    assert_int_equal(receiver->count, 1);
    assert_in_range(receiver->log[0].size, 10, 100);
    assert_int_equal(outbox.written, 1);
    assert_idle(&outbox);
    receiver_destroy(receiver);
}

static void what_compression_does_not_help_goes_as_it_is_rfc_7692_6(void **state)
{
    (void)state;
    uint8_t noise[2000];
    uint64_t random = 1;
    fill(&random, noise, sizeof noise);
    for (int keeps = 0; keeps < 2; keeps++) {
        vt_outbox outbox;
        vt_deflater deflater = {.shared = shared, .bits = 15, .keeps = keeps, .least_bytes = 100};
        struct receiver *receiver = receiver_create(false);
        agree_on_compression(receiver, 15, keeps);
        vt_outbox_init(&outbox);
        vt_outbox_deflate_with(&outbox, &deflater);
        add_text(&outbox, VITAL_TEXT, 99);
        add_text(&outbox, VITAL_TEXT, 100);
        for (int i = 0; i < 2; i++) /* the second could refer to the first, if that were known */
            vt_outbox_message(&outbox, VITAL_BINARY, (vital_bytes){noise, sizeof noise});
        add_text(&outbox, VITAL_TEXT, 100);
        vt_outbox_message(&outbox, VITAL_TEXT, none);
        write_all(&outbox, &as_server, receiver);
        assert_int_equal(receiver->compressed_count, 2);
        assert_int_equal(receiver->count, 6);
        assert_int_equal(receiver->log[0].size, 99);
        assert_int_equal(receiver->log[2].size, sizeof noise);
        assert_int_equal(receiver->log[3].size, sizeof noise);
        assert_int_equal(outbox.written, 6);
        vt_deflater_finish(&deflater);
        receiver_destroy(receiver);
    }
}

static void c6_a_message_with_a_secret_is_not_compressed(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_deflater deflater = {.shared = shared, .bits = 15, .keeps = true};
    struct receiver *receiver = receiver_create(false);
    agree_on_compression(receiver, 15, true);
    vt_outbox_init(&outbox);
    vt_outbox_deflate_with(&outbox, &deflater);
    add_text(&outbox, VITAL_TEXT_UNCOMPRESSED, 1000);
    add_text(&outbox, VITAL_BINARY_UNCOMPRESSED, 1000);
    add_text(&outbox, VITAL_BINARY, 1000);
    write_all(&outbox, &as_server, receiver);
    assert_memory_equal(story(receiver), "text1000 bin1000 bin", 20);
    assert_in_range(receiver->log[2].size, 10, 100); /* and it does not refer to those before */
    assert_int_equal(receiver->compressed_count, 1);
    vt_deflater_finish(&deflater);
    receiver_destroy(receiver);
}

static void control_frames_go_between_compressed_fragments_rfc_7692_6_1(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_deflater deflater = {.shared = shared, .bits = 15};
    struct receiver *receiver = receiver_create(true);
    agree_on_compression(receiver, 15, false);
    vt_outbox_init(&outbox);
    vt_outbox_deflate_with(&outbox, &deflater);
    add_text(&outbox, VITAL_BINARY, 3 * VT_FRAGMENT_BYTES + 1);
    while (!vt_outbox_empty(&outbox)) {
        write_some(&outbox, &as_client, receiver, SIZE_MAX);
        if (receiver->count == 1)
            assert_int_equal(vt_outbox_ping(&outbox, vital_text("p"), false), 0);
    }
    assert_int_equal(receiver->count, 5);
    assert_int_equal(receiver->log[1].opcode, 9);
    assert_int_equal(receiver->log[4].opcode, 0);
    assert_true(receiver->log[4].fin);
    assert_int_equal(receiver->compressed_count, 1);
    assert_int_equal(receiver->message_size, 0);
    assert_idle(&outbox);
    receiver_destroy(receiver);
}

static void c5_a_message_that_a_slow_peer_takes_holds_no_compressor(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_deflater deflater = {.shared = shared, .bits = 15};
    struct receiver *receiver = receiver_create(false);
    agree_on_compression(receiver, 15, false);
    vt_outbox_init(&outbox);
    vt_outbox_deflate_with(&outbox, &deflater);
    add_text(&outbox, VITAL_BINARY, 10 * VT_FRAGMENT_BYTES);
    write_some(&outbox, &as_server, receiver, 20);
    assert_null(deflater.own);
    /* Many others use the same one meanwhile. */
    for (int i = 0; i < 20; i++) {
        vt_outbox another;
        struct receiver *other = receiver_create(false);
        agree_on_compression(other, 15, false);
        vt_outbox_init(&another);
        vt_outbox_deflate_with(&another, &deflater);
        add_text(&another, VITAL_TEXT, 500);
        write_all(&another, &as_server, other);
        assert_int_equal(other->compressed_count, 1);
        receiver_destroy(other);
        write_some(&outbox, &as_server, receiver, 50);
    }
    write_all(&outbox, &as_server, receiver);
    assert_int_equal(receiver->compressed_count, 1);
    receiver_destroy(receiver);
}

static void a_rewind_compresses_anew_by_what_the_new_socket_agreed_on(void **state)
{
    (void)state;
    vt_outbox outbox;
    vt_deflater deflater = {.shared = shared, .bits = 15, .keeps = true};
    struct receiver *receiver = receiver_create(false);
    agree_on_compression(receiver, 15, true);
    vt_outbox_init(&outbox);
    vt_outbox_deflate_with(&outbox, &deflater);
    add_text(&outbox, VITAL_TEXT, 1000);
    add_text(&outbox, VITAL_TEXT, 100000);
    write_some(&outbox, &as_server, receiver, 150);
    assert_int_equal(outbox.written, 1);
    vt_deflater_finish(&deflater);
    vt_outbox_rewind(&outbox);
    receiver_destroy(receiver);

    deflater = (vt_deflater){.shared = shared, .bits = 9};
    receiver = receiver_create(false);
    agree_on_compression(receiver, 9, false);
    write_some(&outbox, &as_server, receiver, 50);
    assert_int_equal(outbox.written, 1);
    vt_outbox_deflate_with(&outbox, NULL);
    vt_outbox_rewind(&outbox);
    receiver_destroy(receiver);

    receiver = receiver_create(false); /* this one knows nothing of compression */
    write_all(&outbox, &as_server, receiver);
    assert_int_equal(outbox.written, 2);
    assert_int_equal(receiver->message_opcode, 0);
    receiver_destroy(receiver);
}

static void d7_without_memory_for_a_compressor_nothing_is_pending_but_the_failure(void **state)
{
    (void)state;
    for (int keeps = 0; keeps < 2; keeps++) {
        vital_compressor *compressor;
        vt_outbox outbox;
        assert_int_equal(vital_compressor_create(&compressor), 0);
        vt_deflater deflater = {.shared = compressor, .bits = 15, .keeps = keeps};
        struct receiver *receiver = receiver_create(false);
        agree_on_compression(receiver, 15, keeps);
        vt_outbox_init(&outbox);
        vt_outbox_deflate_with(&outbox, &deflater);
        assert_int_equal(vt_outbox_pong(&outbox, none), 0); /* so that there is a wire already */
        add_text(&outbox, VITAL_TEXT, 1000);
        memory_is_gone = true;
        vital_bytes bytes = vt_outbox_pending(&outbox, &as_server);
        memory_is_gone = false;
        assert_null(bytes.data);
        assert_int_equal(bytes.size, SIZE_MAX);
        /* The socket is given up; on the next one nothing is missing. */
        vt_outbox_rewind(&outbox);
        write_all(&outbox, &as_server, receiver);
        assert_int_equal(receiver->compressed_count, 1);
        assert_int_equal(outbox.written, 1);
        receiver_destroy(receiver);
        vt_deflater_finish(&deflater);
        vital_compressor_destroy(compressor);
    }
}

/* ---------------------------------------------------- any order of anything */

enum { MESSAGES_MAX = 400, CONTROL_LATE_MAX = VT_FRAGMENT_BYTES + 1024 };

/* What should be, kept beside what is. Message n is its number in eight bytes,
 * then bytes that follow from it. */
struct model {
    vt_outbox outbox;
    vt_deflater deflater;
    struct receiver *receiver;
    uint64_t random;
    size_t sizes[MESSAGES_MAX];
    uint64_t accepted;
    uint64_t received;  /* whole, over all sockets */
    bool beat_came;     /* since the last write */
    uint64_t beat_when; /* `received` at that time */
    size_t pings_waiting;
    uint64_t ping_asked; /* what was written or on the wire when the ping came */
    bool close_asked, close_now;
    bool open;
};

static void make_message(uint8_t *out, uint64_t number, size_t size)
{
    uint64_t state = number;

    fill(&state, out, size);
    /* Two in three can be made smaller, one of these not from its beginning. */
    for (size_t i = number % 3 == 0 ? size : number % 3 == 1 ? 16 : 20000; i < size; i++)
        out[i] = out[i - 16];
    if (size >= 8)
        memcpy(out, &number, 8);
}

static void take(void *arg, uint8_t opcode, const uint8_t *data, size_t size)
{
    struct model *model = arg;

    if (opcode == 9 && size == 4 && memcmp(data, "beat", 4) == 0) {
        const struct seen *seen = &model->receiver->log[model->receiver->count - 1];
        assert_int_equal(model->pings_waiting, 1);
        assert_in_range(seen->begin, model->ping_asked, model->ping_asked + 1024);
        model->pings_waiting = 0;
        model->beat_came = true;
        model->beat_when = model->received;
    }
    if (opcode != 2) /* beats and answers are text, messages binary */
        return;
    assert_true(model->received < model->accepted);
    assert_int_equal(size, model->sizes[model->received]);
    uint8_t *expected = malloc(size + 1);
    assert_non_null(expected);
    make_message(expected, model->received, size);
    assert_memory_equal(data, expected, size);
    free(expected);
    model->received++;
}

static void add_any_message(struct model *model)
{
    if (model->accepted == MESSAGES_MAX || model->close_asked)
        return;
    static const size_t limits[] = {1, 20, 20, 200, 200, 2000, 17000, 60000};
    const size_t size = (size_t)(draw(&model->random) % limits[draw(&model->random) % 8]);
    uint8_t *bytes = malloc(size + 1);
    assert_non_null(bytes);
    make_message(bytes, model->accepted, size);
    model->sizes[model->accepted++] = size;
    assert_int_equal(vt_outbox_message(&model->outbox, VITAL_BINARY, (vital_bytes){bytes, size}),
                     0);
    free(bytes);
}

static size_t wire_rest(struct model *model)
{
    /* With nothing allowed to leave, pending() shows what is on the wire. */
    return vt_outbox_pending(&model->outbox, &not_open).size;
}

static void add_any_control(struct model *model)
{
    vt_outbox *outbox = &model->outbox;

    switch (draw(&model->random) % 8) {
    case 0:
    case 1:
    case 2:
        if (model->close_asked || model->pings_waiting > 0)
            break;
        model->ping_asked = model->receiver->position + wire_rest(model);
        assert_in_range(wire_rest(model), 0, CONTROL_LATE_MAX);
        model->pings_waiting = 1;
        assert_int_equal(vt_outbox_ping(outbox, vital_text("beat"), true), 0);
        break;
    case 3:
        switch (vt_outbox_ping(outbox, vital_text("a user's"), false)) {
        case 0:
        case VITAL_EFULL: /* one waits already */
            break;
        default:
            fail_msg("a user's ping was neither taken nor refused");
        }
        break;
    case 4:
        assert_int_equal(vt_outbox_pong(outbox, vital_text("pong")), 0);
        break;
    case 5:
    case 6:
        assert_int_equal(vt_outbox_answer(outbox, vital_text("answer")), 0);
        break;
    case 7:
        if (draw(&model->random) % 10 == 0) {
            model->close_asked = true;
            model->close_now = draw(&model->random) % 2 == 0;
            assert_int_equal(vt_outbox_close(outbox, 1001, vital_text("gone"), model->close_now),
                             0);
        }
        break;
    default:
        break;
    }
}

static void lose_the_socket(struct model *model)
{
    vt_outbox_rewind(&model->outbox);
    forget_progress(model->receiver);
    vt_deflater_finish(&model->deflater); /* which begins again */
    model->receiver->position = 0;
    model->receiver->count = 0;
    model->receiver->closed = false;
    model->pings_waiting = 0;
    model->close_asked = false;
    assert_null(model->outbox.wire);
}

static void write_any(struct model *model, const vt_outbox_frames *frames)
{
    static const size_t limits[] = {2, 10, 100, 1000, 10000, 40000};
    const size_t limit = (size_t)(draw(&model->random) % limits[draw(&model->random) % 6]);

    model->beat_came = false;
    const vt_outbox_left left = write_some(&model->outbox, frames, model->receiver, limit);
    assert_int_equal(left.beat, model->beat_came);
    if (left.beat)
        assert_int_equal(left.confirms, model->beat_when);
    assert_int_equal(vt_outbox_close_written(&model->outbox), model->receiver->closed);
}

static void check_counts(const struct model *model)
{
    size_t queued = 0;

    for (uint64_t i = model->received; i < model->accepted; i++)
        queued += model->sizes[i];
    assert_int_equal(model->outbox.accepted, model->accepted);
    assert_int_equal(model->outbox.written, model->received);
    assert_int_equal(model->outbox.queued_bytes, queued);
}

static void play(uint64_t seed)
{
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    model->random = seed;
    const bool client = seed % 2 == 0;
    model->receiver = receiver_create(client);
    model->receiver->take = take;
    model->receiver->arg = model;
    vt_outbox_init(&model->outbox);
    vt_outbox_frames frames = {.open = true, .mask = client ? &mask : NULL};
    if (seed % 3 > 0) {
        int bits = 9 + (int)(seed % 7);
        model->deflater = (vt_deflater){
            .shared = shared, .bits = bits, .keeps = seed % 3 == 2, .least_bytes = seed % 100};
        vt_outbox_deflate_with(&model->outbox, &model->deflater);
        agree_on_compression(model->receiver, bits, model->deflater.keeps);
    }

    for (int step = 0; step < 1500; step++) {
        const uint64_t what = draw(&model->random) % 100;
        if (what < 20)
            add_any_message(model);
        else if (what < 40)
            add_any_control(model);
        else if (what < 41 || model->receiver->closed)
            lose_the_socket(model);
        else if (what < 45)
            frames.hold_messages = draw(&model->random) % 4 == 0;
        else
            write_any(model, &frames);
        check_counts(model);
    }
    /* Whatever was cut off, in the end every message has come, once, in order. */
    lose_the_socket(model);
    frames.hold_messages = false;
    write_all(&model->outbox, &frames, model->receiver);
    check_counts(model);
    assert_int_equal(model->received, model->accepted);
    assert_idle(&model->outbox);
    assert_true(seed % 3 == 0 || model->receiver->compressed_count > 0);
    vt_deflater_finish(&model->deflater);
    receiver_destroy(model->receiver);
    free(model);
}

static void whatever_is_asked_in_whatever_order_the_stream_is_legal_and_complete(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        play(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_message_is_one_frame_byte_for_byte_rfc_6455_5_7),
        cmocka_unit_test(an_empty_message_is_a_frame_too),
        cmocka_unit_test(a_large_message_is_cut_into_fragments_rfc_6455_5_4),
        cmocka_unit_test(small_messages_share_a_wire_up_to_a_fragment),
        cmocka_unit_test(pending_bytes_stay_where_they_are_until_written),
        cmocka_unit_test(b15_every_frame_of_a_client_has_a_fresh_mask_rfc_6455_5_3),
        cmocka_unit_test(b15_no_key_is_used_twice_in_a_million_frames),
        cmocka_unit_test(a_message_counts_as_written_with_its_last_byte),
        cmocka_unit_test(a_ping_goes_between_the_fragments_of_a_large_message_rfc_6455_5_4),
        cmocka_unit_test(a_text_beat_and_an_answer_wait_for_the_end_of_a_begun_message),
        cmocka_unit_test(control_frames_and_beats_overtake_the_queue),
        cmocka_unit_test(b9_only_the_latest_pong_is_sent_rfc_6455_5_5_3),
        cmocka_unit_test(a_second_ping_of_the_user_is_refused_rather_than_forgotten),
        cmocka_unit_test(every_beat_of_the_peer_gets_its_answer_a_fragment_at_a_time),
        cmocka_unit_test(the_largest_control_frames_are_taken_rfc_6455_5_5),
        cmocka_unit_test(a_beat_that_left_says_which_messages_its_answer_proves),
        cmocka_unit_test(a_ping_of_the_user_is_no_beat),
        cmocka_unit_test(messages_on_hold_let_beats_pass_and_a_begun_one_end),
        cmocka_unit_test(a_beat_costs_little_memory_and_none_when_it_has_left),
        cmocka_unit_test(before_the_connection_is_open_only_raw_bytes_leave),
        cmocka_unit_test(many_raw_bytes_leave_in_pieces_before_any_frame),
        cmocka_unit_test(raw_bytes_go_ahead_of_frames_and_may_share_their_wire),
        cmocka_unit_test(a_close_frame_waits_for_the_queue_and_is_the_last_frame),
        cmocka_unit_test(a_close_now_does_not_wait_for_the_end_of_a_message),
        cmocka_unit_test(a_close_frame_carries_its_code_in_network_order_or_nothing),
        cmocka_unit_test(a_rewind_forgets_the_wire_and_begins_messages_again),
        cmocka_unit_test(clearing_and_finishing_free_everything),
        cmocka_unit_test(a_message_too_large_for_any_memory_is_refused_and_nothing_changes),
        cmocka_unit_test(a_message_is_compressed_if_that_makes_it_smaller_rfc_7692_6_1),
        cmocka_unit_test(what_compression_does_not_help_goes_as_it_is_rfc_7692_6),
        cmocka_unit_test(c6_a_message_with_a_secret_is_not_compressed),
        cmocka_unit_test(control_frames_go_between_compressed_fragments_rfc_7692_6_1),
        cmocka_unit_test(c5_a_message_that_a_slow_peer_takes_holds_no_compressor),
        cmocka_unit_test(a_rewind_compresses_anew_by_what_the_new_socket_agreed_on),
        cmocka_unit_test(d7_without_memory_for_a_compressor_nothing_is_pending_but_the_failure),
        cmocka_unit_test(whatever_is_asked_in_whatever_order_the_stream_is_legal_and_complete),
    };
    return cmocka_run_group_tests(tests, create_shared, destroy_shared);
}
