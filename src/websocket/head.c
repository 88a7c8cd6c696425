/*
 * The head of an HTTP message, read strictly. What one parser forgives and
 * another does not is what request smuggling is made of, so nothing is forgiven
 * here: no bare LF, no folded line, no space before a colon. Every byte is
 * looked at once while gathering and a fixed number of times while cutting,
 * however the bytes arrive: a slow or hostile peer cannot make the work grow
 * faster than the bytes that it pays for (CVE-2023-43669, CVE-2021-32640).
 */
#include "head.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

/* Large enough for the usual request of a browser in one allocation. */
enum { FIRST_CAPACITY = 1024 };

/* -------------------------------------------------------------- characters */

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* RFC 5234's CTL, but for the tab, which is white space in a header. */
static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

bool vt_same(vt_element element, const char *text)
{
    return strlen(text) == element.size && memcmp(element.text, text, element.size) == 0;
}

bool vt_same_any_case(vt_element element, const char *text)
{
    return vt_same_elements(element, vt_element_of(text));
}

bool vt_same_elements(vt_element one, vt_element other)
{
    if (one.size != other.size)
        return false;
    for (size_t i = 0; i < one.size; i++) {
        if (lower(one.text[i]) != lower(other.text[i]))
            return false;
    }
    return true;
}

