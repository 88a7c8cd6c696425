/*
 * The order of asking is part of the key, so that nothing depends on how a heap
 * happens to turn: same calls, same order.
 */
#include "agenda.h"

#include <assert.h>

#include "memory.h"

enum { CAPACITY_MIN = 64 };

void vt_agenda_finish(vt_agenda *agenda)
{
    if (agenda == NULL)
        return;
    sim_release(agenda->heap);
    *agenda = (vt_agenda){.heap = NULL};
}

static bool earlier(const vt_appointment *one, const vt_appointment *other)
{
    return one->at_us != other->at_us ? one->at_us < other->at_us : one->order < other->order;
}

static void swap(vt_appointment *one, vt_appointment *other)
{
    vt_appointment kept = *one;
    *one = *other;
    *other = kept;
}

static void rise(vt_appointment *heap, size_t at)
{
    for (; at > 0 && earlier(&heap[at], &heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&heap[at], &heap[(at - 1) / 2]);
}

static void sink(vt_appointment *heap, size_t count)
{
    size_t at = 0, least = 0;
    do {
        at = least;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++) {
            if (earlier(&heap[child], &heap[least]))
                least = child;
        }
        swap(&heap[at], &heap[least]);
    } while (least != at);
}

void vt_agenda_add(vt_agenda *agenda, int64_t at_us, void (*run)(void *arg), void *arg)
{
    if (agenda->count == agenda->capacity) {
        size_t capacity = agenda->capacity == 0 ? CAPACITY_MIN : agenda->capacity * 2;
        vt_appointment *heap = sim_obtain_more(agenda->heap, capacity * sizeof *heap);
        agenda->heap = heap;
        agenda->capacity = capacity;
    }
    agenda->heap[agenda->count] = (vt_appointment){at_us, agenda->asked++, run, arg};
    rise(agenda->heap, agenda->count++);
}

int64_t vt_agenda_next_us(const vt_agenda *agenda)
{
    return agenda->count > 0 ? agenda->heap[0].at_us : INT64_MAX;
}

void vt_agenda_run_next(vt_agenda *agenda)
{
    assert(agenda->count > 0);
    vt_appointment first = agenda->heap[0];
    agenda->heap[0] = agenda->heap[--agenda->count];
    sink(agenda->heap, agenda->count);
    first.run(first.arg); /* last: it may add */
}
