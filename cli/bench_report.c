/*
 * What is told of a run: a line that is drawn again on a terminal, and the result. Each
 * number is made in one place, and then said in words, as JSON, and held against the
 * limits.
 */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>

#include "exits.h"
#include "words.h"

enum { UNKNOWN = -1 };

/* ------------------------------------------------------------------- the numbers */

static double seconds(const bench_state *bench)
{
    return (double)bench->measured_us / 1e6;
}

static double per_s(const bench_state *bench)
{
    return bench->measured_us > 0 ? (double)bench->answered / seconds(bench) : 0;
}

static bool knows_subject(const bench_state *bench)
{
    return bench->settings->pid != 0 && !bench->subject_lost && bench->opened > 0;
}

static double bytes_a_connection(const bench_state *bench)
{
    int64_t grown = bench->at_end.resident_bytes - bench->before.resident_bytes;
    return knows_subject(bench) ? (double)grown / (double)bench->opened : UNKNOWN;
}

static double subject_cpu_s(const bench_state *bench)
{
    int64_t used_us = bench->at_end.cpu_us - bench->at_begin.cpu_us;
    return knows_subject(bench) ? (double)used_us / 1e6 : UNKNOWN;
}

static double subject_cpu_s_a_million(const bench_state *bench)
{
    if (!knows_subject(bench) || bench->answered == 0)
        return UNKNOWN;
    return subject_cpu_s(bench) / (double)bench->answered * 1e6;
}

/* Of one core. */
static double own_share(const bench_state *bench)
{
    int64_t used_us = bench->own.cpu_us - bench->own_before.cpu_us;
    return bench->measured_us > 0 ? (double)used_us / (double)bench->measured_us : 0;
}

/* Negative if it is not known. */
static double measured(const bench_state *bench, const bench_limit *limit)
{
    const bench_times *times = &bench->times;
    switch (limit->measure) {
    case BENCH_PERCENTILE:
        return (double)bench_times_quantile_us(times, limit->part);
    case BENCH_MIN:
        return times->count > 0 ? (double)times->min_us : UNKNOWN;
    case BENCH_MEAN:
        return (double)bench_times_mean_us(times);
    case BENCH_MAX:
        return times->count > 0 ? (double)times->max_us : UNKNOWN;
    case BENCH_RATE:
        return per_s(bench);
    case BENCH_FAILED:
        return (double)bench->failed;
    case BENCH_LOST:
        return (double)bench->lost;
    case BENCH_UNANSWERED:
        return (double)bench->unanswered;
    case BENCH_MEMORY:
        return bytes_a_connection(bench);
    case BENCH_CPU:
        return subject_cpu_s_a_million(bench);
    }
    return UNKNOWN;
}

/* --------------------------------------------------------------------- in words */

static cli_words words_size(double bytes)
{
    cli_words words;
    double size = bytes < 0 ? -bytes : bytes;
    const char *sign = bytes < 0 ? "-" : "";
    if (size < 1024)
        snprintf(words.text, sizeof words.text, "%s%.0f B", sign, size);
    else if (size < 1024 * 1024)
        snprintf(words.text, sizeof words.text, "%s%.2f KiB", sign, size / 1024);
    else
        snprintf(words.text, sizeof words.text, "%s%.1f MiB", sign, size / 1024 / 1024);
    return words;
}

static cli_words words_quantile(const bench_times *times, double part)
{
    return words_ms(bench_times_quantile_us(times, part));
}

static void say_times(bench_state *bench, const char *name, const bench_times *times)
{
    if (times->count == 0)
        return;
    output_line(&bench->output, "%s: p50 %s, p90 %s, p99 %s, p99.9 %s, p99.99 %s, max %s, mean %s",
                name, words_quantile(times, 0.5).text, words_quantile(times, 0.9).text,
                words_quantile(times, 0.99).text, words_quantile(times, 0.999).text,
                words_quantile(times, 0.9999).text, words_ms(times->max_us).text,
                words_ms(bench_times_mean_us(times)).text);
}

static void say_subject(bench_state *bench)
{
    cli_output *output = &bench->output;
    if (!knows_subject(bench))
        return;
    output_line(output, "memory of process %d: %s, then %s: %s for each connection",
                bench->settings->pid, words_size((double)bench->before.resident_bytes).text,
                words_size((double)bench->at_end.resident_bytes).text,
                words_size(bytes_a_connection(bench)).text);
    double million_s = subject_cpu_s_a_million(bench);
    if (million_s >= 0)
        output_line(output, "CPU of process %d: %.2f s, which is %.2f s for a million %s",
                    bench->settings->pid, subject_cpu_s(bench), million_s, bench->mode->answers);
    else
        output_line(output, "CPU of process %d: %.3f s", bench->settings->pid,
                    subject_cpu_s(bench));
}

