/*
 * Who writes a text piece by piece looks for the want of memory once, at the
 * end: a draft that has failed takes what is added and stays empty.
 */
#include "draft.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 512 };

vt_draft vt_draft_begin(void)
{
    return (vt_draft){.data = malloc(FIRST_CAPACITY), .capacity = FIRST_CAPACITY};
}

void vt_draft_append(vt_draft *out, const void *bytes, size_t size)
{
    if (out->data == NULL)
        return;
    if (out->capacity - out->size <= size) {
        size_t capacity = (out->capacity + size) * 2;
        char *data = realloc(out->data, capacity);
        if (data == NULL)
            free(out->data);
        out->data = data;
        out->capacity = capacity;
    }
    if (out->data == NULL)
        return;
    if (size > 0)
        memcpy(out->data + out->size, bytes, size);
    out->size += size;
    out->data[out->size] = '\0';
}

void vt_draft_add(vt_draft *out, ...)
{
    const char *piece;
    va_list pieces;
    va_start(pieces, out);
    while ((piece = va_arg(pieces, const char *)) != NULL)
        vt_draft_append(out, piece, strlen(piece));
    va_end(pieces);
}
