/*
 * The dial on a backend whose streams connect when a test says so: which
 * addresses are tried, when, and that nothing is left of those that lost.
 */
#include "dial.h"

#include <stdio.h>

#include "fake_backend.h"

#define MS INT64_C(1000)

enum { STREAMS = 32 };

/* Every attempt, in its order; NULL once closed. */
static vt_stream *streams[STREAMS];
static vt_address addresses_of[STREAMS];
static int opened, closed;
static int refuse_at_once; /* so many attempts fail before they begin */

static vt_stream *open_stream(vital_loop *loop, const vt_address *from, const vt_address *to)
{
    (void)from; /* socket_loop_test connects from one */
    if (refuse_at_once > 0) {
        refuse_at_once--;
        errno = ENETUNREACH;
        return NULL;
    }
    assert_true(opened < STREAMS);
    vt_stream *stream = calloc(1, sizeof *stream);
    assert_non_null(stream);
    stream->loop = loop;
    addresses_of[opened] = *to;
    streams[opened++] = stream;
    return stream;
}

static void close_stream(vt_stream *stream, vt_stream_end how, vital_bytes farewell)
{
    assert_int_equal(how, VT_END_ABRUPT);
    assert_int_equal(farewell.size, 0);
    for (int i = 0; i < opened; i++) {
        if (streams[i] == stream)
            streams[i] = NULL;
    }
    closed++;
    free(stream);
}

static void complete(int number, int error)
{
    vt_stream *stream = streams[number];
    assert_non_null(stream);
    stream->events->connected(stream->owner, error);
}

/* What became of a dial. */
typedef struct outcome {
    vt_dial *dial; /* NULL once it has ended */
    int found, connected, failed;
    vt_stream *stream;
    char peer[VT_ADDRESS_TEXT_BYTES];
    int error;
    char what[600];
} outcome;

static void on_found(void *owner)
{
    outcome *self = owner;
    self->found++;
}

static void on_connected(void *owner, vt_stream *stream, const vt_address *address)
{
    outcome *self = owner;
    self->dial = NULL;
    self->connected++;
    self->stream = stream;
    vt_address_text(self->peer, address);
}

static void on_failed(void *owner, int error, const char *what)
{
    outcome *self = owner;
    self->dial = NULL;
    self->failed++;
    self->error = error;
    snprintf(self->what, sizeof self->what, "%s", what);
}

static const vt_dial_events EVENTS = {
    .found = on_found, .connected = on_connected, .failed = on_failed};

static vt_backend backend;

static int setup(void **state)
{
    vital_loop *loop;
    backend = FAKE_BACKEND;
    backend.connect = open_stream;
    backend.close = close_stream;
    opened = closed = refuse_at_once = 0;
    if (vt_loop_create(&loop, &backend, NULL) != 0)
        return -1;
    *state = loop;
    return 0;
}

static int teardown(void **state)
{
    vital_loop_destroy(*state);
    return closed == opened ? 0 : -1;
}

static void step(vital_loop *loop, int ms)
{
    assert_int_equal(vital_loop_step(loop, ms), 0);
}

static void start(vital_loop *loop, outcome *self, const char *host)
{
    const vt_dial_to to = {.host = host, .port = 9001};
    self->dial = vt_dial_start(loop, &to, &EVENTS, self);
    assert_non_null(self->dial);
}

/* The backend answers the name that was asked for with these. */
static void answer(vital_loop *loop, const char *const *hosts, size_t count)
{
    vt_address found[40];
    for (size_t i = 0; i < count; i++)
        assert_true(vt_address_numeric(&found[i], hosts[i], 9001));
    fake_answer(fake_of(loop), found, count, "nobody knows it");
}

static const char *const SIX_AND_FOUR[] = {"2001:db8::1", "2001:db8::2", "192.0.2.1"};

static void drop(outcome *self)
{
    vt_stream_close(self->stream, VT_END_ABRUPT, (vital_bytes){NULL, 0});
    self->stream = NULL;
}

static void an_address_is_dialled_without_asking_for_it(void **state)
{
    vital_loop *loop = *state;
    outcome self = {.found = 0};
    start(loop, &self, "192.0.2.7");
    assert_int_equal(opened, 0); /* nothing from inside */
    step(loop, 0);
    assert_int_equal(opened, 1);
    complete(0, 0);
    assert_int_equal(self.connected, 1);
    assert_string_equal(self.peer, "192.0.2.7:9001");
    assert_int_equal(self.found, 0);
    assert_int_equal(fake_of(loop)->lookups, 0);
    drop(&self);
}

static void a_unix_socket_is_dialled_by_its_path(void **state)
{
    vital_loop *loop = *state;
    outcome self = {.found = 0};
    const vt_dial_to to = {.socket = "/run/x.sock"};
    self.dial = vt_dial_start(loop, &to, &EVENTS, &self);
    step(loop, 0);
    complete(0, ENOENT);
    assert_int_equal(self.failed, 1);
    assert_int_equal(self.error, ENOENT);
    assert_string_equal(self.what, "unix:/run/x.sock: No such file or directory");
}

