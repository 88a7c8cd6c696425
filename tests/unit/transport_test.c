/*
 * Two transports in memory, on streams that do nothing but what the test says:
 * how little, how late, and how far before they fail.
 */
#include "transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authority.h"

#include "pipe_stream.h"

enum { HEARD_BYTES = 1 << 20, PLENTY = 1 << 30 };

/* One end: a transport, and all that it was told. */
typedef struct end {
    vt_transport transport;
    pipe_stream stream;
    int secured, sents, ends, failures;
    size_t sent;
    int error; /* of the last send, or of the end */
    vital_failure failure;
    char what[320];
    bool quit; /* ends the transport inside the callback */
    size_t size;
    uint8_t *heard;
} end;

typedef struct fixture {
    vital_loop *loop;
    folder folder;
    identity root, server;
    vt_tls_policy *client_policy, *server_policy;
    end client, server_end;
} fixture;

/* ------------------------------------------------------------------- the owner */

static void quit_if_asked(end *self)
{
    if (self->quit)
        vt_transport_end(&self->transport, VT_END_POLITE, (vital_bytes){"bye", 3});
}

static void on_secured(void *owner)
{
    end *self = owner;
    self->secured++;
    quit_if_asked(self);
}

static void on_received(void *owner, uint8_t *data, size_t size, int error)
{
    end *self = owner;
    assert_int_equal(self->ends + self->failures, 0);
    if (size == 0) {
        self->ends++;
        self->error = error;
    } else {
        assert_true(self->size + size <= HEARD_BYTES);
        memcpy(self->heard + self->size, data, size);
        self->size += size;
        memset(data, 0, size); /* what is lent may be changed */
    }
    quit_if_asked(self);
}

static void on_sent(void *owner, size_t size, int error)
{
    end *self = owner;
    self->sents++;
    self->sent = size;
    self->error = error;
    quit_if_asked(self);
}

static void on_failed(void *owner, const vital_failure *failure)
{
    end *self = owner;
    assert_int_equal(self->ends + self->failures, 0);
    self->failures++;
    self->failure = *failure;
    snprintf(self->what, sizeof self->what, "%s", failure->what);
    quit_if_asked(self);
}

static const vt_transport_events EVENTS = {
    .bytes = {.received = on_received, .sent = on_sent},
    .secured = on_secured,
    .failed = on_failed,
};

/* -------------------------------------------------------------------- carrying */

/* At most so many bytes that one sends reach the other, in pieces. */
static bool carry(end *from, end *to, size_t most, size_t piece)
{
    vital_bytes bytes = from->stream.sending;
    if (bytes.size == 0 || from->stream.closed)
        return false;
    size_t size = bytes.size < most ? bytes.size : most;
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, bytes.data, size);
    from->stream.sending.size = 0;
    from->stream.base.events->sent(from->stream.base.owner, size,
                                   size < bytes.size ? ECONNRESET : 0);
    for (size_t at = 0; at < size && !to->stream.closed; at += piece)
        to->stream.base.events->received(to->stream.base.owner, copy + at,
                                         size - at < piece ? size - at : piece, 0);
    free(copy);
    return true;
}

static void hear(end *to, const uint8_t *bytes, size_t size)
{
    uint8_t copy[1024];
    memcpy(copy, bytes, size);
    to->stream.base.events->received(to->stream.base.owner, copy, size, 0);
}

static void hear_end(end *to, int error)
{
    to->stream.base.events->received(to->stream.base.owner, NULL, 0, error);
}

static void talk(fixture *it, size_t piece)
{
    while (carry(&it->client, &it->server_end, PLENTY, piece) ||
           carry(&it->server_end, &it->client, PLENTY, piece))
        continue;
}

static void start(fixture *it, end *self)
{
    uint8_t *heard = self->heard;
    vt_transport_end(&self->transport, VT_END_ABRUPT, (vital_bytes){NULL, 0});
    *self = (end){.heard = heard, .stream = {.base = {.loop = it->loop}}};
    vt_transport_start(&self->transport, &self->stream.base, &EVENTS, self);
}

