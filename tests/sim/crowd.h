/*
 * How many of the server's peers are late at the same time, counted by the hosts that
 * they are on: written anew on purpose, from DESIGN.md, to judge the breaker by.
 */
#ifndef SIM_CROWD_H
#define SIM_CROWD_H

#include <stdbool.h>
#include <stdint.h>

#include "net.h"

typedef struct sim_crowd {
    int open, late; /* connections of the server */
    int hosts;      /* with a late one */
    int late_on[SIM_HOSTS];
    int64_t patient_us; /* when somebody was last given up after a long silence */
} sim_crowd;

void sim_crowd_init(sim_crowd *crowd);
/* One more connection, or one less; one more is late, or one less. */
void sim_crowd_open(sim_crowd *crowd, int by);
void sim_crowd_late(sim_crowd *crowd, unsigned host, int by);

/* Whether somebody may be given up now who has been silent for so long. */
bool sim_crowd_allows(sim_crowd *crowd, int64_t now_us, int64_t quiet_us);

#endif
