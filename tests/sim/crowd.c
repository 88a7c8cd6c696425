/*
 * Nobody is given up in the first ten seconds of a silence that many share; unless it
 * has lasted so long for others that verdicts go their way, for half a minute.
 */
#include "crowd.h"

enum {
    SECOND_US = 1000 * 1000,
    PUT_OFF_US = 10 * SECOND_US,
    GO_THEIR_WAY_US = 31 * SECOND_US,
    /* A table of counters may take two hosts for one. */
    MANY_HOSTS = 60,
    ONE_IN = 20,
};

void sim_crowd_init(sim_crowd *crowd)
{
    *crowd = (sim_crowd){.patient_us = INT64_MIN / 2};
}

void sim_crowd_open(sim_crowd *crowd, int by)
{
    crowd->open += by;
}

void sim_crowd_late(sim_crowd *crowd, unsigned host, int by)
{
    int *late = &crowd->late_on[host];
    crowd->hosts -= *late > 0;
    *late += by;
    crowd->hosts += *late > 0;
    crowd->late += by;
}

bool sim_crowd_allows(sim_crowd *crowd, int64_t now_us, int64_t quiet_us)
{
    if (quiet_us >= PUT_OFF_US)
        crowd->patient_us = now_us;
    bool many = crowd->hosts >= MANY_HOSTS && crowd->late * ONE_IN > crowd->open;
    return !many || now_us < crowd->patient_us + GO_THEIR_WAY_US;
}
