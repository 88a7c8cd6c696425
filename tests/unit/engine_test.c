/*
 * A connection's life, with exact numbers and in its corners. The stories that a
 * person can follow are in tests/traces; the end of a connection is in
 * engine_end_test.c, and what holds for every random run in engine_any_test.c.
 */
#include "engine_state.h"
#include "pair.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "close_code.h"
#include "frame.h"

/* ----------------------------------------------------------------------- beats */

static void an_idle_pair_beats_once_an_interval_together(void **state)
{
    (void)state;
    open_usual_pair();
    run_until(now.now_us + HOUR);
    /* Whoever beats, the other one's direction is alive too. */
    assert_in_range(beats_of(&client) + beats_of(&server), 3600 / 25, 3600 / 20 + 1);
    assert_log(&client, "");
    assert_log(&server, "");
    vital_pulse pulse;
    vital_engine_pulse(client.engine, now, &pulse);
    assert_int_equal(pulse.beats_answered, pulse.beats_sent);
}

static void a_pair_that_talks_both_ways_never_beats(void **state)
{
    (void)state;
    open_usual_pair();
    for (int i = 0; i < 3600 / 6; i++) {
        run_until(now.now_us + 6 * S);
        send_text(&client, "a");
        send_text(&server, "b");
    }
    assert_int_equal(beats_of(&client), 0);
    assert_int_equal(beats_of(&server), 0);
}

static void who_only_listens_still_beats(void **state)
{
    (void)state;
    vital_policy quiet = usual_server;
    quiet.heartbeat.kind = VITAL_BEAT_NONE;
    open_pair(usual_client, quiet);
    for (int i = 0; i < 3600; i++) {
        run_until(now.now_us + S);
        send_text(&server, "b");
    }
    assert_in_range(beats_of(&client), 3600 / 25, 3600 / 20 + 1);
}

static void a_text_beat_is_answered_and_shown_to_nobody(void **state)
{
    (void)state;
    vital_policy policy = usual_client;
    policy.heartbeat.kind = VITAL_BEAT_TEXT;
    vital_policy quiet = usual_server;
    quiet.heartbeat.kind = VITAL_BEAT_NONE;
    open_pair(policy, quiet);
    run_until(now.now_us + HOUR);
    vital_pulse pulse;
    vital_engine_pulse(client.engine, now, &pulse);
    assert_in_range(pulse.beats_sent, 3600 / 25, 3600 / 20 + 1);
    assert_int_equal(pulse.beats_answered, pulse.beats_sent);
    assert_log(&client, "");
    assert_log(&server, "");
}

static void a_foreign_server_that_echoes_answers_a_text_beat(void **state)
{
    (void)state;
    vital_policy policy = usual_client;
    policy.heartbeat.kind = VITAL_BEAT_TEXT;
    open_pair(policy, usual_server);
    tick_at_deadline(&client);
    come_frame(&client, VT_OP_TEXT, "heartbeat");
    vital_pulse pulse;
    vital_engine_pulse(client.engine, now, &pulse);
    assert_int_equal(pulse.beats_answered, 1);
    come_frame(&client, VT_OP_TEXT, "heartbeat"); /* once more, and it asks nobody */
    come_frame(&client, VT_OP_TEXT, "heartbeats");
    assert_log(&client, "text:heartbeats");
}

static void a_ping_is_answered_and_its_pong_is_shown_to_who_asked(void **state)
{
    (void)state;
    open_usual_pair();
    assert_int_equal(vital_engine_ping(client.engine, now, vital_text("mine")), 0);
    exchange();
    come_frame(&client, VT_OP_PONG, "unasked");
    assert_log(&client, "pong:mine pong:unasked");
    assert_log(&server, "");
}

/* The frames of a message of so many bytes, and where among them the beat is. */
static int fragments_before_the_beat(struct end *from, int *fragments)
{
    int before = -1;
    *fragments = 0;
    while (from->wire.size > 0) {
        vt_frame frame = frame_from(from, NULL);
        if (vt_opcode_is_control(frame.opcode))
            before = *fragments;
        else
            ++*fragments;
    }
    return before;
}

