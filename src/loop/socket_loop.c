/*
 * A stream's life is its owner's until vt_stream_close(), and the loop's after it.
 * Half-closed and without an owner it lingers, because a close(2) over unread bytes
 * resets the connection, and a reset overtakes what was sent before: the peer would
 * lose our last words. Lingering is bounded in time and number.
 */
#include "socket_loop.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "socket.h"
#include "tcp_info.h"

enum {
    /* A polite end waits so long for the peer's own. */
    LINGER_US = 2 * 1000 * 1000,
    LIMBO_US = 5 * 1000 * 1000, /* likewise of a peer that was given up */
    /* So many polite ends at one time; the oldest makes room for one more. */
    LINGERING_MOST = 1024,
    STARVED_US = 20 * 1000,
    /* Out of descriptors: the time until some may be free again. */
    ACCEPT_PAUSE_US = 200 * 1000,
};

static vt_socket_loop *loop_of(const vt_socket_stream *stream)
{
    return (vt_socket_loop *)stream->base.loop;
}

/* ------------------------------------------------------------------- the loop */

int vt_socket_loop_start(vt_socket_loop *loop, void (*read_on)(vt_socket_stream *stream),
                         void (*forget)(vt_socket_stream *stream))
{
    loop->read_on = read_on;
    loop->forget = forget;
    vt_list_init(&loop->sending);
    vt_list_init(&loop->starved);
    vt_list_init(&loop->lingering);
    loop->network.fd = -1;
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return loop->wake_fd < 0 ? -1 : 0;
}

void vt_socket_loop_finish(vt_socket_loop *loop)
{
    while (!vt_list_empty(&loop->lingering))
        vt_socket_close(VT_LIST_OWNER(loop->lingering.next, vt_socket_stream, lingering));
    vt_timer_finish(&loop->feed, &loop->base);
    vt_resolver_destroy(loop->resolver);
    vt_network_close(&loop->network);
    loop->resolver = NULL;
    close(loop->wake_fd);
    loop->wake_fd = -1;
}

int64_t vt_socket_now_us(vital_loop *loop)
{
    (void)loop;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t vt_socket_slept_us(vital_loop *loop)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now); /* as the monotonic one, but it does not stop */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - vt_socket_now_us(loop);
}

int vt_socket_seed(vital_loop *loop, uint8_t out[VT_RANDOM_SEED_BYTES])
{
    (void)loop;
    return getrandom(out, VT_RANDOM_SEED_BYTES, 0) == VT_RANDOM_SEED_BYTES ? 0 : -1;
}

void vt_socket_wake(vital_loop *loop)
{
    uint64_t one = 1;
    /* A full counter is awake already. */
    ssize_t written = write(((vt_socket_loop *)loop)->wake_fd, &one, sizeof one);
    (void)written;
}

/* ----------------------------------------------------------------- connecting */

void vt_socket_stream_init(vt_socket_stream *stream, vt_socket_loop *loop, int fd)
{
    stream->base.loop = &loop->base;
    stream->fd = fd;
    vt_list_init(&stream->sending);
    vt_list_init(&stream->lingering);
}

void vt_socket_finish_connect(vt_socket_stream *stream)
{
    int error = stream->error;
    socklen_t size = sizeof error;
    if (error == 0 && getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error == 0 && vt_socket_is_own_peer(stream->fd))
        error = ECONNREFUSED;
    stream->connecting = false;
    if (error != 0)
        stream->ended = true;
    if (stream->base.events != NULL)
        stream->base.events->connected(stream->base.owner, error);
    if (stream->fd >= 0)
        loop_of(stream)->read_on(stream);
}

/* -------------------------------------------------------------------- sending */

void vt_socket_send(vt_stream *base, vital_bytes bytes)
{
    vt_socket_stream *stream = (vt_socket_stream *)base;
    assert(stream->bytes.size == 0 && bytes.size > 0 && !stream->connecting);
    stream->bytes = bytes;
    stream->sent = 0;
    vt_list_append(&loop_of(stream)->sending, &stream->sending);
}

void vt_socket_finish_send(vt_socket_stream *stream, int error)
{
    stream->bytes.size = 0;
    stream->base.events->sent(stream->base.owner, stream->sent, error);
}

static void feed_starved(void *owner)
{
    vt_socket_loop *loop = owner;
    vt_list_move(&loop->sending, &loop->starved);
}

bool vt_socket_starve(vt_socket_stream *stream)
{
    vt_socket_loop *loop = loop_of(stream);
    vital_loop *base = &loop->base;
    if (loop->feed.fire == NULL && vt_timer_init(&loop->feed, base, feed_starved, loop) != 0)
        return false;
    vt_list_append(&loop->starved, &stream->sending);
    vt_timer_arm(&loop->feed, base, base->clock.now_us + STARVED_US);
    return true;
}

/* ------------------------------------------------------------------ receiving */

bool vt_socket_is_report(vt_socket_stream *stream, int error)
{
    vital_evidence evidence;
    if (!vt_socket_error_is_report(error) || !vt_tcp_info_read(stream->fd, &evidence))
        return false;
    stream->reported = error;
    if (stream->base.events != NULL && stream->base.events->reported != NULL)
        stream->base.events->reported(stream->base.owner, error);
    return true;
}

