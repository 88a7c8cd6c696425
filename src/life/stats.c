/*
 * Numbers that only grow, but for the two that are of now. Reading them is
 * copying them: whoever has several loops adds the copies up.
 */
#include "stats.h"

#include "histogram.h"

void vt_stats_opened(vital_stats *stats)
{
    if (stats == NULL)
        return;
    stats->opened++;
    stats->open++;
}

void vt_stats_lost(vital_stats *stats, vital_cause cause, bool was_open)
{
    if (stats == NULL)
        return;
    if (!was_open) {
        stats->failed[cause]++;
        return;
    }
    stats->closed[cause]++;
    stats->open--;
}

void vt_stats_abandoned(vital_stats *stats)
{
    if (stats != NULL)
        stats->open--;
}

void vt_stats_put_off(vital_stats *stats)
{
    if (stats != NULL)
        stats->put_off++;
}

void vt_stats_served(vital_stats *stats)
{
    if (stats != NULL)
        stats->requests++;
}

void vt_stats_beat(vital_stats *stats, vt_stats_what what)
{
    if (stats == NULL)
        return;
    switch (what) {
    case VT_STATS_SENT:
        stats->beats_sent++;
        break;
    case VT_STATS_LATE:
        stats->beats_late++;
        break;
    case VT_STATS_HEARD:
        stats->beats_heard++;
        break;
    }
}

void vt_stats_answered(vital_stats *stats, int64_t rtt_us)
{
    if (stats == NULL)
        return;
    stats->beats_answered++;
    if (rtt_us >= 0)
        vt_histogram_note(&stats->rtt, rtt_us);
}

void vt_stats_detected(vital_stats *stats, int64_t after_us)
{
    if (stats != NULL)
        vt_histogram_note(&stats->detection, after_us);
}

void vt_stats_queue(vital_stats *stats, size_t before, size_t now)
{
    if (stats != NULL)
        stats->queue_bytes += now - before; /* modulo 2^64, also when it has shrunk */
}

void vital_stats_add(vital_stats *sum, const vital_stats *more)
{
    sum->open += more->open;
    sum->opened += more->opened;
    for (size_t i = 0; i < VITAL_CAUSE_COUNT; i++) {
        sum->failed[i] += more->failed[i];
        sum->closed[i] += more->closed[i];
    }
    sum->put_off += more->put_off;
    sum->requests += more->requests;
    sum->beats_sent += more->beats_sent;
    sum->beats_answered += more->beats_answered;
    sum->beats_late += more->beats_late;
    sum->beats_heard += more->beats_heard;
    sum->mistakes += more->mistakes;
    sum->breaker_opened += more->breaker_opened;
    sum->deferred += more->deferred;
    sum->deferred_alive += more->deferred_alive;
    sum->queue_bytes += more->queue_bytes;
    vt_histogram_add(&sum->rtt, &more->rtt);
    vt_histogram_add(&sum->detection, &more->detection);
    vt_histogram_add(&sum->lag, &more->lag);
    sum->stalled_us += more->stalled_us;
}
