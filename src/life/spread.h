/*
 * A crowd that is to go within a time, evenly: how many of them now, and when to
 * ask again. Nothing is kept, so whoever leaves by himself, and a loop that comes
 * late, only change how fast the rest goes.
 */
#ifndef VT_LIFE_SPREAD_H
#define VT_LIFE_SPREAD_H

#include <stddef.h>
#include <stdint.h>

/* Of `here` who are to be gone by until_us so many go now. *next_us: when to ask
 * again; INT64_MAX: nobody is left then. The first goes at once. */
size_t vt_spread_due(size_t here, int64_t until_us, int64_t now_us, int64_t *next_us);

#endif
