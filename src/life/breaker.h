/*
 * Many at once means that it is us: our uplink, our provider, a switch of ours. Then
 * the peers are well, and the verdicts on them would be mistakes, all of the same
 * kind. One breaker for the connections of a loop; each verdict for want of answers
 * passes by it.
 *
 *              many are late                      no answer within 10 s
 *   CLOSED ----------------------> ASKING --------------------------------> CONVICTING
 *     ^                              |                                          |
 *     |  20 s                        | some of those who were put off are heard |  30 s
 *     +-------- SPARING <------------+                                          |
 *     +-------------------------------------------------------------------------+
 *
 *   ASKING      a few are asked anew, the others wait
 *   SPARING     it was us: who would be given up gets a new limit
 *   CONVICTING  it was not, or it is for good: verdicts go their way
 *
 * "Many": more than one in twenty of the connections that are open, at 50 unrelated
 * addresses or more, have a beat that is late at this moment. Each is put off once in a
 * silence, for at most VT_BREAKER_ASKS_US, and spared once, for
 * VT_BREAKER_SPARES_US: so no verdict comes more than both of these later than it
 * would (and half a second, at which who waits looks again).
 *
 * Costs a store or two when a connection begins or ceases to be late. Nothing walks
 * over connections, and nothing is allocated.
 */
#ifndef VT_LIFE_BREAKER_H
#define VT_LIFE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include <vital/engine.h>

enum {
    VT_BREAKER_LEAST = 50,           /* addresses */
    VT_BREAKER_ONE_IN = 20,          /* of the open connections */
    VT_BREAKER_SAMPLE = 16,          /* are asked anew */
    VT_BREAKER_ENOUGH = 4,           /* of those who were put off, heard again: it was us */
    VT_BREAKER_ASKS_US = 10000000,   /* the answer limit, where no round trip is known */
    VT_BREAKER_SPARES_US = 20000000, /* the longest there is */
    VT_BREAKER_CONVICTS_US = 30000000,
};

typedef enum vt_standing { VT_STANDS_AWAY, VT_STANDS_WELL, VT_STANDS_LATE } vt_standing;

typedef enum vt_reprieve { VT_REPRIEVE_NONE, VT_REPRIEVE_WAITS, VT_REPRIEVE_SPARED } vt_reprieve;

/* What is known of one connection, whose engine embeds it. Zeroed: away. */
typedef struct vt_party {
    uint32_t path; /* a hash of the peer's address: who shares it is not unrelated */
    vt_standing standing;
    vt_reprieve reprieve; /* in this silence */
} vt_party;

typedef enum vt_ruling {
    VT_RULED_CONVICT, /* the verdict goes its way */
    VT_RULED_ASK,     /* put off: ask anew, and come again soon */
    VT_RULED_WAIT,    /* put off: come again soon */
    VT_RULED_SPARE,   /* put off: ask anew, with a new limit */
} vt_ruling;

/* Each accepts a breaker that is NULL, and then puts nothing off. */

/* The connection is open, or late, or neither. */
void vt_breaker_stand(vital_breaker *breaker, vt_party *party, vt_standing standing);
/* A verdict is about to be made. Counts in `stats`, which may be NULL. */
vt_ruling vt_breaker_judge(vital_breaker *breaker, vt_party *party, vital_clock clock,
                           vital_stats *stats);
/* A peer whose verdict may have been put off is there. */
void vt_breaker_heard(vital_breaker *breaker, vt_party *party, vital_clock clock,
                      vital_stats *stats);

#endif
