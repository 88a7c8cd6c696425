/*
 * What the simulated kernel says of a connection must be what Linux says: the
 * figures here were measured on Linux 6.18, on a link without delay.
 */
#include "loop_sim.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const int64_t SECOND_US = 1000 * 1000;

typedef struct world {
    vt_sim_network network;
    vt_sim *sim;
    vital_loop *loops[2]; /* by end */
    vt_listener *listener;
    vt_stream *streams[2];
    bool hole[2];          /* by sender */
    vt_sim_outcome answer; /* to what does not pass */
    int64_t delay_us;
    int connected; /* the errno; -1: not yet */
    int ended[2];  /* an errno; -1: not yet */
    size_t received[2];
    size_t sent[2];
} world;

static void *open_path(void *owner, vt_sim_wire *wire, vital_loop *from, const vt_address *to)
{
    (void)wire, (void)from, (void)to;
    return owner;
}

static vt_sim_fate carry(void *owner, void *path, vt_sim_end from, size_t size)
{
    const world *it = owner;
    (void)path, (void)size;
    return (vt_sim_fate){it->hole[from] ? it->answer : VT_SIM_ARRIVES,
                         vt_sim_now_us(it->sim) + it->delay_us};
}

static bool passes(void *owner, void *path, vt_sim_end from)
{
    (void)path;
    return !((world *)owner)->hole[from];
}

static void close_path(void *owner, void *path)
{
    (void)owner, (void)path;
}

static void on_connected(void *owner, int error)
{
    ((world *)owner)->connected = error;
}

static void take(world *it, vt_sim_end end, size_t size, int error)
{
    it->received[end] += size;
    if (size == 0)
        it->ended[end] = error;
}

static void client_received(void *owner, uint8_t *data, size_t size, int error)
{
    (void)data;
    take(owner, VT_SIM_CLIENT, size, error);
}

static void server_received(void *owner, uint8_t *data, size_t size, int error)
{
    (void)data;
    take(owner, VT_SIM_SERVER, size, error);
}

static void client_sent(void *owner, size_t size, int error)
{
    (void)error;
    ((world *)owner)->sent[VT_SIM_CLIENT] += size;
}

static void server_sent(void *owner, size_t size, int error)
{
    (void)error;
    ((world *)owner)->sent[VT_SIM_SERVER] += size;
}

static const vt_stream_events CLIENT = {
    .connected = on_connected, .received = client_received, .sent = client_sent};
static const vt_stream_events SERVER = {
    .connected = on_connected, .received = server_received, .sent = server_sent};

static void on_accepted(void *owner, vt_stream *stream, const vt_address *peer)
{
    world *it = owner;
    (void)peer;
    it->streams[VT_SIM_SERVER] = stream;
    vt_stream_adopt(stream, &SERVER, it);
}

static void run_for(world *it, int64_t time_us)
{
    vt_sim_run(it->sim, vt_sim_now_us(it->sim) + time_us);
}

static void call(void *arg)
{
    world *it = arg;
    vt_address to;
    assert_true(vt_address_numeric(&to, "10.0.0.1", 9001));
    it->streams[VT_SIM_CLIENT] = vt_stream_connect(it->loops[VT_SIM_CLIENT], &to, &CLIENT, it);
    assert_non_null(it->streams[VT_SIM_CLIENT]);
}

static int set_up(void **state)
{
    world *it = calloc(1, sizeof *it);
    vt_address on, bound;
    *state = it;
    it->network = (vt_sim_network){
        .owner = it, .open = open_path, .carry = carry, .passes = passes, .close = close_path};
    it->connected = it->ended[0] = it->ended[1] = -1;
    it->answer = VT_SIM_LOST;
    it->sim = vt_sim_create(1, &it->network);
    assert_int_equal(vt_sim_loop_create(&it->loops[0], it->sim), 0);
    assert_int_equal(vt_sim_loop_create(&it->loops[1], it->sim), 0);
    assert_true(vt_address_numeric(&on, "10.0.0.1", 9001));
    it->listener = vt_listener_open(it->loops[1], &on, false, on_accepted, it, &bound);
    vt_sim_at(it->sim, 0, call, it);
    run_for(it, SECOND_US);
    assert_int_equal(it->connected, 0);
    assert_non_null(it->streams[VT_SIM_SERVER]);
    return 0;
}

