/*
 * The floor of io_uring(7): multishot accept and receive into a ring of provided buffers,
 * and all sends of a turn in one call. A buffer goes back to the ring when its send is
 * done; a send that was cut short goes on with its rest.
 *
 * usage: bench_floor_uring PORT
 */
#include <errno.h>
#include <liburing.h>
#include <unistd.h>

#include "floor.h"

enum {
    ENTRIES = 4096,
    BUFFERS = 512,
    BUFFER_BYTES = 32768,
    GROUP = 1,
    AT_ONCE = 512,
};

/* What a completion is of: in the upper bits of its data; below, descriptor and buffer. */
typedef enum task { ACCEPT, RECEIVE, SEND } task;

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char *memory; /* of the buffers */
static struct {
    size_t from, size;
} sends[BUFFERS]; /* what is left to be sent of each */

static uint64_t name(task what, int fd, unsigned buffer)
{
    return (uint64_t)what << 60 | (uint64_t)(uint32_t)fd << 24 | buffer;
}

static struct io_uring_sqe *next(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    if (sqe == NULL) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
    }
    if (sqe == NULL)
        floor_fail("io_uring_get_sqe");
    return sqe;
}

static void give_back(unsigned buffer)
{
    io_uring_buf_ring_add(buffers, memory + (size_t)buffer * BUFFER_BYTES, BUFFER_BYTES,
                          (unsigned short)buffer, io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(buffers, 1);
}

static void receive(int fd)
{
    struct io_uring_sqe *sqe = next();
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    sqe->user_data = name(RECEIVE, fd, 0);
}

static void send_rest(int fd, unsigned buffer)
{
    struct io_uring_sqe *sqe = next();
    io_uring_prep_send(sqe, fd, memory + (size_t)buffer * BUFFER_BYTES + sends[buffer].from,
                       sends[buffer].size, MSG_NOSIGNAL | MSG_WAITALL);
    sqe->user_data = name(SEND, fd, buffer);
}

static void on_received(const struct io_uring_cqe *cqe, int fd)
{
    if (cqe->res == -ENOBUFS) { /* some come back with this turn's sends */
        receive(fd);
        return;
    }
    if (cqe->res <= 0) {
        close(fd);
        return;
    }
    unsigned buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    char *data = memory + (size_t)buffer * BUFFER_BYTES;
    sends[buffer].from = 0;
    sends[buffer].size = (size_t)cqe->res;
    if (floor_is_request(data, sends[buffer].size)) {
        sends[buffer].size = sizeof floor_upgraded - 1;
        memcpy(data, floor_upgraded, sends[buffer].size);
    }
    send_rest(fd, buffer);
    if ((cqe->flags & IORING_CQE_F_MORE) == 0)
        receive(fd);
}

static void on_sent(const struct io_uring_cqe *cqe, int fd, unsigned buffer)
{
    size_t sent = cqe->res > 0 ? (size_t)cqe->res : sends[buffer].size; /* or it has ended */
    sends[buffer].from += sent;
    sends[buffer].size -= sent;
    if (sends[buffer].size > 0)
        send_rest(fd, buffer);
    else
        give_back(buffer);
}

static void accept_more(int listener)
{
    struct io_uring_sqe *sqe = next();
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = name(ACCEPT, listener, 0);
}

static void handle(const struct io_uring_cqe *cqe)
{
    int fd = (int)(uint32_t)(cqe->user_data >> 24);
    switch ((task)(cqe->user_data >> 60)) {
    case ACCEPT:
        if (cqe->res >= 0)
            receive(cqe->res);
        if ((cqe->flags & IORING_CQE_F_MORE) == 0)
            accept_more(fd);
        break;
    case RECEIVE:
        on_received(cqe, fd);
        break;
    case SEND:
        on_sent(cqe, fd, (unsigned)(cqe->user_data & 0xffffff));
        break;
    }
}

static void start(void)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = 8 * ENTRIES,
    };
    errno = -io_uring_queue_init_params(ENTRIES, &ring, &params);
    if (errno != 0)
        floor_fail("io_uring");
    size_t ring_bytes = BUFFERS * sizeof(struct io_uring_buf);
    if (posix_memalign((void **)&buffers, 4096, ring_bytes) != 0 ||
        posix_memalign((void **)&memory, 4096, (size_t)BUFFERS * BUFFER_BYTES) != 0)
        floor_fail("memory");
    memset(buffers, 0, ring_bytes);
    memset(memory, 0, (size_t)BUFFERS * BUFFER_BYTES); /* so that it is there */
    struct io_uring_buf_reg group = {
        .ring_addr = (uint64_t)(uintptr_t)buffers, .ring_entries = BUFFERS, .bgid = GROUP};
    errno = -io_uring_register_buf_ring(&ring, &group, 0);
    if (errno != 0)
        floor_fail("buffers");
    io_uring_buf_ring_init(buffers);
    for (unsigned i = 0; i < BUFFERS; i++)
        give_back(i);
}

int main(int argc, char **argv)
{
    int listener = floor_listen(argc > 1 ? argv[1] : "0");
    start();
    accept_more(listener);
    for (;;) {
        struct io_uring_cqe *all[AT_ONCE];
        io_uring_submit_and_wait(&ring, 1);
        unsigned count = io_uring_peek_batch_cqe(&ring, all, AT_ONCE);
        for (unsigned i = 0; i < count; i++)
            handle(all[i]);
        io_uring_cq_advance(&ring, count);
    }
}
