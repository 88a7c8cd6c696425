/*
 * Deflating. What comes out is put together as a receiver does it, and inflated
 * by zlib itself.
 */
#include "deflate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compressor.h"

enum { MESSAGE_MAX = 1 << 20, PIECE = 16 * 1024 };

static vital_compressor *shared;
static uint8_t message[MESSAGE_MAX], packed[VT_DEFLATE_BOUND(MESSAGE_MAX)], plain[MESSAGE_MAX];

static uint64_t seed;

static size_t any(size_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (size_t)(seed >> 33) % below;
}

/* Text with repetitions near and far. */
static void make_message(size_t size)
{
    for (size_t i = 0; i < size; i++)
        message[i] = i > 3000 && any(20) > 0 ? message[i - 3000 + any(3)]
                                             : (uint8_t)('a' + any(26));
}

/* The payload of the whole message. */
static size_t deflate_in_pieces(vt_deflater *deflater, size_t size, size_t piece)
{
    size_t given = 0;
    for (size_t at = 0; at < size; at += piece) {
        size_t now = piece < size - at ? piece : size - at;
        vital_bytes out = vt_deflate(deflater, message + at, now, at, at + now == size);
        assert_non_null(out.data);
        assert_true(out.size > 0 && out.size <= VT_DEFLATE_BOUND(now));
        assert_true(given + out.size + 4 <= sizeof packed);
        memcpy(packed + given, out.data, out.size);
        given += out.size;
    }
    return given;
}

/* As RFC 7692 7.2.2 has it. */
static void assert_inflates(z_stream *zlib, size_t given, size_t size)
{
    memcpy(packed + given, "\x00\x00\xff\xff", 4);
    zlib->next_in = packed;
    zlib->avail_in = (uInt)given + 4;
    zlib->next_out = plain;
    zlib->avail_out = (uInt)sizeof plain;
    assert_int_equal(inflate(zlib, Z_SYNC_FLUSH), Z_OK);
    assert_int_equal(zlib->avail_in, 0);
    assert_int_equal(sizeof plain - zlib->avail_out, size);
    assert_memory_equal(plain, message, size);
}

