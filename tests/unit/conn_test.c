/*
 * The connection, over real sockets: messages of all sizes both ways, everything
 * that a callback may do, each verdict against a peer that earns it, and a queue
 * that is bounded and loses nothing.
 */
#include "conn.h"

#include "live.h"
#include "raw_websocket.h"

/* A server and a client of ours, on one loop. */
typedef struct pair {
    vital_server *server;
    vital_conn *client;
    witness at_server, at_client;
} pair;

static void make_compressing_pair(live *test, pair *self, const vital_limits *limits,
                                  vital_compression compression)
{
    *self = (pair){.server = NULL};
    vital_events server_events = WITNESS;
    server_events.accept = witness_accept;
    self->server = live_listen(test->loop, &(vital_listen_options){
                                               .address = "127.0.0.1:0",
                                               .events = server_events,
                                               .user = &self->at_server,
                                               .limits = *limits,
                                               .compression = compression,
                                           });
    self->client = live_connect(test->loop, &(vital_connect_options){
                                                .url = vital_server_url(self->server),
                                                .events = WITNESS,
                                                .user = &self->at_client,
                                                .limits = *limits,
                                                .compression = compression,
                                                .reconnect = {.never = true},
                                            });
    step_until(test, self->at_client.opens == 1 && self->at_server.opens == 1, "both are open");
    assert_int_equal(self->at_server.accepts, 1);
}

static void make_pair(live *test, pair *self, const vital_limits *limits)
{
    make_compressing_pair(test, self, limits, (vital_compression){.enabled = false});
}

static void part(live *test, pair *self)
{
    vital_close(self->client, 1000, NULL);
    step_until(test, self->at_client.closes == 1 && self->at_server.closes == 1, "both are closed");
    assert_cause(&self->at_client, VITAL_CLOSED_BY_US);
    assert_cause(&self->at_server, VITAL_CLOSED_BY_PEER);
    assert_int_equal(vital_server_count(self->server), 0);
}

/* ------------------------------------------------------------------- messages */

/* What is echoed has to be this. */
typedef struct expectation {
    vital_kind kind;
    vital_bytes bytes;
    int met;
} expectation;

static void expect_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    expectation *wanted = vital_user(conn);
    assert_int_equal(kind, wanted->kind);
    assert_int_equal(message.size, wanted->bytes.size);
    if (message.size > 0)
        assert_memory_equal(message.data, wanted->bytes.data, message.size);
    wanted->met++;
}

/* What is sent is gone before a byte of it has left. */
static void send_a_copy(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    void *copy = malloc(message.size);
    assert_non_null(copy);
    memcpy(copy, message.data, message.size);
    assert_int_equal(vital_send(conn, kind, (vital_bytes){copy, message.size}), 0);
    memset(copy, 0, message.size);
    free(copy);
}

static void c4_what_is_compressed_is_a_copy_of_ours(void **state)
{
    enum { SIZE = 300 * 1000, MESSAGES = 3 };
    live *test = *state;
    uint8_t *bytes = malloc(SIZE);
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)('a' + (i + (i >> 7)) % 26);
    for (int keep = 0; keep < 2; keep++) {
        const vital_compression compression = {
            .enabled = true, .keep_context = keep == 1, .peer_keeps_context = keep == 1};
        pair both;
        make_compressing_pair(test, &both, &(vital_limits){0}, compression);
        both.at_server.echo = true; /* of what is lent to its callback */
        expectation wanted = {.kind = VITAL_BINARY, .bytes = {bytes, SIZE}};
        vital_conn *client = live_connect(
            test->loop, &(vital_connect_options){.url = vital_server_url(both.server),
                                                 .events = {.message = expect_message},
                                                 .user = &wanted,
                                                 .compression = compression});
        for (int i = 0; i < MESSAGES; i++)
            send_a_copy(client, VITAL_BINARY, wanted.bytes);
        step_until(test, wanted.met == MESSAGES, "the echoes come");
        vital_close(client, 1000, NULL);
        step_until(test, both.at_server.closes == 1, "the client is gone");
        both.at_server.closes = 0;
        part(test, &both);
    }
    free(bytes);
}

static void echo_every_size(live *test, size_t largest, vital_compression compression)
{
    static const size_t sizes[] = {0,     1,     125,   126,   127,     16383,   16384,
                                   16385, 65535, 65536, 65537, 1 << 20, 16 << 20};
    const vital_limits limits = {.message_bytes = 16 << 20, .queue_bytes = 16 << 20};
    uint8_t *bytes = malloc(16 << 20);
    assert_non_null(bytes);
    for (size_t i = 0; i < 16 << 20; i++)
        bytes[i] = (uint8_t)('a' + (i + (i >> 7)) % 26);
    pair both;
    make_compressing_pair(test, &both, &limits, compression);
    both.at_server.echo = true;
    expectation wanted = {.met = 0};
    vital_conn *client = live_connect(
        test->loop, &(vital_connect_options){.url = vital_server_url(both.server),
                                             .events = {.message = expect_message},
                                             .user = &wanted,
                                             .compression = compression,
                                             .limits = limits});
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && sizes[i] <= largest; i++) {
        for (wanted.kind = VITAL_TEXT; wanted.kind <= VITAL_BINARY; wanted.kind++) {
            wanted.met = 0;
            wanted.bytes = (vital_bytes){bytes, sizes[i]};
            assert_int_equal(vital_send(client, wanted.kind, wanted.bytes), 0);
            step_until(test, wanted.met == 1, "the echo comes");
        }
    }
    free(bytes);
    vital_close(client, 1000, NULL);
    step_until(test, both.at_server.closes == 1, "the echoing client is gone");
    both.at_server.closes = 0;
    part(test, &both);
}

static void messages_of_every_size_come_back_as_they_were(void **state)
{
    echo_every_size(*state, 16 << 20, (vital_compression){.enabled = false});
}

static void so_do_compressed_messages_rfc_7692(void **state)
{
    live *test = *state;
    echo_every_size(test, 1 << 20, (vital_compression){.enabled = true});
    echo_every_size(
        test, 1 << 20,
        (vital_compression){.enabled = true, .keep_context = true, .peer_keeps_context = true});
    pair both;
    make_compressing_pair(test, &both, &(vital_limits){0}, (vital_compression){.enabled = true});
    assert_true(vital_conn_compressed(both.client));
    assert_true(vital_conn_compressed(both.at_server.conn));
    part(test, &both);
    make_pair(test, &both, &(vital_limits){0});
    assert_false(vital_conn_compressed(both.client));
    part(test, &both);
}

static void many_messages_of_one_turn_arrive_in_their_order(void **state)
{
    live *test = *state;
    pair both;
    make_pair(test, &both, &(vital_limits){0});
    char text[32];
    for (int i = 1; i <= 1000; i++) {
        snprintf(text, sizeof text, "message %d", i);
        assert_int_equal(vital_send(both.client, VITAL_TEXT, vital_text(text)), 0);
    }
    step_until(test, both.at_server.messages == 1000, "all have come");
    assert_string_equal(both.at_server.text, "message 1000");
    assert_int_equal(vital_conn_queued(both.client), 0);
    part(test, &both);
}

