/*
 * Who is refused costs the budget nothing, so places are given away at the rate at
 * which it fills. A crowd beyond the longest time shares the second half of it:
 * some of them will be refused once more, but not all at the same moment.
 */
#include "turnstile.h"

#include <stdlib.h>

int vital_turnstile_create(vital_turnstile **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? 0 : VITAL_ENOMEM;
}

void vital_turnstile_destroy(vital_turnstile *turnstile)
{
    free(turnstile);
}

int vt_turnstile_pass(vital_turnstile *turnstile, int per_s, int64_t now_us)
{
    const int64_t s_us = 1000000, longest_us = VT_TURNSTILE_MAX_S * s_us;
    if (vt_budget_take(&turnstile->budget, per_s, VT_TURNSTILE_BURST_S, now_us))
        return 0;
    if (turnstile->promised_us < now_us)
        turnstile->promised_us = now_us;
    turnstile->promised_us += s_us / per_s;
    if (turnstile->promised_us > now_us + longest_us)
        turnstile->promised_us = now_us + longest_us / 2;
    int64_t after_us = turnstile->promised_us - now_us;
    return (int)((after_us + s_us - 1) / s_us);
}
