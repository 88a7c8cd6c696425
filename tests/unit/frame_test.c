#include "frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Decodes from a heap copy of exactly that size, so that a read beyond it does
 * not go unseen under the address sanitizer. */
static int decode(vt_frame *frame, const uint8_t *data, size_t size, const char **why)
{
    uint8_t *copy = calloc(size > 0 ? size : 1, 1);
    memcpy(copy, data, size);
    *why = NULL;
    int result = vt_frame_decode(frame, copy, size, why);
    free(copy);
    return result;
}

/* The bytes are refused at the last of them, with that section, and not before. */
static void check_refused_at_last_byte(const uint8_t *data, size_t size, const char *section)
{
    vt_frame frame;
    const char *why;

    for (size_t some = 0; some < size; some++)
        assert_int_equal(decode(&frame, data, some, &why), 0);
    assert_int_equal(decode(&frame, data, size, &why), -1);
    assert_non_null(why);
    if (strstr(why, section) == NULL)
        fail_msg("\"%s\" does not name %s", why, section);
    /* What follows cannot make it good again. */
    uint8_t more[64] = {0};
    memcpy(more, data, size);
    const char *again;
    assert_int_equal(decode(&frame, more, sizeof(more), &again), -1);
    assert_ptr_equal(why, again);
}

static void every_header_comes_back_from_the_wire_rfc_5_2(void **unused)
{
    static const vt_opcode opcodes[] = {VT_OP_CONTINUATION, VT_OP_TEXT, VT_OP_BINARY,
                                        VT_OP_CLOSE,        VT_OP_PING, VT_OP_PONG};
    static const struct {
        uint64_t size;
        size_t header; /* its length without a mask */
    } sizes[] = {
        {0, 2},
        {1, 2},
        {124, 2},
        {125, 2},
        {126, 4},
        {127, 4},
        {255, 4},
        {256, 4},
        {65534, 4},
        {65535, 4},
        {65536, 10},
        {65537, 10},
        {(UINT64_C(1) << 32) - 1, 10},
        {UINT64_C(1) << 32, 10},
        {(UINT64_C(1) << 32) + 1, 10},
        {INT64_MAX - 1, 10},
        {INT64_MAX, 10},
    };
    (void)unused;
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        for (unsigned bits = 0; bits < 6 * 2 * 2 * 8; bits++) {
            vt_frame frame = {
                .fin = (bits & 1) != 0,
                .masked = (bits & 2) != 0,
                .rsv = (uint8_t)(bits >> 2 & 7),
                .opcode = opcodes[bits >> 5],
                .size = sizes[s].size,
            };
            if (frame.masked)
                memcpy(frame.key, "\x01\x82\xFE\x00", 4);
            if (vt_opcode_is_control(frame.opcode) && (!frame.fin || frame.size > 125))
                continue;
            uint8_t wire[VT_FRAME_HEADER_MAX];
            vt_frame back;
            const char *why;
            size_t length = vt_frame_encode(wire, &frame);
            assert_int_equal(length, sizes[s].header + (frame.masked ? 4 : 0));
            for (size_t some = 0; some < length; some++)
                assert_int_equal(decode(&back, wire, some, &why), 0);
            assert_int_equal(decode(&back, wire, length, &why), length);
            assert_null(why);
            assert_int_equal(back.fin, frame.fin);
            assert_int_equal(back.masked, frame.masked);
            assert_int_equal(back.rsv, frame.rsv);
            assert_int_equal(back.opcode, frame.opcode);
            assert_int_equal(back.size, frame.size);
            assert_memory_equal(back.key, frame.key, 4);
        }
    }
}

