/*
 * The loop on epoll(7), playing completions on top of readiness.
 *
 * Each descriptor is registered once, edge-triggered, for everything, so that
 * a connection costs one epoll_ctl in its life and an idle one costs nothing.
 * An edge puts a stream on the `readable` list; it stays there, a buffer's
 * worth a turn, until the kernel has no more: one peer cannot starve the rest.
 * Sends of a turn wait on the `sending` list until its end, so that answers to
 * one read leave in one write.
 *
 * What is closed in a turn is freed at its end: events of the same batch may
 * still point to it.
 */
#include "backend.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "resolver.h"
#include "socket.h"
#include "tcp_info.h"

enum {
    EVENTS_A_TURN = 256,
    ACCEPTS_A_TURN = 64,
    RECEIVE_BYTES = 64 * 1024,
    /* A polite end waits so long for the peer's own. */
    LINGER_US = 2 * 1000 * 1000,
    LIMBO_US = 5 * 1000 * 1000, /* likewise of a peer that was given up */
    /* So many polite ends at one time; the oldest makes room for one more. */
    LINGERING_MOST = 1024,
    /* The kernel had no buffer: it says nothing when it has one again. */
    STARVED_US = 20 * 1000,
    /* Out of descriptors: the time until some may be free again. */
    ACCEPT_PAUSE_US = 200 * 1000,
};

/* What epoll's data points to. */
typedef enum source_kind { WAKE, STREAM, LISTENER, NAMES } source_kind;

typedef struct epoll_source {
    source_kind kind;
    int fd;           /* -1: closed, waiting for its burial */
    vt_list readable; /* in the loop's list of that name, or in none */
} epoll_source;

typedef struct epoll_loop {
    vital_loop base;
    int epoll_fd;
    epoll_source wake;
    vt_list readable;  /* sources with bytes or connections waiting */
    vt_list sending;   /* streams with a send to try */
    vt_list starved;   /* streams with a send that the kernel had no buffer for */
    vt_list lingering; /* streams without an owner, waiting for the peer's end */
    size_t lingering_count;
    vt_timer feed; /* of the starved */
    vt_resolver *resolver;
    epoll_source names[VT_RESOLVER_SOCKETS];
    uint8_t received[RECEIVE_BYTES]; /* lent to one stream at a time */
} epoll_loop;

typedef struct epoll_stream {
    vt_stream base;
    epoll_source source;
    bool connecting;
    bool paused;
    bool edge;         /* there may be something to read */
    bool hung_up;      /* the kernel has announced the end: read until it comes */
    bool ended;        /* the end has been delivered */
    bool limbo;        /* what comes would be a mistake of ours */
    bool blocked;      /* the send waits for room in the kernel */
    int error;         /* of a connect that failed at once */
    int reported;      /* errno that a router has reported, since anything came; 0: none */
    vital_bytes bytes; /* being sent; size 0: nothing */
    size_t sent;
    vt_list sending;
    vt_list lingering;
    vt_timer linger;
    vt_grave grave;
} epoll_stream;

typedef struct epoll_listener {
    vt_listener base;
    epoll_source source;
    vt_timer pause;
    char unlink_path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "" if none */
    vt_grave grave;
} epoll_listener;

static epoll_loop *epoll_of(vital_loop *loop)
{
    return (epoll_loop *)loop;
}

/* ------------------------------------------------------------------- the loop */

static int64_t now_us(vital_loop *loop)
{
    (void)loop;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int seed(vital_loop *loop, uint8_t out[VT_RANDOM_SEED_BYTES])
{
    (void)loop;
    return getrandom(out, VT_RANDOM_SEED_BYTES, 0) == VT_RANDOM_SEED_BYTES ? 0 : -1;
}

static void init_source(epoll_source *source, source_kind kind, int fd)
{
    source->kind = kind;
    source->fd = fd;
    vt_list_init(&source->readable);
}

static int watch(epoll_loop *loop, epoll_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event);
}

