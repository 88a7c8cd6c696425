/*
 * The load of `make bench`: raw sockets, and frames that were made and masked before it
 * begins, all alike. It reads no frames, but counts bytes, of which it knows how many an
 * answer has. It opens connections by epoll; then it loads them by io_uring, where there
 * is one: multishot receive, and all sends of a turn in one call. So it costs less than
 * what it loads, treats all alike, and can load an echo of plain TCP with the same bytes,
 * which answers with as many as it is sent.
 * `vital bench`, which looks at what it is sent, is for users; this is for servers that
 * answer millions a second.
 *
 * usage: bench_load MODE port=N connections=N [in_flight=N] [size=N] [rate=N] [ms=N]
 *                   [warm_ms=N] [floor=1] [together=1] [pid=N]
 *   echo   binary messages, `in_flight` of each connection
 *   beat   pings at a rate, of all connections together; late from when they were due
 *   storm  all connect at once, upgrade, ping; over with the last pong
 * It prints one JSON object.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench_subject.h"
#include "bench_times.h"

enum {
    ROOM_BYTES = 1 << 20,
    HEAD_BYTES = 1024, /* of a server's answer to the upgrade */
    PING_BYTES = 8,
    OPENING_AT_ONCE = 128,
    EVENTS = 512,
    ENTRIES = 4096, /* of the ring */
    GROUP = 1,
    BUFFER_LEAST_BYTES = 2048,
    BUFFERS_BYTES = 8 << 20, /* of all, but for: */
    BUFFERS_LEAST = 64,
    BUFFERS_MOST = 1024,
    PATIENCE_US = 30 * 1000 * 1000,
    TIMER_SLACK_NS = 1000,
};

typedef enum conn_state { CONNECTING, UPGRADING, OPEN } conn_state;

typedef struct conn {
    int fd;
    conn_state state;
    char *head; /* while upgrading */
    size_t head_size;
    uint64_t owed;     /* bytes that are to be sent, */
    uint64_t sent;     /* and those that are */
    uint64_t received; /* after the upgrade */
    uint64_t answered;
    uint64_t asked;
    bool sending; /* by the ring, which tells when it is done */
} conn;

typedef struct piece {
    const uint8_t *data;
    size_t size;
} piece;

static struct {
    const char *mode;
    long port, connections, in_flight, size, rate, ms, warm_ms, floor, together, pid;
} settings = {.in_flight = 1, .size = 64, .ms = 1000};

static const char upgrade[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static conn *conns;
static uint8_t *frames; /* one more than may be in flight */
static size_t frame_bytes, answer_bytes;
static char room[ROOM_BYTES];
static int epoll_fd;
static bool by_ring;
static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char *buffer_memory;
static unsigned buffer_count;
static size_t buffer_bytes;
static long begun, open_now;
static uint64_t due;      /* messages that have come due, with a rate */
static uint64_t answered; /* of all connections */
static uint64_t waiting;  /* of a storm: connections without an answer */
static int64_t began_us;
static bench_times times;

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* -------------------------------------------------------------------------- frames */

static size_t write_head(uint8_t *out, uint8_t opcode, size_t size, bool masked)
{
    uint8_t bit = masked ? 0x80 : 0;
    out[0] = 0x80 | opcode;
    if (size < 126) {
        out[1] = bit | (uint8_t)size;
        return 2;
    }
    out[1] = bit | (size < 65536 ? 126 : 127);
    int bytes = size < 65536 ? 2 : 8;
    for (int i = 0; i < bytes; i++)
        out[2 + i] = (uint8_t)(size >> 8 * (bytes - 1 - i));
    return 2 + (size_t)bytes;
}

static void make_frames(void)
{
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
    uint8_t head[16];
    bool pings = strcmp(settings.mode, "echo") != 0;
    size_t size = pings ? PING_BYTES : (size_t)settings.size;
    size_t head_bytes = write_head(head, pings ? 9 : 2, size, true);
    memcpy(head + head_bytes, key, sizeof key);
    head_bytes += sizeof key;
    frame_bytes = head_bytes + size;
    answer_bytes = settings.floor ? frame_bytes : frame_bytes - sizeof key;
    frames = malloc(frame_bytes * (size_t)(settings.in_flight + 1));
    if (frames == NULL)
        fail("frames");
    for (long i = 0; i <= settings.in_flight; i++) {
        uint8_t *at = frames + frame_bytes * (size_t)i;
        memcpy(at, head, head_bytes);
        for (size_t k = 0; k < size; k++)
            at[head_bytes + k] = (uint8_t)('a' + k % 26) ^ key[k % 4];
    }
}

/* ------------------------------------------------------------------------- sending */

/* What is owed, as far as it is in one piece: the frames are all alike. */
static piece next_piece(const conn *to)
{
    size_t left = (size_t)(to->owed - to->sent), from = (size_t)(to->sent % frame_bytes);
    size_t most = frame_bytes * (size_t)(settings.in_flight + 1) - from;
    return (piece){frames + from, left < most ? left : most};
}

static struct io_uring_sqe *next_entry(void)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring);
    if (entry == NULL) {
        io_uring_submit(&ring);
        entry = io_uring_get_sqe(&ring);
    }
    if (entry == NULL)
        fail("io_uring_get_sqe");
    return entry;
}

