/*
 * The loop: descriptors, timers, names and wake-ups, as operations that
 * complete. One interface, one backend a file.
 *
 * It speaks in completions, not in readiness: received bytes arrive in a buffer
 * that the loop lends and takes back; a send says when its bytes have left;
 * what was asked for in one turn is submitted together at its end. io_uring is
 * that shape by nature; epoll and a simulation can play it.
 *
 * A turn:  wait  ->  completions  ->  timers that are due  ->  posted calls
 *          ->  tasks, then sends, a few rounds  ->  free what was closed
 *
 * Nothing calls back from inside an operation: completions come later, from
 * the loop. After vt_stream_close(), vt_listener_close() or
 * vt_lookup_cancel() nothing is heard of that object again.
 */
#ifndef VT_LOOP_LOOP_H
#define VT_LOOP_LOOP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <vital/engine.h>

#include "list.h"
#include "random.h"
#include "wheel.h"

/* An address of any of the families that vital speaks. */
typedef struct vt_address {
    socklen_t size;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };
} vt_address;

enum { VT_ADDRESS_TEXT_BYTES = 128 };
/* "192.0.2.7:80", also if mapped into IPv6; "[::1]:80"; "unix:/run/x.sock";
 * "unix:@name" if abstract; "unix:" for a nameless peer. Always printable. */
void vt_address_text(char out[VT_ADDRESS_TEXT_BYTES], const vt_address *address);
/* A numeric IPv4 or IPv6 address; false if the text is not one. */
bool vt_address_numeric(vt_address *out, const char *host, uint16_t port);
/* False if the path is empty or does not fit. "@name" is abstract (unix(7)). */
bool vt_address_unix(vt_address *out, const char *path);

/* Another end's address, to be remembered in little memory: an IPv4 one as mapped into
 * IPv6. Of a Unix socket's only whether it has a name. */
typedef struct vt_peer {
    uint8_t ip[16];
    in_port_t port;
    sa_family_t family; /* AF_INET6 or AF_UNIX; AF_UNSPEC: none */
} vt_peer;

/* False if it has a name that is not kept: its text is to be asked for now. */
bool vt_peer_note(vt_peer *out, const vt_address *address);
void vt_peer_text(char out[VT_ADDRESS_TEXT_BYTES], const vt_peer *peer);

/* A number that those share to whom the same way leads: of an IPv4 address, of an IPv6
 * network (its first 64 bits), and one for all that is on this machine. */
uint32_t vt_peer_path(const vt_peer *peer);

/* ------------------------------------------------------------------ streams */

typedef struct vt_stream vt_stream;

typedef struct vt_stream_events {
    /* After vt_stream_connect(): 0, or an errno, after which nothing follows. */
    void (*connected)(void *owner, int error);
    /* Bytes, lent until the call returns and free to be changed in place; or
     * none: the stream has ended (error 0) or failed (an errno). Once. */
    void (*received)(void *owner, uint8_t *data, size_t size, int error);
    /* So many of the bytes given to vt_stream_send() have left: all of them, or
     * fewer with an errno. */
    void (*sent)(void *owner, size_t size, int error);
    /* A router has reported that errno (ICMP), which TCP does not believe yet. NULL:
     * nobody wants to know. */
    void (*reported)(void *owner, int error);
} vt_stream_events;

/* Connects; `connected` will tell. NULL without memory or descriptors, errno
 * says why. */
vt_stream *vt_stream_connect(vital_loop *loop, const vt_address *to, const vt_stream_events *events,
                             void *owner);

/* The same from an address of ours, whose port the system picks; NULL: all of it. */
vt_stream *vt_stream_connect_from(vital_loop *loop, const vt_address *from, const vt_address *to,
                                  const vt_stream_events *events, void *owner);

/* One at a time; the bytes stay the caller's, in place, until `sent`, or until
 * vt_stream_close() has returned. Leaves at the end of the turn. */
void vt_stream_send(vt_stream *stream, vital_bytes bytes);

/* Stop and go on lending received bytes. */
void vt_stream_pause(vt_stream *stream, bool pause);

/* Delivers now, through `received`, what has already arrived. */
void vt_stream_poll(vt_stream *stream);

/* What the kernel knows of a stream and its path. False where there is no such
 * thing: not TCP, or not connected. */
bool vt_stream_info(vt_stream *stream, vital_evidence *out);

/* How a stream ends. */
typedef enum vt_stream_end {
    VT_END_POLITE, /* what was sent arrives: half-close, discard what still comes
                      for at most a second or two, then close */
    VT_END_LIMBO,  /* as that, of a peer that was given up; and if anything comes within five
                      seconds, that was a mistake, and counted (vital_stats) */
    VT_END_ABRUPT, /* now; the kernel forgets what it could not deliver */
} vt_stream_end;

