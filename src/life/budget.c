/*
 * The bucket's level is kept as a point in time, so that it fills by itself and
 * an idle one needs no attention.
 */
#include "budget.h"

bool vt_budget_take(vt_budget *budget, int per_s, int burst_s, int64_t now_us)
{
    if (budget->whole_us < now_us)
        budget->whole_us = now_us;
    int64_t cost_us = 1000000 / per_s;
    if (budget->whole_us + cost_us > now_us + (int64_t)burst_s * 1000000)
        return budget->spare > 0 && budget->spare-- > 0;
    budget->whole_us += cost_us;
    return true;
}

void vt_budget_excuse(vt_budget *budget, int per_s, int64_t us)
{
    budget->spare = us / 1000000 * per_s; /* what is left of an earlier one has expired */
}
