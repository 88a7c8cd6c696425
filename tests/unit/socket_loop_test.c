/*
 * Streams, listeners and wake-ups on real sockets: every byte in its place, every
 * end told once, and no descriptor left behind.
 */
#include "socket_loop.h"

#include <pthread.h>
#include <sys/resource.h>

#include "ends.h"
#include "socket.h"

/* ---------------------------------------------------------------------- sending */

static void a_big_send_leaves_in_parts_to_a_slow_reader(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, SMALL_ROOM);
    uint8_t *bytes = pattern(BIG_BYTES);
    vt_stream_send(ours.stream, (vital_bytes){bytes, BIG_BYTES});
    assert_int_equal(ours.sents, 0); /* nothing calls back from inside */
    for (int i = 0; i < 10; i++)
        live_step(test);
    assert_int_equal(ours.sents, 0);
    step_until(test, (raw_read(&peer, 100000), peer.size == BIG_BYTES), "all has arrived");
    step_until(test, ours.sents == 1, "the send is told");
    assert_int_equal(ours.sent, BIG_BYTES);
    assert_int_equal(ours.sent_error, 0);
    assert_memory_equal(peer.bytes, bytes, BIG_BYTES);
    vt_stream_send(ours.stream, (vital_bytes){"more", 4});
    step_until(test, raw_has(&peer, "more"), "the next send arrives");
    assert_int_equal(ours.sents, 2);
    close_end(&ours, VT_END_ABRUPT);
    raw_close(&peer);
    free(bytes);
}

static void a_send_leaves_at_the_end_of_its_turn_also_between_turns(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    vt_stream_send(ours.stream, (vital_bytes){"hello", 5});
    assert_int_equal(vital_loop_wait_ms(test->loop), 0);
    assert_int_equal(vital_loop_step(test->loop, -1), 0);
    assert_int_equal(ours.sents, 1);
    wait_readable(peer.fd);
    assert_true(raw_has(&peer, "hello"));
    close_end(&ours, VT_END_ABRUPT);
    raw_close(&peer);
}

static void a_peer_that_resets_a_send_ends_it_and_the_stream_once(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, SMALL_ROOM);
    uint8_t *bytes = pattern(BIG_BYTES);
    vt_stream_send(ours.stream, (vital_bytes){bytes, BIG_BYTES});
    for (int i = 0; i < 3; i++)
        live_step(test);
    raw_reset(&peer);
    step_until(test, ours.ends == 1 && ours.sents == 1, "both ends are told");
    assert_int_equal(ours.end_error, ECONNRESET);
    assert_in_range(ours.sent, 1, BIG_BYTES - 1);
    assert_true(ours.sent_error == EPIPE || ours.sent_error == ECONNRESET);
    for (int i = 0; i < 5; i++)
        live_step(test);
    assert_int_equal(ours.ends, 1);
    assert_int_equal(ours.sents, 1);
    close_end(&ours, VT_END_POLITE);
    free(bytes);
}

/* -------------------------------------------------------------------- receiving */

static void a_reset_is_told_once_with_its_error(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    raw_reset(&peer);
    step_until(test, ours.ends > 0, "the reset is told");
    assert_int_equal(ours.end_error, ECONNRESET);
    vt_stream_poll(ours.stream);
    for (int i = 0; i < 5; i++)
        live_step(test);
    assert_int_equal(ours.ends, 1);
    close_end(&ours, VT_END_ABRUPT);
}

static void the_bytes_before_an_end_come_before_it(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    uint8_t *bytes = pattern(300000);
    for (size_t at = 0; at < 300000; at += 100000) {
        raw_send(&peer, bytes + at, 100000);
        live_step(test);
    }
    raw_close(&peer);
    step_until(test, ours.ends == 1, "the end has come");
    assert_int_equal(ours.received, 300000);
    assert_int_equal(ours.end_error, 0);
    close_end(&ours, VT_END_POLITE);
    free(bytes);
}

static void after_the_peers_end_we_may_still_send(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    assert_int_equal(shutdown(peer.fd, SHUT_WR), 0);
    step_until(test, ours.ends == 1, "the end has come");
    assert_int_equal(ours.end_error, 0);
    vt_stream_send(ours.stream, (vital_bytes){"still here", 10});
    step_until(test, raw_has(&peer, "still here"), "the peer has it");
    assert_int_equal(ours.ends, 1);
    close_end(&ours, VT_END_POLITE);
    step_until(test, raw_ended(&peer), "the peer sees our end");
    assert_int_equal(peer.error, 0);
    raw_close(&peer);
}

