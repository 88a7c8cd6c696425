/*
 * A population of clients and their server, living through faults, and the
 * properties that must hold at every step of it.
 */
#ifndef SIM_POPULATION_H
#define SIM_POPULATION_H

#include <stdbool.h>
#include <stdint.h>

enum { SIM_PROCESSES_MOST = 32 };

typedef struct sim_options {
    uint64_t seed;
    int clients;
    int processes;   /* that the clients are spread over */
    int64_t span_us; /* how long faults may come; then the world heals */
    bool faults;
    bool trace; /* print what happens */
} sim_options;

typedef struct sim_result {
    uint64_t connections; /* sockets */
    uint64_t beats;
    uint64_t messages;
    uint64_t faults;
    uint64_t violations;
    uint64_t hash; /* of everything that happened, in its order */
    char first_violation[256];
} sim_result;

sim_result sim_live(const sim_options *options);

#endif
