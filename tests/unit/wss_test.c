/*
 * Clients and servers over TLS, on real sockets: that it is the same as without,
 * whom they trust, what becomes of those who do wrong, and that certificates can
 * be renewed under way.
 */
#include <vital/vital.h>

#include "live.h"
#include "raw_tls.h"

#include "authority.h"

static const vital_heartbeat NO_BEAT = {.kind = VITAL_BEAT_NONE};
static const vital_reconnect NEVER = {.never = true};
static const vital_reconnect SOON = {.first_ms = 20, .min_ms = 20, .max_ms = 60};

/* Made once: nobody changes them. */
static struct {
    folder folder;
    identity root, server, client;
    char ca[AUTHORITY_PATH_BYTES], server_pem[AUTHORITY_PATH_BYTES],
        client_pem[AUTHORITY_PATH_BYTES];
} pki;

static int make_pki(void **state)
{
    (void)state;
    enter_folder(&pki.folder);
    pki.root = make_identity(&(wish){.name = "Test Root", .authority = true}, NULL);
    pki.server = make_identity(
        &(wish){.name = "first", .alternatives = "IP:127.0.0.1,DNS:vital.test"}, &pki.root);
    pki.client = make_identity(&(wish){.name = "alice"}, &pki.root);
    write_pem(pki.ca, &pki.folder, "ca.pem", &pki.root, NULL);
    write_pem(pki.server_pem, &pki.folder, "server.pem", &pki.server, &pki.server);
    write_pem(pki.client_pem, &pki.folder, "client.pem", &pki.client, &pki.client);
    return 0;
}

static int drop_pki(void **state)
{
    (void)state;
    free_identity(&pki.root);
    free_identity(&pki.server);
    free_identity(&pki.client);
    leave_folder(&pki.folder);
    return 0;
}

static vital_server *serve_with(live *test, witness *seen, const vital_tls *tls)
{
    vital_events events = WITNESS;
    events.accept = witness_accept;
    return live_listen(test->loop, &(vital_listen_options){
                                       .address = "127.0.0.1:0",
                                       .tls = *tls,
                                       .events = events,
                                       .user = seen,
                                       .heartbeat = NO_BEAT,
                                   });
}

static vital_server *serve(live *test, witness *seen)
{
    return serve_with(test, seen, &(vital_tls){.cert_file = pki.server_pem});
}

static vital_conn *connect_with(live *test, witness *seen, const char *url, const vital_tls *tls)
{
    return live_connect(test->loop, &(vital_connect_options){
                                        .url = url,
                                        .tls = *tls,
                                        .events = WITNESS,
                                        .user = seen,
                                        .heartbeat = NO_BEAT,
                                        .reconnect = NEVER,
                                    });
}

static vital_conn *connect_to(live *test, witness *seen, const vital_server *server)
{
    return connect_with(test, seen, vital_server_url(server), &(vital_tls){.ca_file = pki.ca});
}

static uint16_t port_of(const vital_server *server)
{
    return (uint16_t)atoi(strrchr(vital_server_url(server), ':') + 1);
}

static void leave(live *test, witness *seen)
{
    vital_close(seen->conn, 1000, NULL);
    step_until(test, seen->closes == 1, "the client is told");
    assert_cause(seen, VITAL_CLOSED_BY_US);
}

/* ------------------------------------------------------------- the same as without */

static void messages_of_every_size_come_back_as_they_were(void **state)
{
    live *test = *state;
    static const size_t sizes[] = {0, 1, 125, 126, 16383, 16384, 16385, 65536, 1 << 20, 8 << 20};
    const vital_limits limits = {.message_bytes = 8 << 20, .queue_bytes = 8 << 20};
    witness at_server = {.echo = true}, at_client = {.opens = 0};
    char *bytes = malloc(8 << 20);
    assert_non_null(bytes);
    for (size_t i = 0; i < 8 << 20; i++)
        bytes[i] = (char)('a' + (i + (i >> 7)) % 26);
    vital_server *server = live_listen(test->loop, &(vital_listen_options){
                                                       .address = "127.0.0.1:0",
                                                       .tls = {.cert_file = pki.server_pem},
                                                       .events = WITNESS,
                                                       .user = &at_server,
                                                       .limits = limits,
                                                   });
    assert_int_equal(strncmp(vital_server_url(server), "wss://127.0.0.1:", 16), 0);
    live_connect(test->loop, &(vital_connect_options){
                                 .url = vital_server_url(server),
                                 .tls = {.ca_file = pki.ca},
                                 .events = WITNESS,
                                 .user = &at_client,
                                 .limits = limits,
                                 .reconnect = NEVER,
                             });
    step_until(test, at_client.opens == 1, "it is open");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int before = at_client.messages;
        assert_int_equal(vital_send(at_client.conn, VITAL_TEXT, (vital_bytes){bytes, sizes[i]}), 0);
        step_until(test, at_client.messages == before + 1, "the echo comes");
        assert_int_equal(at_client.size, sizes[i]);
        size_t shown = strlen(at_client.text);
        assert_memory_equal(at_client.text, bytes, shown);
    }
    free(bytes);
    leave(test, &at_client);
    step_until(test, at_server.closes == 1, "the server is told");
    assert_cause(&at_server, VITAL_CLOSED_BY_PEER);
    assert_int_equal(at_server.verdict.code, 1000);
}

