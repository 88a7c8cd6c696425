/*
 * What an engine makes of the kernel's evidence: the same silence, with one reading
 * or another, and what it is called in the end.
 */
#include "engine_state.h"
#include "pair.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const vital_evidence TAKEN = {.known = true, .window_bytes = 65536, .acked_bytes = 1000};
static const vital_evidence SHUT = {.known = true, .unsent_bytes = 14, .acked_bytes = 1000};
static const vital_evidence IN_FLIGHT = {.known = true,
                                         .window_bytes = 65536,
                                         .unacked_packets = 1,
                                         .acked_bytes = 1000,
                                         .acked_ms = 60 * 1000};

static vital_evidence retransmitted(uint32_t times)
{
    vital_evidence evidence = IN_FLIGHT;
    evidence.retransmits = times;
    return evidence;
}

/* An open pair, whose client knows that there is evidence. Its limit is the default of
 * 10 s, since no round trip is known. Its first beat is out, and nobody hears it. */
static void open_and_beat(void)
{
    vital_policy policy = usual_client;
    policy.heartbeat.answer_ms = 0;
    open_pair(policy, usual_server);
    vital_engine_evidence(client.engine, &TAKEN);
    tick_at_deadline(&client);
    assert_int_equal(beats_of(&client), 1);
}

/* Now, or at the next deadline: with that reading, if a silence is to be judged. */
static void look(vital_evidence evidence)
{
    if (deadline(&client) > now.now_us)
        pass(deadline(&client) - now.now_us);
    if (vital_engine_suspects(client.engine, now))
        vital_engine_evidence(client.engine, &evidence);
    tick(&client);
}

static void look_until(int64_t at_us, vital_evidence evidence)
{
    while (client.closed == 0 && deadline(&client) <= at_us)
        look(evidence);
}

static int64_t look_until_closed(vital_evidence evidence)
{
    int64_t began_us = now.now_us;
    look_until(INT64_MAX - 1, evidence);
    return now.now_us - began_us;
}

static void a_path_that_is_gone_is_given_up_after_three_seconds(void **state)
{
    (void)state;
    open_and_beat();
    int64_t left_us = now.now_us;
    look_until(left_us + 1000 * MS, retransmitted(3));
    assert_log(&client, "");
    look_until(left_us + 1500 * MS, retransmitted(6));
    assert_log(&client, "doubtful");
    look_until_closed(retransmitted(9));
    assert_log(&client, "SILENT");
    assert_int_equal(now.now_us - left_us, 3 * S);
    assert_string_equal(client.verdict.text,
                        "No answer to our ping for 3 s, and nothing else was heard: our kernel has "
                        "sent it 10 times, and nobody acknowledges it, so the path or the host is "
                        "gone.");
    assert_int_equal(client.verdict.evidence.retransmits, 9);
}

/* A first silence, in which the kernel has said so, and from which the peer came back; how
 * long the next one is borne, if the kernel then sends in vain. */
static int64_t bear_after_a_lull(int64_t for_us, vital_evidence meanwhile)
{
    vital_lulls *lulls;
    assert_int_equal(vital_lulls_create(&lulls), 0);
    open_and_beat();
    client.policy.lulls = lulls;
    client.engine->party.path = 7;
    look_until(now.now_us + for_us, meanwhile);
    exchange();
    assert_log(&client, "doubtful alive");
    while (!vt_heartbeat_waiting(&client.engine->heart))
        tick_at_deadline(&client);
    int64_t borne_us = look_until_closed(retransmitted(9));
    assert_log(&client, "doubtful SILENT");
    client.policy.lulls = NULL;
    vital_lulls_destroy(lulls);
    return borne_us;
}

static void a_path_that_has_come_back_from_a_doubt_gets_twice_the_time(void **state)
{
    (void)state;
    assert_int_equal(bear_after_a_lull(2 * S, retransmitted(6)), 6 * S);
}

static void a_program_that_was_slow_says_nothing_of_its_path(void **state)
{
    (void)state;
    assert_int_equal(bear_after_a_lull(6 * S, TAKEN), 3 * S);
}