static void a_beat_goes_between_the_fragments_of_a_large_message(void **state)
{
    (void)state;
    open_usual_pair();
    client.room = 20000;
    send_bytes(&client, 1000 * 1000);
    for (int i = 0; i < 10; i++) {
        settle(&client); /* slowly: the peer hears us, and says nothing */
        pass(S);
    }
    now.now_us = deadline(&client);
    tick(&client);
    client.room = SIZE_MAX;
    settle(&client);
    int fragments;
    int before = fragments_before_the_beat(&client, &fragments);
    assert_int_equal(fragments, (1000 * 1000 + 16383) / 16384);
    /* 11 or 12 writes of 20000 bytes, and no more than the one on the wire. */
    assert_in_range(before, 11 * 20000 / 16384, 12 * 20000 / 16384 + 1);
    assert_int_equal(beats_of(&client), 1);
}

static void silence_is_doubted_then_lost_then_tried_again(void **state)
{
    (void)state;
    vital_policy policy = usual_client;
    policy.heartbeat.answer_ms = 8000;
    open_pair(policy, usual_server);
    tick_at_deadline(&client);
    int64_t left = now.now_us;
    tick_at_deadline(&client);
    assert_log(&client, "doubtful");
    assert_int_equal(vital_engine_health(client.engine), VITAL_DOUBTFUL);
    assert_int_equal(now.now_us - left, 4 * S);
    tick_at_deadline(&client);
    assert_log(&client, "SILENT");
    assert_int_equal(now.now_us - left, 8 * S);
    assert_non_null(strstr(client.verdict.text, "No answer to our ping for 8 s"));
    assert_int_equal(client.verdict.code, VT_CLOSE_ABNORMAL);
    assert_int_equal(client.verdict.pulse.waiting_ms, 8000);
    assert_in_range(client.verdict.retry_ms, 0, 2000);
    int64_t lost = now.now_us;
    tick_at_deadline(&client);
    assert_int_equal(now.now_us - lost, client.verdict.retry_ms * MS);
    assert_log(&client, "connect");
}

static void a_doubt_that_ends_is_told(void **state)
{
    (void)state;
    open_usual_pair();
    tick_at_deadline(&client);
    tick_at_deadline(&client);
    come_frame(&client, VT_OP_TEXT, "still here");
    assert_log(&client, "doubtful text:still here alive");
    assert_int_equal(vital_engine_health(client.engine), VITAL_ALIVE);
}

static void who_is_given_up_is_told_why_if_it_wakes_up(void **state)
{
    (void)state;
    open_usual_pair();
    tick_at_deadline(&client);
    tick_at_deadline(&client);
    tick_at_deadline(&client);
    assert_log(&client, "doubtful SILENT");
    vital_bytes farewell = vital_engine_farewell(client.engine);
    client.wire.size = 0;
    append(&client.wire, farewell.data, farewell.size);
    assert_close_left(&client, 4408, "no answer to the heartbeat");
    append(&client.wire, farewell.data, farewell.size);
    deliver(&client, &server, SIZE_MAX);
    settle(&server);
    assert_log(&server, "CLOSED_BY_PEER");
    assert_int_equal(server.verdict.code, 4408);
}

static void a_farewell_is_said_in_spite_of_messages_that_are_held(void **state)
{
    (void)state;
    open_usual_pair();
    tick_at_deadline(&client);
    tick_at_deadline(&client);
    send_text(&client, "held");
    settle(&client);
    tick_at_deadline(&client);
    assert_log(&client, "doubtful SILENT");
    assert_true(vital_engine_farewell(client.engine).size > 0);
    assert_int_equal(client.verdict.unsent, 1); /* and the message is kept */
}

static void a_farewell_does_not_break_into_a_frame(void **state)
{
    (void)state;
    open_usual_pair();
    tick_at_deadline(&client);
    send_bytes(&client, 100);
    client.room = 50;
    settle(&client);
    client.room = 0;
    tick_at_deadline(&client);
    tick_at_deadline(&client);
    assert_log(&client, "doubtful SILENT");
    assert_int_equal(vital_engine_farewell(client.engine).size, 0);
}

