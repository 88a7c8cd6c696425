/*
 * The end of a socket: decided once, and told as it was decided.
 */
#include "ending.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void the_first_decision_stands(void **state)
{
    (void)state;
    vt_ending ending = {.decided = false};
    vt_ending_decide(&ending, VITAL_CLOSED_BY_PEER, 1001, "first");
    vt_ending_decide(&ending, VITAL_CUT, 1006, "second");
    assert_true(ending.decided);
    assert_int_equal(ending.cause, VITAL_CLOSED_BY_PEER);
    assert_int_equal(ending.code, 1001);
    assert_string_equal(ending.what, "first");
    vt_ending_finish(&ending);
}

static void no_wait_has_been_told_until_somebody_does(void **state)
{
    (void)state;
    vt_ending ending = {.decided = false};
    vt_ending_decide(&ending, VITAL_REJECTED, 1006, NULL);
    assert_int_equal(ending.retry_after_s, -1); /* zero would be "at once" */
    assert_null(ending.what);
    vt_ending_finish(&ending);
}

static void words_are_copied(void **state)
{
    (void)state;
    vt_ending ending = {.decided = false};
    char what[] = "what";
    char reason[] = "reason and more";
    vt_ending_decide(&ending, VITAL_CUT, 1006, what);
    vt_ending_set_reason(&ending, (vital_bytes){reason, 6});
    memset(what, 'x', sizeof what - 1);
    memset(reason, 'x', sizeof reason - 1);
    assert_string_equal(ending.what, "what");
    assert_string_equal(ending.reason, "reason");
    vt_ending_finish(&ending);
}

static void a_newer_reason_takes_the_place_of_the_old_one(void **state)
{
    (void)state;
    vt_ending ending = {.decided = false};
    vt_ending_set_reason(&ending, vital_text("old"));
    vt_ending_set_reason(&ending, vital_text("new"));
    assert_string_equal(ending.reason, "new");
    vt_ending_set_reason(&ending, vital_text(""));
    assert_null(ending.reason);
    vt_ending_set_reason(&ending, (vital_bytes){NULL, 0});
    assert_null(ending.reason);
    vt_ending_finish(&ending);
}

static void a_verdict_has_all_that_was_decided(void **state)
{
    (void)state;
    vt_ending ending = {.decided = false};
    vital_verdict verdict;
    vt_ending_decide(&ending, VITAL_REJECTED, 1006, "what");
    vt_ending_set_reason(&ending, vital_text("reason"));
    ending.error = 111;
    ending.status = 503;
    ending.open_ms = 42;
    ending.unconfirmed = 7;
    ending.unsent = 9;
    ending.final = true;
    ending.retry_ms = -1;
    memset(&verdict, 0xAA, sizeof verdict);
    vt_ending_verdict(&ending, &verdict);
    assert_int_equal(verdict.cause, VITAL_REJECTED);
    assert_int_equal(verdict.code, 1006);
    assert_string_equal(verdict.reason, "reason");
    assert_int_equal(verdict.error, 111);
    assert_int_equal(verdict.status, 503);
    assert_int_equal(verdict.open_ms, 42);
    assert_int_equal(verdict.unconfirmed, 7);
    assert_int_equal(verdict.unsent, 9);
    assert_true(verdict.final);
    assert_int_equal(verdict.retry_ms, -1);
    assert_string_equal(verdict.text, ""); /* is described elsewhere */
    vt_ending_finish(&ending);
}

static void the_longest_reason_fits_and_a_longer_one_is_cut(void **state)
{
    (void)state;
    char reason[200];
    memset(reason, 'r', sizeof reason);
    for (size_t size = 122; size <= 125; size++) {
        vt_ending ending = {.decided = false};
        vital_verdict verdict;
        vt_ending_set_reason(&ending, (vital_bytes){reason, size});
        vt_ending_verdict(&ending, &verdict);
        assert_int_equal(strlen(verdict.reason), size < 123 ? size : 123);
        vt_ending_finish(&ending);
    }
}

static void finishing_goes_back_to_the_start(void **state)
{
    (void)state;
    vt_ending ending = {.decided = false};
    vt_ending_finish(&ending); /* zeroed */
    vt_ending_decide(&ending, VITAL_SILENT, 1006, "what");
    vt_ending_set_reason(&ending, vital_text("reason"));
    ending.could_not_send = true;
    ending.farewell_bytes = 4;
    vt_ending_finish(&ending);
    assert_false(ending.decided);
    assert_false(ending.could_not_send);
    assert_int_equal(ending.farewell_bytes, 0);
    assert_null(ending.what);
    assert_null(ending.reason);
    vt_ending_finish(&ending); /* twice */
    vt_ending_decide(&ending, VITAL_CUT, 1006, NULL);
    assert_int_equal(ending.cause, VITAL_CUT);
    vt_ending_finish(&ending);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_decision_stands),
        cmocka_unit_test(no_wait_has_been_told_until_somebody_does),
        cmocka_unit_test(words_are_copied),
        cmocka_unit_test(a_newer_reason_takes_the_place_of_the_old_one),
        cmocka_unit_test(a_verdict_has_all_that_was_decided),
        cmocka_unit_test(the_longest_reason_fits_and_a_longer_one_is_cut),
        cmocka_unit_test(finishing_goes_back_to_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
