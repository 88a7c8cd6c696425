/* The kernel's word on connections over loopback. */
#include "tcp_info.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static int listen_on_loopback(vt_address *bound)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(vt_address_numeric(bound, "127.0.0.1", 0));
    assert_int_equal(bind(fd, &bound->any, bound->size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, &bound->any, &bound->size), 0);
    return fd;
}

static void a_connection_tells_what_is_acknowledged_and_when_it_last_heard(void **state)
{
    (void)state;
    vt_address bound;
    vital_evidence info;
    char bytes[4];
    int listener = listen_on_loopback(&bound);
    int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(one, &bound.any, bound.size), 0);
    int other = accept(listener, NULL, NULL);
    assert_true(other >= 0);
    assert_int_equal(send(one, "beat", 4, 0), 4);
    assert_int_equal(recv(other, bytes, sizeof bytes, MSG_WAITALL), 4);
    assert_int_equal(send(other, "beat", 4, 0), 4); /* and acknowledges the first */
    assert_int_equal(recv(one, bytes, sizeof bytes, MSG_WAITALL), 4);

    assert_true(vt_tcp_info_read(one, &info));
    assert_int_equal(info.unacked_packets, 0);
    assert_int_equal(info.retransmits, 0);
    assert_int_equal(info.unsent_bytes, 0);
    assert_in_range(info.acked_bytes, 4, 5); /* the SYN counts as one */
    assert_in_range(info.heard_ms, 0, 10000);
    assert_true(info.rtt_us > 0);
    assert_true(info.rto_us >= 200 * 1000);
    assert_true(info.window_bytes > 0);
    close(other);
    close(one);
    close(listener);
}

static void a_peer_that_does_not_read_shuts_its_window(void **state)
{
    (void)state;
    vt_address bound;
    vital_evidence info = {0};
    static const char bytes[64 * 1024];
    int listener = listen_on_loopback(&bound);
    int few = 4096;
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &few, sizeof few), 0);
    int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(one, &bound.any, bound.size), 0);
    int other = accept(listener, NULL, NULL);
    for (int i = 0; i < 1000 && send(one, bytes, sizeof bytes, MSG_DONTWAIT) > 0; i++)
        ;
    assert_true(vt_tcp_info_read(one, &info));
    assert_true(info.unsent_bytes > 0);
    assert_true(info.window_bytes < sizeof bytes);
    close(other);
    close(one);
    close(listener);
}

static void a_system_that_could_send_gives_no_reason_why_not(void **state)
{
    (void)state;
    vt_address bound;
    int listener = listen_on_loopback(&bound);
    int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(vt_tcp_no_way(one), 0); /* to nobody: there is nothing to ask */
    assert_int_equal(connect(one, &bound.any, bound.size), 0);
    assert_int_equal(vt_tcp_no_way(one), 0);
    close(one);
    close(listener);
}

static void what_is_no_connection_tells_nothing(void **state)
{
    (void)state;
    vt_address bound;
    vital_evidence info;
    int pair[2];
    int listener = listen_on_loopback(&bound);
    int idle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_false(vt_tcp_info_read(-1, &info));
    assert_false(vt_tcp_info_read(listener, &info));
    assert_false(vt_tcp_info_read(idle, &info));
    assert_false(vt_tcp_info_read(pair[0], &info));
    close(pair[0]);
    close(pair[1]);
    close(idle);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_tells_what_is_acknowledged_and_when_it_last_heard),
        cmocka_unit_test(a_peer_that_does_not_read_shuts_its_window),
        cmocka_unit_test(a_system_that_could_send_gives_no_reason_why_not),
        cmocka_unit_test(what_is_no_connection_tells_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
