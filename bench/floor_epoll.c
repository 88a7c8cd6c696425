/*
 * The floor of epoll(7): edge-triggered, one read and one write for whatever has come.
 * What does not fit into the socket is kept, and sent when there is room.
 *
 * usage: bench_floor_epoll PORT
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "floor.h"

enum { EVENTS = 512 };

typedef struct rest {
    char *data; /* owned; NULL: nothing is kept */
    size_t size;
} rest;

static rest rests[FLOOR_DESCRIPTORS];
static char bytes[FLOOR_BYTES];
static int epoll_fd;

static void end(int fd)
{
    free(rests[fd].data);
    rests[fd] = (rest){.data = NULL};
    close(fd);
}

/* False if some of it is kept. */
static bool send_all(int fd, const char *data, size_t size)
{
    ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
    size_t done = sent > 0 ? (size_t)sent : 0;
    if (done == size)
        return true;
    char *kept = malloc(size - done);
    if (kept == NULL)
        floor_fail("malloc");
    memcpy(kept, data + done, size - done);
    free(rests[fd].data);
    rests[fd] = (rest){kept, size - done};
    return false;
}

static void echo(int fd)
{
    for (;;) {
        ssize_t size = recv(fd, bytes, sizeof bytes, 0);
        if (size < 0 && errno == EAGAIN)
            return;
        if (size <= 0) {
            end(fd);
            return;
        }
        bool request = floor_is_request(bytes, (size_t)size);
        if (!(request ? send_all(fd, floor_upgraded, sizeof floor_upgraded - 1)
                      : send_all(fd, bytes, (size_t)size)) ||
            (size_t)size < sizeof bytes)
            return;
    }
}

static void handle(int fd)
{
    rest kept = rests[fd];
    rests[fd].data = NULL;
    bool sent = kept.data == NULL || send_all(fd, kept.data, kept.size);
    free(kept.data);
    if (sent)
        echo(fd);
}

static void accept_all(int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    .data.fd = fd};
        if (fd >= FLOOR_DESCRIPTORS || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
            floor_fail("epoll_ctl");
    }
}

int main(int argc, char **argv)
{
    int listener = floor_listen(argc > 1 ? argv[1] : "0");
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN | EPOLLET, .data.fd = listener}};
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &events[0]) != 0)
        floor_fail("epoll_ctl");
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(listener);
            else
                handle(events[i].data.fd);
        }
    }
}
