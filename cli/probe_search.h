/*
 * Which silences to try, to find how long a path bears one. Pure: it is told how
 * each trial ended, and says what to try next.
 *
 *     first     one connection, silent for the longest time: whoever ends silent
 *               connections shows its limit by that, and whoever has none too
 *     again     the same once more, if it was ended: once may be a coincidence
 *     growing   if it was dead in silence: fresh ones, silent for longer and longer
 *     halving   between the longest that was borne and the shortest that was not
 */
#ifndef VITAL_CLI_PROBE_SEARCH_H
#define VITAL_CLI_PROBE_SEARCH_H

#include <stdbool.h>

typedef enum probe_outcome {
    PROBE_ALIVE, /* a ping after the silence was answered */
    PROBE_DEAD,  /* it was not: something on the way has forgotten the connection */
    PROBE_ENDED, /* somebody ended the silent connection */
    PROBE_SPOKE, /* the peer does not stay silent for so long */
} probe_outcome;

typedef struct probe_search {
    int longest_ms; /* to try at all */
    int borne_ms;   /* the longest silence that a connection has borne; 0: none */
    int fatal_ms;   /* the shortest that it has not; 0: none */
    int ended_ms;   /* after which somebody ended a silent one, at the least; 0: nobody did */
    int ended_last_ms;
    int ended_times;
    int spoke_ms; /* the longest silence that the peer keeps; 0: as long as one likes */
    bool repeats; /* it tries again what was ended */
} probe_search;

/* `longest_ms` is at least 1. */
void probe_search_init(probe_search *search, int longest_ms, bool repeats);

/* How long the next connection is to be silent; 0: all that can be known is. */
int probe_search_next(const probe_search *search);

/* After so much silence, no more than probe_search_next() said. */
void probe_search_tell(probe_search *search, probe_outcome outcome, int silence_ms);

/* The least silence that a connection may not bear; 0: none is known. What was ended
 * once and then bore more was a coincidence. */
int probe_search_limit_ms(const probe_search *search);

enum { PROBE_INTERVAL_LEAST_MS = 5000, PROBE_INTERVAL_MOST_MS = 25000 };

/* An interval for heartbeats whose answers are awaited for so long: two fit into
 * the limit, and one with its answer twice, between the least and the most. */
int probe_search_interval_ms(const probe_search *search, int answer_ms);

#endif
