/*
 * Several loops, each in a thread of its own, on one port: what is shared between
 * threads is vital_loop_post(), and nothing else. Meant to be run under TSan.
 */
#include <vital/vital.h>

#include <pthread.h>
#include <stdatomic.h>

#include "live.h"

enum { LOOPS = 4, CLIENTS = 200, ECHOES = 5 };

typedef struct worker {
    pthread_t thread;
    vital_loop *loop;
    vital_server *server;
    char address[64];
    witness seen;   /* its own thread's until it is joined */
    atomic_int fed; /* messages that were echoed */
} worker;

static void echo(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    worker *self = vital_user(conn);
    assert_int_equal(vital_send(conn, kind, message), 0);
    atomic_fetch_add(&self->fed, 1);
}

static void note_open(vital_conn *conn, bool resumed)
{
    worker *self = vital_user(conn);
    (void)resumed;
    self->seen.opens++;
}

static void note_close(vital_conn *conn, const vital_verdict *verdict)
{
    worker *self = vital_user(conn);
    self->seen.closes++;
    self->seen.verdict = *verdict;
}

static void *work(void *arg)
{
    worker *self = arg;
    assert_int_equal(vital_loop_run(self->loop), 0);
    return NULL;
}

static void has_drained(void *arg)
{
    worker *self = arg;
    vital_loop_stop(self->loop);
}

static void drain(void *arg)
{
    worker *self = arg;
    vital_server_drain(self->server, &(vital_drain){.code = 1001, .reason = "the day is over"},
                       has_drained, self);
}

static void start(worker *self, const char *address)
{
    assert_int_equal(live_create_loop(&self->loop), 0);
    self->server = live_listen(
        self->loop, &(vital_listen_options){
                        .address = address,
                        .events = {.open = note_open, .message = echo, .close = note_close},
                        .user = self,
                        .share_port = true,
                    });
    snprintf(self->address, sizeof self->address, "%s", vital_server_url(self->server) + 5);
    self->address[strlen(self->address) - 1] = '\0';
}

/* Each client sends the next when the last has come back. */
static void talk_on(vital_conn *conn, vital_kind kind, vital_bytes message)
{
    witness *seen = vital_user(conn);
    (void)kind;
    assert_int_equal(message.size, 5);
    if (++seen->messages < ECHOES)
        assert_int_equal(vital_send(conn, VITAL_TEXT, vital_text("again")), 0);
}

static void four_loops_on_one_port_serve_two_hundred_clients(void **state)
{
    live *test = *state;
    static worker workers[LOOPS];
    static witness seen[CLIENTS];
    char url[80];
    memset(workers, 0, sizeof workers);
    memset(seen, 0, sizeof seen);
    start(&workers[0], "127.0.0.1:0");
    for (int i = 1; i < LOOPS; i++)
        start(&workers[i], workers[0].address);
    snprintf(url, sizeof url, "ws://%s/", workers[0].address);
    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);

    vital_events events = WITNESS;
    events.message = talk_on;
    for (int i = 0; i < CLIENTS; i++) {
        vital_conn *conn = live_connect(test->loop, &(vital_connect_options){
                                                        .url = url,
                                                        .events = events,
                                                        .user = &seen[i],
                                                        .reconnect = {.never = true},
                                                    });
        assert_int_equal(vital_send(conn, VITAL_TEXT, vital_text("hello")), 0);
    }
    for (int i = 0; i < CLIENTS; i++)
        step_until(test, seen[i].messages == ECHOES, "each client has all its echoes");

    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(vital_loop_post(workers[i].loop, drain, &workers[i]), 0);
    for (int i = 0; i < CLIENTS; i++) {
        step_until(test, seen[i].closes == 1, "each client is told to go");
        assert_cause(&seen[i], VITAL_CLOSED_BY_PEER);
        assert_int_equal(seen[i].verdict.code, 1001);
        assert_string_equal(seen[i].verdict.reason, "the day is over");
    }
    int served = 0, echoed = 0;
    for (int i = 0; i < LOOPS; i++) {
        worker *self = &workers[i];
        pthread_join(self->thread, NULL);
        vital_loop_destroy(self->loop);
        assert_int_equal(self->seen.opens, self->seen.closes);
        assert_int_equal(self->fed, self->seen.opens * ECHOES);
        assert_true(self->seen.opens > 0); /* (3/4)^200 that the kernel leaves one out */
        served += self->seen.opens;
        echoed += self->fed;
    }
    assert_int_equal(served, CLIENTS);
    assert_int_equal(echoed, CLIENTS * ECHOES);
}

/* ------------------------------------------- names, in several threads at once */

typedef struct caller {
    pthread_t thread;
    char url[80];
    vital_loop *loop;
    witness seen;
} caller;

static void *call(void *arg)
{
    caller *self = arg;
    int64_t give_up_ms = live_now_ms() + LIVE_PATIENCE_S * 1000;
    for (int i = 0; i < 20; i++) {
        self->seen = (witness){.opens = 0};
        if (live_create_loop(&self->loop) != 0)
            break;
        live_connect(self->loop, &(vital_connect_options){
                                     .url = self->url,
                                     .events = WITNESS,
                                     .user = &self->seen,
                                     .reconnect = {.never = true},
                                 });
        while (self->seen.opens == 0 && live_now_ms() < give_up_ms)
            vital_loop_step(self->loop, 10);
        vital_loop_destroy(self->loop);
    }
    return NULL;
}

static void loops_in_several_threads_look_names_up_at_once(void **state)
{
    live *test = *state;
    static caller callers[LOOPS];
    witness server_seen = {.opens = 0};
    vital_server *server = live_listen(test->loop, &(vital_listen_options){
                                                       .address = "127.0.0.1:0",
                                                       .events = WITNESS,
                                                       .user = &server_seen,
                                                   });
    memset(callers, 0, sizeof callers);
    for (int i = 0; i < LOOPS; i++) {
        snprintf(callers[i].url, sizeof callers[i].url, "ws://localhost%s",
                 strrchr(vital_server_url(server), ':'));
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    step_until(test, server_seen.opens == 20 * LOOPS, "all have come");
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].seen.opens, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        live_test(four_loops_on_one_port_serve_two_hundred_clients),
        live_test(loops_in_several_threads_look_names_up_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