static void a_paused_stream_is_lent_nothing_until_it_goes_on(void **state)
{
    live *test = *state;
    end ours, second;
    raw_peer peer, other;
    make_pair(test, &ours, &peer, 0);
    make_pair(test, &second, &other, 0);
    vt_stream_pause(ours.stream, true);
    vt_stream_pause(ours.stream, true);
    raw_send(&peer, "first", 5);
    wait_readable(vital_loop_fd(test->loop));
    raw_send(&other, "second", 6);
    step_until(test, second.received == 6, "the other stream has got its bytes");
    vt_stream_poll(ours.stream);
    assert_int_equal(ours.calls, 0);
    vt_stream_pause(ours.stream, false);
    step_until(test, ours.received == 5, "the first bytes come as well");
    assert_string_equal(ours.text, "first");

    vt_stream_pause(ours.stream, true);
    raw_close(&peer);
    raw_send(&other, "third", 5);
    step_until(test, second.received == 11, "the other stream has got its bytes");
    assert_int_equal(ours.ends, 0);
    vt_stream_pause(ours.stream, false);
    step_until(test, ours.ends == 1, "the end comes too");
    close_end(&ours, VT_END_ABRUPT);
    close_end(&second, VT_END_ABRUPT);
    raw_close(&other);
}

static void pause_after_one(end *self)
{
    vt_stream_pause(self->stream, true);
}

static void a_stream_may_pause_itself_while_it_receives(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    uint8_t *bytes = pattern(200000);
    raw_send(&peer, bytes, 200000);
    ours.then = pause_after_one;
    for (size_t calls = 1; ours.received < 200000; calls++) {
        step_until(test, ours.calls == calls, "another piece has come");
        for (int i = 0; i < 3; i++)
            live_step(test);
        assert_int_equal(ours.calls, calls);
        vt_stream_pause(ours.stream, false);
    }
    close_end(&ours, VT_END_ABRUPT);
    raw_close(&peer);
    free(bytes);
}

static void polling_delivers_what_has_arrived_at_once(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    raw_send(&peer, "now", 3);
    wait_readable(vital_loop_fd(test->loop));
    vt_stream_poll(ours.stream);
    assert_string_equal(ours.text, "now");
    vt_stream_poll(ours.stream);
    for (int i = 0; i < 3; i++)
        live_step(test);
    assert_int_equal(ours.calls, 1);
    close_end(&ours, VT_END_ABRUPT);
    raw_close(&peer);
}

static void a_peer_that_floods_us_starves_nobody(void **state)
{
    live *test = *state;
    end flooded, quiet;
    raw_peer flood, other;
    make_pair(test, &flooded, &flood, 0);
    make_pair(test, &quiet, &other, 0);
    uint8_t *bytes = pattern(1 << 20);
    ssize_t waiting = send(flood.fd, bytes, 1 << 20, MSG_NOSIGNAL);
    assert_true(waiting > 200000);
    raw_send(&other, "me too", 6);
    struct pollfd arrived = {.fd = vital_loop_fd(test->loop), .events = POLLIN};
    assert_int_equal(poll(&arrived, 1, LIVE_PATIENCE_S * 1000), 1);
    size_t before = flooded.received;
    step_until(test, quiet.received == 6, "the quiet peer is heard");
    if (flooded.received - before > 6 * 64 * 1024)
        fail_msg("%zu bytes of the flood came first", flooded.received - before);
    close_end(&flooded, VT_END_ABRUPT);
    close_end(&quiet, VT_END_ABRUPT);
    raw_close(&flood);
    raw_close(&other);
    free(bytes);
}

