/*
 * Pausing, and peers that are too slow: what they take, and what they say.
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

/* -------------------------------------------------------------------- pausing */

static void pause_at_a(struct end *end, vital_bytes message)
{
    note(end, "%.*s", (int)message.size, (const char *)message.data);
    if (*(const char *)message.data == 'a')
        vital_engine_pause(end->engine, now, true);
}

static void after_a_pause_no_message_comes_until_it_ends(void **state)
{
    (void)state;
    open_usual_pair();
    server.on_message = pause_at_a;
    send_text(&client, "b");
    send_text(&client, "a");
    send_text(&client, "c");
    send_text(&client, "a2");
    send_text(&client, "d");
    exchange();
    assert_log(&server, "b a");
    assert_true(vital_engine_paused(server.engine));
    settle(&server);
    assert_log(&server, "");
    vital_engine_pause(server.engine, now, false);
    pull(&server);
    assert_log(&server, "c a2"); /* and is paused again */
    vital_engine_pause(server.engine, now, false);
    pull(&server);
    assert_log(&server, "d");
    assert_null(server.engine->flow.held);
    assert_false(vital_engine_paused(server.engine));
}

static void bytes_that_come_in_a_pause_wait_in_their_order(void **state)
{
    (void)state;
    open_usual_pair();
    server.on_message = pause_at_a;
    for (int i = 0; i < 3; i++) {
        send_text(&client, i == 0 ? "a" : i == 1 ? "first" : "second");
        settle(&client);
    }
    while (client.wire.size > 0) /* byte by byte */
        deliver(&client, &server, 1);
    assert_log(&server, "a");
    vital_engine_pause(server.engine, now, false);
    send_text(&client, "third"); /* read before what is held has been pulled */
    settle(&client);
    uint8_t lent[100];
    size_t size = client.wire.size;
    memcpy(lent, client.wire.data, size);
    client.wire.size = 0;
    vital_engine_read(server.engine, now, lent, size);
    pull(&server);
    assert_log(&server, "first second third");
}

static void an_end_behind_what_is_held_comes_after_it(void **state)
{
    (void)state;
    open_usual_pair();
    server.on_message = pause_at_a;
    send_text(&client, "a");
    send_text(&client, "last words");
    exchange();
    lose_stream(&server, ECONNRESET);
    assert_log(&server, "a last words CUT");
    assert_int_equal(server.verdict.error, ECONNRESET);
    finish_pair();
    /* A close frame among it counts. */
    open_usual_pair();
    server.on_message = pause_at_a;
    send_text(&client, "a");
    vital_engine_close(client.engine, now, 4000, "bye");
    exchange();
    lose_stream(&server, 0);
    assert_log(&server, "a CLOSED_BY_PEER");
    finish_pair();
    /* With nothing held it ends at once. */
    open_usual_pair();
    vital_engine_pause(server.engine, now, true);
    lose_stream(&server, 0);
    assert_log(&server, "CUT");
    assert_false(vital_engine_paused(server.engine));
}

static void our_own_pause_is_never_the_peers_death(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_pause(server.engine, now, true);
    uint64_t before = beats_of(&server);
    int64_t until = now.now_us + 10 * 60 * S;
    while (deadline(&server) <= until) { /* nothing that the client says is read */
        now.now_us = deadline(&server) > now.now_us ? deadline(&server) : now.now_us;
        tick(&server);
    }
    now.now_us = until;
    assert_log(&server, "");
    /* Ours went on, since the peer's judgement and every NAT depend on them. */
    assert_true(beats_of(&server) - before >= 10);
    vital_engine_pause(server.engine, now, false);
    pull(&server);
    assert_log(&server, "");
    assert_true(deadline(&server) > now.now_us);
    deliver(&server, &client, SIZE_MAX); /* all its beats, and their answers */
    exchange();
    assert_log(&client, "");
    while (server.wire.size + client.wire.size > 0)
        exchange();
    vital_pulse pulse;
    vital_engine_pulse(server.engine, now, &pulse);
    assert_int_equal(pulse.rtt_us, -1); /* a round trip through our pause measures our pause */
}

