/*
 * Written line by line into a stream in memory. Every series is there from the
 * start, at zero: a rate() over one that appears with its first event misses it.
 */
#include "metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 4 }; /* buckets of a histogram that make one here */

static void describe(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP vital_%s %s\n# TYPE vital_%s %s\n", name, help, name, type);
}

static void number(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
    describe(out, name, type, help);
    fprintf(out, "vital_%s %" PRIu64 "\n", name, value);
}

/* Microseconds as seconds, exactly. */
static void seconds(FILE *out, int64_t us)
{
    fprintf(out, "%" PRId64 ".%06" PRId64, us / 1000000, us % 1000000);
}

static void histogram(FILE *out, const char *name, const char *help, const vital_histogram *from)
{
    describe(out, name, "histogram", help);
    uint64_t so_far = 0;
    for (size_t i = 0; i < VITAL_BUCKETS; i++) {
        so_far += from->buckets[i];
        if (i % STEPS != 0 || i == VITAL_BUCKETS - 1)
            continue;
        fprintf(out, "vital_%s_bucket{le=\"", name);
        seconds(out, vital_bucket_us(i));
        fprintf(out, "\"} %" PRIu64 "\n", so_far);
    }
    fprintf(out, "vital_%s_bucket{le=\"+Inf\"} %" PRIu64 "\nvital_%s_sum ", name, so_far, name);
    seconds(out, from->sum_us);
    fprintf(out, "\nvital_%s_count %" PRIu64 "\n", name, so_far);
}

static void by_cause(FILE *out, const char *name, const char *label,
                     const uint64_t counts[VITAL_CAUSE_COUNT])
{
    for (int cause = 0; cause < VITAL_CAUSE_COUNT; cause++)
        fprintf(out, "vital_%s{%s=\"%s\"} %" PRIu64 "\n", name, label,
                vital_cause_name((vital_cause)cause), counts[cause]);
}

static void write_connections(FILE *out, const metrics_source *source)
{
    const vital_stats *stats = source->stats;
    describe(out, "build_info", "gauge", "The version of vital; always 1.");
    fprintf(out, "vital_build_info{version=\"%s\"} 1\n", VITAL_VERSION);
    number(out, "loops", "gauge", "Event loops, each in its thread.", (uint64_t)source->loops);
    number(out, "connections", "gauge", "WebSocket connections that are open now.", stats->open);
    number(out, "connections_doubtful", "gauge",
           "Of these, those whose last beat is late for its answer.", source->doubtful);
    describe(out, "opens_total", "counter",
             "Attempts to open a connection: opened, or the cause for which it failed.");
    fprintf(out, "vital_opens_total{result=\"opened\"} %" PRIu64 "\n", stats->opened);
    by_cause(out, "opens_total", "result", stats->failed);
    describe(out, "closes_total", "counter", "Open connections that ended, by their verdict.");
    by_cause(out, "closes_total", "cause", stats->closed);
    number(out, "opens_put_off_total", "counter",
           "Of the failed ones, those that came too many at once and were told when to come back.",
           stats->put_off);
    number(out, "http_requests_total", "counter", "Plain HTTP requests that were answered.",
           stats->requests);
    number(out, "queue_bytes", "gauge", "Bytes of messages that wait to be sent.",
           stats->queue_bytes);
}

static void write_beats(FILE *out, const vital_stats *stats)
{
    number(out, "beats_sent_total", "counter", "Our heartbeats that have left.", stats->beats_sent);
    number(out, "beats_answered_total", "counter", "Our heartbeats that were answered.",
           stats->beats_answered);
    number(out, "beats_late_total", "counter",
           "Our heartbeats without an answer at half the limit.", stats->beats_late);
    number(out, "beats_heard_total", "counter", "The clients' pings and in-band heartbeats.",
           stats->beats_heard);
    number(out, "mistakes_total", "counter",
           "Connections given up for their silence, and heard within 5 s after all.",
           stats->mistakes);
    number(out, "breaker_opened_total", "counter",
           "Times that many connections were late at once, so that verdicts were put off.",
           stats->breaker_opened);
    number(out, "deferred_total", "counter",
           "Connections whose verdict was put off, since many were late at once.", stats->deferred);
    number(out, "deferred_alive_total", "counter", "Of these, those that turned out to be there.",
           stats->deferred_alive);
    histogram(out, "rtt_seconds", "Round trips of our answered heartbeats.", &stats->rtt);
    histogram(out, "detection_seconds",
              "For how long a connection that was given up for want of answers had given no sign.",
              &stats->detection);
    histogram(out, "loop_lag_seconds", "How late a loop was whenever something was due.",
              &stats->lag);
    describe(out, "loop_stalled_seconds_total", "counter",
             "Lateness of the loops that was held against no client.");
    fprintf(out, "vital_loop_stalled_seconds_total ");
    seconds(out, stats->stalled_us);
    fprintf(out, "\n");
}

char *metrics_write(const metrics_source *source)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    write_connections(out, source);
    write_beats(out, source->stats);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
