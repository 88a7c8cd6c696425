/*
 * What is done to the opening handshake, over a real socket, and what must happen
 * then: the answer, the end of the stream, and nothing left of it. Each test is
 * named by its row of the attack table; rows that need no socket to be seen are
 * tested with their modules.
 */
#include <vital/vital.h>

#include "live.h"
#include "raw_websocket.h"

#define HEAD "GET / HTTP/1.1\r\nHost: localhost\r\n"
#define UPGRADE \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define GOOD HEAD UPGRADE VERSION "\r\n"

/* A server under attack, and a client of it that must not notice. */
typedef struct siege {
    live *test;
    vital_server *server;
    uint16_t port;
    witness seen;      /* of all its connections */
    witness bystander; /* a good client */
    int requests;
} siege;

static int count_request(vital_conn *conn, const vital_request *request)
{
    siege *self = vital_user(conn);
    (void)request;
    self->requests++;
    return 404;
}

static void on_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    assert_int_equal(vital_send(conn, kind, message), 0);
}

static void on_close(vital_conn *conn, const vital_verdict *verdict)
{
    siege *self = vital_user(conn);
    self->seen.closes++;
    self->seen.verdict = *verdict;
}

static void besiege(siege *self, live *test, int open_ms, bool http)
{
    *self = (siege){.test = test};
    self->server = live_listen(test->loop, &(vital_listen_options){
                                               .address = "127.0.0.1:0",
                                               .events = {.message = on_message,
                                                          .close = on_close,
                                                          .http = http ? count_request : NULL},
                                               .user = self,
                                               .limits = {.open_ms = open_ms},
                                           });
    self->port = (uint16_t)atoi(strrchr(vital_server_url(self->server), ':') + 1);
    live_connect(test->loop, &(vital_connect_options){
                                 .url = vital_server_url(self->server),
                                 .events = WITNESS,
                                 .user = &self->bystander,
                                 .reconnect = {.never = true},
                             });
    step_until(test, self->bystander.opens == 1, "the bystander is in");
}

/* The attacker was answered so and let go; the bystander is unharmed. */
static void assert_repelled(siege *self, raw_peer *attacker, const char *answer)
{
    live *test = self->test;
    step_until(test, raw_ended(attacker), "the attacker is let go");
    assert_int_equal(attacker->error, 0); /* the answer was not cut off by a reset */
    if (attacker->size < strlen(answer) || memcmp(attacker->bytes, answer, strlen(answer)) != 0)
        fail_msg("not \"%s\" but:\n%s", answer,
                 attacker->size > 0 ? (const char *)attacker->bytes : "nothing");
    /* One answer, and nothing after it. */
    assert_null(strstr((const char *)attacker->bytes, "\nHTTP/1."));
    raw_close(attacker);
    step_until(test, vital_server_count(self->server) == 1, "nothing is left of it");
    int messages = self->bystander.messages;
    assert_int_equal(vital_send(self->bystander.conn, VITAL_TEXT, vital_text("still here")), 0);
    step_until(test, self->bystander.messages == messages + 1, "the bystander is served");
}

static void repel(siege *self, const char *attack, const char *answer)
{
    raw_peer attacker;
    raw_connect(&attacker, self->port, 0);
    raw_send(&attacker, attack, strlen(attack));
    assert_repelled(self, &attacker, answer);
}

/* ------------------------------------------------------------------- the head */

static void a1_a_megabyte_of_header_byte_by_byte_is_refused_with_431(void **state)
{
    siege self;
    raw_peer attacker;
    besiege(&self, *state, 0, false);
    raw_connect(&attacker, self.port, 0);
    raw_send(&attacker, HEAD "X: ", strlen(HEAD "X: "));
    size_t sent = 0;
    while (sent < 1 << 20 && !raw_ended(&attacker)) {
        ssize_t had = send(attacker.fd, "x", 1, MSG_NOSIGNAL);
        if (had < 0 && errno != EAGAIN)
            break; /* it has hung up, as it may after its answer */
        sent += had > 0;
        if (had < 0 || sent % 64 == 0)
            live_step(self.test);
    }
    /* What had come was not read to the end, and was not kept. */
    assert_true(sent < 1 << 20);
    assert_non_null(attacker.bytes);
    assert_int_equal(strncmp((char *)attacker.bytes, "HTTP/1.1 431 ", 13), 0);
    raw_close(&attacker);
    step_until(self.test, vital_server_count(self.server) == 1, "nothing is left of it");
}