static void after_a_pause_silence_is_judged_from_its_end(void **state)
{
    (void)state;
    open_usual_pair();
    tick_at_deadline(&server); /* a beat that nobody answers */
    server.wire.size = 0;
    vital_engine_pause(server.engine, now, true);
    pass(5 * HOUR);
    tick(&server);
    vital_engine_pause(server.engine, now, false);
    int64_t resumed = now.now_us;
    settle(&server);
    server.wire.size = 0;
    while (server.closed == 0)
        tick_at_deadline(&server);
    assert_log(&server, "doubtful SILENT");
    assert_in_range(now.now_us - resumed, 9 * S, 40 * S);
}

static void a_pause_ends_a_doubt_that_it_could_not_end(void **state)
{
    (void)state;
    open_usual_pair();
    tick_at_deadline(&server);
    tick_at_deadline(&server);
    assert_log(&server, "doubtful");
    vital_engine_pause(server.engine, now, true);
    pull(&server);
    assert_log(&server, "alive");
}

static void what_came_in_a_pause_is_no_flood(void **state)
{
    (void)state;
    open_usual_pair();
    vital_engine_pause(server.engine, now, true);
    for (int i = 0; i < 600; i++) { /* a ping each second, for ten minutes */
        pass(1 * S);
        struct buffer bytes = {0};
        add_frame(&bytes, &server, (vt_frame){.fin = true, .opcode = VT_OP_PING, .size = 1}, "p");
        come(&server, bytes.data, bytes.size);
        free(bytes.data);
    }
    vital_engine_pause(server.engine, now, false);
    pull(&server);
    assert_log(&server, "");
    /* But that was all of the excuse. */
    for (int i = 0; i < 13000 && server.closed == 0; i++)
        come_frame(&server, VT_OP_PING, "p");
    assert_log(&server, "OVERFLOW");
}

static void a_pause_is_for_an_open_connection_and_its_socket(void **state)
{
    (void)state;
    reseed(1);
    begin_end(&client, usual_client);
    vital_engine_pause(client.engine, now, true);
    assert_false(vital_engine_paused(client.engine));
    finish_end(&client);

    open_usual_pair();
    vital_engine_pause(client.engine, now, true);
    assert_true(vital_engine_paused(client.engine));
    lose_stream(&client, 0);
    assert_log(&client, "CUT");
    reopen_pair();
    assert_log(&client, "connect open");
    assert_false(vital_engine_paused(client.engine));
    /* Who says goodbye hears the peer out. */
    server.on_message = pause_at_a;
    send_text(&client, "a");
    send_text(&client, "one more");
    exchange();
    vital_engine_close(server.engine, now, 1000, NULL);
    assert_false(vital_engine_paused(server.engine));
    exchange();
    assert_log(&server, "open a one more CLOSED_BY_US");
}

/* ---------------------------------------------------- a peer that does not read */

static void e1_a_peer_that_takes_nothing_for_a_minute_is_slow(void **state)
{
    (void)state;
    open_usual_pair();
    server.room = 0;
    send_bytes(&server, 100000);
    settle(&server);
    int64_t start = now.now_us;
    /* It talks all the time: it is not dead. */
    for (int i = 0; i < 599; i++) {
        pass(100 * MS);
        come_frame(&server, VT_OP_TEXT, "x");
        tick(&server);
        assert_int_equal(server.closed, 0);
    }
    free(server.log);
    server.log = NULL;
    tick_at_deadline(&server);
    assert_log(&server, "SLOW");
    assert_int_equal(now.now_us - start, 60 * S);
    assert_int_equal(server.verdict.code, VT_CLOSE_ABNORMAL);
    assert_int_equal(server.verdict.unsent, 1);
    assert_non_null(strstr(server.verdict.text, "no byte of it has left for 60 s, though the peer "
                                                "was heard 0.1 s ago"));
}

static void e1_whatever_leaves_gives_another_minute(void **state)
{
    (void)state;
    open_usual_pair();
    server.room = 0;
    send_bytes(&server, 20000);
    for (int i = 0; i < 50; i++) {
        pass(59 * S);
        come_frame(&server, VT_OP_TEXT, "x");
        tick(&server);
        assert_int_equal(server.closed, 0);
        leave(&server, 100);
    }
    leave(&server, SIZE_MAX);
    pass(59 * S); /* and with nothing to send nobody is slow */
    come_frame(&server, VT_OP_TEXT, "x");
    pass(9 * S);
    come_frame(&server, VT_OP_TEXT, "x");
    tick(&server);
    assert_int_equal(server.closed, 0);
}

