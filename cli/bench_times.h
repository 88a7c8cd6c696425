/*
 * Counts times by their size, finely: exact below 128 us, and from there on in buckets
 * of which the next is at most a sixty-fourth larger. vital's own histograms
 * (vital_histogram) are for metrics that are kept for every loop, and may be wrong by a
 * quarter: too coarse for a limit that a build is to fail at. A counting is a shift and
 * an increment; there is no memory to ask for.
 */
#ifndef VITAL_CLI_BENCH_TIMES_H
#define VITAL_CLI_BENCH_TIMES_H

#include <stdint.h>

enum { BENCH_TIMES_BUCKETS = 2048 };

/* Zeroed, it is empty. */
typedef struct bench_times {
    uint64_t count;
    int64_t sum_us;
    int64_t min_us; /* with the next: of no meaning while the count is 0 */
    int64_t max_us;
    uint64_t buckets[BENCH_TIMES_BUCKETS];
} bench_times;

/* A time that is negative counts as none. */
void bench_times_note(bench_times *times, int64_t us);
void bench_times_add(bench_times *sum, const bench_times *more);

/* A time that the given part of all, 0 to 1, did not exceed: the end of the bucket in
 * which that one is, and never more than the longest. -1 if there is none. */
int64_t bench_times_quantile_us(const bench_times *times, double part);
int64_t bench_times_mean_us(const bench_times *times); /* likewise */

#endif