static int start(vital_loop *base, void *world)
{
    (void)world; /* there is just one */
    epoll_loop *loop = epoll_of(base);
    vt_list_init(&loop->readable);
    vt_list_init(&loop->sending);
    vt_list_init(&loop->starved);
    vt_list_init(&loop->lingering);
    for (size_t i = 0; i < VT_RESOLVER_SOCKETS; i++)
        init_source(&loop->names[i], NAMES, -1);

    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return -1;
    init_source(&loop->wake, WAKE, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (loop->wake.fd >= 0 && watch(loop, &loop->wake, EPOLLIN) == 0)
        return 0;
    int error = errno;
    if (loop->wake.fd >= 0)
        close(loop->wake.fd);
    close(loop->epoll_fd);
    errno = error;
    return -1;
}

static void close_socket(epoll_stream *stream);

static void finish(vital_loop *base)
{
    epoll_loop *loop = epoll_of(base);
    while (!vt_list_empty(&loop->lingering))
        close_socket(VT_LIST_OWNER(loop->lingering.next, epoll_stream, lingering));
    vt_timer_finish(&loop->feed, base);
    vt_resolver_destroy(loop->resolver);
    close(loop->wake.fd);
    close(loop->epoll_fd);
}

static int loop_fd(const vital_loop *loop)
{
    return ((const epoll_loop *)loop)->epoll_fd;
}

static bool busy(vital_loop *base)
{
    epoll_loop *loop = epoll_of(base);
    return !vt_list_empty(&loop->readable) || !vt_list_empty(&loop->sending);
}

static void wake(vital_loop *base)
{
    uint64_t one = 1;
    /* A full counter is awake already. */
    ssize_t written = write(epoll_of(base)->wake.fd, &one, sizeof one);
    (void)written;
}

/* -------------------------------------------------------------------- sending */

static void want_send(epoll_stream *stream)
{
    vt_list_append(&epoll_of(stream->base.loop)->sending, &stream->sending);
}

static void stream_send(vt_stream *base, vital_bytes bytes)
{
    epoll_stream *stream = (epoll_stream *)base;
    assert(stream->bytes.size == 0 && bytes.size > 0 && !stream->connecting);
    stream->bytes = bytes;
    stream->sent = 0;
    want_send(stream);
}

static void feed_starved(void *owner)
{
    epoll_loop *loop = owner;
    vt_list_move(&loop->sending, &loop->starved);
}

/* False without memory for a timer: then the send has failed. */
static bool starve(epoll_stream *stream)
{
    vital_loop *base = stream->base.loop;
    epoll_loop *loop = epoll_of(base);
    if (loop->feed.fire == NULL && vt_timer_init(&loop->feed, base, feed_starved, loop) != 0)
        return false;
    vt_list_append(&loop->starved, &stream->sending);
    vt_timer_arm(&loop->feed, base, base->clock.now_us + STARVED_US);
    return true;
}

/* What a router has said (ICMP), of which TCP thinks nothing yet, is told once like
 * an error that ends the connection, and is none. */
static bool is_report(epoll_stream *stream, int error)
{
    vital_evidence evidence;
    if (!vt_socket_error_is_report(error) || !vt_tcp_info_read(stream->source.fd, &evidence))
        return false;
    stream->reported = error;
    return true;
}

static void send_some(epoll_stream *stream)
{
    const uint8_t *data = stream->bytes.data;
    bool reported = false;
    while (stream->sent < stream->bytes.size) {
        ssize_t sent = send(stream->source.fd, data + stream->sent,
                            stream->bytes.size - stream->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            stream->sent += (size_t)sent;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            stream->blocked = true;
            return;
        }
        if (errno == ENOBUFS && starve(stream))
            return;
        int error = errno;
        bool again = !reported && is_report(stream, error);
        reported = true;
        if (again)
            continue;
        stream->bytes.size = 0;
        stream->base.events->sent(stream->base.owner, stream->sent, error);
        return;
    }
    size_t size = stream->sent;
    stream->bytes.size = 0;
    stream->base.events->sent(stream->base.owner, size, 0);
}

static void submit(vital_loop *base)
{
    vt_list ready, *link;
    vt_list_init(&ready);
    vt_list_move(&ready, &epoll_of(base)->sending);
    while ((link = vt_list_take(&ready)) != NULL)
        send_some(VT_LIST_OWNER(link, epoll_stream, sending));
}

/* ------------------------------------------------------------------ receiving */

static void want_read(epoll_stream *stream)
{
    if (stream->edge && !stream->paused && !stream->ended && !stream->connecting)
        vt_list_append(&epoll_of(stream->base.loop)->readable, &stream->source.readable);
}

static void deliver(epoll_stream *stream, size_t size, int error)
{
    if (size == 0)
        stream->ended = true;
    if (stream->limbo && size > 0)
        epoll_of(stream->base.loop)->base.stats.mistakes++;
    stream->limbo = stream->limbo && size == 0; /* once */
    if (stream->base.events != NULL)
        stream->base.events->received(stream->base.owner, epoll_of(stream->base.loop)->received,
                                      size, error);
    else if (stream->ended && stream->source.fd >= 0)
        close_socket(stream); /* lingering, and the peer has ended too */
}

static void receive_some(epoll_stream *stream)
{
    epoll_loop *loop = epoll_of(stream->base.loop);
    ssize_t size;
    do {
        size = recv(stream->source.fd, loop->received, RECEIVE_BYTES, MSG_DONTWAIT);
    } while (size < 0 && errno == EINTR);

    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        stream->edge = false;
        return;
    }
    if (size < 0 && is_report(stream, errno)) {
        want_read(stream);
        return;
    }
    stream->reported = 0;
    /* A short read has emptied the socket (epoll(7)), unless its end has been
     * announced: that comes as a read of its own. */
    if (size > 0 && size < RECEIVE_BYTES && !stream->hung_up)
        stream->edge = false;
    int error = size < 0 ? errno : 0;
    deliver(stream, size > 0 ? (size_t)size : 0, error);
    if (stream->source.fd >= 0)
        want_read(stream);
}

