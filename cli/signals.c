/*
 * Signals without handlers: a signalfd. A handler could do next to nothing, and
 * a flag that it sets would be seen only when something else wakes the loop.
 */
#include "signals.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "exits.h"

int signals_open(int another)
{
    sigset_t all;
    sigemptyset(&all);
    sigaddset(&all, SIGINT);
    sigaddset(&all, SIGTERM);
    if (another != 0)
        sigaddset(&all, another);
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    return signalfd(-1, &all, SFD_NONBLOCK | SFD_CLOEXEC);
}

int signals_take(int fd)
{
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof info) != (ssize_t)sizeof info)
        return 0;
    return (int)info.ssi_signo;
}

_Noreturn void signals_obey(int number)
{
    _exit(EXITS_SIGNAL + number);
}
