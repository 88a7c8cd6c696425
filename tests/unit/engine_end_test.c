/*
 * How connections end, what the verdict says of the messages, and who returns.
 */
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

/* -------------------------------------------------------- what became of messages */

/* Where, in the client's next bytes, each of three messages ends. */
static size_t three_messages(size_t ends[3])
{
    static const size_t sizes[] = {0, 20, 20000};
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        size_t rest = sizes[i];
        do { /* masked frames of at most a fragment */
            size_t size = rest < 16384 ? rest : 16384;
            at += 2 + 4 + size + (size > 125 ? 2 : 0);
            rest -= size;
        } while (rest > 0);
        ends[i] = at;
        send_bytes(&client, sizes[i]);
    }
    return at;
}

static void a_cut_at_any_byte_counts_the_messages_exactly(void **state)
{
    (void)state;
    size_t total = 20100;
    for (size_t cut = 0; cut <= total; cut += cut < 60 || cut > 20030 || total < 60 ? 1 : 499) {
        size_t ends[3];
        open_usual_pair();
        total = three_messages(ends);
        size_t left = leave(&client, cut);
        assert_int_equal(left, cut < total ? cut : total);
        uint64_t sent = 0;
        while (sent < 3 && ends[sent] <= cut)
            sent++;
        lose_stream(&client, ECONNRESET);
        assert_log(&client, "CUT");
        assert_int_equal(client.verdict.unconfirmed, sent);
        assert_int_equal(client.verdict.unsent, 3 - sent);
        assert_int_equal(client.verdict.error, ECONNRESET);

        /* What was kept comes whole on the next socket, and counts from there. */
        reopen_pair();
        static const char *const logs[] = {
            "open binary: binary:xxxxxxxxxxxxxxxxxxxx binary(20000)",
            "open binary:xxxxxxxxxxxxxxxxxxxx binary(20000)",
            "open binary(20000)",
            "open",
        };
        assert_log(&server, logs[sent]);
        lose_stream(&client, 0);
        assert_int_equal(client.verdict.unconfirmed, 3 - sent);
        assert_int_equal(client.verdict.unsent, 0);
        finish_pair();
    }
}

static void an_answered_beat_proves_what_went_before_it(void **state)
{
    (void)state;
    open_usual_pair();
    send_text(&client, "before");
    send_text(&client, "before too");
    settle(&client);
    /* Both directions are silent from here on; then the beat. */
    tick_at_deadline(&client);
    assert_int_equal(beats_of(&client), 1);
    send_text(&client, "after");
    settle(&client);
    send_text(&client, "never leaves");
    client.room = 0;
    exchange();
    lose_stream(&client, 0);
    assert_int_equal(client.verdict.unconfirmed, 1);
    assert_int_equal(client.verdict.unsent, 1);
}

static void a_beat_asked_for_behind_a_message_proves_it_too(void **state)
{
    (void)state;
    open_usual_pair();
    client.room = 0;
    send_bytes(&client, 40000); /* three fragments: the beat goes before the end */
    tick_at_deadline(&client);
    client.room = 30000;
    settle(&client);
    deliver(&client, &server, SIZE_MAX);
    deliver(&server, &client, SIZE_MAX); /* the answer */
    assert_int_equal(beats_of(&client), 1);
    client.room = SIZE_MAX;
    settle(&client);
    lose_stream(&client, 0);
    assert_int_equal(client.verdict.pulse.beats_answered, 1);
    assert_int_equal(client.verdict.unconfirmed, 1); /* it was not whole when the beat left */
    assert_int_equal(client.verdict.unsent, 0);
}