static void errors_that_routers_report_do_not_stay(void **state)
{
    (void)state;
    int on = 1, sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int port_holder = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in nobody = raw_loopback(0);
    socklen_t size = sizeof nobody;
    assert_int_equal(bind(port_holder, (struct sockaddr *)&nobody, size), 0);
    assert_int_equal(getsockname(port_holder, (struct sockaddr *)&nobody, &size), 0);
    close(port_holder);
    assert_int_equal(setsockopt(sender, IPPROTO_IP, IP_RECVERR, &on, sizeof on), 0);
    assert_int_equal(connect(sender, (struct sockaddr *)&nobody, size), 0);
    for (int i = 0; i < 3; i++)
        (void)!send(sender, "x", 1, MSG_DONTWAIT); /* it may tell of the one before */
    struct pollfd reported = {.fd = sender, .events = 0};
    assert_int_equal(poll(&reported, 1, LIVE_PATIENCE_S * 1000), 1);
    assert_true(reported.revents & POLLERR);
    vt_socket_drain_errors(sender);
    int error;
    size = sizeof error;
    assert_int_equal(getsockopt(sender, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    assert_int_equal(poll(&reported, 1, 0), 0);
    close(sender);
}

/* ---------------------------------------------------------------------- closing */

static void a_polite_end_delivers_everything_to_a_slow_reader(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, SMALL_ROOM);
    uint8_t *bytes = pattern(400000);
    vt_stream_send(ours.stream, (vital_bytes){bytes, 400000});
    for (int i = 0; i < 10 && ours.sents == 0; i++)
        live_step(test);
    /* What the kernel does not take at once, the reader helps to leave. */
    step_until(test, ours.sents == 1 || (raw_read(&peer, 5000), false), "all has left");
    /* Unread bytes at our side would make the kernel reset what is under way. */
    raw_send(&peer, "unread", 6);
    close_end(&ours, VT_END_POLITE);
    raw_send(&peer, "late", 4);
    step_until(test, (raw_read(&peer, 20000), peer.ended), "the reader sees the end");
    assert_int_equal(peer.error, 0);
    assert_int_equal(peer.size, 400000);
    assert_memory_equal(peer.bytes, bytes, 400000);
    raw_close(&peer);
    free(bytes);
}

static void after_closing_nothing_is_heard(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    vt_stream_send(ours.stream, (vital_bytes){"bytes", 5});
    raw_send(&peer, "hello", 5);
    wait_readable(vital_loop_fd(test->loop));
    close_end(&ours, VT_END_POLITE);
    step_until(test, raw_ended(&peer), "the peer sees the end");
    raw_close(&peer);
    for (int i = 0; i < 3; i++)
        live_step(test);
    assert_int_equal(ours.calls, 0);
    assert_int_equal(ours.sents, 0);
}

static void an_abrupt_end_resets(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    close_end(&ours, VT_END_ABRUPT);
    step_until(test, raw_ended(&peer), "the peer is told");
    assert_int_equal(peer.error, ECONNRESET);
    raw_close(&peer);
}

static void a_farewell_is_the_last_that_the_peer_reads(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    vt_stream_send(ours.stream, (vital_bytes){"first ", 6});
    step_until(test, ours.sents == 1, "the first has left");
    vt_stream_close(ours.stream, VT_END_POLITE, (vital_bytes){"goodbye", 7});
    step_until(test, raw_ended(&peer), "the peer sees the end");
    assert_int_equal(peer.error, 0);
    assert_string_equal((const char *)peer.bytes, "first goodbye");
    raw_close(&peer);
}

static void who_was_given_up_and_is_heard_within_five_seconds_was_a_mistake(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    vital_stats stats;
    const vt_stream_end hows[] = {VT_END_POLITE, VT_END_LIMBO};
    for (size_t i = 0; i < 2; i++) {
        make_pair(test, &ours, &peer, 0);
        vt_stream_close(ours.stream, hows[i], (vital_bytes){"goodbye", 7});
        step_until(test, raw_ended(&peer), "the peer sees the end");
        raw_send(&peer, "here", 4);
        raw_send(&peer, "I am", 4);
        raw_close(&peer);
        /* No other timer is armed than the one of those that linger. */
        step_until(test, vt_wheel_next_us(&test->loop->wheel) == INT64_MAX, "it is gone");
        vital_loop_stats(test->loop, &stats);
        assert_int_equal(stats.mistakes, i);
    }
}

static void a_farewell_never_breaks_into_a_send(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, SMALL_ROOM);
    uint8_t *bytes = pattern(BIG_BYTES);
    vt_stream_send(ours.stream, (vital_bytes){bytes, BIG_BYTES});
    for (int i = 0; i < 3; i++)
        live_step(test);
    /* There is room in the kernel again, which the loop has not seen. */
    for (size_t had = 0; had < 1 << 14; had = peer.size)
        raw_read(&peer, 100000);
    vt_stream_close(ours.stream, VT_END_POLITE, (vital_bytes){"goodbye", 7});
    memset(bytes, 0, BIG_BYTES); /* ours again */
    free(bytes);
    bytes = pattern(BIG_BYTES);
    step_until(test, (raw_read(&peer, 1000000), peer.ended), "the peer sees the end");
    assert_in_range(peer.size, 1, BIG_BYTES - 1);
    assert_memory_equal(peer.bytes, bytes, peer.size);
    raw_close(&peer);
    free(bytes);
}