static void the_example_of_the_rfc_rfc_7692_7_2_3_1(void **state)
{
    (void)state;
    vt_deflater deflater = {.shared = shared, .bits = 15};
    vital_bytes out = vt_deflate(&deflater, (const uint8_t *)"Hello", 5, 0, true);
    assert_int_equal(out.size, 7);
    assert_memory_equal(out.data, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
}

static void the_second_message_refers_to_the_first_rfc_7692_7_2_3_2(void **state)
{
    (void)state;
    vt_deflater deflater = {.shared = shared, .bits = 15, .keeps = true};
    assert_null(deflater.own);
    vital_bytes out = vt_deflate(&deflater, (const uint8_t *)"Hello", 5, 0, true);
    assert_memory_equal(out.data, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
    out = vt_deflate(&deflater, (const uint8_t *)"Hello", 5, 0, true);
    assert_int_equal(out.size, 5);
    assert_memory_equal(out.data, "\xf2\x00\x11\x00\x00", 5);
    /* What was not sent cannot be referred to. */
    vt_deflater_forget(&deflater);
    out = vt_deflate(&deflater, (const uint8_t *)"Hello", 5, 0, true);
    assert_int_equal(out.size, 7);
    vt_deflater_finish(&deflater);
}

static void every_window_and_context_gives_what_zlib_inflates(void **state)
{
    (void)state;
    for (int bits = 9; bits <= 15; bits++) {
        for (int keeps = 0; keeps < 2; keeps++) {
            vt_deflater deflater = {.shared = shared, .bits = bits, .keeps = keeps};
            z_stream *zlib = vt_zlib_inflater(bits);
            for (uint64_t round = 1; round <= 8; round++) {
                seed = round;
                size_t size = 1 + any(round == 8 ? 200000 : 3000);
                make_message(size);
                size_t given = deflate_in_pieces(&deflater, size, 1 + any(PIECE));
                if (!keeps)
                    inflateReset(zlib);
                assert_inflates(zlib, given, size);
                assert_int_equal(deflater.own != NULL, keeps);
            }
            vt_zlib_end_inflater(zlib);
            vt_deflater_finish(&deflater);
        }
    }
}

static void connections_take_turns_with_one_compressor(void **state)
{
    (void)state;
    vt_deflater one = {.shared = shared, .bits = 15};
    vt_deflater two = {.shared = shared, .bits = 15};
    size_t given = 0;
    seed = 1;
    make_message(3 * PIECE);
    for (size_t at = 0; at < 3 * PIECE; at += PIECE) {
        vital_bytes out = vt_deflate(&one, message + at, PIECE, at, at == 2 * PIECE);
        memcpy(packed + given, out.data, out.size);
        given += out.size;
        vt_deflate(&two, (const uint8_t *)"another's message in between", 28, 0, true);
    }
    z_stream *zlib = vt_zlib_inflater(15);
    assert_inflates(zlib, given, 3 * PIECE);
    vt_zlib_end_inflater(zlib);
}

static void pieces_cost_hardly_more_than_the_whole(void **state)
{
    (void)state;
    vt_deflater pieces = {.shared = shared, .bits = 15};
    seed = 3;
    make_message(MESSAGE_MAX);
    size_t in_pieces = deflate_in_pieces(&pieces, MESSAGE_MAX, PIECE);
    size_t in_one = deflate_in_pieces(&pieces, MESSAGE_MAX, MESSAGE_MAX);
    if (in_pieces > in_one + in_one / 20)
        fail_msg("%zu bytes in pieces, %zu in one", in_pieces, in_one);
}

static void what_cannot_be_compressed_stays_within_the_bound(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 5, 100, 1000, PIECE, 100000};
    vt_deflater deflater = {.shared = shared};
    seed = 1;
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)any(256);
    for (deflater.bits = 9; deflater.bits <= 15; deflater.bits++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            size_t given = deflate_in_pieces(&deflater, sizes[i], PIECE);
            z_stream *zlib = vt_zlib_inflater(deflater.bits);
            assert_inflates(zlib, given, sizes[i]);
            vt_zlib_end_inflater(zlib);
        }
    }
}

static void only_what_is_worth_it_is_wanted(void **state)
{
    (void)state;
    vt_deflater deflater = {.shared = shared, .bits = 15, .least_bytes = 100};
    assert_true(vt_deflater_wants(&deflater, 100));
    assert_false(vt_deflater_wants(&deflater, 99));
    deflater.least_bytes = 0;
    assert_true(vt_deflater_wants(&deflater, 1));
    assert_false(vt_deflater_wants(&deflater, 0));
    /* zlib cannot deflate at 8 bits, and none at all have been agreed at 0. */
    deflater.bits = 8;
    assert_false(vt_deflater_wants(&deflater, 1000));
    assert_false(vt_deflater_wants(&(vt_deflater){0}, 1000));
}

static void finishing_accepts_null_and_zeroed_and_twice(void **state)
{
    (void)state;
    vt_deflater deflater = {0};
    vt_deflater_finish(NULL);
    vt_deflater_finish(&deflater);
    deflater = (vt_deflater){.shared = shared, .bits = 9, .keeps = true};
    vt_deflate(&deflater, (const uint8_t *)"Hello", 5, 0, true);
    vt_deflater_finish(&deflater);
    vt_deflater_finish(&deflater);
    vt_deflater_forget(&deflater);
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
        cmocka_unit_test(the_example_of_the_rfc_rfc_7692_7_2_3_1),
        cmocka_unit_test(the_second_message_refers_to_the_first_rfc_7692_7_2_3_2),
        cmocka_unit_test(every_window_and_context_gives_what_zlib_inflates),
        cmocka_unit_test(connections_take_turns_with_one_compressor),
        cmocka_unit_test(pieces_cost_hardly_more_than_the_whole),
        cmocka_unit_test(what_cannot_be_compressed_stays_within_the_bound),
        cmocka_unit_test(only_what_is_worth_it_is_wanted),
        cmocka_unit_test(finishing_accepts_null_and_zeroed_and_twice),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
