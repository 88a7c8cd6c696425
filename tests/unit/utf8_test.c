/*
 * The validator against a decoder so simple that one can see it is right:
 * decode the number, and ask whether a shorter form, a surrogate or a too large
 * number came out. The judge below says where the first bad byte is, and the
 * validator must fail at that byte and not before.
 */
#include "utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ----------------------------------------------------- the simple truth */

static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};

static bool allowed(uint32_t number)
{
    return number <= 0x10FFFF && !(number >= 0xD800 && number <= 0xDFFF);
}

/* The length that a first byte announces; 0 if it announces none. */
static size_t announced(uint8_t first)
{
    return first < 0x80           ? 1
           : (first >> 5) == 0x06 ? 2
           : (first >> 4) == 0x0E ? 3
           : (first >> 3) == 0x1E ? 4
                                  : 0;
}

/* The bits of the number that `size` bytes of a character of `length` say. */
static bool bits_of(const uint8_t *data, size_t size, size_t length, uint32_t *number)
{
    *number = length == 1 ? data[0] : data[0] & (0x7FU >> length);
    for (size_t i = 1; i < size; i++) {
        if ((data[i] & 0xC0) != 0x80)
            return false;
        *number = *number << 6 | (data[i] & 0x3F);
    }
    return true;
}

static bool is_character(const uint8_t *data, size_t size)
{
    uint32_t number;
    size_t length = announced(data[0]);
    return length == size && bits_of(data, size, length, &number) && number >= smallest[length] &&
           allowed(number);
}

/* Whether any number that begins with these bits is a character. */
static bool begins_character(const uint8_t *data, size_t size)
{
    uint32_t low;
    size_t length = announced(data[0]);
    if (size >= length || !bits_of(data, size, length, &low))
        return false;
    uint32_t open = (1U << 6 * (length - size)) - 1;
    low <<= 6 * (length - size);
    uint32_t high = low | open;
    if (low < smallest[length])
        low = smallest[length];
    return low <= high && (allowed(low) || allowed(high));
}

/* How many bytes may be fed before the first bad one; *complete: no character
 * is open at the end. */
static size_t truth(const uint8_t *data, size_t size, bool *complete)
{
    size_t start = 0;
    for (size_t end = 1; end <= size; end++) {
        if (is_character(data + start, end - start))
            start = end;
        else if (!begins_character(data + start, end - start))
            return end - 1;
    }
    *complete = start == size;
    return size;
}

/* The same by the validator, byte by byte. */
static size_t measured(const uint8_t *data, size_t size, bool *complete)
{
    vt_utf8 utf8 = {0};
    for (size_t i = 0; i < size; i++) {
        if (!vt_utf8_feed(&utf8, data + i, 1))
            return i;
    }
    *complete = vt_utf8_complete(&utf8);
    return size;
}

static void check(const uint8_t *data, size_t size)
{
    bool complete = false, expected_complete = false;
    size_t good = measured(data, size, &complete);
    size_t expected = truth(data, size, &expected_complete);

    if (good != expected || (good == size && complete != expected_complete)) {
        fail_msg("%02X %02X %02X %02X (%zu bytes): good for %zu, complete %d; expected %zu, %d",
                 data[0], size > 1 ? data[1] : 0, size > 2 ? data[2] : 0, size > 3 ? data[3] : 0,
                 size, good, complete, expected, expected_complete);
    }
    bool valid = vt_utf8_valid(data, size);
    if (valid != (expected == size && expected_complete))
        fail_msg("%02X... (%zu bytes): valid %d", data[0], size, valid);
}

/* ---------------------------------------------------------------- tests */

static void every_sequence_of_one_to_three_bytes_is_judged_like_the_simple_decoder(void **unused)
{
    (void)unused;
    for (unsigned a = 0; a < 256; a++) {
        check((uint8_t[]){(uint8_t)a}, 1);
        for (unsigned b = 0; b < 256; b++) {
            check((uint8_t[]){(uint8_t)a, (uint8_t)b}, 2);
            for (unsigned c = 0; c < 256; c++)
                check((uint8_t[]){(uint8_t)a, (uint8_t)b, (uint8_t)c}, 3);
        }
    }
}

static void four_bytes_are_judged_like_the_simple_decoder(void **unused)
{
    static const uint8_t edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F,
                                    0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xF4, 0xFF};
    (void)unused;
    for (unsigned a = 0xC0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            for (size_t c = 0; c < sizeof(edges); c++) {
                for (size_t d = 0; d < sizeof(edges); d++)
                    check((uint8_t[]){(uint8_t)a, (uint8_t)b, edges[c], edges[d]}, 4);
            }
        }
    }
}

static void every_character_of_unicode_is_valid(void **unused)
{
    (void)unused;
    for (uint32_t number = 0; number <= 0x10FFFF; number++) {
        uint8_t text[4];
        size_t size;
        if (number >= 0xD800 && number <= 0xDFFF)
            continue;
        if (number < 0x80) {
            text[0] = (uint8_t)number;
            size = 1;
        } else if (number < 0x800) {
            text[0] = (uint8_t)(0xC0 | number >> 6);
            size = 2;
        } else if (number < 0x10000) {
            text[0] = (uint8_t)(0xE0 | number >> 12);
            size = 3;
        } else {
            text[0] = (uint8_t)(0xF0 | number >> 18);
            size = 4;
        }
        for (size_t i = 1; i < size; i++)
            text[i] = (uint8_t)(0x80 | (number >> 6 * (size - 1 - i) & 0x3F));
        if (!vt_utf8_valid(text, size))
            fail_msg("U+%04X is judged bad", number);
    }
}

