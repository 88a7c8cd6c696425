/*
 * Every rule of RFC 6455 4, kept and broken, in both roles. A case is the
 * example of the RFC with one line changed.
 */
#include "handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "url.h"

enum { LIMIT = 8192 };

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define LINE "GET /chat?room=1 HTTP/1.1\r\n"
#define HOST "Host: server.example.com\r\n"
#define UPGRADE "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define KEYED "Sec-WebSocket-Key: " KEY "\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define END "\r\n"
#define FIELDS HOST UPGRADE CONNECTION KEYED VERSION
#define REQUEST LINE FIELDS END
/* A good request with more headers. */
#define WITH(more) LINE FIELDS more END

#define SWITCH "HTTP/1.1 101 Switching Protocols\r\n"
#define ACCEPTED "Sec-WebSocket-Accept: " ACCEPT "\r\n"
#define RESPONSE SWITCH UPGRADE CONNECTION ACCEPTED END
#define ANSWER(more) SWITCH UPGRADE CONNECTION ACCEPTED more END

/* In pieces of so many bytes: whether it became complete. */
static bool gather(vt_head *head, const char *bytes, size_t size, size_t piece)
{
    *head = (vt_head){0};
    int result = 0;
    for (size_t at = 0; result == 0 && at < size;) {
        size_t used;
        size_t left = size - at;
        result = vt_head_feed(head, bytes + at, left < piece ? left : piece, LIMIT, &used);
        at += used;
    }
    return result == 1;
}

/* -------------------------------------------------------------- the request */

static vt_refusal parse_request(vital_request *out, vt_head *head, const char *text, size_t piece)
{
    if (!gather(head, text, strlen(text), piece))
        fail_msg("not a whole head: %s", text);
    return vt_request_parse(out, head);
}

static void assert_path(const char *text, const char *path)
{
    vt_head head;
    vital_request request;
    vt_refusal refusal = parse_request(&request, &head, text, SIZE_MAX);
    if (refusal.status != 0)
        fail_msg("%s: %d %s", text, refusal.status, refusal.why);
    assert_string_equal(vital_request_path(&request), path);
    assert_string_equal(request.method, "GET");
    vt_head_finish(&head);
}

static void assert_good(const char *text)
{
    assert_path(text, "/chat?room=1");
}

