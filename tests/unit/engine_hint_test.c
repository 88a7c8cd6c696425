/*
 * What an engine makes of word from outside: it asks, or tries, and never judges by it.
 */
#include "pair.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void hint(struct end *end, vital_hint what)
{
    vital_engine_hint(end->engine, now, what);
    pull(end);
}

/* Ticks the client as its deadlines come, for so long. */
static void live_for(int64_t us)
{
    int64_t until_us = now.now_us + us;
    while (deadline(&client) <= until_us) {
        if (deadline(&client) > now.now_us)
            pass(deadline(&client) - now.now_us);
        tick(&client);
        exchange();
    }
    pass(until_us - now.now_us);
}

/* Away, with so long to wait; and its last verdict is told. */
static void be_away(int wait_ms)
{
    vital_policy policy = usual_client;
    policy.reconnect = (vital_reconnect){.first_ms = wait_ms, .min_ms = wait_ms, .max_ms = wait_ms};
    open_pair(policy, usual_server);
    /* The first delay is drawn from zero on; the second is not. */
    lose_stream(&client, ECONNRESET);
    pass(deadline(&client) - now.now_us);
    tick(&client);
    vital_engine_unreachable(client.engine, now, ECONNREFUSED, "10.0.0.1:80: refused");
    pull(&client);
    assert_log(&client, "CUT connect UNREACHABLE");
    assert_int_equal(client.verdict.retry_ms, wait_ms);
}

static void an_open_connection_asks_at_once_when_a_router_reports(void **state)
{
    (void)state;
    open_usual_pair();
    pass(5 * S);
    hint(&client, VITAL_HINT_REPORT);
    assert_int_equal(deadline(&client), now.now_us);
    tick(&client);
    settle(&client);
    assert_int_equal(beats_of(&client), 1);
    exchange();
    vital_pulse pulse;
    vital_engine_pulse(client.engine, now, &pulse);
    assert_int_equal(pulse.beats_answered, 1);
    assert_log(&client, "");
}

static void a_hundred_reports_are_a_beat_in_two_seconds(void **state)
{
    (void)state;
    open_usual_pair();
    pass(5 * S);
    for (int i = 0; i < 100; i++) {
        hint(&client, VITAL_HINT_REPORT);
        live_for(100 * MS);
    }
    vital_pulse pulse;
    vital_engine_pulse(client.engine, now, &pulse);
    assert_in_range(pulse.beats_sent, 5, 6);
}

static void a_report_alone_convicts_nobody(void **state)
{
    (void)state;
    open_usual_pair();
    for (int i = 0; i < 200; i++) {
        hint(&client, VITAL_HINT_REPORT);
        live_for(500 * MS);
    }
    assert_log(&client, "");
    assert_int_equal(vital_engine_health(client.engine), VITAL_ALIVE);
}

static void a_beat_that_is_on_its_way_is_not_followed_by_another(void **state)
{
    (void)state;
    open_usual_pair();
    tick_at_deadline(&client);
    settle(&client);
    assert_int_equal(beats_of(&client), 1);
    int64_t before_us = deadline(&client);
    hint(&client, VITAL_HINT_REPORT);
    hint(&client, VITAL_HINT_NETWORK);
    assert_int_equal(deadline(&client), before_us);
}

static void after_a_change_of_networks_a_dead_path_is_found_within_the_limit(void **state)
{
    (void)state;
    open_usual_pair();
    pass(S);
    int64_t changed_us = now.now_us;
    hint(&client, VITAL_HINT_NETWORK);
    assert_in_range(deadline(&client), changed_us, changed_us + 1 * S);
    while (client.closed == 0) { /* nobody hears it */
        pass(deadline(&client) - now.now_us);
        tick(&client);
        settle(&client);
    }
    assert_log(&client, "doubtful SILENT");
    assert_in_range(now.now_us - changed_us, 10 * S, 11 * S);
}

static void a_server_spreads_what_it_asks_over_five_seconds(void **state)
{
    (void)state;
    int late = 0;
    for (int i = 0; i < 40; i++) {
        open_usual_pair();
        pass(S);
        for (int j = 0; j <= i; j++) /* another number each time */
            draw(0, 1);
        hint(&server, VITAL_HINT_RESUMED);
        assert_in_range(deadline(&server) - now.now_us, 0, 5 * S);
        late += deadline(&server) - now.now_us > S;
        finish_pair();
    }
    assert_in_range(late, 20, 40);
}

static void where_no_beats_are_wanted_a_hint_brings_none(void **state)
{
    (void)state;
    vital_policy policy = usual_client;
    policy.heartbeat.kind = VITAL_BEAT_NONE;
    open_pair(policy, usual_server);
    hint(&client, VITAL_HINT_REPORT);
    hint(&client, VITAL_HINT_NETWORK);
    live_for(100 * S);
    assert_int_equal(client.wire.size, 0);
}

static void who_is_away_tries_now(void **state)
{
    (void)state;
    be_away(60 * 1000);
    pass(S);
    hint(&client, VITAL_HINT_NETWORK);
    assert_log(&client, "sooner:network");
    assert_in_range(deadline(&client) - now.now_us, 0, 500 * MS);
    pass(deadline(&client) - now.now_us);
    tick(&client);
    assert_log(&client, "connect");
}

