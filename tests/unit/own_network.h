/*
 * A network namespace of a test's own, where it may do to the network what it likes. It
 * takes root, or a system that lets users have namespaces; where neither is, the test says
 * so and is skipped. For programs with one thread.
 */
#ifndef VT_TESTS_OWN_NETWORK_H
#define VT_TESTS_OWN_NETWORK_H

#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Its loopback is up. Ends the test where we may not. */
static inline void own_network_enter(void)
{
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        print_message("SKIPPED, needs root or user namespaces: a network of our own\n");
        skip();
    }
    struct ifreq ask = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &ask), 0);
    close(fd);
}

#endif