static void a_late_answer_to_a_forgotten_text_beat_proves_nothing_more(void **state)
{
    (void)state;
    vital_policy policy = usual_client;
    policy.heartbeat = (vital_heartbeat){VITAL_BEAT_TEXT, 0, 8000, "ping", "pong"};
    open_pair(policy, usual_server);
    tick_at_deadline(&client); /* the first beat */
    pass(7 * S);
    come_frame(&client, VT_OP_TEXT, "busy");
    now.now_us = deadline(&client);
    tick(&client); /* it is forgotten: the peer talks */
    send_text(&client, "message");
    settle(&client);
    now.now_us = deadline(&client);
    tick(&client); /* the second beat, after the message */
    assert_int_equal(beats_of(&client), 2);
    come_frame(&client, VT_OP_TEXT, "pong"); /* to the first */
    lose_stream(&client, 0);
    assert_int_equal(client.verdict.unconfirmed, 1);
}

static void losses_are_reported_once(void **state)
{
    (void)state;
    open_usual_pair();
    send_text(&client, "one");
    settle(&client);
    lose_stream(&client, 0);
    assert_int_equal(client.verdict.unconfirmed, 1);
    reopen_pair();
    lose_stream(&client, 0);
    assert_int_equal(client.verdict.unconfirmed, 0);
    assert_int_equal(client.verdict.unsent, 0);
}

static void a_final_verdict_names_what_is_lost(void **state)
{
    (void)state;
    vital_policy policy = usual_client;
    policy.reconnect.never = true;
    open_pair(policy, usual_server);
    send_text(&client, "one");
    settle(&client);
    client.room = 0;
    send_text(&client, "two");
    lose_stream(&client, 0);
    assert_true(client.verdict.final);
    assert_int_equal(client.verdict.unconfirmed, 1);
    assert_int_equal(client.verdict.unsent, 1);
    assert_non_null(
        strstr(client.verdict.text, "1 message was not sent, 1 was sent without proof"));
    assert_int_equal(vital_engine_queued(client.engine), 0);
}

/* ----------------------------------------------------------------- coming back */

static void the_way_back_grows_and_begins_anew_after_a_stable_life(void **state)
{
    (void)state;
    vital_policy policy = usual_client;
    policy.reconnect.first_ms = 100; /* to be told from all later delays */
    open_pair(policy, usual_server);
    lose_stream(&client, 0);
    assert_in_range(client.verdict.retry_ms, 0, 100);
    for (int i = 0; i < 20; i++) {
        int64_t last = client.verdict.retry_ms;
        tick_at_deadline(&client);
        vital_engine_unreachable(client.engine, now, ECONNREFUSED, NULL);
        pull(&client);
        int64_t most = last * 3 < 500 ? 500 : last * 3 > 60000 ? 60000 : last * 3;
        assert_in_range(client.verdict.retry_ms, 500, most);
    }
    reopen_pair();
    run_until(now.now_us + 29 * S); /* a beat was answered, but it was not long enough */
    assert_true(beats_of(&client) + beats_of(&server) > 0);
    lose_stream(&client, 0);
    assert_in_range(client.verdict.retry_ms, 500, 60000);

    reopen_pair();
    for (int i = 0; i < 60; i++) { /* long enough, but never was a beat answered */
        send_text(&client, "a");
        send_text(&server, "b");
        run_until(now.now_us + S);
    }
    assert_int_equal(beats_of(&client), 0);
    lose_stream(&client, 0);
    assert_in_range(client.verdict.retry_ms, 500, 60000);

    reopen_pair();
    tick_at_deadline(&client);
    exchange();
    pass(31 * S);
    lose_stream(&client, 0);
    assert_in_range(client.verdict.retry_ms, 0, 100);
}

