/*
 * The search against paths whose limit is known.
 */
#include "probe_search.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { S = 1000, MIN = 60 * S };

/* A path that forgets after `forgets_ms`, and somebody on it who ends connections
 * after `ends_ms`; 0: never. Returns the number of trials. */
static int probe(probe_search *search, int forgets_ms, int ends_ms)
{
    int trials = 0;
    for (int next_ms; (next_ms = probe_search_next(search)) > 0; trials++) {
        assert_in_range(trials, 0, 40);
        assert_in_range(next_ms, 1, search->longest_ms);
        if (ends_ms > 0 && ends_ms <= next_ms && (forgets_ms == 0 || ends_ms < forgets_ms))
            probe_search_tell(search, PROBE_ENDED, ends_ms);
        else if (forgets_ms > 0 && forgets_ms <= next_ms)
            probe_search_tell(search, PROBE_DEAD, next_ms);
        else
            probe_search_tell(search, PROBE_ALIVE, next_ms);
    }
    return trials;
}

static void a_path_without_a_limit_costs_one_connection(void **unused)
{
    probe_search search;
    (void)unused;
    probe_search_init(&search, 10 * MIN, true);
    assert_int_equal(probe(&search, 0, 0), 1);
    assert_int_equal(probe_search_limit_ms(&search), 0);
    assert_int_equal(search.borne_ms, 10 * MIN);
    assert_int_equal(probe_search_interval_ms(&search, 10 * S), 25 * S);
}

static void who_ends_silent_connections_is_known_after_two_or_one(void **unused)
{
    probe_search search;
    (void)unused;
    probe_search_init(&search, 10 * MIN, true);
    assert_int_equal(probe(&search, 0, 60 * S), 2);
    assert_int_equal(probe_search_limit_ms(&search), 60 * S);
    assert_int_equal(probe_search_interval_ms(&search, 10 * S), 25 * S);
    probe_search_init(&search, 2 * MIN, false);
    assert_int_equal(probe(&search, 0, 60 * S), 1);
    assert_int_equal(probe_search_limit_ms(&search), 60 * S);
}

static void one_end_that_does_not_come_again_is_no_limit(void **unused)
{
    probe_search search;
    (void)unused;
    probe_search_init(&search, 10 * MIN, true);
    probe_search_tell(&search, PROBE_ENDED, 37 * S);
    assert_int_equal(probe_search_limit_ms(&search), 37 * S);
    assert_int_equal(probe(&search, 0, 0), 1);
    assert_int_equal(probe_search_limit_ms(&search), 0);
}

static void of_two_different_ends_the_shorter_counts(void **unused)
{
    static const int ends[][2] = {{37 * S, 60 * S}, {60 * S, 37 * S}};
    probe_search search;
    (void)unused;
    for (int i = 0; i < 2; i++) {
        probe_search_init(&search, 10 * MIN, true);
        probe_search_tell(&search, PROBE_ENDED, ends[i][0]);
        probe_search_tell(&search, PROBE_ENDED, ends[i][1]);
        assert_int_equal(probe_search_next(&search), 0);
        assert_int_equal(probe_search_limit_ms(&search), 37 * S);
        assert_int_equal(search.ended_last_ms, ends[i][1]);
    }
}

static void every_limit_of_a_path_that_forgets_is_found_to_a_twentieth(void **unused)
{
    (void)unused;
    for (int limit_ms = 300; limit_ms <= 10 * MIN; limit_ms += limit_ms / 7 + 13) {
        probe_search search;
        probe_search_init(&search, 10 * MIN, true);
        assert_in_range(probe(&search, limit_ms, 0), 2, 14);
        assert_in_range(search.borne_ms, 0, limit_ms - 1);
        assert_in_range(search.fatal_ms, limit_ms, 10 * MIN);
        assert_int_equal(probe_search_limit_ms(&search), search.fatal_ms);
        int gap_ms = search.fatal_ms - search.borne_ms;
        if (limit_ms > 15 * S)
            assert_in_range(gap_ms, 1, search.borne_ms / 20 > 250 ? search.borne_ms / 20 : 250);
        else
            assert_int_equal(search.fatal_ms, 15 * S);
    }
}

