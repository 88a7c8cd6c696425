/*
 * Every rule of RFC 6455 4 for a request, kept and broken. A case is the example
 * of the RFC with one line changed.
 */
#include "request.h"

#include "handshake_texts.h"

#include "url.h"

static vt_refusal parse_request(vital_request *out, vt_head *head, const char *text, size_t piece)
{
    if (!gather(head, text, strlen(text), piece))
        fail_msg("not a whole head: %s", text);
    return vt_request_parse(out, head, false);
}

static void assert_target(const char *text, const char *path, const char *query)
{
    vt_head head;
    vital_request request;
    vt_refusal refusal = parse_request(&request, &head, text, SIZE_MAX);
    if (refusal.status != 0)
        fail_msg("%s: %d %s", text, refusal.status, refusal.why);
    assert_string_equal(vital_request_path(&request), path);
    assert_string_equal(vital_request_query(&request), query);
    assert_string_equal(vital_request_method(&request), "GET");
    assert_true(request.upgrade);
    vt_head_finish(&head);
}

static void assert_path(const char *text, const char *path)
{
    assert_target(text, path, "");
}

static void assert_good(const char *text)
{
    assert_target(text, "/chat", "room=1");
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
    assert_target("GET //a/%23?b=/?c HTTP/1.1\r\n" FIELDS END, "//a/%23", "b=/?c");
    assert_target("GET /? HTTP/1.1\r\n" FIELDS END, "/", "");
}