static void stream_pause(vt_stream *base, bool pause)
{
    epoll_stream *stream = (epoll_stream *)base;
    stream->paused = pause;
    if (pause)
        vt_list_remove(&stream->source.readable);
    else
        want_read(stream);
}

static void stream_poll(vt_stream *base)
{
    epoll_stream *stream = (epoll_stream *)base;
    if (stream->connecting || stream->paused || stream->ended)
        return;
    vt_list_remove(&stream->source.readable);
    receive_some(stream);
}

static bool stream_info(vt_stream *base, vital_evidence *out)
{
    const epoll_stream *stream = (const epoll_stream *)base;
    if (stream->connecting || stream->source.fd < 0 || !vt_tcp_info_read(stream->source.fd, out))
        return false;
    out->error = stream->reported;
    return true;
}

/* -------------------------------------------------------------------- streams */

static void bury_stream(vt_grave *grave)
{
    free(VT_LIST_OWNER(grave, epoll_stream, grave));
}

static void close_socket(epoll_stream *stream)
{
    close(stream->source.fd);
    stream->source.fd = -1;
    vt_list_remove(&stream->source.readable);
    vt_list_remove(&stream->sending);
    if (!vt_list_empty(&stream->lingering))
        epoll_of(stream->base.loop)->lingering_count--;
    vt_list_remove(&stream->lingering);
    vt_timer_finish(&stream->linger, stream->base.loop);
    vt_loop_bury(stream->base.loop, &stream->grave, bury_stream);
}

/* Takes the descriptor over, also when it fails. */
static epoll_stream *new_stream(epoll_loop *loop, int fd, bool connecting)
{
    epoll_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        goto fail;
    stream->base.loop = &loop->base;
    init_source(&stream->source, STREAM, fd);
    stream->connecting = connecting;
    vt_list_init(&stream->sending);
    vt_list_init(&stream->lingering);
    if (watch(loop, &stream->source, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) != 0)
        goto fail;
    return stream;

fail:;
    int error = errno;
    free(stream);
    close(fd);
    errno = error;
    return NULL;
}

static vt_stream *stream_connect(vital_loop *base, const vt_address *to)
{
    int error;
    int fd = vt_socket_connect(to, &error);
    epoll_stream *stream = fd < 0 ? NULL : new_stream(epoll_of(base), fd, true);
    if (stream == NULL)
        return NULL;
    if (error != 0) {
        /* Completions come later, also of what has failed at once. */
        stream->error = error;
        stream->edge = true;
        vt_list_append(&epoll_of(base)->readable, &stream->source.readable);
    }
    return &stream->base;
}