static void a_close_by_the_peer_decides_whether_to_return(void **state)
{
    (void)state;
    static const struct {
        const char *payload; /* of the close frame */
        bool final;
        int64_t low_ms, high_ms;
    } all[] = {
        {"\x03\xe8", true, -1, -1},         /* 1000 */
        {"\x03\xe9 bye", false, 0, 2000},   /* 1001 */
        {"\x03\xf0", true, -1, -1},         /* 1008 */
        {"\x03\xf4", false, 5000, 30000},   /* 1012 */
        {"\x03\xf5", false, 30000, 120000}, /* 1013 */
        {"", false, 0, 2000},               /* 1005 */
        {"\x03\xe9 bye; retry in 70-80 s", false, 70000, 80000},
        {"\x03\xf4retry in 70-80 s", false, 70000, 80000},
        {"\x03\xf5retry in 70-80 s", false, 70000, 80000},
        {"\x03\xf4retry in 80-70 s", false, 5000, 30000},
        {"\x03\xe8retry in 70-80 s", true, -1, -1},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        open_usual_pair();
        come_frame(&client, VT_OP_CLOSE, all[i].payload);
        lose_stream(&client, 0);
        assert_log(&client, "CLOSED_BY_PEER");
        assert_int_equal(client.verdict.final, all[i].final);
        if (!all[i].final)
            assert_in_range(client.verdict.retry_ms, all[i].low_ms, all[i].high_ms);
        finish_pair();
    }
}

static void bytes_of_the_old_socket_mean_nothing_to_the_next(void **state)
{
    (void)state;
    open_usual_pair();
    struct buffer half = {0};
    add_frame(&half, &client, (vt_frame){.fin = true, .opcode = VT_OP_TEXT, .size = 5}, "hello");
    come(&client, half.data, 4);
    lose_stream(&client, 0);
    come(&client, half.data + 4, 3); /* too late */
    reopen_pair();
    come(&client, half.data, half.size);
    assert_log(&client, "CUT connect open text:hello");
    free(half.data);
}

/* --------------------------------------------------------------------- closing */

static void a_goodbye_has_its_code_and_reason_at_both_ends(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct end *from = i == 0 ? &client : &server;
        struct end *to = i == 0 ? &server : &client;
        open_usual_pair();
        vital_engine_close(from->engine, now, 1001, "so long");
        exchange();
        /* The server ends the stream first, and the client waits for it. */
        assert_log(&server, i == 0 ? "CLOSED_BY_PEER" : "CLOSED_BY_US");
        assert_log(&client, "");
        lose_stream(&client, 0);
        assert_log(&client, i == 0 ? "CLOSED_BY_US" : "CLOSED_BY_PEER");
        assert_int_equal(from->verdict.code, 1001);
        assert_int_equal(to->verdict.code, 1001);
        assert_string_equal(from->verdict.reason, "so long");
        assert_string_equal(to->verdict.reason, "so long");
        assert_int_equal(client.closed + server.closed, 2);
        finish_pair();
    }
}

static void a_client_waits_a_second_for_the_server_to_end_the_stream_rfc_7_1_1(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_close(client.engine, now, 1000, NULL);
    exchange();
    int64_t start = now.now_us;
    tick_at_deadline(&client);
    assert_int_equal(now.now_us - start, S);
    assert_log(&client, "CLOSED_BY_US");
    assert_true(client.verdict.final);
}

static void both_may_say_goodbye_at_once(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_close(client.engine, now, 1000, "c");
    vital_engine_close(server.engine, now, 1001, "s");
    exchange();
    lose_stream(&client, 0);
    assert_log(&client, "CLOSED_BY_US");
    assert_log(&server, "CLOSED_BY_US");
    assert_int_equal(client.verdict.code, 1000);
    assert_int_equal(server.verdict.code, 1001);
}

static void a_code_or_reason_that_may_not_be_sent_becomes_1000(void **state)
{
    (void)state;
    char long_reason[125];
    memset(long_reason, 'r', sizeof long_reason);
    long_reason[124] = '\0';
    const struct {
        uint16_t code;
        const char *reason;
    } all[] = {{0, "x"},    {999, "x"},  {1004, "x"}, {1005, "x"},         {1006, "x"},
               {1015, "x"}, {2999, "x"}, {5000, "x"}, {1001, long_reason}, {1001, "\xff"}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        open_usual_pair();
        vital_engine_close(client.engine, now, all[i].code, all[i].reason);
        settle(&client);
        assert_close_left(&client, 1000, "");
        finish_pair();
    }
    open_usual_pair();
    vital_engine_close(client.engine, now, 4999, long_reason + 1);
    settle(&client);
    assert_close_left(&client, 4999, long_reason + 1);
}

