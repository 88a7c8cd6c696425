/*
 * A limit of `vital bench --fail-if`, such as "p99>50ms": what is measured, how it is
 * compared, and with what. Without spaces or with them:
 *
 *   limit:   measure ( ">" | ">=" | "<" | "<=" ) value
 *   measure: "p" percent | "min" | "mean" | "max"     a time: "50ms", "300us"
 *            "rate" | "failed" | "lost" | "unanswered" a number: "10000"
 *            "memory"                                  a size:   "2KiB"
 *            "cpu"                                     a number: "7.5"
 */
#ifndef VITAL_CLI_BENCH_LIMIT_H
#define VITAL_CLI_BENCH_LIMIT_H

#include <stdbool.h>
#include <stddef.h>

typedef enum bench_measure {
    BENCH_PERCENTILE, /* of the answers' times, as the next three; in us */
    BENCH_MIN,
    BENCH_MEAN,
    BENCH_MAX,
    BENCH_RATE,       /* answers a second */
    BENCH_FAILED,     /* connections that did not open */
    BENCH_LOST,       /* those that were open and ended */
    BENCH_UNANSWERED, /* messages */
    BENCH_MEMORY,     /* bytes a connection; of the process of --pid */
    BENCH_CPU,        /* seconds a million answers; likewise */
} bench_measure;

typedef struct bench_limit {
    const char *text; /* borrowed; as it was given */
    bench_measure measure;
    double part;  /* of BENCH_PERCENTILE: 0.99 for p99 */
    bool above;   /* it fails if the measure is larger; else, smaller */
    bool or_same; /* it fails too if they are equal */
    double value;
} bench_limit;

/* NULL; or what is wrong, as a sentence that follows the text. */
const char *bench_limit_parse(bench_limit *out, const char *text);

/* Whether this measured value is on the wrong side. */
bool bench_limit_fails(const bench_limit *limit, double measured);

#endif
