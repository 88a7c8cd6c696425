/*
 * What engines count, for those who watch over many of them. The numbers are
 * the caller's (vital_policy.stats), plain, and of one thread: a store each, no
 * lock, no allocation. Every function accepts NULL, and then counts nothing.
 */
#ifndef VT_LIFE_STATS_H
#define VT_LIFE_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vital/engine.h>

typedef enum vt_stats_what {
    VT_STATS_SENT,  /* a beat of ours has wholly left */
    VT_STATS_LATE,  /* it is unanswered for so long that the connection is doubtful */
    VT_STATS_HEARD, /* a beat of the peer */
} vt_stats_what;

void vt_stats_opened(vital_stats *stats);
/* A socket was lost, or could not be had. */
void vt_stats_lost(vital_stats *stats, vital_cause cause, bool was_open);
void vt_stats_abandoned(vital_stats *stats); /* open, and ended without a verdict */
void vt_stats_put_off(vital_stats *stats);   /* an upgrade, to another time */
void vt_stats_served(vital_stats *stats);    /* a plain request has its answer */

void vt_stats_beat(vital_stats *stats, vt_stats_what what);
void vt_stats_answered(vital_stats *stats, int64_t rtt_us); /* -1: not measured */
/* A peer was given up, so long after its last sign. */
void vt_stats_detected(vital_stats *stats, int64_t after_us);

/* One engine's queue held `before`, and holds `now`. */
void vt_stats_queue(vital_stats *stats, size_t before, size_t now);

#endif