/* ------------------------------------------------- what a doubt suspects */

static void assert_suspicion(vital_cause cause, const char *text)
{
    vital_verdict suspicion;
    assert_true(vital_engine_suspicion(client.engine, now, &suspicion));
    assert_string_equal(vital_cause_name(suspicion.cause), vital_cause_name(cause));
    assert_string_equal(suspicion.text, text);
    assert_int_equal(suspicion.code, 1006);
    assert_false(suspicion.final);
    assert_int_equal(suspicion.retry_ms, -1);
    assert_int_equal(client.closed, 0);
}

static void who_is_well_is_suspected_of_nothing(void **state)
{
    (void)state;
    vital_verdict suspicion;
    open_and_beat();
    assert_false(vital_engine_suspicion(client.engine, now, &suspicion));
}

static void a_stuck_program_is_suspected_with_the_doubt(void **state)
{
    (void)state;
    open_and_beat();
    look_until(now.now_us + 5 * S, TAKEN);
    assert_log(&client, "doubtful");
    assert_suspicion(VITAL_STUCK,
                     "No answer to our ping for 5 s. The peer's kernel still acknowledges what we "
                     "send, so the host is up and the program is stuck.");
    look_until(now.now_us + 8 * S, TAKEN);
    assert_suspicion(VITAL_STUCK,
                     "No answer to our ping for 13 s. The peer's kernel still acknowledges what we "
                     "send, so the host is up and the program is stuck.");
}

static void so_is_a_peer_that_does_not_read(void **state)
{
    (void)state;
    open_and_beat();
    look_until(now.now_us + 5 * S, SHUT);
    assert_suspicion(VITAL_SLOW, "The peer does not read what we send: its kernel has had no room "
                                 "for more for 5 s, and nothing was heard.");
}

static void so_is_a_path_and_what_is_behind_a_proxy(void **state)
{
    (void)state;
    vital_evidence proxy = TAKEN;
    proxy.relayed = true;
    open_and_beat();
    look_until(now.now_us + 2 * S, retransmitted(6));
    assert_suspicion(VITAL_SILENT,
                     "No answer to our ping for 2 s, and nothing else was heard: our kernel has "
                     "sent it 7 times, and nobody acknowledges it, so the path or the host is "
                     "gone.");
    look_until(now.now_us + 4 * S, proxy);
    assert_suspicion(VITAL_SILENT,
                     "No answer to our ping for 6 s, and nothing else was heard: the proxy still "
                     "acknowledges what we send, so the path behind it or the peer is gone.");
}

static void what_takes_its_time_is_suspected_of_nothing(void **state)
{
    (void)state;
    vital_evidence moving = IN_FLIGHT;
    vital_verdict suspicion;
    open_and_beat();
    look_until(now.now_us + 5 * S, IN_FLIGHT);
    assert_true(vital_engine_suspicion(client.engine, now, &suspicion));
    moving.acked_bytes += 100;
    look(moving);
    assert_int_equal(vital_engine_health(client.engine), VITAL_DOUBTFUL);
    assert_false(vital_engine_suspicion(client.engine, now, &suspicion));
}

static void there_is_a_doubt_before_the_verdict_however_late_the_first_look(void **state)
{
    (void)state;
    open_and_beat();
    pass(4 * S);
    look(retransmitted(9));
    assert_log(&client, "doubtful");
    look(retransmitted(9));
    assert_log(&client, "SILENT");
}

static void a_beat_that_the_kernel_doubts_counts_as_late_too(void **state)
{
    (void)state;
    vital_stats stats = {.open = 0};
    open_and_beat();
    client.policy.stats = &stats; /* until the engine has ended */
    look_until_closed(retransmitted(9));
    assert_log(&client, "doubtful SILENT");
    assert_int_equal(stats.beats_late, 1);
    client.policy.stats = NULL;
}

static void a_router_that_reports_is_quoted(void **state)
{
    (void)state;
    vital_evidence reported = retransmitted(9);
    reported.error = EHOSTUNREACH;
    open_and_beat();
    look_until_closed(reported);
    assert_non_null(strstr(client.verdict.text, "a router says: No route to host"));
}