static void a_beat_that_could_not_leave_is_not_called_unanswered(void **state)
{
    (void)state;
    open_usual_pair();
    client.room = 0;
    send_bytes(&client, 100000);
    tick_at_deadline(&client);
    tick_at_deadline(&client);
    tick_at_deadline(&client);
    assert_log(&client, "doubtful SILENT");
    assert_non_null(strstr(client.verdict.text, "Our ping could not leave for 10 s"));
    assert_int_equal(client.verdict.pulse.beats_sent, 0);
    assert_int_equal(client.verdict.unsent, 1);
    assert_int_equal(vital_engine_farewell(client.engine).size, 0);
}

/* Two beats are out for a second; then we sleep; the answer is read before the
 * tick, or has not come yet. */
static void sleep_for(int64_t us, bool told)
{
    open_usual_pair();
    tick_at_deadline(&client);
    pass(S);
    if (told)
        stall(us);
    else
        pass(us);
    vital_engine_tick(client.engine, now);
    pull(&client);
    vital_engine_tick(client.engine, now);
    pull(&client);
}

static void our_own_sleep_is_nobodys_death(void **state)
{
    (void)state;
    static const int64_t sleeps[] = {3 * S, 60 * S, HOUR};
    for (size_t i = 0; i < 3; i++) {
        sleep_for(sleeps[i], true);
        assert_log(&client, "");
        exchange(); /* the answer was there all the time */
        assert_log(&client, "");
        vital_pulse pulse;
        vital_engine_pulse(client.engine, now, &pulse);
        assert_int_equal(pulse.beats_answered, 1);
        finish_pair();
    }
    sleep_for(60 * S, false); /* the same without the credit */
    assert_log(&client, "doubtful SILENT");
}

static void deadlines_of_handshakes_have_the_credit_too(void **state)
{
    (void)state;
    ask_as_client(usual_client);
    int64_t start = now.now_us;
    stall(60 * S);
    tick(&client);
    assert_log(&client, "");
    tick_at_deadline(&client);
    assert_int_equal(now.now_us - start, 70 * S);
    assert_log(&client, "UNREACHABLE");
    finish_pair();

    open_usual_pair();
    vital_engine_close(client.engine, now, 1000, NULL);
    settle(&client);
    start = now.now_us;
    stall(60 * S);
    tick(&client);
    assert_log(&client, "");
    tick_at_deadline(&client);
    assert_int_equal(now.now_us - start, 65 * S);
    assert_log(&client, "CLOSED_BY_US");
}

static void our_own_absence_has_no_credit(void **state)
{
    (void)state;
    open_usual_pair();
    lose_stream(&client, 0);
    stall(60 * S);
    tick(&client);
    assert_log(&client, "CUT connect");
}

static void what_is_sent_in_doubt_is_held_until_the_doubt_ends(void **state)
{
    (void)state;
    open_usual_pair();
    tick_at_deadline(&client);
    tick_at_deadline(&client);
    assert_log(&client, "doubtful");
    client.wire.size = 0;
    send_text(&client, "held");
    come_text(&client, "");
    settle(&client);
    assert_int_equal(client.wire.size, 0);
    come_frame(&client, VT_OP_PONG, "");
    assert_true(client.wire.size > 0);
    deliver(&client, &server, SIZE_MAX);
    assert_log(&server, "text:held");
    assert_log(&client, "pong: alive");
}

/* ---------------------------------------------------------------------- calls */

static void a_message_that_is_not_valid_is_refused_whole(void **state)
{
    (void)state;
    open_usual_pair();
    assert_int_equal(try_send(&client, VITAL_TEXT, vital_text("\xff")), VITAL_EINVAL);
    assert_int_equal(try_send(&client, VITAL_TEXT, vital_text("cut \xe5\xbf")), VITAL_EINVAL);
    assert_int_equal(try_send(&client, (vital_kind)0, vital_text("x")), VITAL_EINVAL);
    assert_int_equal(try_send(&client, (vital_kind)3, vital_text("x")), VITAL_EINVAL);
    assert_int_equal(try_send(&client, VITAL_BINARY, (vital_bytes){NULL, 1}), VITAL_EINVAL);
    assert_int_equal(try_send(&client, VITAL_BINARY, (vital_bytes){NULL, 0}), 0);
    assert_int_equal(try_send(&client, VITAL_BINARY, vital_text("\xff")), 0);
    exchange();
    assert_log(&server, "binary: binary:\xff");
}