static void a_polite_end_waits_for_the_peers_but_not_for_ever(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    int open = live_descriptors();
    close_end(&ours, VT_END_POLITE);
    int64_t began_ms = live_now_ms();
    step_until(test, live_descriptors() < open, "the descriptor is given back");
    assert_in_range(live_now_ms() - began_ms, 1000, 10000);
    raw_close(&peer);
}

static void a_polite_end_is_over_with_the_peers_own(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    int open = live_descriptors();
    close_end(&ours, VT_END_POLITE);
    live_step(test);
    assert_int_equal(live_descriptors(), open);
    assert_int_equal(shutdown(peer.fd, SHUT_WR), 0);
    int64_t began_ms = live_now_ms();
    step_until(test, live_descriptors() < open, "the descriptor is given back");
    assert_in_range(live_now_ms() - began_ms, 0, 1500);
    raw_close(&peer);
}

/* As many as socket_loop.c lets linger, and more. */
enum { LINGERING_MOST = 1024, LEAVERS = 1100 };

static struct rlimit allow_descriptors(rlim_t count)
{
    struct rlimit before, more;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    more = before;
    if (more.rlim_cur < count)
        more.rlim_cur = more.rlim_max < count ? more.rlim_max : count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &more), 0);
    if (more.rlim_cur < count) {
        print_message("%d descriptors are needed and more than this system gives\n", (int)count);
        skip();
    }
    return before;
}

static void those_that_linger_end_each_in_its_time(void **state)
{
    live *test = *state;
    end first, second, third;
    raw_peer peers[3];
    make_pair(test, &first, &peers[0], 0);
    make_pair(test, &second, &peers[1], 0);
    make_pair(test, &third, &peers[2], 0);
    int open = live_descriptors();
    int64_t began_ms = live_now_ms();
    close_end(&first, VT_END_LIMBO);
    close_end(&second, VT_END_POLITE);
    step_until(test, live_now_ms() - began_ms > 500, "a while has passed");
    close_end(&third, VT_END_POLITE);
    step_until(test, live_descriptors() < open, "the second has ended");
    assert_in_range(live_now_ms() - began_ms, 1900, 20000);
    step_until(test, live_descriptors() < open - 1, "the third has ended");
    assert_in_range(live_now_ms() - began_ms, 2400, 20000);
    step_until(test, live_descriptors() < open - 2, "the first has ended");
    assert_in_range(live_now_ms() - began_ms, 4900, 20000);
    assert_int_equal(vt_wheel_next_us(&test->loop->wheel), INT64_MAX);
    for (int i = 0; i < 3; i++)
        raw_close(&peers[i]);
}

