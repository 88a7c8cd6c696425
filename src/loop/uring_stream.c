/*
 * A stream has one receive for all its life (multishot), and no buffer while it is
 * idle. What has come for an owner who has paused meanwhile is copied beside: no more
 * than the ring's buffers hold, since the receive is cancelled with the next call.
 *
 * Sends of a turn leave in one call. They complete in it or not at all
 * (MSG_DONTWAIT), so that the kernel holds no bytes of an owner's between two calls,
 * and only those that did not leave whole say so (IOSQE_CQE_SKIP_SUCCESS). Such a
 * stream polls until there is room.
 *
 * An operation under way keeps its socket open, whatever close(2) says. So what is
 * closed has its operations cancelled, and is freed after the last of them.
 */
#include "uring_stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "socket.h"

enum { SENDS_AT_ONCE = 512 }; /* fewer than the ring takes */

static vt_uring_loop *loop_of(const vt_uring_stream *stream)
{
    return vt_uring_of(stream->base.base.loop);
}

static bool holds(const vt_uring_stream *stream)
{
    return stream->held != NULL || stream->held_end;
}

static void change(vt_uring_stream *self)
{
    vt_list_append(&loop_of(self)->changed, &self->changed);
}

bool vt_uring_stream_put_right(vt_uring_loop *loop, vt_uring_stream *self)
{
    const vt_socket_stream *stream = &self->base;
    bool open = stream->fd >= 0;
    struct io_uring_sqe sqe = {0};
    io_uring_prep_recv_multishot(&sqe, stream->fd, NULL, 0, 0);
    sqe.flags = IOSQE_BUFFER_SELECT;
    sqe.buf_group = VT_URING_BUFFERS;
    sqe.user_data = vt_uring_number(self, VT_URING_RECEIVE);
    bool receive = open && !stream->connecting && !stream->paused && !stream->ended && !holds(self);
    bool poll = open && (self->blocked || (stream->connecting && stream->error == 0));
    struct io_uring_sqe room = vt_uring_poll_of(stream->fd, POLLOUT,
                                                vt_uring_number(self, VT_URING_POLL));
    return vt_uring_put_right(&loop->ring, &self->receive, receive, &sqe) &&
           vt_uring_put_right(&loop->ring, &self->poll, poll, &room);
}

/* ----------------------------------------------------------------- life cycle */

void vt_uring_stream_free(vt_uring_stream *stream)
{
    free(stream->held);
    free(stream);
}

static void bury_stream(vt_grave *grave)
{
    vt_uring_stream_free((vt_uring_stream *)VT_LIST_OWNER(grave, vt_socket_stream, grave));
}

/* A closed stream goes with its last operation. */
static void part(vt_uring_stream *self)
{
    if (self->receive.going || self->poll.going)
        return;
    vt_list_remove(&self->ready);
    vt_list_remove(&self->changed);
    vt_loop_bury(self->base.base.loop, &self->base.grave, bury_stream);
}

void vt_uring_stream_forget(vt_socket_stream *base)
{
    vt_uring_stream *self = (vt_uring_stream *)base;
    vt_list_append(&loop_of(self)->parting, &self->ready);
    change(self);
    part(self);
}

void vt_uring_stream_read_on(vt_socket_stream *base)
{
    vt_uring_stream *self = (vt_uring_stream *)base;
    if (holds(self) && !base->paused)
        vt_list_append(&loop_of(self)->ready, &self->ready);
    change(self);
}

vt_uring_stream *vt_uring_stream_create(vt_uring_loop *loop, int fd)
{
    vt_uring_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        close(fd);
        errno = ENOMEM;
        return NULL;
    }
    vt_socket_stream_init(&stream->base, &loop->base, fd);
    vt_list_init(&stream->changed);
    vt_list_init(&stream->ready);
    change(stream);
    return stream;
}

vt_stream *vt_uring_stream_connect(vital_loop *base, const vt_address *from, const vt_address *to)
{
    int error;
    int fd = vt_socket_connect(from, to, &error);
    vt_uring_stream *stream = fd < 0 ? NULL : vt_uring_stream_create(vt_uring_of(base), fd);
    if (stream == NULL)
        return NULL;
    stream->base.connecting = true;
    stream->base.error = (uint16_t)error;
    if (error != 0) /* completions come later, also of what has failed at once */
        vt_list_append(&vt_uring_of(base)->ready, &stream->ready);
    return &stream->base.base;
}

