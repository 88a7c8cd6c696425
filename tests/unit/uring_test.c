/*
 * The ring: that it may do what the loop does and nothing else, that received bytes
 * are where it says, and what it says where it cannot be had.
 */
#include "uring.h"

#include <pthread.h>

#include "live.h"

static int refusal;        /* of every ring; 0: none */
static bool refuse_shared; /* as a kernel before 6.12 */
static int shortages;      /* so many submissions meet a kernel without memory */

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params);
int __real_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *registration,
                                      unsigned flags);
int __wrap_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *registration,
                                      unsigned flags);
int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params)
{
    return refusal != 0 ? -refusal : __real_io_uring_queue_init_params(entries, ring, params);
}

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

typedef struct pipe_ring {
    vt_uring ring;
    int ours, theirs; /* a socket pair */
    vt_uring_lasting receive;
} pipe_ring;

static void open_pipe(pipe_ring *self)
{
    int ends[2];
    *self = (pipe_ring){.ours = -1};
    assert_int_equal(vt_uring_open(&self->ring), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    self->ours = ends[0];
    self->theirs = ends[1];
}

static void close_pipe(pipe_ring *self)
{
    vt_uring_close(&self->ring);
    close(self->ours);
    close(self->theirs);
}

static void receive(pipe_ring *self, bool wanted)
{
    struct io_uring_sqe sqe = {0};
    io_uring_prep_recv_multishot(&sqe, self->ours, NULL, 0, 0);
    sqe.flags = IOSQE_BUFFER_SELECT;
    sqe.buf_group = VT_URING_BUFFERS;
    sqe.user_data = vt_uring_number(self, VT_URING_RECEIVE);
    assert_true(vt_uring_put_right(&self->ring, &self->receive, wanted, &sqe));
}

static vt_uring_completion next_completion(vt_uring *ring)
{
    vt_uring_completion completion;
    int64_t give_up_ms = live_now_ms() + LIVE_PATIENCE_S * 1000;
    while (!vt_uring_take(ring, &completion)) {
        assert_true(live_now_ms() < give_up_ms);
        assert_int_equal(vt_uring_wait(ring, 1000 * 1000), 0);
    }
    return completion;
}

/* ------------------------------------------------------------------------- tests */

static void a_ring_that_cannot_be_had_says_why(void **state)
{
    static const int table[][2] = {{EPERM, EPERM}, {ENOSYS, ENOSYS}, {EINVAL, ENOSYS}};
    vt_uring ring;
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        refusal = table[i][0];
        assert_int_equal(vt_uring_open(&ring), -1);
        assert_int_equal(errno, table[i][1]);
    }
    refusal = 0;
}

static void a_ring_does_nothing_but_what_the_loop_does(void **state)
{
    pipe_ring self;
    (void)state;
    open_pipe(&self);
    struct io_uring_sqe sqe = {0};
    io_uring_prep_openat(&sqe, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
    assert_true(vt_uring_put(&self.ring, &sqe));
    assert_int_equal(next_completion(&self.ring).result, -EACCES);
    io_uring_prep_send(&sqe, self.ours, "x", 1, MSG_NOSIGNAL);
    assert_true(vt_uring_put(&self.ring, &sqe));
    assert_int_equal(next_completion(&self.ring).result, 1);
    assert_int_equal(
        io_uring_register((unsigned)self.ring.uring.ring_fd, IORING_REGISTER_FILES, &self.ours, 1),
        -EACCES);
    close_pipe(&self);
}

/* Messages of growing size, more than all buffers hold, each looked at where the ring
 * says that it is. */
static void receive_many(bool shared)
{
    enum { MESSAGES = 1500, LONGEST = 3000 };
    static uint8_t message[LONGEST];
    pipe_ring self;
    refuse_shared = !shared;
    open_pipe(&self);
    refuse_shared = false;
    assert_int_equal(self.ring.shared, shared);
    receive(&self, true);
    uint8_t *before = NULL;
    size_t before_size = 0, neighbours = 0;
    for (int i = 0; i < MESSAGES; i++) {
        size_t size = 1 + (size_t)i * (LONGEST - 1) / MESSAGES, got = 0;
        memset(message, i & 0xff, size);
        assert_int_equal(send(self.theirs, message, size, 0), size);
        while (got < size) {
            vt_uring_completion completion = next_completion(&self.ring);
            assert_true(completion.result > 0 && got + (size_t)completion.result <= size);
            uint8_t *bytes = vt_uring_lend(&self.ring, &completion);
            assert_memory_equal(bytes, message, (size_t)completion.result);
            neighbours += bytes == before + before_size;
            before = bytes;
            before_size = (size_t)completion.result;
            memset(bytes, 0xee, before_size); /* ours to change */
            got += before_size;
            vt_uring_give_back(&self.ring, &completion);
            vt_uring_note(&self.receive, &completion);
            receive(&self, true);
        }
    }
    assert_int_equal(neighbours > MESSAGES / 2, shared);
    close_pipe(&self);
}

static void received_bytes_lie_close_together(void **state)
{
    (void)state;
    receive_many(true);
}

static void an_older_kernel_takes_a_buffer_for_each_receive(void **state)
{
    (void)state;
    receive_many(false);
}

static void a_receive_without_buffers_ends_and_begins_again(void **state)
{
    pipe_ring self;
    vt_uring_completion lent[VT_URING_BUFFERS_MOST];
    uint32_t count = 0;
    (void)state;
    refuse_shared = true;
    open_pipe(&self);
    refuse_shared = false;
    receive(&self, true);
    for (;; count++) {
        assert_int_equal(send(self.theirs, "x", 1, 0), 1);
        vt_uring_completion completion = next_completion(&self.ring);
        vt_uring_note(&self.receive, &completion);
        if (completion.result == -ENOBUFS)
            break;
        assert_int_equal(completion.result, 1);
        assert_true(count < VT_URING_BUFFERS_MOST);
        lent[count] = completion;
    }
    assert_int_equal(count, self.ring.buffer_count);
    assert_false(self.receive.going);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(*vt_uring_lend(&self.ring, &lent[i]), 'x');
        vt_uring_give_back(&self.ring, &lent[i]);
    }
    receive(&self, true);
    assert_int_equal(next_completion(&self.ring).result, 1);
    close_pipe(&self);
}