/* A connection is named by its address, which is even: a send by that and one. */
static void send_by_ring(conn *to)
{
    if (to->sending || to->sent == to->owed)
        return;
    piece next = next_piece(to);
    struct io_uring_sqe *entry = next_entry();
    io_uring_prep_send(entry, to->fd, next.data, next.size, MSG_NOSIGNAL);
    entry->user_data = (uintptr_t)to | 1;
    to->sending = true;
}

static void send_owed(conn *to)
{
    if (by_ring) {
        send_by_ring(to);
        return;
    }
    while (to->sent < to->owed) {
        piece next = next_piece(to);
        ssize_t sent = send(to->fd, next.data, next.size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0)
            fail("send");
        to->sent += (uint64_t)sent;
    }
}

static void ask(conn *to, uint64_t count)
{
    to->asked += count;
    to->owed += count * frame_bytes;
    send_owed(to);
}

static int64_t scheduled_us(uint64_t number)
{
    if (settings.together)
        number -= number % (uint64_t)settings.connections;
    return began_us + (int64_t)(number * 1000000 / (uint64_t)settings.rate);
}

/* Asks what is due. When the next is. */
static int64_t ask_due(int64_t now)
{
    for (long i = 0; i < settings.connections; i++) {
        int64_t next_us = scheduled_us(due);
        if (next_us > now)
            return next_us;
        ask(&conns[due % (uint64_t)settings.connections], 1);
        due++;
    }
    return now;
}

/* ----------------------------------------------------------------------- receiving */

static void take_answers(conn *from, uint64_t count)
{
    int64_t now = now_us();
    uint64_t index = (uint64_t)(from - conns);
    if (settings.rate > 0) {
        for (uint64_t i = 0; i < count; i++)
            bench_times_note(
                &times,
                now - scheduled_us((from->answered + i) * (uint64_t)settings.connections + index));
    } else if (waiting > 0) {
        bench_times_note(&times, now - began_us);
        waiting--;
    }
    from->answered += count;
    answered += count;
    if (settings.rate == 0 && strcmp(settings.mode, "echo") == 0)
        ask(from, count);
}

static void take_bytes(conn *from, uint64_t size)
{
    from->received += size;
    uint64_t whole = from->received / answer_bytes - from->answered;
    if (whole > 0)
        take_answers(from, whole);
}

static void opened(conn *it)
{
    it->state = OPEN;
    open_now++;
    free(it->head);
    it->head = NULL;
    if (strcmp(settings.mode, "storm") == 0)
        ask(it, 1);
}

static void take_head(conn *from, const char *data, size_t size)
{
    if (from->head_size + size >= HEAD_BYTES)
        fail("too long an answer to the upgrade");
    memcpy(from->head + from->head_size, data, size);
    from->head_size += size;
    from->head[from->head_size] = '\0';
    if (strstr(from->head, "\r\n\r\n") == NULL)
        return;
    if (strncmp(from->head, "HTTP/1.1 101", 12) != 0)
        fail(from->head);
    opened(from);
}

static void receive(conn *from)
{
    for (;;) {
        ssize_t size = recv(from->fd, room, sizeof room, 0);
        if (size < 0 && errno == EAGAIN)
            return;
        if (size <= 0)
            fail("a connection has ended");
        if (from->state == UPGRADING) {
            take_head(from, room, (size_t)size);
        } else {
            take_bytes(from, (uint64_t)size);
        }
        if ((size_t)size < sizeof room)
            return;
    }
}

/* ------------------------------------------------------------------------- opening */

static void start_one(conn *it)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)settings.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    it->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    it->head = malloc(HEAD_BYTES);
    if (it->fd < 0 || it->head == NULL)
        fail("socket");
    setsockopt(it->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(it->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
        fail("connect");
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = it};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, it->fd, &event) != 0)
        fail("epoll_ctl");
}

