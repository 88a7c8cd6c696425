/*
 * Happy Eyeballs (RFC 8305), the part that decides: in which order the addresses
 * of a name are tried, and when the next attempt begins while others are under
 * way. The first to connect wins. Pure; who tries is dial.h in the runtime.
 */
#ifndef VT_LOOP_RACE_H
#define VT_LOOP_RACE_H

#include "loop.h"

enum { VT_RACE_DELAY_US = 250 * 1000 }; /* RFC 8305 5: the Connection Attempt Delay */

/* The families take turns, beginning with that of the first address, and each
 * keeps the order that the resolver gave it (RFC 8305 4). */
void vt_race_order(vt_address *addresses, size_t count);

typedef struct vt_race {
    size_t count;
    size_t next;    /* the first that has not been tried */
    size_t running; /* attempts under way */
    int64_t due_us; /* when the next begins, whatever becomes of the others */
} vt_race;

void vt_race_begin(vt_race *race, size_t count, int64_t now_us);
/* True if an attempt at address *index is to begin now. Ask until it is false. */
bool vt_race_take(vt_race *race, int64_t now_us, size_t *index);
/* One that was under way has failed: the next is due at once. */
void vt_race_failed(vt_race *race, int64_t now_us);
bool vt_race_lost(const vt_race *race); /* all have failed */
/* When to ask again; INT64_MAX: there is nothing more to begin. */
int64_t vt_race_due_us(const vt_race *race);

#endif
