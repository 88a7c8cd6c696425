/*
 * Where a server's streams come from, whom it lets in, and how it ends.
 */
#include <vital/vital.h>

#include "live.h"
#include "raw_websocket.h"

static const vital_heartbeat NO_BEAT = {.kind = VITAL_BEAT_NONE};
static const vital_reconnect NEVER = {.never = true};

static vital_server *serve(vital_loop *loop, witness *seen)
{
    return live_listen(loop, &(vital_listen_options){
                                 .address = "127.0.0.1:0",
                                 .events = WITNESS,
                                 .user = seen,
                                 .heartbeat = NO_BEAT,
                             });
}

static vital_conn *join(vital_loop *loop, const vital_server *server, witness *seen)
{
    return live_connect(loop, &(vital_connect_options){
                                  .url = vital_server_url(server),
                                  .events = WITNESS,
                                  .user = seen,
                                  .heartbeat = NO_BEAT,
                                  .reconnect = NEVER,
                              });
}

static uint16_t port_of(const vital_server *server)
{
    return (uint16_t)atoi(strrchr(vital_server_url(server), ':') + 1);
}

static void count(void *arg)
{
    (*(int *)arg)++;
}

/* ------------------------------------------------------------------ listening */

static void options_that_cannot_work_are_refused_in_a_sentence(void **state)
{
    live *test = *state;
    static const char *const twice[] = {"a", "a", NULL};
    static const char *const paths[] = {"https://example.org/app", NULL};
    const vital_heartbeat text = {.kind = VITAL_BEAT_TEXT, .text = "beat"};
    const vital_heartbeat answered = {.kind = VITAL_BEAT_TEXT, .text = "beat", .reply = "beat"};
    const struct {
        vital_listen_options options;
        const char *words;
    } all[] = {
        {{.address = NULL}, "address"},
        {{.address = ""}, ""},
        {{.address = "127.0.0.1"}, "port"},
        {{.address = "example.org:80"}, "numeric"},
        {{.address = "127.0.0.1:65536"}, "port"},
        {{.address = "unix:"}, "path"},
        {{.address = "127.0.0.1:0", .heartbeat = text}, "reply"},
        {{.address = "127.0.0.1:0", .heartbeat = answered}, "reply"},
        {{.address = "127.0.0.1:0", .heartbeat = {.kind = 7}}, "kind"},
        {{.address = "127.0.0.1:0", .subprotocols = twice}, "twice"},
        {{.address = "127.0.0.1:0", .limits = {.connections = -1}}, "negative"},
        {{.address = "127.0.0.1:0", .origins = paths}, "without a path"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vital_server *server = (vital_server *)(uintptr_t)1;
        int error = vital_listen(&server, test->loop, &all[i].options);
        if (error != VITAL_EINVAL)
            fail_msg("%s (%zu): %d", all[i].options.address, i, error);
        assert_null(server);
        assert_true(strlen(vital_loop_problem(test->loop)) > 10);
        assert_says(vital_loop_problem(test->loop), all[i].words);
    }
    vital_server *server;
    assert_int_equal(vital_listen(NULL, test->loop, &all[0].options), VITAL_EINVAL);
    assert_int_equal(vital_listen(&server, NULL, &all[0].options), VITAL_EINVAL);
    assert_int_equal(vital_listen(&server, test->loop, NULL), VITAL_EINVAL);
    vital_server_drain(NULL, &(vital_drain){.code = 1000}, NULL, NULL);
}

static void a_server_that_beats_by_text_beats_with_a_reply_of_its_own(void **state)
{
    live *test = *state;
    witness server_seen = {.opens = 0}, seen = {.opens = 0};
    const vital_heartbeat asking = {
        .kind = VITAL_BEAT_TEXT, .text = "are you there?", .reply = "I am", .interval_ms = 50};
    const vital_heartbeat answering = {
        .kind = VITAL_BEAT_NONE, .text = "are you there?", .reply = "I am"};
    vital_server *server = live_listen(test->loop, &(vital_listen_options){
                                                       .address = "127.0.0.1:0",
                                                       .events = WITNESS,
                                                       .user = &server_seen,
                                                       .heartbeat = asking,
                                                   });
    live_connect(test->loop, &(vital_connect_options){
                                 .url = vital_server_url(server),
                                 .events = WITNESS,
                                 .user = &seen,
                                 .heartbeat = answering,
                             });
    step_until(test, server_seen.opens == 1, "the server has it");
    vital_pulse pulse = {.beats_answered = 0};
    step_until(test, (vital_conn_pulse(server_seen.conn, &pulse), pulse.beats_answered >= 3),
               "three beats are answered");
    assert_int_equal(seen.messages + server_seen.messages, 0);
}

static void port_0_picks_one_and_the_url_names_it(void **state)
{
    live *test = *state;
    witness server_seen = {.opens = 0}, seen = {.opens = 0};
    vital_server *server = serve(test->loop, &server_seen);
    assert_int_equal(strncmp(vital_server_url(server), "ws://127.0.0.1:", 15), 0);
    assert_int_not_equal(port_of(server), 0);
    vital_conn *conn = join(test->loop, server, &seen);
    step_until(test, seen.opens == 1, "it is reached there");
    assert_int_equal(vital_server_count(server), 1);
    vital_close(conn, 1000, NULL);
    step_until(test, vital_server_count(server) == 0, "it has gone");
}

static void an_address_that_is_taken_is_a_system_error_with_a_sentence(void **state)
{
    live *test = *state;
    uint16_t port;
    int listener = raw_listen(&port);
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)port);
    vital_server *server;
    errno = 0;
    assert_int_equal(vital_listen(&server, test->loop, &(vital_listen_options){.address = address}),
                     VITAL_ESYSTEM);
    assert_int_equal(errno, EADDRINUSE);
    assert_null(server);
    assert_says(vital_loop_problem(test->loop), address);
    assert_says(vital_loop_problem(test->loop), "in use");
    close(listener);
}