static void polite_ends_are_bounded_in_their_number(void **state)
{
    live *test = *state;
    struct rlimit before = allow_descriptors(2 * LEAVERS + 100);
    end *ends = calloc(LEAVERS, sizeof *ends);
    raw_peer *peers = calloc(LEAVERS, sizeof *peers);
    assert_non_null(ends);
    assert_non_null(peers);
    int at_first = live_descriptors();
    door entry;
    uint16_t port = open_loopback_door(test, &entry, ends);
    for (int i = 0; i < LEAVERS; i++) {
        raw_connect(&peers[i], port, 0);
        if (i % 32 == 31 || i == LEAVERS - 1) /* fewer than may queue up */
            step_until(test, entry.accepted == i + 1, "all so far are accepted");
    }
    vt_listener_close(entry.listener);
    assert_int_equal(live_descriptors() - at_first, 2 * LEAVERS);

    for (int i = 0; i < LEAVERS; i++)
        close_end(&ends[i], VT_END_POLITE);
    assert_int_equal(live_descriptors() - at_first, LEAVERS + LINGERING_MOST);
    for (int i = 0; i < LEAVERS; i++) {
        step_until(test, raw_ended(&peers[i]), "each peer sees the end");
        assert_int_equal(peers[i].error, 0);
        raw_close(&peers[i]);
    }
    step_until(test, live_descriptors() == at_first, "all descriptors are given back");

    /* The count has come down with them: there is room for one more. */
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    close_end(&ours, VT_END_POLITE);
    assert_int_equal(live_descriptors() - at_first, 2);
    raw_close(&peer);
    free(ends);
    free(peers);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void a_lingering_stream_ends_with_the_loop(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    close_end(&ours, VT_END_POLITE);
    live_step(test);
    vital_loop_destroy(test->loop);
    test->loop = NULL;
    raw_close(&peer); /* and the teardown counts */
}

static void close_the_other(end *self)
{
    close_end(self->other, VT_END_ABRUPT);
}

static void a_stream_may_close_itself_or_another_that_is_ready_too(void **state)
{
    live *test = *state;
    end one, two;
    raw_peer first, second;
    make_pair(test, &one, &first, 0);
    make_pair(test, &two, &second, 0);
    one.then = two.then = close_the_other;
    one.other = &two;
    two.other = &one;
    raw_send(&first, "a", 1);
    raw_send(&second, "b", 1);
    step_until(test, one.calls + two.calls > 0, "one of them is heard");
    for (int i = 0; i < 5; i++)
        live_step(test);
    assert_int_equal(one.calls + two.calls, 1);

    end *survivor = one.stream != NULL ? &one : &two;
    raw_peer *peer = survivor == &one ? &first : &second;
    survivor->other = survivor;
    raw_send(peer, "c", 1);
    step_until(test, survivor->stream == NULL, "it has closed itself");
    raw_close(&first);
    raw_close(&second);
}

/* ------------------------------------------------------------------- connecting */

static vt_stream *start_connecting(live *test, uint16_t port, end *self)
{
    vt_address to;
    *self = (end){.stream = NULL};
    assert_true(vt_address_numeric(&to, "127.0.0.1", port));
    self->stream = vt_stream_connect(test->loop, &to, &EVENTS, self);
    assert_non_null(self->stream);
    assert_int_equal(self->connected, 0); /* completions come later */
    return self->stream;
}

static void a_stream_connects_and_carries_bytes_both_ways(void **state)
{
    live *test = *state;
    end client, server = {.stream = NULL};
    door entry;
    uint16_t port = open_loopback_door(test, &entry, &server);
    start_connecting(test, port, &client);
    step_until(test, client.connected == 1 && server.stream != NULL, "both ends are connected");
    assert_int_equal(client.connect_error, 0);
    vt_stream_send(client.stream, (vital_bytes){"ping", 4});
    vt_stream_send(server.stream, (vital_bytes){"pong!", 5});
    step_until(test, client.received == 5 && server.received == 4, "both have heard");
    assert_string_equal(client.text, "pong!");
    assert_string_equal(server.text, "ping");
    close_end(&client, VT_END_POLITE);
    step_until(test, server.ends == 1, "the server sees the end");
    close_end(&server, VT_END_POLITE);
    vt_listener_close(entry.listener);
}

static void a_refused_connection_is_told_later_with_its_error(void **state)
{
    live *test = *state;
    uint16_t port;
    int bound = raw_bind(&port);
    end client;
    start_connecting(test, port, &client);
    step_until(test, client.connected == 1, "the refusal is told");
    assert_int_equal(client.connect_error, ECONNREFUSED);
    for (int i = 0; i < 3; i++)
        live_step(test);
    assert_int_equal(client.connected, 1);
    assert_int_equal(client.calls, 0);
    close_end(&client, VT_END_ABRUPT);
    close(bound);
}

static void it_comes_from_the_address_that_it_was_told_to_come_from(void **state)
{
    live *test = *state;
    vt_address from, to, seen = {.size = sizeof seen.un};
    end client = {.stream = NULL}, server = {.stream = NULL};
    door entry;
    char text[VT_ADDRESS_TEXT_BYTES];
    uint16_t port = open_loopback_door(test, &entry, &server);
    assert_true(vt_address_numeric(&from, "127.0.0.7", 0));
    assert_true(vt_address_numeric(&to, "127.0.0.1", port));
    client.stream = vt_stream_connect_from(test->loop, &from, &to, &EVENTS, &client);
    assert_non_null(client.stream);
    step_until(test, client.connected == 1 && server.stream != NULL, "both ends are connected");
    assert_int_equal(client.connect_error, 0);
    assert_int_equal(getpeername(((vt_socket_stream *)server.stream)->fd, &seen.any, &seen.size),
                     0);
    vt_address_text(text, &seen);
    assert_memory_equal(text, "127.0.0.7:", 10);
    close_end(&client, VT_END_ABRUPT);
    close_end(&server, VT_END_ABRUPT);
    vt_listener_close(entry.listener);
}

static void an_address_that_cannot_be_come_from_is_told_later(void **state)
{
    live *test = *state;
    static const struct {
        const char *from;
        int error;
    } all[] = {{"192.0.2.1", EADDRNOTAVAIL}, {"::1", EAFNOSUPPORT}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vt_address from, to;
        end client = {.stream = NULL};
        assert_true(vt_address_numeric(&from, all[i].from, 0));
        assert_true(vt_address_numeric(&to, "127.0.0.1", 9));
        client.stream = vt_stream_connect_from(test->loop, &from, &to, &EVENTS, &client);
        assert_non_null(client.stream);
        assert_int_equal(client.connected, 0);
        step_until(test, client.connected == 1, "the failure is told");
        assert_int_equal(client.connect_error, all[i].error);
        close_end(&client, VT_END_ABRUPT);
    }
}

static void what_fails_at_once_is_told_later_too(void **state)
{
    live *test = *state;
    vt_address to;
    end client = {.stream = NULL};
    char path[96];
    snprintf(path, sizeof path, "%s/nobody", test->directory);
    assert_true(vt_address_unix(&to, path));
    client.stream = vt_stream_connect(test->loop, &to, &EVENTS, &client);
    assert_non_null(client.stream);
    assert_int_equal(client.connected, 0);
    step_until(test, client.connected == 1, "the failure is told");
    assert_int_equal(client.connect_error, ENOENT);
    close_end(&client, VT_END_ABRUPT);
}

static void a_connection_that_is_given_up_is_not_heard_of(void **state)
{
    live *test = *state;
    end client, servers[2] = {{.stream = NULL}};
    door entry;
    uint16_t port = open_loopback_door(test, &entry, servers);
    start_connecting(test, port, &client);
    close_end(&client, VT_END_ABRUPT);
    start_connecting(test, port, &client);
    /* It has happened, and was not told. */
    wait_readable(((vt_socket_listener *)entry.listener)->fd);
    close_end(&client, VT_END_POLITE);
    for (int i = 0; i < 5; i++)
        live_step(test);
    assert_int_equal(client.connected, 0);
    vt_listener_close(entry.listener);
    close_end(&servers[0], VT_END_ABRUPT);
    close_end(&servers[1], VT_END_ABRUPT);
}

/* -------------------------------------------------------------------- listening */

static void one_edge_brings_all_who_have_come(void **state)
{
    live *test = *state;
    enum { CROWD = 200 };
    end *ends = calloc(CROWD, sizeof *ends);
    raw_peer *peers = calloc(CROWD, sizeof *peers);
    assert_non_null(ends);
    assert_non_null(peers);
    door entry;
    uint16_t port = open_loopback_door(test, &entry, ends);
    for (int i = 0; i < CROWD; i++)
        raw_connect(&peers[i], port, 0);
    step_until(test, entry.accepted == CROWD, "all are accepted");
    vt_listener_close(entry.listener);
    for (int i = 0; i < CROWD; i++) {
        close_end(&ends[i], VT_END_ABRUPT);
        raw_close(&peers[i]);
    }
    free(ends);
    free(peers);
}

static void a_listener_may_be_closed_while_it_accepts(void **state)
{
    live *test = *state;
    end ends[3] = {{.stream = NULL}};
    raw_peer peers[3];
    door entry;
    uint16_t port = open_loopback_door(test, &entry, ends);
    entry.close_after_one = true;
    for (int i = 0; i < 3; i++)
        raw_connect(&peers[i], port, 0);
    step_until(test, entry.accepted > 0, "somebody is accepted");
    for (int i = 0; i < 5; i++)
        live_step(test);
    assert_int_equal(entry.accepted, 1);
    close_end(&ends[0], VT_END_ABRUPT);
    for (int i = 0; i < 3; i++)
        raw_close(&peers[i]);
}

/* Lowers the limit so that not one more descriptor can be had. */
static struct rlimit exhaust_descriptors(void)
{
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int next = dup(0);
    assert_true(next >= 0);
    close(next);
    none = before;
    none.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    return before;
}

static int64_t processor_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static void without_descriptors_accepting_pauses_and_then_goes_on(void **state)
{
    live *test = *state;
    end ends[3] = {{.stream = NULL}};
    raw_peer peers[3];
    door entry;
    uint16_t port = open_loopback_door(test, &entry, ends);
    for (int i = 0; i < 3; i++)
        raw_connect(&peers[i], port, 0);

    struct rlimit before = exhaust_descriptors();
    int64_t used_ms = processor_ms(), until_ms = live_now_ms() + 700;
    int turns = 0, error = 0;
    for (; error == 0 && live_now_ms() < until_ms; turns++)
        error = vital_loop_step(test->loop, 100);
    used_ms = processor_ms() - used_ms;
    int accepted = entry.accepted;
    setrlimit(RLIMIT_NOFILE, &before);

    assert_int_equal(error, 0);
    assert_int_equal(accepted, 0);
    assert_in_range(turns, 1, 60);
    assert_in_range(used_ms, 0, 300);
    step_until(test, entry.accepted == 3, "all are accepted after all");
    vt_listener_close(entry.listener);
    for (int i = 0; i < 3; i++) {
        close_end(&ends[i], VT_END_ABRUPT);
        raw_close(&peers[i]);
    }
}

static void connecting_without_descriptors_is_an_error_at_once(void **state)
{
    live *test = *state;
    vt_address to;
    assert_true(vt_address_numeric(&to, "127.0.0.1", 9));
    struct rlimit before = exhaust_descriptors();
    vt_stream *stream = vt_stream_connect(test->loop, &to, &EVENTS, NULL);
    int error = errno;
    setrlimit(RLIMIT_NOFILE, &before);
    assert_null(stream);
    assert_int_equal(error, EMFILE);
}

static void a_unix_socket_is_left_neither_in_the_way_nor_behind(void **state)
{
    live *test = *state;
    vt_address on;
    door entry;
    end server = {.stream = NULL}, client = {.stream = NULL};
    char path[96];
    snprintf(path, sizeof path, "%s/socket", test->directory);
    assert_true(vt_address_unix(&on, path));

    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(stale, &on.any, on.size), 0);
    assert_int_equal(listen(stale, 1), 0);
    assert_null(vt_listener_open(test->loop, &on, false, on_accepted, &entry, &entry.bound));
    assert_int_equal(errno, EADDRINUSE); /* somebody is there */
    close(stale);
    open_door(test, &entry, &on, &server); /* nobody is there any more */

    client.stream = vt_stream_connect(test->loop, &on, &EVENTS, &client);
    step_until(test, client.connected == 1 && server.stream != NULL, "both ends are connected");
    assert_int_equal(client.connect_error, 0);
    vt_stream_send(client.stream, (vital_bytes){"local", 5});
    step_until(test, server.received == 5, "the bytes have come");
    close_end(&client, VT_END_POLITE);
    close_end(&server, VT_END_POLITE);
    vt_listener_close(entry.listener);
    struct stat status;
    assert_int_equal(stat(path, &status), -1);
}

