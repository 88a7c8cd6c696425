/*
 * The backoff: its bounds hold for every draw, and its draws stay apart.
 */
#include "backoff.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"

static const vital_reconnect usual = {.first_ms = 2000, .min_ms = 500, .max_ms = 60000};

static vt_random *generator(uint8_t number)
{
    uint8_t seed[VT_RANDOM_SEED_BYTES] = {number};
    vt_random *random = malloc(sizeof *random);

    assert_non_null(random);
    assert_int_equal(vt_random_init(random, seed), 0);
    return random;
}

static void release(vt_random *random)
{
    vt_random_finish(random);
    free(random);
}

static vital_entropy entropy_of(vt_random *random)
{
    return (vital_entropy){vt_random_fill, random};
}

/* The ends of the window, for entropy that is all zeros or all ones. */
static void fill_with_byte(void *source, void *out, size_t size)
{
    memset(out, *(const int *)source, size);
}

static void the_first_attempt_comes_within_its_own_window(void **state)
{
    (void)state;
    vt_random *random = generator(1);
    const vital_entropy entropy = entropy_of(random);
    int64_t lowest = INT64_MAX, highest = 0;

    for (int i = 0; i < 10000; i++) {
        vt_backoff backoff = {0};
        const int64_t delay = vt_backoff_next_ms(&backoff, &usual, &entropy);
        assert_in_range(delay, 0, 2000);
        lowest = delay < lowest ? delay : lowest;
        highest = delay > highest ? delay : highest;
    }
    assert_in_range(lowest, 0, 20);
    assert_in_range(highest, 1980, 2000);
    release(random);
}

static void each_later_delay_is_between_the_shortest_and_three_times_the_last(void **state)
{
    (void)state;
    for (uint8_t seed = 0; seed < 50; seed++) {
        vt_random *random = generator(seed);
        const vital_entropy entropy = entropy_of(random);
        vt_backoff backoff = {0};
        int64_t last = vt_backoff_next_ms(&backoff, &usual, &entropy);
        for (int i = 0; i < 1000; i++) {
            int64_t bound = 3 * last;
            bound = bound < usual.min_ms ? usual.min_ms : bound;
            bound = bound > usual.max_ms ? usual.max_ms : bound;
            const int64_t delay = vt_backoff_next_ms(&backoff, &usual, &entropy);
            assert_in_range(delay, usual.min_ms, bound);
            assert_int_equal(backoff.last_ms, delay);
            last = delay;
        }
        assert_int_equal(backoff.attempts, 1001);
        release(random);
    }
}

