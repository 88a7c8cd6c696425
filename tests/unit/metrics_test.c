#include "metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *text;

static int teardown(void **state)
{
    (void)state;
    free(text);
    text = NULL;
    return 0;
}

static void write_stats(const vital_stats *stats)
{
    text = metrics_write(&(metrics_source){.stats = stats, .doubtful = 3, .loops = 2});
    assert_non_null(text);
}

/* The whole line that begins so. */
static void assert_line(const char *expected)
{
    size_t size = strlen(expected);
    for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, expected, size) == 0 && at[size] == '\n')
            return;
        if (*at == '\0')
            break;
    }
    fail_msg("there is no line `%s` in\n%s", expected, text);
}

static void numbers_have_their_names(void **state)
{
    (void)state;
    vital_stats stats = {.open = 5,
                         .opened = 9,
                         .put_off = 3,
                         .requests = 4,
                         .beats_sent = 70,
                         .beats_answered = 68,
                         .beats_late = 2,
                         .mistakes = 1,
                         .breaker_opened = 7,
                         .deferred = 60,
                         .deferred_alive = 59,
                         .beats_heard = 11,
                         .queue_bytes = 1024,
                         .stalled_us = 1500000};
    stats.closed[VITAL_SILENT] = 1;
    stats.failed[VITAL_REJECTED] = 6;
    write_stats(&stats);
    assert_line("vital_build_info{version=\"" VITAL_VERSION "\"} 1");
    assert_line("vital_loops 2");
    assert_line("vital_connections 5");
    assert_line("vital_connections_doubtful 3");
    assert_line("vital_opens_total{result=\"opened\"} 9");
    assert_line("vital_opens_total{result=\"REJECTED\"} 6");
    assert_line("vital_closes_total{cause=\"SILENT\"} 1");
    assert_line("vital_opens_put_off_total 3");
    assert_line("vital_http_requests_total 4");
    assert_line("vital_beats_sent_total 70");
    assert_line("vital_beats_answered_total 68");
    assert_line("vital_beats_late_total 2");
    assert_line("vital_mistakes_total 1");
    assert_line("vital_breaker_opened_total 7");
    assert_line("vital_deferred_total 60");
    assert_line("vital_deferred_alive_total 59");
    assert_line("vital_beats_heard_total 11");
    assert_line("vital_queue_bytes 1024");
    assert_line("vital_loop_stalled_seconds_total 1.500000");
}

static void every_cause_is_there_before_anything_has_happened(void **state)
{
    (void)state;
    char line[80];
    const vital_stats stats = {.open = 0};
    write_stats(&stats);
    for (int cause = 0; cause < VITAL_CAUSE_COUNT; cause++) {
        snprintf(line, sizeof line, "vital_closes_total{cause=\"%s\"} 0",
                 vital_cause_name((vital_cause)cause));
        assert_line(line);
    }
}

static void buckets_are_cumulative_and_the_last_one_is_all(void **state)
{
    (void)state;
    vital_stats stats = {.rtt = {.count = 4, .sum_us = 70000055}};
    stats.rtt.buckets[0] = 1;                 /* up to 16 us */
    stats.rtt.buckets[2] = 2;                 /* 20 to 24 us */
    stats.rtt.buckets[VITAL_BUCKETS - 1] = 1; /* more than 67 s */
    write_stats(&stats);
    assert_line("vital_rtt_seconds_bucket{le=\"0.000016\"} 1");
    assert_line("vital_rtt_seconds_bucket{le=\"0.000032\"} 3");
    assert_line("vital_rtt_seconds_bucket{le=\"67.108864\"} 3");
    assert_line("vital_rtt_seconds_bucket{le=\"+Inf\"} 4");
    assert_line("vital_rtt_seconds_count 4");
    assert_line("vital_rtt_seconds_sum 70.000055");
}

/* Every sample follows the HELP and TYPE of its family, which come once. */
static void each_family_is_described_once_before_its_samples(void **state)
{
    (void)state;
    char family[64] = "", name[64], type[16];
    int families = 0, samples = 0;
    const vital_stats stats = {.open = 0};
    write_stats(&stats);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (sscanf(line, "# HELP %63s", name) == 1) {
            snprintf(family, sizeof family, "%s", name);
            families++;
            samples = 0;
            continue;
        }
        if (sscanf(line, "# TYPE %63s %15s", name, type) == 2) {
            assert_string_equal(name, family);
            assert_int_equal(samples, 0);
            continue;
        }
        samples++;
        assert_int_equal(strncmp(line, family, strlen(family)), 0);
        assert_non_null(strchr("{_ ", line[strlen(family)]));
    }
    assert_int_equal(families, 21);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_have_their_names),
        TEST(every_cause_is_there_before_anything_has_happened),
        TEST(buckets_are_cumulative_and_the_last_one_is_all),
        TEST(each_family_is_described_once_before_its_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
