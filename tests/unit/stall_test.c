/*
 * Our own stall kills nobody: a loop that could not attend to its connections
 * for three seconds finds fifty healthy peers, and leaves them in peace.
 */
#include <vital/vital.h>

#include <pthread.h>
#include <stdatomic.h>

#include "live.h"

enum { PEERS = 50, STALL_MS = 3000, AFTERWARDS_MS = 2500 };

static const vital_heartbeat STRICT = {.interval_ms = 1000, .answer_ms = 1000};
/* Beats as well, and patiently: the other end's stall is not what is tested. */
static const vital_heartbeat PATIENT = {.interval_ms = 1000, .answer_ms = 60000};

/* One end of all connections of an arrangement. */
typedef struct side {
    vital_loop *loop; /* its own, or that of both sides */
    pthread_t thread;
    const char *whose;
    int opens;
    vital_conn *conns[PEERS];
    atomic_int open, closes, asked;
    atomic_uint beats_answered;                     /* of all connections, as last asked */
    _Atomic int64_t stalled_ms;                     /* when its stall was over; 0: not yet */
    char verdict[sizeof((vital_verdict *)0)->text]; /* of the first that closed */
} side;

static void side_open(vital_conn *conn, bool resumed)
{
    side *self = vital_user(conn);
    (void)resumed;
    assert_true(self->opens < PEERS);
    self->conns[self->opens++] = conn;
    atomic_store(&self->open, self->opens);
}

static void side_close(vital_conn *conn, const vital_verdict *verdict)
{
    side *self = vital_user(conn);
    if (atomic_load(&self->closes) == 0)
        memcpy(self->verdict, verdict->text, sizeof self->verdict);
    atomic_fetch_add(&self->closes, 1);
}

static const vital_events SIDE = {.open = side_open, .close = side_close};

/* ---------------------------------------------------- posted to the loops' threads */

static void stall(void *arg)
{
    side *self = arg;
    struct timespec left = {.tv_sec = STALL_MS / 1000};
    while (nanosleep(&left, &left) != 0)
        continue;
    atomic_store(&self->stalled_ms, live_now_ms());
}

static void take_pulses(void *arg)
{
    side *self = arg;
    unsigned answered = 0;
    for (int i = 0; i < self->opens && atomic_load(&self->closes) == 0; i++) {
        vital_pulse pulse;
        vital_conn_pulse(self->conns[i], &pulse);
        answered += (unsigned)pulse.beats_answered;
    }
    atomic_store(&self->beats_answered, answered);
    atomic_fetch_add(&self->asked, 1);
}

static void stop(void *arg)
{
    vital_loop_stop(((side *)arg)->loop);
}

static void *run(void *arg)
{
    assert_int_equal(vital_loop_run(((side *)arg)->loop), 0);
    return NULL;
}

static void post(side *self, void (*call)(void *arg))
{
    assert_int_equal(vital_loop_post(self->loop, call, self), 0);
}

/* ------------------------------------------------------------------- the test's own */

/* The loops run by themselves; the test only looks on. */
#define wait_until(condition, what)                                                  \
    for (int64_t give_up_ms = live_now_ms() + LIVE_PATIENCE_S * 1000; !(condition);) \
    look_away(give_up_ms, what)

