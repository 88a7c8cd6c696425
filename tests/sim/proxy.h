/*
 * A reverse proxy in a process of its own: it ends TCP on both sides, passes on
 * what comes, and cuts who has been silent for too long in either direction.
 */
#ifndef SIM_PROXY_H
#define SIM_PROXY_H

#include "loop.h"

typedef struct sim_proxy sim_proxy;

typedef struct sim_proxy_options {
    vt_address on, to;
    int64_t idle_us; /* of one direction */
    bool resets;     /* rather than to end streams in order */
} sim_proxy_options;

/* On a loop of its own; NULL without memory. Ends with sim_proxy_destroy(),
 * before its loop. */
sim_proxy *sim_proxy_create(vital_loop *loop, const sim_proxy_options *options);
void sim_proxy_destroy(sim_proxy *proxy);      /* accepts NULL */
size_t sim_proxy_cuts(const sim_proxy *proxy); /* how many it found idle */

#endif