static void say_result(bench_state *bench)
{
    cli_output *output = &bench->output;
    output_line(output, "--- %s ---", bench->url);
    output_line(output, "%s%" PRIu64 " %s in %.2f s: %.0f a second",
                bench->interrupted ? "interrupted: " : "", bench->answered, bench->mode->answers,
                seconds(bench), per_s(bench));
    say_times(bench, "latency", &bench->times);
    say_times(bench, "until all have it", &bench->whole);
    say_times(bench, "opening", &bench->opens);
    output_line(output, "connections: %zu opened, %zu failed, %zu lost", bench->opened,
                bench->failed, bench->lost);
    if (bench->unanswered > 0)
        output_line(output,
                    "unanswered: %" PRIu64 ", in the latency with the time that they have waited",
                    bench->unanswered);
    if (bench->strange > 0)
        output_line(output, "messages that answer nothing: %" PRIu64, bench->strange);
    say_subject(bench);
    output_line(output, "this program took %.0f %% of a core%s", 100 * own_share(bench),
                own_share(bench) > 0.95 ? ": perhaps it was the limit, and not the server" : "");
}

/* --------------------------------------------------------------------- as JSON */

static json_t *json_known(double number)
{
    return number < 0 ? json_null() : json_real(number);
}

static json_t *json_times(const bench_times *times)
{
    static const struct {
        const char *name;
        double part;
    } quantiles[] = {{"p50", 0.5},  {"p75", 0.75},    {"p90", 0.9},
                     {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}};
    bool any = times->count > 0;
    json_t *object = json_pack("{s:I, s:o, s:o, s:o}", "count", (json_int_t)times->count, "min_ms",
                               output_ms(any ? times->min_us : UNKNOWN), "mean_ms",
                               output_ms(bench_times_mean_us(times)), "max_ms",
                               output_ms(any ? times->max_us : UNKNOWN));
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "%s_ms", quantiles[i].name);
        json_object_set_new(object, name,
                            output_ms(bench_times_quantile_us(times, quantiles[i].part)));
    }
    return object;
}

static json_t *json_subject(const bench_state *bench)
{
    if (!knows_subject(bench))
        return json_null();
    return json_pack("{s:i, s:I, s:I, s:o, s:o, s:o}", "pid", bench->settings->pid, "before_bytes",
                     (json_int_t)bench->before.resident_bytes, "bytes",
                     (json_int_t)bench->at_end.resident_bytes, "bytes_a_connection",
                     json_real(bytes_a_connection(bench)), "cpu_s", json_real(subject_cpu_s(bench)),
                     "cpu_s_a_million", json_known(subject_cpu_s_a_million(bench)));
}

static json_t *json_broken(const bench_state *bench)
{
    const bench_settings *settings = bench->settings;
    json_t *broken = json_array();
    for (size_t i = 0; i < settings->limit_count; i++) {
        const bench_limit *limit = &settings->limits[i];
        double value = measured(bench, limit);
        if (value < 0 || bench_limit_fails(limit, value))
            json_array_append_new(broken, output_text(limit->text));
    }
    return broken;
}

static void tell_result_json(bench_state *bench)
{
    const bench_settings *settings = bench->settings;
    json_t *event = json_pack("{s:s, s:s, s:o, s:i, s:i, s:b}", "event", "result", "mode",
                              bench->mode->name, "url", output_text(bench->url), "connections",
                              settings->connections, "rate", settings->rate, "interrupted",
                              (int)bench->interrupted);
    json_t *counts = json_pack("{s:f, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:f}", "seconds",
                               seconds(bench), "answered", (json_int_t)bench->answered, "per_s",
                               per_s(bench), "unanswered", (json_int_t)bench->unanswered, "strange",
                               (json_int_t)bench->strange, "opened", (json_int_t)bench->opened,
                               "failed", (json_int_t)bench->failed, "lost", (json_int_t)bench->lost,
                               "own_share", own_share(bench));
    json_object_update_new(event, counts);
    json_object_set_new(event, "latency", json_times(&bench->times));
    json_object_set_new(event, "whole", json_times(&bench->whole));
    json_object_set_new(event, "opening", json_times(&bench->opens));
    json_object_set_new(event, "process", json_subject(bench));
    json_object_set_new(event, "broken", json_broken(bench));
    output_event(&bench->output, event);
}

/* ------------------------------------------------------------------------- limits */

static cli_words words_value(const bench_limit *limit, double value)
{
    cli_words words;
    switch (limit->measure) {
    case BENCH_PERCENTILE:
    case BENCH_MIN:
    case BENCH_MEAN:
    case BENCH_MAX:
        return words_ms((int64_t)value);
    case BENCH_MEMORY:
        return words_size(value);
    case BENCH_RATE:
    case BENCH_FAILED:
    case BENCH_LOST:
    case BENCH_UNANSWERED:
    case BENCH_CPU:
        break;
    }
    snprintf(words.text, sizeof words.text, "%.12g", value);
    return words;
}

