/*
 * What is io_uring's alone: bytes that complete before they are wanted, buffers that
 * run out, a kernel without memory, and a ring that knows its thread. All else is in
 * socket_loop_test.c, which runs on each backend.
 */
#include "uring_stream.h"

#include <pthread.h>

#include "ends.h"

static bool refuse_shared; /* as a kernel before 6.12 */
static int shortages;      /* so many submissions meet a kernel without memory */

int __real_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *registration,
                                      unsigned flags);
int __wrap_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *registration,
                                      unsigned flags);
int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);

int __wrap_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *registration,
                                      unsigned flags)
{
    if (refuse_shared && registration->pad != 0)
        return -EINVAL;
    return __real_io_uring_register_buf_ring(ring, registration, flags);
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
    if (shortages == 0)
        return __real_io_uring_submit(ring);
    shortages--;
    return -EAGAIN;
}

static int setup(void **state)
{
    return setenv("VITAL_BACKEND", "uring", 1) == 0 ? live_setup(state) : -1;
}

static void a_loop_says_what_it_waits_with(void **state)
{
    live *test = *state;
    assert_string_equal(vital_loop_backend(test->loop), "io_uring");
}

static void *speak_later(void *arg)
{
    const raw_peer *peer = arg;
    struct timespec while_polled = {.tv_nsec = 50 * 1000 * 1000};
    nanosleep(&while_polled, NULL);
    raw_send(peer, "hello", 5);
    return NULL;
}

/* The kernel runs nothing for us while somebody else waits in our place. */
static void a_foreign_loop_is_woken_by_what_comes_while_it_waits(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    pthread_t thread;
    make_pair(test, &ours, &peer, 0);
    for (int round = 1; round <= 3; round++) {
        struct pollfd ready = {.fd = vital_loop_fd(test->loop), .events = POLLIN};
        while (vital_loop_wait_ms(test->loop) == 0 || poll(&ready, 1, 0) == 1)
            assert_int_equal(vital_loop_step(test->loop, 0), 0);
        assert_int_equal(pthread_create(&thread, NULL, speak_later, &peer), 0);
        assert_int_equal(poll(&ready, 1, LIVE_PATIENCE_S * 1000), 1);
        assert_int_equal(vital_loop_step(test->loop, 0), 0);
        assert_int_equal(ours.calls, round);
        pthread_join(thread, NULL);
    }
    close_end(&ours, VT_END_ABRUPT);
    raw_close(&peer);
}

static void a_send_for_which_the_kernel_had_no_memory_is_tried_again(void **state)
{
    live *test = *state;
    end ours, others;
    raw_peer peer, second;
    make_pair(test, &ours, &peer, 0);
    make_pair(test, &others, &second, 0);
    live_step(test);
    shortages = 3;
    vt_stream_send(ours.stream, (vital_bytes){"first", 5});
    vt_stream_send(others.stream, (vital_bytes){"second", 6});
    live_step(test);
    assert_int_equal(ours.sents + others.sents, 0); /* neither has it failed */
    step_until(test, ours.sents == 1 && others.sents == 1, "both are tried again and leave");
    assert_int_equal(shortages, 0);
    assert_int_equal(ours.sent, 5);
    assert_int_equal(ours.sent_error, 0);
    assert_int_equal(others.sent, 6);
    assert_int_equal(others.sent_error, 0);
    step_until(test, raw_has(&peer, "first"), "the first arrives");
    step_until(test, raw_has(&second, "second"), "the second arrives");
    assert_int_equal(peer.size, 5); /* once */
    assert_int_equal(second.size, 6);
    close_end(&ours, VT_END_ABRUPT);
    close_end(&others, VT_END_ABRUPT);
    raw_close(&peer);
    raw_close(&second);
}

static void a_stream_may_be_closed_while_its_send_waits_for_memory(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    live_step(test);
    shortages = 1;
    vt_stream_send(ours.stream, (vital_bytes){"never", 5});
    step_until(test, shortages == 0, "the kernel has no memory");
    close_end(&ours, VT_END_POLITE);
    step_until(test, raw_ended(&peer), "the peer sees the end");
    assert_int_equal(peer.size, 0);
    raw_close(&peer);
}

/* All that is under way for a stream completes, and none of it is told. */
static void let_complete(live *test, end *ours)
{
    vt_uring_loop *loop = vt_uring_of(test->loop);
    assert_int_equal(vt_uring_wait(&loop->ring, LIVE_PATIENCE_S * 1000000LL), 0);
    assert_true(vt_uring_ready_count(&loop->ring) > 0);
    assert_int_equal(ours->calls, 0);
}

static void what_has_completed_when_a_stream_pauses_comes_after_it(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    live_step(test);
    raw_send(&peer, "first ", 6);
    let_complete(test, &ours);
    vt_stream_pause(ours.stream, true);
    for (int i = 0; i < 3; i++)
        live_step(test);
    raw_send(&peer, "second", 6);
    raw_close(&peer);
    for (int i = 0; i < 3; i++)
        live_step(test);
    assert_int_equal(ours.calls, 0);
    vt_stream_pause(ours.stream, false);
    assert_int_equal(ours.calls, 0); /* not from inside */
    step_until(test, ours.calls == 1, "the first bytes come");
    assert_string_equal(ours.text, "first ");
    step_until(test, ours.ends == 1, "the end comes");
    assert_int_equal(ours.received, 12);
    assert_string_equal(ours.text, "second");
    close_end(&ours, VT_END_POLITE);
}