static void assert_refused(const char *text, int status, const char *words)
{
    vt_head head;
    vital_request request;
    vt_refusal refusal = parse_request(&request, &head, text, SIZE_MAX);
    if (refusal.status != status)
        fail_msg("%s: %d (%s) and not %d", text, refusal.status, refusal.why, status);
    assert_non_null(refusal.why);
    if (strstr(refusal.why, words) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", text, refusal.why, words);
    assert_non_null(vital_request_path(&request));
    vt_head_finish(&head);
}

static void the_example_of_the_rfc_is_accepted_rfc_1_2(void **state)
{
    (void)state;
    assert_path("GET /chat HTTP/1.1\r\n"
                "Host: server.example.com\r\n"
                "Upgrade: websocket\r\n"
                "Connection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Origin: http://example.com\r\n"
                "Sec-WebSocket-Protocol: chat, superchat\r\n"
                "Sec-WebSocket-Version: 13\r\n\r\n",
                "/chat");
    assert_good(REQUEST);
}

static void a_request_byte_by_byte_is_the_same_request(void **state)
{
    (void)state;
    static const char *const all[] = {
        WITH("Sec-WebSocket-Protocol: a, b\r\nCookie: x=1\r\n"),
        LINE HOST UPGRADE CONNECTION VERSION END,
        "POST / HTTP/1.1\r\n" FIELDS END,
        LINE "Host: h\n" END,
        "GET / HTTP/1.1\r\n" HOST END,
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_head whole;
        vital_request want;
        vt_refusal refusal = parse_request(&want, &whole, all[i], SIZE_MAX);
        for (size_t piece = 1; piece < strlen(all[i]); piece++) {
            vt_head head;
            vital_request have;
            vt_refusal other = parse_request(&have, &head, all[i], piece);
            assert_int_equal(other.status, refusal.status);
            assert_ptr_equal(other.why, refusal.why);
            assert_string_equal(have.path, want.path);
            assert_int_equal(have.headers.count, want.headers.count);
            for (size_t at = 0; at < have.headers.count; at++) {
                assert_string_equal(have.headers.at[at].name, want.headers.at[at].name);
                assert_string_equal(have.headers.at[at].value, want.headers.at[at].value);
            }
            vt_head_finish(&head);
        }
        vt_head_finish(&whole);
    }
}

static void a_method_other_than_get_is_refused_rfc_4_2_1(void **state)
{
    (void)state;
    static const char *const all[] = {
        "POST / HTTP/1.1\r\n" FIELDS END,       "get / HTTP/1.1\r\n" FIELDS END,
        "HEAD / HTTP/1.1\r\n" FIELDS END,       "GETS / HTTP/1.1\r\n" FIELDS END,
        "CONNECT h:80 HTTP/1.1\r\n" FIELDS END, "OPTIONS * HTTP/1.1\r\n" FIELDS END};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_refused(all[i], 405, "GET");
}

static void an_http_version_other_than_1_1_is_refused_rfc_4_2_1(void **state)
{
    (void)state;
    assert_refused("GET / HTTP/1.0\r\n" FIELDS END, 505, "HTTP/1.1");
    assert_refused("GET / HTTP/0.9\r\n" FIELDS END, 505, "HTTP/1.1");
    assert_refused("GET / HTTP/2.0\r\n" FIELDS END, 505, "HTTP/1.1");
    assert_refused("PRI * HTTP/2.0\r\n\r\n", 505, "HTTP/1.1");
    assert_good("GET /chat?room=1 HTTP/1.2\r\n" FIELDS END); /* "or higher" */
}

static void a_request_line_that_is_not_strict_is_refused_rfc_9112_3(void **state)
{
    (void)state;
    static const char *const all[] = {
        "GET / http/1.1 HTTP/\r\n" FIELDS END, "GET  / HTTP/1.1\r\n" FIELDS END,
        "GET /  HTTP/1.1\r\n" FIELDS END,      "GET\t/ HTTP/1.1\r\n" FIELDS END,
        " GET / HTTP/1.1\r\n" FIELDS END,      "GET / HTTP/1.1 \r\n" FIELDS END,
        "GET / HTTP/11\r\n" FIELDS END,        "GET / HTTP/1.10\r\n" FIELDS END,
        "GET / HTTP/1,1\r\n" FIELDS END,       "GET / HTTP/\r\n" FIELDS END,
        "GET HTTP/1.1\r\n" FIELDS END,         "HTTP/1.1\r\n" FIELDS END,
        "G(T / HTTP/1.1\r\n" FIELDS END,       "HTTP/1.1 200 OK\r\n" FIELDS END};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_refused(all[i], 400, "request");
}

static void a_request_target_is_a_path_without_a_fragment_rfc_3(void **state)
{
    (void)state;
    static const char *const all[] = {
        "GET chat HTTP/1.1\r\n" FIELDS END,    "GET * HTTP/1.1\r\n" FIELDS END,
        "GET ?x HTTP/1.1\r\n" FIELDS END,      "GET /a#b HTTP/1.1\r\n" FIELDS END,
        "GET /a b HTTP/1.1\r\n" FIELDS END,    "GET /\xc3\xbc HTTP/1.1\r\n" FIELDS END,
        "GET ftp://h/ HTTP/1.1\r\n" FIELDS END};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_refused(all[i], 400, "target");
    assert_path("GET //a/%23?b=/?c HTTP/1.1\r\n" FIELDS END, "//a/%23?b=/?c");
}

static void an_absolute_target_gives_its_path_rfc_4_1_and_9112_3_2_2(void **state)
{
    (void)state;
    assert_path("GET ws://server.example.com/chat?x HTTP/1.1\r\n" FIELDS END, "/chat?x");
    assert_path("GET http://server.example.com/chat HTTP/1.1\r\n" FIELDS END, "/chat");
    assert_path("GET HTTPS://Server.Example.COM/ HTTP/1.1\r\n" FIELDS END, "/");
    assert_path("GET wss://server.example.com HTTP/1.1\r\n" FIELDS END, "/");
    assert_path("GET ws://server.example.com?x=1 HTTP/1.1\r\n" FIELDS END, "/?x=1");
    assert_refused("GET ws://other.example.com/ HTTP/1.1\r\n" FIELDS END, 400, "differs");
    assert_refused("GET ws://server.example.com:80/ HTTP/1.1\r\n" FIELDS END, 400, "differs");
    assert_refused("GET ws:///chat HTTP/1.1\r\n" FIELDS END, 400, "differs");
    assert_refused("GET ws://?x HTTP/1.1\r\n" FIELDS END, 400, "differs");
    assert_refused("GET ws://u@server.example.com/ HTTP/1.1\r\n" FIELDS END, 400, "differs");
    assert_refused("GET ws://server.example.com/#x HTTP/1.1\r\n" FIELDS END, 400, "target");
}

static void host_is_there_once_and_names_a_host_rfc_4_2_1(void **state)
{
    (void)state;
#define REST UPGRADE CONNECTION KEYED VERSION END
    assert_refused(LINE REST, 400, "Host");
    assert_refused(LINE HOST HOST REST, 400, "Host");
    assert_refused(LINE "Host:\r\n" REST, 400, "Host");
    assert_refused(LINE "Host: a b\r\n" REST, 400, "Host");
    assert_refused(LINE "Host: a/b\r\n" REST, 400, "Host");
    assert_refused(LINE "Host: u@h\r\n" REST, 400, "Host");
    assert_refused(LINE "Host: b\xc3\xbc.example\r\n" REST, 400, "Host");
    assert_good(LINE "host: [::1]:9001\r\n" REST);
    assert_good(LINE "HOST:h:80\r\n" REST);
#undef REST
}

static void a_plain_http_request_is_told_what_this_server_is_rfc_4_2_1(void **state)
{
    (void)state;
    assert_refused("GET / HTTP/1.1\r\n" HOST END, 426, "This is a WebSocket server");
    assert_refused(LINE HOST CONNECTION KEYED VERSION END, 426, "This is a WebSocket server");
}

static void upgrade_names_websocket_in_any_case_rfc_4_2_1(void **state)
{
    (void)state;
#define REST CONNECTION KEYED VERSION END
    assert_good(LINE HOST "upgrade: WebSocket\r\n" REST);
    assert_good(LINE HOST "UPGRADE: WEBSOCKET\r\n" REST);
    assert_good(LINE HOST "Upgrade: h2c, websocket\r\n" REST);
    assert_good(LINE HOST "Upgrade: h2c\r\nUpgrade: x,websocket ,y\r\n" REST);
    assert_refused(LINE HOST "Upgrade: h2c\r\n" REST, 426, "Upgrade");
    assert_refused(LINE HOST "Upgrade:\r\n" REST, 426, "Upgrade");
    assert_refused(LINE HOST "Upgrade: websockets\r\n" REST, 426, "Upgrade");
    assert_refused(LINE HOST "Upgrade: websocket/13\r\n" REST, 426, "Upgrade");
    assert_refused(LINE HOST "Upgrade: web socket\r\n" REST, 426, "Upgrade");
    assert_refused(LINE HOST "Upgrade: \"websocket\"\r\n" REST, 426, "Upgrade");
#undef REST
}

static void connection_names_upgrade_in_any_case_rfc_4_2_1(void **state)
{
    (void)state;
#define REST KEYED VERSION END
    assert_good(LINE HOST UPGRADE "connection: upgrade\r\n" REST);
    assert_good(LINE HOST UPGRADE "Connection: keep-alive, UPGRADE\r\n" REST);
    assert_good(LINE HOST UPGRADE "Connection: keep-alive\r\nConnection: Upgrade\r\n" REST);
    assert_refused(LINE HOST UPGRADE REST, 400, "Connection");
    assert_refused(LINE HOST UPGRADE "Connection: close\r\n" REST, 400, "Connection");
    assert_refused(LINE HOST UPGRADE "Connection: upgraded\r\n" REST, 400, "Connection");
    assert_refused(LINE HOST UPGRADE "Connection: x;Upgrade\r\n" REST, 400, "Connection");
#undef REST
}

static void a_request_without_a_key_is_refused_rfc_4_2_1(void **state)
{
    (void)state;
    assert_refused(LINE HOST UPGRADE CONNECTION VERSION END, 400, "Sec-WebSocket-Key");
}

static void a_key_comes_once_rfc_11_3_1(void **state)
{
    (void)state;
    assert_refused(LINE FIELDS KEYED END, 400, "Sec-WebSocket-Key");
}

static void a_key_is_base64_of_16_bytes_rfc_4_2_1(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "dGhlIHNhbXBsZSBub25jZQ=",     /* a padding character is missing */
        "dGhlIHNhbXBsZSBub25jZQ",      /* both */
        "dGhlIHNhbXBsZSBub25jZQ===",   /* one too many */
        "dGhlIHNhbXBsZSBub25jZVE=",    /* 17 bytes */
        "dGhlIHNhbXBsZSBub25j",        /* 15 bytes */
        "dGhlIHNhbXBsZSBub25jZR==",    /* bits beyond the 128th */
        "//////////////////////==",    /* likewise */
        "dGhlIHNhbXBsZSBub25jZ===",    /* padding inside */
        "dGhlIHNhbXBsZSBub25jZQ=A",    /* data behind the padding */
        "dGhlIHNhbXBsZSBub25-ZQ==",    /* base64url */
        "dGhlIHNhbXBsZ SBub25jZQ==",   /* a space */
        "dGhlIHNhbXBsZSBub25jZQ==, x", /* a list */
    };
    static const char *const good[] = {KEY, "AAAAAAAAAAAAAAAAAAAAAA==", "+/+/+/+/+/+/+/+/+/+/+g=="};
    char text[512];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text,
                 LINE HOST UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: %s\r\n\r\n", bad[i]);
        assert_refused(text, 400, "Sec-WebSocket-Key");
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(text, sizeof text,
                 LINE HOST UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: %s\r\n\r\n", good[i]);
        assert_good(text);
    }
}

