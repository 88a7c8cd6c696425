/*
 * One turn: what is ready is handled, the loop makes a step, and the command
 * looks at where it stands (`turn`). ppoll rather than poll, since a ping every
 * 10 ms must not be rounded to the next millisecond.
 */
#include "attend.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <time.h>

int64_t attend_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void attend_watch_fd(cli_attend *attend, int fd, void (*ready)(void *user))
{
    attend_ignore_fd(attend, fd);
    assert(attend->watch_count < ATTEND_WATCHES);
    attend->watches[attend->watch_count++] = (attend_watch){fd, ready};
}

void attend_ignore_fd(cli_attend *attend, int fd)
{
    for (size_t i = 0; i < attend->watch_count; i++) {
        if (attend->watches[i].fd == fd) {
            attend->watches[i] = attend->watches[--attend->watch_count];
            return;
        }
    }
}

void attend_set_alarm(cli_attend *attend, int64_t when_us, void (*alarm)(void *user))
{
    attend->alarm = alarm;
    attend->alarm_us = when_us;
}

/* Until the loop or the alarm is due, whichever is first. NULL: for ever. */
static const struct timespec *patience(const cli_attend *attend, struct timespec *wait)
{
    int loop_ms = vital_loop_wait_ms(attend->loop);
    int64_t wait_us = loop_ms < 0 ? -1 : (int64_t)loop_ms * 1000;
    if (attend->alarm != NULL) {
        int64_t left_us = attend->alarm_us - attend_now_us();
        if (left_us < 0)
            left_us = 0;
        if (wait_us < 0 || left_us < wait_us)
            wait_us = left_us;
    }
    if (wait_us < 0)
        return NULL;
    wait->tv_sec = (time_t)(wait_us / 1000000);
    wait->tv_nsec = (long)(wait_us % 1000000 * 1000);
    return wait;
}

static void ring(cli_attend *attend)
{
    if (attend->alarm == NULL || attend_now_us() < attend->alarm_us)
        return;
    void (*alarm)(void *user) = attend->alarm;
    attend->alarm = NULL;
    alarm(attend->user);
}

/* A handler may change what is watched, so the ready ones are called from the
 * list as it was polled, and only if they are still watched. */
static void call_ready(cli_attend *attend, const struct pollfd *polled, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (polled[i].revents == 0)
            continue;
        for (size_t k = 0; k < attend->watch_count; k++) {
            if (attend->watches[k].fd == polled[i].fd) {
                attend->watches[k].ready(attend->user);
                break;
            }
        }
    }
}

int attend_run(cli_attend *attend)
{
    for (;;) {
        int error = vital_loop_step(attend->loop, 0);
        if (error < 0)
            return error;
        if (attend->turn != NULL)
            attend->turn(attend->user);
        if (attend->stopped)
            return 0;

        struct pollfd polled[ATTEND_WATCHES + 1];
        size_t count = attend->watch_count;
        for (size_t i = 0; i < count; i++)
            polled[i] = (struct pollfd){.fd = attend->watches[i].fd, .events = POLLIN};
        polled[count] = (struct pollfd){.fd = vital_loop_fd(attend->loop), .events = POLLIN};
        struct timespec wait;
        int ready = ppoll(polled, count + 1, patience(attend, &wait), NULL);
        if (ready < 0 && errno != EINTR)
            return VITAL_ESYSTEM;
        if (ready > 0)
            call_ready(attend, polled, count);
        ring(attend);
    }
}

void attend_stop(cli_attend *attend)
{
    attend->stopped = true;
}