static void what_our_own_system_cannot_send_is_known_after_three_seconds(void **state)
{
    (void)state;
    vital_evidence down = {.known = true,
                           .window_bytes = 65536,
                           .unsent_bytes = 14,
                           .probes = 3,
                           .error = ENETUNREACH};
    open_and_beat();
    assert_int_equal(look_until_closed(down), 3 * S);
    assert_log(&client, "doubtful SILENT");
    assert_string_equal(client.verdict.text,
                        "No answer to our ping for 3 s, and nothing else was heard: our own system "
                        "has no way to send it (Network is unreachable).");
}

static void an_address_that_is_ours_no_more_is_said_in_words(void **state)
{
    (void)state;
    vital_evidence moved = {.known = true,
                            .window_bytes = 65536,
                            .unsent_bytes = 14,
                            .probes = 3,
                            .error = EADDRNOTAVAIL};
    open_and_beat();
    look_until_closed(moved);
    assert_log(&client, "doubtful SILENT");
    assert_non_null(
        strstr(client.verdict.text, ": the address that we spoke from is ours no more."));
}

static void a_program_whose_host_is_up_gets_three_limits_and_is_asked_again(void **state)
{
    (void)state;
    open_and_beat();
    assert_int_equal(look_until_closed(TAKEN), 30 * S);
    assert_log(&client, "doubtful STUCK");
    assert_int_equal(client.verdict.pulse.beats_sent, 3);
    assert_string_equal(client.verdict.text,
                        "No answer to our ping for 30 s. The peer's kernel still acknowledges what "
                        "we send, so the host is up and the program is stuck.");
    assert_true(client.verdict.evidence.known);
    vital_bytes farewell = vital_engine_farewell(client.engine);
    client.wire.size = 0;
    append(&client.wire, farewell.data, farewell.size);
    assert_close_left(&client, 4408, "your host answers, your program does not");
}

/* Its program was stopped for nearly as long as it is waited for, and goes on: it reads. */
static void who_makes_room_at_last_has_time_to_answer(void **state)
{
    (void)state;
    open_and_beat();
    look_until(now.now_us + 29 * S, SHUT);
    assert_log(&client, "doubtful");
    int64_t room_us = now.now_us;
    look_until_closed(TAKEN);
    assert_log(&client, "STUCK");
    assert_true(now.now_us - room_us >= 30 * S);
}

static void a_limit_that_was_given_is_not_stretched(void **state)
{
    (void)state;
    vital_policy policy = usual_client;
    policy.heartbeat.answer_ms = 4000;
    open_pair(policy, usual_server);
    vital_engine_evidence(client.engine, &TAKEN);
    tick_at_deadline(&client);
    assert_int_equal(look_until_closed(TAKEN), 4 * S);
    assert_log(&client, "doubtful STUCK");
}

static void a_program_that_wakes_up_in_time_is_forgiven(void **state)
{
    (void)state;
    open_and_beat();
    look_until(now.now_us + 25 * S, TAKEN);
    exchange(); /* all three beats reach it, and are answered */
    assert_log(&client, "doubtful alive");
    vital_pulse pulse;
    vital_engine_pulse(client.engine, now, &pulse);
    assert_int_equal(pulse.beats_answered, 1);
    assert_int_equal(pulse.waiting_ms, -1);
}

static void a_host_that_dies_while_we_wait_for_its_program_is_gone(void **state)
{
    (void)state;
    open_and_beat();
    look_until(now.now_us + 12 * S, TAKEN);
    look_until(now.now_us + 1 * S, retransmitted(3));
    assert_int_equal(client.closed, 0);
    look_until(now.now_us + 1 * S, retransmitted(6)); /* whose answers may be lost, too */
    assert_log(&client, "doubtful");
    look(retransmitted(8));
    assert_log(&client, "SILENT");
}

