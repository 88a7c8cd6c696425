/*
 * The opening handshake as a machine: what is gathered, what is left, and what
 * a failure means for the connection. What is legal is handshake_test.c's part.
 */
#include "opening.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"

#define ASK                                                                          \
    "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
#define REQUEST ASK "\r\n"
#define OFFER ASK "Sec-WebSocket-Protocol: chat, superchat\r\n\r\n"

static vt_random numbers;
static const vital_entropy entropy = {vt_random_fill, &numbers};

static const char *const ours[] = {"superchat", "chat", NULL};
static vital_policy client = {
    .role = VITAL_CLIENT, .host = "h", .path = "/chat", .subprotocols = ours};
static vital_policy server = {.role = VITAL_SERVER, .subprotocols = ours};
static const vital_response yes = {.status = 101};

static int begin(void **state)
{
    (void)state;
    const uint8_t seed[VT_RANDOM_SEED_BYTES] = {1};
    const char *problem;
    return vt_random_init(&numbers, seed) != 0 || vital_policy_init(&client, &problem) != 0 ||
           vital_policy_init(&server, &problem) != 0;
}

static int end(void **state)
{
    (void)state;
    vt_random_finish(&numbers);
    return 0;
}

/* In pieces of so many bytes. *rest is what was not taken of the last one. */
static vt_opening_outcome feed(vt_opening *opening, const vital_policy *policy, const char *text,
                               size_t piece, size_t *rest)
{
    size_t size = strlen(text);
    char *copy = strdup(text);
    vt_opening_outcome outcome = VT_OPENING_MORE;
    assert_non_null(copy);
    for (size_t at = 0; outcome == VT_OPENING_MORE && at < size;) {
        size_t now = size - at < piece ? size - at : piece;
        vt_input input = {(uint8_t *)copy + at, now};
        outcome = vt_opening_feed(opening, policy, &input);
        if (outcome == VT_OPENING_MORE)
            assert_int_equal(input.size, 0);
        at += now - input.size;
        *rest = size - at;
    }
    free(copy);
    return outcome;
}

/* A server's answer to the request that a fresh client has made. */
static char *answer_to(vt_opening *opening)
{
    vt_opening other = {.key = ""};
    size_t rest;
    char *request = vt_opening_begin(opening, &client, &entropy);
    assert_non_null(request);
    assert_int_equal(feed(&other, &server, request, SIZE_MAX, &rest), VT_OPENING_REQUEST);
    char *answer = vt_opening_answer(&other, &server, &yes);
    assert_non_null(answer);
    free(request);
    vt_opening_finish(&other);
    return answer;
}

static void the_two_roles_open_to_each_other_in_any_pieces(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 300; piece += piece < 10 ? 1 : 97) {
        vt_opening opening = {.key = ""};
        size_t rest;
        char *answer = answer_to(&opening);
        assert_int_equal(feed(&opening, &client, answer, piece, &rest), VT_OPENING_OPEN);
        assert_int_equal(rest, 0);
        /* The server's preference counts. */
        assert_ptr_equal(vt_opening_subprotocol(&opening, &client, NULL), ours[0]);
        free(answer);
        vt_opening_finish(&opening);
    }
}

static void every_request_has_a_key_of_its_own_rfc_4_1(void **state)
{
    (void)state;
    vt_opening first = {.key = ""};
    vt_opening second = {.key = ""};
    char *requests[] = {vt_opening_begin(&first, &client, &entropy),
                        vt_opening_begin(&second, &client, &entropy)};
    assert_non_null(strstr(requests[0], first.key));
    assert_non_null(strstr(requests[1], second.key));
    assert_string_not_equal(first.key, second.key);
    free(requests[0]);
    free(requests[1]);
}

static void a_request_is_there_for_the_application_to_judge(void **state)
{
    (void)state;
    vt_opening opening = {.key = ""};
    size_t rest;
    assert_int_equal(feed(&opening, &server, OFFER, 7, &rest), VT_OPENING_REQUEST);
    assert_string_equal(vital_request_path(&opening.request), "/chat");
    assert_string_equal(vital_request_header(&opening.request, "host"), "h");
    assert_ptr_equal(vt_opening_subprotocol(&opening, &server, &yes), ours[0]);
    vt_opening_finish(&opening);
}