static void the_opening_tells_its_phases_and_what_tls_agreed_on(void **state)
{
    live *test = *state;
    witness at_server = {.opens = 0}, at_client = {.opens = 0};
    vital_server *server = serve(test, &at_server);
    vital_conn *conn = connect_to(test, &at_client, server);
    vital_tls_facts facts;
    vital_conn_tls(conn, &facts);
    assert_string_equal(facts.version, "");
    step_until(test, at_client.opens == 1 && at_server.opens == 1, "both are open");

    vital_opening opening;
    vital_conn_opening(at_client.conn, &opening);
    assert_int_equal(opening.name_us, -1);
    assert_true(opening.connect_us >= 0 && opening.tls_us > 0 && opening.upgrade_us > 0);
    vital_conn_opening(at_server.conn, &opening);
    assert_true(opening.connect_us == -1 && opening.tls_us > 0 && opening.upgrade_us > 0);

    vital_conn_tls(at_client.conn, &facts);
    assert_string_equal(facts.version, "TLSv1.3");
    assert_string_equal(facts.peer, "CN=first");
    assert_true(strlen(facts.cipher) > 5);
    vital_conn_tls(at_server.conn, &facts);
    assert_string_equal(facts.peer, "");
    leave(test, &at_client);
}

static void a_client_that_comes_back_resumes_and_loses_nothing(void **state)
{
    live *test = *state;
    witness at_server = {.opens = 0}, at_client = {.opens = 0};
    vital_server *server = serve(test, &at_server);
    live_connect(test->loop, &(vital_connect_options){.url = vital_server_url(server),
                                                      .tls = {.ca_file = pki.ca},
                                                      .events = WITNESS,
                                                      .user = &at_client,
                                                      .heartbeat = NO_BEAT,
                                                      .reconnect = SOON});
    step_until(test, at_client.opens == 1 && at_server.opens == 1, "both are open");
    vital_conn *client = at_client.conn;
    vital_close(at_server.conn, 1001, "come back");
    step_until(test, at_client.closes == 1, "the client is told");
    assert_false(at_client.verdict.final);
    assert_int_equal(vital_send(client, VITAL_TEXT, vital_text("kept")), 0);
    step_until(test, at_server.messages == 1, "it is back");
    assert_string_equal(at_server.text, "kept");
    vital_tls_facts facts;
    vital_conn_tls(client, &facts);
    assert_true(facts.resumed);
    vital_conn_tls(at_server.conn, &facts);
    assert_true(facts.resumed);
    at_client.closes = 0;
    leave(test, &at_client);
}

/* Pauses at its first message, in the middle of what TLS has decrypted. */
static void pausing_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    witness *seen = vital_user(conn);
    witness_message(conn, kind, message);
    if (seen->messages == 1)
        vital_pause(conn, true);
}

static void a_pause_holds_what_tls_has_decrypted_and_loses_nothing(void **state)
{
    live *test = *state;
    enum { MESSAGES = 300, ALL_BYTES = 1000 };
    char text[ALL_BYTES + 1];
    witness at_server = {.opens = 0}, at_client = {.opens = 0};
    vital_server *server = serve(test, &at_server);
    vital_events events = WITNESS;
    events.message = pausing_message;
    vital_conn *client = live_connect(test->loop,
                                      &(vital_connect_options){.url = vital_server_url(server),
                                                               .tls = {.ca_file = pki.ca},
                                                               .events = events,
                                                               .user = &at_client,
                                                               .heartbeat = NO_BEAT,
                                                               .reconnect = NEVER});
    step_until(test, at_client.opens == 1 && at_server.opens == 1, "both are open");
    memset(text, 'x', ALL_BYTES);
    for (int i = 1; i <= MESSAGES; i++) {
        snprintf(text, 8, "%d", i);
        assert_int_equal(vital_send(at_server.conn, VITAL_BINARY, (vital_bytes){text, ALL_BYTES}),
                         0);
    }
    step_until(test, at_client.messages == 1, "the first has come");
    for (int i = 0; i < 20; i++)
        live_step(test);
    assert_int_equal(at_client.messages, 1);
    vital_pause(client, false);
    step_until(test, at_client.messages == MESSAGES, "all have come");
    assert_string_equal(at_client.text, "300");
    leave(test, &at_client);
}