static void what_the_limit_left_open_is_decided_as_soon_as_it_is_known(void **state)
{
    (void)state;
    open_and_beat();
    int64_t left_us = now.now_us;
    look_until(left_us + 10 * S, retransmitted(4)); /* as under BBR, whose next one is due */
    assert_log(&client, "doubtful");
    look(retransmitted(5));
    assert_log(&client, "SILENT");
    assert_in_range(now.now_us - left_us, 10 * S, 11 * S);
}

static void who_does_not_read_is_slow(void **state)
{
    (void)state;
    open_and_beat();
    assert_int_equal(look_until_closed(SHUT), 30 * S);
    assert_log(&client, "doubtful SLOW");
    assert_string_equal(client.verdict.text,
                        "The peer does not read what we send: its kernel has had no room for more "
                        "for 30 s, and nothing was heard.");
}

static void who_reads_again_is_given_another_limit(void **state)
{
    (void)state;
    open_and_beat();
    int64_t left_us = now.now_us;
    look_until(left_us + 29900 * MS, SHUT);
    assert_log(&client, "doubtful");
    look_until(left_us + 35 * S, IN_FLIGHT); /* there is room, and nothing is acknowledged yet */
    assert_int_equal(client.closed, 0);
}

static void behind_a_proxy_that_we_asked_nobody_knows_whose_program_it_is(void **state)
{
    (void)state;
    vital_evidence relayed = TAKEN;
    relayed.relayed = true;
    open_and_beat();
    look_until_closed(relayed);
    assert_log(&client, "doubtful SILENT");
    assert_non_null(strstr(client.verdict.text, "the proxy still acknowledges what we send"));
}

static void bytes_that_get_across_before_the_beat_put_off_the_limit(void **state)
{
    (void)state;
    open_and_beat();
    int64_t left_us = now.now_us;
    vital_evidence moving = IN_FLIGHT;
    moving.unacked_packets = 40;
    while (now.now_us < left_us + 60 * S) {
        look(moving);
        moving.acked_bytes += 1448;
    }
    assert_log(&client, "");
    assert_int_equal(client.closed, 0);
}

static void what_was_not_tried_often_enough_is_waited_for(void **state)
{
    (void)state;
    open_and_beat();
    int64_t left_us = now.now_us;
    look_until(left_us + 29 * S, IN_FLIGHT);
    assert_log(&client, "doubtful");
    look_until_closed(IN_FLIGHT);
    assert_int_equal(now.now_us - left_us, 30 * S);
    assert_log(&client, "SILENT");
}

static void without_evidence_the_verdict_says_less(void **state)
{
    (void)state;
    open_and_beat();
    assert_int_equal(look_until_closed((vital_evidence){.known = false}), 10 * S);
    assert_log(&client, "doubtful SILENT");
    assert_non_null(strstr(client.verdict.text, "the path or the peer is gone."));
    assert_false(client.verdict.evidence.known);
}

static void a_peer_that_talks_and_hears_nothing_is_deaf(void **state)
{
    (void)state;
    open_and_beat();
    int64_t left_us = now.now_us;
    while (client.closed == 0) {
        pass(S);
        come_frame(&client, VT_OP_TEXT, "still here");
        while (client.closed == 0 && deadline(&client) <= now.now_us)
            look(retransmitted(10));
    }
    assert_int_equal(now.now_us - left_us, 10 * S);
    assert_int_equal(client.verdict.cause, VITAL_DEAF);
    assert_string_equal(
        client.verdict.text,
        "We hear the peer, but it does not hear us: for 10 s nobody has "
        "acknowledged what our kernel has sent 11 times, while bytes came, the last "
        "of them 0 ms ago.");
}

static void a_deaf_peer_that_says_little_is_known_as_soon_as_a_silent_one(void **state)
{
    (void)state;
    open_and_beat();
    int64_t left_us = now.now_us;
    look_until(left_us + 2 * S, retransmitted(8));
    pass(left_us + 2 * S - now.now_us);
    come_frame(&client, VT_OP_TEXT, "still here"); /* as when it asks, since it hears nothing */
    look_until_closed(retransmitted(9));
    assert_int_equal(now.now_us - left_us, 3500 * MS);
    assert_string_equal(
        client.verdict.text,
        "We hear the peer, but it does not hear us: for 3.5 s nobody has "
        "acknowledged what our kernel has sent 10 times, while bytes came, the last "
        "of them 1.5 s ago.");
}