/* Whether all is as it should be. What is not known cannot be. */
static bool limits_hold(bench_state *bench)
{
    const bench_settings *settings = bench->settings;
    bool hold = true;
    for (size_t i = 0; i < settings->limit_count; i++) {
        const bench_limit *limit = &settings->limits[i];
        double value = measured(bench, limit);
        if (value >= 0 && !bench_limit_fails(limit, value))
            continue;
        hold = false;
        if (value < 0)
            output_problem(&bench->output, "--fail-if '%s': that is not known", limit->text);
        else
            output_problem(&bench->output, "--fail-if '%s': it is %s", limit->text,
                           words_value(limit, value).text);
    }
    return hold;
}

void bench_tell_result(bench_state *bench)
{
    if (bench->settings->json)
        tell_result_json(bench);
    else
        say_result(bench);
    bool hold = limits_hold(bench);
    if (bench->answered == 0 && bench->mode != &BENCH_IDLE)
        bench->exit_code = EXITS_UNANSWERED;
    else
        bench->exit_code = hold ? EXITS_FINE : EXITS_LIMIT;
}

/* ---------------------------------------------------------------------- meanwhile */

void bench_tell_start(bench_state *bench)
{
    const bench_settings *settings = bench->settings;
    char load[64] = "";
    if (settings->rate > 0)
        snprintf(load, sizeof load, ", %d a second%s", settings->rate,
                 settings->together ? ", together" : "");
    output_note(&bench->output, OUTPUT_PLAIN, "BENCH %s: %s, %s%s, for %s", bench->url,
                bench->mode->name, words_count((uint64_t)settings->connections, "connection").text,
                load, words_span(settings->duration_ms).text);
}

void bench_tell_ready(bench_state *bench, int64_t took_us)
{
    bench_clear_progress(bench);
    if (bench->settings->json && !bench->settings->quiet)
        output_event(&bench->output,
                     json_pack("{s:s, s:o, s:I, s:I, s:o}", "event", "ready", "url",
                               output_text(bench->url), "open", (json_int_t)bench->open, "failed",
                               (json_int_t)bench->failed, "took_ms", output_ms(took_us)));
    output_note(&bench->output, OUTPUT_PLAIN, "%s open after %s",
                words_count(bench->open, "connection").text, words_ms(took_us).text);
}

void bench_clear_progress(bench_state *bench)
{
    if (bench->progress_shown)
        fputs("\r\033[K", stderr);
    bench->progress_shown = false;
}

static void show_progress(bench_state *bench, int64_t passed_ms, double recent_per_s)
{
    const bench_times *recent = &bench->recent;
    fputs("\r\033[K", stderr);
    if (bench->phase == BENCH_OPENING) {
        fprintf(stderr, "%zu of %d connections are open", bench->open,
                bench->settings->connections);
    } else {
        fprintf(stderr, "%s %s of %s: %.0f %s a second",
                bench->phase == BENCH_WARMING ? "warming up," : bench->mode->name,
                words_span(passed_ms / 1000 * 1000).text,
                words_span(bench->phase == BENCH_WARMING ? bench->settings->warm_up_ms
                                                         : bench->settings->duration_ms)
                    .text,
                recent_per_s, bench->mode->answers);
        if (recent->count > 0)
            fprintf(stderr, ", p50 %s, p99 %s", words_quantile(recent, 0.5).text,
                    words_quantile(recent, 0.99).text);
        if (bench->lost > 0)
            fprintf(stderr, ", %zu lost", bench->lost);
    }
    fflush(stderr);
    bench->progress_shown = true;
}

static void tell_progress_json(bench_state *bench, int64_t passed_us, double recent_per_s)
{
    const bench_times *recent = &bench->recent;
    output_event(&bench->output,
                 json_pack("{s:s, s:o, s:I, s:f, s:o, s:o}", "event", "progress", "after_ms",
                           output_ms(passed_us), "open", (json_int_t)bench->open, "per_s",
                           recent_per_s, "p50_ms", output_ms(bench_times_quantile_us(recent, 0.5)),
                           "p99_ms", output_ms(bench_times_quantile_us(recent, 0.99))));
}

void bench_tell_progress(bench_state *bench, int64_t now_us, int64_t span_us)
{
    int64_t passed_us = now_us - bench->phase_us;
    double recent_per_s = (double)bench->recent.count * 1e6 / (double)span_us;
    if (bench->shows_progress)
        show_progress(bench, passed_us / 1000, recent_per_s);
    else if (bench->settings->json && !bench->settings->quiet && bench->phase == BENCH_MEASURING)
        tell_progress_json(bench, passed_us, recent_per_s);
    bench_times_add(&bench->times, &bench->recent);
    bench->recent = (bench_times){.count = 0};
}
