/* Times that are counted by their size: how far a quantile may be off, and what a sum is. */
#include "bench_times.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void assert_quantile(const bench_times *times, double part, int64_t expected_us)
{
    int64_t us = bench_times_quantile_us(times, part);
    if (us != expected_us)
        fail_msg("the quantile of %g is %lld us, expected %lld us", part, (long long)us,
                 (long long)expected_us);
}

static void nothing_is_known_of_nothing(void **unused)
{
    bench_times times = {.count = 0};
    (void)unused;
    assert_quantile(&times, 0.5, -1);
    assert_int_equal(bench_times_mean_us(&times), -1);
}

static void below_128_us_every_time_is_exact(void **unused)
{
    bench_times times = {.count = 0};
    (void)unused;
    for (int us = 0; us < 128; us++)
        bench_times_note(&times, us);
    for (int us = 0; us < 128; us++)
        assert_quantile(&times, (us + 1) / 128.0, us);
    assert_int_equal(times.min_us, 0);
    assert_int_equal(times.max_us, 127);
    assert_int_equal(bench_times_mean_us(&times), 63);
}

static void above_it_is_wrong_by_a_sixty_fourth_at_most_and_never_too_small(void **unused)
{
    (void)unused;
    for (int64_t us = 128; us < INT64_C(60) * 1000 * 1000 * 1000; us += us / 37 + 1) {
        bench_times times = {.count = 0};
        bench_times_note(&times, us);
        bench_times_note(&times, INT64_MAX / 4);
        int64_t told_us = bench_times_quantile_us(&times, 0.5);
        if (told_us < us || told_us > us + us / 64)
            fail_msg("%lld us is told as %lld us", (long long)us, (long long)told_us);
    }
}

static void a_quantile_is_never_more_than_the_longest(void **unused)
{
    bench_times times = {.count = 0};
    (void)unused;
    bench_times_note(&times, 1000000);
    assert_quantile(&times, 0.5, 1000000);
    assert_quantile(&times, 1, 1000000);
    assert_quantile(&times, 0, 1000000);
}

static void quantiles_are_by_rank(void **unused)
{
    bench_times times = {.count = 0};
    (void)unused;
    for (int us = 1; us <= 100; us++)
        bench_times_note(&times, us);
    assert_quantile(&times, 0, 1);
    assert_quantile(&times, 0.5, 50);
    assert_quantile(&times, 0.501, 51);
    assert_quantile(&times, 0.99, 99);
    assert_quantile(&times, 0.999, 100);
    assert_quantile(&times, 1, 100);
}

static void what_is_too_long_is_in_the_last_bucket_and_what_is_negative_in_the_first(void **unused)
{
    bench_times times = {.count = 0};
    (void)unused;
    bench_times_note(&times, -5);
    bench_times_note(&times, INT64_MAX / 2);
    assert_quantile(&times, 0.5, 0);
    assert_quantile(&times, 1, INT64_MAX / 2);
    assert_int_equal(times.min_us, 0);
}

static void a_sum_is_as_if_all_had_been_counted_in_one(void **unused)
{
    bench_times one = {.count = 0}, other = {.count = 0}, both = {.count = 0};
    (void)unused;
    for (int us = 1; us < 5000; us += 7) {
        bench_times_note(us % 2 ? &one : &other, us);
        bench_times_note(&both, us);
    }
    bench_times sum = {.count = 0};
    bench_times_add(&sum, &(bench_times){.count = 0});
    bench_times_add(&sum, &one);
    bench_times_add(&sum, &other);
    assert_memory_equal(&sum, &both, sizeof sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_of_nothing),
        cmocka_unit_test(below_128_us_every_time_is_exact),
        cmocka_unit_test(above_it_is_wrong_by_a_sixty_fourth_at_most_and_never_too_small),
        cmocka_unit_test(a_quantile_is_never_more_than_the_longest),
        cmocka_unit_test(quantiles_are_by_rank),
        cmocka_unit_test(what_is_too_long_is_in_the_last_bucket_and_what_is_negative_in_the_first),
        cmocka_unit_test(a_sum_is_as_if_all_had_been_counted_in_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
