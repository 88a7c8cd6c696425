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

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "socket.h"
#include "socket_loop.h"

enum {
    EVENTS_A_TURN = 256,
    ACCEPTS_A_TURN = 64,
};

/* What epoll's data points to. */
typedef enum source_kind { WAKE, STREAM, LISTENER, NAMES, NETWORK } source_kind;

typedef struct epoll_source {
    vt_list readable; /* in the loop's list of that name, or in none */
    uint8_t kind;
    bool edge : 1;    /* STREAM: there may be something to read */
    bool hung_up : 1; /* the kernel has announced the end: read until it comes */
    bool blocked : 1; /* the send waits for room in the kernel */
} epoll_source;

typedef struct epoll_loop {
    vt_socket_loop base;
    int epoll_fd;
    epoll_source wake, names, network;
    bool names_watched;
    vt_list readable; /* sources with bytes or connections waiting */
} epoll_loop;

typedef struct epoll_stream {
    vt_socket_stream base;
    epoll_source source;
} epoll_stream;

typedef struct epoll_listener {
    vt_socket_listener base;
    epoll_source source;
} epoll_listener;

static epoll_loop *epoll_of(vital_loop *loop)
{
    return (epoll_loop *)loop;
}

static epoll_loop *loop_of(const vt_socket_stream *stream)
{
    return epoll_of(stream->base.loop);
}

/* ------------------------------------------------------------------- the loop */

static void init_source(epoll_source *source, source_kind kind)
{
    source->kind = (uint8_t)kind;
    vt_list_init(&source->readable);
}

static int watch(epoll_loop *loop, epoll_source *source, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void want_read(vt_socket_stream *base)
{
    epoll_stream *stream = (epoll_stream *)base;
    if (stream->source.edge && !base->paused && !base->ended && !base->connecting)
        vt_list_append(&loop_of(base)->readable, &stream->source.readable);
}

static void bury_stream(vt_grave *grave)
{
    free(VT_LIST_OWNER(grave, vt_socket_stream, grave)); /* where it begins */
}

static void forget_stream(vt_socket_stream *base)
{
    vt_list_remove(&((epoll_stream *)base)->source.readable);
    vt_loop_bury(base->base.loop, &base->grave, bury_stream);
}

static int start(vital_loop *base, void *world)
{
    (void)world; /* there is just one */
    epoll_loop *loop = epoll_of(base);
    vt_list_init(&loop->readable);
    init_source(&loop->wake, WAKE);
    init_source(&loop->names, NAMES);
    init_source(&loop->network, NETWORK);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return -1;
    if (vt_socket_loop_start(&loop->base, want_read, forget_stream) != 0)
        goto fail;
    if (watch(loop, &loop->wake, loop->base.wake_fd, EPOLLIN) == 0)
        return 0;
    vt_socket_loop_finish(&loop->base);

fail:;
    int error = errno;
    close(loop->epoll_fd);
    errno = error;
    return -1;
}

static void finish(vital_loop *base)
{
    epoll_loop *loop = epoll_of(base);
    vt_socket_loop_finish(&loop->base);
    close(loop->epoll_fd);
}

static int loop_fd(const vital_loop *loop)
{
    return ((const epoll_loop *)loop)->epoll_fd;
}

static bool busy(vital_loop *base)
{
    epoll_loop *loop = epoll_of(base);
    return !vt_list_empty(&loop->readable) || !vt_list_empty(&loop->base.sending);
}

/* -------------------------------------------------------------------- sending */

static void send_some(epoll_stream *self)
{
    vt_socket_stream *stream = &self->base;
    const uint8_t *data = stream->bytes.data;
    bool reported = false;
    while (stream->sent < stream->bytes.size) {
        ssize_t sent = send(stream->fd, data + stream->sent, stream->bytes.size - stream->sent,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            stream->sent += (size_t)sent;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            self->source.blocked = true;
            return;
        }
        if (errno == ENOBUFS && vt_socket_starve(stream))
            return;
        int error = errno;
        bool again = !reported && vt_socket_is_report(stream, error);
        reported = true;
        if (!stream->sends)
            return; /* who was told of it has closed it */
        if (again)
            continue;
        vt_socket_finish_send(stream, error);
        return;
    }
    vt_socket_finish_send(stream, 0);
}

static void submit(vital_loop *base)
{
    vt_list ready, *link;
    vt_list_init(&ready);
    vt_list_move(&ready, &epoll_of(base)->base.sending);
    while ((link = vt_list_take(&ready)) != NULL)
        send_some((epoll_stream *)VT_LIST_OWNER(link, vt_socket_stream, queued));
}

/* ------------------------------------------------------------------ receiving */

static void receive_some(epoll_stream *self)
{
    vt_socket_stream *stream = &self->base;
    uint8_t *received = loop_of(stream)->base.received;
    ssize_t size;
    do {
        size = recv(stream->fd, received, VT_RECEIVE_BYTES, MSG_DONTWAIT);
    } while (size < 0 && errno == EINTR);

    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        self->source.edge = false;
        return;
    }
    if (size < 0 && vt_socket_is_report(stream, errno)) {
        want_read(stream);
        return;
    }
    /* A short read has emptied the socket (epoll(7)), unless its end has been
     * announced: that comes as a read of its own. */
    if (size > 0 && size < VT_RECEIVE_BYTES && !self->source.hung_up)
        self->source.edge = false;
    int error = size < 0 ? errno : 0;
    vt_socket_deliver(stream, received, size > 0 ? (size_t)size : 0, error);
    if (stream->fd >= 0)
        want_read(stream);
}

