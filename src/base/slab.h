/*
 * Cells of one size, for what comes in crowds and goes again. They lie together in
 * chunks, and a chunk in which none is taken goes back to the system: malloc would keep
 * its memory for as long as anything else, however small, was allocated behind it.
 */
#ifndef VT_BASE_SLAB_H
#define VT_BASE_SLAB_H

#include <stddef.h>

#include "list.h"

enum { VT_SLAB_CHUNK_BYTES = 64 * 1024 };

typedef struct vt_slab {
    size_t cell_bytes;
    vt_list roomy; /* chunks with cells to take */
    vt_list full;
    size_t empty; /* of the roomy ones, those in which none is taken: at most one */
} vt_slab;

/* A cell fits into a chunk many times. */
void vt_slab_init(vt_slab *slab, size_t cell_bytes);
void vt_slab_finish(vt_slab *slab); /* with all cells, given back or not */

/* Zeroed, and aligned as pointers are; NULL without memory. */
void *vt_slab_take(vt_slab *slab);
/* The cell is zero again, as it was when it was taken: that is left to who knows how
 * little of it was used. */
void vt_slab_give(vt_slab *slab, void *cell);

#endif