static void an_end_that_has_completed_when_a_stream_pauses_comes_after_it(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    live_step(test);
    raw_reset(&peer);
    let_complete(test, &ours);
    vt_stream_pause(ours.stream, true);
    for (int i = 0; i < 3; i++)
        live_step(test);
    assert_int_equal(ours.ends, 0);
    vt_stream_pause(ours.stream, false);
    step_until(test, ours.ends == 1, "the end comes");
    assert_int_equal(ours.end_error, ECONNRESET);
    for (int i = 0; i < 3; i++)
        live_step(test);
    assert_int_equal(ours.ends, 1);
    close_end(&ours, VT_END_POLITE);
}

static void polling_delivers_what_has_completed_before_what_has_not(void **state)
{
    live *test = *state;
    end ours;
    raw_peer peer;
    make_pair(test, &ours, &peer, 0);
    live_step(test);
    raw_send(&peer, "one ", 4);
    let_complete(test, &ours);
    raw_send(&peer, "two", 3);
    wait_readable(((vt_socket_stream *)ours.stream)->fd);
    vt_stream_poll(ours.stream);
    assert_int_equal(ours.calls, 2);
    assert_int_equal(ours.received, 7);
    assert_string_equal(ours.text, "two");
    for (int i = 0; i < 3; i++)
        live_step(test);
    assert_int_equal(ours.calls, 2);
    raw_send(&peer, "three", 5);
    step_until(test, ours.calls == 3, "more comes as ever");
    close_end(&ours, VT_END_ABRUPT);
    raw_close(&peer);
}

static void poll_the_other(end *self)
{
    if (self->other->stream != NULL && self->other->calls == 0)
        vt_stream_poll(self->other->stream);
}

static void a_stream_may_poll_another_whose_bytes_have_completed_too(void **state)
{
    live *test = *state;
    end ends[3];
    raw_peer peers[3];
    for (int i = 0; i < 3; i++)
        make_pair(test, &ends[i], &peers[i], 0);
    live_step(test);
    ends[0].then = poll_the_other;
    ends[0].other = &ends[2]; /* past the second one's */
    for (int i = 0; i < 3; i++)
        raw_send(&peers[i], i == 0 ? "first" : i == 1 ? "second" : "third", i == 1 ? 6 : 5);
    step_until(test, ends[0].calls == 1 && ends[1].calls == 1 && ends[2].calls == 1, "all come");
    assert_string_equal(ends[0].text, "first");
    assert_string_equal(ends[1].text, "second");
    assert_string_equal(ends[2].text, "third");
    for (int i = 0; i < 3; i++) {
        close_end(&ends[i], VT_END_ABRUPT);
        raw_close(&peers[i]);
    }
}

/* More at once than there are buffers for. */
static void flood(live *test)
{
    enum { PEERS = 12, BYTES = 100000 };
    end ends[PEERS];
    raw_peer peers[PEERS];
    uint8_t *bytes = pattern(BYTES);
    for (int i = 0; i < PEERS; i++)
        make_pair(test, &ends[i], &peers[i], 0);
    live_step(test);
    for (int i = 0; i < PEERS; i++)
        raw_send(&peers[i], bytes, BYTES);
    for (int i = 0; i < PEERS; i++)
        step_until(test, ends[i].received == BYTES, "all comes");
    for (int i = 0; i < PEERS; i++) {
        vt_stream_send(ends[i].stream, (vital_bytes){bytes, BYTES});
        step_until(test, (raw_read(&peers[i], BYTES), peers[i].size == BYTES), "all leaves");
        assert_memory_equal(peers[i].bytes, bytes, BYTES);
        close_end(&ends[i], VT_END_POLITE);
        raw_close(&peers[i]);
    }
    free(bytes);
}

static void more_than_all_buffers_hold_is_received(void **state)
{
    flood(*state);
}

static void a_kernel_that_shares_no_buffers_will_do(void **state)
{
    live *test = *state;
    vital_loop_destroy(test->loop);
    refuse_shared = true;
    int error = live_create_loop(&test->loop);
    refuse_shared = false;
    assert_int_equal(error, 0);
    assert_false(vt_uring_of(test->loop)->ring.shared);
    flood(test);
}

static void *step_elsewhere(void *arg)
{
    return vital_loop_step(arg, 0) == 0 ? NULL : arg;
}

static void a_loop_stays_with_the_thread_that_has_first_stepped_it(void **state)
{
    live *test = *state;
    pthread_t thread;
    void *failed;
    assert_int_equal(pthread_create(&thread, NULL, step_elsewhere, test->loop), 0);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    assert_int_equal(vital_loop_step(test->loop, 0), VITAL_ESYSTEM);
    assert_says(vital_loop_problem(test->loop), "thread");
}

#define uring_test(name) cmocka_unit_test_setup_teardown(name, setup, live_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        uring_test(a_loop_says_what_it_waits_with),
        uring_test(a_foreign_loop_is_woken_by_what_comes_while_it_waits),
        uring_test(a_send_for_which_the_kernel_had_no_memory_is_tried_again),
        uring_test(a_stream_may_be_closed_while_its_send_waits_for_memory),
        uring_test(what_has_completed_when_a_stream_pauses_comes_after_it),
        uring_test(an_end_that_has_completed_when_a_stream_pauses_comes_after_it),
        uring_test(polling_delivers_what_has_completed_before_what_has_not),
        uring_test(a_stream_may_poll_another_whose_bytes_have_completed_too),
        uring_test(more_than_all_buffers_hold_is_received),
        uring_test(a_kernel_that_shares_no_buffers_will_do),
        uring_test(a_loop_stays_with_the_thread_that_has_first_stepped_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
