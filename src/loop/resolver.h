/*
 * Names to addresses without blocking: c-ares, for the backends that run on the
 * real network. Its sockets are watched by the backend.
 */
#ifndef VT_LOOP_RESOLVER_H
#define VT_LOOP_RESOLVER_H

#include "backend.h"

enum {
    VT_RESOLVER_SOCKETS = 16, /* of c-ares at one time: one or two a name server */
    VT_LOOKUP_ADDRESSES = 16,
};

typedef struct vt_resolver vt_resolver;

/* `watch` is told which readiness of which descriptor matters now; neither
 * means: forget it. NULL without memory. */
typedef void vt_resolver_watch(void *owner, int fd, bool read, bool write);

vt_resolver *vt_resolver_create(vital_loop *loop, vt_resolver_watch *watch, void *owner);
void vt_resolver_destroy(vt_resolver *resolver); /* accepts NULL */
void vt_resolver_ready(vt_resolver *resolver, int fd, bool readable, bool writable);

/* c-ares reads the system's configuration once. Where names were not found, it
 * may have changed since (a network that came up): better a new resolver. */
bool vt_resolver_outdated(const vt_resolver *resolver);

vt_lookup *vt_resolver_lookup(vt_resolver *resolver, const char *host, uint16_t port);
void vt_resolver_cancel(vt_lookup *lookup);

#endif