static void look_away(int64_t give_up_ms, const char *what)
{
    if (live_now_ms() > give_up_ms)
        fail_msg("waited %d s in vain until %s", LIVE_PATIENCE_S, what);
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

static unsigned beats_answered(side *self)
{
    int asked = atomic_load(&self->asked);
    post(self, take_pulses);
    wait_until(atomic_load(&self->asked) > asked, "the loop looks at its connections");
    return atomic_load(&self->beats_answered);
}

typedef struct arrangement {
    side servers, clients;
    side *stalled;
    const vital_heartbeat *server_beat, *client_beat;
} arrangement;

static arrangement both_ends, beating_server, beating_clients;

static bool on_one_loop(const arrangement *self)
{
    return self->servers.loop == self->clients.loop;
}

static void start(arrangement *self)
{
    vital_server *server = live_listen(self->servers.loop, &(vital_listen_options){
                                                               .address = "127.0.0.1:0",
                                                               .events = SIDE,
                                                               .user = &self->servers,
                                                               .heartbeat = *self->server_beat,
                                                           });
    self->servers.whose = "server";
    self->clients.whose = "clients";
    for (int i = 0; i < PEERS; i++)
        live_connect(self->clients.loop, &(vital_connect_options){
                                             .url = vital_server_url(server),
                                             .events = SIDE,
                                             .user = &self->clients,
                                             .heartbeat = *self->client_beat,
                                             .reconnect = {.never = true},
                                         });
    assert_int_equal(pthread_create(&self->servers.thread, NULL, run, &self->servers), 0);
    if (!on_one_loop(self))
        assert_int_equal(pthread_create(&self->clients.thread, NULL, run, &self->clients), 0);
    wait_until(self->servers.open == PEERS && self->clients.open == PEERS, "all are open");
    post(self->stalled, stall);
}

/* All arrangements stall at the same time, so that three take no longer than one. */
static int start_all(void **state)
{
    (void)state;
    both_ends = (arrangement){
        .stalled = &both_ends.servers, .server_beat = &STRICT, .client_beat = &STRICT};
    beating_server = (arrangement){
        .stalled = &beating_server.servers, .server_beat = &STRICT, .client_beat = &PATIENT};
    beating_clients = (arrangement){
        .stalled = &beating_clients.clients, .server_beat = &PATIENT, .client_beat = &STRICT};
    if (live_create_loop(&both_ends.servers.loop) != 0 ||
        live_create_loop(&beating_server.servers.loop) != 0 ||
        live_create_loop(&beating_server.clients.loop) != 0 ||
        live_create_loop(&beating_clients.servers.loop) != 0 ||
        live_create_loop(&beating_clients.clients.loop) != 0)
        return -1;
    both_ends.clients.loop = both_ends.servers.loop;
    start(&both_ends);
    start(&beating_server);
    start(&beating_clients);
    return 0;
}

static void end(side *self)
{
    post(self, stop);
    pthread_join(self->thread, NULL);
}

static void assert_nobody_was_given_up(const side *self)
{
    if (self->closes > 0)
        fail_msg("%d verdicts at the %s, the first: %s", self->closes, self->whose, self->verdict);
}

static void survive(arrangement *self)
{
    side *stalled = self->stalled;
    wait_until(stalled->stalled_ms != 0, "the stall is over");
    wait_until(live_now_ms() >= stalled->stalled_ms + AFTERWARDS_MS,
               "the time in which a wrong verdict would come is over");
    /* Not only did nobody die: the hearts beat on. */
    unsigned before = beats_answered(stalled);
    wait_until(beats_answered(stalled) > before || stalled->closes > 0, "more beats are answered");

    end(&self->servers);
    if (!on_one_loop(self))
        end(&self->clients);
    assert_nobody_was_given_up(&self->servers);
    assert_nobody_was_given_up(&self->clients);
    vital_loop_destroy(self->servers.loop);
    if (!on_one_loop(self))
        vital_loop_destroy(self->clients.loop);
}

static void a_loop_with_both_ends_is_blocked(void **state)
{
    (void)state;
    survive(&both_ends);
}

static void the_loop_of_a_beating_server_is_blocked(void **state)
{
    (void)state;
    survive(&beating_server);
}

static void the_loop_of_beating_clients_is_blocked(void **state)
{
    (void)state;
    survive(&beating_clients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_with_both_ends_is_blocked),
        cmocka_unit_test(the_loop_of_a_beating_server_is_blocked),
        cmocka_unit_test(the_loop_of_beating_clients_is_blocked),
    };
    return cmocka_run_group_tests(tests, start_all, NULL);
}
