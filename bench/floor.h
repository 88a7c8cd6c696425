/*
 * What the two floors share: they listen, answer one upgrade with 101, and from then on
 * send back each byte as it came. They read no frames, unmask nothing, and know no pings:
 * what they cost is what the kernel costs, by one way of asking it. The answer to a message
 * is four bytes longer than a server's, since it still has its mask.
 */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum {
    FLOOR_BACKLOG = 4096,
    FLOOR_BYTES = 65536, /* read at once */
    FLOOR_DESCRIPTORS = 65536,
};

/* The load always asks with the same key (RFC 6455 1.3). */
static const char floor_upgraded[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                     "Connection: Upgrade\r\n"
                                     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static inline _Noreturn void floor_fail(const char *what)
{
    perror(what);
    exit(1);
}

/* Whether these bytes end a request for an upgrade: the load sends it whole. */
static inline bool floor_is_request(const char *data, size_t size)
{
    return size >= 4 && memcmp(data, "GET ", 4) == 0;
}

static inline int floor_listen(const char *port)
{
    int on = 1;
    struct rlimit limit;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(port)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* those accepted inherit it */
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, FLOOR_BACKLOG) != 0)
        floor_fail("listen");
    return fd;
}

#endif