bool vt_is_token(vt_element element)
{
    for (size_t i = 0; i < element.size; i++) {
        char c = element.text[i];
        bool alphanumeric = (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return element.size > 0;
}

bool vt_is_text(vt_element element)
{
    for (size_t i = 0; i < element.size; i++) {
        if (is_control(element.text[i]))
            return false;
    }
    return true;
}

static vt_element trimmed(vt_element element)
{
    while (element.size > 0 && is_space(element.text[0])) {
        element.text++;
        element.size--;
    }
    while (element.size > 0 && is_space(element.text[element.size - 1]))
        element.size--;
    return element;
}

/* --------------------------------------------------------------- gathering */

void vt_head_finish(vt_head *head)
{
    if (head == NULL)
        return;
    free(head->data);
    *head = (vt_head){0};
}

/* Doubles, so that a head that comes byte by byte is copied twice at most, and
 * never above the limit. */
static bool reserve(vt_head *head, size_t size, size_t limit_bytes)
{
    if (size <= head->capacity)
        return true;
    size_t capacity = head->capacity > 0 ? head->capacity : FIRST_CAPACITY;
    while (capacity < size)
        capacity = capacity > SIZE_MAX / 2 ? size : capacity * 2;
    if (capacity > limit_bytes)
        capacity = limit_bytes;
    char *data = realloc(head->data, capacity);
    if (data == NULL)
        return false;
    head->data = data;
    head->capacity = capacity;
    return true;
}

/* Whether the head is over with the byte at that place: the empty line ends
 * there, or no head continues like this. */
static bool ends_at(vt_head *head, size_t at)
{
    const char *data = head->data;
    bool after_cr = at > 0 && data[at - 1] == '\r';
    if (data[at] != '\n')
        return after_cr || (is_control(data[at]) && data[at] != '\r');
    if (!after_cr)
        return true;
    head->lines++;
    if (head->lines == 1)
        return memmem(data, at, "HTTP/", 5) == NULL;
    return data[at - 2] == '\n';
}

int vt_head_feed(vt_head *head, const void *data, size_t size, size_t limit_bytes, size_t *used)
{
    assert(head->size <= limit_bytes);
    size_t before = head->size;
    size_t room = limit_bytes - before;
    size_t taken = size < room ? size : room;

    *used = 0;
    if (taken > 0) {
        if (!reserve(head, before + taken, limit_bytes))
            return VITAL_ENOMEM;
        memcpy(head->data + before, data, taken);
        head->size += taken;
    }
    while (head->scanned < head->size) {
        if (ends_at(head, head->scanned++)) {
            head->size = head->scanned;
            *used = head->size - before;
            return 1;
        }
    }
    *used = taken;
    return head->size == limit_bytes ? VITAL_ETOOBIG : 0;
}

/* ----------------------------------------------------------------- cutting */

/* The line at *at, terminated; NULL with *why if it is not a good one. */
static char *next_line(vt_head *head, size_t *at, const char **why)
{
    char *line = head->data + *at;
    size_t left = head->size - *at;
    const char *end = left > 0 ? memchr(line, '\n', left) : NULL;
    size_t size = end != NULL ? (size_t)(end - line) : left;
    bool crlf = end != NULL && size > 0 && line[size - 1] == '\r';
    if (crlf)
        size--;

    const char *cr = size > 0 ? memchr(line, '\r', size) : NULL;
    if (cr != NULL || (end != NULL && !crlf)) {
        *why = "a line of the head does not end in CRLF (RFC 9112 2.2)";
        return NULL;
    }
    if (!vt_is_text((vt_element){line, size})) {
        *why = "the head holds a control character";
        return NULL;
    }
    if (end == NULL) {
        *why = "the head ends before its empty line";
        return NULL;
    }
    line[size] = '\0';
    *at += size + 2;
    return line;
}

static const char *cut_header(vital_header *out, char *line)
{
    if (is_space(line[0]))
        return "a header is folded over two lines (RFC 9112 5.2)";
    char *colon = strchr(line, ':');
    if (colon == NULL)
        return "a header has no colon";
    if (colon == line)
        return "a header has no name";
    if (is_space(colon[-1]))
        return "white space stands before the colon of a header (RFC 9112 5.1)";
    *colon = '\0';
    if (!vt_is_token(vt_element_of(line)))
        return "the name of a header is not a token (RFC 9110 5.1)";

    vt_element value = trimmed(vt_element_of(colon + 1));
    out->name = line;
    out->value = value.text;
    colon[1 + (value.text - (colon + 1)) + (ptrdiff_t)value.size] = '\0';
    return NULL;
}

int vt_head_cut(vt_head *head, char **line, vt_headers *headers, const char **why)
{
    size_t at = 0;
    *line = NULL;
    headers->count = 0;
    if (head->size == 0) {
        *why = "this is not HTTP";
        return 400;
    }

    char *first = next_line(head, &at, why);
    if (first == NULL)
        return 400;
    if (strstr(first, "HTTP/") == NULL) {
        *why = "this is not HTTP";
        return 400;
    }
    *line = first;

    char *next;
    while ((next = next_line(head, &at, why)) != NULL && next[0] != '\0') {
        if (headers->count == VT_HEADERS_MAX) {
            *why = "there are more than 64 headers";
            return 431;
        }
        *why = cut_header(&headers->at[headers->count], next);
        if (*why != NULL)
            return 400;
        headers->count++;
    }
    return next != NULL ? 0 : 400;
}

/* ----------------------------------------------------------------- looking */

const char *vt_headers_find(const vt_headers *headers, const char *name, size_t *count)
{
    const char *first = NULL;
    size_t found = 0;
    vt_element wanted = vt_element_of(name);
    for (size_t i = 0; i < headers->count; i++) {
        if (!vt_same_any_case(wanted, headers->at[i].name))
            continue;
        if (found++ == 0)
            first = headers->at[i].value;
    }
    if (count != NULL)
        *count = found;
    return first;
}

bool vt_elements_next(vt_elements *list, vt_element *out)
{
    vt_element name = vt_element_of(list->name);
    for (;;) {
        while (list->rest != NULL) {
            const char *comma = strchrnul(list->rest, ',');
            *out = trimmed((vt_element){list->rest, (size_t)(comma - list->rest)});
            list->rest = *comma != '\0' ? comma + 1 : NULL;
            if (out->size > 0)
                return true;
        }
        while (list->next < list->headers->count &&
               !vt_same_any_case(name, list->headers->at[list->next].name))
            list->next++;
        if (list->next == list->headers->count)
            return false;
        list->rest = list->headers->at[list->next++].value;
    }
}

bool vt_headers_name(const vt_headers *headers, const char *name, const char *element)
{
    vt_elements list = {.headers = headers, .name = name};
    vt_element have;
    while (vt_elements_next(&list, &have)) {
        if (vt_same_any_case(have, element))
            return true;
    }
    return false;
}