static void start_both(fixture *it)
{
    start(it, &it->client);
    start(it, &it->server_end);
}

static void secure_both(fixture *it, size_t piece)
{
    int before = it->client.secured;
    assert_int_equal(
        vt_transport_secure(&it->client.transport, it->client_policy, &EVENTS, &it->client), 0);
    assert_int_equal(
        vt_transport_secure(&it->server_end.transport, it->server_policy, &EVENTS, &it->server_end),
        0);
    assert_false(vt_transport_ready(&it->client.transport));
    talk(it, piece);
    assert_int_equal(it->client.secured, before + 1);
    assert_int_equal(it->server_end.secured, before + 1);
    assert_true(vt_transport_ready(&it->client.transport));
    assert_true(vt_transport_ready(&it->server_end.transport));
}

static vt_tls_policy *policy_of(bool server, const vital_tls *options)
{
    char problem[VT_TLS_PROBLEM_BYTES];
    vt_tls_policy *policy = NULL;
    const vt_tls_setup setup = {.server = server,
                                .options = options,
                                .host = "localhost",
                                .peer = server ? "client" : "server"};
    if (vt_tls_policy_create(&policy, &setup, problem) != 0)
        fail_msg("%s", problem);
    return policy;
}

static int setup(void **state)
{
    fixture *it = calloc(1, sizeof *it);
    char ca[AUTHORITY_PATH_BYTES], pem[AUTHORITY_PATH_BYTES];
    if (pipe_loop_create(&it->loop) != 0)
        return -1;
    enter_folder(&it->folder);
    it->root = make_identity(&(wish){.name = "Root", .authority = true}, NULL);
    it->server = make_identity(&(wish){.alternatives = "DNS:localhost"}, &it->root);
    write_pem(ca, &it->folder, "ca.pem", &it->root, NULL);
    write_pem(pem, &it->folder, "server.pem", &it->server, &it->server);
    it->client_policy = policy_of(false, &(vital_tls){.ca_file = ca});
    it->server_policy = policy_of(true, &(vital_tls){.cert_file = pem});
    it->client.heard = malloc(HEARD_BYTES);
    it->server_end.heard = malloc(HEARD_BYTES);
    start_both(it);
    *state = it;
    return 0;
}

static int teardown(void **state)
{
    fixture *it = *state;
    vt_transport_end(&it->client.transport, VT_END_ABRUPT, (vital_bytes){NULL, 0});
    vt_transport_end(&it->server_end.transport, VT_END_ABRUPT, (vital_bytes){NULL, 0});
    vt_tls_policy_release(it->client_policy);
    vt_tls_policy_release(it->server_policy);
    free_identity(&it->root);
    free_identity(&it->server);
    leave_folder(&it->folder);
    vital_loop_destroy(it->loop);
    free(it->client.heard);
    free(it->server_end.heard);
    free(it);
    return 0;
}

static uint8_t *pattern(size_t size)
{
    uint8_t *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 8) + (i >> 16));
    return bytes;
}

/* ------------------------------------------------------------------- in plain */

static void in_plain_all_is_handed_through(void **state)
{
    fixture *it = *state;
    assert_true(vt_transport_ready(&it->client.transport));
    assert_null(vt_transport_tls(&it->client.transport));
    vt_transport_send(&it->client.transport, vital_text("as it is"));
    assert_ptr_not_equal(it->client.stream.sending.data, NULL);
    talk(it, PLENTY);
    assert_int_equal(it->client.sents, 1);
    assert_int_equal(it->client.sent, 8);
    assert_memory_equal(it->server_end.heard, "as it is", 8);
    hear_end(&it->server_end, EPIPE);
    assert_int_equal(it->server_end.ends, 1);
    assert_int_equal(it->server_end.error, EPIPE);
    vt_transport_end(&it->server_end.transport, VT_END_POLITE, vital_text("bye"));
    assert_int_equal(it->server_end.stream.farewell_bytes, 3);
    vt_transport_poll(&it->client.transport);
    assert_int_equal(it->client.error, ECONNRESET);
}

