/*
 * A buffer of the longest line allowed, and at least one pipe's worth. It is
 * allocated whole, since the kernel gives memory only to the pages that are
 * written: a person who types short lines never pays for long ones.
 */
#include "lines.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIPE_BYTES = 65536 }; /* what a pipe holds on Linux, pipe(7) */

int lines_init(cli_lines *lines, size_t longest)
{
    size_t capacity = longest + 1 < PIPE_BYTES ? PIPE_BYTES : longest + 1;
    *lines = (struct cli_lines){.capacity = capacity, .longest = longest};
    lines->buffer = malloc(capacity);
    return lines->buffer != NULL ? 0 : VITAL_ENOMEM;
}

void lines_finish(cli_lines *lines)
{
    free(lines->buffer);
    *lines = (struct cli_lines){0};
}

ssize_t lines_fill(cli_lines *lines, int fd)
{
    if (lines->start > 0) {
        memmove(lines->buffer, lines->buffer + lines->start, lines->end - lines->start);
        lines->end -= lines->start;
        lines->start = 0;
    }
    assert(lines->end < lines->capacity);
    ssize_t got;
    do
        got = read(fd, lines->buffer + lines->end, lines->capacity - lines->end);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        lines->end += (size_t)got;
    else if (got == 0)
        lines->ended = true;
    return got;
}

static void consume(cli_lines *lines, size_t bytes)
{
    lines->start += bytes;
    lines->scanned = 0;
    lines->taken = 0;
}

lines_found lines_peek(cli_lines *lines, vital_bytes *line)
{
    for (;;) {
        const char *from = lines->buffer + lines->start;
        size_t held = lines->end - lines->start;
        const char *newline = memchr(from + lines->scanned, '\n', held - lines->scanned);
        size_t size = newline != NULL ? (size_t)(newline - from) : held;
        size_t whole = size + (newline != NULL);
        if (lines->skipping) {
            lines->skipping = newline == NULL;
            consume(lines, whole);
            if (newline == NULL)
                return LINES_NONE;
            continue;
        }
        if (size > lines->longest) {
            lines->skipping = newline == NULL;
            consume(lines, whole);
            return LINES_TOO_LONG;
        }
        if (newline == NULL && !(lines->ended && size > 0)) {
            lines->scanned = held;
            return LINES_NONE;
        }
        lines->taken = whole;
        *line = (vital_bytes){from, size};
        return LINES_LINE;
    }
}

void lines_drop(cli_lines *lines)
{
    consume(lines, lines->taken);
}
