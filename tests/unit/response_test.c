/*
 * Every rule of RFC 6455 4 for a response, written by a server and judged by a
 * client. A case is the example of the RFC with one line changed.
 */
#include "response.h"

#include "handshake_texts.h"

/* ------------------------------------------------------------------- writing */

static void parse_request(vital_request *out, vt_head *head, const char *text)
{
    assert_true(gather(head, text, strlen(text), SIZE_MAX));
    assert_int_equal(vt_request_parse(out, head, false).status, 0);
}

static void extensions_are_declined_rfc_9_1(void **state)
{
    (void)state;
    static const char *const all[] = {
        WITH("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"),
        WITH("Sec-WebSocket-Extensions: constructor; a=\"b\r\n"),
        WITH("Sec-WebSocket-Extensions: x\r\n")};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_head head;
        vital_request request;
        parse_request(&request, &head, all[i]);
        char *text = vt_switch_write(&request, NULL, &NO_DEFLATE, NULL);
        assert_non_null(text);
        assert_null(strstr(text, "Extensions"));
        free(text);
        vt_head_finish(&head);
    }
}

static void a_101_has_all_that_the_client_checks_rfc_4_2_2(void **state)
{
    (void)state;
    vt_head head;
    vital_request request;
    parse_request(&request, &head, OFFER("chat"));
    char *text = vt_switch_write(&request, "chat", &NO_DEFLATE, NULL);
    assert_string_equal(text, "HTTP/1.1 101 Switching Protocols\r\n"
                              "Upgrade: websocket\r\n"
                              "Connection: Upgrade\r\n"
                              "Sec-WebSocket-Accept: " ACCEPT "\r\n"
                              "Sec-WebSocket-Protocol: chat\r\n\r\n");
    free(text);
    text = vt_switch_write(&request, NULL, &NO_DEFLATE, NULL);
    assert_string_equal(text, RESPONSE);
    free(text);
    vt_head_finish(&head);
}

static void a_101_has_the_headers_of_the_application_too(void **state)
{
    (void)state;
    static const char *const headers[] = {"Set-Cookie: id=1; HttpOnly", "X-Served-By: me", NULL};
    vt_head head;
    vital_request request;
    parse_request(&request, &head, REQUEST);
    char *text = vt_switch_write(&request, NULL, &NO_DEFLATE, headers);
    assert_string_equal(text, SWITCH UPGRADE CONNECTION ACCEPTED
                        "Set-Cookie: id=1; HttpOnly\r\nX-Served-By: me\r\n\r\n");
    free(text);
    vt_head_finish(&head);
}

static void assert_answer(vital_response response, bool head, const char *expected)
{
    size_t size;
    char *text = vt_answer_write(&response, head, &size);
    assert_non_null(text);
    assert_int_equal(size, strlen(text));
    assert_string_equal(text, expected);
    free(text);
}

