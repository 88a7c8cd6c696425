/* What a reading of the kernel's means, row by row. */
#include "evidence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* A connection on which a beat was sent: known, with a window that is open. */
static vital_evidence usual(void)
{
    return (vital_evidence){.known = true, .window_bytes = 65536, .acked_bytes = 1000};
}

static void what_is_not_known_is_no_finding(void **state)
{
    (void)state;
    const vital_evidence nothing = {.retransmits = 15};
    assert_int_equal(vt_evidence_find(&nothing, VT_CHANGED_NOTHING), VT_FOUND_NOTHING);
}

static void a_host_that_has_acknowledged_everything_has_taken_it(void **state)
{
    (void)state;
    vital_evidence now = usual();
    assert_int_equal(vt_evidence_find(&now, VT_CHANGED_NOTHING), VT_FOUND_TAKEN);
    assert_int_equal(vt_evidence_find(&now, VT_CHANGED_ACKED), VT_FOUND_TAKEN);
}

static void what_was_sent_in_vain_five_times_over_is_gone_and_before_that_unsure(void **state)
{
    (void)state;
    vital_evidence now = usual();
    now.unacked_packets = 1;
    for (now.retransmits = 0; now.retransmits < 5; now.retransmits++)
        assert_int_equal(vt_evidence_find(&now, VT_CHANGED_NOTHING), VT_FOUND_UNSURE);
    assert_int_equal(vt_evidence_find(&now, VT_CHANGED_NOTHING), VT_FOUND_GONE);
}

static void progress_before_a_beat_is_seen_between_two_looks(void **state)
{
    (void)state;
    vital_evidence now = usual();
    now.unacked_packets = 40;
    assert_int_equal(vt_evidence_find(&now, VT_CHANGED_NOTHING), VT_FOUND_UNSURE);
    assert_int_equal(vt_evidence_find(&now, VT_CHANGED_ACKED), VT_FOUND_MOVING);
}

static void a_window_that_is_shut_is_a_program_that_does_not_read(void **state)
{
    (void)state;
    vital_evidence now = usual();
    now.window_bytes = 0;
    now.unsent_bytes = 14;
    assert_int_equal(vt_evidence_find(&now, VT_CHANGED_NOTHING), VT_FOUND_SHUT);
    now.probes = 7;
    assert_int_equal(vt_evidence_find(&now, VT_CHANGED_NOTHING), VT_FOUND_SHUT);
}

static void but_if_nobody_answers_the_probes_it_is_gone(void **state)
{
    (void)state;
    vital_evidence now = usual();
    now.window_bytes = 0;
    now.unsent_bytes = 14;
    now.probes = 8;
    assert_int_equal(vt_evidence_find(&now, VT_CHANGED_NOTHING), VT_FOUND_GONE);
}

static void what_our_own_system_cannot_send_is_nobody_elses_fault(void **state)
{
    (void)state;
    vital_evidence now = usual();
    now.unsent_bytes = 14;
    now.probes = 1;
    assert_int_equal(vt_evidence_find(&now, VT_CHANGED_NOTHING), VT_FOUND_UNSURE);
    now.probes = 2;
    assert_int_equal(vt_evidence_find(&now, VT_CHANGED_NOTHING), VT_FOUND_HOMELESS);
    assert_false(vt_evidence_early(&now, 2999 * 1000, false));
    assert_true(vt_evidence_early(&now, 3000 * 1000, false));
    assert_true(vt_evidence_early(&now, 3000 * 1000, true)); /* whatever the path is like */
}

static void but_what_does_not_fit_into_the_window_waits_for_the_peer(void **state)
{
    (void)state;
    vital_evidence now = usual();
    now.window_bytes = 500;
    now.unsent_bytes = 501;
    now.probes = 3;
    assert_int_equal(vt_evidence_find(&now, VT_CHANGED_NOTHING), VT_FOUND_UNSURE);
    now.unsent_bytes = 14;
    now.unacked_packets = 1; /* and what is on its way is no proof either */
    assert_int_equal(vt_evidence_find(&now, VT_CHANGED_NOTHING), VT_FOUND_UNSURE);
}

static void before_the_limit_it_takes_eight_times_and_three_seconds(void **state)
{
    (void)state;
    vital_evidence now = usual();
    now.unacked_packets = 1;
    now.retransmits = 8;
    assert_true(vt_evidence_early(&now, 3000 * 1000, false));
    assert_false(vt_evidence_early(&now, 3000 * 1000 - 1, false));
    now.retransmits = 7;
    assert_false(vt_evidence_early(&now, 60 * 1000 * 1000, false));
}

static void a_window_that_has_opened_is_a_move_though_all_is_taken(void **state)
{
    (void)state;
    vital_evidence now = usual();
    assert_int_equal(vt_evidence_find(&now, VT_CHANGED_ROOM), VT_FOUND_MOVING);
    now.retransmits = 5;
    assert_int_equal(vt_evidence_find(&now, VT_CHANGED_ROOM), VT_FOUND_GONE);
}

static void what_has_changed_is_seen_by_two_looks(void **state)
{
    (void)state;
    const vital_evidence unknown = {.known = false};
    vital_evidence before = usual(), now = usual();
    assert_int_equal(vt_evidence_change(&unknown, &now), VT_CHANGED_NOTHING);
    assert_int_equal(vt_evidence_change(&before, &now), VT_CHANGED_NOTHING);
    now.acked_bytes++;
    assert_int_equal(vt_evidence_change(&before, &now), VT_CHANGED_ACKED);
    before.window_bytes = 0;
    assert_int_equal(vt_evidence_change(&before, &now), VT_CHANGED_ROOM);
    now.window_bytes = 0;
    assert_int_equal(vt_evidence_change(&before, &now), VT_CHANGED_ACKED);
}

static void on_a_path_with_lulls_it_takes_six_seconds(void **state)
{
    (void)state;
    vital_evidence now = usual();
    now.unacked_packets = 1;
    now.retransmits = 8;
    assert_false(vt_evidence_early(&now, 6000 * 1000 - 1, true));
    assert_true(vt_evidence_early(&now, 6000 * 1000, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_known_is_no_finding),
        cmocka_unit_test(a_host_that_has_acknowledged_everything_has_taken_it),
        cmocka_unit_test(what_was_sent_in_vain_five_times_over_is_gone_and_before_that_unsure),
        cmocka_unit_test(progress_before_a_beat_is_seen_between_two_looks),
        cmocka_unit_test(a_window_that_is_shut_is_a_program_that_does_not_read),
        cmocka_unit_test(but_if_nobody_answers_the_probes_it_is_gone),
        cmocka_unit_test(what_our_own_system_cannot_send_is_nobody_elses_fault),
        cmocka_unit_test(but_what_does_not_fit_into_the_window_waits_for_the_peer),
        cmocka_unit_test(before_the_limit_it_takes_eight_times_and_three_seconds),
        cmocka_unit_test(a_window_that_has_opened_is_a_move_though_all_is_taken),
        cmocka_unit_test(what_has_changed_is_seen_by_two_looks),
        cmocka_unit_test(on_a_path_with_lulls_it_takes_six_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
