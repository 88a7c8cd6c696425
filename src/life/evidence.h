/*
 * What the kernel's word on a connection (vital_evidence) tells of a peer that owes
 * an answer: pure functions from readings to a finding. Why a number was chosen is
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

/* What the peer's host has done between two looks in the same silence. */
typedef enum vt_change {
    VT_CHANGED_NOTHING, /* or there was no look before */
    VT_CHANGED_ACKED,   /* more is acknowledged */
    VT_CHANGED_ROOM,    /* the window was shut, and is open */
} vt_change;

vt_change vt_evidence_change(const vital_evidence *before, const vital_evidence *now);

vt_finding vt_evidence_find(const vital_evidence *now, vt_change change);

/* GONE or HOMELESS: whether that is certain before the answer limit. `silent_us`: for so long
 * nothing has been heard, while we attended. `lulls`: the path has come back from a doubt
 * before, by which GONE means less. */
bool vt_evidence_early(const vital_evidence *now, int64_t silent_us, bool lulls);

#endif