static void an_answer_is_whole_http_and_ends_the_stream(void **state)
{
    (void)state;
    static const char *const html[] = {"content-type: text/html", "Cache-Control: no-store", NULL};
    const vital_bytes body = vital_text("because\n");
    assert_answer((vital_response){.status = 400, .body = body}, false,
                  "HTTP/1.1 400 Bad Request\r\n"
                  "Content-Type: text/plain; charset=utf-8\r\n"
                  "Content-Length: 8\r\n"
                  "Connection: close\r\n\r\n"
                  "because\n");
    assert_answer((vital_response){.status = 200, .headers = html, .body = body}, false,
                  "HTTP/1.1 200 OK\r\n"
                  "Content-Length: 8\r\n"
                  "Connection: close\r\n"
                  "content-type: text/html\r\n"
                  "Cache-Control: no-store\r\n\r\n"
                  "because\n");
    assert_answer((vital_response){.status = 404}, false,
                  "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_answer((vital_response){.status = 599}, false,
                  "HTTP/1.1 599 Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_answer((vital_response){.status = 299}, false,
                  "HTTP/1.1 299 \r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_answer((vital_response){.status = 204}, false,
                  "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
}

static void a_body_may_hold_any_bytes(void **state)
{
    (void)state;
    size_t size;
    const vital_response response = {.status = 200, .body = {"a\0b", 3}};
    char *bytes = vt_answer_write(&response, false, &size);
    assert_memory_equal(bytes + size - 7, "\r\n\r\na\0b", 7);
    assert_non_null(strstr(bytes, "\r\nContent-Length: 3\r\n"));
    free(bytes);
}

static void the_answer_to_a_head_has_its_length_and_no_body_rfc_9110_9_3_2(void **state)
{
    (void)state;
    assert_answer((vital_response){.status = 200, .body = vital_text("page")}, true,
                  "HTTP/1.1 200 OK\r\n"
                  "Content-Type: text/plain; charset=utf-8\r\n"
                  "Content-Length: 4\r\n"
                  "Connection: close\r\n\r\n");
}

static void a_426_names_the_version_that_we_speak_rfc_4_4(void **state)
{
    (void)state;
    assert_answer((vital_response){.status = 426}, false,
                  "HTTP/1.1 426 Upgrade Required\r\n"
                  "Content-Length: 0\r\n"
                  "Connection: close, Upgrade\r\n"
                  "Upgrade: websocket\r\n"
                  "Sec-WebSocket-Version: 13\r\n\r\n");
}

static void a_405_names_the_methods_that_are_allowed_rfc_9110_15_5_6(void **state)
{
    (void)state;
    static const char *const two[] = {"allow: GET, HEAD", NULL};
    assert_answer((vital_response){.status = 405}, false,
                  "HTTP/1.1 405 Method Not Allowed\r\n"
                  "Content-Length: 0\r\nConnection: close\r\nAllow: GET\r\n\r\n");
    assert_answer((vital_response){.status = 405, .headers = two}, false,
                  "HTTP/1.1 405 Method Not Allowed\r\n"
                  "Content-Length: 0\r\nConnection: close\r\nallow: GET, HEAD\r\n\r\n");
}

static void a12_what_an_application_answers_is_checked(void **state)
{
    (void)state;
    static const char *const two[] = {"A: b", "C: d\r\nE: f", NULL};
    static const char *const own[] = {"Sec-WebSocket-Accept: x", NULL};
    static const struct {
        bool upgrade;
        vital_response response;
        const char *words; /* NULL: it is good */
    } all[] = {
        {true, {.status = 0}, NULL},
        {true, {.status = 101}, NULL},
        {true, {.status = 101, .subprotocol = "chat"}, NULL},
        {true, {.status = 101, .subprotocol = ""}, NULL},
        {true, {.status = 300}, NULL},
        {true, {.status = 599, .body = {"x", 1}}, NULL},
        {true, {.status = 200}, "101"},
        {true, {.status = 299}, "101"},
        {true, {.status = 600}, "101"},
        {true, {.status = -1}, "101"},
        {true, {.status = 100}, "101"},
        {true, {.status = 101, .subprotocol = "cha"}, "not offered"},
        {true, {.status = 101, .subprotocol = "chat, superchat"}, "not offered"},
        {true, {.status = 403, .subprotocol = "chat"}, "101"},
        {true, {.status = 101, .body = {"x", 1}}, "no body"},
        {true, {.status = 304, .body = {"x", 1}}, "no body"},
        {true, {.status = 403, .body = {NULL, 1}}, "NULL"},
        {true, {.status = 101, .headers = two}, "line breaks"},
        {true, {.status = 403, .headers = two}, "line breaks"},
        {true, {.status = 403, .headers = own}, "belong to the handshake"},
        {false, {.status = 200}, NULL},
        {false, {.status = 599}, NULL},
        {false, {.status = 0}, "plain"},
        {false, {.status = 101}, "plain"},
        {false, {.status = 199}, "plain"},
        {false, {.status = 600}, "plain"},
        {false, {.status = 204, .body = {"x", 1}}, "no body"},
        {false, {.status = 200, .headers = two}, "line breaks"},
    };
    vt_head head;
    vital_request request;
    parse_request(&request, &head, OFFER("chat, superchat"));
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        request.upgrade = all[i].upgrade;
        const char *problem = vt_response_problem(&all[i].response, &request);
        if (all[i].words == NULL ? problem != NULL
                                 : problem == NULL || strstr(problem, all[i].words) == NULL)
            fail_msg("%zu: %s", i, problem == NULL ? "no problem" : problem);
    }
    vt_head_finish(&head);
}