static void what_is_wanted_begins_once_and_is_cancelled_once(void **state)
{
    pipe_ring self;
    (void)state;
    open_pipe(&self);
    receive(&self, false);
    assert_int_equal(vt_uring_left_count(&self.ring), 0);
    receive(&self, true);
    receive(&self, true);
    assert_int_equal(vt_uring_left_count(&self.ring), 1);
    assert_true(vt_uring_submit(&self.ring));
    receive(&self, false);
    receive(&self, false);
    assert_int_equal(vt_uring_left_count(&self.ring), 1);
    vt_uring_completion completion = next_completion(&self.ring);
    assert_int_equal(completion.result, -ECANCELED);
    assert_ptr_equal(vt_uring_owner(completion.number), &self);
    vt_uring_note(&self.receive, &completion);
    assert_false(self.receive.going || self.receive.cancelled);
    assert_int_equal(vt_uring_ready_count(&self.ring), 0);
    close_pipe(&self);
}

static void a_wait_ends_in_time(void **state)
{
    pipe_ring self;
    (void)state;
    open_pipe(&self);
    int64_t began_ms = live_now_ms();
    assert_int_equal(vt_uring_wait(&self.ring, 60 * 1000), 0);
    assert_in_range(live_now_ms() - began_ms, 59, 10000);
    assert_int_equal(vt_uring_wait(&self.ring, 0), 0);
    assert_int_equal(vt_uring_ready_count(&self.ring), 0);
    close_pipe(&self);
}

static void what_the_kernel_has_no_memory_for_is_left(void **state)
{
    pipe_ring self;
    (void)state;
    open_pipe(&self);
    receive(&self, true);
    shortages = 1;
    assert_false(vt_uring_submit(&self.ring));
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(vt_uring_left_count(&self.ring), 1);
    assert_int_equal(vt_uring_left(&self.ring, 0)->user_data,
                     vt_uring_number(&self, VT_URING_RECEIVE));
    assert_true(vt_uring_submit(&self.ring));
    assert_int_equal(vt_uring_left_count(&self.ring), 0);
    close_pipe(&self);
}

static void more_than_the_ring_takes_is_submitted_on_the_way(void **state)
{
    pipe_ring self;
    int seen = 0;
    (void)state;
    open_pipe(&self);
    for (int i = 0; i < 3000; i++) {
        struct io_uring_sqe sqe = {.user_data = VT_URING_NOBODYS};
        io_uring_prep_nop(&sqe);
        assert_true(vt_uring_put(&self.ring, &sqe));
    }
    for (; seen < 3000; seen++)
        assert_int_equal(next_completion(&self.ring).result, 0);
    close_pipe(&self);
}

static void *submit_elsewhere(void *arg)
{
    pipe_ring *self = arg;
    receive(self, true);
    return vt_uring_submit(&self->ring) ? NULL : strerror(errno);
}

static void the_first_thread_to_submit_is_the_only_one(void **state)
{
    pipe_ring self;
    pthread_t thread;
    void *problem;
    (void)state;
    open_pipe(&self); /* who opens it does not matter */
    assert_int_equal(pthread_create(&thread, NULL, submit_elsewhere, &self), 0);
    assert_int_equal(pthread_join(thread, &problem), 0);
    assert_null(problem);
    assert_int_equal(vt_uring_wait(&self.ring, 0), -1);
    assert_int_equal(errno, EEXIST);
    close_pipe(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_that_cannot_be_had_says_why),
        cmocka_unit_test(a_ring_does_nothing_but_what_the_loop_does),
        cmocka_unit_test(received_bytes_lie_close_together),
        cmocka_unit_test(an_older_kernel_takes_a_buffer_for_each_receive),
        cmocka_unit_test(a_receive_without_buffers_ends_and_begins_again),
        cmocka_unit_test(what_is_wanted_begins_once_and_is_cancelled_once),
        cmocka_unit_test(a_wait_ends_in_time),
        cmocka_unit_test(what_the_kernel_has_no_memory_for_is_left),
        cmocka_unit_test(more_than_the_ring_takes_is_submitted_on_the_way),
        cmocka_unit_test(the_first_thread_to_submit_is_the_only_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
