/*
 * Where a client's streams come from and what becomes of it: names and numbers,
 * failures with their sentences, and the way back, with nothing lost.
 */
#include <vital/vital.h>

#include "live.h"
#include "raw_websocket.h"

#include "fake_backend.h"

static const vital_reconnect SOON = {.first_ms = 20, .min_ms = 20, .max_ms = 60};
static const vital_reconnect NEVER = {.never = true};
static const vital_heartbeat NO_BEAT = {.kind = VITAL_BEAT_NONE};

static char url_text[256];

static const char *url_of(uint16_t port)
{
    snprintf(url_text, sizeof url_text, "ws://127.0.0.1:%u/", (unsigned)port);
    return url_text;
}

static vital_conn *connect_to(vital_loop *loop, witness *seen, const char *url,
                              vital_reconnect reconnect)
{
    return live_connect(loop, &(vital_connect_options){
                                  .url = url,
                                  .events = WITNESS,
                                  .user = seen,
                                  .reconnect = reconnect,
                                  .heartbeat = NO_BEAT,
                              });
}

static vital_server *serve_on(vital_loop *loop, witness *seen, const char *address)
{
    return live_listen(loop, &(vital_listen_options){
                                 .address = address,
                                 .events = WITNESS,
                                 .user = seen,
                                 .heartbeat = NO_BEAT,
                             });
}

/* ------------------------------------------------------------- misconfiguration */

static void options_that_cannot_work_are_refused_in_a_sentence(void **state)
{
    live *test = *state;
    static const char *const bad_header[] = {"Host: example.org", NULL};
    static const char *const bad_protocol[] = {"two words", NULL};
    static const char *const twice[] = {"a", "b", "a", NULL};
    static const struct {
        vital_connect_options options;
        int error;
        const char *words;
    } all[] = {
        {{.url = NULL}, VITAL_EINVAL, "url"},
        {{.url = ""}, VITAL_EINVAL, ""},
        {{.url = "http://127.0.0.1/"}, VITAL_EINVAL, "ws"},
        {{.url = "ws://"}, VITAL_EINVAL, ""},
        {{.url = "ws://127.0.0.1:65536/"}, VITAL_EINVAL, "port"},
        {{.url = "ws://127.0.0.1/#there"}, VITAL_EINVAL, "fragment"},
        {{.url = "wss://h/", .tls = {.ca_file = "/nowhere"}},
         VITAL_ESYSTEM,
         "tls.ca_file /nowhere"},
        {{.url = "ws://h/", .proxy = "socks5://p"}, VITAL_EINVAL, "options.proxy: a proxy is http"},
        {{.url = "ws+unix:/x", .proxy = "http://p"}, VITAL_EINVAL, "not reached through a proxy"},
        {{.url = "ws://h/", .proxy = "https://p", .proxy_tls = {.ca_file = "/nowhere"}},
         VITAL_ESYSTEM,
         "tls.ca_file /nowhere"},
        {{.url = "ws://h/", .from = "127.0.0.1:80"},
         VITAL_EINVAL,
         "numeric address without a port"},
        {{.url = "ws://h/", .from = "localhost"}, VITAL_EINVAL, "numeric address without a port"},
        {{.url = "ws+unix:/x", .from = "127.0.0.1"}, VITAL_EINVAL, "not reached from an address"},
        {{.url = "wss://h/", .tls = {.cert_optional = true}}, VITAL_EINVAL, "for servers"},
        {{.url = "ws+unix:"}, VITAL_EINVAL, "socket"},
        {{.url = "ws://h/", .headers = bad_header}, VITAL_EINVAL, ""},
        {{.url = "ws://h/", .subprotocols = bad_protocol}, VITAL_EINVAL, ""},
        {{.url = "ws://h/", .subprotocols = twice}, VITAL_EINVAL, "twice"},
        {{.url = "ws://h/", .heartbeat = {.interval_ms = -2}}, VITAL_EINVAL, "negative"},
        {{.url = "ws://h/", .heartbeat = {.kind = VITAL_BEAT_TEXT, .text = ""}},
         VITAL_EINVAL,
         "text"},
        {{.url = "ws://h/", .reconnect = {.min_ms = 2, .max_ms = 1}}, VITAL_EINVAL, "min_ms"},
        {{.url = "ws://h/", .limits = {.open_ms = -1}}, VITAL_EINVAL, "negative"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vital_conn *conn = (vital_conn *)(uintptr_t)1;
        int error = vital_connect(&conn, test->loop, &all[i].options);
        if (error != all[i].error)
            fail_msg("%s (%zu): %d and not %d", all[i].options.url, i, error, all[i].error);
        assert_null(conn);
        assert_true(strlen(vital_loop_problem(test->loop)) > 10);
        assert_says(vital_loop_problem(test->loop), all[i].words);
    }
    vital_conn *conn;
    assert_int_equal(vital_connect(NULL, test->loop, &all[0].options), VITAL_EINVAL);
    assert_int_equal(vital_connect(&conn, NULL, &all[0].options), VITAL_EINVAL);
    assert_int_equal(vital_connect(&conn, test->loop, NULL), VITAL_EINVAL);
}

static void a_unix_path_that_does_not_fit_is_refused_in_a_sentence(void **state)
{
    live *test = *state;
    char url[300] = "ws+unix:/";
    memset(url + strlen(url), 'x', 200);
    vital_conn *conn;
    assert_int_equal(vital_connect(&conn, test->loop, &(vital_connect_options){.url = url}),
                     VITAL_EINVAL);
    assert_says(vital_loop_problem(test->loop), "Unix socket");
}

/* ------------------------------------------------------------------ unreachable */

static void a_closed_port_is_unreachable_and_the_sentence_names_it(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    uint16_t port;
    int bound = raw_bind(&port);
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)port);
    connect_to(test->loop, &seen, url_of(port), NEVER);
    assert_int_equal(seen.closes, 0); /* nothing calls back from inside */
    step_until(test, seen.closes == 1, "the failure is told");
    assert_cause(&seen, VITAL_UNREACHABLE);
    assert_int_equal(seen.verdict.error, ECONNREFUSED);
    assert_int_equal(seen.verdict.open_ms, -1);
    assert_int_equal(seen.verdict.pulse.heard_ms, -1);
    assert_int_equal(seen.opens, 0);
    assert_says(seen.verdict.text, address);
    assert_says(seen.verdict.text, "Connection refused");
    assert_string_equal(seen.peer, "");
    close(bound);
}

