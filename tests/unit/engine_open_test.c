/*
 * How a connection begins, with exact numbers and in its corners: the stream, the
 * upgrade, what an application answers, and plain requests.
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

#include "frame.h"

static void a_client_asks_for_a_stream_and_both_open(void **state)
{
    (void)state;
    open_usual_pair();
    send_text(&client, "question");
    send_text(&server, "answer");
    exchange();
    assert_log(&client, "text:answer");
    assert_log(&server, "text:question");
}

static void a_subprotocol_is_chosen_by_the_server_and_known_to_both(void **state)
{
    (void)state;
    static const char *const clients[] = {"a", "b", NULL};
    static const char *const servers[] = {"b", "a", NULL};
    vital_policy client_policy = usual_client;
    vital_policy server_policy = usual_server;
    client_policy.subprotocols = clients;
    server_policy.subprotocols = servers;
    open_pair(client_policy, server_policy);
    assert_string_equal(vital_engine_subprotocol(client.engine), "b");
    assert_string_equal(vital_engine_subprotocol(server.engine), "b");
    finish_pair();
    open_usual_pair();
    assert_string_equal(vital_engine_subprotocol(client.engine), "");
}

static void frames_in_the_same_read_as_the_answer_are_not_lost(void **state)
{
    (void)state;
    reseed(1);
    begin_end(&client, usual_client);
    begin_end(&server, usual_server);
    connect_client();
    deliver(&client, &server, SIZE_MAX);
    send_text(&server, "welcome");
    settle(&server);
    deliver(&server, &client, SIZE_MAX);
    assert_log(&client, "connect open text:welcome");
}

static void messages_sent_before_the_open_wait_for_it(void **state)
{
    (void)state;
    reseed(1);
    begin_end(&client, usual_client);
    begin_end(&server, usual_server);
    send_text(&client, "early");
    send_text(&server, "bird");
    assert_int_equal(vital_engine_queued(client.engine), 5);
    connect_client();
    send_text(&client, "later");
    exchange();
    assert_log(&client, "connect open text:bird");
    assert_log(&server, "open text:early text:later");
    assert_int_equal(vital_engine_queued(client.engine), 0);
}

static void no_stream_within_the_limit_is_unreachable(void **state)
{
    (void)state;
    reseed(1);
    begin_end(&client, usual_client);
    int64_t start = now.now_us;
    tick_at_deadline(&client);
    assert_int_equal(now.now_us - start, 10 * S);
    assert_log(&client, "connect UNREACHABLE");
    assert_int_equal(client.verdict.open_ms, -1);
    assert_false(client.verdict.final);
}

static void the_limit_is_for_the_stream_and_the_upgrade_together(void **state)
{
    (void)state;
    reseed(1);
    begin_end(&client, usual_client);
    int64_t start = now.now_us;
    pass(9 * S);
    connect_client();
    tick_at_deadline(&client);
    assert_int_equal(now.now_us - start, 10 * S);
    assert_log(&client, "connect UNREACHABLE");
    assert_non_null(strstr(client.verdict.text, "did not answer the upgrade"));
}

static void a_stream_that_could_not_be_had_is_unreachable_with_its_reason(void **state)
{
    (void)state;
    reseed(1);
    begin_end(&client, usual_client);
    char what[] = "port 9 of 127.0.0.1 refused";
    vital_engine_unreachable(client.engine, now, ECONNREFUSED, what);
    memset(what, 'x', sizeof what - 1);
    pull(&client);
    assert_log(&client, "connect UNREACHABLE");
    assert_int_equal(client.verdict.error, ECONNREFUSED);
    assert_non_null(strstr(client.verdict.text, "port 9 of 127.0.0.1 refused"));
    tick_at_deadline(&client);
    assert_log(&client, "connect"); /* again */
}

static void a_client_that_asks_nothing_is_told_408_in_time(void **state)
{
    (void)state;
    static const char *const starts[] = {"", "GET / HTTP/1.1\r\nHost: h\r\n"};
    for (size_t i = 0; i < 2; i++) {
        reseed(1);
        begin_end(&server, usual_server);
        int64_t start = now.now_us;
        come_text(&server, starts[i]);
        tick_at_deadline(&server);
        assert_int_equal(now.now_us - start, 10 * S);
        assert_status_left(&server, 408);
        assert_log(&server, "REJECTED");
        assert_int_equal(server.verdict.status, 408);
        assert_true(server.verdict.final);
        finish_pair();
    }
}