static int tear_down(void **state)
{
    world *it = *state;
    for (int end = 0; end < 2; end++) {
        if (it->streams[end] != NULL)
            vt_stream_close(it->streams[end], VT_END_ABRUPT, (vital_bytes){NULL, 0});
    }
    if (it->listener != NULL)
        vt_listener_close(it->listener);
    vital_loop_destroy(it->loops[0]);
    vital_loop_destroy(it->loops[1]);
    vt_sim_destroy(it->sim);
    free(it);
    return 0;
}

typedef struct sending {
    world *it;
    vt_sim_end end;
    size_t size;
} sending;

static void send_now(void *arg)
{
    static const char bytes[1024 * 1024];
    const sending *what = arg;
    vt_stream_send(what->it->streams[what->end], (vital_bytes){bytes, what->size});
}

static void send_from(world *it, vt_sim_end end, size_t size)
{
    static sending what;
    what = (sending){it, end, size};
    vt_sim_at(it->sim, 0, send_now, &what);
    run_for(it, 0);
}

static vital_evidence info_of(world *it, vt_sim_end end)
{
    vital_evidence info;
    assert_true(vt_stream_info(it->streams[end], &info));
    return info;
}

static void what_is_sent_is_received_and_acknowledged(void **state)
{
    world *it = *state;
    send_from(it, VT_SIM_CLIENT, 10);
    run_for(it, SECOND_US);
    assert_int_equal(it->received[VT_SIM_SERVER], 10);
    assert_int_equal(it->sent[VT_SIM_CLIENT], 10);
    vital_evidence info = info_of(it, VT_SIM_CLIENT);
    assert_int_equal(info.unacked_packets, 0);
    assert_int_equal(info.acked_bytes, 10);
    assert_int_equal(info_of(it, VT_SIM_SERVER).heard_ms, 1000);
}

/* As measured: the same once more after 0.2 s, which does not count; then every 0.2 s,
 * and from the seventh time on doubled: 1.7, 2.1, 3.0, 4.6, 8.1 s. */
static void a_path_that_is_gone_shows_in_retransmissions(void **state)
{
    world *it = *state;
    it->hole[VT_SIM_CLIENT] = it->hole[VT_SIM_SERVER] = true;
    send_from(it, VT_SIM_CLIENT, 10);
    static const struct {
        int64_t at_ms;
        uint32_t retransmits;
    } seen[] = {{300, 0}, {500, 1}, {1500, 6}, {1700, 7}, {2500, 8}, {4000, 9}, {7000, 10}};
    int64_t start_us = vt_sim_now_us(it->sim);
    for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
        vt_sim_run(it->sim, start_us + seen[i].at_ms * 1000);
        vital_evidence info = info_of(it, VT_SIM_CLIENT);
        assert_int_equal(info.retransmits, seen[i].retransmits);
        assert_int_equal(info.unacked_packets, 1);
        assert_int_equal(info.acked_bytes, 0);
    }
}

static void a_path_that_heals_delivers_what_was_lost_at_the_next_retransmission(void **state)
{
    world *it = *state;
    it->hole[VT_SIM_CLIENT] = true;
    send_from(it, VT_SIM_CLIENT, 10);
    run_for(it, 4 * SECOND_US);
    it->hole[VT_SIM_CLIENT] = false;
    assert_int_equal(it->received[VT_SIM_SERVER], 0);
    run_for(it, 4 * SECOND_US); /* the tenth retransmission is at 4.4 s */
    assert_int_equal(it->received[VT_SIM_SERVER], 10);
    assert_int_equal(info_of(it, VT_SIM_CLIENT).unacked_packets, 0);
}

