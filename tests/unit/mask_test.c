/*
 * Masking against the formula of RFC 6455 5.3, byte by byte, with guards around
 * the bytes to see that nothing else is touched.
 */
#include "mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE_MAX_TESTED = 300, ALIGNMENTS = 9, OFFSETS = 9, GUARD = 16, GUARD_BYTE = 0x5C };
enum { ROOM = GUARD + ALIGNMENTS + SIZE_MAX_TESTED + GUARD };

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

static uint8_t plain(size_t i)
{
    return (uint8_t)(i * 31 + 7);
}

static void check(const uint8_t *room, const uint8_t *data, size_t size, uint64_t offset)
{
    for (size_t i = 0; i < ROOM; i++) {
        const uint8_t *at = room + i;
        uint8_t expected = GUARD_BYTE;
        if (at >= data && at < data + size) {
            size_t place = (size_t)(at - data);
            expected = plain(place) ^ key[(offset + place) % 4];
        }
        if (*at != expected)
            fail_msg("size %zu, offset %zu, alignment %zu, byte %td: 0x%02x, expected 0x%02x", size,
                     (size_t)offset, (size_t)(data - room) - GUARD, at - data, *at, expected);
    }
}

static void
masking_in_place_is_the_formula_at_every_size_offset_and_alignment_rfc_5_3(void **unused)
{
    _Alignas(64) uint8_t room[ROOM];
    (void)unused;
    for (size_t size = 0; size <= SIZE_MAX_TESTED; size++) {
        for (uint64_t offset = 0; offset < OFFSETS; offset++) {
            for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++) {
                uint8_t *data = room + GUARD + alignment;
                memset(room, GUARD_BYTE, sizeof(room));
                for (size_t i = 0; i < size; i++)
                    data[i] = plain(i);
                vt_mask(data, size, key, offset);
                check(room, data, size, offset);
            }
        }
    }
}

static void masking_into_another_place_is_the_same_rfc_5_3(void **unused)
{
    _Alignas(64) uint8_t room[ROOM];
    _Alignas(64) uint8_t source[ROOM];
    (void)unused;
    for (size_t size = 0; size <= SIZE_MAX_TESTED; size++) {
        for (uint64_t offset = 0; offset < 4; offset++) {
            for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++) {
                uint8_t *from = source + (alignment * 5 + size) % ALIGNMENTS;
                for (size_t i = 0; i < size; i++)
                    from[i] = plain(i);
                memset(room, GUARD_BYTE, sizeof(room));
                vt_mask_copy(room + GUARD + alignment, from, size, key, offset);
                check(room, room + GUARD + alignment, size, offset);
                for (size_t i = 0; i < size; i++)
                    assert_int_equal(from[i], plain(i));
            }
        }
    }
}

static void masking_twice_gives_back_the_data_rfc_5_3(void **unused)
{
    uint8_t data[257], before[257];
    (void)unused;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = before[i] = plain(i);
    vt_mask(data, sizeof(data), key, 3);
    assert_memory_not_equal(data, before, sizeof(data));
    vt_mask(data, sizeof(data), key, 3);
    assert_memory_equal(data, before, sizeof(data));
}

static void masking_in_pieces_is_masking_the_whole(void **unused)
{
    uint8_t whole[200], pieces[200];
    (void)unused;
    for (size_t cut = 0; cut <= sizeof(whole); cut++) {
        for (size_t i = 0; i < sizeof(whole); i++)
            whole[i] = pieces[i] = plain(i);
        vt_mask(whole, sizeof(whole), key, 0);
        vt_mask(pieces, cut, key, 0);
        vt_mask(pieces + cut, sizeof(pieces) - cut, key, cut);
        assert_memory_equal(whole, pieces, sizeof(whole));
    }
}

static void an_offset_beyond_32_bits_counts(void **unused)
{
    uint8_t data[4] = {0};
    (void)unused;
    vt_mask(data, sizeof(data), key, (UINT64_C(1) << 40) + 3);
    assert_memory_equal(data, ((uint8_t[]){key[3], key[0], key[1], key[2]}), sizeof(data));
    memset(data, 0, sizeof(data));
    vt_mask(data, sizeof(data), key, UINT64_MAX); /* 3 mod 4, and wraps */
    assert_memory_equal(data, ((uint8_t[]){key[3], key[0], key[1], key[2]}), sizeof(data));
}

static void the_example_hello_is_masked_as_in_rfc_5_7(void **unused)
{
    uint8_t data[] = {'H', 'e', 'l', 'l', 'o'};
    (void)unused;
    vt_mask(data, sizeof(data), key, 0);
    assert_memory_equal(data, ((uint8_t[]){0x7f, 0x9f, 0x4d, 0x51, 0x58}), sizeof(data));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            masking_in_place_is_the_formula_at_every_size_offset_and_alignment_rfc_5_3),
        cmocka_unit_test(masking_into_another_place_is_the_same_rfc_5_3),
        cmocka_unit_test(masking_twice_gives_back_the_data_rfc_5_3),
        cmocka_unit_test(masking_in_pieces_is_masking_the_whole),
        cmocka_unit_test(an_offset_beyond_32_bits_counts),
        cmocka_unit_test(the_example_hello_is_masked_as_in_rfc_5_7),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