static void a_unix_socket_with_a_crowd_before_it_is_not_taken_for_stale(void **state)
{
    live *test = *state;
    vt_address on;
    door entry;
    char path[96];
    snprintf(path, sizeof path, "%s/socket", test->directory);
    assert_true(vt_address_unix(&on, path));
    int owner = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), crowd[8], error = 0;
    assert_int_equal(bind(owner, &on.any, on.size), 0);
    assert_int_equal(listen(owner, 0), 0);
    for (int i = 0; i < 8; i++) {
        crowd[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        error = connect(crowd[i], &on.any, on.size) == 0 ? 0 : errno;
    }
    assert_int_equal(error, EAGAIN); /* nobody more can queue up */
    assert_null(vt_listener_open(test->loop, &on, false, on_accepted, &entry, &entry.bound));
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(unlink(path), 0); /* it is still there */
    for (int i = 0; i < 8; i++)
        close(crowd[i]);
    close(owner);
}

static void a_file_that_is_no_socket_is_not_removed(void **state)
{
    live *test = *state;
    vt_address on;
    door entry;
    char path[96];
    snprintf(path, sizeof path, "%s/file", test->directory);
    assert_true(vt_address_unix(&on, path));
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_null(vt_listener_open(test->loop, &on, false, on_accepted, &entry, &entry.bound));
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(unlink(path), 0); /* it is still there */
}

