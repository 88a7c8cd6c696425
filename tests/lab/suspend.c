/*
 * Preloaded into a program, has it sleep as a suspended machine does, when it gets
 * SIGUSR1 after a stop of LAB_SUSPENDED_S seconds: for its CLOCK_MONOTONIC that time has
 * not been, for its CLOCK_BOOTTIME it has.
 *
 * The clocks of a time namespace are fixed once a process is in it, and a running
 * process can be moved into one by nobody but itself, and only while it has one thread.
 * So the program makes a namespace, sets its clock back, and enters.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char offsets[64];

static void complain(void)
{
    static const char words[] = "lab_suspend: the clocks could not be set\n";
    if (write(STDERR_FILENO, words, sizeof words - 1) < 0)
        _exit(1);
}

/* Only what a signal handler may call. */
static void sleep_as_machine(int number)
{
    (void)number;
    size_t size = strlen(offsets);
    int file = unshare(CLONE_NEWTIME) == 0 ? open("/proc/self/timens_offsets", O_WRONLY) : -1;
    int space = open("/proc/self/ns/time_for_children", O_RDONLY);
    if (file < 0 || write(file, offsets, size) != (ssize_t)size || setns(space, CLONE_NEWTIME) != 0)
        complain();
    close(file);
    close(space);
}

__attribute__((constructor)) static void prepare(void)
{
    const char *seconds = getenv("LAB_SUSPENDED_S");
    struct sigaction action = {.sa_handler = sleep_as_machine};
    if (seconds == NULL)
        return;
    snprintf(offsets, sizeof offsets, "monotonic -%d 0\n", atoi(seconds));
    sigaction(SIGUSR1, &action, NULL);
}
