/*
 * The statistics: first the numbers by themselves, then what engines count in
 * them, in lives that other tests know from other sides.
 */
#include "stats.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "close_code.h"
#include "histogram.h"
#include "pair.h"

static vital_stats of_client, of_server;

static int setup(void **state)
{
    (void)state;
    memset(&of_client, 0, sizeof of_client);
    memset(&of_server, 0, sizeof of_server);
    reseed(1);
    return 0;
}

static void open_counted_pair(void)
{
    vital_policy client_policy = usual_client, server_policy = usual_server;
    client_policy.stats = &of_client;
    server_policy.stats = &of_server;
    open_pair(client_policy, server_policy);
}

/* ------------------------------------------------------------------ the numbers */

static void without_statistics_nothing_is_counted(void **state)
{
    (void)state;
    vt_stats_opened(NULL);
    vt_stats_lost(NULL, VITAL_CUT, true);
    vt_stats_abandoned(NULL);
    vt_stats_served(NULL);
    vt_stats_put_off(NULL);
    vt_stats_beat(NULL, VT_STATS_SENT);
    vt_stats_answered(NULL, 5);
    vt_stats_detected(NULL, 5);
    vt_stats_queue(NULL, 0, 5);
}

static void a_round_trip_that_was_not_measured_is_an_answer_all_the_same(void **state)
{
    (void)state;
    vt_stats_answered(&of_server, 70);
    vt_stats_answered(&of_server, -1);
    assert_int_equal(of_server.beats_answered, 2);
    assert_int_equal(of_server.rtt.count, 1);
    assert_int_equal(of_server.rtt.sum_us, 70);
}

static void every_number_is_added_up(void **state)
{
    (void)state;
    uint64_t *numbers = (uint64_t *)&of_server; /* there is nothing else in it */
    size_t count = sizeof of_server / sizeof *numbers;
    assert_int_equal(sizeof of_server % sizeof *numbers, 0);
    for (size_t i = 0; i < count; i++)
        numbers[i] = i + 1;
    vital_stats_add(&of_client, &of_server);
    vital_stats_add(&of_client, &of_server);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(((uint64_t *)&of_client)[i], 2 * (i + 1));
}

/* ------------------------------------------------------------- lives of engines */

static void opens_and_closes_are_counted_by_cause(void **state)
{
    (void)state;
    open_counted_pair();
    assert_int_equal(of_client.open, 1);
    assert_int_equal(of_server.open, 1);
    vital_engine_close(client.engine, now, VT_CLOSE_NORMAL, NULL);
    exchange();
    lose_stream(&client, 0);
    assert_int_equal(of_client.opened, 1);
    assert_int_equal(of_client.open, 0);
    assert_int_equal(of_client.closed[VITAL_CLOSED_BY_US], 1);
    assert_int_equal(of_server.open, 0);
    assert_int_equal(of_server.closed[VITAL_CLOSED_BY_PEER], 1);
}

static void an_attempt_that_fails_is_not_a_connection_that_closed(void **state)
{
    (void)state;
    open_counted_pair();
    lose_stream(&client, ECONNRESET);
    assert_int_equal(of_client.closed[VITAL_CUT], 1);
    run_until(now.now_us + 3 * S); /* the next attempt has begun */
    assert_int_equal(client.attempts, 2);
    vital_engine_unreachable(client.engine, now, ECONNREFUSED, "refused");
    settle(&client);
    assert_int_equal(of_client.failed[VITAL_UNREACHABLE], 1);
    assert_int_equal(of_client.closed[VITAL_UNREACHABLE], 0);
    assert_int_equal(of_client.opened, 1);
    assert_int_equal(of_client.open, 0);
}

static void beats_and_their_round_trips_are_counted(void **state)
{
    (void)state;
    vital_policy mute = usual_server, beating = usual_client;
    mute.heartbeat.kind = VITAL_BEAT_NONE;
    beating.stats = &of_client;
    mute.stats = &of_server;
    open_pair(beating, mute);
    tick_at_deadline(&client);
    settle(&client);
    pass(300 * MS);
    exchange();
    assert_int_equal(of_client.beats_sent, 1);
    assert_int_equal(of_client.beats_answered, 1);
    assert_int_equal(of_client.beats_late, 0);
    assert_int_equal(of_client.rtt.count, 1);
    assert_int_equal(of_client.rtt.sum_us, 300 * MS);
    assert_int_equal(of_server.beats_heard, 1);
    assert_int_equal(of_server.beats_sent, 0);
}