static void what_was_accepted_leaves_before_the_goodbye(void **state)
{
    (void)state;
    open_usual_pair();
    send_text(&client, "one");
    send_bytes(&client, 100000);
    vital_engine_close(client.engine, now, 1000, NULL);
    assert_int_equal(vital_engine_send(client.engine, now, VITAL_TEXT, vital_text("late")),
                     VITAL_ECLOSED);
    exchange();
    assert_log(&server, "text:one binary(100000) CLOSED_BY_PEER");
}

static void messages_still_come_in_while_we_close(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_close(client.engine, now, 1000, NULL);
    settle(&client);
    come_frame(&client, VT_OP_TEXT, "last words");
    assert_log(&client, "text:last words");
}

static void what_is_sent_while_the_peer_leaves_goes_to_the_next_socket(void **state)
{
    (void)state;
    open_usual_pair();
    come_frame(&client, VT_OP_CLOSE, "\x03\xe9");
    assert_int_equal(try_send(&client, VITAL_TEXT, vital_text("later")), 0);
    settle(&client); /* nothing goes to a peer that need not read it */
    assert_close_left(&client, 1001, "");
    assert_int_equal(client.wire.size, 0);
    lose_stream(&client, 0);
    assert_int_equal(client.verdict.unsent, 1);
    reopen_pair();
    exchange();
    assert_log(&server, "open text:later");
}

static void who_leaves_while_the_peer_does_is_gone_for_good(void **state)
{
    (void)state;
    open_usual_pair();
    come_frame(&client, VT_OP_CLOSE, "\x03\xe9");
    vital_engine_close(client.engine, now, 1000, NULL);
    assert_int_equal(try_send(&client, VITAL_TEXT, vital_text("later")), VITAL_ECLOSED);
    lose_stream(&client, 0);
    assert_log(&client, "CLOSED_BY_PEER");
    assert_true(client.verdict.final);
}

static void who_leaves_is_gone_for_good_whatever_the_peer_does_then(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_close(client.engine, now, 1000, NULL);
    come(&client, "\x83\x00", 2);
    settle(&client);
    assert_log(&client, "MISBEHAVED");
    assert_true(client.verdict.final);
}

static void a_loss_that_was_not_pulled_yet_is_told_before_the_end(void **state)
{
    (void)state;
    open_usual_pair();
    send_text(&client, "one");
    settle(&client);
    client.streams = false;
    vital_engine_ended(client.engine, now, 0);
    vital_engine_close(client.engine, now, 1000, NULL);
    pull(&client);
    assert_log(&client, "CUT");
    assert_true(client.verdict.final);
    assert_int_equal(client.verdict.unconfirmed, 1);
}

static void who_said_goodbye_sends_no_more(void **state)
{
    (void)state;
    open_usual_pair();
    come_frame(&server, VT_OP_CLOSE, "\x03\xe9"); /* a server never comes back */
    assert_int_equal(try_send(&server, VITAL_TEXT, vital_text("later")), VITAL_ECLOSED);
    vital_engine_close(client.engine, now, 1000, NULL);
    come_frame(&client, VT_OP_CLOSE, "\x03\xe8");
    assert_int_equal(try_send(&client, VITAL_TEXT, vital_text("later")), VITAL_ECLOSED);
}

static void a_peer_that_does_not_answer_a_goodbye_is_waited_for_in_vain(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_close(client.engine, now, 1000, NULL);
    settle(&client);
    int64_t start = now.now_us;
    tick_at_deadline(&client);
    assert_int_equal(now.now_us - start, 5 * S);
    assert_log(&client, "CLOSED_BY_US");
    assert_non_null(strstr(client.verdict.text, "did not answer our close frame"));
}