static void what_is_sent_before_closing_arrives(void **state)
{
    live *test = *state;
    pair both;
    make_pair(test, &both, &(vital_limits){.message_bytes = 4 << 20, .queue_bytes = 4 << 20});
    static uint8_t bytes[3 << 20];
    assert_int_equal(vital_send(both.client, VITAL_BINARY, (vital_bytes){bytes, sizeof bytes}), 0);
    assert_int_equal(vital_send(both.client, VITAL_TEXT, vital_text("the last")), 0);
    vital_close(both.client, 4000, "enough");
    assert_int_equal(vital_send(both.client, VITAL_TEXT, vital_text("too late")), VITAL_ECLOSED);
    step_until(test, both.at_server.closes == 1, "the server is told");
    assert_int_equal(both.at_server.messages, 2);
    assert_string_equal(both.at_server.text, "the last");
    assert_cause(&both.at_server, VITAL_CLOSED_BY_PEER);
    assert_int_equal(both.at_server.verdict.code, 4000);
    assert_string_equal(both.at_server.verdict.reason, "enough");
    step_until(test, both.at_client.closes == 1, "the client is told");
    assert_cause(&both.at_client, VITAL_CLOSED_BY_US);
    assert_int_equal(both.at_client.verdict.unsent, 0);
}

static void what_cannot_be_sent_is_refused(void **state)
{
    live *test = *state;
    pair both;
    make_pair(test, &both, &(vital_limits){.queue_bytes = 1000});
    vital_conn *client = both.client;
    char big[1001] = "";
    assert_int_equal(vital_send(NULL, VITAL_TEXT, vital_text("x")), VITAL_EINVAL);
    assert_int_equal(vital_send(client, 0, vital_text("x")), VITAL_EINVAL);
    assert_int_equal(vital_send(client, 3, vital_text("x")), VITAL_EINVAL);
    assert_int_equal(vital_send(client, VITAL_BINARY, (vital_bytes){NULL, 1}), VITAL_EINVAL);
    assert_int_equal(vital_send(client, VITAL_TEXT, vital_text("\xC3(")), VITAL_EINVAL);
    assert_int_equal(vital_send(client, VITAL_BINARY, (vital_bytes){big, 1001}), VITAL_ETOOBIG);
    assert_int_equal(vital_ping(NULL, vital_text("x")), VITAL_EINVAL);
    assert_int_equal(vital_ping(client, (vital_bytes){big, 126}), VITAL_EINVAL);
    assert_int_equal(vital_ping(client, (vital_bytes){NULL, 1}), VITAL_EINVAL);
    vital_close(NULL, 1000, NULL);

    assert_int_equal(vital_send(client, VITAL_BINARY, (vital_bytes){big, 1000}), 0);
    assert_int_equal(vital_send(client, VITAL_BINARY, (vital_bytes){NULL, 0}), VITAL_EFULL);
    step_until(test, both.at_server.messages == 1, "the good one arrives");
    assert_int_equal(both.at_server.size, 1000);
    assert_int_equal(vital_send(client, VITAL_BINARY, (vital_bytes){NULL, 0}), 0);
    step_until(test, both.at_server.messages == 2, "nothing at all arrives too");
    part(test, &both);
}

static void a_close_code_that_may_not_be_sent_becomes_1000(void **state)
{
    live *test = *state;
    static const uint16_t codes[] = {0, 999, 1004, 1005, 1006, 1015, 2000, 5000};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        pair both;
        make_pair(test, &both, &(vital_limits){0});
        vital_close(both.client, codes[i], "reason");
        step_until(test, both.at_server.closes == 1 && both.at_client.closes == 1, "both know");
        assert_int_equal(both.at_server.verdict.code, 1000);
        assert_string_equal(both.at_server.verdict.reason, "");
    }
}

static void our_own_ping_is_answered_with_its_payload(void **state)
{
    live *test = *state;
    pair both;
    make_pair(test, &both, &(vital_limits){0});
    assert_int_equal(vital_ping(both.client, vital_text("are you there?")), 0);
    step_until(test, both.at_client.pongs == 1, "the pong comes");
    assert_string_equal(both.at_client.pong, "are you there?");
    assert_int_equal(vital_ping(both.at_server.conn, vital_text("")), 0);
    step_until(test, both.at_server.pongs == 1, "the client's pong comes");
    assert_string_equal(both.at_server.pong, "");
    part(test, &both);
}

static void a_connection_tells_of_itself(void **state)
{
    live *test = *state;
    pair both;
    make_pair(test, &both, &(vital_limits){0});
    vital_opening opening;
    vital_pulse pulse;
    vital_conn_opening(both.client, &opening);
    assert_int_equal(opening.name_us, -1); /* a number is not asked for */
    assert_in_range(opening.connect_us, 0, LIVE_PATIENCE_S * 1000000);
    assert_in_range(opening.upgrade_us, 1, LIVE_PATIENCE_S * 1000000);
    vital_conn_pulse(both.client, &pulse);
    assert_int_equal(pulse.rtt_us, -1);
    assert_int_equal(pulse.proof_ms, -1);
    assert_in_range(pulse.heard_ms, 0, LIVE_PATIENCE_S * 1000);

    const char *url = vital_server_url(both.server);
    const char *peer = vital_conn_peer(both.client);
    assert_int_equal(strncmp(url, "ws://", 5), 0);
    assert_int_equal(strncmp(url + 5, peer, strlen(peer)), 0);
    assert_int_equal(strncmp(vital_conn_peer(both.at_server.conn), "127.0.0.1:", 10), 0);
    assert_string_equal(vital_conn_subprotocol(both.client), "");
    assert_ptr_equal(vital_conn_loop(both.client), test->loop);
    assert_ptr_equal(vital_user(both.client), &both.at_client);

    witness other = {.opens = 0};
    vital_set_user(both.client, &other);
    vital_close(both.client, 1000, NULL);
    step_until(test, other.closes == 1, "whom we named now is told");
    assert_int_equal(strncmp(url + 5, other.peer, strlen(other.peer)), 0);
    assert_true(strlen(other.peer) > 10);
    step_until(test, both.at_server.closes == 1, "the server is told");
    assert_int_equal(strncmp(both.at_server.peer, "127.0.0.1:", 10), 0);
}

/* ------------------------------------------------------------ what callbacks may do */

typedef enum place { AT_ACCEPT, AT_OPEN, AT_MESSAGE, AT_PONG, AT_HEALTH, AT_DRAIN, AT_CLOSE } place;
typedef enum deed { CLOSES, SENDS, PINGS, CONNECTS, DRAINS, STOPS, DEEDS } deed;

static const char *const PLACES[] = {"accept", "open",  "message", "pong",
                                     "health", "drain", "close"};
static const char *const DEED_NAMES[] = {"closes", "sends", "pings", "connects", "drains", "stops"};

/* Server and client on two loops, so that either can be made to miss the other. */
typedef struct stage {
    place place;
    deed deed;
    bool server_acts;
    int acted, result;
    int drained;
    vital_server *server;
    vital_conn *client, *served; /* NULL once closed */
    int opens, closes, server_closes, messages, pongs;
    witness further;
} stage;

static stage scene;

static void on_drained(void *arg)
{
    stage *self = arg;
    self->drained++;
}

