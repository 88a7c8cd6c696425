/*
 * One at a time, as long as their number allows it; else, at the pace of a timer,
 * as many as that takes.
 */
#include "spread.h"

enum { STEP_US = 20 * 1000 }; /* a tick of the loop's timers */

size_t vt_spread_due(size_t here, int64_t until_us, int64_t now_us, int64_t *next_us)
{
    const int64_t left_us = until_us - now_us;
    *next_us = INT64_MAX;
    if (here == 0 || left_us <= STEP_US)
        return here;
    int64_t step_us = left_us / (int64_t)here;
    if (step_us < STEP_US)
        step_us = STEP_US;
    /* Rounded up, so that nobody is left for the end. */
    const size_t due = (size_t)(((int64_t)here * step_us + left_us - 1) / left_us);
    if (due >= here)
        return here;
    *next_us = now_us + step_us;
    return due;
}