static void a_version_other_than_13_is_refused_with_426_rfc_4_2_2(void **state)
{
    (void)state;
#define VERSIONED(value) LINE HOST UPGRADE CONNECTION KEYED value END
    assert_refused(VERSIONED(""), 426, "Sec-WebSocket-Version");
    assert_refused(VERSIONED("Sec-WebSocket-Version:\r\n"), 426, "Sec-WebSocket-Version");
    assert_refused(VERSIONED("Sec-WebSocket-Version: 8\r\n"), 426, "Sec-WebSocket-Version");
    assert_refused(VERSIONED("Sec-WebSocket-Version: 013\r\n"), 426, "Sec-WebSocket-Version");
    assert_refused(VERSIONED("Sec-WebSocket-Version: 13, 8\r\n"), 426, "Sec-WebSocket-Version");
    assert_refused(VERSIONED(VERSION VERSION), 426, "Sec-WebSocket-Version");
#undef VERSIONED
    /* A client of an old draft has no key of ours, and must still learn why. */
    assert_refused(LINE HOST UPGRADE CONNECTION "Sec-WebSocket-Version: 8\r\n" END, 426, "be 13");
}

static void a_request_with_a_body_is_refused_attack_a5(void **state)
{
    (void)state;
    assert_good(WITH("Content-Length: 0\r\n"));
    assert_good(WITH("Content-Length: 000\r\n"));
    assert_refused(WITH("Content-Length: 1\r\n"), 413, "body");
    assert_refused(WITH("Content-Length: 99999999999999999999999\r\n"), 413, "body");
    assert_refused(WITH("Content-Length: -1\r\n"), 400, "Content-Length");
    assert_refused(WITH("Content-Length:\r\n"), 400, "Content-Length");
    assert_refused(WITH("Content-Length: 0, 0\r\n"), 400, "Content-Length");
    assert_refused(WITH("Content-Length: 0\r\nContent-Length: 0\r\n"), 400, "Content-Length");
    assert_refused(WITH("Transfer-Encoding: chunked\r\n"), 400, "Transfer-Encoding");
    assert_refused(WITH("Transfer-Encoding: identity\r\n"), 400, "Transfer-Encoding");
}

