/*
 * SIGINT, SIGTERM and perhaps SIGHUP as a descriptor that becomes readable, so that they are
 * handled between two turns of the loop like anything else.
 */
#ifndef VITAL_CLI_SIGNALS_H
#define VITAL_CLI_SIGNALS_H

/* Blocks SIGINT, SIGTERM and `another` (0: no other), for threads made later too,
 * and ignores SIGPIPE. Returns a descriptor, or -1 with errno set. */
int signals_open(int another);

/* The signal that came; 0 if none has. */
int signals_take(int fd);

/* Ends the process at once: what a second Ctrl-C asks for. Runs no clean-up,
 * since that is what takes too long. */
_Noreturn void signals_obey(int number);

#endif
