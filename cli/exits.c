/*
 * Which exit code a final verdict gives. One code a cause, since there is one
 * cause for each thing that a person, or a script, would do differently. The
 * numbers are a promise: a new cause takes the next free one.
 */
#include "exits.h"

enum { CLOSED_NORMALLY = 1000 };

static const int cause_codes[VITAL_CAUSE_COUNT] = {
    [VITAL_CLOSED_BY_US] = EXITS_FINE,
    [VITAL_CLOSED_BY_PEER] = 10,
    [VITAL_UNREACHABLE] = 11,
    [VITAL_UNTRUSTED] = 12,
    [VITAL_REJECTED] = 13,
    [VITAL_SILENT] = 14,
    [VITAL_STUCK] = 15,
    [VITAL_DEAF] = 16,
    [VITAL_SLOW] = 17,
    [VITAL_CUT] = 18,
    [VITAL_MISBEHAVED] = 19,
    [VITAL_OVERFLOW] = 20,
    [VITAL_SUPERSEDED] = 21,
};

int exits_of_verdict(const vital_verdict *verdict)
{
    if (verdict->cause == VITAL_CLOSED_BY_PEER && verdict->code == CLOSED_NORMALLY)
        return EXITS_FINE;
    if ((unsigned)verdict->cause >= VITAL_CAUSE_COUNT)
        return EXITS_TROUBLE;
    return cause_codes[verdict->cause];
}
