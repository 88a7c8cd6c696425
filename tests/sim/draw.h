/*
 * Random numbers for the world: small generators, one for each thing that draws,
 * so that what one of them does moves no other. splitmix64 (Steele, Lea and
 * Flood, OOPSLA 2014).
 */
#ifndef SIM_DRAW_H
#define SIM_DRAW_H

#include <stdint.h>

typedef struct sim_draw {
    uint64_t state;
} sim_draw;

static inline uint64_t sim_draw_next(sim_draw *draw)
{
    uint64_t z = (draw->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* `name` tells the generators of one seed apart. */
static inline sim_draw sim_draw_of(uint64_t seed, uint64_t name)
{
    sim_draw draw = {seed};
    draw.state = sim_draw_next(&draw) ^ name * UINT64_C(0xd6e8feb86659fd93);
    sim_draw_next(&draw);
    return draw;
}

/* U[low, high]; the bias of the remainder is below 2^-20 for all that is drawn. */
static inline int64_t sim_draw_between(sim_draw *draw, int64_t low, int64_t high)
{
    return low + (int64_t)(sim_draw_next(draw) % ((uint64_t)(high - low) + 1));
}

#endif
