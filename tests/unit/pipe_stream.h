/*
 * Streams in memory, for tests of what uses streams: they do nothing but what the
 * test says, however little or late that is.
 */
#ifndef VT_TESTS_PIPE_STREAM_H
#define VT_TESTS_PIPE_STREAM_H

#include "fake_backend.h"

/* A stream whose other end is the test. */
typedef struct pipe_stream {
    vt_stream base; /* first */
    vital_bytes sending;
    bool closed;
    vt_stream_end how;
    uint8_t farewell[1024];
    size_t farewell_bytes;
} pipe_stream;

static inline void pipe_send(vt_stream *base, vital_bytes bytes)
{
    pipe_stream *stream = (pipe_stream *)base;
    assert_int_equal(stream->sending.size, 0);
    assert_true(bytes.size > 0);
    stream->sending = bytes;
}

static inline void pipe_close(vt_stream *base, vt_stream_end how, vital_bytes farewell)
{
    pipe_stream *stream = (pipe_stream *)base;
    assert_true(farewell.size <= 512);
    stream->closed = true;
    stream->how = how;
    stream->farewell_bytes = farewell.size;
    if (farewell.size > 0)
        memcpy(stream->farewell, farewell.data, farewell.size);
}

static inline void pipe_poll(vt_stream *base)
{
    base->events->received(base->owner, NULL, 0, ECONNRESET);
}

/* A loop on which streams are pipes; nothing connects, as in fake_backend.h. */
static inline int pipe_loop_create(vital_loop **out)
{
    static vt_backend backend;
    backend = FAKE_BACKEND;
    backend.send = pipe_send;
    backend.close = pipe_close;
    backend.poll = pipe_poll;
    return vt_loop_create(out, &backend, NULL);
}

#endif