/* --------------------------------------------------------- waking and embedding */

static void stop(void *arg)
{
    vital_loop_stop(arg);
}

static void *post_stop(void *arg)
{
    assert_int_equal(vital_loop_post(arg, stop, arg), 0);
    return NULL;
}

static void a_post_of_another_thread_ends_an_endless_wait(void **state)
{
    live *test = *state;
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, post_stop, test->loop), 0);
        assert_int_equal(vital_loop_run(test->loop), 0);
        pthread_join(thread, NULL);
    }
}

static bool readable_within(int fd, int ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int count = poll(&ready, 1, ms);
    assert_true(count >= 0);
    return count == 1;
}

static void nothing(void *arg)
{
    (void)arg;
}

static void the_loops_descriptor_is_readable_when_there_is_something(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    int fd = vital_loop_fd(test->loop);
    for (int i = 0; i < 3; i++)
        assert_int_equal(vital_loop_step(test->loop, 0), 0);
    assert_false(readable_within(fd, 0));
    assert_int_equal(vital_loop_wait_ms(test->loop), -1);

    raw_send(&peer, "hello", 5);
    assert_true(readable_within(fd, LIVE_PATIENCE_S * 1000));
    assert_int_equal(vital_loop_step(test->loop, 0), 0);
    assert_string_equal(ours.text, "hello");
    assert_false(readable_within(fd, 0));

    assert_int_equal(vital_loop_post(test->loop, nothing, NULL), 0);
    assert_true(readable_within(fd, LIVE_PATIENCE_S * 1000));
    assert_int_equal(vital_loop_step(test->loop, 0), 0);
    assert_false(readable_within(fd, 0));
    close_end(&ours, VT_END_ABRUPT);
    raw_close(&peer);
}