void vt_socket_deliver(vt_socket_stream *stream, uint8_t *data, size_t size, int error)
{
    stream->reported = 0;
    if (size == 0)
        stream->ended = true;
    if (stream->limbo && size > 0)
        stream->base.loop->stats.mistakes++;
    stream->limbo = stream->limbo && size == 0; /* once */
    if (stream->base.events != NULL)
        stream->base.events->received(stream->base.owner, data, size, error);
    else if (stream->ended && stream->fd >= 0)
        vt_socket_close(stream); /* lingering, and the peer has ended too */
}

bool vt_socket_info(vt_stream *base, vital_evidence *out)
{
    const vt_socket_stream *stream = (const vt_socket_stream *)base;
    if (stream->connecting || stream->fd < 0 || !vt_tcp_info_read(stream->fd, out))
        return false;
    if (stream->reported != 0)
        out->error = stream->reported;
    return true;
}

/* --------------------------------------------------------------------- ending */

void vt_socket_close(vt_socket_stream *stream)
{
    vt_socket_loop *loop = loop_of(stream);
    close(stream->fd);
    stream->fd = -1;
    vt_list_remove(&stream->sending);
    if (!vt_list_empty(&stream->lingering))
        loop->lingering_count--;
    vt_list_remove(&stream->lingering);
    vt_timer_finish(&stream->linger, &loop->base);
    loop->forget(stream);
}

static void end_linger(void *owner)
{
    vt_socket_close(owner);
}

void vt_socket_end(vt_stream *base, vt_stream_end how, vital_bytes farewell)
{
    vt_socket_stream *stream = (vt_socket_stream *)base;
    vt_socket_loop *loop = loop_of(stream);
    bool in_flight = stream->bytes.size > 0;
    stream->bytes.size = 0;
    vt_list_remove(&stream->sending);

    bool live = !stream->connecting && !stream->ended;
    if (live && farewell.size > 0 && !in_flight) {
        ssize_t sent = send(stream->fd, farewell.data, farewell.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent; /* if it can be: that is all that is promised */
    }
    if (how != VT_END_ABRUPT && live && shutdown(stream->fd, SHUT_WR) == 0 &&
        vt_timer_init(&stream->linger, base->loop, end_linger, stream) == 0) {
        stream->paused = false;
        if (++loop->lingering_count > LINGERING_MOST)
            vt_socket_close(VT_LIST_OWNER(loop->lingering.next, vt_socket_stream, lingering));
        vt_list_append(&loop->lingering, &stream->lingering);
        stream->limbo = how == VT_END_LIMBO;
        vt_timer_arm(&stream->linger, base->loop,
                     base->loop->clock.now_us + (stream->limbo ? LIMBO_US : LINGER_US));
        loop->read_on(stream);
        return;
    }
    if (how == VT_END_ABRUPT) {
        struct linger none = {.l_onoff = 1, .l_linger = 0};
        setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    }
    vt_socket_close(stream);
}

/* ------------------------------------------------------------------ listeners */

int vt_socket_listener_open(vt_socket_listener *listener, vital_loop *loop, const vt_address *on,
                            bool share_port, vt_address *bound, void (*resume)(void *owner))
{
    listener->base.loop = loop;
    listener->fd = vt_socket_listen(on, share_port, bound);
    if (listener->fd < 0)
        return -1;
    if (vt_timer_init(&listener->pause, loop, resume, listener) != 0) {
        close(listener->fd);
        errno = ENOMEM;
        return -1;
    }
    if (on->any.sa_family == AF_UNIX && on->un.sun_path[0] != '\0')
        snprintf(listener->unlink_path, sizeof listener->unlink_path, "%s", on->un.sun_path);
    return 0;
}

void vt_socket_listener_close(vt_socket_listener *listener)
{
    close(listener->fd);
    listener->fd = -1;
    if (listener->unlink_path[0] != '\0')
        unlink(listener->unlink_path);
    vt_timer_finish(&listener->pause, listener->base.loop);
}

bool vt_socket_pause_listener(vt_socket_listener *listener, int error)
{
    vital_loop *loop = listener->base.loop;
    if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
        return false;
    vt_timer_arm(&listener->pause, loop, loop->clock.now_us + ACCEPT_PAUSE_US);
    return true;
}

/* ---------------------------------------------------------------------- names */

vt_lookup *vt_socket_lookup(vital_loop *base, const char *host, uint16_t port)
{
    vt_socket_loop *loop = (vt_socket_loop *)base;
    if (loop->resolver == NULL)
        loop->resolver = vt_resolver_create(base);
    return loop->resolver == NULL ? NULL : vt_resolver_lookup(loop->resolver, host, port);
}

/* -------------------------------------------------------------------- network */

void vt_socket_read_network(vt_socket_loop *loop)
{
    if (vt_network_read(&loop->network))
        vital_loop_network_changed(&loop->base);
}