/* It sends again what we have acknowledged in vain, and its kernel what it sent. */
static void a_deaf_peer_of_which_the_kernel_hears_alone_is_known_too(void **state)
{
    (void)state;
    vital_evidence evidence = retransmitted(9);
    evidence.acked_ms = 200;
    open_and_beat();
    assert_int_equal(look_until_closed(evidence), 3 * S);
    assert_int_equal(client.verdict.cause, VITAL_DEAF);
}

static void who_does_not_get_our_answer_is_asked_at_once(void **state)
{
    (void)state;
    open_pair(usual_client, usual_server);
    come_frame(&client, VT_OP_PING, "are you there?");
    settle(&client);
    int64_t asked_us = now.now_us;
    look(retransmitted(3));
    assert_int_equal(now.now_us - asked_us, 1 * S);
    assert_true(deadline(&client) <= now.now_us);
    tick(&client);
    assert_int_equal(beats_of(&client), 1);
}

static void but_not_who_gets_it(void **state)
{
    (void)state;
    open_pair(usual_client, usual_server);
    come_frame(&client, VT_OP_PING, "are you there?");
    settle(&client);
    int64_t due_us = client.engine->heart.heard_us + client.engine->heart.interval_us;
    look(TAKEN);
    assert_int_equal(deadline(&client), due_us);
    assert_int_equal(beats_of(&client), 0);
}

static void but_what_was_under_way_when_the_path_was_cut_makes_nobody_deaf(void **state)
{
    (void)state;
    open_and_beat();
    int64_t left_us = now.now_us;
    pass(S);
    come_frame(&client, VT_OP_TEXT, "the last that left");
    look_until_closed(retransmitted(9));
    assert_int_equal(client.verdict.cause, VITAL_SILENT);
    assert_int_equal(now.now_us - left_us, 4 * S);
}

static void nor_does_that_we_read_again(void **state)
{
    (void)state;
    open_and_beat();
    vital_engine_pause(client.engine, now, true);
    pass(2 * S);
    vital_engine_pause(client.engine, now, false);
    look_until_closed(retransmitted(9));
    assert_int_equal(client.verdict.cause, VITAL_SILENT);
}

static void the_detection_of_a_deaf_peer_counts_from_when_it_last_heard_us(void **state)
{
    (void)state;
    vital_stats stats = {.open = 0};
    open_and_beat();
    client.policy.stats = &stats; /* until the engine has ended */
    int64_t open_us = client.engine->opened_us;
    while (client.closed == 0) {
        pass(S);
        come_frame(&client, VT_OP_TEXT, "still here");
        while (client.closed == 0 && deadline(&client) <= now.now_us)
            look(retransmitted(10));
    }
    assert_int_equal(client.verdict.cause, VITAL_DEAF);
    assert_int_equal(stats.detection.count, 1);
    assert_int_equal(stats.detection.sum_us, now.now_us - open_us);
    client.policy.stats = NULL;
}

static void so_is_a_peer_that_talks_while_not_even_a_beat_can_leave(void **state)
{
    (void)state;
    static const char large[100 * 1000];
    vital_policy policy = usual_client;
    policy.heartbeat.interval_ms = 2000;
    policy.heartbeat.answer_ms = 0;
    open_pair(policy, usual_server);
    vital_engine_evidence(client.engine, &TAKEN);
    client.room = 0;
    vital_bytes message = {large, sizeof large};
    assert_int_equal(vital_engine_send(client.engine, now, VITAL_BINARY, message), 0);
    settle(&client);
    int64_t offered_us = now.now_us;
    while (client.closed == 0) {
        pass(2 * S);
        come_frame(&client, VT_OP_TEXT, "still here");
        int64_t until_us = now.now_us + 1900 * MS;
        look_until(until_us, retransmitted(6));
        pass(until_us - now.now_us);
    }
    assert_int_equal(client.verdict.cause, VITAL_DEAF);
    assert_in_range(now.now_us - offered_us, 10 * S, 14 * S);
}