static void what_is_not_strict_in_a_request_is_refused_attack_a14(void **state)
{
    (void)state;
    assert_refused(WITH("A: b\nC: d\r\n"), 400, "CRLF");
    assert_refused(WITH("A: b\r\n c\r\n"), 400, "folded");
    assert_refused(WITH("A : b\r\n"), 400, "colon");
    assert_refused(WITH("A: \x01\r\n"), 400, "control");
    assert_refused(WITH(": b\r\n"), 400, "no name");
    assert_good(WITH("A: \xc3\xbc\xff\r\n"));
}

static void more_than_64_headers_are_refused_attack_a2(void **state)
{
    (void)state;
    for (int more = 59; more <= 60; more++) {
        char text[1024] = LINE FIELDS;
        for (int i = 0; i < more; i++)
            strcat(text, "A: b\r\n");
        strcat(text, END);
        if (more == 59)
            assert_good(text);
        else
            assert_refused(text, 431, "64");
    }
}

static void origin_and_unknown_headers_are_for_the_application_rfc_4_2_1(void **state)
{
    (void)state;
    vt_head head;
    vital_request request;
    vt_refusal refusal = parse_request(
        &request, &head, WITH("Origin: http://example.com\r\nX-A: 1\r\nx-a: 2\r\n"), SIZE_MAX);
    assert_int_equal(refusal.status, 0);
    assert_string_equal(vital_request_header(&request, "ORIGIN"), "http://example.com");
    assert_string_equal(vital_request_header(&request, "X-A"), "1");
    assert_null(vital_request_header(&request, "X-B"));
    assert_null(vital_request_header(&request, ""));
    vt_head_finish(&head);
}

