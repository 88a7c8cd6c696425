/*
 * Both ends of streams for tests of the loop: ours, which note what they are told,
 * and bare sockets on the other side.
 */
#ifndef VT_TESTS_ENDS_H
#define VT_TESTS_ENDS_H

#include "loop.h"
#include "raw_peer.h"

enum { BIG_BYTES = 8 * 1024 * 1024, SMALL_ROOM = 64 * 1024, MS = 1000 };

static const vital_bytes NOTHING = {NULL, 0};

/* One end of a stream, and what it was told. */
typedef struct end {
    vt_stream *stream; /* NULL once closed */
    int connected, connect_error;
    size_t received, calls;
    int ends, end_error;
    int sents, sent_error;
    size_t sent;
    char text[64];                  /* the last bytes received, if they were few */
    void (*then)(struct end *self); /* at each `received` */
    struct end *other;
} end;

static inline void on_connected(void *owner, int error)
{
    end *self = owner;
    self->connected++;
    self->connect_error = error;
}

static inline void on_received(void *owner, uint8_t *data, size_t size, int error)
{
    end *self = owner;
    self->received += size;
    self->calls++;
    self->ends += size == 0;
    if (size == 0)
        self->end_error = error;
    if (size > 0 && size < sizeof self->text) {
        memcpy(self->text, data, size);
        self->text[size] = '\0';
        memset(data, 'x', size); /* ours to change */
    }
    if (self->then != NULL)
        self->then(self);
}

static inline void on_sent(void *owner, size_t size, int error)
{
    end *self = owner;
    self->sents++;
    self->sent += size;
    self->sent_error = error;
}

static const vt_stream_events EVENTS = {
    .connected = on_connected, .received = on_received, .sent = on_sent};

static inline void close_end(end *self, vt_stream_end how)
{
    if (self->stream != NULL)
        vt_stream_close(self->stream, how, NOTHING);
    self->stream = NULL;
}

/* A listener whose streams go to the ends that were laid out, in their order. */
typedef struct door {
    vt_listener *listener;
    vt_address bound;
    end *ends; /* borrowed */
    int accepted;
    bool close_after_one;
} door;

static inline void on_accepted(void *owner, vt_stream *stream, const vt_address *peer)
{
    door *self = owner;
    assert_true(peer->size >= sizeof(sa_family_t));
    end *taken = &self->ends[self->accepted++];
    taken->stream = stream;
    vt_stream_adopt(stream, &EVENTS, taken);
    if (self->close_after_one) {
        vt_listener_close(self->listener);
        self->listener = NULL;
    }
}

static inline void open_door(live *test, door *self, const vt_address *on, end *ends)
{
    *self = (door){.ends = ends};
    self->listener = vt_listener_open(test->loop, on, false, on_accepted, self, &self->bound);
    if (self->listener == NULL)
        fail_msg("cannot listen: %s", strerror(errno));
}

static inline uint16_t open_loopback_door(live *test, door *self, end *ends)
{
    vt_address on;
    assert_true(vt_address_numeric(&on, "127.0.0.1", 0));
    open_door(test, self, &on, ends);
    assert_int_not_equal(self->bound.in.sin_port, 0);
    return ntohs(self->bound.in.sin_port);
}

/* A raw peer, and our end of it. */
static inline void make_pair(live *test, end *ours, raw_peer *peer, int room)
{
    door entry;
    *ours = (end){.stream = NULL};
    uint16_t port = open_loopback_door(test, &entry, ours);
    raw_connect(peer, port, room);
    step_until(test, ours->stream != NULL, "the raw peer is accepted");
    vt_listener_close(entry.listener);
}

static inline void wait_readable(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, LIVE_PATIENCE_S * 1000), 1);
}

static inline uint8_t *pattern(size_t size)
{
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
    return bytes;
}

#endif