static void a_unix_socket_that_is_not_there_is_unreachable(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    char url[128];
    snprintf(url, sizeof url, "ws+unix:%s/nobody", test->directory);
    connect_to(test->loop, &seen, url, NEVER);
    step_until(test, seen.closes == 1, "the failure is told");
    assert_cause(&seen, VITAL_UNREACHABLE);
    assert_int_equal(seen.verdict.error, ENOENT);
    assert_says(seen.verdict.text, test->directory);
}

static void a_server_that_never_answers_the_upgrade_is_unreachable(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    uint16_t port;
    int listener = raw_listen(&port);
    live_connect(test->loop, &(vital_connect_options){
                                 .url = url_of(port),
                                 .events = WITNESS,
                                 .user = &seen,
                                 .reconnect = NEVER,
                                 .limits = {.open_ms = 150},
                             });
    step_until(test, seen.closes == 1, "the time limit is reached");
    assert_cause(&seen, VITAL_UNREACHABLE);
    assert_says(seen.verdict.text, "did not answer the upgrade");
    close(listener);
}

/* --------------------------------------------------------------------- rejected */

static void answer_with(live *test, witness *seen, const char *answer)
{
    raw_peer peer;
    uint16_t port;
    int listener = raw_listen(&port);
    connect_to(test->loop, seen, url_of(port), NEVER);
    step_until(test, raw_accept(&peer, listener), "the client comes");
    step_until(test, raw_has(&peer, "\r\n\r\n"), "its request has come");
    raw_send(&peer, answer, strlen(answer));
    raw_close(&peer);
    close(listener);
    step_until(test, seen->closes == 1, "the verdict comes");
}

