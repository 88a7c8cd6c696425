/*
 * What the backends on real sockets have in common: the clock, wake-ups, names,
 * listening addresses, and all of a stream but how its bytes are waited for. A
 * backend's loop, stream and listener begin with these.
 */
#ifndef VT_LOOP_SOCKET_LOOP_H
#define VT_LOOP_SOCKET_LOOP_H

#include "backend.h"
#include "network.h"
#include "resolver.h"

enum { VT_RECEIVE_BYTES = 64 * 1024 }; /* of one stream at a time */

/* There are many, and most are idle: so what excludes each other shares its place. */
typedef struct vt_socket_stream {
    vt_stream base;
    /* In one of the loop's lists, or in none: `sending` or `starved` while it has an
     * owner, and one of those that linger when it has none any more. */
    vt_list queued;
    union {
        struct { /* while `sends` */
            vital_bytes bytes;
            size_t sent;
        };
        struct { /* while `lingers` */
            struct vt_lingering *crowd;
            int64_t until_us;
        };
        vt_grave grave; /* once closed */
    };
    int fd;            /* -1: closed, and soon free */
    uint16_t error;    /* of a connect that failed at once */
    uint16_t reported; /* errno that a router has reported, since anything came; 0: none */
    bool sends : 1;    /* bytes are being sent */
    bool lingers : 1;
    bool connecting : 1;
    bool paused : 1;
    bool ended : 1; /* the end has been delivered */
    bool limbo : 1; /* what comes would be a mistake of ours */
} vt_socket_stream;

/* Streams without an owner, waiting for the peer's end, or for so long. */
typedef struct vt_lingering {
    struct vt_socket_loop *loop;
    int64_t for_us;
    vt_list streams; /* the first to be closed first */
    size_t count;
    vt_timer timer; /* set up with the first stream */
} vt_lingering;

typedef struct vt_socket_listener {
    vt_listener base;
    int fd; /* -1: closed, and soon free */
    vt_timer pause;
    char unlink_path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "" if none */
    vt_grave grave;
} vt_socket_listener;

typedef struct vt_socket_loop {
    vital_loop base;
    /* How the backend reads a stream on, and what it does with one, or with a
     * listener, whose descriptor has just been closed: it frees them, when it can. */
    void (*read_on)(vt_socket_stream *stream);
    void (*forget)(vt_socket_stream *stream);
    int wake_fd;     /* an eventfd: readable once somebody wants us */
    vt_list sending; /* streams with a send to try */
    vt_list starved; /* streams with a send that the kernel had no buffer for */
    vt_lingering polite, limbo;
    vt_timer feed;         /* of the starved */
    vt_resolver *resolver; /* NULL until the first lookup */
    vt_network network;    /* fd -1: not watched, or not to be had */
    uint8_t received[VT_RECEIVE_BYTES];
} vt_socket_loop;

/* ------------------------------------------------------------------- the loop */

/* 0, or -1 with errno. */
int vt_socket_loop_start(vt_socket_loop *loop, void (*read_on)(vt_socket_stream *stream),
                         void (*forget)(vt_socket_stream *stream));
void vt_socket_loop_finish(vt_socket_loop *loop);

/* Members of a vt_backend. */
int64_t vt_socket_now_us(vital_loop *loop);
int64_t vt_socket_slept_us(vital_loop *loop);
int vt_socket_seed(vital_loop *loop, uint8_t out[VT_RANDOM_SEED_BYTES]);
void vt_socket_wake(vital_loop *loop);

/* -------------------------------------------------------------------- streams */

/* Takes over a descriptor and zeroed memory. */
void vt_socket_stream_init(vt_socket_stream *stream, vt_socket_loop *loop, int fd);

/* The connection is there, or has failed: asks the socket and tells. */
void vt_socket_finish_connect(vt_socket_stream *stream);

/* Of vt_backend: the stream is one of `sending` from here on. */
void vt_socket_send(vt_stream *stream, vital_bytes bytes);
/* The send is over: all has left, or not, with an errno. Tells. */
void vt_socket_finish_send(vt_socket_stream *stream, int error);
/* A send that had no buffer in the kernel is tried again in a while, since nothing
 * says when there is one. False without memory for a timer: the send has failed. */
bool vt_socket_starve(vt_socket_stream *stream);

/* Whether the errno of a send or receive is what a router has said (ICMP), of which
 * TCP thinks nothing yet: it is told once like an error that ends the connection,
 * and is none. It is noted and told, and the call is to be made again. */
bool vt_socket_is_report(vt_socket_stream *stream, int error);

/* Lends bytes to the stream's owner, or tells the end (size 0). A stream without
 * one discards them, and is closed at its end. */
void vt_socket_deliver(vt_socket_stream *stream, uint8_t *data, size_t size, int error);

bool vt_socket_info(vt_stream *stream, vital_evidence *out); /* of vt_backend */
/* Of vt_backend. Lingers if it has to, and else closes. */
void vt_socket_end(vt_stream *stream, vt_stream_end how, vital_bytes farewell);
void vt_socket_close(vt_socket_stream *stream); /* now */

/* ------------------------------------------------------------------ listeners */

/* Takes over zeroed memory, unless it fails: -1 with errno. `resume` accepts again
 * after vt_socket_pause_listener(). */
int vt_socket_listener_open(vt_socket_listener *listener, vital_loop *loop, const vt_address *on,
                            bool share_port, vt_address *bound, void (*resume)(void *owner));
void vt_socket_listener_close(vt_socket_listener *listener);
/* Whether accepting is to pause because of this errno, since what it needs is not
 * there: then it does. Any other is about the one connection that failed (accept(2)). */
bool vt_socket_pause_listener(vt_socket_listener *listener, int error);

/* ---------------------------------------------------------------------- names */

/* Of vt_backend. What the resolver waits for is in vt_resolver_fd(loop->resolver),
 * from the first lookup on. */
vt_lookup *vt_socket_lookup(vital_loop *loop, const char *host, uint16_t port);

/* -------------------------------------------------------------------- network */

/* What has come to loop->network.fd, which the backend has opened and waits for: tells if
 * it is news. */
void vt_socket_read_network(vt_socket_loop *loop);

#endif