static void an_absolute_target_gives_its_path_rfc_4_1_and_9112_3_2_2(void **state)
{
    (void)state;
    assert_target("GET ws://server.example.com/chat?x HTTP/1.1\r\n" FIELDS END, "/chat", "x");
    assert_path("GET http://server.example.com/chat HTTP/1.1\r\n" FIELDS END, "/chat");
    assert_path("GET HTTPS://Server.Example.COM/ HTTP/1.1\r\n" FIELDS END, "/");
    assert_path("GET wss://server.example.com HTTP/1.1\r\n" FIELDS END, "/");
    assert_target("GET ws://server.example.com?x=1 HTTP/1.1\r\n" FIELDS END, "/", "x=1");
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

static void a5_a_request_with_a_body_is_refused(void **state)
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

static void a14_what_is_not_strict_in_a_request_is_refused(void **state)
{
    (void)state;
    assert_refused(WITH("A: b\nC: d\r\n"), 400, "CRLF");
    assert_refused(WITH("A: b\r\n c\r\n"), 400, "folded");
    assert_refused(WITH("A : b\r\n"), 400, "colon");
    assert_refused(WITH("A: \x01\r\n"), 400, "control");
    assert_refused(WITH(": b\r\n"), 400, "no name");
    assert_good(WITH("A: \xc3\xbc\xff\r\n"));
}

static void a2_more_than_64_headers_are_refused(void **state)
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

/* ------------------------------------------------------------ plain requests */

static vt_refusal parse_plain(vital_request *out, vt_head *head, const char *text)
{
    assert_true(gather(head, text, strlen(text), SIZE_MAX));
    return vt_request_parse(out, head, true);
}

static void assert_plain(const char *text, const char *method)
{
    vt_head head;
    vital_request request;
    vt_refusal refusal = parse_plain(&request, &head, text);
    if (refusal.status != 0)
        fail_msg("%s: %d %s", text, refusal.status, refusal.why);
    assert_false(request.upgrade);
    assert_string_equal(vital_request_method(&request), method);
    assert_string_equal(vital_request_path(&request), "/chat");
    vt_head_finish(&head);
}

static void assert_plain_refused(const char *text, int status, const char *words)
{
    vt_head head;
    vital_request request;
    vt_refusal refusal = parse_plain(&request, &head, text);
    if (refusal.status != status || strstr(refusal.why, words) == NULL)
        fail_msg("%s: %d %s", text, refusal.status, refusal.why);
    vt_head_finish(&head);
}

static void a_plain_get_or_head_is_good_where_it_is_wanted(void **state)
{
    (void)state;
    assert_plain(LINE HOST END, "GET");
    assert_plain("HEAD /chat HTTP/1.1\r\n" HOST END, "HEAD");
    assert_plain(LINE HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n" END, "GET");
    assert_plain(LINE HOST "Content-Length: 0\r\n" END, "GET");
}

static void a14_a_plain_request_is_as_strict_as_any(void **state)
{
    (void)state;
    assert_plain_refused("POST /chat HTTP/1.1\r\n" HOST END, 405, "GET and HEAD");
    assert_plain_refused("GET /chat HTTP/1.0\r\n" HOST END, 505, "HTTP/1.1");
    assert_plain_refused(LINE END, 400, "Host");
    assert_plain_refused(LINE HOST HOST END, 400, "Host");
    assert_plain_refused(LINE HOST "Content-Length: 5\r\n" END, 413, "body");
    assert_plain_refused(LINE HOST "Transfer-Encoding: chunked\r\n" END, 400, "body");
    assert_plain_refused(LINE HOST "A: b\r\n c\r\n" END, 400, "folded");
    assert_plain_refused(LINE HOST "A: b\nC: d\r\n" END, 400, "CRLF");
}

/* It is not to be given a page, but to hear what is wrong with the proxy. */
static void who_wants_a_websocket_is_never_taken_for_a_plain_request(void **state)
{
    (void)state;
    assert_plain_refused(LINE HOST CONNECTION KEYED VERSION END, 426, "a proxy");
    assert_plain_refused(LINE HOST UPGRADE KEYED VERSION END, 400, "Connection");
    assert_plain_refused("HEAD /chat HTTP/1.1\r\n" FIELDS END, 405, "GET");
    vt_head head;
    vital_request request;
    assert_int_equal(parse_plain(&request, &head, REQUEST).status, 0);
    assert_true(request.upgrade);
    vt_head_finish(&head);
}

/* ---------------------------------------------------------------- accessors */

static void the_parameters_of_a_query_come_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value; /* NULL: there is none */
    } all[] = {
        {"room", "7"},   {"name", "J\xc3\xbcrgen M"},
        {"empty", ""},   {"flag", ""},
        {"a=b", "c=d"},  {"Room", NULL},
        {"roo", NULL},   {"", NULL},
        {"bad", NULL},   {"zero", NULL},
        {"x", "1"},      {"long", NULL},
        {"room7", NULL},
    };
    vt_head head;
    vital_request request;
    parse_request(&request, &head,
                  "GET /p?room=7&name=J%C3%BCrgen+M&&empty=&flag&a%3Db=c=d&bad=%4&zero=%00"
                  "&x=1&x=2&long=0123456789abcdef0&%00=y HTTP/1.1\r\n" FIELDS END,
                  SIZE_MAX);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char value[17];
        bool there = vital_request_parameter(&request, all[i].name, value, sizeof value);
        if (there != (all[i].value != NULL))
            fail_msg("%s: %s", all[i].name, there ? value : "none");
        if (there)
            assert_string_equal(value, all[i].value);
    }
    vt_head_finish(&head);
}

static void all_headers_can_be_walked(void **state)
{
    (void)state;
    vt_head head;
    vital_request request;
    size_t count;
    parse_request(&request, &head, WITH("Cookie: a=1\r\nX: \r\nX: 2\r\n"), SIZE_MAX);
    const vital_header *headers = vital_request_headers(&request, &count);
    assert_int_equal(count, 8);
    assert_string_equal(headers[0].name, "Host");
    assert_string_equal(headers[5].name, "Cookie");
    assert_string_equal(headers[5].value, "a=1");
    assert_string_equal(headers[6].value, "");
    assert_string_equal(headers[7].value, "2");
    vt_head_finish(&head);
}

/* RFC 9110 7.6.1 lets a header be named in Connection, for the next hop to drop:
 * we are the last, and believe no proxy anyway. */
static void a11_a_proxys_headers_are_headers_like_any_other(void **state)
{
    (void)state;
    vt_head head;
    vital_request request;
    parse_request(&request, &head,
                  LINE HOST UPGRADE "Connection: Upgrade, x-forwarded-user\r\n" KEYED VERSION
                                    "X-Forwarded-User: root\r\nX-Forwarded-Proto: https\r\n" END,
                  SIZE_MAX);
    assert_string_equal(vital_request_header(&request, "x-forwarded-user"), "root");
    assert_string_equal(vital_request_header(&request, "host"), "server.example.com");
    vt_head_finish(&head);
}