static void a_ping_of_ones_own_is_small_and_needs_an_open_connection(void **state)
{
    (void)state;
    char payload[126] = {0};
    reseed(1);
    begin_end(&client, usual_client);
    assert_int_equal(vital_engine_ping(client.engine, now, vital_text("x")), VITAL_ESTATE);
    finish_pair();
    open_usual_pair();
    assert_int_equal(vital_engine_ping(client.engine, now, (vital_bytes){payload, 126}),
                     VITAL_EINVAL);
    assert_int_equal(vital_engine_ping(client.engine, now, (vital_bytes){NULL, 1}), VITAL_EINVAL);
    assert_int_equal(vital_engine_ping(client.engine, now, (vital_bytes){payload, 125}), 0);
    exchange();
    assert_log(&client, "pong(125)");
    lose_stream(&client, 0);
    assert_int_equal(vital_engine_ping(client.engine, now, vital_text("x")), VITAL_ESTATE);
}

static vital_policy small_queue(void)
{
    vital_policy policy = usual_client;
    policy.limits.queue_bytes = 10000;
    return policy;
}

static void a_full_queue_is_told_and_drains_at_half(void **state)
{
    (void)state;
    static const char bytes[10001];
    open_pair(small_queue(), usual_server);
    client.room = 0;
    assert_int_equal(try_send(&client, VITAL_BINARY, (vital_bytes){bytes, 10001}), VITAL_ETOOBIG);
    for (int i = 0; i < 4; i++) /* each costs 64 bytes more than its payload */
        assert_int_equal(try_send(&client, VITAL_BINARY, (vital_bytes){bytes, 2400}), 0);
    assert_int_equal(try_send(&client, VITAL_BINARY, (vital_bytes){bytes, 81}), VITAL_EFULL);
    assert_int_equal(try_send(&client, VITAL_BINARY, (vital_bytes){bytes, 80}), 0);
    assert_int_equal(vital_engine_queued(client.engine), 9680);
    size_t left = 0;
    while (left < 3 * 2408) { /* frames of 4 + 4 + 2400 bytes: below half after the third */
        assert_log(&client, "");
        assert_int_equal(leave(&client, 1), 1);
        left++;
    }
    assert_log(&client, "drain");
    assert_int_equal(vital_engine_queued(client.engine), 2480);
    leave(&client, SIZE_MAX);
    assert_log(&client, ""); /* once */
}

static void an_empty_queue_takes_a_message_up_to_its_limit(void **state)
{
    (void)state;
    static const char bytes[10000];
    open_pair(small_queue(), usual_server);
    assert_int_equal(try_send(&client, VITAL_BINARY, (vital_bytes){bytes, 10000}), 0);
    assert_int_equal(try_send(&client, VITAL_BINARY, (vital_bytes){bytes, 0}), VITAL_EFULL);
}

static void empty_messages_are_bounded_too(void **state)
{
    (void)state;
    open_pair(small_queue(), usual_server);
    int accepted = 0;
    while (try_send(&client, VITAL_BINARY, vital_text("")) == 0)
        accepted++;
    assert_int_equal(accepted, 10000 / 64);
}

static void a_drain_is_told_although_the_socket_was_lost_meanwhile(void **state)
{
    (void)state;
    static const char bytes[4000];
    open_pair(small_queue(), usual_server);
    client.room = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(try_send(&client, VITAL_BINARY, (vital_bytes){bytes, 4000}), 0);
    assert_int_equal(try_send(&client, VITAL_BINARY, (vital_bytes){bytes, 4000}), VITAL_EFULL);
    vital_engine_ended(client.engine, now, 0);
    settle(&client);
    assert_log(&client, "CUT");
    client.room = SIZE_MAX;
    reopen_pair();
    assert_log(&client, "connect open drain");
}