/* ----------------------------------------------------------------------- trust */

/* What a client of these options says of the server, finally. */
static void untrusted(live *test, const vital_server *server, const vital_tls *tls,
                      const char *words)
{
    witness seen = {.opens = 0};
    connect_with(test, &seen, vital_server_url(server), tls);
    step_until(test, seen.closes == 1, "the client has its verdict");
    assert_cause(&seen, VITAL_UNTRUSTED);
    assert_true(seen.verdict.final);
    assert_true(seen.verdict.alert > 0);
    assert_int_equal(seen.verdict.code, 1006);
    assert_says(seen.verdict.text, "TLS established no trust: the server");
    assert_says(seen.verdict.text, words);
}

/* A16 of the attacks that we know, and its like. */
static void a16_a_server_that_is_another_is_untrusted_and_that_is_final(void **state)
{
    live *test = *state;
    witness at_server = {.opens = 0};
    vital_server *server = serve(test, &at_server);
    untrusted(test, server, &(vital_tls){.ca_file = pki.ca, .server_name = "else.test"},
              "is for 127.0.0.1, vital.test, not for else.test");
    untrusted(test, server, &(vital_tls){.server_name = "vital.test"},
              "issued by \"Test Root\", whom nobody here trusts");
    step_until(test, at_server.closes == 2, "the server is told of both");
    assert_cause(&at_server, VITAL_UNTRUSTED);
    assert_says(at_server.verdict.text, "the client does not accept our certificate");
    assert_int_equal(at_server.opens, 0);
}

static void an_expired_certificate_is_tried_again_only_if_that_was_wished(void **state)
{
    live *test = *state;
    char path[AUTHORITY_PATH_BYTES];
    witness at_server = {.opens = 0}, at_client = {.opens = 0};
    identity old = make_identity(
        &(wish){.name = "old", .alternatives = "IP:127.0.0.1", .since_days = -9, .until_days = -1},
        &pki.root);
    write_pem(path, &pki.folder, "renewed.pem", &old, &old);
    free_identity(&old);
    vital_server *server = serve_with(test, &at_server, &(vital_tls){.cert_file = path});
    untrusted(test, server, &(vital_tls){.ca_file = pki.ca}, "expired on ");

    vital_reconnect anyway = SOON;
    anyway.untrusted = true;
    live_connect(test->loop, &(vital_connect_options){.url = vital_server_url(server),
                                                      .tls = {.ca_file = pki.ca},
                                                      .events = WITNESS,
                                                      .user = &at_client,
                                                      .heartbeat = NO_BEAT,
                                                      .reconnect = anyway});
    step_until(test, at_client.closes == 2, "it was tried twice");
    assert_cause(&at_client, VITAL_UNTRUSTED);
    assert_false(at_client.verdict.final);
    write_pem(path, &pki.folder, "renewed.pem", &pki.server, &pki.server);
    assert_int_equal(vital_server_reload_tls(server), 0);
    step_until(test, at_client.opens == 1, "the renewed certificate is good");
    at_client.closes = 0;
    leave(test, &at_client);
}

static void an_insecure_client_believes_whoever_answers(void **state)
{
    live *test = *state;
    witness at_server = {.opens = 0}, at_client = {.opens = 0};
    vital_server *server = serve(test, &at_server);
    connect_with(test, &at_client, vital_server_url(server),
                 &(vital_tls){.insecure = true, .server_name = "else.test"});
    step_until(test, at_client.opens == 1, "it is open");
    leave(test, &at_client);
}