static void act(vital_conn *conn, place where, bool server)
{
    if (scene.acted > 0 || where != scene.place || server != scene.server_acts)
        return;
    scene.acted++;
    vital_conn *further;
    switch (scene.deed) {
    case CLOSES:
        vital_close(conn, 4321, "as I please");
        vital_close(conn, 4321, "and once more");
        break;
    case SENDS:
        scene.result = vital_send(conn, VITAL_TEXT, vital_text("by the way"));
        break;
    case PINGS:
        scene.result = vital_ping(conn, vital_text("by the way"));
        break;
    case CONNECTS:
        scene.result = vital_connect(&further, vital_conn_loop(conn),
                                     &(vital_connect_options){
                                         .url = vital_server_url(scene.server),
                                         .events = WITNESS,
                                         .user = &scene.further,
                                         .reconnect = {.never = true},
                                     });
        break;
    case DRAINS:
        vital_server_drain(scene.server, &(vital_drain){.code = 1001, .reason = "going"},
                           on_drained, &scene);
        scene.server = NULL;
        break;
    case STOPS:
        vital_loop_stop(vital_conn_loop(conn));
        break;
    case DEEDS:
        break;
    }
}

static bool is_server(vital_conn *conn)
{
    return vital_user(conn) == &scene.server;
}

static int stage_accept(vital_conn *conn, const vital_request *request)
{
    assert_string_equal(vital_request_path(request), "/");
    act(conn, AT_ACCEPT, true);
    return 0;
}

static void stage_open(vital_conn *conn, bool resumed)
{
    (void)resumed;
    if (is_server(conn) && scene.served == NULL)
        scene.served = conn;
    scene.opens++;
    act(conn, AT_OPEN, is_server(conn));
}

static void stage_message(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    uint8_t *copy = malloc(message.size + 1);
    assert_non_null(copy);
    scene.messages++;
    act(conn, AT_MESSAGE, is_server(conn));
    memcpy(copy, message.data, message.size); /* lent until we return */
    assert_int_equal(kind, VITAL_TEXT);
    free(copy);
}

static void stage_pong(vital_conn *conn, vital_bytes payload)
{
    char copy[125];
    scene.pongs++;
    act(conn, AT_PONG, is_server(conn));
    memcpy(copy, payload.data, payload.size);
}

static void stage_health(vital_conn *conn, vital_health health, const vital_pulse *pulse)
{
    (void)health;
    act(conn, AT_HEALTH, is_server(conn));
    assert_true(pulse->heard_ms >= 0);
}

static void stage_drain(vital_conn *conn)
{
    act(conn, AT_DRAIN, is_server(conn));
}

static void stage_close(vital_conn *conn, const vital_verdict *verdict)
{
    assert_true(verdict->final);
    if (is_server(conn)) {
        scene.server_closes++;
        if (scene.served == conn)
            scene.served = NULL;
    } else {
        assert_ptr_equal(conn, scene.client);
        scene.closes++;
    }
    act(conn, AT_CLOSE, is_server(conn));
    assert_true(strlen(verdict->text) > 0);
    if (!is_server(conn))
        scene.client = NULL;
}

static const vital_events STAGE = {
    .accept = stage_accept,
    .open = stage_open,
    .message = stage_message,
    .pong = stage_pong,
    .health = stage_health,
    .drain = stage_drain,
    .close = stage_close,
};

static void set_stage(live *test)
{
    const vital_heartbeat hasty = {.interval_ms = 40, .answer_ms = 100};
    const vital_heartbeat calm = {.kind = VITAL_BEAT_NONE};
    bool doubt = scene.place == AT_HEALTH;
    vital_events client_events = STAGE;
    client_events.accept = NULL;
    scene.server = live_listen(test->loop,
                               &(vital_listen_options){
                                   .address = "127.0.0.1:0",
                                   .events = STAGE,
                                   .user = &scene.server,
                                   .heartbeat = doubt && scene.server_acts ? hasty : calm,
                               });
    scene.client = live_connect(test->other,
                                &(vital_connect_options){
                                    .url = vital_server_url(scene.server),
                                    .events = client_events,
                                    .user = &scene.client,
                                    .reconnect = {.never = true},
                                    .heartbeat = doubt && !scene.server_acts ? hasty : calm,
                                });
}

/* Steps the one loop alone, as if the other had stopped, until it has acted. */
static void step_one(live *test)
{
    vital_loop *awake = scene.server_acts ? test->loop : test->other;
    live alone = {.loop = awake};
    step_until(&alone, scene.acted > 0, "the one left alone has acted");
}

static void fill_queue(vital_conn *conn)
{
    static uint8_t bytes[64 * 1024];
    memset(bytes, 'x', sizeof bytes);
    live alone = {.loop = vital_conn_loop(conn)};
    int error = 0;
    for (int i = 0; i < 1000 && error == 0; i++) {
        error = vital_send(conn, VITAL_TEXT, (vital_bytes){bytes, sizeof bytes});
        live_step(&alone);
    }
    assert_int_equal(error, VITAL_EFULL);
}

static void provoke(live *test)
{
    vital_conn *actor = scene.server_acts ? scene.served : scene.client;
    vital_conn *partner = scene.server_acts ? scene.client : scene.served;
    switch (scene.place) {
    case AT_ACCEPT:
    case AT_OPEN:
        break;
    case AT_MESSAGE:
        assert_int_equal(vital_send(partner, VITAL_TEXT, vital_text("hello")), 0);
        break;
    case AT_PONG:
        assert_int_equal(vital_ping(actor, vital_text("hello")), 0);
        break;
    case AT_HEALTH:
        step_one(test);
        break;
    case AT_DRAIN:
        fill_queue(actor);
        break;
    case AT_CLOSE:
        vital_close(partner, 1000, NULL);
        break;
    }
}

static int expected_result(void)
{
    if (scene.place == AT_CLOSE && (scene.deed == SENDS || scene.deed == PINGS))
        return VITAL_ECLOSED;
    return scene.place == AT_ACCEPT && scene.deed == PINGS ? VITAL_ESTATE : 0;
}

static bool consequence(void)
{
    switch (scene.deed) {
    case CLOSES:
        return scene.closes == 1 && vital_server_count(scene.server) == 0;
    case SENDS:
        return scene.place == AT_CLOSE || scene.messages > 0;
    case PINGS:
        return expected_result() != 0 || scene.pongs > 0 || scene.closes > 0;
    case CONNECTS:
        return scene.further.opens == 1;
    case DRAINS:
        return scene.drained == 1;
    case STOPS:
    case DEEDS:
        break;
    }
    return true;
}

static void play(live *test, place where, deed what, bool server_acts)
{
    char sentence[160];
    snprintf(sentence, sizeof sentence, "the %s that %s in its %s callback has been heard",
             server_acts ? "server" : "client", DEED_NAMES[what], PLACES[where]);
    scene = (stage){.place = where, .deed = what, .server_acts = server_acts};
    test->loop = test->other = NULL;
    assert_int_equal(live_create_loop(&test->loop), 0);
    assert_int_equal(live_create_loop(&test->other), 0);
    set_stage(test);
    step_until(test, scene.opens == 2 || scene.acted > 0, "both are open");
    if (scene.acted == 0)
        provoke(test);
    step_until(test, scene.acted > 0 && consequence(), sentence);
    assert_int_equal(scene.result, expected_result());
    for (int i = 0; i < 3; i++)
        live_step(test);
    assert_in_range(scene.closes, 0, 1);
    vital_loop_destroy(test->loop); /* with all that is open */
    vital_loop_destroy(test->other);
    test->loop = test->other = NULL;
}

