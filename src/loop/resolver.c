/*
 * c-ares answers some names at once (the hosts file) and others later, and it
 * cannot take back a single question. So a lookup has two lives: the caller's,
 * which ends with `found` or a cancellation, and c-ares', which ends with its
 * callback; the memory goes with the later of the two. Answers are told from a
 * task, never from inside vt_lookup_start().
 *
 * Its sockets are few, short-lived and not ours. They are watched in an epoll of
 * their own, of which a backend sees one descriptor, whatever it waits with.
 */
#include "resolver.h"

#include <ares.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    TRY_MS = 2500, /* the first of the tries to one server */
    TRIES = 2,
    EVENTS = 16,
};

struct vt_resolver {
    vital_loop *loop;
    ares_channel channel; /* NULL: to be created */
    int epoll_fd;
    vt_timer timeout;
    size_t open;  /* questions that c-ares holds */
    bool failing; /* the last answer was none */
};

typedef struct name_lookup {
    vt_lookup base;
    vt_resolver *resolver;
    uint16_t port;
    bool asked; /* c-ares still holds it */
    bool cancelled;
    int status;
    vt_task tell;
    size_t count;
    vt_address addresses[VT_LOOKUP_ADDRESSES];
} name_lookup;

static void arm_timeout(vt_resolver *resolver)
{
    struct timeval left;
    int64_t at_us = INT64_MAX;
    if (ares_timeout(resolver->channel, NULL, &left) != NULL)
        at_us = vt_loop_clock(resolver->loop).now_us + (int64_t)left.tv_sec * 1000000 +
                left.tv_usec;
    vt_timer_arm(&resolver->timeout, resolver->loop, at_us);
}

static void time_out(void *owner)
{
    vt_resolver *resolver = owner;
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_timeout(resolver);
}

static void socket_state(void *owner, ares_socket_t fd, int read, int write)
{
    const vt_resolver *resolver = owner;
    struct epoll_event event = {
        .events = (read != 0 ? EPOLLIN : 0u) | (write != 0 ? EPOLLOUT : 0u),
        .data.fd = fd,
    };
    if (event.events == 0)
        epoll_ctl(resolver->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    else if (epoll_ctl(resolver->epoll_fd, EPOLL_CTL_MOD, fd, &event) != 0)
        epoll_ctl(resolver->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    /* What cannot be watched is served by the resolver's own timeout. */
}

/* c-ares counts its users without a lock, and loops live in several threads: so
 * the library is started once for all of them, and for good. */
static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_status;

static void start_library(void)
{
    library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

static bool open_channel(vt_resolver *resolver)
{
    struct ares_options options = {
        .timeout = TRY_MS,
        .tries = TRIES,
        .sock_state_cb = socket_state,
        .sock_state_cb_data = resolver,
    };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    if (ares_init_options(&resolver->channel, &options, mask) != ARES_SUCCESS)
        resolver->channel = NULL;
    return resolver->channel != NULL;
}

static void close_channel(vt_resolver *resolver)
{
    if (resolver->channel != NULL)
        ares_destroy(resolver->channel); /* calls back for all that is open */
    resolver->channel = NULL;
    vt_timer_arm(&resolver->timeout, resolver->loop, INT64_MAX);
}

vt_resolver *vt_resolver_create(vital_loop *loop)
{
    vt_resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL)
        return NULL;
    resolver->loop = loop;
    if (pthread_once(&library_once, start_library) != 0 || library_status != ARES_SUCCESS)
        goto fail;
    resolver->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (resolver->epoll_fd < 0)
        goto fail;
    if (vt_timer_init(&resolver->timeout, loop, time_out, resolver) != 0)
        goto fail_timer;
    return resolver;

fail_timer:
    close(resolver->epoll_fd);
fail:
    free(resolver);
    return NULL;
}

void vt_resolver_destroy(vt_resolver *resolver)
{
    if (resolver == NULL)
        return;
    close_channel(resolver);
    close(resolver->epoll_fd);
    vt_timer_finish(&resolver->timeout, resolver->loop);
    free(resolver);
}

int vt_resolver_fd(const vt_resolver *resolver)
{
    return resolver->epoll_fd;
}

void vt_resolver_serve(vt_resolver *resolver)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(resolver->epoll_fd, events, EVENTS, 0);
    if (count <= 0)
        return; /* its channel may be closed */
    for (int i = 0; i < count; i++) {
        int fd = events[i].data.fd;
        bool readable = (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
        bool writable = (events[i].events & EPOLLOUT) != 0;
        ares_process_fd(resolver->channel, readable ? fd : ARES_SOCKET_BAD,
                        writable ? fd : ARES_SOCKET_BAD);
    }
    arm_timeout(resolver);
}

/* -------------------------------------------------------------------- lookups */

static void free_lookup(name_lookup *lookup)
{
    vt_task_finish(&lookup->tell);
    free(lookup);
}

static void tell(void *owner)
{
    name_lookup *lookup = owner;
    vt_found *found = lookup->base.found;
    const char *problem = lookup->count == 0 ? ares_strerror(lookup->status) : "";
    lookup->base.found = NULL;
    found(lookup->base.owner, lookup->addresses, lookup->count, problem);
    free_lookup(lookup);
}

static void answered(void *argument, int status, int timeouts, struct ares_addrinfo *result)
{
    (void)timeouts;
    name_lookup *lookup = argument;
    lookup->asked = false;
    lookup->status = status;
    lookup->resolver->open--;
    if (result != NULL) {
        for (struct ares_addrinfo_node *node = result->nodes; node != NULL; node = node->ai_next) {
            if (lookup->count == VT_LOOKUP_ADDRESSES ||
                node->ai_addrlen > sizeof lookup->addresses[0].in6)
                continue;
            vt_address *address = &lookup->addresses[lookup->count++];
            memcpy(&address->any, node->ai_addr, node->ai_addrlen);
            address->size = node->ai_addrlen;
            if (address->any.sa_family == AF_INET6)
                address->in6.sin6_port = htons(lookup->port);
            else
                address->in.sin_port = htons(lookup->port);
        }
        ares_freeaddrinfo(result);
    }
    lookup->resolver->failing = lookup->count == 0;
    if (lookup->cancelled)
        free_lookup(lookup);
    else
        vt_task_schedule(&lookup->tell, lookup->base.loop);
}

vt_lookup *vt_resolver_lookup(vt_resolver *resolver, const char *host, uint16_t port)
{
    if (resolver->failing && resolver->open == 0)
        close_channel(resolver);
    if (resolver->channel == NULL && !open_channel(resolver))
        return NULL;
    name_lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL)
        return NULL;
    lookup->base.loop = resolver->loop;
    lookup->resolver = resolver;
    lookup->port = port;
    vt_task_init(&lookup->tell, tell, lookup);
    lookup->asked = true;
    resolver->open++;
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(resolver->channel, host, NULL, &hints, answered, lookup);
    arm_timeout(resolver);
    return &lookup->base;
}

void vt_resolver_cancel(vt_lookup *base)
{
    name_lookup *lookup = (name_lookup *)base;
    lookup->cancelled = true;
    vt_task_finish(&lookup->tell);
    if (!lookup->asked)
        free_lookup(lookup);
}
