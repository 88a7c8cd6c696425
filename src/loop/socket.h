/*
 * Sockets as vital wants them, for every backend on the real network:
 * non-blocking, closed on exec, without Nagle's delay.
 */
#ifndef VT_LOOP_SOCKET_H
#define VT_LOOP_SOCKET_H

#include <stdbool.h>

#include "loop.h"

/* Begins to connect, from this address unless it is NULL. A descriptor, or -1 with
 * errno. *error is 0 while it is on its way or done, or why it failed at once. */
int vt_socket_connect(const vt_address *from, const vt_address *to, int *error);

/* Whether a connected socket is its own peer: TCP can join a local port that
 * nobody listens on to itself, when the kernel picks just that port. */
bool vt_socket_is_own_peer(int fd);

/* Listens; a Unix socket whose owner is gone is replaced. A descriptor, or -1
 * with errno. `bound` is the address with the port that was picked. */
int vt_socket_listen(const vt_address *on, bool share_port, vt_address *bound);

/* Whether an ICMP message may be behind the errno (icmp(7)). */
bool vt_socket_error_is_report(int error);

/* Discards the messages behind such errnos, which are kept for whoever wants more
 * (IP_RECVERR): as long as there are some, poll(2) reports an error. */
void vt_socket_drain_errors(int fd);

/* What an accepted socket needs besides. */
void vt_socket_tune(int fd, int family);

#endif