static void a2_two_thousand_headers_are_refused_with_431(void **state)
{
    siege self;
    static char text[2000 * 6 + 200] = HEAD UPGRADE VERSION;
    besiege(&self, *state, 0, false);
    char *at = text + strlen(HEAD UPGRADE VERSION);
    for (int i = 0; i < 2000; i++)
        at = stpcpy(at, "A: b\r\n");
    strcpy(at, "\r\n");
    repel(&self, text, "HTTP/1.1 431 ");
    /* and as few as fit the limit of bytes, above that of headers */
    at = text + strlen(HEAD UPGRADE VERSION);
    for (int i = 0; i < 65; i++)
        at = stpcpy(at, "A: b\r\n");
    strcpy(at, "\r\n");
    repel(&self, text, "HTTP/1.1 431 ");
}

static void a3_a_request_in_drops_has_one_limit_of_time_for_all_of_it(void **state)
{
    siege self;
    raw_peer attacker;
    enum { OPEN_MS = 300 };
    besiege(&self, *state, OPEN_MS, false);
    raw_connect(&attacker, self.port, 0);
    int64_t began_ms = live_now_ms();
    size_t sent = 0;
    while (!raw_ended(&attacker)) {
        if (live_now_ms() - began_ms > (int64_t)sent * 10 && sent < strlen(GOOD) - 4)
            sent += send(attacker.fd, &GOOD[sent], 1, MSG_NOSIGNAL) == 1;
        live_step(self.test);
        assert_true(live_now_ms() - began_ms < LIVE_PATIENCE_S * 1000);
    }
    assert_true(live_now_ms() - began_ms >= OPEN_MS - 20);
    assert_true(sent > 2); /* every drop would have begun the limit anew */
    assert_repelled(&self, &attacker, "HTTP/1.1 408 ");
}

