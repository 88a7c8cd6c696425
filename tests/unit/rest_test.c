/*
 * What rests and what does not; and that nobody can tell an engine that has been folded
 * at every chance from one that never was: the same random lives, told in words, with
 * and without.
 */
#include "rest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine_state.h"
#include "pair.h"

static bool fold(vt_rest *out)
{
    return vt_rest_fold(out, server.engine, now.now_us);
}

/* Through a vt_rest and back, if it rests. */
static bool nap(void)
{
    vt_rest rest;
    vital_entropy entropy = server.engine->entropy;
    uint32_t path = server.engine->party.path;
    if (!fold(&rest))
        return false;
    vt_rest_unfold(&rest, server.engine, &server.policy, entropy, path);
    return true;
}

/* A server that is open, and whose peer is these tests. */
static void open_server(vital_policy policy)
{
    begin_end(&server, policy);
    come_text(&server, REQUEST);
    assert_log(&server, "open");
    server.wire.size = 0;
}

static void open_usual_server(void)
{
    reseed(1);
    open_server(usual_server);
}

/* ------------------------------------------------------------------ what rests */

static void an_open_connection_without_anything_under_way_rests(void **state)
{
    (void)state;
    open_usual_server();
    assert_true(nap());
}

static void it_takes_less_than_a_tenth_of_an_engine(void **state)
{
    (void)state;
    print_message("at rest %zu bytes, awake %zu\n", sizeof(vt_rest), sizeof(vital_engine));
    assert_true(sizeof(vt_rest) <= 72);
}

static void before_it_is_open_it_does_not_rest(void **state)
{
    (void)state;
    vt_rest rest;
    reseed(1);
    begin_end(&server, usual_server);
    assert_false(fold(&rest));
    come(&server, REQUEST, 20);
    assert_false(fold(&rest));
}

static void a_client_does_not_rest(void **state)
{
    (void)state;
    vt_rest rest;
    open_usual_pair();
    assert_false(vt_rest_fold(&rest, client.engine, now.now_us));
    assert_true(fold(&rest));
}

static void with_a_message_in_its_queue_it_does_not_rest(void **state)
{
    (void)state;
    open_usual_server();
    send_text(&server, "hello");
    assert_false(nap());
    settle(&server);
    assert_true(nap());
}

static void with_a_pong_to_send_it_does_not_rest(void **state)
{
    (void)state;
    open_usual_server();
    server.room = 0;
    come_frame(&server, VT_OP_PING, "there?");
    assert_false(nap());
    server.room = SIZE_MAX;
    settle(&server);
    assert_false(nap()); /* its budget of control frames is not whole yet */
    pass(1 * S);
    assert_true(nap());
}

static void in_the_middle_of_a_message_it_does_not_rest(void **state)
{
    (void)state;
    open_usual_server();
    come(&server, "\x81\x85", 2);
    assert_false(nap());
    come(&server, "\0\0\0\0hello", 9);
    assert_log(&server, "text:hello");
    assert_true(nap());
}

static void while_a_beat_is_under_way_it_does_not_rest(void **state)
{
    (void)state;
    char nonce[VT_CONTROL_PAYLOAD_MAX + 1];
    open_usual_server();
    tick_at_deadline(&server);
    assert_false(nap());
    assert_int_equal(frame_from(&server, nonce).size, VT_NONCE_BYTES);
    come_frame(&server, VT_OP_PONG, "another");
    assert_false(nap());
    struct buffer answer = {0};
    add_frame(&answer, &server,
              (vt_frame){.fin = true, .opcode = VT_OP_PONG, .size = VT_NONCE_BYTES}, nonce);
    come(&server, answer.data, answer.size);
    free(answer.data);
    pass(1 * S);
    assert_true(nap());
    assert_int_equal(beats_of(&server), 1);
}

static void a_paused_connection_does_not_rest(void **state)
{
    (void)state;
    open_usual_server();
    vital_engine_pause(server.engine, now, true);
    assert_false(nap());
    vital_engine_pause(server.engine, now, false);
    assert_true(nap());
}

static void who_is_to_beat_soon_does_not_rest(void **state)
{
    (void)state;
    open_usual_server();
    vital_engine_hint(server.engine, now, VITAL_HINT_RESUMED);
    assert_false(nap());
}

