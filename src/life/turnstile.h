/*
 * The turnstile before a server's door: so many a second come in, in bursts of two
 * seconds' worth, and each of the others is told in how many seconds to come back,
 * one behind the other. So those who wait are spread over just the time in which
 * they can be let in, and know of each other by what they are told.
 */
#ifndef VT_LIFE_TURNSTILE_H
#define VT_LIFE_TURNSTILE_H

#include <vital/engine.h>

#include "budget.h"

enum {
    VT_TURNSTILE_BURST_S = 2,
    VT_TURNSTILE_MAX_S = 600, /* nobody is sent away for longer than this */
};

/* Zeroed is a good start. */
struct vital_turnstile {
    vt_budget budget;
    int64_t promised_us; /* the last place that was given away */
};

/* Somebody wants in, of whom per_s a second may. 0: come in; else the seconds after
 * which to ask again, which nobody is reserved: who comes uninvited may take them. */
int vt_turnstile_pass(vital_turnstile *turnstile, int per_s, int64_t now_us);

#endif