void vt_uring_stream_take_poll(vt_uring_stream *self, const vt_uring_completion *completion)
{
    vt_socket_stream *stream = &self->base;
    vt_uring_note(&self->poll, completion);
    if (stream->fd < 0) {
        part(self);
        return;
    }
    if (completion->result < 0) { /* not polled, and still wanted */
        change(self);
        return;
    }
    if (stream->connecting) {
        vt_socket_finish_connect(stream);
        return;
    }
    if (completion->result & POLLERR)
        vt_socket_drain_errors(stream->fd);
    self->blocked = false;
    if (stream->sends)
        vt_list_append(&loop_of(self)->base.sending, &stream->queued);
}

/* -------------------------------------------------------------------- sending */

/* What is left of a send, after an attempt. */
static void conclude_send(vt_uring_stream *self)
{
    vt_socket_stream *stream = &self->base;
    int error = self->outcome < 0 ? -self->outcome : 0;
    if (error == 0) {
        stream->sent += (size_t)self->outcome;
        self->excused = false;
    }
    if (error == 0 && stream->sent == stream->bytes.size) {
        vt_socket_finish_send(stream, 0);
    } else if (error == 0 || error == EAGAIN) {
        self->blocked = true;
        change(self);
    } else if (error == ENOBUFS && vt_socket_starve(stream)) {
        return;
    } else if (error == EINTR || (!self->excused && vt_socket_is_report(stream, error))) {
        self->excused = true;
        if (stream->fd >= 0 && stream->sends) /* who was told of it may have closed it */
            vt_list_append(&loop_of(self)->base.sending, &stream->queued);
    } else {
        vt_socket_finish_send(stream, error);
    }
}

