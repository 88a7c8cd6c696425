/*
 * What a socket needs while compression is agreed on, whichever end of it we are
 * (RFC 7692 7). It ends with the socket: what the peer remembers of our messages
 * does so too.
 */
#ifndef VT_LIFE_PACKING_H
#define VT_LIFE_PACKING_H

#include <vital/engine.h>

#include "deflate.h"
#include "extension.h"
#include "inflate.h"

typedef struct vt_packing {
    vt_deflater deflater;
    vt_inflater inflater;
    vital_compressor *own; /* owned; NULL if the policy has one to share */
} vt_packing;

/* NULL without memory. Borrows the policy's compressor. */
vt_packing *vt_packing_create(const vital_policy *policy, const vt_deflate_terms *terms);
void vt_packing_destroy(vt_packing *packing); /* accepts NULL */

#endif
