/*
 * Messages in pieces, from engine to engine.
 */
#include "engine_state.h"
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int try_piece(struct end *end, vital_kind kind, const char *text, unsigned place)
{
    return vital_engine_send_piece(end->engine, now, kind, vital_text(text), place);
}

static void send_piece(struct end *end, const char *text, unsigned place)
{
    assert_int_equal(try_piece(end, VITAL_TEXT, text, place), 0);
}

static vital_policy in_pieces(vital_policy policy)
{
    policy.pieces = true;
    return policy;
}

static void what_is_sent_in_pieces_comes_whole_to_who_wants_it_whole(void **state)
{
    (void)state;
    open_usual_pair();
    send_piece(&client, "one ", VITAL_FIRST);
    exchange();
    assert_log(&server, "");
    send_text(&client, "later");
    send_piece(&client, "two \xe2\x82", 0);
    send_piece(&client, "\xac", VITAL_LAST);
    exchange();
    assert_log(&server, "text:one two \xe2\x82\xac text:later");
}

static void who_wants_pieces_gets_them_as_they_come(void **state)
{
    (void)state;
    open_pair(usual_client, in_pieces(usual_server));
    send_bytes(&client, 300);
    send_text(&client, "small");
    settle(&client);
    deliver(&client, &server, 200);
    assert_log(&server, "piece(192");
    exchange();
    assert_log(&server, "108) piece(5)");
    /* A beat is one, however it is cut. */
    send_text(&client, "heartbeat");
    settle(&client);
    while (client.wire.size > 0)
        deliver(&client, &server, 1);
    assert_log(&server, "");
    exchange();
    assert_log(&client, "text:heartbeat");
}

static void a_large_message_needs_no_large_queue_on_either_side(void **state)
{
    enum { PIECES = 400, PIECE = 10000 };
    (void)state;
    static char text[PIECE + 1];
    memset(text, 'x', PIECE);
    vital_policy small = usual_client;
    small.limits.queue_bytes = 64 * 1024;
    vital_policy wide = in_pieces(usual_server);
    wide.limits.message_bytes = PIECES * PIECE;
    open_pair(small, wide);
    int full = 0;
    for (int i = 0; i < PIECES;) {
        unsigned place = i == 0 ? VITAL_FIRST : i == PIECES - 1 ? VITAL_LAST : 0;
        int error = try_piece(&client, VITAL_TEXT, text, place);
        assert_true(error == 0 || error == VITAL_EFULL);
        i += error == 0;
        if (error == 0)
            continue;
        full++;
        exchange();
        assert_log(&client, "drain");
    }
    exchange();
    assert_true(full > 50);
    assert_int_equal(client.engine->outbox.written, 1);
    assert_null(server.engine->reader.assembly);
    size_t got = 0;
    for (char *word = strtok(server.log, " "); word != NULL; word = strtok(NULL, " "))
        got += strtoul(word + strcspn(word, "0123456789"), NULL, 10);
    assert_int_equal(got, PIECES * PIECE);
}

static void what_fits_into_no_message_is_refused(void **state)
{
    (void)state;
    open_usual_pair();
    assert_int_equal(try_piece(&client, VITAL_TEXT, "x", 0), VITAL_ESTATE);
    assert_int_equal(try_piece(&client, VITAL_TEXT, "x", VITAL_LAST), VITAL_ESTATE);
    assert_int_equal(try_piece(&client, VITAL_TEXT, "x", 4), VITAL_EINVAL);
    assert_int_equal(try_piece(&client, (vital_kind)3, "x", VITAL_FIRST), VITAL_EINVAL);
    assert_int_equal(try_piece(&client, VITAL_TEXT, "\xff", VITAL_FIRST), VITAL_EINVAL);
    send_piece(&client, "\xe2", VITAL_FIRST);
    assert_int_equal(try_piece(&client, VITAL_TEXT, "x", VITAL_FIRST), VITAL_ESTATE);
    assert_int_equal(try_piece(&client, VITAL_BINARY, "x", 0), VITAL_EINVAL);
    assert_int_equal(try_piece(&client, VITAL_TEXT, "x", 0), VITAL_EINVAL);
    assert_int_equal(try_piece(&client, VITAL_TEXT, "", VITAL_LAST), VITAL_EINVAL);
    send_piece(&client, "\x82\xac", VITAL_LAST); /* what was refused has changed nothing */
    exchange();
    assert_log(&server, "text:\xe2\x82\xac");
    vital_engine_close(client.engine, now, 1000, NULL);
    assert_int_equal(try_piece(&client, VITAL_TEXT, "x", VITAL_FIRST), VITAL_ECLOSED);
}

static void a_message_of_which_some_has_left_is_lost_with_the_socket(void **state)
{
    (void)state;
    open_usual_pair();
    send_text(&client, "before");
    send_piece(&client, "half of", VITAL_FIRST);
    settle(&client);
    send_piece(&client, " a message", 0);
    send_text(&client, "behind");
    lose_stream(&client, 0);
    assert_log(&client, "CUT");
    assert_int_equal(client.verdict.unconfirmed, 2);
    assert_int_equal(client.verdict.unsent, 1);
    assert_int_equal(try_piece(&client, VITAL_TEXT, "x", VITAL_LAST), VITAL_ESTATE);
    send_piece(&client, "while away ", VITAL_FIRST);
    reopen_pair();
    send_piece(&client, "and back", VITAL_LAST);
    exchange();
    assert_log(&server, "open text:behind text:while away and back");
}

static void whoever_is_slow_to_go_on_is_not_the_peers_death(void **state)
{
    (void)state;
    vital_policy by_text = usual_client;
    by_text.heartbeat.kind = VITAL_BEAT_TEXT;
    open_pair(by_text, usual_server);
    send_piece(&client, "slowly ", VITAL_FIRST);
    exchange();
    int64_t until = now.now_us + 10 * 60 * S;
    while (deadline(&client) <= until) { /* its beat cannot leave */
        now.now_us = deadline(&client) > now.now_us ? deadline(&client) : now.now_us;
        tick(&client);
        if (client.closed > 0 || client.log != NULL)
            break;
        if (deadline(&client) <= now.now_us)
            break;
    }
    assert_int_equal(client.closed, 0);
    send_piece(&client, "done", VITAL_LAST);
    settle(&client);
    assert_int_equal(beats_of(&client), 1);
    exchange();
    assert_int_equal(client.closed, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end_test)
    const struct CMUnitTest tests[] = {
        TEST(what_is_sent_in_pieces_comes_whole_to_who_wants_it_whole),
        TEST(who_wants_pieces_gets_them_as_they_come),
        TEST(a_large_message_needs_no_large_queue_on_either_side),
        TEST(what_fits_into_no_message_is_refused),
        TEST(a_message_of_which_some_has_left_is_lost_with_the_socket),
        TEST(whoever_is_slow_to_go_on_is_not_the_peers_death),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