static void but_if_the_answer_alone_was_lost_it_is_not(void **state)
{
    (void)state;
    open_and_beat();
    int64_t left_us = now.now_us;
    while (now.now_us < left_us + 15 * S) {
        pass(S);
        come_frame(&client, VT_OP_TEXT, "still here");
        while (deadline(&client) <= now.now_us)
            look(TAKEN);
    }
    assert_int_equal(client.closed, 0);
}

static void a_send_limit_on_a_path_that_takes_nothing_is_not_called_slow(void **state)
{
    (void)state;
    open_and_beat();
    client.room = 0;
    send_bytes(&client, 1000);
    settle(&client);
    while (client.closed == 0) {
        pass(2 * S);
        come_frame(&client, VT_OP_TEXT, "still here");
        while (client.closed == 0 && deadline(&client) <= now.now_us)
            look(client.closed == 0 && now.now_us < 60 * S ? TAKEN : retransmitted(10));
    }
    assert_int_equal(client.verdict.cause, VITAL_DEAF);
}

static void our_own_stall_is_not_its_silence_whatever_the_kernel_says(void **state)
{
    (void)state;
    open_and_beat();
    stall(60 * S);
    tick(&client);
    for (int i = 0; i < 3; i++) /* after 1, 1.5 and 2 s in which we attend */
        look(retransmitted(9));
    assert_log(&client, "doubtful");
}

/* ------------------------------------------------------------- many at once */

static vital_breaker *breaker;
static vital_stats counted;
static vt_party others[VT_BREAKER_LEAST];

/* As open_and_beat(), and all others of the loop are late too. */
static void beat_in_a_late_crowd(int answer_ms)
{
    vital_policy policy = usual_client;
    policy.heartbeat.answer_ms = answer_ms;
    assert_int_equal(vital_breaker_create(&breaker), 0);
    counted = (vital_stats){.open = 0};
    policy.breaker = breaker;
    policy.stats = &counted;
    for (uint32_t i = 0; i < VT_BREAKER_LEAST; i++) {
        others[i] = (vt_party){.path = i};
        vt_breaker_stand(breaker, &others[i], VT_STANDS_LATE);
    }
    open_pair(policy, usual_server);
    vital_engine_evidence(client.engine, &TAKEN);
    tick_at_deadline(&client);
}

static int end_crowd(void **state)
{
    int result = end_test(state);
    vital_breaker_destroy(breaker);
    breaker = NULL;
    return result;
}

/* The others have been put off too, and are heard again. */
static void hear_the_others(void)
{
    for (int i = 0; i < VT_BREAKER_ENOUGH; i++) {
        vt_breaker_judge(breaker, &others[i], now, &counted);
        vt_breaker_heard(breaker, &others[i], now, &counted);
    }
}

static void where_many_are_late_a_verdict_waits_for_ten_seconds(void **state)
{
    (void)state;
    beat_in_a_late_crowd(0);
    assert_int_equal(look_until_closed(retransmitted(9)), 13 * S);
    assert_log(&client, "doubtful SILENT");
    assert_int_equal(counted.breaker_opened, 1);
    assert_int_equal(counted.deferred, 1);
    assert_int_equal(counted.deferred_alive, 0);
    assert_non_null(strstr(client.verdict.text, "No answer to our ping for 13 s"));
}

static void who_is_heard_meanwhile_is_alive_and_counted(void **state)
{
    (void)state;
    beat_in_a_late_crowd(0);
    look_until(now.now_us + 8 * S, retransmitted(9));
    assert_int_equal(counted.deferred, 1);
    exchange();
    assert_log(&client, "doubtful alive");
    assert_int_equal(counted.deferred_alive, 1);
    pass(deadline(&client) - now.now_us);
    tick(&client); /* its next beat: and this time it is nobody else */
    for (int i = 0; i < VT_BREAKER_LEAST; i++)
        vt_breaker_stand(breaker, &others[i], VT_STANDS_WELL);
    assert_int_equal(look_until_closed(retransmitted(9)), 3 * S);
}

