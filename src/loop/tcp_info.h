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

#endif
