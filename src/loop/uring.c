/*
 * The ring belongs to the thread that first enters it (SINGLE_ISSUER), and what
 * completes runs when that thread asks, not whenever it likes (DEFER_TASKRUN): so
 * one wake-up serves all that is ready. It is made disabled, since a loop may be
 * created by one thread and run by another; and it is restricted to what the loop
 * does, so that a bug in us is no way to open files.
 *
 * Received bytes need buffers only while they are there. A kernel that can lets one
 * large buffer be filled by receive after receive (IOU_PBUF_RING_INC, Linux 6.12), so
 * that small messages lie close together and large ones come whole; any other takes
 * a small buffer for each.
 */
#include "uring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    SUBMISSIONS = 1024,
    COMPLETIONS = 8 * 1024,
    SHARED_COUNT = 4,
    SHARED_BYTES = 64 * 1024,
    SINGLE_COUNT = VT_URING_BUFFERS_MOST,
    SINGLE_BYTES = 4 * 1024,
    LONGEST_WAIT_S = 3600,
};

/* Newer than Debian 12's headers. */
enum {
    PBUF_RING_INC = 2,       /* of io_uring_buf_reg's flags, which liburing 2.3 calls pad */
    CQE_F_BUF_MORE = 1 << 4, /* the buffer has room for more */
};

/* ----------------------------------------------------------------- life cycle */

static int restrict_to_ours(vt_uring *ring)
{
    struct io_uring_restriction allowed[] = {
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_ACCEPT},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_RECV},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_SEND},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_POLL_ADD},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_ASYNC_CANCEL},
        {.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_REGISTER_EVENTFD},
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
         .sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS},
    };
    /* liburing 2.3 does not export its own functions for this and enabling. */
    return io_uring_register((unsigned)ring->uring.ring_fd, IORING_REGISTER_RESTRICTIONS, allowed,
                             sizeof allowed / sizeof allowed[0]);
}

static void *map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static size_t entries_bytes(void)
{
    return VT_URING_BUFFERS_MOST * sizeof(struct io_uring_buf);
}

static void add_buffer(vt_uring *ring, uint32_t index)
{
    ring->filled[index] = 0;
    io_uring_buf_ring_add(ring->buffers, ring->memory + (size_t)index * ring->buffer_bytes,
                          ring->buffer_bytes, (unsigned short)index,
                          io_uring_buf_ring_mask(ring->buffer_count), 0);
    io_uring_buf_ring_advance(ring->buffers, 1);
}

static int register_buffers(vt_uring *ring, bool shared)
{
    ring->shared = shared;
    ring->buffer_count = shared ? SHARED_COUNT : SINGLE_COUNT;
    ring->buffer_bytes = shared ? SHARED_BYTES : SINGLE_BYTES;
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)ring->buffers,
        .ring_entries = ring->buffer_count,
        .bgid = VT_URING_BUFFERS,
        .pad = shared ? PBUF_RING_INC : 0,
    };
    return io_uring_register_buf_ring(&ring->uring, &registration, 0);
}

/* 0 or a negative errno, as liburing does. */
static int give_buffers(vt_uring *ring)
{
    _Static_assert(SHARED_COUNT * SHARED_BYTES <= SINGLE_COUNT * SINGLE_BYTES, "it is enough");
    ring->buffers = map(entries_bytes());
    ring->memory = map((size_t)SINGLE_COUNT * SINGLE_BYTES);
    if (ring->buffers == NULL || ring->memory == NULL)
        return -ENOMEM;
    int error = register_buffers(ring, true);
    if (error == -EINVAL)
        error = register_buffers(ring, false);
    if (error != 0)
        return error;
    io_uring_buf_ring_init(ring->buffers);
    for (uint32_t i = 0; i < ring->buffer_count; i++)
        add_buffer(ring, i);
    return 0;
}

int vt_uring_open(vt_uring *ring)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG,
        .cq_entries = COMPLETIONS,
    };
    *ring = (vt_uring){.event_fd = -1};
    int error = io_uring_queue_init_params(SUBMISSIONS, &ring->uring, &params);
    if (error != 0) {
        errno = error == -EINVAL ? ENOSYS : -error; /* flags that it does not know */
        return -1;
    }
    error = give_buffers(ring);
    if (error == 0)
        error = restrict_to_ours(ring);
    if (error == 0)
        return 0;
    vt_uring_close(ring);
    errno = -error;
    return -1;
}

void vt_uring_close(vt_uring *ring)
{
    io_uring_queue_exit(&ring->uring);
    if (ring->event_fd >= 0)
        close(ring->event_fd);
    if (ring->buffers != NULL)
        munmap(ring->buffers, entries_bytes());
    if (ring->memory != NULL)
        munmap(ring->memory, (size_t)SINGLE_COUNT * SINGLE_BYTES);
}

/* ----------------------------------------------------------------- submitting */

/* Of the calling thread from here on. */
static int enable(vt_uring *ring)
{
    if (ring->enabled)
        return 0;
    int error = io_uring_register((unsigned)ring->uring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
                                  0);
    ring->enabled = error == 0;
    return error;
}

bool vt_uring_submit(vt_uring *ring)
{
    int error = enable(ring);
    while (error >= 0 && vt_uring_left_count(ring) > 0) {
        error = io_uring_submit(&ring->uring);
        if (error == 0)
            error = -EAGAIN; /* taken none: it has no memory for them */
    }
    errno = error < 0 ? -error : 0;
    return error >= 0;
}

unsigned vt_uring_left_count(const vt_uring *ring)
{
    return io_uring_sq_ready(&ring->uring);
}

