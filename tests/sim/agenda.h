/*
 * What is to happen, in order of time, and at one time in the order in which it
 * was asked for. A binary heap; for a world of its own time.
 */
#ifndef SIM_AGENDA_H
#define SIM_AGENDA_H

#include <stddef.h>
#include <stdint.h>

typedef struct vt_appointment {
    int64_t at_us;
    uint64_t order;
    void (*run)(void *arg);
    void *arg;
} vt_appointment;

/* Zeroed is a good start. */
typedef struct vt_agenda {
    vt_appointment *heap; /* owned */
    size_t count;
    size_t capacity;
    uint64_t asked;
} vt_agenda;

void vt_agenda_finish(vt_agenda *agenda); /* accepts NULL and zeroed; runs nothing */

void vt_agenda_add(vt_agenda *agenda, int64_t at_us, void (*run)(void *arg), void *arg);

/* INT64_MAX: nothing is to happen. */
int64_t vt_agenda_next_us(const vt_agenda *agenda);
/* Takes the first item out and runs it. There must be one. */
void vt_agenda_run_next(vt_agenda *agenda);

#endif
