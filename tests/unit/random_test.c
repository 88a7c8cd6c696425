#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t zero_seed[VT_RANDOM_SEED_BYTES];

static void a_seed_gives_the_chacha20_keystream_rfc_7539_a1(void **unused)
{
    /* RFC 7539 A.1, test vectors 1 and 2: key, nonce and counter zero. */
    static const uint8_t expected[] = {
        0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd,
        0x28, 0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a, 0xa8, 0x36, 0xef, 0xcc, 0x8b, 0x77,
        0x0d, 0xc7, 0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d, 0x77, 0x24, 0xe0, 0x3f, 0xb8,
        0xd8, 0x4a, 0x37, 0x6a, 0x43, 0xb8, 0xf4, 0x15, 0x18, 0xa1, 0x1c, 0xc3, 0x87, 0xb6, 0x69,
        0xb2, 0xee, 0x65, 0x86, 0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a,
    };
    vt_random random;
    uint8_t out[sizeof(expected)];
    (void)unused;
    assert_int_equal(vt_random_init(&random, zero_seed), 0);
    vt_random_fill(&random, out, sizeof(out));
    assert_memory_equal(out, expected, sizeof(out));
    vt_random_finish(&random);
}

static void the_numbers_do_not_depend_on_the_sizes_asked_for(void **unused)
{
    enum { SIZE = 5 * VT_RANDOM_POOL_BYTES + 17 };
    vt_random whole, pieces;
    uint8_t *a = malloc(SIZE), *b = malloc(SIZE);
    (void)unused;
    assert_int_equal(vt_random_init(&whole, zero_seed), 0);
    assert_int_equal(vt_random_init(&pieces, zero_seed), 0);
    vt_random_fill(&whole, a, SIZE);
    size_t step = 0;
    for (size_t at = 0; at < SIZE; at += step) {
        step = at % 1500 + 1; /* 1, 2, 4, 8 ... and larger than a pool at times */
        if (step > SIZE - at)
            step = SIZE - at;
        vt_random_fill(&pieces, b + at, step);
    }
    assert_memory_equal(a, b, SIZE);
    /* No stretch comes twice. */
    for (size_t at = VT_RANDOM_POOL_BYTES; at + VT_RANDOM_POOL_BYTES <= SIZE;
         at += VT_RANDOM_POOL_BYTES)
        assert_memory_not_equal(a, a + at, 32);
    free(a);
    free(b);
    vt_random_finish(&whole);
    vt_random_finish(&pieces);
}