static void an_http_server_that_knows_no_websocket_rejects(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    answer_with(test, &seen, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    assert_cause(&seen, VITAL_REJECTED);
    assert_int_equal(seen.verdict.status, 404);
    assert_true(seen.verdict.final);
    assert_says(seen.verdict.text, "404 Not Found");
    assert_int_equal(strncmp(seen.peer, "127.0.0.1:", 10), 0);
}

static void a_server_that_speaks_no_http_misbehaves(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    answer_with(test, &seen, "220 mail.example.org ESMTP\r\n\r\n");
    assert_cause(&seen, VITAL_MISBEHAVED);
}

static void a_server_that_hangs_up_instead_of_answering_is_unreachable(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    answer_with(test, &seen, "");
    assert_cause(&seen, VITAL_UNREACHABLE);
    assert_int_equal(seen.opens, 0);
    assert_int_equal(seen.verdict.open_ms, -1);
}

/* -------------------------------------------------------------------- redirects */

/* Two servers, the first of which answers everybody with this. */
typedef struct crossing {
    int first, second; /* listeners */
    uint16_t first_port, second_port;
    raw_peer peer; /* whoever came to the one that was waited for last */
} crossing;

static void begin_crossing(crossing *self)
{
    *self = (crossing){.peer = {.fd = -1}};
    self->first = raw_listen(&self->first_port);
    self->second = raw_listen(&self->second_port);
}

static const char *wait_for_request(live *test, crossing *self, int listener)
{
    raw_close(&self->peer);
    step_until(test, raw_accept(&self->peer, listener), "the client comes");
    step_until(test, raw_has(&self->peer, "\r\n\r\n"), "its request has come");
    return (const char *)self->peer.bytes;
}

static void answer_found(const crossing *self, const char *location)
{
    char text[256];
    snprintf(text, sizeof text,
             "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 4\r\n\r\ngone", location);
    raw_send(&self->peer, text, strlen(text));
}

static void end_crossing(crossing *self)
{
    raw_close(&self->peer);
    close(self->first);
    close(self->second);
}

static void a15_a_redirect_to_another_origin_is_followed_without_credentials(void **state)
{
    live *test = *state;
    static const char *const headers[] = {"Cookie: session=1", "X-Api-Key: secret", NULL};
    static const char *const offered[] = {"chat", NULL};
    witness seen = {.opens = 0};
    crossing self;
    char url[128], to[64], shown[64];
    begin_crossing(&self);
    snprintf(url, sizeof url, "ws://user:word@127.0.0.1:%u/a", (unsigned)self.first_port);
    vital_conn *conn = live_connect(test->loop, &(vital_connect_options){
                                                    .url = url,
                                                    .events = WITNESS,
                                                    .user = &seen,
                                                    .headers = headers,
                                                    .subprotocols = offered,
                                                    .reconnect = SOON,
                                                });
    snprintf(shown, sizeof shown, "ws://127.0.0.1:%u/a", (unsigned)self.first_port);
    assert_string_equal(vital_conn_url(conn), shown);
    const char *request = wait_for_request(test, &self, self.first);
    assert_says(request, "\r\nAuthorization: Basic dXNlcjp3b3Jk\r\n");
    assert_says(request, "\r\nCookie: session=1\r\n");

    answer_found(&self, "/b"); /* here still */
    request = wait_for_request(test, &self, self.first);
    assert_int_equal(strncmp(request, "GET /b ", 7), 0);
    assert_says(request, "\r\nAuthorization: Basic dXNlcjp3b3Jk\r\n");

    snprintf(to, sizeof to, "http://127.0.0.1:%u/c?d", (unsigned)self.second_port);
    answer_found(&self, to);
    request = wait_for_request(test, &self, self.second);
    assert_int_equal(strncmp(request, "GET /c?d HTTP/1.1\r\n", 19), 0);
    assert_says(request, "\r\nSec-WebSocket-Protocol: chat\r\n");
    assert_null(strstr(request, "Authorization"));
    assert_null(strstr(request, "Cookie"));
    assert_null(strstr(request, "X-Api-Key"));
    raw_upgrade_server(test, &self.peer, -1);
    step_until(test, seen.opens == 1, "the client is open");
    assert_int_equal(seen.closes, 0);
    snprintf(shown, sizeof shown, "ws://127.0.0.1:%u/c?d", (unsigned)self.second_port);
    assert_string_equal(vital_conn_url(conn), shown);

    raw_close(&self.peer); /* whom it loses there it looks for where it was told to */
    request = wait_for_request(test, &self, self.first);
    assert_int_equal(strncmp(request, "GET /a ", 7), 0);
    assert_says(request, "\r\nCookie: session=1\r\n");
    end_crossing(&self);
    step_until(test, seen.closes >= 2, "the end is noticed");
}

static void a_loop_of_redirects_ends_and_says_where_it_pointed(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    crossing self;
    begin_crossing(&self);
    live_connect(test->loop, &(vital_connect_options){.url = url_of(self.first_port),
                                                      .events = WITNESS,
                                                      .user = &seen,
                                                      .redirects = 2});
    for (int i = 0; i < 3; i++) {
        wait_for_request(test, &self, self.first);
        answer_found(&self, "/round");
    }
    step_until(test, seen.closes == 1, "it is given up");
    assert_cause(&seen, VITAL_REJECTED);
    assert_int_equal(seen.verdict.status, 302);
    assert_true(seen.verdict.final);
    assert_string_equal(seen.verdict.text, "The server answered 302 Found, pointing to /round "
                                           "(after too many redirects) instead of upgrading.");
    end_crossing(&self);
}

static void a_redirect_to_nobody_is_unreachable(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    crossing self;
    uint16_t port;
    int bound = raw_bind(&port);
    char to[64];
    begin_crossing(&self);
    connect_to(test->loop, &seen, url_of(self.first_port), NEVER);
    wait_for_request(test, &self, self.first);
    snprintf(to, sizeof to, "ws://127.0.0.1:%u/", (unsigned)port);
    answer_found(&self, to);
    step_until(test, seen.closes == 1, "nobody is there");
    assert_cause(&seen, VITAL_UNREACHABLE);
    assert_int_equal(seen.verdict.status, 0);
    assert_says(seen.verdict.text, "Connection refused");
    end_crossing(&self);
    close(bound);
}

static void a_client_may_be_closed_while_it_is_redirected(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    crossing self;
    char to[64];
    begin_crossing(&self);
    vital_conn *conn = connect_to(test->loop, &seen, url_of(self.first_port), SOON);
    wait_for_request(test, &self, self.first);
    snprintf(to, sizeof to, "ws://127.0.0.1:%u/", (unsigned)self.second_port);
    answer_found(&self, to);
    wait_for_request(test, &self, self.second);
    vital_close(conn, 1000, NULL);
    step_until(test, seen.closes == 1, "it is told");
    assert_cause(&seen, VITAL_CLOSED_BY_US);
    step_until(test, raw_ended(&self.peer), "the stream ends");
    end_crossing(&self);
}

static void credentials_appear_in_no_sentence(void **state)
{
    live *test = *state;
    static const char *const urls[] = {"ws://user:hunter2@h:0/", "ws://user:hunter2%@h/",
                                       "ws://user:hunter2@/", "wss://us%3aer:hunter2@h/",
                                       "ws://user:hunter2@h/ x"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        vital_conn *conn;
        assert_int_equal(vital_connect(&conn, test->loop, &(vital_connect_options){.url = urls[i]}),
                         VITAL_EINVAL);
        assert_null(strstr(vital_loop_problem(test->loop), "hunter2"));
    }
    witness seen = {.opens = 0};
    uint16_t port;
    int bound = raw_bind(&port);
    char url[64];
    snprintf(url, sizeof url, "ws://user:hunter2@127.0.0.1:%u/", (unsigned)port);
    vital_conn *conn = connect_to(test->loop, &seen, url, NEVER);
    assert_null(strstr(vital_conn_url(conn), "hunter2"));
    step_until(test, seen.closes == 1, "nobody is there");
    assert_null(strstr(seen.verdict.text, "hunter2"));
    close(bound);
}

/* ------------------------------------------------------------- what is asked for */

static void the_request_says_what_the_options_say(void **state)
{
    live *test = *state;
    static const char *const headers[] = {"Authorization: Bearer xyz", "X-Two: 2", NULL};
    static const char *const protocols[] = {"chat.2", "chat.1", NULL};
    witness seen = {.opens = 0};
    raw_peer peer;
    uint16_t port;
    char url[64], host[64];
    int listener = raw_listen(&port);
    snprintf(url, sizeof url, "ws://localhost:%u/room/7?x=%%20y", (unsigned)port);
    snprintf(host, sizeof host, "\r\nHost: localhost:%u\r\n", (unsigned)port);
    live_connect(test->loop, &(vital_connect_options){
                                 .url = url,
                                 .events = WITNESS,
                                 .user = &seen,
                                 .headers = headers,
                                 .subprotocols = protocols,
                                 .reconnect = NEVER,
                             });
    memset(url, 'x', sizeof url - 1); /* all was copied */
    step_until(test, raw_accept(&peer, listener), "the client comes");
    step_until(test, raw_has(&peer, "\r\n\r\n"), "its request has come");
    const char *request = (const char *)peer.bytes;
    assert_int_equal(strncmp(request, "GET /room/7?x=%20y HTTP/1.1\r\n", 29), 0);
    assert_says(request, host);
    assert_says(request, "\r\nAuthorization: Bearer xyz\r\n");
    assert_says(request, "\r\nX-Two: 2\r\n");
    assert_says(request, "\r\nSec-WebSocket-Protocol: chat.2, chat.1\r\n");
    assert_says(request, "\r\nSec-WebSocket-Version: 13\r\n");
    raw_upgrade_server(test, &peer, -1);
    step_until(test, seen.opens == 1, "the client is open");
    vital_opening opening;
    vital_conn_opening(seen.conn, &opening);
    assert_true(opening.name_us >= 0);
    raw_close(&peer);
    close(listener);
    step_until(test, seen.closes == 1, "the end is noticed");
}

static void a_subprotocol_is_agreed_on(void **state)
{
    live *test = *state;
    static const char *const ours[] = {"chat.1", "chat.3", NULL};
    static const char *const offered[] = {"chat.3", "chat.1", NULL};
    witness server_seen = {.opens = 0}, seen = {.opens = 0};
    vital_server *server = live_listen(test->loop, &(vital_listen_options){
                                                       .address = "127.0.0.1:0",
                                                       .events = WITNESS,
                                                       .user = &server_seen,
                                                       .subprotocols = ours,
                                                   });
    vital_conn *conn = live_connect(test->loop, &(vital_connect_options){
                                                    .url = vital_server_url(server),
                                                    .events = WITNESS,
                                                    .user = &seen,
                                                    .subprotocols = offered,
                                                });
    assert_string_equal(vital_conn_subprotocol(conn), "");
    step_until(test, seen.opens == 1 && server_seen.opens == 1, "both are open");
    assert_string_equal(vital_conn_subprotocol(conn), "chat.1");
    assert_string_equal(vital_conn_subprotocol(server_seen.conn), "chat.1");
}

static void a_text_heartbeat_is_answered_and_not_shown(void **state)
{
    live *test = *state;
    witness server_seen = {.echo = true}, seen = {.opens = 0};
    vital_server *server = serve_on(test->loop, &server_seen, "127.0.0.1:0");
    vital_conn *conn = live_connect(test->loop,
                                    &(vital_connect_options){
                                        .url = vital_server_url(server),
                                        .events = WITNESS,
                                        .user = &seen,
                                        .heartbeat = {.kind = VITAL_BEAT_TEXT, .interval_ms = 50},
                                    });
    vital_pulse pulse = {.beats_answered = 0};
    step_until(test, (vital_conn_pulse(conn, &pulse), pulse.beats_answered >= 3),
               "three beats are answered");
    assert_int_equal(seen.messages, 0);
    assert_int_equal(server_seen.messages, 0);
    assert_true(pulse.proof_ms >= 0);
}

/* ------------------------------------------------------------- addresses and names */

static void a_name_is_looked_up_and_its_addresses_are_tried_in_turn(void **state)
{
    live *test = *state;
    witness server_seen = {.opens = 0}, seen = {.opens = 0};
    vital_server *server = serve_on(test->loop, &server_seen, "127.0.0.1:0");
    char url[64];
    snprintf(url, sizeof url, "ws://localhost%s", strrchr(vital_server_url(server), ':'));
    connect_to(test->loop, &seen, url, NEVER);
    step_until(test, seen.opens == 1, "localhost is reached, over IPv4 if need be");
}

static void ipv6_works_like_ipv4(void **state)
{
    live *test = *state;
    witness server_seen = {.opens = 0}, seen = {.opens = 0};
    vital_server *server;
    if (vital_listen(&server, test->loop,
                     &(vital_listen_options){
                         .address = "[::1]:0", .events = WITNESS, .user = &server_seen}) != 0) {
        print_error("SKIPPED, no IPv6 here: %s\n", vital_loop_problem(test->loop));
        skip();
    }
    assert_int_equal(strncmp(vital_server_url(server), "ws://[::1]:", 11), 0);
    vital_conn *conn = connect_to(test->loop, &seen, vital_server_url(server), NEVER);
    step_until(test, seen.opens == 1 && server_seen.opens == 1, "both are open");
    assert_int_equal(strncmp(vital_conn_peer(conn), "[::1]:", 6), 0);
    assert_int_equal(strncmp(vital_conn_peer(server_seen.conn), "[::1]:", 6), 0);
}

static void unix_sockets_work_like_tcp(void **state)
{
    live *test = *state;
    char address[128], abstract[64];
    snprintf(address, sizeof address, "unix:%s/socket", test->directory);
    snprintf(abstract, sizeof abstract, "unix:@vital-test-%d", (int)getpid());
    const char *const all[] = {address, abstract};
    for (int i = 0; i < 2; i++) {
        witness server_seen = {.echo = true}, seen = {.opens = 0};
        vital_server *server = serve_on(test->loop, &server_seen, all[i]);
        assert_int_equal(strncmp(vital_server_url(server), "ws+unix:", 8), 0);
        vital_conn *conn = connect_to(test->loop, &seen, vital_server_url(server), NEVER);
        step_until(test, seen.opens == 1 && server_seen.opens == 1, "both are open");
        assert_string_equal(vital_conn_peer(conn), all[i]);
        assert_string_equal(vital_conn_peer(server_seen.conn), "unix:");
        assert_int_equal(vital_send(conn, VITAL_TEXT, vital_text("hello")), 0);
        step_until(test, seen.messages == 1, "the echo comes");
        vital_server_drain(server, &(vital_drain){.code = 1000}, NULL, NULL);
        step_until(test, seen.closes == 1, "the client is told");
    }
}

/* The real network, but names are answered by us: the first of two addresses is
 * one on which nobody listens. */
static uint16_t named_port;

static void answer_two(void *arg)
{
    vt_lookup *lookup = arg;
    vt_address addresses[2];
    assert_true(vt_address_numeric(&addresses[0], "127.0.0.2", named_port));
    assert_true(vt_address_numeric(&addresses[1], "127.0.0.1", named_port));
    lookup->found(lookup->owner, addresses, 2, "");
    free(lookup);
}

static vt_lookup *look_up_two(vital_loop *loop, const char *host, uint16_t port)
{
    vt_lookup *lookup = calloc(1, sizeof *lookup);
    assert_non_null(lookup);
    assert_string_equal(host, "two.example");
    named_port = port;
    lookup->loop = loop;
    assert_int_equal(vital_loop_post(loop, answer_two, lookup), 0);
    return lookup;
}

static void the_address_that_answers_is_the_one_that_is_named(void **state)
{
    live *test = *state;
    witness server_seen = {.opens = 0}, seen = {.opens = 0};
    vt_backend naming = vt_backend_epoll;
    naming.lookup = look_up_two;
    assert_int_equal(vt_loop_create(&test->other, &naming, NULL), 0);
    vital_server *server = serve_on(test->loop, &server_seen, "127.0.0.1:0");
    const char *address = vital_server_url(server) + strlen("ws://");
    char url[64];
    snprintf(url, sizeof url, "ws://two.example%s", strchr(address, ':'));
    vital_conn *conn = connect_to(test->other, &seen, url, NEVER);
    step_until(test, seen.opens == 1, "the second address is reached");
    assert_int_equal(strncmp(vital_conn_peer(conn), address, strlen(vital_conn_peer(conn))), 0);
    vital_loop_destroy(test->other); /* before its backend, which is on the stack, ends */
    test->other = NULL;
}

/* A listener with a full queue drops what comes: the first address is a hole. */
static void an_address_that_never_answers_costs_a_quarter_of_a_second_rfc_8305(void **state)
{
    live *test = *state;
    witness server_seen = {.opens = 0}, seen = {.opens = 0};
    vt_backend naming = vt_backend_epoll;
    naming.lookup = look_up_two;
    assert_int_equal(vt_loop_create(&test->other, &naming, NULL), 0);
    vital_server *server = serve_on(test->loop, &server_seen, "127.0.0.1:0");
    const char *port = strrchr(vital_server_url(server), ':');
    struct sockaddr_in hole = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port + 1))};
    assert_int_equal(inet_pton(AF_INET, "127.0.0.2", &hole.sin_addr), 1);
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (i == 0) {
            assert_int_equal(bind(fds[i], (struct sockaddr *)&hole, sizeof hole), 0);
            assert_int_equal(listen(fds[i], 0), 0);
        } else {
            connect(fds[i], (struct sockaddr *)&hole, sizeof hole);
        }
    }
    char url[64];
    snprintf(url, sizeof url, "ws://two.example%s", port);
    int64_t began_ms = live_now_ms();
    connect_to(test->other, &seen, url, NEVER);
    step_until(test, seen.opens == 1, "the second address is reached");
    assert_in_range(live_now_ms() - began_ms, 250, 5000);
    assert_int_equal(strncmp(seen.conn == NULL ? "" : vital_conn_peer(seen.conn), "127.0.0.1:", 10),
                     0);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    vital_loop_destroy(test->other);
    test->other = NULL;
}