static bool prepare_send(vt_uring_loop *loop, vt_uring_stream *self)
{
    const vt_socket_stream *stream = &self->base;
    const uint8_t *data = stream->bytes.data;
    size_t left = stream->bytes.size - stream->sent;
    if (left > INT32_MAX)
        left = INT32_MAX;
    struct io_uring_sqe sqe = {0};
    io_uring_prep_send(&sqe, stream->fd, data + stream->sent, left,
                       MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
    sqe.flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe.user_data = vt_uring_number(self, VT_URING_SEND);
    self->outcome = (int)left; /* unless it says otherwise */
    return vt_uring_put(&loop->ring, &sqe);
}

static vt_uring_stream *sender_of(uint64_t number)
{
    return vt_uring_kind_of(number) == VT_URING_SEND ? vt_uring_owner(number) : NULL;
}

/* Sends for which the kernel had no memory are as if they had no buffer. */
static void withdraw_sends(vt_uring *ring)
{
    for (unsigned i = 0; i < vt_uring_left_count(ring); i++) {
        struct io_uring_sqe *sqe = vt_uring_left(ring, i);
        vt_uring_stream *stream = sender_of(sqe->user_data);
        if (stream == NULL)
            continue;
        stream->outcome = -ENOBUFS;
        io_uring_prep_nop(sqe);
        sqe->user_data = VT_URING_NOBODYS;
    }
}

static void note_outcomes(vt_uring *ring)
{
    for (unsigned i = 0; i < vt_uring_ready_count(ring); i++) {
        vt_uring_completion completion = vt_uring_ready(ring, i);
        vt_uring_stream *stream = sender_of(completion.number);
        if (stream == NULL)
            continue;
        stream->outcome = completion.result;
        vt_uring_disown(ring, i);
    }
}

static void send_batch(vt_uring_loop *loop, vt_list *ready)
{
    vt_list leaving, *link;
    vt_list_init(&leaving);
    for (int i = 0; i < SENDS_AT_ONCE && !vt_list_empty(ready); i++) {
        vt_socket_stream *stream = VT_LIST_OWNER(ready->next, vt_socket_stream, queued);
        if (!prepare_send(loop, (vt_uring_stream *)stream))
            ((vt_uring_stream *)stream)->outcome = -ENOBUFS;
        vt_list_append(&leaving, &stream->queued);
    }
    if (!vt_uring_submit(&loop->ring))
        withdraw_sends(&loop->ring);
    note_outcomes(&loop->ring);
    while ((link = vt_list_take(&leaving)) != NULL)
        conclude_send((vt_uring_stream *)VT_LIST_OWNER(link, vt_socket_stream, queued));
}

void vt_uring_stream_submit(vital_loop *base)
{
    vt_list ready;
    vt_list_init(&ready);
    vt_list_move(&ready, &vt_uring_of(base)->base.sending);
    while (!vt_list_empty(&ready))
        send_batch(vt_uring_of(base), &ready);
}

/* ------------------------------------------------------------------ receiving */

/* Without memory for what has come, that was the stream's end. */
static void hold(vt_uring_stream *self, const uint8_t *bytes, size_t size)
{
    size_t had = self->held != NULL ? self->held->size : 0;
    if (self->held_end)
        return;
    vt_uring_held *more = realloc(self->held, sizeof *more + had + size);
    if (more == NULL) {
        self->held_end = true;
        self->held_error = ENOMEM;
        return;
    }
    memcpy(more->bytes + had, bytes, size);
    more->size = had + size;
    self->held = more;
}

static void hold_end(vt_uring_stream *self, int error)
{
    if (!self->held_end)
        self->held_error = (uint16_t)error;
    self->held_end = true;
}

/* The bytes, or after them the end. */
static void deliver_held(vt_uring_stream *self)
{
    vt_uring_held *held = self->held;
    self->held = NULL;
    if (held == NULL) {
        self->held_end = false;
        vt_socket_deliver(&self->base, loop_of(self)->base.received, 0, self->held_error);
        return;
    }
    vt_socket_deliver(&self->base, held->bytes, held->size, 0);
    free(held);
    if (self->base.fd >= 0)
        vt_uring_stream_read_on(&self->base);
}

/* The end, or a failure, of a receive: whether the stream has ended by it. */
static bool is_end(vt_uring_stream *self, int result)
{
    switch (-result) {
    case ECANCELED:
    case ENOBUFS: /* all are lent: it begins again when they are back */
    case EAGAIN:
    case EINTR:
        return false;
    default:
        return !vt_socket_is_report(&self->base, -result);
    }
}

/* To the owner at once, if `now`, and if nothing of his is waiting. */
static void take_receive(vt_uring_stream *self, const vt_uring_completion *completion, bool now)
{
    vt_socket_stream *stream = &self->base;
    vt_uring *ring = &loop_of(self)->ring;
    int result = completion->result;
    bool lent = completion->flags & IORING_CQE_F_BUFFER;
    uint8_t *bytes = lent ? vt_uring_lend(ring, completion) : loop_of(self)->base.received;
    bool open = stream->fd >= 0 && !stream->ended;
    bool end = open && result <= 0 && is_end(self, result);
    now = now && !stream->paused && !holds(self);
    vt_uring_note(&self->receive, completion);
    if (!self->receive.going)
        change(self);
    if (stream->fd < 0)
        part(self);
    else if (open && result > 0 && now)
        vt_socket_deliver(stream, bytes, (size_t)result, 0);
    else if (open && result > 0)
        hold(self, bytes, (size_t)result);
    else if (end && now)
        vt_socket_deliver(stream, bytes, 0, -result);
    else if (end)
        hold_end(self, -result);
    if (lent)
        vt_uring_give_back(ring, completion);
    if (stream->fd >= 0 && !stream->paused && holds(self))
        vt_list_append(&loop_of(self)->ready, &self->ready);
}

/* What was not to be told from inside a call, or while its owner paused. */
void vt_uring_stream_serve(vt_uring_stream *self)
{
    if (self->base.connecting)
        vt_socket_finish_connect(&self->base);
    else if (holds(self) && !self->base.paused)
        deliver_held(self);
}

void vt_uring_stream_take_receive(vt_uring_stream *self, const vt_uring_completion *completion)
{
    take_receive(self, completion, true);
}

void vt_uring_stream_pause(vt_stream *base, bool pause)
{
    vt_uring_stream *self = (vt_uring_stream *)base;
    self->base.paused = pause;
    if (pause)
        vt_list_remove(&self->ready);
    vt_uring_stream_read_on(&self->base);
}

static void hold_what_came(vt_uring_loop *loop)
{
    for (unsigned i = 0; i < vt_uring_ready_count(&loop->ring); i++) {
        vt_uring_completion completion = vt_uring_ready(&loop->ring, i);
        if (vt_uring_kind_of(completion.number) != VT_URING_RECEIVE)
            continue;
        take_receive(vt_uring_owner(completion.number), &completion, false);
        vt_uring_disown(&loop->ring, i);
    }
}

/* What has completed comes before what has not, and then the socket is read: the
 * kernel does not receive for us but when we enter it, so nothing comes between. */
void vt_uring_stream_poll(vt_stream *base)
{
    vt_uring_stream *self = (vt_uring_stream *)base;
    vt_socket_stream *stream = &self->base;
    uint8_t *received = loop_of(self)->base.received;
    if (stream->connecting || stream->paused || stream->ended)
        return;
    hold_what_came(loop_of(self));
    if (holds(self))
        deliver_held(self);
    if (stream->fd < 0 || stream->paused || stream->ended || holds(self))
        return;
    ssize_t size = recv(stream->fd, received, VT_RECEIVE_BYTES, MSG_DONTWAIT);
    if (size > 0)
        vt_socket_deliver(stream, received, (size_t)size, 0);
    else if (is_end(self, size < 0 ? -errno : 0))
        vt_socket_deliver(stream, received, 0, size < 0 ? errno : 0);
    if (stream->fd >= 0 && stream->ended)
        change(self);
}
