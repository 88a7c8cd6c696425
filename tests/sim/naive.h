/*
 * Clients as they are usually written: a ping by a timer that fires whatever
 * happens, and a timeout that asks nothing but the clock. They are what vital's
 * mistakes are compared with.
 */
#ifndef SIM_NAIVE_H
#define SIM_NAIVE_H

#include "life.h"

typedef struct sim_naive sim_naive;

/* `count` clients in a process of their own, which is placed already. */
sim_naive *sim_naive_create(sim_life *life, const vt_address *to, int count);
/* Hangs all of them up; adds what they did to the life's result. */
void sim_naive_destroy(sim_naive *naive); /* accepts NULL */

#endif