/* ------------------------------------------------------------------- reading */

static const char *const offered[] = {"chat", "superchat", NULL};

static vt_response parse_response(const char *text, const char *const *names)
{
    vt_head head;
    if (!gather(&head, text, strlen(text), SIZE_MAX))
        fail_msg("not a whole head: %s", text);
    vt_response response = vt_response_parse(&head, KEY, names, &NO_COMPRESSION);
    vt_head_finish(&head);
    return response;
}

static void assert_opens(const char *text, const char *subprotocol)
{
    vt_response response = parse_response(text, offered);
    if (response.violation != NULL)
        fail_msg("%s: %s", text, response.violation);
    assert_int_equal(response.status, 101);
    if (subprotocol == NULL)
        assert_null(response.subprotocol);
    else
        assert_string_equal(response.subprotocol, subprotocol);
}

static void assert_violates(const char *text, const char *words)
{
    vt_response response = parse_response(text, offered);
    if (response.violation == NULL)
        fail_msg("%s: accepted with %d", text, response.status);
    else if (strstr(response.violation, words) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", text, response.violation, words);
}

static vt_response assert_rejects(const char *text, int status, const char *reason)
{
    vt_response response = parse_response(text, offered);
    if (response.violation != NULL)
        fail_msg("%s: %s", text, response.violation);
    assert_int_equal(response.status, status);
    assert_string_equal(response.reason, reason);
    return response;
}

static void the_answer_of_the_rfc_is_accepted_rfc_1_3(void **state)
{
    (void)state;
    assert_opens(RESPONSE, NULL);
    assert_opens(ANSWER("Sec-WebSocket-Protocol: chat\r\n"), "chat");
    assert_opens("HTTP/1.1 101\r\n" UPGRADE CONNECTION ACCEPTED END, NULL);
    assert_opens("HTTP/1.1 101 \r\n" UPGRADE CONNECTION ACCEPTED END, NULL);
    assert_opens(ANSWER("Content-Length: 0\r\nServer: x\r\n"), NULL);
}

static void a_101_must_upgrade_to_websocket_rfc_4_1(void **state)
{
    (void)state;
#define REST CONNECTION ACCEPTED END
    assert_opens(SWITCH "upgrade: WebSocket\r\n" REST, NULL);
    assert_violates(SWITCH REST, "Upgrade is not websocket");
    assert_violates(SWITCH "Upgrade: h2c\r\n" REST, "Upgrade is not websocket");
    assert_violates(SWITCH "Upgrade:\r\n" REST, "Upgrade is not websocket");
    assert_violates(SWITCH "Upgrade: websocket, h2c\r\n" REST, "Upgrade is not websocket");
    assert_violates(SWITCH UPGRADE UPGRADE REST, "Upgrade is not websocket");
#undef REST
}

static void a_101_must_have_connection_upgrade_rfc_4_1(void **state)
{
    (void)state;
    assert_opens(SWITCH UPGRADE "Connection: keep-alive, upgrade\r\n" ACCEPTED END, NULL);
    assert_violates(SWITCH UPGRADE ACCEPTED END, "Connection does not name Upgrade");
    assert_violates(SWITCH UPGRADE "Connection: close\r\n" ACCEPTED END,
                    "Connection does not name Upgrade");
}

static void a_101_must_answer_our_key_once_rfc_4_1(void **state)
{
    (void)state;
#define ACCEPTING(value) SWITCH UPGRADE CONNECTION value END
    assert_opens(ACCEPTING("Sec-WebSocket-Accept: \t " ACCEPT " \t\r\n"), NULL);
    assert_violates(ACCEPTING(""), "no Sec-WebSocket-Accept");
    assert_violates(ACCEPTING(ACCEPTED ACCEPTED), "more than one Sec-WebSocket-Accept");
    assert_violates(ACCEPTING("Sec-WebSocket-Accept:\r\n"), "does not fit our key");
    assert_violates(ACCEPTING("Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
                    "does not fit our key");
    assert_violates(ACCEPTING("Sec-WebSocket-Accept: " ACCEPT "x\r\n"), "does not fit our key");
    assert_violates(ACCEPTING("Sec-WebSocket-Accept: " KEY "\r\n"), "does not fit our key");
#undef ACCEPTING
}

static void a_101_must_not_use_an_extension_that_was_not_offered_rfc_4_1(void **state)
{
    (void)state;
    assert_violates(ANSWER("Sec-WebSocket-Extensions: permessage-deflate\r\n"), "extension");
    assert_violates(ANSWER("Sec-WebSocket-Extensions:\r\n"), "extension");
}

static void a_101_must_choose_an_offered_subprotocol_or_none_rfc_4_1(void **state)
{
    (void)state;
    assert_opens(ANSWER("Sec-WebSocket-Protocol: superchat \r\n"), "superchat");
    assert_violates(ANSWER("Sec-WebSocket-Protocol: Chat\r\n"), "not offered");
    assert_violates(ANSWER("Sec-WebSocket-Protocol: chat, superchat\r\n"), "not offered");
    assert_violates(ANSWER("Sec-WebSocket-Protocol:\r\n"), "not offered");
    assert_violates(ANSWER("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n"),
                    "more than one Sec-WebSocket-Protocol");
    vt_response response = parse_response(ANSWER("Sec-WebSocket-Protocol: chat\r\n"), NULL);
    assert_non_null(response.violation);
}

static void a_subprotocol_points_into_what_was_offered(void **state)
{
    (void)state;
    vt_response response = parse_response(ANSWER("Sec-WebSocket-Protocol: chat\r\n"), offered);
    assert_ptr_equal(response.subprotocol, offered[0]);
}

static void a_101_is_strict_http(void **state)
{
    (void)state;
    assert_violates(ANSWER("A : b\r\n"), "colon");
    assert_violates(ANSWER("A: b\r\n c\r\n"), "folded");
    assert_violates(SWITCH "A: b\n", "CRLF");
    assert_violates("HTTP/1.1 101 Switching Protocols\n", "CRLF");
    assert_violates("HTTP/1.0 101 Switching Protocols\r\n" UPGRADE CONNECTION ACCEPTED END,
                    "HTTP/1.0");
    char text[1024] = SWITCH UPGRADE CONNECTION ACCEPTED;
    for (int i = 0; i < 62; i++)
        strcat(text, "A: b\r\n");
    strcat(text, END);
    assert_violates(text, "64");
}

static void another_status_is_a_refusal_with_its_words_rfc_4_1(void **state)
{
    (void)state;
    assert_rejects("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 403, "Forbidden");
    assert_rejects("HTTP/1.1 200 OK\r\n\r\n", 200, "OK");
    assert_rejects("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", 302, "Found");
    assert_rejects("HTTP/1.0 404 File not found\r\nServer: SimpleHTTP/0.6\r\n\r\n", 404,
                   "File not found");
    assert_rejects("HTTP/1.1 503\r\n\r\n", 503, "");
    assert_rejects("HTTP/1.1 400 a\tb\xc3\xbc\r\n\r\n", 400, "a?b??");
    /* Sloppy headers do not hide the status. */
    assert_rejects("HTTP/1.0 501 Unsupported method\r\nServer x\r\n\r\n", 501,
                   "Unsupported method");
    assert_rejects("HTTP/1.0 404 Not Found\r\nA: b\n", 404, "Not Found");

    char text[300] = "HTTP/1.1 500 ";
    memset(text + 13, 'x', 200);
    strcpy(text + 213, "\r\n\r\n");
    assert_int_equal(strlen(parse_response(text, offered).reason), 63);
}

static void a_redirect_has_one_location_rfc_9110_10_2_2(void **state)
{
    (void)state;
    static const struct {
        const char *head, *location;
    } all[] = {
        {"HTTP/1.1 302 Found\r\nlocation: /x \r\n\r\n", "/x"},
        {"HTTP/1.1 308 \r\nLocation:\r\n\r\n", ""},
        {"HTTP/1.1 302 Found\r\n\r\n", NULL},
        {"HTTP/1.1 302 Found\r\nLocation: /x\r\nLocation: /x\r\n\r\n", NULL},
        {"HTTP/1.1 302 Found\r\nLocation: /x\r\nBad header\r\n\r\n", NULL},
        {"HTTP/1.1 300 Choices\r\nLocation: /x\r\n\r\n", NULL},
        {"HTTP/1.1 304 Same\r\nLocation: /x\r\n\r\n", NULL},
        {"HTTP/1.1 401 No\r\nLocation: /x\r\n\r\n", NULL},
        {"HTTP/1.1 200 OK\r\nLocation: /x\r\n\r\n", NULL},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_head head;
        assert_true(gather(&head, all[i].head, strlen(all[i].head), SIZE_MAX));
        vt_response response = vt_response_parse(&head, KEY, offered, &NO_COMPRESSION);
        assert_null(response.violation);
        if (all[i].location == NULL)
            assert_null(response.location);
        else
            assert_string_equal(response.location, all[i].location);
        vt_head_finish(&head);
    }
}

static void retry_after_is_read_in_seconds_rfc_9110_10_2_3(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int seconds;
    } all[] = {
        {"0", 0},
        {"120", 120},
        {"604800", 604800},
        {"604801", 604800},
        {"99999999999999999999999999", 604800},
        {"-1", -1},
        {"", -1},
        {"1.5", -1},
        {"Fri, 31 Dec 1999 23:59:59 GMT", -1},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "HTTP/1.1 503 x\r\nretry-after: %s\r\n\r\n", all[i].value);
        assert_int_equal(assert_rejects(text, 503, "x").retry_after_s, all[i].seconds);
    }
    assert_int_equal(assert_rejects("HTTP/1.1 503 x\r\n\r\n", 503, "x").retry_after_s, -1);
    assert_int_equal(parse_response(RESPONSE, offered).retry_after_s, -1);
}

static void a_peer_that_does_not_speak_http_is_found_out(void **state)
{
    (void)state;
    static const char words[] = "the peer does not speak HTTP";
    assert_violates("SSH-2.0-OpenSSH_9.2\r\n", words);
    assert_violates("220 mail.example.org ESMTP\r\n", words);
    assert_violates("-ERR unknown command\r\n", words);
    assert_violates("\x15\x03\x01", words); /* a TLS alert */
    assert_violates(REQUEST, words);
    assert_violates("\n", words);
    assert_violates("http/1.1 101 x\r\n\r\n", words);
    vt_head head = {0};
    assert_string_equal(vt_response_parse(&head, KEY, offered, &NO_COMPRESSION).violation, words);
}

static void a_status_line_that_is_not_strict_is_a_violation_rfc_9112_4(void **state)
{
    (void)state;
    assert_violates("HTTP/2.0 101 x\r\n\r\n", "another HTTP");
    assert_violates("HTTP/1.x 101 x\r\n\r\n", "another HTTP");
    assert_violates("HTTP/1.11 101 x\r\n\r\n", "another HTTP");
    assert_violates("HTTP/\r\n\r\n", "another HTTP");
    assert_violates("HTTP/1.1\r\n\r\n", "another HTTP");
    assert_violates("HTTP/1.1 \r\n\r\n", "status");
    assert_violates("HTTP/1.1 10\r\n\r\n", "status");
    assert_violates("HTTP/1.1 1011 x\r\n\r\n", "status");
    assert_violates("HTTP/1.1 099 x\r\n\r\n", "status");
    assert_violates("HTTP/1.1 600 x\r\n\r\n", "status");
    assert_violates("HTTP/1.1 101x\r\n\r\n", "status");
    assert_violates("HTTP/1.1  101 x\r\n\r\n", "status");
}

static void mutated_responses_are_violations_or_good_and_never_worse(void **state)
{
    (void)state;
    static const char *const roots[] = {
        RESPONSE, ANSWER("Sec-WebSocket-Protocol: chat\r\n"),
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 120\r\n\r\n",
        "HTTP/1.0 404 Not Found\r\n\r\n"};
    uint32_t seed = 6455;
    int good = 0;
    for (int round = 0; round < 100000; round++) {
        char text[4096];
        size_t size = strlen(strcpy(text, roots[random_of(&seed) % 4]));
        size = mutate(text, size, sizeof text, &seed);
        vt_head head;
        gather(&head, text, size, 1 + random_of(&seed) % 64);
        vt_response response = vt_response_parse(&head, KEY, offered, &NO_COMPRESSION);
        assert_non_null(memchr(response.reason, '\0', sizeof response.reason));
        if (response.violation == NULL) {
            good++;
            assert_true(response.status >= 100 && response.status <= 599);
            assert_true(response.retry_after_s >= -1 && response.retry_after_s <= 604800);
        }
        vt_head_finish(&head);
    }
    assert_true(good > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extensions_are_declined_rfc_9_1),
        cmocka_unit_test(a_101_has_all_that_the_client_checks_rfc_4_2_2),
        cmocka_unit_test(a_101_has_the_headers_of_the_application_too),
        cmocka_unit_test(an_answer_is_whole_http_and_ends_the_stream),
        cmocka_unit_test(a_body_may_hold_any_bytes),
        cmocka_unit_test(the_answer_to_a_head_has_its_length_and_no_body_rfc_9110_9_3_2),
        cmocka_unit_test(a_426_names_the_version_that_we_speak_rfc_4_4),
        cmocka_unit_test(a_405_names_the_methods_that_are_allowed_rfc_9110_15_5_6),
        cmocka_unit_test(a12_what_an_application_answers_is_checked),
        cmocka_unit_test(the_answer_of_the_rfc_is_accepted_rfc_1_3),
        cmocka_unit_test(a_101_must_upgrade_to_websocket_rfc_4_1),
        cmocka_unit_test(a_101_must_have_connection_upgrade_rfc_4_1),
        cmocka_unit_test(a_101_must_answer_our_key_once_rfc_4_1),
        cmocka_unit_test(a_101_must_not_use_an_extension_that_was_not_offered_rfc_4_1),
        cmocka_unit_test(a_101_must_choose_an_offered_subprotocol_or_none_rfc_4_1),
        cmocka_unit_test(a_subprotocol_points_into_what_was_offered),
        cmocka_unit_test(a_101_is_strict_http),
        cmocka_unit_test(another_status_is_a_refusal_with_its_words_rfc_4_1),
        cmocka_unit_test(a_redirect_has_one_location_rfc_9110_10_2_2),
        cmocka_unit_test(retry_after_is_read_in_seconds_rfc_9110_10_2_3),
        cmocka_unit_test(a_peer_that_does_not_speak_http_is_found_out),
        cmocka_unit_test(a_status_line_that_is_not_strict_is_a_violation_rfc_9112_4),
        cmocka_unit_test(mutated_responses_are_violations_or_good_and_never_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