static void play_all(live *test, deed what)
{
    vital_loop_destroy(test->loop);
    for (place where = AT_ACCEPT; where <= AT_CLOSE; where++) {
        play(test, where, what, true);
        if (where != AT_ACCEPT)
            play(test, where, what, false);
    }
}

static void every_callback_may_close(void **state)
{
    play_all(*state, CLOSES);
}

static void every_callback_may_send(void **state)
{
    play_all(*state, SENDS);
}

static void every_callback_may_ping(void **state)
{
    play_all(*state, PINGS);
}

static void every_callback_may_connect(void **state)
{
    play_all(*state, CONNECTS);
}

static void every_callback_may_drain_the_server(void **state)
{
    play_all(*state, DRAINS);
}

static void every_callback_may_stop_the_loop(void **state)
{
    play_all(*state, STOPS);
}

static void a_loop_that_was_stopped_in_a_callback_runs_on_where_it_was(void **state)
{
    live *test = *state;
    pair both;
    make_pair(test, &both, &(vital_limits){0});
    both.at_client.stop = true;
    both.at_server.echo = true;
    assert_int_equal(vital_send(both.client, VITAL_TEXT, vital_text("one")), 0);
    assert_int_equal(vital_loop_run(test->loop), 0);
    assert_int_equal(both.at_client.messages, 1);
    assert_int_equal(vital_ping(both.client, vital_text("two")), 0);
    assert_int_equal(vital_loop_run(test->loop), 0);
    assert_int_equal(both.at_client.pongs, 1);
    vital_close(both.client, 1000, NULL);
    assert_int_equal(vital_loop_run(test->loop), 0);
    assert_int_equal(both.at_client.closes, 1);
}

/* ------------------------------------------------------- verdicts, at the client */

/* A client of ours that is open, and the raw server that it talks to. */
typedef struct dialogue {
    raw_peer peer;
    vital_conn *conn; /* the client, or the server's connection */
    witness seen;
} dialogue;

static void talk_as_client(live *test, dialogue *self, vital_heartbeat heartbeat,
                           vital_limits limits)
{
    uint16_t port;
    char url[64];
    *self = (dialogue){.conn = NULL};
    int listener = raw_listen(&port);
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", (unsigned)port);
    self->conn = live_connect(test->loop, &(vital_connect_options){
                                              .url = url,
                                              .events = WITNESS,
                                              .user = &self->seen,
                                              .reconnect = {.never = true},
                                              .heartbeat = heartbeat,
                                              .limits = limits,
                                          });
    raw_upgrade_server(test, &self->peer, listener);
    close(listener);
    step_until(test, self->seen.opens == 1, "the client is open");
}

static void talk_as_server(live *test, dialogue *self, vital_heartbeat heartbeat,
                           vital_limits limits)
{
    *self = (dialogue){.conn = NULL};
    vital_server *server = live_listen(test->loop, &(vital_listen_options){
                                                       .address = "127.0.0.1:0",
                                                       .events = WITNESS,
                                                       .user = &self->seen,
                                                       .heartbeat = heartbeat,
                                                       .limits = limits,
                                                   });
    raw_connect(&self->peer, (uint16_t)atoi(strrchr(vital_server_url(server), ':') + 1), 0);
    raw_upgrade_client(test, &self->peer);
    step_until(test, self->seen.opens == 1, "the server's connection is open");
    self->conn = self->seen.conn;
}

typedef void talk(live *test, dialogue *self, vital_heartbeat heartbeat, vital_limits limits);

/* Each of these is played with us as the client and with us as the server. */
static void in_both_roles(live *test, void (*check)(live *test, dialogue *self, bool masked),
                          vital_heartbeat heartbeat, vital_limits limits)
{
    talk *const roles[] = {talk_as_client, talk_as_server};
    for (int i = 0; i < 2; i++) {
        dialogue both;
        roles[i](test, &both, heartbeat, limits);
        check(test, &both, i == 1);
        step_until(test, both.seen.closes == 1, "the verdict comes");
        assert_true(both.seen.verdict.final);
        assert_int_equal(both.seen.verdict.retry_ms, -1);
        assert_int_equal(strncmp(both.seen.peer, "127.0.0.1:", 10), 0);
        for (int k = 0; k < 3; k++)
            live_step(test);
        assert_int_equal(both.seen.closes, 1);
        raw_close(&both.peer);
    }
}

static const vital_heartbeat NO_BEAT = {.kind = VITAL_BEAT_NONE};
static const vital_limits DEFAULT_LIMITS = {0};

static void check_fin(live *test, dialogue *self, bool masked)
{
    (void)masked;
    raw_close(&self->peer);
    step_until(test, self->seen.closes == 1, "the end is noticed");
    assert_cause(&self->seen, VITAL_CUT);
    assert_int_equal(self->seen.verdict.code, 1006);
    assert_int_equal(self->seen.verdict.error, 0);
    assert_in_range(self->seen.verdict.open_ms, 0, LIVE_PATIENCE_S * 1000);
    assert_says(self->seen.verdict.text, "without a close frame");
}

static void an_end_without_a_close_frame_is_cut(void **state)
{
    in_both_roles(*state, check_fin, NO_BEAT, DEFAULT_LIMITS);
}

static void check_reset(live *test, dialogue *self, bool masked)
{
    (void)masked;
    raw_reset(&self->peer);
    step_until(test, self->seen.closes == 1, "the reset is noticed");
    assert_cause(&self->seen, VITAL_CUT);
    assert_int_equal(self->seen.verdict.code, 1006);
    assert_int_equal(self->seen.verdict.error, ECONNRESET);
    assert_says(self->seen.verdict.text, "reset");
}

static void a_reset_is_cut_with_its_error(void **state)
{
    in_both_roles(*state, check_reset, NO_BEAT, DEFAULT_LIMITS);
}

static void check_bad_frame(live *test, dialogue *self, bool masked)
{
    static const uint8_t bad[] = {0x83, 0x80, 0, 0, 0, 0}; /* opcode 3 */
    raw_send(&self->peer, bad, masked ? 6 : 2);
    step_until(test, raw_reaches(&self->peer, VT_OP_CLOSE), "the close frame comes");
    assert_int_equal(self->peer.bytes[0], 0x88);
    step_until(test, self->seen.closes == 1, "the violation is noticed");
    assert_cause(&self->seen, VITAL_MISBEHAVED);
    assert_int_equal(self->seen.verdict.code, 1002);
    assert_says(self->seen.verdict.text, "opcode");
}

static void a_bad_frame_is_misbehaviour_and_said_so_to_the_peer(void **state)
{
    in_both_roles(*state, check_bad_frame, NO_BEAT, DEFAULT_LIMITS);
}

static void check_masking(live *test, dialogue *self, bool masked)
{
    raw_frame(&self->peer, VT_OP_TEXT, !masked, "hello", 5);
    step_until(test, self->seen.closes == 1, "the violation is noticed");
    assert_cause(&self->seen, VITAL_MISBEHAVED);
    assert_says(self->seen.verdict.text, "mask");
    assert_int_equal(self->seen.messages, 0);
}