static void an_unfinished_message_of_ours_does_not_rest(void **state)
{
    (void)state;
    open_usual_server();
    assert_int_equal(
        vital_engine_send_piece(server.engine, now, VITAL_TEXT, vital_text("a"), VITAL_FIRST), 0);
    settle(&server);
    assert_false(nap());
}

static void who_says_goodbye_does_not_rest(void **state)
{
    (void)state;
    open_usual_server();
    vital_engine_close(server.engine, now, 1000, NULL);
    assert_false(nap());
    settle(&server);
    assert_false(nap());
}

static void compression_does_not_rest(void **state)
{
    (void)state;
    vt_rest rest;
    vital_policy asks = usual_client, answers = usual_server;
    asks.compression.enabled = answers.compression.enabled = true;
    open_pair(asks, answers);
    assert_true(vital_engine_compressed(server.engine));
    assert_false(fold(&rest));
}

/* --------------------------------------------------------------------- numbers */

static void an_interval_that_does_not_fit_stays_awake(void **state)
{
    (void)state;
    vital_policy policy = usual_server;
    policy.heartbeat.interval_ms = 3 * 3600 * 1000;
    reseed(1);
    open_server(policy);
    assert_false(nap());
}

static void without_beats_it_rests_for_ever(void **state)
{
    (void)state;
    vital_policy policy = usual_server;
    policy.heartbeat.interval_ms = VITAL_NEVER;
    reseed(1);
    open_server(policy);
    assert_true(nap());
    assert_int_equal(deadline(&server), INT64_MAX);
    /* We talk, and the peer never does. */
    pass(24 * HOUR);
    send_text(&server, "news");
    settle(&server);
    assert_true(nap());
}

static void a_debt_does_not_rest(void **state)
{
    (void)state;
    vital_policy policy = usual_server;
    policy.heartbeat.answer_ms = 7000;
    reseed(1);
    open_server(policy);
    tick_at_deadline(&server);
    pass(6 * S);
    come_frame(&server, VT_OP_TEXT, "I talk");
    pass(2 * S);
    tick(&server);
    assert_int_equal(server.engine->heart.owed, 1);
    assert_false(nap());
}

/* So many control frames come at once, and are within bounds. */
static int burst(void)
{
    int count = 0;
    while (server.closed == 0 && server.engine->state == VT_OPEN && count < 100000) {
        nap();
        come_frame(&server, VT_OP_PING, "there?");
        count++;
    }
    return count - 1;
}

static void no_more_control_frames_come_in_than_otherwise(void **state)
{
    (void)state;
    vital_policy policy = usual_server;
    policy.limits.control_per_s = 10;
    reseed(1);
    open_server(policy);
    assert_int_equal(burst(), 50);
    finish_end(&server);
    open_server(policy);
    vital_engine_pause(server.engine, now, true);
    pass(20 * S);
    vital_engine_pause(server.engine, now, false);
    assert_int_equal(burst(), 50 + 200);
}

static void a_subprotocol_of_the_list_is_known_again(void **state)
{
    (void)state;
    vt_rest rest;
    const char *const spoken[] = {"one", "two", NULL};
    vital_policy asks = usual_client, answers = usual_server;
    asks.subprotocols = answers.subprotocols = spoken;
    answers.ask = true;
    reseed(1);
    begin_end(&client, asks);
    begin_end(&server, answers);
    connect_client();
    exchange();
    const char *problem;
    vital_response response = {.subprotocol = "two"};
    assert_int_equal(vital_engine_respond(server.engine, now, &response, &problem), 0);
    exchange();
    assert_string_equal(vital_engine_subprotocol(client.engine), "two");
    assert_true(nap());
    assert_string_equal(vital_engine_subprotocol(server.engine), "two");
    assert_true(fold(&rest));
    assert_string_equal(vt_rest_subprotocol(&rest, &server.policy), "two");
}

static void its_pulse_is_told_without_unfolding(void **state)
{
    (void)state;
    open_usual_pair();
    run_until(now.now_us + 3 * 60 * S);
    vital_pulse before, after;
    vt_rest rest;
    pass(1500 * MS);
    vital_engine_pulse(server.engine, now, &before);
    assert_true(before.beats_answered > 0 || before.heard_ms >= 0);
    assert_true(fold(&rest));
    vt_rest_pulse(&rest, now, &after);
    assert_memory_equal(&after, &before, sizeof after);
    assert_string_equal(vt_rest_subprotocol(&rest, &server.policy), "");
}

