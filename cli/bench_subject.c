/*
 * The clock of a process's CPU time is exact, where /proc/PID/stat counts in hundredths
 * of a second; memory comes in pages.
 */
#include "bench_subject.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static bool read_memory(bench_subject *out, pid_t pid)
{
    char path[64];
    int64_t pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool found = fscanf(file, "%*d %" SCNd64, &pages) == 1;
    fclose(file);
    if (!found)
        errno = ESRCH; /* it ended meanwhile */
    out->resident_bytes = pages * sysconf(_SC_PAGESIZE);
    return found;
}

bool bench_subject_read(bench_subject *out, pid_t pid)
{
    clockid_t clock;
    struct timespec used;
    int error = clock_getcpuclockid(pid, &clock);
    if (error != 0) {
        errno = error;
        return false;
    }
    if (clock_gettime(clock, &used) != 0 || !read_memory(out, pid))
        return false;
    out->cpu_us = (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
    return true;
}