static void an_address_that_cannot_be_tried_fails_later_and_not_from_inside(void **state)
{
    vital_loop *loop = *state;
    outcome self = {.found = 0};
    refuse_at_once = 1;
    start(loop, &self, "192.0.2.7");
    assert_int_equal(self.failed, 0);
    step(loop, 0);
    assert_int_equal(self.failed, 1);
    assert_int_equal(self.error, ENETUNREACH);
}

static void the_second_family_is_tried_beside_the_first_after_250_ms(void **state)
{
    vital_loop *loop = *state;
    outcome self = {.found = 0};
    start(loop, &self, "two.example");
    answer(loop, SIX_AND_FOUR, 3);
    assert_int_equal(self.found, 1);
    assert_int_equal(opened, 1);
    int64_t began_us = fake_of(loop)->now_us;
    while (opened < 2)
        step(loop, -1);
    assert_in_range(fake_of(loop)->now_us - began_us, 250 * MS, 290 * MS); /* and two ticks */
    assert_int_equal(addresses_of[1].any.sa_family, AF_INET);
    complete(1, 0); /* the first never answers */
    assert_int_equal(self.connected, 1);
    assert_string_equal(self.peer, "192.0.2.1:9001");
    assert_null(streams[0]); /* it was closed before we were told */
    assert_int_equal(closed, 1);
    drop(&self);
    step(loop, 1000);
    assert_int_equal(opened, 2); /* nothing goes on */
}

static void the_first_to_connect_wins_whichever_began_first(void **state)
{
    vital_loop *loop = *state;
    outcome self = {.found = 0};
    start(loop, &self, "two.example");
    answer(loop, SIX_AND_FOUR, 3);
    while (opened < 3)
        step(loop, -1);
    complete(1, ECONNREFUSED); /* nothing more can begin: the others go on */
    assert_int_equal(self.failed, 0);
    complete(0, 0);
    assert_int_equal(self.connected, 1);
    assert_string_equal(self.peer, "[2001:db8::1]:9001");
    assert_null(streams[2]);
    drop(&self);
}

static void a_refusal_costs_no_time(void **state)
{
    vital_loop *loop = *state;
    outcome self = {.found = 0};
    start(loop, &self, "two.example");
    int64_t began_us = fake_of(loop)->now_us;
    answer(loop, SIX_AND_FOUR, 3);
    complete(0, ECONNREFUSED);
    assert_int_equal(opened, 2);
    refuse_at_once = 1;
    complete(1, EHOSTUNREACH); /* and the third fails at once */
    assert_int_equal(self.failed, 1);
    assert_int_equal(fake_of(loop)->now_us, began_us);
    assert_int_equal(self.error, ENETUNREACH);
    assert_string_equal(self.what, "none of 3 addresses of two.example, the last "
                                   "[2001:db8::2]:9001: Network is unreachable");
}

static void a_name_that_is_not_found_says_so(void **state)
{
    vital_loop *loop = *state;
    outcome self = {.found = 0};
    start(loop, &self, "nobody.example");
    answer(loop, NULL, 0);
    assert_int_equal(self.failed, 1);
    assert_int_equal(self.error, 0);
    assert_string_equal(self.what, "the name nobody.example was not found: nobody knows it");
}

static void of_very_many_addresses_16_are_tried(void **state)
{
    vital_loop *loop = *state;
    outcome self = {.found = 0};
    const char *many[40];
    for (size_t i = 0; i < 40; i++)
        many[i] = "192.0.2.1";
    start(loop, &self, "many.example");
    answer(loop, many, 40);
    for (int i = 0; i < VT_DIAL_ADDRESSES; i++)
        complete(i, ECONNREFUSED);
    assert_int_equal(opened, VT_DIAL_ADDRESSES);
    assert_int_equal(self.failed, 1);
}

static void a_dial_is_cancelled_wherever_it_stands(void **state)
{
    vital_loop *loop = *state;
    outcome self = {.found = 0};
    vt_dial_cancel(NULL);
    start(loop, &self, "192.0.2.7");
    vt_dial_cancel(self.dial); /* before it began */
    start(loop, &self, "192.0.2.7");
    step(loop, 0);
    vt_dial_cancel(self.dial); /* at its only address */
    start(loop, &self, "two.example");
    vt_dial_cancel(self.dial); /* asking */
    assert_int_equal(fake_of(loop)->cancels, 1);
    start(loop, &self, "two.example");
    answer(loop, SIX_AND_FOUR, 3);
    while (opened < 3)
        step(loop, -1);
    vt_dial_cancel(self.dial); /* racing */
    step(loop, 1000);
    assert_int_equal(closed, 3);
    assert_int_equal(opened, 3);
    assert_int_equal(self.connected + self.failed, 0);
}

#define dial_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        dial_test(an_address_is_dialled_without_asking_for_it),
        dial_test(a_unix_socket_is_dialled_by_its_path),
        dial_test(an_address_that_cannot_be_tried_fails_later_and_not_from_inside),
        dial_test(the_second_family_is_tried_beside_the_first_after_250_ms),
        dial_test(the_first_to_connect_wins_whichever_began_first),
        dial_test(a_refusal_costs_no_time),
        dial_test(a_name_that_is_not_found_says_so),
        dial_test(of_very_many_addresses_16_are_tried),
        dial_test(a_dial_is_cancelled_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
