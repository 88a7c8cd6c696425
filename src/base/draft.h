/*
 * A text that grows. Without memory its data becomes NULL and stays so: who
 * writes looks once, at the end.
 */
#ifndef VT_BASE_DRAFT_H
#define VT_BASE_DRAFT_H

#include <stddef.h>

typedef struct vt_draft {
    char *data; /* owned, until the caller takes it; ends with a NUL once added to */
    size_t size;
    size_t capacity;
} vt_draft;

vt_draft vt_draft_begin(void);
void vt_draft_append(vt_draft *out, const void *bytes, size_t size);
/* The strings up to NULL. */
__attribute__((sentinel)) void vt_draft_add(vt_draft *out, ...);

#endif