static void when_the_others_are_heard_it_gets_a_new_limit(void **state)
{
    (void)state;
    beat_in_a_late_crowd(0);
    look_until(now.now_us + 5 * S, retransmitted(9));
    hear_the_others();
    int64_t heard_us = now.now_us;
    look_until_closed(retransmitted(9));
    assert_in_range(now.now_us - heard_us, 20 * S, 20 * S + 500 * MS);
    assert_log(&client, "doubtful SILENT");
}

static void who_is_heard_after_it_was_put_off_is_not_called_deaf_at_once(void **state)
{
    (void)state;
    beat_in_a_late_crowd(0);
    look_until(now.now_us + 12 * S, retransmitted(9));
    assert_int_equal(counted.deferred, 1);
    come_frame(&client, VT_OP_TEXT, "here I am");
    int64_t heard_us = now.now_us;
    while (client.closed == 0) {
        pass(S);
        come_frame(&client, VT_OP_TEXT, "still here");
        while (client.closed == 0 && deadline(&client) <= now.now_us)
            look(retransmitted(10));
    }
    assert_int_equal(client.verdict.cause, VITAL_DEAF);
    assert_true(now.now_us - heard_us >= 10 * S);
}

static void of_the_sample_a_program_is_asked_anew(void **state)
{
    (void)state;
    beat_in_a_late_crowd(4000);
    look_until(now.now_us + 4 * S, TAKEN);
    assert_int_equal(client.closed, 0);
    assert_int_equal(beats_of(&client), 2);
    assert_int_equal(look_until_closed(TAKEN), 10 * S);
    assert_int_equal(client.verdict.cause, VITAL_STUCK);
    assert_int_equal(beats_of(&client), 2);
}

static void the_deaf_wait_too_and_are_asked_again(void **state)
{
    (void)state;
    beat_in_a_late_crowd(0);
    int64_t left_us = now.now_us;
    while (client.closed == 0 && now.now_us < left_us + 40 * S) {
        pass(S);
        come_frame(&client, VT_OP_TEXT, "still here");
        while (client.closed == 0 && deadline(&client) <= now.now_us)
            look(retransmitted(10));
        if (now.now_us == left_us + 12 * S) {
            assert_int_equal(beats_of(&client), 1);
            hear_the_others();
        }
    }
    assert_int_equal(client.verdict.cause, VITAL_DEAF);
    assert_int_equal(client.verdict.pulse.beats_sent, 2);
    assert_in_range(now.now_us - left_us, 22 * S, 24 * S);
}

/* 49 others, and one that is at the same address as the first of them. */
static void who_shares_an_address_with_others_is_not_one_more(void **state)
{
    (void)state;
    beat_in_a_late_crowd(0);
    finish_pair();
    vt_breaker_stand(breaker, &others[VT_BREAKER_LEAST - 1], VT_STANDS_AWAY);
    vital_policy policy = usual_client;
    policy.heartbeat.answer_ms = 0;
    policy.breaker = breaker;
    begin_end(&client, policy);
    begin_end(&server, usual_server);
    vital_engine_path(client.engine, others[0].path);
    connect_client();
    exchange();
    vital_engine_path(client.engine, 4711); /* too late */
    vital_engine_evidence(client.engine, &TAKEN);
    pass(deadline(&client) - now.now_us);
    tick(&client);
    settle(&client);
    assert_int_equal(look_until_closed(retransmitted(9)), 3 * S);
}

static void a_slow_reader_is_nobodys_uplink(void **state)
{
    (void)state;
    beat_in_a_late_crowd(0);
    assert_int_equal(look_until_closed(SHUT), 30 * S);
    assert_int_equal(counted.deferred, 0);
}