static void stream_pause(vt_stream *base, bool pause)
{
    epoll_stream *stream = (epoll_stream *)base;
    stream->base.paused = pause;
    if (pause)
        vt_list_remove(&stream->source.readable);
    else
        want_read(&stream->base);
}

static void stream_poll(vt_stream *base)
{
    epoll_stream *stream = (epoll_stream *)base;
    if (stream->base.connecting || stream->base.paused || stream->base.ended)
        return;
    vt_list_remove(&stream->source.readable);
    receive_some(stream);
}

/* -------------------------------------------------------------------- streams */

/* Takes the descriptor over, also when it fails. */
static epoll_stream *new_stream(epoll_loop *loop, int fd)
{
    epoll_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        goto fail;
    vt_socket_stream_init(&stream->base, &loop->base, fd);
    init_source(&stream->source, STREAM);
    if (watch(loop, &stream->source, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) != 0)
        goto fail;
    return stream;

fail:;
    int error = errno;
    free(stream);
    close(fd);
    errno = error;
    return NULL;
}

static vt_stream *stream_connect(vital_loop *base, const vt_address *from, const vt_address *to)
{
    int error;
    int fd = vt_socket_connect(from, to, &error);
    epoll_stream *stream = fd < 0 ? NULL : new_stream(epoll_of(base), fd);
    if (stream == NULL)
        return NULL;
    stream->base.connecting = true;
    if (error != 0) {
        /* Completions come later, also of what has failed at once. */
        stream->base.error = (uint16_t)error;
        stream->source.edge = true;
        vt_list_append(&epoll_of(base)->readable, &stream->source.readable);
    }
    return &stream->base.base;
}

/* ------------------------------------------------------------------ listeners */

static void resume_accepting(void *owner)
{
    epoll_listener *listener = owner;
    vt_list_append(&epoll_of(listener->base.base.loop)->readable, &listener->source.readable);
}

static vt_listener *stream_listen(vital_loop *base, const vt_address *on, bool share_port,
                                  vt_address *bound)
{
    epoll_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return NULL;
    init_source(&listener->source, LISTENER);
    int error = 0;
    if (vt_socket_listener_open(&listener->base, base, on, share_port, bound, resume_accepting) !=
        0) {
        error = errno;
    } else if (watch(epoll_of(base), &listener->source, listener->base.fd, EPOLLIN | EPOLLET) !=
               0) {
        error = errno;
        vt_socket_listener_close(&listener->base);
    }
    if (error == 0)
        return &listener->base.base;
    free(listener);
    errno = error;
    return NULL;
}

static void bury_listener(vt_grave *grave)
{
    free(VT_LIST_OWNER(grave, vt_socket_listener, grave)); /* where it begins */
}

