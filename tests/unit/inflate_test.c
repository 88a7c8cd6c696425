/*
 * Inflating. What a compressed message gives, and how it ends, is written down
 * for every way to cut it and every size of room; the deflate data comes from
 * zlib itself with all its flushes, or byte by byte from the RFC.
 */
#include "inflate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compressor.h"

enum { PLAIN_MAX = 1 << 20 };

static vital_compressor *shared;

static struct outcome {
    vt_inflated how;
    size_t size;
    uint8_t bytes[PLAIN_MAX + 1];
} outcome, other;

/* Inflates a message in pieces of `step` bytes into rooms of `room` bytes, all of
 * them heap blocks of their own: the sanitizer sees each byte too many. */
static void inflate_in_steps(vt_inflater *inflater, vital_bytes message, size_t step, size_t room,
                             struct outcome *out)
{
    size_t at = 0;
    out->size = 0;
    assert_true(vt_inflater_begin(inflater, step >= message.size));
    do {
        size_t size = step < message.size - at ? step : message.size - at;
        uint8_t *piece = malloc(size > 0 ? size : 1);
        memcpy(piece, (const uint8_t *)message.data + at, size);
        at += size;
        vt_inflate_step now = {.in = piece, .in_size = size, .last = at == message.size};
        do {
            uint8_t *block = malloc(room);
            now.out = block;
            now.room = room;
            out->how = vt_inflate(inflater, &now);
            size_t got = (size_t)(now.out - block);
            assert_int_equal(got + now.room, room);
            assert_true(out->size + got <= sizeof out->bytes);
            memcpy(out->bytes + out->size, block, got);
            out->size += got;
            free(block);
        } while (out->how == VT_INFLATED_FULL && out->size <= PLAIN_MAX);
        free(piece);
    } while (out->how == VT_INFLATED_IN && at < message.size);
    vt_inflater_end(inflater);
}

/* Every cut and several rooms, against the message in one piece. */
static void check_all_ways(const void *data, size_t size, vt_inflated how, const char *plain)
{
    vt_inflater inflater = {.shared = shared, .bits = 15};
    vital_bytes message = {data, size};
    inflate_in_steps(&inflater, message, SIZE_MAX, PLAIN_MAX, &outcome);
    assert_int_equal(outcome.how, how);
    if (plain != NULL) {
        assert_int_equal(outcome.size, strlen(plain));
        assert_memory_equal(outcome.bytes, plain, strlen(plain));
    }
    for (size_t step = 1; step <= size + 1; step += step < 40 ? 1 : step / 2) {
        for (size_t room = 1; room < 100000; room = room * 3 + 1) {
            inflate_in_steps(&inflater, message, step, room, &other);
            assert_int_equal(other.how, outcome.how);
            assert_int_equal(other.size, outcome.size);
            assert_memory_equal(other.bytes, outcome.bytes, outcome.size);
            assert_null(inflater.own);
        }
    }
    vt_inflater_finish(&inflater);
}

#define CHECK(bytes, how, plain) check_all_ways(bytes, sizeof bytes - 1, how, plain)

/* ------------------------------------------------- the examples, and the rules */

static void the_examples_of_the_rfc_rfc_7692_7_2_3(void **state)
{
    (void)state;
    CHECK("\xf2\x48\xcd\xc9\xc9\x07\x00", VT_INFLATED_DONE, "Hello");
    /* A block without compression. */
    CHECK("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", VT_INFLATED_DONE, "Hello");
    /* A block that is marked as the last one. */
    CHECK("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", VT_INFLATED_DONE, "Hello");
    /* Two blocks, the first with an empty one behind it. */
    CHECK("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", VT_INFLATED_DONE, "Hello");
    /* An empty message. */
    CHECK("\x00", VT_INFLATED_DONE, "");
}

static void the_window_goes_on_from_message_to_message_rfc_7692_7_2_3_2(void **state)
{
    static const uint8_t first[] = {0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00};
    static const uint8_t second[] = {0xf2, 0x00, 0x11, 0x00, 0x00};
    (void)state;
    for (size_t step = 1; step <= 8; step++) {
        vt_inflater keeps = {.shared = shared, .bits = 15, .keeps = true};
        vt_inflater forgets = {.shared = shared, .bits = 15};
        inflate_in_steps(&keeps, (vital_bytes){first, sizeof first}, step, 10, &outcome);
        assert_int_equal(outcome.how, VT_INFLATED_DONE);
        assert_non_null(keeps.own);
        inflate_in_steps(&keeps, (vital_bytes){second, sizeof second}, step, 10, &outcome);
        assert_int_equal(outcome.how, VT_INFLATED_DONE);
        assert_int_equal(outcome.size, 5);
        assert_memory_equal(outcome.bytes, "Hello", 5);

        inflate_in_steps(&forgets, (vital_bytes){first, sizeof first}, step, 10, &outcome);
        assert_null(forgets.own);
        inflate_in_steps(&forgets, (vital_bytes){second, sizeof second}, step, 10, &outcome);
        assert_int_equal(outcome.how, VT_INFLATED_BAD);
        vt_inflater_finish(&keeps);
        vt_inflater_finish(&forgets);
    }
}