/* ------------------------------------------------------------------ with layers */

/* Both ways, so much, over that many layers. */
static void exchange(fixture *it, size_t size, size_t piece)
{
    uint8_t *bytes = pattern(size);
    it->client.size = it->server_end.size = 0;
    it->client.sents = it->server_end.sents = 0;
    vt_transport_send(&it->client.transport, (vital_bytes){bytes, size});
    vt_transport_send(&it->server_end.transport, (vital_bytes){bytes, size});
    talk(it, piece);
    assert_int_equal(it->client.sents, 1);
    assert_int_equal(it->client.sent, size);
    assert_int_equal(it->client.size, size);
    assert_int_equal(it->server_end.size, size);
    assert_memory_equal(it->client.heard, bytes, size);
    assert_memory_equal(it->server_end.heard, bytes, size);
    assert_int_equal(it->client.stream.sending.size, 0);
    free(bytes);
}

static void one_layer_and_two_carry_any_size_in_any_pieces(void **state)
{
    fixture *it = *state;
    static const size_t sizes[] = {1, 1000, 16384, 16385, 65536, 65537, 300000};
    static const size_t pieces[] = {1, 7, 1000, 65536};
    for (int layers = 1; layers <= VT_TRANSPORT_LAYERS; layers++) {
        for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
            start_both(it);
            for (int i = 0; i < layers; i++)
                secure_both(it, pieces[p]);
            for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
                if (pieces[p] == 1 && sizes[s] > 20000)
                    break; /* long enough */
                exchange(it, sizes[s], pieces[p]);
            }
        }
    }
}

static void a_layer_can_be_put_on_after_something_was_said(void **state)
{
    fixture *it = *state;
    secure_both(it, PLENTY);
    exchange(it, 100, PLENTY);
    const vt_tls *first = vt_transport_tls(&it->client.transport);
    secure_both(it, PLENTY);
    assert_ptr_not_equal(vt_transport_tls(&it->client.transport), first);
    exchange(it, 100, PLENTY);
}

static void nothing_is_in_plain_on_the_stream(void **state)
{
    fixture *it = *state;
    secure_both(it, PLENTY);
    vt_transport_send(&it->client.transport, vital_text("a secret that nobody sees"));
    vital_bytes sent = it->client.stream.sending;
    assert_null(memmem(sent.data, sent.size, "secret", 6));
}

/* --------------------------------------------------- how far a failed send got */

static void what_a_failed_send_let_through_is_known_to_the_record(void **state)
{
    fixture *it = *state;
    const size_t size = 3 * VT_TLS_RECORD_BYTES;
    uint8_t *bytes = pattern(size);
    for (int layers = 1; layers <= VT_TRANSPORT_LAYERS; layers++) {
        size_t before = 0;
        for (size_t gone = 0; gone < size + 1000; gone += 997) {
            start_both(it);
            for (int i = 0; i < layers; i++)
                secure_both(it, PLENTY);
            it->server_end.size = 0;
            vt_transport_send(&it->client.transport, (vital_bytes){bytes, size});
            carry(&it->client, &it->server_end, gone, PLENTY);
            assert_int_equal(it->client.sents, 1);
            /* just what the other side could read of it */
            assert_int_equal(it->client.sent, it->server_end.size);
            assert_true(it->client.sent >= before);
            before = it->client.sent;
        }
        assert_int_equal(before, size);
    }
    free(bytes);
}

static void a_long_send_that_fails_late_counts_its_earlier_flights(void **state)
{
    fixture *it = *state;
    const size_t size = 9 * VT_TLS_RECORD_BYTES;
    uint8_t *bytes = pattern(size);
    secure_both(it, PLENTY);
    vt_transport_send(&it->client.transport, (vital_bytes){bytes, size});
    assert_true(carry(&it->client, &it->server_end, PLENTY, PLENTY));
    assert_int_equal(it->client.sents, 0);
    assert_true(carry(&it->client, &it->server_end, 20000, PLENTY));
    assert_int_equal(it->client.sents, 1);
    assert_int_equal(it->client.sent, 5 * VT_TLS_RECORD_BYTES);
    assert_int_equal(it->client.error, ECONNRESET);
    assert_int_equal(it->server_end.size, 5 * VT_TLS_RECORD_BYTES);
    free(bytes);
}

