/*
 * The budget, as the peer's control frames have it: a burst, then a rate.
 */
#include "budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define S INT64_C(1000000)

/* How many of `tries` at one moment are within budget. */
static int taken(vt_budget *budget, int tries, int64_t now_us)
{
    int good = 0;
    for (int i = 0; i < tries; i++)
        good += vt_budget_take(budget, 20, 5, now_us);
    return good;
}

static void a_burst_is_allowed_and_no_more(void **state)
{
    (void)state;
    vt_budget budget = {0};
    assert_int_equal(taken(&budget, 100, 7 * S), 100);
    assert_int_equal(taken(&budget, 1000, 7 * S), 0);
}

static void zero_is_a_good_start_on_any_clock(void **state)
{
    (void)state;
    static const int64_t clocks[] = {0, 1, S, INT64_C(1000000) * 365 * 86400 * 100};
    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        vt_budget budget = {0};
        assert_int_equal(taken(&budget, 200, clocks[i]), 100);
    }
}

static void the_rate_may_go_on_for_ever(void **state)
{
    (void)state;
    vt_budget budget = {0};
    for (int64_t i = 0; i < 20 * 3600; i++)
        assert_true(vt_budget_take(&budget, 20, 5, i * S / 20));
}

static void more_than_the_rate_ends_when_the_burst_is_used_up(void **state)
{
    (void)state;
    vt_budget budget = {0};
    int good = 0;
    while (vt_budget_take(&budget, 20, 5, good * S / 40)) /* at 40 a second */
        good++;
    assert_in_range(good, 199, 201); /* 100 at once, and 20 a second for 5 s more */
}

static void an_empty_budget_fills_at_its_rate(void **state)
{
    (void)state;
    vt_budget budget = {0};
    assert_int_equal(taken(&budget, 200, 0), 100);
    assert_int_equal(taken(&budget, 200, S / 20 - 1), 0);
    assert_int_equal(taken(&budget, 200, S / 20), 1);
    assert_int_equal(taken(&budget, 200, S / 20 + S), 20);
}

static void a_long_rest_saves_up_one_burst(void **state)
{
    (void)state;
    vt_budget budget = {0};
    assert_int_equal(taken(&budget, 200, 0), 100);
    assert_int_equal(taken(&budget, 200, 3600 * S), 100);
}

static void what_is_over_budget_costs_nothing(void **state)
{
    (void)state;
    vt_budget budget = {0};
    assert_int_equal(taken(&budget, 100000, 0), 100);
    assert_int_equal(taken(&budget, 200, 5 * S), 100);
}

static void one_a_second_is_a_budget_too(void **state)
{
    (void)state;
    vt_budget budget = {0};
    assert_true(vt_budget_take(&budget, 1, 1, 0));
    assert_false(vt_budget_take(&budget, 1, 1, S - 1));
    assert_true(vt_budget_take(&budget, 1, 1, S));
}

static void what_nobody_looked_at_may_come_all_at_once(void **state)
{
    (void)state;
    vt_budget budget = {0};
    assert_int_equal(taken(&budget, 1000, S), 100);
    vt_budget_excuse(&budget, 20, 10 * S);
    assert_int_equal(taken(&budget, 1000, S), 200);
    vt_budget_excuse(&budget, 20, 10 * S);
    vt_budget_excuse(&budget, 20, 0); /* an excuse is for what comes now, and not saved up */
    assert_int_equal(taken(&budget, 1000, S), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_is_allowed_and_no_more),
        cmocka_unit_test(zero_is_a_good_start_on_any_clock),
        cmocka_unit_test(the_rate_may_go_on_for_ever),
        cmocka_unit_test(more_than_the_rate_ends_when_the_burst_is_used_up),
        cmocka_unit_test(an_empty_budget_fills_at_its_rate),
        cmocka_unit_test(a_long_rest_saves_up_one_burst),
        cmocka_unit_test(what_is_over_budget_costs_nothing),
        cmocka_unit_test(what_nobody_looked_at_may_come_all_at_once),
        cmocka_unit_test(one_a_second_is_a_budget_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
