/*
 * A stream on io_uring, and the loop that it is one of. What it should have under way
 * follows from what it is (paused, ended, closed), and what it has is noted; a stream
 * for which the two differ is among the loop's `changed`, and put right with the next
 * wait, in the same system call.
 */
#ifndef VT_LOOP_URING_STREAM_H
#define VT_LOOP_URING_STREAM_H

#include "socket_loop.h"
#include "uring.h"

typedef struct vt_uring_loop {
    vt_socket_loop base;
    vt_uring ring;
    vt_uring_lasting wake, names, network;
    vt_list changed;           /* streams */
    vt_list ready;             /* streams with something to be told that is no completion */
    vt_list parting;           /* closed streams with operations under way */
    vt_list changed_listeners; /* likewise */
    vt_list parting_listeners;
} vt_uring_loop;

/* What has come, and waits for its owner, who has paused, or is served in his turn. */
typedef struct vt_uring_held {
    size_t size;
    uint8_t bytes[];
} vt_uring_held;

typedef struct vt_uring_stream {
    vt_socket_stream base;
    vt_list changed; /* in the loop's list of that name, or in none; as the next */
    vt_list ready;   /* or in `parting` */
    vt_uring_lasting receive, poll;
    bool blocked : 1;    /* the send waits for room in the kernel */
    bool excused : 1;    /* it has failed once because of what a router said */
    bool held_end : 1;   /* the end is held, after what else is */
    uint16_t held_error; /* with that */
    int outcome;         /* of the send that was just tried: bytes, or a negative errno */
    vt_uring_held *held; /* owned; NULL: nothing is held but perhaps the end */
} vt_uring_stream;

static inline vt_uring_loop *vt_uring_of(vital_loop *loop)
{
    return (vt_uring_loop *)loop;
}

/* Takes the descriptor over, also when it fails: NULL with errno. */
vt_uring_stream *vt_uring_stream_create(vt_uring_loop *loop, int fd);
void vt_uring_stream_free(vt_uring_stream *stream);

/* False: the ring takes no operation now. */
bool vt_uring_stream_put_right(vt_uring_loop *loop, vt_uring_stream *stream);

/* Completions of its two operations, and what it has to tell besides. */
void vt_uring_stream_take_receive(vt_uring_stream *stream, const vt_uring_completion *completion);
void vt_uring_stream_take_poll(vt_uring_stream *stream, const vt_uring_completion *completion);
void vt_uring_stream_serve(vt_uring_stream *stream);

/* For vt_socket_loop_start(). */
void vt_uring_stream_read_on(vt_socket_stream *stream);
void vt_uring_stream_forget(vt_socket_stream *stream);

/* Members of a vt_backend. */
vt_stream *vt_uring_stream_connect(vital_loop *loop, const vt_address *from, const vt_address *to);
void vt_uring_stream_submit(vital_loop *loop);
void vt_uring_stream_pause(vt_stream *stream, bool pause);
void vt_uring_stream_poll(vt_stream *stream);

#endif