/* --------------------------------------------------------------------- the end */

static void a_polite_end_brings_the_farewell_and_ends_tls(void **state)
{
    fixture *it = *state;
    for (int layers = 1; layers <= VT_TRANSPORT_LAYERS; layers++) {
        start_both(it);
        for (int i = 0; i < layers; i++)
            secure_both(it, PLENTY);
        vt_transport_end(&it->client.transport, VT_END_POLITE, vital_text("farewell"));
        const pipe_stream *stream = &it->client.stream;
        assert_true(stream->closed);
        assert_int_equal(stream->how, VT_END_POLITE);
        hear(&it->server_end, stream->farewell, stream->farewell_bytes);
        assert_int_equal(it->server_end.size, 8);
        assert_memory_equal(it->server_end.heard, "farewell", 8);
        assert_int_equal(it->server_end.ends, 1);
        assert_int_equal(it->server_end.error, 0);
        hear_end(&it->server_end, 0); /* told once */
        assert_int_equal(it->server_end.ends + it->server_end.failures, 1);
    }
}

static void an_abrupt_end_says_nothing(void **state)
{
    fixture *it = *state;
    secure_both(it, PLENTY);
    vt_transport_end(&it->client.transport, VT_END_ABRUPT, vital_text("farewell"));
    assert_int_equal(it->client.stream.farewell_bytes, 0);
    assert_int_equal(it->client.stream.how, VT_END_ABRUPT);
    vt_transport_end(&it->client.transport, VT_END_ABRUPT, vital_text("again"));
}

static void an_end_in_the_middle_of_a_flight_or_a_handshake_adds_nothing(void **state)
{
    fixture *it = *state;
    secure_both(it, PLENTY);
    vt_transport_send(&it->client.transport, vital_text("on its way"));
    vt_transport_end(&it->client.transport, VT_END_POLITE, vital_text("farewell"));
    assert_int_equal(it->client.stream.farewell_bytes, 0);

    start_both(it);
    assert_int_equal(
        vt_transport_secure(&it->server_end.transport, it->server_policy, &EVENTS, &it->server_end),
        0);
    vt_transport_end(&it->server_end.transport, VT_END_POLITE, vital_text("farewell"));
    assert_int_equal(it->server_end.stream.farewell_bytes, 0);
}

/* E11 of the attacks that we know. */
static void e11_the_end_of_the_stream_is_not_the_end_of_tls(void **state)
{
    fixture *it = *state;
    for (int layers = 1; layers <= VT_TRANSPORT_LAYERS; layers++) {
        start_both(it);
        for (int i = 0; i < layers; i++)
            secure_both(it, PLENTY);
        hear_end(&it->client, 0);
        assert_int_equal(it->client.failures, 1);
        assert_int_equal(it->client.failure.cause, VITAL_CUT);
        assert_non_null(strstr(it->client.what, "may be missing"));
    }
    start_both(it);
    secure_both(it, PLENTY);
    hear_end(&it->client, ECONNRESET);
    assert_int_equal(it->client.ends, 1);
    assert_int_equal(it->client.error, ECONNRESET);
}

static void a_proxy_that_ends_its_tls_cuts_the_one_inside(void **state)
{
    fixture *it = *state;
    /* The other end knows of the outer layer only, as a proxy does. */
    secure_both(it, PLENTY);
    assert_int_equal(
        vt_transport_secure(&it->client.transport, it->client_policy, &EVENTS, &it->client), 0);
    vt_transport_end(&it->server_end.transport, VT_END_POLITE, (vital_bytes){NULL, 0});
    hear(&it->client, it->server_end.stream.farewell, it->server_end.stream.farewell_bytes);
    assert_int_equal(it->client.failures, 1);
    assert_int_equal(it->client.failure.cause, VITAL_UNREACHABLE);
    assert_non_null(strstr(it->client.what, "in the middle of the TLS handshake"));
}