static void open_more(long at_once)
{
    while (begun < settings.connections && begun - open_now < at_once)
        start_one(&conns[begun++]);
}

static void finish_connect(conn *it)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(it->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    errno = error;
    if (error != 0)
        fail("connect");
    it->state = UPGRADING;
    if (send(it->fd, upgrade, sizeof upgrade - 1, MSG_NOSIGNAL) != (ssize_t)sizeof upgrade - 1)
        fail("send");
}

/* ---------------------------------------------------------------------- by io_uring */

static void give_back(unsigned buffer)
{
    io_uring_buf_ring_add(buffers, buffer_memory + buffer * buffer_bytes, (unsigned)buffer_bytes,
                          (unsigned short)buffer, io_uring_buf_ring_mask(buffer_count), 0);
    io_uring_buf_ring_advance(buffers, 1);
}

static void receive_by_ring(conn *from)
{
    struct io_uring_sqe *entry = next_entry();
    io_uring_prep_recv_multishot(entry, from->fd, NULL, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = GROUP;
    entry->user_data = (uintptr_t)from;
}

static void make_buffers(void)
{
    size_t wanted = answer_bytes * (size_t)settings.in_flight;
    buffer_bytes = BUFFER_LEAST_BYTES;
    while (buffer_bytes < wanted)
        buffer_bytes *= 2;
    buffer_count = BUFFERS_MOST;
    while (buffer_count > BUFFERS_LEAST && buffer_count * buffer_bytes > BUFFERS_BYTES)
        buffer_count /= 2;
    size_t ring_bytes = buffer_count * sizeof(struct io_uring_buf);
    buffers = aligned_alloc(4096, ring_bytes < 4096 ? 4096 : ring_bytes);
    buffer_memory = malloc(buffer_count * buffer_bytes);
    if (buffers == NULL || buffer_memory == NULL)
        fail("buffers");
    memset(buffers, 0, ring_bytes);
    memset(buffer_memory, 0, buffer_count * buffer_bytes); /* so that it is there */
    io_uring_buf_ring_init(buffers);
}

/* From here on the ring does what epoll did. False where there is none. */
static bool change_to_ring(void)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = 8 * ENTRIES,
    };
    if (io_uring_queue_init_params(ENTRIES, &ring, &params) != 0)
        return false;
    make_buffers();
    struct io_uring_buf_reg group = {
        .ring_addr = (uintptr_t)buffers, .ring_entries = buffer_count, .bgid = GROUP};
    if (io_uring_register_buf_ring(&ring, &group, 0) != 0)
        return false;
    for (unsigned i = 0; i < buffer_count; i++)
        give_back(i);
    close(epoll_fd);
    for (long i = 0; i < settings.connections; i++)
        receive_by_ring(&conns[i]);
    return true;
}

static void take_completion(const struct io_uring_cqe *completion)
{
    conn *of = (conn *)(uintptr_t)(completion->user_data & ~UINT64_C(1));
    errno = completion->res < 0 ? -completion->res : ECONNRESET;
    if ((completion->user_data & 1) != 0) {
        if (completion->res <= 0)
            fail("send");
        of->sending = false;
        of->sent += (uint64_t)completion->res;
        send_by_ring(of);
        return;
    }
    if (completion->res <= 0 && completion->res != -ENOBUFS)
        fail("a connection has ended");
    if (completion->res > 0) {
        give_back(completion->flags >> IORING_CQE_BUFFER_SHIFT);
        take_bytes(of, (uint64_t)completion->res);
    }
    if ((completion->flags & IORING_CQE_F_MORE) == 0)
        receive_by_ring(of);
}

static void turn_ring(const struct timespec *wait)
{
    struct io_uring_cqe *all[EVENTS], *first;
    struct __kernel_timespec most = {.tv_sec = wait->tv_sec, .tv_nsec = wait->tv_nsec};
    io_uring_submit_and_wait_timeout(&ring, &first, 1, &most, NULL);
    unsigned count = io_uring_peek_batch_cqe(&ring, all, EVENTS);
    for (unsigned i = 0; i < count; i++)
        take_completion(all[i]);
    io_uring_cq_advance(&ring, count);
}

/* -------------------------------------------------------------------------- a turn */

