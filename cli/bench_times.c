/*
 * Between a power of two and the next there are 64 buckets, equally wide; below 128
 * each number has its own. The last bucket takes what is longer than nineteen hours.
 */
#include "bench_times.h"

#include <math.h>
#include <stddef.h>

enum {
    STEPS_SHIFT = 6,
    STEPS = 1 << STEPS_SHIFT, /* buckets between two powers of two */
    EXACT_SHIFT = STEPS_SHIFT + 1,
    EXACT = 1 << EXACT_SHIFT,
    LAST = BENCH_TIMES_BUCKETS - 1,
};

static size_t bucket_of(int64_t us)
{
    uint64_t number = (uint64_t)us;
    if (number < EXACT)
        return (size_t)number;
    unsigned power = 63 - (unsigned)__builtin_clzll(number);
    size_t step = (size_t)(number >> (power - STEPS_SHIFT)) & (STEPS - 1);
    size_t bucket = EXACT + (size_t)(power - EXACT_SHIFT) * STEPS + step;
    return bucket < LAST ? bucket : LAST;
}

/* The longest time in it. */
static int64_t end_of(size_t bucket)
{
    if (bucket < EXACT)
        return (int64_t)bucket;
    size_t above = bucket - EXACT;
    int64_t width = INT64_C(1) << (above / STEPS + 1);
    return (int64_t)(STEPS + above % STEPS + 1) * width - 1;
}

void bench_times_note(bench_times *times, int64_t us)
{
    if (us < 0)
        us = 0;
    if (times->count == 0 || us < times->min_us)
        times->min_us = us;
    if (times->count == 0 || us > times->max_us)
        times->max_us = us;
    times->count++;
    times->sum_us += us;
    times->buckets[bucket_of(us)]++;
}

void bench_times_add(bench_times *sum, const bench_times *more)
{
    if (more->count == 0)
        return;
    if (sum->count == 0 || more->min_us < sum->min_us)
        sum->min_us = more->min_us;
    if (sum->count == 0 || more->max_us > sum->max_us)
        sum->max_us = more->max_us;
    sum->count += more->count;
    sum->sum_us += more->sum_us;
    for (size_t i = 0; i < BENCH_TIMES_BUCKETS; i++)
        sum->buckets[i] += more->buckets[i];
}

int64_t bench_times_quantile_us(const bench_times *times, double part)
{
    uint64_t rank = (uint64_t)ceil(part * (double)times->count);
    uint64_t below = 0;
    if (times->count == 0)
        return -1;
    if (rank < 1)
        rank = 1;
    for (size_t i = 0; i < LAST; i++) {
        below += times->buckets[i];
        if (below >= rank)
            return end_of(i) < times->max_us ? end_of(i) : times->max_us;
    }
    return times->max_us;
}

int64_t bench_times_mean_us(const bench_times *times)
{
    return times->count == 0 ? -1 : times->sum_us / (int64_t)times->count;
}