static void what_tls_has_against_the_peer_is_said_at_the_end(void **state)
{
    fixture *it = *state;
    char problem[VT_TLS_PROBLEM_BYTES];
    vt_tls_policy *stranger = NULL;
    const vt_tls_setup trusting_nobody = {
        .options = &(vital_tls){0}, .host = "localhost", .peer = "server"};
    assert_int_equal(vt_tls_policy_create(&stranger, &trusting_nobody, problem), 0);
    assert_int_equal(vt_transport_secure(&it->client.transport, stranger, &EVENTS, &it->client), 0);
    assert_int_equal(
        vt_transport_secure(&it->server_end.transport, it->server_policy, &EVENTS, &it->server_end),
        0);
    talk(it, PLENTY);
    assert_int_equal(it->client.failures, 1);
    assert_int_equal(it->client.failure.cause, VITAL_UNTRUSTED);
    vt_transport_end(&it->client.transport, VT_END_POLITE, (vital_bytes){NULL, 0});
    hear(&it->server_end, it->client.stream.farewell, it->client.stream.farewell_bytes);
    assert_int_equal(it->server_end.failures, 1);
    assert_int_equal(it->server_end.failure.cause, VITAL_UNTRUSTED);
    assert_int_equal(it->server_end.failure.alert, 48);
    vt_tls_policy_release(stranger);
}

/* ------------------------------------------------------------------ re-entrancy */

static void ending_it_inside_any_callback_is_fine(void **state)
{
    fixture *it = *state;
    for (int layers = 1; layers <= VT_TRANSPORT_LAYERS; layers++) {
        start_both(it);
        for (int i = 0; i < layers; i++)
            secure_both(it, PLENTY);
        it->client.quit = true; /* in `received`, with more to read */
        vt_transport_send(&it->server_end.transport, vital_text("x"));
        assert_true(carry(&it->server_end, &it->client, PLENTY, PLENTY));
        assert_true(it->client.stream.closed);

        start_both(it);
        for (int i = 0; i < layers; i++)
            secure_both(it, PLENTY);
        it->client.quit = true; /* in `sent` */
        vt_transport_send(&it->client.transport, vital_text("x"));
        assert_true(carry(&it->client, &it->server_end, PLENTY, PLENTY));
        assert_true(it->client.stream.closed);

        start_both(it);
        for (int i = 0; i < layers; i++)
            secure_both(it, PLENTY);
        it->client.quit = true; /* in `failed` */
        hear_end(&it->client, 0);
        assert_true(it->client.stream.closed);
    }
    start_both(it);
    it->client.quit = true; /* in `secured` */
    assert_int_equal(
        vt_transport_secure(&it->client.transport, it->client_policy, &EVENTS, &it->client), 0);
    assert_int_equal(
        vt_transport_secure(&it->server_end.transport, it->server_policy, &EVENTS, &it->server_end),
        0);
    talk(it, PLENTY);
    assert_true(it->client.stream.closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        CASE(in_plain_all_is_handed_through),
        CASE(one_layer_and_two_carry_any_size_in_any_pieces),
        CASE(a_layer_can_be_put_on_after_something_was_said),
        CASE(nothing_is_in_plain_on_the_stream),
        CASE(what_a_failed_send_let_through_is_known_to_the_record),
        CASE(a_long_send_that_fails_late_counts_its_earlier_flights),
        CASE(a_polite_end_brings_the_farewell_and_ends_tls),
        CASE(an_abrupt_end_says_nothing),
        CASE(an_end_in_the_middle_of_a_flight_or_a_handshake_adds_nothing),
        CASE(e11_the_end_of_the_stream_is_not_the_end_of_tls),
        CASE(a_proxy_that_ends_its_tls_cuts_the_one_inside),
        CASE(what_tls_has_against_the_peer_is_said_at_the_end),
        CASE(ending_it_inside_any_callback_is_fine),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