static void a_path_that_stays_gone_times_out_after_a_quarter_of_an_hour(void **state)
{
    world *it = *state;
    it->hole[VT_SIM_CLIENT] = true;
    send_from(it, VT_SIM_CLIENT, 10);
    run_for(it, 800 * SECOND_US);
    assert_int_equal(it->ended[VT_SIM_CLIENT], -1);
    run_for(it, 400 * SECOND_US); /* tcp(7), tcp_retries2: 924 s */
    assert_int_equal(it->ended[VT_SIM_CLIENT], ETIMEDOUT);
}

static void a_stopped_process_is_acknowledged_by_its_host(void **state)
{
    world *it = *state;
    vt_sim_freeze(it->loops[VT_SIM_SERVER], vt_sim_now_us(it->sim) + 60 * SECOND_US);
    send_from(it, VT_SIM_CLIENT, 10);
    run_for(it, 10 * SECOND_US);
    assert_int_equal(it->received[VT_SIM_SERVER], 0);
    vital_evidence info = info_of(it, VT_SIM_CLIENT);
    assert_int_equal(info.unacked_packets, 0);
    assert_int_equal(info.retransmits, 0);
    assert_int_equal(info.acked_bytes, 10);
    run_for(it, 60 * SECOND_US);
    assert_int_equal(it->received[VT_SIM_SERVER], 10);
}

static void a_peer_that_does_not_read_shuts_its_window_and_opens_it_again(void **state)
{
    world *it = *state;
    vt_stream_pause(it->streams[VT_SIM_SERVER], true);
    send_from(it, VT_SIM_CLIENT, 1024 * 1024);
    run_for(it, 10 * SECOND_US);
    vital_evidence info = info_of(it, VT_SIM_CLIENT);
    assert_int_equal(info.window_bytes, 0);
    assert_true(info.unsent_bytes > 0);
    assert_int_equal(info.retransmits, 0);
    assert_int_equal(it->received[VT_SIM_SERVER], 0);
    vt_stream_pause(it->streams[VT_SIM_SERVER], false);
    run_for(it, 10 * SECOND_US);
    assert_int_equal(it->received[VT_SIM_SERVER], 1024 * 1024);
    assert_int_equal(it->sent[VT_SIM_CLIENT], 1024 * 1024);
}

static void what_came_one_way_only_is_told_apart(void **state)
{
    world *it = *state;
    it->hole[VT_SIM_CLIENT] = true; /* nobody hears the client, but it hears */
    send_from(it, VT_SIM_CLIENT, 10);
    run_for(it, 5 * SECOND_US);
    send_from(it, VT_SIM_SERVER, 10);
    run_for(it, SECOND_US);
    assert_int_equal(it->received[VT_SIM_CLIENT], 10);
    vital_evidence info = info_of(it, VT_SIM_CLIENT);
    assert_true(info.retransmits >= 4);
    assert_int_equal(info.acked_bytes, 0);
    assert_int_equal(info.heard_ms, 1000);
}

static void an_end_travels_behind_the_data(void **state)
{
    world *it = *state;
    vt_stream_close(it->streams[VT_SIM_CLIENT], VT_END_POLITE, vital_text("farewell"));
    it->streams[VT_SIM_CLIENT] = NULL;
    run_for(it, SECOND_US);
    assert_int_equal(it->received[VT_SIM_SERVER], 8);
    assert_int_equal(it->ended[VT_SIM_SERVER], 0);
}

static void an_abrupt_end_is_a_reset(void **state)
{
    world *it = *state;
    vt_stream_close(it->streams[VT_SIM_CLIENT], VT_END_ABRUPT, (vital_bytes){NULL, 0});
    it->streams[VT_SIM_CLIENT] = NULL;
    run_for(it, SECOND_US);
    assert_int_equal(it->ended[VT_SIM_SERVER], ECONNRESET);
}