static void the_system_s_store_is_read_once_for_all_clients_of_a_loop(void **state)
{
    live *test = *state;
    witness at_server = {.opens = 0}, first = {.opens = 0}, second = {.opens = 0};
    const char *before = getenv("SSL_CERT_FILE");
    char *kept = before != NULL ? strdup(before) : NULL;
    vital_server *server = serve(test, &at_server);
    assert_int_equal(setenv("SSL_CERT_FILE", pki.ca, 1), 0);
    connect_with(test, &first, vital_server_url(server), &(vital_tls){0});
    assert_int_equal(setenv("SSL_CERT_FILE", "/nowhere", 1), 0);
    connect_with(test, &second, vital_server_url(server), &(vital_tls){0});
    step_until(test, first.opens == 1 && second.opens == 1, "both believe the server");
    leave(test, &first);
    leave(test, &second);

    live_add_loop(test);
    witness other = {.opens = 0};
    live_connect(test->other, &(vital_connect_options){.url = vital_server_url(server),
                                                       .events = WITNESS,
                                                       .user = &other,
                                                       .reconnect = NEVER});
    step_until(test, other.closes == 1, "the third does not");
    assert_cause(&other, VITAL_UNTRUSTED);
    if (kept != NULL)
        setenv("SSL_CERT_FILE", kept, 1);
    else
        unsetenv("SSL_CERT_FILE");
    free(kept);
}

static void clients_are_known_by_their_certificates(void **state)
{
    live *test = *state;
    witness at_server = {.opens = 0}, at_client = {.opens = 0};
    const vital_tls asks = {.cert_file = pki.server_pem, .ca_file = pki.ca};
    vital_server *server = serve_with(test, &at_server, &asks);
    connect_with(test, &at_client, vital_server_url(server),
                 &(vital_tls){.ca_file = pki.ca, .cert_file = pki.client_pem});
    step_until(test, at_server.opens == 1, "alice is here");
    vital_tls_facts facts;
    vital_conn_tls(at_server.conn, &facts);
    assert_string_equal(facts.peer, "CN=alice");
    step_until(test, at_client.opens == 1, "and knows it");
    leave(test, &at_client);

    step_until(test, at_server.closes == 1, "the server is told");
    untrusted(test, server, &(vital_tls){.ca_file = pki.ca},
              "wants a certificate of ours, and we have none (alert 116");
    step_until(test, at_server.closes == 2, "the server is told of that too");
    assert_cause(&at_server, VITAL_UNTRUSTED);
    assert_says(at_server.verdict.text, "the client has no certificate");
}

/* ------------------------------------------------------------ asked, and led on */

/* Who asks, as the application sees it when it is asked. */
typedef struct doorkeeper {
    witness seen; /* first: it is also the user of a witness */
    char peer[64], authorization[64], cookie[64];
    char location[160]; /* where everybody is led on to; "": they may come in */
} doorkeeper;

static void note_header(char out[64], const vital_request *request, const char *name)
{
    const char *value = vital_request_header(request, name);
    snprintf(out, 64, "%s", value != NULL ? value : "");
}

static int keep_door(vital_conn *conn, const vital_request *request)
{
    doorkeeper *self = vital_user(conn);
    const char *const headers[] = {self->location, NULL};
    vital_tls_facts facts;
    vital_conn_tls(conn, &facts);
    self->seen.accepts++;
    snprintf(self->peer, sizeof self->peer, "%.60s", facts.peer);
    note_header(self->authorization, request, "Authorization");
    note_header(self->cookie, request, "Cookie");
    if (self->location[0] != '\0')
        assert_int_equal(vital_respond(conn, &(vital_response){.status = 307, .headers = headers}),
                         0);
    return 0;
}

static vital_server *serve_with_keeper(live *test, doorkeeper *self, const vital_tls *tls)
{
    vital_events events = WITNESS;
    events.accept = keep_door;
    return live_listen(test->loop, &(vital_listen_options){.address = "127.0.0.1:0",
                                                           .tls = *tls,
                                                           .events = events,
                                                           .user = self,
                                                           .heartbeat = NO_BEAT});
}

static void connect_as_alice(live *test, witness *seen, const vital_server *server)
{
    static const char *const headers[] = {"Cookie: session=1", NULL};
    live_connect(test->loop, &(vital_connect_options){
                                 .url = vital_server_url(server),
                                 .credentials = {.bearer = "alices"},
                                 .headers = headers,
                                 .tls = {.ca_file = pki.ca, .cert_file = pki.client_pem},
                                 .events = WITNESS,
                                 .user = seen,
                                 .heartbeat = NO_BEAT,
                                 .reconnect = NEVER,
                             });
}

static const char *lead_to(doorkeeper *from, const vital_server *server)
{
    snprintf(from->location, sizeof from->location, "Location: http%s",
             vital_server_url(server) + strlen("ws"));
    return vital_server_url(server);
}