static void c7_blocks_marked_as_the_last_may_come_anywhere_rfc_7692_7_2_3_4(void **state)
{
    (void)state;
    /* Without the empty block that should follow. */
    CHECK("\xf3\x48\xcd\xc9\xc9\x07\x00", VT_INFLATED_DONE, "Hello");
    /* Two of them in a message, and one that is empty. */
    CHECK("\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00", VT_INFLATED_DONE,
          "HelloHello");
    CHECK("\x03\x00", VT_INFLATED_DONE, "");
    CHECK("\x01\x00\x00\xff\xff", VT_INFLATED_DONE, "");
    /* The bytes that are left out make the last block whole. */
    CHECK("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff\x01", VT_INFLATED_DONE, "Hello");
    /* What follows begins with an empty window: it cannot refer back. */
    CHECK("\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00", VT_INFLATED_BAD, "HelloH");
}

static void c7_after_a_last_block_the_next_message_begins_a_stream(void **state)
{
    static const uint8_t final[] = {0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00};
    (void)state;
    vt_inflater keeps = {.shared = shared, .bits = 15, .keeps = true};
    for (size_t room = 1; room < 8; room++) {
        inflate_in_steps(&keeps, (vital_bytes){final, sizeof final}, 3, room, &outcome);
        assert_int_equal(outcome.how, VT_INFLATED_DONE);
        assert_int_equal(outcome.size, 5);
    }
    vt_inflater_finish(&keeps);
}

static void c7_trailing_garbage_is_bad(void **state)
{
    (void)state;
    CHECK("\xf2\x48\xcd\xc9\xc9\x07\x00garbage", VT_INFLATED_BAD, "Hello");
    CHECK("\xf3\x48\xcd\xc9\xc9\x07\x00\xff\xff", VT_INFLATED_BAD, "Hello");
    CHECK("\x07", VT_INFLATED_BAD, "");                 /* a block of no type */
    CHECK("\x00\x05\x00\xfa\xfe", VT_INFLATED_BAD, ""); /* a length that contradicts itself */
}

static void c7_empty_blocks_give_nothing(void **state)
{
    static uint8_t many[5000];
    (void)state;
    CHECK("\x00\x00\x00\xff\xff\x00\x00\x00\xff\xff\x00", VT_INFLATED_DONE, "");
    CHECK("\x02\x00", VT_INFLATED_DONE, ""); /* a block of the fixed code */
    CHECK("\x02", VT_INFLATED_CUT, "");      /* without its end */
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = (uint8_t)(i % 5 > 2 ? 0xFF : 0x00);
    many[sizeof many - 1] = 0xFF;
    vt_inflater inflater = {.shared = shared, .bits = 15};
    inflate_in_steps(&inflater, (vital_bytes){many, sizeof many - 4}, 7, 10, &outcome);
    assert_int_equal(outcome.how, VT_INFLATED_DONE);
    assert_int_equal(outcome.size, 0);
}

static void a_message_of_no_bytes_is_empty(void **state)
{
    (void)state;
    CHECK("", VT_INFLATED_DONE, "");
}

static void a_message_that_ends_inside_a_block_is_cut_rfc_7692_7_2_1(void **state)
{
    static const char whole[] = "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00";
    (void)state;
    /* Of a block without compression: each cut but the empty one. */
    for (size_t size = 1; size < sizeof whole - 1; size++)
        if (size != 1) /* that is the example of an empty message */
            check_all_ways(whole, size, size < 5 ? VT_INFLATED_BAD : VT_INFLATED_CUT, NULL);
    CHECK("\xf2\x48\xcd\xc9", VT_INFLATED_CUT, NULL);
}

static void a_peer_may_keep_to_a_window_of_8_bits_rfc_7692_7_1_2(void **state)
{
    (void)state;
    for (int bits = 8; bits <= 15; bits++) {
        vt_inflater inflater = {.shared = shared, .bits = bits, .keeps = bits % 2 == 0};
        for (size_t step = 1; step < 20; step += 7) {
            inflate_in_steps(&inflater, (vital_bytes){"\xf2\x48\xcd\xc9\xc9\x07\x00", 7}, step, 10,
                             &outcome);
            assert_int_equal(outcome.how, VT_INFLATED_DONE);
            assert_int_equal(outcome.size, 5);
        }
        vt_inflater_finish(&inflater);
    }
}

/* ---------------------------------------------------------------- against zlib */