static void a_host_that_has_lost_power_answers_with_a_reset_once_it_is_back(void **state)
{
    world *it = *state;
    vt_sim_crash(it->loops[VT_SIM_SERVER]);
    vt_listener_close(it->listener);
    vt_stream_close(it->streams[VT_SIM_SERVER], VT_END_ABRUPT, (vital_bytes){NULL, 0});
    it->streams[VT_SIM_SERVER] = NULL;
    it->listener = NULL;
    vital_loop_destroy(it->loops[VT_SIM_SERVER]);
    it->loops[VT_SIM_SERVER] = NULL;
    run_for(it, 10 * SECOND_US);
    assert_int_equal(it->ended[VT_SIM_CLIENT], -1);
    send_from(it, VT_SIM_CLIENT, 10);
    run_for(it, SECOND_US);
    assert_int_equal(it->ended[VT_SIM_CLIENT], ECONNRESET);
}

static void a_middlebox_that_resets_is_heard(void **state)
{
    world *it = *state;
    it->hole[VT_SIM_CLIENT] = true;
    it->answer = VT_SIM_RESET;
    send_from(it, VT_SIM_CLIENT, 10);
    run_for(it, SECOND_US);
    assert_int_equal(it->ended[VT_SIM_CLIENT], ECONNRESET);
}

static void a_call_is_repeated_and_given_up_by_an_icmp_message(void **state)
{
    world *it = *state;
    vt_stream_close(it->streams[VT_SIM_CLIENT], VT_END_ABRUPT, (vital_bytes){NULL, 0});
    it->connected = -1;
    it->hole[VT_SIM_CLIENT] = true;
    vt_sim_at(it->sim, 0, call, it);
    run_for(it, 10 * SECOND_US);
    assert_int_equal(it->connected, -1);
    it->answer = VT_SIM_UNREACHABLE;
    run_for(it, 10 * SECOND_US); /* the next call is at 15 s */
    assert_int_equal(it->connected, EHOSTUNREACH);
}

static void a_sleeping_machine_loses_the_time_and_not_the_connection(void **state)
{
    world *it = *state;
    int64_t before_us = vt_loop_clock_now(it->loops[VT_SIM_CLIENT]).now_us;
    vt_sim_sleep(it->loops[VT_SIM_CLIENT], vt_sim_now_us(it->sim) + 3600 * SECOND_US);
    run_for(it, 1800 * SECOND_US);
    send_from(it, VT_SIM_SERVER, 10);
    run_for(it, 1801 * SECOND_US);
    assert_int_equal(it->received[VT_SIM_CLIENT], 10);
    int64_t passed_us = vt_loop_clock_now(it->loops[VT_SIM_CLIENT]).now_us - before_us;
    assert_int_equal(passed_us, SECOND_US);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(what_is_sent_is_received_and_acknowledged),
        EACH(a_path_that_is_gone_shows_in_retransmissions),
        EACH(a_path_that_heals_delivers_what_was_lost_at_the_next_retransmission),
        EACH(a_path_that_stays_gone_times_out_after_a_quarter_of_an_hour),
        EACH(a_stopped_process_is_acknowledged_by_its_host),
        EACH(a_peer_that_does_not_read_shuts_its_window_and_opens_it_again),
        EACH(what_came_one_way_only_is_told_apart),
        EACH(an_end_travels_behind_the_data),
        EACH(an_abrupt_end_is_a_reset),
        EACH(a_host_that_has_lost_power_answers_with_a_reset_once_it_is_back),
        EACH(a_middlebox_that_resets_is_heard),
        EACH(a_call_is_repeated_and_given_up_by_an_icmp_message),
        EACH(a_sleeping_machine_loses_the_time_and_not_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