static void our_own_lateness_makes_no_peer_slow(void **state)
{
    (void)state;
    vital_policy policy = usual_server;
    policy.limits.send_ms = 3000;
    policy.heartbeat.kind = VITAL_BEAT_NONE;
    open_pair(usual_client, policy);
    server.room = 0;
    send_bytes(&server, 1000);
    settle(&server);
    pass(2 * S);
    stall(100 * S);
    tick(&server);
    assert_log(&server, "");
    tick_at_deadline(&server);
    assert_log(&server, "SLOW");
}

static void e1_a_paused_connection_notices_a_peer_that_does_not_read(void **state)
{
    (void)state;
    open_usual_pair();
    server.room = 0;
    send_bytes(&server, 1000);
    vital_engine_pause(server.engine, now, true);
    settle(&server);
    int64_t start = now.now_us;
    while (server.closed == 0) {
        now.now_us = deadline(&server) > now.now_us ? deadline(&server) : now.now_us;
        tick(&server);
    }
    assert_log(&server, "SLOW");
    assert_int_equal(now.now_us - start, 60 * S);
}

/* ------------------------------------------------- a message that never ends */

static void come_fragment(bool first)
{
    struct buffer bytes = {0};
    add_frame(&bytes, &server,
              (vt_frame){.opcode = first ? VT_OP_TEXT : VT_OP_CONTINUATION, .size = 1}, "x");
    come(&server, bytes.data, bytes.size);
    free(bytes.data);
}

static void b6_endless_fragments_end_with_the_limit_on_a_message(void **state)
{
    (void)state;
    open_usual_pair();
    int64_t start = now.now_us;
    for (int i = 0; server.closed == 0 && server.engine->state == VT_OPEN; i++) {
        come_fragment(i == 0);
        pass(500 * MS);
        if (deadline(&server) <= now.now_us)
            tick(&server);
    }
    /* 1 min, and what 1 MiB take at 16 KB/s */
    assert_in_range(now.now_us - start, 125536 * MS, 126100 * MS);
    settle(&server);
    assert_log(&server, "OVERFLOW");
    assert_int_equal(server.verdict.code, VT_CLOSE_POLICY);
    assert_non_null(strstr(server.verdict.text, "not complete within our limit"));
}

static void each_message_has_the_whole_limit_and_a_pause_costs_nothing_of_it(void **state)
{
    (void)state;
    vital_policy policy = usual_server;
    policy.limits.message_ms = 10000;
    open_pair(usual_client, policy);
    for (int i = 0; i < 5; i++) { /* one ends in the bytes in which the next begins */
        struct buffer bytes = {0};
        if (i > 0)
            add_frame(&bytes, &server, (vt_frame){.fin = true, .opcode = VT_OP_CONTINUATION}, "");
        add_frame(&bytes, &server, (vt_frame){.opcode = VT_OP_BINARY, .size = 1}, "x");
        come(&server, bytes.data, bytes.size);
        free(bytes.data);
        pass(9 * S);
        tick(&server);
        assert_int_equal(server.engine->state, VT_OPEN);
    }
    vital_engine_pause(server.engine, now, true);
    pass(HOUR);
    tick(&server);
    assert_int_equal(server.engine->state, VT_OPEN);
    vital_engine_pause(server.engine, now, false);
    pass(900 * MS);
    tick(&server);
    assert_int_equal(server.engine->state, VT_OPEN);
    pass(100 * MS);
    tick(&server);
    assert_int_equal(server.engine->state, VT_GONE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end_test)
    const struct CMUnitTest tests[] = {
        TEST(after_a_pause_no_message_comes_until_it_ends),
        TEST(bytes_that_come_in_a_pause_wait_in_their_order),
        TEST(an_end_behind_what_is_held_comes_after_it),
        TEST(our_own_pause_is_never_the_peers_death),
        TEST(after_a_pause_silence_is_judged_from_its_end),
        TEST(a_pause_ends_a_doubt_that_it_could_not_end),
        TEST(what_came_in_a_pause_is_no_flood),
        TEST(a_pause_is_for_an_open_connection_and_its_socket),
        TEST(e1_a_peer_that_takes_nothing_for_a_minute_is_slow),
        TEST(e1_whatever_leaves_gives_another_minute),
        TEST(our_own_lateness_makes_no_peer_slow),
        TEST(e1_a_paused_connection_notices_a_peer_that_does_not_read),
        TEST(b6_endless_fragments_end_with_the_limit_on_a_message),
        TEST(each_message_has_the_whole_limit_and_a_pause_costs_nothing_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