static void whose_certificate_it_is_is_known_when_it_is_asked(void **state)
{
    live *test = *state;
    doorkeeper keeper = {.seen = {.opens = 0}};
    witness seen = {.opens = 0};
    const vital_tls asks = {.cert_file = pki.server_pem, .ca_file = pki.ca};
    connect_as_alice(test, &seen, serve_with_keeper(test, &keeper, &asks));
    step_until(test, seen.opens == 1, "alice is in");
    assert_string_equal(keeper.peer, "CN=alice");
    assert_string_equal(keeper.authorization, "Bearer alices");
    leave(test, &seen);
}

static void a15_a_redirect_leads_into_tls_and_to_strangers_without_a_certificate(void **state)
{
    live *test = *state;
    const vital_tls asks = {.cert_file = pki.server_pem, .ca_file = pki.ca, .cert_optional = true};
    doorkeeper plain = {.seen = {.opens = 0}}, own = {.seen = {.opens = 0}};
    doorkeeper stranger = {.seen = {.opens = 0}};
    vital_server *last = serve_with_keeper(test, &stranger, &asks);
    vital_server *middle = serve_with_keeper(test, &own, &asks);
    vital_server *first = serve_with_keeper(test, &plain, &(vital_tls){.cert_file = NULL});

    /* From ws to wss: TLS is gained, but it is another origin. */
    witness seen = {.opens = 0};
    const char *url = lead_to(&plain, last);
    connect_as_alice(test, &seen, first);
    step_until(test, seen.opens == 1, "it is led into TLS");
    assert_string_equal(plain.authorization, "Bearer alices");
    assert_string_equal(stranger.peer, "");
    assert_string_equal(stranger.authorization, "");
    assert_string_equal(stranger.cookie, "");
    assert_string_equal(vital_conn_url(seen.conn), url);
    leave(test, &seen);

    /* From wss to wss on another port: the certificate was for the first. */
    seen = (witness){.opens = 0};
    lead_to(&own, last);
    connect_as_alice(test, &seen, middle);
    step_until(test, seen.opens == 1, "it is led on");
    assert_string_equal(own.peer, "CN=alice");
    assert_string_equal(own.cookie, "session=1");
    assert_string_equal(stranger.peer, "");
    assert_string_equal(stranger.cookie, "");
    assert_int_equal(stranger.seen.accepts, 2);
    leave(test, &seen);

    /* Back into the open: not followed. */
    seen = (witness){.opens = 0};
    lead_to(&own, first);
    connect_as_alice(test, &seen, middle);
    step_until(test, seen.closes == 1, "it stays a rejection");
    assert_cause(&seen, VITAL_REJECTED);
    assert_int_equal(seen.verdict.status, 307);
    assert_says(seen.verdict.text, "(it gives up TLS)");
    assert_int_equal(plain.seen.accepts, 1);
}

/* ---------------------------------------------------------------------- reload */

static void certificates_are_renewed_and_nobody_is_dropped(void **state)
{
    live *test = *state;
    char path[AUTHORITY_PATH_BYTES];
    witness at_server = {.echo = true}, before = {.opens = 0}, after = {.opens = 0};
    write_pem(path, &pki.folder, "live.pem", &pki.server, &pki.server);
    vital_server *server = serve_with(test, &at_server, &(vital_tls){.cert_file = path});
    connect_to(test, &before, server);
    step_until(test, before.opens == 1, "the first is here");

    write_text(path, &pki.folder, "live.pem", "in the middle of being written");
    assert_int_equal(vital_server_reload_tls(server), VITAL_EINVAL);
    assert_says(vital_loop_problem(test->loop), "holds no certificate");
    unlink(path);
    assert_int_equal(vital_server_reload_tls(server), VITAL_ESYSTEM);

    identity second = make_identity(&(wish){.name = "second", .alternatives = "IP:127.0.0.1"},
                                    &pki.root);
    write_pem(path, &pki.folder, "live.pem", &second, &second);
    free_identity(&second);
    assert_int_equal(vital_server_reload_tls(server), 0);
    connect_to(test, &after, server);
    step_until(test, after.opens == 1, "the second is here");
    vital_tls_facts facts;
    vital_conn_tls(after.conn, &facts);
    assert_string_equal(facts.peer, "CN=second");
    assert_int_equal(vital_send(before.conn, VITAL_TEXT, vital_text("still here")), 0);
    step_until(test, before.messages == 1, "the first is still served");
    vital_conn_tls(before.conn, &facts);
    assert_string_equal(facts.peer, "CN=first");
    leave(test, &before);
    leave(test, &after);
}

