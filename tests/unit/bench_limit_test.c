/* Limits such as "p99>50ms": what is read, what is refused, and when they fail. */
#include "bench_limit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bench_limit read(const char *text)
{
    bench_limit limit;
    const char *problem = bench_limit_parse(&limit, text);
    if (problem != NULL)
        fail_msg("%s %s", text, problem);
    assert_ptr_equal(limit.text, text);
    return limit;
}

static void assert_value(const char *text, bench_measure measure, double value)
{
    bench_limit limit = read(text);
    if (limit.measure != measure || fabs(limit.value - value) > 1e-9)
        fail_msg("%s is measure %d against %g, expected %d against %g", text, limit.measure,
                 limit.value, measure, value);
}

static void assert_refused(const char *text, const char *why)
{
    bench_limit limit;
    const char *problem = bench_limit_parse(&limit, text);
    if (problem == NULL)
        fail_msg("%s was read, expected a problem with \"%s\"", text, why);
    else if (strstr(problem, why) == NULL)
        fail_msg("%s: \"%s\", expected \"%s\"", text, problem, why);
}

static void times_have_units_and_are_in_microseconds(void **unused)
{
    (void)unused;
    assert_value("p99>50ms", BENCH_PERCENTILE, 50000);
    assert_value("max>300us", BENCH_MAX, 300);
    assert_value("mean>1.5ms", BENCH_MEAN, 1500);
    assert_value("min>2s", BENCH_MIN, 2000000);
}

static void a_percentile_may_have_decimals(void **unused)
{
    (void)unused;
    assert_true(fabs(read("p50>1ms").part - 0.5) < 1e-9);
    assert_true(fabs(read("p99.9>1ms").part - 0.999) < 1e-9);
    assert_true(fabs(read("p99.999>1ms").part - 0.99999) < 1e-9);
    assert_true(fabs(read("p0>1ms").part) < 1e-9);
    assert_true(fabs(read("p100>1ms").part - 1) < 1e-9);
}

static void numbers_have_no_unit_and_a_size_has_one(void **unused)
{
    (void)unused;
    assert_value("rate<10000", BENCH_RATE, 10000);
    assert_value("failed>0", BENCH_FAILED, 0);
    assert_value("lost>0", BENCH_LOST, 0);
    assert_value("unanswered>0", BENCH_UNANSWERED, 0);
    assert_value("cpu>7.5", BENCH_CPU, 7.5);
    assert_value("memory>2KiB", BENCH_MEMORY, 2048);
}

static void spaces_are_allowed(void **unused)
{
    (void)unused;
    assert_value("  p99  >=  50ms", BENCH_PERCENTILE, 50000);
}

static void what_is_no_limit_is_refused_in_a_sentence(void **unused)
{
    (void)unused;
    assert_refused("", "does not begin with a measure");
    assert_refused("p>1ms", "does not begin with a measure");
    assert_refused("p101>1ms", "does not begin with a measure");
    assert_refused("p99x>1ms", "does not begin with a measure");
    assert_refused("p99.99999>1ms", "does not begin with a measure");
    assert_refused("p-1>1ms", "does not begin with a measure");
    assert_refused("latency>1ms", "does not begin with a measure");
    assert_refused("rates<5", "does not begin with a measure");
    assert_refused("p99", "does not compare");
    assert_refused("p99=50ms", "does not compare");
    assert_refused("p99 50ms", "does not compare");
    assert_refused("p99>", "is not a time");
    assert_refused("p99>50", "has no unit");
    assert_refused("p99>50KiB", "a time is in us, ms, s or m");
    assert_refused("p99>0ms", "is too short");
    assert_refused("p99>2h", "unit that is not known");
    assert_refused("p99>61m", "is too long");
    assert_refused("memory>5", "has no unit");
    assert_refused("rate<5ms", "is not a number");
    assert_refused("rate<1e3", "is not a number");
    assert_refused("rate<-1", "is not a number");
    assert_refused("rate<0.1234", "more than three decimals");
    assert_refused("rate<1234567890123", "is too large");
    assert_refused("rate>>5", "is not a number");
}

static void it_fails_on_the_side_that_it_names(void **unused)
{
    bench_limit limit = read("rate>10");
    (void)unused;
    assert_false(bench_limit_fails(&limit, 10));
    assert_true(bench_limit_fails(&limit, 10.5));
    limit = read("rate>=10");
    assert_true(bench_limit_fails(&limit, 10));
    assert_false(bench_limit_fails(&limit, 9.5));
    limit = read("rate<10");
    assert_false(bench_limit_fails(&limit, 10));
    assert_true(bench_limit_fails(&limit, 9.5));
    limit = read("rate<=10");
    assert_true(bench_limit_fails(&limit, 10));
    assert_false(bench_limit_fails(&limit, 10.5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_have_units_and_are_in_microseconds),
        cmocka_unit_test(a_percentile_may_have_decimals),
        cmocka_unit_test(numbers_have_no_unit_and_a_size_has_one),
        cmocka_unit_test(spaces_are_allowed),
        cmocka_unit_test(what_is_no_limit_is_refused_in_a_sentence),
        cmocka_unit_test(it_fails_on_the_side_that_it_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
