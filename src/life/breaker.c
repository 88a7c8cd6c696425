/*
 * Who is late is counted as it comes and goes, so that it is known before the first
 * verdict whether many are. A rate of verdicts would tell too late, and with beats
 * that are spread over an interval of 25 s, never: when everybody is lost, one in 22
 * is given up in a second.
 *
 * Unrelated addresses are counted in a small table of counters, by hash: a cell that is
 * not zero is one address at least. That errs to the side of verdicts.
 */
#include "breaker.h"

#include <stdlib.h>

enum { CELLS = 512 };

typedef enum phase { CLOSED, ASKING, SPARING, CONVICTING } phase;

struct vital_breaker {
    phase phase;
    int64_t until_awake_us; /* for so long, unless CLOSED; on the clock less all stalls */
    uint32_t sampled;       /* ASKING: asked anew */
    uint32_t heard;         /* ASKING: of those who were put off */
    uint64_t open;
    uint64_t late;
    uint32_t cells; /* that are not zero */
    uint32_t late_in[CELLS];
};

int vital_breaker_create(vital_breaker **out)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? VITAL_ENOMEM : 0;
}

void vital_breaker_destroy(vital_breaker *breaker)
{
    free(breaker);
}

void vt_breaker_stand(vital_breaker *breaker, vt_party *party, vt_standing standing)
{
    if (breaker == NULL || party->standing == standing)
        return;
    uint32_t *late_here = &breaker->late_in[party->path % CELLS];
    if (party->standing == VT_STANDS_LATE) {
        breaker->late--;
        breaker->cells -= --*late_here == 0;
    }
    if (standing == VT_STANDS_LATE) {
        breaker->late++;
        breaker->cells += (*late_here)++ == 0;
    }
    breaker->open += party->standing == VT_STANDS_AWAY;
    breaker->open -= standing == VT_STANDS_AWAY;
    party->standing = standing;
}

static void enter(vital_breaker *breaker, phase next, int64_t until_awake_us)
{
    breaker->phase = next;
    breaker->until_awake_us = until_awake_us;
}

/* What time alone has brought about. */
static void advance(vital_breaker *breaker, int64_t awake_us)
{
    if (breaker->phase == CLOSED || awake_us < breaker->until_awake_us)
        return;
    if (breaker->phase == ASKING)
        enter(breaker, CONVICTING, awake_us + VT_BREAKER_CONVICTS_US);
    else
        breaker->phase = CLOSED;
}

static bool many_are_late(const vital_breaker *breaker)
{
    return breaker->cells >= VT_BREAKER_LEAST && breaker->late * VT_BREAKER_ONE_IN > breaker->open;
}

static void put_off(vt_party *party, vt_reprieve reprieve, vital_stats *stats)
{
    if (party->reprieve == VT_REPRIEVE_NONE && stats != NULL)
        stats->deferred++;
    party->reprieve = reprieve;
}

vt_ruling vt_breaker_judge(vital_breaker *breaker, vt_party *party, vital_clock clock,
                           vital_stats *stats)
{
    if (breaker == NULL || party->reprieve == VT_REPRIEVE_SPARED)
        return VT_RULED_CONVICT;
    const int64_t awake_us = clock.now_us - clock.stalled_us;
    const bool first = party->reprieve == VT_REPRIEVE_NONE;
    advance(breaker, awake_us);
    if (breaker->phase == CLOSED && first && many_are_late(breaker)) {
        enter(breaker, ASKING, awake_us + VT_BREAKER_ASKS_US);
        breaker->sampled = breaker->heard = 0;
        if (stats != NULL)
            stats->breaker_opened++;
    }
    switch (breaker->phase) {
    case ASKING:
        put_off(party, VT_REPRIEVE_WAITS, stats);
        if (!first || breaker->sampled == VT_BREAKER_SAMPLE)
            return VT_RULED_WAIT;
        breaker->sampled++;
        return VT_RULED_ASK;
    case SPARING:
        put_off(party, VT_REPRIEVE_SPARED, stats);
        return VT_RULED_SPARE;
    case CLOSED:
    case CONVICTING:
        break;
    }
    return VT_RULED_CONVICT;
}

void vt_breaker_heard(vital_breaker *breaker, vt_party *party, vital_clock clock,
                      vital_stats *stats)
{
    if (breaker == NULL || party->reprieve == VT_REPRIEVE_NONE)
        return;
    const int64_t awake_us = clock.now_us - clock.stalled_us;
    party->reprieve = VT_REPRIEVE_NONE;
    if (stats != NULL)
        stats->deferred_alive++;
    advance(breaker, awake_us);
    if (breaker->phase == ASKING && ++breaker->heard == VT_BREAKER_ENOUGH)
        enter(breaker, SPARING, awake_us + VT_BREAKER_SPARES_US);
}
