/*
 * Some paths stand still for a few seconds now and then, and go on: a radio that changes
 * its cell, a link that trains anew, a router that converges. There TCP's vain
 * attempts prove less, and a verdict as early as elsewhere would be a mistake, again and
 * again. So a path that has ended one doubt by being heard again is remembered for a while,
 * and given up early only after twice the time (evidence.c).
 *
 * One table for the connections of a loop: what one of them has seen is known of the path,
 * and the next connection over it knows it too. Of paths that share a place the later is
 * remembered; who is forgotten is judged as a stranger is. A store or a load each.
 */
#ifndef VT_LIFE_LULL_H
#define VT_LIFE_LULL_H

#include <stdbool.h>
#include <stdint.h>

#include <vital/engine.h>

enum {
    VT_LULLS = 1024, /* paths that are remembered, at most */
    VT_LULLS_FOR_S = 10 * 60,
};

/* Each accepts NULL, and path 0, of which nothing is known. */

/* Nothing got across there for long enough to be doubted, and then something did. */
void vt_lulls_note(vital_lulls *lulls, uint32_t path, vital_clock clock);
bool vt_lulls_expected(const vital_lulls *lulls, uint32_t path, vital_clock clock);

#endif