static void note_time(void *owner)
{
    *(int64_t *)owner = live_now_ms();
}

static void timers_keep_real_time(void **state)
{
    live *test = *state;
    enum { COUNT = 5 };
    vt_timer timers[COUNT];
    int64_t fired_ms[COUNT] = {0}, began_us = vt_loop_clock_now(test->loop).now_us;
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(vt_timer_init(&timers[i], test->loop, note_time, &fired_ms[i]), 0);
        vt_timer_arm(&timers[i], test->loop, began_us + (COUNT - i) * 60 * MS);
    }
    step_until(test, fired_ms[0] != 0, "the last timer fires");
    for (int i = 0; i < COUNT; i++) {
        int64_t after_ms = fired_ms[i] - began_us / MS;
        assert_in_range(after_ms, (COUNT - i) * 60 - 1, (COUNT - i) * 60 + 5000);
        if (i > 0)
            assert_true(fired_ms[i] <= fired_ms[i - 1]);
        vt_timer_finish(&timers[i], test->loop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        live_test(a_big_send_leaves_in_parts_to_a_slow_reader),
        live_test(a_send_leaves_at_the_end_of_its_turn_also_between_turns),
        live_test(a_peer_that_resets_a_send_ends_it_and_the_stream_once),
        live_test(a_reset_is_told_once_with_its_error),
        live_test(the_bytes_before_an_end_come_before_it),
        live_test(after_the_peers_end_we_may_still_send),
        live_test(a_paused_stream_is_lent_nothing_until_it_goes_on),
        live_test(a_stream_may_pause_itself_while_it_receives),
        live_test(polling_delivers_what_has_arrived_at_once),
        live_test(a_peer_that_floods_us_starves_nobody),
        cmocka_unit_test(errors_that_routers_report_do_not_stay),
        live_test(a_polite_end_delivers_everything_to_a_slow_reader),
        live_test(after_closing_nothing_is_heard),
        live_test(an_abrupt_end_resets),
        live_test(a_farewell_is_the_last_that_the_peer_reads),
        live_test(who_was_given_up_and_is_heard_within_five_seconds_was_a_mistake),
        live_test(a_farewell_never_breaks_into_a_send),
        live_test(a_polite_end_waits_for_the_peers_but_not_for_ever),
        live_test(a_polite_end_is_over_with_the_peers_own),
        live_test(polite_ends_are_bounded_in_their_number),
        live_test(those_that_linger_end_each_in_its_time),
        live_test(a_lingering_stream_ends_with_the_loop),
        live_test(a_stream_may_close_itself_or_another_that_is_ready_too),
        live_test(a_stream_connects_and_carries_bytes_both_ways),
        live_test(a_refused_connection_is_told_later_with_its_error),
        live_test(it_comes_from_the_address_that_it_was_told_to_come_from),
        live_test(an_address_that_cannot_be_come_from_is_told_later),
        live_test(what_fails_at_once_is_told_later_too),
        live_test(a_connection_that_is_given_up_is_not_heard_of),
        live_test(one_edge_brings_all_who_have_come),
        live_test(a_listener_may_be_closed_while_it_accepts),
        live_test(without_descriptors_accepting_pauses_and_then_goes_on),
        live_test(connecting_without_descriptors_is_an_error_at_once),
        live_test(a_unix_socket_is_left_neither_in_the_way_nor_behind),
        live_test(a_unix_socket_with_a_crowd_before_it_is_not_taken_for_stale),
        live_test(a_file_that_is_no_socket_is_not_removed),
        live_test(a_post_of_another_thread_ends_an_endless_wait),
        live_test(the_loops_descriptor_is_readable_when_there_is_something),
        live_test(timers_keep_real_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
