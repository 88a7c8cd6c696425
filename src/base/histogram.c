/*
 * Bucket 0 ends with 16 us, and each power of two from there on is the end of a
 * bucket. A bucket includes its end, as those of Prometheus do.
 */
#include "histogram.h"

enum {
    STEPS = 4,                /* buckets between two powers of two */
    STEPS_SHIFT = 2,          /* log2 of that */
    FIRST_SHIFT = 4,          /* log2 of the end of bucket 0, in us */
    LAST = VITAL_BUCKETS - 1, /* for all that is longer than 2^26 us */
};

size_t vt_histogram_bucket(int64_t us)
{
    if (us <= INT64_C(1) << FIRST_SHIFT)
        return 0;
    uint64_t below = (uint64_t)us - 1; /* since the end belongs to the bucket */
    unsigned shift = 63 - (unsigned)__builtin_clzll(below);
    unsigned step = (unsigned)(below >> (shift - STEPS_SHIFT)) & (STEPS - 1);
    size_t bucket = 1 + (size_t)(shift - FIRST_SHIFT) * STEPS + step;
    return bucket < LAST ? bucket : LAST;
}

int64_t vital_bucket_us(size_t bucket)
{
    if (bucket >= LAST)
        return INT64_MAX;
    int64_t power = INT64_C(1) << (FIRST_SHIFT + bucket / STEPS);
    return power + power / STEPS * (int64_t)(bucket % STEPS);
}

void vt_histogram_note(vital_histogram *histogram, int64_t us)
{
    int64_t least_us = us < 0 ? 0 : us;
    histogram->count++;
    histogram->sum_us += least_us;
    histogram->buckets[vt_histogram_bucket(least_us)]++;
}

void vt_histogram_add(vital_histogram *sum, const vital_histogram *more)
{
    sum->count += more->count;
    sum->sum_us += more->sum_us;
    for (size_t i = 0; i < VITAL_BUCKETS; i++)
        sum->buckets[i] += more->buckets[i];
}