static void a_client_must_mask_and_a_server_must_not_rfc_5_1(void **state)
{
    in_both_roles(*state, check_masking, NO_BEAT, DEFAULT_LIMITS);
}

static void check_overflow(live *test, dialogue *self, bool masked)
{
    char bytes[101] = "";
    raw_frame(&self->peer, VT_OP_BINARY, masked, bytes, 100);
    step_until(test, self->seen.messages == 1, "what is within the limit arrives");
    raw_frame(&self->peer, VT_OP_BINARY, masked, bytes, 101);
    step_until(test, self->seen.closes == 1, "the limit is noticed");
    assert_cause(&self->seen, VITAL_OVERFLOW);
    assert_int_equal(self->seen.verdict.code, 1009);
    assert_int_equal(self->seen.messages, 1);
    step_until(test, raw_reaches(&self->peer, VT_OP_CLOSE), "the close frame comes");
}

static void a_message_above_the_limit_is_overflow(void **state)
{
    in_both_roles(*state, check_overflow, NO_BEAT, (vital_limits){.message_bytes = 100});
}

static void check_control_flood(live *test, dialogue *self, bool masked)
{
    for (int i = 0; i < 200; i++)
        raw_frame(&self->peer, VT_OP_PING, masked, "", 0);
    step_until(test, self->seen.closes == 1, "the flood is noticed");
    assert_cause(&self->seen, VITAL_OVERFLOW);
    assert_int_equal(self->seen.verdict.code, 1008);
}

static void b9_a_flood_of_pings_is_overflow(void **state)
{
    in_both_roles(*state, check_control_flood, NO_BEAT, DEFAULT_LIMITS);
}

static void check_pong_flood(live *test, dialogue *self, bool masked)
{
    size_t before = vital_conn_queued(self->conn);
    for (int i = 0; i < 60; i++)
        raw_frame(&self->peer, VT_OP_PONG, masked, "kept?", 5);
    step_until(test, self->seen.pongs == 60, "all are told");
    assert_int_equal(vital_conn_queued(self->conn), before);
    for (int i = 0; i < 100; i++)
        raw_frame(&self->peer, VT_OP_PONG, masked, "", 0);
    step_until(test, self->seen.closes == 1, "the flood is noticed");
    assert_cause(&self->seen, VITAL_OVERFLOW);
    assert_int_equal(self->seen.verdict.code, 1008);
}

static void b10_a_flood_of_pongs_keeps_nothing_and_is_overflow(void **state)
{
    in_both_roles(*state, check_pong_flood, NO_BEAT, DEFAULT_LIMITS);
}

static void check_stuck_pong(live *test, dialogue *self, bool masked)
{
    enum { SPAN_MS = 100, STEP_MS = 10 };
    static const char block[64 * 1024];
    int64_t quiet_ms = live_now_ms();
    /* The peer does not read: the socket is full when the queue stays full. */
    while (live_now_ms() - quiet_ms < SPAN_MS) {
        while (vital_send(self->conn, VITAL_BINARY, (vital_bytes){block, sizeof block}) == 0)
            quiet_ms = live_now_ms();
        assert_int_equal(vital_loop_step(test->loop, STEP_MS), 0);
    }
    for (int i = 0; i < 50; i++)
        raw_frame(&self->peer, VT_OP_PING, masked, "?", 1);
    assert_int_equal(vital_loop_step(test->loop, STEP_MS), 0);

    /* A step waits until something happens. Now nothing does. */
    int64_t began_ms = live_now_ms();
    int steps = 0;
    while (live_now_ms() - began_ms < SPAN_MS) {
        assert_int_equal(vital_loop_step(test->loop, STEP_MS), 0);
        steps++;
    }
    assert_in_range(steps, 1, 4 * SPAN_MS / STEP_MS);
    assert_int_equal(self->seen.closes, 0);
    raw_reset(&self->peer);
}

static void b11_a_pong_that_cannot_leave_keeps_the_loop_asleep(void **state)
{
    in_both_roles(*state, check_stuck_pong, NO_BEAT, DEFAULT_LIMITS);
}

static void check_short_ping(live *test, dialogue *self, bool masked)
{
    static const char secret[] = "asked for four, and the rest is nobody's";
    (void)masked;
    assert_int_equal(vital_ping(self->conn, (vital_bytes){NULL, 4}), VITAL_EINVAL);
    assert_int_equal(vital_ping(self->conn, (vital_bytes){secret, 126}), VITAL_EINVAL);
    assert_int_equal(vital_ping(self->conn, (vital_bytes){secret, 4}), 0);
    step_until(test, raw_reaches(&self->peer, VT_OP_PING), "the ping comes");
    vt_frame frame;
    uint8_t *payload;
    size_t used;
    assert_true(raw_next(&self->peer, &frame, &payload, &used));
    assert_int_equal(frame.size, 4);
    assert_memory_equal(payload, secret, 4);
    assert_int_equal(self->peer.size, used);
    raw_close(&self->peer);
}

static void b13_a_ping_carries_what_it_was_given_and_no_memory_behind_it(void **state)
{
    in_both_roles(*state, check_short_ping, NO_BEAT, DEFAULT_LIMITS);
}

static void check_after_close(live *test, dialogue *self, bool masked)
{
    static const char late[60 * 1000];
    raw_close_frame(&self->peer, masked, 1000, "");
    raw_frame(&self->peer, VT_OP_TEXT, masked, "late", 4);
    raw_frame(&self->peer, VT_OP_PING, masked, "late", 4);
    raw_frame(&self->peer, VT_OP_CLOSE, masked, "\x03\xe9", 2);
    for (int i = 0; i < 20; i++)
        raw_send(&self->peer, late, sizeof late);
    step_until(test, raw_reaches(&self->peer, VT_OP_CLOSE), "the answer comes");
    vt_frame frame;
    uint8_t *payload;
    size_t used;
    assert_true(raw_next(&self->peer, &frame, &payload, &used));
    assert_int_equal(self->peer.size, used); /* and no pong, no echo */
    shutdown(self->peer.fd, SHUT_WR);
    step_until(test, self->seen.closes == 1, "the close is noticed");
    assert_cause(&self->seen, VITAL_CLOSED_BY_PEER);
    assert_int_equal(self->seen.verdict.code, 1000);
    assert_int_equal(self->seen.messages, 0);
}

static void b19_what_comes_after_the_close_frame_is_ignored(void **state)
{
    in_both_roles(*state, check_after_close, NO_BEAT, DEFAULT_LIMITS);
}

static void check_close(live *test, dialogue *self, bool masked)
{
    raw_close_frame(&self->peer, masked, 4242, "because");
    if (!masked) { /* a client waits for the server to end the stream, RFC 6455 7.1.1 */
        step_until(test, raw_reaches(&self->peer, VT_OP_CLOSE), "the answer comes");
        shutdown(self->peer.fd, SHUT_RDWR);
    }
    step_until(test, self->seen.closes == 1, "the close is noticed");
    assert_cause(&self->seen, VITAL_CLOSED_BY_PEER);
    assert_int_equal(self->seen.verdict.code, 4242);
    assert_string_equal(self->seen.verdict.reason, "because");
    assert_says(self->seen.verdict.text, "because");
    if (masked)
        raw_expect_close(test, &self->peer, 4242, "");
}