/* -------------------------------------------------- on a backend without a network */

static int fake_setup(void **state)
{
    vital_loop *loop;
    if (vt_loop_create(&loop, &FAKE_BACKEND, NULL) != 0)
        return -1;
    *state = loop;
    return 0;
}

static int fake_teardown(void **state)
{
    vital_loop_destroy(*state);
    return 0;
}

static void a_numeric_address_is_never_looked_up(void **state)
{
    vital_loop *loop = *state;
    static const char *const urls[] = {"ws://127.0.0.1:9/", "ws://[::1]:9/", "ws+unix:/run/x"};
    for (int i = 0; i < 3; i++) {
        witness seen = {.opens = 0};
        connect_to(loop, &seen, urls[i], NEVER);
        for (int turns = 0; seen.closes == 0 && turns < 10; turns++)
            assert_int_equal(vital_loop_step(loop, 10), 0);
        assert_cause(&seen, VITAL_UNREACHABLE);
    }
    assert_int_equal(fake_of(loop)->connects, 3);
    assert_int_equal(fake_of(loop)->lookups, 0);
}

static void answer_not_found(fake_loop *loop)
{
    fake_answer(loop, NULL, 0, "it has never been heard of");
}

static void answer_two_addresses(fake_loop *loop)
{
    vt_address addresses[2];
    vt_address_numeric(&addresses[0], "192.0.2.1", 9);
    vt_address_numeric(&addresses[1], "192.0.2.2", 9);
    fake_answer(loop, addresses, 2, "");
}