static void the_window_triples_until_the_longest_delay(void **state)
{
    (void)state;
    /* Where the draw is the top of its window, the delays are the bounds. */
    static const int64_t bounds[] = {2000, 6000, 18000, 54000, 60000, 60000};
    for (size_t i = 1; i < sizeof bounds / sizeof bounds[0]; i++) {
        int64_t highest = 0;
        vt_random *random = generator(7);
        const vital_entropy entropy = entropy_of(random);
        for (int draw = 0; draw < 5000; draw++) {
            vt_backoff backoff = {.last_ms = bounds[i - 1], .attempts = (uint32_t)i};
            const int64_t delay = vt_backoff_next_ms(&backoff, &usual, &entropy);
            highest = delay > highest ? delay : highest;
        }
        assert_in_range(highest, bounds[i] * 99 / 100, bounds[i]);
        release(random);
    }
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void at_the_longest_delay_the_jitter_is_as_wide_as_ever(void **state)
{
    (void)state;
    enum { CLIENTS = 10000 };
    static int64_t delays[CLIENTS];
    vt_random *random = generator(3);
    const vital_entropy entropy = entropy_of(random);
    int64_t sum = 0;
    int distinct = 1, at_the_top = 0;

    for (int i = 0; i < CLIENTS; i++) {
        vt_backoff backoff = {.last_ms = usual.max_ms, .attempts = 20};
        delays[i] = vt_backoff_next_ms(&backoff, &usual, &entropy);
        sum += delays[i];
        at_the_top += delays[i] == usual.max_ms;
    }
    qsort(delays, CLIENTS, sizeof delays[0], compare);
    for (int i = 1; i < CLIENTS; i++)
        distinct += delays[i] != delays[i - 1];
    assert_in_range(delays[0], 500, 1000);
    assert_in_range(delays[CLIENTS - 1], 59500, 60000);
    assert_in_range(distinct, 8500, CLIENTS); /* 59501 values: 9198 are expected */
    assert_in_range(sum / CLIENTS, 29700, 30800);
    assert_in_range(at_the_top, 0, 5);
    release(random);
}

static void clients_that_fail_for_an_hour_do_not_come_back_in_a_wave(void **state)
{
    (void)state;
    enum { CLIENTS = 10000, BIN_MS = 1000, BINS = 60 };
    static int arrivals[BINS + 1];
    vt_random *random = generator(4);
    const vital_entropy entropy = entropy_of(random);
    int fullest = 0;

    /* All are thrown out at once; when do they come in the last minute? */
    for (int i = 0; i < CLIENTS; i++) {
        vt_backoff backoff = {0};
        int64_t now_ms = 0;
        while (now_ms < 59 * 60 * 1000)
            now_ms += vt_backoff_next_ms(&backoff, &usual, &entropy);
        if (now_ms < 60 * 60 * 1000)
            arrivals[(now_ms - 59 * 60 * 1000) / BIN_MS]++;
    }
    for (int i = 0; i < BINS; i++)
        fullest = arrivals[i] > fullest ? arrivals[i] : fullest;
    /* Spread evenly, about 4 % come in the first second; a wave has most of them. */
    assert_in_range(fullest, CLIENTS / BINS, CLIENTS / 15);
    release(random);
}

static void after_a_reset_it_begins_anew(void **state)
{
    (void)state;
    vt_random *random = generator(5);
    const vital_entropy entropy = entropy_of(random);
    vt_backoff backoff = {0};

    for (int i = 0; i < 20; i++)
        (void)vt_backoff_next_ms(&backoff, &usual, &entropy);
    vt_backoff_reset(&backoff);
    assert_int_equal(backoff.attempts, 0);
    assert_int_equal(backoff.last_ms, 0);
    assert_in_range(vt_backoff_next_ms(&backoff, &usual, &entropy), 0, 2000);
    release(random);
}

static void the_same_seed_gives_the_same_delays(void **state)
{
    (void)state;
    vt_random *one = generator(6), *other = generator(6);
    const vital_entropy from_one = entropy_of(one), from_other = entropy_of(other);
    vt_backoff a = {0}, b = {0};

    for (int i = 0; i < 1000; i++)
        assert_int_equal(vt_backoff_next_ms(&a, &usual, &from_one),
                         vt_backoff_next_ms(&b, &usual, &from_other));
    release(one);
    release(other);
}

static void a_policy_may_be_a_single_delay(void **state)
{
    (void)state;
    const vital_reconnect fixed = {.first_ms = 0, .min_ms = 700, .max_ms = 700};
    vt_random *random = generator(8);
    const vital_entropy entropy = entropy_of(random);
    vt_backoff backoff = {0};

    assert_int_equal(vt_backoff_next_ms(&backoff, &fixed, &entropy), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(vt_backoff_next_ms(&backoff, &fixed, &entropy), 700);
    release(random);
}

static void the_largest_numbers_do_not_overflow(void **state)
{
    (void)state;
    const vital_reconnect longest = {.first_ms = INT_MAX, .min_ms = INT_MAX, .max_ms = INT_MAX};
    const vital_reconnect off = {
        .first_ms = VITAL_NEVER, .min_ms = VITAL_NEVER, .max_ms = VITAL_NEVER};
    vt_backoff backoff = {.last_ms = INT64_MAX, .attempts = UINT32_MAX};
    int byte = 0xFF;
    const vital_entropy entropy = {fill_with_byte, &byte};

    byte = 0;
    assert_int_equal(vt_backoff_next_ms(&backoff, &longest, &entropy), INT_MAX);
    assert_int_equal(backoff.attempts, UINT32_MAX);
    assert_int_equal(vt_backoff_next_ms(&backoff, &off, &entropy), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_attempt_comes_within_its_own_window),
        cmocka_unit_test(each_later_delay_is_between_the_shortest_and_three_times_the_last),
        cmocka_unit_test(the_window_triples_until_the_longest_delay),
        cmocka_unit_test(at_the_longest_delay_the_jitter_is_as_wide_as_ever),
        cmocka_unit_test(clients_that_fail_for_an_hour_do_not_come_back_in_a_wave),
        cmocka_unit_test(after_a_reset_it_begins_anew),
        cmocka_unit_test(the_same_seed_gives_the_same_delays),
        cmocka_unit_test(a_policy_may_be_a_single_delay),
        cmocka_unit_test(the_largest_numbers_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