static void the_offered_subprotocols_can_be_walked(void **state)
{
    (void)state;
    vt_head head;
    vital_request request;
    parse_request(&request, &head,
                  WITH("Sec-WebSocket-Protocol: a, token.x,\r\n"
                       "Sec-WebSocket-Protocol: c\r\n"),
                  SIZE_MAX);
    static const char *const names[] = {"a", "token.x", "c"};
    for (size_t i = 0; i < 3; i++) {
        vital_bytes offered = vital_request_subprotocol(&request, i);
        assert_int_equal(offered.size, strlen(names[i]));
        assert_memory_equal(offered.data, names[i], offered.size);
        assert_true(vital_request_offers(&request, names[i]));
    }
    assert_int_equal(vital_request_subprotocol(&request, 3).size, 0);
    assert_int_equal(vital_request_subprotocol(&request, 300).size, 0);
    assert_false(vital_request_offers(&request, "A"));
    assert_false(vital_request_offers(&request, "token"));
    assert_false(vital_request_offers(&request, ""));
    vt_head_finish(&head);
}

static void an_origin_comes_once_rfc_6454_7_3(void **state)
{
    (void)state;
    assert_good(WITH("Origin: http://a\r\n"));
    assert_good(WITH("Origin: http://a http://b\r\n")); /* nobody's, as will be found */
    assert_refused(WITH("Origin: http://a\r\nOrigin: http://a\r\n"), 400, "more than one Origin");
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

static void a6_spaces_in_a_list_are_linear_work(void **state)
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

/* ------------------------------------------------------------------- writing */

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
    assert_target(text, "/chat", "x=1");
    free(text);
    parts.headers = parts.subprotocols = NULL;
    text = vt_request_write(&parts);
    assert_null(strstr(text, "Protocol"));
    assert_target(text, "/chat", "x=1");
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

/* -------------------------------------------------------------------- others */

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
        bool plain = random_of(&seed) % 2 == 0;
        bool whole = gather(&head, text, size, 1 + random_of(&seed) % 64);
        vt_refusal refusal = vt_request_parse(&request, &head, plain);
        if (refusal.status == 0) {
            good++;
            assert_true(whole);
            assert_null(vt_path_problem(request.path));
            const char *chosen_name = vt_request_subprotocol(&request, ours);
            assert_true(chosen_name == NULL || chosen_name == ours[0] || chosen_name == ours[1]);
        } else {
            assert_true(refusal.status >= 400 && refusal.status <= 599);
            assert_non_null(refusal.why);
        }
        vt_head_finish(&head);
    }
    assert_true(good > 1000); /* the mutations are not all too coarse */
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
        cmocka_unit_test(a5_a_request_with_a_body_is_refused),
        cmocka_unit_test(a14_what_is_not_strict_in_a_request_is_refused),
        cmocka_unit_test(a2_more_than_64_headers_are_refused),
        cmocka_unit_test(origin_and_unknown_headers_are_for_the_application_rfc_4_2_1),
        cmocka_unit_test(a_plain_get_or_head_is_good_where_it_is_wanted),
        cmocka_unit_test(a14_a_plain_request_is_as_strict_as_any),
        cmocka_unit_test(who_wants_a_websocket_is_never_taken_for_a_plain_request),
        cmocka_unit_test(the_parameters_of_a_query_come_decoded),
        cmocka_unit_test(all_headers_can_be_walked),
        cmocka_unit_test(a11_a_proxys_headers_are_headers_like_any_other),
        cmocka_unit_test(the_offered_subprotocols_can_be_walked),
        cmocka_unit_test(an_origin_comes_once_rfc_6454_7_3),
        cmocka_unit_test(the_server_chooses_one_of_the_offered_subprotocols_rfc_4_2_2),
        cmocka_unit_test(offered_subprotocols_are_distinct_tokens_rfc_4_1),
        cmocka_unit_test(the_offered_subprotocols_are_bounded),
        cmocka_unit_test(a6_spaces_in_a_list_are_linear_work),
        cmocka_unit_test(a_written_request_has_all_that_the_rfc_wants_rfc_4_1),
        cmocka_unit_test(a_long_request_is_written_whole),
        cmocka_unit_test(mutated_requests_are_refused_or_good_and_never_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