static void a_name_that_is_not_found_is_unreachable(void **state)
{
    vital_loop *loop = *state;
    witness seen = {.opens = 0};
    connect_to(loop, &seen, "ws://nobody.example:9/", NEVER);
    assert_int_equal(vital_loop_step(loop, 10), 0);
    assert_int_equal(fake_of(loop)->lookups, 1);
    assert_string_equal(fake_of(loop)->host, "nobody.example");
    fake_of(loop)->complete = answer_not_found;
    assert_int_equal(vital_loop_step(loop, 10), 0);
    assert_int_equal(seen.closes, 1);
    assert_cause(&seen, VITAL_UNREACHABLE);
    assert_says(seen.verdict.text,
                "the name nobody.example was not found: it has never been heard of");
}

static void of_several_addresses_all_are_tried(void **state)
{
    vital_loop *loop = *state;
    witness seen = {.opens = 0};
    connect_to(loop, &seen, "ws://two.example:9/", NEVER);
    assert_int_equal(vital_loop_step(loop, 10), 0);
    fake_of(loop)->complete = answer_two_addresses;
    assert_int_equal(vital_loop_step(loop, 10), 0);
    assert_int_equal(fake_of(loop)->connects, 2);
    assert_int_equal(seen.closes, 1);
    assert_says(seen.verdict.text, "none of 2 addresses of two.example, the last 192.0.2.2:9");
}