/* ------------------------------------------------------------- subprotocols */

static const char *chosen(const char *text, const char *const *ours)
{
    vt_head head;
    vital_request request;
    vt_refusal refusal = parse_request(&request, &head, text, SIZE_MAX);
    if (refusal.status != 0)
        fail_msg("%s: %d %s", text, refusal.status, refusal.why);
    const char *name = vt_request_subprotocol(&request, ours);
    vt_head_finish(&head);
    return name != NULL ? name : "none";
}

static void the_server_chooses_one_of_the_offered_subprotocols_rfc_4_2_2(void **state)
{
    (void)state;
    static const char *const ours[] = {"second", "first", NULL};
    static const char *const none[] = {NULL};
#define OFFER(names) WITH("Sec-WebSocket-Protocol: " names "\r\n")
    assert_string_equal(chosen(OFFER("first, second"), ours), "second");
    assert_string_equal(chosen(OFFER("first"), ours), "first");
    assert_string_equal(chosen(OFFER("x,first ,y"), ours), "first");
    assert_string_equal(chosen(OFFER("x\r\nSec-WebSocket-Protocol: second"), ours), "second");
    assert_string_equal(chosen(OFFER("First, SECOND, firs, firstly"), ours), "none");
    assert_string_equal(chosen(OFFER("first"), none), "none");
    assert_string_equal(chosen(OFFER("first"), NULL), "none");
    assert_string_equal(chosen(REQUEST, ours), "none");
}

static void offered_subprotocols_are_distinct_tokens_rfc_4_1(void **state)
{
    (void)state;
    assert_refused(OFFER("a b"), 400, "token");
    assert_refused(OFFER("a, b@c"), 400, "token");
    assert_refused(OFFER("a\xc3\xbc"), 400, "token");
    assert_refused(OFFER("\"a\""), 400, "token");
    assert_refused(OFFER("a, b, a"), 400, "twice");
    assert_refused(OFFER("a\r\nSec-WebSocket-Protocol: b, a"), 400, "twice");
    assert_refused(OFFER(""), 400, "nothing");
    assert_refused(OFFER(" , "), 400, "nothing");
    assert_good(OFFER("a, A")); /* compared byte by byte */
    assert_good(OFFER("a,, b"));
}

static void the_offered_subprotocols_are_bounded(void **state)
{
    (void)state;
    for (int count = 64; count <= 65; count++) {
        char text[2048] = LINE FIELDS "Sec-WebSocket-Protocol: x0";
        for (int i = 1; i < count; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), ",x%d", i);
        strcat(text, "\r\n\r\n");
        if (count == 64)
            assert_good(text);
        else
            assert_refused(text, 400, "64");
    }
}

static void spaces_in_a_list_are_linear_work_attack_a6(void **state)
{
    (void)state;
    static char text[LIMIT];
    char *at = stpcpy(text, LINE FIELDS "Sec-WebSocket-Protocol: b");
    memset(at, ' ', 7500);
    strcpy(at + 7500, "x\r\n\r\n");
    assert_refused(text, 400, "token");
    memset(at, ',', 7500);
    assert_good(text);
}

