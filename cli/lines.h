/*
 * Lines from a descriptor, in bounded memory. A line stays until it is dropped,
 * so that one that cannot be sent yet simply waits here.
 */
#ifndef VITAL_CLI_LINES_H
#define VITAL_CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <vital/vital.h>

typedef struct cli_lines {
    char *buffer; /* owned */
    size_t capacity;
    size_t longest; /* of a line, without its newline */
    size_t start;   /* of what has not been dropped */
    size_t end;     /* of what has been read */
    size_t scanned; /* bytes after start known to hold no newline */
    size_t taken;   /* what lines_drop() drops */
    bool skipping;  /* inside a line that was too long */
    bool ended;
} cli_lines;

typedef enum lines_found {
    LINES_NONE,     /* read more first; or, after the end, that was all */
    LINES_LINE,     /* a line, without its newline; the last one may lack it */
    LINES_TOO_LONG, /* a line was longer than allowed; it is gone */
} lines_found;

int lines_init(cli_lines *lines, size_t longest); /* 0 or VITAL_ENOMEM */
void lines_finish(cli_lines *lines);

/* One read(2). The bytes read; 0 at the end; -1 with errno set. Only after
 * lines_peek() has returned LINES_NONE: then there is room. */
ssize_t lines_fill(cli_lines *lines, int fd);

/* The first line, borrowed until the next call but the same until it is dropped. */
lines_found lines_peek(cli_lines *lines, vital_bytes *line);
void lines_drop(cli_lines *lines);

#endif
