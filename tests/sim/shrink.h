/*
 * From a seed that fails to the least that still fails: fewer faults, fewer
 * features, fewer clients, less time.
 */
#ifndef SIM_SHRINK_H
#define SIM_SHRINK_H

#include "life.h"

/* Makes options and plan smaller, as long as there is a violation. */
void sim_shrink(sim_options *options, sim_plan *plan);

#endif