static void a_peer_has_time_to_answer_a_goodbye_from_when_it_has_left(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_close(client.engine, now, 1000, NULL);
    client.room = 0;
    pass(4 * S);
    client.room = 1000;
    settle(&client);
    int64_t start = now.now_us;
    tick_at_deadline(&client);
    assert_int_equal(now.now_us - start, 5 * S);
    assert_log(&client, "CLOSED_BY_US");
}

static void a_peer_that_still_talks_after_our_goodbye_is_heard_out_with_an_end(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_close(client.engine, now, 1000, NULL);
    int64_t start = now.now_us;
    while (client.closed == 0) {
        if (deadline(&client) <= now.now_us + 4 * S) {
            tick_at_deadline(&client);
            break;
        }
        pass(4 * S);
        come_frame(&client, VT_OP_TEXT, "and another thing");
    }
    assert_int_equal(now.now_us - start, 30 * S); /* six times the limit */
    assert_int_equal(client.verdict.cause, VITAL_CLOSED_BY_US);
}

static void a_peer_that_reads_slowly_is_given_patience_with_an_end(void **state)
{
    (void)state;
    open_usual_pair();
    send_bytes(&client, 1000000);
    vital_engine_close(client.engine, now, 1000, NULL);
    client.room = 0;
    int64_t start = now.now_us;
    while (client.closed == 0) {
        if (deadline(&client) <= now.now_us + 4 * S) {
            tick_at_deadline(&client);
            break;
        }
        pass(4 * S);
        client.room = 1000;
        settle(&client);
        client.room = 0;
    }
    assert_log(&client, "CLOSED_BY_US");
    assert_int_equal(now.now_us - start, 30 * S); /* six times the limit */
    assert_int_equal(client.verdict.unsent, 1);
}

static void a_stream_that_ends_during_our_goodbye_was_closed_by_us(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_close(client.engine, now, 4000, "why");
    settle(&client);
    lose_stream(&client, ECONNRESET);
    assert_log(&client, "CLOSED_BY_US");
    assert_int_equal(client.verdict.code, 4000);
    assert_string_equal(client.verdict.reason, "why");
    assert_true(client.verdict.final);
}

static void who_is_away_closes_at_once_and_for_good(void **state)
{
    (void)state;
    open_usual_pair();
    lose_stream(&client, 0);
    send_text(&client, "kept");
    vital_engine_close(client.engine, now, 1000, "enough");
    pull(&client);
    assert_log(&client, "CUT CLOSED_BY_US");
    assert_true(client.verdict.final);
    assert_int_equal(client.verdict.unsent, 1);
    assert_int_equal(client.verdict.open_ms, -1);
    assert_int_equal(deadline(&client), INT64_MAX);
}

static void who_is_on_the_way_closes_at_once_too(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        reseed(1);
        begin_end(&client, usual_client);
        if (i == 1)
            connect_client();
        vital_engine_close(client.engine, now, 1000, NULL);
        pull(&client);
        assert_log(&client, "connect CLOSED_BY_US");
        assert_true(client.verdict.final);
        finish_pair();
    }
}

static void a_cut_is_the_end_without_a_goodbye(void **state)
{
    (void)state;
    open_usual_pair();
    client.room = 0;
    send_text(&client, "never leaves");
    vital_engine_cut(client.engine, now);
    settle(&client);
    assert_log(&client, "CLOSED_BY_US");
    assert_int_equal(client.wire.size, 0);
    assert_true(client.verdict.final);
    assert_int_equal(client.verdict.code, VT_CLOSE_ABNORMAL);
    assert_int_equal(client.verdict.unsent, 1);
    assert_string_equal(client.verdict.text,
                        "We closed the connection; it was cut without a goodbye. "
                        "1 message was not sent.");
    vital_engine_cut(client.engine, now);
    settle(&client);
    assert_log(&client, "");
}