static void who_is_gone_stands_in_nobodys_way(void **state)
{
    (void)state;
    beat_in_a_late_crowd(0);
    look_until_closed(retransmitted(9));
    finish_end(&client);
    vt_breaker_stand(breaker, &others[0], VT_STANDS_WELL); /* so 49 are late, and 50 open */
    vt_ruling ruling = vt_breaker_judge(breaker, &others[1], (vital_clock){HOUR, 0}, &counted);
    ruling = vt_breaker_judge(breaker, &others[1], (vital_clock){HOUR, 0}, &counted);
    assert_int_equal(ruling, VT_RULED_CONVICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_teardown(name, end_test)
        TEST(a_path_that_is_gone_is_given_up_after_three_seconds),
        TEST(a_path_that_has_come_back_from_a_doubt_gets_twice_the_time),
        TEST(a_program_that_was_slow_says_nothing_of_its_path),
        TEST(who_is_well_is_suspected_of_nothing),
        TEST(a_stuck_program_is_suspected_with_the_doubt),
        TEST(so_is_a_peer_that_does_not_read),
        TEST(so_is_a_path_and_what_is_behind_a_proxy),
        TEST(what_takes_its_time_is_suspected_of_nothing),
        TEST(there_is_a_doubt_before_the_verdict_however_late_the_first_look),
        TEST(a_beat_that_the_kernel_doubts_counts_as_late_too),
        TEST(a_router_that_reports_is_quoted),
        TEST(what_our_own_system_cannot_send_is_known_after_three_seconds),
        TEST(an_address_that_is_ours_no_more_is_said_in_words),
        TEST(a_program_whose_host_is_up_gets_three_limits_and_is_asked_again),
        TEST(who_makes_room_at_last_has_time_to_answer),
        TEST(a_limit_that_was_given_is_not_stretched),
        TEST(a_program_that_wakes_up_in_time_is_forgiven),
        TEST(a_host_that_dies_while_we_wait_for_its_program_is_gone),
        TEST(what_the_limit_left_open_is_decided_as_soon_as_it_is_known),
        TEST(who_does_not_read_is_slow),
        TEST(who_reads_again_is_given_another_limit),
        TEST(behind_a_proxy_that_we_asked_nobody_knows_whose_program_it_is),
        TEST(bytes_that_get_across_before_the_beat_put_off_the_limit),
        TEST(what_was_not_tried_often_enough_is_waited_for),
        TEST(without_evidence_the_verdict_says_less),
        TEST(a_peer_that_talks_and_hears_nothing_is_deaf),
        TEST(so_is_a_peer_that_talks_while_not_even_a_beat_can_leave),
        TEST(a_deaf_peer_that_says_little_is_known_as_soon_as_a_silent_one),
        TEST(a_deaf_peer_of_which_the_kernel_hears_alone_is_known_too),
        TEST(who_does_not_get_our_answer_is_asked_at_once),
        TEST(but_not_who_gets_it),
        TEST(but_what_was_under_way_when_the_path_was_cut_makes_nobody_deaf),
        TEST(nor_does_that_we_read_again),
        TEST(the_detection_of_a_deaf_peer_counts_from_when_it_last_heard_us),
        TEST(but_if_the_answer_alone_was_lost_it_is_not),
        TEST(a_send_limit_on_a_path_that_takes_nothing_is_not_called_slow),
        TEST(our_own_stall_is_not_its_silence_whatever_the_kernel_says),
#define CROWD_TEST(name) cmocka_unit_test_teardown(name, end_crowd)
        CROWD_TEST(where_many_are_late_a_verdict_waits_for_ten_seconds),
        CROWD_TEST(who_is_heard_meanwhile_is_alive_and_counted),
        CROWD_TEST(when_the_others_are_heard_it_gets_a_new_limit),
        CROWD_TEST(who_is_heard_after_it_was_put_off_is_not_called_deaf_at_once),
        CROWD_TEST(of_the_sample_a_program_is_asked_anew),
        CROWD_TEST(the_deaf_wait_too_and_are_asked_again),
        CROWD_TEST(who_shares_an_address_with_others_is_not_one_more),
        CROWD_TEST(a_slow_reader_is_nobodys_uplink),
        CROWD_TEST(who_is_gone_stands_in_nobodys_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
