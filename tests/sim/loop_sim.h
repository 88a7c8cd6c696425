/*
 * A backend on which nothing is real: time, sockets, names and randomness are
 * simulated, and everything above them is what runs in production. One world
 * holds any number of loops (processes), all in one thread; the same seed gives
 * the same world, always.
 *
 *   world    virtual time; what is to happen, in order of time and of asking
 *   process  a loop: it is stepped when something came for it or is due
 *   wire     one connection (tcp.h), along a path
 *
 * What happens to packets on the way is the business of a vt_sim_network.
 */
#ifndef SIM_LOOP_SIM_H
#define SIM_LOOP_SIM_H

#include "loop.h"

typedef struct vt_sim vt_sim;
typedef struct vt_sim_wire vt_sim_wire;

typedef enum vt_sim_end { VT_SIM_CLIENT, VT_SIM_SERVER } vt_sim_end;

static inline vt_sim_end vt_sim_other(vt_sim_end end)
{
    return end == VT_SIM_CLIENT ? VT_SIM_SERVER : VT_SIM_CLIENT;
}

typedef enum vt_sim_outcome {
    VT_SIM_ARRIVES,
    VT_SIM_LOST,        /* and nobody is told */
    VT_SIM_RESET,       /* somebody on the way answers with a reset, at that time */
    VT_SIM_UNREACHABLE, /* a router says so (ICMP), at that time */
} vt_sim_outcome;

typedef struct vt_sim_fate {
    vt_sim_outcome outcome;
    int64_t at_us;
} vt_sim_fate;

/* The paths between hosts. All times are of the world's clock. */
typedef struct vt_sim_network {
    void *owner;
    /* A connection is being made; what is returned is the wire's path. */
    void *(*open)(void *owner, vt_sim_wire *wire, vital_loop *from, const vt_address *to);
    /* A packet leaves `from` now; size is that of its payload. */
    vt_sim_fate (*carry)(void *owner, void *path, vt_sim_end from, size_t size);
    /* Whether what is about to arrive still does. */
    bool (*passes)(void *owner, void *path, vt_sim_end from);
    void (*close)(void *owner, void *path);                   /* the wire is gone */
    void (*caller)(void *owner, void *path, vt_address *out); /* of IPv4; NULL: 0.0.0.0 */

    /* What applications write and read, and when by their own account, for who
     * watches; may be NULL. `all`: the kernel took all that it was given; so it is
     * told, later. `unread` is what an application has left when it closes its end. */
    void (*wrote)(void *owner, void *path, vt_sim_end end, vital_bytes bytes, bool all);
    void (*told)(void *owner, void *path, vt_sim_end end);
    void (*read)(void *owner, void *path, vt_sim_end end);
    void (*left)(void *owner, void *path, vt_sim_end end, size_t unread);
} vt_sim_network;

/* The network is borrowed. */
vt_sim *vt_sim_create(uint64_t seed, const vt_sim_network *network);
void vt_sim_destroy(vt_sim *sim); /* its loops must be gone */

int64_t vt_sim_now_us(const vt_sim *sim); /* in a callback that was busy: after that */
size_t vt_sim_wires(const vt_sim *sim);   /* connections of which anything is left */
/* The clock of the process that is running, less all its lateness by loop.h's rule,
 * but as the world knows it: silence is to be judged on this. */
int64_t vt_sim_awake_us(const vt_sim *sim);

/* Calls run(arg) at that time of the world. */
void vt_sim_at(vt_sim *sim, int64_t at_us, void (*run)(void *arg), void *arg);
/* The same, in a process: later, if it does not run then; never, if it is gone. */
void vt_sim_at_in(vital_loop *loop, int64_t at_us, void (*run)(void *arg), void *arg);

/* Lets the world go on until that time. */
void vt_sim_run(vt_sim *sim, int64_t until_us);

/* ---------------------------------------------------------------- processes */

/* 0 or an error. */
int vt_sim_loop_create(vital_loop **out, vt_sim *sim);
unsigned vt_sim_number(const vital_loop *loop); /* in the order of creation, from 0 */
size_t vt_sim_streams(const vital_loop *loop);  /* its open sockets */

/* Stopped until then: nothing is read, no timer fires; its host goes on. */
void vt_sim_freeze(vital_loop *loop, int64_t until_us);
/* The machine sleeps until then: as frozen, and its clock stands still too. That
 * its host does not answer meanwhile is for the network to arrange. */
void vt_sim_sleep(vital_loop *loop, int64_t until_us);
/* Within a callback: it takes so long. */
void vt_sim_busy(vital_loop *loop, int64_t time_us);
/* Power is cut: the process's sockets are gone, and nobody is told. Destroy the
 * loop next. */
void vt_sim_crash(vital_loop *loop);

/* How a process reads and writes: in pieces of at most so many bytes, and with
 * a pause after each read. 0, 0: as it comes. */
void vt_sim_chop(vital_loop *loop, size_t most_bytes, int64_t pause_us);

/* Of a thousand of its requests for memory so many are refused; 0: none. */
void vt_sim_scarce(vital_loop *loop, int of_thousand);

/* -------------------------------------------------------------------- names */

/* What a name resolves to; at most 16 names. */
void vt_sim_name(vt_sim *sim, const char *host, const char *address);
/* Until then nobody finds a name. */
void vt_sim_break_names(vt_sim *sim, int64_t until_us);

/* -------------------------------------------------------------------- wires */

/* A middlebox forgets the connection and says so: both ends are reset. */
void vt_sim_wire_reset(vt_sim_wire *wire);
void *vt_sim_stream_path(vt_stream *stream);                    /* the network's, of its wire */
bool vt_sim_wire_open(const vt_sim_wire *wire, vt_sim_end end); /* that end is still there */

#endif