static void options_that_cannot_work_are_refused_in_a_sentence(void **state)
{
    live *test = *state;
    vital_server *server = NULL;
    char socket[128];
    snprintf(socket, sizeof socket, "unix:%s/s", test->directory);
    const struct {
        vital_listen_options options;
        int error;
        const char *words;
    } all[] = {
        {{.address = "127.0.0.1:0", .tls = {.cert_file = "/nowhere"}},
         VITAL_ESYSTEM,
         "tls.cert_file /nowhere: No such file"},
        {{.address = "127.0.0.1:0", .tls = {.key_file = pki.server_pem}},
         VITAL_EINVAL,
         "tls.cert_file is missing"},
        {{.address = socket, .tls = {.cert_file = pki.server_pem}}, VITAL_EINVAL, "Unix socket"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_int_equal(vital_listen(&server, test->loop, &all[i].options), all[i].error);
        assert_says(vital_loop_problem(test->loop), all[i].words);
    }
    server = live_listen(test->loop, &(vital_listen_options){.address = "127.0.0.1:0"});
    assert_int_equal(vital_server_reload_tls(server), VITAL_ESTATE);
    assert_says(vital_loop_problem(test->loop), "no TLS");
    assert_int_equal(vital_server_reload_tls(NULL), VITAL_EINVAL);
}

/* -------------------------------------------------------------- who does wrong */

/* A raw client of the server, with TLS up. */
static void shake_hands(live *test, raw_tls *raw, const vital_server *server)
{
    raw_connect(&raw->peer, port_of(server), 0);
    raw_tls_start(raw, NULL);
    step_until(test, raw_tls_shakes(raw), "TLS is up");
}

static void upgrade(live *test, raw_tls *raw)
{
    raw_tls_send(raw, RAW_REQUEST, strlen(RAW_REQUEST));
    step_until(test, raw_tls_has(raw, "\r\n\r\n"), "the upgrade is answered");
    raw->size = 0;
}

/* E11 of the attacks that we know. */
static void e11_a_stream_that_ends_without_close_notify_is_cut(void **state)
{
    live *test = *state;
    static raw_tls raw;
    witness seen = {.opens = 0};
    vital_server *server = serve(test, &seen);
    shake_hands(test, &raw, server);
    upgrade(test, &raw);
    raw_tls_close(&raw);
    step_until(test, seen.closes == 1, "the server is told");
    assert_cause(&seen, VITAL_CUT);
    assert_int_equal(seen.verdict.code, 1006);
    assert_says(seen.verdict.text, "without a close frame");
    assert_says(seen.verdict.text, "TLS was not ended either");

    shake_hands(test, &raw, server);
    upgrade(test, &raw);
    SSL_shutdown(raw.ssl);
    step_until(test, seen.closes == 2, "the server is told again");
    assert_cause(&seen, VITAL_CUT);
    assert_null(strstr(seen.verdict.text, "TLS was not ended either"));
    raw_tls_close(&raw);
}

/* A4 of the attacks that we know: one limit for all of the opening. */
static void a4_silence_before_in_or_after_tls_ends_at_the_same_deadline(void **state)
{
    live *test = *state;
    static raw_tls raw;
    enum { OPEN_MS = 300, CLOSE_MS = 20000 };
    witness seen = {.opens = 0};
    vital_server *server = live_listen(test->loop,
                                       &(vital_listen_options){
                                           .address = "127.0.0.1:0",
                                           .tls = {.cert_file = pki.server_pem},
                                           .events = WITNESS,
                                           .user = &seen,
                                           .limits = {.open_ms = OPEN_MS, .close_ms = CLOSE_MS},
                                       });
    for (int stage = 0; stage < 3; stage++) {
        int64_t began_ms = live_now_ms();
        raw_connect(&raw.peer, port_of(server), 0);
        if (stage == 1)
            raw_send(&raw.peer, "\x16\x03\x01\x02", 4);
        if (stage == 2) {
            raw_tls_start(&raw, NULL);
            step_until(test, raw_tls_shakes(&raw), "TLS is up");
        }
        step_until(test, seen.closes == stage + 1, "the limit is reached");
        int64_t took_ms = live_now_ms() - began_ms;
        assert_in_range(took_ms, OPEN_MS, CLOSE_MS / 2);
        assert_cause(&seen, VITAL_REJECTED);
        assert_int_equal(seen.verdict.status, 408);
        if (stage == 2) {
            step_until(test, raw_tls_has(&raw, "408 Request Timeout"), "it is told");
            step_until(test, raw_tls_ended(&raw), "and TLS is ended");
            raw_tls_close(&raw);
        } else {
            step_until(test, raw_ended(&raw.peer), "the stream is ended");
            raw_close(&raw.peer);
        }
    }
    assert_int_equal(seen.opens, 0);
}

static void a_client_of_a_silent_server_says_what_it_waited_for(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    uint16_t port;
    char url[64];
    int listener = raw_listen(&port);
    snprintf(url, sizeof url, "wss://127.0.0.1:%u/", (unsigned)port);
    live_connect(test->loop, &(vital_connect_options){.url = url,
                                                      .events = WITNESS,
                                                      .user = &seen,
                                                      .reconnect = NEVER,
                                                      .limits = {.open_ms = 150}});
    step_until(test, seen.closes == 1, "the limit is reached");
    assert_cause(&seen, VITAL_UNREACHABLE);
    assert_says(seen.verdict.text, "did not finish the TLS handshake within the time limit");
    close(listener);
}

static void who_mixes_up_ws_and_wss_is_told_so(void **state)
{
    live *test = *state;
    witness at_server = {.opens = 0}, at_client = {.opens = 0};
    char url[64];
    vital_server *plain = live_listen(
        test->loop,
        &(vital_listen_options){.address = "127.0.0.1:0", .events = WITNESS, .user = &at_server});
    snprintf(url, sizeof url, "wss://127.0.0.1:%u/", (unsigned)port_of(plain));
    connect_with(test, &at_client, url, &(vital_tls){.ca_file = pki.ca});
    step_until(test, at_client.closes == 1, "the client is told");
    assert_cause(&at_client, VITAL_MISBEHAVED);
    assert_says(at_client.verdict.text, "does not speak TLS but, it seems, plain HTTP");

    at_server.closes = at_client.closes = 0;
    vital_server *secret = serve(test, &at_server);
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", (unsigned)port_of(secret));
    connect_with(test, &at_client, url, &(vital_tls){0});
    step_until(test, at_client.closes == 1 && at_server.closes == 1, "both are told");
    assert_cause(&at_server, VITAL_MISBEHAVED);
    assert_says(at_server.verdict.text, "the client does not speak TLS but, it seems, plain HTTP");
}

static void a_client_that_is_closed_in_the_tls_handshake_is_gone(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    raw_peer peer;
    uint16_t port;
    char url[64];
    int listener = raw_listen(&port);
    snprintf(url, sizeof url, "wss://127.0.0.1:%u/", (unsigned)port);
    vital_conn *conn = connect_with(test, &seen, url, &(vital_tls){0});
    step_until(test, raw_accept(&peer, listener), "it comes");
    step_until(test, raw_has(&peer, "\x16"), "its hello comes");
    vital_close(conn, 1000, NULL);
    step_until(test, seen.closes == 1, "it is told");
    assert_cause(&seen, VITAL_CLOSED_BY_US);
    raw_close(&peer);
    close(listener);
}

static void a_server_that_hangs_up_in_the_handshake_is_unreachable(void **state)
{
    live *test = *state;
    witness seen = {.opens = 0};
    raw_peer peer;
    uint16_t port;
    char url[64];
    int listener = raw_listen(&port);
    snprintf(url, sizeof url, "wss://127.0.0.1:%u/", (unsigned)port);
    for (int reset = 0; reset < 2; reset++) {
        connect_with(test, &seen, url, &(vital_tls){0});
        step_until(test, raw_accept(&peer, listener), "it comes");
        step_until(test, raw_has(&peer, "\x16"), "its hello comes");
        if (reset == 1)
            raw_reset(&peer);
        else
            raw_close(&peer);
        step_until(test, seen.closes == reset + 1, "the client is told");
        assert_cause(&seen, VITAL_UNREACHABLE);
        assert_says(seen.verdict.text, "the TLS handshake");
        assert_int_equal(seen.verdict.error, reset == 1 ? ECONNRESET : 0);
    }
    close(listener);
}

static void a_stuck_peer_is_told_why_it_was_left_and_tls_is_ended(void **state)
{
    live *test = *state;
    static raw_tls raw;
    witness seen = {.opens = 0};
    vital_server *server = live_listen(
        test->loop, &(vital_listen_options){.address = "127.0.0.1:0",
                                            .tls = {.cert_file = pki.server_pem},
                                            .events = WITNESS,
                                            .user = &seen,
                                            .heartbeat = {.interval_ms = 100, .answer_ms = 200}});
    shake_hands(test, &raw, server);
    upgrade(test, &raw);
    step_until(test, seen.closes == 1, "it is given up");
    assert_cause(&seen, VITAL_STUCK);
    step_until(test, raw_tls_has(&raw, "your host answers, your program does not"), "it is told");
    step_until(test, raw_tls_ended(&raw), "and TLS is ended");
    raw_tls_close(&raw);
}

static void a_polite_end_ends_tls_too(void **state)
{
    live *test = *state;
    static raw_tls raw;
    witness seen = {.opens = 0};
    vital_server *server = serve(test, &seen);
    shake_hands(test, &raw, server);
    raw_tls_send(&raw, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 35);
    step_until(test, raw_tls_has(&raw, "426 Upgrade Required"), "it is refused");
    step_until(test, raw_tls_ended(&raw), "and TLS is ended");
    raw_tls_close(&raw);
    step_until(test, seen.closes == 1, "the server is told");
    assert_cause(&seen, VITAL_REJECTED);
}

static void a_full_server_of_wss_hangs_up(void **state)
{
    live *test = *state;
    raw_peer peer;
    witness seen = {.opens = 0}, at_client = {.opens = 0};
    vital_server *server = live_listen(test->loop,
                                       &(vital_listen_options){.address = "127.0.0.1:0",
                                                               .tls = {.cert_file = pki.server_pem},
                                                               .events = WITNESS,
                                                               .user = &seen,
                                                               .limits = {.connections = 1}});
    connect_to(test, &at_client, server);
    step_until(test, at_client.opens == 1, "there is room for one");
    raw_connect(&peer, port_of(server), 0);
    step_until(test, raw_ended(&peer), "the second is left");
    assert_int_equal(peer.size, 0);
    raw_close(&peer);
    leave(test, &at_client);
}

static void a_drained_server_ends_its_connections_and_handshakes(void **state)
{
    live *test = *state;
    raw_peer peer;
    witness seen = {.opens = 0}, at_client = {.opens = 0};
    vital_server *server = serve(test, &seen);
    connect_to(test, &at_client, server);
    step_until(test, at_client.opens == 1 && seen.opens == 1, "one is open");
    raw_connect(&peer, port_of(server), 0);
    step_until(test, vital_server_count(server) == 2, "one shakes hands");
    vital_server_drain(server, &(vital_drain){.code = 1001, .reason = "away"}, NULL, NULL);
    step_until(test, at_client.closes == 1 && seen.closes == 2, "both are gone");
    assert_cause(&at_client, VITAL_CLOSED_BY_PEER);
    step_until(test, raw_ended(&peer), "the second is left");
    raw_close(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        live_test(messages_of_every_size_come_back_as_they_were),
        live_test(the_opening_tells_its_phases_and_what_tls_agreed_on),
        live_test(a_client_that_comes_back_resumes_and_loses_nothing),
        live_test(a_pause_holds_what_tls_has_decrypted_and_loses_nothing),
        live_test(a16_a_server_that_is_another_is_untrusted_and_that_is_final),
        live_test(an_expired_certificate_is_tried_again_only_if_that_was_wished),
        live_test(an_insecure_client_believes_whoever_answers),
        live_test(the_system_s_store_is_read_once_for_all_clients_of_a_loop),
        live_test(clients_are_known_by_their_certificates),
        live_test(whose_certificate_it_is_is_known_when_it_is_asked),
        live_test(a15_a_redirect_leads_into_tls_and_to_strangers_without_a_certificate),
        live_test(certificates_are_renewed_and_nobody_is_dropped),
        live_test(options_that_cannot_work_are_refused_in_a_sentence),
        live_test(e11_a_stream_that_ends_without_close_notify_is_cut),
        live_test(a4_silence_before_in_or_after_tls_ends_at_the_same_deadline),
        live_test(a_client_of_a_silent_server_says_what_it_waited_for),
        live_test(who_mixes_up_ws_and_wss_is_told_so),
        live_test(a_client_that_is_closed_in_the_tls_handshake_is_gone),
        live_test(a_server_that_hangs_up_in_the_handshake_is_unreachable),
        live_test(a_stuck_peer_is_told_why_it_was_left_and_tls_is_ended),
        live_test(a_polite_end_ends_tls_too),
        live_test(a_full_server_of_wss_hangs_up),
        live_test(a_drained_server_ends_its_connections_and_handshakes),
    };
    return cmocka_run_group_tests(tests, make_pki, drop_pki);
}