static void the_examples_are_as_in_rfc_5_7(void **unused)
{
    vt_frame frame;
    const char *why;
    (void)unused;
    assert_int_equal(
        decode(&frame, (const uint8_t *)"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11, &why),
        6);
    assert_true(frame.fin && frame.masked && frame.opcode == VT_OP_TEXT);
    assert_int_equal(frame.size, 5);
    assert_memory_equal(frame.key, "\x37\xfa\x21\x3d", 4);
    assert_int_equal(decode(&frame, (const uint8_t *)"\x82\x7E\x01\x00", 4, &why), 4);
    assert_int_equal(frame.size, 256);
    assert_int_equal(
        decode(&frame, (const uint8_t *)"\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00", 10, &why), 10);
    assert_int_equal(frame.size, 65536);
    assert_int_equal(decode(&frame, (const uint8_t *)"\x01\x03", 2, &why), 2);
    assert_false(frame.fin);
}

static void an_unknown_opcode_is_refused_by_its_first_byte_rfc_5_2(void **unused)
{
    (void)unused;
    for (unsigned first = 0; first < 256; first++) {
        unsigned opcode = first & 15;
        if (opcode <= 2 || (opcode >= 8 && opcode <= 10))
            continue;
        check_refused_at_last_byte((uint8_t[]){(uint8_t)first}, 1, "unknown opcode (RFC 6455 5.2)");
    }
}

static void b3_an_absurd_length_behind_an_unknown_opcode_is_not_looked_at_rfc_5_2(void **unused)
{
    static const uint8_t data[] = {0x83, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    vt_frame frame;
    const char *why;
    (void)unused;
    assert_int_equal(decode(&frame, data, sizeof(data), &why), -1);
    assert_non_null(strstr(why, "opcode"));
}

static void b12_a_fragmented_control_frame_is_refused_by_its_first_byte_rfc_5_5(void **unused)
{
    (void)unused;
    for (uint8_t opcode = 8; opcode <= 10; opcode++)
        check_refused_at_last_byte(&opcode, 1, "fragmented control frame (RFC 6455 5.5)");
}

static void b12_a_control_frame_above_125_bytes_is_refused_by_its_second_byte_rfc_5_5(void **unused)
{
    (void)unused;
    for (uint8_t opcode = 8; opcode <= 10; opcode++) {
        for (unsigned masked = 0; masked <= 0x80; masked += 0x80) {
            for (unsigned length = 126; length <= 127; length++) {
                uint8_t data[] = {(uint8_t)(0x80 | opcode), (uint8_t)(masked | length)};
                check_refused_at_last_byte(data, 2, "more than 125 bytes (RFC 6455 5.5)");
            }
            vt_frame frame;
            const char *why;
            uint8_t largest[] = {(uint8_t)(0x80 | opcode), (uint8_t)(masked | 125), 1, 2, 3, 4};
            assert_int_equal(decode(&frame, largest, 6, &why), masked ? 6 : 2);
            assert_int_equal(frame.size, 125);
        }
    }
}

static void a_length_not_in_its_shortest_form_is_refused_rfc_5_2(void **unused)
{
    static const uint8_t just_16[] = {0x82, 126, 0, 126};
    static const uint8_t just_64[] = {0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0};
    vt_frame frame;
    const char *why;
    (void)unused;
    check_refused_at_last_byte((uint8_t[]){0x82, 126, 0, 125}, 4, "shortest form (RFC 6455 5.2)");
    check_refused_at_last_byte((uint8_t[]){0x82, 126, 0, 0}, 4, "shortest form (RFC 6455 5.2)");
    check_refused_at_last_byte((uint8_t[]){0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 10,
                               "shortest form (RFC 6455 5.2)");
    check_refused_at_last_byte((uint8_t[]){0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0}, 10,
                               "shortest form (RFC 6455 5.2)");
    assert_int_equal(decode(&frame, just_16, sizeof(just_16), &why), 4);
    assert_int_equal(decode(&frame, just_64, sizeof(just_64), &why), 10);
}

static void b1_a_length_above_63_bits_is_refused_by_its_first_byte_rfc_5_2(void **unused)
{
    static const uint8_t largest[] = {0x82, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    vt_frame frame;
    const char *why;
    (void)unused;
    check_refused_at_last_byte((uint8_t[]){0x82, 127, 0x80}, 3, "2^63 - 1 (RFC 6455 5.2)");
    check_refused_at_last_byte((uint8_t[]){0x82, 0xFF, 0xFF}, 3, "2^63 - 1 (RFC 6455 5.2)");
    assert_int_equal(decode(&frame, largest, sizeof(largest), &why), 10);
    assert_true(frame.size == INT64_MAX);
}

static void the_reserved_bits_are_given_and_not_judged_rfc_5_2(void **unused)
{
    vt_frame frame;
    const char *why;
    (void)unused;
    for (uint8_t rsv = 0; rsv < 8; rsv++) {
        uint8_t data[] = {(uint8_t)(0x80 | rsv << 4 | 1), 0};
        assert_int_equal(decode(&frame, data, 2, &why), 2);
        assert_int_equal(frame.rsv, rsv);
    }
}

static void control_opcodes_are_those_with_the_high_bit_rfc_5_2(void **unused)
{
    (void)unused;
    assert_false(vt_opcode_is_control(VT_OP_CONTINUATION));
    assert_false(vt_opcode_is_control(VT_OP_TEXT));
    assert_false(vt_opcode_is_control(VT_OP_BINARY));
    assert_true(vt_opcode_is_control(VT_OP_CLOSE));
    assert_true(vt_opcode_is_control(VT_OP_PING));
    assert_true(vt_opcode_is_control(VT_OP_PONG));
}

/* Any bytes at all: a length that fits, or a refusal, and the same for every
 * longer view of the same bytes. */
static void any_bytes_are_judged_the_same_however_many_are_seen(void **unused)
{
    uint64_t seed = 1;
    (void)unused;
    for (int round = 0; round < 20000; round++) {
        uint8_t data[VT_FRAME_HEADER_MAX + 2];
        for (size_t i = 0; i < sizeof(data); i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
            data[i] = (uint8_t)(seed >> 56);
        }
        if (round % 2 == 0)
            data[1] |= 126;
        vt_frame whole, part;
        const char *why, *part_why;
        int expected = decode(&whole, data, sizeof(data), &why);
        assert_int_not_equal(expected, 0);
        bool decided = false;
        for (size_t some = 0; some < sizeof(data); some++) {
            int got = decode(&part, data, some, &part_why);
            if (expected > 0)
                assert_int_equal(got, some >= (size_t)expected ? expected : 0);
            else
                assert_true(got == -1 || (got == 0 && !decided));
            decided = got == -1;
            assert_ptr_equal(part_why, got == -1 ? why : NULL);
        }
        if (expected > 0) {
            uint8_t wire[VT_FRAME_HEADER_MAX];
            assert_int_equal(vt_frame_encode(wire, &whole), expected);
            assert_memory_equal(wire, data, (size_t)expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_header_comes_back_from_the_wire_rfc_5_2),
        cmocka_unit_test(the_examples_are_as_in_rfc_5_7),
        cmocka_unit_test(an_unknown_opcode_is_refused_by_its_first_byte_rfc_5_2),
        cmocka_unit_test(b3_an_absurd_length_behind_an_unknown_opcode_is_not_looked_at_rfc_5_2),
        cmocka_unit_test(b12_a_fragmented_control_frame_is_refused_by_its_first_byte_rfc_5_5),
        cmocka_unit_test(b12_a_control_frame_above_125_bytes_is_refused_by_its_second_byte_rfc_5_5),
        cmocka_unit_test(a_length_not_in_its_shortest_form_is_refused_rfc_5_2),
        cmocka_unit_test(b1_a_length_above_63_bits_is_refused_by_its_first_byte_rfc_5_2),
        cmocka_unit_test(the_reserved_bits_are_given_and_not_judged_rfc_5_2),
        cmocka_unit_test(control_opcodes_are_those_with_the_high_bit_rfc_5_2),
        cmocka_unit_test(any_bytes_are_judged_the_same_however_many_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
