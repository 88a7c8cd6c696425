/*
 * Counts times by their size, in buckets that are fixed: between a power of two
 * and the next there are four, equally wide, so that the error of a quantile is
 * at most a quarter whatever its size. Counting is a shift and an increment.
 *
 * vital.h declares the histogram itself, and vital_bucket_us().
 */
#ifndef VT_BASE_HISTOGRAM_H
#define VT_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include <vital/vital.h>

/* The bucket of a time; one that is negative is counted as none. */
size_t vt_histogram_bucket(int64_t us);

void vt_histogram_note(vital_histogram *histogram, int64_t us);
void vt_histogram_add(vital_histogram *sum, const vital_histogram *more);

#endif
