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

static void start_lingering(vt_socket_loop *loop, vt_lingering *crowd, int64_t for_us)
{
    *crowd = (vt_lingering){.loop = loop, .for_us = for_us};
    vt_list_init(&crowd->streams);
}

int vt_socket_loop_start(vt_socket_loop *loop, void (*read_on)(vt_socket_stream *stream),
                         void (*forget)(vt_socket_stream *stream))
{
    loop->read_on = read_on;
    loop->forget = forget;
    vt_list_init(&loop->sending);
    vt_list_init(&loop->starved);
    start_lingering(loop, &loop->polite, LINGER_US);
    start_lingering(loop, &loop->limbo, LIMBO_US);
    loop->network.fd = -1;
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return loop->wake_fd < 0 ? -1 : 0;
}

static vt_socket_stream *first_of(const vt_lingering *crowd)
{
    return VT_LIST_OWNER(crowd->streams.next, vt_socket_stream, queued);
}

static void finish_lingering(vt_lingering *crowd)
{
    while (crowd->count > 0)
        vt_socket_close(first_of(crowd));
    vt_timer_finish(&crowd->timer, &crowd->loop->base);
}

void vt_socket_loop_finish(vt_socket_loop *loop)
{
    finish_lingering(&loop->polite);
    finish_lingering(&loop->limbo);
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
    vt_list_init(&stream->queued);
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
    assert(!stream->sends && bytes.size > 0 && !stream->connecting);
    stream->sends = true;
    stream->bytes = bytes;
    stream->sent = 0;
    vt_list_append(&loop_of(stream)->sending, &stream->queued);
}

void vt_socket_finish_send(vt_socket_stream *stream, int error)
{
    stream->sends = false;
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
    vt_list_append(&loop->starved, &stream->queued);
    vt_timer_arm(&loop->feed, base, base->clock.now_us + STARVED_US);
    return true;
}

/* ------------------------------------------------------------------ receiving */

bool vt_socket_is_report(vt_socket_stream *stream, int error)
{
    vital_evidence evidence;
    if (!vt_socket_error_is_report(error) || !vt_tcp_info_read(stream->fd, &evidence))
        return false;
    stream->reported = (uint16_t)error;
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
    close(stream->fd);
    stream->fd = -1;
    vt_list_remove(&stream->queued);
    if (stream->lingers && --stream->crowd->count == 0)
        vt_timer_arm(&stream->crowd->timer, stream->base.loop, INT64_MAX);
    stream->lingers = false;
    loop_of(stream)->forget(stream);
}

/* The timer was armed for whoever was the first then. */
static void end_linger(void *owner)
{
    vt_lingering *crowd = owner;
    vital_loop *loop = &crowd->loop->base;
    while (crowd->count > 0 && first_of(crowd)->until_us <= loop->clock.now_us)
        vt_socket_close(first_of(crowd));
    if (crowd->count > 0)
        vt_timer_arm(&crowd->timer, loop, first_of(crowd)->until_us);
}

/* Whoever is to go next makes room for one more. */
static void make_room(vt_socket_loop *loop)
{
    const vt_lingering *polite = &loop->polite, *limbo = &loop->limbo;
    if (polite->count + limbo->count < LINGERING_MOST)
        return;
    bool first = limbo->count == 0 ||
                 (polite->count > 0 && first_of(polite)->until_us <= first_of(limbo)->until_us);
    vt_socket_close(first_of(first ? polite : limbo));
}

/* False without memory for a timer. */
static bool linger(vt_socket_stream *stream, vt_lingering *crowd)
{
    vital_loop *loop = stream->base.loop;
    if (crowd->timer.fire == NULL && vt_timer_init(&crowd->timer, loop, end_linger, crowd) != 0)
        return false;
    make_room(crowd->loop);
    stream->lingers = true;
    stream->limbo = crowd == &crowd->loop->limbo;
    stream->paused = false;
    stream->crowd = crowd;
    stream->until_us = loop->clock.now_us + crowd->for_us;
    vt_list_append(&crowd->streams, &stream->queued);
    if (crowd->count++ == 0)
        vt_timer_arm(&crowd->timer, loop, stream->until_us);
    crowd->loop->read_on(stream);
    return true;
}

void vt_socket_end(vt_stream *base, vt_stream_end how, vital_bytes farewell)
{
    vt_socket_stream *stream = (vt_socket_stream *)base;
    vt_socket_loop *loop = loop_of(stream);
    bool in_flight = stream->sends;
    stream->sends = false;
    vt_list_remove(&stream->queued);

    bool live = !stream->connecting && !stream->ended;
    if (live && farewell.size > 0 && !in_flight) {
        ssize_t sent = send(stream->fd, farewell.data, farewell.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent; /* if it can be: that is all that is promised */
    }
    if (how == VT_END_ABRUPT) {
        struct linger none = {.l_onoff = 1, .l_linger = 0};
        setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    } else if (live && shutdown(stream->fd, SHUT_WR) == 0 &&
               linger(stream, how == VT_END_LIMBO ? &loop->limbo : &loop->polite)) {
        return;
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