static void the_first_byte_that_cannot_go_on_is_the_one_that_fails(void **unused)
{
    static const struct {
        uint8_t data[4];
        size_t size;
        size_t good;
    } cases[] = {
        {{0xF4, 0x90}, 2, 1}, {{0xED, 0xA0}, 2, 1},
        {{0xE0, 0x80}, 2, 1}, {{0xF0, 0x80}, 2, 1},
        {{0xC0}, 1, 0},       {{0xC1}, 1, 0},
        {{0xF5}, 1, 0},       {{0xFF}, 1, 0},
        {{0x80}, 1, 0},       {{0xE2, 0x82, 0x28}, 3, 2},
        {{0xC3, 0x28}, 2, 1}, {{0xF4, 0x8F, 0xBF, 0xC0}, 4, 3},
        {{0xE2, 0x82}, 2, 2}, {{0xF0, 0x9F, 0x98}, 3, 3},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool complete = true;
        assert_int_equal(measured(cases[i].data, cases[i].size, &complete), cases[i].good);
        if (cases[i].good == cases[i].size)
            assert_false(complete);
    }
}

/* A long text in which the bad byte, or the cut, is anywhere: also where the
 * blocks of the fast path begin and end. */
static void a_bad_byte_is_found_at_every_place_of_a_long_text(void **unused)
{
    enum { SIZE = 150 };
    (void)unused;
    for (int mixed = 0; mixed < 2; mixed++) {
        for (size_t bad = 0; bad < SIZE; bad++) {
            uint8_t text[SIZE];
            memset(text, 'a', sizeof(text));
            for (size_t i = 0; mixed && i + 1 < SIZE; i += 2) {
                text[i] = 0xD0;
                text[i + 1] = 0xB6;
            }
            assert_true(vt_utf8_valid(text, SIZE));
            text[bad] = 0xFF;
            assert_false(vt_utf8_valid(text, SIZE));
            vt_utf8 utf8 = {0};
            assert_true(vt_utf8_feed(&utf8, text, bad));
            assert_false(vt_utf8_feed(&utf8, text + bad, SIZE - bad));
        }
    }
}

static void any_two_cuts_give_the_same_judgement(void **unused)
{
    static const char *const texts[] = {
        "a plain text that is somewhat longer than one block of thirty-two bytes, and then some",
        "\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5 \xF0\x9F\x98\x80 and \xED\x9F\xBF\xEE\x80"
        "\x80 "
        "0123456789012345678901234567890123456789\xF4\x8F\xBF\xBF",
        "0123456789012345678901234567890123456789\xED\xA0\x80 surrogate",
        "\xF0\x9F\x98 cut off",
    };
    (void)unused;
    for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
        const uint8_t *text = (const uint8_t *)texts[t];
        size_t size = strlen(texts[t]);
        bool whole = vt_utf8_valid(text, size);
        assert_int_equal(whole, t < 2);
        for (size_t first = 0; first <= size; first++) {
            for (size_t second = first; second <= size; second++) {
                vt_utf8 utf8 = {0};
                bool good = vt_utf8_feed(&utf8, text, first) &&
                            vt_utf8_feed(&utf8, text + first, second - first) &&
                            vt_utf8_feed(&utf8, text + second, size - second) &&
                            vt_utf8_complete(&utf8);
                if (good != whole)
                    fail_msg("text %zu cut at %zu and %zu: %d", t, first, second, good);
            }
        }
    }
}

/* The fast path is only for text that is between characters. */
static void ascii_does_not_go_on_an_open_character(void **unused)
{
    uint8_t text[200];
    (void)unused;
    memset(text, 'a', sizeof(text));
    for (size_t before = 0; before <= 64; before++) {
        text[before] = 0xE2;
        for (size_t after = 1; after <= 100; after++) {
            vt_utf8 utf8 = {0};
            assert_false(vt_utf8_valid(text, before + 1 + after));
            assert_true(vt_utf8_feed(&utf8, text, before + 1));
            assert_false(vt_utf8_feed(&utf8, text + before + 1, after));
        }
        text[before] = 'a';
    }
}

static void text_may_not_end_inside_a_character(void **unused)
{
    vt_utf8 utf8 = {0};
    (void)unused;
    assert_true(vt_utf8_complete(&utf8));
    assert_true(vt_utf8_feed(&utf8, (const uint8_t *)"\xE2\x82", 2));
    assert_false(vt_utf8_complete(&utf8));
    assert_true(vt_utf8_feed(&utf8, (const uint8_t *)"\xAC", 1));
    assert_true(vt_utf8_complete(&utf8));
    assert_false(vt_utf8_valid("\xE2\x82", 2));
}

static void nothing_is_valid_text(void **unused)
{
    (void)unused;
    assert_true(vt_utf8_valid("", 0));
    assert_true(vt_utf8_valid(NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sequence_of_one_to_three_bytes_is_judged_like_the_simple_decoder),
        cmocka_unit_test(four_bytes_are_judged_like_the_simple_decoder),
        cmocka_unit_test(every_character_of_unicode_is_valid),
        cmocka_unit_test(the_first_byte_that_cannot_go_on_is_the_one_that_fails),
        cmocka_unit_test(a_bad_byte_is_found_at_every_place_of_a_long_text),
        cmocka_unit_test(any_two_cuts_give_the_same_judgement),
        cmocka_unit_test(ascii_does_not_go_on_an_open_character),
        cmocka_unit_test(text_may_not_end_inside_a_character),
        cmocka_unit_test(nothing_is_valid_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