static void a_close_frame_brings_its_code_and_reason_and_is_answered(void **state)
{
    in_both_roles(*state, check_close, NO_BEAT, DEFAULT_LIMITS);
}

static void check_unanswered_close(live *test, dialogue *self, bool masked)
{
    (void)masked;
    vital_close(self->conn, 1001, "off I go");
    raw_expect_close(test, &self->peer, 1001, "off I go");
    step_until(test, self->seen.closes == 1, "the peer's answer is not waited for for ever");
    assert_cause(&self->seen, VITAL_CLOSED_BY_US);
    assert_int_equal(self->seen.verdict.code, 1001);
    assert_says(self->seen.verdict.text, "did not answer");
    step_until(test, raw_ended(&self->peer), "the stream ends");
}

static void a_close_that_stays_unanswered_ends_in_time(void **state)
{
    in_both_roles(*state, check_unanswered_close, NO_BEAT, (vital_limits){.close_ms = 200});
}

static void check_stuck(live *test, dialogue *self, bool masked)
{
    (void)masked;
    int64_t began_ms = live_now_ms();
    step_until(test, self->seen.closes == 1, "the silence is noticed");
    assert_cause(&self->seen, VITAL_STUCK);
    assert_in_range(live_now_ms() - began_ms, 300, 10000);
    assert_int_equal(self->seen.doubts, 1);
    assert_int_equal(self->seen.reliefs, 0);
    assert_true(self->seen.doubtful.waiting_ms >= 100);
    assert_int_equal(self->seen.verdict.code, 1006);
    assert_int_equal(self->seen.verdict.pulse.beats_sent, 1);
    assert_int_equal(self->seen.verdict.pulse.beats_answered, 0);
    assert_true(self->seen.verdict.pulse.waiting_ms >= 250);
    assert_says(self->seen.verdict.text, "No answer to our ping for ");
    /* Who only slept reads later why it was given up. */
    step_until(test, raw_reaches(&self->peer, VT_OP_PING), "the ping is there to be read");
    raw_expect_close(test, &self->peer, 4408, "your host answers, your program does not");
    step_until(test, raw_ended(&self->peer), "the stream ends");
    assert_int_equal(self->peer.error, 0);
}

static void a_peer_that_answers_no_beat_is_stuck_and_told_so(void **state)
{
    in_both_roles(*state, check_stuck, (vital_heartbeat){.interval_ms = 150, .answer_ms = 300},
                  DEFAULT_LIMITS);
}

static void check_relief(live *test, dialogue *self, bool masked)
{
    step_until(test, self->seen.doubts == 1, "the silence is doubted");
    step_until(test, raw_reaches(&self->peer, VT_OP_PING), "the ping has come");
    vt_frame frame;
    uint8_t *payload = NULL;
    size_t used = 0;
    assert_true(raw_next(&self->peer, &frame, &payload, &used));
    raw_frame(&self->peer, VT_OP_PONG, masked, payload, (size_t)frame.size);
    step_until(test, self->seen.reliefs == 1, "the late answer is good enough");
    assert_int_equal(self->seen.pongs, 0);
    vital_pulse pulse;
    vital_conn_pulse(self->conn, &pulse);
    assert_int_equal(pulse.beats_answered, 1);
    assert_int_equal(pulse.waiting_ms, -1);
    assert_true(pulse.proof_ms >= 0);
    raw_close(&self->peer);
    step_until(test, self->seen.closes == 1, "the end is noticed");
    assert_cause(&self->seen, VITAL_CUT);
}

static void a_late_answer_ends_the_doubt(void **state)
{
    in_both_roles(*state, check_relief, (vital_heartbeat){.interval_ms = 100, .answer_ms = 3000},
                  DEFAULT_LIMITS);
}

/* ------------------------------------------------------------ the peer's last words */

enum { LAST_WORDS = 170, WORD_BYTES = 1000 }; /* more than is read before and at a failed send */

/* Over a Unix socket, where all that was sent can be read at once, however much
 * that is, and a send to who has closed fails at once. */
static void talk_over_unix(live *test, dialogue *self, bool as_server)
{
    char path[96], url[128];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *self = (dialogue){.conn = NULL};
    snprintf(path, sizeof path, "%s/socket", test->directory);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (as_server) {
        snprintf(url, sizeof url, "unix:%s", path);
        live_listen(test->loop, &(vital_listen_options){
                                    .address = url,
                                    .events = WITNESS,
                                    .user = &self->seen,
                                    .heartbeat = NO_BEAT,
                                });
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
        raw_start(&self->peer, fd);
        raw_upgrade_client(test, &self->peer);
    } else {
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        snprintf(url, sizeof url, "ws+unix:%s", path);
        live_connect(test->loop, &(vital_connect_options){
                                     .url = url,
                                     .events = WITNESS,
                                     .user = &self->seen,
                                     .reconnect = {.never = true},
                                     .heartbeat = NO_BEAT,
                                 });
        raw_upgrade_server(test, &self->peer, fd);
        close(fd);
        assert_int_equal(unlink(path), 0);
    }
    step_until(test, self->seen.opens == 1, "the connection is open");
    self->conn = self->seen.conn;
}