static void what_was_tried_is_all_that_is_trusted(void **unused)
{
    probe_search search;
    (void)unused;
    probe_search_init(&search, 40 * S, true);
    assert_int_equal(probe(&search, 0, 0), 1);
    assert_int_equal(probe_search_interval_ms(&search, 1 * S), 20 * S);
}

static void any_longest_silence_is_possible(void **unused)
{
    static const int longest[] = {1, 2, 15, 16, 17, 300, 4000, INT_MAX};
    (void)unused;
    for (size_t i = 0; i < sizeof longest / sizeof longest[0]; i++) {
        probe_search search;
        probe_search_init(&search, longest[i], true);
        probe(&search, 1, 0);
        assert_int_equal(search.borne_ms, 0);
        probe_search_init(&search, longest[i], true);
        probe(&search, longest[i], 0);
        assert_int_equal(search.fatal_ms, longest[i]);
    }
}

static void a_peer_that_speaks_ends_the_search(void **unused)
{
    probe_search search;
    (void)unused;
    probe_search_init(&search, 10 * MIN, true);
    probe_search_tell(&search, PROBE_SPOKE, 23 * S);
    assert_int_equal(probe_search_next(&search), 0);
    assert_int_equal(probe_search_limit_ms(&search), 0);
    assert_int_equal(search.spoke_ms, 23 * S);
    assert_int_equal(probe_search_interval_ms(&search, 10 * S), 25 * S);
}

/* min(T / 2, T - 2 answers), from 5 to 25 s. */
static void two_beats_fit_into_the_limit_or_one_with_its_answer_twice(void **unused)
{
    static const int cases[][3] = {
        {60 * S, 10 * S, 25 * S}, {40 * S, 10 * S, 20 * S}, {30 * S, 10 * S, 10 * S},
        {30 * S, 1 * S, 15 * S},  {20 * S, 10 * S, 5 * S},  {8 * S, 1 * S, 5 * S},
        {1, INT_MAX, 5 * S},      {INT_MAX, 0, 25 * S},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        probe_search search;
        probe_search_init(&search, INT_MAX, false);
        probe_search_tell(&search, PROBE_ENDED, cases[i][0]);
        assert_int_equal(probe_search_interval_ms(&search, cases[i][1]), cases[i][2]);
    }
}

static void a_path_that_forgets_is_trusted_with_what_it_has_borne(void **unused)
{
    probe_search search;
    (void)unused;
    probe_search_init(&search, 10 * MIN, true);
    probe_search_tell(&search, PROBE_DEAD, 60 * S);
    assert_int_equal(probe_search_interval_ms(&search, S), 5 * S);
    probe_search_tell(&search, PROBE_ALIVE, 30 * S);
    assert_int_equal(probe_search_interval_ms(&search, S), 15 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_without_a_limit_costs_one_connection),
        cmocka_unit_test(who_ends_silent_connections_is_known_after_two_or_one),
        cmocka_unit_test(one_end_that_does_not_come_again_is_no_limit),
        cmocka_unit_test(of_two_different_ends_the_shorter_counts),
        cmocka_unit_test(every_limit_of_a_path_that_forgets_is_found_to_a_twentieth),
        cmocka_unit_test(what_was_tried_is_all_that_is_trusted),
        cmocka_unit_test(any_longest_silence_is_possible),
        cmocka_unit_test(a_peer_that_speaks_ends_the_search),
        cmocka_unit_test(two_beats_fit_into_the_limit_or_one_with_its_answer_twice),
        cmocka_unit_test(a_path_that_forgets_is_trusted_with_what_it_has_borne),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
