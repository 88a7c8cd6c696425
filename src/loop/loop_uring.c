/*
 * The loop on io_uring(7), whose shape loop.h has: operations that complete. A turn
 * enters the kernel twice: once for all sends, and once to wait and to begin or cancel
 * whatever has changed.
 */
#include "backend.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "socket.h"
#include "uring_stream.h"

enum {
    FINISH_ROUNDS = 16,
    FINISH_ROUND_US = 1000,
};

typedef struct uring_listener {
    vt_socket_listener base;
    vt_list changed; /* in the loop's list, or in none; as the next */
    vt_list parting;
    vt_uring_lasting accept; /* one for all its life (multishot) */
    bool pausing;
} uring_listener;

/* ------------------------------------------------------------------ listeners */

static void change_listener(uring_listener *self)
{
    vt_list_append(&vt_uring_of(self->base.base.loop)->changed_listeners, &self->changed);
}

static void resume_accepting(void *owner)
{
    uring_listener *self = owner;
    self->pausing = false;
    change_listener(self);
}

static vt_listener *stream_listen(vital_loop *base, const vt_address *on, bool share_port,
                                  vt_address *bound)
{
    uring_listener *self = calloc(1, sizeof *self);
    if (self == NULL)
        return NULL;
    vt_list_init(&self->changed);
    vt_list_init(&self->parting);
    if (vt_socket_listener_open(&self->base, base, on, share_port, bound, resume_accepting) != 0) {
        int error = errno;
        free(self);
        errno = error;
        return NULL;
    }
    change_listener(self);
    return &self->base.base;
}

static void bury_listener(vt_grave *grave)
{
    free(VT_LIST_OWNER(grave, vt_socket_listener, grave)); /* where it begins */
}

static void part_listener(uring_listener *self)
{
    if (self->accept.going)
        return;
    vt_list_remove(&self->parting);
    vt_list_remove(&self->changed);
    vt_loop_bury(self->base.base.loop, &self->base.grave, bury_listener);
}

static void stream_unlisten(vt_listener *base)
{
    uring_listener *self = (uring_listener *)base;
    shutdown(self->base.fd, SHUT_RDWR); /* the port is free at once */
    vt_socket_listener_close(&self->base);
    vt_list_append(&vt_uring_of(base->loop)->parting_listeners, &self->parting);
    change_listener(self);
    part_listener(self);
}

static void welcome(uring_listener *self, int fd)
{
    vt_listener *listener = &self->base.base;
    vt_address peer = {.size = sizeof peer.un};
    if (getpeername(fd, &peer.any, &peer.size) != 0) { /* gone already */
        close(fd);
        return;
    }
    vt_socket_tune(fd, peer.any.sa_family);
    vt_uring_stream *stream = vt_uring_stream_create(vt_uring_of(listener->loop), fd);
    if (stream != NULL)
        listener->accepted(listener->owner, &stream->base.base, &peer);
}

static void take_accept(uring_listener *self, const vt_uring_completion *completion)
{
    int fd = completion->result;
    vt_uring_note(&self->accept, completion);
    if (self->base.fd < 0 && fd >= 0)
        close(fd);
    else if (fd >= 0)
        welcome(self, fd);
    else if (self->base.fd >= 0 && fd != -ECANCELED)
        self->pausing = vt_socket_pause_listener(&self->base, -fd);
    if (self->accept.going)
        return;
    if (self->base.fd < 0)
        part_listener(self);
    else
        change_listener(self);
}

/* --------------------------------------------------------------------- a turn */