static void a_cut_ends_a_goodbye_and_what_has_no_socket_too(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_close(client.engine, now, VT_CLOSE_NORMAL, "enough");
    vital_engine_cut(client.engine, now);
    settle(&client);
    assert_log(&client, "CLOSED_BY_US");
    finish_pair();

    open_usual_pair();
    lose_stream(&client, 0);
    assert_log(&client, "CUT");
    vital_engine_cut(client.engine, now);
    settle(&client);
    assert_log(&client, "CLOSED_BY_US");
    assert_true(client.verdict.final);
}

static void after_the_end_nothing_happens_any_more(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_close(client.engine, now, 1000, NULL);
    exchange();
    lose_stream(&client, 0);
    assert_log(&client, "CLOSED_BY_US");
    for (int i = 0; i < 3; i++) {
        pass(HOUR);
        assert_int_equal(deadline(&client), INT64_MAX);
        tick(&client);
        come_frame(&client, VT_OP_TEXT, "late");
        vital_engine_ended(client.engine, now, 0);
        vital_engine_close(client.engine, now, 1000, NULL);
        assert_int_equal(vital_engine_send(client.engine, now, VITAL_TEXT, vital_text("x")),
                         VITAL_ECLOSED);
        assert_int_equal(vital_engine_ping(client.engine, now, vital_text("x")), VITAL_ECLOSED);
        settle(&client);
    }
    assert_log(&client, "");
    assert_int_equal(vital_engine_health(client.engine), VITAL_ALIVE);
    vital_engine_destroy(NULL);
}

/* -------------------------------------------------------- violations and limits */

static void a_violation_ends_with_its_code_told_to_the_peer_rfc_7_1_7(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        uint16_t code;
        const char *cause;
    } all[] = {
        {"\x83\x80\0\0\0\0", 6, 1002, "MISBEHAVED"},     /* an opcode that is none */
        {"\x81\x01x", 3, 1002, "MISBEHAVED"},            /* not masked */
        {"\xc1\x80\0\0\0\0", 6, 1002, "MISBEHAVED"},     /* a reserved bit */
        {"\x81\x81\0\0\0\0\xff", 7, 1007, "MISBEHAVED"}, /* not UTF-8 */
        {"\x82\xff\0\0\0\0\0\x20\0\0\0\0\0\0", 14, 1009, "OVERFLOW"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char payload[VT_CONTROL_PAYLOAD_MAX + 1];
        open_usual_pair();
        come(&server, all[i].bytes, all[i].size);
        vt_frame frame = frame_from(&server, payload);
        assert_int_equal(frame.opcode, VT_OP_CLOSE);
        assert_int_equal((uint8_t)payload[0] << 8 | (uint8_t)payload[1], all[i].code);
        assert_true(strlen(payload + 2) > 0);
        assert_log(&server, all[i].cause);
        assert_int_equal(server.verdict.code, all[i].code);
        finish_pair();
    }
}

static void a_violation_during_our_goodbye_is_the_peers_and_ends_at_once(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_close(server.engine, now, 1000, "our reason");
    settle(&server);
    server.wire.size = 0;
    come(&server, "\x83\x80\0\0\0\0", 6);
    assert_log(&server, "MISBEHAVED"); /* nothing is left to send */
    assert_int_equal(server.verdict.code, 1002);
    assert_string_equal(server.verdict.reason, "");
}

static void what_follows_a_violation_is_not_looked_at(void **state)
{
    (void)state;
    open_usual_pair();
    server.room = 0;
    come(&server, "\x83\x80\0\0\0\0\x81\x81\0\0\0\0x", 13);
    come_frame(&server, VT_OP_TEXT, "more");
    assert_log(&server, "");
    server.room = SIZE_MAX;
    settle(&server);
    assert_log(&server, "MISBEHAVED");
}

