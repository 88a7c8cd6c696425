/*
 * The system's trust store, once for each loop: what all clients on it believe.
 */
#ifndef VT_RUNTIME_TRUST_H
#define VT_RUNTIME_TRUST_H

#include "loop.h"
#include "tls.h"

/* The loop's, read now if it has not been; it lives until the loop is destroyed.
 * NULL if a client of these options does not need it, or without memory. */
const vt_tls_trust *vt_trust_of(vital_loop *loop, const vital_tls *options);

#endif