static bool put_listener_right(vt_uring_loop *loop, uring_listener *self)
{
    bool accept = self->base.fd >= 0 && !self->pausing;
    struct io_uring_sqe sqe = {0};
    io_uring_prep_multishot_accept(&sqe, self->base.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    sqe.user_data = vt_uring_number(self, VT_URING_ACCEPT);
    return vt_uring_put_right(&loop->ring, &self->accept, accept, &sqe);
}

/* The eventfd is never read: that it was written to is an event each time, if one
 * poll lasts (multishot). The others want to be served for as long as they are
 * readable, so those polls are made anew each time. */
static bool put_loop_right(vt_uring_loop *loop)
{
    const vt_socket_loop *base = &loop->base;
    struct io_uring_sqe wake = vt_uring_poll_of(base->wake_fd, POLLIN, VT_URING_WAKE);
    wake.len = IORING_POLL_ADD_MULTI;
    int names_fd = base->resolver != NULL ? vt_resolver_fd(base->resolver) : -1;
    struct io_uring_sqe names = vt_uring_poll_of(names_fd, POLLIN, VT_URING_NAMES);
    struct io_uring_sqe network = vt_uring_poll_of(base->network.fd, POLLIN, VT_URING_NETWORK);
    return vt_uring_put_right(&loop->ring, &loop->wake, base->wake_fd >= 0, &wake) &&
           vt_uring_put_right(&loop->ring, &loop->names, names_fd >= 0, &names) &&
           vt_uring_put_right(&loop->ring, &loop->network, base->network.fd >= 0, &network);
}

static bool is_loop_right(const vt_uring_loop *loop)
{
    return loop->wake.going == (loop->base.wake_fd >= 0) &&
           loop->names.going == (loop->base.resolver != NULL) &&
           loop->network.going == (loop->base.network.fd >= 0);
}

/* What cannot be put right now stays where it is. */
static void put_all_right(vt_uring_loop *loop)
{
    bool good = is_loop_right(loop) || put_loop_right(loop);
    while (good && !vt_list_empty(&loop->changed_listeners)) {
        uring_listener *listener = VT_LIST_OWNER(loop->changed_listeners.next, uring_listener,
                                                 changed);
        good = put_listener_right(loop, listener);
        if (good)
            vt_list_remove(&listener->changed);
    }
    while (good && !vt_list_empty(&loop->changed)) {
        vt_uring_stream *stream = VT_LIST_OWNER(loop->changed.next, vt_uring_stream, changed);
        good = vt_uring_stream_put_right(loop, stream);
        if (good)
            vt_list_remove(&stream->changed);
    }
}

static void take_completion(vt_uring_loop *loop, const vt_uring_completion *completion)
{
    void *owner = vt_uring_owner(completion->number);
    switch (vt_uring_kind_of(completion->number)) {
    case VT_URING_WAKE:
        vt_uring_note(&loop->wake, completion);
        break;
    case VT_URING_NAMES:
        vt_uring_note(&loop->names, completion);
        if (loop->base.resolver != NULL)
            vt_resolver_serve(loop->base.resolver);
        break;
    case VT_URING_NETWORK:
        vt_uring_note(&loop->network, completion);
        if (loop->base.network.fd >= 0)
            vt_socket_read_network(&loop->base);
        break;
    case VT_URING_RECEIVE:
        vt_uring_stream_take_receive(owner, completion);
        break;
    case VT_URING_POLL:
        vt_uring_stream_take_poll(owner, completion);
        break;
    case VT_URING_ACCEPT:
        take_accept(owner, completion);
        break;
    case VT_URING_NOBODYS:
    case VT_URING_SEND: /* noted when it was tried */
    case VT_URING_KIND_MASK:
        break;
    }
}

static void serve_ready(vt_uring_loop *loop)
{
    vt_list ready, *link;
    vt_list_init(&ready);
    vt_list_move(&ready, &loop->ready);
    while ((link = vt_list_take(&ready)) != NULL)
        vt_uring_stream_serve(VT_LIST_OWNER(link, vt_uring_stream, ready));
}

static int wait(vital_loop *base, int64_t until_us)
{
    vt_uring_loop *loop = vt_uring_of(base);
    put_all_right(loop);
    int64_t wait_us = until_us == INT64_MAX ? INT64_MAX : until_us - vt_socket_now_us(base);
    if (!vt_list_empty(&loop->ready) || vt_uring_ready_count(&loop->ring) > 0)
        wait_us = 0;
    if (vt_uring_wait(&loop->ring, wait_us) != 0)
        return -1;
    vt_loop_woke(base);
    vt_uring_calm(&loop->ring); /* whatever comes from here on makes us busy */
    vt_uring_completion completion;
    while (vt_uring_take(&loop->ring, &completion))
        take_completion(loop, &completion);
    serve_ready(loop);
    return 0;
}

static bool busy(vital_loop *base)
{
    const vt_uring_loop *loop = vt_uring_of(base);
    return !vt_list_empty(&loop->base.sending) || !vt_list_empty(&loop->changed) ||
           !vt_list_empty(&loop->changed_listeners) || !vt_list_empty(&loop->ready) ||
           !is_loop_right(loop) || vt_uring_pending(&loop->ring) ||
           vt_uring_left_count(&loop->ring) > 0 || vt_uring_ready_count(&loop->ring) > 0;
}

/* ----------------------------------------------------------------- life cycle */

static int start(vital_loop *base, void *world)
{
    (void)world; /* there is just one */
    vt_uring_loop *loop = vt_uring_of(base);
    vt_list_init(&loop->changed);
    vt_list_init(&loop->changed_listeners);
    vt_list_init(&loop->ready);
    vt_list_init(&loop->parting);
    vt_list_init(&loop->parting_listeners);
    if (vt_uring_open(&loop->ring) != 0)
        return -1;
    if (vt_socket_loop_start(&loop->base, vt_uring_stream_read_on, vt_uring_stream_forget) == 0)
        return 0;
    int error = errno;
    vt_uring_close(&loop->ring);
    errno = error;
    return -1;
}

/* Peers learn that their sockets are closed as soon as no operation keeps them open.
 * If this is not the ring's thread, or some take their time, the kernel cancels what
 * is left when it has lost the ring. */
static void let_part(vt_uring_loop *loop)
{
    vt_uring_completion completion;
    for (int i = 0; i < FINISH_ROUNDS; i++) {
        if (vt_list_empty(&loop->parting) && vt_list_empty(&loop->parting_listeners))
            return;
        put_all_right(loop);
        if (vt_uring_wait(&loop->ring, FINISH_ROUND_US) != 0)
            return;
        while (vt_uring_take(&loop->ring, &completion))
            take_completion(loop, &completion);
    }
}

static void finish(vital_loop *base)
{
    vt_uring_loop *loop = vt_uring_of(base);
    vt_list *link;
    vt_socket_loop_finish(&loop->base);
    let_part(loop);
    vt_uring_close(&loop->ring);
    while ((link = vt_list_take(&loop->parting)) != NULL)
        vt_uring_stream_free(VT_LIST_OWNER(link, vt_uring_stream, ready));
    while ((link = vt_list_take(&loop->parting_listeners)) != NULL)
        free(VT_LIST_OWNER(link, uring_listener, parting));
}

/* Where the system does not let us, there is no news, and all goes on as ever. */
static void watch_network(vital_loop *base)
{
    vt_network_open(&vt_uring_of(base)->base.network); /* from the next wait on */
}

static int loop_fd(const vital_loop *loop)
{
    /* It is made when it is asked for, which changes nothing that anybody can see. */
    return vt_uring_fd(&((vt_uring_loop *)loop)->ring);
}

static const vt_backend URING = {
    .name = "io_uring",
    .size = sizeof(vt_uring_loop),
    .start = start,
    .finish = finish,
    .now_us = vt_socket_now_us,
    .seed = vt_socket_seed,
    .fd = loop_fd,
    .slept_us = vt_socket_slept_us,
    .watch_network = watch_network,
    .wait = wait,
    .submit = vt_uring_stream_submit,
    .busy = busy,
    .wake = vt_socket_wake,
    .connect = vt_uring_stream_connect,
    .send = vt_socket_send,
    .pause = vt_uring_stream_pause,
    .poll = vt_uring_stream_poll,
    .info = vt_socket_info,
    .close = vt_socket_end,
    .listen = stream_listen,
    .unlisten = stream_unlisten,
    .lookup = vt_socket_lookup,
    .cancel = vt_resolver_cancel,
};

const vt_backend *const vt_backend_uring = &URING;