static void a_hundred_control_frames_at_once_are_well_and_one_more_is_not(void **state)
{
    (void)state;
    for (int pongs = 0; pongs < 2; pongs++) {
        open_usual_pair();
        for (int i = 0; i < 100; i++) {
            come_frame(&server, pongs ? VT_OP_PONG : VT_OP_PING, "");
            free(server.log);
            server.log = NULL;
        }
        assert_int_equal(server.closed, 0);
        server.wire.size = 0;
        come_frame(&server, pongs ? VT_OP_PONG : VT_OP_PING, "");
        assert_close_left(&server, 1008, "too many control frames");
        assert_log(&server, "OVERFLOW");
        assert_int_equal(server.verdict.code, 1008);
        finish_pair();
    }
}

static void twenty_control_frames_a_second_may_go_on(void **state)
{
    (void)state;
    open_usual_pair();
    for (int i = 0; i < 20 * 60; i++) {
        come_frame(&server, VT_OP_PING, "");
        pass(S / 20);
    }
    assert_log(&server, "");
    assert_int_equal(server.closed, 0);
}

static void a_reset_names_its_error(void **state)
{
    (void)state;
    open_usual_pair();
    pass(10 * S);
    lose_stream(&client, ECONNRESET);
    assert_log(&client, "CUT");
    assert_int_equal(client.verdict.code, VT_CLOSE_ABNORMAL);
    assert_int_equal(client.verdict.error, ECONNRESET);
    assert_int_equal(client.verdict.open_ms, 10000);
    assert_non_null(strstr(client.verdict.text, "reset after 10 s of silence"));
}

/* ------------------------------------------------------- what lies beneath knows */

static const vital_failure NO_TRUST = {
    .cause = VITAL_UNTRUSTED, .alert = 45, .what = "it expired yesterday"};

static void fail_beneath(struct end *end, const vital_failure *failure)
{
    end->streams = false;
    vital_engine_failed(end->engine, now, failure);
    pull(end);
}

static void a_failure_beneath_is_the_verdict_whenever_it_comes(void **state)
{
    (void)state;
    reseed(1);
    begin_end(&client, usual_client); /* on its way */
    pull(&client);
    assert_log(&client, "connect");
    fail_beneath(&client, &NO_TRUST);
    assert_log(&client, "UNTRUSTED");
    assert_true(client.verdict.final);
    assert_int_equal(client.verdict.alert, 45);
    assert_int_equal(client.verdict.code, VT_CLOSE_ABNORMAL);
    assert_non_null(strstr(client.verdict.text, "no trust: it expired yesterday."));
    finish_end(&client);

    begin_end(&server, usual_server); /* in the handshake */
    fail_beneath(&server, &NO_TRUST);
    assert_log(&server, "UNTRUSTED");
    finish_end(&server);

    open_usual_pair();
    const vital_failure broken = {
        .cause = VITAL_CUT, .error = EPIPE, .what = "it was not ended either"};
    fail_beneath(&client, &broken);
    assert_log(&client, "CUT");
    assert_int_equal(client.verdict.error, EPIPE);
    assert_false(client.verdict.final);
    assert_non_null(strstr(client.verdict.text, "; it was not ended either."));
    fail_beneath(&client, &NO_TRUST); /* there is nothing to fail any more */
    assert_log(&client, "");
}

static void a_failure_beneath_a_goodbye_is_an_end_like_any_other(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_close(client.engine, now, 1000, NULL);
    fail_beneath(&client, &NO_TRUST);
    assert_log(&client, "CLOSED_BY_US");
    assert_int_equal(client.verdict.alert, 0);
    finish_pair();

    open_usual_pair();
    come_text(&client, "\xff"); /* a violation is decided, and being told */
    fail_beneath(&client, &NO_TRUST);
    assert_log(&client, "MISBEHAVED");
}

static void an_untrusted_peer_is_tried_again_if_that_was_wished(void **state)
{
    (void)state;
    reseed(1);
    vital_policy policy = usual_client;
    policy.reconnect.untrusted = true;
    begin_end(&client, policy);
    pull(&client);
    for (int i = 0; i < 3; i++) {
        fail_beneath(&client, &NO_TRUST);
        assert_false(client.verdict.final);
        assert_true(client.verdict.retry_ms >= 0);
        tick_at_deadline(&client);
    }
    assert_log(&client, "connect UNTRUSTED connect UNTRUSTED connect UNTRUSTED connect");
    finish_end(&client);
}

