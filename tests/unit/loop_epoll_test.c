/*
 * What is epoll's alone: a kernel that has no buffer for a send says nothing when it
 * has one again.
 */
#include "ends.h"

/* So many sends from now on meet a kernel without a buffer. */
static int shortages;

ssize_t __real_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags);

ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
    if (shortages == 0)
        return __real_send(fd, bytes, size, flags);
    shortages--;
    errno = ENOBUFS;
    return -1;
}

static void a_send_for_which_the_kernel_had_no_buffer_is_tried_again(void **state)
{
    live *test = *state;
    end ours, others;
    raw_peer peer, second;
    make_pair(test, &ours, &peer, 0);
    make_pair(test, &others, &second, 0);
    /* No edge announces a buffer: what can be sent was and is possible. */
    for (int i = 0; i < 3; i++)
        live_step(test);
    shortages = 5;
    vt_stream_send(ours.stream, (vital_bytes){"first", 5});
    vt_stream_send(others.stream, (vital_bytes){"second", 6});
    live_step(test);
    assert_int_equal(ours.sents, 0); /* neither has it failed */
    assert_int_equal(others.sents, 0);
    step_until(test, ours.sents == 1 && others.sents == 1, "both are tried again and leave");
    assert_int_equal(shortages, 0);
    assert_int_equal(ours.sent, 5);
    assert_int_equal(ours.sent_error, 0);
    assert_int_equal(others.sent, 6);
    assert_int_equal(others.sent_error, 0);
    step_until(test, raw_has(&peer, "first"), "the first arrives");
    step_until(test, raw_has(&second, "second"), "the second arrives");
    assert_int_equal(peer.size, 5);
    assert_int_equal(second.size, 6);
    step_until(test, vital_loop_wait_ms(test->loop) == -1, "no timer is armed any more");
    close_end(&ours, VT_END_ABRUPT);
    close_end(&others, VT_END_ABRUPT);
    raw_close(&peer);
    raw_close(&second);
}

static void a_stream_may_be_closed_while_its_send_waits_for_a_buffer(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    shortages = 1;
    vt_stream_send(ours.stream, (vital_bytes){"never", 5});
    step_until(test, shortages == 0, "the kernel has no buffer");
    close_end(&ours, VT_END_POLITE);
    step_until(test, raw_ended(&peer), "the peer sees the end");
    raw_close(&peer);
    step_until(test, vital_loop_wait_ms(test->loop) == -1, "no timer is armed any more");
    assert_int_equal(ours.sents, 0);
    assert_int_equal(peer.error, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        live_test(a_send_for_which_the_kernel_had_no_buffer_is_tried_again),
        live_test(a_stream_may_be_closed_while_its_send_waits_for_a_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
