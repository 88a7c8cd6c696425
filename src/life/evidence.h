/*
 * What the kernel's word on a connection (vital_evidence) tells of a peer that owes
 * an answer: a pure function from a reading to a finding. Why a number was chosen is
 * in DESIGN.md; what was measured, in tests/sim/tcp_test.c.
 */
#ifndef VT_LIFE_EVIDENCE_H
#define VT_LIFE_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#include <vital/engine.h>

typedef enum vt_finding {
    VT_FOUND_NOTHING,  /* there is no such evidence */
    VT_FOUND_MOVING,   /* bytes are being acknowledged, and not all are: they take their time */
    VT_FOUND_UNSURE,   /* bytes are not, but were not sent again often enough to tell */
    VT_FOUND_GONE,     /* nor are they, however often they are sent */
    VT_FOUND_HOMELESS, /* our own system cannot send them */
    VT_FOUND_SHUT,     /* the host is up, and has no room for more: nobody reads there */
    VT_FOUND_TAKEN,    /* the host is up, and has taken all that there was */
} vt_finding;

/* `acked_before`: the bytes that were acknowledged at an earlier look in the same
 * silence; UINT64_MAX: this is the first; 0: its window was shut then, and is open now. */
vt_finding vt_evidence_find(const vital_evidence *now, uint64_t acked_before);

/* GONE or HOMELESS: whether that is certain before the answer limit. `silent_us`: for so long
 * nothing has been heard, while we attended. `lulls`: the path has come back from a doubt
 * before, by which GONE means less. */
bool vt_evidence_early(const vital_evidence *now, int64_t silent_us, bool lulls);

#endif
