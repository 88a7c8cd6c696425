/*
 * A backend on which nothing is real: time, sockets, names and randomness are
 * simulated, and everything above them is what runs in production. One world
 * holds any number of loops (processes), all in one thread; the same seed gives
 * the same world, always.
 *
 *   world   virtual time; what is to happen, in order of time and of asking
 *   loop    a process: it is stepped when something came for it or is due
 *   wire    one connection: two directions, each with a fate of its own
 *
 * What happens to bytes on the way is the business of a vt_sim_network.
 */
#ifndef VT_LOOP_LOOP_SIM_H
#define VT_LOOP_LOOP_SIM_H

#include "loop.h"

typedef struct vt_sim vt_sim;
typedef struct vt_sim_wire vt_sim_wire;

/* Arrives at no time: the bytes are gone, and nobody is told. */
#define VT_SIM_NEVER INT64_MAX

typedef enum vt_sim_direction { VT_SIM_TO_SERVER, VT_SIM_TO_CLIENT } vt_sim_direction;

/* The path between hosts. All times are of the world's clock. */
typedef struct vt_sim_network {
    /* A connection is being made. Whatever is returned is the wire's `user`.
     * *arrives_us is when the call reaches the other side. */
    void *(*open)(void *owner, vt_sim_wire *wire, int64_t *arrives_us);
    /* When so many bytes that leave now arrive. Order is kept by the world. */
    int64_t (*carry)(void *owner, void *user, vt_sim_direction direction, size_t size);
    /* The wire is gone at both ends. */
    void (*close)(void *owner, void *user);
    void *owner;
} vt_sim_network;

/* NULL without memory. The network is borrowed. */
vt_sim *vt_sim_create(uint64_t seed, const vt_sim_network *network);
void vt_sim_destroy(vt_sim *sim); /* its loops must be gone */

int64_t vt_sim_now_us(const vt_sim *sim);
vital_entropy vt_sim_entropy(vt_sim *sim); /* for the world, not for its loops */

/* Calls run(arg) at that time of the world. False without memory. */
bool vt_sim_at(vt_sim *sim, int64_t at_us, void (*run)(void *arg), void *arg);

/* Lets the world go on until that time. */
void vt_sim_run(vt_sim *sim, int64_t until_us);

/* A process. 0 or an error. */
int vt_sim_loop_create(vital_loop **out, vt_sim *sim);
/* Stopped until then: nothing is read, no timer fires. */
void vt_sim_freeze(vital_loop *loop, int64_t until_us);

/* What a name resolves to; at most 16 names. */
void vt_sim_name(vt_sim *sim, const char *host, const char *address);

/* A middlebox forgets the connection and says so: both ends are reset. */
void vt_sim_wire_reset(vt_sim_wire *wire);

#endif
