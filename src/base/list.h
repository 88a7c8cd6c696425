/*
 * An intrusive doubly linked list: a ring through its head. A link that is in
 * no list points to itself, so taking it out twice is harmless.
 */
#ifndef VT_BASE_LIST_H
#define VT_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct vt_list {
    struct vt_list *next, *previous;
} vt_list;

/* The struct that embeds a link. */
#define VT_LIST_OWNER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void vt_list_init(vt_list *list)
{
    list->next = list->previous = list;
}

static inline bool vt_list_empty(const vt_list *list)
{
    return list->next == list;
}

static inline void vt_list_remove(vt_list *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    vt_list_init(link);
}

/* At the end; from wherever it was. */
static inline void vt_list_append(vt_list *list, vt_list *link)
{
    vt_list_remove(link);
    link->previous = list->previous;
    link->next = list;
    list->previous->next = link;
    list->previous = link;
}

/* The first link, taken out; NULL if there is none. */
static inline vt_list *vt_list_take(vt_list *list)
{
    if (vt_list_empty(list))
        return NULL;
    vt_list *first = list->next;
    vt_list_remove(first);
    return first;
}

/* All links move to an empty list, in their order. */
static inline void vt_list_move(vt_list *to, vt_list *from)
{
    while (!vt_list_empty(from))
        vt_list_append(to, from->next);
}

#endif