static void a_text_beat_is_heard_too(void **state)
{
    (void)state;
    open_counted_pair();
    come_frame(&server, VT_OP_TEXT, "heartbeat");
    assert_int_equal(of_server.beats_heard, 1);
    assert_log(&server, "");
}

static void a_silent_peer_is_a_late_beat_and_a_detection(void **state)
{
    (void)state;
    open_counted_pair();
    int64_t heard_us = now.now_us;
    tick_at_deadline(&client); /* the beat, which nobody answers */
    settle(&client);
    assert_int_equal(of_client.beats_late, 0);
    tick_at_deadline(&client);
    assert_int_equal(of_client.beats_late, 1);
    assert_int_equal(of_client.detection.count, 0);
    tick_at_deadline(&client);
    assert_log(&client, "doubtful SILENT");
    assert_int_equal(of_client.beats_late, 1);
    assert_int_equal(of_client.closed[VITAL_SILENT], 1);
    assert_int_equal(of_client.detection.count, 1);
    assert_int_equal(of_client.detection.sum_us, now.now_us - heard_us);
}

static void the_queue_is_counted_in_bytes_as_it_grows_and_shrinks(void **state)
{
    (void)state;
    open_counted_pair();
    client.room = 0;
    send_bytes(&client, 1000);
    send_bytes(&client, 500);
    assert_int_equal(of_client.queue_bytes, 1500);
    lose_stream(&client, 0); /* they wait for the next socket */
    assert_int_equal(of_client.queue_bytes, 1500);
    client.room = SIZE_MAX;
    reopen_pair();
    assert_int_equal(of_client.queue_bytes, 0);
    client.room = 0;
    send_bytes(&client, 300);
    assert_int_equal(of_client.queue_bytes, 300);
    finish_pair(); /* and with the engine goes what it held */
    assert_int_equal(of_client.queue_bytes, 0);
    assert_int_equal(of_client.open, 0);
}

static void a_piece_is_in_the_queue_like_a_message(void **state)
{
    (void)state;
    open_counted_pair();
    client.room = 0;
    assert_int_equal(
        vital_engine_send_piece(client.engine, now, VITAL_TEXT, vital_text("half"), VITAL_FIRST),
        0);
    assert_int_equal(of_client.queue_bytes, 4);
}

static int answer_404(struct end *end)
{
    const char *problem;
    return vital_engine_respond(end->engine, now, &(vital_response){.status = 404}, &problem);
}

static void a_plain_request_is_neither_an_open_nor_a_failure(void **state)
{
    (void)state;
    vital_policy policy = usual_server;
    policy.stats = &of_server;
    policy.http = true;
    begin_end(&server, policy);
    come_text(&server, "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(answer_404(&server), 0);
    settle(&server);
    assert_int_equal(of_server.requests, 1);
    assert_int_equal(of_server.opened, 0);
    for (int cause = 0; cause < VITAL_CAUSE_COUNT; cause++)
        assert_int_equal(of_server.failed[cause], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_statistics_nothing_is_counted),
        TEST(a_round_trip_that_was_not_measured_is_an_answer_all_the_same),
        TEST(every_number_is_added_up),
        TEST(opens_and_closes_are_counted_by_cause),
        TEST(an_attempt_that_fails_is_not_a_connection_that_closed),
        TEST(beats_and_their_round_trips_are_counted),
        TEST(a_text_beat_is_heard_too),
        TEST(a_silent_peer_is_a_late_beat_and_a_detection),
        TEST(the_queue_is_counted_in_bytes_as_it_grows_and_shrinks),
        TEST(a_piece_is_in_the_queue_like_a_message),
        TEST(a_plain_request_is_neither_an_open_nor_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
