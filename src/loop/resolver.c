/*
 * c-ares answers some names at once (the hosts file) and others later, and it
 * cannot take back a single question. So a lookup has two lives: the caller's,
 * which ends with `found` or a cancellation, and c-ares', which ends with its
 * callback; the memory goes with the later of the two. Answers are told from a
 * task, never from inside vt_lookup_start().
 */
#include "resolver.h"

#include <ares.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum {
    TRY_MS = 2500, /* the first of the tries to one server */
    TRIES = 2,
};

struct vt_resolver {
    vital_loop *loop;
    ares_channel channel;
    vt_resolver_watch *watch;
    void *watch_owner;
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
    vt_resolver *resolver = owner;
    resolver->watch(resolver->watch_owner, fd, read != 0, write != 0);
}

/* c-ares counts its users without a lock, and loops live in several threads: so
 * the library is started once for all of them, and for good. */
static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_status;

static void start_library(void)
{
    library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

vt_resolver *vt_resolver_create(vital_loop *loop, vt_resolver_watch *watch, void *owner)
{
    vt_resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL)
        return NULL;
    resolver->loop = loop;
    resolver->watch = watch;
    resolver->watch_owner = owner;
    struct ares_options options = {
        .timeout = TRY_MS,
        .tries = TRIES,
        .sock_state_cb = socket_state,
        .sock_state_cb_data = resolver,
    };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    if (pthread_once(&library_once, start_library) != 0 || library_status != ARES_SUCCESS)
        goto fail;
    if (ares_init_options(&resolver->channel, &options, mask) != ARES_SUCCESS)
        goto fail;
    if (vt_timer_init(&resolver->timeout, loop, time_out, resolver) != 0)
        goto fail_channel;
    return resolver;

fail_channel:
    ares_destroy(resolver->channel);
fail:
    free(resolver);
    return NULL;
}

void vt_resolver_destroy(vt_resolver *resolver)
{
    if (resolver == NULL)
        return;
    ares_destroy(resolver->channel); /* calls back for all that is open */
    vt_timer_finish(&resolver->timeout, resolver->loop);
    free(resolver);
}

void vt_resolver_ready(vt_resolver *resolver, int fd, bool readable, bool writable)
{
    ares_process_fd(resolver->channel, readable ? fd : ARES_SOCKET_BAD,
                    writable ? fd : ARES_SOCKET_BAD);
    arm_timeout(resolver);
}

bool vt_resolver_outdated(const vt_resolver *resolver)
{
    return resolver->failing && resolver->open == 0;
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
