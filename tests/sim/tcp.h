/*
 * TCP as an application can tell it, and as its kernel would report it: one
 * wire is one connection, with the kernels at its two ends and whatever path
 * lies between them.
 *
 *   write --> segments --> carry() --> in order? --> arrivals --> read
 *               ^            |              |
 *               |          lost           ack ----> carry() back
 *               +-- retransmission timer, doubling; or at once, if a later
 *                   segment has come before it
 *
 * What becomes of a packet is the business of a vt_sim_network. The fate of a
 * segment is drawn when it leaves and looked at again when it arrives, so a path
 * may break and heal in between. An acknowledgement is only an event of its own
 * if somebody waits for it; else it is a note that counts when it is looked at.
 *
 * Not modelled: congestion windows, delayed acknowledgements, segments smaller
 * than what was written, spurious retransmissions of what is merely late.
 */
#ifndef SIM_TCP_H
#define SIM_TCP_H

#include "agenda.h"
#include "loop_sim.h"

/* What has come for an application, or been written by one. */
typedef struct sim_segment sim_segment;

/* One end of a wire; embedded in its owner, who is told through `changed` that
 * there is something new to read, or that writing may go on. */
typedef struct sim_socket {
    vt_sim_wire *wire; /* NULL: closed */
    vt_sim_end end;
    bool connected;
    bool blocked;              /* the application waits for room */
    int error;                 /* the connection has failed: an errno, after what is unread */
    sim_segment *first, *last; /* arrivals, unread */
    size_t taken;              /* of the first */
    size_t unread_bytes;
    void (*changed)(struct sim_socket *socket);
} sim_socket;

/* The part of the world that wires need. */
typedef struct sim_clockwork {
    int64_t now_us;
    const int64_t *ahead_us; /* what callbacks of the process that runs have taken since */
    vt_agenda agenda;
    const vt_sim_network *network;
    /* A call has reached the host of `to`: the socket that takes it, or NULL. */
    sim_socket *(*accept)(struct sim_clockwork *world, vt_sim_wire *wire, const vt_address *to);
    size_t wires;
} sim_clockwork;

/* An end of its own for the wire; for whoever accepts. */
void sim_socket_attach(sim_socket *socket, vt_sim_wire *wire, vt_sim_end end);

/* Calls; `changed` tells of the end: connected, or an error. */
void sim_tcp_connect(sim_socket *socket, sim_clockwork *world, vital_loop *from,
                     const vt_address *to);

/* How many bytes the kernel takes; fewer than size: blocked until `changed`. */
size_t sim_tcp_write(sim_socket *socket, const void *data, size_t size);

typedef enum sim_read { SIM_READ_NOTHING, SIM_READ_BYTES, SIM_READ_END, SIM_READ_ERROR } sim_read;
/* Takes at most `most` bytes into `out`; *size says how many, or what error. */
sim_read sim_tcp_read(sim_socket *socket, uint8_t *out, size_t most, size_t *size);
bool sim_tcp_readable(const sim_socket *socket);

void sim_tcp_shut(sim_socket *socket); /* no more writing: the end of the stream */
/* The socket is gone. What was written arrives all the same, unless `reset`. */
void sim_tcp_close(sim_socket *socket, bool reset);
/* The host is gone, and tells nobody. */
void sim_tcp_vanish(sim_socket *socket);

void *sim_tcp_path(const sim_socket *socket); /* the network's */
void sim_tcp_info(sim_socket *socket, vital_evidence *out);

#endif