static void a_refusal_that_the_peer_does_not_take_ends_all_the_same(void **state)
{
    (void)state;
    reseed(1);
    begin_end(&server, usual_server);
    server.room = 0;
    come_text(&server, "POST / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_log(&server, "");
    int64_t start = now.now_us;
    tick_at_deadline(&server);
    assert_int_equal(now.now_us - start, 5 * S);
    assert_log(&server, "REJECTED");
}

static void a_server_says_itself_that_it_refused(void **state)
{
    (void)state;
    reseed(1);
    begin_end(&server, usual_server);
    come_text(&server, "POST / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_status_left(&server, 405);
    assert_log(&server, "REJECTED");
    assert_int_equal(server.verdict.status, 405);
    if (strstr(server.verdict.text, "We refused") == NULL)
        fail_msg("\"%s\" does not say who refused", server.verdict.text);
}

static vital_policy asking_server(void)
{
    vital_policy policy = usual_server;
    policy.ask = true;
    return policy;
}

/* What the application answers. */
static int respond(int status)
{
    const char *problem;
    const vital_response response = {.status = status};
    int error = vital_engine_respond(server.engine, now, &response, &problem);
    assert_int_equal(error == 0, problem == NULL);
    settle(&server);
    return error;
}

static void begin_asking(void)
{
    reseed(1);
    begin_end(&server, asking_server());
    come_text(&server, REQUEST);
    assert_log(&server, "request:/chat");
    assert_int_equal(server.wire.size, 0);
}

static void the_application_may_accept_later(void **state)
{
    (void)state;
    begin_asking();
    pass(5 * S);
    assert_int_equal(respond(101), 0);
    assert_log(&server, "open");
    assert_status_left(&server, 101);
}

static void the_application_may_refuse_with_a_status(void **state)
{
    (void)state;
    static const int all[] = {300, 302, 400, 403, 599};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        begin_asking();
        assert_int_equal(respond(all[i]), 0);
        assert_status_left(&server, all[i]);
        assert_log(&server, "REJECTED");
        assert_int_equal(server.verdict.status, all[i]);
        assert_int_equal(respond(all[i]), VITAL_ESTATE); /* once */
        finish_pair();
    }
}

static void an_answer_that_is_none_changes_nothing(void **state)
{
    (void)state;
    static const int all[] = {200, 299, 600, -1, 100};
    begin_asking();
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_int_equal(respond(all[i]), VITAL_EINVAL);
    const char *problem;
    vital_response large = {.status = 403, .body = {"", (1 << 20) + 1}};
    assert_int_equal(vital_engine_respond(server.engine, now, &large, &problem), VITAL_ETOOBIG);
    assert_non_null(problem);
    assert_log(&server, "");
    assert_int_equal(server.wire.size, 0);
    assert_int_equal(respond(0), 0);
    assert_log(&server, "open");
}

static void the_application_chooses_the_subprotocol_and_adds_headers(void **state)
{
    (void)state;
    static const char *const ours[] = {"first", NULL};
    static const char *const offered[] = {"first", "second", NULL};
    static const char *const headers[] = {"Set-Cookie: a=1", NULL};
    static const struct {
        const char *said, *spoken;
    } all[] = {{NULL, "first"}, {"second", "second"}, {"", ""}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vital_policy asking = asking_server(), offering = usual_client;
        asking.subprotocols = ours;
        offering.subprotocols = offered;
        reseed(1);
        begin_end(&client, offering);
        begin_end(&server, asking);
        connect_client();
        exchange();
        char name[16] = "";
        if (all[i].said != NULL)
            strcpy(name, all[i].said);
        const char *problem;
        const vital_response response = {.headers = headers,
                                         .subprotocol = all[i].said == NULL ? NULL : name};
        assert_int_equal(vital_engine_respond(server.engine, now, &response, &problem), 0);
        memset(name, 'x', sizeof name - 1); /* it was copied */
        settle(&server);
        append(&server.wire, "", 1);
        assert_non_null(strstr((char *)server.wire.data, "\r\nSet-Cookie: a=1\r\n"));
        server.wire.size--;
        exchange();
        assert_string_equal(vital_engine_subprotocol(server.engine), all[i].spoken);
        assert_string_equal(vital_engine_subprotocol(client.engine), all[i].spoken);
        finish_pair();
    }
}

static void a_plain_request_is_answered_by_the_application(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int status;
        const char *rest; /* what the answer ends with */
    } all[] = {
        {"GET /page?x HTTP/1.1\r\nHost: h\r\n\r\n", 200, "\r\n\r\nhello"},
        {"HEAD /page HTTP/1.1\r\nHost: h\r\n\r\n", 200,
         "Content-Length: 5\r\nConnection: close\r\n\r\n"},
        {"GET /page HTTP/1.1\r\nHost: h\r\n\r\n", 404, "\r\n\r\nhello"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vital_policy policy = usual_server;
        policy.http = true;
        reseed(1);
        begin_end(&server, policy);
        come_text(&server, all[i].request);
        assert_log(&server, "http:/page");
        const char *problem;
        const vital_response response = {.status = all[i].status, .body = vital_text("hello")};
        assert_int_equal(respond(101), VITAL_EINVAL);
        assert_int_equal(vital_engine_respond(server.engine, now, &response, &problem), 0);
        settle(&server);
        append(&server.wire, "", 1);
        const char *text = (const char *)server.wire.data;
        assert_string_equal(text + strlen(text) - strlen(all[i].rest), all[i].rest);
        assert_status_left(&server, all[i].status);
        assert_log(&server, "CLOSED_BY_US");
        assert_int_equal(server.verdict.status, all[i].status);
        assert_int_equal(server.verdict.open_ms, -1);
        assert_string_equal(server.verdict.text,
                            "We closed the connection; a plain HTTP request was answered.");
        finish_pair();
    }
}

/* Attack A5 in its slow form: whoever asks and does not read. */
static void a_large_answer_leaves_in_pieces_as_long_as_it_moves(void **state)
{
    (void)state;
    enum { PAGE = 60 * 1024 };
    static char page[PAGE];
    vital_policy policy = usual_server;
    policy.http = true;
    for (int reads = 0; reads < 2; reads++) {
        reseed(1);
        begin_end(&server, policy);
        come_text(&server, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        server.room = 0;
        const char *problem;
        const vital_response response = {.status = 200, .body = {page, PAGE}};
        assert_int_equal(vital_engine_respond(server.engine, now, &response, &problem), 0);
        settle(&server);
        assert_true(vital_engine_pending(server.engine, now).size <= VT_FRAGMENT_BYTES);
        int64_t began_us = now.now_us;
        size_t left = 0;
        /* Every 4 s some of it; or nothing at all. */
        while (server.closed == 0 && now.now_us - began_us < 60 * S) {
            if (deadline(&server) <= now.now_us + 4 * S) {
                tick_at_deadline(&server);
                continue;
            }
            pass(4 * S);
            left += leave(&server, reads > 0 ? VT_FRAGMENT_BYTES : 0);
        }
        assert_log(&server, "http:/ CLOSED_BY_US");
        if (reads > 0) {
            assert_true(left > PAGE);
            assert_in_range(now.now_us - began_us, 16 * S, 20 * S);
        } else {
            assert_int_equal(left, 0);
            assert_int_equal(now.now_us - began_us, 5 * S);
        }
        finish_pair();
    }
}

static void an_application_that_thinks_too_long_is_answered_for(void **state)
{
    (void)state;
    begin_asking();
    tick_at_deadline(&server);
    assert_status_left(&server, 503);
    assert_log(&server, "REJECTED");
    assert_int_equal(respond(101), VITAL_ESTATE); /* too late, and harmless */
    assert_int_equal(respond(403), VITAL_ESTATE);
    assert_log(&server, "");
}

static void who_is_not_in_yet_when_we_close_is_told_so(void **state)
{
    (void)state;
    static const char *const all[][2] = {{"", "CLOSED_BY_US"},
                                         {"GET / HT", "CLOSED_BY_US"},
                                         {REQUEST, "request:/chat CLOSED_BY_US"}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        reseed(1);
        begin_end(&server, asking_server());
        come_text(&server, all[i][0]);
        vital_engine_close(server.engine, now, 1012, "an update");
        settle(&server);
        append(&server.wire, "", 1);
        assert_non_null(strstr((char *)server.wire.data, "\r\nRetry-After: 5\r\n"));
        assert_status_left(&server, 503);
        assert_log(&server, all[i][1]);
        assert_int_equal(server.verdict.code, 1012);
        assert_string_equal(server.verdict.reason, "an update");
        assert_true(server.verdict.final);
        assert_int_equal(respond(101), VITAL_ESTATE);
        finish_pair();
    }
}

/* ------------------------------------------------------------- too many at once */

static vital_stats stats; /* an engine counts in it until a test has ended */

static vital_policy counted_server(vital_turnstile *turnstile, bool asking)
{
    stats = (vital_stats){.put_off = 0};
    vital_policy policy = asking ? asking_server() : usual_server;
    policy.limits.opens_per_s = 1;
    policy.turnstile = turnstile;
    policy.stats = &stats;
    policy.http = true;
    return policy;
}

static void more_upgrades_than_the_rate_are_each_told_another_second(void **state)
{
    (void)state;
    static const char *const answers[] = {"101", "101", "Retry-After: 1\r\n", "Retry-After: 2\r\n",
                                          "Retry-After: 3\r\n"};
    for (int asking = 0; asking < 2; asking++) {
        vital_turnstile *turnstile;
        reseed(1);
        assert_int_equal(vital_turnstile_create(&turnstile), 0);
        const vital_policy policy = counted_server(turnstile, asking);
        for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
            bool in = i < 2; /* the burst */
            begin_end(&server, policy);
            come_text(&server, REQUEST);
            if (asking && in)
                respond(101);
            settle(&server);
            append(&server.wire, "", 1);
            if (strstr((char *)server.wire.data, answers[i]) == NULL)
                fail_msg("no %s in %s", answers[i], (char *)server.wire.data);
            assert_log(&server, !in ? "REJECTED" : !asking ? "open" : "request:/chat open");
            if (!in)
                assert_int_equal(server.verdict.status, 503);
            finish_pair();
        }
        assert_int_equal(stats.put_off, 3);
        assert_int_equal(stats.failed[VITAL_REJECTED], 3);
        vital_turnstile_destroy(turnstile);
    }
    vital_turnstile_destroy(NULL);
}

static void plain_requests_and_refused_ones_are_not_counted(void **state)
{
    (void)state;
    static const char *const all[] = {
        "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Origin: http://elsewhere.test\r\n\r\n",
    };
    vital_turnstile *turnstile;
    reseed(1);
    assert_int_equal(vital_turnstile_create(&turnstile), 0);
    const vital_policy policy = counted_server(turnstile, false);
    for (int i = 0; i < 30; i++) {
        begin_end(&server, policy);
        come_text(&server, all[i % 3]);
        settle(&server);
        finish_pair();
    }
    begin_end(&server, policy);
    come_text(&server, REQUEST);
    assert_log(&server, "open");
    assert_int_equal(stats.put_off, 0);
    vital_turnstile_destroy(turnstile);
}

/* Each at another second of the window. */
static void who_is_not_in_yet_is_invited_as_those_who_are(void **state)
{
    (void)state;
    bool told[3] = {false};
    reseed(1);
    for (int i = 0; i < 40; i++) {
        begin_end(&server, asking_server());
        vital_engine_close(server.engine, now, 1012, "an update; retry in 7-9 s");
        settle(&server);
        append(&server.wire, "", 1);
        const char *after = strstr((char *)server.wire.data, "\r\nRetry-After: ");
        assert_non_null(after);
        int seconds = atoi(after + strlen("\r\nRetry-After: "));
        assert_in_range(seconds, 7, 9);
        told[seconds - 7] = true;
        finish_pair();
    }
    assert_true(told[0] && told[1] && told[2]);
}

static void a_peer_that_leaves_while_the_application_thinks_is_gone(void **state)
{
    (void)state;
    begin_asking();
    vital_engine_ended(server.engine, now, 0);
    settle(&server);
    assert_log(&server, "CUT");
    assert_int_equal(respond(101), VITAL_ESTATE);
    assert_log(&server, "");
}

static void data_before_the_answer_is_refused_however_late_the_answer_rfc_4_1(void **state)
{
    (void)state;
    begin_asking();
    come_text(&server, "\x81");
    come_text(&server, "\x80"); /* nothing that a peer can send reaches an assert */
    assert_status_left(&server, 400);
    assert_log(&server, "REJECTED");
    assert_int_equal(respond(101), VITAL_ESTATE);
    assert_log(&server, "");
}

#define FOUND "HTTP/1.1 302 Found\r\nLocation: //b.example/y\r\n\r\n"

static vital_policy following_client(void)
{
    vital_policy policy = usual_client;
    policy.follow = true;
    return policy;
}

static void a_redirect_asks_for_another_stream_within_the_same_limit(void **state)
{
    (void)state;
    int64_t began_us = 7 * S; /* of every test's clock */
    ask_as_client(following_client());
    pass(3 * S);
    come_text(&client, FOUND "what else it says");
    assert_log(&client, "redirect://b.example/y");
    assert_int_equal(client.closed, 0);
    assert_int_equal(deadline(&client), began_us + 10 * S);
    assert_int_equal(vital_engine_pending(client.engine, now).size, 0);
    vital_engine_ended(client.engine, now, 0); /* of the stream that is left */

    client.policy.host = "b.example";
    client.policy.path = "/y";
    connect_client();
    static const char request[] = "GET /y HTTP/1.1\r\nHost: b.example\r\n";
    assert_true(client.wire.size > sizeof request);
    assert_memory_equal(client.wire.data, request, sizeof request - 1);
    begin_end(&server, usual_server);
    exchange();
    assert_log(&client, "open");
    send_text(&client, "hello");
    exchange();
    assert_log(&server, "open text:hello");
}

static void nobody_follows_for_longer_than_the_limit(void **state)
{
    (void)state;
    ask_as_client(following_client());
    come_text(&client, FOUND);
    assert_log(&client, "redirect://b.example/y");
    tick_at_deadline(&client);
    assert_log(&client, "UNREACHABLE");
    assert_int_equal(client.verdict.status, 0);
}

static void refuse_to_follow(struct end *end)
{
    vital_engine_unfollowed(end->engine, now, "it gives up TLS");
}

static void who_does_not_follow_says_where_it_pointed(void **state)
{
    (void)state;
    ask_as_client(following_client());
    client.on_redirect = refuse_to_follow;
    come_text(&client, FOUND);
    assert_log(&client, "redirect://b.example/y REJECTED");
    assert_int_equal(client.verdict.status, 302);
    assert_true(client.verdict.final);
    assert_string_equal(client.verdict.text,
                        "The server answered 302 Found, pointing to "
                        "//b.example/y (it gives up TLS) instead of upgrading.");
    finish_pair();

    ask_as_client(usual_client); /* who never follows */
    come_text(&client, "HTTP/1.1 307 \r\nLocation: http://u:secret@b/\r\n\r\n");
    assert_log(&client, "REJECTED");
    assert_string_equal(client.verdict.text,
                        "The server answered 307 pointing to http://b/ instead of upgrading.");
}

static void rejections_come_back_when_the_server_said(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        bool final;
        int64_t low_ms, high_ms;
    } all[] = {
        {"HTTP/1.1 404 Not Found\r\n\r\n", true, -1, -1},
        {"HTTP/1.1 503 Busy\r\nRetry-After: 10\r\n\r\n", false, 10000, 12500},
        {"HTTP/1.1 503 Busy\r\n\r\n", false, 30000, 120000},
        {"HTTP/1.1 500 Oops\r\n\r\n", false, 0, 2000},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        ask_as_client(usual_client);
        come_text(&client, all[i].answer);
        assert_log(&client, "REJECTED");
        assert_int_equal(client.verdict.final, all[i].final);
        if (all[i].final)
            assert_int_equal(client.verdict.retry_ms, -1);
        else
            assert_in_range(client.verdict.retry_ms, all[i].low_ms, all[i].high_ms);
        finish_pair();
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end_test)
    const struct CMUnitTest tests[] = {
        TEST(a_client_asks_for_a_stream_and_both_open),
        TEST(a_subprotocol_is_chosen_by_the_server_and_known_to_both),
        TEST(frames_in_the_same_read_as_the_answer_are_not_lost),
        TEST(messages_sent_before_the_open_wait_for_it),
        TEST(no_stream_within_the_limit_is_unreachable),
        TEST(the_limit_is_for_the_stream_and_the_upgrade_together),
        TEST(a_stream_that_could_not_be_had_is_unreachable_with_its_reason),
        TEST(a_client_that_asks_nothing_is_told_408_in_time),
        TEST(a_refusal_that_the_peer_does_not_take_ends_all_the_same),
        TEST(a_server_says_itself_that_it_refused),
        TEST(the_application_may_accept_later),
        TEST(the_application_may_refuse_with_a_status),
        TEST(an_answer_that_is_none_changes_nothing),
        TEST(the_application_chooses_the_subprotocol_and_adds_headers),
        TEST(a_plain_request_is_answered_by_the_application),
        TEST(a_large_answer_leaves_in_pieces_as_long_as_it_moves),
        TEST(an_application_that_thinks_too_long_is_answered_for),
        TEST(who_is_not_in_yet_when_we_close_is_told_so),
        TEST(who_is_not_in_yet_is_invited_as_those_who_are),
        TEST(more_upgrades_than_the_rate_are_each_told_another_second),
        TEST(plain_requests_and_refused_ones_are_not_counted),
        TEST(a_peer_that_leaves_while_the_application_thinks_is_gone),
        TEST(data_before_the_answer_is_refused_however_late_the_answer_rfc_4_1),
        TEST(a_redirect_asks_for_another_stream_within_the_same_limit),
        TEST(nobody_follows_for_longer_than_the_limit),
        TEST(who_does_not_follow_says_where_it_pointed),
        TEST(rejections_come_back_when_the_server_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