static uint64_t seed;

static size_t any(size_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (size_t)(seed >> 33) % below;
}

static size_t any_plain(uint8_t *out, size_t most)
{
    size_t size = any(most);
    for (size_t i = 0; i < size; i++)
        out[i] = i > 20 && any(4) > 0 ? out[i - 1 - any(20)] : (uint8_t)any(256);
    return size;
}

/* A message by zlib, in chunks that end as the seed will have it. */
static size_t pack(z_stream *zlib, const uint8_t *plain, size_t size, uint8_t *out, size_t room)
{
    static const int flushes[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_PARTIAL_FLUSH, Z_FULL_FLUSH, Z_BLOCK};
    zlib->next_out = out;
    zlib->avail_out = (uInt)room;
    for (size_t at = 0, chunk; at < size; at += chunk) {
        chunk = 1 + any(size - at);
        deflateParams(zlib, (int)any(10), (int)any(5));
        zlib->next_in = (uint8_t *)plain + at;
        zlib->avail_in = (uInt)chunk;
        assert_int_equal(deflate(zlib, flushes[any(5)]), Z_OK);
        assert_int_equal(zlib->avail_in, 0);
    }
    deflate(zlib, Z_FULL_FLUSH);
    size_t given = room - zlib->avail_out;
    return given > 4 ? given - 4 : 0;
}

static void what_zlib_packs_comes_out_again_in_any_pieces(void **state)
{
    static uint8_t plain[3000], packed[20000];
    (void)state;
    for (uint64_t round = 1; round <= 300; round++) {
        seed = round;
        int bits = 9 + (int)any(7);
        vt_inflater inflater = {.shared = shared, .bits = bits, .keeps = any(2) == 0};
        z_stream *zlib = vt_zlib_deflater(bits);
        assert_non_null(zlib);
        for (size_t messages = 1 + any(5); messages > 0; messages--) {
            size_t size = any_plain(plain, sizeof plain);
            if (!inflater.keeps)
                deflateReset(zlib);
            size_t packed_size = pack(zlib, plain, size, packed, sizeof packed);
            inflate_in_steps(&inflater, (vital_bytes){packed, packed_size}, 1 + any(500),
                             1 + any(500), &outcome);
            assert_int_equal(outcome.how, VT_INFLATED_DONE);
            assert_int_equal(outcome.size, size);
            assert_memory_equal(outcome.bytes, plain, size);
        }
        vt_zlib_end_deflater(zlib);
        vt_inflater_finish(&inflater);
    }
}

static void turned_bits_give_the_same_in_any_pieces(void **state)
{
    static uint8_t plain[600], packed[4000];
    size_t bad = 0, cut = 0, done = 0;
    (void)state;
    for (uint64_t round = 1; round <= 400; round++) {
        seed = round + 1000;
        z_stream *zlib = vt_zlib_deflater(15);
        size_t size = any_plain(plain, sizeof plain);
        size_t packed_size = pack(zlib, plain, size, packed, sizeof packed);
        vt_zlib_end_deflater(zlib);
        for (size_t turns = any(3); packed_size > 0 && turns > 0; turns--)
            packed[any(packed_size)] ^= (uint8_t)(1 << any(8));
        if (any(3) == 0)
            packed_size = any(packed_size + 1);
        vt_inflater inflater = {.shared = shared, .bits = 15};
        vital_bytes message = {packed, packed_size};
        inflate_in_steps(&inflater, message, SIZE_MAX, PLAIN_MAX, &outcome);
        bad += outcome.how == VT_INFLATED_BAD;
        cut += outcome.how == VT_INFLATED_CUT;
        done += outcome.how == VT_INFLATED_DONE;
        for (size_t way = 0; way < 20; way++) {
            inflate_in_steps(&inflater, message, 1 + any(way * 20 + 1), 1 + any(700), &other);
            assert_int_equal(other.how, outcome.how);
            assert_int_equal(other.size, outcome.size);
            assert_memory_equal(other.bytes, outcome.bytes, outcome.size);
        }
    }
    assert_true(bad > 50 && cut > 50 && done > 50);
}

/* --------------------------------------------------------------------- bounds */

