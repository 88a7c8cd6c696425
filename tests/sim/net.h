/*
 * The simulated network: links with delay, jitter and loss, and the faults that
 * a path can have. Loss is what TCP makes of it: a segment comes later, by a
 * timeout that doubles, and everything behind it waits.
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "loop_sim.h"

typedef struct sim_net {
    vt_sim *sim;
    int64_t delay_us;  /* of a new link: U(this / 2, 2 * this) */
    int64_t jitter_us; /* of each piece */
    int loss_per_mille;
    vt_list wires; /* in the order in which they were opened */
    size_t count;
    uint64_t opened;
    int64_t hole_us; /* until when a wire was last known silent; INT64_MIN: never */
} sim_net;

void sim_net_init(sim_net *net);
extern const vt_sim_network sim_net_template; /* its owner is to be set to the net */

/* Faults, on a wire drawn at random; without wires nothing happens. */
void sim_net_reset_some(sim_net *net);
void sim_net_silence_some(sim_net *net, bool to_server, bool to_client);

#endif