static void two_loops_share_a_port_if_both_want_to(void **state)
{
    live *test = *state;
    enum { CROWD = 64 };
    witness one = {.opens = 0}, two = {.opens = 0}, seen = {.opens = 0};
    char address[64];
    vital_server *second = NULL;
    live_add_loop(test);
    vital_listen_options options = {.address = "127.0.0.1:0",
                                    .events = WITNESS,
                                    .user = &one,
                                    .heartbeat = NO_BEAT,
                                    .share_port = true};
    vital_server *first = live_listen(test->loop, &options);
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)port_of(first));
    options.address = address;
    options.user = &two;
    options.share_port = false;
    assert_int_equal(vital_listen(&second, test->other, &options), VITAL_ESYSTEM);
    options.share_port = true;
    second = live_listen(test->other, &options);
    for (int i = 0; i < CROWD; i++)
        join(test->loop, first, &seen);
    step_until(test, seen.opens == CROWD && one.opens + two.opens == CROWD, "all are let in");
    assert_true(one.opens > 0 && two.opens > 0); /* 2^-63 that the kernel takes one side */
}

static void a_unix_socket_is_unlinked_with_its_server(void **state)
{
    live *test = *state;
    char address[128];
    struct stat status;
    snprintf(address, sizeof address, "unix:%s/socket", test->directory);
    const char *path = address + strlen("unix:");
    for (int i = 0; i < 3; i++) {
        int drained = 0;
        vital_server *server = live_listen(
            test->loop, &(vital_listen_options){.address = address, .heartbeat = NO_BEAT});
        assert_int_equal(stat(path, &status), 0);
        assert_true(S_ISSOCK(status.st_mode));
        if (i == 0) { /* one that is in use is left alone */
            vital_server *rival;
            assert_int_equal(
                vital_listen(&rival, test->loop, &(vital_listen_options){.address = address}),
                VITAL_ESYSTEM);
            assert_says(vital_loop_problem(test->loop), path);
        }
        vital_server_drain(server, &(vital_drain){.code = 1000}, count, &drained);
        assert_int_equal(stat(path, &status), -1);
        step_until(test, drained == 1, "the server has ended");
    }
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof un.sun_path);
    memcpy(un.sun_path, path, strlen(path));
    assert_int_equal(bind(stale, (struct sockaddr *)&un, sizeof un), 0);
    close(stale);
    live_listen(test->loop, &(vital_listen_options){.address = address, .heartbeat = NO_BEAT});
    /* and the teardown finds the directory empty */
}

/* ------------------------------------------------------------------ letting in */

typedef struct doorkeeper {
    witness seen; /* first: it is also the user of a witness */
    int status;   /* the answer to everybody */
    char path[64], query[64], header[64];
    bool no_such_header;
} doorkeeper;

static int keep_door(vital_conn *conn, const vital_request *request)
{
    doorkeeper *self = vital_user(conn);
    const char *header = vital_request_header(request, "x-token");
    self->seen.accepts++;
    snprintf(self->path, sizeof self->path, "%s", vital_request_path(request));
    snprintf(self->query, sizeof self->query, "%s", vital_request_query(request));
    snprintf(self->header, sizeof self->header, "%s", header == NULL ? "(none)" : header);
    self->no_such_header = vital_request_header(request, "X-Nothing") == NULL;
    assert_int_equal(strncmp(vital_conn_peer(conn), "127.0.0.1:", 10), 0);
    return self->status;
}

static vital_server *serve_with_keeper(live *test, doorkeeper *keeper)
{
    vital_events events = WITNESS;
    events.accept = keep_door;
    return live_listen(test->loop, &(vital_listen_options){
                                       .address = "127.0.0.1:0",
                                       .events = events,
                                       .user = keeper,
                                       .heartbeat = NO_BEAT,
                                   });
}

static void accept_sees_the_path_and_the_headers(void **state)
{
    live *test = *state;
    static const char *const headers[] = {"X-Token: sesame", NULL};
    doorkeeper keeper = {.status = 0};
    witness seen = {.opens = 0};
    vital_server *server = serve_with_keeper(test, &keeper);
    char url[128];
    snprintf(url, sizeof url, "%sroom/7?lang=en", vital_server_url(server));
    live_connect(test->loop, &(vital_connect_options){
                                 .url = url,
                                 .events = WITNESS,
                                 .user = &seen,
                                 .headers = headers,
                                 .reconnect = NEVER,
                             });
    step_until(test, seen.opens == 1 && keeper.seen.opens == 1, "it is let in");
    assert_int_equal(keeper.seen.accepts, 1);
    assert_string_equal(keeper.path, "/room/7");
    assert_string_equal(keeper.query, "lang=en");
    assert_string_equal(keeper.header, "sesame");
    assert_true(keeper.no_such_header);
}

