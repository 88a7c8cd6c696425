/*
 * Attends to one vital_loop and a few descriptors and an alarm beside it, in
 * one thread. This is how a program with a poll loop of its own embeds vital.
 */
#ifndef VITAL_CLI_ATTEND_H
#define VITAL_CLI_ATTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vital/vital.h>

enum { ATTEND_WATCHES = 4 };

typedef struct attend_watch {
    int fd;
    void (*ready)(void *user);
} attend_watch;

/* Set loop, user and turn; zero is right for the rest. */
typedef struct cli_attend {
    vital_loop *loop;         /* borrowed */
    void *user;               /* for every callback here */
    void (*turn)(void *user); /* after each step of the loop; may be NULL */
    attend_watch watches[ATTEND_WATCHES];
    size_t watch_count;
    void (*alarm)(void *user); /* NULL: none is set */
    int64_t alarm_us;
    bool stopped;
} cli_attend;

/* CLOCK_MONOTONIC in microseconds. */
int64_t attend_now_us(void);

/* Calls ready whenever fd can be read, has ended or has failed. Watching what
 * is watched changes nothing, nor does ignoring what is not. */
void attend_watch_fd(cli_attend *attend, int fd, void (*ready)(void *user));
void attend_ignore_fd(cli_attend *attend, int fd);

/* Calls alarm once, at that time; replaces the alarm before. */
void attend_set_alarm(cli_attend *attend, int64_t when_us, void (*alarm)(void *user));

/* Until attend_stop(). 0, or a negative vital error. */
int attend_run(cli_attend *attend);
void attend_stop(cli_attend *attend);

#endif
