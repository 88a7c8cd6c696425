/*
 * The statistics as text for Prometheus (exposition format 0.0.4): names begin
 * with vital_, times are seconds, and a histogram has a bucket for each power of
 * two, from 16 us to 67 s.
 */
#ifndef VITAL_CLI_METRICS_H
#define VITAL_CLI_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include <vital/vital.h>

typedef struct metrics_source {
    const vital_stats *stats;
    uint64_t doubtful; /* of the open connections */
    int loops;
} metrics_source;

/* malloc'd, ends with a NUL; NULL without memory. */
char *metrics_write(const metrics_source *source);

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