static void extensions_are_declined_rfc_9_1(void **state)
{
    (void)state;
    assert_good(WITH("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"));
    assert_good(WITH("Sec-WebSocket-Extensions: constructor; a=\"b\r\n"));
    vt_head head;
    vital_request request;
    parse_request(&request, &head, WITH("Sec-WebSocket-Extensions: x\r\n"), SIZE_MAX);
    char *text = vt_response_write(&request, NULL);
    assert_non_null(text);
    assert_null(strstr(text, "Extensions"));
    free(text);
    vt_head_finish(&head);
}

/* ------------------------------------------------------------------- writing */

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

static void a_101_has_all_that_the_client_checks_rfc_4_2_2(void **state)
{
    (void)state;
    vt_head head;
    vital_request request;
    parse_request(&request, &head, OFFER("chat"), SIZE_MAX);
    char *text = vt_response_write(&request, "chat");
    assert_string_equal(text, "HTTP/1.1 101 Switching Protocols\r\n"
                              "Upgrade: websocket\r\n"
                              "Connection: Upgrade\r\n"
                              "Sec-WebSocket-Accept: " ACCEPT "\r\n"
                              "Sec-WebSocket-Protocol: chat\r\n\r\n");
    free(text);
    text = vt_response_write(&request, NULL);
    assert_string_equal(text, RESPONSE);
    free(text);
    vt_head_finish(&head);
}

static void a_refusal_says_why_in_plain_text(void **state)
{
    (void)state;
    char *text = vt_refusal_write(400, "because");
    assert_string_equal(text, "HTTP/1.1 400 Bad Request\r\n"
                              "Content-Type: text/plain; charset=utf-8\r\n"
                              "Content-Length: 8\r\n"
                              "Connection: close\r\n\r\n"
                              "because\n");
    free(text);
    text = vt_refusal_write(403, NULL);
    assert_non_null(strstr(text, "\r\nContent-Length: 10\r\n"));
    assert_non_null(strstr(text, "\r\n\r\nForbidden\n"));
    free(text);
    text = vt_refusal_write(599, "x");
    assert_non_null(strstr(text, "HTTP/1.1 599 Refused\r\n"));
    free(text);
    text = vt_refusal_write(200, "x");
    assert_non_null(strstr(text, "HTTP/1.1 500 Internal Server Error\r\n"));
    free(text);
}

static void a_426_names_the_version_that_we_speak_rfc_4_4(void **state)
{
    (void)state;
    char *text = vt_refusal_write(426, "x");
    assert_non_null(strstr(text, "HTTP/1.1 426 Upgrade Required\r\n"));
    assert_non_null(strstr(text, "\r\nSec-WebSocket-Version: 13\r\n"));
    assert_non_null(strstr(text, "\r\nUpgrade: websocket\r\n"));
    assert_non_null(strstr(text, "\r\nConnection: close, Upgrade\r\n"));
    free(text);
    text = vt_refusal_write(400, "x");
    assert_null(strstr(text, "Version"));
    free(text);
}

static void a_405_names_the_method_that_is_allowed_rfc_9110_15_5_6(void **state)
{
    (void)state;
    char *text = vt_refusal_write(405, "x");
    assert_non_null(strstr(text, "\r\nAllow: GET\r\n"));
    free(text);
}

static void a_written_request_has_all_that_the_rfc_wants_rfc_4_1(void **state)
{
    (void)state;
    static const char *const headers[] = {"Origin: http://example.com", "X-Empty:", NULL};
    static const char *const subprotocols[] = {"chat", "superchat", NULL};
    vt_request_parts parts = {.host = "server.example.com:9001",
                              .path = "/chat?x=1",
                              .key = KEY,
                              .headers = headers,
                              .subprotocols = subprotocols};
    char *text = vt_request_write(&parts);
    assert_string_equal(text, "GET /chat?x=1 HTTP/1.1\r\n"
                              "Host: server.example.com:9001\r\n"
                              "Upgrade: websocket\r\n"
                              "Connection: Upgrade\r\n"
                              "Sec-WebSocket-Key: " KEY "\r\n"
                              "Sec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Protocol: chat, superchat\r\n"
                              "Origin: http://example.com\r\n"
                              "X-Empty:\r\n\r\n");
    assert_path(text, "/chat?x=1");
    free(text);
    parts.headers = parts.subprotocols = NULL;
    text = vt_request_write(&parts);
    assert_null(strstr(text, "Protocol"));
    assert_path(text, "/chat?x=1");
    free(text);
}

