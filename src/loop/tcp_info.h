/*
 * What the kernel says of a TCP connection. In a file of its own, since the
 * kernel's header and the C library's of the same name do not go together.
 */
#ifndef VT_LOOP_TCP_INFO_H
#define VT_LOOP_TCP_INFO_H

#include "loop.h"

/* False if the descriptor is no TCP socket, is not connected, or if this kernel
 * (before Linux 5.4) does not say all of it. */
bool vt_tcp_info_read(int fd, vital_evidence *out);

/* Why the system would send nothing from this connection's address to its peer's, as an
 * errno: the address is not ours any more, there is no route. 0 if it would. */
int vt_tcp_no_way(int fd);

#endif