static void a_name_that_takes_too_long_is_given_up(void **state)
{
    vital_loop *loop = *state;
    witness seen = {.opens = 0};
    live_connect(loop, &(vital_connect_options){.url = "ws://slow.example/",
                                                .events = WITNESS,
                                                .user = &seen,
                                                .reconnect = NEVER,
                                                .limits = {.open_ms = 3000}});
    for (int turns = 0; seen.closes == 0 && turns < 100; turns++)
        assert_int_equal(vital_loop_step(loop, -1), 0);
    assert_cause(&seen, VITAL_UNREACHABLE);
    assert_says(seen.verdict.text, "within the time limit");
    assert_int_equal(fake_of(loop)->cancels, 1);
    assert_in_range(fake_of(loop)->now_us - FAKE_START_US, 3000000, 3100000);
}

static void a_name_is_given_up_with_its_connection(void **state)
{
    vital_loop *loop = *state;
    witness seen = {.opens = 0};
    vital_conn *conn = connect_to(loop, &seen, "ws://slow.example/", SOON);
    assert_int_equal(vital_loop_step(loop, 10), 0);
    vital_close(conn, 1000, NULL);
    assert_int_equal(vital_loop_step(loop, 10), 0);
    assert_int_equal(seen.closes, 1);
    assert_cause(&seen, VITAL_CLOSED_BY_US);
    assert_int_equal(fake_of(loop)->cancels, 1);

    seen = (witness){.opens = 0};
    connect_to(loop, &seen, "ws://slow.example/", SOON);
    assert_int_equal(vital_loop_step(loop, 10), 0);
    vital_loop_destroy(loop); /* it is cancelled too, as ASan would tell */
    *state = NULL;
    assert_int_equal(seen.closes, 0);
}

static void answer_late(void *owner)
{
    fake_loop *loop = owner;
    if (loop->lookup != NULL)
        answer_not_found(loop);
}

static void an_answer_in_the_turn_of_the_time_limit_comes_too_late(void **state)
{
    vital_loop *loop = *state;
    witness seen = {.opens = 0};
    vt_timer timer;
    live_connect(loop, &(vital_connect_options){.url = "ws://slow.example/",
                                                .events = WITNESS,
                                                .user = &seen,
                                                .reconnect = {.first_ms = 60000},
                                                .limits = {.open_ms = 3000}});
    assert_int_equal(vt_timer_init(&timer, loop, answer_late, loop), 0);
    assert_int_equal(vital_loop_step(loop, 0), 0);
    vt_timer_arm(&timer, loop, FAKE_START_US + 3000000);
    while (seen.closes == 0)
        assert_int_equal(vital_loop_step(loop, -1), 0);
    assert_says(seen.verdict.text, "within the time limit");
    vt_timer_finish(&timer, loop);
}

static void a_client_tries_for_ever_at_growing_and_bounded_distances(void **state)
{
    vital_loop *loop = *state;
    witness seen = {.opens = 0};
    connect_to(loop, &seen, "ws://127.0.0.1:9/",
               (vital_reconnect){.first_ms = 1000, .min_ms = 500, .max_ms = 20000});
    int64_t failed_us = -1, longest_us = 0;
    while (fake_of(loop)->now_us < FAKE_START_US + 24LL * 3600 * 1000000) {
        int closes = seen.closes, connects = fake_of(loop)->connects;
        int64_t promised_ms = seen.verdict.retry_ms;
        assert_int_equal(vital_loop_step(loop, -1), 0);
        if (failed_us >= 0 && fake_of(loop)->connects > connects) {
            int64_t waited_us = fake_of(loop)->now_us - failed_us;
            assert_in_range(waited_us, promised_ms * 1000, promised_ms * 1000 + 60000);
            assert_in_range(promised_ms, connects == 1 ? 0 : 500, connects == 1 ? 1000 : 20000);
            longest_us = waited_us > longest_us ? waited_us : longest_us;
        }
        if (seen.closes > closes) {
            assert_cause(&seen, VITAL_UNREACHABLE);
            assert_false(seen.verdict.final);
            failed_us = fake_of(loop)->now_us;
        }
    }
    assert_true(seen.closes > 24 * 3600 / 20);
    assert_true(longest_us > 15000000);
    assert_int_equal(vt_loop_clock(loop).stalled_us, 0);
}

static int64_t sooner_ms;
static vital_hint sooner_why;

static void on_sooner(vital_conn *conn, vital_hint why, int64_t retry_ms)
{
    (void)conn;
    sooner_why = why;
    sooner_ms = retry_ms;
}

static void a_client_that_waits_tries_when_the_network_changes_or_the_machine_wakes(void **state)
{
    vital_loop *loop = *state;
    witness seen = {.opens = 0};
    vital_conn *conn;
    vital_connect_options options = {
        .url = "ws://127.0.0.1:9/",
        .events = WITNESS,
        .user = &seen,
        .reconnect = {.first_ms = 3600000, .min_ms = 3600000, .max_ms = 3600000},
    };
    options.events.sooner = on_sooner;
    assert_int_equal(vital_connect(&conn, loop, &options), 0);
    assert_int_equal(fake_of(loop)->watches, 1);
    while (seen.closes < 2) /* the first delay is drawn from zero on */
        assert_int_equal(vital_loop_step(loop, -1), 0);
    assert_int_equal(vital_loop_step(loop, 60000), 0);
    for (int i = 0; i < 2; i++) {
        int closes = seen.closes;
        int64_t then_us = fake_of(loop)->now_us;
        sooner_ms = -1;
        if (i == 0)
            vital_loop_network_changed(loop);
        else
            fake_of(loop)->slept_us += 3600LL * 1000000;
        while (seen.closes == closes)
            assert_int_equal(vital_loop_step(loop, 10), 0);
        assert_in_range(fake_of(loop)->now_us - then_us, 0, 850 * 1000);
        assert_int_equal(sooner_why, i == 0 ? VITAL_HINT_NETWORK : VITAL_HINT_RESUMED);
        assert_in_range(sooner_ms, 0, 500);
        assert_int_equal(vital_loop_step(loop, 60000), 0);
    }
}

/* ------------------------------------------------------------------- giving it up */

