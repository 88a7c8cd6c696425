/*
 * A chunk begins at a multiple of its size, so that a cell knows its chunk. Cells that
 * were given back are a list through their first words; those behind the last that was
 * ever taken have never been touched, and cost no memory yet. One chunk that is empty is
 * kept, so that a single cell that comes and goes asks the system for nothing.
 */
#include "slab.h"

#include <stdint.h>
#include <sys/mman.h>

typedef struct vt_cell {
    struct vt_cell *next;
} vt_cell;

typedef struct vt_chunk {
    vt_list link;
    vt_cell *free;
    size_t fresh; /* the first cell that was never taken */
    size_t taken;
} vt_chunk;

static size_t cells_of(const vt_slab *slab)
{
    return (VT_SLAB_CHUNK_BYTES - sizeof(vt_chunk)) / slab->cell_bytes;
}

static vt_chunk *chunk_of(void *cell)
{
    return (vt_chunk *)((uintptr_t)cell & ~(uintptr_t)(VT_SLAB_CHUNK_BYTES - 1));
}

void vt_slab_init(vt_slab *slab, size_t cell_bytes)
{
    const size_t word = sizeof(vt_cell);
    *slab = (vt_slab){.cell_bytes = (cell_bytes + word - 1) / word * word};
    vt_list_init(&slab->roomy);
    vt_list_init(&slab->full);
}

static void unmap_all(vt_list *chunks)
{
    vt_list *link;
    while ((link = vt_list_take(chunks)) != NULL)
        munmap(VT_LIST_OWNER(link, vt_chunk, link), VT_SLAB_CHUNK_BYTES);
}

void vt_slab_finish(vt_slab *slab)
{
    unmap_all(&slab->roomy);
    unmap_all(&slab->full);
}

/* Twice as much has a chunk in it that begins where one must; the rest goes back. */
static vt_chunk *map_chunk(void)
{
    uint8_t *mapped = mmap(NULL, 2 * VT_SLAB_CHUNK_BYTES, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    uint8_t *begin = (uint8_t *)chunk_of(mapped + VT_SLAB_CHUNK_BYTES - 1);
    size_t before = (size_t)(begin - mapped);
    if (before > 0)
        munmap(mapped, before);
    munmap(begin + VT_SLAB_CHUNK_BYTES, VT_SLAB_CHUNK_BYTES - before);
    return (vt_chunk *)begin;
}

static vt_chunk *roomy_chunk(vt_slab *slab)
{
    if (!vt_list_empty(&slab->roomy))
        return VT_LIST_OWNER(slab->roomy.next, vt_chunk, link);
    vt_chunk *chunk = map_chunk();
    if (chunk == NULL)
        return NULL;
    vt_list_init(&chunk->link);
    vt_list_append(&slab->roomy, &chunk->link);
    slab->empty++;
    return chunk;
}

void *vt_slab_take(vt_slab *slab)
{
    vt_chunk *chunk = roomy_chunk(slab);
    if (chunk == NULL)
        return NULL;
    vt_cell *cell = chunk->free;
    if (cell != NULL) {
        chunk->free = cell->next;
        cell->next = NULL;
    } else {
        cell = (vt_cell *)((uint8_t *)(chunk + 1) + chunk->fresh++ * slab->cell_bytes);
    }
    slab->empty -= chunk->taken++ == 0;
    if (chunk->taken == cells_of(slab))
        vt_list_append(&slab->full, &chunk->link);
    return cell;
}

void vt_slab_give(vt_slab *slab, void *given)
{
    vt_cell *cell = given;
    vt_chunk *chunk = chunk_of(cell);
    cell->next = chunk->free;
    chunk->free = cell;
    if (chunk->taken-- == cells_of(slab))
        vt_list_append(&slab->roomy, &chunk->link);
    if (chunk->taken > 0)
        return;
    if (slab->empty > 0) {
        vt_list_remove(&chunk->link);
        munmap(chunk, VT_SLAB_CHUNK_BYTES);
    } else {
        slab->empty++;
    }
}