static void stream_unlisten(vt_listener *base)
{
    epoll_listener *listener = (epoll_listener *)base;
    vt_socket_listener_close(&listener->base);
    vt_list_remove(&listener->source.readable);
    vt_loop_bury(base->loop, &listener->base.grave, bury_listener);
}

static void accept_some(epoll_listener *self)
{
    vt_socket_listener *listener = &self->base;
    epoll_loop *loop = epoll_of(listener->base.loop);
    for (int i = 0; i < ACCEPTS_A_TURN && listener->fd >= 0; i++) {
        vt_address peer = {.size = sizeof peer.un};
        int fd = accept4(listener->fd, &peer.any, &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            vt_socket_tune(fd, peer.any.sa_family);
            epoll_stream *stream = new_stream(loop, fd);
            if (stream != NULL)
                listener->base.accepted(listener->base.owner, &stream->base.base, &peer);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK || vt_socket_pause_listener(listener, errno))
            return;
    }
    if (listener->fd >= 0)
        vt_list_append(&loop->readable, &self->source.readable);
}

/* ---------------------------------------------------------------------- names */

static vt_lookup *start_lookup(vital_loop *base, const char *host, uint16_t port)
{
    epoll_loop *loop = epoll_of(base);
    vt_lookup *lookup = vt_socket_lookup(base, host, port);
    if (lookup != NULL && !loop->names_watched)
        loop->names_watched = watch(loop, &loop->names, vt_resolver_fd(loop->base.resolver),
                                    EPOLLIN) == 0;
    return lookup;
}

/* -------------------------------------------------------------------- network */

/* Where the system does not let us, there is no news, and all goes on as ever. */
static void watch_network(vital_loop *base)
{
    epoll_loop *loop = epoll_of(base);
    vt_network *network = &loop->base.network;
    if (vt_network_open(network) && watch(loop, &loop->network, network->fd, EPOLLIN) != 0)
        vt_network_close(network);
}

/* --------------------------------------------------------------------- a turn */

static void take_stream_event(epoll_stream *self, uint32_t events)
{
    vt_socket_stream *stream = &self->base;
    epoll_loop *loop = loop_of(stream);
    if (stream->fd < 0)
        return; /* closed earlier in this batch */
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        self->source.edge = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        self->source.hung_up = true;
    if (stream->connecting) {
        vt_list_append(&loop->readable, &self->source.readable);
        return;
    }
    if (self->source.blocked && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))) {
        self->source.blocked = false;
        if (stream->sends)
            vt_list_append(&loop->base.sending, &stream->queued);
    }
    want_read(stream);
}

static void take_event(epoll_loop *loop, const struct epoll_event *event)
{
    epoll_source *source = event->data.ptr;
    switch ((source_kind)source->kind) {
    case WAKE: {
        uint64_t count;
        ssize_t size = read(loop->base.wake_fd, &count, sizeof count);
        (void)size;
        break;
    }
    case STREAM:
        take_stream_event(VT_LIST_OWNER(source, epoll_stream, source), event->events);
        break;
    case LISTENER:
        if (VT_LIST_OWNER(source, epoll_listener, source)->base.fd >= 0)
            vt_list_append(&loop->readable, &source->readable);
        break;
    case NAMES:
        vt_resolver_serve(loop->base.resolver);
        break;
    case NETWORK:
        vt_socket_read_network(&loop->base);
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
        if (stream->base.connecting)
            vt_socket_finish_connect(&stream->base);
        else
            receive_some(stream);
    }
}

static int timeout_ms(vital_loop *base, int64_t until_us)
{
    if (until_us == INT64_MAX)
        return -1;
    int64_t wait_us = until_us - vt_socket_now_us(base);
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
    .now_us = vt_socket_now_us,
    .seed = vt_socket_seed,
    .fd = loop_fd,
    .slept_us = vt_socket_slept_us,
    .watch_network = watch_network,
    .wait = wait,
    .submit = submit,
    .busy = busy,
    .wake = vt_socket_wake,
    .connect = stream_connect,
    .send = vt_socket_send,
    .pause = stream_pause,
    .poll = stream_poll,
    .info = vt_socket_info,
    .close = vt_socket_end,
    .listen = stream_listen,
    .unlisten = stream_unlisten,
    .lookup = start_lookup,
    .cancel = vt_resolver_cancel,
};