static void c1_a_bomb_fills_the_room_that_there_is_and_no_more(void **state)
{
    enum { BOMB = 100 << 20, PACKED = 200 * 1024 };
    static uint8_t zeros[1 << 16], packed[PACKED];
    (void)state;
    z_stream *zlib = vt_zlib_deflater(15);
    zlib->next_out = packed;
    zlib->avail_out = PACKED;
    for (size_t size = 0; size < BOMB; size += sizeof zeros) {
        zlib->next_in = zeros;
        zlib->avail_in = sizeof zeros;
        assert_int_equal(deflate(zlib, Z_NO_FLUSH), Z_OK);
    }
    assert_int_equal(deflate(zlib, Z_SYNC_FLUSH), Z_OK);
    size_t size = PACKED - zlib->avail_out;
    vt_zlib_end_deflater(zlib);

    vt_inflater inflater = {.shared = shared, .bits = 15};
    assert_true(vt_inflater_begin(&inflater, true));
    uint8_t *room = malloc(1000);
    vt_inflate_step step = {.in = packed, .in_size = size, .last = true, .out = room, .room = 1000};
    assert_int_equal(vt_inflate(&inflater, &step), VT_INFLATED_FULL);
    assert_int_equal(step.room, 0);
    assert_ptr_equal(step.out, room + 1000);
    assert_true(step.in_size > size - 1000); /* it stopped, with most of the bomb unread */
    assert_int_equal(vt_inflate(&inflater, &step), VT_INFLATED_FULL);
    free(room);
    vt_inflater_end(&inflater);
}

static void c2_a_message_that_fills_its_room_needs_no_byte_more(void **state)
{
    (void)state;
    vt_inflater inflater = {.shared = shared, .bits = 15};
    uint8_t *piece = malloc(7);
    uint8_t *room = malloc(5);
    memcpy(piece, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
    assert_true(vt_inflater_begin(&inflater, true));
    vt_inflate_step step = {.in = piece, .in_size = 7, .last = true, .out = room, .room = 5};
    assert_int_equal(vt_inflate(&inflater, &step), VT_INFLATED_FULL);
    assert_memory_equal(room, "Hello", 5);
    free(room);
    uint8_t beyond;
    step.out = &beyond;
    step.room = 1;
    assert_int_equal(vt_inflate(&inflater, &step), VT_INFLATED_DONE);
    assert_int_equal(step.room, 1);
    free(piece);
    vt_inflater_end(&inflater);
}

static void a_message_in_pieces_leaves_the_shared_one_to_others(void **state)
{
    (void)state;
    vt_inflater slow = {.shared = shared, .bits = 15};
    uint8_t room[10];
    assert_true(vt_inflater_begin(&slow, false));
    vt_inflate_step step = {
        .in = (const uint8_t *)"\xf2\x48\xcd", .in_size = 3, .out = room, .room = sizeof room};
    assert_int_equal(vt_inflate(&slow, &step), VT_INFLATED_IN);
    CHECK("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", VT_INFLATED_DONE, "Hello");
    step.in = (const uint8_t *)"\xc9\xc9\x07\x00";
    step.in_size = 4;
    step.last = true;
    assert_int_equal(vt_inflate(&slow, &step), VT_INFLATED_DONE);
    assert_int_equal(step.room, 5);
    assert_memory_equal(room, "Hello", 5);
    vt_inflater_end(&slow);
    assert_null(slow.own);
}

static void finishing_accepts_null_and_zeroed_and_twice(void **state)
{
    (void)state;
    vt_inflater inflater = {.bits = 0};
    vt_inflater_finish(NULL);
    vt_inflater_finish(&inflater);
    inflater = (vt_inflater){.shared = shared, .bits = 15, .keeps = true};
    assert_true(vt_inflater_begin(&inflater, true));
    vt_inflater_finish(&inflater);
    vt_inflater_finish(&inflater);
}

static int create(void **state)
{
    (void)state;
    return vital_compressor_create(&shared);
}

static int destroy(void **state)
{
    (void)state;
    vital_compressor_destroy(shared);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_rfc_rfc_7692_7_2_3),
        cmocka_unit_test(the_window_goes_on_from_message_to_message_rfc_7692_7_2_3_2),
        cmocka_unit_test(c7_blocks_marked_as_the_last_may_come_anywhere_rfc_7692_7_2_3_4),
        cmocka_unit_test(c7_after_a_last_block_the_next_message_begins_a_stream),
        cmocka_unit_test(c7_trailing_garbage_is_bad),
        cmocka_unit_test(c7_empty_blocks_give_nothing),
        cmocka_unit_test(a_message_of_no_bytes_is_empty),
        cmocka_unit_test(a_message_that_ends_inside_a_block_is_cut_rfc_7692_7_2_1),
        cmocka_unit_test(a_peer_may_keep_to_a_window_of_8_bits_rfc_7692_7_1_2),
        cmocka_unit_test(what_zlib_packs_comes_out_again_in_any_pieces),
        cmocka_unit_test(turned_bits_give_the_same_in_any_pieces),
        cmocka_unit_test(c1_a_bomb_fills_the_room_that_there_is_and_no_more),
        cmocka_unit_test(c2_a_message_that_fills_its_room_needs_no_byte_more),
        cmocka_unit_test(a_message_in_pieces_leaves_the_shared_one_to_others),
        cmocka_unit_test(finishing_accepts_null_and_zeroed_and_twice),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