static void whoever_ends_at_rest_is_counted_as_abandoned(void **state)
{
    (void)state;
    vt_rest rest;
    vital_stats stats = {0};
    vital_policy policy = usual_server;
    policy.stats = &stats;
    reseed(1);
    open_server(policy);
    assert_int_equal(stats.open, 1);
    assert_true(fold(&rest));
    assert_int_equal(stats.open, 1);
    vt_rest_finish(&server.policy, 0);
    assert_int_equal(stats.open, 0);
}

static void a_cleared_engine_begins_again(void **state)
{
    (void)state;
    open_usual_server();
    vital_entropy entropy = server.engine->entropy;
    vt_rest_clear(server.engine);
    vt_engine_begin(server.engine, &server.policy, entropy, now);
    come_text(&server, REQUEST);
    assert_log(&server, "open");
    assert_int_equal(vt_rest_blank_bytes(), sizeof(vital_engine));
}

/* ------------------------------------------------------------------ random lives */

static char *story;

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
    char line[4096];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    assert_true(size < (int)sizeof line);
    size_t had = story == NULL ? 0 : strlen(story);
    story = realloc(story, had + (size_t)size + 1);
    assert_non_null(story);
    memcpy(story + had, line, (size_t)size + 1);
}

/* Chance of its own, so that what the engine draws moves nothing. */
static uint64_t dice;

static int roll(int sides)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)((dice >> 33) % (uint64_t)sides);
}

/* The kernel's word, of any kind. */
static vital_evidence some_evidence(void)
{
    return (vital_evidence){
        .known = true,
        .window_bytes = roll(4) == 0 ? 0 : 65536,
        .unacked_packets = (uint32_t)roll(2),
        .acked_bytes = (uint64_t)roll(3) * 1000,
        .acked_ms = (uint32_t)roll(5000),
        .retransmits = (uint32_t)(roll(4) == 0 ? roll(10) : 0),
    };
}

static void tick_when_due(void)
{
    int64_t due_us = deadline(&server);
    if (due_us == INT64_MAX)
        return;
    if (due_us > now.now_us)
        pass(due_us - now.now_us);
    if (vital_engine_suspects(server.engine, now)) {
        vital_evidence evidence = some_evidence();
        vital_engine_evidence(server.engine, &evidence);
    }
    tick(&server);
}

/* Reads what has left, and answers the beats in it. */
static void answer_beats(void)
{
    char payload[VT_CONTROL_PAYLOAD_MAX + 1];
    while (server.closed == 0 && server.wire.size > 0) {
        vt_frame frame = frame_from(&server, payload);
        if (frame.opcode != VT_OP_PING)
            continue;
        struct buffer answer = {0};
        add_frame(&answer, &server,
                  (vt_frame){.fin = true, .opcode = VT_OP_PONG, .size = frame.size}, payload);
        come(&server, answer.data, answer.size);
        free(answer.data);
    }
}

static void do_something(void)
{
    switch (roll(14)) {
    case 0:
        come_frame(&server, VT_OP_PING, "there?");
        break;
    case 1:
        come_frame(&server, VT_OP_TEXT, "hello");
        break;
    case 2:
        if (vital_engine_send(server.engine, now, VITAL_TEXT, vital_text("news")) == 0)
            settle(&server);
        break;
    case 3:
        vital_engine_hint(server.engine, now, roll(2) ? VITAL_HINT_RESUMED : VITAL_HINT_REPORT);
        break;
    case 4:
        vital_engine_pause(server.engine, now, roll(2));
        settle(&server);
        break;
    case 5:
        stall(roll(8000) * MS);
        break;
    case 6:
        come_frame(&server, VT_OP_PONG, "unasked");
        break;
    case 7:
        come_frame(&server, VT_OP_TEXT, "heartbeat");
        break;
    case 8:
        pass(roll(3000) * MS);
        break;
    case 9:
        for (int i = roll(20); i > 0 && server.closed == 0; i--)
            come_frame(&server, VT_OP_PING, "there?");
        break;
    default:
        tick_when_due();
        break;
    }
    if (roll(4) != 0)
        answer_beats();
}

