/*
 * One system call, about half a microsecond: cheap enough to ask in doubt, and
 * too dear to ask at every beat. Why nothing can be sent takes five more, and is
 * only asked if nothing is on its way of what waits.
 */
#include "tcp_info.h"

#include <errno.h>
#include <linux/tcp.h>
#include <unistd.h>

/* The states of linux/tcp_states.h, which is not for programs. */
enum { ESTABLISHED = 1, CLOSE = 7, LISTEN = 10 };

static void clear_port(vt_address *address)
{
    if (address->any.sa_family == AF_INET)
        address->in.sin_port = 0;
    else
        address->in6.sin6_port = 0;
}

int vt_tcp_no_way(int fd)
{
    vt_address here = {.size = sizeof here.un}, there = {.size = sizeof there.un};
    if (getsockname(fd, &here.any, &here.size) != 0 ||
        getpeername(fd, &there.any, &there.size) != 0)
        return 0;
    int probe = socket(here.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return 0;
    clear_port(&here);
    bool way = bind(probe, &here.any, here.size) == 0 &&
               connect(probe, &there.any, there.size) == 0; /* of UDP: sends nothing */
    int error = way ? 0 : errno;
    close(probe);
    return error;
}

bool vt_tcp_info_read(int fd, vital_evidence *out)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return false;
    if (size < offsetof(struct tcp_info, tcpi_snd_wnd) + sizeof info.tcpi_snd_wnd)
        return false;
    if (info.tcpi_state < ESTABLISHED || info.tcpi_state == CLOSE || info.tcpi_state == LISTEN)
        return false;
    *out = (vital_evidence){
        .known = true,
        .unacked_packets = info.tcpi_unacked,
        .retransmits = info.tcpi_retransmits,
        .probes = info.tcpi_probes,
        .rto_us = info.tcpi_rto,
        .rtt_us = info.tcpi_rtt,
        .rttvar_us = info.tcpi_rttvar,
        .window_bytes = info.tcpi_snd_wnd,
        .unsent_bytes = info.tcpi_notsent_bytes,
        .acked_bytes = info.tcpi_bytes_acked,
        .heard_ms = info.tcpi_last_data_recv,
        .acked_ms = info.tcpi_last_ack_recv,
    };
    if (out->unacked_packets == 0 && out->unsent_bytes > 0)
        out->error = vt_tcp_no_way(fd);
    return true;
}