static void a_long_request_is_written_whole(void **state)
{
    (void)state;
    char path[3000];
    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    vt_request_parts parts = {.host = "h", .path = path, .key = KEY};
    char *text = vt_request_write(&parts);
    assert_path(text, path);
    free(text);
}

/* -------------------------------------------------------- what a caller sets */

static void a_header_of_the_caller_cannot_become_two_attack_a12(void **state)
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

/* -------------------------------------------------------------- the response */

static const char *const offered[] = {"chat", "superchat", NULL};

static vt_response parse_response(const char *text, const char *const *names)
{
    vt_head head;
    if (!gather(&head, text, strlen(text), SIZE_MAX))
        fail_msg("not a whole head: %s", text);
    vt_response response = vt_response_parse(&head, KEY, names);
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
    assert_string_equal(vt_response_parse(&head, KEY, offered).violation, words);
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

/* -------------------------------------------------------------------- others */

static uint32_t random_of(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Changes, inserts, removes, repeats and cuts. Returns the new size. */
static size_t mutate(char *text, size_t size, size_t room, uint32_t *seed)
{
    static const char spice[] = "\r\n\r\n :,\t\0\x7f\xff=/?#HTTP/1.1 101 13websocketUpgrade";
    for (uint32_t n = random_of(seed) % 4; n > 0 && size > 1; n--) {
        size_t at = random_of(seed) % size;
        size_t run = 1 + random_of(seed) % 8;
        switch (random_of(seed) % 5) {
        case 0:
            text[at] = (char)random_of(seed);
            break;
        case 1:
            text[at] = spice[random_of(seed) % (sizeof spice - 1)];
            break;
        case 2: /* remove a run */
            run = run < size - at ? run : size - at;
            memmove(text + at, text + at + run, size - at - run);
            size -= run;
            break;
        case 3: /* repeat from there to the end */
            if (size + (size - at) <= room) {
                memmove(text + size, text + at, size - at);
                size += size - at;
            }
            break;
        default:
            size = at;
        }
    }
    return size;
}

static void mutated_requests_are_refused_or_good_and_never_worse(void **state)
{
    (void)state;
    static const char *const roots[] = {
        REQUEST, OFFER("chat, superchat"), WITH("Content-Length: 0\r\n"),
        "GET ws://server.example.com?x HTTP/1.1\r\n" FIELDS END, "GET / HTTP/1.1\r\n" HOST END};
    static const char *const ours[] = {"superchat", "chat", NULL};
    uint32_t seed = 6455;
    int good = 0;
    for (int round = 0; round < 100000; round++) {
        char text[4096];
        const char *root = roots[random_of(&seed) % 5];
        size_t size = strlen(strcpy(text, root));
        size = mutate(text, size, sizeof text, &seed);
        vt_head head;
        vital_request request;
        bool whole = gather(&head, text, size, 1 + random_of(&seed) % 64);
        vt_refusal refusal = vt_request_parse(&request, &head);
        if (refusal.status == 0) {
            good++;
            assert_true(whole);
            assert_null(vt_path_problem(request.path));
            char *answer = vt_response_write(&request, vt_request_subprotocol(&request, ours));
            assert_non_null(answer);
            free(answer);
        } else {
            char *answer = vt_refusal_write(refusal.status, refusal.why);
            assert_true(refusal.status >= 400 && refusal.status <= 599);
            assert_non_null(answer);
            free(answer);
        }
        vt_head_finish(&head);
    }
    assert_true(good > 1000); /* the mutations are not all too coarse */
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
        vt_response response = vt_response_parse(&head, KEY, offered);
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
        assert_int_equal(parse_request(&request, &head, asked, SIZE_MAX).status, 0);
        char *answer = vt_response_write(&request, vt_request_subprotocol(&request, offered));
        vt_head back;
        assert_true(gather(&back, answer, strlen(answer), SIZE_MAX));
        vt_response response = vt_response_parse(&back, key, offered);
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
        cmocka_unit_test(the_example_of_the_rfc_is_accepted_rfc_1_2),
        cmocka_unit_test(a_request_byte_by_byte_is_the_same_request),
        cmocka_unit_test(a_method_other_than_get_is_refused_rfc_4_2_1),
        cmocka_unit_test(an_http_version_other_than_1_1_is_refused_rfc_4_2_1),
        cmocka_unit_test(a_request_line_that_is_not_strict_is_refused_rfc_9112_3),
        cmocka_unit_test(a_request_target_is_a_path_without_a_fragment_rfc_3),
        cmocka_unit_test(an_absolute_target_gives_its_path_rfc_4_1_and_9112_3_2_2),
        cmocka_unit_test(host_is_there_once_and_names_a_host_rfc_4_2_1),
        cmocka_unit_test(a_plain_http_request_is_told_what_this_server_is_rfc_4_2_1),
        cmocka_unit_test(upgrade_names_websocket_in_any_case_rfc_4_2_1),
        cmocka_unit_test(connection_names_upgrade_in_any_case_rfc_4_2_1),
        cmocka_unit_test(a_request_without_a_key_is_refused_rfc_4_2_1),
        cmocka_unit_test(a_key_comes_once_rfc_11_3_1),
        cmocka_unit_test(a_key_is_base64_of_16_bytes_rfc_4_2_1),
        cmocka_unit_test(a_version_other_than_13_is_refused_with_426_rfc_4_2_2),
        cmocka_unit_test(a_request_with_a_body_is_refused_attack_a5),
        cmocka_unit_test(what_is_not_strict_in_a_request_is_refused_attack_a14),
        cmocka_unit_test(more_than_64_headers_are_refused_attack_a2),
        cmocka_unit_test(origin_and_unknown_headers_are_for_the_application_rfc_4_2_1),
        cmocka_unit_test(the_server_chooses_one_of_the_offered_subprotocols_rfc_4_2_2),
        cmocka_unit_test(offered_subprotocols_are_distinct_tokens_rfc_4_1),
        cmocka_unit_test(the_offered_subprotocols_are_bounded),
        cmocka_unit_test(spaces_in_a_list_are_linear_work_attack_a6),
        cmocka_unit_test(extensions_are_declined_rfc_9_1),
        cmocka_unit_test(the_answer_to_the_key_of_the_rfc_is_right_rfc_1_3),
        cmocka_unit_test(a_key_is_16_bytes_in_base64_rfc_4_1),
        cmocka_unit_test(a_101_has_all_that_the_client_checks_rfc_4_2_2),
        cmocka_unit_test(a_refusal_says_why_in_plain_text),
        cmocka_unit_test(a_426_names_the_version_that_we_speak_rfc_4_4),
        cmocka_unit_test(a_405_names_the_method_that_is_allowed_rfc_9110_15_5_6),
        cmocka_unit_test(a_written_request_has_all_that_the_rfc_wants_rfc_4_1),
        cmocka_unit_test(a_long_request_is_written_whole),
        cmocka_unit_test(a_header_of_the_caller_cannot_become_two_attack_a12),
        cmocka_unit_test(the_headers_of_the_handshake_are_not_the_callers),
        cmocka_unit_test(a_subprotocol_name_is_a_token_rfc_4_1),
        cmocka_unit_test(the_answer_of_the_rfc_is_accepted_rfc_1_3),
        cmocka_unit_test(a_101_must_upgrade_to_websocket_rfc_4_1),
        cmocka_unit_test(a_101_must_have_connection_upgrade_rfc_4_1),
        cmocka_unit_test(a_101_must_answer_our_key_once_rfc_4_1),
        cmocka_unit_test(a_101_must_not_use_an_extension_that_was_not_offered_rfc_4_1),
        cmocka_unit_test(a_101_must_choose_an_offered_subprotocol_or_none_rfc_4_1),
        cmocka_unit_test(a_subprotocol_points_into_what_was_offered),
        cmocka_unit_test(a_101_is_strict_http),
        cmocka_unit_test(another_status_is_a_refusal_with_its_words_rfc_4_1),
        cmocka_unit_test(retry_after_is_read_in_seconds_rfc_9110_10_2_3),
        cmocka_unit_test(a_peer_that_does_not_speak_http_is_found_out),
        cmocka_unit_test(a_status_line_that_is_not_strict_is_a_violation_rfc_9112_4),
        cmocka_unit_test(mutated_requests_are_refused_or_good_and_never_worse),
        cmocka_unit_test(mutated_responses_are_violations_or_good_and_never_worse),
        cmocka_unit_test(the_two_roles_understand_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