struct io_uring_sqe *vt_uring_left(const vt_uring *ring, unsigned index)
{
    const struct io_uring_sq *sq = &ring->uring.sq;
    return &sq->sqes[(*sq->khead + index) & sq->ring_mask];
}

bool vt_uring_put(vt_uring *ring, const struct io_uring_sqe *what)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    if (sqe == NULL) {
        vt_uring_submit(ring);
        sqe = io_uring_get_sqe(&ring->uring);
    }
    if (sqe == NULL)
        return false;
    *sqe = *what;
    return true;
}

int vt_uring_wait(vt_uring *ring, int64_t wait_us)
{
    int error = enable(ring);
    struct io_uring_cqe *first;
    if (error == 0 && wait_us <= 0) {
        error = io_uring_submit_and_get_events(&ring->uring);
    } else if (error == 0) {
        struct __kernel_timespec wait;
        int64_t wait_s = wait_us / 1000000;
        wait.tv_sec = wait_s < LONGEST_WAIT_S ? wait_s : LONGEST_WAIT_S;
        wait.tv_nsec = wait_us % 1000000 * 1000;
        error = io_uring_submit_and_wait_timeout(&ring->uring, &first, 1,
                                                 wait_us == INT64_MAX ? NULL : &wait, NULL);
    }
    /* Nothing has come in time, a signal has, or what could not be submitted will be
     * when there is memory for it. */
    if (error >= 0 || error == -ETIME || error == -EINTR || error == -EAGAIN || error == -EBUSY)
        return 0;
    errno = -error;
    return -1;
}

/* -------------------------------------------------------- who waits in our place */

/* The ring's own descriptor does not wake a poll(2) by what the kernel has put off for
 * us (DEFER_TASKRUN); an eventfd that it knows is written to. Whoever waits by himself
 * needs none, and none is there before it is asked for. */
int vt_uring_fd(vt_uring *ring)
{
    if (ring->event_fd >= 0)
        return ring->event_fd;
    int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC); /* something may have happened already */
    if (fd >= 0 &&
        io_uring_register((unsigned)ring->uring.ring_fd, IORING_REGISTER_EVENTFD, &fd, 1) == 0) {
        ring->event_fd = fd;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

void vt_uring_calm(vt_uring *ring)
{
    uint64_t count;
    if (ring->event_fd < 0)
        return;
    ssize_t size = read(ring->event_fd, &count, sizeof count);
    (void)size;
}

bool vt_uring_pending(const vt_uring *ring)
{
    unsigned flags = IO_URING_READ_ONCE(*ring->uring.sq.kflags);
    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* ---------------------------------------------------------------- completions */

unsigned vt_uring_ready_count(const vt_uring *ring)
{
    return io_uring_cq_ready(&ring->uring);
}

static struct io_uring_cqe *ready(const vt_uring *ring, unsigned index)
{
    const struct io_uring_cq *cq = &ring->uring.cq;
    return &cq->cqes[(*cq->khead + index) & cq->ring_mask];
}

vt_uring_completion vt_uring_ready(const vt_uring *ring, unsigned index)
{
    const struct io_uring_cqe *cqe = ready(ring, index);
    return (vt_uring_completion){cqe->user_data, cqe->res, cqe->flags};
}

void vt_uring_disown(vt_uring *ring, unsigned index)
{
    ready(ring, index)->user_data = VT_URING_NOBODYS;
}

bool vt_uring_take(vt_uring *ring, vt_uring_completion *out)
{
    if (vt_uring_ready_count(ring) == 0)
        return false;
    *out = vt_uring_ready(ring, 0);
    io_uring_cq_advance(&ring->uring, 1);
    return true;
}

uint8_t *vt_uring_lend(vt_uring *ring, const vt_uring_completion *completion)
{
    uint32_t index = completion->flags >> IORING_CQE_BUFFER_SHIFT;
    uint8_t *bytes = ring->memory + (size_t)index * ring->buffer_bytes + ring->filled[index];
    if (ring->shared && completion->result > 0)
        ring->filled[index] += (uint32_t)completion->result;
    return bytes;
}

void vt_uring_give_back(vt_uring *ring, const vt_uring_completion *completion)
{
    if (!ring->shared || !(completion->flags & CQE_F_BUF_MORE))
        add_buffer(ring, completion->flags >> IORING_CQE_BUFFER_SHIFT);
}

/* -------------------------------------------------------- operations that last */

bool vt_uring_put_right(vt_uring *ring, vt_uring_lasting *operation, bool wanted,
                        const struct io_uring_sqe *what)
{
    if (operation->going ? wanted || operation->cancelled : !wanted)
        return true;
    if (!operation->going) {
        operation->going = vt_uring_put(ring, what);
        return operation->going;
    }
    struct io_uring_sqe cancel = {0};
    io_uring_prep_cancel64(&cancel, what->user_data, 0);
    cancel.flags = IOSQE_CQE_SKIP_SUCCESS;
    cancel.user_data = VT_URING_NOBODYS;
    operation->cancelled = vt_uring_put(ring, &cancel);
    return operation->cancelled;
}

struct io_uring_sqe vt_uring_poll_of(int fd, unsigned events, uint64_t number)
{
    struct io_uring_sqe sqe = {0};
    io_uring_prep_poll_add(&sqe, fd, events);
    sqe.user_data = number;
    return sqe;
}

void vt_uring_note(vt_uring_lasting *operation, const vt_uring_completion *completion)
{
    if (!(completion->flags & IORING_CQE_F_MORE))
        *operation = (vt_uring_lasting){.going = false};
}
