/*
 * The key, its answer, what a caller may set, and the two halves together.
 */
#include "handshake.h"

#include "handshake_texts.h"

#include "request.h"
#include "response.h"

static void the_answer_to_the_key_of_the_rfc_is_right_rfc_1_3(void **state)
{
    (void)state;
    char accept[VT_ACCEPT_TEXT_BYTES + 1];
    vt_handshake_accept(accept, KEY);
    assert_string_equal(accept, ACCEPT);
}

static void a_key_is_16_bytes_in_base64_rfc_4_1(void **state)
{
    (void)state;
    char key[VT_KEY_TEXT_BYTES + 1];
    vt_handshake_key(key, (const uint8_t *)"the sample nonce");
    assert_string_equal(key, KEY);
}

static void a12_a_header_of_the_caller_cannot_become_two(void **state)
{
    (void)state;
    static const char *const bad[] = {"",        "X",           ":",        ": y",
                                      "X : y",   " X: y",       "X y: z",   "X: y\r\nZ: 1",
                                      "X: y\n",  "X: y\r",      "X\r\n: y", "X: \x01",
                                      "X: \x7f", "\xc3\xbc: y", "X(y): z"};
    static const char *const fine[] = {
        "X: y",        "X:y",          "X:",        "X: \t y ",        "Authorization: Bearer a.b",
        "X: \xc3\xbc", "Origin: null", "X-Host: h", "Sec-WebSocke: 1", "Sec-Fetch-Mode: websocket"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (vt_header_problem(bad[i]) == NULL)
            fail_msg("\"%s\" was let through", bad[i]);
    }
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        if (vt_header_problem(fine[i]) != NULL)
            fail_msg("\"%s\": %s", fine[i], vt_header_problem(fine[i]));
    }
}

static void the_headers_of_the_handshake_are_not_the_callers(void **state)
{
    (void)state;
    static const char *const all[] = {"Host: h",
                                      "hOST: h",
                                      "Upgrade: websocket",
                                      "Connection: close",
                                      "Sec-WebSocket-Key: x",
                                      "sec-websocket-protocol: x",
                                      "Sec-WebSocket-Extensions: x",
                                      "Sec-WebSocket-: x",
                                      "Content-Length: 5",
                                      "Transfer-Encoding: chunked"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const char *problem = vt_header_problem(all[i]);
        if (problem == NULL || strstr(problem, "belong to the handshake") == NULL)
            fail_msg("\"%s\": %s", all[i], problem != NULL ? problem : "no problem");
    }
}

static void a_subprotocol_name_is_a_token_rfc_4_1(void **state)
{
    (void)state;
    assert_null(vt_subprotocol_problem("v2.chat+json"));
    assert_non_null(vt_subprotocol_problem(""));
    assert_non_null(vt_subprotocol_problem("a b"));
    assert_non_null(vt_subprotocol_problem("a,b"));
    assert_non_null(vt_subprotocol_problem("a\r\nX: y"));
    assert_non_null(vt_subprotocol_problem("\xc3\xbc"));
}

static const char *const offered[] = {"chat", "superchat", NULL};

static void the_two_roles_understand_each_other(void **state)
{
    (void)state;
    uint32_t seed = 13;
    for (int round = 0; round < 200; round++) {
        uint8_t nonce[16];
        char key[VT_KEY_TEXT_BYTES + 1];
        for (size_t i = 0; i < sizeof nonce; i++)
            nonce[i] = (uint8_t)random_of(&seed);
        vt_handshake_key(key, nonce);
        vt_request_parts parts = {.host = "h", .path = "/", .key = key, .subprotocols = offered};
        char *asked = vt_request_write(&parts);
        vt_head head;
        vital_request request;
        assert_true(gather(&head, asked, strlen(asked), SIZE_MAX));
        assert_int_equal(vt_request_parse(&request, &head, false).status, 0);
        char *answer = vt_switch_write(&request, vt_request_subprotocol(&request, offered),
                                       &NO_DEFLATE, NULL);
        vt_head back;
        assert_true(gather(&back, answer, strlen(answer), SIZE_MAX));
        vt_response response = vt_response_parse(&back, key, offered, &NO_COMPRESSION);
        assert_null(response.violation);
        assert_int_equal(response.status, 101);
        assert_ptr_equal(response.subprotocol, offered[0]);
        free(asked);
        free(answer);
        vt_head_finish(&head);
        vt_head_finish(&back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_answer_to_the_key_of_the_rfc_is_right_rfc_1_3),
        cmocka_unit_test(a_key_is_16_bytes_in_base64_rfc_4_1),
        cmocka_unit_test(a12_a_header_of_the_caller_cannot_become_two),
        cmocka_unit_test(the_headers_of_the_handshake_are_not_the_callers),
        cmocka_unit_test(a_subprotocol_name_is_a_token_rfc_4_1),
        cmocka_unit_test(the_two_roles_understand_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
