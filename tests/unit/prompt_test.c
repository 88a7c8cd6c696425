/*
 * How soon a hint is followed: at the ends of what may be drawn.
 */
#include "prompt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define S INT64_C(1000000)

enum { NOW_US = 1000 * 1000 * 1000 };

/* What is drawn from a window that is at least so long: its beginning, or that number. */
static uint64_t number;

static void fill_with_number(void *source, void *out, size_t size)
{
    assert_int_equal(size, sizeof number);
    memcpy(out, source, size);
}

static const vital_entropy entropy = {fill_with_number, &number};

static const vital_entropy *drawing(int64_t us)
{
    number = (uint64_t)us;
    return &entropy;
}

static void a_report_is_followed_at_once(void **state)
{
    (void)state;
    assert_int_equal(vt_prompt_ask_us(VITAL_HINT_REPORT, VITAL_CLIENT, 0, drawing(S), NOW_US),
                     NOW_US);
    assert_int_equal(vt_prompt_ask_us(VITAL_HINT_REPORT, VITAL_SERVER, 0, drawing(S), NOW_US),
                     NOW_US);
}

static void other_hints_are_followed_within_a_second_and_by_servers_within_five(void **state)
{
    (void)state;
    static const vital_hint hints[] = {VITAL_HINT_NETWORK, VITAL_HINT_RESUMED};
    for (int i = 0; i < 2; i++) {
        vital_hint hint = hints[i];
        assert_int_equal(vt_prompt_ask_us(hint, VITAL_CLIENT, 0, drawing(0), NOW_US), NOW_US);
        assert_int_equal(vt_prompt_ask_us(hint, VITAL_CLIENT, 0, drawing(S), NOW_US), NOW_US + S);
        assert_int_equal(vt_prompt_ask_us(hint, VITAL_SERVER, 0, drawing(0), NOW_US), NOW_US);
        assert_int_equal(vt_prompt_ask_us(hint, VITAL_SERVER, 0, drawing(5 * S), NOW_US),
                         NOW_US + 5 * S);
    }
}

static void beats_that_hints_bring_about_are_two_seconds_apart(void **state)
{
    (void)state;
    int64_t at_us = vt_prompt_ask_us(VITAL_HINT_REPORT, VITAL_CLIENT, NOW_US - 1, drawing(0),
                                     NOW_US);
    assert_int_equal(at_us, NOW_US - 1 + 2 * S);
    at_us = vt_prompt_ask_us(VITAL_HINT_NETWORK, VITAL_SERVER, NOW_US - S, drawing(5 * S), NOW_US);
    assert_int_equal(at_us, NOW_US + 5 * S);
}

static void an_attempt_comes_within_half_a_second(void **state)
{
    (void)state;
    vt_prompt prompt = {.tried = false};
    assert_int_equal(vt_prompt_try_us(&prompt, drawing(0), NOW_US, NOW_US + 60 * S), NOW_US);
    prompt.tried = false;
    assert_int_equal(vt_prompt_try_us(&prompt, drawing(S / 2), NOW_US, NOW_US + 60 * S),
                     NOW_US + S / 2);
}

static void what_is_due_sooner_anyway_stays_as_it_is_and_counts_for_nothing(void **state)
{
    (void)state;
    vt_prompt prompt = {.tried = false};
    assert_int_equal(vt_prompt_try_us(&prompt, drawing(S / 2), NOW_US, NOW_US + S / 4),
                     NOW_US + S / 4);
    assert_false(prompt.tried);
}

static void attempts_that_follow_hints_are_ten_seconds_apart(void **state)
{
    (void)state;
    vt_prompt prompt = {.tried = false};
    vt_prompt_try_us(&prompt, drawing(0), NOW_US, NOW_US + 60 * S);
    assert_int_equal(vt_prompt_try_us(&prompt, drawing(0), NOW_US + S, NOW_US + 60 * S),
                     NOW_US + 10 * S);
    assert_int_equal(vt_prompt_try_us(&prompt, drawing(S / 2), NOW_US + 25 * S, NOW_US + 60 * S),
                     NOW_US + 25 * S + S / 2);
}

static void one_that_found_no_way_to_begin_with_does_not_count(void **state)
{
    (void)state;
    vt_prompt prompt = {.tried = false};
    vt_prompt_try_us(&prompt, drawing(0), NOW_US, NOW_US + 60 * S);
    vt_prompt_unspent(&prompt);
    assert_int_equal(vt_prompt_try_us(&prompt, drawing(0), NOW_US + S, NOW_US + 60 * S),
                     NOW_US + S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_is_followed_at_once),
        cmocka_unit_test(other_hints_are_followed_within_a_second_and_by_servers_within_five),
        cmocka_unit_test(beats_that_hints_bring_about_are_two_seconds_apart),
        cmocka_unit_test(an_attempt_comes_within_half_a_second),
        cmocka_unit_test(what_is_due_sooner_anyway_stays_as_it_is_and_counts_for_nothing),
        cmocka_unit_test(attempts_that_follow_hints_are_ten_seconds_apart),
        cmocka_unit_test(one_that_found_no_way_to_begin_with_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