static void an_idle_connection_keeps_no_buffer_of_the_last_message(void **state)
{
    (void)state;
    open_usual_pair();
    come(&client, "\x81\x04li", 4); /* cut, so that it has to be put together */
    assert_non_null(client.engine->reader.assembly);
    come(&client, "ne", 2);
    assert_log(&client, "text:line");
    assert_null(client.engine->reader.assembly);
}

static void a_drain_that_nobody_pulled_before_the_loss_is_told_on_return(void **state)
{
    (void)state;
    static const char bytes[4000];
    open_pair(small_queue(), usual_server);
    client.room = 0;
    while (try_send(&client, VITAL_BINARY, (vital_bytes){bytes, sizeof bytes}) == 0)
        continue;
    vital_bytes wire;
    while ((wire = vital_engine_pending(client.engine, now)).size > 0)
        vital_engine_written(client.engine, now, wire.size);
    vital_engine_ended(client.engine, now, ECONNRESET); /* the drain was never pulled */
    client.streams = false;
    pull(&client);
    assert_log(&client, "CUT");
    client.room = SIZE_MAX;
    reopen_pair();
    assert_log(&client, "connect open drain");
}

static void a_drain_during_the_peers_goodbye_is_told_on_return(void **state)
{
    (void)state;
    static const char bytes[4000];
    open_pair(small_queue(), usual_server);
    client.room = 1; /* the first message is on the wire */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(try_send(&client, VITAL_BINARY, (vital_bytes){bytes, 4000}), 0);
        settle(&client);
    }
    assert_int_equal(try_send(&client, VITAL_BINARY, (vital_bytes){bytes, 4000}), VITAL_EFULL);
    client.room = 4500; /* it leaves, with a part of the next, after the peer's goodbye */
    come_frame(&client, VT_OP_CLOSE, "\x03\xe9");
    vital_engine_ended(client.engine, now, 0);
    settle(&client);
    assert_log(&client, "CLOSED_BY_PEER");
    assert_int_equal(client.verdict.unsent, 1);
    client.room = SIZE_MAX;
    reopen_pair();
    assert_log(&client, "connect open drain");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end_test)
    const struct CMUnitTest tests[] = {
        TEST(an_idle_pair_beats_once_an_interval_together),
        TEST(a_pair_that_talks_both_ways_never_beats),
        TEST(who_only_listens_still_beats),
        TEST(a_text_beat_is_answered_and_shown_to_nobody),
        TEST(a_foreign_server_that_echoes_answers_a_text_beat),
        TEST(a_ping_is_answered_and_its_pong_is_shown_to_who_asked),
        TEST(a_beat_goes_between_the_fragments_of_a_large_message),
        TEST(silence_is_doubted_then_lost_then_tried_again),
        TEST(a_doubt_that_ends_is_told),
        TEST(who_is_given_up_is_told_why_if_it_wakes_up),
        TEST(a_farewell_is_said_in_spite_of_messages_that_are_held),
        TEST(a_farewell_does_not_break_into_a_frame),
        TEST(a_beat_that_could_not_leave_is_not_called_unanswered),
        TEST(our_own_sleep_is_nobodys_death),
        TEST(deadlines_of_handshakes_have_the_credit_too),
        TEST(our_own_absence_has_no_credit),
        TEST(what_is_sent_in_doubt_is_held_until_the_doubt_ends),
        TEST(a_message_that_is_not_valid_is_refused_whole),
        TEST(a_ping_of_ones_own_is_small_and_needs_an_open_connection),
        TEST(a_full_queue_is_told_and_drains_at_half),
        TEST(an_empty_queue_takes_a_message_up_to_its_limit),
        TEST(empty_messages_are_bounded_too),
        TEST(a_drain_is_told_although_the_socket_was_lost_meanwhile),
        TEST(an_idle_connection_keeps_no_buffer_of_the_last_message),
        TEST(a_drain_that_nobody_pulled_before_the_loss_is_told_on_return),
        TEST(a_drain_during_the_peers_goodbye_is_told_on_return),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