static void accept_refuses_with_a_status(void **state)
{
    live *test = *state;
    static const struct {
        int said, sent;
    } all[] = {{403, 403}, {400, 400}, {599, 599}, {399, 399}, {600, 500}, {-1, 500}, {200, 500}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        doorkeeper keeper = {.status = all[i].said};
        witness seen = {.opens = 0};
        vital_server *server = serve_with_keeper(test, &keeper);
        join(test->loop, server, &seen);
        step_until(test, seen.closes == 1 && keeper.seen.closes == 1, "both are told");
        assert_cause(&seen, VITAL_REJECTED);
        assert_int_equal(seen.verdict.status, all[i].sent);
        assert_cause(&keeper.seen, VITAL_REJECTED);
        assert_int_equal(keeper.seen.verdict.status, all[i].sent);
        assert_int_equal(keeper.seen.verdict.open_ms, -1);
        assert_int_equal(keeper.seen.opens + seen.opens, 0);
        assert_int_equal(vital_server_count(server), 0);
    }
}

static void a_request_that_is_no_upgrade_gets_an_http_answer(void **state)
{
    live *test = *state;
    static const struct {
        const char *request, *answer;
    } all[] = {
        {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 426 "},
        {"POST / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 405 "},
        {"hello\r\n\r\n", "HTTP/1.1 400 "},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        doorkeeper keeper = {.status = 0};
        raw_peer peer;
        vital_server *server = serve_with_keeper(test, &keeper);
        raw_connect(&peer, port_of(server), 0);
        raw_send(&peer, all[i].request, strlen(all[i].request));
        step_until(test, raw_ended(&peer), "the answer has come, and the end");
        assert_int_equal(peer.error, 0);
        if (strncmp((const char *)peer.bytes, all[i].answer, strlen(all[i].answer)) != 0)
            fail_msg("%s is not answered %s but %s", all[i].request, all[i].answer,
                     (const char *)peer.bytes);
        raw_close(&peer);
        step_until(test, keeper.seen.closes == 1, "the server is told");
        assert_cause(&keeper.seen, VITAL_REJECTED);
        assert_int_equal(keeper.seen.accepts, 0);
    }
}

/* A door with an opinion on everybody. */
typedef struct porter {
    witness seen; /* first: it is also the user of a witness */
    vital_response response;
    bool later;
    int responded; /* what vital_respond() said */
    vital_conn *asking;
} porter;

static int open_the_door(vital_conn *conn, const vital_request *request)
{
    porter *self = vital_user(conn);
    self->seen.accepts++;
    self->asking = conn;
    assert_int_equal(vital_request_query(request)[0], '\0');
    if (self->later)
        return VITAL_LATER;
    self->responded = vital_respond(conn, &self->response);
    return 599; /* no longer of any account, if that was 0 */
}

static vital_server *serve_with_porter(live *test, porter *self)
{
    vital_events events = WITNESS;
    events.accept = events.http = open_the_door;
    return live_listen(test->loop, &(vital_listen_options){
                                       .address = "127.0.0.1:0",
                                       .events = events,
                                       .user = self,
                                       .heartbeat = NO_BEAT,
                                   });
}

/* Sends a text and waits for all of the answer. */
static void ask_raw(live *test, const vital_server *server, raw_peer *peer, const char *text)
{
    raw_connect(peer, port_of(server), 0);
    raw_send(peer, text, strlen(text));
    step_until(test, raw_ended(peer), "the answer has come, and the end");
    assert_int_equal(peer->error, 0);
    assert_true(peer->size > 0);
}

static void assert_answer(const raw_peer *peer, const char *beginning, const char *words)
{
    const char *text = (const char *)peer->bytes;
    if (strncmp(text, beginning, strlen(beginning)) != 0 || strstr(text, words) == NULL)
        fail_msg("the answer is not \"%s\" with \"%s\" but:\n%s", beginning, words, text);
}

static void a_refusal_may_have_headers_and_a_body(void **state)
{
    live *test = *state;
    static const char *const headers[] = {"Location: https://example.org/", NULL};
    porter self = {.response = {.status = 302, .headers = headers, .body = vital_text("moved")}};
    raw_peer peer;
    vital_server *server = serve_with_porter(test, &self);
    ask_raw(test, server, &peer, RAW_REQUEST);
    assert_answer(&peer, "HTTP/1.1 302 Found\r\n", "\r\nLocation: https://example.org/\r\n");
    assert_answer(&peer, "", "\r\n\r\nmoved");
    raw_close(&peer);
    assert_int_equal(self.responded, 0);
    assert_int_equal(self.seen.closes, 1);
    assert_cause(&self.seen, VITAL_REJECTED);
    assert_int_equal(self.seen.verdict.status, 302);
}

static void an_upgrade_may_have_headers_and_a_subprotocol_of_ones_choice(void **state)
{
    live *test = *state;
    static const char *const headers[] = {"Set-Cookie: session=1; HttpOnly", NULL};
    static const char *const offered[] = {"chat.1", "chat.2", NULL};
    porter self = {.response = {.headers = headers, .subprotocol = "chat.2"}};
    witness seen = {.opens = 0};
    vital_server *server = serve_with_porter(test, &self);
    vital_conn *conn = live_connect(test->loop, &(vital_connect_options){
                                                    .url = vital_server_url(server),
                                                    .events = WITNESS,
                                                    .user = &seen,
                                                    .subprotocols = offered,
                                                });
    step_until(test, seen.opens == 1 && self.seen.opens == 1, "both are open");
    assert_string_equal(vital_conn_subprotocol(conn), "chat.2");
    assert_string_equal(vital_conn_subprotocol(self.seen.conn), "chat.2");

    self.response.subprotocol = NULL;
    raw_peer peer;
    raw_connect(&peer, port_of(server), 0);
    raw_send(&peer, RAW_REQUEST, strlen(RAW_REQUEST));
    step_until(test, raw_has(&peer, "\r\n\r\n"), "the answer has come");
    assert_answer(&peer, "HTTP/1.1 101 ", "\r\nSet-Cookie: session=1; HttpOnly\r\n");
    raw_close(&peer);
}

static void an_answer_may_come_later_and_once(void **state)
{
    live *test = *state;
    porter self = {.later = true};
    witness seen = {.opens = 0};
    vital_server *server = serve_with_porter(test, &self);
    join(test->loop, server, &seen);
    step_until(test, self.asking != NULL, "the question is there");
    for (int i = 0; i < 3; i++)
        live_step(test);
    assert_int_equal(seen.opens, 0);
    assert_int_equal(vital_respond(self.asking, &(vital_response){.status = 101}), 0);
    assert_int_equal(vital_respond(self.asking, &(vital_response){.status = 101}), VITAL_ESTATE);
    assert_says(vital_loop_problem(test->loop), "no request");
    step_until(test, seen.opens == 1, "it is let in");
    assert_int_equal(vital_respond(seen.conn, &(vital_response){.status = 101}), VITAL_ESTATE);
    assert_int_equal(vital_respond(NULL, &(vital_response){.status = 101}), VITAL_EINVAL);
    assert_int_equal(vital_respond(self.asking, NULL), VITAL_EINVAL);
}

static void a12_a_line_break_in_an_answer_is_refused(void **state)
{
    live *test = *state;
    static const char *const headers[] = {"X-Name: you\r\nSet-Cookie: id=1", NULL};
    porter self = {.response = {.status = 101, .headers = headers}};
    raw_peer peer;
    vital_server *server = serve_with_porter(test, &self);
    ask_raw(test, server, &peer, RAW_REQUEST);
    assert_int_equal(self.responded, VITAL_EINVAL);
    assert_says(vital_loop_problem(test->loop), "line breaks");
    assert_answer(&peer, "HTTP/1.1 599 ", "");
    assert_null(strstr((const char *)peer.bytes, "Set-Cookie"));
    raw_close(&peer);
}

static void a_page_is_served_beside_the_websocket(void **state)
{
    live *test = *state;
    static const char *const html[] = {"Content-Type: text/html", NULL};
    static char page[60 * 1024];
    memset(page, 'x', sizeof page);
    porter self = {.response = {.status = 200, .headers = html, .body = {page, sizeof page}}};
    raw_peer peer;
    vital_server *server = serve_with_porter(test, &self);
    ask_raw(test, server, &peer, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_answer(&peer, "HTTP/1.1 200 OK\r\n", "\r\nContent-Length: 61440\r\n");
    assert_answer(&peer, "", "\r\nConnection: close\r\n");
    const char *body = strstr((const char *)peer.bytes, "\r\n\r\n") + 4;
    assert_int_equal(strlen(body), sizeof page);
    raw_close(&peer);
    step_until(test, self.seen.closes == 1, "the end is told");
    assert_cause(&self.seen, VITAL_CLOSED_BY_US);
    assert_int_equal(self.seen.verdict.status, 200);
    assert_int_equal(vital_server_count(server), 0);

    ask_raw(test, server, &peer, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_answer(&peer, "HTTP/1.1 200 OK\r\n", "\r\nContent-Length: 61440\r\n");
    assert_string_equal(strstr((const char *)peer.bytes, "\r\n\r\n"), "\r\n\r\n");
    raw_close(&peer);
    ask_raw(test, server, &peer, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
    assert_answer(&peer, "HTTP/1.1 405 ", "\r\nAllow: GET, HEAD\r\n");
    raw_close(&peer);
    assert_int_equal(self.seen.accepts, 2);
    assert_int_equal(self.seen.opens, 0);
}

static void a_plain_request_is_answered_by_a_bare_status_too(void **state)
{
    live *test = *state;
    static const struct {
        int said;
        const char *sent;
    } all[] = {{404, "HTTP/1.1 404 "},
               {200, "HTTP/1.1 200 "},
               {0, "HTTP/1.1 500 "},
               {101, "HTTP/1.1 500 "}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        doorkeeper keeper = {.status = all[i].said};
        vital_events events = WITNESS;
        raw_peer peer;
        events.http = keep_door;
        vital_server *server = live_listen(test->loop, &(vital_listen_options){
                                                           .address = "127.0.0.1:0",
                                                           .events = events,
                                                           .user = &keeper,
                                                       });
        ask_raw(test, server, &peer, "GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_answer(&peer, all[i].sent, "\r\nContent-Length: 0\r\n");
        raw_close(&peer);
        assert_string_equal(keeper.path, "/a");
    }
}

static void a11_who_a_proxy_says_it_speaks_for_is_not_believed(void **state)
{
    live *test = *state;
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade, x-forwarded-for\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Forwarded-For: 192.0.2.1\r\n"
        "Forwarded: for=192.0.2.1;proto=https\r\nX-Real-IP: 192.0.2.1\r\n\r\n";
    doorkeeper keeper = {.status = 0}; /* who looks at vital_conn_peer() */
    raw_peer peer;
    vital_server *server = serve_with_keeper(test, &keeper);
    raw_connect(&peer, port_of(server), 0);
    raw_send(&peer, request, strlen(request));
    step_until(test, raw_has(&peer, "\r\n\r\n"), "the answer has come");
    assert_answer(&peer, "HTTP/1.1 101 ", "");
    assert_int_equal(keeper.seen.accepts, 1);
    assert_int_equal(strncmp(vital_conn_peer(keeper.seen.conn), "127.0.0.1:", 10), 0);
    raw_close(&peer);
}

static void who_says_nothing_is_answered_408_and_let_go(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    raw_peer peer;
    vital_server *server = live_listen(test->loop, &(vital_listen_options){
                                                       .address = "127.0.0.1:0",
                                                       .events = WITNESS,
                                                       .user = &seen,
                                                       .limits = {.open_ms = 150},
                                                   });
    raw_connect(&peer, port_of(server), 0);
    raw_send(&peer, "GET / HT", 8);
    step_until(test, raw_ended(&peer), "the server ends it");
    assert_says((const char *)peer.bytes, "HTTP/1.1 408 ");
    step_until(test, vital_server_count(server) == 0, "it is forgotten");
    assert_int_equal(seen.closes, 1);
    raw_close(&peer);
}

static void above_the_limit_of_connections_everybody_gets_503(void **state)
{
    live *test = *state;
    witness server_seen = {.opens = 0}, one = {.opens = 0}, two = {.opens = 0}, seen = {.opens = 0};
    vital_server *server = live_listen(test->loop, &(vital_listen_options){
                                                       .address = "127.0.0.1:0",
                                                       .events = WITNESS,
                                                       .user = &server_seen,
                                                       .heartbeat = NO_BEAT,
                                                       .limits = {.connections = 2},
                                                   });
    vital_conn *conn = join(test->loop, server, &one);
    join(test->loop, server, &two);
    step_until(test, server_seen.opens == 2, "two are in");
    live_connect(test->loop, &(vital_connect_options){
                                 .url = vital_server_url(server),
                                 .events = WITNESS,
                                 .user = &seen,
                             });
    step_until(test, seen.closes == 1, "the third is refused");
    assert_cause(&seen, VITAL_REJECTED);
    assert_int_equal(seen.verdict.status, 503);
    assert_false(seen.verdict.final);
    assert_in_range(seen.verdict.retry_ms, 30000, 37500); /* the server's Retry-After */
    assert_int_equal(vital_server_count(server), 2);
    assert_int_equal(server_seen.closes, 0);

    vital_close(conn, 1000, NULL);
    step_until(test, vital_server_count(server) == 1, "one has left");
    witness late = {.opens = 0};
    join(test->loop, server, &late);
    step_until(test, late.opens == 1, "there is room again");
}

/* -------------------------------------------------------------------- draining */

/* Fifty at once, twenty of whom come in at first: the others as they are told. */
static void a_crowd_comes_in_at_the_rate_that_the_server_bears(void **state)
{
    live *test = *state;
    enum { CROWD = 50, PER_S = 10 };
    witness server_seen = {.opens = 0}, seen = {.opens = 0};
    vital_server *server = live_listen(test->loop,
                                       &(vital_listen_options){.address = "127.0.0.1:0",
                                                               .events = WITNESS,
                                                               .user = &server_seen,
                                                               .limits = {.opens_per_s = PER_S},
                                                               .heartbeat = NO_BEAT});
    int64_t began_ms = live_now_ms();
    for (int i = 0; i < CROWD; i++)
        live_connect(test->loop, &(vital_connect_options){.url = vital_server_url(server),
                                                          .events = WITNESS,
                                                          .user = &seen,
                                                          .heartbeat = NO_BEAT});
    step_until(test, seen.opens == CROWD, "all are in");
    assert_true(live_now_ms() - began_ms >= 1000 * (CROWD - 2 * PER_S) / PER_S);
    assert_cause(&seen, VITAL_REJECTED);
    assert_int_equal(seen.verdict.status, 503);
    assert_int_equal(seen.closes, server_seen.closes);
    vital_stats stats;
    vital_loop_stats(test->loop, &stats);
    assert_true(stats.put_off >= CROWD - 2 * PER_S);
    assert_int_equal(stats.put_off, server_seen.closes);
}

static void whom_a_server_cuts_hears_no_goodbye_and_the_loop_has_counted_both(void **state)
{
    live *test = *state;
    witness server_seen = {.opens = 0}, seen = {.opens = 0};
    live_add_loop(test);
    vital_server *server = serve(test->other, &server_seen);
    join(test->loop, server, &seen);
    step_until(test, server_seen.opens == 1 && seen.opens == 1, "they are connected");
    vital_stats stats;
    vital_loop_stats(test->other, &stats);
    assert_int_equal(stats.open, 1);
    vital_cut(server_seen.conn);
    step_until(test, seen.closes == 1, "the client has lost it");
    assert_int_equal(seen.verdict.cause, VITAL_CUT);
    assert_int_equal(server_seen.verdict.cause, VITAL_CLOSED_BY_US);
    vital_loop_stats(test->other, &stats);
    assert_int_equal(stats.open, 0);
    assert_int_equal(stats.closed[VITAL_CLOSED_BY_US], 1);
    vital_loop_stats(test->loop, &stats);
    assert_int_equal(stats.opened, 1);
    assert_int_equal(stats.closed[VITAL_CUT], 1);
    vital_cut(NULL);
}

static void draining_nobody_is_told_later(void **state)
{
    live *test = *state;
    int drained = 0;
    vital_server *server = serve(test->loop, NULL);
    vital_server_drain(server, &(vital_drain){.code = 1001, .reason = "going"}, count, &drained);
    assert_int_equal(drained, 0);
    step_until(test, drained == 1, "it is told");
    for (int i = 0; i < 3; i++)
        live_step(test);
    assert_int_equal(drained, 1);
}

static void draining_closes_everybody_with_the_code_and_the_reason(void **state)
{
    live *test = *state;
    enum { CROWD = 50 };
    witness server_seen = {.opens = 0}, seen = {.opens = 0};
    raw_peer halfway;
    int drained = 0;
    uint16_t port;
    vital_server *server = serve(test->loop, &server_seen);
    port = port_of(server);
    for (int i = 0; i < CROWD; i++)
        join(test->loop, server, &seen);
    raw_connect(&halfway, port, 0);
    raw_send(&halfway, RAW_REQUEST, 20);
    step_until(test, seen.opens == CROWD && vital_server_count(server) == CROWD + 1, "all are in");

    vital_server_drain(server, &(vital_drain){.code = 1012, .reason = "an update"}, count,
                       &drained);
    assert_int_equal(vital_server_drain(server, &(vital_drain){.code = 1000}, count, &drained),
                     VITAL_ESTATE);
    step_until(test, drained == 1, "the last has gone");
    step_until(test, seen.closes == CROWD, "all are told");
    assert_int_equal(server_seen.closes, CROWD + 1);
    assert_cause(&seen, VITAL_CLOSED_BY_PEER);
    assert_int_equal(seen.verdict.code, 1012);
    assert_string_equal(seen.verdict.reason, "an update");
    step_until(test, raw_ended(&halfway), "who was half in is let go too");
    assert_answer(&halfway, "HTTP/1.1 503 ", "\r\nRetry-After: 5\r\n");
    raw_close(&halfway);

    witness late = {.opens = 0};
    char url[64];
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", (unsigned)port);
    live_connect(test->loop, &(vital_connect_options){
                                 .url = url, .events = WITNESS, .user = &late, .reconnect = NEVER});
    step_until(test, late.closes == 1, "nobody is let in any more");
    assert_cause(&late, VITAL_UNREACHABLE);
    assert_int_equal(drained, 1);
}

static void a_drain_that_makes_no_sense_is_refused_in_a_sentence(void **state)
{
    live *test = *state;
    static const char long_reason[] =
        "124 bytes ...................................................................."
        "..............................................";
    static const struct {
        vital_drain drain;
        const char *words;
    } all[] = {
        {{.code = 1006}, "code"},
        {{.code = 999}, "code"},
        {{.reason = "\xFF"}, "UTF-8"},
        {{.reason = long_reason}, "123 bytes"},
        {{.spread_ms = -1}, "negative"},
        {{.retry_within_ms = -1}, "negative"},
        {{.retry_from_ms = -1, .retry_within_ms = 1}, "negative"},
        {{.retry_from_ms = 1}, "above drain.retry_within_ms"},
        {{.retry_from_ms = 2, .retry_within_ms = 1}, "above drain.retry_within_ms"},
        {{.retry_within_ms = 999 * 1000 + 1}, "999 s"},
        {{.code = 1000, .retry_within_ms = 1}, "1012"},
    };
    assert_int_equal(strlen(long_reason), 124);
    witness server_seen = {.opens = 0}, seen = {.opens = 0};
    vital_server *server = serve(test->loop, &server_seen);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_int_equal(vital_server_drain(server, &all[i].drain, NULL, NULL), VITAL_EINVAL);
        assert_says(vital_loop_problem(test->loop), all[i].words);
    }
    assert_int_equal(vital_server_drain(server, NULL, NULL, NULL), VITAL_EINVAL);
    join(test->loop, server, &seen);
    step_until(test, seen.opens == 1, "and it goes on as before");
}

static void draining_tells_everybody_when_to_come_back(void **state)
{
    live *test = *state;
    witness server_seen = {.opens = 0}, seen = {.opens = 0};
    raw_peer halfway;
    vital_server *server = serve(test->loop, &server_seen);
    live_connect(test->loop, &(vital_connect_options){.url = vital_server_url(server),
                                                      .events = WITNESS,
                                                      .user = &seen,
                                                      .heartbeat = NO_BEAT});
    raw_connect(&halfway, port_of(server), 0);
    raw_send(&halfway, RAW_REQUEST, 20);
    step_until(test, seen.opens == 1 && vital_server_count(server) == 2, "both are in");
    const vital_drain drain = {.code = 1012,
                               .reason = "an update",
                               .retry_from_ms = 100001, /* the next whole second */
                               .retry_within_ms = 119500};
    assert_int_equal(vital_server_drain(server, &drain, NULL, NULL), 0);
    step_until(test, seen.closes == 1, "the client is told");
    assert_int_equal(seen.verdict.code, 1012);
    assert_string_equal(seen.verdict.reason, "an update; retry in 101-120 s");
    assert_false(seen.verdict.final);
    assert_in_range(seen.verdict.retry_ms, 101 * 1000, 120 * 1000);
    assert_says(seen.verdict.text, "it asks us to come back in 101 to 120 s");
    step_until(test, raw_ended(&halfway), "who was half in is told by HTTP");
    assert_answer(&halfway, "HTTP/1.1 503 ", "\r\nRetry-After: 1");
    raw_close(&halfway);
}

/* Three, over 300 ms: one at once, one after 100 ms, one after 200 ms. */
static void a_drain_can_be_spread_and_whose_turn_has_not_come_is_served(void **state)
{
    live *test = *state;
    enum { CROWD = 3, SPREAD_MS = 300 };
    witness server_seen = {.opens = 0}, seen[CROWD] = {{.opens = 0}};
    vital_conn *conns[CROWD];
    int drained = 0;
    vital_server *server = serve(test->loop, &server_seen);
    for (int i = 0; i < CROWD; i++) {
        conns[i] = join(test->loop, server, &seen[i]);
        step_until(test, seen[i].opens == 1 && server_seen.opens == i + 1, "one more is in");
    }
    int64_t began_ms = live_now_ms();
    const vital_drain drain = {.spread_ms = SPREAD_MS};
    assert_int_equal(vital_server_drain(server, &drain, count, &drained), 0);
    step_until(test, seen[0].closes == 1, "the one that came first goes first");
    assert_int_equal(seen[0].verdict.code, 1001);
    assert_int_equal(seen[2].closes, 0);
    assert_int_equal(vital_send(conns[2], VITAL_TEXT, vital_text("still here")), 0);
    step_until(test, server_seen.messages == 1, "the last is heard");
    step_until(test, drained == 1, "the last has gone");
    assert_true(live_now_ms() - began_ms >= SPREAD_MS * 2 / 3);
    assert_int_equal(server_seen.closes, CROWD);
    step_until(test, seen[1].closes == 1 && seen[2].closes == 1, "all are told");
}

static void who_leaves_by_himself_has_no_turn(void **state)
{
    live *test = *state;
    witness server_seen = {.opens = 0}, first = {.opens = 0}, second = {.opens = 0};
    int drained = 0;
    vital_server *server = serve(test->loop, &server_seen);
    join(test->loop, server, &first);
    step_until(test, server_seen.opens == 1, "one is in");
    vital_conn *other = join(test->loop, server, &second);
    step_until(test, server_seen.opens == 2 && second.opens == 1, "another is in");
    vital_server_drain(server, &(vital_drain){.spread_ms = 3600 * 1000}, count, &drained);
    step_until(test, first.closes == 1, "the first is told");
    vital_close(other, 1000, NULL);
    step_until(test, drained == 1, "nobody is left, long before the time");
    assert_cause(&second, VITAL_CLOSED_BY_US);
}

static void a_loop_may_end_in_the_midst_of_a_drain(void **state)
{
    live *test = *state;
    witness server_seen = {.opens = 0}, seen = {.opens = 0};
    vital_server *server = serve(test->loop, &server_seen);
    join(test->loop, server, &seen);
    join(test->loop, server, &seen);
    step_until(test, server_seen.opens == 2, "they are in");
    vital_server_drain(server, &(vital_drain){.spread_ms = 3600 * 1000}, NULL, NULL);
    step_until(test, server_seen.closes == 1, "one has gone");
    /* and the teardown finds nothing left */
}

static void a_peer_that_does_not_answer_delays_a_drain_only_so_long(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    raw_peer peer;
    int drained = 0;
    vital_server *server = live_listen(test->loop, &(vital_listen_options){
                                                       .address = "127.0.0.1:0",
                                                       .events = WITNESS,
                                                       .user = &seen,
                                                       .limits = {.close_ms = 200},
                                                   });
    raw_connect(&peer, port_of(server), 0);
    raw_upgrade_client(test, &peer);
    step_until(test, seen.opens == 1, "the peer is in");
    vital_server_drain(server, &(vital_drain){.code = 1001, .reason = "going"}, count, &drained);
    step_until(test, drained == 1, "the server has ended");
    raw_expect_close(test, &peer, 1001, "going");
    raw_close(&peer);
}

typedef struct heir {
    live *test;
    witness seen;
    char address[64];
    vital_server *server;
} heir;

static void succeed(void *arg)
{
    heir *self = arg;
    self->server = live_listen(
        self->test->loop,
        &(vital_listen_options){.address = self->address, .events = WITNESS, .user = &self->seen});
}

static void when_a_server_has_drained_another_may_take_its_place(void **state)
{
    live *test = *state;
    heir next = {.test = test};
    witness server_seen = {.opens = 0}, seen = {.opens = 0}, late = {.opens = 0};
    vital_server *server = serve(test->loop, &server_seen);
    snprintf(next.address, sizeof next.address, "127.0.0.1:%u", (unsigned)port_of(server));
    join(test->loop, server, &seen);
    step_until(test, server_seen.opens == 1, "one is in");
    vital_server_drain(server, &(vital_drain){.code = 1001}, succeed, &next);
    step_until(test, next.server != NULL, "the successor listens");
    join(test->loop, next.server, &late);
    step_until(test, next.seen.opens == 1, "and lets in");
}

/* ---------------------------------------------------------------------- ending */

static void a_loop_ends_with_everything_open_and_tells_nobody(void **state)
{
    live *test = *state;
    enum { CROWD = 20 };
    static uint8_t big[600 * 1024];
    witness server_seen = {.opens = 0}, seen = {.opens = 0};
    raw_peer halfway, silent;
    uint16_t port;
    char url[64];
    int listener = raw_listen(&port);
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", (unsigned)port);
    vital_server *server = serve(test->loop, &server_seen);
    vital_conn *last = NULL;
    for (int i = 0; i < CROWD; i++)
        last = join(test->loop, server, &seen);
    raw_connect(&halfway, port_of(server), 0);
    raw_send(&halfway, RAW_REQUEST, 20);
    raw_connect(&silent, port_of(server), 0);
    raw_upgrade_client(test, &silent);
    step_until(test, server_seen.opens == CROWD + 1 && seen.opens == CROWD, "all are in");

    /* Connecting, upgrading, away, closing, lingering, sending, posted. */
    live_connect(test->loop, &(vital_connect_options){.url = url, .events = WITNESS});
    live_step(test);
    live_connect(test->loop, &(vital_connect_options){.url = url, .events = WITNESS});
    live_connect(test->loop, &(vital_connect_options){.url = "ws://localhost:1/"});
    vital_close(server_seen.conn, 1000, NULL);
    while (vital_send(last, VITAL_BINARY, (vital_bytes){big, sizeof big}) == 0)
        continue;
    live_step(test);
    for (int i = 0; i < 3; i++)
        assert_int_equal(vital_loop_post(test->loop, count, &seen.drains), 0);
    vital_server *draining = serve(test->loop, NULL);
    vital_server_drain(draining, &(vital_drain){.code = 1000}, count, &seen.drains);
    int closes = seen.closes + server_seen.closes;
    vital_loop_destroy(test->loop);
    test->loop = NULL;
    assert_int_equal(seen.closes + server_seen.closes, closes);
    assert_int_equal(seen.drains, 0);
    raw_close(&halfway);
    raw_close(&silent);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        live_test(options_that_cannot_work_are_refused_in_a_sentence),
        live_test(a_server_that_beats_by_text_beats_with_a_reply_of_its_own),
        live_test(port_0_picks_one_and_the_url_names_it),
        live_test(an_address_that_is_taken_is_a_system_error_with_a_sentence),
        live_test(two_loops_share_a_port_if_both_want_to),
        live_test(a_unix_socket_is_unlinked_with_its_server),
        live_test(accept_sees_the_path_and_the_headers),
        live_test(accept_refuses_with_a_status),
        live_test(a_request_that_is_no_upgrade_gets_an_http_answer),
        live_test(a_refusal_may_have_headers_and_a_body),
        live_test(an_upgrade_may_have_headers_and_a_subprotocol_of_ones_choice),
        live_test(an_answer_may_come_later_and_once),
        live_test(a12_a_line_break_in_an_answer_is_refused),
        live_test(a_page_is_served_beside_the_websocket),
        live_test(a_plain_request_is_answered_by_a_bare_status_too),
        live_test(a11_who_a_proxy_says_it_speaks_for_is_not_believed),
        live_test(who_says_nothing_is_answered_408_and_let_go),
        live_test(above_the_limit_of_connections_everybody_gets_503),
        live_test(a_crowd_comes_in_at_the_rate_that_the_server_bears),
        live_test(whom_a_server_cuts_hears_no_goodbye_and_the_loop_has_counted_both),
        live_test(draining_nobody_is_told_later),
        live_test(draining_closes_everybody_with_the_code_and_the_reason),
        live_test(a_drain_that_makes_no_sense_is_refused_in_a_sentence),
        live_test(draining_tells_everybody_when_to_come_back),
        live_test(a_drain_can_be_spread_and_whose_turn_has_not_come_is_served),
        live_test(who_leaves_by_himself_has_no_turn),
        live_test(a_loop_may_end_in_the_midst_of_a_drain),
        live_test(a_peer_that_does_not_answer_delays_a_drain_only_so_long),
        live_test(when_a_server_has_drained_another_may_take_its_place),
        live_test(a_loop_ends_with_everything_open_and_tells_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