static void a_client_may_be_closed_before_anything_was_done(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    uint16_t port;
    int listener = raw_listen(&port);
    vital_conn *conn = connect_to(test->loop, &seen, url_of(port), SOON);
    vital_close(conn, 1000, NULL);
    vital_close(conn, 1000, NULL);
    assert_int_equal(vital_send(conn, VITAL_TEXT, vital_text("x")), VITAL_ECLOSED);
    assert_int_equal(seen.closes, 0);
    step_until(test, seen.closes == 1, "it is told");
    assert_cause(&seen, VITAL_CLOSED_BY_US);
    assert_true(seen.verdict.final);
    close(listener);
}

/* The outcome is there, and the loop has not looked yet. */
static void close_while_connecting(live *test, uint16_t port)
{
    witness seen = {.opens = 0};
    vital_conn *conn = connect_to(test->loop, &seen, url_of(port), SOON);
    assert_int_equal(vital_loop_step(test->loop, 0), 0);
    assert_int_equal(seen.closes, 0);
    vital_close(conn, 1000, NULL);
    step_until(test, seen.closes == 1, "it is told");
    assert_cause(&seen, VITAL_CLOSED_BY_US);
    for (int i = 0; i < 3; i++)
        live_step(test);
    assert_int_equal(seen.closes, 1);
}

static void a_client_may_be_closed_while_it_connects(void **state)
{
    live *test = *state;
    uint16_t open_port, closed_port;
    int listener = raw_listen(&open_port), bound = raw_bind(&closed_port);
    close_while_connecting(test, open_port);
    close_while_connecting(test, closed_port);
    close(listener);
    close(bound);
}

static void a_client_may_be_closed_while_it_waits_for_the_upgrade(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    raw_peer peer;
    uint16_t port;
    int listener = raw_listen(&port);
    vital_conn *conn = connect_to(test->loop, &seen, url_of(port), SOON);
    step_until(test, raw_accept(&peer, listener), "the client comes");
    step_until(test, raw_has(&peer, "\r\n\r\n"), "its request has come");
    vital_close(conn, 1000, NULL);
    step_until(test, seen.closes == 1, "it is told");
    assert_cause(&seen, VITAL_CLOSED_BY_US);
    step_until(test, raw_ended(&peer), "the stream ends");
    raw_close(&peer);
    close(listener);
}

/* -------------------------------------------------------------------- coming back */

static void a_client_comes_back_with_what_was_sent_meanwhile(void **state)
{
    live *test = *state;
    witness first = {.opens = 0}, second = {.opens = 0}, seen = {.opens = 0};
    live_add_loop(test);
    vital_server *server = serve_on(test->other, &first, "127.0.0.1:0");
    char address[64], text[32];
    snprintf(address, sizeof address, "%s", vital_server_url(server) + strlen("ws://"));
    address[strlen(address) - 1] = '\0';
    vital_conn *conn = connect_to(test->loop, &seen, vital_server_url(server), SOON);
    assert_int_equal(vital_send(conn, VITAL_TEXT, vital_text("before it was open")), 0);
    step_until(test, first.messages == 1, "the early message arrives");
    assert_string_equal(first.text, "before it was open");

    vital_loop_destroy(test->other); /* the server goes away */
    test->other = NULL;
    step_until(test, seen.closes >= 1, "that is noticed");
    assert_cause(&seen, VITAL_CUT);
    assert_false(seen.verdict.final);
    assert_in_range(seen.verdict.retry_ms, 0, 60);
    assert_int_equal(seen.verdict.unsent, 0);
    assert_int_equal(seen.verdict.unconfirmed, 1);
    assert_int_equal(first.closes, 0);

    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "while away %d", i);
        assert_int_equal(vital_send(conn, VITAL_TEXT, vital_text(text)), 0);
    }
    assert_int_equal(vital_ping(conn, vital_text("x")), VITAL_ESTATE);
    assert_string_equal(vital_conn_peer(conn), "");
    assert_int_equal(vital_conn_queued(conn), 3 * strlen(text));
    int closes = seen.closes;
    step_until(test, seen.closes >= closes + 3, "a few attempts fail");
    assert_cause(&seen, VITAL_UNREACHABLE);
    assert_int_equal(seen.verdict.unsent, 3);
    assert_int_equal(seen.verdict.unconfirmed, 0); /* reported once */

    live_add_loop(test);
    serve_on(test->other, &second, address); /* and is back */
    step_until(test, second.messages == 3, "what was sent meanwhile arrives");
    assert_string_equal(second.text, "while away 2");
    assert_int_equal(seen.opens, 2);
    assert_ptr_equal(seen.conn, conn);
    assert_int_equal(first.messages, 1);
    assert_int_equal(vital_conn_queued(conn), 0);
    assert_int_equal(seen.finals, 0);
}

static void a_client_that_is_told_to_restart_comes_back_and_one_that_is_done_does_not(void **state)
{
    live *test = *state;
    static const struct {
        uint16_t code;
        bool final;
    } all[] = {{1000, true}, {1001, false}, {1008, true}, {1011, false}, {4000, false}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        witness server_seen = {.opens = 0}, seen = {.opens = 0};
        vital_server *server = serve_on(test->loop, &server_seen, "127.0.0.1:0");
        vital_conn *conn = connect_to(test->loop, &seen, vital_server_url(server), SOON);
        step_until(test, server_seen.opens == 1, "the server has it");
        vital_close(server_seen.conn, all[i].code, "so be it");
        step_until(test, seen.closes == 1, "the client is told");
        assert_cause(&seen, VITAL_CLOSED_BY_PEER);
        assert_int_equal(seen.verdict.code, all[i].code);
        assert_int_equal(seen.verdict.final, all[i].final);
        if (all[i].final)
            continue;
        step_until(test, seen.opens == 2, "the client is back");
        vital_close(conn, 1000, NULL);
        step_until(test, seen.finals == 1, "it is done");
    }
}