/* The loop owns the stream from here on. `farewell` (at most 512 bytes, copied,
 * may be empty) is sent if it can be without waiting; not after a send that is
 * still in flight, whose bytes the loop no longer touches on return. */
void vt_stream_close(vt_stream *stream, vt_stream_end how, vital_bytes farewell);

/* ---------------------------------------------------------------- listeners */

typedef struct vt_listener vt_listener;

/* A stream that was accepted: give it its owner with vt_stream_adopt() before
 * returning, or close it. */
typedef void vt_accepted(void *owner, vt_stream *stream, const vt_address *peer);

/* NULL, with errno set. `bound` is the address with the port that was picked. */
vt_listener *vt_listener_open(vital_loop *loop, const vt_address *on, bool share_port,
                              vt_accepted *accepted, void *owner, vt_address *bound);
void vt_listener_close(vt_listener *listener);
void vt_stream_adopt(vt_stream *stream, const vt_stream_events *events, void *owner);

/* -------------------------------------------------------------------- names */

typedef struct vt_lookup vt_lookup;

/* count 0: not found, and `problem` says why in words. */
typedef void vt_found(void *owner, const vt_address *addresses, size_t count, const char *problem);

/* Never called for a numeric address. NULL without memory. */
vt_lookup *vt_lookup_start(vital_loop *loop, const char *host, uint16_t port, vt_found *found,
                           void *owner);
void vt_lookup_cancel(vt_lookup *lookup);

/* ------------------------------------------------------------------- timers */

/* Embedded in its owner. Fires once an arming. */
typedef struct vt_timer {
    vt_timer_id id;
    int64_t at_us; /* as armed; INT64_MAX: not */
    void (*fire)(void *owner);
    void *owner;
} vt_timer;

/* 0 or VITAL_ENOMEM; arming never fails. */
int vt_timer_init(vt_timer *timer, vital_loop *loop, void (*fire)(void *owner), void *owner);
void vt_timer_finish(vt_timer *timer, vital_loop *loop);             /* accepts zeroed */
void vt_timer_arm(vt_timer *timer, vital_loop *loop, int64_t at_us); /* INT64_MAX: disarm */

/* ---------------------------------------------------------------- the rest */

vital_clock vt_loop_clock(const vital_loop *loop); /* of this turn */
vital_clock vt_loop_clock_now(vital_loop *loop);   /* read again */
vital_entropy vt_loop_entropy(vital_loop *loop);

/* For the loop's connections to count in, as long as the loop. */
vital_stats *vt_loop_stats(vital_loop *loop);

/* Keeps the sentence for vital_loop_problem() and returns the error. */
int vt_loop_fail(vital_loop *loop, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Runs once, near the end of the turn and before its sends leave, however often
 * it was asked for: where what a turn did to a connection comes together. */
typedef struct vt_task {
    vt_list link;
    void (*run)(void *owner);
    void *owner;
} vt_task;
void vt_task_init(vt_task *task, void (*run)(void *owner), void *owner);
void vt_task_finish(vt_task *task); /* accepts zeroed */
void vt_task_schedule(vt_task *task, vital_loop *loop);

/* Frees at the end of the turn, when no callback can still be using it. */
typedef struct vt_grave {
    vt_list link;
    void (*bury)(struct vt_grave *grave);
} vt_grave;
void vt_loop_bury(vital_loop *loop, vt_grave *grave, void (*bury)(vt_grave *grave));

/* What ends with the loop, without callbacks of its own: servers and clients
 * settle, so that vital_loop_destroy() leaves nothing behind. */
typedef struct vt_resident {
    vt_list link;
    void (*evict)(struct vt_resident *resident);
    void (*hear)(struct vt_resident *resident, vital_hint hint); /* NULL: nothing */
} vt_resident;
void vt_loop_settle(vital_loop *loop, vt_resident *resident, void (*evict)(vt_resident *resident));
void vt_loop_leave(vt_resident *resident);
/* It hears of the network, and that the machine has slept. It ends nobody meanwhile. */
void vt_loop_hear(vt_resident *resident, void (*hear)(vt_resident *resident, vital_hint hint));
/* From now on the loop notices changes of the network, if the system tells. */
void vt_loop_watch_network(vital_loop *loop);
/* The first to settle that ends in this way; NULL if there is none: what there is
 * to be but one of in a loop is found again. */
vt_resident *vt_loop_find(const vital_loop *loop, void (*evict)(vt_resident *resident));

#endif
