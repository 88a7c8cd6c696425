/*
 * A token bucket in one number (the generic cell rate algorithm, ITU-T I.371):
 * each event costs its share of a second, and credit reaches a few seconds back.
 */
#ifndef VT_LIFE_BUDGET_H
#define VT_LIFE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

typedef struct vt_budget {
    int64_t whole_us; /* when the budget is whole again; zero is a good start */
    int64_t spare;    /* events beyond the budget that are let through */
} vt_budget;

/* One event, of which `per_s` a second are allowed, in bursts of up to burst_s
 * seconds' worth. False: over budget. */
bool vt_budget_take(vt_budget *budget, int per_s, int burst_s, int64_t now_us);

/* So long nobody looked: what came meanwhile comes all at once. */
void vt_budget_excuse(vt_budget *budget, int per_s, int64_t us);

#endif