typedef struct quitter {
    witness seen;
    int sent, pinged;
} quitter;

static void quit(vital_conn *conn, const vital_verdict *verdict)
{
    quitter *self = vital_user(conn);
    witness_close(conn, verdict);
    int sent = vital_send(conn, VITAL_TEXT, vital_text("to be kept"));
    int pinged = vital_ping(conn, vital_text("x"));
    if (self->seen.closes == 1) {
        self->sent = sent;
        self->pinged = pinged;
    }
    vital_close(conn, 1000, NULL);
    assert_int_equal(vital_send(conn, VITAL_TEXT, vital_text("x")), VITAL_ECLOSED);
}

static void a_client_that_closes_while_away_ends_at_once_with_a_verdict_of_its_own(void **state)
{
    live *test = *state;
    quitter self = {.sent = 1, .pinged = 1};
    uint16_t port;
    int bound = raw_bind(&port);
    vital_events events = WITNESS;
    events.close = quit;
    live_connect(test->loop,
                 &(vital_connect_options){.url = url_of(port), .events = events, .user = &self});
    step_until(test, self.seen.finals == 1, "the last verdict comes");
    assert_int_equal(self.seen.closes, 2);
    assert_int_equal(self.sent, 0);
    assert_int_equal(self.pinged, VITAL_ESTATE);
    assert_cause(&self.seen, VITAL_CLOSED_BY_US);
    assert_int_equal(self.seen.verdict.unsent, 1);
    close(bound);
}

static void messages_without_proof_are_counted_until_a_beat_proves_them(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    raw_peer peer;
    uint16_t port;
    int listener = raw_listen(&port);
    vital_conn *conn = live_connect(test->loop, &(vital_connect_options){
                                                    .url = url_of(port),
                                                    .events = WITNESS,
                                                    .user = &seen,
                                                    .reconnect = NEVER,
                                                    .heartbeat = {.interval_ms = 100},
                                                });
    raw_upgrade_server(test, &peer, listener);
    step_until(test, seen.opens == 1, "the client is open");
    assert_int_equal(vital_send(conn, VITAL_TEXT, vital_text("one")), 0);
    assert_int_equal(vital_send(conn, VITAL_TEXT, vital_text("two")), 0);
    step_until(test, raw_reaches(&peer, VT_OP_PING), "a beat follows them");
    vt_frame frame;
    uint8_t *payload = NULL;
    size_t used = 0;
    assert_true(raw_next(&peer, &frame, &payload, &used));
    raw_frame(&peer, VT_OP_PONG, false, payload, (size_t)frame.size);
    raw_take(&peer, used);
    vital_pulse pulse = {.beats_answered = 0};
    step_until(test, (vital_conn_pulse(conn, &pulse), pulse.beats_answered == 1), "it is proven");
    assert_int_equal(vital_send(conn, VITAL_TEXT, vital_text("three")), 0);
    step_until(test, raw_reaches(&peer, VT_OP_TEXT), "the third arrives");
    raw_close(&peer);
    close(listener);
    step_until(test, seen.closes == 1, "the end is noticed");
    assert_cause(&seen, VITAL_CUT);
    assert_int_equal(seen.verdict.unconfirmed, 1);
    assert_int_equal(seen.verdict.unsent, 0);
    assert_int_equal(seen.verdict.pulse.beats_answered, 1);
}

#define fake_test(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        live_test(options_that_cannot_work_are_refused_in_a_sentence),
        live_test(a_unix_path_that_does_not_fit_is_refused_in_a_sentence),
        live_test(a_closed_port_is_unreachable_and_the_sentence_names_it),
        live_test(a_unix_socket_that_is_not_there_is_unreachable),
        live_test(a_server_that_never_answers_the_upgrade_is_unreachable),
        live_test(an_http_server_that_knows_no_websocket_rejects),
        live_test(a_server_that_speaks_no_http_misbehaves),
        live_test(a_server_that_hangs_up_instead_of_answering_is_unreachable),
        live_test(a15_a_redirect_to_another_origin_is_followed_without_credentials),
        live_test(a_loop_of_redirects_ends_and_says_where_it_pointed),
        live_test(a_redirect_to_nobody_is_unreachable),
        live_test(a_client_may_be_closed_while_it_is_redirected),
        live_test(credentials_appear_in_no_sentence),
        live_test(the_request_says_what_the_options_say),
        live_test(a_subprotocol_is_agreed_on),
        live_test(a_text_heartbeat_is_answered_and_not_shown),
        live_test(a_name_is_looked_up_and_its_addresses_are_tried_in_turn),
        live_test(the_address_that_answers_is_the_one_that_is_named),
        live_test(an_address_that_never_answers_costs_a_quarter_of_a_second_rfc_8305),
        live_test(ipv6_works_like_ipv4),
        live_test(unix_sockets_work_like_tcp),
        fake_test(a_numeric_address_is_never_looked_up),
        fake_test(a_name_that_is_not_found_is_unreachable),
        fake_test(of_several_addresses_all_are_tried),
        fake_test(a_name_that_takes_too_long_is_given_up),
        fake_test(a_name_is_given_up_with_its_connection),
        fake_test(an_answer_in_the_turn_of_the_time_limit_comes_too_late),
        fake_test(a_client_tries_for_ever_at_growing_and_bounded_distances),
        fake_test(a_client_that_waits_tries_when_the_network_changes_or_the_machine_wakes),
        live_test(a_client_may_be_closed_before_anything_was_done),
        live_test(a_client_may_be_closed_while_it_connects),
        live_test(a_client_may_be_closed_while_it_waits_for_the_upgrade),
        live_test(a_client_comes_back_with_what_was_sent_meanwhile),
        live_test(a_client_that_is_told_to_restart_comes_back_and_one_that_is_done_does_not),
        live_test(a_client_that_closes_while_away_ends_at_once_with_a_verdict_of_its_own),
        live_test(messages_without_proof_are_counted_until_a_beat_proves_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
