/*
 * What a process on this machine takes, as the kernel counts it: the server that is
 * measured (--pid), and ourselves.
 */
#ifndef VITAL_CLI_BENCH_SUBJECT_H
#define VITAL_CLI_BENCH_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct bench_subject {
    int64_t resident_bytes; /* /proc/PID/statm: all that is in memory, shared or not */
    int64_t cpu_us;         /* user and system, of all its threads, since it began */
} bench_subject;

/* False if there is no such process, with errno. */
bool bench_subject_read(bench_subject *out, pid_t pid);

#endif
