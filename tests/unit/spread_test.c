/*
 * A crowd goes within its time, at an even pace, whatever it does by itself.
 */
#include "spread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { S = 1000 * 1000, TICK = 20 * 1000 };

/* Asks when it was told to, `late_us` later; by_second: how many have gone in each.
 * Returns when the last went. */
static int64_t send_off(size_t here, int64_t for_us, int64_t late_us, size_t by_second[64])
{
    const int64_t begin_us = 5 * S;
    int64_t now_us = begin_us, last_us = 0, next_us;
    while (here > 0) {
        size_t due = vt_spread_due(here, begin_us + for_us, now_us, &next_us);
        assert_in_range(due, 1, here);
        here -= due;
        last_us = now_us - begin_us;
        if (by_second != NULL)
            by_second[last_us / S] += due;
        if (here > 0)
            assert_true(next_us > now_us);
        else
            assert_true(next_us == INT64_MAX);
        now_us = next_us + late_us;
    }
    return last_us;
}

static void without_a_time_all_go_at_once(void **state)
{
    (void)state;
    int64_t next_us;
    assert_int_equal(vt_spread_due(1000, 7, 7, &next_us), 1000);
    assert_true(next_us == INT64_MAX);
    assert_int_equal(vt_spread_due(1000, 7, 8, &next_us), 1000); /* it is over */
}

static void of_nobody_nobody_goes(void **state)
{
    (void)state;
    int64_t next_us = 0;
    assert_int_equal(vt_spread_due(0, 30 * S, 0, &next_us), 0);
    assert_true(next_us == INT64_MAX);
}

static void who_is_alone_goes_at_once(void **state)
{
    (void)state;
    int64_t next_us;
    assert_int_equal(vt_spread_due(1, 30 * S, 0, &next_us), 1);
    assert_true(next_us == INT64_MAX);
}

static void few_go_one_by_one_at_equal_distances(void **state)
{
    (void)state;
    size_t by_second[64] = {0};
    int64_t last_us = send_off(10, 30 * S, 0, by_second);
    for (int i = 0; i < 30; i++)
        assert_int_equal(by_second[i], i % 3 == 0);
    assert_int_equal(last_us, 27 * S);
}

static void many_go_at_an_even_pace_and_all_in_time(void **state)
{
    (void)state;
    static const size_t crowds[] = {300, 1499, 1500, 1501, 15000, 1000000};
    for (size_t k = 0; k < sizeof crowds / sizeof crowds[0]; k++) {
        size_t by_second[64] = {0}, even = crowds[k] / 30;
        int64_t last_us = send_off(crowds[k], 30 * S, 0, by_second);
        assert_true(last_us < 30 * S);
        for (int i = 0; i < 29; i++)
            assert_in_range(by_second[i], even * 9 / 10, even * 11 / 10 + 1);
    }
}

static void a_loop_that_is_late_each_time_is_done_in_time_all_the_same(void **state)
{
    (void)state;
    assert_true(send_off(15000, 30 * S, TICK, NULL) <= 30 * S + TICK);
    assert_true(send_off(15000, 30 * S, 3 * S, NULL) <= 33 * S);
    assert_true(send_off(3, 30 * S, 40 * S, NULL) <= 50 * S); /* it has slept over it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_time_all_go_at_once),
        cmocka_unit_test(of_nobody_nobody_goes),
        cmocka_unit_test(who_is_alone_goes_at_once),
        cmocka_unit_test(few_go_one_by_one_at_equal_distances),
        cmocka_unit_test(many_go_at_an_even_pace_and_all_in_time),
        cmocka_unit_test(a_loop_that_is_late_each_time_is_done_in_time_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
