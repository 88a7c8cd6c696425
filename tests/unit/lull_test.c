#include "lull.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define S INT64_C(1000000)

static vital_lulls *lulls;

static int begin(void **state)
{
    (void)state;
    return vital_lulls_create(&lulls);
}

static int end(void **state)
{
    (void)state;
    vital_lulls_destroy(lulls);
    return 0;
}

static vital_clock at(int64_t s)
{
    return (vital_clock){.now_us = s * S};
}

static void what_was_noted_is_expected_for_ten_minutes(void **state)
{
    (void)state;
    assert_false(vt_lulls_expected(lulls, 7, at(100)));
    vt_lulls_note(lulls, 7, at(100));
    assert_true(vt_lulls_expected(lulls, 7, at(100)));
    assert_true(vt_lulls_expected(lulls, 7, at(100 + VT_LULLS_FOR_S - 1)));
    assert_false(vt_lulls_expected(lulls, 7, at(100 + VT_LULLS_FOR_S)));
}

static void each_lull_begins_the_ten_minutes_anew(void **state)
{
    (void)state;
    vt_lulls_note(lulls, 7, at(100));
    vt_lulls_note(lulls, 7, at(600));
    assert_true(vt_lulls_expected(lulls, 7, at(1199)));
}

static void of_two_paths_in_one_place_the_later_is_remembered(void **state)
{
    (void)state;
    vt_lulls_note(lulls, 7, at(100));
    assert_false(vt_lulls_expected(lulls, 7 + VT_LULLS, at(100)));
    vt_lulls_note(lulls, 7 + VT_LULLS, at(101));
    assert_true(vt_lulls_expected(lulls, 7 + VT_LULLS, at(102)));
    assert_false(vt_lulls_expected(lulls, 7, at(102)));
    assert_false(vt_lulls_expected(lulls, 8, at(102)));
}

static void of_no_path_and_in_no_table_nothing_is_remembered(void **state)
{
    (void)state;
    vt_lulls_note(lulls, 0, at(100));
    assert_false(vt_lulls_expected(lulls, 0, at(100)));
    vt_lulls_note(NULL, 7, at(100));
    assert_false(vt_lulls_expected(NULL, 7, at(100)));
    vital_lulls_destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_noted_is_expected_for_ten_minutes),
        TEST(each_lull_begins_the_ten_minutes_anew),
        TEST(of_two_paths_in_one_place_the_later_is_remembered),
        TEST(of_no_path_and_in_no_table_nothing_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
