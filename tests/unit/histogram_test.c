#include "histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LAST = VITAL_BUCKETS - 1 };

static void buckets_follow_one_another_and_each_includes_its_end(void **state)
{
    (void)state;
    assert_int_equal(vt_histogram_bucket(0), 0);
    for (size_t bucket = 0; bucket < LAST; bucket++) {
        int64_t end_us = vital_bucket_us(bucket);
        assert_int_equal(vt_histogram_bucket(end_us), bucket);
        assert_int_equal(vt_histogram_bucket(end_us + 1), bucket + 1);
    }
}

static void they_begin_with_16_us_and_end_with_67_s(void **state)
{
    (void)state;
    assert_int_equal(vital_bucket_us(0), 16);
    assert_int_equal(vital_bucket_us(4), 32);
    assert_int_equal(vital_bucket_us(LAST - 1), 67108864);
    assert_true(vital_bucket_us(LAST) == INT64_MAX);
    assert_true(vital_bucket_us(SIZE_MAX) == INT64_MAX);
    assert_int_equal(vt_histogram_bucket(INT64_MAX), LAST);
}

static void the_next_bucket_is_at_most_a_quarter_longer(void **state)
{
    (void)state;
    for (size_t bucket = 1; bucket < LAST; bucket++) {
        int64_t longer_us = vital_bucket_us(bucket) - vital_bucket_us(bucket - 1);
        assert_in_range(longer_us, 1, vital_bucket_us(bucket - 1) / 4);
    }
}

static void times_are_counted_and_summed(void **state)
{
    (void)state;
    vital_histogram histogram = {.count = 0};
    vt_histogram_note(&histogram, 100);
    vt_histogram_note(&histogram, 100);
    vt_histogram_note(&histogram, 250000);
    assert_int_equal(histogram.count, 3);
    assert_int_equal(histogram.sum_us, 250200);
    assert_int_equal(histogram.buckets[vt_histogram_bucket(100)], 2);
    assert_int_equal(histogram.buckets[vt_histogram_bucket(250000)], 1);
}

static void a_negative_time_is_none(void **state)
{
    (void)state;
    vital_histogram histogram = {.count = 0};
    vt_histogram_note(&histogram, -5);
    assert_int_equal(histogram.sum_us, 0);
    assert_int_equal(histogram.buckets[0], 1);
}

static void histograms_add_up(void **state)
{
    (void)state;
    vital_histogram one = {.count = 0}, other = {.count = 0};
    vt_histogram_note(&one, 40);
    vt_histogram_note(&other, 40);
    vt_histogram_note(&other, INT64_C(100000000));
    vt_histogram_add(&one, &other);
    assert_int_equal(one.count, 3);
    assert_int_equal(one.sum_us, 100000080);
    assert_int_equal(one.buckets[vt_histogram_bucket(40)], 2);
    assert_int_equal(one.buckets[LAST], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_follow_one_another_and_each_includes_its_end),
        cmocka_unit_test(they_begin_with_16_us_and_end_with_67_s),
        cmocka_unit_test(the_next_bucket_is_at_most_a_quarter_longer),
        cmocka_unit_test(times_are_counted_and_summed),
        cmocka_unit_test(a_negative_time_is_none),
        cmocka_unit_test(histograms_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
