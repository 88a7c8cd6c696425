/*
 * The system calls that make a socket, in one place, so that backends differ in
 * how they wait and in nothing else.
 */
#include "socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    /* What the kernel takes beyond what is on its way. A beat can overtake what
     * waits with us, and nothing that waits there; two fragments keep it busy. */
    UNSENT_BYTES = 32 * 1024,
    ERRORS_AT_ONCE = 64,
};

static int open_socket(const vt_address *address)
{
    return socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static void close_keeping_errno(int fd)
{
    int error = errno;
    close(fd);
    errno = error;
}

void vt_socket_tune(int fd, int family)
{
    int on = 1, unsent_bytes = UNSENT_BYTES;
    if (family == AF_UNIX)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof unsent_bytes);
    /* What is lost of little data is sent again at a steady pace at first (tcp(7),
     * Documentation/networking/tcp-thin.rst): a beat gets across a bad path sooner,
     * and that it does not is known sooner. */
    setsockopt(fd, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, &on, sizeof on);
    /* What a router reports is told at once, not when TCP gives up (ip(7)). */
    setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
}

bool vt_socket_error_is_report(int error)
{
    switch (error) {
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENONET:
    case ENOPROTOOPT:
    case ECONNREFUSED:
    case EOPNOTSUPP:
    case EPROTO:
    case EACCES:
        return true;
    default:
        return false;
    }
}

void vt_socket_drain_errors(int fd)
{
    struct msghdr nothing = {.msg_name = NULL};
    for (int i = 0; i < ERRORS_AT_ONCE; i++) {
        if (recvmsg(fd, &nothing, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return;
    }
}

/* The port is picked when it is known whom to connect to, so that one that leads to
 * another peer already may be taken again (ip(7)). */
static int bind_address(int fd, const vt_address *from)
{
    int yes = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    return bind(fd, &from->any, from->size);
}

int vt_socket_connect(const vt_address *from, const vt_address *to, int *error)
{
    int fd = open_socket(to);
    if (fd < 0)
        return -1;
    vt_socket_tune(fd, to->any.sa_family);
    if (from != NULL && from->any.sa_family != to->any.sa_family)
        *error = EAFNOSUPPORT;
    else if (from != NULL && bind_address(fd, from) != 0)
        *error = errno;
    else
        *error = connect(fd, &to->any, to->size) == 0 || errno == EINPROGRESS ? 0 : errno;
    return fd;
}

bool vt_socket_is_own_peer(int fd)
{
    vt_address here = {.size = sizeof here.un}, there = {.size = sizeof there.un};
    if (getsockname(fd, &here.any, &here.size) != 0 ||
        getpeername(fd, &there.any, &there.size) != 0)
        return false;
    return here.any.sa_family != AF_UNIX && here.size == there.size &&
           memcmp(&here.any, &there.any, here.size) == 0;
}

/* A Unix socket that nobody listens on any more is in the way of its successor. */
static void remove_stale_socket(const vt_address *on)
{
    struct stat status;
    const char *path = on->un.sun_path;
    if (on->any.sa_family != AF_UNIX || path[0] == '\0' || stat(path, &status) != 0 ||
        !S_ISSOCK(status.st_mode))
        return;
    int fd = open_socket(on);
    if (fd < 0)
        return;
    if (connect(fd, &on->any, on->size) != 0 && errno == ECONNREFUSED)
        unlink(path);
    close(fd);
}

int vt_socket_listen(const vt_address *on, bool share_port, vt_address *bound)
{
    int yes = 1;
    int fd = open_socket(on);
    if (fd < 0)
        return -1;
    remove_stale_socket(on);
    if (on->any.sa_family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        if (share_port)
            setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    }
    bound->size = sizeof bound->un;
    if (bind(fd, &on->any, on->size) == 0 && listen(fd, BACKLOG) == 0 &&
        getsockname(fd, &bound->any, &bound->size) == 0)
        return fd;
    close_keeping_errno(fd);
    return -1;
}