static void but_at_most_once_in_ten_seconds(void **state)
{
    (void)state;
    be_away(60 * 1000);
    hint(&client, VITAL_HINT_RESUMED);
    pass(deadline(&client) - now.now_us);
    int64_t tried_us = now.now_us;
    tick(&client);
    vital_engine_unreachable(client.engine, now, ECONNREFUSED, "10.0.0.1:80: refused");
    pull(&client);
    assert_log(&client, "sooner:resumed connect UNREACHABLE");
    pass(S);
    hint(&client, VITAL_HINT_NETWORK);
    assert_log(&client, "sooner:network");
    assert_int_equal(deadline(&client), tried_us + 10 * S);
    hint(&client, VITAL_HINT_NETWORK); /* it is as soon as it can be */
    assert_log(&client, "");
}

static void an_attempt_that_found_no_way_is_not_counted(void **state)
{
    (void)state;
    be_away(60 * 1000);
    hint(&client, VITAL_HINT_NETWORK);
    pass(deadline(&client) - now.now_us);
    tick(&client);
    vital_engine_unreachable(client.engine, now, ENETUNREACH, "10.0.0.1:80: no way");
    pull(&client);
    assert_log(&client, "sooner:network connect UNREACHABLE");
    pass(S);
    hint(&client, VITAL_HINT_NETWORK); /* the address has come */
    assert_in_range(deadline(&client) - now.now_us, 0, 500 * MS);
}

static void what_comes_during_an_attempt_is_remembered_until_it_has_failed(void **state)
{
    (void)state;
    be_away(60 * 1000);
    tick_at_deadline(&client);
    hint(&client, VITAL_HINT_NETWORK);
    vital_engine_unreachable(client.engine, now, EHOSTUNREACH, "10.0.0.1:80: no way");
    pull(&client);
    assert_log(&client, "connect UNREACHABLE");
    assert_in_range(client.verdict.retry_ms, 0, 500);
    assert_in_range(deadline(&client) - now.now_us, 0, 500 * MS);
    pass(deadline(&client) - now.now_us);
    tick(&client); /* and then forgotten */
    vital_engine_unreachable(client.engine, now, EHOSTUNREACH, "10.0.0.1:80: no way");
    pull(&client);
    assert_int_equal(client.verdict.retry_ms, 60 * 1000);
}

static void a_verdict_that_nobody_has_been_told_says_when(void **state)
{
    (void)state;
    be_away(60 * 1000);
    tick_at_deadline(&client);
    vital_engine_unreachable(client.engine, now, EHOSTUNREACH, "10.0.0.1:80: no way");
    hint(&client, VITAL_HINT_NETWORK);
    assert_log(&client, "connect UNREACHABLE");
    assert_in_range(client.verdict.retry_ms, 0, 500);
    assert_in_range(deadline(&client) - now.now_us, client.verdict.retry_ms * MS,
                    client.verdict.retry_ms * MS + MS);
}

static void who_was_told_when_to_come_back_does_not_come_before(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_close(server.engine, now, 1012, "restarting");
    exchange();
    lose_stream(&client, 0);
    assert_log(&client, "CLOSED_BY_PEER");
    int64_t before_us = deadline(&client);
    hint(&client, VITAL_HINT_NETWORK);
    hint(&client, VITAL_HINT_RESUMED);
    assert_log(&client, "");
    assert_int_equal(deadline(&client), before_us);
}

static void a_report_brings_nobody_back(void **state)
{
    (void)state;
    be_away(60 * 1000);
    int64_t before_us = deadline(&client);
    hint(&client, VITAL_HINT_REPORT);
    assert_log(&client, "");
    assert_int_equal(deadline(&client), before_us);
}

static void who_has_ended_hears_nothing_any_more(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_close(client.engine, now, 1000, NULL);
    int64_t before_us = deadline(&client);
    hint(&client, VITAL_HINT_NETWORK);
    assert_int_equal(deadline(&client), before_us);
    exchange();
    lose_stream(&client, 0);
    assert_log(&client, "CLOSED_BY_US");
    hint(&client, VITAL_HINT_NETWORK);
    assert_int_equal(deadline(&client), INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_teardown(name, end_test)
        TEST(an_open_connection_asks_at_once_when_a_router_reports),
        TEST(a_hundred_reports_are_a_beat_in_two_seconds),
        TEST(a_report_alone_convicts_nobody),
        TEST(a_beat_that_is_on_its_way_is_not_followed_by_another),
        TEST(after_a_change_of_networks_a_dead_path_is_found_within_the_limit),
        TEST(a_server_spreads_what_it_asks_over_five_seconds),
        TEST(where_no_beats_are_wanted_a_hint_brings_none),
        TEST(who_is_away_tries_now),
        TEST(but_at_most_once_in_ten_seconds),
        TEST(an_attempt_that_found_no_way_is_not_counted),
        TEST(what_comes_during_an_attempt_is_remembered_until_it_has_failed),
        TEST(a_verdict_that_nobody_has_been_told_says_when),
        TEST(who_was_told_when_to_come_back_does_not_come_before),
        TEST(a_report_brings_nobody_back),
        TEST(who_has_ended_hears_nothing_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