static void finish_connect(epoll_stream *stream)
{
    int error = stream->error;
    socklen_t size = sizeof error;
    if (error == 0 && getsockopt(stream->source.fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error == 0 && vt_socket_is_own_peer(stream->source.fd))
        error = ECONNREFUSED;
    stream->connecting = false;
    if (error != 0)
        stream->ended = true;
    if (stream->base.events != NULL)
        stream->base.events->connected(stream->base.owner, error);
    if (stream->source.fd >= 0)
        want_read(stream);
}

static void end_linger(void *owner)
{
    close_socket(owner);
}

static void stream_close(vt_stream *base, vt_stream_end how, vital_bytes farewell)
{
    epoll_stream *stream = (epoll_stream *)base;
    epoll_loop *loop = epoll_of(base->loop);
    bool in_flight = stream->bytes.size > 0;
    stream->bytes.size = 0;
    vt_list_remove(&stream->sending);

    bool live = !stream->connecting && !stream->ended;
    if (live && farewell.size > 0 && !in_flight) {
        ssize_t sent = send(stream->source.fd, farewell.data, farewell.size,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent; /* if it can be: that is all that is promised */
    }
    if (how != VT_END_ABRUPT && live && shutdown(stream->source.fd, SHUT_WR) == 0 &&
        vt_timer_init(&stream->linger, base->loop, end_linger, stream) == 0) {
        stream->paused = false;
        if (++loop->lingering_count > LINGERING_MOST)
            close_socket(VT_LIST_OWNER(loop->lingering.next, epoll_stream, lingering));
        vt_list_append(&loop->lingering, &stream->lingering);
        stream->limbo = how == VT_END_LIMBO;
        vt_timer_arm(&stream->linger, base->loop,
                     loop->base.clock.now_us + (stream->limbo ? LIMBO_US : LINGER_US));
        want_read(stream);
        return;
    }
    if (how == VT_END_ABRUPT) {
        struct linger none = {.l_onoff = 1, .l_linger = 0};
        setsockopt(stream->source.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    }
    close_socket(stream);
}

/* ------------------------------------------------------------------ listeners */

static void resume_accepting(void *owner)
{
    epoll_listener *listener = owner;
    vt_list_append(&epoll_of(listener->base.loop)->readable, &listener->source.readable);
}

static vt_listener *stream_listen(vital_loop *base, const vt_address *on, bool share_port,
                                  vt_address *bound)
{
    epoll_loop *loop = epoll_of(base);
    epoll_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return NULL;
    listener->base.loop = base;
    init_source(&listener->source, LISTENER, vt_socket_listen(on, share_port, bound));
    if (listener->source.fd < 0)
        goto fail;
    if (watch(loop, &listener->source, EPOLLIN | EPOLLET) != 0 ||
        vt_timer_init(&listener->pause, base, resume_accepting, listener) != 0)
        goto fail;
    if (on->any.sa_family == AF_UNIX && on->un.sun_path[0] != '\0')
        snprintf(listener->unlink_path, sizeof listener->unlink_path, "%s", on->un.sun_path);
    return &listener->base;

fail:;
    int error = errno;
    if (listener->source.fd >= 0)
        close(listener->source.fd);
    free(listener);
    errno = error;
    return NULL;
}

static void bury_listener(vt_grave *grave)
{
    free(VT_LIST_OWNER(grave, epoll_listener, grave));
}

static void stream_unlisten(vt_listener *base)
{
    epoll_listener *listener = (epoll_listener *)base;
    close(listener->source.fd);
    listener->source.fd = -1;
    if (listener->unlink_path[0] != '\0')
        unlink(listener->unlink_path);
    vt_list_remove(&listener->source.readable);
    vt_timer_finish(&listener->pause, base->loop);
    vt_loop_bury(base->loop, &listener->grave, bury_listener);
}

static void accept_some(epoll_listener *listener)
{
    epoll_loop *loop = epoll_of(listener->base.loop);
    for (int i = 0; i < ACCEPTS_A_TURN && listener->source.fd >= 0; i++) {
        vt_address peer = {.size = sizeof peer.un};
        int fd = accept4(listener->source.fd, &peer.any, &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            vt_socket_tune(fd, peer.any.sa_family);
            epoll_stream *stream = new_stream(loop, fd, false);
            if (stream != NULL)
                listener->base.accepted(listener->base.owner, &stream->base, &peer);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            vt_timer_arm(&listener->pause, &loop->base, loop->base.clock.now_us + ACCEPT_PAUSE_US);
            return;
        }
        /* Anything else is about the one connection that failed (accept(2)). */
    }
    if (listener->source.fd >= 0)
        vt_list_append(&loop->readable, &listener->source.readable);
}

/* ---------------------------------------------------------------------- names */

/* The resolver's sockets: few, short-lived, and not ours, so level-triggered. */
static void watch_name_socket(void *owner, int fd, bool read, bool write)
{
    epoll_loop *loop = owner;
    epoll_source *free_source = NULL, *known = NULL;
    for (size_t i = 0; i < VT_RESOLVER_SOCKETS; i++) {
        if (loop->names[i].fd == fd)
            known = &loop->names[i];
        else if (loop->names[i].fd < 0)
            free_source = &loop->names[i];
    }
    struct epoll_event event = {.events = (read ? EPOLLIN : 0u) | (write ? EPOLLOUT : 0u)};
    if (!read && !write) {
        if (known != NULL) {
            epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
            known->fd = -1;
        }
    } else if (known != NULL) {
        event.data.ptr = known;
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event);
    } else if (free_source != NULL) {
        free_source->fd = fd;
        watch(loop, free_source, event.events);
    } /* else: more sockets than we watch; the resolver's own timeout serves it */
}

static vt_lookup *start_lookup(vital_loop *base, const char *host, uint16_t port)
{
    epoll_loop *loop = epoll_of(base);
    if (loop->resolver != NULL && vt_resolver_outdated(loop->resolver)) {
        vt_resolver_destroy(loop->resolver);
        loop->resolver = NULL;
    }
    if (loop->resolver == NULL)
        loop->resolver = vt_resolver_create(base, watch_name_socket, loop);
    if (loop->resolver == NULL)
        return NULL;
    return vt_resolver_lookup(loop->resolver, host, port);
}

/* --------------------------------------------------------------------- a turn */

static void take_event(epoll_loop *loop, const struct epoll_event *event)
{
    epoll_source *source = event->data.ptr;
    if (source->fd < 0)
        return; /* closed earlier in this batch */

    switch (source->kind) {
    case WAKE: {
        uint64_t count;
        ssize_t size = read(source->fd, &count, sizeof count);
        (void)size;
        break;
    }
    case STREAM: {
        epoll_stream *stream = VT_LIST_OWNER(source, epoll_stream, source);
        if (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            stream->edge = true;
        if (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            stream->hung_up = true;
        if (stream->connecting) {
            vt_list_append(&loop->readable, &stream->source.readable);
            break;
        }
        if (stream->blocked && (event->events & (EPOLLOUT | EPOLLHUP | EPOLLERR))) {
            stream->blocked = false;
            if (stream->bytes.size > 0)
                want_send(stream);
        }
        want_read(stream);
        break;
    }
    case LISTENER: {
        epoll_listener *listener = VT_LIST_OWNER(source, epoll_listener, source);
        vt_list_append(&loop->readable, &listener->source.readable);
        break;
    }
    case NAMES:
        vt_resolver_ready(loop->resolver, source->fd,
                          (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0,
                          (event->events & EPOLLOUT) != 0);
        break;
    }
}

static void serve_readable(epoll_loop *loop)
{
    /* What is still readable after its share goes back to the end of the list,
     * for the next turn: so the list of this turn is taken first. */
    vt_list ready, *link;
    vt_list_init(&ready);
    vt_list_move(&ready, &loop->readable);
    while ((link = vt_list_take(&ready)) != NULL) {
        epoll_source *source = VT_LIST_OWNER(link, epoll_source, readable);
        if (source->kind == LISTENER) {
            accept_some(VT_LIST_OWNER(source, epoll_listener, source));
            continue;
        }
        epoll_stream *stream = VT_LIST_OWNER(source, epoll_stream, source);
        if (stream->connecting)
            finish_connect(stream);
        else
            receive_some(stream);
    }
}

static int timeout_ms(vital_loop *base, int64_t until_us)
{
    if (until_us == INT64_MAX)
        return -1;
    int64_t wait_us = until_us - now_us(base);
    if (wait_us <= 0)
        return 0;
    int64_t wait_ms = (wait_us + 999) / 1000;
    return wait_ms > 3600 * 1000 ? 3600 * 1000 : (int)wait_ms;
}

static int wait(vital_loop *base, int64_t until_us)
{
    epoll_loop *loop = epoll_of(base);
    struct epoll_event events[EVENTS_A_TURN];
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_A_TURN, timeout_ms(base, until_us));
    if (count < 0 && errno != EINTR)
        return -1;
    vt_loop_woke(base);
    for (int i = 0; i < count; i++)
        take_event(loop, &events[i]);
    serve_readable(loop);
    return 0;
}

const vt_backend vt_backend_epoll = {
    .name = "epoll",
    .size = sizeof(epoll_loop),
    .start = start,
    .finish = finish,
    .now_us = now_us,
    .seed = seed,
    .fd = loop_fd,
    .wait = wait,
    .submit = submit,
    .busy = busy,
    .wake = wake,
    .connect = stream_connect,
    .send = stream_send,
    .pause = stream_pause,
    .poll = stream_poll,
    .info = stream_info,
    .close = stream_close,
    .listen = stream_listen,
    .unlisten = stream_unlisten,
    .lookup = start_lookup,
    .cancel = vt_resolver_cancel,
};
