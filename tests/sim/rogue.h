/*
 * Peers that break the protocol, as clients of the server and as a server of
 * clients: what they are sent is drawn, from plain rubbish to frames with one
 * thing wrong. Whoever meets them may lose that one connection and nothing else.
 */
#ifndef SIM_ROGUE_H
#define SIM_ROGUE_H

#include "draw.h"
#include "loop.h"

typedef struct sim_rogue sim_rogue;

/* Calls `to` again and again, and listens on `on`. Ends with sim_rogue_destroy(),
 * before its loop. */
sim_rogue *sim_rogue_create(vital_loop *loop, uint64_t seed, const vt_address *to,
                            const vt_address *on);
void sim_rogue_calm(sim_rogue *rogue);    /* it calls no more */
void sim_rogue_destroy(sim_rogue *rogue); /* accepts NULL */

#endif