static void without_an_offer_there_is_no_subprotocol(void **state)
{
    (void)state;
    vt_opening opening = {.key = ""};
    size_t rest;
    assert_int_equal(feed(&opening, &server, REQUEST, SIZE_MAX, &rest), VT_OPENING_REQUEST);
    assert_null(vt_opening_subprotocol(&opening, &server, &yes));
    vt_opening_finish(&opening);
}

static void frames_that_follow_the_answer_are_left_for_the_reader(void **state)
{
    (void)state;
    vt_opening opening = {.key = ""};
    size_t rest;
    char text[1024];
    char *answer = answer_to(&opening);
    snprintf(text, sizeof text, "%s\x81\x05hello", answer);
    assert_int_equal(feed(&opening, &client, text, SIZE_MAX, &rest), VT_OPENING_OPEN);
    assert_int_equal(rest, 7);
    free(answer);
    vt_opening_finish(&opening);
}

static void interim_responses_are_passed_over_rfc_9110_15_2(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 30, SIZE_MAX};
    for (size_t i = 0; i < 3; i++) {
        vt_opening opening = {.key = ""};
        size_t rest = 0;
        char *answer = answer_to(&opening);
        char text[1024];
        snprintf(text, sizeof text,
                 "HTTP/1.1 100 Continue\r\n\r\n"
                 "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n%s",
                 answer);
        assert_int_equal(feed(&opening, &client, text, pieces[i], &rest), VT_OPENING_OPEN);
        assert_int_equal(rest, 0);
        free(answer);
        vt_opening_finish(&opening);
    }
}

static void interim_responses_end_with_the_limit_on_the_head(void **state)
{
    (void)state;
    static const char interim[] = "HTTP/1.1 102 Processing\r\n\r\n";
    static char text[20000];
    for (size_t at = 0; at + sizeof interim <= sizeof text; at += sizeof interim - 1)
        memcpy(text + at, interim, sizeof interim);
    vt_opening opening = {.key = ""};
    size_t rest;
    assert_int_equal(feed(&opening, &client, text, 100, &rest), VT_OPENING_FAILED);
    assert_int_equal(opening.failure.cause, VITAL_OVERFLOW);
    assert_true(opening.interim_bytes <= client.limits.header_bytes);
    vt_opening_finish(&opening);
}