static void turn(int64_t until_us)
{
    struct epoll_event events[EVENTS];
    int64_t left_us = until_us - now_us();
    struct timespec wait = {.tv_sec = left_us > 0 ? left_us / 1000000 : 0,
                            .tv_nsec = left_us > 0 ? left_us % 1000000 * 1000 : 0};
    if (by_ring) {
        turn_ring(&wait);
        return;
    }
    int count = epoll_pwait2(epoll_fd, events, EVENTS, &wait, NULL);
    for (int i = 0; i < count; i++) {
        conn *it = events[i].data.ptr;
        if (it->state == CONNECTING) {
            if ((events[i].events & (EPOLLOUT | EPOLLERR)) != 0)
                finish_connect(it);
            continue;
        }
        if ((events[i].events & EPOLLIN) != 0)
            receive(it);
        if ((events[i].events & EPOLLOUT) != 0)
            send_owed(it);
    }
}

static void run_until(int64_t end_us)
{
    for (int64_t now = now_us(); now < end_us; now = now_us()) {
        int64_t wake_us = end_us;
        if (settings.rate > 0) {
            int64_t next_us = ask_due(now);
            wake_us = next_us < end_us ? next_us : end_us;
        }
        turn(wake_us);
    }
}

static void open_all(long at_once)
{
    int64_t give_up_us = now_us() + PATIENCE_US;
    while (open_now < settings.connections || waiting > 0) {
        open_more(at_once);
        turn(now_us() + 100000);
        errno = ETIMEDOUT;
        if (now_us() > give_up_us)
            fail("not all connections were opened and answered");
    }
}

/* ---------------------------------------------------------------------- the command */

static void read_settings(int argc, char **argv)
{
    static const struct {
        const char *name;
        long *to;
    } names[] = {{"port", &settings.port},           {"connections", &settings.connections},
                 {"in_flight", &settings.in_flight}, {"size", &settings.size},
                 {"rate", &settings.rate},           {"ms", &settings.ms},
                 {"warm_ms", &settings.warm_ms},     {"floor", &settings.floor},
                 {"together", &settings.together},   {"pid", &settings.pid}};
    errno = EINVAL;
    if (argc < 2)
        fail("which mode?");
    settings.mode = argv[1];
    for (int i = 2; i < argc; i++) {
        size_t k = 0, count = sizeof names / sizeof names[0], size = strcspn(argv[i], "=");
        while (k < count && (strlen(names[k].name) != size ||
                             strncmp(names[k].name, argv[i], size) != 0 || argv[i][size] == 0))
            k++;
        if (k == count)
            fail(argv[i]);
        *names[k].to = atol(argv[i] + size + 1);
    }
    if (settings.connections < 1 || settings.in_flight < 1 || settings.port < 1)
        fail("a port, connections and in_flight are needed");
}

static void allow_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static bench_subject read_subject(pid_t pid)
{
    bench_subject subject = {.cpu_us = 0};
    if (pid != 0 && !bench_subject_read(&subject, pid))
        fail("pid");
    return subject;
}

static void measure(void)
{
    bool storm = strcmp(settings.mode, "storm") == 0;
    if (!storm) {
        open_all(OPENING_AT_ONCE);
        by_ring = change_to_ring();
        began_us = now_us();
        for (long i = 0; settings.rate == 0 && i < settings.connections; i++)
            ask(&conns[i], (uint64_t)settings.in_flight);
        run_until(began_us + settings.warm_ms * 1000);
    }
    bench_subject own = read_subject(getpid()), subject = read_subject((pid_t)settings.pid);
    uint64_t before = answered;
    int64_t from_us = now_us();
    times = (bench_times){.count = 0};
    if (storm) {
        began_us = from_us;
        waiting = (uint64_t)settings.connections;
        open_all(settings.connections);
    } else {
        run_until(from_us + settings.ms * 1000);
    }
    double took_us = (double)(now_us() - from_us), count = (double)(answered - before);
    double own_us = (double)(read_subject(getpid()).cpu_us - own.cpu_us);
    double cpu_us = (double)(read_subject((pid_t)settings.pid).cpu_us - subject.cpu_us);
    printf("{\"answered\": %.0f, \"seconds\": %.6f, \"per_s\": %.1f, \"own_share\": %.3f, "
           "\"share\": %.3f, \"cpu_s_a_million\": %.4f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
           count, took_us / 1e6, count * 1e6 / took_us, own_us / took_us, cpu_us / took_us,
           count > 0 ? cpu_us / count : -1, (double)bench_times_quantile_us(&times, 0.5) / 1000,
           (double)bench_times_quantile_us(&times, 0.99) / 1000);
}

int main(int argc, char **argv)
{
    read_settings(argc, argv);
    allow_descriptors();
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
    make_frames();
    conns = calloc((size_t)settings.connections, sizeof *conns);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (conns == NULL || epoll_fd < 0)
        fail("start");
    measure();
    return 0; /* the system closes what is open, and the server is ended after us */
}
