/*
 * Names to addresses without blocking: c-ares, for the backends that run on the
 * real network.
 */
#ifndef VT_LOOP_RESOLVER_H
#define VT_LOOP_RESOLVER_H

#include "backend.h"

enum { VT_LOOKUP_ADDRESSES = 16 };

typedef struct vt_resolver vt_resolver;

vt_resolver *vt_resolver_create(vital_loop *loop); /* NULL without memory or descriptors */
void vt_resolver_destroy(vt_resolver *resolver);   /* accepts NULL */

/* For the backend to watch: as long as it is readable, the resolver wants to be
 * served. The same descriptor for as long as the resolver lives. */
int vt_resolver_fd(const vt_resolver *resolver);
void vt_resolver_serve(vt_resolver *resolver);

/* c-ares reads the system's configuration once. Where names were not found, it may
 * have changed since (a network that came up), and is read anew. */
vt_lookup *vt_resolver_lookup(vt_resolver *resolver, const char *host, uint16_t port);
void vt_resolver_cancel(vt_lookup *lookup);

#endif
