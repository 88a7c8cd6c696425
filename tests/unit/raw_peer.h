/*
 * A peer made of a bare socket, for tests in which the very bytes matter, or the
 * moment at which none come.
 */
#ifndef VT_TESTS_RAW_PEER_H
#define VT_TESTS_RAW_PEER_H

#include "live.h"

typedef struct raw_peer {
    int fd;      /* -1: closed */
    bool ended;  /* end of stream, or an error */
    int error;   /* errno of the end; 0: orderly */
    size_t size; /* of what has come and was not taken */
    size_t capacity;
    uint8_t *bytes; /* owned */
} raw_peer;

/* ---------------------------------------------------------------- connections */

static inline struct sockaddr_in raw_loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

/* Bound to a port that was picked, and not listening: connections are refused. */
static inline int raw_bind(uint16_t *port)
{
    struct sockaddr_in address = raw_loopback(0);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static inline int raw_listen(uint16_t *port)
{
    int fd = raw_bind(port);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

static inline void raw_start(raw_peer *peer, int fd)
{
    *peer = (raw_peer){.fd = fd};
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

/* Whether somebody has come. */
static inline bool raw_accept(raw_peer *peer, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return false;
    raw_start(peer, fd);
    return true;
}

/* `room`: a small SO_RCVBUF; 0: as usual. */
static inline void raw_connect(raw_peer *peer, uint16_t port, int room)
{
    struct sockaddr_in address = raw_loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (room > 0)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    raw_start(peer, fd);
}

static inline void raw_close(raw_peer *peer)
{
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
    free(peer->bytes);
    peer->bytes = NULL;
    peer->size = peer->capacity = 0;
}

static inline void raw_reset(raw_peer *peer)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
    raw_close(peer);
}

/* ---------------------------------------------------------------------- bytes */

/* For little: what does not fit into the kernel is a broken test. */
static inline void raw_send(const raw_peer *peer, const void *bytes, size_t size)
{
    assert_int_equal(send(peer->fd, bytes, size, MSG_NOSIGNAL), size);
}

/* At most so many bytes of what is there. */
static inline void raw_read(raw_peer *peer, size_t size)
{
    if (peer->ended)
        return;
    if (peer->capacity < peer->size + size + 1) {
        peer->capacity = 2 * (peer->size + size + 1);
        peer->bytes = realloc(peer->bytes, peer->capacity);
        assert_non_null(peer->bytes);
    }
    ssize_t had = recv(peer->fd, peer->bytes + peer->size, size, MSG_DONTWAIT);
    if (had < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    peer->ended = had <= 0;
    peer->error = had < 0 ? errno : 0;
    peer->size += had > 0 ? (size_t)had : 0;
    peer->bytes[peer->size] = '\0';
}

static inline bool raw_has(raw_peer *peer, const char *text)
{
    raw_read(peer, 64 * 1024);
    return peer->size > 0 && memmem(peer->bytes, peer->size, text, strlen(text)) != NULL;
}

static inline bool raw_ended(raw_peer *peer)
{
    raw_read(peer, 64 * 1024);
    return peer->ended;
}

static inline void raw_take(raw_peer *peer, size_t size)
{
    assert_true(size <= peer->size);
    memmove(peer->bytes, peer->bytes + size, peer->size - size);
    peer->size -= size;
    peer->bytes[peer->size] = '\0';
}

#endif