static void a_late_opening_says_what_it_waited_for(void **state)
{
    (void)state;
    reseed(1);
    begin_end(&client, usual_client);
    pull(&client);
    vital_engine_awaits(client.engine, "the moon did not rise in time");
    tick_at_deadline(&client);
    assert_non_null(strstr(client.verdict.text, "made: the moon did not rise in time."));
    tick_at_deadline(&client); /* the next attempt waits for something else */
    tick_at_deadline(&client);
    assert_non_null(strstr(client.verdict.text, "made: no connection within the time limit."));
    assert_log(&client, "connect UNREACHABLE connect UNREACHABLE");
    finish_end(&client);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end_test)
    const struct CMUnitTest tests[] = {
        TEST(a_cut_at_any_byte_counts_the_messages_exactly),
        TEST(an_answered_beat_proves_what_went_before_it),
        TEST(a_beat_asked_for_behind_a_message_proves_it_too),
        TEST(a_late_answer_to_a_forgotten_text_beat_proves_nothing_more),
        TEST(losses_are_reported_once),
        TEST(a_final_verdict_names_what_is_lost),
        TEST(the_way_back_grows_and_begins_anew_after_a_stable_life),
        TEST(a_close_by_the_peer_decides_whether_to_return),
        TEST(bytes_of_the_old_socket_mean_nothing_to_the_next),
        TEST(a_goodbye_has_its_code_and_reason_at_both_ends),
        TEST(a_client_waits_a_second_for_the_server_to_end_the_stream_rfc_7_1_1),
        TEST(both_may_say_goodbye_at_once),
        TEST(a_code_or_reason_that_may_not_be_sent_becomes_1000),
        TEST(what_was_accepted_leaves_before_the_goodbye),
        TEST(messages_still_come_in_while_we_close),
        TEST(what_is_sent_while_the_peer_leaves_goes_to_the_next_socket),
        TEST(who_leaves_while_the_peer_does_is_gone_for_good),
        TEST(who_leaves_is_gone_for_good_whatever_the_peer_does_then),
        TEST(a_loss_that_was_not_pulled_yet_is_told_before_the_end),
        TEST(who_said_goodbye_sends_no_more),
        TEST(a_peer_that_does_not_answer_a_goodbye_is_waited_for_in_vain),
        TEST(a_peer_that_still_talks_after_our_goodbye_is_heard_out_with_an_end),
        TEST(a_peer_has_time_to_answer_a_goodbye_from_when_it_has_left),
        TEST(a_peer_that_reads_slowly_is_given_patience_with_an_end),
        TEST(a_stream_that_ends_during_our_goodbye_was_closed_by_us),
        TEST(who_is_away_closes_at_once_and_for_good),
        TEST(who_is_on_the_way_closes_at_once_too),
        TEST(a_cut_is_the_end_without_a_goodbye),
        TEST(a_cut_ends_a_goodbye_and_what_has_no_socket_too),
        TEST(after_the_end_nothing_happens_any_more),
        TEST(a_violation_ends_with_its_code_told_to_the_peer_rfc_7_1_7),
        TEST(a_violation_during_our_goodbye_is_the_peers_and_ends_at_once),
        TEST(what_follows_a_violation_is_not_looked_at),
        TEST(a_hundred_control_frames_at_once_are_well_and_one_more_is_not),
        TEST(twenty_control_frames_a_second_may_go_on),
        TEST(a_reset_names_its_error),
        TEST(a_failure_beneath_is_the_verdict_whenever_it_comes),
        TEST(a_failure_beneath_a_goodbye_is_an_end_like_any_other),
        TEST(an_untrusted_peer_is_tried_again_if_that_was_wished),
        TEST(a_late_opening_says_what_it_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
