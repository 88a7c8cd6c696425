/*
 * The head of an HTTP message (RFC 9112 2 to 5): everything up to the empty
 * line, gathered from a stream and cut into a first line and headers. Strict:
 * every line ends in CRLF, nothing is folded, no control characters.
 */
#ifndef VT_WEBSOCKET_HEAD_H
#define VT_WEBSOCKET_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <vital/vital.h>

enum { VT_HEADERS_MAX = 64 };

/* ---- gathering */

typedef struct vt_head {
    char *data; /* owned; NULL at first */
    size_t size;
    size_t capacity;
    size_t scanned; /* no end of the head before this: the search is linear */
    size_t lines;   /* that ended before `scanned` */
} vt_head;

void vt_head_finish(vt_head *head); /* accepts NULL and zeroed */

/* Takes bytes until the head is complete; *used says how many it took. Returns
 * 1 when complete, 0 for more, VITAL_ETOOBIG above limit_bytes, VITAL_ENOMEM.
 * Bytes that no head can begin with, such as a bare LF or a first line that is
 * not of HTTP, complete it too: to be refused now, not at the deadline. */
int vt_head_feed(vt_head *head, const void *data, size_t size, size_t limit_bytes, size_t *used);

/* ---- cutting; names and values lie in the head's own bytes */

typedef struct vt_headers {
    size_t count;
    vital_header at[VT_HEADERS_MAX];
} vt_headers;

/* Once a head; it writes NULs into it. 0, or the HTTP status to refuse it with
 * and a static sentence in *why. *line is the first line, as soon as that one
 * is good, whatever follows it; else NULL. */
int vt_head_cut(vt_head *head, char **line, vt_headers *headers, const char **why);

/* The first header of that name, in any case, or NULL; *count, unless NULL, is
 * how many there are. */
const char *vt_headers_find(const vt_headers *headers, const char *name, size_t *count);

/* The elements of a comma list that may go over several headers of one name
 * (RFC 9110 5.6.1), without those that are empty. */
typedef struct vt_elements {
    const vt_headers *headers;
    const char *name;
    size_t next;      /* header to look at */
    const char *rest; /* of the present header; NULL between headers */
} vt_elements;

typedef struct vt_element {
    const char *text; /* not terminated */
    size_t size;
} vt_element;

bool vt_elements_next(vt_elements *list, vt_element *out);
/* Whether the list has the element, in any case. */
bool vt_headers_name(const vt_headers *headers, const char *name, const char *element);

/* ---- characters; ASCII whatever the locale, in which 'I' may have another 'i' */

bool vt_same(vt_element element, const char *text);          /* exactly */
bool vt_same_any_case(vt_element element, const char *text); /* A is a */
bool vt_same_elements(vt_element one, vt_element other);     /* A is a */
/* RFC 9110 5.6.2: a token has at least one character. */
bool vt_is_token(vt_element element);
/* RFC 9110 5.5: what a header's value or a reason phrase may hold. */
bool vt_is_text(vt_element element);

static inline vt_element vt_element_of(const char *text)
{
    return (vt_element){text, strlen(text)};
}

#endif