static void different_seeds_give_different_numbers(void **unused)
{
    uint8_t seed[VT_RANDOM_SEED_BYTES] = {1}, a[32], b[32];
    vt_random one, other;
    (void)unused;
    assert_int_equal(vt_random_init(&one, zero_seed), 0);
    assert_int_equal(vt_random_init(&other, seed), 0);
    vt_random_fill(&one, a, sizeof(a));
    vt_random_fill(&other, b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    vt_random_finish(&one);
    vt_random_finish(&other);
}

static void bytes_handed_out_are_erased_from_the_pool(void **unused)
{
    static const uint8_t zeros[VT_RANDOM_POOL_BYTES];
    vt_random random;
    uint8_t out[100];
    (void)unused;
    assert_int_equal(vt_random_init(&random, zero_seed), 0);
    for (int i = 0; i < 50; i++) {
        vt_random_fill(&random, out, sizeof(out));
        assert_memory_not_equal(out, zeros, sizeof(out));
        assert_memory_equal(random.pool, zeros, random.used);
    }
    vt_random_finish(&random);
    assert_memory_equal(random.pool, zeros, sizeof(zeros));
    assert_null(random.cipher);
}

static void the_system_gives_a_new_seed_each_time(void **unused)
{
    vt_random one, other;
    uint8_t a[32], b[32];
    (void)unused;
    assert_int_equal(vt_random_init_system(&one), 0);
    assert_int_equal(vt_random_init_system(&other), 0);
    vt_random_fill(&one, a, sizeof(a));
    vt_random_fill(&other, b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    vt_random_finish(&one);
    vt_random_finish(&other);
}

static void finishing_accepts_null_and_zeroed_and_twice(void **unused)
{
    vt_random random = {0};
    (void)unused;
    vt_random_finish(NULL);
    vt_random_finish(&random);
    assert_int_equal(vt_random_init(&random, zero_seed), 0);
    vt_random_finish(&random);
    vt_random_finish(&random);
}

/* A source that says what it is told to. */
struct script {
    const uint64_t *numbers;
    size_t count;
    size_t used;
};

static void fill_from_script(void *source, void *out, size_t size)
{
    struct script *script = source;
    assert_int_equal(size, sizeof(uint64_t));
    memcpy(out, &script->numbers[script->used % script->count], size);
    script->used++;
}

static int64_t between(uint64_t number, int64_t low, int64_t high)
{
    struct script script = {&number, 1, 0};
    return vt_random_between(fill_from_script, &script, low, high);
}

static void a_range_of_one_or_of_none_is_its_low_end(void **unused)
{
    (void)unused;
    assert_int_equal(between(12345, 7, 7), 7);
    assert_int_equal(between(12345, 7, 6), 7);
    assert_int_equal(between(12345, INT64_MAX, INT64_MIN), INT64_MAX);
}

static void the_widest_ranges_do_not_overflow(void **unused)
{
    (void)unused;
    assert_true(between(0, INT64_MIN, INT64_MAX) == INT64_MIN);
    assert_true(between(UINT64_MAX, INT64_MIN, INT64_MAX) == INT64_MAX);
    assert_true(between(UINT64_MAX - 1, INT64_MIN, INT64_MAX - 1) == INT64_MAX - 1);
    assert_true(between(1, INT64_MIN, INT64_MIN + 1) == INT64_MIN + 1);
    assert_true(between(0, INT64_MAX - 1, INT64_MAX) == INT64_MAX - 1);
}

static void numbers_that_would_favour_the_low_end_are_drawn_again(void **unused)
{
    /* 2^64 = 3 * 6148914691236517205 + 1: of all numbers only the topmost has
     * no partners for the other two. */
    static const uint64_t topmost[] = {UINT64_MAX, UINT64_MAX, 2};
    static const uint64_t below[] = {UINT64_MAX - 1, 1};
    struct script script = {topmost, 3, 0};
    (void)unused;
    assert_int_equal(vt_random_between(fill_from_script, &script, 10, 12), 12);
    assert_int_equal(script.used, 3);
    script = (struct script){below, 2, 0};
    assert_int_equal(vt_random_between(fill_from_script, &script, 10, 12), 12);
    assert_int_equal(script.used, 1);

    /* A range of 2^63 + 1: nearly half of the numbers have no partner. */
    static const uint64_t half[] = {(UINT64_C(1) << 63) + 1, UINT64_C(1) << 63};
    script = (struct script){half, 2, 0};
    assert_int_equal(vt_random_between(fill_from_script, &script, 0 - INT64_MAX - 1, 0), 0);
    assert_int_equal(script.used, 2);

    /* A power of two rejects nothing. */
    script = (struct script){topmost, 1, 0};
    assert_int_equal(vt_random_between(fill_from_script, &script, 0, 3), 3);
    assert_int_equal(script.used, 1);
}

static void a_source_that_is_stuck_does_not_hang_us(void **unused)
{
    (void)unused;
    int64_t got = between(UINT64_MAX, 10, 12);
    assert_in_range(got, 10, 12);
    assert_int_equal(between(0, 10, 12), 10);
}

static void every_number_of_a_small_range_comes_as_often(void **unused)
{
    enum { DRAWS = 60000, KINDS = 6 };
    int counts[KINDS] = {0};
    vt_random random;
    (void)unused;
    assert_int_equal(vt_random_init(&random, zero_seed), 0);
    for (int i = 0; i < DRAWS; i++) {
        int64_t got = vt_random_between(vt_random_fill, &random, -3, 2);
        assert_true(got >= -3 && got <= 2);
        counts[got + 3]++;
    }
    /* Chi-square with 5 degrees of freedom: 20.5 is passed once in a thousand
     * seeds, and this seed is fixed. */
    double chi = 0, mean = (double)DRAWS / KINDS;
    for (int i = 0; i < KINDS; i++)
        chi += (counts[i] - mean) * (counts[i] - mean) / mean;
    if (chi > 20.5)
        fail_msg("chi-square is %.1f, expected at most 20.5", chi);
    vt_random_finish(&random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_gives_the_chacha20_keystream_rfc_7539_a1),
        cmocka_unit_test(the_numbers_do_not_depend_on_the_sizes_asked_for),
        cmocka_unit_test(different_seeds_give_different_numbers),
        cmocka_unit_test(bytes_handed_out_are_erased_from_the_pool),
        cmocka_unit_test(the_system_gives_a_new_seed_each_time),
        cmocka_unit_test(finishing_accepts_null_and_zeroed_and_twice),
        cmocka_unit_test(a_range_of_one_or_of_none_is_its_low_end),
        cmocka_unit_test(the_widest_ranges_do_not_overflow),
        cmocka_unit_test(numbers_that_would_favour_the_low_end_are_drawn_again),
        cmocka_unit_test(a_source_that_is_stuck_does_not_hang_us),
        cmocka_unit_test(every_number_of_a_small_range_comes_as_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