static void tell_state(void)
{
    vital_pulse pulse;
    vital_engine_pulse(server.engine, now, &pulse);
    tell("%lld: due %lld, health %d, wire %zu, queue %zu, rtt %lld %lld %lld, heard %lld, proof "
         "%lld, waits %lld, beats %llu %llu, %s\n",
         (long long)now.now_us, (long long)deadline(&server),
         (int)vital_engine_health(server.engine), server.wire.size,
         vital_engine_queued(server.engine), (long long)pulse.rtt_us, (long long)pulse.srtt_us,
         (long long)pulse.rttvar_us, (long long)pulse.heard_ms, (long long)pulse.proof_ms,
         (long long)pulse.waiting_ms, (unsigned long long)pulse.beats_sent,
         (unsigned long long)pulse.beats_answered, server.log == NULL ? "" : server.log);
    free(server.log);
    server.log = NULL;
}

/* How often it rested; the story is what can be seen of it from outside. */
static int live(int number, bool naps)
{
    int rested = 0;
    vital_stats stats = {0};
    vital_policy policy = usual_server;
    policy.stats = &stats;
    policy.heartbeat.reply = "still here";
    policy.limits.control_per_s = 5;
    policy.heartbeat.answer_ms = number % 2 == 0 ? 0 : 7000;
    free(story);
    story = NULL;
    reseed(number);
    open_server(policy);
    dice = (uint64_t)number;
    vital_evidence evidence = some_evidence();
    vital_engine_evidence(server.engine, &evidence);
    for (int i = 0; i < 400 && server.closed == 0; i++) {
        if (naps)
            rested += nap();
        do_something();
        tell_state();
    }
    if (server.closed == 0)
        lose_stream(&server, 0);
    tell("%s %llu unconfirmed, %llu unsent\n", server.verdict.text,
         (unsigned long long)server.verdict.unconfirmed, (unsigned long long)server.verdict.unsent);
    tell("%llu sent, %llu answered, %llu late, %llu open\n", (unsigned long long)stats.beats_sent,
         (unsigned long long)stats.beats_answered, (unsigned long long)stats.beats_late,
         (unsigned long long)stats.open);
    finish_end(&server);
    return rested;
}

static void nobody_can_tell_that_it_has_rested(void **state)
{
    (void)state;
    int rested = 0;
    for (int number = 1; number <= 300; number++) {
        live(number, false);
        char *never = story;
        story = NULL;
        rested += live(number, true);
        if (strcmp(never, story) != 0)
            fail_msg("life %d is another if it rests:\n%s\nand not\n%s", number, story, never);
        free(never);
    }
    free(story);
    story = NULL;
    assert_true(rested > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_open_connection_without_anything_under_way_rests, end_test),
        cmocka_unit_test(it_takes_less_than_a_tenth_of_an_engine),
        cmocka_unit_test_teardown(before_it_is_open_it_does_not_rest, end_test),
        cmocka_unit_test_teardown(a_client_does_not_rest, end_test),
        cmocka_unit_test_teardown(with_a_message_in_its_queue_it_does_not_rest, end_test),
        cmocka_unit_test_teardown(with_a_pong_to_send_it_does_not_rest, end_test),
        cmocka_unit_test_teardown(in_the_middle_of_a_message_it_does_not_rest, end_test),
        cmocka_unit_test_teardown(while_a_beat_is_under_way_it_does_not_rest, end_test),
        cmocka_unit_test_teardown(a_paused_connection_does_not_rest, end_test),
        cmocka_unit_test_teardown(who_is_to_beat_soon_does_not_rest, end_test),
        cmocka_unit_test_teardown(an_unfinished_message_of_ours_does_not_rest, end_test),
        cmocka_unit_test_teardown(who_says_goodbye_does_not_rest, end_test),
        cmocka_unit_test_teardown(compression_does_not_rest, end_test),
        cmocka_unit_test_teardown(an_interval_that_does_not_fit_stays_awake, end_test),
        cmocka_unit_test_teardown(without_beats_it_rests_for_ever, end_test),
        cmocka_unit_test_teardown(a_debt_does_not_rest, end_test),
        cmocka_unit_test_teardown(no_more_control_frames_come_in_than_otherwise, end_test),
        cmocka_unit_test_teardown(a_subprotocol_of_the_list_is_known_again, end_test),
        cmocka_unit_test_teardown(its_pulse_is_told_without_unfolding, end_test),
        cmocka_unit_test_teardown(whoever_ends_at_rest_is_counted_as_abandoned, end_test),
        cmocka_unit_test_teardown(a_cleared_engine_begins_again, end_test),
        cmocka_unit_test_teardown(nobody_can_tell_that_it_has_rested, end_test),
    };
    return cmocka_run_group_tests_name("rest", tests, NULL, NULL);
}