static void a5_a_request_with_a_body_is_refused_and_the_body_not_kept(void **state)
{
    siege self;
    for (int http = 0; http < 2; http++) {
        besiege(&self, *state, 0, http > 0);
        repel(&self, HEAD UPGRADE VERSION "Content-Length: 1073741824\r\n\r\nxxxx",
              "HTTP/1.1 413 ");
        repel(&self, HEAD UPGRADE VERSION "Transfer-Encoding: chunked\r\n\r\n4\r\nxxxx\r\n",
              "HTTP/1.1 400 ");
        repel(&self, HEAD "Content-Length: 4\r\n\r\nxxxx", "HTTP/1.1 413 ");
        repel(&self, HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400 ");
        repel(&self, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nxxxx",
              "HTTP/1.1 405 ");
        assert_int_equal(self.requests, 0);
    }
}

static void a6_a_header_of_spaces_is_linear_work(void **state)
{
    siege self;
    static char text[8000];
    besiege(&self, *state, 0, false);
    char *at = stpcpy(text, HEAD UPGRADE VERSION "Sec-WebSocket-Protocol: b");
    memset(at, ' ', 7000);
    strcpy(at + 7000, "x\r\n\r\n");
    repel(&self, text, "HTTP/1.1 400 ");
    /* More of them than the limit allows are not even looked at. */
    static char more[33000];
    at = stpcpy(more, HEAD UPGRADE VERSION "Sec-WebSocket-Protocol: b");
    memset(at, ' ', 32000);
    strcpy(at + 32000, "x\r\n\r\n");
    repel(&self, more, "HTTP/1.1 431 ");
}

/* ------------------------------------------------------- between us and a proxy */

static void a9_a_bad_version_leaves_no_tunnel_behind(void **state)
{
    siege self;
    for (int http = 0; http < 2; http++) {
        besiege(&self, *state, 0, http > 0);
        repel(&self, HEAD UPGRADE "Sec-WebSocket-Version: 777\r\n\r\n", "HTTP/1.1 426 ");
        /* What is smuggled behind it is answered by nobody. */
        repel(&self,
              HEAD UPGRADE "Sec-WebSocket-Version: 777\r\n\r\n"
                           "GET /secret HTTP/1.1\r\nHost: localhost\r\n\r\n",
              "HTTP/1.1 426 ");
        assert_int_equal(self.requests, 0);
    }
}

static void a10_frames_before_the_answer_are_discarded_with_the_connection(void **state)
{
    siege self;
    besiege(&self, *state, 0, false);
    repel(&self, GOOD "\x81\x85\0\0\0\0hello", "HTTP/1.1 400 ");
    repel(&self, HEAD UPGRADE "Sec-WebSocket-Version: 8\r\n\r\n\x81\x85", "HTTP/1.1 426 ");
    assert_int_equal(self.seen.messages, 0);
}

static void a14_what_two_parsers_could_read_in_two_ways_is_refused(void **state)
{
    siege self;
    static const char *const all[] = {
        "GET / HTTP/1.1\nHost: localhost\r\n" UPGRADE VERSION "\r\n",
        HEAD "A: b\n" UPGRADE VERSION "\r\n",
        HEAD "A: b\r\n c\r\n" UPGRADE VERSION "\r\n",
        HEAD "A : b\r\n" UPGRADE VERSION "\r\n",
        HEAD "Host: other\r\n" UPGRADE VERSION "\r\n",
        "GET / HTTP/1.1\r\n" UPGRADE VERSION "\r\n",
        HEAD UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" VERSION "\r\n",
        "GET http://other/ HTTP/1.1\r\nHost: localhost\r\n" UPGRADE VERSION "\r\n",
        "GET / HTTP/1.1 \r\nHost: localhost\r\n" UPGRADE VERSION "\r\n",
        GOOD GOOD,
    };
    for (int http = 0; http < 2; http++) {
        besiege(&self, *state, 0, http > 0);
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
            repel(&self, all[i], "HTTP/1.1 400 ");
    }
    /* Nor is a second plain request, behind the first. */
    repel(&self, HEAD "\r\n" HEAD "\r\n", "HTTP/1.1 400 ");
    assert_int_equal(self.requests, 0);
}

/* ------------------------------------------------------------------ applications */

/* What an application does to a connection while it is asked about it. */
typedef enum deed { CLOSES, REFUSES, ACCEPTS, CLOSES_THEN_ACCEPTS, DRAINS, SENDS, DEEDS } deed;

typedef struct rashness {
    deed deed;
    vital_server *server;
    int closes;
} rashness;

static int act_rashly(vital_conn *conn, const vital_request *request)
{
    rashness *self = vital_user(conn);
    const vital_response no = {.status = 403}, yes = {.status = 101};
    switch (self->deed) {
    case CLOSES:
        vital_close(conn, 1008, "no");
        break;
    case REFUSES:
        assert_int_equal(vital_respond(conn, &no), 0);
        assert_int_equal(vital_respond(conn, &yes), VITAL_ESTATE);
        vital_close(conn, 1008, "no");
        break;
    case ACCEPTS:
        assert_int_equal(vital_respond(conn, &yes), 0);
        vital_close(conn, 1008, "no");
        break;
    case CLOSES_THEN_ACCEPTS:
        vital_close(conn, 1008, "no");
        assert_int_equal(vital_respond(conn, &yes), VITAL_ESTATE);
        break;
    case DRAINS:
        vital_server_drain(self->server, &(vital_drain){.code = 1001, .reason = "going"}, NULL,
                           NULL);
        break;
    case SENDS:
        assert_int_equal(vital_send(conn, VITAL_TEXT, vital_text("early")), 0);
        assert_int_equal(vital_respond(conn, &no), 0);
        break;
    case DEEDS:
        break;
    }
    assert_string_equal(vital_request_path(request), "/"); /* it stays readable */
    return 0;
}

static void count_close(vital_conn *conn, const vital_verdict *verdict)
{
    rashness *self = vital_user(conn);
    assert_true(verdict->final);
    self->closes++;
}

static void a17_closing_and_refusing_inside_the_callback_is_safe(void **state)
{
    live *test = *state;
    for (int each = 0; each < DEEDS; each++) {
        rashness self = {.deed = (deed)each};
        raw_peer peer;
        self.server = live_listen(test->loop,
                                  &(vital_listen_options){
                                      .address = "127.0.0.1:0",
                                      .events = {.accept = act_rashly, .close = count_close},
                                      .user = &self,
                                      .limits = {.close_ms = 100},
                                  });
        raw_connect(&peer, (uint16_t)atoi(strrchr(vital_server_url(self.server), ':') + 1), 0);
        raw_send(&peer, GOOD, strlen(GOOD));
        step_until(test, self.closes == 1, "it is told once");
        step_until(test, raw_ended(&peer), "the peer is let go");
        raw_close(&peer);
        for (int i = 0; i < 3; i++)
            live_step(test);
        assert_int_equal(self.closes, 1);
    }
}

/* A server whose only authentication is what its application checks: a flag in the
 * URL is nothing that vital knows. */
static int check_token(vital_conn *conn, const vital_request *request)
{
    char token[32];
    (void)conn;
    return vital_request_parameter(request, "token", token, sizeof token) &&
                   strcmp(token, "se same") == 0
               ? 0
               : 401;
}

static void a18_a_flag_in_the_url_opens_nothing(void **state)
{
    live *test = *state;
    static const struct {
        const char *target, *answer;
    } all[] = {
        {"/?keepalive=1", "HTTP/1.1 401 "},        {"/?keepalive&token=", "HTTP/1.1 401 "},
        {"/?token=se%20same%00", "HTTP/1.1 401 "}, {"/?token=wrong&token=se+same", "HTTP/1.1 401 "},
        {"/?a=b&token=se+same", "HTTP/1.1 101 "},
    };
    witness seen = {.opens = 0};
    vital_events events = WITNESS;
    events.accept = check_token;
    vital_server *server = live_listen(test->loop, &(vital_listen_options){
                                                       .address = "127.0.0.1:0",
                                                       .events = events,
                                                       .user = &seen,
                                                   });
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        raw_peer peer;
        char text[512];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n" UPGRADE VERSION "\r\n",
                 all[i].target);
        raw_connect(&peer, (uint16_t)atoi(strrchr(vital_server_url(server), ':') + 1), 0);
        raw_send(&peer, text, strlen(text));
        step_until(test, raw_has(&peer, "\r\n\r\n"), "the answer has come");
        if (strncmp((char *)peer.bytes, all[i].answer, strlen(all[i].answer)) != 0)
            fail_msg("%s: %s", all[i].target, (char *)peer.bytes);
        raw_close(&peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        live_test(a1_a_megabyte_of_header_byte_by_byte_is_refused_with_431),
        live_test(a2_two_thousand_headers_are_refused_with_431),
        live_test(a3_a_request_in_drops_has_one_limit_of_time_for_all_of_it),
        live_test(a5_a_request_with_a_body_is_refused_and_the_body_not_kept),
        live_test(a6_a_header_of_spaces_is_linear_work),
        live_test(a9_a_bad_version_leaves_no_tunnel_behind),
        live_test(a10_frames_before_the_answer_are_discarded_with_the_connection),
        live_test(a14_what_two_parsers_could_read_in_two_ways_is_refused),
        live_test(a17_closing_and_refusing_inside_the_callback_is_safe),
        live_test(a18_a_flag_in_the_url_opens_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