static void assert_fails(const vital_policy *policy, const char *text, vital_cause cause,
                         int status, const char *words)
{
    static const size_t pieces[] = {1, 13, SIZE_MAX};
    for (size_t i = 0; i < 3; i++) {
        vt_opening opening = {.key = ""};
        size_t rest;
        free(vt_opening_begin(&opening, &client, &entropy));
        assert_int_equal(feed(&opening, policy, text, pieces[i], &rest), VT_OPENING_FAILED);
        assert_int_equal(opening.failure.cause, cause);
        assert_int_equal(opening.failure.status, status);
        assert_non_null(opening.failure.what);
        if (strstr(opening.failure.what, words) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", opening.failure.what, words);
        vt_opening_finish(&opening);
    }
}

static void a_server_refuses_what_is_no_upgrade(void **state)
{
    (void)state;
    assert_fails(&server, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", VITAL_REJECTED, 426, "");
    assert_fails(&server, "POST / HTTP/1.1\r\nHost: h\r\n\r\n", VITAL_REJECTED, 405, "");
    assert_fails(&server, "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", VITAL_REJECTED, 400, "");
}

static void a13_a_foreign_page_is_refused_and_who_is_no_browser_is_not(void **state)
{
    (void)state;
    static const char *const list[] = {"https://app.example.org", NULL};
    vital_policy listing = server;
    vt_opening opening = {.key = ""};
    size_t rest;
    assert_fails(&server, ASK "Origin: http://evil.test\r\n\r\n", VITAL_REJECTED, 403, "Origin");
    assert_fails(&server, ASK "Origin: null\r\n\r\n", VITAL_REJECTED, 403, "Origin");
    assert_fails(&server, ASK "Origin:\r\n\r\n", VITAL_REJECTED, 403, "Origin");
    listing.origins = list;
    assert_fails(&listing, ASK "Origin: http://h\r\n\r\n", VITAL_REJECTED, 403, "Origin");

    static const char *const good[] = {REQUEST, ASK "Origin: http://h\r\n\r\n"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(feed(&opening, &server, good[i], SIZE_MAX, &rest), VT_OPENING_REQUEST);
        vt_opening_finish(&opening);
    }
    assert_int_equal(
        feed(&opening, &listing, ASK "Origin: https://app.example.org\r\n\r\n", SIZE_MAX, &rest),
        VT_OPENING_REQUEST);
    vt_opening_finish(&opening);
}

static void what_follows_a_request_at_once_is_refused_rfc_4_1(void **state)
{
    (void)state;
    vt_opening opening = {.key = ""};
    size_t rest;
    assert_int_equal(feed(&opening, &server, REQUEST "\x81", SIZE_MAX, &rest), VT_OPENING_FAILED);
    assert_int_equal(opening.failure.cause, VITAL_REJECTED);
    assert_int_equal(opening.failure.status, 400);
    vt_opening_finish(&opening);
}

static void a_client_is_told_why_it_was_rejected(void **state)
{
    (void)state;
    vt_opening opening = {.key = ""};
    size_t rest;
    assert_fails(&client, "HTTP/1.1 404 Not Found\r\n\r\n", VITAL_REJECTED, 404, "Not Found");

    free(vt_opening_begin(&opening, &client, &entropy));
    feed(&opening, &client, "HTTP/1.1 503 Busy\r\nRetry-After: 120\r\n\r\n", 3, &rest);
    assert_int_equal(opening.failure.status, 503);
    assert_int_equal(opening.failure.retry_after_s, 120);
    vt_opening_finish(&opening);
}

static void an_answer_that_breaks_the_protocol_is_misbehaviour(void **state)
{
    (void)state;
    assert_fails(&client, "HTTP/1.1 101 x\r\n\r\n", VITAL_MISBEHAVED, 101, "");
    assert_fails(&client, "SSH-2.0-OpenSSH_9.2\r\n", VITAL_MISBEHAVED, 0, "HTTP");
    assert_fails(&client,
                 "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
                 VITAL_MISBEHAVED, 101, "Sec-WebSocket-Accept");
}

static void a_head_above_the_limit_is_each_roles_own_failure(void **state)
{
    (void)state;
    static char text[10000];
    int start = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
    memset(text + start, 'x', sizeof text - (size_t)start - 1);
    assert_fails(&server, text, VITAL_REJECTED, 431, "limit");
    start = snprintf(text, sizeof text, "HTTP/1.1 101 x\r\nX: ");
    memset(text + start, 'x', sizeof text - (size_t)start - 1);
    assert_fails(&client, text, VITAL_OVERFLOW, 0, "limit");
}

static void finishing_accepts_nothing_and_zeros(void **state)
{
    (void)state;
    vt_opening opening = {.key = ""};
    size_t rest;
    vt_opening_finish(NULL);
    vt_opening_finish(&opening);
    feed(&opening, &server, "GET / HT", 1, &rest); /* half a head */
    vt_opening_finish(&opening);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_two_roles_open_to_each_other_in_any_pieces),
        cmocka_unit_test(every_request_has_a_key_of_its_own_rfc_4_1),
        cmocka_unit_test(a_request_is_there_for_the_application_to_judge),
        cmocka_unit_test(without_an_offer_there_is_no_subprotocol),
        cmocka_unit_test(frames_that_follow_the_answer_are_left_for_the_reader),
        cmocka_unit_test(interim_responses_are_passed_over_rfc_9110_15_2),
        cmocka_unit_test(interim_responses_end_with_the_limit_on_the_head),
        cmocka_unit_test(a_server_refuses_what_is_no_upgrade),
        cmocka_unit_test(a13_a_foreign_page_is_refused_and_who_is_no_browser_is_not),
        cmocka_unit_test(what_follows_a_request_at_once_is_refused_rfc_4_1),
        cmocka_unit_test(a_client_is_told_why_it_was_rejected),
        cmocka_unit_test(an_answer_that_breaks_the_protocol_is_misbehaviour),
        cmocka_unit_test(a_head_above_the_limit_is_each_roles_own_failure),
        cmocka_unit_test(finishing_accepts_nothing_and_zeros),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