/* Many messages and a close frame, 1008, in one piece. */
static void say_last_words(const raw_peer *peer, bool masked)
{
    uint8_t *bytes = calloc(LAST_WORDS + 1, VT_FRAME_HEADER_MAX + WORD_BYTES);
    assert_non_null(bytes);
    size_t size = 0;
    for (int i = 0; i < LAST_WORDS; i++) {
        vt_frame word = {.fin = true, .opcode = VT_OP_TEXT, .masked = masked, .size = WORD_BYTES};
        size += vt_frame_encode(bytes + size, &word);
        memset(bytes + size, 'w', WORD_BYTES);
        size += WORD_BYTES;
    }
    vt_frame bye = {.fin = true, .opcode = VT_OP_CLOSE, .masked = masked, .size = 2};
    size += vt_frame_encode(bytes + size, &bye);
    bytes[size++] = 1008 >> 8;
    bytes[size++] = 1008 & 0xFF;
    int room = 1 << 20;
    assert_int_equal(setsockopt(peer->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
    raw_send(peer, bytes, size);
    free(bytes);
}

static void a_failed_send_does_not_hide_what_the_peer_said_last(void **state)
{
    live *test = *state;
    for (int as_server = 0; as_server < 2; as_server++) {
        dialogue both;
        talk_over_unix(test, &both, as_server);
        assert_int_equal(vital_send(both.conn, VITAL_TEXT, vital_text("never read")), 0);
        step_until(test, poll(&(struct pollfd){.fd = both.peer.fd, .events = POLLIN}, 1, 0) == 1,
                   "there is something for the peer to leave unread");
        say_last_words(&both.peer, as_server);
        raw_close(&both.peer);
        assert_int_equal(vital_send(both.conn, VITAL_TEXT, vital_text("too late")), 0);
        step_until(test, both.seen.closes == 1, "the end is noticed");
        assert_int_equal(both.seen.messages, LAST_WORDS);
        assert_int_equal(both.seen.size, WORD_BYTES);
        assert_cause(&both.seen, VITAL_CLOSED_BY_PEER);
        assert_int_equal(both.seen.verdict.code, 1008);
        assert_true(both.seen.verdict.final);
        for (int i = 0; i < 3; i++)
            live_step(test);
        assert_int_equal(both.seen.closes, 1);
    }
}

/* Without a close frame, the end has the error that the send met, or the reading. */
static void a_failed_send_to_a_peer_that_said_nothing_is_cut(void **state)
{
    live *test = *state;
    for (int as_server = 0; as_server < 2; as_server++) {
        dialogue both;
        talk_over_unix(test, &both, as_server);
        raw_close(&both.peer);
        assert_int_equal(vital_send(both.conn, VITAL_TEXT, vital_text("too late")), 0);
        step_until(test, both.seen.closes == 1, "the end is noticed");
        assert_cause(&both.seen, VITAL_CUT);
        assert_int_equal(both.seen.verdict.code, 1006);
        assert_int_equal(both.seen.finals, 1);
    }
}

/* ------------------------------------------------------------ a queue with bounds */

static void a_full_queue_says_so_drains_once_and_loses_nothing(void **state)
{
    live *test = *state;
    enum { QUEUE = 256 * 1024, PIECE = 10000 };
    static uint8_t bytes[PIECE];
    talk *const roles[] = {talk_as_client, talk_as_server};
    for (int i = 0; i < 2; i++) {
        dialogue both;
        roles[i](test, &both, NO_BEAT, (vital_limits){.queue_bytes = QUEUE});
        uint64_t accepted = 0, arrived = 0;
        int error = 0;
        while (error == 0 && accepted < 10000) {
            bytes[0] = (uint8_t)accepted;
            error = vital_send(both.conn, VITAL_BINARY, (vital_bytes){bytes, PIECE});
            accepted += error == 0;
            live_step(test);
        }
        assert_int_equal(error, VITAL_EFULL);
        assert_in_range(vital_conn_queued(both.conn), QUEUE / 2, QUEUE);
        assert_int_equal(both.seen.drains, 0);

        /* The peer wakes up and reads all of it: frames of messages, in order. */
        vt_frame frame;
        uint8_t *payload = NULL;
        size_t used = 0;
        while (arrived < accepted) {
            step_until(test, raw_next(&both.peer, &frame, &payload, &used), "a frame comes");
            assert_true(frame.fin);
            assert_int_equal(frame.size, PIECE);
            assert_int_equal(payload[0], (uint8_t)arrived);
            arrived++;
            raw_take(&both.peer, used);
        }
        step_until(test, both.seen.drains == 1, "the queue has drained");
        assert_int_equal(vital_conn_queued(both.conn), 0);
        assert_int_equal(vital_send(both.conn, VITAL_TEXT, vital_text("again")), 0);
        step_until(test, raw_reaches(&both.peer, VT_OP_TEXT), "sending goes on");
        assert_int_equal(both.seen.drains, 1);
        raw_close(&both.peer);
        step_until(test, both.seen.closes == 1, "the end is noticed");
    }
}

/* ------------------------------------------------------------------- pausing */

/* Takes one message at a time. */
static void take_one(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    witness_message(conn, kind, message);
    vital_pause(conn, true);
}

static void take_one_at_a_time(live *test, vital_compression compression)
{
    enum { COUNT = 80, QUEUE = 64 * 1024 };
    witness at_server = {0}, at_client = {0};
    vital_events slow = WITNESS;
    slow.message = take_one;
    vital_server *server = live_listen(test->loop,
                                       &(vital_listen_options){.address = "127.0.0.1:0",
                                                               .events = slow,
                                                               .user = &at_server,
                                                               .compression = compression});
    vital_conn *client = live_connect(test->loop,
                                      &(vital_connect_options){.url = vital_server_url(server),
                                                               .events = WITNESS,
                                                               .user = &at_client,
                                                               .compression = compression,
                                                               .limits = {.queue_bytes = QUEUE},
                                                               .reconnect = {.never = true}});
    step_until(test, at_client.opens == 1, "it is open");
    static char text[10000];
    int sent = 0;
    for (int taken = 1; taken <= COUNT; taken++) {
        while (sent < COUNT) {
            memset(text, 'a' + sent % 26, sizeof text);
            if (vital_send(client, VITAL_TEXT, (vital_bytes){text, sizeof text}) != 0)
                break;
            sent++;
        }
        step_until(test, at_server.messages == taken, "the next message comes");
        assert_int_equal(at_server.text[0], 'a' + (taken - 1) % 26);
        live_step(test);
        assert_int_equal(at_server.messages, taken);
        vital_pause(at_server.conn, false);
    }
    assert_int_equal(sent, COUNT);
    vital_close(client, 1000, NULL);
    step_until(test, at_server.closes == 1 && at_client.closes == 1, "both are closed");
    assert_cause(&at_server, VITAL_CLOSED_BY_PEER);
}

static void a_pause_stops_messages_at_once_and_a_resumption_goes_on_with_them(void **state)
{
    take_one_at_a_time(*state, (vital_compression){.enabled = false});
    take_one_at_a_time(*state, (vital_compression){.enabled = true});
}

static void a_paused_connection_notices_that_its_peer_has_gone(void **state)
{
    live *test = *state;
    dialogue both;
    talk_as_server(test, &both, (vital_heartbeat){.interval_ms = 100}, (vital_limits){0});
    vital_pause(both.conn, true);
    raw_close(&both.peer);
    step_until(test, both.seen.closes == 1, "a beat of ours finds out");
    assert_cause(&both.seen, VITAL_CUT);
}

/* --------------------------------------------------------------------- pieces */

/* What came of one message. */
typedef struct stream_seen {
    size_t bytes;
    int firsts, lasts;
} stream_seen;

static void take_piece(vital_conn *conn, vital_kind kind, vital_bytes piece, unsigned where)
{
    stream_seen *seen = vital_user(conn);
    assert_int_equal(kind, VITAL_BINARY);
    for (size_t i = 0; i < piece.size; i++)
        assert_int_equal(((const uint8_t *)piece.data)[i], (uint8_t)(seen->bytes++ / 1000));
    seen->firsts += (where & VITAL_FIRST) != 0;
    seen->lasts += (where & VITAL_LAST) != 0;
    if (seen->bytes % 7 == 0) { /* now and then, somebody needs a rest */
        vital_pause(conn, true);
        vital_pause(conn, false);
    }
}

static void stream_through(live *test, vital_compression compression)
{
    enum { BYTES = 3 * 1000 * 1000 };
    const vital_limits small = {.queue_bytes = 50000, .message_bytes = BYTES};
    stream_seen seen = {0};
    witness at_client = {0};
    vital_server *server = live_listen(test->loop,
                                       &(vital_listen_options){.address = "127.0.0.1:0",
                                                               .events = {.piece = take_piece},
                                                               .user = &seen,
                                                               .limits = small,
                                                               .compression = compression});
    vital_conn *client = live_connect(test->loop,
                                      &(vital_connect_options){.url = vital_server_url(server),
                                                               .events = WITNESS,
                                                               .user = &at_client,
                                                               .limits = small,
                                                               .compression = compression,
                                                               .reconnect = {.never = true}});
    for (size_t sent = 0; sent < BYTES;) {
        uint8_t piece[10000];
        for (size_t i = 0; i < sizeof piece; i++)
            piece[i] = (uint8_t)((sent + i) / 1000);
        unsigned where = (sent == 0 ? VITAL_FIRST : 0) |
                         (sent + sizeof piece == BYTES ? VITAL_LAST : 0);
        int error = vital_send_piece(client, VITAL_BINARY, (vital_bytes){piece, sizeof piece},
                                     where);
        if (error == 0) {
            sent += sizeof piece;
            continue;
        }
        assert_int_equal(error, VITAL_EFULL);
        int drains = at_client.drains;
        step_until(test, at_client.drains > drains, "the queue drains");
    }
    step_until(test, seen.lasts == 1, "the last piece comes");
    assert_int_equal(seen.firsts, 1);
    assert_int_equal(seen.bytes, BYTES);
    vital_close(client, 1000, NULL);
    step_until(test, at_client.closes == 1 && vital_server_count(server) == 0, "both are closed");
}

static void a_message_may_be_streamed_through_queues_that_are_smaller_than_it(void **state)
{
    stream_through(*state, (vital_compression){.enabled = false});
    stream_through(*state, (vital_compression){.enabled = true});
}

static void a_verdict_counts_what_had_not_left(void **state)
{
    live *test = *state;
    static uint8_t bytes[4 << 20];
    dialogue both;
    talk_as_client(test, &both, NO_BEAT, (vital_limits){.queue_bytes = 16 << 20});
    assert_int_equal(vital_send(both.conn, VITAL_TEXT, vital_text("small")), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(vital_send(both.conn, VITAL_BINARY, (vital_bytes){bytes, sizeof bytes}),
                         0);
    step_until(test, raw_has(&both.peer, ""), "something arrives");
    raw_reset(&both.peer);
    step_until(test, both.seen.closes == 1, "the reset is noticed");
    assert_cause(&both.seen, VITAL_CUT);
    const vital_verdict *verdict = &both.seen.verdict;
    assert_int_equal(verdict->unsent + verdict->unconfirmed, 4);
    assert_in_range(verdict->unsent, 1, 3);
    assert_says(verdict->text, "not sent");
}

/* ------------------------------------------------------ lent memory stays where it is */

static void close_other(vital_conn *conn, const vital_verdict *verdict)
{
    (void)verdict;
    vital_close(*(vital_conn **)vital_user(conn), 1000, NULL);
}

/* Of two clients the one is refused in the very turn in which the other has its
 * stream and hands its request over; the first closes the second. */
static void a_client_may_be_closed_while_its_request_is_handed_over(void **state)
{
    live *test = *state;
    uint16_t open_port, closed_port;
    char open_url[64], closed_url[64];
    int listener = raw_listen(&open_port), bound = raw_bind(&closed_port);
    snprintf(open_url, sizeof open_url, "ws://127.0.0.1:%u/", (unsigned)open_port);
    snprintf(closed_url, sizeof closed_url, "ws://127.0.0.1:%u/", (unsigned)closed_port);
    for (int i = 0; i < 10; i++) {
        witness seen = {.opens = 0};
        vital_conn *victim = live_connect(test->loop, &(vital_connect_options){
                                                          .url = open_url,
                                                          .events = WITNESS,
                                                          .user = &seen,
                                                      });
        live_connect(test->loop, &(vital_connect_options){
                                     .url = closed_url,
                                     .events = {.close = close_other},
                                     .user = &victim,
                                     .reconnect = {.never = true},
                                 });
        step_until(test, seen.closes == 1, "the second is closed");
        assert_cause(&seen, VITAL_CLOSED_BY_US);
        raw_peer peer;
        step_until(test, raw_accept(&peer, listener), "its stream is there");
        step_until(test, raw_ended(&peer), "and ends");
        raw_close(&peer);
    }
    close(listener);
    close(bound);
}

static int close_and_read(vital_conn *conn, const vital_request *request)
{
    vital_close(conn, 1000, NULL);
    assert_string_equal(vital_request_path(request), "/raw");
    assert_string_equal(vital_request_header(request, "host"), "localhost");
    return 0;
}

static void a_request_stays_readable_after_closing_in_accept(void **state)
{
    live *test = *state;
    raw_peer peer;
    witness seen = {.opens = 0};
    vital_events events = WITNESS;
    events.accept = close_and_read;
    vital_server *server = live_listen(
        test->loop,
        &(vital_listen_options){.address = "127.0.0.1:0", .events = events, .user = &seen});
    raw_connect(&peer, (uint16_t)atoi(strrchr(vital_server_url(server), ':') + 1), 0);
    raw_send(&peer, RAW_REQUEST, strlen(RAW_REQUEST));
    step_until(test, seen.closes == 1, "the connection is closed");
    assert_int_equal(seen.opens, 0);
    step_until(test, raw_ended(&peer), "the stream ends");
    raw_close(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        live_test(c4_what_is_compressed_is_a_copy_of_ours),
        live_test(messages_of_every_size_come_back_as_they_were),
        live_test(so_do_compressed_messages_rfc_7692),
        live_test(many_messages_of_one_turn_arrive_in_their_order),
        live_test(what_is_sent_before_closing_arrives),
        live_test(what_cannot_be_sent_is_refused),
        live_test(a_close_code_that_may_not_be_sent_becomes_1000),
        live_test(our_own_ping_is_answered_with_its_payload),
        live_test(a_connection_tells_of_itself),
        live_test(every_callback_may_close),
        live_test(every_callback_may_send),
        live_test(every_callback_may_ping),
        live_test(every_callback_may_connect),
        live_test(every_callback_may_drain_the_server),
        live_test(every_callback_may_stop_the_loop),
        live_test(a_loop_that_was_stopped_in_a_callback_runs_on_where_it_was),
        live_test(an_end_without_a_close_frame_is_cut),
        live_test(a_reset_is_cut_with_its_error),
        live_test(a_bad_frame_is_misbehaviour_and_said_so_to_the_peer),
        live_test(a_client_must_mask_and_a_server_must_not_rfc_5_1),
        live_test(a_message_above_the_limit_is_overflow),
        live_test(b9_a_flood_of_pings_is_overflow),
        live_test(b10_a_flood_of_pongs_keeps_nothing_and_is_overflow),
        live_test(b11_a_pong_that_cannot_leave_keeps_the_loop_asleep),
        live_test(b13_a_ping_carries_what_it_was_given_and_no_memory_behind_it),
        live_test(b19_what_comes_after_the_close_frame_is_ignored),
        live_test(a_close_frame_brings_its_code_and_reason_and_is_answered),
        live_test(a_close_that_stays_unanswered_ends_in_time),
        live_test(a_peer_that_answers_no_beat_is_stuck_and_told_so),
        live_test(a_late_answer_ends_the_doubt),
        live_test(a_failed_send_does_not_hide_what_the_peer_said_last),
        live_test(a_failed_send_to_a_peer_that_said_nothing_is_cut),
        live_test(a_full_queue_says_so_drains_once_and_loses_nothing),
        live_test(a_pause_stops_messages_at_once_and_a_resumption_goes_on_with_them),
        live_test(a_paused_connection_notices_that_its_peer_has_gone),
        live_test(a_message_may_be_streamed_through_queues_that_are_smaller_than_it),
        live_test(a_verdict_counts_what_had_not_left),
        live_test(a_client_may_be_closed_while_its_request_is_handed_over),
        live_test(a_request_stays_readable_after_closing_in_accept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
